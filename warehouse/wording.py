"""Words that stand beside published figures, in Chinese and English, wherever they are shown.

Terminal, report, notifications, artifacts and the published views name a status, a unit of measure or a form
by these. Wording that belongs to a definition (an
indicator's name, a clause's statement, a finding's message) comes with the published row; what only
the report's pages say is in :mod:`warehouse.report.words`.
"""

from __future__ import annotations

from collections.abc import Mapping

from transforms.forms import OfForms
from transforms.texts import Text

# In the order in which a reader needs them: what is late first, what is only watched last.
STATUSES: dict[str, Text] = {
    "not_met": Text("未达标", "Not met"),
    "off_track": Text("落后进度", "Off track"),
    "insufficient": Text("不足以判定", "Too little to judge by"),
    "no_data": Text("缺数据", "No data"),
    "on_track": Text("按进度", "On track"),
    "not_due": Text("未到期", "Not due yet"),
    "met": Text("达标", "Met"),
    "monitored": Text("监测", "Monitored"),
    "not_applicable": Text("不适用", "Not applicable"),
}


STATUS_MEANINGS: dict[str, Text] = {
    "not_met": Text("应当达到而没有达到", "should hold by now and does not"),
    "off_track": Text(
        "期限未到，落后于通往目标的直线", "not due yet, behind the straight line to the target"
    ),
    "insufficient": Text(
        "有数值，但未报送或未回答者可能改变判定",
        "there is a value, but those who have not reported or answered could turn the verdict",
    ),
    "no_data": Text("所需报表没有生效", "a form that is needed is not in force"),
    "on_track": Text(
        "期限未到，不落后于通往目标的直线", "not due yet, on or ahead of the straight line"
    ),
    "not_due": Text("期限未到，尚无法判断进度", "not due yet, progress cannot be judged"),
    "met": Text("已达到目标", "the target is reached"),
    "monitored": Text("只公布，不评判", "published without a verdict"),
    "not_applicable": Text("当地没有这类对象", "there is no such thing there"),
}


KINDS: dict[str, Text] = {
    "level": Text("限期达到并保持", "to reach by the due year and hold"),
    "standing": Text("每年都须做到", "holds every year"),
    "never_falls": Text("不低于上年", "never below the year before"),
    "milestone": Text("限期完成", "to be done by the due year"),
    "monitor": Text("监测，不设目标值", "monitored, no target figure"),
}


SCOPES: dict[str, Text] = {
    "all": Text("全部报送单位和全市", "every reporting unit and the city"),
    "townships": Text("有乡镇的单位和全市", "the units with townships, and the city"),
    "counties": Text("县（市、区）和全市", "the counties and districts, and the city"),
    "city": Text("仅全市", "the city alone"),
}


#: The stages of ``places_ahead``, in the order of their ages.
STAGES: dict[str, Text] = {
    "preschool": Text("学前三年", "Preschool"),
    "primary": Text("小学", "Primary"),
    "junior": Text("初中", "Junior secondary"),
    "senior": Text("高中阶段", "Upper secondary"),
}


UNITS: dict[str, Text] = {
    "%": Text("%", "%"),
    "名": Text("名", "(rank)"),
    "件": Text("件", "cases"),
    "所": Text("所", "inst."),
    "人": Text("人", "people"),
    "个": Text("个", "items"),
    "班": Text("班", "classes"),
    "个班": Text("个班", "classes"),
    "个乡镇": Text("个乡镇", "townships"),
    "个学位": Text("个学位", "places"),
    "个单位": Text("个单位", "units"),
    "个专业": Text("个专业", "programmes"),
    "所学校": Text("所学校", "schools"),
    "所幼儿园": Text("所幼儿园", "kindergartens"),
    "所机构": Text("所机构", "inst."),
    "处": Text("处", "hazards"),
    "项": Text("项", "projects"),
    "倍": Text("倍", "times"),
    "元": Text("元", "yuan"),
    "万元": Text("万元", "10k yuan"),
}


SINGULARS: dict[str, str] = {
    "people": "person",
    "cases": "case",
    "items": "item",
    "classes": "class",
    "townships": "township",
    "places": "place",
    "units": "unit",
    "programmes": "programme",
    "schools": "school",
    "kindergartens": "kindergarten",
    "hazards": "hazard",
    "projects": "project",
}


COMPARATORS: dict[str, str] = {">=": "≥", "<=": "≤", "≥": "≥", "≤": "≤"}


# How a unit stands with one form of one year, in the order of the legend.
REPORTING: dict[str, Text] = {
    "on_time": Text("按时生效", "In force, on time"),
    "late": Text("迟报生效", "In force, late"),
    "returned": Text("已退回", "Returned"),
    "missing": Text("未报", "Missing"),
    "extra": Text("额外报送", "Not expected, came anyway"),
    "not_expected": Text("不需报送", "Not expected"),
}


SUBMISSION_STATUSES: dict[str, Text] = {
    "accepted": Text("已接收", "Accepted"),
    "accepted_with_warnings": Text("已接收，有提示", "Accepted with warnings"),
    "returned": Text("已退回", "Returned"),
    "superseded": Text("已被新版替代", "Superseded"),
}


SEVERITIES: dict[str, Text] = {
    "error": Text("错误", "Error"),
    "warning": Text("提示", "Warning"),
}


REGION_KINDS: dict[str, str] = {
    "地级市": "whole city",
    "市直": "city-run schools",
    "功能区": "functional zone",
    "省": "whole province",
}


# Kinds of units that are as urban or rural as each other, and are compared.
PEER_KINDS: dict[str, tuple[str, ...]] = {
    "urban": ("市辖区", "功能区"),
    "rural": ("县", "县级市", "自治县"),
}


#: How final the figures of a year are.
FINALITY: dict[str, Text] = {
    "preliminary": Text("初步数", "preliminary"),
    "final": Text("定稿", "final"),
    "revised": Text("定稿后修订", "revised"),
}


# The last word of a place name's pinyin, and what English calls such a place.
PLACE_SUFFIXES: dict[str, str] = {"Qu": "District", "Xian": "County", "Shi": "City"}


def unit_word(unit: str | None) -> Text:
    """Return a unit of measure; one that the dictionary does not know stands for itself."""
    return UNITS.get(unit or "", Text(unit or "", unit or ""))


def figure(shown: str, unit: str | None) -> Text:
    """Return a shown number with its unit of measure: 49.96%, 12 所 / 12 inst."""
    measure = unit_word(unit)
    gap = "" if unit in ("%", None, "") else "\N{NO-BREAK SPACE}"
    english = SINGULARS.get(measure.en, measure.en) if shown == "1" else measure.en
    return Text(f"{shown}{gap}{measure.zh}", f"{shown}{gap}{english}")


#: The statuses that are a verdict; the others say why there is none.
VERDICTS = ("met", "not_met", "on_track", "off_track", "not_due")

FORMS: Mapping[str, Text] = OfForms(
    lambda forms: {name: Text(form.zh, form.en) for name, form in forms.items()}
)

#: How a figure moved against the year before.
DIRECTIONS: dict[str, Text] = {
    "better": Text("好转", "better"),
    "worse": Text("变差", "worse"),
    "same": Text("持平", "unchanged"),
}

BASIS_MISSING = Text("未载明", "not stated")


def against_text(status: str, judged: int, met: int) -> Text:
    """Return the sentence that most units are not as their region, whose verdict is ``status``.

    ``judged`` units have a verdict, ``met`` of them meet the clause.
    """
    if status == "met":
        return Text(
            f"但{judged}个有判定的单位中{judged - met}个未达标",
            f"yet {judged - met} of {judged} units with a verdict do not meet it",
        )
    return Text(
        f"但{judged}个有判定的单位中{met}个达标",
        f"yet {met} of {judged} units with a verdict meet it",
    )


def turning_text(status: str, institutions: int, names: str) -> Text:
    """Return the sentence that each of ``institutions``, alone, turns the verdict ``status``.

    ``names`` are the first few of them.
    """
    and_more = "等" if institutions > TURNING_NAMED else ""
    other_zh, other_en = ("未达标", "not met") if status == "met" else ("达标", "met")
    return Text(
        f"判定取决于单独一所机构: 不计{names}{and_more}{institutions}所中的任何一所, 即为{other_zh}",
        f"the verdict hangs on a single institution: without any one of {institutions} ({names}"
        f"{' …' if and_more else ''}) it would be {other_en}",
    )


#: So many of the institutions that turn a verdict are named.
TURNING_NAMED = 3
