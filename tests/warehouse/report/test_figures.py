"""Rounding for show: no figure may appear on the other side of its threshold."""

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.report.figures import local_time, plain, show_change, show_pair


@pytest.mark.parametrize(
    ("value", "threshold", "unit", "shown"),
    [
        (49.96, 50, "%", ("49.96", "50")),
        (49.6, 50, "%", ("49.6", "50")),
        (50.0, 50, "%", ("50.0", "50")),
        (50.04, 50, "%", ("50.04", "50")),
        (99.99999, 100, "%", ("99.99999", "100")),
        (5.04, 5, "%", ("5.04", "5")),
        (0.4, 0, "所", ("0.4", "0")),
        (0.0, 0, "所", ("0", "0")),
        (1234567.0, 0, "人", ("1,234,567", "0")),
        (99.5, 99.5, "所", ("99.5", "99.5")),
        (None, 90, "%", ("—", "90")),
        (12.3, None, "%", ("12.3", "—")),
        (-0.0, None, "%", ("0.0", "—")),
    ],
)
def test_value_and_threshold_as_shown(
    value: float | None, threshold: float | None, unit: str, shown: tuple[str, str]
) -> None:
    assert show_pair(value, threshold, unit) == shown


def test_a_measured_threshold_is_rounded_like_its_value() -> None:
    assert show_pair(7895.4, 7895.333, "元", measured=True) == ("7,895.4", "7,895.3")
    assert show_pair(9123.8, 7895.333, "元", measured=True) == ("9,124", "7,895")


@given(
    st.integers(0, 10**6),
    st.integers(1, 10**6),
    st.sampled_from([0, 1, 5, 50, 80, 90, 95, 99.5, 100]),
    st.sampled_from(["%", "所", "元", "万元", "倍"]),
)
def test_the_order_of_value_and_threshold_survives_rounding(
    numerator: int, denominator: int, threshold: float, unit: str
) -> None:
    value = 100 * numerator / denominator
    shown, other = (Decimal(text.replace(",", "")) for text in show_pair(value, threshold, unit))
    assert (shown < other) == (100 * numerator < threshold * denominator)
    assert (shown == other) == (100 * numerator == threshold * denominator)


def test_a_change_has_a_sign_and_is_never_shown_as_zero() -> None:
    assert show_change(2.34, 1) == "+2.3"
    assert show_change(-0.004, 1) == "\N{MINUS SIGN}0.004"
    assert show_change(0.0, 1) == "0.0"


def test_counts_and_sums_show_the_decimals_they_have() -> None:
    assert plain(Decimal("1200.000000")) == "1,200"
    assert plain(Decimal("0.250000")) == "0.25"
    assert plain(0) == "0"


def test_times_are_shown_in_china_time() -> None:
    assert local_time(datetime(2022, 10, 31, 16, 30)) == "2022-11-01 00:30"
