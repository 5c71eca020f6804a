"""One writer at a time: a lock on JZEDU_HOME that ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def only_writer(home: Path, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of ``home``; wait for another run to end, after saying so once.

    The kernel releases the lock when its holder ends, however it ends, so that a killed run never
    blocks the next one. ``on_wait`` gets a sentence that names the run that holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip() or "unknown"
            on_wait(f"another run (process {holder}) is writing to {home}; waiting for it to end")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
