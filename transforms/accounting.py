"""Row accounting: what became of every row of a sheet, so that the counts close against the file.

A row is read once and then loaded, returned or ignored; what is ignored is a title, a total, a note
or a blank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from transforms.formats import column_letters
from transforms.records import SUBMISSION_LAYOUT, SUBMISSION_SHEET
from transforms.tables.model import Table


@dataclass(frozen=True)
class SheetCount:
    """The rows of one sheet that are counted with one submission: of data, and those ignored by kind."""

    submission: int
    table: Table
    data: int
    titles: int
    totals: int
    notes: int
    blanks: int

    @property
    def ignored(self) -> int:
        """The rows that are no data."""
        return self.titles + self.totals + self.notes + self.blanks


def count_rows(
    tables: Sequence[Table], rows: pl.DataFrame, first: Sequence[int]
) -> list[SheetCount]:
    """Return the rows of every sheet by what they are, for each submission that has a part in it.

    ``rows`` has table, submission and fate; ``first`` is the first submission of each table. What is
    no row of data, and data of a year that cannot be read, is counted with that one.
    """
    counts: dict[tuple[int, int], dict[str, int]] = {}
    grouped = rows.group_by("table", "submission", "fate").len().sort("table", "submission")
    for table, submission, fate, number in grouped.iter_rows():
        owner = submission if fate == "data" else first[table]
        entry = counts.setdefault((owner, table), {})
        kind = "data" if fate == "undated" else fate
        entry[kind] = entry.get(kind, 0) + number
    for i, table in enumerate(tables):
        entry = counts.setdefault((first[i], i), {})
        entry["title"] = entry.get("title", 0) + table.rows_above
    return [
        SheetCount(
            submission,
            tables[i],
            data=entry.get("data", 0),
            titles=entry.get("title", 0),
            totals=entry.get("total", 0),
            notes=entry.get("note", 0),
            blanks=entry.get("blank", 0),
        )
        for (submission, i), entry in counts.items()
    ]


def sheets_frame(
    counts: Sequence[SheetCount], ids: Sequence[str], accepted: Sequence[bool]
) -> pl.DataFrame:
    """Return the accounts as :data:`transforms.records.SUBMISSION_SHEET`, a row for each count.

    ``ids`` and ``accepted`` say of each submission how it is called and whether it was accepted.
    """
    return pl.DataFrame(
        [
            {
                "submission_id": ids[count.submission],
                "sheet": count.table.sheet,
                "rows_read": count.data + count.ignored,
                "rows_loaded": count.data if accepted[count.submission] else 0,
                "rows_returned": 0 if accepted[count.submission] else count.data,
                "titles": count.titles,
                "totals": count.totals,
                "notes": count.notes,
                "blanks": count.blanks,
            }
            for count in counts
        ],
        schema=SUBMISSION_SHEET.schema,
    )


def totals_of(sheets: pl.DataFrame) -> pl.DataFrame:
    """Return one row a submission: submission_id, rows_read, _loaded, _returned and _ignored."""
    return sheets.group_by("submission_id").agg(
        pl.col("rows_read", "rows_loaded", "rows_returned").sum(),
        pl.sum_horizontal(pl.col("titles", "totals", "notes", "blanks"))
        .sum()
        .alias("rows_ignored"),
    )


def layout_frame(counts: Sequence[SheetCount], ids: Sequence[str]) -> pl.DataFrame:
    """Return where the columns of each sheet stand (:data:`transforms.records.SUBMISSION_LAYOUT`)."""
    return pl.DataFrame(
        [
            {
                "submission_id": ids[count.submission],
                "sheet": count.table.sheet,
                "column_name": name,
                "letter": column_letters(place),
                "unit": count.table.unit.get(name),
            }
            for count in counts
            for name, place in count.table.columns.items()
        ],
        schema=SUBMISSION_LAYOUT.schema,
    ).unique(["submission_id", "sheet", "column_name"], maintain_order=True)
