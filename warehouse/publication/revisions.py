"""What moves between two publications, and whose doing it is: the table ``revision``.

Both are attached to the warehouse, the one that stands as ``previous``, the new one as ``publication``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse.sql import literal


@dataclass(frozen=True)
class Revision:
    """What moves between two publications, and which file caused it (None: a definition).

    ``basis_zh`` and ``basis_en`` are there where the clause's figure is an interpretation of ours;
    ``old_threshold`` is what was asked before, in that region and year, ``name_en`` the indicator's name in English.
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
    old_threshold: float | None = None
    name_en: str | None = None


#: The columns of :class:`Revision` that a definition gives, for a query in which ``d`` is the clause,
#: ``a`` its row of attainment.
OF_CLAUSE = """
    a.threshold, CASE WHEN d.interpretation THEN coalesce(d.basis_zh, '') END AS basis_zh,
    CASE WHEN d.interpretation THEN coalesce(d.basis_en, d.basis_zh, '') END AS basis_en
"""


def list_revisions(connection: duckdb.DuckDBPyConnection) -> list[Revision]:
    """Return the differences of ``publication`` from ``previous``, both attached."""
    rows = connection.execute(
        f"""
        SELECT c.indicator_id, coalesce(i.name_zh, j.name_zh), c.region_code,
            coalesce(r.region_name, c.region_code), c.year, c.old_value, c.new_value,
            c.old_status, c.new_status, s.file_name, c.clause_id, coalesce(i.unit, j.unit),
            {OF_CLAUSE}, b.threshold, coalesce(i.name_en, j.name_en)
        FROM ({REVISIONS}) c
        LEFT JOIN publication.indicator i USING (indicator_id)
        LEFT JOIN previous.indicator j USING (indicator_id)
        LEFT JOIN publication.clause d ON d.clause_id = c.clause_id
        LEFT JOIN publication.attainment a
            ON (a.clause_id, a.region_code, a.year) = (c.clause_id, c.region_code, c.year)
        LEFT JOIN previous.attainment b
            ON (b.clause_id, b.region_code, b.year) = (c.clause_id, c.region_code, c.year)
        LEFT JOIN region r ON r.region_code = c.region_code
        LEFT JOIN submission s ON s.submission_id = c.submission_id
        ORDER BY c.indicator_id, c.region_code, c.year, c.clause_id
        """
    ).fetchall()
    return [Revision(*row) for row in rows]


#: What moved between two publications, and the submission that moved it.
#:
#: ``moved`` has a row where a figure is another one, or a verdict while the figure stood. What moved
#: it is a submission that came into force since the last publication (``arrived``); one that was
#: known before and is in force now only because a rule or list changed has not arrived. A figure
#: moves by the submissions of the years it speaks of, a verdict by itself by figures of earlier years: the
#: start of the line to the threshold, or the year before. What no submission accounts for, and every
#: verdict by itself of a clause that was changed, is due to a definition (NULL). A clause of another
#: number that takes the place of one about the same indicator goes on with its verdict.
REVISIONS = """
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


@contextmanager
def beside(connection: duckdb.DuckDBPyConnection, previous: Path) -> Iterator[None]:
    """Attach the publication that stands as the catalogue ``previous`` while the block runs."""
    connection.execute(f"ATTACH {literal(previous)} AS previous (READ_ONLY)")
    try:
        yield
    finally:
        connection.execute("DETACH previous")
