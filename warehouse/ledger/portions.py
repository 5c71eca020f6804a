"""What comes of deliveries that were read and checked: counts, and a Parquet file for each table.

Whoever reads writes the files, on whatever machine that is; whoever loads
(:func:`warehouse.ledger.store.load`) has DuckDB take them up as they are, so that no row passes through
the memory of the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from transforms.records import DELIVERY, REASON
from transforms.submissions import Document, Examined
from transforms.texts import Text
from warehouse.archive import Receipt

#: The tables that every portion has; of the others it has those with rows.
DELIVERIES, SUBMISSIONS = DELIVERY.name, "submission"
#: What units wrote for warnings.
REASONS = REASON.name


@dataclass(frozen=True)
class Portion:
    """Deliveries that were read and checked.

    ``deliveries`` is how many were read, ``lost`` are sentences on originals that are damaged or gone.
    ``tables`` are the addresses of Parquet files by the tables of the warehouse that take their rows, as
    they are called in SQL: :data:`DELIVERIES`, :data:`SUBMISSIONS` (with what their delivery says), and the
    others of which there are rows.
    """

    deliveries: int
    tables: Mapping[str, str]
    lost: tuple[Text, ...] = ()


def portions_of(receipts: Sequence[Receipt], most: int) -> Iterator[tuple[Receipt, ...]]:
    """Yield ``receipts``, which are in the order of :func:`by_hash`, in portions of some ``most``.

    Deliveries of the same bytes stay together.
    """
    begin = 0
    for end in range(1, len(receipts) + 1):
        if end == len(receipts) or is_full(end - begin, most, receipts[end - 1], receipts[end]):
            yield tuple(receipts[begin:end])
            begin = end


def is_full(count: int, most: int, last: Receipt, following: Receipt) -> bool:
    """Return whether a portion of ``count`` deliveries ends with the ``last`` one."""
    return count >= most and last.sha256 != following.sha256


def by_hash(receipts: Sequence[Receipt]) -> list[Receipt]:
    """Return ``receipts`` in the order in which they are cut into portions: by hash, then the earliest first.

    The same bytes under several paths are one submission, or one for each year; so they are checked
    together, whatever the size of a portion.
    """
    return sorted(receipts, key=lambda receipt: (receipt.sha256, receipt))


def write_portion(
    folder: Path, read: Sequence[tuple[Receipt, list[Document]]], examined: Examined
) -> dict[str, str]:
    """Write what came of the deliveries ``read`` into ``folder``; give the files by their tables.

    ``examined`` is what came of their documents, one after the other.
    """
    deliveries = _deliveries([receipt for receipt, _ in read])
    documents = _documents(read)
    frames = {
        DELIVERIES: deliveries.drop("receipt"),
        SUBMISSIONS: examined.submissions.join(documents, on="document").join(
            deliveries, on="receipt"
        ),
        "submission_sheet": examined.sheets,
        "submission_layout": examined.layout,
        "finding": examined.findings,
        **{f'submitted."{name}"': frame for name, frame in examined.rows.items()},
        REASONS: _reasons(read),
    }
    tables = {}
    for table, frame in frames.items():
        if table in (DELIVERIES, SUBMISSIONS) or not frame.is_empty():
            file = folder / f"{file_name(table)}.parquet"
            frame.write_parquet(file, compression="uncompressed")
            tables[table] = str(file)
    return tables


def file_name(table: str) -> str:
    """Return what the file of a table is called, without its ending."""
    return table.replace('"', "")


def _deliveries(receipts: Sequence[Receipt]) -> pl.DataFrame:
    """Return receipts as :data:`transforms.records.DELIVERY`, numbered in ``receipt``."""
    columns = ("sha256", "path", "received_at", "taken_at")
    rows = [[getattr(receipt, name) for name in columns] for receipt in receipts]
    schema = {name: DELIVERY.schema[name] for name in columns}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_row_index("receipt").with_columns(pl.col("receipt").cast(pl.Int64))


def _documents(read: Sequence[tuple[Receipt, list[Document]]]) -> pl.DataFrame:
    """Return the documents, numbered, each with the number of its delivery in ``receipt``."""
    rows = [
        (number, document.folder, document.file_name, document.entry)
        for number, (_, documents) in enumerate(read)
        for document in documents
    ]
    schema = {
        "receipt": pl.Int64(),
        "folder": pl.String(),
        "file_name": pl.String(),
        "entry": pl.String(),
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_row_index("document").with_columns(pl.col("document").cast(pl.Int64))


def _reasons(read: Sequence[tuple[Receipt, list[Document]]]) -> pl.DataFrame:
    """Return the reasons that units gave in these deliveries (:data:`transforms.records.REASON`)."""
    rows = [
        (document.sha256, document.region_code, receipt.received_at, reason.number, reason.text)
        for receipt, documents in read
        for document in documents
        if document.region_code is not None
        for reason in document.reasons or ()
    ]
    return pl.DataFrame(rows, schema=REASON.schema, orient="row")
