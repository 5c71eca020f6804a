"""What a publication says, for the terminal: the scorecard, and what a backfill would change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.language import Words, language, told
from flows.terminal.wrapping import say
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
    against_text,
    figure,
)

#: So many regions are named for one turn of a verdict.
_REGIONS_NAMED = 8
#: The scorecard has room from so many columns on.
_ROOMY = 110
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


_WORDS = Words(
    made_up_title=(" · 虚构样例数据", " · made-up data"),
    made_up=(
        "[bold yellow]虚构样例数据：[/]这些数字由 jzedu sample 编造，与任何真实的地方和学校无关。",
        "[bold yellow]made-up data:[/] these figures were invented by jzedu sample "
        "and say nothing about any real place or school.",
    ),
    no_figures=("还没有数字：没有报送在用。", "No figures yet: no submission is in force."),
    little=(
        "{year} 年：应报 {expected} 份，生效 {in_force} 份，还看不出全貌"
        " [dim](jzedu status --year {year})[/]",
        "{year}: {in_force} of {expected} expected forms are in force, too few to see the whole"
        " [dim](jzedu status --year {year})[/]",
    ),
    note=("{status}, {against}", "{status}, {against}"),
    clause=("条款", "clause"),
    indicator=("指标", "indicator"),
    value=("值", "value"),
    target=("目标", "target"),
    due=("期限", "due"),
    verdict=("判定", "verdict"),
    change=("较上年", "on last year"),
    met=("达标单位", "units met"),
    covered=("报齐单位 · 已答", "reported · answered"),
    regions=("各地区 {year}", "Regions {year}"),
    region=("地区", "region"),
    year=("年度", "year"),
    no_change=("没有公布的数字会变。", "No published figure would change."),
    changes=("{count} 处变化", "{count} changes"),
    old_value=("原值", "value"),
    new_value=("新值", "new value"),
    old_verdict=("原判定", "verdict"),
    new_verdict=("新判定", "new verdict"),
    cause=("原因", "cause"),
    by_definition=("定义变化", "a changed definition"),
    turns=("{count} 个判定变化", "{count} verdicts turn"),
    count=("数", "number"),
    old_target=("原目标", "target"),
    new_target=("新目标", "new target"),
    listed=("、", ", "),
    ours=("† 本系统的解释及其依据", "† our interpretation, and its basis"),
)


def _shown(row: ScoreRow) -> tuple[str, str]:
    """Return value and target as they stand in the table."""
    value = behind(row.value, row.numerator, row.denominator, row.scale)
    limit = behind(row.threshold, row.numerator_before, row.denominator_before, row.scale)
    value_text, target = show_pair(value, limit, row.unit, measured=row.kind == "never_falls")
    sign = COMPARATORS.get(row.comparator or "", "")
    return (
        _figure(value_text, row.unit),
        "" if target == BLANK else f"{sign} {target}",
    )


def _figure(text: str, unit: str) -> str:
    """Return a figure with its unit of measure; a dash stands alone."""
    return text if text == BLANK else told(figure(text, unit))


def _status(status: str | None) -> str:
    """Return the name of a verdict."""
    if status is None:
        return BLANK
    return STATUSES[status].zh if language() == "zh" else STATUSES[status].en.lower()


def _change(row: ScoreRow) -> str:
    """Return the change on the year before in words, a dash where there is none to show."""
    now = behind(row.compared, row.compared_numerator, row.compared_denominator, row.scale)
    before = behind(row.previous_value, row.previous_numerator, row.previous_denominator, row.scale)
    if now is None or before is None or row.direction is None:
        return BLANK
    said = told(DIRECTIONS[row.direction])
    change = exact(now) - exact(before)
    return f"{said} {show_change(change, row.unit)}" if change else said


def _covered(row: ScoreRow, between: str) -> str:
    """Return the units and the answers behind the verdict, of those expected."""
    units = f"{row.reporting_units}/{row.expected_units}"
    return f"{units}{between}{row.answered:.0f}/{row.asked:.0f}" if row.asked else units


def _notes(row: ScoreRow) -> Iterator[str]:
    """Yield what has to be said beside the verdict."""
    if row.coverage_zh and row.coverage_en:
        yield told((row.coverage_zh, row.coverage_en))
    if row.against:
        against = told(against_text(row.status, row.units_judged, row.units_met))
        yield _WORDS("note", status=told(STATUSES[row.status]), against=against)


def say_made_up(console: Console, database: Path) -> None:
    """Say so where the publication ``database`` holds made-up data; nothing otherwise."""
    with open_publication(database) as reader:
        made_up = reader.is_made_up
    if made_up:
        console.print(_WORDS("made_up"), highlight=False)


def show_scorecard(console: Console, database: Path) -> None:
    """Print every clause of the region at the top in the year in focus, with what goes with it.

    Coverage, units and change stand beside the verdict; what is ours is marked † and its basis
    given below. Of regions between the top and the units the verdicts are counted.
    """
    with open_publication(database) as reader:
        years, rows = reader.years(), scores_of(reader)
        invented = _WORDS("made_up_title") if reader.is_made_up else ""
    if not rows:
        console.print(_WORDS("no_figures"))
        return
    top = [row for row in rows if row.region_code == rows[0].region_code]
    console.print(_scorecard(top, invented, narrow=console.width < _ROOMY))
    focus = in_focus(years)
    for year in years:
        if year.year > focus.year:
            console.print(
                _WORDS(
                    "little",
                    year=year.year,
                    expected=year.expected_forms,
                    in_force=year.forms_in_force,
                ),
                highlight=False,
            )
    for row in top:
        for note in _notes(row):
            say(console, f"{row.clause_id}  ", note)
    _show_regions(console, rows[len(top) :])
    bases = {
        row.clause_id: told((row.basis_zh or "", row.basis_en or row.basis_zh or ""))
        for row in top
        if row.interpretation
    }
    _show_bases(console, bases)


def _scorecard(rows: Sequence[ScoreRow], invented: str, *, narrow: bool) -> Table:
    """Return the table; in a ``narrow`` terminal figures stay whole and words give way."""
    table = Table(
        title=f"{rows[0].region_name} {rows[0].year}{invented}",
        title_style="bold",
        header_style="bold",
        padding=(0, 0) if narrow else (0, 1),
    )
    for header, justify, wraps in (
        ("clause", "left", False),
        ("indicator", "left", True),
        ("value", "right", False),
        ("target", "right", False),
        ("due", "right", False),
        ("verdict", "left", True),
        ("change", "left", True),
        ("met", "right", True),
        ("covered", "right", True),
    ):
        table.add_column(_WORDS(header), justify=justify, no_wrap=not wraps, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        value, target = _shown(row)
        colour = _COLOURS[row.status]
        table.add_row(
            f"{row.clause_id}{' †' if row.interpretation else ''}",
            told((row.name_zh, row.name_en)),
            value,
            target,
            str(row.due_year or ""),
            f"[{colour}]{_MARKS[row.status]} {_status(row.status)}[/]",
            _change(row),
            f"{row.units_met}/{row.units_judged}" if row.units_judged else "",
            _covered(row, "\n" if narrow else " · "),
        )
    return table


def _show_regions(console: Console, rows: Sequence[ScoreRow]) -> None:
    """Print the verdicts of the regions between the top and the units, counted, by name."""
    if not rows:
        return
    here = [status for status in STATUSES if any(row.status == status for row in rows)]
    title = _WORDS("regions", year=rows[0].year)
    table = Table(title=title, title_style="bold", header_style="bold")
    table.add_column(_WORDS("region"), overflow="fold")
    for status in here:
        table.add_column(f"{_MARKS[status]} {_status(status)}", justify="right", overflow="fold")
    for name in dict.fromkeys((row.region_code, row.region_name) for row in rows):
        own = [row.status for row in rows if row.region_code == name[0]]
        table.add_row(name[1], *(str(own.count(status)) for status in here))
    console.print(table)


def show_changes(console: Console, changes: Sequence[Mapping[str, Any]]) -> None:
    """Print what a backfill would change: clause, region, year, old and new value and status.

    ``changes`` have the fields of :class:`warehouse.publication.revisions.Revision`.
    """
    if not changes:
        console.print(_WORDS("no_change"))
        return
    title = _WORDS("changes", count=len(changes))
    table = Table(title=title, title_style="bold", header_style="bold")
    for header in (
        *("clause", "region", "year", "old_value", "new_value"),
        *("old_verdict", "new_verdict", "cause"),
    ):
        table.add_column(_WORDS(header), overflow="fold")
    bases: dict[str, str] = {}
    for change in (Revision(**fields) for fields in changes):
        values = show_apart([change.old_value, change.new_value], change.unit, [change.threshold])
        table.add_row(
            _clause(change),
            change.region_name,
            str(change.year),
            *(_figure(text, change.unit) for text in values),
            _status(change.old_status),
            _status(change.new_status),
            escape(names.shown(change.cause or _WORDS("by_definition"))),
        )
        if change.clause_id is not None and change.basis_zh is not None:
            bases[change.clause_id] = told((change.basis_zh, change.basis_en or change.basis_zh))
    console.print(table)
    _show_turns(console, [Revision(**fields) for fields in changes])
    _show_bases(console, bases)


def _clause(change: Revision) -> str:
    """Return number and name of the clause, marked where its figure is ours."""
    mark = " †" if change.basis_zh is not None else ""
    name = told((change.name_zh, change.name_en or change.name_zh))
    return f"{change.clause_id or ''}{mark} {name}".strip()


def _show_turns(console: Console, changes: Sequence[Revision]) -> None:
    """Print how many verdicts of which clause turn, for whom, and what is asked before and after."""
    turns: dict[tuple[str, str], list[Revision]] = {}
    for one in changes:
        if one.clause_id is not None and one.old_status != one.new_status:
            turn = f"{_status(one.old_status)} → {_status(one.new_status)}"
            turns.setdefault((_clause(one), turn), []).append(one)
    if not turns:
        return
    count = sum(map(len, turns.values()))
    title = _WORDS("turns", count=count)
    table = Table(title=title, title_style="bold", header_style="bold")
    for header in ("clause", "verdict", "count", "region", "year", "old_target", "new_target"):
        table.add_column(_WORDS(header), overflow="fold")
    for (clause, turn), alike in turns.items():
        regions = list(dict.fromkeys(one.region_name for one in alike))
        more = f" … ({len(regions)})" if len(regions) > _REGIONS_NAMED else ""
        years = sorted({one.year for one in alike})
        table.add_row(
            clause,
            turn,
            str(len(alike)),
            _WORDS("listed").join(regions[:_REGIONS_NAMED]) + more,
            str(years[0]) if len(years) == 1 else f"{years[0]}-{years[-1]}",
            _asked(alike, [one.old_threshold for one in alike]),
            _asked(alike, [one.threshold for one in alike]),
        )
    console.print(table)


def _asked(alike: Sequence[Revision], thresholds: Sequence[float | None]) -> str:
    """Return what is asked of some regions and years: one figure, or from which to which."""
    known = sorted({one for one in thresholds if one is not None})
    ends = show_apart([known[0], known[-1]], alike[0].unit, []) if known else []
    return " – ".join(dict.fromkeys(_figure(text, alike[0].unit) for text in ends)) or BLANK


def _show_bases(console: Console, bases: Mapping[str, str]) -> None:
    """Print on what basis the figures of the marked clauses are ours."""
    if bases:
        console.print(f"\n{_WORDS('ours')}", style="dim")
    for clause, basis in bases.items():
        say(console, f"  {clause}  ", basis or told(BASIS_MISSING), "dim")
