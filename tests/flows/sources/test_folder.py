"""Folders as sources: the inbox, which is read anew every time, and others, which are remembered."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from flows.sources.cursor import Memory
from flows.sources.folder import pull, walk
from flows.sources.pull import probe
from flows.sources.settings import FolderSettings
from tests.flows.sources.conftest import PutFile, Station


def share(path: Path | str) -> FolderSettings:
    return FolderSettings.model_validate({"kind": "folder", "name": "share", "path": str(path)})


def test_the_inbox_is_always_a_source(station: Station, put_file: PutFile) -> None:
    put_file(station.inbox / "210727/2020/a.csv", b"a", datetime(2020, 10, 2, 3, 4, 5, 678))
    pulled = station.pull()
    assert station.held() == {"210727/2020/a.csv": b"a"}
    assert station.receipt("210727/2020/a.csv").received_at == datetime(2020, 10, 2, 3, 4, 5, 678)
    assert (pulled.found, len(pulled.receipts), pulled.waiting) == (1, 1, ())
    assert station.pull().receipts == ()


def test_only_files_that_a_unit_may_have_handed_in_are_read(
    station: Station, put_file: PutFile
) -> None:
    good = put_file(station.inbox / "210727/A.XLSX", b"a")
    put_file(station.inbox / "beside.csv", b"no unit, which is for the gate to say")
    for name in ("~$a.xlsx", ".a.csv", "a.pdf", "csv"):
        put_file(station.inbox / "210727" / name, b"no")
        put_file(station.inbox / name, b"no")
    (station.inbox / "unit.csv").symlink_to(good)
    (station.inbox / "210727/link.csv").symlink_to(good)
    (station.inbox / "210727/again").symlink_to(station.inbox / "210727")
    os.mkfifo(station.inbox / "210727/pipe.csv")
    assert (station.pull().found, set(station.held())) == (2, {"210727/A.XLSX", "beside.csv"})


def test_a_file_open_for_writing_waits(station: Station, put_file: PutFile) -> None:
    file = put_file(station.inbox / "210727/a.csv", b"half")
    with file.open("ab"):
        assert station.pull().waiting == ("210727/a.csv: is still being written",)
    assert station.pull().waiting == ()


def test_an_original_lost_from_the_archive_comes_back_from_the_inbox(
    station: Station, put_file: PutFile
) -> None:
    put_file(station.inbox / "210727/a.csv", b"a")
    pull(station.inbox, station.archive)
    receipt = station.receipt("210727/a.csv")
    (station.archive.root / receipt.sha256[:2] / receipt.sha256).unlink()
    assert pull(station.inbox, station.archive).receipts == ()
    assert station.archive.read(receipt.sha256) == b"a"


def test_the_same_bytes_found_with_an_earlier_time_are_received_then(
    station: Station, put_file: PutFile
) -> None:
    file = put_file(station.inbox / "210727/a.csv", b"a", datetime(2020, 9, 2))
    station.pull()
    put_file(file, b"a", datetime(2020, 9, 3))
    assert station.pull().receipts == ()
    put_file(file, b"a", datetime(2020, 9, 1))
    assert len(station.pull().receipts) == 1
    assert station.receipt("210727/a.csv").received_at == datetime(2020, 9, 1)


def test_another_folder_is_read_beside_the_inbox(
    station: Station, put_file: PutFile, tmp_path: Path
) -> None:
    put_file(station.inbox / "210727/a.csv", b"a")
    put_file(tmp_path / "mounted/210727/a.csv", b"a")
    put_file(tmp_path / "mounted/210781/b.csv", b"b")
    pulled = station.pull(share(tmp_path / "mounted"))
    assert (pulled.found, len(pulled.receipts)) == (3, 2)
    assert station.held() == {"210727/a.csv": b"a", "210781/b.csv": b"b"}


def test_another_folder_is_remembered_by_size_times_and_number(
    station: Station, put_file: PutFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = put_file(tmp_path / "mounted/210727/a.csv", b"a")
    station.pull(share("../mounted"))
    read = []
    monkeypatch.setattr("flows.sources.folder.take", lambda path: read.append(path))
    station.pull(share("../mounted"))
    assert read == []
    monkeypatch.undo()
    put_file(file, b"b")  # as large and as old as before
    (receipt,) = station.pull(share("../mounted")).receipts
    assert station.archive.read(receipt.sha256) == b"b"


def test_a_folder_that_is_not_there_is_said_and_the_others_go_on(
    station: Station, put_file: PutFile, tmp_path: Path
) -> None:
    put_file(station.inbox / "210727/a.csv", b"a")
    (sentence,) = station.pull(share(tmp_path / "nowhere")).waiting
    assert sentence.startswith(f"share: {tmp_path}/nowhere: No such file or directory")
    assert station.held() == {"210727/a.csv": b"a"}
    assert probe(share(tmp_path / "nowhere"), station.home) == sentence.removeprefix("share: ")
    assert probe(share(station.inbox), station.home) is None


def test_a_folder_that_cannot_be_read_is_said(station: Station, put_file: PutFile) -> None:
    put_file(station.inbox / "210726/a.csv", b"a")
    put_file(station.inbox / "210727/b.csv", b"b")
    errors: list[OSError] = []
    found = walk(station.inbox, errors.append)
    assert next(found).name == "a.csv"
    shutil.rmtree(station.inbox / "210727")
    assert list(found) == []
    assert [error.filename for error in errors] == [str(station.inbox / "210727")]


def test_a_large_file_is_copied_on_disk_and_archived_whole(
    station: Station,
    put_file: PutFile,
    monkeypatch: pytest.MonkeyPatch,
    noise: Callable[[int], bytes],
) -> None:
    monkeypatch.setattr("flows.sources.folder.IN_MEMORY", 1000)
    large = noise(3_000_000)
    file = put_file(station.inbox / "210727/a.csv", large)
    put_file(station.inbox / "210727/b.csv", large[:1000])
    assert station.pull().waiting == ()
    assert station.held() == {"210727/a.csv": large, "210727/b.csv": large[:1000]}
    with file.open("ab"):
        assert station.pull().waiting == ("210727/a.csv: is still being written",)
    assert [path.name for path in station.home.iterdir() if path.is_file()] == []


def test_a_file_over_the_limit_of_folders_stays_where_it_is_and_is_named(
    station: Station, put_file: PutFile
) -> None:
    station.limits = type(station.limits)(taken_bytes=2**20)
    put_file(station.inbox / "210727/a.csv", b"a" * (2**20 + 1))
    put_file(station.inbox / "210727/b.csv", b"b")
    (sentence,) = station.pull().waiting
    assert sentence.startswith("210727/a.csv: is larger than 1 MB and was not fetched")
    assert "taken_bytes under [limits]" in sentence
    assert station.held() == {"210727/b.csv": b"b"}


def test_folders_however_deep_are_gone_through_and_what_is_beyond_reach_is_said(
    station: Station, put_file: PutFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file(station.inbox / "210727/b.csv", b"b")
    monkeypatch.chdir(station.inbox / "210727")
    # Deeper than calls go, then longer than a path may be, which has to be made step by step.
    folders = ["d"] * 1100 + ["e" * 250] * 16
    for folder in folders:
        os.mkdir(folder)
        os.chdir(folder)
        if folder == "d":
            last = os.getcwd()
    put_file(Path(last) / "a.csv", b"a")
    try:
        (sentence,) = station.pull().waiting
        assert sentence.startswith("210727/d/d/d/")
        assert sentence.endswith("File name too long")
        assert sorted(station.held().values()) == [b"a", b"b"]
    finally:
        # Nor can those who clear up after tests go that deep.
        (Path(last) / "a.csv").unlink()
        for folder in reversed(folders):
            os.chdir("..")
            os.rmdir(folder)


def test_a_name_in_an_old_chinese_encoding_is_made_legible(
    station: Station, tmp_path: Path
) -> None:
    folder = os.fsencode(tmp_path / "mounted/210727")
    os.makedirs(folder)
    with open(folder + b"/\xd2\xe5\xcf\xd8.csv", "wb") as file:
        file.write(b"x")
    station.pull(share(tmp_path / "mounted"))
    assert station.held() == {"210727/义县.csv": b"x"}
    memory = Memory.of(station.home, "share", str(tmp_path / "mounted"))
    assert set(memory.seen) == {"210727/义县.csv"}


@pytest.mark.parametrize("seconds", [253_402_300_800, -62_135_596_801, 2**60], ids=str)
def test_a_file_of_an_impossible_time_is_left_and_the_others_are_taken(
    station: Station, put_file: PutFile, seconds: int
) -> None:
    """Year 10000, before year 1, and far beyond both."""
    put_file(station.inbox / "210727/a.csv", b"a")
    bad = put_file(station.inbox / "210727/b.csv", b"b")
    with memory_disk(station.inbox / "210781") as folder:
        shutil.move(bad, folder / "b.csv")
        bad = folder / "b.csv"
        try:
            os.utime(bad, ns=(0, seconds * 10**9))
        except OverflowError:
            os.utime(bad, (0, seconds))
        assert int(bad.stat().st_mtime) == seconds
        (sentence,) = station.pull().waiting
        assert station.held() == {"210727/a.csv": b"a"}
        assert sentence.startswith("210781/b.csv: the time of its last change is impossible")
        os.utime(bad, (0, 1_600_000_000))
        assert station.pull().waiting == ()
    assert station.held() == {"210727/a.csv": b"a", "210781/b.csv": b"b"}


@contextmanager
def memory_disk(link: Path) -> Iterator[Path]:
    """A folder that keeps any time, bound to ``link``; many file systems know only a few centuries."""
    link.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(link)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only root may mount a file system that keeps such a time")
    try:
        yield link
    finally:
        subprocess.run(["umount", str(link)], check=True)


def test_each_part_of_a_path_is_read_in_its_own_encoding(station: Station) -> None:
    """A unit's folder made here, and a file in it that an old system named."""
    for folder, name in (("义县", "学校"), ("义县", "义县")):
        place = os.fsencode(station.inbox) + b"/" + folder.encode()
        os.makedirs(place, exist_ok=True)
        with open(place + b"/" + name.encode("gb18030") + b".csv", "wb") as file:
            file.write(name.encode())
    station.pull()
    assert set(station.held()) == {"义县/学校.csv", "义县/义县.csv"}


def test_a_time_after_that_of_the_pull_is_kept_with_when_it_was_taken(
    station: Station, put_file: PutFile
) -> None:
    put_file(station.inbox / "210727/a.csv", b"a", datetime(2038, 1, 1))
    put_file(station.inbox / "210727/b.csv", b"b", station.now + timedelta(seconds=5))
    station.pull()
    future, now = (station.receipt(f"210727/{name}.csv") for name in "ab")
    assert (future.received_at, future.taken_at) == (datetime(2038, 1, 1), station.now)
    assert now.taken_at is None


def test_an_original_that_was_cut_off_comes_back_from_the_inbox(
    station: Station, put_file: PutFile
) -> None:
    put_file(station.inbox / "210727/a.csv", b"whole")
    (receipt,) = station.pull().receipts
    (original,) = station.archive.root.rglob(receipt.sha256)
    original.write_bytes(b"who")
    assert station.pull().receipts == ()
    assert station.archive.read(receipt.sha256) == b"whole"
