"""Every failure names its true cause and the way out: real full disks, killed children, lost files."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from expectations.engine import UNANSWERED, CheckFailed, Engine, EngineEnded, Expectation
from flows import steps
from flows.run import Run, StepFailed, named
from flows.step_errors import cause_of
from tests.conftest import ByHand, Home, MakeHome
from warehouse.sql import transaction

UNIT = "210702"
MEMORY, DISK, READ_ONLY, MAY_NOT = "more memory", "free disk space", "read-only", "permissions"


def failed(action: Callable[[], object]) -> StepFailed:
    """The failure of a step that does ``action``."""
    with pytest.raises(StepFailed) as told, named("load"):
        action()
    return told.value


def run_sql(sql: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(sql)


def raise_this(error: BaseException) -> Any:
    raise error


# Killed children, memory


def test_a_killed_great_expectations_is_told_as_that(tmp_path: Path) -> None:
    with Engine() as engine:
        engine._child.kill()
        suites = {"suite": [Expectation("one", "SELECT 1", "one")]}
        told = failed(lambda: engine.run(tmp_path / "x.duckdb", "t", suites))
    assert "Great Expectations was ended from outside" in told.reason
    assert "SIGKILL" in told.reason
    assert MEMORY in told.remedy.en


def test_a_great_expectations_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "great_expectations.py").write_text("raise ImportError('half installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with Engine() as engine:
        suites = {"suite": [Expectation("one", "SELECT 1", "one")]}
        told = failed(lambda: engine.run(tmp_path / "x.duckdb", "t", suites))
    assert "code 1: ImportError: half installed" in told.reason
    assert MEMORY not in told.remedy.en


def test_memory_that_runs_out_is_told_as_that() -> None:
    told = failed(
        lambda: run_sql(
            "SET memory_limit = '5MB'; SET temp_directory = '';"
            "CREATE TABLE t AS SELECT random()::VARCHAR AS r FROM range(2000000) ORDER BY r"
        )
    )
    assert (told.reason.startswith("memory ran out"), MEMORY in told.remedy.en) == (True, True)
    assert MEMORY in failed(lambda: raise_this(MemoryError())).remedy.en
    assert MEMORY in failed(lambda: raise_this(OSError(errno.ENOMEM, "x"))).remedy.en


# What the system refuses


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, DISK),
        (errno.EDQUOT, DISK),
        (errno.EROFS, READ_ONLY),
        (errno.EACCES, MAY_NOT),
        (errno.EPERM, MAY_NOT),
        (errno.EMFILE, "ulimit"),
        (errno.EIO, "dmesg"),
        (errno.ESTALE, "mounted"),
    ],
)
def test_what_the_system_refuses_is_told_by_its_cause(number: int, remedy: str) -> None:
    told = failed(lambda: open_nothing(number))
    assert (told.reason, remedy in told.remedy.en) == (f"/some/where: {os.strerror(number)}", True)
    # Also where another one says it, or says something else because of it.
    text = f'IO Error: Could not write file "/some/where": {os.strerror(number)}\nmore'
    told = failed(lambda: raise_this(duckdb.IOException(text)))
    assert (told.reason, remedy in told.remedy.en) == (text.splitlines()[0], True)
    assert remedy in failed(lambda: hide(duckdb.IOException(text))).remedy.en


def open_nothing(number: int) -> None:
    raise OSError(number, os.strerror(number), "/some/where")


def hide(error: Exception) -> None:
    try:
        raise error
    except Exception:
        raise duckdb.TransactionException("cannot rollback - no transaction is active")  # noqa: B904


def test_what_failed_in_a_transaction_is_not_hidden_by_its_end() -> None:
    def work() -> None:
        with duckdb.connect() as connection, transaction(connection):
            connection.execute("ROLLBACK")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/where")

    assert failed(work).reason.startswith("/some/where")


def test_a_fault_of_a_definition_stays_one() -> None:
    assert (
        "fault in a definition"
        in cause_of(CheckFailed("检查 2.9 中断", "the check 2.9 crashed")).remedy.en
    )
    assert "move warehouse.duckdb away" in failed(lambda: run_sql("FROM nowhere")).remedy.en


def test_a_database_taken_away_during_the_run_is_told_and_made_again(
    home: Home, by_hand: type[ByHand]
) -> None:
    home.sheet(UNIT, "population", 2020, [{"age": 3, "population": 5}])
    with Run.open(home.settings) as run:
        run.engine = cast(Engine, by_hand(run.plan, run.catalogue))
        steps.pull_inbox(run)
        steps.load_deliveries(run, steps.unread(run), lambda: None)
        home.settings.warehouse.unlink()
        with pytest.raises(StepFailed) as told:
            steps.check_across(run)
    assert f"{home.settings.warehouse}: was taken away during the run" in str(told.value)
    assert "made anew" in told.value.remedy.en
    assert home.night().imprint is not None


# Disks


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A file system of ``size`` at ``place``; gives what mounts it anew with other options."""
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only root may mount a file system")

    def again(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)

    try:
        yield again
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill_in(home: Home) -> None:
    for number, unit in enumerate(("210702", "210703", "210711"), start=1):
        rows = [{"age": age, "population": number * 1000 + age} for age in range(19)]
        home.sheet(unit, "population", 2020, rows)
        home.sheet(unit, "special_group", 2020, [{"dropouts": number}])
    home.deliver("210702/2020年坏.csv", "年龄,人口数\n3,五\n".encode())


@pytest.fixture(scope="module")
def undisturbed(make_home: MakeHome) -> dict[str, list[tuple[Any, ...]]]:
    home = make_home()
    fill_in(home)
    home.night()
    return home.rows()


@pytest.mark.parametrize("size", ["120k", "320k", "1m", "3m"])
def test_a_full_disk_is_told_and_once_there_is_room_all_is_as_it_would_have_been(
    size: str,
    make_home: MakeHome,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: dict[str, list[tuple[Any, ...]]],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "disk"))
    home = make_home()
    with small_disk(tmp_path / "disk", size) as mount:
        home = type(home)(tmp_path / "disk" / "home")
        fill_in(home)
        with pytest.raises(StepFailed) as told:
            home.night()
        assert DISK in told.value.remedy.en, str(told.value)
        mount("size=200m")
        assert home.night().imprint is not None
        assert home.rows() == undisturbed


def test_a_disk_mounted_read_only_is_told(home: Home, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "20m") as mount:
        shutil.copytree(home.root, tmp_path / "disk" / "home")
        small = type(home)(tmp_path / "disk" / "home")
        small.load()
        mount("ro")
        with pytest.raises(StepFailed) as told:
            small.load()
        assert READ_ONLY in told.value.remedy.en, str(told.value)


def test_an_engine_that_ended_is_a_check_that_failed() -> None:
    assert EngineEnded(UNANSWERED, -9, "").killed
    assert not EngineEnded(UNANSWERED, 1, "x").killed
