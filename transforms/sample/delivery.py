"""A file on its way into the inbox, and when it gets there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Literal

import polars as pl

from transforms.china import CHINA
from transforms.sample.city import Key, unit_frames
from transforms.sample.unit import Unit

#: What makes the pipeline return a submission.
Flaw = Literal["bad_cell", "missing_column", "duplicate_row"]

# One in so many submissions comes after its date.
_LATE_ONE_IN = 30
# What comes last, after the year has ended, has not come yet from so many of the units.
_LAST_FORM = "finance"
_WITHOUT_LAST_FORM = 0.2


@dataclass(frozen=True, kw_only=True)
class SampleFile:
    """One file that a unit hands in.

    ``path`` is relative to the inbox. ``forms`` and ``year`` are what the file holds. ``flaw``
    is why all of it must be returned (None: all of it must be accepted); a later file that
    ``corrects`` it has the path of the flawed one there.
    """

    path: PurePosixPath
    data: bytes
    received: datetime
    forms: tuple[str, ...]
    region_code: str
    year: int
    flaw: Flaw | None = None
    corrects: PurePosixPath | None = None


def handed_in(
    unit: Unit, years: Sequence[int], townships: pl.DataFrame
) -> Iterator[tuple[Key, pl.DataFrame]]:
    """Yield the submissions of ``unit``, year by year, less what it has not come to in the newest year.

    A year that stands alone is whole.
    """
    newest = max(years) if len(set(years)) > 1 else None
    for key, frame in unit_frames(unit, years, townships):
        form, _, year = key
        awaited = (form, year) == (_LAST_FORM, newest)
        if not awaited or unit.draws("silent", year).random() >= _WITHOUT_LAST_FORM:
            yield key, frame


def time_of_receipt(unit: Unit, form: str, year: int) -> datetime:
    """Return when a form came in: in October, or for money in February and March of the next year.

    A few come days or weeks after their date.
    """
    draws = unit.draws("receipt", form, year)
    late = draws.randrange(_LATE_ONE_IN) == 0
    if form in ("finance", "salary"):
        first = datetime(year + 1, 4, 2) if late else datetime(year + 1, 2, 20)
        days = 24 if late else 36
    else:
        first = datetime(year, 11, 1) if late else datetime(year, 10, 9)
        days = 24 if late else 20
    minutes = draws.randrange(8 * 60, 18 * 60)
    return first.replace(tzinfo=CHINA) + timedelta(days=draws.randrange(days), minutes=minutes)
