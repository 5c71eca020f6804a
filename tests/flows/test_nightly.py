"""The nightly run as people start it: with and without a Prefect server, in good and bad nights."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import pytest

from transforms.sample import write_sample
from warehouse.reference import load_reference

#: What nobody wants to read on the terminal of a run that went well, or of one that did not.
NOISE = ("Traceback", "WARNING", "Warning:", "CancelledError", "prefect.io", "telemetry")


def jzedu(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.terminal.cli", *arguments],
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture(scope="module")
def env(prefect_home: Callable[[], Path]) -> dict[str, str]:
    """An environment without a Prefect server, with a Prefect home of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "JZEDU_"))}
    home = str(prefect_home())
    return {**kept, "PREFECT_HOME": home, "PYTHONIOENCODING": "utf-8", "COLUMNS": "140"}


@pytest.fixture(scope="module")
def server(env: dict[str, str]) -> Iterator[str]:
    """A real Prefect server on loopback; its API address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1",
         "--port", str(port)],
        env={**env, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "Check out the dashboard" in line:
            break
    else:
        pytest.fail("the Prefect server did not start:\n" + "".join(said))
    # It says so before it answers.
    api = f"http://127.0.0.1:{port}/api"
    while not answers(f"{api}/health"):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            pytest.fail("the Prefect server ended:\n" + process.communicate()[0])
    yield api
    process.terminate()
    process.communicate()


def answers(address: str) -> bool:
    """Whether a server answers there."""
    try:
        with urllib.request.urlopen(address):
            return True
    except OSError:
        return False


def inbox(home: Path) -> None:
    """Two units and two years of the made-up city."""
    reference = load_reference(home)
    few = reference.regions.filter(pl.col("region_code").is_in(["210700", "210701", "210727"]))
    write_sample(home / "inbox", [2019, 2020], few, reference.townships)


def digest(home: Path) -> str:
    return hashlib.sha256((home / "published" / "indicators.duckdb").read_bytes()).hexdigest()


def ask(api: str, path: str, body: object) -> list[dict[str, object]]:
    request = urllib.request.Request(
        f"{api}/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        found: list[dict[str, object]] = json.load(answer)
    return found


def test_without_a_server_a_night_publishes_and_the_next_has_nothing_to_do(
    tmp_path: Path, env: dict[str, str]
) -> None:
    inbox(tmp_path)
    first = jzedu("nightly", "--home", str(tmp_path), env=env)
    assert first.returncode == 0, first.stderr
    assert not [word for word in NOISE if word in first.stdout + first.stderr]
    assert "锦州市 2020" in first.stdout
    assert "Gross enrolment rate" in first.stdout
    assert str(tmp_path / "published" / "indicators.duckdb") in first.stdout.replace("\n", "")
    before = digest(tmp_path)
    second = jzedu("nightly", "--home", str(tmp_path), env=env)
    assert (second.returncode, second.stderr) == (0, "")
    assert "Nothing new" in second.stdout
    assert digest(tmp_path) == before


def test_a_temporary_server_that_does_not_start_is_said_in_a_sentence(
    tmp_path: Path, env: dict[str, str]
) -> None:
    inbox(tmp_path)
    nowhere = "sqlite+aiosqlite:////proc/nowhere/prefect.db"
    hasty = {**env, "PREFECT_SERVER_DATABASE_CONNECTION_URL": nowhere}
    night = jzedu("nightly", "--home", str(tmp_path), env=hasty)
    assert night.returncode == 1
    assert "Prefect's temporary server did not start" in night.stderr
    assert not [word for word in NOISE if word in night.stdout + night.stderr]


def test_a_dry_run_that_fails_says_why_and_touches_nothing(
    tmp_path: Path, env: dict[str, str]
) -> None:
    home, plan = tmp_path / "home", tmp_path / "plan.yaml"
    (home / "inbox" / "210727").mkdir(parents=True)
    plan.write_text("clauses: [", "utf-8")
    before = sorted(home.rglob("*"))
    failed = jzedu(
        *("backfill", "--years", "2020", "--dry-run", "--plan", str(plan), "--home", str(home)),
        env=env,
    )
    assert failed.returncode == 1
    assert "plan.yaml" in failed.stderr and "no YAML" in " ".join(failed.stderr.split())
    assert not [word for word in NOISE if word in failed.stdout + failed.stderr]
    assert sorted(home.rglob("*")) == before


@dataclass(frozen=True)
class FirstNight:
    """What the first night of a home said, and its run as the server recorded it."""

    home: Path
    said: subprocess.CompletedProcess[str]
    recorded: dict[str, object]


@pytest.fixture(scope="module")
def first_night(
    tmp_path_factory: pytest.TempPathFactory, env: dict[str, str], server: str
) -> FirstNight:
    """A night with a server, over what is sound and four files that are not; to be copied."""
    home = tmp_path_factory.mktemp("city") / "home"
    inbox(home)
    received = home / "inbox"
    (received / "义县" / "2020" / "broken.xlsx").write_bytes(b"not a workbook")
    (received / "义县" / "2020" / "late.csv").write_text("年龄,常住人口数\n3,abc\n", "utf-8")
    (received / "nowhere").mkdir()
    (received / "nowhere" / "学校2020.csv").write_text("学校标识码,学校名称\n1,2\n", "utf-8")
    # In nobody's folder, and with a name that would speak to the terminal.
    (received / "\x1b[31m无处\n2020年.csv").write_text("年龄,常住人口数\n3,5\n", "utf-8")
    said = jzedu("nightly", "--home", str(home), env={**env, "PREFECT_API_URL": server})
    (run,) = ask(server, "flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 1})
    return FirstNight(home, said, run)


@pytest.fixture
def home(first_night: FirstNight, tmp_path: Path) -> Path:
    """The home after its first night, to be changed."""
    shutil.copytree(first_night.home, tmp_path / "home")
    return tmp_path / "home"


def test_with_a_server_the_run_is_recorded_step_by_step(
    first_night: FirstNight, server: str
) -> None:
    assert not [word for word in NOISE if word in first_night.said.stdout + first_night.said.stderr]
    recorded = first_night.recorded
    assert recorded["state_name"] == "Completed"
    tasks = ask(
        server,
        "task_runs/filter",
        {"flow_runs": {"id": {"any_": [recorded["id"]]}}, "sort": "EXPECTED_START_TIME_ASC"},
    )
    names = {str(task["name"]).rsplit("-", 1)[0] for task in tasks}
    assert names == {"pull", "load", "check", "compute", "judge", "publish", "return"}
    assert {task["state_name"] for task in tasks} == {"Completed"}


def test_a_night_without_news_imports_neither_prefect_nor_great_expectations(
    home: Path, env: dict[str, str]
) -> None:
    script = (
        "import sys, pathlib\n"
        "from flows.terminal.runner import run_nightly\n"
        f"run_nightly(pathlib.Path({str(home)!r}))\n"
        "print(sorted({'prefect', 'great_expectations', 'pandas'} & set(sys.modules)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[-1] == "[]"


def test_a_failed_step_names_itself_and_leaves_the_last_publication(
    home: Path, env: dict[str, str], server: str
) -> None:
    before = digest(home)
    # One more version of a form, so that there is news, and a file of the office that is no YAML.
    source = sorted((home / "inbox").rglob("*人口*.xlsx"))[0]
    source.with_name("again.xlsx").write_bytes(source.read_bytes() + b"\0")
    answers = home / "explanations.yaml"
    answers.write_text("- [\n", "utf-8")
    run = jzedu("nightly", "--home", str(home), env={**env, "PREFECT_API_URL": server})
    assert run.returncode == 1
    assert "the step “check” failed" in run.stderr
    assert str(answers) in run.stderr.replace("\n", "")
    assert not [word for word in NOISE if word in run.stdout + run.stderr]
    assert digest(home) == before


def test_a_returned_submission_is_no_failed_run(first_night: FirstNight) -> None:
    assert first_night.said.returncode == 0, first_night.said.stderr
    file = first_night.home / "published" / "indicators.duckdb"
    with duckdb.connect(str(file), read_only=True) as db:
        returned = db.execute(
            "SELECT file_name, form, year, region_code FROM submission WHERE status = 'returned'"
            " ORDER BY file_name"
        ).fetchall()
        values = db.execute("SELECT count(*) FROM indicator_value WHERE value IS NOT NULL")
        assert values.fetchone() != (0,)
    assert returned == [
        ("\x1b[31m无处\n2020年.csv", "population", 2020, None),
        ("broken.xlsx", None, None, "210727"),
        ("late.csv", "population", 2020, "210727"),
        ("学校2020.csv", None, None, None),
    ]


def test_status_shows_every_unit_form_and_year(
    first_night: FirstNight, env: dict[str, str]
) -> None:
    home = str(first_night.home)
    run = jzedu("status", "--home", home, "--json", env=env)
    assert run.returncode == 0, run.stderr
    states = {
        (row["region_code"], row["form"], row["year"]): row["state"]
        for row in json.loads(run.stdout)["reporting"]
    }
    assert len(states) == 10 * 11 * 3
    assert states["210727", "class", 2020] == "accepted"
    assert states["210727", "class", 2018] == "missing"
    assert states["210701", "finance", 2020] == "not_expected"
    assert states["210702", "school", 2020] == "missing"
    people = jzedu("status", "--home", home, env=env)
    assert "not handed in" in people.stdout
    assert "古塔区" in people.stdout
    assert "?[31m无处?2020年.csv" in people.stdout
    assert "\x1b" not in people.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nightly", "--no-such-option"], 2, "No such option"),
        (["sample"], 2, "--out"),
        (["sample", "--out", "x", "--years", "soon"], 2, "names no years"),
        (["sample", "--out", "x", "--regions", "北京"], 2, "no reporting unit"),
        (["template", "--out", "x", "--forms", "nonsense"], 2, "no form"),
        (["status"], 1, "no publication"),
    ],
)
def test_usage_is_answered_with_a_sentence_and_an_exit_code(
    tmp_path: Path, env: dict[str, str], arguments: list[str], code: int, words: str
) -> None:
    run = jzedu(*arguments, env={**env, "JZEDU_HOME": str(tmp_path)})
    assert run.returncode == code
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "x").exists()


def test_the_same_seed_gives_the_same_files(tmp_path: Path, env: dict[str, str]) -> None:
    for name in ("a", "b"):
        run = jzedu(
            "sample", "--out", str(tmp_path / name), "--years", "2020", "--regions", "义县,210701",
            "--seed", "7", "--mess", "usual", env=env,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
    found = [
        {
            path.relative_to(tmp_path / name): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("a", "b")
    ]
    assert found[0] == found[1]
    assert len(found[0]) > 1
