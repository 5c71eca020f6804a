"""Rows of submitted text as typed rows, with marks on what cannot be taken as it stands."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from transforms.checks.values import as_asked, parse
from transforms.forms import Column, Form, Kind
from transforms.tables.model import Table

#: What is noted of a text, and the rule that it breaks (see :func:`transforms.checks.values.parse`).
MARKS = {"unreadable": "E03", "outside": "E04", "rounded": "W03"}


def type_rows(form: Form, tables: Sequence[Table], data: pl.DataFrame) -> pl.DataFrame:
    """Return the data rows with every column typed, its text as ``<name>~`` and three marks beside it.

    ``<name>!unreadable`` and ``<name>!outside`` are true where the text is bad,
    ``<name>!rounded`` where it has more decimals than are kept.
    """
    money = [column for column in form.columns if column.is_money]
    index = list(range(len(tables)))
    data = data.with_columns(
        expression
        for column in money
        for expression in (
            pl.col("table")
            .replace_strict(
                index,
                [t.powers.get(column.name, 0) for t in tables],
                return_dtype=pl.Int64,
            )
            .alias(f"{column.name}@power"),
            pl.col("table")
            .replace_strict(
                index, [t.unit.get(column.name) for t in tables], return_dtype=pl.String
            )
            .alias(f"{column.name}@unit"),
        )
    )
    typed = data.select("submission", "table", "row")
    columns = []
    for column in form.columns:
        name = column.name
        understood = _understood(column, data)
        columns += [
            understood["value"].alias(name),
            data[name].alias(f"{name}~"),
            *(understood[mark].alias(f"{name}!{mark}") for mark in MARKS),
        ]
    return typed.with_columns(columns)


def _understood(column: Column, data: pl.DataFrame) -> pl.DataFrame:
    """Return value and the marks (see :func:`transforms.checks.values.parse`) of every row's text."""
    name = column.name
    keys = [name, f"{name}@power", f"{name}@unit"] if column.is_money else [name]
    clean = [pl.lit(False).alias(mark) for mark in MARKS]
    # Words repeat themselves more than figures: it is quicker to look at each of them once.
    looked_at = data.select(keys).unique() if column.kind is Kind.TEXT else data.select(keys)
    known = looked_at.with_columns(value=as_asked(column))
    others = known["value"].is_null() & known[name].is_not_null()
    if not others.any():
        values = data[name] if column.kind is Kind.TEXT else known["value"]
        return values.alias("value").to_frame().with_columns(clean)
    # What people type repeats itself: each text is put through the grammar once.
    meaning = parse(column, looked_at.filter(others).unique())
    plainly = known.filter(~others).unique().with_columns(clean)
    return (
        data.select(keys)
        .join(
            pl.concat([plainly, meaning.select(plainly.columns)]),
            on=keys,
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
        .select("value", *MARKS)
    )
