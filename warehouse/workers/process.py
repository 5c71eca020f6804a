"""The processes that open what strangers hand in: the fork server, and the workers it forks.

``python -m warehouse.workers.process`` is the fork server. It has imported what a worker needs, does nothing
else and runs no other thread of ours, so that a worker costs a fork and not a second of imports.
Its standard input is a socket over which :class:`warehouse.workers.pool.Workers` sends one end of a
channel for every worker it wants. When that socket closes, the run has ended, however it did, and
the fork server ends its workers and goes.

Everything on a channel is a message: its length (eight bytes), then a pickle.
"""

from __future__ import annotations

import ctypes
import io
import os
import pickle
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from copyreg import dispatch_table
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from transforms.forms import (
    FORMS,
    FORMS_IN_USE,
    Form,
    FormSet,
)
from transforms.importing import no_collecting
from warehouse.scratch import scratch

T = TypeVar("T")

LENGTH = 8  # bytes
#: What a worker asks for without waiting for its turn (bytes of memory).
SMALL = 64 * 2**20
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class OrderPart(Generic[T]):
    """A part of an order: one file to read, one sheet to write.

    ``outline`` tells those who wait which part it is, should ``make`` come to no end; ``needs`` is
    the memory that it is expected to take (bytes).
    """

    outline: T
    needs: int
    make: Callable[[], T]


@dataclass(frozen=True)
class Given:
    """An order as it goes to a worker: a pickle, and that of the forms in use."""

    order: bytes
    forms: bytes


@dataclass(frozen=True)
class Begun:
    """A worker begins a part; where it needs much, it waits for a word."""

    outline: Any
    needs: int


@dataclass(frozen=True)
class Made:
    """Parts are done."""

    results: list[Any]


@dataclass(frozen=True)
class Raised:
    """What an order raised; None where all its parts are done."""

    error: Exception | None


def given(order: object) -> Given:
    """Return ``order`` with what whoever carries it out has to know of the forms in use."""
    return Given(packed(order)[LENGTH:], pickled_forms(FORMS_IN_USE.get()))


@lru_cache(maxsize=8)
def pickled_forms(forms: FormSet) -> bytes:
    """Return forms as they go to another process."""
    return pickle.dumps(tuple(forms.values()))


@lru_cache(maxsize=2)
def unpickled_forms(pickled: bytes) -> FormSet:
    """Return the forms that :func:`pickled_forms` gave; the same ones for the same bytes."""
    return FormSet(pickle.loads(pickled))


def packed(message: object) -> bytes:
    """Return a message as it goes over a channel; a form in use goes by its name, because both ends have it."""
    buffer = io.BytesIO(bytes(LENGTH))
    buffer.seek(LENGTH)
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = {
        **dispatch_table,
        Form: lambda form: (_form, (form.name,)),
    }
    pickler.dump(message)
    view = buffer.getbuffer()
    view[:LENGTH] = (len(view) - LENGTH).to_bytes(LENGTH, "little")
    del view
    return buffer.getvalue()


def _form(name: str) -> Form:
    return FORMS[name]


#: The modules whose orders the workers carry out, and those that they take long to import for it. Most
#: stand above this one: named, not imported, so that only the process that serves them has them.
_NEEDED = (
    *("warehouse.ledger.ingest", "warehouse.outbox"),
    *("transforms.formats.ods", "transforms.formats.ooxml", "transforms.formats.xlsb"),
    "transforms.workbooks.return_sheets",
)


def import_needed() -> None:
    """Import what workers need."""
    with no_collecting():
        for name in _NEEDED:
            import_module(name)


def serve() -> None:
    """Serve as the fork server until the run ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run decides what is to end
    import_needed()
    run = socket.socket(fileno=sys.stdin.fileno())
    workers: set[int] = set()
    with scratch("workers") as folder:
        with suppress(ConnectionError):  # the run has ended before it had its answer
            while _fork_for(run, folder, workers):
                pass
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        for worker in workers:  # until it has died it may still write there
            with suppress(ChildProcessError):
                os.waitpid(worker, 0)


def _fork_for(run: socket.socket, folder: Path, workers: set[int]) -> bool:
    """Fork the next worker that the run asks for into ``workers``; False where it has ended."""
    message, channels, _, _ = socket.recv_fds(run, 1, 1)
    if not message:
        return False
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            workers.discard(ended)
    try:
        worker = os.fork()
    except OSError as error:
        os.close(channels[0])
        run.send(str(error.errno).encode())
        return True
    if worker == 0:
        run.close()
        _end_with(os.getppid())
        _work(channels[0], folder)
    workers.add(worker)
    os.close(channels[0])
    handle = os.pidfd_open(worker)
    try:
        socket.send_fds(run, [str(worker).encode()], [handle])
    finally:
        os.close(handle)
    return True


def _end_with(fork_server: int) -> None:
    """End this process with the fork server, whatever it is doing."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != fork_server:
        os._exit(1)


def _work(channel: int, folder: Path) -> None:
    """Serve as a worker: one order after the other, until there are no more."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        tempfile.tempdir = str(folder)
        # Where the machine itself runs out of memory, a file is to be given up and not the run.
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
        with socket.socket(fileno=channel) as run:
            while (order := _received(run)) is not None:
                _carry_out(order, run)
        code = 0
    finally:
        os._exit(code)


def _received(run: socket.socket) -> Any:
    """Return the next message, None where there are no more."""
    length = run.recv(LENGTH, socket.MSG_WAITALL)
    if len(length) < LENGTH:
        return None
    return pickle.loads(run.recv(int.from_bytes(length, "little"), socket.MSG_WAITALL))


def _carry_out(message: Given, run: socket.socket) -> None:
    with FORMS_IN_USE.have(unpickled_forms(message.forms)):
        _carry_out_parts(pickle.loads(message.order), run)


def _carry_out_parts(order: Any, run: socket.socket) -> None:
    most = order.limits.unpacked_bytes
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    parts: Iterator[OrderPart[Any]] = order.parts()
    made: list[Any] = []
    try:
        for part in parts:
            if part.needs > SMALL or not order.told_at_once:
                run.sendall(packed(Begun(part.outline, part.needs)))
            if part.needs > SMALL and _received(run) is None:
                os._exit(1)
            made.append(part.make())
            if not order.told_at_once:
                run.sendall(packed(Made(made)))
                made.clear()
    except Exception as error:
        run.sendall(packed(Raised(portable(error))))
    else:
        # In one piece: whoever waits for it wakes up once.
        run.sendall((packed(Made(made)) if made else b"") + packed(Raised(None)))


def portable(error: Exception) -> Exception:
    """Return the error itself, or what it says where it cannot go from one process to another."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    # What is pickled here is unpickled elsewhere, where this module has its own name.
    from warehouse.workers import process

    process.serve()
