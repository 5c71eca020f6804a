"""The verdicts: what the suites say about every clause, region and year, as ``attainment``.

Thresholds are compared in one place, the suites. Here their results are combined with what is
reported and applicable into the statuses of the plan, and the way that is left is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import duckdb
import polars as pl

from expectations.clauses import Plan
from expectations.engine import Broken, CheckFailed
from expectations.suites import Check, checks
from warehouse.indicators.definitions import Catalogue
from warehouse.sql import exact, literal, table_from

#: Figures are compared as whole millionths: DECIMAL(38,6) without its point.
_MILLION = 1_000_000


def _millionths(column: str) -> str:
    return f"replace({column}::DECIMAL(38,6)::VARCHAR, '.', '')::HUGEINT"


def lay_out(
    connection: duckdb.DuckDBPyConnection, plan: Plan, catalogue: Catalogue
) -> tuple[list[Check], list[Check]]:
    """Create the temporary table ``judgement`` and give the checks on it.

    The first list is to be run; the checks of the second meet no row (nothing to judge yet), and
    an expectation over no row would pass without having looked at anything.

    One row for every clause with a verdict, region and year with a value; numerator, denominator,
    those of the year before (like for like) and of the first year with a value are whole
    millionths. Where a share of answers has blanks there are two rows more: ``reading`` says
    whether the row is ``as_reported``, has the ``blanks_against`` or the ``blanks_for`` the
    numerator. The tables of :func:`warehouse.indicators.compute.compute` must be there.

    Raises:
        CheckFailed: a clause speaks of an indicator that is not there.
    """
    table_from(connection, "TEMP TABLE plan_clause", _clauses(plan, catalogue))
    table_from(connection, "TEMP TABLE plan_target", _targets(plan))
    connection.execute(_GROUND)
    connection.execute(_JUDGEMENT)
    wired = checks(plan.clauses, catalogue.by_id)
    # The first count is there for a plan that only monitors, and so has no check.
    counts = ", ".join(["count(*)", *(f"count(*) FILTER ({check.about})" for check in wired)])
    row = connection.execute(f"SELECT {counts} FROM judgement").fetchone()
    assert row is not None
    with_rows = dict(zip(wired, row[1:], strict=True))
    return (
        [check for check, rows in with_rows.items() if rows],
        [check for check, rows in with_rows.items() if not rows],
    )


#: What verdicts go by of a clause: its wording is not, and stands beside each region and year otherwise.
_NEEDED = frozenset(
    {
        "clause_id",
        "indicator_id",
        "kind",
        "comparator",
        "due_year",
        "effective_from",
        "effective_to",
        "judged_at",
    }
)


def _clauses(plan: Plan, catalogue: Catalogue) -> pl.DataFrame:
    """Return the clauses with their thresholds, exact as p / q, and what their indicators say of the scale."""
    rows = []
    for clause in plan.clauses:
        if clause.indicator_id not in catalogue.by_id:
            raise CheckFailed(
                f"条款 {clause.clause_id} 所写的指标 {clause.indicator_id} 没有定义",
                f"clause {clause.clause_id} speaks of the indicator {clause.indicator_id}, "
                "which is not defined",
            )
        indicator = catalogue.by_id[clause.indicator_id]
        threshold = clause.threshold
        rows.append(
            {
                **clause.model_dump(include=set(_NEEDED)),
                "threshold": None if threshold is None else str(threshold),
                "coverage_floor": str(plan.floor_of(clause)),
                "p": clause.exact_threshold.numerator if threshold is not None else None,
                "q": clause.exact_threshold.denominator if threshold is not None else None,
                "scale": indicator.scale,
                "quantum": int(Decimal(indicator.gap.quantum) * _MILLION),
                "gap_unit": indicator.gap.unit,
            }
        )
    frame = pl.DataFrame(
        rows,
        schema_overrides={
            "threshold": pl.String,
            "effective_to": pl.Int64,
            "due_year": pl.Int64,
            "p": pl.Int64,
            "q": pl.Int64,
            "comparator": pl.String,
        },
    )
    return exact(frame, threshold=pl.Decimal(18, 6), coverage_floor=pl.Decimal(7, 6))


def _targets(plan: Plan) -> pl.DataFrame:
    """Return the thresholds of single regions and years, exact as p / q."""
    targets = [
        (
            clause.clause_id,
            target.region_code,
            target.year,
            str(target.threshold),
            Fraction(target.threshold),
        )
        for clause in plan.clauses
        for target in clause.targets
    ]
    frame = pl.DataFrame(
        [(*rest, fraction.numerator, fraction.denominator) for *rest, fraction in targets],
        schema={
            "clause_id": pl.String(),
            "region_code": pl.String(),
            "year": pl.Int64(),
            "threshold": pl.String(),
            "p": pl.Int64(),
            "q": pl.Int64(),
        },
        orient="row",
    )
    return exact(frame, threshold=pl.Decimal(18, 6))


#: Every clause, region and year, with all that a verdict needs to know. ``entering`` are the units
#: that the figure judged is made of: for a clause that never falls those with a value in both years. The
#: threshold is the target of that region (and year), else that of that year, else the clause's own; a
#: region that is not ``concerned`` is monitored: the clause asks it of the topmost one.
_GROUND = """
CREATE OR REPLACE TEMP TABLE ground AS
SELECT
    c.* REPLACE (coalesce(t.threshold, c.threshold) AS threshold,
        coalesce(t.p, c.p)::HUGEINT AS p, coalesce(t.q, c.q)::HUGEINT AS q),
    t.year IS NOT NULL AS interim,
    c.judged_at = 'everywhere' OR r.parent_code IS NULL OR t.region_code IS NOT NULL AS concerned,
    v.region_code, v.year, v.known, v.applies, v.is_unit, v.expected_units, v.asked, v.answered,
    v.value AS own_value, v.denominator AS own_denominator, k.has_bottom,
    l.indicator_id IS NOT NULL AS comparable,
    CASE WHEN c.kind = 'never_falls' THEN coalesce(l.units, 0) ELSE v.reporting_units END
        AS entering,
    CASE WHEN c.kind = 'never_falls' AND l.indicator_id IS NOT NULL THEN l.numerator
        ELSE v.numerator END AS exact_numerator,
    CASE WHEN NOT k.has_bottom THEN 1
        WHEN c.kind = 'never_falls' AND l.indicator_id IS NOT NULL THEN l.denominator
        ELSE v.denominator END AS exact_denominator,
    l.previous_numerator AS exact_previous_numerator,
    CASE WHEN NOT k.has_bottom THEN 1 ELSE l.previous_denominator END
        AS exact_previous_denominator,
    coalesce(CASE WHEN c.kind = 'never_falls' THEN l.divisor END, d.divisor, 1) AS divisor
FROM plan_clause c
JOIN indicator_value v USING (indicator_id)
JOIN kept k USING (indicator_id)
JOIN region r ON r.region_code = v.region_code
LEFT JOIN like_for_like l ON c.kind = 'never_falls'
    AND (l.indicator_id, l.region_code, l.year) = (v.indicator_id, v.region_code, v.year)
LEFT JOIN divisor d ON (d.indicator_id, d.region_code, d.year)
    = (v.indicator_id, v.region_code, v.year)
LEFT JOIN plan_target t ON t.clause_id = c.clause_id
    AND coalesce(t.region_code, v.region_code) = v.region_code AND coalesce(t.year, v.year) = v.year
WHERE v.published
QUALIFY row_number() OVER (
    PARTITION BY c.clause_id, v.region_code, v.year
    ORDER BY t.region_code NULLS LAST, t.year NULLS LAST
) = 1
"""

_JUDGEMENT = f"""
CREATE OR REPLACE TEMP TABLE judgement AS
WITH valued AS (
    SELECT * EXCLUDE (divisor),
        {_millionths("exact_numerator")} AS numerator,
        {_millionths("exact_denominator")} AS denominator,
        {_millionths("exact_previous_numerator")} AS previous_numerator,
        {_millionths("exact_previous_denominator")} AS previous_denominator,
        {_millionths("divisor")} AS divisor,
        {_MILLION}::HUGEINT * coalesce(asked - answered, 0) AS blanks
    FROM ground
    WHERE known AND applies AND own_value IS NOT NULL
), reported AS (
    SELECT clause_id, region_code, year, p, q, interim, numerator, denominator, previous_numerator,
        previous_denominator, divisor, blanks,
        first_value(year) OVER earliest AS first_year,
        first_value(numerator) OVER earliest AS first_numerator,
        first_value(denominator) OVER earliest AS first_denominator
    FROM valued
    WHERE kind <> 'monitor' AND concerned
        AND (kind <> 'never_falls' OR comparable)
    WINDOW earliest AS (PARTITION BY clause_id, region_code ORDER BY year)
)
SELECT * EXCLUDE (blanks), 'as_reported' AS reading FROM reported
UNION ALL BY NAME
SELECT * EXCLUDE (blanks) REPLACE (denominator + blanks AS denominator),
    'blanks_against' AS reading FROM reported WHERE blanks > 0
UNION ALL BY NAME
SELECT * EXCLUDE (blanks)
    REPLACE (numerator + blanks AS numerator, denominator + blanks AS denominator),
    'blanks_for' AS reading FROM reported WHERE blanks > 0
"""


@contextmanager
def apart(connection: duckdb.DuckDBPyConnection, file: Path) -> Iterator[None]:
    """Have ``judgement`` in a database of its own within the block: ``file``, which another process can open."""
    file.unlink(missing_ok=True)
    connection.execute(
        f"ATTACH {literal(file)} AS apart; CREATE TABLE apart.judgement AS FROM judgement; DETACH apart"
    )
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def judge(connection: duckdb.DuckDBPyConnection, broken: Mapping[str, Broken]) -> None:
    """Write the temporary table ``attainment`` (docs/contract.md, *Tables*) from the results of the suites."""
    missed = pl.DataFrame(
        [
            (suite, clause, row["region_code"], row["year"], row["reading"])
            for suite, clauses in broken.items()
            for clause, rows in clauses.items()
            for row in rows
        ],
        schema={
            "suite": pl.String(),
            "clause_id": pl.String(),
            "region_code": pl.String(),
            "year": pl.Int64(),
            "reading": pl.String(),
        },
        orient="row",
    )
    table_from(connection, "TEMP TABLE missed", missed)
    connection.execute(_ATTAINMENT)
    connection.execute("DROP TABLE ground; DROP TABLE missed")


#: A verdict for each reading of the blanks; it is firm where they all say the same. The shortage in
#: the numerator is exact: over ``below`` in millionths, positive where short.
_ATTAINMENT = f"""
CREATE OR REPLACE TEMP TABLE attainment AS
WITH outcome AS (
    SELECT j.clause_id, j.region_code, j.year, j.reading,
        CASE
            WHEN r.reading IS NULL THEN 'met'
            WHEN c.kind IN ('standing', 'never_falls') OR j.year >= c.due_year OR j.interim
                THEN 'not_met'
            WHEN c.kind = 'milestone' OR j.first_year >= j.year THEN 'not_due'
            WHEN p.reading IS NULL THEN 'on_track'
            ELSE 'off_track'
        END AS verdict
    FROM judgement j
    JOIN plan_clause c USING (clause_id)
    LEFT JOIN missed r ON r.suite = 'reached' AND (r.clause_id, r.region_code, r.year, r.reading)
        = (j.clause_id, j.region_code, j.year, j.reading)
    LEFT JOIN missed p ON p.suite = 'pace' AND (p.clause_id, p.region_code, p.year, p.reading)
        = (j.clause_id, j.region_code, j.year, j.reading)
), settled AS (
    SELECT clause_id, region_code, year,
        any_value(verdict) FILTER (reading = 'as_reported') AS verdict,
        count(DISTINCT verdict) = 1 AS firm
    FROM outcome GROUP BY ALL
), judged AS (
    SELECT g.*, j.numerator AS n, j.denominator AS d, j.previous_numerator AS n0,
        j.previous_denominator AS d0, j.divisor AS heads, s.verdict, s.firm,
        s.verdict IS NOT NULL AS judged,
        CASE
            WHEN expected_units = 0 THEN 'not_applicable'
            WHEN NOT known THEN 'no_data'
            WHEN NOT applies OR (has_bottom AND own_denominator = 0 AND coalesce(asked, 0) = 0)
                THEN 'not_applicable'
            WHEN own_value IS NULL THEN 'no_data'
            WHEN kind = 'never_falls' AND NOT comparable THEN 'no_data'
            WHEN kind = 'monitor' OR g.year < effective_from OR g.year > effective_to
                OR NOT concerned THEN 'monitored'
        END AS without_verdict,
        -- Whoever is silent could only add to a count that is too large already.
        s.verdict = 'not_met' AND NOT has_bottom AND comparator = '<=' AND kind <> 'never_falls'
            AS beyond_doubt
    FROM ground g
    LEFT JOIN settled s USING (clause_id, region_code, year)
    LEFT JOIN judgement j
        ON j.reading = 'as_reported'
        AND (j.clause_id, j.region_code, j.year) = (g.clause_id, g.region_code, g.year)
), measured AS (
    SELECT *,
        CASE
            WHEN NOT judged OR kind = 'monitor' THEN NULL
            WHEN kind = 'never_falls' THEN n0 * d - n * d0
            ELSE p * d - q * scale * n
        END * CASE WHEN comparator = '<=' THEN -1 ELSE 1 END AS short,
        CASE WHEN kind = 'never_falls' THEN d0 ELSE (q * scale)::HUGEINT END AS below,
        -- In the indicator's own unit a shortage is spread over the denominator.
        CASE WHEN kind = 'never_falls' THEN d * d0 / scale ELSE q::HUGEINT * d END AS spread
    FROM judged
)
SELECT clause_id, indicator_id, region_code, year,
    CASE WHEN kind = 'never_falls' AND judged
        THEN scale * n::DOUBLE / d::DOUBLE ELSE own_value END AS value,
    CASE WHEN kind = 'never_falls' AND judged
        THEN scale * n0::DOUBLE / d0::DOUBLE WHEN concerned THEN threshold::DOUBLE END AS threshold,
    coalesce(without_verdict, CASE
        WHEN NOT is_unit AND entering < coverage_floor * expected_units AND NOT beyond_doubt
            THEN 'insufficient'
        WHEN NOT firm THEN 'insufficient'
        ELSE verdict
    END) AS status,
    greatest(short, 0)::DOUBLE / spread::DOUBLE AS gap,
    -- Rounded up to whole quanta; a quantum is a multiple of a hundredth.
    (CASE WHEN short <= 0 THEN 0
        ELSE (short * {_MILLION} + below * quantum * heads - 1)
            // (below * quantum * heads) * quantum // 10000
    END::DECIMAL(34,0) * 0.01::DECIMAL(3,2))::DECIMAL(38,2) AS gap_quantity,
    CASE WHEN short IS NOT NULL THEN gap_unit END AS gap_unit,
    entering::INTEGER AS reporting_units, expected_units, asked, answered
FROM measured
ORDER BY ALL
"""
