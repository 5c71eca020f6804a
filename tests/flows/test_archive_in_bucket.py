"""An archive in a bucket: the same nights as with a folder, and nothing lost with the storage.

With a real S3 server (:mod:`tests.services`); where there is none these tests skip. What a shelf does is in
``tests/warehouse/test_bucket.py``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows import steps
from flows.after.reminders import note_sent, reminders, unsent
from flows.dry_run import rehearse
from flows.run import FORK_SERVER_AHEAD, Run, StepFailed
from flows.settings import SettingsError, load_settings
from flows.terminal.check import check_files
from flows.terminal.doctor import Line, diagnose
from flows.terminal.office import declare_final, rule
from tests.conftest import Home, book_bytes
from tests.services import Storage, dask_address, dask_cluster, storage
from transforms.forms import FORMS
from warehouse import objects as objects_module
from warehouse.archive import Archive
from warehouse.bucket import BucketShelf
from warehouse.ledger.store import Scope
from warehouse.publication.tables import OF_THE_MOMENT
from warehouse.reference import load_reference
from warehouse.storage import Bucket
from warehouse.workers.pool import ForkServer

YIXIAN, HEISHAN, GUTA = "210727", "210726", "210702"
LATER = "2020-09-16 00:00:00"


@pytest.fixture(scope="module")
def server() -> Iterator[Storage]:
    """An S3 server, which the environment names, and workers that know of it."""
    with storage() as server, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in server.environment.items():
            patch.setenv(name, value)
        with ForkServer() as forking:
            before = FORK_SERVER_AHEAD.set(forking)
            yield server
            FORK_SERVER_AHEAD.reset(before)


class BucketHome(Home):
    """A home whose archive is in a bucket of its own."""

    made = 0

    def __init__(self, root: Path, server: Storage, **settings: object) -> None:
        BucketHome.made += 1
        self.bucket = f"archive{BucketHome.made}"
        self.client = server.client()
        self.client.create_bucket(Bucket=self.bucket)
        section = {"place": f"s3://{self.bucket}/archive"}
        super().__init__(root, archive=section, **settings)
        (root / "settings.toml").write_text(f'[archive]\nplace = "{section["place"]}"\n')

    def held(self, below: str = "") -> list[str]:
        """The names of the objects, below ``archive/``."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"archive/{below}"
        )
        return [
            entry["Key"].removeprefix("archive/")
            for page in pages
            for entry in page.get("Contents", ())
        ]

    def get(self, name: str) -> bytes:
        """What an object holds."""
        answer = self.client.get_object(Bucket=self.bucket, Key=f"archive/{name}")
        return bytes(answer["Body"].read())

    def put(self, name: str, content: bytes) -> None:
        """By hand, whatever is there."""
        self.client.put_object(Bucket=self.bucket, Key=f"archive/{name}", Body=content)


@pytest.fixture
def bucket_home(tmp_path: Path, server: Storage) -> Iterator[BucketHome]:
    """An empty home with an empty bucket."""
    home = BucketHome(tmp_path / "home", server)
    with closing(home.client):
        yield home


def hand_in(home: Home) -> None:
    for number, unit in enumerate((YIXIAN, HEISHAN, GUTA), start=10):
        children = [{"children_enrolled": number, "ownership": "公办"}]
        home.sheet(unit, "kindergarten", 2020, children)
        people = [{"age": age, "population": number} for age in (3, 4)]
        home.sheet(unit, "population", 2020, people)
    # Answered by a copy of the original.
    home.deliver(f"{YIXIAN}/班级.xlsx", workbook())


@cache
def workbook() -> bytes:
    """A workbook that is returned; the same bytes each time, though it says when it was made."""
    return book_bytes({2020: {"class": [{"students": "五十", "class_name": "1班"}]}})


def decide(home: Home) -> None:
    """Declare the year final as it is, and approve a form of it."""
    declare_final(home.settings, "2020-1", [2020], anyway=True, decided_as="规划科")
    rule(
        home.settings,
        load_reference(home.root),
        GUTA,
        FORMS["population"],
        2020,
        approved=True,
        reason=None,
        decided_as="规划科",
    )


_PULLS = """
import os, signal, sys
from pathlib import Path
from flows import steps
from flows.run import Run
from flows.settings import load_settings
from warehouse.bucket import BucketShelf

send = BucketShelf.settle

def die(self, names):
    if names[0].startswith("receipts/"):
        os.kill(os.getpid(), signal.SIGKILL)
    send(self, names)

BucketShelf.settle = die
with Run.open(load_settings(Path(sys.argv[1]))) as run:
    steps.pull_inbox(run)
"""


@dataclass(frozen=True)
class Cities:
    """The same two nights over a folder and over a bucket; ``left`` is what a killed pull before them has left."""

    folder: Home
    bucket: BucketHome
    left: set[str]


@pytest.fixture(scope="module")
def cities(tmp_path_factory: pytest.TempPathFactory, server: Storage) -> Iterator[Cities]:
    """Two nights with decisions between them; the first pull into the bucket is killed before its receipts."""
    root = tmp_path_factory.mktemp("cities")
    folder, bucket = Home(root / "folder"), BucketHome(root / "bucket", server)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("flows.terminal.office", "warehouse.publication.official"):
            patch.setattr(f"{module}.now", lambda: datetime(2020, 9, 15, 12))
        for home in (folder, bucket):
            hand_in(home)
        command = [sys.executable, "-c", _PULLS, str(bucket.root)]
        died = subprocess.run(command, capture_output=True, text=True, check=False)
        assert died.returncode == -signal.SIGKILL, died.stderr
        left = set(bucket.held())
        for home in (folder, bucket):
            home.night()
        for home in (folder, bucket):
            decide(home)
            home.sheet(HEISHAN, "population", 2020, [{"age": 3, "population": 8}], received=LATER)
            home.night()
    with closing(bucket.client):
        yield Cities(folder, bucket, left)


def assert_the_same(one: Home, other: Home) -> None:
    """Every published table has the same rows."""
    with duckdb.connect(str(one.publication), read_only=True) as both:
        both.execute(f"ATTACH '{other.publication}' AS other (READ_ONLY)")
        found = both.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'other'"
        ).fetchall()
        names = [name for (name,) in found if name not in OF_THE_MOMENT]
        assert len(names) >= 13
        for name in names:
            for left, right in ((name, f"other.{name}"), (f"other.{name}", name)):
                assert not both.execute(f"FROM {left} EXCEPT ALL FROM {right}").fetchall(), name


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


# --- the same ---------------------------------------------------------------------------------


def test_a_night_with_a_bucket_publishes_what_one_with_a_folder_does(cities: Cities) -> None:
    folder, bucket = cities.folder, cities.bucket
    assert_the_same(folder, bucket)
    assert folder.ask("SELECT count(*) FROM finding") != [(0,)]
    assert not bucket.settings.archive_folder.exists()
    answers = files_below(folder.settings.outbox)
    assert len(answers) == 2
    assert files_below(bucket.settings.outbox) == answers
    names = set(files_below(folder.settings.archive_folder))
    assert len(names - set(bucket.held())) == 2, (
        "a release and what is kept of it name a publication"
    )
    assert len(bucket.held()) == len(names) == 8 + 2 + 3
    assert (bucket.root / "releases" / "2020-1").is_dir()


def test_a_night_without_news_reads_no_receipt_again(
    cities: Cities, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    fetched = BucketShelf._fetched
    monkeypatch.setattr(BucketShelf, "_fetched", lambda *a: (read.append(a[1]), fetched(*a))[1])
    for part, number in (([], 0), (Archive(cities.bucket.settings.archive).originals(), 8)):
        monkeypatch.setattr("flows.steps.part_of", lambda *_, part=part: part)
        with Run.open(cities.bucket.settings) as run:
            assert steps.pull_inbox(run).receipts == ()
            assert steps.unread(run) == []
            assert run.damaged == []
        assert len(read) == number, "the part of the originals that is looked through, once each"


def test_all_else_is_made_again_from_the_bucket_alone(cities: Cities, tmp_path: Path) -> None:
    """On another machine, which has the settings and the keys."""
    again = seeing(cities.bucket, tmp_path)
    again.night()
    assert again.rows() == cities.bucket.rows()
    assert files_below(again.settings.outbox) == files_below(cities.bucket.settings.outbox)


def seeing(bucket: BucketHome, folder: Path, **settings: object) -> Home:
    """A new home with the archive of another one."""
    home = Home(folder / "home", archive={"place": f"s3://{bucket.bucket}/archive"}, **settings)
    home.settings.inbox.mkdir()
    return home


def test_workers_of_a_cluster_read_the_bucket(cities: Cities, tmp_path: Path) -> None:
    with dask_cluster(1) as made:
        again = seeing(
            cities.bucket, tmp_path, engine={"readers": dask_address(made), "portion": 3}
        )
        again.load()
    with duckdb.connect(str(again.settings.warehouse), read_only=True) as both:
        both.execute(f"ATTACH '{cities.bucket.settings.warehouse}' AS other (READ_ONLY)")
        for name in ("delivery", "finding", "submitted.population", "submitted.kindergarten"):
            assert both.execute(f"FROM {name}").fetchall()
            assert not both.execute(f"FROM {name} EXCEPT ALL FROM other.{name}").fetchall()
            assert not both.execute(f"FROM other.{name} EXCEPT ALL FROM {name}").fetchall()


class NothingToWarnOf:
    """Stands for Great Expectations, which takes seconds to start."""

    def run(self, *given: Any, **_: object) -> dict[str, dict[str, list[object]]]:
        return {suite: {one.name: [] for one in asked} for suite, asked in given[2].items()}

    def close(self) -> None:
        """Nothing was started."""


def test_a_dry_run_and_a_check_read_the_bucket_and_write_nothing(
    cities: Cities, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = cities.bucket
    before = bucket.held()
    with rehearse(bucket.settings) as copy, Run.open(copy) as run:
        assert steps.reload_deliveries(run, Scope((2020,)), lambda: None).submissions == 8
    engine: Any = NothingToWarnOf()
    monkeypatch.setattr("flows.run.Engine", lambda _: engine)
    file = bucket.sheet(GUTA, "population", 2021, [{"age": 3, "population": 9}])
    moved = file.rename(tmp_path / file.name)
    (checked,) = check_files([moved], bucket.root, GUTA, tmp_path)
    assert checked.is_accepted
    assert bucket.held() == before


def test_what_units_were_sent_is_kept_there(cities: Cities) -> None:
    with cities.bucket.defined() as defined:
        found = reminders(cities.bucket.settings, defined.reference, date(2020, 11, 2))
    archive = cities.bucket.settings.archive
    assert unsent(archive, found) == found
    note_sent(archive, found[1:])
    assert unsent(archive, found) == found[:1]


# --- what fails -------------------------------------------------------------------------------


def test_a_pull_that_is_killed_before_its_receipts_leaves_originals_that_are_taken_again(
    cities: Cities,
) -> None:
    """The nights that followed are those above: as if nothing had been."""
    assert len(cities.left) == 7
    assert not [name for name in cities.left if name.startswith("receipts/")]
    assert cities.left < set(cities.bucket.held())


def test_a_folder_that_was_the_archive_is_not_left_behind(
    cities: Cities, bucket_home: BucketHome
) -> None:
    folder = cities.folder.settings.archive_folder
    shutil.copytree(folder, bucket_home.settings.archive_folder)
    with (
        pytest.raises(StepFailed, match=r"2 files of .* are not in s3://.*: copy all"),
        Run.open(bucket_home.settings),
    ):
        pass
    for name, content in files_below(folder).items():
        bucket_home.put(name, content)
    with Run.open(bucket_home.settings) as run:
        assert len(steps.unread(run)) == 8


def archive_line(home: Home) -> Line:
    """What `jzedu doctor --all` says first of the archive."""
    return next(one for one in diagnose(home.root, lambda _: (), True) if one.check == "archive")


def test_doctor_finds_an_object_that_was_changed_by_hand(cities: Cities) -> None:
    bucket = cities.bucket
    name = min(name for name in bucket.held() if name[2] == "/")
    content = bucket.get(name)
    bucket.put(name, content[:-1] + b"?")
    found = archive_line(bucket)
    assert found.state == "fail"
    assert f"s3://{bucket.bucket}/archive/{name} was changed" in found.found
    bucket.put(name, content)
    assert archive_line(bucket).found == (
        f"8 originals in s3://{bucket.bucket}/archive, 8 of them read and verified"
    )


def test_a_bucket_that_is_away_fails_the_night_and_the_publication_stands(
    cities: Cities, server: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last of these tests: it brings news."""
    home = cities.bucket
    before = home.rows()
    home.sheet(GUTA, "population", 2021, [{"age": 3, "population": 9}])
    monkeypatch.setattr(objects_module, "_TRIES", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with ForkServer() as cut_off:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        reaching = FORK_SERVER_AHEAD.set(cut_off)
        with Run.open(home.settings) as run:
            steps.pull_inbox(run)
            # Whoever reads is told, and not that an original is damaged.
            with pytest.raises(StepFailed, match=r"cannot be reached.*Nothing is lost") as failed:
                steps.load_deliveries(run, steps.unread(run), lambda: None)
            assert "\n" not in str(failed.value)
            assert run.damaged == []
        FORK_SERVER_AHEAD.reset(reaching)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    told = archive_line(home)
    assert told.state == "fail" and "cannot be reached" in told.found
    with pytest.raises(StepFailed, match="cannot be reached"):
        home.night()
    assert home.rows() == before
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    home.load()
    with duckdb.connect(str(home.settings.warehouse), read_only=True) as warehouse:
        found = warehouse.execute("SELECT region_code FROM submission WHERE year = 2021")
        assert found.fetchall() == [(GUTA,)]


# --- settings ---------------------------------------------------------------------------------


def settings_of(tmp_path: Path, text: str) -> Any:
    (tmp_path / "settings.toml").write_text(text)
    return load_settings(tmp_path)


def test_the_section_says_where_the_archive_is(tmp_path: Path) -> None:
    assert load_settings(tmp_path).archive == tmp_path / "archive"
    for place, prefix in (
        ("s3://jzedu/a/b", "a/b/"),
        ("s3://jzedu/", ""),
        ("s3://jzedu/辽宁/", "辽宁/"),
    ):
        found = settings_of(tmp_path, f'[archive]\nplace = "{place}"\n').archive
        assert found == Bucket("jzedu", prefix, tmp_path / ".archive")
        assert str(found) == place.rstrip("/")


_LAKE = '[warehouse]\ncatalog = "ducklake:postgres:dbname=jzedu"\ndata = "s3://jzedu/{}"\n'


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("", "archive.place: Field required"),
        ('place = "s3://jzedu/a"\nkey = "hush"', "archive.key: Extra inputs are not permitted"),
        ('place = "archive"', "write s3://bucket/prefix"),
        ('place = "s3:///archive"', "write s3://bucket/prefix"),
        ('place = "gs://jzedu/archive"', "write s3://bucket/prefix"),
        ('place = "s3://hush:hush@jzedu/archive"', "write s3://bucket/prefix"),
        ('place = "s3://jzedu/a//b"', "write s3://bucket/prefix"),
        ('place = "s3://jzedu/all/archive"\n' + _LAKE.format("all"), "lie one in the other"),
        ('place = "s3://jzedu/all"\n' + _LAKE.format("all/rows"), "lie one in the other"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_it(
    tmp_path: Path, section: str, said: str
) -> None:
    with pytest.raises(SettingsError) as told:
        settings_of(tmp_path, f"[archive]\n{section}\n")
    assert said in str(told.value)
    assert "hush" not in str(told.value)
    text = '[archive]\nplace = "s3://jzedu/all"\n' + _LAKE.format("allrows")
    assert isinstance(settings_of(tmp_path, text).archive, Bucket), "beside each other"
