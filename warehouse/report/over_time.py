"""The switch on the page of a unit that others were merged into: as they were, as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from transforms.texts import Text
from warehouse.figures import Number, show_value
from warehouse.publication.reader.over_time import MergedUnit
from warehouse.report.rows import DASH
from warehouse.report.words import word
from warehouse.wording import figure


@dataclass(frozen=True, slots=True)
class MergedFigure:
    """An indicator: for each year the figure as it was and as it is now."""

    name: Text
    cells: tuple[tuple[Text, Text], ...]


@dataclass(frozen=True, slots=True)
class OverTime:
    """What the section shows: which units are part of this one now, the years, a line for each indicator."""

    merged: Text
    years: tuple[int, ...]
    lines: tuple[MergedFigure, ...]


def over_time(units: Mapping[str, MergedUnit]) -> dict[str, OverTime]:
    """Return the section of each unit that has one, by its code; a line says something in some year."""
    return {region: _section(unit) for region, unit in units.items()}


def _section(unit: MergedUnit) -> OverTime:
    years = sorted({year for one in unit.figures for year in one.as_it_is_now})
    lines = [
        MergedFigure(
            one.name,
            tuple(
                (
                    _shown(one.as_it_was.get(year), one.unit),
                    _shown(one.as_it_is_now.get(year), one.unit),
                )
                for year in years
            ),
        )
        for one in unit.figures
    ]
    return OverTime(
        word("over_time_note", names="、".join(unit.merged)),
        tuple(years),
        tuple(line for line in lines if any(cell != (DASH, DASH) for cell in line.cells)),
    )


def _shown(value: Number | None, unit: str) -> Text:
    return DASH if value is None else figure(show_value(value, unit), unit)
