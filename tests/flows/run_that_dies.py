"""Run a night or a backfill over a home and die, as by kill -9, at the n-th call of a function.

    python run_that_dies.py HOME nightly|backfill N [run|child]

A moment counted in calls is as random as one counted in seconds, and the same every time. With N
beyond the end the run ends well and prints how many calls it took, and how many until it began to
put the publication in its place.

Without the last argument the run judges by hand and leaves out the warnings. With it Great Expectations
does both in its process, and what dies is the run or that process.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import cast

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from expectations.engine import Engine  # noqa: E402
from flows import steps  # noqa: E402
from flows.run import Run, StepFailed  # noqa: E402
from tests.conftest import ByHand, Home, without_pages  # noqa: E402
from warehouse.ledger.store import Scope  # noqa: E402

_OURS = tuple(str(ROOT / floor) for floor in ("transforms", "warehouse", "expectations", "flows"))
YEARS = (2018, 2019, 2020)


def go(home: Path, kind: str, engine: Engine | None) -> None:
    """The steps in the order of :mod:`flows.nightly`, without report pages."""
    settings = Home(home).settings
    with without_pages(), Run.open(settings) as run:
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


def main(home: str, kind: str, last: int, victim: str | None = None) -> None:
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
                os.kill(child or os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    try:
        go(Path(home), kind, engine)
    except StepFailed as failed:
        sys.setprofile(None)
        sys.exit(f"{failed}")
    sys.setprofile(None)
    print(calls, releasing)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
