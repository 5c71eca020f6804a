"""The archive: every file ever received, byte for byte, with its receipts.

``archive/<first two digits>/<sha256>`` holds an original. ``archive/receipts/<sha256>.jsonl``
holds the receipts of one delivery round, one JSON object a line: sha256, path (as found, below the
inbox), received_at (UTC), and taken_at where the file was dated later than it was taken. Both come
to their places whole and in one step, and are never changed afterwards; receipts are written after
the originals they speak of, so that a run killed at any moment leaves nothing half. All of it lies
on a shelf (:mod:`warehouse.shelf`): the folder ``archive`` of the home, or a place in a bucket.

The name of every file is the hash of what it holds (for receipts, of the whole round), and is
compared with it before anything is believed. What is damaged is named and left out; the rest holds.
``archive/.damaged-<sha256>``, an empty file, notes an original that was found damaged, for the next
run to look at again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NoReturn

from transforms.texts import Text, ToldInBoth, said_by_system
from warehouse.shelf import ArchivePlace, Shelf, shelf_at

_PIECE = 2**20  # bytes
_DIGEST = re.compile(r"[0-9a-f]{64}")
#: Where the receipts are.
RECEIPTS = "receipts"
_NOTE = ".damaged-"
#: Every night looks through one part of the originals, so that each is read once in so many nights.
PARTS = 30


@dataclass(frozen=True, order=True)
class Receipt:
    """That these bytes were found at this path, last modified there at this time (UTC, naive).

    ``taken_at`` is when they were taken, given only where that was before ``received_at``: the
    file was dated in the future.
    """

    received_at: datetime
    path: str
    sha256: str
    taken_at: datetime | None = field(default=None, compare=False)

    @property
    def folder(self) -> str:
        """The folder of the reporting unit, "" for a file beside these folders."""
        folder, slash, _ = self.path.partition("/")
        return folder if slash else ""

    @property
    def key(self) -> tuple[str, str]:
        """What makes two receipts speak of the same delivery."""
        return (self.sha256, self.path)


class ArchiveDamaged(ToldInBoth):
    """An original is missing or is not what was archived, or a receipt cannot be believed."""


def _refuse(damage: ArchiveDamaged) -> NoReturn:
    raise damage


class Archive:
    """Originals and receipts on the shelf at ``root``.

    ``afresh``: whatever this machine has read of it before is read again. What cannot be reached raises
    StorageFailed, whatever is asked of it.
    """

    def __init__(self, root: ArchivePlace, *, afresh: bool = False) -> None:
        self.root = root
        self._shelf: Shelf = shelf_at(root, afresh=afresh)
        self._damaged: set[str] = set()
        self._rounds: dict[str, tuple[Hashable, list[Receipt]]] = {}
        self._unsettled: dict[str, int] = {}

    def keep(self, content: bytes | BinaryIO, *, later: bool = False) -> str:
        """Archive the content of a file and give its SHA-256; the same bytes are kept once.

        An original that is missing, was cut off or was found damaged (:meth:`verify`) is written anew.
        With ``later`` it comes to its place with :meth:`settle`, together with others: to wait for a disk
        once for each file is most of the time that small files take.
        """
        file = BytesIO(content) if isinstance(content, bytes) else content
        digest = digest_of(file)
        size = file.tell()
        if self._unsettled.get(digest) == size or self.holds(digest, size):
            return digest
        file.seek(0)
        self._shelf.lay(_name(digest), file)
        if later:
            self._unsettled[digest] = size
        else:
            self._shelf.settle([_name(digest)])
            self._damaged.discard(digest)
        return digest

    def settle(self) -> None:
        """Bring the originals that were kept for later to their places; they are safe then.

        Raises:
            OSError: one cannot be written; those that are not in their places are as if never kept.
        """
        digests, self._unsettled = list(self._unsettled), {}
        if digests:
            self._shelf.settle([_name(digest) for digest in digests])
            self._damaged.difference_update(digests)

    def holds(self, sha256: str, size: int | None = None) -> bool:
        """Return whether the original is there, of this size if given, and not known to be damaged."""
        if sha256 in self._damaged:
            return False
        found = self._shelf.glance(_name(sha256))
        return found is not None and (size is None or found == size)

    def sign(self, receipts: Iterable[Receipt]) -> None:
        """Write the receipts of one round; their originals must have been kept before.

        Those that were kept for later are settled first (:meth:`settle`).
        """
        self.settle()
        data = b"".join(map(_line, sorted(receipts)))
        if data:
            name = f"{RECEIPTS}/{hashlib.sha256(data).hexdigest()}.jsonl"
            self._shelf.lay(name, BytesIO(data))
            self._shelf.settle([name])

    def receipts(
        self, on_damage: Callable[[ArchiveDamaged], object] = _refuse
    ) -> Iterator[Receipt]:
        """Yield all receipts; of the same bytes at the same path only the earliest.

        A round that was changed, or in which a line is no receipt, is not believed: ``on_damage``
        is told of it, by file and line, and the others are read.

        Raises:
            ArchiveDamaged: at the first damage, unless ``on_damage`` is given.
        """
        first: dict[tuple[str, str], Receipt] = {}
        marks = self._shelf.marks(f"{RECEIPTS}/*.jsonl")
        for entries in self._shelf.each(self._round, marks.items()):
            if isinstance(entries, ArchiveDamaged):
                on_damage(entries)
                continue
            for receipt in entries:
                known = first.get(receipt.key)
                if known is None or _order(receipt) < _order(known):
                    first[receipt.key] = receipt
        yield from sorted(first.values())

    def _round(self, item: tuple[str, Hashable]) -> list[Receipt] | ArchiveDamaged:
        """Return the receipts of one round, read once as long as its file is the same; or why there are none."""
        name, mark = item
        known = self._rounds.get(name)
        if known is not None and known[0] == mark:
            return known[1]
        try:
            entries = _read_round(self._shelf, name, mark)
        except ArchiveDamaged as damage:
            return damage
        self._rounds[name] = (mark, entries)
        return entries

    def read(self, sha256: str) -> bytes:
        """Return the original with this hash.

        Raises:
            ArchiveDamaged: it is not there, or no longer what it was.
        """
        try:
            data = self._shelf.read(_name(sha256))
        except OSError as error:
            raise self._unreadable(sha256, error) from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise self._changed(sha256)
        return data

    def size(self, sha256: str) -> int:
        """Return the bytes of the original with this hash, as a number.

        Raises:
            ArchiveDamaged: it is not there.
        """
        try:
            size = self._shelf.size(_name(sha256))
        except OSError as error:
            raise self._unreadable(sha256, error) from None
        if size is None:
            raise self._missing(sha256)
        return size

    def glance(self, sha256: str) -> int | None:
        """Return the bytes of an original in a folder, None where it is not there.

        None in a bucket too: there the question takes as long as to read a small file.
        """
        return self._shelf.size(_name(sha256)) if isinstance(self.root, Path) else None

    def verify(self, sha256: str) -> None:
        """Look whether the original with this hash is what it was, however large it is.

        Raises:
            ArchiveDamaged: it is not there, or no longer what it was.
        """
        try:
            found = self._shelf.digest(_name(sha256))
        except OSError as error:
            raise self._unreadable(sha256, error) from None
        if found != sha256:
            raise self._changed(sha256)

    def damage(self, originals: Iterable[str]) -> dict[str, ArchiveDamaged]:
        """Read these originals; give, by hash, what is wrong with those that are not whole.

        They count as missing from then on: :meth:`keep` writes them anew.
        """
        looked_at = sorted(set(originals))
        found = zip(looked_at, self._shelf.each(self._fault, looked_at), strict=True)
        return {sha256: damage for sha256, damage in found if damage is not None}

    def _fault(self, sha256: str) -> ArchiveDamaged | None:
        try:
            self.verify(sha256)
        except ArchiveDamaged as damage:
            return damage
        return None

    def note(self, looked_at: Iterable[str]) -> None:
        """Note which of the originals that were ``looked_at`` are damaged, for :meth:`noted` of later runs.

        A file for each, which holds nothing: one who looks through the archive beside a run takes
        nothing away from it, whoever of the two is first, and whatever user they are.

        Raises:
            OSError: the archive cannot be written.
        """
        before = self.noted()
        for sha256 in set(looked_at):
            if sha256 in self._damaged:
                self._shelf.touch(f"{_NOTE}{sha256}")
            elif sha256 in before:
                self._shelf.remove(f"{_NOTE}{sha256}")

    def noted(self) -> set[str]:
        """Return the originals that were found damaged, and not whole since."""
        names = (name.removeprefix(_NOTE) for name in self._shelf.names(f"{_NOTE}*"))
        return {name for name in names if _DIGEST.fullmatch(name)}

    def originals(self) -> set[str]:
        """Return the hashes that originals are kept under, with a receipt or without one."""
        names = (name.partition("/")[2] for name in self._shelf.names("??/*"))
        return {name for name in names if _DIGEST.fullmatch(name)}

    def _missing(self, sha256: str) -> ArchiveDamaged:
        place = self._shelf.where(_name(sha256))
        return ArchiveDamaged(
            f"档案中缺少 {place}；请从备份恢复",
            f"{place} is missing from the archive; restore it from the backup",
        )

    def _unreadable(self, sha256: str, error: OSError) -> ArchiveDamaged:
        """Return why an original is not to be had; a disk that is failing gives an error and not other bytes."""
        if isinstance(error, FileNotFoundError):
            return self._missing(sha256)
        if error.errno != errno.EACCES:
            self._damaged.add(sha256)
        place = self._shelf.where(_name(sha256))
        said = said_by_system(error)
        return ArchiveDamaged(
            f"{place} 读不出来（{said.zh}）；请检查权限和磁盘，或从备份恢复",
            f"{place} cannot be read ({said.en}); see to its permissions and its disk, or restore it"
            " from the backup",
        )

    def _changed(self, sha256: str) -> ArchiveDamaged:
        self._damaged.add(sha256)
        place = self._shelf.where(_name(sha256))
        return ArchiveDamaged(
            f"{place} 被改动过；请从备份恢复", f"{place} was changed; restore it from the backup"
        )

    def sweep(self) -> None:
        """Clear away what a killed run left half written; nobody else may be writing."""
        self._shelf.sweep()


def _name(sha256: str) -> str:
    """Return what an original is called on its shelf. Raises ArchiveDamaged where it is no hash."""
    if not _DIGEST.fullmatch(sha256):
        raise ArchiveDamaged(
            f"{sha256[:80]!r} 不是 SHA-256，不对应任何原件",
            f"{sha256[:80]!r} is no SHA-256, and names no original",
        )
    return f"{sha256[:2]}/{sha256}"


def keep_named(shelf: Shelf, folder: str, data: bytes, ending: str) -> str:
    """Write ``data`` into ``folder`` of a shelf under its own SHA-256 with ``ending``; give the file, as people are told of it.

    The same twice is kept once.
    """
    name = f"{folder}/{hashlib.sha256(data).hexdigest()}{ending}"
    shelf.put(name, data)
    return shelf.where(name)


def read_named(shelf: Shelf, name: str, mark: Hashable, remedy: Text) -> bytes:
    """Return what :func:`keep_named` wrote under ``name``; ``mark`` as of :meth:`~warehouse.shelf.Shelf.read`.

    Raises:
        ArchiveDamaged: the file cannot be read or is not what was written; ``remedy`` ends its sentence.
    """
    file = shelf.where(name)
    try:
        data = shelf.read(name, mark)
    except OSError as error:
        said = said_by_system(error)
        raise ArchiveDamaged(
            f"{file} 读不出来（{said.zh}）：{remedy.zh}",
            f"{file} cannot be read ({said.en}): {remedy.en}",
        ) from None
    if hashlib.sha256(data).hexdigest() != PurePosixPath(name).stem:
        raise _renamed(file, remedy)
    return data


def _renamed(file: str, remedy: Text) -> ArchiveDamaged:
    """Return that a file does not hold what its name says."""
    return ArchiveDamaged(
        f"{file} 被改动过（文件名是原有内容的哈希）：{remedy.zh}",
        f"{file} was changed (its name is the hash of what it held): {remedy.en}",
    )


def part_of(originals: Iterable[str], night: date) -> list[str]:
    """Return those of the ``originals`` that are looked through on the date ``night``."""
    number = night.toordinal() % PARTS
    return sorted(sha256 for sha256 in set(originals) if int(sha256[:4], 16) % PARTS == number)


def _order(receipt: Receipt) -> tuple[datetime, datetime]:
    """Return the order in which, of the same delivery signed twice, the earlier one holds, and what was known of it then."""
    return receipt.received_at, receipt.taken_at or receipt.received_at


def _line(receipt: Receipt) -> bytes:
    """Return a receipt as it stands in its round."""
    entry = {
        "path": receipt.path,
        "received_at": receipt.received_at.isoformat() + "Z",
        "sha256": receipt.sha256,
    }
    if receipt.taken_at is not None:
        entry["taken_at"] = receipt.taken_at.isoformat() + "Z"
    return (json.dumps(entry, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")


def _read_round(shelf: Shelf, name: str, mark: Hashable) -> list[Receipt]:
    """Return the receipts of one round.

    Raises:
        ArchiveDamaged: the file is not what was written, or a line of it is no receipt.
    """
    remedy = Text(
        "其中的内容一概不算数；请从备份恢复",
        "nothing in it is believed; restore it from the backup",
    )
    file = shelf.where(name)
    try:
        data = shelf.read(name, mark)
    except OSError as error:
        said = said_by_system(error)
        raise ArchiveDamaged(
            f"{file} 读不出来（{said.zh}）；{remedy.zh}",
            f"{file} cannot be read ({said.en}); {remedy.en}",
        ) from None
    changed = hashlib.sha256(data).hexdigest() != PurePosixPath(name).stem
    found = []
    # Lines end at \n alone: a file name may hold any of the other characters that do.
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), start=1):
        if not line:
            continue
        try:
            found.append(_receipt(json.loads(line)))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise ArchiveDamaged(
                f"{file} 第{number}行不是收件记录{'，文件也被改动过' if changed else ''}：{remedy.zh}",
                f"{file}, line {number}, is no receipt"
                f"{', and the file was changed' if changed else ''}: {remedy.en}",
            ) from None
    if changed:
        raise _renamed(file, remedy)
    return found


def _receipt(entry: dict[str, Any]) -> Receipt:
    """Return a line of a round, read. Raises what ``dict`` and ``datetime`` raise, where it is none."""
    path, sha256, taken = entry["path"], entry["sha256"], entry.get("taken_at")
    if not isinstance(path, str) or not _DIGEST.fullmatch(sha256):
        raise ValueError
    return Receipt(_moment(entry["received_at"]), path, sha256, _moment(taken) if taken else None)


def _moment(text: str) -> datetime:
    """Return a time with its zone, in UTC and without it."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def digest_of(file: BinaryIO) -> str:
    """Return the SHA-256 of a file's whole content, read piece by piece; it stands at its end then."""
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()
