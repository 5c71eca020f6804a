"""`jzedu doctor` on real homes, sound ones and ones with something amiss."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import duckdb
import pytest
from rich.console import Console

from flows.after.metrics import LastRun, write_metrics
from flows.lock import only_writer
from flows.service.state import Serving, announced, folder_of, login_of
from flows.terminal import doctor
from flows.terminal.doctor import Line, diagnose, show_lines
from tests.conftest import Home, MakeHome
from warehouse.publication.release import DATABASE


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server and no notifications but those of the test."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("JZEDU_NOTIFY_URLS", raising=False)


@pytest.fixture(scope="module")
def after_a_night(make_home: MakeHome) -> Home:
    """A home that has had one night, just now; to be copied."""
    home = make_home()
    home.sheet("210727", "special_group", 2020, [{"dropouts": 0}])
    home.night()
    return home


@pytest.fixture
def sound(after_a_night: Home, home: Home) -> Home:
    """A copy of :func:`after_a_night`, to be spoilt."""
    shutil.copytree(after_a_night.root, home.root, dirs_exist_ok=True)
    return home


def lines(home: Home, *probes: doctor.Probe) -> dict[str, Line]:
    """What the doctor says, by check; of several lines the worst."""
    found: dict[str, Line] = {}
    order = {"ok": 0, "warn": 1, "fail": 2}
    for line in diagnose(home.root, lambda _: probes):
        before = found.get(line.check)
        if before is None or order[line.state] > order[before.state]:
            found[line.check] = line
    return found


def test_a_sound_home_has_no_failure_and_says_what_it_saw(sound: Home) -> None:
    found = lines(sound)
    assert [name for name, line in found.items() if line.state == "fail"] == []
    assert {name: found[name].found for name in ("warehouse", "archive")} == {
        "warehouse": "1 submissions in warehouse.duckdb",
        "archive": "1 originals, 1 of them read and verified",
    }
    assert "prefect 3." in found["versions"].found
    assert "10 reporting units" in found["settings"].found
    assert "in Asia/Shanghai" in found["clock"].found
    assert found["notifications"].found == "off"
    assert found["publication"].state == "ok"


def test_it_changes_nothing(sound: Home) -> None:
    def state() -> list[tuple[str, int]]:
        return sorted((str(p), p.stat().st_mtime_ns) for p in sound.root.rglob("*") if p.is_file())

    before = state()
    diagnose(sound.root, lambda _: ())
    assert state() == before


def test_every_line_that_is_not_well_says_what_to_do(home: Home) -> None:
    every = diagnose(home.root / "nowhere", lambda _: [("counties", lambda: "no route")])
    assert all(line.do for line in every if line.state != "ok")
    assert {line.check for line in every if line.state == "warn"} >= {
        "paths",
        "warehouse",
        "publication",
    }


def test_settings_that_cannot_be_used_are_a_line_and_not_an_error(home: Home) -> None:
    (home.root / "settings.toml").write_text("wrokers = 3\n", "utf-8")
    found = lines(home)
    assert found["settings"].state == "fail"
    assert "wrokers" in found["settings"].found


def test_a_plan_that_cannot_be_read_is_a_failure(home: Home) -> None:
    (home.root / "settings.toml").write_text('plan = "nowhere.yaml"\n', "utf-8")
    assert lines(home)["settings"].state == "fail"


def test_an_original_that_was_changed_or_is_missing_is_a_failure(sound: Home) -> None:
    (original,) = [p for p in sound.settings.archive.rglob("*") if len(p.name) == 64]
    whole = original.read_bytes()
    original.write_bytes(whole[:-1])
    found = lines(sound)["archive"]
    assert (found.state, "was changed" in found.found) == ("fail", True)
    assert "backup" in found.do
    original.unlink()
    assert "missing" in lines(sound)["archive"].found


def test_a_spoilt_warehouse_or_publication_is_a_failure(sound: Home) -> None:
    sound.settings.warehouse.write_bytes(b"no database" * 1000)
    sound.publication.write_bytes(b"no database" * 1000)
    found = lines(sound)
    assert (found["warehouse"].state, found["publication"].state) == ("fail", "fail")
    assert "rebuilt from the archive" in found["warehouse"].do


def publish_at(home: Home, made: datetime) -> None:
    """Let the publication have been made at ``made``."""
    with duckdb.connect(str(home.publication)) as connection:
        stamp = made.astimezone(UTC).replace(tzinfo=None)
        connection.execute(f"UPDATE publication SET published_at = TIMESTAMP '{stamp}'")


def test_a_publication_of_the_day_before_yesterday_is_late(sound: Home) -> None:
    publish_at(sound, datetime.now(UTC) - timedelta(days=2))
    found = lines(sound)["publication"]
    assert (found.state, "more than a day" in found.found) == ("warn", True)
    assert "jzedu serve" in found.do


def test_a_night_without_news_makes_an_old_publication_good(sound: Home) -> None:
    publish_at(sound, datetime.now(UTC) - timedelta(days=2))
    write_metrics(sound.settings, LastRun(True, datetime.now(UTC)))
    found = lines(sound)["publication"]
    assert (found.state, "nothing new at" in found.found) == ("ok", True)


def test_a_failed_night_does_not(sound: Home) -> None:
    publish_at(sound, datetime.now(UTC) - timedelta(days=2))
    write_metrics(sound.settings, LastRun(False, datetime.now(UTC)))
    assert lines(sound)["publication"].state == "warn"


def test_a_clock_behind_the_last_publication_is_a_failure(sound: Home) -> None:
    publish_at(sound, datetime.now(UTC) + timedelta(days=1))
    found = lines(sound)["clock"]
    assert (found.state, "before the last publication" in found.found) == ("fail", True)


def test_sources_are_tried_by_name(sound: Home) -> None:
    def refused() -> str:
        return "counties.example:22 refuses the key; put the right one into …_KEY_FILE"

    found = lines(sound, ("counties", refused), ("province", lambda: None))
    assert found["source counties"] == Line(
        "source counties", "fail", refused(), found["source counties"].do
    )
    assert found["source province"].state == "ok"


def test_a_home_that_everybody_can_change_is_a_warning(sound: Home) -> None:
    sound.root.chmod(0o777)
    found = lines(sound)["paths"]
    assert (found.state, found.do) == ("warn", f"chmod o-w {sound.root}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_failure(sound: Home) -> None:
    sound.settings.outbox.mkdir(exist_ok=True)
    sound.settings.outbox.chmod(0o500)
    try:
        assert lines(sound)["paths"].state == "fail"
    finally:
        sound.settings.outbox.chmod(0o700)


def test_a_package_of_another_version_is_a_failure(
    sound: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ["duckdb<1", "no-such-package>=2", 'pywin32>1; sys_platform == "win32"']
    monkeypatch.setattr(doctor, "requires", lambda _: wanted)
    found = lines(sound)["versions"]
    assert found.state == "fail"
    assert found.found.startswith("duckdb is 1.")
    assert found.found.endswith("no-such-package is missing")


@dataclass
class Api:
    """Answers like a Prefect server: healthy, with the nights ``planned``, if it has no password."""

    url: str = ""
    password: str = ""
    planned: list[str] = field(default_factory=list)
    #: So many questions are answered 503 before.
    busy: int = 0


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, allowed: bool, what: object) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            self.send_response(200 if allowed else 401)
            self.end_headers()
            self.wfile.write(json.dumps(what).encode())

        def do_GET(self) -> None:
            self.answer(self.path == "/api/health", True)

        def do_POST(self) -> None:
            if api.busy:
                api.busy -= 1
                self.rfile.read(int(self.headers["Content-Length"] or 0))
                self.send_error(503)
                return
            asked = self.headers["Authorization"] or ""
            allowed = asked == f"Basic {b64encode(api.password.encode()).decode()}"
            runs = [{"expected_start_time": night} for night in api.planned]
            self.answer(not api.password or allowed, runs)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        api.url = f"http://127.0.0.1:{server.server_address[1]}/api"
        yield api
        server.shutdown()
        thread.join()


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody answers: taken, and not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/api"


def test_a_server_that_answers_is_well_and_tells_the_next_night(
    sound: Home, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.planned = ["2026-11-24T18:00:00Z"]
    monkeypatch.setenv("PREFECT_API_URL", api.url)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    found = lines(sound)
    assert found["server"].state == "ok"
    assert found["schedule"] == Line(
        "schedule", "ok", "the next night is 2026-11-25 02:00 in Asia/Shanghai"
    )


def test_a_server_that_plans_no_night_is_a_warning(
    sound: Home, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", api.url)
    assert (lines(sound)["schedule"].state, lines(sound)["server"].state) == ("warn", "ok")


def test_a_server_with_a_password_is_asked_with_it(
    sound: Home, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.password, api.planned = "admin:secret", ["2026-11-24T18:00:00Z"]
    monkeypatch.setenv("PREFECT_API_URL", api.url)
    monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
    refused = lines(sound)["schedule"]
    assert (refused.state, "PREFECT_API_AUTH_STRING" in refused.do) == ("warn", True)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", api.password)
    assert lines(sound)["schedule"].state == "ok"


def test_no_service_is_a_warning_but_a_server_that_is_named_has_to_answer(
    sound: Home, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = lines(sound)["service"]
    assert (found.state, "jzedu serve" in found.do) == ("warn", True)
    monkeypatch.setenv("PREFECT_API_URL", nobody)
    assert lines(sound)["server"].state == "fail"


def test_a_server_whose_service_was_killed_is_not_taken_for_a_service(
    sound: Home, api: Api
) -> None:
    api.planned = ["2026-11-24T18:00:00Z"]
    left = Serving(1, datetime.now(UTC), api.url.removesuffix("/api"), "mark")
    folder_of(sound.root)
    with announced(sound.root, left):
        found = lines(sound)
    assert (found["service"].state, "left behind" in found["service"].found) == ("fail", True)
    assert "schedule" not in found


def test_the_next_night_is_that_of_the_service_that_lives(sound: Home, api: Api) -> None:
    folder = folder_of(sound.root)
    api.password, api.planned = login_of(sound.root), ["2026-11-24T18:00:00Z"]
    serving = Serving(os.getpid(), datetime.now(UTC), api.url.removesuffix("/api"), "mark")
    with only_writer(folder, pytest.fail, doing="jzedu serve"), announced(sound.root, serving):
        found = lines(sound)
    assert found["service"].found.startswith(f"process {os.getpid()}, “jzedu serve”, since ")
    assert found["service"].found.endswith(f"serves {sound.root} at {serving.url}")
    assert found["schedule"].found == "the next night is 2026-11-25 02:00 in Asia/Shanghai"


def test_a_server_that_is_busy_is_asked_again(
    sound: Home, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.busy, api.planned = 2, ["2026-11-24T18:00:00Z"]
    monkeypatch.setenv("PREFECT_API_URL", api.url)
    assert lines(sound)["schedule"].state == "ok"
    assert api.busy == 0


def test_an_inbox_that_is_not_mounted_is_a_failure(sound: Home) -> None:
    away = sound.settings.inbox.rename(sound.root / "away")
    try:
        found = lines(sound)["inbox"]
    finally:
        away.rename(sound.settings.inbox)
    assert (found.state, "is it mounted" in found.found) == ("fail", True)


def test_addresses_of_notifications_are_counted_and_not_shown(
    sound: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JZEDU_NOTIFY_URLS", "json://a.example/secret mailto://u:secret@b.example")
    assert lines(sound)["notifications"].found.startswith("to 2 places")
    assert "secret" not in str(diagnose(sound.root, lambda _: ()))


def shown(every: list[Line], as_json: bool) -> tuple[bool, str]:
    out = io.StringIO()
    good = show_lines(Console(file=out, width=60), every, as_json)
    return good, out.getvalue()


def test_it_is_shown_to_people_and_to_machines() -> None:
    well, bad = Line("disk", "ok", "9 GiB free"), Line("source [a]", "fail", "gone", "Call.")
    good, text = shown([well, bad], False)
    assert (good, text.splitlines()) == (
        False,
        ["✓ disk        9 GiB free", "✗ source [a]  gone", "              Call."],
    )
    good, text = shown([well], True)
    assert good
    assert json.loads(text) == [{"check": "disk", "state": "ok", "found": "9 GiB free", "do": ""}]
    assert shown([Line("disk", "warn", "1 GiB free", "Make room.")], False)[0]


def test_the_edition_for_the_public_is_looked_at(home: Home) -> None:
    for unit, received in (("210702", 97), ("210703", 60)):
        rows = [{"aid_eligible": 100, "aid_received": received}]
        home.sheet(unit, "special_group", 2020, rows)
    home.night()
    assert "public edition" not in lines(home)
    (home.root / "settings.toml").write_text("public_edition = true\n", "utf-8")
    assert "missing" in lines(home)["public edition"].found
    # It is made of the publication that stands.
    home.settings = home.settings.model_copy(update={"public_edition": True})
    assert home.night().imprint is None
    assert lines(home)["public edition"].state == "ok"
    # Put there by hand: the whole publication.
    file = home.settings.published / "public" / DATABASE
    file.unlink()
    shutil.copy(home.publication, file)
    said = lines(home)["public edition"]
    assert said.state == "fail" and "1 to 5 people in student_aid_coverage (1)" in said.found
    home.night()
    assert lines(home)["public edition"].state == "ok"
