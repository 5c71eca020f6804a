"""Small worksheets of .xlsx that are written as nearly all programs write them.

Most forms are a page, and to read that with arrays (plain.py) takes a millisecond however little stands on
it. Here one regular expression looks whether everything has its place in the same grammar, and another
takes the cells apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from lxml import etree

from .cells import Grid, column_index
from .model import Limits
from .worksheet import Book, put_elements, put_value

#: So many bytes of rows are few: about where arrays become the faster way.
SMALL: Final = 16_000

#: A cell as programs write it: column and row, style, kind, and what it holds. Nothing is tried in a second
#: way (``++``), so that what does not fit is left in one pass.
_PLACE: Final = (
    r'<c r="([A-Z]{1,3})([1-9][0-9]{0,6})"(?: s="([0-9]{1,5})")?(?: t="([A-Za-z]{1,9})")?'
)
_CONTENT: Final = r"(?:[^<]++|<(?!/?(?:c|row)[ />]))*+"
_BLANKS: Final = r"[ \t\r\n]*+"
_CELL: Final = rf"{_PLACE}(?:/>|><v>[^<]*+</v></c>|>{_CONTENT}</c>)"
_ROW: Final = rf"<row(?: [^<>]*+)?>(?:(?<=/>)|{_BLANKS}(?:{_CELL}{_BLANKS})*+</row>)"
_ROWS: Final = re.compile(rf"<sheetData(?: [^<>]*+)?>{_BLANKS}(?:{_ROW}{_BLANKS})*+")
#: The cells that hold something: a whole number as Excel and a float hold it exactly and store it (007 is
#: 7), any other value alone, or something else.
_CELLS: Final = re.compile(
    rf"{_PLACE}>(?:<v>(?:(0|[1-9][0-9]{{0,14}})|([^<&\r]++))</v>|({_CONTENT}))</c>"
)
_column: Final = lru_cache(maxsize=1024)(column_index)


def read_small(xml: bytes, cells: tuple[int, int], grid: Grid, book: Book, limits: Limits) -> bool:
    """Put the cells of a sheet's part into ``grid``; False where they are not written plainly.

    ``cells`` is where the rows begin and end in ``xml``. Nothing is put where False is returned, but for
    cells that turn out to be no elements. Raises Unreadable (too_spread, too_large).
    """
    try:
        text = xml[slice(*cells)].decode()
        if not _ROWS.fullmatch(text):
            return False
        return _put(_CELLS.findall(text), grid, book, limits)
    except (UnicodeDecodeError, etree.XMLSyntaxError):
        return False


def _put(found: list[tuple[str, ...]], grid: Grid, book: Book, limits: Limits) -> bool:
    """Put what :data:`_CELLS` found into the grid; False where a cell stands before the one before."""
    rows: list[int] = []
    columns: list[int] = []
    texts: list[str] = []
    values: list[tuple[int, int, str, str, int]] = []
    elements: list[str] = []
    strings, as_stored = book.strings, lru_cache(_as_stored(book))
    before = (0, -1)
    for letters, number, style, kind, whole, value, other in found:
        place = row, column = int(number), _column(letters)
        if place <= before:  # a place that is named twice is one cell
            return False
        before = place
        if whole and kind == "s" and int(whole) < len(strings):
            text = strings[int(whole)]
        elif whole and as_stored(kind, style):
            text = whole
        else:
            if other:
                attributes = f'r="{letters}{number}" s="{style or 0}" t="{kind or "n"}"'
                elements.append(f"<c {attributes}>{other}</c>")
            elif whole or value:
                values.append((row - 1, column, kind or "n", whole or value, int(style or 0)))
            continue
        rows.append(row - 1)
        columns.append(column)
        texts.append(text)
    grid.put_listed(rows, columns, texts)
    for cell in values:
        put_value(grid, *cell, book)
    if elements:
        put_elements("".join(elements).encode(), grid, book, limits, {})
    return True


def _as_stored(book: Book) -> Callable[[str, str], bool]:
    """Return what says whether a whole number shows as it is stored, by what a cell says of its kind and style."""
    return lambda kind, style: book.shows_as_stored(kind or "n", int(style or 0))
