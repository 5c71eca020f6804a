"""Text with delimiters: .csv and .tsv as Excel, WPS and other systems write them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Final, Literal

import polars as pl

from .cells import CellBudget, blank_to_null, frame_of_rows, trim
from .model import Doubt, Limits, Sheet, Unreadable

_DELIMITERS: Final = (",", ";", "\t", "|", "，", "；")
_SAMPLE: Final = 64 * 1024  # characters that choose the delimiter
_END: Final = "\0"  # no text has it: decoding refuses control characters
_HINT: Final = re.compile(r'"?sep=(.)"?[ ,;\t]*(?:\r\n|\r|\n)', re.IGNORECASE)
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_LONGEST_RECORD: Final = 50  # lines, where quotes are in disorder
_NAMED_LINES: Final = 10


def read(
    text: str,
    limits: Limits,
    tabs_first: bool = False,
    is_header: Callable[[str], bool] = lambda text: False,
) -> list[Sheet]:
    """Return the one sheet of the text; raises Unreadable (too_spread, corrupt).

    `is_header` tells the headers that are known: the delimiter is the one that parts a row into
    most of them. `tabs_first` decides where no delimiter is likelier than another. A record is a
    row, so that a quoted line break keeps the rows below it where Excel shows them, and a blank
    line is a blank row.
    """
    hint = _HINT.match(text)  # Excel's own: names the delimiter, and is no row
    if hint:
        text = text[hint.end() :]
    if "\x1a" in text[-8:]:  # the end of a file, to DOS
        text = text.rstrip("\x1a\r\n")
    delimiter = hint[1] if hint else _delimiter(text, tabs_first, is_header)
    rows = _rows(text, delimiter, limits)
    doubts: tuple[Doubt, ...] = ()
    if rows is None:
        rows, lines = _rows_by_line(text, delimiter, limits)
        if lines:
            named = "、".join(map(str, lines[:_NAMED_LINES]))
            doubts = (Doubt("open_quote", named + ("…" if len(lines) > _NAMED_LINES else "")),)
    cells = frame_of_rows(rows)
    if cells.width:
        if delimiter != "\t":  # tabs round a field keep its digits as text
            cells = cells.with_columns(
                pl.all().str.replace(r'^\t+"([^"]*)"\t*$', "${1}").str.strip_chars("\t")
            )
        # ="2100000001" does the same; Excel shows what is in the quotes.
        cells = cells.with_columns(pl.all().str.replace(r'^="([^"]*)"$', "${1}"))
    return [Sheet("", False, trim(blank_to_null(cells)), (), doubts=doubts)]


def _delimiter(text: str, tabs_first: bool, is_header: Callable[[str], bool]) -> str:
    """Return the delimiter that gives most known headers, then the one that most rows have."""
    sample = text[:_SAMPLE]
    if len(text) > _SAMPLE:
        sample = sample[: sample.rfind("\n") + 1] or sample

    def score(delimiter: str) -> tuple[int, int, int]:
        if delimiter not in sample:
            return (0, 0, 0)
        headers = rows = fields = 0
        try:
            for row in _records(sample, delimiter, csv.QUOTE_MINIMAL):
                headers = max(headers, sum(map(is_header, row)))
                rows += len(row) > 1
                fields += len(row)
        except csv.Error:
            return (headers, 0, 0)
        return (headers, rows, fields)

    candidates = sorted(_DELIMITERS, key=lambda each: each == "\t", reverse=tabs_first)
    return max(candidates, key=score)


def _rows(text: str, delimiter: str, limits: Limits) -> list[list[str]] | None:
    """Return all records, or None if quotes are in disorder; raises Unreadable (too_spread).

    A quote that is opened and never closed swallows the rows below it, up to the next quote: behind
    that stands no delimiter, which is how it is noticed.
    """
    budget = CellBudget(limits)
    rows: list[list[str]] = []
    width = 0
    try:
        for row in _records(text + "\n" + _END, delimiter, csv.QUOTE_MINIMAL, strict=True):
            width = max(width, len(row))
            rows.append(row)
            budget.check("", len(rows), width)
    except csv.Error:  # also a field longer than csv allows
        return None
    return rows if rows.pop() == [_END] else None


def _rows_by_line(text: str, delimiter: str, limits: Limits) -> tuple[list[list[str]], list[int]]:
    """Return all records where quotes are in disorder, and the lines in which one was left open.

    Each line is a record, but for lines that a field in good order holds together. Raises Unreadable
    (too_spread, corrupt).
    """
    budget = CellBudget(limits)
    lines = _LINE_END.split(text)
    quotes = [line.count('"') for line in lines]
    rows: list[list[str]] = []
    disorderly: list[int] = []
    width = at = 0
    try:
        while at < len(lines):
            end = _record_end(quotes, at)
            row = None if end is None else _record("\n".join(lines[at:end]), delimiter)
            if row is None or end is None:
                disorderly.append(at + 1)
                row, end = _loose_record(lines[at], delimiter), at + 1
            at = end
            rows.append(row)
            width = max(width, len(row))
            budget.check("", len(rows), width)
    except csv.Error as error:
        raise Unreadable("corrupt", what="csv") from error
    return rows, disorderly


def _record_end(quotes: list[int], at: int) -> int | None:
    """Return the line behind the record that begins at a line, by its quotes; None if they stay open."""
    seen = 0
    for line in range(at, min(at + _LONGEST_RECORD, len(quotes))):
        seen += quotes[line]
        if seen % 2 == 0:
            return line + 1
    return None


def _record(lines: str, delimiter: str) -> list[str] | None:
    """Return the one record of the lines, or None if their quotes are in disorder."""
    try:
        records = list(_records(lines, delimiter, csv.QUOTE_MINIMAL, strict=True))
    except csv.Error:
        return None
    if not records:
        return []
    return records[0] if len(records) == 1 else None


def _loose_record(line: str, delimiter: str) -> list[str]:
    """Return the fields of a line in which quotes are in disorder.

    A field that begins and ends with a quote is one, delimiters and all ("25,832 人"); a quote without
    its other half says nothing.
    """
    part = re.escape(delimiter)
    fields = re.findall(rf'("[^"]*"(?={part})|[^{part}]*){part}', line + delimiter)
    return [field.strip(" ").removeprefix('"').removesuffix('"') for field in fields]


def _records(
    text: str, delimiter: str, quoting: Literal[0, 3], *, strict: bool = False
) -> Iterator[list[str]]:
    return csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=strict
    )
