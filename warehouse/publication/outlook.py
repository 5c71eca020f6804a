"""Where is it heading? The published table ``outlook``, in arithmetic that fits on paper.

For a clause with a due year and a threshold there are two straight lines. The *required* one runs
from the earliest value to the threshold in the due year; the *pace* is that of the last years,
carried on as it is. Nothing is fitted and nothing capped: a share that gains 9 points a year is
projected past 100 % if that is where its pace leads.

Whether the threshold is reached is not decided here: that is a gap of 0, which comes from exact
numbers (:mod:`expectations.verdicts`). All else is an orientation and computed from the
values as published, in the indicator's unit; changes carry a sign, so that where lower is better
both the pace wanted and the pace needed are negative.
"""

from __future__ import annotations

from warehouse.indicators.year_on_year import can_be_compared

#: The pace is the change over so many years with a value before the year looked from.
PACE_YEARS = 3
#: A projection beyond this year is as good as none.
HORIZON = 2100

#: One row for every clause of kind level or milestone, region and year with a value that can be
#: compared with those of other years (a line through a year of which one unit in ten has reported
#: leads nowhere), from ``publication.attainment`` and ``publication.clause``:
#:
#: ``required_value``
#:     the line in this year; from the due year on the threshold; NULL before it where no earlier
#:     year has a value, because a line needs a beginning. (A milestone has the line as well, for
#:     orientation: its verdict waits for the due year.)
#: ``pace_per_year``
#:     (value - earlier value) / (year - earlier year), the earlier year being the third last with
#:     a value, or the earliest where there are fewer; NULL in the first year with a value.
#: ``projected_due_value``
#:     value + pace × years to the due year; in the due year the value; after it NULL.
#: ``projected_year_met``
#:     the year itself where it is reached; else the first year in which the pace, carried on,
#:     reaches the threshold; NULL where it does not lead there, or only after 2100.
#: ``needed_per_year``
#:     (threshold - value) / years to the due year; from the due year on the whole way in one year;
#:     0 where it is reached.
QUERY = f"""
WITH valued AS (
    SELECT a.clause_id, a.region_code, a.year, a.value, a.threshold, c.due_year,
        a.gap = 0 AS met,
        CASE WHEN a.gap = 0 THEN 0 ELSE a.threshold - a.value END AS way,
        first_value(a.year) OVER start AS start_year,
        first_value(a.value) OVER start AS start_value,
        first_value(a.year) OVER recent AS recent_year,
        first_value(a.value) OVER recent AS recent_value
    FROM publication.attainment a
    JOIN publication.clause c USING (clause_id)
    WHERE c.kind IN ('level', 'milestone') AND a.value IS NOT NULL AND {can_be_compared("a")}
    WINDOW
        start AS (PARTITION BY a.clause_id, a.region_code ORDER BY a.year),
        recent AS (
            PARTITION BY a.clause_id, a.region_code ORDER BY a.year
            ROWS BETWEEN {PACE_YEARS} PRECEDING AND CURRENT ROW
        )
), paced AS (
    SELECT *,
        CASE WHEN recent_year < year THEN (value - recent_value) / (year - recent_year) END AS pace
    FROM valued
), projected AS (
    -- Thirds and the like leave noise in the last digits of a double, and noise must not cost a
    -- year: the number of years is rounded to nine digits before it is rounded up.
    SELECT *,
        CASE WHEN met THEN year
            WHEN way * pace > 0 THEN year + greatest(ceil(round(way / pace, 9)), 1)
        END AS year_met
    FROM paced
)
SELECT clause_id, region_code, year,
    CASE
        WHEN year >= due_year THEN threshold
        WHEN start_year < year THEN
            start_value + (threshold - start_value) * (year - start_year) / (due_year - start_year)
    END AS required_value,
    pace AS pace_per_year,
    CASE WHEN year = due_year THEN value WHEN year < due_year THEN value + pace * (due_year - year)
    END AS projected_due_value,
    CASE WHEN year_met <= {HORIZON} THEN year_met::INTEGER END AS projected_year_met,
    way / greatest(due_year - year, 1) AS needed_per_year
FROM projected
"""
