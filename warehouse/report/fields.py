"""The clauses of a region by the plan's fields of work, within each what matters first.

What is behind comes before what cannot be judged and what is on its way; among that, people before
things, and what has been due for years before what is due now. What is met, only watched, or does not
exist there comes last and is folded away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from transforms.texts import Text
from warehouse.publication.reader.pages import PlanSection, Publication, Region
from warehouse.report.brief import people_first
from warehouse.report.rows import ClauseRow, clause_row
from warehouse.wording import STATUSES

#: What a reader has to see; all else is folded away, in the order of the statuses.
_BEHIND = ("not_met", "off_track")
_UNJUDGED = ("insufficient", "no_data")
_ON_THEIR_WAY = ("on_track", "not_due")
_OPEN = (*_BEHIND, *_UNJUDGED, *_ON_THEIR_WAY)


@dataclass(frozen=True, slots=True)
class FieldRows:
    """A field of work with its clauses: those to look at, and those that are folded away."""

    section: PlanSection
    shown: list[ClauseRow]
    folded: list[ClauseRow]

    def told(self) -> list[tuple[str, Text, int]]:
        """Return how many of the folded clauses have each status."""
        counts = Counter(row.cell.status for row in self.folded)
        return [
            (status, text, counts[status]) for status, text in STATUSES.items() if counts[status]
        ]


def rows_by_field(publication: Publication, region: Region, year: int) -> list[FieldRows]:
    """Return the region's clauses of a year by field of work, in the order of the plan's fields."""
    rows = [
        clause_row(publication, clause, cell)
        for clause in publication.clauses
        if (cell := publication.cell(clause, region, year)) is not None
    ]
    fields = []
    for section in publication.sections_of_plan():
        own = [row for row in rows if row.clause.section == section.section]
        if own:
            shown = sorted((row for row in own if row.cell.status in _OPEN), key=_what_matters)
            folded = sorted(
                (row for row in own if row.cell.status not in _OPEN),
                key=lambda row: (list(STATUSES).index(row.cell.status), row.clause.plan_order),
            )
            fields.append(FieldRows(section, shown, folded))
    return fields


def rows_of(fields: Sequence[FieldRows]) -> list[ClauseRow]:
    """Return the rows of all fields in their order."""
    return [row for one in fields for row in (*one.shown, *one.folded)]


def _what_matters(row: ClauseRow) -> tuple[int, int, int, Decimal, int]:
    status = row.cell.status
    group = 0 if status in _BEHIND else 1 if status in _UNJUDGED else 2
    kind, quantity, order = people_first((row.clause, row.cell))
    overdue = row.cell.year - row.clause.due_year if row.overdue and row.clause.due_year else -1
    # Of people, how many there are comes first; of all else, for how long it has been due.
    return group, kind, 0 if kind == 0 else -overdue, quantity, order
