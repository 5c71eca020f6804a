"""Files as LibreOffice writes them, where it is installed: every format of one workbook."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import subprocess

import pytest
import xlsxwriter

from tests.transforms.formats.conftest import Filled
from transforms.formats import read_workbook

SOFFICE = shutil.which("soffice")
pytestmark = pytest.mark.skipif(SOFFICE is None, reason="LibreOffice (soffice) is not installed")


@pytest.fixture(scope="module")
def source() -> bytes:
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    sheet = book.add_worksheet("小学")
    sheet.merge_range(0, 0, 1, 3, "2020年")
    sheet.write_row(2, 1, ["实验小学", " x ", 45, 0.45, 2100000001, True])
    sheet.write(3, 1, dt.date(2020, 1, 5), book.add_format({"num_format": "yyyy-mm-dd"}))
    sheet.write(3, 2, dt.time(7, 50), book.add_format({"num_format": "hh:mm"}))
    sheet.write_formula(3, 3, "=1/0", None, "#DIV/0!")
    sheet.write_formula(3, 4, "=NA()", None, "#N/A")
    book.add_worksheet("乙").write(4, 2, "藏")
    book.worksheets()[1].hide()
    book.close()
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("convert", "suffix"),
    [
        ("xlsx", "xlsx"),
        ("xls:MS Excel 97", "xls"),
        ("ods", "ods"),
    ],
)
def test_formats_of_libreoffice(tmp_path, source, filled: Filled, convert, suffix):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.xlsx"
    path.write_bytes(source)
    subprocess.run(
        [
            str(SOFFICE),
            f"-env:UserInstallation=file://{tmp_path}/profile",
            "--headless",
            "--convert-to",
            convert,
            "--outdir",
            str(tmp_path),
            str(path),
        ],
        check=True,
        capture_output=True,
        timeout=180,
    )
    first, second = read_workbook((tmp_path / f"a.{suffix}").read_bytes(), "a.xls")
    assert (first.name, first.hidden) == ("小学", False)
    assert (second.name, second.hidden) == ("乙", True)
    assert first.merged[0][:2] == (0, 0)
    cells = filled(first)
    date, time = cells.pop((3, 1)), cells.pop((3, 2))
    assert date in ("2020-01-05", "2020-01-05 00:00:00")
    assert time in ("07:50:00", "1899-12-31 07:50:00")
    assert cells.pop((2, 6)) in ("true", "1")  # a number shown as TRUE in OpenDocument
    assert cells == {
        (0, 0): "2020年",
        (2, 1): "实验小学",
        (2, 2): " x ",
        (2, 3): "45",
        (2, 4): "0.45",
        (2, 5): "2100000001",
        (3, 3): "#DIV/0!",
        (3, 4): "#N/A",
    }
    assert filled(second) == {(4, 2): "藏"}
