"""The part of one worksheet: its cells found or made, and the order of what stands around them."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Collection, Iterable
from typing import Final

from lxml import etree

from transforms.formats import column_index, column_letters
from transforms.workbooks.findings import Place
from transforms.workbooks.package import MAIN, OutOfBounds, range_of

#: The children of a worksheet, as the format orders them.
ORDER: Final = (
    "sheetPr dimension sheetViews sheetFormatPr cols sheetData sheetCalcPr sheetProtection"
    " protectedRanges scenarios autoFilter sortState dataConsolidate customSheetViews mergeCells"
    " phoneticPr conditionalFormatting dataValidations hyperlinks printOptions pageMargins"
    " pageSetup headerFooter rowBreaks colBreaks customProperties cellWatches ignoredErrors"
    " smartTags drawing legacyDrawing legacyDrawingHF drawingHF picture oleObjects controls"
    " webPublishItems tableParts extLst"
)

_ROW, _CELL = f"{{{MAIN}}}row", f"{{{MAIN}}}c"
_PLACE: Final = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})")
_YES: Final = frozenset({"1", "true"})


def top_left(sheet: etree._Element, places: Collection[Place]) -> dict[Place, Place]:
    """Return, of those ``places`` that are merged, the top left one of each, which shows."""
    found = {}
    for merged in sheet.iterfind(f"{{{MAIN}}}mergeCells/{{{MAIN}}}mergeCell"):
        top, left, bottom, right = range_of(merged.get("ref", ""))
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                if (row, column) in places:
                    found[row, column] = (top, left)
    return found


def cells(sheet: etree._Element, places: Iterable[Place]) -> dict[Place, etree._Element]:
    """Return the cells at these places; those that the sheet has no element for are made.

    Raises OutOfBounds for what is no sheet.
    """
    data = sheet.find(f"{{{MAIN}}}sheetData")
    if data is None:
        raise OutOfBounds("a sheet without cells")
    wanted: dict[int, list[int]] = {}
    for row, column in sorted(places):
        wanted.setdefault(row, []).append(column)
    rows, added = _rows(data, wanted)
    found = {}
    for number, columns in wanted.items():
        there, missing = _cells_of(rows[number], number, columns)
        for column in columns:
            found[number, column] = there[column]
        for column in missing:
            _as_its_surroundings(there[column], rows[number], sheet, column)
        added |= bool(missing)
    dimension = sheet.find(f"{{{MAIN}}}dimension")
    if added and dimension is not None:
        # Where the sheet ends can be told without it.
        sheet.remove(dimension)
    return found


def _rows(data: etree._Element, wanted: Iterable[int]) -> tuple[dict[int, etree._Element], bool]:
    """Return the rows by number, and whether some of those that are wanted had to be made."""
    rows: dict[int, etree._Element] = {}
    number = 0
    for row in data.iterchildren(_ROW):
        # A row that does not say so is the one after the last.
        said = row.get("r")
        number = number + 1 if said is None else int(said)
        rows.setdefault(number, row)
    missing = [number for number in wanted if number not in rows]
    known = sorted(rows)
    for number in missing:
        row = etree.Element(_ROW, r=str(number))
        behind = bisect(known, number)
        if behind < len(known):
            rows[known[behind]].addprevious(row)
        else:
            data.append(row)
        rows[number] = row
    return rows, bool(missing)


def _cells_of(
    row: etree._Element, number: int, wanted: Iterable[int]
) -> tuple[dict[int, etree._Element], list[int]]:
    """Return the cells of a row by column, and the columns for which one had to be made."""
    there: dict[int, etree._Element] = {}
    column = 0
    for cell in row.iterchildren(_CELL):
        said = cell.get("r")
        if said is None:
            column += 1
        else:
            found = _PLACE.fullmatch(said)
            if found is None:
                raise OutOfBounds(f"a cell {said!r}")
            column = column_index(found[1]) + 1
        there.setdefault(column, cell)
    missing = [column for column in wanted if column not in there]
    known = sorted(there)
    for column in missing:
        cell = etree.Element(_CELL, r=f"{column_letters(column - 1)}{number}")
        behind = bisect(known, column)
        if behind < len(known):
            there[known[behind]].addprevious(cell)
        else:
            row.append(cell)
        there[column] = cell
    if missing:
        row.attrib.pop("spans", "")
    return there, missing


def _as_its_surroundings(
    cell: etree._Element, row: etree._Element, sheet: etree._Element, column: int
) -> None:
    """Give a new cell the look that its place had before: that of its row, or of its column."""
    style = row.get("s") if row.get("customFormat") in _YES else None
    if style is None:
        for columns in sheet.iterfind(f"{{{MAIN}}}cols/{{{MAIN}}}col"):
            if int(columns.get("min", "0")) <= column <= int(columns.get("max", "0")):
                style = columns.get("style")
    if style is not None:
        cell.set("s", style)
