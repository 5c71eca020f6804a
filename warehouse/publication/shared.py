"""The publication in a lake: the schema ``published``, for readers who attach the lake read-only.

It is the publication that stands, table for table, replaced in one transaction: a reader sees a whole one,
and in a transaction of its own the same one to the end.
"""

from __future__ import annotations

import duckdb

from warehouse.publication.filling import definitions
from warehouse.publication.tables import TABLES

SCHEMA = "published"


def is_shared(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the lake has the publication that is attached as ``previous`` already."""
    try:
        return not connection.execute(
            "SELECT 1 FROM previous.publication"
            f" ANTI JOIN {SCHEMA}.publication USING (publication_id) LIMIT 1"
        ).fetchall()
    except duckdb.CatalogException:
        return False


def share(connection: duckdb.DuckDBPyConnection) -> None:
    """Write the publication that is attached as ``previous`` into the lake. The caller holds the transaction."""
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}; {'; '.join(definitions(SCHEMA))}")
    for table in TABLES:
        connection.execute(
            f"INSERT INTO {SCHEMA}.{table.name} BY NAME SELECT {table.names}"
            f" FROM previous.{table.name} ORDER BY ALL"
        )
