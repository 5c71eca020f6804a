"""SpreadsheetML 2003: a workbook as one XML text, often saved under the ending .xls."""

from __future__ import annotations

from typing import Final

from lxml import etree

from .cells import CellBudget, Grid, number_text
from .model import Limits, Sheet, Unreadable
from .packages import drop, local_name, walk_xml
from .scales import Scale, scale_of

NAMESPACE: Final = "urn:schemas-microsoft-com:office:spreadsheet"
_SS: Final = "{" + NAMESPACE + "}"
_VISIBLE: Final = "{urn:schemas-microsoft-com:office:excel}Visible"


def read(xml: bytes, limits: Limits) -> list[Sheet]:
    """Return the worksheets of a workbook in UTF-8 without a DTD; raises Unreadable."""
    try:
        sheets = _sheets(xml, limits)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("corrupt", what="XML") from error
    if not sheets:
        raise Unreadable("no_sheets")
    return sheets


def _sheets(xml: bytes, limits: Limits) -> list[Sheet]:
    budget = CellBudget(limits)
    sheets: list[Sheet] = []
    grid = Grid("", budget)
    row = 0
    names = (f"{_SS}Worksheet", f"{_SS}Row", f"{_SS}Style", _VISIBLE)
    codes: dict[str, str] = {}
    for event, element in walk_xml(xml, names, limits, ("start", "end")):
        match event, local_name(element):
            case "start", "Worksheet":
                if len(sheets) == limits.sheets:
                    raise Unreadable.too_large("工作表数", "its sheets", limits.sheets)
                grid, row = Grid(element.get(f"{_SS}Name", ""), budget), 0
            case "end", "Style":
                for shown in element.iterchildren(f"{_SS}NumberFormat"):
                    code = shown.get(f"{_SS}Format", "")
                    codes[element.get(f"{_SS}ID", "")] = "0.00%" if code == "Percent" else code
                drop(element)
            case "end", "Visible":
                grid.hidden = (element.text or "").strip() != "SheetVisible"
            case "end", "Worksheet":
                sheets.append(grid.sheet())
                drop(element)
            case "end", "Row":
                row = int(element.get(f"{_SS}Index", row + 1)) - 1
                _put_row(element, grid, row, codes)
                row += 1 + int(element.get(f"{_SS}Span", 0))
                drop(element)
    return sheets


def _put_row(element: etree._Element, grid: Grid, row: int, codes: dict[str, str]) -> None:
    column = 0
    for cell in element.iterchildren(f"{_SS}Cell"):
        column = int(cell.get(f"{_SS}Index", column + 1)) - 1
        across = int(cell.get(f"{_SS}MergeAcross", 0))
        down = int(cell.get(f"{_SS}MergeDown", 0))
        if across or down:
            grid.merge(row, column, row + down, column + across)
        data = cell.find(f"{_SS}Data")
        # A formula without data is one that no program has calculated yet; an empty text is a result.
        text = "" if data is None else _text(data)
        if not text and (data is None or data.get(f"{_SS}Type") != "String"):
            text = cell.get(f"{_SS}Formula", "")
        grid.put(row, column, text)
        code = codes.get(cell.get(f"{_SS}StyleID", element.get(f"{_SS}StyleID", "")))
        if code and data is not None and data.get(f"{_SS}Type") == "Number":
            grid.scale(row, column, _scale(code, data))
        column += 1 + across


def _scale(code: str, data: etree._Element) -> Scale | None:
    try:
        return scale_of(code, float(_text(data)))
    except ValueError:
        return None


def _text(data: etree._Element) -> str:
    text = "".join(str(piece) for piece in data.itertext())
    match data.get(f"{_SS}Type"):
        case "Number":
            try:
                return number_text(text)
            except ValueError:  # what its writer made of a missing number
                return text
        case "Boolean":
            return "true" if text.strip() == "1" else "false"
        case "DateTime":
            return text.strip().replace("T", " ").removesuffix(".000")
        case _:
            return text
