"""The publication in a lake: the schema ``published``, for readers who attach the lake read-only.

It is the publication that stands, with its tables and views, replaced in one transaction: a reader sees a whole
one, and in a transaction of its own the same one to the end.
"""

from __future__ import annotations

import duckdb

from warehouse.lake import CATALOG
from warehouse.publication.defined import definitions
from warehouse.publication.tables import TABLES
from warehouse.publication.views import view_statements, views_of
from warehouse.sql import literal

SCHEMA = "published"
#: DuckLake keeps no comments on the columns of a view: this table has them.
VIEW_COLUMN = "view_column"


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
    """Write the publication that is attached as ``previous`` into the lake.

    The caller holds the transaction, and ``connection`` has no temporary tables, which views would find.
    """
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}; {'; '.join(definitions(SCHEMA))}")
    for table in TABLES:
        connection.execute(
            f"INSERT INTO {SCHEMA}.{table.name} BY NAME SELECT {table.names}"
            f" FROM previous.{table.name} ORDER BY ALL"
        )
    connection.execute(f"USE {CATALOG}.{SCHEMA}")
    views = views_of(connection)
    connection.execute("; ".join(one for view in views for one in view_statements(view)))
    rows = ", ".join(
        f"({literal(view.name)}, {literal(column.name)}, {literal(f'{column.zh} / {column.en}')})"
        for view in views
        for column in view.columns
    )
    connection.execute(
        f"CREATE OR REPLACE TABLE {VIEW_COLUMN} (view_name VARCHAR, column_name VARCHAR, comment VARCHAR);"
        f"INSERT INTO {VIEW_COLUMN} VALUES {rows}; USE {CATALOG}"
    )
