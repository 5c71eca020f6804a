"""`jzedu status`: who has handed in what, what was returned, when was the last publication."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from flows.terminal.scorecard import say_made_up
from transforms.china import CHINA
from transforms.forms import FORMS
from transforms.names import SENTENCE, shown
from warehouse.publication.reader import Issue, in_focus, open_publication
from warehouse.publication.reader.ageing import approvals, has_lives, open_since
from warehouse.publication.reader.reporting import FormState, form_states, orphans_of

if TYPE_CHECKING:  # what checks a file takes long to import
    from flows.terminal.check import Language

_STATES = {
    "accepted": ("✓", "green"),
    "accepted_with_warnings": ("!", "yellow"),
    "returned": ("✗", "red"),
    "missing": ("·", "dim"),
    "not_open": ("○", "dim"),
    "not_expected": (" ", "dim"),
}

#: After so many days a finding has been open for long.
LONG = 30


#: What stands around the names, by language.
_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "accepted": "{count} accepted",
        "accepted_with_warnings": "{count} accepted with warnings",
        "returned": "{count} returned",
        "missing": "{count} missing",
        "not_open": "{count} not open",
        "opens": "{year}: {form} opens on {day}",
        "approved": "{year}: {done} of {in_force} forms in force are approved",
        "open_long": "{findings} findings have been open for more than {long} days, the oldest for {days}:"
        " jzedu status --findings",
        "late": "{forms} ({days} days late)",
        "left": "{forms} ({days} days left)",
        "and": "; ",
        "joined": ", ",
        "year": "{year}: ",
        "little": "{year}: {accepted} of {expected} forms are in force, fewer than half; "
        "the year in focus stays {focus}. ",
        "not_handed_in": "{year}: not handed in",
        "orphans": "Returned, of no form, year or unit",
        "unit": "单位",
        "legend": "[green]✓[/] accepted  [yellow]![/] with warnings  [red]✗[/] returned  "
        "[dim]·[/] missing  [dim]○[/] not open yet  (✓✗ a later version was returned)",
        "publication": "Last publication {id}, {time} UTC, {submissions} submissions in force",
    },
    "zh": {
        "accepted": "已接收 {count} 份",
        "accepted_with_warnings": "已接收有提示 {count} 份",
        "returned": "已退回 {count} 份",
        "missing": "未报 {count} 份",
        "not_open": "未到填报时间 {count} 份",
        "opens": "{year} 年：{form} {day} 起填报",
        "approved": "{year} 年：生效 {in_force} 份, 其中已审核 {done} 份",
        "open_long": "{findings} 条问题超过 {long} 天未了结, 最久的 {days} 天: jzedu status --findings",
        "late": "{forms}（已逾期 {days} 天）",
        "left": "{forms}（还有 {days} 天）",
        "and": "；",
        "joined": "，",
        "year": "{year} 年：",
        "little": "{year} 年：应报 {expected} 份，生效 {accepted} 份，不到一半；仍以 {focus} 年为主。",
        "not_handed_in": "{year} 年未报",
        "orphans": "已退回，认不出报表、年份或单位",
        "unit": "单位",
        "legend": "[green]✓[/] 已接收  [yellow]![/] 有提示  [red]✗[/] 已退回  "
        "[dim]·[/] 未报  [dim]○[/] 未到填报时间  （✓✗ 后来的版本被退回）",
        "publication": "最近一次发布 {id}，{time}（世界时），在用报送 {submissions} 份",
    },
}


class NoSuchYear(Exception):
    """Nothing came for the year that was asked for; the message says which years there are."""


def show_status(
    console: Console,
    database: Path,
    year: int | None,
    as_json: bool,
    now: datetime,
    language: Language = "en",
) -> None:
    """Print the state of reporting from the publication ``database``, for who reads ``language``.

    ``now`` (UTC) says what is late, and by how many days, and what is missing and not open yet.

    ``year`` narrows it to one year. Without it the year in focus and every later one of which
    anything came are shown as tables, the other years as counts.

    Raises:
        NoSuchYear: nothing came for ``year``.
    """
    today = now.replace(tzinfo=UTC).astimezone(CHINA).date()
    with open_publication(database) as reader:
        states, orphans = _by_calendar(form_states(reader), today), orphans_of(reader)
        issue, published_years, made_up = reader.issue, reader.years(), reader.is_made_up
        approved = {state.year: approvals(reader, state.year) for state in published_years}
        old = open_since(reader, now, LONG) if has_lives(reader) else []
    years = sorted({state.year for state in states})
    if year is not None and year not in years:
        there = ", ".join(map(str, years)) or "none: nothing has come yet"
        raise NoSuchYear(f"nothing has come for {year}; the years there are: {there}")
    if as_json:
        told = [state for state in states if year in (None, state.year)]
        _write_json(console, issue, made_up, told, today)
        return
    focus = in_focus(published_years).year if published_years else None
    words = _WORDS[language]
    _show_years(console, states, years, year, focus, words, today)
    for each, (in_force, done) in sorted(approved.items()):
        if done and year in (None, each):
            said = words["approved"].format(year=each, done=done, in_force=in_force)
            console.print(said, highlight=False)
    if old:
        findings = sum(one.findings for one in old)
        said = words["open_long"].format(findings=findings, long=LONG, days=old[0].days)
        console.print(said, highlight=False)
    if orphans:
        console.print(f"\n[bold]{words['orphans']}[/]")
        for orphan in orphans:
            said = f"  {shown(orphan.file_name)}: {shown(orphan.message_zh, SENTENCE)}"
            console.print(said, markup=False, highlight=False)
    if issue:
        console.print(
            "\n"
            + words["publication"].format(
                id=issue.publication_id,
                time=f"{issue.published_at:%Y-%m-%d %H:%M}",
                submissions=issue.submissions,
            ),
            highlight=False,
        )
        say_made_up(console, database)


def _by_calendar(states: Sequence[FormState], today: date) -> list[FormState]:
    """Return ``states``, with those that are missing and not open yet called so."""
    return [
        replace(one, state="not_open")
        if one.state == "missing" and not FORMS[one.form].deadline.is_open(one.year, today)
        else one
        for one in states
    ]


def _write_json(
    console: Console,
    issue: Issue | None,
    made_up: bool,
    states: Sequence[FormState],
    today: date,
) -> None:
    fields = ("region_code", "region_name", "form", "year", "state")
    said = {
        "publication": issue.publication_id if issue else None,
        "sample": made_up,
        "reporting": [
            {
                **{name: getattr(state, name) for name in fields},
                # None where nothing is to be done any more.
                "days_left": days_left(state.form, state.year, today)
                if state.state in ("missing", "returned")
                else None,
            }
            for state in states
        ],
    }
    console.file.write(json.dumps(said, ensure_ascii=False) + "\n")


def _show_years(
    console: Console,
    states: Sequence[FormState],
    years: Sequence[int],
    year: int | None,
    focus: int | None,
    words: Mapping[str, str],
    today: date,
) -> None:
    """Print tables of the years that are looked at first, and counts of the others."""
    told = (
        [year] if year is not None else [each for each in years if focus is None or each >= focus]
    )
    for each in told:
        of_year = [state for state in states if state.year == each]
        _table(console, of_year, each, words)
        if focus is not None and each > focus:
            _little(console, of_year, each, focus, words)
        else:
            _missing(console, of_year, each, words, today)
    if year is None:
        for each in reversed([each for each in years if each not in told]):
            counts = _counts([state for state in states if state.year == each], words)
            begin = words["year"].format(year=each)
            console.print(f"{begin}{counts}  [dim](jzedu status --year {each})[/]")


def _counts(states: Sequence[FormState], words: Mapping[str, str]) -> str:
    """Return how many forms are in each state."""
    counts = Counter(state.state for state in states)
    return words["joined"].join(
        words[state].format(count=counts[state])
        for state in ("accepted", "accepted_with_warnings", "returned", "missing", "not_open")
        if counts[state]
    )


def _little(
    console: Console,
    states: Sequence[FormState],
    year: int,
    focus: int,
    words: Mapping[str, str],
) -> None:
    """Print how little there is of a year after the one in focus."""
    expected = sum(state.state != "not_expected" for state in states)
    accepted = sum(state.state.startswith("accepted") for state in states)
    console.print(
        words["little"].format(year=year, accepted=accepted, expected=expected, focus=focus)
        + _counts(states, words),
        highlight=False,
    )


def days_left(form: str, year: int, today: date) -> int:
    """Return how many days are left to hand in a form in time, below 0 how many it is late."""
    return (FORMS[form].deadline.last_day(year) - today).days


def _missing(
    console: Console,
    states: Sequence[FormState],
    year: int,
    words: Mapping[str, str],
    today: date,
) -> None:
    """Print who has not handed in what, and how late that is."""
    missing: dict[str, dict[int, list[str]]] = {}
    for state in states:
        if state.state == "missing":
            days = days_left(state.form, year, today)
            by_days = missing.setdefault(state.region_name, {})
            by_days.setdefault(days, []).append(FORMS[state.form].zh)
    if missing:
        console.print(f"\n[bold]{words['not_handed_in'].format(year=year)}[/]")
        for name, by_days in missing.items():
            told = words["and"].join(
                words["late" if days < 0 else "left"].format(forms="、".join(forms), days=abs(days))
                for days, forms in sorted(by_days.items())
            )
            console.print(f"  {name}: {told}", highlight=False)
        console.print()
    waiting = {state.form: state.year for state in states if state.state == "not_open"}
    for form, year in waiting.items():
        opens = FORMS[form].deadline.opens_on(year)
        said = words["opens"].format(year=year, form=FORMS[form].zh, day=opens)
        console.print(said, highlight=False)


def _table(
    console: Console, states: Sequence[FormState], year: int, words: Mapping[str, str]
) -> None:
    table = Table(title=f"{year}", header_style="bold", title_style="bold")
    table.add_column(words["unit"], no_wrap=True)
    for form in FORMS.values():
        table.add_column(form.zh.removesuffix("表")[:6], justify="center")
    by_place = {(state.region_code, state.form): state for state in states}
    names = dict.fromkeys((state.region_code, state.region_name) for state in states)
    for code, name in names:
        cells = []
        for form in FORMS.values():
            one = by_place.get((code, form.name))
            mark, colour = _STATES[one.state] if one else ("", "dim")
            later = "[red]✗[/]" if one and one.later_returned and one.state != "returned" else ""
            cells.append(f"[{colour}]{mark}[/]{later}")
        table.add_row(f"{name}", *cells)
    console.print(table)
    console.print(words["legend"])
