"""A source that fails and a file that is refused: said, measured, and told to somebody once."""

from __future__ import annotations

import json
import queue
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flows import steps
from flows.after.hooks import quiet_night
from flows.after.metrics import last_sources, metrics_file
from flows.run import Run
from flows.settings import Settings
from flows.sources.model import Pulled
from tests.conftest import Home, MakeHome, english

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[queue.Queue[str]]:
    """What a webhook was told, each message as text."""
    messages: queue.Queue[str] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            messages.put(f"{body['title']}\n{body['message']}")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("JZEDU_NOTIFY_URLS", f"json://127.0.0.1:{server.server_address[1]}/")
        yield messages
        server.shutdown()
        thread.join()


def look(settings: Settings) -> Pulled:
    """What a night without news does about its sources."""
    with Run.open(settings) as run:
        pulled = steps.pull_inbox(run)
    assert quiet_night(settings, pulled) == []
    return pulled


def lines(messages: queue.Queue[str]) -> list[str]:
    """The English lines of the list in the only message; each stands below the Chinese one."""
    text = messages.get_nowait()
    assert messages.empty()
    assert text.partition("\n")[0].startswith("jzedu: ")
    chinese = [line for line in text.splitlines() if line.startswith("- ")]
    found = [line[2:] for line in text.splitlines() if line.startswith("  ")]
    assert len(chinese) == len(found) and chinese != found
    return found


def test_an_inbox_that_is_gone_after_a_first_run_is_told_and_not_made(
    home: Home, told: queue.Queue[str]
) -> None:
    look(home.settings)
    assert home.settings.inbox.is_dir() and told.empty()
    home.settings.inbox.rmdir()
    (sentence,) = english(look(home.settings).failed)
    assert not home.settings.inbox.exists()
    assert lines(told) == [sentence]
    assert f"{home.settings.inbox}: No such file or directory; is it mounted" in sentence
    text = metrics_file(home.root).read_text()
    assert 'jzedu_source_read{source="inbox"} 0.0' in text
    look(home.settings)
    assert told.empty()  # once, until it is back
    home.settings.inbox.mkdir()
    look(home.settings)
    home.settings.inbox.rmdir()
    look(home.settings)
    assert lines(told) == [sentence]


def test_an_inbox_that_is_an_empty_mount_point_is_told(home: Home, told: queue.Queue[str]) -> None:
    home.deliver("210727/班级.csv", b"a")
    home.deliver("210781/班级.csv", b"b")
    look(home.settings)
    shutil.rmtree(home.settings.inbox)
    home.settings.inbox.mkdir()
    for _ in range(2):
        (sentence,) = english(look(home.settings).failed)
        assert "is empty, and held 2 files when it was last looked at: is it mounted?" in sentence
    assert lines(told) == [sentence]
    (home.settings.inbox / "210727").mkdir()  # as the sentence says
    assert look(home.settings).failed == ()


def test_a_restored_archive_finds_its_inbox_made(home: Home, tmp_path: Path) -> None:
    home.deliver("210727/班级.csv", b"a")
    look(home.settings)
    new = Settings(home=tmp_path / "restored")
    shutil.copytree(home.settings.archive, new.archive)
    assert look(new).failed == ()
    assert new.inbox.is_dir()


def test_what_is_refused_is_told_once_and_what_waits_is_not(
    make_home: MakeHome, told: queue.Queue[str], tmp_path: Path
) -> None:
    gone = {"kind": "folder", "name": "share", "path": str(tmp_path / "gone")}
    home = make_home(limits={"taken_bytes": 100}, sources=[gone])
    home.deliver("210727/大\x1b[31m.csv", b"x" * 101)
    with home.deliver("210727/正在写.csv", b"half").open("ab"):
        pulled = look(home.settings)
    assert len(pulled.waiting) == 3
    share, large = lines(told)
    assert share.startswith("share: ") and "is it mounted" in share
    assert large.startswith("210727/大?[31m.csv: is larger than ")
    assert {one.name: (one.read, one.found, one.left) for one in last_sources(home.root)} == {
        "inbox": (True, 2, 2),
        "share": (False, 0, 1),
    }
    look(home.settings)
    assert told.empty()
    home.deliver("210781/大.csv", b"x" * 101)
    look(home.settings)
    assert [line.partition(":")[0] for line in lines(told)] == ["210781/大.csv"]


def test_what_could_not_be_delivered_is_told_again(
    home: Home, told: queue.Queue[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    look(home.settings)
    home.settings.inbox.rmdir()
    with monkeypatch.context() as away:
        away.setenv("JZEDU_NOTIFY_URLS", "json://127.0.0.1:9/")
        with Run.open(home.settings) as run:
            pulled = steps.pull_inbox(run)
        (problem,) = english(quiet_night(home.settings, pulled))
        assert "was not delivered" in problem
    look(home.settings)
    assert len(lines(told)) == 1
