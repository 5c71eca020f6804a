"""The counts of people in a publication, and all that is published of them.

Every figure is made of one or two counts, its numerator and its denominator. Several figures may be made of
the same one: the children of all kindergartens are the numerator of one rate and the denominator of three.
So a count is known by what is counted, where and in which year (:data:`Count`), and whoever hides it has to
hide it everywhere. What is counted where follows from the definitions
(:attr:`warehouse.indicators.definitions.Indicator.people_parts`); nothing else says it.

Three things are published of counts beside themselves: sums of them (a region above the units), the order of
two of them (a part is no larger than its whole), and verdicts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

import duckdb

from warehouse.figures import exact
from warehouse.indicators.definitions import Catalogue, Indicator, Part, PartName

#: From the first to the last number of people that is hidden.
FEWEST, MOST = 1, 5
_PARTS: tuple[PartName, PartName] = ("top", "bottom")


Number = int | Fraction


@dataclass(frozen=True, order=True)
class Count:
    """What is counted, in a region and a year."""

    what: str
    region: str
    year: int


@dataclass(frozen=True)
class Figure:
    """An indicator in a region and a year: the counts of people it is made of, and its two numbers.

    ``top`` and ``bottom`` are None where they count no people; the numbers stand all the same, 1 for the
    denominator of a count. It has no value where one of them was not reported, or nobody is there.
    """

    indicator: str
    region: str
    year: int
    top: Count | None
    bottom: Count | None
    numerator: Number
    denominator: Number
    has_value: bool

    @property
    def counts(self) -> tuple[Count, ...]:
        """The counts of people that it is made of."""
        return tuple(one for one in (self.top, self.bottom) if one is not None)


@dataclass(frozen=True)
class Test:
    """What a clause asks of a figure: at least or at most ``threshold``, or last year's value (None).

    ``due`` is the year to which a straight line leads from the first value; None where there is none.
    """

    at_least: bool
    threshold: Number | None
    due: int | None


@dataclass(frozen=True)
class PeopleCounts:
    """All counts of people of a publication."""

    value: Mapping[Count, Number]
    figures: tuple[Figure, ...]
    #: The units below each region that is above units.
    below: Mapping[str, frozenset[str]]
    #: The regions that a region is part of, of all levels.
    above: Mapping[str, Sequence[str]]
    scales: Mapping[str, int]
    tests: Mapping[tuple[str, str, int], tuple[Test, ...]]
    #: What never falls: the verdicts of one year speak of the year before.
    chained: frozenset[str]
    #: What has a line to its due year, which begins with the first value.
    lined: frozenset[str]
    #: Counts of the same thing, each of some rows of the others: who knows one knows much of the others.
    kin: Mapping[str, frozenset[str]]
    #: Sums that are not the sum of what is published of their units: whatever they are made of, nobody can say.
    astray: frozenset[Count]

    @cached_property
    def figures_of(self) -> Mapping[Count, list[Figure]]:
        """The figures that a count is a part of."""
        found = defaultdict(list)
        for figure in self.figures:
            for count in figure.counts:
                found[count].append(figure)
        return found

    @cached_property
    def series(self) -> Mapping[tuple[str, str], dict[int, Figure]]:
        """The figures with a value of an indicator in a region, by year."""
        found: dict[tuple[str, str], dict[int, Figure]] = defaultdict(dict)
        for figure in self.figures:
            if figure.has_value:
                found[figure.indicator, figure.region][figure.year] = figure
        return found

    @cached_property
    def units_with(self) -> Mapping[tuple[str, int], list[str]]:
        """The units that have a count, by what is counted and year, the smallest count first."""
        found = defaultdict(list)
        for count in sorted(self.value, key=lambda one: (self.value[one], one)):
            if count.region not in self.below:
                found[count.what, count.year].append(count.region)
        return found

    @cached_property
    def at_most(self) -> Mapping[str, list[tuple[str, bool]]]:
        """What is nowhere more than something else, and of what: the other, and whether it is the larger.

        Of a share that is numerator and denominator; of kin what the figures themselves show.
        """
        pairs = {
            (figure.top.what, figure.bottom.what)
            for figure in self.figures
            if figure.top and figure.bottom and self.scales[figure.indicator] == 100
        }
        pairs |= {(one, other) for one, kin in self.kin.items() for other in kin if one != other}
        found = defaultdict(list)
        for part, whole in pairs:
            beside = [
                (value, self.value[other])
                for count, value in self.value.items()
                if count.what == part
                and (other := Count(whole, count.region, count.year)) in self.value
            ]
            if beside and all(part <= whole for part, whole in beside):
                found[part].append((whole, True))
                found[whole].append((part, False))
        return found

    def is_part(self, figure: Figure) -> bool:
        """Return whether the numerator is a part of the denominator, so that the rest is a count too."""
        return (
            figure.top is not None
            and figure.bottom is not None
            and (figure.bottom.what, True) in self.at_most.get(figure.top.what, ())
            and (figure.bottom.year == figure.top.year)
        )

    def judged(self, figure: Figure) -> Iterator[tuple[str, str, int]]:
        """Yield the places whose verdicts speak of ``figure``: its own, and those of later years held against it."""
        series = self.series.get((figure.indicator, figure.region), {})
        if figure.year not in series:
            return
        yield figure.indicator, figure.region, figure.year
        begins = figure.year == min(series) and figure.indicator in self.lined
        for year in series:
            if year > figure.year and (begins or figure.indicator in self.chained):
                yield figure.indicator, figure.region, year

    def verdict(
        self, indicator: str, region: str, year: int, change: Mapping[Count, Number] | None = None
    ) -> tuple[bool, ...]:
        """Return how the figure of a place stands to all that clauses ask of it, with counts larger by ``change``."""
        figures, change = self.series[indicator, region], change or {}
        scale, (n, d) = self.scales[indicator], _sums(change, [figures[year]])
        said = []
        for test in self.tests.get((indicator, region, year), ()):
            if test.threshold is None:
                if compared := self._compared(indicator, region, year, change):
                    now, before = compared
                    said.append(_holds(test, now[0] * before[1], before[0] * now[1]))
                continue
            said.append(_holds(test, scale * n, test.threshold * d))
            first = min(figures)
            if test.due is not None and first < year < test.due:
                n0, d0 = _sums(change, [figures[first]])
                start = Fraction(scale * n0) / d0
                line = start + (test.threshold - start) * Fraction(year - first, test.due - first)
                said.append(_holds(test, scale * n, line * d))
        return tuple(said)

    def _compared(
        self, indicator: str, region: str, year: int, change: Mapping[Count, Number]
    ) -> list[Sums]:
        """Return the sums of a year and of the one before over the units that have both; nothing where none has."""
        place = indicator, region, year
        if place not in self._like_for_like:
            beside_last = {
                unit: figures
                for unit in self.below.get(region, (region,))
                if {year - 1, year} <= (figures := self.series.get((indicator, unit), {})).keys()
            }
            self._like_for_like[place] = (
                beside_last,
                [
                    _sums({}, [one[when] for one in beside_last.values()])
                    for when in (year, year - 1)
                ],
            )
        series, sums = self._like_for_like[place]
        moved = series.keys() & {count.region for count in change}
        found = []
        for when, (n, d) in zip((year, year - 1), sums, strict=True):
            beside = [series[unit][when] for unit in moved]
            (top, bottom), (n0, d0) = _sums(change, beside), _sums({}, beside)
            found.append((n + top - n0, d + bottom - d0))
        return found if series else []

    @cached_property
    def _like_for_like(
        self,
    ) -> dict[tuple[str, str, int], tuple[Mapping[str, Mapping[int, Figure]], list[Sums]]]:
        """The units that have both years of a place, and the sums of these: of thousands they are asked for often."""
        return {}


Sums = tuple[Number, Number]


def _sums(change: Mapping[Count, Number], figures: Iterable[Figure]) -> Sums:
    """Return the sums of the numerators and denominators of ``figures``, with counts larger by ``change``."""
    top: Number = 0
    bottom: Number = 0
    for one in figures:
        top += one.numerator + (change.get(one.top, 0) if one.top else 0)
        bottom += one.denominator + (change.get(one.bottom, 0) if one.bottom else 0)
    return top, bottom


def _holds(test: Test, left: Number, right: Number) -> bool:
    return left >= right if test.at_least else left <= right


def number_of(value: Decimal | float | None) -> Number:
    """Return a published number as it is: whole ones are quicker to reckon with."""
    found = exact(value or 0)
    return found.numerator if found.denominator == 1 else found


def read_counts(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, place: str
) -> PeopleCounts:
    """Return the counts of people of the publication attached as ``place``."""
    of_people = {one.indicator_id: one for one in catalogue.indicators if one.people_parts}
    known = _named(connection, of_people, place)
    value: dict[Count, Number] = {}
    told: dict[Count, set[Number]] = defaultdict(set)
    figures = []
    for indicator, region, year, numerator, denominator in connection.execute(
        f"SELECT indicator_id, region_code, year, numerator, denominator FROM {place}.indicator_value"
        " WHERE numerator IS NOT NULL OR denominator IS NOT NULL ORDER BY ALL"
    ).fetchall():
        if indicator not in of_people:
            continue
        counts: dict[PartName, Count | None] = {"top": None, "bottom": None}
        for part, number in zip(_PARTS, (numerator, denominator), strict=True):
            if number is None or (indicator, part) not in known:
                continue
            what, earlier = known[indicator, part]
            count = counts[part] = Count(what, region, year - earlier)
            told[count].add(number_of(number))
            value[count] = number_of(number)
        has_bottom = of_people[indicator].bottom is not None
        figures.append(
            Figure(
                *(indicator, region, year, counts["top"], counts["bottom"]),
                numerator=number_of(numerator),
                denominator=number_of(denominator) if has_bottom else 1,
                has_value=numerator is not None and (bool(denominator) or not has_bottom),
            )
        )
    (below, above), tests = _levels(connection, place), _tests(connection, place)
    kin = defaultdict(set)
    for (indicator, part), (what, _) in known.items():
        made_of = of_people[indicator].parts[part]
        kin[made_of.source, made_of.value].add(what)
    return PeopleCounts(
        value,
        tuple(figures),
        below,
        above,
        {name: one.scale for name, one in of_people.items()},
        tests,
        frozenset(
            name for (name, _, _), found in tests.items() if any(t.threshold is None for t in found)
        ),
        frozenset(name for (name, _, _), found in tests.items() if any(t.due for t in found)),
        {what: frozenset(family) for family in kin.values() for what in family},
        frozenset(_astray(value, told, below)),
    )


Parted = tuple[str, PartName]


def _named(
    connection: duckdb.DuckDBPyConnection, indicators: Mapping[str, Indicator], place: str
) -> dict[Parted, tuple[str, int]]:
    """Return for each part that counts people what it counts, and of how many years before.

    Two parts that are written differently, and are the same number wherever both are published, are one.
    """
    parts: dict[Parted, Part] = {
        (name, part): one.parts[part]
        for name, one in indicators.items()
        for part in one.people_parts
    }
    numbers: dict[Parted, dict[tuple[str, int], Number]] = defaultdict(dict)
    for indicator, region, year, *values in connection.execute(
        f"SELECT indicator_id, region_code, year, numerator, denominator FROM {place}.indicator_value"
    ).fetchall():
        for name, number in zip(_PARTS, values, strict=True):
            if number is not None and (indicator, name) in parts:
                counted = region, year - parts[indicator, name].years_before
                numbers[indicator, name][counted] = number_of(number)
    named: dict[Parted, tuple[str, int]] = {}
    for key, part in parts.items():
        what = f"{part.value} FROM {part.source} WHERE {part.rows}"
        for other, (known, _) in named.items():
            same = (parts[other].source, parts[other].value) == (part.source, part.value)
            both = numbers[key].keys() & numbers[other].keys()
            if same and both and all(numbers[key][one] == numbers[other][one] for one in both):
                what = known
                break
        named[key] = what, part.years_before
    return named


def _levels(
    connection: duckdb.DuckDBPyConnection, place: str
) -> tuple[dict[str, frozenset[str]], dict[str, list[str]]]:
    """Return the units below every region that is above units, and the regions above every region."""
    rows = connection.execute(
        f"SELECT region_code, parent_code, level FROM {place}.region"
    ).fetchall()
    parent = {code: above for code, above, _ in rows}
    below: dict[str, set[str]] = {
        code: set() for code, _, level in rows if level != "reporting_unit"
    }
    above: dict[str, list[str]] = {}
    for code, upper, level in rows:
        above[code] = []
        while upper is not None and upper in parent:
            above[code].append(upper)
            upper = parent[upper]
        if level == "reporting_unit":
            for region in above[code]:
                below.setdefault(region, set()).add(code)
    return {code: frozenset(units) for code, units in below.items()}, above


def _tests(
    connection: duckdb.DuckDBPyConnection, place: str
) -> dict[tuple[str, str, int], tuple[Test, ...]]:
    """Return what the clauses ask of each figure that has a verdict or could have one."""
    found: dict[tuple[str, str, int], list[Test]] = defaultdict(list)
    for indicator, region, year, kind, comparator, threshold, due in connection.execute(
        "SELECT a.indicator_id, a.region_code, a.year, c.kind, c.comparator, a.threshold, c.due_year"
        f" FROM {place}.attainment a JOIN {place}.clause c USING (clause_id)"
        " WHERE c.kind <> 'monitor' AND a.value IS NOT NULL"
    ).fetchall():
        never_falls = kind == "never_falls"
        if threshold is None and not never_falls:
            continue
        asked = None if never_falls else number_of(threshold)
        line = due if kind == "level" else None
        found[indicator, region, year].append(Test(comparator != "<=", asked, line))
    return {key: tuple(tests) for key, tests in found.items()}


def _astray(
    value: Mapping[Count, Number],
    told: Mapping[Count, set[Number]],
    below: Mapping[str, Iterable[str]],
) -> Iterable[Count]:
    for count, number in value.items():
        if count.region not in below:
            continue
        units = [
            value[one]
            for unit in below[count.region]
            if (one := Count(count.what, unit, count.year)) in value
        ]
        # One of which no unit is published is no sum that anybody could take apart.
        if len(told[count]) > 1 or (units and sum(units) != number):
            yield count
