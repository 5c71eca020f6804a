"""The tables of a publication as Parquet files by year, in folders as query engines expect them (Hive's).

A table of years is one file for each of them, ``<table>/year=2022/data_0.parquet``; every other one is
``<table>/data_0.parquet``, and so is one without rows, so that no table is missing. The column ``year`` stands in
the files as well: each of them is whole by itself.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from warehouse.publication.tables import TABLES, PublishedTable
from warehouse.sql import literal

_YEAR = "year"
#: Of a file in which no year was found the year is NULL. Of a folder for these DuckDB makes a text of every year.
_OF_NO_YEAR = frozenset({"submission", "finding", "finding_history"})
_FILE = "data_0.parquet"


def years_of(table: PublishedTable) -> tuple[str, ...]:
    """Return the columns by which the files of ``table`` are apart: its year, or nothing."""
    has_years = any(column.name == _YEAR for column in table.columns)
    return (_YEAR,) if has_years and table.name not in _OF_NO_YEAR else ()


def write_by_year(publication: Path, folder: Path) -> dict[str, dict[str, int]]:
    """Write the tables of ``publication`` into ``folder``; give the files of each, below it, with their rows."""
    with duckdb.connect() as connection:
        # One thread writes one file for a year, with its rows in their order.
        connection.execute(
            f"SET threads = 1; ATTACH {literal(publication)} AS published (READ_ONLY); USE published"
        )
        return {table.name: _write(connection, table, folder) for table in TABLES}


def _write(
    connection: duckdb.DuckDBPyConnection, table: PublishedTable, folder: Path
) -> dict[str, int]:
    """Write one table; give its files, below ``folder``, with their rows."""
    target = folder / table.name
    target.mkdir(parents=True)
    options, to = "FORMAT parquet", target / _FILE
    if years_of(table) and connection.execute(f"FROM {table.name} LIMIT 1").fetchall():
        options += f", PARTITION_BY ({_YEAR}), WRITE_PARTITION_COLUMNS, OVERWRITE_OR_IGNORE"
        to = target
    connection.execute(f"COPY {table.name} TO {literal(to)} ({options})")
    found = connection.execute(
        "SELECT file_name, num_rows FROM"
        f" parquet_file_metadata({literal(target / '**' / '*.parquet')}) ORDER BY file_name"
    ).fetchall()
    return {Path(name).relative_to(folder).as_posix(): rows for name, rows in found}
