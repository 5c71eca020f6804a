"""Reading on a Dask cluster: real schedulers and workers, and the same rows as on one machine."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows import steps
from flows.run import Run, StepFailed
from flows.settings import SettingsError, load_settings
from flows.terminal.doctor import diagnose
from tests.conftest import Home, MakeHome, csv_bytes
from tests.services import dask_address, dask_cluster, dask_on_hosts, hosts
from transforms.formats import Limits
from transforms.forms import FORMS_IN_USE
from warehouse.ledger.cluster import _read, _Shared
from warehouse.ledger.ingest import Ingested
from warehouse.ledger.transfer import OverConnection
from warehouse.reference import load_reference
from warehouse.workers.process import pickled_forms

pytest.importorskip("distributed", reason="the extra cluster is not installed")

UNITS = ("古塔区", "凌河区", "太和区", "义县")
YEARS = (2019, 2020, 2021)
LATER = "2020-09-16 00:00:00"


def reading_at(home: Home, made: Any, portion: int) -> Home:
    engine = {"readers": dask_address(made), "portion": portion}
    return Home(home.root, engine=engine)


def load(home: Home, on_file: Callable[[], None] = lambda: None) -> Ingested:
    with Run.open(home.settings) as run:
        steps.pull_inbox(run)
        return steps.load_deliveries(run, steps.unread(run), on_file)


def hand_in(home: Home) -> None:
    for unit in UNITS:
        for year in YEARS:
            home.sheet(
                unit,
                "class",
                year,
                [
                    {"students": 40 + year % 7, "class_name": "1班"},
                    {"students": 60, "class_name": "2班"},
                ],
            )
            home.sheet(
                unit, "kindergarten", year, [{}, {"children_enrolled": 12, "ownership": "公办"}]
            )
    home.deliver("义县/2020/坏.xlsx", b"PK\x03\x04 no workbook")


@pytest.fixture(scope="module")
def alone(make_home: MakeHome) -> Home:
    """The home whose files this machine has read."""
    home = make_home()
    hand_in(home)
    home.night()
    return home


#: Whoever begins to read this file is ended, as by a system that is out of memory.
POISONED = "义县/毒2020.csv"
_FELLS = """
import signal
from warehouse.workers import pool

def fell(self):
    message = pool.receive(self)
    if isinstance(message, pool.Begun) and message.outline.file_name == "毒2020.csv":
        signal.pidfd_send_signal(self._handle, signal.SIGKILL)
    return message

if not hasattr(pool, "receive"):  # this is carried out twice
    pool.receive, pool.Worker.receive = pool.Worker.receive, fell
"""


@pytest.mark.parametrize(("workers", "portion"), [(1, 4), (2, 3)])
def test_a_cluster_gives_the_same_rows(
    home: Home, alone: Home, tmp_path: Path, workers: int, portion: int
) -> None:
    """And a file that fells its readers again and again is a returned submission, as it would be here."""
    hand_in(home)
    (tmp_path / "fells.py").write_text(_FELLS)
    with dask_cluster(workers, str(tmp_path / "fells.py")) as made:
        there = reading_at(home, made, portion)
        night = there.night()
        assert night.loaded.deliveries == len(UNITS) * len(YEARS) * 2 + 1
        assert home.rows() == alone.rows()
        home.deliver(POISONED, csv_bytes("class", [{"students": 40}]))
        there.load((("义县/好2020.csv", csv_bytes("class", [{"students": 41}]), LATER),))
    with duckdb.connect(str(home.settings.warehouse), read_only=True) as warehouse:
        found = warehouse.execute(
            "SELECT file_name, accepted, rule_id FROM submission LEFT JOIN finding USING (submission_id)"
            " WHERE contains(file_name, '2020.csv') ORDER BY ALL"
        ).fetchall()
    assert found == [("好2020.csv", True, None), ("毒2020.csv", False, "FIL-E07")]


def test_a_worker_that_is_killed_costs_nothing(home: Home, alone: Home) -> None:
    """It dies with the first portion that it has, once it has begun."""
    hand_in(home)
    with dask_cluster(2) as made:
        there = reading_at(home, made, 2)
        first: list[int] = [made.workers[0].pid]

        def die() -> None:
            while first:
                subprocess.run(["kill", f"-{int(signal.SIGKILL)}", str(first.pop())], check=True)

        loaded = load(there, die)
        assert loaded.deliveries == len(UNITS) * len(YEARS) * 2 + 1
    home.night()
    assert home.rows() == alone.rows()


@pytest.mark.parametrize(
    "cut_off", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["whole", "cut_off"]
)
def test_workers_on_other_hosts_give_the_same_rows(
    home: Home, alone: Home, tmp_path: Path, cut_off: bool
) -> None:
    """They reach this machine over the net alone; a host whose cable is pulled costs time and nothing else."""
    hand_in(home)
    with hosts(2) as there, dask_on_hosts(there, tmp_path / "scratch") as address:
        reading = Home(home.root, engine={"readers": address, "portion": 2})
        to_cut = list(there.names[:1]) if cut_off else []

        def pull_cable() -> None:
            while to_cut:
                there.cut_off(to_cut.pop())

        loaded = load(reading, pull_cable)
        assert loaded.deliveries == len(UNITS) * len(YEARS) * 2 + 1
    home.night()
    assert home.rows() == alone.rows()


def test_workers_of_another_version_are_refused(home: Home, tmp_path: Path) -> None:
    hand_in(home)
    other = tmp_path / "other.py"
    other.write_text("import warehouse.ledger.cluster as c\nc.code_mark = lambda: 'another one'\n")
    with (
        dask_cluster(1, str(other)) as made,
        pytest.raises(StepFailed, match="its jzedu, Python or Polars is another one"),
    ):
        load(reading_at(home, made, 5))
    assert home.night().loaded.accepted


def test_workers_that_do_not_see_the_archive_are_refused(home: Home, tmp_path: Path) -> None:
    hand_in(home)
    other = tmp_path / "other.py"
    other.write_text(
        "import pathlib\npathlib.Path.is_dir = lambda self: 'archive' not in str(self)\n"
    )
    with (
        dask_cluster(1, str(other)) as made,
        pytest.raises(StepFailed, match="every worker needs the archive"),
    ):
        load(reading_at(home, made, 5))


def test_a_scheduler_that_is_not_there_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.ledger.cluster._ANSWER", 1)
    hand_in(home)
    away = Home(home.root, engine={"readers": "dask://127.0.0.1:1"})
    with pytest.raises(StepFailed, match=r"the scheduler at dask://127\.0\.0\.1:1 does not answer"):
        load(away)


def doctor_on_readers(home: Home) -> tuple[str, str]:
    """State and text of the line of `jzedu doctor` that speaks of the readers."""
    (line,) = [line for line in diagnose(home.root, lambda _: ()) if line.check == "readers"]
    return line.state, line.found


def test_a_scheduler_without_workers_is_told(home: Home) -> None:
    hand_in(home)
    with dask_cluster(0) as made:
        section = f'[engine]\nreaders = "{dask_address(made)}"\n'
        (home.root / "settings.toml").write_text(section)
        assert doctor_on_readers(home) == ("warn", "there is no archive yet for them to see")
        with pytest.raises(StepFailed, match="has no workers"):
            load(reading_at(home, made, 5))
        state, text = doctor_on_readers(home)
        assert state == "fail" and text.endswith("has no workers: start some (docs/scale.md)")


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('readers = "ray://host:1"', "dask://scheduler:8786"),
        ('readers = "dask://host"', "dask://scheduler:8786"),
        ('readers = "threads"\nportion = 0', "engine.portion"),
        ('reader = "threads"', "engine.reader: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_it(
    tmp_path: Path, section: str, said: str
) -> None:
    (tmp_path / "settings.toml").write_text(f"[engine]\n{section}\n")
    with pytest.raises(SettingsError, match=said):
        load_settings(tmp_path)


def test_portions_on_one_machine_give_the_same_rows(home: Home, alone: Home) -> None:
    hand_in(home)
    Home(home.root, engine={"portion": 1}).night()
    assert home.rows() == alone.rows()


def test_without_a_cluster_nothing_of_it_is_imported() -> None:
    code = "import sys; import flows.run; sys.exit(any(m in sys.modules for m in ('distributed', 'dask')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_goes_wrong_on_a_worker_can_be_sent_to_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the run would wait for ever."""

    class Odd(Exception):
        """Known to nobody else."""

    def deep(frames: int) -> Any:
        if frames:
            return deep(frames - 1)
        raise Odd("it went wrong")

    monkeypatch.setattr("warehouse.ledger.cluster._workers", lambda: deep(500))
    shared = _Shared(
        tmp_path,
        load_reference(tmp_path),
        Limits(),
        pickled_forms(FORMS_IN_USE.get()),
        OverConnection(),
    )
    with pytest.raises(RuntimeError, match="Odd: it went wrong") as told:
        _read(shared, ())
    assert pickle.loads(pickle.dumps(told.value)).args == told.value.args
    assert len(told.traceback) == 2
