"""中小学校基本情况表: one row for each school, of every stage and kind."""

from __future__ import annotations

import polars as pl

from transforms.forms.columns import choice, clock, code, count, text, yes_no
from transforms.forms.model import Form, RowCheck, Rule

#: School kinds that teach primary or junior pupils ("compulsory-stage schools" of the plan).
COMPULSORY = ("小学", "初中", "九年一贯制学校", "十二年一贯制学校", "完全中学")

_PUPILS = (
    "primary_students",
    "junior_students",
    "senior_students",
    "vocational_students",
)

SCHOOL = Form(
    name="school",
    code="SCH",
    zh="中小学校基本情况表",
    en="Schools",
    each_row_is_a="school",
    row_zh="一所学校",
    key=("institution_code",),
    columns=(
        code("学校标识码", "标识码", "学校代码"),
        text("institution_name", "学校名称", "Name of the school"),
        text(
            "township",
            "所在乡镇",
            "Township or sub-district",
            "乡镇街道",
            "所在乡镇(街道)",
        ),
        choice("urban_rural", "城乡类型", "Urban, town or rural", "城区", "镇区", "乡村"),
        choice(
            "stage",
            "学校类别",
            "Kind of school",
            *COMPULSORY[:4],
            "普通高中",
            "完全中学",
            "中等职业学校",
            "特殊教育学校",
        ),
        choice("ownership", "举办者性质", "Public (公办) or private (民办)", "公办", "民办"),
        count("founded_year", "建校年份", "Year of foundation", required=False, high=2100),
        count("primary_students", "小学在校生数", "Primary pupils"),
        count("junior_students", "初中在校生数", "Junior secondary pupils"),
        count("senior_students", "普通高中在校生数", "General senior secondary students"),
        count("vocational_students", "中职在校生数", "Secondary vocational students"),
        yes_no("boarding", "是否寄宿制", "Boarding school", "寄宿制学校", required=True),
        count("boarders", "寄宿生数", "Boarders", required=False),
        yes_no("boarding_standard", "寄宿条件达标", "Boarding conditions up to standard"),
        yes_no("conditions_standard", "基本办学条件达标", "Basic conditions up to standard"),
        clock("arrival_time", "统一到校时间", "Time by which pupils must be there"),
        clock("class_start_time", "上课时间", "Start of the first lesson"),
        clock("evening_end_time", "晚自习结束时间", "End of evening study"),
        yes_no("after_school_service", "开展课后服务", "Offers after-school service"),
        yes_no("supervisor_assigned", "责任督学挂牌", "Has a responsible supervisor"),
        yes_no("digital_teaching", "应用信息化教学", "Teaches with digital means"),
        yes_no("cloud_platform", "接入教育云平台", "Connected to the education cloud"),
        yes_no("mental_health_teacher", "配备心理健康教师", "Has a mental health teacher"),
        yes_no("party_organisation", "建立党组织", "Has a Party organisation"),
    ),
    row_checks=(
        RowCheck(
            rule=Rule(
                number="E10",
                severity="error",
                zh="“寄宿生数”({value})大于在校生总数",
                en="boarders ({value}) is larger than all pupils of the school",
                remedy_zh="请核对寄宿生数和各学段在校生数。",
                remedy_en="Check the boarders against the pupils of all stages.",
                reason_zh="寄宿生是在校生的一部分。",
                reason_en="Boarders are some of the school's pupils.",
                example="寄宿生数 300, 各学段在校生数合计 280",
            ),
            columns=("boarders", *_PUPILS),
            bad=pl.col("boarders") > pl.sum_horizontal(*_PUPILS, ignore_nulls=False),
        ),
    ),
)
