"""Two years are compared like for like or not at all: figures worked by hand, through real files."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Home, MakeHome

UNITS = [str(number) for number in range(2, 12)]
UNLICENSED, PUPILS, PAY = "2.6", "2.18", "4.1"


def gardens(unlicensed: int) -> list[dict[str, object]]:
    return [{"licensed": number >= unlicensed} for number in range(4)]


@pytest.fixture(scope="module")
def home(make_home: MakeHome) -> Home:
    """Ten units. Of 2021 nine have reported, of 2022 one.

    In 2020 each has one unlicensed kindergarten, in 2021 unit 2 has none and unit 11 is silent.
    """
    home = make_home()
    home.regions(
        [("1", "city", "", "地级市"), *((unit, "reporting_unit", "1", "县") for unit in UNITS)]
    )
    for unit in UNITS:
        years: dict[int, dict[str, list[dict[str, object]]]] = {
            2019: {"kindergarten": gardens(1)},
            2020: {"kindergarten": gardens(1)},
            2021: {"kindergarten": gardens(int(unit != "2"))},
            2022: {"kindergarten": gardens(1)},
        }
        if unit == "11":
            del years[2021]
        if unit != "2":
            del years[2022]
        home.book(unit, years)  # type: ignore[arg-type]
        pay: dict[str, object] = {"teachers": 10, "civil_servants": 10}
        if unit != "11":
            home.sheet(
                unit, "salary", 2020, [{**pay, "teacher_pay_total": 80, "civil_pay_total": 100}]
            )
        home.sheet(unit, "salary", 2021, [{**pay, "teacher_pay_total": 90, "civil_pay_total": 100}])
    home.night()
    return home


def compared(home: Home, clause: str, region: str, year: int) -> list[tuple[Any, ...]]:
    return home.ask(
        "SELECT units, previous_value, value, change, direction FROM year_on_year"
        " WHERE (clause_id, region_code, year) = (?, ?, ?)",
        clause,
        region,
        year,
    )


def test_where_all_units_report_the_figures_are_the_published_ones(home: Home) -> None:
    assert compared(home, UNLICENSED, "1", 2020) == [(10, 10.0, 10.0, 0.0, "same")]


def test_a_unit_that_falls_silent_is_no_improvement(home: Home) -> None:
    # Ten before, eight after; but the nine that have reported in both years had nine.
    assert home.ask(
        "SELECT year, value FROM indicator_value WHERE indicator_id = 'unlicensed_kindergartens'"
        " AND region_code = '1' AND year BETWEEN 2020 AND 2021 ORDER BY year"
    ) == [(2020, 10.0), (2021, 8.0)]
    assert compared(home, UNLICENSED, "1", 2021) == [(9, 9.0, 8.0, -1.0, "better")]


def test_a_year_of_which_one_unit_in_ten_has_reported_is_not_compared(home: Home) -> None:
    # One is too many, whoever is silent: the verdict stands, but nothing is known of the change.
    assert home.status(UNLICENSED, "1", 2022) == "not_met"
    assert compared(home, UNLICENSED, "1", 2022) == []
    # The unit itself has a verdict in both years: none unlicensed before, one now.
    assert compared(home, UNLICENSED, "2", 2022) == [(1, 0.0, 1.0, 1.0, "worse")]
    assert home.ask("SELECT count(*) FROM trend WHERE region_code = '1' AND year = 2022") != [(0,)]
    assert home.ask(
        "SELECT DISTINCT change FROM trend WHERE region_code = '1' AND year = 2022"
    ) == [(None,)]


def test_products_of_totals_are_made_anew_and_not_added_up(home: Home) -> None:
    """The ratio of two averages over the nine units that gave them in both years.

    Before: (9 × 80 / 90) / (9 × 100 / 90) = 0.8; after (9 × 90 / 90) / (9 × 100 / 90) = 0.9.
    """
    ((units, before, after, change, direction),) = compared(home, PAY, "1", 2021)
    assert (units, direction) == (9, "better")
    assert (before, after, change) == pytest.approx((0.8, 0.9, 0.1))
    ((numerator, previous),) = home.ask(
        "SELECT numerator, previous_numerator FROM year_on_year"
        " WHERE (clause_id, region_code, year) = (?, '1', 2021)",
        PAY,
    )
    assert (numerator, previous) == (9 * 90 * 90, 9 * 80 * 90)


def test_no_year_with_a_verdict_is_compared_with_one_without(home: Home) -> None:
    # 2018 is before the plan, and 2019 the first year that is judged.
    assert compared(home, UNLICENSED, "1", 2019) == []


def test_the_year_in_focus_is_the_latest_with_half_of_its_forms(make_home: MakeHome) -> None:
    home = make_home()
    home.regions([("1", "city", "", "地级市"), ("2", "reporting_unit", "1", "县")])
    forms = ("kindergarten", "class", "population", "teacher", "special_group", "safety")
    one: dict[str, list[dict[str, object]]] = {
        form: [{"students": 30} if form == "class" else {}] for form in forms
    }
    five = {form: one[form] for form in forms[:5]}
    home.book("2", {2020: one, 2021: five})  # type: ignore[dict-item]
    home.night()
    assert home.ask("SELECT * FROM year_coverage ORDER BY year") == [
        (2018, 0, 11, False),
        (2019, 0, 11, False),
        (2020, 6, 11, True),  # 6 of 11 are more than half
        (2021, 5, 11, False),
    ]
    assert home.ask("SELECT DISTINCT year FROM attainment_latest") == [(2020,)]


def test_a_city_that_meets_what_most_of_its_units_miss_is_told_so(make_home: MakeHome) -> None:
    """Of 100 children in large classes the share is low in the one large unit, high in two."""
    home = make_home()
    home.regions(
        [("1", "city", "", "地级市"), *((unit, "reporting_unit", "1", "县") for unit in "234")]
    )
    small, large = {"students": 40}, {"students": 60}
    sizes = {"2": [small] * 97, "3": [large, small], "4": [large, small]}
    for unit, rows in sizes.items():
        for year in (2019, 2020):
            named = [{**row, "class_name": str(n)} for n, row in enumerate(rows)]
            home.sheet(unit, "class", year, named)
    home.night()
    told = home.ask(
        "SELECT region_code, status, units_judged, units_met, against_most_units"
        " FROM attainment_latest WHERE clause_id = '2.9' ORDER BY region_code"
    )
    assert told == [
        ("1", "met", 3, 1, True),  # 2 of 101 classes
        ("2", "met", None, None, False),
        ("3", "not_met", None, None, False),
        ("4", "not_met", None, None, False),
    ]
