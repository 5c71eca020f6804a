"""Warnings that the ledger or reading gives rise to, and no suite: they stand beside those of the suites."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import polars as pl

from transforms.checks.findings import Finding
from transforms.records import WARNING
from warehouse.sql import lent, literal


def tell_reading(connection: duckdb.DuckDBPyConnection) -> int:
    """Have what reading warned of in the versions in force stand in the table ``warning``; give its number.

    There a unit's reason and the office's word on it find it. The table holds nothing of it before; the
    caller holds the transaction.
    """
    row = connection.execute(
        f"INSERT INTO warning BY NAME SELECT {WARNING.names} FROM read_finding"
        " SEMI JOIN version_in_force USING (submission_id) WHERE number IS NOT NULL"
    ).fetchone()
    return int(row[0]) if row else 0


def tell(connection: duckdb.DuckDBPyConnection, key: str, findings: Sequence[Finding]) -> int:
    """Have ``findings`` stand in the table ``warning`` under ``key``, in place of what stood there; give their number.

    No figure and no reason of a unit answers them. The caller holds the transaction.
    """
    unanswered = dict.fromkeys(("figure", "explained", "number", "refused"))
    rows = [{**finding.record(), "key": key, **unanswered} for finding in findings]
    connection.execute(f"DELETE FROM warning WHERE key = {literal(key)}")
    if rows:
        with lent(connection, incoming=pl.DataFrame(rows, schema=WARNING.schema, orient="row")):
            connection.execute("INSERT INTO warning BY NAME FROM incoming")
    return len(rows)
