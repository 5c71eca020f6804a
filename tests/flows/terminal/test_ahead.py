"""What a night starts before it knows that it is needed: where something is new, and nowhere else."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from pathlib import Path

import pytest

from flows.lock import only_writer
from flows.terminal import ahead
from flows.terminal.ahead import Ahead, has_likely_news, started_ahead
from tests.conftest import Home


class Started:
    """In the place of what takes seconds to start: whether it was started, and ended."""

    def __init__(self) -> None:
        self.ended = False

    def close(self) -> None:
        self.ended = True


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Started]:
    """All that was started ahead."""
    known: list[Started] = []

    def start(*_: object) -> Started:
        known.append(Started())
        return known[-1]

    monkeypatch.setattr(ahead, "Engine", start)
    monkeypatch.setattr(ahead, "_server_of", start)
    return known


def a_night_was(home: Home) -> None:
    """Take the lock, as a night does; nothing that is there by now is new to the next one."""
    with only_writer(home.root, lambda _: None):
        pass
    latest = max(path.stat().st_ctime for path in home.settings.inbox.rglob("*"))
    os.utime(home.root / ".lock", (latest, latest))


def test_before_the_first_night_whatever_lies_in_the_inbox_is_news(home: Home) -> None:
    assert not has_likely_news(home.root)
    home.sheet("210727", "population", 2020, [{"age": 3, "population": 52}])
    assert has_likely_news(home.root)


def test_what_the_last_night_saw_is_none(home: Home) -> None:
    home.sheet("210727", "population", 2020, [{"age": 3, "population": 52}])
    a_night_was(home)
    assert not has_likely_news(home.root)


def test_a_copy_that_keeps_its_old_time_is_news(home: Home, tmp_path: Path) -> None:
    first = home.sheet("210727", "population", 2020, [{"age": 3, "population": 52}])
    a_night_was(home)
    lock = home.root / ".lock"
    # Of the same instant as the copy, on a file system whose clock is coarse.
    os.utime(lock, (lock.stat().st_mtime - 1, lock.stat().st_mtime - 1))
    shutil.copy2(first, first.with_name("again.xlsx"))
    assert has_likely_news(home.root)


def test_an_inbox_that_hangs_costs_no_more_than_the_guess(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone_on = threading.Event()
    monkeypatch.setattr(ahead, "_PATIENCE", 0.01)
    monkeypatch.setattr(ahead, "_has_changed", lambda *_: gone_on.wait())
    try:
        assert not has_likely_news(home.root)
    finally:
        gone_on.set()


def test_with_news_engine_and_server_start_and_the_engine_ends_with_the_block(
    home: Home, begun: list[Started]
) -> None:
    home.sheet("210727", "population", 2020, [{"age": 3, "population": 52}])
    with started_ahead(home.root) as found:
        assert [found.engine, found.server] == begun
        assert len(begun) == 2 and not any(one.ended for one in begun)
    assert begun[0].ended


def test_without_news_nothing_starts(home: Home, begun: list[Started]) -> None:
    with started_ahead(home.root) as found:
        assert (found, begun) == (Ahead(), [])


def test_a_guess_that_was_wrong_ends_what_it_started(home: Home, begun: list[Started]) -> None:
    home.sheet("210727", "population", 2020, [{"age": 3, "population": 52}])
    with started_ahead(home.root) as found:
        found.drop()
        assert found == Ahead()
        assert all(one.ended for one in begun)


def test_a_server_that_was_dropped_is_named_no_more(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else a night without news would look for a server that is gone."""
    from flows.service.temporary import is_named, server_of

    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", "")
    server = server_of(home.root)
    assert server is not None and is_named()
    server.close()
    assert not is_named()


def test_nothing_heavy_is_imported_to_guess() -> None:
    import subprocess

    script = (
        "import sys, pathlib\n"
        "from flows.terminal.ahead import has_likely_news\n"
        "has_likely_news(pathlib.Path('nowhere'))\n"
        "print(sorted({'duckdb', 'polars', 'pydantic', 'prefect'} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
