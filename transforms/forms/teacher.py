"""教师队伍情况表: one row for each institution."""

from transforms.forms.model import Form
from transforms.forms.shorthand import code, count, part_of_whole, text

FULL_TIME = count("full_time_teachers", "专任教师数", "Full-time teachers")
ELIGIBLE = count("eligible_rotation", "应交流轮岗教师数", "Teachers due to rotate")
ROTATED = count("rotated", "实际交流轮岗教师数", "Teachers who rotated")
TRAINED = count("trained_outside", "市外研修培训教师数", "Teachers trained outside the city")
PROFESSIONAL = count("professional_teachers", "专业课教师数", "Teachers of vocational subjects")
DUAL = count("dual_qualified", "双师型教师数", "Dual-qualified teachers")

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
    ),
    row_checks=(
        part_of_whole(
            "TCH-E10",
            ROTATED,
            ELIGIBLE,
            "实际轮岗的教师是应轮岗教师的一部分。",
            "Teachers who rotated are some of those due to.",
        ),
        part_of_whole(
            "TCH-E11",
            TRAINED,
            FULL_TIME,
            "参加市外研修的教师是专任教师的一部分。",
            "Teachers trained outside are some of the full-time teachers.",
        ),
        part_of_whole(
            "TCH-E12",
            DUAL,
            PROFESSIONAL,
            "双师型教师是专业课教师的一部分。",
            "Dual-qualified teachers are some of the teachers of vocational subjects.",
        ),
    ),
)
