"""What a run leaves behind for people in the Prefect UI: log lines, tables, links.

The facts are read from the publication as plain rows, so that logs, artifacts and notifications
say the same; only :func:`leave` and :func:`leave_rehearsal` need Prefect.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from transforms.forms import FORMS
from transforms.names import in_markdown, shown
from warehouse.figures import BLANK, show_apart
from warehouse.publication.release import DATABASE, OF_CLAUSE, Change
from warehouse.report.words import STATUSES, SUBMISSION_STATUSES, Text, figure
from warehouse.sql import bound, literal

#: A table of the UI holds so many rows at most; the rest is one query away in the publication.
_MOST = 500


@dataclass(frozen=True)
class Handed:
    """A submission as the publication has it; ``unit`` and ``form`` are names, None if unknown."""

    submission_id: str
    unit: str | None
    form: str | None
    year: int | None
    file_name: str
    status: str
    rows_read: int
    rows_loaded: int
    errors: int
    warnings: int

    def line(self) -> str:
        """Return the submission in one line of a log."""
        what = " ".join(str(part) for part in (self.unit, self.form, self.year) if part is not None)
        return (
            f"{what or 'unknown'} ({shown(self.file_name)}): {SUBMISSION_STATUSES[self.status].en.lower()}, "
            f"{self.rows_loaded} of {self.rows_read} rows loaded, "
            f"{self.errors} errors, {self.warnings} warnings"
        )


def change_line(change: Change) -> str:
    """Return a change of a verdict in one line, in both languages."""
    old, new = _verdict(change.old_status), _verdict(change.new_status)
    basis = f" † {change.basis_zh} / {change.basis_en}" if change.basis_zh is not None else ""
    return (
        f"{change.region_name} {change.year} {clause_label(change)}: "
        f"{old.zh} → {new.zh} ({old.en} → {new.en}){basis}"
    )


def clause_label(change: Change) -> str:
    """Return number and name of the clause, marked where its figure is ours."""
    return f"{change.clause_id or ''}{_mark(change)} {change.name_zh}".strip()


def _mark(change: Change) -> str:
    return " †" if change.basis_zh is not None else ""


def read_handed(
    publication: Path,
    *,
    sha256: Collection[str] | None = None,
    years: Collection[int] = (),
    regions: Collection[str] = (),
    forms: Collection[str] = (),
) -> list[Handed]:
    """Return submissions of a publication (its DuckDB file), those to act on first.

    ``sha256`` narrows them to the files with these hashes; ``years``, ``regions`` (codes) and
    ``forms`` to what they name, where they name anything.
    """
    wanted = {"s.year": years, "s.region_code": regions, "s.form": forms}
    conditions = [_among(column, values) for column, values in wanted.items() if values]
    if sha256 is not None:
        conditions.append(_among("s.sha256", sha256))
    rows = _rows(
        publication,
        f"""
        SELECT s.submission_id, g.region_name, s.form, s.year, s.file_name, s.status,
            s.rows_read, s.rows_loaded, s.errors, s.warnings
        FROM submission s LEFT JOIN region g USING (region_code)
        WHERE {" AND ".join(conditions) or "true"}
        ORDER BY list_position({["returned", "accepted_with_warnings", "accepted"]}, s.status)
            NULLS LAST, s.region_code, s.form, s.year, s.file_name, s.submission_id
        """,
    )
    return [
        Handed(key, unit, FORMS[form].zh if form in FORMS else form, *rest)
        for key, unit, form, *rest in rows
    ]


def read_turns(publication: Path, publication_id: str) -> list[Change]:
    """Return the changes of a publication in which the verdict became another one, the city's first.

    A year or a clause that is there for the first time has no verdict before, and is none.
    """
    rows = _rows(
        publication,
        bound(
            f"""
            SELECT DISTINCT r.indicator_id, i.name_zh, r.region_code, g.region_name, r.year,
                r.old_value, r.new_value, r.old_status, r.new_status, s.file_name, r.clause_id, i.unit,
                {OF_CLAUSE}, g.level
            FROM revision r JOIN region g USING (region_code) JOIN indicator i USING (indicator_id)
            LEFT JOIN clause d ON d.clause_id = r.clause_id
            LEFT JOIN attainment a
                ON (a.clause_id, a.region_code, a.year) = (r.clause_id, r.region_code, r.year)
            LEFT JOIN submission s ON s.submission_id = r.submission_id
            WHERE r.publication_id = ? AND r.old_status <> r.new_status
            ORDER BY g.level, r.region_code, r.year DESC, r.indicator_id, r.clause_id
            """,
            publication_id,
        ),
    )
    return [Change(*row[:-1]) for row in rows]


def leave(
    published: Path, handed: Sequence[Handed], turns: Sequence[Change], sheets: Sequence[Path]
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


def leave_rehearsal(changes: Sequence[Change]) -> None:
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


def _change_row(one: Change) -> dict[str, Any]:
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
        "起因 Cause": in_markdown(one.cause) if one.cause else "规划或程序 plan or program",
        "† 依据 Basis": one.basis_zh or "",
    }


def _verdict(status: str | None) -> Text:
    return STATUSES[status] if status is not None else Text("无", "None")


def _among(column: str, values: Collection[object]) -> str:
    return f"{column} IN ({', '.join(map(literal, sorted(values, key=str))) or 'NULL'})"


def _rows(publication: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(publication), read_only=True) as connection:
        return connection.execute(query).fetchall()
