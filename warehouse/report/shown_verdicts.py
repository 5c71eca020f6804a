"""What the map and the matrix show of a clause in a region and a year, each worked out once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from warehouse.publication.reader.pages import Publication, PublishedClause, Region
from warehouse.report.grades import Grades
from warehouse.report.rows import bare_value


@dataclass(frozen=True, slots=True)
class ShownVerdict:
    """A region on the map or in the matrix; a ``status`` of None is out of the clause's scope.

    ``short`` is what is short of its coverage, ``grade`` the step of colour of what is only watched.
    """

    status: str | None
    shown: str = ""
    short: str = ""
    grade: int | None = None


class ShownVerdicts:
    """The verdicts of one publication as they are shown: the map and every matrix show some of them."""

    def __init__(self, publication: Publication) -> None:
        self._publication = publication
        self.grades = Grades(publication)
        self._made: dict[tuple[str, str, int], ShownVerdict] = {}

    def of(
        self, clause: PublishedClause, regions: Iterable[Region], year: int
    ) -> list[ShownVerdict]:
        """Return what is shown of a clause in each region."""
        return [self._one(clause, region, year) for region in regions]

    def _one(self, clause: PublishedClause, region: Region, year: int) -> ShownVerdict:
        place = clause.clause_id, region.code, year
        if (made := self._made.get(place)) is None:
            made = self._made[place] = self._put_together(clause, region, year)
        return made

    def _put_together(self, clause: PublishedClause, region: Region, year: int) -> ShownVerdict:
        told = self._publication.cell(clause, region, year)
        if told is None:
            return ShownVerdict(None)
        grade = self.grades.of(clause, year).get(region.code)
        return ShownVerdict(told.status, bare_value(clause, told), told.short_of, grade)
