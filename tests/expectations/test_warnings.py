"""Each warning: one unit that breaks only it, caught by only it, in the right cell.

Every case is a unit of its own in one home. All of them hand in the same clean workbook of all
forms for two years, each with the slip that its case is about; the rules run once over everything,
in plain DuckDB, and once in Great Expectations, which has to say the same.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import xlsxwriter
import yaml

from expectations.clauses import load_plan
from expectations.engine import Broken, Engine
from expectations.unchanged import keep_answers, suite
from expectations.warnings import (
    SUITE,
    TABLE,
    by_number,
    expectations,
    load_warnings,
    read_warnings,
    unexpected_rows,
    write_warnings,
)
from tests.conftest import AsCsv, Home, MakeHome
from transforms.checks.findings import with_messages
from transforms.checks.rules import RULES
from transforms.definitions import DefinitionError
from transforms.forms import FORMS
from transforms.records import WARNING
from transforms.sample import write_sample
from transforms.tables.model import cell_name
from warehouse.indicators.definitions import load_catalogue
from warehouse.ledger.schema import refresh
from warehouse.ledger.store import open_warehouse
from warehouse.reference import load_reference

Row = dict[str, object]
Forms = dict[str, list[Row]]
#: Changes what a unit hands in, by year.
Edit = Callable[[dict[int, Forms]], None]

BEFORE, NOW = 2020, 2021
GARDEN, PRIMARY, SENIOR, VOCATIONAL = "1121000001", "2121000001", "3421000001", "3621000001"
UNKNOWN = "2121000999"
#: What every question is answered with; the forms take what they ask.
GARDEN_ANSWERS: Row = {"founded_year": 1990, "supervisor_assigned": True}
SCHOOL_ANSWERS: Row = {
    "founded_year": 1990,
    "arrival_time": "08:00",
    "class_start_time": "08:10",
    **dict.fromkeys(
        (
            *("after_school_service", "supervisor_assigned", "digital_teaching", "cloud_platform"),
            *("mental_health_teacher", "party_organisation"),
        ),
        True,
    ),
}
CITY_VOCATIONAL: Row = {"kind": "城区中职学校", "layout_adjusted": True, "integrated": True}


def garden(code: str, **values: object) -> Row:
    """A kindergarten that is in order."""
    return {**GARDEN_ANSWERS, "institution_code": code, "township": "甲镇", **values}


def school(code: str, **values: object) -> Row:
    """A primary school that is in order, but for its classes."""
    return {
        **SCHOOL_ANSWERS,
        **{"institution_code": code, "institution_name": f"学校{code}"},
        **{"township": "甲镇", "stage": "小学"},
        **values,
    }


def clean(year: int) -> Forms:
    """A unit without a fault; in every form one figure differs a little from year to year."""
    drift = year - BEFORE
    return {
        "kindergarten": [
            garden(
                GARDEN,
                institution_name="一园",
                children_enrolled=100,
                classes=4,
                full_time_teachers=8,
                monthly_fee=300 + drift,
            )
        ],
        "school": [
            school(PRIMARY, institution_name="一小", primary_students=90, boarders=10 + drift),
            school(SENIOR, institution_name="一中", stage="普通高中", senior_students=60),
        ],
        "class": [
            classroom(PRIMARY, "小学", 1, 45),
            classroom(PRIMARY, "小学", 2, 45),
            classroom(SENIOR, "高中", 10, 30),
            classroom(SENIOR, "高中", 11, 30),
            classroom(VOCATIONAL, "高中", 10, 40 + drift),
        ],
        "population": [
            {"age": age, "population": people}
            for age, people in {
                **{0: 100 + drift, 3: 27, 4: 27, 5: 26},
                **{15: 16, 16: 16, 17: 16},
            }.items()
        ],
        "finance": [
            {"stage": "合计", "budget_expenditure": 500, "students_average": 250 + drift},
            {"stage": "小学", "budget_expenditure": 500, "students_average": 100},
        ],
        "salary": [
            {
                "teacher_pay_total": 800,
                "teachers": 100,
                "civil_pay_total": 210,
                "civil_servants": 100,
                "subsidy_due": 10 + drift,
                "subsidy_paid": 10,
            }
        ],
        "teacher": [
            {
                "institution_code": PRIMARY,
                "full_time_teachers": 50,
                "eligible_rotation": 10 + drift,
                "rotated": 5,
            }
        ],
        "special_group": [{"dropouts": 3, "aid_eligible": 10 + drift, "aid_received": 10}],
        "vocational": [
            {
                "institution_code": VOCATIONAL,
                **CITY_VOCATIONAL,
                "partnerships": 10 + drift,
            }
        ],
        "safety": [{"institution_code": PRIMARY, "hazards_found": 10 + drift, "hazards_fixed": 7}],
        "milestone": [
            {"item": "对外交流项目", "status": "进行中", "quantity": 10 + drift},
            {"item": "县管校聘改革", "status": "进行中"},
            {"item": "学业负担监测机制", "status": "未启动"},
        ],
    }


def classroom(code: str, stage: str, grade: int, students: int, number: int = 1) -> Row:
    return {
        "institution_code": code,
        "institution_name": f"学校{code}",
        "stage": stage,
        "grade": grade,
        "class_name": f"{number}班",
        "students": students,
    }


def put(form: str, row: int, *years: int, **values: object) -> Edit:
    """Type ``values`` into a row, of this year unless ``years`` says otherwise."""

    def edit(handed: dict[int, Forms]) -> None:
        for year in years or (NOW,):
            handed[year][form][row].update(values)

    return edit


def add(form: str, *rows: Row, years: Sequence[int] = (NOW,)) -> Edit:
    """Add rows at the end."""

    def edit(handed: dict[int, Forms]) -> None:
        for year in years:
            handed[year][form] += [dict(row) for row in rows]

    return edit


def recode(old: str, new: str) -> Edit:
    """Write another code for an institution wherever it stands this year."""

    def edit(handed: dict[int, Forms]) -> None:
        for rows in handed[NOW].values():
            for row in rows:
                if row.get("institution_code") == old:
                    row["institution_code"] = new

    return edit


def only(form: str) -> Edit:
    """Hand in this year's ``form`` and no other of this year."""

    def edit(handed: dict[int, Forms]) -> None:
        handed[NOW] = {form: handed[NOW][form]}

    return edit


def only_now() -> Edit:
    """Hand in this year's forms and none of last year's."""

    def edit(handed: dict[int, Forms]) -> None:
        handed[BEFORE].clear()

    return edit


def leave_out(form: str) -> Edit:
    """Never hand in ``form``."""

    def edit(handed: dict[int, Forms]) -> None:
        for forms in handed.values():
            forms.pop(form, None)

    return edit


def again(form: str) -> Edit:
    """Hand in last year's rows, in another order."""

    def edit(handed: dict[int, Forms]) -> None:
        handed[NOW][form] = copy.deepcopy(handed[BEFORE][form])[::-1]

    return edit


def spending(year: int, amount: str) -> Edit:
    """Spend ``amount`` (万元) in ``year``, all of it on primary schools."""

    def edit(handed: dict[int, Forms]) -> None:
        for row in handed[year]["finance"]:
            row["budget_expenditure"] = amount

    return edit


@dataclass(frozen=True)
class Case:
    """A slip, and the one finding it must give, at rows of this year (from 0)."""

    edits: tuple[Edit, ...]
    places: tuple[tuple[str, int], ...]
    value: str | None
    key: str
    figure: str | None = None
    cells: int | None = None


def leap(form: str, column: str, before: int, now: int, edit: Edit, cells: int = 1) -> Case:
    """A total that moves too far; the first cell of its column stands for it."""
    return Case((edit,), ((column, 0),), str(now), column, f"{before} -> {now}", cells)


STAFF: Row = {"classes": 4, "full_time_teachers": 8}
BOTH = (BEFORE, NOW)


def a_little_in_six_schools(missing: int) -> Iterator[Edit]:
    """Six further schools, each of which has lost so many of the pupils that moved up."""
    yield leave_out("finance")
    for year in BOTH:
        lost = missing if year == NOW else 0
        yield from several("school", school, 11, 17, years=(year,), primary_students=120 - lost)
        for number in range(11, 17):
            code = f"212100{number:04d}"
            rows = (classroom(code, "小学", 1, 60), classroom(code, "小学", 2, 60 - lost))
            yield add("class", *rows, years=(year,))


#: Institutions that two units report; their codes are the same in every unit.
SHARED: dict[str, Row] = {
    "kindergarten": garden("1121999001", children_enrolled=1),
    "school": school("2121999001", primary_students=1),
    "vocational": {"institution_code": "3621999001", **CITY_VOCATIONAL},
}


def staff(code: str, **values: object) -> Row:
    """A row of a form about an institution that is reported elsewhere."""
    return {"institution_code": code, **values}


def college(code: str, **values: object) -> Row:
    """A college, of which nothing is asked."""
    return {"institution_code": code, "kind": "高职院校", **values}


def several(
    form: str,
    make: Callable[..., Row],
    first: int,
    last: int,
    prefix: str | None = None,
    *,
    years: Sequence[int] = BOTH,
    **values: object,
) -> Iterator[Edit]:
    """Add rows of institutions numbered from ``first`` up to ``last``."""
    prefix = prefix or ("11" if form == "kindergarten" else "21")
    yield add(
        form, *(make(f"{prefix}21{n:06d}", **values) for n in range(first, last)), years=years
    )


CASES: dict[str, Case] = {
    "CLS-W10": Case(
        (add("class", classroom(UNKNOWN, "小学", 1, 10)),),
        (("institution_code", 5),),
        UNKNOWN,
        UNKNOWN,
    ),
    "TCH-W10": Case(
        (add("teacher", {"institution_code": UNKNOWN}),),
        (("institution_code", 1),),
        UNKNOWN,
        UNKNOWN,
    ),
    "SAF-W10": Case(
        (add("safety", {"institution_code": UNKNOWN}),),
        (("institution_code", 1),),
        UNKNOWN,
        UNKNOWN,
    ),
    "CLS-W11": Case((only("class"),), (("institution_code", 0),), None, "institutions", cells=5),
    "TCH-W11": Case((only("teacher"),), (("institution_code", 0),), None, "institutions"),
    "SAF-W11": Case((only("safety"),), (("institution_code", 0),), None, "institutions"),
    "KG-W12": Case(
        (recode(GARDEN, "1221000001"),),
        (("institution_code", 0),),
        "1221000001",
        "1221000001",
        "1121",
    ),
    "SCH-W12": Case(
        (recode(PRIMARY, "3121000001"),),
        (("institution_code", 0),),
        "3121000001",
        "3121000001",
        "2121",
    ),
    "VOC-W12": Case(
        (recode(VOCATIONAL, "3622000001"),),
        (("institution_code", 0),),
        "3622000001",
        "3622000001",
        "3621",
    ),
    "KG-W13": Case((put("kindergarten", 0, township="乙镇"),), (("township", 0),), "乙镇", "乙镇"),
    "SCH-W13": Case((put("school", 1, township="乙镇"),), (("township", 1),), "乙镇", "乙镇"),
    "CLS-W14": Case(
        (put("class", 0, students=44),),
        (("students", 0), ("students", 1)),
        "89",
        f"{PRIMARY} 小学",
        "89/90",
    ),
    "SCH-W15": Case(
        (put("school", 0, junior_students=5),),
        (("junior_students", 0),),
        "5",
        f"{PRIMARY} 初中",
        "5",
    ),
    "KG-W16": leap(
        "kindergarten", "monthly_fee", 300, 391, put("kindergarten", 0, monthly_fee=391)
    ),
    "SCH-W16": leap("school", "boarders", 10, 14, put("school", 0, boarders=14)),
    "CLS-W16": leap("class", "students", 190, 250, put("class", 4, students=100), cells=5),
    "POP-W16": leap("population", "population", 228, 297, put("population", 0, population=169), 7),
    "FIN-W16": leap("finance", "budget_expenditure", 500, 651, spending(NOW, "651")),
    "SAL-W16": leap("salary", "subsidy_due", 10, 14, put("salary", 0, subsidy_due=14)),
    "TCH-W16": leap("teacher", "eligible_rotation", 10, 6, put("teacher", 0, eligible_rotation=6)),
    "SPG-W16": leap("special_group", "dropouts", 3, 0, put("special_group", 0, dropouts=0)),
    "VOC-W16": leap("vocational", "partnerships", 10, 14, put("vocational", 0, partnerships=14)),
    "SAF-W16": leap("safety", "hazards_found", 10, 14, put("safety", 0, hazards_found=14)),
    "MIL-W16": leap("milestone", "quantity", 10, 14, put("milestone", 0, quantity=14)),
    **{
        f"{form.code}-W17": Case(
            (again(name),),
            ((form.columns[0].name, 0),),
            None,
            "identical",
            cells=len(clean(NOW)[name]) * len(form.columns),
        )
        for name, form in FORMS.items()
    },
    "KG-W18": Case(
        (add("kindergarten", garden("1121000002")),),
        (("children_enrolled", 1),),
        "0",
        "1121000002",
    ),
    "SCH-W18": Case(
        (add("school", school("2121000002")),),
        tuple((f"{name}_students", 2) for name in ("primary", "junior", "senior", "vocational")),
        "0",
        "2121000002",
    ),
    "SAL-W19": Case(
        (put("salary", 0, civil_pay_total="199.99"),),
        (("civil_pay_total", 0), ("civil_servants", 0)),
        "199.99",
        "civil_pay_total",
        "199.99/100",
    ),
    "KG-W20": Case(
        (put("kindergarten", 0, children_enrolled=105),),
        (("children_enrolled", 0),),
        "105",
        "preschool",
        "105/80",
    ),
    "SCH-W20": Case(
        (put("school", 1, senior_students=63), put("class", 3, students=33)),
        (("senior_students", 0), ("vocational_students", 0)),
        "63",
        "senior_secondary",
        "63/48",
        cells=4,
    ),
    "KG-W21": Case(
        (put("kindergarten", 0, children_enrolled=980),),
        (("children_enrolled", 0),),
        "980",
        GARDEN,
        "100 -> 980",
    ),
    "SCH-W21": Case(
        (put("school", 1, senior_students=600),),
        (("senior_students", 1),),
        "600",
        SENIOR,
        "60 -> 600",
    ),
    "TCH-W21": Case(
        (put("teacher", 0, full_time_teachers=500),),
        (("full_time_teachers", 0),),
        "500",
        PRIMARY,
        "50 -> 500",
    ),
    "CLS-W22": Case(
        (put("class", 1, students=20), put("school", 0, primary_students=65)),
        (("students", 1),),
        "1年级45人→2年级20人",
        PRIMARY,
        "grade 2: 45 -> 20",
    ),
    "KG-W23": Case(
        (
            leave_out("population"),
            leave_out("finance"),
            *several("kindergarten", garden, 2, 7, children_enrolled=100, **STAFF),
            add(
                "kindergarten",
                garden("1121000009", children_enrolled=100, **{**STAFF, "full_time_teachers": 1}),
            ),
        ),
        (("children_enrolled", 6),),
        "100",
        "1121000009",
        "100/1",
    ),
    "SCH-W23": Case(
        (
            *map(leave_out, ("class", "finance", "salary")),
            put("teacher", 0, *BOTH, full_time_teachers=6),
            *several("school", school, 2, 7, primary_students=90),
            *several("teacher", staff, 2, 7, full_time_teachers=6),
            add("school", school("2121000009", primary_students=150)),
            add("teacher", staff("2121000009", full_time_teachers=2)),
        ),
        (("primary_students", 7),),
        "150",
        "2121000009",
        "150/2",
    ),
    "KG-W24": Case(
        (add("kindergarten", SHARED["kindergarten"]),),
        (("institution_code", 1),),
        "1121999001",
        "1121999001",
        "the neighbour of KG-W24",
    ),
    "SCH-W24": Case(
        (add("school", SHARED["school"]), leave_out("class")),
        (("institution_code", 2),),
        "2121999001",
        "2121999001",
        "the neighbour of SCH-W24",
    ),
    "VOC-W24": Case(
        (add("vocational", SHARED["vocational"]),),
        (("institution_code", 1),),
        "3621999001",
        "3621999001",
        "the neighbour of VOC-W24",
    ),
    "KG-W25": Case(
        (put("kindergarten", 0, institution_name="二园"),),
        (("institution_code", 0), ("institution_name", 0)),
        "二园",
        GARDEN,
        "一园 -> 二园",
    ),
    "SCH-W25": Case(
        (put("school", 0, stage="九年一贯制学校"),),
        (("institution_code", 0), ("institution_name", 0)),
        "一小 九年一贯制学校",
        PRIMARY,
        "一小小学 -> 一小九年一贯制学校",
    ),
    "VOC-W25": Case(
        (put("vocational", 0, kind="县级职教中心", transformed=True),),
        (("institution_code", 0), ("institution_name", 0)),
        "名称1 县级职教中心",
        VOCATIONAL,
        "名称1城区中职学校 -> 名称1县级职教中心",
    ),
    "KG-W26": Case(
        (
            leave_out("population"),
            add("kindergarten", garden("1121000002", children_enrolled=20), years=(BEFORE,)),
            add("safety", {"institution_code": "1121000002"}, years=BOTH),
        ),
        (("institution_code", 0),),
        "1",
        "missing",
        "1121000002",
    ),
    "SCH-W26": Case(
        (
            leave_out("class"),
            add("school", school("2121000002", primary_students=20), years=(BEFORE,)),
            add("teacher", staff("2121000002"), years=BOTH),
        ),
        (("institution_code", 0),),
        "1",
        "missing",
        "2121000002",
    ),
    "VOC-W26": Case(
        (
            add(
                "vocational", {"institution_code": "3621000002", **CITY_VOCATIONAL}, years=(BEFORE,)
            ),
            add("teacher", staff("3621000002"), years=BOTH),
        ),
        (("institution_code", 0),),
        "1",
        "missing",
        "3621000002",
    ),
    "TCH-W26": Case(
        (add("teacher", staff(SENIOR), years=(BEFORE,)),),
        (("institution_code", 0),),
        "1",
        "missing",
        SENIOR,
    ),
    "SAF-W26": Case(
        (add("safety", {"institution_code": SENIOR}, years=(BEFORE,)),),
        (("institution_code", 0),),
        "1",
        "missing",
        SENIOR,
    ),
    "KG-W27": Case(
        (add("kindergarten", garden("1121000002", children_enrolled=1, founded_year=None)),),
        (("founded_year", 1), ("institution_code", 1)),
        "1121000002",
        "1121000002",
    ),
    "SCH-W27": Case(
        (
            leave_out("class"),
            add("school", school("2121000002", primary_students=1, founded_year=None)),
        ),
        (("founded_year", 2), ("institution_code", 2)),
        "2121000002",
        "2121000002",
    ),
    "KG-W28": Case(
        (put("kindergarten", 0, supervisor_assigned=None),),
        (("supervisor_assigned", 0),),
        "1",
        "supervisor_assigned",
        "1/1",
    ),
    "SCH-W28": Case(
        (put("school", 0, arrival_time=None),), (("arrival_time", 0),), "1", "arrival_time", "1/1"
    ),
    "VOC-W28": Case(
        (put("vocational", 0, layout_adjusted=None),),
        (("layout_adjusted", 0),),
        "1",
        "layout_adjusted",
        "1/1",
    ),
    "MIL-W29": Case(
        (put("milestone", 2, item="集团化办学"),),
        (("item", 0),),
        "学业负担监测机制",
        "missing",
        "学业负担监测机制",
    ),
    "MIL-W30": Case(
        (put("milestone", 1, item="县管校聘"),), (("item", 1),), "县管校聘", "县管校聘"
    ),
    "FIN-W31": Case(
        (put("finance", 0, students_average=400),),
        (("students_average", 0),),
        "400",
        "students_average",
        "合计 400/250",
    ),
    "SAL-W31": Case(
        (put("salary", 0, teachers=150),), (("teachers", 0),), "150", "teachers", "教师 150/50"
    ),
    "SAF-W32": Case(
        (
            put("safety", 0, BEFORE, hazards_found=30, hazards_fixed=20),
            put("safety", 0, hazards_found=14, hazards_fixed=14),
        ),
        (("hazards_found", 0), ("hazards_fixed", 0)),
        "14",
        "hazards_found",
        "30 -> 14",
        cells=2,
    ),
    "KG-W33": Case(
        (
            leave_out("population"),
            *several("kindergarten", garden, 11, 21, years=(BEFORE,), children_enrolled=1),
        ),
        (("institution_code", 0),),
        "1",
        "all",
        "11 -> 1",
    ),
    "SCH-W33": Case(
        (
            leave_out("class"),
            *several("school", school, 11, 21, years=(BEFORE,), primary_students=1),
        ),
        (("institution_code", 0),),
        "2",
        "all",
        "12 -> 2",
        cells=2,
    ),
    "CLS-W33": Case(
        (
            add(
                "class",
                *(classroom(VOCATIONAL, "高中", 10, 4, number=n) for n in range(2, 12)),
                years=(BEFORE,),
            ),
        ),
        (("institution_code", 0),),
        "5",
        "all",
        "15 -> 5",
        cells=5,
    ),
    "TCH-W33": Case(
        (
            leave_out("population"),
            *several("kindergarten", garden, 11, 21, children_enrolled=1),
            *several("teacher", staff, 11, 21, "11", years=(BEFORE,)),
        ),
        (("institution_code", 0),),
        "1",
        "all",
        "11 -> 1",
    ),
    "VOC-W33": Case(
        tuple(several("vocational", college, 11, 21, "41", years=(BEFORE,))),
        (("institution_code", 0),),
        "1",
        "all",
        "11 -> 1",
    ),
    "SAF-W33": Case(
        (
            leave_out("population"),
            *several("kindergarten", garden, 11, 21, children_enrolled=1),
            *several("safety", staff, 11, 21, "11", years=(BEFORE,)),
        ),
        (("institution_code", 0),),
        "1",
        "all",
        "11 -> 1",
    ),
    "CLS-W34": Case(
        tuple(a_little_in_six_schools(14)),
        (("grade", 1),),
        "1年级405人→2年级321人",
        "cohorts",
        "grade 2: 405 -> 321",
        cells=7,
    ),
}

#: What is right as it stands, up to the very edge.
QUIET: dict[str, tuple[Edit, ...]] = {
    "nothing wrong": (),
    "exactly 30 % more": (put("safety", 0, hazards_found=13),),
    "exactly 30 % less": (put("safety", 0, hazards_found=7),),
    "exactly 30 % more, to the fen": (spending(BEFORE, "333.33"), spending(NOW, "433.329")),
    "from nothing to many": (put("safety", 0, bullying_reported=50),),
    "blank after a figure": (put("school", 0, boarders=None),),
    "a year of foundation is no total": (
        put("school", 0, BEFORE, founded_year=1990),
        put("school", 0, founded_year=1990),
        put("school", 1, founded_year=1991),
    ),
    "exactly 130 % in kindergarten": (put("kindergarten", 0, children_enrolled=104),),
    "exactly 130 % in senior secondary": (
        put("school", 1, senior_students=60, vocational_students=5),
        put("population", 6, population=18),
    ),
    "no population to compare with": (
        leave_out("population"),
        leave_out("finance"),
        put("kindergarten", 0, *BOTH, children_enrolled=9000),
    ),
    "exactly 20,000 and 400,000 yuan": (
        put("salary", 0, *BOTH, civil_pay_total=200, teacher_pay_total=4000),
    ),
    "an average over nobody": (put("salary", 0, *BOTH, teachers=0),),
    "a special school may have any code": (
        add(
            "school",
            school("9999000001", stage="特殊教育学校", primary_students=9),
            years=BOTH,
        ),
        add("class", classroom("9999000001", "小学", 1, 9), years=BOTH),
    ),
    "a college may have any code": (
        add("vocational", {"institution_code": "4121000001", "kind": "高职院校"}, years=BOTH),
    ),
    "every kind of school with its prefix": (
        add(
            "school",
            *(
                school(f"{prefix}2100{number:04d}", stage=stage, vocational_students=1)
                for number, (stage, prefix) in enumerate(
                    {
                        "初中": "31",
                        "九年一贯制学校": "31",
                        "十二年一贯制学校": "34",
                        "完全中学": "34",
                        "中等职业学校": "36",
                    }.items(),
                    start=11,
                )
            ),
            years=BOTH,
        ),
        put("population", 6, *BOTH, population=26),
    ),
    "an unlicensed kindergarten has no code": (
        add(
            "kindergarten",
            {
                "institution_code": None,
                "institution_name": "无照园",
                "licensed": False,
                "township": "甲镇",
                "children_enrolled": 1,
            },
            years=BOTH,
        ),
    ),
    "a unit without a list of townships": (put("kindergarten", 0, township="丁镇"),),
    "a township of any kind, in its own years": (
        put("kindergarten", 0, BEFORE, township="旧镇"),
        put("kindergarten", 0, NOW, township="新镇"),
        put("school", 0, NOW, township="农场"),
    ),
    "a kindergarten has classes and teachers of its own": (
        add("teacher", {"institution_code": GARDEN}, years=BOTH),
        add("safety", {"institution_code": VOCATIONAL}, years=BOTH),
    ),
    "a neighbour has the code that others do not know": (
        add("school", school(UNKNOWN, primary_students=10), years=BOTH),
        add("class", classroom(UNKNOWN, "小学", 1, 10), years=BOTH),
    ),
    "no class form, no classes to miss": (leave_out("class"),),
    "thirty children more": (
        leave_out("population"),
        leave_out("finance"),
        put("kindergarten", 0, BEFORE, children_enrolled=40),
        add("kindergarten", garden("1121000002", children_enrolled=60), years=BOTH),
        put("kindergarten", 0, children_enrolled=70),
    ),
    "fifteen pupils fewer in the next grade": (
        put("class", 1, students=30),
        put("school", 0, primary_students=75),
    ),
    "a teaching point without the upper grades": (
        add("school", school("2121000003", primary_students=20), years=BOTH),
        add(
            "class",
            *(classroom("2121000003", "小学", grade, 10) for grade in (1, 2)),
            years=BOTH,
        ),
    ),
    "a kindergarten that closed is in no form": (
        leave_out("population"),
        add("kindergarten", garden("1121000002", children_enrolled=20), years=(BEFORE,)),
    ),
    "a name with other brackets": (
        put("kindergarten", 0, BEFORE, institution_name="一园(东区)"),
        put("kindergarten", 0, institution_name="一园（东 区）"),
    ),
    "a new one with its year": (
        add("kindergarten", garden("1121000002", founded_year=2021, children_enrolled=1)),
    ),
    "a question that is not put": (
        put("school", 1, arrival_time=None, class_start_time=None, after_school_service=None),
    ),
    "one of the two names is enough": (put("milestone", 1, item="局管校聘改革"),),
    "an item of one's own": (add("milestone", {"item": "集团化办学"}, years=BOTH),),
    "a fifth more than the institutions have": (
        put("finance", 0, BEFORE, students_average=299),
        put("finance", 0, students_average=300),
        put("salary", 0, *BOTH, teachers=60),
    ),
    "what last year's institutions had": (
        leave_out("population"),
        put("kindergarten", 0, BEFORE, children_enrolled=250),
        put("finance", 0, BEFORE, students_average=400),
        put("finance", 0, students_average=401),
        put("kindergarten", 0, children_enrolled=179),
    ),
    "sixty pupils fewer over all schools": tuple(a_little_in_six_schools(10)),
    "exactly half the hazards": (
        put("safety", 0, BEFORE, hazards_found=38, hazards_fixed=20),
        put("safety", 0, hazards_found=27, hazards_fixed=20),
    ),
    "exactly 30 % of the rows less": (
        add("milestone", {"item": "集团化办学"}, years=BOTH),
        add(
            "vocational",
            *({"institution_code": f"412100{n:04d}", "kind": "高职院校"} for n in range(11, 17)),
            years=BOTH,
        ),
        add(
            "vocational",
            *({"institution_code": f"412100{n:04d}", "kind": "高职院校"} for n in range(17, 20)),
            years=(BEFORE,),
        ),
    ),
}
UNLISTED = "a unit without a list of townships"

#: What is wrong by the smallest amount that a form can hold.
BARELY: dict[str, tuple[tuple[Edit, ...], str]] = {
    "more than 30 % more": (
        (spending(BEFORE, "333.33"), spending(NOW, "433.329001")),
        "FIN-W16",
    ),
    "more than 30 % less": ((spending(NOW, "349.999999"),), "FIN-W16"),
    "below 20,000 yuan": ((put("salary", 0, civil_pay_total="199.999999"),), "SAL-W19"),
    "above 400,000 yuan": (
        (
            put("salary", 0, BEFORE, teacher_pay_total=4000),
            put("salary", 0, teacher_pay_total="4000.000001"),
        ),
        "SAL-W19",
    ),
    "one child more than 130 %": (
        (
            leave_out("finance"),
            put("population", 1, *BOTH, population=947),  # with 27 and 26: 1,000
            put("kindergarten", 0, BEFORE, children_enrolled=1300),
            put("kindergarten", 0, children_enrolled=1301),
        ),
        "KG-W20",
    ),
    "one pupil less than the school has": ((put("class", 1, students=44),), "CLS-W14"),
}

#: Several cells, one cause; or several causes.
MANY: dict[str, tuple[Edit, ...]] = {
    "one unknown code in 300 rows": (
        add(
            "class",
            *(classroom(UNKNOWN, "初中", 7 + n % 3, 1, number=n) for n in range(300)),
        ),
    ),
    "one unknown township in 12 rows": (
        add(
            "kindergarten",
            *(
                garden(f"112100{n:04d}", township="乙镇", children_enrolled=1)
                for n in range(100, 112)
            ),
        ),
        leave_out("population"),
    ),
    "five unknown codes": (
        add("teacher", *({"institution_code": f"212100{n:04d}"} for n in range(901, 906))),
    ),
    "the list of another unit": (
        add("teacher", *({"institution_code": f"212100{n:04d}"} for n in range(901, 909))),
    ),
    "two totals that leap": (put("special_group", 0, dropouts=9, left_behind=0, aid_eligible=20),),
    "both averages off": (put("salary", 0, *BOTH, teacher_pay_total=8, civil_pay_total=2_100_000),),
    "a township that is gone": (put("kindergarten", 0, township="旧镇"),),
    "the neighbour of KG-W24": (add("kindergarten", SHARED["kindergarten"]),),
    "the neighbour of SCH-W24": (add("school", SHARED["school"]), leave_out("class")),
    "the neighbour of VOC-W24": (add("vocational", SHARED["vocational"]),),
    "a whole new unit": (only_now(),),
    "a reorganised school": (
        put("school", 0, stage="九年一贯制学校", primary_students=64, junior_students=80),
        put("class", 0, students=32),
        put("class", 1, students=32),
        add("class", *(classroom(PRIMARY, "初中", grade, 40) for grade in (7, 8))),
        put("teacher", 0, full_time_teachers=90),
    ),
    "questions that the same schools leave open": (
        put("school", 0, arrival_time=None, class_start_time=None, digital_teaching=None),
        put("school", 1, digital_teaching=None),
    ),
}

NAMES = [*CASES, *QUIET, *BARELY, *MANY]
UNITS = {name: f"219{number:03d}" for number, name in enumerate(NAMES, start=1)}


def handed_in(edits: Sequence[Edit]) -> dict[int, Forms]:
    handed = {year: clean(year) for year in (BEFORE, NOW)}
    for edit in edits:
        edit(handed)
    return handed


def in_codes_of(unit: str, handed: dict[int, Forms]) -> dict[int, Forms]:
    """Give the institutions codes that only this unit has, but for those that are meant to be known elsewhere."""
    for forms in handed.values():
        for rows in forms.values():
            for row in rows:
                code = row.get("institution_code")
                if isinstance(code, str) and code[4:7] == "000" and code != UNKNOWN:
                    row["institution_code"] = f"{code[:4]}{unit[3:]}{code[7:]}"
    return handed


def in_codes_of_the_case(unit: str, text: object) -> object:
    """Give a text of a finding with the codes that stand in its case."""
    return (
        re.sub(rf"(\d{{4}}){unit[3:]}(\d{{3}})\b", r"\g<1>000\2", text)
        if isinstance(text, str)
        else text
    )


def edits_of(name: str) -> tuple[Edit, ...]:
    if name in CASES:
        return CASES[name].edits
    return BARELY[name][0] if name in BARELY else {**QUIET, **MANY}[name]


def plainly(connection: duckdb.DuckDBPyConnection) -> Broken:
    """What the suite has to give, from DuckDB itself."""
    broken: Broken = {}
    for name, warnings in by_number().items():
        cursor = connection.execute(unexpected_rows(warnings))
        columns = [column[0] for column in cursor.description or ()]
        broken[name] = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    return broken


@contextmanager
def warehouse(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    settings = home.settings
    with open_warehouse(settings.warehouse, load_reference(settings.home)) as connection:
        refresh(connection)
        yield connection


def warned(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    cursor = connection.execute("FROM warning")
    names = [column[0] for column in cursor.description or ()]
    return pl.DataFrame(cursor.fetchall(), schema=names, orient="row", infer_schema_length=None)


@pytest.fixture(scope="module")
def city(make_home: MakeHome) -> Home:
    """All cases, each a unit of one made-up city, read and loaded."""
    home = make_home()
    home.regions(
        [("219000", "city", "", "地级市")]
        + [(unit, "reporting_unit", "219000", "县") for unit in UNITS.values()],
        [
            (unit, *township)
            for name, unit in UNITS.items()
            if name != UNLISTED
            for township in (
                ("甲镇", "镇", None, None),
                ("旧镇", "镇", None, BEFORE),
                ("新镇", "镇", NOW, None),
                ("农场", "其他", None, None),
            )
        ],
    )
    for name, unit in UNITS.items():
        home.book(unit, in_codes_of(unit, handed_in(edits_of(name))))
    home.load()
    return home


@pytest.fixture(scope="module")
def found(city: Home) -> tuple[Broken, pl.DataFrame]:
    """What the rules give over all cases, and the warnings made of it."""
    with warehouse(city) as connection:
        assert connection.execute(
            "SELECT count(*) FROM submission WHERE NOT accepted"
        ).fetchall() == [(0,)]
        broken = plainly(connection)
        count = write_warnings(connection, broken)
        table = warned(connection)
    assert table.height == count
    return broken, table


@pytest.fixture(scope="module")
def table(found: tuple[Broken, pl.DataFrame]) -> pl.DataFrame:
    return found[1]


def of(table: pl.DataFrame, name: str) -> list[dict[str, Any]]:
    unit = UNITS[name]
    return [
        {column: in_codes_of_the_case(unit, value) for column, value in finding.items()}
        | {"region_code": unit}
        for finding in with_messages(table).filter(pl.col("region_code") == unit).to_dicts()
    ]


def place(name: str, form: str, column: str, row: int) -> str:
    """The cell of this year's ``row`` (from 0) in the unit's sheet: header, last year, this year."""
    handed = handed_in(edits_of(name))
    line = 1 + len(handed[BEFORE].get(form, ())) + row + 1
    return cell_name(line, 1 + [c.name for c in FORMS[form].columns].index(column))


def test_every_warning_has_its_case() -> None:
    assert set(CASES) == set(load_warnings())


@pytest.mark.parametrize("rule", CASES)
def test_a_slip_is_caught_by_its_rule_alone_in_the_right_cell(
    rule: str, table: pl.DataFrame
) -> None:
    case, form = CASES[rule], load_warnings()[rule].form
    (finding,) = of(table, rule)
    places = [place(rule, form.name, column, row) for column, row in case.places]
    assert (finding["rule_id"], finding["severity"]) == (rule, "warning")
    assert (finding["form"], finding["year"]) == (form.name, NOW)
    assert (finding["sheet"], finding["cell"], finding["places"]) == (form.zh, places[0], places)
    assert finding["column_name"] == case.places[0][0]
    assert finding["cells"] == (case.cells or len(places))
    assert (finding["value"], finding["key"]) == (case.value, case.key)
    figure = UNITS.get(case.figure or "", case.figure)  # a neighbour stands for its unit's code
    assert (finding["figure"], finding["explained"]) == (figure, None)


@pytest.mark.parametrize("name", QUIET)
def test_what_is_right_up_to_the_edge_is_not_warned_of(name: str, table: pl.DataFrame) -> None:
    assert of(table, name) == []


@pytest.mark.parametrize("name", BARELY)
def test_what_is_barely_wrong_is_warned_of(name: str, table: pl.DataFrame) -> None:
    assert [(f["rule_id"], f["year"]) for f in of(table, name)] == [(BARELY[name][1], NOW)]


def test_three_hundred_uses_of_one_unknown_code_are_one_finding(table: pl.DataFrame) -> None:
    name = "one unknown code in 300 rows"
    (finding,) = [f for f in of(table, name) if f["rule_id"] == "CLS-W10"]
    assert (finding["cells"], finding["key"], len(finding["places"])) == (300, UNKNOWN, 300)
    assert finding["places"][::299] == [
        place(name, "class", "institution_code", row) for row in (5, 304)
    ]
    assert "300" in finding["message_zh"]
    assert {f["rule_id"] for f in of(table, name)} == {"CLS-W10", "CLS-W16"}


def test_one_unknown_township_in_twelve_rows_is_one_finding(table: pl.DataFrame) -> None:
    (finding,) = of(table, "one unknown township in 12 rows")
    assert (finding["rule_id"], finding["cells"], finding["key"]) == ("KG-W13", 12, "乙镇")


def test_some_unknown_codes_are_a_finding_each(table: pl.DataFrame) -> None:
    findings = of(table, "five unknown codes")
    assert [f["key"] for f in findings] == [f"212100{n:04d}" for n in range(901, 906)]
    assert {f["rule_id"] for f in findings} == {"TCH-W10"}


def test_half_a_column_of_different_unknown_codes_is_one_finding(table: pl.DataFrame) -> None:
    name = "the list of another unit"
    (finding,) = of(table, name)
    assert (finding["rule_id"], finding["key"], finding["figure"]) == ("TCH-W10", "all", None)
    assert (finding["cells"], finding["value"]) == (8, "2121000901")
    assert finding["places"] == [
        place(name, "teacher", "institution_code", row) for row in range(1, 9)
    ]
    assert "8处" in finding["message_zh"]


def test_every_total_and_every_average_is_a_finding_of_its_own(table: pl.DataFrame) -> None:
    assert {(f["rule_id"], f["key"]) for f in of(table, "two totals that leap")} == {
        ("SPG-W16", "dropouts"),
        ("SPG-W16", "aid_eligible"),
    }
    averages = of(table, "both averages off")
    assert {(f["rule_id"], f["year"], f["key"]) for f in averages} == {
        ("SAL-W19", year, key) for year in BOTH for key in ("teacher_pay_total", "civil_pay_total")
    }
    assert "800.00元" in averages[1]["message_zh"] + averages[0]["message_zh"]


def test_a_township_is_looked_up_in_the_list_of_its_year(table: pl.DataFrame) -> None:
    (finding,) = of(table, "a township that is gone")
    assert (finding["rule_id"], finding["year"], finding["value"]) == ("KG-W13", NOW, "旧镇")


def test_a_whole_new_unit_is_nothing_to_warn_of(table: pl.DataFrame) -> None:
    assert of(table, "a whole new unit") == []


def test_a_reorganised_school_is_one_finding(table: pl.DataFrame) -> None:
    findings = of(table, "a reorganised school")
    assert [f["rule_id"] for f in findings] == ["SCH-W25"]


def test_what_the_same_schools_leave_open_is_one_finding(table: pl.DataFrame) -> None:
    name = "questions that the same schools leave open"
    found = {f["key"]: f for f in of(table, name)}
    assert set(found) == {"arrival_time", "digital_teaching"}
    assert found["arrival_time"]["places"] == [
        place(name, "school", column, 0) for column in ("arrival_time", "class_start_time")
    ]
    assert found["digital_teaching"]["figure"] == "2/2"
    assert (
        "应用信息化教学: 应答的2所中2所未填：一中、一小。"
        in found["digital_teaching"]["problem_zh"]
    )


def test_a_message_says_what_is_wrong_and_the_way_out(table: pl.DataFrame) -> None:
    (finding,) = of(table, "CLS-W14")
    assert finding["message_zh"] == (
        "“学校2121000001”(2121000001 小学)各班人数合计89, 与中小学校基本情况表的在校生数90不符。"
        "请核对是否漏报或重报班级, 以及两张表的填报时点是否一致。"
        "情况属实的(通常如: 两表填报时点不同), 请在反馈表中写明原因, 随下次报送交回。"
    )
    assert finding["message_zh"].endswith(finding["remedy_zh"])
    assert finding["message_en"].startswith("the classes of ")


def test_a_township_that_is_not_listed_is_told_with_the_nearest_of_the_year(
    table: pl.DataFrame,
) -> None:
    (finding,) = of(table, "KG-W13")
    said = finding["problem_zh"].partition("最相近的是")[2]
    assert "甲镇" in said
    assert "旧镇" not in said


def test_no_message_has_a_word_of_the_program(table: pl.DataFrame) -> None:
    for message in table["problem_zh"].to_list() + table["remedy_zh"].to_list():
        assert not re.search(r"\b(key|figure|all|missing|None|[a-z]+_[a-z]+)\b", message), message


def test_the_table_has_the_columns_of_a_finding(city: Home, table: pl.DataFrame) -> None:
    with warehouse(city) as connection:
        columns = {
            name: connection.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = "
                f"'{name}' ORDER BY column_index"
            ).fetchall()
            for name in ("finding", "warning")
        }
    more = [(name, "VARCHAR") for name in ("key", "figure", "explained", "number", "refused")]
    assert columns["warning"] == columns["finding"] + more
    assert list(WARNING.schema) == [name for name, _ in columns["warning"]]


def test_great_expectations_gives_the_same(
    city: Home, found: tuple[Broken, pl.DataFrame], make_home: MakeHome, as_csv: AsCsv
) -> None:
    # It hands over 200 rows at most; here more units than that have a finding.
    nation = make_home()
    units = [f"21{number:04d}" for number in range(1000, 1230)]
    nation.regions(
        [("210000", "province", "", "省")]
        + [(unit, "reporting_unit", "210000", "县") for unit in units]
    )
    for number, unit in enumerate(units):
        rows = [{"institution_code": f"112100{number:04d}", "supervisor_assigned": True}]
        nation.deliver(f"{unit}/幼儿园2020年.csv", as_csv("kindergarten", rows))
    nation.load()
    with warehouse(nation):
        pass
    with Engine() as engine:
        broken = {
            home: engine.run(
                home.settings.warehouse, TABLE, {f"{SUITE}{n}": expectations(by_number())}
            )
            for n, home in enumerate((city, nation))
        }
        with warehouse(city) as connection:
            keep_answers(connection, suite(connection), broken[city][f"{SUITE}0"])
            kept = suite(connection).expectations
        assert not any("AS rule_id" in expectation.query for expectation in kept)
        assert engine.run(city.settings.warehouse, TABLE, {"kept": kept})["kept"] == found[0]
    assert broken[city] == {f"{SUITE}0": found[0]}
    with warehouse(nation) as connection:
        assert write_warnings(connection, broken[nation][f"{SUITE}1"]) == len(units)
        assert set(warned(connection)["region_code"]) == set(units)


def test_a_tidy_city_gives_no_warning(make_home: MakeHome) -> None:
    home = make_home()
    reference = load_reference(home.root)
    write_sample(
        home.settings.inbox, range(2020, 2022), reference.regions, reference.townships, mess="none"
    )
    home.load()
    with warehouse(home) as connection:
        (counted,) = connection.execute("SELECT count(*) FROM version_in_force").fetchall()
        assert counted[0] > 200
        write_warnings(connection, plainly(connection))
        # What it leaves blank is left blank on purpose.
        assert {rule.partition("-")[2] for rule in warned(connection)["rule_id"]} == {"W28"}


def test_a_population_that_is_not_asked_for_makes_no_rate(home: Home) -> None:
    # The city's own schools take pupils from everywhere: 210701 has no residents to divide by.
    for unit in ("210701", "210702"):
        home.sheet(unit, "population", NOW, [{"age": 4, "population": 10}])
        row = garden(f"1121{unit[3:]}001", township="石油街道", children_enrolled=14)
        home.sheet(unit, "kindergarten", NOW, [row])
    home.load()
    with warehouse(home) as connection:
        write_warnings(connection, plainly(connection))
        assert warned(connection)["region_code", "rule_id"].rows() == [("210702", "KG-W20")]


def test_what_is_told_of_several_figures_has_one_order(home: Home) -> None:
    # A grade in two stages, and two columns that are off by as much: an explanation holds as long as the figure is the same.
    code = {"institution_code": "2121020001", "institution_name": "一小"}
    for year, times in ((2020, 1), (2021, 10)):
        stages = {"junior_students": 60 * times, "senior_students": 50 * times}
        row = {**code, "township": "石油街道", "primary_students": 60, **stages}
        home.sheet("210702", "school", year, [row])
    grades = [("小学", 3, 60), ("小学", 4, 61), ("初中", 3, 62), ("初中", 4, 63)]
    for year, kept in ((2020, grades), (2021, [grades[0], grades[2]])):
        rows = [
            {**code, "stage": stage, "grade": grade, "class_name": "1班", "students": size}
            for stage, grade, size in kept
        ]
        home.sheet("210702", "class", year, rows)
    home.load()
    with warehouse(home) as connection:
        broken = plainly(connection)
    (moved,), (gone,) = (
        [finding for unit in broken[name] for finding in unit["findings"]]
        for name in ("W21", "W22")
    )
    assert moved["columns"] == ["junior_students", "senior_students"]
    assert (moved["value"], moved["other"]) == ("600", "60")
    assert moved["figure"] == "60 -> 600, 50 -> 500"
    assert gone["figure"] == "grade 4: 62 -> 0, grade 4: 60 -> 0"


def test_cells_are_named_on_the_first_sheet_and_counted_on_all(home: Home) -> None:
    form = FORMS["class"]
    header = [column.titled for column in form.columns]
    buffer = BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        for name, above, numbers in (("乙", 0, range(1, 3)), ("甲", 2, range(3, 6))):
            sheet = book.add_worksheet(name)
            sheet.write_row(above, above, header)
            for line, number in enumerate(numbers, start=above + 1):
                row = [UNKNOWN, "某校", "小学", "1", f"{number}班", "30"]
                sheet.write_row(line, above, row)
    home.sheet("210702", "school", NOW, [{"township": "石油街道", "vocational_students": 1}])
    home.deliver(f"210702/班级{NOW}年.xlsx", buffer.getvalue())
    home.load()
    with warehouse(home) as connection:
        write_warnings(connection, plainly(connection))
        (finding,) = warned(connection).filter(pl.col("rule_id") == "CLS-W10").to_dicts()
    assert (finding["sheet"], finding["places"]) == ("乙", ["A2", "A3"])
    assert (finding["cells"], finding["row"]) == (5, 2)


def test_only_what_is_in_force_is_looked_at(home: Home) -> None:
    rows = [garden(GARDEN, township="石油街道", children_enrolled=0)]
    home.sheet("210702", "kindergarten", NOW, rows, received="2021-09-01 00:00:00", name="一.csv")
    home.sheet(
        "210702",
        "kindergarten",
        NOW,
        [{**rows[0], "children_enrolled": 20}],
        received="2021-09-02 00:00:00",
        name="二2021.csv",
    )
    home.load()
    with warehouse(home) as connection:
        assert write_warnings(connection, plainly(connection)) == 0


RECORD: Mapping[str, object] = {
    "number": "W10",
    "forms": {"class": {}},
    **dict.fromkeys(
        (
            *("zh", "en", "remedy_zh", "remedy_en", "reason_zh", "reason_en"),
            *("accepted_zh", "accepted_en", "example"),
        ),
        "x",
    ),
    "query": "SELECT 1",
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"number": "E10"}, "number"),
        ({"number": "W01"}, "number"),
        ({"forms": {"klass": {}}}, "no form klass"),
        ({"zh": "{wert}"}, "wert"),
        ({"query": "FROM {batch}"}, "braces"),
        ({"query": "FROM $nowhere"}, "nowhere"),
        ({"extra": "x"}, "extra"),
        ({"gives_way_to": ["W99"]}, "CLS-W99"),
    ],
)
def test_a_record_that_is_not_sound_is_refused(
    change: dict[str, object], said: str, tmp_path: Path
) -> None:
    file = tmp_path / "warnings.yaml"
    record = {**RECORD, **change}
    file.write_text(yaml.safe_dump({"parts": {}, "rules": [record]}, allow_unicode=True), "utf-8")
    with pytest.raises(DefinitionError, match=said):
        read_warnings(file, load_plan(), load_catalogue())


def test_an_id_is_given_once() -> None:
    assert not set(load_warnings()) & set(RULES)
