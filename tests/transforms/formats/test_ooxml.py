"""What stands in an .xlsx comes out as text in its place, and what would not fit is refused."""

from __future__ import annotations

import datetime as dt
import io
import re
import subprocess
import sys
import zipfile

import openpyxl
import pytest
import xlsxwriter

from tests.transforms.formats.conftest import Filled, MakeXlsx, MakeZip, WithPart
from transforms.formats import Limits, Unreadable, read_workbook

LIMITS = Limits()

SHEET = "xl/worksheets/sheet1.xml"


def book_of(write):
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    write(book)
    book.close()
    return buffer.getvalue()


def one_sheet(data, limits=LIMITS):
    (sheet,) = read_workbook(data, "a.xlsx", limits)
    return sheet


def test_cells_keep_their_place_and_their_text(xlsx: MakeXlsx, filled: Filled):
    cells = {
        (3, 2): "机构名称",
        (4, 2): " 两侧有空格 ",
        (6, 4): "2.1E+09",
        (7, 2): "  ",
        (7, 3): "\u3000",
        (9, 5): " ",
    }
    sheet = one_sheet(xlsx({"小学": cells}))
    assert sheet.name == "小学"
    assert not sheet.hidden
    assert sheet.merged == ()
    assert filled(sheet) == {k: v for k, v in cells.items() if v.strip()}
    assert sheet.cells.shape == (7, 5)  # trailing blanks are cut, leading ones are kept


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (45, "45"),
        (45.0, "45"),
        (0.45, "0.45"),
        (2.1e9, "2100000000"),
        (2100000001, "2100000001"),
        (1234567.891, "1234567.891"),
        (0.1 + 0.2, "0.3"),
        (-7, "-7"),
        (True, "true"),
        (False, "false"),
    ],
)
def test_numbers_are_plain_decimals(xlsx: MakeXlsx, filled: Filled, value, text):
    assert filled(one_sheet(xlsx({"a": {(0, 0): value}}))) == {(0, 0): text}


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (dt.date(2020, 1, 5), "yyyy-mm-dd", "2020-01-05 00:00:00"),
        (dt.date(2020, 1, 5), 'yyyy"年"m"月"d"日"', "2020-01-05 00:00:00"),
        (dt.datetime(2020, 1, 5, 7, 50), "yyyy/m/d hh:mm", "2020-01-05 07:50:00"),
        (dt.time(7, 50), "hh:mm", "1899-12-31 07:50:00"),
        (0.326388888888889, 'h"点"mm"分"', "1899-12-31 07:50:00"),
        (0.45, "0%", "0.45"),
        (1e10, "yyyy-mm-dd", "10000000000"),  # a date no calendar has
    ],
)
def test_dates_and_times(filled: Filled, value, number_format, text):
    def write(book):
        book.add_worksheet().write(0, 0, value, book.add_format({"num_format": number_format}))

    assert filled(one_sheet(book_of(write))) == {(0, 0): text}


@pytest.mark.parametrize("number_format", [27, 31, 36, 50, 57, 58])
def test_built_in_formats_of_chinese_office_are_dates(
    filled: Filled, with_part: WithPart, number_format
):
    def write(book):
        book.add_worksheet().write(0, 0, 43835, book.add_format({"num_format": 14}))

    data = with_part(
        book_of(write),
        "xl/styles.xml",
        lambda xml: xml.replace(b'numFmtId="14"', b'numFmtId="%d"' % number_format),
    )
    assert filled(one_sheet(data)) == {(0, 0): "2020-01-05 00:00:00"}


def test_dates_since_1904(filled: Filled):
    buffer = io.BytesIO()
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.active["A1"] = dt.datetime(2020, 1, 5)
    book.save(buffer)
    assert filled(one_sheet(buffer.getvalue())) == {(0, 0): "2020-01-05 00:00:00"}


@pytest.mark.parametrize(
    "error", ["#REF!", "#DIV/0!", "#N/A", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"]
)
def test_formula_errors_are_never_blank(filled: Filled, error):
    def write(book):
        sheet = book.add_worksheet()
        sheet.write(0, 1, "x")
        sheet.write_formula(2, 1, "=1/0", None, error)

    assert filled(one_sheet(book_of(write))) == {(0, 1): "x", (2, 1): error}


def test_formulas_come_as_their_results(filled: Filled):
    def write(book):
        sheet = book.add_worksheet()
        sheet.write_formula(0, 0, "=1+1", None, 2)
        sheet.write_formula(0, 1, '="甲"', None, "甲")

    assert filled(one_sheet(book_of(write))) == {(0, 0): "2", (0, 1): "甲"}


def test_formulas_without_a_result_are_not_blank(filled: Filled):
    """As programs write them that do not calculate; Excel itself says that a result is no text."""
    buffer = io.BytesIO()
    book = openpyxl.Workbook()
    book.active.append(["x", "=B1&C1", "=1+1", 7])
    book.save(buffer)
    data = buffer.getvalue()
    assert filled(one_sheet(data)) == {
        (0, 0): "x",
        (0, 1): "=B1&C1",
        (0, 2): "=1+1",
        (0, 3): "7",
    }


def test_a_formula_whose_result_is_no_text_is_blank(
    filled: Filled, xlsx: MakeXlsx, with_part: WithPart
):
    data = with_part(
        xlsx({"a": {(0, 0): 1.0, (0, 1): 2.0, (0, 2): 3.0}}),
        "xl/worksheets/sheet1.xml",
        lambda xml: xml.replace(
            b'<c r="B1"><v>2</v></c>', b'<c r="B1" t="str"><f>IF(A1=1,"",0)</f><v></v></c>'
        ),
    )
    assert filled(one_sheet(data)) == {(0, 0): "1", (0, 2): "3"}


def test_rich_text_is_joined(filled: Filled):
    def write(book):
        sheet = book.add_worksheet()
        sheet.write_rich_string(0, 0, "锦", book.add_format({"bold": True}), "州", "市")

    assert filled(one_sheet(book_of(write))) == {(0, 0): "锦州市"}


def test_merged_ranges(filled: Filled):
    def write(book):
        sheet = book.add_worksheet()
        sheet.merge_range(4, 27, 5, 28, "右")
        sheet.merge_range(0, 0, 1, 3, "题")

    sheet = one_sheet(book_of(write))
    assert sheet.merged == ((0, 0, 1, 3), (4, 27, 5, 28))
    assert filled(sheet) == {(0, 0): "题", (4, 27): "右"}


def test_hidden_sheets_are_read_and_chart_sheets_are_not():
    def write(book):
        names = ["甲", 'it\'s "乙" & <c>', "丙"]
        first, second, third = map(book.add_worksheet, names)
        for sheet in (first, second, third):
            sheet.write(0, 0, sheet.get_name())
        second.hide()
        third.very_hidden()
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=甲!$A$1:$A$3"})
        book.add_chartsheet("图").set_chart(chart)
        book.add_worksheet("空")

    sheets = read_workbook(book_of(write), "a.xlsx")
    assert [(sheet.name, sheet.hidden) for sheet in sheets] == [
        ("甲", False),
        ('it\'s "乙" & <c>', True),
        ("丙", True),
        ("空", False),
    ]
    assert [sheet.cells.height for sheet in sheets] == [1, 1, 1, 0]


def test_a_macro_workbook_is_read(xlsx: MakeXlsx, filled: Filled, with_part: WithPart):
    data = with_part(
        xlsx({"a": {(0, 0): "x"}}),
        "[Content_Types].xml",
        lambda xml: xml.replace(b"sheet.main+xml", b"sheet.macroEnabled.main+xml"),
    )
    (sheet,) = read_workbook(data, "a.xlsm")
    assert filled(sheet) == {(0, 0): "x"}


def test_names_of_parts_may_have_backslashes_and_other_case(
    xlsx: MakeXlsx, zipped: MakeZip, filled: Filled
):
    with zipfile.ZipFile(io.BytesIO(xlsx({"a": {(0, 0): "x"}}))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[SHEET.replace("/", "\\").upper()] = parts.pop(SHEET)
    assert filled(one_sheet(zipped(parts))) == {(0, 0): "x"}


def test_cells_that_do_not_say_where_they_stand(
    xlsx: MakeXlsx, filled: Filled, with_part: WithPart
):
    data = with_part(
        xlsx({"a": {(0, 0): 1, (0, 1): 2, (1, 0): 3}}),
        SHEET,
        lambda xml: re.sub(rb' r="[A-Z]*[0-9]+"', b"", xml),
    )
    assert filled(one_sheet(data)) == {(0, 0): "1", (0, 1): "2", (1, 0): "3"}


def test_a_declared_extent_is_not_believed(xlsx: MakeXlsx, filled: Filled, with_part: WithPart):
    data = with_part(
        xlsx({"a": {(0, 0): "x"}}),
        SHEET,
        lambda xml: xml.replace(b'<dimension ref="A1"/>', b'<dimension ref="A1:XFD1048576"/>'),
    )
    assert filled(one_sheet(data)) == {(0, 0): "x"}


def test_a_declared_number_of_strings_is_not_believed(
    xlsx: MakeXlsx, filled: Filled, with_part: WithPart
):
    data = with_part(
        xlsx({"a": {(0, 0): "x"}}),
        "xl/sharedStrings.xml",
        lambda xml: xml.replace(b"<sst ", b"<!-- <sst> --><sst ", 1).replace(
            b'uniqueCount="1"', b'uniqueCount="999999999999999"'
        ),
    )
    assert filled(one_sheet(data)) == {(0, 0): "x"}


FAR_CORNER = {(0, 0): "x", (1_048_575, 16_383): "y"}


def test_far_cells_are_refused_and_named(xlsx: MakeXlsx):
    with pytest.raises(Unreadable) as refused:
        read_workbook(xlsx({"统计": FAR_CORNER}), "a.xlsx")
    assert refused.value.code == "too_spread"
    for sentence in (refused.value.zh, refused.value.en):
        assert "统计" in sentence
        assert "1048576" in sentence
        assert "XFD" in sentence


@pytest.mark.parametrize(
    "hide",
    [
        lambda xml: xml.replace(b' r="XFD1048576"', b" r = 'XFD1048576'"),
        lambda xml: xml.replace(b' r="XFD1048576"', b' r="A1" r="XFD1048576"'),
        lambda xml: xml.replace(b'<c r="XFD1048576"', b'<c\nt="s" r="XFD1048576"'),
        lambda xml: xml.replace(b'<c r="XFD1048576"', b'<x:c xmlns:x="x" r="XFD1048576"').replace(
            b"</c></row></sheetData>", b"</x:c></row></sheetData>"
        ),
        lambda xml: xml.replace(b' r="XFD1048576"', b""),  # in row 1048576 all the same
        lambda xml: xml.replace(b"<c", b'<c "x"'),
    ],
)
def test_far_cells_are_found_however_they_are_written(xlsx: MakeXlsx, with_part: WithPart, hide):
    data = with_part(xlsx({"a": FAR_CORNER}), SHEET, hide)
    with pytest.raises(Unreadable):
        read_workbook(data, "a.xlsx", Limits(cells=1_000_000))


def test_a_wide_row_and_a_long_column_take_no_room_before_they_are_refused(
    xlsx: MakeXlsx, tmp_path
):
    file = tmp_path / "a.xlsx"
    file.write_bytes(xlsx({"a": {(0, 0): "x", (0, 701): "y", (99_998, 25): "z"}}))
    script = (
        "import re, sys\n"
        "from transforms.formats import Unreadable, read_workbook\n"
        "try:\n"
        "    read_workbook(open(sys.argv[1], 'rb').read(), 'a.xlsx')\n"
        "except Unreadable as refused:\n"
        "    peak = re.search('VmHWM:\\\\s*([0-9]+)', open('/proc/self/status').read())\n"
        "    print(refused.code, peak[1])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=True
    )
    code, kilobytes = run.stdout.split()
    assert code == "too_spread"
    assert int(kilobytes) < 500_000


def test_far_blank_cells_do_no_harm(xlsx: MakeXlsx, filled: Filled, with_part: WithPart):
    data = with_part(
        xlsx({"a": {(0, 0): "x"}}),
        SHEET,
        lambda xml: xml.replace(
            b"</row>", b'</row><row r="1048576"><c r="XFD1048576" s="0"/></row>'
        ),
    )
    assert filled(one_sheet(data)) == {(0, 0): "x"}


@pytest.mark.parametrize(
    "limits", [Limits(rows=9), Limits(columns=4), Limits(cells=49), Limits(sheets=1)]
)
def test_limits_are_kept(xlsx: MakeXlsx, limits):
    data = xlsx({"a": {(0, 0): "x"}, "b": {(9, 4): "y"}})
    assert len(read_workbook(data, "a.xlsx", Limits(rows=10, columns=5, cells=51))) == 2
    with pytest.raises(Unreadable) as refused:
        read_workbook(data, "a.xlsx", limits)
    assert refused.value.code in ("too_spread", "too_large")


def test_a_sheet_that_unpacks_without_end_is_stopped(xlsx: MakeXlsx, with_part: WithPart):
    data = with_part(
        xlsx({"a": {(0, 0): "x"}}),
        SHEET,
        lambda xml: xml.replace(b"<sheetData>", b"<sheetData>" + b" " * 20_000_000),
    )
    assert len(data) < 100_000
    with pytest.raises(Unreadable) as refused:
        read_workbook(data, "a.xlsx", Limits(unpacked_bytes=1_000_000))
    assert refused.value.code == "too_large"


def test_what_is_not_read_is_not_unpacked(xlsx: MakeXlsx, zipped: MakeZip, filled: Filled):
    with zipfile.ZipFile(io.BytesIO(xlsx({"a": {(0, 0): "x"}}))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/media/image1.png"] = b"\0" * 5_000_000
    assert filled(one_sheet(zipped(parts), Limits(unpacked_bytes=1_000_000))) == {(0, 0): "x"}


def test_one_long_string_in_many_cells_is_refused(xlsx: MakeXlsx, with_part: WithPart):
    cells = {(row, 0): "长" * 1_000 for row in range(2_000)}
    data = xlsx({"a": cells})
    with pytest.raises(Unreadable) as refused:
        read_workbook(data, "a.xlsx", Limits(unpacked_bytes=1_500_000))
    assert refused.value.code == "too_large"
    assert one_sheet(data, Limits(unpacked_bytes=3_000_000)).cells.height == 2_000


def test_a_dtd_is_refused(xlsx: MakeXlsx, with_part: WithPart):
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    for part in (SHEET, "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml"):
        data = with_part(
            xlsx({"a": {(0, 0): "x"}}),
            part,
            lambda xml: re.sub(rb"(<\?xml[^>]*>)", rb"\1" + bomb, xml, count=1),
        )
        with pytest.raises(Unreadable) as refused:
            read_workbook(data, "a.xlsx")
        assert refused.value.code == "unsafe_xml"


def test_a_word_document_is_named_as_such(zipped: MakeZip):
    relations = (
        b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        b'<Relationship Id="r" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        b'relationships/officeDocument" Target="word/document.xml"/></Relationships>'
    )
    data = zipped({"[Content_Types].xml": b"<Types/>", "_rels/.rels": relations})
    with pytest.raises(Unreadable) as refused:
        read_workbook(data, "a.xlsx")
    assert refused.value.code == "not_a_workbook"
    assert "Word" in refused.value.zh


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        (b"</t></si></sst>", b"</t></si>"),
        (b"</t></si></sst>", b"</t></sst>"),
        ("第二".encode(), "第二".encode()[:-1]),
        ("第二".encode(), "<第二".encode()),
        (b"<si>", b"<si "),
    ],
)
def test_strings_that_are_no_longer_whole_are_refused(
    xlsx: MakeXlsx, with_part: WithPart, there: bytes, instead: bytes
):
    data = xlsx({"a": {(0, 0): "第一", (1, 0): "第二"}})

    def spoil(part: bytes) -> bytes:
        before, _, after = part.rpartition(there)
        return before + instead + after

    with pytest.raises(Unreadable, match="sharedStrings"):
        one_sheet(with_part(data, "xl/sharedStrings.xml", spoil))


def test_characters_that_xml_does_not_allow_lose_nothing(
    xlsx: MakeXlsx, with_part: WithPart, filled: Filled
):
    data = xlsx({"a": {(0, 0): "第一", (1, 0): "第二"}})
    spoilt = with_part(
        data, "xl/sharedStrings.xml", lambda part: part.replace("一".encode(), b"\x01")
    )
    found = filled(one_sheet(spoilt))
    assert found[1, 0] == "第二" and found[0, 0].startswith("第")
