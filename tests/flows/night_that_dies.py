"""Run one night over a home and die, as by kill -9, at the n-th call of a function of ours.

    python night_that_dies.py HOME N

A moment counted in calls is as random as one counted in seconds, and the same every time. With N
beyond the end of the run the night ends well and prints how many calls it took.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from conftest import Home  # noqa: E402

_OURS = tuple(str(ROOT / floor) for floor in ("transforms", "warehouse", "expectations", "flows"))


def main(home: str, last: int) -> None:
    calls = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        # DuckDB's own calls are the moments at which something is written.
        ours = event == "call" and frame.f_code.co_filename.startswith(_OURS)
        if ours or event == "c_call":
            calls += 1
            if calls == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    Home(Path(home)).night()
    sys.setprofile(None)
    print(calls)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
