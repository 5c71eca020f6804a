"""The archive: every byte kept under its hash, with receipts from which all else can be rebuilt."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path

import pytest

from tests.conftest import Home
from warehouse.archive import Archive, ArchiveDamaged, Receipt

NOON = datetime(2020, 9, 1, 12)
MICRO = datetime(2020, 9, 1, 12, 0, 0, 123456)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def originals(archive: Archive) -> dict[str, bytes]:
    """Every file of the archive that is no receipt, by name."""
    return {
        path.name: path.read_bytes()
        for path in archive.root.rglob("*")
        if path.is_file() and path.parent.name != "receipts"
    }


@pytest.mark.parametrize("content", [b"", b"\x00\xff\r\n\x1a", bytes(range(256)) * 5000])
def test_bytes_come_back_as_they_were(archive: Archive, content: bytes) -> None:
    digest = archive.keep(content)
    assert digest == hashlib.sha256(content).hexdigest()
    assert archive.read(digest) == content
    assert originals(archive) == {digest: content}


def test_a_glance_at_an_original_tells_its_size(archive: Archive) -> None:
    assert archive.glance(archive.keep(b"one")) == 3
    assert archive.glance("0" * 64) is None


def test_the_same_bytes_are_kept_once_and_left_alone(archive: Archive) -> None:
    digest = archive.keep(b"one")
    (file,) = (path for path in archive.root.rglob("*") if path.is_file())
    before = file.stat()
    assert archive.keep(b"one") == digest
    after = file.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_what_is_kept_for_later_comes_to_its_place_with_the_receipts(archive: Archive) -> None:
    one, two = archive.keep(b"one", later=True), archive.keep(b"two", later=True)
    assert archive.keep(b"one", later=True) == one
    assert not archive.holds(one) and not archive.holds(two)
    archive.sign([Receipt(NOON, "义县/一.csv", one), Receipt(NOON, "义县/二.csv", two)])
    assert originals(archive) == {one: b"one", two: b"two"}


def test_what_was_kept_for_later_and_never_settled_is_as_if_never_kept(archive: Archive) -> None:
    digest = archive.keep(b"one", later=True)
    after = Archive(archive.root)
    after.sweep()
    assert not after.holds(digest) and originals(after) == {}
    assert after.keep(b"one") == digest and after.read(digest) == b"one"


def test_where_one_cannot_be_settled_no_receipt_is_signed(archive: Archive) -> None:
    digest = archive.keep(b"one", later=True)
    (archive.root / digest[:2]).write_bytes(b"a file in the way")
    with pytest.raises(FileExistsError):
        archive.sign([Receipt(NOON, "义县/一.csv", digest)])
    assert list(archive.receipts()) == []
    (archive.root / digest[:2]).unlink()
    assert archive.keep(b"one", later=True) == digest
    archive.settle()
    assert archive.read(digest) == b"one"


def test_a_changed_original_is_found_out(archive: Archive) -> None:
    digest = archive.keep(b"one")
    (file,) = (path for path in archive.root.rglob("*") if path.is_file())
    file.chmod(0o644)
    file.write_bytes(b"two")
    with pytest.raises(ArchiveDamaged, match=rf"{digest} was changed; restore it"):
        archive.read(digest)


def test_an_original_is_verified_and_measured_without_being_read_whole(archive: Archive) -> None:
    digest = archive.keep(b"one")
    assert archive.size(digest) == 3
    archive.verify(digest)
    (file,) = (path for path in archive.root.rglob("*") if path.is_file())
    file.write_bytes(b"two")
    with pytest.raises(ArchiveDamaged, match=rf"{digest} was changed; restore it"):
        archive.verify(digest)
    file.unlink()
    for look in (archive.verify, archive.size):
        with pytest.raises(ArchiveDamaged, match=rf"{digest} is missing.*restore it"):
            look(digest)


def test_a_missing_original_is_found_out(archive: Archive) -> None:
    digest = hashlib.sha256(b"never").hexdigest()
    with pytest.raises(ArchiveDamaged, match=rf"{digest} is missing.*restore it"):
        archive.read(digest)


def test_receipts_come_back_in_order(archive: Archive) -> None:
    later = Receipt(MICRO, "义县/二 .xlsx", archive.keep(b"two"))
    early = Receipt(NOON, "210702/一.csv", archive.keep(b"one"))
    archive.sign([later])
    archive.sign([early])
    assert list(archive.receipts()) == [early, later]
    assert (later.folder, early.folder) == ("义县", "210702")


def test_the_same_delivery_again_keeps_its_first_time(archive: Archive) -> None:
    digest = archive.keep(b"one")
    for when in (MICRO, NOON, datetime(2021, 1, 1)):
        archive.sign([Receipt(when, "义县/一.csv", digest)])
    archive.sign([Receipt(MICRO, "凌海市/一.csv", digest)])
    assert list(archive.receipts()) == [
        Receipt(NOON, "义县/一.csv", digest),
        Receipt(MICRO, "凌海市/一.csv", digest),
    ]


def test_receipts_are_lines_anybody_can_read(archive: Archive) -> None:
    digest = archive.keep(b"one")
    archive.sign([Receipt(MICRO, "义县/一.csv", digest)])
    (file,) = (archive.root / "receipts").iterdir()
    (line,) = file.read_text("utf-8").splitlines()
    assert json.loads(line) == {
        "path": "义县/一.csv",
        "received_at": "2020-09-01T12:00:00.123456Z",
        "sha256": digest,
    }


def test_signing_nothing_writes_nothing(archive: Archive) -> None:
    archive.sign([])
    assert list(archive.receipts()) == []
    assert not archive.root.exists()


def test_what_was_being_written_when_a_run_was_killed_does_not_count(archive: Archive) -> None:
    digest = archive.keep(b"one")
    archive.sign([Receipt(NOON, "义县/一.csv", digest)])
    half = archive.root / ".partial" / hashlib.sha256(b"two").hexdigest()
    half.write_bytes(b"t")
    assert len(list(archive.receipts())) == 1
    archive.sweep()
    assert not half.parent.exists()
    assert archive.read(archive.keep(b"two")) == b"two"
    assert archive.read(digest) == b"one"


@pytest.mark.parametrize(
    "name",
    [
        "两\n行.csv",
        'quote\'s "报表".csv',
        pytest.param(
            "行\u2028段\u2029.csv",
        ),
        pytest.param(
            "下\u0085行.csv",
        ),
        b"\xd2\xe5\xcf\xd8.csv".decode("utf-8", "surrogateescape"),
    ],
    ids=["newline", "quotes", "separators", "next line", "GBK bytes"],
)
def test_any_file_name_can_be_signed_for(archive: Archive, name: str) -> None:
    receipt = Receipt(NOON, f"义县/{name}", archive.keep(b"one"))
    archive.sign([receipt])
    assert list(archive.receipts()) == [receipt]


def test_every_file_of_a_night_is_in_the_archive(home: Home) -> None:
    contents = {
        "210702/学龄人口2020年.csv": "年龄,常住人口数\n3,5\n".encode(),
        "210702/坏.xlsx": b"PK\x03\x04 broken",
        "210703/空.csv": b"",
        "nobody/学龄人口2020年.csv": "年龄,常住人口数\n3,6\n".encode("gb18030"),
    }
    for path, content in contents.items():
        home.deliver(path, content, "2020-09-01 12:00:00")
    home.load()
    archive = Archive(home.settings.archive)
    assert originals(archive) == {
        hashlib.sha256(content).hexdigest(): content for content in contents.values()
    }
    assert {(receipt.path, receipt.received_at) for receipt in archive.receipts()} == {
        (path, NOON) for path in contents
    }
    # The inbox is left as it was.
    for path, content in contents.items():
        assert (home.settings.inbox / path).read_bytes() == content
