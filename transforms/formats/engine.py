"""The one door to the workbook library (fastexcel, on calamine).

It is fast, and it trusts its input: a far-off cell makes it ask for a terabyte, a bad offset makes
it panic. So it is handed only containers whose sheets have been measured.
"""

from __future__ import annotations

import re
from typing import Final

import fastexcel
import polars as pl

from .cells import CellBudget, number_text, trim

_ERRORS: Final = {
    "Div0": "#DIV/0!",
    "NA": "#N/A",
    "Name": "#NAME?",
    "Null": "#NULL!",
    "Num": "#NUM!",
    "Ref": "#REF!",
    "Value": "#VALUE!",
    "GettingData": "#GETTING_DATA",
}


def read_sheets(container: bytes, names: list[str], budget: CellBudget) -> list[pl.DataFrame]:
    """Return the cells of a container's sheets, in order; `names` are what people call them.

    Takes nothing off the budget. Raises Unreadable (too_spread), and for damage whatever the library
    raises or panics with.
    """
    reader = fastexcel.read_excel(container)
    return [_cells(reader, position, name, budget) for position, name in enumerate(names)]


def _cells(
    reader: fastexcel.ExcelReader, position: int, name: str, budget: CellBudget
) -> pl.DataFrame:
    sheet = reader.load_sheet(
        position, header_row=None, skip_rows=0, dtypes="string", whitespace_as_null=True
    )
    if sheet.width == 0 or sheet.height == 0:
        return pl.DataFrame()
    first = sheet.available_columns()[0].absolute_index  # leading blank columns are left out
    budget.check(name, sheet.height, first + sheet.width)
    batch, errors = sheet.to_arrow_with_errors()
    cells = pl.DataFrame(batch)
    cells.columns = [str(first + i) for i in range(cells.width)]
    if errors is not None:
        cells = pl.DataFrame(_with_errors(cells.get_columns(), errors))
    if first:
        blank = pl.Series([None], dtype=pl.String).new_from_index(0, cells.height)
        cells = pl.DataFrame([blank.alias(str(i)) for i in range(first)] + cells.get_columns())
    return trim(cells)


def _with_errors(columns: list[pl.Series], errors: fastexcel.CellErrors) -> list[pl.Series]:
    """Put the texts of formula errors where the library leaves blanks."""
    texts: dict[int, dict[int, str]] = {}
    for error in errors.errors:
        row, column = error.offset_position
        texts.setdefault(column, {})[row] = _error_text(error.detail)
    filled = list(columns)
    for column, by_row in texts.items():
        values = columns[column].to_list()
        for row, text in by_row.items():
            values[row] = text
        filled[column] = pl.Series(columns[column].name, values, dtype=pl.String)
    return filled


def _error_text(detail: str) -> str:
    if found := re.search(r"Error\((\w+)\)", detail):
        return _ERRORS.get(found[1], "#VALUE!")
    # A number formatted as a date that no calendar has: the number it is.
    if found := re.search(r"value: (-?[0-9.eE+-]+)", detail):
        return number_text(found[1])
    return "#VALUE!"
