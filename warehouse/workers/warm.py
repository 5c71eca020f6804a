"""Processes that have imported what they need, from which those of runs are forked.

A service that waits for its next run has the time to import what takes each run a second or more: it keeps a
process warm for each kind (:class:`Warm`) and names its socket in the environment. A run that finds none starts a
process of its own. What is forked is the same as what is started, and ends in the same way.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any, BinaryIO, NoReturn

from warehouse.scratch import scratch

#: Seconds within which one that is there answers.
_PATIENCE = 10


@dataclass(frozen=True)
class Warm:
    """A kind of process: what it imports, and what each one does that is forked from it.

    ``place`` is the environment variable of a run with the socket that forks are asked for at; ``prepare`` and
    ``work`` are functions, named with their modules; ``environment`` is set for the process beside what is there.
    """

    place: str
    prepare: str
    work: str
    environment: Mapping[str, str]


class ForkedChild:
    """A forked process as its run sees it, which is as one that it had started (:class:`subprocess.Popen`).

    ``stdin`` and ``stdout`` are pipes to and from it, where it was forked with them.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._code: int | None = None
        self.stdin: IO[str] | None = None
        self.stdout: IO[str] | None = None
        self.pid = int(self._line())
        self._handle = os.pidfd_open(self.pid)

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
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Return how it has ended, once it has: its exit code, or the signal as a negative number.

        Raises:
            subprocess.TimeoutExpired: it goes on after ``timeout`` seconds.
        """
        if self._code is None:
            self._channel.settimeout(timeout)
            try:
                self._code = int(self._line())
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0) from None
            except OSError:  # its keeper was ended together with it
                self._code = -signal.SIGKILL
        return self._code

    def communicate(self) -> None:
        """Wait for its end, and close what led to it."""
        with suppress(OSError):
            if self.stdin is not None:
                self.stdin.close()
        self.wait()
        if self.stdout is not None:
            self.stdout.close()
        self._channel.close()
        os.close(self._handle)


def forked_child(warm: Warm, stdin: int, stdout: int, stderr: int) -> ForkedChild | None:
    """Return a process forked from a ``warm`` one, with these descriptors; None where there is none."""
    place = os.environ.get(warm.place)
    if not place:
        return None
    channel = socket.socket(socket.AF_UNIX)
    channel.settimeout(_PATIENCE)
    try:
        channel.connect(place)
        socket.send_fds(channel, [b"1"], [stdin, stdout, stderr])
        return ForkedChild(channel)
    except (OSError, ValueError):  # it was ended, or stands still: the run goes on without it
        channel.close()
        return None


def forked_with_pipes(warm: Warm, stderr: BinaryIO) -> ForkedChild | None:
    """Return the same with pipes to its input and from its output; its errors go to ``stderr``."""
    orders, written = os.pipe()
    heard, answers = os.pipe()
    child = forked_child(warm, orders, answers, stderr.fileno())
    os.close(orders)
    os.close(answers)
    if child is None:
        os.close(written)
        os.close(heard)
        return None
    child.stdin = os.fdopen(written, "w", encoding="utf-8")
    child.stdout = os.fdopen(heard, encoding="utf-8")
    return child


@contextmanager
def kept_warm(warm: Warm) -> Iterator[None]:
    """Keep a process of this kind within the block, for all runs that inherit this environment."""
    # Of a socket the system takes short names only.
    with scratch("warm") as folder:
        place = folder / "socket"
        process = subprocess.Popen(
            # Not the folder it is started in, only what is installed.
            [sys.executable, "-P", "-m", __name__, warm.prepare, warm.work, str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **warm.environment},
        )
        os.environ[warm.place] = str(place)
        try:
            yield
        finally:
            del os.environ[warm.place]
            process.kill()
            process.communicate()


def end_with_the_run() -> None:
    """End this process when the other end of its pipe closes, whatever it is doing.

    A run that is killed cannot end its child; one that went on would hold a database that the next
    run has to open.
    """
    pipe = select.poll()
    pipe.register(sys.stdin.fileno(), 0)  # that the other end closed is told without being asked
    pipe.poll()
    os._exit(1)


def serve_forks(prepare: Callable[[], None], work: Callable[[], None], place: Path) -> None:
    """Import, then fork a process for each run that asks at ``place``, until nobody keeps this one."""
    threading.Thread(target=end_with_the_run, daemon=True).start()
    prepare()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the keepers are nobody's to wait for
    with socket.socket(socket.AF_UNIX) as asked:
        # It has its name once somebody listens there.
        unnamed = place.with_name("new")
        asked.bind(str(unnamed))
        unnamed.chmod(0o600)
        asked.listen()
        unnamed.rename(place)
        while True:
            channel, _ = asked.accept()
            with channel:
                if _of_this_user(channel) and os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    asked.close()
                    _keep(channel, work)


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


def _named(function: str) -> Any:
    module, _, name = function.rpartition(".")
    return getattr(import_module(module), name)


if __name__ == "__main__":
    serve_forks(_named(sys.argv[1]), _named(sys.argv[2]), Path(sys.argv[3]))
