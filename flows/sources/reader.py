"""The process that looks into a folder: lists it, and reads files of it one after the other.

A mount whose server has gone does not answer, and whoever asks it waits for ever; a thread that does
cannot be ended, and would not let the run end either. So another process asks, which can be left alone.

It runs this file by itself, so that nothing of ours is imported here and starting it costs little;
:mod:`flows.sources.folder` gives its orders. Everything goes over its standard input and output as
messages: their length (eight bytes), then what ``marshal`` makes of them. An order is a kind and a path:

- ``look``: can the folder be opened?
- ``list``: the files below it, folder by folder in a fixed order, as lists of paths with :data:`Facts`
  and whether it is a folder; with the number of an error instead of facts where it cannot be looked at.
- ``read``: the facts of a file, its content in pieces, and its facts again; :data:`WRITTEN` instead
  where somebody is writing it.

Each order is answered in the end by :data:`DONE`, or by the number of an error.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import signal
import stat
import sys
from typing import Any, BinaryIO

LENGTH = 8  # bytes
DONE, WRITTEN = "done", "written"
#: So many files at a time are told of, and so many bytes of a file.
_FILES = 1000
_PIECE = 2**20

#: Mode, size, time of change (ns), time of change of these facts (ns), and number of a file.
Facts = tuple[int, int, int, int, int]


def packed(message: Any) -> bytes:
    """Return a message as it goes to and fro."""
    data = marshal.dumps(message)
    return len(data).to_bytes(LENGTH, "little") + data


#: What is told together, with the end of an order: whoever hears it wakes up once for a small file.
_told: list[bytes] = []


def _say(message: object, *, now: bool = True) -> None:
    _told.append(packed(message))
    if now:
        sys.stdout.buffer.write(b"".join(_told))
        sys.stdout.buffer.flush()
        _told.clear()


def _next() -> Any:
    """Return the next order, None where there are no more."""
    length = sys.stdin.buffer.read(LENGTH)
    if len(length) < LENGTH:
        return None
    return marshal.loads(sys.stdin.buffer.read(int.from_bytes(length, "little")))


def _facts(found: os.stat_result) -> Facts:
    return found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _list(root: bytes) -> None:
    # Not os.walk: it calls itself for every folder, and so ends where folders lie a thousand deep.
    folders = [root]
    while folders:
        folder = folders.pop()
        below: list[bytes] = []
        files: list[tuple[bytes, Facts | int, bool]] = []
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            _say([(folder, error.errno, True)])
            continue
        for entry in listed:
            try:
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.path)
                else:
                    found = _facts(entry.stat(follow_symlinks=False))
                    files.append((entry.path, found, False))
            except FileNotFoundError:
                pass
            except OSError as error:
                files.append((entry.path, error.errno or 0, False))
            if len(files) == _FILES:
                _say(files)
                files = []
        if files:
            _say(files)
        folders += reversed(below)


def _read(path: bytes) -> None:
    _say(_facts(os.lstat(path)), now=False)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode) or _has_writer(descriptor):
            _say(WRITTEN, now=False)
            return
        _send(file, before.st_size)
        after = os.fstat(descriptor)
    # One that grew is not read to its end, which a writer could put off for ever.
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    _say(_facts(after) if same else WRITTEN, now=False)


def _send(file: BinaryIO, size: int) -> None:
    while size > 0 and (piece := file.read(min(size, _PIECE))):
        size -= len(piece)
        _say(piece, now=size > 0)


def _has_writer(descriptor: int) -> bool:
    """Return whether anybody has the file open for writing, where the system can tell.

    A read lease is refused while there is a writer; network file systems and foreign owners may
    refuse it for other reasons, and then the times before and after reading decide alone.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _serve() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run decides what is to end
    while (order := _next()) is not None:
        kind, path = order
        try:
            if kind == "look":
                os.scandir(path).close()
            elif kind == "list":
                _list(path)
            else:
                _read(path)
        except OSError as error:
            _say(error.errno or 0)
        else:
            _say(DONE)


if __name__ == "__main__":
    try:
        _serve()
    except BrokenPipeError:  # the run has ended
        os._exit(1)
