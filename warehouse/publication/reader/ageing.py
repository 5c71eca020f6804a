"""How long findings have been open, who answers quickly, and whether there are more or fewer of them.

A publication is a point in time: a finding begins with the first one that it is in, and is answered with the
one after the last in which it was open. Where one takes the place of another within minutes, days are 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from warehouse.publication.reader.door import Reader
from warehouse.sql import literal


@dataclass(frozen=True, slots=True)
class OpenSince:
    """Findings of one rule in one form of a unit and year that are open, the oldest for ``days``."""

    region_name: str
    form: str | None
    year: int | None
    severity: str
    rule_id: str
    findings: int
    days: int


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """How a unit answers: findings open, answered (corrected or explained), and days until half of these were."""

    region_name: str
    open: int
    answered: int
    median_days: float | None


@dataclass(frozen=True, slots=True)
class OpenThen:
    """How many findings were open in a publication."""

    publication_id: str
    published_at: datetime
    open: int


def has_lives(reader: Reader) -> bool:
    """Return whether this publication knows the lives of its findings; one of an earlier program does not."""
    return reader.has_column("finding_history", "finding_key")


def open_since(reader: Reader, now: datetime, days: int) -> list[OpenSince]:
    """Return what has been open for more than ``days`` at ``now`` (UTC), the oldest first."""
    return reader.rows(
        OpenSince,
        f"""
        SELECT coalesce(r.region_name, h.region_code, '') AS region_name, h.form, h.year, h.severity,
            h.rule_id, count(*) AS findings,
            max(date_diff('second', p.published_at, {literal(now)}::TIMESTAMP)) // 86400 AS days
        FROM finding_history h
        JOIN publication p ON p.publication_id = h.first_publication_id
        LEFT JOIN region r USING (region_code)
        WHERE h.closed_by IS NULL
            AND date_diff('second', p.published_at, {literal(now)}::TIMESTAMP) > {days} * 86400
        GROUP BY ALL ORDER BY days DESC, region_name, h.form, h.year, h.rule_id
        """,
    )


def answering(reader: Reader) -> list[AnswerTimes]:
    """Return how each unit answers, who is quickest first; those that have answered nothing last."""
    return reader.rows(
        AnswerTimes,
        """
        WITH after AS (
            SELECT publication_id,
                lead(published_at) OVER (ORDER BY publication_id) AS next_at FROM publication
        )
        SELECT coalesce(r.region_name, h.region_code) AS region_name,
            count(*) FILTER (h.closed_by IS NULL) AS open,
            count(*) FILTER (h.closed_by IN ('corrected', 'explained')) AS answered,
            median(date_diff('second', p.published_at, coalesce(a.next_at, p.published_at)) / 86400.0)
                FILTER (h.closed_by IN ('corrected', 'explained')) AS median_days
        FROM finding_history h
        JOIN publication p ON p.publication_id = h.first_publication_id
        JOIN after a ON a.publication_id = h.last_publication_id
        LEFT JOIN region r USING (region_code)
        WHERE h.region_code IS NOT NULL
        GROUP BY ALL ORDER BY median_days NULLS LAST, open DESC, region_name
        """,
    )


def trend(reader: Reader, most: int) -> list[OpenThen]:
    """Return how many findings were open in each of the last ``most`` publications, the earliest first."""
    rows = reader.rows(
        OpenThen,
        """
        SELECT p.publication_id, p.published_at, count(h.finding_key) AS open
        FROM publication p LEFT JOIN finding_history h
            ON p.publication_id BETWEEN h.first_publication_id AND h.last_publication_id
            AND (h.closed_by IS DISTINCT FROM 'explained'
                OR p.publication_id < h.last_publication_id)
        GROUP BY ALL ORDER BY p.publication_id DESC LIMIT ?
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
