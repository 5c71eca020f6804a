"""What a form is: its columns, its keys and the errors that return a submission.

A form is written down once, as a YAML record (:mod:`transforms.forms.records`), and read as a :class:`Form`. The reader, the blank template, the DuckDB table
with its comments, the return sheet and the rule handbook are all made from that one definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property

import polars as pl


class Kind(StrEnum):
    """How the text of a cell is understood; see :mod:`transforms.checks.values` for the grammar."""

    TEXT = "text"
    CODE = "code"
    INT = "int"
    NUMBER = "number"
    BOOL = "bool"
    TIME = "time"
    DATE = "date"
    CHOICE = "choice"
    GRADE = "grade"


#: Money and free quantities: six decimals, so that one fen is exact even when written in 万元.
NUMBER_TYPE = pl.Decimal(18, 6)

POLARS_TYPES: dict[Kind, pl.DataType] = {
    Kind.TEXT: pl.String(),
    Kind.CODE: pl.String(),
    Kind.INT: pl.Int64(),
    Kind.NUMBER: NUMBER_TYPE,
    Kind.BOOL: pl.Boolean(),
    Kind.TIME: pl.Time(),
    Kind.DATE: pl.Date(),
    Kind.CHOICE: pl.String(),
    Kind.GRADE: pl.Int64(),
}

DUCKDB_TYPES: dict[Kind, str] = {
    Kind.TEXT: "VARCHAR",
    Kind.CODE: "VARCHAR",
    Kind.INT: "BIGINT",
    Kind.NUMBER: "DECIMAL(18,6)",
    Kind.BOOL: "BOOLEAN",
    Kind.TIME: "TIME",
    Kind.DATE: "DATE",
    Kind.CHOICE: "VARCHAR",
    Kind.GRADE: "BIGINT",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a form.

    ``unit`` is the unit in which the value is kept (``元/月``, ``万元``); a unit in a submitted
    header or above the table is converted into it. ``low`` and ``high`` bound whole numbers; ``example``
    stands on the example sheet of the template.
    """

    name: str
    header: str
    kind: Kind
    en: str
    aliases: tuple[str, ...] = ()
    required: bool = False
    unit: str | None = None
    choices: tuple[str, ...] = ()
    low: int = 0
    high: int | None = None
    note_zh: str = ""
    example: str | None = None

    @property
    def polars_type(self) -> pl.DataType:
        """The type of its cleaned cells."""
        return POLARS_TYPES[self.kind]

    @property
    def titled(self) -> str:
        """The header as it is printed: with its unit in brackets where it has one."""
        return f"{self.header}({self.unit})" if self.unit else self.header

    @property
    def is_money(self) -> bool:
        """Whether 元 and 万元 in a header or above the table apply to this column."""
        return self.unit is not None and "元" in self.unit


def rule_id(code: str, number: str) -> str:
    """Return the id of a rule: ``KG-E03`` for the form's code KG and the number E03."""
    return f"{code}-{number}"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The wording of one check, the same wherever it is shown.

    ``zh`` and ``en`` may use ``{form}``, ``{column}``, ``{value}``, ``{expected}`` and ``{other}``.
    ``accepted_*`` are reasons for which what is warned of usually stands; an error has none.
    ``code`` is that of the form, or FIL for what concerns a whole file; a rule as the record of a form
    has it has none yet (:mod:`transforms.checks.rules` gives it the form's).
    """

    number: str
    severity: str
    zh: str
    en: str
    remedy_zh: str
    remedy_en: str
    reason_zh: str
    reason_en: str
    example: str
    code: str = ""
    accepted_zh: str = ""
    accepted_en: str = ""

    @property
    def id(self) -> str:
        """``KG-E03``: stable for ever and never given to another rule."""
        return rule_id(self.code, self.number)


@dataclass(frozen=True, kw_only=True)
class RowCheck:
    """An error that one row shows by itself: ``bad`` is true where the row breaks the rule.

    ``columns`` are the cells that the finding marks, the first of them being its place.
    """

    rule: Rule
    columns: tuple[str, ...]
    bad: pl.Expr


@dataclass(frozen=True, kw_only=True)
class TotalCheck:
    """An error of a table in which one row must be the sum of the others.

    The row whose ``label`` is ``total`` must exist (``absent`` where it does not) and its
    ``amount`` must be the sum of the amounts of all other rows, to ``tolerance`` (same unit as the
    column).
    """

    rule: Rule
    absent: Rule
    label: str
    total: str
    amount: str
    tolerance: str


@dataclass(frozen=True)
class Deadline:
    """When a form can be handed in, and when it is late, in China.

    It is due on ``month`` and ``day`` so many years after the statistical one (most forms are of the
    state in autumn and due in the same year, those of a calendar year when it is over), and in time
    until ``grace_days`` later. ``opens`` (month, day) is from when it can be handed in; None for always.
    """

    years_after: int
    month: int
    day: int
    grace_days: int = 0
    opens: tuple[int, int] | None = None

    def due(self, year: int) -> date:
        """Return the day on which the form of the statistical ``year`` is due."""
        return date(year + self.years_after, self.month, self.day)

    def opens_on(self, year: int) -> date | None:
        """Return from which day on the form of the statistical ``year`` can be handed in; None for always.

        It is the last such day before it is due.
        """
        if self.opens is None:
            return None
        due = self.due(year)
        this_year = date(due.year, *self.opens)
        return this_year if this_year <= due else date(due.year - 1, *self.opens)

    def is_open(self, year: int, today: date) -> bool:
        """Return whether the form of ``year`` can be handed in ``today``."""
        opens = self.opens_on(year)
        return opens is None or today >= opens

    def last_day(self, year: int) -> date:
        """Return the last day on which it is in time."""
        return self.due(year) + timedelta(self.grace_days)


@dataclass(frozen=True, kw_only=True)
class Form:
    """One of the forms that reporting units hand in.

    ``key`` names the columns that together identify a row; an empty key means that exactly one
    row belongs in a submission. ``code`` is the prefix of the form's rule ids, ``order`` its place where
    forms are listed.
    """

    name: str
    code: str
    zh: str
    en: str
    each_row_is_a: str
    row_zh: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    row_checks: tuple[RowCheck, ...] = ()
    total_checks: tuple[TotalCheck, ...] = ()
    totals_are_data: bool = False
    deadline: Deadline = Deadline(0, 10, 31)
    order: int = 100

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}

    @cached_property
    def required(self) -> tuple[Column, ...]:
        """The columns that every submission must have."""
        return tuple(column for column in self.columns if column.required)

    @cached_property
    def schema(self) -> dict[str, pl.DataType]:
        """The Polars types of the cleaned columns, in the form's order."""
        return {column.name: column.polars_type for column in self.columns}
