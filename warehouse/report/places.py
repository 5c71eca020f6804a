"""Places, classes and teachers ahead: what each stage of a region needs in the coming years, beside what it has."""

from __future__ import annotations

from dataclasses import dataclass

from transforms.texts import Text
from warehouse.figures import show_plain
from warehouse.publication.reader.pages import PlacesAhead, Publication, Region, grouped
from warehouse.report.words import word
from warehouse.wording import STAGES, figure


@dataclass(frozen=True, slots=True)
class NeededInYear:
    """What is needed in a year, in words, and how much of it is missing; None where nothing is."""

    shown: Text
    missing: Text | None
    sort: int | None


@dataclass(frozen=True, slots=True)
class PlacesLine:
    """What a stage needs of one thing over the years, beside how much of it is there."""

    stage: Text
    thing: Text
    there: Text
    needed: tuple[NeededInYear, ...]


@dataclass(frozen=True, slots=True)
class PlacesOutlook:
    """The outlook of a region: the years, and a line for each stage and thing."""

    years: tuple[int, ...]
    lines: tuple[PlacesLine, ...]


#: What is needed of each thing, what is there of it, and what it is counted in.
_THINGS = (
    ("places_seats", "pupils", "places", "个学位"),
    ("places_classes", "classes_needed", "classes", "个班"),
    ("places_teachers", "teachers_needed", "teachers", "人"),
)


def places_of(publication: Publication, region: Region) -> PlacesOutlook | None:
    """Return the outlook of a region from the year in focus; None where the publication has none."""
    rows = publication.places_ahead.get(region.code)
    if not rows:
        return None
    by_stage = grouped((row.stage, row) for row in rows)
    lines = [
        PlacesLine(
            STAGES[stage],
            word(thing),
            _figure(getattr(ahead[0], there)),
            tuple(_needed(row, needed, there, unit) for row in ahead),
        )
        for stage, ahead in by_stage.items()
        for thing, needed, there, unit in _THINGS
        if thing == "places_seats" or getattr(ahead[0], there) is not None
    ]
    years = tuple(row.for_year for row in next(iter(by_stage.values())))
    return PlacesOutlook(years, tuple(lines))


def _needed(row: PlacesAhead, needed: str, there: str, unit: str) -> NeededInYear:
    number, present = getattr(row, needed), getattr(row, there)
    if number is None:
        return NeededInYear(word("places_unknown"), None, None)
    missing = number - present if present is not None else 0
    told = word("brief_short", closes=figure(show_plain(missing), unit)) if missing > 0 else None
    return NeededInYear(_figure(number), told, number)


def _figure(number: int | None) -> Text:
    return figure(show_plain(number), None)
