"""Readers see whole publications while they are replaced, and when the publisher is killed.

Readers and publisher are processes of their own (the programs in ``readers/``), as they are in
service; a publication carries its number in every table, so that a mixture would show.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import duckdb
import pytest

from tests.conftest import MakeHome

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(__file__).parent / "readers"
FIRST = 1


@dataclass(frozen=True)
class Stand:
    """A publication to copy, and the folder that is published into; number 1 is out."""

    base: Path
    published: Path

    @property
    def file(self) -> Path:
        return self.published / "indicators.duckdb"

    def press(self, first: int, last: object = None) -> subprocess.Popen[str]:
        arguments = [str(self.base), str(self.published), str(first)]
        return start("press.py", *arguments, *([] if last is None else [str(last)]))

    def whole(self) -> int:
        """The number of the publication that stands, which must be whole."""
        with start("watch.py", str(self.file), "fresh") as reader:
            answer = finish(reader)
        assert answer["faults"] == []
        return int(answer["last"])


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAMS / program), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def finish(reader: subprocess.Popen[str]) -> dict[str, Any]:
    """End a reader and give what it has seen."""
    out, _ = reader.communicate()
    assert reader.returncode == 0
    return dict(json.loads(out.splitlines()[-1]))


def line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()


@contextmanager
def reading(file: Path, *modes: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Readers who have all had their first look."""
    with ExitStack() as stack:
        readers = [stack.enter_context(start("watch.py", str(file), mode)) for mode in modes]
        for reader in readers:
            stack.callback(reader.kill)
        for reader in readers:
            assert line(reader.stdout) == "ready"
        yield readers


@pytest.fixture(scope="module")
def base(make_home: MakeHome) -> Path:
    home = make_home()
    home.sheet("210702", "class", 2020, [{"students": 60}, {"students": 40}])
    home.night()
    return home.publication


@pytest.fixture
def stand(base: Path, tmp_path: Path) -> Stand:
    stand = Stand(base, tmp_path / "published")
    with stand.press(FIRST, FIRST) as press:
        assert press.wait() == 0
    return stand


def replace_under_readers(stand: Stand, last: int, modes: list[str]) -> None:
    with reading(stand.file, *modes) as readers:
        with stand.press(FIRST + 1, last) as press:
            assert press.wait() == 0
        for mode, reader in zip(modes, readers, strict=True):
            found = finish(reader)
            seen = found["seen"]
            assert found["faults"] == []
            assert found["last"] == last
            if mode == "held":
                assert seen == [FIRST], "what is open stays what it was"
            else:
                assert seen[0] == FIRST
                assert seen == sorted(set(seen)), "no way back to an older one"
                assert set(seen) <= set(range(FIRST, last + 1))
            assert found["looks"] > 1


def test_readers_see_whole_publications_only(stand: Stand) -> None:
    replace_under_readers(stand, 8, ["fresh", "fresh", "held"])


@pytest.mark.slow
def test_readers_see_whole_publications_only_through_two_hundred(stand: Stand) -> None:
    replace_under_readers(stand, 200, ["fresh"] * 3 + ["held"])


def test_a_publisher_killed_at_any_step_leaves_a_whole_publication(stand: Stand) -> None:
    with stand.press(FIRST + 1, "steps") as press:
        out, _ = press.communicate()
        assert press.returncode == 0
    lines = out.splitlines()
    ends, sights = lines[::2], lines[1::2]
    assert ends == ["killed"] * (len(ends) - 1) + ["ended 0"]
    # The old one whole up to some step, the new one whole from then on.
    out_from = sights.index("sees 2")
    assert sights == ["sees 1"] * out_from + ["sees 2"] * (len(sights) - out_from)
    assert 0 < out_from < len(sights) - 1, "there are steps before and after the exchange"
    assert not (stand.published / ".staging").exists(), "the last run has swept up"


def kill_at_random(stand: Stand, rounds: int) -> None:
    draw = random.Random(7)
    with reading(stand.file, "fresh") as (reader,):
        standing = FIRST
        for _ in range(rounds):
            with stand.press(standing + 1) as press:
                named = int(line(press.stdout))
                try:
                    press.wait(timeout=draw.uniform(0, 0.5))
                except subprocess.TimeoutExpired:
                    press.kill()
            standing = stand.whole()
            # It may be one further than it came to say.
            assert standing >= named
        assert finish(reader)["faults"] == []
    with stand.press(standing + 1, standing + 1) as press:
        assert press.wait() == 0
    assert not (stand.published / ".staging").exists()
    kept = sorted((stand.published / "history").iterdir())
    assert len(kept) == 3
    for folder in kept:
        with duckdb.connect(str(folder / "indicators.duckdb"), read_only=True) as connection:
            assert connection.execute("SELECT count(*) FROM trend").fetchone() != (0,)


def test_a_publisher_killed_at_random_leaves_a_whole_publication(stand: Stand) -> None:
    kill_at_random(stand, 5)


@pytest.mark.slow
def test_a_publisher_killed_at_random_many_times(stand: Stand) -> None:
    kill_at_random(stand, 30)


def test_what_a_careless_tool_left_behind_is_not_read_into_the_next(
    stand: Stand, tmp_path: Path
) -> None:
    """A log of changes lies beside the file where a tool opened it for writing and died."""
    careless = tmp_path / "careless.duckdb"
    careless.write_bytes(stand.file.read_bytes())
    script = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]);"
        "c.execute('DELETE FROM indicator_value'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(careless)], check=True)
    log = Path(f"{careless}.wal")
    log.rename(f"{stand.file}.wal")
    with stand.press(FIRST + 1, FIRST + 1) as press:
        assert press.wait() == 0
    assert stand.whole() == FIRST + 1
    assert not stand.file.stat().st_mode & 0o222, "no tool can open it for writing by mistake"
