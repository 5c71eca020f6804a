"""Text with delimiters: .csv and .tsv as Excel, WPS and other systems write them."""

import csv
import io
import re
from collections.abc import Iterator
from typing import Final, Literal

import polars as pl

from .cells import CellBudget, blank_to_null, frame_of_rows, trim
from .model import Limits, Sheet, Unreadable

_DELIMITERS: Final = (",", ";", "\t")
_SAMPLE: Final = 64 * 1024  # characters that choose the delimiter
_END: Final = "\0"  # no text has it: decoding refuses control characters


def read(text: str, limits: Limits, tabs_first: bool = False) -> list[Sheet]:
    """The one sheet of the text; raises Unreadable (too_spread, corrupt).

    `tabs_first` decides where no delimiter is likelier than another. A record is a row, so that a
    quoted line break keeps the rows below it where Excel shows them, and a blank line is a blank
    row.
    """
    hint = re.match(r"sep=(.)\r?\n", text)  # Excel's own: names the delimiter, and is no row
    if hint:
        text = text[hint.end() :]
    delimiter = hint[1] if hint else _delimiter(text, tabs_first)
    rows = _rows(text, delimiter, csv.QUOTE_MINIMAL, limits)
    if rows is None:
        # A quote that is never closed swallows all that follows: take quotes as they stand.
        rows = _rows(text, delimiter, csv.QUOTE_NONE, limits)
    if rows is None:
        raise Unreadable("corrupt", what="csv")
    # ="2100000001" is how text is kept from becoming a number; Excel shows what is in the quotes.
    cells = frame_of_rows(rows).with_columns(pl.all().str.replace(r'^="([^"]*)"$', "${1}"))
    return [Sheet("", False, trim(blank_to_null(cells)), ())]


def _delimiter(text: str, tabs_first: bool) -> str:
    """The delimiter that most rows have, then the one that makes most fields."""
    sample = text[:_SAMPLE]
    if len(text) > _SAMPLE:
        sample = sample[: sample.rfind("\n") + 1] or sample

    def score(delimiter: str) -> tuple[int, int]:
        try:
            widths = [len(row) for row in _records(sample, delimiter, csv.QUOTE_MINIMAL)]
        except csv.Error:
            return (0, 0)
        return (sum(width > 1 for width in widths), sum(widths))

    candidates = sorted(_DELIMITERS, key=lambda each: each == "\t", reverse=tabs_first)
    return max(candidates, key=score)


def _rows(
    text: str, delimiter: str, quoting: Literal[0, 3], limits: Limits
) -> list[list[str]] | None:
    """All records, or None if a quote is left open; raises Unreadable (too_spread)."""
    budget = CellBudget(limits)
    rows: list[list[str]] = []
    width = 0
    try:
        for row in _records(text + "\n" + _END, delimiter, quoting):
            width = max(width, len(row))
            rows.append(row)
            budget.check("", len(rows), width)
    except csv.Error:  # a field longer than csv allows: a quote that was never closed
        return None
    return rows if rows.pop() == [_END] else None


def _records(text: str, delimiter: str, quoting: Literal[0, 3]) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)
