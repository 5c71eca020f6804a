"""Ctrl-C: heard at once, and known again in what libraries make of it.

Polars takes SIGINT over while it computes, and gives it back so that the system goes on with the wait that
the signal interrupts. The main thread waits for others most of a night: it would hear of Ctrl-C when the wait
is over, which may be minutes. So each SIGINT is followed by another signal that Polars knows nothing of.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: The system does nothing by itself when it comes, and hardly anybody uses it.
_NUDGE = signal.SIGURG
#: After so many seconds it is sent again.
_AGAIN = 0.05


@contextmanager
def heard_at_once() -> Iterator[None]:
    """Have Ctrl-C end whatever the main thread waits for in the block; to be called in that thread."""
    main, nudged = threading.get_ident(), threading.Event()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def watch() -> None:
        while numbers := os.read(reading, 64):
            if signal.SIGINT in numbers:
                nudged.clear()
                while not nudged.is_set():  # it may come in the moment before the wait begins
                    signal.pthread_kill(main, _NUDGE)
                    nudged.wait(_AGAIN)

    # A handler of Python's: a wait that it interrupts is not gone on with before Python has looked what came.
    before = signal.signal(_NUDGE, lambda *_: nudged.set())
    # All signals that Python has a handler for are told there, whichever thread they came to.
    told = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    watching = threading.Thread(target=watch, name="interrupts", daemon=True)
    watching.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(told)
        os.close(writing)
        watching.join()
        os.close(reading)
        signal.signal(_NUDGE, before)


def is_interrupt(error: BaseException) -> bool:
    """Return whether ``error`` is what a library makes of Ctrl-C, as DuckDB does of one that comes in a query."""
    return isinstance(error.__cause__, KeyboardInterrupt)
