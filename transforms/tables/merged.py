"""Cells merged downwards over the rows of a table: what they say of each row, and what they cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from transforms.formats import Sheet
from transforms.forms import Form, Kind

#: Cells merged downwards say the same of each of their rows, unless they hold a figure.
FIGURES = (Kind.INT, Kind.NUMBER)


def fill_merged(
    body: pl.DataFrame,
    merged: Sequence[tuple[int, int, int, int]],
    form: Form,
    columns: dict[str, int],
    first_body: int,
) -> pl.DataFrame:
    """Return the body with the text of each cell merged downwards in all of its rows.

    A merged figure is not carried down: it is one figure for several rows, and which part of it
    belongs to which row is not known (see :func:`merged_figures_of`).
    """
    filled: dict[str, list[str | None]] = {}
    for name, row0, row1 in _merged_down(merged, columns, first_body):
        column = form.by_name.get(name)
        top = row0 - first_body
        if (column is not None and column.kind in FIGURES) or top >= body.height:
            continue
        if name not in filled:
            filled[name] = body[name].to_list()
        texts = filled[name]
        texts[top : row1 - first_body + 1] = [texts[top]] * (
            min(row1 - first_body + 1, body.height) - top
        )
    if not filled:
        return body
    return body.with_columns(
        pl.Series(name, texts, dtype=pl.String) for name, texts in filled.items()
    )


def merged_figures_of(
    sheet: Sheet, form: Form, columns: dict[str, int], first_body: int
) -> tuple[tuple[str, int, int], ...]:
    """Return column, first and last row (from 1) of the figures that are merged over several rows."""
    if not sheet.merged:
        return ()
    figures = {n: place for n, place in columns.items() if form.by_name[n].kind in FIGURES}
    return tuple(
        (name, row0 + 1, row1 + 1)
        for name, row0, row1 in _merged_down(sheet.merged, figures, first_body)
        if row0 < sheet.cells.height and sheet.cells.item(row0, figures[name]) is not None
    )


def _merged_down(
    merged: Sequence[tuple[int, int, int, int]], columns: dict[str, int], first_body: int
) -> Iterator[tuple[str, int, int]]:
    """Yield column, first and last row (from 0) of the cells merged over several rows of the data.

    A cell may be as wide as the header over it, no wider.
    """
    if not merged:
        return
    names = {place: name for name, place in columns.items()}
    wide = {(col0, col1) for _, col0, row1, col1 in merged if row1 < first_body}
    for row0, col0, row1, col1 in merged:
        fits = col0 == col1 or (col0, col1) in wide
        if row0 >= first_body and row1 > row0 and col0 in names and fits:
            yield names[col0], row0, row1
