"""A local folder as a source: the inbox, one folder for each reporting unit.

Files are taken as they are found and left where they are. Links, pipes, lock files and files of
other kinds are never opened; a file that somebody is still writing waits for the next night.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from transforms.formats import READABLE_SUFFIXES
from warehouse.archive import Archive, Receipt


@dataclass(frozen=True)
class Pulled:
    """What a look into the inbox gave: new receipts, and files left for later with the reason."""

    found: int
    receipts: tuple[Receipt, ...]
    waiting: tuple[str, ...]


class StillBeingWritten(Exception):
    """Somebody has the file open for writing, or it changed while it was read."""


def walk(inbox: Path) -> Iterator[Path]:
    """The files below ``inbox/<unit>/`` that a unit may have handed in, in a fixed order."""
    for folder, folders, names in os.walk(inbox, followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.parent == inbox or name.startswith(("~$", ".")):
                continue
            if path.suffix.lower() in READABLE_SUFFIXES and stat.S_ISREG(path.lstat().st_mode):
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
    seconds, nanoseconds = divmod(after.st_mtime_ns, 10**9)
    changed = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1000)
    return data, changed.replace(tzinfo=None)


def pull(inbox: Path, archive: Archive) -> Pulled:
    """Archive every file of the inbox that the archive does not know yet.

    A file that cannot be read is archived as nothing at all: zero bytes, which the gate returns
    to its unit with a finding.
    """
    known = {receipt.key: receipt for receipt in archive.receipts()}
    fresh: list[Receipt] = []
    waiting: list[str] = []
    found = 0
    for path in walk(inbox):
        found += 1
        relative = path.relative_to(inbox).as_posix()
        try:
            data, changed = take(path)
        except StillBeingWritten:
            waiting.append(f"{relative}: is still being written")
            continue
        except OSError as error:
            waiting.append(f"{relative}: {error.strerror}")
            continue
        receipt = Receipt(changed, relative, archive.keep(data))
        before = known.get(receipt.key)
        if before is None or receipt.received_at < before.received_at:
            fresh.append(receipt)
    archive.sign(fresh)
    return Pulled(found, tuple(fresh), tuple(waiting))


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
