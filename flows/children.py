"""What a run has started ends with it, even where the run is killed.

Prefect's temporary server and the writers of return sheets are processes of their own; a run that is
killed cannot end them, and they would stay for good. A small process waits for the end of the run
and ends what bears its mark, an environment variable that is handed down from process to process.

It runs this file by itself, so that nothing of ours is imported here.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

_MARK = "JZEDU_STARTED_BY"
#: So many seconds a killed process has to be gone.
_PATIENCE = 10


@contextmanager
def guarded() -> Iterator[str]:
    """Have the processes that are started in the block end with this one, should it be killed in it.

    Gives their mark, by which :func:`end_marked` knows them, should the guard be killed too.
    """
    mark = uuid4().hex
    os.environ[_MARK] = mark
    # A session of its own: what ends the whole group of the run leaves the guard to do its work.
    with subprocess.Popen(
        [sys.executable, "-I", __file__, mark], stdin=subprocess.PIPE, start_new_session=True
    ) as guard:
        try:
            yield mark
        finally:
            guard.kill()
            del os.environ[_MARK]


def end_marked(mark: str) -> int:
    """End every process that bears ``mark``, but this one; give how many there were.

    They are gone when this returns, and what they held, such as a port, is free.
    """
    marked = f"{_MARK}={mark}".encode()
    ended: list[int] = []
    for process in Path("/proc").glob("[0-9]*"):
        # Other people's processes cannot be read, and any may have ended meanwhile.
        with suppress(OSError):
            if int(process.name) != os.getpid() and marked in (
                (process / "environ").read_bytes().split(b"\0")
            ):
                ended.append(os.pidfd_open(int(process.name)))
                os.kill(int(process.name), signal.SIGKILL)
    for descriptor in ended:
        select.select([descriptor], [], [], _PATIENCE)
        os.close(descriptor)
    return len(ended)


def _watch(mark: str) -> None:
    """Wait for the other end of standard input to close, then end what bears ``mark``."""
    sys.stdin.read()
    end_marked(mark)


if __name__ == "__main__":
    _watch(sys.argv[1])
