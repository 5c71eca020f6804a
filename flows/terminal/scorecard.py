"""What a publication says, for the terminal: the scorecard, and what a backfill would change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.after.artifacts import clause_label
from transforms import names
from warehouse.coverage import against_text
from warehouse.figures import BLANK, behind, exact, show_apart, show_change, show_pair
from warehouse.publication.reader import in_focus, years_of
from warehouse.publication.release import Change
from warehouse.publication.tables import is_made_up
from warehouse.report.words import COMPARATORS, STATUSES, Text, figure, word

_COLOURS = {
    "met": "green",
    "on_track": "green",
    "not_met": "red",
    "off_track": "yellow",
    "insufficient": "bright_magenta",
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
    "insufficient": "◐",
    "not_due": "…",
    "monitored": "·",
    "no_data": "?",
    "not_applicable": "–",
}

#: A row of the scorecard: a clause in a region above the units, in the year in focus. Parts of the
#: year before belong to a clause that never falls, whose threshold they are.
_QUERY = """
SELECT a.clause_id, a.name_zh, a.unit, i.scale, a.kind, a.comparator, a.due_year, a.interpretation,
    a.basis_zh, a.region_code, a.region_name, a.year, a.value, a.threshold, a.status,
    v.numerator, v.denominator,
    p.numerator AS numerator_before, p.denominator AS denominator_before,
    a.reporting_units, a.expected_units, a.asked, a.answered, a.coverage_zh, a.coverage_en,
    coalesce(a.units_judged, 0) AS units_judged, coalesce(a.units_met, 0) AS units_met,
    a.against_most_units AS against,
    y.numerator AS compared_numerator, y.denominator AS compared_denominator, y.value AS compared,
    y.previous_numerator, y.previous_denominator, y.previous_value, y.direction
FROM attainment_latest a
JOIN indicator i USING (indicator_id)
JOIN region r ON r.region_code = a.region_code
LEFT JOIN indicator_value v ON (v.indicator_id, v.region_code, v.year)
    = (a.indicator_id, a.region_code, a.year)
LEFT JOIN indicator_value p ON a.kind = 'never_falls'
    AND (p.indicator_id, p.region_code, p.year) = (a.indicator_id, a.region_code, a.year - 1)
LEFT JOIN year_on_year y ON (y.clause_id, y.region_code, y.year)
    = (a.clause_id, a.region_code, a.year)
WHERE a.level <> 'reporting_unit'
ORDER BY r.parent_code IN (SELECT region_code FROM region) IS TRUE, a.region_code, a.plan_order
"""


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of ``_QUERY``."""

    clause_id: str
    name_zh: str
    unit: str
    scale: int
    kind: str
    comparator: str | None
    due_year: int | None
    interpretation: bool
    basis_zh: str | None
    region_code: str
    region_name: str
    year: int
    value: float | None
    threshold: float | None
    status: str
    numerator: Decimal | None
    denominator: Decimal | None
    numerator_before: Decimal | None
    denominator_before: Decimal | None
    reporting_units: int
    expected_units: int
    asked: int | None
    answered: int | None
    coverage_zh: str | None
    coverage_en: str | None
    units_judged: int
    units_met: int
    against: bool
    compared_numerator: Decimal | None
    compared_denominator: Decimal | None
    compared: float | None
    previous_numerator: Decimal | None
    previous_denominator: Decimal | None
    previous_value: float | None
    direction: str | None

    def shown(self) -> tuple[str, str]:
        """Return value and target as they stand in the table."""
        value = behind(self.value, self.numerator, self.denominator, self.scale)
        limit = behind(self.threshold, self.numerator_before, self.denominator_before, self.scale)
        told, target = show_pair(value, limit, self.unit, measured=self.kind == "never_falls")
        sign = COMPARATORS.get(self.comparator or "", "")
        return (
            told if told == BLANK else figure(told, self.unit).zh,
            "" if target == BLANK else f"{sign} {target}",
        )

    def change(self) -> str:
        """Return the change on the year before in words, a dash where there is none to show."""
        now = behind(self.compared, self.compared_numerator, self.compared_denominator, self.scale)
        before = behind(
            self.previous_value, self.previous_numerator, self.previous_denominator, self.scale
        )
        if now is None or before is None or self.direction is None:
            return BLANK
        said = word("same_as_before" if self.direction == "same" else self.direction).zh
        change = exact(now) - exact(before)
        return f"{said} {show_change(change, self.unit)}" if change else said

    def covered(self) -> str:
        """Return the units and the answers behind the verdict, of those expected."""
        units = f"{self.reporting_units}/{self.expected_units}"
        return f"{units} · {self.answered:.0f}/{self.asked:.0f}" if self.asked else units

    def notes(self) -> Iterator[Text]:
        """Yield what has to be said beside the verdict, in both languages."""
        if self.coverage_zh and self.coverage_en:
            yield Text(self.coverage_zh, self.coverage_en)
        if self.against:
            status = STATUSES[self.status]
            told = against_text(self.status, self.units_judged, self.units_met)
            yield Text(f"{status.zh}, {told.zh}", f"{status.en}, {told.en}")


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
    """Print every clause of the region at the top in the year in focus, with what goes with it.

    Coverage, units and change stand beside the verdict; what is ours is marked † and its basis
    given below. Of regions between the top and the units the verdicts are counted.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        years = years_of(connection)
        rows = [_Row(*row) for row in connection.execute(_QUERY).fetchall()]
        invented = " · 虚构样例数据 made-up data" if is_made_up(connection) else ""
    if not rows:
        console.print("No figures yet: no submission is in force.")
        return
    top = [row for row in rows if row.region_code == rows[0].region_code]
    console.print(_scorecard(top, invented))
    focus = in_focus(years)
    for year in years:
        if year.year > focus.year:
            console.print(
                f"{year.year}: {year.forms_in_force} of {year.expected_forms} expected forms are in "
                f"force, too few to see the whole [dim](jzedu status --year {year.year})[/]",
                highlight=False,
            )
    for row in top:
        for note in row.notes():
            console.print(f"{row.clause_id}  {note.zh} / {note.en}", highlight=False, markup=False)
    _show_regions(console, rows[len(top) :])
    _show_bases(console, {row.clause_id: row.basis_zh or "" for row in top if row.interpretation})


def _scorecard(rows: Sequence[_Row], invented: str) -> Table:
    table = Table(
        title=f"{rows[0].region_name} {rows[0].year}{invented}",
        title_style="bold",
        header_style="bold",
    )
    for header, justify, wraps in (
        ("条款", "left", False),
        ("指标", "left", True),
        ("值", "right", False),
        ("目标", "right", False),
        ("期限", "right", False),
        ("判定", "left", False),
        ("较上年", "left", True),
        ("达标单位", "right", False),
        ("报齐单位 · 已答", "right", False),
    ):
        table.add_column(header, justify=justify, no_wrap=not wraps)  # type: ignore[arg-type]
    for row in rows:
        value, target = row.shown()
        colour = _COLOURS[row.status]
        table.add_row(
            f"{row.clause_id}{' †' if row.interpretation else ''}",
            row.name_zh,
            value,
            target,
            str(row.due_year or ""),
            f"[{colour}]{_MARKS[row.status]} {row.status}[/]",
            row.change(),
            f"{row.units_met}/{row.units_judged}" if row.units_judged else "",
            row.covered(),
        )
    return table


def _show_regions(console: Console, rows: Sequence[_Row]) -> None:
    """Print the verdicts of the regions between the top and the units, counted, by name."""
    if not rows:
        return
    told = [status for status in STATUSES if any(row.status == status for row in rows)]
    table = Table(title=f"各地区 regions {rows[0].year}", title_style="bold", header_style="bold")
    table.add_column("地区", no_wrap=True)
    for status in told:
        table.add_column(f"{_MARKS[status]} {status}", justify="right")
    for name in dict.fromkeys((row.region_code, row.region_name) for row in rows):
        own = [row.status for row in rows if row.region_code == name[0]]
        table.add_row(name[1], *(str(own.count(status)) for status in told))
    console.print(table)


def show_changes(console: Console, changes: Sequence[Mapping[str, Any]]) -> None:
    """Print what a backfill would change: clause, region, year, old and new value and status.

    ``changes`` have the fields of :class:`warehouse.publication.release.Change`.
    """
    if not changes:
        console.print("No published figure would change.")
        return
    table = Table(title=f"{len(changes)} changes", title_style="bold", header_style="bold")
    for header in ("条款", "地区", "年度", "原值", "新值", "原判定", "新判定", "原因"):
        table.add_column(header)
    bases: dict[str, str] = {}
    for change in (Change(**fields) for fields in changes):
        values = show_apart([change.old_value, change.new_value], change.unit, [change.threshold])
        table.add_row(
            clause_label(change),
            change.region_name,
            str(change.year),
            *(text if text == BLANK else figure(text, change.unit).zh for text in values),
            change.old_status or BLANK,
            change.new_status or BLANK,
            escape(names.shown(change.cause or "定义(规划、程序)变化")),
        )
        if change.clause_id is not None and change.basis_zh is not None:
            bases[change.clause_id] = change.basis_zh
    console.print(table)
    _show_bases(console, bases)


def _show_bases(console: Console, bases: Mapping[str, str]) -> None:
    """Print on what basis the figures of the marked clauses are ours."""
    if bases:
        console.print("\n† 本系统的解释及其依据 our interpretation, and its basis", style="dim")
    for clause, basis in bases.items():
        console.print(
            f"  {clause}  {basis or word('basis_missing').zh}",
            style="dim",
            highlight=False,
            markup=False,
        )
