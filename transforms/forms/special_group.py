"""特殊群体教育保障表: one row for the whole unit."""

from __future__ import annotations

from transforms.forms.columns import count, part_of_whole
from transforms.forms.model import Form

DISABLED = count("disabled_school_age", "义务教育阶段残疾儿童少年数", "Disabled, school age")
DISABLED_IN = count("disabled_enrolled", "残疾儿童少年入学数", "Disabled children enrolled")
MIGRANT = count("migrant_children", "随迁子女数", "Children of migrants")
MIGRANT_PUBLIC = count("migrant_in_public", "随迁子女公办学校就读数", "Of them in public schools")
LEFT = count("left_behind", "留守儿童数", "Left-behind children")
LEFT_CARED = count("left_behind_cared", "留守儿童关爱建档数", "Of them with a care record")
AID = count("aid_eligible", "应资助学生数", "Students entitled to aid")
AID_IN = count("aid_received", "实际资助学生数", "Students who received aid")

SPECIAL_GROUP = Form(
    name="special_group",
    code="SPG",
    zh="特殊群体教育保障表",
    en="Groups in need of protection",
    each_row_is_a="reporting unit",
    row_zh="本单位全部情况(只填一行)",
    key=(),
    columns=(
        DISABLED,
        DISABLED_IN,
        count("dropouts", "辍学学生数", "Pupils who dropped out"),
        MIGRANT,
        MIGRANT_PUBLIC,
        LEFT,
        LEFT_CARED,
        AID,
        AID_IN,
    ),
    row_checks=(
        part_of_whole(
            "E10",
            DISABLED_IN,
            DISABLED,
            "入学的残疾儿童少年是适龄残疾儿童少年的一部分。",
            "Disabled children enrolled are some of those of school age.",
        ),
        part_of_whole(
            "E11",
            MIGRANT_PUBLIC,
            MIGRANT,
            "公办学校就读的随迁子女是随迁子女的一部分。",
            "Migrant children in public schools are some of all migrant children.",
        ),
        part_of_whole(
            "E12",
            LEFT_CARED,
            LEFT,
            "建档的留守儿童是留守儿童的一部分。",
            "Left-behind children with a record are some of all left-behind children.",
        ),
        part_of_whole(
            "E13",
            AID_IN,
            AID,
            "实际资助的学生是应资助学生的一部分。",
            "Students who received aid are some of those entitled to it.",
        ),
    ),
)
