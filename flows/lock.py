"""One writer at a time, and none while somebody reads the warehouse: a lock on JZEDU_HOME.

The kernel releases it when its holder ends, however it ends, so that a killed run never blocks the
next one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def only_writer(home: Path, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of ``home``; wait for another run to end, after saying so once.

    ``on_wait`` gets a sentence that names the run that holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, fcntl.LOCK_EX, home, on_wait)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def no_writer(home: Path, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Keep runs from writing to ``home`` while the block reads; wait for one, after saying so once.

    Any number may read at a time. Nothing of ``home`` is written: where no run has ever been, there
    is no lock to hold.
    """
    try:
        descriptor = os.open(home / ".lock", os.O_RDONLY)
    except FileNotFoundError:
        yield
        return
    try:
        _take(descriptor, fcntl.LOCK_SH, home, on_wait)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, kind: int, home: Path, on_wait: Callable[[str], None]) -> None:
    if _taken(descriptor, kind):
        return
    # What can be shared is held by readers only.
    if _taken(descriptor, fcntl.LOCK_SH):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        other = "somebody is reading"
    else:
        holder = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip() or "unknown"
        other = f"another run (process {holder}) is writing to"
    on_wait(f"{other} {home}; waiting for it to end")
    fcntl.flock(descriptor, kind)


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
