"""Handing Polars frames to DuckDB.

Frames cross as Parquet files in a temporary folder. Passing them in memory goes through pyarrow's
dataset module, which imports pandas where it is installed (Great Expectations brings it): a second
at every start, for frames that Parquet carries over in milliseconds.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import polars as pl

from transforms.china import OFFSET

#: What gives something else each time, or reads what is not in the warehouse.
NEVER_THE_SAME = re.compile(
    r"\b(?:now|today|random|uuid\w*|gen_random_uuid|setseed|nextval|currval|getenv|glob|query|query_table"
    r"|current_setting|get_current_\w+|transaction_timestamp|read_\w+|parquet_\w+|sniff_csv|\w+_scan"
    r"|duckdb_\w+|pragma_\w+)\s*\("
    r"|\b(?:current_date|current_time|current_timestamp|localtime|localtimestamp|using\s+sample|tablesample)\b"
    r"|\b(?:from|join)\s+'",
    re.IGNORECASE,
)
#: What looks at more rows than the one in hand.
_OTHER_ROWS = re.compile(r"\b(?:select|from|over|qualify|limit)\b", re.IGNORECASE)


@contextmanager
def lent(connection: duckdb.DuckDBPyConnection, **frames: pl.DataFrame) -> Iterator[None]:
    """Let SQL read ``frames`` by their names while the block runs."""
    with tempfile.TemporaryDirectory(prefix="jzedu-") as folder:
        for name, frame in frames.items():
            source = _written(frame, Path(folder, f"{name}.parquet"))
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS FROM {source}")
        try:
            yield
        except duckdb.Error:
            # The transaction is over, and the views with it: nothing to drop, and nothing that may
            # hide what failed.
            with suppress(duckdb.Error):
                _drop(connection, frames)
            raise
        else:
            _drop(connection, frames)


def _drop(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    for name in names:
        connection.execute(f"DROP VIEW IF EXISTS temp.{name}")


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what the block does, all of it or nothing."""
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # What failed may have ended the transaction, and must not be hidden by saying so.
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise


def give_up_temporary(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop all temporary tables of a connection, for the memory that they take."""
    names = connection.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall()
    connection.execute("".join(f'DROP TABLE temp."{name}";' for (name,) in names))


def exact(frame: pl.DataFrame, **types: pl.Decimal) -> pl.DataFrame:
    """Return ``frame`` with the numbers in some columns, which are text there, as decimals of these types.

    Polars imports NumPy when it is given a decimal of Python's, a twentieth of a second that nothing else needs.
    """
    return frame.with_columns(pl.col(name).cast(kind) for name, kind in types.items())


def literal(value: object) -> str:
    """``value`` as a SQL literal: text and times quoted, None as NULL.

    Statements with bound parameters make DuckDB import pandas, see above.
    """
    if value is None:
        return "NULL"
    if isinstance(value, int | float):
        return str(value)
    text = str(value).replace("'", "''")
    return f"'{text}'"


def is_of_one_row(expression: str) -> bool:
    """Return whether an expression, or an aggregate over rows, asks each row by itself, and always the same."""
    return not _OTHER_ROWS.search(expression) and not NEVER_THE_SAME.search(expression)


def in_china(column: str) -> str:
    """Return the expression for a time in UTC as it is told in China."""
    return f"({column} + INTERVAL {OFFSET.seconds} SECOND)"


def bound(sql: str, *values: object) -> str:
    """Return ``sql`` with each ``?`` replaced by the literal of its value."""
    first, *rest = sql.split("?")
    pairs = zip(values, rest, strict=True)
    return first + "".join(literal(value) + part for value, part in pairs)


def table_from(connection: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> None:
    """Create or replace ``table`` (``TEMP`` and a name, or a name) with the rows of ``frame``."""
    with tempfile.TemporaryDirectory(prefix="jzedu-") as folder:
        source = _written(frame, Path(folder, "incoming.parquet"))
        connection.execute(f"CREATE OR REPLACE {table} AS FROM {source}")


def _written(frame: pl.DataFrame, file: Path) -> str:
    """Write ``frame`` into ``file``; return how SQL reads it there."""
    frame.write_parquet(file, compression="uncompressed")
    return f"read_parquet({literal(file)})"
