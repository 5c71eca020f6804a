"""Workers: what a file may cost, who is blamed for it, and that nothing outlives the run."""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl
import pytest

from transforms.checks.rules import RULES
from transforms.formats import Limits, Unreadable, expected_bytes
from transforms.records import FINDING
from transforms.submissions import Document, examine
from transforms.tables.model import Table
from warehouse.archive import Archive, Receipt
from warehouse.ledger import ingest
from warehouse.ledger.ingest import Lost, read_deliveries
from warehouse.outbox import ReturnSheet, write_sheets
from warehouse.reference import Reference, load_reference
from warehouse.workers import pool
from warehouse.workers.pool import ForkServer, Workers

MIB = 2**20


def ods(*rows: str) -> bytes:
    """A spreadsheet of these rows as they stand in it."""
    names = "urn:oasis:names:tc:opendocument:xmlns"
    xml = (
        f"<office:document-content xmlns:office='{names}:office:1.0'"
        f" xmlns:table='{names}:table:1.0' xmlns:text='{names}:text:1.0'><office:body>"
        f"<office:spreadsheet><table:table table:name='a'>{''.join(rows)}</table:table>"
        "</office:spreadsheet></office:body></office:document-content>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", xml)
    return out.getvalue()


def repeated(rows: int, columns: int, text: str = "x") -> str:
    return (
        f"<table:table-row table:number-rows-repeated='{rows}'><table:table-cell"
        f" table:number-columns-repeated='{columns}'><text:p>{text}</text:p></table:table-cell>"
        "</table:table-row>"
    )


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return out.getvalue()


#: 553 bytes that unfold into 400 MB.
BOMB = ods(repeated(99_999, 50))
#: A table written out cell by cell, which takes many seconds and is within all other limits.
LONG = ods(
    f"<table:table-row>{'<table:table-cell><text:p>x</text:p></table:table-cell>' * 50}</table:table-row>"
    * 15_000
)
GOOD = "2020年学龄人口表\n年龄,人口数\n3,52\n".encode()


class Reading:
    """Reads files as a run does: through an archive, by workers."""

    def __init__(self, root: Path, fork_server: ForkServer) -> None:
        self.archive = Archive(root / "archive")
        self.reference: Reference = load_reference(root)
        self.fork_server = fork_server

    def __call__(
        self, *files: tuple[str, bytes], limits: Limits, memory: int = 1024 * MIB, count: int = 2
    ) -> list[list[Document]]:
        with Workers(self.fork_server, count, memory) as workers:
            return list(self.begin(workers, *files, limits=limits))

    def begin(
        self, workers: Workers, *files: tuple[str, bytes], limits: Limits
    ) -> Iterator[list[Document]]:
        receipts = [
            Receipt(datetime(2020, 9, 15), f"210727/{name}", self.archive.keep(content))
            for name, content in files
        ]
        return read_deliveries(self.archive, self.reference, receipts, limits, workers)


@pytest.fixture
def fork_server() -> Iterator[ForkServer]:
    with ForkServer() as fork_server:
        yield fork_server


@pytest.fixture
def reading(tmp_path: Path, one_fork_server: ForkServer) -> Reading:
    return Reading(tmp_path, one_fork_server)


@pytest.fixture
def disturbed(tmp_path: Path, fork_server: ForkServer) -> Reading:
    """The same with a fork server of its own, whose workers a test can kill."""
    return Reading(tmp_path, fork_server)


def is_read(document: Document) -> bool:
    return not isinstance(document.content, Unreadable) and any(
        isinstance(item, Table) for item in document.content
    )


def is_given_up(document: Document) -> bool:
    return isinstance(document.content, Unreadable) and document.content.code == "too_costly"


def workers_of(fork_server: ForkServer) -> dict[int, int]:
    """The workers that live, with the bytes of memory each has for itself."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            resident, shared = (process / "statm").read_text().split()[1:3]
            if int(parent) == fork_server._process.pid and state != "Z":
                found[int(process.name)] = (int(resident) - int(shared)) * 4096
    return found


@pytest.mark.parametrize(
    ("costly", "limits", "said"),
    [
        (BOMB, Limits(memory_bytes=160 * MIB), ("内存超过 160 MB", "more memory than 160 MB")),
        (LONG, Limits(seconds=1), ("时间超过 1 秒", "longer than 1 seconds")),
    ],
)
def test_a_file_that_costs_too_much_is_returned_and_those_beside_it_are_read(
    reading: Reading, costly: bytes, limits: Limits, said: tuple[str, str]
) -> None:
    files = [
        ("a.csv", GOOD),
        ("costly.ods", costly),
        ("b.csv", GOOD + b"4,1\n"),
        ("c.csv", GOOD + b"5,1\n"),
    ]
    read = reading(*files, limits=limits)
    assert [[is_read(document) for document in found] for found in read] == [
        [True], [False], [True], [True],
    ]  # fmt: skip
    examined = examine([document for found in read for document in found])
    assert examined.submissions["accepted"].to_list().count(True) == 3
    (finding,) = examined.findings.to_dicts()
    assert (finding["rule_id"], finding["region_code"]) == ("FIL-E07", "210727")
    assert (finding["form"], finding["year"]) == (None, None)
    assert said[0] in finding["problem_zh"] and finding["remedy_zh"].endswith("重新上报。")
    assert said[1] in finding["problem_en"]
    assert RULES["FIL-E07"].severity == "error"


def test_of_a_zip_only_the_file_that_costs_too_much_is_given_up(reading: Reading) -> None:
    packed = zipped(a_csv=GOOD, bomb_ods=BOMB, b_csv=GOOD + b"4,1\n")
    (found,) = reading(("all.zip", packed), limits=Limits(memory_bytes=160 * MIB))
    assert [document.entry for document in found] == ["a.csv", "bomb.ods", "b.csv"]
    assert [is_read(document) for document in found] == [True, False, True]
    assert is_given_up(found[1])
    assert found[1].file_name == "all.zip/bomb.ods"


def test_a_zip_of_many_such_files_is_given_up_after_a_few(reading: Reading) -> None:
    packed = zipped(**{f"b{i}_ods": ods(repeated(99_999, 40 + i)) for i in range(5)}, z_csv=GOOD)
    (found,) = reading(("all.zip", packed), limits=Limits(memory_bytes=110 * MIB))
    assert [document.entry for document in found] == [*(f"b{i}.ods" for i in range(5)), "z.csv"]
    assert all(is_given_up(document) for document in found)
    said = [document.content.zh for document in found if isinstance(document.content, Unreadable)]
    assert ["内存" in sentence for sentence in said] == [True] * 3 + [False] * 3
    assert all("同一压缩包中已有 3 个" in sentence for sentence in said[3:])


def test_small_files_that_unfold_into_much_wait_for_their_turn(reading: Reading) -> None:
    files = [(f"{i}.ods", ods(repeated(99_999, 12 + i))) for i in range(4)]
    # One of them has room beside a small one; two of them have not.
    memory = 220 * MIB
    assert all(90 * MIB < expected_bytes(content, Limits()) < memory for _, content in files)
    most: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            most.append(sum(workers_of(reading.fork_server).values()))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        read = reading(*files, limits=Limits(), memory=memory, count=4)
    finally:
        done.set()
        watching.join()
    assert [document.content for found in read for document in found] == [()] * 4
    # Those that wait have what they were born with.
    assert max(most) < memory + 3 * 64 * MIB


def test_who_takes_more_than_was_expected_is_read_again_alone_and_not_blamed(
    reading: Reading,
) -> None:
    # In a tag that nobody writes so, the repetition is not seen beforehand.
    hidden = "table:number-columns-repeated='13' " + " ".join(
        f"table:unknown{i}='0'" for i in range(30)
    )
    row = repeated(99_999, 13).replace("table:number-columns-repeated='13'", hidden)
    files = [(f"{i}.ods", ods(row, repeated(1, 1, str(i)))) for i in range(3)]
    assert all(expected_bytes(content, Limits()) < 64 * MIB for _, content in files)
    read = reading(*files, limits=Limits(), memory=260 * MIB, count=3)
    assert [document.content for found in read for document in found] == [()] * 3


def test_a_worker_that_is_killed_by_somebody_is_replaced(
    disturbed: Reading, fork_server: ForkServer
) -> None:
    assert all(map(is_read, disturbed(("a.csv", GOOD), limits=Limits())[0]))
    (idle,) = workers_of(fork_server)
    os.kill(idle, signal.SIGKILL)
    assert all(map(is_read, disturbed(("a.csv", GOOD), limits=Limits())[0]))


def test_workers_that_rest_are_ended_and_others_do_what_comes_then(
    disturbed: Reading, fork_server: ForkServer
) -> None:
    with Workers(fork_server, 1) as workers:
        (before,) = disturbed.begin(workers, ("a.csv", GOOD), limits=Limits())
        (idle,) = workers_of(fork_server)
        gone = os.pidfd_open(idle)
        workers.rest()
        assert select.select([gone], [], [], 60)[0]
        os.close(gone)
        (after,) = disturbed.begin(workers, ("a.csv", GOOD), limits=Limits())
        assert is_read(before[0]) and is_read(after[0])
        assert idle not in workers_of(fork_server)


def test_the_fork_server_may_be_killed_too(disturbed: Reading, fork_server: ForkServer) -> None:
    assert all(map(is_read, disturbed(("a.csv", GOOD), limits=Limits())[0]))
    fork_server._process.kill()
    assert all(map(is_read, disturbed(("a.csv", GOOD), limits=Limits())[0]))


def test_a_worker_that_stands_still_is_ended_and_the_file_read_by_another(
    disturbed: Reading, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_STANDSTILL", 1)
    assert all(map(is_read, disturbed(("a.csv", GOOD), limits=Limits())[0]))
    (idle,) = workers_of(fork_server)
    os.kill(idle, signal.SIGSTOP)
    assert all(map(is_read, disturbed(("a.csv", GOOD), limits=Limits(seconds=1))[0]))
    assert idle not in workers_of(fork_server)


def test_what_fells_its_reader_again_and_again_is_given_up(
    disturbed: Reading, fork_server: ForkServer
) -> None:
    done = threading.Event()

    def kill() -> None:
        while not done.wait(0.001):
            for worker, taken in workers_of(fork_server).items():
                if taken > 100 * MIB:
                    with suppress(ProcessLookupError):
                        os.kill(worker, signal.SIGKILL)

    killing = threading.Thread(target=kill)
    killing.start()
    try:
        read = disturbed(("bomb.ods", BOMB), ("a.csv", GOOD), limits=Limits())
    finally:
        done.set()
        killing.join()
    assert is_given_up(read[0][0])
    assert isinstance(read[0][0].content, Unreadable) and "异常中止" in read[0][0].content.zh
    assert is_read(read[1][0])


_RUN = """
import sys
from datetime import datetime
from pathlib import Path

from transforms.formats import Limits
from warehouse.archive import Archive, Receipt
from warehouse.ledger.ingest import read_deliveries
from warehouse.reference import load_reference
from warehouse.workers.pool import ForkServer, Workers

root = Path(sys.argv[1])
archive = Archive(root / "archive")
receipts = [Receipt(datetime(2020, 9, 15), f"210727/{i}.ods", archive.keep(
    (root / "bomb.ods").read_bytes())) for i in range(20)]
with ForkServer() as fork_server, Workers(fork_server, 2) as workers:
    print(fork_server._process.pid, flush=True)
    for _ in read_deliveries(archive, load_reference(root), receipts, Limits(), workers):
        pass
"""


def test_workers_end_with_the_run_however_it_ends(tmp_path: Path) -> None:
    (tmp_path / "bomb.ods").write_bytes(BOMB)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", _RUN, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    ) as run:
        assert run.stdout is not None
        fork_server = int(run.stdout.readline())
        working: list[int] = []
        while len(working) < 2:
            children = Path(f"/proc/{fork_server}/task/{fork_server}/children").read_text().split()
            working = [int(child) for child in children]
        watched = [os.pidfd_open(process) for process in (fork_server, *working)]
        assert list(scratch.iterdir())
        run.kill()
    try:
        for process in watched:
            assert select.select([process], [], [], 60)[0]
    finally:
        for process in watched:
            os.close(process)
    assert not list(scratch.iterdir())


def test_what_dead_fork_servers_have_left_is_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "jzedu-workers-left"
    left.mkdir()
    (left / "openpyxl.1").write_bytes(b"x")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with ForkServer() as fork_server:
        fork_server.worker().end()
        assert not left.exists()
        (held,) = tmp_path.iterdir()
        with ForkServer() as other:
            other.worker().end()
            assert held.exists()
    assert not list(tmp_path.iterdir())


def test_an_expected_cost_is_not_taken_from_what_is_blank() -> None:
    blank = (
        "<table:table-row table:number-rows-repeated='1048576'>"
        "<table:table-cell table:number-columns-repeated='16384'/></table:table-row>"
    )
    filled = (
        "<table:table-row><table:table-cell><text:p>x</text:p></table:table-cell>"
        "<table:table-cell table:number-columns-repeated='16383'/></table:table-row>"
    )
    assert expected_bytes(ods(blank, filled * 1000), Limits()) < 10 * MIB
    assert expected_bytes(BOMB, Limits()) > 300 * MIB


def test_an_original_that_is_gone_is_told_and_the_others_are_read(reading: Reading) -> None:
    gone = Receipt(datetime(2020, 9, 15), "210727/a.csv", "0" * 64)
    here = Receipt(
        datetime(2020, 9, 15), "210727/b.csv", reading.archive.keep(io.BytesIO(b"x,y\n"))
    )
    with Workers(reading.fork_server, 2) as workers:
        lost, read = read_deliveries(
            reading.archive, reading.reference, [gone, here], Limits(), workers
        )
    assert isinstance(lost, Lost)
    assert "is missing from the archive" in lost.reason.en
    assert "档案中缺少" in lost.reason.zh
    assert not isinstance(read, Lost)
    assert [document.file_name for document in read] == ["b.csv"]


#: So many small files that they go to a worker together.
MANY = [(f"{i}.csv", GOOD + f"4,{i}\n".encode()) for i in range(40)]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each order had that a worker was given."""
    counts: list[int] = []
    try_it = Workers._try

    def counted(self: Workers, order: Any, *rest: Any, **named: Any) -> None:
        counts.append(len(order.orders) if isinstance(order, pool._Batch) else 1)
        try_it(self, order, *rest, **named)

    monkeypatch.setattr(Workers, "_try", counted)
    return counts


def test_many_small_files_go_to_a_worker_together(reading: Reading, tried: list[int]) -> None:
    large = GOOD + b"4,1\n" * 50_000
    packed = zipped(a_csv=GOOD, b_csv=GOOD + b"5,1\n")
    files = [*MANY[:9], ("all.zip", packed), *MANY[9:20], ("large.csv", large), *MANY[20:]]
    read = reading(*files, limits=Limits(), count=1)
    names = [[document.file_name for document in found] for found in read]
    assert names == [
        ["all.zip/a.csv", "all.zip/b.csv"] if name == "all.zip" else [name] for name, _ in files
    ]
    assert all(is_read(document) for found in read for document in found)
    assert tried == [5, 5, 5, 5, 1, 1, 5, 5, 5, 5]


@pytest.mark.parametrize(
    ("costly", "limits"),
    [(BOMB, Limits(memory_bytes=160 * MIB)), (LONG, Limits(seconds=1))],
)
def test_of_many_small_files_the_one_that_costs_too_much_is_found_and_the_others_are_read(
    reading: Reading,
    tried: list[int],
    costly: bytes,
    limits: Limits,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ingest, "_SMALL", 1 + max(len(BOMB), len(LONG)))
    files = [*MANY[:12], ("costly.ods", costly), *MANY[12:]]
    read = reading(*files, limits=limits, count=1)
    assert [name for name, found in zip(files, read, strict=True) if is_given_up(found[0])] == [
        files[12]
    ]
    assert sum(is_read(document) for found in read for document in found) == len(MANY)
    # Those that were to be read with it are read one by one, once it was tried together with them.
    assert tried.count(1) >= 5 and tried.count(5) >= 7


def test_an_original_that_is_gone_is_told_among_many(reading: Reading, tried: list[int]) -> None:
    receipts = [
        Receipt(datetime(2020, 9, 15), f"210727/{name}", reading.archive.keep(content))
        for name, content in MANY
    ]
    (reading.archive.root / receipts[7].sha256[:2] / receipts[7].sha256).unlink()
    with Workers(reading.fork_server, 1) as workers:
        found = read_deliveries(reading.archive, reading.reference, receipts, Limits(), workers)
        lost = [place for place, one in enumerate(found) if isinstance(one, Lost)]
    assert lost == [7]
    assert max(tried) > 1


def test_the_run_hears_what_an_order_raises(reading: Reading, tmp_path: Path) -> None:
    no_folder = tmp_path / "outbox"
    no_folder.write_text("a file", "utf-8")
    kept = reading.archive.keep(io.BytesIO(b"x,y\n"))
    findings = pl.DataFrame(schema=FINDING.schema)
    sheet = ReturnSheet(PurePosixPath("a/b.xlsx"), "", kept, "b.csv", None, findings)
    with Workers(reading.fork_server, 2) as workers, pytest.raises(OSError, match="outbox"):
        list(write_sheets(reading.archive, no_folder, [sheet], Limits(), workers))
