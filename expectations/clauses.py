"""The plan's clauses: read from YAML, one record each, checked as they are read.

A clause says what an indicator has to reach, by when and on whose word. The suites, the verdicts
and every wording of a clause come from its record in ``plan.yaml`` (or another plan file).
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

PLAN = Path(__file__).with_name("plan.yaml")
NATIONAL_RULE_2021 = Path(__file__).with_name("national_2021.yaml")

Kind = Literal["level", "standing", "never_falls", "milestone", "monitor"]


#: A share of the expected units, from 0 to 1.
Floor = Annotated[Decimal, Field(ge=0, le=1, max_digits=7, decimal_places=6)]


class PlanError(Exception):
    """A plan file cannot be used; the message says which clause and what is wrong."""


class Clause(BaseModel):
    """One commitment of the plan.

    ``comparator`` is ``>=`` or ``<=``; ``threshold`` is in the indicator's unit and exact.
    ``basis`` says where the figure of an interpretation comes from. ``effective_from`` and
    ``effective_to`` are the first and last year (inclusive) for which the clause is in force; in
    all other years it is only monitored. ``replaces`` names an indicator: the clauses of another
    plan about it, under whatever number, end where this one begins. ``coverage_floor`` is the
    share of units below which a region gets no verdict, where it is not that of the plan.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    clause_id: str
    indicator_id: str
    section: int
    kind: Kind
    comparator: Literal[">=", "<="] | None = None
    threshold: Decimal | None = None
    due_year: int | None = None
    effective_from: int
    effective_to: int | None = None
    interpretation: bool = False
    basis_zh: str | None = None
    basis_en: str | None = None
    statement_zh: str
    statement_en: str
    source: str
    replaces: str | None = None
    coverage_floor: Floor | None = None

    @property
    def exact_threshold(self) -> Fraction:
        """The threshold as an exact fraction; only for clauses that have one."""
        if self.threshold is None:
            raise PlanError(f"clause {self.clause_id} has no threshold")
        return Fraction(self.threshold)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        fixed = self.kind in ("level", "standing", "milestone")
        if fixed and self.threshold is None:
            raise ValueError(f"a clause of kind {self.kind} needs a threshold")
        if not fixed and self.threshold is not None:
            raise ValueError(f"a clause of kind {self.kind} has no threshold")
        if (self.kind == "monitor") != (self.comparator is None):
            raise ValueError("every clause but a monitored one needs a comparator")
        if self.kind in ("level", "milestone") and self.due_year is None:
            raise ValueError(f"a clause of kind {self.kind} needs a due_year")
        if self.interpretation and not (self.basis_zh and self.basis_en):
            raise ValueError("an interpretation needs its basis, in both languages")
        if self.effective_to is not None and self.effective_to < self.effective_from:
            raise ValueError("effective_to lies before effective_from")
        return self


class Section(BaseModel):
    """A field of work of the plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    section: int
    name_zh: str
    name_en: str


class Plan(BaseModel):
    """A plan file: its version, its fields of work and its clauses.

    A region above the units gets no verdict while fewer than ``coverage_floor`` of the units
    expected enter its figure. ``first_year`` is the first one of which anything is published; without it
    the one before the first clause holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan_version: str
    title_zh: str
    title_en: str
    first_year: int | None = None
    coverage_floor: Floor = Decimal("0.8")
    sections: tuple[Section, ...] = ()
    clauses: tuple[Clause, ...]

    @property
    def begins(self) -> int:
        """The first year published."""
        if self.first_year is not None:
            return self.first_year
        return min(clause.effective_from for clause in self.clauses) - 1

    def floor_of(self, clause: Clause) -> Decimal:
        """Return the share of units that must enter a region's figure for a verdict on ``clause``."""
        floor = clause.coverage_floor
        return self.coverage_floor if floor is None else floor

    @model_validator(mode="after")
    def _unique(self) -> Self:
        ids = [clause.clause_id for clause in self.clauses]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"clause {', '.join(twice)} stands there twice")
        if not ids:
            raise ValueError("the plan has no clause")
        numbers = [section.section for section in self.sections]
        again = sorted({number for number in numbers if numbers.count(number) > 1})
        if again:
            raise ValueError(f"section {', '.join(map(str, again))} stands there twice")
        if numbers:
            for clause in self.clauses:
                if clause.section not in numbers:
                    raise ValueError(
                        f"clause {clause.clause_id} is in section {clause.section}, which has no name"
                    )
        return self

    def with_rules(self, other: Plan) -> Plan:
        """Return this plan with the clauses of ``other`` beside it; what they replace ends before them.

        A clause that replaces what this plan does not have stands for itself.

        Raises:
            PlanError: a clause stands in both, or begins before one that it replaces.
        """
        mine = {clause.clause_id: clause for clause in self.clauses}
        for clause in other.clauses:
            if clause.clause_id in mine:
                raise PlanError(f"clause {clause.clause_id} stands in both plans")
            for old in self.clauses:
                if old.indicator_id == clause.replaces:
                    mine[old.clause_id] = _ended(old, clause)
            mine[clause.clause_id] = clause
        named = {section.section for section in self.sections}
        return self.model_copy(
            update={
                "clauses": tuple(mine.values()),
                "first_year": self.begins,
                "sections": (
                    *self.sections,
                    *(section for section in other.sections if section.section not in named),
                ),
                "plan_version": f"{self.plan_version}+{other.plan_version}",
            }
        )


def _ended(old: Clause, new: Clause) -> Clause:
    """``old`` up to the year before ``new`` takes its place."""
    end = new.effective_from - 1
    if end < old.effective_from:
        raise PlanError(f"clause {new.clause_id} begins before {old.clause_id}, which it replaces")
    return old.model_copy(update={"effective_to": min(end, old.effective_to or end)})


def load_plan(file: Path = PLAN) -> Plan:
    """Return the plan in ``file``.

    Raises:
        PlanError: the file is missing, is no YAML, or a clause in it is not well formed.
    """
    try:
        content = yaml.load(file.read_text("utf-8"), _OnceOnlyLoader)
        return Plan.model_validate(content)
    except OSError as error:
        raise PlanError(f"the plan file {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise PlanError(f"the plan file {file} is not UTF-8: save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise PlanError(f"the plan file {file} is no YAML: {error}") from None
    except ValidationError as error:
        problems = "; ".join(_spell(problem, content) for problem in error.errors())
        raise PlanError(f"the plan file {file} is not well formed: {problems}") from None


class _OnceOnlyLoader(yaml.CSafeLoader):
    """YAML in which a key may stand once: of two thresholds none is silently dropped."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of ``node``, as the base class makes it."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key "{key}" stands twice', node.start_mark
                )
        return super().construct_mapping(node, deep)


def _spell(problem: ErrorDetails, content: object) -> str:
    """Return one thing that is wrong, with the clause it is wrong in."""
    place = [str(part) for part in problem["loc"]]
    if place[:1] == ["clauses"] and len(place) > 1 and isinstance(content, dict):
        clause = content["clauses"][int(place[1])]
        name = clause.get("clause_id") if isinstance(clause, dict) else None
        place = [f"clause {name or 'number ' + str(int(place[1]) + 1)}", *place[2:]]
    message = problem["msg"].removeprefix("Value error, ")
    return f"{' '.join(place)}: {message}" if place else message
