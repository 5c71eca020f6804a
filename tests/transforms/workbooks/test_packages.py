"""Return sheets to workbooks of every make are packages as Excel wants them, and keep what was there."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import fastexcel
import polars as pl
import pytest
import xlsxwriter
from lxml import etree
from openpyxl import Workbook, load_workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.worksheet.datavalidation import DataValidation

from tests.transforms.workbooks import whole
from tests.transforms.workbooks.whole import EXCEL, MAIN, VML, Parts, assert_whole
from transforms.records import FINDING as RECORD
from transforms.workbooks.return_sheets import write_return_sheet

NS = MAIN[1:-1]
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONSHIPS = "http://schemas.openxmlformats.org/package/2006/relationships"
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
MACRO_BOOK = "application/vnd.ms-excel.sheet.macroEnabled.main+xml"
FINDING = {
    "severity": "error",
    "rule_id": "CLS-E03",
    "sheet": "小学",
    "cell": "B2",
    "row": 2,
    "problem_zh": "不是数",
    "remedy_zh": "请填52。",
    "cells": 1,
    "places": ["B2"],
}
CELLS = '<row r="1"><c r="A1"><v>1</v></c></row><row r="2"><c r="B2"><v>5</v></c></row>'


# --- packages written by hand -----------------------------------------------------------------------


def relationships(*relations: tuple[str, str, str]) -> str:
    """Id, kind (or the whole type) and target of each; a target with a scheme is outside."""
    written = "".join(
        f'<Relationship Id="{known}" Type="{kind if "/" in kind else f"{OFFICE}/{kind}"}"'
        f' Target="{target}"' + (' TargetMode="External"/>' if ":" in target else "/>")
        for known, kind, target in relations
    )
    return f'<Relationships xmlns="{RELATIONSHIPS}">{written}</Relationships>'


def sheet(body: str = f"<sheetData>{CELLS}</sheetData>") -> str:
    return f'<worksheet xmlns="{NS}" xmlns:r="{OFFICE}">{body}</worksheet>'


def book(sheets: str = '<sheet name="小学" sheetId="7" r:id="a"/>', rest: str = "") -> str:
    return f'<workbook xmlns="{NS}" xmlns:r="{OFFICE}"><sheets>{sheets}</sheets>{rest}</workbook>'


def made(parts: dict[str, str | bytes], book_type: str = whole.WORKBOOK_TYPE) -> bytes:
    """A workbook of these parts and those that none goes without."""
    usual: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{TYPES}"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
        'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType='
        f'"{book_type}"/></Types>',
        "_rels/.rels": relationships(("r", "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": book(),
        "xl/_rels/workbook.xml.rels": relationships(("a", "worksheet", "worksheets/sheet1.xml")),
        "xl/worksheets/sheet1.xml": sheet(),
    }
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        for name, part in (usual | parts).items():
            archive.writestr(name, part)
    return buffer.getvalue()


def with_comment(ref: str, boxes: str | None, rest: str = "") -> bytes:
    """A workbook with a comment; ``boxes`` is its drawing of Office 2003."""
    comments = (
        f'<comments xmlns="{NS}"><authors><author>县教育局</author></authors><commentList>'
        f'<comment ref="{ref}" authorId="0"><text><r><rPr><b/></rPr><t>原有</t></r><r><t>备注</t></r>'
        "</text></comment></commentList></comments>"
    )
    parts: dict[str, str | bytes] = {"xl/comments9.xml": comments}
    relations = [("c", "comments", "/xl/comments9.xml")]
    body = f"<sheetData>{CELLS}</sheetData>"
    if boxes is not None:
        parts["xl/drawings/boxes.vml"] = boxes
        relations.append(("v", "vmlDrawing", "../drawings/boxes.vml"))
        body += '<legacyDrawing r:id="v"/>'
    parts["xl/worksheets/sheet1.xml"] = sheet(body + rest)
    parts["xl/worksheets/_rels/sheet1.xml.rels"] = relationships(*relations)
    return made(parts)


def boxes(*shapes: str) -> str:
    return (
        '<xml xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office"'
        ' xmlns:x="urn:schemas-microsoft-com:office:excel"><o:shapelayout v:ext="edit"><o:idmap v:ext="edit"'
        ' data="1"/></o:shapelayout><v:shapetype id="_x0000_t202" coordsize="21600,21600" o:spt="202"/>'
        f"{''.join(shapes)}</xml>"
    )


def box(kind: str, row: int = 0, column: int = 0, number: int = 1025, inside: str = "") -> str:
    return (
        f'<v:shape id="_x0000_s{number}" type="#_x0000_t202" style="width:77pt">{inside}'
        f'<x:ClientData ObjectType="{kind}"><x:Row>{row}</x:Row><x:Column>{column}</x:Column>'
        "</x:ClientData></v:shape>"
    )


def by_openpyxl() -> bytes:
    workbook = Workbook()
    first = workbook.worksheets[0]
    first.title = "小学"
    first["A1"], first["B2"], first["C3"] = "班级", "五十二人", "=SUM(B1:B9)"
    first["A1"].comment = Comment("原有备注", "县教育局")
    first.print_title_rows = "1:1"
    first.auto_filter.ref = "A1:C3"
    first.merge_cells("D1:E4")
    rule = DataValidation(type="list", formula1='"是,否"')
    rule.add("C3:C9")
    first.add_data_validation(rule)
    other = workbook.create_sheet("图")
    chart = BarChart()
    chart.add_data(Reference(first, min_col=2, min_row=1, max_row=3))
    other.add_chart(chart)
    other.print_area = "A1:B2"
    workbook.active = 1
    hidden = workbook.create_sheet("旧")
    hidden.sheet_state = "veryHidden"
    hidden.print_title_cols = "A:B"
    workbook.create_chartsheet("图表").add_chart(BarChart())
    buffer = BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def by_xlsxwriter() -> bytes:
    buffer = BytesIO()
    with xlsxwriter.Workbook(buffer) as workbook:
        first, other = workbook.add_worksheet("小学"), workbook.add_worksheet("初中")
        bold = workbook.add_format({"bold": True, "num_format": "0.00", "bg_color": "#00FF00"})
        first.write_row("A1", ["班级", "人数"], bold)
        first.write("B2", "五十二人", bold)
        first.write_url("C2", "https://example.org/")
        first.write_rich_string("D2", "甲", bold, "乙")
        first.add_table("A5:B8", {"columns": [{"header": "甲"}, {"header": "乙"}]})
        first.conditional_format("B1:B9", {"type": "data_bar", "data_bar_2010": True})
        first.write_comment("A1", "原有备注")
        first.set_header("&L义县")
        first.add_sparkline("C1", {"range": "小学!B1:B3"})
        other.write_comment("A1", "初中的备注")
        chart = workbook.add_chart({"type": "pie"})
        chart.add_series({"values": "=小学!$B$1:$B$3"})
        workbook.add_chartsheet("图表").set_chart(chart)
        workbook.define_name("初中!本地", "=初中!$A$1")
    return buffer.getvalue()


def as_wps_writes() -> bytes:
    """With pictures in cells, a printer, properties and settings of its own."""
    pictures = (
        '<etc:cellImages xmlns:etc="http://www.wps.cn/officeDocument/2017/etCustomData" '
        'xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" '
        f'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="{OFFICE}">'
        '<etc:cellImage><xdr:pic><xdr:blipFill><a:blip r:embed="rId1"/></xdr:blipFill></xdr:pic>'
        "</etc:cellImage></etc:cellImages>"
    )
    cells = '<c r="B2" t="str"><f>_xlfn.DISPIMG("ID_1",1)</f><v>=DISPIMG("ID_1",1)</v></c>'
    return made(
        {
            "xl/workbook.xml": book(
                rest="<definedNames><definedName name='_xlnm._FilterDatabase' localSheetId='0' hidden='1'>"
                "小学!$A$1:$B$2</definedName></definedNames><calcPr calcId='144525'/>"
                "<extLst><ext uri='x'/></extLst>"
            ),
            "xl/_rels/workbook.xml.rels": relationships(
                ("a", "worksheet", "worksheets/sheet1.xml"),
                ("b", "http://www.wps.cn/officeDocument/2020/cellImage", "cellimages.xml"),
                ("c", "customXml", "../customXml/item1.xml"),
            ),
            "xl/cellimages.xml": pictures,
            "xl/_rels/cellimages.xml.rels": relationships(("rId1", "image", "media/image1.png")),
            "xl/media/image1.png": b"\x89PNG",
            "xl/worksheets/sheet1.xml": sheet(
                f'<sheetViews><sheetView tabSelected="1" workbookViewId="0"/></sheetViews><sheetData>'
                f'<row r="2" spans="1:2">{cells}</row></sheetData><pageMargins left="1" right="1" top="1"'
                ' bottom="1" header="1" footer="1"/><pageSetup paperSize="9" r:id="p"/>'
            ),
            "xl/worksheets/_rels/sheet1.xml.rels": relationships(
                ("p", "printerSettings", "../printerSettings/printerSettings1.bin")
            ),
            "xl/printerSettings/printerSettings1.bin": b"\\\\host\\printer",
            "customXml/item1.xml": "<x/>",
        }
    )


def with_prefixes() -> bytes:
    """Every element has a prefix; the sheet says in its rows, but not in its cells, where they stand."""
    return made(
        {
            "xl/workbook.xml": f'<x:workbook xmlns:x="{NS}" xmlns:r="{OFFICE}"><x:sheets>'
            '<x:sheet name="小学" sheetId="1" r:id="a"/></x:sheets></x:workbook>',
            "xl/_rels/workbook.xml.rels": relationships(
                ("a", "worksheet", "/xl/worksheets/sheet1.xml"), ("s", "styles", "/xl/styles.xml")
            ),
            "xl/styles.xml": f'<x:styleSheet xmlns:x="{NS}"><x:fonts count="1"><x:font><x:i/></x:font>'
            '</x:fonts><x:cellXfs count="1"><x:xf fontId="0"/></x:cellXfs></x:styleSheet>',
            "xl/worksheets/sheet1.xml": f'<x:worksheet xmlns:x="{NS}"><!-- 县 --><x:sheetData>'
            '<x:row r="2"><x:c><x:v>1</x:v></x:c><x:c s="0"><x:v>5</x:v></x:c></x:row></x:sheetData>'
            "</x:worksheet>",
        }
    )


def in_odd_places() -> bytes:
    """Nothing lies where it usually does, names differ in case and backslashes, rows have no number."""
    return made(
        {
            "_rels/.rels": relationships(("r", "officeDocument", "/books/main.xml")),
            "books/main.xml": book(
                '<sheet name="封面" sheetId="3" r:id="z"/><sheet name="小学" sheetId="9" r:id="a"/>'
            ),
            "books/_rels/main.xml.rels": relationships(
                ("a", "worksheet", "..\\Pages\\One.xml"), ("z", "worksheet", "/pages/two.xml")
            ),
            "pages/one.xml": sheet(
                "<sheetData><row/><row><c/><c t='inlineStr'><is><t>五十二人</t></is></c></row></sheetData>"
            ),
            "pages/two.xml": sheet("<sheetData/>"),
            "xl/workbook.xml": "<x/>",
        }
    )


def with_a_form() -> bytes:
    """A comment, a check box and a button with a macro in one drawing of Office 2003."""
    control = (
        '<controls><control shapeId="1026" r:id="k" name="勾选"/></controls>'
        '<oleObjects><oleObject progId="Word.Document.8" shapeId="1028" r:id="o"/></oleObjects>'
    )
    drawing = boxes(
        box("Note", 0, 0),
        box("Checkbox", number=1026),
        box("Button", number=1027, inside='<v:imagedata src="http://host/a.png"/>'),
        box("Pict", number=1028),
    )
    return with_comment("A1", drawing, control)


VARIED = {
    "openpyxl": by_openpyxl,
    "xlsxwriter": by_xlsxwriter,
    "WPS": as_wps_writes,
    "no styles, no strings": lambda: made({}),
    "prefixes": with_prefixes,
    "odd places": in_odd_places,
    "comment on the cell": lambda: with_comment("B2", boxes(box("Note", 1, 1))),
    "comment on another cell": lambda: with_comment("A1", boxes(box("Note", 0, 0))),
    "comment without a box": lambda: with_comment("A1", None),
    "boxes that are not XML": lambda: with_comment("A1", "<xml><br></xml>"),
    "form": with_a_form,
    "pandas": lambda: (ELSEWHERE / "pandas2020年.xlsx").read_bytes(),
    "LibreOffice": lambda: (ELSEWHERE / "libreoffice.xlsx").read_bytes(),
}
ELSEWHERE = Path(__file__).parents[1] / "elsewhere"


@pytest.fixture
def answer(tmp_path: Path) -> Callable[..., bytes]:
    """The return sheet to a workbook; the finding is in its sheet 小学, B2."""

    def answer(original: bytes, **changes: Any) -> bytes:
        out = tmp_path / "退回.xlsx"
        findings = pl.DataFrame([FINDING | changes], schema=RECORD.schema)
        write_return_sheet(out, findings, file_name="a.xlsx", original=original)
        return out.read_bytes()

    return answer


Answer = Callable[..., bytes]


def opened(workbook: bytes) -> Workbook:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of what it does not know
        return load_workbook(BytesIO(workbook), rich_text=True)


def texts(workbook: bytes) -> dict[str, list[tuple[Any, ...]]]:
    """All cells of all sheets, as the other reader gives them."""
    reader = fastexcel.read_excel(workbook)
    return {
        name: reader.load_sheet(name, header_row=None, dtypes="string").to_polars().rows()
        for name in reader.sheet_names
    }


@pytest.mark.parametrize("make", VARIED.values(), ids=VARIED)
def test_a_copy_of_any_make_is_whole_and_says_the_same(
    make: Callable[[], bytes], answer: Answer
) -> None:
    original = make()
    usual = "books/main.xml" not in whole.parts_of(original)
    title = opened(original).sheetnames[0] if usual else "小学"
    copy = answer(original, sheet=title)
    parts = assert_whole(copy)
    assert next(iter(whole.sheets(parts))) == "退回说明"
    assert len(whole.sheets(parts)) > 1
    if not usual:  # where neither of the two readers looks
        return
    assert texts(copy).pop("退回说明")[5][1] == "B2"
    assert {name: cells for name, cells in texts(copy).items() if name != "退回说明"} == texts(
        original
    )
    cell: Any = opened(copy)[title]["B2"]
    assert cell.fill.start_color.rgb == "FFFFC7CE"
    assert "【错误】不是数" in cell.comment.text


@pytest.mark.parametrize("make", VARIED.values(), ids=VARIED)
def test_what_need_not_change_is_left_byte_for_byte(
    make: Callable[[], bytes], answer: Answer
) -> None:
    handed_in = make()
    original, copy = whole.parts_of(handed_in), whole.parts_of(answer(handed_in))
    may = (
        "workbook.xml",
        "main.xml",
        "one.xml",
        "styles.xml",
        "[Content_Types].xml",
        ".rels",
        ".vml",
    )
    for name in set(original) & set(copy):
        if not name.endswith(may) and "sheet1.xml" not in name and "comments" not in name:
            assert copy[name] == original[name] or b"tabSelected" in original[name], name


def test_the_list_alone_is_whole(answer: Answer) -> None:
    parts = assert_whole(answer(b""))
    assert list(whole.sheets(parts)) == ["退回说明"]


def test_a_list_handed_in_again_is_whole(answer: Answer) -> None:
    again = answer(answer(by_openpyxl()))
    assert list(whole.sheets(assert_whole(again))) == ["退回说明", "小学", "图", "旧", "图表"]
    cell: Any = opened(again)["小学"]["B2"]
    assert cell.comment.text.count("【错误】不是数") == 1


# --- cells ------------------------------------------------------------------------------------------


def test_missing_rows_and_cells_come_in_their_order(answer: Answer) -> None:
    rows = '<row r="2" spans="1:4" s="1" customFormat="1"><c r="A2"/><c r="D2"/></row><row r="9"/>'
    styles = (
        f'<styleSheet xmlns="{NS}"><cellXfs><xf/><xf fontId="0" numFmtId="9"/><xf numFmtId="10"/>'
        "</cellXfs></styleSheet>"
    )
    columns = '<cols><col min="2" max="3" style="2"/></cols>'
    original = made(
        {
            "xl/worksheets/sheet1.xml": sheet(
                f'<dimension ref="A2:D9"/>{columns}<sheetData>{rows}</sheetData>'
            ),
            "xl/styles.xml": styles,
            "xl/_rels/workbook.xml.rels": relationships(
                ("a", "worksheet", "worksheets/sheet1.xml"), ("s", "styles", "styles.xml")
            ),
        }
    )
    places = ["B2", "F2", "A1", "C5", "B5", "AA9", "A12"]
    parts = assert_whole(answer(original, places=places))
    tree = etree.fromstring(parts["xl/worksheets/sheet1.xml"])
    assert [cell.get("r") for cell in tree.iter(f"{MAIN}c")] == [
        "A1", "A2", "B2", "D2", "F2", "B5", "C5", "AA9", "A12",
    ]  # fmt: skip
    looks = etree.fromstring(parts["xl/styles.xml"]).find(f"{MAIN}cellXfs")
    formats = {
        cell.get("r"): looks[int(cell.get("s"))].get("numFmtId", "0")
        for cell in tree.iter(f"{MAIN}c")
        if cell.get("s")
    }
    # As the place looked before: by its row, then by its column.
    assert formats == {
        "B2": "9", "F2": "9", "A1": "0", "C5": "10", "B5": "10", "AA9": "0", "A12": "0",
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        "<sheetData><row r='2'><c r='B2' s='99'/></row></sheetData>",
        "<sheetData><row r='2'><c r='二' /></row></sheetData>",
        "<sheetData><row r='x'/></sheetData>",
        "<cols/>",
        "<sheetData/><mergeCells><mergeCell ref='A:B'/></mergeCells>",
    ],
)
def test_a_damaged_sheet_gets_the_list_alone(answer: Answer, body: str) -> None:
    parts = assert_whole(answer(made({"xl/worksheets/sheet1.xml": sheet(body)})))
    assert list(whole.sheets(parts)) == ["退回说明"]


def test_a_part_that_is_no_xml_gets_the_list_alone(answer: Answer) -> None:
    """Also where nothing is changed in it: Excel would not open the copy."""
    original = made(
        {
            "xl/_rels/workbook.xml.rels": relationships(
                ("a", "worksheet", "worksheets/sheet1.xml"), ("t", "theme", "theme.xml")
            ),
            "xl/theme.xml": "<a>",
        }
    )
    assert list(whole.sheets(assert_whole(answer(original)))) == ["退回说明"]


def test_strict_workbooks_get_the_list_alone(answer: Answer) -> None:
    strict = book().replace(NS, "http://purl.oclc.org/ooxml/spreadsheetml/main")
    assert list(whole.sheets(assert_whole(answer(made({"xl/workbook.xml": strict}))))) == [
        "退回说明"
    ]


# --- sheets and names -------------------------------------------------------------------------------


def test_names_that_hold_on_a_sheet_stay_with_it(answer: Answer) -> None:
    parts = assert_whole(answer(by_openpyxl()))
    names = etree.fromstring(parts["xl/workbook.xml"]).iter(f"{MAIN}definedName")
    titles = list(whole.sheets(parts))
    found = {(name.get("name"), titles[int(name.get("localSheetId"))], name.text) for name in names}
    assert found == {
        ("_xlnm.Print_Titles", "退回说明", "'退回说明'!$5:$5"),
        ("_xlnm.Print_Titles", "小学", "'小学'!$1:$1"),
        ("_xlnm._FilterDatabase", "小学", "'小学'!$A$1:$C$3"),
        ("_xlnm.Print_Area", "图", "'图'!$A$1:$B$2"),
        ("_xlnm.Print_Titles", "旧", "'旧'!$A:$B"),
    }


def test_macro_sheets_and_sheets_without_a_part_are_left_out(answer: Answer) -> None:
    original = made(
        {
            "xl/workbook.xml": book(
                '<sheet name="宏" sheetId="1" r:id="m"/><sheet name="没有" sheetId="2" r:id="n"/>'
                '<sheet name="小学" sheetId="3" r:id="a"/>',
                '<definedNames><definedName name="_xlnm.Auto_Open" localSheetId="0" hidden="1">宏!$A$1'
                '</definedName><definedName name="甲" localSheetId="2">小学!$A$1</definedName>'
                '<definedName name="乙" function="1" xlm="1">宏!$A$2</definedName></definedNames>',
            ),
            "xl/_rels/workbook.xml.rels": relationships(
                ("a", "worksheet", "worksheets/sheet1.xml"),
                (
                    "m",
                    "http://schemas.microsoft.com/office/2006/relationships/xlMacrosheet",
                    "m.xml",
                ),
                ("n", "worksheet", "nowhere.xml"),
            ),
            "xl/m.xml": sheet(),
        }
    )
    parts = assert_whole(answer(original))
    assert list(whole.sheets(parts)) == ["退回说明", "小学"]
    names = etree.fromstring(parts["xl/workbook.xml"]).iter(f"{MAIN}definedName")
    assert [(name.get("name"), name.get("localSheetId")) for name in names] == [
        ("甲", "1"),
        ("_xlnm.Print_Titles", "0"),
    ]
    assert "xl/m.xml" not in parts


# --- comments ---------------------------------------------------------------------------------------


def test_what_the_unit_noted_stands_before_ours(answer: Answer) -> None:
    copy = answer(with_comment("B2", boxes(box("Note", 1, 1))))
    cell: Any = opened(copy)["小学"]["B2"]
    assert cell.comment.text == "原有备注\n\n【错误】不是数\n怎么改: 请填52。"
    assert cell.comment.author == "数据核对"


def test_comments_of_other_cells_keep_their_boxes(answer: Answer) -> None:
    parts = assert_whole(answer(with_comment("A1", boxes(box("Note", 0, 0, number=4096)))))
    cell: Any = opened(answer(with_comment("A1", boxes(box("Note", 0, 0)))))["小学"]["A1"]
    assert (cell.comment.text, cell.comment.author) == ("原有备注", "县教育局")
    shapes = list(etree.fromstring(parts["xl/drawings/boxes.vml"]).iter(f"{VML}shape"))
    assert [shape.get("id") for shape in shapes] == ["_x0000_s4096", "_x0000_s4097"]
    assert shapes[0].get("style") == "width:77pt"


def test_a_thread_at_a_marked_cell_becomes_a_comment(answer: Answer) -> None:
    original = whole.parts_of(with_comment("B2", boxes(box("Note", 1, 1))))
    name = "xl/worksheets/_rels/sheet1.xml.rels"
    threads = "http://schemas.microsoft.com/office/2017/10/relationships/threadedComment"
    added = f'<Relationship Id="t" Type="{threads}" Target="../threadedComments/t.xml"/></Relationships>'
    original[name] = original[name].replace(b"</Relationships>", added.encode())
    original["xl/threadedComments/t.xml"] = b"<ThreadedComments/>"
    comments = original["xl/comments9.xml"].replace("县教育局".encode(), b"tc={1}")
    threaded = made({**original, "xl/comments9.xml": comments})
    assert "xl/threadedComments/t.xml" not in assert_whole(answer(threaded))
    assert "xl/threadedComments/t.xml" in assert_whole(answer(threaded, places=[], cell="C9"))
    cell: Any = opened(answer(threaded))["小学"]["B2"]
    assert cell.comment.text.startswith("原有备注\n\n【错误】")


# --- what acts, reaches out or was signed -------------------------------------------------------------


def test_controls_and_objects_are_left_behind_with_their_faces(answer: Answer) -> None:
    parts = assert_whole(answer(with_a_form()))
    tree = etree.fromstring(parts["xl/worksheets/sheet1.xml"])
    assert tree.find(f"{MAIN}controls") is tree.find(f"{MAIN}oleObjects") is None
    drawing = etree.fromstring(parts["xl/drawings/boxes.vml"])
    kinds = {data.get("ObjectType") for data in drawing.iter(f"{EXCEL}ClientData")}
    assert kinds == {"Note"}
    assert b"host" not in parts["xl/drawings/boxes.vml"]


def test_a_workbook_with_macros_becomes_one_without(answer: Answer) -> None:
    macros = "http://schemas.microsoft.com/office/2006/relationships/"
    original = made(
        {
            "_rels/.rels": relationships(
                ("r", "officeDocument", "xl/workbook.xml"),
                ("u", f"{macros}ui/extensibility", "customUI/customUI.xml"),
                ("s", f"{RELATIONSHIPS}/digital-signature/origin", "_xmlsignatures/origin.sigs"),
            ),
            "customUI/customUI.xml": "<customUI onLoad='x'/>",
            "_xmlsignatures/origin.sigs": b"",
            "xl/_rels/workbook.xml.rels": relationships(
                ("a", "worksheet", "worksheets/sheet1.xml"),
                ("v", f"{macros}vbaProject", "vbaProject.bin"),
                ("k", "connections", "connections.xml"),
                ("c", "calcChain", "calcChain.xml"),
            ),
            "xl/vbaProject.bin": b"macro",
            "xl/connections.xml": "<connections/>",
            "xl/calcChain.xml": "<calcChain/>",
            "xl/activeX/activeX1.bin": b"control",
        },
        MACRO_BOOK,
    )
    parts = assert_whole(answer(original))
    assert list(whole.sheets(parts)) == ["退回说明", "小学"]
    gone = ("vba", "customUI", "sigs", "connections", "calcChain", "activeX")
    assert not [name for name in parts if any(word in name for word in gone)]


def test_a_type_that_a_part_claims_is_not_believed(answer: Answer) -> None:
    """A worksheet declared as a macro sheet would be one."""
    macro = '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.ms-excel.macrosheet+xml"/>'
    original = whole.parts_of(made({}))
    types = original["[Content_Types].xml"].replace(b"</Types>", f"{macro}</Types>".encode())
    parts = assert_whole(answer(made({"[Content_Types].xml": types})))
    assert b"macro" not in parts["[Content_Types].xml"]


@pytest.mark.parametrize(
    "smuggled",
    ["/xl/worksheets/_rels/sheet1.xml.rels", "/XL/_rels/workbook.xml.RELS", "/[content_types].xml"],
)
def test_parts_about_parts_are_never_taken_for_others(answer: Answer, smuggled: str) -> None:
    """They would stand in the copy beside ours, and say what we left out."""
    outside = relationships(("o", "oleObject", "file:///host/a.xlsx"))
    original = made(
        {
            "xl/_rels/workbook.xml.rels": relationships(
                ("a", "worksheet", "worksheets/sheet1.xml"), ("t", "theme", smuggled)
            ),
            "xl/worksheets/_rels/sheet1.xml.rels": outside,
        }
    )
    parts = assert_whole(answer(original))
    assert list(whole.sheets(parts)) == ["退回说明", "小学"]
    assert not any(b"host" in part for part in parts.values())


LINK = f'<externalLink xmlns="{NS}" xmlns:r="{OFFICE}">{{}}</externalLink>'


def linked(link: str, rest: str = "") -> bytes:
    return made(
        {
            "xl/workbook.xml": book(
                rest='<externalReferences><externalReference r:id="e"/></externalReferences>' + rest
            ),
            "xl/_rels/workbook.xml.rels": relationships(
                ("a", "worksheet", "worksheets/sheet1.xml"), ("e", "externalLink", "link.xml")
            ),
            "xl/link.xml": link,
            "xl/_rels/link.xml.rels": relationships(("p", "externalLinkPath", "file:///c:/a.xlsx")),
        }
    )


def test_links_to_other_workbooks_stay_and_those_to_programs_do_not(answer: Answer) -> None:
    parts = assert_whole(answer(linked(LINK.format('<externalBook r:id="p"/>'))))
    assert b"externalBook" in parts["xl/link.xml"]
    nowhere = linked(LINK.format('<externalBook r:id="q"/>'))
    assert list(whole.sheets(assert_whole(answer(nowhere)))) == ["退回说明"]
    program = LINK.format('<ddeLink ddeService="cmd" ddeTopic="/c calc"/>')
    assert list(whole.sheets(assert_whole(answer(linked(program))))) == ["退回说明"]


@pytest.mark.parametrize("outside", ["type='external' connectionId='1'", "type='worksheet'"])
def test_pivot_tables_on_other_sources_become_plain_cells(answer: Answer, outside: str) -> None:
    source = "<worksheetSource r:id='x' ref='A1:B2'/>" if "worksheet" in outside else ""
    original = made(
        {
            "xl/workbook.xml": book(
                rest='<pivotCaches><pivotCache cacheId="1" r:id="p"/></pivotCaches>'
            ),
            "xl/_rels/workbook.xml.rels": relationships(
                ("a", "worksheet", "worksheets/sheet1.xml"),
                ("p", "pivotCacheDefinition", "cache.xml"),
            ),
            "xl/cache.xml": f'<pivotCacheDefinition xmlns="{NS}" xmlns:r="{OFFICE}"><cacheSource {outside}>'
            f"{source}</cacheSource></pivotCacheDefinition>",
            "xl/_rels/cache.xml.rels": relationships(("x", "externalLinkPath", "file:///a.xlsx")),
            "xl/worksheets/_rels/sheet1.xml.rels": relationships(
                ("q", "pivotTable", "../pivot.xml")
            ),
            "xl/pivot.xml": f'<pivotTableDefinition xmlns="{NS}"/>',
            "xl/_rels/pivot.xml.rels": relationships(("c", "pivotCacheDefinition", "cache.xml")),
        }
    )
    assert not {"xl/cache.xml", "xl/pivot.xml"} & set(assert_whole(answer(original)))
    inside = whole.parts_of(original)
    inside["xl/cache.xml"] = inside["xl/cache.xml"].replace(outside.encode(), b"type='worksheet'")
    inside["xl/cache.xml"] = inside["xl/cache.xml"].replace(b"r:id='x'", b"")
    assert {"xl/cache.xml", "xl/pivot.xml"} <= set(assert_whole(answer(made({**inside}))))


def test_what_cells_say_of_parts_left_behind_goes_too(answer: Answer) -> None:
    original = made(
        {
            "xl/worksheets/sheet1.xml": sheet(
                '<sheetData><row r="2"><c r="B2" cm="1" vm="2"><v>5</v></c></row></sheetData>'
                '<customProperties><customPr name="x" r:id="y"/></customProperties>'
                '<webPublishItems count="1"/><tableParts count="2"><tablePart r:id="t"/><tablePart r:id="u"/>'
                '</tableParts><extLst><ext uri="1"><x14:slicerList xmlns:x14="x14"/></ext></extLst>'
            ),
            "xl/worksheets/_rels/sheet1.xml.rels": relationships(("t", "table", "../table.xml")),
            "xl/table.xml": f'<table xmlns="{NS}" tableType="queryTable" connectionId="1"><tableColumns>'
            '<tableColumn id="1" name="甲" queryTableFieldId="1"/></tableColumns></table>',
            "xl/_rels/table.xml.rels": relationships(("q", "queryTable", "query.xml")),
            "xl/query.xml": "<queryTable/>",
            "xl/_rels/workbook.xml.rels": relationships(
                ("a", "worksheet", "worksheets/sheet1.xml"), ("m", "sheetMetadata", "metadata.xml")
            ),
            "xl/metadata.xml": "<metadata/>",
        }
    )
    parts = assert_whole(answer(original))
    tree = etree.fromstring(parts["xl/worksheets/sheet1.xml"])
    assert [etree.QName(child).localname for child in tree] == [
        "sheetData",
        "legacyDrawing",
        "tableParts",
    ]
    assert {name for cell in tree.iter(f"{MAIN}c") for name in cell.attrib} == {"r", "s"}
    assert b"query" not in parts["xl/table.xml"] and b"connection" not in parts["xl/table.xml"]


def test_pictures_of_cells_stay(answer: Answer) -> None:
    parts: Parts = assert_whole(answer(as_wps_writes()))
    assert parts["xl/media/image1.png"] == b"\x89PNG"
    assert "xl/cellimages.xml" in parts
    assert not [name for name in parts if "printer" in name or "customXml" in name]
