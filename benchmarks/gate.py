"""How much of what counties get wrong the warnings find: `make bench-gate`.

    python -m benchmarks.gate [--seed 1] [--years 2019-2022]

Plants 40 errors of the kinds that the warnings are for in the newest year of the made-up city, one in a
unit and institution each, has both cities read, loaded and checked as a night does, and holds what is
said of the seeded one against what is said of the sound one. A planted error is found where a warning of
its kind says so of its unit and institution; what is said beyond that is false, a second finding
about the same error included. Ends with 1 where fewer than 36 are found or more than 10 are false.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random

import polars as pl
from rich.console import Console
from rich.table import Table

from flows import steps
from flows.run import Run
from flows.settings import Settings
from transforms.forms import FORMS
from transforms.sample import make_city
from transforms.sample.city import Key
from transforms.sample.sheet import fill_in
from transforms.sample.workbook import delimited_bytes
from warehouse.reference import load_reference

City = dict[Key, pl.DataFrame]

MUST_FIND, MAY_BE_FALSE = 36, 10


@dataclass(frozen=True)
class Planted:
    """An error: in which unit, about what (a code, an item or nothing), and whose warning finds it."""

    name: str
    units: tuple[str, ...]
    mark: str
    rules: tuple[str, ...]

    def is_told_by(self, warning: Warned) -> bool:
        """Return whether ``warning`` speaks of this error."""
        return (
            warning.unit in self.units
            and warning.rule.partition("-")[2] in self.rules
            and self.mark in warning.text
        )


@dataclass(frozen=True, order=True)
class Warned:
    """A warning of the newest year."""

    unit: str
    rule: str
    key: str
    text: str


class Planter:
    """Plants errors in the newest year of ``city``, in other units and institutions each."""

    def __init__(self, city: City, seed: int) -> None:
        self.city = city
        self.now = max(year for _, _, year in city)
        self.draws = Random(seed)
        self.used: set[str] = set()
        #: Units of which a whole form is spoilt, so that nothing else shows there.
        self.spoilt: set[str] = set()

    def units(self, form: str) -> list[str]:
        """Return the units that hand in ``form`` and of which no whole form is spoilt."""
        listed = (unit for name, unit, year in self.city if (name, year) == (form, self.now))
        return [unit for unit in listed if unit not in self.spoilt]

    def put(self, form: str, unit: str, column: str, value: pl.Expr, where: pl.Expr) -> None:
        """Write ``value`` into ``column`` of the rows ``where``."""
        frame = self.city[form, unit, self.now]
        kind = frame.schema[column]
        changed = pl.when(where).then(value.cast(kind)).otherwise(pl.col(column)).alias(column)
        self.city[form, unit, self.now] = frame.with_columns(changed)

    def drop(self, form: str, unit: str, where: pl.Expr) -> None:
        """Take out the rows ``where``."""
        frame = self.city[form, unit, self.now]
        self.city[form, unit, self.now] = frame.filter(~where)

    def institution(self, form: str, where: pl.Expr | bool = True) -> tuple[str, str]:
        """Return a unit and the code of one of its institutions, as long as neither is used up.

        Only what was there the year before is taken, as large as errors matter.
        """
        units = self.units(form)
        self.draws.shuffle(units)
        units.sort(key=lambda unit: sum(used.startswith(unit) for used in self.used))
        for unit in units:
            before = self.city[form, unit, self.now - 1]["institution_code"].implode()
            there = self.city[form, unit, self.now].filter(
                pl.lit(where) if isinstance(where, bool) else where,
                pl.col("institution_code").is_in(before),
            )
            codes = [
                code for code in there["institution_code"] if f"{unit} {code}" not in self.used
            ]
            if codes:
                code = self.draws.choice(codes)
                self.used.add(f"{unit} {code}")
                return unit, code
        raise ValueError(f"no {form} is left to plant an error in")

    def unit(self, form: str) -> str:
        """Return a unit whose ``form`` as a whole is not used yet."""
        units = [unit for unit in self.units(form) if f"{form} {unit}" not in self.used]
        unit = self.draws.choice(units)
        self.used.add(f"{form} {unit}")
        return unit


OF = pl.col("institution_code")
#: The units between which a school is reported twice.
TAKEN = ("210701", "210702")
COMPULSORY = pl.col("stage").is_in(["小学", "初中", "九年一贯制学校"])


def factor(
    form: str, column: str, times: float, least: int, *rules: str
) -> Callable[[Planter], Planted]:
    """Return what makes one institution's figure so many times as large."""

    def plant(to: Planter) -> Planted:
        unit, code = to.institution(form, pl.col(column) >= least)
        to.put(form, unit, column, (pl.col(column) * times).floor(), code == OF)
        return Planted(f"{form}.{column} × {times:g}", (unit,), code, rules)

    return plant


def twice(to: Planter) -> Planted:
    """Hand in a school of the city's own by a district once more."""
    codes = to.city["school", "210701", to.now].filter(pl.col("stage") == "小学")
    code = next(c for c in codes["institution_code"] if f"210701 {c}" not in to.used)
    to.used.add(f"210701 {code}")
    row = codes.filter(code == OF)
    key = ("school", "210702", to.now)
    to.city[key] = pl.concat([to.city[key], row])
    return Planted("a school in two units", ("210701", "210702"), code, ("W24",))


def renamed(to: Planter) -> Planted:
    """Give the code of a school another name."""
    unit, code = to.institution("school", COMPULSORY)
    to.put("school", unit, "institution_name", pl.lit("实验学校东校区"), code == OF)
    return Planted("another name", (unit,), code, ("W25",))


def other_kind(to: Planter) -> Planted:
    """Call a primary school one of nine years, with pupils for it."""
    unit, code = to.institution("school", pl.col("stage") == "小学")
    to.put("school", unit, "stage", pl.lit("九年一贯制学校"), code == OF)
    return Planted("another kind", (unit,), code, ("W25",))


def left_out(to: Planter) -> Planted:
    """Leave a school out of the school form, while the other forms have it."""
    unit, code = to.institution("school", COMPULSORY)
    to.drop("school", unit, code == OF)
    return Planted("a school left out", (unit,), code, ("W26",))


def not_founded(to: Planter) -> Planted:
    """Report a kindergarten that was not there, without the year of its foundation."""
    unit = to.unit("kindergarten")
    key = ("kindergarten", unit, to.now)
    code = f"1121{unit[-2:]}9{len(to.used):03d}"
    row = (
        to.city[key]
        .head(1)
        .with_columns(
            institution_code=pl.lit(code),
            institution_name=pl.lit("新苗幼儿园"),
            founded_year=pl.lit(None, pl.Int64),
        )
    )
    to.city[key] = pl.concat([to.city[key], row])
    return Planted("new without a year", (unit,), code, ("W27",))


def blank(column: str, where: pl.Expr) -> Callable[[Planter], Planted]:
    """Return what leaves a question open."""

    def plant(to: Planter) -> Planted:
        unit = to.unit("school")
        to.put("school", unit, column, pl.lit(None), where)
        return Planted(f"{column} blank", (unit,), FORMS["school"].by_name[column].header, ("W28",))

    return plant


def other_grade(to: Planter) -> Planted:
    """Enter the classes of grade 3 as grade 4."""
    unit, code = to.institution(
        "school", (pl.col("stage") == "小学") & (pl.col("primary_students") > 300)
    )
    frame = to.city["class", unit, to.now]
    wrong = (code == OF) & (pl.col("grade") == 3)
    to.city["class", unit, to.now] = frame.with_columns(
        class_name=pl.when(wrong).then(pl.col("class_name") + "甲").otherwise("class_name"),
        grade=pl.when(wrong).then(4).otherwise("grade"),
    )
    return Planted("classes in another grade", (unit,), code, ("W22",))


def no_grade(to: Planter) -> Planted:
    """Leave out a grade's classes, and its pupils in the school form too."""
    unit, code = to.institution(
        "school", (pl.col("stage") == "小学") & (pl.col("primary_students") > 200)
    )
    frame = to.city["class", unit, to.now]
    gone = (code == OF) & (pl.col("grade") == 5)
    pupils = frame.filter(gone)["students"].sum()
    to.drop("class", unit, gone)
    to.put("school", unit, "primary_students", pl.col("primary_students") - pupils, code == OF)
    return Planted("a grade left out", (unit,), code, ("W22",))


def misnamed(item: str, wrong: str) -> Callable[[Planter], Planted]:
    """Return what writes an item of reform not quite as the plan does."""

    def plant(to: Planter) -> Planted:
        has = [
            unit
            for unit in to.units("milestone")
            if item in to.city["milestone", unit, to.now]["item"] and f"item {unit}" not in to.used
        ]
        unit = to.draws.choice(has)
        to.used.add(f"item {unit}")
        to.put("milestone", unit, "item", pl.lit(wrong), pl.col("item") == item)
        return Planted(f"{item} as {wrong}", (unit,), wrong, ("W30",))

    return plant


def without_item(to: Planter) -> Planted:
    """Leave out an item that the plan asks for."""
    unit = next(u for u in to.units("milestone") if f"item {u}" not in to.used)
    to.used.add(f"item {unit}")
    to.drop("milestone", unit, pl.col("item") == "学业负担监测机制")
    return Planted("an item left out", (unit,), "学业负担监测机制", ("W29",))


def people(form: str, column: str, times: float) -> Callable[[Planter], Planted]:
    """Return what makes the people of a money form other than those of the schools."""

    def plant(to: Planter) -> Planted:
        unit = to.unit(form)
        to.put(form, unit, column, (pl.col(column) * times).floor(), pl.lit(True))
        header = FORMS[form].by_name[column].header
        return Planted(f"{form}.{column} × {times:g}", (unit,), header, ("W31",))

    return plant


def fewer_hazards(to: Planter) -> Planted:
    """Find a third of the hazards."""
    unit = to.unit("safety")
    for column in ("hazards_found", "hazards_fixed"):
        to.put("safety", unit, column, (pl.col(column) / 3).floor(), pl.lit(True))
    return Planted("hazards ÷ 3", (unit,), "", ("W32",))


def tenth(form: str) -> Callable[[Planter], Planted]:
    """Return what hands in the first tenth of a form."""

    def plant(to: Planter) -> Planted:
        unit = to.draws.choice([unit for unit in to.units(form) if unit not in TAKEN])
        to.spoilt.add(unit)
        frame = to.city[form, unit, to.now]
        to.city[form, unit, to.now] = frame.head(frame.height // 10)
        return Planted(f"a tenth of {form}", (unit,), "", ("W33",))

    return plant


#: Forty errors; those of a whole form first, while there are units without another.
ERRORS: Sequence[Callable[[Planter], Planted]] = (
    tenth("teacher"),
    tenth("class"),
    *[factor("kindergarten", "children_enrolled", 10, 60, "W21")] * 4,
    *[factor("kindergarten", "full_time_teachers", 10, 4, "W21")] * 2,
    *[factor("kindergarten", "classes", 10, 2, "W21")] * 2,
    *[factor("teacher", "full_time_teachers", 10, 20, "W21")] * 3,
    *[factor("school", "primary_students", 0.1, 300, "W21", "W14")] * 2,
    *[factor("school", "junior_students", 10, 100, "W21", "W14")] * 2,
    *[twice] * 3,
    *[renamed] * 2,
    other_kind,
    *[left_out] * 3,
    not_founded,
    blank("arrival_time", COMPULSORY),
    blank("class_start_time", COMPULSORY & (pl.int_range(pl.len()) % 3 == 0)),
    *[other_grade] * 2,
    *[no_grade] * 2,
    misnamed("县管校聘改革", "县管校聘"),
    misnamed("学业负担监测机制", "学业负担监测"),
    misnamed("对外交流项目", "对外交流"),
    without_item,
    people("finance", "students_average", 1.4),
    people("salary", "teachers", 1.5),
    fewer_hazards,
)


def seeded(city: City, seed: int) -> tuple[City, list[Planted]]:
    """Return ``city`` with the errors in it, and what they are."""
    planter = Planter(dict(city), seed)
    return planter.city, [plant(planter) for plant in ERRORS]


def warned(city: City, names: dict[str, str], home: Path) -> list[Warned]:
    """Return what a night says of ``city`` in its newest year, with files and folders below ``home``."""
    for (form, unit, year), frame in city.items():
        sheet = fill_in(FORMS[form], frame, names[unit], year, date(year, 10, 20))
        file = home / "inbox" / unit / f"{FORMS[form].zh}{year}年.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(delimited_bytes(sheet, encoding="utf-8", delimiter=","))
    now = max(year for _, _, year in city)
    with Run.open(Settings.model_validate({"home": home})) as run:
        steps.pull_inbox(run)
        steps.load_deliveries(run, steps.unread(run), lambda: None)
        returned = run.connection.execute("SELECT DISTINCT problem_zh FROM finding").fetchall()
        if returned:
            sys.exit(f"what was planted is not let in: {returned}")
        steps.check_across(run)
        rows = run.connection.execute(
            "SELECT region_code, rule_id, key, concat_ws(' ', key, figure, problem_zh) FROM warning"
            " WHERE year = ? ORDER BY ALL",
            [now],
        ).fetchall()
    return [Warned(*row) for row in rows]


def tell(planted: Sequence[Planted], news: Sequence[Warned]) -> tuple[int, int]:
    """Print what was found of ``planted``; give how many were, and how many of ``news`` are false."""
    told: dict[Planted, list[Warned]] = {
        one: [warning for warning in news if one.is_told_by(warning)] for one in planted
    }
    table = Table("planted", "unit", "found by")
    for one, warnings in told.items():
        table.add_row(one.name, " ".join(one.units), " ".join(w.rule for w in warnings) or "—")
    # One finding for each unit that an error is in; the second one about it in a unit is one too many.
    needed = {w for one, found in told.items() for w in _first_of_each_unit(found)}
    false = [warning for warning in news if warning not in needed]
    for warning in false:
        table.add_row("—", warning.unit, f"{warning.rule} {warning.text[:60]}")
    Console().print(table)
    return sum(bool(warnings) for warnings in told.values()), len(false)


def _first_of_each_unit(found: Sequence[Warned]) -> Iterator[Warned]:
    yield from {warning.unit: warning for warning in reversed(found)}.values()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=1, help="of the city and of the errors [1]")
    parser.add_argument("--years", default="2019-2022", help="[2019-2022]")
    arguments = parser.parse_args()
    first, _, last = arguments.years.partition("-")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder)
        reference = load_reference(root)
        years = range(int(first), int(last or first) + 1)
        sound = make_city(years, reference.regions, reference.townships, seed=arguments.seed)
        names = dict(reference.regions.select("region_code", "region_name").iter_rows())
        city, planted = seeded(sound, arguments.seed)
        before = {(w.unit, w.rule, w.key) for w in warned(sound, names, root / "sound")}
        after = warned(city, names, root / "seeded")
        news = [w for w in after if (w.unit, w.rule, w.key) not in before]
        found, false = tell(planted, news)
    print(
        f"gate seed={arguments.seed} planted={len(planted)} found={found} false={false} "
        f"without errors={len(before)}"
    )
    sys.exit(found < MUST_FIND or false > MAY_BE_FALSE)


if __name__ == "__main__":
    main()
