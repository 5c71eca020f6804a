"""Pictures, shapes and newer extensions of a county's workbook are in its return sheet too.

And what acts or reaches out is not.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import polars as pl
import pytest
import xlsxwriter
from lxml import etree
from openpyxl import Workbook, load_workbook

from tests.transforms.workbooks.whole import assert_whole, sheets, target
from transforms.records import FINDING as RECORD
from transforms.workbooks.return_sheets import write_return_sheet

FINDING = {
    "severity": "error",
    "rule_id": "CLS-E03",
    "sheet": "小学",
    "cell": "B2",
    "problem_zh": "不是数",
    "remedy_zh": "请填52。",
    "cells": 1,
    "places": ["B2"],
}
EXCEL_2010 = "http://schemas.microsoft.com/office/spreadsheetml/2009/9/main"
EXCEL_MAIN = "http://schemas.microsoft.com/office/excel/2006/main"

#: A drop-down that takes its words from another sheet, as Excel writes it since 2010.
DROP_DOWN = f'''<ext uri="{{CCE6A557-97BC-4b89-ADB6-D9C93CAAB3DF}}" xmlns:x14="{EXCEL_2010}">
<x14:dataValidations xmlns:xm="{EXCEL_MAIN}" count="1"><x14:dataValidation type="list">
<x14:formula1><xm:f>选项!$A$1:$A$3</xm:f></x14:formula1><xm:sqref>A2:A9</xm:sqref>
</x14:dataValidation></x14:dataValidations></ext>'''
#: The face of a check box, which is nothing without the parts of a form.
FACE = """<xdr:twoCellAnchor><xdr:sp><xdr:nvSpPr><xdr:cNvPr id="9" name="勾选框"><a:extLst><a:ext uri="x">
<a14:compatExt xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main" spid="_x0000_s1"/>
</a:ext></a:extLst></xdr:cNvPr></xdr:nvSpPr></xdr:sp><xdr:clientData/></xdr:twoCellAnchor>"""


def picture() -> bytes:
    """A red point as PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\xff\0\0")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def changed(data: bytes, part: str, old: str, new: str) -> bytes:
    """The workbook with a text in one of its parts replaced."""
    buffer = BytesIO()
    with ZipFile(BytesIO(data)) as source, ZipFile(buffer, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == part:
                assert old.encode() in content
                content = content.replace(old.encode(), new.encode())
            target.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def rich() -> bytes:
    """A workbook with all that openpyxl does not know, and a chart, which it does."""
    buffer = BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        sheet, options = book.add_worksheet("小学"), book.add_worksheet("选项")
        sheet.write_column("B1", [52, "五十二人", 3])
        sheet.insert_image("D1", "章.png", {"image_data": BytesIO(picture())})
        sheet.insert_textbox("D5", "盖章处")
        chart = book.add_chart({"type": "column"})
        chart.add_series({"values": "=小学!$B$1:$B$3"})
        sheet.insert_chart("D9", chart)
        sheet.add_sparkline("C1", {"range": "小学!B1:B3"})
        sheet.conditional_format("B1:B3", {"type": "data_bar", "data_bar_2010": True})
        sheet.write_comment("B2", "县里的备注")
        options.insert_image("A1", "章.png", {"image_data": BytesIO(picture())})
    data = changed(
        buffer.getvalue(), "xl/worksheets/sheet1.xml", "</extLst></worksheet>",
        f"{DROP_DOWN}</extLst></worksheet>",
    )  # fmt: skip
    return changed(data, "xl/drawings/drawing1.xml", "</xdr:wsDr>", f"{FACE}</xdr:wsDr>")


@pytest.fixture
def answer(tmp_path: Path) -> Callable[[bytes], dict[str, bytes]]:
    """The parts of the return sheet to a workbook."""

    def answer(original: bytes) -> dict[str, bytes]:
        out = tmp_path / "退回.xlsx"
        findings = pl.DataFrame([FINDING], schema=RECORD.schema)
        write_return_sheet(out, findings, file_name="a.xlsx", original=original)
        return assert_whole(out.read_bytes())

    return answer


def test_pictures_text_boxes_and_charts_are_carried_over(
    rich: bytes, answer: Callable[[bytes], dict[str, bytes]]
) -> None:
    parts = answer(rich)
    drawing = target(parts, sheets(parts)["小学"], "drawing")
    assert parts[target(parts, drawing, "image")] == picture()
    assert "小学!$B$1:$B$3".encode() in parts[target(parts, drawing, "chart")]
    assert "盖章处".encode() in parts[drawing]
    other = target(parts, sheets(parts)["选项"], "drawing")
    assert parts[target(parts, other, "image")] == picture()


def test_sparklines_and_drop_downs_from_another_sheet_are_carried_over(
    rich: bytes, answer: Callable[[bytes], dict[str, bytes]]
) -> None:
    parts = answer(rich)
    sheet = etree.fromstring(parts[sheets(parts)["小学"]])
    formulas = [element.text for element in sheet.iter(f"{{{EXCEL_MAIN}}}f")]
    assert formulas == ["小学!B1:B3", "选项!$A$1:$A$3"]
    # The older form of the bars, and the newer that completes it.
    bars = [element for element in sheet.iter() if str(element.tag).endswith("}dataBar")]
    assert len(bars) == 2
    assert [etree.QName(element).localname for element in sheet][-3:] == [
        "drawing",
        "legacyDrawing",
        "extLst",
    ]


def test_faces_of_what_is_not_copied_are_left_out(
    rich: bytes, answer: Callable[[bytes], dict[str, bytes]]
) -> None:
    parts = answer(rich)
    assert not any("勾选框".encode() in part for part in parts.values())


def test_comments_of_the_unit_stay_before_ours(
    rich: bytes, answer: Callable[[bytes], dict[str, bytes]]
) -> None:
    comment: Any = opened(answer(rich))["小学"]["B2"].comment
    assert comment.text.startswith("县里的备注")
    assert "不是数" in comment.text


def test_a_drawing_that_cannot_be_carried_over_costs_nothing_else(
    rich: bytes, answer: Callable[[bytes], dict[str, bytes]]
) -> None:
    broken = changed(rich, "xl/drawings/_rels/drawing2.xml.rels", "media/image1", "media/../../x")
    book = opened(answer(broken))
    assert book.sheetnames == ["退回说明", "小学", "选项"]
    assert book["小学"]["B2"].comment is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Target="../media/image1.png"', 'Target="file:////host/a.png" TargetMode="External"'),
        ("relationships/image", "relationships/oleObject"),
    ],
)
def test_nothing_is_carried_over_that_reaches_out_or_is_executed(
    rich: bytes, answer: Callable[[bytes], dict[str, bytes]], old: str, new: str
) -> None:
    parts = answer(changed(rich, "xl/drawings/_rels/drawing1.xml.rels", old, new))
    assert not any(b"host" in part or b"oleObject" in part for part in parts.values())
    assert opened(parts)["小学"]["B2"].comment is not None


def test_a_chart_loses_the_workbook_inside_it_and_a_shape_its_macro(
    rich: bytes, answer: Callable[[bytes], dict[str, bytes]]
) -> None:
    inside = '<c:externalData r:id="rId9"><c:autoUpdate val="1"/></c:externalData></c:chartSpace>'
    original = changed(rich, "xl/charts/chart1.xml", "</c:chartSpace>", inside)
    original = changed(original, "xl/drawings/drawing1.xml", 'macro=""', 'macro="a.xlsm!b"')
    parts = answer(original)
    drawing = target(parts, sheets(parts)["小学"], "drawing")
    assert b"externalData" not in parts[target(parts, drawing, "chart")]
    assert b"a.xlsm" not in parts[drawing]
    assert "盖章处".encode() in parts[drawing]


def opened(parts: dict[str, bytes]) -> Workbook:
    """The workbook as openpyxl reads it, which warns of what it leaves behind."""
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_workbook(buffer)
