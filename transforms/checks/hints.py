"""What a cell that cannot be used most likely means: a reason and a suggestion for the clerk.

A hint is added to the sentence of a finding. It never changes what becomes of the submission: nothing
is guessed in place of what was written.
"""

from __future__ import annotations

import re

from transforms.forms import Column, Kind

#: What people write for what a form calls otherwise.
_MEANT = {
    "农村": "乡村",
    "村": "乡村",
    "乡": "乡村",
    "城市": "城区",
    "市区": "城区",
    "城镇": "镇区",
    "县城": "镇区",
    "镇": "镇区",
    "私立": "民办",
    "私办": "民办",
    "民营": "民办",
    "个人": "民办",
    "公立": "公办",
    "国办": "公办",
    "小学部": "小学",
    "初级中学": "初中",
    "中学": "初中",
    "高中": "普通高中",
    "普高": "普通高中",
    "高级中学": "普通高中",
    "中专": "中等职业学校",
    "职高": "中等职业学校",
    "中职": "中等职业学校",
    "职业高中": "中等职业学校",
    "特教学校": "特殊教育学校",
    "特殊学校": "特殊教育学校",
    "九年制学校": "九年一贯制学校",
    "九年一贯制": "九年一贯制学校",
    "十二年一贯制": "十二年一贯制学校",
    "幼儿园": "学前",
    "学前教育": "学前",
    "总计": "合计",
    "职教中心": "县级职教中心",
    "完成": "已完成",
    "已启动": "进行中",
    "正在进行": "进行中",
    "没启动": "未启动",
}
#: Of a code that Excel has turned into a number with an exponent.
_EXPONENT = re.compile(r"[0-9.]+[eE][+]?[0-9]+")
_CODE_LENGTH = 10


def hint(column: Column, value: str | None) -> tuple[str, str]:
    """Return what ``value`` most likely means, in Chinese and English; empty where nothing comes to mind."""
    text = "".join((value or "").split())
    if not text:
        return "", ""
    match column.kind:
        case Kind.CODE:
            return _of_code(text)
        case Kind.CHOICE:
            meant = _choice(column, text)
            return (f"是否应为“{meant}”", f"is “{meant}” meant?") if meant else ("", "")
        case Kind.TIME if re.search(r"[上下]午|晚|早", text):
            return "请用24小时制, 如21:00", "write it with 24 hours, such as 21:00"
        case Kind.INT if re.search(r"[约多余左右]", text):
            return "请填确切的数, 不填大约的数", "give the exact number and no estimate"
        case Kind.INT if re.fullmatch(r"[0-9]+\.[0-9]+人?", text):
            return "人数、所数应为整数", "people and institutions are whole numbers"
        case Kind.INT if "%" in text:
            return "这里填人数或个数, 不填百分比", "give the number and no percentage"
        case _:
            return "", ""


def _of_code(text: str) -> tuple[str, str]:
    if _EXPONENT.fullmatch(text):
        return (
            "Excel把它变成了科学计数法, 后面的数字已丢失; 请把单元格设为文本后重新填写",
            "Excel made a number with an exponent of it and lost digits: format the cell as text",
        )
    digits = re.sub(r"[^0-9]", "", text)
    if digits == text and len(digits) != _CODE_LENGTH:
        than_zh = "只有" if len(digits) < _CODE_LENGTH else "有"
        than_en = "only " if len(digits) < _CODE_LENGTH else ""
        return f"{than_zh}{len(digits)}位", f"it has {than_en}{len(digits)} digits"
    others = "".join(dict.fromkeys(re.sub(r"[0-9]", "", text)))
    if others:
        return f"含有数字以外的“{others}”", f"it holds “{others}” beside digits"
    return "", ""


def _choice(column: Column, text: str) -> str | None:
    """Return the one allowed value that ``text`` stands for, None where there are none or several."""
    if _MEANT.get(text) in column.choices:
        return _MEANT[text]
    near = [choice for choice in column.choices if text in choice or choice in text]
    return near[0] if len(near) == 1 else None
