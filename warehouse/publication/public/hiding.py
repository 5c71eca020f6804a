"""Which counts are hidden: those of one to five people, and what would give them away.

A count is safe when whoever reads all that is still published can think of another city in which all of it
is the same and that count is any number from one to five: so that is what is looked for, for every count
and every number. Such a :class:`_World` differs from ours in a few hidden counts. One unit's count is larger
and another's smaller by as much, so that every sum that is shown stays; no part is larger than its whole;
and every verdict is the same, for verdicts are published. Where there is no such city more is hidden: the count of
another unit first, then the denominators, then the sums, and in the end all counts of that thing and year, so
that nothing but the verdicts is left to reckon with.

What is found proves itself: it is a whole city, not a bound that somebody may have drawn too wide.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from warehouse.publication.public.counts import FEWEST, MOST, Count, Figure, Number, PeopleCounts

#: A partner that is hidden too is tried with so many more or fewer.
_REACH = 40
#: A secondary count has to be able to be another one, by one of these.
_ELSEWHERE = (5, -5, 3, -3, 1, -1)
#: So far a year beside it is moved, where verdicts compare years.
_BESIDE = 8

Change = Mapping[Count, Number]


@dataclass(frozen=True)
class _Goal:
    """That a count, or (with ``of``) what it leaves of that figure's denominator, is ``number``."""

    number: Number
    of: Figure | None = None


def is_few(number: Number) -> bool:
    """Return whether so many people are few enough to be known."""
    return FEWEST <= number <= MOST


def counts_to_hide(counts: PeopleCounts, before: Collection[Count] = ()) -> frozenset[Count]:
    """Return the counts that are hidden; ``before`` were hidden in an earlier edition, and stay so.

    Somebody may have kept that edition: what was hidden with a count to protect it must not be shown now.
    """
    hiding = _Hiding(counts, {count for count in before if count in counts.value})
    return hiding.done()


def few(counts: PeopleCounts) -> set[Count]:
    """Return the counts that are few themselves, or leave few of their denominator."""
    found = {count for count, number in counts.value.items() if is_few(number)}
    for figure in counts.figures:
        if figure.top and counts.is_part(figure) and is_few(figure.denominator - figure.numerator):
            found.add(figure.top)
    return found


class _Hiding:
    """The hidden counts, as they become more."""

    def __init__(self, counts: PeopleCounts, before: set[Count]) -> None:
        self._counts = counts
        self._before = before
        self._few = few(counts)
        self._hidden: set[Count] = set()
        self._waiting: list[Count] = []
        self._given_up: set[tuple[str, int]] = set()
        self._verdicts: dict[tuple[str, str, int], tuple[bool, ...]] = {}
        self._hide(self._few | before)

    def done(self) -> frozenset[Count]:
        """Hide until every hidden count is safe."""
        while self._waiting:
            count = self._waiting.pop()
            for goals in self._goals(count):
                if (count.what, count.year) not in self._given_up and not self._reaches(
                    count, goals
                ):
                    self._hide_more(count, goals)
        return frozenset(self._hidden)

    def _hide(self, wanted: Iterable[Count]) -> None:
        """Hide counts, with all that is of the same kin, and sums that nobody could say what they are made of."""
        new = set(wanted) - self._hidden
        while new:
            self._hidden |= new
            self._waiting += sorted(new)
            new = {one for count in new for one in self._with(count)} - self._hidden

    def _with(self, count: Count) -> Iterator[Count]:
        """Yield what is hidden wherever ``count`` is."""
        counts = self._counts
        for what in counts.kin[count.what]:
            if (one := Count(what, count.region, count.year)) in counts.value:
                yield one
        for region in counts.above.get(count.region, ()):
            if (one := Count(count.what, region, count.year)) in counts.astray:
                yield one

    def _goals(self, count: Count) -> Iterator[Sequence[_Goal]]:
        """Yield what has to be possible: one of each group of goals."""
        number, told = self._counts.value[count], False
        numbers = range(FEWEST, MOST + 1)
        if count in self._few:
            if is_few(number):
                told = True
                least = self._least(count)
                yield from ([_Goal(n)] for n in numbers if n != number and n >= least)
            for figure in self._counts.figures_of[count]:
                rest = figure.denominator - figure.numerator
                if figure.top == count and self._counts.is_part(figure) and is_few(rest):
                    told = True
                    yield from ([_Goal(n, figure)] for n in numbers if n != rest)
        if not told:
            yield [_Goal(number + away) for away in _ELSEWHERE if number + away >= 0]

    def _least(self, count: Count) -> int:
        """Return how many people there are at least by the verdicts of the units alone."""
        return sum(
            not self._stands({one: 0})
            for unit in self._counts.below.get(count.region, ())
            if (one := Count(count.what, unit, count.year)) in self._hidden
        )

    def _reaches(self, count: Count, goals: Sequence[_Goal]) -> bool:
        return any(self._world(count, goal) for goal in goals)

    # --- looking for a city that looks the same -----------------------------------------------

    def _world(self, count: Count, goal: _Goal) -> bool:
        """Return whether there is a city in which ``goal`` holds, and all that is shown is the same."""
        within = self._counts.below.get(count.region, frozenset({count.region}))
        carriers = sorted(within)
        for unit in carriers:
            own = Count(count.what, unit, count.year)
            if own not in self._hidden:
                continue
            for change in self._changes(own, goal, self._counts.value[count]):
                if any(self._stands(one) for one in self._balanced(change, within)):
                    return True
        return False

    def _changes(self, own: Count, goal: _Goal, now: Number) -> Iterator[dict[Count, Number]]:
        """Yield how much more or less there could be in one unit, with what it is held against."""
        value = self._counts.value
        if goal.of is None:
            away = goal.number - now
            yield {own: away}
            for figure in self._counts.figures_of[own]:
                for other in figure.counts:
                    if other != own and other in self._hidden and other.region == own.region:
                        for more in _around(away, value[other]):
                            yield {own: away, other: more}
            return
        assert goal.of.bottom is not None
        bottom = Count(goal.of.bottom.what, own.region, goal.of.bottom.year)
        away = (goal.of.denominator - goal.of.numerator) - goal.number
        yield {own: away}
        if bottom in self._hidden:
            for more in _around(away, value[bottom]):
                yield {own: away + more, bottom: more}

    def _balanced(self, change: Change, within: Collection[str]) -> Iterator[Change]:
        """Yield ``change``, where a sum is shown with a unit not ``within`` these that has as much less."""
        summed = [one for one in change if self._shown_sums(one)]
        if not summed:
            yield change
            yield from self._along_years(change)
        (first, *_) = change
        sums = self._shown_sums(first)
        for other in reversed(self._counts.units_with[first.what, first.year]):
            # Where no sum is shown, it is for the verdicts on them.
            against = {Count(one.what, other, one.year): -change[one] for one in summed or change}
            if other not in within and against.keys() <= self._hidden:
                if self._shown_sums(Count(first.what, other, first.year)) != sums:
                    continue
                both = {**change, **against}
                yield both
                yield from self._along_years(both)

    def _shown_sums(self, count: Count) -> set[str]:
        """Return the regions whose sums hold the count and are shown."""
        return {
            region
            for region in self._counts.above.get(count.region, ())
            if (one := Count(count.what, region, count.year)) in self._counts.value
            and one not in self._hidden
        }

    def _along_years(self, change: Change) -> Iterator[Change]:
        """Yield ``change`` with the years beside it moved as little as keeps the order of the years.

        Only where verdicts compare years, and one count alone is moved.
        """
        whats = {one.what for one in change}
        years = {one.year for one in change}
        (first, *_) = change
        chained = self._counts.chained & {f.indicator for f in self._counts.figures_of[first]}
        if not chained or len(whats) > 1 or len(years) > 1:
            return
        moved = dict(change)
        for step in (1, -1):
            year = first.year
            while True:
                # The order of two years stands with the later one's verdict.
                judged, year = (year + 1, year + 1) if step > 0 else (year, year - 1)
                if self._order_stands(moved, chained, judged):
                    break
                beside = {Count(one.what, one.region, year): more for one, more in change.items()}
                if not beside.keys() <= self._hidden:
                    return
                signs = {one: (1 if more > 0 else -1) for one, more in beside.items()}
                for size in range(-_BESIDE, _BESIDE + 1):
                    tried = moved | {one: size * signs[one] for one in beside}
                    if size and self._order_stands(tried, chained, judged):
                        moved = tried
                        break
                else:
                    return
        yield moved

    def _order_stands(self, change: Change, chained: Collection[str], year: int) -> bool:
        regions = {one.region for one in change}
        return all(
            self._verdict_stands(indicator, region, year, change)
            for indicator in chained
            for region in regions
            if year in self._counts.series.get((indicator, region), {})
        )

    # --- is it the same city to whoever reads? ------------------------------------------------

    def _stands(self, change: Change) -> bool:
        """Return whether nothing that is shown would be another with these counts larger by ``change``."""
        counts = self._counts
        everywhere: dict[Count, Number] = {}
        for one, more in change.items():
            for region in (one.region, *counts.above.get(one.region, ())):
                where = Count(one.what, region, one.year)
                if where in counts.value:
                    everywhere[where] = everywhere.get(where, 0) + more
        moved = {one: more for one, more in everywhere.items() if more}
        if not moved.keys() <= self._hidden:
            return False
        for one, more in moved.items():
            number = counts.value[one] + more
            if number < 0 or not self._in_order(one, number, moved):
                return False
        # Of a sum that is the same too: it is held against the year before over some of its units.
        judged = {
            place
            for one in everywhere
            for figure in counts.figures_of[one]
            for place in counts.judged(figure)
        }
        return all(self._verdict_stands(*place, moved) for place in judged)

    def _in_order(self, count: Count, number: Number, change: Change) -> bool:
        """Return whether no part becomes larger than its whole, and nobody appears where nobody is."""
        counts = self._counts
        for other, is_larger in counts.at_most.get(count.what, ()):
            beside = Count(other, count.region, count.year)
            if beside not in counts.value:
                continue
            against = counts.value[beside] + change.get(beside, 0)
            if number > against if is_larger else number < against:
                return False
        for figure in counts.figures_of[count]:
            if figure.bottom == count and not (figure.denominator > 0 and number > 0):
                return False
        return True

    def _verdict_stands(self, indicator: str, region: str, year: int, change: Change) -> bool:
        place = indicator, region, year
        if place not in self._counts.tests:
            return True
        if place not in self._verdicts:
            self._verdicts[place] = self._counts.verdict(*place)
        return self._verdicts[place] == self._counts.verdict(*place, change)

    # --- hiding more --------------------------------------------------------------------------

    def _hide_more(self, count: Count, goals: Sequence[_Goal]) -> None:
        """Hide what makes one of ``goals`` possible, as little as can be."""
        for more in self._options(count):
            new = {one for one in more if one in self._counts.value} - self._hidden
            if not new:
                continue
            before = set(self._hidden)
            self._hidden |= new
            reaches = self._reaches(count, goals)
            self._hidden = before
            if reaches:
                self._hide(new)
                return
        self._given_up.add((count.what, count.year))
        self._hide(self._all_of(count))

    def _options(self, count: Count) -> Iterator[set[Count]]:
        """Yield what could be hidden to protect ``count``, what costs least first."""
        units = self._counts.units_with[count.what, count.year]
        others = [unit for unit in units if unit != count.region]
        others.sort(key=lambda unit: Count(count.what, unit, count.year) not in self._before)
        partners = {
            other
            for figure in self._counts.figures_of[count]
            for other in figure.counts
            if other != count
        }
        own_sums = self._shown_sums(count)
        beside = [one for one in others if self._shown_sums(replace(count, region=one)) == own_sums]
        for unit in beside:
            yield {replace(count, region=unit)}
        for unit in beside:
            yield {
                *partners,
                replace(count, region=unit),
                *(replace(other, region=unit) for other in partners),
            }
        # Where no other unit is in the same sums, those that hold one of the two alone are hidden with it.
        apart = {
            frozenset(own_sums ^ self._shown_sums(replace(count, region=one))): one
            for one in others
            if one not in self._counts.below.get(count.region, ())
        }
        for whats in ((count,), (count, *partners)):
            for alone, unit in apart.items():
                if alone and own_sums - alone:
                    yield {replace(what, region=one) for what in whats for one in (unit, *alone)}
        if self._counts.chained & {figure.indicator for figure in self._counts.figures_of[count]}:
            years = sorted({one.year for one in self._counts.value if one.what == count.what})
            own = {Count(count.what, count.region, year) for year in years}
            for unit in others:
                yield own | {Count(count.what, unit, year) for year in years}
        sums = {
            Count(count.what, region, count.year)
            for region in self._counts.above.get(count.region, ())
        }
        yield sums
        yield (
            sums
            | partners
            | {
                Count(other.what, region, other.year)
                for other in partners
                for region in self._counts.above.get(count.region, ())
            }
        )

    def _all_of(self, count: Count) -> set[Count]:
        """Return all counts of that thing and year, with what they are held against: verdicts alone are left."""
        whats = {
            (other.what, other.year)
            for figure in self._counts.figures_of[count]
            for other in figure.counts
        }
        return {one for one in self._counts.value if (one.what, one.year) in whats}


def _around(away: Number, number: Number) -> Iterator[Number]:
    """Yield by how much a partner could be larger or smaller, the likeliest first."""
    yield away
    for size in range(1, _REACH + 1):
        yield from (size, -size)
    yield from (number, 2 * number, 4 * number)
