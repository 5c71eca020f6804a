"""How much of the processor what a run starts may have beside the run itself."""

from __future__ import annotations

import os

#: As :func:`os.nice` counts it; 19 is the most.
_GIVES_WAY, _MOST = 5, 19


def of_what_can_wait() -> int:
    """Return the priority of a process that the run waits for last: it gives way to this one, whatever that has.

    It is what :func:`os.setpriority` takes.
    """
    return min(os.getpriority(os.PRIO_PROCESS, 0) + _GIVES_WAY, _MOST)
