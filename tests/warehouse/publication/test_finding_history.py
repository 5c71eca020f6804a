"""The life of findings: open from the first publication they are in, closed for a reason that is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Home
from warehouse.publication.finding_history import NAMES, history

GUTA, LINGHE = "210702", "210703"


def people(*numbers: object) -> list[dict[str, object]]:
    return [{"age": age, "population": number} for age, number in enumerate(numbers, start=3)]


def lives(home: Home) -> list[tuple[object, ...]]:
    """Unit, rule, how many publications it was open over, and how it was closed."""
    return home.ask(
        """
        WITH numbered AS (
            SELECT publication_id, row_number() OVER (ORDER BY publication_id) AS number
            FROM publication
        )
        SELECT h.region_code, h.rule_id, f.number, l.number, h.closed_by
        FROM finding_history h
        JOIN numbered f ON f.publication_id = h.first_publication_id
        JOIN numbered l ON l.publication_id = h.last_publication_id
        ORDER BY ALL
        """
    )


def test_a_finding_lives_from_the_night_it_comes_to_the_night_it_is_corrected(home: Home) -> None:
    home.sheet(GUTA, "population", 2020, people("十个", 5), received="2020-09-01 02:00")
    home.sheet(LINGHE, "population", 2020, people(7), received="2020-09-01 02:00")
    home.night()
    assert lives(home) == [(GUTA, "POP-E03", 1, 1, None)]
    home.sheet(LINGHE, "population", 2020, people(8), received="2020-09-02 02:00")
    home.night()
    assert lives(home) == [(GUTA, "POP-E03", 1, 2, None)], "still open"
    home.sheet(GUTA, "population", 2020, people(10, 5), received="2020-09-03 02:00")
    home.night()
    assert lives(home) == [(GUTA, "POP-E03", 1, 2, "corrected")]
    home.sheet(LINGHE, "population", 2020, people(9), received="2020-09-04 02:00")
    home.night()
    assert lives(home) == [(GUTA, "POP-E03", 1, 2, "corrected")], "and stays closed"


def test_a_row_put_in_above_makes_no_other_finding_of_it(home: Home) -> None:
    home.sheet(GUTA, "population", 2020, people("十个"), received="2020-09-01 02:00")
    home.sheet(LINGHE, "population", 2020, people(7), received="2020-09-01 02:00")
    home.night()
    rows = [{"age": 0, "population": 1}, *people("十个")]
    home.sheet(GUTA, "population", 2020, rows, received="2020-09-02 02:00")
    home.night()
    assert lives(home) == [(GUTA, "POP-E03", 1, 2, None)]
    ((submission, newest),) = home.ask(
        "SELECT h.submission_id, arg_max(s.submission_id, s.received_at) FROM finding_history h"
        f" JOIN submission s USING (region_code) WHERE region_code = '{GUTA}' GROUP BY ALL"
    )
    assert submission == newest, "it is told of the version that has it now"


def test_a_returned_file_that_came_after_an_accepted_one_is_not_open(home: Home) -> None:
    home.sheet(GUTA, "population", 2020, people(10), received="2020-09-01 02:00")
    home.night()
    home.sheet(GUTA, "population", 2020, people("十个"), received="2020-09-02 02:00")
    home.night()
    assert lives(home) == []


FINDING: Mapping[str, object] = {
    "submission_id": "a",
    "region_code": GUTA,
    "form": "class",
    "year": 2020,
    "severity": "warning",
    "rule_id": "W",
    "sheet": "1",
    "cell": "A3",
    "row": 3,
    "column_name": "students",
    "value": "52",
    "message_zh": "",
    "explained": None,
}
LIFE = ("first_publication_id", "last_publication_id", "closed_by")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Two publications by hand: p1 with one open finding of submission a, and p2, in which a is in force."""
    with duckdb.connect() as connection:
        for name in ("previous", "publication"):
            connection.execute(f"ATTACH '{tmp_path / name}.duckdb' AS {name}")
            connection.execute(
                f"CREATE TABLE {name}.finding (submission_id VARCHAR, region_code VARCHAR,"
                " form VARCHAR, year INTEGER, severity VARCHAR, rule_id VARCHAR, sheet VARCHAR,"
                ' cell VARCHAR, "row" BIGINT, column_name VARCHAR, value VARCHAR,'
                " message_zh VARCHAR, explained VARCHAR);"
                f"CREATE TABLE {name}.submission (submission_id VARCHAR, region_code VARCHAR,"
                " form VARCHAR, year INTEGER, status VARCHAR, received_at TIMESTAMP);"
                f"CREATE TABLE {name}.reporting (region_code VARCHAR, form VARCHAR, year INTEGER,"
                " accepted INTEGER, last_received_at TIMESTAMP);"
                f"CREATE TABLE {name}.publication (publication_id VARCHAR, previous_id VARCHAR,"
                " code_version VARCHAR, plan_version VARCHAR);"
                f"CREATE TABLE {name}.finding_history (finding_key VARCHAR, submission_id VARCHAR,"
                " region_code VARCHAR, form VARCHAR, year INTEGER, severity VARCHAR,"
                " rule_id VARCHAR, first_publication_id VARCHAR, last_publication_id VARCHAR,"
                " closed_by VARCHAR);"
                f"INSERT INTO {name}.submission VALUES ('a', '{GUTA}', 'class', 2020,"
                " 'accepted_with_warnings', TIMESTAMP '2020-09-01');"
                f"INSERT INTO {name}.reporting VALUES ('{GUTA}', 'class', 2020, 1,"
                " TIMESTAMP '2020-09-01')"
            )
        connection.execute(
            "INSERT INTO publication.publication VALUES ('p1', NULL, '1', 'x'), ('p2', 'p1', '1', 'x')"
        )
        tell(connection)
        connection.execute(
            f"INSERT INTO previous.finding_history SELECT {NAMES} FROM ({history('p1', False)})"
        )
        connection.execute("DELETE FROM publication.finding")
        yield connection


def tell(connection: duckdb.DuckDBPyConnection, **change: object) -> None:
    """Put a finding into the publication that is being made."""
    row = {**FINDING, **change}
    connection.execute(
        f"INSERT INTO publication.finding VALUES ({', '.join('?' * len(row))})", list(row.values())
    )


def second(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return connection.execute(
        f"SELECT {', '.join(LIFE)} FROM ({history('p2', True)}) ORDER BY ALL"
    ).fetchall()


def test_one_that_stands_goes_on(two: duckdb.DuckDBPyConnection) -> None:
    tell(two)
    assert second(two) == [("p1", "p2", None)]


def test_what_is_alike_is_told_apart_by_its_number(two: duckdb.DuckDBPyConnection) -> None:
    tell(two)
    tell(two, cell="A9", row=9)
    assert second(two) == [("p1", "p2", None), ("p2", "p2", None)]


def test_an_explained_one_was_open_until_the_publication_before(
    two: duckdb.DuckDBPyConnection,
) -> None:
    tell(two, explained="新校区投用")
    assert second(two) == [("p1", "p1", "explained")]


def test_one_that_is_explained_when_it_comes_was_never_open(two: duckdb.DuckDBPyConnection) -> None:
    two.execute("DELETE FROM previous.finding_history")
    tell(two, explained="新校区投用")
    assert second(two) == []


def test_one_whose_rule_is_another_is_not_called_corrected(two: duckdb.DuckDBPyConnection) -> None:
    two.execute("UPDATE publication.publication SET plan_version = 'y' WHERE publication_id = 'p2'")
    assert second(two) == [("p1", "p1", "rule_changed")]


def test_one_that_other_forms_have_put_right_is_corrected(two: duckdb.DuckDBPyConnection) -> None:
    assert second(two) == [("p1", "p1", "corrected")]


def test_a_later_version_without_it_has_corrected_it(two: duckdb.DuckDBPyConnection) -> None:
    two.execute(
        "UPDATE publication.submission SET status = 'superseded';"
        f"INSERT INTO publication.submission VALUES ('b', '{GUTA}', 'class', 2020, 'accepted',"
        " TIMESTAMP '2020-09-02')"
    )
    assert second(two) == [("p1", "p1", "corrected")]


@pytest.mark.parametrize("fate", ["gone", "returned behind an earlier version"])
def test_one_that_nobody_has_corrected_is_superseded(
    two: duckdb.DuckDBPyConnection, fate: str
) -> None:
    if fate == "gone":
        two.execute("DELETE FROM publication.submission")
    else:
        two.execute(
            "UPDATE publication.submission SET status = 'returned';"
            f"INSERT INTO publication.submission VALUES ('b', '{GUTA}', 'class', 2020, 'accepted',"
            " TIMESTAMP '2020-08-30')"
        )
    assert second(two) == [("p1", "p1", "superseded")]


def test_one_that_comes_again_is_open_again(two: duckdb.DuckDBPyConnection) -> None:
    two.execute("UPDATE previous.finding_history SET closed_by = 'corrected'")
    tell(two)
    assert second(two) == [("p1", "p2", None)]
