"""From archived deliveries to rows in the warehouse: read in parallel, check in sets, load.

Files are read by workers (:mod:`warehouse.workers`). Deliveries are taken in portions, so that
memory depends on the portion and not on how much there is; the caller says whether each of them is
kept by itself or all belong to one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, Self

import duckdb
import polars as pl

from transforms.formats import Limits, Unreadable, expected_bytes
from transforms.gate import Document, examine
from transforms.headers import Table
from transforms.reading import Found, find_files
from warehouse.archive import Archive, Receipt
from warehouse.reference import Reference
from warehouse.store import Loaded, known_deliveries, load
from warehouse.worker import Part
from warehouse.workers import Breach, Order, Workers

#: Files checked and loaded together, and the bytes that their cells may come to.
PORTION, PORTION_BYTES = 2000, 256 * 2**20
#: So many files of a zip are given up one by one; then the rest of it is given up unread.
_GIVEN_UP: Final = 3


@dataclass(frozen=True)
class Ingested:
    """What a run took in: deliveries read, submissions new to the ledger, and their outcome."""

    deliveries: int
    submissions: int
    accepted: int
    returned: int


def pending(connection: duckdb.DuckDBPyConnection, archive: Archive) -> list[Receipt]:
    """The receipts that the warehouse has not read yet, the earliest first."""
    known = known_deliveries(connection)
    return [
        receipt
        for receipt in archive.receipts()
        if receipt.key not in known or receipt.received_at < known[receipt.key].received_at
    ]


def ingest(
    connection: duckdb.DuckDBPyConnection,
    archive: Archive,
    reference: Reference,
    receipts: Sequence[Receipt],
    *,
    limits: Limits,
    workers: Workers,
    on_file: Callable[[], None],
    kept: Callable[[], AbstractContextManager[None]],
) -> Ingested:
    """Read ``receipts`` from the archive and load what they hold, the earliest first.

    ``on_file`` is called after every file read; every portion is loaded within a ``kept()``.

    Raises:
        ArchiveDamaged: an original is missing or changed.
        WorkersFailed: there is nobody to read.
    """
    loaded = Loaded(0, 0, 0)
    ordered = sorted(receipts)
    for portion in _portions(
        read_deliveries(archive, reference, ordered, limits, workers), on_file
    ):
        documents = [document for found in portion for document in found]
        origins = [i for i, found in enumerate(portion) for _ in found]
        examined = examine(documents, reference.unit_named)
        taken, ordered = ordered[: len(portion)], ordered[len(portion) :]
        with kept():
            outcome = load(connection, taken, examined, _origins(documents, origins))
        loaded = Loaded(
            loaded.submissions + outcome.submissions,
            loaded.accepted + outcome.accepted,
            loaded.returned + outcome.returned,
        )
    return Ingested(len(receipts), loaded.submissions, loaded.accepted, loaded.returned)


def read_deliveries(
    archive: Archive,
    reference: Reference,
    receipts: Sequence[Receipt],
    limits: Limits,
    workers: Workers,
) -> Iterator[list[Document]]:
    """The documents of each delivery, in their order. Raises as :func:`ingest`."""
    return workers.carry_out(
        _Reading(
            limits=limits,
            archive=archive.root,
            receipt=receipt,
            region_code=reference.unit_of(receipt.folder),
        )
        for receipt in receipts
    )


def _portions(
    read: Iterator[list[Document]], on_file: Callable[[], None]
) -> Iterator[list[list[Document]]]:
    portion: list[list[Document]] = []
    size = 0
    for found in read:
        portion.append(found)
        size += sum(_size(document) for document in found)
        on_file()
        if len(portion) >= PORTION or size >= PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _size(document: Document) -> int:
    """The bytes that the cells of a document take."""
    if isinstance(document.content, Unreadable):
        return 0
    tables = (item for item in document.content if isinstance(item, Table))
    return sum(int(table.body.estimated_size()) for table in tables)


@dataclass(frozen=True, kw_only=True)
class _Reading(Order[Document]):
    """Read one delivery; a part is a file of it, because a zip may hold many.

    ``given_up`` is how many of them were.
    """

    archive: Path
    receipt: Receipt
    region_code: str | None
    given_up: int = 0

    def parts(self) -> Iterator[Part[Document]]:
        for found in islice(self._find(self._content()), self.start, None):
            if self.given_up >= _GIVEN_UP:
                found = replace(found, data=_REST.problem)
            needs = (
                0 if isinstance(found.data, Unreadable) else expected_bytes(found.data, self.limits)
            )
            yield Part(found.outline, needs, partial(found.read, self.limits))

    def without(
        self, outline: Document | None, breach: Breach
    ) -> tuple[list[Document], Self | None]:
        if outline is None:
            return [one.refused(breach.problem) for one in self._find(breach.problem)], None
        given_up = replace(outline, content=breach.problem)
        return [given_up], replace(self, start=self.start + 1, given_up=self.given_up + 1)

    def _content(self) -> bytes | Unreadable:
        originals = Archive(self.archive)
        # What is too large to be read is not read to find that out.
        if originals.size(self.receipt.sha256) > self.limits.file_bytes:
            return Unreadable.file_too_large(self.limits)
        return originals.read(self.receipt.sha256)

    def _find(self, content: bytes | Unreadable) -> Iterator[Found]:
        return find_files(
            content,
            self.receipt.path,
            sha256=self.receipt.sha256,
            region_code=self.region_code,
            limits=self.limits,
        )


_REST: Final = Breach(
    f"同一压缩包中已有 {_GIVEN_UP} 个文件未能读完",
    f"{_GIVEN_UP} files of the same zip were given up before it",
)


def _origins(documents: Sequence[Document], origins: Sequence[int]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "document": list(range(len(documents))),
            "receipt": list(origins),
            "folder": [document.folder for document in documents],
            "file_name": [document.file_name for document in documents],
            "entry": [document.entry for document in documents],
        },
        schema={
            "document": pl.Int64(),
            "receipt": pl.Int64(),
            "folder": pl.String(),
            "file_name": pl.String(),
            "entry": pl.String(),
        },
    )
