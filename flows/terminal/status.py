"""`jzedu status`: who has handed in what, what was returned, when was the last publication."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from flows.terminal.scorecard import say_made_up
from transforms.forms import FORMS
from transforms.names import SENTENCE, shown
from warehouse.publication.tables import is_made_up

_STATES = {
    "accepted": ("✓", "green"),
    "accepted_with_warnings": ("!", "yellow"),
    "returned": ("✗", "red"),
    "missing": ("·", "dim"),
    "not_expected": (" ", "dim"),
}

#: For every unit, form and year the state that counts: what is in force, else what was returned.
#: A year of which nothing is in force yet, but something came, expects what the last year did.
_QUERY = """
WITH due AS (
    SELECT region_code, form, year, expected FROM reporting
    UNION ALL
    SELECT r.region_code, r.form, y.year, r.expected
    FROM reporting r JOIN (SELECT max(year) AS year FROM reporting) USING (year)
    CROSS JOIN (
        SELECT DISTINCT s.year FROM submission s JOIN region USING (region_code)
        WHERE s.form IS NOT NULL AND s.year NOT IN (SELECT year FROM reporting)
    ) y
    UNION ALL
    -- Nothing was ever in force: all that is known of is what came back.
    SELECT DISTINCT region_code, form, year, 1 FROM submission JOIN region USING (region_code)
    WHERE form IS NOT NULL AND year IS NOT NULL AND NOT EXISTS (FROM reporting)
)
SELECT r.region_code, g.region_name, r.form, r.year,
    CASE
        WHEN bool_or(s.status = 'accepted_with_warnings') THEN 'accepted_with_warnings'
        WHEN bool_or(s.status = 'accepted') THEN 'accepted'
        WHEN bool_or(s.status = 'returned') THEN 'returned'
        WHEN any_value(r.expected) = 1 THEN 'missing'
        ELSE 'not_expected'
    END AS state,
    bool_or(s.status = 'returned' AND s.received_at > coalesce(f.received_at, s.received_at))
        AS later_returned
FROM due r
JOIN region g USING (region_code)
LEFT JOIN submission s USING (region_code, form, year)
LEFT JOIN (
    SELECT region_code, form, year, received_at FROM submission
    WHERE status IN ('accepted', 'accepted_with_warnings')
) f USING (region_code, form, year)
GROUP BY ALL ORDER BY r.year, r.region_code, r.form
"""


class NoSuchYear(Exception):
    """Nothing came for the year that was asked for; the message says which years there are."""


def show_status(console: Console, database: Path, year: int | None, as_json: bool) -> None:
    """Print the state of reporting from the publication ``database``.

    ``year`` narrows it to one year. Without it the year in focus and every later one of which
    anything came are shown as tables, the other years as counts.

    Raises:
        NoSuchYear: nothing came for ``year``.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = connection.execute(_QUERY).fetchall()
        last = connection.execute(
            "SELECT publication_id, published_at, submissions FROM publication "
            "ORDER BY publication_id DESC LIMIT 1"
        ).fetchone()
        focus = connection.execute("SELECT max(year) FROM attainment_latest").fetchone()
        made_up = is_made_up(connection)
        orphans = connection.execute(
            "SELECT s.file_name, string_agg(DISTINCT f.message_zh, ' ') FROM submission s "
            "JOIN finding f USING (submission_id) "
            "WHERE s.status = 'returned' AND (s.form IS NULL OR s.year IS NULL "
            "OR s.region_code IS NULL) GROUP BY s.file_name ORDER BY 1"
        ).fetchall()
    years = sorted({row[3] for row in rows})
    if year is not None and year not in years:
        there = ", ".join(map(str, years)) or "none: nothing has come yet"
        raise NoSuchYear(f"nothing has come for {year}; the years there are: {there}")
    if as_json:
        fields = ("region_code", "region_name", "form", "year", "state")
        console.file.write(
            json.dumps(
                {
                    "publication": str(last[0]) if last else None,
                    "sample": made_up,
                    "reporting": [
                        dict(zip(fields, row[:5], strict=True))
                        for row in rows
                        if year in (None, row[3])
                    ],
                },
                ensure_ascii=False,
            )
            + "\n"
        )
        return
    in_focus = focus[0] if focus and focus[0] is not None else None
    told = [each for each in years if in_focus is None or each >= in_focus]
    if year is not None:
        told = [year]
    for each in told:
        of_year = [row for row in rows if row[3] == each]
        _table(console, of_year, each)
        if in_focus is not None and each > in_focus:
            _little(console, of_year, each, in_focus)
        else:
            _missing(console, of_year, each)
    if year is None:
        for each in reversed([each for each in years if each not in told]):
            words = _counts([row for row in rows if row[3] == each])
            console.print(f"{each}: {words}  [dim](jzedu status --year {each})[/]")
    if orphans:
        console.print("\n[bold]Returned, of no form, year or unit[/]")
        for file, message in orphans:
            console.print(
                f"  {shown(file)}: {shown(message, SENTENCE)}", markup=False, highlight=False
            )
    if last:
        console.print(
            f"\nLast publication {last[0]}, {last[1]:%Y-%m-%d %H:%M} UTC, "
            f"{last[2]} submissions in force",
            highlight=False,
        )
        say_made_up(console, database)


def _counts(rows: list[tuple[Any, ...]]) -> str:
    """Return how many forms are in each state."""
    counts = Counter(row[4] for row in rows)
    return ", ".join(
        f"{counts[state]} {state.replace('_', ' ')}"
        for state in ("accepted", "accepted_with_warnings", "returned", "missing")
        if counts[state]
    )


def _little(console: Console, rows: list[tuple[Any, ...]], year: int, in_focus: int) -> None:
    """Print how little there is of a year after the one in focus."""
    expected = sum(row[4] != "not_expected" for row in rows)
    accepted = sum(row[4].startswith("accepted") for row in rows)
    console.print(
        f"{year}: {accepted} of {expected} forms are in force, fewer than half; "
        f"the year in focus stays {in_focus}. {_counts(rows)}",
        highlight=False,
    )


def _missing(console: Console, rows: list[tuple[Any, ...]], year: int) -> None:
    """Print who has not handed in what."""
    missing: dict[str, list[str]] = {}
    for _, name, form, _, state, _ in rows:
        if state == "missing":
            missing.setdefault(name, []).append(FORMS[form].zh)
    if missing:
        console.print(f"\n[bold]{year}: not handed in[/]")
        for name, forms in missing.items():
            console.print(f"  {name}: {'、'.join(forms)}")
        console.print()


def _table(console: Console, rows: list[tuple[Any, ...]], year: int) -> None:
    table = Table(title=f"{year}", header_style="bold", title_style="bold")
    table.add_column("单位", no_wrap=True)
    for form in FORMS.values():
        table.add_column(form.zh.removesuffix("表")[:6], justify="center")
    names = dict.fromkeys((str(row[0]), str(row[1])) for row in rows)
    for code, name in names:
        cells = []
        for form in FORMS.values():
            row = next((r for r in rows if r[0] == code and r[2] == form.name), None)
            mark, colour = _STATES[str(row[4])] if row else ("", "dim")
            later = "[red]✗[/]" if row and row[5] and row[4] != "returned" else ""
            cells.append(f"[{colour}]{mark}[/]{later}")
        table.add_row(f"{name}", *cells)
    console.print(table)
    console.print(
        "[green]✓[/] accepted  [yellow]![/] with warnings  [red]✗[/] returned  "
        "[dim]·[/] missing  (✓✗ a later version was returned)"
    )
