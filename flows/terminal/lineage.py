"""`jzedu explain`: an explanation for people at a terminal, and for machines as JSON.

What comes out of a file (names, headers, sheets) is shown as it stands, but never as markup or control
characters.
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
from rich.text import Text as Line

from flows.language import Words, language, told
from transforms.names import shown as show_name
from transforms.texts import Text
from warehouse.figures import BLANK, behind, show_apart, show_pair, show_plain, show_value
from warehouse.lineage.figure import CannotExplain
from warehouse.lineage.model import Cell, Explanation, PastChange, Range, Remark, RowList, Verdict
from warehouse.publication.reader import open_publication
from warehouse.publication.reader.office import published_by as last_published
from warehouse.publication.release import DATABASE
from warehouse.wording import (
    COMPARATORS,
    FORMS,
    SEVERITIES,
    STATUSES,
    SUBMISSION_STATUSES,
    figure,
    unit_word,
)

#: Stands for a character that would steer the terminal.
_REPLACED = "\N{REPLACEMENT CHARACTER}"
_WORDS = Words(
    nothing_by=("到 {day} 为止什么也没有发布", "nothing was published by {day}"),
    nothing_yet=(
        "还没有发布；请运行：jzedu nightly",
        "there is no publication yet; run: jzedu nightly",
    ),
    value=("值", "value"),
    formula=("公式", "formula"),
    numerator=("分子", "numerator"),
    denominator=("分母", "denominator"),
    entering=("计入单位", "units that enter"),
    missing=(
        "缺报表：{region} {year} {form}{returned}",
        "missing: {region} {year} {form}{returned}",
    ),
    sent_back=("（已退回：{files}）", " (returned: {files})"),
    listed=("、", ", "),
    publication=("发布 {id}（{time}，世界时）", "publication {id} ({time} UTC)"),
    verdict=("判定：{status}    条款 {clause}", "verdict: {status}    clause {clause}"),
    due=("，期限 {year}", ", due {year}"),
    judged=("    判定值：{value}", "    value judged: {value}"),
    threshold=("目标：{target}{due}{judged}", "threshold: {target}{due}{judged}"),
    gap=("差距：{gap} = {quantity} {unit}", "gap: {gap} = {quantity} {unit}"),
    source=("出处：{source}", "source: {source}"),
    by_unit=("各单位", "by unit"),
    unit=("单位", "unit"),
    out_of_it=("未报齐，未计入", "does not enter"),
    not_expected=("不要求报送", "not expected"),
    in_force=("在用的报送", "submissions in force"),
    form=("报表", "form"),
    file=("文件", "file"),
    places=("工作表与单元格", "sheet and cells"),
    received=("收到（世界时）", "received (UTC)"),
    sha256=("SHA-256", "SHA-256"),
    versions=("各版本", "versions"),
    begins=("生效（世界时）", "in force from (UTC)"),
    ends=("失效", "until"),
    still=("在用", "in force"),
    money=(" 单位 {unit}", " in {unit}"),
    no_column=("无此列", "no such column"),
    rows_numerator=("分子的明细", "rows of the numerator"),
    rows_denominator=("分母的明细", "rows of the denominator"),
    rows_share=("明细", "rows"),
    rows=("{count:,} 行", "{count:,} rows"),
    counted=("，计入分子 {count:,}", ", {count:,} in the numerator"),
    unanswered=("，未填报 {count:,}", ", {count:,} left blank"),
    cut=("；列出 {count}（--rows）", "; {count} shown (--rows)"),
    about=("{part}：{what}（{counts}）", "{part}: {what} ({counts})"),
    institution=("机构或项目", "institution or item"),
    enters=("计入", "counted"),
    amount=("数值", "amount"),
    cells=("单元格", "cells"),
    sheet=("工作表", "sheet"),
    row=("行", "row"),
    yes=("是", "yes"),
    no=("否", "no"),
    findings=("问题（{count}）", "findings ({count})"),
    explained=("已说明：{reason}", "explained: {reason}"),
    touching=("  * 涉及本指标用到的列", "  * about a column that the figure rests on"),
    unchanged=("自发布以来没有变化：{id}", "unchanged since it was first published: {id}"),
    history=("历次发布的变化", "from publication to publication"),
    issue=("发布", "publication"),
    time=("时间（世界时）", "time (UTC)"),
    before=("原值", "before"),
    after=("新值", "after"),
    verdict_before=("原判定", "verdict before"),
    verdict_after=("新判定", "verdict after"),
    cause=("原因", "cause"),
    by_submission=("报送", "submission"),
    by_plan=("条款变化", "change of the plan"),
    by_code=("程序变化", "change of the program"),
    by_definition=("定义或名单变化", "change of a definition or list"),
)


def published_by(published: Path, day: date) -> str:
    """Return the publication that stood at the end of ``day`` in China.

    Raises:
        CannotExplain: nothing was published by then.
        FileNotFoundError: nothing was published yet.
    """
    with open_publication(publication_file(published, None)) as reader:
        found = last_published(reader, day)
    if found is None:
        raise CannotExplain(*(text.format(day=day) for text in _WORDS.pair("nothing_by")))
    return found


def publication_file(published: Path, publication_id: str | None) -> Path:
    """Return the file of the publication ``publication_id`` (or how it begins), of the latest for None.

    Raises:
        CannotExplain: it is not kept, or not unique; the message names those that are.
        FileNotFoundError: nothing was published yet.
    """
    current = published / DATABASE
    if not current.exists():
        raise FileNotFoundError(errno.ENOENT, _WORDS("nothing_yet"), current)
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
        fault = "是不止一次发布的开头" if found else "不是保存的发布"
        listed = "".join(f"\n  {name}" for name in sorted(found or kept, reverse=True))
        raise CannotExplain(
            f"{publication_id!r} {fault}；保存的发布：{listed}",
            f"{publication_id!r} {problem} publications kept:{listed}",
        )
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
    names = (e.name_zh, e.name_en)
    _say(console, "  ".join(names if language() == "zh" else reversed(names)), "bold")
    issue = _WORDS("publication", id=e.publication_id, time=_time(e.published_at))
    _say(console, f"{e.region_name} {e.year}    {issue}")
    value = behind(e.value, e.numerator, e.denominator, e.scale)
    limits = [v.threshold for v in e.verdicts]
    shown = _with_unit(show_value(value, e.unit, *limits), e.unit)
    _say(console, f"\n{_labelled('value', shown)}", "bold")
    if e.denominator_zh is not None and e.denominator_en is not None:
        factor = f"{e.scale:,} × " if e.scale != 1 else ""
        _say(console, f"  = {factor}{show_plain(e.numerator)} ÷ {show_plain(e.denominator)}")
    _say(console, _labelled("formula", told((e.formula_zh, e.formula_en))))
    _say(console, f"  {e.formula_sql}", "dim")
    top = f"{show_plain(e.numerator)}  {told((e.numerator_zh, e.numerator_en))}"
    _say(console, _labelled("numerator", top))
    if e.denominator_zh is not None and e.denominator_en is not None:
        bottom = f"{show_plain(e.denominator)}  {told((e.denominator_zh, e.denominator_en))}"
        _say(console, _labelled("denominator", bottom))
    if e.contributions or e.expected_units > 1:
        _say(console, _labelled("entering", f"{e.reporting_units} / {e.expected_units}"))
    for remark in e.remarks:
        _say(console, f"! {_of(remark)}", "yellow")
    for missing in e.missing:
        files = _WORDS("listed").join(missing.returned)
        said = _WORDS(
            "missing",
            region=missing.region_name,
            year=missing.year,
            form=told(FORMS[missing.form]),
            returned=_WORDS("sent_back", files=files) if missing.returned else "",
        )
        _say(console, f"! {said}", "yellow")


def _labelled(name: str, text: str) -> str:
    colon = "：" if language() == "zh" else ": "
    return f"{_WORDS(name)}{colon}{text}"


def _of(remark: Remark) -> str:
    return told((remark.zh, remark.en))


def _with_unit(shown: str, unit: str) -> str:
    return shown if shown == BLANK else told(figure(shown, unit))


def _named(words: Text) -> str:
    """Return the name of a status; English begins it with a small letter within a line."""
    return words.zh if language() == "zh" else words.en.lower()


def _verdict(console: Console, v: Verdict, e: Explanation) -> None:
    clause = f"{v.clause_id}{' †' if v.interpretation else ''}"
    said = _WORDS("verdict", status=_named(STATUSES[v.status]), clause=clause)
    _say(console, f"\n{said}", "bold")
    _say(console, f"  {told((v.statement_zh, v.statement_en))}")
    if v.threshold is not None:
        _threshold(console, v, e)
    if v.gap:
        gap = _with_unit(show_value(v.gap, e.unit), e.unit)
        unit = told(unit_word(v.gap_unit))
        _say(console, f"  {_WORDS('gap', gap=gap, quantity=show_plain(v.gap_quantity), unit=unit)}")
    for note in (v.coverage, v.against, v.turning):
        if note is not None:
            _say(console, f"  ! {_of(note)}", "yellow")
    if v.interpretation:
        _say(console, f"  † {told((v.basis_zh or '', v.basis_en or v.basis_zh or ''))}", "dim")
    _say(console, f"  {_WORDS('source', source=told((v.source, v.source_en or v.source)))}", "dim")


def _threshold(console: Console, v: Verdict, e: Explanation) -> None:
    value, limit = show_pair(
        behind(v.value, e.numerator, e.denominator, e.scale),
        v.threshold,
        e.unit,
        measured=v.kind == "never_falls",
    )
    sign = COMPARATORS.get(v.comparator or "", "")
    said = _WORDS(
        "threshold",
        target=f"{sign} {_with_unit(limit, e.unit)}",
        due=_WORDS("due", year=v.due_year) if v.due_year else "",
        judged=_WORDS("judged", value=_with_unit(value, e.unit)) if v.value is not None else "",
    )
    _say(console, f"  {said}")


def _units(console: Console, e: Explanation) -> None:
    if not e.contributions:
        return
    table = _table("by_unit", "unit", "numerator", "denominator", "value", None)
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
                "" if unit.enters else _WORDS("out_of_it" if unit.expected else "not_expected"),
            )
        )
    console.print(table)


def _submissions(console: Console, e: Explanation) -> None:
    if not e.submissions:
        return
    table = _table("in_force", "unit", "form", "file", "places", "received", "sha256")
    for used in e.submissions:
        places = [
            f"{sheet.sheet}: {', '.join(_range(cells) for cells in sheet.ranges)}"
            for sheet in used.sheets
        ]
        status = SUBMISSION_STATUSES[used.status]
        note = f" ({_named(status)})" if used.status != "accepted" else ""
        table.add_row(
            *_cells(
                used.region_name,
                f"{used.year} {told(FORMS[used.form])}{note}",
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
    table = _table("versions", "unit", "form", "file", "begins", "ends", "sha256")
    for version in several:
        until = version.in_force_until
        table.add_row(
            *_cells(
                version.region_name,
                f"{version.year} {told(FORMS[version.form])}",
                show_name(version.file_name),
                _time(version.in_force_from),
                _time(until) if until else _WORDS("still"),
                f"{version.sha256[:12]}…",
            )
        )
    console.print(table)


def _range(cells: Range) -> str:
    money = ""
    if cells.submitted_in and cells.submitted_in != cells.kept_in:
        money = _WORDS("money", unit=told(unit_word(cells.submitted_in)))
    return f"{cells.header} {cells.cells or _WORDS('no_column')}{money}"


def _rows(console: Console, rows: RowList, e: Explanation) -> None:
    counts = _WORDS("rows", count=rows.total)
    if rows.counted is not None:
        counts += _WORDS("counted", count=rows.counted)
    if rows.unanswered:
        counts += _WORDS("unanswered", count=rows.unanswered)
    if len(rows.rows) < rows.total:
        counts += _WORDS("cut", count=len(rows.rows))
    part = _WORDS(f"rows_{rows.part}")
    said = _WORDS("about", part=part, what=told((rows.zh, rows.en)), counts=counts)
    _say(console, f"\n{said}", "bold")
    if not rows.rows:
        return
    names = {code.region_code: code.region_name for code in e.contributions}
    share = rows.counted is not None
    table = _table(
        None,
        *(("unit",) if names else ()),
        *("institution", "enters" if share else "amount", "cells", "file", "sheet", "row"),
    )
    for row in rows.rows:
        table.add_row(
            *_cells(
                *((names.get(row.region_code, row.region_code),) if names else ()),
                " ".join(w for w in (row.institution_name, row.label, row.institution_code) if w),
                _WORDS("yes" if row.counted else "no") if share else show_plain(row.contribution),
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
    _say(console, f"\n{_WORDS('findings', count=len(e.findings))}", "bold")
    for finding in e.findings:
        severity = SEVERITIES[finding.severity]
        mark = "*" if finding.touches else " "
        message = told((finding.message_zh, finding.message_en))
        reason = f"\n    {_WORDS('explained', reason=finding.explained)}"
        _say(
            console,
            f"{mark} {_named(severity)} {finding.rule_id}  {message}"
            f"{reason if finding.explained else ''}\n    {show_name(finding.file_name or '')}",
        )
    if any(finding.touches for finding in e.findings):
        _say(console, _WORDS("touching"), "dim")


def _history(console: Console, e: Explanation) -> None:
    if not e.history:
        _say(console, f"\n{_WORDS('unchanged', id=e.since)}", "dim")
        return
    table = _table(
        "history",
        *("issue", "time", "before", "after", "verdict_before", "verdict_after", "cause"),
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
                " ".join((_cause(change), show_name(change.file_name or ""))).strip(),
            )
        )
    console.print(table)


def _cause(change: PastChange) -> str:
    return _WORDS(f"by_{change.cause or 'definition'}")


def _status(status: str | None) -> str:
    return _named(STATUSES[status]) if status else BLANK


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _table(title: str | None, *headers: str | None) -> Table:
    """Return a table; title and headers are names of words, None for none."""
    table = Table(
        title=_WORDS(title) if title else None,
        title_style="bold",
        title_justify="left",
        header_style="bold",
        box=None,
    )
    for header in headers:
        table.add_column(_WORDS(header) if header else "", overflow="fold")
    return table


def _cells(*texts: str) -> Iterable[Line]:
    return [_safe(text) for text in texts]


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(_safe(text, style), soft_wrap=True)


def _safe(text: str, style: str = "") -> Line:
    """``text`` with no markup, whatever stands in it, and without control characters."""
    return Line("".join(c if c == "\n" or _shows(c) else _REPLACED for c in text), style=style)


def _shows(character: str) -> bool:
    return not unicodedata.category(character).startswith("C")
