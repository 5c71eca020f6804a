"""Running a flow from the terminal: Prefect quietly, its failures as one sentence."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from expectations.engine import Engine
from flows import steps
from flows.causes import TOLD, cause_of
from flows.guard import guarded
from flows.lock import only_writer
from flows.metrics import LastRun, write_metrics
from flows.scorecard import say_made_up, show_changes, show_scorecard
from flows.settings import Settings, load_settings
from warehouse.publish import DATABASE
from warehouse.store import Scope


def run_nightly(home: Path | None, accept_shrink: bool = False) -> None:
    """Run the nightly flow, show the scorecard, and end the process with its exit code.

    Without a Prefect server there is nowhere to record that nothing happened: a night without
    news then ends before Prefect is imported and a temporary server started for it.
    """
    settings = load_settings(home)
    console = Console(stderr=True)
    with _answered(console):
        news = _news(settings, console)
        if not news and not os.environ.get("PREFECT_API_URL"):
            write_metrics(settings, LastRun(True, datetime.now(UTC)))
            _say_nothing_new(settings)
            return
        with guarded(), Engine() if news else nullcontext() as engine:
            steps.STARTED_AHEAD.set(engine)
            console.print("[dim]starting Prefect …[/]")
            from flows.nightly import nightly

            night: Any = nightly(str(settings.home), accept_shrink)
    _say(night, settings)
    _leave(0)


def run_backfill(
    home: Path | None,
    scope: Scope,
    *,
    dry_run: bool,
    plan: Path | None,
    accept_shrink: bool,
) -> None:
    """Run the backfill flow, show what changed, and end the process with its exit code."""
    settings = load_settings(home)
    console = Console(stderr=True)
    with _answered(console), guarded(), Engine() as engine:
        steps.STARTED_AHEAD.set(engine)
        console.print("[dim]starting Prefect …[/]")
        from flows.nightly import backfill

        night: Any = backfill(
            list(scope.years),
            list(scope.regions),
            list(scope.forms),
            dry_run=dry_run,
            plan=str(plan) if plan else None,
            home=str(settings.home),
            accept_shrink=accept_shrink,
        )
    if dry_run:
        if (settings.published / DATABASE).exists():
            show_changes(_stdout(), night["changes"])
        else:
            _stdout().print("There is no publication yet that could change.")
        _stdout().print(f"{night['new']} files read again; nothing was changed.")
    else:
        _say(night, settings, "files read again")
    _leave(0)


@contextmanager
def _answered(console: Console) -> Iterator[None]:
    """Turn what stops a run into a sentence and exit code 1."""
    try:
        yield
    except steps.StepFailed as error:
        console.print("[red]jzedu:[/]", end=" ")
        console.print(str(error), highlight=False, markup=False)
        console.print("Nothing was published; the last publication stands.")
        _leave(1)
    except TOLD as error:
        cause = cause_of(error)
        console.print("[red]jzedu:[/]", end=" ")
        console.print(f"{cause.reason}. {cause.remedy}", highlight=False, markup=False)
        console.print("Nothing was published; the last publication stands.")
        _leave(1)
    except RuntimeError as error:
        if "ephemeral Prefect API server" in str(error):
            console.print(
                "[red]jzedu:[/] Prefect's temporary server did not start: the machine may be too busy. "
                "Run again; the next night takes up everything that is new."
            )
            console.print("Nothing was published; the last publication stands.")
        elif "reach API" in str(error):
            _say_server_lost(console, error)
        else:
            raise
        _leave(1)
    except Exception as error:
        # Imported with Prefect, and not before.
        httpx = sys.modules.get("httpx")
        if httpx is None or not isinstance(error, httpx.HTTPError):
            raise
        _say_server_lost(console, error)
        _leave(1)
    except KeyboardInterrupt:
        console.print("Stopped. Nothing was published; run again to go on.")
        _leave(1)


def _say_server_lost(console: Console, error: Exception) -> None:
    named = os.environ.get("PREFECT_API_URL")
    where = f" at PREFECT_API_URL, {named}," if named else ""
    way_out = "Start it, or unset PREFECT_API_URL, then run again" if named else "Run again"
    console.print("[red]jzedu:[/]", end=" ")
    console.print(
        f"Prefect's server{where} does not answer ({str(error).strip() or type(error).__name__}). {way_out}: the next run takes"
        " up what this one left.",
        highlight=False,
        markup=False,
    )


def _news(settings: Settings, console: Console) -> bool:
    """Whether a night would have anything to do; archives what is new on the way."""

    def wait(sentence: str) -> None:
        console.print(sentence, highlight=False)

    with only_writer(settings.home, wait), steps.Run.open(settings) as run:
        for file in steps.pull_inbox(run).waiting:
            console.print(f"  left for the next night: {file}", highlight=False, markup=False)
        news = bool(steps.unread(run)) or steps.must_publish(run)
        if not news:  # otherwise the flow says it
            for sentence in run.damaged:
                console.print(f"  damaged: {sentence}", highlight=False, markup=False)
        return news


def _say(night: dict[str, Any], settings: Settings, files: str = "new files") -> None:
    out = _stdout()
    for sentence in (*night["smaller"], *night["leaps"], *night["lapsed"]):
        out.print(f"  look: {sentence}", highlight=False, markup=False)
    if night["publication_id"] is None:
        _say_nothing_new(settings)
        return
    show_scorecard(out, settings.published / DATABASE)
    out.print(
        f"{night['new']} {files}, {night['submissions']} submissions: "
        f"{night['accepted']} accepted, {night['returned']} returned"
        + (f" (return sheets in {settings.outbox})" if night["return_sheets"] else ""),
        highlight=False,
    )
    out.print(f"Publication: {settings.published / DATABASE}", highlight=False, soft_wrap=True)
    say_made_up(out, settings.published / DATABASE)


def _say_nothing_new(settings: Settings) -> None:
    out = _stdout()
    out.print("Nothing new; the last publication stands.")
    out.print(f"Publication: {settings.published / DATABASE}", highlight=False, soft_wrap=True)
    say_made_up(out, settings.published / DATABASE)


def _stdout() -> Console:
    return Console(width=None if sys.stdout.isatty() else 120)


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
