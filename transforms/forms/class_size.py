"""班级学生数表: one row for each class of a school."""

from __future__ import annotations

import polars as pl

from transforms.forms.columns import choice, code, count, text
from transforms.forms.model import Column, Form, Kind, RowCheck, Rule

CLASS = Form(
    name="class",
    code="CLS",
    zh="班级学生数表",
    en="Classes and their sizes",
    each_row_is_a="class",
    row_zh="一个班级",
    key=("institution_code", "stage", "grade", "class_name"),
    columns=(
        code("学校标识码", "标识码", "学校代码"),
        text("institution_name", "学校名称", "Name of the school"),
        choice("stage", "学段", "Stage", "小学", "初中", "高中"),
        Column(
            name="grade",
            header="年级",
            kind=Kind.GRADE,
            required=True,
            en="Grade, 1 to 12",
            low=1,
            high=12,
            note_zh="1至12, 或一年级、初一、高一等",
        ),
        text("class_name", "班级", "Class within the grade", "班号"),
        count("students", "班级人数", "Pupils in the class", "班额", "学生数"),
    ),
    row_checks=(
        RowCheck(
            rule=Rule(
                number="E10",
                severity="error",
                zh="班级人数是{value}, 应在1到150之间",
                en="The class has {value} pupils; it must have 1 to 150",
                remedy_zh="请核对班级人数; 已撤销的班级请删去整行。",
                remedy_en="Check the figure; take out the row of a class that no longer exists.",
                reason_zh="0人或150人以上的班级多为填报错误, 会影响大班额比例。",
                reason_en="A class of 0 or over 150 is a slip and would distort the class-size shares.",
                example="班级人数 450 (应为45)",
            ),
            columns=("students",),
            bad=(pl.col("students") == 0) | (pl.col("students") > 150),
        ),
    ),
)
