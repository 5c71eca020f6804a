"""The data dictionary says what the database says, as a page and as a workbook."""

from __future__ import annotations

from pathlib import Path

import duckdb
import openpyxl
from lxml import html

from warehouse.publication.reader import Reader
from warehouse.report import write_dictionary


def test_page_and_workbook_hold_every_column_and_its_comment(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    write_dictionary(Reader(connection), tmp_path)
    columns = connection.execute(
        "SELECT table_name, column_name, data_type, coalesce(comment, '') FROM duckdb_columns()"
        " WHERE schema_name = 'main' AND NOT internal"
    ).fetchall()
    book = openpyxl.load_workbook(tmp_path / "dictionary.xlsx")
    sheet = book["字段 Columns"].iter_rows(min_row=2, values_only=True)
    told = {tuple(cell or "" for cell in row) for row in sheet}
    assert {(*row[:3], row[5]) for row in told} == set(columns)
    of = {(row[0], row[1]): row[3:5] for row in told}
    assert of["clause", "due_year"] == ("true", "2019"), "the clauses of every year have none"
    assert of["clause", "clause_id"] == ("false", "0.1")
    assert of["region", "region_name_en"] == ("false", "Beizhen City")
    tree = html.fromstring((tmp_path / "dictionary.html").read_text("utf-8"))
    assert len(tree.xpath("//section[starts-with(@id, 't-')]//tbody/tr")) == len(columns)
    assert "六位代码 <b>主键</b> / six-digit code" in tree.text_content()
    assert not tree.xpath("//b")
    assert "最近一年的评判" in tree.text_content(), "views are described too"


def test_alone_it_links_to_nothing_but_its_own_files(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    write_dictionary(Reader(connection), tmp_path)
    tree = html.fromstring((tmp_path / "dictionary.html").read_text("utf-8"))
    links = {link for link in tree.xpath("//@href | //@src") if not link.startswith("#")}
    assert links == {"data:,", "report.css", "report.js", "dictionary.xlsx"}


def test_no_cell_of_the_workbook_is_a_formula(publication_file: Path, tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{publication_file}' AS p (READ_ONLY)")
        connection.execute("COPY FROM DATABASE p TO memory")
        connection.execute("UPDATE indicator SET formula = '=1+1', name_zh = '@SUM(A1)'")
        write_dictionary(Reader(connection), tmp_path)
    book = openpyxl.load_workbook(tmp_path / "dictionary.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert any(cell.value == "=1+1" for cell in cells)
    assert all(cell.data_type != "f" for cell in cells)
    assert all(cell.hyperlink is None for cell in cells)
