"""How figures are shown, everywhere: rounded for the eye, never across a threshold.

Verdicts are made from exact numbers. A page that showed 49.96 % as "50 %" beside "not met" would
look wrong, so a value gets as many decimals as it takes to stand on its own side of its threshold.
Terminal, report, artifacts and notifications show their figures by these functions alone, so that a
figure reads the same wherever it stands.

All arithmetic is exact, and there is one rounding rule, half away from zero. A published value is a
double; where its numerator and denominator are at hand, :func:`behind` gives the fraction that it
stands for. A double by itself is taken for the decimal of 15 digits that it means.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from transforms.china import OFFSET

Number = float | int | Decimal | Fraction

BLANK = "—"
MINUS = "\N{MINUS SIGN}"
# China keeps one time all year, so a fixed offset needs no time zone data on the machine.

_DECIMALS = {"%": 1, "倍": 2, "万元": 2, "元": 0}
#: A count of things is whole; where it is not, it is shown with so many decimals at most.
_BROKEN_COUNT = 2
_ROUGH_ABOVE = 10_000
#: Numerators and denominators are kept to so many decimals.
_MOST_OF_A_SUM = 6
#: Digits to which a double means a decimal whatever it was computed from.
_DIGITS = 15
#: A double is no farther than this from the fraction that it was computed from.
_NEAR = 1e-14
#: So many figures that were shown are kept in mind.
_KEPT = 20_000
#: No figure but nothing is shown as nothing, and no share but the whole one as 100 %.
_LANDMARKS = {"%": (Fraction(0), Fraction(100))}


def exact(value: Number) -> Fraction:
    """Return the exact number that is meant: of a double the decimal of 15 digits."""
    if isinstance(value, float):
        return Fraction(Decimal(f"{value:.{_DIGITS}g}"))
    return Fraction(value)


@lru_cache(_KEPT, typed=True)
def behind(
    value: float | None,
    numerator: Number | None,
    denominator: Number | None,
    scale: Number | None = 1,
) -> Number | None:
    """Return the exact figure behind a published ``value``, None where there is no value.

    It is ``scale`` × ``numerator`` / ``denominator``, or the numerator of a count (``denominator``
    None). Where that is another figure (a verdict over fewer units), the value stands for itself.
    """
    if value is None or numerator is None:
        return value
    if denominator is None:
        figure = Fraction(numerator)
    elif denominator == 0:
        return value
    else:
        figure = Fraction(scale or 1) * Fraction(numerator) / Fraction(denominator)
    return figure if math.isclose(figure, value, rel_tol=_NEAR, abs_tol=0.0) else value


def show_plain(value: Number | None) -> str:
    """Return a figure with just the decimals it has: counts, sums, thresholds of the plan."""
    if value is None:
        return BLANK
    figure = exact(value)
    own = _own_decimals(figure)
    return _written(figure, _MOST_OF_A_SUM if own is None else own)


# A page shows the same figures as others; a double is not the fraction that it equals, hence `typed`.
@lru_cache(_KEPT, typed=True)
def show_value(value: Number | None, unit: str | None, *landmarks: Number | None) -> str:
    """Return a value of this unit, rounded, on its true side of every one of the ``landmarks``."""
    return show_apart([value], unit, landmarks)[0]


@lru_cache(_KEPT, typed=True)
def show_pair(
    value: Number | None, threshold: Number | None, unit: str | None, *, measured: bool = False
) -> tuple[str, str]:
    """Return value and threshold as shown, on their true sides of each other.

    A threshold that the plan sets (90, 99.5) is shown as it stands; a ``measured`` one (last year's
    spending) is rounded like the value it is held against.
    """
    if not measured:
        return show_value(value, unit, threshold), show_plain(threshold)
    if isinstance(value, float) or isinstance(threshold, float):
        # Where one of them is a double, they can be told apart as far as doubles can.
        value = None if value is None else float(value)
        threshold = None if threshold is None else float(threshold)
    shown = show_apart([value, threshold], unit)
    return shown[0], shown[1]


def show_apart(
    values: Sequence[Number | None], unit: str | None, landmarks: Iterable[Number | None] = ()
) -> list[str]:
    """Return values of one unit with the fewest decimals that keep their order.

    Their order among each other and against the ``landmarks``, which are shown as they stand: what
    is larger is shown as larger, and only what is equal as equal. None is a dash.
    """
    figures = [exact(value) for value in values if value is not None]
    marks = [
        *_LANDMARKS.get(unit or "", (Fraction(0),)),
        *(
            exact(mark)
            for mark in landmarks
            if mark is not None and not any(_is_double_of(mark, figure) for figure in figures)
        ),
    ]
    decimals = max((_usual_decimals(figure, unit) for figure in figures), default=0)
    while not _in_order(figures, marks, decimals):
        decimals += 1
    return [BLANK if value is None else _written(exact(value), decimals) for value in values]


def show_change(change: Number, unit: str | None) -> str:
    """Return a difference with its sign; one that is not zero never shows as zero."""
    text = show_value(change, unit)
    return f"+{text}" if exact(change) > 0 else text


def show(value: Number, decimals: int) -> str:
    """Return a figure with so many decimals, as the ticks of an axis need it."""
    return _written(exact(value), decimals)


def local_time(moment: datetime | None) -> str:
    """Return a UTC time as the minute in China, `2022-10-14 09:30`."""
    return BLANK if moment is None else (moment + OFFSET).strftime("%Y-%m-%d %H:%M")


def _usual_decimals(figure: Fraction, unit: str | None) -> int:
    """Return how many decimals a figure of this unit has where nothing asks for more."""
    if unit not in _DECIMALS:
        own = _own_decimals(figure)
        return _BROKEN_COUNT if own is None else min(own, _BROKEN_COUNT)
    if unit == "万元" and abs(figure) >= _ROUGH_ABOVE:
        return 0
    return _DECIMALS[unit]


def _own_decimals(figure: Fraction) -> int | None:
    """Return how many decimals write the figure in full, None where none do (a third)."""
    rest, twos, fives = figure.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None


def _in_order(figures: Sequence[Fraction], marks: Sequence[Fraction], decimals: int) -> bool:
    rounded = [_tenths(figure, decimals) for figure in figures]
    scale = 10**decimals
    return all(
        _side(shown * mark.denominator, mark.numerator * scale) == _side(figure, mark)
        for figure, shown in zip(figures, rounded, strict=True)
        for mark in marks
        # A third beside a third is shown as what it is rounded to.
        if figure != mark or _own_decimals(mark) is not None
    ) and all(
        _side(rounded[i], rounded[j]) == _side(figures[i], figures[j])
        for i in range(len(figures))
        for j in range(i)
    )


def _is_double_of(mark: Number, figure: Fraction) -> bool:
    """Return whether a landmark is the double of the figure, which its digits do not give in full."""
    if not isinstance(mark, float) or exact(mark) == figure:
        return False
    return math.isclose(figure, mark, rel_tol=_NEAR, abs_tol=0.0)


def _side(a: Fraction | int, b: Fraction | int) -> int:
    return (a > b) - (a < b)


def _tenths(figure: Fraction, decimals: int) -> int:
    """Return the figure in units of its last decimal, rounded half away from zero."""
    # In whole numbers: those of fractions take several times as long, and a report shows many figures.
    over, under = abs(figure.numerator) * 10**decimals, figure.denominator
    whole: int = (2 * over + under) // (2 * under)
    return whole if figure >= 0 else -whole


def _written(figure: Fraction, decimals: int) -> str:
    """Return the rounded figure with thousands separators."""
    number = _tenths(figure, decimals)
    whole, rest = divmod(abs(number), 10**decimals)
    sign = MINUS if number < 0 else ""
    return f"{sign}{whole:,}.{rest:0{decimals}d}" if decimals else f"{sign}{whole:,}"
