"""The gate: from the tables found in many files to typed rows, findings and submissions.

All tables of a form are cleaned and checked together, as one frame: the cost is the number of
columns and rules, not of files. An error looks at its own submission alone, so that acceptance
never depends on what else was delivered, or when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from transforms.checks.faults import find_faults
from transforms.checks.findings import FINDING_SCHEMA, Submission, finding
from transforms.checks.rules import rule_of
from transforms.checks.typing import type_rows
from transforms.formats import Unreadable, column_letters
from transforms.forms import FORMS, Form
from transforms.tables.model import YEAR, Almost, Table, cell_name
from transforms.tables.row_kinds import sort_rows
from transforms.tables.years import YearFound, find_year, year_in_cell


@dataclass(frozen=True)
class Document:
    """One file as it was received, read as far as it can be.

    ``texts`` are the words of its path that may name the year, the strongest first: the file's
    own name, then its folders from the innermost outwards. ``file_name`` is what people know it
    by (``zip/entry`` for a file in a zip, whose name in it is ``entry``). ``content`` is what was found, or why nothing was;
    ``made_up`` whether a sheet says that its figures are (:mod:`transforms.made_up`).
    """

    sha256: str
    folder: str
    region_code: str | None
    file_name: str
    entry: str | None
    texts: tuple[str, ...]
    content: tuple[Table | Almost, ...] | Unreadable
    made_up: bool = False


@dataclass(frozen=True)
class Examined:
    """What came out of the gate, as frames.

    ``submissions``: submission_id, document (index into the documents given), region_code, form,
    year, accepted, sample (made up), rows_read, rows_loaded, rows_returned, rows_ignored, errors,
    warnings.
    ``sheets``: submission_id, sheet, rows_read, rows_loaded, rows_returned and why rows were
    ignored: titles, totals, notes, blanks. ``layout``: submission_id, sheet, column_name, letter,
    unit (the unit that the submitted amounts are in). ``rows``: for each form the typed rows of
    accepted submissions with submission_id, region_code, year, sheet and row in front.
    ``findings``: :data:`transforms.checks.findings.FINDING_SCHEMA`.
    """

    submissions: pl.DataFrame
    sheets: pl.DataFrame
    layout: pl.DataFrame
    rows: dict[str, pl.DataFrame]
    findings: pl.DataFrame


SUBMISSION_SCHEMA: dict[str, pl.DataType] = {
    "submission_id": pl.String(),
    "document": pl.Int64(),
    "region_code": pl.String(),
    "form": pl.String(),
    "year": pl.Int64(),
    "accepted": pl.Boolean(),
    "sample": pl.Boolean(),
    "rows_read": pl.Int64(),
    "rows_loaded": pl.Int64(),
    "rows_returned": pl.Int64(),
    "rows_ignored": pl.Int64(),
    "errors": pl.Int64(),
    "warnings": pl.Int64(),
}
SHEET_SCHEMA: dict[str, pl.DataType] = {
    "submission_id": pl.String(),
    "sheet": pl.String(),
    "rows_read": pl.Int64(),
    "rows_loaded": pl.Int64(),
    "rows_returned": pl.Int64(),
    "titles": pl.Int64(),
    "totals": pl.Int64(),
    "notes": pl.Int64(),
    "blanks": pl.Int64(),
}
LAYOUT_SCHEMA: dict[str, pl.DataType] = {
    "submission_id": pl.String(),
    "sheet": pl.String(),
    "column_name": pl.String(),
    "letter": pl.String(),
    "unit": pl.String(),
}


@dataclass
class _Run:
    """What is gathered over all forms of one run."""

    documents: Sequence[Document]
    unit_named: Callable[[str], str | None]
    submissions: list[Submission] = field(default_factory=list)
    document_of: list[int] = field(default_factory=list)
    index: dict[tuple[int, str | None, int | None], int] = field(default_factory=dict)
    findings: list[dict[str, object]] = field(default_factory=list)
    sheets: list[tuple[int, str, dict[str, int]]] = field(default_factory=list)
    layout: list[dict[str, object]] = field(default_factory=list)
    rows: dict[str, pl.DataFrame] = field(default_factory=dict)

    def submission(self, document: int, form: str | None, year: int | None) -> int:
        key = (document, form, year)
        if key not in self.index:
            origin = self.documents[document]
            unit = origin.region_code or f"?{origin.folder}"
            entry = origin.file_name.partition("/")[2] if "/" in origin.file_name else ""
            identity = "\x1f".join((origin.sha256, unit, entry, form or "", str(year or "")))
            self.index[key] = len(self.submissions)
            self.submissions.append(
                Submission(
                    hashlib.sha256(identity.encode()).hexdigest()[:16],
                    origin.region_code,
                    form,
                    year,
                )
            )
            self.document_of.append(document)
            if origin.region_code is None:
                rule = "FIL-E03" if origin.folder else "FIL-E06"
                self.findings.append(
                    finding(self.submissions[-1], rule, value=origin.folder or None)
                )
            if form is not None and year is None:
                self.findings.append(finding(self.submissions[-1], "FIL-E02"))
        return self.index[key]


def examine(
    documents: Sequence[Document], unit_named: Callable[[str], str | None] = lambda words: None
) -> Examined:
    """Clean and check everything that was found in ``documents``; see :class:`Examined`.

    ``unit_named`` gives the region code of the unit that words such as 义县教育局 speak of, so that
    a sheet can be held against the folder it lies in.

    Of the same bytes under several paths of one unit the first document counts; another one adds
    a submission only where the path alone says that it is for another year.
    """
    run = _Run(documents, unit_named)
    by_form: dict[str, list[tuple[int, Table]]] = {}
    seen: dict[tuple[str, str, str | None], set[int | None]] = {}
    for number, document in enumerate(documents):
        same = (document.sha256, document.region_code or f"?{document.folder}", document.entry)
        path_year = next((y.year for text in document.texts if (y := find_year(text))), None)
        if same in seen:
            if path_year in seen[same] or isinstance(document.content, Unreadable):
                continue
            seen[same].add(path_year)
            dated_by_path = [
                table
                for table in document.content
                if isinstance(table, Table) and not _names_its_year(table)
            ]
            for table in dated_by_path:
                by_form.setdefault(table.form.name, []).append((number, table))
            continue
        seen[same] = {path_year}
        if isinstance(document.content, Unreadable):
            problem = document.content
            submission = run.submissions[run.submission(number, None, None)]
            run.findings.append(
                finding(
                    submission,
                    "FIL-E07" if problem.code == "too_costly" else "FIL-E01",
                    wanted=(problem.zh, problem.en),
                    remedy=(problem.do_zh, problem.do_en),
                )
            )
            continue
        for item in document.content:
            if isinstance(item, Table):
                by_form.setdefault(item.form.name, []).append((number, item))
            else:
                submission = run.submissions[run.submission(number, None, None)]
                run.findings.append(
                    finding(
                        submission,
                        "FIL-E05",
                        sheet=item.sheet,
                        value=item.form.zh,
                        other="、".join(item.missing),
                    )
                )
        if not document.content:
            submission = run.submissions[run.submission(number, None, None)]
            run.findings.append(finding(submission, "FIL-E04"))
    for name, tables in by_form.items():
        _examine_form(run, FORMS[name], tables)
    return _gather(run)


def _examine_form(run: _Run, form: Form, found: Sequence[tuple[int, Table]]) -> None:
    tables = [table for _, table in found]
    rows = sort_rows(form, tables)
    rows, default, issues = _with_submissions(run, form, found, rows)
    _account(run, tables, rows, default)
    data = rows.filter(pl.col("fate") == "data")
    undated = pl.col("submission").filter(pl.col("fate") == "undated")
    partial = rows.select(undated.unique()).to_series().to_list()
    typed = type_rows(form, tables, data)
    run.findings.extend(find_faults(form, tables, data, typed, partial, run.submissions))
    run.findings.extend(issues)
    run.rows[form.name] = typed.select(
        "submission",
        pl.lit(None, pl.String).alias("sheet") if not tables else _sheet_names(tables),
        "row",
        *form.schema,
    )


def _sheet_names(tables: Sequence[Table]) -> pl.Expr:
    return (
        pl.col("table")
        .replace_strict({i: table.sheet for i, table in enumerate(tables)}, return_dtype=pl.String)
        .alias("sheet")
    )


def _with_submissions(
    run: _Run, form: Form, found: Sequence[tuple[int, Table]], rows: pl.DataFrame
) -> tuple[pl.DataFrame, list[int], list[dict[str, object]]]:
    """Return every row its ``submission``, every table its first one, and report what is wrong with headers and years.

    A row whose year cannot be read could belong to any year of its table, so that it is an error
    of all of them; it is counted with the first.
    """
    data = rows.lazy().filter(pl.col("fate") == "data")
    written = (
        data.filter(
            pl.col("table").is_in(
                [i for i, (_, t) in enumerate(found) if t.year_column is not None]
            )
        )
        .group_by("table", "year_text", maintain_order=True)
        .agg(pl.col("row"))
        .collect()
    )
    years_of: dict[int, dict[str | None, int | None]] = {}
    unread: dict[int, list[tuple[str | None, list[int]]]] = {}
    for table, text, places in written.iter_rows():
        year = year_in_cell(text) if text is not None else None
        years_of.setdefault(table, {})[text] = year
        if year is None:
            unread.setdefault(table, []).append((text, places))
    issues: list[dict[str, object]] = []
    pairs: list[tuple[int, str | None, int]] = []
    default: list[int] = []
    for i, (number, table) in enumerate(found):
        by_text = years_of.get(i, {})
        own: list[int] = sorted({year for year in by_text.values() if year is not None})
        sources = _year_sources(table, run.documents[number])
        chosen = sources[0][1].year if sources else None
        if own == [chosen] and [text for text, _ in unread.get(i, ())] == [None]:
            # What is left blank in the column is of the year that title and column agree on.
            del unread[i]
        years: list[int | None] = [*own] or [chosen]
        members = [run.submission(number, form.name, year) for year in years]
        default.append(members[0])
        for text, year in by_text.items():
            if year is not None:
                pairs.append((i, text, run.submission(number, form.name, year)))
        for member in members:
            submission = run.submissions[member]
            issues.extend(_header_findings(submission, form, table))
            if any(
                submission.year is not None and submission.year not in source.covers
                for _, source in sources
            ):
                said = [("年份列", str(submission.year))] if own else []
                said += [(place, source.words) for place, source in sources]
                issues.append(
                    finding(
                        submission,
                        rule_of(form, "W02").id,
                        sheet=table.sheet,
                        value=str(submission.year),
                        other="、".join(f"{place}“{words}”" for place, words in said),
                    )
                )
            words, cell = table.office or ("", "")
            folder, named = submission.region_code, run.unit_named(words) if words else None
            if folder and named and named != folder:
                issues.append(
                    finding(
                        submission,
                        rule_of(form, "W04").id,
                        sheet=table.sheet,
                        places=(cell,),
                        value=run.documents[number].folder,
                        other=words,
                    )
                )
            for text, places in unread.get(i, ()):
                # A column 年份 that nobody filled in leaves the year to the title.
                if own or text is not None:
                    issues.append(
                        finding(
                            submission,
                            rule_of(form, "E30").id,
                            sheet=table.sheet,
                            row=places[0],
                            value=text,
                            places=[cell_name(row, table.year_column or 0) for row in places],
                            cells=len(places),
                        )
                    )
    if pairs:
        schema = {"table": pl.Int64(), "year_text": pl.String(), "submission": pl.Int64()}
        mapping = pl.DataFrame(pairs, schema=schema, orient="row")
        rows = rows.join(mapping, on=["table", "year_text"], how="left", maintain_order="left")
    else:
        rows = rows.with_columns(pl.lit(None, pl.Int64).alias("submission"))
    defaults = pl.col("table").replace_strict(
        list(range(len(found))), default, return_dtype=pl.Int64
    )
    unclear = [i for i in unread if any(text for text, _ in unread[i])]
    rows = rows.with_columns(
        # A row whose year is not known is counted with the first submission and returned with it;
        # no rule looks at it, because it may belong to another year.
        pl.when(
            (pl.col("fate") == "data")
            & pl.col("submission").is_null()
            & pl.col("table").is_in(unclear)
        )
        .then(pl.lit("undated"))
        .otherwise("fate")
        .alias("fate"),
        pl.coalesce("submission", defaults).alias("submission"),
    )
    with_data = pl.col("table").filter(pl.col("fate").is_in(["data", "undated"]))
    filled = set(rows.select(with_data.unique()).to_series())
    issues += [
        finding(run.submissions[default[i]], rule_of(form, "E08").id, sheet=table.sheet)
        for i, (_, table) in enumerate(found)
        if i not in filled
    ]
    return rows, default, issues


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


def _header_findings(submission: Submission, form: Form, table: Table) -> list[dict[str, object]]:
    return [
        finding(
            submission,
            rule_of(form, issue.rule).id,
            sheet=table.sheet,
            row=(issue.row or table.header_row) if issue.cells else None,
            places=issue.cells,
            column={**form.by_name, YEAR.name: YEAR}[issue.column] if issue.column else None,
            value=issue.value,
            other=issue.other,
            wanted=(issue.expected or "", issue.expected_en or ""),
        )
        for issue in table.issues
    ]


def _account(
    run: _Run, tables: Sequence[Table], rows: pl.DataFrame, default: Sequence[int]
) -> None:
    """Count the rows of every sheet by what became of them, and note where its columns stand.

    What belongs to no row of data (titles, totals, notes, blanks) is counted with the first
    submission of the sheet.
    """
    counts: dict[tuple[int, int], dict[str, int]] = {}
    grouped = rows.group_by("table", "submission", "fate").len().sort("table", "submission")
    for table, submission, fate, number in grouped.iter_rows():
        owner = submission if fate == "data" else default[table]
        entry = counts.setdefault((owner, table), {})
        kind = "data" if fate == "undated" else fate
        entry[kind] = entry.get(kind, 0) + number
    for i, table in enumerate(tables):
        entry = counts.setdefault((default[i], i), {})
        entry["title"] = entry.get("title", 0) + table.rows_above
    for (submission, i), entry in counts.items():
        run.sheets.append((submission, tables[i].sheet, entry))
        for name, place in tables[i].columns.items():
            run.layout.append(
                {
                    "submission": submission,
                    "sheet": tables[i].sheet,
                    "column_name": name,
                    "letter": column_letters(place),
                    "unit": tables[i].unit.get(name),
                }
            )


def _gather(run: _Run) -> Examined:
    findings = pl.DataFrame(run.findings, schema=FINDING_SCHEMA, orient="row").unique(
        maintain_order=True
    )
    ids = [submission.submission_id for submission in run.submissions]
    errors = dict(
        findings.filter(pl.col("severity") == "error").group_by("submission_id").len().iter_rows()
    )
    warnings = dict(
        findings.filter(pl.col("severity") == "warning").group_by("submission_id").len().iter_rows()
    )
    accepted = [errors.get(name, 0) == 0 for name in ids]
    sheets = []
    totals = [dict.fromkeys(("read", "loaded", "returned", "ignored"), 0) for _ in ids]
    for member, sheet, entry in run.sheets:
        data = entry.get("data", 0)
        ignored = sum(number for fate, number in entry.items() if fate != "data")
        loaded, returned = (data, 0) if accepted[member] else (0, data)
        total = totals[member]
        total["read"] += data + ignored
        total["loaded"] += loaded
        total["returned"] += returned
        total["ignored"] += ignored
        sheets.append(
            {
                "submission_id": ids[member],
                "sheet": sheet,
                "rows_read": data + ignored,
                "rows_loaded": loaded,
                "rows_returned": returned,
                "titles": entry.get("title", 0),
                "totals": entry.get("total", 0),
                "notes": entry.get("note", 0),
                "blanks": entry.get("blank", 0),
            }
        )
    submissions = pl.DataFrame(
        [
            {
                "submission_id": submission.submission_id,
                "document": run.document_of[i],
                "region_code": submission.region_code,
                "form": submission.form,
                "year": submission.year,
                "accepted": accepted[i],
                "sample": run.documents[run.document_of[i]].made_up,
                **{f"rows_{fate}": number for fate, number in totals[i].items()},
                "errors": errors.get(ids[i], 0),
                "warnings": warnings.get(ids[i], 0),
            }
            for i, submission in enumerate(run.submissions)
        ],
        schema=SUBMISSION_SCHEMA,
    )
    layout = pl.DataFrame(
        [{**entry, "submission_id": ids[int(str(entry["submission"]))]} for entry in run.layout],
        schema=LAYOUT_SCHEMA,
    ).unique(["submission_id", "sheet", "column_name"], maintain_order=True)
    known = pl.DataFrame(
        {
            "submission": list(range(len(ids))),
            "submission_id": ids,
            "region_code": [submission.region_code for submission in run.submissions],
            "year": [submission.year for submission in run.submissions],
            "accepted": accepted,
        },
        schema={
            "submission": pl.Int64(),
            "submission_id": pl.String(),
            "region_code": pl.String(),
            "year": pl.Int64(),
            "accepted": pl.Boolean(),
        },
    ).filter("accepted")
    rows = {
        name: frame.join(known, on="submission", how="inner", maintain_order="left").select(
            "submission_id", "region_code", "year", "sheet", "row", *FORMS[name].schema
        )
        for name, frame in run.rows.items()
    }
    return Examined(submissions, pl.DataFrame(sheets, schema=SHEET_SCHEMA), layout, rows, findings)
