"""Processes of Great Expectations that are forked from a warm one: the same answers, and the same ends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from expectations.engine import (
    WARM_ENGINE,
    CheckFailed,
    Engine,
    EngineEnded,
    EngineStopped,
    Expectation,
)
from warehouse.workers.warm import ForkedChild, kept_warm

SUITES = {"s": [Expectation("odd", "SELECT n FROM {batch} WHERE n % 2 = 1", "none is odd")]}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("warm") / "numbers.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT unnest([1, 2, 3]) AS n")
    return file


@pytest.fixture(scope="module", autouse=True)
def warm() -> Iterator[Path]:
    """A warm process, as soon as it has imported."""
    with kept_warm(WARM_ENGINE):
        place = Path(os.environ[WARM_ENGINE.place])
        while not place.exists():
            os.sched_yield()
        yield place


def odd(engine: Engine, database: Path) -> list[dict[str, int]]:
    return engine.run(database, "numbers", SUITES)["s"]["odd"]


def test_it_answers_run_after_run_and_each_has_a_process_of_its_own(database: Path) -> None:
    processes = set()
    for _ in range(2):
        with Engine() as engine:
            child = engine._child
            assert isinstance(child, ForkedChild)
            processes.add(child.pid)
            assert odd(engine, database) == [{"n": 1}, {"n": 3}]
        assert not Path(f"/proc/{child.pid}").exists()
    assert len(processes) == 2


def test_it_ends_with_its_documents_and_may_be_ended_again(database: Path, tmp_path: Path) -> None:
    with Engine() as engine:
        odd(engine, database)
        engine.begin_docs(tmp_path / "docs")()
        assert (tmp_path / "docs" / "index.html").is_file()
        assert not Path(f"/proc/{engine._child.pid}").exists()
        engine.close()


def test_a_check_that_crashes_is_told(database: Path) -> None:
    wrong = {"s": [Expectation("odd", "SELECT nothing FROM {batch}", "none")]}
    with Engine() as engine, pytest.raises(CheckFailed, match="nothing"):
        engine.run(database, "numbers", wrong)


def test_one_that_is_killed_is_told_and_the_next_one_is_there(database: Path) -> None:
    with Engine() as engine:
        os.kill(engine._child.pid, signal.SIGKILL)
        with pytest.raises(EngineEnded, match="ended from outside") as told:
            odd(engine, database)
        assert told.value.killed
    with Engine() as engine:
        assert odd(engine, database) == [{"n": 1}, {"n": 3}]


def test_one_that_stands_still_is_ended(database: Path) -> None:
    with Engine(patience=0.5) as engine:
        os.kill(engine._child.pid, signal.SIGSTOP)
        with pytest.raises(EngineStopped):
            odd(engine, database)


def test_without_a_warm_one_a_run_starts_its_own(
    database: Path, warm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WARM_ENGINE.place, str(tmp_path / "nobody"))
    with Engine() as engine:
        assert isinstance(engine._child, subprocess.Popen)
        assert odd(engine, database) == [{"n": 1}, {"n": 3}]


def test_nobody_else_may_ask_at_it(warm: Path) -> None:
    assert warm.stat().st_mode & 0o777 == 0o600
    assert warm.parent.stat().st_mode & 0o777 == 0o700
