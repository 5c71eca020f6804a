"""What changed between two publications, and whose doing it was: the table `revision`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from expectations.clauses import PLAN
from expectations.engine import Engine
from flows import steps
from flows.dry_run import rehearse
from flows.run import Run
from tests.conftest import ByHand, Home
from warehouse.ledger.store import Scope

YIXIAN, GUTA, CITY, OWN = "210727", "210702", "210700", "210701"
SHARE = "public_kindergarten_enrolment_share"
Cause = tuple[Any, ...]


def kindergartens(public: int) -> list[dict[str, object]]:
    """Two kindergartens with 100 children, so many of them in the public one."""
    return [
        {"ownership": "公办", "children_enrolled": public},
        {"ownership": "民办", "children_enrolled": 100 - public},
    ]


def classes(large: int, of: int = 20) -> list[dict[str, object]]:
    """``of`` primary classes, so many of them large."""
    return [
        {
            "institution_code": "2121270001",
            "stage": "小学",
            "class_name": f"{number}班",
            "students": 60 if number <= large else 40,
        }
        for number in range(1, of + 1)
    ]


def spending(amount: int) -> list[dict[str, object]]:
    return [{"stage": stage, "budget_expenditure": amount} for stage in ("合计", "小学")]


def revisions(home: Home, indicator: str, *regions: str) -> list[Cause]:
    """The rows of the last publication: region, year, old and new value and status, file."""
    listed = ", ".join(f"'{region}'" for region in regions)
    return home.ask(
        "SELECT r.region_code, r.year, old_value, new_value, old_status, new_status, s.file_name"
        " FROM revision r LEFT JOIN submission s USING (submission_id)"
        " WHERE publication_id = (SELECT max(publication_id) FROM publication)"
        f" AND indicator_id = '{indicator}' AND r.region_code IN ({listed})"
        " ORDER BY r.region_code, r.year, old_status, new_status"
    )


def plan_with(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The packaged plan, changed."""
    content = yaml.safe_load(PLAN.read_text("utf-8"))
    change(content)
    file = folder / "plan.yaml"
    file.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    return file


def clause(content: dict[str, Any], clause_id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in content["clauses"] if c["clause_id"] == clause_id)
    return found


def backfill(home: Home, by_hand: type[ByHand], years: Sequence[int]) -> None:
    with Run.open(home.settings) as run:
        run.engine = cast(Engine, by_hand(run.plan, run.catalogue))
        steps.reload_deliveries(run, Scope(tuple(years)), lambda: None)
        home.finish(run)


def test_a_corrected_start_moves_the_verdicts_of_later_years(home: Home) -> None:
    # Clause 2.2: from 40 % in 2018 to 50 % in 2022, so 42.5 % are wanted in 2019, 45 % in 2020.
    for year, public in ((2018, 40), (2019, 42), (2020, 44)):
        home.sheet(YIXIAN, "kindergarten", year, kindergartens(public))
    home.night()
    assert [home.status("2.2", YIXIAN, year) for year in (2019, 2020)] == ["off_track"] * 2
    # From 38 % the line passes 41 % and 44 %.
    home.sheet(
        YIXIAN, "kindergarten", 2018, kindergartens(38), name="更正2018.csv",
        received="2020-10-01 00:00:00",
    )  # fmt: skip
    home.night()
    cause = "更正2018.csv"
    assert revisions(home, SHARE, YIXIAN) == [
        (YIXIAN, 2018, 40, 38, "monitored", "monitored", cause),
        (YIXIAN, 2019, 42, 42, "off_track", "on_track", cause),
        (YIXIAN, 2020, 44, 44, "off_track", "on_track", cause),
    ]


def test_an_earlier_year_that_comes_late_gives_a_line_to_be_on(home: Home) -> None:
    home.sheet(YIXIAN, "kindergarten", 2020, kindergartens(44))
    home.night()
    home.sheet(YIXIAN, "kindergarten", 2019, kindergartens(42))
    home.night()
    cause = "幼儿园基本情况表2019年.csv"
    assert revisions(home, SHARE, YIXIAN) == [
        (YIXIAN, 2019, None, 42, "no_data", "not_due", cause),
        (YIXIAN, 2020, 44, 44, "not_due", "off_track", cause),
    ]


def test_the_year_before_corrected_moves_the_verdict_of_what_must_not_fall(home: Home) -> None:
    for year, amount in ((2018, 100), (2019, 90), (2020, 80)):
        home.sheet(YIXIAN, "finance", year, spending(amount))
    home.night()
    home.sheet(
        YIXIAN, "finance", 2018, spending(90), name="更正2018.csv", received="2020-10-01 00:00:00"
    )
    home.night()
    indicator = "budget_education_expenditure"
    assert revisions(home, indicator, YIXIAN) == [
        (YIXIAN, 2018, 100, 90, "no_data", "no_data", "更正2018.csv"),
        (YIXIAN, 2019, 90, 90, "not_met", "met", "更正2018.csv"),
    ]


def test_of_two_units_the_one_whose_figure_moved_moved_the_city(home: Home) -> None:
    for unit in (YIXIAN, GUTA):
        home.sheet(unit, "class", 2020, classes(1))
    home.night()
    home.sheet(
        YIXIAN, "class", 2020, classes(2), name="义县2020.csv", received="2020-10-01 00:00:00"
    )
    # The same figures in other bytes, received later.
    home.sheet(
        GUTA, "class", 2020, list(reversed(classes(1))), name="古塔2020.csv",
        received="2020-10-02 00:00:00",
    )  # fmt: skip
    # Accepted, but not expected of the unit and counted nowhere.
    home.sheet(
        OWN, "population", 2020, [{"age": 3, "population": 5}], received="2020-10-03 00:00:00"
    )
    home.night()
    assert revisions(home, "large_class_share", YIXIAN, GUTA, CITY) == [
        (CITY, 2020, 5, 7.5, "insufficient", "insufficient", "义县2020.csv"),
        (YIXIAN, 2020, 5, 10, "met", "not_met", "义县2020.csv"),
    ]


def test_a_changed_plan_and_a_submission_in_one_publication(home: Home, tmp_path: Path) -> None:
    home.sheet(YIXIAN, "class", 2020, classes(1))
    home.sheet(GUTA, "class", 2020, classes(1))
    home.sheet(YIXIAN, "class", 2021, classes(1))
    home.night()
    home.sheet(
        YIXIAN, "class", 2020, classes(0), name="义县2020.csv", received="2020-10-01 00:00:00"
    )

    def stricter(content: dict[str, Any]) -> None:
        clause(content, "2.9")["threshold"] = 4

    plan = plan_with(tmp_path, stricter)
    type(home)(home.root, plan=plan).night()
    assert revisions(home, "large_class_share", YIXIAN, GUTA) == [
        (GUTA, 2020, 5, 5, "met", "not_met", None),
        (YIXIAN, 2020, 5, 0, "met", "met", "义县2020.csv"),
        (YIXIAN, 2021, 5, 5, "met", "not_met", None),
    ]


def test_a_clause_added_and_a_clause_removed(home: Home, tmp_path: Path) -> None:
    home.sheet(YIXIAN, "class", 2020, classes(2))
    home.night()
    # A late file beside it, about something else: definitions are still not its doing.
    home.sheet(YIXIAN, "class", 2019, classes(2))

    def another(content: dict[str, Any]) -> None:
        added = {**clause(content, "2.9"), "clause_id": "2.90", "threshold": 20}
        content["clauses"] = [c for c in content["clauses"] if c["clause_id"] != "2.12"]
        content["clauses"].append(added)

    plan = plan_with(tmp_path, another)
    type(home)(home.root, plan=plan).night()
    late = "班级学生数表2019年.csv"
    assert revisions(home, "large_class_share", YIXIAN) == [
        (YIXIAN, 2018, None, None, None, "no_data", None),
        (YIXIAN, 2019, None, 10, "no_data", "not_due", late),
        (YIXIAN, 2019, None, 10, None, "met", late),
        # The new clause looks at a value that stood; the old one is judged as before.
        (YIXIAN, 2020, 10, 10, None, "met", None),
    ]
    # Of an indicator that is published no more every row is gone, and no file did it.
    gone = home.ask(
        "SELECT DISTINCT new_value, new_status, submission_id FROM revision"
        " WHERE indicator_id = 'oversized_school_share'"
    )
    assert gone == [(None, None, None)]


def test_every_row_names_the_clause_whose_verdict_it_tells(home: Home, tmp_path: Path) -> None:
    home.sheet(YIXIAN, "class", 2020, classes(2))
    home.night()

    def another(content: dict[str, Any]) -> None:
        content["clauses"].append({**clause(content, "2.9"), "clause_id": "2.90", "threshold": 20})

    type(home)(home.root, plan=plan_with(tmp_path, another)).night()
    home.sheet(
        YIXIAN, "class", 2020, classes(0), name="更正2020.csv", received="2020-10-01 00:00:00"
    )
    type(home)(home.root, plan=plan_with(tmp_path, another)).night()
    assert told(home, "large_class_share") == [
        ("2.9", 10, 0, "not_met", "met"),
        ("2.90", 10, 0, "met", "met"),
    ]


def test_a_clause_under_another_number_goes_on_with_its_verdict(home: Home, tmp_path: Path) -> None:
    home.sheet(YIXIAN, "class", 2020, classes(2))
    home.night()

    def renumbered(content: dict[str, Any]) -> None:
        clause(content, "2.9").update(clause_id="2.91", threshold=20)

    type(home)(home.root, plan=plan_with(tmp_path, renumbered)).night()
    assert told(home, "large_class_share") == [("2.91", 10, 10, "not_met", "met")]


def test_a_figure_over_two_years_moves_by_the_form_of_the_earlier_one(home: Home) -> None:
    def juniors(grade: int, number: int) -> list[dict[str, object]]:
        return [{"stage": "初中", "grade": grade, "students": number}]

    home.sheet(YIXIAN, "class", 2018, juniors(7, 50))
    home.sheet(YIXIAN, "class", 2020, juniors(9, 48))
    home.night()
    home.sheet(
        YIXIAN, "class", 2018, juniors(7, 60), name="更正2018.csv", received="2020-10-01 00:00:00"
    )
    home.night()
    assert revisions(home, "junior_retention_rate", YIXIAN) == [
        (YIXIAN, 2020, 96, 80, "met", "not_met", "更正2018.csv"),
    ]


def told(home: Home, indicator: str) -> list[tuple[Any, ...]]:
    """The last publication's rows of the unit for 2020, with their clauses."""
    return home.ask(
        "SELECT clause_id, old_value, new_value, old_status, new_status FROM revision"
        " WHERE publication_id = (SELECT max(publication_id) FROM publication)"
        f" AND (indicator_id, region_code, year) = ('{indicator}', '{YIXIAN}', 2020)"
        " ORDER BY clause_id"
    )


def test_a_new_year_is_opened_by_its_first_submission(home: Home) -> None:
    home.sheet(YIXIAN, "class", 2018, classes(0))
    home.night()
    home.sheet(YIXIAN, "class", 2020, classes(1), received="2020-09-01 00:00:00")
    home.sheet(
        GUTA, "population", 2020, [{"age": 3, "population": 5}], received="2020-09-02 00:00:00"
    )
    home.night()
    first = "班级学生数表2020年.csv"
    assert revisions(home, "large_class_share", YIXIAN, GUTA) == [
        (GUTA, 2019, None, None, None, "no_data", first),
        (GUTA, 2020, None, None, None, "no_data", first),
        (YIXIAN, 2019, None, None, None, "no_data", first),
        (YIXIAN, 2020, None, 5, None, "met", first),
    ]
    assert home.ask("SELECT count(*) FROM revision WHERE submission_id IS NULL") == [(0,)]


def test_a_version_that_a_new_rule_sends_back_is_nobodys_doing(
    home: Home, by_hand: type[ByHand]
) -> None:
    home.sheet(YIXIAN, "class", 2020, classes(0), name="旧2020.csv")
    home.sheet(YIXIAN, "class", 2019, classes(1), name="旧2019.csv")
    home.night()
    home.sheet(YIXIAN, "class", 2020, classes(1), name="新2020.csv", received="2020-10-01 00:00:00")
    home.night()
    home.define_form("class", "students > 150", "students > 59")

    with rehearse(home.settings) as copy, Run.open(copy) as run:
        run.engine = cast(Engine, by_hand(run.plan, run.catalogue))
        steps.reload_deliveries(run, Scope((2019, 2020)), lambda: None)
        steps.evaluate(run)
        foreseen = steps.changes(run)
    backfill(home, by_hand, (2019, 2020))

    assert revisions(home, "large_class_share", YIXIAN) == [
        (YIXIAN, 2019, 5, None, "met", "no_data", None),
        # The older version is in force again; it was known, and did not come now.
        (YIXIAN, 2020, 5, 0, "met", "met", None),
    ]
    assert home.ask("SELECT file_name, status FROM submission ORDER BY file_name") == [
        ("新2020.csv", "returned"),
        ("旧2019.csv", "returned"),
        ("旧2020.csv", "accepted"),
    ]
    # What a dry run shows is what then happens.
    happened = home.ask(
        "SELECT indicator_id, region_code, year, old_value, new_value, old_status, new_status,"
        " submission_id FROM revision WHERE publication_id ="
        " (SELECT max(publication_id) FROM publication) ORDER BY ALL"
    )
    assert sorted(
        (c.indicator_id, c.region_code, c.year, c.old_value, c.new_value, c.old_status,
         c.new_status, c.cause)
        for c in foreseen
    ) == happened  # fmt: skip


def test_an_earlier_receipt_that_turns_up_late_puts_a_known_version_in_force(home: Home) -> None:
    home.sheet(YIXIAN, "class", 2020, classes(0), name="甲2020.csv", received="2020-09-02 00:00:00")
    newer = home.sheet(
        YIXIAN, "class", 2020, classes(1), name="乙2020.csv", received="2020-09-03 00:00:00"
    )
    home.night()
    # The bytes in force turn out to have been there first.
    home.deliver(f"{YIXIAN}/2020/乙.csv", newer.read_bytes(), "2020-09-01 00:00:00")
    home.night()
    assert revisions(home, "large_class_share", YIXIAN) == [
        (YIXIAN, 2020, 5, 0, "met", "met", "甲2020.csv")
    ]


def test_a_run_that_died_before_publishing_is_not_forgotten_as_the_cause(home: Home) -> None:
    home.sheet(YIXIAN, "class", 2020, classes(0))
    home.night()
    home.sheet(
        YIXIAN, "class", 2020, classes(1), name="更正2020.csv", received="2020-10-01 00:00:00"
    )
    home.load()
    assert home.night().imprint is not None
    assert revisions(home, "large_class_share", YIXIAN) == [
        (YIXIAN, 2020, 0, 5, "met", "met", "更正2020.csv")
    ]
