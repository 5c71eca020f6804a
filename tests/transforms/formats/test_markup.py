"""Web tables and SpreadsheetML under the ending .xls, and OpenDocument."""

from __future__ import annotations

import io

import pytest
from odf import table, text
from odf.opendocument import OpenDocumentSpreadsheet

from tests.transforms.formats.conftest import Filled, MakeZip, WithPart
from transforms.formats import Limits, Unreadable, read_workbook

LIMITS = Limits()


def one_sheet(data, name="a.xls", limits=LIMITS):
    (sheet,) = read_workbook(data, name, limits)
    return sheet


# --- HTML ----------------------------------------------------------------------------------------

PAGE = """<html xmlns:x="urn:schemas-microsoft-com:office:excel"><head>
<meta http-equiv="Content-Type" content="text/html; charset={charset}">
<style>td {{ color: red }}</style></head><body>
<table><tr><td colspan=3>2020年 学校</td></tr>
<tr><th rowspan="2">名称</th><th colspan="2">人数</th></tr>
<tr><th>男</th><th>女</th></tr>
<tr><td>  实验
   小学&amp;</td><td>&nbsp;</td><td x:num="2100000001">2.1E+09</td></tr>
<tr></tr>
<tr><td>a<br>b</td><td><p>c</p><p>d</p></td><td><b>e</b>f<script>alert(1)</script><comment>x</comment>g</td></tr>
</table></body></html>"""
CELLS = {
    (0, 0): "2020年 学校",
    (1, 0): "名称",
    (1, 1): "人数",
    (2, 1): "男",
    (2, 2): "女",
    (3, 0): "实验 小学&",
    (3, 2): "2100000001",
    (5, 0): "a\nb",
    (5, 1): "c\nd",
    (5, 2): "efg",
}


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("utf-8", "utf-8"),
        ("gb2312", "gbk"),
        ("GBK", "gbk"),
        ("utf-8", "gbk"),  # declared wrongly
        ("no-such-thing", "utf-8"),
        ("big5", "big5"),
        ("unicode", "utf-16"),
    ],
)
def test_html_tables(filled: Filled, charset, encoding):
    page = PAGE.format(charset=charset)
    if encoding == "big5":
        page = page.translate(str.maketrans("学实验称数", "學實驗稱數"))
    sheet = one_sheet(page.encode(encoding))
    assert sheet.name == "表1"
    assert sheet.merged == ((0, 0, 0, 2), (1, 0, 2, 0), (1, 1, 1, 2))
    if encoding != "big5":
        assert filled(sheet) == CELLS
    else:
        assert filled(sheet)[3, 0] == "實驗 小學&"


def test_several_html_tables_are_several_sheets(filled: Filled):
    page = (
        "<table><caption> 小学 </caption><tr><td>1</td></tr></table>"
        "<table><tr><td></td></tr></table>"
        "<table><tr><td>外<table><caption>小学</caption><tr><td>内</td></tr></table>边</td></tr>"
        "</table>"
    )
    sheets = read_workbook(page.encode(), "a.xls")
    assert [(sheet.name, filled(sheet)) for sheet in sheets] == [
        ("小学", {(0, 0): "1"}),
        ("表2", {(0, 0): "外边"}),
        ("小学 (2)", {(0, 0): "内"}),
    ]


@pytest.mark.parametrize(
    "page",
    [
        "<html><body>请先登录</body></html>",
        "<table><tr><td> </td></tr></table>",
        "<table>" + "<tr><td colspan=1000>x</td></tr>" * 6_000,
        "<table><tr>" + "<td colspan=1000>x</td>" * 20,
    ],
)
def test_html_without_a_table_or_with_too_much_is_refused(page):
    with pytest.raises(Unreadable) as refused:
        read_workbook(page.encode(), "a.xls")
    assert refused.value.code in ("no_sheets", "too_spread")


def test_a_long_text_is_no_long_tag(filled: Filled):
    text = "长 < 文" * 10_000
    sheet = one_sheet(f"<table><tr><td>{text.replace('<', '&lt;')}</td></tr></table>".encode())
    assert filled(sheet) == {(0, 0): text}


def test_deeply_nested_html_ends(filled: Filled):
    page = "<table><tr><td>" + "<div>" * 100_000 + "x"
    try:
        sheets = read_workbook(page.encode(), "a.xls")
    except Unreadable:
        return
    assert all(set(filled(sheet).values()) <= {"x"} for sheet in sheets)


# --- SpreadsheetML -------------------------------------------------------------------------------

SPREADSHEET = """<?xml version="1.0"{encoding}?>
<?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"
 xmlns:x="urn:schemas-microsoft-com:office:excel"
 xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">
 <Worksheet ss:Name="小学 &amp; 初中"><Table>
  <Row ss:Index="2">
   <Cell ss:MergeAcross="2" ss:MergeDown="1"><Data ss:Type="String">题</Data></Cell>
   <Cell><Data ss:Type="String"> x </Data><Comment><ss:Data>批注</ss:Data></Comment></Cell></Row>
  <Row ss:Index="5" ss:Span="2"/>
  <Row><Cell ss:Index="3"><Data ss:Type="Number">2.1E+09</Data></Cell>
   <Cell><Data ss:Type="Number">0.45</Data></Cell>
   <Cell><Data ss:Type="Boolean">1</Data></Cell>
   <Cell><Data ss:Type="DateTime">2020-01-05T00:00:00.000</Data></Cell>
   <Cell><Data ss:Type="DateTime">1899-12-31T07:50:00.000</Data></Cell>
   <Cell><Data ss:Type="Error">#REF!</Data></Cell>
   <Cell><ss:Data ss:Type="String"><B>粗</B>体</ss:Data></Cell>
   <Cell><Data ss:Type="String">2.1E+09</Data></Cell><Cell ss:Formula="=R1C1+1"/>
   <Cell ss:Formula="=R1C1+1"><Data ss:Type="Number"></Data></Cell>
   <Cell ss:Formula="=&quot;&quot;"><Data ss:Type="String"></Data></Cell></Row>
 </Table></Worksheet>
 <Worksheet ss:Name="b"><Table/><x:WorksheetOptions><x:Visible>SheetVeryHidden</x:Visible>
 </x:WorksheetOptions></Worksheet>
</Workbook>"""


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [("", "utf-8"), (' encoding="UTF-8"', "utf-8-sig"), (' encoding="gb2312"', "gbk"),
     (' encoding="UTF-16"', "utf-16")],
)  # fmt: skip
def test_spreadsheetml(filled: Filled, declared, encoding):
    data = SPREADSHEET.format(encoding=declared).encode(encoding)
    first, second = read_workbook(data, "a.xls")
    assert (first.name, first.hidden) == ("小学 & 初中", False)
    assert (second.name, second.hidden) == ("b", True)
    assert first.merged == ((1, 0, 2, 2),)
    assert filled(first) == {
        (1, 0): "题",
        (1, 3): " x ",
        (7, 2): "2100000000",
        (7, 3): "0.45",
        (7, 4): "true",
        (7, 5): "2020-01-05 00:00:00",
        (7, 6): "1899-12-31 07:50:00",
        (7, 7): "#REF!",
        (7, 8): "粗体",
        (7, 9): "2.1E+09",
        (7, 10): "=R1C1+1",  # not calculated by whoever wrote it
        (7, 11): "=R1C1+1",
    }


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("<Workbook", '<!DOCTYPE Workbook [<!ENTITY a "b">]><Workbook', "unsafe_xml"),
        ('ss:Index="2"', 'ss:Index="99999999999"', "too_spread"),
        ('ss:Index="3"', 'ss:Index="99999999999"', "too_spread"),
        ('ss:Index="3"', 'ss:Index="x"', "corrupt"),
        ("</Workbook>", "", "corrupt"),
    ],
)
def test_hostile_spreadsheetml_is_refused(old, new, code):
    with pytest.raises(Unreadable) as refused:
        read_workbook(SPREADSHEET.format(encoding="").replace(old, new).encode(), "a.xls")
    assert refused.value.code == code


# --- OpenDocument --------------------------------------------------------------------------------

ODS = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"
 xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0">
<office:automatic-styles><style:style style:name="h" style:family="table">
<style:table-properties table:display="false"/></style:style></office:automatic-styles>
<office:body><office:spreadsheet>{sheets}</office:spreadsheet></office:body>
</office:document-content>"""


@pytest.fixture
def ods(zipped: MakeZip):
    def ods(*rows: str, more: str = "") -> bytes:
        sheet = f'<table:table table:name="小学">{"".join(rows)}</table:table>{more}'
        return zipped(
            {
                "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
                "content.xml": ODS.format(sheets=sheet).encode(),
            }
        )

    return ods


def ods_row(*cells: str, repeat: int = 1) -> str:
    return (
        f'<table:table-row table:number-rows-repeated="{repeat}">{"".join(cells)}</table:table-row>'
    )


def ods_cell(attributes: str = "", content: str = "") -> str:
    return f"<table:table-cell {attributes}>{content}</table:table-cell>"


@pytest.mark.parametrize(
    ("attributes", "content", "expected"),
    [
        ('office:value-type="string"', "<text:p>a<text:s text:c='3'/>b</text:p>", "a   b"),
        ('office:value-type="string"', "<text:p>a</text:p><text:p>b</text:p>", "a\nb"),
        ('office:value-type="string"', "<text:p>a<text:span>b</text:span>c</text:p>", "abc"),
        (
            'office:value-type="string"',
            "<office:annotation><text:p>批注</text:p></office:annotation><text:p>x</text:p>",
            "x",
        ),
        (
            'office:value-type="float" office:value="2.1E+09"',
            "<text:p>2.1E9</text:p>",
            "2100000000",
        ),
        ('office:value-type="float" office:value="45"', "<text:p>45</text:p>", "45"),
        ('office:value-type="percentage" office:value="0.45"', "<text:p>45%</text:p>", "0.45"),
        ('office:value-type="boolean" office:boolean-value="true"', "", "true"),
        ('office:value-type="date" office:date-value="2020-01-05"', "", "2020-01-05"),
        (
            'office:value-type="date" office:date-value="2020-01-05T07:50:00"',
            "",
            "2020-01-05 07:50:00",
        ),
        ('office:value-type="time" office:time-value="PT07H50M00S"', "", "07:50:00"),
        ('office:value-type="time" office:time-value="PT07H49M59.9999S"', "", "07:50:00"),
        (
            'office:value-type="string" office:string-value="" calcext:value-type="error"',
            "<text:p>#DIV/0!</text:p>",
            "#DIV/0!",
        ),
        ('office:value-type="float" office:value="0"', "<text:p>#REF!</text:p>", "#REF!"),
        ('table:formula="of:=[.A1]+1"', "", "=[.A1]+1"),
    ],
)
def test_ods_values(ods, filled: Filled, attributes, content, expected):
    data = ods(ods_row(repeat=2), ods_row(ods_cell(), ods_cell(attributes, content)))
    sheet = one_sheet(data, "a.ods")
    assert sheet.name == "小学"
    assert filled(sheet) == {(2, 1): expected}


@pytest.mark.parametrize(
    ("attributes", "content", "expected"),
    [
        ("", "", "=[.A1]+1"),
        ('office:value-type="float"', "", "=[.A1]+1"),
        ('office:value-type="percentage"', "<text:p/>", "=[.A1]+1"),
        ('office:value-type="date"', "", "=[.A1]+1"),
        ('office:value-type="boolean"', "", "=[.A1]+1"),
        ('office:value-type="string"', "", None),
        ('office:value-type="string"', "<text:p/>", None),
        ('office:value-type="string" office:string-value=""', "", None),
        ('office:value-type="float" office:value="0"', "<text:p>0</text:p>", "0"),
    ],
)
@pytest.mark.parametrize("prefix", ["of:", "oooc:", ""])
def test_ods_rows_of_formulas_without_a_result_are_counted(
    ods, filled: Filled, attributes, content, expected, prefix
):
    formula = f'table:formula="{prefix}=[.A1]+1" '
    data = ods(
        ods_row(ods_cell("", "<text:p>x</text:p>")),
        ods_row(ods_cell(formula + attributes, content), repeat=3),
    )
    found = {(0, 0): "x"}
    if expected is not None:
        found |= {(row, 0): expected for row in (1, 2, 3)}
    assert filled(one_sheet(data, "a.ods")) == found


def test_ods_spaces_of_one_cell_are_counted_before_they_are_laid_out(ods):
    spaces = "<text:s text:c='32767'/>" * 100
    data = ods(ods_row(ods_cell('office:value-type="string"', f"<text:p>{spaces}</text:p>")))
    with pytest.raises(Unreadable) as refused:
        read_workbook(data, "a.ods", Limits(unpacked_bytes=1_000_000))
    assert refused.value.code == "too_large"


def test_ods_runs_and_merged_ranges(ods, filled: Filled):
    word = "<text:p>x</text:p>"
    data = ods(
        ods_row(
            ods_cell('table:number-columns-spanned="2" table:number-rows-spanned="2"', word),
            "<table:covered-table-cell/>",
            ods_cell('table:number-columns-repeated="2"', word),
        ),
        ods_row(ods_cell('table:number-columns-repeated="3"'), ods_cell("", word), repeat=2),
        ods_row(ods_cell('table:number-columns-repeated="16384"'), repeat=1_048_573),
        more='<table:table table:name="乙" table:style-name="h"/>',
    )
    first, second = read_workbook(data, "a.ods")
    assert first.merged == ((0, 0, 1, 1),)
    assert filled(first) == {(0, 0): "x", (0, 2): "x", (0, 3): "x", (1, 3): "x", (2, 3): "x"}
    assert (second.name, second.hidden) == ("乙", True)


@pytest.mark.parametrize(
    "rows",
    [
        ods_row(ods_cell("", "<text:p>x</text:p>"), repeat=10**12),
        ods_row(ods_cell('table:number-columns-repeated="999999999"', "<text:p>x</text:p>")),
        ods_row(ods_cell('table:number-columns-repeated="9"', "<text:p>x</text:p>"), repeat=10**6),
        ods_row(ods_cell("", "<text:p>" + "x" * 1_000 + "</text:p>"), repeat=10**6),
    ],
)
def test_filled_runs_without_end_are_refused(ods, rows):
    with pytest.raises(Unreadable) as refused:
        read_workbook(ods(rows), "a.ods")
    assert refused.value.code in ("too_spread", "too_large")


def test_ods_with_a_password_or_a_dtd_is_refused(ods, with_part: WithPart, zipped: MakeZip):
    manifest = b"<manifest><encryption-data/></manifest>"
    data = zipped({"content.xml": b"\0", "META-INF/manifest.xml": manifest})
    with pytest.raises(Unreadable) as refused:
        read_workbook(data, "a.ods")
    assert refused.value.code == "encrypted"
    data = with_part(
        ods(), "content.xml", lambda xml: xml.replace(b"<office:doc", b"<!DOCTYPE x><office:doc", 1)
    )
    with pytest.raises(Unreadable) as refused:
        read_workbook(data, "a.ods")
    assert refused.value.code == "unsafe_xml"


def test_ods_written_by_odfpy(filled: Filled):
    document = OpenDocumentSpreadsheet()
    sheet = table.Table(name="甲")
    row = table.TableRow()
    cell = table.TableCell(valuetype="string")
    cell.addElement(text.P(text="锦州"))
    row.addElement(cell)
    row.addElement(table.TableCell(valuetype="float", value="45"))
    sheet.addElement(row)
    document.spreadsheet.addElement(sheet)
    buffer = io.BytesIO()
    document.save(buffer)
    assert filled(one_sheet(buffer.getvalue(), "a.ods")) == {(0, 0): "锦州", (0, 1): "45"}
