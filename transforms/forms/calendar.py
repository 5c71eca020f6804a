"""The calendar: when each form can be handed in, and when it is late.

A CSV with the columns form, opens, due (both MM-DD), grace_days, year (``this`` or ``next``: in which one,
seen from the statistical year, it is due). The package has one, ``calendar.csv``; a home's stands over it,
form by form.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import date
from pathlib import Path

from transforms.definitions import DefinitionError, at_line, csv_rows
from transforms.forms.model import Deadline
from transforms.texts import Text

CALENDAR = "calendar.csv"
COLUMNS = ("form", "opens", "due", "grace_days", "year")

_DAY = re.compile(r"([0-9]{1,2})-([0-9]{1,2})")
_YEARS = {"this": 0, "next": 1}


def read_calendar(file: Path, forms: Collection[str]) -> dict[str, Deadline]:
    """Return the deadlines in ``file`` by form; ``forms`` are those that there are.

    Raises:
        DefinitionError: a row is wrong, or speaks of a form that is not there.
    """
    problems: list[Text] = []
    found: dict[str, Deadline] = {}
    for line, row in csv_rows(file, COLUMNS):
        where, form = at_line(file, line).further(row["form"]), row["form"]
        if form not in forms:
            problems.append(no_such_form(sorted(forms)).at(where))
        if form in found:
            twice = Text("这张报表写了两行；请删去一行", "the form stands twice; take one row out")
            problems.append(twice.at(where))
        opens, due = _day(row["opens"]), _day(row["due"])
        if row["opens"] and opens is None:
            problems.append(_no_day(row["opens"], "09-01").at(where.further("opens")))
        if due is None:
            problems.append(_no_day(row["due"], "10-31").at(where.further("due")))
        if row["year"] not in _YEARS:
            neither = Text(
                f"{row['year']!r} 既不是 this（当年）也不是 next（次年）；请写其中之一",
                f"{row['year']!r} is neither this nor next; write one of them",
            )
            problems.append(neither.at(where.further("year")))
        grace = row["grace_days"] or "0"
        if not grace.isdecimal():
            no_number = Text(
                f"{grace!r} 不是天数；请写 0 或更大的整数",
                f"{grace!r} is no number of days; write 0 or more",
            )
            problems.append(no_number.at(where.further("grace_days")))
        if due is not None and grace.isdecimal():
            years = _YEARS.get(row["year"], 0)
            found[form] = Deadline(years, *due, grace_days=int(grace), opens=opens)
    if problems:
        raise DefinitionError(problems)
    return found


def no_such_form(known: Iterable[str]) -> Text:
    """Return that a form is not one of those that are ``known``."""
    names = list(known)
    return Text(
        f"没有这张报表；有的是：{'、'.join(names)}",
        f"there is no such form; there are {', '.join(names)}",
    )


def _no_day(said: str, example: str) -> Text:
    return Text(
        f"{said!r} 不是日期；请写成 {example}", f"{said!r} is no day; write it as {example}"
    )


def _day(text: str) -> tuple[int, int] | None:
    """Return month and day of ``MM-DD``; None where it is no day of every year."""
    match = _DAY.fullmatch(text)
    if match is None:
        return None
    month, day = int(match[1]), int(match[2])
    try:
        date(2001, month, day)
    except ValueError:
        return None
    return month, day
