"""Zips of workbooks: names as they were meant, good files read, bad ones refused one by one."""

from __future__ import annotations

import io
import stat
import struct
import zipfile

import pytest

from tests.transforms.formats.conftest import MakeXlsx, MakeZip
from transforms.formats import (
    Limits,
    Unreadable,
    is_zip_of_files,
    open_entry,
    open_zip,
    read_workbook,
)

LIMITS = Limits()

CSV = "学校名称,班额\n实验小学,45\n".encode()


def refused(data, limits=LIMITS):
    with pytest.raises(Unreadable) as caught:
        open_zip(data, "a.zip", limits)
    return caught.value.code


def test_the_content_tells_a_zip_of_files_from_a_workbook(xlsx: MakeXlsx, zipped: MakeZip):
    book = xlsx({"a": {(0, 0): "x"}})
    ods = zipped({"mimetype": b"", "content.xml": b""})
    for name in ("a.zip", "a.xlsx"):
        assert is_zip_of_files(zipped({"班级/a.csv": CSV, "b.xlsx": book}), name)
        assert not is_zip_of_files(book, name)
        assert not is_zip_of_files(ods, name)
        assert not is_zip_of_files(CSV, name)
        assert not is_zip_of_files(b"", name)
    assert is_zip_of_files(b"PK\3\4 cut off", "a.ZIP")
    assert not is_zip_of_files(b"PK\3\4 cut off", "a.xlsx")


def test_files_are_read_and_the_rest_is_left_out(xlsx: MakeXlsx, zipped: MakeZip):
    book = xlsx({"a": {(0, 0): "x"}})
    data = zipped(
        {
            "2020/": b"",
            "2020/小学/a.xlsx": book,
            "b.CSV": CSV,
            "~$a.xlsx": b"lock",
            ".~c.et": b"lock",
            "__MACOSX/2020/._a.xlsx": b"fork",
            "._b.csv": b"fork",
            "说明.docx": b"PK",
            "xlsx": b"no ending",
            ".xls": b"no name",
        }
    )
    entries = open_zip(data, "a.zip")
    assert [(entry.name, entry.data) for entry in entries] == [
        ("2020/小学/a.xlsx", book),
        ("b.CSV", CSV),
    ]
    assert [len(read_workbook(entry.data, entry.name)) for entry in entries] == [1, 1]


@pytest.mark.parametrize("encoding", ["gbk", "utf-8"])
def test_names_without_the_utf_8_flag(zipped: MakeZip, encoding):
    name = "义县/班级学生数表.csv"
    plain = "x" * len(name.encode(encoding))
    data = zipped({plain: CSV}).replace(plain.encode(), name.encode(encoding))
    (entry,) = open_zip(data, "a.zip")
    assert (entry.name, entry.data) == (name, CSV)


@pytest.mark.parametrize(
    "name",
    [
        "../a.csv",
        "x/../../a.csv",
        "/etc/a.csv",
        "C:a.csv",
        "c:\\a.csv",
        "x\\..\\a.csv",
        "\\a.csv",
        "a\nb.csv",
    ],
)
def test_unsafe_names_are_refused_alone(zipped: MakeZip, name):
    bad, good = open_zip(zipped({name: CSV, "b.csv": CSV}), "a.zip")
    assert isinstance(bad.data, Unreadable)
    assert bad.data.code == "unsafe_zip"
    assert "\n" not in bad.data.zh
    assert good.data == CSV


def test_a_name_with_nul_is_refused_alone(zipped: MakeZip):
    data = zipped({"a.xls_b.csv": CSV, "b.csv": CSV}).replace(b"a.xls_b.csv", b"a.xls\0b.csv")
    bad, good = open_zip(data, "a.zip")
    assert isinstance(bad.data, Unreadable)
    assert bad.data.code == "unsafe_zip"
    assert good.data == CSV


def test_a_zip_in_a_zip_is_refused_alone(zipped: MakeZip):
    inner = zipped({"c.csv": CSV})
    data = zipped({"x.zip": inner, "y.xlsx": inner, "b.csv": CSV})
    first, second, good = open_zip(data, "a.zip")
    for entry in (first, second):
        assert isinstance(entry.data, Unreadable)
        assert entry.data.code == "nested_zip"
    assert good.data == CSV


def test_a_large_file_is_refused_alone(zipped: MakeZip):
    data = zipped({"a.csv": b"x" * 2_000, "b.csv": CSV})
    bad, good = open_zip(data, "a.zip", Limits(file_bytes=1_000))
    assert isinstance(bad.data, Unreadable)
    assert bad.data.code == "too_large"
    assert good.data == CSV


def test_a_bomb_is_stopped_while_unpacking(zipped: MakeZip):
    data = zipped({f"{i}.csv": b"\0" * 1_000_000 for i in range(50)})
    assert len(data) < 100_000
    assert refused(data, Limits(unpacked_bytes=10_000_000)) == "too_large"


def test_a_false_declared_size_does_not_help(zipped: MakeZip):
    data = bytearray(zipped({"a.csv": b"x" * 5_000_000}))
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = data.index(signature) + offset
        data[at : at + 4] = (10).to_bytes(4, "little")
    (entry,) = open_zip(bytes(data), "a.zip")
    assert isinstance(entry.data, Unreadable)
    assert entry.data.code == "corrupt"


def test_entries_that_share_their_bytes_are_one_refusal(zipped: MakeZip):
    data = zipped({"a0.csv": CSV})
    start, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    record = data[start:end]
    directory = b"".join(record.replace(b"a0.csv", b"a%d.csv" % i) for i in range(10))
    tail = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 10, 10, len(directory), start, 0)
    assert refused(data[:start] + directory + tail) == "corrupt"


def test_links_are_refused_alone(zipped: MakeZip):
    link = zipfile.ZipInfo("a.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("b.csv", CSV)
    bad, good = open_zip(buffer.getvalue(), "a.zip")
    assert isinstance(bad.data, Unreadable)
    assert bad.data.code == "link_in_zip"
    assert good.data == CSV


def test_a_name_that_occurs_again_is_told_from_the_first(zipped: MakeZip):
    data = zipped({"表/a.csv": b"1", "表/b.csv": b"2"}).replace(
        "表/b.csv".encode(), "表/a.csv".encode()
    )
    assert [(entry.name, entry.data) for entry in open_zip(data, "a.zip")] == [
        ("表/a.csv", b"1"),
        ("表/a(2).csv", b"2"),
    ]
    assert open_entry(data, "a.zip", "表/a(2).csv") == b"2"


def test_one_file_of_a_zip(zipped: MakeZip):
    data = zipped({"a.csv": CSV, "../b.csv": CSV, "c.txt": b"x"})
    assert open_entry(data, "a.zip", "a.csv") == CSV
    for name in ("../b.csv", "c.txt", "d.csv"):
        assert open_entry(data, "a.zip", name) is None
    assert open_entry(b"PK\3\4 cut off", "a.zip", "a.csv") is None
    assert open_entry(data, "a.zip", "a.csv", Limits(file_bytes=len(CSV) - 1)) is None


def test_too_many_entries_are_refused(zipped: MakeZip):
    data = zipped({f"{i}.txt": b"" for i in range(11)})
    assert refused(data, Limits(zip_entries=10)) == "too_large"
    # So many that their directory is not even looked into.
    data = zipped({f"{i:060}.txt": b"" for i in range(300)})
    assert refused(data, Limits(zip_entries=2)) == "too_large"


def test_a_zip_with_a_password_is_refused(zipped: MakeZip):
    data = bytearray(zipped({"a.csv": CSV}))
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1
    (entry,) = open_zip(bytes(data), "a.zip")
    assert isinstance(entry.data, Unreadable)
    assert entry.data.code == "encrypted"


def test_damage_in_one_entry_leaves_the_others(zipped: MakeZip):
    text = bytes(range(256)) * 20
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.csv", text)
        archive.writestr("b.csv", CSV)
    data = buffer.getvalue().replace(text[:100], b"!" * 100, 1)
    bad, good = open_zip(data, "a.zip")
    assert isinstance(bad.data, Unreadable)
    assert bad.data.code == "corrupt"
    assert good.data == CSV


def test_zips_without_anything_to_read(zipped: MakeZip):
    assert refused(zipped({})) == "nothing_inside"
    assert refused(zipped({"a.txt": b"x"})) == "nothing_inside"
    assert refused(zipped({"a.csv": CSV})[:-30]) == "corrupt"
    assert refused(zipped({"a.csv": CSV}), Limits(file_bytes=10)) == "too_large"
