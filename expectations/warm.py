"""A process that has imported Great Expectations, from which those of runs are forked.

A service that waits for its next run has the time to import what takes each run seconds: it keeps
:func:`serve_forks` going and names its socket in the environment. A run that finds none starts a process
of its own. What is forked is the same as what is started, and ends in the same way.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NoReturn

#: In the environment of a run: the socket that forks are asked for at.
PLACE = "JZEDU_WARM_ENGINE"
#: Seconds within which one that is there answers.
_PATIENCE = 10


class ForkedChild:
    """A forked process as its run sees it, which is as one that it had started (:class:`subprocess.Popen`)."""

    def __init__(self, channel: socket.socket, stdin: int, stdout: int) -> None:
        self._channel = channel
        self._code: int | None = None
        self.pid = int(self._line())
        self._handle = os.pidfd_open(self.pid)
        # Last, so that whoever finds nobody here still has the two to close, and closes them once.
        self.stdin = os.fdopen(stdin, "w", encoding="utf-8")
        self.stdout = os.fdopen(stdout, encoding="utf-8")

    def _line(self) -> bytes:
        """Return what the keeper of the process says next: first its number, then how it has ended."""
        said = b""
        while not said.endswith(b"\n"):
            piece = self._channel.recv(64)
            if not piece:
                raise OSError("nobody keeps the process")
            said += piece
        return said

    def kill(self) -> None:
        """End it, whatever it is doing."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def poll(self) -> int | None:
        """Return how it has ended, None where it goes on."""
        if self._code is None:
            self._channel.setblocking(False)
            with suppress(BlockingIOError):
                self.wait()
            self._channel.setblocking(True)
        return self._code

    def wait(self) -> int:
        """Return how it has ended, once it has: its exit code, or the signal as a negative number."""
        if self._code is None:
            try:
                self._code = int(self._line())
            except BlockingIOError:
                raise
            except OSError:  # its keeper was ended together with it
                self._code = -signal.SIGKILL
        return self._code

    def communicate(self) -> None:
        """Wait for its end, and close what led to it."""
        with suppress(OSError):
            self.stdin.close()
        self._channel.setblocking(True)
        self.wait()
        self.stdout.close()
        self._channel.close()
        os.close(self._handle)


def forked_child(stderr: BinaryIO) -> ForkedChild | None:
    """Return a process forked from the warm one, whose errors go to ``stderr``; None where there is none."""
    place = os.environ.get(PLACE)
    if not place:
        return None
    channel = socket.socket(socket.AF_UNIX)
    channel.settimeout(_PATIENCE)
    pipes: list[int] = []
    try:
        channel.connect(place)
        pipes += [*os.pipe(), *os.pipe()]
        orders, stdin, stdout, answers = pipes
        socket.send_fds(channel, [b"1"], [orders, answers, stderr.fileno()])
        child = ForkedChild(channel, stdin, stdout)
    except (OSError, ValueError):  # it was ended, or stands still: the run goes on without it
        for descriptor in pipes:
            with suppress(OSError):
                os.close(descriptor)
        channel.close()
        return None
    os.close(orders)
    os.close(answers)
    channel.settimeout(None)
    return child


@contextmanager
def warm_engine() -> Iterator[None]:
    """Keep a warm process within the block, for all runs that inherit this environment."""
    # Of a socket the system takes short names only.
    with TemporaryDirectory(prefix="jzedu-engine-") as folder:
        place = Path(folder) / "socket"
        process = subprocess.Popen(
            [sys.executable, "-m", "expectations.warm", str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "GX_ANALYTICS_ENABLED": "false", "PYTHONIOENCODING": "utf-8"},
        )
        os.environ[PLACE] = str(place)
        try:
            yield
        finally:
            del os.environ[PLACE]
            process.kill()
            process.communicate()


def serve_forks(place: Path) -> None:
    """Import, then fork a process for each run that asks at ``place``, until nobody keeps this one."""
    from expectations.engine import answer_orders, end_with_the_run, import_library

    threading.Thread(target=end_with_the_run, daemon=True).start()
    import_library()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the keepers are nobody's to wait for
    with socket.socket(socket.AF_UNIX) as asked:
        asked.bind(str(place))
        place.chmod(0o600)
        asked.listen()
        while True:
            channel, _ = asked.accept()
            with channel:
                if _of_this_user(channel) and os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    asked.close()
                    _keep(channel, answer_orders)


def _of_this_user(channel: socket.socket) -> bool:
    found = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", found)[1] == os.getuid())


def _keep(channel: socket.socket, work: Callable[[], None]) -> NoReturn:
    """Fork the process itself, wait for its end and say how that was. Never returns."""
    code = 1
    try:
        _, (orders, answers, errors), _, _ = socket.recv_fds(channel, 1, 3)
        child = os.fork()
        if child == 0:
            channel.close()
            for descriptor, number in ((orders, 0), (answers, 1), (errors, 2)):
                os.dup2(descriptor, number)
                os.close(descriptor)
            work()
            code = 0
            sys.stdout.flush()
            os._exit(code)
        for descriptor in (orders, answers, errors):
            os.close(descriptor)
        channel.sendall(b"%d\n" % child)
        _, status = os.waitpid(child, 0)
        channel.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
        code = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve_forks(Path(sys.argv[1]))
