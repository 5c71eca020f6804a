"""工资收入情况表: one row for the whole unit."""

from __future__ import annotations

from transforms.forms.columns import amount, count, part_of_whole
from transforms.forms.model import Deadline, Form

SUBSIDY_DUE = count("subsidy_due", "应享受乡村教师生活补助人数", "Due the rural subsidy")
SUBSIDY_PAID = count("subsidy_paid", "实际享受乡村教师生活补助人数", "Paid the rural subsidy")
HEAD_TEACHERS = count("head_teachers", "班主任人数", "Head teachers of classes")
ALLOWANCE_PAID = count("allowance_paid", "享受班主任津贴人数", "Paid the head teacher allowance")

SALARY = Form(
    name="salary",
    code="SAL",
    zh="工资收入情况表",
    en="Pay of teachers and civil servants",
    each_row_is_a="reporting unit",
    row_zh="本单位全部情况(只填一行)",
    deadline=Deadline(1, 3, 31),
    key=(),
    columns=(
        amount(
            "teacher_pay_total",
            "中小学教师年工资收入总额",
            "万元",
            "Pay of all school teachers in the year",
        ),
        count("teachers", "中小学教师人数", "School teachers"),
        amount(
            "civil_pay_total",
            "公务员年工资收入总额",
            "万元",
            "Pay of all civil servants in the year",
        ),
        count("civil_servants", "公务员人数", "Civil servants"),
        SUBSIDY_DUE,
        SUBSIDY_PAID,
        HEAD_TEACHERS,
        ALLOWANCE_PAID,
    ),
    row_checks=(
        part_of_whole(
            "E10",
            SUBSIDY_PAID,
            SUBSIDY_DUE,
            "实际享受的人是应享受的人的一部分。",
            "Those who are paid the subsidy are some of those who are due it.",
        ),
        part_of_whole(
            "E11",
            ALLOWANCE_PAID,
            HEAD_TEACHERS,
            "享受津贴的人是班主任的一部分。",
            "Those who are paid the allowance are some of the head teachers.",
        ),
    ),
)
