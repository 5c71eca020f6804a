"""幼儿园基本情况表: one row for each kindergarten, licensed or not."""

from __future__ import annotations

import polars as pl

from transforms.forms.columns import (
    amount,
    choice,
    code,
    count,
    part_of_whole,
    text,
    yes_no,
)
from transforms.forms.model import Form, RowCheck, Rule

CHILDREN = count("children_enrolled", "在园幼儿数", "Children enrolled", "在园人数")
CHILDREN_3_5 = count("children_aged_3_5", "其中3至5岁幼儿数", "Of them aged 3 to 5", required=False)

KINDERGARTEN = Form(
    name="kindergarten",
    code="KG",
    zh="幼儿园基本情况表",
    en="Kindergartens",
    each_row_is_a="kindergarten",
    row_zh="一所幼儿园",
    key=("institution_code",),
    columns=(
        code("机构标识码", "标识码", "园所代码", required=False),
        text(
            "institution_name",
            "幼儿园名称",
            "Name of the kindergarten",
            "园所名称",
            "机构名称",
        ),
        text(
            "township",
            "所在乡镇",
            "Township or sub-district",
            "乡镇街道",
            "所在乡镇(街道)",
        ),
        choice("urban_rural", "城乡类型", "Urban, town or rural", "城区", "镇区", "乡村"),
        choice(
            "ownership",
            "办园性质",
            "Public (公办) or private (民办)",
            "公办",
            "民办",
            aliases=("举办者类型",),
        ),
        yes_no("inclusive", "是否普惠性", "Inclusive (capped fee)", "普惠性", required=True),
        yes_no("licensed", "是否取得办园许可", "Holds a licence", "办园许可", required=True),
        yes_no(
            "residential_quarter",
            "是否小区配套园",
            "Built as part of a residential quarter",
            "小区配套园",
            required=True,
        ),
        yes_no(
            "residential_governed",
            "小区配套治理完成",
            "Residential-quarter kindergarten brought in line",
        ),
        amount(
            "monthly_fee",
            "保教费",
            "元/月",
            "Fee for care and teaching",
            required=False,
        ),
        amount(
            "fee_ceiling",
            "核定收费上限",
            "元/月",
            "Approved fee ceiling",
            required=False,
        ),
        CHILDREN,
        CHILDREN_3_5,
        count("classes", "班数", "Number of classes"),
        count("full_time_teachers", "专任教师数", "Full-time teachers"),
        code("依托小学标识码", name="attached_primary_code", required=False),
        count("founded_year", "建园年份", "Year of foundation", required=False, high=2100),
        yes_no("supervisor_assigned", "责任督学挂牌", "Responsible supervisor assigned"),
    ),
    row_checks=(
        RowCheck(
            rule=Rule(
                number="E10",
                severity="error",
                zh="已取得办园许可的幼儿园没有填机构标识码",
                en="A licensed kindergarten has no institution code",
                remedy_zh="请填写10位机构标识码; 只有无证园可以不填。",
                remedy_en="Give the ten-digit code; only an unlicensed kindergarten may leave it out.",
                reason_zh="没有标识码就无法核对和查重。",
                reason_en="Without its code an institution can be neither matched nor counted once.",
                example="机构标识码 空白, 是否取得办园许可 是",
            ),
            columns=("institution_code", "licensed"),
            bad=pl.col("institution_code").is_null() & pl.col("licensed"),
        ),
        RowCheck(
            rule=Rule(
                number="E11",
                severity="error",
                zh="公办幼儿园的“是否普惠性”填了“否”",
                en="A public kindergarten is marked as not inclusive",
                remedy_zh="公办园都是普惠性幼儿园, 请核对办园性质或普惠性。",
                remedy_en="Every public kindergarten is inclusive: check the ownership or the answer.",
                reason_zh="公办园按定义属于普惠性资源。",
                reason_en="Public kindergartens are inclusive by definition.",
                example="办园性质 公办, 是否普惠性 否",
            ),
            columns=("inclusive", "ownership"),
            bad=(pl.col("ownership") == "公办") & ~pl.col("inclusive"),
        ),
        part_of_whole(
            "E12",
            CHILDREN_3_5,
            CHILDREN,
            "3至5岁幼儿是在园幼儿的一部分。",
            "Children aged 3 to 5 are some of the children enrolled.",
        ),
    ),
)
