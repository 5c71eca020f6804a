"""What a run leaves behind for people in the Prefect UI: log lines, tables, links.

The facts are read from the publication as plain rows, so that logs, artifacts and notifications
say the same; only :func:`leave` and :func:`leave_rehearsal` need Prefect.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transforms.names import in_markdown, shown
from transforms.texts import Text
from warehouse.figures import BLANK, show_apart
from warehouse.publication.reader.runs import Handed
from warehouse.publication.release import DATABASE
from warehouse.publication.revisions import Revision
from warehouse.wording import STATUSES, SUBMISSION_STATUSES, figure

#: A table of the UI and a record of the log hold so many rows at most; the rest is one query away in the publication.
_MOST = 500


def handed_line(one: Handed) -> str:
    """Return the submission in one line of a log."""
    what = " ".join(str(part) for part in (one.unit, one.form, one.year) if part is not None)
    return (
        f"{what or 'unknown'} ({shown(one.file_name)}): {SUBMISSION_STATUSES[one.status].en.lower()}, "
        f"{one.rows_loaded} of {one.rows_read} rows loaded, "
        f"{one.errors} errors, {one.warnings} warnings"
    )


def listed(lines: Sequence[str]) -> str:
    """Return lines as the text of one record of a log; of very many the first, and how many more there are."""
    further = [f"… and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return "\n".join([*lines[:_MOST], *further])


def change_line(change: Revision) -> str:
    """Return a change of a verdict in one line, in both languages."""
    old, new = _verdict(change.old_status), _verdict(change.new_status)
    basis = f" † {change.basis_zh} / {change.basis_en}" if change.basis_zh is not None else ""
    return (
        f"{change.region_name} {change.year} {clause_label(change)}: "
        f"{old.zh} → {new.zh} ({old.en} → {new.en}){basis}"
    )


def clause_label(change: Revision) -> str:
    """Return number and name of the clause, marked where its figure is ours."""
    return f"{change.clause_id or ''}{_mark(change)} {change.name_zh}".strip()


def _mark(change: Revision) -> str:
    return " †" if change.basis_zh is not None else ""


def leave(
    published: Path, handed: Sequence[Handed], turns: Sequence[Revision], sheets: Sequence[Path]
) -> None:
    """Write the artifacts of the run this is called in.

    ``published`` is the folder of the publication, ``sheets`` are the return sheets written.
    Artifacts ``submissions`` and ``verdict-changes`` are tables, ``return-sheets`` is text with
    links; the UI keeps the history of each over the runs.
    """
    from prefect.artifacts import create_markdown_artifact

    _table("submissions", "submissions read in this run", [_handed_row(one) for one in handed])
    _table("verdict-changes", "verdicts changed by this run", [_change_row(one) for one in turns])
    create_markdown_artifact(
        links(published, sheets),
        key="return-sheets",
        description="What goes back to the units, and the report",
    )


def leave_rehearsal(changes: Sequence[Revision]) -> None:
    """Write the artifact ``dry-run`` of a backfill that changed nothing: what it would change."""
    _table("dry-run", "figures would change", [_change_row(one) for one in changes])


def _table(key: str, what: str, rows: Sequence[dict[str, Any]]) -> None:
    from prefect.artifacts import create_table_artifact

    cut = f"; here are the first {_MOST}" if len(rows) > _MOST else ""
    create_table_artifact(list(rows[:_MOST]), key=key, description=f"{len(rows)} {what}{cut}")


def links(published: Path, sheets: Sequence[Path]) -> str:
    """Return the report, the database and the return sheets as a Markdown list, by unit.

    A browser on another machine cannot follow a link to a file of this one, so that every path is
    also there to be read.
    """
    lines = ["### Publication", ""]
    lines += [_link(published / "report" / "index.html"), _link(published / DATABASE), ""]
    lines += [f"### Return sheets ({len(sheets)})", ""]
    lines += [_link(sheet) for sheet in sorted(sheets)[:_MOST]] or ["None: no file has findings."]
    if len(sheets) > _MOST:
        lines.append(f"\n… and {len(sheets) - _MOST} more in the same folders.")
    return "\n".join(lines)


def _link(file: Path) -> str:
    return f"- [{in_markdown(file.name)}]({file.absolute().as_uri()}): {in_markdown(str(file))}"


def _handed_row(one: Handed) -> dict[str, Any]:
    status = SUBMISSION_STATUSES[one.status]
    return {
        "单位 Unit": one.unit or "?",
        "报表 Form": one.form or "?",
        "年度 Year": one.year or "?",
        "状态 Status": f"{status.zh} {status.en}",
        "读到行 Rows read": one.rows_read,
        "入库行 Rows loaded": one.rows_loaded,
        "错误 Errors": one.errors,
        "提示 Warnings": one.warnings,
        "文件 File": in_markdown(one.file_name),
    }


def _change_row(one: Revision) -> dict[str, Any]:
    old, new = _verdict(one.old_status), _verdict(one.new_status)
    values = show_apart([one.old_value, one.new_value], one.unit, [one.threshold])
    before, now = (text if text == BLANK else figure(text, one.unit).zh for text in values)
    return {
        "地区 Region": one.region_name,
        "年度 Year": one.year,
        "条款 Clause": f"{one.clause_id or ''}{_mark(one)}",
        "指标 Indicator": one.name_zh,
        "原判定 Before": f"{old.zh} {old.en}",
        "新判定 Now": f"{new.zh} {new.en}",
        "原值 Value before": before,
        "新值 Value now": now,
        "起因 Cause": in_markdown(one.cause) if one.cause else "定义或程序 definitions or program",
        "† 依据 Basis": one.basis_zh or "",
    }


def _verdict(status: str | None) -> Text:
    return STATUSES[status] if status is not None else Text("无", "None")
