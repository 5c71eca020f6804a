"""Folders as sources: the inbox and others. What was read of them is remembered."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flows import steps
from flows.after.metrics import LastRun, write_metrics
from flows.run import Run
from flows.sources.cursor import Memory
from flows.sources.folder import FolderSource, _Reader
from flows.sources.model import NotTaken, Pulled
from flows.sources.pull import probe
from flows.sources.settings import FolderSettings
from flows.terminal.doctor import diagnose
from tests.conftest import english
from tests.flows.sources.conftest import PutFile, Station


def share(path: Path | str, **values: object) -> FolderSettings:
    return FolderSettings.model_validate(
        {"kind": "folder", "name": "share", "path": str(path), **values}
    )


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
    with file.open("ab", buffering=0) as writing:
        writing.write(b"more")
        assert station.pull().waiting == ("210727/a.csv: is still being written",)
    assert station.pull().waiting == ()


def test_an_original_lost_from_the_archive_comes_back_from_the_inbox(
    station: Station, put_file: PutFile
) -> None:
    put_file(station.inbox / "210727/a.csv", b"a")
    station.pull()
    receipt = station.receipt("210727/a.csv")
    (station.archive.root / receipt.sha256[:2] / receipt.sha256).unlink()
    assert station.pull().receipts == ()
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


@pytest.mark.parametrize("folder", ["inbox", "../mounted"])
def test_a_folder_is_remembered_by_size_times_and_number(
    station: Station, put_file: PutFile, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [] if folder == "inbox" else [share(folder)]
    file = put_file(station.home / folder / "210727/a.csv", b"a")
    station.pull(*sources)
    read = []
    with monkeypatch.context() as patch:
        patch.setattr(FolderSource, "_deliver", lambda *asked: read.append(asked))
        station.pull(*sources)
    assert read == []
    put_file(file, b"b")  # as large and as old as before
    (receipt,) = station.pull(*sources).receipts
    assert station.archive.read(receipt.sha256) == b"b"


def test_a_file_changed_a_moment_ago_is_read_again(
    station: Station, put_file: PutFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written into it within a tick of the file system's clock shows in no time."""
    monkeypatch.setattr("flows.sources.folder.RESOLUTION", 3600)
    file = put_file(station.inbox / "210727/a.csv", b"a")
    station.pull()
    before = file.stat()
    file.write_bytes(b"b")
    monkeypatch.setattr("flows.sources.folder._mark", lambda _: f"as before, {before.st_size}")
    (receipt,) = station.pull().receipts
    assert station.archive.read(receipt.sha256) == b"b"


def test_a_memory_without_its_archive_counts_for_nothing(
    station: Station, put_file: PutFile
) -> None:
    put_file(station.inbox / "210727/a.csv", b"a")
    station.pull()
    shutil.rmtree(station.archive.root)
    assert len(station.pull().receipts) == 1
    assert station.held() == {"210727/a.csv": b"a"}


def test_a_folder_that_is_not_there_is_said_and_the_others_go_on(
    station: Station, put_file: PutFile, tmp_path: Path
) -> None:
    put_file(station.inbox / "210727/a.csv", b"a")
    (sentence,) = station.pull(share(tmp_path / "nowhere")).waiting
    assert sentence.startswith(f"share: {tmp_path}/nowhere: No such file or directory")
    assert station.held() == {"210727/a.csv": b"a"}
    assert probe(share(tmp_path / "nowhere"), station.home) == sentence.removeprefix("share: ")
    assert probe(share(station.inbox), station.home) is None


def without_privileges() -> None:
    """Take from root, in what is started, the right to look into everything (CAP_DAC_OVERRIDE, _READ_SEARCH)."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)


def test_what_may_not_be_looked_into_is_said_and_the_rest_is_taken(
    station: Station, put_file: PutFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file(station.inbox / "210726/a.csv", b"a")
    put_file(station.inbox / "210727/b.csv", b"b").parent.chmod(0)
    put_file(station.inbox / "210781/c.csv", b"c").chmod(0)
    if os.getuid() == 0:
        start = partial(subprocess.Popen, preexec_fn=without_privileges)
        monkeypatch.setattr("flows.sources.folder.subprocess.Popen", start)
    try:
        pulled = station.pull()
    finally:
        (station.inbox / "210727").chmod(0o700)
    assert pulled.waiting == ("210727: Permission denied",)
    assert station.held() == {"210726/a.csv": b"a", "210781/c.csv": b""}


def test_where_no_process_can_be_started_the_sources_are_told_and_the_run_goes_on(
    station: Station, put_file: PutFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file(station.inbox / "210727/a.csv", b"a")

    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("flows.sources.folder.subprocess.Popen", refuse)
    (sentence,) = station.pull().failed
    assert sentence.endswith("no process can be started (Resource temporarily unavailable)")


def test_a_folder_of_many_files_is_listed_whole(station: Station, put_file: PutFile) -> None:
    """They are told of a thousand at a time."""
    for number in range(1001):
        put_file(station.inbox / f"210727/{number:04}.csv", b"")
    with closing(FolderSource(station.inbox)) as source:
        offers = source.files().offers
    assert [offer.path for offer in offers] == [f"210727/{n:04}.csv" for n in range(1001)]


# Mounts that hang


def readers() -> list[int]:
    """The processes that this one has started to read folders."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [
        int(one) for one in children if b"reader.py" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]


def test_a_folder_that_falls_silent_is_left_and_the_other_sources_go_on(
    station: Station, put_file: PutFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reader stands still in the middle, as it does where the mount under it does."""
    for name in "abc":
        put_file(tmp_path / f"mounted/210727/{name}.csv", name.encode())
    put_file(tmp_path / "other/210727/d.csv", b"d")
    stopped: list[int] = []

    def stop() -> None:
        for process in readers() if not stopped else ():
            os.kill(process, signal.SIGSTOP)
            stopped.append(process)

    receive = _Reader.receive

    def impatient(reader: _Reader, silence: float) -> Any:
        """Nobody waits a minute for the one that stands still."""
        return receive(reader, 0.1 if reader._process.pid in stopped else silence)

    monkeypatch.setattr(_Reader, "receive", impatient)
    mounted = share(tmp_path / "mounted")
    other = FolderSettings(kind="folder", name="other", path=tmp_path / "other")
    pulled = station.pull(mounted, other, on_file=stop)
    (sentence,) = pulled.failed
    assert sentence.startswith(f"share: {tmp_path}/mounted does not answer within 60 seconds")
    # It may have read the next file by then, and no further one.
    held = {path: content for path, content in station.held().items() if path != "210727/b.csv"}
    assert held == {"210727/a.csv": b"a", "210727/d.csv": b"d"}
    assert (len(stopped), station.slept) == (1, [])
    assert station.pull(mounted, other).failed == ()
    assert set(station.held().values()) == {b"a", b"b", b"c", b"d"}


def test_a_file_that_is_read_ahead_is_given_to_nobody_who_asks_for_another(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.csv").write_bytes(name.encode() * 200_000)
    with closing(FolderSource(tmp_path)) as source:
        offers = {offer.path: offer for offer in source.files().offers}
        offers["b.csv"].begin()
        for name in "cba":
            delivery = offers[f"{name}.csv"].fetch("")
            assert delivery is not None and delivery.data == name.encode() * 200_000
        offers["c.csv"].begin()
        assert [offer.path for offer in source.files().offers] == sorted(offers)
        offers["a.csv"].begin()
        (tmp_path / "b.csv").unlink()
        with pytest.raises(NotTaken):
            offers["b.csv"].fetch("")


def test_a_reader_that_is_killed_is_started_again(station: Station, put_file: PutFile) -> None:
    for name in "abc":
        put_file(station.inbox / f"210727/{name}.csv", name.encode())
    once = iter(range(1))

    def kill() -> None:
        for process in readers() if next(once, None) is not None else ():
            os.kill(process, signal.SIGKILL)

    assert station.pull(on_file=kill).waiting == ()
    assert station.slept == [1.0]
    assert set(station.held().values()) == {b"a", b"b", b"c"}


@contextmanager
def hung(folder: Path) -> Iterator[None]:
    """A mount at ``folder`` that answers nothing: of a user-space file system whose server has stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        server = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        pytest.skip("there is no FUSE here, or not for this user")
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0"
    if libc.mount(b"hung", os.fsencode(folder), b"fuse", 0, options.encode()):
        os.close(server)
        pytest.skip("only root may mount a file system")
    # Whoever waits for it, should the product do so, is let go with an error in the end.
    let_go = threading.Timer(600, os.close, [server])
    let_go.start()
    try:
        yield
    finally:
        if let_go.is_alive():
            let_go.cancel()
            os.close(server)
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_mount_that_hangs_is_left_and_the_inbox_is_taken(
    station: Station, put_file: PutFile, tmp_path: Path
) -> None:
    put_file(station.inbox / "210727/a.csv", b"a")
    with hung(tmp_path / "mounted"):
        settings = share(tmp_path / "mounted", timeout_seconds=0.5)
        (sentence,) = station.pull(settings).failed
        assert sentence.startswith(f"share: {tmp_path}/mounted does not answer within 0.5 seconds")
        assert "hangs" in (probe(settings, station.home) or "")
    assert station.held() == {"210727/a.csv": b"a"}


def test_an_inbox_that_hangs_is_told_by_the_night_and_the_doctor_and_holds_up_neither(
    home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pull_in() -> Pulled:
        """The first step of a night, which alone looks at the inbox."""
        with Run.open(home.settings) as run:
            return steps.pull_inbox(run)

    home.sheet("210727", "population", 2020, [{"age": 3, "population": 1}])
    first = pull_in()
    write_metrics(home.settings, LastRun(True, datetime.now(UTC), sources=first.sources))
    with hung(home.settings.inbox), monkeypatch.context() as impatient:
        impatient.setattr(FolderSource.__init__, "__defaults__", (None, 0.5))
        pulled = pull_in()
        assert [str(home.settings.inbox) in one for one in english(pulled.failed)] == [True]
        assert [one.read for one in pulled.sources] == [False]
        (line,) = [one for one in diagnose(home.root, lambda _: ()) if one.check == "inbox"]
        assert (line.state, "hangs" in line.found) == ("fail", True)
    assert (len(first.receipts), pull_in().failed) == (1, ())


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
    with file.open("ab", buffering=0) as writing:
        writing.write(b"more")
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
