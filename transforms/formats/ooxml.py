"""Workbooks in Office Open XML: .xlsx, .xlsm and what WPS saves as .et in that form.

The parts are unpacked within bounds. A sheet that is written as nearly all programs write them, and
reaches no further than is allowed, goes to the workbook library in a container of our own; one
pattern, which looks at each character once, tells which those are. All others, and all that the
library fails on, are read element by element (worksheet.py). A sheet written plainly may hold
formulas: those that no program has calculated are put back here.
"""

from __future__ import annotations

import logging
import posixpath
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from html import unescape
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote
from xml.parsers.expat import ExpatError, ParserCreate

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from lxml import etree

from .cells import CellBudget, Range, column_index, merged_ranges
from .engine import read_sheets
from .model import Doubt, Limits, Sheet, Unreadable
from .packages import Package, drop, local_name, parse_xml, repack, walk_xml
from .styles import Styles, styles_of
from .worksheet import Book, is_zero, read_sheet, rich_text

# What is not plain: a prefix, a comment or the like, an attribute in single quotes, a row or a cell
# that does not begin with where it stands or stands far off, -0, a character as _x000D_, a value
# without a kind that is no number. These
# patterns find what is not plain; they may find too much (in a text, say), but never too little.
_ODD: Final = r"""<[!?]|</?[^\s<>/:]*:|='|>-0|_x[0-9A-Fa-f]{4}_|[0-9]"><v>[^<]*[^<0-9.eE+-]"""
_PLACED: Final = r"""<(?:c|row)(?:[\t\n\r/>]| (?:[^r]|r[^=]|r=[^"]|r="(?:[^A-Za-z0-9]|{})))"""
# (rows, columns) of a reach, and what lies beyond it: of a long sheet, and of a wide one.
_REACHES: Final = (
    ((99_999, 26), _ODD + "|" + _PLACED.format("[A-Za-z]{2}|[A-Za-z]?[0-9]{6}")),
    (
        (9_999, 52),
        _ODD + "|" + _PLACED.format("[B-Zb-z][A-Za-z]|[A-Za-z]{3}|[A-Za-z]{0,2}[0-9]{5}"),
    ),
)

_log = logging.getLogger(__name__)

_USUAL_MAIN: Final = "xl/workbook.xml"
_SHORTEST_CELL: Final = len('<c t="s"><v>0</v></c>')

_DIMENSION: Final = re.compile(rb"<dimension\b[^<>]*>")
_MERGE: Final = re.compile(
    rb'<mergeCell ref="([A-Za-z]{1,3})([0-9]{1,7}):([A-Za-z]{1,3})([0-9]{1,7})"'
)
_FORMULA_CELL: Final = re.compile(
    rb'<c r="([A-Za-z]{1,3})([0-9]{1,7})"([^<>]*)><f([^<>]*?)(?:/>|>([^<]*)</f>)'
    rb"(?:<v>([^<]*)</v>|(<v ?/>))?</c>"
)
_SHARED: Final = re.compile(rb'\bsi="([0-9]{1,9})"')
_PLACE: Final = re.compile(rb'<c r="[A-Za-z]{1,3}([0-9]{1,7})"')
_CONTROLS_BLANKED: Final = bytes(
    32 if code < 32 and code not in (9, 10, 13) else code for code in range(256)
)
_STRING_TABLE: Final = re.compile(rb"<((?:[^\s<>/:]*:)?sst)\b[^<>]*?(/?)>")
_NAMESPACE: Final = re.compile(rb"""\sxmlns(?::[^\s=]+)?\s*=\s*(?:"[^"]*"|'[^']*')""")

_WORKBOOK: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><workbook xmlns="http://schemas.openxmlformats.org/'
    'spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/'
    'relationships"><workbookPr date1904="{since_1904:d}"/><sheets>{sheets}</sheets></workbook>'
)
_RELATIONS: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/'
    'package/2006/relationships">{relations}</Relationships>'
)
_RELATION: Final = (
    '<Relationship Id="{id}" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
    'relationships/{kind}" Target="{target}"/>'
)
_STYLES: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><styleSheet xmlns="http://schemas.openxmlformats.org/'
    'spreadsheetml/2006/main"><cellXfs>{styles}</cellXfs></styleSheet>'
)
_SHEET: Final = "xl/worksheets/sheet{}.xml"
_DATE_STYLE, _OTHER_STYLE = '<xf numFmtId="22"/>', '<xf numFmtId="0"/>'


@dataclass(frozen=True)
class _Page:
    """A sheet before it is read; ``cells`` is where its rows begin and end in ``xml``."""

    name: str
    hidden: bool
    xml: bytes
    cells: tuple[int, int]
    is_plain: bool


def read(package: Package, workbook: str, limits: Limits) -> list[Sheet]:
    """Return the sheets of the workbook whose main part is `workbook`; raises Unreadable."""
    root = parse_xml(package.read_xml(workbook), workbook)
    relations = relations_of(package, workbook)
    listed = [element for element in root.iter() if local_name(element) == "sheet"]
    if len(listed) > limits.sheets:
        raise Unreadable.too_large("工作表数", "its sheets", limits.sheets)

    strings = _part_of_kind(package, relations, "sharedStrings")
    book = _book(root, styles_of(_part_of_kind(package, relations, "styles"), limits))
    budget = CellBudget(limits)
    pages: list[_Page] = []
    missing: list[str] = []
    for element in listed:
        kind, target = relations.get(_relation_id(element), ("", ""))
        name = element.get("name", "")
        if kind not in ("worksheet", ""):  # chart, dialogue and macro sheets have no cells
            continue
        if kind == "" or target not in package:
            missing.append(name)
            continue
        xml = package.read_xml(target)
        hidden = element.get("state", "visible") != "visible"
        pages.append(_page(name, hidden, xml, book.styles, budget))
    if not pages:
        raise Unreadable("corrupt", what="、".join(missing)) if missing else Unreadable("no_sheets")

    sheets = _read_plain(pages, strings, book, budget, limits)
    if len(sheets) < len(pages):
        book.strings = _texts(strings, limits)
    doubts = tuple(Doubt("missing_sheet", name) for name in missing)
    read = (
        sheets.get(i) or read_sheet(page.xml, page.name, page.hidden, book, budget, limits)
        for i, page in enumerate(pages)
    )
    return [replace(sheet, doubts=doubts) if doubts else sheet for sheet in read]


def _book(root: etree._Element, styles: Styles) -> Book:
    """Return what the workbook's main part says of all its sheets."""
    book = Book(styles=styles)
    for element in root:
        match local_name(element):
            case "workbookPr":
                book.since_1904 = element.get("date1904") in ("1", "true")
            case "calcPr":
                book.uncalculated = element.get("fullCalcOnLoad") in ("1", "true")
    return book


def _page(name: str, hidden: bool, xml: bytes, styles: Styles, budget: CellBudget) -> _Page:
    """Return a sheet's part, and whether it is written plainly and reaches no further than is allowed."""
    start, end = xml.find(b"<sheetData"), xml.rfind(b"</sheetData>")
    if not 0 <= start < end or b"<!" in xml[:start] or styles.may_scale:
        return _Page(name, hidden, xml, (0, 0), False)
    # An array of one text, which lies where it is: copying takes as long as looking.
    offsets = pa.py_buffer(struct.pack("<2q", start, end))
    rows = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(xml)])
    is_plain = any(
        budget.allows(*reach) and not pc.match_substring_regex(rows, beyond)[0].as_py()
        for reach, beyond in _REACHES
    )
    return _Page(name, hidden, xml, (start, end), is_plain)


def _read_plain(
    pages: Sequence[_Page], strings: bytes, book: Book, budget: CellBudget, limits: Limits
) -> dict[int, Sheet]:
    """Return the sheets that the workbook library has read and nothing speaks against, by their place."""
    plain = [i for i, page in enumerate(pages) if page.is_plain]
    largest = sum(len(pages[i].xml) for i in plain)
    if not plain or _has_string_over(strings, limits.unpacked_bytes, largest):
        return {}
    if strings and not _is_well_formed(strings):  # the library would leave out texts of it
        return {}
    container = _container([pages[i].xml for i in plain], strings, book)
    try:
        frames = read_sheets(container, [pages[i].name for i in plain], budget)
    except (Unreadable, MemoryError):
        raise
    except BaseException as error:  # a panic of the library is no Exception
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            _log.info("the workbook library fails, the sheets are read by elements: %r", error)
            return {}
        raise
    sheets = {}
    for i, cells in zip(plain, frames, strict=True):
        sheet = _checked(pages[i], cells, book, budget)
        if sheet is not None:
            sheets[i] = sheet
    return sheets


def _checked(page: _Page, cells: pl.DataFrame, book: Book, budget: CellBudget) -> Sheet | None:
    """Return the sheet as the library has read it, with its formulas that have no result; or None."""
    merged = _merged(page, budget)
    texts = _uncalculated(page, book)
    if merged is None or texts is None:
        return None
    cells = _with_texts(cells, texts, page.name, budget)
    if cells.height < _last_row(page):  # something is there that the library has not given
        return None
    budget.charge(page.name, cells.height, cells.width)
    return Sheet(page.name, page.hidden, cells, merged)


def _last_row(page: _Page) -> int:
    """Return the row of the last cell that holds anything, by the sheet's own text; 0 if there is none."""
    start, end = page.cells
    held = start
    # What stands further up than one of them need not be looked through for the others.
    for mark in (b"</v>", b"</is>", b"<f>", b"<f "):
        held = max(held, page.xml.rfind(mark, held, end))
    cell = _PLACE.match(page.xml, max(page.xml.rfind(b"<c ", start, held), 0))
    return int(cell[1]) if cell else 0


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


def _texts(strings: bytes, limits: Limits) -> list[str]:
    """Return the shared strings; raises Unreadable (corrupt)."""
    texts = []
    try:
        for _, element in walk_xml(strings, ("{*}si",), limits) if strings else ():
            texts.append(rich_text(element))
            drop(element)
    except etree.XMLSyntaxError as error:
        raise Unreadable("corrupt", what="sharedStrings") from error
    return texts


def _is_well_formed(xml: bytes) -> bool:
    """Return whether a part is whole XML; characters that XML does not allow are let through.

    Some programs write those, and the library reads them.
    """
    try:
        ParserCreate("utf-8").Parse(xml.translate(_CONTROLS_BLANKED), True)
    except ExpatError:
        return False
    return True


def _has_string_over(strings: bytes, most: int, sheets: int) -> bool:
    """Return whether some shared string, in as many cells as `sheets` bytes hold, might exceed `most`.

    A few bytes of sheet stand for a shared string of any length, and every cell gets a copy of it.
    Looks at few bytes of the table.
    """
    length = most // (sheets // _SHORTEST_CELL + 1)
    start = 0
    while start + length < len(strings):
        end = strings.rfind(b"si>", start, start + length)
        if end < start + 3:
            return True
        start = end
    return False


def _container(sheets: list[bytes], strings: bytes, book: Book) -> bytes:
    """Return a workbook of these sheets, named 0, 1, … and all visible."""
    parts: dict[str, Sequence[bytes | memoryview]] = dict(_frame(len(sheets), book.since_1904))
    for index, xml in enumerate(sheets):
        # The library believes what the sheet says of its extent, and fails where that is odd. It
        # stands before the cells.
        cells = max(xml.find(b"<sheetData"), 0)
        parts[_SHEET.format(index)] = _DIMENSION.sub(b"", xml[:cells]), memoryview(xml)[cells:]
    if strings:
        parts["xl/sharedStrings.xml"] = (_without_counts(strings),)
    parts["xl/styles.xml"] = (_date_styles(book.styles.dates),)
    return repack(parts)


@lru_cache(maxsize=64)
def _frame(sheets: int, since_1904: bool) -> Mapping[str, tuple[bytes]]:
    """Return the parts of a workbook that are the same in all of so many sheets."""
    listed, relations = [], []
    for index in range(sheets):
        target = _SHEET.format(index).removeprefix("xl/")
        listed.append(f'<sheet name="{index}" sheetId="{index + 1}" r:id="r{index}"/>')
        relations.append(_RELATION.format(id=f"r{index}", kind="worksheet", target=target))
    workbook = _WORKBOOK.format(since_1904=since_1904, sheets="".join(listed))
    main = _RELATION.format(id="r", kind="officeDocument", target="xl/workbook.xml")
    return {
        "xl/workbook.xml": (workbook.encode(),),
        "xl/_rels/workbook.xml.rels": (_RELATIONS.format(relations="".join(relations)).encode(),),
        "_rels/.rels": (_RELATIONS.format(relations=main).encode(),),
    }


@lru_cache(maxsize=64)
def _date_styles(dates: tuple[bool, ...]) -> bytes:
    """Return styles of which the library knows the dates; its own list lacks many formats."""
    styles = "".join(_DATE_STYLE if is_date else _OTHER_STYLE for is_date in dates)
    return _STYLES.format(styles=styles or _OTHER_STYLE).encode()


def _uncalculated(page: _Page, book: Book) -> dict[int, dict[int, str]] | None:
    """Return the formulas without a result by column and row, or None if they are not written plainly.

    The library leaves them blank, or gives the 0 that their writer put there; but who typed a formula
    gave something.
    """
    start, end = page.cells
    texts: dict[int, dict[int, str]] = {}
    # A single letter is found many times faster, and most sheets without formulas do not have it.
    if page.xml.find(b"f", start, end) < 0 or page.xml.find(b"<f", start, end) < 0:
        return texts
    formulas = sum(page.xml.count(tag, start, end) for tag in (b"<f>", b"<f ", b"<f/"))
    shared: dict[bytes, bytes] = {}
    found = 0
    for cell in _FORMULA_CELL.finditer(page.xml, start, end):
        letters, number, attributes, of_formula, formula, value, _ = cell.groups()
        found += 1
        if filled_down := _SHARED.search(of_formula):
            formula = formula or shared.get(filled_down[1])
            shared.setdefault(filled_down[1], formula or b"")
        is_text = b't="str"' in attributes
        if value is None or not (value.strip() or is_text):
            answered = cell[7] is not None and is_text  # an empty text is a result
        else:
            is_number = b' t="' not in attributes or b't="n"' in attributes
            answered = not (book.uncalculated and is_number and is_zero(value.decode("latin-1")))
        if not answered:
            text = unescape((formula or b"").decode("utf-8", "replace"))
            column = column_index(letters.decode())
            texts.setdefault(column, {})[int(number) - 1] = f"={text.strip()}"
    return texts if found == formulas else None


def _with_texts(
    cells: pl.DataFrame, texts: Mapping[int, Mapping[int, str]], name: str, budget: CellBudget
) -> pl.DataFrame:
    """Return the cells with these texts in their places, which may lie outside of what was read."""
    if not texts:
        return cells
    height = max(cells.height, *(max(by_row) + 1 for by_row in texts.values()))
    width = max(cells.width, max(texts) + 1)
    budget.check(name, height, width)
    columns = []
    for column in range(width):
        there = cells[str(column)] if column < cells.width else pl.Series([], dtype=pl.String)
        if column in texts or there.len() < height:
            values = there.to_list() + [None] * (height - there.len())
            for row, text in texts.get(column, {}).items():
                values[row] = text
            there = pl.Series(values, dtype=pl.String)
        columns.append(there.alias(str(column)))
    return pl.DataFrame(columns)


def _without_counts(strings: bytes) -> bytes:
    """Return the string table without the count it declares: the library makes room for that many."""

    def bare(tag: re.Match[bytes]) -> bytes:
        namespaces = b"".join(_NAMESPACE.findall(tag[0]))
        return b"<" + tag[1] + namespaces + tag[2] + b">"

    cleaned = _STRING_TABLE.sub(bare, strings, count=1)
    # What came first may have been a comment; looking everywhere takes longer.
    return _STRING_TABLE.sub(bare, cleaned) if b"uniqueCount" in cleaned else cleaned


def _merged(page: _Page, budget: CellBudget) -> tuple[Range, ...] | None:
    """Return the merged ranges, which stand behind the cells; None if they are not written plainly."""
    behind = page.cells[1]
    ranges = page.xml.count(b"mergeCell ", behind)
    budget.charge_merged(ranges)
    if not ranges:
        return None if b"mergeCell\t" in page.xml[behind:] else ()
    found = _MERGE.findall(page.xml, behind)
    if len(found) != ranges or page.xml.find(b"<!", behind) >= 0:
        return None
    return merged_ranges(
        (
            int(top) - 1,
            column_index(left.decode()),
            int(bottom) - 1,
            column_index(right.decode()),
        )
        for left, top, right, bottom in found
    )
