"""Return sheets: real workbooks in, opened again and looked at cell by cell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime, time
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import fastexcel
import polars as pl
import pytest
import xlsxwriter
from openpyxl import Workbook, load_workbook
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from transforms.answers import Reason
from transforms.reading import read_file
from transforms.records import FINDING
from transforms.workbooks import finding_list, findings, package
from transforms.workbooks.heading import Heading
from transforms.workbooks.return_sheets import write_return_sheet

RED, YELLOW = "FFFFC7CE", "FFFFEB9C"
FIRST_FINDING_ROW = 6


def finding(**changes: Any) -> dict[str, Any]:
    """An error in cell E14 of the sheet 小学, with ``changes``."""
    return {
        "severity": "error",
        "rule_id": "CLS-E03",
        "form": "class",
        "year": 2020,
        "sheet": "小学",
        "cell": "E14",
        "row": 14,
        "column_name": "students",
        "value": "五十二人",
        "problem_zh": "“班级人数”不是数",
        "problem_en": "students is not a number",
        "remedy_zh": "请填52。",
        "cells": 1,
        "places": [],
    } | changes


def frame(*findings: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(findings), schema=FINDING.schema)


def saved(workbook: Workbook) -> bytes:
    buffer = BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def county_workbook() -> Workbook:
    """A workbook as counties format theirs: widths, formats, merged cells, hidden sheets, rules."""
    workbook = Workbook()
    sheet = workbook.worksheets[0]
    sheet.title = "小学"
    sheet.merge_cells("A1:F1")
    sheet["A1"] = "义县2020年班级学生数表"
    sheet["A1"].font = Font(name="黑体", size=18, bold=True)
    sheet.column_dimensions["B"].width = 33.5
    sheet.column_dimensions["F"].hidden = True
    sheet.row_dimensions[1].height = 41
    sheet["A3"], sheet["A3"].number_format = 2100000001, "0000000000"
    sheet["B3"], sheet["B3"].number_format = 1234.5, "#,##0.00"
    sheet["C3"] = time(7, 50)
    sheet["C4"] = datetime(2020, 9, 1)
    sheet["C4"].number_format = "yyyy年m月d日"
    sheet["D3"] = "=SUM(B3:B9)"
    sheet["D4"] = "=不是公式"
    sheet["D4"].data_type = "s"
    sheet["E3"].comment = Comment("原有备注", "县教育局")
    sheet["E14"] = "五十二人"
    sheet["E14"].font = Font(italic=True)
    sheet.merge_cells("B20:C22")
    sheet["B20"] = "合并"
    sheet.freeze_panes = "A3"
    rule = DataValidation(type="list", formula1='"小学,初中"')
    rule.add("C3:C90")
    sheet.add_data_validation(rule)
    hidden = workbook.create_sheet("校舍'旧'")
    hidden["A1"] = "旧"
    hidden.sheet_state = "hidden"
    return workbook


class Write(Protocol):
    """Write a return sheet and open it again."""

    def __call__(
        self, *findings: dict[str, Any], original: bytes | None = None, name: str = ...
    ) -> Workbook: ...


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(
        *findings: dict[str, Any], original: bytes | None = None, name: str = "班级.xlsx"
    ) -> Workbook:
        out = tmp_path / "outbox" / "210727" / "退回.xlsx"
        write_return_sheet(out, frame(*findings), file_name=name, original=original)
        assert [path.name for path in out.parent.iterdir()] == [out.name]
        return load_workbook(out, rich_text=True)

    return write


def list_rows(workbook: Workbook) -> list[tuple[Any, ...]]:
    sheet = workbook.worksheets[0]
    return list(sheet.iter_rows(min_row=FIRST_FINDING_ROW, values_only=True))


def fill(sheet: Worksheet, place: str) -> str | None:
    """The colour of a filled cell; None where it is not filled."""
    pattern = sheet[place].fill
    return pattern.start_color.rgb if pattern.fill_type == "solid" else None


def remark(sheet: Worksheet, place: str) -> str:
    comment = sheet[place].comment
    assert comment is not None, f"{place} has no comment"
    return str(comment.text)


# --- the list alone --------------------------------------------------------------------------


def test_the_list_says_where_what_and_how(write: Write) -> None:
    workbook = write(finding(cells=3, institution="一小"), name="义县班级.csv")
    sheet = workbook.worksheets[0]
    assert workbook.sheetnames == ["退回说明"]
    assert sheet["A1"].value == "文件: 义县班级.csv"
    assert "已退回" in sheet["A2"].value
    assert [cell.value for cell in sheet[5]] == [
        "工作表",
        "单元格",
        "现有内容",
        "问题",
        "怎么改",
        "涉及单元格数",
        "规则编号",
        "级别",
        "机构",
        "情况属实的, 写明原因",
        "编号",
    ]
    assert list_rows(workbook) == [
        (
            *("小学", "E14", "五十二人", "“班级人数”不是数", "请填52。", 3, "CLS-E03", "错误"),
            *("一小", "须更正后重新报送", None),
        )
    ]
    assert sheet["B6"].hyperlink is None


def test_warnings_alone_do_not_return_a_file(write: Write) -> None:
    sheet = write(finding(severity="warning"), finding(severity="warning", row=2)).worksheets[0]
    assert "已接收" in sheet["A2"].value
    assert "退回" not in sheet["A2"].value
    assert sheet["A3"].value.startswith("共2条: 错误0条, 提示2条")


def test_errors_come_first_then_place(write: Write) -> None:
    workbook = write(
        finding(severity="warning", sheet="A", cell="A1", row=1, rule_id="w"),
        finding(sheet="B", cell="AA9", row=9, rule_id="4"),
        finding(sheet="B", cell="C9", row=9, rule_id="3"),
        finding(sheet="B", cell="C2", row=2, rule_id="2"),
        finding(sheet=None, cell=None, row=None, rule_id="1"),
    )
    assert [row[6] for row in list_rows(workbook)] == ["1", "2", "3", "4", "w"]


def test_blank_cells_and_findings_without_a_cell(write: Write) -> None:
    workbook = write(
        finding(cell="B1", row=1, value=None),
        finding(cell=None, row=7, value=None),
        finding(cell=None, row=None, value=None, sheet="初中"),
    )
    assert [row[:3] for row in list_rows(workbook)] == [
        ("初中", None, None),
        ("小学", "B1", "(空白)"),
        ("小学", "第7行", None),
    ]


def test_the_list_is_ready_to_read_and_print(write: Write) -> None:
    sheet = write(finding()).worksheets[0]
    assert sheet.freeze_panes == "A6"
    assert sheet.column_dimensions["D"].width > 40
    assert sheet["D6"].alignment.wrap_text
    assert sheet.row_dimensions[6].height == 16
    assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (1, 0)
    assert sheet.print_title_rows == "$5:$5"


def test_problem_and_remedy_stand_in_columns_of_their_own(write: Write) -> None:
    rows = list_rows(write(finding(problem_zh="不是数。", remedy_zh="请填52。")))
    assert rows[0][3:5] == ("不是数。", "请填52。")


def test_rows_are_as_high_as_their_text(write: Write) -> None:
    sheet = write(
        finding(rule_id="1", problem_zh="问" * 60), finding(rule_id="2", problem_zh="问" * 9_999)
    ).worksheets[0]
    assert [sheet.row_dimensions[row].height for row in (6, 7)] == [48, 409]


def test_a_list_beyond_its_bound_says_what_it_leaves_out(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding_list, "LISTED_FINDINGS", 2)
    rows = list_rows(write(*(finding(row=row, cell=f"E{row}") for row in range(2, 7))))
    assert [row[1] for row in rows[:2]] == ["E2", "E3"]
    assert rows[2][0] == "其余3条没有列出。"


def test_the_heading_says_whose_for_when_until_when_and_whom_to_ask(tmp_path: Path) -> None:
    out = tmp_path / "a.xlsx"
    heading = Heading(
        unit="义县",
        forms=("2020年班级学生数表",),
        written=date(2020, 10, 20),
        standing="此前已接收的版本继续有效。",
        until="请于2020-10-31前报送。",
        ask="有疑问请联系市教育局。",
    )
    rows = frame(finding(severity="warning")).with_columns(
        number=pl.lit("1A2B3C4D"), reason=pl.lit("【已收到, 待审核】合并")
    )
    write_return_sheet(out, rows, file_name="a.csv", original=None, heading=heading)
    sheet = load_workbook(out).worksheets[0]
    above = [sheet.cell(row, 1).value for row in range(1, 9)]
    assert above[0] == "义县 2020年班级学生数表 审核反馈 (2020-10-20)"
    assert above[4:7] == [heading.standing, heading.until, heading.ask]
    assert "写明原因" in str(above[7])
    header = [cell.value for cell in sheet[10]]
    found = dict(zip(header, (cell.value for cell in sheet[11]), strict=True))
    assert (found["编号"], found["情况属实的, 写明原因"]) == ("1A2B3C4D", "【已收到, 待审核】合并")


def test_reasons_are_read_where_the_unit_may_write_them(tmp_path: Path) -> None:
    out = tmp_path / "a.xlsx"
    rows = frame(finding(severity="warning"), finding(row=2), finding(severity="warning", row=3))
    numbers = pl.Series("number", ["1A2B3C4D", None, "5E6F7A8B"])
    rows = rows.with_columns(numbers, reason=pl.lit(None, pl.String))
    write_return_sheet(out, rows, file_name="a.csv", original=None)
    book = load_workbook(out)
    sheet = book.worksheets[0]
    for row in range(6, 9):
        if sheet.cell(row, 11).value == "5E6F7A8B":
            sheet.cell(row, 10).value = " 两校 合并 "
    book.save(out)
    (document,) = read_file(out.read_bytes(), "210727/a.xlsx", sha256="", region_code="210727")
    assert document.reasons == (Reason("5E6F7A8B", "两校 合并"),)
    assert document.content == ()


# --- the copy --------------------------------------------------------------------------------


def test_the_copy_keeps_what_the_county_made(write: Write) -> None:
    workbook = write(finding(), original=saved(county_workbook()))
    assert workbook.sheetnames == ["退回说明", "小学", "校舍'旧'"]
    sheet = workbook["小学"]
    assert sheet.column_dimensions["B"].width == 33.5
    assert sheet.column_dimensions["F"].hidden
    assert sheet.row_dimensions[1].height == 41
    assert {str(area) for area in sheet.merged_cells.ranges} == {"A1:F1", "B20:C22"}
    assert (sheet["A1"].font.name, sheet["A1"].font.size) == ("黑体", 18)
    assert (sheet["A3"].value, sheet["A3"].number_format) == (2100000001, "0000000000")
    assert (sheet["B3"].value, sheet["B3"].number_format) == (1234.5, "#,##0.00")
    assert sheet["C3"].value == time(7, 50)
    assert sheet["C4"].value.date() == date(2020, 9, 1)
    assert sheet["C4"].number_format == "yyyy年m月d日"
    assert sheet.freeze_panes == "A3"
    (rule,) = sheet.data_validations.dataValidation
    assert (rule.formula1, str(rule.sqref)) == ('"小学,初中"', "C3:C90")
    assert remark(sheet, "E3") == "原有备注"
    assert workbook["校舍'旧'"].sheet_state == "hidden"


def test_the_countys_formulas_stay_formulas_and_its_text_stays_text(
    write: Write,
) -> None:
    workbook = write(finding(), original=saved(county_workbook()))
    sheet = workbook["小学"]
    assert (sheet["D3"].value, sheet["D3"].data_type) == ("=SUM(B3:B9)", "f")
    assert (sheet["D4"].value, sheet["D4"].data_type) == ("=不是公式", "s")
    assert workbook.calculation.fullCalcOnLoad


def test_offending_cells_are_filled_and_commented(write: Write) -> None:
    workbook = write(
        finding(places=["E14", "E20"], cells=2),
        finding(severity="warning", cell="B3", row=3, problem_zh="比上年多", remedy_zh="请核对。"),
        original=saved(county_workbook()),
    )
    sheet = workbook["小学"]
    assert [fill(sheet, place) for place in ("E14", "E20", "B3", "A3")] == [RED, RED, YELLOW, None]
    assert remark(sheet, "E14") == "【错误】“班级人数”不是数\n怎么改: 请填52。"
    assert remark(sheet, "E20") == remark(sheet, "E14")
    assert remark(sheet, "B3") == "【提示】比上年多\n怎么改: 请核对。"
    assert sheet["E14"].value == "五十二人"
    assert sheet["E14"].font.italic
    assert sheet["B3"].number_format == "#,##0.00"


def test_findings_on_one_cell_share_a_comment_and_the_worst_colour(
    write: Write,
) -> None:
    workbook = write(
        finding(severity="warning", cell="E3", problem_zh="乙"),
        finding(cell="E3", problem_zh="甲"),
        original=saved(county_workbook()),
    )
    sheet = workbook["小学"]
    assert fill(sheet, "E3") == RED
    text = remark(sheet, "E3")
    assert text.startswith("原有备注")
    assert text.index("【错误】甲") < text.index("【提示】乙")


def test_a_place_inside_merged_cells_marks_the_top_left_one(write: Write) -> None:
    workbook = write(finding(cell="C22", places=["C22", "B21"]), original=saved(county_workbook()))
    sheet = workbook["小学"]
    assert fill(sheet, "B20") == RED
    assert remark(sheet, "B20").count("【错误】") == 1
    assert list_rows(workbook)[0][1] == "C22"


def test_places_are_links_to_their_cells(write: Write) -> None:
    workbook = write(
        finding(),
        finding(sheet="校舍'旧'", cell="A1", row=1),
        finding(sheet="校舍'旧'", cell=None, row=3),
        original=saved(county_workbook()),
    )
    sheet = workbook.worksheets[0]
    assert [sheet.cell(row, 2).hyperlink.location for row in (6, 7, 8)] == [
        "'小学'!E14",
        "'校舍''旧'''!A1",
        "'校舍''旧'''!A3",
    ]
    assert [sheet.cell(row, 1).value for row in (6, 7)] == ["小学", "校舍'旧' (隐藏的工作表)"]


@pytest.mark.parametrize(
    ("sheet", "cell"),
    [("没有的表", "E14"), (None, None), ("小学", "ZZZ1"), ("小学", "A1048577"), ("小学", "e14!")],
)
def test_places_that_are_not_in_the_workbook_are_listed_only(
    write: Write, sheet: str | None, cell: str | None
) -> None:
    workbook = write(finding(sheet=sheet, cell=cell, row=None), original=saved(county_workbook()))
    assert len(list_rows(workbook)) == 1
    assert workbook.worksheets[0]["B6"].hyperlink is None
    assert fill(workbook["小学"], "E14") is None


def test_the_list_is_the_only_sheet_selected(write: Write) -> None:
    workbook = write(finding(), original=saved(county_workbook()))
    assert workbook.active is workbook.worksheets[0]
    assert [bool(sheet.sheet_view.tabSelected) for sheet in workbook.worksheets[1:]] == [
        False,
        False,
    ]


def in_references(workbook: bytes) -> bytes:
    """The workbook with all its Chinese as references to characters, which lxml writes by itself."""
    buffer = BytesIO()
    with ZipFile(BytesIO(workbook)) as source, ZipFile(buffer, "w", ZIP_DEFLATED) as target:
        for entry in source.namelist():
            content = source.read(entry)
            if entry.endswith((".xml", ".vml")):
                content = content.decode().encode("ascii", "xmlcharrefreplace")
            target.writestr(entry, content)
    return buffer.getvalue()


def without_authors(workbook: bytes) -> bytes:
    """The workbook with comments that nobody has written, as LibreOffice saves them."""
    book = load_workbook(BytesIO(workbook))
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.comment is not None:
                    cell.comment.author = " "
    return saved(book)


@pytest.mark.parametrize("elsewhere", [bytes, in_references, without_authors])
def test_a_return_sheet_handed_in_again_has_the_new_list_and_the_new_marks_alone(
    write: Write, tmp_path: Path, elsewhere: Callable[[bytes], bytes]
) -> None:
    original = county_workbook()
    original["小学"]["F14"].comment = Comment("问过校长", "义县")
    write(finding(), finding(cell="F14", places=["F14"]), original=saved(original))
    first = (tmp_path / "outbox" / "210727" / "退回.xlsx").read_bytes()
    # Saved by another program, as a clerk's would.
    first = elsewhere(saved(load_workbook(BytesIO(first))))
    workbook = write(finding(cell="G14", places=["G14"], severity="warning"), original=first)
    assert workbook.sheetnames == ["提示说明", "小学", "校舍'旧'"]
    sheet = workbook["小学"]
    assert sheet["E14"].comment is None
    assert remark(sheet, "F14") == "问过校长"
    assert "【提示】" in remark(sheet, "G14")
    red = [
        c.coordinate for row in sheet.iter_rows() for c in row if c.fill.fgColor.rgb == "FFFFC7CE"
    ]
    assert red == []


def test_marks_are_bounded(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MARKS_PER_FINDING", 3)
    monkeypatch.setattr(findings, "MARKS_PER_WORKBOOK", 4)
    original = saved(county_workbook())
    workbook = write(
        finding(cell="G1", row=1, places=[f"G{row}" for row in range(1, 50)], cells=49),
        finding(cell="H1", row=2, places=[f"H{row}" for row in range(1, 50)], cells=49),
        original=original,
    )
    marked = {cell.coordinate for row in workbook["小学"].iter_rows() for cell in row if cell.fill}
    marked = {place for place in marked if fill(workbook["小学"], place)}
    assert marked == {"G1", "G2", "G3", "H1"}
    assert [row[5] for row in list_rows(workbook)] == [49, 49]


def test_macros_are_not_copied(write: Write) -> None:
    workbook = write(finding(), original=with_part(saved(county_workbook()), "xl/vba", b"macro"))
    assert workbook["小学"]["E14"].comment is not None
    assert workbook.vba_archive is None


# --- text that came from a submission ----------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://example.org","x")',
        "+1+1",
        "-1",
        "@SUM(A1)",
        "\t=1+1",
        "\r=1+1",
        "#REF!",
        "0012",
        "TRUE",
        "_x0041_",
        "{=1+1}",
    ],
)
@pytest.mark.parametrize("copied", [True, False])
def test_text_is_never_a_formula(write: Write, tmp_path: Path, text: str, copied: bool) -> None:
    original = saved(county_workbook()) if copied else None
    workbook = write(
        finding(value=text, problem_zh=text, remedy_zh=text, rule_id=text),
        original=original,
        name=text,
    )
    sheet = workbook.worksheets[0]
    cells = [sheet.cell(FIRST_FINDING_ROW, column) for column in (3, 4, 5, 7)]
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr"}
    assert all(cell.quotePrefix for cell in cells if text[0] in "=+-@\t\r")
    # Another reader than the writer's own: the text is what stood there, letter by letter.
    out = tmp_path / "outbox" / "210727" / "退回.xlsx"
    read = fastexcel.read_excel(out.read_bytes()).load_sheet(0, header_row=None, dtypes="string")
    shown = read.to_polars().item(FIRST_FINDING_ROW - 1, 2)
    assert shown.replace("\n", "\r") == text
    with ZipFile(out) as archive:
        assert b"<f" not in archive.read("xl/worksheets/list.xml")


def test_characters_that_xml_cannot_hold_are_dropped(write: Write) -> None:
    bad = "五\x00十\x0b二\x1f人\ufffe"
    workbook = write(finding(value=bad, problem_zh=bad), original=saved(county_workbook()))
    assert list_rows(workbook)[0][2] == "五十二人"
    assert "五十二人" in remark(workbook["小学"], "E14")


def test_endless_text_is_cut(write: Write) -> None:
    endless = "无" * 100_000
    workbook = write(finding(value=endless, problem_zh=endless), original=saved(county_workbook()))
    assert len(list_rows(workbook)[0][2]) < 32_767
    assert len(remark(workbook["小学"], "E14")) < 5_000
    assert remark(workbook["小学"], "E14").endswith("…(其余见第一页)")


# --- workbooks that are not copied -------------------------------------------------------------


def with_part(workbook: bytes, name: str, content: bytes) -> bytes:
    """The workbook with a part replaced or added."""
    buffer = BytesIO()
    with ZipFile(BytesIO(workbook)) as source, ZipFile(buffer, "w", ZIP_DEFLATED) as target:
        for entry in source.namelist():
            if entry != name:
                target.writestr(entry, source.read(entry))
        target.writestr(name, content)
    return buffer.getvalue()


def with_sheet_xml(workbook: bytes, old: bytes, new: bytes) -> bytes:
    """The workbook with a change in the XML of its first sheet."""
    name = "xl/worksheets/sheet1.xml"
    with ZipFile(BytesIO(workbook)) as archive:
        xml = archive.read(name)
    assert old in xml
    return with_part(workbook, name, xml.replace(old, new, 1))


def merged_beyond_memory(workbook: bytes) -> bytes:
    return with_sheet_xml(workbook, b'ref="A1:F1"', b'ref="A1:XFD1048576"')


def merged_under_disguise(workbook: bytes) -> bytes:
    return with_sheet_xml(workbook, b'ref="A1:F1"', b'ref="A1&#58;XFD1048576"')


def merged_and_taken_back(workbook: bytes) -> bytes:
    """A range from its end to its beginning, which makes the sum small."""
    return with_sheet_xml(workbook, b'ref="A1:F1"', b'ref="A9:B1"/><mergeCell ref="A1:XFD1048576"')


def of_too_many_attributes(workbook: bytes) -> bytes:
    tag = b"<a " + b" ".join(b'a%d=""' % number for number in range(1_000)) + b"/>"
    tags = b"<a>" + tag * (package.COPIED_ATTRIBUTES // 1_000) + tag + b"</a>"
    return with_part(workbook, "xl/a.xml", tags)


def with_a_document_type(workbook: bytes) -> bytes:
    """Where entities would be declared; refused whether or not there are any."""
    return with_sheet_xml(workbook, b"<worksheet ", b"<!DOCTYPE worksheet><worksheet ")


def in_another_encoding(workbook: bytes) -> bytes:
    name = "xl/worksheets/sheet1.xml"
    with ZipFile(BytesIO(workbook)) as archive:
        xml = archive.read(name).decode()
    return with_part(workbook, name, xml.encode("utf-16"))


def unpacking_without_end(workbook: bytes) -> bytes:
    return with_part(workbook, "xl/media/a.png", bytes(package.COPIED_UNPACKED_BYTES + 1))


def of_too_many_cells(workbook: bytes) -> bytes:
    return with_part(workbook, "xl/a.xml", b"<a>" + b"<c/>" * package.COPIED_TAGS)


def too_large(workbook: bytes) -> bytes:
    buffer = BytesIO(workbook)
    with ZipFile(buffer, "a", ZIP_STORED) as archive:
        archive.writestr("xl/media/a.png", bytes(package.COPIED_BYTES))
    return buffer.getvalue()


def of_long_texts(workbook: bytes) -> bytes:
    """Few bytes: a text of 100,000 characters stands in it once, and 700 cells show it."""
    buffer = BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        page = book.add_worksheet("班级")
        for row in range(700):
            page.write(row, 0, "甲")
    name = "xl/sharedStrings.xml"
    with ZipFile(buffer) as archive:
        strings = archive.read(name)
    much = with_part(buffer.getvalue(), name, strings.replace("甲".encode(), b"x" * 100_000))
    assert len(much) < 700 * 1_000
    return much


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda workbook: b"", id="empty"),
        pytest.param(lambda workbook: workbook[: len(workbook) // 2], id="truncated"),
        pytest.param(lambda workbook: b"\xd0\xcf\x11\xe0" + bytes(512), id="xls"),
        pytest.param(lambda workbook: with_part(workbook, "xl/workbook.xml", b"<"), id="bad xml"),
        pytest.param(merged_beyond_memory, id="merged beyond memory"),
        pytest.param(merged_under_disguise, id="merged under disguise"),
        pytest.param(merged_and_taken_back, id="merged and taken back"),
        pytest.param(of_too_many_attributes, id="too many attributes"),
        pytest.param(with_a_document_type, id="document type"),
        pytest.param(in_another_encoding, id="encoding"),
        pytest.param(unpacking_without_end, id="unpacks without end"),
        pytest.param(of_too_many_cells, id="too many cells"),
        pytest.param(too_large, id="too large"),
    ],
)
def test_a_workbook_that_cannot_be_copied_gets_the_list_alone(
    write: Write, spoil: Callable[[bytes], bytes]
) -> None:
    workbook = write(finding(), original=spoil(saved(county_workbook())))
    assert workbook.sheetnames == ["退回说明"]
    assert list_rows(workbook)[0][1] == "E14"


def test_a_false_size_in_the_zip_hides_nothing(write: Write) -> None:
    """A part that claims to be small and unpacks to more is never unpacked whole."""
    name = b"xl/media/a.png"
    workbook = bytearray(with_part(saved(county_workbook()), name.decode(), bytes(5_000_000)))
    directory = workbook.rindex(b"PK\x01\x02", 0, workbook.rindex(name))
    workbook[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    assert write(finding(), original=bytes(workbook)).sheetnames == ["退回说明"]


def test_a_long_text_in_many_cells_stands_in_the_copy_once(write: Write, tmp_path: Path) -> None:
    original = of_long_texts(b"")
    workbook = write(finding(sheet="班级", cell="A1"), original=original)
    assert workbook.sheetnames == ["退回说明", "班级"]
    out = tmp_path / "outbox" / "210727" / "退回.xlsx"
    assert out.stat().st_size < 2 * len(original)


def test_a_declared_million_of_columns_is_harmless(write: Write) -> None:
    original = with_sheet_xml(
        saved(county_workbook()), b'<dimension ref="A1:F22"', b'<dimension ref="A1:XFD1048576"'
    )
    assert "小学" in write(finding(), original=original).sheetnames


# --- the file ------------------------------------------------------------------------------------

_DETERMINISM = """
import sys, polars as pl
from pathlib import Path
from transforms.records import FINDING
from transforms.workbooks.return_sheets import write_return_sheet
source, findings, out = map(Path, sys.argv[1:])
frame = pl.read_ipc(findings)
write_return_sheet(out, frame, file_name="a", original=source.read_bytes() or None)
"""


@pytest.mark.parametrize("copied", [True, False])
def test_the_same_findings_give_the_same_bytes(tmp_path: Path, copied: bool) -> None:
    """Whatever the order of the findings and the process (its hash seed) that writes."""
    source = tmp_path / "in.xlsx"
    source.write_bytes(saved(county_workbook()) if copied else b"")
    findings = [finding(cell=f"B{row}", row=row, places=[f"G{row}"]) for row in range(3, 40)]
    written = []
    for seed, order in (("1", 1), ("2", -1)):
        frame(*findings[::order]).write_ipc(tmp_path / "findings.arrow")
        out = tmp_path / f"{seed}.xlsx"
        subprocess.run(
            [sys.executable, "-c", _DETERMINISM, source, tmp_path / "findings.arrow", out],
            check=True,
            cwd=Path(__file__).parents[3],
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        written.append(out.read_bytes())
    assert written[0] == written[1]
    with ZipFile(tmp_path / "1.xlsx") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
        names = archive.namelist()
        # What the unit's program said of the file stands as it was; we say nothing.
        if copied:
            with ZipFile(source) as handed_in:
                said = handed_in.read("docProps/core.xml")
            assert archive.read("docProps/core.xml") == said
    assert [name for name in names if name.startswith("docProps")] == (
        ["docProps/core.xml"] if copied else []
    )


def test_an_older_return_sheet_is_replaced(write: Write) -> None:
    write(finding(), finding(cell="A1"))
    assert len(list_rows(write(finding()))) == 1


def test_a_failed_write_leaves_the_old_sheet_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "退回.xlsx"
    out.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write_return_sheet(out, frame(finding()), file_name="a", original=None)
    assert out.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [out]


def test_a_missing_column_is_an_error_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        write_return_sheet(
            tmp_path / "a.xlsx", frame(finding()).drop("places"), file_name="a", original=None
        )


def test_the_countys_own_fills_stay_where_nothing_is_wrong(write: Write) -> None:
    workbook = county_workbook()
    workbook["小学"]["A3"].fill = PatternFill("solid", start_color="FF00FF00")
    assert fill(write(finding(), original=saved(workbook))["小学"], "A3") == "FF00FF00"
