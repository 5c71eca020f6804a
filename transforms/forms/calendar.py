"""The calendar: when each form can be handed in, and when it is late.

A CSV with the columns form, opens, due (both MM-DD), grace_days, year (``this`` or ``next``: in which one,
seen from the statistical year, it is due). The package has one, ``calendar.csv``; a home's stands over it,
form by form.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date
from pathlib import Path

from transforms.definitions import DefinitionError, csv_rows
from transforms.forms.model import Deadline

CALENDAR = "calendar.csv"
COLUMNS = ("form", "opens", "due", "grace_days", "year")

_DAY = re.compile(r"([0-9]{1,2})-([0-9]{1,2})")
_YEARS = {"this": 0, "next": 1}


def read_calendar(file: Path, forms: Collection[str]) -> dict[str, Deadline]:
    """Return the deadlines in ``file`` by form; ``forms`` are those that there are.

    Raises:
        DefinitionError: a row is wrong, or speaks of a form that is not there.
    """
    problems: list[str] = []
    found: dict[str, Deadline] = {}
    for line, row in csv_rows(file, COLUMNS):
        where, form = f"{file}, line {line}, {row['form']}", row["form"]
        if form not in forms:
            problems.append(f"{where}: there is no such form; there are {', '.join(sorted(forms))}")
        if form in found:
            problems.append(f"{where}: the form stands twice; take one row out")
        opens, due = _day(row["opens"]), _day(row["due"])
        if row["opens"] and opens is None:
            problems.append(f"{where}, opens: {row['opens']!r} is no day; write it as 09-01")
        if due is None:
            problems.append(f"{where}, due: {row['due']!r} is no day; write it as 10-31")
        if row["year"] not in _YEARS:
            problems.append(
                f"{where}, year: {row['year']!r} is neither this nor next; write one of them"
            )
        grace = row["grace_days"] or "0"
        if not grace.isdecimal():
            problems.append(f"{where}, grace_days: {grace!r} is no number of days; write 0 or more")
        if due is not None and grace.isdecimal():
            years = _YEARS.get(row["year"], 0)
            found[form] = Deadline(years, *due, grace_days=int(grace), opens=opens)
    if problems:
        raise DefinitionError(problems)
    return found


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
