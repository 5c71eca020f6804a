"""The rows of every form for one made-up unit and year, in the form's own schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, time
from decimal import Decimal
from functools import cached_property
from math import floor
from random import Random

import polars as pl

from transforms.forms import FORMS, packaged_forms
from transforms.sample.enrolment import (
    KindergartenYear,
    SchoolYear,
    kindergartens_of,
    schools_of,
    spread,
)
from transforms.sample.further import completed, frame_of, further_rows
from transforms.sample.roster import Institution, Roster
from transforms.sample.unit import START, Unit

Row = tuple[object, ...]

#: School kinds that teach compulsory stages; only they are asked for after-school service.
_COMPULSORY = frozenset({"小学", "初中", "九年一贯制学校", "十二年一贯制学校", "完全中学"})

#: Spending per pupil in 2018, in yuan, by level.
_COST = {"学前": 4_200, "小学": 11_200, "初中": 15_600, "高中": 13_800, "中职": 14_900}

_ITEMS = (
    ("集团化办学", 2018, 2021),
    ("校外培训机构治理", 2018, 2020),
    ("智慧校园建设", 2019, 2024),
    ("教师周转宿舍建设", 2018, 2022),
)


class UnitYear:
    """What a unit reports for one year; each public method makes the rows of one form."""

    def __init__(self, unit: Unit, roster: Roster, year: int) -> None:
        self.unit = unit
        self.roster = roster
        self.year = year
        self._blank: dict[tuple[bool, str], float] = {}

    @cached_property
    def kindergartens(self) -> list[KindergartenYear]:
        """The kindergartens of the year."""
        return kindergartens_of(self.unit, self.roster, self.year)

    @cached_property
    def schools(self) -> list[SchoolYear]:
        """The schools of the year."""
        return schools_of(self.unit, self.roster, self.year)

    def share(self, matter: str) -> float:
        """Return how far the unit is on ``matter`` this year."""
        return self.unit.share(matter, self.year)

    def case_count(self, matter: str, change: float = 0.93) -> int:
        """Return cases this year: ``change`` a year, 0 for ever in a clean unit and never near 0 else."""
        first = self.unit.cases[matter]
        if not first:
            return 0
        least = 7 * self.unit.scale
        noise = self.unit.draws(matter, self.year).uniform(0.97, 1.03)
        return max(least, round(first * change ** (self.year - START) * noise))

    def frame(self, form: str) -> pl.DataFrame:
        """Return the rows of ``form``, one of those in use."""
        draws = self.unit.draws("further", form, self.year)
        if form not in _MAKERS:
            taught = [(fact.school.code, fact.school.name) for fact in self.schools]
            return frame_of(FORMS[form], further_rows(FORMS[form], taught, self.year, draws))
        made = self._packaged(form)
        of_record = FORMS[form] is packaged_forms()[form]
        return made if of_record else completed(FORMS[form], made, self.year, draws)

    def _packaged(self, form: str) -> pl.DataFrame:
        """Return the rows of a packaged form."""
        schema = packaged_forms()[form].schema
        rows = list(_MAKERS[form](self))
        columns: Iterable[Sequence[object]] = zip(*rows, strict=True) if rows else ()
        if not rows:
            return pl.DataFrame(schema=schema)
        return pl.DataFrame(
            [
                pl.Series(name, values, dtype=dtype, strict=True)
                for (name, dtype), values in zip(schema.items(), columns, strict=True)
            ]
        )

    def kindergarten(self) -> Iterable[Row]:
        """幼儿园基本情况表."""
        places, year = self.roster.places, self.year
        uncovered = round(len(places.towns) * (1 - self.share("towns_covered")))
        without_public = set(places.towns[len(places.towns) - uncovered :])
        for fact in self.kindergartens:
            one = fact.kindergarten
            draws = one.draws
            founded_with_school = one.attached_to is not None
            public = one.place not in without_public and (
                one.central or draws["public"] < self.share("public")
            )
            public = public or founded_with_school
            licensed = public or draws["licensed"] < self.share("licensed")
            inclusive = public or (licensed and draws["inclusive"] < self.share("inclusive"))
            quarter = one.setting == "城区" and draws["quarter"] < 0.18
            ceiling = 300 + 20 * floor(draws["quarter"] * 10)
            if not public:
                ceiling += 200 if inclusive else 500
            fee = ceiling - 10 * floor(draws["governed"] * 9)
            if not public and draws["within_fee"] > self.share("within_fee"):
                fee = ceiling + 80
            # Half of the unlicensed never had a code.
            coded = licensed or draws["governed"] < 0.5
            yield (
                one.code if coded else None,
                one.name,
                places.name(one.place, year),
                one.setting,
                "公办" if public else "民办",
                inclusive,
                licensed,
                quarter,
                self._answer(one, "governed", "governed") if quarter else None,
                Decimal(fee),
                Decimal(ceiling),
                fact.children,
                fact.aged_3_5,
                fact.classes,
                fact.teachers,
                one.attached_to,
                one.founded,
                self._answer(one, "supervisor", "kindergarten_supervisor"),
            )

    def school(self) -> Iterable[Row]:
        """中小学校基本情况表."""
        for fact in self.schools:
            one, draws = fact.school, fact.school.draws
            compulsory = one.kind in _COMPULSORY
            arrival, start = (None, None)
            if compulsory and not self._leaves_out(one, "arrival"):
                arrival, start = self._morning(one)
            boarders = round(sum(fact.pupils) * draws["boarders"]) if one.boarding else None
            yield (
                one.code,
                one.name,
                self.roster.places.name(one.place, self.year),
                one.setting,
                one.kind,
                "民办"
                if one.private or (one.kind == "完全中学" and draws["party"] > 0.5)
                else "公办",
                one.founded,
                *fact.pupils,
                one.boarding,
                boarders,
                self._answer(one, "boarding_standard") if one.boarding else None,
                self._answer(one, "conditions") if compulsory else None,
                arrival,
                start,
                self._evening(one)
                if one.boarding and not self._leaves_out(one, "evening")
                else None,
                self._answer(one, "after_school") if compulsory else None,
                self._answer(one, "supervisor"),
                self._answer(one, "digital"),
                self._answer(one, "cloud"),
                self._answer(one, "mental_health"),
                self._answer(one, "party"),
            )

    def class_(self) -> Iterable[Row]:
        """班级学生数表."""
        for fact in self.schools:
            code, name = fact.school.code, fact.school.name
            for one in fact.classes:
                yield code, name, one.stage, one.grade, f"{one.number}班", one.students

    def population(self) -> Iterable[Row]:
        """学龄人口表."""
        return enumerate(self.unit.population(self.year))

    def finance(self) -> Iterable[Row]:
        """教育经费表: whole hundreds of yuan, so that the levels add up to 合计 exactly."""
        pupils = [sum(f.children for f in self.kindergartens)]
        pupils += [sum(fact.pupils[stage] for fact in self.schools) for stage in range(4)]
        level = self._spending_level()
        rows = [
            (stage, round(cost * level * count / 100), count)
            for (stage, cost), count in zip(_COST.items(), pupils, strict=True)
            if count
        ]
        rows.insert(0, ("合计", sum(r[1] for r in rows), sum(r[2] for r in rows)))
        for stage, hundreds, count in rows:
            yield stage, Decimal(hundreds) / 100, count

    def salary(self) -> Iterable[Row]:
        """工资收入情况表."""
        unit, year = self.unit, self.year
        draws = unit.draws("salary", year)
        teachers = sum(fact.teachers for fact in self.schools)
        civil_servants = round(unit.sizes.people * 62 * unit.scale * draws.uniform(0.99, 1.01))
        civil_pay = 61_000 * 1.055 ** min(max(year - START, -8), 12) * draws.uniform(0.995, 1.005)
        teacher_pay = civil_pay * self.share("pay_ratio") * draws.uniform(0.997, 1.003)
        rural = sum(fact.teachers for fact in self.schools if fact.school.setting == "乡村")
        heads = sum(len(fact.classes) for fact in self.schools)
        yield (
            round(Decimal(teachers * teacher_pay / 10_000), 2),
            teachers,
            round(Decimal(civil_servants * civil_pay / 10_000), 2),
            civil_servants,
            rural,
            _part(rural, self.share("subsidy")),
            heads,
            _part(heads, self.share("allowance")),
        )

    def teacher(self) -> Iterable[Row]:
        """教师队伍情况表."""
        draws = self.unit.draws("teacher", self.year)
        staff = [fact.teachers for fact in self.schools]
        eligible = spread(0.2 * count for count in staff)
        rotated = spread(self.share("rotated") * count for count in eligible)
        trained = spread(self.share("trained") * count for count in staff)
        professional = [
            round(0.55 * fact.teachers) if fact.school.kind == "中等职业学校" else 0
            for fact in self.schools
        ]
        dual = spread(self.share("dual") * count for count in professional)
        # Every other school has a head whose time there is up; some units count them later only.
        asked = self.year >= self.unit.heads_since
        heads = spread(0.5 for _ in staff)
        heads_moved = spread(self.share("heads_rotated") * count for count in heads)
        backbone = spread(0.4 * count for count in rotated)
        weak = spread(self.share("backbone_weak") * count for count in backbone)
        misconduct = _scatter(self.case_count("misconduct", 0.96), len(staff), draws)
        tutoring = _scatter(self.case_count("paid_tutoring"), len(staff), draws)
        for i, fact in enumerate(self.schools):
            yield (
                fact.school.code,
                fact.school.name,
                staff[i],
                eligible[i],
                rotated[i],
                trained[i],
                professional[i],
                dual[i],
                misconduct[i],
                tutoring[i],
                heads[i] if asked else None,
                heads_moved[i] if asked else None,
                backbone[i],
                weak[i],
            )

    def special_group(self) -> Iterable[Row]:
        """特殊群体教育保障表."""
        draws = self.unit.draws("special", self.year)
        pupils = sum(sum(fact.pupils[:2]) for fact in self.schools)
        disabled = round(pupils * 0.0062 * draws.uniform(0.98, 1.02))
        enrolled = self.share("disabled")
        if self.year in self.unit.enrolment_dips:
            enrolled -= 0.025
        migrant = round(pupils * (0.09 if self.unit.urban else 0.02) * draws.uniform(0.97, 1.03))
        left = round(pupils * (0.012 if self.unit.urban else 0.05) * draws.uniform(0.97, 1.03))
        aid = round(pupils * 0.055 * draws.uniform(0.97, 1.03))
        yield (
            disabled,
            _part(disabled, enrolled),
            self.case_count("dropouts", 0.9),
            migrant,
            _part(migrant, self.share("migrant")),
            left,
            _part(left, self.share("left_behind")),
            aid,
            _part(aid, self.share("aid")),
        )

    def vocational(self) -> Iterable[Row]:
        """职业教育情况表."""
        unit, year = self.unit, self.year
        draws = unit.draws("vocational")
        institutions = [f.school for f in self.schools if f.school.kind == "中等职业学校"]
        institutions += self.roster.colleges
        partnerships = max(1, round(unit.cases["partnerships"] / unit.scale) + year - START)
        for one in institutions:
            centre = one.kind == "中等职业学校" and not unit.urban
            city = one.kind == "中等职业学校" and unit.urban
            programmes = draws.randint(14, 22)
            matched = _part(programmes, min(0.95, 0.66 + 0.04 * (year - START)))
            done_in = draws.choice((2020, 2021, 2022, 2023))
            yield (
                one.code,
                one.name,
                "县级职教中心" if centre else "城区中职学校" if city else "高职院校",
                year >= unit.transformed if centre else None,
                year >= done_in if city else None,
                year >= done_in - 1 if city else None,
                partnerships,
                programmes,
                max(programmes // 2, matched),
            )

    def safety(self) -> Iterable[Row]:
        """安全与规范办学表: every school, and every kindergarten that has a code."""
        draws = self.unit.draws("safety", self.year)
        known: list[tuple[object, object]] = [
            (fact.school.code, fact.school.name) for fact in self.schools
        ]
        known += [(row[0], row[1]) for row in self.kindergarten() if row[0]]
        found = [draws.randint(2, 9) for _ in known]
        fixed = spread(self.share("hazards_fixed") * count for count in found)
        bullying = self.case_count("bullying", 0.95)
        reported = _scatter(bullying, len(self.schools), draws)
        handled = spread(self.share("bullying_handled") * count for count in reported)
        nonzero = _scatter(self.case_count("nonzero_start"), len(known), draws)
        admission = _scatter(self.case_count("admission"), len(self.schools), draws)
        for i, (code, name) in enumerate(known):
            school = i < len(self.schools)
            yield (
                code,
                name,
                found[i],
                fixed[i],
                reported[i] if school else 0,
                handled[i] if school else 0,
                nonzero[i],
                admission[i] if school else 0,
            )

    def milestone(self) -> Iterable[Row]:
        """改革事项进展表."""
        unit, year = self.unit, self.year
        draws = unit.draws("milestone")
        started = unit.hiring_starts
        yield self._item(unit.hiring_item, started, started + 3, draws, None)
        projects = max(1, round(unit.cases["exchange"]) + year - START)
        yield self._item("对外交流项目", START - 1, 2026, draws, projects)
        if unit.city_run:
            yield self._item(
                "省内综合排名", START - 1, 2026, draws, max(5, 9 - (year - START) // 2)
            )
        begun = unit.burden_starts
        yield self._item("学业负担监测机制", begun, begun + 2, unit.draws("burden"), None)
        if unit.paju_projects:
            paju = unit.paju_projects + max(0, year - START) // 3
            yield self._item("坡州市交流项目", START - 1, 2026, unit.draws("paju"), paju)
        for item, first, last in _ITEMS:
            yield self._item(item, first, last + draws.choice((0, 0, 1)), draws, None)

    def _item(self, item: str, started: int, done: int, draws: Random, quantity: int | None) -> Row:
        year = self.year
        day = draws.randint(1, 28)
        status = "未启动" if year < started else "进行中" if year < done else "已完成"
        when = None if status == "未启动" else date(min(year, max(done, started)), 9, day)
        document = f"{self.unit.short}教发〔{started}〕{draws.randint(3, 60)}号"
        return (
            item,
            status,
            when,
            None if when is None else document,
            None if quantity is None else Decimal(quantity),
        )

    def _answer(self, one: Institution, matter: str, course: str | None = None) -> bool | None:
        """是 or 否 to a question, None where the institution leaves it out."""
        if self._leaves_out(one, matter):
            return None
        return one.draws[matter] < self.share(course or matter)

    def _leaves_out(self, one: Institution, matter: str) -> bool:
        column = (one.kind == "幼儿园", matter)
        if column not in self._blank:
            self._blank[column] = self.unit.blank(column, self.year)
        return one.draws["blank"] < self._blank[column]

    def _morning(self, one: Institution) -> tuple[time | None, time | None]:
        """Return time to be there, and first lesson: no school that starts too early lets pupils sleep."""
        draw = one.draws["arrival"]
        late = floor(draw * 1000) % 2
        bad_start = draw >= self.share("lesson_start")
        if bad_start or draw >= self.share("arrival"):
            arrival = time(7, 20 + 5 * (floor(draw * 100) % 5))
            return arrival, time(7, 45 + 5 * late) if bad_start else time(8, 0)
        return (time(8, 0), time(8, 15)) if late else (time(7, 50), time(8, 10))

    def _evening(self, one: Institution) -> time:
        if one.kind == "普通高中" or one.draws["evening"] >= self.share("evening"):
            return time(21, 30) if one.draws["evening"] > 0.9 else time(21, 15)
        return time(20, 30) if one.draws["evening"] < 0.5 else time(21, 0)

    def _spending_level(self) -> float:
        """Return spending per pupil as a multiple of 2018's."""
        level = 1.0
        for year in range(START + 1, self.year + 1):
            level *= self._spending_change(year)
        for year in range(self.year + 1, START + 1):
            level /= self._spending_change(year)
        return level * self.unit.draws("cost").uniform(0.9, 1.1)

    def _spending_change(self, year: int) -> float:
        if year in self.unit.spending_falls:
            return 0.965
        return (
            1 + self.unit.spending_growth + self.unit.draws("spending", year).uniform(-0.01, 0.01)
        )


def _part(whole: int, share: float) -> int:
    """``share`` of ``whole``, rounded down: only a full share is everything."""
    return min(whole, floor(whole * share + 1e-9))


def _scatter(cases: int, among: int, draws: Random) -> list[int]:
    """``cases`` fallen by chance on ``among`` institutions."""
    counts = [0] * among
    for index in draws.choices(range(among), k=cases):
        counts[index] += 1
    return counts


_MAKERS: dict[str, Callable[[UnitYear], Iterable[Row]]] = {
    "kindergarten": UnitYear.kindergarten,
    "school": UnitYear.school,
    "class": UnitYear.class_,
    "population": UnitYear.population,
    "finance": UnitYear.finance,
    "salary": UnitYear.salary,
    "teacher": UnitYear.teacher,
    "special_group": UnitYear.special_group,
    "vocational": UnitYear.vocational,
    "safety": UnitYear.safety,
    "milestone": UnitYear.milestone,
}
