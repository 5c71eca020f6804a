"""The institutions of a made-up unit: they keep code, name, place and character over the years.

What changes with the years is not drawn anew each year. An institution carries a number between 0
and 1 for every matter; it has, say, an after-school service once that number lies below the
unit's share for the year. So a school that once has a service keeps it while the share rises.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

import polars as pl

from transforms.sample.unit import Unit

#: First two digits of an institution's code, by kind; special schools and colleges are free.
CODE_PREFIX = {
    "幼儿园": "11",
    "小学": "21",
    "初中": "31",
    "九年一贯制学校": "31",
    "十二年一贯制学校": "34",
    "完全中学": "34",
    "普通高中": "34",
    "中等职业学校": "36",
    "高职院校": "41",
    "特殊教育学校": "51",
}

#: Which of primary, junior, senior and vocational pupils a kind of school has.
STAGES = {
    "小学": (1.0, 0.0, 0.0, 0.0),
    "初中": (0.0, 1.0, 0.0, 0.0),
    "九年一贯制学校": (0.8, 0.55, 0.0, 0.0),
    "十二年一贯制学校": (1.6, 1.0, 0.5, 0.0),
    "完全中学": (0.0, 0.9, 0.7, 0.0),
    "普通高中": (0.0, 0.0, 1.0, 0.0),
    "中等职业学校": (0.0, 0.0, 0.0, 1.0),
    "特殊教育学校": (0.0, 0.0, 0.0, 0.0),
}

_STREETS = ("东湖", "西湖", "南山", "北湖", "新城", "滨河", "学府", "临港")
_VILLAGE_HEADS = "东西南北前后上下"
_VILLAGE_TAILS = "沟屯岭河甸洼"
_DIGITS = "零一二三四五六七八九"

_KINDERGARTEN_MATTERS = ("public", "inclusive", "licensed", "within_fee", "governed", "quarter")
_SCHOOL_MATTERS = (
    "arrival",
    "evening",
    "after_school",
    "mental_health",
    "boarding_standard",
    "conditions",
    "supervisor",
    "digital",
    "cloud",
    "party",
    "blank",
)


@dataclass(slots=True, kw_only=True)
class Institution:
    """A kindergarten, school or college.

    ``place`` is an index into :class:`Places`; ``weight`` its size beside its neighbours;
    ``draws`` its number between 0 and 1 for each matter.
    """

    code: str
    name: str
    kind: str
    place: int
    setting: str
    weight: float
    central: bool = False
    founded: int | None = None
    opens: int = 0
    closes: int = 9999
    boarding: bool = False
    private: bool = False
    attached_to: str | None = None
    draws: dict[str, float] = field(default_factory=dict)

    def open_in(self, year: int) -> bool:
        """Return whether it takes pupils in ``year``."""
        return self.opens <= year < self.closes


class Places:
    """The townships of a unit, followed through mergers and renamings.

    A place is a township as it was once called; :meth:`name` gives what the list of a year calls
    it. A place that is merged away goes to another one of that year's list.
    """

    def __init__(self, unit: Unit, townships: pl.DataFrame) -> None:
        listed = townships.filter(
            (pl.col("county_code") == unit.code) & (pl.col("kind") != "其他")
        ).sort("township_code", "township_name")
        self._rows: list[tuple[str, str, int | None, int | None]] = list(
            listed.select("township_name", "kind", "valid_from_year", "valid_to_year").iter_rows()
        )
        if not self._rows:
            self._rows = [(f"{name}街道", "街道", None, None) for name in _STREETS]
        kinds = {lasting_name(name): kind for name, kind, _, _ in self._rows}
        self.streets = [i for i, kind in enumerate(kinds.values()) if kind == "街道"]
        self.towns = [i for i, kind in enumerate(kinds.values()) if kind != "街道"]
        self._plain = list(kinds)
        self._kinds = list(kinds.values())
        self._by_year: dict[int, list[str]] = {}

    def kind(self, place: int) -> str:
        """街道, 镇, 乡 or 民族乡."""
        return self._kinds[place]

    def stem(self, place: int) -> str:
        """Return the name without its kind, as institutions carry it."""
        return re.sub(r"(街道|满族乡|民族乡|镇|乡)$", "", self._plain[place])

    def name(self, place: int, year: int) -> str:
        """Return what the list of ``year`` calls the place."""
        if year not in self._by_year:
            self._by_year[year] = self._names(year)
        return self._by_year[year][place]

    def _names(self, year: int) -> list[str]:
        valid = [
            (name, kind)
            for name, kind, first, last in self._rows
            if (first is None or first <= year) and (last is None or year <= last)
        ]
        if not valid:
            valid = [(name, kind) for name, kind, _, _ in self._rows]
        known = {lasting_name(name): name for name, _ in valid}
        names = []
        for place, (old, kind) in enumerate(zip(self._plain, self._kinds, strict=True)):
            heirs = [name for name, other in valid if (other == "街道") == (kind == "街道")]
            heirs = heirs or [name for name, _ in valid]
            names.append(known.get(old, heirs[place % len(heirs)]))
        return names


@dataclass(frozen=True)
class Roster:
    """All institutions that a unit ever has, with the places they stand in."""

    places: Places
    kindergartens: list[Institution]
    schools: list[Institution]
    colleges: list[Institution]


def lasting_name(township: str) -> str:
    """Return a township's name without what comes and goes: 办事处, and 满族 before 镇."""
    return township.removesuffix("办事处").replace("满族镇", "镇")


def chinese(number: int) -> str:
    """Return a number from 1 to 9,999 in Chinese; a larger one in digits."""
    if number > 9_999:
        return str(number)
    if number < 10:
        return _DIGITS[number]
    if number < 20:
        return "十" + (_DIGITS[number - 10] if number > 10 else "")
    text = ""
    for size, word in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, size)
        if digit:
            text += _DIGITS[digit] + word
        elif text and number and not text.endswith("零"):
            text += "零"
    return text


def even_draws(draws: Random, count: int) -> list[float]:
    """``count`` numbers spread evenly between 0 and 1, in an order of chance.

    A share of 0.7 then takes seven out of ten, not about seven.
    """
    order = [(i + 0.5) / count for i in range(count)]
    draws.shuffle(order)
    return order


class _Names:
    """Hands out names and codes that are unique in the unit."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._named: Counter[str] = Counter()
        self._coded: Counter[str] = Counter()

    def numbered(self, stem: str, ending: str) -> str:
        """第一, 第二 … in the order of asking."""
        return f"{stem}第{chinese(self._next(stem, ending))}{ending}"

    def bare(self, stem: str, ending: str) -> str:
        """Return a name; the first of its kind in a place goes without a number."""
        number = self._next(stem, ending)
        return stem + ending if number == 1 else f"{stem}第{chinese(number)}{ending}"

    def village(self, stem: str, ending: str) -> str:
        """Return a name: the township's central one first, then those of its villages, then numbers."""
        number = self._next(stem, ending)
        if number == 1:
            return f"{stem}中心{ending}"
        tail, head = divmod(number - 2, len(_VILLAGE_HEADS))
        if tail < len(_VILLAGE_TAILS):
            return f"{stem}{_VILLAGE_HEADS[head]}{_VILLAGE_TAILS[tail]}{ending}"
        return f"{stem}第{chinese(number)}{ending}"

    def _next(self, stem: str, ending: str) -> int:
        self._named[stem + ending] += 1
        return self._named[stem + ending]

    def code(self, kind: str) -> str:
        """Return the next ten-digit code: type, province, then six digits, 10,000 for each unit.

        Past 10,000 institutions of a type the codes run on into the next unit's numbers: they
        stay unique within the unit.
        """
        prefix = CODE_PREFIX[kind]
        self._coded[prefix] += 1
        serial = (int(self._unit.code[-2:]) * 10_000 + self._coded[prefix]) % 1_000_000
        return f"{prefix}{self._unit.code[:2]}{serial:06d}"


def make_roster(unit: Unit, townships: pl.DataFrame) -> Roster:
    """Return the institutions of ``unit``; ``townships`` is reference/townships.csv."""
    places = Places(unit, townships)
    names = _Names(unit)
    draws = unit.draws("roster")
    schools = list(_schools(unit, places, names, draws))
    kindergartens = list(_kindergartens(unit, places, names, draws))
    for index, (year, attached) in enumerate(unit.new_schools):
        school = _new_school(unit, places, names, draws, year, index)
        schools.append(school)
        if attached:
            kindergartens.append(_attached_kindergarten(school, names))
    for group, matters in ((kindergartens, _KINDERGARTEN_MATTERS), (schools, _SCHOOL_MATTERS)):
        for matter in matters:
            for one, number in zip(group, even_draws(draws, len(group)), strict=True):
                one.draws[matter] = number
    _draw_crowding(schools, draws)
    _draw_foundation(unit, kindergartens)
    vocational = [one for one in schools if one.kind == "中等职业学校" and unit.urban]
    for one, number in zip(
        vocational, even_draws(unit.draws("private"), len(vocational)), strict=True
    ):
        one.private = number < 0.3
    colleges = [
        Institution(
            code=names.code("高职院校"),
            name=names.numbered(unit.short, "职业技术学院"),
            kind="高职院校",
            place=places.streets[0],
            setting="城区",
            weight=1.0,
        )
        for _ in range(unit.sizes.colleges * unit.scale)
    ]
    return Roster(places, kindergartens, schools, colleges)


def _homes(places: Places, count: int, in_streets: float) -> Iterator[tuple[int, bool]]:
    """Yield places for ``count`` institutions, and whether each is the first of its kind in a township.

    Townships come first in turn, so that each has one as far as the number reaches.
    """
    streets = count if not places.towns else round(count * in_streets)
    if not places.streets:
        streets = 0
    for i in range(count - streets):
        yield places.towns[i % len(places.towns)], i < len(places.towns)
    for i in range(streets):
        yield places.streets[i % len(places.streets)], False


def _setting(unit: Unit, places: Places, place: int, central: bool) -> str:
    """城区, 镇区 or 乡村."""
    if places.kind(place) == "街道":
        return "镇区" if unit.kind == "县" else "城区"
    return "镇区" if central and places.kind(place) == "镇" else "乡村"


def _weight(places: Places, place: int, central: bool, draws: Random) -> float:
    if not places.towns:
        return draws.uniform(2.6, 3.6) if draws.random() < 0.12 else draws.uniform(0.5, 1.5)
    if places.kind(place) == "街道":
        return draws.uniform(2.0, 5.0)
    return draws.uniform(1.1, 1.9) if central else draws.uniform(0.4, 0.9)


def _kindergartens(
    unit: Unit, places: Places, names: _Names, draws: Random
) -> Iterator[Institution]:
    homes = _homes(places, unit.sizes.kindergartens * unit.scale, 0.32)
    for place, central in homes:
        opens, closes = 0, 9999
        if not central:
            chance = draws.random()
            if chance < 0.05:
                opens = draws.randint(2019, 2024)
            elif chance < 0.09:
                closes = draws.randint(2019, 2024)
        in_town = places.kind(place) != "街道"
        yield Institution(
            code=names.code("幼儿园"),
            name=(names.village if in_town else names.numbered)(places.stem(place), "幼儿园"),
            kind="幼儿园",
            place=place,
            setting=_setting(unit, places, place, central),
            weight=_weight(places, place, central, draws) ** 0.7,
            central=central,
            opens=opens,
            closes=closes,
        )


def _schools(unit: Unit, places: Places, names: _Names, draws: Random) -> Iterator[Institution]:
    sizes = unit.sizes
    counts: Sequence[tuple[str, int, float, str]] = (
        ("小学", sizes.primary, 0.16, "小学"),
        ("九年一贯制学校", sizes.nine_year, 0.10, "九年一贯制学校"),
        ("初中", sizes.junior, 0.34, "初级中学"),
        ("十二年一贯制学校", sizes.twelve_year, 1.0, "实验学校"),
        ("完全中学", sizes.complete, 1.0, "中学"),
        ("普通高中", sizes.senior, 1.0, "高级中学"),
        ("中等职业学校", sizes.vocational, 1.0, "中等职业学校"),
        ("特殊教育学校", sizes.special, 1.0, "特殊教育学校"),
    )
    for kind, count, in_streets, ending in counts:
        for place, central in _homes(places, count * unit.scale, in_streets):
            in_town = places.kind(place) != "街道"
            village = kind == "小学" and in_town and not central
            closes = draws.randint(2019, 2024) if village and draws.random() < 0.06 else 9999
            older = STAGES[kind][2] + STAGES[kind][3] > 0
            yield Institution(
                code=names.code(kind),
                name=_school_name(unit, places.stem(place), kind, ending, in_town, names),
                kind=kind,
                place=place,
                setting=_setting(unit, places, place, central),
                weight=_weight(places, place, central, draws),
                central=central,
                founded=None if draws.random() < 0.02 else draws.randint(1950, 2015),
                closes=closes,
                boarding=_boards(kind, older, in_town, draws),
                draws={"boarders": draws.uniform(0.25, 0.6)},
            )


def _school_name(
    unit: Unit, stem: str, kind: str, ending: str, in_town: bool, names: _Names
) -> str:
    """Primary schools and those of a township are named after it, the others after the unit."""
    if kind == "小学" and unit.city_run:
        return names.numbered(unit.short, "实验小学")
    if kind == "小学":
        return names.village(stem, ending) if in_town else names.numbered(stem, ending)
    if in_town:
        return names.bare(stem, ending)
    if kind in ("特殊教育学校", "十二年一贯制学校"):
        return names.bare(unit.short, ending)
    if kind == "中等职业学校" and not unit.urban:
        return names.bare(unit.short, "职业教育中心")
    return names.numbered(unit.short, ending)


def _boards(kind: str, older: bool, in_town: bool, draws: Random) -> bool:
    if older or kind == "特殊教育学校":
        return draws.random() < 0.8
    if kind in ("初中", "九年一贯制学校"):
        return draws.random() < (0.6 if in_town else 0.15)
    return in_town and draws.random() < 0.05


def _new_school(
    unit: Unit, places: Places, names: _Names, draws: Random, year: int, index: int
) -> Institution:
    """Return a primary or nine-year school that opens in ``year``."""
    place = (places.streets or places.towns)[index % len(places.streets or places.towns)]
    kind = "九年一贯制学校" if draws.random() < 0.25 else "小学"
    return Institution(
        code=names.code(kind),
        name=names.bare(places.stem(place), f"新区{kind}"),
        kind=kind,
        place=place,
        setting=_setting(unit, places, place, central=True),
        weight=_weight(places, place, True, draws),
        founded=year,
        opens=year,
        draws={"boarders": 0.3},
    )


def _attached_kindergarten(school: Institution, names: _Names) -> Institution:
    return Institution(
        code=names.code("幼儿园"),
        name=f"{school.name}附属幼儿园",
        kind="幼儿园",
        place=school.place,
        setting=school.setting,
        weight=school.weight**0.7,
        central=True,
        opens=school.opens,
        attached_to=school.code,
    )


def _draw_crowding(schools: Sequence[Institution], draws: Random) -> None:
    """Draw who is crowded: only large schools are ever crowded: the others have one class or two in a grade."""
    heavy = sorted((s for s in schools if s.kind in STAGES), key=lambda s: -s.weight)
    heavy = heavy[: max(1, len(heavy) // 2)]
    for school, number in zip(heavy, even_draws(draws, len(heavy)), strict=True):
        school.draws["crowding"] = number


def _draw_foundation(unit: Unit, kindergartens: Sequence[Institution]) -> None:
    """Draw since when a kindergarten is there, for all but a few, and what goes with its being new."""
    draws = unit.draws("foundation")
    for matter in ("supervisor", "blank"):
        numbers = even_draws(draws, len(kindergartens))
        for one, number in zip(kindergartens, numbers, strict=True):
            one.draws[matter] = number
    for one in kindergartens:
        old = None if draws.random() < 0.02 else draws.randint(1978, 2017)
        one.founded = one.opens or old
        if one.opens and not unit.opens_public:
            one.draws["public"] = 1.0
