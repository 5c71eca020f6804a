"""Blank templates: what a clerk sees, what Excel lets in, and what the reader must not mistake."""

from __future__ import annotations

import io
import re
import unicodedata
from datetime import date, time
from pathlib import Path
from typing import Any, Protocol
from zipfile import ZipFile

import polars as pl
import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from tests.transforms.conftest import HandIn
from transforms.forms import FORMS, Column, Form, Kind
from transforms.workbooks.templates import (
    EXAMPLE_SHEET,
    EXPLANATION_ROW,
    FIRST_ROW,
    HEADER_ROW,
    OPTIONS_SHEET,
    UNIT_CELL,
    YEAR_CELL,
    write_template,
)

REGIONS = [("210701", "市直属"), ("210727", "义县"), ("210782", "北镇市")]
YEARS = [2018, 2019, 2020]

every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())


class Template(Protocol):
    """Write the template of a form and open it."""

    def __call__(self, form: Form, regions: Any = REGIONS, years: Any = YEARS) -> Workbook: ...


@pytest.fixture
def template(tmp_path: Path) -> Template:
    def template(form: Form, regions: Any = REGIONS, years: Any = YEARS) -> Workbook:
        out = tmp_path / f"{form.name}.xlsx"
        write_template(out, form, regions=regions, years=years)
        return load_workbook(out)

    return template


def rule_at(sheet: Worksheet, place: str) -> DataValidation | None:
    rules = [rule for rule in sheet.data_validations.dataValidation if place in rule.sqref]
    assert len(rules) <= 1, f"{place} is validated twice"
    return rules[0] if rules else None


def first_cell(form: Form, column: Column) -> str:
    return f"{get_column_letter(form.columns.index(column) + 1)}{FIRST_ROW}"


def normalised(text: str) -> str:
    """A header as it is compared (docs/contract.md, *Sheets*)."""
    text = "".join(unicodedata.normalize("NFKC", text).split())
    return re.sub(r"\([^()]*\)", "", text)


def texts_beside_the_table(workbook: Workbook) -> list[str]:
    """Every text of the workbook except the header row."""
    return [
        str(cell.value)
        for sheet in workbook.worksheets
        for row in sheet.iter_rows()
        for cell in row
        if cell.value is not None
        and not (sheet is workbook.worksheets[0] and cell.row == HEADER_ROW)
    ]


# --- what the reader sees --------------------------------------------------------------------


@every_form
def test_the_header_is_the_forms_own(template: Template, form: Form) -> None:
    workbook = template(form)
    sheet = workbook.worksheets[0]
    assert sheet.title == form.zh
    assert [sheet.cell(HEADER_ROW, i).value for i in range(1, len(form.columns) + 1)] == [
        column.titled for column in form.columns
    ]
    below = [cell.value for row in sheet.iter_rows(min_row=FIRST_ROW) for cell in row]
    assert below
    assert set(below) == {None}


@every_form
def test_nothing_else_reads_as_a_header(template: Template, form: Form) -> None:
    known = {"年份"} | {
        normalised(header)
        for any_form in FORMS.values()
        for column in any_form.columns
        for header in (column.header, *column.aliases)
    }
    shown = {normalised(text) for text in texts_beside_the_table(template(form))}
    assert not shown & known


def test_when_a_form_opens_and_is_due_stands_above_the_table(template: Template) -> None:
    for name, words in (
        ("school", "当年9月1日起报送, 当年10月31日截止"),
        ("finance", "次年1月1日起报送, 次年3月31日截止"),
    ):
        sheet = template(FORMS[name], years=[2019]).worksheets[0]
        above = [c.value for row in sheet.iter_rows(max_row=HEADER_ROW) for c in row if c.value]
        assert any(words in str(text) for text in above)


@every_form
def test_the_chosen_year_is_the_only_one_above_the_table(template: Template, form: Form) -> None:
    sheet = template(form, years=[2019]).worksheets[0]
    above = [c.value for row in sheet.iter_rows(max_row=HEADER_ROW) for c in row if c.value]
    assert [text for text in above if re.search(r"20\d\d", text)] == ["2019年"]
    assert sheet[YEAR_CELL].value == "2019年"


def test_the_unit_line_stands_only_where_all_money_is_in_its_unit(
    template: Template,
) -> None:
    with_line = {
        form.name
        for form in FORMS.values()
        if "单位：万元" in texts_beside_the_table(template(form))
    }
    assert with_line == {"finance", "salary"}


# --- what the clerk sees -----------------------------------------------------------------------


def test_year_and_unit_are_chosen_from_lists(template: Template) -> None:
    sheet = template(FORMS["school"]).worksheets[0]
    years, units = rule_at(sheet, YEAR_CELL), rule_at(sheet, UNIT_CELL)
    assert years is not None and years.formula1 == '"2018年,2019年,2020年"'
    assert units is not None and units.formula1 == '"市直属 210701,义县 210727,北镇市 210782"'
    assert sheet[YEAR_CELL].value == "请选择年份"
    assert sheet[UNIT_CELL].value == "请选择单位"


def test_a_long_list_of_units_stands_on_a_hidden_sheet(template: Template) -> None:
    regions = [(f"{code}", f"第{code}区") for code in range(100_000, 100_100)]
    workbook = template(FORMS["class"], regions=regions)
    rule = rule_at(workbook.worksheets[0], UNIT_CELL)
    assert rule is not None and rule.formula1 == f"{OPTIONS_SHEET}!$A$1:$A$100"
    options = workbook[OPTIONS_SHEET]
    assert [cell.value for cell in options["A"]] == [f"第{code}区 {code}" for code, _ in regions]
    assert options.sheet_state == "hidden"
    assert workbook.sheetnames == ["班级学生数表", EXAMPLE_SHEET, OPTIONS_SHEET]


@pytest.mark.parametrize("name", ["=1+1", "甲,乙", '甲"乙'])
def test_a_units_name_is_never_a_formula(template: Template, name: str) -> None:
    workbook = template(FORMS["population"], regions=[("1", name), ("2", "乙")])
    rule = rule_at(workbook.worksheets[0], UNIT_CELL)
    assert rule is not None and rule.formula1 == f"{OPTIONS_SHEET}!$A$1:$A$2"
    cell = workbook[OPTIONS_SHEET]["A1"]
    assert (cell.value, cell.data_type) == (f"{name} 1", "s")


@every_form
def test_every_column_is_explained_above_its_header(template: Template, form: Form) -> None:
    sheet = template(form).worksheets[0]
    for place, column in enumerate(form.columns, 1):
        line = sheet.cell(EXPLANATION_ROW, place).value
        assert line.startswith("必填" if column.required else "可不填")
        assert all(choice in line for choice in column.choices)


@every_form
def test_required_columns_are_known_by_their_colour(template: Template, form: Form) -> None:
    sheet = template(form).worksheets[0]
    colours: dict[bool, set[str]] = {True: set(), False: set()}
    for place, column in enumerate(form.columns, 1):
        colours[column.required].add(sheet.cell(HEADER_ROW, place).fill.start_color.rgb)
    assert len(colours[True]) == 1
    assert len(colours[False]) <= 1
    assert not colours[True] & colours[False]


@every_form
def test_the_sheet_is_ready_to_fill_and_print(template: Template, form: Form) -> None:
    sheet = template(form).worksheets[0]
    assert sheet.freeze_panes == f"A{FIRST_ROW}"
    assert all(
        sheet.column_dimensions[get_column_letter(place)].width >= 13
        for place in range(1, len(form.columns) + 1)
    )
    assert (sheet.page_setup.orientation, int(sheet.page_setup.paperSize)) == ("landscape", 9)
    assert sheet.cell(FIRST_ROW, 1).border.left.style == "thin"


# --- what Excel lets in ------------------------------------------------------------------------


@every_form
def test_every_kind_of_column_is_validated(template: Template, form: Form) -> None:
    sheet = template(form).worksheets[0]
    for column in form.columns:
        rule = rule_at(sheet, first_cell(form, column))
        if column.kind is Kind.TEXT:
            assert rule is None
            continue
        assert rule is not None, column.name
        seen = (rule.type, rule.operator, rule.formula1)
        match column.kind:
            case Kind.CHOICE:
                assert rule.formula1 == f'"{",".join(column.choices)}"'
            case Kind.BOOL:
                assert seen[::2] == ("list", '"是,否"')
            case Kind.GRADE:
                assert "七年级" in rule.formula1 and "高三" in rule.formula1
                assert rule.errorStyle == "warning"
            case Kind.INT if column.high is not None:
                assert (rule.type, rule.formula1, rule.formula2) == (
                    "whole",
                    str(column.low),
                    str(column.high),
                )
            case Kind.INT:
                assert seen == ("whole", "greaterThanOrEqual", "0")
            case Kind.NUMBER:
                assert seen == ("decimal", "greaterThanOrEqual", "0")
            case Kind.TIME:
                assert rule.type == "time"
                assert float(rule.formula1) == 0
                assert 0.9999 < float(rule.formula2) < 1
            case Kind.DATE:
                assert seen[:2] == ("date", "greaterThanOrEqual")
            case Kind.CODE:
                assert seen == ("textLength", "equal", "10")


@every_form
def test_cells_take_what_is_typed_in_the_right_format(template: Template, form: Form) -> None:
    """In the drawn rows and, by the column's own format, in all rows below them."""
    formats = {Kind.CODE: "@", Kind.TEXT: "@", Kind.TIME: "hh:mm", Kind.DATE: "yyyy-mm-dd"}
    sheet = template(form).worksheets[0]
    for place, column in enumerate(form.columns, 1):
        if column.kind in formats:
            letter = get_column_letter(place)
            assert sheet.cell(FIRST_ROW, place).number_format == formats[column.kind]
            assert sheet.column_dimensions[letter].number_format == formats[column.kind]


@pytest.mark.parametrize(
    ("name", "rows"), [("salary", 1), ("population", 19), ("finance", 6), ("class", 5_000)]
)
def test_validation_reaches_as_far_as_the_form_can(
    template: Template, name: str, rows: int
) -> None:
    form = FORMS[name]
    sheet = template(form).worksheets[0]
    letter = get_column_letter(len(form.columns))
    assert rule_at(sheet, f"{letter}{FIRST_ROW + rows - 1}") is not None
    assert rule_at(sheet, f"{letter}{FIRST_ROW + rows}") is None


# --- the example -------------------------------------------------------------------------------


@every_form
def test_the_example_has_a_line_for_every_column(template: Template, form: Form) -> None:
    head, *lines = template(form)[EXAMPLE_SHEET].iter_rows(values_only=True)
    assert head == ("列名", "示例", "说明")
    assert [line[0] for line in lines] == [
        f"{get_column_letter(place)}列 {column.titled}"
        for place, column in enumerate(form.columns, 1)
    ]


@every_form
def test_the_examples_make_a_row_without_error(template: Template, form: Form) -> None:
    lines = list(template(form)[EXAMPLE_SHEET].iter_rows(min_row=2, values_only=True))
    row = {
        column.name: typed(column, str(line[1]))
        for column, line in zip(form.columns, lines, strict=True)
    }
    table = pl.DataFrame([row], schema=form.schema)
    for check in form.row_checks:
        assert table.filter(check.bad).is_empty(), check.rule.id


def test_the_examples_draw_no_warning_of_their_own(template: Template) -> None:
    """Codes begin with the kind of their institution and the province; pay is 2 to 40 万 a year."""

    def examples(name: str) -> dict[str, str]:
        lines = template(FORMS[name])[EXAMPLE_SHEET].iter_rows(min_row=2, values_only=True)
        return {
            column.name: str(line[1])
            for column, line in zip(FORMS[name].columns, lines, strict=True)
        }

    for name, start in (("kindergarten", "1121"), ("school", "2121"), ("vocational", "3621")):
        assert examples(name)["institution_code"].startswith(start)
    pay = {name: float(text) for name, text in examples("salary").items()}
    assert 2 <= pay["teacher_pay_total"] / pay["teachers"] <= 40
    assert 2 <= pay["civil_pay_total"] / pay["civil_servants"] <= 40


def typed(column: Column, text: str) -> Any:
    """The value of an example; fails where it is not of the column's kind or domain."""
    match column.kind:
        case Kind.INT:
            value = int(text)
            assert value >= column.low and (column.high is None or value <= column.high)
            return value
        case Kind.NUMBER:
            return pl.Series([text]).cast(pl.Decimal(18, 6)).item()
        case Kind.BOOL:
            return {"是": True, "否": False}[text]
        case Kind.TIME:
            return time.fromisoformat(text)
        case Kind.DATE:
            return date.fromisoformat(text)
        case Kind.CHOICE:
            assert text in column.choices
        case Kind.CODE:
            assert re.fullmatch(r"\d{10}", text)
        case Kind.GRADE:
            return "一二三四五六七八九".index(text.removesuffix("年级")) + 1
        case Kind.TEXT:
            assert text.strip()
    return text


# --- the file ------------------------------------------------------------------------------------


@every_form
def test_the_same_form_gives_the_same_bytes(tmp_path: Path, form: Form) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        write_template(tmp_path / name, form, regions=REGIONS, years=YEARS)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
    with ZipFile(tmp_path / "a.xlsx") as archive:
        assert "1980-01-01T00:00:00Z" in archive.read("docProps/core.xml").decode()


@pytest.mark.parametrize(("regions", "years"), [([], YEARS), (REGIONS, [])])
def test_nothing_to_choose_from_is_an_error(tmp_path: Path, regions: Any, years: Any) -> None:
    with pytest.raises(ValueError, match="at least one"):
        write_template(tmp_path / "a.xlsx", FORMS["class"], regions=regions, years=years)
    assert list(tmp_path.iterdir()) == []


# --- filled in and handed in -----------------------------------------------------------------


@every_form
def test_a_filled_template_is_read_as_it_was_filled(
    template: Template, city: dict[str, pl.DataFrame], hand_in: HandIn, form: Form
) -> None:
    book, rows = template(form), city[form.name]
    sheet = book.worksheets[0]
    sheet[YEAR_CELL], sheet[UNIT_CELL] = "2020年", "义县 210727"
    for number, row in enumerate(rows.iter_rows(), FIRST_ROW):
        for place, value in enumerate(row, 1):
            typed = {True: "是", False: "否"}[value] if isinstance(value, bool) else value
            sheet.cell(number, place, typed)
    filled = io.BytesIO()
    book.save(filled)
    outcome = hand_in(filled.getvalue(), f"义县/{form.name}.xlsx")
    assert outcome.findings == []
    assert (outcome.only["form"], outcome.only["year"]) == (form.name, 2020)
    assert outcome.values(form.name).equals(rows)
