"""Every indicator against cases worked by hand: its own examples, and more written from the plan.

All cases are computed in one run. Each is a city of its own with one unit, whose rows are handed in
as files; the unit's figures and the city's must both come out as worked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import pytest
from pydantic import ValidationError

from expectations.clauses import catalogues
from tests.conftest import MakeHome, english
from transforms.forms import FORMS, packaged_forms
from warehouse.indicators.definitions import Catalogue, Indicator, Part, load_catalogue

Given = Mapping[str, Sequence[Mapping[str, object]]]
Town = tuple[str, str, int | None, int | None]

CATALOGUE = load_catalogue()
TOWNS: tuple[Town, ...] = (("甲镇", "镇", None, None), ("乙乡", "乡", None, None))


@dataclass(frozen=True)
class Case:
    """Rows of one unit and year, and the parts they give; None where nothing is reported.

    ``earlier`` holds the rows of so many years before; ``asked`` is None where no answers are counted.
    """

    name: str
    indicator_id: str
    given: Given
    numerator: str | None
    denominator: str | None = None
    asked: int | None = None
    earlier: Mapping[int, Given] = field(default_factory=dict)
    year: int = 2020
    towns: tuple[Town, ...] = field(default=TOWNS)


def schools(*rows: Mapping[str, object], **common: object) -> Given:
    """A school form in which every row has ``common`` answers too."""
    return {"school": [{**common, **row} for row in rows]}


def kindergartens(*rows: Mapping[str, object], **common: object) -> Given:
    """A kindergarten form in which every row has ``common`` answers too."""
    return {"kindergarten": [{**common, **row} for row in rows]}


def classes(stage: str, *sizes: int) -> list[dict[str, object]]:
    """Classes of one stage, one for each size."""
    return [
        {"stage": stage, "class_name": f"{stage}{number}", "students": size}
        for number, size in enumerate(sizes)
    ]


def answers(column: str, *values: bool | None, **common: object) -> Given:
    """Schools that answer one question."""
    return schools(*({column: value} for value in values), **common)


YES_NO_BLANK = (True, True, False, None)

CASES = [
    # Of the national rule sets alone
    Case(
        "every kindergarten, licensed or not",
        "children_per_kindergarten_teacher",
        kindergartens(
            {"children_enrolled": 100, "full_time_teachers": 7},
            {"children_enrolled": 50, "full_time_teachers": 2, "licensed": False},
        ),
        "150",
        "9",
    ),
    Case(
        "primary and junior classes of 66 and more",
        "very_large_class_share",
        {"class": [*classes("小学", 65, 66), *classes("初中", 67), *classes("高中", 70)]},
        "2",
        "3",
    ),
    Case(
        "over the institutions that give the backbone teachers",
        "backbone_share_of_rotated",
        {
            "teacher": [
                {"eligible_rotation": 9, "rotated": 8, "backbone_rotated": 0},
                {"eligible_rotation": 9, "rotated": 4, "backbone_rotated": 3},
                {"eligible_rotation": 9, "rotated": 9, "backbone_rotated": None},
            ]
        },
        "3",
        "12",
    ),
    # 0 Overall aim
    Case(
        "its row alone counts",
        "provincial_rank",
        {
            "milestone": [
                {"item": "省内综合排名", "status": "进行中", "quantity": 8},
                {"item": "对外交流项目", "status": "进行中", "quantity": 40},
            ]
        },
        "8",
    ),
    Case(
        "no such item",
        "provincial_rank",
        {"milestone": [{"item": "对外交流项目", "status": "进行中", "quantity": 4}]},
        None,
    ),
    Case(
        "no quantity",
        "provincial_rank",
        {"milestone": [{"item": "省内综合排名", "status": "进行中"}]},
        None,
    ),
    # 1 The school day
    Case(
        "the five compulsory kinds, to the minute",
        "arrival_compliance_share",
        schools(
            {"stage": "小学", "arrival_time": "07:50"},
            {"stage": "初中", "arrival_time": "07:49"},
            {"stage": "九年一贯制学校", "arrival_time": "08:00"},
            {"stage": "十二年一贯制学校", "arrival_time": "07:30"},
            {"stage": "完全中学", "arrival_time": "07:50"},
            {"stage": "完全中学", "arrival_time": None},
            {"stage": "普通高中", "arrival_time": "07:00"},
            {"stage": "中等职业学校", "arrival_time": "08:30"},
            {"stage": "特殊教育学校", "arrival_time": "08:30"},
        ),
        "3",
        "5",
        6,
    ),
    Case(
        "nobody gives a time",
        "arrival_compliance_share",
        schools({"stage": "小学"}, {"stage": "普通高中", "arrival_time": "07:00"}),
        "0",
        "0",
        1,
    ),
    Case(
        "to the minute",
        "lesson_start_compliance_share",
        schools(
            {"stage": "小学", "class_start_time": "08:00"},
            {"stage": "初中", "class_start_time": "07:59"},
            {"stage": "完全中学", "class_start_time": "08:01"},
            {"stage": "小学"},
            {"stage": "特殊教育学校", "class_start_time": "07:00"},
        ),
        "2",
        "3",
        4,
    ),
    Case(
        "primary from 08:20, secondary from 08:00",
        "lesson_start_national_share",
        schools(
            {"stage": "小学", "primary_students": 90, "class_start_time": "08:20"},
            {"stage": "小学", "primary_students": 90, "class_start_time": "08:19"},
            {"stage": "初中", "junior_students": 90, "class_start_time": "08:00"},
            {"stage": "初中", "junior_students": 90, "class_start_time": "07:55"},
            {"stage": "普通高中", "senior_students": 90, "class_start_time": "07:00"},
            {"stage": "小学", "primary_students": 90},
        ),
        "2",
        "5",
        6,
    ),
    Case(
        "boarding schools with junior pupils of any kind",
        "junior_evening_study_compliance_share",
        schools(
            {"stage": "初中", "junior_students": 300, "evening_end_time": "21:00"},
            {"stage": "完全中学", "junior_students": 1, "evening_end_time": "20:30"},
            {"stage": "十二年一贯制学校", "junior_students": 30, "evening_end_time": "21:01"},
            {"stage": "特殊教育学校", "junior_students": 8, "evening_end_time": "22:00"},
            {"stage": "普通高中", "junior_students": 0, "evening_end_time": "22:30"},
            {"stage": "初中", "junior_students": 300, "evening_end_time": None},
            {
                "stage": "初中",
                "junior_students": 300,
                "evening_end_time": "23:00",
                "boarding": False,
            },
            boarding=True,
        ),
        "2",
        "4",
    ),
    Case(
        "blank is neither yes nor no, senior schools are out",
        "after_school_service_share",
        schools(
            *({"stage": "小学", "after_school_service": value} for value in YES_NO_BLANK),
            {"stage": "普通高中", "after_school_service": True},
        ),
        "2",
        "3",
        4,
    ),
    Case(
        "nothing found",
        "nonzero_start_cases",
        {"safety": [{"nonzero_start_cases": 0}, {"nonzero_start_cases": 0}]},
        "0",
    ),
    Case(
        "summed",
        "nonzero_start_cases",
        {"safety": [{"nonzero_start_cases": 2}, {"nonzero_start_cases": 9}]},
        "11",
    ),
    Case(
        "summed",
        "paid_tutoring_cases",
        {"teacher": [{"paid_tutoring_cases": 5, "misconduct_cases": 7}, {"misconduct_cases": 1}]},
        "5",
    ),
    Case(
        "schools of every kind",
        "mental_health_teacher_share",
        schools(
            {"stage": "小学", "mental_health_teacher": True},
            {"stage": "特殊教育学校", "mental_health_teacher": True},
            {"stage": "中等职业学校", "mental_health_teacher": False},
            {"stage": "普通高中", "mental_health_teacher": None},
        ),
        "2",
        "3",
        4,
    ),
    # 2 Kindergartens
    Case(
        "all children enrolled, whatever their age, licensed or not",
        "preschool_gross_enrolment_rate",
        {
            "kindergarten": [
                {"children_enrolled": 120, "children_aged_3_5": 100},
                {"children_enrolled": 30, "licensed": False, "institution_code": None},
            ],
            "population": [
                {"age": age, "population": people}
                for age, people in ((0, 500), (2, 400), (3, 51), (4, 52), (5, 53), (6, 300))
            ],
        },
        "150",
        "156",
    ),
    Case(
        "nobody of that age lives there",
        "preschool_gross_enrolment_rate",
        {
            "kindergarten": [{"children_enrolled": 10}],
            "population": [{"age": 6, "population": 99}],
        },
        "10",
        "0",
    ),
    Case(
        "public, counted by children",
        "public_kindergarten_enrolment_share",
        kindergartens(
            {"ownership": "公办", "children_enrolled": 70},
            {"ownership": "民办", "children_enrolled": 100, "inclusive": True},
            {"ownership": "公办", "children_enrolled": 0},
        ),
        "70",
        "170",
    ),
    Case(
        "kindergartens without children",
        "public_kindergarten_enrolment_share",
        kindergartens({"ownership": "公办", "children_enrolled": 0}),
        "0",
        "0",
    ),
    Case(
        "public and inclusive private",
        "inclusive_kindergarten_enrolment_share",
        kindergartens(
            {"ownership": "公办", "children_enrolled": 70},
            {"ownership": "民办", "children_enrolled": 100, "inclusive": True},
            {"ownership": "民办", "children_enrolled": 30, "inclusive": False},
        ),
        "170",
        "200",
    ),
    Case(
        "licensed, public, in a township of the year's list, each counted once",
        "township_public_kindergarten_coverage",
        kindergartens(
            {"township": "甲镇", "ownership": "公办"},
            {"township": "甲镇", "ownership": "公办"},
            {
                "township": "乙乡",
                "ownership": "公办",
                "licensed": False,
                "institution_code": None,
            },
            {"township": "乙乡", "ownership": "民办"},
            {"township": "丙满族乡", "ownership": "公办"},
            {"township": "丁街道", "ownership": "公办"},
            {"township": "戊农场", "ownership": "公办"},
            {"township": "别处镇", "ownership": "公办"},
            {"township": "将来镇", "ownership": "公办"},
            {"township": "从前镇", "ownership": "公办"},
        ),
        "2",
        "4",
        towns=(
            *TOWNS,
            ("丙满族乡", "民族乡", None, None),
            ("丁街道", "街道", None, None),
            ("戊农场", "其他", None, None),
            ("己镇", "镇", 2020, 2020),
            ("从前镇", "镇", None, 2019),
            ("将来镇", "镇", 2021, None),
        ),
    ),
    Case(
        "under its old name in the last year of that name",
        "township_public_kindergarten_coverage",
        kindergartens({"township": "右卫满族镇", "ownership": "公办"}),
        "1",
        "1",
        towns=(("右卫满族镇", "镇", None, 2020), ("右卫镇", "镇", 2021, None)),
    ),
    Case(
        "under its old name a year too late",
        "township_public_kindergarten_coverage",
        kindergartens({"township": "右卫满族镇", "ownership": "公办"}),
        "0",
        "1",
        year=2021,
        towns=(("右卫满族镇", "镇", None, 2020), ("右卫镇", "镇", 2021, None)),
    ),
    Case(
        "founded under the plan and not after the year, of the two kinds",
        "new_primary_with_kindergarten_share",
        {
            "school": [
                {"stage": "小学", "founded_year": 2018, "institution_code": "2121000001"},
                {"stage": "小学", "founded_year": 2019, "institution_code": "2121000002"},
                {"stage": "九年一贯制学校", "founded_year": 2020, "institution_code": "3121000003"},
                {"stage": "小学", "founded_year": 2020, "institution_code": "2121000004"},
                {"stage": "小学", "founded_year": 2021, "institution_code": "2121000005"},
                {"stage": "小学", "founded_year": None, "institution_code": "2121000006"},
                {
                    "stage": "十二年一贯制学校",
                    "founded_year": 2019,
                    "institution_code": "3421000007",
                },
                {"stage": "初中", "founded_year": 2019, "institution_code": "3121000008"},
            ],
            "kindergarten": [
                {"attached_primary_code": "2121000002"},
                {"attached_primary_code": "2121000002"},
                {
                    "attached_primary_code": "3121000003",
                    "licensed": False,
                    "institution_code": None,
                },
                {"attached_primary_code": "2121000005"},
                {"attached_primary_code": "2121999999"},
                {"attached_primary_code": None},
            ],
        },
        "2",
        "3",
    ),
    Case(
        "nothing new yet",
        "new_primary_with_kindergarten_share",
        {
            "school": [{"stage": "小学", "founded_year": 2019}],
            "kindergarten": [{"attached_primary_code": None}],
        },
        "0",
        "0",
        year=2018,
    ),
    Case(
        "all licensed",
        "unlicensed_kindergartens",
        kindergartens({"licensed": True}, {"licensed": True}),
        "0",
    ),
    Case(
        "with or without a code",
        "unlicensed_kindergartens",
        kindergartens(
            {"licensed": True},
            {"licensed": False, "institution_code": None},
            {"licensed": False},
        ),
        "2",
    ),
    Case(
        "private, both amounts given, by a fen",
        "kindergartens_over_fee_ceiling",
        kindergartens(
            {"ownership": "民办", "monthly_fee": "1000.01", "fee_ceiling": "1000"},
            {"ownership": "民办", "monthly_fee": "1000", "fee_ceiling": "1000"},
            {"ownership": "民办", "monthly_fee": "1200", "fee_ceiling": None},
            {"ownership": "民办", "monthly_fee": None, "fee_ceiling": "500"},
            {"ownership": "公办", "monthly_fee": "1200", "fee_ceiling": "1000"},
            {"ownership": "民办", "monthly_fee": "9", "fee_ceiling": "0"},
        ),
        "2",
    ),
    Case(
        "of residential quarters only, blank is neither",
        "residential_kindergartens_governed_share",
        kindergartens(
            *(
                {"residential_quarter": True, "residential_governed": value}
                for value in YES_NO_BLANK
            ),
            {"residential_quarter": False, "residential_governed": True},
            {"residential_quarter": False, "residential_governed": False},
        ),
        "2",
        "3",
        4,
    ),
    # 2 Classes and schools
    Case(
        "from 56 on, senior classes are out",
        "large_class_share",
        {"class": [*classes("小学", 1, 55, 56), *classes("初中", 57, 55), *classes("高中", 60)]},
        "2",
        "5",
    ),
    Case(
        "45 is within",
        "primary_class_within_45_share",
        {"class": [*classes("小学", 45, 46, 44), *classes("初中", 30)]},
        "2",
        "3",
    ),
    Case(
        "50 is within",
        "junior_class_within_50_share",
        {"class": [*classes("初中", 50, 51, 49, 150), *classes("小学", 30)]},
        "2",
        "4",
    ),
    Case(
        "no junior class",
        "junior_class_within_50_share",
        {"class": classes("小学", 30)},
        "0",
        "0",
    ),
    Case(
        "over 2,000 compulsory-stage pupils, 2,500 where nine or twelve grades",
        "oversized_school_share",
        schools(
            {"stage": "小学", "primary_students": 2000},
            {"stage": "小学", "primary_students": 2001},
            {"stage": "初中", "junior_students": 2400},
            {"stage": "完全中学", "junior_students": 1900, "senior_students": 900},
            {"stage": "九年一贯制学校", "primary_students": 1500, "junior_students": 1000},
            {"stage": "九年一贯制学校", "primary_students": 1500, "junior_students": 1001},
            {
                "stage": "十二年一贯制学校",
                "primary_students": 1200,
                "junior_students": 1300,
                "senior_students": 2000,
            },
            {"stage": "普通高中", "senior_students": 5000},
        ),
        "3",
        "7",
    ),
    Case(
        "boarding schools of every kind, blank is neither",
        "boarding_conditions_share",
        schools(
            *({"boarding": True, "boarding_standard": value} for value in YES_NO_BLANK),
            {"boarding": True, "boarding_standard": True, "stage": "普通高中"},
            {"boarding": False, "boarding_standard": False},
        ),
        "3",
        "4",
        5,
    ),
    Case(
        "no boarding school",
        "boarding_conditions_share",
        schools({"boarding": False, "boarding_standard": True}),
        "0",
        "0",
        0,
    ),
    Case(
        "compulsory stage in towns and villages",
        "rural_basic_conditions_share",
        schools(
            {"stage": "小学", "urban_rural": "镇区", "conditions_standard": True},
            {"stage": "初中", "urban_rural": "乡村", "conditions_standard": False},
            {"stage": "初中", "urban_rural": "乡村", "conditions_standard": None},
            {"stage": "小学", "urban_rural": "城区", "conditions_standard": False},
            {"stage": "普通高中", "urban_rural": "镇区", "conditions_standard": False},
        ),
        "1",
        "2",
        3,
    ),
    Case(
        "senior and vocational students of every school, above 100 %",
        "senior_secondary_gross_enrolment_rate",
        {
            "school": [
                {"stage": "普通高中", "senior_students": 500},
                {"stage": "完全中学", "junior_students": 900, "senior_students": 60},
                {"stage": "中等职业学校", "vocational_students": 240},
                {"stage": "小学", "primary_students": 700},
            ],
            "population": [
                {"age": age, "population": people}
                for age, people in ((14, 1000), (15, 210), (16, 220), (17, 230), (18, 1000))
            ],
        },
        "800",
        "660",
    ),
    # 2 Vocational education
    Case(
        "county centres only, blank is neither",
        "vocational_centres_transformed_share",
        {
            "vocational": [
                *({"kind": "县级职教中心", "transformed": value} for value in YES_NO_BLANK),
                {"kind": "城区中职学校", "transformed": True},
                {"kind": "高职院校", "transformed": True},
            ]
        },
        "2",
        "3",
        4,
    ),
    Case(
        "one 否 is enough, 是 and a blank are neither",
        "city_vocational_layout_share",
        {
            "vocational": [
                {"kind": "城区中职学校", "layout_adjusted": adjusted, "integrated": integrated}
                for adjusted, integrated in (
                    (True, True),
                    (True, False),
                    (False, True),
                    (False, None),
                    (None, False),
                    (True, None),
                    (None, True),
                    (None, None),
                )
            ]
            + [{"kind": "县级职教中心", "layout_adjusted": True, "integrated": True}]
        },
        "1",
        "5",
        8,
    ),
    Case(
        "of every kind of institution",
        "school_enterprise_partnerships",
        {
            "vocational": [
                {"kind": "县级职教中心", "partnerships": 3},
                {"kind": "高职院校", "partnerships": 12},
            ]
        },
        "15",
    ),
    # 2 Groups in need
    Case(
        "nobody is disabled",
        "disabled_children_enrolment_rate",
        {"special_group": [{}]},
        "0",
        "0",
    ),
    Case(
        "nearly all",
        "disabled_children_enrolment_rate",
        {"special_group": [{"disabled_school_age": 300, "disabled_enrolled": 299}]},
        "299",
        "300",
    ),
    Case(
        "aid",
        "student_aid_coverage",
        {"special_group": [{"aid_eligible": 70, "aid_received": 69}]},
        "69",
        "70",
    ),
    Case("nobody dropped out", "dropouts", {"special_group": [{}]}, "0"),
    Case(
        "migrants",
        "migrant_public_school_share",
        {"special_group": [{"migrant_children": 7, "migrant_in_public": 3, "left_behind": 5}]},
        "3",
        "7",
    ),
    Case(
        "left behind",
        "left_behind_cared_share",
        {"special_group": [{"left_behind": 11, "left_behind_cared": 11, "migrant_children": 2}]},
        "11",
        "11",
    ),
    # 3 Money and supervision
    Case(
        "the total alone, not added to its levels",
        "budget_education_expenditure",
        {
            "finance": [
                {"stage": "合计", "budget_expenditure": "300.57"},
                {"stage": "小学", "budget_expenditure": "200.25"},
                {"stage": "中职", "budget_expenditure": "100.32"},
            ]
        },
        "300.57",
    ),
    Case(
        "both parts of the total",
        "budget_expenditure_per_pupil",
        {
            "finance": [
                {"stage": "合计", "budget_expenditure": "300.57", "students_average": 250},
                {"stage": "小学", "budget_expenditure": "300.57", "students_average": 240},
            ]
        },
        "300.57",
        "250",
    ),
    Case(
        "schools of every kind",
        "responsible_supervisor_share",
        answers("supervisor_assigned", *YES_NO_BLANK, stage="普通高中"),
        "2",
        "3",
        4,
    ),
    Case(
        "violations",
        "admission_violations",
        {"safety": [{"admission_violations": 1, "nonzero_start_cases": 4}]},
        "1",
    ),
    # 4 Teachers
    Case(
        "crosswise, to the fen",
        "teacher_pay_ratio",
        {
            "salary": [
                {
                    "teacher_pay_total": "1234.56",
                    "teachers": 200,
                    "civil_pay_total": "600.5",
                    "civil_servants": 90,
                }
            ]
        },
        "111110.4",
        "120100",
    ),
    Case(
        "no civil servant",
        "teacher_pay_ratio",
        {"salary": [{"teacher_pay_total": "12", "teachers": 2}]},
        "0",
        "0",
    ),
    Case(
        "done counts as begun",
        "county_managed_hiring_started_share",
        {"milestone": [{"item": "县管校聘改革", "status": "已完成"}]},
        "1",
        "1",
    ),
    Case(
        "no such item",
        "county_managed_hiring_started_share",
        {"milestone": [{"item": "对外交流项目", "status": "已完成", "quantity": 2}]},
        None,
        None,
    ),
    Case(
        "rotation",
        "teacher_rotation_rate",
        {"teacher": [{"eligible_rotation": 9, "rotated": 4, "full_time_teachers": 30}, {}]},
        "4",
        "9",
    ),
    Case(
        "training",
        "outside_training_share",
        {"teacher": [{"full_time_teachers": 30, "trained_outside": 7, "eligible_rotation": 9}]},
        "7",
        "30",
    ),
    Case(
        "nobody teaches a vocational subject",
        "dual_qualified_teacher_share",
        {"teacher": [{"full_time_teachers": 30}]},
        "0",
        "0",
    ),
    Case(
        "misconduct",
        "misconduct_cases",
        {"teacher": [{"misconduct_cases": 2}, {"misconduct_cases": 3, "paid_tutoring_cases": 9}]},
        "5",
    ),
    Case(
        "subsidy",
        "rural_subsidy_coverage",
        {"salary": [{"subsidy_due": 40, "subsidy_paid": 39, "head_teachers": 5}]},
        "39",
        "40",
    ),
    Case(
        "allowance",
        "head_teacher_allowance_coverage",
        {"salary": [{"head_teachers": 5, "allowance_paid": 4, "subsidy_due": 40}]},
        "4",
        "5",
    ),
    # 5 Digital teaching, opening up
    Case(
        "digital teaching",
        "digital_teaching_coverage",
        answers("digital_teaching", *YES_NO_BLANK),
        "2",
        "3",
        4,
    ),
    Case("cloud", "cloud_platform_share", answers("cloud_platform", *YES_NO_BLANK), "2", "3", 4),
    Case(
        "programmes",
        "industry_matched_programme_share",
        {
            "vocational": [
                {"kind": "高职院校", "programmes": 20, "programmes_matched": 11},
                {"kind": "县级职教中心", "programmes": 4, "programmes_matched": 0},
            ]
        },
        "11",
        "24",
    ),
    Case(
        "none, and said so",
        "exchange_projects",
        {"milestone": [{"item": "对外交流项目", "status": "未启动", "quantity": 0}]},
        "0",
    ),
    Case(
        "no quantity",
        "exchange_projects",
        {"milestone": [{"item": "对外交流项目", "status": "进行中"}]},
        None,
    ),
    Case(
        "no such item",
        "exchange_projects",
        {"milestone": [{"item": "县管校聘改革", "status": "进行中", "quantity": 3}]},
        None,
    ),
    # 6 Safety and the Party
    Case(
        "hazards",
        "safety_hazards_fixed_share",
        {"safety": [{"hazards_found": 10, "hazards_fixed": 9}, {"hazards_found": 2}]},
        "9",
        "12",
    ),
    Case(
        "bullying",
        "bullying_handled_share",
        {"safety": [{"bullying_reported": 3, "bullying_handled": 2, "hazards_found": 8}]},
        "2",
        "3",
    ),
    Case(
        "party",
        "party_organisation_share",
        answers("party_organisation", *YES_NO_BLANK, stage="中等职业学校"),
        "2",
        "3",
        4,
    ),
    # What the revision of the plan's indicators added.
    Case(
        "begun or done, and almost the item is not the item",
        "burden_monitoring_started_share",
        {
            "milestone": [
                {"item": "学业负担监测机制", "status": "已完成"},
                {"item": "学业负担监测机制建设", "status": "未启动"},
            ]
        },
        "1",
        "1",
    ),
    Case(
        "grade 9 of one stage, grade 7 of two years before",
        "junior_retention_rate",
        {
            "class": [
                {"stage": "初中", "grade": 9, "class_name": "1班", "students": 50},
                {"stage": "初中", "grade": 9, "class_name": "2班", "students": 45},
                {"stage": "初中", "grade": 8, "class_name": "1班", "students": 60},
                {"stage": "小学", "grade": 6, "class_name": "1班", "students": 40},
            ]
        },
        "95",
        "102",
        earlier={
            1: {"class": [{"stage": "初中", "grade": 7, "class_name": "1班", "students": 70}]},
            2: {
                "class": [
                    {"stage": "初中", "grade": 7, "class_name": "1班", "students": 50},
                    {"stage": "初中", "grade": 7, "class_name": "2班", "students": 52},
                    {"stage": "初中", "grade": 8, "class_name": "1班", "students": 33},
                ]
            },
        },
    ),
    Case(
        "vocational students of every school",
        "private_vocational_student_share",
        schools(
            {"stage": "中等职业学校", "ownership": "民办", "vocational_students": 120},
            {"stage": "中等职业学校", "ownership": "公办", "vocational_students": 300},
            {"stage": "普通高中", "ownership": "民办", "senior_students": 900},
        ),
        "120",
        "420",
    ),
    Case(
        "no vocational student",
        "private_vocational_student_share",
        schools({"stage": "小学", "ownership": "民办"}),
        "0",
        "0",
    ),
    Case(
        "of the compulsory stage, from 2019 up to the year",
        "new_compulsory_schools",
        schools(
            {"stage": "小学", "founded_year": 2018},
            {"stage": "小学", "founded_year": 2019},
            {"stage": "九年一贯制学校", "founded_year": 2020},
            {"stage": "十二年一贯制学校", "founded_year": 2021},
            {"stage": "普通高中", "founded_year": 2020},
            {"stage": "初中"},
        ),
        "2",
    ),
    Case(
        "public, licensed and founded from 2019 up to the year",
        "new_public_kindergarten_share",
        kindergartens(
            {"ownership": "公办", "founded_year": 2021},
            {"ownership": "公办", "founded_year": 2020},
            {"ownership": "公办", "founded_year": 2019, "licensed": False},
        ),
        "1",
        "1",
    ),
    Case(
        "none of them is all three",
        "new_public_kindergarten_share",
        kindergartens(
            {"ownership": "公办", "founded_year": 2021},
            {"ownership": "公办", "founded_year": 2018},
            {"ownership": "公办"},
            {"ownership": "民办", "founded_year": 2020},
            {"ownership": "公办", "founded_year": 2020, "licensed": False},
        ),
        "0",
        "1",
    ),
    Case(
        "licensed kindergartens only, blank is neither",
        "kindergarten_supervisor_share",
        kindergartens(
            *({"supervisor_assigned": value} for value in YES_NO_BLANK),
            {"supervisor_assigned": True, "licensed": False},
        ),
        "2",
        "3",
        4,
    ),
    Case(
        "only the rows that say how many were due",
        "head_rotation_rate",
        {
            "teacher": [
                {"heads_eligible": 5, "heads_rotated": 2},
                {"heads_eligible": 3},
                {"heads_eligible": None, "heads_rotated": 4},
                {"heads_eligible": 0, "heads_rotated": 0},
            ]
        },
        "2",
        "8",
    ),
    Case("nobody says how many were due", "head_rotation_rate", {"teacher": [{}, {}]}, None),
    Case(
        "only the rows that say how many rotated",
        "backbone_rotation_to_weak_share",
        {
            "teacher": [
                {"backbone_rotated": 5, "backbone_rotated_weak": 2},
                {"backbone_rotated": 3},
                {"backbone_rotated": None, "backbone_rotated_weak": 1},
            ]
        },
        "2",
        "8",
    ),
    Case(
        "nobody rotated, and said so",
        "backbone_rotation_to_weak_share",
        {"teacher": [{"backbone_rotated": 0}]},
        "0",
        "0",
    ),
    Case(
        "its row alone counts",
        "paju_exchange_projects",
        {
            "milestone": [
                {"item": "坡州市交流项目", "status": "进行中", "quantity": 2},
                {"item": "对外交流项目", "status": "进行中", "quantity": 9},
            ]
        },
        "2",
    ),
    Case(
        "either name of the reform will do",
        "county_managed_hiring_started_share",
        {
            "milestone": [
                {"item": "局管校聘改革", "status": "进行中"},
                {"item": "县管校聘改革", "status": "未启动"},
            ]
        },
        "1",
        "1",
    ),
    Case(
        "almost the name is another item",
        "county_managed_hiring_started_share",
        {"milestone": [{"item": "县管校聘", "status": "已完成"}]},
        None,
    ),
    Case(
        "a county without its centre has not transformed it",
        "vocational_centres_transformed_share",
        {"vocational": [{"kind": "高职院校", "transformed": True}]},
        "0",
        "1",
        1,
    ),
]
EXAMPLES = [
    Case(
        f"example {number}",
        indicator.indicator_id,
        example.given,
        example.numerator,
        example.denominator,
        example.asked,
        example.earlier,
    )
    for indicator in CATALOGUE.indicators
    for number, example in enumerate(indicator.examples, start=1)
]
WORKED = [*EXAMPLES, *CASES]

Figures = dict[
    tuple[str, str], tuple[Decimal | None, Decimal | None, float | None, int | None, int | None]
]


@pytest.fixture(scope="module")
def figures(make_home: MakeHome) -> Figures:
    """Numerator, denominator, value, asked, answered by indicator and region, for its own year."""
    # The national rules are there for their indicators; they change no other one.
    home = make_home(catalogues=list(catalogues()))
    home.regions(
        [
            row
            for number, case in enumerate(WORKED)
            for row in (
                (city_of(number), "city", "", "地级市"),
                (unit_of(number), "reporting_unit", city_of(number), kind_of(case)),
            )
        ],
        [(unit_of(number), *town) for number, case in enumerate(WORKED) for town in case.towns],
    )
    for number, case in enumerate(WORKED):
        for before, given in {0: case.given, **case.earlier}.items():
            for form, rows in given.items():
                home.sheet(unit_of(number), form, case.year - before, rows)
    with home.computed() as connection:
        assert connection.execute(
            "SELECT count(*) FROM submission WHERE NOT accepted"
        ).fetchone() == (0,)
        computed = connection.execute(
            "SELECT indicator_id, region_code, year, numerator, denominator, value, asked, answered "
            "FROM indicator_value WHERE published"
        ).fetchall()
    year_of = {
        region: case.year
        for number, case in enumerate(WORKED)
        for region in (city_of(number), unit_of(number))
    }
    return {
        (indicator, region): (numerator, denominator, value, asked, answered)
        for indicator, region, year, numerator, denominator, value, asked, answered in computed
        if year == year_of[region]
    }


def city_of(number: int) -> str:
    return f"{1000 + number}00"


def unit_of(number: int) -> str:
    return f"{1000 + number}01"


def kind_of(case: Case) -> str:
    """A kind of unit that the indicator is made of."""
    indicator = CATALOGUE.by_id[case.indicator_id]
    kinds = indicator.reporters or CATALOGUE.scope_of(indicator).kinds
    return kinds[0] if kinds else "县"


def decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


@pytest.mark.parametrize(
    ("number", "case"),
    [
        pytest.param(number, case, id=f"{case.indicator_id}: {case.name}")
        for number, case in enumerate(WORKED)
    ],
)
def test_a_case_worked_by_hand_comes_out(number: int, case: Case, figures: Figures) -> None:
    indicator = CATALOGUE.by_id[case.indicator_id]
    top, bottom = decimal(case.numerator), decimal(case.denominator)
    if top is None or (indicator.bottom is not None and not bottom):
        value = None
    else:
        value = float(indicator.scale * Fraction(top) / Fraction(bottom if bottom else 1))
    regions = [city_of(number)]
    if indicator.scope == "city":
        assert (case.indicator_id, unit_of(number)) not in figures
    else:
        regions.append(unit_of(number))
    for region in regions:
        numerator, denominator, found, asked, answered = figures[case.indicator_id, region]
        assert (numerator, denominator) == (top, bottom)
        assert asked == case.asked
        assert answered == (None if asked is None else bottom)
        assert found == (None if value is None else pytest.approx(value, rel=1e-12))


def test_every_indicator_has_an_example_and_a_case_of_its_own() -> None:
    every = {indicator.indicator_id for indicator in CATALOGUE.indicators}
    assert {case.indicator_id for case in EXAMPLES} == every
    assert {case.indicator_id for case in CASES} == every


def test_examples_give_rows_of_the_forms_that_the_indicator_reads() -> None:
    for indicator in CATALOGUE.indicators:
        sources = [part.source for part in (indicator.top, indicator.bottom) if part is not None]
        forms = {form for source in sources for form in CATALOGUE.forms_of(source)}
        for example in indicator.examples:
            assert (
                set(example.given) | {f for given in example.earlier.values() for f in given}
                == forms
            )
            assert forms <= set(FORMS)


COUNT = {"source": "safety", "value": "count(*)", "zh": "甲"}
RECORD: dict[str, object] = {
    "indicator_id": "x",
    "section": 1,
    "name_zh": "甲",
    "name_en": "A",
    "unit": "件",
    "better": "lower",
    "numerator": COUNT,
    "gap": {"unit": "件"},
}
SHARE = {
    "source": "school",
    "test": "boarding",
    "numerator_zh": "甲",
    "denominator_zh": "乙",
}


def test_a_plain_record_is_read() -> None:
    assert Indicator.model_validate(RECORD).formula == "count(*) FROM safety"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "red"}, "Extra inputs"),
        ({"numerator": {**COUNT, "colour": "red"}}, "Extra inputs"),
        ({"gap": {"unit": "件", "quantum": "0.5"}}, "'1' or '0.01'"),
        ({"better": "sideways"}, "'higher' or 'lower'"),
        ({"share": SHARE}, "either a share or a numerator"),
        ({"numerator": None}, "either a share or a numerator"),
        (
            {"numerator": None, "share": SHARE, "denominator": COUNT, "scale": 100},
            "a share has its denominator already",
        ),
        ({"scale": 100}, "a count has no scale"),
    ],
)
def test_a_record_that_is_wrong_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Indicator.model_validate({**RECORD, **change})


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([RECORD, RECORD], "indicator_id x stands twice"),
        ([{**RECORD, "scope": "villages"}], "no scope villages"),
        ([{**RECORD, "numerator": {"source": "nowhere", "value": "1", "zh": "甲"}}], "nowhere"),
        (
            [{**RECORD, "causes": {"source": "nowhere", "rows": "true", "detail": "''"}}],
            "nowhere",
        ),
    ],
)
def test_a_catalogue_that_is_wrong_is_refused(records: list[object], words: str) -> None:
    catalogue = Catalogue.model_validate({"scopes": [{"scope": "all"}], "indicators": records})
    said = [*(said for _, said in catalogue.problems()), *catalogue.unwired(packaged_forms())]
    assert [one for one in english(said) if words in one]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("count(*)", "count(*) FILTER (stage = '小学')"),
        ("sum(students)", "sum(students) FILTER (stage = '小学')"),
        ("count(*) FILTER (a > 1)", "count(*) FILTER ((stage = '小学') AND (a > 1))"),
        ("count(*) FILTER (a = ')')", "count(*) FILTER ((stage = '小学') AND (a = ')'))"),
        ("sum(DISTINCT students)", None),
        ("count(DISTINCT township)", None),
        ("sum(a) + sum(b)", None),
        ("sum(a) * sum(b)", None),
        ("count(*) FILTER (a) + count(*) FILTER (b)", None),
        ("stddev_pop(a)", None),
    ],
)
def test_a_single_sum_or_count_adds_up_over_units_and_nothing_else(
    value: str, expected: str | None
) -> None:
    assert Part(source="school", value=value, rows="stage = '小学'", zh="所").sum == expected


def test_the_formula_shows_scale_parts_and_conditions() -> None:
    formula = CATALOGUE.by_id["preschool_gross_enrolment_rate"].formula
    assert formula == (
        "100 × [sum(children_enrolled) FROM kindergarten] / "
        "[sum(population) FROM population WHERE age BETWEEN 3 AND 5]"
    )


@pytest.mark.parametrize(
    ("indicator", "parts"),
    [
        # By the unit of the gap: 人, 名幼儿, 个学位; not schools, classes, hazards, and no rank (名).
        ("dropouts", ("top",)),
        ("student_aid_coverage", ("top", "bottom")),
        ("children_per_kindergarten_teacher", ("top", "bottom")),
        ("preschool_gross_enrolment_rate", ("top", "bottom")),
        ("large_class_share", ()),
        ("safety_hazards_fixed_share", ()),
        ("provincial_rank", ()),
        # As their records say: money over pupils, cases that are about a person each.
        ("budget_expenditure_per_pupil", ("bottom",)),
        ("misconduct_cases", ("top",)),
        ("bullying_handled_share", ("top", "bottom")),
    ],
)
def test_which_parts_count_people(indicator: str, parts: tuple[str, ...]) -> None:
    assert CATALOGUE.by_id[indicator].people_parts == parts
