"""What a unit has to do: its widest gap, what it has not handed in, and what has turned."""

from __future__ import annotations

from dataclasses import dataclass

from warehouse.publication.reader.pages import Publication, Region, Reporting
from warehouse.report.brief import ClauseGap, Turn, clause_gaps, turned_verdicts, with_target

#: So many of each are named at the head of a unit's page.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Duties:
    """The three things at the head of a unit's page; totals say how many there are of each."""

    gaps: list[ClauseGap]
    gaps_total: int
    lacking: list[Reporting]
    findings: int
    turned: list[Turn]
    turned_total: int


def duties_of(publication: Publication, unit: Region, year: int) -> Duties:
    """Return what a unit, or a region made of units, has to do, seen from ``year``."""
    pairs = with_target(publication, unit, year)
    gaps = clause_gaps(pairs)
    turned = turned_verdicts(publication, unit, pairs, year)
    lacking = [
        row
        for below in publication.units_of(unit)
        for form in publication.forms
        if (row := publication.reported.get((below.code, form, year)))
        and row.expected
        and not row.accepted
    ]
    return Duties(
        gaps=gaps[:_NAMED],
        gaps_total=len(gaps),
        lacking=lacking,
        findings=publication.findings_counted[unit.code],
        turned=turned[: 2 * _NAMED],
        turned_total=len(turned),
    )
