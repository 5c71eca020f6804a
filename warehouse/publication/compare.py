"""Comparing a staged publication with the one that stands, before it takes its place."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from transforms.texts import Text
from warehouse.figures import show_apart
from warehouse.publication.tables import OF_THE_MOMENT, TABLES
from warehouse.publication.views import VIEWS

#: A value this many times larger or smaller than before is worth a look.
LEAP = 10
#: What can vanish, as the query names it.
_KINDS = {"the unit": "单位", "the form": "报表"}


@dataclass(frozen=True)
class Comparison:
    """What a staged publication lacks or does very differently, as sentences in both languages.

    ``vanished``: whole units or forms that had a submission in force and have none now; units that
    a region's figures were made of and are not any more, though nothing new came from them.
    ``smaller``: tables with fewer rows, indicators without any value. ``leaps``: values that moved
    by an order of magnitude.
    """

    vanished: tuple[Text, ...] = ()
    smaller: tuple[Text, ...] = ()
    leaps: tuple[Text, ...] = ()


def says_the_same(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether ``publication`` holds the same rows as ``previous``, ids and times aside."""
    names = [table.name for table in TABLES if table.name not in OF_THE_MOMENT]
    # Where the rows are not the same, their number or their hashes nearly always tell at once.
    return not any(
        _is_true(connection, differs.format(name=name))
        for differs in (_DIFFER_IN_HASHES, _DIFFER)
        for name in names
    )


def _is_true(connection: duckdb.DuckDBPyConnection, condition: str) -> bool:
    row = connection.execute(f"SELECT {condition}").fetchone()
    return row is not None and bool(row[0])


_DIFFER_IN_HASHES = (
    "(SELECT (count(*), bit_xor(hash(t))) FROM publication.{name} t)"
    " IS DISTINCT FROM (SELECT (count(*), bit_xor(hash(t))) FROM previous.{name} t)"
)
_DIFFER = (
    "EXISTS (FROM publication.{name} EXCEPT ALL FROM previous.{name})"
    " OR EXISTS (FROM previous.{name} EXCEPT ALL FROM publication.{name})"
)


def is_comparable(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether ``previous`` has this program's tables and views; an older one may lack some."""
    found = connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() "
        "WHERE database_name = 'previous' AND schema_name = 'main'"
    ).fetchall()
    wanted = {(t.name, column.name) for t in (*TABLES, *VIEWS) for column in t.columns}
    return wanted <= {(str(table), str(column)) for table, column in found}


def compare(connection: duckdb.DuckDBPyConnection) -> Comparison:
    """Return what ``publication`` has lost against ``previous``, and where it leaps."""
    vanished = [
        Text(
            f"{_KINDS[what]}{name}原有在用的报送，现在一份也没有",
            f"{what} {name} had submissions in force and has none now",
        )
        for what, name in connection.execute(_VANISHED).fetchall()
    ]
    vanished += [
        Text(
            f"{region}{span}年的 {figures} 个数字将不再计入{unit}，而它原来计入，此后也没有报来别的",
            f"{figures} figures of {region} for {span} would be made without {unit}, which entered them "
            "before and has handed in nothing else since",
        )
        for region, unit, figures, span in connection.execute(_LEFT_OUT).fetchall()
    ]
    smaller = []
    for table in TABLES:
        if table.name in OF_THE_MOMENT:
            continue
        row = connection.execute(
            f"SELECT (SELECT count(*) FROM previous.{table.name}),"
            f" (SELECT count(*) FROM publication.{table.name})"
        ).fetchone()
        if row is not None and row[1] < row[0]:
            smaller.append(
                Text(
                    f"表 {table.name} 现有 {row[1]} 行，原有 {row[0]} 行",
                    f"{table.name} has {row[1]} rows, before it had {row[0]}",
                )
            )
    smaller += [
        Text(f"指标{name}不再有数值", f"the indicator {name} has no value any more")
        for (name,) in connection.execute(_WITHOUT_VALUE).fetchall()
    ]
    leaps = []
    for name, unit, region, year, *values in connection.execute(_LEAPS).fetchall():
        old, new = show_apart(values, unit)
        leaps.append(
            Text(
                f"{region}{year}年的{name}从 {old} 变为 {new} {unit}",
                f"{name} of {region} in {year} moved from {old} to {new} {unit}",
            )
        )
    return Comparison(tuple(vanished), tuple(smaller), tuple(leaps))


_VANISHED = """
WITH before AS (
    -- What a person sent back since then is meant to be gone.
    SELECT DISTINCT region_code, form FROM previous.submission
    ANTI JOIN (SELECT submission_id FROM publication.approval WHERE decision = 'returned')
        USING (submission_id)
    WHERE status IN ('accepted', 'accepted_with_warnings')
), now AS (
    SELECT DISTINCT region_code, form FROM publication.submission
    WHERE status IN ('accepted', 'accepted_with_warnings')
)
SELECT 'the unit', coalesce(any_value(r.region_name), region_code)
FROM before LEFT JOIN previous.region r USING (region_code)
WHERE region_code NOT IN (SELECT region_code FROM now) GROUP BY region_code
UNION ALL
SELECT DISTINCT 'the form', form FROM before WHERE form NOT IN (SELECT form FROM now)
ORDER BY ALL
"""

#: Units that leave a region's figures by a definition (the region list, what is expected) and not by
#: what was handed in. Where the units of a region have no rows of their own, their number tells.
_LEFT_OUT = """
WITH RECURSIVE above AS (
    SELECT 'before' AS stage, parent_code AS region_code, region_code AS unit
    FROM previous.region WHERE level = 'reporting_unit' AND parent_code IS NOT NULL
    UNION ALL
    SELECT 'now', parent_code, region_code
    FROM publication.region WHERE level = 'reporting_unit' AND parent_code IS NOT NULL
    UNION ALL
    SELECT a.stage, r.parent_code, a.unit
    FROM above a
    JOIN (
        SELECT 'before' AS stage, region_code, parent_code FROM previous.region UNION ALL
        SELECT 'now', region_code, parent_code FROM publication.region
    ) r USING (stage, region_code)
    WHERE r.parent_code IS NOT NULL
), made_of AS (
    SELECT v.indicator_id, a.region_code, a.unit, v.year
    FROM previous.indicator_value v
    JOIN above a ON a.stage = 'before' AND a.unit = v.region_code
    WHERE v.reporting_units > 0
    EXCEPT
    SELECT v.indicator_id, a.region_code, a.unit, v.year
    FROM publication.indicator_value v
    JOIN above a ON a.stage = 'now' AND a.unit = v.region_code
    WHERE v.reporting_units > 0
), in_force_before AS (
    SELECT region_code AS unit, form, year, submission_id FROM previous.submission
    WHERE status IN ('accepted', 'accepted_with_warnings')
), in_force_now AS (
    SELECT region_code AS unit, form, year, submission_id FROM publication.submission
    WHERE status IN ('accepted', 'accepted_with_warnings')
), handed_in AS (
    SELECT DISTINCT i.indicator_id, c.unit, c.year + i.years_before AS year
    FROM (
        (FROM in_force_before EXCEPT FROM in_force_now) UNION ALL
        (FROM in_force_now EXCEPT FROM in_force_before)
    ) c JOIN (SELECT DISTINCT indicator_id, form, years_before FROM indicator_form) i USING (form)
)
SELECT coalesce(r.region_name, m.region_code), coalesce(u.region_name, m.unit), count(*),
    CASE WHEN min(m.year) = max(m.year) THEN min(m.year)::VARCHAR
        ELSE min(m.year) || ' to ' || max(m.year) END
FROM made_of m
JOIN (SELECT DISTINCT indicator_id FROM publication.indicator_value) i USING (indicator_id)
ANTI JOIN handed_in h ON (h.indicator_id, h.unit, h.year) = (m.indicator_id, m.unit, m.year)
LEFT JOIN previous.region r ON r.region_code = m.region_code
LEFT JOIN previous.region u ON u.region_code = m.unit
LEFT JOIN previous.indicator_value b
    ON (b.indicator_id, b.region_code, b.year) = (m.indicator_id, m.region_code, m.year)
LEFT JOIN publication.indicator_value n
    ON (n.indicator_id, n.region_code, n.year) = (m.indicator_id, m.region_code, m.year)
LEFT JOIN above a ON a.stage = 'now' AND (a.region_code, a.unit) = (m.region_code, m.unit)
WHERE a.unit IS NULL OR n.reporting_units IS NULL OR n.reporting_units < b.reporting_units
GROUP BY ALL
ORDER BY ALL
"""

_WITHOUT_VALUE = """
SELECT indicator_id FROM previous.indicator_value GROUP BY 1 HAVING count(value) > 0
EXCEPT
SELECT indicator_id FROM publication.indicator_value GROUP BY 1 HAVING count(value) > 0
ORDER BY 1
"""

_LEAPS = f"""
SELECT i.name_zh, i.unit, r.region_name, n.year, b.value, n.value
FROM publication.indicator_value n
JOIN previous.indicator_value b USING (indicator_id, region_code, year)
JOIN publication.indicator i USING (indicator_id)
JOIN publication.region r USING (region_code)
WHERE b.value > 0 AND n.value > 0 AND (n.value >= {LEAP} * b.value OR b.value >= {LEAP} * n.value)
ORDER BY ALL
"""
