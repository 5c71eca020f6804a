"""Notifications through a real webhook and a real mail server, both of this machine."""

from __future__ import annotations

import email
import json
import logging
import queue
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from flows.after.artifacts import Handed
from flows.after.notify import URLS, Notice, failed, of_run, send
from flows.after.reminders import remind
from flows.settings import NotifySettings, SettingsError, load_settings
from tests.conftest import Home, english
from transforms.texts import Text
from warehouse.publication.revisions import Revision

# apprise looks for optional parts of the standard library that Python 3.11 calls outdated.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

PASSWORD = "k9-very-secret"


@dataclass
class Webhook:
    """An HTTP server that keeps what is posted to it; ``status`` is what it answers."""

    status: int = 200
    posted: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    url: str = ""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.posted.put({"path": self.path, **json.loads(body)})
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        hook.url = f"json://127.0.0.1:{server.server_address[1]}/hooks/{PASSWORD}"
        yield hook
        server.shutdown()
        thread.join()


@pytest.fixture
def mailbox() -> Iterator[tuple[str, queue.Queue[EmailMessage]]]:
    """A mail server; its apprise address, and the messages it took."""
    taken: queue.Queue[EmailMessage] = queue.Queue()

    class Taker:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            message = email.message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            taken.put(message)
            return "250 taken"

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(Taker(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield f"mailto://127.0.0.1:{port}?from=jzedu@jz.example&to=office@jz.example", taken
    finally:
        controller.stop()


def handed(status: str, name: str = "班级.xlsx") -> Handed:
    return Handed("s1", "义县", "班级学生数表", 2022, name, status, 40, 0, 2, 0)


TURN = Revision(
    *("large_class_share", "大班额比例", "210727", "义县", 2022),
    *(4.0, 6.0, "met", "not_met", "班级.xlsx"),
    *("2.9", "%", 5.0, "教育部口径", "the national measure"),
)
OUTBOX, REPORT = Path("home/outbox"), Path("home/published/report/index.html")


def test_nothing_is_sent_until_somebody_sets_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URLS, raising=False)

    def never() -> Iterator[Notice]:
        raise AssertionError("nobody is to be told, so nothing is to be worked out")
        yield

    assert send(NotifySettings(), never()) == []


def test_a_webhook_gets_what_happened_and_what_to_do(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URLS, webhook.url)
    notices = of_run([handed("returned"), handed("accepted")], [TURN], OUTBOX, REPORT)
    assert send(NotifySettings(), notices) == []
    returned, turned = webhook.posted.get_nowait(), webhook.posted.get_nowait()
    assert webhook.posted.empty()
    assert returned["title"] == "jzedu: 1 份报送已退回 / 1 submission returned"
    assert "义县 班级学生数表 2022 (班级.xlsx): returned" in returned["message"]
    assert str(OUTBOX) in returned["message"]
    assert "What to do:" in returned["message"] and "怎么办" in returned["message"]
    assert turned["title"] == "jzedu: 1 项判定变化 / 1 verdict changed"
    assert (
        "义县 2022 2.9 † 大班额比例: 达标 → 未达标 (Met → Not met) † 教育部口径"
        in turned["message"]
    )
    assert str(REPORT) in turned["message"]


def test_mail_gets_it_too_and_both_can_be_set(
    webhook: Webhook,
    mailbox: tuple[str, queue.Queue[EmailMessage]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, taken = mailbox
    monkeypatch.setenv(URLS, f"{webhook.url}\n  {address}")
    reason = "the step “pull” failed: no space left. Check free disk space, then run again."
    assert send(NotifySettings(), [failed("nightly", Text("没有空间", reason))]) == []
    message = taken.get_nowait()
    assert message["Subject"] == "jzedu: nightly 运行失败 / the nightly run failed"
    assert message["To"] == "office@jz.example"
    body = message.get_body(("plain", "html"))
    assert body is not None
    assert reason in body.get_content() and "没有空间" in body.get_content()
    assert "jzedu doctor" in body.get_content()
    assert webhook.posted.get_nowait()["title"] == message["Subject"]


@pytest.mark.parametrize("occasion", ["failure", "returned", "verdict"])
def test_only_the_occasions_asked_for_are_told(
    occasion: Any, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URLS, webhook.url)
    notices = [
        failed("nightly", Text("原因", "a reason")),
        *of_run([handed("returned")], [TURN], OUTBOX, REPORT),
    ]
    assert send(NotifySettings(on=(occasion,)), notices) == []
    assert webhook.posted.qsize() == 1
    words = {"failure": "failed", "returned": "returned", "verdict": "verdict"}
    assert words[occasion] in webhook.posted.get_nowait()["title"]


def test_a_night_without_returns_and_turns_tells_nobody() -> None:
    assert list(of_run([handed("accepted"), handed("superseded")], [], OUTBOX, REPORT)) == []


def test_a_long_list_is_cut(webhook: Webhook) -> None:
    (notice,) = of_run([handed("returned", f"{n}.xlsx") for n in range(25)], [], OUTBOX, REPORT)
    assert notice.title.endswith("25 submissions returned")
    assert notice.text.count("\n- 义县") + notice.text.startswith("- 义县") == 20
    assert "\n- … + 5\n" in notice.text


def test_what_cannot_be_delivered_is_said_without_its_address(
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    webhook.status = 500
    monkeypatch.setenv(URLS, f"{webhook.url} nonsense://{PASSWORD}")
    with caplog.at_level(logging.DEBUG):
        unknown, undelivered = english(
            send(NotifySettings(), [failed("nightly", Text("原因", "a reason"))])
        )
    assert undelivered.startswith(f"entry 1 of {URLS} (JSON): “jzedu: nightly")
    assert "was not delivered" in undelivered
    assert unknown == f"entry 2 of {URLS} is no address that apprise knows"
    out, err = capfd.readouterr()
    assert PASSWORD not in "".join((unknown, undelivered, caplog.text, out, err))


def test_settings_name_occasions_and_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JZEDU_NOTIFY", "not a table")
    file = tmp_path / "settings.toml"
    file.write_text('[notify]\non = ["failure"]\nblocks = ["slack-webhook/office"]\n', "utf-8")
    notify = load_settings(tmp_path).notify
    assert (notify.on, notify.blocks) == (("failure",), ("slack-webhook/office",))
    file.write_text('[notify]\non = ["sometimes"]\n', "utf-8")
    with pytest.raises(SettingsError, match="notify"):
        load_settings(tmp_path)


def test_a_reminder_goes_to_the_contact_of_its_unit_and_the_digest_to_the_office(
    home: Home,
    mailbox: tuple[str, queue.Queue[EmailMessage]],
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, taken = mailbox
    monkeypatch.setenv(URLS, f"{address} {webhook.url}")
    (home.root / "reference").mkdir()
    (home.root / "reference" / "regions.csv").write_text(
        "region_code,region_name,aliases,level,parent_code,kind,contact\n"
        "990000,市,,city,,市,\n"
        "990001,甲县,,reporting_unit,990000,县,教育局统计科 jia@jz.example 0416-1\n"
        "990002,乙县,,reporting_unit,990000,县,0416-2\n",
        "utf-8",
    )
    day = date(2021, 11, 2)
    sent, problems = remind(home.settings, day)
    assert (len(sent), problems) == (2, [])
    mails = [taken.get_nowait() for _ in range(taken.qsize())]
    assert [mail["To"] for mail in mails] == [
        "jia@jz.example",
        # Without an address it goes to whom the channel names, who know the telephone.
        "office@jz.example",
        "office@jz.example",
    ]
    said = [body.get_content() for mail in mails if (body := mail.get_body(("plain",)))]
    assert "甲县" in said[0] and "0416-2" in said[1]
    assert "甲县" in said[2] and "乙县" in said[2]
    assert webhook.posted.qsize() == 3
    # The same is never sent twice, and of nothing there is no digest.
    assert remind(home.settings, day) == ([], [])
    assert taken.empty() and webhook.posted.qsize() == 3
    # What could not be delivered is sent by the next night.
    monkeypatch.setenv(URLS, "json://127.0.0.1:9/none")
    home.sheet("990001", "population", 2021, [{"age": 3, "population": 100}])
    home.night()
    assert remind(home.settings, day)[1] != []
    monkeypatch.setenv(URLS, address)
    (again,), problems = remind(home.settings, day)
    assert (again.region_name, problems) == ("甲县", [])
    assert [taken.get_nowait()["To"] for _ in range(2)] == ["jia@jz.example", "office@jz.example"]
    # What came back goes to its unit with the answer, and to nobody else.
    home.sheet("990001", "salary", 2021, [{"teachers": "不详"}], received="2022-03-01 00:00:00")
    home.night()
    answers = {file.name for file in (home.settings.outbox / "990001").rglob("*.退回.xlsx")}
    assert len(answers) == 1
    assert remind(home.settings, date(2022, 3, 30))[1] == []
    mails = [taken.get_nowait() for _ in range(taken.qsize())]
    sent_with = {
        mail["To"]: {part.get_filename() for part in mail.iter_attachments()} for mail in mails
    }
    assert sent_with == {"jia@jz.example": answers, "office@jz.example": set()}
