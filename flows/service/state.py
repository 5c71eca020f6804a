"""What a running `jzedu serve` leaves in its home for the other commands, and for a next start.

    prefect/login          user:password of the Prefect server, one line; made once for each home
    prefect/.lock          held by the service as long as it lives
    prefect/serving.json   where its server listens, since when, and the mark of what it has started

All are of mode 0600, in a folder of mode 0700: whoever can read the login can start runs.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from flows.lock import holder
from flows.permissions import private_folder

SERVER_LOGIN = "PREFECT_SERVER_API_AUTH_STRING"
CLIENT_LOGIN = "PREFECT_API_AUTH_STRING"
API = "PREFECT_API_URL"


@dataclass(frozen=True)
class Serving:
    """A service: its process, since when, the address of its server, and the mark of its children."""

    process: int
    since: datetime
    url: str
    mark: str

    @property
    def api(self) -> str:
        """The address of the Prefect API."""
        return f"{self.url}/api"


def folder_of(home: Path) -> Path:
    """Return where the service of ``home`` keeps what is its own; made, for its user alone."""
    return private_folder(home / "prefect")


def login_file(home: Path) -> Path:
    """Return the file that holds the login of the Prefect server of ``home``."""
    return home / "prefect" / "login"


def login_of(home: Path) -> str:
    """Return the login of ``home``, user:password; made at random where there is none yet.

    One that stands in the environment wins, and is kept, so that the other commands know it.
    """
    folder_of(home)
    file = login_file(home)
    given = os.environ.get(SERVER_LOGIN)
    known = read_login(home)
    if given in (None, known) and known:
        return known
    login = given or new_login()
    _write(file, login + "\n")
    return login


def new_login() -> str:
    """Return a login at random, user:password."""
    return f"jzedu:{secrets.token_urlsafe(24)}"


def read_login(home: Path) -> str | None:
    """Return the login of ``home``; None where there is none, or it is not for this user to read."""
    try:
        return login_file(home).read_text("utf-8").strip() or None
    except OSError:
        return None


@contextmanager
def announced(home: Path, serving: Serving) -> Iterator[None]:
    """Say in ``home`` that ``serving`` serves it, while the block runs."""
    file = _record(home)
    _write(file, json.dumps({**asdict(serving), "since": serving.since.isoformat()}) + "\n")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def last_serving(home: Path) -> Serving | None:
    """Return the service that serves ``home``, or that ended without taking leave; None if there is none."""
    try:
        entries = json.loads(_record(home).read_text("utf-8"))
        return Serving(**{**entries, "since": datetime.fromisoformat(entries["since"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def running(home: Path) -> Serving | None:
    """Return the service that serves ``home`` at this moment."""
    return last_serving(home) if holder(home / "prefect") is not None else None


def log_in(home: Path) -> None:
    """Let Prefect's clients in this process talk to the service of ``home`` while it is there.

    Must come before Prefect is imported. An address of another server in the environment stands, and
    the login of ``home`` is told to none but its own.
    """
    serving = running(home)
    if serving is None:
        return
    if os.environ.setdefault(API, serving.api).rstrip("/") == serving.api and (
        login := read_login(home)
    ):
        os.environ.setdefault(CLIENT_LOGIN, login)


def _record(home: Path) -> Path:
    return home / "prefect" / "serving.json"


def _write(file: Path, text: str) -> None:
    """Write ``file`` in one step, for its user alone whatever the umask."""
    partial = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.write(text)
        partial.replace(file)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
