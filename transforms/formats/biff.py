"""Workbooks of Excel 5 to 2003 (BIFF5 and BIFF8): .xls and what WPS saves as .et in that form.

Read record by record here, not by the workbook library: that one makes room for whatever extent a
sheet's records span, and follows damaged containers without end.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from .cells import CellBudget, Grid
from .formulas import formula_text
from .model import Limits, Sheet, Unreadable
from .protected import open_stream
from .scales import BUILT_IN, scale_of
from .serials import DATE_FORMATS, compact_number, error_text, numeric_text, shows_date

STREAM_NAMES: Final = ("Workbook", "Book")


READ: Final = "Excel 5.0 / 97"


def version(data: bytes) -> str | None:
    """Return which Excel wrote a bare stream of records, outside of any container; None if it is none."""
    if data[:1] != b"\x09" or len(data) < 8:
        return None
    kind, size = data[1], int.from_bytes(data[2:4], "little")
    if kind == 8 and size in (8, 16) and data[4:6] in (b"\0\5", b"\0\6"):
        return READ
    return _OLD.get((kind, size))


class _Kind(IntEnum):
    """The records that matter here."""

    BOF = 0x0809
    EOF = 0x000A
    CONTINUE = 0x003C
    FILEPASS = 0x002F
    WRITEPROTECT = 0x0086
    CODEPAGE = 0x0042
    DATEMODE = 0x0022
    FORMAT = 0x041E
    XF = 0x00E0
    BOUNDSHEET = 0x0085
    SST = 0x00FC
    LABELSST = 0x00FD
    RK = 0x027E
    MULRK = 0x00BD
    NUMBER = 0x0203
    FORMULA = 0x0006
    STRING = 0x0207
    LABEL = 0x0204
    RSTRING = 0x00D6
    BOOLERR = 0x0205
    SHARED_FORMULA = 0x04BC
    ARRAY = 0x0221
    TABLE = 0x0236
    UNCALCED = 0x005E
    RECALCID = 0x01C1
    MERGEDCELLS = 0x00E5


#: What may stand between a formula that comes to a text and that text, and the text itself.
_BEHIND_FORMULA: Final = frozenset(
    {_Kind.SHARED_FORMULA, _Kind.ARRAY, _Kind.TABLE, _Kind.CONTINUE, _Kind.STRING}
)


class _Formula(NamedTuple):
    """Where a formula stands whose text is to follow, and what it is should there be none."""

    row: int = 0
    column: int = 0
    awaited: bytes = b""


_OLD: Final = {
    (0, 4): "Excel 2.0 (BIFF2)",
    (2, 6): "Excel 3.0 (BIFF3)",
    (4, 6): "Excel 4.0 (BIFF4)",
}
_BIFF8: Final = 0x0600
_CALCULATE_ON_LOAD: Final = 2
_ENCODINGS: Final = {367: "ascii", 936: "gb18030", 10000: "mac-roman", 10008: "gb18030"}


@dataclass
class _Book:
    """What the first part of the stream says of the whole workbook."""

    biff8: bool = True
    encoding: str = "cp1252"
    since_1904: bool = False
    date_formats: set[int] = field(default_factory=lambda: set(DATE_FORMATS))
    codes: dict[int, str] = field(default_factory=lambda: dict(BUILT_IN))
    uncalculated: bool = False  # its writer asks that formulas be calculated when it is opened
    styles: list[int] = field(default_factory=list)  # the number format of each
    sheets: list[tuple[int, bool, int, str]] = field(default_factory=list)  # at, hidden, kind, name
    strings: list[str] = field(default_factory=list)

    def put(self, grid: Grid, row: int, column: int, value: float, style: int) -> None:
        """Put a number into its cell, as its style shows it."""
        number_format = self.styles[style] if style < len(self.styles) else 0
        if not math.isfinite(value):  # what Excel shows where there is no number
            grid.put(row, column, "#NUM!")
            return
        is_date = number_format in self.date_formats
        grid.put(row, column, numeric_text(value, is_date, self.since_1904))
        if not is_date and (code := self.codes.get(number_format)):
            grid.scale(row, column, scale_of(code, value))

    def text(self, data: bytes, at: int, length_bytes: int = 2) -> str:
        """Return a string that begins with its number of characters."""
        count = int.from_bytes(data[at : at + length_bytes], "little")
        at += length_bytes
        if count == 0:  # some leave out what follows
            return ""
        if not self.biff8:
            return data[at : at + count].decode(self.encoding)
        wide = data[at] & 1
        raw = data[at + 1 : at + 1 + (count << wide)]
        return raw.decode("utf-16-le", "replace") if wide else raw.decode("latin-1")


def read(stream: bytes, limits: Limits) -> list[Sheet]:
    """Return the worksheets in a workbook's stream; raises Unreadable."""
    try:
        stream = _opened(stream)
        book = _book(stream)
        if len(book.sheets) > limits.sheets:
            raise Unreadable.too_large("工作表数", "its sheets", limits.sheets)
        budget = CellBudget(limits)
        sheets = [
            _sheet(stream, _beginning(stream, at), Grid(name, budget, hidden), book)
            for at, hidden, kind, name in book.sheets
            if kind == 0  # 1, 2 and 6 are macro, chart and module sheets
        ]
    except (struct.error, IndexError, ValueError, LookupError) as error:
        raise Unreadable("corrupt", what="xls") from error
    if not sheets:
        raise Unreadable("no_sheets")
    return sheets


def _records(stream: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    header = struct.Struct("<HH")
    while at < len(stream):
        kind, size = header.unpack_from(stream, at)
        data = stream[at + 4 : at + 4 + size]
        if len(data) < size:
            raise ValueError("record beyond the end")
        yield kind, data
        at += 4 + size


def _opened(stream: bytes) -> bytes:
    """Return the stream, or what it is without encryption; raises Unreadable (encrypted)."""
    for kind, data in _records(stream, 0):
        if kind == _Kind.FILEPASS:
            return open_stream(stream, data)
        if kind not in (_Kind.BOF, _Kind.WRITEPROTECT):  # it stands before all that is encrypted
            break
    return stream


def _beginning(stream: bytes, at: int) -> int:
    """Return where the sheet that is said to stand at a place begins: with its BOF, at or before it."""
    if int.from_bytes(stream[at : at + 2], "little") == _Kind.BOF:
        return at
    start = depth = place = 0
    for kind, data in _records(stream, 0):
        if place > at:
            break
        if kind == _Kind.BOF:
            start, depth = (start, depth + 1) if depth else (place, 1)
        elif kind == _Kind.EOF:
            depth -= 1
        place += 4 + len(data)
    return start


def _book(stream: bytes) -> _Book:
    book = _Book()
    formats: list[tuple[int, bytes]] = []
    bound: list[bytes] = []
    table: list[bytes] = []
    last = strings = 0
    for kind, data in _records(stream, 0):
        if kind != _Kind.CONTINUE:
            last = kind
        match kind:
            case _Kind.BOF:
                book.biff8 = int.from_bytes(data[:2], "little") == _BIFF8
            case _Kind.FILEPASS:
                raise Unreadable("encrypted")
            case _Kind.CODEPAGE:
                page = int.from_bytes(data[:2], "little")
                book.encoding = _ENCODINGS.get(page, f"cp{page}" if page < 0x8000 else "cp1252")
            case _Kind.DATEMODE:
                book.since_1904 = data[:1] == b"\1"
            case _Kind.FORMAT:
                formats.append((int.from_bytes(data[:2], "little"), data))
            case _Kind.XF:
                book.styles.append(int.from_bytes(data[2:4], "little"))
            case _Kind.BOUNDSHEET:
                bound.append(data)
            case _Kind.SST:
                table, strings = [data[8:]], int.from_bytes(data[4:8], "little")
            case _Kind.RECALCID:
                book.uncalculated = data[4:8] == b"\0\0\0\0"
            case _Kind.CONTINUE if last == _Kind.SST:
                table.append(data)
            case _Kind.EOF:
                break
    # Names and codes come last: the code page may stand behind them.
    for index, data in formats:
        code = book.text(data, 2, 2 if book.biff8 else 1)
        book.codes[index] = code
        book.date_formats.discard(index)
        if shows_date(code):
            book.date_formats.add(index)
    for data in bound:
        (at,) = struct.unpack_from("<I", data)
        book.sheets.append((at, bool(data[4] & 3), data[5], book.text(data, 6, 1)))
    if table:
        try:
            for text in _shared_strings(table):
                book.strings.append(text)
        except (struct.error, IndexError, StopIteration, RuntimeError):
            if len(book.strings) < strings:
                raise ValueError("shared strings are cut off") from None
            # A record that an older, longer table left behind is no part of this one.
    return book


def _shared_strings(pieces: list[bytes]) -> Iterator[str]:
    """Yield the strings of the table, which its records cut anywhere.

    Where the cut falls among a string's characters, the next record begins by saying anew whether
    they take one byte or two.
    """
    piece, at, following = pieces[0], 0, iter(pieces[1:])

    def skip(count: int) -> bool:
        nonlocal piece, at
        at += count
        while at >= len(piece):
            at -= len(piece)
            piece = next(following, b"")
            if not piece:
                return False
        return True

    while skip(0):
        count, flags = struct.unpack_from("<HB", piece, at)
        at += 3
        runs = extra = 0
        if flags & 8:
            (runs,) = struct.unpack_from("<H", piece, at)
            at += 2
        if flags & 4:
            (extra,) = struct.unpack_from("<I", piece, at)
            at += 4
        text = ""
        wide = flags & 1
        while True:
            raw = piece[at : at + (count << wide)]
            text += raw.decode("utf-16-le", "replace") if wide else raw.decode("latin-1")
            count -= len(raw) >> wide
            at += len(raw)
            if count <= 0:
                break
            piece, at = next(following), 1
            wide = piece[0] & 1
        yield text
        skip(4 * runs + extra)


def _sheet(stream: bytes, at: int, grid: Grid, book: _Book) -> Sheet:
    depth = 0
    formula = _Formula()
    uncalculated = book.uncalculated
    for kind, data in _records(stream, at):
        if formula.awaited and kind not in _BEHIND_FORMULA:  # its writer left the text out
            text = formula_text(formula.awaited, book.biff8)
            grid.put(formula.row, formula.column, text)
            formula = _Formula()
        if kind == _Kind.BOF:
            depth += 1
        elif kind == _Kind.EOF:
            depth -= 1
            if depth <= 0:
                break
        elif kind == _Kind.UNCALCED:
            uncalculated = True
        elif depth == 1:  # deeper down stand embedded charts, with cells of their own
            formula = _cell(kind, data, formula, grid, book, uncalculated)
    return grid.sheet()


def _cell(
    kind: int,
    data: bytes,
    formula: _Formula,
    grid: Grid,
    book: _Book,
    uncalculated: bool,
) -> _Formula:
    """Put a record's cells; give back where the last formula stands, for its text follows it."""
    match kind:
        case _Kind.LABELSST:
            row, column, _, index = struct.unpack_from("<HHHI", data)
            grid.put(row, column, book.strings[index])
        case _Kind.RK:
            row, column, style, bits = struct.unpack_from("<HHHI", data)
            book.put(grid, row, column, compact_number(bits), style)
        case _Kind.NUMBER:
            row, column, style, value = struct.unpack_from("<HHHd", data)
            book.put(grid, row, column, value, style)
        case _Kind.MULRK:
            row, column = struct.unpack_from("<HH", data)
            for offset, (style, bits) in enumerate(struct.iter_unpack("<HI", data[4:-2])):
                book.put(grid, row, column + offset, compact_number(bits), style)
        case _Kind.FORMULA:
            row, column, style, result = struct.unpack_from("<HHH8s", data)
            formula = _Formula(row, column)
            if result[6:] != b"\xff\xff":
                (value,) = struct.unpack("<d", result)
                on_load = uncalculated or data[14] & _CALCULATE_ON_LOAD
                if value == 0 and on_load:  # nobody has calculated it yet
                    grid.put(row, column, formula_text(data[20:], book.biff8))
                else:
                    book.put(grid, row, column, value, style)
            elif result[0] == 0:
                return _Formula(row, column, data[20:])
            elif result[0] == 1:
                grid.put(row, column, "true" if result[2] else "false")
            elif result[0] == 2:
                grid.put(row, column, error_text(result[2]))
        case _Kind.STRING:
            grid.put(formula.row, formula.column, book.text(data, 0))
            return _Formula()
        case _Kind.LABEL | _Kind.RSTRING:
            row, column = struct.unpack_from("<HH", data)
            grid.put(row, column, book.text(data, 6))
        case _Kind.BOOLERR:
            row, column, _, value, is_error = struct.unpack_from("<HHHBB", data)
            truth = "true" if value else "false"
            grid.put(row, column, error_text(value) if is_error else truth)
        case _Kind.MERGEDCELLS:
            for top, bottom, left, right in struct.iter_unpack("<4H", data[2:]):
                grid.merge(top, left, bottom, right)
    return formula
