"""A warehouse that is a lake: the same rows as from a file, one writer, and nothing lost with its services.

With a real PostgreSQL and a real S3 server (:mod:`tests.services`); where one cannot be had these tests skip.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy
from click.testing import CliRunner
from sqlalchemy.pool import NullPool

from flows import steps
from flows.dry_run import rehearse
from flows.lock import Patience, only_writer_of
from flows.places import STORAGE, _secrets_in
from flows.run import Run, StepFailed
from flows.settings import EngineSettings, load_settings
from flows.terminal.cli import cli
from flows.terminal.doctor import diagnose
from tests.bi.conftest import all_charts, load_module, query, records
from tests.conftest import ByHand, Home, MakeHome, Row, without_pages
from tests.services import (
    Postgres,
    Storage,
    dask_address,
    dask_cluster,
    postgres,
    storage,
)
from transforms.forms import FORMS
from transforms.records import LEDGER
from transforms.sample import write_sample
from warehouse import place
from warehouse.lake import SCHEME, Fence, Lake, LakeFailed, NoLongerWriter, tend
from warehouse.ledger.store import Scope, fenced, load
from warehouse.place import connect
from warehouse.publication.tables import OF_THE_MOMENT, TABLES
from warehouse.publication.views import VIEWS
from warehouse.reference import load_reference
from warehouse.sql import literal

YIXIAN, HEISHAN, GUTA = "210727", "210726", "210702"
#: What a night may add to the lake's history, also the first one, which makes schema, tables and fence.
SNAPSHOTS = 10


@pytest.fixture(scope="module")
def catalog() -> Iterator[Postgres]:
    """PostgreSQL, which the environment names."""
    with postgres() as server, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("PG", "AWS_"))]:
            patch.delenv(name)
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="module")
def shared(catalog: Postgres) -> Iterator[Storage]:
    """An S3 server, which the environment names."""
    with storage() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


class LakeHome(Home):
    """A home whose warehouse is a lake of its own, its rows in a folder or in a bucket."""

    def __init__(self, root: Path, catalog: Postgres, *, on_storage: bool = False) -> None:
        self.server, self.database = catalog, catalog.database()
        rows = root.with_name(f"{root.name}-rows")
        data = f"s3://jzedu/{self.database}" if on_storage else str(rows)
        if not on_storage:
            rows.mkdir(parents=True)
        lake = {"catalog": f"{SCHEME}dbname={self.database}", "data": data}
        readers = {"publication": {"place": f"{data}-published"}} if on_storage else {}
        super().__init__(root, warehouse=lake, **readers)

    @property
    def lake(self) -> Lake:
        """Its warehouse."""
        place = self.settings.place
        assert isinstance(place, Lake)
        return place

    def snapshots(self) -> int:
        """How many there are."""
        return int(self.server.ask(self.database, "SELECT count(*) FROM ducklake_snapshot"))

    def files(self, below: str) -> int:
        """How many files of rows lie on the storage."""
        ((number,),) = self.ask_lake(f"SELECT count(*) FROM glob('{self.lake.data}{below}**')")
        return int(number)

    def ask_lake(self, query: str) -> list[tuple[Any, ...]]:
        """Rows out of the warehouse."""
        with connect(self.lake, read_only=True) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def lake_home(tmp_path: Path, catalog: Postgres) -> LakeHome:
    """An empty home with an empty lake."""
    return LakeHome(tmp_path / "home", catalog)


class AtOnce(steps.Doing):
    """Steps that may go on beside others do, as in a flow."""

    def begin(self, name: str, step: Callable[[Run], Any], run: Run) -> Callable[[], Any]:
        ended = ThreadPoolExecutor(1)
        future = ended.submit(copy_context().run, step, run)
        ended.shutdown(wait=False)
        return future.result


def whole_night(home: Home) -> steps.Imprint | None:
    """All that a night does, the warnings and Great Expectations included, but for the pages."""
    with without_pages(), Run.open(home.settings) as run:
        found = steps.look(run)
        if not found.has_news:
            return None
        run.warm_up()
        steps.load_deliveries(run, found.receipts, lambda: None)
        return steps.finish(run, AtOnce())[1]


def people(number: int) -> Sequence[Row]:
    return [{"age": age, "population": number} for age in (3, 4, 5)]


# --- the same rows ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cities(
    tmp_path_factory: pytest.TempPathFactory, catalog: Postgres, shared: Storage
) -> tuple[Home, LakeHome]:
    """Two counties over two years as they really send, in a file and in a lake."""
    root = tmp_path_factory.mktemp("cities")
    file, lake = Home(root / "file"), LakeHome(root / "lake", catalog, on_storage=True)
    reference = load_reference(root)
    units = reference.units["region_code"].is_in([YIXIAN, HEISHAN])
    write_sample(
        file.settings.inbox,
        (2020, 2021),
        reference.units.filter(units),
        reference.townships,
        mess="usual",
    )
    shutil.copytree(file.settings.inbox, lake.settings.inbox)
    for home in (file, lake):
        assert whole_night(home) is not None
    return file, lake


def test_a_lake_publishes_the_same_rows_as_a_file(cities: tuple[Home, LakeHome]) -> None:
    file, lake = cities
    assert not lake.settings.warehouse.exists()
    with duckdb.connect(str(lake.publication), read_only=True) as both:
        both.execute(f"ATTACH '{file.publication}' AS other (READ_ONLY)")
        tables = [
            name
            for (name,) in both.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = 'other'"
            ).fetchall()
            if name not in OF_THE_MOMENT
        ]
        assert len(tables) >= 13
        for name in tables:
            for one, two in ((name, f"other.{name}"), (f"other.{name}", name)):
                left = both.execute(f"FROM {one} EXCEPT ALL FROM {two}").fetchall()
                assert not left, name
    assert file.rows()["attainment"]
    assert file.ask("SELECT count(*) FROM finding") != [(0,)]


def test_a_night_adds_few_snapshots_and_a_night_without_news_none(
    cities: tuple[Home, LakeHome],
) -> None:
    lake = cities[1]
    before = lake.snapshots()
    assert before <= SNAPSHOTS
    assert whole_night(lake) is None
    assert lake.snapshots() == before


def test_what_is_loaded_within_a_minute_is_one_snapshot(lake_home: LakeHome) -> None:
    for number, unit in enumerate((YIXIAN, HEISHAN, GUTA)):
        lake_home.sheet(unit, "population", 2020, people(number))
    settings = lake_home.settings.model_copy(update={"engine": EngineSettings(portion=1)})
    with Run.open(settings) as run:
        before = lake_home.snapshots()
        steps.pull_inbox(run)
        steps.load_deliveries(run, steps.unread(run), lambda: None)
        assert lake_home.snapshots() == before + 1
    assert lake_home.ask_lake("SELECT count(*) FROM submission") == [(3,)]


def test_the_rows_that_are_computed_from_have_a_say_in_how_much_memory_a_run_may_take(
    lake_home: LakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake_home.sheet(YIXIAN, "population", 2020, people(1))
    monkeypatch.setattr(place, "shared_memory", lambda: 2**40)
    with Run.open(lake_home.settings) as run:
        steps.load_deliveries(run, steps.look(run).receipts, lambda: None)
        monkeypatch.setattr(place, "_MEMORY_OF_A_ROW", 2**30)
        run.compute_apart()
        ((limit,),) = run.connection.execute("SELECT current_setting('memory_limit')").fetchall()
    assert limit.endswith("GiB")


def test_workers_of_a_cluster_leave_what_they_have_read_beside_the_rows(
    cities: tuple[Home, LakeHome],
    tmp_path: Path,
    catalog: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run loads it from there, and it is gone when the run is."""
    lake = LakeHome(tmp_path / "home", catalog, on_storage=True)
    shutil.copytree(cities[0].settings.archive, lake.settings.archive)
    loaded: list[str] = []
    monkeypatch.setattr(
        "warehouse.ledger.ingest.load",
        lambda connection, tables: (loaded.extend(tables.values()), load(connection, tables))[1],
    )
    with dask_cluster(1) as made:
        engine = EngineSettings(readers=dask_address(made), portion=30)
        with Run.open(lake.settings.model_copy(update={"engine": engine})) as run:
            steps.load_deliveries(run, steps.unread(run), lambda: None)
    assert len(loaded) > 20
    assert all(one.startswith(f"{lake.lake.data}portions/") for one in loaded)
    assert lake.files("portions/") == 0
    with connect(lake.lake, read_only=True) as both:
        both.execute(f"ATTACH '{cities[0].settings.warehouse}' AS other (READ_ONLY)")
        for name in ("delivery", "submission", "finding", *(f"submitted.{form}" for form in FORMS)):
            for one, two in ((name, f"other.{name}"), (f"other.{name}", name)):
                assert not both.execute(f"FROM {one} EXCEPT ALL FROM {two}").fetchall(), name


def test_no_table_of_the_warehouse_has_a_type_that_a_lake_changes(
    cities: tuple[Home, LakeHome],
) -> None:
    file, lake = cities
    query = (
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns()"
        " WHERE database_name = 'warehouse' AND schema_name <> 'writing' ORDER BY ALL"
    )
    with duckdb.connect(str(file.settings.warehouse), read_only=True) as connection:
        columns = connection.execute(query).fetchall()
    assert {(s, t) for s, t, *_ in columns} >= {
        *(("main", record.name) for record in LEDGER),
        *(("submitted", form) for form in FORMS),
    }
    # DuckLake stores it as DOUBLE, and says nothing.
    in_lake = lake.ask_lake(query)
    assert not [column for column in (*columns, *in_lake) if "HUGEINT" in column[-1]]
    assert [column for column in in_lake if column[0] != "published"] == columns


def test_readers_find_the_publication_in_the_lake(
    lake_home: LakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake_home.sheet(YIXIAN, "population", 2020, people(10))
    lake_home.night()
    lake_home.server.ask(lake_home.database, _READER)
    monkeypatch.setenv("PGUSER", "reader")
    with connect(lake_home.lake, read_only=True) as reader:
        reader.execute("BEGIN")
        ask = "SELECT region_code FROM published.submission ORDER BY ALL"
        assert reader.execute(ask).fetchall() == [(YIXIAN,)]
        monkeypatch.setenv("PGUSER", "postgres")
        lake_home.sheet(HEISHAN, "population", 2020, people(20))
        lake_home.night()
        assert reader.execute(ask).fetchall() == [(YIXIAN,)], "it is reading the one before"
        reader.execute("COMMIT")
        assert reader.execute(ask).fetchall() == [(HEISHAN,), (YIXIAN,)]
        comments = (
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns()"
            " WHERE (database_name, schema_name) = ({}) ORDER BY ALL"
        )
        shared = reader.execute(comments.format("'warehouse', 'published'")).fetchall()
        reader.execute(f"ATTACH '{lake_home.publication}' AS file (READ_ONLY)")
        for table in (*TABLES, *VIEWS):
            for one, two in (("file", "warehouse.published"), ("warehouse.published", "file")):
                query = f"FROM {one}.{table.name} EXCEPT ALL FROM {two}.{table.name}"
                assert not reader.execute(query).fetchall(), table.name
        words = dict[tuple[str, str], str]()
        for view, column, comment in reader.execute(
            "FROM warehouse.published.view_column"
        ).fetchall():
            words[view, column] = comment
        told = [
            (name, column, kind, comment or words.get((name, column)))
            for name, column, kind, comment in shared
            if name != "view_column"
        ]
        assert told == reader.execute(comments.format("'file', 'main'")).fetchall()
        with pytest.raises(duckdb.Error):
            reader.execute("DELETE FROM published.submission")


_READER = """
CREATE ROLE reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader
"""


@pytest.mark.parametrize("where", ["lake", "storage"])
def test_superset_gets_the_same_from_lake_and_storage_as_from_the_file(
    cities: tuple[Home, LakeHome], where: str
) -> None:
    """Through SQLAlchemy, with the record of the database that the bundle brings."""
    lake, load = cities[1], load_module()
    assert lake.settings.uploads is not None
    on_storage = f"{lake.settings.uploads.place}indicators.duckdb"
    address = on_storage if where == "storage" else f"{SCHEME}{lake.lake.catalog}"
    files, attached = (load.contents(one) for one in (lake.publication, address))
    (database,) = records(attached, "databases").values()
    assert "test-secret" not in str(database), "keys come from the environment"
    uri, params = sys.modules["jzedu_attached"].DB_CONNECTION_MUTATOR(
        sqlalchemy.make_url(database["sqlalchemy_uri"]),
        {"poolclass": NullPool, **database["extra"]["engine_params"]},
        *(None, None, None),
    )
    engine = sqlalchemy.create_engine(uri, **params)
    with duckdb.connect(str(lake.publication), read_only=True) as file, engine.connect() as there:
        here = records(files, "datasets")
        for uuid, dataset in records(attached, "datasets").items():
            assert dataset["columns"] == here[uuid]["columns"]
            assert dataset["schema"] == ("published" if where == "lake" else "main")
        for asked in all_charts():
            dataset = records(attached, "datasets")[asked.dataset_uuid]
            rows = there.execute(sqlalchemy.text(query(asked, dataset))).fetchall()
            wanted = file.execute(query(asked, here[asked.dataset_uuid])).fetchall()
            assert sorted(map(str, rows)) == sorted(map(str, wanted)), asked.name
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="read-only"):
            there.execute(sqlalchemy.text("DELETE FROM region"))
    names = sqlalchemy.inspect(engine).get_view_names(f"jzedu.{dataset['schema']}")
    assert {"trend", "county_scorecard"} <= set(names)
    engine.dispose()


def test_what_postgres_loses_is_made_again_from_the_archive(
    cities: tuple[Home, LakeHome], tmp_path: Path, catalog: Postgres
) -> None:
    lake = cities[1]
    again = LakeHome(tmp_path / "home", catalog)
    shutil.copytree(lake.settings.archive, again.settings.archive)
    again.settings.inbox.mkdir()
    whole_night(again)
    assert again.rows() == lake.rows()


def test_terminal_commands_work_on_a_lake(cities: tuple[Home, LakeHome]) -> None:
    file, lake = cities
    toml = "[warehouse]\n" + "".join(
        f"{name} = {json.dumps(value)}\n"
        for name, value in {
            "catalog": SCHEME + lake.lake.catalog,
            "data": lake.lake.data,
        }.items()
    )
    (lake.root / "settings.toml").write_text(toml)
    told = {}
    for home in (file, lake):
        for words in (
            ("explain", "2.1", YIXIAN, "2021", "--json"),
            ("status", "--json"),
        ):
            done = CliRunner().invoke(cli, [*words, "--home", str(home.root)])
            assert done.exit_code == 0, done.output
            told[home, words] = json.loads(done.stdout)
    for words in {words for _, words in told}:
        one, other = (_without_times(told[home, words]) for home in (file, lake))
        assert one == other
    (line,) = [line for line in diagnose(lake.root, lambda _: ()) if line.check == "warehouse"]
    assert (line.state, line.found) == ("ok", f"45 submissions in {lake.lake}")


def _without_times(told: Any) -> Any:
    """``told`` without what differs from publication to publication."""
    if isinstance(told, dict):
        return {
            k: _without_times(v)
            for k, v in told.items()
            if k != "since" and not k.startswith("publi")
        }
    return [_without_times(v) for v in told] if isinstance(told, list) else told


def test_a_dry_run_changes_nothing_in_a_lake(lake_home: LakeHome) -> None:
    lake_home.sheet(YIXIAN, "population", 2020, people(10))
    lake_home.night()
    before = lake_home.snapshots()
    with rehearse(lake_home.settings) as copy, Run.open(copy) as run:
        run.engine = _by_hand(run)
        again = steps.reload_deliveries(run, Scope((2020,)), lambda: None)
        steps.evaluate(run)
        assert steps.changes(run) == []
    assert again.submissions == 1
    assert lake_home.snapshots() == before
    with without_pages(), Run.open(lake_home.settings) as run:
        run.engine = _by_hand(run)
        assert steps.reload_deliveries(run, Scope((2020,)), lambda: None).submissions == 1
        assert lake_home.finish(run)[1] is None, "it says the same"


def test_an_empty_lake_is_told_and_dry_runs_over_the_archive_alone(lake_home: LakeHome) -> None:
    (line,) = [line for line in diagnose(lake_home.root, lambda _: ()) if line.check == "warehouse"]
    assert (line.state, line.do) == ("warn", "Run: jzedu nightly")
    with pytest.raises(LakeFailed, match="run jzedu nightly"):
        connect(lake_home.lake, read_only=True)
    with rehearse(lake_home.settings) as copy, Run.open(copy) as run:
        assert steps.unread(run) == []
    connect(lake_home.lake, read_only=False).close()
    elsewhere = replace(lake_home.lake, data=f"{lake_home.root}/elsewhere/")
    with pytest.raises(LakeFailed, match="to where its rows are"):
        connect(elsewhere, read_only=True)


def _by_hand(run: Run) -> Any:
    return ByHand(run.plan, run.catalogue)


def test_secrets_come_from_blocks_where_the_settings_name_them(
    tmp_path: Path, catalog: Postgres, shared: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that asks for a password, rows and originals on storage, and nothing of it in the environment."""
    for name in shared.environment:
        monkeypatch.delenv(name)
    monkeypatch.delenv("PGUSER")
    home = LakeHome(tmp_path / "home", catalog)
    catalog.ask_for_password("locked")
    catalog.ask(home.database, _LOCKED)
    keys = {name: shared.environment[variable] for name, variable in STORAGE.items()}
    blocks = {"rows": {**keys, "password": _PASSWORD}, "originals": keys}
    monkeypatch.setattr("flows.places.value_from_elsewhere", lambda block, _: blocks[block])
    (home.root / "settings.toml").write_text(
        f'[warehouse]\ncatalog = "{SCHEME}dbname={home.database} user=locked"\n'
        f'data = "s3://jzedu/{home.database}"\nsecret_block = "rows"\n'
        f'[archive]\nplace = "s3://jzedu/{home.database}-archive"\nsecret_block = "originals"\n'
    )
    with_blocks = Home.of_folder(home.root)
    with_blocks.sheet(YIXIAN, "population", 2020, people(10))
    with_blocks.load()
    with connect(with_blocks.settings.place, read_only=True) as another:
        assert another.execute("SELECT region_code FROM submission").fetchall() == [(YIXIAN,)]
    lines = diagnose(home.root, lambda _: (), True)
    assert {line.check: line.state for line in lines if line.check in ("warehouse", "archive")} == {
        "warehouse": "ok",
        "archive": "ok",
    }
    blocks["rows"]["password"] = "never-shown"
    monkeypatch.setattr("flows.places._secrets_in", _secrets_in.__wrapped__)
    for use in (Lake.claim, lambda lake: connect(lake, read_only=True)):
        with pytest.raises(LakeFailed, match="PostgreSQL") as told:
            use(load_settings(home.root).place)
        assert "never-shown" not in "".join(told.value.text)


_PASSWORD = "it's a \\ secret"
_LOCKED = f"CREATE ROLE locked LOGIN SUPERUSER PASSWORD {literal(_PASSWORD)}"


# --- one writer -------------------------------------------------------------------------------


def test_a_second_run_waits_for_the_first_and_says_for_whom(lake_home: LakeHome) -> None:
    said: list[str] = []
    told = threading.Event()
    taken = threading.Event()

    def second() -> None:
        patience = Patience(0.01, lambda _: told.set())
        with only_writer_of(lake_home.lake, said.append, patience):
            taken.set()

    with only_writer_of(lake_home.lake, pytest.fail):
        waiting = threading.Thread(target=second)
        waiting.start()
        assert told.wait(30)
        assert not taken.is_set()
    waiting.join(30)
    assert taken.is_set()
    assert len(said) == 1
    assert f"process {os.getpid()} on " in said[0]
    assert "waiting for it to end" in said[0]


def test_a_writer_that_lost_its_lock_commits_nothing(lake_home: LakeHome) -> None:
    lake_home.load()
    with (
        connect(lake_home.lake, read_only=False) as one,
        connect(lake_home.lake, read_only=False) as other,
    ):
        first, second = Fence(one), Fence(other)
        note = "INSERT INTO unpublished VALUES (TIMESTAMP '2020-01-01')"
        with fenced(one, first):
            one.execute(note)
        with fenced(other, Fence(other)):
            other.execute(note)
        for connection, fence in ((one, first), (other, second)):
            with pytest.raises(NoLongerWriter), fenced(connection, fence):
                connection.execute(note)
    assert lake_home.ask_lake("SELECT count(*) FROM unpublished") == [(2,)]


def test_of_two_that_load_beside_each_other_one_commits(lake_home: LakeHome) -> None:
    lake_home.load()
    if_not_there = (
        "INSERT INTO sent SELECT 'a', 'b' WHERE NOT EXISTS (FROM sent WHERE target = 'a')"
    )
    with (
        connect(lake_home.lake, read_only=False) as one,
        connect(lake_home.lake, read_only=False) as other,
    ):
        fences = {one: Fence(one), other: Fence(other)}
        with pytest.raises(duckdb.Error, match="conflict"):
            _both(fences, if_not_there)
    assert lake_home.ask_lake("FROM sent") == [("a", "b")]


def _both(fences: dict[duckdb.DuckDBPyConnection, Fence], statement: str) -> None:
    """Execute it in a transaction of each connection; they end after both have."""
    with ExitStack() as stack:
        for connection, fence in fences.items():
            stack.enter_context(fenced(connection, fence))
        for connection in fences:
            connection.execute(statement)


def test_two_nights_and_a_reader_at_once(lake_home: LakeHome) -> None:
    """Each night in a process and a home of its own, over one lake: one follows the other."""
    lake_home.night()
    neighbour = lake_home.root.with_name("neighbour")
    settings = lake_home.settings.model_copy(update={"home": neighbour})
    (neighbour / "inbox").mkdir(parents=True)
    neighbours = Home(neighbour)
    neighbours.settings = settings
    lake_home.sheet(YIXIAN, "population", 2020, people(10))
    neighbours.sheet(HEISHAN, "population", 2020, people(20))
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _LOADS, str(home.root), *_words(lake_home)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for home in (lake_home, neighbours)
    ]
    read = lake_home.ask_lake("SELECT count(*) FROM submission")[0][0]
    for one in running:
        _, err = one.communicate(timeout=300)
        assert one.returncode == 0, err
    assert 0 <= read <= 2
    assert lake_home.ask_lake(
        "SELECT region_code, count(*) FROM submission GROUP BY ALL ORDER BY ALL"
    ) == [(HEISHAN, 1), (YIXIAN, 1)]


def _words(home: LakeHome) -> tuple[str, str]:
    return SCHEME + home.lake.catalog, home.lake.data


_LOADS = """
import os, signal, sys
from pathlib import Path
from flows import steps
from flows.run import Run
from flows.settings import Settings
from warehouse.lake import Fence

if "die" in sys.argv:
    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)
    Fence.write = die

lake = {"catalog": sys.argv[2], "data": sys.argv[3]}
with Run.open(Settings.model_validate({"home": Path(sys.argv[1]), "warehouse": lake})) as run:
    steps.pull_inbox(run)
    steps.load_deliveries(run, steps.unread(run), lambda: None)
"""


# --- what fails -------------------------------------------------------------------------------


def test_a_loader_that_is_killed_in_its_transaction_leaves_no_row(
    lake_home: LakeHome, make_home: MakeHome
) -> None:
    undisturbed = make_home()
    for home in (lake_home, undisturbed):
        for unit in (YIXIAN, HEISHAN, GUTA):
            home.sheet(unit, "kindergarten", 2020, [{"children_enrolled": n} for n in range(9)])
    command = [sys.executable, "-c", _LOADS, str(lake_home.root), *_words(lake_home), "die"]
    died = subprocess.run(command, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert lake_home.ask_lake("SELECT count(*) FROM submission") == [(0,)]
    assert len(lake_home.night().read) == 3
    undisturbed.night()
    assert lake_home.rows() == undisturbed.rows()
    # What it had written for its rows lies on the storage, twice what is needed of it.
    assert lake_home.files("submitted/kindergarten/") == 2
    with connect(lake_home.lake, read_only=False) as connection:
        tend(connection, datetime.now(UTC).replace(tzinfo=None) + timedelta(days=2))
    assert lake_home.files("submitted/kindergarten/") == 1
    assert lake_home.ask_lake("SELECT count(*) FROM submitted.kindergarten") == [(27,)]


def test_upkeep_gives_up_old_states_and_keeps_every_row(lake_home: LakeHome) -> None:
    for number in range(3):
        received = f"2020-09-{16 + number} 00:00:00"
        lake_home.sheet(YIXIAN, "population", 2020, people(number), received=received)
        lake_home.load()
    states, files = lake_home.snapshots(), lake_home.files("")
    query = "SELECT * FROM submission ORDER BY ALL"
    rows = lake_home.ask_lake(query)
    with connect(lake_home.lake, read_only=False) as connection:
        tend(connection, datetime.now(UTC).replace(tzinfo=None))
        assert lake_home.snapshots() >= states, "a night's work can still be looked at"
        tend(connection, datetime.now(UTC).replace(tzinfo=None) + timedelta(days=8))
    assert lake_home.snapshots() == 1
    assert lake_home.files("") < files
    assert lake_home.ask_lake(query) == rows
    assert len(rows) == 3


def test_a_run_outlives_a_restart_of_postgres_and_fails_with_a_sentence_where_it_is_gone(
    lake_home: LakeHome, catalog: Postgres
) -> None:
    lake_home.sheet(YIXIAN, "population", 2020, people(10))
    lake_home.night()
    before = lake_home.rows()
    lake_home.sheet(HEISHAN, "population", 2020, people(10))
    with pytest.raises(StepFailed, match="PostgreSQL") as failed:
        _load_after(lake_home, catalog.stop_at_once)
    catalog.start()
    assert "\n" not in str(failed.value)
    assert lake_home.rows() == before

    def restart() -> None:
        catalog.stop_at_once()
        catalog.start()

    _load_after(lake_home, restart)
    assert lake_home.ask_lake("SELECT count(*) FROM submission") == [(2,)]


def _load_after(home: LakeHome, event: Callable[[], object]) -> None:
    """Load what is new, once ``event`` has happened to the run that is open."""
    with Run.open(home.settings) as run:
        steps.pull_inbox(run)
        receipts = steps.unread(run)
        event()
        steps.load_deliveries(run, receipts, lambda: None)


def test_a_run_without_storage_fails_with_a_sentence_and_the_publication_stands(
    tmp_path: Path, catalog: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with storage() as own:
        for name, value in own.environment.items():
            monkeypatch.setenv(name, value)
        lake_home = LakeHome(tmp_path / "home", catalog, on_storage=True)
        rows = [{"institution_name": f"园{n}"} for n in range(50)]
        lake_home.sheet(YIXIAN, "kindergarten", 2020, rows)
        lake_home.night()
        before = lake_home.rows()
        rows = [{"institution_name": f"园{n}"} for n in range(60)]
        lake_home.sheet(YIXIAN, "kindergarten", 2020, rows, received="2020-09-16 00:00:00")
        own.stop()
        with pytest.raises(StepFailed, match="storage") as failed:
            lake_home.night()
        assert "\n" not in str(failed.value)
        assert lake_home.rows() == before
        own.start()
        lake_home.night()
    assert lake_home.ask("SELECT rows_loaded FROM submission ORDER BY received_at") == [
        (50,),
        (60,),
    ]


def test_a_lake_that_does_not_answer_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never-shown")
    place = Lake("dbname=none host=127.0.0.1 connect_timeout=2", "s3://none/at/all/", tmp_path)
    for use in (lambda: connect(place, read_only=True), place.claim):
        with pytest.raises(LakeFailed, match="PostgreSQL") as told:
            use()
        assert "never-shown" not in str(told.value)
        assert "\n" not in str(told.value)
