"""The state of reporting of a publication: what every unit handed in, form by form and year by year."""

from __future__ import annotations

from dataclasses import dataclass

from warehouse.publication.reader.door import Reader

#: For every unit, form and year the state that counts: what is in force, else what was returned.
#: A year of which nothing is in force yet, but something came, expects what the last year did.
_STATES = """
WITH due AS (
    SELECT region_code, form, year, expected FROM reporting
    UNION ALL
    SELECT r.region_code, r.form, y.year, r.expected
    FROM reporting r JOIN (SELECT max(year) AS year FROM reporting) USING (year)
    CROSS JOIN (
        SELECT DISTINCT s.year FROM submission s JOIN region USING (region_code)
        WHERE s.form IS NOT NULL AND s.year NOT IN (SELECT year FROM reporting)
    ) y
    UNION ALL
    -- Nothing was ever in force: all that is known of is what came back.
    SELECT DISTINCT region_code, form, year, 1 FROM submission JOIN region USING (region_code)
    WHERE form IS NOT NULL AND year IS NOT NULL AND NOT EXISTS (FROM reporting)
)
SELECT r.region_code, g.region_name, r.form, r.year,
    CASE
        WHEN bool_or(s.status = 'accepted_with_warnings') THEN 'accepted_with_warnings'
        WHEN bool_or(s.status = 'accepted') THEN 'accepted'
        WHEN bool_or(s.status = 'returned') THEN 'returned'
        WHEN any_value(r.expected) = 1 THEN 'missing'
        ELSE 'not_expected'
    END AS state,
    bool_or(s.status = 'returned' AND s.received_at > coalesce(f.received_at, s.received_at))
        AS later_returned
FROM due r
JOIN region g USING (region_code)
LEFT JOIN submission s USING (region_code, form, year)
LEFT JOIN (
    SELECT region_code, form, year, received_at FROM submission
    WHERE status IN ('accepted', 'accepted_with_warnings')
) f USING (region_code, form, year)
GROUP BY ALL ORDER BY r.year, r.region_code, r.form
"""

_ORPHANS = """
SELECT s.file_name, string_agg(DISTINCT f.message_zh, ' ' ORDER BY f.message_zh) AS message_zh,
    string_agg(DISTINCT f.message_en, ' ' ORDER BY f.message_en) AS message_en
FROM submission s JOIN finding f USING (submission_id)
WHERE s.status = 'returned' AND (s.form IS NULL OR s.year IS NULL OR s.region_code IS NULL)
GROUP BY s.file_name ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class FormState:
    """A form of a unit and year: accepted, accepted_with_warnings, returned, missing or not_expected.

    ``later_returned``: a version that came after the one in force was returned.
    """

    region_code: str
    region_name: str
    form: str
    year: int
    state: str
    later_returned: bool | None


@dataclass(frozen=True, slots=True)
class Orphan:
    """A returned file of no known form, year or unit, and what was said of it."""

    file_name: str
    message_zh: str
    message_en: str


def form_states(reader: Reader) -> list[FormState]:
    """Return the state of every form that is due or came, by year, unit and form."""
    return reader.rows(FormState, _STATES)


def orphans_of(reader: Reader) -> list[Orphan]:
    """Return the returned files that belong to no form, year or unit."""
    return reader.rows(Orphan, _ORPHANS)
