"""Tables: what is found on a sheet, and what is wrong with its header."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from transforms.formats import column_letters
from transforms.forms import Column, Form, Kind
from transforms.tables.years import YearFound

#: Stands between the texts of a row that are joined; no cell holds it.
APART = "\x1f"
#: The column that any form may have beside its own.
YEAR = Column(name="year", header="年份", kind=Kind.INT, en="Year of the data")


def cell_name(row: int, column: int) -> str:
    """Return ``E14`` for row 14 (from 1) and column 4 (from 0)."""
    return f"{column_letters(column)}{row}"


@dataclass(frozen=True)
class HeaderIssue:
    """Something wrong with the header itself, or with how the sheet is written.

    ``rule`` is a number such as ``E01``; ``row`` that of its cells where it is not the header's.
    """

    rule: str
    column: str | None = None
    cells: tuple[str, ...] = ()
    row: int | None = None
    value: str | None = None
    other: str | None = None
    expected: str | None = None
    expected_en: str | None = None


@dataclass(frozen=True)
class Table:
    """One form found on one sheet.

    ``body`` has the submitted text of every known column under its name, and beside them ``row``
    (the row of the sheet, from 1), ``year_text`` (the column 年份, null where there is none),
    ``other`` (the text of all unknown columns, joined) and ``repeated`` (a header printed again).
    ``powers`` gives, for money columns, the power of ten that brings the text to the form's unit;
    ``unit`` the unit that the submitted amounts are in. ``office`` is who filled in the sheet, as the
    rows above the table say, and the cell in which it stands. ``merged_figures`` are column, first and
    last row of every figure that stands in a cell merged over several rows. ``signatures`` are those that
    the sheet names (:mod:`transforms.tables.signatures`).
    """

    form: Form
    sheet: str
    body: pl.DataFrame
    columns: dict[str, int]
    header_row: int
    rows_above: int
    rows_read: int
    year_column: int | None
    powers: dict[str, int]
    unit: dict[str, str]
    title_year: YearFound | None
    sheet_year: YearFound | None
    issues: tuple[HeaderIssue, ...] = ()
    merged_figures: tuple[tuple[str, int, int], ...] = ()
    office: tuple[str, str] | None = None
    signatures: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Almost:
    """A sheet that shares a few headers with a form, too few to be read as it."""

    form: Form
    sheet: str
    missing: tuple[str, ...]
