"""What pydantic finds wrong in a record, in Chinese and English.

The English wording is pydantic's own, or that of the validator that raised :class:`transforms.texts.Misfit`; the
Chinese one goes by the type of the error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from transforms.texts import Text, ToldInBoth, joined

#: By the type of an error what is wrong; in braces what pydantic tells of it.
_CHINESE: Final[Mapping[str, str]] = {
    "missing": "没有写；请写上",
    "extra_forbidden": "没有这个字段；请删去或改正",
    "bool_parsing": "应写 true 或 false",
    "bool_type": "应写 true 或 false",
    "dataclass_type": "应写成“名称: 值”的形式",
    "date_from_datetime_inexact": "应写日期，不带时刻",
    "date_from_datetime_parsing": "应写日期，如 2021-08-31",
    "date_parsing": "应写日期，如 2021-08-31",
    "date_type": "应写日期，如 2021-08-31",
    "datetime_from_date_parsing": "应写时间，如 2021-08-31T02:00:00Z",
    "datetime_parsing": "应写时间，如 2021-08-31T02:00:00Z",
    "datetime_type": "应写时间，如 2021-08-31T02:00:00Z",
    "decimal_max_digits": "数字最多 {max_digits} 位",
    "decimal_max_places": "小数最多 {decimal_places} 位",
    "decimal_parsing": "应写数字",
    "decimal_type": "应写数字",
    "decimal_whole_digits": "整数部分最多 {whole_digits} 位",
    "dict_type": "应写成“名称: 值”的形式",
    "enum": "可以写的是：{expected}",
    "finite_number": "应写有限的数字",
    "float_parsing": "应写数字",
    "float_type": "应写数字",
    "greater_than": "应大于 {gt}",
    "greater_than_equal": "应不小于 {ge}",
    "int_from_float": "应写整数，不带小数",
    "int_parsing": "应写整数",
    "int_parsing_size": "整数太大",
    "int_type": "应写整数",
    "less_than": "应小于 {lt}",
    "less_than_equal": "应不大于 {le}",
    "list_type": "应写成一列",
    "literal_error": "可以写的是：{expected}",
    "model_attributes_type": "应写成“名称: 值”的形式",
    "model_type": "应写成“名称: 值”的形式",
    # Of pydantic's own types, not of its core.
    "path_type": "应写文件或文件夹的路径",
    "string_pattern_mismatch": "写法不合规定：{pattern}",
    "string_too_long": "最多 {max_length} 个字符",
    "string_too_short": "至少 {min_length} 个字符",
    "string_type": "应写文字",
    "too_long": "最多 {max_length} 项",
    "too_short": "至少 {min_length} 项",
    "tuple_type": "应写成一列",
    "unexpected_keyword_argument": "没有这个字段；请删去或改正",
    "union_tag_invalid": "{discriminator} 写的是 {tag!r}；可以写的是：{expected_tags}",
    "union_tag_not_found": "没有写 {discriminator}；请写上",
}


def said(problem: ErrorDetails) -> Text:
    """Return what is wrong with one value."""
    told = problem.get("ctx", {})
    if isinstance(error := told.get("error"), ToldInBoth):
        return error.text
    english = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    known = _CHINESE.get(problem["type"])
    if known is None:
        return Text(f"值不能用（{english}）", english)
    # What may be written is told as an English list: 'a', 'b' or 'c'.
    listed = {
        name: value.replace(", ", "、").replace(" or ", "、")
        for name, value in told.items()
        if name in ("expected", "expected_tags")
    }
    return Text(known.format(**{**told, **listed}), english)


def placed(problem: ErrorDetails) -> Text:
    """Return what is wrong with one value, with its place in the record; what a whole record lacks has none."""
    place = ".".join(map(str, problem["loc"]))
    return said(problem).at(place) if place else said(problem)


def all_said(error: ValidationError) -> Text:
    """Return all that is wrong in a record, in one sentence."""
    return joined(map(placed, error.errors()))
