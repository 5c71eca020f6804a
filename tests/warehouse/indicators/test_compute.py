"""What is reported, what is not, and what does not apply: for units, for the city, for every year.

One home of the ten real units, of whom some are silent, some have no such thing and some hand in
what nobody asked them for. The city's figures are added up by hand beside the rows.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.conftest import Home, MakeHome

CITY, OWN = "210700", "210701"
GUTA, LINGHE, TAIHE = "210702", "210703", "210711"
HEISHAN, YIXIAN, LINGHAI, BEIZHEN = "210726", "210727", "210781", "210782"
SONGSHAN, BINHAI = "210791", "210792"
UNITS = (OWN, GUTA, LINGHE, TAIHE, HEISHAN, YIXIAN, LINGHAI, BEIZHEN, SONGSHAN, BINHAI)
COUNTIES = (HEISHAN, YIXIAN, LINGHAI, BEIZHEN)

#: Rows of an indicator in one year: ten units and the city, but for three indicators.
#: For every unit and the city, for the four with townships, the seven counties, and the city alone.
ROWS_A_YEAR = 54 * 11 + 2 * 5 + 8 + 2


def people(first: int, last: int, number: int) -> list[dict[str, object]]:
    """``number`` inhabitants of every age from ``first`` to ``last``."""
    return [{"age": age, "population": number} for age in range(first, last + 1)]


def items(**quantities: tuple[str, int | None]) -> list[dict[str, object]]:
    """Rows of the milestone form."""
    return [
        {"item": item, "status": status, "quantity": quantity}
        for item, (status, quantity) in quantities.items()
    ]


REPORTED: dict[str, dict[int, dict[str, list[dict[str, object]]]]] = {
    # The city's own schools: pupils, but no population of their own. Finance, salary and
    # population are not expected of them and come anyway.
    OWN: {
        2020: {
            "kindergarten": [{"children_enrolled": 50}],
            "school": [{"stage": "普通高中", "senior_students": 200, "vocational_students": 100}],
            "population": people(3, 17, 1000),
            "finance": [
                {"stage": "合计", "budget_expenditure": 900, "students_average": 9},
                {"stage": "高中", "budget_expenditure": 900, "students_average": 9},
            ],
            "salary": [{"subsidy_due": 10, "subsidy_paid": 1}],
            "vocational": [{"kind": "城区中职学校", "layout_adjusted": False, "partnerships": 5}],
            "milestone": items(省内综合排名=("进行中", 8), 对外交流项目=("进行中", 3)),
        },
    },
    # Everything that 2.1 and 2.15 need; no boarding school; a vocational form nobody asked for.
    GUTA: {
        2020: {
            "kindergarten": [{"children_enrolled": 100, "township": "石山镇", "ownership": "公办"}],
            "school": [{"stage": "普通高中", "senior_students": 30}],
            "population": [*people(3, 4, 60), *people(5, 5, 80), *people(15, 17, 100)],
            "vocational": [{"kind": "城区中职学校", "layout_adjusted": False, "partnerships": 70}],
            "finance": [
                {"stage": "合计", "budget_expenditure": "10.5", "students_average": 0},
                {"stage": "小学", "budget_expenditure": "10.5"},
            ],
            "milestone": items(县管校聘改革=("进行中", None), 省内综合排名=("进行中", 2)),
        },
    },
    # Children, but no population in force.
    LINGHE: {
        2020: {
            "kindergarten": [{"children_enrolled": 80}],
            "milestone": items(对外交流项目=("进行中", None)),
        },
    },
    # Population and a new primary school, but no kindergartens.
    TAIHE: {
        2020: {
            "school": [{"stage": "小学", "founded_year": 2020}],
            "population": people(3, 5, 100),
            "milestone": items(县管校聘改革=("未启动", None), 对外交流项目=("进行中", 4)),
        },
    },
    # Three of its nineteen townships; a town of the neighbouring county does not help anybody.
    HEISHAN: {
        2020: {
            "kindergarten": [
                {"township": "芳山镇", "ownership": "公办", "children_enrolled": 0},
                {"township": "太和镇", "ownership": "公办"},
                {"township": "段家乡", "ownership": "公办"},
                {"township": "石山镇", "ownership": "公办"},
                {"township": "黑山街道", "ownership": "公办"},
            ],
            "population": people(0, 2, 40),
            "vocational": [{"kind": "县级职教中心", "transformed": True, "partnerships": 4}],
        },
    },
    # Nobody of that age, and nothing said of kindergartens.
    BEIZHEN: {2020: {"population": people(0, 2, 40)}},
    # A town that changed its name in 2021.
    LINGHAI: {
        year: {"kindergarten": [{"township": "右卫满族镇", "ownership": "公办"}]}
        for year in (2020, 2021)
    },
    # Two years of special groups; a year with nobody in them.
    SONGSHAN: {
        2018: {"special_group": [{"disabled_school_age": 0, "dropouts": 0}]},
        2020: {"special_group": [{"disabled_school_age": 4, "disabled_enrolled": 4}]},
    },
}
#: A public kindergarten that is not inclusive returns the submission.
RETURNED = [{"ownership": "公办", "inclusive": False, "children_enrolled": 5}]


@pytest.fixture(scope="module")
def published(make_home: MakeHome) -> Home:
    home = make_home()
    for unit, years in REPORTED.items():
        home.book(unit, years)
    home.sheet(YIXIAN, "kindergarten", 2020, RETURNED)
    home.sheet(YIXIAN, "population", 2020, people(3, 5, 70))
    home.night()
    return home


def units(home: Home, indicator: str, region: str, year: int = 2020) -> tuple[int, int]:
    """reporting_units and expected_units."""
    (found,) = home.ask(
        "SELECT reporting_units, expected_units FROM indicator_value "
        "WHERE (indicator_id, region_code, year) = (?, ?, ?)",
        indicator,
        region,
        year,
    )
    return found


def test_there_is_a_row_for_every_indicator_region_and_year(published: Home) -> None:
    years = 4  # 2018 to 2021, though nobody reported for 2019
    for table in ("indicator_value", "attainment"):
        assert published.ask(f"SELECT count(*) FROM {table}") == [(ROWS_A_YEAR * years,)]
    assert published.ask("SELECT DISTINCT year FROM indicator_value ORDER BY 1") == [
        (2018,),
        (2019,),
        (2020,),
        (2021,),
    ]
    keys = "SELECT count(DISTINCT (indicator_id, region_code, year)) FROM indicator_value"
    assert published.ask(keys) == [(ROWS_A_YEAR * years,)]


@pytest.mark.parametrize(
    ("indicator", "regions"),
    [
        ("provincial_rank", {CITY}),
        ("township_public_kindergarten_coverage", {CITY, *COUNTIES}),
        ("vocational_centres_transformed_share", {CITY, *COUNTIES}),
        ("senior_secondary_gross_enrolment_rate", {CITY}),
        ("new_public_kindergarten_share", {CITY, *COUNTIES, GUTA, LINGHE, TAIHE}),
        ("city_vocational_layout_share", {CITY, *UNITS}),
        ("preschool_gross_enrolment_rate", {CITY, *UNITS}),
    ],
)
def test_rows_keep_to_the_scope(published: Home, indicator: str, regions: set[str]) -> None:
    found = published.ask(
        "SELECT region_code FROM indicator_value WHERE indicator_id = ? AND year = 2020", indicator
    )
    assert len(found) == len(regions)
    assert {region for (region,) in found} == regions


def test_nothing_reported_is_null_and_no_data(published: Home) -> None:
    for indicator, clause in (
        ("preschool_gross_enrolment_rate", "2.1"),
        ("unlicensed_kindergartens", "2.6"),
        ("dropouts", "2.21"),
        ("large_class_share", "2.9"),
    ):
        for region, year in ((BINHAI, 2020), (CITY, 2019)):
            assert published.value(indicator, region, year) == (None, None, None)
            assert published.status(clause, region, year) == "no_data"
    assert units(published, "large_class_share", CITY) == (0, 10)
    assert units(published, "large_class_share", BINHAI) == (0, 1)


def test_a_returned_submission_is_nothing_reported(published: Home) -> None:
    value = published.value("preschool_gross_enrolment_rate", YIXIAN, 2020)
    assert value == (None, Decimal(210), None)
    assert published.status("2.1", YIXIAN, 2020) == "no_data"


def test_a_count_over_rows_that_exist_is_a_number(published: Home) -> None:
    assert published.value("unlicensed_kindergartens", GUTA, 2020) == (0, None, 0.0)
    assert published.status("2.6", GUTA, 2020) == "met"
    assert published.value("dropouts", SONGSHAN, 2018) == (0, None, 0.0)
    assert published.status("2.21", SONGSHAN, 2018) == "monitored"


def test_a_zero_denominator_is_not_applicable_and_its_parts_stand(published: Home) -> None:
    assert published.value("boarding_conditions_share", GUTA, 2020) == (0, 0, None)
    assert published.status("2.13", GUTA, 2020) == "not_applicable"
    # No unit has a boarding school: nor has the city.
    assert published.value("boarding_conditions_share", CITY, 2020) == (0, 0, None)
    assert published.status("2.13", CITY, 2020) == "not_applicable"
    assert published.value("budget_expenditure_per_pupil", GUTA, 2020) == (Decimal("10.5"), 0, None)
    assert published.status("3.2", GUTA, 2020) == "not_applicable"
    # Population of other ages only.
    assert published.value("preschool_gross_enrolment_rate", HEISHAN, 2020) == (0, 0, None)
    assert published.status("2.1", HEISHAN, 2020) == "not_applicable"


def test_a_form_not_expected_is_not_applicable(published: Home) -> None:
    for clause in ("2.18", "5.3"):
        for unit in (GUTA, LINGHE, TAIHE, SONGSHAN, BINHAI):
            assert published.status(clause, unit, 2020) == "not_applicable"
        assert published.status(clause, BEIZHEN, 2020) == "no_data"
    for clause in ("3.1", "3.2", "4.1", "4.7", "4.8"):
        for year in (2018, 2020):
            assert published.status(clause, OWN, year) == "not_applicable"
    for indicator in ("school_enterprise_partnerships", "industry_matched_programme_share"):
        assert units(published, indicator, BINHAI) == (0, 0)
        assert published.value(indicator, BINHAI, 2020) == (None, None, None)


def test_the_citys_own_schools_count_in_its_gross_enrolment_rates(published: Home) -> None:
    # Enter: 210701 (50 children), Guta (100 of 60+60+80) and Heishan (0 of 0).
    assert published.value("preschool_gross_enrolment_rate", CITY, 2020) == (150, 200, 75.0)
    assert units(published, "preschool_gross_enrolment_rate", CITY) == (3, 10)
    assert published.value("preschool_gross_enrolment_rate", OWN, 2020) == (50, None, None)
    assert published.status("2.1", OWN, 2020) == "not_applicable"
    assert units(published, "preschool_gross_enrolment_rate", OWN) == (1, 1)
    # Enter: 210701 (200 + 100 students), Guta (30 of 300) and Taihe (0 of 0).
    assert published.value("senior_secondary_gross_enrolment_rate", CITY, 2020) == (
        330,
        300,
        pytest.approx(110),
    )
    assert units(published, "senior_secondary_gross_enrolment_rate", CITY) == (3, 10)


def test_what_is_known_of_one_part_stands(published: Home) -> None:
    indicator = "preschool_gross_enrolment_rate"
    assert published.value(indicator, LINGHE, 2020) == (80, None, None)
    assert published.status("2.1", LINGHE, 2020) == "no_data"
    assert published.value(indicator, TAIHE, 2020) == (None, 300, None)
    assert published.status("2.1", TAIHE, 2020) == "no_data"
    assert units(published, indicator, LINGHE) == (0, 1)
    # Not reported comes before not applicable, even where the denominator is known to be zero.
    assert published.value(indicator, BEIZHEN, 2020) == (None, 0, None)
    assert published.status("2.1", BEIZHEN, 2020) == "no_data"


def test_an_indicator_of_two_forms_needs_both(published: Home) -> None:
    indicator = "new_primary_with_kindergarten_share"
    assert published.value(indicator, TAIHE, 2020) == (None, None, None)
    assert published.status("2.5", TAIHE, 2020) == "no_data"
    # 210701 and Guta have both forms, and no new school.
    assert published.value(indicator, CITY, 2020) == (0, 0, None)
    assert units(published, indicator, CITY) == (2, 10)
    assert published.status("2.5", CITY, 2020) == "not_applicable"


def test_a_form_that_nobody_expects_is_accepted_and_not_counted(published: Home) -> None:
    assert published.ask(
        "SELECT form, status FROM submission WHERE region_code = ? "
        "AND form IN ('population', 'finance', 'salary') ORDER BY form",
        OWN,
    ) == [("finance", "accepted"), ("population", "accepted"), ("salary", "accepted")]
    # Heishan's 4 and 210701's 5; Guta's 70 came uncalled for.
    assert published.value("school_enterprise_partnerships", CITY, 2020) == (9, None, 9.0)
    assert units(published, "school_enterprise_partnerships", CITY) == (2, 5)
    assert published.value("school_enterprise_partnerships", GUTA, 2020) == (None, None, None)
    assert published.value("city_vocational_layout_share", CITY, 2020) == (0, 1, 0.0)
    assert published.value("budget_education_expenditure", CITY, 2020) == (
        Decimal("10.5"),
        None,
        10.5,
    )
    assert published.value("budget_education_expenditure", OWN, 2020) == (None, None, None)
    assert published.value("rural_subsidy_coverage", CITY, 2020) == (None, None, None)


def test_only_the_units_of_the_scope_are_expected(published: Home) -> None:
    assert units(published, "vocational_centres_transformed_share", CITY) == (1, 4)
    assert published.value("vocational_centres_transformed_share", CITY, 2020) == (1, 1, 100.0)
    assert units(published, "city_vocational_layout_share", CITY) == (2, 5)
    assert published.status("2.17", HEISHAN, 2020) == "not_applicable"
    assert units(published, "budget_education_expenditure", CITY) == (1, 9)
    assert units(published, "dropouts", CITY) == (1, 10)


def test_townships_are_those_of_the_year(published: Home) -> None:
    indicator = "township_public_kindergarten_coverage"
    assert published.value(indicator, HEISHAN, 2020) == (3, 19, pytest.approx(300 / 19))
    assert published.value(indicator, LINGHAI, 2020) == (1, 17, pytest.approx(100 / 17))
    assert published.value(indicator, LINGHAI, 2021) == (0, 17, 0.0)
    assert published.value(indicator, CITY, 2020) == (4, 36, pytest.approx(400 / 36))
    assert units(published, indicator, CITY) == (2, 4)
    assert published.value(indicator, YIXIAN, 2020) == (None, None, None)
    assert published.status("2.4", YIXIAN, 2020) == "no_data"


def test_an_item_that_is_not_there_is_not_reported(published: Home) -> None:
    indicator = "county_managed_hiring_started_share"
    assert published.value(indicator, CITY, 2020) == (1, 2, 50.0)
    assert units(published, indicator, CITY) == (2, 10)
    assert published.value(indicator, LINGHE, 2020) == (None, None, None)
    assert published.status("4.2", LINGHE, 2020) == "no_data"
    assert published.value(indicator, TAIHE, 2020) == (0, 1, 0.0)
    assert published.status("4.2", TAIHE, 2020) == "not_met"
    # A quantity left blank is not reported either: 3 and 4 are left.
    assert published.value("exchange_projects", CITY, 2020) == (7, None, 7.0)
    assert units(published, "exchange_projects", CITY) == (2, 10)
    assert published.value("exchange_projects", LINGHE, 2020) == (None, None, None)
    assert published.status("5.4", LINGHE, 2020) == "no_data"


def test_the_rank_is_the_citys_and_comes_from_its_own_schools(published: Home) -> None:
    assert published.value("provincial_rank", CITY, 2020) == (8, None, 8.0)
    assert units(published, "provincial_rank", CITY) == (1, 1)
    assert units(published, "provincial_rank", CITY, 2019) == (0, 1)
    assert published.status("0.1", CITY, 2020) == "not_due"
    assert published.status("0.1", CITY, 2019) == "no_data"


def test_a_clause_that_never_falls_needs_the_year_before(published: Home) -> None:
    # A denominator of zero comes before the silence of the year before.
    assert published.status("2.19", SONGSHAN, 2018) == "not_applicable"
    assert published.status("2.19", SONGSHAN, 2019) == "no_data"
    assert published.status("2.19", SONGSHAN, 2020) == "no_data"
    assert published.status("2.19", CITY, 2020) == "no_data"
    assert published.value("disabled_children_enrolment_rate", CITY, 2020) == (4, 4, 100.0)


def test_the_citys_value_is_a_rate_of_sums_and_not_a_mean_of_rates(home: Home) -> None:
    for unit, public, private in ((GUTA, 90, 10), (LINGHE, 100, 800)):
        home.sheet(
            unit,
            "kindergarten",
            2020,
            [
                {"ownership": "公办", "children_enrolled": public},
                {"ownership": "民办", "children_enrolled": private},
            ],
        )
    with home.computed() as connection:
        found = connection.execute(
            "SELECT numerator, denominator, value FROM indicator_value WHERE year = 2020 "
            "AND indicator_id = 'public_kindergarten_enrolment_share' AND region_code = '210700'"
        ).fetchall()
    assert found == [(190, 1000, pytest.approx(19))]


def test_a_city_in_which_nobody_has_a_denominator_has_no_value(home: Home) -> None:
    home.sheet(OWN, "kindergarten", 2020, [{"children_enrolled": 50}])
    home.night()
    assert home.value("preschool_gross_enrolment_rate", CITY, 2020) == (50, None, None)
    assert home.status("2.1", CITY, 2020) == "no_data"
    assert home.status("2.1", OWN, 2020) == "not_applicable"


@pytest.mark.parametrize(
    "report",
    [
        False,
        pytest.param(
            True,
        ),
    ],
)
def test_a_night_in_which_everything_is_returned_is_published(home: Home, report: bool) -> None:
    home.sheet(GUTA, "kindergarten", 2020, RETURNED)
    home.night(report=report)
    for table in ("indicator_value", "attainment", "shortfall", "reporting"):
        assert home.ask(f"SELECT count(*) FROM {table}") == [(0,)]
    assert home.ask("SELECT count(*) FROM clause") == [(59,)]
    assert home.ask("SELECT region_code, form, year, status FROM submission") == [
        (GUTA, "kindergarten", 2020, "returned")
    ]
    assert home.ask("SELECT rule_id FROM finding") == [("KG-E11",)]


def test_years_before_the_plan_are_kept_and_not_published(home: Home) -> None:
    home.book(GUTA, {year: {"special_group": [{"dropouts": year - 2010}]} for year in (2016, 2018)})
    home.night()
    assert home.ask("SELECT DISTINCT year FROM indicator_value") == [(2018,)]
    assert home.ask("SELECT year, status FROM submission ORDER BY 1") == [
        (2016, "accepted"),
        (2018, "accepted"),
    ]


def test_the_national_rule_takes_the_place_of_the_plans_from_2021(make_home: MakeHome) -> None:
    home = make_home(catalogues=["national-2021"])
    rows = [
        {"stage": "小学", "primary_students": 90, "class_start_time": "08:10"},
        {"stage": "初中", "junior_students": 90, "class_start_time": "08:00"},
    ]
    home.book(GUTA, {year: {"school": rows} for year in (2020, 2021)})
    home.night()
    assert home.ask(
        "SELECT clause_id, year, status, gap_quantity FROM attainment "
        "WHERE clause_id IN ('1.2', 'N1.2') AND region_code = '210702' ORDER BY year, clause_id"
    ) == [
        ("1.2", 2018, "no_data", None),
        ("N1.2", 2018, "no_data", None),
        ("1.2", 2019, "no_data", None),
        ("N1.2", 2019, "no_data", None),
        ("1.2", 2020, "met", 0),
        ("N1.2", 2020, "monitored", 1),
        ("1.2", 2021, "monitored", 0),
        ("N1.2", 2021, "not_met", 1),
    ]
    assert home.ask("SELECT effective_to FROM clause WHERE clause_id = '1.2'") == [(2020,)]
    assert home.ask("SELECT clause_id, value, row FROM shortfall WHERE region_code = '210702'") == [
        ("N1.2", "08:10", 4)
    ]


def test_without_a_list_of_townships_what_is_about_them_is_not_applicable(home: Home) -> None:
    home.regions(
        [("330000", "city", "", "地级市"), ("330102", "reporting_unit", "330000", "县")], ()
    )
    (home.root / "reference" / "townships.csv").unlink()
    home.sheet("330102", "kindergarten", 2020, [{}])
    home.night()
    for clause in ("2.4", "2.16"):
        assert home.ask(
            "SELECT region_code, year, status, expected_units FROM attainment WHERE clause_id = ?"
            " ORDER BY year",
            clause,
        ) == [("330000", year, "not_applicable", 0) for year in (2018, 2019, 2020)]
