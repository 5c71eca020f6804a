"""The bundle for Superset against a real publication, through SQLAlchemy as Superset asks.

Superset opens a connection for each query (NullPool), reads names, types and comments from the
inspector, and asks `SELECT columns, metrics FROM (dataset) WHERE … GROUP BY … ORDER BY … LIMIT n`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest
import sqlalchemy
import yaml
from sqlalchemy.pool import NullPool

from tests.bi.conftest import Asked, query
from tests.conftest import Home
from warehouse.publication.filling import attach, detach, stage
from warehouse.publication.release import release
from warehouse.publication.tables import TABLES
from warehouse.publication.views import VIEWS


@pytest.fixture(scope="module")
def bundle(load: ModuleType, city: Home) -> dict[str, dict[str, Any]]:
    """The files of the import, filled in for the publication, by name."""
    return {n: yaml.safe_load(text) for n, text in load.contents(city.publication).items()}


def of(bundle: dict[str, dict[str, Any]], folder: str) -> dict[str, dict[str, Any]]:
    return {str(r["uuid"]): r for name, r in bundle.items() if name.startswith(f"{folder}/")}


def connect(bundle: dict[str, dict[str, Any]], file: Path | None = None) -> sqlalchemy.Engine:
    """An engine as Superset makes it from the bundle's database; for another file if given."""
    (database,) = of(bundle, "databases").values()
    uri = database["sqlalchemy_uri"] if file is None else f"duckdb:///{file}"
    return sqlalchemy.create_engine(uri, poolclass=NullPool, **database["extra"]["engine_params"])


@pytest.fixture
def engine(bundle: dict[str, dict[str, Any]]) -> Iterator[sqlalchemy.Engine]:
    engine = connect(bundle)
    yield engine
    engine.dispose()


def test_every_chart_asks_what_its_dataset_has_and_gets_rows(
    bundle: dict[str, dict[str, Any]], charts: list[Asked], engine: sqlalchemy.Engine
) -> None:
    datasets = of(bundle, "datasets")
    assert len(charts) >= 10
    for asked in charts:
        dataset = datasets[asked.dataset_uuid]
        named = {column["column_name"] for column in dataset["columns"]}
        assert {*asked.columns, *(f["col"] for f in asked.filters)} <= named, asked.name
        assert {column for column, _ in asked.order} <= named, asked.name
        with engine.connect() as connection:
            found = connection.execute(sqlalchemy.text(query(asked, dataset))).fetchall()
        assert found, asked.name
        # Every column of the table or chart says something in at least one row.
        for place, name in enumerate([*asked.columns, *asked.metrics]):
            assert any(row[place] is not None for row in found), (asked.name, name)


def test_every_metric_can_be_computed(
    bundle: dict[str, dict[str, Any]], engine: sqlalchemy.Engine
) -> None:
    for dataset in of(bundle, "datasets").values():
        source = f"({dataset['sql']})" if "sql" in dataset else dataset["table_name"]
        for metric in dataset["metrics"]:
            sql = f"SELECT {metric['expression']} FROM {source} AS virtual_table"
            with engine.connect() as connection:
                assert connection.execute(sqlalchemy.text(sql)).scalar_one() is not None


def test_columns_are_typed_and_worded_by_the_publication(
    bundle: dict[str, dict[str, Any]], city: Home
) -> None:
    for dataset in of(bundle, "datasets").values():
        table = dataset["table_name"]
        if "sql" not in dataset:
            stored = city.ask(
                "SELECT column_name, data_type, comment FROM duckdb_columns()"
                f" WHERE table_name = '{table}' ORDER BY column_index"
            )
            told = [(c["column_name"], c["type"], c["description"]) for c in dataset["columns"]]
            assert told == stored
        for column in dataset["columns"]:
            assert 1 <= len(column["verbose_name"]) <= 20, (table, column["column_name"])
    scorecard = next(d for d in of(bundle, "datasets").values() if "score" in d["table_name"])
    names = {column["column_name"]: column["verbose_name"] for column in scorecard["columns"]}
    assert names["large_class_share"] == "大班额比例(%)"
    assert names["year"] == "统计年度"


def test_the_dashboard_holds_every_chart_once_and_its_filters_have_their_columns(
    bundle: dict[str, dict[str, Any]],
) -> None:
    (dashboard,) = of(bundle, "dashboards").values()
    position = {k: v for k, v in dashboard["position"].items() if isinstance(v, dict)}
    placed = [part["meta"] for part in position.values() if part["type"] == "CHART"]
    charts = of(bundle, "charts")
    assert sorted(meta["uuid"] for meta in placed) == sorted(charts)
    assert all(meta["sliceName"] == charts[meta["uuid"]]["slice_name"] for meta in placed)
    ids = [meta["chartId"] for meta in placed]
    assert len(set(ids)) == len(ids)
    for name, part in position.items():
        for child in part.get("children", []):
            assert name in position[child].get("parents", []), child
    for row in (part for part in position.values() if part["type"] == "ROW"):
        assert sum(position[child]["meta"]["width"] for child in row["children"]) == 12

    datasets, of_id = of(bundle, "datasets"), {m["chartId"]: m["uuid"] for m in placed}
    filters = dashboard["metadata"]["native_filter_configuration"]
    for chosen in filters:
        ((target,),) = (chosen["targets"],)
        column = target["column"]["name"]
        scope = set(ids) - set(chosen["scope"]["excluded"])
        assert scope
        for uuid in (target["datasetUuid"], *(charts[of_id[i]]["dataset_uuid"] for i in scope)):
            assert column in {c["column_name"] for c in datasets[uuid]["columns"]}


def test_the_filter_begins_with_an_indicator_that_is_published(
    bundle: dict[str, dict[str, Any]], city: Home
) -> None:
    (dashboard,) = of(bundle, "dashboards").values()
    first, *_ = dashboard["metadata"]["native_filter_configuration"]
    (name,) = first["defaultDataMask"]["filterState"]["value"]
    assert city.ask("SELECT count(*) FROM indicator WHERE name_zh = ?", name) == [(1,)]


def test_the_inspector_sees_tables_views_types_and_comments(engine: sqlalchemy.Engine) -> None:
    inspector = sqlalchemy.inspect(engine)
    assert set(inspector.get_table_names("main")) == {table.name for table in TABLES}
    assert set(inspector.get_view_names("main")) == {
        "county_scorecard",
        *(view.name for view in VIEWS),
    }
    for table in (*TABLES, *VIEWS):
        assert inspector.get_table_comment(table.name, "main")["text"] == f"{table.zh} / {table.en}"
        told = {c["name"]: c["comment"] for c in inspector.get_columns(table.name, "main")}
        assert told == {c.name: f"{c.zh} / {c.en}" for c in table.columns}


def test_nothing_can_be_written(engine: sqlalchemy.Engine) -> None:
    with (
        engine.connect() as connection,
        pytest.raises(sqlalchemy.exc.DBAPIError, match="read-only"),
    ):
        connection.execute(sqlalchemy.text("DELETE FROM region"))


def test_the_next_query_sees_the_next_publication(
    bundle: dict[str, dict[str, Any]], city: Home, tmp_path: Path
) -> None:
    published = tmp_path / "published"
    published.mkdir()
    file = published / city.publication.name
    shutil.copyfile(city.publication, file)
    engine = connect(bundle, file)
    count = sqlalchemy.text("SELECT count(*) FROM trend")
    with engine.connect() as connection:
        before = connection.execute(count).scalar_one()
        replace(published, city.publication)
        assert connection.execute(count).scalar_one() == before, "an open one stays what it was"
    with engine.connect() as connection:
        assert connection.execute(count).scalar_one() == before - 1
    engine.dispose()


def replace(published: Path, source: Path) -> None:
    """Publish a copy of ``source`` that lacks one figure."""
    with duckdb.connect() as connection:
        file = stage(published)
        attach(connection, file)
        connection.execute(f"ATTACH '{source}' AS base (READ_ONLY)")
        connection.execute("COPY FROM DATABASE base TO publication")
        connection.execute(
            "DELETE FROM publication.indicator_value WHERE (indicator_id, region_code, year)"
            " = ('dropouts', '210700', 2018)"
        )
        detach(connection)
    release(file.parent, published, "next", keep=2)
