"""`jzedu status --findings`: what has been open for long, who answers quickly, and how that goes on."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

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


def show_findings(
    console: Console, database: Path, days: int, now: datetime, *, as_json: bool = False
) -> None:
    """Print the findings open for more than ``days`` at ``now`` (UTC), how units answer, and the trend."""
    with open_publication(database) as reader:
        if not has_lives(reader):
            console.print("This publication is of a version that did not follow findings.")
            return
        old, units, then = (
            open_since(reader, now, days),
            answering(reader, now, days),
            trend(reader, LOOKED_BACK),
        )
    if as_json:
        said = {
            "open_for_more_than_days": days,
            "open": [{**asdict(one), "since": f"{one.since:%Y-%m-%dT%H:%M:%SZ}"} for one in old],
            "units": [_told(one) for one in units],
            "publications": [
                {**asdict(one), "published_at": f"{one.published_at:%Y-%m-%dT%H:%M:%SZ}"}
                for one in then
            ],
        }
        console.file.write(json.dumps(said, ensure_ascii=False) + "\n")
        return
    total = sum(one.findings for one in old)
    console.print(f"[bold]{total} findings open for more than {days} days[/]", highlight=False)
    if old:
        table = Table(
            "days",
            "unit",
            "form",
            "year",
            "rule",
            "kind",
            "findings",
            "waits for",
            header_style="bold",
        )
        for one in old:
            form = FORMS[one.form].zh if one.form else "?"
            kind = SEVERITIES[one.severity].en.lower()
            year = str(one.year or "?")
            waits = "the office" if one.for_office else "the unit"
            cells = (str(one.days), one.region_name, form, year, one.rule_id, kind)
            table.add_row(*cells, str(one.findings), waits)
        console.print(table)
    if units:
        table = Table("unit", "open", "answered", "days until half were", header_style="bold")
        for unit in units:
            took = "" if unit.median_days is None else f"{unit.median_days:.1f}"
            table.add_row(unit.name, str(unit.open), str(unit.answered), took)
        console.print(table)
    for point in then:
        console.print(
            f"  {local_time(point.published_at)}  {point.open} open,"
            f" {point.opened} new, {point.closed} closed",
            highlight=False,
        )


def _told(unit: AnswerTimes) -> dict[str, Any]:
    """Return how a unit answers, as it stands in the JSON."""
    rest = asdict(unit)
    return {"region_name": rest.pop("name"), **rest}
