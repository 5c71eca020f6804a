"""What of a submitted workbook goes into its copy: whatever shows something, and nothing that acts.

A part is copied if something copied points to it and it is of a kind listed here; it is then as
it was handed in, byte for byte, unless something in it has to go. So macros, controls, embedded
objects, connections, printers, signatures and all that is not known here stay behind, with the
elements that point to them.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from lxml import etree

from transforms.formats.packages import local_name
from transforms.workbooks.book import drop_sheets
from transforms.workbooks.comments import is_of_notes
from transforms.workbooks.package import (
    MAIN,
    RELATIONS,
    CopiedPackage,
    OutOfBounds,
    Relationship,
    parsed,
    relations_of,
)

_SHEETS: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml."
_DRAWN: Final = "application/vnd.openxmlformats-officedocument.drawingml."
_POINTED: Final = etree.XPath("descendant-or-self::*/@r:*", namespaces={"r": RELATIONS})
_WITH_METADATA: Final = etree.XPath("m:sheetData/m:row/m:c[@cm or @vm]", namespaces={"m": MAIN})


@dataclass(frozen=True)
class _Kind:
    """What a part of a kind is declared as, and what it may point to.

    What is in ``shows`` is pointed to by an element, what is in ``has`` is related and no more.
    Where ``root`` is given, the part must begin with that element.
    """

    type: str
    shows: frozenset[str] = frozenset()
    has: frozenset[str] = frozenset()
    root: str = ""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PICTURES: Final = _set("image hdphoto")
_KINDS: Final = {
    "officeDocument": _Kind(
        f"{_SHEETS}sheet.main+xml",
        shows=_set("worksheet chartsheet externalLink pivotCacheDefinition"),
        has=_set("styles theme sharedStrings person cellImage"),
        root=f"{{{MAIN}}}workbook",
    ),
    "worksheet": _Kind(
        f"{_SHEETS}worksheet+xml",
        shows=_set("drawing vmlDrawing table hyperlink image"),
        has=_set("comments threadedComment pivotTable"),
        root=f"{{{MAIN}}}worksheet",
    ),
    "chartsheet": _Kind(
        f"{_SHEETS}chartsheet+xml", shows=_set("drawing image"), root=f"{{{MAIN}}}chartsheet"
    ),
    "styles": _Kind(f"{_SHEETS}styles+xml", root=f"{{{MAIN}}}styleSheet"),
    "sharedStrings": _Kind(f"{_SHEETS}sharedStrings+xml", root=f"{{{MAIN}}}sst"),
    "theme": _Kind("application/vnd.openxmlformats-officedocument.theme+xml", shows=_PICTURES),
    "comments": _Kind(f"{_SHEETS}comments+xml", root=f"{{{MAIN}}}comments"),
    "vmlDrawing": _Kind("application/vnd.openxmlformats-officedocument.vmlDrawing"),
    "threadedComment": _Kind("application/vnd.ms-excel.threadedcomments+xml"),
    "person": _Kind("application/vnd.ms-excel.person+xml"),
    "table": _Kind(f"{_SHEETS}table+xml"),
    "externalLink": _Kind(
        f"{_SHEETS}externalLink+xml",
        shows=_set("externalLinkPath xlPathMissing xlStartup xlAlternateStartup xlLibrary"),
        root=f"{{{MAIN}}}externalLink",
    ),
    "pivotTable": _Kind(f"{_SHEETS}pivotTable+xml", has=_set("pivotCacheDefinition")),
    "pivotCacheDefinition": _Kind(
        f"{_SHEETS}pivotCacheDefinition+xml", has=_set("pivotCacheRecords")
    ),
    "pivotCacheRecords": _Kind(f"{_SHEETS}pivotCacheRecords+xml"),
    "drawing": _Kind(
        "application/vnd.openxmlformats-officedocument.drawing+xml",
        shows=_set(
            "image hdphoto chart chartEx hyperlink diagramData diagramLayout diagramQuickStyle"
            " diagramColors"
        ),
        has=_set("diagramDrawing"),
    ),
    # Pictures in the cells of WPS.
    "cellImage": _Kind("application/vnd.wps-officedocument.cellimage+xml", shows=_set("image")),
    "chart": _Kind(
        f"{_DRAWN}chart+xml",
        shows=_set("image chartUserShapes hyperlink"),
        has=_set("chartStyle chartColorStyle themeOverride"),
    ),
    "chartEx": _Kind(
        "application/vnd.ms-office.chartex+xml",
        shows=_set("image hyperlink"),
        has=_set("chartStyle chartColorStyle themeOverride"),
    ),
    "chartStyle": _Kind("application/vnd.ms-office.chartstyle+xml"),
    "chartColorStyle": _Kind("application/vnd.ms-office.chartcolorstyle+xml"),
    "chartUserShapes": _Kind(f"{_DRAWN}chartshapes+xml", shows=_set("image hyperlink")),
    "themeOverride": _Kind(
        "application/vnd.openxmlformats-officedocument.themeOverride+xml", shows=_PICTURES
    ),
    "diagramData": _Kind(f"{_DRAWN}diagramData+xml", shows=_set("image hyperlink")),
    "diagramLayout": _Kind(f"{_DRAWN}diagramLayout+xml", shows=_PICTURES),
    "diagramQuickStyle": _Kind(f"{_DRAWN}diagramStyle+xml"),
    "diagramColors": _Kind(f"{_DRAWN}diagramColors+xml"),
    "diagramDrawing": _Kind(
        "application/vnd.ms-office.drawingml.diagramDrawing+xml", shows=_set("image hyperlink")
    ),
    "core-properties": _Kind("application/vnd.openxmlformats-package.core-properties+xml"),
    "custom-properties": _Kind(
        "application/vnd.openxmlformats-officedocument.custom-properties+xml"
    ),
}
#: What may lie outside of the workbook: nothing of it is fetched by opening the copy.
_OUTSIDE: Final = _set("hyperlink") | _KINDS["externalLink"].shows
_PICTURE_TYPES: Final = {
    "bmp": "image/bmp",
    "emf": "image/x-emf",
    "gif": "image/gif",
    "jfif": "image/jpeg",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "svg": "image/svg+xml",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "wdp": "image/vnd.ms-photo",
    "wmf": "image/x-wmf",
}

#: What a workbook's main part may say.
_OF_BOOKS: Final = _set(
    "fileVersion workbookPr workbookProtection bookViews sheets externalReferences definedNames"
    " calcPr oleSize customWorkbookViews pivotCaches"
)
#: What a worksheet or a sheet with a chart may hold, beside its cells.
_OF_SHEETS: Final = _set(
    "sheetPr dimension sheetViews sheetFormatPr cols sheetData sheetCalcPr sheetProtection"
    " protectedRanges scenarios autoFilter sortState customSheetViews mergeCells phoneticPr"
    " conditionalFormatting dataValidations hyperlinks printOptions pageMargins pageSetup"
    " headerFooter rowBreaks colBreaks cellWatches ignoredErrors drawing legacyDrawing picture"
    " tableParts extLst"
)
#: Extensions of a sheet that stand for themselves.
_EXTENSIONS: Final = _set("sparklineGroups dataValidations conditionalFormattings")
#: What marks a shape as the face of a control or an object, and a frame as a slicer.
_FACES: Final = _set("compatExt oleObj slicer timeslicer")
#: Attributes by which a drawing of Office 2003 names pictures and pages.
_REACHING: Final = _set("src href althref relid oleid movie")
_YES: Final = _set("1 true")
#: Elements that are nothing without what they list.
_LISTS: Final = _set("extLst hyperlinks tableParts pivotCaches definedNames")


def copied(parts: Mapping[str, bytes]) -> CopiedPackage:
    """Return the package of a copy, with nothing added yet.

    ``parts`` are those of the submitted file, known to be harmless to unpack and parse. Raises
    OutOfBounds, ValueError, KeyError or lxml's errors where they do not make up a workbook.
    """
    copying = _Copying({name.replace("\\", "/").lstrip("/"): part for name, part in parts.items()})
    kept = {}
    for known, relation in relations_of(copying.parts, "").items():
        if relation.kind in ("officeDocument", "core-properties", "custom-properties"):
            taken = copying.take(relation, "")
            if taken is not None:
                kept[known] = taken
    copying.package.relations("").update(kept)
    if [relation.kind for relation in kept.values()].count("officeDocument") != 1:
        raise OutOfBounds("no workbook, or several")
    return copying.package


@dataclass
class _Copying:
    """The copy as far as it has come; ``kinds`` are those of the parts that are in it.

    ``has_metadata`` holds where cells of the workbook point into a part about them.
    """

    parts: Mapping[str, bytes]
    package: CopiedPackage = field(default_factory=CopiedPackage)
    kinds: dict[str, str] = field(default_factory=dict)
    has_metadata: bool = False

    def __post_init__(self) -> None:
        # Office takes no heed of the case of a part's name.
        self._names = {name.lower(): name for name in self.parts}

    def take(self, relation: Relationship, source: str) -> Relationship | None:
        """Take the part at the end of a relation; None where none can be copied."""
        if relation.external or relation.kind == "hyperlink":
            return relation if relation.kind in _OUTSIDE else None
        part = self._names.get(relation.part_from(source).lower())
        if part is None or not _is_name(part) or not self._has(part, relation.kind):
            return None
        if part != relation.part_from(source):
            return replace(relation, target=f"/{part}")
        return relation

    def _has(self, part: str, kind: str) -> bool:
        """Return whether the copy has the part, after taking it if it can be copied."""
        if part in self.kinds:
            return self.kinds[part] == kind
        if kind in _PICTURES:
            type_ = _PICTURE_TYPES.get(posixpath.splitext(part)[1].removeprefix(".").lower())
            if type_ is None:
                return False
            self.kinds[part] = kind
            self.package.put(part, self.parts[part], type_)
            return True
        try:
            root = parsed(self.parts[part])
        except etree.XMLSyntaxError:
            if kind == "vmlDrawing":  # which is not always XML
                return False
            raise
        if _KINDS[kind].root not in ("", root.tag):
            raise OutOfBounds(f"{part} is no {kind}")
        return self._takes_tree(part, kind, root)

    def _takes_tree(self, part: str, kind: str, root: etree._Element) -> bool:
        reduced = _REDUCED.get(kind, _left_alone)(root)
        if reduced is None:
            return False
        relations = relations_of(self.parts, part)
        if kind == "officeDocument":
            self.has_metadata = any(r.kind == "sheetMetadata" for r in relations.values())
        elif kind == "worksheet" and self.has_metadata:
            reduced = _without_metadata(root) or reduced
        pointers = _pointers(root) if _KINDS[kind].shows else []
        pointed = {str(pointer) for pointer in pointers}
        kept: dict[str, Relationship] = {}
        for known, relation in relations.items():
            of_kind = relation.kind in _KINDS[kind].has
            if of_kind or (relation.kind in _KINDS[kind].shows and known in pointed):
                taken = self.take(relation, part)
                if taken is not None:
                    kept[known] = taken
        if kind == "pivotTable" and not kept:
            return False
        dangling = [pointer for pointer in pointers if pointer and str(pointer) not in kept]
        if dangling:
            _CUT_OUT.get(kind, _cut_out)(root, [pointer.getparent() for pointer in dangling])
        self.kinds[part] = kind
        content = root if reduced or dangling else self.parts[part]
        self.package.put(part, content, _KINDS[kind].type)
        self.package.relations(part).update(kept)
        return True


def _is_name(part: str) -> bool:
    """Return whether a part can be called so; the package has parts of its own about the parts."""
    return part.isprintable() and not part.lower().endswith((".rels", "[content_types].xml"))


def _pointers(root: etree._Element) -> list[Any]:
    """Return the ids of relations in the elements below ``root``; cells have none."""
    return [
        pointer
        for child in root
        if child.tag != f"{{{MAIN}}}sheetData"
        for pointer in _found(_POINTED, child)
    ]


def _found(path: etree.XPath, element: etree._Element) -> list[Any]:
    found = path(element)
    return found if isinstance(found, list) else []


def _without(element: etree._Element, *attributes: str) -> bool:
    """Take attributes off an element; return whether one of them was there."""
    there = [name for name in attributes if name in element.attrib]
    for name in there:
        del element.attrib[name]
    return bool(there)


# --- what goes out of a part before it is looked at who is pointed to --------------------------
#
# Each says whether it changed something, or None where the part is not to be copied.


def _left_alone(_: etree._Element) -> bool:
    return False


def _reduced_book(book: etree._Element) -> bool:
    for child in [child for child in book if local_name(child) not in _OF_BOOKS]:
        book.remove(child)
    for name in list(book.iter(f"{{{MAIN}}}definedName")):
        # Commands of macro sheets.
        if any(name.get(mark) in _YES for mark in ("function", "vbProcedure", "xlm")):
            _remove(name)
    return True


def _reduced_sheet(sheet: etree._Element) -> bool:
    going = [
        child
        for child in sheet
        if child.tag != f"{{{MAIN}}}{local_name(child)}" or local_name(child) not in _OF_SHEETS
    ]
    for extension in sheet.iterfind(f"{{{MAIN}}}extLst/{{{MAIN}}}ext"):
        if not any(local_name(child) in _EXTENSIONS for child in extension):
            going.append(extension)
    for element in going:
        _remove(element)
    changed = bool(going)
    for view in sheet.iterfind("{*}sheetViews/{*}sheetView"):
        # Sheets left selected together would be edited together.
        changed = _without(view, "tabSelected") or changed
    return changed


def _without_metadata(sheet: etree._Element) -> bool:
    """Take away what points into a part that is not copied."""
    cells = _found(_WITH_METADATA, sheet)
    for cell in cells:
        _without(cell, "cm", "vm")
    return bool(cells)


def _reduced_drawing(drawing: etree._Element) -> bool:
    going = [
        anchor
        for anchor in drawing
        if any(local_name(element) in _FACES for element in anchor.iter())
    ]
    for anchor in going:
        drawing.remove(anchor)
    changed = bool(going)
    for element in drawing.iter():
        if element.get("macro"):
            element.set("macro", "")
            changed = True
    return changed


def _reduced_notes(drawing: etree._Element) -> bool | None:
    """Leave of a drawing of Office 2003 the boxes of comments: no controls, and no pictures."""
    going = [shape for shape in drawing if not is_of_notes(shape)]
    for shape in going:
        drawing.remove(shape)
    changed = bool(going)
    for element in drawing.iter():
        for name in [name for name in element.attrib if _reaches(str(name))]:
            del element.attrib[name]
            changed = True
    return changed if any(local_name(shape) == "shape" for shape in drawing) else None


def _reaches(attribute: str) -> bool:
    return attribute.rpartition("}")[2] in _REACHING or attribute.startswith(f"{{{RELATIONS}}}")


def _reduced_table(table: etree._Element) -> bool:
    """Make a plain table of one that was filled from elsewhere."""
    if not _without(table, "tableType"):
        return False
    for element in list(table.iter()):
        _without(element, "connectionId", "queryTableFieldId", "uniqueName")
        if local_name(element) == "xmlColumnPr":
            _remove(element)
    return True


def _reduced_link(link: etree._Element) -> bool:
    """Formulas count the links: none can be left out, and those to programs must not be copied."""
    if [local_name(child) for child in link if local_name(child) != "extLst"] != ["externalBook"]:
        raise OutOfBounds("a link to a program")
    going = [e for e in link.iter() if local_name(e) in ("AlternateContent", "extLst")]
    for element in going:
        _remove(element)
    return bool(going)


def _reduced_cache(cache: etree._Element) -> bool | None:
    """Leave out what is not about this workbook: it would reach out for its figures."""
    source = cache.find(f"{{{MAIN}}}cacheSource")
    inside = source is not None and source.get("type") == "worksheet"
    return False if inside and source is not None and not _pointers(source) else None


_REDUCED: Final[dict[str, Callable[[etree._Element], bool | None]]] = {
    "officeDocument": _reduced_book,
    "worksheet": _reduced_sheet,
    "chartsheet": _reduced_sheet,
    "drawing": _reduced_drawing,
    "vmlDrawing": _reduced_notes,
    "table": _reduced_table,
    "externalLink": _reduced_link,
    "pivotCacheDefinition": _reduced_cache,
}


# --- elements that point to what is not in the copy ----------------------------------------------


def _remove(element: etree._Element) -> None:
    """Take an element out, and the list around it where it was the last one."""
    parent = element.getparent()
    if parent is None:
        raise OutOfBounds("nothing would be left of a part")
    parent.remove(element)
    if local_name(parent) in _LISTS:
        if len(parent) == 0:
            _remove(parent)
        elif parent.get("count") is not None:
            parent.set("count", str(len(parent)))


def _cut_out(_: etree._Element, elements: Collection[etree._Element]) -> None:
    for element in elements:
        if element.getparent() is not None:
            _remove(element)


def _cut_out_of_sheet(sheet: etree._Element, elements: Collection[etree._Element]) -> None:
    for element in elements:
        if local_name(element) == "pageSetup":
            # It points to the settings of a printer.
            del element.attrib[f"{{{RELATIONS}}}id"]
        elif element.getparent() is not None:
            _remove(element)


def _cut_out_of_chartsheet(sheet: etree._Element, elements: Collection[etree._Element]) -> None:
    if any(local_name(element) == "drawing" for element in elements):
        raise OutOfBounds("a chart on a sheet of its own without its part")
    _cut_out_of_sheet(sheet, elements)


def _cut_out_of_link(_: etree._Element, __: Collection[etree._Element]) -> None:
    raise OutOfBounds("a link to nothing")


def _cut_out_of_drawing(drawing: etree._Element, elements: Collection[etree._Element]) -> None:
    """Take out the whole shape; half of one is damage."""
    for element in elements:
        for anchor in (element, *element.iterancestors()):
            if anchor.getparent() is drawing:
                drawing.remove(anchor)
                break


def _cut_out_of_book(book: etree._Element, elements: Collection[etree._Element]) -> None:
    sheets = [element for element in elements if local_name(element) == "sheet"]
    drop_sheets(book, sheets)
    for element in elements:
        match local_name(element):
            case "sheet":
                pass
            case "pivotCache":
                _remove(element)
            case name:
                raise OutOfBounds(f"{name} without a part")


_CUT_OUT: Final[dict[str, Callable[[etree._Element, Collection[etree._Element]], None]]] = {
    "officeDocument": _cut_out_of_book,
    "worksheet": _cut_out_of_sheet,
    "chartsheet": _cut_out_of_chartsheet,
    "externalLink": _cut_out_of_link,
    "drawing": _cut_out_of_drawing,
    "chartUserShapes": _cut_out_of_drawing,
    "cellImage": _cut_out_of_drawing,
}
