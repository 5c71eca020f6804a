"""A home's own definitions in its nights: a form of its own, a column more, a dry run of other ones."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import duckdb
import pytest

from expectations.engine import Engine
from flows import steps
from flows.dry_run import rehearse
from flows.run import Run, StepFailed
from tests.conftest import ByHand, Home, csv_bytes
from warehouse.ledger.store import Scope

GUTA, YIXIAN = "210702", "210727"

FORM = """
form: canteen
code: CAN
zh: 学校食堂情况表
en: School canteens
each_row_is_a: canteen
row_zh: 一个食堂
key: [institution_code]
columns:
  - {name: institution_code, header: 学校标识码, type: code, required: true, en: Code}
  - {name: meals, header: 供餐人数, type: int, required: true, en: Meals}
  - {name: kitchen, header: 食堂数, type: int, required: true, en: Kitchens}
"""
INDICATORS = """
indicators:
  - indicator_id: meals
    section: 6
    name_zh: 供餐人数
    name_en: Meals
    unit: 人
    better: higher
    numerator: {source: canteen, value: sum(meals), zh: 供餐人数}
    gap: {unit: 人}
"""
PLAN = """
plan_version: meals/1
title_zh: 供餐目标
title_en: Meals
first_year: 2020
clauses:
  - clause_id: M1
    indicator_id: meals
    section: 6
    kind: standing
    comparator: ">="
    threshold: 100
    effective_from: 2020
    statement_zh: 每个单位为100人供餐。
    statement_en: Every unit serves 100 pupils.
    source: a source
"""


@pytest.fixture
def canteens(home: Home) -> Home:
    """A home with a form, an indicator and a plan of its own, and a night over one submission."""
    home.define("forms/canteen.yaml", FORM)
    home.define("indicators.yaml", INDICATORS)
    home.define("plan.yaml", PLAN)
    with home.defined():
        # Beside the columns of today there is one that the form does not know yet.
        lines = csv_bytes("canteen", [{"meals": 60}, {"meals": 30}]).decode().splitlines()
    table = [lines[0] + ",明厨亮灶", *(f"{line},是" for line in lines[1:])]
    home.deliver(f"{YIXIAN}/学校食堂情况表2020年.csv", "\r\n".join(table).encode())
    home.night()
    return home


def test_a_form_an_indicator_and_a_clause_of_the_home_are_read_computed_and_judged(
    canteens: Home,
) -> None:
    assert canteens.value("meals", YIXIAN, 2020) == (90, None, 90)
    assert canteens.status("M1", YIXIAN, 2020) == "not_met"
    assert canteens.status("M1", GUTA, 2020) == "no_data"
    ((stamp,),) = canteens.ask("SELECT plan_version FROM publication")
    with canteens.defined() as defined:
        assert stamp.startswith("meals/1#") and stamp.endswith(f"+{defined.mark}")


def test_a_form_that_gains_a_column_is_read_again_without_being_asked(canteens: Home) -> None:
    column = "  - {name: open_kitchen, header: 明厨亮灶, type: bool, en: Open}\n"
    canteens.define("forms/canteen.yaml", FORM + column)
    counted = "sum(CASE WHEN open_kitchen THEN meals END)"
    canteens.define("indicators.yaml", INDICATORS.replace("sum(meals)", counted))
    night = canteens.night()
    assert len(night.read) == 1, "the delivery counts as not read"
    assert canteens.value("meals", YIXIAN, 2020) == (90, None, 90)
    with duckdb.connect(str(canteens.settings.warehouse), read_only=True) as connection:
        rows = connection.execute("SELECT open_kitchen FROM submitted.canteen").fetchall()
    assert rows == [(True,), (True,)]


def test_a_dry_run_of_other_definitions_tells_which_verdicts_turn_and_changes_nothing(
    canteens: Home, tmp_path: Path
) -> None:
    tried = tmp_path / "tried"
    (tried / "forms").mkdir(parents=True)
    for name, text in (
        ("forms/canteen.yaml", FORM),
        ("indicators.yaml", INDICATORS),
        ("plan.yaml", PLAN.replace("threshold: 100", "threshold: 90")),
    ):
        (tried / name).write_text(text, "utf-8")
    before = canteens.rows()
    with rehearse(canteens.settings, instead={"definitions": tried}) as copy, Run.open(copy) as run:
        run.engine = cast(Engine, ByHand(run.plan, run.catalogue))
        steps.reload_deliveries(run, Scope((2020,)), lambda: None)
        steps.evaluate(run)
        found = steps.changes(run)
    turns = {
        (
            one.clause_id,
            one.region_code,
            one.old_status,
            one.new_status,
            one.old_threshold,
            one.threshold,
        )
        for one in found
    }
    assert turns == {("M1", YIXIAN, "not_met", "met", 100, 90)}
    assert canteens.rows() == before


def test_wrong_definitions_stop_a_run_before_anything_is_made(home: Home) -> None:
    home.define("plan.yaml", PLAN)
    home.define("forms/canteen.yaml", FORM.replace("type: int", "type: integer"))
    with pytest.raises(StepFailed) as caught, Run.open(home.settings):
        pass
    said = str(caught.value)
    assert "canteen.yaml, line 11, column meals type:" in said
    assert {file.name for file in home.root.iterdir()} == {"definitions"}


def test_a_dry_run_of_another_region_list_tells_what_closing_a_unit_does(
    canteens: Home, tmp_path: Path
) -> None:
    head = "region_code,region_name,aliases,level,parent_code,kind,valid_from_year,valid_to_year,successor\n"
    (tmp_path / "regions.csv").write_text(
        f"{head}210700,锦州市,,city,,地级市,,,\n"
        f"{YIXIAN},义县,,reporting_unit,210700,县,,2019,{GUTA}\n"
        f"{GUTA},古塔区,,reporting_unit,210700,市辖区,,,\n",
        "utf-8",
    )
    with (
        rehearse(canteens.settings, instead={"reference": tmp_path}) as copy,
        Run.open(copy) as run,
    ):
        run.engine = cast(Engine, ByHand(run.plan, run.catalogue))
        steps.reload_deliveries(run, Scope((2020,)), lambda: None)
        steps.evaluate(run)
        found = {(one.region_code, one.old_status, one.new_status) for one in steps.changes(run)}
    assert (YIXIAN, "not_met", "not_applicable") in found
