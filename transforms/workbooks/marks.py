"""Marks in a workbook: cells of findings are filled and commented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from transforms.workbooks import findings as bounds
from transforms.workbooks.book import WorkbookPart
from transforms.workbooks.comments import add_remarks
from transforms.workbooks.findings import COLOURS, ListedFinding, Place, place_of
from transforms.workbooks.styles import StyleSheet
from transforms.workbooks.worksheet import cells, top_left


def mark(book: WorkbookPart, styles: StyleSheet, findings: Sequence[ListedFinding]) -> None:
    """Fill and comment the cells of the findings, the worst colour winning.

    Raises ValueError where a sheet is damaged.
    """
    sheets = {sheet.title: sheet.part for sheet in book.worksheets()}
    remarks = _remarks(book, sheets, findings)
    for title, part in sheets.items():
        found = remarks.get(title, {})
        for place, cell in cells(book.package.tree(part), found).items() if found else ():
            worst = "error" if any(f.severity == "error" for f in found[place]) else "warning"
            style = styles.filled(int(cell.get("s", "0")), COLOURS[worst])
            cell.set("s", str(style))
        if found or book.package.target(part, "vmlDrawing") is None:
            add_remarks(book.package, part, found)


def _remarks(
    book: WorkbookPart, sheets: Mapping[str, str], findings: Sequence[ListedFinding]
) -> dict[str, dict[Place, list[ListedFinding]]]:
    """Return the findings of each cell that is to be marked, by sheet, within the bounds."""
    marks = [
        (finding.sheet or "", place_of(place), finding)
        for finding in findings
        if finding.sheet in sheets
        for place in finding.places[: bounds.MARKS_PER_FINDING]
    ]
    wanted: dict[str, set[Place]] = {}
    for title, place, _ in marks:
        wanted.setdefault(title, set()).add(place)
    merged = {
        title: top_left(book.package.tree(sheets[title]), places)
        for title, places in wanted.items()
    }
    remarks: dict[str, dict[Place, list[ListedFinding]]] = {title: {} for title in wanted}
    left = bounds.MARKS_PER_WORKBOOK
    for title, place, finding in marks:
        place = merged[title].get(place, place)
        left -= place not in remarks[title]
        if left >= 0 or place in remarks[title]:
            remarks[title].setdefault(place, []).append(finding)
    return remarks
