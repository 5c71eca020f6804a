"""Workbooks in Office Open XML: .xlsx, .xlsm and what WPS saves as .et in that form.

The parts are unpacked within bounds. A sheet that is written as nearly all programs write them is read
in sets (plain.py), or in one go where it is small (small.py); any other one element by element (worksheet.py).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

from lxml import etree

from .cells import CellBudget, Grid, Range, column_index
from .model import Doubt, Limits, Sheet, Unreadable
from .packages import Package, drop, local_name, parse_xml, walk_xml
from .plain import read_plain
from .small import SMALL, read_small
from .styles import styles_of
from .worksheet import Book, read_sheet, rich_text

_USUAL_MAIN: Final = "xl/workbook.xml"

_MERGE: Final = re.compile(
    rb'<mergeCell ref="([A-Za-z]{1,3})([0-9]{1,7}):([A-Za-z]{1,3})([0-9]{1,7})"'
)
#: A shared text as nearly all programs write it, up to the end of its element; Excel in China says of
#: each how it is not pronounced.
_PLAIN_TEXT: Final = re.compile(r"\s*<si><t(?: [^<>]*)?>([^<&\r]*)</t>(?:<phoneticPr [^<>]*/>)?\s*")


@dataclass(frozen=True)
class _Main:
    """What the main part of a workbook says: name, state and relation of each sheet, and what they share."""

    sheets: tuple[tuple[str, str, str], ...]
    since_1904: bool
    uncalculated: bool


def read(package: Package, workbook: str, limits: Limits) -> list[Sheet]:
    """Return the sheets of the workbook whose main part is `workbook`; raises Unreadable."""
    main = _main(package.read_xml(workbook), workbook)
    relations = relations_of(package, workbook)
    if len(main.sheets) > limits.sheets:
        raise Unreadable.too_large("工作表数", "its sheets", limits.sheets)

    pages: list[tuple[str, bool, bytes]] = []
    missing: list[str] = []
    for name, state, relation in main.sheets:
        kind, target = relations.get(relation, ("", ""))
        if kind not in ("worksheet", ""):  # chart, dialogue and macro sheets have no cells
            continue
        if kind == "" or target not in package:
            missing.append(name)
            continue
        pages.append((name, state != "visible", package.read_xml(target)))
    if not pages:
        raise Unreadable("corrupt", what="、".join(missing)) if missing else Unreadable("no_sheets")

    book = Book(
        strings=_texts(_part_of_kind(package, relations, "sharedStrings"), limits),
        styles=styles_of(_part_of_kind(package, relations, "styles"), limits),
        since_1904=main.since_1904,
        uncalculated=main.uncalculated,
    )
    budget = CellBudget(limits)
    sheets = [_sheet(name, hidden, xml, book, budget, limits) for name, hidden, xml in pages]
    doubts = tuple(Doubt("missing_sheet", name) for name in missing)
    return [replace(sheet, doubts=doubts) for sheet in sheets] if doubts else sheets


@lru_cache(maxsize=64)
def _main(xml: bytes, what: str) -> _Main:
    """Return what a workbook's main part says; those that are made from one template are the same."""
    root = parse_xml(xml, what)
    sheets = tuple(
        (element.get("name", ""), element.get("state", "visible"), _relation_id(element))
        for element in root.iter()
        if local_name(element) == "sheet"
    )
    told = {local_name(element): element for element in root}
    true = ("1", "true")
    return _Main(
        sheets,
        since_1904="workbookPr" in told and told["workbookPr"].get("date1904") in true,
        uncalculated="calcPr" in told and told["calcPr"].get("fullCalcOnLoad") in true,
    )


def _sheet(
    name: str, hidden: bool, xml: bytes, book: Book, budget: CellBudget, limits: Limits
) -> Sheet:
    """Return the sheet in an XML part in UTF-8; raises Unreadable (too_spread, too_large, corrupt)."""
    start, end = xml.find(b"<sheetData"), xml.rfind(b"</sheetData>")
    if 0 <= start < end and b"<!" not in xml[:start]:
        grid = Grid(name, budget, hidden)
        merged = _merged(xml, end)
        reader = read_small if end - start <= SMALL else read_plain
        if merged is not None and reader(xml, (start, end), grid, book, limits):
            for place in merged:
                grid.merge(*place)
            return grid.sheet()
    return read_sheet(xml, name, hidden, book, budget, limits)


def main_part(package: Package) -> str:
    """Return the name of the workbook's main part; raises Unreadable (not_a_workbook, corrupt)."""
    if _USUAL_MAIN in package:
        return _USUAL_MAIN
    targets = (
        target for kind, target in relations_of(package, "").values() if kind == "officeDocument"
    )
    main = next(targets, "")
    if main.startswith("word/"):
        raise Unreadable("not_a_workbook", what="Word 文档", what_en="a Word document")
    if main.startswith("ppt/"):
        raise Unreadable("not_a_workbook", what="演示文稿", what_en="a presentation")
    if main not in package:
        raise Unreadable("corrupt", what="workbook")
    return main


def relations_of(package: Package, part: str) -> Mapping[str, tuple[str, str]]:
    """Return a part's relations: id -> (kind, name of the part meant); "" stands for the package."""
    folder, file = posixpath.split(part)
    name = posixpath.join(folder, "_rels", file + ".rels")
    return _relations(package.read_xml(name), name, folder)


@lru_cache(maxsize=64)
def _relations(xml: bytes, name: str, folder: str) -> Mapping[str, tuple[str, str]]:
    """Return the relations in a part; the workbooks of one program mostly have the same."""
    relations = {}
    for element in parse_xml(xml, name):
        if local_name(element) == "Relationship" and element.get("TargetMode") != "External":
            target = unquote(element.get("Target", "")).replace("\\", "/")
            target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            kind = element.get("Type", "").rpartition("/")[2]
            relations[element.get("Id", "")] = (kind, target)
    return MappingProxyType(relations)


def _relation_id(element: etree._Element) -> str:
    """Return the r:id of an element, be its namespace the ordinary or the strict one."""
    return next(
        (str(value) for name, value in element.items() if str(name).rpartition("}")[2] == "id"), ""
    )


def _part_of_kind(package: Package, relations: Mapping[str, tuple[str, str]], kind: str) -> bytes:
    """Return the part of that kind that the workbook points to; b"" if there is none."""
    for found, target in relations.values():
        if found == kind and target in package:
            return package.read_xml(target)
    return b""


def _texts(strings: bytes, limits: Limits) -> Sequence[str]:
    """Return the shared texts; raises Unreadable (corrupt, too_large)."""
    texts = _plain_texts(strings, limits)
    return _texts_of_elements(strings, limits) if texts is None else texts


def _plain_texts(strings: bytes, limits: Limits) -> list[str] | None:
    """Return the shared texts where they are written plainly, but for some that are read as elements."""
    start, end = strings.find(b"<si"), strings.rfind(b"</si>")
    whole = 0 <= start < end and strings[end + len(b"</si>") :].strip() == b"</sst>"
    if not whole or b"<!" in strings:
        return None
    try:
        text = strings[start:end].decode()
    except UnicodeDecodeError:
        return None
    items = text.split("</si>")
    found = [_PLAIN_TEXT.fullmatch(item) for item in items]
    texts = [match[1] if match else "" for match in found]
    others = [i for i, match in enumerate(found) if match is None or "_x" in match[1]]
    if others:
        markup = "".join(f"{items[i]}</si>" for i in others)
        try:
            read = _texts_of_elements(f"<sst>{markup}</sst>".encode(), limits)
        except Unreadable:
            return None
        if len(read) != len(others):
            return None
        for i, text in zip(others, read, strict=True):
            texts[i] = text
    return texts


def _texts_of_elements(strings: bytes, limits: Limits) -> list[str]:
    """Return the shared texts in a part; raises Unreadable (corrupt, too_large)."""
    texts = []
    try:
        for _, element in walk_xml(strings, ("{*}si",), limits) if strings else ():
            texts.append(rich_text(element))
            drop(element)
    except etree.XMLSyntaxError as error:
        raise Unreadable("corrupt", what="sharedStrings") from error
    return texts


def _merged(xml: bytes, behind: int) -> list[Range] | None:
    """Return the merged ranges, which stand behind the cells; None if they are not written plainly."""
    ranges = xml.count(b"mergeCell ", behind)
    if not ranges:
        return None if xml.find(b"mergeCell\t", behind) >= 0 else []
    found = _MERGE.findall(xml, behind)
    if len(found) != ranges or xml.find(b"<!", behind) >= 0:
        return None
    return [
        (
            int(top) - 1,
            column_index(left.decode()),
            int(bottom) - 1,
            column_index(right.decode()),
        )
        for left, top, right, bottom in found
    ]
