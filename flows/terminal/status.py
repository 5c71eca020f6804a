"""`jzedu status`: who has handed in what, what was returned, when was the last publication."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.terminal.scorecard import say_made_up
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
    "not_expected": (" ", "dim"),
}

#: After so many days a finding has been open for long.
LONG = 30


class NoSuchYear(Exception):
    """Nothing came for the year that was asked for; the message says which years there are."""


def show_status(
    console: Console, database: Path, year: int | None, as_json: bool, now: datetime
) -> None:
    """Print the state of reporting from the publication ``database``, with the days left or late at ``now`` (UTC).

    ``year`` narrows it to one year. Without it the year in focus and every later one of which
    anything came are shown as tables, the other years as counts.

    Raises:
        NoSuchYear: nothing came for ``year``.
    """
    with open_publication(database) as reader:
        states, orphans = form_states(reader), orphans_of(reader)
        issue, published_years, made_up = reader.issue, reader.years(), reader.is_made_up
        approved = {state.year: approvals(reader, state.year) for state in published_years}
        old = open_since(reader, now, LONG) if has_lives(reader) else []
    today = now.replace(tzinfo=UTC).astimezone(CHINA).date()
    years = sorted({state.year for state in states})
    if year is not None and year not in years:
        there = ", ".join(map(str, years)) or "none: nothing has come yet"
        raise NoSuchYear(f"nothing has come for {year}; the years there are: {there}")
    if as_json:
        told = [state for state in states if year in (None, state.year)]
        _write_json(console, issue, made_up, told, today)
        return
    focus = in_focus(published_years).year if published_years else None
    _show_years(console, states, years, year, focus, today)
    for each, (in_force, done) in sorted(approved.items()):
        if done and year in (None, each):
            console.print(
                f"{each}: {done} of {in_force} forms in force are approved", highlight=False
            )
    if old:
        console.print(
            f"{sum(one.findings for one in old)} findings have been open for more than {LONG} days,"
            f" the oldest for {old[0].days}: jzedu status --findings",
            highlight=False,
        )
    if orphans:
        console.print("\n[bold]Returned, of no form, year or unit[/]")
        for orphan in orphans:
            said = f"  {shown(orphan.file_name)}: {shown(orphan.message_zh, SENTENCE)}"
            console.print(said, markup=False, highlight=False)
    if issue:
        console.print(
            f"\nLast publication {issue.publication_id}, {issue.published_at:%Y-%m-%d %H:%M} UTC, "
            f"{issue.submissions} submissions in force",
            highlight=False,
        )
        say_made_up(console, database)


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
    told = (
        [year] if year is not None else [each for each in years if focus is None or each >= focus]
    )
    for each in told:
        of_year = [state for state in states if state.year == each]
        _table(console, of_year, each)
        if focus is not None and each > focus:
            _little(console, of_year, each, focus)
        else:
            _missing(console, of_year, each, today)
    if year is None:
        for each in reversed([each for each in years if each not in told]):
            words = _counts([state for state in states if state.year == each])
            console.print(f"{each}: {words}  [dim](jzedu status --year {each})[/]")


def _counts(states: Sequence[FormState]) -> str:
    """Return how many forms are in each state."""
    counts = Counter(state.state for state in states)
    return ", ".join(
        f"{counts[state]} {state.replace('_', ' ')}"
        for state in ("accepted", "accepted_with_warnings", "returned", "missing")
        if counts[state]
    )


def _little(console: Console, states: Sequence[FormState], year: int, focus: int) -> None:
    """Print how little there is of a year after the one in focus."""
    expected = sum(state.state != "not_expected" for state in states)
    accepted = sum(state.state.startswith("accepted") for state in states)
    console.print(
        f"{year}: {accepted} of {expected} forms are in force, fewer than half; "
        f"the year in focus stays {focus}. {_counts(states)}",
        highlight=False,
    )


def days_left(form: str, year: int, today: date) -> int:
    """Return how many days are left to hand in a form in time, below 0 how many it is late."""
    return (FORMS[form].deadline.last_day(year) - today).days


def _missing(console: Console, states: Sequence[FormState], year: int, today: date) -> None:
    """Print who has not handed in what, and how late that is."""
    missing: dict[str, dict[int, list[str]]] = {}
    for state in states:
        if state.state == "missing":
            days = days_left(state.form, year, today)
            by_days = missing.setdefault(state.region_name, {})
            by_days.setdefault(days, []).append(FORMS[state.form].zh)
    if missing:
        console.print(f"\n[bold]{year}: not handed in[/]")
        for name, by_days in missing.items():
            told = "; ".join(
                f"{'、'.join(forms)} ({_when(days)})" for days, forms in sorted(by_days.items())
            )
            console.print(f"  {name}: {told}", highlight=False)
        console.print()


def _when(days: int) -> str:
    if days >= 0:
        return f"{days} days left"
    return f"{-days} days late"


def _table(console: Console, states: Sequence[FormState], year: int) -> None:
    table = Table(title=f"{year}", header_style="bold", title_style="bold")
    table.add_column("单位", no_wrap=True)
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
    console.print(
        "[green]✓[/] accepted  [yellow]![/] with warnings  [red]✗[/] returned  "
        "[dim]·[/] missing  (✓✗ a later version was returned)"
    )
