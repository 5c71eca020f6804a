"""OpenDocument spreadsheets: .ods as LibreOffice, WPS and others write them.

Read element by element: runs of equal cells and rows are stored once with a number beside them,
and blank runs to the end of the sheet are usual. Only what holds text takes room.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Final

from lxml import etree

from .cells import CellBudget, Grid, number_text
from .model import Limits, Sheet, Unreadable
from .packages import Package, drop, local_name, walk_xml
from .scales import Scale

_OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT: Final = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_NUMBER: Final = "{urn:oasis:names:tc:opendocument:xmlns:datastyle:1.0}"
_DURATION: Final = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?\Z")
#: The language of a formula, which some writers leave out: of:=SUM([.A1:.A3]).
_PREFIX: Final = re.compile(r"\A[a-z]{1,10}:(?==)")
_LONGEST_RUN: Final = 32_767  # spaces in a row, the most a cell can hold


def read(package: Package, limits: Limits) -> list[Sheet]:
    """Return the sheets of the spreadsheet in the package; raises Unreadable."""
    manifest = "META-INF/manifest.xml"
    if manifest in package and b"encryption-data" in package.read_xml(manifest):
        raise Unreadable("encrypted")
    try:
        return _sheets(package.read_xml("content.xml"), limits)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("corrupt", what="content.xml") from error


def _sheets(xml: bytes, limits: Limits) -> list[Sheet]:
    budget = CellBudget(limits)
    sheets: list[Sheet] = []
    hidden_styles: set[str] = set()
    divisors: dict[str, int] = {}  # of number formats, as powers of ten
    scales: dict[str, int] = {}  # of cell styles
    grid: Grid | None = None
    row = 0
    names = (
        f"{_STYLE}style",
        f"{_NUMBER}number-style",
        f"{_TABLE}table",
        f"{_TABLE}table-row",
    )
    for event, element in walk_xml(xml, names, limits, ("start", "end")):
        kind = local_name(element)
        # Tables also stand in links to other documents; only sheets count.
        parent = element.getparent()
        is_sheet = kind == "table" and parent is not None and local_name(parent) == "spreadsheet"
        if event == "start" and is_sheet:
            if len(sheets) == limits.sheets:
                raise Unreadable.too_large("工作表数", "its sheets", limits.sheets)
            hidden = element.get(f"{_TABLE}style-name") in hidden_styles
            grid, row = Grid(element.get(f"{_TABLE}name", ""), budget, hidden), 0
        elif event == "end" and is_sheet and grid is not None:
            sheets.append(grid.sheet())
            grid = None
            drop(element)
        elif event == "end" and kind == "table-row" and grid is not None:
            repeat = int(element.get(f"{_TABLE}number-rows-repeated", "1"))
            _put_row(element, grid, row, repeat, budget, scales)
            row += repeat
            drop(element)
        elif event == "end" and kind == "number-style":
            for number in element.iterchildren(f"{_NUMBER}number"):
                divisor = number.get(f"{_NUMBER}display-factor", "1")
                if re.fullmatch("10{1,12}", divisor):
                    divisors[element.get(f"{_STYLE}name", "")] = 1 - len(divisor)
        elif event == "end" and kind == "style":
            if (format_name := element.get(f"{_STYLE}data-style-name", "")) in divisors:
                scales[element.get(f"{_STYLE}name", "")] = divisors[format_name]
            for properties in element.iter(f"{_STYLE}table-properties"):
                if properties.get(f"{_TABLE}display") == "false":
                    hidden_styles.add(element.get(f"{_STYLE}name", ""))
    if not sheets:
        raise Unreadable("no_sheets")
    return sheets


def _put_row(
    element: etree._Element,
    grid: Grid,
    row: int,
    repeat: int,
    budget: CellBudget,
    scales: dict[str, int],
) -> None:
    column = 0
    for cell in element.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
        columns = int(cell.get(f"{_TABLE}number-columns-repeated", "1"))
        text = _text(cell, budget)
        if text:
            # The last row first: where it is too far off, none of them takes any room.
            for index in range(row + repeat - 1, row - 1, -1):
                grid.put(index, column, text, columns)
            power = scales.get(cell.get(f"{_TABLE}style-name", ""), 0)
            kind = cell.get(f"{_OFFICE}value-type")
            power = 2 if kind == "percentage" else power if kind == "float" else 0
            if power and text != "0":
                shown = Scale(power, 0, _paragraphs(cell, budget))
                for index, place in product(range(row, row + repeat), range(columns)):
                    grid.scale(index, column + place, shown)
        down = int(cell.get(f"{_TABLE}number-rows-spanned", "1"))
        across = int(cell.get(f"{_TABLE}number-columns-spanned", "1"))
        if down > 1 or across > 1:
            grid.merge(row, column, row + down - 1, column + across - 1)
        column += columns


def _text(cell: etree._Element, budget: CellBudget) -> str:
    formula = cell.get(f"{_TABLE}formula", "")
    text = _value(cell, budget, bool(formula))
    if text or not formula:
        return text
    # An empty text is a result; what is no text and has no value, no program has calculated yet.
    is_text = cell.get(f"{_OFFICE}value-type") == "string"
    return "" if is_text else _PREFIX.sub("", formula)


def _value(cell: etree._Element, budget: CellBudget, is_formula: bool) -> str:
    match cell.get(f"{_OFFICE}value-type"):
        case "float" | "percentage" | "currency":
            shown = _paragraphs(cell, budget)
            # Some writers call an error a number.
            if shown.startswith("#"):
                return shown
            value = cell.get(f"{_OFFICE}value", "")
            return number_text(value) if value or not is_formula else ""
        case "boolean":
            return cell.get(f"{_OFFICE}boolean-value", "")
        case "date":
            return cell.get(f"{_OFFICE}date-value", "").replace("T", " ")
        case "time":
            return _time(cell.get(f"{_OFFICE}time-value", ""))
        case _:
            # Errors are texts whose value is "", and are shown.
            return cell.get(f"{_OFFICE}string-value", "") or _paragraphs(cell, budget)


def _time(duration: str) -> str:
    """PT07H50M00S as 07:50:00, to the second; other text as it is."""
    found = _DURATION.match(duration)
    if found is None:
        return duration
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    total = round(hours * 3600 + minutes * 60 + seconds)
    return f"{total // 3600:02}:{total // 60 % 60:02}:{total % 60:02}"


def _paragraphs(cell: etree._Element, budget: CellBudget) -> str:
    return "\n".join(_inline(paragraph, budget) for paragraph in cell.iterchildren(f"{_TEXT}p"))


def _inline(element: etree._Element, budget: CellBudget) -> str:
    """Return the text of a paragraph, with what stands for spaces, tabs and line breaks."""
    pieces = [element.text or ""]
    for child in element:
        match local_name(child):
            case "s":
                spaces = max(0, min(int(child.get(f"{_TEXT}c", "1")), _LONGEST_RUN))
                # A few bytes stand for many; all of one cell come before the cell is counted.
                budget.charge_text(spaces)
                pieces.append(" " * spaces)
            case "tab":
                pieces.append("\t")
            case "line-break":
                pieces.append("\n")
            case "annotation" | "note" | "ruby-text" | "":
                pass
            case _:
                pieces.append(_inline(child, budget))
        pieces.append(child.tail or "")
    return "".join(pieces)
