"""A Prefect server for one run, where no other is up: so every run is recorded.

Prefect would start one by itself, once it is imported and a flow begins. Started here it comes up while
Prefect is imported and files are read. It listens on this machine alone, under a login that nobody else
knows, keeps its records where Prefect keeps them (PREFECT_HOME), and ends with this process.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from contextlib import suppress
from pathlib import Path

from flows.permissions import shut
from flows.service.client import healthy
from flows.service.gateway import OwnNames
from flows.service.state import API, CLIENT_LOGIN, SERVER_LOGIN, log_in, new_login, running
from transforms.importing import no_collecting
from transforms.texts import ToldInBoth

#: No pages, and only the services that a run needs; blocks are the business of a server that stays.
_ENVIRONMENT = {
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT_UI_ENABLED": "0",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
}
#: For so many seconds it has to answer, unless Prefect's own setting says otherwise.
_PATIENCE_SETTING, _PATIENCE = "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", 180.0
#: How often it is asked whether it is there (seconds).
_INTERVAL = 0.05
_GRACE = 5  # seconds
_LAST_WORDS = 4096  # bytes


class TemporaryServerFailed(ToldInBoth):
    """The server ended, or did not answer in time; the message says which."""


class TemporaryServer:
    """The server of this process; starts at once and beside us.

    Must be made before Prefect is imported, which reads from the environment where its server is.
    """

    def __init__(self) -> None:
        port = _free_port()
        self._api = f"http://127.0.0.1:{port}/api"
        os.environ[API] = self._api
        os.environ[SERVER_LOGIN] = os.environ[CLIENT_LOGIN] = new_login()
        os.environ["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] = "http://127.0.0.1"
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        self._child = subprocess.Popen(
            [sys.executable, "-m", "flows.service.temporary", str(port)],
            # It ends when this closes, should this process be killed.
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=self._said,
            env={**os.environ, **_ENVIRONMENT},
            # A Ctrl-C at the terminal is for the run; its server has to outlive it to record that.
            process_group=0,
        )
        # Prefect sends its last records in exit handlers of its own; the one that was put there first
        # comes last.
        atexit.register(self.close)

    def wait(self) -> None:
        """Return once the server answers.

        Raises:
            TemporaryServerFailed: it ended, or did not answer in time.
        """
        patience = float(os.environ.get(_PATIENCE_SETTING, _PATIENCE))
        until = time.monotonic() + patience
        while not healthy(self._api):
            if (code := self._child.poll()) is not None:
                said = self._last_words()
                raise TemporaryServerFailed(
                    f"它已结束，代码 {code}{f'：{said}' if said else ''}",
                    f"it ended with code {code}{f': {said}' if said else ''}",
                )
            if time.monotonic() > until:
                raise TemporaryServerFailed(
                    f"它在 {patience:g} 秒内没有应答",
                    f"it gave no answer within {patience:g} seconds",
                )
            time.sleep(_INTERVAL)

    def close(self) -> None:
        """End the server."""
        for name in (API, SERVER_LOGIN, CLIENT_LOGIN):
            os.environ.pop(name, None)
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(_GRACE)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        self._child.communicate()
        self._said.close()

    def _last_words(self) -> str:
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - _LAST_WORDS))
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""


def server_of(home: Path) -> TemporaryServer | None:
    """Have runs in ``home`` recorded by its service, or by a server that is named; else start one.

    Gives the one that was started. It can be commanded by nobody else.
    """
    serving = running(home)
    if serving is not None and healthy(serving.api):
        log_in(home)
    if is_named():
        return None
    _keep_records_private()
    return TemporaryServer()


def prefect_home() -> Path:
    """Return the folder of Prefect's records and settings."""
    return Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")


def is_named() -> bool:
    """Return whether Prefect has been told of a server: by the environment, or by the profile in use."""
    if os.environ.get(API):
        return True
    with suppress(OSError, ValueError, AttributeError):
        known = tomllib.loads((prefect_home() / "profiles.toml").read_text("utf-8"))
        active = os.environ.get("PREFECT_PROFILE") or known.get("active")
        return bool(known["profiles"].get(active, {}).get(API)) if "profiles" in known else False
    return False


def _keep_records_private() -> None:
    """Shut Prefect's database, where a temporary server keeps its records, to other users."""
    for file in prefect_home().glob("*.db*"):
        shut(file)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Be the server, until told to end or until the run has ended, however it did."""
    with no_collecting():
        import uvicorn
        from prefect.server.api.server import create_app

    def watch() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    application = OwnNames(create_app(ephemeral=True, final=True), ())
    uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")


if __name__ == "__main__":
    main()
