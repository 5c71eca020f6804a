"""One sheet of an OOXML workbook, read element by element.

It takes about three times as long as the workbook library and gives what stands in the file whatever
way that is written: attributes in either quotes, cells that do not say where they stand, prefixes,
formulas that no program has calculated.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from lxml import etree

from .cells import CellBudget, Grid, column_index, number_text
from .model import Limits, Sheet, Unreadable
from .packages import drop, local_name, walk_xml
from .scales import scale_of
from .serials import serial_text
from .styles import Styles

_REFERENCE: Final = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7})")
#: A character that XML cannot hold, as Office writes it into texts.
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_LETTERS: Final = re.compile(r"[^\W\d_]")
_TRUE: Final = frozenset({"1", "true"})


@dataclass
class Book:
    """What the sheets of a workbook share.

    ``strings`` are the shared texts. ``uncalculated`` holds where the file asks that its formulas be
    calculated when it is opened: its writer did not, and put a 0 as the result of each.
    """

    strings: Sequence[str] = ()
    styles: Styles = field(default_factory=Styles)
    since_1904: bool = False
    uncalculated: bool = False

    @cached_property
    def shared(self) -> pl.Series:
        """The shared texts, null where one is blank."""
        texts = [None if text.isspace() else text or None for text in self.strings]
        return pl.Series(texts, dtype=pl.String)

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """How many characters each of the shared texts has."""
        return np.array([len(text) for text in self.strings], np.int64)

    def shows_as_stored(self, kind: str, style: int) -> bool:
        """Return whether a whole number in a cell of this kind and style shows as it is stored."""
        styles = self.styles
        return kind == "n" and not styles.is_date(style) and styles.scale_code(style) is None


def read_sheet(
    xml: bytes, name: str, hidden: bool, book: Book, budget: CellBudget, limits: Limits
) -> Sheet:
    """Return the sheet in an XML part in UTF-8; raises Unreadable (too_spread, too_large, corrupt)."""
    grid = Grid(name, budget, hidden)
    shared: dict[str, str] = {}
    row = column = -1
    try:
        for event, element in walk_xml(xml, _NAMES, limits, ("start", "end")):
            match event, local_name(element):
                case "start", "row":
                    row, column = _row_of(element.get("r"), row + 1), -1
                case "end", "row":
                    drop(element)
                case "end", "c":
                    row, column = position(element.get("r", ""), (row, column + 1))
                    put_element(element, row, column, grid, book, shared)
                    drop(element)
                case "end", "mergeCell":
                    _merge(element.get("ref", ""), grid)
                    drop(element)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("corrupt", what=name) from error
    return grid.sheet()


_NAMES: Final = ("{*}row", "{*}c", "{*}mergeCell")


def _row_of(reference: str | None, expected: int) -> int:
    number = (reference or "").strip()
    known = number.isascii() and number.isdigit() and len(number) < 8 and int(number) > 0
    return int(number) - 1 if known else expected


def position(reference: str, expected: tuple[int, int]) -> tuple[int, int]:
    """Zero-based row and column of A1; where that names no cell, the expected ones."""
    found = _REFERENCE.fullmatch(reference.strip())
    if found is None or found[2].strip("0") == "":
        return expected
    return int(found[2]) - 1, column_index(found[1])


def _merge(reference: str, grid: Grid) -> None:
    first, _, last = reference.partition(":")
    nowhere = (-1, -1)
    top_left, bottom_right = position(first, nowhere), position(last, nowhere)
    if nowhere not in (top_left, bottom_right):
        grid.merge(*top_left, *bottom_right)


def put_element(
    cell: etree._Element, row: int, column: int, grid: Grid, book: Book, shared: dict[str, str]
) -> None:
    """Put the cell that an element is into the grid; ``shared`` are the formulas that go over many cells.

    Raises Unreadable (too_spread, too_large).
    """
    formula = value = None
    text = ""
    for part in cell:
        match local_name(part):
            case "f":
                formula = part
            case "v":
                value = _content(part)
            case "is":
                text = rich_text(part)
    kind = cell.get("t", "n")
    written = None if formula is None else _formula(formula, shared)
    if written is not None and not text:
        # An empty result is one (t="str"); none at all says that nobody has calculated it.
        if value is None or (not value.strip() and kind != "str"):
            grid.put(row, column, written)
            return
        if book.uncalculated and kind == "n" and is_zero(value):
            grid.put(row, column, written)
            return
    if value is None or (not value and text):
        grid.put(row, column, text)
        return
    style = cell.get("s", "0")
    number = int(style) if style.isascii() and style.isdigit() and len(style) < 10 else 0
    put_value(grid, row, column, kind, value, number, book)


def put_elements(
    markup: bytes, grid: Grid, book: Book, limits: Limits, shared: dict[str, str]
) -> None:
    """Put cells, which all say where they stand, into the grid, read as elements; ``shared`` as above.

    Raises Unreadable (too_spread, too_large), and XMLSyntaxError.
    """
    nowhere = (-1, -1)
    for _, element in walk_xml(b"<row>" + markup + b"</row>", ("c",), limits):
        put_element(element, *position(element.get("r", ""), nowhere), grid, book, shared)
        drop(element)


def put_value(
    grid: Grid, row: int, column: int, kind: str, value: str, style: int, book: Book
) -> None:
    """Put what a cell with a value says into the grid; raises Unreadable (too_spread, too_large).

    ``kind`` is the attribute t of the cell, ``style`` the number of its style.
    """
    grid.put(row, column, _text(kind, value, style, book))
    code = book.styles.scale_code(style)
    if code is not None and kind == "n" and (stored := _float(value)) is not None:
        grid.scale(row, column, scale_of(code, stored))


def _text(kind: str, value: str, style: int, book: Book) -> str:
    """Return what a cell with a value says."""
    match kind:
        case "s":
            index = value.strip()
            known = index.isascii() and index.isdigit() and len(index) < 10
            # A text that is not there is an error at this cell, not of the whole file.
            there = known and int(index) < len(book.strings)
            return book.strings[int(index)] if there else "#REF!"
        case "b":
            return "true" if value.strip().lower() in _TRUE else "false"
        case "d":
            return value.strip().replace("T", " ")
        case "str" | "e" | "inlineStr":
            return unescaped(value)
    if (stored := _float(value)) is None:
        # A cell that says it is a number and is none. 1,003 may be a thousand or just over one: in
        # quotation marks nobody takes it for either.
        return value if _LETTERS.search(value) or not value.strip() else f"“{value.strip()}”"
    return (
        serial_text(stored, book.since_1904) if book.styles.is_date(style) else number_text(value)
    )


def _float(text: str) -> float | None:
    """Return the finite number that a value is, as XML writes one."""
    if "_" in text or not text.isascii():
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) != float("inf") and number == number else None


def is_zero(value: str) -> bool:
    """Return whether the result that a cell keeps is a zero."""
    return _float(value) == 0


def _formula(element: etree._Element, shared: dict[str, str]) -> str:
    """Return the formula as people see it; one that is filled down is written in its first cell alone."""
    text = _content(element).strip()
    number = element.get("si", "")
    if element.get("t") == "shared":
        text = text or shared.get(number, "")
        shared.setdefault(number, text)
    return f"={text}"


def _content(element: etree._Element) -> str:
    return "".join(str(piece) for piece in element.itertext())


def rich_text(element: etree._Element) -> str:
    """Return the text of a string: its own or that of its runs, without what says how it is pronounced."""
    pieces = []
    for part in element:
        match local_name(part):
            case "t":
                pieces.append(_content(part))
            case "r":
                pieces += [_content(t) for t in part if local_name(t) == "t"]
    return unescaped("".join(pieces))


def unescaped(text: str) -> str:
    """Return the text with the characters that Office writes as _x000D_."""
    if "_x" not in text:
        return text
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
