"""From archived deliveries to rows in the warehouse: read in parallel, check in sets, load.

Deliveries are taken in portions, so that memory depends on the portion and not on how much there
is; all portions belong to the transaction of the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import duckdb
import polars as pl

from transforms.formats import Limits, Unreadable
from transforms.gate import Document, examine
from transforms.reading import read_file
from warehouse.archive import Archive, ArchiveDamaged, Receipt
from warehouse.reference import Reference
from warehouse.store import Loaded, known_deliveries, load

#: Files read, checked and loaded together.
PORTION = 2000


@dataclass(frozen=True)
class Ingested:
    """What a run took in: deliveries read, submissions new to the ledger, and their outcome.

    ``lost`` are sentences on originals that are damaged or gone: they were not read.
    """

    deliveries: int
    submissions: int
    accepted: int
    returned: int
    lost: tuple[str, ...] = ()


def pending(
    connection: duckdb.DuckDBPyConnection,
    archive: Archive,
    on_damage: Callable[[ArchiveDamaged], object],
) -> list[Receipt]:
    """The receipts that the warehouse has not read yet, the earliest first.

    ``on_damage`` as in :meth:`warehouse.archive.Archive.receipts`.
    """
    known = known_deliveries(connection)
    return [
        receipt
        for receipt in archive.receipts(on_damage)
        if receipt.key not in known or receipt.received_at < known[receipt.key].received_at
    ]


def ingest(
    connection: duckdb.DuckDBPyConnection,
    archive: Archive,
    reference: Reference,
    receipts: Sequence[Receipt],
    *,
    limits: Limits,
    workers: int,
    on_file: Callable[[], None],
) -> Ingested:
    """Read ``receipts`` from the archive and load what they hold. The caller commits.

    ``on_file`` is called after every file read. Where an original is damaged, its deliveries stay
    unread and the others are loaded.
    """
    lost: list[str] = []
    loaded = Loaded(0, 0, 0)
    with ThreadPoolExecutor(workers) as pool:
        for portion in _portions(receipts):
            documents: list[Document] = []
            origins: list[int] = []
            whole: list[Receipt] = []
            read = pool.map(lambda receipt: _read(receipt, archive, reference, limits), portion)
            for receipt, found in zip(portion, read, strict=True):
                on_file()
                if isinstance(found, ArchiveDamaged):
                    lost.append(str(found))
                    continue
                documents += found
                origins += [len(whole)] * len(found)
                whole.append(receipt)
            outcome = load(
                connection,
                whole,
                examine(documents, reference.unit_named),
                _origins(documents, origins),
            )
            loaded = Loaded(
                loaded.submissions + outcome.submissions,
                loaded.accepted + outcome.accepted,
                loaded.returned + outcome.returned,
            )
    return Ingested(
        len(receipts) - len(lost),
        loaded.submissions,
        loaded.accepted,
        loaded.returned,
        tuple(dict.fromkeys(lost)),
    )


def _portions(receipts: Sequence[Receipt]) -> Iterator[Sequence[Receipt]]:
    ordered = sorted(receipts)
    for start in range(0, len(ordered), PORTION):
        yield ordered[start : start + PORTION]


def _read(
    receipt: Receipt, archive: Archive, reference: Reference, limits: Limits
) -> list[Document] | ArchiveDamaged:
    try:
        # What is too large to be read is not read to find that out.
        too_large = archive.size(receipt.sha256) > limits.file_bytes
        content = Unreadable.file_too_large(limits) if too_large else archive.read(receipt.sha256)
    except ArchiveDamaged as damage:
        return damage
    return read_file(
        content,
        receipt.path,
        sha256=receipt.sha256,
        region_code=reference.unit_of(receipt.folder),
        limits=limits,
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
