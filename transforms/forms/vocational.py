"""职业教育情况表: one row for each vocational institution."""

from __future__ import annotations

from transforms.forms.columns import choice, code, count, part_of_whole, text, yes_no
from transforms.forms.model import Form

PROGRAMMES = count("programmes", "专业数", "Programmes offered")
MATCHED = count("programmes_matched", "对接产业专业数", "Programmes matched to an industry")

VOCATIONAL = Form(
    name="vocational",
    code="VOC",
    zh="职业教育情况表",
    en="Vocational education",
    each_row_is_a="institution",
    row_zh="一所学校(机构)",
    key=("institution_code",),
    columns=(
        code("学校标识码", "标识码", "机构标识码"),
        text("institution_name", "机构名称", "Name of the institution", "学校名称"),
        choice("kind", "机构类型", "Kind", "县级职教中心", "城区中职学校", "高职院校"),
        yes_no("transformed", "转型完成", "County vocational centre transformed"),
        yes_no("layout_adjusted", "布局调整完成", "City layout adjusted"),
        yes_no("integrated", "中高职一体化", "Secondary and higher vocational integrated"),
        count("partnerships", "校企合作项目数", "Partnerships with enterprises"),
        PROGRAMMES,
        MATCHED,
    ),
    row_checks=(
        part_of_whole(
            "E10",
            MATCHED,
            PROGRAMMES,
            "对接产业的专业是全部专业的一部分。",
            "Matched programmes are some of all programmes.",
        ),
    ),
)
