"""A publication is opened to be read: its rows as records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from warehouse.publication.reader import open_publication


@dataclass(frozen=True, slots=True)
class Figure:
    code: str
    year: int
    value: float | None = None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A table of more rows than become records at once."""
    path = tmp_path / "indicators.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE figure AS SELECT (i % 3)::VARCHAR AS code, i::INTEGER AS year,"
            " i / 2 AS value, md5(i::VARCHAR) AS mark FROM range(5000) t(i)"
        )
    return path


def test_rows_are_records_by_the_names_of_their_columns(file: Path) -> None:
    with open_publication(file) as reader:
        in_order = reader.rows(Figure, "SELECT code, year, value FROM figure ORDER BY year")
        swapped = reader.rows(Figure, "SELECT value, year, code FROM figure ORDER BY year")
        fewer = reader.rows(Figure, "SELECT year, code FROM figure ORDER BY year LIMIT 2")
    assert in_order == swapped == [Figure(str(i % 3), i, i / 2) for i in range(5000)]
    assert fewer == [Figure("0", 0), Figure("1", 1)]


def test_a_column_that_a_record_does_not_have_is_refused(file: Path) -> None:
    with open_publication(file) as reader, pytest.raises(TypeError, match="mark"):
        reader.rows(Figure, "SELECT code, year, mark FROM figure LIMIT 1")


def test_what_many_rows_say_is_one_text(file: Path) -> None:
    with open_publication(file) as reader:
        told = reader.rows(Figure, "SELECT code, year, value FROM figure")
    assert len({id(one.code) for one in told}) == 3
