"""The main part of a workbook: which sheets it has, in which order, and their names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from transforms.workbooks.package import (
    MAIN,
    RELATIONS,
    CopiedPackage,
    OutOfBounds,
    insert_in_order,
)

WORKSHEET_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
_BOOK_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_ID: Final = f"{{{RELATIONS}}}id"
#: The children of the main part, as the format orders them.
_ORDER: Final = (
    "fileVersion fileSharing workbookPr workbookProtection bookViews sheets functionGroups"
    " externalReferences definedNames calcPr oleSize customWorkbookViews pivotCaches smartTagPr"
    " smartTagTypes webPublishing fileRecoveryPr webPublishObjects extLst"
)


@dataclass(frozen=True)
class SheetEntry:
    """A worksheet: its name as people see it, its part, and whether it is shown."""

    title: str
    part: str
    visible: bool


class WorkbookPart:
    """The workbook of a package."""

    def __init__(self, package: CopiedPackage) -> None:
        part = package.target("", "officeDocument")
        if part is None:
            raise OutOfBounds("no workbook")
        self.package, self.part = package, part
        self._root = package.tree(part)
        self._sheets = _child(self._root, "sheets")

    @classmethod
    def blank(cls) -> WorkbookPart:
        """Return a workbook without a sheet."""
        package = CopiedPackage()
        blank = f'<workbook xmlns="{MAIN}"/>'.encode()
        part = package.add("xl/workbook.xml", blank, _BOOK_TYPE)
        package.relate("", f"{RELATIONS}/officeDocument", part)
        return cls(package)

    def worksheets(self) -> list[SheetEntry]:
        """Return the worksheets in their order; sheets that are a chart alone are none."""
        relations = self.package.relations(self.part)
        found = []
        for element in self._sheets:
            relation = relations.get(element.get(_ID, ""))
            if relation is not None and relation.kind == "worksheet":
                visible = element.get("state", "visible") == "visible"
                part = relation.part_from(self.part)
                found.append(SheetEntry(element.get("name", ""), part, visible))
        return found

    def free_title(self, wanted: str) -> str:
        """Return a name that no sheet has: ``wanted``, or that with a number."""
        taken = {element.get("name", "").casefold() for element in self._sheets}
        title, number = wanted, 1
        while title in taken:
            number += 1
            title = f"{wanted}({number})"
        return title

    def drop(self, sheet: SheetEntry) -> None:
        """Take a worksheet out, with its part and the names that hold on it."""
        relations = self.package.relations(self.part)
        for element in list(self._sheets):
            relation = relations.get(element.get(_ID, ""))
            if relation is not None and relation.part_from(self.part) == sheet.part:
                drop_sheets(self._root, [element])
                self.package.drop_relation(self.part, element.get(_ID, ""))

    def put_first(self, title: str, xml: bytes, print_titles: str) -> None:
        """Put a sheet before all others: the one that is seen when the workbook is opened.

        ``print_titles`` are the rows that stand on each page, as ``$5:$5``.
        """
        part = self.package.add("xl/worksheets/list{}.xml", xml, WORKSHEET_TYPE)
        known = self.package.relate(self.part, f"{RELATIONS}/worksheet", part)
        numbers = [int(element.get("sheetId", "0")) for element in self._sheets]
        sheet = etree.Element(f"{{{MAIN}}}sheet", nsmap={"r": RELATIONS})
        sheet.attrib.update(
            {"name": title, "sheetId": str(max(numbers, default=0) + 1), _ID: known}
        )
        _renumber(self._root, {place: place + 1 for place in range(len(self._sheets))})
        self._sheets.insert(0, sheet)
        name = etree.SubElement(_child(self._root, "definedNames"), f"{{{MAIN}}}definedName")
        name.attrib.update({"name": "_xlnm.Print_Titles", "localSheetId": "0"})
        # A quotation mark in a sheet's name is doubled inside the quoted name.
        name.text = "'{}'!{}".format(title.replace("'", "''"), print_titles)
        self._show_first()

    def _show_first(self) -> None:
        views = _child(self._root, "bookViews")
        if len(views) == 0:
            etree.SubElement(views, f"{{{MAIN}}}workbookView")
        for view in views:
            view.set("firstSheet", "0")
            view.set("activeTab", "0")

    def compute_on_opening(self) -> None:
        """Have all formulas computed anew when the workbook is opened."""
        _child(self._root, "calcPr").set("fullCalcOnLoad", "1")


def _child(root: etree._Element, name: str) -> etree._Element:
    """Return the child of that name, which is made where it is missing."""
    child = root.find(f"{{{MAIN}}}{name}")
    if child is None:
        child = etree.Element(f"{{{MAIN}}}{name}")
        insert_in_order(root, child, _ORDER)
    return child


def drop_sheets(root: etree._Element, sheets: Collection[etree._Element]) -> None:
    """Take sheets out of a workbook's main part, with the names that hold on them."""
    if not sheets:
        return
    listed = _child(root, "sheets")
    staying = [place for place, sheet in enumerate(listed) if sheet not in sheets]
    for sheet in sheets:
        listed.remove(sheet)
    _renumber(root, {old: new for new, old in enumerate(staying)})


def _renumber(root: etree._Element, places: Mapping[int, int]) -> None:
    """Move the names that hold on one sheet to its new place; those of no sheet go."""
    for name in list(root.iter(f"{{{MAIN}}}definedName")):
        of_sheet = name.get("localSheetId")
        if of_sheet is None:
            continue
        place = places.get(int(of_sheet)) if of_sheet.isdecimal() else None
        parent = name.getparent()
        if place is not None:
            name.set("localSheetId", str(place))
        elif parent is not None:
            parent.remove(name)
