"""Pictures, shapes and newer extensions of a county's workbook are in its return sheet too."""

from __future__ import annotations

import posixpath
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
RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"

#: A drop-down that takes its words from another sheet, as Excel writes it since 2010.
DROP_DOWN = f'''<ext uri="{{CCE6A557-97BC-4b89-ADB6-D9C93CAAB3DF}}" xmlns:x14="{EXCEL_2010}">
<x14:dataValidations xmlns:xm="{EXCEL_MAIN}" count="1"><x14:dataValidation type="list"
xr:uid="{{1}}" xmlns:xr="http://schemas.microsoft.com/office/spreadsheetml/2014/revision">
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
        with ZipFile(out) as archive:
            assert len(set(archive.namelist())) == len(archive.namelist())
            return {name: archive.read(name) for name in archive.namelist()}

    return answer


def targets(parts: dict[str, bytes], part: str) -> dict[str, str]:
    """What a part points to, by the last word of the kind of relation."""
    folder, name = posixpath.split(part)
    found = {}
    for relation in etree.fromstring(parts[f"{folder}/_rels/{name}.rels"]).iter(RELATIONSHIP):
        target = posixpath.normpath(posixpath.join("/", folder, relation.get("Target", "")))
        found[relation.get("Type", "").rpartition("/")[2]] = target.lstrip("/")
    return found


def test_pictures_text_boxes_and_charts_are_carried_over(
    rich: bytes, answer: Callable[[bytes], dict[str, bytes]]
) -> None:
    parts = answer(rich)
    # The list stands first, so that the county's sheets are the second and the third.
    drawing = targets(parts, "xl/worksheets/sheet2.xml")["drawing"]
    shown = targets(parts, drawing)
    assert parts[shown["image"]] == picture()
    assert "小学!$B$1:$B$3".encode() in parts[shown["chart"]]
    assert "盖章处".encode() in parts[drawing]
    other = targets(parts, "xl/worksheets/sheet3.xml")["drawing"]
    assert parts[targets(parts, other)["image"]] == picture()


def test_sparklines_and_drop_downs_from_another_sheet_are_carried_over(
    rich: bytes, answer: Callable[[bytes], dict[str, bytes]]
) -> None:
    sheet = etree.fromstring(answer(rich)["xl/worksheets/sheet2.xml"])
    formulas = [element.text for element in sheet.iter(f"{{{EXCEL_MAIN}}}f")]
    assert formulas == ["小学!B1:B3", "选项!$A$1:$A$3"]
    # What only readers told of it may pass over is not there.
    assert not [name for element in sheet.iter() for name in element.attrib if "revision" in name]
    # The bars stand there once, by the rule that the copy has.
    bars = [element for element in sheet.iter() if str(element.tag).endswith("}dataBar")]
    assert len(bars) == 1
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


def test_the_package_is_whole(rich: bytes, answer: Callable[[bytes], dict[str, bytes]]) -> None:
    """Every part has a type, every relation a part, and every drawing somebody who shows it."""
    parts = answer(rich)
    types = etree.fromstring(parts["[Content_Types].xml"])
    named = {entry.get("PartName", "").lstrip("/") for entry in types}
    endings = {entry.get("Extension") for entry in types}
    meant = set()
    for name in parts:
        assert name in named or name.rpartition(".")[2] in endings
        if name.endswith(".rels") and name != "_rels/.rels":
            folder, file = posixpath.split(name)
            part = posixpath.join(posixpath.dirname(folder), file.removesuffix(".rels"))
            meant |= set(targets(parts, part).values())
    assert named - {""} <= set(parts)
    assert {name for name in meant if not name.startswith("http")} <= set(parts)
    assert {name for name in parts if "drawing" in name and not name.endswith(".rels")} <= meant
    book = opened(parts)
    comment: Any = book["小学"]["B2"].comment
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


def opened(parts: dict[str, bytes]) -> Workbook:
    """The workbook as openpyxl reads it, which warns of what it leaves behind."""
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_workbook(buffer)
