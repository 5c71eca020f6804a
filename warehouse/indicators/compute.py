"""Computing the indicators: every one, for every region and year, in a handful of statements.

The index region × indicator × year is built first, from what is expected and in force; the
aggregates are joined to it. What counts for a region is a *membership*: a unit is made of itself,
the city of those units for which every form that the indicator needs is in force. The same
aggregates are evaluated over other memberships where a verdict needs them (like for like between
two years).

Nearly every part of an indicator adds up: a region's is the sum of its units'. Those are read from
the sources once, for each unit and year, and added up over each membership. The few others (a
product of two sums) are evaluated over the rows of every region.

Numerators and denominators are DECIMAL(38,6): counts and fen are exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import duckdb
import polars as pl

from transforms.forms import FORMS
from transforms.records import KEPT_PART
from warehouse.indicators import kept, year_on_year
from warehouse.indicators.definitions import Catalogue, Indicator, Part, PartName
from warehouse.reference import Reference
from warehouse.sql import is_of_one_row, literal, table_from

NUMERIC = "DECIMAL(38,6)"
#: The parts that are there where the denominator's form is; the others go by the numerator's.
_KNOWN_BY_BOTTOM = ("bottom", "asked")


def compute(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    reference: Reference,
    indicator_ids: Iterable[str],
    compared: Iterable[str],
    first_year: int,
) -> None:
    """Fill the temporary tables that verdicts and publication are made from.

    ``version_in_force`` is up to date (:func:`warehouse.ledger.schema.refresh`).
    ``indicator_ids`` are computed; ``compared``, some of them, also like for like between years.

    ``indicator_value`` (docs/contract.md, *Tables*) with beside it ``known`` (all expected forms are in force),
    ``applies`` (all needed forms are expected), ``is_unit``, ``published`` (a unit has no row of its
    own where the scope is the city alone); ``like_for_like`` (indicator_id, region_code, year,
    units, numerator, denominator, previous_numerator, previous_denominator): both years over the
    ``units`` that have a value in both; ``comparable``, the same of every indicator over the units
    that enter in both (:mod:`warehouse.indicators.year_on_year`); ``value_as_now``, of units that others were merged into
    as if they always had been; ``divisor`` (indicator_id, region_code, year,
    divisor) for gaps that are counted per head; ``due`` (region_code, form, year): what is expected. All of them cover ``first_year`` to the latest year in force.
    Beside them stands what the next run may take over (:data:`PARTS_TO_KEEP`, :mod:`warehouse.indicators.kept`).
    """
    wanted = [catalogue.by_id[name] for name in indicator_ids]
    kept.begin(connection)
    _index(connection, catalogue, reference, wanted, first_year)
    _views(connection, catalogue)
    _add_up_units(connection, catalogue, wanted)
    _evaluate(connection, wanted, "membership", "part")
    connection.execute(_VALUES)
    _as_now(connection, reference, wanted)
    connection.execute(_LIKE_FOR_LIKE)
    both = [catalogue.by_id[name] for name in compared]
    _evaluate(connection, both, "membership_this_year", "part_this_year")
    _evaluate(connection, both, "membership_last_year", "part_last_year")
    connection.execute(_COMPARED)
    connection.execute(year_on_year.MEMBERSHIP)
    anew = [catalogue.by_id[name] for name in sorted(year_on_year.involved(connection))]
    _evaluate(connection, anew, "made_anew", "part_anew")
    _evaluate(connection, anew, "made_anew_before", "part_anew_before")
    connection.execute(year_on_year.COMPARABLE)
    # Of a nation they take gigabytes.
    connection.execute("".join(f"DROP TABLE {name};" for name in _ON_THE_WAY))


#: What is made on the way to the tables that :func:`compute` leaves.
_ON_THE_WAY = (
    *("state", "place", "above"),
    *("part", "part_as_now", "part_this_year", "part_last_year", "part_anew", "part_anew_before"),
    *("membership_as_now", "membership_this_year", "membership_last_year", "both_years"),
    *("entering", "in_both", "made_of", "made_anew", "made_anew_before"),
)


def _index(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    reference: Reference,
    wanted: list[Indicator],
    first_year: int,
) -> None:
    parts = [
        (indicator.indicator_id, name, form, part.years_before)
        for indicator in wanted
        for name, part in indicator.parts.items()
        if name in ("top", "bottom")
        for form in catalogue.forms_of(part.source)
    ]
    for name, rows, columns in (
        ("indicator_form", parts, ("indicator_id", "part", "form", "years_before")),
        ("scope", _in_scope(catalogue, reference, wanted), ("indicator_id", "unit")),
        (
            "kept",
            [
                (
                    i.indicator_id,
                    catalogue.scope_of(i).units,
                    i.reporters is not None,
                    i.bottom is not None,
                    i.asked is not None,
                    i.scale,
                    i.requires is not None,
                )
                for i in wanted
            ],
            (
                "indicator_id",
                "of_units",
                "direct_only",
                "has_bottom",
                "of_answers",
                "scale",
                "requires",
            ),
        ),
    ):
        frame = pl.DataFrame(rows, schema=list(columns), orient="row")
        table_from(connection, f"TEMP TABLE {name}", frame)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE calendar AS
        SELECT unnest(range({first_year}, (SELECT max(year) FROM in_force) + 1))::INTEGER AS year;
        """
    )
    connection.execute(_DUE)
    _required(connection, catalogue, wanted)
    connection.execute(_STATE)
    connection.execute(_MEMBERSHIP)


def _as_now(
    connection: duckdb.DuckDBPyConnection, reference: Reference, wanted: list[Indicator]
) -> None:
    """Fill ``value_as_now``: the parts of merged units evaluated together, for every year.

    Evaluated and not added up: a coefficient of variation, or a ratio of totals, is no sum.
    """
    now = {**reference.merged, **{unit: unit for unit in reference.merged.values()}}
    frame = pl.DataFrame(
        list(now.items()), schema={"unit": pl.String(), "now": pl.String()}, orient="row"
    )
    table_from(connection, "TEMP TABLE merged", frame)
    connection.execute(_MERGED_MEMBERSHIP)
    _evaluate(connection, wanted if now else [], "membership_as_now", "part_as_now")
    connection.execute(_VALUES_AS_NOW)


def _required(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, wanted: list[Indicator]
) -> None:
    """Note which units have the row, and in which years, without which a form counts as not reported."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE required"
        " (indicator_id VARCHAR, region_code VARCHAR, year INTEGER)"
    )
    for indicator in wanted:
        if indicator.requires is not None:
            (form,) = catalogue.forms_of(indicator.top.source)
            connection.execute(
                f"INSERT INTO required SELECT DISTINCT {literal(indicator.indicator_id)}, region_code, year "
                f'FROM current."{form}" WHERE {indicator.requires}'
            )


def _in_scope(
    catalogue: Catalogue, reference: Reference, wanted: list[Indicator]
) -> list[tuple[str, str]]:
    """Return the units that each indicator is made of, as rows of indicator_id and unit."""
    kind_of = dict(reference.units.select("region_code", "kind").iter_rows())
    rows = []
    for indicator in wanted:
        scope = catalogue.scope_of(indicator)
        rows += [
            (indicator.indicator_id, unit)
            for unit, kind in kind_of.items()
            if (scope.kinds is None or kind in scope.kinds)
            and (indicator.reporters is None or kind in indicator.reporters)
            and (not scope.townships or unit in reference.with_townships)
        ]
    return rows


#: Which form is expected of which unit in each year. It is joined by equality: comparing spans of years row by row
#: grows faster than the units do.
_DUE = """
CREATE OR REPLACE TEMP TABLE due AS
SELECT DISTINCT e.region_code, e.form, y.year
FROM expected e
JOIN calendar y ON y.year BETWEEN coalesce(e.from_year, y.year) AND coalesce(e.to_year, y.year)
"""

#: For every unit in scope of an indicator, and every year: which parts are known.
_STATE = """
CREATE OR REPLACE TEMP TABLE state AS
SELECT
    s.indicator_id, s.unit, y.year,
    coalesce(bool_and(e.form IS NOT NULL), false) AS applies,
    coalesce(bool_or(e.form IS NOT NULL), false) AS expected,
    coalesce(bool_and(c.form IS NOT NULL) FILTER (e.form IS NOT NULL), false)
        AND (NOT any_value(k.requires) OR any_value(a.indicator_id) IS NOT NULL)
        AS known,
    coalesce(bool_and(c.form IS NOT NULL) FILTER (f.part = 'top'), false)
        AND (NOT any_value(k.requires) OR any_value(a.indicator_id) IS NOT NULL)
        AS top_known,
    coalesce(bool_and(c.form IS NOT NULL) FILTER (f.part = 'bottom'), false)
        AND (NOT any_value(k.requires) OR any_value(a.indicator_id) IS NOT NULL)
        AS bottom_known
FROM scope s
JOIN kept k USING (indicator_id)
CROSS JOIN calendar y
JOIN indicator_form f USING (indicator_id)
LEFT JOIN due e ON e.region_code = s.unit AND e.form = f.form AND e.year = y.year
LEFT JOIN version_in_force c ON c.expected AND c.region_code = s.unit AND c.form = f.form
    AND c.year = y.year - f.years_before
LEFT JOIN required a
    ON a.indicator_id = s.indicator_id AND a.region_code = s.unit AND a.year = y.year
GROUP BY s.indicator_id, s.unit, y.year
"""

#: A unit is made of itself, a region above of the units that enter it.
_MEMBERSHIP = """
CREATE OR REPLACE TEMP TABLE above AS
SELECT k.indicator_id, m.region_code, m.unit
FROM kept k JOIN member m ON m.direct OR NOT k.direct_only;
CREATE OR REPLACE TEMP TABLE membership AS
SELECT indicator_id, unit AS region_code, unit, year, top_known, bottom_known FROM state
UNION ALL
SELECT indicator_id, a.region_code, unit, year, top_known, bottom_known
FROM state JOIN above a USING (indicator_id, unit) WHERE known
"""

#: A region above the units has a row for every indicator, also where none of its units is in scope.
_VALUES = """
CREATE OR REPLACE TEMP TABLE place AS
SELECT indicator_id, unit AS region_code, year, known, applies, known::INTEGER AS reporting_units,
    expected::INTEGER AS expected_units, true AS is_unit, of_units AS published
FROM state JOIN kept USING (indicator_id)
UNION ALL
SELECT k.indicator_id, r.region_code, y.year, coalesce(bool_or(s.known), false),
    coalesce(bool_or(s.expected), false), count(*) FILTER (s.known)::INTEGER,
    count(*) FILTER (s.expected)::INTEGER, false, true
FROM kept k
CROSS JOIN (SELECT DISTINCT region_code FROM member) r
CROSS JOIN calendar y
LEFT JOIN above a USING (indicator_id, region_code)
LEFT JOIN state s ON (s.indicator_id, s.unit, s.year) = (k.indicator_id, a.unit, y.year)
GROUP BY k.indicator_id, r.region_code, y.year;

CREATE OR REPLACE TEMP TABLE indicator_value AS
SELECT p.indicator_id, p.region_code, p.year, t.value AS numerator, b.value AS denominator,
    CASE WHEN NOT k.has_bottom THEN t.value::DOUBLE
        WHEN b.value <> 0 THEN k.scale * t.value::DOUBLE / b.value::DOUBLE END AS value,
    p.reporting_units, p.expected_units, q.value::BIGINT AS asked,
    CASE WHEN k.of_answers THEN b.value::BIGINT END AS answered,
    p.known, p.applies, p.is_unit, p.published
FROM place p
JOIN kept k USING (indicator_id)
LEFT JOIN part t ON t.part = 'top' AND (t.indicator_id, t.region_code, t.year)
    = (p.indicator_id, p.region_code, p.year)
LEFT JOIN part b ON b.part = 'bottom' AND (b.indicator_id, b.region_code, b.year)
    = (p.indicator_id, p.region_code, p.year)
LEFT JOIN part q ON q.part = 'asked' AND (q.indicator_id, q.region_code, q.year)
    = (p.indicator_id, p.region_code, p.year);
"""

#: A unit that others were merged into is made of those of them that have reported.
_MERGED_MEMBERSHIP = """
CREATE OR REPLACE TEMP TABLE membership_as_now AS
SELECT s.indicator_id, g.now AS region_code, s.unit, s.year, s.top_known, s.bottom_known
FROM state s JOIN merged g USING (unit) WHERE s.known
"""

_VALUES_AS_NOW = """
CREATE OR REPLACE TEMP TABLE value_as_now AS
WITH place AS (
    SELECT s.indicator_id, g.now AS region_code, s.year,
        count(*) FILTER (s.known)::INTEGER AS reporting_units,
        count(*) FILTER (s.expected)::INTEGER AS expected_units
    FROM state s JOIN merged g USING (unit) GROUP BY ALL
)
SELECT p.indicator_id, p.region_code, p.year, t.value AS numerator, b.value AS denominator,
    CASE WHEN NOT k.has_bottom THEN t.value::DOUBLE
        WHEN b.value <> 0 THEN k.scale * t.value::DOUBLE / b.value::DOUBLE END AS value,
    p.reporting_units, p.expected_units
FROM place p
JOIN kept k USING (indicator_id)
LEFT JOIN part_as_now t ON t.part = 'top' AND (t.indicator_id, t.region_code, t.year)
    = (p.indicator_id, p.region_code, p.year)
LEFT JOIN part_as_now b ON b.part = 'bottom' AND (b.indicator_id, b.region_code, b.year)
    = (p.indicator_id, p.region_code, p.year)
WHERE k.of_units
"""

#: Like for like: a region made of the units that have a value in this year and the one before.
_LIKE_FOR_LIKE = """
CREATE OR REPLACE TEMP TABLE both_years AS
SELECT v.indicator_id, v.region_code AS unit, v.year
FROM indicator_value v
JOIN indicator_value w
    ON w.indicator_id = v.indicator_id AND w.region_code = v.region_code AND w.year = v.year - 1
WHERE v.is_unit AND v.value IS NOT NULL AND w.value IS NOT NULL;
CREATE OR REPLACE TEMP TABLE membership_this_year AS
SELECT indicator_id, unit AS region_code, unit, year, true AS top_known, true AS bottom_known
FROM both_years
UNION ALL
SELECT indicator_id, a.region_code, unit, year, true, true
FROM both_years JOIN above a USING (indicator_id, unit);
CREATE OR REPLACE TEMP TABLE membership_last_year AS
SELECT * REPLACE (year - 1 AS year) FROM membership_this_year;
"""

_COMPARED = f"""
CREATE OR REPLACE TEMP TABLE like_for_like AS
SELECT t.indicator_id, t.region_code, t.year, any_value(u.units) AS units,
    max(t.value) FILTER (t.part = 'top')::{NUMERIC} AS numerator,
    max(t.value) FILTER (t.part = 'bottom')::{NUMERIC} AS denominator,
    max(t.value) FILTER (t.part = 'divisor')::{NUMERIC} AS divisor,
    max(l.value) FILTER (t.part = 'top')::{NUMERIC} AS previous_numerator,
    max(l.value) FILTER (t.part = 'bottom')::{NUMERIC} AS previous_denominator
FROM part_this_year t
JOIN part_last_year l ON l.part = t.part
    AND (l.indicator_id, l.region_code, l.year) = (t.indicator_id, t.region_code, t.year - 1)
JOIN (
    SELECT indicator_id, region_code, year, count(*)::INTEGER AS units
    FROM membership_this_year GROUP BY ALL
) u ON (u.indicator_id, u.region_code, u.year) = (t.indicator_id, t.region_code, t.year)
GROUP BY t.indicator_id, t.region_code, t.year;
CREATE OR REPLACE TEMP TABLE divisor AS
SELECT indicator_id, region_code, year, value AS divisor FROM part WHERE part = 'divisor';
"""


def _views(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    for view in catalogue.views:
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {view.name} AS {view.sql}")


#: The rows of ``unit_part`` that were made of rows one by one, and may be kept for the next run.
PARTS_TO_KEEP = "(FROM unit_part SEMI JOIN (FROM adds_up WHERE by_row) USING (indicator_id, part))"

#: Parts that are sums over one source.
_Sums: TypeAlias = list[tuple[str, PartName, str]]


def _add_up_units(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, wanted: list[Indicator]
) -> None:
    """Put what adds up into ``unit_part``: a row for each part, unit and year it is evaluated for.

    ``adds_up`` has these parts, by which of the two the unit has to be known (``by_bottom``), and whether they are
    made of rows one by one (``by_row``): then those of units and years without a change are what they were.
    """
    sources: dict[tuple[str, int, bool], _Sums] = {}
    rows = []
    for indicator in wanted:
        for name, part in indicator.parts.items():
            if part.sum is not None:
                by_row = (
                    part.years_before == 0
                    and catalogue.form_behind(part.source) is not None
                    and is_of_one_row(part.sum)
                )
                key = (part.source, part.years_before, by_row)
                sources.setdefault(key, []).append((indicator.indicator_id, name, part.sum))
                rows.append((indicator.indicator_id, name, name in _KNOWN_BY_BOTTOM, by_row))
    schema = {
        "indicator_id": pl.String,
        "part": pl.String,
        "by_bottom": pl.Boolean,
        "by_row": pl.Boolean,
    }
    table_from(connection, "TEMP TABLE adds_up", pl.DataFrame(rows, schema=schema, orient="row"))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE unit_part "
        f"(indicator_id VARCHAR, part VARCHAR, unit VARCHAR, year INTEGER, value {NUMERIC})"
    )
    asked = [_sums_of(source, 0, parts) for (source, _, by_row), parts in sources.items() if by_row]
    anew = kept.changed(connection, KEPT_PART.name, kept.question(catalogue, *asked))
    queries = [
        _sums_of(source, later, parts, anew.condition() if by_row else "true")
        for (source, later, by_row), parts in sources.items()
    ]
    queries.append(
        f"SELECT {KEPT_PART.names} FROM {KEPT_PART.name} WHERE NOT ({anew.condition('unit')})"
    )
    connection.execute(f"INSERT INTO unit_part {' UNION ALL '.join(queries)}")


def _sums_of(source: str, years_later: int, parts: _Sums, rows: str = "true") -> str:
    """Return the query of all parts that are sums over those ``rows`` of one source, for the year that they count in."""
    sums = ", ".join(f"({total})::{NUMERIC} AS v{i}" for i, (*_, total) in enumerate(parts))
    return f"""
    SELECT unnest([{", ".join(literal(name) for name, *_ in parts)}]),
        unnest([{", ".join(literal(part) for _, part, _ in parts)}]),
        region_code, year, unnest([{", ".join(f"v{i}" for i in range(len(parts)))}])
    FROM (
        SELECT region_code, year + {years_later} AS year, {sums}
        FROM {source_name(source)} WHERE {rows} GROUP BY region_code, year
    )
    """


def source_name(source: str) -> str:
    """Return a source of an indicator as SQL names it: a form in force, or a view."""
    return f'current."{source}"' if source in FORMS else source


def name_of_institutions(form: str) -> str:
    """Return the expression for the name of the institution that a row of ``form`` is of."""
    named = "institution_name" in FORMS[form].by_name
    return "institution_name" if named else "NULL::VARCHAR AS institution_name"


def _evaluate(
    connection: duckdb.DuckDBPyConnection, wanted: list[Indicator], membership: str, out: str
) -> None:
    """Evaluate every part of every indicator over ``membership`` into the table ``out``.

    A part whose form is there but has no such row is 0; one whose form is not there is absent.
    """
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {out} "
        f"(indicator_id VARCHAR, part VARCHAR, region_code VARCHAR, year INTEGER, value {NUMERIC})"
    )
    if not wanted:
        return
    others = [
        _part(indicator, name, part, membership)
        for indicator in wanted
        for name, part in indicator.parts.items()
        if part.sum is None
    ]
    added = _ADDED.format(
        membership=membership,
        wanted=", ".join(literal(indicator.indicator_id) for indicator in wanted),
    )
    connection.execute(f"INSERT INTO {out} {' UNION ALL '.join([added, *others])}")


#: What adds up, over the units of a membership.
_ADDED = f"""
SELECT m.indicator_id, a.part, m.region_code, m.year, coalesce(sum(u.value), 0)::{NUMERIC} AS value
FROM {{membership}} m
JOIN adds_up a ON a.indicator_id = m.indicator_id
    AND CASE WHEN a.by_bottom THEN m.bottom_known ELSE m.top_known END
LEFT JOIN unit_part u ON (u.indicator_id, u.part, u.unit, u.year)
    = (m.indicator_id, a.part, m.unit, m.year)
WHERE m.indicator_id IN ({{wanted}})
GROUP BY ALL
"""


def _part(indicator: Indicator, name: PartName, part: Part, membership: str) -> str:
    """Return the query of one part that does not add up, over the rows of each region."""
    known = "bottom_known" if name in _KNOWN_BY_BOTTOM else "top_known"
    indicator_id = literal(indicator.indicator_id)
    return f"""
    SELECT {indicator_id} AS indicator_id, {literal(name)} AS part, * FROM (
        WITH m AS (
            SELECT region_code AS place, unit, year AS of_year FROM {membership}
            WHERE indicator_id = {indicator_id} AND {known}
        ), found AS (
            SELECT place, of_year, ({part.value})::{NUMERIC} AS value
            FROM m JOIN (SELECT * FROM {source_name(part.source)} WHERE {part.rows}) s
                ON s.region_code = m.unit AND s.year = m.of_year - {part.years_before}
            GROUP BY place, of_year
        )
        SELECT place AS region_code, of_year AS year, coalesce(value, 0) AS value
        FROM (SELECT DISTINCT place, of_year FROM m)
        LEFT JOIN found USING (place, of_year)
    )
    """
