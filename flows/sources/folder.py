"""A folder of this machine as a source: the inbox, one folder for each reporting unit.

Files are taken as they are found and left where they are. Links, pipes, lock files and files of
other kinds are never opened; a file that somebody is still writing waits for the next night.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from flows.sources.collect import Collector
from flows.sources.cursor import Memory
from flows.sources.model import (
    Delivery,
    Listing,
    NotTaken,
    NotYet,
    Offer,
    Pulled,
    SourceError,
    decoded,
    moment_of,
    wanted,
)
from transforms.names import shown
from warehouse.archive import Archive

#: A larger file is copied on disk, and not read into memory (bytes).
IN_MEMORY: Final = 16 * 2**20
_PIECE: Final = 2**20

__all__ = ["FolderSource", "Pulled", "pull", "take", "walk"]


class StillBeingWritten(Exception):
    """Somebody has the file open for writing, or it changed while it was read."""


def walk(inbox: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    """Yield the files below ``inbox`` that a unit may have handed in, in a fixed order.

    ``on_error`` is told of every folder that cannot be read, and of what in it cannot be looked at.
    """
    # Not os.walk: it calls itself for every folder, and so ends where folders lie a thousand deep.
    folders = [os.fspath(inbox)]
    while folders:
        folder = folders.pop()
        below = []
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            on_error(error)
            continue
        for entry in listed:
            try:
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.path)
                elif wanted(entry.name) and stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                    yield Path(entry.path)
            except FileNotFoundError:
                pass
            except OSError as error:
                on_error(error)
        folders += reversed(below)


def take(path: Path, scratch: Path | None = None) -> tuple[bytes | BinaryIO, datetime]:
    """Return the content of a file and the time of its last change (UTC, naive).

    A large one is given as a copy of it, an open file that has no name and lies on the disk of the
    folder ``scratch``.

    Raises:
        StillBeingWritten: it is open for writing or changed meanwhile.
        NotTaken: the time of its last change is impossible.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(file.fileno())
        if _has_writer(file.fileno()):
            raise StillBeingWritten(str(path))
        content = _content(file, before.st_size, scratch)
        after = os.fstat(file.fileno())
        # One that grew is not read to its end, which a writer could put off for ever.
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise StillBeingWritten(str(path))
    return content, _changed(after)


def _content(file: BinaryIO, size: int, scratch: Path | None) -> bytes | BinaryIO:
    if size <= IN_MEMORY:
        return file.read(size)
    with ExitStack() as stack:
        copy = stack.enter_context(tempfile.TemporaryFile(dir=scratch))
        while size > 0 and (piece := file.read(min(size, _PIECE))):
            copy.write(piece)
            size -= len(piece)
        stack.pop_all()
    return copy


def _changed(facts: os.stat_result) -> datetime:
    seconds, nanoseconds = divmod(facts.st_mtime_ns, 10**9)
    return moment_of(seconds, nanoseconds // 1000)


class FolderSource:
    """The files of a folder, as a source like any other; ``scratch`` as in :func:`take`."""

    def __init__(self, root: Path, scratch: Path | None = None) -> None:
        self._root = root
        self._scratch = scratch

    def files(self) -> Listing:
        """Return all files; a folder that is not there is an error, because a share may be unmounted."""
        self.probe()
        listing = Listing()

        def refuse(error: OSError) -> None:
            place = Path(str(error.filename)).relative_to(self._root)
            listing.refused.append(f"{shown(_legible(str(place)))}: {error.strerror}")

        listing.offers += [self._offer(path) for path in walk(self._root, refuse)]
        return listing

    def probe(self) -> None:
        """Look whether the folder is there and can be read."""
        try:
            os.scandir(self._root).close()
        except OSError as error:
            raise SourceError(
                f"{self._root}: {error.strerror}; is it mounted, and may this user read it?"
            ) from None

    def close(self) -> None:
        """Do nothing: nothing is held open."""

    def _offer(self, path: Path) -> Offer:
        mark, size = _mark(path)
        return Offer(
            _legible(path.relative_to(self._root).as_posix()),
            partial(_deliver, path, self._scratch),
            mark,
            size,
        )


def pull(inbox: Path, archive: Archive) -> Pulled:
    """Archive every file of the inbox that the archive does not know yet.

    Every file is read every time, so that an original lost from the archive comes back. A file
    that cannot be read waits for the next night.
    """
    return Collector(
        FolderSource(inbox),
        archive,
        {receipt.key: receipt for receipt in archive.receipts()},
        Memory(),
    ).collect(lambda: None)


def _deliver(path: Path, scratch: Path | None, _: str) -> Delivery:
    mark = _mark(path)[0]
    try:
        try:
            data, changed = take(path, scratch)
        except PermissionError:
            # Answered like an empty file; once it may be read its bytes are another delivery.
            data, changed = b"", _changed(path.lstat())
    except StillBeingWritten:
        raise NotYet("is still being written") from None
    except OSError as error:
        raise NotTaken(str(error.strerror)) from None
    return Delivery(data, changed, mark)


def _legible(name: str) -> str:
    """Return a path as text, whatever it is; what no encoding reads becomes a sign of its own."""
    parts = os.fsencode(name).split(b"/")
    return "/".join(decoded(part) or part.decode("gb18030", "replace") for part in parts)


def _mark(path: Path) -> tuple[str, int | None]:
    """Return size, times and number of the file, and its size alone; "" and None where it has gone."""
    try:
        facts = path.lstat()
    except OSError:
        return "", None
    mark = f"{facts.st_size}:{facts.st_mtime_ns}:{facts.st_ctime_ns}:{facts.st_ino}"
    return mark, facts.st_size


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
