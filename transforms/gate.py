"""The gate: from the tables found in many files to typed rows, findings and submissions.

All tables of a form are cleaned and checked together, as one frame: the cost is the number of
columns and rules, not of files. An error looks at its own submission alone, so that acceptance
never depends on what else was delivered, or when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from transforms.findings import FINDING_SCHEMA, MARKED_CELLS, Submission, finding, raw, settle
from transforms.formats import Unreadable, column_letters
from transforms.forms import FORMS, Column, Form, Kind
from transforms.headers import APART, YEAR, Almost, Table, cell_name
from transforms.rules import rule_of
from transforms.shifts import SAMPLE, first_shifted
from transforms.values import parse, plain
from transforms.years import YearFound, find_year, year_in_cell

_WORDS = "合计|小计|总计|共计"
#: What may follow the word: 合计(6个班), 合计6所, 合计：.
_SUM = rf"(?:[(（][^{APART}]*[)）]|[:：]?[0-9０-９,，.]+(?:人|所|个|班|名|项|件|万?元)?)?[:：]?"
#: A label that is nothing but the word, and one with something in front of it: 小学合计(6个班).
_BARE_TOTAL = rf"^(?:{_WORDS}){_SUM}$"
_TOTAL = rf"^.{{0,20}}(?:{_WORDS}){_SUM}$"
_BARE_BESIDE = rf"(?:^|{APART})(?:{_WORDS}){_SUM}(?:$|{APART})"
_TOTAL_BESIDE = rf"(?:^|{APART})[^{APART}]{{0,20}}(?:{_WORDS}){_SUM}(?:$|{APART})"
#: Signatures and notes: the word alone, or with a colon behind it; 审核评估机制改革 is neither.
_LABEL = (
    r"(?:填表人?|填报人?|制表人?|审核人?|复核人?|经办人?|签发人?|批准人?|核准人?|负责人|单位负责人|统计负责人"
    r"|(?:主管|分管)(?:领导|局长|校长)|领导|局长|校长|园长|主任|联系人|联系方式|联系电话|电话|手机|传真|邮箱"
    r"|(?:填报|填表|制表|报出|报送|上报|审核)?(?:日期|时间|单位)|审核意见|注|注释|备注|说明|填表说明)"
    r"(?:签字|签名|签章|盖章)?[0-9]*(?:[:：(（].*)?$"
)
#: What else stands below a table and never in a row of one: a mark, a seal, the number of a page.
_FOOT = r"※|\*|.{0,8}[(（]?(?:盖章|公章|签章|签字)|第[0-9]+页|共[0-9]+[行条页张所]|[(（]?以下空白"
_NOTE = rf"(?:^|{APART})(?:{_LABEL}|{_FOOT})"
#: Any label, where no words belong: 财务股：.
_ANY_LABEL = r"^[\p{Han}A-Za-z、/()（）]{2,16}[:：]"
#: A row that heads those below it: 一、小学, （二）初中.
_HEADING = r"^(?:[(（][一二三四五六七八九十]{1,3}[)）]|[一二三四五六七八九十]{1,3}[、.．])"
_NUMBER_IN_WORDS = r"^[约近]?[零〇一二两三四五六七八九十百千万]+\p{Han}{0,2}$"
_FIGURE = r"^['’]?[0-9０-９][0-9０-９.,，]*\s*[人所元%％]?$"
_LONE_DATE = r"^[0-9]{4}[-年/.][0-9]{1,2}[-月/.][0-9]{1,2}日?(?:00:00:00)?$"
_NOTHING_GIVEN = r"^[-‐-―－/／]*$"


@dataclass(frozen=True)
class Document:
    """One file as it was received, read as far as it can be.

    ``texts`` are the words of its path that may name the year, the strongest first: the file's
    own name, then its folders from the innermost outwards. ``file_name`` is what people know it
    by (``zip/entry`` for a file in a zip, whose name in it is ``entry``). ``content`` is what was found, or why nothing was.
    """

    sha256: str
    folder: str
    region_code: str | None
    file_name: str
    entry: str | None
    texts: tuple[str, ...]
    content: tuple[Table | Almost, ...] | Unreadable


@dataclass(frozen=True)
class Examined:
    """What came out of the gate, as frames.

    ``submissions``: submission_id, document (index into the documents given), region_code, form,
    year, accepted, rows_read, rows_loaded, rows_returned, rows_ignored, errors, warnings.
    ``sheets``: submission_id, sheet, rows_read, rows_loaded, rows_returned and why rows were
    ignored: titles, totals, notes, blanks. ``layout``: submission_id, sheet, column_name, letter,
    unit (the unit that the submitted amounts are in). ``rows``: for each form the typed rows of
    accepted submissions with submission_id, region_code, year, sheet and row in front.
    ``findings``: :data:`transforms.findings.FINDING_SCHEMA`.
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


def examine(documents: Sequence[Document]) -> Examined:
    """Clean and check everything that was found in ``documents``; see :class:`Examined`.

    Of the same bytes under several paths of one unit the first document counts; another one adds
    a submission only where the path alone says that it is for another year.
    """
    run = _Run(documents)
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
                    "FIL-E01",
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
    rows = _with_rows_sorted_out(form, tables)
    rows, default, issues = _with_submissions(run, form, found, rows)
    _account(run, tables, rows, default)
    data = rows.filter(pl.col("fate") == "data")
    partial = rows.filter(pl.col("fate") == "undated")["submission"].unique().to_list()
    typed = _typed(form, tables, data)
    sizes = {
        (submission, table): size
        for submission, table, size in typed.group_by("submission", "table").len().iter_rows()
    }
    merged, excused = _merged_figures(form, tables, typed)
    found_raw = raw(
        [
            *_cell_checks(form, tables, typed),
            *_row_checks(form, typed),
            *_set_checks(form, tables, typed, partial),
        ]
    )
    # What is blank or too large because of a merged figure has the same cause.
    found_raw = raw([found_raw.join(excused, on=["table", "column", "row"], how="anti"), *merged])
    shifts, found_raw = _shifts(form, tables, data, typed, found_raw, run.submissions)
    run.findings.extend(shifts)
    run.findings.extend(
        settle(
            found_raw,
            form,
            tables,
            run.submissions,
            sizes,
        )
    )
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


def _with_rows_sorted_out(form: Form, tables: Sequence[Table]) -> pl.DataFrame:
    """All bodies as one frame, with ``table`` and ``fate``: data, total, note, title or blank.

    A row is data unless it clearly is not: what a clerk writes beside a row of figures never makes
    it a note or a total.
    """
    blank = pl.DataFrame(schema={name: pl.String() for name in form.schema})
    rows = pl.concat(
        [blank]
        + [
            table.body.hstack([pl.Series("table", [i]).new_from_index(0, table.body.height)])
            for i, table in enumerate(tables)
        ],
        how="diagonal",
    ).with_columns(pl.when(~pl.col("year_text").str.contains(_NOTHING_GIVEN)).then("year_text"))
    # Nearly every row has its code and all that must be given, and is data beyond doubt: the many
    # patterns of the others are not even compiled where there are none.
    code = pl.col("institution_code") if "institution_code" in form.by_name else pl.lit("")
    in_doubt = rows.select(
        in_doubt=pl.col("repeated")
        | ~code.str.contains("^[0-9]{10}$").fill_null(False)
        | pl.any_horizontal(pl.col(c.name).is_null() for c in form.required)
    )["in_doubt"]
    fate = pl.Series("fate", ["data"]).new_from_index(0, rows.height)
    lone = pl.Series("lone_text", [False]).new_from_index(0, rows.height)
    if not in_doubt.any():
        return rows.with_columns(fate)
    places, looked_at = in_doubt.arg_true(), _fates(form, rows.filter(in_doubt))
    rows = rows.with_columns(
        fate.scatter(places, looked_at["fate"]), lone.scatter(places, looked_at["lone_text"])
    )
    return _in_context(form, rows).drop("lone_text")


def _fates(form: Form, rows: pl.DataFrame) -> pl.DataFrame:
    """What each row is by itself (``fate``: data, total, note, title or blank), and whether it
    says nothing but one text (``lone_text``).
    """
    # Made once, for the patterns below look at them again and again.
    rows = rows.with_columns(pl.col(*form.schema).str.replace_all(r"[\s\u3000]", ""))
    rows = rows.with_columns(
        (pl.col(name).is_not_null() & ~pl.col(name).str.contains(_NOTHING_GIVEN)).alias(
            f"{name}!given"
        )
        for name in form.schema
    )
    words = {name: pl.col(name) for name in form.schema}
    given = {name: pl.col(f"{name}!given") for name in form.schema}
    count = pl.sum_horizontal(given.values())
    has_code = (
        words["institution_code"]
        .str.contains(r"^\D{0,2}[0-9０-９]{10}(?:\.0+)?\D{0,2}$")
        .fill_null(False)
        if "institution_code" in words
        else pl.lit(False)
    )
    labels = {c.name for c in form.columns if c.kind in _LABELS}
    figures = {c.name for c in form.columns if c.kind in (Kind.INT, Kind.NUMBER)}
    texts = [given[column.name] for column in form.columns if column.kind is Kind.TEXT]
    first = pl.coalesce(words.values())
    return rows.select(
        fate=pl.when(pl.col("repeated"))
        .then(pl.lit("title"))
        .when(count == 0)
        .then(pl.when(pl.col("other").is_null()).then(pl.lit("blank")).otherwise(pl.lit("note")))
        .when(_is_total(form, words, given, labels, has_code).fill_null(False))
        .then(pl.lit("total"))
        .when(~has_code & _is_note(form, words, count, first, figures).fill_null(False))
        .then(pl.lit("note"))
        .otherwise(pl.lit("data")),
        lone_text=(count == 1) & pl.any_horizontal(texts or [pl.lit(False)]),
    )


def _in_context(form: Form, rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with what only the rows around one can say of its ``fate``.

    ``lone_text`` is true where a row says nothing but one text.
    """
    fate = pl.col("fate")
    if not form.key:
        # Where one row belongs, the row of the whole unit may call itself 合计; it is a total only
        # beside the rows it sums up.
        alone = ~(fate == "data").any().over("table")
        rows = rows.with_columns(
            pl.when(alone & (fate == "total")).then(pl.lit("data")).otherwise(fate).alias("fate")
        )
    # A text alone below a note goes on with it: 2. 数据截至9月1日。
    lone = pl.col("lone_text") & (fate == "data")
    before = pl.when(~lone & (fate != "blank")).then(fate).forward_fill().over("table")
    goes_on = lone & (before == "note").fill_null(False)
    return rows.with_columns(pl.when(goes_on).then(pl.lit("note")).otherwise(fate).alias("fate"))


#: Cells that hold words; a total names itself in one of them, or where its figure's key belongs.
_LABELS = (Kind.TEXT, Kind.CODE, Kind.CHOICE, Kind.GRADE)


def _is_total(
    form: Form,
    words: Mapping[str, pl.Expr],
    given: Mapping[str, pl.Expr],
    labels: Collection[str],
    has_code: pl.Expr,
) -> pl.Expr:
    """A row that calls itself a total and says nothing else in words."""
    if form.totals_are_data:
        return pl.any_horizontal(words[n].str.contains(r"^(?:小计|总计|共计)$") for n in labels)
    places = [*labels, *(name for name in form.key if name not in labels)]
    wordy = [
        column.name
        for column in form.columns
        if column.kind not in (Kind.INT, Kind.NUMBER) or column.name in form.key
    ]
    # A figure among words is a count of them (5所寄宿), but where it is part of a key.
    keyed = [n for n in form.key if form.by_name[n].kind is not Kind.CODE]
    said = (
        pl.sum_horizontal(
            given[n] & (pl.lit(n in keyed) | ~words[n].str.contains(_FIGURE)) for n in wordy
        )
        if wordy
        else pl.lit(0)
    )
    named = pl.any_horizontal(
        [words[n].str.contains(_TOTAL).fill_null(False) for n in places] or [pl.lit(False)]
    )
    # The word by itself may stand in any cell: columns come in every order, and a total is labelled
    # in the first of them.
    bare = pl.any_horizontal(
        word.str.contains(_BARE_TOTAL).fill_null(False) for word in words.values()
    )
    missing = pl.any_horizontal(
        ~given[column.name]
        | (
            pl.lit(column.kind is not Kind.TEXT)
            & words[column.name].str.contains(_BARE_TOTAL).fill_null(False)
        )
        for column in form.required
    )
    year = pl.col("year_text").str.replace_all(r"[\s\u3000]", "").str.contains(_BARE_TOTAL)
    beside = (
        pl.col("other")
        .str.replace_all(r"[ \t\u3000]", "")
        .str.contains(_TOTAL_BESIDE if wordy else _BARE_BESIDE)
    )
    return (
        (named & (said <= 1) & ~has_code)
        | (bare & missing)
        | ((year.fill_null(False) | beside.fill_null(False)) & (said == 0))
    )


def _is_note(
    form: Form,
    words: Mapping[str, pl.Expr],
    count: pl.Expr,
    first: pl.Expr,
    figures: Collection[str],
) -> pl.Expr:
    """A signature, a note, or a remark that stands alone where no such text belongs."""
    noted = [word.str.contains(_NOTE).fill_null(False) for word in words.values()]
    beside = (
        pl.col("other").str.replace_all(r"[ \t\u3000]", "").str.contains(_NOTE).fill_null(False)
    )
    filled = {name: words[name].str.contains(_FIGURE).fill_null(False) for name in figures}
    chosen = pl.any_horizontal(
        [words[c.name].is_in(list(c.choices)).fill_null(False) for c in form.columns if c.choices]
        or [pl.lit(False)]
    )
    substance = chosen | pl.any_horizontal(
        [*filled.values()]
        + [
            words[c.name].str.contains(_LONE_DATE).fill_null(False)
            for c in form.columns
            if c.kind is Kind.DATE
        ]
    )
    # A signature may have a date or a telephone number beside it, not a row of figures.
    short = pl.sum_horizontal(
        figure & ~words[name].str.contains(rf"^[0-9]{{7,}}$|{_LONE_DATE}")
        for name, figure in filled.items()
    )
    full = chosen | (2 * short >= len(figures))
    wordless = [c for c in form.columns if c.kind not in (Kind.TEXT, Kind.BOOL)]
    out_of_place = [
        words[c.name].str.contains(r"\p{Han}{4,}")
        & ~words[c.name].str.contains(_NUMBER_IN_WORDS)
        & ~words[c.name].is_in(list(c.choices))
        for c in wordless
    ]
    out_of_place += [
        words[c.name].str.contains(_HEADING)
        for c in form.columns
        if c.kind is not Kind.TEXT or c.name not in form.key
    ]
    out_of_place += [
        words[c.name].str.contains(r"^\p{Han}+$") for c in form.columns if c.kind is Kind.CODE
    ]
    lone = (count == 1) & (
        pl.any_horizontal(out_of_place).fill_null(False) | first.str.contains(_LONE_DATE)
    )
    labelled = [words[c.name].str.contains(_ANY_LABEL).fill_null(False) for c in wordless]
    marked = pl.any_horizontal([*noted, *labelled, beside])
    return (first.str.contains(rf"^{_LABEL}") & ~full) | (~substance & marked) | lone


def _with_submissions(
    run: _Run, form: Form, found: Sequence[tuple[int, Table]], rows: pl.DataFrame
) -> tuple[pl.DataFrame, list[int], list[dict[str, object]]]:
    """Give every row its ``submission``, every table its first one, and report what is wrong with headers and years.

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
    mapping = pl.DataFrame(
        pairs,
        schema={
            "table": pl.Int64(),
            "year_text": pl.String(),
            "submission": pl.Int64(),
        },
        orient="row",
    )
    defaults = pl.DataFrame(
        {"table": list(range(len(found))), "default": default},
        schema={"table": pl.Int64(), "default": pl.Int64()},
    )
    rows = (
        rows.join(mapping, on=["table", "year_text"], how="left", maintain_order="left")
        .join(defaults, on="table", how="left", maintain_order="left")
        .with_columns(
            # A row whose year is not known is counted with the first submission and returned with
            # it; no rule looks at it, because it may belong to another year.
            pl.when(
                (pl.col("fate") == "data")
                & pl.col("submission").is_null()
                & pl.col("table").is_in([i for i in unread if any(t for t, _ in unread[i])])
            )
            .then(pl.lit("undated"))
            .otherwise("fate")
            .alias("fate"),
            pl.coalesce("submission", "default").alias("submission"),
        )
        .drop("default")
    )
    filled = set(rows.filter(pl.col("fate").is_in(["data", "undated"]))["table"].unique())
    issues += [
        finding(run.submissions[default[i]], rule_of(form, "E08").id, sheet=table.sheet)
        for i, (_, table) in enumerate(found)
        if i not in filled
    ]
    return rows, default, issues


def _year_sources(table: Table, document: Document) -> list[tuple[str, YearFound]]:
    """What names the year of a table without a year column, the strongest first."""
    places = [("标题", table.title_year), ("工作表名", table.sheet_year)]
    places += [
        ("文件名" if i == 0 else "文件夹", find_year(text)) for i, text in enumerate(document.texts)
    ]
    return [(place, year) for place, year in places if year is not None]


def _names_its_year(table: Table) -> bool:
    """Whether the sheet itself says its year, so that the path has no say in it."""
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
            row=table.header_row if issue.cells else None,
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


def _typed(form: Form, tables: Sequence[Table], data: pl.DataFrame) -> pl.DataFrame:
    """The data rows with every column typed, its text as ``<name>~`` and three marks beside it.

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
                [t.shift.get(column.name, 0) for t in tables],
                return_dtype=pl.Int64,
            )
            .alias(f"{column.name}@shift"),
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
            *(understood[mark].alias(f"{name}!{mark}") for mark in _MARKS),
        ]
    return typed.with_columns(columns)


#: What is noted of a text, and the rule that it breaks (see :class:`transforms.values.Parsed`).
_MARKS = {"unreadable": "E03", "outside": "E04", "rounded": "W03"}


def _understood(column: Column, data: pl.DataFrame) -> pl.DataFrame:
    """value and the marks (see :func:`transforms.values.parse`) of every row's text."""
    name = column.name
    known = data.select(name).with_columns(value=plain(column))["value"]
    others = known.is_null() & data[name].is_not_null()
    if not others.any():
        return known.to_frame().with_columns(pl.lit(False).alias(mark) for mark in _MARKS)
    keys = [name, f"{name}@shift", f"{name}@unit"] if column.is_money else [name]
    parsed = parse(column)
    # What people type repeats itself: each text is understood once.
    meaning = (
        data.filter(others)
        .select(keys)
        .unique()
        .with_columns(
            parsed.value.alias("meant"),
            parsed.unreadable.alias("unreadable"),
            parsed.outside.alias("outside"),
            parsed.rounded.alias("rounded"),
        )
    )
    return (
        data.select(keys)
        .with_columns(known)
        .join(meaning, on=keys, how="left", nulls_equal=True, maintain_order="left")
        .select(pl.coalesce("value", "meant"), pl.col(*_MARKS).fill_null(False))
    )


def _raw_rows(
    bad: pl.DataFrame, rule: str, columns: Sequence[str], other: pl.Expr | None = None
) -> pl.DataFrame:
    """Raw findings (:data:`transforms.findings.RAW_SCHEMA`), one for every row of ``bad``."""
    return bad.select(
        "submission",
        "table",
        pl.lit(rule).alias("rule"),
        pl.lit(columns[0]).alias("column"),
        "row",
        pl.concat_list("row").alias("rows"),
        pl.lit(list(columns), pl.List(pl.String())).alias("columns"),
        pl.col(f"{columns[0]}~").alias("value"),
        (other if other is not None else pl.lit(None, pl.String)).alias("other"),
        pl.lit(len(columns), pl.Int64).alias("cells"),
    )


def _cell_checks(form: Form, tables: Sequence[Table], typed: pl.DataFrame) -> list[pl.DataFrame]:
    """Values that are missing, not of their type or not in their domain."""
    found = []
    for column in form.columns:
        name = column.name
        for mark, number in _MARKS.items():
            bad = typed.filter(pl.col(f"{name}!{mark}"))
            if bad.height:
                found.append(_raw_rows(bad, rule_of(form, number).id, (name,)))
        if column.required:
            there = [i for i, table in enumerate(tables) if name in table.columns]
            bad = typed.filter(
                pl.col(name).is_null()
                & ~pl.col(f"{name}!unreadable")
                & ~pl.col(f"{name}!outside")
                & pl.col("table").is_in(there)
            )
            if bad.height:
                # "-", "无" and a blank are one cause: nothing is given.
                bad = bad.with_columns(pl.lit(None, pl.String).alias(f"{name}~"))
                found.append(_raw_rows(bad, rule_of(form, "E02").id, (name,)))
    return found


def _shifts(
    form: Form,
    tables: Sequence[Table],
    data: pl.DataFrame,
    typed: pl.DataFrame,
    found: pl.DataFrame,
    submissions: Sequence[Submission],
) -> tuple[list[dict[str, object]], pl.DataFrame]:
    """A finding for each table whose cells moved by a column, and the raw rows that are left."""
    shifts = []
    by_table = ("submission", "table")
    sizes = typed.group_by(by_table).len("size")
    suspects = (
        found.group_by(*by_table, "rule", "column")
        .len("hits")
        .join(sizes, on=by_table)
        .filter(2 * pl.col("hits") >= pl.col("size"))
        .select(by_table)
        .unique()
        .sort(by_table)
    )
    for submission, table in suspects.iter_rows():
        here = (pl.col("submission") == submission) & (pl.col("table") == table)
        columns = tables[table].columns
        rows = typed.filter(here)["row"]
        first = first_shifted(
            form,
            columns,
            data.filter(here).head(SAMPLE),
            lambda texts: _typed(form, tables, texts),
        )
        if first is None:
            continue
        behind = [name for name, place in columns.items() if place >= columns[first]]
        last = max(columns, key=lambda name: columns[name])
        blank = pl.col("rule").str.ends_with("E02") & pl.col("column").is_in([first, last])
        # A blank column alone is no shift.
        if found.filter(here & ~blank).height < min(2, len(rows)):
            continue
        found = found.filter(
            ~(here & pl.col("columns").list.eval(pl.element().is_in(behind)).list.any())
        )
        shifts.append(
            finding(
                submissions[submission],
                rule_of(form, "E31").id,
                sheet=tables[table].sheet,
                places=[
                    cell_name(row, columns[name])
                    for row in rows[:MARKED_CELLS]
                    for name in sorted(behind, key=lambda name: columns[name])
                ],
                row=rows[0],
                column=form.by_name[first],
                value=str(len(behind)),
                cells=len(behind) * len(rows),
            )
        )
    return shifts, found


def _merged_figures(
    form: Form, tables: Sequence[Table], typed: pl.DataFrame
) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """Figures merged over several rows of data, and the cells (table, column, row) they cover."""
    places = [
        (i, name, first, last)
        for i, table in enumerate(tables)
        for name, first, last in table.merged_figures
    ]
    covered: list[tuple[int, str, int]] = []
    found = []
    for i, name, first, last in places:
        rows = typed.filter((pl.col("table") == i) & pl.col("row").is_between(first, last))
        if rows.height > 1:
            covered += [(i, name, row) for row in rows["row"]]
            column = tables[i].columns[name]
            span = f"{cell_name(first, column)}:{cell_name(last, column)}"
            one = _raw_rows(rows.head(1), rule_of(form, "E32").id, (name,), pl.lit(span))
            found.append(
                one.with_columns(
                    pl.lit(rows["row"].to_list(), pl.List(pl.Int64)).alias("rows"),
                    pl.lit(rows.height, pl.Int64).alias("cells"),
                )
            )
    schema = {"table": pl.Int64(), "column": pl.String(), "row": pl.Int64()}
    return found, pl.DataFrame(covered, schema=schema, orient="row")


def _row_checks(form: Form, typed: pl.DataFrame) -> list[pl.DataFrame]:
    found = []
    for check in form.row_checks:
        bad = typed.filter(check.bad.fill_null(False))
        # What cannot be read has its own finding; a rule over it would be the same cause again.
        bad = bad.filter(~pl.any_horizontal(f"{name}!unreadable" for name in check.columns))
        if bad.height:
            other = pl.col(f"{check.columns[1]}~") if len(check.columns) > 1 else None
            found.append(_raw_rows(bad, check.rule.id, check.columns, other))
    return found


def _set_checks(
    form: Form, tables: Sequence[Table], typed: pl.DataFrame, partial: Collection[int]
) -> list[pl.DataFrame]:
    """Rules over all rows of a submission: keys, single rows, sums.

    A submission of ``partial`` has rows that are not here, because their year is not known, so
    that nothing can be said of its sums.
    """
    found = []
    if form.key:
        present = pl.all_horizontal(pl.col(name).is_not_null() for name in form.key)
        same = (
            typed.filter(present)
            .with_columns(pl.len().over("submission", *form.key).alias("times"))
            .filter(pl.col("times") > 1)
        )
        if same.height:
            found.append(_repeated(same, form, tables, form.key, "E05"))
    else:
        several = typed.with_columns(pl.len().over("submission").alias("times")).filter(
            pl.col("times") > 1
        )
        if several.height:
            found.append(_repeated(several, form, tables, (), "E06"))
    for check in form.total_checks:
        amounts = pl.col(check.amount)
        is_total = pl.col(check.label) == check.total
        sums = typed.group_by("submission", maintain_order=True).agg(
            pl.col("table").first(),
            pl.col("row").filter(is_total).first().alias("total_row"),
            pl.col("row").first(),
            pl.col("table").filter(is_total).first().alias("total_table"),
            amounts.filter(is_total).first().alias("total"),
            amounts.filter(~is_total).sum().alias("sum"),
            (
                pl.col(f"{check.amount}!unreadable")
                | pl.col(f"{check.amount}!outside")
                | amounts.is_null()
            )
            .any()
            .alias("unclear"),
            (pl.col(check.label).is_null().any() | pl.col(check.label).is_duplicated().any()).alias(
                "unnamed"
            ),
        )
        off = sums.filter(
            ~pl.col("unclear")
            & ~pl.col("unnamed")
            & ~pl.col("submission").is_in(partial)
            & (
                pl.col("total_row").is_null()
                | (
                    (pl.col("total") - pl.col("sum")).abs()
                    > pl.lit(check.tolerance).cast(pl.Decimal(18, 6))
                )
            )
        )
        if off.height:
            found.append(
                off.select(
                    "submission",
                    pl.coalesce("total_table", "table").alias("table"),
                    pl.lit(check.rule.id).alias("rule"),
                    pl.lit(check.amount).alias("column"),
                    pl.col("total_row").alias("row"),
                    pl.when(pl.col("total_row").is_null())
                    .then(pl.lit([], pl.List(pl.Int64)))
                    .otherwise(pl.concat_list("total_row"))
                    .alias("rows"),
                    pl.lit([check.amount], pl.List(pl.String())).alias("columns"),
                    pl.col("total").cast(pl.String).str.replace(r"\.?0+$", "").alias("value"),
                    pl.col("sum").cast(pl.String).str.replace(r"\.?0+$", "").alias("other"),
                    pl.lit(1, pl.Int64).alias("cells"),
                )
            )
    return found


def _repeated(
    same: pl.DataFrame, form: Form, tables: Sequence[Table], key: Sequence[str], number: str
) -> pl.DataFrame:
    """Rows that share a key, or stand where one row belongs, as one raw finding a key."""
    columns = list(key) or [form.columns[0].name]
    words = pl.concat_str([pl.col(f"{name}~").fill_null("") for name in columns], separator=" ")
    same = same.with_columns(
        words.alias("words"),
        _reference(tables, columns[0], with_sheet=False).alias("cell"),
        _reference(tables, columns[0], with_sheet=True).alias("cell_of_sheet"),
    )
    repeated = pl.col("table").get(1)
    here = pl.col("table") == repeated
    return (
        same.group_by("submission", *key, maintain_order=True)
        .agg(
            repeated,
            pl.col("row").get(1),
            # Cells are named on the sheet of the repetition, that one first; another sheet has
            # names of its own.
            pl.col("row")
            .filter(here)
            .sort_by(pl.col("row").filter(here) != pl.col("row").get(1))
            .alias("rows"),
            pl.col("words").first(),
            pl.when(pl.col("table").n_unique() > 1)
            .then(pl.col("cell_of_sheet").implode())
            .otherwise(pl.col("cell").implode())
            .first()
            .alias("place"),
            pl.len().alias("times"),
        )
        .select(
            "submission",
            "table",
            pl.lit(rule_of(form, number).id).alias("rule"),
            pl.lit(columns[0]).alias("column"),
            "row",
            "rows",
            pl.lit(columns, pl.List(pl.String())).alias("columns"),
            (pl.col("words") if key else pl.col("times").cast(pl.String)).alias("value"),
            pl.col("place").list.head(10).list.join("、").alias("other"),
            (pl.col("times") * len(columns)).cast(pl.Int64).alias("cells"),
        )
    )


def _reference(tables: Sequence[Table], column: str, *, with_sheet: bool) -> pl.Expr:
    """The cell of ``column`` in each row: ``A3``, or ``小学!A3``."""
    heads = [
        (f"{table.sheet}!" if with_sheet and table.sheet else "")
        + (column_letters(table.columns[column]) if column in table.columns else "")
        for table in tables
    ]
    head = pl.col("table").replace_strict(list(range(len(tables))), heads, return_dtype=pl.String)
    return head + pl.col("row").cast(pl.String)


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
