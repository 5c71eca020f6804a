"""Findings: what is wrong in a submission, one for each cause, in words for people.

Checks give one raw row for every offending row of a table; :func:`settle` turns them into
findings. Cells of one column that break the same rule with the same content are one cause, and
so is a column most of whose cells break it; several such columns side by side are a shifted table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from transforms.characters import visible
from transforms.checks.rules import RULES, rule_of
from transforms.checks.values import expected
from transforms.forms import FORMS, Column, Form
from transforms.tables.model import Table, cell_name

#: Columns of the findings frame. ``cells`` counts all cells that the cause touches, ``places``
#: names them, up to :data:`MARKED_CELLS`; ``cell`` is the first of them.
FINDING_SCHEMA: dict[str, pl.DataType] = {
    "submission_id": pl.String(),
    "region_code": pl.String(),
    "form": pl.String(),
    "year": pl.Int64(),
    "severity": pl.String(),
    "rule_id": pl.String(),
    "sheet": pl.String(),
    "cell": pl.String(),
    "row": pl.Int64(),
    "column_name": pl.String(),
    "value": pl.String(),
    "message_zh": pl.String(),
    "message_en": pl.String(),
    "do_zh": pl.String(),
    "cells": pl.Int64(),
    "places": pl.List(pl.String()),
}
MARKED_CELLS = 1000
#: So many different bad contents, and half of the rows, make a bad column rather than bad cells.
COLUMN_CONTENTS = 5
#: So many bad columns, and so many of them unreadable, make a shifted table; so does a blank
#: column with an unreadable one behind it.
SHIFTED_COLUMNS = 3
SHIFTED_UNREADABLE = 2
#: In fewer rows than these, bad cells are named one by one.
SHIFTED_ROWS = 5
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


def raw(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return the raw rows of several checks, one below the other (:data:`RAW_SCHEMA`)."""
    return pl.concat([pl.DataFrame(schema=RAW_SCHEMA), *frames], how="vertical")


def finding(
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
    more: int = 0,
) -> dict[str, object]:
    """Return one row of the findings frame, with its messages written out.

    ``wanted`` and ``remedy`` (each in Chinese and English) take the place of what the column
    expects and of what the rule says to do. ``more`` is the number of further cells with other
    contents that the same cause touches.
    """
    rule = RULES[rule_id]
    form = None if submission.form is None else FORMS[submission.form]
    do_zh, do_en = remedy or (rule.do_zh, rule.do_en)
    zh, en = wanted or (expected(column) if column is not None else ("", ""))
    words = {
        "form": form.zh if form else "",
        "column": column.header if column else "",
        "value": _short(value),
        "other": _short(other),
        "expected": zh,
        "expected_en": en,
    }
    cell = places[0] if places else None
    count = cells if cells is not None else max(1, len(places))
    zh_text, en_text = rule.zh.format(**words), rule.en.format(**words)
    if count > 1 and rule_id.partition("-")[2] in ("E02", "E03", "E04", "W03"):
        zh_text += f"; 同一列共{count}个单元格" + ("如此" if not more else "不合要求")
        en_text += f"; {count} cells of the column " + ("are like this" if not more else "are bad")
    place_zh = "".join(
        (
            form.zh if form else "",
            f"工作表“{sheet}”" if sheet else "",
            f" {cell}" if cell else "",
        )
    )
    place_en = ", ".join(
        part
        for part in (
            form.zh if form else "",
            f'sheet "{sheet}"' if sheet else "",
            f"cell {cell}" if cell else "",
        )
        if part
    )
    return {
        "submission_id": submission.submission_id,
        "region_code": submission.region_code,
        "form": submission.form,
        "year": submission.year,
        "severity": rule.severity,
        "rule_id": rule_id,
        "sheet": sheet,
        "cell": cell,
        "row": row,
        "column_name": column.name if column else None,
        "value": value,
        "message_zh": f"{place_zh}: {zh_text}。{do_zh}" if place_zh else f"{zh_text}。{do_zh}",
        "message_en": f"{place_en}: {en_text}. {do_en}" if place_en else f"{en_text}. {do_en}",
        "do_zh": do_zh,
        "cells": count,
        "places": list(places[:MARKED_CELLS]),
    }


def settle(
    raw_rows: pl.DataFrame,
    form: Form,
    tables: Sequence[Table],
    submissions: Sequence[Submission],
    sizes: Mapping[tuple[int, int], int],
) -> list[dict[str, object]]:
    """Turn raw rows (:data:`RAW_SCHEMA`) into findings, one for each cause.

    ``sizes`` gives the number of data rows for every pair of submission and table.
    """
    if raw_rows.is_empty():
        return []
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
    whole: dict[tuple[int, int], list[tuple[int, dict[str, object]]]] = {}
    placed: list[tuple[tuple[int, int, int], dict[str, object]]] = []
    keys = ("submission", "table", "rule", "column")
    for (submission, table, rule_id, name), group in causes.group_by(keys, maintain_order=True):
        assert isinstance(submission, int) and isinstance(table, int)
        hits = int(group["hits"].sum())
        column = form.by_name[str(name)]
        spread = group.height > COLUMN_CONTENTS and 2 * hits >= sizes[submission, table]
        picked = (
            [
                {
                    **group.row(0, named=True),
                    "rows": [row for rows in group["rows"] for row in rows],
                    "cells": int(group["cells"].sum()),
                }
            ]
            if spread
            else list(group.iter_rows(named=True))
        )
        for cause in picked:
            places = [
                cell_name(row, tables[table].columns[place])
                for row in cause["rows"][:MARKED_CELLS]
                for place in cause["columns"]
                if place in tables[table].columns
            ]
            entry = finding(
                submissions[submission],
                str(rule_id),
                sheet=tables[table].sheet,
                places=places,
                row=cause["row"],
                column=column,
                value=cause["value"],
                other=cause["other"],
                cells=cause["cells"],
                more=hits - cause["hits"] if spread else 0,
            )
            stands = tables[table].columns.get(str(name), -1)
            mostly = 2 * hits >= sizes[submission, table] and hits >= SHIFTED_ROWS
            if mostly and str(rule_id).partition("-")[2] in ("E02", "E03", "E04"):
                whole.setdefault((submission, table), []).append((stands, entry))
            else:
                placed.append(((submission, table, stands), entry))
    shifts: dict[tuple[int, int], int] = {}
    found: list[dict[str, object]] = []
    for (submission, table), entries in whole.items():
        shifted = _shifted(entries, form, tables[table], submissions[submission])
        if shifted is None:
            found += [entry for _, entry in entries]
        else:
            shifts[submission, table], entry = shifted
            found.append(entry)
    # What else is wrong from the first shifted column on has the same cause.
    return found + [
        entry
        for (submission, table, place), entry in placed
        if place < shifts.get((submission, table), place + 1)
    ]


def _shifted(
    entries: list[tuple[int, dict[str, object]]], form: Form, table: Table, submission: Submission
) -> tuple[int, dict[str, object]] | None:
    """Return bad columns that stand side by side, as the one cause that they are."""
    bad = sorted({place for place, _ in entries})
    unreadable = {
        place
        for place, entry in entries
        if str(entry["rule_id"]).partition("-")[2] in ("E03", "E04")
    }
    blank = set(bad) - unreadable
    moved = any(place + 1 in unreadable for place in blank)
    if not moved and (len(unreadable) < SHIFTED_UNREADABLE or len(bad) < SHIFTED_COLUMNS):
        return None
    in_order = [entry for _, entry in sorted(entries, key=lambda pair: pair[0])]
    places = [place for entry in in_order for place in entry["places"]]  # type: ignore[attr-defined]
    return bad[0], finding(
        submission,
        rule_of(form, "E31").id,
        sheet=table.sheet,
        places=places,
        row=min(int(str(entry["row"])) for entry in in_order),
        column=form.by_name[str(in_order[0]["column_name"])],
        value=str(len(bad)),
        cells=sum(int(str(entry["cells"])) for entry in in_order),
    )


def _short(text: str | None) -> str:
    if text is None:
        return "空白"
    text = visible(" ".join(text[: 10 * _SHOWN].split()))
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
