"""Steps of colour for what is only watched: from the lowest figure of the units to the highest."""

from __future__ import annotations

from collections.abc import Mapping

from transforms.texts import Text
from warehouse.figures import show_value
from warehouse.publication.reader.pages import Publication, PublishedClause
from warehouse.wording import figure

#: So many steps; the style sheet has a colour for each.
STEPS = 5


def grades_of(values: Mapping[str, float]) -> dict[str, int]:
    """Return the step of each value, 0 the lowest; one in the middle where all are the same."""
    if not values:
        return {}
    low, high = min(values.values()), max(values.values())
    if low == high:
        return dict.fromkeys(values, STEPS // 2)
    width = (high - low) / STEPS
    return {code: min(STEPS - 1, int((value - low) / width)) for code, value in values.items()}


class Grades:
    """The steps of all that is only watched, each worked out once: every matrix shows some of them."""

    def __init__(self, publication: Publication) -> None:
        self._watched = publication.watched
        self._found: dict[tuple[str, int], dict[str, int]] = {}

    def of(self, clause: PublishedClause, year: int) -> dict[str, int]:
        """Return the step of each unit."""
        place = clause.clause_id, year
        if place not in self._found:
            self._found[place] = grades_of(self._watched.get(place, {}))
        return self._found[place]

    def legend(self, clause: PublishedClause, year: int) -> list[tuple[int, Text]]:
        """Return the steps that occur, each with the figures in it, the lowest first."""
        return legend_of(clause, self._watched.get((clause.clause_id, year), {}))

    def in_year(self, year: int) -> dict[str, dict[str, float]]:
        """Return all values of a year that steps come from, by clause."""
        return {clause: values for (clause, y), values in self._watched.items() if y == year}


def legend_of(clause: PublishedClause, values: Mapping[str, float]) -> list[tuple[int, Text]]:
    """Return the steps that occur, each with the figures in it, the lowest first."""
    steps: dict[int, list[float]] = {}
    for code, step in grades_of(values).items():
        steps.setdefault(step, []).append(values[code])
    return [(step, _span(clause, steps[step])) for step in sorted(steps)]


def _span(clause: PublishedClause, values: list[float]) -> Text:
    low, high = (show_value(value, clause.unit) for value in (min(values), max(values)))
    if low == high:
        return figure(low, clause.unit)
    end = figure(high, clause.unit)
    return Text(f"{low}–{end.zh}", f"{low}–{end.en}")
