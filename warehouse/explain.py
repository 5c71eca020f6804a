"""Where does this number come from? From a published figure to its submissions, sheets and cells.

A publication says which submissions were in force when it was made; the warehouse keeps the rows of
every accepted version. :func:`explain` puts the two together: it builds the sources of the
indicators (``current.<form>`` and the catalogue's views) over the publication's own submissions
and asks the very expressions that the figure was computed from, row by row. So a past publication
is explained by its own rows, and by handing in its file.

Which cells an expression speaks of is read off its parsed SQL, never off a second list. Nothing is
written.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from transforms.forms import FORMS, Kind
from warehouse.compute import NUMERIC, source_name
from warehouse.explanation import (
    Cell,
    Change,
    Contribution,
    Explanation,
    FindingShown,
    Missing,
    PartName,
    Range,
    Remark,
    Row,
    RowList,
    SheetUsed,
    SubmissionUsed,
    Verdict,
)
from warehouse.frames import literal
from warehouse.indicators import Catalogue, Indicator, Part
from warehouse.reference import Reference, folder_key
from warehouse.store import open_warehouse


class CannotExplain(Exception):
    """What was asked for is not there, or not unique; the message says what is."""


def explain(
    published: Path,
    warehouse: Path,
    reference: Reference,
    catalogue: Catalogue,
    indicator: str,
    region: str,
    year: int,
    rows: int = 20,
) -> Explanation:
    """Explain one figure of the publication in the file ``published``.

    ``indicator`` is an id, a Chinese or English name or a clause; ``region`` a code, name or alias;
    the beginning or a part of one is enough where it is unique. At most ``rows`` rows are listed
    for each part.

    Raises:
        CannotExplain: a file is not there; the indicator or region is unknown or ambiguous; there
            is no such figure for that region and year.
        WarehouseLocked: a run is writing to the warehouse.
    """
    if not published.exists():
        raise CannotExplain(f"there is no publication {published}")
    if not warehouse.exists():
        raise CannotExplain(
            f"{warehouse}, which holds the rows behind the figures, is not there; "
            "the next night makes it again from the archive"
        )
    with open_warehouse(warehouse, reference, read_only=True) as connection:
        row = connection.execute("SELECT current_database()").fetchone()
        assert row is not None
        connection.execute(
            f"ATTACH {literal(published)} AS published (READ_ONLY); ATTACH ':memory:' AS explaining;"
            f"USE explaining"
        )
        figure = _figure(connection, reference, catalogue, indicator, region, year)
        return _Explaining(connection, str(row[0]), reference, catalogue, figure).all(rows)


@dataclass(frozen=True)
class _Figure:
    """Which figure is to be explained, and what its publication says of it.

    ``units`` are the units in the indicator's scope that the region is made of, itself for a unit.
    """

    indicator: Indicator
    region_code: str
    names: Mapping[str, str]
    year: int
    units: tuple[str, ...]
    is_unit: bool
    numerator: Decimal | None
    denominator: Decimal | None
    value: float | None
    reporting_units: int
    expected_units: int

    @property
    def region_name(self) -> str:
        return self.names[self.region_code]

    @property
    def key(self) -> str:
        """The figure as a condition on a table of the publication."""
        return (
            f"indicator_id = {literal(self.indicator.indicator_id)} "
            f"AND region_code = {literal(self.region_code)} AND year = {self.year}"
        )


def _figure(
    connection: duckdb.DuckDBPyConnection,
    reference: Reference,
    catalogue: Catalogue,
    indicator: str,
    region: str,
    year: int,
) -> _Figure:
    known = connection.execute(
        "SELECT i.indicator_id, i.name_zh, i.name_en, coalesce(string_agg(c.clause_id, ' ' ORDER BY"
        " c.clause_id), '') FROM published.indicator i LEFT JOIN published.clause c"
        " USING (indicator_id) GROUP BY ALL ORDER BY any_value(i.section), i.indicator_id"
    ).fetchall()
    indicator_id = _find(
        "indicator",
        indicator,
        {name: (name, zh, en, *clauses.split()) for name, zh, en, clauses in known},
        {name: f"{name} {zh} ({clauses})" for name, zh, _, clauses in known},
    )
    if indicator_id not in catalogue.by_id:
        raise CannotExplain(
            f"the indicator {indicator_id} of this publication is no longer defined, "
            "so that its rows cannot be told any more"
        )
    regions = connection.execute(
        "SELECT region_code, region_name, parent_code, level, kind FROM published.region"
        " ORDER BY region_code"
    ).fetchall()
    names = {code: name for code, name, *_ in regions}
    aliases = {
        code: (words or "").split("|")
        for code, words in reference.regions.select("region_code", "aliases").iter_rows()
    }
    region_code = _find(
        "region",
        region,
        {code: (code, name, *aliases.get(code, ())) for code, name in names.items()},
        {code: f"{code} {name}" for code, name in names.items()},
    )
    found = connection.execute(
        "SELECT region_code, year, numerator, denominator, value, reporting_units, expected_units"
        f" FROM published.indicator_value WHERE indicator_id = {literal(indicator_id)}"
    ).fetchall()
    in_scope = {row[0] for row in found}
    name_zh = catalogue.by_id[indicator_id].name_zh
    if region_code not in in_scope:
        scope = "、".join(name for code, name in names.items() if code in in_scope)
        raise CannotExplain(
            f"{name_zh} is not published for {names[region_code]}, only for {scope}"
        )
    figures = {row[1]: row[2:] for row in found if row[0] == region_code}
    if year not in figures:
        raise CannotExplain(
            f"there are no figures for {year}, only for {min(figures)} to {max(figures)}"
        )
    parents = {code: parent for code, _, parent, *_ in regions}
    own = {code for code, _, _, _, kind in regions if kind == "市直"}
    city_alone = catalogue.by_id[indicator_id].scope == "city"
    units = tuple(
        code
        for code, _, _, level, _ in regions
        if level == "reporting_unit"
        and region_code in _lineage(code, parents)
        and (code in own if city_alone else code in in_scope)
    )
    return _Figure(
        catalogue.by_id[indicator_id],
        region_code,
        names,
        year,
        units,
        units == (region_code,),
        *figures[year],
    )


def _lineage(code: str | None, parents: Mapping[str, str | None]) -> Iterator[str]:
    """A region and all above it."""
    while code:
        yield code
        code = parents.get(code)


def _find(
    what: str, word: str, names: Mapping[str, Sequence[str]], shown: Mapping[str, str]
) -> str:
    """The key whose names ``word`` is, or begins, or is part of; the first of these that fits one."""
    wanted = folder_key(word).lower()
    folded = {key: [folder_key(name).lower() for name in each] for key, each in names.items()}
    tests: tuple[Callable[[str], bool], ...] = (
        lambda name: name == wanted,
        lambda name: name.startswith(wanted),
        lambda name: wanted in name,
    )
    for fits in tests:
        found = [key for key, each in folded.items() if any(fits(name) for name in each)]
        if len(found) == 1:
            return found[0]
        if found:
            raise CannotExplain(
                f"{word!r} may be more than one {what}:" + _listed(shown[key] for key in found)
            )
    near = difflib.get_close_matches(wanted, [n for each in folded.values() for n in each], n=8)
    keys = [key for key, each in folded.items() if set(near) & set(each)] or list(shown)
    raise CannotExplain(
        f"there is no {what} {word!r}; there are:" + _listed(shown[k] for k in keys)
    )


def _listed(lines: Iterable[str]) -> str:
    return "".join(f"\n  {line}" for line in lines)


