"""The calendar: from when a form can be handed in, and when it is due."""

from __future__ import annotations

from datetime import date

import pytest

from transforms.forms import FORMS
from transforms.forms.model import Deadline


@pytest.mark.parametrize(
    ("deadline", "opens"),
    [
        (Deadline(0, 10, 31, opens=(9, 1)), date(2020, 9, 1)),
        (Deadline(1, 3, 31, opens=(1, 1)), date(2021, 1, 1)),
        # Due in spring and open since the autumn before.
        (Deadline(1, 3, 31, opens=(11, 15)), date(2020, 11, 15)),
        (Deadline(0, 10, 31, opens=(10, 31)), date(2020, 10, 31)),
        (Deadline(0, 10, 31), None),
    ],
)
def test_a_form_opens_on_the_last_such_day_before_it_is_due(
    deadline: Deadline, opens: date | None
) -> None:
    assert deadline.opens_on(2020) == opens


def test_a_form_is_open_from_that_day_on() -> None:
    school, finance = FORMS["school"].deadline, FORMS["finance"].deadline
    assert not school.is_open(2020, date(2020, 8, 31))
    assert school.is_open(2020, date(2020, 9, 1))
    assert not finance.is_open(2020, date(2020, 12, 31))
    assert finance.is_open(2020, date(2021, 1, 1))
    assert Deadline(0, 10, 31).is_open(2020, date(1999, 1, 1))
