"""Submissions as they usually come: every unit and year in a manner of its own.

All of them must be accepted, but for the few that are given a flaw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import PurePosixPath
from random import Random
from typing import Literal

import polars as pl

from transforms.forms import FORMS, Form, Kind, packaged_forms
from transforms.sample.delivery import Flaw, SampleFile, handed_in, time_of_receipt
from transforms.sample.sheet import SampleSheet, fill_in
from transforms.sample.style import CALENDAR_FORMS, Style, draw_style
from transforms.sample.unit import Unit
from transforms.sample.workbook import delimited_bytes, workbook_bytes, zip_bytes

Packing = Literal["files", "topics", "one_workbook", "zip"]

_PACKINGS: Sequence[Packing] = ("files", "files", "files", "topics", "one_workbook", "zip")

#: Which forms a unit that sends topics puts into one workbook.
_TOPICS: Mapping[str, tuple[str, ...]] = {
    "学校与幼儿园": ("kindergarten", "school", "class"),
    "教师与职教": ("teacher", "vocational", "safety"),
    "综合": ("population", "special_group", "milestone"),
    "经费与工资": ("finance", "salary"),
}
_TWO_HALVES = {
    "教育事业统计报表": tuple(form for form in packaged_forms() if form not in CALENDAR_FORMS),
    "经费与工资": ("finance", "salary"),
}

_FLAWS: Sequence[Flaw] = ("bad_cell", "missing_column", "duplicate_row")
_FLAWED_ONE_IN = 60
_CORRECTED = 0.6

_TEXT_FILES: Sequence[tuple[str, str, str]] = (
    ("csv", "utf-8", ","),
    ("csv", "utf-8-sig", ","),
    ("csv", "gb18030", ","),
    ("tsv", "utf-8", "\t"),
)


@dataclass(frozen=True)
class _Submission:
    """One form of one unit and year before it is put into a file."""

    unit: Unit
    form: Form
    year: int
    frame: pl.DataFrame

    @property
    def received(self) -> datetime:
        return time_of_receipt(self.unit, self.form.name, self.year)

    def sheet(
        self,
        style: Style,
        draws: Random,
        *,
        without: str | None = None,
        spoilt: str | None = None,
    ) -> SampleSheet:
        day = (self.received - timedelta(days=2)).date()
        return fill_in(
            self.form,
            self.frame,
            self.unit.name,
            self.year,
            day,
            style=style,
            draws=draws,
            without=without,
            spoilt=spoilt,
        )


def usual_deliveries(
    unit: Unit, years: Sequence[int], townships: pl.DataFrame
) -> Iterator[SampleFile]:
    """Yield what ``unit`` hands in for ``years``."""
    submissions = (
        _Submission(unit, FORMS[form], year, frame)
        for (form, _, year), frame in handed_in(unit, years, townships)
    )
    for year, of_year in groupby(submissions, lambda submission: submission.year):
        yield from _year(unit, year, list(of_year))


def _year(unit: Unit, year: int, submissions: Sequence[_Submission]) -> Iterator[SampleFile]:
    draws = unit.draws("habit", year)
    names = (unit.name, unit.code, *unit.aliases)
    folder = PurePosixPath(names[year % len(names)])
    packing = draws.choice(_PACKINGS)
    sound = []
    for submission in submissions:
        flaws = unit.draws("flaw", submission.form.name, year)
        if flaws.randrange(_FLAWED_ONE_IN) == 0:
            yield from _flawed(submission, folder, flaws)
        else:
            sound.append(submission)
    if packing == "files":
        for submission in sound:
            yield _single(submission, folder)
        return
    groups = _TOPICS if packing == "topics" else _TWO_HALVES
    for name, forms in groups.items():
        group = [one for one in sound if one.form.name in forms]
        if group and packing == "zip":
            yield _zipped(name, group, folder)
        elif group:
            yield _bundled(name, group, folder)
    for submission in sound:
        if not any(submission.form.name in forms for forms in groups.values()):
            yield _single(submission, folder)


def _single(submission: _Submission, folder: PurePosixPath) -> SampleFile:
    """Return one form in a file of its own; where its title lacks the year, one other place has it."""
    form, year = submission.form, submission.year
    draws = submission.unit.draws("single", form.name, year)
    style = draw_style(form, draws)
    sheet_name = form.zh
    path = folder / str(year) / form.zh
    if style.title != "no_year" or style.year_column:
        path = folder / form.zh / f"第{year - 2000}期"
    elif draws.random() < 0.5:
        path = folder / "上报" / f"{year}年{form.zh}"
    elif draws.random() < 0.5:
        path = folder / form.zh / f"第{year - 2000}期"
        sheet_name = f"{year}年{form.zh}"
    as_text = sheet_name == form.zh and draws.random() < 0.2
    if as_text:
        ending, encoding, delimiter = draws.choice(_TEXT_FILES)
        sheet = submission.sheet(_for_text(style), draws)
        data = delimited_bytes(sheet, encoding=encoding, delimiter=delimiter)
    else:
        ending = "xlsx"
        sheets = _sheets(submission, style, sheet_name, draws)
        data = workbook_bytes(_with_company(submission, sheets, draws))
    return _delivery([submission], path.with_name(f"{path.name}.{ending}"), data)


def _sheets(submission: _Submission, style: Style, name: str, draws: Random) -> list[SampleSheet]:
    """Return the form on one sheet, or its classes on a sheet for each stage."""
    if submission.form.name != "class" or draws.random() < 0.7:
        sheet = submission.sheet(style, draws)
        sheet.name = name
        return [sheet]
    sheets = []
    for part in submission.frame.partition_by("stage", maintain_order=True):
        sheet = replace(submission, frame=part).sheet(style, draws)
        sheet.name = f"{part['stage'][0]}{name}"
        sheets.append(sheet)
    return sheets


def _with_company(
    submission: _Submission, sheets: Sequence[SampleSheet], draws: Random
) -> list[SampleSheet]:
    """Return sheets that hold no form: a cover before them, hidden notes behind them."""
    result = list(sheets)
    if draws.random() < 0.2:
        unit = f"填报单位：{submission.unit.name}"
        result.insert(0, SampleSheet("封面", [[None], [None, "教育统计报表"], [None, unit]]))
    if draws.random() < 0.15:
        result.append(
            SampleSheet("填报说明", [["请按实际情况填写。"], ["没有的项目留空。"]], hidden=True)
        )
    return result


def _for_text(style: Style) -> Style:
    """Return the style with what only a spreadsheet can hold typed instead."""
    return replace(
        style,
        times="plain" if style.times == "fraction" else style.times,
        split_header=False,
    )


def _bundled(name: str, group: Sequence[_Submission], folder: PurePosixPath) -> SampleFile:
    """Return several forms in one workbook, in the folder of their year."""
    first = group[0]
    draws = first.unit.draws("bundle", name, first.year)
    sheets = [one.sheet(draw_style(one.form, draws), draws) for one in group]
    data = workbook_bytes(_with_company(first, sheets, draws))
    return _delivery(group, folder / str(first.year) / f"{name}.xlsx", data)


def _zipped(name: str, group: Sequence[_Submission], folder: PurePosixPath) -> SampleFile:
    """Return several files in one archive, in the folder of their year."""
    first = group[0]
    draws = first.unit.draws("zip", name, first.year)
    entries = []
    for one in group:
        sheet = one.sheet(draw_style(one.form, draws), draws)
        entries.append((f"{name}/{one.form.zh}.xlsx", workbook_bytes([sheet])))
    path = folder / str(first.year) / f"{name}.zip"
    return _delivery(group, path, zip_bytes(entries))


def _flawed(submission: _Submission, folder: PurePosixPath, draws: Random) -> Iterator[SampleFile]:
    """Yield a file that must be returned and, more often than not, the one that corrects it."""
    form, year = submission.form, submission.year
    flaw = draws.choice(_FLAWS)
    style = draw_style(form, draws)
    sheet = _flawed_sheet(submission, flaw, style, draws)
    path = folder / str(year) / f"{form.zh}.xlsx"
    yield replace(_delivery([submission], path, workbook_bytes([sheet])), flaw=flaw)
    if draws.random() < _CORRECTED:
        data = workbook_bytes([submission.sheet(style, draws)])
        later = submission.received + timedelta(days=draws.randint(3, 12))
        delivery = _delivery([submission], path.with_name(f"{form.zh}（更正）.xlsx"), data)
        yield replace(delivery, received=later, corrects=path)


def _flawed_sheet(submission: _Submission, flaw: Flaw, style: Style, draws: Random) -> SampleSheet:
    form = submission.form
    if flaw == "duplicate_row":
        frame = submission.frame
        # Unlicensed kindergartens may lack a code, and what has no key is no duplicate.
        keyed = frame.drop_nulls(form.key) if form.key else frame
        twice = pl.concat([frame, keyed.head(1)])
        return replace(submission, frame=twice).sheet(style, draws)
    column = next(one for one in reversed(form.required) if one.kind is not Kind.TEXT)
    if flaw == "missing_column":
        return submission.sheet(style, draws, without=column.name)
    return submission.sheet(style, draws, spoilt=column.name)


def _delivery(group: Sequence[_Submission], path: PurePosixPath, data: bytes) -> SampleFile:
    first = group[0]
    return SampleFile(
        path=path,
        data=data,
        received=max(one.received for one in group),
        forms=tuple(one.form.name for one in group),
        region_code=first.unit.code,
        year=first.year,
    )
