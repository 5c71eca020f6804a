"""A shelf: where the files of an archive lie, a folder of this machine or a place in a bucket.

Both have the same layout, and names as ``receipts/<sha256>.jsonl``. The name of every file is the hash of
what it holds, or it holds nothing; so what is there under a name can only be right, or damaged. Whoever
reads compares (:mod:`warehouse.archive`, :mod:`warehouse.decisions`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias, TypeVar

from warehouse.storage import Bucket

#: A folder by its path, or a place in a bucket.
ArchivePlace: TypeAlias = Path | Bucket
T = TypeVar("T")
R = TypeVar("R")

_PIECE = 2**20  # bytes
#: So many files wait for the disk side by side: it writes them together.
_DISK_QUEUE = 16


class Shelf(Protocol):
    """Files by their names; what cannot be reached, or may not be, is an OSError or a StorageFailed."""

    def where(self, name: str) -> str:
        """Return the place of a file as people are told of it."""

    def is_there(self) -> bool:
        """Return whether there is a shelf that can be read."""

    def names(self, pattern: str) -> list[str]:
        """Return the names that fit ``pattern``, where * and ? stand for no slash, in their order."""

    def marks(self, pattern: str) -> Mapping[str, Hashable]:
        """Return the names that fit ``pattern`` in their order, each with what tells that its file is the same."""

    def size(self, name: str) -> int | None:
        """Return how many bytes a file has, None where there is none."""

    def glance(self, name: str) -> int | None:
        """As :meth:`size`, for many files; it may be how it was when the shelf was first asked."""

    def read(self, name: str, mark: Hashable = None) -> bytes:
        """Return what a file holds; with its ``mark`` a copy that was read before may do.

        Raises:
            FileNotFoundError: there is none.
        """

    def digest(self, name: str) -> str:
        """Return the SHA-256 of what a file holds, however large it is.

        Raises:
            FileNotFoundError: there is none.
        """

    def each(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield what ``function``, which reads from the shelf, gives for each item, in their order."""

    def lay(self, name: str, content: BinaryIO) -> None:
        """Write a file aside, whence :meth:`settle` brings it to its place; for the one run that writes."""

    def settle(self, names: Sequence[str]) -> None:
        """Bring files that were laid aside to their places, each in one step; they are safe then."""

    def put(self, name: str, content: bytes) -> None:
        """Write a file in one step, beside whatever a run writes; it is safe then."""

    def touch(self, name: str) -> None:
        """Have a file there that holds nothing."""

    def remove(self, name: str) -> None:
        """Have no such file there."""

    def sweep(self) -> None:
        """Clear away what a killed run has laid aside; nobody else may be writing."""


def shelf_at(place: ArchivePlace, *, afresh: bool = False) -> Shelf:
    """Return the shelf at ``place``; ``afresh``: no copies of what was read before."""
    if isinstance(place, Bucket):
        # What the storage needs is imported by those alone whose archive is there.
        from warehouse.bucket import BucketShelf

        return BucketShelf(place, afresh=afresh)
    return Folder(place)


class Folder:
    """A shelf that is a folder of this machine, or one that is mounted there.

    Files come to their places by rename. A run lays them aside in ``.partial``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._partial = root / ".partial"

    def where(self, name: str) -> str:
        """As :meth:`Shelf.where`."""
        return str(self._root / name)

    def is_there(self) -> bool:
        """As :meth:`Shelf.is_there`."""
        return self._root.is_dir()

    def names(self, pattern: str) -> list[str]:
        """As :meth:`Shelf.names`."""
        begin = len(self._root.parts)
        return sorted("/".join(path.parts[begin:]) for path in self._root.glob(pattern))

    def marks(self, pattern: str) -> Mapping[str, Hashable]:
        """As :meth:`Shelf.marks`."""
        return {name: self._mark(name) for name in self.names(pattern)}

    def _mark(self, name: str) -> Hashable:
        facts = (self._root / name).stat()
        return facts.st_size, facts.st_mtime_ns

    def size(self, name: str) -> int | None:
        """As :meth:`Shelf.size`."""
        try:
            return (self._root / name).stat().st_size
        except FileNotFoundError:
            return None

    glance = size

    def read(self, name: str, mark: Hashable = None) -> bytes:
        """As :meth:`Shelf.read`."""
        return (self._root / name).read_bytes()

    def digest(self, name: str) -> str:
        """As :meth:`Shelf.digest`."""
        with (self._root / name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def each(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """As :meth:`Shelf.each`."""
        return map(function, items)

    def lay(self, name: str, content: BinaryIO) -> None:
        """As :meth:`Shelf.lay`."""
        part = self._part(name)
        try:
            with _opened(part) as file:
                shutil.copyfileobj(content, file, _PIECE)
        except BaseException:  # a part of it is of no use
            part.unlink(missing_ok=True)
            raise

    def settle(self, names: Sequence[str]) -> None:
        """As :meth:`Shelf.settle`."""
        parts = {name: self._part(name) for name in names}
        try:
            if len(parts) == 1:
                _on_disk(*parts.values())
            else:
                with ThreadPoolExecutor(_DISK_QUEUE) as waiting:
                    list(waiting.map(_on_disk, parts.values()))
            for name in names:
                self._bring(parts[name], self._root / name)
                del parts[name]
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)

    def put(self, name: str, content: bytes) -> None:
        """As :meth:`Shelf.put`."""
        target = self._root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        part.write_bytes(content)
        _on_disk(part)
        part.replace(target)

    def touch(self, name: str) -> None:
        """As :meth:`Shelf.touch`."""
        file = self._root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()

    def remove(self, name: str) -> None:
        """As :meth:`Shelf.remove`."""
        (self._root / name).unlink(missing_ok=True)

    def sweep(self) -> None:
        """As :meth:`Shelf.sweep`."""
        shutil.rmtree(self._partial, ignore_errors=True)

    def _part(self, name: str) -> Path:
        return self._partial / name.rpartition("/")[2]

    @staticmethod
    def _bring(part: Path, target: Path) -> None:
        """Bring a file that is whole, and on the disk, to its place in one step."""
        try:
            part.replace(target)
        except (FileNotFoundError, NotADirectoryError):
            # It tells of a file that is in the way.
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
        except IsADirectoryError:  # put there by somebody: it is in the way, and theirs
            target.rename(target.with_name(f"{target.name}.aside"))
            part.replace(target)


def _opened(file: Path) -> BinaryIO:
    """Return ``file``, open to be written; its folder is made where there is none."""
    try:
        return file.open("wb")
    except (FileNotFoundError, NotADirectoryError):
        file.parent.mkdir(parents=True, exist_ok=True)
        return file.open("wb")


def _on_disk(file: Path) -> None:
    """Return when what is in ``file`` has reached the disk."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
