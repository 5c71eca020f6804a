"""Where a clause is heading: every figure here was worked by hand, the arithmetic stands beside it.

Clause 2.2 (children in public kindergartens, at least 50 % by 2022) stands for most cases: of 1,000
children in a unit the number in public kindergartens is ten times the value in per cent.
"""

from __future__ import annotations

import duckdb
import pytest

from tests.conftest import Home, MakeHome
from warehouse.publication.outlook import QUERY
from warehouse.sql import literal

CITY = "210700"
GUTA, LINGHE, TAIHE = "210702", "210703", "210711"
HEISHAN, YIXIAN, LINGHAI, BEIZHEN = "210726", "210727", "210781", "210782"
PUBLIC, LARGE, DIGITAL, CENTRES = "2.2", "2.9", "5.1", "2.16"

#: Thousandths of the children who are in public kindergartens, by unit and year.
IN_PUBLIC = {
    YIXIAN: {2018: 200, 2019: 240, 2020: 320, 2021: 350, 2022: 450, 2023: 500},
    HEISHAN: {2018: 100, 2020: 200, 2023: 350},  # silent in between
    BEIZHEN: {2018: 300, 2019: 200, 2020: 500, 2021: 500},  # falls, then reaches it and stays
    GUTA: {2018: 90, 2019: 95},  # half a point a year, 81 years away
    LINGHE: {2018: 85, 2019: 90},  # half a point a year, 82 years away
}

Figures = tuple[float | None, float | None, float | None, int | None, float]


def kindergartens(thousandths: int) -> dict[str, list[dict[str, object]]]:
    return {
        "kindergarten": [
            {"ownership": "公办", "children_enrolled": thousandths},
            {"ownership": "民办", "children_enrolled": 1000 - thousandths},
        ]
    }


def classes(large: int) -> dict[str, list[dict[str, object]]]:
    """Ten classes, so many of them large."""
    return {
        "class": [
            {"class_name": f"{number}班", "students": 56 if number < large else 40}
            for number in range(10)
        ]
    }


def schools(digital: int) -> dict[str, list[dict[str, object]]]:
    """Six schools, so many of which teach with digital means."""
    return {"school": [{"digital_teaching": number < digital} for number in range(6)]}


@pytest.fixture(scope="module")
def published(make_home: MakeHome) -> Home:
    home = make_home()
    for unit, years in IN_PUBLIC.items():
        home.book(unit, {year: kindergartens(number) for year, number in years.items()})
    large = {2018: 2, 2019: 1, 2020: 1, 2021: 0}
    home.book(LINGHAI, {year: classes(number) for year, number in large.items()})
    home.book(TAIHE, {2020: schools(4), 2021: schools(5)})
    home.book(
        HEISHAN,
        {
            year: {"vocational": [{"kind": "县级职教中心", "transformed": done}]}
            for year, done in ((2018, False), (2021, True), (2023, False))
        },
        name="职教.xlsx",
    )
    home.night()
    return home


@pytest.fixture(scope="module")
def outlook(published: Home) -> dict[tuple[str, str, int], Figures]:
    """The rows by clause, region and year."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {literal(published.publication)} AS publication (READ_ONLY)")
        rows = connection.execute(QUERY).fetchall()
    by_key = {(row[0], row[1], row[2]): row[3:] for row in rows}
    assert len(by_key) == len(rows)
    return by_key


# required_value, pace_per_year, projected_due_value, projected_year_met, needed_per_year
CASES = [
    # Yixian: the line climbs from 20 in 2018 to 50 in 2022, by 7.5 a year.
    (PUBLIC, YIXIAN, 2018, None, None, None, None, 7.5),  # needed (50 - 20) / 4
    # Pace 24 - 20; due 24 + 3 × 4; (50 - 24) / 4 = 6.5, so 7 years; needed 26 / 3.
    (PUBLIC, YIXIAN, 2019, 27.5, 4, 36, 2026, 26 / 3),
    # Pace (32 - 20) / 2; due 32 + 2 × 6; 18 / 6 = 3 years; needed 18 / 2.
    (PUBLIC, YIXIAN, 2020, 35, 6, 44, 2023, 9),
    # Pace (35 - 20) / 3; due 35 + 5; 15 / 5 = 3 years; needed 15 / 1.
    (PUBLIC, YIXIAN, 2021, 42.5, 5, 40, 2024, 15),
    # The due year: pace from 2019, (45 - 24) / 3; 5 / 7, a year; the whole way in one year.
    (PUBLIC, YIXIAN, 2022, 50, 7, 45, 2023, 5),
    # Reached exactly, a year late: pace (50 - 32) / 3, nothing to project, nothing needed.
    (PUBLIC, YIXIAN, 2023, 50, 6, None, 2023, 0),
    # Heishan: two years between values, 10 points, so 5 a year; 10 + (50 - 10) × 2 / 4 = 30.
    (PUBLIC, HEISHAN, 2020, 30, 5, 30, 2026, 15),
    # The three years before with a value are but two, the earlier 2018: (35 - 10) / 5.
    (PUBLIC, HEISHAN, 2023, 50, 5, None, 2026, 15),
    # Beizhen falls by 10: 20 - 3 × 10 = -10, which is where the line leads, and never to 50.
    (PUBLIC, BEIZHEN, 2019, 35, -10, -10, None, 10),
    # Reached before it is due: pace (50 - 30) / 2, due 50 + 2 × 10.
    (PUBLIC, BEIZHEN, 2020, 40, 10, 70, 2020, 0),
    # Guta: (50 - 9.5) / 0.5 = 81 years, 2100. Linghe: (50 - 9) / 0.5 = 82, too far to name.
    (PUBLIC, GUTA, 2019, 9 + 41 / 4, 0.5, 11, 2100, 13.5),
    (PUBLIC, LINGHE, 2019, 8.5 + 41.5 / 4, 0.5, 10.5, None, 41 / 3),
    # Linghai, large classes, at most 5 % by 2020: 20, 10, 10 and 0 %; all signs turn.
    (LARGE, LINGHAI, 2018, None, None, None, None, -7.5),  # (5 - 20) / 2
    # Line (20 + 5) / 2; half a year is a year; needed 5 - 10.
    (LARGE, LINGHAI, 2019, 12.5, -10, 0, 2020, -5),
    (LARGE, LINGHAI, 2020, 5, -5, 10, 2021, -5),  # pace (10 - 20) / 2; 5 / 5 = 1 year
    (LARGE, LINGHAI, 2021, 5, -20 / 3, None, 2021, 0),
    # Taihe, 4 and then 5 of 6 schools: the last sixth takes one year and not two, although doubles
    # make the way a hair longer than the pace. Line 200/3 + 100/3 / 5; due 250/3 + 4 × 50/3.
    (DIGITAL, TAIHE, 2021, 220 / 3, 50 / 3, 150, 2022, 50 / 12),
    # A milestone: nothing in 2018, all in 2021, undone in 2023; due 2022.
    (CENTRES, HEISHAN, 2018, None, None, None, None, 25),
    (CENTRES, HEISHAN, 2021, 75, 100 / 3, 400 / 3, 2021, 0),
    (CENTRES, HEISHAN, 2023, 100, 0, None, None, 100),  # pace (0 - 0) / 5
]


@pytest.mark.parametrize(
    ("clause", "region", "year", "required", "pace", "when_due", "year_met", "needed"), CASES
)
def test_figures_worked_by_hand(
    outlook: dict[tuple[str, str, int], Figures],
    clause: str,
    region: str,
    year: int,
    required: float | None,
    pace: float | None,
    when_due: float | None,
    year_met: int | None,
    needed: float,
) -> None:
    found = outlook[clause, region, year]
    assert found[3] == year_met
    assert (*found[:3], found[4]) == pytest.approx((required, pace, when_due, needed))


def test_a_city_looks_ahead_from_its_own_figures(make_home: MakeHome) -> None:
    """In 2018 its units have 20, 10 and 30 %: 20. In 2020 32, 20 and 50 %: 34.

    The line is half way from 20 to 50; the pace (34 - 20) / 2; 16 / 7 take three years.
    """
    home = make_home()
    home.regions([("1", "city", "", "地级市"), *((u, "reporting_unit", "1", "县") for u in "234")])
    for unit, years in zip("234", ((200, 320), (100, 200), (300, 500)), strict=True):
        home.book(unit, {2018: kindergartens(years[0]), 2020: kindergartens(years[1])})
    home.night()
    ((required, pace, when_due, year_met, needed),) = home.ask(
        "SELECT required_value, pace_per_year, projected_due_value, projected_year_met,"
        " needed_per_year FROM outlook WHERE (clause_id, region_code, year) = (?, '1', 2020)",
        PUBLIC,
    )
    assert (required, pace) == (pytest.approx(35), pytest.approx(7))
    assert (when_due, year_met) == (pytest.approx(34 + 2 * 7), 2023)
    assert needed == pytest.approx(16 / 2)


def test_no_line_is_drawn_through_a_year_of_which_few_units_have_reported(
    published: Home, outlook: dict[tuple[str, str, int], Figures]
) -> None:
    assert published.status(PUBLIC, CITY, 2020) == "insufficient"  # three units of ten
    assert (PUBLIC, CITY, 2020) not in outlook


def test_there_is_a_row_for_every_dated_clause_with_a_value_and_for_nothing_else(
    published: Home, outlook: dict[tuple[str, str, int], Figures]
) -> None:
    wanted = published.ask(
        "SELECT clause_id, region_code, year FROM attainment JOIN clause USING (clause_id)"
        " WHERE clause.threshold IS NOT NULL AND due_year IS NOT NULL AND value IS NOT NULL"
        # 0.1 and 2.15 aside, the city has at most five units of ten.
        " AND status <> 'insufficient' AND (status <> 'monitored' OR region_code <> ?)",
        CITY,
    )
    assert set(outlook) == set(wanted)
    assert (PUBLIC, HEISHAN, 2019) not in outlook
    reached = {clause for clause, _, _ in outlook}
    assert reached == {PUBLIC, "2.3", LARGE, "2.10", DIGITAL, CENTRES, "2.27"}


def test_the_required_line_says_what_the_verdict_says(
    published: Home, outlook: dict[tuple[str, str, int], Figures]
) -> None:
    """A verdict is made from exact numbers; the line shown beside it must not contradict it."""
    verdicts = published.ask(
        "SELECT clause_id, region_code, year, value, comparator, status FROM attainment"
        " JOIN clause USING (clause_id) WHERE status IN ('on_track', 'off_track')"
    )
    assert {row[-1] for row in verdicts} == {"on_track", "off_track"}
    for clause, region, year, value, comparator, status in verdicts:
        required = outlook[clause, region, year][0]
        assert required is not None
        ahead = value >= required if comparator == ">=" else value <= required
        assert ahead == (status == "on_track")
