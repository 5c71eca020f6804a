"""Small real files for the reader and the gate: a sheet as a unit types it, and what comes of it.

``paper("class")`` is a valid submission of the made-up city; a test changes what it is about,
and ``hand_in`` writes it to .xlsx or .csv bytes and takes these through the reader and the gate.
"""

from __future__ import annotations

import csv
import hashlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from html import escape
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pytest
import xlsxwriter
import xlwt
from odf.opendocument import OpenDocumentSpreadsheet
from odf.style import Style, TableProperties
from odf.table import Table, TableCell, TableRow
from odf.teletype import addTextToElement
from odf.text import P

from transforms.checks.findings import with_messages
from transforms.forms import FORMS, Form
from transforms.reading import read_file
from transforms.sample import make_city
from transforms.submissions import Document, Examined, examine
from transforms.tables.model import cell_name

Cell = str | int | float | bool | date | time | datetime | timedelta | None

UNIT, UNIT_NAME, YEAR = "210727", "义县", 2020
REFERENCE = Path(__file__).parents[2] / "transforms" / "reference"


@dataclass
class Paper:
    """One sheet before it is written.

    ``columns`` names the columns from left to right, ``header`` has one or more lines, and
    ``rows`` the data; ``above`` and ``below`` are the lines around them. ``merges`` are first row,
    first column, last row, last column (from 0).
    """

    form: Form
    columns: list[str]
    header: list[list[Cell]]
    rows: list[list[Cell]]
    above: list[list[Cell]] = field(default_factory=list)
    below: list[list[Cell]] = field(default_factory=list)
    merges: list[tuple[int, int, int, int]] = field(default_factory=list)
    name: str = ""
    hidden: bool = False

    def put(self, row: int, column: str, cell: Cell) -> Paper:
        """Type ``cell`` into data row ``row`` (from 0)."""
        self.rows[row][self.columns.index(column)] = cell
        return self

    def at(self, row: int, column: str) -> Cell:
        """What stands in data row ``row`` (from 0)."""
        return self.rows[row][self.columns.index(column)]

    def fill(self, column: str, cells: Sequence[Cell]) -> Paper:
        """Type ``cells`` down a column."""
        for row, cell in enumerate(cells):
            self.put(row, column, cell)
        return self

    def place(self, row: int, column: str) -> str:
        """The name of a data cell in the file, such as ``E14``."""
        return cell_name(self.line(row), self.columns.index(column))

    def line(self, row: int) -> int:
        """The sheet row, from 1, of data row ``row``."""
        return len(self.above) + len(self.header) + row + 1

    def head(self, column: str, text: str) -> Paper:
        """Give a column another header."""
        self.header[0][self.columns.index(column)] = text
        return self

    def drop(self, column: str) -> Paper:
        """Leave a column out."""
        place = self.columns.index(column)
        self.columns.pop(place)
        for line in (*self.header, *self.rows):
            line.pop(place)
        return self

    def insert(self, place: int, header: str, cells: Sequence[Cell]) -> Paper:
        """Put in a column, named by its header in ``columns``."""
        self.columns.insert(place, header)
        self.header[0].insert(place, header)
        for line in self.header[1:]:
            line.insert(place, None)
        for row, cell in zip(self.rows, cells, strict=True):
            row.insert(place, cell)
        return self

    def reordered(self, columns: Sequence[str]) -> Paper:
        """Put the columns into another order."""
        order = [self.columns.index(name) for name in columns]
        self.columns = list(columns)
        self.header = [[line[i] for i in order] for line in self.header]
        self.rows = [[row[i] for i in order] for row in self.rows]
        return self

    @property
    def grid(self) -> list[list[Cell]]:
        """All lines of the sheet."""
        return [*self.above, *self.header, *self.rows, *self.below]

    def csv(self, encoding: str = "utf-8-sig", delimiter: str = ",") -> bytes:
        """The sheet as delimited text."""
        out = StringIO(newline="")
        writer = csv.writer(out, delimiter=delimiter)
        writer.writerows([["" if c is None else _text(c) for c in line] for line in self.grid])
        return out.getvalue().encode(encoding)


@dataclass(frozen=True)
class Outcome:
    """What became of one file: rows of the gate's frames that belong to it."""

    submissions: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    sheets: list[dict[str, Any]]
    run: Examined

    @property
    def only(self) -> dict[str, Any]:
        """The one submission."""
        assert len(self.submissions) == 1, self.submissions
        return self.submissions[0]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The findings that return a submission."""
        return [entry for entry in self.findings if entry["severity"] == "error"]

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """The findings that let it in."""
        return [entry for entry in self.findings if entry["severity"] == "warning"]

    @property
    def error(self) -> dict[str, Any]:
        """The one error."""
        assert len(self.errors) == 1, [entry["message_zh"] for entry in self.findings]
        return self.errors[0]

    @property
    def rules(self) -> list[str]:
        """The rules of all findings, in order."""
        return sorted(entry["rule_id"] for entry in self.findings)

    def loaded(self, form: str) -> pl.DataFrame:
        """The loaded rows of a form, with where they came from."""
        mine = [entry["submission_id"] for entry in self.submissions]
        return self.run.rows[form].filter(pl.col("submission_id").is_in(mine))

    def values(self, form: str) -> pl.DataFrame:
        """The loaded rows of a form, its own columns only."""
        if form not in self.run.rows:
            return pl.DataFrame(schema=FORMS[form].schema)
        return self.loaded(form).select(*FORMS[form].schema)

    def column(self, form: str, name: str) -> list[Any]:
        """The loaded values of one column."""
        return list(self.values(form)[name])


def _text(cell: Cell) -> str:
    if isinstance(cell, time):
        return cell.isoformat("minutes")
    return str(cell)


def _plain(value: object) -> Cell:
    """A typed value as it stands in the blank template."""
    match value:
        case bool():
            return "是" if value else "否"
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case time():
            return value.isoformat("minutes")
        case date():
            return value.isoformat()
        case None | int() | str():
            return value
    raise TypeError(value)


def _workbook(papers: Sequence[Paper]) -> bytes:
    out = BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.set_properties({"created": datetime(2020, 10, 1)})
    clock = book.add_format({"num_format": "hh:mm"})
    length = book.add_format({"num_format": "[h]:mm"})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    for paper in papers:
        page = book.add_worksheet(paper.name or paper.form.zh)
        for row, line in enumerate(paper.grid):
            for column, cell in enumerate(line):
                match cell:
                    case None:
                        pass
                    case str():
                        page.write_string(row, column, cell)
                    case bool():
                        page.write_boolean(row, column, cell)
                    case int() | float():
                        page.write_number(row, column, cell)
                    case time():
                        page.write_datetime(row, column, cell, clock)
                    case date():
                        page.write_datetime(row, column, cell, day)
                    case timedelta():
                        page.write_datetime(row, column, cell, length)
        for top, left, bottom, right in paper.merges:
            page.merge_range(top, left, bottom, right, paper.grid[top][left])
        if paper.hidden:
            page.hide()
    shown = next(i for i, paper in enumerate(papers) if not paper.hidden)
    book.worksheets()[shown].activate()
    book.close()
    return out.getvalue()


def _xls(papers: Sequence[Paper]) -> bytes:
    out = BytesIO()
    book = xlwt.Workbook()
    clock, day = xlwt.easyxf(num_format_str="hh:mm"), xlwt.easyxf(num_format_str="yyyy-mm-dd")
    for paper in papers:
        page = book.add_sheet(paper.name or paper.form.zh)
        page.visibility = int(paper.hidden)
        for row, line in enumerate(paper.grid):
            for column, cell in enumerate(line):
                style = {time: clock, date: day}.get(type(cell))
                if cell is not None:
                    page.write(row, column, cell, *([style] if style else []))
        for top, left, bottom, right in paper.merges:
            page.merge(top, bottom, left, right)
    book.active_sheet = next(i for i, paper in enumerate(papers) if not paper.hidden)
    book.save(out)
    return out.getvalue()


def _ods(papers: Sequence[Paper]) -> bytes:
    out = BytesIO()
    book = OpenDocumentSpreadsheet()
    unseen = Style(name="unseen", family="table")
    unseen.addElement(TableProperties(display="false"))
    book.automaticstyles.addElement(unseen)
    for paper in papers:
        look = {"stylename": "unseen"} if paper.hidden else {}
        page = Table(name=paper.name or paper.form.zh, **look)
        spans = {(top, left): (1 + bottom - top, 1 + right - left)
                 for top, left, bottom, right in paper.merges}  # fmt: skip
        for row, line in enumerate(paper.grid):
            cells = TableRow()
            for column, cell in enumerate(line):
                down, across = spans.get((row, column), (1, 1))
                span = {"numberrowsspanned": down, "numbercolumnsspanned": across}
                cells.addElement(_ods_cell(cell, span if (down, across) != (1, 1) else {}))
            page.addElement(cells)
        book.spreadsheet.addElement(page)
    book.write(out)
    return out.getvalue()


def _ods_cell(cell: Cell, span: Mapping[str, int]) -> TableCell:
    match cell:
        case None:
            return TableCell(**span)
        case int() | float():
            return TableCell(valuetype="float", value=cell, **span)
        case time():
            return TableCell(valuetype="time", timevalue=f"{cell:PT%HH%MM%SS}", **span)
        case date():
            return TableCell(valuetype="date", datevalue=cell.isoformat(), **span)
    written = TableCell(valuetype="string", **span)
    for line in str(cell).split("\n"):
        paragraph = P()
        addTextToElement(paragraph, line)
        written.addElement(paragraph)
    return written


def _html(papers: Sequence[Paper]) -> bytes:
    """A page of tables, as systems of schools export it under the ending .xls."""
    tables = []
    for paper in papers:
        rows = []
        for row, line in enumerate(paper.grid):
            cells = []
            for column, cell in enumerate(line):
                inside = [m for m in paper.merges if m[0] <= row <= m[2] and m[1] <= column <= m[3]]
                if inside and inside[0][:2] != (row, column):
                    continue
                top, left, bottom, right = inside[0] if inside else (row, column, row, column)
                span = f" rowspan={1 + bottom - top} colspan={1 + right - left}"
                text = escape("" if cell is None else _text(cell)).replace("\n", "<br>")
                cells.append(f"<td{span if inside else ''}>{text}</td>")
            rows.append(f"<tr>{''.join(cells)}</tr>")
        tables.append(f"<table><caption>{paper.name}</caption>{''.join(rows)}</table>")
    page = "<html><meta charset=gb2312><body>" + "".join(tables) + "</body></html>"
    return page.encode("gb18030")


def _spreadsheetml(papers: Sequence[Paper]) -> bytes:
    """A workbook as one XML text of 2003."""
    pages = []
    for paper in papers:
        rows = []
        for row, line in enumerate(paper.grid, 1):
            cells = []
            for column, cell in enumerate(line, 1):
                if cell is None:
                    continue
                across = next(
                    (m[3] - m[1] for m in paper.merges if m[:2] == (row - 1, column - 1)), 0
                )
                down = next(
                    (m[2] - m[0] for m in paper.merges if m[:2] == (row - 1, column - 1)), 0
                )
                span = f' ss:MergeAcross="{across}" ss:MergeDown="{down}"'
                kind = "Number" if isinstance(cell, int | float) else "String"
                text = escape(_text(cell)).replace("\n", "&#10;")
                cells.append(
                    f'<Cell ss:Index="{column}"{span if across or down else ""}>'
                    f'<Data ss:Type="{kind}">{text}</Data></Cell>'
                )
            rows.append(f'<Row ss:Index="{row}">{"".join(cells)}</Row>')
        hidden = "<x:WorksheetOptions><x:Visible>SheetHidden</x:Visible></x:WorksheetOptions>"
        pages.append(
            f'<Worksheet ss:Name="{escape(paper.name or paper.form.zh)}"><Table>{"".join(rows)}'
            f"</Table>{hidden if paper.hidden else ''}</Worksheet>"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><?mso-application progid="Excel.Sheet"?>'
        '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"'
        ' xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"'
        ' xmlns:x="urn:schemas-microsoft-com:office:excel">' + "".join(pages) + "</Workbook>"
    ).encode()


def _zip(papers: Sequence[Paper]) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        # The name as old Chinese systems write it, without saying which encoding that is.
        archive.writestr("报表.xlsx".encode("gb18030").decode("cp437"), _workbook(papers))
    return out.getvalue()


def _bytes(content: Paper | Sequence[Paper] | bytes, path: str) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, Paper):
        return content.csv() if path.endswith(".csv") else _workbook([content])
    return _workbook(content)


def _received(
    content: Paper | Sequence[Paper] | bytes,
    path: str = f"{UNIT_NAME}/报表.xlsx",
    region_code: str | None = UNIT,
) -> list[Document]:
    data = _bytes(content, path)
    return read_file(data, path, sha256=hashlib.sha256(data).hexdigest(), region_code=region_code)


#: What writes sheets into a file, by its format.
Writers = Mapping[str, Callable[[Sequence[Paper]], bytes]]


class MakePaper(Protocol):
    """A tidy sheet of a form with so many rows of the city."""

    def __call__(self, name: str, size: int = 6, *, title: str | None = None) -> Paper: ...


class MakeBook(Protocol):
    """The bytes of one .xlsx workbook of several sheets."""

    def __call__(self, *papers: Paper) -> bytes: ...


class Receive(Protocol):
    """The documents of one file."""

    def __call__(
        self,
        content: Paper | Sequence[Paper] | bytes,
        path: str = ...,
        region_code: str | None = UNIT,
    ) -> list[Document]: ...


class HandIn(Protocol):
    """What comes of one file, once written, read and examined."""

    def __call__(
        self,
        content: Paper | Sequence[Paper] | bytes,
        path: str = ...,
        region_code: str | None = UNIT,
    ) -> Outcome: ...


class HandInAll(Protocol):
    """The same for many files in one run, by name: a content, or a content and its path."""

    def __call__(self, files: Mapping[Any, Any]) -> dict[Any, Outcome]: ...


def _outcomes(documents: Mapping[Any, Sequence[Document]]) -> dict[Any, Outcome]:
    """Examine all files in one run, as a night does, and tell them apart again."""
    owner = [name for name, found in documents.items() for _ in found]
    examined = examine([document for found in documents.values() for document in found])
    outcomes = {name: Outcome([], [], [], examined) for name in documents}
    of_submission = {}
    for entry in examined.submissions.rows(named=True):
        outcome = of_submission[entry["submission_id"]] = outcomes[owner[entry["document"]]]
        outcome.submissions.append(entry)
    for entry in with_messages(examined.findings).rows(named=True):
        of_submission[entry["submission_id"]].findings.append(entry)
    for entry in examined.sheets.rows(named=True):
        of_submission[entry["submission_id"]].sheets.append(entry)
    return outcomes


@pytest.fixture(scope="session")
def city() -> dict[str, pl.DataFrame]:
    """Clean rows of every form: a county with a vocational centre, and the city's own schools."""
    regions = pl.read_csv(REFERENCE / "regions.csv", infer_schema=False)
    townships = pl.read_csv(REFERENCE / "townships.csv", infer_schema=False).cast(
        {"valid_from_year": pl.Int64, "valid_to_year": pl.Int64}
    )
    two = regions.filter(pl.col("region_code").is_in([UNIT, "210701"]))
    frames = make_city([YEAR], two, townships)
    rows = {name: frames[name, UNIT, YEAR] for name in FORMS}
    # One county has one vocational centre; rules about several rows need more.
    rows["vocational"] = frames["vocational", "210701", YEAR]
    return rows


@pytest.fixture(scope="session")
def paper(city: dict[str, pl.DataFrame]) -> MakePaper:
    """A tidy sheet of a form: a title with the year, the header, and the first rows of the city."""

    def paper(name: str, size: int = 6, *, title: str | None = None) -> Paper:
        form = FORMS[name]
        frame = city[name].head(size)
        return Paper(
            form,
            columns=list(form.schema),
            header=[[column.titled for column in form.columns]],
            rows=[[_plain(value) for value in row] for row in frame.iter_rows()],
            above=[[f"{UNIT_NAME}{YEAR}年{form.zh}" if title is None else title]],
        )

    return paper


@pytest.fixture(scope="session")
def workbook() -> MakeBook:
    """The bytes of one .xlsx workbook of several sheets."""

    def workbook(*papers: Paper) -> bytes:
        return _workbook(papers)

    return workbook


@pytest.fixture(scope="session")
def written() -> Writers:
    """What writes sheets into a workbook, by its format."""
    return {
        "xlsx": _workbook,
        "xls": _xls,
        "ods": _ods,
        "html": _html,
        "spreadsheetml": _spreadsheetml,
        "zip": _zip,
    }


@pytest.fixture(scope="session")
def received() -> Receive:
    """The documents of one file: ``received(content, path, region_code)``."""
    return _received


@pytest.fixture(scope="session")
def hand_in() -> HandIn:
    """Write one file, read it and examine it: ``hand_in(content, path, region_code)``."""

    def hand_in(*args: Any, **kwargs: Any) -> Outcome:
        return _outcomes({"": _received(*args, **kwargs)})[""]

    return hand_in


@pytest.fixture(scope="session")
def hand_in_all() -> HandInAll:
    """The same for many files in one run, by name.

    Each is a content, or a tuple of content and path.
    """

    def hand_in_all(files: Mapping[Any, Any]) -> dict[Any, Outcome]:
        documents = {}
        for number, (name, given) in enumerate(files.items()):
            content, path = given if isinstance(given, tuple) else (given, f"{UNIT_NAME}/报表.xlsx")
            # Two cases may come to the same bytes, which would be one submission.
            documents[name] = read_file(
                _bytes(content, path), path, sha256=f"{number:064x}", region_code=UNIT
            )
        return _outcomes(documents)

    return hand_in_all
