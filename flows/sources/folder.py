"""A folder of this machine as a source: the inbox, one folder for each reporting unit.

Files are taken as they are found and left where they are. Links, pipes, lock files and files of
other kinds are never opened; a file that somebody is still writing waits for the next night.

A process of its own looks into the folder (:mod:`flows.sources.reader`): where it is a mount that hangs,
that process is left behind, and the run goes on without the folder.
"""

from __future__ import annotations

import marshal
import os
import select
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

from flows.sources import reader
from flows.sources.model import (
    BEING_WRITTEN,
    Delivery,
    Interrupted,
    Listing,
    NotTaken,
    NotYet,
    Offer,
    SourceError,
    decoded,
    moment_of,
    wanted,
)
from flows.sources.reader import DONE, LENGTH, WRITTEN, Facts, packed
from transforms.texts import said_by_system

#: A larger file is copied on disk, and not read into memory (bytes).
IN_MEMORY: Final = 16 * 2**20
#: So long a folder may be silent, where its settings say nothing else (seconds).
SILENCE: Final = 60.0
#: So long the process that reads may take to end (seconds).
_GRACE: Final = 1
_PIECE: Final = 2**20
#: Times of files are as exact as this, whatever keeps them (seconds).
RESOLUTION: Final = 5


class Hangs(SourceError):
    """A folder does not answer."""


class FolderSource:
    """The files of a folder, as a source like any other.

    ``scratch`` is a folder for copies of large files, which are open files that have no name there.
    ``silence`` is how long the folder may take for an answer (seconds).
    """

    def __init__(self, root: Path, scratch: Path | None = None, silence: float = SILENCE) -> None:
        self._root = root
        self._scratch = scratch
        self._silence = silence
        self._reader: _Reader | None = None
        #: The file that is being read ahead, and since when.
        self._ahead: tuple[bytes, float] | None = None

    def files(self) -> Listing:
        """Return all files; a folder that is not there is an error, because a share may be unmounted."""
        self.probe()
        listing = Listing()
        for entries in self._ask("list", self._root):
            for path, facts, is_folder in entries:
                if not is_folder and not wanted(os.fsdecode(os.path.basename(path))):
                    continue
                if isinstance(facts, int):
                    listing.refuse(self._place(path), said_by_system(facts))
                elif stat.S_ISREG(facts[0]):
                    offer = Offer(
                        self._place(path),
                        partial(self._deliver, path),
                        _mark(facts),
                        facts[1],
                        begin=partial(self._begin, path),
                    )
                    listing.offers.append(offer)
        return listing

    def probe(self) -> None:
        """Look whether the folder is there and can be read."""
        try:
            for _ in self._ask("look", self._root):
                pass
        except OSError as error:
            said = said_by_system(error)
            raise SourceError(
                f"{self._root}：{said.zh}；挂载了吗？本用户能读吗？",
                f"{self._root}: {said.en}; is it mounted, and may this user read it?",
            ) from None

    def close(self) -> None:
        """End the process that reads."""
        self._ahead = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _place(self, path: bytes) -> str:
        return _legible(path.removeprefix(os.path.join(os.fsencode(self._root), b"")))

    def _begin(self, path: bytes) -> None:
        """Have the file at ``path`` read while what came before it is seen to."""
        if self._reader is not None and self._ahead is None:
            with suppress(EOFError):  # which is told to who asks for it
                self._reader.send(("read", path))
                self._ahead = path, time.time()

    def _deliver(self, path: bytes, _: str) -> Delivery:
        asked = self._ahead[1] if self._ahead else time.time()
        with closing(self._ask("read", path)) as told:
            try:
                facts: Facts = next(told)
                try:
                    content, after = self._content(told)
                except PermissionError:
                    # Answered like an empty file; once it may be read its bytes are another delivery.
                    content, after = b"", facts
            except OSError as error:
                raise NotTaken(*said_by_system(error)) from None
        return Delivery(content, moment_of(*_seconds(after)), _lasting_mark(facts, asked))

    def _content(self, told: Iterator[Any]) -> tuple[bytes | BinaryIO, Facts]:
        """Return what is told of a file, and its facts after it was read.

        Raises:
            NotYet: somebody is writing it.
        """
        content: BinaryIO = BytesIO()
        after: Facts | None = None
        with ExitStack() as stack:
            for message in told:
                if isinstance(message, bytes):
                    if isinstance(content, BytesIO) and content.tell() + len(message) > IN_MEMORY:
                        copy = stack.enter_context(tempfile.TemporaryFile(dir=self._scratch))
                        copy.write(content.getvalue())
                        content = copy
                    content.write(message)
                elif message != WRITTEN:
                    after = message
            if after is None:
                raise NotYet(*BEING_WRITTEN)
            stack.pop_all()
        return content.getvalue() if isinstance(content, BytesIO) else content, after

    def _ask(self, kind: str, path: Path | bytes) -> Generator[Any, None, None]:
        """Yield what the reader answers to an order.

        Raises:
            OSError: it could not be carried out.
            Hangs: there is no answer.
            Interrupted: the reader has ended.
        """
        ahead, self._ahead = self._ahead, None
        if ahead and (kind, path) != ("read", ahead[0]):
            self.close()  # what it tells is of a file that nobody asks for any more
        if self._reader is None:
            ahead = None
            try:
                self._reader = _Reader()
            except OSError as error:
                said = said_by_system(error)
                raise Interrupted(
                    f"{self._root} 读不了：不能启动进程（{said.zh}）",
                    f"{self._root} cannot be read: no process can be started ({said.en})",
                ) from None
        done = False
        try:
            if not ahead:
                self._reader.send((kind, os.fsencode(path)))
            while (message := self._reader.receive(self._silence)) != DONE:
                if isinstance(message, int):
                    done = True
                    raise OSError(message, os.strerror(message), os.fsdecode(path))
                yield message
            done = True
        except TimeoutError:
            raise Hangs(
                f"{self._root} 在 {self._silence:g} 秒内没有应答：像是卡住的挂载。请检查它的服务器，或卸载它；"
                "下次运行接着取",
                f"{self._root} does not answer within {self._silence:g} seconds: it seems to be a"
                " mount that hangs. See to its server, or unmount it; the next run goes on from here",
            ) from None
        except EOFError:
            raise Interrupted(
                f"读取 {self._root} 的进程被结束了",
                f"the process that reads {self._root} was ended",
            ) from None
        finally:
            if not done:  # what it may still answer is nobody's any more
                self.close()


class _Reader:
    """The process that reads, seen from the run."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", reader.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._received = bytearray()

    def send(self, order: tuple[str, bytes]) -> None:
        """Raise EOFError where it has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(packed(order))
        except BrokenPipeError:
            raise EOFError from None

    def receive(self, silence: float) -> Any:
        """Return the next message.

        Raises:
            TimeoutError: nothing came for so many seconds.
            EOFError: it has ended.
        """
        while (whole := self._length()) is None or len(self._received) < whole:
            self._more(silence)
        message = marshal.loads(memoryview(self._received)[LENGTH:whole])
        del self._received[:whole]
        return message

    def _length(self) -> int | None:
        """Return the bytes of the message that is coming in, where that is known."""
        if len(self._received) < LENGTH:
            return None
        return LENGTH + int.from_bytes(self._received[:LENGTH], "little")

    def _more(self, silence: float) -> None:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], silence)[0]:
            raise TimeoutError
        piece = os.read(self._process.stdout.fileno(), _PIECE)
        if not piece:
            raise EOFError
        self._received += piece

    def close(self) -> None:
        """End it; where it cannot be ended, because the kernel waits for a mount, leave it behind."""
        process = self._process
        process.kill()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            threading.Thread(target=process.wait, daemon=True).start()


def _legible(name: bytes) -> str:
    """Return a path as text, whatever it is; what no encoding reads becomes a sign of its own."""
    parts = name.split(b"/")
    return "/".join(decoded(part) or part.decode("gb18030", "replace") for part in parts)


def _mark(facts: Facts) -> str:
    """Return size, times and number of a file."""
    _, size, changed, renewed, number = facts
    return f"{size}:{changed}:{renewed}:{number}"


def _lasting_mark(facts: Facts, asked: float) -> str:
    """Return the mark by which a file is known again; "" where it was changed a moment before it was ``asked`` for.

    A change that follows within the resolution of the file system's clock would not be seen in it.
    """
    return _mark(facts) if abs(asked - facts[3] / 10**9) > RESOLUTION else ""


def _seconds(facts: Facts) -> tuple[int, int]:
    """Return the time of a file's last change, in seconds and microseconds."""
    seconds, nanoseconds = divmod(facts[2], 10**9)
    return seconds, nanoseconds // 1000
