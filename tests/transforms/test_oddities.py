"""What other programs write, by way of the gate: read right, told of or returned; never wrong unseen.

Each input is made here, by a small writer whose every habit can be changed.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import zipfile
import zlib
from collections.abc import Sequence
from decimal import Decimal
from io import BytesIO
from xml.sax.saxutils import escape, quoteattr

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from tests.transforms.conftest import HandIn
from transforms.characters import visible
from transforms.tables.model import cell_name

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"

POPULATION = [
    ["2020年学龄人口表"],
    ["年龄", "常住人口数"],
    *([age, 900 + age] for age in range(19)),
]


class Formula:
    """A cell with a formula, and what its writer put there as the result (None: nothing at all)."""

    def __init__(self, text: str, result: str | None = None, kind: str = "") -> None:
        self.text, self.result, self.kind = text, result, kind


def cell_xml(place: str, cell: object, style: int = 0) -> str:
    styled = f' s="{style}"' if style else ""
    match cell:
        case None:
            return ""
        case Formula():
            kind = f' t="{cell.kind}"' if cell.kind else ""
            result = "" if cell.result is None else f"<v>{cell.result}</v>"
            return f'<c r="{place}"{styled}{kind}><f>{escape(cell.text)}</f>{result}</c>'
        case str():
            text = f'<is><t xml:space="preserve">{escape(cell)}</t></is>'
            return f'<c r="{place}"{styled} t="inlineStr">{text}</c>'
        case bytes():  # as it stands
            return cell.decode()
        case _:
            return f'<c r="{place}"{styled}><v>{cell}</v></c>'


def sheet_xml(
    rows: Sequence[Sequence[object]], *, before: str = "", styles: dict[str, int] | None = None
) -> str:
    body = "".join(
        f'<row r="{i}">'
        + "".join(
            cell_xml(cell_name(i, j), cell, (styles or {}).get(cell_name(i, j), 0))
            for j, cell in enumerate(row)
        )
        + "</row>"
        for i, row in enumerate(rows, 1)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="{MAIN}" xmlns:r="{OFFICE}">'
        f"{before}<sheetData>{body}</sheetData></worksheet>"
    )


def styles_xml(codes: Sequence[str]) -> str:
    formats = "".join(
        f'<numFmt numFmtId="{164 + i}" formatCode={quoteattr(code)}/>'
        for i, code in enumerate(codes)
    )
    used = "".join(f'<xf numFmtId="{164 + i}"/>' for i in range(len(codes)))
    return (
        f'<styleSheet xmlns="{MAIN}"><numFmts>{formats}</numFmts>'
        f'<cellStyleXfs><xf numFmtId="0"/></cellStyleXfs>'
        f'<cellXfs><xf numFmtId="0"/>{used}</cellXfs></styleSheet>'
    )


def parts_of(sheets: dict[str, str], *, behind: str = "", styles: str = "") -> dict[str, bytes]:
    """The parts of a workbook of these sheets; ``behind`` stands after the list of them."""
    listed = "".join(
        f'<sheet name="{name}" sheetId="{i}" r:id="rId{i}"/>' for i, name in enumerate(sheets, 1)
    )
    relations = "".join(
        f'<Relationship Id="rId{i}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, len(sheets) + 1)
    )
    if styles:
        relations += f'<Relationship Id="s" Type="{OFFICE}/styles" Target="styles.xml"/>'
    root = f'<Relationship Id="r" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    texts = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}">{root}</Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets>'
        f"{behind}</workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">{relations}</Relationships>',
    }
    texts |= {f"xl/worksheets/sheet{i}.xml": xml for i, xml in enumerate(sheets.values(), 1)}
    if styles:
        texts["xl/styles.xml"] = styles
    return {name: text.encode() for name, text in texts.items()}


def zipped(entries: Sequence[tuple[str | zipfile.ZipInfo, bytes]]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


def book(rows: Sequence[Sequence[object]], **how: object) -> bytes:
    behind, codes = str(how.pop("behind", "")), how.pop("codes", ())
    styles = styles_xml(codes) if codes else ""  # type: ignore[arg-type]
    sheet = sheet_xml(rows, **how)  # type: ignore[arg-type]
    return zipped(list(parts_of({"表": sheet}, behind=behind, styles=styles).items()))


def with_cell(row: int, column: int, cell: object) -> list[list[object]]:
    rows: list[list[object]] = [list(line) for line in POPULATION]
    rows[row - 1][column] = cell
    return rows


def accepted(outcome, rows=19):
    assert outcome.errors == []
    assert outcome.only["rows_loaded"] == rows
    return outcome


# Rows that hold nothing but formulas


@pytest.mark.parametrize("kind", ["", "str", "n"])
@pytest.mark.parametrize("rows", [1, 9])
def test_rows_of_formulas_that_nobody_calculated_are_counted(hand_in: HandIn, kind, rows):
    lines = [list(line) for line in POPULATION]
    for row in range(len(lines) - rows, len(lines)):
        lines[row] = [Formula(f"A{row}+1", kind=kind), Formula(f"B{row}+1", kind=kind)]
    outcome = hand_in(book(lines))
    assert not outcome.only["accepted"]
    assert (outcome.only["rows_read"], outcome.only["rows_returned"]) == (21, 19)
    assert "=A20+1" in "".join(entry["message_zh"] for entry in outcome.errors)


def test_a_row_whose_formulas_come_to_an_empty_text_is_blank(hand_in: HandIn):
    lines = [*POPULATION, [Formula('""', "", "str"), Formula('""', "", "str")]]
    accepted(hand_in(book(lines)))


def test_formulas_filled_down_are_quoted_by_their_first_cell(hand_in: HandIn):
    first = b'<c r="B20"><f t="shared" ref="B20:B21" si="0">A20*2</f></c>'
    second = b'<c r="B21"><f t="shared" si="0"/></c>'
    rows = [*POPULATION[:19], [17, first], [18, second]]
    outcome = hand_in(book(rows))
    assert (outcome.error["value"], outcome.error["cells"]) == ("=A20*2", 2)


# Formulas with a 0 that their writer put there


@pytest.mark.parametrize("flag", ['fullCalcOnLoad="1"', 'calcId="1" fullCalcOnLoad="true"'])
def test_a_zero_that_was_never_calculated_is_no_zero(hand_in: HandIn, flag):
    outcome = hand_in(book(with_cell(6, 1, Formula("C6+D6", "0")), behind=f"<calcPr {flag}/>"))
    assert (outcome.error["rule_id"], outcome.error["cell"]) == ("POP-E03", "B6")
    assert outcome.error["value"] == "=C6+D6"


def test_a_zero_that_was_calculated_is_one(hand_in: HandIn):
    outcome = hand_in(book(with_cell(6, 1, Formula("C6+D6", "0")), behind='<calcPr calcId="9"/>'))
    assert accepted(outcome).column("population", "population")[3] == 0


def test_results_other_than_zero_are_taken_though_they_be_calculated_anew(hand_in: HandIn):
    calculated = '<calcPr fullCalcOnLoad="1"/>'
    outcome = hand_in(book(with_cell(6, 1, Formula("C6+D6", "77")), behind=calculated))
    assert accepted(outcome).column("population", "population")[3] == 77


# However the cells are written

HABITS = {
    "single quotes": lambda xml: xml.replace('"', "'"),
    "no places": lambda xml: xml.replace("<c r=", "<c x="),
    "places last": lambda xml: xml.replace('<c r="B6">', '<c t="n" r="B6">'),
    "a prefix": lambda xml: (
        xml.replace("<", "<x:")
        .replace("<x:/", "</x:")
        .replace("<x:?", "<?")
        .replace("xmlns=", "xmlns:x=")
    ),
    "a comment": lambda xml: xml.replace("<row", "<!-- --><row", 1),
    "white space": lambda xml: xml.replace("<row", "\n  <row").replace("<v>", "<v> "),
}


@pytest.mark.parametrize("habit", HABITS)
def test_a_sheet_is_read_however_it_is_written(hand_in: HandIn, habit):
    xml = HABITS[habit](sheet_xml(POPULATION))
    data = zipped(list(parts_of({"表": xml}).items()))
    values = accepted(hand_in(data)).values("population")
    assert values.rows() == [tuple(row) for row in POPULATION[2:]]


@pytest.mark.parametrize("habit", HABITS)
def test_a_formula_without_a_value_is_found_however_it_is_written(hand_in: HandIn, habit):
    rows = [
        ["2020年改革事项进展表"],
        ["事项", "状态", "日期", "文号", "数量"],
        ["甲事项", "已完成", "2020-09-01", "义教发1号", Formula("1+2")],
    ]
    xml = HABITS[habit](sheet_xml(rows))
    outcome = hand_in(zipped(list(parts_of({"表": xml}).items())))
    assert (outcome.error["rule_id"], outcome.error["value"]) == ("MIL-E03", "=1+2")


@pytest.mark.parametrize(
    "reference", ["A0:AZ48943", "1:4", "A1", "", "XFD1048576:A1", "A1:XFD1048576", "?", "A1:B2:C3"]
)
def test_what_a_dimension_says_is_never_needed(hand_in: HandIn, reference):
    data = book(POPULATION, before=f'<dimension ref="{reference}"/>')
    assert accepted(hand_in(data)).values("population").height == 19


def test_minus_zero_is_zero(hand_in: HandIn):
    data = book(with_cell(6, 1, "-0"))
    number = book(with_cell(6, 1, b'<c r="B6"><v>-0</v></c>'))
    for content in (data, number):
        assert accepted(hand_in(content)).column("population", "population")[3] == 0
    outcome = hand_in(book(with_cell(6, 1, "-1")))
    assert outcome.error["rule_id"] == "POP-E04"


@pytest.mark.parametrize("attributes", ['r="B6" t="n"', 'r="B6"'])
@pytest.mark.parametrize("text", ["1,003", "无数据", "12.5.1", "1_000"])
def test_text_in_a_cell_that_says_it_is_a_number_is_found_there(hand_in: HandIn, attributes, text):
    cell = f"<c {attributes}><v>{text}</v></c>".encode()
    outcome = hand_in(book(with_cell(6, 1, cell)))
    assert (outcome.error["rule_id"], outcome.error["cell"]) == ("POP-E03", "B6")
    assert text in outcome.error["message_zh"]


def test_a_shared_text_that_is_not_there_is_found_at_its_cell(hand_in: HandIn):
    outcome = hand_in(book(with_cell(6, 1, b'<c r="B6" t="s"><v>7</v></c>')))
    assert (outcome.error["rule_id"], outcome.error["cell"]) == ("POP-E03", "B6")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "gb18030", "utf-8-sig"])
def test_parts_in_any_encoding(hand_in: HandIn, encoding):
    parts = parts_of({"学龄人口": sheet_xml(POPULATION)})
    for name in ("xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/_rels/workbook.xml.rels"):
        text = parts[name].decode().replace('<?xml version="1.0" encoding="UTF-8"?>', "")
        declared = "gb18030" if encoding == "gb18030" else encoding[:6]
        text = f'<?xml version="1.0" encoding="{declared}"?>{text}'
        parts[name] = text.encode(encoding)
    assert accepted(hand_in(zipped(list(parts.items())))).only["year"] == 2020


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7"])
@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml"])
def test_a_dtd_is_seen_in_any_encoding(hand_in: HandIn, encoding, part):
    parts = parts_of({"表": sheet_xml(POPULATION)})
    text = parts[part].decode().replace('<?xml version="1.0" encoding="UTF-8"?>', "")
    dtd = '<!DOCTYPE x [<!ENTITY a "2020">]>'
    declared = '<?xml version="1.0" encoding="utf-7"?>'.encode("ascii") if "7" in encoding else b""
    parts[part] = declared + (dtd + text).encode(encoding)
    error = hand_in(zipped(list(parts.items()))).error
    assert (error["rule_id"], "DTD" in error["message_zh"]) == ("FIL-E01", True)


def test_a_listed_sheet_without_its_part_is_named(hand_in: HandIn):
    parts = parts_of({"甲": sheet_xml(POPULATION), "乙": sheet_xml(POPULATION)})
    del parts["xl/worksheets/sheet2.xml"]
    outcome = accepted(hand_in(zipped(list(parts.items()))))
    assert [entry["rule_id"] for entry in outcome.warnings] == ["POP-W06"]
    assert "乙" in outcome.warnings[0]["message_zh"]
    del parts["xl/worksheets/sheet1.xml"]
    assert "甲" in hand_in(zipped(list(parts.items()))).error["message_zh"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_parts_of_one_name_are_damage_unless_they_are_equal(hand_in: HandIn):
    parts = parts_of({"表": sheet_xml(POPULATION)})
    name = "xl/worksheets/sheet1.xml"
    other = sheet_xml(with_cell(6, 1, 1)).encode()
    for again in (name, name.upper(), name.replace("/", "\\")):
        outcome = hand_in(zipped([*parts.items(), (again, other)]))
        assert outcome.error["rule_id"] == "FIL-E01"
        accepted(hand_in(zipped([*parts.items(), (again, parts[name])])))


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_bytes_before_the_zip_do_no_harm(hand_in: HandIn, before):
    accepted(hand_in(before + book(POPULATION)))


# Number formats that scale

FINANCE = [
    ["2020年教育经费表"],
    ["学段", "一般公共预算教育支出(万元)", "平均在校生数"],
    ["合计", 10009000, 100],
    ["小学", 6004500, 60],
    ["初中", 4004500, 40],
]
MONEY = dict.fromkeys(("B3", "B4", "B5"), 1)


@pytest.mark.parametrize(
    ("code", "factor", "first"),
    [
        ("0!.0,", "1/10000", "1000.9"),  # as shown: ten thousands, as the header asks for
        ("0.0000", None, "10009000"),
        ('0!.0,"万"', "1/10000", "1000.9"),
        ("#,##0,", "1/1000", "10009000"),  # neither yuan nor ten thousands
        ("0.00,,", "1/1000000", "10009000"),
        ('0"万"', None, "10009000"),  # says what the header says
        ('0"亿"', "10000", "10009000"),
        ("0%", "100", "10009000"),
        ("#,##0.00", None, "10009000"),
        ('[>=100000000]0!.00,,"亿";[>=10000]0!.0,"万";0', "1/10000", "1000.9"),
    ],
)
def test_a_format_that_scales_is_told_of(hand_in: HandIn, code, factor, first):
    outcome = accepted(hand_in(book(FINANCE, styles=MONEY, codes=[code])), 3)
    assert outcome.column("finance", "budget_expenditure")[0] == Decimal(first)
    assert [entry["rule_id"] for entry in outcome.warnings] == ["FIN-W05"] * bool(factor)
    for entry in outcome.warnings:
        assert (entry["cell"], entry["row"], entry["cells"]) == ("B3", 3, 3)
        assert f"{factor}倍" in entry["message_zh"]


def test_a_count_in_a_format_that_scales_is_told_of(hand_in: HandIn):
    data = book(POPULATION, styles={"B6": 1}, codes=["#,##0,"])
    (warning,) = accepted(hand_in(data)).warnings
    assert (warning["rule_id"], warning["cell"]) == ("POP-W05", "B6")


def test_a_share_is_taken_as_it_is_shown(hand_in: HandIn):
    rows = [
        ["2020年改革事项进展表"],
        ["事项", "状态", "日期", "文号", "数量"],
        ["甲事项", "已完成", None, None, 0.85],
    ]
    outcome = accepted(hand_in(book(rows, styles={"E3": 1}, codes=["0%"])), 1)
    assert outcome.column("milestone", "quantity") == [85]
    assert [entry["rule_id"] for entry in outcome.warnings] == ["MIL-W05"]


# Characters that nobody sees

CLASSES = [
    ["2020年班级学生数表"],
    ["学校标识码", "学校名称", "学段", "年级", "班级", "班级人数"],
    *(["2121000001", "义县第一小学", "小学", grade, "1班", 40] for grade in range(1, 7)),
]
UNSEEN = (
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069"
    "\u00ad\ufe0e\ufe0f\ufeff\U000e0100"
)


@pytest.mark.parametrize("mark", UNSEEN, ids=lambda mark: f"U+{ord(mark):04X}")
def test_marks_that_nobody_sees_are_left_out_everywhere(hand_in: HandIn, mark):
    def marked(cell):
        return mark + mark.join(cell) + mark if isinstance(cell, str) else cell

    outcome = accepted(hand_in(book([[marked(cell) for cell in row] for row in CLASSES])), 6)
    assert outcome.values("class").equals(hand_in(book(CLASSES)).values("class"))
    assert outcome.warnings == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("义县第⼀⼩学", "义县第一小学"),
        ("⻓岭小学", "长岭小学"),
        ("⻢家小学", "马家小学"),
        ("立\uf9f7志小学", "立立志小学"),
        ("义县\u00a0第一\u3000小学", "义县第一小学"),
        ("Ａ１小学", "A1小学"),
    ],
)
def test_names_are_kept_in_one_form(hand_in: HandIn, written, meant):
    rows = [[written if cell == "义县第一小学" else cell for cell in row] for row in CLASSES]
    assert set(accepted(hand_in(book(rows)), 6).column("class", "institution_name")) == {meant}


@pytest.mark.parametrize("again", ["1\u200b班", "１班", "1\u00ad班", "1 班", " 1班\u2060"])
def test_the_same_class_twice_is_seen_twice(hand_in: HandIn, again):
    outcome = hand_in(book([*CLASSES, ["2121000001", "义县第一小学", "小学", 1, again, 40]]))
    assert [entry["rule_id"] for entry in outcome.errors] == ["CLS-E05"]


def test_brackets_of_either_width_make_no_other_class(hand_in: HandIn):
    rows = [[{"1班": "一(1)班"}.get(str(cell), cell) for cell in row] for row in CLASSES]
    outcome = hand_in(book([*rows, ["2121000001", "义县第一小学", "小学", 1, "一（1）班", 40]]))
    assert [entry["rule_id"] for entry in outcome.errors] == ["CLS-E05"]


def test_a_total_is_known_by_radicals_too(hand_in: HandIn):
    rows = [*CLASSES, ["⼩计", None, None, None, None, 240]]
    outcome = accepted(hand_in(book(rows)), 6)
    assert outcome.sheets[0]["totals"] == 1


def test_a_message_never_shows_what_looks_the_same():
    assert visible("小学") == "小学"
    assert visible("小\u200b学") == "小[U+200B]学"
    assert visible("⼩学") == "[U+2F29]学"
    assert visible("a\u00a0b") == "a b"


@pytest.mark.parametrize("lost", ["义县\ufffd小学", "锟斤拷小学", "????", "？？"])
def test_what_a_wrong_encoding_left_is_no_name(hand_in: HandIn, lost):
    rows = [[lost if cell == "义县第一小学" else cell for cell in row] for row in CLASSES]
    assert hand_in(book(rows)).error["rule_id"] == "CLS-E03"


# Delimited text

TEXT = "\r\n".join(",".join(map(str, row)) for row in CLASSES) + "\r\n"


def csv_of(text, encoding="utf-8"):
    return text.encode(encoding)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", "\t,") + "\x1a",
        lambda text: text.replace(",", ",\t").replace("\r\n", "\r\n\t"),
        lambda text: text + "\x1a",
        lambda text: text + "\x1a\r\n",
        lambda text: "SEP=|\r\n" + text.replace(",", "|"),
        lambda text: '"sep=;"\n' + text.replace(",", ";"),
        lambda text: text.replace(",", "|"),
        lambda text: text.replace("义县", "义\0县", 1),
        lambda text: text.replace("40\r\n", "40\0\r\n", 1),
        lambda text: text + "\0",
        lambda text: text.replace("\r\n", ",甲;乙;丙;丁;戊;己;庚;辛\r\n").replace(
            "班级人数,甲;乙;丙;丁;戊;己;庚;辛", "班级人数,备注"
        ),
        lambda text: text.replace(",", ";").replace("\r\n", ";1,2,3,4,5,6,7,8,9\r\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_delimited_text_as_programs_write_it(hand_in: HandIn, change, encoding):
    outcome = hand_in(change(TEXT).encode(encoding), "义县/a.csv")
    assert accepted(outcome, 6).values("class").equals(hand_in(book(CLASSES)).values("class"))


def test_a_zero_byte_among_digits_is_no_guess(hand_in: HandIn):
    outcome = hand_in(TEXT.replace("1班,40", "1班,4\x000", 1).encode(), "义县/a.csv")
    assert (outcome.error["rule_id"], outcome.error["value"]) == ("CLS-E03", "4?0")


@pytest.mark.parametrize("line", [0, 2, 5])
def test_a_quote_left_open_swallows_no_row(hand_in: HandIn, line):
    lines = [row.replace(",义县第一小学,", ',"义县第一小学",') for row in TEXT.splitlines()]
    lines[2 + line] = lines[2 + line].replace('学",', "学,")
    outcome = accepted(hand_in("\n".join(lines).encode(), "义县/a.csv"), 6)
    assert outcome.values("class").equals(hand_in(book(CLASSES)).values("class"))
    (warning,) = outcome.warnings
    assert (warning["rule_id"], f"第{3 + line}行" in warning["message_zh"]) == ("CLS-W07", True)


def test_a_quote_left_open_leaves_what_is_quoted_in_its_line_whole(hand_in: HandIn):
    text = '2020年学龄人口表\n年龄,常住人口数\n3,"1,052 人"\n"4,"1,048 人"\n5,1033\n'
    outcome = hand_in(text.encode(), "义县/a.csv")
    assert outcome.only["accepted"] and outcome.rules == ["POP-W07"]
    assert outcome.values("population")["population"].to_list() == [1052, 1048, 1033]


def test_a_quote_left_open_leaves_quoted_line_breaks_whole(hand_in: HandIn):
    lines = [row.replace(",1班,", ',"1\n班",') for row in TEXT.splitlines()]
    lines[2] = lines[2].replace(",义县", ',"义县')
    outcome = hand_in("\n".join(lines).encode(), "义县/a.csv")
    assert outcome.only["rows_read"] >= 8
    assert outcome.only["rows_read"] == outcome.only["rows_returned"] + outcome.only["rows_ignored"]


@pytest.mark.parametrize("pasted", ["义县第二小学", "义县", "第二"])
def test_two_encodings_in_one_file_are_told(hand_in: HandIn, pasted):
    marked = TEXT.replace("义县第一小学", "@@", 1).encode("gbk")
    outcome = hand_in(marked.replace(b"@@", pasted.encode()), "义县/a.csv")
    assert outcome.error["rule_id"] == "FIL-E01"
    assert "第 3 行" in outcome.error["message_zh"]
    whole = TEXT.replace("义县第一小学", "@@", 1).encode("utf-8")
    outcome = hand_in(whole.replace(b"@@", pasted.encode("gbk")), "义县/a.csv")
    assert outcome.error["rule_id"] == "FIL-E01"


# Zips


def test_a_zip_of_windows_folders(hand_in: HandIn):
    folder = zipfile.ZipInfo("2020年\\")
    folder.external_attr = 0x10
    data = zipped([(folder, b""), ("2020年\\班级.csv", TEXT.encode())])
    outcome = accepted(hand_in(data, "义县/a.zip"), 6)
    assert outcome.only["year"] == 2020


@pytest.mark.parametrize("raw", [b"????.csv", b"abcd.csv"])
def test_a_name_that_only_the_unicode_field_knows(hand_in: HandIn, raw):
    name = "2019年班级.csv".encode()
    field = struct.pack("<BI", 1, zlib.crc32(raw)) + name
    info = zipfile.ZipInfo(raw.decode())
    info.extra = struct.pack("<HH", 0x7075, len(field)) + field
    text = TEXT.replace("2020年", "")
    outcome = accepted(hand_in(zipped([(info, text.encode())]), "义县/a.zip"), 6)
    assert outcome.only["year"] == 2019


# .xls, by records


def biff(records: Sequence[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack("<HH", kind, len(data)) + data for kind, data in records)


def unicode_text(text: str, count: str = "<H") -> bytes:
    return struct.pack(count, len(text)) + b"\1" + text.encode("utf-16-le")


def label(row: int, column: int, text: str) -> tuple[int, bytes]:
    return 0x0204, struct.pack("<HHH", row, column, 0) + unicode_text(text)


def number(row: int, column: int, value: float, style: int = 0) -> tuple[int, bytes]:
    return 0x0203, struct.pack("<HHHd", row, column, style, value)


def formula(row: int, column: int, tokens: bytes, flags: int = 0) -> tuple[int, bytes]:
    head = struct.pack("<HHHdHIH", row, column, 0, 0.0, flags, 0, len(tokens))
    return 0x0006, head + tokens


def xls(
    cells: Sequence[tuple[int, bytes]], *, shared: Sequence[tuple[int, bytes]] = (), behind: int = 0
) -> bytes:
    """A stream of one sheet, without a container; its offset may point behind its BOF."""
    bof = (0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 0))
    sheet = (0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0))
    end = (0x000A, b"")
    name = struct.pack("<BB", 0, 0) + unicode_text("表", "<B")
    front = [bof, *shared, (0x0085, b"\0\0\0\0" + name), end]
    at = len(biff(front)) + behind
    front[-2] = (0x0085, struct.pack("<I", at) + name)
    return biff([*front, sheet, *cells, end])


XLS = [label(0, 0, "2020年学龄人口表"), label(1, 0, "年龄"), label(1, 1, "常住人口数")] + [
    number(2 + age, column, value)
    for age in range(19)
    for column, value in enumerate((age, 900 + age))
]


def xls_with(cell: tuple[int, bytes]) -> list[tuple[int, bytes]]:
    return [cell if one[1][:4] == cell[1][:4] else one for one in XLS]


def test_an_xls_without_its_container_is_read(hand_in: HandIn):
    values = accepted(hand_in(xls(XLS), "义县/a.xls")).values("population")
    assert values.rows() == [tuple(row) for row in POPULATION[2:]]


def test_the_offset_of_a_sheet_may_point_behind_its_beginning(hand_in: HandIn):
    data = xls(XLS, behind=4 + 16)
    assert accepted(hand_in(data, "义县/a.xls")).values("population").height == 19


def test_a_label_of_no_text_is_blank(hand_in: HandIn):
    for empty in (b"", b"\0"):
        blank = (0x0204, struct.pack("<HHHH", 25, 5, 0, 0) + empty)
        accepted(hand_in(xls([*XLS, blank]), "义县/a.xls"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_found_at_its_cell(hand_in: HandIn, value):
    outcome = hand_in(xls(xls_with(number(5, 1, value))), "义县/a.xls")
    assert (outcome.error["rule_id"], outcome.error["cell"]) == ("POP-E03", "B6")
    assert outcome.error["value"] == "#NUM!"


def test_a_record_left_behind_the_shared_texts_does_no_harm(hand_in: HandIn):
    texts = unicode_text("2020年学龄人口表") + unicode_text("年龄")
    shared = [(0x00FC, struct.pack("<II", 2, 2) + texts), (0x003C, b"\xff\xff\xff\xff\xff")]
    cells = [(0x00FD, struct.pack("<HHHI", row, 0, 0, row)) for row in (0, 1)] + XLS[2:]
    accepted(hand_in(xls(cells, shared=shared), "义县/a.xls"))


SUM = b"\x25" + struct.pack("<4H", 5, 5, 0xC002, 0xC003) + b"\x19\x10\0\0"  # SUM(C6:D6)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (SUM, "=SUM(C6:D6)"),
        (b"\x1e\3\0\x1e\4\0\x05\x15", "=(3*4)"),
        (b"\x44\4\0\1\xc0\x1e\1\0\x03", "=B5+1"),
        (b"\x3a\0\0\0\0\0\0", "=(公式)"),
    ],
)
def test_a_zero_of_an_xls_that_was_never_calculated_is_no_zero(hand_in: HandIn, tokens, text):
    asks = [(0x01C1, bytes(8))]
    by_formula = xls(xls_with(formula(5, 1, tokens, flags=2)))
    by_sheet = xls([(0x005E, b"\0\0"), *xls_with(formula(5, 1, tokens))])
    by_book = xls(xls_with(formula(5, 1, tokens)), shared=asks)
    for data in (by_formula, by_sheet, by_book):
        outcome = hand_in(data, "义县/a.xls")
        assert (outcome.error["rule_id"], outcome.error["value"]) == ("POP-E03", text)
    calculated = hand_in(xls(xls_with(formula(5, 1, tokens))), "义县/a.xls")
    assert accepted(calculated).column("population", "population")[3] == 0


def test_a_format_of_an_xls_that_scales_is_told_of(hand_in: HandIn):
    code = (0x041E, struct.pack("<H", 164) + unicode_text("#,##0,"))
    styles = [code, (0x00E0, bytes(20)), (0x00E0, struct.pack("<HH", 0, 164) + bytes(16))]
    outcome = hand_in(xls(xls_with(number(5, 1, 1200, style=1)), shared=styles), "义县/a.xls")
    (warning,) = accepted(outcome).warnings
    assert (warning["rule_id"], warning["cell"]) == ("POP-W05", "B6")


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\x09\0\4\0\2\0\x10\0", "Excel 2.0"),
        (b"\x09\2\6\0\0\0\x10\0\0\0", "Excel 3.0"),
        (b"\x09\4\6\0\0\0\x10\0\0\0", "Excel 4.0"),
    ],
)
def test_the_oldest_workbooks_are_told_for_what_they_are(hand_in: HandIn, start, name):
    error = hand_in(start + bytes(40), "义县/a.xls").error
    assert (error["rule_id"], name in error["message_zh"]) == ("FIL-E01", True)


# HTML by Excel


def page(first: str, second: str = "60", third: str = "40") -> bytes:
    rows = [["2020年教育经费表"], ["学段", "一般公共预算教育支出(万元)", "平均在校生数"]]
    table = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    for name, cell in (("合计", first), ("小学", second), ("初中", third)):
        cell = cell if cell.startswith("<td") else f"<td>{cell}</td>"
        table += f"<tr><td>{name}</td>{cell}<td>9</td></tr>"
    return f'<html xmlns:x="urn:x"><meta charset="utf-8"><table>{table}</table></html>'.encode()


@pytest.mark.parametrize(
    ("cell", "amount", "rules"),
    [
        ('<td x:num="1000.9">1,001</td>', "1000.9", []),
        ('<td x:num="1000.9">￥1,000.90</td>', "1000.9", []),
        ("<td x:num>1000.9</td>", "1000.9", []),
        ('<td x:num="10009000">1000.9</td>', "1000.9", ["FIN-W05"]),
        ('<td x:num="10009000">1000.9万</td>', "1000.9", ["FIN-W05"]),
        ('<td x:num="1000.9">9,999</td>', "9999", ["FIN-E10"]),  # typed over: what is seen holds
    ],
)
def test_the_number_behind_a_rounded_figure(hand_in: HandIn, cell, amount, rules):
    second, third = ("600.45", "400.45")
    outcome = hand_in(page(cell, second, third), "义县/a.xls")
    assert outcome.rules == rules
    if outcome.only["accepted"]:
        assert outcome.column("finance", "budget_expenditure")[0] == Decimal(amount)
    else:
        assert outcome.error["value"] == amount


@pytest.mark.parametrize(
    "code", ["aaaa", "[$-804]aaaa;@", 'yyyy"年"m"月"d"日" aaaa', 'e"年"m"月"d"日"', "ggge", "bbbb"]
)
def test_formats_of_weekdays_and_eras_are_dates(hand_in: HandIn, code):
    rows = [
        ["2020年改革事项进展表"],
        ["事项", "状态", "日期", "文号", "数量"],
        ["甲事项", "已完成", 44075, None, None],
    ]
    outcome = accepted(hand_in(book(rows, styles={"C3": 1}, codes=[code])), 1)
    assert [str(date) for date in outcome.column("milestone", "date")] == ["2020-09-01"]


# Workbooks that Office encrypts with a password that everybody has

EVERYBODYS = "VelvetSweatshop"


def compound(streams: dict[str, bytes]) -> bytes:
    """A compound file of these streams, each padded to be no small one."""
    sector, end, free, of_fat = 512, 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
    entries = [("Root Entry", 5, end, 0)]
    content, fat = b"", [of_fat, end]
    for name, data in streams.items():
        start = len(fat)
        padded = data.ljust(4096, b"\0")
        sectors = -(-len(padded) // sector)
        fat += [*range(start + 1, start + sectors), end]
        content += padded.ljust(sectors * sector, b"\0")
        entries.append((name, 2, start, len(padded)))
    assert len(fat) <= 128
    listed = b"".join(
        name.encode("utf-16-le").ljust(64, b"\0")
        + struct.pack("<HBB3I", 2 * len(name) + 2, kind, 1, free, free, free)
        + bytes(36)
        + struct.pack("<IQ", start, size)
        for name, kind, start, size in entries
    ).ljust(sector, b"\0")
    assert len(listed) == sector
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<5H6x3I4x5I", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 4096, end, 0, end, 0)
    head += struct.pack("<109I", *([0] + [free] * 108))
    table = struct.pack("<128I", *(fat + [free] * (128 - len(fat))))
    return head.ljust(sector, b"\0") + table + listed + content


def aes(key: bytes, start: bytes, content: bytes) -> bytes:
    encryptor = Cipher(AES(key), CBC(start)).encryptor()
    return encryptor.update(content + bytes(-len(content) % 16)) + encryptor.finalize()


def encrypted(package: bytes, password: str) -> bytes:
    """What Office since 2010 makes of a package under a password."""
    salt, secret, verifier, spins = b"s" * 16, b"k" * 32, b"v" * 16, 1000

    def sha(*parts: bytes) -> bytes:
        return hashlib.sha512(b"".join(parts)).digest()

    digest = sha(salt, password.encode("utf-16-le"))
    for spin in range(spins):
        digest = sha(struct.pack("<I", spin), digest)

    def kept(purpose: str, content: bytes) -> str:
        key = sha(digest, bytes.fromhex(purpose))[:32]
        return base64.b64encode(aes(key, salt, content)).decode()

    way = (
        'saltSize="16" blockSize="16" keyBits="256" hashSize="64" cipherAlgorithm="AES"'
        ' cipherChaining="ChainingModeCBC" hashAlgorithm="SHA512"'
        f' saltValue="{base64.b64encode(salt).decode()}"'
    )
    xml = (
        f'<encryption xmlns="urn:e"><keyData {way}/><keyEncryptors><keyEncryptor>'
        f'<p:encryptedKey xmlns:p="urn:p" spinCount="{spins}" {way}'
        f' encryptedVerifierHashInput="{kept("fea7d2763b4b9e79", verifier)}"'
        f' encryptedVerifierHashValue="{kept("d7aa0f6d3061344e", sha(verifier))}"'
        f' encryptedKeyValue="{kept("146e0be7abacd0d6", secret)}"/>'
        "</keyEncryptor></keyEncryptors></encryption>"
    )
    info = struct.pack("<HHI", 4, 4, 0x40) + xml.encode().ljust(4096)
    content = struct.pack("<Q", len(package))
    for number, at in enumerate(range(0, len(package), 4096)):
        start = sha(salt, struct.pack("<I", number))[:16]
        content += aes(secret, start, package[at : at + 4096])
    return compound({"EncryptionInfo": info, "EncryptedPackage": content})


def rc4(key: bytes, content: bytes) -> bytes:
    encryptor = Cipher(ARC4(key), mode=None).encryptor()
    return encryptor.update(content) + encryptor.finalize()


def encrypted_xls(stream: bytes, password: str) -> bytes:
    """What Excel 97 makes of a stream, which has a FILEPASS of 54 bytes behind its BOF."""
    salt, verifier = b"s" * 16, b"v" * 16
    first = hashlib.md5(password.encode("utf-16-le")).digest()[:5]
    root = hashlib.md5((first + salt) * 16).digest()[:5]

    def key(number: int) -> bytes:
        return hashlib.md5(root + struct.pack("<I", number)).digest()

    kept = rc4(key(0), verifier + hashlib.md5(verifier).digest())
    filepass = struct.pack("<3H", 1, 1, 1) + salt + kept
    stream = stream.replace(b"\xff" * 54, filepass, 1)
    closed = bytearray(
        b"".join(rc4(key(n), stream[n * 1024 :][:1024]) for n in range(len(stream) // 1024 + 1))
    )
    at = 0
    while at < len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        plain = 4 + (size if kind in (0x0809, 0x002F) else 4 if kind == 0x0085 else 0)
        closed[at : at + plain] = stream[at : at + plain]
        at += 4 + size
    return bytes(closed)


def mixed_xls(stream: bytes, password: bytes) -> bytes:
    """What Excel makes of a stream in the oldest way, which has a FILEPASS of 6 bytes behind its BOF."""
    mark = 0
    for byte in reversed(bytes([len(password)]) + password):
        mark = (mark >> 14 & 1 | mark << 1 & 0x7FFF) ^ byte
    # Each bit of the password that is set mixes another number into the key.
    number, key = 0x1021, {15: 0x4EC3, 3: 0xCC9C}[len(password)]
    for byte in reversed(password):
        for bit in range(8):
            key ^= number if byte >> bit & 1 else 0
            number = number << 1 & 0xFFFF ^ (0x1021 if number & 0x8000 else 0)
    padded = (password + bytes.fromhex("bbffffbaffffb98000be0f00bf"))[:16]
    keys = [byte ^ (key >> 8 if i % 2 else key & 0xFF) for i, byte in enumerate(padded)]
    keys = [(byte << 2 | byte >> 6) & 0xFF for byte in keys]
    if password == b"abc":  # as others have published it
        assert (key, mark ^ 0xCE4B) == (20810, 52250)
        assert bytes(keys).hex() == "accca4abd6bac3bad6a32b45d37929bb"
    filepass = struct.pack("<3H", 0, key, mark ^ 0xCE4B)
    closed = bytearray(stream.replace(b"\xff" * 6, filepass, 1))
    at = 0
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        at += 4
        plain = size if kind in (0x0809, 0x002F) else 4 if kind == 0x0085 else 0
        for i in range(plain, size):
            byte = closed[at + i] ^ keys[(at + size + i) % 16]
            closed[at + i] = (byte >> 3 | byte << 5) & 0xFF
        at += size
    return bytes(closed)


def test_the_password_that_everybody_has_is_none_in_the_oldest_way(hand_in: HandIn):
    stream = xls(XLS, shared=[(0x002F, b"\xff" * 6)])
    values = accepted(hand_in(mixed_xls(stream, EVERYBODYS.encode()), "义县/a.xls"))
    assert values.values("population").rows() == [tuple(row) for row in POPULATION[2:]]
    error = hand_in(mixed_xls(stream, b"abc"), "义县/a.xls").error
    assert (error["rule_id"], "密码" in error["message_zh"]) == ("FIL-E01", True)


def test_the_password_that_everybody_has_is_none(hand_in: HandIn):
    padding = b"".join(hashlib.sha512(bytes([i])).digest() for i in range(100))
    parts = parts_of({"表": sheet_xml(POPULATION)})
    plain = zipped([*parts.items(), ("padding", padding)])
    stream = xls(XLS, shared=[(0x002F, b"\xff" * 54)])
    for data in (encrypted(plain, EVERYBODYS), encrypted_xls(stream, EVERYBODYS)):
        values = accepted(hand_in(data, "义县/a.xls")).values("population")
        assert values.rows() == [tuple(row) for row in POPULATION[2:]]
    for data in (encrypted(plain, "password"), encrypted_xls(stream, "password")):
        error = hand_in(data, "义县/a.xls").error
        assert (error["rule_id"], "密码" in error["message_zh"]) == ("FIL-E01", True)
