"""Who has handed in what, and in time: the published table ``reporting``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.conftest import Home, MakeHome

OWN = "210701"
UNITS = [
    "210701",
    "210702",
    "210703",
    "210711",
    "210726",
    "210727",
    "210781",
    "210782",
    "210791",
    "210792",
]
FINANCE: list[dict[str, object]] = [
    {"stage": "合计", "budget_expenditure": 5},
    {"stage": "小学", "budget_expenditure": 5},
]
ROWS: dict[str, list[dict[str, object]]] = {
    "school": [{}],
    "teacher": [{}],
    "safety": [{}],
    "class": [{"students": 40}],
    "finance": FINANCE,
    "salary": [{}],
    "special_group": [{}],
    "kindergarten": [{}],
}
BROKEN: dict[str, list[dict[str, object]]] = {
    "school": [{"primary_students": "很多"}],
    "class": [{"students": 0}],
}

#: Asia/Shanghai is eight hours ahead of UTC: its 31 October ends at 16:00 UTC.
EDGES = [
    ("210702", "school", "2020-10-31 15:59:59.999999", 1),
    ("210703", "school", "2020-10-31 16:00:00", 0),
    ("210702", "teacher", "2020-01-01 00:00:00", 1),
    ("210703", "teacher", "2021-03-31 15:59:59", 0),
    ("210702", "finance", "2021-03-31 15:59:59.999999", 1),
    ("210703", "finance", "2021-03-31 16:00:00", 0),
    ("210702", "salary", "2021-03-31 15:59:59", 1),
    ("210703", "salary", "2021-04-01 00:00:00", 0),
    ("210711", "salary", "2020-12-31 00:00:00", 1),
]
IN_TIME, LATE = "2020-10-01 00:00:00", "2020-11-01 00:00:00"


@pytest.fixture(scope="module")
def published(make_home: MakeHome) -> Home:
    home = make_home()
    for unit, form, received, _ in EDGES:
        home.sheet(unit, form, 2020, ROWS[form], received=received)
    # Accepted in time, replaced late.
    home.sheet("210726", "school", 2020, ROWS["school"], received=IN_TIME)
    home.sheet("210726", "school", 2020, [{}, {}], received=LATE, name="更正2020年.csv")
    # Returned in time, accepted late.
    home.sheet("210727", "school", 2020, BROKEN["school"], received=IN_TIME)
    home.sheet("210727", "school", 2020, ROWS["school"], received=LATE, name="更正2020年.csv")
    # Accepted in time, a later version returned.
    home.sheet("210781", "school", 2020, ROWS["school"], received=IN_TIME)
    home.sheet("210781", "school", 2020, BROKEN["school"], received=LATE, name="更正2020年.csv")
    # Returned, and nothing since.
    home.sheet("210782", "class", 2020, BROKEN["class"], received=IN_TIME)
    # Not expected.
    home.sheet(OWN, "finance", 2020, FINANCE, received=IN_TIME)
    home.night()
    return home


def row(home: Home, unit: str, form: str, year: int = 2020) -> tuple[Any, ...]:
    """expected, received, accepted, on_time, last_received_at."""
    (found,) = home.ask(
        "SELECT expected, received, accepted, on_time, last_received_at FROM reporting "
        "WHERE (region_code, form, year) = (?, ?, ?)",
        unit,
        form,
        year,
    )
    return found


@pytest.mark.parametrize(("unit", "form", "received", "on_time"), EDGES)
def test_on_time_is_judged_by_the_date_in_shanghai(
    published: Home, unit: str, form: str, received: str, on_time: int
) -> None:
    assert row(published, unit, form) == (1, 1, 1, on_time, datetime.fromisoformat(received))


def test_the_first_accepted_version_decides(published: Home) -> None:
    last = datetime.fromisoformat(LATE)
    assert row(published, "210726", "school") == (1, 1, 1, 1, last)
    assert row(published, "210727", "school") == (1, 1, 1, 0, last)
    assert row(published, "210781", "school") == (1, 1, 1, 1, last)


def test_returned_is_received_and_not_accepted(published: Home) -> None:
    assert row(published, "210782", "class") == (1, 1, 0, 0, datetime.fromisoformat(IN_TIME))


def test_what_comes_without_being_expected_is_shown(published: Home) -> None:
    assert row(published, OWN, "finance") == (0, 1, 1, 1, datetime.fromisoformat(IN_TIME))


def test_nothing_received(published: Home) -> None:
    assert row(published, "210792", "school") == (1, 0, 0, 0, None)
    assert row(published, "210702", "school", 2018) == (1, 0, 0, 0, None)
    assert row(published, "210702", "school", 2019) == (1, 0, 0, 0, None)


def test_there_is_a_row_for_every_unit_form_and_year(published: Home) -> None:
    # 2018 to 2020: finance and salary handed in during 2021 are of 2020.
    assert published.ask(
        "SELECT count(*), count(DISTINCT (region_code, form, year)) FROM reporting"
    ) == [(10 * 11 * 3, 10 * 11 * 3)]
    assert published.ask("SELECT DISTINCT region_code FROM reporting ORDER BY 1") == [
        (unit,) for unit in UNITS
    ]


def test_what_is_expected_of_whom(published: Home) -> None:
    missing = {
        (unit, form)
        for unit, form in published.ask(
            "SELECT region_code, form FROM reporting WHERE expected = 0 AND year = 2019"
        )
    }
    assert missing == {
        (OWN, "population"),
        (OWN, "salary"),
        (OWN, "finance"),
        *((unit, "vocational") for unit in ("210702", "210703", "210711", "210791", "210792")),
    }
    assert published.ask("SELECT DISTINCT expected FROM reporting ORDER BY 1") == [(0,), (1,)]


def test_units_of_another_list_hand_in_all_forms(home: Home) -> None:
    home.regions(
        [
            ("330000", "province", "", "省"),
            ("330100", "city", "330000", "地级市"),
            ("330102", "reporting_unit", "330100", "市辖区"),
            ("330122", "reporting_unit", "330100", "县"),
        ]
    )
    home.sheet("330102", "special_group", 2018, [{"dropouts": 2}])
    home.sheet("区330122", "special_group", 2018, [{"dropouts": 3}])
    home.night()
    assert home.ask("SELECT count(*), sum(expected) FROM reporting") == [(22, 22)]
    found = home.ask(
        "SELECT region_code, value, reporting_units, expected_units FROM indicator_value "
        "WHERE indicator_id = 'dropouts' ORDER BY 1"
    )
    assert found == [
        ("330000", 5.0, 2, 2),
        ("330100", 5.0, 2, 2),
        ("330102", 2.0, 1, 1),
        ("330122", 3.0, 1, 1),
    ]
