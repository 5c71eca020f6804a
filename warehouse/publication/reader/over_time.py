"""Units that others were merged into: their figures as they were, and as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from transforms.texts import Text
from warehouse.figures import Number, behind
from warehouse.publication.reader.door import Reader
from warehouse.publication.reader.queries import CLAUSE_ORDER


@dataclass(frozen=True, slots=True)
class FigureOverTime:
    """An indicator of a unit by year: over the unit of that year, and over the unit of today."""

    indicator_id: str
    name: Text
    unit: str
    as_it_was: Mapping[int, Number | None]
    as_it_is_now: Mapping[int, Number | None]


@dataclass(frozen=True, slots=True)
class MergedUnit:
    """What a unit was merged from, with its figures in the order of the plan."""

    merged: tuple[str, ...]
    figures: tuple[FigureOverTime, ...]


#: Of every unit, those that are part of it now.
_MERGED = """
WITH RECURSIVE part AS (
    SELECT region_code, region_name, successor AS now FROM region WHERE successor IS NOT NULL
    UNION
    SELECT p.region_code, p.region_name, r.successor
    FROM part p JOIN region r ON r.region_code = p.now WHERE r.successor IS NOT NULL
)
SELECT now, list(region_name ORDER BY region_code) FROM part GROUP BY now
"""
_FIGURES = f"""
WITH place AS (
    SELECT indicator_id, min(plan_order) AS place FROM ({CLAUSE_ORDER}) GROUP BY ALL
)
SELECT n.region_code, n.indicator_id, i.name_zh, i.name_en, i.unit, i.scale, n.year,
    v.value, v.numerator, v.denominator, n.value, n.numerator, n.denominator
FROM indicator_value_as_now n
JOIN indicator i USING (indicator_id)
LEFT JOIN place p USING (indicator_id)
LEFT JOIN indicator_value v USING (indicator_id, region_code, year)
ORDER BY n.region_code, p.place, n.indicator_id, n.year
"""


def merged_units(reader: Reader) -> dict[str, MergedUnit]:
    """Return the units that others were merged into, by their codes; none from an earlier program."""
    if not reader.has_column("region", "successor"):
        return {}
    names = dict(reader.tuples(_MERGED))
    found: dict[str, dict[str, FigureOverTime]] = {}
    for region, indicator, zh, en, unit, scale, year, *figures in reader.tuples(_FIGURES):
        was, was_top, was_bottom, now, now_top, now_bottom = figures
        one = found.setdefault(region, {}).setdefault(
            indicator, FigureOverTime(indicator, Text(zh, en or zh), unit, {}, {})
        )
        # The records are filled here and nowhere else.
        assert isinstance(one.as_it_was, dict) and isinstance(one.as_it_is_now, dict)
        one.as_it_was[year] = behind(was, was_top, was_bottom, scale)
        one.as_it_is_now[year] = behind(now, now_top, now_bottom, scale)
    return {
        region: MergedUnit(tuple(names[region]), tuple(of_region.values()))
        for region, of_region in found.items()
        if region in names
    }
