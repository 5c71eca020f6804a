"""What makes an .xlsx one that Excel opens without offering to repair it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from urllib.parse import unquote
from zipfile import ZipFile

from lxml import etree

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
OFFICE = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
VML = "{urn:schemas-microsoft-com:vml}"
EXCEL = "{urn:schemas-microsoft-com:office:excel}"
WORKBOOK_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"

#: CT_Worksheet, CT_Workbook and CT_Stylesheet of ECMA-376 part 1.
WORKSHEET = """
    sheetPr dimension sheetViews sheetFormatPr cols sheetData sheetCalcPr sheetProtection
    protectedRanges scenarios autoFilter sortState dataConsolidate customSheetViews mergeCells phoneticPr
    conditionalFormatting dataValidations hyperlinks printOptions pageMargins pageSetup headerFooter
    rowBreaks colBreaks customProperties cellWatches ignoredErrors smartTags drawing legacyDrawing
    legacyDrawingHF drawingHF picture oleObjects controls webPublishItems tableParts extLst
"""
WORKBOOK = """
    fileVersion fileSharing workbookPr workbookProtection bookViews sheets functionGroups
    externalReferences definedNames calcPr oleSize customWorkbookViews pivotCaches smartTagPr smartTagTypes
    webPublishing fileRecoveryPr webPublishObjects extLst
"""
STYLES = """
    numFmts fonts fills borders cellStyleXfs cellXfs cellStyles dxfs tableStyles colors
    extLst
"""

#: Kinds of what acts, reaches out or was signed; a copy holds none of it.
LEFT_BEHIND = """
    vbaProject ctrlProp control activeXControlBinary oleObject package printerSettings connections
    queryTable customXml slicer slicerCache extensibility attachedToolbars origin calcChain xlMacrosheet
    dialogsheet customProperty sheetMetadata
"""

Parts = dict[str, bytes]


def parts_of(workbook: bytes) -> Parts:
    with ZipFile(BytesIO(workbook)) as archive:
        names = archive.namelist()
        assert len({name.lower() for name in names}) == len(names)
        return {name: archive.read(name) for name in names}


def relations(parts: Parts, part: str) -> dict[str, tuple[str, str, bool]]:
    """Kind, target and whether it is outside, by the id of the relation."""
    folder, name = posixpath.split(part)
    xml = parts.get(posixpath.join(folder, "_rels", f"{name}.rels"))
    found = {}
    for relation in () if xml is None else etree.fromstring(xml):
        target, outside = relation.get("Target"), relation.get("TargetMode") == "External"
        if not outside:
            joined = posixpath.join("/", folder, unquote(target))
            target = posixpath.normpath(joined).lstrip("/")
        assert relation.get("Id") not in found
        found[relation.get("Id")] = (relation.get("Type").rpartition("/")[2], target, outside)
    return found


def sheets(parts: Parts) -> dict[str, str]:
    """The parts of the sheets by their names, in order."""
    (book,) = (
        target for kind, target, _ in relations(parts, "").values() if kind == "officeDocument"
    )
    there = relations(parts, book)
    listed = etree.fromstring(parts[book]).find(f"{MAIN}sheets")
    return {sheet.get("name"): there[sheet.get(f"{OFFICE}id")][1] for sheet in listed}


def target(parts: Parts, part: str, kind: str) -> str:
    (found,) = (target for found, target, _ in relations(parts, part).values() if found == kind)
    return found


def assert_whole(workbook: bytes) -> Parts:
    """Hold a written workbook against what the format demands; give its parts."""
    parts = parts_of(workbook)
    trees = {
        name: etree.fromstring(xml)
        for name, xml in parts.items()
        if name.endswith((".xml", ".rels", ".vml"))
    }
    _assert_types(parts)
    _assert_relations(parts, trees)
    _assert_book(parts, trees)
    looks = _assert_styles(parts, trees)
    for name, tree in trees.items():
        if tree.tag == f"{MAIN}worksheet":
            _assert_sheet(tree, looks)
            _assert_comments(parts, name, tree)
    return parts


def _assert_types(parts: Parts) -> None:
    types = etree.fromstring(parts["[Content_Types].xml"])
    endings = {entry.get("Extension") for entry in types if entry.get("Extension")}
    named = {entry.get("PartName") for entry in types if entry.get("PartName")}
    assert len(endings) + len(named) == len(types)
    for part in set(parts) - {"[Content_Types].xml"}:
        assert f"/{part}" in named or part.rpartition(".")[2].lower() in endings, part
    assert {name.removeprefix("/") for name in named} <= set(parts)
    assert not any("macro" in entry.get("ContentType") for entry in types)
    book = next(target for kind, target, _ in relations(parts, "").values() if "office" in kind)
    declared = {entry.get("PartName"): entry.get("ContentType") for entry in types}
    assert declared[f"/{book}"] == WORKBOOK_TYPE


def _assert_relations(parts: Parts, trees: dict[str, etree._Element]) -> None:
    meant = {"[Content_Types].xml"}
    for part in ("", *parts):
        there = relations(parts, part)
        for kind, target, outside in there.values():
            assert kind not in LEFT_BEHIND.split(), (part, kind)
            assert outside or kind == "hyperlink" or target in parts, (part, target)
            meant.add(target)
        if there:
            folder, name = posixpath.split(part)
            meant.add(posixpath.join(folder, "_rels", f"{name}.rels"))
        for element in trees[part].iter() if part in trees else ():
            for name, value in element.attrib.items():
                if str(name).startswith(OFFICE) and value:
                    assert value in there, (part, element.tag, value)
    assert set(parts) <= meant


def _assert_order(root: etree._Element, words: str) -> None:
    order = words.split()
    names = [etree.QName(child).localname for child in root]
    assert [order.index(name) for name in names] == sorted(order.index(name) for name in names)
    once = [name for name in names if name != "conditionalFormatting"]
    assert len(set(once)) == len(once)


def _assert_book(parts: Parts, trees: dict[str, etree._Element]) -> None:
    (book,) = (tree for tree in trees.values() if tree.tag == f"{MAIN}workbook")
    _assert_order(book, WORKBOOK)
    listed = book.find(f"{MAIN}sheets")
    for name in ("name", "sheetId", f"{OFFICE}id"):
        assert len({sheet.get(name) for sheet in listed}) == len(listed)
    for name in book.iter(f"{MAIN}definedName"):
        assert int(name.get("localSheetId", "0")) < len(listed)
    for view in book.iter(f"{MAIN}workbookView"):
        assert (view.get("activeTab"), view.get("firstSheet")) == ("0", "0")
    assert book.find(f"{MAIN}calcPr").get("fullCalcOnLoad") == "1"
    selected = [
        name
        for name, part in sheets(parts).items()
        for view in trees[part].iter(f"{MAIN}sheetView")
        if view.get("tabSelected")
    ]
    assert selected == [next(iter(sheets(parts)))]


def _assert_styles(parts: Parts, trees: dict[str, etree._Element]) -> int:
    (styles,) = (tree for tree in trees.values() if tree.tag == f"{MAIN}styleSheet")
    _assert_order(styles, STYLES)
    size = {}
    for section in styles:
        name = etree.QName(section).localname
        size[name] = len(section)
        if section.get("count"):
            assert int(section.get("count")) == len(section), name
    for look in styles.find(f"{MAIN}cellXfs"):
        for name, section in (("fontId", "fonts"), ("fillId", "fills"), ("borderId", "borders")):
            assert int(look.get(name, "0")) < size[section]
    assert size["fills"] > 2
    return size["cellXfs"]


def _assert_sheet(sheet: etree._Element, looks: int) -> None:
    _assert_order(sheet, WORKSHEET)
    places = list(_places(sheet))
    assert all(one < other for one, other in pairwise(places))
    for cell in sheet.iter(f"{MAIN}c"):
        assert int(cell.get("s", "0")) < looks
        assert not (cell.get("t") == "inlineStr" and cell.find(f"{MAIN}v") is not None)
    for name in ("hyperlinks", "tableParts", "mergeCells", "extLst"):
        found = sheet.find(f"{MAIN}{name}")
        assert found is None or len(found) > 0
        assert found is None or int(found.get("count", len(found))) == len(found)


def _places(sheet: etree._Element) -> Iterator[tuple[int, int, str]]:
    number = 0
    for row in sheet.iter(f"{MAIN}row"):
        number = int(row.get("r", number + 1))
        yield (number, 0, "")
        letters = ""
        for cell in row:
            if cell.get("r"):
                found = re.fullmatch("([A-Z]+)([0-9]+)", cell.get("r"))
                assert found and int(found[2]) == number
                letters = found[1]
            else:
                letters = f"{letters}~"
            yield (number, len(letters.rstrip("~")) or 1, letters)


def _assert_comments(parts: Parts, part: str, sheet: etree._Element) -> None:
    kinds = {kind for kind, _, _ in relations(parts, part).values()}
    if "comments" not in kinds:
        assert sheet.find(f"{MAIN}legacyDrawing") is None
        return
    comments = etree.fromstring(parts[target(parts, part, "comments")])
    authors = comments.findall(f"{MAIN}authors/{MAIN}author")
    refs = []
    for comment in comments.iter(f"{MAIN}comment"):
        assert int(comment.get("authorId")) < len(authors)
        refs.append(comment.get("ref"))
    assert len(set(refs)) == len(refs) > 0
    pointer = sheet.find(f"{MAIN}legacyDrawing").get(f"{OFFICE}id")
    boxes = etree.fromstring(parts[relations(parts, part)[pointer][1]])
    drawn = []
    for shape in boxes.iter(f"{VML}shape"):
        data = shape.find(f"{EXCEL}ClientData")
        assert data.get("ObjectType") == "Note"
        row, column = (int(data.findtext(f"{EXCEL}{name}")) for name in ("Row", "Column"))
        drawn.append(f"{_letters(column)}{row + 1}")
    assert sorted(drawn) == sorted(refs)
    ids = [shape.get("id") for shape in boxes.iter(f"{VML}shape")]
    assert len(set(ids)) == len(ids)
    kinds_of_boxes = {shape.get("id") for shape in boxes.iter(f"{VML}shapetype")}
    for shape in boxes.iter(f"{VML}shape"):
        assert shape.get("type").removeprefix("#") in kinds_of_boxes


def _letters(column: int) -> str:
    first, second = divmod(column, 26)
    return (chr(64 + first) if first else "") + chr(65 + second)
