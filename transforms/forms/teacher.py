"""教师队伍情况表: one row for each institution."""

from __future__ import annotations

from transforms.forms.columns import code, count, part_of_whole, text
from transforms.forms.model import Form

FULL_TIME = count("full_time_teachers", "专任教师数", "Full-time teachers")
ELIGIBLE = count("eligible_rotation", "应交流轮岗教师数", "Teachers due to rotate")
ROTATED = count("rotated", "实际交流轮岗教师数", "Teachers who rotated")
TRAINED = count("trained_outside", "市外研修培训教师数", "Teachers trained outside the city")
PROFESSIONAL = count("professional_teachers", "专业课教师数", "Teachers of vocational subjects")
DUAL = count("dual_qualified", "双师型教师数", "Dual-qualified teachers")
HEADS_ELIGIBLE = count(
    "heads_eligible", "应交流轮岗校长数", "Heads of schools due to rotate", required=False
)
HEADS_ROTATED = count(
    "heads_rotated", "实际交流轮岗校长数", "Heads of schools who rotated", required=False
)
BACKBONE = count(
    "backbone_rotated", "交流骨干教师数", "Backbone teachers who rotated", required=False
)
BACKBONE_WEAK = count(
    "backbone_rotated_weak",
    "其中交流到农村薄弱学校数",
    "Of them to weak rural schools",
    required=False,
)

TEACHER = Form(
    name="teacher",
    code="TCH",
    zh="教师队伍情况表",
    en="Teachers",
    each_row_is_a="institution",
    row_zh="一所学校(机构)",
    key=("institution_code",),
    columns=(
        code("学校标识码", "标识码", "学校代码"),
        text("institution_name", "学校名称", "Name of the institution"),
        FULL_TIME,
        ELIGIBLE,
        ROTATED,
        TRAINED,
        PROFESSIONAL,
        DUAL,
        count("misconduct_cases", "师德违规查处件数", "Misconduct cases dealt with"),
        count("paid_tutoring_cases", "违规补课查处件数", "Paid tutoring cases dealt with"),
        HEADS_ELIGIBLE,
        HEADS_ROTATED,
        BACKBONE,
        BACKBONE_WEAK,
    ),
    row_checks=(
        part_of_whole(
            "E10",
            ROTATED,
            ELIGIBLE,
            "实际轮岗的教师是应轮岗教师的一部分。",
            "Teachers who rotated are some of those due to.",
        ),
        part_of_whole(
            "E11",
            TRAINED,
            FULL_TIME,
            "参加市外研修的教师是专任教师的一部分。",
            "Teachers trained outside are some of the full-time teachers.",
        ),
        part_of_whole(
            "E12",
            DUAL,
            PROFESSIONAL,
            "双师型教师是专业课教师的一部分。",
            "Dual-qualified teachers are some of the teachers of vocational subjects.",
        ),
        part_of_whole(
            "E13",
            HEADS_ROTATED,
            HEADS_ELIGIBLE,
            "实际轮岗的校长是应轮岗校长的一部分。",
            "Heads of schools who rotated are some of those due to.",
        ),
        part_of_whole(
            "E14",
            BACKBONE_WEAK,
            BACKBONE,
            "交流到农村薄弱学校的骨干教师是交流骨干教师的一部分。",
            "Backbone teachers who went to weak rural schools are some of those who rotated.",
        ),
    ),
)
