"""An attempt to recover hidden counts of people from an edition for the public.

It knows what anybody can know: the definitions (which counts make up which figure, what is added up to what, what
is a part of what), every number of the edition in whatever table it stands, and what each verdict says. It does
not know which of the hidden counts are few. What all that leaves open of a count is found by linear programming, which
also takes in everything at once: no chain of subtractions is too long for it.

A verdict that holds a year against another one compares two rates, and speaks of products of counts. Where both factors
of a product are hidden it is a variable of its own, held by the ranges of its factors (McCormick's envelopes), which are found
first without it and grow narrower with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from scipy.optimize import linprog
from scipy.sparse import lil_array

from warehouse.indicators.definitions import Catalogue, PartName

#: What is counted (as the definitions write it), where, and in which year.
Cell = tuple[str, str, int]
Terms = dict[Cell, float]
#: A count, or the product of two.
Factors = tuple[Cell, ...]
Range = tuple[float, float]

#: So often ranges are narrowed by the products of them.
_ROUNDS = 3
_NEAR = 1e-3


@dataclass
class _Problem:
    """The place of each count and product among the variables, and the limits as the solver takes them."""

    place: dict[Factors, int]
    limits: dict[str, Any]

    def range_of(self, terms: Terms) -> Range:
        """The least and the largest number that a sum of counts can be."""
        objective = np.zeros(len(self.place))
        for cell, factor in terms.items():
            objective[self.place[cell,]] += factor
        ends = []
        for sign in (1, -1):
            found = linprog(sign * objective, **self.limits, method="highs")
            if found.status == 2:
                # There is a solution, the city itself: what has no end is taken for impossible by the presolver at times.
                asked = {**self.limits, "options": {"presolve": False}}
                found = linprog(sign * objective, **asked, method="highs")
            assert found.status in (0, 3), found.message
            ends.append(sign * found.fun if found.status == 0 else -sign * np.inf)
        return ends[0], ends[1]


@dataclass
class Attack:
    """Everything that is known of the counts: equations, inequalities, and the fixed ones among them."""

    catalogue: Catalogue
    #: The units below each region that is a sum of them.
    below: Mapping[str, frozenset[str]]
    known: dict[Cell, float] = field(default_factory=dict)
    cells: set[Cell] = field(default_factory=set)
    equal: list[tuple[Terms, float]] = field(default_factory=list)
    at_most: list[tuple[Terms, float]] = field(default_factory=list)
    #: What is 0 or less, as counts and products of two with their factors.
    products: list[dict[Factors, float]] = field(default_factory=list)
    _problems: list[_Problem] = field(default_factory=list)

    @property
    def sums(self) -> Collection[str]:
        """The regions that are sums of others."""
        return self.below.keys()

    def cell_of(self, indicator: str, part: str, region: str, year: int) -> Cell | None:
        """The count behind a part of a figure, by the definitions; None where the part counts no people."""
        one = self.catalogue.by_id[indicator]
        name: PartName = "top" if part == "numerator" else "bottom"
        if name not in one.people_parts:
            return None
        made_of = one.parts[name]
        # Which units enter a sum depends on the forms that its indicator needs.
        of_whom = f" ENTERING {indicator}" if region in self.sums else ""
        return (
            f"{made_of.value} FROM {made_of.source} WHERE {made_of.rows}{of_whom}",
            region,
            year - made_of.years_before,
        )

    def pair(self, row: Mapping[str, Any]) -> tuple[Cell | None, Cell | None]:
        """The counts behind both parts of the figure in the place of ``row``."""
        place = row["region_code"], row["year"]
        return (
            self.cell_of(row["indicator_id"], "numerator", *place),
            self.cell_of(row["indicator_id"], "denominator", *place),
        )

    def range_of(self, *terms: tuple[Cell, float]) -> Range:
        """The least and the largest number that a sum of counts can be."""
        wanted = dict(terms)
        return self._problem(frozenset(wanted)).range_of(wanted)

    def _problem(self, cells: frozenset[Cell]) -> _Problem:
        """What limits ``cells``: all that hangs together with them, made once for each such part."""
        wanted = {(cell,) for cell in cells}
        known = next((one for one in self._problems if wanted <= one.place.keys()), None)
        if known is not None:
            return known
        within = self._connected(set(cells))
        bounds = {cell: (self.known.get(cell, 0), self.known.get(cell, np.inf)) for cell in within}
        products = self._products(within)
        problem = self._limited(bounds, products)
        factors = {cell for one in products for term in one if len(term) == 2 for cell in term}
        for _ in range(_ROUNDS if factors else 0):
            bounds |= {cell: _whole(problem.range_of({cell: 1})) for cell in factors}
            problem = self._limited(bounds, products)
        self._problems.append(problem)
        return problem

    def _products(self, within: set[Cell]) -> list[dict[Factors, float]]:
        """The conditions on products, in which what is known is a number."""
        found = []
        for condition in self.products:
            if not {cell for term in condition for cell in term} <= within:
                continue
            made: dict[Factors, float] = defaultdict(float)
            for term, factor in condition.items():
                open_ones = tuple(sorted(cell for cell in term if cell not in self.known))
                for cell in term:
                    factor *= self.known.get(cell, 1)
                made[open_ones] += factor
            found.append(dict(made))
        return found

    def _limited(
        self, bounds: Mapping[Cell, Range], products: Sequence[Mapping[Factors, float]]
    ) -> _Problem:
        pairs = {term for one in products for term in one if len(term) == 2}
        variables: list[Factors] = [*((cell,) for cell in sorted(bounds)), *sorted(pairs)]
        place = {one: i for i, one in enumerate(variables)}
        equal = self._within(self.equal, place)
        at_most = self._within(self.at_most, place)
        for one in products:
            terms = {term: factor for term, factor in one.items() if term}
            at_most.append((terms, -one.get((), 0) + _NEAR))
        for pair in pairs:
            at_most += _envelope(pair, bounds)
        (left, right), (upper, most) = _rows(equal, place), _rows(at_most, place)
        ends = [
            (low, None if np.isinf(high) else high)
            for low, high in (
                bounds[one[0]] if len(one) == 1 else _range_of_product(one, bounds)
                for one in variables
            )
        ]
        limits = {"A_eq": left, "b_eq": right, "A_ub": upper, "b_ub": most, "bounds": ends}
        return _Problem(place, limits)

    @staticmethod
    def _within(
        made: list[tuple[Terms, float]], place: Mapping[Factors, int]
    ) -> list[tuple[dict[Factors, float], float]]:
        alone = [({(cell,): f for cell, f in terms.items()}, right) for terms, right in made]
        return [(terms, right) for terms, right in alone if terms.keys() <= place.keys()]

    def _connected(self, cells: set[Cell]) -> set[Cell]:
        """``cells`` with all that hangs together with them by what is not known."""
        of_cell: dict[Cell, list[set[Cell]]] = defaultdict(list)
        together = [set(terms) for terms, _ in (*self.equal, *self.at_most)]
        together += [{cell for term in one for cell in term} for one in self.products]
        for named in together:
            for cell in named - self.known.keys():
                of_cell[cell].append(named)
        found, waiting = set(cells), list(cells)
        while waiting:
            for named in of_cell[waiting.pop()]:
                new = named - found
                found |= new
                waiting += new
        return found


def _whole(ends: Range) -> Range:
    """A range to the whole numbers in it: what the solver gives is near, and nobody is half."""
    low, high = ends
    return np.ceil(low - _NEAR), np.floor(high + _NEAR)


def _range_of_product(pair: Factors, bounds: Mapping[Cell, Range]) -> Range:
    (low, high), (least, most) = (bounds[cell] for cell in pair)
    return low * least, np.inf if 0 in (high, most) and np.inf in (high, most) else high * most


def _envelope(
    pair: Factors, bounds: Mapping[Cell, Range]
) -> Iterator[tuple[dict[Factors, float], float]]:
    """The limits of the product of two numbers that are not below 0, by the ranges of both."""
    first, second = pair
    (low, high), (least, most) = bounds[first], bounds[second]

    def limit(sign: int, x: float, y: float) -> Iterator[tuple[dict[Factors, float], float]]:
        # sign * (x * second + y * first - product) <= sign * x * y
        if np.isfinite(x) and np.isfinite(y):
            terms: dict[Factors, float] = defaultdict(float, {pair: -float(sign)})
            terms[second,] += sign * x
            terms[first,] += sign * y
            yield dict(terms), sign * x * y

    yield from limit(1, low, least)
    yield from limit(1, high, most)
    yield from limit(-1, low, most)
    yield from limit(-1, high, least)


def _rows(
    kept: Sequence[tuple[Mapping[Factors, float], float]], place: Mapping[Factors, int]
) -> tuple[Any, Any]:
    if not kept:
        return None, None
    left = lil_array((len(kept), len(place)))
    for i, (terms, _) in enumerate(kept):
        for one, factor in terms.items():
            left[i, place[one]] += factor
    return left.tocsr(), np.array([right for _, right in kept])


def attack(file: Path, catalogue: Catalogue, *, with_figures: bool = True) -> Attack:
    """All that can be known from the edition in ``file``; without its figures only what the verdicts say."""
    with duckdb.connect(str(file), read_only=True) as edition:
        made = Attack(catalogue, _below(edition))
        rows = edition.sql("FROM indicator_value").fetchall()
        names = [column[0] for column in edition.sql("FROM indicator_value").description]
        values = [dict(zip(names, row, strict=True)) for row in rows]
        _structure(made, edition, values)
        _verdicts(made, edition, with_figures)
        _compared(made, edition)
        if with_figures:
            _figures(made, edition, values)
    return made


def _structure(made: Attack, edition: Any, values: list[dict[str, Any]]) -> None:
    """What is a sum of what, what is a part of what, and that nobody is fewer than nobody."""
    hidden = set(
        edition.sql("SELECT indicator_id, region_code, year, part FROM hidden_count").fetchall()
    )
    parts: dict[tuple[str, str, int], dict[str, Cell]] = defaultdict(dict)
    entering = {
        (row["indicator_id"], row["region_code"], row["year"]): row["reporting_units"]
        for row in values
    }
    for row in values:
        for part, cell in zip(("numerator", "denominator"), made.pair(row), strict=True):
            told = row[part] is not None
            place = row["indicator_id"], row["region_code"], row["year"]
            if cell is not None and (told or (*place, part) in hidden):
                made.cells.add(cell)
                parts[place[0], part, place[2]][place[1]] = cell
        top, bottom = made.pair(row)
        if top and bottom and {top, bottom} <= made.cells and row["indicator_id"] in _SHARES:
            made.at_most.append(({top: 1, bottom: -1}, 0))
    for (indicator, _, year), of_region in parts.items():
        for region, cell in of_region.items():
            below = [
                of_region[unit] for unit in sorted(made.below.get(region, ())) if unit in of_region
            ]
            # With a unit that reported and does not enter, nobody knows of whom the sum is.
            if below and len(below) == entering[indicator, region, year]:
                terms = dict.fromkeys(below, 1.0)
                made.equal.append(({**terms, cell: -1}, 0))


def _below(edition: Any) -> dict[str, frozenset[str]]:
    """The units below every region that is above units, of whatever level."""
    regions = edition.sql("SELECT region_code, parent_code, level FROM region").fetchall()
    parent = {code: above for code, above, _ in regions}
    found: dict[str, set[str]] = {
        code: set() for code, _, level in regions if level != "reporting_unit"
    }
    for code, above, level in regions:
        while level == "reporting_unit" and above in found:
            found[above].add(code)
            above = parent[above]
    return {code: frozenset(units) for code, units in found.items()}


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


def _verdicts(made: Attack, edition: Any, with_figures: bool) -> None:
    """That a figure reaches its threshold, or misses it: then by one of its numerator at least."""
    last_year = "a.threshold" if with_figures else "NULL"
    for indicator, region, year, status, comparator, threshold in edition.sql(
        "SELECT a.indicator_id, a.region_code, a.year, a.status, c.comparator,"
        f" CASE WHEN c.kind = 'never_falls' THEN {last_year} ELSE coalesce(a.threshold, c.threshold::DOUBLE) END"
        " FROM attainment a JOIN clause c USING (clause_id)"
        " WHERE a.status IN ('met', 'not_met', 'on_track', 'off_track', 'not_due')"
    ).fetchall():
        top = made.cell_of(indicator, "numerator", region, year)
        bottom = made.cell_of(indicator, "denominator", region, year)
        one = made.catalogue.by_id[indicator]
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


def _compared(made: Attack, edition: Any) -> None:
    """What verdicts say of a year and another one: that it did not fall, or keeps up with the line from the first."""
    rows = edition.sql(
        "SELECT a.clause_id, a.indicator_id, a.region_code, a.year, a.status, c.kind, c.comparator, c.due_year,"
        " coalesce(a.threshold, c.threshold::DOUBLE) AS threshold,"
        " min(a.year) OVER (PARTITION BY a.clause_id, a.region_code) AS first_year"
        " FROM attainment a JOIN clause c USING (clause_id)"
        " WHERE a.status NOT IN ('no_data', 'not_applicable')"
    ).fetchall()
    # A sum is held against the year before over the units that are.
    held = {
        (clause, region, year) for clause, _, region, year, status, *_ in rows if status in _JUDGED
    }
    for clause, indicator, region, year, status, kind, comparator, due, threshold, first in rows:
        carriers = [region]
        if kind == "never_falls" and status in _JUDGED:
            before, line, weight = year - 1, 0.0, 1.0
            if region in made.sums:
                below = made.below[region]
                carriers = sorted(unit for unit in below if (clause, unit, year) in held)
        elif status in ("on_track", "off_track") and first < year < (due or 0):
            # The line from the first value to the threshold: so much of it comes from either.
            way = (year - first) / (due - first)
            before, line, weight = first, threshold * way, 1 - way
        else:
            continue
        holds = status in ("met", "on_track")
        sign = -1 if (comparator != "<=") == holds else 1
        terms = _difference(made, indicator, carriers, (year, before), line, weight)
        if terms and kind == "never_falls" and not holds:
            terms[()] = terms.get((), 0) + sign  # whole numbers differ by one at least
            _fell(made, indicator, carriers, year)
        if terms:
            made.products.append({term: sign * factor for term, factor in terms.items()})


_JUDGED = ("met", "not_met")


def _fell(made: Attack, indicator: str, carriers: Sequence[str], year: int) -> None:
    """That a share which fell is below all of them, and was above nothing: so much is known without a product."""
    pairs = {
        when: [
            made.pair({"indicator_id": indicator, "region_code": region, "year": when})
            for region in carriers
        ]
        for when in (year - 1, year)
    }
    made.at_most.append(({top: -1.0 for top, _ in pairs[year - 1] if top}, -1))
    if indicator in _SHARES:
        lacking = {top: 1.0 for top, _ in pairs[year] if top}
        made.at_most.append((lacking | {whole: -1.0 for _, whole in pairs[year] if whole}, -1))


def _difference(
    made: Attack,
    indicator: str,
    carriers: Sequence[str],
    years: tuple[int, int],
    line: float,
    weight: float,
) -> dict[Factors, float]:
    """How much a figure over ``carriers`` is above ``line`` and ``weight`` times that of another year.

    Times both denominators, for each unit of scale. Nothing where a part of it counts no people.
    """
    one = made.catalogue.by_id[indicator]
    now, then = (
        [
            made.pair({"indicator_id": indicator, "region_code": region, "year": year})
            for region in carriers
        ]
        for year in years
    )
    if any(
        top not in made.cells or (one.bottom is not None and bottom not in made.cells)
        for top, bottom in (*now, *then)
    ):
        return {}
    terms: dict[Factors, float] = defaultdict(float)

    def add(factor: float, *cells: Cell | None) -> None:
        terms[tuple(sorted(cell for cell in cells if cell is not None))] += factor

    for top, bottom in now:
        for other, below in then:
            add(1, top, below)
            add(-line / float(one.scale), bottom, below)
            add(-weight, other, bottom)
    return {term: factor for term, factor in terms.items() if factor}


def _figures(made: Attack, edition: Any, values: list[dict[str, Any]]) -> None:
    """Every number of the edition that is made of counts of people, from whatever table."""

    def know(cell: Cell | None, number: Any) -> None:
        if cell in made.cells and number is not None:
            assert made.known.setdefault(cell, float(number)) == float(number), cell

    def rate(row: dict[str, Any], value: Any) -> None:
        top, bottom = made.pair(row)
        if value is None or top not in made.cells:
            return
        scale = made.catalogue.by_id[row["indicator_id"]].scale
        if made.catalogue.by_id[row["indicator_id"]].bottom is None:
            know(top, value)
        elif bottom in made.cells:
            made.equal.append(({top: float(scale), bottom: -float(value)}, 0))

    for row in values:
        top, bottom = made.pair(row)
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
            (made.pair({**place, "year": when}), (top, bottom))
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
        top, bottom = made.pair({"indicator_id": indicator, "region_code": region, "year": year})
        scale = made.catalogue.by_id[indicator].scale
        if quantity and top in made.cells and (bottom is None or bottom in made.cells):
            # threshold × bottom / scale - top, rounded up, is the quantity.
            terms = {top: -float(sign)} | ({bottom: sign * threshold / scale} if bottom else {})
            right = 0.0 if bottom else -sign * threshold
            made.at_most.append((terms, float(quantity) + right + 1e-6))
