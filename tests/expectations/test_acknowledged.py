"""Explanations: they answer one warning each, for as long as it stands as it stood."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pytest

from expectations.acknowledged import (
    FILE,
    Acknowledgement,
    AcknowledgementError,
    load_acknowledgements,
    mark_acknowledged,
)
from expectations.warnings import by_number, unexpected_rows, write_warnings
from tests.conftest import Home, MakeHome
from warehouse.ledger.schema import refresh
from warehouse.ledger.store import open_warehouse
from warehouse.reference import load_reference

UNIT, YEAR, TODAY = "210702", 2020, date(2021, 8, 31)
KNOWN, UNKNOWN = "2121000001", "2121000999"

MISMATCH = f"""
- unit: {UNIT}
  form: class
  year: {YEAR}
  rule: CLS-W14
  key: "{KNOWN} 小学"
  figure: "40/41"
  reason: 一名学生9月转出
  who: 古塔区教育局
  until: 2021-08-31
"""
STRAY = f"""
- unit: {UNIT}
  form: class
  year: {YEAR}
  rule: CLS-W10
  key: {UNKNOWN}
  reason: 教学点, 次年并入名册
  who: 古塔区教育局
  until: 2021-12-31
"""


@pytest.fixture(scope="module")
def home(make_home: MakeHome) -> Home:
    """A unit whose one class lacks a pupil, and with a class of an unknown school."""
    home = make_home()
    home.sheet(
        UNIT,
        "school",
        YEAR,
        [
            {
                "institution_code": KNOWN,
                "township": "石油街道",
                "stage": "小学",
                "primary_students": 41,
                "arrival_time": "08:00",
                "class_start_time": "08:10",
                **dict.fromkeys(
                    (
                        *("after_school_service", "supervisor_assigned", "digital_teaching"),
                        *("cloud_platform", "mental_health_teacher", "party_organisation"),
                    ),
                    True,
                ),
            }
        ],
    )
    home.sheet(
        UNIT,
        "class",
        YEAR,
        [
            {"institution_code": code, "stage": "小学", "grade": 1, "students": 40}
            for code in (KNOWN, UNKNOWN)
        ],
    )
    home.load()
    return home


@pytest.fixture(scope="module")
def connection(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse with its two warnings."""
    settings = home.settings
    with open_warehouse(settings.warehouse, load_reference(settings.home)) as connection:
        refresh(connection)
        broken = {}
        for name, warnings in by_number().items():
            cursor = connection.execute(unexpected_rows(warnings))
            columns = [column[0] for column in cursor.description or ()]
            broken[name] = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
        assert write_warnings(connection, broken) == 2
        yield connection


class Written(Protocol):
    """Write a file of acknowledgements and load it."""

    def __call__(self, text: str, encoding: str = "utf-8") -> tuple[Acknowledgement, ...]: ...


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(text: str, encoding: str = "utf-8") -> tuple[Acknowledgement, ...]:
        file = tmp_path / FILE
        file.write_text(text, encoding)
        return load_acknowledgements(file)

    return write


def explained(connection: duckdb.DuckDBPyConnection) -> dict[str, str | None]:
    return dict(connection.execute("SELECT rule_id, explained FROM warning").fetchall())


def test_an_explanation_is_shown_with_its_warning_and_no_other(
    connection: duckdb.DuckDBPyConnection, written: Written
) -> None:
    assert mark_acknowledged(connection, written(MISMATCH), TODAY) == []
    assert explained(connection) == {
        "CLS-W14": "一名学生9月转出 (古塔区教育局)",
        "CLS-W10": None,
    }


def test_a_refused_reason_explains_nothing_and_is_remembered(
    connection: duckdb.DuckDBPyConnection, written: Written
) -> None:
    assert mark_acknowledged(connection, written(f"{MISMATCH}  refused: true\n"), TODAY) == []
    assert explained(connection)["CLS-W14"] is None
    assert connection.execute(
        "SELECT refused FROM warning WHERE rule_id = 'CLS-W14'"
    ).fetchall() == [("一名学生9月转出",)]


def test_what_was_refused_may_be_answered_anew(written: Written) -> None:
    (one,) = written(f"{MISMATCH}  refused: true\n{MISMATCH.replace('转出', '转学')}")
    assert (one.refused, one.reason) == (False, "一名学生9月转学")


def test_the_next_run_forgets_what_is_no_longer_explained(
    connection: duckdb.DuckDBPyConnection, written: Written
) -> None:
    mark_acknowledged(connection, written(MISMATCH + STRAY), TODAY)
    assert None not in explained(connection).values()
    mark_acknowledged(connection, (), TODAY)
    assert set(explained(connection).values()) == {None}


def test_an_explanation_holds_to_the_end_of_its_last_day(
    connection: duckdb.DuckDBPyConnection, written: Written
) -> None:
    (acknowledgement,) = acknowledgements = written(MISMATCH)
    (lapsed,) = mark_acknowledged(connection, acknowledgements, date(2021, 9, 1))
    assert (lapsed.acknowledgement, lapsed.why) == (acknowledgement, "over")
    assert "2021-08-31" in lapsed.message_zh
    assert "line 2" in lapsed.message_en
    assert explained(connection)["CLS-W14"] is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('figure: "40/41"', 'figure: "39/41"', "40/41"),
        ('  figure: "40/41"\n', "", "40/41"),
    ],
)
def test_an_explanation_lapses_when_its_figure_is_another(
    old: str, new: str, said: str, connection: duckdb.DuckDBPyConnection, written: Written
) -> None:
    (lapsed,) = mark_acknowledged(connection, written(MISMATCH.replace(old, new)), TODAY)
    assert lapsed.why == "changed"
    assert said in lapsed.message_zh and said in lapsed.message_en
    assert explained(connection)["CLS-W14"] is None


def test_a_figure_where_the_warning_has_none_is_another(
    connection: duckdb.DuckDBPyConnection, written: Written
) -> None:
    (lapsed,) = mark_acknowledged(connection, written(STRAY + "  figure: 1\n"), TODAY)
    assert lapsed.why == "changed"
    assert explained(connection)["CLS-W10"] is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (UNIT, "210703"),
        ("year: 2020", "year: 2019"),
        (f"{KNOWN} 小学", f"{KNOWN} 初中"),
        (f"{KNOWN} 小学", "all"),
    ],
)
def test_an_explanation_that_answers_nothing_is_reported(
    old: str, new: str, connection: duckdb.DuckDBPyConnection, written: Written
) -> None:
    lapsed = mark_acknowledged(connection, written(MISMATCH.replace(old, new) + STRAY), TODAY)
    assert [(one.why, one.acknowledgement.rule) for one in lapsed] == [("unmatched", "CLS-W14")]
    assert explained(connection) == {
        "CLS-W14": None,
        "CLS-W10": "教学点, 次年并入名册 (古塔区教育局)",
    }


def test_values_are_the_text_that_stands_there(written: Written) -> None:
    (acknowledgement,) = written(
        STRAY.replace(UNKNOWN, "0012345670").replace("  reason", "  figure: 1.50\n  reason")
    )
    assert (acknowledgement.key, acknowledgement.figure) == ("0012345670", "1.50")
    assert (acknowledgement.year, acknowledgement.until) == (YEAR, date(2021, 12, 31))


def test_no_file_and_an_empty_file_explain_nothing(tmp_path: Path, written: Written) -> None:
    assert load_acknowledgements(tmp_path / FILE) == ()
    assert written("# 暂无说明\n") == ()
    assert written(MISMATCH, "utf-8-sig")[0].line == 2


def changed(old: str, new: str) -> str:
    assert old in MISMATCH
    return MISMATCH.replace(old, new)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed("CLS-W14", "CLS-E10"), r"line 2: CLS-E10 is an error, and errors cannot"),
        (changed("CLS-W14", "CLS-W99"), r"line 2: CLS-W99 is no warning .* docs/rules\.md"),
        (changed("CLS-W14", "FIL-W01"), r"FIL-W01 is no warning"),
        (changed("form: class", "form: school"), r"write form: class"),
        (changed("year: 2020", "year: 去年"), r"line 2: year: "),
        (changed("until: 2021-08-31", "until: 明年"), r"line 2: until: "),
        (changed("  who: 古塔区教育局\n", ""), r"line 2: who: Field required"),
        (changed("reason: 一名学生9月转出", "reason: ' '"), r"line 2: reason: "),
        (changed("  who", "  whom"), r"line 2: .*whom: Extra"),
        (changed("  who", "  year: 2021\n  who"), r"“year” stands twice[\s\S]*line 2"),
        (changed("一名", "一: 名"), r"is no YAML: [\s\S]*line 8"),
        (MISMATCH + MISMATCH, r"line 12: the same warning is explained in line 2"),
        ("unit: 210702", r"must be a list"),
        ("- 一名学生9月转出", r"record 1 is no acknowledgement"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_what_to_do(
    text: str, said: str, written: Written
) -> None:
    with pytest.raises(AcknowledgementError, match=said):
        written(text)


def test_a_file_in_another_encoding_is_said_to_be(written: Written) -> None:
    with pytest.raises(AcknowledgementError, match="save it as UTF-8"):
        written(MISMATCH, "gbk")


def test_a_folder_in_its_place_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(AcknowledgementError, match="cannot be read"):
        load_acknowledgements(tmp_path / FILE)


def test_an_error_is_never_touched(connection: duckdb.DuckDBPyConnection, written: Written) -> None:
    def findings() -> list[tuple[Any, ...]]:
        return connection.execute("FROM finding ORDER BY ALL").fetchall()

    before = findings()
    mark_acknowledged(connection, written(MISMATCH + STRAY), TODAY)
    assert findings() == before
