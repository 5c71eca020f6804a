"""Workers: processes that can be ended, in which everything handed in is opened.

A library that reads a workbook may run for ever with the interpreter's lock held, take all memory,
or fall over; a thread cannot be rid of that. So files are read, and return sheets written, in a few
processes that last (:mod:`warehouse.workers.process`), and one of them is ended when the file in its hands
costs more than it may. Only that file is given up.

- Time is counted in seconds of a processor, so that a busy machine blames nobody.
- One budget of memory holds for all workers together. A file that will take much says so and waits
  until that much is free; one that takes more than it said, while all together take too much, is
  put back and read again alone.
- A worker that dies, or stands still, without having cost too much may have been the victim of
  something else: its file is tried again, alone, before it is given up.
- Many small files go to a worker together; where it does not get through with them, they go one by one.
"""

from __future__ import annotations

import os
import pickle
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import clock_gettime, monotonic
from typing import Any, ClassVar, Generic, Self, TypeVar

from transforms.formats import Limits, Unreadable
from transforms.formats.model import megabytes
from transforms.texts import Text, ToldInBoth, said_by_system
from warehouse.memory import shared_memory
from warehouse.workers.process import LENGTH, SMALL, Begun, Made, OrderPart, Raised, given, packed
from warehouse.workers.warm import ForkedChild, Warm, forked_child

T = TypeVar("T")

#: A fork server that has imported what workers need, for the runs of a service.
WARM_WORKERS = Warm(
    "JZEDU_WARM_WORKERS",
    "warehouse.workers.process.import_needed",
    "warehouse.workers.process.serve",
    # Files are read side by side, not each on all processors.
    {"POLARS_MAX_THREADS": "1"},
)
#: How often a worker is looked at (seconds).
_TICK = 0.02
#: A part that needs so many times its seconds on the clock stands still.
_STANDSTILL = 10
#: A worker that has grown to so many bytes is not used again.
_GROWN = 128 * 2**20
#: The fork server has so many seconds to import, and to answer.
_PATIENCE = 120
#: Results that are ready ahead of the one that is asked for, for each worker.
_AHEAD = 2
#: So many small orders go to a worker together, at most; and each worker has at least so many turns.
_TOGETHER, _SHARES = 16, 8
_PAGE = resource.getpagesize()
_PIECE = 2**20  # bytes


class WorkersFailed(ToldInBoth):
    """No worker could be started; the message says why and what to do."""


@dataclass(frozen=True)
class Breach:
    """Why a part was given up: what it used up, or that a worker died of it twice."""

    what: str
    what_en: str

    @property
    def problem(self) -> Unreadable:
        """The same as what is said of a file."""
        return Unreadable("too_costly", what=self.what, what_en=self.what_en)


@dataclass(frozen=True, kw_only=True)
class Order(Generic[T]):
    """Work for one worker, in parts that are given up one by one; goes to it as a pickle.

    ``start`` is the part to begin with. One that ``is_small`` goes to a worker together with others. With
    ``told_at_once`` nothing is heard of it until all its parts are done.
    """

    told_at_once: ClassVar[bool] = False

    limits: Limits
    start: int = 0
    is_small: bool = False

    def parts(self) -> Iterator[OrderPart[T]]:
        """Yield the parts from ``start`` on; called in the worker."""
        raise NotImplementedError

    def without(self, outline: T | None, breach: Breach) -> tuple[list[T], Self | None]:
        """Return what stands for the part that was given up, and the order to go on with.

        ``outline`` is that of the part, which is the one at ``start``; None where it came to none.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class _Batch(Order[tuple[int, T]]):
    """Small orders that go to a worker together; what comes of each has its number with it.

    To hand over an order, and to hear of each of its parts, takes as long as a third of reading a small file.
    """

    told_at_once: ClassVar[bool] = True

    orders: tuple[Order[T], ...]

    def parts(self) -> Iterator[OrderPart[tuple[int, T]]]:
        for number, order in enumerate(self.orders):
            for part in order.parts():
                yield OrderPart(
                    (number, part.outline), part.needs, partial(_numbered, number, part)
                )


def _numbered(number: int, part: OrderPart[T]) -> tuple[int, T]:
    return number, part.make()


def _batches(orders: Iterable[Order[T]], most: int) -> Iterator[list[Order[T]]]:
    """Yield ``orders`` in their order, small ones that stand side by side together, ``most`` of them at a time."""
    batch: list[Order[T]] = []
    for order in orders:
        if batch and (len(batch) == most or not order.is_small):
            yield batch
            batch = []
        batch.append(order)
        if not order.is_small:
            yield batch
            batch = []
    if batch:
        yield batch


class ForkServer:
    """The process that workers are forked from; starts to import at once and beside us, or is forked from one that has.

    It ends with the ``with`` block, and its workers with it; or when this process does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spare: list[Worker] = []
        self._start()

    def _start(self) -> None:
        self._has_answered = False
        self._control, theirs = socket.socketpair()
        self._control.settimeout(_PATIENCE)
        with theirs, open(os.devnull, "wb") as nowhere:
            self._process: ForkedChild | subprocess.Popen[bytes] = forked_child(
                WARM_WORKERS, theirs.fileno(), nowhere.fileno(), nowhere.fileno()
            ) or subprocess.Popen(
                # Not the folder it is started in, only what is installed.
                [sys.executable, "-P", "-m", "warehouse.workers.process"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **WARM_WORKERS.environment},
            )

    def worker(self) -> Worker:
        """Return a worker that nobody uses, or a new one.

        Raises:
            WorkersFailed: there is none to be had.
        """
        with self._lock:
            if self._spare:
                return self._spare.pop()
            found = self._ask()
            if found is None:
                # It was ended by somebody, and what it had begun ended with it.
                self.close()
                self._start()
                found = self._ask()
        if found is None:
            raise WorkersFailed(
                "用来启动读取进程的进程一启动就结束：内存还够吗？",
                "the process that starts workers ends at once: is there memory left?",
            )
        return found

    def _ask(self) -> Worker | None:
        """Return a new worker; None where the fork server has ended, or stands still."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"1"], [theirs.fileno()])
                answer, handles, _, _ = socket.recv_fds(self._control, 32, 1)
            except OSError:
                answer, handles = b"", []
        if handles:
            self._has_answered = True
            return Worker(ours, int(answer), handles[0])
        ours.close()
        if answer:
            why = said_by_system(int(answer))
            raise WorkersFailed(
                f"不能启动读取进程（{why.zh}）：请提高进程数的上限（TasksMax），或调小设置 workers",
                f"no worker can be started ({why.en}): raise the limit on processes (TasksMax), or lower the"
                " setting workers",
            )
        return None

    def take_back(self, worker: Worker) -> None:
        """Keep a worker that is done with its order, and fit for another one."""
        with self._lock:
            self._spare.append(worker)

    def end_spare(self) -> None:
        """End the workers that nobody uses."""
        with self._lock:
            self._end_spare()

    def _end_spare(self) -> None:
        while self._spare:
            self._spare.pop().end()

    def close(self) -> None:
        """End the fork server and all its workers."""
        self._end_spare()
        self._control.close()
        try:
            # While it imports it sees nothing, and has nothing to clear away.
            self._process.wait(_PATIENCE if self._has_answered else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Worker:
    """One worker, seen from the run: a channel, and a handle by which to end it."""

    def __init__(self, channel: socket.socket, pid: int, handle: int) -> None:
        self._channel = channel
        self._channel.settimeout(_PATIENCE)
        self._statm = Path(f"/proc/{pid}/statm")
        self._clock = (~pid << 3) | 2  # the clock of a process, as the kernel numbers them
        self._handle = handle
        self._received = bytearray()

    def send(self, message: object) -> None:
        """Raise EOFError where the worker has ended."""
        try:
            self._channel.sendall(packed(message))
        except OSError:
            raise EOFError from None

    def receive(self) -> Any:
        """Return the next message, or None where it is not there within a moment.

        Raises:
            EOFError: the worker has ended.
        """
        until = monotonic() + _TICK
        while (left := until - monotonic()) > 0:
            held = self._received
            if len(held) >= LENGTH:
                whole = LENGTH + int.from_bytes(held[:LENGTH], "little")
                if len(held) >= whole:
                    with memoryview(held) as view:
                        message = pickle.loads(view[LENGTH:whole])
                    del held[:whole]
                    return message
            if select.select([self._channel], [], [], left)[0]:
                piece = b""
                with suppress(ConnectionError):
                    piece = self._channel.recv(_PIECE)
                if not piece:
                    raise EOFError
                held += piece
        return None

    def memory(self) -> int:
        """Return the bytes it has for itself; 0 where it has ended."""
        try:
            resident, shared = self._statm.read_text("ascii").split()[1:3]
        except (OSError, ValueError):
            return 0
        return (int(resident) - int(shared)) * _PAGE

    def seconds(self) -> float:
        """Return the seconds that it has had a processor."""
        try:
            return clock_gettime(self._clock)
        except OSError:
            return 0

    def end(self) -> None:
        """End it, whatever it is doing."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        self._channel.close()
        os.close(self._handle)


@dataclass(eq=False)
class _Share:
    """What one worker may take of the common memory, and what it takes (bytes)."""

    granted: int = 0
    taken: int = 0


class _Memory:
    """The memory that all workers have together."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._changed = threading.Condition()
        self._waiting: deque[_Share] = deque()
        self._shares: set[_Share] = set()

    def grant(self, share: _Share, wanted: int) -> None:
        """Wait until so much is free, or nobody else has any; first come, first served."""
        with self._changed:
            self._shares.discard(share)
            self._waiting.append(share)
            self._changed.notify_all()
            wanted = min(wanted, self.total)
            self._changed.wait_for(
                lambda: (
                    self._waiting[0] is share
                    and sum(max(s.granted, s.taken) for s in self._shares) + wanted <= self.total
                )
            )
            self._waiting.popleft()
            share.granted, share.taken = wanted, 0
            self._shares.add(share)
            self._changed.notify_all()

    def give_back(self, share: _Share) -> None:
        """Count a part that is done, or given up."""
        with self._changed:
            self._shares.discard(share)
            self._changed.notify_all()

    def is_too_much(self, share: _Share, taken: int) -> bool:
        """Return whether all together take too much, and this one most above what it said."""
        with self._changed:
            share.taken = taken
            if sum(s.taken for s in self._shares) <= self.total:
                return False
            return share is max(self._shares, key=lambda s: s.taken - s.granted)


class _Stopped(Exception):
    """A part came to no end; ``sure`` says whether that was its own doing beyond doubt."""

    def __init__(self, breach: Breach, *, sure: bool) -> None:
        self.breach = breach
        self.sure = sure


_ENDED = Text("本次运行已经结束", "the run has ended")
_DIED = Breach("读取程序因这个文件异常中止", "whoever reads it falls over")


@dataclass
class _Attempt(Generic[T]):
    """An order in the hands of a worker, as far as it came."""

    made: list[T] = field(default_factory=list)
    outline: T | None = None


class Workers:
    """A few workers within one budget of memory, for the orders of one run.

    ``count`` of them work at the same time; ``memory`` is what they may take together (bytes),
    None for half of what there is (:func:`warehouse.memory.shared_memory`).
    """

    def __init__(self, fork_server: ForkServer, count: int, memory: int | None = None) -> None:
        self._fork_server = fork_server
        self._count = count
        self._memory = _Memory(memory or shared_memory())
        self._closed = threading.Event()
        self._threads = ThreadPoolExecutor(count, "workers")

    def carry_out(self, orders: Iterable[Order[T]], number: int = 1) -> Iterator[list[T]]:
        """Yield what comes of each order, in their order; a few are carried out ahead.

        ``number`` is how many orders there are, of which small ones go to a worker together where they are many.
        Raises what an order raises, and WorkersFailed.
        """
        most = min(_TOGETHER, max(1, number // (_SHARES * self._count)))
        ahead: deque[Future[list[list[T]]]] = deque()
        try:
            for batch in _batches(orders, most):
                ahead.append(self._threads.submit(copy_context().run, self._carry_out_all, batch))
                if len(ahead) > _AHEAD * self._count:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()

    def rest(self) -> None:
        """Give up the workers that have nothing to do, for the memory that they have grown to; another costs a fork."""
        self._fork_server.end_spare()

    def _carry_out_all(self, orders: list[Order[T]]) -> list[list[T]]:
        """Return what comes of each order."""
        if len(orders) > 1:
            attempt = _Attempt[tuple[int, T]]()
            try:
                batch = _Batch(limits=orders[0].limits, orders=tuple(orders))
                self._try(batch, attempt, alone=False)
            except _Stopped:  # of which of them it was they tell one by one
                pass
            else:
                made: list[list[T]] = [[] for _ in orders]
                for number, result in attempt.made:
                    made[number].append(result)
                return made
        return [self._carry_out(order) for order in orders]

    def _carry_out(self, order: Order[T]) -> list[T]:
        made: list[T] = []
        alone = False
        while True:
            attempt = _Attempt[T]()
            breach, sure = None, True
            try:
                self._try(order, attempt, alone)
            except _Stopped as stopped:
                breach, sure = stopped.breach, stopped.sure
            made += attempt.made
            if breach is None:
                return made
            order = replace(order, start=order.start + len(attempt.made))
            if sure or (alone and not attempt.made):
                instead, rest = order.without(attempt.outline, breach)
                made += instead
                if rest is None:
                    return made
                order, alone = rest, False
            else:
                alone = True

    def _try(self, order: Order[T], attempt: _Attempt[T], alone: bool) -> None:
        """Have a worker carry out ``order``; ``attempt`` says how far it came."""
        share = _Share()
        worker: Worker | None = None
        good = False
        try:
            self._memory.grant(share, self._memory.total if alone else SMALL)
            if self._closed.is_set():
                raise WorkersFailed(*_ENDED)
            worker = self._fork_server.worker()
            worker.send(given(order))
            self._follow(worker, order.limits, share, attempt, alone)
            good = worker.memory() < _GROWN
        except EOFError:
            raise _Stopped(_DIED, sure=False) from None
        finally:
            if worker is not None:
                if good:
                    self._fork_server.take_back(worker)
                else:
                    worker.end()
            self._memory.give_back(share)

    def _follow(
        self, worker: Worker, limits: Limits, share: _Share, attempt: _Attempt[T], alone: bool
    ) -> None:
        began, clock = worker.seconds(), monotonic()
        while True:
            match worker.receive():
                case Begun(outline, needs):
                    attempt.outline = outline
                    if needs > SMALL:
                        if not alone:
                            self._memory.grant(share, needs)
                        worker.send(True)
                    began, clock = worker.seconds(), monotonic()
                case Made(results):
                    attempt.made += results
                    attempt.outline = None
                    began, clock = worker.seconds(), monotonic()
                case Raised(error):
                    if error is not None:
                        raise error
                    return
                case _:
                    self._look(worker, limits, share, began, clock, alone)

    def _look(
        self,
        worker: Worker,
        limits: Limits,
        share: _Share,
        began: float,
        clock: float,
        alone: bool,
    ) -> None:
        """Raise _Stopped where the part in hand must not go on."""
        if self._closed.is_set():
            raise WorkersFailed(*_ENDED)
        taken = worker.memory()
        most = min(limits.memory_bytes, self._memory.total)
        if taken > most:
            much = Breach(
                f"所用内存超过 {megabytes(most)}", f"it takes more memory than {megabytes(most)}"
            )
            raise _Stopped(much, sure=True)
        slow = Breach(
            f"所用时间超过 {limits.seconds} 秒", f"it takes longer than {limits.seconds} seconds"
        )
        if worker.seconds() - began > limits.seconds:
            raise _Stopped(slow, sure=True)
        if monotonic() - clock > limits.seconds * _STANDSTILL:
            raise _Stopped(slow, sure=False)
        if not alone and self._memory.is_too_much(share, taken):
            raise _Stopped(_DIED, sure=False)

    def close(self) -> None:
        """End what is being worked on."""
        self._closed.set()
        self._threads.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
