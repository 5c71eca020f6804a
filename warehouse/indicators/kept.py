"""What was made of the rows of each unit and year, kept from run to run: rows that stay as they are, are read once.

The sums of each unit, the institutions behind an unmet clause and those that turn a verdict are made row by row,
which takes the longer the more rows there are. All else that a run computes is as small as clauses × regions × years,
hangs on other years too, and is made whole each time.

What is kept has marks: for each table, unit and year a digest of the question and of the rows that
it read. Where a mark is the same, what is kept is taken; so nobody has to know what a change may change. Kept is
only what is asked of rows one by one, without a look at others (:func:`warehouse.sql.is_of_one_row`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from transforms.forms import FORMS
from transforms.records import KEPT_MARK, Record
from warehouse.indicators.definitions import Catalogue
from warehouse.sql import literal

#: So many units are named in a query, and not more: then it is quicker to read those of all.
_FEW = 50

#: The rows of a unit and year, for :func:`changed`.
ROWS_OF_UNITS = "SELECT region_code, year, sum(hash(s)) AS total FROM row_sum s GROUP BY ALL"


@dataclass(frozen=True)
class Changed:
    """Years of which something is to be made anew, and units, where they are few: None stands for all there are."""

    years: frozenset[int]
    units: frozenset[str] | None = None

    def condition(self, unit: str = "region_code") -> str:
        """Return them as a condition over the columns ``unit`` and year: these units in these years, or more."""
        if not self.years:
            return "false"
        conditions = [f"year IN ({', '.join(map(str, sorted(self.years)))})"]
        if self.units is not None:
            conditions.append(f"{unit} IN ({', '.join(map(literal, sorted(self.units)))})")
        return " AND ".join(conditions)


def begin(connection: duckdb.DuckDBPyConnection) -> None:
    """Look at the rows that count, for all that follows.

    Writes the temporary tables ``row_sum`` (form, region_code, year, how many rows there are and the sum of their
    hashes, in whatever order they are) and ``new_mark``, which is to take the place of ``kept_mark``.
    ``version_in_force`` is up to date.
    """
    sums = " UNION ALL ".join(
        f"SELECT {literal(name)} AS form, region_code, year, count(*) AS rows, sum(hash(t)) AS total"
        f' FROM current."{name}" t GROUP BY region_code, year'
        for name in FORMS
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE row_sum AS {sums};"
        f"CREATE OR REPLACE TEMP TABLE new_mark ({KEPT_MARK.definition})"
    )


def question(catalogue: Catalogue, *texts: str) -> str:
    """Return a digest of the SQL that is asked, of the views that it may read, and of the DuckDB that answers."""
    views = [(view.name, view.sql) for view in catalogue.views]
    return hashlib.sha256(repr((duckdb.__version__, views, texts)).encode()).hexdigest()


def changed(
    connection: duckdb.DuckDBPyConnection, table: str, asked: str, read: str = ROWS_OF_UNITS
) -> Changed:
    """Return of what ``table`` is to be made anew: where the question or what it read is another.

    ``asked`` is a digest (:func:`question`). ``read`` is a query for region_code, year and total, a sum of the hashes
    of what is read of them; where all regions are made of the same rows the region_code is ''.
    """
    about = f"of_table = {literal(table)}"
    connection.execute(
        f"INSERT INTO new_mark SELECT {literal(table)}, region_code, year,"
        f" md5(concat_ws(' ', {literal(asked)}, total)) FROM ({read})"
    )
    places = connection.execute(
        f"SELECT region_code, year FROM (FROM new_mark WHERE {about}) n"
        f" FULL JOIN (FROM kept_mark WHERE {about}) k USING (region_code, year)"
        " WHERE n.mark IS DISTINCT FROM k.mark"
    ).fetchall()
    units, years = frozenset(unit for unit, _ in places), frozenset(year for _, year in places)
    return Changed(years, units if len(units) <= _FEW else None)


def keep(connection: duckdb.DuckDBPyConnection, sources: Mapping[Record, str]) -> None:
    """Keep what was made for the next run; the caller holds the transaction.

    ``sources`` say for each table from which rows it is taken: a table, or a query in brackets.
    """
    for record, source in {**sources, KEPT_MARK: "new_mark"}.items():
        columns = ", ".join(f'"{one.name}"::{one.type} AS "{one.name}"' for one in record.columns)
        connection.execute(
            f"CREATE OR REPLACE TABLE {record.name} AS SELECT {columns} FROM {source}"
        )
