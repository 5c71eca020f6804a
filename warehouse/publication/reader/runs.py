"""What a run put into a publication: the submissions it read, the verdicts that turned."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from transforms.forms import FORMS
from warehouse.publication.reader.door import Reader
from warehouse.publication.reader.queries import CLAUSE_ORDER
from warehouse.publication.revisions import OF_CLAUSE, Revision
from warehouse.sql import literal


@dataclass(frozen=True)
class Handed:
    """A submission as the publication has it; ``unit`` and ``form`` are names, None if unknown."""

    submission_id: str
    unit: str | None
    form: str | None
    year: int | None
    file_name: str
    status: str
    rows_read: int
    rows_loaded: int
    errors: int
    warnings: int


def read_handed(
    reader: Reader,
    *,
    sha256: Collection[str] | None = None,
    years: Collection[int] = (),
    regions: Collection[str] = (),
    forms: Collection[str] = (),
) -> list[Handed]:
    """Return submissions of a publication, those to act on first.

    ``sha256`` narrows them to the files with these hashes; ``years``, ``regions`` (codes) and
    ``forms`` to what they name, where they name anything.
    """
    wanted = {"s.year": years, "s.region_code": regions, "s.form": forms}
    conditions = [_among(column, values) for column, values in wanted.items() if values]
    if sha256 is not None:
        conditions.append(_among("s.sha256", sha256))
    rows = reader.tuples(
        f"""
        SELECT s.submission_id, g.region_name, s.form, s.year, s.file_name, s.status,
            s.rows_read, s.rows_loaded, s.errors, s.warnings
        FROM submission s LEFT JOIN region g USING (region_code)
        WHERE {" AND ".join(conditions) or "true"}
        ORDER BY list_position({["returned", "accepted_with_warnings", "accepted"]}, s.status)
            NULLS LAST, s.region_code, s.form, s.year, s.file_name, s.submission_id
        """,
    )
    return [
        Handed(key, unit, FORMS[form].zh if form in FORMS else form, *rest)
        for key, unit, form, *rest in rows
    ]


def read_revisions(reader: Reader, publication_id: str) -> list[Revision]:
    """Return what a publication changed: later years first, the city's first, clauses in plan order."""
    return reader.rows(
        Revision,
        f"""
        SELECT r.indicator_id, coalesce(i.name_zh, r.indicator_id) AS name_zh, r.region_code,
            coalesce(g.region_name, r.region_code) AS region_name, r.year, r.old_value, r.new_value,
            r.old_status, r.new_status, s.file_name AS cause, r.clause_id,
            coalesce(i.unit, '') AS unit, {OF_CLAUSE}
        FROM revision r
        LEFT JOIN region g ON g.region_code = r.region_code
        LEFT JOIN indicator i ON i.indicator_id = r.indicator_id
        LEFT JOIN ({CLAUSE_ORDER}) d ON d.clause_id = r.clause_id
        LEFT JOIN attainment a
            ON (a.clause_id, a.region_code, a.year) = (r.clause_id, r.region_code, r.year)
        LEFT JOIN submission s ON s.submission_id = r.submission_id
        WHERE r.publication_id = ?
        ORDER BY r.year DESC, g.level, r.region_code, d.plan_order NULLS LAST, r.indicator_id
        """,
        publication_id,
    )


def turned(revisions: Sequence[Revision]) -> list[Revision]:
    """Return those in which a verdict became another one.

    A year or a clause that is there for the first time has no verdict before, and is none.
    """
    return [
        one
        for one in revisions
        if None not in (one.old_status, one.new_status) and one.old_status != one.new_status
    ]


def _among(column: str, values: Collection[object]) -> str:
    return f"{column} IN ({', '.join(map(literal, sorted(values, key=str))) or 'NULL'})"
