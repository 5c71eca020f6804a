"""Tables of a web page: what many systems export under the ending .xls."""

from __future__ import annotations

import itertools
import re
from decimal import Decimal
from typing import Final

from lxml import etree

from .cells import CellBudget, Grid, number_text
from .model import Limits, Sheet, Unreadable
from .packages import refuse_long_tags, refuse_many_elements
from .scales import Scale

_WIDEST_SPAN: Final = 1_000  # columns and rows, as browsers have it
_TALLEST_SPAN: Final = 65_534
_NOT_SHOWN: Final = frozenset({"script", "style", "table", "comment"})
_BLOCKS: Final = frozenset({"p", "div", "li"})
_SOURCE_SPACE: Final = re.compile(r"[ \t\r\n\f]+")
#: A figure as it is shown: -1,001.50, 2.1E+09, 44%, 12.5万.
_FIGURE: Final = re.compile(
    r"[¥￥$]?\s?([+-]?[0-9][0-9,]*(?:\.[0-9]+)?|[+-]?\.[0-9]+)(?:[eE]([+-]?[0-9]{1,3}))?\s?(%|[百千万亿]{0,2}[元人]?)"
)
_LONGEST_FIGURE: Final = 60  # characters
_POWERS: Final = (0, -3, -4, -6, -8, -1, -2)
_INEXACT: Final = Decimal("0.5e-1")  # of a figure whose last digits an exponent cuts off
_WORDS: Final = {"百": 2, "千": 3, "万": 4, "百万": 6, "千万": 7, "亿": 8}


def read(text: str, limits: Limits) -> list[Sheet]:
    """Return the page's tables that hold text, each a sheet named by its caption or its number.

    A table inside another's cell is a sheet of its own. Raises Unreadable.
    """
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False
    )
    page_bytes = text.encode("utf-8")
    refuse_many_elements(page_bytes, limits)
    refuse_long_tags(page_bytes)
    try:
        page = etree.fromstring(page_bytes, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("corrupt", what="HTML") from error
    budget = CellBudget(limits)
    sheets: list[Sheet] = []
    for table in page.iter("table") if page is not None else ():
        caption = " ".join(_text(caption) for caption in table.iterchildren("caption"))
        name = _unused(caption or f"表{len(sheets) + 1}", {sheet.name for sheet in sheets})
        sheet = _sheet(table, name, budget)
        if sheet.cells.height:
            sheets.append(sheet)
        if len(sheets) > limits.sheets:
            raise Unreadable.too_large("工作表数", "its sheets", limits.sheets)
    if not sheets:
        raise Unreadable("no_sheets")
    return sheets


def _unused(name: str, used: set[str]) -> str:
    numbered = (f"{name} ({number})" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if each not in used)


def _sheet(table: etree._Element, name: str, budget: CellBudget) -> Sheet:
    grid = Grid(name, budget)
    free_from: dict[int, int] = {}  # by column, the first row no cell from above reaches into
    own_rows = (row for row in table.iter("tr") if next(row.iterancestors("table")) is table)
    for row, element in enumerate(own_rows):
        column = 0
        for cell in element.iterchildren("td", "th"):
            while free_from.get(column, 0) > row:
                column += 1
            across = _span(cell, "colspan", _WIDEST_SPAN)
            down = _span(cell, "rowspan", _TALLEST_SPAN)
            budget.check(name, row + 1, column + across)
            text, scale = _exact(_text(cell), cell.get("x:num"))
            grid.put(row, column, text)
            grid.scale(row, column, scale)
            if across > 1 or down > 1:
                grid.merge(row, column, row + down - 1, column + across - 1)
            free_from.update(dict.fromkeys(range(column, column + across), row + down))
            column += across
    return grid.sheet()


def _span(cell: etree._Element, name: str, most: int) -> int:
    digits = re.match(r"\s*([0-9]{1,9})", cell.get(name, ""))
    return min(max(int(digits[1]), 1), most) if digits else 1


def _exact(shown: str, number: str | None) -> tuple[str, Scale | None]:
    """Return the figure that a cell holds, and how its format scales it.

    Excel writes what it shows, rounded, and beside it (x:num) the number itself. Where what is shown
    is no figure (a date), or another figure altogether, that stands.
    """
    figure = _FIGURE.fullmatch(shown.strip()[:_LONGEST_FIGURE]) if number else None
    if number is None or figure is None:
        return shown, None
    try:
        exact = Decimal(number_text(number))
        seen = Decimal(figure[1].replace(",", ""))
        rounding = Decimal(1).scaleb(int(seen.as_tuple().exponent)) / 2
        for power in (2,) if figure[3] == "%" else _POWERS:
            tolerance = rounding + (abs(exact.scaleb(power)) * _INEXACT if figure[2] else 0)
            if abs(exact.scaleb(power) - seen.scaleb(int(figure[2] or 0))) <= tolerance:
                word = _word(figure[3])
                scaled = exact and (power or word)
                return number_text(number), Scale(power, word, shown.strip()) if scaled else None
    except (ValueError, ArithmeticError):
        return shown, None
    return shown, None


def _word(behind: str) -> int:
    return _WORDS.get(behind.strip().removesuffix("元").removesuffix("人"), 0)


def _text(cell: etree._Element) -> str:
    """Return what a browser shows, without what stands in tables inside."""
    pieces: list[str] = []
    walk = etree.iterwalk(cell, events=("start", "end"))
    for event, element in walk:
        if event == "start":
            if element is not cell and element.tag in _NOT_SHOWN:
                walk.skip_subtree()
                continue
            pieces.append(_SOURCE_SPACE.sub(" ", element.text or ""))
            if element.tag == "br":
                pieces.append("\n")
        elif element is not cell:
            if element.tag in _BLOCKS:
                pieces.append("\n")
            pieces.append(_SOURCE_SPACE.sub(" ", element.tail or ""))
    lines = "".join(pieces).split("\n")
    return "\n".join(line.strip(" ") for line in lines).strip("\n")
