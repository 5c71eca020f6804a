"""A Prefect server, and a `jzedu serve`, that last for a block; with databases of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flows.environment import quiet
from flows.service.client import ask, healthy
from flows.service.state import login_file

ROOT = Path(__file__).parents[1]
JZEDU = [sys.executable, "-m", "flows.terminal.cli"]
#: So many seconds a server may take to answer, and a run to publish.
PATIENCE = 600


def environment(prefect_home: Path, api: str | None = None) -> dict[str, str]:
    """Return the environment of a run: nothing of this terminal's, no telemetry, a server or none."""
    quiet()
    # Where Python may keep nothing of what it compiles, that would be measured with every run.
    left_out = ("PREFECT_API", "PREFECT_HOME", "JZEDU_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    server = {} if api is None else {"PREFECT_API_URL": api}
    return {
        **kept,
        **server,
        "PREFECT_HOME": str(prefect_home),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "140",
    }


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[bytes], log: Path) -> Any:
    """Return what ``condition`` gives once it gives something.

    Raises:
        RuntimeError: the process ended meanwhile, or time ran out.
    """
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        if found := condition():
            return found
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"it did not come true:\n{log.read_text('utf-8', 'replace')[-3000:]}")


@contextmanager
def _running(
    command: list[str], env: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=env, cwd=ROOT, stdout=output, stderr=output, process_group=0
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """Yield the API address of a Prefect server whose database lies in ``folder``."""
    folder.mkdir()
    port, log = free_port(), folder / "server.log"
    address = ["--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-m", "prefect", "server", "start", *address]
    api = f"http://127.0.0.1:{port}/api"
    with _running(command, environment(folder), log) as process:
        wait_for(lambda: healthy(api), process, log)
        yield api


@contextmanager
def dask_cluster(workers: int, folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Yield the address of a Dask scheduler with so many workers of one thread each, and their processes."""
    port, env = free_port(), environment(folder)
    dask = [sys.executable, "-m", "dask"]
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = ["worker", f"tcp://127.0.0.1:{port}", "--nworkers", str(workers), "--nthreads", "1"]
    log = folder / "workers.log"
    with (
        _running([*dask, *scheduler], env, folder / "scheduler.log") as one,
        _running(
            [*dask, *worker, "--no-dashboard", "--local-directory", str(folder)], env, log
        ) as other,
    ):
        wait_for(
            lambda: (
                log.read_text("utf-8", "replace").count("Starting established connection")
                >= workers
            ),
            other,
            log,
        )
        yield f"dask://127.0.0.1:{port}", [one.pid, other.pid]


class Service:
    """A running `jzedu serve`: asked through its API, as its pages do."""

    def __init__(self, process: subprocess.Popen[bytes], home: Path, port: int, log: Path) -> None:
        self.process = process
        self._home, self._port, self._log = home, port, log

    def call(self, path: str, body: object = None) -> Any:
        """Return an answer of the API, asked again while it is busy; a GET where there is no ``body``."""
        login = login_file(self._home).read_text("ascii").strip()
        return ask(f"http://127.0.0.1:{self._port}/api", path, body, login)

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Return what ``condition`` gives once it gives something, while the service lives."""
        return wait_for(condition, self.process, self._log)

    def trigger(self) -> str:
        """Ask for a nightly run; give its id."""
        deployment = self.call("/deployments/name/nightly/nightly")["id"]
        run = self.call(f"/deployments/{deployment}/create_flow_run", {"parameters": {}})
        return str(run["id"])

    def ended(self, run: str) -> str | None:
        """Return the state in which a run has ended; None while it goes on."""
        state = str(self.call(f"/flow_runs/{run}")["state"]["type"])
        return state if state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None


@contextmanager
def serving(home: Path, log: Path) -> Iterator[Service]:
    """Yield a `jzedu serve` of ``home`` that is ready for runs."""
    port = free_port()
    command = [*JZEDU, "serve", "--home", str(home), "--port", str(port)]
    env = environment(home / "prefect")
    with _running([command[0], "-u", *command[1:]], env, log) as process:
        service = Service(process, home, port, log)
        # It says so once the deployments are registered and their runner is about to start.
        service.wait(lambda: "Ctrl-C" in log.read_text("utf-8", "replace"))
        yield service
