"""Any grid of texts, written in any style, reads back the same."""

from __future__ import annotations

import csv
import io

import openpyxl
import pytest
import xlsxwriter
import xlwt
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.formats.conftest import Filled
from transforms.formats import read_workbook

# What a person can type into a cell: no control characters, no lone surrogates, and not the two
# code points that XML has no way to write.
TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=12
)
GRIDS = st.lists(st.lists(TEXTS, min_size=2, max_size=5), min_size=1, max_size=6)


def expected(grid):
    return {
        (row, column): text
        for row, texts in enumerate(grid)
        for column, text in enumerate(texts)
        if text.strip()
    }


def by_xlsxwriter(grid, **options):
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, **options})
    sheet = book.add_worksheet()
    for (row, column), text in expected(grid).items():
        sheet.write_string(row, column, text)
    book.close()
    return buffer.getvalue()


def by_xlsxwriter_inline(grid):
    return by_xlsxwriter(grid, constant_memory=True)


def by_openpyxl(grid):
    buffer = io.BytesIO()
    book = openpyxl.Workbook()
    for (row, column), text in expected(grid).items():
        cell = book.active.cell(row + 1, column + 1)
        cell.value, cell.data_type = text, "s"
    book.save(buffer)
    return buffer.getvalue()


def by_xlwt(grid):
    buffer = io.BytesIO()
    book = xlwt.Workbook()
    sheet = book.add_sheet("a")
    for (row, column), text in expected(grid).items():
        sheet.write(row, column, text)
    book.save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("write", [by_xlsxwriter, by_xlsxwriter_inline, by_openpyxl, by_xlwt])
@settings(max_examples=60, deadline=None)
@given(grid=GRIDS)
def test_workbooks(filled: Filled, write, grid):
    (sheet,) = read_workbook(write(grid), "a.xlsx")
    assert filled(sheet) == expected(grid)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@settings(max_examples=40, deadline=None)
@given(grid=GRIDS, line_end=st.sampled_from(["\n", "\r\n"]))
def test_delimited_text(filled: Filled, encoding, delimiter, grid, line_end):
    # A header as real tables have it: the delimiter is known by it, whatever the cells hold.
    header = ["名称", "班额", "人数", "备注", "说明"]
    rows = [header, *([f"#{text}" for text in texts] for texts in grid)]
    buffer = io.StringIO(newline="")
    csv.writer(
        buffer, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL
    ).writerows(rows)
    data = buffer.getvalue().encode(encoding)
    (sheet,) = read_workbook(data, "a.csv")
    assert filled(sheet) == expected(rows)
