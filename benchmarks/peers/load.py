"""Load an inbox of tidy workbooks into DuckDB, as text: `python load.py INBOX REFERENCE DATABASE`.

The loader that a data engineer writes before the first dbt model: fastexcel on two threads, the unit
and the year from the path, a list of which header is which column, a schema ``raw`` for the result.
The peers `dbt` and `sql` begin with it. It knows what the workbooks of `jzedu sample` look like, and
nothing of what people really hand in.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import fastexcel
import polars as pl

COLUMNS = Path(__file__).with_name("columns.csv")
THREADS = 2

#: What the first cell of a row below the data says; 合计 is data in the form of finance.
FOOTER = "填表人"
TOTAL = "合计"


def columns_by_sheet() -> dict[str, tuple[str, dict[str, str]]]:
    """Return the form of every sheet, by the name of its file, with the column of each header."""
    sheets: dict[str, tuple[str, dict[str, str]]] = {}
    with COLUMNS.open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            sheets.setdefault(line["sheet"], (line["form"], {}))[1][line["header"]] = line[
                "column_name"
            ]
    return sheets


SHEETS = columns_by_sheet()


def without_unit(header: str | None) -> str:
    """Return a header without the unit of measure in brackets behind it."""
    return re.sub(r"\(.*\)$", "", header or "")


def read(path: Path) -> tuple[str, pl.DataFrame]:
    """Return the form of a workbook and its rows, with the unit and the year of its path."""
    form, columns = SHEETS[path.stem]
    sheet = fastexcel.read_excel(path).load_sheet(0, header_row=None, dtypes="string").to_polars()
    tops = [[without_unit(cell) for cell in row] for row in sheet.head(10).iter_rows()]
    number = next(i for i, row in enumerate(tops) if set(columns) <= set(row))
    first = pl.col(sheet.columns[0]).fill_null("")  # kindergartens without a licence have no code
    rows = sheet.slice(number + 1).filter(
        ~first.str.starts_with(FOOTER) & ((first != TOTAL) | (form == "finance"))
    )
    named = {old: columns[new] for old, new in zip(sheet.columns, tops[number], strict=True) if new}
    unit, year = path.parts[-3:-1]
    return form, rows.select(
        pl.lit(unit).alias("unit"),
        pl.lit(year).alias("year"),
        pl.col(*named).name.map(lambda old: named[old]),
    )


def load(inbox: Path, reference: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Fill the schema ``raw``: a table for each form, the regions and their townships."""
    found: defaultdict[str, list[pl.DataFrame]] = defaultdict(list)
    with ThreadPoolExecutor(THREADS) as pool:
        for form, rows in pool.map(read, sorted(inbox.glob("*/*/*.xlsx"))):
            found[form].append(rows)
    connection.execute("CREATE SCHEMA IF NOT EXISTS raw")
    for form, frames in found.items():
        frame = pl.concat(frames, how="diagonal")
        connection.register("frame", frame)
        connection.execute(f'CREATE OR REPLACE TABLE raw."{form}" AS SELECT * FROM frame')
        connection.unregister("frame")
    for name in ("regions", "townships"):
        connection.execute(
            f"CREATE OR REPLACE TABLE raw.{name} AS "
            f"SELECT * FROM read_csv('{reference / name}.csv', all_varchar = true)"
        )


def main() -> None:
    inbox, reference, database = map(Path, sys.argv[1:4])
    with duckdb.connect(str(database)) as connection:
        load(inbox, reference, connection)


if __name__ == "__main__":
    main()
