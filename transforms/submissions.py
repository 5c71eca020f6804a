"""The gate: from the tables found in many files to typed rows, findings and submissions.

All tables of a form are cleaned and checked together, as one frame: the cost is the number of
columns and rules, not of files. An error looks at its own submission alone, so that acceptance
never depends on what else was delivered, or when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from transforms.accounting import SheetCount, count_rows, layout_frame, sheets_frame, totals_of
from transforms.answers import Reason
from transforms.checks.faults import find_faults
from transforms.checks.findings import Finding, Submission, frame_of, make_finding
from transforms.checks.rules import rule_of
from transforms.checks.typing import type_rows
from transforms.formats import Unreadable
from transforms.forms import FORMS, Form
from transforms.records import SUBMISSION
from transforms.tables.model import YEAR, Almost, Table, cell_name
from transforms.tables.row_kinds import sort_rows
from transforms.tables.signatures import SIGNATURES
from transforms.tables.years import YearFound, find_year, year_in_cell


@dataclass(frozen=True)
class Document:
    """One file as it was received, read as far as it can be.

    ``texts`` are the words of its path that may name the year, the strongest first: the file's
    own name, then its folders from the innermost outwards. ``file_name`` is what people know it
    by (``zip/entry`` for a file in a zip, whose name in it is ``entry``). ``content`` is what was found, or why nothing was;
    ``made_up`` whether a sheet says that its figures are (:mod:`transforms.made_up`). ``reasons``
    are what a sheet of an answer says, None where there is no such sheet.
    """

    sha256: str
    folder: str
    region_code: str | None
    file_name: str
    entry: str | None
    texts: tuple[str, ...]
    content: tuple[Table | Almost, ...] | Unreadable
    made_up: bool = False
    reasons: tuple[Reason, ...] | None = None


@dataclass(frozen=True)
class Examined:
    """What came out of the gate, as frames.

    ``submissions``: submission_id, document (index into the documents given), region_code, form,
    year, accepted, sample (made up), signed, rows_read, rows_loaded, rows_returned, rows_ignored, errors,
    warnings.
    ``sheets``: submission_id, sheet, rows_read, rows_loaded, rows_returned and why rows were
    ignored: titles, totals, notes, blanks. ``layout``: submission_id, sheet, column_name, letter,
    unit (the unit that the submitted amounts are in). ``rows``: for each form the typed rows of
    accepted submissions with submission_id, region_code, year, sheet and row in front.
    ``findings``: :data:`transforms.records.FINDING`.
    """

    submissions: pl.DataFrame
    sheets: pl.DataFrame
    layout: pl.DataFrame
    rows: dict[str, pl.DataFrame]
    findings: pl.DataFrame


#: The submissions of :class:`Examined`: of the ledger's record what reading alone can say.
SUBMISSION_SCHEMA: dict[str, pl.DataType] = {
    "document": pl.Int64(),
    **{
        name: kind
        for name, kind in SUBMISSION.schema.items()
        if name not in ("folder", "path", "entry", "file_name", "sha256", "received_at")
    },
}


@dataclass
class _Gathered:
    """What is gathered over all forms of one examination."""

    documents: Sequence[Document]
    unit_named: Callable[[str], str | None]
    submissions: list[Submission] = field(default_factory=list)
    document_of: list[int] = field(default_factory=list)
    index: dict[tuple[int, str | None, int | None], int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    counts: list[SheetCount] = field(default_factory=list)
    rows: dict[str, pl.DataFrame] = field(default_factory=dict)
    signatures: dict[int, set[str]] = field(default_factory=dict)

    def submission(self, document: int, form: str | None, year: int | None) -> int:
        """Return the number of a submission, which is made where it is not there yet."""
        key = (document, form, year)
        if key not in self.index:
            origin = self.documents[document]
            self.index[key] = len(self.submissions)
            self.document_of.append(document)
            self.submissions.append(
                Submission(_identity(origin, form, year), origin.region_code, form, year)
            )
            if origin.region_code is None:
                rule = "FIL-E03" if origin.folder else "FIL-E06"
                self.report(self.index[key], rule, value=origin.folder or None)
            if form is not None and year is None:
                self.report(self.index[key], "FIL-E02")
        return self.index[key]

    def report(self, submission: int, rule_id: str, **facts: Any) -> None:
        """Note a finding of a submission; see :func:`transforms.checks.findings.make_finding`."""
        self.findings.append(make_finding(self.submissions[submission], rule_id, **facts))


def _identity(document: Document, form: str | None, year: int | None) -> str:
    """Return the id of a submission: a hash of bytes, unit, name in a zip, form and year."""
    unit = document.region_code or f"?{document.folder}"
    entry = document.file_name.partition("/")[2] if "/" in document.file_name else ""
    identity = "\x1f".join((document.sha256, unit, entry, form or "", str(year or "")))
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def examine(
    documents: Sequence[Document], unit_named: Callable[[str], str | None] = lambda words: None
) -> Examined:
    """Clean and check everything that was found in ``documents``; see :class:`Examined`.

    ``unit_named`` gives the region code of the unit that words such as 义县教育局 speak of, so that
    a sheet can be held against the folder it lies in.

    Of the same bytes under several paths of one unit the first document counts; another one adds
    a submission only where the path alone says that it is for another year.
    """
    gathered = _Gathered(documents, unit_named)
    by_form: dict[str, list[tuple[int, Table]]] = {}
    for number, content in _once_each(documents):
        if isinstance(content, Unreadable):
            rule = "FIL-E07" if content.code == "too_costly" else "FIL-E01"
            gathered.report(
                gathered.submission(number, None, None),
                rule,
                wanted=(content.zh, content.en),
                remedy=(content.remedy_zh, content.remedy_en),
            )
            continue
        for item in content:
            if isinstance(item, Table):
                by_form.setdefault(item.form.name, []).append((number, item))
            else:
                gathered.report(
                    gathered.submission(number, None, None),
                    "FIL-E05",
                    sheet=item.sheet,
                    value=item.form.zh,
                    other="、".join(item.missing),
                )
        # Reasons alone are a delivery too: the unit answers and hands in nothing new.
        if not content and documents[number].reasons is None:
            gathered.report(gathered.submission(number, None, None), "FIL-E04")
    for name, tables in by_form.items():
        _examine_form(gathered, FORMS[name], tables)
    return _examined(gathered)


def _once_each(
    documents: Sequence[Document],
) -> Iterator[tuple[int, tuple[Table | Almost, ...] | Unreadable]]:
    """Yield each document's number and what of it counts, where the same bytes came several times."""
    seen: dict[tuple[str, str, str | None], set[int | None]] = {}
    for number, document in enumerate(documents):
        same = (document.sha256, document.region_code or f"?{document.folder}", document.entry)
        path_year = next((y.year for text in document.texts if (y := find_year(text))), None)
        if same not in seen:
            seen[same] = {path_year}
            yield number, document.content
        elif path_year not in seen[same] and not isinstance(document.content, Unreadable):
            seen[same].add(path_year)
            dated_by_path = tuple(
                table
                for table in document.content
                if isinstance(table, Table) and not _names_its_year(table)
            )
            if dated_by_path:
                yield number, dated_by_path


def _examine_form(gathered: _Gathered, form: Form, found: Sequence[tuple[int, Table]]) -> None:
    tables = [table for _, table in found]
    rows, first = _with_submissions(gathered, form, found, sort_rows(form, tables))
    gathered.counts.extend(count_rows(tables, rows, first))
    data = rows.filter(pl.col("fate") == "data")
    undated = pl.col("submission").filter(pl.col("fate") == "undated")
    partial = rows.select(undated.unique()).to_series().to_list()
    typed = type_rows(form, tables, data)
    gathered.findings.extend(find_faults(form, tables, data, typed, partial, gathered.submissions))
    sheets = {i: table.sheet for i, table in enumerate(tables)}
    gathered.rows[form.name] = typed.select(
        "submission",
        pl.col("table").replace_strict(sheets, return_dtype=pl.String).alias("sheet"),
        "row",
        *form.schema,
    )


@dataclass
class _Years:
    """The years that the column 年份 of one table names.

    ``of_text`` is the year of each text; ``unread`` are the texts that say none (None: a blank), each
    with its rows.
    """

    of_text: dict[str | None, int | None] = field(default_factory=dict)
    unread: dict[str | None, list[int]] = field(default_factory=dict)

    @property
    def named(self) -> list[int]:
        """The years, sorted."""
        return sorted({year for year in self.of_text.values() if year is not None})


def _with_submissions(
    gathered: _Gathered, form: Form, found: Sequence[tuple[int, Table]], rows: pl.DataFrame
) -> tuple[pl.DataFrame, list[int]]:
    """Return the rows with their ``submission``, and the first submission of every table.

    What is wrong with headers and years is reported on the way. A row whose year cannot be read could
    belong to any year of its table, so that it is an error of all of them.
    """
    years = _years_in_columns(found, rows)
    first: list[int] = []
    pairs: list[tuple[int, str | None, int]] = []
    for i, (number, table) in enumerate(found):
        sources = _year_sources(table, gathered.documents[number])
        chosen = sources[0][1].year if sources else None
        if years[i].named == [chosen] and list(years[i].unread) == [None]:
            # What is left blank in the column is of the year that title and column agree on.
            years[i].unread.clear()
        named: Sequence[int | None] = years[i].named or [chosen]
        members = [gathered.submission(number, form.name, year) for year in named]
        first.append(members[0])
        pairs += [
            (i, text, gathered.submission(number, form.name, year))
            for text, year in years[i].of_text.items()
            if year is not None
        ]
        for member in members:
            gathered.signatures.setdefault(member, set()).update(table.signatures)
            _report_header(gathered, member, form, table)
            _report_other_years(gathered, member, form, table, sources, bool(years[i].named))
            _report_other_unit(gathered, member, form, table, number)
            _report_unread_years(gathered, member, form, table, years[i])
    unclear = [i for i, found_years in enumerate(years) if any(found_years.unread)]
    rows = _assigned(rows, pairs, first, unclear)
    with_data = pl.col("table").filter(pl.col("fate").is_in(["data", "undated"]))
    filled = set(rows.select(with_data.unique()).to_series())
    for i, (_, table) in enumerate(found):
        if i not in filled:
            gathered.report(first[i], rule_of(form, "E08").id, sheet=table.sheet)
    return rows, first


def _years_in_columns(found: Sequence[tuple[int, Table]], rows: pl.DataFrame) -> list[_Years]:
    """Return what the column 年份 says, for each table; nothing for a table without one."""
    years = [_Years() for _ in found]
    with_column = [i for i, (_, table) in enumerate(found) if table.year_column is not None]
    written = (
        rows.lazy()
        .filter(pl.col("fate") == "data", pl.col("table").is_in(with_column))
        .group_by("table", "year_text", maintain_order=True)
        .agg(pl.col("row"))
        .collect()
    )
    for table, text, places in written.iter_rows():
        year = year_in_cell(text) if text is not None else None
        years[table].of_text[text] = year
        if year is None:
            years[table].unread[text] = places
    return years


def _assigned(
    rows: pl.DataFrame,
    pairs: Sequence[tuple[int, str | None, int]],
    first: Sequence[int],
    unclear: Sequence[int],
) -> pl.DataFrame:
    """Return the rows with the column ``submission``.

    ``pairs`` gives the submission of table and text of the column 年份; other rows are of the
    ``first`` one of their table. In the tables ``unclear`` some years cannot be read: a row without
    one is counted with the first submission and returned with it, and as ``undated`` no rule looks at
    it, because it may belong to another year.
    """
    if pairs:
        schema = {"table": pl.Int64(), "year_text": pl.String(), "submission": pl.Int64()}
        mapping = pl.DataFrame(pairs, schema=schema, orient="row")
        rows = rows.join(mapping, on=["table", "year_text"], how="left", maintain_order="left")
    else:
        rows = rows.with_columns(pl.lit(None, pl.Int64).alias("submission"))
    defaults = pl.col("table").replace_strict(
        list(range(len(first))), list(first), return_dtype=pl.Int64
    )
    undated = (
        (pl.col("fate") == "data")
        & pl.col("submission").is_null()
        & pl.col("table").is_in(list(unclear))
    )
    return rows.with_columns(
        pl.when(undated).then(pl.lit("undated")).otherwise("fate").alias("fate"),
        pl.coalesce("submission", defaults).alias("submission"),
    )


def _report_header(gathered: _Gathered, member: int, form: Form, table: Table) -> None:
    """Report what is wrong with the header of a table."""
    for issue in table.issues:
        gathered.report(
            member,
            rule_of(form, issue.rule).id,
            sheet=table.sheet,
            row=(issue.row or table.header_row) if issue.cells else None,
            places=issue.cells,
            column={**form.by_name, YEAR.name: YEAR}[issue.column] if issue.column else None,
            value=issue.value,
            other=issue.other,
            wanted=(issue.expected or "", issue.expected_en or ""),
        )


def _report_other_years(
    gathered: _Gathered,
    member: int,
    form: Form,
    table: Table,
    sources: Sequence[tuple[str, YearFound]],
    in_column: bool,
) -> None:
    """Report places that name another year than the one that was taken."""
    year = gathered.submissions[member].year
    if year is None or all(year in source.covers for _, source in sources):
        return
    said = [("年份列", str(year))] if in_column else []
    said += [(place, source.words) for place, source in sources]
    gathered.report(
        member,
        rule_of(form, "W02").id,
        sheet=table.sheet,
        value=str(year),
        other="、".join(f"{place}“{words}”" for place, words in said),
    )


def _report_other_unit(
    gathered: _Gathered, member: int, form: Form, table: Table, document: int
) -> None:
    """Report a sheet that was filled in by another unit than the one whose folder it lies in."""
    words, cell = table.office or ("", "")
    folder, named = gathered.submissions[member].region_code, None
    if folder and words:
        named = gathered.unit_named(words)
    if named and named != folder:
        gathered.report(
            member,
            rule_of(form, "W04").id,
            sheet=table.sheet,
            places=(cell,),
            value=gathered.documents[document].folder,
            other=words,
        )


def _report_unread_years(
    gathered: _Gathered, member: int, form: Form, table: Table, years: _Years
) -> None:
    """Report cells of the column 年份 that name no year."""
    for text, rows in years.unread.items():
        # A column 年份 that nobody filled in leaves the year to the title.
        if years.named or text is not None:
            gathered.report(
                member,
                rule_of(form, "E30").id,
                sheet=table.sheet,
                row=rows[0],
                value=text,
                places=[cell_name(row, table.year_column or 0) for row in rows],
                cells=len(rows),
            )


def _year_sources(table: Table, document: Document) -> list[tuple[str, YearFound]]:
    """Return what names the year of a table without a year column, the strongest first."""
    places = [("标题", table.title_year), ("工作表名", table.sheet_year)]
    places += [
        ("文件名" if i == 0 else "文件夹", find_year(text)) for i, text in enumerate(document.texts)
    ]
    return [(place, year) for place, year in places if year is not None]


def _names_its_year(table: Table) -> bool:
    """Return whether the sheet itself says its year, so that the path has no say in it."""
    if table.title_year or table.sheet_year:
        return True
    texts = table.body["year_text"].drop_nulls().unique()
    return any(find_year(text) is not None for text in texts)


def _examined(gathered: _Gathered) -> Examined:
    """Return what was gathered, as frames: who is accepted, and the accounts that follow from it."""
    findings = frame_of(gathered.findings).unique(maintain_order=True)
    submissions = _submissions_frame(gathered, findings)
    ids, accepted = submissions["submission_id"].to_list(), submissions["accepted"].to_list()
    sheets = sheets_frame(gathered.counts, ids, accepted)
    counted = submissions.join(
        totals_of(sheets), on="submission_id", how="left", maintain_order="left"
    ).with_columns(pl.col("^rows_.*$").fill_null(0))
    known = submissions.filter("accepted").select(
        pl.col("number").alias("submission"), "submission_id", "region_code", "year"
    )
    rows = {
        name: frame.join(known, on="submission", how="inner", maintain_order="left").select(
            "submission_id", "region_code", "year", "sheet", "row", *FORMS[name].schema
        )
        for name, frame in gathered.rows.items()
    }
    return Examined(
        counted.select(pl.col(name).cast(kind) for name, kind in SUBMISSION_SCHEMA.items()),
        sheets,
        layout_frame(gathered.counts, ids),
        rows,
        findings,
    )


def _submissions_frame(gathered: _Gathered, findings: pl.DataFrame) -> pl.DataFrame:
    """Return the submissions, numbered, with errors and warnings; accepted are those without an error."""
    found = findings.group_by("submission_id").agg(
        (pl.col("severity") == "error").sum().cast(pl.Int64).alias("errors"),
        (pl.col("severity") == "warning").sum().cast(pl.Int64).alias("warnings"),
    )
    made_up = [gathered.documents[number].made_up for number in gathered.document_of]
    signed = [
        gathered.signatures.get(number, set()) >= SIGNATURES
        for number in range(len(gathered.submissions))
    ]
    return (
        pl.DataFrame(
            [(s.submission_id, s.region_code, s.form, s.year) for s in gathered.submissions],
            schema={name: SUBMISSION.schema[name] for name in _KNOWN},
            orient="row",
        )
        .with_row_index("number")
        .with_columns(
            pl.col("number").cast(pl.Int64),
            pl.Series("document", gathered.document_of, pl.Int64),
            pl.Series("sample", made_up, pl.Boolean),
            pl.Series("signed", signed, pl.Boolean),
        )
        .join(found, on="submission_id", how="left", maintain_order="left")
        .with_columns(pl.col("errors", "warnings").fill_null(0))
        .with_columns((pl.col("errors") == 0).alias("accepted"))
    )


_KNOWN = ("submission_id", "region_code", "form", "year")
