"""The steps of a run without Prefect: what is taken from the inbox, and what a failure leaves."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from expectations.clauses import PLAN
from expectations.engine import Engine
from flows import run as run_module
from flows import steps
from flows.lock import no_writer, only_writer
from flows.run import Run, StepFailed
from flows.settings import Settings
from tests.conftest import AsCsv, Home, MakeHome, english
from warehouse.archive import Archive
from warehouse.ledger.store import open_warehouse
from warehouse.place import WarehouseLocked
from warehouse.publication.tables import OF_THE_MOMENT, TABLES
from warehouse.reference import load_reference

GUTA, LINGHE = "210702", "210703"
RATE = "preschool_gross_enrolment_rate"


def people(number: int) -> list[dict[str, object]]:
    return [{"age": 3, "population": number}]


def archived(home: Home) -> set[str]:
    """The paths that the archive has receipts for."""
    return {receipt.path for receipt in Archive(home.settings.archive).receipts()}


def everything(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file below a folder, with its content and its number on the disk."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_ino,
        )
        for path in folder.rglob("*")
        if path.is_file() and ".staging" not in path.parts
    }


# What is taken from the inbox


def test_files_of_the_known_endings_are_taken_wherever_they_lie(home: Home, as_csv: AsCsv) -> None:
    endings = ["xlsx", "xlsm", "xlsb", "xls", "et", "ods", "csv", "tsv", "zip", "XLSX", "Csv"]
    wanted = {f"{GUTA}/文件{number}.{ending}" for number, ending in enumerate(endings)}
    wanted |= {f"{GUTA}/深/更深 的/~文件.csv", "义县/a b.csv", "nobody/x.csv", "无处.csv"}
    for path in wanted:
        home.deliver(path, as_csv("population", people(1)))
    with Run.open(home.settings) as run:
        pulled = steps.pull_inbox(run)
    assert pulled.found == len(wanted)
    assert pulled.waiting == ()
    assert archived(home) == wanted


@pytest.mark.parametrize(
    "path",
    [
        f"{GUTA}/~$报表.xlsx",
        f"{GUTA}/.报表.csv",
        f"{GUTA}/.~lock.报表.csv#",
        f"{GUTA}/报表.csv.part",
        f"{GUTA}/报表.pdf",
        f"{GUTA}/报表.docx",
        f"{GUTA}/报表.txt",
        f"{GUTA}/报表",
        f"{GUTA}/csv",
        "~$报表2020年.xlsx",
    ],
)
def test_other_files_are_never_read(home: Home, as_csv: AsCsv, path: str) -> None:
    home.deliver(path, as_csv("population", people(1)))
    with Run.open(home.settings) as run:
        assert steps.pull_inbox(run).receipts == ()
    assert archived(home) == set()


def test_links_and_pipes_are_never_followed(home: Home, as_csv: AsCsv, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "2020年.csv").write_bytes(as_csv("population", people(1)))
    real = home.deliver(f"{GUTA}/2020年.csv", as_csv("population", people(2)))
    folder = real.parent
    (folder / "链2020年.csv").symlink_to(outside / "2020年.csv")
    (folder / "断2020年.csv").symlink_to(outside / "nowhere.csv")
    (folder / "夹2020年").symlink_to(outside, target_is_directory=True)
    (home.settings.inbox / LINGHE).symlink_to(outside, target_is_directory=True)
    (folder / "环").symlink_to(folder, target_is_directory=True)
    # Opened for reading, a pipe without a writer would hold up the run for ever.
    os.mkfifo(folder / "管2020年.csv")
    (folder / "夹2021年.csv").mkdir()
    with Run.open(home.settings) as run:
        pulled = steps.pull_inbox(run)
    assert (pulled.found, pulled.waiting) == (1, ())
    assert archived(home) == {f"{GUTA}/2020年.csv"}


def test_a_file_open_for_writing_waits(home: Home, as_csv: AsCsv) -> None:
    content = as_csv("population", people(1))
    home.deliver(f"{LINGHE}/2020年.csv", content)
    file = home.deliver(f"{GUTA}/2020年.csv", content)
    with Run.open(home.settings) as run:
        with file.open("ab"):
            pulled = steps.pull_inbox(run)
        assert pulled.found == 2
        assert [receipt.path for receipt in pulled.receipts] == [f"{LINGHE}/2020年.csv"]
        (waiting,) = english(pulled.waiting)
        assert f"{GUTA}/2020年.csv" in waiting
        assert "written" in waiting
        assert [receipt.path for receipt in steps.pull_inbox(run).receipts] == [
            f"{GUTA}/2020年.csv"
        ]


def test_a_file_open_for_reading_does_not_wait(home: Home, as_csv: AsCsv) -> None:
    file = home.deliver(f"{GUTA}/2020年.csv", as_csv("population", people(1)))
    with Run.open(home.settings) as run, file.open("rb"):
        assert len(steps.pull_inbox(run).receipts) == 1


def test_names_in_any_encoding_are_taken(home: Home, as_csv: AsCsv) -> None:
    # 报表.csv as an old system writes it: GBK bytes, which are no UTF-8.
    name = os.fsdecode("报表.csv".encode("gbk"))
    for unit, dropouts in ((GUTA, 4), (LINGHE, 3)):
        home.deliver(
            f"{unit}/{name if unit == GUTA else '报表.csv'}",
            as_csv("special_group", [{"dropouts": dropouts}], [2020]),
        )
    home.night()
    assert home.value("dropouts", LINGHE, 2020)[2] == 3
    assert home.value("dropouts", GUTA, 2020)[2] == 4


# One writer at a time

_HOLD = """
import sys
from pathlib import Path
from flows.lock import only_writer

with only_writer(Path(sys.argv[1]), print):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(home: Path) -> subprocess.Popen[str]:
    """Another run, which holds the lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("ending", ["ends", "is killed"])
def test_a_run_waits_for_the_one_before_and_says_so(tmp_path: Path, ending: str) -> None:
    said: list[str] = []
    with holder(tmp_path) as other:

        def let_go(sentence: str) -> None:
            said.append(sentence)
            if ending == "is killed":
                other.kill()
            else:
                assert other.stdin is not None
                other.stdin.close()

        with only_writer(tmp_path, let_go):
            other.wait()
            assert json.loads((tmp_path / ".lock").read_text())["process"] == os.getpid()
    (sentence,) = said
    assert str(other.pid) in sentence
    assert str(tmp_path) in sentence


def test_who_reads_the_warehouse_keeps_runs_waiting_and_waits_for_them(tmp_path: Path) -> None:
    with no_writer(tmp_path, pytest.fail):
        assert not list(tmp_path.iterdir()), "reading writes nothing"
    said: list[str] = []
    with holder(tmp_path) as run:

        def end(sentence: str) -> None:
            said.append(sentence)
            run.kill()

        # Two readers at a time, and a run that waits until the last one has ended.
        with ExitStack() as reading:
            reading.enter_context(no_writer(tmp_path, end))
            reading.enter_context(no_writer(tmp_path, pytest.fail))

            def stop(sentence: str) -> None:
                said.append(sentence)
                reading.close()

            with only_writer(tmp_path, stop):
                pass
    assert str(run.pid) in said[0]
    assert said[1] == f"somebody is reading {tmp_path}; waiting for it to end"


def test_what_a_killed_run_leaves_open_is_waited_for(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with Run.open(settings):
        pass
    script = (
        "import duckdb, sys\n"
        f"db = duckdb.connect({str(settings.warehouse)!r})\n"
        "print('open', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline() == "open\n"
        impatient = open_warehouse(settings.warehouse, load_reference(tmp_path))
        with pytest.raises(WarehouseLocked, match="open in another process"), impatient:
            pass
        threading.Timer(0.2, child.stdin.close).start()
        with Run.open(settings) as run:
            assert not steps.unread(run)


def test_great_expectations_ends_with_the_run_that_started_it(tmp_path: Path) -> None:
    database = tmp_path / "any.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE TABLE judgement AS SELECT 1")
    endless = "SELECT * FROM {batch}, range(1000000000000) WHERE range < 0"
    order = {
        "database": str(database),
        "table": "judgement",
        "suites": {"reached": [{"name": "2.1", "query": endless, "description": ""}]},
    }
    script = (
        "import sys\n"
        "from expectations.engine import Engine\n"
        "child = Engine()._child\n"
        f"print({json.dumps(order)!r}, file=child.stdin, flush=True)\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        child = int(run.stdout.readline())
        watched = os.pidfd_open(child)
        run.kill()
    ended, _, _ = select.select([watched], [], [], 60)
    os.close(watched)
    if not ended:
        os.kill(child, signal.SIGKILL)
    assert ended


@pytest.mark.parametrize("killed", [True, False])
def test_what_a_run_has_started_ends_with_it_where_it_is_killed(killed: bool) -> None:
    script = (
        "import subprocess, sys\n"
        "from flows.children import guarded\n"
        "idle = [sys.executable, '-c', 'import signal; signal.pause()']\n"
        "with guarded():\n"
        "    print(subprocess.Popen(idle).pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None and run.stdin is not None
        child = int(run.stdout.readline())
        watched = os.pidfd_open(child)
        if killed:
            run.kill()
        else:
            run.stdin.close()
    try:
        if killed:
            assert select.select([watched], [], [], 60)[0]
        else:
            assert run.returncode == 0
            os.kill(child, 0)  # it ended well, and sees to its own
    finally:
        if not killed:
            os.kill(child, signal.SIGKILL)
        os.close(watched)


_INTERRUPTED = """
import os, signal, sys
from pathlib import Path

from flows import steps
from flows.run import Run
from flows.settings import Settings
from warehouse.ledger import ingest

ingest.PORTION = 3
load, loaded = ingest.load, 0

def interrupted(*given):
    global loaded
    loaded += 1
    if loaded == 2:  # the third portion is being read meanwhile
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))
    return load(*given)

ingest.load = interrupted
with Run.open(Settings(home=Path(sys.argv[1]))) as run:
    steps.pull_inbox(run)
    steps.load_deliveries(run, steps.unread(run), lambda: None)
"""


@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_a_backlog_keeps_its_progress_when_the_night_is_interrupted(
    make_home: MakeHome, as_csv: AsCsv, how: str
) -> None:
    home, undisturbed = make_home(), make_home()
    names = [f"{unit}/{year}年.csv" for unit in (GUTA, LINGHE) for year in range(2016, 2021)]
    for place in (home, undisturbed):
        for number, name in enumerate(names):
            # Corrections in other portions than what they correct, and one that goes back.
            for version, people_now in enumerate(("五", number) if number % 4 == 0 else (number,)):
                content = as_csv("population", [{"age": 3, "population": people_now}])
                received = f"2020-09-{number + 1 + 10 * version:02} 02:00:00"
                place.deliver(name.replace("年", f"年{version}"), content, received)
    died = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, str(home.root), how], capture_output=True, check=False
    )
    assert died.returncode in (-signal.SIGKILL, -signal.SIGINT, 1)
    assert not home.publication.exists()
    with Run.open(home.settings) as run:
        assert len(steps.unread(run)) == 13 - 3, (
            "a portion of three is kept, and no part of the next"
        )
        assert steps.must_publish(run)
    night = home.night()
    assert len(night.read) == 13 - 3
    undisturbed.night()
    for table in TABLES:
        if table.name not in OF_THE_MOMENT:
            rows = f"FROM {table.name} ORDER BY ALL"
            assert home.ask(rows) == undisturbed.ask(rows), table.name


def test_a_free_home_is_taken_without_a_word(tmp_path: Path) -> None:
    for _ in range(2):
        with only_writer(tmp_path / "new", pytest.fail):
            assert (tmp_path / "new" / ".lock").exists()


def test_the_lock_is_let_go_when_the_run_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_writer(tmp_path, pytest.fail):
        raise ZeroDivisionError
    with only_writer(tmp_path, pytest.fail):
        pass


def test_a_warehouse_open_elsewhere_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_PATIENCE", 0)
    home.load()
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home.settings.warehouse)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with (
            pytest.raises(StepFailed, match="open in another process") as failed,
            Run.open(home.settings),
        ):
            pass
        other.communicate("\n")
    assert failed.value.step == "open"


# A step that fails


@pytest.fixture(scope="module")
def standing(make_home: MakeHome) -> Home:
    """A home with a publication, and news in the inbox that no night manages to publish."""
    home = make_home()
    home.sheet(GUTA, "population", 2020, people(10))
    home.night()
    home.sheet(GUTA, "population", 2020, people(20), received="2020-09-16 00:00:00")
    return home


def no_space(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere")


def test_what_a_killed_night_has_loaded_is_told_of_by_the_next(home: Home) -> None:
    first = home.sheet(GUTA, "population", 2020, people(10)).read_bytes()
    with Run.open(home.settings) as run:
        assert steps.unannounced(run) == set()
    home.load()
    with Run.open(home.settings) as run:
        assert steps.unannounced(run) == {hashlib.sha256(first).hexdigest()}
    home.night()
    second = home.sheet(LINGHE, "population", 2020, people(20)).read_bytes()
    home.load()
    with Run.open(home.settings) as run:
        assert steps.unannounced(run) == {hashlib.sha256(second).hexdigest()}


@pytest.mark.parametrize(
    ("function", "step"),
    [
        ("warehouse.archive.Archive.receipts", "pull"),
        ("flows.steps.ingest", "load"),
        ("flows.steps.stage", "compute"),
        ("flows.steps.lay_out", "compute"),
        ("flows.steps.judge", "judge"),
        ("flows.steps.fill", "publish"),
        ("flows.steps.export", "publish"),
        ("flows.steps.release", "publish"),
    ],
)
def test_a_step_that_fails_leaves_the_last_publication(
    standing: Home, monkeypatch: pytest.MonkeyPatch, function: str, step: str
) -> None:
    before = everything(standing.settings.published)
    monkeypatch.setattr(function, no_space)
    with pytest.raises(StepFailed) as failed:
        standing.night()
    assert failed.value.step == step
    assert f"“{step}” failed: /somewhere: {os.strerror(errno.ENOSPC)}" in str(failed.value)
    assert "free disk space" in failed.value.remedy.en
    assert everything(standing.settings.published) == before
    assert standing.value(RATE, GUTA, 2020)[1] == 10


def test_a_night_that_loaded_and_did_not_publish_is_made_up_for(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.sheet(GUTA, "population", 2020, people(10))
    home.night()
    home.sheet(GUTA, "population", 2020, people(20), received="2020-09-16 00:00:00")
    with monkeypatch.context() as patch:
        patch.setattr(steps, "fill", no_space)
        with pytest.raises(StepFailed):
            home.night()
    with Run.open(home.settings) as run:
        assert steps.unread(run) == []
        assert steps.must_publish(run)
    home.night()
    assert home.value(RATE, GUTA, 2020)[1] == 20
    with Run.open(home.settings) as run:
        assert not steps.must_publish(run)


def test_a_load_that_fails_loads_nothing(home: Home) -> None:
    home.sheet(GUTA, "population", 2020, people(10))
    with Run.open(home.settings) as run:
        (receipt,) = steps.pull_inbox(run).receipts

        def give_up() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            steps.load_deliveries(run, steps.unread(run), give_up)
        assert steps.unread(run) == [receipt]
        assert run.connection.execute("SELECT count(*) FROM submission").fetchone() == (0,)


def test_a_check_that_crashes_stops_the_run_and_publishes_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.sheet(GUTA, "kindergarten", 2020, [{"licensed": False, "institution_code": None}])
    home.night()
    assert home.status("2.6", GUTA, 2020) == "not_met"
    before = everything(home.settings.published)
    home.sheet(GUTA, "kindergarten", 2020, [{}], received="2020-10-01 00:00:00")
    with monkeypatch.context() as patch:
        # A definition gone wrong: a column that the table does not have.
        patch.setattr("expectations.suites.reached", lambda *_: "licences > 0")
        with pytest.raises(StepFailed) as failed:
            home.night(Engine)
    assert failed.value.step == "judge"
    assert "2.6 crashed" in failed.value.reason
    assert "licences" in failed.value.reason
    assert "not in the data" in failed.value.remedy.en
    assert everything(home.settings.published) == before
    home.night()
    assert home.status("2.6", GUTA, 2020) == "met"


def test_a_plan_that_cannot_be_read_is_named(make_home: MakeHome, tmp_path: Path) -> None:
    home = make_home(plan=tmp_path / "none.yaml")
    with (
        pytest.raises(StepFailed, match=r"none\.yaml") as failed,
        Run.open(home.settings),
    ):
        pass
    assert failed.value.step == "open"
    assert "Correct that file" in failed.value.remedy.en


def test_a_plan_that_speaks_of_an_unknown_indicator_is_named(
    make_home: MakeHome, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.yaml"
    text = PLAN.read_text("utf-8")
    plan.write_text(text.replace("indicator_id: large_class_share", "indicator_id: huge"), "utf-8")
    with (
        pytest.raises(
            StepFailed, match=r"plan\.yaml, clause 2\.9: the indicator huge is not defined"
        ),
        Run.open(make_home(plan=plan).settings),
    ):
        pass


def test_a_plan_that_only_monitors_is_published_without_a_verdict(
    make_home: MakeHome, tmp_path: Path
) -> None:
    record = yaml.safe_load(PLAN.read_text("utf-8"))
    record["clauses"] = [one for one in record["clauses"] if one["kind"] == "monitor"]
    plan = tmp_path / "plan.yaml"
    plan.write_text(yaml.safe_dump(record, allow_unicode=True), "utf-8")
    home = make_home(plan=plan)
    home.sheet(GUTA, "teacher", 2020, [{"paid_tutoring_cases": 2}])
    home.night()
    assert home.status("1.6", GUTA, 2020) == "monitored"
    ((statuses,),) = home.ask("SELECT list(DISTINCT status) FROM attainment")
    assert not {"met", "not_met", "on_track", "off_track", "not_due"} & set(statuses)


# When to publish


def test_there_is_something_to_publish_once(home: Home, tmp_path: Path) -> None:
    home.sheet(GUTA, "population", 2020, people(10))
    with Run.open(home.settings) as run:
        assert steps.must_publish(run)
    home.night()
    with Run.open(home.settings) as run:
        assert not steps.must_publish(run)
    # Another plan is another publication.
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        PLAN.read_text("utf-8").replace("threshold: 90", "threshold: 91"), encoding="utf-8"
    )
    with Run.open(home.settings.model_copy(update={"plan": plan})) as run:
        assert steps.must_publish(run)
    with Run.open(home.settings.model_copy(update={"catalogues": ("national-2021",)})) as run:
        assert steps.must_publish(run)
    # And so are other reasons given for warnings.
    (home.root / "explanations.yaml").write_text("explanations: []\n", "utf-8")
    with Run.open(home.settings) as run:
        assert steps.must_publish(run)


def test_all_places_of_the_contract_are_filled(home: Home) -> None:
    home.sheet(GUTA, "population", 2020, people(10))
    home.sheet(LINGHE, "population", 2020, [{"age": 3, "population": "十"}])
    home.night(report=True)
    for place in (
        "archive",
        "warehouse.duckdb",
        "published/indicators.duckdb",
        "published/parquet/indicator_value.parquet",
        "published/report/index.html",
        "published/brief/brief-2020.zh.html",
        "published/brief/brief-2020.en.html",
        f"outbox/{LINGHE}",
    ):
        assert (home.root / place).exists(), place
    assert not (home.root / "outbox" / GUTA).exists()


def test_a_night_imports_no_library_that_duckdb_would_have_for_its_own_sake(tmp_path: Path) -> None:
    # A bound parameter is enough for DuckDB to import pandas: a second of every night.
    script = (
        "import pathlib, sys\n"
        "from tests.conftest import Home\n"
        f"home = Home(pathlib.Path({str(tmp_path)!r}))\n"
        "home.sheet('义县', 'class', 2020, [{'stage': '小学', 'grade': 7, 'class_name': '1班'}])\n"
        "night = home.night(report=True)\n"
        "assert night.imprint and night.returned\n"
        "print(sorted({'numpy', 'pandas', 'pyarrow'} & set(sys.modules)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines()[-1] == "[]"
