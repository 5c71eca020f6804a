"""`jzedu status --findings`: what has been open for long, who answers quickly, and how that goes on."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from flows.language import Words, told
from transforms.forms import FORMS
from warehouse.figures import local_time
from warehouse.publication.reader import open_publication
from warehouse.publication.reader.ageing import (
    LOOKED_BACK,
    AnswerTimes,
    answering,
    has_lives,
    open_since,
    trend,
)
from warehouse.wording import SEVERITIES

_WORDS = Words(
    not_followed=(
        "这次发布是旧版程序做的，没有跟踪问题的了结。",
        "This publication is of a version that did not follow findings.",
    ),
    open_long=(
        "超过 {days} 天未了结的问题：{count} 条",
        "{count} findings open for more than {days} days",
    ),
    days=("天数", "days"),
    unit=("单位", "unit"),
    form=("报表", "form"),
    year=("年度", "year"),
    rule=("规则", "rule"),
    kind=("类别", "kind"),
    findings=("条数", "findings"),
    open=("未了结", "open"),
    answered=("已答复", "answered"),
    half=("半数在几天内答复", "days until half were"),
    waits=("等待", "waits for"),
    the_office=("审核部门", "the office"),
    the_unit=("单位", "the unit"),
    then=(
        "  {time}  未了结 {count} 条，新增 {opened} 条，了结 {closed} 条",
        "  {time}  {count} open, {opened} new, {closed} closed",
    ),
)


def show_findings(
    console: Console, database: Path, days: int, now: datetime, *, as_json: bool = False
) -> None:
    """Print the findings open for more than ``days`` at ``now`` (UTC), how units answer, and the trend."""
    with open_publication(database) as reader:
        if not has_lives(reader):
            console.print(_WORDS("not_followed"))
            return
        old, units, then = (
            open_since(reader, now, days),
            answering(reader, now, days),
            trend(reader, LOOKED_BACK),
        )
    if as_json:
        record = {
            "open_for_more_than_days": days,
            "open": [{**asdict(one), "since": f"{one.since:%Y-%m-%dT%H:%M:%SZ}"} for one in old],
            "units": [_told(one) for one in units],
            "publications": [
                {**asdict(one), "published_at": f"{one.published_at:%Y-%m-%dT%H:%M:%SZ}"}
                for one in then
            ],
        }
        console.file.write(json.dumps(record, ensure_ascii=False) + "\n")
        return
    total = sum(one.findings for one in old)
    said = _WORDS("open_long", count=total, days=days)
    console.print(f"[bold]{said}[/]", highlight=False)
    if old:
        table = _table("days", "unit", "form", "year", "rule", "kind", "findings", "waits")
        for one in old:
            form = told((FORMS[one.form].zh, FORMS[one.form].en)) if one.form else "?"
            kind = told(SEVERITIES[one.severity]).lower()
            year = str(one.year or "?")
            waits = _WORDS("the_office" if one.for_office else "the_unit")
            cells = (str(one.days), one.region_name, form, year, one.rule_id, kind)
            table.add_row(*cells, str(one.findings), waits)
        console.print(table)
    if units:
        table = _table("unit", "open", "answered", "half")
        for unit in units:
            took = "" if unit.median_days is None else f"{unit.median_days:.1f}"
            table.add_row(unit.name, str(unit.open), str(unit.answered), took)
        console.print(table)
    for point in then:
        time = local_time(point.published_at)
        said = _WORDS("then", time=time, count=point.open, opened=point.opened, closed=point.closed)
        console.print(said, highlight=False)


def _told(unit: AnswerTimes) -> dict[str, Any]:
    """Return how a unit answers, as it stands in the JSON."""
    rest = asdict(unit)
    return {"region_name": rest.pop("name"), **rest}


def _table(*headers: str) -> Table:
    table = Table(header_style="bold")
    for header in headers:
        table.add_column(_WORDS(header), overflow="fold")
    return table
