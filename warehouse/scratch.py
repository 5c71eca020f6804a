"""Folders that last for a block, and not longer than the process that made them."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch(kind: str) -> Iterator[Path]:
    """Yield a new folder for temporary files of this ``kind``; those that killed processes have left go first.

    Who has one holds a lock on it, which the system takes back however the process ends.
    """
    prefix = f"jzedu-{kind}-"
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError), _held(left):
            shutil.rmtree(left)
    folder, lock = _new(prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _new(prefix: str) -> tuple[Path, int]:
    """Return a new folder, and the descriptor that holds the lock on it.

    Raises:
        OSError: no folder can be made there, or none be locked.
    """
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        # Somebody who clears away may come in between, and take it for one that was left.
        with suppress(FileNotFoundError, BlockingIOError), ExitStack() as opened:
            lock = os.open(folder, os.O_RDONLY)
            opened.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder.stat()
            opened.pop_all()
            return folder, lock


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the lock on ``folder``.

    Raises:
        OSError: somebody holds it, or it is no folder of this user.
    """
    lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)
