"""What a file may cost in time: every pattern that sees its content takes as long as it is long.

Each file here kept a pattern busy for minutes or for ever. They are read in another process, which
is given far more time than reading takes and far less than such a pattern would need.
"""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
import xlsxwriter

from tests.transforms.formats.conftest import MakeXlsx, WithPart

PATIENCE = 240  # seconds, on the busiest of machines; each of these would take hours
SCRIPT = """
import sys
from transforms.submissions import examine
from transforms.reading import read_file

data = open(sys.argv[1], "rb").read()
found = examine(read_file(data, "210727/2020/" + sys.argv[2], sha256="0" * 64, region_code="210727"))
print(found.submissions.height)
"""


@pytest.fixture
def read_in_time(tmp_path):
    """Reads and checks bytes as a file of that name in a process of its own."""

    def read_in_time(data, name="a.xlsx"):
        file = tmp_path / "file"
        file.write_bytes(data)
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(file), name],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        assert int(run.stdout) == 1

    return read_in_time


SHEET = "xl/worksheets/sheet1.xml"
HEADERS = {(0, 0): "2020年学龄人口表", (1, 0): "年龄", (1, 1): "人口数", (2, 0): 1, (2, 1): 7}


@pytest.mark.parametrize(
    ("part", "place", "many"),
    [
        (SHEET, b'<c r="A3"', b'<c r="A3"' + b"".join(b' a%d="1"' % i for i in range(20_000))),
        (SHEET, b'<c r="A3"', b'<c r="A3"' + b' r="A3"' * 20_000),
        (SHEET, b"</worksheet>", b"<mergeCell " + b"ref " * 500_000 + b"/></worksheet>"),
        (SHEET, b"<sheetData>", b"<sheetData>" + b"<c " * 500_000),
        ("xl/styles.xml", b"<cellXfs", b"<numFmt " + b"numFmtId= " * 200_000 + b"/><cellXfs"),
        ("xl/sharedStrings.xml", b"<si>", b"<sst " + b"xmlns " * 300_000 + b"/><si>"),
        ("xl/workbook.xml", b"<sheets>", b"<x " + b"a " * 500_000 + b"/><sheets>"),
    ],
)
def test_attributes_without_end(
    read_in_time, xlsx: MakeXlsx, with_part: WithPart, part, place, many
):
    data = with_part(xlsx({"a": HEADERS}), part, lambda xml: xml.replace(place, many, 1))
    read_in_time(data)


@pytest.mark.parametrize(
    "text",
    [
        "2020" + " " * 400_000 + "x",
        "2020年" + "\u3000" * 400_000 + "x",
        "〔" * 400_000,
        "(2020" * 200_000,
        "单位" + " " * 400_000 + "：" * 1_000,
        "." + "1" * 400_000 + "x",
        "填报单位" + "(" * 400_000,
        "【" * 200_000 + "（" * 200_000,
        "一" * 400_000,
    ],
)
@pytest.mark.parametrize("place", ["title", "header", "cell", "name"])
def test_texts_without_end(read_in_time, text, place):
    columns = ["学校标识码", "学校名称", "统一到校时间", "上课时间"]
    row = ["2121000001", "义县小学", "07:50", "08:10"]
    title = "2020年"
    if place == "title":
        title += text
    elif place == "header":
        columns.append(text)
        row.append("1")
    elif place == "cell":
        row[2] = text
    else:
        row[1] = text
    read_in_time("\n".join((title, ",".join(columns), ",".join(row))).encode(), "a.csv")


def test_merged_cells_without_end(read_in_time):

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["2020年班级学生数表"])
    sheet.write_row(1, 0, ["学校标识码", "学校名称", "学段", "年级", "班级", "班级人数"])
    for row in range(2, 60_000, 2):
        sheet.merge_range(row, 1, row + 1, 1, f"第{row}小学")
    book.close()
    read_in_time(out.getvalue())
