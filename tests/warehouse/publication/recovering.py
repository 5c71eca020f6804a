"""An attempt to recover hidden counts of people from an edition for the public.

It knows what anybody can know: the definitions (which counts make up which figure, what is added up to what, what
is a part of what), every number of the edition in whatever table it stands, and what each verdict says. It does
not know which of the hidden counts are few. What all that leaves open of a count is found by linear programming, which
also takes in everything at once: no chain of subtractions is too long for it.

Not used: verdicts that compare two hidden years, which are no linear condition.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import lil_array

from warehouse.indicators.definitions import Catalogue

#: What is counted (as the definitions write it), where, and in which year.
Cell = tuple[str, str, int]
Terms = dict[Cell, float]

CITY = "210700"


@dataclass
class _Problem:
    """The place of each count among the variables, and the limits as the solver takes them."""

    place: dict[Cell, int]
    limits: dict[str, Any]


@dataclass
class Attack:
    """Everything that is known of the counts: equations, inequalities, and the fixed ones among them."""

    known: dict[Cell, float] = field(default_factory=dict)
    cells: set[Cell] = field(default_factory=set)
    equal: list[tuple[Terms, float]] = field(default_factory=list)
    at_most: list[tuple[Terms, float]] = field(default_factory=list)
    _problems: list[_Problem] = field(default_factory=list)

    def range_of(self, *terms: tuple[Cell, float]) -> tuple[float, float]:
        """The least and the largest number that a sum of counts can be."""
        wanted = dict(terms)
        problem = self._problem(frozenset(wanted))
        objective = np.zeros(len(problem.place))
        for cell, factor in wanted.items():
            objective[problem.place[cell]] += factor
        ends = []
        for sign in (1, -1):
            found = linprog(sign * objective, **problem.limits, method="highs")
            assert found.status in (0, 3), found.message
            ends.append(sign * found.fun if found.status == 0 else -sign * np.inf)
        return ends[0], ends[1]

    def _problem(self, cells: frozenset[Cell]) -> _Problem:
        """What limits ``cells``: all that hangs together with them, made once for each such part."""
        known = next((one for one in self._problems if cells <= one.place.keys()), None)
        if known is not None:
            return known
        place = {cell: i for i, cell in enumerate(sorted(self._connected(set(cells))))}
        bounds = [(self.known.get(cell, 0), self.known.get(cell)) for cell in place]
        (left, right), (upper, most) = (
            self._rows(self.equal, place),
            self._rows(self.at_most, place),
        )
        limits = {"A_eq": left, "b_eq": right, "A_ub": upper, "b_ub": most, "bounds": bounds}
        self._problems.append(_Problem(place, limits))
        return self._problems[-1]

    def _connected(self, cells: set[Cell]) -> set[Cell]:
        """``cells`` with all that hangs together with them by what is not known."""
        of_cell = defaultdict(list)
        for terms, _ in (*self.equal, *self.at_most):
            for cell in terms:
                if cell not in self.known:
                    of_cell[cell].append(terms)
        found, waiting = set(cells), list(cells)
        while waiting:
            for terms in of_cell[waiting.pop()]:
                new = terms.keys() - found
                found |= new
                waiting += new
        return found

    def _rows(self, made: list[tuple[Terms, float]], place: dict[Cell, int]) -> tuple[Any, Any]:
        kept = [(terms, right) for terms, right in made if terms.keys() <= place.keys()]
        if not kept:
            return None, None
        left = lil_array((len(kept), len(place)))
        for i, (terms, _) in enumerate(kept):
            for cell, factor in terms.items():
                left[i, place[cell]] += factor
        return left.tocsr(), np.array([right for _, right in kept])


def attack(file: Path, catalogue: Catalogue, *, with_figures: bool = True) -> Attack:
    """All that can be known from the edition in ``file``; without its figures only what the verdicts say."""
    made = Attack()
    with duckdb.connect(str(file), read_only=True) as edition:
        rows = edition.sql("FROM indicator_value").fetchall()
        names = [column[0] for column in edition.sql("FROM indicator_value").description]
        values = [dict(zip(names, row, strict=True)) for row in rows]
        _structure(made, edition, catalogue, values)
        _verdicts(made, edition, catalogue, with_figures)
        if with_figures:
            _figures(made, edition, catalogue, values)
    return made


def cell_of(catalogue: Catalogue, indicator: str, part: str, region: str, year: int) -> Cell | None:
    """The count behind a part of a figure, by the definitions; None where the part counts no people."""
    one = catalogue.by_id[indicator]
    name = "top" if part == "numerator" else "bottom"
    if name not in one.people_parts:
        return None
    made_of = one.parts[name]
    # Which units enter a sum depends on the forms that its indicator needs.
    of_whom = f" ENTERING {indicator}" if region == CITY else ""
    return (
        f"{made_of.value} FROM {made_of.source} WHERE {made_of.rows}{of_whom}",
        region,
        year - made_of.years_before,
    )


def _pair(catalogue: Catalogue, row: dict[str, Any]) -> tuple[Cell | None, Cell | None]:
    place = row["indicator_id"], row["region_code"], row["year"]
    top, bottom = (
        cell_of(catalogue, place[0], part, place[1], place[2])
        for part in ("numerator", "denominator")
    )
    return top, bottom


def _structure(
    made: Attack, edition: Any, catalogue: Catalogue, values: list[dict[str, Any]]
) -> None:
    """What is a sum of what, what is a part of what, and that nobody is fewer than nobody."""
    regions = edition.sql("SELECT region_code, parent_code, level FROM region").fetchall()
    hidden = set(
        edition.sql("SELECT indicator_id, region_code, year, part FROM hidden_count").fetchall()
    )
    parts: dict[tuple[str, str, int], dict[str, Cell]] = defaultdict(dict)
    entering = {
        (row["indicator_id"], row["region_code"], row["year"]): row["reporting_units"]
        for row in values
    }
    for row in values:
        for part, cell in zip(("numerator", "denominator"), _pair(catalogue, row), strict=True):
            told = row[part] is not None
            place = row["indicator_id"], row["region_code"], row["year"]
            if cell is not None and (told or (*place, part) in hidden):
                made.cells.add(cell)
                parts[place[0], part, place[2]][place[1]] = cell
        top, bottom = _pair(catalogue, row)
        if top and bottom and {top, bottom} <= made.cells and row["indicator_id"] in _SHARES:
            made.at_most.append(({top: 1, bottom: -1}, 0))
    units = {code: parent for code, parent, level in regions if level == "reporting_unit"}
    for (indicator, _, year), of_region in parts.items():
        for region, cell in of_region.items():
            below = [
                of_region[unit]
                for unit, above in units.items()
                if above == region and unit in of_region
            ]
            # With a unit that reported and does not enter, nobody knows of whom the sum is.
            if below and len(below) == entering[indicator, region, year]:
                terms = dict.fromkeys(below, 1.0)
                made.equal.append(({**terms, cell: -1}, 0))


#: Shares of people, whose numerator is a part of their denominator.
_SHARES = (
    "disabled_children_enrolment_rate",
    "student_aid_coverage",
    "migrant_public_school_share",
    "left_behind_cared_share",
    "rural_subsidy_coverage",
    "head_teacher_allowance_coverage",
    "teacher_rotation_rate",
    "outside_training_share",
    "dual_qualified_teacher_share",
    "bullying_handled_share",
    "head_rotation_rate",
    "public_kindergarten_enrolment_share",
    "inclusive_kindergarten_enrolment_share",
    "backbone_rotation_to_weak_share",
    "private_vocational_student_share",
)


def _verdicts(made: Attack, edition: Any, catalogue: Catalogue, with_figures: bool) -> None:
    """That a figure reaches its threshold, or misses it: then by one of its numerator at least."""
    last_year = "a.threshold" if with_figures else "NULL"
    for indicator, region, year, status, comparator, threshold in edition.sql(
        "SELECT a.indicator_id, a.region_code, a.year, a.status, c.comparator,"
        f" CASE WHEN c.kind = 'never_falls' THEN {last_year} ELSE coalesce(a.threshold, c.threshold::DOUBLE) END"
        " FROM attainment a JOIN clause c USING (clause_id)"
        " WHERE a.status IN ('met', 'not_met', 'on_track', 'off_track', 'not_due')"
    ).fetchall():
        top = cell_of(catalogue, indicator, "numerator", region, year)
        bottom = cell_of(catalogue, indicator, "denominator", region, year)
        one = catalogue.by_id[indicator]
        if threshold is None or top not in made.cells:
            continue
        if one.bottom is not None and bottom not in made.cells:
            continue
        # scale × top - threshold × bottom, where at least is asked: 0 or more, or less than 0.
        sign = 1 if comparator != "<=" else -1
        terms = {top: sign * float(one.scale)}
        right = 0.0
        if bottom is None:
            right = sign * threshold
        else:
            terms[bottom] = terms.get(bottom, 0) - sign * threshold
            made.at_most.append(({bottom: -1}, -1))
        slack = 1e-7
        if status == "met":
            made.at_most.append(({c: -f for c, f in terms.items()}, -right + slack))
        else:
            whole = float(threshold).is_integer()
            made.at_most.append((terms, right - (1 if whole else 1e-6) * 1.0))


def _figures(
    made: Attack, edition: Any, catalogue: Catalogue, values: list[dict[str, Any]]
) -> None:
    """Every number of the edition that is made of counts of people, from whatever table."""

    def know(cell: Cell | None, number: Any) -> None:
        if cell in made.cells and number is not None:
            assert made.known.setdefault(cell, float(number)) == float(number), cell

    def rate(row: dict[str, Any], value: Any) -> None:
        top, bottom = _pair(catalogue, row)
        if value is None or top not in made.cells:
            return
        scale = catalogue.by_id[row["indicator_id"]].scale
        if catalogue.by_id[row["indicator_id"]].bottom is None:
            know(top, value)
        elif bottom in made.cells:
            made.equal.append(({top: float(scale), bottom: -float(value)}, 0))

    for row in values:
        top, bottom = _pair(catalogue, row)
        know(top, row["numerator"])
        know(bottom, row["denominator"])
        rate(row, row["value"])
    for table, columns in (
        ("attainment", ("value",)),
        ("attainment_latest", ("value",)),
        ("trend", ("value",)),
        ("vintage", ("value",)),
        ("revision", ("new_value",)),
        ("year_on_year", ("value",)),
    ):
        for column in columns:
            for indicator, region, year, value in edition.sql(
                f"SELECT indicator_id, region_code, year, {column} FROM {table}"
            ).fetchall():
                rate({"indicator_id": indicator, "region_code": region, "year": year}, value)
    for indicator, region, year, value in (
        edition.sql(
            "UNPIVOT county_scorecard ON COLUMNS(* EXCLUDE (region_code, region_name, region_name_en, level, kind, year))"
            " INTO NAME indicator VALUE value"
        )
        .project("indicator, region_code, year, value")
        .fetchall()
    ):
        rate({"indicator_id": indicator, "region_code": region, "year": year}, value)
    for indicator, region, year, numerator, denominator, n0, d0, previous in edition.sql(
        "SELECT indicator_id, region_code, year, numerator, denominator, previous_numerator,"
        " previous_denominator, previous_value FROM year_on_year"
    ).fetchall():
        place = {"indicator_id": indicator, "region_code": region}
        told = [
            (_pair(catalogue, {**place, "year": when}), (top, bottom))
            for when, top, bottom in ((year, numerator, denominator), (year - 1, n0, d0))
        ]
        # Over other units than the published sums are: of whom, nobody can say.
        if any(
            number is not None and made.known.get(cell, number) != number
            for cells, numbers in told
            for cell, number in zip(cells, numbers, strict=True)
        ):
            continue
        for cells, numbers in told:
            know(cells[0], numbers[0])
            know(cells[1], numbers[1])
        rate({**place, "year": year - 1}, previous)
    # How far from the threshold, and how many people that is (rounded up).
    for indicator, region, year, kind, comparator, threshold, gap, quantity in edition.sql(
        "SELECT a.indicator_id, region_code, year, kind, c.comparator, coalesce(a.threshold, c.threshold::DOUBLE),"
        " gap, gap_quantity FROM attainment a JOIN clause c USING (clause_id) WHERE gap IS NOT NULL"
    ).fetchall():
        if kind == "never_falls":
            rate({"indicator_id": indicator, "region_code": region, "year": year - 1}, threshold)
        sign = 1 if comparator != "<=" else -1
        if gap:
            rate(
                {"indicator_id": indicator, "region_code": region, "year": year},
                threshold - sign * gap,
            )
        top, bottom = _pair(
            catalogue, {"indicator_id": indicator, "region_code": region, "year": year}
        )
        scale = catalogue.by_id[indicator].scale
        if quantity and top in made.cells and (bottom is None or bottom in made.cells):
            # threshold × bottom / scale - top, rounded up, is the quantity.
            terms = {top: -float(sign)} | ({bottom: sign * threshold / scale} if bottom else {})
            right = 0.0 if bottom else -sign * threshold
            made.at_most.append((terms, float(quantity) + right + 1e-6))
