"""Worksheets of .xlsx that are written as nearly all programs write them, read in sets.

All tags of a stretch of rows are found at once, as numbers in arrays (NumPy), and nothing is believed
that was not looked at: every tag has its place in this grammar, or the sheet is left to the reader that
goes element by element (worksheet.py).

    <row …> <c r="A1" s="3" t="s"> <v>12</v> </c> <c r="B1" s="3"/> … </row> …

For a cell that holds a whole number, or the number of a shared text, the arrays are enough. Others with
a plain value (decimals, dates, errors) are taken out one by one; those with anything else in them (a
formula, a text of their own) are read as elements, by the reader of elements.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
from lxml import etree

from .cells import Grid
from .model import Limits
from .worksheet import Book, put_elements, put_value

Bytes: TypeAlias = npt.NDArray[np.uint8]
Places: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

#: So much of a sheet is looked at together, in bytes: its arrays take some thirty times the room.
_STRETCH: Final = 4 * 2**20
#: Behind a stretch, so that the bytes after a tag can be looked at without asking whether there are any.
_MARGIN: Final = bytes(32)
_VALUE, _VALUE_END = int.from_bytes(b"v>"), int.from_bytes(b"/v>")
_MOST_LETTERS, _MOST_DIGITS = 3, 7  # of where a cell stands
#: Digits of a whole number that Excel and a float hold exactly.
_LONGEST_NUMBER: Final = 15
#: Bytes of the attributes behind where a cell stands, such as s="123" t="s".
_LONGEST_ATTRIBUTES: Final = 16
#: So many different attributes are looked at; cells of more are read as elements.
_MOST_KINDS: Final = 256
#: By how many of them count: masks of sixteen bytes, in two halves.
_FIRST_BYTES: Final = (
    (np.arange(_LONGEST_ATTRIBUTES) < np.arange(_LONGEST_ATTRIBUTES + 2)[:, None]) * np.uint8(255)
).view(np.uint64)
_ATTRIBUTES: Final = re.compile(rb'(?: s="([0-9]{1,5})")?(?: t="([A-Za-z]{1,7})")?')


class _Odd(Exception):
    """The sheet is not written as this module reads it."""


@dataclass(frozen=True)
class _Tags:
    """The tags of a text, in order: where their brackets stand in ``data``, and what each begins with."""

    data: Bytes
    opens: Places
    closes: Places
    #: The three bytes behind the bracket, as one number.
    names: npt.NDArray[np.int32]

    @classmethod
    def of(cls, text: bytes) -> _Tags:
        data = np.frombuffer(text + _MARGIN, np.uint8)
        opens, closes = np.flatnonzero(data == ord("<")), np.flatnonzero(data == ord(">"))
        if len(opens) != len(closes) or (closes < opens).any() or (opens[1:] < closes[:-1]).any():
            raise _Odd  # a bracket stands in a text
        names = np.zeros(len(opens), np.int32)
        for at in (1, 2, 3):
            names = (names << 8) | data[opens + at]
        return cls(data, opens, closes, names)

    def beginning(self, name: bytes) -> Flags:
        """Return which tags begin so, with two or three bytes."""
        found: Flags = self.names >> (8 * (3 - len(name))) == int.from_bytes(name)
        return found

    def empty(self) -> Flags:
        """Return which tags are an element without content."""
        empty: Flags = self.data[self.closes - 1] == ord("/")
        return empty

    def gaps(self) -> Places:
        """Return how many bytes stand between each tag and the next."""
        return np.append(self.opens[1:] - self.closes[:-1] - 1, 0)


@dataclass(frozen=True)
class _Cells:
    """The cells of a stretch that have content: the numbers of their first and last tag, and their place."""

    text: bytes
    tags: _Tags
    first: Places
    last: Places
    rows: Places
    columns: Places
    #: Where the attributes behind the cell's place begin.
    attributes: Places

    def __len__(self) -> int:
        return len(self.first)


def read_plain(xml: bytes, cells: tuple[int, int], grid: Grid, book: Book, limits: Limits) -> bool:
    """Put the cells of a sheet's part into ``grid``; False where they are not written plainly.

    ``cells`` is where the rows begin and end in ``xml``. Nothing is put where False is returned, but for
    cells that turn out to be no elements. Raises Unreadable (too_spread, too_large).
    """
    try:
        stretches = [_cells_of(xml[start:end]) for start, end in _stretches(xml, *cells)]
        _refuse_disorder(stretches)
        formulas: dict[str, str] = {}
        for stretch in stretches:
            _put(stretch, grid, book, limits, formulas)
    except (_Odd, UnicodeDecodeError, etree.XMLSyntaxError):
        return False
    return True


def _stretches(xml: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of the rows, each of whole ones."""
    last = b"</row>"
    while start < end:
        cut = xml.rfind(last, start, min(start + _STRETCH, end))
        if cut < 0:
            cut = xml.find(last, start, end)
        following = end if cut < 0 or end - start <= _STRETCH else cut + len(last)
        yield start, following
        start = following


def _cells_of(text: bytes) -> _Cells:
    """Return the cells of some rows; raises _Odd where anything else stands there."""
    tags = _Tags.of(text)
    cell, end, empty = tags.beginning(b"c "), tags.beginning(b"/c>"), tags.empty()
    begin = cell & ~empty
    marks = np.flatnonzero(begin | end)
    first, last = marks[::2], marks[1::2]
    if not (len(first) == len(last) and begin[first].all() and end[last].all()):
        raise _Odd
    within = np.cumsum(begin.view(np.int8) - end.view(np.int8), dtype=np.int32) > 0
    _refuse_others(text, tags, ~(within | cell | end), empty)
    between = np.flatnonzero((tags.gaps() > 0) & ~within)
    for tag in between.tolist():
        if not text[tags.closes[tag] + 1 : tags.opens[tag + 1]].isspace():
            raise _Odd
    rows, columns, attributes = _places(tags, first)
    return _Cells(text, tags, first, last, rows, columns, attributes)


def _refuse_others(text: bytes, tags: _Tags, outside: Flags, empty: Flags) -> None:
    """Raise _Odd unless all tags outside of cells begin and end rows, each in its turn."""
    begin, end = tags.beginning(b"row"), tags.beginning(b"/ro")
    behind = tags.data[tags.opens + 4]
    begin &= (behind == ord(" ")) | (behind == ord(">")) | (behind == ord("/"))
    odd = np.flatnonzero(outside & ~(begin | end))
    if len(odd) > 1 or (len(odd) and (odd[0] != 0 or not text.startswith(b"<sheetData"))):
        raise _Odd
    rows = np.flatnonzero(outside & ((begin & ~empty) | end))
    if len(rows) % 2 or not (begin[rows[::2]].all() and end[rows[1::2]].all()):
        raise _Odd


def _places(tags: _Tags, first: Places) -> tuple[Places, Places, Places]:
    """Return row and column of each cell, from 0, and where its attributes go on; raises _Odd."""
    data, at = tags.data, tags.opens[first] + len("<c ")
    if not ((data[at] == ord("r")) & (data[at + 1] == ord("=")) & (data[at + 2] == ord('"'))).all():
        raise _Odd
    at += len('r="')
    column = np.zeros(len(at), np.int64)
    going = np.ones(len(at), np.bool_)
    for _ in range(_MOST_LETTERS):
        # What is no letter is more than 25, or wraps to it.
        letter = data[at] - np.uint8(ord("A"))
        going &= letter <= 25
        if not going.any():
            break
        np.multiply(column, 26, out=column, where=going)
        np.add(column, letter + np.uint8(1), out=column, where=going)
        at += going
    number, digits = _number(data, at, _MOST_DIGITS)
    at += digits
    if not ((column > 0) & (number > 0) & (data[at] == ord('"'))).all():
        raise _Odd
    return number - 1, column - 1, at + 1


def _number(data: Bytes, at: Places, most: int) -> tuple[Places, Places]:
    """Return the number that begins at each place, and of how many digits it is, ``most`` of them read."""
    number = np.zeros(len(at), np.int64)
    digits = np.zeros(len(at), np.int64)
    going = np.ones(len(at), np.bool_)
    for place in range(most):
        # What is no digit is more than 9, or wraps to it.
        digit = data[at + place] - np.uint8(ord("0"))
        going &= digit <= 9
        if not going.any():
            break
        np.multiply(number, 10, out=number, where=going)
        np.add(number, digit, out=number, where=going)
        digits += going
    return number, digits


def _refuse_disorder(stretches: list[_Cells]) -> None:
    """Raise _Odd unless each cell stands behind the one before: a place that is named twice is one cell."""
    before = -1
    for cells in stretches:
        if len(cells):
            places = (cells.rows << 15) + cells.columns
            if places[0] <= before or (places[1:] <= places[:-1]).any():
                raise _Odd
            before = int(places[-1])


def _put(cells: _Cells, grid: Grid, book: Book, limits: Limits, formulas: dict[str, str]) -> None:
    """Put the cells of a stretch into the grid, each in the least costly way.

    ``formulas`` are those that go over many cells, of the sheet so far.
    """
    values = _Values.of(cells)
    number, digits = _number(cells.tags.data, values.start, _LONGEST_NUMBER)
    # 007 is 7, which is not what stands there.
    leads = cells.tags.data[values.start] != ord("0")
    whole = (digits == values.length) & (digits > 0) & (leads | (digits == 1))
    shared = whole & values.that_are(lambda kind, style: kind == "s") & (number < len(book.strings))
    counted = whole & values.that_are(book.shows_as_stored)
    texts = pl.concat(
        (book.shared[pl.Series(number[shared])], pl.Series(number[counted]).cast(pl.String))
    )
    chosen = np.concatenate((values.cells[shared], values.cells[counted]))
    characters = book.lengths[number[shared]].sum() + digits[counted].sum()
    rows, columns = pl.Series(cells.rows[chosen]), pl.Series(cells.columns[chosen])
    grid.put_all(rows, columns, texts, int(characters))

    left = np.ones(len(cells), np.bool_)
    left[chosen] = False
    for i in np.flatnonzero(~(shared | counted)).tolist():
        kind, cell = values.kinds[values.kind[i]], values.cells[i]
        value = cells.text[values.start[i] : values.start[i] + values.length[i]]
        if kind is None or b"&" in value or b"\r" in value:  # what stands for another character
            continue
        left[cell] = False
        place = int(cells.rows[cell]), int(cells.columns[cell])
        put_value(grid, *place, kind[0], value.decode(), kind[1], book)
    _put_elements(cells, np.flatnonzero(left), grid, book, limits, formulas)


@dataclass(frozen=True)
class _Values:
    """Of the cells that hold nothing but a value: which they are, where it stands, and of what kind it is.

    ``kinds`` has what occurs, kind and style (None: attributes that are not plain), ``kind`` the number
    of that for each value.
    """

    cells: Places
    start: Places
    length: Places
    kinds: list[tuple[str, int] | None]
    kind: Places

    @classmethod
    def of(cls, cells: _Cells) -> _Values:
        """Return the values of <c …><v>…</v></c>, with nothing between."""
        opens, closes, names = cells.tags.opens, cells.tags.closes, cells.tags.names
        which = np.flatnonzero(cells.last == cells.first + 3)
        tag = cells.first[which]
        plain = (names[tag + 1] >> 8 == _VALUE) & (names[tag + 2] == _VALUE_END)
        plain &= (opens[tag + 1] == closes[tag] + 1) & (opens[tag + 3] == closes[tag + 2] + 1)
        if not plain.all():
            which, tag = which[plain], tag[plain]
        start = closes[tag + 1] + 1
        return cls(which, start, opens[tag + 2] - start, *_kinds(cells, which))

    def that_are(self, wanted: Callable[[str, int], bool]) -> Flags:
        """Return which of them are of a kind and style that are wanted."""
        of_kinds = [kind is not None and wanted(*kind) for kind in self.kinds]
        return np.array(of_kinds, np.bool_)[self.kind]


def _kinds(cells: _Cells, which: Places) -> tuple[list[tuple[str, int] | None], Places]:
    """Return the kinds and styles that occur in some cells, and the number of each cell's."""
    start = cells.attributes[which]
    length = cells.tags.closes[cells.first[which]] - start
    np.minimum(length, _LONGEST_ATTRIBUTES + 1, out=length)
    windows = np.lib.stride_tricks.sliding_window_view(cells.tags.data, _LONGEST_ATTRIBUTES)
    halves = windows[start].view(np.uint64) & _FIRST_BYTES[length]
    one_half, other_half = np.ascontiguousarray(halves.T)
    kinds: list[tuple[str, int] | None] = [None]
    kind = np.zeros(len(start), np.int64)
    left = length <= _LONGEST_ATTRIBUTES
    # Few occur, and each is looked at once.
    while left.any() and len(kinds) < _MOST_KINDS:
        i = int(left.argmax())
        same = (one_half == one_half[i]) & (other_half == other_half[i]) & (length == length[i])
        found = _ATTRIBUTES.fullmatch(cells.text, start[i], start[i] + length[i])
        if found is not None:
            kind[same] = len(kinds)
            kinds.append(((found[2] or b"n").decode(), int(found[1] or 0)))
        left &= ~same
    return kinds, kind


def _put_elements(
    cells: _Cells,
    which: Places,
    grid: Grid,
    book: Book,
    limits: Limits,
    formulas: dict[str, str],
) -> None:
    """Put the cells that are not plain into the grid, read as elements."""
    if not len(which):
        return
    starts = cells.tags.opens[cells.first[which]].tolist()
    ends = (cells.tags.closes[cells.last[which]] + 1).tolist()
    markup = b"".join(cells.text[start:end] for start, end in zip(starts, ends, strict=True))
    put_elements(markup, grid, book, limits, formulas)
