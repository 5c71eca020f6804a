"""The archive: every file ever received, byte for byte, with its receipts.

``archive/<first two digits>/<sha256>`` holds an original. ``archive/receipts/<sha256>.jsonl``
holds the receipts of one delivery round, one JSON object a line: sha256, path (as found, below the
inbox), received_at (UTC). Both are written under a temporary name and renamed, and never changed
afterwards; receipts are written after the originals they speak of, so that a run killed at any
moment leaves nothing half.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


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

    def keep(self, data: bytes) -> str:
        """Archive ``data`` and give its SHA-256; the same bytes are kept once."""
        digest = hashlib.sha256(data).hexdigest()
        target = self._place(digest)
        if not target.exists():
            _write(target, data)
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
            _write(self._receipts / f"{hashlib.sha256(data).hexdigest()}.jsonl", data)

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
        place = self._place(sha256)
        try:
            data = place.read_bytes()
        except FileNotFoundError:
            raise ArchiveDamaged(
                f"{place} is missing from the archive; restore it from the backup"
            ) from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ArchiveDamaged(f"{place} was changed; restore it from the backup")
        return data

    def _place(self, sha256: str) -> Path:
        return self.root / sha256[:2] / sha256


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
