"""What a publication says, for the terminal: the scorecard and the state of reporting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from warehouse.publication import is_made_up

_COLOURS = {
    "met": "green",
    "on_track": "green",
    "not_met": "red",
    "off_track": "yellow",
    "not_due": "dim",
    "monitored": "cyan",
    "no_data": "magenta",
    "not_applicable": "dim",
}
_MARKS = {
    "met": "✓",
    "on_track": "↗",
    "not_met": "✗",
    "off_track": "↘",
    "not_due": "…",
    "monitored": "·",
    "no_data": "?",
    "not_applicable": "–",
}


def say_made_up(console: Console, database: Path) -> None:
    """Say so where the publication ``database`` holds made-up data; nothing otherwise."""
    with duckdb.connect(str(database), read_only=True) as connection:
        made_up = is_made_up(connection)
    if made_up:
        console.print(
            "[bold yellow]虚构样例数据 made-up data:[/] these figures were invented by jzedu sample "
            "and say nothing about any real place or school.",
            highlight=False,
        )


def show_scorecard(console: Console, database: Path) -> None:
    """Every clause with the city's value in the latest year, its status and its units."""
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = connection.execute(
            """
            WITH latest AS (SELECT max(year) AS year FROM attainment),
            units AS (
                SELECT clause_id, count(*) FILTER (status = 'met') AS met,
                    count(*) FILTER (status IN ('met', 'not_met', 'on_track', 'off_track', 'not_due'))
                        AS judged
                FROM attainment JOIN latest USING (year) JOIN region USING (region_code)
                WHERE level = 'reporting_unit' GROUP BY clause_id
            )
            SELECT c.clause_id, i.name_zh, i.unit, a.value, a.threshold, c.comparator, c.due_year,
                a.status, u.met, u.judged, a.year, c.interpretation, r.region_name
            FROM attainment a
            JOIN latest USING (year)
            JOIN clause c USING (clause_id)
            JOIN indicator i ON i.indicator_id = c.indicator_id
            JOIN region r USING (region_code)
            LEFT JOIN units u USING (clause_id)
            WHERE r.level <> 'reporting_unit'
            ORDER BY c.section, try_cast(split_part(c.clause_id, '.', 2) AS INTEGER), c.clause_id
            """
        ).fetchall()
        invented = " · 虚构样例数据 made-up data" if is_made_up(connection) else ""
    if not rows:
        console.print("No figures yet: no submission is in force.")
        return
    table = Table(
        title=f"{rows[0][12]} {rows[0][10]}{invented}", title_style="bold", header_style="bold"
    )
    for header, justify in (
        ("条款", "left"),
        ("指标", "left"),
        ("值", "right"),
        ("目标", "right"),
        ("期限", "right"),
        ("判定", "left"),
        ("达标单位", "right"),
    ):
        table.add_column(header, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for row in rows:
        clause, name, unit, value, threshold, comparator, due, status, met, judged = row[:10]
        colour = _COLOURS[status]
        table.add_row(
            f"{clause}{' †' if row[11] else ''}",
            name,
            shown(value, threshold, unit),
            f"{comparator} {threshold:,.6g}" if threshold is not None else "",
            str(due or ""),
            f"[{colour}]{_MARKS[status]} {status}[/]",
            f"{met}/{judged}" if judged else "",
        )
    console.print(table)


def show_changes(console: Console, changes: Sequence[Mapping[str, Any]]) -> None:
    """What a backfill would change: indicator, region, year, old and new value and status."""
    if not changes:
        console.print("No published figure would change.")
        return
    table = Table(title=f"{len(changes)} changes", title_style="bold", header_style="bold")
    for header in ("指标", "地区", "年度", "原值", "新值", "原判定", "新判定", "原因"):
        table.add_column(header)
    for change in changes:
        table.add_row(
            change["name_zh"],
            change["region_name"],
            str(change["year"]),
            _plain(change["old_value"]),
            _plain(change["new_value"]),
            change["old_status"] or "—",
            change["new_status"] or "—",
            change["cause"] or "定义(规划、程序)变化",
        )
    console.print(table)


def _plain(value: float | None) -> str:
    return "—" if value is None else f"{value:,.10g}"


def shown(value: float | None, threshold: float | None, unit: str) -> str:
    """A value rounded for show, never across its threshold: 49.996 % is not shown as 50 %."""
    if value is None:
        return "—"
    exact = Decimal(value)
    digits = Decimal("0.01") if unit in ("%", "倍", "元", "万元") else Decimal(1)
    rounded = exact.quantize(digits)
    if threshold is not None and (rounded >= Decimal(threshold)) != (exact >= Decimal(threshold)):
        rounded = exact.quantize(
            digits, ROUND_FLOOR if exact < Decimal(threshold) else ROUND_CEILING
        )
    return f"{rounded:,}{unit if unit == '%' else ' ' + unit}"
