"""What has changed since the year before: like for like, or not at all.

A city that nine of ten units have not yet reported for has not "eight unlicensed kindergartens
fewer". So two years are compared only where both can be judged, and a region above the units only
over the units that enter in both. Terminal, report and the published views show the published table
``year_on_year`` and compare no years of their own.
"""

from __future__ import annotations

import duckdb

from warehouse.wording import VERDICTS

#: A value that is only monitored is compared where so many of a hundred units enter.
FLOOR = 80

#: What each region is made of in both years. ``changed``: the units that enter are not the same, so
#: that its figures have to be made anew over those that enter in both.
MEMBERSHIP = """
CREATE OR REPLACE TEMP TABLE entering AS
SELECT m.* FROM membership m JOIN place p USING (indicator_id, region_code, year)
WHERE NOT p.is_unit;
CREATE OR REPLACE TEMP TABLE in_both AS
SELECT n.indicator_id, n.region_code, n.unit, n.year, n.top_known, n.bottom_known,
    b.top_known AS top_known_before, b.bottom_known AS bottom_known_before
FROM entering n JOIN entering b ON b.year = n.year - 1
    AND (b.indicator_id, b.region_code, b.unit) = (n.indicator_id, n.region_code, n.unit);
CREATE OR REPLACE TEMP TABLE made_of AS
WITH counted AS (
    SELECT indicator_id, region_code, year, count(*) AS units FROM entering GROUP BY ALL
)
SELECT s.indicator_id, s.region_code, s.year, s.units,
    s.units < n.units OR s.units < b.units AS changed
FROM (SELECT indicator_id, region_code, year, count(*) AS units FROM in_both GROUP BY ALL) s
JOIN counted n USING (indicator_id, region_code, year)
JOIN counted b ON (b.indicator_id, b.region_code, b.year)
    = (s.indicator_id, s.region_code, s.year - 1);
CREATE OR REPLACE TEMP TABLE made_anew AS
SELECT i.indicator_id, i.region_code, i.unit, i.year, i.top_known, i.bottom_known
FROM in_both i JOIN made_of m USING (indicator_id, region_code, year) WHERE m.changed;
CREATE OR REPLACE TEMP TABLE made_anew_before AS
SELECT i.indicator_id, i.region_code, i.unit, i.year - 1 AS year,
    i.top_known_before AS top_known, i.bottom_known_before AS bottom_known
FROM in_both i JOIN made_of m USING (indicator_id, region_code, year) WHERE m.changed;
"""

#: Numerator and denominator of both years, from the parts made anew or from the published values.
COMPARABLE = """
CREATE OR REPLACE TEMP TABLE comparable AS
SELECT m.indicator_id, m.region_code, m.year, m.units,
    max(t.value) FILTER (t.part = 'top') AS numerator,
    max(t.value) FILTER (t.part = 'bottom') AS denominator,
    max(l.value) FILTER (t.part = 'top') AS previous_numerator,
    max(l.value) FILTER (t.part = 'bottom') AS previous_denominator
FROM made_of m
JOIN part_anew t USING (indicator_id, region_code, year)
JOIN part_anew_before l ON l.part = t.part
    AND (l.indicator_id, l.region_code, l.year) = (m.indicator_id, m.region_code, m.year - 1)
WHERE m.changed
GROUP BY ALL
UNION ALL BY NAME
SELECT v.indicator_id, v.region_code, v.year, coalesce(m.units, 1) AS units,
    v.numerator, v.denominator,
    b.numerator AS previous_numerator, b.denominator AS previous_denominator
FROM indicator_value v
JOIN indicator_value b ON (b.indicator_id, b.region_code, b.year)
    = (v.indicator_id, v.region_code, v.year - 1)
LEFT JOIN made_of m ON (m.indicator_id, m.region_code, m.year)
    = (v.indicator_id, v.region_code, v.year)
WHERE v.value IS NOT NULL AND b.value IS NOT NULL AND (v.is_unit OR NOT m.changed);
"""


def _value(numerator: str, denominator: str) -> str:
    return (
        f"CASE WHEN {denominator} IS NULL THEN {numerator}::DOUBLE"
        f" WHEN {denominator} <> 0 THEN i.scale * {numerator}::DOUBLE / {denominator}::DOUBLE END"
    )


_JUDGED = ", ".join(f"'{status}'" for status in VERDICTS)


def _by_verdict(row: str) -> str:
    return f"{row}.status IN ({_JUDGED})"


def _by_units(row: str) -> str:
    return (
        f"({row}.status = 'monitored'"
        f" AND 100 * {row}.reporting_units >= {FLOOR} * {row}.expected_units)"
    )


def can_be_compared(row: str) -> str:
    """Return the SQL condition on a row of attainment that its value stands for the whole region."""
    return f"({_by_verdict(row)} OR {_by_units(row)})"


#: The published table. Parts that differ may give the same figure, and the last digit of a double
#: is no change.
QUERY = f"""
WITH both_judged AS (
    SELECT a.clause_id, a.indicator_id, a.region_code, a.year, a.expected_units
    FROM publication.attainment a
    JOIN publication.attainment b ON (b.clause_id, b.region_code, b.year)
        = (a.clause_id, a.region_code, a.year - 1)
    WHERE {_by_verdict("a")} AND {_by_verdict("b")} OR {_by_units("a")} AND {_by_units("b")}
), compared AS (
    SELECT j.clause_id, c.*, i.better,
        {_value("c.numerator", "c.denominator")} AS value,
        {_value("c.previous_numerator", "c.previous_denominator")} AS previous_value
    FROM both_judged j
    JOIN comparable c ON (c.indicator_id, c.region_code, c.year)
        = (j.indicator_id, j.region_code, j.year)
        -- A count that is too large already has a verdict whoever is silent, but no change.
        AND (c.denominator IS NOT NULL OR 100 * c.units >= {FLOOR} * j.expected_units)
    JOIN publication.indicator i ON i.indicator_id = j.indicator_id
)
SELECT *, value - previous_value AS change,
    CASE WHEN abs(value - previous_value) <= 1e-14 * abs(value) THEN 'same'
        WHEN (value > previous_value) = (better = 'higher') THEN 'better'
        ELSE 'worse' END AS direction
FROM compared
WHERE value IS NOT NULL AND previous_value IS NOT NULL
"""


def involved(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the indicators whose figures have to be made anew, from what :data:`MEMBERSHIP` left."""
    rows = connection.execute("SELECT DISTINCT indicator_id FROM made_anew").fetchall()
    return {name for (name,) in rows}
