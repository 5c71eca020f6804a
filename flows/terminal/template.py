"""`jzedu template --unit --year`: workbooks that begin with what is known of a unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import polars as pl

from expectations.definitions import Definitions
from expectations.questions import asked_items
from flows.settings import Settings
from transforms.forms import Form
from transforms.workbooks.known_templates import Known, write_known_template
from warehouse.ledger.last_year import rows_in_force
from warehouse.ledger.store import open_warehouse
from warehouse.place import is_there
from warehouse.reference import Reference


def write_known_templates(
    settings: Settings,
    defined: Definitions,
    out: Path,
    forms: Sequence[Form],
    unit: str,
    year: int,
) -> Iterator[Path]:
    """Write the workbooks of ``forms`` for ``unit`` (a code) and ``year`` to ``out``; yield each.

    ``defined`` are the home's definitions, which are in use.

    Where there is no warehouse yet, nothing is known of last year.

    Raises:
        WarehouseLocked: a run writes to the warehouse.
        WarehouseOutdated: it is another version's.
    """
    reference = defined.reference
    names = dict(reference.units.select("region_code", "region_name").iter_rows())
    kinds = dict(reference.units.select("region_code", "kind").iter_rows())
    items = [
        item.names[0]
        for item in asked_items(defined.plan, defined.catalogue)
        if not item.reporters or kinds[unit] in item.reporters
    ]
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        connection = None
        if is_there(settings.place):
            warehouse = open_warehouse(settings.place, reference, read_only=True)
            connection = stack.enter_context(warehouse)
        for form in forms:
            rows = rows_in_force(connection, form, unit, year - 1) if connection else []
            known = Known(
                unit=(unit, names[unit]),
                year=year,
                rows=rows,
                townships=_townships(reference, unit, year),
                items=items,
            )
            file = out / f"{form.zh}.xlsx"
            write_known_template(file, form, known)
            yield file


def _townships(reference: Reference, unit: str, year: int) -> list[str]:
    """Return the unit's townships of ``year``, in the order of their codes."""
    listed = reference.townships.filter(
        pl.col("county_code").cast(pl.String) == unit,
        pl.col("valid_from_year").fill_null(year) <= year,
        pl.col("valid_to_year").fill_null(year) >= year,
    )
    return listed.sort("township_code")["township_name"].to_list()
