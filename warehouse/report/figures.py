"""How numbers are shown: rounded for the eye, never across a threshold.

Verdicts are made from exact numbers. A page that showed 49.96 % as "50 %" beside "not met" would
look wrong, so a value gets as many decimals as it takes to stand on its own side of its threshold.
"""

import math
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

Number = float | int | Decimal

BLANK = "—"
MOST_DECIMALS = 12
# Two doubles nearer than this are the same figure: counts give no finer fractions.
SAME = 1e-12
NOISE = 1e-9
# China keeps one time all year, so a fixed offset needs no time zone data on the machine.
CHINA = timedelta(hours=8)

_DECIMALS = {"%": 1, "倍": 2, "万元": 2, "元": 0}
_ROUGH_ABOVE = 10_000


def decimals_of(unit: str | None, value: Number | None) -> int:
    """Return how many decimals a value of this unit of measure has where nothing asks for more."""
    if unit == "万元" and value is not None and abs(float(value)) >= _ROUGH_ABOVE:
        return 0
    return _DECIMALS.get(unit or "", 0)


def rounded(value: Number, decimals: int) -> Decimal:
    """Round half up, as people do, from the shortest decimal that means this double."""
    exact = value if isinstance(value, Decimal) else Decimal(str(value))
    result = exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    return abs(result) if result == 0 else result


def show(value: Number | None, decimals: int) -> str:
    """Return the figure with thousands separators, or a dash where there is none."""
    return BLANK if value is None else f"{rounded(value, decimals):,}"


def plain(value: Number | None) -> str:
    """Return a figure with just the decimals it has (up to six): counts, sums, thresholds."""
    if value is None:
        return BLANK
    return show(value, 6).rstrip("0").rstrip(".")


def decimals_apart(value: Number, other: Number, least: int) -> int:
    """Return the fewest decimals, `least` or more, that keep the order of the two figures.

    49.96 and 50 need two decimals, 49.6 and 50 one; equal figures need no more than `least`.
    """
    if _same(value, other):
        return least
    a, b = float(value), float(other)
    for decimals in range(least, MOST_DECIMALS):
        if a < b and rounded(value, decimals) < rounded(other, decimals):
            return decimals
        if a > b and rounded(value, decimals) > rounded(other, decimals):
            return decimals
    return MOST_DECIMALS


def show_pair(
    value: Number | None, threshold: Number | None, unit: str | None, *, measured: bool = False
) -> tuple[str, str]:
    """Return value and threshold as shown, on their true sides of each other.

    A threshold that the plan sets (90, 99.5) is shown as it stands; a `measured` one (last year's
    spending) is rounded like the value it is held against.
    """
    if value is None or threshold is None:
        shown = show(value, _enough(value, decimals_of(unit, value)))
        return shown, (
            show(threshold, decimals_of(unit, threshold)) if measured else plain(threshold)
        )
    decimals = decimals_apart(value, threshold, _enough(value, decimals_of(unit, value)))
    if measured:
        return show(value, decimals), show(threshold, decimals)
    exact = plain(threshold)
    if _same(value, threshold):
        decimals = max(decimals, len(exact.partition(".")[2]))
    return show(value, decimals), exact


def show_change(change: Number, decimals: int) -> str:
    """Return a difference with its sign; one that is not zero never shows as zero."""
    text = show(change, _enough(change, decimals))
    return f"+{text}" if change > 0 else text.replace("-", "\N{MINUS SIGN}")


def is_nothing(change: Number) -> bool:
    """Return whether a difference of two doubles is only the noise of their last digits."""
    return abs(float(change)) < NOISE


def local_time(moment: datetime | None) -> str:
    """Return a UTC time as the minute in China, `2022-10-14 09:30`."""
    return BLANK if moment is None else (moment + CHINA).strftime("%Y-%m-%d %H:%M")


def _same(a: Number, b: Number) -> bool:
    return math.isclose(float(a), float(b), rel_tol=SAME, abs_tol=SAME)


def _enough(value: Number | None, decimals: int) -> int:
    """Return more decimals where a figure that is not zero would show as zero."""
    if value is None or is_nothing(value):
        return decimals
    while rounded(value, decimals) == 0 and decimals < MOST_DECIMALS:
        decimals += 1
    return decimals
