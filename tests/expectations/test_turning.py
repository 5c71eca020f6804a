"""Which single institution turns a verdict: examples worked by hand."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from flows.terminal.cli import cli
from tests.conftest import Home, MakeHome
from warehouse.indicators.definitions import INDICATORS

UNIT, OTHER, YEAR = "210702", "210703", 2022


def school(number: int, **values: object) -> dict[str, object]:
    return {
        "institution_code": f"21210200{number:02d}",
        "institution_name": f"{number}小",
        "township": "石油街道",
        "stage": "小学",
        **values,
    }


@pytest.fixture(scope="module")
def home(make_home: MakeHome) -> Home:
    """A unit in which one school begins early, and one kindergarten makes half of the children public."""
    home = make_home()
    times = ("08:00", "08:10", "07:50")
    schools = [school(n, class_start_time=time) for n, time in enumerate(times, 1)]
    home.sheet(UNIT, "school", YEAR, schools)
    gardens = [
        {"institution_code": "1121020001", "institution_name": "一园", "ownership": "公办"},
        {"institution_code": "1121020002", "institution_name": "二园", "ownership": "公办"},
        {"institution_code": "1121020003", "institution_name": "三园", "ownership": "民办"},
    ]
    children = (60, 5, 60)
    home.sheet(
        UNIT,
        "kindergarten",
        YEAR,
        [{**one, "children_enrolled": n} for one, n in zip(gardens, children, strict=True)],
    )
    early = [school(n, class_start_time="07:50") for n in (11, 12)]
    home.sheet(OTHER, "school", YEAR, [*early, school(13, class_start_time="08:00")])
    home.night()
    return home


def turning(home: Home, clause: str, region: str) -> list[tuple[Any, ...]]:
    return home.ask(
        "SELECT institution_name, status FROM turning_institution"
        " WHERE (clause_id, region_code, year) = (?, ?, ?) ORDER BY ALL",
        clause,
        region,
        YEAR,
    )


def test_the_one_school_that_breaks_a_standing_clause_turns_it(home: Home) -> None:
    assert home.status("1.2", UNIT, YEAR) == "not_met"
    assert turning(home, "1.2", UNIT) == [("3小", "not_met")]


def test_of_two_that_break_it_neither_turns_it_alone(home: Home) -> None:
    assert home.status("1.2", OTHER, YEAR) == "not_met"
    assert turning(home, "1.2", OTHER) == []


def test_every_institution_without_which_a_threshold_is_missed_turns_it(home: Home) -> None:
    # 65 of 125 children are 52 %. Without 一园 5 of 65; without 二园 60 of 120, which is met exactly.
    assert home.status("2.2", UNIT, YEAR) == "met"
    assert turning(home, "2.2", UNIT) == [("一园", "met")]


def test_only_verdicts_can_be_turned(home: Home) -> None:
    assert home.ask(
        "SELECT count(*) FROM turning_institution ANTI JOIN (FROM attainment"
        " WHERE status IN ('met', 'not_met')) USING (clause_id, region_code, year)"
    ) == [(0,)]


def test_explain_names_them(home: Home) -> None:
    command = ["explain", "1.2", UNIT, str(YEAR), "--home", str(home.root)]
    said = CliRunner().invoke(cli, command).output
    assert "the verdict hangs on a single institution" in said
    assert "3小" in said


def test_what_an_institution_has_in_two_forms_is_taken_out_together(make_home: MakeHome) -> None:
    home = make_home()
    records = yaml.safe_load(INDICATORS.read_text("utf-8"))["indicators"]
    (one,) = (r for r in records if r["indicator_id"] == "public_kindergarten_enrolment_share")
    pupils = {"source": "school", "value": "sum(primary_students)", "zh": "小学在校生数"}
    changed = {**one, "denominator": pupils, "examples": []}
    home.define("indicators.yaml", yaml.safe_dump({"indicators": [changed]}, allow_unicode=True))
    gardens = [
        {"institution_code": "2121020001", "institution_name": "1小", "children_enrolled": 60},
        {"institution_code": "1121020002", "institution_name": "二园", "children_enrolled": 40},
    ]
    home.sheet(UNIT, "kindergarten", YEAR, [{**garden, "ownership": "公办"} for garden in gardens])
    home.sheet(
        UNIT, "school", YEAR, [school(n, primary_students=p) for n, p in ((1, 120), (2, 80))]
    )
    home.night()
    # 100 of 200. Without 1小 40 of 80, which is met exactly; without its children alone it would be 40 of 200.
    assert home.status("2.2", UNIT, YEAR) == "met"
    assert turning(home, "2.2", UNIT) == [("二园", "met")]
