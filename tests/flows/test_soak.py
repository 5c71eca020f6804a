"""Sixty nights of one city with people reading all the while. Takes minutes.

Every night brings something else: news, corrections, what is sent back, nothing, a damaged archive or a
damaged publication. Readers in processes of their own open the publication again and again, as BI tools
do, and must find it whole each time.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows import steps
from flows.run import Run
from tests.conftest import Home, MakeHome
from warehouse.archive import Archive

pytestmark = pytest.mark.slow

NIGHTS, READERS, KEPT = 60, 2, 5
UNITS = ("210702", "210703", "210711", "210726", "210727")

#: Opens the publication anew until its input ends; says how often, and whatever was wrong with it.
READER = """
import os, select, sys
import duckdb
file, wrong, times, last = sys.argv[1], [], 0, ""
while not select.select([sys.stdin], [], [], 0)[0]:
    with duckdb.connect(file, read_only=True) as db:
        tables = [name for (name,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        for table in tables:
            db.execute(f'SELECT max(hash(t)) FROM "{table}" t').fetchall()
        ids = [i for (i,) in db.execute("SELECT publication_id FROM publication ORDER BY 1").fetchall()]
        counted = db.execute(
            "SELECT (SELECT count(*) FROM submission WHERE status LIKE 'accepted%'),"
            " (SELECT submissions FROM publication ORDER BY publication_id DESC LIMIT 1)"
        ).fetchone()
        if counted[0] != counted[1] or ids[-1] < last:
            wrong.append((ids[-1], last, counted))
        last, times = ids[-1], times + 1
print(times, wrong)
"""


@contextmanager
def readers(file: Path) -> Iterator[None]:
    """Readers of ``file``; at the end all of them have read, and found nothing wrong."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(READERS)
    ]
    try:
        yield
    finally:
        said = [process.communicate("end\n") for process in running]
    for out, err in said:
        times, _, wrong = out.partition(" ")
        assert (wrong.strip(), err) == ("[]", "")
        assert int(times) > NIGHTS // 10


def hand_in(home: Home, night: int, draw: random.Random) -> None:
    """What comes in during a day."""
    unit, year = draw.choice(UNITS), draw.choice((2018, 2019, 2020))
    received = f"2020-{9 + night // 28:02}-{1 + night % 28:02} 0{draw.randint(0, 9)}:00:00"
    value: object = "三" if night % 9 == 4 else draw.randint(1, 10**6)
    rows = [{"age": 3, "population": value}]
    home.sheet(unit, "population", year, rows, received=received, name=f"{year}年第{night}夜.csv")


def rot(home: Home, draw: random.Random) -> None:
    """Change a byte of an original that still lies in the inbox."""
    digest = draw.choice(sorted(Archive(home.settings.archive).originals()))
    file = home.settings.archive / digest[:2] / digest
    file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:])


def test_sixty_nights_with_readers(make_home: MakeHome) -> None:
    home = make_home(keep_publications=KEPT)
    draw = random.Random(60)
    for unit in UNITS:
        home.sheet(unit, "population", 2020, [{"age": 3, "population": 1}], name="2020年起.csv")
    home.night()
    open_files = 0
    ids = set()
    with readers(home.publication):
        for night in range(1, NIGHTS + 1):
            if night % 7:
                hand_in(home, night, draw)
            if night % 10 == 0:
                rot(home, draw)
            done = home.night()
            if done.imprint is not None:
                ids.add(done.imprint.publication_id)
            if night == NIGHTS // 6:
                open_files = len(os.listdir("/proc/self/fd"))
    assert len(ids) > NIGHTS // 2
    assert len(os.listdir("/proc/self/fd")) <= open_files
    left = {path.name for path in home.settings.published.iterdir()}
    assert ".staging" not in left
    history = {path.name for path in (home.settings.published / "history").iterdir()}
    assert len(history) == KEPT and history <= ids
    before = home.rows()

    # Whatever rotted is found when all is read again, and comes back from the inbox.
    home.settings.warehouse.unlink()
    home.night()
    assert home.rows() == before
    archive = Archive(home.settings.archive)
    assert archive.damage(archive.originals()) == {}
    with Run.open(home.settings) as run:
        assert not steps.must_publish(run)
