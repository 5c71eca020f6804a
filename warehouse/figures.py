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
from typing import Final, TypeAlias

from transforms.china import OFFSET

Number = float | int | Decimal | Fraction
#: A fraction in lowest terms: numerator, and denominator above zero.
Ratio: TypeAlias = tuple[int, int]

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
_LANDMARKS: Final[dict[str, tuple[Ratio, ...]]] = {"%": ((0, 1), (100, 1))}


def exact(value: Number) -> Fraction:
    """Return the exact number that is meant: of a double the decimal of 15 digits."""
    return Fraction(*_ratio(value))


def _ratio(value: Number) -> Ratio:
    """Return the same, as two whole numbers: to reckon with these takes a fraction of the time."""
    if isinstance(value, float):
        value = Decimal(f"{value:.{_DIGITS}g}")
    return value.as_integer_ratio()


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
    if denominator == 0:
        return value
    over, under = numerator.as_integer_ratio()
    if denominator is not None:
        (up, down), (part, of) = denominator.as_integer_ratio(), (scale or 1).as_integer_ratio()
        over, under = part * over * down, of * under * up
    near = math.isclose(over / under, value, rel_tol=_NEAR, abs_tol=0.0)
    return Fraction(over, under) if near else value


@lru_cache(_KEPT, typed=True)
def show_plain(value: Number | None) -> str:
    """Return a figure with just the decimals it has: counts, sums, thresholds of the plan."""
    if value is None:
        return BLANK
    figure = _ratio(value)
    own = _own_decimals(figure)
    return _written(figure, _MOST_OF_A_SUM if own is None else own)


# A page shows the same figures as others; a double is not the fraction that it equals, hence `typed`.
@lru_cache(_KEPT, typed=True)
def show_value(value: Number | None, unit: str | None, *landmarks: Number | None) -> str:
    """Return a value of this unit, rounded, on its true side of every one of the ``landmarks``."""
    return show_apart([value], unit, landmarks)[0]


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
    ratios = [None if value is None else _ratio(value) for value in values]
    figures = [ratio for ratio in ratios if ratio is not None]
    marks = [
        *_LANDMARKS.get(unit or "", ((0, 1),)),
        *(
            _ratio(mark)
            for mark in landmarks
            if mark is not None and not any(_is_double_of(mark, figure) for figure in figures)
        ),
    ]
    decimals = max((_usual_decimals(figure, unit) for figure in figures), default=0)
    while not _in_order(figures, marks, decimals):
        decimals += 1
    return [BLANK if ratio is None else _written(ratio, decimals) for ratio in ratios]


def show_change(change: Number, unit: str | None) -> str:
    """Return a difference with its sign; one that is not zero never shows as zero."""
    text = show_value(change, unit)
    return f"+{text}" if exact(change) > 0 else text


def show(value: Number, decimals: int) -> str:
    """Return a figure with so many decimals, as the ticks of an axis need it."""
    return _written(_ratio(value), decimals)


def local_time(moment: datetime | None) -> str:
    """Return a UTC time as the minute in China, `2022-10-14 09:30`."""
    return BLANK if moment is None else (moment + OFFSET).strftime("%Y-%m-%d %H:%M")


def _usual_decimals(figure: Ratio, unit: str | None) -> int:
    """Return how many decimals a figure of this unit has where nothing asks for more."""
    if unit not in _DECIMALS:
        own = _own_decimals(figure)
        return _BROKEN_COUNT if own is None else min(own, _BROKEN_COUNT)
    if unit == "万元" and abs(figure[0]) >= _ROUGH_ABOVE * figure[1]:
        return 0
    return _DECIMALS[unit]


def _own_decimals(figure: Ratio) -> int | None:
    """Return how many decimals write the figure in full, None where none do (a third)."""
    rest, twos, fives = figure[1], 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None


def _in_order(figures: Sequence[Ratio], marks: Sequence[Ratio], decimals: int) -> bool:
    rounded = [_tenths(figure, decimals) for figure in figures]
    scale = 10**decimals
    for (over, under), shown in zip(figures, rounded, strict=True):
        for mark_over, mark_under in marks:
            side = _side(over * mark_under, mark_over * under)
            # A third beside a third is shown as what it is rounded to.
            if _side(shown * mark_under, mark_over * scale) != side and (
                side or _own_decimals((mark_over, mark_under)) is not None
            ):
                return False
    return all(
        _side(rounded[i], rounded[j])
        == _side(figures[i][0] * figures[j][1], figures[j][0] * figures[i][1])
        for i in range(len(figures))
        for j in range(i)
    )


def _is_double_of(mark: Number, figure: Ratio) -> bool:
    """Return whether a landmark is the double of the figure, which its digits do not give in full."""
    if not isinstance(mark, float):
        return False
    (over, under), (mark_over, mark_under) = figure, _ratio(mark)
    if over * mark_under == mark_over * under:
        return False
    return math.isclose(over / under, mark, rel_tol=_NEAR, abs_tol=0.0)


def _side(a: int, b: int) -> int:
    return (a > b) - (a < b)


def _tenths(figure: Ratio, decimals: int) -> int:
    """Return the figure in units of its last decimal, rounded half away from zero."""
    over, under = figure
    whole: int = (2 * abs(over) * 10**decimals + under) // (2 * under)
    return whole if over >= 0 else -whole


def _written(figure: Ratio, decimals: int) -> str:
    """Return the rounded figure with thousands separators."""
    number = _tenths(figure, decimals)
    whole, rest = divmod(abs(number), 10**decimals)
    sign = MINUS if number < 0 else ""
    return f"{sign}{whole:,}.{rest:0{decimals}d}" if decimals else f"{sign}{whole:,}"
