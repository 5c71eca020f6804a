"""Writing a publication beside the one that stands, and putting it in its place in one step.

:func:`stage` opens a new DuckDB file under a temporary name, :func:`fill` writes every table of
:mod:`warehouse.publication.tables` into it, :func:`release` renames it over ``indicators.duckdb``. Readers
see the old file whole or the new one whole; a run that ends before the rename changes nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl

from transforms.forms import FORMS
from warehouse.indicators.compute import source_name
from warehouse.indicators.definitions import Catalogue, Indicator
from warehouse.publication.tables import TABLES, PublishedTable
from warehouse.publication.views import create_views
from warehouse.sql import literal, table_from

DATABASE = "indicators.duckdb"
#: Every tool with a DuckDB driver from 1.0 on can open the file.
_STORAGE_VERSION = "v1.0.0"


@dataclass(frozen=True)
class Imprint:
    """What a publication says of itself."""

    publication_id: str
    published_at: datetime
    code_version: str
    plan_version: str


@dataclass(frozen=True)
class Change:
    """What moves between two publications, and which file caused it (None: a definition).

    ``basis_zh`` and ``basis_en`` are there where the clause's figure is an interpretation of ours.
    """

    indicator_id: str
    name_zh: str
    region_code: str
    region_name: str
    year: int
    old_value: float | None
    new_value: float | None
    old_status: str | None
    new_status: str | None
    cause: str | None
    clause_id: str | None
    unit: str
    threshold: float | None
    basis_zh: str | None
    basis_en: str | None


#: The columns of :class:`Change` that a definition gives, for a query in which ``d`` is the clause,
#: ``a`` its row of attainment.
OF_CLAUSE = """
    a.threshold, CASE WHEN d.interpretation THEN coalesce(d.basis_zh, '') END,
    CASE WHEN d.interpretation THEN coalesce(d.basis_en, d.basis_zh, '') END
"""


def list_changes(connection: duckdb.DuckDBPyConnection) -> list[Change]:
    """Return the differences of ``publication`` from ``previous``, both attached."""
    rows = connection.execute(
        f"""
        SELECT c.indicator_id, coalesce(i.name_zh, j.name_zh), c.region_code,
            coalesce(r.region_name, c.region_code), c.year, c.old_value, c.new_value,
            c.old_status, c.new_status, s.file_name, c.clause_id, coalesce(i.unit, j.unit),
            {OF_CLAUSE}
        FROM ({CHANGES}) c
        LEFT JOIN publication.indicator i USING (indicator_id)
        LEFT JOIN previous.indicator j USING (indicator_id)
        LEFT JOIN publication.clause d ON d.clause_id = c.clause_id
        LEFT JOIN publication.attainment a
            ON (a.clause_id, a.region_code, a.year) = (c.clause_id, c.region_code, c.year)
        LEFT JOIN region r ON r.region_code = c.region_code
        LEFT JOIN submission s ON s.submission_id = c.submission_id
        ORDER BY c.indicator_id, c.region_code, c.year, c.clause_id
        """
    ).fetchall()
    return [Change(*row) for row in rows]


def stage(connection: duckdb.DuckDBPyConnection, published: Path) -> Path:
    """Attach a new, empty publication as the catalogue ``publication``; give its file.

    What an earlier run left unfinished is swept away.
    """
    staging = published / ".staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    file = staging / DATABASE
    connection.execute(
        f"ATTACH '{_quoted(file)}' AS publication (STORAGE_VERSION '{_STORAGE_VERSION}')"
    )
    return file


def attach(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Attach a staged publication again, after others have had it."""
    connection.execute(f"ATTACH '{_quoted(file)}' AS publication")


def detach(connection: duckdb.DuckDBPyConnection) -> None:
    """Let go of the staged publication, so that another process can open it."""
    connection.execute("CHECKPOINT publication; DETACH publication")


def fill(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    clauses: pl.DataFrame,
    sections: pl.DataFrame,
) -> None:
    """Write all tables but the record of publications (:func:`record`), and create the views.

    ``publication.attainment`` must be there already; ``clauses`` and ``sections`` have the columns of
    the published tables ``clause`` and ``section``.
    """
    wanted = set(clauses["indicator_id"])
    indicators = [i for i in catalogue.indicators if i.indicator_id in wanted]
    table_from(connection, "TEMP TABLE published_clause", clauses)
    table_from(connection, "TEMP TABLE published_section", sections)
    table_from(connection, "TEMP TABLE published_indicator", _indicators(indicators))
    table_from(connection, "TEMP TABLE form", pl.DataFrame({"form": list(FORMS)}))
    queries = {table.name: table.query for table in TABLES if table.query is not None}
    queries["indicator"] = "SELECT * FROM published_indicator"
    queries["clause"] = "SELECT * FROM published_clause"
    queries["section"] = "SELECT * FROM published_section"
    queries["attainment"] = "SELECT * FROM judged"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE judged AS SELECT * FROM publication.attainment;"
        "DROP TABLE publication.attainment; DROP TABLE publication.judgement"
    )
    # One transaction: a commit for each of some hundred comments would wait for the disk each time.
    connection.execute(f"BEGIN; {'; '.join(_definitions())}; COMMIT")
    for table in TABLES:
        if table.name in queries:
            _insert(connection, table, queries[table.name])
    _shortfall(connection, catalogue, clauses)
    create_views(connection)


def export(file: Path, folder: Path) -> None:
    """Write every table of the publication in ``file`` as Parquet into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(file), read_only=True) as connection:
        for table in TABLES:
            connection.execute(f"COPY {table.name} TO '{_quoted(folder / table.name)}.parquet'")


def release(staging: Path, published: Path, publication_id: str, keep: int) -> None:
    """Put the staged publication in the place of the one that stands.

    The database is renamed over the old one; the history (:func:`keep_standing`) and the folders
    beside it follow.
    """
    file = staging / DATABASE
    with file.open("rb") as written:
        os.fsync(written.fileno())
    file.chmod(0o444)
    # A tool that opened the last publication for writing may have left a log beside it, which every
    # reader would replay into this one. Nobody but root can open a file without a write bit so.
    (published / f"{DATABASE}.wal").unlink(missing_ok=True)
    os.replace(file, published / DATABASE)
    keep_standing(published, publication_id, keep)
    release_folders(staging, published)


def keep_standing(published: Path, publication_id: str, keep: int) -> None:
    """Have the publication that stands in ``history/<publication_id>/`` as well.

    Of all publications the last ``keep`` stay there. A run that was killed before it came to this
    is made up for by the next one; the other way round, history would hold what was never published.
    """
    kept = published / "history" / publication_id
    kept.mkdir(parents=True, exist_ok=True)
    if not (kept / DATABASE).exists():
        partial = published / "history" / f".{DATABASE}.part"
        partial.unlink(missing_ok=True)
        try:
            # The same file under a second name: it is replaced as a whole, never changed.
            os.link(published / DATABASE, partial)
        except OSError:
            shutil.copy(published / DATABASE, partial)
        os.replace(partial, kept / DATABASE)
    for old in sorted(path for path in kept.parent.iterdir() if path.is_dir())[: -keep or None]:
        shutil.rmtree(old, ignore_errors=True)


def release_folders(staging: Path, published: Path) -> None:
    """Put Parquet files, report and Data Docs in their places, each file in one step."""
    for folder in sorted(path for path in staging.iterdir() if path.is_dir()):
        target = published / folder.name
        if target.is_file():  # put there by somebody, and in the way
            target.unlink()
        target.mkdir(exist_ok=True)
        fresh = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
        for name in sorted(fresh):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(folder / name, target / name)
        for path in sorted(target.rglob("*"), reverse=True):
            if path.is_file() and path.relative_to(target) not in fresh:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()
    shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def beside(connection: duckdb.DuckDBPyConnection, previous: Path) -> Iterator[None]:
    """Attach the publication that stands as the catalogue ``previous`` while the block runs."""
    connection.execute(f"ATTACH '{_quoted(previous)}' AS previous (READ_ONLY)")
    try:
        yield
    finally:
        connection.execute("DETACH previous")


def _definitions() -> Iterator[str]:
    """Yield the statements that create the published tables, with their comments."""
    for table in TABLES:
        columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
        yield f"CREATE TABLE publication.{table.name} ({columns})"
        wording = literal(f"{table.zh} / {table.en}")
        yield f"COMMENT ON TABLE publication.{table.name} IS {wording}"
        for column in table.columns:
            wording = literal(f"{column.zh} / {column.en}")
            yield f'COMMENT ON COLUMN publication.{table.name}."{column.name}" IS {wording}'


def _insert(connection: duckdb.DuckDBPyConnection, table: PublishedTable, query: str) -> None:
    # Sorted rows make the same submissions give the same file, whatever came first.
    connection.execute(
        f"INSERT INTO publication.{table.name} SELECT {table.names} FROM ({query}) ORDER BY ALL"
    )


def _indicators(indicators: Sequence[Indicator]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                **i.model_dump(
                    include={
                        "indicator_id",
                        "name_zh",
                        "name_en",
                        "unit",
                        "scale",
                        "better",
                        "section",
                    }
                ),
                "numerator_zh": i.top.zh,
                "denominator_zh": i.bottom.zh if i.bottom is not None else None,
                "formula": i.formula,
            }
            for i in indicators
        ]
    )


def _shortfall(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, clauses: pl.DataFrame
) -> None:
    """Name the institutions and classes behind every unmet clause, with where they stand."""
    indicator_of: Mapping[str, str] = dict(clauses.select("clause_id", "indicator_id").iter_rows())
    parts = []
    for clause_id, indicator_id in indicator_of.items():
        causes = catalogue.by_id[indicator_id].causes
        if causes is None:
            continue
        origin = 's.submission_id, s.sheet, s."row"' if causes.each else "NULL, NULL, NULL"
        parts.append(
            f"SELECT '{clause_id}', region_code, year, {causes.code}, {causes.name}, "
            f"{causes.detail}, {causes.value}, {origin} "
            f"FROM {source_name(causes.source)} s SEMI JOIN unmet u "
            f"ON u.clause_id = '{clause_id}' AND u.region_code = s.region_code AND u.year = s.year "
            f"WHERE {causes.rows}"
        )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE unmet AS SELECT clause_id, region_code, year FROM judged "
        "WHERE status = 'not_met'"
    )
    if parts:
        connection.execute(
            f"INSERT INTO publication.shortfall {' UNION ALL '.join(parts)} ORDER BY ALL"
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
            SELECT {literal(imprint.publication_id)}, * FROM ({CHANGES}) ORDER BY ALL
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
            (SELECT coalesce(bool_or(sample), false) FROM in_force)
        """
    )


def standing_id(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the id of the publication that is attached as ``previous``.

    Each names the one before it, and the one that no other names is the last. Where a clock was ahead
    before ids only grew, several are named by none: then it is the one that was written last.
    """
    rows = connection.execute(
        """
        SELECT publication_id FROM previous.publication
        WHERE publication_id NOT IN (
            SELECT previous_id FROM previous.publication WHERE previous_id IS NOT NULL)
        ORDER BY rowid DESC LIMIT 1
        """
    ).fetchall()
    return str(rows[0][0])


def ids_given(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the ids of the publication that is attached as ``previous`` and of all before it."""
    rows = connection.execute("SELECT publication_id FROM previous.publication").fetchall()
    return [str(row[0]) for row in rows]


#: What moved between two publications, and the submission that moved it.
#:
#: ``moved`` has a row where a figure is another one, or a verdict while the figure stood. What moved
#: it is a submission that came into force since the last publication (``arrived``); one that was
#: known before and is in force now only because a rule or list changed has not arrived. A figure
#: moves by the submissions of the years it speaks of, a verdict by itself by figures of earlier years: the
#: start of the line to the threshold, or the year before. What no submission accounts for, and every
#: verdict by itself of a clause that was changed, is due to a definition (NULL). A clause of another
#: number that takes the place of one about the same indicator goes on with its verdict.
CHANGES = """
WITH figure AS (
    SELECT indicator_id, region_code, year, b.value AS old_value, n.value AS new_value,
        n.value IS DISTINCT FROM b.value OR n.numerator IS DISTINCT FROM b.numerator
            OR n.denominator IS DISTINCT FROM b.denominator AS moved
    FROM publication.indicator_value n
    FULL JOIN previous.indicator_value b USING (indicator_id, region_code, year)
), new_clause AS (
    SELECT clause_id, indicator_id,
        row_number() OVER (PARTITION BY indicator_id ORDER BY clause_id) AS place
    FROM publication.clause ANTI JOIN previous.clause USING (clause_id, indicator_id)
), old_clause AS (
    SELECT clause_id AS old_clause_id, indicator_id,
        row_number() OVER (PARTITION BY indicator_id ORDER BY clause_id) AS place
    FROM previous.clause ANTI JOIN publication.clause USING (clause_id, indicator_id)
), before AS (
    SELECT coalesce(n.clause_id, a.clause_id) AS clause_id, a.indicator_id, a.region_code, a.year,
        a.status
    FROM previous.attainment a
    LEFT JOIN old_clause o ON o.old_clause_id = a.clause_id AND o.indicator_id = a.indicator_id
    LEFT JOIN new_clause n ON n.indicator_id = o.indicator_id AND n.place = o.place
), verdict AS (
    SELECT clause_id, indicator_id, region_code, year, b.status AS old_status,
        n.status AS new_status
    FROM publication.attainment n
    FULL JOIN before b USING (clause_id, indicator_id, region_code, year)
), same_clause AS (
    SELECT clause_id, indicator_id, kind, comparator, threshold, due_year, effective_from,
        effective_to
    FROM publication.clause
    INTERSECT
    SELECT clause_id, indicator_id, kind, comparator, threshold, due_year, effective_from,
        effective_to
    FROM previous.clause
), moved AS (
    SELECT indicator_id, region_code, year, f.old_value, f.new_value, v.old_status, v.new_status,
        v.clause_id, f.moved AS by_figure, c.kind, p.indicator_id IS NOT NULL AS known_before
    FROM figure f
    LEFT JOIN verdict v USING (indicator_id, region_code, year)
    LEFT JOIN same_clause c USING (clause_id)
    LEFT JOIN previous.indicator p USING (indicator_id)
    WHERE f.moved OR v.old_status IS DISTINCT FROM v.new_status
), arrived AS (
    SELECT f.submission_id, f.region_code, f.form, f.year, f.received_at, v.expected
    FROM in_force f JOIN version_in_force v USING (submission_id)
    LEFT JOIN previous.submission p USING (submission_id)
    WHERE p.submission_id IS NULL
        -- An earlier time of receipt that turned up late may put a known version in force.
        OR p.status NOT IN ('accepted', 'accepted_with_warnings') AND EXISTS (
            SELECT 1 FROM submission s JOIN previous.submission b USING (submission_id)
            WHERE (s.region_code, s.form, s.year) = (f.region_code, f.form, f.year)
                AND s.received_at <> b.received_at
        )
), mover AS (
    -- An arrival moves figures of its unit and of the regions above; what moved the unit's own comes
    -- first.
    SELECT i.indicator_id, r.region_code, a.year + i.years_before AS year, a.submission_id,
        a.received_at, coalesce(own.moved, false) AS moved_own
    FROM arrived a
    JOIN (SELECT DISTINCT indicator_id, form, years_before FROM indicator_form) i USING (form)
    JOIN (
        SELECT region_code, region_code AS unit FROM region UNION ALL
        SELECT region_code, unit FROM member
    ) r ON r.unit = a.region_code
    LEFT JOIN figure own ON (own.indicator_id, own.region_code, own.year)
        = (i.indicator_id, a.region_code, a.year + i.years_before)
    WHERE a.expected
), cause AS (
    SELECT m.indicator_id, m.region_code, m.year, m.by_figure, m.kind,
        arg_max(a.submission_id, (-a.year, a.moved_own, a.received_at, a.submission_id))
            AS submission_id
    FROM (SELECT DISTINCT indicator_id, region_code, year, by_figure, kind FROM moved) m
    JOIN mover a USING (indicator_id, region_code)
    JOIN figure f ON (f.indicator_id, f.region_code, f.year) = (m.indicator_id, m.region_code, a.year)
    WHERE f.moved AND CASE
        WHEN m.by_figure THEN a.year = m.year
        WHEN m.kind = 'level' THEN a.year < m.year
        WHEN m.kind = 'never_falls' THEN a.year = m.year - 1
        ELSE false END
    GROUP BY ALL
), opened AS (
    -- The first submission of a new year, or of a later one, makes rows for all it says nothing of.
    SELECT y.year, arg_min(a.submission_id, (a.received_at, a.submission_id)) AS submission_id
    FROM (SELECT DISTINCT year FROM publication.indicator_value
        ANTI JOIN previous.indicator_value USING (year)) y
    JOIN arrived a ON a.year >= y.year
    GROUP BY y.year
)
SELECT DISTINCT m.indicator_id, m.region_code, m.year, m.old_value, m.new_value,
    m.old_status, m.new_status,
    CASE WHEN m.known_before THEN coalesce(c.submission_id,
        CASE WHEN m.by_figure OR m.kind IS NOT NULL THEN o.submission_id END) END AS submission_id,
    m.clause_id
FROM moved m
LEFT JOIN cause c ON (c.indicator_id, c.region_code, c.year, c.by_figure)
    = (m.indicator_id, m.region_code, m.year, m.by_figure) AND c.kind IS NOT DISTINCT FROM m.kind
LEFT JOIN opened o ON o.year = m.year
"""


def _quoted(text: object) -> str:
    return str(text).replace("'", "''")
