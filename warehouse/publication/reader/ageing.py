"""How long findings have been open, who answers quickly, and whether there are more or fewer of them.

A publication is a point in time: a finding begins with the first one that it is in, and is answered with the
one after the last in which it was open. Where one takes the place of another within minutes, days are 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from warehouse.publication.finding_history import OPEN
from warehouse.publication.reader.door import Reader
from warehouse.sql import literal

#: What the unit can do nothing about: its version came after the year was declared final.
_FOR_THE_OFFICE = "('FIL-W03')"


@dataclass(frozen=True, slots=True)
class OpenSince:
    """Findings of one rule in one form of a unit and year that are open, the oldest for ``days``.

    ``institution`` where all are about one. The ``for_office`` among them wait for the office: it has to decide on the
    unit's reason, or to open the year again; the others wait for the unit. ``of`` is how many such rows there are.
    """

    region_code: str | None
    region_name: str
    form: str | None
    year: int | None
    severity: str
    rule_id: str
    institution: str | None
    findings: int
    for_office: int
    since: datetime
    days: int
    of: int


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """How a unit answers, or how a rule is answered.

    ``open`` findings, the ``old`` of them for longer than asked, the oldest for ``oldest_days``; ``answered``
    (corrected or explained) ones, half of them within ``median_days``.
    """

    name: str
    region_code: str | None
    open: int
    old: int
    oldest_days: int | None
    answered: int
    median_days: float | None


@dataclass(frozen=True, slots=True)
class OpenThen:
    """How many findings were open in a publication, how many of them first, and how many were no more."""

    publication_id: str
    published_at: datetime
    open: int
    opened: int
    closed: int


@dataclass(frozen=True, slots=True)
class Lives:
    """How findings go on, as of a publication: what its pages show, each list no longer than people read.

    ``old`` are open for more than ``days``; ``of_unit`` has all that is open, by unit.
    """

    days: int
    then: list[OpenThen]
    old: list[OpenSince]
    of_unit: dict[str, list[OpenSince]]
    units: list[AnswerTimes]
    rules: list[AnswerTimes]


#: An official asks for what has been open for longer.
DAYS = 30
#: So many publications are looked back on, and so many rows are listed of the city and of a unit.
LOOKED_BACK = 12
OLD_LISTED = 200
OF_UNIT_LISTED = 40


def lives(reader: Reader, now: datetime) -> Lives:
    """Return how findings go on, as it is at ``now`` (UTC)."""
    of_unit: dict[str, list[OpenSince]] = {}
    for one in open_since(reader, now, -1, OF_UNIT_LISTED, each=True):
        of_unit.setdefault(one.region_code or "", []).append(one)
    return Lives(
        days=DAYS,
        then=trend(reader, LOOKED_BACK),
        old=open_since(reader, now, DAYS, OLD_LISTED),
        of_unit=of_unit,
        units=answering(reader, now, DAYS),
        rules=answering(reader, now, DAYS, by_rule=True),
    )


def has_lives(reader: Reader) -> bool:
    """Return whether this publication knows the lives of its findings; one of an earlier program does not."""
    return reader.has_column("finding_history", "finding_key")


def _age(now: datetime) -> str:
    """Return the SQL for the whole days at ``now`` since the publication ``p``."""
    return f"date_diff('second', p.published_at, {literal(now)}::TIMESTAMP) // 86400"


def open_since(
    reader: Reader, now: datetime, days: int, most: int | None = None, *, each: bool = False
) -> list[OpenSince]:
    """Return what has been open for more than ``days`` at ``now`` (UTC), the oldest first.

    No more than ``most`` rows; with ``each``, of every unit.
    """
    institution, reason, explained = (
        reader.column("f", "finding", name) for name in ("institution", "reason_given", "explained")
    )
    partition = "PARTITION BY g.region_code" if each else ""
    limit = f"QUALIFY row_number() OVER (numbered) <= {most}" if most is not None else ""
    return reader.rows(
        OpenSince,
        f"""
        WITH about AS (
            SELECT f.region_code, f.form, f.year, f.severity, f.rule_id,
                CASE WHEN count(DISTINCT {institution}) = 1 AND count({institution}) = count(*)
                    THEN any_value({institution}) END AS institution,
                count(*) FILTER ({reason} IS NOT NULL) AS reasons
            FROM finding f LEFT JOIN submission s USING (submission_id)
            LEFT JOIN reporting r ON (r.region_code, r.form, r.year) = (f.region_code, f.form, f.year)
            WHERE {OPEN} AND {explained} IS NULL
            GROUP BY ALL
        ), aged AS (
            SELECT h.region_code, coalesce(r.region_name, h.region_code, '') AS region_name, h.form, h.year,
                h.severity, h.rule_id, count(*) AS findings, min(p.published_at) AS since,
                max({_age(now)}) AS days
            FROM finding_history h
            JOIN publication p ON p.publication_id = h.first_publication_id
            LEFT JOIN region r USING (region_code)
            WHERE h.closed_by IS NULL AND {_age(now)} > {days}
            GROUP BY ALL
        )
        SELECT g.region_code, g.region_name, g.form, g.year, g.severity, g.rule_id, a.institution,
            g.findings, CASE WHEN g.rule_id IN {_FOR_THE_OFFICE} THEN g.findings
                ELSE least(g.findings, coalesce(a.reasons, 0)) END AS for_office,
            g.since, g.days, count(*) OVER ({partition}) AS of
        FROM aged g LEFT JOIN about a
            ON a.region_code IS NOT DISTINCT FROM g.region_code
            AND a.form IS NOT DISTINCT FROM g.form AND a.year IS NOT DISTINCT FROM g.year
            AND (a.severity, a.rule_id) = (g.severity, g.rule_id)
        WINDOW numbered AS (
            {partition} ORDER BY g.days DESC, g.region_name, g.form, g.year, g.severity, g.rule_id
        )
        {limit}
        ORDER BY g.days DESC, g.region_name, g.form, g.year, g.severity, g.rule_id
        """,
    )


def answering(
    reader: Reader, now: datetime, days: int, *, by_rule: bool = False
) -> list[AnswerTimes]:
    """Return how each unit answers (or each rule is answered), who is quickest first.

    Those that have answered nothing come last. ``old`` are open for more than ``days`` at ``now`` (UTC).
    """
    name, code = (
        ("h.rule_id", "NULL")
        if by_rule
        else ("coalesce(r.region_name, h.region_code)", "h.region_code")
    )
    return reader.rows(
        AnswerTimes,
        f"""
        WITH after AS (
            SELECT publication_id,
                lead(published_at) OVER (ORDER BY publication_id) AS next_at FROM publication
        )
        SELECT {name} AS name, {code}::VARCHAR AS region_code,
            count(*) FILTER (h.closed_by IS NULL) AS open,
            count(*) FILTER (h.closed_by IS NULL AND {_age(now)} > {days}) AS old,
            max({_age(now)}) FILTER (h.closed_by IS NULL) AS oldest_days,
            count(*) FILTER (h.closed_by IN ('corrected', 'explained')) AS answered,
            median(date_diff('second', p.published_at, coalesce(a.next_at, p.published_at)) / 86400.0)
                FILTER (h.closed_by IN ('corrected', 'explained')) AS median_days
        FROM finding_history h
        JOIN publication p ON p.publication_id = h.first_publication_id
        JOIN after a ON a.publication_id = h.last_publication_id
        LEFT JOIN region r USING (region_code)
        {"" if by_rule else "WHERE h.region_code IS NOT NULL"}
        GROUP BY ALL ORDER BY median_days NULLS LAST, open DESC, name
        """,
    )


def trend(reader: Reader, most: int) -> list[OpenThen]:
    """Return how many findings were open in each of the last ``most`` publications, the earliest first."""
    rows = reader.rows(
        OpenThen,
        """
        WITH opened AS (
            SELECT first_publication_id AS publication_id, count(*) AS findings
            FROM finding_history GROUP BY ALL
        ), closed AS (
            -- The publication after the last one in which they were open.
            SELECT last_publication_id AS before, count(*) AS findings
            FROM finding_history WHERE closed_by IS NOT NULL GROUP BY ALL
        ), moved AS (
            SELECT p.publication_id, p.published_at, coalesce(o.findings, 0) AS opened,
                coalesce(c.findings, 0) AS closed
            FROM (
                SELECT *, lag(publication_id) OVER (ORDER BY publication_id) AS before FROM publication
            ) p
            LEFT JOIN opened o USING (publication_id)
            LEFT JOIN closed c USING (before)
        )
        SELECT publication_id, published_at, opened::BIGINT AS opened, closed::BIGINT AS closed,
            (sum(opened - closed) OVER (ORDER BY publication_id))::BIGINT AS open
        FROM moved ORDER BY publication_id DESC LIMIT ?
        """,
        most,
    )
    return rows[::-1]


def approvals(reader: Reader, year: int) -> tuple[int, int]:
    """Return how many submissions of a year are in force, and how many of these are approved."""
    if not reader.has_column("submission", "approved"):
        return 0, 0
    ((in_force, approved),) = reader.tuples(
        "SELECT count(*), count(*) FILTER (approved) FROM submission"
        " WHERE status IN ('accepted', 'accepted_with_warnings') AND year = ?",
        year,
    )
    return int(in_force), int(approved)
