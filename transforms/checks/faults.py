"""The checks on the typed rows of a form: of each cell, each row, and each submission as a whole.

Each check gives raw findings (:data:`transforms.checks.findings.RAW_SCHEMA`), one for every offending row;
what has one cause becomes one finding.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import polars as pl

from transforms.checks.findings import Finding, Submission, raw, settle
from transforms.checks.rules import rule_of
from transforms.checks.shifted import find_shifted, take_together
from transforms.checks.typing import MARKS
from transforms.formats import column_letters
from transforms.forms import Form, Kind
from transforms.forms.model import TotalCheck
from transforms.tables.model import Table, cell_name


def find_faults(
    form: Form,
    tables: Sequence[Table],
    data: pl.DataFrame,
    typed: pl.DataFrame,
    partial: Collection[int],
    submissions: Sequence[Submission],
) -> list[Finding]:
    """Return the findings of all checks on ``typed``, one for each cause.

    ``data`` are the same rows as they were submitted. A submission of ``partial`` has rows that are
    not here, because their year is not known, so that nothing can be said of its sums.
    """
    merged, excused = _merged_figures(form, tables, typed)
    found = raw(
        [
            *_cell_checks(form, tables, typed),
            *_row_checks(form, typed),
            *_key_checks(form, tables, typed),
            *_total_checks(form, typed, partial),
        ]
    )
    # What is blank or too large because of a merged figure has the same cause.
    found = raw([found.join(excused, on=["table", "column", "row"], how="anti"), *merged])
    if found.is_empty():
        return []
    sizes = typed.group_by("submission", "table").len("size")
    shifted, found = find_shifted(form, tables, data, sizes, found, submissions)
    by_table = {(submission, table): size for submission, table, size in sizes.iter_rows()}
    placed = settle(found, form, tables, submissions, by_table, _names(typed, found))
    return shifted + take_together(placed, form, tables, by_table)


def _names(typed: pl.DataFrame, found: pl.DataFrame) -> dict[tuple[int, int], str]:
    """Return the institution of every row of which something was found, by table and row."""
    if "institution_name" not in typed.columns:
        return {}
    places = found.select("table", row=pl.col("rows")).explode("row").unique()
    named = typed.select("table", "row", "institution_name").drop_nulls()
    return {
        (table, row): name
        for table, row, name in named.join(places, on=["table", "row"], how="semi").iter_rows()
    }


def _raw_rows(
    bad: pl.DataFrame, rule: str, columns: Sequence[str], other: pl.Expr | None = None
) -> pl.DataFrame:
    """Return raw findings (:data:`transforms.checks.findings.RAW_SCHEMA`), one for every row of ``bad``."""
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
    """Return values that are missing, not of their type or not in their domain."""
    found = []
    for column in form.columns:
        name = column.name
        for mark, number in MARKS.items():
            if typed[f"{name}!{mark}"].any():
                bad = typed.filter(pl.col(f"{name}!{mark}"))
                found.append(_raw_rows(bad, rule_of(form, number).id, (name,)))
        if column.required and typed[name].null_count():
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


def _merged_figures(
    form: Form, tables: Sequence[Table], typed: pl.DataFrame
) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """Return figures merged over several rows of data, and the cells (table, column, row) they cover."""
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
        broken = typed.select(check.bad.fill_null(False)).to_series()
        if not broken.any():
            continue
        bad = typed.filter(broken)
        # What cannot be read has its own finding; a rule over it would be the same cause again.
        bad = bad.filter(~pl.any_horizontal(f"{name}!unreadable" for name in check.columns))
        if bad.height:
            other = pl.col(f"{check.columns[1]}~") if len(check.columns) > 1 else None
            found.append(_raw_rows(bad, rule_of(form, check.rule.number).id, check.columns, other))
    return found


def _key_checks(form: Form, tables: Sequence[Table], typed: pl.DataFrame) -> list[pl.DataFrame]:
    """Return what is given twice: rows of one key, or more than the one row that belongs there."""
    if form.key:
        present = pl.all_horizontal(pl.col(name).is_not_null() for name in form.key)
        same = (
            typed.filter(present)
            .with_columns(_compared(form))
            .with_columns(pl.len().over("submission", *map(_key, form.key)).alias("times"))
            .filter(pl.col("times") > 1)
        )
        return [_repeated(same, form, tables, form.key, "E05")] if same.height else []
    several = typed.with_columns(pl.len().over("submission").alias("times")).filter(
        pl.col("times") > 1
    )
    return [_repeated(several, form, tables, (), "E06")] if several.height else []


def _total_checks(form: Form, typed: pl.DataFrame, partial: Collection[int]) -> list[pl.DataFrame]:
    """Return the submissions whose total row is not there, or not the sum of the others."""
    found = []
    for check in form.total_checks:
        off = _sums(check, typed).filter(
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
            absent = pl.col("total_row").is_null()
            found.append(
                off.select(
                    "submission",
                    pl.coalesce("total_table", "table").alias("table"),
                    pl.when(absent)
                    .then(pl.lit(rule_of(form, check.absent.number).id))
                    .otherwise(pl.lit(rule_of(form, check.rule.number).id))
                    .alias("rule"),
                    pl.lit(check.amount).alias("column"),
                    pl.col("total_row").alias("row"),
                    pl.when(absent)
                    .then(pl.lit([], pl.List(pl.Int64)))
                    .otherwise(pl.concat_list("total_row"))
                    .alias("rows"),
                    pl.lit([check.amount], pl.List(pl.String())).alias("columns"),
                    _in_words(pl.col("total")).alias("value"),
                    _in_words(pl.col("sum")).alias("other"),
                    pl.lit(1, pl.Int64).alias("cells"),
                )
            )
    return found


def _sums(check: TotalCheck, typed: pl.DataFrame) -> pl.DataFrame:
    """Return one row a submission: its total, the sum of its other rows, and what keeps from comparing."""
    amounts = pl.col(check.amount)
    is_total = pl.col(check.label) == check.total
    return typed.group_by("submission", maintain_order=True).agg(
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


def _in_words(amount: pl.Expr) -> pl.Expr:
    return amount.cast(pl.String).str.replace(r"\.?0+$", "")


def _key(name: str) -> str:
    """Return the column in which a key is held as it is compared."""
    return f"{name}="


def _compared(form: Form) -> Iterator[pl.Expr]:
    """Yield the keys as they are compared: 一（1）班 and 一(1)班 are one class."""
    for name in form.key:
        is_text = form.by_name[name].kind is Kind.TEXT
        key = pl.col(name).str.normalize("NFKC") if is_text else pl.col(name)
        yield key.alias(_key(name))


def _repeated(
    same: pl.DataFrame, form: Form, tables: Sequence[Table], key: Sequence[str], number: str
) -> pl.DataFrame:
    """Return rows that share a key, or stand where one row belongs, as one raw finding a key."""
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
        same.group_by("submission", *map(_key, key), maintain_order=True)
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
    """Return the cell of ``column`` in each row: ``A3``, or ``小学!A3``."""
    heads = [
        (f"{table.sheet}!" if with_sheet and table.sheet else "")
        + (column_letters(table.columns[column]) if column in table.columns else "")
        for table in tables
    ]
    head = pl.col("table").replace_strict(list(range(len(tables))), heads, return_dtype=pl.String)
    return head + pl.col("row").cast(pl.String)
