"""Filling a workbook in which cells name what belongs there: ``{{ … }}``.

Everything but these cells stays as it is, byte for byte where a part names nothing: formats, merged cells,
formulas. A cell that is nothing but one reference becomes a figure, so that formulas can reckon with it; one
with words around it stays a text.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO

from lxml import etree

from transforms.texts import ToldInBoth
from transforms.workbooks.package import MAIN, RELATIONS, parsed, relations_of, unpacked

_REFERENCE = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_TAG = f"{{{MAIN}}}"
_SHOWN = etree.XPath("m:t/text() | m:r/m:t/text()", namespaces={"m": MAIN})
_SHARED = "xl/sharedStrings.xml"
_BOOK = "xl/workbook.xml"

Answer = int | float | str


@dataclass(frozen=True)
class Filled:
    """A workbook with its references replaced.

    ``open`` are cells (such as ``表1!A2``) with the reference that nothing was given for; they stay as
    they are. ``references`` is how many there were.
    """

    data: bytes
    open: tuple[tuple[str, str], ...]
    references: int


class NoTemplate(ToldInBoth):
    """The file is no workbook of the kind .xlsx; the message says so."""


def fill(original: bytes, answer: Callable[[str], Answer | None], foot: str) -> Filled:
    """Return ``original``, an .xlsx, with every reference replaced by what ``answer`` gives for it.

    ``foot`` is written below the first sheet, in its first column.

    Raises:
        NoTemplate: it cannot be read as one.
    """
    try:
        parts = unpacked(original)
        shared = list(_texts(parsed(parts[_SHARED]))) if _SHARED in parts else []
        book = parsed(parts[_BOOK])
        titles = _titles(parts, book)
        trees = {name: parsed(parts[name]) for name in titles}
    except (ValueError, KeyError, zipfile.BadZipFile, etree.XMLSyntaxError) as error:
        raise NoTemplate(
            f"不能当作 .xlsx 工作簿读取（{error}）",
            f"it cannot be read as an .xlsx workbook ({error})",
        ) from None
    left: list[tuple[str, str]] = []
    count = 0
    for number, (name, tree) in enumerate(trees.items()):
        touched = number == 0
        for cell in tree.iter(f"{_TAG}c"):
            text = _text_of(cell, shared)
            if text is None or not (found := _REFERENCE.findall(text)):
                continue
            count += len(found)
            given = {reference: answer(reference) for reference in found}
            left += [
                (f"{titles[name]}!{cell.get('r', '')}", ref)
                for ref, value in given.items()
                if value is None
            ]
            whole = _REFERENCE.fullmatch(text.strip())
            value = given[found[0]] if whole and len(found) == 1 else None
            if isinstance(value, int | float):
                _put(cell, value)
            else:
                _put(cell, _REFERENCE.sub(partial(_said, given), text))
            touched = True
        if number == 0:
            _append(tree, foot)
        if touched:
            parts[name] = etree.tostring(
                tree, xml_declaration=True, encoding="UTF-8", standalone=True
            )
    parts[_BOOK] = _reckoned_anew(book)
    return Filled(_packed(original, parts), tuple(left), count)


def _titles(parts: Mapping[str, bytes], book: etree._Element) -> dict[str, str]:
    """Return the part of each worksheet with its name, in the order of the workbook."""
    relations = relations_of(parts, _BOOK)
    related = {
        sheet.get(f"{{{RELATIONS}}}id", ""): sheet.get("name", "")
        for sheet in book.iter(f"{_TAG}sheet")
    }
    return {
        relations[key].part_from(_BOOK): name
        for key, name in related.items()
        if key in relations and relations[key].kind == "worksheet"
    }


def _said(given: Mapping[str, Answer | None], match: re.Match[str]) -> str:
    value = given[match[1]]
    return match[0] if value is None else str(value)


def _texts(shared: etree._Element) -> Iterator[str]:
    for item in shared.iter(f"{_TAG}si"):
        # How a name is read (rPh) is not shown.
        found = _SHOWN(item)
        yield "".join(map(str, found)) if isinstance(found, list) else ""


def _text_of(cell: etree._Element, shared: list[str]) -> str | None:
    kind, value = cell.get("t"), cell.findtext(f"{_TAG}v")
    if cell.find(f"{_TAG}f") is not None:
        return None
    if kind == "s" and value is not None and value.isdigit() and int(value) < len(shared):
        return shared[int(value)]
    if kind == "inlineStr":
        return "".join(text.text or "" for text in cell.iter(f"{_TAG}t"))
    return value if kind == "str" else None


def _put(cell: etree._Element, value: Answer) -> None:
    """Have ``value`` stand in the cell, in the format that it has."""
    for child in list(cell):
        cell.remove(child)
    if isinstance(value, str):
        cell.set("t", "inlineStr")
        text = etree.SubElement(etree.SubElement(cell, f"{_TAG}is"), f"{_TAG}t")
        text.text = value
        text.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    else:
        if "t" in cell.attrib:
            del cell.attrib["t"]
        etree.SubElement(cell, f"{_TAG}v").text = repr(value)


def _append(sheet: etree._Element, text: str) -> None:
    """Write ``text`` two rows below all that stands on the sheet."""
    data = sheet.find(f"{_TAG}sheetData")
    if data is None:
        raise NoTemplate("第一张工作表没有单元格", "its first sheet has no cells")
    last = max((int(row.get("r", 0)) for row in data.iter(f"{_TAG}row")), default=0)
    for merged in sheet.iter(f"{_TAG}mergeCell"):
        last = max(last, *map(int, re.findall(r"[0-9]+", merged.get("ref", "0"))))
    row = etree.SubElement(data, f"{_TAG}row", r=str(last + 2))
    _put(etree.SubElement(row, f"{_TAG}c", r=f"A{last + 2}"), text)
    if (area := sheet.find(f"{_TAG}dimension")) is not None:
        sheet.remove(area)  # which says how far the sheet goes, and need not be there


def _reckoned_anew(book: etree._Element) -> bytes:
    """Return the workbook part, with all formulas reckoned anew where it is opened."""
    rule = book.find(f"{_TAG}calcPr")
    if rule is None:
        rule = etree.Element(f"{_TAG}calcPr")
        before = [
            book.find(f"{_TAG}{name}") for name in ("definedNames", "externalReferences", "sheets")
        ]
        next(one for one in before if one is not None).addnext(rule)
    rule.set("fullCalcOnLoad", "1")
    return bytes(etree.tostring(book, xml_declaration=True, encoding="UTF-8", standalone=True))


def _packed(original: bytes, parts: dict[str, bytes]) -> bytes:
    target = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(original)) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped,
    ):
        for entry in source.infolist():
            if entry.filename in parts:
                zipped.writestr(entry.filename, parts[entry.filename])
            elif not entry.is_dir():
                zipped.writestr(entry.filename, source.read(entry))
    return target.getvalue()
