"""Rounding for show: no figure may appear on the other side of its threshold, or on it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.figures import (
    BLANK,
    behind,
    local_time,
    show_apart,
    show_change,
    show_pair,
    show_plain,
    show_value,
)

UNITS = ["%", "所", "人", "名", "元", "万元", "倍"]
units = st.sampled_from(UNITS)
#: Thresholds as a plan file may hold them, and figures as indicators give them.
thresholds = st.decimals(0, 20_000, places=6) | st.sampled_from(
    [Decimal(text) for text in ("0", "1", "5", "50", "99.5", "100")]
)
fractions = st.builds(Fraction, st.integers(0, 10**9), st.integers(1, 10**6))


def read(text: str) -> Decimal:
    """Return the number that a reader sees."""
    return Decimal(text.replace(",", "").replace("\N{MINUS SIGN}", "-"))


def side(a: object, b: object) -> int:
    """Return whether the first is larger (1), smaller (-1) or the same (0)."""
    return (a > b) - (a < b)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("value", "threshold", "unit", "shown"),
    [
        (49.96, 50, "%", ("49.96", "50")),
        (49.6, 50, "%", ("49.6", "50")),
        (50.0, 50, "%", ("50.0", "50")),
        (50.04, 50, "%", ("50.04", "50")),
        (5.001, 5, "%", ("5.001", "5")),
        (99.99999, 100, "%", ("99.99999", "100")),
        (0.4, 0, "所", ("0.4", "0")),
        (0.004, 0, "人", ("0.004", "0")),
        (0.0, 0, "所", ("0", "0")),
        (1234567.0, 0, "人", ("1,234,567", "0")),
        (99.5, 99.5, "所", ("99.5", "99.5")),
        (None, 90, "%", ("—", "90")),
        (12.3, None, "%", ("12.3", "—")),
        (-0.0, None, "%", ("0.0", "—")),
        (99.96, None, "%", ("99.96", "—")),
    ],
)
def test_value_and_threshold_as_shown(
    value: float | None, threshold: float | None, unit: str, shown: tuple[str, str]
) -> None:
    assert show_pair(value, threshold, unit) == shown


def test_a_measured_threshold_is_rounded_like_its_value() -> None:
    assert show_pair(7895.4, 7895.333, "元", measured=True) == ("7,895.4", "7,895.3")
    assert show_pair(9123.8, 7895.333, "元", measured=True) == ("9,124", "7,895")
    assert show_pair(97.94, 97.4636, "%", measured=True) == ("97.9", "97.5")
    assert show_pair(12952.16, 12241.4, "元", measured=True) == ("12,952", "12,241")
    assert show_pair(None, 12241.4, "元", measured=True) == (BLANK, "12,241")


@given(fractions, thresholds, units)
def test_a_shown_figure_stands_where_the_figure_stands(
    value: Fraction, threshold: Decimal, unit: str
) -> None:
    for told in (value, float(value)):
        shown, limit = show_pair(told, threshold, unit)
        assert read(limit) == threshold
        if told is value or abs(value - Fraction(threshold)) > Fraction(threshold) / 10**12:
            assert side(read(shown), read(limit)) == side(value, Fraction(threshold))
        assert side(read(shown), 0) == side(value, 0)


@given(fractions, fractions, units)
def test_a_measured_threshold_stays_on_its_side_too(
    value: Fraction, threshold: Fraction, unit: str
) -> None:
    shown, limit = show_pair(value, threshold, unit, measured=True)
    assert side(read(shown), read(limit)) == side(value, threshold)


@given(st.lists(fractions, min_size=1, max_size=3), thresholds, units)
def test_figures_shown_together_keep_their_order(
    values: list[Fraction], threshold: Decimal, unit: str
) -> None:
    shown = [read(text) for text in show_apart(values, unit, [threshold])]
    for figure, text in zip(values, shown, strict=True):
        assert side(text, threshold) == side(figure, Fraction(threshold))
        for other, beside in zip(values, shown, strict=True):
            assert side(text, beside) == side(figure, other)


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.sampled_from([1, 100, 10000]), units)
def test_the_double_and_its_fraction_are_shown_alike(
    numerator: int, denominator: int, scale: int, unit: str
) -> None:
    value = float(scale * numerator) / float(denominator)
    figure = behind(value, Decimal(numerator), Decimal(denominator), scale)
    assert isinstance(figure, Fraction)
    assert figure == Fraction(scale * numerator, denominator)
    assert show_value(figure, unit) == show_value(value, unit)


def test_the_double_of_a_figure_is_no_other_figure() -> None:
    third = Fraction(100, 3)
    assert show_value(third, "%", float(third)) == "33.3"
    assert show_pair(third, float(third), "%", measured=True) == ("33.3", "33.3")


def test_half_is_rounded_away_from_zero_whatever_the_double() -> None:
    # 1.15 and 117457.365 are no doubles; the ones beside them lie below and above.
    assert show_value(1.15, "%") == show_value(Decimal("1.15"), "%") == "1.2"
    assert show_value(behind(1.15, Decimal(23), Decimal(2000), 100), "%") == "1.2"
    assert show_value(9457.365, "万元") == show_value(Decimal("9457.365"), "万元") == "9,457.37"
    assert show_change(Decimal("-0.25"), "%") == "\N{MINUS SIGN}0.3"


def test_a_value_over_fewer_units_stands_for_itself() -> None:
    assert behind(50.0, Decimal(1), Decimal(3), 100) == 50.0
    assert behind(None, Decimal(1), Decimal(0), 100) is None
    assert behind(12.0, None, None, 100) == 12.0
    assert behind(3.0, Decimal(3), None) == 3


def test_a_count_that_is_not_whole_shows_that() -> None:
    assert show_value(3.5, "项") == "3.5"
    assert show_value(3.0, "项") == "3"
    assert show_value(Fraction(10, 3), "人") == "3.33"


def test_a_change_has_a_sign_and_is_never_shown_as_zero() -> None:
    assert show_change(2.34, "%") == "+2.3"
    assert show_change(-0.004, "%") == "\N{MINUS SIGN}0.004"
    assert show_change(0.0, "%") == "0.0"


def test_counts_and_sums_show_the_decimals_they_have() -> None:
    assert show_plain(Decimal("1200.000000")) == "1,200"
    assert show_plain(Decimal("0.250000")) == "0.25"
    assert show_plain(Decimal("0.000001")) == "0.000001"
    assert show_plain(0) == "0"
    assert show_plain(None) == BLANK


def test_times_are_shown_in_china_time() -> None:
    assert local_time(datetime(2022, 10, 31, 16, 30)) == "2022-11-01 00:30"
