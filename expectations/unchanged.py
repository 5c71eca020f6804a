"""Which rules of the warnings need not be asked again: what they read is what it was when they were last asked.

What a rule found is kept with a mark of its question and of the rows of everything that the question reads. Where the mark
is the same, the rule is not asked again: the suite is given what it found then, so that a run has every rule's result
whether it was worked out anew or not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import duckdb
import polars as pl

from expectations.engine import Broken, Expectation
from expectations.warnings import asked_together, expectations
from transforms.records import KEPT_ANSWER
from warehouse.sql import NEVER_THE_SAME, literal, table_from

#: A relation of the warehouse: its schema, where that is not the usual one, and its name.
Relation: TypeAlias = tuple[str, str]

_USUAL = "main"
_NAME = re.compile(r'(?:\b(\w+)\s*\.\s*)?"?\b(\w+)\b"?')
#: Without braces, which mean something to Great Expectations.
_KEPT = """
SELECT units, findings::JSON AS findings FROM kept_answer
WHERE number = {name} AND findings IS NOT NULL
ORDER BY place
"""


@dataclass(frozen=True)
class Asked:
    """A suite of the warnings, and by each expectation's name the mark of what was asked; none where that never holds."""

    expectations: list[Expectation]
    marks: Mapping[str, str]


def suite(connection: duckdb.DuckDBPyConnection) -> Asked:
    """Return the suite over what is in force, in which only what may give something else is asked anew."""
    together = asked_together(_rows(connection))
    questions = {name: [warning.query for warning in rules] for name, rules in together.items()}
    relations = _relations(connection)
    read = {
        name: _read_by(queries, relations)
        for name, queries in questions.items()
        if not any(NEVER_THE_SAME.search(query) for query in queries)
    }
    sums = _sums(connection, {relation for each in read.values() for relation in each})
    (version,) = connection.execute("SELECT version()").fetchall()[0]
    full = {one.name: one for one in expectations(together)}
    marks = {
        name: _mark(version, full[name].query, [(*each, *sums[each]) for each in sorted(named)])
        for name, named in read.items()
    }
    known = dict(connection.execute("SELECT DISTINCT number, mark FROM kept_answer").fetchall())
    asked = [
        Expectation(name, _KEPT.format(name=literal(name)), one.description)
        if marks.get(name) is not None and known.get(name) == marks[name]
        else one
        for name, one in full.items()
    ]
    return Asked(asked, marks)


def keep_answers(connection: duckdb.DuckDBPyConnection, asked: Asked, broken: Broken) -> None:
    """Keep what the rules found for the next run; the caller holds the transaction."""
    # A rule that found nothing has a row that says so.
    rows = [
        (name, mark, place, row and row["units"], row and json.dumps(row["findings"]))
        for name, mark in asked.marks.items()
        for place, row in enumerate(broken[name] or [None])
    ]
    frame = pl.DataFrame(rows, schema=KEPT_ANSWER.schema, orient="row")
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


def _read_by(queries: Iterable[str], relations: Collection[Relation]) -> set[Relation]:
    """Return which of ``relations`` the queries name; a word that is a name and means something else counts too."""
    named = {(schema, name) for query in queries for schema, name in _NAME.findall(query)}
    # a.b may be a relation of a schema, or a column of a relation.
    bare = {("", word) for pair in named for word in pair}
    return (named | bare) & set(relations)


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
