"""Which rules of the warnings need not be asked again: what they read is what it was when they were last asked.

What a rule found is kept with a mark of its question and of the rows of everything that the question reads. Where the mark
is the same, the rule is not asked again: the suite is given what it found then, so that a run has every rule's result
whether it was worked out anew or not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import TypeAlias

import duckdb
import polars as pl

from expectations.engine import Broken, Expectation
from expectations.warnings import (
    asked_together,
    expectations,
    load_warnings,
    unexpected_rows,
)
from transforms.records import KEPT_ANSWER
from warehouse.sql import NEVER_THE_SAME, literal, table_from

#: A relation of the warehouse: its schema, where that is not the usual one, and its name.
Relation: TypeAlias = tuple[str, str]

_USUAL = "main"
_NAME = re.compile(r'(?:\b(\w+)\s*\.\s*)?"?\b(\w+)\b"?')


@dataclass(frozen=True)
class Asked:
    """A suite of the warnings, and by each rule's id the mark of what it was asked; none where that never holds."""

    expectations: list[Expectation]
    marks: Mapping[str, str]


def suite(connection: duckdb.DuckDBPyConnection) -> Asked:
    """Return the suite over what is in force, in which only what may give something else is asked anew."""
    warnings, relations = load_warnings(), _relations(connection)
    read = {
        name: named & relations
        for name, warning in warnings.items()
        if (named := _named(warning.query)) is not None
    }
    sums = _sums(connection, {relation for each in read.values() for relation in each})
    (version,) = connection.execute("SELECT version()").fetchall()[0]
    marks = {
        name: _mark(
            version,
            unexpected_rows([warnings[name]]),
            [(*each, *sums[each]) for each in sorted(named)],
        )
        for name, named in read.items()
    }
    known = connection.execute(
        "SELECT DISTINCT rule_id, mark, findings IS NOT NULL FROM kept_answer"
    ).fetchall()
    kept = {name: found for name, mark, found in known if marks.get(name) == mark}
    return Asked(expectations(asked_together(_rows(connection)), kept), marks)


def keep_answers(connection: duckdb.DuckDBPyConnection, asked: Asked, broken: Broken) -> None:
    """Keep what the rules found for the next run; the caller holds the transaction."""
    found: dict[str, list[str | None]] = {}
    for rows in broken.values():
        for row in rows:
            for name, findings in groupby(row["findings"], lambda finding: finding["rule_id"]):
                found.setdefault(name, []).append(json.dumps(list(findings)))
    # A rule that found nothing has a row that says so.
    kept = [
        (name, mark, place, findings)
        for name, mark in asked.marks.items()
        for place, findings in enumerate(found.get(name) or [None])
    ]
    frame = pl.DataFrame(kept, schema=KEPT_ANSWER.schema, orient="row")
    table_from(connection, f"TABLE {KEPT_ANSWER.name}", frame)


def _rows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return how many rows each form has in force."""
    return dict(
        connection.execute(
            "SELECT form, sum(rows_loaded)::BIGINT FROM submission"
            " SEMI JOIN version_in_force USING (submission_id) GROUP BY form"
        ).fetchall()
    )


def _relations(connection: duckdb.DuckDBPyConnection) -> set[Relation]:
    """Return the tables and views of the warehouse."""
    return {
        ("" if schema == _USUAL else schema, name)
        for schema, name in connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database()"
            " UNION ALL SELECT schema_name, view_name FROM duckdb_views()"
            " WHERE database_name = current_database() AND NOT internal"
        ).fetchall()
    }


@cache
def _named(query: str) -> frozenset[Relation] | None:
    """Return what the query names that may be a relation, or mean something else.

    None where it may give something else each time.
    """
    if NEVER_THE_SAME.search(query):
        return None
    named = set(_NAME.findall(query))
    # a.b may be a relation of a schema, or a column of a relation.
    bare = {("", word) for pair in named for word in pair}
    return frozenset(named | bare)


def look_through() -> None:
    """Look through the queries of the warnings in use for what they name, so that it is known."""
    for warning in load_warnings().values():
        _named(warning.query)


def _sums(
    connection: duckdb.DuckDBPyConnection, relations: Collection[Relation]
) -> dict[Relation, tuple[int, str]]:
    """Return for each relation how many rows it has, and the sum of their hashes, in whatever order they are."""
    if not relations:
        return {}
    query = " UNION ALL ".join(
        f"SELECT {literal(schema)}, {literal(name)}, count(*), coalesce(sum(hash(t)), 0)::VARCHAR"
        f' FROM {f"{schema}." if schema else ""}"{name}" t'
        for schema, name in sorted(relations)
    )
    return {
        (schema, name): (rows, total)
        for schema, name, rows, total in connection.execute(query).fetchall()
    }


def _mark(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
