"""The archive: every file ever received, byte for byte, with its receipts.

``archive/<first two digits>/<sha256>`` holds an original. ``archive/receipts/<sha256>.jsonl``
holds the receipts of one delivery round, one JSON object a line: sha256, path (as found, below the
inbox), received_at (UTC). Both are written under a temporary name in ``archive/.partial`` and
renamed, and never changed afterwards; receipts are written after the originals they speak of, so
that a run killed at any moment leaves nothing half.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

_PIECE = 2**20  # bytes


@dataclass(frozen=True, order=True)
class Receipt:
    """That these bytes were found at this path, last modified there at this time (UTC, naive)."""

    received_at: datetime
    path: str
    sha256: str

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
    """An original is missing or its bytes are not those it was archived with."""


class Archive:
    """Originals and receipts below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._receipts = root / "receipts"
        self._partial = root / ".partial"

    def keep(self, content: bytes | BinaryIO) -> str:
        """Archive the content of a file and give its SHA-256; the same bytes are kept once."""
        file = BytesIO(content) if isinstance(content, bytes) else content
        digest = digest_of(file)
        target = self._place(digest)
        if not target.exists():
            file.seek(0)
            self._write(target, file)
        return digest

    def sign(self, receipts: Iterable[Receipt]) -> None:
        """Write the receipts of one round; their originals must have been kept before."""
        lines = [
            json.dumps(
                {
                    "path": receipt.path,
                    "received_at": receipt.received_at.isoformat() + "Z",
                    "sha256": receipt.sha256,
                },
                ensure_ascii=False,
            )
            for receipt in sorted(receipts)
        ]
        if lines:
            data = ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")
            self._write(self._receipts / f"{hashlib.sha256(data).hexdigest()}.jsonl", BytesIO(data))

    def receipts(self) -> Iterator[Receipt]:
        """All receipts; of the same bytes at the same path only the earliest."""
        first: dict[tuple[str, str], Receipt] = {}
        for file in sorted(self._receipts.glob("*.jsonl")):
            # Lines end at \n alone: a file name may hold any of the other characters that do.
            for line in file.read_bytes().decode("utf-8", "surrogateescape").split("\n"):
                if not line:
                    continue
                entry = json.loads(line)
                receipt = Receipt(
                    datetime.fromisoformat(entry["received_at"])
                    .astimezone(UTC)
                    .replace(tzinfo=None),
                    entry["path"],
                    entry["sha256"],
                )
                known = first.get(receipt.key)
                if known is None or receipt < known:
                    first[receipt.key] = receipt
        yield from sorted(first.values())

    def read(self, sha256: str) -> bytes:
        """The original with this hash.

        Raises:
            ArchiveDamaged: it is not there, or no longer what it was.
        """
        with self._open(sha256) as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise self._changed(sha256)
        return data

    def size(self, sha256: str) -> int:
        """The bytes of the original with this hash, as a number.

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
            if digest_of(file) != sha256:
                raise self._changed(sha256)

    def _open(self, sha256: str) -> BinaryIO:
        place = self._place(sha256)
        try:
            return place.open("rb")
        except FileNotFoundError:
            raise ArchiveDamaged(
                f"{place} is missing from the archive; restore it from the backup"
            ) from None

    def _changed(self, sha256: str) -> ArchiveDamaged:
        return ArchiveDamaged(f"{self._place(sha256)} was changed; restore it from the backup")

    def _place(self, sha256: str) -> Path:
        return self.root / sha256[:2] / sha256

    def sweep(self) -> None:
        """Clear away what a killed run left half written; nobody else may be writing."""
        shutil.rmtree(self._partial, ignore_errors=True)

    def _write(self, target: Path, content: BinaryIO) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        self._partial.mkdir(exist_ok=True)
        partial = self._partial / target.name
        try:
            with partial.open("wb") as file:
                shutil.copyfileobj(content, file, _PIECE)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


def digest_of(file: BinaryIO) -> str:
    """The SHA-256 of a file's whole content, read piece by piece; it stands at its end then."""
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()
