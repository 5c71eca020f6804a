"""Text files as counties send them: any delimiter, any encoding in use, any line end."""

from __future__ import annotations

import pytest

from tests.transforms.formats.conftest import Filled
from transforms.formats import Limits, Unreadable, read_workbook

LIMITS = Limits()

TEXT = "学校名称,班额\n实验小学,45\n"
CELLS = {(0, 0): "学校名称", (0, 1): "班额", (1, 0): "实验小学", (1, 1): "45"}


def one_sheet(data, name="a.csv", limits=LIMITS):
    (sheet,) = read_workbook(data, name, limits)
    return sheet


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.encode("utf-16"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.replace(",", "\t").replace("\n", "\r\n").encode("utf-16-le"),
        TEXT.encode("gb18030"),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode("gb18030"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        b"sep=;\r\n" + TEXT.replace(",", ";").encode(),
        '"学校名称","班额"\n"实验小学","45"\n'.encode("gbk"),
    ],
)
def test_encodings_delimiters_and_line_ends(filled: Filled, data):
    sheet = one_sheet(data)
    assert filled(sheet) == CELLS
    assert (sheet.name, sheet.hidden, sheet.merged) == ("", False, ())


@pytest.mark.parametrize("name", ["a.csv", "a.xls", "a.xlsx", "a"])
def test_the_ending_does_not_matter(filled: Filled, name):
    assert filled(one_sheet(TEXT.encode(), name)) == CELLS


def test_blank_lines_and_line_breaks_keep_the_rows(filled: Filled):
    sheet = one_sheet(b'\n\na,"x\ny"\n,,\n \n1,2,3\n\n\n')
    assert filled(sheet) == {
        (2, 0): "a",
        (2, 1): "x\ny",
        (5, 0): "1",
        (5, 1): "2",
        (5, 2): "3",
    }
    assert sheet.cells.shape == (6, 3)


def test_title_rows_without_a_delimiter_do_not_mislead(filled: Filled):
    sheet = one_sheet("2020年,锦州市\n名称\t人数\t说明\n一\t2\t无\n二\t3\t无\n".encode())
    assert filled(sheet)[1, 2] == "说明"


def test_decimal_commas_do_not_mislead(filled: Filled):
    assert filled(one_sheet(b"a;b\n1,5;2,5\n")) == {
        (0, 0): "a",
        (0, 1): "b",
        (1, 0): "1,5",
        (1, 1): "2,5",
    }


def test_a_quote_that_is_never_closed_swallows_nothing(filled: Filled):
    assert filled(one_sheet(b'a,"b\nc,d\n')) == {
        (0, 0): "a",
        (0, 1): "b",
        (1, 0): "c",
        (1, 1): "d",
    }


def test_text_kept_from_becoming_a_number(filled: Filled):
    assert filled(one_sheet(b'="2100000001",x\n"=""007""",y\n')) == {
        (0, 0): "2100000001",
        (0, 1): "x",
        (1, 0): "007",
        (1, 1): "y",
    }


def test_the_ending_decides_a_tie():
    assert one_sheet(b"a\tb,c", "a.tsv").cells.row(0) == ("a", "b,c")
    assert one_sheet(b"a\tb,c", "a.csv").cells.row(0) == ("a\tb", "c")


@pytest.mark.parametrize("data", [b"a\x81,b\xff\n", b"a,b\0c,d\n" * 3, b"\x01\x02\x03abc"])
def test_what_is_no_text_is_refused(data):
    with pytest.raises(Unreadable) as refused:
        read_workbook(data, "a.csv")
    assert refused.value.code == "unknown_encoding"


@pytest.mark.parametrize("limits", [Limits(rows=1), Limits(columns=1), Limits(cells=3)])
def test_limits_are_kept(limits):
    with pytest.raises(Unreadable) as refused:
        read_workbook(TEXT.encode(), "a.csv", limits)
    assert refused.value.code == "too_spread"
    # A sheet that has no name is not called by it.
    assert refused.value.zh.startswith("内容一直到第")


def test_blank_text_is_an_empty_sheet():
    assert one_sheet(b" \n\n").cells.shape == (0, 0)
