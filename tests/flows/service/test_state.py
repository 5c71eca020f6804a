"""The login of a home and of a temporary server, and who is told of it."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.lock import only_writer
from flows.service.state import (
    API,
    CLIENT_LOGIN,
    SERVER_LOGIN,
    Serving,
    announced,
    folder_of,
    last_serving,
    log_in,
    login_file,
    login_of,
    running,
)

URL = "http://127.0.0.1:4200"


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (API, CLIENT_LOGIN, SERVER_LOGIN):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def serving() -> Serving:
    return Serving(os.getpid(), datetime(2026, 11, 28, tzinfo=UTC), URL, "mark")


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_each_home_has_a_login_of_its_own_that_nobody_else_can_read(
    tmp_path: Path, mask: int
) -> None:
    before = os.umask(mask)
    try:
        one, other = login_of(tmp_path / "one"), login_of(tmp_path / "other")
    finally:
        os.umask(before)
    assert one != other and one == login_of(tmp_path / "one")
    user, _, password = one.partition(":")
    assert (user, len(password) >= 32) == ("jzedu", True)
    assert stat.S_IMODE(login_file(tmp_path / "one").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder_of(tmp_path / "one").stat().st_mode) == 0o700


def test_a_login_in_the_environment_wins_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login_of(tmp_path)
    monkeypatch.setenv(SERVER_LOGIN, "office:a password")
    assert login_of(tmp_path) == "office:a password"
    monkeypatch.delenv(SERVER_LOGIN)
    assert login_of(tmp_path) == "office:a password"


def test_other_commands_are_logged_in_while_the_service_lives(tmp_path: Path) -> None:
    folder, login = folder_of(tmp_path), login_of(tmp_path)
    with announced(tmp_path, serving()):
        log_in(tmp_path)
        assert (running(tmp_path), API in os.environ) == (None, False)  # announced, and dead
        with only_writer(folder, pytest.fail):
            assert running(tmp_path) == last_serving(tmp_path) == serving()
            log_in(tmp_path)
    assert (os.environ[API], os.environ[CLIENT_LOGIN]) == (f"{URL}/api", login)
    assert last_serving(tmp_path) is None


def test_a_server_elsewhere_is_not_told_the_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path)
    login_of(tmp_path)
    monkeypatch.setenv(API, "https://elsewhere.example/api")
    with announced(tmp_path, serving()), only_writer(folder, pytest.fail):
        log_in(tmp_path)
    assert CLIENT_LOGIN not in os.environ


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"since": 1}', '{"since": "now"}'])
def test_a_record_that_is_damaged_is_none(tmp_path: Path, text: str) -> None:
    (folder_of(tmp_path) / "serving.json").write_text(text)
    assert last_serving(tmp_path) is None
