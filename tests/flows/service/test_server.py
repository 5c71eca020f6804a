"""`jzedu serve` as it is run: a real server, deployments triggered through its API, stops and kills."""

from __future__ import annotations

import fcntl
import json
import os
import queue
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from zoneinfo import ZoneInfo

import pytest
import yaml

from flows.service.deployments import DEPLOYMENTS
from flows.service.server import address
from flows.service.state import login_file
from flows.terminal.doctor import diagnose
from tests.conftest import Home, MakeHome

ROOT = Path(__file__).parents[3]
#: So long a condition may take to come true; nothing here needs a tenth of it on an idle machine.
PATIENCE = 600
NOISE = ("Traceback", "CancelledError", "never awaited", "WARNING")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(home: Path, port: int) -> list[str]:
    options = ["--home", str(home), "--host", "127.0.0.1", "--port", str(port)]
    return [sys.executable, "-u", "-m", "flows.terminal.cli", "serve", *options]


@dataclass
class Service:
    """A running `jzedu serve` and what it has printed so far."""

    process: subprocess.Popen[str]
    output: Path
    port: int
    home: Path

    @property
    def login(self) -> str:
        return login_file(self.home).read_text("ascii").strip()

    def call(self, path: str, body: object = None, method: str | None = None) -> Any:
        """An answer of the API; a GET where there is no ``body``. While it is busy it is asked again."""
        for _ in range(PATIENCE):
            try:
                return self.ask(path, body, method=method, login=self.login)
            except HTTPError as refused:
                if refused.code != 503:
                    raise
                refused.close()
        return pytest.fail("the server was busy all the time")

    def ask(
        self,
        path: str,
        body: object = None,
        *,
        method: str | None = None,
        login: str | None = None,
        **headers: str,
    ) -> Any:
        """An answer to anybody, or to who has the ``login``."""
        headers["Content-Type"] = "application/json"
        if login is not None:
            headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api{path}",
            None if body is None else json.dumps(body).encode(),
            headers,
            method=method,
        )
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or "null")

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Wait until ``condition`` gives something; fail when the service ends or time runs out."""
        for _ in range(PATIENCE * 10):
            if found := condition():
                return found
            try:
                self.process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"jzedu serve ended:\n{self.said()}")
        return pytest.fail(f"it did not come true in {PATIENCE} s:\n{self.said()}")

    def said(self) -> str:
        return self.output.read_text("utf-8")

    def deployment(self, name: str) -> Any:
        return self.call(f"/deployments/name/{name}/{name}")

    def start(self, name: str, **parameters: object) -> str:
        """Ask for a run, as the UI does; give its id."""
        path = f"/deployments/{self.deployment(name)['id']}/create_flow_run"
        return str(self.call(path, {"parameters": parameters})["id"])

    def state(self, run: str) -> Any:
        return self.call(f"/flow_runs/{run}")["state"]

    def ended(self, run: str) -> Any:
        """The run once it has ended."""
        self.wait(lambda: self.state(run)["type"] in ("COMPLETED", "FAILED", "CRASHED"))
        return self.call(f"/flow_runs/{run}")

    def artifacts(self, run: str) -> dict[str, Any]:
        found = self.call("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}})
        tables = {one["key"]: one["data"] for one in found}
        return {k: json.loads(v) if k != "return-sheets" else v for k, v in tables.items()}

    def logs(self, run: str) -> list[str]:
        body = {"logs": {"flow_run_id": {"any_": [run]}}}
        records = [record["message"] for record in self.call("/logs/filter", body)]
        return [line for record in records for line in record.splitlines()]

    def end(self, how: signal.Signals) -> int:
        """Send ``how``, as a terminal would to the whole group; give the exit code."""
        os.killpg(self.process.pid, how)
        return self.process.wait(PATIENCE)


@contextmanager
def serving(home: Path, output: Path, port: int | None = None, **env: str) -> Iterator[Service]:
    """A service on ``home`` that is up; killed, with all its children, if it is still there."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "JZEDU_"))}
    port = port or free_port()
    with output.open("w") as out:
        process = subprocess.Popen(
            command(home, port),
            stdout=out,
            stderr=out,
            text=True,
            env={**kept, "PREFECT_RUNNER_POLL_FREQUENCY": "1", **env},
            start_new_session=True,
            umask=0o022,
        )
    service = Service(process, output, port, home)
    try:
        service.wait(lambda: "Ctrl-C ends it." in service.said())
        yield service
    finally:
        if process.poll() is None:
            service.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[str, queue.Queue[str]]]:
    """A webhook: its address for apprise, and the titles it was sent."""
    titles: queue.Queue[str] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            titles.put(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["title"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"json://127.0.0.1:{server.server_address[1]}/", titles
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def city(make_home: MakeHome) -> Home:
    """A home with a publication, and news since: a verdict that turns, and a sheet to return."""
    home = make_home()
    home.sheet("210727", "special_group", 2020, [{"dropouts": 0}], name="2020年一.csv")
    home.night()
    home.sheet(
        "210727",
        "special_group",
        2020,
        [{"dropouts": 3}],
        name="2020年二.csv",
        received="2020-09-16 02:00:00",
    )
    home.sheet("210727", "population", 2020, [{"age": 40, "population": 1}], name="2020年人口.csv")
    return home


@pytest.fixture(scope="module")
def service(
    city: Home, told: tuple[str, queue.Queue[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    output = tmp_path_factory.mktemp("serve") / "output.txt"
    with serving(city.root, output, JZEDU_NOTIFY_URLS=told[0]) as running:
        yield running


def lines_of(service: Service, run: Any) -> list[str]:
    return [line for line in service.logs(run["id"]) if "rows loaded" in line]


def test_a_night_started_through_the_api_publishes_and_tells_of_it(
    service: Service, city: Home, told: tuple[str, queue.Queue[str]]
) -> None:
    run = service.ended(service.start("nightly"))
    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
    assert city.status("2.21", "210727", 2020) == "not_met"

    left = service.artifacts(run["id"])
    assert [(r["文件 File"], r["状态 Status"], r["错误 Errors"]) for r in left["submissions"]] == [
        ("2020年人口.csv", "已退回 Returned", 1),
        ("2020年二.csv", "已接收 Accepted", 0),
    ]
    turned = [r for r in left["verdict-changes"] if r["指标 Indicator"] == "义务教育辍学人数"]
    assert [(r["地区 Region"], r["新判定 Now"], r["起因 Cause"]) for r in turned] == [
        ("锦州市", "未达标 Not met", "2020年二.csv"),
        ("义县", "未达标 Not met", "2020年二.csv"),
    ]
    (sheet,) = city.settings.outbox.rglob("*.xlsx")
    assert sheet.as_uri() in left["return-sheets"]

    # The last lines of a log reach the server when the run's process ends, after its state.
    service.wait(lambda: len(lines_of(service, run)) == 2)
    assert [line.partition(":")[0] for line in lines_of(service, run)] == [
        "义县 学龄人口表 2020 (2020年人口.csv)",
        "义县 特殊群体教育保障表 2020 (2020年二.csv)",
    ]
    assert "jzedu_last_run_success 1.0" in (city.root / "metrics" / "jzedu.prom").read_text()
    titles = [told[1].get(timeout=PATIENCE) for _ in range(2)]
    assert [title.partition(" / ")[2] for title in titles] == [
        "1 submission returned",
        f"{len(left['verdict-changes'])} verdicts changed",
    ]


def test_a_night_that_fails_is_told_with_what_to_do(
    service: Service, city: Home, told: tuple[str, queue.Queue[str]]
) -> None:
    settings = city.root / "settings.toml"
    settings.write_text('plan = "nowhere.yaml"\n', "utf-8")
    try:
        run = service.ended(service.start("nightly"))
    finally:
        settings.unlink()
    assert run["state"]["type"] == "FAILED"
    assert "nowhere.yaml" in run["state"]["message"]
    assert told[1].get(timeout=PATIENCE).endswith("the nightly run failed")
    assert "jzedu_last_run_success 0.0" in (city.root / "metrics" / "jzedu.prom").read_text()


BLOCK = """
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from flows.after.notify import failed, send
from flows.settings import NotifySettings
from transforms.texts import Text
block = CustomWebhookNotificationBlock(
    name="office", url="{url}", method="POST", json_data={{"title": "{{{{subject}}}}"}}
)
block.save("office")
print(send(NotifySettings(blocks=["custom-webhook/office", "custom-webhook/nobody"]),
           [failed("backfill", Text("原因", "a reason"))]))
"""


def test_notification_blocks_of_the_server_are_told_too(
    service: Service, told: tuple[str, queue.Queue[str]]
) -> None:
    script = BLOCK.format(url=told[0].replace("json:", "http:"))
    api = {
        "PREFECT_API_URL": f"http://127.0.0.1:{service.port}/api",
        "PREFECT_API_AUTH_STRING": service.login,
    }
    said = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **api},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told[1].get(timeout=PATIENCE).endswith("the backfill run failed")
    assert "the notification block custom-webhook/nobody cannot be loaded" in said
    assert "custom-webhook/office" not in said


def test_a_dry_run_of_the_backfill_by_the_choices_of_its_form_shows_what_would_change(
    service: Service, city: Home
) -> None:
    before = city.publication.read_bytes()
    run = service.ended(
        service.start("backfill", years=[2020], regions=["义县"], forms=[], dry_run=True)
    )
    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
    assert service.artifacts(run["id"]) == {"dry-run": []}
    assert city.publication.read_bytes() == before


def test_the_form_of_the_backfill_is_typed_and_explained_and_offers_choices(
    service: Service,
) -> None:
    schema = service.deployment("backfill")["parameter_openapi_schema"]
    offered = schema["properties"]
    assert schema["required"] == ["years"]
    assert 2018 in offered["years"]["items"]["enum"]
    assert "义县" in offered["regions"]["items"]["enum"]
    assert "kindergarten" in offered["forms"]["items"]["enum"]
    assert offered["dry_run"]["type"] == "boolean"
    assert all(one["description"] for one in offered.values())
    assert "home" not in offered


@pytest.mark.parametrize(
    "parameters",
    [
        {"years": [1066]},
        {"years": [2020], "regions": ["亚特兰蒂斯"]},
        {"years": [2020], "forms": ["homework"]},
        {"years": [2020], "dry_run": "perhaps"},
        {"years": [2020], "home": "/tmp"},
        {},
    ],
)
def test_what_is_no_choice_is_refused_before_it_runs(
    service: Service, parameters: dict[str, object]
) -> None:
    with pytest.raises(HTTPError) as refused:
        service.start("backfill", **parameters)
    with refused.value as answer:
        assert 400 <= answer.code < 500


def refusal(service: Service, path: str, body: object = None, **more: str) -> int:
    with pytest.raises(HTTPError) as refused:
        service.ask(path, body, **more)
    with refused.value as answer:
        return answer.code


def test_nobody_without_the_login_can_read_or_change_anything(service: Service) -> None:
    nightly = service.deployment("nightly")["id"]
    start = f"/deployments/{nightly}/create_flow_run"
    harm = {"pull_steps": [{"prefect.deployments.steps.run_shell_script": {"script": "true"}}]}
    for login in (None, "jzedu:", "jzedu:guessed", service.login.partition(":")[2]):
        more = {} if login is None else {"login": login}
        assert refusal(service, f"/deployments/{nightly}", harm, method="PATCH", **more) == 401
        assert refusal(service, start, {}, **more) == 401
        assert refusal(service, "/flow_runs/filter", {}, **more) == 401
    assert service.deployment("nightly")["pull_steps"] in (None, [])


def test_a_page_of_another_address_and_another_name_are_refused_even_with_the_login(
    service: Service,
) -> None:
    login, own = service.login, f"127.0.0.1:{service.port}"
    for headers in (
        {"Host": "rebound.example"},
        {"Host": f"rebound.example:{service.port}"},
        {"Host": own, "Origin": "http://elsewhere.example"},
        {"Host": own, "Origin": "null"},
        {"Host": own, "Origin": "http://127.0.0.1:1"},
    ):
        assert refusal(service, "/flow_runs/filter", {}, login=login, **headers) == 403
        assert refusal(service, "/health", **headers) == 403
    for headers in (
        {"Host": own, "Origin": f"http://{own}"},
        {"Host": f"localhost:{service.port}"},
    ):
        assert isinstance(
            service.ask("/flow_runs/filter", {}, login=login, **headers),  # type: ignore[arg-type]
            list,
        )


def test_a_web_socket_of_another_page_is_refused(service: Service) -> None:
    own = f"127.0.0.1:{service.port}"
    for host, origin, answer in (
        (own, "http://elsewhere.example", "403"),
        ("rebound.example", f"http://{own}", "403"),
        (own, f"http://{own}", "101"),
    ):
        with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE) as client:
            client.sendall(
                f"GET /api/events/in HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Protocol: prefect\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            )
            assert client.makefile("rb").readline().split()[1].decode() == answer


def test_what_somebody_wrote_into_the_server_is_not_run(
    service: Service, city: Home, tmp_path: Path
) -> None:
    """Who has the login may start runs, and nothing but the runs of this program in this home."""
    trace, elsewhere = tmp_path / "trace", tmp_path / "elsewhere"
    evil = tmp_path / "evil.py"
    evil.write_text(
        "from prefect import flow\nfrom pathlib import Path\n"
        f"Path({str(trace)!r}).touch()\n@flow\ndef nightly(**_): pass\n"
    )
    script = {"script": f"touch {trace}"}
    harm = {
        "pull_steps": [{"prefect.deployments.steps.run_shell_script": script}],
        "entrypoint": f"{evil}:nightly",
        "path": str(tmp_path),
        "enforce_parameter_schema": False,
        "parameter_openapi_schema": {"type": "object", "properties": {}},
    }
    for name in ("nightly", "backfill"):
        service.call(f"/deployments/{service.deployment(name)['id']}", harm, "PATCH")
    assert service.deployment("nightly")["pull_steps"] == harm["pull_steps"]

    assert service.ended(service.start("nightly"))["state"]["type"] == "COMPLETED"
    # Prefect itself ends this one, and the reason is recorded a moment later.
    led_away = service.start("backfill", years=[2020], home=str(elsewhere), dry_run=True)
    service.wait(lambda: service.state(led_away)["type"] == "FAILED")
    assert service.state(led_away)["message"].startswith(
        "the step “open” failed: home: backfill is given no such thing, only years, regions, "
    )
    for parameters, word in (
        ({"years": [2020], "dry_run": True, "plan": "/etc/passwd"}, "does not lie in"),
        ({"years": [2020], "dry_run": True, "plan": "../plan.yaml"}, "does not lie in"),
        ({"years": ["2020) OR (1=1"]}, "years.0"),
        ({"years": [2020], "forms": ["class'); --"]}, "no form"),
        ({"years": [2020], "regions": ["' OR ''='"]}, "no reporting unit"),
    ):
        refused = service.ended(service.start("backfill", **parameters))["state"]
        assert (refused["type"], word in refused["message"]) == ("FAILED", True), refused
    assert not trace.exists() and not elsewhere.exists()


def test_what_is_private_is_private_and_what_is_published_can_be_read(
    service: Service, city: Home
) -> None:
    """The service was started under a umask that lets everybody read."""
    root = city.root
    prefect = root / "prefect"
    for folder in (root / "archive", prefect):
        assert (folder, folder.stat().st_mode & 0o777) == (folder, 0o700)
    for file in (root / ".lock", root / "warehouse.duckdb", *prefect.iterdir()):
        assert (file, file.stat().st_mode & 0o077) == (file, 0)
    report = root / "published" / "report" / "index.html"
    for file in (city.publication, report, root / "metrics" / "jzedu.prom"):
        assert (file, file.stat().st_mode & 0o444) == (file, 0o444)
        assert all(folder.stat().st_mode & 0o055 == 0o055 for folder in file.parents[:1])
    assert city.publication.stat().st_mode & 0o222 == 0


def test_a_night_at_the_terminal_is_recorded_by_the_service_that_runs(
    service: Service, city: Home, told: tuple[str, queue.Queue[str]]
) -> None:
    """And what it has to leave is in the log of the run, and told to somebody."""
    city.sheet("210727", "special_group", 2019, [{"dropouts": 1}], name="2019年.csv")
    settings = city.root / "settings.toml"
    settings.write_text('[[sources]]\nkind = "folder"\nname = "share"\npath = "gone"\n', "utf-8")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "JZEDU_"))}
    try:
        said = subprocess.run(
            [sys.executable, "-m", "flows.terminal.cli", "nightly", "--home", str(city.root)],
            env={**kept, "JZEDU_NOTIFY_URLS": told[0]},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        settings.unlink()
    assert said.returncode == 0, said.stderr
    by_hand = {"flow_runs": {"deployment_id": {"is_null_": True}}}
    (run,) = service.call("/flow_runs/filter", by_hand)
    assert run["state"]["type"] == "COMPLETED"
    assert any(line.startswith("left for now: share: ") for line in service.logs(run["id"]))
    while "could not be taken in" not in told[1].get(timeout=PATIENCE):
        pass


def test_the_doctor_knows_the_service_that_runs_and_when_it_works_next(
    service: Service, city: Home
) -> None:
    found = {line.check: line for line in diagnose(city.root, lambda _: ())}
    url = f"http://127.0.0.1:{service.port}"
    assert found["service"].state == "ok"
    assert f"process {service.process.pid}" in found["service"].found
    assert found["service"].found.endswith(f"serves {city.root} at {url}")
    assert found["schedule"].found.endswith("02:00 in Asia/Shanghai")


def test_the_next_night_is_at_two_in_china(service: Service) -> None:
    service.wait(lambda: "The next night: " in service.said())
    scheduled = {"state": {"type": {"any_": ["SCHEDULED"]}}}
    runs = service.call("/flow_runs/filter", {"flow_runs": scheduled})
    starts = sorted(datetime.fromisoformat(run["expected_start_time"]) for run in runs)
    local = [start.astimezone(ZoneInfo("Asia/Shanghai")) for start in starts]
    assert f"The next night: {local[0]:%Y-%m-%d} 02:00 CST" in service.said()
    assert {(start.hour, start.minute) for start in local} == {(2, 0)}
    assert timedelta(0) < starts[0] - datetime.now(UTC) <= timedelta(days=1)
    assert {later - earlier for earlier, later in pairwise(starts)} == {timedelta(days=1)}


def test_of_two_runs_at_once_one_waits_for_the_other(service: Service) -> None:
    first, second = service.start("nightly"), service.start("nightly")
    one, other = sorted(
        (service.ended(first), service.ended(second)), key=lambda run: str(run["start_time"])
    )
    assert [run["state"]["type"] for run in (one, other)] == ["COMPLETED", "COMPLETED"]
    assert one["end_time"] <= other["start_time"]


def test_a_home_is_served_once(service: Service, city: Home) -> None:
    second = subprocess.run(
        command(city.root, free_port()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr == (
        f"jzedu: {city.root} is being served already; end that jzedu serve first\n"
    )


def test_a_port_that_is_taken_is_named(home: Home) -> None:
    home.settings.inbox.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = subprocess.run(
            command(home.root, port),
            capture_output=True,
            text=True,
            check=False,
        )
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"jzedu: 127.0.0.1:{port} cannot be listened on")
    assert "--port" in refused.stderr


def scheduled(database: Path, nights: int) -> list[str]:
    """The ids of the next ``nights`` runs that are planned, or fewer; the earliest comes first."""
    with closing(sqlite3.connect(database)) as connection:
        return [
            row[0]
            for row in connection.execute(
                "SELECT id FROM flow_run WHERE auto_scheduled AND state_type = 'SCHEDULED' "
                "ORDER BY next_scheduled_start_time LIMIT ?",
                [nights],
            )
        ]


def overdue(database: Path, nights: int) -> list[str]:
    """Let the next ``nights`` scheduled runs be overdue, as if the machine had been off; their ids.

    The earliest comes first.
    """
    with closing(sqlite3.connect(database)) as connection, connection:
        ids = scheduled(database, nights)
        for age, key in zip(range(nights, 0, -1), ids, strict=True):
            past = (datetime.now(UTC) - timedelta(days=age)).strftime("%Y-%m-%d %H:%M:%S.%f")
            connection.execute(
                "UPDATE flow_run SET next_scheduled_start_time = ?, expected_start_time = ? "
                "WHERE id = ?",
                [past, past, key],
            )
            connection.execute(
                "UPDATE flow_run_state SET state_details = "
                "json_set(state_details, '$.scheduled_time', ?) "
                "WHERE id = (SELECT state_id FROM flow_run WHERE id = ?)",
                [past.replace(" ", "T") + "Z", key],
            )
    return ids


def children(process: int) -> list[int]:
    return [
        int(one) for one in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


def command_of(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")


def test_after_a_power_cut_the_record_is_put_straight_and_the_missed_night_is_run(
    service: Service, city: Home, tmp_path: Path
) -> None:
    """The last one: it kills the service of all the others."""
    service.wait(lambda: "The next night: " in service.said())
    said_before = service.said()
    database = city.root / "prefect" / "prefect.db"
    service.wait(lambda: len(scheduled(database, 3)) == 3)
    # Held until the record is looked at: the run that is cut off must not come to its end by itself.
    with (city.root / ".lock").open("w") as held, ExitStack() as stack:
        fcntl.flock(held, fcntl.LOCK_EX)
        cut_off = service.start("nightly")
        service.wait(lambda: "another run (process" in service.said()[len(said_before) :])
        below = {one: command_of(one) for one in children(service.process.pid)}
        assert any("flows.service.gateway" in words for words in below.values())
        (guard,) = [one for one, words in below.items() if "children.py" in words]
        assert len(below) >= 3  # server, guard and run
        # The guard first: what it would have ended is left behind, the server and its port.
        for process in (guard, service.process.pid):
            os.kill(process, signal.SIGKILL)
        service.process.wait()
        found = {line.check: line for line in diagnose(city.root, lambda _: ())}
        assert (found["service"].state, "left behind" in found["service"].found) == ("fail", True)
        *missed, last = overdue(database, nights=3)

        again = stack.enter_context(serving(city.root, tmp_path / "output.txt", service.port))
        assert f"A jzedu serve (process {service.process.pid}) was killed; its " in again.said()
        state = again.state(cut_off)
        assert (state["type"], "stopped during this run" in state["message"]) == ("CRASHED", True)
        fcntl.flock(held, fcntl.LOCK_UN)
        assert again.ended(last)["state"]["type"] == "COMPLETED"
        assert [again.state(one)["type"] for one in missed] == ["CANCELLED", "CANCELLED"]

        with (city.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            stopped = again.start("nightly")
            again.wait(lambda: "another run (process" in again.said())
            assert again.end(signal.SIGINT) == 0
        said = again.said()
        assert said.endswith("Ending …\nStopped.\n")
        assert not [word for word in NOISE if word in said]
    with closing(sqlite3.connect(database)) as connection:
        ((left,),) = connection.execute(
            "SELECT count(*) FROM flow_run WHERE state_type IN ('RUNNING', 'PENDING', 'CANCELLING')"
        ).fetchall()
        ((ended,),) = connection.execute(
            "SELECT state_type FROM flow_run WHERE id = ?", [stopped]
        ).fetchall()
    assert (left, ended) == (0, "CANCELLED")


def test_prefect_yaml_describes_the_same_deployments() -> None:
    described = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))
    assert described["pull"] == []
    assert [
        (
            one["name"],
            one["entrypoint"],
            [(each["cron"], each["timezone"]) for each in one["schedules"]],
            one["parameters"],
            one["description"],
        )
        for one in described["deployments"]
    ] == [
        (
            one.name,
            one.entrypoint,
            [(one.cron, one.timezone)] if one.cron else [],
            {},
            one.description,
        )
        for one in DEPLOYMENTS
    ]
    assert {one["work_pool"]["name"] for one in described["deployments"]} == {"jzedu"}


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:4200"),
        ("0.0.0.0", "http://127.0.0.1:4200"),
        ("::", "http://[::1]:4200"),
        ("::1", "http://[::1]:4200"),
        ("jzedu.example", "http://jzedu.example:4200"),
    ],
)
def test_a_server_on_all_addresses_is_reached_on_this_machine(host: str, url: str) -> None:
    assert address(host, 4200) == url
