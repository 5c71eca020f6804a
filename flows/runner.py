"""Running a flow from the terminal: Prefect quietly, its failures as one sentence."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from flows.settings import load_settings


def run_nightly(home: Path | None) -> None:
    """Run the nightly flow, show the scorecard, and end the process with its exit code."""
    settings = load_settings(home)
    console = Console(stderr=True)
    console.print("[bold]jzedu nightly[/] [dim]starting Prefect …[/]")
    from flows.nightly import nightly
    from flows.scorecard import show_scorecard
    from flows.steps import StepFailed
    from warehouse.publish import DATABASE

    code = 0
    try:
        night: dict[str, Any] = nightly(str(settings.home))
    except StepFailed as error:
        console.print(f"[red]jzedu:[/] {error}", highlight=False)
        console.print("Nothing was published; the last publication stands.")
        code = 1
    except KeyboardInterrupt:
        console.print("Stopped. Nothing was published; run again to go on.")
        code = 1
    else:
        out = Console(width=None if sys.stdout.isatty() else 120)
        for file in night["waiting"]:
            console.print(f"  left for the next night: {file}", highlight=False, markup=False)
        if night["publication_id"] is None:
            out.print("Nothing new; the last publication stands.")
        else:
            show_scorecard(out, settings.published / DATABASE)
            out.print(
                f"{night['new']} new files, {night['submissions']} submissions: "
                f"{night['accepted']} accepted, {night['returned']} returned"
                + (f" (return sheets in {settings.outbox})" if night["return_sheets"] else ""),
                highlight=False,
            )
        out.print(f"Publication: {settings.published / DATABASE}", highlight=False, soft_wrap=True)
    _leave(code)


def _leave(code: int) -> None:
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
