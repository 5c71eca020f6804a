"""`jzedu explain`: an explanation for people at a terminal, and for machines as JSON.

Labels are Chinese with plain English beside them; what comes out of a file (names, sheets) is shown
as it stands, but never as markup or control characters.
"""

from __future__ import annotations

import errno
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from transforms.names import shown as show_name
from warehouse.figures import BLANK, behind, show_apart, show_pair, show_plain, show_value
from warehouse.lineage.figure import CannotExplain
from warehouse.lineage.model import Cell, Explanation, Range, RowList, Verdict
from warehouse.publication.reader import open_publication
from warehouse.publication.reader.office import published_by as last_published
from warehouse.publication.release import DATABASE
from warehouse.wording import COMPARATORS, SEVERITIES, STATUSES, SUBMISSION_STATUSES, figure

#: Stands for a character that would steer the terminal.
_REPLACED = "\N{REPLACEMENT CHARACTER}"
_PARTS = {
    "numerator": "分子的明细 rows of the numerator",
    "denominator": "分母的明细 rows of the denominator",
    "share": "明细 rows",
}
_NOT_IN = {True: "未报齐, 未计入 does not enter", False: "不要求报送 not expected"}
_CAUSES = {
    "submission": "报送 submission",
    "plan": "条款变化 change of the plan",
    "code": "程序变化 change of the program",
    None: "定义或名单变化 change of a definition or list",
}


def published_by(published: Path, day: date) -> str:
    """Return the publication that stood at the end of ``day`` in China.

    Raises:
        CannotExplain: nothing was published by then.
        FileNotFoundError: nothing was published yet.
    """
    with open_publication(publication_file(published, None)) as reader:
        found = last_published(reader, day)
    if found is None:
        raise CannotExplain(f"nothing was published by {day}")
    return found


def publication_file(published: Path, publication_id: str | None) -> Path:
    """Return the file of the publication ``publication_id`` (or how it begins), of the latest for None.

    Raises:
        CannotExplain: it is not kept, or not unique; the message names those that are.
        FileNotFoundError: nothing was published yet.
    """
    current = published / DATABASE
    if not current.exists():
        raise FileNotFoundError(
            errno.ENOENT, "there is no publication yet; run: jzedu nightly", current
        )
    if publication_id is None:
        return current
    kept = {file.parent.name: file for file in (published / "history").glob(f"*/{DATABASE}")}
    with open_publication(current) as reader:
        if reader.issue is not None:
            kept[reader.issue.publication_id] = current
    found = [name for name in kept if name == publication_id] or [
        name for name in kept if name.startswith(publication_id)
    ]
    if len(found) != 1:
        problem = "begins more than one" if found else "is none of the"
        listed = "".join(f"\n  {name}" for name in sorted(found or kept, reverse=True))
        raise CannotExplain(f"{publication_id!r} {problem} publications kept:{listed}")
    return kept[found[0]]


def json_of(explanation: Explanation) -> str:
    """Return the explanation as one JSON object; times are UTC, exact decimals plain numbers."""
    return json.dumps(asdict(explanation), default=_plain, ensure_ascii=False, indent=2)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value % 1 == 0 else float(value)
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    raise TypeError(type(value))


def show_explanation(console: Console, explanation: Explanation) -> None:
    """Print the explanation for a person."""
    _head(console, explanation)
    for verdict in explanation.verdicts:
        _verdict(console, verdict, explanation)
    _units(console, explanation)
    _submissions(console, explanation)
    _versions(console, explanation)
    for rows in explanation.rows:
        _rows(console, rows, explanation)
    _findings(console, explanation)
    _history(console, explanation)


def _head(console: Console, e: Explanation) -> None:
    _say(console, f"{e.name_zh}  {e.name_en}", "bold")
    _say(console, f"{e.region_name} {e.year}    {_publication(e)}")
    value = behind(e.value, e.numerator, e.denominator, e.scale)
    limits = [v.threshold for v in e.verdicts]
    _say(console, f"\n值 value: {_with_unit(show_value(value, e.unit, *limits), e.unit)}", "bold")
    if e.denominator_zh is not None:
        factor = f"{e.scale:,} × " if e.scale != 1 else ""
        _say(console, f"  = {factor}{show_plain(e.numerator)} ÷ {show_plain(e.denominator)}")
    _say(console, f"公式 formula: {e.formula_zh}")
    _say(console, f"  {e.formula_sql}", "dim")
    _say(console, f"分子 numerator: {show_plain(e.numerator)}  {e.numerator_zh}")
    if e.denominator_zh is not None:
        _say(console, f"分母 denominator: {show_plain(e.denominator)}  {e.denominator_zh}")
    if e.contributions or e.expected_units > 1:
        _say(console, f"计入单位 units that enter: {e.reporting_units} / {e.expected_units}")
    for remark in e.remarks:
        _say(console, f"! {remark.zh}\n  {remark.en}", "yellow")
    for missing in e.missing:
        sent_back = f" (已退回 returned: {'、'.join(missing.returned)})" if missing.returned else ""
        _say(
            console,
            f"! 缺报表 missing: {missing.region_name} {missing.year} {missing.form_zh}{sent_back}",
            "yellow",
        )


def _publication(e: Explanation) -> str:
    return f"发布 publication {e.publication_id} ({_time(e.published_at)} UTC)"


def _with_unit(shown: str, unit: str) -> str:
    return shown if shown == BLANK else figure(shown, unit).zh


def _verdict(console: Console, v: Verdict, e: Explanation) -> None:
    status = STATUSES[v.status]
    _say(
        console,
        f"\n判定 verdict: {status.zh} {status.en.lower()}    "
        f"条款 clause {v.clause_id}{' †' if v.interpretation else ''}",
        "bold",
    )
    _say(console, f"  {v.statement_zh}\n  {v.statement_en}")
    if v.threshold is not None:
        due = f", 期限 due {v.due_year}" if v.due_year else ""
        value, limit = show_pair(
            behind(v.value, e.numerator, e.denominator, e.scale),
            v.threshold,
            e.unit,
            measured=v.kind == "never_falls",
        )
        judged = (
            f"    判定值 value judged: {_with_unit(value, e.unit)}" if v.value is not None else ""
        )
        sign = COMPARATORS.get(v.comparator or "", "")
        _say(console, f"  目标 threshold: {sign} {_with_unit(limit, e.unit)}{due}{judged}")
    if v.gap:
        gap = _with_unit(show_value(v.gap, e.unit), e.unit)
        _say(console, f"  差距 gap: {gap} = {show_plain(v.gap_quantity)} {v.gap_unit}")
    for note in (v.coverage, v.against, v.turning):
        if note is not None:
            _say(console, f"  ! {note.zh}\n    {note.en}", "yellow")
    if v.interpretation:
        _say(console, f"  † {v.basis_zh}\n    {v.basis_en}", "dim")
    _say(console, f"  出处 source: {v.source}", "dim")


def _units(console: Console, e: Explanation) -> None:
    if not e.contributions:
        return
    table = _table(
        "各单位 by unit", "单位 unit", "分子 numerator", "分母 denominator", "值 value", ""
    )
    for unit in e.contributions:
        table.add_row(
            *_cells(
                f"{unit.region_code} {unit.region_name}",
                show_plain(unit.numerator),
                show_plain(unit.denominator),
                _with_unit(
                    show_value(
                        behind(unit.value, unit.numerator, unit.denominator, e.scale),
                        e.unit,
                        *(v.threshold for v in e.verdicts if v.kind != "never_falls"),
                    ),
                    e.unit,
                ),
                "" if unit.enters else _NOT_IN[unit.expected],
            )
        )
    console.print(table)


def _submissions(console: Console, e: Explanation) -> None:
    if not e.submissions:
        return
    table = _table(
        "在用的报送 submissions in force",
        "单位 unit",
        "报表 form",
        "文件 file",
        "工作表与单元格 sheet and cells",
        "收到 received (UTC)",
        "SHA-256",
    )
    for used in e.submissions:
        places = [
            f"{sheet.sheet}: {', '.join(_range(cells) for cells in sheet.ranges)}"
            for sheet in used.sheets
        ]
        status = SUBMISSION_STATUSES[used.status]
        note = f" ({status.zh} {status.en.lower()})" if used.status != "accepted" else ""
        table.add_row(
            *_cells(
                used.region_name,
                f"{used.year} {used.form_zh}{note}",
                show_name(used.path or used.file_name),
                "\n".join(places),
                _time(used.received_at),
                f"{used.sha256[:12]}…",
            )
        )
    console.print(table)


def _versions(console: Console, e: Explanation) -> None:
    """Print the versions of the forms that were handed in more than once."""
    numbers = Counter((version.region_code, version.form) for version in e.versions)
    several = [v for v in e.versions if numbers[v.region_code, v.form] > 1]
    if not several:
        return
    table = _table(
        "各版本 versions",
        "单位 unit",
        "报表 form",
        "文件 file",
        "生效 in force from (UTC)",
        "失效 until",
        "SHA-256",
    )
    for version in several:
        until = version.in_force_until
        table.add_row(
            *_cells(
                version.region_name,
                f"{version.year} {version.form_zh}",
                show_name(version.file_name),
                _time(version.in_force_from),
                _time(until) if until else "在用 in force",
                f"{version.sha256[:12]}…",
            )
        )
    console.print(table)


def _range(cells: Range) -> str:
    money = ""
    if cells.submitted_in and cells.submitted_in != cells.kept_in:
        money = f" 单位 in {cells.submitted_in}"
    return f"{cells.header} {cells.cells or '无此列 no such column'}{money}"


def _rows(console: Console, rows: RowList, e: Explanation) -> None:
    counts = f"{rows.total:,} 行 rows"
    if rows.counted is not None:
        counts += f", 计入分子 in the numerator {rows.counted:,}"
    if rows.unanswered:
        counts += f", 未填报 left blank {rows.unanswered:,}"
    if len(rows.rows) < rows.total:
        counts += f"; 列出 shown {len(rows.rows)} (--rows)"
    _say(console, f"\n{_PARTS[rows.part]}: {rows.zh} ({counts})", "bold")
    if not rows.rows:
        return
    names = {code.region_code: code.region_name for code in e.contributions}
    share = rows.counted is not None
    table = _table(
        None,
        *(("单位 unit",) if names else ()),
        "机构或项目 institution or item",
        "计入 counted" if share else "数值 amount",
        "单元格 cells",
        "文件 file",
        "工作表 sheet",
        "行 row",
    )
    for row in rows.rows:
        table.add_row(
            *_cells(
                *((names.get(row.region_code, row.region_code),) if names else ()),
                " ".join(w for w in (row.institution_name, row.label, row.institution_code) if w),
                ("是 yes" if row.counted else "否 no") if share else show_plain(row.contribution),
                ", ".join(_cell(cell) for cell in row.cells),
                show_name(row.file_name or ""),
                row.sheet or "",
                str(row.row or ""),
            )
        )
    console.print(table)


def _cell(cell: Cell) -> str:
    value = "—" if cell.value is None else " ".join(filter(None, (cell.value, cell.unit)))
    return f"{cell.cell or '—'} {cell.header} {value}"


def _findings(console: Console, e: Explanation) -> None:
    if not e.findings:
        return
    _say(console, f"\n问题 findings ({len(e.findings)})", "bold")
    for finding in e.findings:
        severity = SEVERITIES[finding.severity]
        mark = "*" if finding.touches else " "
        why = f"\n    已说明 explained: {finding.explained}" if finding.explained else ""
        _say(
            console,
            f"{mark} {severity.zh} {severity.en.lower()} {finding.rule_id}  {finding.message_zh}"
            f"\n    {finding.message_en}{why}\n    {show_name(finding.file_name or '')}",
        )
    if any(finding.touches for finding in e.findings):
        _say(console, "  * 涉及本指标用到的列 about a column that the figure rests on", "dim")


def _history(console: Console, e: Explanation) -> None:
    if not e.history:
        _say(
            console,
            f"\n自发布以来没有变化 unchanged since it was first published: {e.since}",
            "dim",
        )
        return
    table = _table(
        "历次发布的变化 from publication to publication",
        "发布 publication",
        "时间 time (UTC)",
        "原值 before",
        "新值 after",
        "原判定 verdict before",
        "新判定 verdict after",
        "原因 cause",
    )
    limits = [v.threshold for v in e.verdicts]
    for change in e.history:
        values = show_apart([change.old_value, change.new_value], e.unit, limits)
        table.add_row(
            *_cells(
                change.publication_id,
                _time(change.published_at),
                *(_with_unit(value, e.unit) for value in values),
                _status(change.old_status),
                _status(change.new_status),
                f"{_CAUSES[change.cause]} {show_name(change.file_name or '')}".strip(),
            )
        )
    console.print(table)


def _status(status: str | None) -> str:
    return f"{STATUSES[status].zh} {STATUSES[status].en.lower()}" if status else "—"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _table(title: str | None, *headers: str) -> Table:
    table = Table(
        title=title, title_style="bold", title_justify="left", header_style="bold", box=None
    )
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def _cells(*texts: str) -> Iterable[Text]:
    return [_safe(text) for text in texts]


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(_safe(text, style), soft_wrap=True)


def _safe(text: str, style: str = "") -> Text:
    """``text`` with no markup, whatever stands in it, and without control characters."""
    return Text("".join(c if c == "\n" or _shows(c) else _REPLACED for c in text), style=style)


def _shows(character: str) -> bool:
    return not unicodedata.category(character).startswith("C")
