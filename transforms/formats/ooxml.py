"""Workbooks in Office Open XML: .xlsx, .xlsm and what WPS saves as .et in that form.

The parts are unpacked within bounds, each sheet's reach is measured in its XML, and a container
with nothing but the measured sheets goes to the workbook library. Measuring must cost little
beside reading: an ordinary sheet is cleared by one pass of a regular expression, a large one by the
places it names, and only what they cannot clear is walked element by element.
"""

import posixpath
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Final, cast
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from lxml import etree

from .cells import CellBudget, Range, column_index, merged_ranges
from .engine import read_sheets
from .model import Limits, Sheet, Unreadable
from .packages import Package, drop, local_name, parse_xml, refuse_dtd, repack, walk_xml
from .serials import DATE_FORMATS

# A sheet is plain if every row and cell begins with where it stands, and none stands beyond a
# reach that is allowed. These patterns find what is not; they may find too much (in a text, say),
# but never too little.
_TAG: Final = r"<(?:[^\s<>/:]*:)?"
_PLACED: Final = r"""(?:c|row)(?:[\t\n\r/>]| (?:[^r]|r[^=]|r=[^"]{}))"""
_UNPLACED: Final = _TAG + _PLACED.format("")
# (rows, columns) of a reach, and what is not plain for it: a long sheet, and a wide one.
_LONG: Final = (99_999, 26), _PLACED.format('|r="(?:[A-Za-z]{2}|[A-Za-z]?[0-9]{6})')
_WIDE: Final = (
    (9_999, 52),
    _PLACED.format('|r="(?:[B-Zb-z][A-Za-z]|[A-Za-z]{3}|[A-Za-z]{0,2}[0-9]{5})'),
)
_FORMULA: Final = r"f[\s/>]"
_ANY_PLACE: Final = r"""\br\s*=\s*["'][A-Za-z]*[0-9]+"""

_USUAL_MAIN: Final = "xl/workbook.xml"
_SHORTEST_CELL: Final = len('<c t="s"><v>0</v></c>')

_REFERENCE: Final = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})\Z")
_MERGE: Final = re.compile(
    rb"""<(?:[^\s<>/:]*:)?mergeCell\s[^<>]*?\bref\s*=\s*["']"""
    rb"""\$?([A-Za-z]{1,3})\$?([0-9]{1,7}):\$?([A-Za-z]{1,3})\$?([0-9]{1,7})["']"""
)
# A formula without a result; one whose result is no text at all says so (t="str").
_UNANSWERED: Final = re.compile(
    rb"""<(?P<p>(?:[^\s<>/:]*:)?)c(?P<cell>\s[^<>]*?\br="(?P<place>[A-Za-z]{1,3}[0-9]{1,7})"[^<>]*)>\s*"""
    rb"""<(?P=p)f(?:\s[^<>]*)?(?:/>|>(?P<formula>[^<]*)</(?P=p)f>)\s*"""
    rb"""(?:<(?P=p)v\s*/>|<(?P=p)v>\s*</(?P=p)v>)?\s*</(?P=p)c>"""
)
_FORMAT_CODE: Final = re.compile(rb"""<(?:[^\s<>/:]*:)?numFmt\s[^<>]*?numFmtId=["']([0-9]+)["']""")
_STYLE_FORMAT: Final = re.compile(
    rb"""(<(?:[^\s<>/:]*:)?xf\s[^<>]*?numFmtId=["'])([0-9]{1,9})(["'])"""
)
_COMMON_DATE: Final = b"22"
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


@dataclass(frozen=True)
class _Page:
    """A sheet before it is read; ``formulas`` says whether it may hold any."""

    name: str
    hidden: bool
    xml: bytes
    formulas: bool


def read(package: Package, workbook: str, limits: Limits) -> list[Sheet]:
    """The sheets of the workbook whose main part is `workbook`; raises Unreadable."""
    root = parse_xml(package.read_xml(workbook), workbook)
    relations = relations_of(package, workbook)
    listed = [element for element in root.iter() if local_name(element) == "sheet"]
    if len(listed) > limits.sheets:
        raise Unreadable.too_large("工作表数", "its sheets", limits.sheets)

    strings = _part_of_kind(package, relations, "sharedStrings")
    budget = CellBudget(limits)
    pages: list[_Page] = []
    for element in listed:
        kind, target = relations.get(_relation_id(element), ("", ""))
        if kind != "worksheet":  # chart, dialogue and macro sheets have no cells
            continue
        name = element.get("name", "")
        xml = package.read(target)
        formulas = _measure(xml, name, budget, limits)
        _check_text(xml, strings, budget, limits)
        pages.append(_Page(name, element.get("state", "visible") != "visible", xml, formulas))
    if not pages:
        raise Unreadable("no_sheets")

    since_1904 = any(
        local_name(element) == "workbookPr" and element.get("date1904") in ("1", "true")
        for element in root
    )
    styles = _part_of_kind(package, relations, "styles")
    container = _container([page.xml for page in pages], strings, styles, since_1904)
    frames = read_sheets(container, [page.name for page in pages], budget)
    return [
        Sheet(
            page.name,
            page.hidden,
            _with_unanswered(cells, page.xml) if page.formulas else cells,
            merged_ranges(_merged(page.xml, budget)),
        )
        for page, cells in zip(pages, frames, strict=True)
    ]


def main_part(package: Package) -> str:
    """The name of the workbook's main part; raises Unreadable (not_a_workbook, corrupt)."""
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


def relations_of(package: Package, part: str) -> dict[str, tuple[str, str]]:
    """A part's relations: id -> (kind, name of the part meant); "" stands for the package."""
    folder, file = posixpath.split(part)
    name = posixpath.join(folder, "_rels", file + ".rels")
    relations = {}
    for element in parse_xml(package.read_xml(name), name):
        if local_name(element) == "Relationship" and element.get("TargetMode") != "External":
            target = unquote(element.get("Target", "")).replace("\\", "/")
            target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            kind = element.get("Type", "").rpartition("/")[2]
            relations[element.get("Id", "")] = (kind, target)
    return relations


def _relation_id(element: etree._Element) -> str:
    """The r:id of an element, be its namespace the ordinary or the strict one."""
    return next(
        (str(value) for name, value in element.items() if str(name).rpartition("}")[2] == "id"), ""
    )


def _part_of_kind(package: Package, relations: dict[str, tuple[str, str]], kind: str) -> bytes:
    """The part of that kind that the workbook points to; b"" if there is none."""
    for found, target in relations.values():
        if found == kind and target in package:
            return package.read_xml(target)
    return b""


def _measure(xml: bytes, name: str, budget: CellBudget, limits: Limits) -> bool:
    """Whether the sheet may hold formulas.

    Raises Unreadable: too_spread if reading it would take more cells than are left, unsafe_xml.
    """
    text = pa.scalar(xml, pa.binary())

    def holds(pattern: str) -> bool:
        return bool(pc.match_substring_regex(text, pattern).as_py())

    # Nearly every sheet is cleared of everything here, in one pass.
    if budget.allows(*_LONG[0]) and not holds(f"<!D|{_TAG}(?:{_FORMULA}|{_LONG[1]})"):
        return False
    refuse_dtd(xml)
    if not any(budget.allows(*reach) and not holds(_TAG + far) for reach, far in (_LONG, _WIDE)):
        # Blank cells and texts count here too, so that this can only clear a sheet, not refuse it.
        cleared = not holds(_UNPLACED) and budget.allows(*_widest(xml, name))
        if not cleared:
            budget.check(name, *_reach(xml, name, limits))
    return holds(_TAG + _FORMULA)


def _widest(xml: bytes, name: str) -> tuple[int, int]:
    """(rows, columns) up to the last that anything in a sheet's XML names.

    Raises Unreadable (corrupt) where that is no UTF-8.
    """
    try:
        text = pl.Series([xml.decode("utf-8")])
    except UnicodeDecodeError as error:
        raise Unreadable("corrupt", what=name) from error
    places = text.str.extract_all(_ANY_PLACE).explode()
    rows = places.str.extract("([0-9]+)$").str.to_integer(strict=False, dtype=pl.UInt64)
    letters = places.str.extract("([A-Za-z]*)[0-9]+$").unique().drop_nulls()
    if places.len() == 0 or rows.null_count():
        return sys.maxsize, 1
    return int(cast(int, rows.max())), 1 + max(map(column_index, letters))


def _reach(xml: bytes, name: str, limits: Limits) -> tuple[int, int]:
    """(rows, columns) up to the last cell with content; raises Unreadable (corrupt)."""
    rows = columns = row = column = 0
    try:
        for event, element in walk_xml(xml, ("{*}row", "{*}c"), limits, ("start", "end")):
            match event, local_name(element):
                case "start", "row":
                    if reference := element.get("r"):
                        row = int(reference) - 1
                    column = 0
                case "start", "c":
                    if reference := element.get("r"):
                        at_row, column = _position(reference)
                    else:
                        at_row = row
                case "end", "c":
                    if any(local_name(part) in ("v", "is") for part in element):
                        rows, columns = max(rows, at_row + 1), max(columns, column + 1)
                    column += 1
                    drop(element)
                case "end", "row":
                    row += 1
                    drop(element)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("corrupt", what=name) from error
    return rows, columns


def _position(reference: str) -> tuple[int, int]:
    found = _REFERENCE.match(reference)
    if found is None:
        raise ValueError(f"not a cell: {reference}")
    return int(found[2]) - 1, column_index(found[1])


def _check_text(xml: bytes, strings: bytes, budget: CellBudget, limits: Limits) -> None:
    """Raises Unreadable (too_large) if long shared strings would fill the memory.

    A few bytes of sheet stand for a shared string of any length, and every cell gets a copy of it.
    """
    cells = len(xml) // _SHORTEST_CELL + 1
    if not _has_string_over(strings, limits.unpacked_bytes // cells):
        return
    try:
        lengths = [
            sum(len(text) for text in string.itertext())
            for _, string in walk_xml(strings, ("{*}si",), limits)
        ]
        for _, cell in walk_xml(xml, ("{*}c",), limits):
            if cell.get("t") == "s":
                index = next((part.text for part in cell if local_name(part) == "v"), None)
                budget.charge_text(lengths[int(index)] if index else 0)
            drop(cell)
    except (etree.XMLSyntaxError, ValueError, IndexError) as error:
        raise Unreadable("corrupt", what="sharedStrings") from error


def _has_string_over(strings: bytes, length: int) -> bool:
    """Whether some string of the table takes more bytes than that; looks at few of its bytes."""
    start = 0
    while start + length < len(strings):
        end = strings.rfind(b"si>", start, start + length)
        if end < start + 3:
            return True
        start = end
    return False


def _container(sheets: list[bytes], strings: bytes, styles: bytes, since_1904: bool) -> bytes:
    """A workbook of these sheets, named 0, 1, … and all visible."""
    listed, relations = [], []
    parts = {}
    for index, xml in enumerate(sheets):
        target = f"worksheets/sheet{index}.xml"
        listed.append(f'<sheet name="{index}" sheetId="{index + 1}" r:id="r{index}"/>')
        relations.append(_RELATION.format(id=f"r{index}", kind="worksheet", target=target))
        parts[f"xl/{target}"] = xml
    parts["xl/workbook.xml"] = _WORKBOOK.format(
        since_1904=since_1904, sheets="".join(listed)
    ).encode()
    parts["xl/_rels/workbook.xml.rels"] = _RELATIONS.format(relations="".join(relations)).encode()
    parts["_rels/.rels"] = _RELATIONS.format(
        relations=_RELATION.format(id="r", kind="officeDocument", target="xl/workbook.xml")
    ).encode()
    if strings:
        parts["xl/sharedStrings.xml"] = _without_counts(strings)
    if styles:
        parts["xl/styles.xml"] = _with_local_dates(styles)
    return repack(parts)


def _with_local_dates(styles: bytes) -> bytes:
    """The styles with the built-in date formats of East Asian Office replaced by a common one.

    Files carry no code for them, and the library knows only those of the West.
    """
    defined = set(_FORMAT_CODE.findall(styles))

    def replaced(found: re.Match[bytes]) -> bytes:
        is_date = found[2] not in defined and int(found[2]) in DATE_FORMATS
        return found[1] + (_COMMON_DATE if is_date else found[2]) + found[3]

    return _STYLE_FORMAT.sub(replaced, styles)


def _with_unanswered(cells: pl.DataFrame, xml: bytes) -> pl.DataFrame:
    """The cells, and the formulas that no program has calculated yet as what they are.

    The library leaves them blank, but who typed a formula gave something.
    """
    texts: dict[int, dict[int, str]] = {}
    for cell in _UNANSWERED.finditer(xml):
        row, column = _position(cell["place"].decode())
        if b't="str"' not in cell["cell"] and row < cells.height and column < cells.width:
            formula = unescape((cell["formula"] or b"").decode("utf-8", "replace"))
            texts.setdefault(column, {})[row] = f"={formula}"
    for column, by_row in texts.items():
        values = cells[str(column)].to_list()
        for row, text in by_row.items():
            values[row] = text
        cells = cells.with_columns(pl.Series(str(column), values, dtype=pl.String))
    return cells


def _without_counts(strings: bytes) -> bytes:
    """The string table without the count it declares: the library makes room for that many."""

    def bare(tag: re.Match[bytes]) -> bytes:
        namespaces = b"".join(_NAMESPACE.findall(tag[0]))
        return b"<" + tag[1] + namespaces + tag[2] + b">"

    cleaned = _STRING_TABLE.sub(bare, strings, count=1)
    # What came first may have been a comment; looking everywhere takes longer.
    return _STRING_TABLE.sub(bare, cleaned) if b"uniqueCount" in cleaned else cleaned


def _merged(xml: bytes, budget: CellBudget) -> Iterator[Range]:
    end_of_cells = max(xml.rfind(b"sheetData"), 0)  # merged ranges stand behind them
    budget.charge_merged(xml.count(b"mergeCell ", end_of_cells))
    for left, top, right, bottom in _MERGE.findall(xml, end_of_cells):
        yield (
            int(top) - 1,
            column_index(left.decode()),
            int(bottom) - 1,
            column_index(right.decode()),
        )
