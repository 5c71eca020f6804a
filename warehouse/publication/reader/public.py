"""What the edition for the public hides."""

from __future__ import annotations

from dataclasses import dataclass

from warehouse.publication.reader.door import Reader

_HIDDEN = """
SELECT i.indicator_id, i.name_zh, i.name_en, h.year,
    count(DISTINCT h.region_code) FILTER (r.level = 'reporting_unit') AS units,
    coalesce(string_agg(DISTINCT r.region_name, '、' ORDER BY r.region_name)
        FILTER (r.level <> 'reporting_unit'), '') AS above
FROM hidden_count h JOIN indicator i USING (indicator_id) JOIN region r USING (region_code)
LEFT JOIN (SELECT indicator_id, min(section) AS section, min(clause_id) AS clause_id FROM clause GROUP BY 1) c
    USING (indicator_id)
GROUP BY i.indicator_id, i.name_zh, i.name_en, h.year, c.section, c.clause_id
ORDER BY c.section, c.clause_id, i.indicator_id, h.year DESC
"""


@dataclass(frozen=True, slots=True)
class HiddenCounts:
    """In how many units an indicator has hidden counts in a year, and in which regions ``above`` the units."""

    indicator_id: str
    name_zh: str
    name_en: str | None
    year: int
    units: int
    above: str


def is_public(reader: Reader) -> bool:
    """Return whether this is an edition for the public."""
    return reader.has_column("hidden_count", "part")


def read_hidden(reader: Reader) -> list[HiddenCounts]:
    """Return what is hidden, by indicator in the order of the plan, the latest year first."""
    return reader.rows(HiddenCounts, _HIDDEN)
