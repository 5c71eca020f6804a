"""`jzedu serve`: what a small office needs on one machine, in one command that can be stopped.

It starts the Prefect server with its UI as a child process, waits until it answers, registers the
deployments and carries out their runs (:mod:`flows.service.deployments`), one at a time, each in a
process of its own. The server asks for a login (:mod:`flows.service.state`) and answers under its own
names alone (:mod:`flows.service.gateway`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from expectations.engine import WARM_ENGINE
from flows.children import end_marked, guarded
from flows.environment import quiet
from flows.language import Words, told
from flows.lock import only_writer
from flows.permissions import keep_private, private_folder, shut
from flows.run import definitions_of
from flows.service.client import healthy, next_night
from flows.service.deployments import register, settle
from flows.service.forking import forked_runs
from flows.service.state import (
    API,
    CLIENT_LOGIN,
    SERVER_LOGIN,
    Serving,
    announced,
    folder_of,
    last_serving,
    login_file,
    login_of,
)
from flows.settings import Settings
from transforms.china import ZONE_NAME
from transforms.definitions import DefinitionError
from transforms.texts import Text, ToldInBoth, joined, said_by_system
from warehouse.workers.pool import WARM_WORKERS
from warehouse.workers.warm import kept_warm

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


_WORDS = Words(
    was_killed=(
        "有一个 jzedu serve（进程 {process}）被杀掉了；它留下的 {left} 个进程已结束。",
        "A jzedu serve (process {process}) was killed; its {left} processes are ended.",
    ),
    starting=("正在启动 Prefect 服务……", "Starting the Prefect server …"),
    stopped=("已停止。", "Stopped."),
    next_night=("下一次运行：{night}（{zone}）", "The next night: {night} {zone}"),
    no_night=(
        "注意：没有安排任何一夜；nightly 是不是在页面里暂停了？如果不是，原因可能在 {log} 中。",
        "Warning: no night is planned; is nightly paused in the UI? If not, {log} may say why.",
    ),
    records=("运行及其记录：{url}", "Runs and their records: {url}"),
    password=(
        "浏览器会要口令：就是 {file} 中的那一行",
        "The browser asks for a password: it is the line in {file}",
    ),
    how_to_end=("按 Ctrl-C 结束。", "Ctrl-C ends it."),
    ending=("正在结束……", "Ending …"),
)

#: What a user has not set otherwise: runs and events are deleted after 90 days, so that the database
#: does not grow for ever; pages ask the host they came from, whatever its name is to the browser.
_SERVER_DEFAULTS = {
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_UI_API_URL": "/api",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # Its database is busy for a moment now and then: it waits longer before it answers 503, and
    # who is answered so asks again for a minute or two.
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    # It is of the same installation as its clients.
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
}
#: How often the server is asked for runs (seconds), besides when somebody has started one.
_POLL = 1
#: So many seconds the server has to answer, and to end once it is told to.
_PATIENCE = 300
_GRACE = 20


class ServeError(ToldInBoth):
    """The server cannot be started or has ended; the text says what to do."""


def serve(settings: Settings, host: str, port: int, say: Callable[[str], None]) -> None:
    """Run server and deployments until SIGINT, SIGTERM or SIGHUP; ``say`` gets lines for people.

    The server keeps its database in ``JZEDU_HOME/prefect``, or in PREFECT_HOME where that is set.

    Raises:
        ServeError: the address is taken, the home is served already, the definitions cannot be used, or the
            server ended.
    """
    keep_private()
    folder = folder_of(settings.home)
    database = private_folder(Path(os.environ.get("PREFECT_HOME") or folder))

    def refuse(_: str) -> None:
        raise ServeError(
            f"{settings.home} 已有 jzedu serve 在服务；请先结束那一个",
            f"{settings.home} is being served already; end that jzedu serve first",
        )

    try:
        definitions_of(settings)
    except DefinitionError as error:
        correct = Text("请改正该文件，再启动", "correct that file, then start again")
        raise ServeError(*joined((error.text, correct))) from None
    with only_writer(folder, refuse, doing="jzedu serve"):
        _end_what_was_left(settings, say)
        _must_be_free(host, port)
        url = address(host, port)
        _environment(settings, database, url)
        for file in database.glob("prefect.db*"):
            shut(file)
        with guarded() as mark:
            serving = Serving(os.getpid(), datetime.now(UTC), url, mark)
            with announced(settings.home, serving):
                asyncio.run(_serve(settings, host, port, folder / "server.log", say))


def _end_what_was_left(settings: Settings, say: Callable[[str], None]) -> None:
    """End what a service of this home started that was killed together with its guard.

    Called under the lock: no service lives. A server without one holds the port and starts no run.
    """
    before = last_serving(settings.home)
    if before is not None and (left := end_marked(before.mark)):
        say(_WORDS("was_killed", process=before.process, left=left))


def address(host: str, port: int) -> str:
    """Return the URL under which this machine reaches a server that listens on ``host``."""
    if host in ("0.0.0.0", ""):
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _serve(
    settings: Settings, host: str, port: int, log: Path, say: Callable[[str], None]
) -> None:
    say(_WORDS("starting"))
    stop, asked = asyncio.Event(), asyncio.Event()
    async with _server(host, port, settings.serve.names, log, asked) as child:
        _take_signals(stop)
        url = address(host, port)
        await _first(_answering(child, url, log), stop.wait())
        if not stop.is_set():
            # A service has the time to import, between its runs, what takes each of them seconds.
            with kept_warm(WARM_ENGINE), kept_warm(WARM_WORKERS), forked_runs():
                work = _run_deployments(settings, url, log, (stop, asked), say)
                try:
                    await _first(work, stop.wait(), _ended(child, log))
                except _prefect_errors() as error:
                    raise ServeError(
                        f"Prefect 中止了：{error}；原因可能在 {log} 中",
                        f"Prefect gave up: {error}; {log} may say why",
                    ) from error
    say(_WORDS("stopped"))


async def _announce(api_url: str, log: Path, say: Callable[[str], None]) -> None:
    """Say when the next night is, once the server has planned it; or that it does not."""
    for _ in range(_PATIENCE):
        with contextlib.suppress(OSError):
            if (night := await asyncio.to_thread(next_night, api_url)) is not None:
                local = night.astimezone(ZoneInfo(ZONE_NAME))
                zone = told((ZONE_NAME, f"{local:%Z}"))
                say(_WORDS("next_night", night=f"{local:%Y-%m-%d %H:%M}", zone=zone))
                return
        await asyncio.sleep(1)
    say(_WORDS("no_night", log=log))


async def _ended(child: Process, log: Path) -> None:
    await child.wait()
    raise ServeError(
        f"Prefect 服务自己结束了；原因在 {log} 中",
        f"the Prefect server ended by itself; {log} says why",
    )


@asynccontextmanager
async def _server(
    host: str, port: int, names: Sequence[str], log: Path, asked: asyncio.Event
) -> AsyncIterator[Process]:
    """Yield the Prefect server as a child in a process group of its own, ended with the block.

    A Ctrl-C at the terminal goes to a whole group; the server has to outlive the runs, whose end
    it records. ``asked`` is set when somebody asks it for a run.
    """
    with _set_from_a_pipe(asked) as told, log.open("wb") as output:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flows.service.gateway", host, str(port), str(told), *names),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # The terminal is kept quiet; the log is where to look, and has to say what went wrong.
            env={
                **os.environ,
                "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
                "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
            },
            process_group=0,
            pass_fds=(told,),
        )
        try:
            yield child
        finally:
            if child.returncode is None:
                child.terminate()
                try:
                    await asyncio.wait_for(child.wait(), _GRACE)
                except TimeoutError:
                    child.kill()
                    await child.wait()


@contextlib.contextmanager
def _set_from_a_pipe(event: asyncio.Event) -> Iterator[int]:
    """Yield the end of a pipe; what is written there, by whatever process, sets ``event``."""
    heard, told = os.pipe()
    os.set_blocking(told, False)
    loop = asyncio.get_running_loop()

    def hear() -> None:
        os.read(heard, 4096)
        event.set()

    # This process keeps its other end too, so that it never reads as ended.
    loop.add_reader(heard, hear)
    try:
        yield told
    finally:
        loop.remove_reader(heard)
        os.close(heard)
        os.close(told)


async def _answering(child: Process, url: str, log: Path) -> None:
    """Wait until the server answers.

    Prefect is imported meanwhile: that takes as long as the server takes to start.

    Raises:
        ServeError: it ended, or did not answer in time.
    """
    await asyncio.to_thread(import_module, "prefect.runner")
    for _ in range(_PATIENCE * 5):
        if await asyncio.to_thread(healthy, f"{url}/api"):
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), 0.2)
            raise ServeError(
                f"Prefect 服务没有启动；原因在 {log} 中",
                f"the Prefect server did not start; {log} says why",
            )
    raise ServeError(
        f"Prefect 服务过了 {_PATIENCE} 秒还没有应答；请看 {log}",
        f"the Prefect server does not answer after {_PATIENCE} s; see {log}",
    )


async def _first(*work: Awaitable[object]) -> None:
    """Wait until one of ``work`` ends; end the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def _take_signals(stop: asyncio.Event) -> None:
    """Let the signals that end a service set ``stop``."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)


def _environment(settings: Settings, folder: Path, url: str) -> None:
    """Return what the server, the runner and its runs find in their environment."""
    quiet()
    os.environ["JZEDU_HOME"] = str(settings.home)
    os.environ["PREFECT_HOME"] = str(folder)
    os.environ[API] = f"{url}/api"
    for name, value in _SERVER_DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", url)
    os.environ[SERVER_LOGIN] = os.environ[CLIENT_LOGIN] = login_of(settings.home)
    # Prefect's clients must not go through an office proxy to reach a server of our own.
    for name in ("NO_PROXY", "no_proxy"):
        spared = [os.environ.get(name, ""), url.removeprefix("http://").rpartition(":")[0]]
        os.environ[name] = ",".join(filter(None, spared))


def _must_be_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = said_by_system(error)
            raise ServeError(
                f"{host}:{port} 用不了（{why.zh}）；是不是有别的服务在用？请用 --port 换一个",
                f"{host}:{port} cannot be listened on ({why.en}); is another server "
                "running? Choose another with --port",
            ) from None


async def _run_deployments(
    settings: Settings,
    url: str,
    log: Path,
    events: tuple[asyncio.Event, asyncio.Event],
    say: Callable[[str], None],
) -> None:
    """Register the deployments and carry out their runs, until cancelled.

    A run in progress is then told to end, and recorded as cancelled. Signals set the first of ``events``, and
    who asks for a run the second.
    """
    stop, asked = events
    from prefect.client.orchestration import get_client
    from prefect.runner import Runner

    # One run at a time over both deployments. Schedules stay as they are when we stop: what
    # somebody paused stays paused, and what was due meanwhile is done at the next start.
    runner = Runner(name="jzedu", limit=1, pause_on_shutdown=False, query_seconds=_POLL)
    async with get_client() as client:
        await settle(client, await register(runner, client, settings))
    say(_WORDS("records", url=url))
    say(_WORDS("password", file=login_file(settings.home)))
    say(_WORDS("how_to_end"))
    running = asyncio.ensure_future(runner.start())
    # The runner would answer SIGTERM by leaving at once; from its first step on it is ours again.
    await asyncio.sleep(0)
    _take_signals(stop)
    announcing = asyncio.ensure_future(_announce(f"{url}/api", log, say))
    looking = asyncio.ensure_future(_look_when_asked(runner, asked))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        announcing.cancel()
        looking.cancel()
        say(_WORDS("ending"))
        await runner.cancel_all()
        raise
    finally:
        for task in (running, announcing, looking):
            task.cancel()
        await asyncio.gather(running, announcing, looking, return_exceptions=True)


async def _look_when_asked(runner: Any, asked: asyncio.Event) -> None:
    """Have a runner of Prefect look for runs as soon as somebody has ``asked`` for one.

    By itself it does so every :data:`_POLL` seconds; it knows which runs it has taken up.
    """
    while True:
        await asked.wait()
        asked.clear()
        if runner.started:
            with contextlib.suppress(*_prefect_errors()):
                await runner._get_and_submit_flow_runs()


def _prefect_errors() -> tuple[type[Exception], ...]:
    from httpx import HTTPError
    from prefect.exceptions import PrefectException

    return (HTTPError, PrefectException)
