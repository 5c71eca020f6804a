"""The tables of ``warehouse.duckdb``, made from the records and the form definitions.

Schema ``main`` holds the ledger: deliveries, submissions with the accounting of their sheets,
findings; its view ``version`` says from when until when each accepted version was in force. Schema
``submitted`` has one table for each form with the rows of every accepted version. Schema
``standing`` has a view for each form with the rows of the submissions in force, schema ``current``
with those of them that count: the ones that are expected of their unit; schema ``sheet_columns`` has one
with the columns that the sheets in force have, and schema ``unit_years`` one with the units and years
that there are. Plain DuckDB SQL, without indexes or generated columns, so that the same statements run
on a DuckLake catalogue.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator

import duckdb

from transforms.forms import FORMS, Form
from transforms.forms.model import DUCKDB_TYPES
from transforms.records import LEDGER
from warehouse.reference import Reference
from warehouse.sql import literal, table_from

_log = logging.getLogger(__name__)

#: The schemas beside ``main``: of each form they have a table or a view.
_SCHEMAS = ("submitted", "standing", "current", "sheet_columns", "unit_years")

#: Of the accepted versions of a form, unit and year the one received last is in force; on equal
#: times the larger hash wins, and of files in one zip the later name. A version comes into force when
#: it is received and holds until the next one is, whatever order they turned up in: so the archive's
#: receipts alone say it. One that is replaced at the time it comes has never held.
#: Of the decisions on a submission the last one holds (``ruling``).
_IN_FORCE = """
CREATE OR REPLACE VIEW ruling AS
FROM decision QUALIFY row_number() OVER (PARTITION BY submission_id ORDER BY decided_at DESC) = 1;
CREATE OR REPLACE VIEW version AS
SELECT submission_id, region_code, form, year, received_at AS in_force_from,
    lead(received_at) OVER (
        PARTITION BY region_code, form, year
        ORDER BY received_at, sha256, entry NULLS FIRST, submission_id
    ) AS in_force_until
FROM submission ANTI JOIN withheld USING (submission_id)
WHERE accepted;
CREATE OR REPLACE VIEW in_force AS
SELECT * FROM submission
SEMI JOIN (FROM version WHERE in_force_until IS NULL) USING (submission_id)
"""

#: What there is of each unit and year, whichever version of it is in force.
_REPORTED = """
CREATE OR REPLACE VIEW reported AS SELECT region_code, form, year FROM version_in_force
"""

#: A number of its own for each warning: the same for as long as an acknowledgement of it would hold.
WARNING_NUMBER = "upper(left(sha256(concat_ws(chr(31), region_code, year, rule_id, key, coalesce(figure, ''))), 8))"
#: What reading found, and all that is told of submissions. What reading warned of in a version in force
#: stands in ``warning`` too, where a reason may answer it; it is told once.
_NOTED = f"""
CREATE OR REPLACE VIEW read_finding AS
SELECT * EXCLUDE (number), CASE WHEN key IS NOT NULL THEN number END AS number
FROM (SELECT *, {WARNING_NUMBER} AS number FROM (
    SELECT *, NULL::VARCHAR AS figure, NULL::VARCHAR AS explained, NULL::VARCHAR AS refused,
        CASE WHEN severity = 'warning' AND region_code IS NOT NULL AND form IS NOT NULL
            AND year IS NOT NULL
        THEN coalesce(nullif(concat_ws(' ', column_name, value), ''), 'all') END AS key
    FROM finding
));
CREATE OR REPLACE VIEW noted AS
SELECT * FROM read_finding f
WHERE NOT EXISTS (
    SELECT 1 FROM warning w WHERE (w.submission_id, w.rule_id) = (f.submission_id, f.rule_id)
)
UNION ALL BY NAME SELECT * FROM warning
"""

#: Of a closed year only what it was released with is in force, whatever was received since. What a person sent back
#: stays sent back.
_WITHHELD = """
DELETE FROM withheld;
INSERT INTO withheld
SELECT s.submission_id,
    CASE WHEN r.decision = 'returned' THEN 'returned' WHEN y.state IS NOT NULL THEN 'closed'
        ELSE 'waiting' END AS why
FROM submission s
LEFT JOIN ruling r USING (submission_id)
LEFT JOIN (SELECT DISTINCT year, 'final' AS state FROM final_submission) y ON y.year = s.year
LEFT JOIN final_submission f USING (submission_id)
WHERE s.accepted AND CASE WHEN y.state IS NOT NULL THEN f.submission_id IS NULL
    ELSE coalesce(r.decision = 'returned', false)
        OR ({waiting} AND coalesce(r.decision <> 'approved', true)) END
"""


def prepare(connection: duckdb.DuckDBPyConnection, reference: Reference) -> None:
    """Create what is not there yet, and put today's reference lists into the warehouse.

    Where it was prepared with the same lists by this program, nothing is written. A warehouse of another
    layout (a form has gained a column) is emptied: then no delivery counts as read, and the next run reads
    them all again from the archive.
    """
    tables, views = _tables(), [_IN_FORCE, _REPORTED, _NOTED, *_form_views()]
    lists = {
        "region": reference.regions,
        "township": reference.townships,
        "township_crosswalk": reference.township_crosswalk,
        "expected": reference.expected,
        "member": reference.members,
    }
    layout = _mark(tables)
    prepared = _mark([*tables, *views, *(frame.write_json() for frame in lists.values())])
    before = _layout(connection)
    if before == layout and _prepared(connection) == prepared:
        return
    connection.execute("BEGIN")
    if before not in (None, layout):
        _log.warning("the warehouse has another layout: it is made anew from the archive")
        _empty(connection)
    for statement in tables:
        connection.execute(statement)
    connection.execute(f"CREATE OR REPLACE TABLE layout AS SELECT {literal(layout)} AS mark")
    for name, frame in lists.items():
        table_from(connection, f"TABLE {name}", frame)
    for statement in views:
        connection.execute(statement)
    connection.execute(f"CREATE OR REPLACE TABLE prepared AS SELECT {literal(prepared)} AS mark")
    connection.execute("COMMIT")


def _form_views() -> Iterator[str]:
    """Yield the statements that make the views of ``standing``, ``current``, ``sheet_columns`` and ``unit_years``."""
    for form in FORMS.values():
        for schema, which in (("standing", "true"), ("current", "expected")):
            yield (
                f'CREATE OR REPLACE VIEW {schema}."{form.name}" AS '
                f'SELECT * FROM submitted."{form.name}" '
                f"SEMI JOIN (FROM version_in_force WHERE {which}) USING (submission_id)"
            )
        yield (
            f'CREATE OR REPLACE VIEW sheet_columns."{form.name}" AS '
            f"SELECT submission_id, sheet, column_name FROM submission_layout SEMI JOIN "
            f"(FROM version_in_force WHERE form = {literal(form.name)}) USING (submission_id)"
        )
        yield (
            f'CREATE OR REPLACE VIEW unit_years."{form.name}" AS '
            f"SELECT region_code, year FROM version_in_force WHERE form = {literal(form.name)}"
        )


def is_outdated(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether another version of this program has made the tables that are there."""
    return _layout(connection) not in (None, _mark(_tables()))


def _tables() -> list[str]:
    """Return the statements that make what is read from the archive."""
    return [
        *(f"CREATE TABLE IF NOT EXISTS {table.name} ({table.definition})" for table in LEDGER),
        *(f"CREATE SCHEMA IF NOT EXISTS {name}" for name in _SCHEMAS),
        *(
            f'CREATE TABLE IF NOT EXISTS submitted."{form.name}" ({", ".join(_columns(form))})'
            for form in FORMS.values()
        ),
    ]


def _mark(tables: list[str]) -> str:
    return hashlib.sha256("".join(tables).encode()).hexdigest()


def _layout(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Return the mark of the tables that are there: None where there are none, empty where it has no mark."""
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE NOT temporary"
        " AND database_name = current_database() AND schema_name = 'main'"
    ).fetchall()
    if ("layout",) in rows:
        return _marked(connection, "layout")
    return "" if rows else None


def _prepared(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Return the mark of what the warehouse was last prepared with; None where it was not."""
    try:
        return _marked(connection, "prepared")
    except duckdb.CatalogException:
        return None


def _marked(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    ((mark,),) = connection.execute(f"SELECT mark FROM {table}").fetchall()
    return str(mark)


def _empty(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop every table and view of the warehouse."""
    for schema in reversed(_SCHEMAS):  # views before the tables that they are over
        connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    for kind in ("view", "table"):
        names = connection.execute(
            f"SELECT {kind}_name FROM duckdb_{kind}s() WHERE NOT temporary AND NOT internal"
            " AND database_name = current_database() AND schema_name = 'main'"
        ).fetchall()
        for (name,) in names:
            connection.execute(f'DROP {kind} "{name}"')


def refresh(connection: duckdb.DuckDBPyConnection, *, approved_only: bool = False) -> None:
    """Note in ``version_in_force`` which submissions hold, and whether they are expected.

    The views of ``standing`` and ``current`` go by it, so that versions are compared once and not
    with every query. What the office has decided (:func:`warehouse.decisions.keep_decisions`) withholds
    submissions; with ``approved_only`` so does that nobody has approved them.
    """
    connection.execute(_WITHHELD.format(waiting="true" if approved_only else "false"))
    connection.execute(
        "CREATE OR REPLACE TABLE version_in_force AS "
        "SELECT submission_id, region_code, form, year, EXISTS ("
        "    FROM expected e WHERE (e.region_code, e.form) = (f.region_code, f.form)"
        "    AND f.year BETWEEN coalesce(e.from_year, f.year) AND coalesce(e.to_year, f.year)"
        ") AS expected FROM in_force f"
    )


def _columns(form: Form) -> Iterator[str]:
    yield from ("submission_id VARCHAR", "region_code VARCHAR", "year INTEGER")
    yield from ("sheet VARCHAR", '"row" BIGINT')
    for column in form.columns:
        yield f'"{column.name}" {DUCKDB_TYPES[column.kind]}'
