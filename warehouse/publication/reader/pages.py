"""What the report's pages read from a publication, and nothing else reads for them.

One `Publication` holds the published rows as plain records with the look-ups that pages need. The
lists that grow with the number of institutions (shortfalls, findings) are cut to what one page can
show, and know how many there are; everything else is as small as clauses × regions × years.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from transforms.forms import FORMS as FORM_RECORDS
from transforms.texts import Text
from warehouse import coverage
from warehouse.figures import Number, behind
from warehouse.indicators.definitions import CATALOGUE_IN_USE, Catalogue
from warehouse.indicators.year_on_year import FLOOR
from warehouse.publication.finding_history import OPEN
from warehouse.publication.reader.ageing import Lives, lives
from warehouse.publication.reader.door import Issue, Reader, YearState, in_focus
from warehouse.publication.reader.office import Finality, finality
from warehouse.publication.reader.queries import CLAUSE_ORDER, standings, turning
from warehouse.publication.reader.runs import read_revisions
from warehouse.publication.revisions import Revision
from warehouse.sql import in_china, literal
from warehouse.wording import (
    FORMS,
    PEER_KINDS,
    PLACE_SUFFIXES,
    REGION_KINDS,
    STAGES,
    STATUSES,
    VERDICTS,
)

# How many rows one page lists before it says that there are more.
SHORTFALLS_PER_CLAUSE = 400
SHORTFALLS_PER_UNIT = 200
FINDINGS_PER_UNIT = 200
REVISIONS_LISTED = 1000
SUBMISSIONS_LISTED = 4000
DOUBTS_LISTED = 100
PUBLICATIONS_LISTED = 20

#: A report has a page for each of so many units. Of more it tells on the page of the region above them, and of the year
#: in focus alone: a nation's would be gigabytes that nobody reads.
MOST_UNITS = 400

_LATE_ORDER = list(STATUSES)
Key = TypeVar("Key")
T = TypeVar("T")
Listed = TypeVar("Listed", "PublishedSubmission", "FindingSum")
Placed = TypeVar("Placed", "Judgement", "Outlook", "YearOnYear", "Standing", "Turning")


@dataclass(frozen=True, slots=True)
class Region:
    """A unit that reports, a region above units, or the one at the top (`is_city`)."""

    code: str
    name: Text
    kind: str
    is_city: bool
    is_unit: bool = True
    parent: str | None = None
    has_page: bool = True

    @property
    def page(self) -> str:
        """Return the file name of the region's page, or the place on that of the region above."""
        if not self.has_page:
            return f"unit-{slug(self.parent or '')}.html#{self.anchor}"
        return "index.html" if self.is_city else f"unit-{slug(self.code)}.html"

    @property
    def anchor(self) -> str:
        """Return the id of what is told of the region on a page of others."""
        return f"region-{slug(self.code)}"

    @property
    def matrix(self) -> str:
        """Return the file name of the matrix of the region and of what is directly below it."""
        return "matrix.html" if self.is_city else f"matrix-{slug(self.code)}.html"

    @property
    def reporting(self) -> str:
        """Return the file name of the page on what the units directly below have handed in."""
        return "reporting.html" if self.is_city else f"reporting-{slug(self.code)}.html"


@dataclass(frozen=True, slots=True)
class PlanSection:
    """A field of work of the plan; 0 is its aim as a whole."""

    section: int
    name_zh: str
    name_en: str | None

    @property
    def name(self) -> Text:
        """Return what the field is called."""
        return _both(self.name_zh, self.name_en)


@dataclass(frozen=True, slots=True)
class PublishedClause:
    """A clause of the plan with the indicator it judges; ``plan_order`` sorts clauses as the plan does."""

    clause_id: str
    plan_order: int
    section: int
    indicator_id: str
    kind: str
    comparator: str | None
    threshold: float | None
    due_year: int | None
    effective_from: object
    effective_to: object
    scope: str | None
    interpretation: bool
    basis_zh: str | None
    basis_en: str | None
    statement_zh: str | None
    statement_en: str | None
    source_zh: str | None
    source_en: str | None
    name_zh: str
    name_en: str | None
    unit: str
    scale: float | None
    better: str
    numerator_zh: str | None
    denominator_zh: str | None
    numerator_en: str | None
    denominator_en: str | None
    formula: str | None

    @property
    def name(self) -> Text:
        """Return the name of the indicator, by which people know the clause."""
        return Text(self.name_zh, self.name_en or self.name_zh)

    @property
    def basis(self) -> Text | None:
        """Return why an interpretation's figure is what it is, None where nothing is given."""
        return _both(self.basis_zh, self.basis_en) if self.basis_zh else None

    @property
    def statement(self) -> Text:
        """Return what the clause says."""
        return _both(self.statement_zh, self.statement_en)

    @property
    def source(self) -> Text | None:
        """Return where the clause comes from, None where nothing is given."""
        return _both(self.source_zh, self.source_en) if self.source_zh else None

    @property
    def numerator(self) -> Text | None:
        """Return what the indicator counts."""
        return _both(self.numerator_zh, self.numerator_en) if self.numerator_zh else None

    @property
    def denominator(self) -> Text | None:
        """Return of what the indicator counts it, None for a count."""
        return _both(self.denominator_zh, self.denominator_en) if self.denominator_zh else None

    @property
    def page(self) -> str:
        """Return the file name of the clause's page."""
        return f"clause-{slug(self.clause_id)}.html"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A clause in a region and a year: the figure and its verdict."""

    clause_id: str
    region_code: str
    year: int
    value: float | None
    threshold: float | None
    status: str
    gap: float | None
    gap_quantity: Decimal | None
    gap_unit: str | None
    numerator: Decimal | None
    denominator: Decimal | None
    indicator_value: float | None
    reporting_units: int | None
    expected_units: int | None
    asked: int | None
    answered: int | None
    coverage_zh: str | None
    coverage_en: str | None
    scale: float | None
    numerator_before: Decimal | None
    denominator_before: Decimal | None

    # Most of these are never shown: what is not asked for is not worked out. Nor is it kept, of a nation's hundred
    # thousand of them.
    @property
    def exact_value(self) -> Number | None:
        """The exact figure behind the value."""
        return behind(self.value, self.numerator, self.denominator, self.scale)

    @property
    def exact_threshold(self) -> Number | None:
        """The exact figure behind the threshold, where that is the figure of the year before."""
        return behind(self.threshold, self.numerator_before, self.denominator_before, self.scale)

    @property
    def coverage(self) -> Text | None:
        """What is missing behind the verdict, None where all is there."""
        return _both(self.coverage_zh, self.coverage_en) if self.coverage_zh else None

    @property
    def firm(self) -> bool:
        """Return whether the value stands for the whole region, and beside those of other years."""
        if self.status == "monitored":
            return 100 * (self.reporting_units or 0) >= FLOOR * (self.expected_units or 0)
        return self.status in VERDICTS

    @property
    def covered(self) -> str:
        """Return units and answers in short, `9/10 · 37/38`; units only of a region above them."""
        units = f"{self.reporting_units}/{self.expected_units}"
        answers = f"{self.answered}/{self.asked}"
        told = [units] if (self.expected_units or 0) > 1 else []
        told += [answers] if self.asked else []
        return " · ".join(told)

    @property
    def short_of(self) -> str:
        """Return the part of :attr:`covered` that is not whole, empty where all is there."""
        if self.coverage is None:
            return ""
        return " · ".join(
            part for part in self.covered.split(" · ") if len(set(part.split("/"))) > 1
        )


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An institution, class or township that keeps a clause from being met."""

    clause_id: str
    region_code: str
    institution_code: str | None
    institution_name: str | None
    detail_zh: str | None
    detail_en: str | None
    value: str | None
    sheet: str | None
    row: int | None
    file_name: str | None

    @property
    def detail(self) -> Text:
        """Return what falls short."""
        return _both(self.detail_zh, self.detail_en)


@dataclass(frozen=True, slots=True)
class PublishedSubmission:
    """One form of one unit for one year out of one file."""

    submission_id: str
    region_code: str | None
    form: str | None
    year: int | None
    file_name: str | None
    received_at: datetime | None
    status: str
    rows_read: int | None
    rows_loaded: int | None
    rows_returned: int | None
    rows_ignored: int | None
    errors: int | None
    warnings: int | None


@dataclass(frozen=True, slots=True)
class Reporting:
    """How a unit stands with one form of one year.

    ``late_days``: so many days after the last day in time it came, or has not come yet; 0 in time.
    """

    region_code: str
    form: str
    year: int
    expected: bool
    received: bool
    accepted: bool
    on_time: bool
    last_received_at: datetime | None
    late_days: int | None = None

    @property
    def state(self) -> str:
        """Return the key of :data:`warehouse.wording.REPORTING` that says it."""
        if not self.expected:
            return "extra" if self.accepted else "not_expected"
        if self.accepted:
            return "on_time" if self.on_time else "late"
        return "returned" if self.received else "missing"


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """One open finding, with the place where it stands."""

    region_code: str | None
    form: str | None
    severity: str
    rule_id: str
    file_name: str | None
    sheet: str | None
    cell: str | None
    column_name: str | None
    value: str | None
    message_zh: str | None
    message_en: str | None
    cells: int | None
    explained: str | None

    @property
    def message(self) -> Text:
        """Return what is wrong and what to do."""
        return _both(self.message_zh, self.message_en)


@dataclass(frozen=True, slots=True)
class FindingSum:
    """The open findings of one rule in one form of one unit and year."""

    region_code: str | None
    form: str | None
    year: int | None
    severity: str
    rule_id: str
    count: int
    cells: int
    explained: int
    example_zh: str | None
    example_en: str | None

    @property
    def example(self) -> Text:
        """Return the message of one of them."""
        return _both(self.example_zh, self.example_en)


@dataclass(frozen=True, slots=True)
class OpenFindings:
    """The open findings of a unit and year, and when the oldest of them was first published."""

    region_code: str | None
    year: int | None
    errors: int
    warnings: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class SignOff:
    """Of what is in force of a unit and year: how many submissions are signed, and how many approved."""

    region_code: str
    year: int
    submissions: int
    signed: int
    approved: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where a clause is heading in a region, seen from one year."""

    clause_id: str
    region_code: str
    year: int
    required_value: float | None
    pace_per_year: float | None
    projected_due_value: float | None
    projected_year_met: int | None
    needed_per_year: float | None


@dataclass(frozen=True, slots=True)
class PlacesAhead:
    """What a stage of a region needs in ``for_year``, seen from ``year``, and what is there in ``year``."""

    region_code: str
    stage: str
    year: int
    for_year: int
    enrolment_rate: float | None
    pupils: int | None
    places: int | None
    classes_needed: int | None
    classes: int | None
    teachers_needed: int | None
    teachers: int | None


@dataclass(frozen=True, slots=True)
class YearOnYear:
    """A clause in a region beside the year before, over the units that enter in both.

    ``numerators`` and ``denominators`` are those of the year before and of this one.
    """

    clause_id: str
    region_code: str
    year: int
    units: int
    scale: float | None
    value: float
    numerator: Decimal
    denominator: Decimal | None
    previous_value: float
    previous_numerator: Decimal
    previous_denominator: Decimal | None

    @property
    def before(self) -> Number | None:
        """The exact figure of the year before."""
        return behind(
            self.previous_value, self.previous_numerator, self.previous_denominator, self.scale
        )

    @property
    def now(self) -> Number | None:
        """The exact figure of this year."""
        return behind(self.value, self.numerator, self.denominator, self.scale)

    @property
    def numerators(self) -> tuple[Decimal, Decimal]:
        """The numerators of both years."""
        return self.previous_numerator, self.numerator

    @property
    def denominators(self) -> tuple[Decimal, Decimal] | None:
        """The denominators of both years, None of a count."""
        if self.previous_denominator is None or self.denominator is None:
            return None
        return self.previous_denominator, self.denominator


@dataclass(frozen=True, slots=True)
class Turning:
    """How many institutions there are of whom each alone turns a verdict, and the `names` of the first few."""

    clause_id: str
    region_code: str
    year: int
    institutions: int
    names: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How the units below a region stand with a clause; `against_most_units`: most are not as the region is."""

    clause_id: str
    region_code: str
    year: int
    units_judged: int
    units_met: int
    against_most_units: bool


@dataclass(frozen=True)
class Publication:
    """Everything that the pages show. `focus` is the year they are about."""

    regions: list[Region]
    clauses: list[PublishedClause]
    years: list[int]
    focus: int
    cells: dict[tuple[str, str, int], Judgement]
    shortfalls: list[Shortfall]
    shortfall_totals: dict[tuple[str, str], int]
    submissions: list[PublishedSubmission]
    submissions_total: int
    reporting: list[Reporting]
    findings: list[OpenFinding]
    finding_sums: list[FindingSum]
    revisions: list[Revision]
    issues: list[Issue]
    made_up: bool = False
    outlook: dict[tuple[str, str, int], Outlook] = field(default_factory=dict)
    year_on_year: dict[tuple[str, str, int], YearOnYear] = field(default_factory=dict)
    year_states: list[YearState] = field(default_factory=list)
    standings: dict[tuple[str, str, int], Standing] = field(default_factory=dict)
    sections: list[PlanSection] = field(default_factory=list)
    received_until: datetime | None = None
    turning: dict[tuple[str, str, int], Turning] = field(default_factory=dict)
    finality: dict[int, Finality] = field(default_factory=dict)
    open_findings: list[OpenFindings] = field(default_factory=list)
    sign_offs: list[SignOff] = field(default_factory=list)
    lives: Lives | None = None
    places_ahead: dict[str, list[PlacesAhead]] = field(default_factory=dict)

    @cached_property
    def city(self) -> Region:
        """Return the region that the units belong to."""
        return next(region for region in self.regions if region.is_city)

    @cached_property
    def units(self) -> list[Region]:
        """Return the reporting units in the order of their codes."""
        return [region for region in self.regions if region.is_unit]

    @cached_property
    def between(self) -> list[Region]:
        """Return the regions between the units and the top: the cities of a province."""
        return [region for region in self.regions if not region.is_unit and not region.is_city]

    @cached_property
    def _children(self) -> dict[str | None, list[Region]]:
        return grouped((region.parent, region) for region in self.regions if not region.is_city)

    def below(self, region: Region) -> list[Region]:
        """Return the regions directly below one; a unit has none."""
        return self._children.get(region.code, [])

    @cached_property
    def watched(self) -> dict[tuple[str, int], dict[str, float]]:
        """Return the values of the units of what is only watched, by clause and year."""
        units = {unit.code for unit in self.units}
        found: dict[tuple[str, int], dict[str, float]] = {}
        for cell in self.cells.values():
            if cell.status == "monitored" and cell.value is not None and cell.region_code in units:
                found.setdefault((cell.clause_id, cell.year), {})[cell.region_code] = cell.value
        return found

    def units_of(self, region: Region) -> list[Region]:
        """Return the units that a region is made of; a unit is made of itself."""
        if region.is_unit:
            return [region]
        return sorted(
            (unit for below in self.below(region) for unit in self.units_of(below)),
            key=lambda unit: unit.code,
        )

    def above(self, region: Region) -> Region:
        """Return the region that this one is part of; of the top, itself."""
        return self.region_by_code.get(region.parent or "", self.city)

    @cached_property
    def region_by_code(self) -> dict[str, Region]:
        """Return the regions by their code."""
        return {region.code: region for region in self.regions}

    @cached_property
    def forms(self) -> list[str]:
        """Return the forms that units report on, in the order in which the contract lists them."""
        forms = sorted({row.form for row in self.reporting})
        return sorted(forms, key=lambda form: [*FORMS, *forms].index(form))

    @cached_property
    def clause_forms(self) -> dict[str, frozenset[str]]:
        """Return the forms that each clause's indicator draws on, by clause_id."""
        catalogue = CATALOGUE_IN_USE.get()
        return {
            clause.clause_id: forms_of(clause.formula, catalogue, self.forms)
            for clause in self.clauses
        }

    @cached_property
    def reported(self) -> dict[tuple[str, str, int], Reporting]:
        """Return the state of reporting by region, form and year."""
        return {(row.region_code, row.form, row.year): row for row in self.reporting}

    @cached_property
    def revised(self) -> dict[tuple[str | None, str, int], Revision]:
        """Return the latest publication's revisions by clause, region and year."""
        return {(row.clause_id, row.region_code, row.year): row for row in self.revisions}

    @cached_property
    def shortfalls_of_region(self) -> dict[str, list[Shortfall]]:
        """Return the listed shortfalls by the region that they are in."""
        return grouped((row.region_code, row) for row in self.shortfalls)

    @cached_property
    def shortfalls_of_clause(self) -> dict[str, list[Shortfall]]:
        """Return the listed shortfalls by clause_id."""
        return grouped((row.clause_id, row) for row in self.shortfalls)

    @cached_property
    def shortfalls_counted(self) -> Counter[str]:
        """Return how many shortfalls there are in each region, listed or not."""
        counted = Counter[str]()
        for (_, region), count in self.shortfall_totals.items():
            counted[region] += count
        return counted

    @cached_property
    def findings_of_region(self) -> dict[str | None, list[OpenFinding]]:
        """Return the listed findings by region."""
        return grouped((row.region_code, row) for row in self.findings)

    @cached_property
    def submissions_of_region(self) -> dict[str | None, list[tuple[int, PublishedSubmission]]]:
        """Return the listed submissions by region, each with its place; those of no known one under None."""
        return self._placed(self.submissions)

    @cached_property
    def finding_sums_of_region(self) -> dict[str | None, list[tuple[int, FindingSum]]]:
        """Return the findings by region, each with its place; those of no known one under None."""
        return self._placed(self.finding_sums)

    def _placed(self, rows: Iterable[Listed]) -> dict[str | None, list[tuple[int, Listed]]]:
        known = self.region_by_code
        return grouped(
            (row.region_code if row.region_code in known else None, (place, row))
            for place, row in enumerate(rows)
        )

    @cached_property
    def findings_counted(self) -> Counter[str | None]:
        """Return how many findings each region has of the year in focus, or of no known year."""
        counted = Counter[str | None]()
        for row in self.finding_sums:
            counted[row.region_code] += row.count if row.year in (self.focus, None) else 0
        return counted

    def peers(self, unit: Region) -> list[Region]:
        """Return the units that are as urban or rural as this one, itself among them."""
        return [other for other in self.units if _alike(other.kind) == _alike(unit.kind)]

    def sections_of_plan(self) -> list[PlanSection]:
        """Return the fields of work that clauses are in; one without a name is called by its number."""
        named = {section.section: section for section in self.sections}
        return [
            named.get(number, PlanSection(number, str(number), None))
            for number in sorted({clause.section for clause in self.clauses})
        ]

    @property
    def issue(self) -> Issue | None:
        """Return the latest publication."""
        return self.issues[0] if self.issues else None

    def cell(self, clause: PublishedClause, region: Region, year: int) -> Judgement | None:
        """Return the verdict, or None where the clause does not reach that region or year."""
        return self.cells.get((clause.clause_id, region.code, year))

    def overdue(self, clause: PublishedClause, cell: Judgement) -> bool:
        """Return whether the due year has come and the clause is not met."""
        return (
            cell.status == "not_met"
            and clause.kind in ("level", "milestone")
            and clause.due_year is not None
            and cell.year >= clause.due_year
        )

    def units_of_clause(self, clause: PublishedClause, year: int) -> set[str]:
        """Return the units that a clause's figure is made of: those in its scope, else all."""
        return {u.code for u in self.units if self.cell(clause, u, year)} or {
            unit.code for unit in self.units
        }

    def missing_forms(self, clause: PublishedClause, year: int) -> list[Reporting]:
        """Return the forms that the clause's indicator needs of a year and that are not in force."""
        forms, regions = self.clause_forms[clause.clause_id], self.units_of_clause(clause, year)
        return [
            row
            for row in self.reporting
            if row.year == year
            and row.form in forms
            and row.region_code in regions
            and row.expected
            and not row.accepted
        ]

    def by_urgency(self, region: Region, year: int) -> list[tuple[PublishedClause, Judgement]]:
        """Return the region's clauses of a year, what is overdue first, then in plan order."""
        pairs = [
            (clause, cell)
            for clause in self.clauses
            if (cell := self.cell(clause, region, year)) is not None
        ]
        return sorted(pairs, key=lambda p: (not self.overdue(*p), _LATE_ORDER.index(p[1].status)))

    def tally(self, region: Region, year: int) -> dict[str, int]:
        """Return how many clauses have each status, every status named."""
        counts = Counter(cell.status for _, cell in self.by_urgency(region, year))
        return {status: counts[status] for status in STATUSES}


def read_publication(reader: Reader, reference: Path) -> Publication:
    """Return everything that the report shows, with the English names of places.

    ``reference`` is the folder of counties.geojson, which holds these.

    Raises:
        ValueError: the publication holds no region, clause or verdict: there is nothing to report.
    """
    regions = _regions(reader, reference)
    clauses = reader.rows(
        PublishedClause,
        _CLAUSES.format(
            source_en=reader.column("c", "clause", "source_en"),
            numerator_en=reader.column("i", "indicator", "numerator_en"),
            denominator_en=reader.column("i", "indicator", "denominator_en"),
        ),
    )
    year_states = reader.years()
    focus = in_focus(year_states).year if year_states else 0
    is_large = not all(region.has_page for region in regions)
    told = _OF_LARGE.format(focus=focus) if is_large else "true"
    coverage_zh, coverage_en = coverage.sentence("a")
    cells = reader.rows(
        Judgement, _CELLS.format(coverage_zh=coverage_zh, coverage_en=coverage_en, told=told)
    )
    if not regions or not clauses or not cells:
        raise ValueError("the publication holds no region, no clause or no verdict to report on")
    issues = reader.issues(PUBLICATIONS_LISTED)
    return Publication(
        regions=regions,
        clauses=clauses,
        years=sorted({cell.year for cell in cells}),
        focus=focus,
        cells=_by_place(cells),
        shortfalls=reader.rows(
            Shortfall,
            _SHORTFALLS.format(detail_en=reader.column("f", "shortfall", "detail_en")),
            focus,
            SHORTFALLS_PER_CLAUSE,
            0 if is_large else SHORTFALLS_PER_UNIT,
        ),
        shortfall_totals={
            (clause, region): count
            for clause, region, count in reader.tuples(_SHORTFALL_TOTALS, focus)
        },
        **_of_reporting(reader, focus, is_large),
        revisions=read_revisions(reader, issues[0].publication_id) if issues else [],
        issues=issues,
        made_up=reader.is_made_up,
        year_on_year=_by_place(reader.rows(YearOnYear, _YEAR_ON_YEAR.format(told=told))),
        year_states=year_states,
        standings=_by_place(reader.rows(Standing, f"FROM ({standings()})")),
        received_until=reader.tuples(_RECEIVED_UNTIL)[0][0],
        finality=finality(reader),
        **_of_later_programs(reader, focus, told),
    )


def _of_reporting(reader: Reader, focus: int, is_large: bool) -> dict[str, Any]:
    """Return what was handed in and what was found in it; of a large publication the year in focus, without lists."""
    explained = "f.explained" if reader.has_column("finding", "explained") else "NULL"
    return {
        "submissions": reader.rows(
            PublishedSubmission, _SUBMISSIONS, 0 if is_large else SUBMISSIONS_LISTED
        ),
        "submissions_total": reader.count("submission"),
        "reporting": reader.rows(
            Reporting, _reporting_query(f"r.year = {focus}" if is_large else "true")
        ),
        "findings": reader.rows(
            OpenFinding,
            _FINDINGS.format(explained=explained),
            focus,
            0 if is_large else FINDINGS_PER_UNIT,
        ),
        "finding_sums": reader.rows(FindingSum, _FINDING_SUMS.format(explained=explained)),
    }


def _of_later_programs(reader: Reader, focus: int, told: str) -> dict[str, Any]:
    """Return what is in tables and columns that a publication of an earlier program may lack."""
    found: dict[str, Any] = {}
    if reader.has_column("outlook", "projected_due_value"):
        found["outlook"] = _by_place(reader.rows(Outlook, _OUTLOOK.format(told=told)))
    if reader.has_column("section", "name_zh"):
        found["sections"] = reader.rows(
            PlanSection, "SELECT section, name_zh, name_en FROM section ORDER BY section"
        )
    if reader.has_column("turning_institution", "status"):
        found["turning"] = _by_place(reader.rows(Turning, turning()))
    if reader.has_column("finding_history", "closed_by"):
        found["open_findings"] = reader.rows(OpenFindings, _OPEN_FINDINGS)
        if (issue := reader.issue) and issue.published_at and reader.count("finding_history"):
            found["lives"] = lives(reader, issue.published_at)
    if reader.has_column("places_ahead", "for_year"):
        rows = reader.rows(PlacesAhead, _PLACES_AHEAD, focus)
        found["places_ahead"] = grouped((row.region_code, row) for row in rows)
    if reader.has_column("submission", "approved"):
        found["sign_offs"] = reader.rows(SignOff, _SIGN_OFFS)
    return found


def _reporting_query(told: str) -> str:
    """Return the query for the state of reporting where ``told`` holds; days late by the calendar that is in use."""
    days = ", ".join(
        f"({literal(form.name)}, {literal(form.deadline.last_day(_ANY_YEAR).isoformat())})"
        for form in FORM_RECORDS.values()
    )
    return _REPORTING.format(
        days=days, any_year=_ANY_YEAR, received=in_china("f.received_at"), told=told
    )


def grouped(pairs: Iterable[tuple[Key, T]]) -> dict[Key, list[T]]:
    """Return the second of each pair in lists by the first, in their order."""
    groups: dict[Key, list[T]] = {}
    for key, one in pairs:
        groups.setdefault(key, []).append(one)
    return groups


def _by_place(records: Iterable[Placed]) -> dict[tuple[str, str, int], Placed]:
    """Return records by clause, region and year."""
    return {(one.clause_id, one.region_code, one.year): one for one in records}


def shortfall_rows(reader: Reader, clause_id: str, year: int) -> list[tuple[Any, ...]]:
    """Return every shortfall of a clause in a year, the columns of the CSV beside the page."""
    return reader.tuples(_SHORTFALL_CSV, clause_id, year)


def forms_of(formula: str | None, catalogue: Catalogue, forms: Iterable[str]) -> frozenset[str]:
    """Return the forms behind a formula: its sources, or what the catalogue makes those of.

    A formula of unknown sources is taken to need every form: rather a doubt too many beside a
    figure than one kept from the reader.
    """
    known = frozenset(forms)
    sources = re.findall(r"\bFROM (\w+)", formula or "")
    named = frozenset(form for source in sources for form in catalogue.forms_of(source))
    return named & known or known


def slug(name: str) -> str:
    """Return a code as part of a file name that is safe on every system, one to one."""
    return re.sub(r"[^A-Za-z0-9.-]", lambda match: f"_{ord(match[0]):x}", name)


def read_boundaries(reference: Path) -> list[dict[str, Any]]:
    """Return the features of counties.geojson, or none where the file is not there."""
    path = reference / "counties.geojson"
    if not path.is_file():
        return []
    features: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["features"]
    return features


def place_name(pinyin: str) -> str:
    """Return the English name of a place from its pinyin: `Gŭtă Qū` is Guta District."""
    letters = unicodedata.normalize("NFKD", pinyin)
    words = "".join(c for c in letters if not unicodedata.combining(c)).split()
    if words and words[-1] in PLACE_SUFFIXES:
        words[-1] = PLACE_SUFFIXES[words[-1]]
    return " ".join(words)


def _regions(reader: Reader, reference: Path) -> list[Region]:
    english = {
        str(feature["properties"].get("adcode")): place_name(feature["properties"]["pinyin"])
        for feature in read_boundaries(reference)
        if feature["properties"].get("pinyin")
    }
    named = reader.column("r", "region", "region_name_en")
    rows = reader.tuples(
        f"SELECT r.region_code, r.region_name, {named}, r.parent_code, r.kind, r.level FROM region r"
        " ORDER BY region_code"
    )
    codes = {code for code, *_ in rows}
    many = sum(level == "reporting_unit" for *_, level in rows) > MOST_UNITS
    top = next((code for code, _, _, parent, *_ in rows if parent not in codes), None)
    return [
        Region(
            code,
            Text(name, name_en or english.get(code) or _glossed(name, kind)),
            kind,
            is_city=code == top,
            is_unit=level == "reporting_unit" and code != top,
            parent=parent,
            has_page=not many or level != "reporting_unit" or parent in (None, top),
        )
        for code, name, name_en, parent, kind, level in rows
    ]


def _glossed(name: str, kind: str) -> str:
    gloss = REGION_KINDS.get(kind)
    return f"{name} ({gloss})" if gloss else name


def _alike(kind: str) -> str:
    """Return what a kind of unit is compared as; a kind that nobody has placed is compared with its own."""
    return next((group for group, kinds in PEER_KINDS.items() if kind in kinds), kind)


def _both(zh: str | None, en: str | None) -> Text:
    return Text(zh or "", en or zh or "")


_CLAUSES = f"""
SELECT c.clause_id, c.plan_order, c.section, c.indicator_id, c.kind, c.comparator, c.threshold::DOUBLE AS threshold, c.due_year,
       c.effective_from, c.effective_to, CAST(c.scope AS VARCHAR) AS scope,
       coalesce(c.interpretation, false) AS interpretation, c.basis_zh, c.basis_en, c.statement_zh, c.statement_en,
       c.source AS source_zh, {{source_en}} AS source_en,
       i.name_zh, i.name_en, i.unit, i.scale, i.better, i.numerator_zh, i.denominator_zh,
       {{numerator_en}} AS numerator_en, {{denominator_en}} AS denominator_en, i.formula
FROM ({CLAUSE_ORDER}) c JOIN indicator i USING (indicator_id)
ORDER BY c.plan_order
"""

# The year before is what a clause that never falls is held against. Asked for in the join itself, the kind of
# clause would leave the database no equality to join by.
_CELLS = """
WITH held_against AS (
    SELECT c.clause_id, v.region_code, v.year, v.numerator, v.denominator
    FROM indicator_value v JOIN clause c USING (indicator_id) WHERE c.kind = 'never_falls'
)
SELECT a.clause_id, a.region_code, a.year, a.value, a.threshold, a.status,
       a.gap, a.gap_quantity, a.gap_unit, v.numerator, v.denominator, v.value AS indicator_value,
       a.reporting_units, a.expected_units, a.asked, a.answered,
       {coverage_zh} AS coverage_zh, {coverage_en} AS coverage_en, i.scale,
       p.numerator AS numerator_before, p.denominator AS denominator_before
FROM attainment a
JOIN clause c USING (clause_id)
JOIN indicator i ON i.indicator_id = a.indicator_id
LEFT JOIN indicator_value v ON v.indicator_id = a.indicator_id
     AND v.region_code = a.region_code AND v.year = a.year
LEFT JOIN held_against p ON p.clause_id = a.clause_id
     AND p.region_code = a.region_code AND p.year = a.year - 1
WHERE {told}
"""

# Of units that have no page of their own, only the year in focus is told.
_OF_LARGE = """
(a.year = {focus} OR a.region_code IN (SELECT region_code FROM region WHERE level <> 'reporting_unit'))
"""

_RECEIVED_UNTIL = """
SELECT max(received_at) FROM submission WHERE status IN ('accepted', 'accepted_with_warnings')
"""

#: A form's last day is worked out for this year and moved to the others; no leap day is one.
_ANY_YEAR = 2001

# What has not come is late by the day of the publication.
_REPORTING = """
SELECT r.region_code, r.form, r.year, r.expected = 1 AS expected, r.received = 1 AS received,
       r.accepted = 1 AS accepted, coalesce(r.on_time = 1, false) AS on_time, r.last_received_at,
       CASE WHEN r.expected = 1 THEN greatest(0, date_diff('day',
           d.last_day::DATE + to_years((r.year - {any_year})::INTEGER),
           CASE WHEN r.accepted = 1 THEN {received}::DATE
               ELSE (SELECT max(published_at)::DATE FROM publication) END
       ))::INTEGER END AS late_days
FROM reporting r
LEFT JOIN (VALUES {days}) AS d(form, last_day) USING (form)
LEFT JOIN (
    SELECT region_code, form, year, min(received_at) AS received_at FROM submission
    WHERE status IN ('accepted', 'accepted_with_warnings', 'superseded') GROUP BY ALL
) f USING (region_code, form, year)
WHERE {told}
ORDER BY r.year, r.region_code, r.form
"""

_OPEN_FINDINGS = """
SELECT h.region_code, h.year, count(*) FILTER (h.severity = 'error') AS errors,
       count(*) FILTER (h.severity = 'warning') AS warnings, min(p.published_at) AS since
FROM finding_history h LEFT JOIN publication p ON p.publication_id = h.first_publication_id
WHERE h.closed_by IS NULL
GROUP BY ALL ORDER BY ALL
"""

_SIGN_OFFS = """
SELECT region_code, year, count(*) AS submissions, count(*) FILTER (signed) AS signed,
       count(*) FILTER (approved) AS approved
FROM submission WHERE status IN ('accepted', 'accepted_with_warnings') AND year IS NOT NULL
GROUP BY ALL ORDER BY ALL
"""

# Classes are listed largest first; a value that is no number (07:40) leaves the order to the unit.
_SHORTFALL_ORDER = """
TRY_CAST(CAST(f.value AS VARCHAR) AS DOUBLE) DESC NULLS LAST,
f.region_code, f.institution_code, f.sheet, f.row, f.detail_zh
"""

_SHORTFALLS = f"""
SELECT f.clause_id, f.region_code, f.institution_code, f.institution_name, f.detail_zh, {{detail_en}} AS detail_en,
       CAST(f.value AS VARCHAR) AS value, f.sheet, f.row, s.file_name
FROM shortfall f LEFT JOIN submission s USING (submission_id)
WHERE f.year = ?
QUALIFY row_number() OVER (PARTITION BY f.clause_id ORDER BY {_SHORTFALL_ORDER}) <= ?
     OR row_number() OVER (
          PARTITION BY f.region_code ORDER BY f.clause_id, {_SHORTFALL_ORDER}) <= ?
ORDER BY f.clause_id, {_SHORTFALL_ORDER}
"""

_SHORTFALL_TOTALS = """
SELECT clause_id, region_code, count(*) FROM shortfall WHERE year = ? GROUP BY ALL
"""

_SHORTFALL_CSV = f"""
SELECT f.region_code, r.region_name, f.year, f.institution_code, f.institution_name, f.detail_zh,
       CAST(f.value AS VARCHAR), s.file_name, f.sheet, f.row
FROM shortfall f LEFT JOIN submission s USING (submission_id) LEFT JOIN region r
  ON r.region_code = f.region_code
WHERE f.clause_id = ? AND f.year = ?
ORDER BY {_SHORTFALL_ORDER}
"""

_SUBMISSIONS = """
SELECT submission_id, region_code, form, year, file_name, received_at, status,
       rows_read, rows_loaded, rows_returned, rows_ignored, errors, warnings
FROM submission
ORDER BY year DESC NULLS FIRST, region_code, form, received_at DESC, submission_id
LIMIT ?
"""

_OPEN = f"""
FROM finding f
LEFT JOIN submission s USING (submission_id)
LEFT JOIN reporting r ON r.region_code = f.region_code AND r.form = f.form AND r.year = f.year
WHERE {OPEN}
"""

_FINDINGS = (
    """
SELECT f.region_code, f.form, f.severity, f.rule_id, s.file_name, f.sheet, f.cell, f.column_name,
       f.value, f.message_zh, f.message_en, f.cells, {explained} AS explained
"""
    + _OPEN
    + """
  AND (f.year = ? OR f.year IS NULL)
QUALIFY row_number() OVER (PARTITION BY f.region_code ORDER BY f.severity, f.form, f.rule_id,
        f.sheet, f.row, f.cell, f.message_zh) <= ?
ORDER BY f.region_code, f.severity, f.form, f.rule_id, f.sheet, f.row, f.cell, f.message_zh
"""
)

_FINDING_SUMS = (
    """
SELECT f.region_code, f.form, f.year, f.severity, f.rule_id, count(*) AS count,
       coalesce(sum(f.cells), 0)::BIGINT AS cells, count({explained}) AS explained,
       min(f.message_zh) AS example_zh,
       arg_min(f.message_en, concat(f.message_zh, f.message_en)) AS example_en
"""
    + _OPEN
    + """
GROUP BY ALL
ORDER BY f.severity, count(*) DESC, f.rule_id, f.region_code, f.form, f.year
"""
)

_YEAR_ON_YEAR = """
SELECT y.clause_id, y.region_code, y.year, y.units, i.scale, y.value, y.numerator, y.denominator,
       y.previous_value, y.previous_numerator, y.previous_denominator
FROM (SELECT * FROM year_on_year a WHERE {told}) y JOIN indicator i USING (indicator_id)
"""

_OUTLOOK = """
SELECT clause_id, region_code, year, required_value, pace_per_year, projected_due_value,
       projected_year_met, needed_per_year
FROM outlook a WHERE {told}
"""

_STAGES = ", ".join(literal(stage) for stage in STAGES)
_PLACES_AHEAD = f"""
SELECT region_code, stage, year, for_year, enrolment_rate, pupils, places, classes_needed, classes,
       teachers_needed, teachers
FROM places_ahead WHERE year = ?
ORDER BY region_code, list_position([{_STAGES}], stage), for_year
"""
