"""The views of the publication, and the file they are stored in."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.terminal.office import rule
from tests.conftest import Home, MakeHome, Row
from transforms.forms import FORMS as ALL_FORMS
from warehouse.publication.filling import attach, detach, stage
from warehouse.publication.reader import Reader
from warehouse.publication.reader.pages import read_publication
from warehouse.publication.reader.scorecard import SCORES
from warehouse.publication.relations import KEYS, RELATIONS, Relation
from warehouse.publication.star import STAR
from warehouse.publication.tables import TABLES
from warehouse.publication.views import VIEWS, create_views, views_of
from warehouse.reference import load_reference
from warehouse.wording import STATUSES

MODEL = Path(__file__).parents[3] / "docs" / "bi" / "model.md"
UNITS = [("1", "city", "", "地级市"), *((unit, "reporting_unit", "1", "县") for unit in "234")]
LATER = "2020-12-01 00:00:00"
#: The forms of which a year with all of them has more than half of what is expected.
FORMS = ("kindergarten", "class", "population", "teacher", "special_group", "safety", "milestone")


def classes(*sizes: int) -> list[Row]:
    return [{"class_name": str(n), "students": size} for n, size in enumerate(sizes, start=1)]


@pytest.fixture(scope="module")
def home(make_home: MakeHome) -> Home:
    """Three units in 2019 and 2020; of 2021 a single form has come in. Published twice."""
    home = make_home()
    home.regions(UNITS)
    sizes = {
        # Of four classes one is large, then of two one, then of one none.
        "2": {2019: (60, 40, 40, 40), 2020: (60, 40), 2021: (40,)},
        # 25 % in both years.
        "3": {2019: (70, 30, 30, 30), 2020: (56, 55, 55, 55)},
        # None, then all: the share has a year before and the threshold is missed.
        "4": {2019: (30,), 2020: (57, 58)},
    }
    for unit, years in sizes.items():
        home.book(
            unit,
            {
                year: {
                    "class": classes(*years[year]),
                    **{
                        form: [{"item": "对外交流项目", "quantity": 3}]
                        if form == "milestone"
                        else [{}]
                        for form in FORMS
                        if form != "class" and year < 2021
                    },
                }
                for year in years
            },
        )
    home.night()
    # A correction makes a revision; what comes back and what is of nobody makes findings.
    home.sheet(
        "3", "safety", 2019, [{"bullying_reported": 1, "bullying_handled": 1}], received=LATER
    )
    home.sheet("4", "class", 2021, classes(0))
    home.deliver("没有的单位/空.xlsx", b"")
    rule(
        home.settings,
        load_reference(home.root),
        "2",
        ALL_FORMS["class"],
        2020,
        approved=True,
        reason=None,
        decided_as="教育局",
    )
    home.night()
    return home


@pytest.fixture
def published(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(home.publication), read_only=True) as connection:
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def test_every_view_has_its_columns_types_and_words_in_both_languages(
    published: duckdb.DuckDBPyConnection,
) -> None:
    defined = views_of(published)
    assert [view.name for view in defined] == ["county_scorecard", *(view.name for view in VIEWS)]
    stored = rows(published, "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal")
    assert dict(stored) == {view.name: f"{view.zh} / {view.en}" for view in defined}
    for view in defined:
        told = rows(
            published,
            "SELECT column_name, data_type, comment FROM duckdb_columns()"
            f" WHERE table_name = '{view.name}' ORDER BY column_index",
        )
        assert told == [(c.name, c.type, f"{c.zh} / {c.en}") for c in view.columns]
        for name, _, comment in told:
            assert re.search(r"[\u4e00-\u9fff].* / \S*[A-Za-z]", comment), (view.name, name)


def test_the_scorecard_holds_every_value_under_its_indicator(
    published: duckdb.DuckDBPyConnection,
) -> None:
    (names,) = zip(*rows(published, "SELECT indicator_id FROM indicator"), strict=True)
    pivot = ", ".join(f'"{name}"' for name in names)
    assert (
        rows(
            published,
            "SELECT indicator_id, region_code, year, value FROM county_scorecard"
            f" UNPIVOT (value FOR indicator_id IN ({pivot})) ORDER BY ALL",
        )
        == rows(
            published,
            "SELECT indicator_id, region_code, year, value FROM indicator_value"
            " WHERE value IS NOT NULL ORDER BY ALL",
        )
        != []
    )
    # Four regions in the years 2018 to 2021; where nothing was reported there is a row of NULLs.
    assert rows(published, "SELECT count(*) FROM county_scorecard") == [(16,)]
    assert rows(
        published,
        "SELECT region_name, level, kind, large_class_share FROM county_scorecard"
        " WHERE year = 2020 ORDER BY region_code",
    ) == [
        # 1 of 2, 1 of 4 and 2 of 2 classes: 4 of 8.
        ("区1", "city", "地级市", 50.0),
        ("区2", "reporting_unit", "县", 50.0),
        ("区3", "reporting_unit", "县", 25.0),
        ("区4", "reporting_unit", "县", 100.0),
    ]


def test_the_scorecard_follows_the_plan_from_left_to_right(
    published: duckdb.DuckDBPyConnection,
) -> None:
    names = [column.name for column in views_of(published)[0].columns]
    assert names[:7] == [
        "region_code", "region_name", "region_name_en", "level", "kind", "year", "provincial_rank"
    ]  # fmt: skip
    # 2.9 before 2.10 before 2.11, then 2.12.
    place = names.index("large_class_share")
    assert names[place : place + 4] == [
        "large_class_share",
        "primary_class_within_45_share",
        "junior_class_within_50_share",
        "oversized_school_share",
    ]
    assert names[-1] == "party_organisation_share"


def test_latest_is_the_year_that_the_report_is_about(
    home: Home, published: duckdb.DuckDBPyConnection
) -> None:
    assert rows(published, "SELECT max(year) FROM attainment") == [(2021,)]
    focus = read_publication(Reader(published), home.root / "reference").focus
    assert rows(published, "SELECT DISTINCT year FROM attainment_latest") == [(focus,)] == [(2020,)]


def test_latest_holds_the_whole_attainment_of_its_year(
    published: duckdb.DuckDBPyConnection,
) -> None:
    columns = ", ".join(c.name for t in TABLES if t.name == "attainment" for c in t.columns)
    assert rows(published, f"SELECT {columns} FROM attainment_latest ORDER BY ALL") == rows(
        published, f"SELECT {columns} FROM attainment WHERE year = 2020 ORDER BY ALL"
    )
    assert rows(
        published,
        "SELECT status, status_zh, status_en, threshold, comparator, due_year, interpretation,"
        " basis_zh IS NOT NULL, reporting_units, expected_units FROM attainment_latest"
        " WHERE (clause_id, level) = ('2.9', 'city')",
    ) == [("not_met", "未达标", "Not met", 5.0, "<=", 2020, True, True, 3, 3)]


def test_where_no_year_has_half_of_its_forms_it_is_the_latest(home: Home) -> None:
    with duckdb.connect() as own:
        own.execute(f"ATTACH '{home.publication}' AS source (READ_ONLY)")
        for table in TABLES:
            own.execute(f"CREATE TABLE {table.name} AS FROM source.{table.name}")
        own.execute("UPDATE reporting SET accepted = 0")
        create_views(own, "memory")
        assert rows(own, "SELECT DISTINCT year FROM attainment_latest") == [(2021,)]


def test_progress_counts_every_unit_once_and_the_city_never(
    published: duckdb.DuckDBPyConnection,
) -> None:
    counted = " + ".join(STATUSES)
    assert rows(published, f"SELECT count(*) FROM plan_progress WHERE {counted} <> units") == [(0,)]
    for status in STATUSES:
        assert rows(
            published,
            f"SELECT clause_id, year, {status} FROM plan_progress WHERE {status} > 0 ORDER BY ALL",
        ) == rows(
            published,
            "SELECT clause_id, year, count(*) FROM attainment WHERE region_code <> '1'"
            f" AND status = '{status}' GROUP BY ALL ORDER BY ALL",
        )
    assert rows(
        published,
        "SELECT year, met, not_met, no_data, units FROM plan_progress WHERE clause_id = '2.9'"
        " ORDER BY year",
    ) == [
        (2018, 0, 0, 3, 3),
        # Before 2020 the clause is not due: unit 4 has no large class, 2 and 3 have 25 %.
        (2019, 1, 0, 0, 3),
        (2020, 0, 3, 0, 3),
        (2021, 1, 0, 2, 3),
    ]


def test_trend_compares_with_the_year_before_where_it_may(
    published: duckdb.DuckDBPyConnection,
) -> None:
    found = rows(
        published,
        "SELECT region_name, year, value, previous_value, change, direction FROM trend"
        " WHERE indicator_id = 'large_class_share' AND region_code IN ('2', '3') ORDER BY ALL",
    )
    assert found == [
        ("区2", 2018, None, None, None, None),
        ("区2", 2019, 25.0, None, None, None),
        ("区2", 2020, 50.0, 25.0, 25.0, "worse"),
        ("区2", 2021, 0.0, 50.0, -50.0, "better"),
        ("区3", 2018, None, None, None, None),
        ("区3", 2019, 25.0, None, None, None),
        ("区3", 2020, 25.0, 25.0, 0.0, "same"),
        ("区3", 2021, None, None, None, None),
    ]
    assert rows(published, "SELECT count(*) FROM trend") == rows(
        published, "SELECT count(*) FROM indicator_value"
    )


def test_the_views_belong_to_the_file_and_not_to_its_name(home: Home, tmp_path: Path) -> None:
    moved = tmp_path / "另存.duckdb"
    shutil.copyfile(home.publication, moved)
    with duckdb.connect(str(moved), read_only=True) as connection:
        for view in views_of(connection):
            assert rows(connection, f"SELECT count(*) > 0 FROM {view.name}") == [(True,)]
    with duckdb.connect() as connection:
        # A table of the same name in the reader's own database is none of the view's business.
        connection.execute("CREATE TABLE region (x INTEGER)")
        connection.execute(f"ATTACH '{moved}' AS p (READ_ONLY)")
        for name in ("county_scorecard", *(view.name for view in VIEWS)):
            assert rows(connection, f"SELECT count(*) > 0 FROM p.{name}") == [(True,)]


def test_temporary_tables_of_the_same_name_do_not_get_in_between(tmp_path: Path) -> None:
    with duckdb.connect() as pipeline:
        pipeline.execute("CREATE TEMP TABLE indicator_value (nothing INTEGER)")
        file = stage(tmp_path)
        attach(pipeline, file)
        for table in TABLES:
            columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
            pipeline.execute(f"CREATE TABLE publication.{table.name} ({columns})")
        # Names that have to be quoted; another plan may hold them.
        pipeline.execute(
            """
            INSERT INTO publication.indicator (indicator_id, name_zh, name_en, unit)
                VALUES ('a"b''c', '它''s', 'it''s; --', '%');
            INSERT INTO publication.region (region_code, level) VALUES ('1', 'city');
            INSERT INTO publication.indicator_value (indicator_id, region_code, year, value)
                VALUES ('a"b''c', '1', 2020, 7)
            """
        )
        create_views(pipeline)
        used = pipeline.execute("SELECT current_database()").fetchone()
        assert used == ("memory",), "the pipeline's own catalogue is still the one in use"
        detach(pipeline)
    with duckdb.connect(str(file), read_only=True) as connection:
        assert rows(connection, 'SELECT year, "a""b\'c" FROM county_scorecard') == [(2020, 7.0)]
        assert rows(
            connection,
            "SELECT comment FROM duckdb_columns() WHERE table_name = 'county_scorecard'"
            " ORDER BY column_index DESC LIMIT 1",
        ) == [("它's(%) / it's; -- (%)",)]


#: All but vintage, which compares its rows with the states of years: these are few.
QUESTIONS = [SCORES, *(f"FROM {view.name}" for view in VIEWS if view.name != "vintage")]


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_compares_every_row_with_every_other(home: Home, question: str) -> None:
    # Of a city nobody would see it; of 2,900 units it takes a minute.
    ((_, plan),) = home.ask(f"EXPLAIN (FORMAT json) {question}")
    assert "SCAN" in plan
    assert "BLOCKWISE_NL_JOIN" not in plan


def test_the_file_is_in_the_storage_format_of_duckdb_1_0(home: Home) -> None:
    # The main header: a checksum, the word DUCK, and the number of the format; 64 is what DuckDB
    # 0.9 to 1.1 write and every later version reads.
    header = home.publication.read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:20], "little") == 64
    with duckdb.connect(str(home.publication), read_only=True) as connection:
        assert rows(
            connection,
            "SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal",
        ) == [("v1.0.0+",)]


#: Without rows where no unit was merged, and without townships; tests/test_adopting.py has a city with both.
AS_NOW, TOWNSHIPS = "indicator_value_as_now", "township_crosswalk"


@pytest.mark.parametrize("name", [name for name in KEYS if name not in (AS_NOW, TOWNSHIPS)])
def test_a_key_tells_the_rows_apart(home: Home, name: str) -> None:
    key = ", ".join(KEYS[name])
    assert home.ask(f"SELECT {key}, count(*) FROM {name} GROUP BY {key} HAVING count(*) > 1") == []
    assert home.ask(f"SELECT count(*) FROM {name}") != [(0,)]


@pytest.mark.parametrize(
    "relation",
    [one for one in RELATIONS if one.table != AS_NOW],
    ids=lambda r: f"{r.table}-{r.target}",
)
def test_a_relation_holds_in_a_real_publication(home: Home, relation: Relation) -> None:
    pairs = zip(relation.columns, KEYS[relation.target], strict=True)
    same = " AND ".join(f"t.{column} = o.{key}" for column, key in pairs)
    given = " AND ".join(f"t.{column} IS NOT NULL" for column in relation.columns)
    orphans = f"FROM {relation.table} t WHERE NOT EXISTS (FROM {relation.target} o WHERE {same})"
    if relation.optional:
        orphans += f" AND {given}"
    assert home.ask(f"SELECT t.* {orphans}") == []
    assert home.ask(f"SELECT count(*) FROM {relation.table}") != [(0,)]


def test_no_join_is_forgotten() -> None:
    """A column named as a single-column key is a relation wherever it stands."""
    told = {(relation.table, column) for relation in RELATIONS for column in relation.columns}
    for key in ("region_code", "indicator_id", "clause_id", "submission_id", "publication_id"):
        homes = [name for name, columns in KEYS.items() if columns == (key,)]
        for table in (*TABLES, *VIEWS):
            if table.name not in homes and any(column.name == key for column in table.columns):
                assert (table.name, key) in told


def test_the_star_is_found_by_the_names_of_its_columns() -> None:
    """What facts and dimensions have in common is the key of the dimension, and nothing leads from one to another."""
    columns = {view.name: {column.name for column in view.columns} for view in STAR}
    dimensions = {name: KEYS[name] for name in columns if name.startswith("dim_")}
    keys = {key for (key,) in dimensions.values()}
    for name, (key,) in dimensions.items():
        assert columns[name] & keys == {key}
        for fact in columns.keys() - dimensions.keys():
            assert (Relation(fact, (key,), name) in RELATIONS) == (key in columns[fact])


def test_every_code_of_a_publication_has_words(home: Home) -> None:
    columns = [column for (column,) in home.ask("SELECT DISTINCT column_name FROM code_list")]
    for column in columns:
        table, name = column.split(".")
        assert (
            home.ask(
                f"SELECT DISTINCT {name} FROM {table} WHERE {name} IS NOT NULL AND {name}::VARCHAR NOT IN"
                f" (SELECT code FROM code_list WHERE column_name = '{column}')"
            )
            == []
        ), column
    assert home.ask("SELECT count(*) FROM code_list WHERE name_zh = '' OR name_en = ''") == [(0,)]


def test_the_model_page_tells_every_relation_and_key() -> None:
    def code(names: tuple[str, ...]) -> str:
        return ", ".join(f"`{name}`" for name in names)

    text = MODEL.read_text("utf-8")

    def note(relation: Relation) -> str:
        gone = "what it names may be published no more"
        words = [(relation.optional, "may be NULL"), (not relation.lasting, gone)]
        return "; ".join(word for true, word in words if true)

    relations = [
        f"| `{r.table}` | {code(r.columns)} | `{r.target}` | {note(r)} |" for r in RELATIONS
    ]
    keys = [f"| `{name}` | {code(columns)} |" for name, columns in KEYS.items()]
    for lines in (relations, keys):
        assert "\n".join(lines) in text
