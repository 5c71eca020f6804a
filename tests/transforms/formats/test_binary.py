"""Binary workbooks: .xls and .et (BIFF in OLE) and .xlsb, written record by record or by xlwt."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import random
import struct
import zipfile
from collections.abc import Iterable

import pytest
import xlwt
from xlwt.CompoundDoc import XlsDoc

from tests.transforms.formats.conftest import Filled, MakeZip
from transforms.formats import Limits, Unreadable, read_workbook
from transforms.formats.ole import CompoundFile

LIMITS = Limits()

ERRORS = {"#NULL!": 0, "#DIV/0!": 7, "#VALUE!": 15, "#REF!": 23, "#NAME?": 29, "#NUM!": 36}


def xls(write) -> bytes:
    book = xlwt.Workbook()
    write(book)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def in_ole(stream: bytes) -> bytes:
    buffer = io.BytesIO()
    XlsDoc().save(buffer, stream)
    return buffer.getvalue()


def record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def one_sheet(data, name="a.xls", limits=LIMITS):
    (sheet,) = read_workbook(data, name, limits)
    return sheet


def style(number_format: str) -> xlwt.XFStyle:
    return xlwt.easyxf(num_format_str=number_format)


@pytest.mark.parametrize("name", ["a.xls", "a.et", "a.xlsx", "a.csv"])
def test_xls_values(filled: Filled, name):
    def write(book):
        sheet = book.add_sheet("小学")
        for row, value in enumerate(
            ["实验小学", " x ", "2.1E+09", 45, 0.45, 2100000001, 1e15, -3.5]
        ):
            sheet.write(row + 2, 1, value)
        sheet.write(10, 1, True)
        sheet.write(11, 1, "  ")
        sheet.write_merge(0, 1, 0, 3, "题")

    sheet = one_sheet(xls(write), name)
    assert sheet.name == "小学"
    assert sheet.merged == ((0, 0, 1, 3),)
    assert filled(sheet) == {
        (0, 0): "题",
        (2, 1): "实验小学",
        (3, 1): " x ",
        (4, 1): "2.1E+09",
        (5, 1): "45",
        (6, 1): "0.45",
        (7, 1): "2100000001",
        (8, 1): "1000000000000000",
        (9, 1): "-3.5",
        (10, 1): "true",
    }


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (dt.date(2020, 1, 5), "yyyy-mm-dd", "2020-01-05 00:00:00"),
        (dt.datetime(2020, 1, 5, 7, 50), 'yyyy"年"m"月"d"日" h:mm', "2020-01-05 07:50:00"),
        (dt.time(7, 50), "h:mm", "1899-12-31 07:50:00"),
        (0.326388888888889, 'h"点"mm"分"', "1899-12-31 07:50:00"),
        (1.5, "[h]:mm", "1900-01-01 12:00:00"),
        (59, "yyyy-mm-dd", "1900-02-28 00:00:00"),
        (61, "yyyy-mm-dd", "1900-03-01 00:00:00"),
        (0.45, "0%", "0.45"),
        (45, '0"时"', "45"),
        (45, "[Red]0.00;[Blue]-0.00", "45"),
        (-1, "yyyy-mm-dd", "-1"),
        (1e10, "yyyy-mm-dd", "10000000000"),
    ],
)
def test_xls_dates_and_times(filled: Filled, value, number_format, text):
    data = xls(lambda book: book.add_sheet("a").write(0, 0, value, style(number_format)))
    assert filled(one_sheet(data)) == {(0, 0): text}


def test_xls_dates_since_1904(filled: Filled):
    def write(book):
        book.dates_1904 = True
        book.add_sheet("a").write(0, 0, dt.date(2020, 1, 5), style("yyyy-mm-dd"))

    assert filled(one_sheet(xls(write))) == {(0, 0): "2020-01-05 00:00:00"}


def test_xls_hidden_sheets():
    def write(book):
        for visibility, name in enumerate("甲乙丙"):
            book.add_sheet(name).visibility = visibility

    sheets = read_workbook(xls(write), "a.xls")
    assert [(sheet.name, sheet.hidden) for sheet in sheets] == [
        ("甲", False),
        ("乙", True),
        ("丙", True),
    ]


def test_xls_strings_cut_by_record_ends(filled: Filled):
    texts = [("长" * 997 + str(i)) if i % 2 else ("x" * 1499 + str(i)) for i in range(60)]

    def write(book):
        sheet = book.add_sheet("a")
        for row, text in enumerate(texts):
            sheet.write(row, 0, text)

    assert filled(one_sheet(xls(write))) == {(row, 0): text for row, text in enumerate(texts)}


def workbook_stream(*cells: bytes, book: bytes = b"", version: int = 0x0600) -> bytes:
    """A stream with one sheet named a, of these cell records."""
    bof = struct.pack("<HHHH", version, 5, 0, 0)
    sheet_bof = struct.pack("<HHHH", version, 16, 0, 0)
    name = b"\1\0a" if version == 0x0600 else b"\1a"
    head = record(0x0809, bof) + book
    at = len(head) + 4 + 6 + len(name) + 4
    bound = record(0x0085, struct.pack("<IBB", at, 0, 0) + name)
    sheet = record(0x0809, sheet_bof) + b"".join(cells) + record(0x000A, b"")
    return (head + bound + record(0x000A, b"") + sheet).ljust(4096, b"\0")


def formula(row: int, result: bytes) -> bytes:
    return record(0x0006, struct.pack("<HHH8s", row, 0, 0, result) + b"\0" * 8)


def test_xls_formula_results(filled: Filled):
    cells = [
        formula(0, struct.pack("<d", 2.5)),
        formula(1, b"\1\0\1\0\0\0\xff\xff"),
        formula(2, b"\0\0\0\0\0\0\xff\xff"),
        record(0x0207, struct.pack("<HB", 1, 1) + "甲".encode("utf-16-le")),
        formula(3, b"\3\0\0\0\0\0\xff\xff"),
        *(
            formula(4 + i, bytes([2, 0, code, 0, 0, 0, 255, 255]))
            for i, code in enumerate(ERRORS.values())
        ),
        record(0x0205, struct.pack("<HHHBB", 20, 0, 0, 0x2A, 1)),
    ]
    assert filled(one_sheet(in_ole(workbook_stream(*cells)))) == {
        (0, 0): "2.5",
        (1, 0): "true",
        (2, 0): "甲",
        **{(4 + i, 0): text for i, text in enumerate(ERRORS)},
        (20, 0): "#N/A",
    }


def test_xls_rows_of_formulas_without_a_result_are_counted(filled: Filled):
    """An empty text is a result; that a text follows, and none does, says that there is none."""
    plus = b"\x44\0\0\0\xc0\x1e\1\0\x03"  # A1+1
    on_load = struct.pack("<HIH", 2, 0, len(plus)) + plus
    to_come = struct.pack("<HIH", 0, 0, len(plus)) + plus
    text, nothing = b"\0\0\0\0\0\0\xff\xff", b"\3\0\0\0\0\0\xff\xff"

    def cell(row: int, result: bytes, rest: bytes) -> bytes:
        return record(0x0006, struct.pack("<HHH8s", row, 0, 0, result) + rest)

    cells = [
        cell(0, text, to_come),
        record(0x04BC, bytes(10)),
        record(0x0207, struct.pack("<HB", 1, 1) + "甲".encode("utf-16-le")),
        cell(1, text, to_come),
        record(0x0207, struct.pack("<HB", 0, 0)),
        cell(2, struct.pack("<d", 0), on_load),
        cell(3, text, to_come),
        cell(4, text, to_come),
        cell(5, nothing, to_come),
    ]
    sheet = one_sheet(in_ole(workbook_stream(*cells)))
    assert filled(sheet) == {(0, 0): "甲", **{(row, 0): "=A1+1" for row in (2, 3, 4)}}
    assert sheet.cells.height == 5


def test_xls_compact_numbers(filled: Filled):
    def bits(value: int, flags: int) -> int:
        return (value << 2 & 0xFFFFFFFF) | flags

    (float_bits,) = struct.unpack("<I", struct.pack("<d", 0.5)[4:])
    cells = [
        record(0x027E, struct.pack("<HHHI", 0, 0, 0, bits(45, 2))),
        record(0x027E, struct.pack("<HHHI", 1, 0, 0, bits(-45, 2))),
        record(0x027E, struct.pack("<HHHI", 2, 0, 0, bits(4550, 3))),
        record(0x027E, struct.pack("<HHHI", 3, 0, 0, float_bits)),
        record(0x00BD, struct.pack("<HHHIHIH", 4, 1, 0, bits(1, 2), 0, bits(2, 2), 2)),
    ]
    assert filled(one_sheet(in_ole(workbook_stream(*cells)))) == {
        (0, 0): "45",
        (1, 0): "-45",
        (2, 0): "45.5",
        (3, 0): "0.5",
        (4, 1): "1",
        (4, 2): "2",
    }


def test_xls_of_excel_95_in_gbk(filled: Filled):
    text = "锦州市".encode("gbk")
    cell = record(0x0204, struct.pack("<HHHH", 0, 0, 0, len(text)) + text)
    page = record(0x0042, struct.pack("<H", 936))
    stream = workbook_stream(cell, book=page, version=0x0500)
    assert filled(one_sheet(in_ole(stream))) == {(0, 0): "锦州市"}


def test_xls_cells_of_embedded_charts_are_left_out(filled: Filled):
    chart = record(0x0809, struct.pack("<HHHH", 0x0600, 32, 0, 0))
    number = record(0x0203, struct.pack("<HHHd", 5, 5, 0, 1.0))
    mine = record(0x0203, struct.pack("<HHHd", 0, 0, 0, 7.0))
    stream = workbook_stream(chart, number, record(0x000A, b""), mine)
    assert filled(one_sheet(in_ole(stream))) == {(0, 0): "7"}


def test_xls_limits():
    far = record(0x0203, struct.pack("<HHHd", 65_535, 255, 0, 1.0))
    with pytest.raises(Unreadable) as refused:
        read_workbook(in_ole(workbook_stream(far)), "a.xls")
    assert refused.value.code == "too_spread"
    assert "65536" in refused.value.zh

    def write(book):
        for name in "ab":
            book.add_sheet(name).write(1, 1, 1)

    assert len(read_workbook(xls(write), "a.xls", Limits(cells=8))) == 2
    for limits in (Limits(cells=7), Limits(sheets=1), Limits(rows=1), Limits(columns=1)):
        with pytest.raises(Unreadable):
            read_workbook(xls(write), "a.xls", limits)


def test_xls_one_long_string_in_many_cells_is_refused():
    def write(book):
        sheet = book.add_sheet("a")
        for row in range(1_000):
            sheet.write(row, 0, "长" * 1_000)

    with pytest.raises(Unreadable) as refused:
        read_workbook(xls(write), "a.xls", Limits(unpacked_bytes=900_000))
    assert refused.value.code == "too_large"


def test_xls_with_a_password_is_refused():
    stream = workbook_stream(book=record(0x002F, b"\1\0" + b"\0" * 52))
    with pytest.raises(Unreadable) as refused:
        read_workbook(in_ole(stream), "a.xls")
    assert refused.value.code == "encrypted"
    assert "密码" in refused.value.zh


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        ("EncryptedPackage", "encrypted"),
        ("WordDocument", "not_a_workbook"),
        ("PowerPoint Document", "not_a_workbook"),
        ("Other", "not_a_workbook"),
    ],
)
def test_other_compound_files(stream, code):
    data = in_ole(b"\0" * 4096)
    old = "Workbook".encode("utf-16-le")
    at = data.index(old)
    entry = stream.encode("utf-16-le").ljust(64, b"\0") + struct.pack("<H", 2 * len(stream) + 2)
    with pytest.raises(Unreadable) as refused:
        read_workbook(data[:at] + entry + data[at + len(entry) :], "a.xlsx")
    assert refused.value.code == code


def test_small_streams_are_found_in_the_mini_stream():
    """A file whose header puts streams under 8 KB into sectors of 64 bytes."""
    content = bytes(range(256)) * 2
    sector = 512
    fat = struct.pack("<128I", 0xFFFFFFFD, 0xFFFFFFFE, 0xFFFFFFFE, 0xFFFFFFFE, *[0xFFFFFFFF] * 124)
    small_fat = struct.pack("<128I", *range(1, 8), 0xFFFFFFFE, *[0xFFFFFFFF] * 120)

    def entry(name: str, kind: int, start: int, size: int) -> bytes:
        raw = name.encode("utf-16-le")
        head = raw.ljust(64, b"\0") + struct.pack("<HB", len(raw) + 2, kind)
        return head.ljust(116, b"\0") + struct.pack("<IQ", start, size)

    directory = entry("Root Entry", 5, 3, 512) + entry("Workbook", 2, 0, 500)
    header = bytearray(sector)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<HHHHH", header, 24, 0x3E, 3, 0xFFFE, 9, 6)
    struct.pack_into("<I4I", header, 44, 1, 1, 0, 4096, 2)
    struct.pack_into("<III109I", header, 64, 1, 0xFFFFFFFE, 0, 0, *[0xFFFFFFFF] * 108)
    data = bytes(header) + fat + directory.ljust(sector, b"\0") + small_fat + content
    assert CompoundFile(data).stream("WORKBOOK") == content[:500]


def test_sectors_in_a_circle_are_refused():
    data = bytearray(in_ole(workbook_stream()))
    (fat,) = struct.unpack_from("<I", data, 76)
    for sector in range(128):
        struct.pack_into("<I", data, (fat + 1) * 512 + 4 * sector, 0)
    with pytest.raises(Unreadable) as refused:
        read_workbook(bytes(data), "a.xls")
    assert refused.value.code == "corrupt"


# --- .xlsb ---------------------------------------------------------------------------------------


def brt(kind: int, data: bytes = b"") -> bytes:
    head = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    size = len(data)
    length = bytearray()
    while True:
        length.append(size & 0x7F | (0x80 if size > 0x7F else 0))
        size >>= 7
        if not size:
            return head + bytes(length) + data


def wide(text: str) -> bytes:
    return struct.pack("<I", len(text)) + text.encode("utf-16-le")


def cell(kind: int, column: int, payload: bytes, cell_style: int = 0) -> bytes:
    return brt(kind, struct.pack("<II", column, cell_style) + payload)


def row(index: int) -> bytes:
    return brt(0, struct.pack("<I", index) + b"\0" * 13)


@pytest.fixture
def xlsb(zipped: MakeZip):
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        "{}</Relationships>"
    )
    relation = (
        '<Relationship Id="{}" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/{}" Target="{}"/>'
    )

    def xlsb(sheets: dict[str, Iterable[bytes]], states: tuple[int, ...] = (0,) * 9) -> bytes:
        links = [
            relation.format("s", "sharedStrings", "sharedStrings.bin"),
            relation.format("y", "styles", "styles.bin"),
            relation.format("c", "chartsheet", "chartsheets/sheet1.bin"),
        ]
        book = brt(153, b"\0" * 12) + brt(156, struct.pack("<II", 0, 9) + wide("c") + wide("图"))
        parts = {}
        for index, (name, records) in enumerate(sheets.items()):
            identity = f"r{index}"
            links.append(relation.format(identity, "worksheet", f"worksheets/sheet{index}.bin"))
            book += brt(156, struct.pack("<II", states[index], index) + wide(identity) + wide(name))
            parts[f"xl/worksheets/sheet{index}.bin"] = b"".join(
                [brt(129), brt(145), *records, brt(146), brt(130)]
            )
        styles = brt(44, struct.pack("<H", 176) + wide('h"点"mm"分"'))
        styles += brt(626) + brt(47, struct.pack("<HH", 0, 14) + b"\0" * 12) + brt(627)
        styles += brt(617) + b"".join(
            brt(47, struct.pack("<HH", 0, index) + b"\0" * 12) for index in (0, 14, 176, 31)
        )
        return zipped(
            {
                "[Content_Types].xml": b"<Types/>",
                "_rels/.rels": relations.format(
                    relation.format("r", "officeDocument", "xl/workbook.bin")
                ).encode(),
                "xl/workbook.bin": book,
                "xl/_rels/workbook.bin.rels": relations.format("".join(links)).encode(),
                "xl/sharedStrings.bin": brt(159) + brt(19, b"\0" + wide("实验小学")),
                "xl/styles.bin": styles + brt(618),
                **parts,
            }
        )

    return xlsb


def test_xlsb_values(xlsb, filled: Filled):
    records = [
        row(1),
        cell(7, 1, struct.pack("<I", 0)),
        cell(6, 2, wide(" x ")),
        cell(62, 3, b"\0" + wide("富")),
        cell(8, 4, wide("甲") + b"\0" * 6),
        row(3),
        cell(2, 0, struct.pack("<I", 45 << 2 | 2)),
        cell(5, 1, struct.pack("<d", 0.45)),
        cell(9, 2, struct.pack("<d", 2.5) + b"\0" * 6),
        cell(4, 3, b"\1"),
        cell(10, 4, b"\0" + b"\0" * 6),
        cell(1, 5, b""),
        row(4),
        cell(2, 0, struct.pack("<I", 43835 << 2 | 2), cell_style=1),
        cell(5, 1, struct.pack("<d", 0.326388888888889), cell_style=2),
        cell(5, 2, struct.pack("<d", 43835), cell_style=3),
        row(5),
        *(cell(3, index, bytes([code])) for index, code in enumerate(ERRORS.values())),
        row(6),
        *(cell(11, index, bytes([code]) + b"\0" * 6) for index, code in enumerate(ERRORS.values())),
        brt(176, struct.pack("<4I", 1, 2, 1, 4)),
    ]
    (sheet,) = read_workbook(xlsb({"小学": records}), "a.xlsb")
    assert sheet.name == "小学"
    assert sheet.merged == ((1, 1, 2, 4),)
    assert filled(sheet) == {
        (1, 1): "实验小学",
        (1, 2): " x ",
        (1, 3): "富",
        (1, 4): "甲",
        (3, 0): "45",
        (3, 1): "0.45",
        (3, 2): "2.5",
        (3, 3): "true",
        (3, 4): "false",
        (4, 0): "2020-01-05 00:00:00",
        (4, 1): "1899-12-31 07:50:00",
        (4, 2): "2020-01-05 00:00:00",
        **{(5, index): text for index, text in enumerate(ERRORS)},
        **{(6, index): text for index, text in enumerate(ERRORS)},
    }


def test_xlsb_rows_of_formulas_without_a_result_are_counted(xlsb, filled: Filled, with_part):
    zero, nothing = struct.pack("<d", 0) + b"\0" * 6, wide("") + b"\0" * 6
    records = [row(0), cell(7, 0, struct.pack("<I", 0))]
    records += [row(1), cell(9, 0, zero), row(2), cell(9, 0, zero), row(3), cell(8, 0, nothing)]
    data = xlsb({"小学": records})
    calculated = {(0, 0): "实验小学", (1, 0): "0", (2, 0): "0"}
    assert filled(one_sheet(data, "a.xlsb")) == calculated
    asks = brt(157, b"\0" * 24 + b"\1\0")  # to be calculated when it is opened
    data = with_part(data, "xl/workbook.bin", lambda part: part + asks)
    assert filled(one_sheet(data, "a.xlsb")) == {
        (0, 0): "实验小学",
        (1, 0): "=(公式)",
        (2, 0): "=(公式)",
    }


def test_xlsb_hidden_sheets(xlsb):
    sheets = read_workbook(xlsb({"甲": [], "乙": [], "丙": []}, (0, 1, 2)), "a.xlsb")
    assert [(sheet.name, sheet.hidden) for sheet in sheets] == [
        ("甲", False),
        ("乙", True),
        ("丙", True),
    ]


@pytest.mark.parametrize(
    "records",
    [
        [row(1_048_575), cell(4, 16_383, b"\1")],
        [row(0), cell(4, 0xFFFFFFFF, b"\1")],
        [row(0), cell(7, 0, struct.pack("<I", 5))],
        [row(0), cell(6, 0, struct.pack("<I", 0x7FFFFFFF))],
        [b"\x02\xff\xff\xff\x7f"],
    ],
)
def test_hostile_xlsb_is_refused(xlsb, records):
    with pytest.raises(Unreadable):
        read_workbook(xlsb({"a": records}), "a.xlsb")


@pytest.mark.parametrize("seed", range(40))
def test_damaged_xlsb_is_read_or_refused(xlsb, zipped: MakeZip, seed):
    """The other formats are damaged in tests/transforms/test_fuzzing.py, where files are whole forms."""
    chance = random.Random(seed)
    cells = [cell(6, column, wide("班级")) for column in range(4)]
    data = xlsb({"a": [row(0), *cells, row(1), *cells], "b": [row(3), *cells]})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: bytearray(archive.read(name)) for name in archive.namelist()}
    for part in chance.sample(sorted(parts), 2):
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(parts[part]) + 1)
            parts[part][at : at + chance.choice((0, 1, 4))] = chance.randbytes(chance.randint(0, 4))
    with contextlib.suppress(Unreadable):
        read_workbook(zipped({name: bytes(part) for name, part in parts.items()}), "a.xlsb")
