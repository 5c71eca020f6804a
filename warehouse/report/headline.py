"""What a clause's page says before everything else: the finding in a sentence, and what is behind a change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transforms.texts import Text
from warehouse.figures import show_plain
from warehouse.publication.reader.pages import Judgement, Publication, PublishedClause, Region
from warehouse.report.brief import amiss_text, depends_on_text
from warehouse.report.rows import ClauseRow, due_text, target_text, value_text
from warehouse.report.words import word
from warehouse.wording import STATUSES


def headline(publication: Publication, clause: PublishedClause, cell: Judgement) -> Text:
    """Return the finding on a clause in a region above the units, in a sentence or two."""
    return _joined([_finding(publication, clause, cell), _of_units(publication, clause, cell)])


def _finding(publication: Publication, clause: PublishedClause, cell: Judgement) -> Text:
    region = publication.region_by_code[cell.region_code]
    parts = {"region": region.name, "status": STATUSES[cell.status]}
    if cell.status == "not_applicable":
        return word("headline_plain", **parts)
    if cell.status == "no_data":
        return word("headline_because", **parts, why=depends_on_text(publication, clause, cell))
    if cell.status == "monitored":
        return word("headline_monitored", **parts, value=value_text(clause, cell))
    figures = {
        "value": value_text(clause, cell),
        "target": target_text(clause, cell),
        "due": due_text(clause, cell.year),
    }
    if cell.status == "insufficient":
        return word("headline_unsure", **parts, **figures, why=cell.coverage or Text("", ""))
    if cell.gap_quantity and cell.status != "met":
        return word("headline_short", **parts, **figures, amiss=amiss_text(clause, cell))
    return word("headline_reached", **parts, **figures)


def _of_units(publication: Publication, clause: PublishedClause, cell: Judgement) -> Text | None:
    """Return how the units stand, or that they are not judged."""
    if clause.kind == "monitor":
        return None
    if not any(publication.cell(clause, unit, cell.year) for unit in publication.units):
        return word("headline_city_alone")
    standing = publication.standings.get((clause.clause_id, cell.region_code, cell.year))
    if standing is None or not standing.units_judged:
        return None
    return word("headline_units", judged=standing.units_judged, met=standing.units_met)


def _joined(parts: Sequence[Text | None]) -> Text:
    told = [part for part in parts if part is not None]
    return Text("".join(part.zh for part in told), " ".join(part.en for part in told))


def behind_change(publication: Publication, clause: PublishedClause, cell: Judgement) -> list[Text]:
    """Return what stands behind a change since the year before: numerator, denominator, who is counted.

    Nothing where the two years cannot be compared.
    """
    told = publication.year_on_year.get((clause.clause_id, cell.region_code, cell.year))
    if told is None:
        return []
    parts = [_moved("numerator", told.numerators)]
    if told.denominators is not None:
        parts.append(_moved("denominator", told.denominators))
    if (cell.expected_units or 0) > 1:
        parts.append(word("change_over", units=told.units, expected=cell.expected_units))
    before = publication.cells.get((clause.clause_id, cell.region_code, cell.year - 1))
    if before is not None and before.covered != cell.covered:
        parts.append(word("change_covered", before=before.covered, now=cell.covered))
    return parts


def _moved(key: str, pair: tuple[object, object]) -> Text:
    before, now = (show_plain(figure) for figure in pair)
    return word("change_part", part=word(key), before=before, now=now)


@dataclass(frozen=True, slots=True)
class Rank:
    """Where a unit stands among those that are as urban or rural as it is."""

    place: int
    of: int


def rank_among_peers(
    publication: Publication, clause: PublishedClause, unit: Region, rows: Sequence[ClauseRow]
) -> Rank | None:
    """Return the unit's place among its peers by value, the best first; None where there is none to rank."""
    peers = {peer.code for peer in publication.peers(unit)}
    values = {
        row.region.code: row.cell.value
        for row in rows
        if row.region.code in peers and row.cell.value is not None and row.cell.firm
    }
    own = values.get(unit.code)
    if own is None or len(values) < 2:
        return None
    better = sum(
        value > own if clause.better == "higher" else value < own for value in values.values()
    )
    return Rank(better + 1, len(values))
