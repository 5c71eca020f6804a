"""Nothing is defined and not wired in: forms, indicators, clauses, checks, templates, tables."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from expectations.clauses import NATIONAL_RULE_2021, Clause, catalogues, load_plan
from tests.announced import ANNOUNCED, Announced
from transforms.checks.rules import RULES
from transforms.formats import Unreadable
from transforms.forms import FORMS
from transforms.reading import read_file
from transforms.tables.model import Table
from transforms.workbooks.templates import write_template
from warehouse.indicators.compute import source_name
from warehouse.indicators.definitions import load_catalogue
from warehouse.ledger.store import open_warehouse
from warehouse.publication import places_ahead
from warehouse.reference import load_reference

PLAN, NATIONAL, CATALOGUE = load_plan(), load_plan(NATIONAL_RULE_2021), load_catalogue()
EVERY_CLAUSE = (*PLAN.clauses, *NATIONAL.clauses)
FORM_NAMES = [
    "kindergarten",
    "school",
    "class",
    "population",
    "finance",
    "salary",
    "teacher",
    "special_group",
    "vocational",
    "safety",
    "milestone",
]


def forms_read(indicator_id: str) -> set[str]:
    indicator = CATALOGUE.by_id[indicator_id]
    parts = [part for part in (indicator.top, indicator.bottom) if part is not None]
    return {form for part in parts for form in CATALOGUE.forms_of(part.source)}


def test_the_plan_has_its_indicators() -> None:
    assert [(clause.clause_id, clause.indicator_id) for clause in PLAN.clauses] == [
        (row.clause_id, row.indicator_id) for row in ANNOUNCED
    ]


@pytest.mark.parametrize("row", ANNOUNCED, ids=lambda row: row.clause_id)
def test_an_indicator_is_what_the_plan_says(row: Announced) -> None:
    indicator = CATALOGUE.by_id[row.indicator_id]
    assert indicator.name_zh == row.name_zh
    assert indicator.name_en
    assert forms_read(row.indicator_id) == set(row.forms.split())
    assert (indicator.bottom is None, indicator.scale) == (row.scale is None, row.scale or 1)
    assert (indicator.unit, indicator.better, indicator.scope) == (row.unit, row.better, row.scope)
    assert indicator.section == row.section


def test_every_clause_has_its_indicator_and_every_indicator_a_clause() -> None:
    national = [clause for file in catalogues().values() for clause in load_plan(file).clauses]
    told = {clause.indicator_id for clause in (*PLAN.clauses, *national)}
    assert told == set(CATALOGUE.by_id)


@pytest.mark.parametrize("clause", EVERY_CLAUSE, ids=lambda clause: clause.clause_id)
def test_a_clause_agrees_with_its_indicator(clause: Clause) -> None:
    indicator = CATALOGUE.by_id[clause.indicator_id]
    assert clause.section == indicator.section
    if clause.comparator is not None:
        assert clause.comparator == {"higher": ">=", "lower": "<="}[indicator.better]
    if indicator.unit == "%" and clause.threshold is not None:
        assert 0 <= clause.threshold <= 100


def test_every_view_is_used_and_made_of_forms() -> None:
    sources = {
        part.source
        for indicator in CATALOGUE.indicators
        for part in (indicator.top, indicator.bottom, indicator.causes)
        if part is not None
    }
    assert {view.name for view in CATALOGUE.views} <= sources | set(places_ahead.VIEWS)
    for view in CATALOGUE.views:
        assert set(view.forms) <= set(FORMS)


def test_the_eleven_forms_are_all_read_by_some_indicator() -> None:
    assert list(FORMS) == FORM_NAMES
    assert set().union(*map(forms_read, CATALOGUE.by_id)) == set(FORMS)


@pytest.mark.parametrize("name", FORM_NAMES)
def test_a_form_is_wired_in_everywhere(name: str, tmp_path: Path) -> None:
    reference = load_reference(tmp_path)
    with open_warehouse(tmp_path / "warehouse.duckdb", reference) as connection:
        stored = connection.execute(f'DESCRIBE submitted."{name}"').fetchall()
        counted = connection.execute(f'DESCRIBE current."{name}"').fetchall()
    about = ["submission_id", "region_code", "year", "sheet", "row"]
    assert [row[0] for row in stored] == [*about, *FORMS[name].schema]
    assert [row[0] for row in counted] == [row[0] for row in stored]
    assert name in set(reference.expected["form"])
    assert [rule for rule in RULES if rule.startswith(f"{FORMS[name].code}-E")]


def test_the_types_of_the_tables_are_those_of_the_forms(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "warehouse.duckdb", load_reference(tmp_path)) as connection:
        types = dict(
            connection.execute(
                "SELECT table_name || '.' || column_name, data_type FROM duckdb_columns() "
                "WHERE schema_name = 'submitted'"
            ).fetchall()
        )
    assert types["class.students"] == "BIGINT"
    assert types["finance.budget_expenditure"] == "DECIMAL(18,6)"
    assert types["school.arrival_time"] == "TIME"
    assert types["school.boarding"] == "BOOLEAN"
    assert types["milestone.date"] == "DATE"
    assert types["kindergarten.institution_code"] == "VARCHAR"


def test_the_sql_of_every_indicator_runs(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "warehouse.duckdb", load_reference(tmp_path)) as connection:
        connection.execute("CREATE TEMP TABLE calendar AS SELECT 2020::INTEGER AS year")
        for view in CATALOGUE.views:
            connection.execute(f"CREATE TEMP VIEW {view.name} AS {view.sql}")
        for indicator in CATALOGUE.indicators:
            for part in indicator.parts.values():
                found = connection.execute(
                    f"SELECT {part.value} FROM {source_name(part.source)} WHERE {part.rows}"
                )
                assert len(found.fetchall()) == 1, indicator.indicator_id
            if indicator.causes is not None:
                causes = indicator.causes
                connection.execute(
                    f"SELECT {causes.code}, {causes.name}, {causes.detail}, {causes.value} "
                    f"FROM {source_name(causes.source)} WHERE {causes.rows}"
                )


@pytest.mark.parametrize("name", FORM_NAMES)
def test_the_blank_template_of_a_form_is_known_as_that_form(name: str, tmp_path: Path) -> None:
    blank = tmp_path / "blank.xlsx"
    write_template(blank, FORMS[name], regions=[("210702", "古塔区")], years=[2020])
    (document,) = read_file(
        blank.read_bytes(), "210702/blank.xlsx", sha256="0", region_code="210702"
    )
    assert not isinstance(document.content, Unreadable)
    tables = [item for item in document.content if isinstance(item, Table)]
    assert tables[0].form.name == name
    assert set(tables[0].columns) == set(FORMS[name].schema)
    assert tables[0].issues == ()


def test_the_warehouse_keeps_what_is_in_it(tmp_path: Path) -> None:
    reference, file = load_reference(tmp_path), tmp_path / "warehouse.duckdb"
    with open_warehouse(file, reference) as connection:
        connection.execute(
            "INSERT INTO delivery (sha256, path, received_at) VALUES ('a', 'b', TIMESTAMP '2020-01-01')"
        )
    with open_warehouse(file, reference) as connection:
        assert connection.execute("SELECT path FROM delivery").fetchall() == [("b",)]
    with open_warehouse(file, reference, read_only=True) as connection:
        assert connection.execute("SELECT path FROM delivery").fetchall() == [("b",)]
        with pytest.raises(duckdb.InvalidInputException):
            connection.execute("DELETE FROM delivery")
