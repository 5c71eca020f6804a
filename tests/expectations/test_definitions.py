"""The definitions of a home: merged over the packaged ones, checked at once, each home its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from expectations.clauses import catalogues, load_plan
from expectations.definitions import load_definitions
from expectations.warnings import further_warnings
from tests.conftest import Home, english
from transforms.definitions import DefinitionError
from transforms.forms import FORMS
from warehouse.indicators.definitions import load_catalogue
from warehouse.indicators.trying import examples_that_fail
from warehouse.publication import places_ahead

HAZARDS: dict[str, Any] = {
    "indicator_id": "hazards",
    "section": 6,
    "name_zh": "隐患数",
    "name_en": "Hazards",
    "unit": "处",
    "better": "lower",
    "numerator": {"source": "safety", "value": "sum(hazards_found)", "zh": "隐患数"},
    "gap": {"unit": "处"},
}
CLAUSE: dict[str, Any] = {
    "clause_id": "H1",
    "indicator_id": "hazards",
    "section": 6,
    "kind": "standing",
    "comparator": "<=",
    "threshold": 0,
    "effective_from": 2019,
    "statement_zh": "没有隐患。",
    "statement_en": "No hazards.",
    "source": "a source",
}


def define(home: Home, name: str, **content: object) -> Path:
    """A YAML file of the home's definitions."""
    return home.define(name, yaml.safe_dump(content, allow_unicode=True, sort_keys=False))


def a_plan(home: Home, *clauses: object, **more: object) -> Path:
    return define(
        home,
        "plan.yaml",
        plan_version="t/1",
        title_zh="目标",
        title_en="Aims",
        clauses=list(clauses),
        **more,
    )


def test_only_what_a_home_defines_anew_is_tried(home: Home) -> None:
    """Trying costs more than all the rest of loading, in every run and every command."""
    with load_definitions(home.root).in_use():
        assert further_warnings(load_definitions(home.root).warnings) == {}


def problems(home: Home, **options: Any) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as caught:
        load_definitions(home.root, **options)
    return english(caught.value.problems)


def test_a_home_without_definitions_has_the_packaged_ones(home: Home) -> None:
    found = load_definitions(home.root)
    assert found.plan == load_plan()
    assert found.catalogue is load_catalogue()
    assert found.mark == ""


def test_records_stand_over_the_packaged_ones_by_id(home: Home) -> None:
    packaged = load_catalogue()
    define(home, "indicators.yaml", indicators=[HAZARDS, {**HAZARDS, "indicator_id": "dropouts"}])
    found = load_definitions(home.root).catalogue
    assert found.by_id["hazards"].name_zh == found.by_id["dropouts"].name_zh == "隐患数"
    assert found.by_id.keys() == {*packaged.by_id, "hazards"}
    assert list(found.by_id)[:5] == list(packaged.by_id)[:5]


def test_a_plan_takes_the_place_of_the_packaged_one_or_extends_it(home: Home) -> None:
    define(home, "indicators.yaml", indicators=[HAZARDS])
    a_plan(home, CLAUSE)
    assert [clause.clause_id for clause in load_definitions(home.root).plan.clauses] == ["H1"]
    a_plan(home, {**CLAUSE, "clause_id": "6.1"}, CLAUSE, extends="packaged")
    extended = load_definitions(home.root).plan
    assert [c.clause_id for c in extended.clauses] == [
        *(c.clause_id for c in load_plan().clauses),
        "H1",
    ]
    assert extended.begins == 2018 and extended.plan_version == "t/1"
    (anew,) = (clause for clause in extended.clauses if clause.clause_id == "6.1")
    assert anew.indicator_id == "hazards"


def test_the_mark_changes_with_every_file(home: Home) -> None:
    home.define("calendar.csv", "form,opens,due,grace_days,year\nclass,,11-15,0,this\n")
    first = load_definitions(home.root).mark
    home.define("calendar.csv", "form,opens,due,grace_days,year\nclass,,11-16,0,this\n")
    assert first and load_definitions(home.root).mark not in ("", first)


def test_a_parameter_changes_a_number_and_no_expression(home: Home) -> None:
    values = [{"value": "50", "source": "甲"}, {"value": "40", "from_year": 2021, "source": "乙"}]
    define(
        home,
        "indicators.yaml",
        parameters=[
            {"parameter": "primary_class_norm", "zh": "班额", "en": "Size", "values": values}
        ],
    )
    found = load_definitions(home.root).catalogue.by_id["primary_class_within_45_share"]
    assert "students <= (CASE WHEN year >= 2021 THEN 40 ELSE 50 END)" in found.formula
    assert found.name_en == "Primary classes of 50 (40 from 2021) or fewer"


def test_every_contradiction_is_told_at_once_and_nothing_is_run(home: Home) -> None:
    indicators = define(
        home,
        "indicators.yaml",
        parameters=[
            {"parameter": "norm", "zh": "甲", "en": "A", "values": [{"value": "x", "source": "乙"}]}
        ],
        indicators=[HAZARDS, HAZARDS],
    )
    plan = a_plan(home, {**CLAUSE, "kind": "level"}, CLAUSE)
    calendar = home.define("calendar.csv", "form,opens,due,grace_days,year\nbus,,10-31,0,this\n")
    expected = home.define(
        "expected.csv", "form,kind,region_code,expected,from_year,to_year\nclass,,999999,0,,\n"
    )
    unread = home.define("plan.yml", "")
    told = problems(home)
    assert [one for one in told if one.startswith(f"{unread}: nothing reads a file of that name")]
    assert [
        one
        for one in told
        if one.startswith(f"{indicators}, line 2, parameter norm: ") and "is no number" in one
    ]
    assert [
        one
        for one in told
        if one.startswith(f"{plan}, line 5, clause H1: a clause of kind level needs")
    ]
    assert [
        one for one in told if one.startswith(f"{calendar}, line 2, bus: there is no such form")
    ]
    assert [
        one for one in told if one.startswith(f"{expected}, line 2, class, region_code: 999999")
    ]
    assert all("\n" not in one for one in told)
    assert {file.name for file in home.root.iterdir()} == {"definitions"}


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "an id twice": ({"indicators": [HAZARDS, HAZARDS]}, "indicator_id hazards stands twice"),
    "an unknown column": (
        {"indicators": [{**HAZARDS, "numerator": {**HAZARDS["numerator"], "value": "sum(hazard)"}}]},
        'indicator hazards, numerator: Referenced column "hazard" not found',
    ),
    "an unknown source": (
        {"indicators": [{**HAZARDS, "numerator": {**HAZARDS["numerator"], "source": "bus"}}]},
        "indicator hazards: there is no source bus",
    ),
    "an unknown scope": ({"indicators": [{**HAZARDS, "scope": "villages"}]}, "there is no scope villages"),
    "an unknown parameter": (
        {"indicators": [{**HAZARDS, "numerator": {**HAZARDS["numerator"], "rows": "hazards_found > $many"}}]},
        "indicator hazards: there is no parameter $many",
    ),
    "a view of a form that is not there": (
        {"views": [{"name": "buses", "forms": ["bus"], "sql": "SELECT 1"}]},
        "view buses: there is no form bus",
    ),
    "a view without region and year": (
        {"views": [{"name": "few", "forms": ["safety"], "sql": "SELECT 1 AS x FROM current.safety"}]},
        'view few, sql: Referenced column "region_code" not found',
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_indicators_is_told(home: Home, mistake: str) -> None:
    content, said = MISTAKES[mistake]
    file = define(home, "indicators.yaml", **content)
    (problem,) = problems(home)
    assert problem.startswith(str(file)) and said in problem


def test_a_clause_speaks_of_what_is_there(home: Home) -> None:
    a_plan(
        home,
        CLAUSE,
        {**CLAUSE, "clause_id": "H2", "indicator_id": "dropouts", "comparator": ">="},
        {**CLAUSE, "clause_id": "H3", "indicator_id": "dropouts",
         "targets": [{"region_code": "999999", "threshold": 1, "source": "甲"}]},
    )  # fmt: skip
    first, second, third = problems(home)
    assert "clause H1: the indicator hazards is not defined" in first
    assert "clause H2, comparator: >= contradicts the indicator dropouts" in second
    assert "clause H3, targets: there is no region 999999" in third


def test_an_example_that_comes_out_otherwise_is_told(home: Home) -> None:
    example = {"given": {"safety": [{"hazards_found": 2}, {"hazards_found": 3}]}, "numerator": "6"}
    define(home, "indicators.yaml", indicators=[{**HAZARDS, "examples": [example]}])
    found = load_definitions(home.root)
    with found.in_use():
        (said,) = examples_that_fail(found.catalogue, [found.catalogue.by_id["hazards"]])
    assert said.zh.startswith("指标 hazards，第1个例子：算出 5.000000 / 无 / 无，写的是 6")
    assert said.en.startswith(
        "indicator hazards, example 1: it gives 5.000000 / nothing / nothing, and says 6"
    )


def test_a_warning_of_a_home_is_one_more(home: Home) -> None:
    rule = {
        "number": "W60", "forms": {"safety": {}}, "zh": "{value}", "en": "{value}", "remedy_zh": "改",
        "remedy_en": "correct", "reason_zh": "因", "reason_en": "because", "example": "例",
        "query": "SELECT submission_id, sheet, \"row\", ['hazards_found'] AS columns, NULL::VARCHAR AS value,"
        " NULL::VARCHAR AS other, 'a' AS key, NULL::VARCHAR AS figure, 1 AS cells FROM standing.\"$form\"",
    }  # fmt: skip
    packaged = load_definitions(home.root).warnings
    define(home, "warnings.yaml", rules=[rule])
    assert load_definitions(home.root).warnings.keys() == {*packaged, "SAF-W60"}
    query = rule["query"].replace("sheet,", "shet,")  # type: ignore[attr-defined]
    define(home, "warnings.yaml", rules=[{**rule, "query": query}])
    (problem,) = problems(home)
    assert 'rule SAF-W60: Referenced column "shet" not found' in problem
    define(home, "warnings.yaml", rules=[{**rule, "forms": {"bus": {}}}])
    (problem,) = problems(home)
    assert "rule W60: there is no form bus" in problem


@pytest.mark.parametrize("name", catalogues())
def test_a_catalogue_joins_the_plan_and_says_where_it_is_from(home: Home, name: str) -> None:
    found = load_definitions(home.root, national=[name])
    mine = load_plan(catalogues()[name])
    ids = {clause.clause_id for clause in mine.clauses}
    assert ids <= {clause.clause_id for clause in found.plan.clauses}
    assert found.plan.plan_version == f"{load_plan().plan_version}+{mine.plan_version}"
    # The official texts were not at hand.
    assert all("据二手材料" in clause.source for clause in mine.clauses)


def test_a_catalogue_that_is_not_there_is_told(home: Home) -> None:
    (problem,) = problems(home, national=["national-1999"])
    assert problem.startswith(
        "settings.toml, catalogues: there is no catalogue national-1999; there are "
    )


def test_two_homes_in_one_process_do_not_see_each_other(home: Home, tmp_path: Path) -> None:
    home.define_form("class", "班级学生数表", "班级情况表")
    other = Home(tmp_path / "other")
    with home.defined():
        assert FORMS["class"].zh == "班级情况表"
        with other.defined():
            assert FORMS["class"].zh == "班级学生数表"
        assert FORMS["class"].zh == "班级情况表"
    assert FORMS["class"].zh == "班级学生数表"


def test_a_form_may_lack_what_no_clause_asks_for(home: Home) -> None:
    line = "  - {name: cloud_platform, header: 接入教育云平台, type: bool, en: Connected to the education cloud}\n"
    home.define_form("school", line, "")
    # The packaged plan asks for it.
    (problem,) = problems(home)
    assert (
        'indicator cloud_platform_share, share: Referenced column "cloud_platform" not found'
        in problem
    )
    a_plan(home, {**CLAUSE, "indicator_id": "dropouts"})
    found = load_definitions(home.root).catalogue
    assert list(found.by_id) == ["dropouts"]
    # The outlook on places asks for none of it.
    assert {view.name for view in found.views} == set(places_ahead.VIEWS)
