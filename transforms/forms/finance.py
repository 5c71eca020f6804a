"""教育经费表: one row for each level, and 合计 as a row of data; the year is the calendar year."""

from __future__ import annotations

from transforms.forms.columns import amount, choice, count
from transforms.forms.model import Deadline, Form, Rule, TotalCheck

FINANCE = Form(
    name="finance",
    code="FIN",
    zh="教育经费表",
    en="Education finance",
    each_row_is_a="level of education, or all levels together (合计)",
    row_zh="一个学段",
    deadline=Deadline(1, 3, 31),
    key=("stage",),
    totals_are_data=True,
    columns=(
        choice("stage", "学段", "Level", "合计", "学前", "小学", "初中", "高中", "中职"),
        amount(
            "budget_expenditure",
            "一般公共预算教育支出",
            "万元",
            "General public budget expenditure on education",
        ),
        count("students_average", "平均在校生数", "Average number of pupils in the year"),
    ),
    total_checks=(
        TotalCheck(
            rule=Rule(
                number="E10",
                severity="error",
                zh="“合计”行的一般公共预算教育支出({value}万元)不等于各学段之和({other}万元)",
                en="The 合计 row ({value}) is not the sum of its levels ({other}), in 10,000 yuan",
                remedy_zh="请核对各学段和合计, 误差不得超过0.01万元。",
                remedy_en="Check the levels and the total; they must agree to 0.01 (10,000 yuan).",
                reason_zh="合计用于计算经费总量和生均经费, 必须可以复核。",
                reason_en="The total carries the budget clauses, so it has to add up.",
                example="合计 1000.00, 各学段之和 990.00",
            ),
            absent=Rule(
                number="E11",
                severity="error",
                zh="没有“合计”行",
                en="The row 合计 is missing",
                remedy_zh="请补上“合计”行: 各学段经费之和, 以及全部平均在校生数。",
                remedy_en="Add the row 合计: the sum of the levels, and the pupils of all of them.",
                reason_zh="经费总量和生均经费按合计行计算。",
                reason_en="Total and spending per pupil are taken from that row.",
                example="只有学前、小学、初中、高中、中职五行",
            ),
            label="stage",
            total="合计",
            amount="budget_expenditure",
            tolerance="0.01",
        ),
    ),
)
