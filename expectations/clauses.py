"""The plan's clauses: read from YAML, one record each, checked as they are read.

A clause says what an indicator has to reach, by when and on whose word. The suites, the verdicts
and every wording of a clause come from its record in ``plan.yaml`` (or another plan file).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from transforms.definitions import DefinitionError
from transforms.texts import Misfit, Text
from transforms.yaml_records import Place, read_definitions

PLAN = Path(__file__).with_name("plan.yaml")
#: Where the national rule sets stand, a plan file each.
CATALOGUES = Path(__file__).with_name("catalogues")
NATIONAL_RULE_2021 = CATALOGUES / "national-2021.yaml"

Kind = Literal["level", "standing", "never_falls", "milestone", "monitor"]


#: A share of the expected units, from 0 to 1.
Floor = Annotated[Decimal, Field(ge=0, le=1, max_digits=7, decimal_places=6)]


class PlanError(DefinitionError):
    """A plan file cannot be used; the message says which clause and what is wrong."""


class Target(BaseModel):
    """Another threshold of a clause: for a region, for a year, or both.

    Without ``year`` it holds for the region instead of the clause's own (a signed 任务书). With ``year`` it
    is an interim value: in that year the clause is judged by it as in a year in which it is due; without
    ``region_code`` for everybody who has no target of their own for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    region_code: str | None = None
    year: int | None = None
    threshold: Decimal
    source: str

    @model_validator(mode="after")
    def _narrows(self) -> Self:
        if self.region_code is None and self.year is None:
            raise Misfit(
                "一个目标须写明 region_code、year 或两者；请写上其一",
                "a target is for a region_code, a year or both; give one of them",
            )
        return self


class Clause(BaseModel):
    """One commitment of the plan.

    ``comparator`` is ``>=`` or ``<=``; ``threshold`` is in the indicator's unit and exact.
    ``basis`` says where the figure of an interpretation comes from. ``effective_from`` and
    ``effective_to`` are the first and last year (inclusive) for which the clause is in force; in
    all other years it is only monitored. ``replaces`` names an indicator: the clauses of another
    plan about it, under whatever number, end where this one begins. ``coverage_floor`` is the
    share of units below which a region gets no verdict, where it is not that of the plan.
    ``targets`` are other thresholds, of single regions and years. ``judged_at`` says who is judged: every
    region, or the topmost one alone (a count that the city has to reach together; the regions below it are
    monitored, but for those with a target of their own).
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
    source_en: str | None = None
    replaces: str | None = None
    coverage_floor: Floor | None = None
    targets: tuple[Target, ...] = ()
    judged_at: Literal["everywhere", "city"] = "everywhere"

    @property
    def exact_threshold(self) -> Fraction:
        """The threshold as an exact fraction; only for clauses that have one."""
        if self.threshold is None:
            raise PlanError(
                Text(
                    f"条款 {self.clause_id} 没有目标值", f"clause {self.clause_id} has no threshold"
                )
            )
        return Fraction(self.threshold)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        fixed = self.kind in ("level", "standing", "milestone")
        if fixed and self.threshold is None:
            raise Misfit(
                f"{self.kind} 类条款须有 threshold",
                f"a clause of kind {self.kind} needs a threshold",
            )
        if not fixed and self.threshold is not None:
            raise Misfit(
                f"{self.kind} 类条款没有 threshold",
                f"a clause of kind {self.kind} has no threshold",
            )
        if (self.kind == "monitor") != (self.comparator is None):
            raise Misfit(
                "除 monitor 类以外的条款都须有 comparator",
                "every clause but a monitored one needs a comparator",
            )
        if self.kind in ("level", "milestone") and self.due_year is None:
            raise Misfit(
                f"{self.kind} 类条款须有 due_year", f"a clause of kind {self.kind} needs a due_year"
            )
        if self.interpretation and not (self.basis_zh and self.basis_en):
            raise Misfit(
                "解释性的条款须用两种语言写明依据（basis_zh、basis_en）",
                "an interpretation needs its basis, in both languages",
            )
        if self.effective_to is not None and self.effective_to < self.effective_from:
            raise Misfit(
                "effective_to 早于 effective_from", "effective_to lies before effective_from"
            )
        if self.targets and not fixed:
            raise Misfit(
                f"{self.kind} 类条款没有 targets", f"a clause of kind {self.kind} has no targets"
            )
        meant = [(target.region_code, target.year) for target in self.targets]
        if len(set(meant)) < len(meant):
            raise Misfit(
                "有两个目标是同一地区同一年份的；请删去一个",
                "two targets are for the same region and year; take one out",
            )
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
    the one before the first clause holds. A plan that ``extends`` the packaged one has only what is other in
    it (:meth:`over`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan_version: str
    title_zh: str
    title_en: str
    extends: Literal["packaged"] | None = None
    first_year: int | None = None
    coverage_floor: Floor = Decimal("0.8")
    sections: tuple[Section, ...] = ()
    clauses: tuple[Clause, ...] = ()

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

    def problems(self) -> Iterator[tuple[Place, Text]]:
        """Yield what contradicts itself in the plan."""
        if not self.clauses and not self.extends:
            none = Text("规划没有条款；请至少写一条", "the plan has no clause; give at least one")
            yield (), none
        ids: set[str] = set()
        for i, clause in enumerate(self.clauses):
            if clause.clause_id in ids:
                yield (
                    ("clauses", i),
                    Text(
                        "这个条款号用了两次；请改其中一个",
                        "the clause stands there twice; give one of them another id",
                    ),
                )
            ids.add(clause.clause_id)
        numbers: set[int] = set()
        for i, section in enumerate(self.sections):
            if section.section in numbers:
                yield (
                    ("sections", i),
                    Text(
                        "这个领域写了两次；请删去一处",
                        "the section stands there twice; take one out",
                    ),
                )
            numbers.add(section.section)
        if numbers and not self.extends:
            for i, clause in enumerate(self.clauses):
                if clause.section not in numbers:
                    yield (
                        ("clauses", i, "section"),
                        Text(
                            f"领域 {clause.section} 没有名称；请加到 sections 中",
                            f"the section {clause.section} has no name; add it to sections",
                        ),
                    )

    def over(self, packaged: Plan) -> Plan:
        """Return this plan laid over ``packaged``: its clauses and sections instead of those of the same id."""
        clauses = {clause.clause_id: clause for clause in (*packaged.clauses, *self.clauses)}
        sections = {one.section: one for one in (*packaged.sections, *self.sections)}
        given = self.model_fields_set
        return self.model_copy(
            update={
                "clauses": tuple(clauses.values()),
                "sections": tuple(sections[number] for number in sorted(sections)),
                "first_year": self.first_year if "first_year" in given else packaged.first_year,
                "coverage_floor": self.coverage_floor
                if "coverage_floor" in given
                else packaged.coverage_floor,
                "extends": None,
            }
        )

    def with_rules(self, other: Plan) -> Plan:
        """Return this plan with the clauses of ``other`` beside it; what they replace ends before them.

        A clause that replaces what this plan does not have stands for itself.

        Raises:
            PlanError: a clause stands in both, or begins before one that it replaces.
        """
        mine = {clause.clause_id: clause for clause in self.clauses}
        for clause in other.clauses:
            if clause.clause_id in mine:
                raise PlanError(
                    Text(
                        f"条款 {clause.clause_id} 在两份规划中都有",
                        f"clause {clause.clause_id} stands in both plans",
                    )
                )
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
        raise PlanError(
            Text(
                f"条款 {new.clause_id} 代替 {old.clause_id}，却在它之前开始",
                f"clause {new.clause_id} begins before {old.clause_id}, which it replaces",
            )
        )
    return old.model_copy(update={"effective_to": min(end, old.effective_to or end)})


def load_plan(file: Path = PLAN) -> Plan:
    """Return the plan in ``file``.

    Raises:
        PlanError: the file is missing, is no YAML, or a clause in it is not well formed.
    """
    try:
        return _packaged() if file == PLAN else read_definitions(file, Plan)
    except DefinitionError as error:
        raise PlanError(error.problems) from None


@cache
def _packaged() -> Plan:
    """Return the plan of the package; much is held against it, and its file is read once."""
    return read_definitions(PLAN, Plan)


def catalogues() -> dict[str, Path]:
    """Return the national rule sets that come with the package, files by their names."""
    return {file.stem: file for file in sorted(CATALOGUES.glob("*.yaml"))}
