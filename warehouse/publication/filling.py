"""Filling a staged publication: every table of :mod:`warehouse.publication.tables`, from the warehouse.

:func:`stage` and :func:`attach` begin a new DuckDB file under a temporary name, :func:`begin` and :func:`fill` write the tables,
:func:`record` who the publication is; :mod:`warehouse.publication.release` puts it in its place.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl

from transforms.forms import FORMS
from transforms.records import KEPT_SHORTFALL
from warehouse.indicators import kept
from warehouse.indicators.compute import source_name
from warehouse.indicators.definitions import Catalogue, Causes
from warehouse.publication import places_ahead
from warehouse.publication.defined import STORAGE_VERSION
from warehouse.publication.finding_history import NAMES, history
from warehouse.publication.release import DATABASE
from warehouse.publication.revisions import REVISIONS
from warehouse.publication.tables import TABLES, PublishedTable
from warehouse.sql import is_of_one_row, literal, table_from, transaction


def stage(published: Path) -> Path:
    """Return the file of a new publication, which is not there yet; its folder is.

    What an earlier run left unfinished is swept away.
    """
    staging = published / ".staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    return staging / DATABASE


def attach(connection: duckdb.DuckDBPyConnection, file: Path, content: bytes | None = None) -> None:
    """Attach ``file`` as the catalogue ``publication``.

    It begins as the database ``content`` (:mod:`warehouse.publication.defined`), and else empty.
    """
    if content is not None:
        file.write_bytes(content)
    connection.execute(
        f"ATTACH {literal(file)} AS publication (STORAGE_VERSION {literal(STORAGE_VERSION)})"
    )


def detach(connection: duckdb.DuckDBPyConnection) -> None:
    """Let go of the staged publication, so that another process can open it."""
    connection.execute("CHECKPOINT publication; DETACH publication")


#: The tables in which neither verdicts nor findings have a part.
_AT_ONCE = frozenset(
    {
        *("region", "township_crosswalk", "indicator_value", "indicator_value_as_now"),
        *("places_ahead", "year_state", "submission_sheet", "reporting", "approval"),
    }
)


def begin(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Write the tables of the attached publication in which verdicts and findings have no part.

    The temporary tables of :func:`warehouse.indicators.compute.compute` must be there.
    """
    table_from(connection, "TEMP TABLE form", _forms())
    # One commit: each waits for the disk.
    with transaction(connection):
        _write(connection, catalogue, [table for table in TABLES if table.name in _AT_ONCE])
    # The caller has something to wait for here; the last one, which all wait for, then has less to write.
    connection.execute("CHECKPOINT publication")


def fill(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, clauses: pl.DataFrame
) -> None:
    """Write all other tables but the record of publications (:func:`record`).

    The temporary tables ``attainment`` and ``could_turn`` must be there; ``clauses`` has the columns of the
    published table ``clause``.
    """
    with transaction(connection):
        _write(connection, catalogue, [table for table in TABLES if table.name not in _AT_ONCE])
        _shortfall(connection, catalogue, clauses)


def _write(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, tables: Sequence[PublishedTable]
) -> None:
    queries = {table.name: table.query for table in tables if table.query is not None} | {
        "attainment": "SELECT * FROM attainment",
        "turning_institution": "FROM could_turn"
        " SEMI JOIN attainment USING (clause_id, region_code, year, status)",
        "places_ahead": places_ahead.query(catalogue),
    }
    for table in tables:
        if (query := queries.get(table.name)) is not None:
            _insert(connection, table, query)


def export(file: Path, folder: Path) -> None:
    """Write every table of the publication in ``file`` as Parquet into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(file), read_only=True) as connection:
        for table in TABLES:
            target = literal(folder / f"{table.name}.parquet")
            connection.execute(f"COPY {table.name} TO {target}")


def _insert(connection: duckdb.DuckDBPyConnection, table: PublishedTable, query: str) -> None:
    # Sorted rows make the same submissions give the same file, whatever came first.
    connection.execute(
        f"INSERT INTO publication.{table.name} SELECT {table.names} FROM ({query}) ORDER BY ALL"
    )


def _forms() -> pl.DataFrame:
    """Return the forms with the days on which they are due."""
    return pl.DataFrame(
        [
            (
                form.name,
                form.deadline.years_after,
                form.deadline.month,
                form.deadline.day,
                form.deadline.grace_days,
            )
            for form in FORMS.values()
        ],
        schema=["form", "due_years_after", "due_month", "due_day", "grace_days"],
        orient="row",
    )


def _shortfall(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, clauses: pl.DataFrame
) -> None:
    """Name the institutions and classes behind every unmet clause, with where they stand.

    Where nothing has changed since the last run, they are those that it named.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE unmet AS SELECT clause_id, region_code, year FROM attainment "
        "WHERE status = 'not_met'"
    )
    unmet = {clause for (clause,) in connection.execute("SELECT clause_id FROM unmet").fetchall()}
    indicator_of: Mapping[str, str] = dict(clauses.select("clause_id", "indicator_id").iter_rows())
    behind = {
        clause_id: causes
        for clause_id, indicator_id in indicator_of.items()
        if (causes := catalogue.by_id[indicator_id].causes) is not None
    }
    by_row = {clause_id for clause_id, causes in behind.items() if _is_by_row(causes, catalogue)}
    frame = pl.DataFrame({"clause_id": sorted(by_row)}, {"clause_id": pl.String})
    table_from(connection, "TEMP TABLE named_by_row", frame)
    asked = kept.question(catalogue, *(_named(name, behind[name]) for name in sorted(by_row)))
    anew = kept.changed(connection, KEPT_SHORTFALL.name, asked, _READ_BY_SHORTFALL)
    where = f" AND {anew.condition()}"
    parts = [
        _named(clause_id, causes) + (where if clause_id in by_row else "")
        for clause_id, causes in behind.items()
        if clause_id in unmet
    ]
    parts.append(
        f"SELECT {KEPT_SHORTFALL.names} FROM {KEPT_SHORTFALL.name} WHERE NOT ({anew.condition()})"
    )
    connection.execute(
        f"INSERT INTO publication.shortfall {' UNION ALL '.join(parts)} ORDER BY ALL"
    )


#: The rows of the published table ``shortfall`` that were named row by row, and may be kept for the next run.
SHORTFALLS_TO_KEEP = "(FROM publication.shortfall SEMI JOIN named_by_row USING (clause_id))"

#: What is read of a unit and year to name its shortfalls.
_READ_BY_SHORTFALL = """
SELECT region_code, year, sum(hashed) AS total FROM (
    SELECT region_code, year, hash(s) AS hashed FROM row_sum s
    UNION ALL SELECT region_code, year, hash(u) FROM unmet u
) GROUP BY ALL
"""


def _is_by_row(causes: Causes, catalogue: Catalogue) -> bool:
    asked = (causes.rows, causes.code, causes.name, causes.detail, causes.detail_en, causes.value)
    return catalogue.form_behind(causes.source) is not None and all(map(is_of_one_row, asked))


def _named(clause_id: str, causes: Causes) -> str:
    """Return the query for who is behind an unmet clause."""
    origin = 's.submission_id, s.sheet, s."row"' if causes.each else "NULL, NULL, NULL"
    return (
        f"SELECT {literal(clause_id)}, region_code, year, {causes.code}, {causes.name}, "
        f"{causes.detail}, {causes.detail_en}, {causes.value}, {origin} "
        f"FROM {source_name(causes.source)} s SEMI JOIN unmet u "
        f"ON u.clause_id = {literal(clause_id)} AND u.region_code = s.region_code AND u.year = s.year "
        f"WHERE ({causes.rows})"
    )


def record(
    connection: duckdb.DuckDBPyConnection, imprint: Imprint, previous_id: str | None
) -> None:
    """Write who this publication is: the earlier ones, itself, and what changed between them.

    ``previous_id`` names the publication that stands, attached as ``previous``; None for the first.
    """
    if previous_id is not None:
        for table in ("publication", "revision"):
            # By name: an earlier version of the program may have published fewer columns.
            connection.execute(
                f"INSERT INTO publication.{table} BY NAME SELECT * FROM previous.{table}"
            )
        connection.execute(
            f"""
            INSERT INTO publication.revision
            SELECT {literal(imprint.publication_id)}, * FROM ({REVISIONS}) ORDER BY ALL
            """
        )
    connection.execute(
        f"""
        INSERT INTO publication.publication
        SELECT {literal(imprint.publication_id)}, {literal(imprint.published_at)},
            {literal(previous_id)}, {literal(imprint.code_version)}, {literal(imprint.plan_version)},
            (SELECT count(*) FROM in_force),
            (SELECT count(*) FROM publication.revision
             WHERE publication_id = {literal(imprint.publication_id)}),
            (SELECT coalesce(bool_or(sample), false) FROM in_force),
            (SELECT state FROM publication.year_state
             JOIN publication.year_coverage USING (year) WHERE in_focus AND ended_at IS NULL)
        """
    )
    lives = history(imprint.publication_id, previous_id is not None and _has_history(connection))
    connection.execute(
        f"INSERT INTO publication.finding_history SELECT {NAMES} FROM ({lives}) ORDER BY ALL"
    )


def _has_history(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether ``previous`` has the table ``finding_history``; an earlier program's has none."""
    return bool(
        connection.execute(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = 'previous'"
            " AND schema_name = 'main' AND table_name = 'finding_history'"
        ).fetchall()
    )


@dataclass(frozen=True)
class Imprint:
    """What a publication says of itself."""

    publication_id: str
    published_at: datetime
    code_version: str
    plan_version: str
