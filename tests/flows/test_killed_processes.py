"""`jzedu nightly` and `jzedu backfill` as processes: killed at random moments, and two at a time.

The moments are drawn on the clock, so that no two rounds are the same; what is asked of the runs
afterwards is. Everything here takes minutes.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from transforms.sample import write_sample
from warehouse.publication.tables import OF_THE_MOMENT, TABLES
from warehouse.reference import load_reference

pytestmark = pytest.mark.slow

UNITS = ["210700", "210701", "210727"]
NIGHT = ("nightly",)
BACKFILL = ("backfill", "--years", "2019-2020")
#: Homes, and kills of each before it may run to the end.
HOMES, KILLS = 3, 6


class City:
    """A home whose runs are processes."""

    def __init__(self, root: Path, env: dict[str, str]) -> None:
        self.root = root
        self.env = env

    def copy(self, root: Path) -> City:
        shutil.copytree(self.root, root)
        return City(root, self.env)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.terminal.cli", *arguments, "--home", str(self.root)],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    def run(self, *arguments: str) -> float:
        """Run to the end; give the seconds it took."""
        began = time.monotonic()
        with self.start(*arguments) as process:
            _, said = process.communicate()
        assert process.returncode == 0, said
        return time.monotonic() - began

    def kill(self, moment: float, group: bool, *arguments: str) -> None:
        """Run, and kill the process or its whole group after so many seconds."""
        with self.start(*arguments) as process:
            try:
                process.communicate(timeout=moment)
            except subprocess.TimeoutExpired:
                if group:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()
            else:
                assert process.returncode == 0
            # What a process leaves behind may hold its pipes: nobody waits for their end.
            for pipe in (process.stdout, process.stderr):
                assert pipe is not None
                pipe.close()
            process.wait()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        file = self.root / "published" / "indicators.duckdb"
        with duckdb.connect(str(file), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def files(self, folder: str) -> dict[str, str]:
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (self.root / folder).rglob("*")
            if path.is_file()
        }

    def says(self) -> dict[str, object]:
        """Everything that a run leaves, ids and times aside."""
        said: dict[str, object] = {
            table.name: self.ask(f"FROM {table.name} ORDER BY ALL")
            for table in TABLES
            if table.name not in OF_THE_MOMENT
        }
        said["revision"] = self.ask(
            "SELECT p.previous_id IS NULL, r.* EXCLUDE (publication_id) FROM revision r"
            " JOIN publication p USING (publication_id) ORDER BY ALL"
        )
        said["publication"] = self.ask(
            "SELECT * EXCLUDE (publication_id, published_at, previous_id) FROM publication"
            " ORDER BY published_at"
        )
        for table in TABLES:
            file = self.root / "published" / "parquet" / f"{table.name}.parquet"
            assert self.ask(f"FROM '{file}' ORDER BY ALL") == self.ask(
                f"FROM {table.name} ORDER BY ALL"
            )
        history = self.root / "published" / "history"
        kept = sorted(file.parent.name for file in history.glob("*/indicators.duckdb"))
        assert [(name,) for name in kept] == self.ask("SELECT publication_id FROM publication")
        for name in kept:
            with duckdb.connect(str(history / name / "indicators.duckdb"), read_only=True) as past:
                latest = past.execute("SELECT max(publication_id) FROM publication").fetchone()
            assert latest == (name,)
        said |= self.files("archive") | self.files("outbox")
        said["report"] = sorted(self.files("published/report"))
        return said


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, prefect_home: Callable[[], Path]) -> City:
    """Two units, published for 2019; 2020 and a correction that is sent back are in the inbox."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "JZEDU_"))}
    env |= {"PREFECT_HOME": str(prefect_home()), "PYTHONIOENCODING": "utf-8"}
    home = City(tmp_path_factory.mktemp("city") / "home", env)
    reference = load_reference(home.root)
    few = reference.regions.filter(pl.col("region_code").is_in(UNITS))
    write_sample(home.root / "inbox", [2019], few, reference.townships)
    home.run(*NIGHT)
    write_sample(home.root / "inbox", [2020], few, reference.townships)
    bad = home.root / "inbox" / "210727" / "2019年更正.csv"
    bad.parent.mkdir(exist_ok=True)
    bad.write_text("年龄,人口数\n3,五十二人\n", "utf-8")
    return home


def without_warehouse(city: City) -> None:
    """By a stricter plan, and all rows have to be made again from the archive."""
    settings = city.root / "settings.toml"
    settings.write_text('catalogues = ["national-2021"]\n', "utf-8")
    (city.root / "warehouse.duckdb").unlink()


@pytest.mark.parametrize("command", [NIGHT, BACKFILL], ids=["nightly", "backfill"])
def test_killed_at_random_and_run_again(
    city: City, command: tuple[str, ...], tmp_path: Path
) -> None:
    start = city.copy(tmp_path / "start")
    if command is BACKFILL:
        start.run(*NIGHT)
        without_warehouse(start)
    undisturbed = start.copy(tmp_path / "undisturbed")
    seconds = undisturbed.run(*command)
    wanted = undisturbed.says()
    draw = random.Random()
    for number in range(HOMES):
        home = start.copy(tmp_path / f"home{number}")
        for _ in range(KILLS):
            # The work is in the second half; before it Prefect starts.
            moment = draw.uniform(0.5, 1.1) * seconds * draw.choice((0.5, 1, 1))
            home.kill(moment, draw.random() < 0.5, *command)
            home.ask("FROM publication")
        home.run(*command)
        assert home.says() == wanted
        assert not list((home.root / "published").glob(".*"))
        shutil.rmtree(home.root)


def test_two_at_a_time_wait_for_each_other_and_both_do_well(city: City, tmp_path: Path) -> None:
    home = city.copy(tmp_path / "home")
    commands = [NIGHT, BACKFILL, NIGHT, ("explain", "2.1", "义县", "2019")]
    running = [home.start(*command) for command in commands]
    said = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * len(commands), said
    pids = [process.pid for process in running]
    waited = [err for _, err in said if "waiting for" in " ".join(err.split())]
    assert waited
    assert all(
        any(f"process {pid}" in text for pid in pids) or "somebody is reading" in text
        for text in waited
    )
    assert home.ask("SELECT count(*) FROM publication") == [(2,)]

    # And a rehearsal touches nothing of what is there, news in the inbox included.
    (home.root / "inbox" / "210727" / "2020年新.csv").write_text("年龄,人口数\n3,5\n", "utf-8")
    untouched = [(p, p.stat().st_mtime_ns) for p in sorted(home.root.rglob("*"))], home.files("")
    home.run(*BACKFILL, "--dry-run")
    assert untouched == (
        [(p, p.stat().st_mtime_ns) for p in sorted(home.root.rglob("*"))],
        home.files(""),
    )
