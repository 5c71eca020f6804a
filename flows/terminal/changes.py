"""`jzedu changes`: which cells differ between what was approved and what came after it.

As a list, and as a copy of the later workbook in which these cells are marked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path, PurePosixPath

import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.language import Words
from flows.run import fork_server
from flows.settings import Settings
from flows.terminal.office import DecisionRefused, described
from transforms.forms import Form
from transforms.names import SENTENCE, shown
from transforms.records import FINDING
from transforms.workbooks.heading import Heading
from warehouse.archive import Archive
from warehouse.decisions import Decisions, standing_rulings
from warehouse.ledger.differences import Difference, differences
from warehouse.ledger.store import open_warehouse
from warehouse.outbox import ReturnSheet, write_sheets
from warehouse.place import is_there
from warehouse.reference import Reference
from warehouse.sql import literal
from warehouse.workers.pool import Workers

#: How the marked copy is called after the file.
ENDING = ".改动.xlsx"
#: What a marked copy says, which is for a unit, beside a difference.
_KINDS = {"changed": "改动", "added": "新增的行", "removed": "删去的行"}
_WORDS = Words(
    no_warehouse=(
        "还没有数据；请运行：jzedu nightly",
        "there is no warehouse yet; run: jzedu nightly",
    ),
    nothing_accepted=(
        "没有已接收的{what}；jzedu status 列出报来的内容",
        "nothing is accepted of {what}; jzedu status lists what has come",
    ),
    last_is_approved=(
        "{what}：最后到的一版就是批准的那一版（{version}）",
        "{what}: the version that came last is the approved one ({version})",
    ),
    one_version=("{what}：只有一版（{version}）", "{what}: there is one version only ({version})"),
    version=("{file}，{time} 收到（世界时）", "{file}, received {time} UTC"),
    approved=("批准的一版：{version}", "approved: {version}"),
    before_now=(
        "前一版（没有批准过）：{version}",
        "the version before (none was approved): {version}",
    ),
    latest=("现在：{version}", "now: {version}"),
    count=("{count} 处不同", "{count} differences"),
    changed=("改动", "changed"),
    added=("新增的行", "added row"),
    removed=("删去的行", "removed row"),
    in_row=("第{row}行", "row {row}"),
    sheet=("工作表", "sheet"),
    cell=("单元格", "cell"),
    key=("所在行", "row of"),
    column=("列", "column"),
    before=("原为", "before"),
    now=("现为", "now"),
)
_HEADERS = ("sheet", "cell", "key", "column", "before", "now")


@dataclass(frozen=True)
class ComparedVersion:
    """A version of a submission: the file it came in."""

    submission_id: str
    file_name: str
    received_at: datetime
    sha256: str
    entry: str | None

    @property
    def said(self) -> str:
        """What people call it."""
        time = f"{self.received_at:%Y-%m-%d %H:%M}"
        return _WORDS("version", file=shown(self.file_name), time=time)


@dataclass(frozen=True)
class Changes:
    """What differs between two versions; ``approved`` says whether the earlier one was approved."""

    before: ComparedVersion
    now: ComparedVersion
    approved: bool
    found: Sequence[Difference]


def changes_of(
    settings: Settings, reference: Reference, unit: str, form: Form, year: int
) -> Changes:
    """Return what differs between the version approved last, else the one before, and the one accepted last.

    Raises:
        DecisionRefused: there are not two versions to compare.
        ArchiveDamaged: a decision was changed.
        WarehouseLocked: a run writes to the warehouse.
    """
    (name,) = reference.units.filter(region_code=unit)["region_name"]
    said = described(name, form, year)
    if not is_there(settings.place):
        raise DecisionRefused(_WORDS("no_warehouse"))
    rulings = standing_rulings(Decisions(settings.archive).all())
    with open_warehouse(settings.place, reference, read_only=True) as connection:
        versions = [
            ComparedVersion(*row)
            for row in connection.execute(
                "SELECT submission_id, file_name, received_at, sha256, entry FROM submission"
                f" WHERE accepted AND (region_code, form, year) = ({literal(unit)}, {literal(form.name)}, {year})"
                " ORDER BY received_at, sha256, entry NULLS FIRST, submission_id"
            ).fetchall()
        ]
        if not versions:
            raise DecisionRefused(_WORDS("nothing_accepted", what=said))
        now = versions[-1]
        ruled = {one.submission_id for one in rulings.values() if one.decision == "approved"}
        approved = [one for one in versions if one.submission_id in ruled]
        if approved and approved[-1] == now:
            raise DecisionRefused(_WORDS("last_is_approved", what=said, version=now.said))
        if len(versions) < 2:
            raise DecisionRefused(_WORDS("one_version", what=said, version=now.said))
        before = approved[-1] if approved else versions[-2]
        found = differences(connection, form, before.submission_id, now.submission_id)
    return Changes(before, now, bool(approved), found)


def show_changes(console: Console, changes: Changes, *, as_json: bool) -> None:
    """Print the list."""
    if as_json:
        said = {
            "before": changes.before.submission_id,
            "now": changes.now.submission_id,
            "approved": changes.approved,
            "differences": [asdict(one) for one in changes.found],
        }
        console.file.write(json.dumps(said, ensure_ascii=False) + "\n")
        return
    for line in (
        _WORDS("approved" if changes.approved else "before_now", version=changes.before.said),
        _WORDS("latest", version=changes.now.said),
        _WORDS("count", count=len(changes.found)),
    ):
        console.print(line, markup=False, highlight=False)
    if changes.found:
        table = Table("", header_style="bold")
        for header in _HEADERS:
            table.add_column(_WORDS(header), overflow="fold")
        for one in changes.found:
            cells = (
                one.sheet,
                one.cell or _WORDS("in_row", row=one.row),
                one.key,
                one.column,
                one.before,
                one.now,
            )
            table.add_row(
                _WORDS(one.kind), *(escape(shown(text or "", SENTENCE)) for text in cells)
            )
        console.print(table)


def write_marked(
    settings: Settings, changes: Changes, unit: str, form: Form, year: int, out: Path, today: date
) -> Path:
    """Write a copy of the later workbook with the cells that differ marked; give its file.

    Raises:
        ArchiveDamaged: the original is not what it was.
        OSError: ``out`` cannot be written.
    """
    now = changes.now
    name = PurePosixPath(now.file_name)
    target = PurePosixPath(f"{name.name}{ENDING}")
    what = "已批准的版本" if changes.approved else "前一版本"
    heading = Heading(
        unit=unit,
        forms=(f"{year}年{form.zh}",),
        written=today,
        standing="",
        until="",
        ask="",
        verdict=(
            f"文件: {now.file_name}",
            f"与{what}({changes.before.file_name}, {changes.before.received_at:%Y-%m-%d}收到)相比, "
            f"共{len(changes.found)}处不同; 黄色单元格为改动。",
        ),
    )
    sheet = ReturnSheet(
        target,
        mark="",
        sha256=now.sha256,
        name=now.file_name if now.entry is None else now.file_name.removesuffix(f"/{now.entry}"),
        entry=now.entry,
        findings=_as_findings(changes, form),
        heading=heading,
    )
    out.mkdir(parents=True, exist_ok=True)
    with (
        fork_server() as forking,
        Workers(forking, settings.workers, settings.memory) as workers,
    ):
        list(write_sheets(Archive(settings.archive), out, [sheet], settings.limits, workers))
    return out / target


def _as_findings(changes: Changes, form: Form) -> pl.DataFrame:
    """Return the differences as what a return sheet lists and marks."""
    rows = []
    for one in changes.found:
        before, now = (text if text is not None else "空白" for text in (one.before, one.now))
        problem = f"{one.column}: 原为{before}, 现为{now}" if one.column else _KINDS[one.kind]
        here = one.kind != "removed"
        rows.append(
            {
                "submission_id": changes.now.submission_id,
                "form": form.name,
                "severity": "warning",
                "rule_id": _KINDS[one.kind],
                "sheet": one.sheet if here else None,
                "cell": one.cell,
                "row": one.row if here else None,
                "column_name": one.column,
                "value": one.now,
                "problem_zh": problem,
                "problem_en": "",
                "remedy_zh": "",
                "remedy_en": "",
                "cells": 1,
                "institution": one.key or None,
                "places": [one.cell] if one.cell else [],
            }
        )
    return pl.DataFrame(
        [{name: row.get(name) for name in FINDING.schema} for row in rows], schema=FINDING.schema
    )
