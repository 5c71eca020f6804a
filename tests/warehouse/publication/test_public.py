"""The edition for the public: few people cannot be counted, by whatever is published beside them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.run import StepFailed
from tests.conftest import Home, MakeHome
from tests.warehouse.publication.recovering import Attack, attack
from warehouse.indicators.definitions import load_catalogue
from warehouse.publication.public.earlier import EarlierEditions
from warehouse.publication.public.edition import faults_of, write_public
from warehouse.publication.public.hiding import few, is_few
from warehouse.publication.tables import TABLES

CATALOGUE = load_catalogue()
UNITS = ("210701", "210702", "210703", "210711", "210726")
YEARS = (2020, 2021)
#: A province of two cities with counties and one with a single county.
PROVINCE = (
    ("990000", "province", "", "省"),
    *((f"990{city}00", "city", "990000", "市") for city in (1, 2, 3)),
    *(
        (county, "reporting_unit", f"{county[:4]}00", "县")
        for county in ("990101", "990102", "990103", "990201", "990202", "990301")
    ),
)


def pair(chance: random.Random, whole: int, missing: int) -> tuple[int, int]:
    """A whole, and a part of it from which ``missing`` are missing or all but so many."""
    part = max(whole - missing, 0)
    return whole, min(missing, whole) if chance.random() < 0.2 else part


def rows_of(chance: random.Random) -> dict[str, list[dict[str, object]]]:
    """The forms of one unit and year that count people, with small and large numbers."""
    small, large = (
        (lambda: chance.choice([0, 1, 2, 3, 4, 5, 6, 8, 12])),
        (lambda: chance.randint(6, 400)),
    )

    def of(whole: str, part: str) -> dict[str, object]:
        total, some = pair(chance, chance.choice([small, large])(), small())
        return {whole: total, part: some}

    return {
        "special_group": [
            {
                **of("disabled_school_age", "disabled_enrolled"),
                **of("migrant_children", "migrant_in_public"),
                **of("left_behind", "left_behind_cared"),
                **of("aid_eligible", "aid_received"),
                "dropouts": small(),
            }
        ],
        "teacher": [
            {
                "institution_code": f"21210000{number:02d}",
                "full_time_teachers": (staff := large()),
                "eligible_rotation": staff,
                "rotated": min(staff, small()),
                "trained_outside": min(staff, small()),
                "misconduct_cases": chance.choice([0, 0, 0, 1]),
                "backbone_rotated": (some := chance.randint(0, 2)),
                "backbone_rotated_weak": min(some, 1),
            }
            for number in (1, 2)
        ],
        "kindergarten": [
            {
                "institution_code": f"11210000{number:02d}",
                "children_enrolled": chance.choice([3, 40, 200]),
                "ownership": owner,
                "inclusive": owner == "公办" or chance.random() < 0.5,
                "full_time_teachers": small(),
            }
            for number, owner in enumerate(("公办", "民办"), start=1)
        ],
    }


@pytest.fixture(scope="module", params=["city", "city with a silent unit", "province"])
def city(request: pytest.FixtureRequest, make_home: MakeHome) -> Home:
    """A city, or a province, of small and large numbers, with its edition for the public."""
    chance = random.Random(0 if request.param == "city" else 1)
    home = make_home(public_edition=True)
    units, last = UNITS, YEARS[-1]
    if request.param == "province":
        home.regions(PROVINCE)
        units, last = tuple(code for code, level, *_ in PROVINCE if level == "reporting_unit"), 2022
    for unit in units:
        years: dict[int, Any] = {year: rows_of(chance) for year in range(YEARS[0], last + 1)}
        # The second city lacks forms, so that its sums are of some units only.
        if request.param == "city with a silent unit" and unit == UNITS[-1]:
            del years[YEARS[0]]["special_group"], years[YEARS[1]]["teacher"]
        home.book(unit, years)
    home.night()
    return home


def edition_of(home: Home) -> Path:
    return home.settings.published / "public" / "indicators.duckdb"


def hidden_counts(
    home: Home, edition: Path
) -> Iterator[tuple[tuple[str, str, int, str], int, int | None]]:
    """Every count that is hidden: where, how many it is, and how many it leaves of its denominator."""
    with duckdb.connect() as connection:
        connection.execute(
            f"ATTACH '{edition}' AS edition (READ_ONLY);"
            f"ATTACH '{home.publication}' AS truth (READ_ONLY)"
        )
        for indicator, region, year, part, n, d in connection.execute(
            "SELECT indicator_id, region_code, year, part, numerator, denominator"
            " FROM edition.hidden_count JOIN truth.indicator_value USING (indicator_id, region_code, year)"
        ).fetchall():
            rest = int(d - n) if part == "numerator" and d is not None and n is not None else None
            yield (indicator, region, year, part), int(n if part == "numerator" else d), rest


def assert_nothing_can_be_recovered(home: Home, edition: Path) -> int:
    """Attack the edition; give how many counts of few people were looked at."""
    whole = attack(edition, CATALOGUE)
    by_verdicts = attack(edition, CATALOGUE, with_figures=False)
    looked_at = 0
    for (indicator, region, year, part), number, rest in hidden_counts(home, edition):
        cell = whole.cell_of(indicator, part, region, year)
        bottom = whole.cell_of(indicator, "denominator", region, year)
        assert cell is not None
        least, most = whole.range_of((cell, 1))
        place = (indicator, region, year, part, number, least, most)
        # Who leaves few of many may be known to be nobody: then these few are any number still.
        if most - least < 1 and not (number == 0 and rest is not None and is_few(rest)):
            alone = by_verdicts.range_of((cell, 1))
            assert alone == pytest.approx((number, number), abs=1e-5), place
        if is_few(number):
            looked_at += 1
            _assert_open(whole, by_verdicts, [(cell, 1)], place)
        if rest is not None and is_few(rest) and bottom is not None:
            looked_at += 1
            _assert_open(whole, by_verdicts, [(bottom, 1), (cell, -1)], place)
    return looked_at


def _assert_open(
    whole: Attack, by_verdicts: Attack, terms: list[tuple[Any, float]], place: object
) -> None:
    """Of 1 to 5 all is open, or all that the verdicts alone leave open."""
    least, most = whole.range_of(*terms)
    if least > 1 + 1e-6 or most < 5 - 1e-6:
        lowest, highest = by_verdicts.range_of(*terms)
        place = (place, "is", (least, most), "by verdicts", (lowest, highest))
        assert least <= max(1, lowest) + 1e-6, place
        assert most >= min(5, highest) - 1e-6, place


def test_no_hidden_count_can_be_recovered_or_narrowed(city: Home) -> None:
    assert assert_nothing_can_be_recovered(city, edition_of(city)) > 25


def test_the_attack_recovers_what_is_hidden_alone(
    city: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were only the few hidden, and nothing that gives them away, the attack would find them."""
    monkeypatch.setattr(
        "warehouse.publication.public.edition.counts_to_hide", lambda counts, before: few(counts)
    )
    write_public(city.publication, tmp_path / "public", CATALOGUE, EarlierEditions(tmp_path))
    with pytest.raises(AssertionError, match=r"share|rate|coverage|dropouts|cases"):
        assert_nothing_can_be_recovered(city, tmp_path / "public" / "indicators.duckdb")


def test_the_attack_takes_in_what_a_verdict_says_of_two_hidden_years() -> None:
    """Of 10 pupils now, and of 10 to 12 a year before of whom 9 in 10 or more were enrolled: not fallen is many."""
    now, before, whole = (("enrolled", "a", 2021), ("enrolled", "a", 2020), ("all", "a", 2020))
    told = Attack(CATALOGUE, {})
    told.at_most += [({now: 1}, 10), ({whole: 1}, 12), ({whole: -1}, -10)]
    told.at_most += [({before: 1, whole: -1}, 0), ({before: -1, whole: 0.9}, 0)]
    assert told.range_of((now, 1)) == (0, 10)
    # now * whole >= before * 10
    told = replace(told, products=[{(now, whole): -1.0, (before,): 10.0}], _problems=[])
    least, most = told.range_of((now, 1))
    assert 8 < least <= 9 and most == pytest.approx(10)


def test_it_has_every_table_and_view_and_all_verdicts(city: Home) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"ATTACH '{edition_of(city)}' AS edition (READ_ONLY);"
            f"ATTACH '{city.publication}' AS truth (READ_ONLY)"
        )
        named = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = '{}'"
        tables, truth = (
            set(connection.execute(named.format(name)).fetchall()) for name in ("edition", "truth")
        )
        assert {name for name, _ in tables - truth} == {"hidden_count"} and not truth - tables
        told = "SELECT clause_id, region_code, year, status FROM {}.attainment ORDER BY ALL"
        verdicts, true_ones = (
            connection.execute(told.format(name)).fetchall() for name in ("edition", "truth")
        )
        assert verdicts == true_ones
        for table in ("submission", "finding", "approval", "turning_institution"):
            assert connection.execute(f"SELECT count(*) FROM edition.{table}").fetchall() == [(0,)]
    parquet = {path.stem for path in (edition_of(city).parent / "parquet").iterdir()}
    assert parquet == {table.name for table in TABLES} | {"hidden_count"}
    assert faults_of(edition_of(city), CATALOGUE) == []
    assert faults_of(city.publication, CATALOGUE) != []


@pytest.mark.parametrize("city", ["city"], indirect=True)
def test_details_are_told_in_both_languages(city: Home) -> None:
    with duckdb.connect(str(edition_of(city)), read_only=True) as edition:
        told = "SELECT count(detail_zh), count(detail_en) FROM shortfall"
        ((zh, en),) = edition.execute(told).fetchall()
    assert zh == en > 0


def test_what_is_large_is_shown_and_nothing_is_hidden_without_need(city: Home) -> None:
    """Of an indicator and year with no few counts nothing is hidden, nor is 0 where it protects nobody."""
    with duckdb.connect() as connection:
        connection.execute(
            f"ATTACH '{edition_of(city)}' AS edition (READ_ONLY);"
            f"ATTACH '{city.publication}' AS truth (READ_ONLY)"
        )
        blank = connection.execute(
            "SELECT DISTINCT indicator_id FROM truth.indicator_value t JOIN edition.indicator_value e"
            " USING (indicator_id, region_code, year)"
            " WHERE (t.numerator IS NOT NULL AND e.numerator IS NULL)"
            " OR (t.denominator IS NOT NULL AND e.denominator IS NULL)"
        ).fetchall()
        of_people = {name for name, one in CATALOGUE.by_id.items() if one.people_parts}
        assert {name for (name,) in blank} <= of_people
        # What is NULL in the edition and not in the publication is named as hidden, and nothing else.
        assert connection.execute(
            "SELECT count(*) FROM truth.indicator_value t JOIN edition.indicator_value e"
            " USING (indicator_id, region_code, year) LEFT JOIN edition.hidden_count h"
            " ON (h.indicator_id, h.region_code, h.year, h.part)"
            " = (t.indicator_id, t.region_code, t.year, 'numerator')"
            " WHERE (t.numerator IS DISTINCT FROM e.numerator) <> (h.part IS NOT NULL)"
        ).fetchall() == [(0,)]


def test_a_city_of_a_province_that_leaves_few_is_not_what_the_others_leave(home: Home) -> None:
    """The middle city leaves 5 of 395: its own counties, however they differ, do not protect its sum."""
    home.regions(PROVINCE)
    home.settings = home.settings.model_copy(update={"public_edition": True})
    for unit, some, of in (
        *(("990101", 40, 60), ("990102", 50, 80), ("990103", 70, 90)),
        *(("990201", 4, 8), ("990202", 386, 387), ("990301", 30, 50)),
    ):
        rows = [{"migrant_children": of, "migrant_in_public": some}]
        home.sheet(unit, "special_group", 2021, rows)
    home.night()
    assert assert_nothing_can_be_recovered(home, edition_of(home)) > 3


def aid(home: Home, received: dict[str, int], day: int) -> None:
    """Hand in for each unit that 100 pupils are to be aided, and so many are."""
    for unit, number in received.items():
        rows = [{"aid_eligible": 100, "aid_received": number}]
        home.sheet(unit, "special_group", 2021, rows, received=f"2021-09-{day:02d} 00:00:00")


def shown(home: Home) -> dict[str, int | None]:
    with duckdb.connect(str(edition_of(home)), read_only=True) as edition:
        return {
            region: None if number is None else int(number)
            for region, number in edition.execute(
                "SELECT region_code, numerator FROM indicator_value"
                " WHERE indicator_id = 'student_aid_coverage' AND year = 2021 AND denominator > 0"
            ).fetchall()
        }


def test_what_was_hidden_stays_hidden_and_the_edition_goes_with_its_setting(home: Home) -> None:
    aid(home, {"210702": 97, "210703": 60, "210711": 70}, 1)
    home.settings = home.settings.model_copy(update={"public_edition": True})
    home.night()
    first = shown(home)
    assert first == {"210700": 227, "210702": None, "210703": None, "210711": 70}
    # 97 was a slip: but who kept the first edition would learn it from the two sums.
    aid(home, {"210702": 90}, 2)
    home.night()
    assert shown(home) == {"210700": 220, "210702": None, "210703": None, "210711": 70}
    # A damaged edition is made anew, as every other part of a publication, and hides the same.
    edition_of(home).chmod(0o600)
    edition_of(home).write_bytes(b"no database")
    home.night()
    assert shown(home) == {"210700": 220, "210702": None, "210703": None, "210711": 70}
    home.settings = home.settings.model_copy(update={"public_edition": False})
    home.night()
    assert not list(edition_of(home).parent.rglob("*.*"))


def test_what_was_hidden_stays_hidden_when_all_but_the_archive_is_lost(home: Home) -> None:
    aid(home, {"210702": 97, "210703": 60, "210711": 70}, 1)
    home.settings = home.settings.model_copy(update={"public_edition": True})
    home.night()
    aid(home, {"210702": 90}, 2)
    home.night()
    before = hidden_in(home)
    assert {region for _, region, *_ in before} >= {"210702", "210703"}
    home.settings.warehouse.unlink()
    shutil.rmtree(home.settings.published)
    home.night()
    assert hidden_in(home) == before
    # Nor does the setting forget, when it was off meanwhile.
    for asked in (False, True):
        home.settings = home.settings.model_copy(update={"public_edition": asked})
        home.night()
    assert hidden_in(home) == before


def hidden_in(home: Home) -> list[tuple[str, str, int, str]]:
    with duckdb.connect(str(edition_of(home)), read_only=True) as edition:
        return edition.execute("FROM hidden_count ORDER BY ALL").fetchall()


def test_no_edition_is_made_when_it_is_not_known_what_was_hidden(home: Home) -> None:
    aid(home, {"210702": 97, "210703": 60}, 1)
    home.settings = home.settings.model_copy(update={"public_edition": True})
    home.night()
    (kept,) = (home.settings.archive / "editions").iterdir()
    kept.write_text(kept.read_text("utf-8").replace("210702", "210711"), "utf-8")
    aid(home, {"210702": 90}, 2)
    with pytest.raises(StepFailed, match=f"{kept.name} was changed"):
        home.night()


def test_no_institution_of_a_small_group_is_named(home: Home) -> None:
    def school(number: int, **change: object) -> dict[str, object]:
        code = f"21210000{number:02d}"
        return {"institution_code": code, "institution_name": f"{number}小", **change}

    late = [school(n, arrival_time="07:30", class_start_time="08:00") for n in range(1, 8)]
    # One of the seven is one of a small group too.
    late[0]["class_start_time"] = "07:40"
    home.sheet("210702", "school", 2021, late)
    home.settings = home.settings.model_copy(update={"public_edition": True})
    home.night()
    with duckdb.connect(str(edition_of(home)), read_only=True) as edition:
        named = edition.execute(
            "SELECT clause_id, count(*), count(institution_name), count(detail_zh), count(submission_id)"
            " FROM shortfall WHERE clause_id IN ('1.1', '1.2') GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    assert named == [("1.1", 7, 6, 6, 0), ("1.2", 1, 0, 0, 0)]
