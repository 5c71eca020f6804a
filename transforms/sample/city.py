"""A made-up city: clean rows of all forms for any units and years."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from transforms.sample.roster import make_roster
from transforms.sample.rows import UnitYear
from transforms.sample.unit import Span, Unit, make_unit

#: Form, region code and year of a submission.
Key = tuple[str, str, int]


def make_city(
    years: Sequence[int],
    regions: pl.DataFrame,
    townships: pl.DataFrame,
    *,
    seed: int = 1,
    scale: int = 1,
) -> dict[Key, pl.DataFrame]:
    """Clean rows for every form, unit and year that is expected.

    ``regions`` and ``townships`` have the columns of transforms/reference; only rows of level
    ``reporting_unit`` report. ``scale`` multiplies institutions, people and cases of every unit.
    The frames are in the schema of their form. A unit's rows depend on ``seed``, ``scale``, the
    unit and the year alone.
    """
    return {
        key: frame
        for unit in units_of(regions, seed=seed, scale=scale)
        for key, frame in unit_frames(unit, years, townships)
    }


def units_of(
    regions: pl.DataFrame, *, seed: int, scale: int, expected: pl.DataFrame | None = None
) -> list[Unit]:
    """Return the reporting units of ``regions`` in the order of their codes.

    ``expected`` has region_code, form, from_year and to_year: what is asked of them; None for all that a
    unit of the made-up city has.
    """
    spans: dict[str, list[Span]] = {}
    if expected is not None:
        for code, *span in expected.iter_rows():
            spans.setdefault(code, []).append(Span(*span))
    listed = regions.filter(pl.col("level") == "reporting_unit").sort("region_code")
    columns = ("region_code", "region_name", "aliases", "kind", "parent_code")
    return [
        make_unit(
            code,
            name,
            tuple(alias for alias in aliases.split("|") if alias),
            kind,
            parent,
            seed=seed,
            scale=scale,
            asked=None if expected is None else tuple(spans.get(code, ())),
        )
        for code, name, aliases, kind, parent in listed.select(
            pl.col(columns).cast(pl.String).fill_null("")
        ).iter_rows()
    ]


def unit_frames(
    unit: Unit, years: Sequence[int], townships: pl.DataFrame
) -> Iterator[tuple[Key, pl.DataFrame]]:
    """Yield the submissions of one unit, year by year."""
    roster = make_roster(unit, townships.cast({"county_code": pl.String}))
    for year in years:
        figures = UnitYear(unit, roster, year)
        for form in unit.forms(year):
            yield (form, unit.code, year), figures.frame(form)
