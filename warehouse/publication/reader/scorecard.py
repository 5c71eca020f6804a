"""The scorecard of a publication: its clauses in the regions above the units, in the year in focus."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from warehouse.publication.reader.door import Reader

#: A row of the scorecard: a clause in a region above the units, in the year in focus. Parts of the
#: year before belong to a clause that never falls, whose threshold they are.
SCORES = """
SELECT a.clause_id, a.name_zh, a.name_en, a.unit, i.scale, a.kind, a.comparator, a.due_year, a.interpretation,
    a.basis_zh, a.basis_en, a.region_code, a.region_name, a.year, a.value, a.threshold, a.status,
    v.numerator, v.denominator,
    p.numerator AS numerator_before, p.denominator AS denominator_before,
    a.reporting_units, a.expected_units, a.asked, a.answered, a.coverage_zh, a.coverage_en,
    coalesce(a.units_judged, 0) AS units_judged, coalesce(a.units_met, 0) AS units_met,
    a.against_most_units AS against,
    y.numerator AS compared_numerator, y.denominator AS compared_denominator, y.value AS compared,
    y.previous_numerator, y.previous_denominator, y.previous_value, y.direction
FROM attainment_latest a
JOIN indicator i USING (indicator_id)
JOIN region r ON r.region_code = a.region_code
LEFT JOIN indicator_value v ON (v.indicator_id, v.region_code, v.year)
    = (a.indicator_id, a.region_code, a.year)
-- With the kind as a condition of its own, DuckDB compares every row with every other: a minute of a nation's.
LEFT JOIN indicator_value p ON (p.indicator_id, p.region_code, p.year)
    = (a.indicator_id, a.region_code, CASE WHEN a.kind = 'never_falls' THEN a.year - 1 END)
LEFT JOIN year_on_year y ON (y.clause_id, y.region_code, y.year)
    = (a.clause_id, a.region_code, a.year)
WHERE a.level <> 'reporting_unit'
ORDER BY r.parent_code IN (SELECT region_code FROM region) IS TRUE, a.region_code, a.plan_order
"""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """A row of :data:`SCORES`."""

    clause_id: str
    name_zh: str
    name_en: str
    unit: str
    scale: int
    kind: str
    comparator: str | None
    due_year: int | None
    interpretation: bool
    basis_zh: str | None
    basis_en: str | None
    region_code: str
    region_name: str
    year: int
    value: float | None
    threshold: float | None
    status: str
    numerator: Decimal | None
    denominator: Decimal | None
    numerator_before: Decimal | None
    denominator_before: Decimal | None
    reporting_units: int
    expected_units: int
    asked: int | None
    answered: int | None
    coverage_zh: str | None
    coverage_en: str | None
    units_judged: int
    units_met: int
    against: bool
    compared_numerator: Decimal | None
    compared_denominator: Decimal | None
    compared: float | None
    previous_numerator: Decimal | None
    previous_denominator: Decimal | None
    previous_value: float | None
    direction: str | None


def scores_of(reader: Reader) -> list[ScoreRow]:
    """Return the rows of the scorecard, the region at the top first, clauses in plan order."""
    return reader.rows(ScoreRow, SCORES)
