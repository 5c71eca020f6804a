"""`jzedu status`: who has handed in what, what was returned, when was the last publication."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from flows.sources.model import shown
from transforms.forms import FORMS

_STATES = {
    "accepted": ("✓", "green"),
    "accepted_with_warnings": ("!", "yellow"),
    "returned": ("✗", "red"),
    "missing": ("·", "dim"),
    "not_expected": (" ", "dim"),
}

#: For every unit, form and year the state that counts: what is in force, else what was returned.
_QUERY = """
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
FROM reporting r
JOIN region g USING (region_code)
LEFT JOIN submission s USING (region_code, form, year)
LEFT JOIN (
    SELECT region_code, form, year, received_at FROM submission
    WHERE status IN ('accepted', 'accepted_with_warnings')
) f USING (region_code, form, year)
GROUP BY ALL ORDER BY r.year, r.region_code, r.form
"""


def show_status(console: Console, database: Path, year: int | None, as_json: bool) -> None:
    """Print the state of reporting from the publication ``database``.

    ``year`` narrows it to one year; without it the latest year is shown as a table and the other
    years as counts.
    """
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = connection.execute(_QUERY).fetchall()
        last = connection.execute(
            "SELECT publication_id, published_at, submissions FROM publication "
            "ORDER BY published_at DESC LIMIT 1"
        ).fetchone()
        orphans = connection.execute(
            "SELECT s.file_name, string_agg(DISTINCT f.message_zh, ' ') FROM submission s "
            "JOIN finding f USING (submission_id) "
            "WHERE s.status = 'returned' AND (s.form IS NULL OR s.year IS NULL "
            "OR s.region_code IS NULL) GROUP BY s.file_name ORDER BY 1"
        ).fetchall()
    if as_json:
        fields = ("region_code", "region_name", "form", "year", "state")
        console.file.write(
            json.dumps(
                {
                    "publication": str(last[0]) if last else None,
                    "reporting": [dict(zip(fields, row[:5], strict=True)) for row in rows],
                },
                ensure_ascii=False,
            )
            + "\n"
        )
        return
    years = sorted({row[3] for row in rows})
    for each in [year] if year is not None else years[-1:]:
        _table(console, [row for row in rows if row[3] == each], each)
    if year is None:
        for each in reversed(years[:-1]):
            counts: dict[str, int] = {}
            for row in rows:
                if row[3] == each:
                    counts[row[4]] = counts.get(row[4], 0) + 1
            words = ", ".join(
                f"{counts[state]} {state.replace('_', ' ')}"
                for state in ("accepted", "accepted_with_warnings", "returned", "missing")
                if state in counts
            )
            console.print(f"{each}: {words}  [dim](jzedu status --year {each})[/]")
    missing: dict[str, list[str]] = {}
    latest = year if year is not None else (years[-1] if years else None)
    for _, name, form, each, state, _ in rows:
        if each == latest and state == "missing":
            missing.setdefault(name, []).append(FORMS[form].zh)
    if missing:
        console.print(f"\n[bold]{latest}: not handed in[/]")
        for name, forms in missing.items():
            console.print(f"  {name}: {'、'.join(forms)}")
    if orphans:
        console.print("\n[bold]Returned, of no form, year or unit[/]")
        for file, message in orphans:
            console.print(f"  {shown(file)}: {message}", markup=False, highlight=False)
    if last:
        console.print(
            f"\nLast publication {last[0]}, {last[1]:%Y-%m-%d %H:%M} UTC, "
            f"{last[2]} submissions in force",
            highlight=False,
        )


def _table(console: Console, rows: list[tuple[object, ...]], year: int) -> None:
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
