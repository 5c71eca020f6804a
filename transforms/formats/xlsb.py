"""Binary workbooks: .xlsb, whose container is that of .xlsx and whose parts are records.

Read record by record here, not by the workbook library: that one leaves out formula errors, and
gives dates that are stored as whole numbers as numbers.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Final

from .cells import CellBudget, Grid
from .formulas import SOME_FORMULA
from .model import Limits, Sheet, Unreadable
from .ooxml import relations_of
from .packages import Package
from .scales import scale_of
from .serials import compact_number, error_text, numeric_text
from .styles import Styles
from .worksheet import Book


class _Kind(IntEnum):
    """The records that matter here."""

    ROW = 0
    RK = 2
    ERROR = 3
    BOOL = 4
    REAL = 5
    STRING = 6
    SHARED_STRING = 7
    FORMULA_STRING = 8
    FORMULA_NUMBER = 9
    FORMULA_BOOL = 10
    FORMULA_ERROR = 11
    STRING_ITEM = 19
    FORMAT = 44
    STYLE = 47
    RICH_STRING = 62
    WORKBOOK_PROPERTIES = 153
    CALCULATION = 157
    SHEET = 156
    MERGED = 176
    BEGIN_STYLES = 617
    END_STYLES = 618


_NO_TEXT: Final = 0xFFFFFFFF
_CALCULATE_ON_LOAD_AT: Final = 24


def read(package: Package, workbook: str, limits: Limits) -> list[Sheet]:
    """Return the sheets of the workbook whose main part is `workbook`; raises Unreadable."""
    try:
        return _read(package, workbook, limits)
    except (struct.error, IndexError, ValueError) as error:
        raise Unreadable("corrupt", what="xlsb") from error


def _read(package: Package, workbook: str, limits: Limits) -> list[Sheet]:
    relations = relations_of(package, workbook)
    since_1904 = uncalculated = False
    listed: list[tuple[str, bool, str]] = []
    for kind, data in _records(package.read(workbook)):
        if kind == _Kind.WORKBOOK_PROPERTIES:
            since_1904 = bool(data[0] & 1)
        elif kind == _Kind.CALCULATION:
            uncalculated = bool(data[_CALCULATE_ON_LOAD_AT] & 1)
        elif kind == _Kind.SHEET:
            (state,) = struct.unpack_from("<I", data)
            relation, at = _text(data, 8)
            name, _ = _text(data, at)
            what, target = relations.get(relation, ("", ""))
            if what == "worksheet":
                listed.append((name, state != 0, target))
    if len(listed) > limits.sheets:
        raise Unreadable.too_large("工作表数", "its sheets", limits.sheets)
    if not listed:
        raise Unreadable("no_sheets")

    strings = [
        _text(data, 1)[0]
        for kind, data in _records(_part_of_kind(package, relations, "sharedStrings"))
        if kind == _Kind.STRING_ITEM
    ]
    book = Book(
        strings,
        _styles(_part_of_kind(package, relations, "styles")),
        since_1904,
        uncalculated,
    )
    budget = CellBudget(limits)
    return [
        _sheet(package.read(target), Grid(name, budget, hidden), book)
        for name, hidden, target in listed
    ]


def _part_of_kind(package: Package, relations: Mapping[str, tuple[str, str]], kind: str) -> bytes:
    return next(
        (
            package.read(target)
            for found, target in relations.values()
            if found == kind and target in package
        ),
        b"",
    )


def _records(part: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(part):
        kind = part[at]
        at += 1
        if kind & 0x80:
            kind = (kind & 0x7F) | (part[at] & 0x7F) << 7
            at += 1
        size = 0
        for shift in (0, 7, 14, 21):
            byte = part[at]
            at += 1
            size |= (byte & 0x7F) << shift
            if not byte & 0x80:
                break
        data = part[at : at + size]
        if len(data) < size:
            raise ValueError("record beyond the end")
        yield kind, data
        at += size


def _text(data: bytes, at: int) -> tuple[str, int]:
    """Return a string and where it ends."""
    (count,) = struct.unpack_from("<I", data, at)
    if count == _NO_TEXT:
        return "", at + 4
    end = at + 4 + 2 * count
    if end > len(data):
        raise ValueError("text beyond the end")
    return data[at + 4 : end].decode("utf-16-le", "replace"), end


def _styles(part: bytes) -> Styles:
    """Return what the cell styles say of numbers."""
    codes: dict[int, str] = {}
    used: list[int] = []
    in_styles = False
    for kind, data in _records(part):
        if kind == _Kind.FORMAT:
            codes[struct.unpack_from("<H", data)[0]] = _text(data, 2)[0]
        elif kind == _Kind.STYLE and in_styles:
            used.append(struct.unpack_from("<H", data, 2)[0])
        elif kind in (_Kind.BEGIN_STYLES, _Kind.END_STYLES):
            in_styles = kind == _Kind.BEGIN_STYLES
    return Styles.of(codes, used)


def _sheet(part: bytes, grid: Grid, book: Book) -> Sheet:
    row = 0

    def number(value: float, data: bytes) -> str:
        style = int.from_bytes(data[4:7], "little")
        if not math.isfinite(value):
            return "#NUM!"
        if code := book.styles.scale_code(style):
            (column,) = struct.unpack_from("<I", data)
            grid.scale(row, column, scale_of(code, value))
        return numeric_text(value, book.styles.is_date(style), book.since_1904)

    for kind, data in _records(part):
        match kind:
            case _Kind.ROW:
                (row,) = struct.unpack_from("<I", data)
                continue
            case _Kind.MERGED:
                top, bottom, left, right = struct.unpack_from("<4I", data)
                grid.merge(top, left, bottom, right)
                continue
            case _Kind.SHARED_STRING:
                text = book.strings[struct.unpack_from("<I", data, 8)[0]]
            case _Kind.RK:
                text = number(compact_number(struct.unpack_from("<I", data, 8)[0]), data)
            case _Kind.REAL | _Kind.FORMULA_NUMBER:
                (value,) = struct.unpack_from("<d", data, 8)
                unanswered = kind == _Kind.FORMULA_NUMBER and book.uncalculated and value == 0
                text = SOME_FORMULA if unanswered else number(value, data)
            case _Kind.STRING | _Kind.FORMULA_STRING:
                text, _ = _text(data, 8)
            case _Kind.RICH_STRING:
                text, _ = _text(data, 9)
            case _Kind.BOOL | _Kind.FORMULA_BOOL:
                text = "true" if data[8] else "false"
            case _Kind.ERROR | _Kind.FORMULA_ERROR:
                text = error_text(data[8])
            case _:
                continue
        (column,) = struct.unpack_from("<I", data)
        grid.put(row, column, text)
    return grid.sheet()
