"""Who learns where: the children, classes and teachers of every institution in one year.

A unit's pupils come from its population; they are shared out among its institutions by weight, so
that the sums hold and no unit jumps, whatever opens or closes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor
from random import Random

from transforms.sample.roster import STAGES, Institution, Roster
from transforms.sample.unit import Unit

#: Name, first grade and number of grades of the stages that have classes.
CLASS_STAGES = (("小学", 1, 6), ("初中", 7, 3), ("高中", 10, 3))

#: Largest class of an ordinary school, below the 45 and 50 that the plan asks for.
_ORDINARY = {"小学": 41, "初中": 46, "高中": 52}
#: Largest class of a school that is over the plan's size but has no large classes (56 and more).
_OVER = {"小学": 53, "初中": 55, "高中": 55}


@dataclass(slots=True)
class SchoolClass:
    """One class: 小学, 初中 or 高中, grade 1 to 12, its number within the grade, its pupils."""

    stage: str
    grade: int
    number: int
    students: int


@dataclass(slots=True)
class SchoolYear:
    """A school in one year; ``pupils`` are primary, junior, senior and vocational."""

    school: Institution
    pupils: tuple[int, int, int, int]
    classes: list[SchoolClass]
    teachers: int


@dataclass(slots=True)
class KindergartenYear:
    """A kindergarten in one year."""

    kindergarten: Institution
    children: int
    aged_3_5: int
    classes: int
    teachers: int


def spread(amounts: Iterable[float]) -> list[int]:
    """Whole numbers beside ``amounts`` whose running sum is never more than a half away.

    Each is its amount rounded up or down, so a part of a whole stays one.
    """
    result, exact, given = [], 0.0, 0
    for amount in amounts:
        exact += amount
        upto = floor(exact + 0.5)
        result.append(upto - given)
        given = upto
    return result


def kindergartens_of(unit: Unit, roster: Roster, year: int) -> list[KindergartenYear]:
    """The kindergartens open in ``year`` with their children."""
    draws = unit.draws("kindergartens", year)
    there = [one for one in roster.kindergartens if one.open_in(year)]
    total = unit.enrolment(year)[0]
    facts = []
    for one, children in zip(there, _share_out(there, total, 8, draws), strict=True):
        classes = max(1, ceil(children / 27))
        facts.append(
            KindergartenYear(
                one,
                children,
                floor(children * draws.uniform(0.94, 1.0)),
                classes,
                max(1, round(classes * draws.uniform(1.5, 2.0))),
            )
        )
    return facts


def schools_of(unit: Unit, roster: Roster, year: int) -> list[SchoolYear]:
    """The schools open in ``year`` with their pupils and classes."""
    draws = unit.draws("schools", year)
    there = [one for one in roster.schools if one.open_in(year)]
    pupils = {one.code: [0, 0, 0, 0] for one in there}
    for stage, total in enumerate(unit.enrolment(year)[1:]):
        own = [one for one in there if STAGES[one.kind][stage]]
        shares = _share_out(own, total, 24, draws, stage)
        for one, count in zip(own, shares, strict=True):
            pupils[one.code][stage] = count
    facts = []
    for one in there:
        if one.kind == "特殊教育学校":
            # Its pupils are counted with the compulsory stages, in classes of eight to twelve.
            pupils[one.code][0] = draws.randint(50, 56)
        primary, junior, senior, vocational = pupils[one.code]
        classes = list(_classes(unit, one, (primary, junior, senior), year, draws))
        teachers = primary / 16 + junior / 12 + (senior + vocational) / 12.5
        if one.kind == "特殊教育学校":
            teachers = primary / 4
        facts.append(
            SchoolYear(
                one,
                (primary, junior, senior, vocational),
                classes,
                max(4, round(teachers * draws.uniform(0.96, 1.04))),
            )
        )
    return facts


def _share_out(
    group: Sequence[Institution],
    total: float,
    least: int,
    draws: Random,
    stage: int | None = None,
) -> list[int]:
    """``total`` shared among ``group`` by weight, with a little change from year to year."""
    weights = [
        one.weight * draws.uniform(0.96, 1.04) * (1.0 if stage is None else STAGES[one.kind][stage])
        for one in group
    ]
    all_weights = sum(weights)
    return [max(least, count) for count in spread(total * w / all_weights for w in weights)]


def _classes(
    unit: Unit, school: Institution, pupils: Sequence[int], year: int, draws: Random
) -> Iterable[SchoolClass]:
    for (stage, first, grades), count in zip(CLASS_STAGES, pupils, strict=True):
        if not count:
            continue
        cohorts = spread(_parts(count, grades, draws))
        for grade, cohort in enumerate(cohorts, first):
            sections = _sections(unit, school, stage, cohort, year)
            sizes = _even(cohort, sections)
            for number, students in enumerate(sizes, 1):
                yield SchoolClass(stage, grade, number, students)


def _parts(count: int, parts: int, draws: Random) -> list[float]:
    shares = [draws.uniform(0.95, 1.05) for _ in range(parts)]
    return [count * share / sum(shares) for share in shares]


def _sections(unit: Unit, school: Institution, stage: str, cohort: int, year: int) -> int:
    """How many classes a grade of ``cohort`` pupils has in this school and year."""
    if school.kind == "特殊教育学校":
        return max(1, round(cohort / 9))
    crowding = school.draws.get("crowding", 0.0)
    if crowding > unit.share("not_large", year):
        return max(1, ceil(cohort / 68), cohort // 57)
    if crowding > unit.share("not_over", year):
        return max(1, ceil(cohort / _OVER[stage]))
    return max(1, ceil(cohort / _ORDINARY[stage]))


def _even(count: int, parts: int) -> list[int]:
    whole, rest = divmod(count, parts)
    return [whole + (i < rest) for i in range(parts)]
