"""Made-up cells of forms and columns that the made-up city has no story for: those of a home.

They follow from the form's record alone: of the type, within the bounds, and breaking none of its rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, time
from decimal import Decimal
from random import Random
from typing import Any

import polars as pl

from transforms.forms import Column, Form, Kind

#: The column by which a form of institutions is known.
CODE, NAME = "institution_code", "institution_name"


def further_rows(
    form: Form, institutions: Iterable[tuple[str, str]], year: int, draws: Random
) -> list[dict[str, object]]:
    """Return rows of ``form``: one for each institution (code, name), else for each choice of its key, else one."""
    if CODE in form.by_name:
        known = [{CODE: code, NAME: name} for code, name in institutions]
    else:
        chosen = next((form.by_name[k] for k in form.key if form.by_name[k].choices), None)
        known = [{chosen.name: word} for word in chosen.choices] if chosen else [{}]
    return [_row(form, one, year, draws) for one in known]


def completed(form: Form, frame: pl.DataFrame, year: int, draws: Random) -> pl.DataFrame:
    """Return ``frame`` in the columns of ``form``: what it lacks is made up, what is too much goes."""
    lacking = [column for column in form.columns if column.name not in frame.columns]
    if lacking:
        rows = [_row(form, dict(row), year, draws) for row in frame.iter_rows(named=True)]
        frame = frame_of(form, rows)
    return _sound(form, frame.select(list(form.schema)))


def frame_of(form: Form, rows: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    """Return rows as the cleaned frame of ``form``, without those that would break a rule of it."""
    made = list(rows)
    columns = {
        name: pl.Series(name, [row.get(name) for row in made], dtype=dtype, strict=True)
        for name, dtype in form.schema.items()
    }
    return _sound(form, pl.DataFrame(columns))


def _sound(form: Form, frame: pl.DataFrame) -> pl.DataFrame:
    for check in form.row_checks:
        frame = frame.filter(~check.bad.fill_null(False))
    return frame


def _row(form: Form, known: dict[str, Any], year: int, draws: Random) -> dict[str, object]:
    row = dict(known)
    for column in form.columns:
        if column.name not in row:
            row[column.name] = _cell(column, year, draws)
    # A part is drawn from its whole, in the order in which the record has them.
    for check in form.row_checks:
        if len(check.columns) == 2:
            part, whole = (row.get(name) for name in check.columns)
            if isinstance(part, int) and isinstance(whole, int) and check.columns[0] not in known:
                row[check.columns[0]] = min(part, whole)
    return row


def _cell(column: Column, year: int, draws: Random) -> object:
    match column.kind:
        case Kind.INT | Kind.GRADE:
            if column.name.endswith("_year"):
                return min(year, column.high or year)
            return draws.randint(
                column.low, column.low + 30 if column.high is None else column.high
            )
        case Kind.NUMBER:
            return Decimal(draws.randint(100, 9_999)) / 100
        case Kind.BOOL:
            return draws.random() < 0.8
        case Kind.TIME:
            return time(8, 0)
        case Kind.DATE:
            return date(year, 9, 1)
        case Kind.CHOICE:
            return draws.choice(column.choices)
        case Kind.CODE:
            return column.example or "2121000001"
    return column.example or "示例"
