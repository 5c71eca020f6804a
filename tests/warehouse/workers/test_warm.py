"""Fork servers of workers that are forked from a warm one: they read the same, and end in the same way."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from transforms.formats import Limits, Unreadable
from transforms.submissions import Document
from warehouse.archive import Archive, Receipt
from warehouse.ledger.ingest import read_deliveries
from warehouse.reference import load_reference
from warehouse.workers.pool import WARM_WORKERS, ForkServer, Workers
from warehouse.workers.warm import ForkedChild, kept_warm

CONTENT = "2020年学龄人口表\n年龄,人口数\n3,52\n".encode()


@pytest.fixture(scope="module", autouse=True)
def warm() -> Iterator[Path]:
    """A warm process, as soon as it has imported."""
    with kept_warm(WARM_WORKERS):
        place = Path(os.environ[WARM_WORKERS.place])
        while not place.exists():
            os.sched_yield()
        yield place


def read(fork_server: ForkServer, root: Path) -> list[list[Document]]:
    archive = Archive(root / "archive")
    receipt = Receipt(datetime(2020, 9, 15), "210727/a.csv", archive.keep(CONTENT))
    with Workers(fork_server, 1, 2**30) as workers:
        return list(read_deliveries(archive, load_reference(root), [receipt], Limits(), workers))


def children_of(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text("ascii")
    return [int(child) for child in listed.split()]


def test_it_is_forked_and_its_workers_read_and_all_of_them_end_with_it(tmp_path: Path) -> None:
    processes = set()
    for _ in range(2):
        with ForkServer() as fork_server:
            child = fork_server._process
            assert isinstance(child, ForkedChild)
            ((document,),) = read(fork_server, tmp_path)
            assert not isinstance(document.content, Unreadable)
            assert document.content
            workers = children_of(child.pid)
            assert workers
            processes.add(child.pid)
        for process in (child.pid, *workers):
            assert not Path(f"/proc/{process}").exists()
    assert len(processes) == 2


def test_one_that_is_killed_is_followed_by_another(tmp_path: Path) -> None:
    with ForkServer() as fork_server:
        os.kill(fork_server._process.pid, signal.SIGKILL)
        assert len(read(fork_server, tmp_path)) == 1


def test_without_a_warm_one_a_run_starts_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WARM_WORKERS.place, str(tmp_path / "nobody"))
    with ForkServer() as fork_server:
        assert isinstance(fork_server._process, subprocess.Popen)
        assert len(read(fork_server, tmp_path)) == 1
