"""Return sheets: what a county clerk opens to see which cells are wrong and what to do.

A return sheet is the workbook that was handed in, with every offending cell filled and commented
and a first sheet that lists all findings; where the workbook cannot be copied (another format,
damaged, too large), it is that list alone. The file comes from strangers and goes back to people
who will open it, hence two rules: openpyxl sees only parts that were unpacked within bounds, and
no text of a submission is ever written as a formula.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import polars as pl
from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import Cell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils.cell import coordinate_to_tuple, get_column_letter, range_boundaries
from openpyxl.workbook.properties import CalcProperties
from openpyxl.worksheet.hyperlink import Hyperlink
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet
from openpyxl.writer.excel import ExcelWriter

from transforms.records import FINDING
from transforms.workbooks.kept_parts import carry_over

if TYPE_CHECKING:
    from _typeshed import SizedBuffer

_log = logging.getLogger(__name__)

LIST_SHEET = "退回说明"

#: A workbook beyond any of these is answered with the list alone: openpyxl holds every cell as an
#: object, about fifty times the size of the file.
COPIED_BYTES = 16 * 2**20
COPIED_UNPACKED_BYTES = 64 * 2**20
COPIED_PARTS = 2_000
COPIED_TAGS = 2_000_000
COPIED_AREA = 500_000
#: Characters. A string stands in the file once for all its cells, and in the copy in each of them.
COPIED_TEXT = 64 * 2**20

#: Marking more cells helps nobody and makes Excel slow; the list gives the full number of cells.
MARKS_PER_FINDING = 500
MARKS_PER_WORKBOOK = 5_000
#: Excel takes 65,530 hyperlinks on a sheet; a list this long is cut and says so.
LISTED_FINDINGS = 50_000
#: Excel's own bounds are 32,767 in a cell and about as much in a comment nobody could read.
CELL_CHARACTERS = 32_000
COMMENT_CHARACTERS = 4_000

_AUTHOR = "数据核对"
#: Written into every file instead of the time of writing: the same findings give the same bytes.
_NO_TIME = datetime(1980, 1, 1)

_HEADER_ROW = 5
#: Header and width (in characters) of the list's columns.
_LIST_COLUMNS = (
    ("工作表", 18),
    ("单元格", 10),
    ("现有内容", 24),
    ("问题", 48),
    ("怎么改", 44),
    ("涉及单元格数", 13),
    ("规则编号", 12),
    ("级别", 8),
)
#: In points; the second is Excel's own bound.
_LINE_HEIGHT, _MAX_ROW_HEIGHT = 16, 409
_SEVERITY_ZH = {"error": "错误", "warning": "提示"}
_FILLS = {
    "error": PatternFill("solid", start_color="FFFFC7CE", end_color="FFFFC7CE"),
    "warning": PatternFill("solid", start_color="FFFFEB9C", end_color="FFFFEB9C"),
}
_HEADER_FILL = PatternFill("solid", start_color="FFD9E1F2", end_color="FFD9E1F2")
_THIN = Side(style="thin", color="FFBFBFBF")
_BOX = Border(left=_THIN, right=_THIN, top=_THIN, bottom=_THIN)
_LINK = Font(color="FF0563C1", underline="single")

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
#: ``_x000D_`` is how OOXML itself writes a character; as text its first ``_`` has to be escaped.
_OOXML_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")
#: The last row and column (XFD) of a worksheet.
_MAX_ROW, _MAX_COLUMN = 1_048_576, 16_384
_PLACE = re.compile(r"[A-Z]{1,3}[1-9][0-9]{0,6}")

#: How XML begins in encodings in which a search for ASCII bytes would see nothing.
_WIDE_XML = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<", b"\0\0", b"\x4c\x6f\xa7\x94")
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']""")
_STRINGS = "xl/sharedstrings.xml"
_REF = re.compile(rb"""(?<!<dimension)\sref\s*=\s*["']([^"']*)["']""")


@dataclass(frozen=True)
class _Finding:
    """What the return sheet shows of one finding; ``places`` begins with the finding's own cell."""

    severity: str
    rule_id: str
    sheet: str | None
    places: tuple[str, ...]
    row: int | None
    value: str | None
    problem: str
    remedy: str
    cells: int


def write_return_sheet(
    out: Path, findings: pl.DataFrame, *, file_name: str, original: bytes | None
) -> None:
    """Write the return sheet of one submitted file to ``out`` (an .xlsx), whole or not at all.

    ``findings`` has the columns of :data:`transforms.records.FINDING`; with an error among them the file was
    returned, without one it was accepted. ``original`` is the submitted .xlsx or .xlsm; with None,
    or where it is damaged or beyond the bounds above, the list of findings stands alone. Macros
    and cached results of formulas are not copied (Excel and WPS compute anew on opening).

    Raises OSError where ``out`` cannot be written, and Polars' errors where a column is missing.
    """
    listed = _in_order(findings)
    content = None if original is None else _annotated_copy(original, listed, file_name)
    if content is None:
        workbook = Workbook()
        workbook.remove(workbook.worksheets[0])
        _write_list(_first_sheet(workbook), listed, file_name, linkable={})
        content = _to_bytes(workbook)
    _replace(out, content)


def _in_order(findings: pl.DataFrame) -> list[_Finding]:
    """Return the findings, errors first, then by place: the order they came in must not show."""
    frame = findings.select(FINDING.schema.keys()).sort(
        pl.col("severity") != "error",
        "sheet",
        "row",
        pl.col("cell").str.len_bytes(),
        "cell",
        "rule_id",
        "problem_zh",
        "value",
        maintain_order=True,
    )
    return [
        _Finding(
            severity=row["severity"],
            rule_id=row["rule_id"],
            sheet=row["sheet"],
            places=tuple(filter(_is_place, dict.fromkeys([row["cell"], *(row["places"] or ())]))),
            row=row["row"],
            value=row["value"],
            problem=row["problem_zh"],
            remedy=row["remedy_zh"],
            cells=row["cells"],
        )
        for row in frame.iter_rows(named=True)
    ]


def _is_place(name: str | None) -> bool:
    """Return whether ``name`` is a cell that a worksheet can have (A1 to XFD1048576)."""
    if name is None or not _PLACE.fullmatch(name):
        return False
    row, column = coordinate_to_tuple(name)
    return row <= _MAX_ROW and column <= _MAX_COLUMN


# --- the copy -------------------------------------------------------------------------------


def _annotated_copy(original: bytes, findings: list[_Finding], file_name: str) -> bytes | None:
    """Return the submitted workbook with marks and list, or None where it cannot be copied."""
    # Damage takes forms without number, and openpyxl answers each with another exception (or
    # trips over it only when writing): whatever it is, the clerk still gets the list.
    try:
        with warnings.catch_warnings():
            # It warns of what it cannot carry over (pictures, shapes, extensions).
            warnings.simplefilter("ignore")
            parts = _unpacked(original)
            workbook = load_workbook(_packed(parts, ZIP_STORED), rich_text=True)
        if not workbook.worksheets:
            return None
        _refuse_much_text(workbook, parts)
        sheets: dict[str, Worksheet] = {
            sheet.title: sheet for sheet in workbook.worksheets if isinstance(sheet, Worksheet)
        }
        _mark(sheets, findings)
        _write_list(_first_sheet(workbook), findings, file_name, linkable=sheets)
        return _completed(_to_bytes(workbook), parts)
    except Exception as error:
        _log.info("%s cannot be copied, the list stands alone: %r", file_name, error)
        return None


def _completed(copy: bytes, original: Mapping[str, bytes]) -> bytes:
    """Return the copy with what openpyxl left behind, where that can be carried over."""
    try:
        with ZipFile(BytesIO(copy)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        return _packed(carry_over(original, parts), ZIP_DEFLATED).getvalue()
    except Exception as error:
        # Cells, marks and list are what the clerk needs most.
        _log.info("pictures and the like are left out of a copy: %r", error)
        return copy


class _OutOfBounds(ValueError):
    """A workbook that openpyxl must not be let loose on."""


def _unpacked(original: bytes) -> dict[str, bytes]:
    """Return the parts of the workbook by name, once they are known to be harmless.

    openpyxl unpacks whatever a zip holds, expands entities, and makes an object for each cell of
    a merged or linked range; a few kilobytes can so fill any memory. Handing it the counted parts,
    and not the zip they came from, leaves nothing for a false size in the zip to hide.
    """
    if len(original) > COPIED_BYTES:
        raise _OutOfBounds("file")
    left, tags, area = COPIED_UNPACKED_BYTES, 0, 0
    parts: dict[str, bytes] = {}
    with ZipFile(BytesIO(original)) as source:
        names = set(source.namelist())
        if len(names) > COPIED_PARTS:
            raise _OutOfBounds("parts")
        for name in sorted(names):
            with source.open(name) as part:
                data = part.read(left + 1)
            left -= len(data)
            tags += data.count(b"<")
            if left < 0 or tags > COPIED_TAGS:
                raise _OutOfBounds("unpacked")
            encoding = _ENCODING.match(data.removeprefix(b"\xef\xbb\xbf"))
            if data.startswith(_WIDE_XML) or (
                encoding and encoding[1].lower() not in (b"utf-8", b"utf8", b"us-ascii")
            ):
                raise _OutOfBounds("encoding")
            if b"<!DOCTYPE" in data:
                raise _OutOfBounds("entities")
            area += sum(_area(ref.decode("ascii")) for ref in _REF.findall(data))
            if area > COPIED_AREA:
                raise _OutOfBounds("ranges")
            parts[name] = data
    return parts


def _refuse_much_text(workbook: Workbook, parts: Mapping[str, bytes]) -> None:
    """Raise _OutOfBounds where the texts of all cells come to more than can be written."""
    strings = next((parts[name] for name in parts if name.lower() == _STRINGS), b"")
    longest = max(map(len, strings.split(b"</")), default=0)
    cells = sum(
        data.count(b"<v") for name, data in parts.items() if name.startswith("xl/worksheets/")
    )
    # So it is with nearly every workbook, and nothing has to be counted.
    if longest * cells <= COPIED_TEXT:
        return
    left = COPIED_TEXT
    for sheet in workbook.worksheets:
        for row in sheet.iter_rows():
            for cell in row:
                left -= len(str(cell.value)) if cell.data_type == "s" else 0
                if left < 0:
                    raise _OutOfBounds("texts")


def _packed(parts: Mapping[str, bytes], method: int) -> BytesIO:
    """Return a zip of the parts; equal parts give equal bytes."""
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        for name, data in parts.items():
            archive.writestr(_entry(name), data, method)
    return packed


def _area(ref: str) -> int:
    """Return the number of cells of ``A1:C3``; ValueError for what is no such range."""
    left, top, right, bottom = range_boundaries(ref)
    if left is None or top is None or right is None or bottom is None:
        raise _OutOfBounds("whole columns or rows")
    return (right - left + 1) * (bottom - top + 1)


def _mark(sheets: dict[str, Worksheet], findings: Iterable[_Finding]) -> None:
    """Fill and comment the cells of the findings, the worst colour winning."""
    findings = [finding for finding in findings if finding.sheet in sheets]
    merged = {title: _merged(sheets[title]) for title in {f.sheet for f in findings if f.sheet}}
    remarks: dict[tuple[str, str], list[_Finding]] = {}
    for finding in findings:
        title = finding.sheet or ""
        for place in finding.places[:MARKS_PER_FINDING]:
            key = (title, merged[title].get(place, place))
            if key in remarks or len(remarks) < MARKS_PER_WORKBOOK:
                remarks.setdefault(key, []).append(finding)
    for (title, place), found in remarks.items():
        cell = sheets[title][place]
        cell.fill = _FILLS["error" if any(f.severity == "error" for f in found) else "warning"]
        cell.comment = _comment(found, cell.comment)


def _merged(sheet: Worksheet) -> dict[str, str]:
    """Return of each merged cell the top left one, which is the cell that shows."""
    return {
        f"{get_column_letter(column)}{row}": f"{get_column_letter(area.min_col)}{area.min_row}"
        for area in sheet.merged_cells.ranges
        for row, column in area.cells
    }


def _comment(findings: Iterable[_Finding], there: Comment | None) -> Comment:
    """Return one comment for all findings of a cell, below what the unit itself had noted there."""
    # The same wording twice on a cell (a merged cell stands for many) is said once.
    remarks = dict.fromkeys(
        f"【{_SEVERITY_ZH[finding.severity]}】{finding.problem}\n怎么改: {finding.remedy}"
        for finding in findings
    )
    own = [there.text] if there is not None else []
    text = "\n\n".join([*own, *map(_literal, remarks)])
    if len(text) > COMMENT_CHARACTERS:
        text = f"{text[:COMMENT_CHARACTERS]}…(其余见“{LIST_SHEET}”)"
    lines = sum(1 + len(line) // 24 for line in text.splitlines())
    return Comment(text, _AUTHOR, width=360, height=min(400, 30 + 18 * lines))


def _first_sheet(workbook: Workbook) -> Worksheet:
    """Return a new first sheet for the list, the only one selected when the workbook is opened."""
    taken = {name.casefold() for name in workbook.sheetnames}
    title, number = LIST_SHEET, 1
    while title in taken:
        number += 1
        title = f"{LIST_SHEET}({number})"
    for view in [
        *(view for sheet in workbook.worksheets for view in sheet.views.sheetView),
        *(view for chart in workbook.chartsheets for view in chart.sheetViews.sheetView),
    ]:
        # Sheets left selected together would be edited together.
        view.tabSelected = False
    first: Worksheet = workbook.create_sheet(title, 0)
    workbook.active = 0
    for window in workbook.views:
        window.firstSheet = 0
    return first


# --- the list -------------------------------------------------------------------------------


def _write_list(
    sheet: Worksheet,
    findings: Sequence[_Finding],
    file_name: str,
    *,
    linkable: dict[str, Worksheet],
) -> None:
    """Fill ``sheet`` with the verdict and all findings; places on ``linkable`` sheets are links."""
    errors = sum(finding.severity == "error" for finding in findings)
    counts = f"共{len(findings)}条: 错误{errors}条, 提示{len(findings) - errors}条。"
    colours = (
        "红色单元格为错误, 黄色为提示"
        f"(每条最多标出{MARKS_PER_FINDING}处, 全表最多{MARKS_PER_WORKBOOK}处)。"
    )
    head = (
        f"文件: {file_name}",
        "结果: 已退回。请改正下列错误后重新报送; 此前已接收的版本继续有效。"
        if errors
        else "结果: 已接收。下列提示请核对, 确有错误的请改正后重新报送。",
        counts + colours if linkable else counts,
    )
    for row, line in enumerate(head, 1):
        _put(sheet, row, 1, line).font = Font(bold=True, size=12)
    for column, (header, width) in enumerate(_LIST_COLUMNS, 1):
        cell = _put(sheet, _HEADER_ROW, column, header)
        cell.font, cell.fill, cell.border = Font(bold=True), _HEADER_FILL, _BOX
        cell.alignment = Alignment(horizontal="center", vertical="center", wrap_text=True)
        sheet.column_dimensions[get_column_letter(column)].width = width
    row = _HEADER_ROW
    for row, finding in enumerate(findings[:LISTED_FINDINGS], _HEADER_ROW + 1):
        _write_finding(sheet, row, finding, linkable.get(finding.sheet or ""))
    if len(findings) > LISTED_FINDINGS:
        _put(sheet, row + 1, 1, f"其余{len(findings) - LISTED_FINDINGS}条没有列出。")
    sheet.freeze_panes = f"A{_HEADER_ROW + 1}"
    sheet.print_title_rows = f"{_HEADER_ROW}:{_HEADER_ROW}"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = 9  # A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _write_finding(sheet: Worksheet, row: int, finding: _Finding, there: Worksheet | None) -> None:
    title = finding.sheet or ""
    if there is not None and there.sheet_state != "visible":
        title += " (隐藏的工作表)"
    place = finding.places[0] if finding.places else None
    if place is None and finding.row is not None:
        where = f"第{finding.row}行"
        place = f"A{finding.row}"
    else:
        where = place or ""
    shown = finding.value
    if shown is None:
        shown = "(空白)" if finding.places else ""
    texts = (
        title,
        where,
        shown,
        finding.problem,
        finding.remedy,
        "",
        finding.rule_id,
        _SEVERITY_ZH[finding.severity],
    )
    for column, text in enumerate(texts, 1):
        cell = _put(sheet, row, column, text)
        cell.border = _BOX
        cell.alignment = Alignment(vertical="top", wrap_text=True)
    sheet.cell(row, 6).value = finding.cells
    # Not every program fits the height of wrapped rows by itself when it opens a file.
    lines = max(_lines(text, width) for text, (_, width) in zip(texts, _LIST_COLUMNS, strict=True))
    sheet.row_dimensions[row].height = min(lines * _LINE_HEIGHT, _MAX_ROW_HEIGHT)
    sheet.cell(row, 8).fill = _FILLS[finding.severity]
    if there is not None and place is not None:
        # A quotation mark in a sheet's name is doubled inside the quoted name.
        quoted = there.title.replace("'", "''")
        link = sheet.cell(row, 2)
        link.hyperlink = Hyperlink(ref=link.coordinate, location=f"'{quoted}'!{place}")
        link.font = _LINK


def _lines(text: str, width: int) -> int:
    """Return how many lines ``text`` takes in a column of ``width``, where a Chinese character takes two.

    Lines are not filled to the last place: punctuation does not begin one.
    """
    return sum(
        1 + sum(1 + (not character.isascii()) for character in line) // (width - 2)
        for line in text[:CELL_CHARACTERS].splitlines() or [""]
    )


def _put(sheet: Worksheet, row: int, column: int, text: str) -> Cell:
    """Write ``text`` as text, whatever it looks like: never a formula, an error or a number."""
    if len(text) > CELL_CHARACTERS:
        text = text[:CELL_CHARACTERS] + "…"
    text = _literal(text)
    cell = sheet.cell(row, column)
    assert isinstance(cell, Cell)  # only merging makes another class of cells, and none are merged
    if text:
        cell.value = text
        cell.data_type = "s"
        # Without this mark Excel would make a formula of it as soon as somebody edits the cell.
        cell.quotePrefix = text.startswith(_FORMULA_START)
    return cell


def _literal(text: str) -> str:
    """``text`` as OOXML shows it unchanged: without characters that XML cannot hold."""
    return _OOXML_ESCAPE.sub("_x005F_", _NOT_XML.sub("", text))


# --- bytes ----------------------------------------------------------------------------------


class _TimelessZip(ZipFile):
    """A zip whose entries carry no time, so that equal content gives equal bytes."""

    def writestr(
        self,
        zinfo_or_arcname: str | ZipInfo,
        data: SizedBuffer | str,
        compress_type: int | None = None,
        compresslevel: int | None = None,
    ) -> None:
        super().writestr(_entry(str(zinfo_or_arcname)), data, compress_type, compresslevel)

    def write(
        self,
        filename: str | os.PathLike[str],
        arcname: str | os.PathLike[str] | None = None,
        compress_type: int | None = None,
        compresslevel: int | None = None,
    ) -> None:
        content = Path(filename).read_bytes()
        self.writestr(str(arcname or filename), content, compress_type, compresslevel)


def _entry(name: str) -> ZipInfo:
    """Return a compressed entry dated 1980, the zip format's zero."""
    entry = ZipInfo(name)
    entry.compress_type = ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _to_bytes(workbook: Workbook) -> bytes:
    """Return the workbook as an .xlsx file; formulas are computed when it is opened."""
    workbook.template = False
    workbook.properties.created = workbook.properties.modified = _NO_TIME
    workbook.calculation = workbook.calculation or CalcProperties()
    workbook.calculation.fullCalcOnLoad = True
    buffer = BytesIO()
    with _TimelessZip(buffer, "w") as archive:
        # Workbook.save() would stamp the present time.
        ExcelWriter(workbook, archive).save()
    return buffer.getvalue()


def _replace(out: Path, content: bytes) -> None:
    """Put ``content`` at ``out`` in one step, so that nobody opens half a file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    # Always the same name: what a killed run leaves of it, the next one writes over.
    part = out.with_name(f".{hashlib.sha256(out.name.encode()).hexdigest()[:16]}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
