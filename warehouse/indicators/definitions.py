"""The indicators: read from YAML, one record each, and what SQL follows from a record.

An indicator is two parts, a numerator and (unless it is a count) a denominator. A part is one SQL
aggregate over one source: a form as it is in force (in the year itself or an earlier one), or a
named view. The author never writes a
division, a region or a year: the same aggregate is evaluated for every unit, for the city and for
the units that can be compared between two years.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, model_validator

from transforms.forms import FORMS

INDICATORS = Path(__file__).with_name("indicators.yaml")

#: One sum or one count of rows, which may be of some rows only.
_SUM = re.compile(
    r"(?P<total>sum\((?! *DISTINCT\b)(?P<column>.*?)\)|count\(\*\))(?: FILTER \((?P<test>.*)\))?",
    re.DOTALL | re.IGNORECASE,
)
_QUOTED = re.compile(r"'[^']*'")

#: The aggregates of an indicator: numerator, denominator, rows asked, what a gap is divided by.
PartName = Literal["top", "bottom", "asked", "divisor"]


def _is_closed(expression: str) -> bool:
    """Return whether every bracket in an SQL expression is closed in it, and none before it is opened."""
    depth = 0
    for character in _QUOTED.sub("", expression):
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class View(_Record):
    """A source that is more than one form: ``sql`` gives region_code, year and its columns.

    The sources of ``sql`` are the forms in force (``current.<form>``) and the reference tables.
    ``forms`` are the forms without which it says nothing.
    """

    name: str
    forms: tuple[str, ...]
    sql: str


class ClauseScope(_Record):
    """For which regions an indicator is published, and which units it is made of.

    ``kinds`` are kinds of the region list, None for all; ``townships`` leaves the units that have
    townships. A region above the units always has a row, the units only where ``units`` holds.
    """

    scope: str
    kinds: tuple[str, ...] | None = None
    townships: bool = False
    units: bool = True


class Part(_Record):
    """One aggregate: ``value`` over the rows of ``source`` for which ``rows`` holds.

    They are rows of the year itself, or of the year so many ``years_before``.
    """

    source: str
    value: str
    rows: str = "true"
    years_before: NonNegativeInt = 0
    zh: str

    @cached_property
    def sum(self) -> str | None:
        """The aggregate over rows not yet chosen, if a region's is the sum of its units'; else None.

        Such are a single sum and a single count of rows, not what is made of several.
        """
        found = _SUM.fullmatch(self.value)
        if found is None or not all(_is_closed(inner or "") for inner in found.groups()):
            return None
        total, test = found["total"], found["test"]
        rows = f"({self.rows}) AND ({test})" if test else self.rows
        return f"{total} FILTER ({rows})"


class Share(_Record):
    """The usual indicator: of the ``rows`` of ``source`` that answer ``test``, those that pass.

    A row whose ``test`` is unknown, because a cell is blank, is in neither part. ``of_answers``
    marks a share of answers: all ``rows`` are asked, and a verdict stands only where those who left
    the cell blank could not turn it.
    """

    source: str
    rows: str = "true"
    test: str
    of_answers: bool = False
    numerator_zh: str
    denominator_zh: str


class Causes(_Record):
    """The institutions or classes behind an unmet clause: rows of ``source`` with ``rows``.

    ``code``, ``name``, ``detail`` (in Chinese) and ``value`` (text) are SQL expressions; ``each``
    is false where a row is no submitted row and therefore has no file, sheet and row of its own.
    """

    source: str
    rows: str
    code: str = "institution_code"
    name: str = "institution_name"
    detail: str
    value: str = "NULL"
    each: bool = True


class Gap(_Record):
    """In what the way to the threshold is counted.

    The gap in the numerator is divided by ``divide_by`` (an aggregate over the numerator's
    source) and rounded up to a multiple of ``quantum``.
    """

    unit: str
    quantum: Literal["1", "0.01"] = "1"
    divide_by: str | None = None


class Example(_Record):
    """A case worked by hand: rows of forms of one unit and year, and the parts they must give.

    ``earlier`` holds the rows of so many years before. ``asked`` is given for a share of answers.
    """

    given: dict[str, list[dict[str, object]]]
    earlier: dict[PositiveInt, dict[str, list[dict[str, object]]]] = {}
    numerator: str | None
    denominator: str | None = None
    asked: int | None = None


class Indicator(_Record):
    """One indicator, as docs/plan.md, *Clauses*, and its users know it.

    ``scale`` × numerator / denominator is its value, in ``unit``; a count has no denominator.
    ``requires`` is a row that must be there for the form to count as reported (an item of the
    milestone form). ``scope`` names one of the catalogue's scopes. Where only units of some kinds
    report for a region (the city's own schools its rank), these are ``reporters``, and the figure
    is one of the region directly above them, because such figures do not add up.
    """

    indicator_id: str
    section: int
    name_zh: str
    name_en: str
    unit: str
    scale: int = 1
    better: Literal["higher", "lower"]
    scope: str = "all"
    reporters: tuple[str, ...] | None = None
    numerator: Part | None = None
    denominator: Part | None = None
    share: Share | None = None
    requires: str | None = None
    gap: Gap
    causes: Causes | None = None
    examples: tuple[Example, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.share is None) == (self.numerator is None):
            raise ValueError(f"{self.indicator_id}: give either a share or a numerator")
        if self.share is not None and self.denominator is not None:
            raise ValueError(f"{self.indicator_id}: a share has its denominator already")
        if self.denominator is None and self.share is None and self.scale != 1:
            raise ValueError(f"{self.indicator_id}: a count has no scale")
        return self

    @cached_property
    def top(self) -> Part:
        """The numerator."""
        if self.share is None:
            assert self.numerator is not None
            return self.numerator
        return Part(
            source=self.share.source,
            value=f"count(*) FILTER ({self.share.test})",
            rows=self.share.rows,
            zh=self.share.numerator_zh,
        )

    @cached_property
    def bottom(self) -> Part | None:
        """The denominator, None for a count."""
        if self.share is None:
            return self.denominator
        return Part(
            source=self.share.source,
            value=f"count(*) FILTER (({self.share.test}) IS NOT NULL)",
            rows=self.share.rows,
            zh=self.share.denominator_zh,
        )

    @cached_property
    def asked(self) -> Part | None:
        """How many rows a share of answers is asked of, None for what is none."""
        if self.share is None or not self.share.of_answers:
            return None
        return Part(
            source=self.share.source,
            value="count(*)",
            rows=self.share.rows,
            zh=self.share.denominator_zh,
        )

    @cached_property
    def divisor(self) -> Part | None:
        """What the way to the threshold is divided by, None where it is not."""
        if self.gap.divide_by is None:
            return None
        return self.top.model_copy(update={"value": self.gap.divide_by})

    @cached_property
    def parts(self) -> dict[PartName, Part]:
        """All aggregates of the indicator, by name."""
        parts: dict[PartName, Part | None] = {
            "top": self.top,
            "bottom": self.bottom,
            "asked": self.asked,
            "divisor": self.divisor,
        }
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def formula(self) -> str:
        """The formula in one line, for people who read SQL."""

        def spell(part: Part) -> str:
            where = "" if part.rows == "true" else f" WHERE {part.rows}"
            earlier = f" ({part.years_before} YEARS BEFORE)" if part.years_before else ""
            return f"{part.value} FROM {part.source}{earlier}{where}"

        if self.bottom is None:
            return spell(self.top)
        head = "" if self.scale == 1 else f"{self.scale} × "
        return f"{head}[{spell(self.top)}] / [{spell(self.bottom)}]"


class Catalogue(_Record):
    """All indicators, their scopes and the views they are computed from."""

    scopes: tuple[ClauseScope, ...]
    views: tuple[View, ...]
    indicators: tuple[Indicator, ...]

    @model_validator(mode="after")
    def _wired(self) -> Self:
        ids = [indicator.indicator_id for indicator in self.indicators]
        if not ids or len(set(ids)) != len(ids):
            raise ValueError("indicators must be there, and each of them once")
        known = {*FORMS, *(view.name for view in self.views)}
        scopes = {scope.scope for scope in self.scopes}
        for indicator in self.indicators:
            if indicator.scope not in scopes:
                raise ValueError(f"{indicator.indicator_id}: no scope {indicator.scope}")
            for part in (indicator.top, indicator.bottom, indicator.causes):
                if part is not None and part.source not in known:
                    raise ValueError(f"{indicator.indicator_id}: no source {part.source}")
        return self

    @cached_property
    def by_id(self) -> dict[str, Indicator]:
        """The indicators by their ids."""
        return {indicator.indicator_id: indicator for indicator in self.indicators}

    def scope_of(self, indicator: Indicator) -> ClauseScope:
        """Return the scope of an indicator."""
        return next(scope for scope in self.scopes if scope.scope == indicator.scope)

    def forms_of(self, source: str) -> tuple[str, ...]:
        """Return the forms that a source is made of."""
        return next((view.forms for view in self.views if view.name == source), (source,))


def load_catalogue(file: Path = INDICATORS) -> Catalogue:
    """Return the indicators in ``file``; raises pydantic's ValidationError where a record is wrong."""
    return Catalogue.model_validate(yaml.load(file.read_text("utf-8"), yaml.CSafeLoader))
