"""A night or a backfill over a home that dies, as by kill -9, at the n-th call of a function.

A moment counted in calls is as random as one counted in seconds, and the same every time. With a moment
beyond the end the run ends well and says how many calls it took, and how many until it began to
put the publication in its place.

Unless somebody is named to die the run judges by hand and leaves out the warnings. Else Great Expectations
does both in its process, and what dies is the run or that process.

Each run is a process of its own, forked from one that has imported all of this.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal, cast

from expectations.engine import Engine
from flows import steps
from flows.run import Run, StepFailed
from tests.conftest import ByHand, Home, one_thread_for_duckdb, without_pages
from warehouse.ledger.store import Scope

Kind = Literal["nightly", "backfill"]
Victim = Literal["run", "child"]

ROOT = Path(__file__).parents[2]
_OURS = tuple(str(ROOT / floor) for floor in ("transforms", "warehouse", "expectations", "flows"))
YEARS = (2018, 2019, 2020)


def go(home: Path, kind: Kind, engine: Engine | None) -> None:
    """The steps in the order of :mod:`flows.nightly`, without report pages."""
    settings = Home(home).settings
    with one_thread_for_duckdb(), without_pages(), Run.open(settings) as run:
        run.engine = engine or cast(Engine, ByHand(run.plan, run.catalogue))
        if kind == "backfill":
            steps.reload_deliveries(run, Scope(YEARS), lambda: None)
        else:
            steps.pull_inbox(run)
            receipts = steps.unread(run)
            if not receipts and not steps.must_publish(run):
                return
            steps.load_deliveries(run, receipts, lambda: None)
        (Home.finish if engine is None else steps.finish)(run)


@dataclass(frozen=True)
class Ended:
    """How a run has ended: its exit code, or the signal as a negative number, and what it said."""

    code: int
    stdout: str
    stderr: str


def run_that_dies(home: Path, kind: Kind, moment: int, victim: Victim | None = None) -> Ended:
    """Return how a run ends that dies at the call with this number."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = context.Process(target=_run, args=(out, err, home, kind, moment, victim))
        process.start()
        process.join()
        code = process.exitcode
        assert code is not None
        return Ended(code, out.read_text("utf-8"), err.read_text("utf-8"))


def _run(out: Path, err: Path, home: Path, kind: Kind, last: int, victim: Victim | None) -> None:
    with out.open("w", encoding="utf-8") as stdout, err.open("w", encoding="utf-8") as stderr:
        os.dup2(stdout.fileno(), 1)
        os.dup2(stderr.fileno(), 2)
    calls = releasing = 0
    engine = Engine() if victim else None

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls, releasing
        # DuckDB's own calls are the moments at which something is written.
        ours = event == "call" and frame.f_code.co_filename.startswith(_OURS)
        if ours or event == "c_call":
            calls += 1
            if ours and frame.f_code.co_name == "release":
                releasing = calls
            if calls == last:
                child = engine._child.pid if engine and victim == "child" else None
                with suppress(ProcessLookupError):  # it is done, and gone
                    os.kill(child or os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    try:
        go(home, kind, engine)
    except StepFailed as failed:
        sys.setprofile(None)
        sys.exit(f"{failed}")
    sys.setprofile(None)
    print(calls, releasing, flush=True)
