"""Telling a table whose cells moved by one column: read one column over, it is in order.

A cell that is put in or left out moves all cells behind it under the wrong headers. Where nothing
else is wrong, the rows make sense again as soon as each text is read as the column it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from transforms.forms import Form, Kind

#: Rows that are tried; what moved, moved in all of them.
SAMPLE = 200
#: Of so many rows one may be wrong for reasons of its own.
_ROWS_PER_ERROR = 20


def first_shifted(
    form: Form,
    columns: Mapping[str, int],
    texts: pl.DataFrame,
    read: Callable[[pl.DataFrame], pl.DataFrame],
) -> str | None:
    """Return the column from which on the cells of a table stand one column too far; None if none do.

    ``columns`` are the places of the columns on the sheet, ``texts`` the submitted rows; ``read``
    types such rows and marks what is wrong with them (``<name>!unreadable``, ``<name>!outside``).
    """
    order = sorted(columns, key=lambda name: columns[name])
    if len(order) < 2:
        return None
    own = read(texts)
    blank = [_errors(own, name) == 0 and own[name].is_null().all() for name in order]
    # One cell was put in: it is blank, and what stood last has no header any more.
    tries = [(i, 1, len(order) - 1) for i in range(len(order) - 1) if blank[i]]
    if blank[-1]:  # One cell was left out, and nobody knows what it said.
        tries += [(i, -1, i) for i in range(len(order) - 1)]
    moved = {step: read(_moved(texts, order, columns, step)) for step in {t[1] for t in tries}}
    judged = [
        (_wrong(form, _mixed(own, moved[step], order[start:]), order, lost), -step * start)
        for start, step, lost in tries
    ]
    wrong, start = min(judged, default=(texts.height + 1, 0))
    # A column that nobody has answered makes as much sense one over: what is in order has not moved.
    as_it_stands = _wrong(form, own, order, len(order))
    moved_in_order = wrong * _ROWS_PER_ERROR <= texts.height and wrong < as_it_stands
    return order[abs(start)] if moved_in_order else None


def _moved(
    texts: pl.DataFrame, order: Sequence[str], columns: Mapping[str, int], step: int
) -> pl.DataFrame:
    """Return the same rows with each column's text taken from the next place (``step`` 1 or -1)."""
    at = {columns[name]: name for name in order}
    return texts.with_columns(
        pl.col(at[place + step]).alias(name)
        if place + step in at
        else pl.lit(None, pl.String).alias(name)
        for place, name in at.items()
    )


def _mixed(own: pl.DataFrame, moved: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    taken = [c for c in own.columns if c.rstrip("~").partition("!")[0] in names]
    return own.with_columns(moved[column] for column in taken)


def _wrong(form: Form, rows: pl.DataFrame, order: Sequence[str], lost: int) -> int:
    """Return how much is wrong in the rows, apart from the column of which nothing is known."""
    known = [name for i, name in enumerate(order) if i != lost]
    wrong = sum(_errors(rows, name) for name in known)
    for column in (form.by_name[name] for name in known):
        if column.required:
            wrong += rows[column.name].null_count()
        if column.kind is Kind.TEXT:  # a code would do as a text, but is no name
            wrong += _count(rows[column.name].str.contains(r"^[0-9]{5,}$"))
    for check in form.row_checks:
        if set(check.columns) <= set(known):
            wrong += _count(rows.select(check.bad).to_series())
    return wrong


def _errors(rows: pl.DataFrame, name: str) -> int:
    return _count(rows[f"{name}!unreadable"]) + _count(rows[f"{name}!outside"])


def _count(marks: pl.Series) -> int:
    return int(marks.sum() or 0)
