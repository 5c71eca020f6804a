"""Running a flow from the terminal: Prefect quietly, its failures as one sentence."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from expectations.engine import Engine
from flows import steps
from flows.after.hooks import patience, quiet_night
from flows.children import guarded
from flows.language import Words, said_by, told
from flows.loading import Loading
from flows.lock import only_writer
from flows.permissions import keep_private
from flows.profile import profiled
from flows.progress import Steps
from flows.run import (
    AT_TERMINAL,
    FORK_SERVER_AHEAD,
    OPENED_AHEAD,
    STARTED_AHEAD,
    TO_TRY,
    Opened,
    Run,
    StepFailed,
)
from flows.service.state import API
from flows.service.temporary import (
    TemporaryServer,
    TemporaryServerFailed,
    is_named,
    prefect_home,
    server_of,
)
from flows.settings import Settings, load_settings
from flows.step_errors import TOLD, cause_of
from flows.terminal.ahead import Ahead
from flows.terminal.console import standard_output
from flows.terminal.scorecard import say_made_up, show_changes, show_scorecard
from transforms.definitions import DefinitionError
from transforms.importing import no_collecting
from transforms.texts import Text
from warehouse.ledger.store import Scope
from warehouse.publication.release import DATABASE
from warehouse.workers.pool import ForkServer

_WORDS = Words(
    damaged=("损坏：{what}", "damaged: {what}"),
    waiting=("  留到下一夜：{file}", "  left for the next night: {file}"),
    starting=("[dim]正在启动 Prefect……[/]", "[dim]starting Prefect …[/]"),
    nothing_to_change=(
        "还没有发布，谈不上变化。",
        "There is no publication yet that could change.",
    ),
    read_again=(
        "重新读取文件 {count} 个；什么也没有改。",
        "{count} files read again; nothing was changed.",
    ),
    definitions_wrong=("{count} 条定义有误", "{count} definitions are wrong"),
    nothing_published=(
        "什么也没有发布；仍以上次发布为准。",
        "Nothing was published; the last publication stands.",
    ),
    published_here=(
        "本机已经发布；存储桶里仍是上次的。",
        "In the home it is published; the bucket has the publication before it.",
    ),
    cause=("{reason}。{remedy}", "{reason}. {remedy}"),
    no_server=(
        "Prefect 的临时服务没有启动：{error}。可能是机器太忙，或 {place} 不可写：请再运行；"
        "下一夜会接收所有新的报送。",
        "Prefect's temporary server did not start: {error}. The machine may be too busy, or {place}"
        " not to be written: run again; the next night takes up everything that is new.",
    ),
    stopped=(
        "已停止。什么也没有发布；再运行即接着做。",
        "Stopped. Nothing was published; run again to go on.",
    ),
    server_lost=(
        "{place} Prefect 服务没有应答（{error}）。请启动它，或取消 {name}，再运行：下次运行接着做。",
        "Prefect's server at {name}, {place}, does not answer ({error}). Start it, or unset {name}, then"
        " run again: the next run takes up what this one left.",
    ),
    own_server_lost=(
        "Prefect 服务没有应答（{error}）。请再运行：下次运行接着做。",
        "Prefect's server does not answer ({error}). Run again: the next run takes up what this one left.",
    ),
    look=("  注意：{sentence}", "  look: {sentence}"),
    new=("新文件 {count} 个", "{count} new files"),
    again=("重新读取文件 {count} 个", "{count} files read again"),
    taken=(
        "{files}，报送 {submissions} 份：接收 {accepted} 份，退回 {returned} 份{sheets}",
        "{files}, {submissions} submissions: {accepted} accepted, {returned} returned{sheets}",
    ),
    sheets=("（反馈表在 {place}）", " (return sheets in {place})"),
    publication=("发布：{place}", "Publication: {place}"),
    nothing_new=(
        "没有新的报送；仍以上次发布为准。",
        "Nothing new; the last publication stands.",
    ),
)


def run_nightly(
    home: Path | None,
    accept_shrink: bool = False,
    profile: bool = False,
    ahead: Ahead | None = None,
) -> None:
    """Run the nightly flow, show the scorecard, and end the process with its exit code.

    What was started ``ahead`` is used.

    Where no Prefect server is named there is nowhere to record that nothing happened: a night without
    news then ends before Prefect is imported and a temporary server started for it.
    """
    ahead = ahead or Ahead()
    settings = _at_terminal(home)
    console = Console(stderr=True)
    shown = Steps(console)
    looked_at = profiled(console) if profile else nullcontext()
    with _answered(console), looked_at, _opened(settings, shown) as opened:
        if not opened.has_news:
            ahead.drop()
        if opened.has_news:
            shown.done("pull", opened.seconds)
            night = _with_news(settings, opened, shown, accept_shrink, ahead)
        elif is_named():
            OPENED_AHEAD.set(opened)
            night = _nightly(accept_shrink)
        else:
            damaged = (_WORDS("damaged", what=told(said)) for said in opened.run.damaged)
            for sentence in (*damaged, *map(told, quiet_night(settings, opened.pulled))):
                shown.say(f"  {sentence}")
            _say_nothing_new(settings)
            return
    _say(night, settings)
    _leave(0)


def _with_news(
    settings: Settings, opened: Opened, shown: Steps, accept_shrink: bool, ahead: Ahead
) -> dict[str, Any]:
    """Run the flow over what is new; all that takes long to start starts beside each other."""
    with guarded():
        server = ahead.server or server_of(settings.home)
        with ahead.engine or Engine() as engine, ForkServer() as fork_server:
            engine.patience = settings.suite_seconds
            FORK_SERVER_AHEAD.set(fork_server)
            STARTED_AHEAD.set(engine)
            with Loading(opened.run, opened.receipts, shown) as loading:
                OPENED_AHEAD.set(replace(opened, load=loading.result))
                return _nightly(accept_shrink, server)


def _nightly(accept_shrink: bool, server: TemporaryServer | None = None) -> dict[str, Any]:
    with no_collecting():
        from flows.nightly import nightly

    if server is not None:
        server.wait()
    with _no_heartbeat():
        night: dict[str, Any] = nightly(accept_shrink)
    return night


def _no_heartbeat() -> AbstractContextManager[object]:
    """Return a block in which a flow sends no heartbeats, unless somebody has set how often.

    It ends up to a second earlier: the thread that sends them is waited for. A service and a worker know
    when their runs end; at a terminal a person does.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    return temporary_settings(set_defaults={PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})


@contextmanager
def _opened(settings: Settings, shown: Steps) -> Iterator[Opened]:
    """Yield the run with its lock held, once what is new is in the archive."""
    waiting = patience(settings)
    lock = only_writer(settings.home, shown.say, waiting, "jzedu nightly")
    with lock, Run.open(settings, shown.say, waiting) as run:
        found = steps.look(run)
        for file in found.pulled.waiting:
            shown.say(_WORDS("waiting", file=told(file)))
        yield found


def run_backfill(
    home: Path | None,
    scope: Scope,
    *,
    dry_run: bool,
    plan: Path | None,
    instead: Mapping[str, Path],
    accept_shrink: bool,
) -> None:
    """Run the backfill flow, show what changed, and end the process with its exit code."""
    settings = _at_terminal(home)
    console = Console(stderr=True)
    with _answered(console), guarded(), ExitStack() as stack:
        server = server_of(settings.home)
        STARTED_AHEAD.set(stack.enter_context(Engine(settings.suite_seconds)))
        FORK_SERVER_AHEAD.set(stack.enter_context(ForkServer()))
        console.print(_WORDS("starting"))
        with no_collecting():
            from flows.nightly import backfill

        if server is not None:
            server.wait()
        TO_TRY.set(instead)
        with _no_heartbeat():
            night: Any = backfill(
                list(scope.years),
                list(scope.regions),
                list(scope.forms),
                dry_run=dry_run,
                plan=str(plan) if plan else None,
                accept_shrink=accept_shrink,
            )
    if dry_run:
        if (settings.published / DATABASE).exists():
            show_changes(standard_output(120), night["changes"])
        else:
            standard_output(120).print(_WORDS("nothing_to_change"))
        standard_output(120).print(_WORDS("read_again", count=night["new"]), highlight=False)
    else:
        _say(night, settings, "again")
    _leave(0)


def _at_terminal(home: Path | None) -> Settings:
    """Return the settings of ``home``, which is the home of the run that follows."""
    settings = load_settings(home)
    keep_private()
    AT_TERMINAL.set(True)
    os.environ["JZEDU_HOME"] = str(settings.home)
    return settings


@contextmanager
def _answered(console: Console) -> Iterator[None]:
    """Turn what stops a run into a sentence and exit code 1."""
    try:
        yield
    except StepFailed as error:
        behind = error.__cause__
        if isinstance(behind, DefinitionError) and len(behind.problems) > 1:
            for problem in behind.problems:
                console.print(f"  {told(problem)}", highlight=False, markup=False, soft_wrap=True)
            count = len(behind.problems)
            wrong = Text(*(t.format(count=count) for t in _WORDS.pair("definitions_wrong")))
            error = StepFailed(error.step, wrong, error.remedy)
        _complain(console, told(error.text))
        console.print(_WORDS("published_here" if error.published else "nothing_published"))
        _leave(1)
    except TOLD as error:
        cause = cause_of(error)
        _complain(console, _WORDS("cause", reason=told(cause.reason), remedy=told(cause.remedy)))
        console.print(_WORDS("nothing_published"))
        _leave(1)
    except TemporaryServerFailed as error:
        _complain(console, _WORDS("no_server", error=said_by(error), place=prefect_home()))
        console.print(_WORDS("nothing_published"))
        _leave(1)
    except RuntimeError as error:
        if "reach API" not in str(error):
            raise
        _say_server_lost(console, error)
        _leave(1)
    except Exception as error:
        # Imported with Prefect, and not before.
        httpx = sys.modules.get("httpx")
        if httpx is None or not isinstance(error, httpx.HTTPError):
            raise
        _say_server_lost(console, error)
        _leave(1)
    except KeyboardInterrupt:
        console.print(_WORDS("stopped"))
        _leave(1)


def _say_server_lost(console: Console, error: Exception) -> None:
    named = os.environ.get(API)
    what = str(error).strip() or type(error).__name__
    said = "server_lost" if named else "own_server_lost"
    _complain(console, _WORDS(said, place=named, name=API, error=what))


def _complain(console: Console, sentence: str) -> None:
    """Say what stops the run."""
    console.print("[red]jzedu:[/]", end=" ")
    console.print(sentence, highlight=False, markup=False)


def _say(night: dict[str, Any], settings: Settings, files: str = "new") -> None:
    out = standard_output(120)
    for sentence in (*night["smaller"], *night["leaps"], *night["lapsed"]):
        out.print(_WORDS("look", sentence=sentence), highlight=False, markup=False)
    if night["publication_id"] is None:
        _say_nothing_new(settings)
        return
    show_scorecard(standard_output(150), settings.published / DATABASE)
    out.print(
        _WORDS(
            "taken",
            files=_WORDS(files, count=night["new"]),
            submissions=night["submissions"],
            accepted=night["accepted"],
            returned=night["returned"],
            sheets=_WORDS("sheets", place=settings.outbox) if night["return_sheets"] else "",
        ),
        highlight=False,
    )
    place = settings.published / DATABASE
    out.print(_WORDS("publication", place=place), highlight=False, soft_wrap=True)
    say_made_up(out, settings.published / DATABASE)


def _say_nothing_new(settings: Settings) -> None:
    out = standard_output(120)
    out.print(_WORDS("nothing_new"))
    place = settings.published / DATABASE
    out.print(_WORDS("publication", place=place), highlight=False, soft_wrap=True)
    say_made_up(out, settings.published / DATABASE)


def _leave(code: int) -> NoReturn:
    """End the process once all is written.

    Prefect's temporary server is stopped in exit handlers that can print a CancelledError of its
    event recorder after a run that went well; what has been said is said, so logging is closed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    logging.disable(logging.CRITICAL)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    sys.exit(code)
