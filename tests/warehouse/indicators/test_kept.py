"""Rows that stay as they are, are read once: whatever happens, a night publishes what it would have from nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, cast

import pytest
import yaml

from expectations.clauses import PLAN
from expectations.engine import Engine
from flows import steps
from flows.run import Run
from flows.terminal.office import rule
from tests.conftest import ByHand, Home, rows_of_publication
from transforms.forms import FORMS
from warehouse.indicators import kept
from warehouse.indicators.definitions import INDICATORS, load_catalogue
from warehouse.ledger.store import Scope
from warehouse.reference import load_reference
from warehouse.sql import is_of_one_row

UNITS = ("210702", "210727", "210781")
YEARS = (2019, 2020, 2021)
FORGOTTEN = ("kept_mark", "kept_part", "kept_shortfall", "kept_turning")


def from_nothing(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """What would be published if nothing were kept."""
    with Run.open(home.settings) as run:
        run.engine = cast(Engine, ByHand(run.plan, run.catalogue))
        for table in FORGOTTEN:
            run.connection.execute(f"DELETE FROM {table}")
        steps.evaluate(run)
        steps.fill_publication(run)
        return rows_of_publication(run.connection, "publication")


def rows_of(form: str, chance: random.Random) -> list[dict[str, object]]:
    """Rows that meet their clauses, or miss them by one school."""
    codes = [f"21212700{n:02d}" for n in range(1, 5)]
    match form:
        case "school":
            return [
                {
                    "institution_code": code,
                    "institution_name": chance.choice(("第一小学", "第二小学")),
                    "stage": chance.choice(("小学", "初中")),
                    "arrival_time": chance.choice(("07:40", "07:50", None)),
                    "class_start_time": chance.choice(("07:50", "08:00", "08:10")),
                    "primary_students": chance.choice((0, 500, 2500)),
                    "boarding": chance.choice((True, False)),
                }
                for code in chance.sample(codes, 3)
            ]
        case "kindergarten":
            return [
                {
                    "institution_code": code,
                    "institution_name": chance.choice(("第一幼儿园", "第二幼儿园")),
                    "ownership": chance.choice(("公办", "民办")),
                    "licensed": chance.choice((True, True, False)),
                    "children_enrolled": chance.choice((20, 60, 90)),
                    "township": chance.choice(("义县城关街道", "石山镇")),
                }
                for code in chance.sample(codes, 3)
            ]
        case "class":
            return [
                {
                    "institution_code": chance.choice(codes),
                    "stage": "小学",
                    "grade": 1,
                    "class_name": f"{n}班",
                    "students": chance.choice((30, 45, 46, 60)),
                }
                for n in range(1, 4)
            ]
        case "finance":
            return [
                {
                    "stage": stage,
                    "budget_expenditure": chance.choice((90, 100)),
                    "students_average": 9,
                }
                for stage in ("合计", "小学")
            ]
        case _:
            return [{"age": age, "population": chance.choice((50, 100))} for age in range(3, 6)]


HANDED_IN = ("school", "kindergarten", "class", "finance", "population")


def hand_in_all(home: Home, chance: random.Random) -> None:
    for unit in UNITS:
        home.book(unit, {y: {form: rows_of(form, chance) for form in HANDED_IN} for y in YEARS})


def hand_in(home: Home, chance: random.Random, step: int) -> None:
    """Hand in a form of one unit and year anew."""
    form, unit, year = chance.choice(HANDED_IN), chance.choice(UNITS), chance.choice(YEARS)
    received = f"2022-09-{step + 1:02d} 02:00:{chance.randrange(60):02d}"
    name = f"{form}{chance.random()}-{year}年.csv"
    home.sheet(unit, form, year, rows_of(form, chance), received=received, name=name)


def send_back(home: Home, chance: random.Random) -> None:
    """Send back something in force, so that what was before it holds again."""
    in_force = home.ask(
        "SELECT region_code, form, year FROM submission WHERE status LIKE 'accepted%' ORDER BY ALL"
    )
    unit, form, year = chance.choice(in_force)
    reference = load_reference(home.root)
    settings, told = home.settings, {"approved": False, "reason": "有误", "decided_as": "规划科"}
    rule(settings, reference, unit, FORMS[form], year, **told)


def ask_for(home: Home, field: str, values: dict[str, int]) -> None:
    """Change clauses of the plan that is in use."""
    own = home.root / "definitions" / "plan.yaml"
    plan = yaml.safe_load((own if own.exists() else PLAN).read_text("utf-8"))
    for clause in plan["clauses"]:
        if clause["clause_id"] in values:
            clause[field] = values[clause["clause_id"]]
    home.define("plan.yaml", dumped(plan))


def ask_for_other_shares(home: Home, chance: random.Random) -> None:
    ask_for(home, "threshold", {name: chance.choice((0, 30)) for name in ("1.1", "1.2")})


def read_again(home: Home, chance: random.Random) -> None:
    """Take a year through the whole way again, as a backfill does."""
    with Run.open(home.settings) as run:
        run.engine = cast(Engine, ByHand(run.plan, run.catalogue))
        steps.reload_deliveries(run, Scope((chance.choice(YEARS),)), lambda: None)
        home.finish(run)


CHANGES = (send_back, ask_for_other_shares, read_again)


@pytest.mark.parametrize("seed", range(2))
def test_any_history_publishes_what_it_would_from_nothing(home: Home, seed: int) -> None:
    chance = random.Random(seed)
    hand_in_all(home, chance)
    home.night()
    for step, change in enumerate(chance.sample(CHANGES, len(CHANGES))):
        hand_in(home, chance, step)
        change(home, chance)
        home.night()
        assert home.rows() == from_nothing(home)


TURNING = "SELECT region_code, year, institution_name FROM turning_institution WHERE clause_id = '2.2' ORDER BY ALL"


def kindergartens(names: str) -> list[dict[str, object]]:
    """One that is public, and two private ones with twice its children."""
    return [
        {
            "institution_code": f"112127000{n}",
            "institution_name": f"{name}园",
            "ownership": "公办" if n == 0 else "民办",
            "children_enrolled": 50,
        }
        for n, name in enumerate(names)
    ]


def test_a_verdict_that_changes_by_itself_is_looked_at_anew(home: Home) -> None:
    home.sheet(UNITS[0], "kindergarten", 2020, kindergartens("甲乙丙"))
    home.night()
    assert home.status("2.2", UNITS[0], 2020) == "not_due"
    assert home.ask(TURNING) == []
    ask_for(home, "due_year", {"2.2": 2020})
    home.night()
    assert home.status("2.2", UNITS[0], 2020) == "not_met"
    # Without one of the two private ones half of the children would be in a public one.
    assert home.ask(TURNING) == [(UNITS[0], 2020, "丙园"), (UNITS[0], 2020, "乙园")]


def test_rows_that_change_no_figure_are_read_anew(home: Home) -> None:
    ask_for(home, "due_year", {"2.2": 2020})
    home.sheet(UNITS[0], "kindergarten", 2020, kindergartens("甲乙丙"))
    home.night()
    renamed = {"name": "更正2020年.csv", "received": "2022-10-01 02:00:00"}
    home.sheet(UNITS[0], "kindergarten", 2020, kindergartens("甲乙丁"), **renamed)
    home.night()
    assert home.ask(TURNING) == [(UNITS[0], 2020, "丁园"), (UNITS[0], 2020, "乙园")]


def two_years(home: Home) -> None:
    """A school that breaks a clause in each of two years, in two units."""
    for unit in UNITS[:2]:
        for year in (2020, 2021):
            home.sheet(unit, "school", year, schools("07:40"))
    home.night()


def correct(home: Home, arrival: str) -> None:
    """Hand in the schools of one unit and year again."""
    late = {"name": "更正2021年.csv", "received": "2022-10-01 02:00:00"}
    home.sheet(UNITS[0], "school", 2021, schools(arrival), **late)


def schools(arrival: str) -> list[dict[str, object]]:
    return [
        {"institution_code": "2121270001", "institution_name": "早小", "arrival_time": arrival},
        {"institution_code": "2121270002", "institution_name": "晚小", "arrival_time": "08:00"},
    ]


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> dict[str, kept.Changed]:
    """What was made anew, by table."""
    found, real = dict[str, kept.Changed](), kept.changed

    def noted(connection: Any, table: str, *more: Any) -> kept.Changed:
        found[table] = real(connection, table, *more)
        return found[table]

    monkeypatch.setattr(kept, "changed", noted)
    return found


def test_only_units_and_years_with_other_rows_are_read(
    home: Home, changed: dict[str, kept.Changed]
) -> None:
    two_years(home)
    correct(home, "08:00")
    home.night()
    place = kept.Changed(frozenset({2021}), frozenset({UNITS[0]}))
    assert changed["kept_part"] == place
    assert changed["kept_turning"].years == {2021}
    # The city's shortfalls are its units', and its verdict of the clause is still the same.
    assert changed["kept_shortfall"] == place


def correct_one(home: Home, *statements: str) -> None:
    """Write into what is kept, and correct one unit's year."""
    two_years(home)
    with Run.open(home.settings) as run:
        for statement in statements:
            run.connection.execute(statement)
    correct(home, "07:45")
    home.night()


def test_kept_parts_are_taken_for_all_others(home: Home) -> None:
    correct_one(home, "UPDATE kept_part SET value = value * 7 WHERE part = 'top'")
    assert home.value("arrival_compliance_share", UNITS[0], 2021)[:2] == (1, 2)
    assert home.value("arrival_compliance_share", UNITS[1], 2021)[:2] == (7, 2)
    assert home.value("arrival_compliance_share", UNITS[0], 2020)[:2] == (7, 2)


def test_kept_institutions_are_taken_for_all_others(home: Home) -> None:
    named = "UPDATE {} SET institution_name = '留'"
    correct_one(home, named.format("kept_shortfall"), named.format("kept_turning"))
    listed = "SELECT region_code, year FROM {} WHERE clause_id = '1.1' AND institution_name = '留'"
    others = {(UNITS[0], 2020), (UNITS[1], 2020), (UNITS[1], 2021)}
    assert set(home.ask(listed.format("shortfall"))) == others
    # Of a year all units are taken apart: the regions above are made of them.
    assert set(home.ask(listed.format("turning_institution"))) == {
        p for p in others if p[1] == 2020
    }


def dumped(content: object) -> str:
    return yaml.safe_dump(content, allow_unicode=True, width=10_000)


def with_another(old: str, new: str) -> Callable[[Home], None]:
    def define(home: Home) -> None:
        records = yaml.safe_load(INDICATORS.read_text("utf-8"))
        named = [one for field in ("views", "indicators") for one in records[field]]
        record = next(one for one in named if old in dumped(one))
        field = "views" if record in records["views"] else "indicators"
        home.define("indicators.yaml", dumped({field: [record]}).replace(old, new))

    return define


@pytest.mark.parametrize(
    "define",
    [
        with_another(
            "test: arrival_time >= $earliest_arrival", "test: arrival_time > $earliest_arrival"
        ),
        with_another("'十二年一贯制学校', '完全中学')", "'完全中学')"),
    ],
)
def test_another_question_is_asked_of_all_rows(
    home: Home, changed: dict[str, kept.Changed], define: Callable[[Home], None]
) -> None:
    two_years(home)
    define(home)
    home.night()
    assert changed["kept_part"].years >= {2020, 2021}


@pytest.mark.parametrize(
    ("expression", "of_one"),
    [
        ("count(*) FILTER (WHERE arrival_time >= TIME '07:50')", True),
        ("sum(children_enrolled)", True),
        ("founded_year > year(today())", False),
        ("rank() OVER (PARTITION BY year ORDER BY students) = 1", False),
        ("township IN (SELECT township_name FROM township)", False),
        ("stage IN ('小学') LIMIT 1", False),
    ],
)
def test_what_looks_at_other_rows_is_not_kept(expression: str, of_one: bool) -> None:
    assert is_of_one_row(expression) == of_one


def test_a_view_of_some_rows_of_a_form_has_that_form_behind_it() -> None:
    catalogue = load_catalogue()
    assert catalogue.form_behind("school") == "school"
    assert catalogue.form_behind("compulsory_school") == "school"
    assert catalogue.form_behind("town_kindergarten") is None
    assert catalogue.form_behind("newest_public_kindergarten") is None
