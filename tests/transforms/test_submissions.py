"""The gate: which submissions are accepted, which error returns one, and that every row counts.

For every error rule there is a submission here (``alone``, at the end) that breaks it and nothing
else, and sees exactly that rule report it in the cell where it stands.
"""

from __future__ import annotations

import hashlib
import zipfile
from decimal import Decimal
from io import BytesIO
from typing import Any

import polars as pl
import pytest

from tests.transforms.conftest import HandIn, HandInAll, MakeBook, MakePaper, Outcome, Receive
from transforms.checks.findings import with_messages
from transforms.checks.rules import RULES
from transforms.formats import Unreadable
from transforms.forms import FORMS, Kind
from transforms.reading import read_file
from transforms.records import FINDING
from transforms.submissions import Examined, examine

every_form = pytest.mark.parametrize("name", list(FORMS))
CODE = ("institution_code",)
#: What identifies a row, by docs/contract.md, *Forms*; nothing where one row belongs.
KEYS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("kindergarten", "school", "teacher", "vocational", "safety"), CODE),
    "class": ("institution_code", "stage", "grade", "class_name"),
    "population": ("age",),
    "finance": ("stage",),
    "milestone": ("item",),
    **dict.fromkeys(("salary", "special_group"), ()),
}
KEYED = [name for name, key in KEYS.items() if key]
ONE_ROW = [name for name, key in KEYS.items() if not key]


def regression(*values: Any, reason: str) -> Any:
    """A case that was once wrong; ``reason`` says how."""
    assert reason
    return pytest.param(*values)


def sole_error(outcome: Outcome, form: str, number: str) -> dict[str, Any]:
    """The one error of a returned submission, which must be of this rule."""
    error: dict[str, Any] = outcome.error
    assert error["rule_id"] == f"{FORMS[form].code}-{number}"
    assert outcome.rules == [error["rule_id"]]
    assert not outcome.only["accepted"]
    assert outcome.only["rows_loaded"] == 0
    assert outcome.values(form).is_empty()
    return error


# --- accepted --------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["xlsx", "utf-8-sig", "gb18030", "tsv"])
@every_form
def test_a_valid_submission_is_loaded_as_it_was_meant(
    name: str, encoding: str, paper: MakePaper, hand_in: HandIn, city: dict[str, pl.DataFrame]
) -> None:
    sheet = paper(name, 12)
    if encoding == "xlsx":
        outcome = hand_in(sheet, "义县/表.xlsx")
    elif encoding == "tsv":
        outcome = hand_in(sheet.csv("utf-8", "\t"), "义县/表.tsv")
    else:
        outcome = hand_in(sheet.csv(encoding), "义县/表.csv")
    rows = city[name].head(12)
    assert outcome.findings == []
    assert outcome.values(name).equals(rows)
    assert outcome.values(name).schema == FORMS[name].schema
    only = outcome.only
    assert (only["form"], only["year"], only["region_code"]) == (name, 2020, "210727")
    assert only["accepted"]
    assert (only["rows_read"], only["rows_loaded"]) == (rows.height + 2, rows.height)
    assert (only["rows_returned"], only["rows_ignored"]) == (0, 2)


def test_loaded_rows_know_where_they_came_from(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("class", 3)
    sheet.above.append([])
    sheet.rows.insert(1, [])
    outcome = hand_in(sheet)
    where = outcome.loaded("class").select("submission_id", "region_code", "year", "sheet", "row")
    own = outcome.only["submission_id"]
    assert where.rows() == [(own, "210727", 2020, "班级学生数表", row) for row in (4, 6, 7)]


# --- every column of every form --------------------------------------------------------------

COLUMNS = [(name, column.name) for name, form in FORMS.items() for column in form.columns]
REQUIRED = [(name, column) for name, column in COLUMNS if FORMS[name].by_name[column].required]
TYPED = [
    (name, column)
    for name, column in COLUMNS
    if FORMS[name].by_name[column].kind not in (Kind.TEXT, Kind.CHOICE)
]
CHOICES = [
    (name, column) for name, column in COLUMNS if FORMS[name].by_name[column].kind is Kind.CHOICE
]
NEGATIVE = [
    (name, column)
    for name, column in COLUMNS
    if FORMS[name].by_name[column].kind in (Kind.INT, Kind.NUMBER)
]


def spoilt(
    cases: list[tuple[str, str]], text: Any, paper: MakePaper, hand_in_all: HandInAll
) -> dict[tuple[str, str], tuple[Any, int, Any]]:
    """For each column the sheet, the row and the outcome of one cell that reads ``text``."""
    sheets = {}
    for name, column in cases:
        sheet = paper(name, 4)
        if name == "finance":
            sheet = paper(name)
        row = min(1, len(sheet.rows) - 1)
        sheets[name, column] = (sheet.put(row, column, text), row)
    outcomes = hand_in_all({case: sheet for case, (sheet, _) in sheets.items()})
    return {case: (*sheets[case], outcomes[case]) for case in cases}


@pytest.fixture(scope="module")
def blank_cells(paper: MakePaper, hand_in_all: HandInAll) -> Any:
    return spoilt(REQUIRED, None, paper, hand_in_all)


@pytest.mark.parametrize(("name", "column"), REQUIRED)
def test_a_value_that_must_be_given_is_missed_in_its_cell(
    name: str, column: str, blank_cells: Any
) -> None:
    sheet, row, outcome = blank_cells[name, column]
    error = sole_error(outcome, name, "E02")
    assert (error["cell"], error["row"]) == (sheet.place(row, column), sheet.line(row))
    assert (error["column_name"], error["cells"]) == (column, 1)


@pytest.fixture(scope="module")
def unreadable_cells(paper: MakePaper, hand_in_all: HandInAll) -> Any:
    return spoilt(TYPED, "待核实", paper, hand_in_all)


@pytest.mark.parametrize(("name", "column"), TYPED)
def test_a_value_not_of_its_type_is_found_in_its_cell(
    name: str, column: str, unreadable_cells: Any
) -> None:
    sheet, row, outcome = unreadable_cells[name, column]
    error = sole_error(outcome, name, "E03")
    assert (error["cell"], error["row"]) == (sheet.place(row, column), sheet.line(row))
    assert (error["sheet"], error["value"]) == (FORMS[name].zh, "待核实")
    assert error["cells"] == 1


@pytest.fixture(scope="module")
def cells_out_of_domain(paper: MakePaper, hand_in_all: HandInAll) -> Any:
    return spoilt(CHOICES, "其他", paper, hand_in_all) | spoilt(NEGATIVE, "-1", paper, hand_in_all)


@pytest.mark.parametrize(("name", "column"), CHOICES + NEGATIVE)
def test_a_value_outside_its_domain_is_found_in_its_cell(
    name: str, column: str, cells_out_of_domain: Any
) -> None:
    sheet, row, outcome = cells_out_of_domain[name, column]
    error = sole_error(outcome, name, "E04")
    assert error["cell"] == sheet.place(row, column)
    assert error["value"] == ("其他" if (name, column) in CHOICES else "-1")
    for word in FORMS[name].by_name[column].choices:
        assert word in error["message_zh"]


@pytest.mark.parametrize(
    ("column", "allowed", "refused"),
    [
        (("population", "age"), [0, 18], [19, 181]),
        (("class", "grade"), [1, 12], [0, 13]),
        (("class", "students"), [1, 150], [0, 151, 450]),
    ],
)
def test_bounds_belong_to_what_is_allowed(
    column: tuple[str, str],
    allowed: list[int],
    refused: list[int],
    paper: MakePaper,
    hand_in: HandIn,
) -> None:
    name, of = column
    for figure in allowed:
        assert hand_in(paper(name, 1).put(0, of, figure)).findings == []
    for figure in refused:
        sheet = paper(name, 1).put(0, of, figure)
        assert hand_in(sheet).error["cell"] == sheet.place(0, of)


# --- keys ------------------------------------------------------------------------------------


def test_every_form_has_the_key_of_the_contract() -> None:
    assert {name: form.key for name, form in FORMS.items()} == KEYS


@pytest.mark.parametrize("name", KEYED)
def test_the_same_key_twice_is_one_error_at_the_repetition(
    name: str, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper(name, 3)
    for column in KEYS[name]:
        sheet.put(2, column, sheet.at(0, column))
    if name == "finance":  # 合计, 学前, 学前: the sum must still be right
        sheet.put(2, "stage", "学前")
        for row, amount in enumerate((50, 20, 30)):
            sheet.put(row, "budget_expenditure", amount)
    outcome = hand_in(sheet)
    error = sole_error(outcome, name, "E05")
    assert error["cell"] == sheet.place(2, KEYS[name][0])
    assert error["row"] == sheet.line(2)
    assert error["cells"] == 2 * len(KEYS[name])
    first = sheet.place(1 if name == "finance" else 0, KEYS[name][0])
    assert f"{first}、{error['cell']}" in error["message_zh"]
    assert str(sheet.at(2, KEYS[name][0])) in error["message_zh"]


@pytest.mark.parametrize("name", KEYED)
def test_three_rows_of_one_key_are_one_finding(
    name: str, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper(name, 4)
    for row in (1, 2):
        for column in KEYS[name]:
            sheet.put(row, column, sheet.at(3, column))
    if name == "finance":
        for row, amount in enumerate((60, 10, 20, 30)):
            sheet.put(row, "budget_expenditure", amount)
    error = sole_error(hand_in(sheet), name, "E05")
    assert error["cells"] == 3 * len(KEYS[name])


@pytest.mark.parametrize(
    ("column", "other"),
    [("stage", "初中"), ("grade", 9), ("class_name", "99班"), ("institution_code", "2199999999")],
)
def test_a_class_is_another_one_if_any_part_of_its_key_differs(
    column: str, other: Any, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("class", 1)
    sheet.rows.append(list(sheet.rows[0]))
    assert hand_in(sheet.put(1, column, other)).findings == []


def test_the_same_key_is_seen_through_different_spellings(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("class", 1).put(0, "grade", 3).put(0, "class_name", "1班")
    sheet.rows.append(list(sheet.rows[0]))
    sheet.put(1, "grade", "三年级").put(1, "class_name", " １ 班")
    sole_error(hand_in(sheet), "class", "E05")


def test_the_same_key_on_two_sheets_is_an_error(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    one, two = paper("school", 2), paper("school", 1)
    one.name, two.name = "城区", "农村"
    error = sole_error(hand_in(workbook(one, two)), "school", "E05")
    assert (error["sheet"], error["cell"]) == ("农村", "A3")


def test_a_key_on_two_sheets_counts_and_names_both_its_cells(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    one, two = paper("school", 2), paper("school", 1)
    one.name, two.name = "城区", "农村"
    error = sole_error(hand_in(workbook(one, two)), "school", "E05")
    assert error["cells"] == 2
    assert "城区" in error["message_zh"]


def test_a_row_of_finance_copied_twice_is_one_cause(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("finance")
    sheet.rows.append(list(sheet.rows[-1]))
    sole_error(hand_in(sheet), "finance", "E05")


@pytest.mark.parametrize("name", ONE_ROW)
def test_a_form_of_one_row_takes_no_second(name: str, paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper(name)
    sheet.rows.append(list(sheet.rows[0]))
    error = sole_error(hand_in(sheet), name, "E06")
    assert error["row"] == sheet.line(1)
    assert error["cell"] == "A4"


@pytest.mark.parametrize("name", ONE_ROW)
def test_a_form_of_one_row_takes_no_second_on_another_sheet(
    name: str, paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    one, two = paper(name), paper(name)
    one.name, two.name = "一", "二"
    error = sole_error(hand_in(workbook(one, two)), name, "E06")
    assert (error["sheet"], error["row"]) == ("二", 3)


# --- parts and wholes ------------------------------------------------------------------------

PARTS = [
    ("KG-E12", "kindergarten", "children_aged_3_5", "children_enrolled"),
    ("TCH-E10", "teacher", "rotated", "eligible_rotation"),
    ("TCH-E11", "teacher", "trained_outside", "full_time_teachers"),
    ("TCH-E12", "teacher", "dual_qualified", "professional_teachers"),
    ("TCH-E13", "teacher", "heads_rotated", "heads_eligible"),
    ("TCH-E14", "teacher", "backbone_rotated_weak", "backbone_rotated"),
    ("SPG-E10", "special_group", "disabled_enrolled", "disabled_school_age"),
    ("SPG-E11", "special_group", "migrant_in_public", "migrant_children"),
    ("SPG-E12", "special_group", "left_behind_cared", "left_behind"),
    ("SPG-E13", "special_group", "aid_received", "aid_eligible"),
    ("SAL-E10", "salary", "subsidy_paid", "subsidy_due"),
    ("SAL-E11", "salary", "allowance_paid", "head_teachers"),
    ("SAF-E10", "safety", "hazards_fixed", "hazards_found"),
    ("SAF-E11", "safety", "bullying_handled", "bullying_reported"),
    ("VOC-E10", "vocational", "programmes_matched", "programmes"),
]


@pytest.mark.parametrize(("rule", "name", "part", "whole"), PARTS)
def test_a_part_may_equal_its_whole_and_not_exceed_it(
    rule: str, name: str, part: str, whole: str, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper(name, 3)
    row = len(sheet.rows) - 1
    assert hand_in(sheet.put(row, whole, 12).put(row, part, 12)).findings == []
    outcome = hand_in(sheet.put(row, part, 13))
    error = outcome.error
    assert not outcome.only["accepted"]
    assert error["rule_id"] == rule
    assert error["cell"] == sheet.place(row, part)
    assert error["places"] == [sheet.place(row, part), sheet.place(row, whole)]
    assert error["cells"] == 2
    assert error["value"] == "13"
    for word in ("13", "12", FORMS[name].by_name[part].header, FORMS[name].by_name[whole].header):
        assert word in error["message_zh"]


def test_boarders_are_a_part_of_all_pupils(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("school", 2)
    counts = {"primary_students": 10, "junior_students": 20, "senior_students": 30}
    for column, count in counts.items():
        sheet.put(1, column, count)
    sheet.put(1, "vocational_students", 40).put(1, "boarders", 100)
    assert hand_in(sheet).findings == []
    error = hand_in(sheet.put(1, "boarders", 101)).error
    assert error["rule_id"] == "SCH-E10"
    assert error["cell"] == sheet.place(1, "boarders")
    assert error["cells"] == 5


def test_a_part_that_is_not_given_is_not_too_large(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("kindergarten", 1).put(0, "children_enrolled", 0)
    assert hand_in(sheet.put(0, "children_aged_3_5", None)).findings == []


# --- kindergartens and classes ---------------------------------------------------------------


def test_a_public_kindergarten_is_inclusive(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("kindergarten", 2).put(1, "ownership", "民办").put(1, "inclusive", "否")
    assert hand_in(sheet).findings == []
    error = sole_error(hand_in(sheet.put(1, "ownership", "公办")), "kindergarten", "E11")
    assert error["cell"] == sheet.place(1, "inclusive")
    assert sorted(error["places"]) == sorted(
        [sheet.place(1, "inclusive"), sheet.place(1, "ownership")]
    )
    assert error["cells"] == 2


def test_only_unlicensed_kindergartens_may_have_no_code(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("kindergarten", 4)
    for row in (1, 2):
        sheet.put(row, "institution_code", "无").put(row, "licensed", "否")
    outcome = hand_in(sheet)
    assert outcome.findings == []
    assert outcome.column("kindergarten", "institution_code")[1:3] == [None, None]
    error = sole_error(hand_in(sheet.put(2, "licensed", "是")), "kindergarten", "E10")
    assert error["cell"] == sheet.place(2, "institution_code")
    assert error["cells"] == 2


@pytest.mark.parametrize("students", [0, 151])
def test_a_class_has_one_to_a_hundred_and_fifty_pupils(
    students: int, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("class", 3).put(1, "students", students)
    error = sole_error(hand_in(sheet), "class", "E10")
    assert error["cell"] == sheet.place(1, "students")
    assert error["value"] == str(students)


# --- finance ---------------------------------------------------------------------------------


def finance(paper: MakePaper, **amounts: Any) -> Any:
    """A finance table with these amounts; a level that is None has no row."""
    sheet = paper("finance")
    for row in range(len(sheet.rows)):
        sheet.put(row, "budget_expenditure", amounts[str(sheet.at(row, "stage"))])
    place = sheet.columns.index("budget_expenditure")
    sheet.rows = [row for row in sheet.rows if row[place] is not None]
    return sheet


LEVELS: dict[str, Any] = {
    "学前": "100.10",
    "小学": "200.20",
    "初中": "300.30",
    "高中": "400.40",
    "中职": "500.50",
}


@pytest.mark.parametrize("total", ["1501.50", "1501.51", "1501.49", "1,501.5", "1501.500001"])
def test_the_total_of_finance_may_be_off_by_one_hundredth(
    total: str, paper: MakePaper, hand_in: HandIn
) -> None:
    assert hand_in(finance(paper, 合计=total, **LEVELS)).findings == []


@pytest.mark.parametrize("total", ["1501.52", "1501.48", "1501.510001", "1501.489999", "0", "3003"])
def test_a_total_of_finance_that_is_off_by_more_is_an_error_in_its_cell(
    total: str, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = finance(paper, 合计=total, **LEVELS)
    error = sole_error(hand_in(sheet), "finance", "E10")
    assert error["cell"] == sheet.place(0, "budget_expenditure")
    assert error["row"] == sheet.line(0)
    assert "1501.5" in error["message_zh"]
    assert Decimal(error["value"]) == Decimal(total)


@pytest.mark.parametrize("path", ["义县/经费.xlsx", "义县/经费.csv"])
def test_the_sum_of_finance_is_exact_in_yuan_too(
    path: str, paper: MakePaper, hand_in: HandIn
) -> None:
    """0.01 万元 are 100 yuan: 100 off is allowed, 101 is not."""
    yuan = {level: str(int(Decimal(amount) * 10_000)) for level, amount in LEVELS.items()}
    total = sum(int(amount) for amount in yuan.values())
    for off, rules in ((100, []), (101, ["FIN-E10"])):
        sheet = finance(paper, 合计=str(total + off), **yuan)
        sheet.head("budget_expenditure", "一般公共预算教育支出(元)")
        assert hand_in(sheet, path).rules == rules


def test_levels_that_are_missing_count_nothing(paper: MakePaper, hand_in: HandIn) -> None:
    few = {**dict.fromkeys(LEVELS), "小学": "200.20", "初中": "300.30"}
    outcome = hand_in(finance(paper, 合计="500.50", **few))
    assert outcome.findings == []
    assert outcome.only["rows_loaded"] == 3


def test_a_total_alone_is_not_the_sum_of_nothing(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = finance(paper, 合计="500.50", **dict.fromkeys(LEVELS))
    sole_error(hand_in(sheet), "finance", "E10")
    assert hand_in(finance(paper, 合计="0", **dict.fromkeys(LEVELS))).findings == []


def test_finance_without_its_total_is_one_error(paper: MakePaper, hand_in: HandIn) -> None:
    error = sole_error(hand_in(finance(paper, 合计=None, **LEVELS)), "finance", "E11")
    assert (error["sheet"], error["cell"], error["cells"]) == ("教育经费表", None, 1)
    assert "没有“合计”行" in error["message_zh"]


def test_the_total_may_stand_anywhere(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = finance(paper, 合计="1501.52", **LEVELS)
    sheet.rows = [*sheet.rows[1:4], sheet.rows[0], *sheet.rows[4:]]
    assert hand_in(sheet).error["cell"] == sheet.place(3, "budget_expenditure")


# --- one cause is one finding ----------------------------------------------------------------


def many(paper: MakePaper, name: str, rows: int) -> Any:
    """A valid submission of so many rows."""
    sheet = paper(name, rows)
    assert len(sheet.rows) == rows
    return sheet


def test_the_same_unknown_value_three_hundred_times_is_one_finding(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = many(paper, "class", 1000)
    for row in range(0, 900, 3):
        sheet.put(row, "stage", "大学")
    error = sole_error(hand_in(sheet), "class", "E04")
    assert error["cells"] == 300
    assert error["cell"] == sheet.place(0, "stage")
    assert error["places"] == [sheet.place(row, "stage") for row in range(0, 900, 3)]
    assert "300" in error["message_zh"]


def test_cells_counts_all_cells_of_a_cause_however_many(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = many(paper, "class", 1200)
    sheet.fill("stage", ["大学"] * 1200)
    assert sole_error(hand_in(sheet), "class", "E04")["cells"] == 1200


def test_two_unknown_values_are_two_findings(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = many(paper, "class", 40)
    for row, text in ((3, "大学"), (7, "幼儿园"), (9, "大学")):
        sheet.put(row, "stage", text)
    found = {(e["value"], e["cell"], e["cells"]) for e in hand_in(sheet).errors}
    assert found == {
        ("大学", sheet.place(3, "stage"), 2),
        ("幼儿园", sheet.place(7, "stage"), 1),
    }


def test_a_column_that_is_bad_throughout_is_one_finding(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = many(paper, "class", 60)
    sheet.fill("students", [f"约{30 + row}" for row in range(60)])
    error = sole_error(hand_in(sheet), "class", "E03")
    assert error["cells"] == 60
    assert len(error["places"]) == 60
    assert error["value"] == "约30"
    assert "60个单元格不合要求, 又如“约31”“约32”" in error["problem_zh"]


def test_a_column_of_which_nearly_all_is_bad_is_one_finding_whatever_stands_there(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = many(paper, "class", 60)
    sheet.fill("stage", ["小学", *["大学", "幼儿园"] * 29, "大学"])
    error = sole_error(hand_in(sheet), "class", "E04")
    assert (error["cells"], error["value"]) == (59, "大学")
    assert "又如“幼儿园”" in error["problem_zh"]


def test_a_column_that_is_blank_throughout_is_one_finding(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = many(paper, "class", 60)
    sheet.fill("students", [None, "-", "—", "/", "无", ""] * 10)
    assert sole_error(hand_in(sheet), "class", "E02")["cells"] == 60


def test_a_part_and_its_whole_swapped_throughout_are_one_finding(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = many(paper, "safety", 60)
    sheet.fill("hazards_found", list(range(60))).fill("hazards_fixed", list(range(1, 61)))
    error = sole_error(hand_in(sheet), "safety", "E10")
    assert error["cells"] == 120


def test_two_schools_with_the_same_part_and_different_wholes_are_two_findings(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("teacher", 6)
    for row, whole in ((1, 12), (4, 11)):
        sheet.put(row, "rotated", 13).put(row, "eligible_rotation", whole)
    found = {entry["cell"]: entry["message_zh"] for entry in hand_in(sheet).errors}
    assert found.keys() == {sheet.place(1, "rotated"), sheet.place(4, "rotated")}
    assert "(11)" in found[sheet.place(4, "rotated")]


def shifted(sheet: Any, first: int) -> Any:
    """Every row moved one cell to the right from column ``first`` (from 0) on."""
    sheet.rows = [[*row[:first], None, *row[first:-1]] for row in sheet.rows]
    return sheet


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("kindergarten", 3),
        regression(
            "school", 3, reason="columns that are bad in few rows are reported beside the shift"
        ),
        regression("class", 2, reason="two unreadable columns and a blank one are three findings"),
    ],
)
def test_shifted_columns_are_one_finding(
    name: str, first: int, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = shifted(many(paper, name, 40), first)
    error = sole_error(hand_in(sheet), name, "E31")
    assert error["cells"] > 40
    assert error["row"] == sheet.line(0)
    assert error["column_name"] == sheet.columns[first]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("kindergarten", 0),
        ("school", 12),
        ("class", 0),
        ("teacher", 0),
        ("teacher", 1),
        ("safety", 0),
        ("vocational", 4),
        ("special_group", 0),
        ("salary", 2),
    ],
)
def test_a_cell_put_in_anywhere_is_one_finding_from_there_on(
    name: str, first: int, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper(name, 40)
    sheet.rows = [[*row[:first], None, *row[first:]] for row in sheet.rows]
    error = sole_error(hand_in(sheet), name, "E31")
    columns = len(sheet.columns) - first
    assert (error["cell"], error["column_name"]) == (
        sheet.place(0, sheet.columns[first]),
        sheet.columns[first],
    )
    assert error["value"] == str(columns)
    assert error["cells"] == columns * len(sheet.rows)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("kindergarten", 0),
        ("school", 12),
        ("class", 4),
        ("population", 0),
        ("finance", 0),
        ("teacher", 2),
        ("milestone", 0),
        ("vocational", 1),
        ("special_group", 4),
    ],
)
def test_a_cell_left_out_anywhere_is_one_finding(
    name: str, first: int, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper(name, 40)
    if name == "teacher":
        # A last column that may be blank tells nothing: the form as it was without those.
        for column in (c.name for c in FORMS[name].columns if not c.required):
            sheet.drop(column)
    sheet.rows = [[*row[:first], *row[first + 1 :], None] for row in sheet.rows]
    error = sole_error(hand_in(sheet), name, "E31")
    # What moved under a header of its own kind cannot be told from what stands there.
    assert sheet.columns.index(error["column_name"]) <= first
    assert error["cells"] >= len(sheet.rows) * (len(sheet.columns) - first)


@pytest.mark.parametrize("name", ["class", "teacher", "special_group"])
def test_a_blank_column_is_no_shift_because_of_another_fault(
    name: str, paper: MakePaper, hand_in: HandIn
) -> None:
    last = FORMS[name].required[-1].name
    sheet = paper(name, 40)
    sheet.fill(last, [None] * len(sheet.rows))
    assert hand_in(sheet).rules == [f"{FORMS[name].code}-E02"]
    first = next(c.name for c in FORMS[name].columns if c.kind is Kind.INT)
    outcome = hand_in(sheet.put(0, first, "约50"))
    assert outcome.rules == [f"{FORMS[name].code}-E02", f"{FORMS[name].code}-E03"]


def test_a_few_bad_cells_are_named_each_though_they_fill_their_columns(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("school", 2)
    bad = {"arrival_time": "25:10", "class_start_time": "8点多", "boarders": "十几人"}
    for column, text in bad.items():
        sheet.fill(column, [text] * 2)
    found = {(e["cell"], e["value"], e["cells"]) for e in hand_in(sheet).errors}
    assert found == {(sheet.place(0, column), text, 2) for column, text in bad.items()}


def test_a_shift_is_marked_where_it_begins(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = shifted(many(paper, "kindergarten", 40), 3)
    assert hand_in(sheet).error["cell"] == sheet.place(0, "urban_rural")


def test_an_unreadable_year_is_no_repeated_key_as_well(paper: MakePaper, hand_in: HandIn) -> None:
    """Two years on one sheet have the same ages; one year cannot be read."""
    sheet = paper("population", 6, title="学龄人口表").fill("age", [0, 1, 2] * 2)
    sheet.insert(0, "年份", [2019, 2019, 2019, 2020, "去年", 2020])
    assert set(hand_in(sheet).rules) == {"POP-E30"}


# --- row accounting --------------------------------------------------------------------------


def messy(paper: MakePaper, *, bad: bool) -> Any:
    """One sheet with something of everything; 25 rows, 6 of them data."""
    sheet = paper("class")
    sheet.above = [[], ["义县2020年班级学生数表"], [], ["单位：人"]]
    sheet.header.append(["甲", "乙", 1, 2, 3, 4])
    sheet.rows[2:2] = [["小计", None, None, None, None, 99], []]
    sheet.rows[5:5] = [[], []]
    sheet.below = [
        ["合计", None, None, None, None, 200],
        [],
        ["注：含教学点。"],
        [],
        [],
        ["填表人：教育股", None, "审核人：办公室", None, "填报日期：2020-10-15"],
        [None, None, "总计"],
        [" "],
        ["审核人：办公室"],
    ]
    if bad:
        sheet.put(0, "students", "五十二")
    return sheet


@pytest.mark.parametrize("path", ["义县/表.xlsx", "义县/表.csv"])
@pytest.mark.parametrize("bad", [False, True])
def test_every_row_read_is_accounted_for(
    bad: bool, path: str, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = messy(paper, bad=bad)
    outcome = hand_in(sheet, path)
    only = outcome.only
    assert only["rows_read"] == len(sheet.grid) == 25
    assert (only["rows_loaded"], only["rows_returned"]) == ((0, 6) if bad else (6, 0))
    assert only["rows_ignored"] == 19
    (counted,) = outcome.sheets
    assert {key: counted[key] for key in ("titles", "totals", "notes", "blanks")} == {
        "titles": 6,
        "totals": 3,
        "notes": 3,
        "blanks": 7,
    }
    assert counted["sheet"] == ("班级学生数表" if path.endswith("xlsx") else "")
    for key in ("rows_read", "rows_loaded", "rows_returned"):
        assert counted[key] == only[key]


def test_several_sheets_of_a_form_are_one_submission_and_counted_each(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn, city: dict[str, pl.DataFrame]
) -> None:
    one, two = paper("class", 10), paper("class", 10)
    one.name, one.rows = "小学", one.rows[:4]
    two.name, two.rows, two.below = "初中", two.rows[4:], [["填表人：教育股"]]
    outcome = hand_in(workbook(one, two))
    assert outcome.findings == []
    assert outcome.only["rows_loaded"] == 10
    assert outcome.only["rows_read"] == 10 + 2 + 2 + 1
    assert {entry["sheet"]: entry["rows_loaded"] for entry in outcome.sheets} == {
        "小学": 4,
        "初中": 6,
    }
    assert outcome.values("class").equals(city["class"].head(10))


def test_an_error_on_one_sheet_returns_the_other_too(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    one, two = paper("class", 4), paper("class", 8)
    one.name, two.name, two.rows = "小学", "初中", two.rows[4:]
    outcome = hand_in(workbook(one, two.put(0, "students", 0)))
    error = sole_error(outcome, "class", "E10")
    assert error["sheet"] == "初中"
    assert outcome.only["rows_returned"] == 8
    assert [entry["rows_returned"] for entry in outcome.sheets] == [4, 4]


def test_several_forms_in_a_workbook_are_accepted_and_returned_apart(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    names = list(FORMS)
    sheets = [paper(name) for name in names]
    sheets[names.index("class")].put(0, "students", 0)
    outcome = hand_in(workbook(*sheets))
    accepted = {entry["form"]: entry["accepted"] for entry in outcome.submissions}
    assert accepted == {name: name != "class" for name in names}
    assert outcome.rules == ["CLS-E10"]


def test_submissions_add_up_over_all_forms_years_and_sheets(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    sheets = [messy(paper, bad=True), paper("school"), paper("teacher").put(0, "rotated", "?")]
    sheets.append(paper("safety").insert(0, "年份", [2018, 2019, 2019, 2020, 2020, 2020]))
    outcome = hand_in(workbook(*sheets))
    assert len(outcome.submissions) == 3 + 3
    for entry in outcome.submissions:
        assert entry["rows_read"] == (
            entry["rows_loaded"] + entry["rows_returned"] + entry["rows_ignored"]
        )
    read = sum(entry["rows_read"] for entry in outcome.submissions)
    assert read == sum(len(sheet.grid) for sheet in sheets)
    by_sheet = [(entry["submission_id"], entry["rows_read"]) for entry in outcome.sheets]
    for entry in outcome.submissions:
        own = [rows for submission, rows in by_sheet if submission == entry["submission_id"]]
        assert sum(own) == entry["rows_read"]


def test_the_rows_of_an_empty_form_are_accounted_for_too(paper: MakePaper, hand_in: HandIn) -> None:
    only = hand_in(paper("class", 0)).only
    assert (only["rows_read"], only["rows_ignored"]) == (2, 2)


# --- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b"", "义县/2020/班级.xlsx"),
        (b"", "义县/2020/班级.csv"),
        (b"PK\x03\x04 cut short", "义县/2020/班级.xlsx"),
        (b"%PDF-1.7", "义县/2020/班级.xls"),
        (b"\xff\x00\xfe\x01\x80", "义县/2020/班级.csv"),
    ],
)
def test_a_file_that_cannot_be_opened_is_returned_with_form_and_year_unknown(
    data: bytes, path: str, hand_in: HandIn
) -> None:
    outcome = hand_in(data, path)
    only = outcome.only
    assert not only["accepted"]
    assert (only["region_code"], only["form"], only["year"]) == ("210727", None, None)
    assert only["rows_read"] == 0
    error = outcome.error
    assert error["rule_id"] == "FIL-E01"
    assert error["sheet"] is error["cell"] is error["form"] is error["year"] is None
    assert error["value"] is None


def test_what_to_do_about_an_unreadable_file_goes_by_what_is_wrong_with_it(hand_in: HandIn) -> None:
    data = bytearray(zipped({"2020.csv": b"1"}))
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1  # what says that an entry has a password
    error = hand_in(bytes(data), "义县/全部.zip").error
    assert error["message_zh"] == "文件无法读取: 文件设有打开密码。请取消密码后重新上报。"
    assert error["remedy_zh"] == "请取消密码后重新上报。"


def test_a_file_without_any_form_is_returned(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("class", 0)
    sheet.header = [["会议通知"], ["时间", "十月八日"]]
    outcome = hand_in(sheet)
    assert not outcome.only["accepted"]
    assert outcome.only["form"] is None
    assert outcome.rules == ["FIL-E04"]


def test_a_sheet_that_only_resembles_a_form_is_returned(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("school", 3)
    for column in sheet.columns[2:]:
        sheet.drop(column)
    outcome = hand_in(sheet)
    assert not outcome.only["accepted"]
    assert outcome.only["form"] is None
    assert outcome.rules == ["FIL-E05"]
    assert outcome.error["sheet"] == "中小学校基本情况表"


def test_an_unknown_unit_folder_is_returned_with_all_else_filled_in(
    paper: MakePaper, hand_in: HandIn
) -> None:
    outcome = hand_in(paper("class"), "义县教育/2020/班级.xlsx", None)
    only = outcome.only
    assert not only["accepted"]
    assert (only["region_code"], only["form"], only["year"]) == (None, "class", 2020)
    assert only["rows_returned"] == 6
    error = outcome.error
    assert error["rule_id"] == "FIL-E03"
    assert (error["region_code"], error["form"], error["year"]) == (None, "class", 2020)
    assert "义县教育" in error["message_zh"]


def test_a_file_in_no_folder_is_returned_with_all_else_filled_in(
    paper: MakePaper, hand_in: HandIn
) -> None:
    outcome = hand_in(paper("class"), "班级2020年.xlsx", None)
    only = outcome.only
    assert (only["region_code"], only["form"], only["year"]) == (None, "class", 2020)
    assert only["rows_returned"] == 6
    assert (outcome.error["rule_id"], outcome.error["value"]) == ("FIL-E06", None)
    assert "文件不在任何填报单位的文件夹中" in outcome.error["message_zh"]


def unit_named(words: str) -> str | None:
    """The region code of the unit that is spoken of."""
    units = {"凌河区": "210703", "义县": "210727"}
    return next((code for name, code in units.items() if name in words), None)


@pytest.mark.parametrize(
    ("above", "cell"),
    [
        (["填报单位：凌河区教育局（盖章）"], "A2"),
        (["填报单位：凌河区教育局  单位：人"], "A2"),
        ([None, "填报单位(盖章)", None, "凌河区教育局"], "D2"),
    ],
)
def test_an_office_of_another_unit_than_the_folder_is_told(
    paper: MakePaper, received: Receive, above: list[Any], cell: str
) -> None:
    sheet = paper("class")
    sheet.above.append(above)
    examined = examine(received(sheet), unit_named)
    (warning,) = with_messages(examined.findings).rows(named=True)
    assert (warning["rule_id"], warning["severity"]) == ("CLS-W04", "warning")
    assert (warning["cell"], warning["cells"]) == (cell, 1)
    for name in ("凌河区教育局", "义县"):
        assert name in warning["message_zh"]
        assert name in warning["message_en"]
    (submission,) = examined.submissions.rows(named=True)
    assert submission["accepted"]
    assert submission["region_code"] == "210727"


@pytest.mark.parametrize("office", ["义县教育局", "辽宁省教育厅", ""])
def test_an_office_that_is_the_unit_or_no_other_one_is_no_contradiction(
    paper: MakePaper, received: Receive, office: str
) -> None:
    sheet = paper("class")
    sheet.above.append([f"填报单位：{office}"])
    assert examine(received(sheet), unit_named).findings.is_empty()


def test_no_year_is_returned(paper: MakePaper, hand_in: HandIn) -> None:
    outcome = hand_in(paper("class", title="班级学生数表"))
    assert outcome.rules == ["FIL-E02"]
    assert not outcome.only["accepted"]


def zipped(entries: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_files_in_a_zip_are_named_by_both(
    paper: MakePaper, workbook: MakeBook, received: Receive
) -> None:
    data = zipped(
        {
            "城区/班级.xlsx": workbook(paper("class")),
            "学校.csv": paper("school").csv(),
            "坏.xlsx": b"",
            "~$班级.xlsx": b"lock",
            "说明.docx": b"PK",
        }
    )
    documents = received(data, "义县/2020/上报.zip")
    names = [document.file_name for document in documents]
    assert names == ["上报.zip/城区/班级.xlsx", "上报.zip/学校.csv", "上报.zip/坏.xlsx"]
    assert {document.sha256 for document in documents} == {hashlib.sha256(data).hexdigest()}
    submissions = examine(documents).submissions.sort("document")
    assert submissions["form"].to_list() == ["class", "school", None]
    assert submissions["accepted"].to_list() == [True, True, False]


def test_the_same_file_twice_in_a_zip_is_two_files(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    """Different entries of one zip are told apart by their names."""
    one = workbook(paper("class"))
    outcome = hand_in(zipped({"a.xlsx": one, "b.xlsx": one}))
    assert len({entry["submission_id"] for entry in outcome.submissions}) == 2


# --- the same bytes --------------------------------------------------------------------------


def ids(examined: Examined) -> list[str]:
    return sorted(examined.submissions["submission_id"])


def test_the_same_zip_twice_is_one_submission_of_each_file(
    paper: MakePaper, workbook: MakeBook, received: Receive
) -> None:
    data = zipped({"a.xlsx": workbook(paper("class")), "b.csv": paper("school").csv()})
    first = received(data, "义县/a.zip")
    assert ids(examine([*first, *received(data, "义县/b.zip")])) == ids(examine(first))


@pytest.mark.parametrize("again", ["义县/班级.xlsx", "义县/又一份/新名.xlsx", "210727/班级.xlsx"])
def test_the_same_bytes_twice_are_one_submission(
    again: str, paper: MakePaper, received: Receive
) -> None:
    first = received(paper("class"), "义县/班级.xlsx")
    both = examine([*first, *received(paper("class"), again)])
    assert ids(both) == ids(examine(first))
    assert both.submissions["rows_loaded"].to_list() == [6]
    assert both.rows["class"].height == 6


def test_the_same_unreadable_bytes_twice_are_one_submission(received: Receive) -> None:
    both = [*received(b"", "义县/a.xlsx"), *received(b"", "义县/2019/b.csv")]
    assert examine(both).submissions.height == 1


def test_the_same_bytes_under_two_units_are_one_submission_each(
    paper: MakePaper, received: Receive
) -> None:
    both = examine(
        [
            *received(paper("class"), "义县/班级.xlsx", "210727"),
            *received(paper("class"), "黑山县/班级.xlsx", "210726"),
            *received(paper("class"), "不明/班级.xlsx", None),
            *received(paper("class"), "另一个/班级.xlsx", None),
        ]
    )
    assert both.submissions["region_code"].to_list() == ["210727", "210726", None, None]
    assert len(set(ids(both))) == 4


def test_the_same_bytes_for_two_years_by_their_paths_are_one_submission_each(
    paper: MakePaper, received: Receive
) -> None:
    sheet = paper("class", title="班级学生数表")
    both = examine(
        [
            *received(sheet, "义县/2019/班级.xlsx"),
            *received(sheet, "义县/2020/班级.xlsx"),
            *received(sheet, "义县/2020/备份/班级.xlsx"),
        ]
    )
    assert both.submissions["year"].to_list() == [2019, 2020]
    assert len(set(ids(both))) == 2


def test_a_year_in_the_sheet_is_the_same_whatever_the_paths_say(
    paper: MakePaper, received: Receive
) -> None:
    first = received(paper("class"), "义县/2019/班级.xlsx")
    both = examine([*first, *received(paper("class"), "义县/2021/班级.xlsx")])
    assert both.submissions["year"].to_list() == [2020]
    assert both.rows["class"].height == 6


def test_two_files_of_one_form_and_year_are_two_submissions(
    paper: MakePaper, received: Receive
) -> None:
    """Which of them is in force is for the warehouse to say; the gate keeps both."""
    examined = examine([*received(paper("class", 5)), *received(paper("class", 6))])
    assert examined.submissions["accepted"].to_list() == [True, True]
    assert len(set(ids(examined))) == 2


def frames(examined: Examined) -> dict[str, list[Any]]:
    """All that came out, in an order of its own and without the numbers of documents."""
    out = {
        "submissions": examined.submissions.drop("document"),
        "findings": examined.findings,
        "sheets": examined.sheets,
        "layout": examined.layout,
        **examined.rows,
    }
    return {name: sorted(map(repr, frame.rows())) for name, frame in out.items() if frame.height}


def test_what_becomes_of_a_file_depends_on_nothing_else(
    paper: MakePaper, workbook: MakeBook, received: Receive
) -> None:
    """Whatever else is delivered, and in whatever order."""
    files = [
        received(messy(paper, bad=True), "义县/a.xlsx"),
        received(paper("class", 9), "义县/b.csv"),
        received(paper("class", 9), "黑山县/b.csv", "210726"),
        received(paper("school").put(0, "boarding", "?"), "义县/c.xlsx"),
        received(workbook(paper("school"), paper("salary")), "不明/d.xlsx", None),
        received(b"", "义县/e.xlsx"),
        received(paper("finance", title="无年份"), "义县/f.xlsx"),
        received(shifted(many(paper, "kindergarten", 30), 3), "义县/g.xlsx"),
    ]
    together = frames(examine([document for file in files for document in file]))
    assert frames(examine([document for file in files[::-1] for document in file])) == together
    apart: dict[str, list[Any]] = {}
    for file in files:
        for name, rows in frames(examine(file)).items():
            apart.setdefault(name, []).extend(rows)
    assert {name: sorted(rows) for name, rows in apart.items()} == together


def test_a_file_that_was_given_up_says_what_it_used_up() -> None:
    problem = Unreadable("too_costly", what="所用时间超过 9 秒", what_en="it takes too long")
    examined = examine(read_file(problem, "义县/a.xlsx", sha256="0" * 64, region_code="210727"))
    (error,) = with_messages(examined.findings).to_dicts()
    assert (error["rule_id"], error["form"], error["year"]) == ("FIL-E07", None, None)
    assert error["message_zh"] == f"文件没有读完: 所用时间超过 9 秒。{problem.remedy_zh}"
    assert error["message_en"] == (
        f"the file was not read to its end: it takes too long. {problem.remedy_en}"
    )


def test_nothing_in_gives_empty_frames_out() -> None:
    examined = examine([])
    assert examined.submissions.is_empty()
    assert examined.findings.schema == FINDING.schema
    assert read_file(b"", "义县/a.csv", sha256="0" * 64, region_code="210727") != []


# --- each error rule, alone ------------------------------------------------------------------

Broken = tuple[Any, str | None]  # a submission, and the cell of its one error
ANYWHERE = "anywhere"


def without_a_column(paper: MakePaper, name: str) -> Broken:
    return paper(name).drop(FORMS[name].required[-1].name), None


def with_a_blank(paper: MakePaper, name: str) -> Broken:
    sheet, column = paper(name), FORMS[name].required[-1].name
    last = len(sheet.rows) - 1
    return sheet.put(last, column, None), sheet.place(last, column)


def with_a_word(paper: MakePaper, name: str) -> Broken:
    sheet = paper(name)
    last = len(sheet.rows) - 1
    column = next(c for n, c in TYPED if n == name)
    return sheet.put(last, column, "待核实"), sheet.place(last, column)


def with_a_negative(paper: MakePaper, name: str) -> Broken:
    sheet = paper(name)
    last = len(sheet.rows) - 1
    column = next(c for n, c in NEGATIVE if n == name)
    return sheet.put(last, column, -1), sheet.place(last, column)


def with_a_repetition(paper: MakePaper, name: str) -> Broken:
    sheet = paper(name)
    for column in KEYS[name]:
        sheet.put(4, column, sheet.at(3, column))
    return sheet, sheet.place(4, KEYS[name][0])


def with_a_second_row(paper: MakePaper, name: str) -> Broken:
    sheet = paper(name)
    sheet.rows.append(list(sheet.rows[0]))
    return sheet, "A4"


def with_a_header_twice(paper: MakePaper, name: str) -> Broken:
    sheet, column = paper(name), FORMS[name].required[-1]
    cells = [sheet.at(row, column.name) for row in range(len(sheet.rows))]
    return sheet.insert(len(sheet.columns), column.header, cells), sheet.place(-1, column.name)


def without_rows(paper: MakePaper, name: str) -> Broken:
    return paper(name, 0), None


def with_a_strange_unit(paper: MakePaper, name: str) -> Broken:
    column = next(c for n, c in NEGATIVE if n == name)
    sheet = paper(name).head(column, f"{FORMS[name].by_name[column].header}(万人)")
    return sheet, sheet.place(-1, column)


def with_a_strange_year(paper: MakePaper, name: str) -> Broken:
    sheet = paper(name)
    if name in ONE_ROW:
        sheet.rows.append(list(sheet.rows[0]))
    last = len(sheet.rows) - 1
    return sheet.insert(0, "年份", [*[2020] * last, "去年"]), sheet.place(last, "年份")


def with_a_merged_figure(paper: MakePaper, name: str) -> Broken:
    sheet = paper(name)
    column = [c for n, c in NEGATIVE if n == name][-1]
    sheet.put(1, column, 1).put(2, column, None)
    if name == "finance":  # its sums are of another column
        sheet.put(0, column, 1)
    place = sheet.columns.index(column)
    sheet.merges.append((sheet.line(1) - 1, place, sheet.line(2) - 1, place))
    return sheet, sheet.place(1, column)


def with_wrong_columns(paper: MakePaper, name: str) -> Broken:
    sheet = paper(name)
    for column in (c for n, c in TYPED + CHOICES if n == name):
        sheet.fill(column, [f"第{row}中学" for row in range(len(sheet.rows))])
    return sheet, ANYWHERE


IN_EVERY_FORM = {
    "E01": without_a_column,
    "E02": with_a_blank,
    "E03": with_a_word,
    "E04": with_a_negative,
    "E05": with_a_repetition,
    "E06": with_a_second_row,
    "E07": with_a_header_twice,
    "E08": without_rows,
    "E09": with_a_strange_unit,
    "E30": with_a_strange_year,
    "E31": with_wrong_columns,
    "E32": with_a_merged_figure,
}
#: No key to repeat, no second row to forbid, too few columns or rows to tell a shift.
CANNOT_HAPPEN = {
    *(f"{FORMS[name].code}-E05" for name in ONE_ROW),
    *(f"{FORMS[name].code}-E06" for name in KEYED),
    *(f"{FORMS[name].code}-E31" for name in (*ONE_ROW, "population")),
    *(f"{FORMS[name].code}-E32" for name in ONE_ROW),
}
#: Rule: form, what is typed into the third row (or the only one), the cell that is marked.
OWN_RULES: dict[str, tuple[str, dict[str, Any], str]] = {
    **{rule: (name, {whole: 12, part: 13}, part) for rule, name, part, whole in PARTS},
    "KG-E10": (
        "kindergarten",
        {"institution_code": None, "licensed": "是"},
        "institution_code",
    ),
    "KG-E11": ("kindergarten", {"ownership": "公办", "inclusive": "否"}, "inclusive"),
    "SCH-E10": ("school", {"boarders": 9_999_999}, "boarders"),
    "CLS-E10": ("class", {"students": 151}, "students"),
}


def broken(rule: str, paper: MakePaper) -> Broken:
    """A submission that breaks ``rule`` and no other."""
    code, _, number = rule.partition("-")
    name = next(name for name, form in FORMS.items() if form.code == code)
    if number in IN_EVERY_FORM:
        return IN_EVERY_FORM[number](paper, name)
    if rule == "FIN-E11":
        return finance(paper, 合计=None, **LEVELS), ANYWHERE
    if rule == "FIN-E10":
        sheet = finance(paper, 合计="1501.52", **LEVELS)
        return sheet, sheet.place(0, "budget_expenditure")
    name, cells, column = OWN_RULES[rule]
    sheet = paper(name, 3)
    last = len(sheet.rows) - 1
    for place, cell in cells.items():
        sheet.put(last, place, cell)
    return sheet, sheet.place(last, column)


IN_A_FORM = [
    rule.id
    for rule in RULES.values()
    if rule.severity == "error" and not rule.id.startswith("FIL-") and rule.id not in CANNOT_HAPPEN
]
FAULTS = {
    f"{FORMS[name].code}-E30": "the row counts with the year of the other, and is a second row"
    for name in ONE_ROW
}


@pytest.fixture(scope="module")
def alone(paper: MakePaper, hand_in_all: HandInAll) -> Any:
    cases = {rule: broken(rule, paper) for rule in IN_A_FORM}
    outcomes = hand_in_all({rule: sheet for rule, (sheet, _) in cases.items()})
    return {rule: (outcomes[rule], cell) for rule, (_, cell) in cases.items()}


@pytest.mark.parametrize(
    "rule",
    [regression(rule, reason=FAULTS[rule]) if rule in FAULTS else rule for rule in IN_A_FORM],
)
def test_each_error_is_caught_by_its_own_rule_alone(rule: str, alone: Any) -> None:
    outcome, cell = alone[rule]
    code, _, number = rule.partition("-")
    name = next(name for name, form in FORMS.items() if form.code == code)
    error = sole_error(outcome, name, number)
    assert error["sheet"] == FORMS[name].zh
    assert cell == ANYWHERE or error["cell"] == cell
    assert not error["message_zh"].startswith(FORMS[name].zh)
    assert error["remedy_zh"] in error["message_zh"]


def test_no_rule_of_a_file_is_without_a_test() -> None:
    """Each of them has its own above: unreadable, undated, of no unit, in no folder, of no form, too costly."""
    of_files = {rule for rule in RULES if rule.startswith("FIL-E")}
    assert of_files == {f"FIL-E0{number}" for number in range(1, 9)}
    # These look at times and decisions, which no file knows: test_future_dates.py, test_office.py, test_not_open.py.
    assert {r for r in RULES if r.startswith("FIL-W")} == {f"FIL-W0{n}" for n in range(1, 6)}
