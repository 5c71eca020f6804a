"""Opening a publication to read it: rows as typed records, by the names of their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from warehouse.publication.reader.queries import YEARS
from warehouse.sql import bound

Record = TypeVar("Record")

#: So many rows of a result are Python objects before they are records.
_AT_A_TIME = 2048


@dataclass(frozen=True, slots=True)
class YearState:
    """A year of the publication: how much of it is there, and whether it is the one in focus."""

    year: int
    forms_in_force: int
    expected_forms: int
    in_focus: bool


@dataclass(frozen=True, slots=True)
class Issue:
    """A row of the table ``publication``; times are UTC."""

    publication_id: str
    published_at: datetime | None
    previous_id: str | None
    code_version: str | None
    plan_version: str | None
    submissions: int | None
    changes: int | None


@contextmanager
def open_publication(file: Path) -> Iterator[Reader]:
    """Yield a reader of the publication in ``file`` (a DuckDB database), which is not changed.

    Raises:
        duckdb.Error: the file is damaged, or is no database.
    """
    with duckdb.connect(str(file), read_only=True) as connection:
        yield Reader(connection)


class Reader:
    """A publication that is open to be read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @contextmanager
    def second(self) -> Iterator[Reader]:
        """Yield a further reader of the same publication, for another thread."""
        with self._connection.cursor() as connection:
            yield Reader(connection)

    def rows(self, record: Callable[..., Record], query: str, *values: object) -> list[Record]:
        """Return the rows of ``query`` as records, which take its columns by their names.

        ``values`` take the places of the ``?`` in it.
        """
        cursor = self._connection.execute(bound(query, *values))
        make = _maker(record, [column[0] for column in cursor.description or ()])
        # DuckDB makes a text of every cell, and of a nation's verdicts most say the same few codes.
        texts: dict[str, str] = {}
        records: list[Record] = []
        while rows := cursor.fetchmany(_AT_A_TIME):
            records += [
                make([texts.setdefault(v, v) if type(v) is str else v for v in row]) for row in rows
            ]
        return records

    def tuples(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of ``query`` as they are, for what takes them in the query's own order."""
        return self._connection.execute(bound(query, *values)).fetchall()

    def has_column(self, table: str, column: str) -> bool:
        """Return whether this publication has a column; one of an earlier program may lack it."""
        return (table, column) in self._columns

    @cached_property
    def _columns(self) -> frozenset[tuple[str, str]]:
        """The columns of this publication, with their tables; asked for once, because many are looked for."""
        found = self.tuples(
            "SELECT table_name, column_name FROM duckdb_columns()"
            " WHERE database_name = current_database() AND schema_name = 'main'"
        )
        return frozenset((table, column) for table, column in found)

    def column(self, alias: str, table: str, column: str) -> str:
        """Return a column of ``table`` (known as ``alias``) in SQL, NULL where this publication lacks it."""
        return f"{alias}.{column}" if self.has_column(table, column) else "NULL"

    @property
    def is_empty(self) -> bool:
        """Whether no submission was in force, so that there is no verdict."""
        return self.tuples("SELECT NOT EXISTS (FROM attainment)") == [(True,)]

    def years(self) -> list[YearState]:
        """Return the years of the publication, the earliest first.

        Exactly one is in focus; the list is empty where no submission is in force.
        """
        return self.rows(YearState, f"SELECT * FROM ({YEARS}) AS years ORDER BY year")

    def issues(self, most: int) -> list[Issue]:
        """Return this publication and the ones before it, the latest first; ids grow with each."""
        return self.rows(
            Issue,
            "SELECT publication_id, published_at, previous_id, code_version, plan_version,"
            " submissions, changes FROM publication ORDER BY publication_id DESC LIMIT ?",
            most,
        )

    @property
    def issue(self) -> Issue | None:
        """What this publication says of itself; None where it says nothing."""
        return next(iter(self.issues(1)), None)

    @property
    def is_made_up(self) -> bool:
        """Whether made-up submissions entered; a publication of before this was noted does not say so."""
        if not self.has_column("publication", "sample"):
            return False
        latest = self.tuples("SELECT sample FROM publication ORDER BY publication_id DESC LIMIT 1")
        return bool(latest and latest[0][0])

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        return int(self.tuples(f'SELECT count(*) FROM "{table}"')[0][0])

    def counts(self, table: str, column: str) -> dict[str, int]:
        """Return the number of rows of a table for each value of a column."""
        return dict(self.tuples(f'SELECT "{column}", count(*) FROM "{table}" GROUP BY ALL'))


def _maker(
    record: Callable[..., Record], names: Sequence[str]
) -> Callable[[Sequence[object]], Record]:
    """Return what makes a record of values in the order of ``names``."""
    own = [field.name for field in fields(record)] if is_dataclass(record) else []
    if own == names:
        return lambda row: record(*row)  # which takes less than half as long
    return lambda row: record(**dict(zip(names, row, strict=True)))


def in_focus(years: Sequence[YearState]) -> YearState:
    """Return the year that readers are shown first."""
    return next(year for year in years if year.in_focus)
