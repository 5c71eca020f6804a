"""What the library that copies a workbook leaves behind: pictures, shapes and newer extensions.

openpyxl knows cells, formats and plain charts. A stamp, a text box, a sparkline, a drop-down that
takes its words from another sheet would be gone from a return sheet; they are carried over from
the submitted file, part by part, into a folder of their own. Left behind is what hangs together
with parts that the copy does not have: form controls, embedded objects, slicers.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

from lxml import etree

_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "{http://schemas.openxmlformats.org/package/2006/relationships}"
_TYPES: Final = "{http://schemas.openxmlformats.org/package/2006/content-types}"
_EXCEL_2010: Final = "{http://schemas.microsoft.com/office/spreadsheetml/2009/9/main}"

#: Where the parts go; no part of a workbook has this name by itself.
_FOLDER: Final = "xl/kept"
_RELATION: Final = "kept"
_DRAWN: Final = ("xl/drawings/", "xl/charts/", "xl/media/")
#: What a drawing may point to: nothing that is executed, and nothing that is fetched by opening it.
_DRAWN_KINDS: Final = frozenset(
    {
        "image", "hdphoto", "chart", "chartEx", "chartStyle", "chartColorStyle", "chartUserShapes",
        "themeOverride", "diagramData", "diagramLayout", "diagramQuickStyle", "diagramColors",
        "diagramDrawing", "hyperlink",
    }
)  # fmt: skip
#: Extensions of a sheet that stand for themselves.
_EXTENSIONS: Final = frozenset({"sparklineGroups", "dataValidations", "conditionalFormattings"})
#: What marks a shape as the face of a control or an object, and a frame as a slicer.
_FACES: Final = frozenset({"compatExt", "oleObj", "slicer", "timeslicer"})
_DRAWING: Final = re.compile(rb"<drawing [^<>]*/>")
#: What follows a sheet's drawing, in the order of the format.
_BEHIND: Final = re.compile(rb"<(?:legacyDrawing|tableParts|extLst)\b|</worksheet>\s*\Z")


def carry_over(original: Mapping[str, bytes], copy: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the parts of ``copy`` with what its sheets had in ``original``; sheets are told by name.

    Both map the names of parts to their bytes; those of ``original`` must be known to be harmless.
    Raises KeyError, ValueError or lxml's errors where they are not what a workbook is made of.
    """
    parts = dict(copy)
    types = _root(parts["[Content_Types].xml"])
    places = dict(_sheets(copy))
    for name, place in _sheets(original):
        xml = original[place]
        if name not in places or not (b"drawing" in xml or b"extLst" in xml):
            continue
        relation, extensions = _found_in(xml)
        target = _relations(original, place).get(relation or "")
        if target is not None:
            kept = _keep(original, target, parts, types)
            parts[places[name]] = _with_drawing(parts, places[name], kept)
        if extensions:
            parts[places[name]] = _with_extensions(parts[places[name]], extensions)
    _drop_orphans(parts, types)
    parts["[Content_Types].xml"] = etree.tostring(types, encoding="UTF-8", standalone=True)
    return parts


def _root(xml: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    return etree.fromstring(xml, parser)


def _sheets(parts: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """Yield name and part of each worksheet."""
    targets = _relations(parts, "xl/workbook.xml")
    for sheet in _root(parts["xl/workbook.xml"]).iter(f"{_MAIN}sheet"):
        target = targets.get(sheet.get(f"{{{_RELATIONS}}}id", ""), "")
        if target.startswith("xl/worksheets/") and target in parts:
            yield sheet.get("name", ""), target


def _relations(parts: Mapping[str, bytes], part: str) -> dict[str, str]:
    """Return the parts that a part points to, by the id of the relation."""
    xml = parts.get(_relations_part(part))
    return {
        element.get("Id", ""): _target(part, element)
        for element in (() if xml is None else _root(xml).iter(f"{_PACKAGE}Relationship"))
        if element.get("TargetMode") != "External"
    }


def _relations_part(part: str) -> str:
    folder, name = posixpath.split(part)
    return f"{folder}/_rels/{name}.rels"


def _target(part: str, relation: etree._Element) -> str:
    target = posixpath.join("/", posixpath.dirname(part), unquote(relation.get("Target", "")))
    return posixpath.normpath(target).lstrip("/")


def _found_in(xml: bytes) -> tuple[str | None, list[etree._Element]]:
    """Return the relation of a sheet's drawing, and the extensions that can be carried over."""
    sheet = _root(xml)
    drawing = sheet.find(f"{_MAIN}drawing")
    # A rule that only completes an older one of the copy would stand there twice.
    completing = {element.text for element in sheet.iter(f"{_EXCEL_2010}id")}
    extensions = []
    for extension in sheet.iterfind(f"{_MAIN}extLst/{_MAIN}ext"):
        for rule in list(extension.iter(f"{_EXCEL_2010}cfRule")):
            parent = rule.getparent()
            if rule.get("id") in completing and parent is not None:
                parent.remove(rule)
        for group in list(extension.iter(f"{_EXCEL_2010}conditionalFormatting")):
            parent = group.getparent()
            if group.find(f"{_EXCEL_2010}cfRule") is None and parent is not None:
                parent.remove(group)
        if any(len(child) and _local(child) in _EXTENSIONS for child in extension):
            for element in extension.iter():
                # Marks for editing together, which only readers told so may pass over.
                for name in [str(name) for name in element.attrib if "/revision" in str(name)]:
                    del element.attrib[name]
            extensions.append(extension)
    return (None if drawing is None else drawing.get(f"{{{_RELATIONS}}}id")), extensions


def _local(element: etree._Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _keep(
    original: Mapping[str, bytes], part: str, parts: dict[str, bytes], types: etree._Element
) -> str:
    """Take a part and all it points to into ``parts``; give the name of the part there."""
    kept = posixpath.join(_FOLDER, part)
    if kept in parts:
        return kept
    xml = original[part]
    parts[kept] = _without_faces(xml) if part.startswith("xl/drawings/") else xml
    _declare(original, part, kept, types)
    relations = original.get(_relations_part(part))
    if relations is not None:
        root = _root(relations)
        for relation in root.iter(f"{_PACKAGE}Relationship"):
            kind = relation.get("Type", "").rpartition("/")[2]
            outside = relation.get("TargetMode") == "External"
            if kind not in _DRAWN_KINDS or (outside and kind != "hyperlink"):
                raise ValueError(f"{part} points to a {kind}")
            if not outside and kind != "hyperlink":
                target = _target(part, relation)
                relation.set("Target", f"/{_keep(original, target, parts, types)}")
        parts[_relations_part(kept)] = etree.tostring(root, encoding="UTF-8", standalone=True)
    return kept


def _without_faces(drawing: bytes) -> bytes:
    """Return a drawing without the shapes that show what the copy does not hold."""
    root = _root(drawing)
    for anchor in list(root):
        if any(_local(element) in _FACES for element in anchor.iter()):
            root.remove(anchor)
    return etree.tostring(root, encoding="UTF-8", standalone=True)


def _declare(original: Mapping[str, bytes], part: str, kept: str, types: etree._Element) -> None:
    """Say of what type a part is, as the original does."""
    ending = posixpath.splitext(part)[1].removeprefix(".").lower()
    default = "application/octet-stream"
    for entry in _root(original["[Content_Types].xml"]):
        if entry.get("PartName", "").lower() == f"/{part}".lower():
            etree.SubElement(
                types,
                f"{_TYPES}Override",
                PartName=f"/{kept}",
                ContentType=entry.get("ContentType", ""),
            )
            return
        if entry.get("Extension", "").lower() == ending:
            default = entry.get("ContentType", "")
    if all(entry.get("Extension", "").lower() != ending for entry in types):
        types.insert(0, etree.Element(f"{_TYPES}Default", Extension=ending, ContentType=default))


def _drop_orphans(parts: dict[str, bytes], types: etree._Element) -> None:
    """Take out the drawings, charts and pictures of the copy that nothing points to any more."""
    while True:
        meant = {
            _target(posixpath.join(posixpath.dirname(posixpath.dirname(name)), "part"), relation)
            for name, xml in parts.items()
            if name.endswith(".rels")
            for relation in _root(xml).iter(f"{_PACKAGE}Relationship")
        }
        orphans = [
            name
            for name in parts
            if name.startswith(_DRAWN) and not name.endswith(".rels") and name not in meant
        ]
        if not orphans:
            return
        for name in orphans:
            del parts[name]
            parts.pop(_relations_part(name), None)
            for entry in [e for e in types if e.get("PartName") == f"/{name}"]:
                types.remove(entry)


def _with_drawing(parts: dict[str, bytes], sheet: str, drawing: str) -> bytes:
    """Return a sheet of the copy that shows ``drawing`` and no other."""
    name = _relations_part(sheet)
    relations = _root(parts[name]) if name in parts else etree.Element(f"{_PACKAGE}Relationships")
    for relation in list(relations):
        if relation.get("Type") == f"{_RELATIONS}/drawing":
            relations.remove(relation)
    etree.SubElement(
        relations,
        f"{_PACKAGE}Relationship",
        Id=_RELATION,
        Type=f"{_RELATIONS}/drawing",
        Target=f"/{drawing}",
    )
    parts[name] = etree.tostring(relations, encoding="UTF-8", standalone=True)
    element = f'<drawing xmlns:r="{_RELATIONS}" r:id="{_RELATION}"/>'.encode()
    return _inserted(_DRAWING.sub(b"", parts[sheet]), element)


def _with_extensions(sheet: bytes, extensions: list[etree._Element]) -> bytes:
    held = _root(f'<extLst xmlns="{_MAIN[1:-1]}"/>'.encode())
    held.extend(extensions)
    end = sheet.rindex(b"</worksheet>")
    return sheet[:end] + etree.tostring(held) + sheet[end:]


def _inserted(sheet: bytes, element: bytes) -> bytes:
    """``element`` where a drawing stands in a sheet's last part, behind the cells."""
    behind = _BEHIND.search(sheet, max(sheet.rfind(b"</sheetData>"), sheet.rfind(b"<sheetData/>")))
    if behind is None:
        raise ValueError("a sheet without an end")
    return sheet[: behind.start()] + element + sheet[behind.start() :]
