"""How many places will be needed? The published table ``places_ahead``, from the ages already reported.

Nothing is forecast but time: who is 5 this year is 6 next year and goes to school there. Kept as they are in the
year looked from: who lives where, the share of each age group that is in school (so that pupils from elsewhere
and other ages stay in the same proportion), and the number of pupils to a teacher. Where the plan sets a size of
classes it is the measure of places, else the present one. No births are guessed: years for which an age
is not born yet have no figure. Which ages a stage has, and where its pupils, teachers and classes stand, say the
views :data:`VIEWS` of the indicators' catalogue.
"""

from __future__ import annotations

from warehouse.indicators.definitions import Catalogue
from warehouse.indicators.year_on_year import FLOOR
from warehouse.sql import literal

_PEOPLE = "stage_population"
#: The views with what a stage has; those of one are known together.
_PRESENT = ("kindergarten_stage", "school_stage")
#: The views of the catalogue that the table is made of.
VIEWS = (_PEOPLE, *_PRESENT)


def query(catalogue: Catalogue) -> str | None:
    """Return the query for the rows of ``places_ahead``; None where ``catalogue`` has not all :data:`VIEWS`.

    It runs in the warehouse, after :func:`warehouse.indicators.compute.compute`.
    """
    if not {view.name for view in catalogue.views}.issuperset(VIEWS):
        return None
    needed = ", ".join(
        f"({literal(source)}, {literal(form)})"
        for source in _PRESENT
        for form in (*catalogue.forms_of(source), *catalogue.forms_of(_PEOPLE))
    )
    present = " UNION ALL ".join(
        f"SELECT {literal(name)} AS source, * FROM {name}" for name in _PRESENT
    )
    return _QUERY.format(needed=needed, present=present, people=_PEOPLE)


#: A unit has rows of its own where all forms are expected of it and in force. A region above the units is made of those
#: of which all that is expected is there: whoever has no residents of its own still has schools. It has rows where
#: a unit has some, and so many are there as a comparison of years asks for. Numbers of people and teachers are rounded half
#: up, classes up, all in whole numbers.
_QUERY = f"""
WITH needed(source, form) AS (VALUES {{needed}}), standing AS (
    SELECT n.source, u.region_code AS unit, y.year,
        bool_and(d.form IS NOT NULL) AS applies, bool_or(d.form IS NOT NULL) AS expected,
        coalesce(bool_and(f.form IS NOT NULL) FILTER (d.form IS NOT NULL), false) AS known
    FROM needed n
    CROSS JOIN (SELECT region_code FROM region WHERE level = 'reporting_unit') u
    CROSS JOIN calendar y
    LEFT JOIN due d ON d.region_code = u.region_code AND d.form = n.form AND d.year = y.year
    LEFT JOIN version_in_force f ON f.expected AND f.region_code = u.region_code AND f.form = n.form
        AND f.year = y.year
    GROUP BY n.source, u.region_code, y.year
), made_of AS (
    SELECT source, unit AS region_code, unit, year, true AS is_unit, applies, known
    FROM standing WHERE known AND applies
    UNION ALL
    SELECT s.source, m.region_code, s.unit, s.year, false, s.applies, s.known
    FROM standing s JOIN member m USING (unit) WHERE s.expected
), covered AS (
    SELECT source, region_code, year, count(*) FILTER (known) AS reporting_units, count(*) AS expected_units
    FROM made_of GROUP BY ALL
    HAVING bool_or(applies) AND 100 * count(*) FILTER (known) >= {FLOOR} * count(*)
), stage_now AS (
    SELECT m.source, m.region_code, m.year, p.stage, sum(p.pupils)::HUGEINT AS pupils,
        sum(p.teacher_millionths)::HUGEINT AS teachers, sum(p.classes)::HUGEINT AS classes,
        max(p.class_norm)::HUGEINT AS class_norm
    FROM made_of m
    JOIN ({{present}}) p ON p.source = m.source AND p.region_code = m.unit AND p.year = m.year
    WHERE m.known AND (p.of_units OR NOT m.is_unit)
    GROUP BY m.source, m.region_code, m.year, p.stage
), people AS (
    SELECT m.source, m.region_code, m.year, p.stage, p.ahead,
        CASE WHEN bool_and(p.population IS NOT NULL) THEN sum(p.population) END::HUGEINT AS population
    FROM made_of m JOIN {{people}} p ON p.region_code = m.unit AND p.year = m.year
    WHERE m.known
    GROUP BY ALL
), ahead AS (
    SELECT n.*, p.ahead, p.population, nullif(b.population, 0) AS base, c.reporting_units, c.expected_units,
        (2 * n.pupils * p.population + b.population) // nullif(2 * b.population, 0) AS expected
    FROM stage_now n
    JOIN covered c USING (source, region_code, year)
    JOIN people p USING (source, region_code, year, stage)
    JOIN people b ON b.source = n.source AND b.region_code = n.region_code AND b.year = n.year
        AND b.stage = n.stage AND b.ahead = 0
)
SELECT region_code, stage, year, (year + ahead)::INTEGER AS for_year, population::BIGINT AS population,
    100 * pupils::DOUBLE / base::DOUBLE AS enrolment_rate, expected::BIGINT AS pupils,
    (classes * class_norm)::BIGINT AS places,
    CASE WHEN class_norm > 0 THEN (expected + class_norm - 1) // class_norm
        ELSE (classes * population + base - 1) // base END::BIGINT AS classes_needed,
    classes::BIGINT AS classes,
    ((2 * teachers * population + 1000000 * base) // (2000000 * base))::BIGINT AS teachers_needed,
    ((2 * teachers + 1000000) // 2000000)::BIGINT AS teachers,
    reporting_units::INTEGER AS reporting_units, expected_units::INTEGER AS expected_units
FROM ahead
"""
