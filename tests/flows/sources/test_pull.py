"""Several sources side by side: what one of them does costs the others nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from flows.sources.collect import PORTION, Collector, patiently
from flows.sources.cursor import Memory, Seen
from flows.sources.model import Delivery, Interrupted, Listing, NotTaken, Offer, SourceError
from flows.sources.settings import FolderSettings, HttpSettings, S3Settings, SftpSettings
from tests.flows.sources.conftest import PutFile, Station
from warehouse.archive import Archive


class Shelf:
    """A source in memory: what each path gives, or raises."""

    def __init__(self, **held: bytes | Exception) -> None:
        self.held = {f"210727/{name}.csv": content for name, content in held.items()}
        self.told: list[str] = []

    def files(self) -> Listing:
        return Listing(
            [
                Offer(
                    path,
                    partial(self._fetch, path),
                    size=None if isinstance(content, Exception) else len(content),
                    begin=partial(self.told.append, f"begin {path}"),
                )
                for path, content in self.held.items()
            ]
        )

    def probe(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _fetch(self, path: str, _: str) -> Delivery:
        self.told.append(f"fetch {path}")
        content = self.held[path]
        if isinstance(content, Exception):
            raise content
        return Delivery(content, None, "")


def collect(shelf: Shelf, archive: Archive, on_file: Callable[[], object] = lambda: None) -> Any:
    collector = Collector(shelf, archive, {}, Memory(), sleep=lambda _: None)
    return collector.collect(on_file)


def test_failing_sources_of_every_kind_leave_the_others_alone(
    station: Station, put_file: PutFile, tmp_path: Path, closed_port: int
) -> None:
    put_file(station.inbox / "210726/a.csv", b"a")
    put_file(tmp_path / "mounted/210727/b.csv", b"b")
    nobody = f"http://127.0.0.1:{closed_port}/"
    pulled = station.pull(
        FolderSettings(kind="folder", name="gone", path=Path("nowhere")),
        SftpSettings(
            kind="sftp", name="files", host="127.0.0.1", port=closed_port, username="jzedu"
        ),
        S3Settings(kind="s3", name="cloud", bucket="submissions", endpoint=nobody),
        HttpSettings(kind="http", name="portal", url=nobody),
        FolderSettings(kind="folder", name="mounted", path=tmp_path / "mounted"),
    )
    assert [sentence.partition(":")[0] for sentence in pulled.waiting] == [
        "gone",
        "files",
        "cloud",
        "portal",
    ]
    assert station.held() == {"210726/a.csv": b"a", "210727/b.csv": b"b"}
    assert pulled.found == 2


def test_tries_wait_longer_and_longer_and_then_stop() -> None:
    slept: list[float] = []
    tries: list[None] = []

    def attempt() -> None:
        tries.append(None)
        raise Interrupted("断了", "cut")

    with pytest.raises(Interrupted):
        patiently(attempt, slept.append)
    assert (len(tries), slept) == (4, [1.0, 5.0, 20.0])


def test_nothing_but_an_interruption_is_tried_again() -> None:
    for error in (SourceError("密钥不对", "wrong key"), NotTaken("不在", "gone")):
        slept: list[float] = []
        with pytest.raises(type(error)):
            patiently(partial(Shelf(a=error)._fetch, "210727/a.csv", ""), slept.append)
        assert slept == []


def test_a_source_that_fails_midway_keeps_what_it_gave(station: Station) -> None:
    locked, out = NotTaken("已锁住", "is locked"), SourceError("被拒之门外", "locked out")
    shelf = Shelf(a=b"a", b=locked, c=b"c", d=out, e=b"e")
    pulled = collect(shelf, station.archive)
    assert set(station.held()) == {"210727/a.csv", "210727/c.csv"}
    assert pulled.waiting == (
        ("210727/b.csv：已锁住", "210727/b.csv: is locked"),
        ("被拒之门外", "locked out"),
    )


def test_while_a_file_is_archived_the_next_one_is_fetched_that_will_be_taken(
    station: Station,
) -> None:
    shelf = Shelf(a=b"a", b=b"b" * 11, c=NotTaken("已锁住", "is locked"), d=b"d")
    Collector(shelf, station.archive, {}, Memory(), limit=10).collect(
        lambda: shelf.told.append("done")
    )
    of = "210727/{}.csv".format
    assert shelf.told == [
        *(f"fetch {of('a')}", "done", "done"),
        *(f"fetch {of('c')}", "done"),
        *(f"fetch {of('d')}", "done"),
    ]
    again = Shelf(a=b"a", c=b"c", d=b"d")
    collect(again, station.archive, lambda: again.told.append("done"))
    assert again.told == [
        *(f"fetch {of('a')}", f"begin {of('c')}", "done"),
        *(f"fetch {of('c')}", f"begin {of('d')}", "done"),
        *(f"fetch {of('d')}", "done"),
    ]


def test_a_run_that_is_stopped_keeps_what_it_has(station: Station) -> None:
    def stop() -> None:
        if len(station.originals()) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(Shelf(a=b"a", b=b"b", c=b"c"), station.archive, stop)
    assert set(station.held()) == {"210727/a.csv", "210727/b.csv"}


def test_a_run_that_is_killed_loses_at_most_a_portion(station: Station) -> None:
    held = {f"n{number:04}": b"%d" % number for number in range(PORTION + 10)}
    receipts = station.archive.root / "receipts"
    signed: list[int] = []

    def count() -> None:
        signed.append(sum(len(f.read_text().splitlines()) for f in receipts.glob("*.jsonl")))

    collect(Shelf(**held), station.archive, count)
    assert set(signed) == {0, PORTION}
    assert len(station.held()) == PORTION + 10


def test_a_file_that_does_not_come_to_its_place_is_never_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.sources.collect.PORTION", 1)
    archive = Archive(tmp_path / "archive")
    place = archive.root / sha256(b"one").hexdigest()[:2]
    with pytest.raises(FileExistsError):
        collect(Shelf(a=b"one"), archive, lambda: place.write_bytes(b"a file in the way"))
    assert list(archive.receipts()) == []
    place.unlink()
    collect(Shelf(a=b"one"), archive)
    assert [archive.read(receipt.sha256) for receipt in archive.receipts()] == [b"one"]


def test_names_cannot_forge_lines_of_a_message(station: Station) -> None:
    shelf = Shelf()
    shelf.held = {"210727/a\n  done\x1b[0m" + "x" * 500 + ".csv": NotTaken("已锁住", "is locked")}
    (sentence,) = collect(shelf, station.archive).waiting
    assert sentence.zh.isprintable() and sentence.en.isprintable()
    assert len(sentence.en) < 250


def test_the_memory_is_of_one_address(tmp_path: Path) -> None:
    memory = Memory.of(tmp_path, "portal", "https://here.example/")
    memory.seen["210727/a.csv"] = Seen(mark="etag:1", size=1, sha256="0" * 64)
    memory.save()
    assert Memory.of(tmp_path, "portal", "https://here.example/").seen == memory.seen
    assert Memory.of(tmp_path, "portal", "https://there.example/").seen == {}
    assert [file.name for file in (tmp_path / "sources").iterdir()] == ["portal.json"]


def test_the_memory_holds_no_secret_and_forgets_what_is_gone(
    station: Station, put_file: PutFile, tmp_path: Path
) -> None:
    file = put_file(tmp_path / "mounted/210727/a.csv", b"a")
    put_file(tmp_path / "mounted/210727/b.csv", b"b")
    mounted = FolderSettings(kind="folder", name="mounted", path=tmp_path / "mounted")
    station.pull(mounted)
    file.unlink()
    station.pull(mounted)
    stored = json.loads((station.home / "sources/mounted.json").read_text())
    assert set(stored["files"]) == {"210727/b.csv"}
    assert set(stored["files"]["210727/b.csv"]) == {"mark", "size", "sha256"}


def test_libraries_are_imported_by_the_sources_that_need_them() -> None:
    script = (
        "import sys, flows.sources.pull, flows.sources.settings;"
        "print([m for m in ('asyncssh', 'botocore', 'httpx', 'prefect') if m in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ
    )
    assert said.stdout.strip() == "[]"
