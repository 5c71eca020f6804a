"""Places ahead, worked by hand: who is 5 this year is 6 next year, and all else stays as it is.

A county of 2020 with 80 of 100 children in kindergarten, 110 pupils to 100 residents in primary (some come from
elsewhere) and 100 to 120 in junior secondary schools; beside it the city's own upper secondary school, of which
no residents are reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from tests.conftest import Home, MakeHome, Row
from warehouse.indicators.definitions import load_catalogue
from warehouse.publication.places_ahead import VIEWS, query

CITY, COUNTY, OWN = "1", "2", "3"
#: Residents by age: 300 of 3 to 5, 300 of 6 to 11, 120 of 12 to 14, 90 of 15 to 17.
PEOPLE = [90, 80, 70, *[100] * 3, *[50] * 6, *[40] * 3, *[30] * 4]
COUNTY_FORMS: Mapping[str, Sequence[Row]] = {
    "population": [{"age": age, "population": people} for age, people in enumerate(PEOPLE)],
    "kindergarten": [
        {"children_enrolled": 200, "full_time_teachers": 20, "classes": 6},
        {"children_enrolled": 40, "full_time_teachers": 4, "classes": 2},
    ],
    "school": [
        {"institution_code": "2121000001", "primary_students": 280},
        # A third of its 15 teachers counts for primary, two thirds for junior secondary.
        {"institution_code": "3121000002", "primary_students": 50, "junior_students": 100},
    ],
    "teacher": [
        {"institution_code": "2121000001", "full_time_teachers": 14},
        {"institution_code": "3121000002", "full_time_teachers": 15},
    ],
    "class": [
        {"stage": stage, "grade": grade, "class_name": f"{number}班", "students": 40}
        for stage, grade, many in (("小学", 3, 7), ("初中", 8, 3))
        for number in range(many)
    ],
}
OWN_FORMS: Mapping[str, Sequence[Row]] = {
    "kindergarten": [{"children_enrolled": 60, "full_time_teachers": 6, "classes": 2}],
    "school": [
        {"institution_code": "3421000003", "stage": "普通高中", "senior_students": 60},
        {"institution_code": "3621000004", "stage": "中等职业学校", "vocational_students": 30},
    ],
    "teacher": [{"institution_code": "3421000003", "full_time_teachers": 9}],
    "class": [{"stage": "高中", "grade": 10, "students": 40}],
}


@pytest.fixture(scope="module")
def published(make_home: MakeHome) -> Home:
    home = make_home()
    home.regions(
        [
            (CITY, "city", "", "地级市"),
            (COUNTY, "reporting_unit", CITY, "县"),
            (OWN, "reporting_unit", CITY, "市直"),
        ]
    )
    home.define(
        "expected.csv",
        f"form,kind,region_code,expected,from_year,to_year\npopulation,,{OWN},0,,\n",
    )
    home.book(COUNTY, {2020: COUNTY_FORMS})
    home.book(OWN, {2020: OWN_FORMS})
    home.night()
    return home


Ahead = tuple[int | None, int | None, int | None, int | None]

#: Residents, pupils, classes and teachers needed in 2020 and the six years after it.
CASES: dict[tuple[str, str], list[Ahead]] = {
    # 240 of 300; in 2021 those of 2, 3 and 4 now, 270: 240 × 270 / 300 = 216, classes 8 × 0.9 = 7.2, teachers
    # 24 × 0.9 = 21.6. In 2024 the youngest is not born yet.
    (COUNTY, "preschool"): [
        (300, 240, 8, 24),
        (270, 216, 8, 22),
        (250, 200, 7, 20),
        (240, 192, 7, 19),  # teachers 24 × 0.8 = 19.2
        *[(None, None, None, None)] * 3,
    ],
    # 330 of 300, 14 + 15 × 50 / 150 = 19 teachers; classes of 45. Those of 5 to 10 now: 100 + 5 × 50 = 350.
    (COUNTY, "primary"): [
        (300, 330, 8, 19),  # 330 / 45 = 7.3
        (350, 385, 9, 22),  # 385 / 45 = 8.6, 19 × 350 / 300 = 22.2
        (400, 440, 10, 25),  # 9.8, 25.3
        (450, 495, 11, 29),  # 11, 28.5
        (470, 517, 12, 30),  # 11.5, 29.8: 70 + 300 + 2 × 50
        (500, 550, 13, 32),  # 12.2, 31.7: 80 + 70 + 300 + 50
        (540, 594, 14, 34),  # 13.2, 34.2: 90 + 80 + 70 + 300
    ],
    # 100 of 120, 15 × 100 / 150 = 10 teachers; classes of 50.
    (COUNTY, "junior"): [
        (120, 100, 2, 10),
        (130, 108, 3, 11),  # 108.3 pupils; 10.8
        (140, 117, 3, 12),  # 116.7; 11.7
        (150, 125, 3, 13),  # 12.5
        *[(150, 125, 3, 13)] * 2,  # from those of 8 to 10, then 7 to 9
        (150, 125, 3, 13),
    ],
    # The city has 300 in kindergarten for 300 residents, whoever they live with; 30 teachers, 10 classes.
    (CITY, "preschool"): [
        (300, 300, 10, 30),
        (270, 270, 9, 27),
        (250, 250, 9, 25),
        (240, 240, 8, 24),
        *[(None, None, None, None)] * 3,
    ],
    # 90 of 90, vocational pupils among them; in 2021 those of 14, 15 and 16: 40 + 60. No classes are told.
    (CITY, "senior"): [
        (90, 90, None, 9),
        (100, 100, None, 10),
        (110, 110, None, 11),
        (120, 120, None, 12),
        (130, 130, None, 13),
        (140, 140, None, 14),
        (150, 150, None, 15),
    ],
}


@pytest.mark.parametrize("place", CASES, ids="-".join)
def test_figures_worked_by_hand(published: Home, place: tuple[str, str]) -> None:
    rows = published.ask(
        "SELECT for_year, population, pupils, classes_needed, teachers_needed FROM places_ahead"
        " WHERE (region_code, stage, year) = (?, ?, 2020) ORDER BY for_year",
        *place,
    )
    assert rows == [(2020 + n, *figures) for n, figures in enumerate(CASES[place])]


def test_beside_what_is_needed_stands_what_is_there(published: Home) -> None:
    rows = published.ask(
        "SELECT DISTINCT region_code, stage, enrolment_rate, places, classes, teachers,"
        " reporting_units, expected_units FROM places_ahead WHERE region_code = ? ORDER BY ALL",
        COUNTY,
    )
    assert rows == [
        (COUNTY, "junior", pytest.approx(1000 / 12), 150, 3, 10, 1, 1),
        (COUNTY, "preschool", 80, None, 8, 24, 1, 1),
        (COUNTY, "primary", pytest.approx(110), 315, 7, 19, 1, 1),
    ]


def test_who_reports_no_residents_has_no_outlook_and_counts_in_the_city(published: Home) -> None:
    assert published.ask("FROM places_ahead WHERE region_code = ?", OWN) == []
    assert published.ask(
        "SELECT DISTINCT reporting_units, expected_units FROM places_ahead WHERE region_code = ?",
        CITY,
    ) == [(2, 2)]


def test_an_age_that_is_missing_is_not_nobody(make_home: MakeHome) -> None:
    """Without the children of 7: primary is not known until they have left it in 2025."""
    home = make_home()
    home.regions([(CITY, "city", "", "地级市"), (COUNTY, "reporting_unit", CITY, "县")])
    lacking = [row for row in COUNTY_FORMS["population"] if row["age"] != 7]
    home.book(COUNTY, {2020: {**COUNTY_FORMS, "population": lacking}})
    home.night()
    known = home.ask(
        "SELECT for_year, population, pupils FROM places_ahead"
        " WHERE region_code = ? AND stage = 'primary' ORDER BY for_year",
        COUNTY,
    )
    # Without the present rate there is no number of pupils either.
    assert known == [
        *((year, None, None) for year in range(2020, 2025)),
        (2025, 500, None),
        (2026, 540, None),
    ]


def test_a_city_of_which_too_few_units_have_reported_has_none(make_home: MakeHome) -> None:
    home = make_home()
    units = [(str(number), "reporting_unit", CITY, "县") for number in range(2, 7)]
    home.regions([(CITY, "city", "", "地级市"), *units])
    for unit, *_ in units[:3]:
        home.book(unit, {2020: COUNTY_FORMS})
    home.sheet("5", "population", 2020, COUNTY_FORMS["population"])
    home.sheet("5", "kindergarten", 2020, COUNTY_FORMS["kindergarten"])
    home.night()
    # Four of five have what kindergartens need, three what schools do.
    stages = home.ask("SELECT DISTINCT stage FROM places_ahead WHERE region_code = ?", CITY)
    assert stages == [("preschool",)]


def test_a_catalogue_without_its_views_has_no_places_ahead() -> None:
    """So it is where a home's forms lack a column that they speak of."""
    catalogue = load_catalogue()
    assert query(catalogue) is not None
    assert query(catalogue.only(catalogue.by_id, VIEWS[:2])) is None
