"""What a publication says, for the terminal: the scorecard, and what a backfill would change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.after.artifacts import clause_label
from transforms import names
from warehouse.figures import BLANK, behind, exact, show_apart, show_change, show_pair
from warehouse.publication.reader import in_focus, open_publication
from warehouse.publication.reader.scorecard import ScoreRow, scores_of
from warehouse.publication.revisions import Revision
from warehouse.wording import (
    BASIS_MISSING,
    COMPARATORS,
    DIRECTIONS,
    STATUSES,
    Text,
    against_text,
    figure,
)

#: So many regions are named for one turn of a verdict.
_REGIONS_NAMED = 8
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


def _shown(row: ScoreRow) -> tuple[str, str]:
    """Return value and target as they stand in the table."""
    value = behind(row.value, row.numerator, row.denominator, row.scale)
    limit = behind(row.threshold, row.numerator_before, row.denominator_before, row.scale)
    told, target = show_pair(value, limit, row.unit, measured=row.kind == "never_falls")
    sign = COMPARATORS.get(row.comparator or "", "")
    return (
        told if told == BLANK else figure(told, row.unit).zh,
        "" if target == BLANK else f"{sign} {target}",
    )


def _change(row: ScoreRow) -> str:
    """Return the change on the year before in words, a dash where there is none to show."""
    now = behind(row.compared, row.compared_numerator, row.compared_denominator, row.scale)
    before = behind(row.previous_value, row.previous_numerator, row.previous_denominator, row.scale)
    if now is None or before is None or row.direction is None:
        return BLANK
    said = DIRECTIONS[row.direction].zh
    change = exact(now) - exact(before)
    return f"{said} {show_change(change, row.unit)}" if change else said


def _covered(row: ScoreRow) -> str:
    """Return the units and the answers behind the verdict, of those expected."""
    units = f"{row.reporting_units}/{row.expected_units}"
    return f"{units} · {row.answered:.0f}/{row.asked:.0f}" if row.asked else units


def _notes(row: ScoreRow) -> Iterator[Text]:
    """Yield what has to be said beside the verdict, in both languages."""
    if row.coverage_zh and row.coverage_en:
        yield Text(row.coverage_zh, row.coverage_en)
    if row.against:
        status = STATUSES[row.status]
        told = against_text(row.status, row.units_judged, row.units_met)
        yield Text(f"{status.zh}, {told.zh}", f"{status.en}, {told.en}")


def say_made_up(console: Console, database: Path) -> None:
    """Say so where the publication ``database`` holds made-up data; nothing otherwise."""
    with open_publication(database) as reader:
        made_up = reader.is_made_up
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
    with open_publication(database) as reader:
        years, rows = reader.years(), scores_of(reader)
        invented = " · 虚构样例数据 made-up data" if reader.is_made_up else ""
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
        for note in _notes(row):
            console.print(f"{row.clause_id}  {note.zh} / {note.en}", highlight=False, markup=False)
    _show_regions(console, rows[len(top) :])
    _show_bases(console, {row.clause_id: row.basis_zh or "" for row in top if row.interpretation})


def _scorecard(rows: Sequence[ScoreRow], invented: str) -> Table:
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
        value, target = _shown(row)
        colour = _COLOURS[row.status]
        table.add_row(
            f"{row.clause_id}{' †' if row.interpretation else ''}",
            row.name_zh,
            value,
            target,
            str(row.due_year or ""),
            f"[{colour}]{_MARKS[row.status]} {row.status}[/]",
            _change(row),
            f"{row.units_met}/{row.units_judged}" if row.units_judged else "",
            _covered(row),
        )
    return table


def _show_regions(console: Console, rows: Sequence[ScoreRow]) -> None:
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

    ``changes`` have the fields of :class:`warehouse.publication.revisions.Revision`.
    """
    if not changes:
        console.print("No published figure would change.")
        return
    table = Table(title=f"{len(changes)} changes", title_style="bold", header_style="bold")
    for header in ("条款", "地区", "年度", "原值", "新值", "原判定", "新判定", "原因"):
        table.add_column(header)
    bases: dict[str, str] = {}
    for change in (Revision(**fields) for fields in changes):
        values = show_apart([change.old_value, change.new_value], change.unit, [change.threshold])
        table.add_row(
            clause_label(change),
            change.region_name,
            str(change.year),
            *(text if text == BLANK else figure(text, change.unit).zh for text in values),
            change.old_status or BLANK,
            change.new_status or BLANK,
            escape(names.shown(change.cause or "定义(目标、程序)变化")),
        )
        if change.clause_id is not None and change.basis_zh is not None:
            bases[change.clause_id] = change.basis_zh
    console.print(table)
    _show_turns(console, [Revision(**fields) for fields in changes])
    _show_bases(console, bases)


def _show_turns(console: Console, changes: Sequence[Revision]) -> None:
    """Print how many verdicts of which clause turn, for whom, and what is asked before and after."""
    turns: dict[tuple[str, str], list[Revision]] = {}
    for one in changes:
        if one.clause_id is not None and one.old_status != one.new_status:
            turn = f"{one.old_status or BLANK} → {one.new_status or BLANK}"
            turns.setdefault((clause_label(one), turn), []).append(one)
    if not turns:
        return
    count = sum(map(len, turns.values()))
    table = Table(
        title=f"{count} 个判定变化 verdicts turn", title_style="bold", header_style="bold"
    )
    for header in ("条款", "判定", "数", "地区", "年度", "原目标", "新目标"):
        table.add_column(header, overflow="fold")
    for (clause, turn), alike in turns.items():
        regions = list(dict.fromkeys(one.region_name for one in alike))
        more = f" … ({len(regions)})" if len(regions) > _REGIONS_NAMED else ""
        years = sorted({one.year for one in alike})
        table.add_row(
            clause,
            turn,
            str(len(alike)),
            "、".join(regions[:_REGIONS_NAMED]) + more,
            str(years[0]) if len(years) == 1 else f"{years[0]}-{years[-1]}",
            _asked(alike, [one.old_threshold for one in alike]),
            _asked(alike, [one.threshold for one in alike]),
        )
    console.print(table)


def _asked(alike: Sequence[Revision], thresholds: Sequence[float | None]) -> str:
    """Return what is asked of some regions and years: one figure, or from which to which."""
    known = sorted({one for one in thresholds if one is not None})
    ends = show_apart([known[0], known[-1]], alike[0].unit, []) if known else []
    return " – ".join(dict.fromkeys(figure(text, alike[0].unit).zh for text in ends)) or BLANK


def _show_bases(console: Console, bases: Mapping[str, str]) -> None:
    """Print on what basis the figures of the marked clauses are ours."""
    if bases:
        console.print("\n† 本系统的解释及其依据 our interpretation, and its basis", style="dim")
    for clause, basis in bases.items():
        console.print(
            f"  {clause}  {basis or BASIS_MISSING.zh}",
            style="dim",
            highlight=False,
            markup=False,
        )
