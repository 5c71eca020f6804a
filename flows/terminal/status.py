"""`jzedu status`: who has handed in what, what was returned, when was the last publication."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.language import Words, language, told
from flows.terminal.scorecard import say_made_up
from flows.terminal.wrapping import say
from transforms.china import CHINA
from transforms.forms import FORMS
from transforms.names import SENTENCE, shown
from warehouse.publication.reader import Issue, in_focus, open_publication
from warehouse.publication.reader.ageing import approvals, has_lives, open_since
from warehouse.publication.reader.reporting import FormState, form_states, orphans_of

_STATES = {
    "accepted": ("✓", "green"),
    "accepted_with_warnings": ("!", "yellow"),
    "returned": ("✗", "red"),
    "missing": ("·", "dim"),
    "not_open": ("○", "dim"),
    "not_expected": (" ", "dim"),
}

#: A table of all forms has room from so many columns on.
_ROOMY = 110
#: After so many days a finding has been open for long.
LONG = 30


#: What stands around the names.
_WORDS = Words(
    accepted=("已接收 {count} 份", "{count} accepted"),
    accepted_with_warnings=("已接收有提示 {count} 份", "{count} accepted with warnings"),
    returned=("已退回 {count} 份", "{count} returned"),
    missing=("未报 {count} 份", "{count} missing"),
    not_open=("未到填报时间 {count} 份", "{count} not open"),
    opens=("{year} 年：{form} {day} 起填报", "{year}: {form} opens on {day}"),
    approved=(
        "{year} 年：生效 {in_force} 份, 其中已审核 {done} 份",
        "{year}: {done} of {in_force} forms in force are approved",
    ),
    open_long=(
        "{findings} 条问题超过 {long} 天未了结, 最久的 {days} 天: jzedu status --findings",
        "{findings} findings have been open for more than {long} days, the oldest for {days}:"
        " jzedu status --findings",
    ),
    late=("{forms}（已逾期 {days} 天）", "{forms} ({days} days late)"),
    left=("{forms}（还有 {days} 天）", "{forms} ({days} days left)"),
    and_then=("；", "; "),
    joined=("，", ", "),
    listed=("、", ", "),
    year=("{year} 年：", "{year}: "),
    little=(
        "{year} 年：应报 {expected} 份，生效 {accepted} 份，不到一半；仍以 {focus} 年为主。",
        "{year}: {accepted} of {expected} forms are in force, fewer than half; "
        "the year in focus stays {focus}. ",
    ),
    not_handed_in=("{year} 年未报", "{year}: not handed in"),
    orphans=("已退回，认不出报表、年份或单位", "Returned, of no form, year or unit"),
    unit=("单位", "unit"),
    legend=(
        "[green]✓[/] 已接收  [yellow]![/] 有提示  [red]✗[/] 已退回  "
        "[dim]·[/] 未报  [dim]○[/] 未到填报时间  （✓✗ 后来的版本被退回）",
        "[green]✓[/] accepted  [yellow]![/] with warnings  [red]✗[/] returned  "
        "[dim]·[/] missing  [dim]○[/] not open yet  (✓✗ a later version was returned)",
    ),
    publication=(
        "最近一次发布 {id}，{time}（世界时），在用报送 {submissions} 份",
        "Last publication {id}, {time} UTC, {submissions} submissions in force",
    ),
    no_such_year=(
        "{year} 年什么也没有报来；有的年份：{there}",
        "nothing has come for {year}; the years there are: {there}",
    ),
    none_yet=("还没有", "none: nothing has come yet"),
)


class NoSuchYear(Exception):
    """Nothing came for the year that was asked for; the message says which years there are."""


def show_status(
    console: Console,
    database: Path,
    year: int | None,
    as_json: bool,
    now: datetime,
) -> None:
    """Print the state of reporting from the publication ``database``.

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
        there = _WORDS("listed").join(map(str, years)) or _WORDS("none_yet")
        raise NoSuchYear(_WORDS("no_such_year", year=year, there=there))
    if as_json:
        asked = [state for state in states if year in (None, state.year)]
        _write_json(console, issue, made_up, asked, today)
        return
    focus = in_focus(published_years).year if published_years else None
    _show_years(console, states, years, year, focus, today)
    for each, (in_force, done) in sorted(approved.items()):
        if done and year in (None, each):
            said = _WORDS("approved", year=each, done=done, in_force=in_force)
            console.print(said, highlight=False)
    if old:
        findings = sum(one.findings for one in old)
        said = _WORDS("open_long", findings=findings, long=LONG, days=old[0].days)
        console.print(said, highlight=False)
    if orphans:
        console.print(f"\n[bold]{_WORDS('orphans')}[/]")
        for orphan in orphans:
            message = told((orphan.message_zh, orphan.message_en))
            say(console, f"  {shown(orphan.file_name)}: ", shown(message, SENTENCE))
    if issue:
        console.print(
            "\n"
            + _WORDS(
                "publication",
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
    today: date,
) -> None:
    """Print tables of the years that are looked at first, and counts of the others."""
    in_full = (
        [year] if year is not None else [each for each in years if focus is None or each >= focus]
    )
    for each in in_full:
        of_year = [state for state in states if state.year == each]
        _table(console, of_year, each)
        if focus is not None and each > focus:
            _little(console, of_year, each, focus)
        else:
            _missing(console, of_year, each, today)
    if year is None:
        for each in reversed([each for each in years if each not in in_full]):
            counts = _counts([state for state in states if state.year == each])
            begin = _WORDS("year", year=each)
            console.print(f"{begin}{counts}  [dim](jzedu status --year {each})[/]")


def _form(name: str) -> str:
    return told((FORMS[name].zh, FORMS[name].en))


def _counts(states: Sequence[FormState]) -> str:
    """Return how many forms are in each state."""
    counts = Counter(state.state for state in states)
    return _WORDS("joined").join(
        _WORDS(state, count=counts[state])
        for state in ("accepted", "accepted_with_warnings", "returned", "missing", "not_open")
        if counts[state]
    )


def _little(
    console: Console,
    states: Sequence[FormState],
    year: int,
    focus: int,
) -> None:
    """Print how little there is of a year after the one in focus."""
    expected = sum(state.state != "not_expected" for state in states)
    accepted = sum(state.state.startswith("accepted") for state in states)
    console.print(
        _WORDS("little", year=year, accepted=accepted, expected=expected, focus=focus)
        + _counts(states),
        highlight=False,
    )


def days_left(form: str, year: int, today: date) -> int:
    """Return how many days are left to hand in a form in time, below 0 how many it is late."""
    return (FORMS[form].deadline.last_day(year) - today).days


def _missing(
    console: Console,
    states: Sequence[FormState],
    year: int,
    today: date,
) -> None:
    """Print who has not handed in what, and how late that is."""
    missing: dict[str, dict[int, list[str]]] = {}
    for state in states:
        if state.state == "missing":
            days = days_left(state.form, year, today)
            by_days = missing.setdefault(state.region_name, {})
            by_days.setdefault(days, []).append(_form(state.form))
    if missing:
        console.print(f"\n[bold]{_WORDS('not_handed_in', year=year)}[/]")
        for name, by_days in missing.items():
            late = _WORDS("and_then").join(
                _WORDS(
                    "late" if days < 0 else "left",
                    forms=_WORDS("listed").join(forms),
                    days=abs(days),
                )
                for days, forms in sorted(by_days.items())
            )
            say(console, f"  {name}: ", late)
        console.print()
    waiting = {state.form: state.year for state in states if state.state == "not_open"}
    for form, year in waiting.items():
        opens = FORMS[form].deadline.opens_on(year)
        said = _WORDS("opens", year=year, form=_form(form), day=opens)
        console.print(said, highlight=False)


def _table(console: Console, states: Sequence[FormState], year: int) -> None:
    # In a narrow terminal the names of the forms need the room that would be left empty beside the marks.
    room = (0, 1) if console.width >= _ROOMY else (0, 0)
    table = Table(title=f"{year}", header_style="bold", title_style="bold", padding=room)
    table.add_column(_WORDS("unit"), no_wrap=True)
    for form in FORMS.values():
        header = form.zh.removesuffix("表") if language() == "zh" else form.name.replace("_", " ")
        table.add_column(header, justify="center", overflow="fold")
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
    console.print(_WORDS("legend"))
