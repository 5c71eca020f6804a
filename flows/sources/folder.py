"""A folder of this machine as a source: the inbox, one folder for each reporting unit.

Files are taken as they are found and left where they are. Links, pipes, lock files and files of
other kinds are never opened; a file that somebody is still writing waits for the next night.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from flows.sources.collect import Collector
from flows.sources.memory import Memory
from flows.sources.model import (
    Delivery,
    Listing,
    NotTaken,
    Offer,
    Pulled,
    SourceError,
    shown,
    wanted,
)
from warehouse.archive import Archive

__all__ = ["FolderSource", "Pulled", "pull", "take", "walk"]


class StillBeingWritten(Exception):
    """Somebody has the file open for writing, or it changed while it was read."""


def walk(inbox: Path, on_error: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """The files below ``inbox`` that a unit may have handed in, in a fixed order.

    ``on_error`` is told of every folder that cannot be read.
    """
    for folder, folders, names in os.walk(inbox, onerror=on_error, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if wanted(path.relative_to(inbox).as_posix()) and _is_file(path):
                yield path


def take(path: Path) -> tuple[bytes, datetime]:
    """The bytes of a file and the time of its last change (UTC, naive).

    Raises:
        StillBeingWritten: it is open for writing or changed meanwhile.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(file.fileno())
        if _has_writer(file.fileno()):
            raise StillBeingWritten(str(path))
        data = file.read()
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise StillBeingWritten(str(path))
    return data, _changed(after)


def _changed(facts: os.stat_result) -> datetime:
    seconds, nanoseconds = divmod(facts.st_mtime_ns, 10**9)
    changed = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1000)
    return changed.replace(tzinfo=None)


class FolderSource:
    """The files of a folder, as a source like any other."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def files(self) -> Listing:
        """All files; a folder that is not there is an error, because a share may be unmounted."""
        self.probe()
        listing = Listing()

        def refuse(error: OSError) -> None:
            folder = Path(str(error.filename)).relative_to(self._root)
            listing.refused.append(f"{shown(str(folder))}: {error.strerror}")

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
        """Nothing is held open."""

    def _offer(self, path: Path) -> Offer:
        return Offer(
            _legible(path.relative_to(self._root).as_posix()), partial(_deliver, path), _mark(path)
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


def _deliver(path: Path, _: str) -> Delivery:
    mark = _mark(path)
    try:
        data, changed = take(path)
    except StillBeingWritten:
        raise NotTaken("is still being written") from None
    except PermissionError:
        # It is answered like an empty file; once it may be read its bytes are another delivery.
        data, changed = b"", _changed(path.lstat())
    except OSError as error:
        raise NotTaken(str(error.strerror)) from None
    return Delivery(data, changed, mark)


def _legible(name: str) -> str:
    """A file name as text: one that is no UTF-8 is what an old Chinese system wrote, GB18030."""
    data = os.fsencode(name)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("gb18030", "replace")


def _is_file(path: Path) -> bool:
    """Whether this is a regular file, and no link, pipe or file that has gone meanwhile."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _mark(path: Path) -> str:
    """Size, times and number of the file; "" where it has gone."""
    try:
        facts = path.lstat()
    except OSError:
        return ""
    return f"{facts.st_size}:{facts.st_mtime_ns}:{facts.st_ctime_ns}:{facts.st_ino}"


def _has_writer(descriptor: int) -> bool:
    """Whether anybody has the file open for writing, where the system can tell.

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
