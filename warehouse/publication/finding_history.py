"""The life of findings: since which publication each has been open, and how it was closed.

A finding is the same in two publications where unit, form, year, rule, column and what stands in the
cell are the same; where several are alike, the first, second and so on. The row it stands in is left
aside, so that a row put in above does not make it another one. A file of which nothing is known is told
by its submission.

A finding is open while its submission is in force, or while it is the last one of its unit, form and year
and nothing accepted stands in its place; and while nobody has explained it.
"""

from __future__ import annotations

from warehouse.publication.tables import table_named
from warehouse.sql import literal

#: Which findings of a publication are open; ``f`` is the finding, ``s`` its submission, ``r`` the state
#: of reporting of that unit, form and year.
OPEN = """
(s.status IS NULL OR s.status IN ('accepted', 'accepted_with_warnings')
    OR s.status = 'returned' AND coalesce(r.accepted = 0 AND s.received_at = r.last_received_at, true))
"""


def history(publication_id: str, has_before: bool) -> str:
    """Return the query for the rows of ``finding_history`` of the publication that is being made.

    It reads the attached catalogue ``publication`` and, where ``has_before``, ``previous``, which has the
    table too. A finding that was closed and stands again is open again, since its first publication.
    """
    before = (
        "SELECT * FROM previous.finding_history"
        if has_before
        else "SELECT * FROM publication.finding_history WHERE false"
    )
    return f"""
WITH told AS (
    SELECT md5(concat_ws(chr(31), coalesce(f.region_code, ''), coalesce(f.form, ''),
            coalesce(f.year::VARCHAR, ''), f.severity, f.rule_id, coalesce(f.column_name, ''),
            coalesce(f.value, ''), CASE WHEN f.form IS NULL THEN f.submission_id ELSE '' END,
            row_number() OVER (
                PARTITION BY f.region_code, f.form, f.year, f.severity, f.rule_id, f.column_name,
                    f.value, CASE WHEN f.form IS NULL THEN f.submission_id END
                ORDER BY f.sheet, f."row", f.cell, f.message_zh, f.submission_id
            ))) AS finding_key,
        f.submission_id, f.region_code, f.form, f.year, f.severity, f.rule_id,
        f.explained IS NOT NULL AS explained
    FROM publication.finding f
    LEFT JOIN publication.submission s USING (submission_id)
    LEFT JOIN publication.reporting r
        ON (r.region_code, r.form, r.year) = (f.region_code, f.form, f.year)
    WHERE {OPEN}
), before AS ({before})
SELECT n.finding_key, n.submission_id, n.region_code, n.form, n.year, n.severity, n.rule_id,
    coalesce(b.first_publication_id, {literal(publication_id)}) AS first_publication_id,
    CASE WHEN n.explained THEN b.last_publication_id
        ELSE {literal(publication_id)} END AS last_publication_id,
    CASE WHEN n.explained THEN 'explained' END AS closed_by
FROM told n LEFT JOIN before b USING (finding_key)
-- What is explained when it is first seen was never open.
WHERE NOT n.explained OR b.finding_key IS NOT NULL
UNION ALL
SELECT b.finding_key, b.submission_id, b.region_code, b.form, b.year, b.severity, b.rule_id,
    b.first_publication_id, b.last_publication_id,
    coalesce(b.closed_by, {_closed_by(publication_id)}) AS closed_by
FROM before b
ANTI JOIN told n USING (finding_key)
LEFT JOIN publication.submission s USING (submission_id)
"""


def _closed_by(publication_id: str) -> str:
    """Return the SQL for what closed a finding that was open and stands no more.

    ``b`` is its row of the publication before, ``s`` its submission in this one.
    """
    return f"""CASE
        WHEN s.submission_id IS NULL THEN 'superseded'
        WHEN s.status IN ('accepted', 'accepted_with_warnings') THEN CASE WHEN EXISTS (
            SELECT 1 FROM publication.publication p JOIN publication.publication q
                ON q.publication_id = p.previous_id
            WHERE p.publication_id = {literal(publication_id)}
                AND (p.code_version, p.plan_version) IS DISTINCT FROM (q.code_version, q.plan_version)
        ) THEN 'rule_changed' ELSE 'corrected' END
        WHEN EXISTS (
            SELECT 1 FROM publication.submission v
            WHERE v.status IN ('accepted', 'accepted_with_warnings')
                AND (v.region_code, v.form, v.year) = (b.region_code, b.form, b.year)
                AND v.received_at >= s.received_at
        ) THEN 'corrected'
        ELSE 'superseded' END"""


NAMES = table_named("finding_history").names
