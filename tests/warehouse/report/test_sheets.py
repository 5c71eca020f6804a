"""CSV: no cell may be computed by the program that opens it, and no number may suffer from that."""

from __future__ import annotations

import csv
import io

import pytest

from warehouse.report.sheets import csv_text, harmless


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+cmd",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\n=1",
        " =1",
        "＝1",
        "＋1a",
        "－1+1",
        "＠a",
        "-",
        "+-1",
    ],
)
def test_what_a_spreadsheet_would_compute_is_made_text(cell: str) -> None:
    assert harmless(cell) == "'" + cell.strip()


@pytest.mark.parametrize(
    "cell", ["-3", "+2.5", "-1,200.50", "12%", "-0.4%", "1+1", "锦州=义县", ""]
)
def test_numbers_and_plain_text_stay(cell: str) -> None:
    assert harmless(cell) == cell


def test_line_breaks_do_not_start_a_new_cell() -> None:
    assert harmless("a\r\n=b\tc\u2028d") == "a =b c d"
    assert harmless(None) == ""


def test_csv_reads_back_and_is_marked_as_utf_8() -> None:
    text = csv_text(["名称", "值"], [['"引号", 逗号', -3], ["=1+1", None]])
    assert text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert rows == [["名称", "值"], ['"引号", 逗号', "-3"], ["'=1+1", ""]]
