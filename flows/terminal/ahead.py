"""What a night needs and takes seconds to start, started before it is known whether there is anything to do.

To look for that takes a second itself, most of it imports, on one processor. Where something in the inbox has
changed since the last run, there most likely is: Great Expectations and a temporary Prefect server then
start beside the look. A guess that turns out wrong costs their start, and nothing else.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from expectations.engine import Engine
from flows.environment import LOCK, home_of

if TYPE_CHECKING:
    from flows.service.temporary import TemporaryServer

#: So many seconds may be spent on guessing: it is to save time, and an inbox may lie on a share that hangs.
_PATIENCE = 0.5


@dataclass
class Ahead:
    """What was started ahead, as far as it was."""

    engine: Engine | None = None
    server: TemporaryServer | None = None

    def drop(self) -> None:
        """End what was started: nobody needs it."""
        if self.engine is not None:
            self.engine.close()
        if self.server is not None:
            self.server.close()
        self.engine = self.server = None


@contextmanager
def started_ahead(home: Path | None) -> Iterator[Ahead]:
    """Yield what a night in ``home`` needs, started where it likely will; the engine ends with the block."""
    ahead = Ahead()
    # Whatever cannot be done here is tried again where it is needed, and told there.
    with suppress(OSError):
        place = home_of(home)
        if has_likely_news(place):
            ahead.engine = Engine()
            ahead.server = _server_of(place)
    try:
        yield ahead
    finally:
        if ahead.engine is not None:
            ahead.engine.close()


def _server_of(home: Path) -> TemporaryServer | None:
    from flows.permissions import keep_private
    from flows.service.temporary import server_of

    keep_private()
    return server_of(home)


def has_likely_news(home: Path) -> bool:
    """Return whether something in the inbox has changed since the lock of ``home`` was last taken.

    Where that is not found out at once, it is taken for no.
    """
    found = threading.Event()

    def look() -> None:
        with suppress(OSError):
            if _has_changed(home / "inbox", _last_taken(home)):
                found.set()

    looking = threading.Thread(target=look, name="ahead", daemon=True)
    looking.start()
    looking.join(_PATIENCE)
    return found.is_set()


def _last_taken(home: Path) -> float:
    lock = home / LOCK
    return lock.stat().st_mtime if lock.exists() else 0.0


def _has_changed(inbox: Path, since: float) -> bool:
    folders = [inbox]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                # Not the time of its content, which a copy keeps.
                elif entry.stat(follow_symlinks=False).st_ctime > since:
                    return True
    return False
