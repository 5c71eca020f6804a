"""The state of reporting by unit: what is in force, how late, what is open for how long and waits for whom, who has signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transforms.texts import Text
from warehouse.publication.reader.ageing import AnswerTimes, OpenSince
from warehouse.publication.reader.pages import Publication, Region
from warehouse.report.words import word

#: So many of the quickest and of the slowest units are listed.
_QUICKEST, _SLOWEST = 25, 75


@dataclass(frozen=True, slots=True)
class UnitReporting:
    """How a unit stands with what it has to hand in for a year.

    ``late_days`` are those of its latest form, ``open_days`` how long its oldest open finding has been
    published; None where there is none.
    """

    region: Region
    year: int
    expected: int
    accepted: int
    late: int
    late_days: int | None
    lacking: int
    errors: int
    warnings: int
    open_days: int | None
    submissions: int
    signed: int
    approved: int


def unit_reporting(publication: Publication) -> list[UnitReporting]:
    """Return every unit in every year, the years in their order."""
    findings = {(one.region_code, one.year): one for one in publication.open_findings}
    signed = {(one.region_code, one.year): one for one in publication.sign_offs}
    issue = publication.issue
    now = issue.published_at if issue else None
    found = []
    for year in publication.years:
        for unit in publication.units:
            rows = [
                row
                for form in publication.forms
                if (row := publication.reported.get((unit.code, form, year))) and row.expected
            ]
            late = [row.late_days for row in rows if row.late_days]
            open_ones, sign_off = findings.get((unit.code, year)), signed.get((unit.code, year))
            since = open_ones.since if open_ones else None
            found.append(
                UnitReporting(
                    region=unit,
                    year=year,
                    expected=len(rows),
                    accepted=sum(row.accepted for row in rows),
                    late=sum(row.accepted and bool(row.late_days) for row in rows),
                    late_days=max(late, default=None),
                    lacking=sum(not row.accepted for row in rows),
                    errors=open_ones.errors if open_ones else 0,
                    warnings=open_ones.warnings if open_ones else 0,
                    open_days=(now - since).days if now and since else None,
                    submissions=sign_off.submissions if sign_off else 0,
                    signed=sign_off.signed if sign_off else 0,
                    approved=sign_off.approved if sign_off else 0,
                )
            )
    return found


def waits_for(one: OpenSince) -> Text:
    """Return on whom it depends that findings are closed."""
    if one.for_office == one.findings:
        return word("waits_for_office")
    if one.for_office:
        return word("waits_for_both", office=one.for_office, unit=one.findings - one.for_office)
    return word("waits_for_unit_error" if one.severity == "error" else "waits_for_unit")


def quickest_and_slowest(units: Sequence[AnswerTimes]) -> list[AnswerTimes]:
    """Return of many units those that answer first and last; of few all of them, in their order."""
    if len(units) <= _QUICKEST + _SLOWEST:
        return list(units)
    return [*units[:_QUICKEST], *units[-_SLOWEST:]]
