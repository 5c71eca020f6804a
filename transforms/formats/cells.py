"""The one way to a finished frame of cells, and to the text of a number.

Readers gather cells in whatever way their format allows; here they become the frame that `Sheet`
promises, and here the limits on rows, columns and cells are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import polars as pl

from .model import Limits, Sheet, Unreadable, megabytes
from .scales import Scale, Scaled

# (row0, col0, row1, col1), zero based and inclusive.
Range = tuple[int, int, int, int]

#: So many cells are put in their places as quickly one by one as in sets.
_FEW: Final = 4096
_WHOLE: Final = re.compile(r"[+-]?[0-9]+\Z")


@lru_cache(maxsize=32768)
def column_letters(index: int) -> str:
    """Return the letters of a zero-based column: 0 -> "A", 26 -> "AA"."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def column_index(letters: str) -> int:
    """Return the zero-based column of its letters: "A" -> 0, "aa" -> 26."""
    index = 0
    for letter in letters.upper():
        index = index * 26 + ord(letter) - ord("A") + 1
    return index - 1


def number_text(value: str | float) -> str:
    """Return a number as plain decimal text: no exponent, no trailing zeros, at most nine decimals.

    This is the form in which the workbook library gives numbers, so that all formats agree.
    Raises ValueError for what is no finite number.
    """
    if isinstance(value, str) and _WHOLE.match(value.strip()):
        return str(int(value))  # -0, which a sum of floats may come to, is 0
    number = float(value)
    if number in (float("inf"), float("-inf")) or number != number:
        raise ValueError(f"not a finite number: {value}")
    text = f"{number:.9f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class CellBudget:
    """Counts the cells and the text of one workbook against its limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = limits.cells
        self._text_left = limits.unpacked_bytes
        self._merged_left = limits.merged

    def allows(self, rows: int, columns: int) -> bool:
        """Return whether a sheet may reach that far, given what earlier sheets took."""
        limits = self._limits
        return rows <= limits.rows and columns <= limits.columns and rows * columns <= self._left

    def check(self, sheet: str, rows: int, columns: int) -> None:
        """Raise Unreadable (too_spread) if the sheet reaches further than is allowed."""
        if not self.allows(rows, columns):
            raise Unreadable(
                "too_spread",
                place=f"工作表“{sheet}”的" if sheet else "",
                place_en=f"sheet “{sheet}”" if sheet else "the table",
                row=rows,
                column=column_letters(columns - 1),
            )

    def charge(self, sheet: str, rows: int, columns: int) -> None:
        """Do the same, and take the cells off what is left."""
        self.check(sheet, rows, columns)
        self._left -= rows * columns

    def charge_text(self, characters: int) -> None:
        """Take text off what is left; raise Unreadable (too_large).

        A shared or repeated string stands in many cells and takes room in each.
        """
        self._text_left -= characters
        if self._text_left < 0:
            limit = megabytes(self._limits.unpacked_bytes)
            raise Unreadable.too_large("单元格文字总量", "the texts of its cells", limit)

    def charge_merged(self, ranges: int) -> None:
        """Take merged ranges off what is left; raise Unreadable (too_large)."""
        self._merged_left -= ranges
        if self._merged_left < 0:
            raise Unreadable.too_large("合并单元格数", "its merged ranges", self._limits.merged)


class Grid:
    """One sheet being gathered, cell by cell or many at once, in any order, within the limits."""

    def __init__(self, name: str, budget: CellBudget, hidden: bool = False) -> None:
        self.hidden = hidden
        self._name = name
        self._budget = budget
        self._single: tuple[list[int], list[int], list[str]] = ([], [], [])
        #: Rows, columns and texts.
        self._many: list[tuple[pl.Series, pl.Series, pl.Series]] = []
        self._merged: list[Range] = []
        self._scaled: list[Scaled] = []
        self._rows = 0
        self._width = 0

    def put(self, row: int, column: int, text: str, repeat: int = 1) -> None:
        """Put text into a zero-based cell and the next ones on its right; blank text is left out.

        What is put into a cell later stands in the place of what was there. Raises Unreadable
        (too_spread, too_large).
        """
        if not text or text.isspace():
            return
        self._reach(row, column + repeat - 1)
        self._budget.charge_text(len(text) * repeat)
        rows, columns, texts = self._single
        for index in range(column, column + repeat):
            rows.append(row)
            columns.append(index)
            texts.append(text)

    def put_listed(self, rows: list[int], columns: list[int], texts: list[str]) -> None:
        """Put a text into each of these zero-based cells, as :meth:`put` one by one."""
        blank = [i for i, text in enumerate(texts) if not text or text.isspace()]
        for i in reversed(blank):
            del rows[i], columns[i], texts[i]
        if texts:
            self._reach(max(rows), max(columns))
            self._budget.charge_text(sum(map(len, texts)))
            mine = self._single
            mine[0].extend(rows)
            mine[1].extend(columns)
            mine[2].extend(texts)

    def put_all(
        self, rows: pl.Series, columns: pl.Series, texts: pl.Series, characters: int
    ) -> None:
        """Put a text into each of these zero-based cells, which no other text is put into; null is blank.

        ``characters`` is how long the texts are together. Raises Unreadable (too_spread, too_large).
        """
        if texts.null_count():
            given = texts.is_not_null()
            rows, columns, texts = rows.filter(given), columns.filter(given), texts.filter(given)
        if texts.is_empty():
            return
        self._reach(int(rows.max()), int(columns.max()))  # type: ignore[arg-type]
        self._budget.charge_text(characters)
        self._many.append((rows, columns, texts))

    def _reach(self, row: int, column: int) -> None:
        self._rows = max(self._rows, row + 1)
        self._width = max(self._width, column + 1)
        self._budget.check(self._name, self._rows, self._width)

    def scale(self, row: int, column: int, scale: Scale | None) -> None:
        """Note that the format of a cell scales what it shows."""
        if scale is not None:
            self._scaled.append(Scaled(row, column, scale))

    def merge(self, row: int, column: int, last_row: int, last_column: int) -> None:
        """Note a merged range; raise Unreadable (too_large)."""
        self._budget.charge_merged(1)
        self._merged.append((row, column, last_row, last_column))

    def sheet(self) -> Sheet:
        """Return the sheet as gathered; raises Unreadable (too_spread)."""
        self._budget.charge(self._name, self._rows, self._width)
        merged = merged_ranges(self._merged)
        return Sheet(self._name, self.hidden, self._cells(), merged, tuple(self._scaled))

    def _cells(self) -> pl.DataFrame:
        """Return the columns of the sheet, each with the texts that stand in it."""
        many = self._rows * self._width
        if not many:
            return pl.DataFrame()
        standing = self._few(many) if not self._many and many <= _FEW else self._all(many)
        return pl.DataFrame(
            [
                standing.slice(column * self._rows, self._rows).alias(str(column))
                for column in range(self._width)
            ]
        )

    def _few(self, many: int) -> pl.Series:
        """Return which text stands in each of ``many`` cells, column by column, of those put one by one."""
        standing: list[str | None] = [None] * many
        for row, column, text in zip(*self._single, strict=True):
            standing[column * self._rows + row] = text
        return pl.Series(standing, dtype=pl.String)

    def _all(self, many: int) -> pl.Series:
        """Return which text stands in each of ``many`` cells, column by column."""
        parts = list(self._many)
        if self._single[0]:
            rows, columns, texts = self._single
            parts.append((pl.Series(rows), pl.Series(columns), pl.Series(texts)))
        given = pl.concat([texts for _, _, texts in parts])
        places = pl.concat([columns * self._rows + rows for rows, columns, _ in parts])
        # Indexing by a Series takes a fraction of what gather() takes.
        none = pl.Series([None], dtype=pl.UInt32).new_from_index(0, many)
        return given[none.scatter(places, _numbers(len(given)))]


def _numbers(many: int) -> pl.Series:
    """Return the numbers from 0 on."""
    known = _USUAL_NUMBERS if many <= len(_USUAL_NUMBERS) else _counted(many)
    return known.head(many)


def _counted(many: int) -> pl.Series:
    return pl.int_range(many, dtype=pl.UInt32, eager=True)


_USUAL_NUMBERS: Final = _counted(2**14)


def blank_to_null(cells: pl.DataFrame) -> pl.DataFrame:
    """Turn empty text and white space alone into null."""
    if cells.width == 0:
        return cells
    return cells.with_columns(pl.when(pl.all().str.strip_chars() != "").then(pl.all()))


def trim(cells: pl.DataFrame) -> pl.DataFrame:
    """Return the frame without its trailing blank rows and columns; null is blank."""
    if cells.width == 0:
        return cells
    last = cells.to_series(cells.width - 1)
    if last.null_count() < cells.height and any(text is not None for text in cells.row(-1)):
        return cells
    last_filled = cells.select(pl.all().is_not_null().arg_true().max()).row(0)
    filled = [(row, column) for column, row in enumerate(last_filled) if row is not None]
    height = 1 + max((row for row, _ in filled), default=-1)
    width = 1 + max((column for _, column in filled), default=-1)
    return cells.select(cells.columns[:width]).head(height)


def frame_of_rows(rows: list[list[str]]) -> pl.DataFrame:
    """Return the frame of ragged rows of text."""
    width = max(map(len, rows), default=0)
    padded = (row + [""] * (width - len(row)) for row in rows)
    return _frame(zip(*padded, strict=True))


def _frame(columns: Iterable[Sequence[str | None]]) -> pl.DataFrame:
    series = [pl.Series(str(i), column, dtype=pl.String) for i, column in enumerate(columns)]
    return trim(blank_to_null(pl.DataFrame(series)))


def merged_ranges(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return the ranges that span more than one cell, in reading order, each once."""
    return tuple(sorted({r for r in ranges if r[0] <= r[2] and r[1] <= r[3] and r[:2] != r[2:]}))
