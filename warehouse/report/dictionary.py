"""The data dictionary: what every published table and column means, as a web page and a workbook.

It is read out of the database itself (COMMENT ON, the tables `indicator` and `clause`), so it
cannot say anything that a BI tool would not be told too.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter

from warehouse.publication.reader import Reader
from warehouse.publication.reader.queries import CLAUSE_ORDER
from warehouse.publication.tables import table_named
from warehouse.report.pages import Pages, environment, write_assets

_INDICATORS, _CLAUSES = (
    tuple(column.name for column in table_named(name).columns) for name in ("indicator", "clause")
)


@dataclass(frozen=True, slots=True)
class DictionaryColumn:
    """A column of a published table; ``may_be_null`` and ``example`` are as this publication has it."""

    name: str
    type: str
    comment: str
    may_be_null: bool
    example: str


@dataclass(frozen=True, slots=True)
class DictionaryTable:
    """A published table or view."""

    name: str
    is_view: bool
    comment: str
    columns: list[DictionaryColumn]


def write_dictionary(reader: Reader, out: Path) -> None:
    """Write dictionary.html and dictionary.xlsx into the folder `out`.

    `reader` is open on a publication. The page stands alone: its style sheet
    and script are put beside it.
    """
    out.mkdir(parents=True, exist_ok=True)
    pages = Pages(environment(), out)
    write_assets(pages)
    write(reader, pages, read_tables(reader))


def write(reader: Reader, pages: Pages, tables: Sequence[DictionaryTable]) -> None:
    """Write the dictionary among ``pages``, which have the assets; ``tables`` are those of :func:`read_tables`."""
    indicators = _rows(reader, "indicator", _INDICATORS, "indicator_id")
    clauses = _rows(reader, f"({CLAUSE_ORDER})", _CLAUSES, "plan_order")
    context = {
        "here": "dictionary",
        "tables": tables,
        "columns_total": sum(len(table.columns) for table in tables),
        "indicators": (_INDICATORS, indicators),
        "clauses": (_CLAUSES, clauses),
    }
    pages.page("dictionary.html", "dictionary.html", context)
    sheets = (tables, indicators, clauses)
    pages.file("dictionary.xlsx", sheets, lambda: _workbook(*sheets))


@contextmanager
def tables_ahead(reader: Reader) -> Iterator[Future[list[DictionaryTable]]]:
    """Yield what :func:`read_tables` will give, which DuckDB goes on to find out beside the block."""
    with reader.second() as second, ThreadPoolExecutor(1) as beside:
        yield beside.submit(read_tables, second)


def read_tables(reader: Reader) -> list[DictionaryTable]:
    """Return the tables of schema main, then its views, each with its columns in their order."""
    columns: dict[str, list[DictionaryColumn]] = {}
    known: dict[str, dict[str, tuple[bool, str]]] = {}
    for table, name, kind, comment in (columns_found := reader.tuples(_COLUMNS_SQL)):
        if table not in known:
            names = [column for of, column, *_ in columns_found if of == table]
            known[table] = _contents(reader, table, names)
        columns.setdefault(table, []).append(
            DictionaryColumn(name, kind, comment or "", *known[table][name])
        )
    return [
        DictionaryTable(name, is_view, comment or "", columns.get(name, []))
        for name, is_view, comment in reader.tuples(_TABLES_SQL)
    ]


#: What the workbook says of when it was made: of itself it would take the clock.
_CREATED = datetime(2000, 1, 1)
#: An example is cut to so many characters.
_EXAMPLE = 60


def _contents(reader: Reader, table: str, columns: Sequence[str]) -> dict[str, tuple[bool, str]]:
    """Return of every column whether it has a NULL, and its smallest value as an example."""
    asked = ", ".join(
        f'count("{name}") < count(*), left(min("{name}")::VARCHAR, {_EXAMPLE})' for name in columns
    )
    ((*told,),) = reader.tuples(f'SELECT {asked} FROM "{table}"')
    pairs = zip(told[::2], told[1::2], strict=True)
    return {
        name: (bool(null), example or "")
        for name, (null, example) in zip(columns, pairs, strict=True)
    }


def _rows(reader: Reader, table: str, columns: Sequence[str], order: str) -> list[tuple[Any, ...]]:
    return reader.tuples(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}")


def _workbook(
    tables: Sequence[DictionaryTable],
    indicators: Sequence[tuple[Any, ...]],
    clauses: Sequence[tuple[Any, ...]],
) -> bytes:
    """Return a workbook with one sheet each for tables, columns, indicators and clauses; no cell is a formula."""
    plain_text = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, plain_text) as book:
        # The same dictionary is the same file, whenever it is written.
        book.set_properties({"created": _CREATED})
        bold = book.add_format({"bold": True, "bottom": 1, "valign": "top"})
        wrap = book.add_format({"text_wrap": True, "valign": "top"})
        sheets: list[tuple[str, Sequence[str], Sequence[Sequence[Any]]]] = [
            (
                "表 Tables",
                ("table", "kind", "comment"),
                [(t.name, "view" if t.is_view else "table", t.comment) for t in tables],
            ),
            (
                "字段 Columns",
                ("table", "column", "type", "may be NULL", "example", "comment"),
                [
                    (t.name, c.name, c.type, c.may_be_null, c.example, c.comment)
                    for t in tables
                    for c in t.columns
                ],
            ),
            ("指标 Indicators", _INDICATORS, indicators),
            ("条款 Clauses", _CLAUSES, clauses),
        ]
        for name, header, rows in sheets:
            sheet = book.add_worksheet(name)
            sheet.freeze_panes(1, 0)
            sheet.autofilter(0, 0, max(len(rows), 1), len(header) - 1)
            sheet.set_column(0, len(header) - 1, 18, wrap)
            for j, title in enumerate(header):
                sheet.write_string(0, j, title, bold)
                if title in (
                    "comment",
                    "formula",
                    "statement_zh",
                    "statement_en",
                    "basis_zh",
                    "basis_en",
                ):
                    sheet.set_column(j, j, 60, wrap)
            for i, row in enumerate(rows, start=1):
                for j, value in enumerate(row):
                    _write_cell(sheet, i, j, value)
    return content.getvalue()


def _write_cell(sheet: Any, row: int, column: int, value: object) -> None:
    if isinstance(value, bool) or value is None:
        sheet.write_string(row, column, "" if value is None else str(value).lower())
    elif isinstance(value, int | float):
        sheet.write_number(row, column, value)
    else:
        sheet.write_string(row, column, str(value))


_TABLES_SQL = """
SELECT table_name, false AS is_view, comment FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal
UNION ALL
SELECT view_name, true, comment FROM duckdb_views()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal
ORDER BY is_view, table_name
"""

_COLUMNS_SQL = """
SELECT table_name, column_name, data_type, comment FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal
ORDER BY table_name, column_index
"""
