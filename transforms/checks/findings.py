"""Findings: what is wrong in a submission, one for each cause, in words for people.

Checks give one raw row for every offending row of a table; :func:`settle` turns them into
findings. Cells of one column that break the same rule with the same content are one cause, and
so is a column most of whose cells break it; several such columns side by side are a table whose
cells moved (:mod:`transforms.checks.shifted`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from transforms.characters import visible
from transforms.checks.hints import hint
from transforms.checks.rules import RULES
from transforms.checks.values import expected
from transforms.forms import FORMS, Column, Form
from transforms.forms.model import Rule
from transforms.records import FINDING
from transforms.tables.model import Table, cell_name

#: Cells that a finding names; it counts all of them.
MARKED_CELLS = 1000
#: More different bad contents than these, in half of the rows, are a bad column rather than bad cells.
_COLUMN_CONTENTS = 5
#: From so many rows on nearly all of them are more than a few.
_COLUMN_ROWS = 5
#: So many further contents of a bad column are quoted.
_EXAMPLES = 2
#: Rules that a whole column may break, so that their findings say how many of its cells do.
_OF_A_COLUMN = ("E02", "E03", "E04", "W03")
#: Rules about what stands in a cell, for which something may be suggested.
_HINTED = ("E03", "E04")
_SHOWN = 60

RAW_SCHEMA: dict[str, pl.DataType] = {
    "submission": pl.Int64(),
    "table": pl.Int64(),
    "rule": pl.String(),
    "column": pl.String(),
    "row": pl.Int64(),
    "rows": pl.List(pl.Int64()),
    "columns": pl.List(pl.String()),
    "value": pl.String(),
    "other": pl.String(),
    "cells": pl.Int64(),
}


@dataclass(frozen=True)
class Submission:
    """One form of one unit for one year out of one file, as far as these are known."""

    submission_id: str
    region_code: str | None
    form: str | None
    year: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause of trouble in a submission: what is wrong, and apart from it what to do.

    ``places`` are the cells that the cause touches, the
    first of them being where it stands, at most :data:`MARKED_CELLS`; ``cells`` counts all of them.
    """

    submission: Submission
    rule: Rule
    problem_zh: str
    problem_en: str
    remedy_zh: str
    remedy_en: str
    sheet: str | None
    places: tuple[str, ...]
    row: int | None
    column_name: str | None
    value: str | None
    cells: int
    institution: str | None = None

    def record(self) -> dict[str, object]:
        """Return the row of :data:`transforms.records.FINDING`."""
        return {
            "submission_id": self.submission.submission_id,
            "region_code": self.submission.region_code,
            "form": self.submission.form,
            "year": self.submission.year,
            "severity": self.rule.severity,
            "rule_id": self.rule.id,
            "sheet": self.sheet,
            "cell": self.places[0] if self.places else None,
            "row": self.row,
            "column_name": self.column_name,
            "value": self.value,
            "problem_zh": self.problem_zh,
            "problem_en": self.problem_en,
            "remedy_zh": self.remedy_zh,
            "remedy_en": self.remedy_en,
            "cells": self.cells,
            "places": list(self.places),
            "institution": self.institution,
        }


def frame_of(findings: Iterable[Finding]) -> pl.DataFrame:
    """Return findings as a frame with the columns of :data:`transforms.records.FINDING`."""
    rows = [finding.record() for finding in findings]
    return pl.DataFrame(rows, schema=FINDING.schema, orient="row")


def with_messages(findings: pl.DataFrame) -> pl.DataFrame:
    """Return findings with ``message_zh`` and ``message_en`` beside them: problem and remedy."""
    return findings.with_columns(
        message_zh=pl.col("problem_zh") + pl.col("remedy_zh"),
        message_en=pl.col("problem_en") + " " + pl.col("remedy_en"),
    )


def told(zh: str, en: str) -> dict[str, str]:
    """Return ``problem_zh`` and ``problem_en`` as sentences; the place stands in columns of its own."""
    return {"problem_zh": f"{zh}。", "problem_en": f"{en}."}


def or_reason(rule: Rule) -> tuple[str, str]:
    """Return what a rule says to do; of a warning also how a unit says that it is right as it stands."""
    if not rule.accepted_zh:
        return rule.remedy_zh, rule.remedy_en
    return (
        f"{rule.remedy_zh}情况属实的(通常如: {rule.accepted_zh}), 请在反馈表中写明原因, 随下次报送交回。",
        f"{rule.remedy_en} Where it is right as it stands (usually: {rule.accepted_en}), write the reason"
        " into the answer and hand it in with the next delivery.",
    )


def make_finding(
    submission: Submission,
    rule_id: str,
    *,
    sheet: str | None = None,
    places: Sequence[str] = (),
    row: int | None = None,
    column: Column | None = None,
    value: str | None = None,
    other: str | None = None,
    cells: int | None = None,
    wanted: tuple[str, str] | None = None,
    remedy: tuple[str, str] | None = None,
    examples: Sequence[str] = (),
    institution: str | None = None,
) -> Finding:
    """Return the finding that a rule was broken, with its sentences written out.

    ``wanted`` and ``remedy`` (each in Chinese and English) take the place of what the column
    expects and of what the rule says to do. ``examples`` are further contents that the same cause
    touches.
    """
    rule = RULES[rule_id]
    form = None if submission.form is None else FORMS[submission.form]
    remedy_zh, remedy_en = remedy or or_reason(rule)
    wanted_zh, wanted_en = wanted or (expected(column) if column is not None else ("", ""))
    words = {
        "form": form.zh if form else "",
        "column": column.header if column else "",
        "value": _short(value),
        "other": _short(other),
        "expected": wanted_zh,
        "expected_en": wanted_en,
    }
    count = cells if cells is not None else max(1, len(places))
    zh, en = rule.zh.format(**words), rule.en.format(**words)
    if column is not None and rule.number in _HINTED:
        meant_zh, meant_en = hint(column, value)
        zh, en = (f"{zh}; {meant_zh}", f"{en}; {meant_en}") if meant_zh else (zh, en)
    if count > 1 and rule.number in _OF_A_COLUMN:
        zh += f"; 同一列共{count}个单元格" + ("不合要求" if examples else "如此")
        en += f"; {count} cells of the column " + ("are bad" if examples else "are like this")
        if examples:
            zh += f", 又如{''.join(f'“{_short(text)}”' for text in examples)}"
            en += f", such as {', '.join(f'“{_short(text)}”' for text in examples)}"
    return Finding(
        submission=submission,
        rule=rule,
        **told(zh, en),
        remedy_zh=remedy_zh,
        remedy_en=remedy_en,
        sheet=sheet,
        places=tuple(places[:MARKED_CELLS]),
        row=row,
        column_name=column.name if column else None,
        value=value,
        cells=count,
        institution=institution,
    )


def is_one_cause(contents: int, hits: int, rows: int) -> bool:
    """Return whether what is wrong in a column has one cause, and not one for each content.

    So many different contents in at least half of the rows (an old list of codes, the file of
    another unit) are a bad column, and so are any contents in nearly all of them.
    """
    if contents > _COLUMN_CONTENTS and 2 * hits >= rows:
        return True
    return contents > 1 and rows >= _COLUMN_ROWS and 10 * hits >= 9 * rows


@dataclass(frozen=True)
class Placed:
    """A finding of one column of a table: the column's place on the sheet, and in how many rows it is."""

    finding: Finding
    submission: int
    table: int
    place: int
    hits: int


def settle(
    raw_rows: pl.DataFrame,
    form: Form,
    tables: Sequence[Table],
    submissions: Sequence[Submission],
    sizes: Mapping[tuple[int, int], int],
    names: Mapping[tuple[int, int], str],
) -> list[Placed]:
    """Turn raw rows (:data:`RAW_SCHEMA`) into findings, one for each cause.

    ``sizes`` gives the number of data rows for every pair of submission and table, ``names`` the
    institution for pairs of table and row.
    """
    causes = (
        raw_rows.sort("submission", "table", "row", "column")
        .group_by("submission", "table", "rule", "column", "value", "other", maintain_order=True)
        .agg(
            pl.col("row").first(),
            pl.col("rows").list.explode(keep_nulls=False, empty_as_null=False).head(MARKED_CELLS),
            pl.col("columns").first(),
            pl.col("cells").sum(),
            pl.len().alias("hits"),
        )
    )
    found = []
    keys = ("submission", "table", "rule", "column")
    for (submission, table, rule_id, name), group in causes.group_by(keys, maintain_order=True):
        assert isinstance(submission, int) and isinstance(table, int)
        hits = int(group["hits"].sum())
        columns = tables[table].columns
        spread = is_one_cause(group.height, hits, sizes[submission, table])
        for cause in [_together(group)] if spread else group.iter_rows(named=True):
            concerned = {names.get((table, row)) for row in cause["rows"]}
            finding = make_finding(
                submissions[submission],
                str(rule_id),
                institution=concerned.pop() if len(concerned) == 1 else None,
                sheet=tables[table].sheet,
                places=[
                    cell_name(row, columns[place])
                    for row in cause["rows"][:MARKED_CELLS]
                    for place in cause["columns"]
                    if place in columns
                ],
                row=cause["row"],
                column=form.by_name[str(name)],
                value=cause["value"],
                other=cause["other"],
                cells=cause["cells"],
                examples=_examples(group) if spread else (),
            )
            found.append(Placed(finding, submission, table, columns.get(str(name), -1), hits))
    return found


def _examples(group: pl.DataFrame) -> list[str]:
    """Return the first few contents of a bad column, after the one that its finding quotes."""
    contents = group["value"].unique(maintain_order=True).drop_nulls().to_list()
    return [text for text in contents if text != group["value"][0]][:_EXAMPLES]


def _together(group: pl.DataFrame) -> dict[str, Any]:
    """Return all causes of a column as its first, with the rows and cells of all."""
    return {
        **group.row(0, named=True),
        "rows": [row for rows in group["rows"] for row in rows],
        "cells": int(group["cells"].sum()),
    }


def raw(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the raw rows of several checks, one below the other (:data:`RAW_SCHEMA`)."""
    return pl.concat([pl.DataFrame(schema=RAW_SCHEMA), *frames], how="vertical")


def _short(text: str | None) -> str:
    if text is None:
        return "空白"
    text = visible(" ".join(text[: 10 * _SHOWN].split()))
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
