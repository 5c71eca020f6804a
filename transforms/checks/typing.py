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
    # All of them at once: to ask for one takes longer than what is done then.
    as_written = data.select(
        "row", *(as_asked(c).alias(c.name) for c in form.columns if c.kind is not Kind.TEXT)
    )
    typed = data.select("submission", "table", "row")
    columns: list[pl.Series | pl.Expr] = []
    for column in form.columns:
        name = column.name
        if column.kind is Kind.TEXT:
            understood = _of_words(column, data)
        else:
            understood = _of_figures(column, data, as_written[name])
        columns += [
            understood["value"].alias(name),
            data[name].alias(f"{name}~"),
            *(
                understood[mark].alias(f"{name}!{mark}")
                if mark in understood.columns
                else pl.lit(False).alias(f"{name}!{mark}")
                for mark in MARKS
            ),
        ]
    return typed.with_columns(columns)


def _of_words(column: Column, data: pl.DataFrame) -> pl.DataFrame:
    """Return the value of every row's text in a column of words; its marks beside it, where it has any."""
    # Words repeat themselves more than figures: it is quicker to look at each of them once.
    words = data.select(column.name).unique()
    known = words.with_columns(value=as_asked(column))
    if known["value"].null_count() == words[column.name].null_count():
        return data[column.name].alias("value").to_frame()
    return _understood(column, data, known)


def _of_figures(column: Column, data: pl.DataFrame, as_written: pl.Series) -> pl.DataFrame:
    """As :func:`_of_words` of another column; ``as_written`` are the values of what is written as the form asks."""
    values = as_written.alias("value")
    if values.null_count() == data[column.name].null_count():
        return values.to_frame()
    return _understood(column, data, data.select(_keys(column)).with_columns(values))


def _understood(column: Column, data: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return value and marks (see :func:`transforms.checks.values.parse`) of every row's text.

    ``known`` has its texts, with the ``value`` of those that are written as the form asks.
    """
    keys = _keys(column)
    others = known["value"].is_null() & known[column.name].is_not_null()
    # What people type repeats itself: each text is put through the grammar once.
    meaning = parse(column, known.select(keys).filter(others).unique())
    clean = [pl.lit(False).alias(mark) for mark in MARKS]
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


def _keys(column: Column) -> list[str]:
    """Return the columns by which a text of ``column`` means the same."""
    name = column.name
    return [name, f"{name}@power", f"{name}@unit"] if column.is_money else [name]
