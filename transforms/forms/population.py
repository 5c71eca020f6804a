"""学龄人口表: one row for each single year of age, 0 to 18."""

from __future__ import annotations

from transforms.forms.columns import count
from transforms.forms.model import Form

POPULATION = Form(
    name="population",
    code="POP",
    zh="学龄人口表",
    en="Population by single year of age",
    each_row_is_a="single year of age",
    row_zh="一个年龄",
    key=("age",),
    columns=(
        count("age", "年龄", "Age in completed years", high=18),
        count("population", "常住人口数", "Resident population of that age", "人口数"),
    ),
)
