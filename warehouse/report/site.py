"""The pages of the report: which there are, and what each one shows.

A page is a template and the few facts that it needs, put together here. All links are relative and
all pages lie in one folder, so the folder can be copied, mailed or opened from a disk.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from markupsafe import Markup

from transforms.texts import Text
from warehouse.figures import local_time
from warehouse.publication.public.counts import FEWEST, MOST
from warehouse.publication.reader import Reader
from warehouse.publication.reader.over_time import merged_units
from warehouse.publication.reader.pages import (
    DOUBTS_LISTED,
    REVISIONS_LISTED,
    SHORTFALLS_PER_CLAUSE,
    SHORTFALLS_PER_UNIT,
    FindingSum,
    Outlook,
    Publication,
    PublishedClause,
    Region,
    Reporting,
    read_boundaries,
    read_publication,
    shortfall_rows,
    slug,
)
from warehouse.publication.reader.public import is_public, read_hidden
from warehouse.publication.revisions import Revision
from warehouse.report import dictionary
from warehouse.report.atlas import draw_atlas
from warehouse.report.brief import brief_of
from warehouse.report.charts import Goal, Point, Projection, mini_chart, shared_domain, trend_chart
from warehouse.report.duties import duties_of
from warehouse.report.fields import rows_by_field, rows_of
from warehouse.report.handed_in import (
    UnitReporting,
    quickest_and_slowest,
    unit_reporting,
    waits_for,
)
from warehouse.report.headline import behind_change, headline, rank_among_peers
from warehouse.report.inputs import Inputs
from warehouse.report.over_time import OverTime, over_time
from warehouse.report.pages import Pages, environment, write_assets
from warehouse.report.places import places_of
from warehouse.report.rows import (
    DASH,
    ClauseRow,
    Move,
    clause_row,
    difference,
    finality_text,
    level_text,
    points_of,
    revised_values,
    step_text,
    target_is_fixed,
    target_text,
    value_text,
)
from warehouse.report.sheets import csv_text
from warehouse.report.shown_verdicts import ShownVerdict, ShownVerdicts
from warehouse.report.words import word
from warehouse.wording import BASIS_MISSING, STATUSES, unit_word

Told = TypeVar("Told")

_CSV_HEADER = (
    "region_code 单位代码",
    "region_name 单位",
    "year 年份",
    "institution_code 机构标识码",
    "institution_name 机构",
    "detail_zh 情况",
    "value 数值",
    "file_name 文件",
    "sheet 工作表",
    "row 行",
)


#: A map shows so many units; of more it shows the regions directly below the top.
MAP_UNITS = 200


@dataclass(frozen=True, slots=True)
class UnitSummary:
    """A unit in the table of units on the front page."""

    region: Region
    tally: dict[str, int]
    came: int
    due: int


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A revision as the page of changes shows it."""

    revision: Revision
    clause: PublishedClause
    region: Region
    old: Text
    new: Text
    move: Move


#: The page of a publication in which no submission is in force.
_NOTHING_YET = """<!doctype html>
<html lang="zh">
<head><meta charset="utf-8"><title>jzedu</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'self'">
<link rel="stylesheet" href="report.css"></head>
<body><main><h1>尚无数据</h1><p>还没有任何报送被接收, 因此没有指标可以公布。</p>
<p lang="en">No submission is in force yet, so that there is no figure to publish.</p></main></body>
</html>
"""


def write_report(
    reader: Reader,
    out: Path,
    reference: Path,
    publication: Publication | None = None,
    last: Path | None = None,
    tables: Future[list[dictionary.DictionaryTable]] | None = None,
) -> None:
    """Write the report of a publication into the folder `out`, index.html first among its pages.

    `reader` is open on a publication; `publication` is what was read of it already, `tables` those of the
    dictionary on their way (:func:`warehouse.report.dictionary.tables_ahead`). `reference` is
    a folder with counties.geojson; without that file the map page shows all units as tiles. Files
    in `out` of the same name are replaced, others are left. `last` is the folder of the report before, whose
    pages are kept where nothing in them would change. A publication without any submission
    in force has one page that says so.
    """
    out.mkdir(parents=True, exist_ok=True)
    if reader.is_empty:
        pages = Pages(environment(), out, last)
        write_assets(pages)
        pages.file("index.html", _NOTHING_YET, _NOTHING_YET.encode)
        pages.finish()
        return
    publication = publication or read_publication(reader, reference)
    with ExitStack() as stack:
        tables = tables or stack.enter_context(dictionary.tables_ahead(reader))
        _write_all(reader, publication, out, reference, last, tables)


def _write_all(
    reader: Reader,
    publication: Publication,
    out: Path,
    reference: Path,
    last: Path | None,
    tables: Future[list[dictionary.DictionaryTable]],
) -> None:
    """Write all files of a report; ``tables`` are those of the dictionary."""
    site = {**_site(publication), "public": is_public(reader)}
    pages = Pages(environment(), out, last, site)
    write_assets(pages)
    inputs, merged = Inputs(reader), over_time(merged_units(reader))
    if site["public"]:
        _write_public(pages, reader)
    _write_city(pages, publication)
    verdicts, reported = ShownVerdicts(publication), unit_reporting(publication)
    for region in (publication.city, *publication.between):
        _write_matrix(pages, publication, inputs, verdicts, region)
        _write_reporting(pages, publication, region, reported)
    _write_map(pages, publication, verdicts, reference)
    for region in (*publication.between, *publication.units):
        if not region.has_page:
            continue
        _write_unit(pages, publication, inputs, region, merged.get(region.code))
    for clause in publication.clauses:
        _write_clause(pages, publication, inputs, clause, reader)
    _write_changes(pages, publication)
    dictionary.write(reader, pages, tables.result())
    pages.finish()


def _site(publication: Publication) -> dict[str, object]:
    """Return what the frame of every page shows."""
    late = [state for state in publication.year_states if state.year > publication.focus]
    return {
        "title": word("report_title", city=publication.city.name),
        "focus": publication.focus,
        "years": publication.years,
        # On each of a thousand pages they would be a part of the report that counts.
        "below": publication.below(publication.city)
        if all(unit.has_page for unit in publication.units)
        else [],
        "names": {region.code: region.name for region in publication.regions},
        "made_up": publication.made_up,
        "finality": {year: finality_text(publication, year) for year in publication.years},
        # Years of which little is there can be chosen; they say how little it is.
        "late_notes": {
            state.year: word(
                "late_note",
                year=state.year,
                came=state.forms_in_force,
                due=state.expected_forms,
                focus=publication.focus,
            )
            for state in late
        },
    }


def _published(publication: Publication) -> Text:
    """Return which publication it is. Two pages say so: all others stay as they are while their figures do."""
    issue = publication.issue
    if issue is None:
        return word("not_published")
    return word(
        "published_at",
        time=local_time(issue.published_at),
        id=issue.publication_id,
        code=issue.code_version,
        plan=issue.plan_version,
    )


#: The rules of an edition for the public, as its page tells them.
_PUBLIC_RULES = (
    "public_rule_few",
    "public_rule_more",
    "public_rule_derived",
    "public_rule_names",
    "public_rule_files",
    "public_rule_stays",
)


def _write_public(pages: Pages, reader: Reader) -> None:
    """Write the page that says what the edition hides, and why."""
    few = {"fewest": FEWEST, "most": MOST}
    context = {
        "here": "public",
        "hidden": read_hidden(reader),
        "rules": [word(rule, **few) for rule in _PUBLIC_RULES],
        **few,
    }
    pages.page("public.html", "public.html", context)


def _write_city(pages: Pages, publication: Publication) -> None:
    """Write index.html for the year in focus and city-<year>.html for every other year."""
    city = publication.city
    pages_by_year = {
        year: "index.html" if year == publication.focus else f"city-{year}.html"
        for year in publication.years
    }
    for year, name in pages_by_year.items():
        fields = rows_by_field(publication, city, year)
        rows = rows_of(fields)
        context = {
            "here": "city",
            "year": year,
            "pages_by_year": pages_by_year,
            "fields": fields,
            # What closes a gap says more about a city than the gap itself.
            "columns": [column for column in _columns_told(rows) if column != "gap"],
            "tally": publication.tally(city, year),
            "units_met": _units_met(publication, city, year),
            **_summaries(publication, city, year),
            "readings": _readings([row.clause for row in rows]),
            "brief": brief_of(publication, year),
            "places": places_of(publication, city) if year == publication.focus else None,
        }
        if year == publication.focus:
            context["published"] = _published(publication)
        pages.page("city.html", name, context)


def _write_matrix(
    pages: Pages, publication: Publication, inputs: Inputs, verdicts: ShownVerdicts, region: Region
) -> None:
    """Write the matrix of a region and of what is directly below it; of all years at the top alone."""
    regions = [region, *publication.below(region)]
    years = publication.years if region.is_city else [publication.focus]
    # So many of these that each is kept small: one year, and words without marks.
    is_plain = not all(one.has_page for one in regions)
    watched = [(year, verdicts.grades.in_year(year)) for year in years]
    made_from = (regions, years, is_plain, inputs.of_regions(one.code for one in regions))

    def context() -> dict[str, object]:
        return {
            "here": "matrix",
            "region": region,
            "above": publication.above(region),
            "regions": regions,
            "years": years,
            "is_plain": is_plain,
            "table": [
                (
                    clause,
                    target_text(clause),
                    verdicts.of(clause, regions, publication.focus),
                )
                for clause in publication.clauses
            ],
            "figures": None if is_plain else _figures(publication, verdicts, regions, years),
            "readings": _readings(publication.clauses),
        }

    pages.page_from("matrix.html", region.matrix, (*made_from, pages.summed(watched)), context)


def _write_map(
    pages: Pages,
    publication: Publication,
    verdicts: ShownVerdicts,
    reference: Path,
) -> None:
    # Of a nation the provinces: its units are too many for one page.
    few = len(publication.units) <= MAP_UNITS
    shown = publication.units if few else publication.below(publication.city)
    regions = [publication.city, *shown]
    known = {region.code for region in shown}
    features = [
        feature
        for feature in read_boundaries(reference)
        if str(feature["properties"]["adcode"]) in known
    ]
    atlas = draw_atlas(features)
    drawn = {area.region_code for area in atlas.whole.areas} if atlas else set()
    urgent = publication.by_urgency(publication.city, publication.focus)
    first = next((c for c, _ in urgent if _has_values(publication, c)), publication.clauses[0])
    context = {
        "here": "map",
        "clauses": publication.clauses,
        "first": first,
        "first_target": target_text(first),
        "city": publication.city,
        "cells": dict(
            zip(
                [region.code for region in regions],
                verdicts.of(first, regions, publication.focus),
                strict=True,
            )
        ),
        "first_grades": verdicts.grades.legend(first, publication.focus),
        "atlas": atlas,
        "regions": publication.region_by_code,
        "tiles": [region for region in shown if region.code not in drawn],
        "shown": shown,
        "figures": _figures(publication, verdicts, regions, publication.years),
        "first_reading": _reading(first),
    }
    pages.page("map.html", "map.html", context)


def _write_unit(
    pages: Pages,
    publication: Publication,
    inputs: Inputs,
    unit: Region,
    merged: OverTime | None,
) -> None:
    """Write the page of a unit, or of a region made of units."""
    year, above = publication.focus, publication.above(unit)
    regions = dict.fromkeys(one.code for one in (unit, above, *publication.units_of(unit)))
    reported = [
        publication.reported.get((code, form, y))
        for code in regions
        for form in publication.forms
        for y in (publication.years if code == unit.code else (year,))
    ]
    findings = publication.findings_of_region.get(unit.code, [])
    made_from = (
        *(unit, above, inputs.of_regions(regions), reported, findings),
        *(publication.findings_counted[unit.code], merged),
        publication.places_ahead.get(unit.code),
        *_lives_of(publication, unit).values(),
    )
    pages.page_from(
        "unit.html",
        unit.page,
        made_from,
        lambda: _unit_context(publication, unit, merged),
    )


def _unit_context(
    publication: Publication, unit: Region, merged: OverTime | None
) -> dict[str, object]:
    year = publication.focus
    fields = rows_by_field(publication, unit, year)
    rows = rows_of(fields)
    listed = publication.shortfalls_of_region.get(unit.code, [])[:SHORTFALLS_PER_UNIT]
    return {
        "here": "unit",
        "region": unit,
        "year": year,
        "duties": duties_of(publication, unit, year),
        # Those that have no page of their own, with what they have to do.
        "told_here": [
            (below, duties_of(publication, below, year))
            for below in publication.below(unit)
            if not below.has_page
        ],
        "fields": fields,
        "columns": _columns_told(rows),
        "tally": publication.tally(unit, year),
        "above": publication.above(unit),
        "city_values": {
            row.clause.clause_id: value_text(
                row.clause, publication.cell(row.clause, publication.above(unit), year)
            )
            for row in rows
        },
        "units_met": None if unit.is_unit else _units_met(publication, unit, year),
        "readings": _readings([row.clause for row in rows]),
        **_summaries(publication, unit, year),
        "forms": publication.forms,
        "states": {
            (form, y): publication.reported.get((unit.code, form, y))
            for form in publication.forms
            for y in publication.years
        },
        "clause_by_id": {clause.clause_id: clause for clause in publication.clauses},
        "shortfalls": listed,
        "shortfalls_total": publication.shortfalls_counted[unit.code],
        "findings": publication.findings_of_region.get(unit.code, []),
        "findings_total": publication.findings_counted[unit.code],
        **_lives_of(publication, unit),
        "waits_for": waits_for,
        "places": places_of(publication, unit),
        "merged": merged,
    }


def _lives_of(publication: Publication, unit: Region) -> dict[str, object]:
    """Return for how long the findings of a unit have been open, and how it answers."""
    lives = publication.lives
    return {
        "ageing": lives.of_unit.get(unit.code, []) if lives else [],
        "answers": next((one for one in lives.units if one.region_code == unit.code), None)
        if lives
        else None,
    }


def _write_clause(
    pages: Pages,
    publication: Publication,
    inputs: Inputs,
    clause: PublishedClause,
    reader: Reader,
) -> None:
    """Write the page of a clause, and the list of all that stands behind it."""
    year, told = publication.focus, inputs.of_clause(clause.clause_id)
    total = sum(
        count
        for (clause_id, _), count in publication.shortfall_totals.items()
        if clause_id == clause.clause_id
    )
    csv_name = f"shortfall-{slug(clause.clause_id)}-{year}.csv"
    # Of a nation that would be the larger part of the report; it stands in the table shortfall.
    has_csv = total > 0 and all(unit.has_page for unit in publication.units)
    if has_csv:
        pages.file(
            csv_name,
            (year, told),
            lambda: csv_text(_CSV_HEADER, shortfall_rows(reader, clause.clause_id, year)).encode(),
        )
    missing, doubts = _doubts(publication, clause, year)
    doubted = len(missing), len(doubts)
    missing, doubts = missing[:DOUBTS_LISTED], doubts[:DOUBTS_LISTED]

    def context() -> dict[str, object]:
        return {
            **_clause_context(publication, clause, year),
            "shortfalls_total": total,
            "csv_name": csv_name if has_csv else None,
            "missing": missing,
            "doubts": doubts,
            "doubted": doubted,
        }

    pages.page_from("clause.html", clause.page, (told, missing, doubts, doubted), context)


def _clause_context(
    publication: Publication, clause: PublishedClause, year: int
) -> dict[str, object]:
    return {
        "here": "clause",
        "clause": clause,
        "reading": _reading(clause),
        "year": year,
        "section_name": next(
            s.name for s in publication.sections_of_plan() if s.section == clause.section
        ),
        "on_map": _has_values(publication, clause),
        **_finding_of_clause(publication, clause, year),
        **_chart_of_clause(publication, clause, year),
        **_units_of_clause(publication, clause, year),
        "shortfalls": publication.shortfalls_of_clause.get(clause.clause_id, [])[
            :SHORTFALLS_PER_CLAUSE
        ],
        "regions": publication.region_by_code,
    }


def _finding_of_clause(
    publication: Publication, clause: PublishedClause, year: int
) -> dict[str, object]:
    """Return what a clause's page says of the city: the finding, and the years one by one."""
    city = publication.city
    cell = publication.cell(clause, city, year)
    rows = [
        clause_row(publication, clause, of_year)
        for y in reversed(publication.years)
        if (of_year := publication.cell(clause, city, y)) is not None
    ]
    return {
        "row": clause_row(publication, clause, cell) if cell else None,
        "headline": headline(publication, clause, cell) if cell else None,
        "behind_change": behind_change(publication, clause, cell) if cell else [],
        "target": target_text(clause, cell),
        "city_rows": rows,
        "city_columns": _columns_told(rows),
    }


def _chart_of_clause(
    publication: Publication, clause: PublishedClause, year: int
) -> dict[str, object]:
    """Return the chart of the city with what it is of and whence, and where it is heading."""
    outlook = _outlook_ahead(publication, clause, year)
    return {
        "chart": _trend(publication, clause, year),
        "chart_title": _chart_title(publication, clause),
        "outlook": outlook,
        "outlook_figures": _outlook_figures(clause, outlook) if outlook else [],
    }


def _units_of_clause(
    publication: Publication, clause: PublishedClause, year: int
) -> dict[str, object]:
    """Return the rows of the units, their charts, and where each stands among its like."""
    rows = [
        clause_row(publication, clause, cell)
        for unit in publication.below(publication.city)
        if (cell := publication.cell(clause, unit, year)) is not None
    ]
    ranks = {
        row.region.code: rank_among_peers(publication, clause, row.region, rows)
        for row in rows
        if row.region.is_unit
    }
    return {
        "unit_rows": rows,
        "columns": _columns_told(rows),
        "ranks": ranks if any(ranks.values()) else {},
        "minis": _minis(publication, clause, rows),
        "own_scales": clause.unit != "%",
    }


def _outlook_ahead(publication: Publication, clause: PublishedClause, year: int) -> Outlook | None:
    """Return where the city is heading with a clause; once its year is there, nothing is ahead."""
    if clause.due_year is None or clause.due_year <= year:
        return None
    return publication.outlook.get((clause.clause_id, publication.city.code, year))


def _outlook_figures(clause: PublishedClause, outlook: Outlook) -> list[tuple[Text, Text]]:
    """Return where a clause is heading, each figure with its name."""
    return [
        (word("outlook_required"), level_text(clause, outlook.required_value)),
        (word("outlook_pace"), step_text(clause, outlook.pace_per_year)),
        (word("outlook_needed"), step_text(clause, outlook.needed_per_year)),
        (word("outlook_due_value"), level_text(clause, outlook.projected_due_value)),
    ]


def _write_reporting(
    pages: Pages, publication: Publication, region: Region, told: Sequence[UnitReporting]
) -> None:
    """Write how the units directly below a region report, and the regions below it with pages of their own.

    ``told`` is how every unit reports.

    Below the top it is about the year in focus alone.
    """
    year = publication.focus
    units = [below for below in publication.below(region) if below.is_unit]
    codes = {unit.code for unit in units}
    years = publication.years if region.is_city else [year]
    expected = [
        row
        for unit in publication.units_of(region)
        for form in publication.forms
        if (row := publication.reported.get((unit.code, form, year))) and row.expected
    ]
    by_unit = [one for one in told if one.region.code in codes and one.year in years]
    lives = publication.lives if region.is_city else None
    context = {
        "here": "reporting",
        "region": region,
        "above": publication.above(region),
        "year": year,
        "years": years,
        "lead": word(
            "reporting_lead",
            year=year,
            expected=len(expected),
            accepted=sum(r.accepted for r in expected),
            on_time=sum(r.accepted and r.on_time for r in expected),
        ),
        "units": units,
        "summaries": [
            _summary(publication, below, year)
            for below in publication.below(region)
            if not below.is_unit
        ],
        "by_unit": by_unit,
        # Where no submission is signed or approved, the office does not work that way.
        "signing": any(unit.signed for unit in by_unit),
        "approving": any(unit.approved for unit in by_unit),
        "forms": publication.forms,
        "states": {
            (code, form, y): publication.reported.get((code, form, y))
            for code in sorted(codes)
            for form in publication.forms
            for y in years
        },
        **_handed_in(publication, region, codes),
        "regions": publication.region_by_code,
        "lives": lives,
        "waits_for": waits_for,
        "answering": quickest_and_slowest(lives.units) if lives else [],
    }
    pages.page("reporting.html", region.reporting, context)


def _handed_in(publication: Publication, region: Region, units: Set[str]) -> dict[str, object]:
    """Return the submissions of ``units``, directly below a region, and what rules found in them."""
    # What is of no known unit is told at the top; below it the year in focus is told alone.
    here = {*units, None} if region.is_city else units
    only = None if region.is_city else publication.focus
    submissions = [
        one
        for one in _told_of(here, publication.submissions_of_region)
        if only is None or one.year == only
    ]
    not_listed = publication.submissions_total - len(publication.submissions)
    return {
        "submissions": submissions,
        "submissions_total": len(submissions) + (not_listed if region.is_city else 0),
        "rules": [
            one
            for one in _told_of(here, publication.finding_sums_of_region)
            if only is None or one.year == only
        ],
    }


def _told_of(
    codes: Collection[str | None], by_region: Mapping[str | None, Sequence[tuple[int, Told]]]
) -> list[Told]:
    """Return what is told of these regions, in the order in which the publication lists it."""
    placed = [one for code in codes for one in by_region.get(code, ())]
    return [one for _, one in sorted(placed, key=lambda pair: pair[0])]


def _write_changes(pages: Pages, publication: Publication) -> None:
    clauses: dict[str | None, PublishedClause] = {c.clause_id: c for c in publication.clauses}
    regions = publication.region_by_code
    changes = []
    for revision in publication.revisions:
        clause, region = clauses.get(revision.clause_id), regions.get(revision.region_code)
        if clause is None or region is None:
            continue
        cell = publication.cell(clause, region, revision.year)
        changes.append(
            ChangeRow(
                revision,
                clause,
                region,
                *revised_values(clause, revision, cell),
                difference(clause, revision.old_value, revision.new_value),
            )
        )
    # The city's own figures first: they are what a reader of the last report remembers.
    changes.sort(key=lambda change: not change.region.is_city)
    issue = publication.issue
    if issue is None or issue.previous_id is None:
        lead = word("changes_first")
    elif not changes:
        lead = word("changes_none")
    else:
        lead = word(
            "changes_lead",
            id=issue.publication_id,
            time=local_time(issue.published_at),
            previous=issue.previous_id,
            count=len(changes),
        )
    context = {
        "here": "changes",
        "lead": lead,
        "changes": changes[:REVISIONS_LISTED],
        "changes_total": len(changes),
        "readings": _readings([change.clause for change in changes[:REVISIONS_LISTED]]),
        "issues": publication.issues,
        "published": _published(publication),
    }
    pages.page("changes.html", "changes.html", context)


def _columns_told(rows: Sequence[ClauseRow]) -> list[str]:
    """Return the columns in which any row says something: one of dashes alone is not shown."""
    told = {
        "gap": [row.gap for row in rows],
        "closes_gap": [row.closes for row in rows],
        "since_last_year": [row.since_last_year.text for row in rows],
        "since_last_publication": [row.since_last_publication.text for row in rows],
        "covered": [Text(row.cell.covered or DASH.zh, "") for row in rows],
    }
    if told["gap"] == told["closes_gap"]:  # of a count
        del told["gap"]
    return [key for key, texts in told.items() if any(text.zh != DASH.zh for text in texts)]


def _units_met(publication: Publication, region: Region, year: int) -> dict[str, Text]:
    """Return per clause how many of the region's units with a verdict have met it."""
    told: dict[str, Text] = {}
    for clause in publication.clauses:
        standing = publication.standings.get((clause.clause_id, region.code, year))
        shown = (
            f"{standing.units_met}/{standing.units_judged}"
            if standing and standing.units_judged
            else DASH.zh
        )
        told[clause.clause_id] = Text(shown, shown)
    return told


def _summaries(publication: Publication, region: Region, year: int) -> dict[str, object]:
    """Return what is directly below a region: its units, and the regions that are made of units (``between``)."""
    below = [(one, _summary(publication, one, year)) for one in publication.below(region)]
    return {
        "summaries": [summary for one, summary in below if one.is_unit],
        "between": [summary for one, summary in below if not one.is_unit],
    }


def _summary(publication: Publication, region: Region, year: int) -> UnitSummary:
    came, due = _forms_of_unit(publication, region, year)
    return UnitSummary(region, publication.tally(region, year), came, due)


def _readings(clauses: Sequence[PublishedClause]) -> list[PublishedClause]:
    """Return the clauses among these whose figure is ours, each once, in the order of the plan."""
    marked = {clause.clause_id: clause for clause in clauses if clause.interpretation}
    return sorted(marked.values(), key=lambda clause: clause.plan_order)


def _reading(clause: PublishedClause) -> Text | None:
    """Return the sentence that says what is ours in a clause, None where nothing is."""
    if not clause.interpretation:
        return None
    return word("interpretation_note", basis=clause.basis or BASIS_MISSING)


def _forms_of_unit(publication: Publication, unit: Region, year: int) -> tuple[int, int]:
    rows = [
        row
        for below in publication.units_of(unit)
        for form in publication.forms
        if (row := publication.reported.get((below.code, form, year))) and row.expected
    ]
    return sum(row.accepted for row in rows), len(rows)


def _figures(
    publication: Publication,
    verdicts: ShownVerdicts,
    regions: Sequence[Region],
    years: Sequence[int],
) -> dict[str, object]:
    """Return what the script needs to show another clause or year: wording, nothing to compute."""
    order = list(STATUSES)
    return {
        "regions": [region.code for region in regions],
        "years": years,
        "statuses": [[status, text.zh, text.en] for status, text in STATUSES.items()],
        "targets": {
            clause.clause_id: [target_text(clause).zh, target_text(clause).en]
            for clause in publication.clauses
        },
        "names": {
            clause.clause_id: [clause.name.zh, clause.name.en, clause.page, _reading(clause)]
            for clause in publication.clauses
        },
        "cells": {
            clause.clause_id: {
                str(year): [_packed(order, cell) for cell in verdicts.of(clause, regions, year)]
                for year in years
            }
            for clause in publication.clauses
        },
        "grades": {
            clause.clause_id: {
                str(year): legend
                for year in years
                if (legend := verdicts.grades.legend(clause, year))
            }
            for clause in publication.clauses
        },
        "not_judged": word("not_judged"),
    }


def _packed(order: Sequence[str], cell: ShownVerdict) -> list[object] | None:
    """Return a verdict as the script reads it: number of the status, figure, what is short, step of colour."""
    if cell.status is None:
        return None
    told: list[object] = [order.index(cell.status), cell.shown]
    if cell.short or cell.grade is not None:
        told.append(cell.short)
    return told if cell.grade is None else [*told, cell.grade]


def _has_values(publication: Publication, clause: PublishedClause) -> bool:
    """Return whether a map of the clause would show more than blanks."""
    cells = (publication.cell(clause, unit, publication.focus) for unit in publication.units)
    return sum(cell is not None and cell.value is not None for cell in cells) > 1


def _trend(publication: Publication, clause: PublishedClause, year: int) -> Markup:
    points = points_of(publication, clause, publication.city)
    outlook = _outlook_ahead(publication, clause, year)
    goal = projection = None
    if target_is_fixed(clause) and clause.threshold is not None:
        goal = Goal(
            clause.threshold,
            target_text(clause),
            clause.due_year,
            word("chart_due", year=clause.due_year) if clause.due_year else None,
        )
    if outlook and outlook.projected_due_value is not None and clause.due_year:
        projection = Projection(
            clause.due_year,
            outlook.projected_due_value,
            word("chart_projected", value=level_text(clause, outlook.projected_due_value)),
        )
    return trend_chart(
        points,
        _chart_label(clause.name, points),
        unit=clause.unit,
        goal=goal,
        projection=projection,
    )


def _minis(
    publication: Publication, clause: PublishedClause, rows: Sequence[ClauseRow]
) -> list[tuple[ClauseRow, Markup]]:
    """Return the small charts of the units: shares on one value axis, counts each on its own."""
    points = {row.region.code: points_of(publication, clause, row.region) for row in rows}
    threshold = clause.threshold if target_is_fixed(clause) else None
    shared = shared_domain([p.value for series in points.values() for p in series], threshold)
    own = {
        code: shared_domain([point.value for point in series], threshold)
        for code, series in points.items()
    }
    domains = dict.fromkeys(points, shared) if clause.unit == "%" else own
    return [
        (
            row,
            mini_chart(
                points[row.region.code],
                _chart_label(row.region.name, points[row.region.code]),
                domain,
                threshold,
            ),
        )
        for row in rows
        if (domain := domains[row.region.code]) is not None
        and any(p.value is not None for p in points[row.region.code])
    ]


def _chart_title(publication: Publication, clause: PublishedClause) -> Text:
    return word(
        "chart_title",
        clause=clause.name,
        unit=unit_word(clause.unit) if clause.unit else word("chart_unit_count"),
        region=publication.city.name,
        first=publication.years[0],
        last=publication.years[-1],
    )


def _chart_label(name: Text, points: Sequence[Point]) -> Text:
    told = ", ".join(f"{point.year} {point.shown}" for point in points)
    return word("chart_label", name=name, points=told)


def _doubts(
    publication: Publication, clause: PublishedClause, year: int
) -> tuple[list[Reporting], list[FindingSum]]:
    """Return the forms that are missing from a clause's figures, and the warnings on the rest."""
    forms = publication.clause_forms[clause.clause_id]
    regions = publication.units_of_clause(clause, year)
    doubts = [
        found
        for found in publication.finding_sums
        if found.year == year and found.form in forms and found.region_code in regions
    ]
    return publication.missing_forms(clause, year), doubts
