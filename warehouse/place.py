"""Where the warehouse is: a file of this machine, or a lake that several machines reach.

Whoever opens the warehouse does so here, whatever process it is. All else is the same SQL on both.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic, sleep
from typing import TypeAlias

import duckdb

from transforms.texts import ToldInBoth
from warehouse.lake import Lake
from warehouse.memory import shared_memory

#: A file by its path, or a lake.
Place: TypeAlias = Path | Lake


#: Bytes that DuckDB may take at least, for each of its threads, and for each row of the warehouse. A nation of 2,900 units,
#: six million rows, goes well with 320 MiB and not with 160: not all that DuckDB does can go to the disk. So the queries of
#: the warnings, in the process of Great Expectations, have no such bound.
_LEAST_MEMORY, _MEMORY_OF_A_THREAD, _MEMORY_OF_A_ROW = 320 * 2**20, 160 * 2**20, 64
#: Bytes of the log that a killed run leaves at most, and the next one reads again.
_LOG = 2**27


class WarehouseLocked(ToldInBoth):
    """Another process has the warehouse open."""


def connect(place: Place, *, read_only: bool, patience: float = 0) -> duckdb.DuckDBPyConnection:
    """Return a connection to the warehouse at ``place``, whose tables may not be there yet.

    A file that another process has open is waited for: ``patience`` seconds.

    Raises:
        WarehouseLocked: another process writes to the file.
        LakeFailed: the lake cannot be reached, or what it needs is not installed.
    """
    connection = _connected(place, read_only, patience)
    bound_memory(connection)
    # What is loaded portion by portion is in the log beside the file as soon as it is kept; to write all of it into
    # the file each time takes longer than to load it.
    connection.execute(f"SET checkpoint_threshold = '{_LOG}B'")
    return connection


def bound_memory(connection: duckdb.DuckDBPyConnection) -> int:
    """Bound what DuckDB may take by what the warehouse holds by now; give the bound in bytes.

    By itself it first takes most of the memory that there is. What it does not need at once goes to the disk, and what it
    has freed is given back (:func:`give_back`).
    """
    rows = connection.execute(
        "SELECT coalesce(sum(estimated_size), 0)::BIGINT FROM duckdb_tables()"
        " WHERE database_name = current_database() AND NOT temporary"
    ).fetchone()
    bound = max(
        _LEAST_MEMORY,
        (os.cpu_count() or 1) * _MEMORY_OF_A_THREAD,
        (rows[0] if rows else 0) * _MEMORY_OF_A_ROW,
    )
    bound = min(bound, shared_memory())
    give_back(connection, bound)
    return bound


def give_back(connection: duckdb.DuckDBPyConnection, bound: int) -> None:
    """Have DuckDB give back the memory that it has freed: all of this process, while ``bound`` (bytes) stays its bound.

    Its allocator keeps it until a bound is set, also one that is set already.
    """
    connection.execute(f"SET memory_limit = '{bound}B'")


def _connected(place: Place, read_only: bool, patience: float) -> duckdb.DuckDBPyConnection:
    if isinstance(place, Lake):
        return place.connect(read_only=read_only)
    until = monotonic() + patience
    while True:
        try:
            return duckdb.connect(str(place), read_only=read_only)
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise
        if monotonic() >= until:
            raise WarehouseLocked(
                f"{place} 正被另一个进程使用；请等那次运行结束，或结束那个进程",
                f"{place} is open in another process; wait until that run has ended, or end it",
            )
        sleep(0.05)


def second_connection(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return a further connection to the warehouse that ``connection`` has open, for another thread."""
    ((catalog,),) = connection.execute("SELECT current_database()").fetchall()
    second = connection.cursor()
    second.execute(f'USE "{catalog}"')
    return second


def is_there(place: Place) -> bool:
    """Return whether there is a warehouse; a lake counts as there."""
    return isinstance(place, Lake) or place.exists()
