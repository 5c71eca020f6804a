"""What each made-up reporting unit is like: how large it is and how its figures move.

The ten units of Jinzhou have sizes of their own (roughly those of the real place, in round
numbers); a unit of any other region list gets the sizes of a county or of an urban district.
Whether a unit leads, keeps pace or lags on one matter is drawn from the seed and its region code
alone, so that a unit's rows never depend on which other units or years were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from transforms.forms import FORMS

#: The year in which every course starts: the last one before the plan.
START = 2018

#: Ages of the stages, as slices of the population by single year of age.
KINDERGARTEN_AGES = slice(3, 6)
SENIOR_AGES = slice(15, 18)

_PEOPLE_PER_SIZE = 120  # children of one age for every 10,000 people
_CITY = "210700"


def rng(*parts: object) -> Random:
    """Return a generator that depends on ``parts`` alone, the same in every process."""
    return Random("-".join(str(part) for part in parts))


@dataclass(frozen=True)
class Course:
    """A figure that moves in a straight line from 2018 to ``reached`` and then holds."""

    start: float
    end: float
    reached: int

    def at(self, year: int) -> float:
        """Return the figure in ``year``."""
        way = (year - START) / (self.reached - START)
        return self.start + (self.end - self.start) * min(max(way, 0.0), 1.0)


@dataclass(frozen=True)
class Sizes:
    """How many institutions of each kind a unit has, and how many pupils.

    ``people`` is in 10,000; a unit that has no residents of its own (the city's own schools)
    states its ``pupils`` instead: kindergarten, primary, junior, senior, vocational.
    """

    people: float
    kindergartens: int
    primary: int
    nine_year: int
    junior: int
    twelve_year: int = 0
    senior: int = 0
    complete: int = 0
    vocational: int = 0
    colleges: int = 0
    special: int = 0
    rates: tuple[float, float, float, float] = (0.985, 0.985, 0.55, 0.25)
    pupils: tuple[int, int, int, int, int] | None = None


_DISTRICT = (0.93, 0.80, 0.20, 0.0)

_JINZHOU: Mapping[str, Sizes] = {
    "210701": Sizes(0, 9, 4, 1, 6, 1, 11, 1, 6, 1, 1, pupils=(1_700, 5_900, 8_800, 26_000, 18_500)),
    "210702": Sizes(24, 80, 18, 3, 6, special=1, rates=(0.93, 0.80, 0.0, 0.0)),
    "210703": Sizes(35, 110, 24, 4, 8, complete=1, special=1, rates=_DISTRICT),
    "210711": Sizes(25, 90, 30, 5, 7, twelve_year=1, rates=_DISTRICT),
    "210726": Sizes(55, 166, 80, 14, 18, 0, 4, 1, 1, special=1),
    "210727": Sizes(38, 130, 62, 13, 12, 0, 3, 0, 1, special=1),
    "210781": Sizes(45, 146, 66, 14, 15, 0, 3, 1, 1, special=1),
    "210782": Sizes(46, 155, 68, 12, 15, 1, 3, 0, 1, special=1),
    "210791": Sizes(10, 36, 10, 3, 3, rates=(0.95, 0.85, 0.0, 0.0)),
    "210792": Sizes(8, 30, 10, 3, 2, rates=(0.95, 0.85, 0.0, 0.0)),
}
_COUNTY = Sizes(42, 130, 64, 12, 14, 0, 3, 1, 1, special=1)
_URBAN = Sizes(30, 92, 24, 4, 7, 0, 2, 1, 1, special=1, rates=(0.985, 0.985, 0.60, 0.30))

#: Where each figure of a unit that keeps pace starts in 2018 and ends in 2022.
_COURSES: Mapping[str, tuple[float, float]] = {
    "preschool": (0.79, 0.925),
    "senior": (1.0, 1.05),
    "public": (0.34, 0.56),
    "inclusive": (0.62, 0.88),
    "licensed": (0.93, 1.0),
    "within_fee": (0.96, 1.0),
    "governed": (0.60, 1.0),
    "arrival": (0.78, 1.0),
    "lesson_start": (0.86, 1.0),
    "evening": (0.75, 1.0),
    "after_school": (0.52, 0.96),
    "mental_health": (0.42, 0.76),
    "not_large": (0.78, 1.0),
    "not_over": (0.55, 0.97),
    "boarding_standard": (0.80, 1.0),
    "conditions": (0.80, 1.0),
    "disabled": (0.93, 0.985),
    "aid": (0.985, 1.0),
    "supervisor": (0.86, 1.0),
    "digital": (0.56, 0.84),
    "cloud": (0.38, 0.80),
    "party": (0.80, 0.97),
    "hazards_fixed": (0.955, 1.0),
    "bullying_handled": (0.90, 1.0),
    "pay_ratio": (0.945, 1.035),
    "subsidy": (0.96, 1.0),
    "allowance": (0.97, 1.0),
    "towns_covered": (0.76, 1.0),
    "migrant": (0.86, 0.95),
    "left_behind": (0.84, 0.97),
    "rotated": (0.52, 0.80),
    "trained": (0.055, 0.085),
    "dual": (0.44, 0.60),
}

#: Drawn after the others, so that what they are does not change those.
_LATER_COURSES: Mapping[str, tuple[float, float]] = {
    "kindergarten_supervisor": (0.78, 1.0),
    "heads_rotated": (0.60, 0.80),
    "backbone_weak": (0.52, 0.55),
}

_SLOW = frozenset(
    {"rotated", "trained", "dual", "senior", "preschool", "heads_rotated", "backbone_weak"}
)

#: How a unit does on one matter: the year it gets there, with its weight in the draw.
_PACES = ((2019, 1), (2020, 3), (2022, 4), (2025, 2), (2028, 2))


class Span(NamedTuple):
    """A form that is asked of a unit, and in which years; None is open."""

    form: str
    from_year: int | None
    to_year: int | None

    def holds(self, year: int) -> bool:
        """Return whether it is asked in ``year``."""
        return (self.from_year or year) <= year <= (self.to_year or year)


@dataclass(frozen=True)
class Unit:
    """One reporting unit with all that holds for it in every year.

    ``cases`` are yearly numbers of things that ought not to happen; 0 stays 0 for ever, so that
    a clean unit is clean and no unit jumps. ``falls`` names the years in which spending fell.
    """

    code: str
    name: str
    aliases: tuple[str, ...]
    kind: str
    parent: str
    sizes: Sizes
    scale: int
    seed: int
    courses: Mapping[str, Course]
    cases: Mapping[str, float]
    new_schools: tuple[tuple[int, bool], ...]
    spending_growth: float
    spending_falls: frozenset[int]
    enrolment_dips: frozenset[int]
    hiring_starts: int
    transformed: int
    hiring_item: str
    burden_starts: int
    paju_projects: int
    heads_since: int
    careless: bool
    opens_public: bool
    asked: tuple[Span, ...] | None = None

    @property
    def urban(self) -> bool:
        """Whether the unit is a district of a city and not a county with townships."""
        return self.kind not in ("县", "县级市", "自治县", "旗")

    @property
    def city_run(self) -> bool:
        """Whether it is the city itself with its own schools, without residents or a budget."""
        return self.sizes.pupils is not None

    @property
    def short(self) -> str:
        """The name as institutions carry it."""
        return self.name.removesuffix("属") if self.city_run else self.name

    def share(self, matter: str, year: int) -> float:
        """Return how far the unit is on ``matter`` in ``year``."""
        return self.courses[matter].at(year)

    def draws(self, *parts: object) -> Random:
        """Return a generator of this unit's own."""
        return rng(self.seed, self.code, *parts)

    def forms(self, year: int) -> tuple[str, ...]:
        """Return the forms that this unit hands in for ``year``: of those asked of it, what it has."""
        out = set()
        if self.asked is not None:
            out = set(FORMS) - {span.form for span in self.asked if span.holds(year)}
        if self.city_run:
            out |= {"population", "finance", "salary"}
        if not self.sizes.vocational:
            out.add("vocational")
        return tuple(name for name in FORMS if name not in out)

    def blank(self, column: tuple[bool, str], year: int) -> float:
        """Return what part of the institutions leaves a question answered by 是, 否 or a time open.

        Few and ever fewer; now and then somebody has overlooked a whole column but for some rows.
        """
        draws = self.draws("blank", column, year)
        if draws.random() < 1 / 40:
            return draws.uniform(0.25, 0.95)
        return 0.02 if self.careless or year <= START else 0.0

    def births(self, year: int) -> float:
        """Return children born in ``year`` who live in the unit: falling, with a rise in 2016 and 2017."""
        level = max(0.5, min(1.3, 1 - 0.012 * (year - 2009)))
        second_child = 1.06 if year in (2016, 2017) else 1.0
        noise = self.draws("births", year).uniform(0.975, 1.025)
        return self.sizes.people * self.scale * _PEOPLE_PER_SIZE * level * second_child * noise

    def population(self, year: int) -> list[int]:
        """Return residents by single year of age, 0 to 18, in ``year``."""
        moved = self.draws("population", year).uniform(0.995, 1.005)
        return [round(self.births(year - age) * moved * (1 - 0.001 * age)) for age in range(19)]

    def enrolment(self, year: int) -> tuple[float, float]:
        """Return pupils in kindergarten and in vocational education."""
        if self.sizes.pupils is not None:
            noise = self.draws("enrolment", year).uniform(0.99, 1.01) * self.scale
            return self.sizes.pupils[0] * noise, self.sizes.pupils[4] * noise
        people = self.population(year)
        return (
            sum(people[KINDERGARTEN_AGES]) * self.share("preschool", year),
            sum(people[SENIOR_AGES]) * self.share("senior", year) * self.sizes.rates[3],
        )

    def grade(self, grade: int, year: int) -> float:
        """Return pupils of a grade, 1 to 12, in ``year``.

        The ninth grade is what has stayed of the seventh two years before.
        """
        if 7 < grade < 10:
            entered = year - (grade - 7)
            stayed: float = self.retention(entered) ** ((grade - 7) / 2)
            return self.grade(7, entered) * stayed
        stage = 0 if grade < 7 else 1 if grade < 10 else 2
        if self.sizes.pupils is not None:
            # Named by the year in which the cohort began, so that it stays what it was.
            noise = self.draws("cohort", stage, year - grade).uniform(0.99, 1.01) * self.scale
            return self.sizes.pupils[1 + stage] / (6, 3, 3)[stage] * noise
        share = self.share("senior", year) if stage == 2 else 1.0
        return self.population(year)[5 + grade] * share * self.sizes.rates[stage]

    def retention(self, entered: int) -> float:
        """Return what part of those who began grade 7 in the year ``entered`` comes to grade 9."""
        usual = self.draws("retention").uniform(0.935, 0.985) + 0.0025 * (entered - START)
        drawn = usual + self.draws("retention", entered).uniform(-0.006, 0.006)
        return min(max(drawn, 0.93), 0.99)


def make_unit(
    code: str,
    name: str,
    aliases: tuple[str, ...],
    kind: str,
    parent: str,
    *,
    seed: int,
    scale: int,
    asked: tuple[Span, ...] | None = None,
) -> Unit:
    """Return the unit ``code`` as ``seed`` makes it, ``scale`` times its usual size.

    One long call, because what is drawn hangs on the order in which it is drawn: split up, the city
    would be another one.
    """
    draws = rng(seed, code)
    urban = "区" in kind or kind == "市直"
    sizes = _URBAN if urban else _COUNTY
    if parent == _CITY:
        sizes = _JINZHOU.get(code, sizes)
    cases = {
        "nonzero_start": draws.uniform(9, 24),
        "paid_tutoring": draws.uniform(10, 22),
        "misconduct": draws.uniform(9, 18),
        "bullying": draws.uniform(26, 50),
        "dropouts": draws.choice((0.0, 0.0, draws.uniform(9, 30))),
        "admission": draws.choice((0.0, 0.0, draws.uniform(9, 16))),
        "exchange": draws.uniform(10, 22),
        "partnerships": draws.uniform(12, 22),
    }
    later = rng(seed, code, "later")
    years = range(2019, 2025)
    openings = draws.choice((0, 1, 2, 3)) if sizes.people > 9 else draws.choice((0, 1))
    return Unit(
        code=code,
        name=name,
        aliases=aliases,
        kind=kind,
        parent=parent,
        asked=asked,
        sizes=sizes,
        scale=scale,
        seed=seed,
        courses={
            **_draw_courses(_COURSES, draws),
            **_draw_courses(_LATER_COURSES, rng(seed, code, "later courses")),
        },
        cases={matter: count * scale for matter, count in cases.items()},
        new_schools=tuple(
            (year, draws.random() < 0.7)
            for year in sorted(draws.choices(years, k=openings))
            for _ in range(scale)
        ),
        spending_growth=draws.uniform(0.045, 0.075),
        spending_falls=frozenset(draws.sample(years, draws.choice((0, 0, 1)))),
        enrolment_dips=frozenset(draws.sample(years, draws.choice((0, 1)))),
        hiring_starts=draws.choice((2018, 2019, 2019, 2020)),
        transformed=draws.choice((2020, 2021, 2022, 2023)),
        # Districts have no counties' reform of that name; now and then a county says it their way.
        hiring_item="局管校聘改革"
        if urban or rng(seed, code, "reform").random() < 0.25
        else "县管校聘改革",
        burden_starts=later.choice((2019, 2020, 2021, 2022, 2024)),
        paju_projects=6 if sizes.pupils is not None else later.choice((0, 0, 3, 4)),
        heads_since=later.choice((START, START, 2019, 2020)),
        careless=rng(seed, code, "careless").random() < 0.2,
        opens_public=rng(seed, code, "builds private").random() >= 0.2,
    )


def _draw_courses(matters: Mapping[str, tuple[float, float]], draws: Random) -> dict[str, Course]:
    """Return a pace for every matter; where it starts, and ends short of everything, differs a little."""
    years = [year for year, weight in _PACES for _ in range(weight)]
    courses = {}
    for matter, (start, end) in matters.items():
        start += draws.uniform(-0.12, 0.12) * abs(end - start)
        if end != 1.0:
            end += draws.uniform(-0.3, 0.15) * abs(end - start)
        reached = draws.choice(years)
        # What turns a small number into a larger one must not leap from year to year.
        courses[matter] = Course(start, end, max(reached, 2022) if matter in _SLOW else reached)
    return courses
