"""The made-up submissions as files in an inbox, with plausible times of receipt."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Literal

import polars as pl

from transforms.forms import FORMS
from transforms.sample.city import units_of
from transforms.sample.delivery import SampleFile, handed_in, time_of_receipt
from transforms.sample.sheet import fill_in
from transforms.sample.unit import Unit
from transforms.sample.usual import usual_deliveries
from transforms.sample.workbook import workbook_bytes

Mess = Literal["none", "usual"]


def write_sample(
    out: Path,
    years: Sequence[int],
    regions: pl.DataFrame,
    townships: pl.DataFrame,
    *,
    mess: Mess = "none",
    seed: int = 1,
    scale: int = 1,
    expected: pl.DataFrame | None = None,
    on_file: Callable[[Path], None] | None = None,
) -> list[Path]:
    """Write the submissions of every unit in ``regions`` below ``out`` and return their paths.

    The arguments are those of :func:`make_city`; ``mess`` is ``none`` for tidy sheets or ``usual``
    for what units really send; ``expected`` is as in :func:`units_of`. Times of receipt become the files' modification times. ``on_file``
    is told of each file that is complete. Raises OSError where ``out`` cannot be written.
    """
    paths = []
    for delivery in deliveries(
        years, regions, townships, mess=mess, seed=seed, scale=scale, expected=expected
    ):
        path = out / delivery.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(delivery.data)
        at = int(delivery.received.timestamp())
        os.utime(path, (at, at))
        paths.append(path)
        if on_file is not None:
            on_file(path)
    return paths


def deliveries(
    years: Sequence[int],
    regions: pl.DataFrame,
    townships: pl.DataFrame,
    *,
    mess: Mess = "none",
    seed: int = 1,
    scale: int = 1,
    expected: pl.DataFrame | None = None,
) -> Iterator[SampleFile]:
    """Yield what :func:`write_sample` writes, with what each file holds and whether it is flawed.

    One unit and year after the other, so that memory does not grow with their number.
    """
    of_unit = _tidy if mess == "none" else usual_deliveries
    for unit in units_of(regions, seed=seed, scale=scale, expected=expected):
        yield from of_unit(unit, years, townships)


def _tidy(unit: Unit, years: Sequence[int], townships: pl.DataFrame) -> Iterator[SampleFile]:
    for (form_name, _, year), frame in handed_in(unit, years, townships):
        form = FORMS[form_name]
        received = time_of_receipt(unit, form_name, year)
        day = (received - timedelta(days=2)).date()
        yield SampleFile(
            path=PurePosixPath(unit.name, str(year), f"{form.zh}.xlsx"),
            data=workbook_bytes([fill_in(form, frame, unit.name, year, day)]),
            received=received,
            forms=(form_name,),
            region_code=unit.code,
            year=year,
        )
