"""The publication in a bucket: whole for every reader, put once, and gone on with by the next night.

With a real S3 server (:mod:`tests.services`), and DuckDB reading from it as BI tools do; where one cannot be had
these tests skip. The same from a lake, and through SQLAlchemy, is in ``test_lake.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from flows import steps
from flows.after import notify
from flows.dry_run import rehearse
from flows.run import THEN, NotUploaded, Run, StepFailed
from flows.settings import Settings, SettingsError, load_settings
from flows.terminal.doctor import Line, diagnose
from flows.terminal.runner import _answered
from tests.conftest import Home
from tests.services import Storage, storage
from transforms.texts import Text, ToldInBoth
from warehouse import objects as objects_module
from warehouse.publication import uploaded as uploaded_module
from warehouse.publication.release import DATABASE
from warehouse.publication.tables import TABLES
from warehouse.publication.uploaded import CURRENT, RECORD, Uploaded, UploadedPublication, outdated
from warehouse.publication.views import VIEWS
from warehouse.storage import Bucket

YIXIAN, HEISHAN, GUTA = "210727", "210726", "210702"
PLACE = "bureau/bi"
#: Tables from all over the file.
SOME = TABLES[::5]


@pytest.fixture(scope="module")
def server() -> Iterator[Storage]:
    """An S3 server, which the environment names."""
    with storage() as server, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


class UploadingHome(Home):
    """A home whose publication is put into a bucket of its own as well."""

    made = 0

    def __init__(self, root: Path, server: Storage, **settings: object) -> None:
        UploadingHome.made += 1
        self.bucket = f"readers{UploadingHome.made}"
        self.client = server.client()
        self.client.create_bucket(Bucket=self.bucket)
        self.address = f"s3://{self.bucket}/{PLACE}"
        super().__init__(root, publication={"place": self.address}, **settings)
        (root / "settings.toml").write_text(f'[publication]\nplace = "{self.address}"\n')

    @property
    def there(self) -> UploadedPublication:
        """What is there."""
        place = self.settings.upload_place
        assert place is not None
        return UploadedPublication(place)

    def held(self) -> dict[str, tuple[str, int]]:
        """The objects of the bucket by their names, with ETag and size."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {
            entry["Key"].removeprefix(f"{PLACE}/"): (entry["ETag"], entry["Size"])
            for page in pages
            for entry in page.get("Contents", ())
        }

    def get(self, name: str) -> bytes:
        answer = self.client.get_object(Bucket=self.bucket, Key=f"{PLACE}/{name}")
        return bytes(answer["Body"].read())

    def put(self, name: str, content: bytes) -> None:
        """By hand, whatever is there."""
        self.client.put_object(Bucket=self.bucket, Key=f"{PLACE}/{name}", Body=content)

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"{PLACE}/{name}")

    @property
    def stands(self) -> str:
        """The id of the publication in the home."""
        ((found,),) = self.ask("SELECT max(publication_id) FROM publication")
        return str(found)

    def has_news(self) -> bool:
        """Whether a night would do anything."""
        with Run.open(self.settings) as run:
            return steps.look(run).has_news


def hand_in(home: Home, unit: str, year: int, number: int) -> None:
    home.sheet(unit, "population", year, [{"age": 3, "population": number}])
    home.sheet(unit, "kindergarten", year, [{"children_enrolled": number, "ownership": "公办"}])


def reader(server: Storage) -> duckdb.DuckDBPyConnection:
    """A DuckDB as a BI tool has it: it knows the storage and nothing else."""
    httpfs = pytest.importorskip("duckdb_extension_httpfs", reason="the extra lake is missing")
    (file,) = Path(httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
    connection = duckdb.connect()
    connection.execute(
        f"LOAD '{file}'; SET http_retries = 0; CREATE SECRET (TYPE s3, KEY_ID '{server.environment['AWS_ACCESS_KEY_ID']}',"
        f" SECRET '{server.environment['AWS_SECRET_ACCESS_KEY']}', URL_STYLE 'path', USE_SSL false,"
        f" ENDPOINT '{server.endpoint.removeprefix('http://')}')"
    )
    return connection


def assert_equal(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> None:
    """Two tables have the same rows."""
    for left, right in ((one, other), (other, one)):
        rows = connection.execute(f"FROM {left} EXCEPT ALL FROM {right} LIMIT 3").fetchall()
        assert rows == [], (left, right)


class Puts:
    """Stands around what puts an object: notes the names, and fails or dies at the one it is told."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        for method in ("_put_file", "_put_small"):
            patch.setattr(UploadedPublication, method, self._noting(method))

    def _noting(self, method: str) -> Any:
        put = getattr(UploadedPublication, method)

        def noted(there: UploadedPublication, name: str, content: Any) -> None:
            self.names.append(name)
            put(there, name, content)

        return noted


@dataclass(frozen=True)
class Two:
    """A home after two nights, with what the first of them has put."""

    home: UploadingHome
    first: str
    held_then: dict[str, tuple[str, int]]
    order: list[str]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, server: Storage) -> Iterator[Two]:
    """Two nights, with a submission of a year that is not known for one file."""
    home = UploadingHome(tmp_path_factory.mktemp("two") / "home", server)
    with pytest.MonkeyPatch.context() as patch:
        puts = Puts(patch)
        hand_in(home, YIXIAN, 2020, 10)
        home.deliver(f"{YIXIAN}/空.xlsx", b"")
        home.night()
        first, held = home.stands, home.held()
        home.settings = home.settings.model_copy(update={"public_edition": True})
        hand_in(home, HEISHAN, 2021, 20)
        home.night()
    with closing(home.client):
        yield Two(home, first, held, puts.names)


# --- what is there ----------------------------------------------------------------------------


def test_duckdb_reads_the_same_rows_from_the_file_on_storage(two: Two, server: Storage) -> None:
    home = two.home
    with closing(reader(server)) as connection:
        connection.execute(
            f"ATTACH '{home.address}/indicators.duckdb' AS there (READ_ONLY);"
            f"ATTACH '{home.publication}' AS here (READ_ONLY)"
        )
        for table in (*TABLES, *VIEWS):
            assert_equal(connection, f"there.{table.name}", f"here.{table.name}")
        assert connection.execute("SELECT count(*) FROM there.attainment").fetchall() != [(0,)]
        with pytest.raises(duckdb.Error, match="read-only"):
            connection.execute("DELETE FROM there.attainment")
    assert home.get(DATABASE) == home.publication.read_bytes()


def test_a_large_file_goes_in_parts_and_is_whole(
    two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploaded_module, "_PART", 5 * 2**20)  # storage takes no smaller ones
    file = tmp_path / "large"
    file.write_bytes(bytes(range(256)) * 2**12 * 11)
    two.home.there._put_file("large/file", file)
    assert two.home.get("large/file") == file.read_bytes()
    etag, size = two.home.held()["large/file"]
    assert etag == uploaded_module._digests(file).etag == f'"{etag[1:33]}-3"'
    assert size == 11 * 2**20
    two.home.delete("large/file")


def test_duckdb_reads_the_same_rows_from_parquet_by_year(two: Two, server: Storage) -> None:
    home, stands = two.home, two.home.stands
    with closing(reader(server)) as connection:
        connection.execute(f"ATTACH '{home.publication}' AS here (READ_ONLY)")
        for table in TABLES:
            files = f"{home.address}/{stands}/{table.name}/**/*.parquet"
            connection.execute(
                f"CREATE OR REPLACE VIEW there AS FROM read_parquet('{files}', hive_partitioning = true)"
            )
            assert_equal(connection, "there", f"here.{table.name}")
            kinds = dict(
                connection.execute(
                    "SELECT column_name, column_type FROM (DESCRIBE there)"
                ).fetchall()
            )
            assert list(kinds) == [column.name for column in table.columns]
            assert kinds.get("year", "BIGINT") in ("BIGINT", "INTEGER"), table.name
        files = f"{home.address}/{home.stands}/attainment/**/*.parquet"
        told = connection.execute(
            f"SELECT DISTINCT year, filename FROM read_parquet('{files}', hive_partitioning = true,"
            " filename = true) WHERE year = 2020"
        ).fetchall()
        assert told == [(2020, f"{home.address}/{home.stands}/attainment/year=2020/data_0.parquet")]


def test_current_json_tells_what_there_is(two: Two) -> None:
    home = two.home
    told = json.loads(home.get(CURRENT))
    assert home.get(f"{home.stands}/{RECORD}") == home.get(CURRENT)
    assert told["publication_id"] == home.stands
    assert told["published_at"].endswith("Z")
    assert told["sample"] is False
    assert [table["name"] for table in told["tables"]] == [table.name for table in TABLES]
    for table, published in zip(told["tables"], TABLES, strict=True):
        assert [(c["name"], c["type"]) for c in table["columns"]] == [
            (column.name, column.type) for column in published.columns
        ]
        assert [(table["rows"],)] == home.ask(f"SELECT count(*) FROM {table['name']}")
        years = (
            [str(year) for (year,) in home.ask(f"SELECT DISTINCT year FROM {table['name']}")]
            if (table["partitioned_by"])
            else []
        )
        assert len(table["files"]) == max(1, len(years))
    some = [file for table in told["tables"][:5] for file in table["files"][-1:]]
    for file in (told["database"], *some):
        content = home.get(file["name"])
        assert len(content) == file["bytes"]
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
    names = {file["name"] for table in told["tables"] for file in table["files"]}
    held, stands = set(home.held()), home.stands
    below = {name for name in held if name.startswith(stands)}
    assert below == names | {told["database"]["name"], f"{stands}/{RECORD}"}
    assert held - below - {DATABASE, CURRENT} == {
        name for name in two.held_then if name.startswith(two.first)
    }


def test_the_names_that_change_are_put_last(two: Two) -> None:
    for publication_id in (two.first, two.home.stands):
        own = [name for name in two.order if name.startswith(publication_id)]
        end = two.order.index(own[-1]) + 1
        assert own[-1] == f"{publication_id}/{RECORD}"
        assert two.order[end : end + 2] == [DATABASE, CURRENT]


def test_a_publication_that_was_replaced_stays_as_it_was(two: Two, server: Storage) -> None:
    home = two.home
    held = home.held()
    for name, facts in two.held_then.items():
        if name.startswith(two.first):
            assert held[name] == facts
    with closing(reader(server)) as connection:
        connection.execute(
            f"ATTACH '{home.address}/{two.first}/indicators.duckdb' AS earlier (READ_ONLY)"
        )
        told = connection.execute("SELECT DISTINCT region_code FROM earlier.submission").fetchall()
        assert told == [(YIXIAN,)]


def test_the_edition_for_the_public_is_not_put_there(two: Two) -> None:
    assert (two.home.settings.published / "public" / DATABASE).exists()
    assert two.home.get(DATABASE) == two.home.publication.read_bytes()
    assert not [name for name in two.home.held() if "public/" in name]


# --- once, and to the end ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, server: Storage) -> Iterator[UploadingHome]:
    """A home after a night; each test leaves it with what it has put there, but of more units."""
    home = UploadingHome(tmp_path_factory.mktemp("one") / "home", server)
    hand_in(home, YIXIAN, 2020, 10)
    home.night()
    with closing(home.client):
        yield home


def test_what_says_the_same_is_not_put_again_and_what_is_missing_is(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = two.home
    before = home.held()
    puts = Puts(monkeypatch)
    assert not home.has_news()
    assert home.night().imprint is None
    assert (puts.names, home.held()) == ([], before)
    with rehearse(home.settings) as copy:
        assert copy.upload_place is None, "a dry run puts nothing there"
    gone = f"{home.stands}/region/data_0.parquet"
    home.delete(gone)
    assert uploaded_line(home).state == "warn"
    assert home.has_news()
    puts.names.clear()
    home.night()
    assert puts.names == [gone, f"{home.stands}/{RECORD}", CURRENT]
    assert {name: size for name, (_, size) in home.held().items()} == {
        name: size for name, (_, size) in before.items()
    }
    home.put(CURRENT, b"?")
    assert not home.there.holds(home.stands)
    home.there.put(home.publication, home.stands, 30)
    assert home.there.holds(home.stands)


_DIES = """
import os, signal, sys
from pathlib import Path
from tests.conftest import Home
from warehouse.publication.uploaded import UploadedPublication

put, left = UploadedPublication._put_file, [20]

def die(self, name, file):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    put(self, name, file)

UploadedPublication._put_file = die
UploadedPublication.each = lambda self, function, items: map(function, items)
Home.of_folder(Path(sys.argv[1])).night()
"""


def test_an_upload_that_is_killed_is_gone_on_with_by_the_next_night(
    home: UploadingHome, server: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, before = home.stands, home.held()
    with duckdb.connect() as here:
        here.execute(f"ATTACH '{home.publication}' AS there (READ_ONLY)")
        earlier = [read_all(here, table.name) for table in SOME]
    hand_in(home, HEISHAN, 2021, 20)
    killed = subprocess.run(
        [sys.executable, "-c", _DIES, str(home.root)], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert home.stands != first, "in the home it stands"
    held, stands = home.held(), home.stands
    assert len([name for name in held if name.startswith(stands)]) == 19
    assert {name: held[name] for name in before} == before, "readers have the one before, whole"
    with closing(reader(server)) as connection, closing(reader(server)) as pinned:
        connection.execute(f"ATTACH '{home.address}/indicators.duckdb' AS there (READ_ONLY)")
        own = f"{home.address}/{first}/indicators.duckdb"
        pinned.execute(f"ATTACH '{own}' AS there (READ_ONLY)")
        ask = "SELECT DISTINCT region_code FROM there.submission ORDER BY ALL"
        assert HEISHAN not in str(connection.execute(ask).fetchall())
        puts = Puts(monkeypatch)
        assert home.has_news()
        assert home.night().imprint is None, "it says the same"
        assert not set(puts.names) & set(held) - {DATABASE, CURRENT}, "what was there is left"
        # A file that was replaced under its reader is never read in part as the one and in part as the other.
        after = [read_all(connection, table.name) for table in SOME]
        assert None in after, "it was told that the file was replaced"
        assert all(rows in (then, None) for rows, then in zip(after, earlier, strict=True))
        assert [read_all(pinned, table.name) for table in SOME] == earlier
    assert not home.has_news()
    with closing(reader(server)) as connection:
        connection.execute(f"ATTACH '{home.address}/indicators.duckdb' AS there (READ_ONLY)")
        assert HEISHAN in str(connection.execute(ask).fetchall())


def read_all(connection: duckdb.DuckDBPyConnection, table: str) -> object:
    """What a table of the file on storage holds, in one figure; None where reading it failed."""
    try:
        return connection.execute(f"SELECT sum(hash(t)) FROM there.{table} AS t").fetchall()
    except (duckdb.Error, UnicodeDecodeError):  # DuckDB's own sentence is not always text
        return None


def test_who_is_told_of_a_failed_upload_is_told_what_stands_where(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.terminal.runner._leave", sys.exit)  # it ends more than this test
    text = Text("连不上", "cannot be reached")
    console = Console(stderr=True)
    for error, said in (
        (NotUploaded, "In the home it is published"),
        (StepFailed, "Nothing was published"),
    ):
        with pytest.raises(SystemExit), _answered(console):
            raise error("publish", text, THEN)
        assert said in capsys.readouterr().err
    told = notify.failed("nightly", text, published=True).text
    assert "本机已经发布，存储桶里仍是上一次的" in told and "It is published in the home" in told


def uploaded_line(home: Home) -> Line:
    """What `jzedu doctor` says of the place."""
    (line,) = [one for one in diagnose(home.root, lambda _: ()) if one.check == "uploaded"]
    return line


def test_storage_that_is_away_fails_the_run_and_the_publication_in_the_home_stands(
    home: UploadingHome, server: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = uploaded_line(home)
    assert line.state == "ok" and home.stands in line.found
    assert ".probe" not in home.held()
    first = home.stands
    hand_in(home, GUTA, 2021, 30)
    monkeypatch.setattr(objects_module, "_TRIES", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(NotUploaded, match="cannot be reached") as failed:
        home.night()
    assert failed.value.published
    said = failed.value.text
    assert (
        f"the publication {home.address} is" in said.en and "the next run puts it there" in said.en
    )
    assert f"发布 {home.address}" in said.zh and "下一次运行会补送" in said.zh
    assert home.stands != first
    assert uploaded_line(home).state == "fail"
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    line = uploaded_line(home)
    assert (line.state, line.do) == ("warn", "Run jzedu nightly: it is put there.")
    assert home.has_news()
    home.night()
    assert uploaded_line(home).state == "ok"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StepFailed, match="cannot be reached") as failed:
        home.has_news()
    assert not failed.value.published


def test_a_key_that_is_missing_is_told_before_anything_is_done(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    said = f"AWS_SECRET_ACCESS_KEY is not set, and the publication is at {two.home.address}"
    with pytest.raises(StepFailed, match=said), Run.open(two.home.settings):
        pass


def test_what_is_outdated_is_removed_and_what_is_not_ours_stays(two: Two) -> None:
    home, before = two.home, set(two.home.held())
    old = [f"200011{day:02}T010000000000Z" for day in (1, 2)]
    for name in (*old, "notes"):
        for part in (RECORD, "region/data_0.parquet"):
            home.put(f"{name}/{part}", b"")
    begun = [
        home.client.create_multipart_upload(Bucket=home.bucket, Key=f"{PLACE}/{name}/{DATABASE}")
        for name in (old[0], "notes")
    ]
    home.there._tidy(home.stands, 3)
    assert {name.partition("/")[0] for name in set(home.held()) - before} == {old[1], "notes"}
    left = home.client.list_multipart_uploads(Bucket=home.bucket).get("Uploads", [])
    assert {upload["UploadId"] for upload in left} == {begun[1]["UploadId"]}
    for name in set(home.held()) - before:
        home.delete(name)


def test_the_last_ones_stay_and_any_that_was_replaced_less_than_a_day_before() -> None:
    days = [f"202611{day:02}T010000000000Z" for day in range(1, 11)]
    assert outdated(days, days[-1], 30) == []
    assert outdated(days, days[-1], 3) == days[:-3]
    assert outdated(days, days[-1], 1) == days[:-2], "the one before was replaced today"
    hours = [f"20261101T{hour:02}0000000000Z" for hour in range(10)]
    assert outdated(hours, hours[-1], 1) == []
    assert outdated([*hours, days[5]], days[5], 1) == hours[:-1]
    assert outdated(days, days[4], 1) == [one for one in days[:4] if one < days[3]]


# --- settings ---------------------------------------------------------------------------------


def settings_of(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "settings.toml").write_text(text)
    return load_settings(tmp_path)


def test_the_section_says_where_the_publication_is_put(tmp_path: Path) -> None:
    assert load_settings(tmp_path).upload_place is None
    found = settings_of(tmp_path, f'[publication]\nplace = "s3://jzedu/{PLACE}"\n').upload_place
    assert found == Bucket("jzedu", f"{PLACE}/", tmp_path / ".publication")


_LAKE = '[warehouse]\ncatalog = "ducklake:postgres:dbname=jzedu"\ndata = "s3://jzedu/{}"\n'
_ARCHIVE = '[archive]\nplace = "s3://jzedu/{}"\n'


@pytest.mark.parametrize(
    ("section", "zh", "en"),
    [
        ("", "publication.place：", "publication.place: Field required"),
        (
            'place = "s3://jzedu/a"\nkey = "hush"',
            "publication.key：",
            "publication.key: Extra inputs",
        ),
        ('place = "published"', "请写成 s3://存储桶/前缀", "write s3://bucket/prefix"),
        ('place = "s3://hush:hush@jzedu/a"', "请写成 s3://存储桶/前缀", "write s3://bucket/prefix"),
        ('place = "s3://jzedu/city=1"', "不能有 =", "no = in the prefix"),
        ('place = "s3://jzedu/报表"', "不能有 报", "no 报 in the prefix"),
        ('place = "s3://jzedu/*"', "不能有 *", "no * in the prefix"),
        ('place = "s3://jzedu/a"\n' + _LAKE.format("a/rows"), "一个在另一个里面", "[publication]"),
        ('place = "s3://jzedu/a"\n' + _ARCHIVE.format("a"), "一个在另一个里面", "[archive]"),
        (
            'place = "s3://jzedu/a/b"\n' + _ARCHIVE.format("a"),
            "一个在另一个里面",
            "lie one in the other",
        ),
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_it(
    tmp_path: Path, section: str, zh: str, en: str
) -> None:
    with pytest.raises(SettingsError) as told:
        settings_of(tmp_path, f"[publication]\n{section}\n")
    error: ToldInBoth = told.value
    assert zh in error.text.zh
    assert en in error.text.en
    assert "hush" not in error.text.zh + error.text.en


def test_the_three_places_lie_beside_each_other(tmp_path: Path) -> None:
    text = '[publication]\nplace = "s3://jzedu/a"\n' + _LAKE.format("ab") + _ARCHIVE.format("abc")
    assert settings_of(tmp_path, text).upload_place is not None


def test_a_record_of_a_later_version_can_be_read() -> None:
    told = {"publication_id": "a", "published_at": "2026-11-01T00:00:00Z", "later": 1}
    rest = {"code_version": None, "plan_version": None, "sample": False, "tables": []}
    database = {"name": "a/indicators.duckdb", "bytes": 1, "sha256": "", "later": 1}
    assert list(Uploaded.model_validate({**told, **rest, "database": database}).files)
