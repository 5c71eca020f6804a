"""Who learns where: the children, classes and teachers of every institution in one year.

A unit's pupils come from its population, grade by grade; they are shared out among its institutions
by weight, so that the sums hold and no unit jumps, whatever opens or closes. What a school has of a
grade's pupils it keeps as they move up.
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
    """Return whole numbers beside ``amounts`` whose running sum is never more than a half away.

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
    """Return the kindergartens open in ``year`` with their children."""
    draws = unit.draws("kindergartens", year)
    there = [one for one in roster.kindergartens if one.open_in(year)]
    total = unit.enrolment(year)[0]
    facts = []
    weights = [one.weight * draws.uniform(0.96, 1.04) for one in there]
    for one, children in zip(there, _share_out(weights, total, 8), strict=True):
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
    """Return the schools open in ``year`` with their pupils and classes."""
    draws = unit.draws("schools", year)
    there = [one for one in roster.schools if one.open_in(year)]
    grades: dict[str, dict[int, int]] = {one.code: {} for one in there}
    for stage, (_, first, count) in enumerate(CLASS_STAGES):
        own = [one for one in there if STAGES[one.kind][stage]]
        for grade in range(first, first + count):
            cohort = unit.draws("cohort", stage, year - grade)
            # Drawn for all that ever are, so that none changes because another opens or closes.
            noise = {one.code: cohort.uniform(0.96, 1.04) for one in roster.schools}
            weights = [one.weight * STAGES[one.kind][stage] * noise[one.code] for one in own]
            shares = _share_out(weights, unit.grade(grade, year), 24 // count)
            for one, pupils in zip(own, shares, strict=True):
                grades[one.code][grade] = pupils
    own = [one for one in there if STAGES[one.kind][3]]
    weights = [one.weight * STAGES[one.kind][3] * draws.uniform(0.96, 1.04) for one in own]
    shares = _share_out(weights, unit.enrolment(year)[1], 24)
    vocational = {one.code: pupils for one, pupils in zip(own, shares, strict=True)}
    return [
        _school_year(unit, one, year, grades[one.code], vocational.get(one.code, 0), draws)
        for one in there
    ]


def _school_year(
    unit: Unit,
    school: Institution,
    year: int,
    grades: dict[int, int],
    vocational: int,
    draws: Random,
) -> SchoolYear:
    special = school.kind == "特殊教育学校"
    if special:
        # Its pupils are counted with the compulsory stages, in classes of eight to twelve.
        grades = dict(enumerate(_even(draws.randint(50, 56), 6), 1))
    primary, junior, senior = (
        sum(grades.get(grade, 0) for grade in range(first, first + count))
        for _, first, count in CLASS_STAGES
    )
    teachers = primary / 16 + junior / 12 + (senior + vocational) / 12.5
    if special:
        teachers = primary / 4
    return SchoolYear(
        school,
        (primary, junior, senior, vocational),
        list(_classes(unit, school, grades, year)),
        max(4, round(teachers * draws.uniform(0.96, 1.04))),
    )


def _share_out(weights: Sequence[float], total: float, least: int) -> list[int]:
    """``total`` shared among institutions of these ``weights``, none of which has fewer than ``least``."""
    all_weights = sum(weights)
    return [max(least, count) for count in spread(total * w / all_weights for w in weights)]


def _classes(
    unit: Unit, school: Institution, grades: dict[int, int], year: int
) -> Iterable[SchoolClass]:
    for stage, first, count in CLASS_STAGES:
        for grade in range(first, first + count):
            cohort = grades.get(grade, 0)
            if not cohort:
                continue
            sections = _sections(unit, school, stage, cohort, year)
            for number, students in enumerate(_even(cohort, sections), 1):
                yield SchoolClass(stage, grade, number, students)


def _sections(unit: Unit, school: Institution, stage: str, cohort: int, year: int) -> int:
    """Return how many classes a grade of ``cohort`` pupils has in this school and year."""
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
