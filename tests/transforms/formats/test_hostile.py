"""Whatever comes in, the answer is sheets or one plain sentence; nothing else ever gets out."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import struct
import zipfile

import openpyxl
import pytest
import xlwt
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.formats.conftest import MakeXlsx, MakeZip, WithPart
from transforms.formats import (
    READABLE_SUFFIXES,
    Limits,
    Unreadable,
    is_zip_of_files,
    ooxml,
    open_zip,
)
from transforms.formats import read_workbook as read

LIMITS = Limits()

SMALL = Limits(file_bytes=1_000_000, unpacked_bytes=2_000_000, cells=100_000)


def refused(data, name="a.xlsx", limits=LIMITS):
    with pytest.raises(Unreadable) as caught:
        read(data, name, limits)
    return caught.value


@functools.cache
def small_xlsx() -> bytes:
    book = openpyxl.Workbook()
    book.active.append(["学校名称", "班额", 45, 0.5, True])
    book.active.merge_cells("A3:B4")
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


@functools.cache
def small_xls() -> bytes:
    book = xlwt.Workbook()
    sheet = book.add_sheet("a")
    for column, value in enumerate(["学校名称", "班额", 45, 0.5, True]):
        sheet.write(0, column, value)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"PK", "corrupt"),
        (b"PK\3\4" + b"\0" * 100, "corrupt"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "corrupt"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 2_000, "corrupt"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "not_a_workbook"),
        (b"%PDF-1.7\n", "not_a_workbook"),
        (b"\xff\xd8\xff\xe0", "not_a_workbook"),
        (b"Rar!\x1a\7\0", "not_a_workbook"),
        (b'<?xml version="1.0"?><data/>', "not_a_workbook"),
        (b"\0" * 100, "unknown_encoding"),
        (bytes(range(256)), "unknown_encoding"),
    ],
)
def test_what_is_no_workbook(data, code):
    reason = refused(data)
    assert reason.code == code
    assert not reason.zh.endswith("。")
    assert not reason.en.endswith(".")
    assert reason.remedy_zh.endswith("。")
    assert reason.remedy_en.endswith(".")


def test_files_over_the_limit_are_not_looked_into():
    assert refused(b"PK" + b"x" * 100, limits=Limits(file_bytes=50)).code == "too_large"


@pytest.mark.parametrize("make", [small_xlsx, small_xls])
def test_files_cut_off_anywhere(make):
    data = make()
    for length in range(4, len(data), len(data) // 60):
        try:
            read(data[:length], "a.xlsx")
        except Unreadable:
            continue
        # An .xls padded at its end loses nothing by losing the padding.
        assert make is small_xls


@pytest.mark.parametrize("make", [small_xlsx, small_xls])
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_files_with_bytes_changed(make, data):
    content = bytearray(make())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Unreadable):
        read(bytes(content), "a.xlsx", SMALL)


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"PK\3\4", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"<table>", b"<?xml "]),
    st.sampled_from(sorted(READABLE_SUFFIXES)),
)
def test_random_bytes(data, start, suffix):
    with contextlib.suppress(Unreadable):
        read(start + data, "a" + suffix, SMALL)
    if is_zip_of_files(start + data, "a" + suffix):
        with pytest.raises(Unreadable):
            open_zip(start + data, "a" + suffix, SMALL)


def test_thousands_of_sheets_are_refused(with_part: WithPart):
    data = with_part(
        small_xlsx(),
        "xl/workbook.xml",
        lambda xml: re.sub(rb"<sheet [^>]*/>", lambda found: found[0] * 10_000, xml),
    )
    reason = refused(data)
    assert reason.code == "too_large"
    assert "500" in reason.zh


@pytest.mark.parametrize(
    "name", ["a'b", 'a"b', "a\nb", "a&b<c>", "{sheet}", "小学 '1'", "a" * 5_000, ""]
)
def test_odd_names_of_sheets(with_part: WithPart, name):
    escaped = (
        name.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace('"', "&quot;")
        .replace("\n", "&#10;")
    )
    data = with_part(
        small_xlsx(),
        "xl/workbook.xml",
        lambda xml: xml.replace(b'name="Sheet"', f'name="{escaped}"'.encode()),
    )
    (sheet,) = read(data, "a.xlsx")
    assert sheet.name == name
    assert sheet.cells.height == 1
    shown = name.replace("\n", "?")[:100]
    for sentence in (
        refused(data, limits=Limits(cells=3)).zh,
        refused(data, limits=Limits(cells=3)).en,
    ):
        assert shown in sentence
        assert "\n" not in sentence
        assert len(sentence) < 400


def test_missing_parts_are_damage(zipped: MakeZip):
    types = {"[Content_Types].xml": b"<Types/>"}
    assert refused(zipped(types)).code == "corrupt"
    assert refused(zipped({**types, "_rels/.rels": b"<Relationships/>"})).code == "corrupt"
    assert refused(zipped({**types, "_rels/.rels": b"no xml"})).code == "corrupt"
    assert refused(zipped({"a.csv": b"a,b"})).code == "not_a_workbook"


class PanicException(BaseException):
    """Stands for what the Rust libraries raise: not an Exception, and not importable."""


@pytest.mark.parametrize("error", [PanicException, RecursionError, MemoryError, OSError])
def test_what_a_library_fails_with_becomes_a_sentence(monkeypatch, error):
    def fail(*arguments):
        raise error("boom")

    monkeypatch.setattr(ooxml, "read_small", fail)
    assert refused(small_xlsx()).code == "corrupt"


def test_an_interrupt_is_not_swallowed(monkeypatch):
    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(ooxml, "read_small", fail)
    with pytest.raises(KeyboardInterrupt):
        read(small_xlsx(), "a.xlsx")


@pytest.mark.parametrize(
    "data",
    [
        b"<table><tr><td>" + b"<br>" * 50_000,
        b"<table><tr><td " + b"a= " * 50_000 + b">",
        b"<table><tr><td " + b"a/" * 10_000 + b">",
        b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">'
        + b"<a/>" * 50_000,
    ],
)
def test_markup_of_very_many_elements_is_refused(data):
    assert refused(data, limits=Limits(elements=50_000)).code == "too_large"


@pytest.mark.parametrize("field", ["CRC", "size", "packed size", "name"])
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_part_that_is_not_what_its_zip_says_is_damage_or_read_rightly(
    xlsx: MakeXlsx, method, field
):
    part = "xl/worksheets/sheet1.xml"
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(xlsx({"a": {(0, 0): "x"}}))) as archive,
        zipfile.ZipFile(buffer, "w", method) as packed,
    ):
        for entry in archive.namelist():
            packed.writestr(entry, archive.read(entry))
    data = bytearray(buffer.getvalue())
    (sheet,) = read(bytes(data), "a.xlsx")
    record = data.rfind(part.encode()) - 46  # of the directory
    at = {"CRC": record + 16, "packed size": record + 20, "size": record + 24}
    (local,) = struct.unpack_from("<I", data, record + 42)
    data[at.get(field, local + 30)] ^= 1
    if "size" in field:  # what a zip says of sizes is not relied on
        with contextlib.suppress(Unreadable):
            assert read(bytes(data), "a.xlsx")[0].cells.equals(sheet.cells)
    else:
        assert refused(bytes(data)).code == "corrupt"


def test_very_many_merged_ranges_are_refused(with_part: WithPart):
    data = with_part(
        small_xlsx(),
        "xl/worksheets/sheet1.xml",
        lambda xml: re.sub(rb"<mergeCell [^>]*>", lambda found: found[0] * 1_000, xml),
    )
    assert read(data, "a.xlsx")[0].merged == ((2, 0, 3, 1),)
    assert refused(data, limits=Limits(merged=999)).code == "too_large"


@pytest.mark.parametrize(
    "piece", [b" ", b"<mergeCell ", b"<c ", b"<sst ", b"[", b"<table ", b"\n", b'"', b"&"]
)
def test_what_could_make_a_pattern_run_for_hours_does_not(
    xlsx: MakeXlsx, with_part: WithPart, piece
):
    """A pattern that looks back over all it has seen would never end on these."""
    much = piece * (3_000_000 // len(piece))
    for data in (much, b"<" + much, b"<table><tr><td>" + much):
        with contextlib.suppress(Unreadable):
            read(data, "a.csv")
    book = xlsx({"a": {(0, 0): "x"}})
    for part in ("xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml"):
        for at in (b"<row", b"<si", b"<cellXfs", b"</worksheet"):
            data = with_part(book, part, lambda xml, at=at: xml.replace(at, much + at, 1))
            with contextlib.suppress(Unreadable):
                read(data, "a.xlsx")
