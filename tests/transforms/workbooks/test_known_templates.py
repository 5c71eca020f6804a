"""Templates that begin with what is known: filled in and handed in, they lose nothing."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from transforms.formats import Limits
from transforms.forms import FORMS
from transforms.reading import read_file
from transforms.submissions import Examined, examine
from transforms.workbooks.known_templates import (
    GUIDE,
    GUIDE_SHEET,
    LAST_YEAR,
    NEEDED,
    Known,
    write_known_template,
)
from transforms.workbooks.templates import EXAMPLE_SHEET, FIRST_ROW, HEADER_ROW

UNIT, YEAR = ("210727", "义县"), 2023
SCHOOL: Mapping[str, object] = {
    "institution_code": "2121270001",
    "institution_name": "义州第一小学",
    "township": "义州街道",
    "urban_rural": "镇区",
    "stage": "小学",
    "ownership": "公办",
    "founded_year": 1956,
    "primary_students": 612,
    "junior_students": 0,
    "senior_students": 0,
    "vocational_students": 0,
    "boarding": False,
    "arrival_time": time(7, 50),
}


def written(tmp_path: Path, form: str, **known: Any) -> Workbook:
    out = tmp_path / f"{form}.xlsx"
    write_known_template(out, FORMS[form], Known(unit=UNIT, year=YEAR, **known))
    return openpyxl.load_workbook(out)


def columns(sheet: Worksheet) -> dict[str, int]:
    return {
        str(cell.value): cell.column
        for cell in sheet[HEADER_ROW]
        if cell.value not in (None, LAST_YEAR)
    }


def handed_in(book: Workbook) -> Examined:
    buffer = io.BytesIO()
    book.save(buffer)
    documents = read_file(
        buffer.getvalue(), "210727/a.xlsx", sha256="a", region_code="210727", limits=Limits()
    )
    return examine(documents)


def test_last_years_institutions_stand_there_with_their_figures_in_grey(tmp_path: Path) -> None:
    book = written(tmp_path, "school", rows=[SCHOOL])
    sheet = book.worksheets[0]
    at = columns(sheet)
    header = FORMS["school"].by_name["primary_students"].titled
    assert sheet.cell(FIRST_ROW, at["学校标识码"]).value == "2121270001"
    assert sheet.cell(FIRST_ROW, at["建校年份"]).value == 1956
    assert sheet.cell(FIRST_ROW, at[header]).value is None
    assert sheet.cell(HEADER_ROW, at[header] + 1).value == LAST_YEAR
    beside = sheet.cell(FIRST_ROW, at[header] + 1)
    assert (beside.value, beside.font.color.rgb) == (612, "FF808080")
    assert (sheet["B2"].value, sheet["D2"].value) == ("2023年", "义县 210727")


def test_only_the_cells_to_fill_can_be_changed_and_it_prints_on_a4(tmp_path: Path) -> None:
    sheet = written(tmp_path, "school", rows=[SCHOOL]).worksheets[0]
    at = columns(sheet)
    assert sheet.protection.sheet
    assert not sheet.cell(FIRST_ROW, at["统一到校时间"]).protection.locked
    assert sheet.cell(HEADER_ROW, 1).protection.locked
    beside = at[FORMS["school"].by_name["primary_students"].titled] + 1
    assert sheet.cell(FIRST_ROW, beside).protection.locked
    assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)


def test_what_is_known_needs_no_typing(tmp_path: Path) -> None:
    ages = written(tmp_path, "population").worksheets[0]
    assert [ages.cell(FIRST_ROW + age, 1).value for age in range(19)] == list(range(19))
    levels = written(tmp_path, "finance").worksheets[0]
    assert [levels.cell(FIRST_ROW + n, 1).value for n in range(6)] == [
        *("合计", "学前", "小学", "初中", "高中", "中职")
    ]
    assert str(levels.cell(FIRST_ROW, 2).value).startswith("=SUM(B")
    items = written(tmp_path, "milestone", items=["县管校聘改革"], rows=[{"item": "集团化办学"}])
    sheet = items.worksheets[0]
    assert [sheet.cell(FIRST_ROW + n, 1).value for n in range(2)] == ["县管校聘改革", "集团化办学"]


def test_townships_are_a_list_and_needs_are_said_and_coloured(tmp_path: Path) -> None:
    book = written(tmp_path, "school", rows=[SCHOOL], townships=["义州街道", "刘龙台镇"])
    sheet = book.worksheets[0]
    at = columns(sheet)
    lists = [rule.formula1 for rule in sheet.data_validations.dataValidation]
    assert '"义州街道,刘龙台镇"' in lists
    assert "义务教育阶段学校必填" in str(sheet.cell(HEADER_ROW - 1, at["统一到校时间"]).value)
    formulas = [rule.formula[0] for rules in sheet.conditional_formatting for rule in rules.rules]
    letter = openpyxl.utils.get_column_letter(at["统一到校时间"])
    assert any(f"ISBLANK(${letter}{FIRST_ROW})" in formula for formula in formulas)
    assert any(">N(" in formula for formula in formulas)


def test_example_and_guide_are_sheets_of_their_own(tmp_path: Path) -> None:
    book = written(tmp_path, "class")
    assert book.sheetnames[1:3] == [EXAMPLE_SHEET, GUIDE_SHEET]
    words = "\n".join(str(row[0].value) for row in book[GUIDE_SHEET].iter_rows())
    assert "情况属实" in words


def test_the_guide_on_paper_is_the_one_of_the_template() -> None:
    page = Path(__file__).parents[3] / "docs" / "填报说明.md"
    assert page.read_text("utf-8") == GUIDE.read_text("utf-8"), "run make docs"


@pytest.mark.parametrize("form", NEEDED)
def test_what_is_needed_in_which_case_is_a_column_of_the_form(form: str) -> None:
    for one in NEEDED[form]:
        assert {one.column, one.where} <= set(FORMS[form].by_name)
        choices = FORMS[form].by_name[one.where].choices or ("是", "否")
        assert set(one.values) <= set(choices)


def test_filled_in_and_handed_in_it_is_accepted_without_a_word(tmp_path: Path) -> None:
    book = written(tmp_path, "school", rows=[SCHOOL], townships=["义州街道"])
    sheet = book.worksheets[0]
    at = columns(sheet)
    for column in FORMS["school"].columns:
        cell = sheet.cell(FIRST_ROW, at[column.titled])
        if cell.value is None:
            value = {"int": 0, "bool": "是", "time": time(8, 0)}.get(str(column.kind))
            cell.value = 600 if column.name == "primary_students" else value
    signed = [cell for row in sheet.iter_rows() for cell in row if cell.value == "填表人："]
    signed[0].value = "填表人：教育股"
    examined = handed_in(book)
    assert examined.findings.to_dicts() == []
    (row,) = examined.rows["school"].to_dicts()
    assert (row["year"], row["institution_code"], row["primary_students"]) == (
        *(YEAR, "2121270001"),
        600,
    )
