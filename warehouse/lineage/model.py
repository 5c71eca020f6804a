"""What an explanation says: a published figure, and all that it was made from.

Plain frozen records, so that a terminal page and JSON are two renderings of the same thing
(:mod:`flows.terminal.lineage`); :mod:`warehouse.lineage.figure` makes them. Field names are those of the
published tables. Sentences and wordings come in Chinese (``zh``) and English (``en``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

PartName = Literal["numerator", "denominator", "share"]


@dataclass(frozen=True)
class Remark:
    """Something one must know about the figure, in both languages."""

    zh: str
    en: str


@dataclass(frozen=True)
class Verdict:
    """What a clause says of the figure; ``value`` and ``threshold`` are those that were judged.

    ``asked`` and ``answered`` count the rows that a question is put to and those that answer it.
    ``coverage`` says what is missing behind the verdict, ``against`` that most units are not as the
    region is, ``turning`` that single institutions alone turn the verdict; None where there is nothing
    to say.
    """

    clause_id: str
    statement_zh: str
    statement_en: str
    kind: str
    comparator: str | None
    threshold: float | None
    due_year: int | None
    interpretation: bool
    basis_zh: str | None
    basis_en: str | None
    source: str
    source_en: str | None
    status: str
    value: float | None
    gap: float | None
    gap_quantity: Decimal | None
    gap_unit: str | None
    asked: int | None
    answered: int | None
    coverage: Remark | None
    against: Remark | None
    turning: Remark | None


@dataclass(frozen=True)
class Contribution:
    """What one unit has to do with the figure of a region above it.

    ``expected`` is false for a unit of which no form that the indicator needs is expected.
    ``enters`` is false for a unit that has not handed in all of them: its figures are shown, but are
    no part of the sum.
    """

    region_code: str
    region_name: str
    numerator: Decimal | None
    denominator: Decimal | None
    value: float | None
    expected: bool
    enters: bool


@dataclass(frozen=True)
class Range:
    """The cells of one column, from the first row used to the last; None if the column is not there.

    Amounts of money: ``submitted_in`` is the unit they were written in, ``kept_in`` the one they
    were converted into.
    """

    column: str
    header: str
    cells: str | None
    submitted_in: str | None
    kept_in: str | None


@dataclass(frozen=True)
class SheetUsed:
    """One sheet of a submission and the cells in it that the figure rests on."""

    sheet: str
    ranges: tuple[Range, ...]


@dataclass(frozen=True)
class SubmissionUsed:
    """A submission in force behind the figure; times are UTC, ``path`` is below the inbox."""

    submission_id: str
    region_code: str
    region_name: str
    form: str
    form_zh: str
    year: int
    file_name: str
    path: str | None
    sha256: str
    received_at: datetime
    status: str
    sheets: tuple[SheetUsed, ...]


@dataclass(frozen=True)
class Version:
    """An accepted version of a form behind the figure, and the time in which it holds; UTC.

    ``in_force_until`` is when the next version was received, None for the one in force.
    """

    region_code: str
    region_name: str
    form: str
    form_zh: str
    year: int
    submission_id: str
    file_name: str
    sha256: str
    in_force_from: datetime
    in_force_until: datetime | None


@dataclass(frozen=True)
class Cell:
    """A cell of a row and what was understood from it; ``cell`` is None if the column is not there.

    ``value`` is in ``unit``, where the column has one, whatever unit the cell was written in.
    """

    column: str
    header: str
    cell: str | None
    value: str | None
    unit: str | None


@dataclass(frozen=True)
class Row:
    """One row behind a figure: an institution, a class, a year of age, a township.

    ``contribution`` is what it adds to the part. In a share ``counted`` says whether it is in the
    numerator too. A township of the reference list stands in no file.
    """

    region_code: str
    institution_code: str | None
    institution_name: str | None
    label: str
    contribution: Decimal | None
    counted: bool | None
    submission_id: str | None
    file_name: str | None
    sheet: str | None
    row: int | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class RowList:
    """The rows of a part, the weightiest first, cut off after the number asked for.

    A ``share`` lists the rows of both its parts: first the kind that keeps the indicator from its
    aim (large classes, schools that begin too early), the worst of them first. ``total`` and
    ``counted`` count all rows, ``unanswered`` those that left the cell blank and are in neither part.
    """

    part: PartName
    zh: str
    en: str
    total: int
    counted: int | None
    unanswered: int | None
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Missing:
    """A form that is expected of a unit and not in force; ``returned`` names files sent back."""

    region_code: str
    region_name: str
    form: str
    form_zh: str
    year: int
    returned: tuple[str, ...]


@dataclass(frozen=True)
class FindingShown:
    """A finding on a submission behind the figure, or on a returned one in the place of a missing.

    ``touches`` says whether it is about a column that the figure rests on.
    """

    submission_id: str
    file_name: str | None
    region_code: str | None
    form: str | None
    severity: str
    rule_id: str
    sheet: str | None
    cell: str | None
    column_name: str | None
    message_zh: str
    message_en: str
    cells: int
    touches: bool
    explained: str | None


@dataclass(frozen=True)
class PastChange:
    """A publication that changed the figure or its verdict, and what made it."""

    publication_id: str
    published_at: datetime
    old_value: float | None
    new_value: float | None
    old_status: str | None
    new_status: str | None
    submission_id: str | None
    file_name: str | None
    cause: Literal["submission", "plan", "code"] | None


@dataclass(frozen=True)
class Explanation:
    """All that there is to say about one published figure.

    ``formula_sql`` is evaluated for every unit; the city's numerator and denominator are the sums
    over the units that enter. ``history`` starts with the earliest change; the figure as it is has
    stood since the publication ``since``.
    """

    publication_id: str
    published_at: datetime
    indicator_id: str
    name_zh: str
    name_en: str
    unit: str
    scale: int
    better: str
    region_code: str
    region_name: str
    year: int
    formula_zh: str
    formula_en: str
    formula_sql: str
    numerator_zh: str
    numerator_en: str
    denominator_zh: str | None
    denominator_en: str | None
    numerator: Decimal | None
    denominator: Decimal | None
    value: float | None
    reporting_units: int
    expected_units: int
    verdicts: tuple[Verdict, ...]
    remarks: tuple[Remark, ...]
    contributions: tuple[Contribution, ...]
    missing: tuple[Missing, ...]
    submissions: tuple[SubmissionUsed, ...]
    versions: tuple[Version, ...]
    rows: tuple[RowList, ...]
    findings: tuple[FindingShown, ...]
    since: str
    history: tuple[PastChange, ...]
