"""Tables whose cells moved by one column: they are one cause, rule E31.

A cell that is put in or left out moves all cells behind it under the wrong headers. Two signs tell
it. Where nothing else is wrong, the rows make sense again as soon as each text is read as the column
it came from (:func:`find_shifted`). Otherwise several columns that stand side by side are bad nearly
all the way down (:func:`take_together`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from transforms.checks.findings import MARKED_CELLS, Finding, Placed, Submission, make_finding
from transforms.checks.rules import rule_of
from transforms.checks.typing import type_rows
from transforms.forms import Form, Kind
from transforms.tables.model import Table, cell_name

#: Rules that content breaks which stands in the wrong column; the last two say that it is there.
_BAD_CONTENT, _UNREADABLE = ("E02", "E03", "E04"), ("E03", "E04")
#: So many bad columns, and so many of them unreadable, make a shifted table; so does a blank
#: column with an unreadable one behind it.
_SHIFTED_COLUMNS = 3
_SHIFTED_UNREADABLE = 2
#: In fewer rows than these, bad cells are named one by one.
_SHIFTED_ROWS = 5
#: Rows that are tried; what moved, moved in all of them.
_SAMPLE = 200
#: Of so many rows one may be wrong for reasons of its own.
_ROWS_PER_ERROR = 20


def find_shifted(
    form: Form,
    tables: Sequence[Table],
    data: pl.DataFrame,
    sizes: pl.DataFrame,
    found: pl.DataFrame,
    submissions: Sequence[Submission],
) -> tuple[list[Finding], pl.DataFrame]:
    """Return a finding for each table whose cells moved by a column, and the raw rows that are left.

    ``data`` are the rows as they were submitted, ``found`` the raw rows of what is wrong with them
    (:data:`~transforms.checks.findings.RAW_SCHEMA`); ``sizes`` has submission, table and size, the
    number of their rows.
    """
    shifted = []
    for submission, table in _suspects(sizes, found):
        here = (pl.col("submission") == submission) & (pl.col("table") == table)
        columns, moved = tables[table].columns, data.filter(here)
        first = _first_shifted(
            form, columns, moved.head(_SAMPLE), lambda texts: type_rows(form, tables, texts)
        )
        if first is None:
            continue
        last = max(columns, key=lambda name: columns[name])
        blank = (pl.col("rule") == rule_of(form, "E02").id) & pl.col("column").is_in([first, last])
        # A blank column alone is no shift.
        if found.filter(here & ~blank).height < min(2, moved.height):
            continue
        behind = sorted(
            (name for name, place in columns.items() if place >= columns[first]),
            key=lambda name: columns[name],
        )
        found = found.filter(
            ~(here & pl.col("columns").list.eval(pl.element().is_in(behind)).list.any())
        )
        rows = moved["row"]
        shifted.append(
            make_finding(
                submissions[submission],
                rule_of(form, "E31").id,
                sheet=tables[table].sheet,
                places=[
                    cell_name(row, columns[name]) for row in rows[:MARKED_CELLS] for name in behind
                ],
                row=rows[0],
                column=form.by_name[first],
                value=str(len(behind)),
                cells=len(behind) * len(rows),
            )
        )
    return shifted, found


def _suspects(sizes: pl.DataFrame, found: pl.DataFrame) -> list[tuple[int, int]]:
    """Return submission and table where half of the rows break one rule in one column."""
    by_table = ("submission", "table")
    return (
        found.group_by(*by_table, "rule", "column")
        .len("hits")
        .join(sizes, on=by_table)
        .filter(2 * pl.col("hits") >= pl.col("size"))
        .select(by_table)
        .unique()
        .sort(by_table)
        .rows()
    )


def take_together(
    placed: Sequence[Placed],
    form: Form,
    tables: Sequence[Table],
    sizes: Mapping[tuple[int, int], int],
) -> list[Finding]:
    """Return findings, with those of bad columns that stand side by side taken together as one.

    What else is wrong from the first of these columns on has the same cause. ``sizes`` gives the
    number of data rows for every pair of submission and table.
    """
    whole: dict[tuple[int, int], list[Placed]] = {}
    for one in placed:
        mostly = 2 * one.hits >= sizes[one.submission, one.table] and one.hits >= _SHIFTED_ROWS
        if mostly and one.finding.rule.number in _BAD_CONTENT:
            whole.setdefault((one.submission, one.table), []).append(one)
    shifted = {
        key: sorted(columns, key=lambda one: one.place)
        for key, columns in whole.items()
        if _side_by_side(columns)
    }
    covered = {id(one) for columns in shifted.values() for one in columns}
    kept = [
        one.finding
        for one in placed
        if id(one) not in covered
        and (
            (key := (one.submission, one.table)) not in shifted or one.place < shifted[key][0].place
        )
    ]
    return kept + [
        make_finding(
            columns[0].finding.submission,
            rule_of(form, "E31").id,
            sheet=tables[table].sheet,
            places=[place for one in columns for place in one.finding.places],
            row=min(one.finding.row or 0 for one in columns),
            column=form.by_name[str(columns[0].finding.column_name)],
            value=str(len({one.place for one in columns})),
            cells=sum(one.finding.cells for one in columns),
        )
        for (_, table), columns in shifted.items()
    ]


def _side_by_side(columns: Sequence[Placed]) -> bool:
    """Return whether bad columns of a table are so many, or stand so, that its cells moved."""
    bad = {one.place for one in columns}
    unreadable = {one.place for one in columns if one.finding.rule.number in _UNREADABLE}
    moved = any(place + 1 in unreadable for place in bad - unreadable)
    return moved or (len(unreadable) >= _SHIFTED_UNREADABLE and len(bad) >= _SHIFTED_COLUMNS)


def _first_shifted(
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
