"""Rules that are not asked again: whatever arrives in whatever order, the warnings are those of asking all of them."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest
import yaml

from expectations import warnings as module
from expectations.engine import Engine
from expectations.unchanged import NEVER_THE_SAME
from expectations.warnings import WARNINGS, asked_together, load_warnings
from flows import steps
from flows.run import Run
from tests.conftest import Home, InDuckDB

UNITS = ("义县", "黑山县", "凌海市")
YEARS = (2019, 2020, 2021)
SCHOOLS = ("2121270001", "2121270002", "2121270003")
WARNED = "FROM warning ORDER BY ALL"
#: Of a school that is in no form of schools, which is a warning where there are such forms.
CLASS = [
    {
        "stage": "小学",
        "grade": 1,
        "class_name": "1班",
        "students": 60,
        "institution_code": SCHOOLS[0],
    }
]


def checked(home: Home, *, forget: bool = False) -> tuple[list[tuple[Any, ...]], set[str]]:
    """The warnings after what has arrived was loaded, and the rules that were asked anew."""
    engine = InDuckDB()
    with Run.open(home.settings) as run:
        run.engine = cast(Engine, engine)
        steps.pull_inbox(run)
        steps.load_deliveries(run, steps.unread(run), lambda: None)
        if forget:
            run.connection.execute("DELETE FROM kept_answer")
        steps.check_across(run)
        return run.connection.execute(WARNED).fetchall(), engine.anew


def read_definitions_of(number: str) -> list[dict[str, Any]]:
    """The packaged record of a rule, its query worded anew."""
    rules = yaml.safe_load(WARNINGS.read_text("utf-8"))["rules"]
    return [
        {**one, "query": f"{one['query']} -- again\n"} for one in rules if one["number"] == number
    ]


def rows_of(form: str, chance: random.Random) -> list[dict[str, object]]:
    """A few rows, now and then with what a rule looks for."""
    match form:
        case "class":
            return [
                {
                    "stage": chance.choice(("小学", "初中")),
                    "grade": grade,
                    "class_name": "1班",
                    "students": chance.choice((30, 40, 140)),
                    "institution_code": chance.choice(SCHOOLS),
                }
                for grade in (1, 7)
            ]
        case "school":
            return [
                {
                    "institution_code": code,
                    "institution_name": chance.choice(("第一小学", "第二小学")),
                    "primary_students": chance.choice((0, 80, 800)),
                }
                for code in chance.sample(SCHOOLS, 2)
            ]
        case _:
            return [
                {"age": age, "population": chance.choice((0, 10, 500))}
                for age in chance.sample(range(3, 18), 3)
            ]


@pytest.mark.parametrize("seed", range(3))
def test_the_warnings_of_any_history_are_those_of_asking_every_rule(home: Home, seed: int) -> None:
    chance = random.Random(seed)
    for step in range(4):
        for _ in range(chance.choice((0, 1, 1, 3))):
            form, year = chance.choice(("class", "school", "population")), chance.choice(YEARS)
            home.sheet(
                chance.choice(UNITS),
                form,
                year,
                rows_of(form, chance),
                received=f"2022-09-{step + 1:02d} 02:00:{chance.randrange(60):02d}",
                name=f"{form}{chance.random()}-{year}年.csv",
            )
        found, _ = checked(home)
        everything, anew = checked(home, forget=True)
        assert found == everything
        assert anew == set(load_warnings())


def test_only_rules_that_read_what_has_changed_are_asked_anew(home: Home) -> None:
    home.sheet("义县", "class", 2020, CLASS)
    home.sheet("义县", "population", 2020, [{"age": 3, "population": 10}])
    first, anew = checked(home)
    assert first
    assert anew == set(load_warnings())
    assert checked(home) == (first, set())
    home.sheet("黑山县", "population", 2020, [{"age": 3, "population": 10}])
    _, anew = checked(home)
    # What looks at the form or at who has reported; and the places that residents need.
    assert {"POP-W16", "POP-W17", "KG-W20", "CLS-W11"} <= anew
    assert not anew & {"CLS-W16", "CLS-W17", "SCH-W12", "CLS-W14", "CLS-W22", "SCH-W23"}
    home.sheet(
        "黑山县",
        "population",
        2020,
        [{"age": 3, "population": 11}],
        name="population2020年.csv",
        received="2022-09-05 02:00:00",
    )
    # Who has reported is the same: only what looks at the residents is asked.
    assert checked(home)[1] == {"POP-W16", "POP-W17", "KG-W20", "SCH-W20"}


def test_forms_of_many_rows_are_asked_one_by_one(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {
        *asked_together({"class": 90_000, "teacher": 20_000}),
        *asked_together({"school": 300_000}),
    }
    assert {"W10", "W10 CLS", "W10 TCH SAF"} <= names
    assert {"W12", "W12 KG", "W12 SCH", "W12 VOC"} <= names
    home.sheet("义县", "class", 2020, CLASS)
    # Neither the school of the class nor that of the safety form is in the form of schools.
    home.sheet("义县", "school", 2020, [{"institution_code": SCHOOLS[1], "primary_students": 80}])
    home.sheet("义县", "safety", 2020, [{"institution_code": SCHOOLS[2], "hazards_found": 1}])
    together, _ = checked(home)
    assert all(any(rule in row for row in together) for rule in ("CLS-W10", "SAF-W10"))
    monkeypatch.setattr(module, "ROWS_TOGETHER", 0)
    assert checked(home) == (together, set())
    found, anew = checked(home, forget=True)
    assert found == together
    assert anew == set(load_warnings())


def test_a_rule_that_is_worded_anew_is_asked_anew(home: Home) -> None:
    home.sheet("义县", "class", 2020, CLASS)
    checked(home)
    (one,) = read_definitions_of("W14")
    home.define("warnings.yaml", yaml.safe_dump({"rules": [one]}, allow_unicode=True))
    assert checked(home)[1] == {"CLS-W14"}


@pytest.mark.parametrize(
    ("query", "never"),
    [
        ("SELECT * FROM standing.school WHERE founded_year > year(today())", True),
        ("SELECT * FROM read_csv('list.csv')", True),
        ("SELECT * FROM standing.school USING SAMPLE 3 ROWS", True),
        ("SELECT random() FROM standing.school", True),
        ("SELECT * FROM 'list.csv'", True),
        ("SELECT now.year FROM standing.school now WHERE now.year > 2020", False),
        ("SELECT now_code FROM township_crosswalk JOIN current.school USING (year)", False),
    ],
)
def test_what_gives_something_else_each_time_is_always_asked(query: str, never: bool) -> None:
    assert bool(NEVER_THE_SAME.search(query)) == never
