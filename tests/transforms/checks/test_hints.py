"""What is suggested for a cell that cannot be used."""

from __future__ import annotations

import pytest

from transforms.checks.hints import hint
from transforms.forms import FORMS


@pytest.mark.parametrize(
    ("form", "column", "value", "said"),
    [
        ("school", "institution_code", "212100001", "只有9位"),
        ("school", "institution_code", "21210000011", "有11位"),
        ("school", "institution_code", "2.1E+09", "科学计数法"),
        ("school", "institution_code", "21210O0001", "含有数字以外的“O”"),
        ("school", "urban_rural", "农村", "是否应为“乡村”"),
        ("school", "urban_rural", "城市", "是否应为“城区”"),
        ("kindergarten", "ownership", "私立", "是否应为“民办”"),
        ("kindergarten", "ownership", "公立", "是否应为“公办”"),
        ("school", "stage", "九年一贯制", "是否应为“九年一贯制学校”"),
        ("milestone", "status", "完成", "是否应为“已完成”"),
        ("school", "evening_end_time", "晚上9点", "24小时制"),
        ("class", "students", "约50", "确切的数"),
        ("class", "students", "45.5人", "应为整数"),
        ("class", "students", "95%", "不填百分比"),
    ],
)
def test_what_is_meant_is_suggested(form: str, column: str, value: str, said: str) -> None:
    zh, en = hint(FORMS[form].by_name[column], value)
    assert said in zh
    assert en


@pytest.mark.parametrize(
    ("form", "column", "value"),
    [
        ("school", "institution_code", None),
        ("school", "urban_rural", "区"),
        ("school", "stage", "大学"),
        ("class", "students", "五十二人"),
        ("class", "students", " "),
    ],
)
def test_nothing_is_suggested_where_nothing_or_several_things_may_be_meant(
    form: str, column: str, value: str | None
) -> None:
    assert hint(FORMS[form].by_name[column], value) == ("", "")
