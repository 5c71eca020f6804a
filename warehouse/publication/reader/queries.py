"""Queries that several readers of a publication and its own views share: which year, which order.

So none of them has a year in focus, an order of clauses or a count of units of its own. They speak of
published tables alone, in SQL that DuckDB 1.0 understands, because the views are made from them.
"""

from __future__ import annotations

from warehouse.wording import TURNING_NAMED, VERDICTS

_VERDICTS = ", ".join(f"'{status}'" for status in VERDICTS)


def clause_order(source: str = "") -> str:
    """Return the query for the clauses with ``plan_order``, the order of the plan.

    By section, 2.9 before 2.10, a rule that replaces a clause after it. ``source`` stands before the
    names of tables, such as ``published.``.
    """
    return f"""
SELECT *, row_number() OVER (
    ORDER BY section, TRY_CAST(regexp_extract(clause_id, '[0-9]+$') AS INTEGER), clause_id
) AS plan_order
FROM {source}clause
"""


CLAUSE_ORDER = clause_order()

#: Every year with figures: the forms expected and in force, and whether it is the year in focus.
#: That is the latest year for which at least half of the expected forms are in force; a year of
#: which the first forms have just come in says nothing yet about the city. Where no year has half
#: of its forms, it is the latest.
YEARS = """
SELECT year, forms_in_force, expected_forms, year = coalesce(
    max(year) FILTER (expected_forms > 0 AND 2 * forms_in_force >= expected_forms) OVER (),
    max(year) OVER ()
) AS in_focus
FROM (
    SELECT year, coalesce(sum(accepted) FILTER (expected = 1), 0)::BIGINT AS forms_in_force,
        coalesce(sum(expected), 0)::BIGINT AS expected_forms
    FROM (SELECT DISTINCT year FROM attainment) AS published LEFT JOIN reporting USING (year)
    GROUP BY year
) AS counted
"""


#: Every figure as it stood from a publication on. The record of revisions gives what each of them changed;
#: what it was before its first revision was published by the first publication. When its year becomes final, or is
#: opened again, it stands there once more, so that what was preliminary is beside what is final where both are the same.
VINTAGE = """
WITH held AS (
    SELECT indicator_id, clause_id, region_code, year, publication_id, new_value AS value,
        new_status AS status
    FROM revision
    UNION ALL
    SELECT indicator_id, clause_id, region_code, year, (SELECT min(publication_id) FROM publication),
        arg_min([old_value], publication_id)[1], arg_min([old_status], publication_id)[1]
    FROM revision
    GROUP BY ALL
    UNION ALL
    SELECT a.indicator_id, a.clause_id, a.region_code, a.year,
        (SELECT min(publication_id) FROM publication), i.value, a.status
    FROM attainment AS a JOIN indicator_value AS i USING (indicator_id, region_code, year)
    ANTI JOIN revision AS r ON r.clause_id = a.clause_id
        AND r.region_code = a.region_code AND r.year = a.year
), turned AS (
    SELECT y.year, min(p.publication_id) AS publication_id
    FROM (
        SELECT *, lag(state) OVER (PARTITION BY year ORDER BY decided_at NULLS FIRST) AS before
        FROM year_state
    ) AS y
    JOIN publication AS p ON p.published_at >= y.decided_at
        AND coalesce(p.published_at < y.ended_at, true)
    WHERE y.state <> y.before
    GROUP BY y.year, y.decided_at
)
SELECT v.indicator_id, v.clause_id, v.region_code, v.year, v.publication_id, p.published_at,
    coalesce(y.state, 'preliminary') AS state, v.value, v.status
FROM (
    FROM held
    UNION ALL
    SELECT h.indicator_id, h.clause_id, h.region_code, h.year, t.publication_id,
        arg_max([h.value], h.publication_id)[1], arg_max([h.status], h.publication_id)[1]
    FROM held AS h JOIN turned AS t ON t.year = h.year AND h.publication_id <= t.publication_id
    GROUP BY h.indicator_id, h.clause_id, h.region_code, h.year, t.publication_id
    HAVING max(h.publication_id) < t.publication_id
) AS v
JOIN publication AS p USING (publication_id)
LEFT JOIN year_state AS y ON y.year = v.year
    AND coalesce(y.decided_at <= p.published_at, true)
    AND coalesce(p.published_at < y.ended_at, true)
WHERE v.value IS NOT NULL OR v.status IS NOT NULL
"""


def below(source: str = "") -> str:
    """Return the query for region_code, unit: of every region above the units, the units below it.

    ``source`` stands before the names of tables, such as ``published.``.
    """
    return f"""
WITH RECURSIVE above AS (
    SELECT parent_code AS region_code, region_code AS unit FROM {source}region
    WHERE level = 'reporting_unit' AND parent_code IS NOT NULL
    UNION ALL
    SELECT r.parent_code, a.unit
    FROM above AS a JOIN {source}region AS r ON r.region_code = a.region_code
    WHERE r.parent_code IS NOT NULL
)
SELECT region_code, unit FROM above
"""


def turning(source: str = "") -> str:
    """Return the query for how many institutions turn each verdict, and the first few by name.

    ``source`` is the schema of the publication, with a dot behind it.
    """
    return f"""
    SELECT clause_id, region_code, year, count(*) AS institutions,
        array_to_string(list(institution_name ORDER BY institution_code, institution_name)
            [1:{TURNING_NAMED}], '、') AS names
    FROM {source}turning_institution GROUP BY ALL
    """


def standings(source: str = "") -> str:
    """Return the query for how the units below a region stand with a clause in a year.

    clause_id, region_code, year, units_judged (those with a verdict), units_met,
    against_most_units: the region meets what most of these miss, or the reverse; a tie is no most.
    Only regions above the units have rows.
    """
    return f"""
SELECT a.clause_id, a.region_code, a.year, u.units_judged, u.units_met,
    CASE WHEN a.status = 'met' THEN 2 * (u.units_judged - u.units_met) > u.units_judged
        WHEN a.status IN ({_VERDICTS}) THEN 2 * u.units_met > u.units_judged
        ELSE false END AS against_most_units
FROM {source}attainment AS a
JOIN (
    SELECT s.clause_id, b.region_code, s.year,
        count(*) FILTER (WHERE s.status IN ({_VERDICTS})) AS units_judged,
        count(*) FILTER (WHERE s.status = 'met') AS units_met
    FROM {source}attainment AS s JOIN ({below(source)}) AS b ON b.unit = s.region_code
    GROUP BY s.clause_id, b.region_code, s.year
) AS u ON u.clause_id = a.clause_id AND u.region_code = a.region_code AND u.year = a.year
"""
