"""Recognising forms: headers, what stands above and below a table, units, and whole columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from os.path import commonprefix
from typing import Any

import polars as pl
import pytest

from tests.transforms.conftest import (
    Cell,
    HandIn,
    HandInAll,
    MakeBook,
    MakePaper,
    Outcome,
    Paper,
    Receive,
)
from transforms.forms import FORMS, Form, Kind
from transforms.submissions import examine

#: The forms as docs/contract.md, *Forms*, states them, word for word: name, header, (other headers), type.
CONTRACT = """
**kindergarten** 幼儿园基本情况表
`institution_code` 机构标识码 (标识码, 园所代码) code · `institution_name` 幼儿园名称 (园所名称, 机构名称) text ! · `township` 所在乡镇 (乡镇街道, 所在乡镇(街道)) text ! · `urban_rural` 城乡类型 {城区, 镇区, 乡村} ! · `ownership` 办园性质 (举办者类型) {公办, 民办} ! · `inclusive` 是否普惠性 (普惠性) bool ! · `licensed` 是否取得办园许可 (办园许可) bool ! · `residential_quarter` 是否小区配套园 (小区配套园) bool ! · `residential_governed` 小区配套治理完成 bool · `monthly_fee` 保教费 (元/月) number · `fee_ceiling` 核定收费上限 (元/月) number · `children_enrolled` 在园幼儿数 (在园人数) int ! · `children_aged_3_5` 其中3至5岁幼儿数 int · `classes` 班数 int ! · `full_time_teachers` 专任教师数 int ! · `attached_primary_code` 依托小学标识码 code · `founded_year` 建园年份 int · `supervisor_assigned` 责任督学挂牌 bool
**school** 中小学校基本情况表
`institution_code` 学校标识码 (标识码, 学校代码) code ! · `institution_name` 学校名称 text ! · `township` 所在乡镇 (乡镇街道, 所在乡镇(街道)) text ! · `urban_rural` 城乡类型 {城区, 镇区, 乡村} ! · `stage` 学校类别 {小学, 初中, 九年一贯制学校, 十二年一贯制学校, 普通高中, 完全中学, 中等职业学校, 特殊教育学校} ! · `ownership` 举办者性质 {公办, 民办} ! · `founded_year` 建校年份 int · `primary_students` 小学在校生数 int ! · `junior_students` 初中在校生数 int ! · `senior_students` 普通高中在校生数 int ! · `vocational_students` 中职在校生数 int ! · `boarding` 是否寄宿制 (寄宿制学校) bool ! · `boarders` 寄宿生数 int · `boarding_standard` 寄宿条件达标 bool · `conditions_standard` 基本办学条件达标 bool · `arrival_time` 统一到校时间 time · `class_start_time` 上课时间 time · `evening_end_time` 晚自习结束时间 time · `after_school_service` 开展课后服务 bool · `supervisor_assigned` 责任督学挂牌 bool · `digital_teaching` 应用信息化教学 bool · `cloud_platform` 接入教育云平台 bool · `mental_health_teacher` 配备心理健康教师 bool · `party_organisation` 建立党组织 bool
**class** 班级学生数表
`institution_code` 学校标识码 (标识码, 学校代码) code ! · `institution_name` 学校名称 text ! · `stage` 学段 {小学, 初中, 高中} ! · `grade` 年级 grade ! · `class_name` 班级 (班号) text ! · `students` 班级人数 (班额, 学生数) int !
**population** 学龄人口表
`age` 年龄 int ! · `population` 常住人口数 (人口数) int !
**finance** 教育经费表
`stage` 学段 {合计, 学前, 小学, 初中, 高中, 中职} ! · `budget_expenditure` 一般公共预算教育支出 (万元) number ! · `students_average` 平均在校生数 int !
**salary** 工资收入情况表
`teacher_pay_total` 中小学教师年工资收入总额 (万元) number ! · `teachers` 中小学教师人数 int ! · `civil_pay_total` 公务员年工资收入总额 (万元) number ! · `civil_servants` 公务员人数 int ! · `subsidy_due` 应享受乡村教师生活补助人数 int ! · `subsidy_paid` 实际享受乡村教师生活补助人数 int ! · `head_teachers` 班主任人数 int ! · `allowance_paid` 享受班主任津贴人数 int !
**teacher** 教师队伍情况表
`institution_code` 学校标识码 (标识码, 学校代码) code ! · `institution_name` 学校名称 text ! · `full_time_teachers` 专任教师数 int ! · `eligible_rotation` 应交流轮岗教师数 int ! · `rotated` 实际交流轮岗教师数 int ! · `trained_outside` 市外研修培训教师数 int ! · `professional_teachers` 专业课教师数 int ! · `dual_qualified` 双师型教师数 int ! · `misconduct_cases` 师德违规查处件数 int ! · `paid_tutoring_cases` 违规补课查处件数 int ! · `heads_eligible` 应交流轮岗校长数 int · `heads_rotated` 实际交流轮岗校长数 int · `backbone_rotated` 交流骨干教师数 int · `backbone_rotated_weak` 其中交流到农村薄弱学校数 int
**special_group** 特殊群体教育保障表
`disabled_school_age` 义务教育阶段残疾儿童少年数 int ! · `disabled_enrolled` 残疾儿童少年入学数 int ! · `dropouts` 辍学学生数 int ! · `migrant_children` 随迁子女数 int ! · `migrant_in_public` 随迁子女公办学校就读数 int ! · `left_behind` 留守儿童数 int ! · `left_behind_cared` 留守儿童关爱建档数 int ! · `aid_eligible` 应资助学生数 int ! · `aid_received` 实际资助学生数 int !
**vocational** 职业教育情况表
`institution_code` 学校标识码 (标识码, 机构标识码) code ! · `institution_name` 机构名称 (学校名称) text ! · `kind` 机构类型 {县级职教中心, 城区中职学校, 高职院校} ! · `transformed` 转型完成 bool · `layout_adjusted` 布局调整完成 bool · `integrated` 中高职一体化 bool · `partnerships` 校企合作项目数 int ! · `programmes` 专业数 int ! · `programmes_matched` 对接产业专业数 int !
**safety** 安全与规范办学表
`institution_code` 学校标识码 (标识码, 机构标识码) code ! · `institution_name` 学校名称 (机构名称) text ! · `hazards_found` 安全隐患排查数 int ! · `hazards_fixed` 安全隐患整改数 int ! · `bullying_reported` 欺凌事件数 int ! · `bullying_handled` 欺凌事件处置数 int ! · `nonzero_start_cases` 非零起点教学查处件数 int ! · `admission_violations` 违规招生查处件数 int !
**milestone** 改革事项进展表
`item` 事项 text ! · `status` 状态 {未启动, 进行中, 已完成} ! · `date` 日期 date · `document` 文号 text · `quantity` 数量 number
"""
_FORM = re.compile(r"\*\*(\w+)\*\* (\S+)\n(.+)")
_COLUMN = re.compile(r"`(\w+)` (\S+)(?: \((.+)\))? (\{.+\}|\w+)( !)?")
STATED = {name: (zh, columns.split(" · ")) for name, zh, columns in _FORM.findall(CONTRACT)}


def stated(name: str) -> list[tuple[str, str, tuple[str, ...], str, bool]]:
    """Name, header, what stands in brackets, type and whether required, of every column."""
    columns = []
    for text in STATED[name][1]:
        match = _COLUMN.fullmatch(text)
        assert match, text
        brackets = tuple(match[3].split(", ")) if match[3] else ()
        columns.append((match[1], match[2], brackets, match[4], bool(match[5])))
    return columns


every_form = pytest.mark.parametrize("name", list(STATED))


def regression(*values: Any, reason: str) -> Any:
    """A case that was once wrong; ``reason`` says how."""
    assert reason
    return pytest.param(*values)


# --- the forms themselves --------------------------------------------------------------------


def test_the_forms_are_those_of_the_contract() -> None:
    assert list(FORMS) == list(STATED)


@every_form
def test_a_form_has_the_columns_of_the_contract(name: str) -> None:
    form = FORMS[name]
    assert form.zh == STATED[name][0]
    found = []
    for column in form.columns:
        kind = f"{{{', '.join(column.choices)}}}" if column.kind is Kind.CHOICE else column.kind
        found.append(
            (
                column.name,
                column.header,
                (column.unit,) if column.unit else column.aliases,
                str(kind),
                column.required,
            )
        )
    assert found == stated(name)


# --- what makes no difference -----------------------------------------------------------------


@dataclass(frozen=True)
class Alike:
    """A sheet of ``form``, changed, that is read as the very rows it was made of.

    ``rules``: what is said of it nevertheless, None where that is another test's; ``counts``: what the
    submission or its sheet counts.
    """

    why: str
    form: str
    change: Callable[[Paper], object]
    size: int = 6
    path: str = "义县/报表.xlsx"
    rules: tuple[str, ...] | None = ()
    counts: Mapping[str, int] = field(default_factory=dict)


def headed(column: str, header: str) -> Callable[[Paper], object]:
    return lambda sheet: sheet.head(column, header)


def reversed_columns(sheet: Paper) -> None:
    turned = sheet.reordered(sheet.columns[::-1])
    assert turned is sheet


def above(lines: list[list[Cell]]) -> Callable[[Paper], object]:
    def change(sheet: Paper) -> None:
        sheet.above = lines
        if lines and lines[0]:
            sheet.merges.append((0, 0, 0, 5))

    return change


def below(*lines: list[Cell]) -> Callable[[Paper], object]:
    return lambda sheet: sheet.below.extend(lines)


def numbered(sheet: Paper) -> Paper:
    return sheet.insert(0, "序号", range(1, len(sheet.rows) + 1))


def totalled(label: str, column: str) -> Callable[[Paper], object]:
    """A total in the midst and one at the end."""

    def change(sheet: Paper) -> None:
        numbered(sheet)
        total: list[Cell] = [None] * 6 + [210]
        total[sheet.columns.index(column)] = label
        sheet.rows = [*sheet.rows[:3], total, *sheet.rows[3:], total]

    return change


def counting(label: str, column: str) -> Callable[[Paper], object]:
    """A total of the schools that counts the answers too."""

    def change(sheet: Paper) -> None:
        kinds = [FORMS["school"].by_name[name].kind for name in sheet.columns]
        total = [None, *(3 if kind in (Kind.INT, Kind.BOOL) else None for kind in kinds)]
        numbered(sheet)
        total[sheet.columns.index(column)] = label
        sheet.rows.append(total)

    return change


def twice_as_total(sheet: Paper) -> None:
    sheet.insert(0, "项目", ["义县"])
    sheet.rows.append(["合计", *sheet.rows[0][1:]])


def total_with_a_remark(sheet: Paper) -> None:
    numbered(sheet).insert(7, "备注", [None] * 6)
    sheet.below = [["合计", None, None, None, None, None, 210, "已核对"]]


def headings(text: str) -> Callable[[Paper], object]:
    def change(sheet: Paper) -> None:
        line = [text, *[None] * (len(sheet.columns) - 1)]
        sheet.rows = [line, *sheet.rows[:2], line, *sheet.rows[2:]]

    return change


def remarked(text: str | None) -> Callable[[Paper], Paper]:
    return lambda sheet: sheet.insert(len(sheet.columns), "备注", [text] * len(sheet.rows))


def blanks_inside(sheet: Paper) -> None:
    numbered(sheet)
    only_numbered: list[Cell] = [7, *[None] * 6]
    sheet.rows = [*sheet.rows[:2], [None] * 7, [None] * 7, *sheet.rows[2:], only_numbered]


def blank_beside_remarks(sheet: Paper) -> None:
    remarked(None)(sheet).below = [[], ["填表人：教育股"]]


def split(sheet: Paper, depth: int = 2) -> Paper:
    """Spread the header over ``depth`` rows.

    What neighbours share stands over them, merged; a header of its own is merged downwards.
    """
    headers = [str(text) for text in sheet.header[0]]
    lines: list[list[Cell]] = [[None] * len(headers) for _ in range(depth)]
    top = len(sheet.above)
    place = 0
    while place < len(headers):
        here, after = headers[place], headers[place + 1] if place + 1 < len(headers) else ""
        shared = len(commonprefix([here, after]))
        if 1 < shared < min(len(here), len(after)):
            lines[0][place] = here[:shared]
            sheet.merges.append((top, place, top, place + 1))
            for column in (place, place + 1):
                lines[1][column] = headers[column][shared:]
                if depth > 2:
                    sheet.merges.append((top + 1, column, top + depth - 1, column))
            place += 2
        else:
            lines[0][place] = here
            sheet.merges.append((top, place, top + depth - 1, place))
            place += 1
    sheet.header = lines
    return sheet


def over_three_rows(sheet: Paper) -> None:
    sheet.header = [
        ["中小学教师", None, "公务员", None, "乡村教师生活补助应享受人数", None, "班主任", None],
        ["年工资收入", "人数", "年工资收入", "人数", None, None, "人数", None],
        ["总额(万元)", None, "总额(万元)", None, None, None, None, None],
    ]
    # The last four headers stand in one cell each, as they are.
    for place, column in enumerate(FORMS["salary"].columns[4:], 4):
        sheet.header[0][place] = column.header
        sheet.header[1][place] = None
        sheet.merges.append((1, place, 3, place))
    sheet.merges += [(1, 0, 1, 1), (1, 2, 1, 3), (2, 1, 3, 1), (2, 3, 3, 3)]


def over_columns_and_rows(sheet: Paper) -> None:
    """The name takes two columns, and a group over another column makes the header two rows."""
    sheet.insert(2, "", [None] * 3)
    sheet.header[0][2] = None
    sheet.header = [[*sheet.header[0][:-1], "人数情况"], [None] * 6 + ["班级人数"]]
    sheet.merges = [(1, 1, 2, 2), *((1, place, 2, place) for place in (0, 3, 4, 5))]
    sheet.merges += [(row, 1, row, 2) for row in (3, 4, 5)]


def ending_in_a_unit(sheet: Paper) -> None:
    """小区配套 over 园 and 治理完成: 园 alone is a unit too."""
    first = sheet.columns.index("residential_quarter")
    upper, lower = list(sheet.header[0]), [None] * len(sheet.columns)
    upper[first : first + 2] = ["小区配套", None]
    lower[first : first + 2] = ["园", "治理完成"]
    sheet.header = [upper, lower]
    sheet.merges = [(len(sheet.above), first, len(sheet.above), first + 1)]


def starred(star: str) -> Callable[[Paper], object]:
    def change(sheet: Paper) -> None:
        sheet.header = [[f"{star}{text}" for text in sheet.header[0]]]

    return change


def index_row(sheet: Paper) -> None:
    words = ["甲", "乙"] if len(sheet.columns) > 2 else ["甲"]
    sheet.header.append([*words, *range(1, len(sheet.columns) - len(words) + 1)])


def repeated_on_each_page(sheet: Paper) -> None:
    split(sheet)
    sheet.above.append(["单位：人"])
    sheet.merges = [(row + 1, left, last + 1, right) for row, left, last, right in sheet.merges]
    sheet.header.append(list(range(1, 9)))
    sheet.below = [list(line) for line in (*sheet.above, *sheet.header)]


REMARK = "以上数据已经核对，与学籍系统一致。"
ALIKE = [
    *(
        Alike("another header", name, headed(column, alias), 2)
        for name in STATED
        for column, _, brackets, kind, _ in stated(name)
        for alias in brackets
        if kind != "number"
    ),
    *(
        Alike("white space, width and units", name, headed(column, header), 3)
        for name, column, header in [
            ("kindergarten", "monthly_fee", "保教费（元/月）"),
            ("kindergarten", "monthly_fee", "保教费"),
            ("kindergarten", "children_enrolled", "在园 幼儿数"),
            ("kindergarten", "children_enrolled", "  在园幼儿数\u3000"),
            ("kindergarten", "children_enrolled", "在园\n幼儿数"),
            ("kindergarten", "children_enrolled", "在园幼儿数(人)"),
            ("kindergarten", "children_enrolled", "在园人数（人）"),
            ("kindergarten", "children_aged_3_5", "其中３至５岁幼儿数"),
            ("kindergarten", "township", "所在乡镇（街道）"),
            ("kindergarten", "classes", "班数（个）"),
            ("school", "arrival_time", "统一到校\n时 间"),
            ("safety", "hazards_found", "安全隐患排查数（处）"),
        ]
    ),
    *(Alike("a star for what must be given", "class", starred(star)) for star in "*★※"),
    *(Alike("columns in any order", name, reversed_columns) for name in STATED),
    *(
        Alike("lines above the header", "class", above(lines), path="义县/2020/班级.xlsx")
        for lines in [
            [],
            [[]],
            [["义县班级学生数表"], [], [None, "单位：人", None, "填报单位：义县教育局"]],
            [
                ["附件3"],
                ["义县班级学生数表"],
                ["（2020年）"],
                ["填报单位", "义县教育局", "表号", "教统3"],
            ],
            [[f"说明{i}：班级按学校逐个填写，不得合并。"] for i in range(12)],
        ]
    ),
    *(Alike("an index row", name, index_row) for name in STATED),
    *(
        Alike(
            "an index row of another kind", "class", lambda sheet, row=row: sheet.header.append(row)
        )
        for row in [
            ["甲", "乙", "1", "2", "3", "4=1+2"],
            ["A", "B", "C", 1, 2, 3],
            ["—", "—", 1, 2, 3, 4],
            ["①", "②", "③", "④", "⑤", "⑥"],
        ]
    ),
    *(
        Alike(
            f"totals named {label} in {column}",
            "class",
            totalled(label, column),
            counts={"rows_ignored": 2 + 2, "totals": 2},
        )
        for label in ["合计", "小计", "总计", "合 计", "合　计：", "义县合计"]
        for column in ["institution_code", "institution_name", "序号"]
    ),
    *(
        Alike(
            "a total that counts the answers",
            "school",
            counting(label, column),
        )
        for label in ["合计（6所）", "合计6所", "合计：", "小学合计"]
        for column in ["institution_name", "序号"]
    ),
    *(
        Alike("the one row of a unit calls itself the total", name, change, rules=None)
        for name in ("salary", "special_group")
        for change in (lambda sheet: sheet.insert(0, "项目", ["合计"]), twice_as_total)
    ),
    Alike("a total with a remark", "class", total_with_a_remark, rules=None),
    Alike("the total of finance is data", "finance", lambda sheet: None),
    *(
        Alike(f"a note below: {note}", name, below([], note), counts={"rows_ignored": 2 + 2})
        for name in STATED
        for note in [
            ["填表人：教育股"],
            ["填表人：教育股", "审核人：办公室", "填报日期：2020-10-15"],
            ["填表人", "教育股", "审核人", "办公室", "填报日期", "2020-10-15"],
            [None, None, "审核人：", None, "填报日期：2020年10月15日"],
            ["单位负责人：", None, "填表人：", None, "联系电话："],
            [None, None, None, None, None, "填报日期：2020-10-15"],
            ["注：人数为9月30日在册人数。"],
            ["备注：无"],
            ["日期：2020年10月15日"],
            ["日期", "2020年10月15日"],
            ["局长签字：", None, "填表：教育股"],
            ["（公章）"],
            ["制表单位：义县教育局", "制表时间：2020年10月"],
            ["第1页，共2页"],
        ]
    ),
    # Not so in milestone, where a text alone may be an item that is not filled in. In finance it was
    # once taken for a row.
    *(Alike("a remark alone", name, below([REMARK])) for name in STATED if name != "milestone"),
    *(
        Alike("a heading inside", "school", headings(h), 4)
        for h in ("一、小学", "（二）初中", "小学")
    ),
    Alike(
        "a note that goes on",
        "milestone",
        below([], ["说明："], ["1. 按上级文件填写。"], ["2. 数据截至9月1日。"]),
        counts={"notes": 3},
    ),
    Alike("dashes", "class", below(["-", "—", "/", "-", "-", "-"]), counts={"blanks": 1}),
    # A remark once made a full row without a code a note or a total.
    *(
        Alike(f"a remark {text} beside a full row", name, remarked(text), rules=None)
        for name in STATED
        for text in ("已核对", "注：含教学点", "两地合计")
    ),
    Alike(
        "a blank row beside unknown columns",
        "class",
        blank_beside_remarks,
        rules=None,
        counts={"blanks": 1, "notes": 1},
    ),
    Alike(
        "blank rows inside",
        "class",
        blanks_inside,
        counts={"rows_ignored": 2 + 3},
    ),
    *(
        Alike(f"a merged header {depth} deep", name, lambda sheet, depth=depth: split(sheet, depth))
        for name in STATED
        for depth in (2, 3)
    ),
    Alike(
        "a merged header with an index row",
        "salary",
        lambda sheet: split(sheet).header.append(list(range(1, 9))),
    ),
    Alike("a header written over three rows", "salary", over_three_rows),
    Alike("a header over columns and rows", "class", over_columns_and_rows, 3),
    Alike("a header over two rows ends in a unit", "kindergarten", ending_in_a_unit),
    Alike("each printed page repeats it", "salary", repeated_on_each_page, counts={"titles": 10}),
]


@pytest.fixture(scope="module")
def read_alike(paper: MakePaper, hand_in_all: HandInAll) -> dict[int, Outcome]:
    sheets = {}
    for number, case in enumerate(ALIKE):
        sheet = paper(case.form, case.size)
        case.change(sheet)
        sheets[number] = (sheet, case.path)
    return hand_in_all(sheets)


@pytest.mark.parametrize("number", range(len(ALIKE)), ids=[f"{c.form}: {c.why}" for c in ALIKE])
def test_what_makes_no_difference_is_read_as_the_same_rows(
    number: int, read_alike: dict[int, Outcome], city: dict[str, pl.DataFrame]
) -> None:
    case, outcome = ALIKE[number], read_alike[number]
    assert outcome.only["form"] == case.form
    if case.rules is not None:
        assert tuple(outcome.rules) == case.rules
    assert outcome.values(case.form).equals(city[case.form].head(case.size))
    counted = {**outcome.sheets[0], **outcome.only}
    assert {what: counted[what] for what in case.counts} == case.counts


# --- headers as people write them ------------------------------------------------------------


@pytest.mark.parametrize("path", ["义县/教师队伍情况表.xlsx", "义县/教师队伍情况表.csv"])
def test_the_header_alone_says_which_form_it_is(
    path: str, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("class", title="2020年教师队伍情况表")
    sheet.name = "工资收入情况表"
    outcome = hand_in(sheet, path)
    assert outcome.only["form"] == "class"
    assert outcome.only["accepted"]


@every_form
def test_columns_that_need_not_be_there_may_be_missing(
    name: str, paper: MakePaper, hand_in: HandIn, city: dict[str, pl.DataFrame]
) -> None:
    sheet = paper(name)
    optional = [column.name for column in FORMS[name].columns if not column.required]
    if name == "kindergarten":
        sheet.fill("licensed", ["否"] * 6)  # a licensed one must have its code
    for column in optional:
        sheet.drop(column)
    outcome = hand_in(sheet)
    assert outcome.findings == []
    loaded = outcome.values(name)
    assert loaded.select(optional).null_count().row(0) == (len(sheet.rows),) * len(optional)
    kept = [column for column in sheet.columns if column != "licensed"]
    assert loaded.select(kept).equals(city[name].head(len(sheet.rows)).select(kept))


MUST_BE_THERE = [
    (name, column) for name in STATED for column, *_, required in stated(name) if required
]


@pytest.fixture(scope="module")
def without_column(paper: MakePaper, hand_in_all: HandInAll) -> Any:
    return hand_in_all({(name, column): paper(name).drop(column) for name, column in MUST_BE_THERE})


@pytest.mark.parametrize(("name", "column"), MUST_BE_THERE)
def test_a_missing_column_is_one_finding_without_a_cell(
    name: str, column: str, without_column: Any
) -> None:
    outcome = without_column[name, column]
    error = outcome.error
    assert outcome.only["form"] == name
    assert not outcome.only["accepted"]
    assert error["rule_id"] == f"{FORMS[name].code}-E01"
    assert error["column_name"] == column
    assert (error["cell"], error["row"], error["cells"]) == (None, None, 1)
    assert error["sheet"] == FORMS[name].zh
    assert FORMS[name].by_name[column].header in error["message_zh"]


def test_unknown_columns_are_ignored_with_one_warning_that_names_them(
    paper: MakePaper, hand_in: HandIn, city: dict[str, pl.DataFrame]
) -> None:
    sheet = paper("school", 3)
    sheet.insert(0, "校车", [1, 2, 3]).insert(4, "校长室\n电话", ["-", None, "无"])
    sheet.insert(2, "备注", [None, "扩建中", None])
    outcome = hand_in(sheet)
    assert outcome.only["accepted"]
    assert outcome.rules == ["SCH-W01"]
    assert outcome.only["warnings"] == 1
    warning = outcome.warnings[0]
    assert warning["value"] == "校车、校长室 电话"
    assert outcome.values("school").equals(city["school"].head(3))


@pytest.mark.parametrize(
    "header",
    [
        *("序号", "编号", "备注", "说明", "联系人", "联系电话", "电话", "填表人", "审核人", "日期"),
        *("备 注", "说明（可不填）", "序\n号", "联系电话："),
    ],
)
def test_columns_that_nearly_every_form_has_are_not_spoken_of(
    header: str, paper: MakePaper, hand_in: HandIn, city: dict[str, pl.DataFrame]
) -> None:
    outcome = hand_in(paper("school", 3).insert(4, header, ["13", None, "无"]))
    assert outcome.findings == []
    assert outcome.values("school").equals(city["school"].head(3))


@pytest.mark.parametrize(("first", "second"), [("班级人数", "班级人数"), ("班额", "学生数")])
def test_the_same_known_header_twice_is_an_error(
    first: str, second: str, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("class", 3).head("students", first)
    sheet.insert(6, second, [sheet.at(row, "students") for row in range(3)])
    outcome = hand_in(sheet)
    assert not outcome.only["accepted"]
    assert outcome.error["rule_id"] == "CLS-E07"
    assert outcome.error["column_name"] == "students"
    assert outcome.error["places"] == ["F2", "G2"]
    assert outcome.error["cells"] == 2
    assert "F2" in outcome.error["message_zh"]
    assert "G2" in outcome.error["message_zh"]


def test_the_year_column_twice_is_an_error(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("class").insert(0, "年份", [2020] * 6).insert(7, "年份", [2019] * 6)
    error = hand_in(sheet).error
    assert (error["rule_id"], error["cell"], error["cells"]) == ("CLS-E07", "A2", 2)
    assert "年份" in error["message_zh"]


def test_a_cover_sheet_with_one_known_word_is_no_form(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    cover = paper("class", 2)
    cover.name, cover.above = "封面", []
    cover.header, cover.rows = [["序号", "事项", "说明"]], [[1, "报送时间", "10月31日前"]]
    outcome = hand_in(workbook(cover, paper("class")))
    assert outcome.findings == []
    assert outcome.only["form"] == "class"


def test_a_sheet_that_is_no_form_is_left_alone(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    cover = paper("class", 0)
    cover.name, cover.header, cover.above = "封面", [["填报说明"]], [["请于十月底前上报。"]]
    outcome = hand_in(workbook(cover, paper("class")))
    assert outcome.findings == []
    assert outcome.only["form"] == "class"


def test_hidden_sheets_are_read_like_others(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    hidden = paper("teacher")
    hidden.hidden = True
    outcome = hand_in(workbook(paper("class"), hidden))
    assert {entry["form"] for entry in outcome.submissions} == {"class", "teacher"}
    assert all(entry["accepted"] for entry in outcome.submissions)


# --- around the table ------------------------------------------------------------------------


def test_figures_that_count_up_are_data_where_no_index_belongs(
    paper: MakePaper, hand_in: HandIn
) -> None:
    """A hamlet with two one-year-olds: its first row reads 1, 2."""
    sheet = paper("population", 2)
    sheet.rows = [[1, 2], [2, 3]]
    assert hand_in(sheet).values("population").rows() == [(1, 2), (2, 3)]


def test_an_institution_with_a_code_is_data_whatever_its_name(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("class", 2).put(0, "institution_name", "合计").put(1, "class_name", "总计")
    outcome = hand_in(sheet)
    assert outcome.only["rows_loaded"] == 2


@pytest.mark.parametrize("word", ["注", "日期", "说明"])
@every_form
def test_a_full_row_is_no_note_because_of_one_strange_word(
    name: str, word: str, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper(name)
    sheet.put(0, FORMS[name].columns[0].name, word)
    only = hand_in(sheet).only
    assert only["rows_loaded"] + only["rows_returned"] == len(sheet.rows)


@pytest.mark.parametrize("typed", ["五十二人", "约五十人"])
def test_a_figure_in_words_that_stands_alone_is_still_an_error(
    typed: str, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("population", 3).put(1, "age", None).put(1, "population", typed)
    outcome = hand_in(sheet)
    assert sorted((entry["rule_id"], entry["cell"]) for entry in outcome.errors) == [
        ("POP-E02", "A4"),
        ("POP-E03", "B4"),
    ]


@pytest.mark.parametrize(
    "item",
    [
        "合同签字盖章制度改革",
        regression("审核评估机制改革", reason="taken for the signature 审核(人), and lost unseen"),
        regression("负责人选拔制度改革", reason="taken for the signature 负责人, and lost unseen"),
        regression("培训教师人次合计", reason="taken for a total, and lost unseen"),
        "小计算机进课堂",
    ],
)
def test_a_full_row_is_data_even_if_it_begins_like_a_note(
    item: str, paper: MakePaper, hand_in: HandIn
) -> None:
    outcome = hand_in(paper("milestone", 3).put(1, "item", item))
    assert outcome.findings == []
    assert outcome.column("milestone", "item")[1] == item


def test_an_unlicensed_kindergarten_with_a_remark_is_still_counted(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("kindergarten", 3).insert(16, "备注", [None, "备注：正在整改", None])
    sheet.put(1, "institution_code", None).put(1, "licensed", "否")
    assert hand_in(sheet).only["rows_loaded"] == 3


@every_form
def test_a_form_without_rows_is_an_error(name: str, paper: MakePaper, hand_in: HandIn) -> None:
    outcome = hand_in(paper(name, 0))
    assert not outcome.only["accepted"]
    assert (outcome.only["form"], outcome.only["year"]) == (name, 2020)
    assert outcome.error["rule_id"] == f"{FORMS[name].code}-E08"
    assert outcome.error["sheet"] == FORMS[name].zh


def test_a_sheet_without_rows_beside_one_with_rows_is_an_error_too(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    full, empty = paper("class"), paper("class", 0)
    full.name, empty.name = "小学", "初中"
    outcome = hand_in(workbook(full, empty))
    assert outcome.rules == ["CLS-E08"]
    assert outcome.error["sheet"] == "初中"
    assert outcome.only["rows_returned"] == 6


def test_totals_and_notes_alone_are_no_rows(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("class", 0)
    sheet.below = [["合计", None, None, None, None, 0], [], ["填表人：教育股"]]
    outcome = hand_in(sheet)
    assert outcome.rules == ["CLS-E08"]
    assert outcome.only["rows_ignored"] == outcome.only["rows_read"] == 5


# --- headers over several rows ---------------------------------------------------------------


def test_a_finding_about_a_merged_header_names_a_cell_of_it_and_its_row(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = split(paper("salary").insert(8, "工会", [None]))
    warning = hand_in(sheet).warnings[0]
    assert warning["rule_id"] == "SAL-W01"
    assert warning["cell"] in ("I2", "I3")
    assert warning["cell"] == f"I{warning['row']}"


def test_a_code_merged_over_the_classes_of_a_school_holds_for_each(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("class", 4)
    code, name = sheet.at(0, "institution_code"), sheet.at(0, "institution_name")
    for column, text in (("institution_code", code), ("institution_name", name)):
        place = sheet.columns.index(column)
        sheet.fill(column, [text, None, None, None])
        sheet.merges.append((2, place, 5, place))
    sheet.fill("class_name", ["1班", "2班", "3班", "4班"])
    outcome = hand_in(sheet)
    assert outcome.findings == []
    assert outcome.column("class", "institution_code") == [code] * 4


def test_what_is_merged_down_says_the_same_of_each_row_unless_it_is_a_figure(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("school", 3)
    for column, text in (("boarding", "否"), ("class_start_time", "8:00"), ("urban_rural", "镇区")):
        place = sheet.columns.index(column)
        sheet.fill(column, [text, None, None])
        sheet.merges.append((2, place, 4, place))
    outcome = hand_in(sheet)
    assert outcome.findings == []
    assert outcome.column("school", "boarding") == [False] * 3
    assert outcome.column("school", "class_start_time") == [time(8)] * 3


def test_a_merged_figure_is_neither_repeated_nor_given_to_the_first_row(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("kindergarten", 4).fill("monthly_fee", [500, None, None, 600])
    place = sheet.columns.index("monthly_fee")
    sheet.merges.append((2, place, 4, place))
    error = hand_in(sheet).error
    assert (error["rule_id"], error["cell"], error["cells"]) == ("KG-E32", "J3", 3)
    assert error["places"] == ["J3", "J4", "J5"]
    assert "500" in error["message_zh"]
    assert "J3:J5" in error["message_en"]


@pytest.mark.parametrize(
    ("group", "read"), [("人数", True), ("人数情况", True), ("其中", True), ("女生", False)]
)
def test_a_group_over_a_header_is_passed_over_if_it_says_nothing_new(
    group: str, read: bool, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("class", 3)
    sheet.header = [[*sheet.header[0][:-1], group], [None] * 5 + ["班级人数"]]
    sheet.merges = [(1, place, 2, place) for place in range(5)]
    assert hand_in(sheet).rules == ([] if read else ["CLS-E01", "CLS-W01"])


# --- units -----------------------------------------------------------------------------------

#: Form, money column, its header (None for the form's own), lines above the table, what is typed, and the
#: amount that is meant, in the form's unit. The unit in a column's own header is stronger than that above.
SPENT, PAID, FEE = "一般公共预算教育支出", "中小学教师年工资收入总额", "保教费"
_FINANCE, _SALARY, _FEE = (
    ("finance", "budget_expenditure"),
    ("salary", "teacher_pay_total"),
    ("kindergarten", "monthly_fee"),
)
AMOUNTS: list[tuple[tuple[str, str], str, list[list[Cell]], Cell, str]] = [
    *(
        (_FINANCE, f"{SPENT}{unit}", [[None, None, line] for line in lines], typed, meant)
        for unit, lines, typed, meant in [
            ("(万元)", [], 123.45, "123.45"),
            ("", [], 123.45, "123.45"),
            ("(元)", [], "1,234,567.89", "123.456789"),
            ("（元）", [], 1234567.89, "123.456789"),
            ("\n（单位：元）", [], 1234567.89, "123.456789"),
            ("(元)", [], 0.01, "0.000001"),
            ("", ["单位：元"], 1234500, "123.45"),
            ("", ["单位:元"], 1234500, "123.45"),
            ("", ["（单位：元）"], 1234500, "123.45"),
            ("", ["金额单位：人民币元"], 1234500, "123.45"),
            ("", ["单位：元、人"], 1234500, "123.45"),
            ("", ["义县2020年教育经费表 单位：元"], 1234500, "123.45"),
            ("", ["单位：万元"], 123.45, "123.45"),
            ("", ["单位：人"], 123.45, "123.45"),
            ("", ["填报单位：义县教育局"], 123.45, "123.45"),
            ("", ["填报单位：元宝区教育局"], 123.45, "123.45"),
            ("(万元)", ["单位：元"], 123.45, "123.45"),
            ("(元)", ["单位：万元"], 1234500, "123.45"),
        ]
    ),
    # However it is written: a unit that is passed over makes an amount ten thousand times too large.
    (_FINANCE, SPENT, [[None, "单位：", "元"]], 1234500, "123.45"),
    *(
        (_SALARY, PAID, [line], 25000000, "2500")
        for line in [
            ["单位", "元"],
            ["计量单位", None, "元"],
            ["单位（元）"],
            ["单位：人民币（元）"],
            ["单位：人 元"],
            ["单位：人·元"],
            ["单位：【元】"],
            ["单位：元。"],
            ["制表单位：义县财政局 单位：元"],
            ["金额单位为元"],
        ]
    ),
    # A remark beside the unit.
    *(
        (_SALARY, f"{PAID}{unit}", [], 25000000, "2500")
        for unit in ("(必填,元)", "(元、保留两位小数)", "（必填）（元）")
    ),
    *(
        (_FEE, f"{FEE}{unit}", [[line] for line in lines], typed, "800")
        for unit, lines, typed in [
            ("(元/月)", [], 800),
            ("(元)", [], 800),
            ("", [], 800),
            ("(万元)", [], 0.08),
            ("", ["单位：元"], 800),
            ("(元/月)", ["单位：万元"], 800),
        ]
    ),
]


@pytest.fixture(scope="module")
def read_amounts(paper: MakePaper, hand_in_all: HandInAll) -> dict[int, Outcome]:
    sheets = {}
    for number, ((form, column), header, lines, typed, _) in enumerate(AMOUNTS):
        sheets[number] = sheet = paper(form, 2).head(column, header)
        sheet.above += lines
        sheet.fill(column, [typed] * len(sheet.rows))
    return hand_in_all(sheets)


@pytest.mark.parametrize("number", range(len(AMOUNTS)))
def test_amounts_are_kept_in_the_forms_unit_whatever_unit_they_came_in(
    number: int, read_amounts: dict[int, Outcome]
) -> None:
    ((form, column), *_, meant), outcome = AMOUNTS[number], read_amounts[number]
    assert outcome.findings == []
    amounts = outcome.column(form, column)
    assert amounts == [Decimal(meant)] * len(amounts) != []


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("unit", ["(元)", "元", "（单位：元）"])
def test_a_unit_in_a_row_of_its_own_below_the_header_is_obeyed(
    unit: str, merged: bool, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("salary")
    sheet.header = [
        [column.header for column in FORMS["salary"].columns],
        [unit, *([None] if merged else ["人"]), unit, *[None if merged else "(人)"] * 5],
    ]
    if merged:
        sheet.merges = [(1, place, 2, place) for place in (1, 3, 4, 5, 6, 7)]
    sheet.put(0, "teacher_pay_total", 25000000).put(0, "civil_pay_total", 12000000)
    outcome = hand_in(sheet)
    assert outcome.findings == []
    assert outcome.column("salary", "teacher_pay_total") == [Decimal(2500)]
    assert outcome.column("salary", "civil_pay_total") == [Decimal(1200)]


def test_a_unit_among_the_headers_holds_for_the_table(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("salary").head("teacher_pay_total", PAID)
    sheet.insert(8, "单位：元", [None]).put(0, "teacher_pay_total", 25000000)
    assert hand_in(sheet).column("salary", "teacher_pay_total") == [Decimal(2500)]


def test_each_money_column_has_a_unit_of_its_own(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("salary").head("teacher_pay_total", f"{PAID}(元)")
    sheet.put(0, "teacher_pay_total", 300_000_000).put(0, "civil_pay_total", 12000)
    outcome = hand_in(sheet)
    assert outcome.column("salary", "teacher_pay_total") == [Decimal(30000)]
    assert outcome.column("salary", "civil_pay_total") == [Decimal(12000)]


@pytest.mark.parametrize(
    ("form", "column", "header"),
    [
        ("population", "population", "常住人口数(万)"),
        ("population", "population", "常住人口数(万人)"),
        ("population", "population", "常住人口数(千人)"),
        ("salary", "teacher_pay_total", f"{PAID}(¥)"),
        ("salary", "teacher_pay_total", f"{PAID}(美元)"),
        ("kindergarten", "monthly_fee", "保教费(元/学期)"),
        ("kindergarten", "monthly_fee", "保教费(元/年)"),
        ("finance", "budget_expenditure", f"{SPENT}(万美元)"),
        ("finance", "students_average", "平均在校生数(万人)"),
    ],
)
def test_a_unit_that_cannot_be_converted_is_one_error_at_its_header(
    form: str, column: str, header: str, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper(form).head(column, header)
    outcome = hand_in(sheet)
    assert not outcome.only["accepted"]
    assert outcome.error["rule_id"] == f"{FORMS[form].code}-E09"
    assert outcome.error["column_name"] == column
    assert outcome.error["cell"] == sheet.place(-1, column)


def test_counts_in_ten_thousands_by_the_line_above_are_one_error(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("special_group")
    sheet.above.append(["单位：万人"])
    error = hand_in(sheet).error
    assert (error["rule_id"], error["value"], error["cells"]) == ("SPG-E09", "万人", 9)


def test_each_sheet_has_units_of_its_own(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    one, two = paper("kindergarten", 1), paper("kindergarten", 2)
    one.name, two.name, two.rows = "城区", "农村", two.rows[1:]
    one.put(0, "monthly_fee", 800)
    two.head("monthly_fee", "保教费(万元)").put(0, "monthly_fee", 0.09)
    fees = hand_in(workbook(one, two)).column("kindergarten", "monthly_fee")
    assert fees == [Decimal(800), Decimal(900)]


def test_layout_says_where_each_column_stood_and_in_which_unit(
    paper: MakePaper, received: Receive
) -> None:
    sheet = paper("finance").reordered(["students_average", "stage", "budget_expenditure"])
    sheet.head("budget_expenditure", "一般公共预算教育支出(元)")
    layout = examine(received(sheet)).layout.select("sheet", "column_name", "letter", "unit")
    assert sorted(layout.rows()) == [
        ("教育经费表", "budget_expenditure", "C", "元"),
        ("教育经费表", "stage", "B", None),
        ("教育经费表", "students_average", "A", None),
    ]


def test_no_two_forms_share_all_their_required_headers() -> None:
    """Else the header could not tell them apart."""

    def headers(form: Form) -> frozenset[str]:
        return frozenset(column.header for column in form.required)

    forms = list(FORMS.values())
    assert not [
        (one.name, other.name)
        for one in forms
        for other in forms
        if one is not other and headers(one) <= headers(other)
    ]
