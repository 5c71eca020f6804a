"""The archive: every file ever received, byte for byte, with its receipts.

``archive/<first two digits>/<sha256>`` holds an original. ``archive/receipts/<sha256>.jsonl``
holds the receipts of one delivery round, one JSON object a line: sha256, path (as found, below the
inbox), received_at (UTC), and taken_at where the file was dated later than it was taken. Both are
written under a temporary name in ``archive/.partial`` and renamed, and never changed afterwards;
receipts are written after the originals they speak of, so that a run killed at any moment leaves
nothing half.

The name of every file is the hash of what it holds (for receipts, of the whole round), and is
compared with it before anything is believed. What is damaged is named and left out; the rest holds.
``archive/.damaged-<sha256>``, an empty file, notes an original that was found damaged, for the next
run to look at again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

_PIECE = 2**20  # bytes
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NOTE = ".damaged-"
#: So many files wait for the disk side by side: it writes them together.
_DISK_QUEUE = 16
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


class ArchiveDamaged(Exception):
    """An original is missing or is not what was archived, or a receipt cannot be believed."""


def _refuse(damage: ArchiveDamaged) -> NoReturn:
    raise damage


class Archive:
    """Originals and receipts below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._receipts = root / "receipts"
        self._partial = root / ".partial"
        self._damaged: set[str] = set()
        self._rounds: dict[Path, tuple[tuple[int, int], list[Receipt]]] = {}
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
        if later:
            with self._part(self._place(digest)).open("wb") as part:
                shutil.copyfileobj(file, part, _PIECE)
            self._unsettled[digest] = size
        else:
            self._write(self._place(digest), file)
            self._damaged.discard(digest)
        return digest

    def settle(self) -> None:
        """Bring the originals that were kept for later to their places; they are on the disk then.

        Raises:
            OSError: one cannot be written; those that are not in their places are as if never kept.
        """
        digests, self._unsettled = list(self._unsettled), {}
        if not digests:
            return
        parts = [self._part(self._place(digest)) for digest in digests]
        try:
            with ThreadPoolExecutor(_DISK_QUEUE) as waiting:
                list(waiting.map(on_disk, parts))
            for digest, part in zip(digests, parts, strict=True):
                self._put(part, self._place(digest))
                self._damaged.discard(digest)
        finally:
            for part in parts:
                part.unlink(missing_ok=True)

    def holds(self, sha256: str, size: int | None = None) -> bool:
        """Return whether the original is there, of this size if given, and not known to be damaged."""
        if sha256 in self._damaged:
            return False
        try:
            found = self._place(sha256).stat().st_size
        except FileNotFoundError:
            return False
        return size is None or found == size

    def sign(self, receipts: Iterable[Receipt]) -> None:
        """Write the receipts of one round; their originals must have been kept before.

        Those that were kept for later are settled first (:meth:`settle`).
        """
        self.settle()
        data = b"".join(map(_line, sorted(receipts)))
        if data:
            self._write(self._receipts / f"{hashlib.sha256(data).hexdigest()}.jsonl", BytesIO(data))

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
        for file in sorted(self._receipts.glob("*.jsonl")):
            try:
                entries = self._round(file)
            except ArchiveDamaged as damage:
                on_damage(damage)
                continue
            for receipt in entries:
                known = first.get(receipt.key)
                if known is None or _order(receipt) < _order(known):
                    first[receipt.key] = receipt
        yield from sorted(first.values())

    def _round(self, file: Path) -> list[Receipt]:
        """Return the receipts of one round, read once as long as its file is the same."""
        facts = file.stat()
        mark = (facts.st_size, facts.st_mtime_ns)
        known = self._rounds.get(file)
        if known is None or known[0] != mark:
            self._rounds[file] = known = (mark, _read_round(file))
        return known[1]

    def read(self, sha256: str) -> bytes:
        """Return the original with this hash.

        Raises:
            ArchiveDamaged: it is not there, or no longer what it was.
        """
        with self._open(sha256) as file:
            data = self._all_of(sha256, file)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise self._changed(sha256)
        return data

    def size(self, sha256: str) -> int:
        """Return the bytes of the original with this hash, as a number.

        Raises:
            ArchiveDamaged: it is not there.
        """
        with self._open(sha256) as file:
            return file.seek(0, os.SEEK_END)

    def verify(self, sha256: str) -> None:
        """Look whether the original with this hash is what it was, however large it is.

        Raises:
            ArchiveDamaged: it is not there, or no longer what it was.
        """
        with self._open(sha256) as file:
            try:
                found = digest_of(file)
            except OSError as error:
                raise self._unreadable(sha256, error) from None
            if found != sha256:
                raise self._changed(sha256)

    def damage(self, originals: Iterable[str]) -> dict[str, ArchiveDamaged]:
        """Read these originals; give, by hash, what is wrong with those that are not whole.

        They count as missing from then on: :meth:`keep` writes them anew.
        """
        found = {}
        for sha256 in sorted(set(originals)):
            try:
                self.verify(sha256)
            except ArchiveDamaged as damage:
                found[sha256] = damage
        return found

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
                (self.root / f"{_NOTE}{sha256}").touch()
            elif sha256 in before:
                (self.root / f"{_NOTE}{sha256}").unlink(missing_ok=True)

    def noted(self) -> set[str]:
        """Return the originals that were found damaged, and not whole since."""
        names = (place.name.removeprefix(_NOTE) for place in self.root.glob(f"{_NOTE}*"))
        return {name for name in names if _DIGEST.fullmatch(name)}

    def originals(self) -> set[str]:
        """Return the hashes that originals are kept under, with a receipt or without one."""
        return {place.name for place in self.root.glob("??/*") if _DIGEST.fullmatch(place.name)}

    def _open(self, sha256: str) -> BinaryIO:
        place = self._place(sha256)
        try:
            return place.open("rb")
        except FileNotFoundError:
            raise ArchiveDamaged(
                f"{place} is missing from the archive; restore it from the backup"
            ) from None
        except OSError as error:
            raise self._unreadable(sha256, error) from None

    def _all_of(self, sha256: str, file: BinaryIO) -> bytes:
        try:
            return file.read()
        except OSError as error:  # a disk that is failing gives an error and not other bytes
            raise self._unreadable(sha256, error) from None

    def _unreadable(self, sha256: str, error: OSError) -> ArchiveDamaged:
        if error.errno != errno.EACCES:
            self._damaged.add(sha256)
        return ArchiveDamaged(
            f"{self._place(sha256)} cannot be read ({error.strerror}); see to its permissions and its"
            " disk, or restore it from the backup"
        )

    def _changed(self, sha256: str) -> ArchiveDamaged:
        self._damaged.add(sha256)
        return ArchiveDamaged(f"{self._place(sha256)} was changed; restore it from the backup")

    def _place(self, sha256: str) -> Path:
        if not _DIGEST.fullmatch(sha256):
            raise ArchiveDamaged(f"{sha256[:80]!r} is no SHA-256, and names no original")
        return self.root / sha256[:2] / sha256

    def sweep(self) -> None:
        """Clear away what a killed run left half written; nobody else may be writing."""
        shutil.rmtree(self._partial, ignore_errors=True)

    def _part(self, target: Path) -> Path:
        """Return where a file is written before it comes to its place ``target``."""
        self._partial.mkdir(parents=True, exist_ok=True)
        return self._partial / target.name

    def _put(self, part: Path, target: Path) -> None:
        """Bring a file that is whole, and on the disk, to its place in one step."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():  # put there by somebody: it is in the way, and theirs
            target.rename(target.with_name(f"{target.name}.aside"))
        part.replace(target)

    def _write(self, target: Path, content: BinaryIO) -> None:
        part = self._part(target)
        try:
            with part.open("wb") as file:
                shutil.copyfileobj(content, file, _PIECE)
            on_disk(part)
            self._put(part, target)
        finally:
            part.unlink(missing_ok=True)


def on_disk(file: Path) -> None:
    """Return when what is in ``file`` has reached the disk."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def keep_named(folder: Path, data: bytes, ending: str) -> Path:
    """Write ``data`` into ``folder`` under its own SHA-256 with ``ending``; give the file. The same twice is kept once."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{hashlib.sha256(data).hexdigest()}{ending}"
    part = folder / f".{target.name}.part"
    part.write_bytes(data)
    on_disk(part)
    part.replace(target)
    return target


def read_named(file: Path, remedy: str) -> bytes:
    """Return what :func:`keep_named` wrote.

    Raises:
        ArchiveDamaged: the file cannot be read or is not what was written; ``remedy`` ends its sentence.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ArchiveDamaged(f"{file} cannot be read ({error.strerror}): {remedy}") from None
    if hashlib.sha256(data).hexdigest() != file.stem:
        raise ArchiveDamaged(f"{file} was changed (its name is the hash of what it held): {remedy}")
    return data


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


def _read_round(file: Path) -> list[Receipt]:
    """Return the receipts of one round.

    Raises:
        ArchiveDamaged: the file is not what was written, or a line of it is no receipt.
    """
    remedy = "nothing in it is believed; restore it from the backup"
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ArchiveDamaged(f"{file} cannot be read ({error.strerror}); {remedy}") from None
    changed = hashlib.sha256(data).hexdigest() != file.stem
    found = []
    # Lines end at \n alone: a file name may hold any of the other characters that do.
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), start=1):
        if not line:
            continue
        try:
            found.append(_receipt(json.loads(line)))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise ArchiveDamaged(
                f"{file}, line {number}, is no receipt"
                f"{', and the file was changed' if changed else ''}: {remedy}"
            ) from None
    if changed:
        raise ArchiveDamaged(f"{file} was changed (its name is the hash of what it held): {remedy}")
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
