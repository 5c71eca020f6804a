"""One writer at a time, and none while somebody reads the warehouse: a lock on JZEDU_HOME.

The kernel releases it when its holder ends, however it ends, so that a killed run never blocks the
next one. Who waits is told for whom: which process, doing what, since when. A warehouse that is a lake has
a lock of its own beside it, for the runs of all machines.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.environment import LOCK
from flows.language import Words, told
from flows.permissions import make_home, shut
from transforms.names import shown
from warehouse.lake import Lake

_WORDS = Words(
    process=("进程 {number}", "process {number}"),
    since=("{time}（世界时）起", "since {time} UTC"),
    comma=("，", ", "),
    semicolon=("；", "; "),
    writing=("另一次运行（{who}）正在写 {place}", "another run ({who}) is writing to {place}"),
    reading=("有人正在读 {place}", "somebody is reading {place}"),
    readers=("有人（{who}）正在读 {place}", "somebody ({who}) is reading {place}"),
    waiting=("{said}；等它结束", "{said}; waiting for it to end"),
    waited=(
        "一次运行已等了 {minutes:g} 分钟：{said}。如果那个进程不该在，请结束它；锁随之解除",
        "a run has been waiting for {minutes:g} minutes: {said}. If that process"
        " should not be there, end it; the lock goes with it",
    ),
)
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock; ``command`` and ``since`` (UTC) where the system tells."""

    process: int
    command: str = ""
    since: datetime | None = None

    def __str__(self) -> str:
        parts = [_WORDS("process", number=self.process)]
        if self.command:
            parts.append(f"“{shown(self.command)}”")
        if self.since is not None:
            parts.append(_WORDS("since", time=f"{self.since:%Y-%m-%d %H:%M:%S}"))
        return _WORDS("comma").join(parts)


@dataclass(frozen=True)
class Patience:
    """After so many ``seconds`` of waiting, ``tell`` is called once, with a sentence; it goes on waiting."""

    seconds: float
    tell: Callable[[str], None]


@contextmanager
def only_writer(
    home: Path,
    on_wait: Callable[[str], None],
    patience: Patience | None = None,
    doing: str = "",
) -> Iterator[None]:
    """Hold the lock of ``home``; wait for another run to end, after saying so once.

    ``on_wait`` gets a sentence that names the run that holds it. Others are told that this process is
    ``doing`` so; else its command line.
    """
    make_home(home)
    descriptor = os.open(home / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        shut(home / LOCK)
        _take(descriptor, fcntl.LOCK_EX, home, on_wait, patience)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, _myself(doing), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def no_writer(
    home: Path, on_wait: Callable[[str], None], patience: Patience | None = None
) -> Iterator[None]:
    """Keep runs from writing to ``home`` while the block reads; wait for one, after saying so once.

    Any number may read at a time. Nothing of ``home`` is written: where no run has ever been, there
    is no lock to hold.
    """
    try:
        descriptor = os.open(home / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        _take(descriptor, fcntl.LOCK_SH, home, on_wait, patience)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def only_writer_of(
    lake: Lake, on_wait: Callable[[str], None], patience: Patience | None = None
) -> Iterator[None]:
    """Be the only run that writes to ``lake``, of all machines; wait for another as :func:`only_writer` does.

    Raises:
        LakeFailed: its PostgreSQL does not answer.
    """
    with closing(lake.claim()) as claim:
        if (other := claim.take()) is not None:
            _wait(
                _WORDS("writing", who=told(other.named), place=told(lake.named)),
                claim.wait,
                on_wait,
                patience,
            )
        yield


def holder(home: Path) -> Holder | None:
    """Return who writes to ``home`` at this moment; None where nobody does, or it cannot be looked at."""
    try:
        descriptor = os.open(home / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return None if _taken(descriptor, fcntl.LOCK_SH) else _writer(descriptor)
    finally:
        os.close(descriptor)


def _take(
    descriptor: int,
    kind: int,
    home: Path,
    on_wait: Callable[[str], None],
    patience: Patience | None,
) -> None:
    if _taken(descriptor, kind):
        return

    def sentence() -> str:
        # What can be shared is held by readers only.
        if _taken(descriptor, fcntl.LOCK_SH):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            readers = _WORDS("semicolon").join(map(str, _holders(descriptor)))
            return _WORDS("readers" if readers else "reading", who=readers, place=home)
        return _WORDS("writing", who=_writer(descriptor), place=home)

    _wait(sentence(), lambda: fcntl.flock(descriptor, kind), on_wait, patience)


def _wait(
    said: str,
    take: Callable[[], None],
    on_wait: Callable[[str], None],
    patience: Patience | None,
) -> None:
    """Take a lock once it is free, after saying who holds it."""
    on_wait(_WORDS("waiting", said=said))
    if patience is None:
        take()
        return
    # Its thread has no context of its own: the sentence is made here, in the reader's language.
    sentence = _WORDS("waited", minutes=patience.seconds / 60, said=said)
    timer = threading.Timer(patience.seconds, patience.tell, (sentence,))
    timer.daemon = True
    timer.start()
    try:
        take()
    finally:
        timer.cancel()


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _myself(doing: str) -> bytes:
    command = doing or _described(os.getpid()).command
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"process": os.getpid(), "command": command, "since": since}).encode()


def _writer(descriptor: int) -> Holder:
    """Return who holds the lock for writing: as it says itself, if it has come to that, else as the kernel does."""
    holders = _holders(descriptor)
    try:
        entry = json.loads(os.pread(descriptor, 4096, 0))
        said = Holder(entry["process"], entry["command"], datetime.fromisoformat(entry["since"]))
    except (ValueError, TypeError, KeyError):
        said = Holder(0)
    seen = {one.process: one for one in holders}
    # What stands in the file may be of the one before.
    return said if said.process in seen or not seen else next(iter(seen.values()))


def _holders(descriptor: int) -> list[Holder]:
    """Return the processes that hold a lock on this file, as far as the kernel tells."""
    number = os.fstat(descriptor).st_ino
    found = []
    try:
        lines = Path("/proc/locks").read_text("ascii").splitlines()
    except OSError:
        return []
    for line in lines:
        # 1: FLOCK  ADVISORY  WRITE 1234 08:02:5678 0 EOF; those who wait have an arrow before FLOCK.
        words = line.split()
        if words[1:2] == ["FLOCK"] and words[5].rpartition(":")[2] == str(number):
            process = int(words[4])
            if process > 0 and process != os.getpid():
                found.append(_described(process))
    return found


def _described(process: int) -> Holder:
    """Return what ``process`` is doing, and since when; the number alone where that cannot be seen."""
    place = Path("/proc", str(process))
    try:
        words = (place / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        # The name of the program may hold spaces and brackets; what follows it does not.
        facts = (place / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        booted = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text("ascii").splitlines()
            if line.startswith("btime ")
        )
        since = datetime.fromtimestamp(booted + int(facts[19]) / _CLOCK_TICKS, UTC)
    except (OSError, ValueError, IndexError, StopIteration):
        return Holder(process)
    return Holder(process, " ".join(words).strip(), since)
