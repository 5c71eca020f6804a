"""The year of a sheet: where it may stand, which place is the strongest, and what is no year."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import Any

import polars as pl
import pytest

from tests.transforms.conftest import HandIn, MakeBook, MakePaper
from transforms.forms import FORMS
from transforms.tables.years import find_year

# --- words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("义县2020年班级学生数表", 2020),
        ("义县 2020 年班级学生数表", 2020),
        ("２０２０年", 2020),
        ("2020—2021学年", 2020),
        ("2020-2021学年", 2020),
        ("2020－2021学年度", 2020),
        ("2020～2021学年初", 2020),
        ("2020/2021学年度", 2020),
        ("2020年—2021年学年", 2020),
        ("2020-21学年", 2020),
        ("2020学年", 2020),
        ("2020年度", 2020),
        ("二〇二〇年", 2020),
        ("二○一九年度", 2019),
        ("2020", 2020),
        ("班级2020.xlsx", 2020),
        ("2020_班级", 2020),
        ("黑山县教基2020统计", 2020),
        ("2020年统计表（2019—2025年规划）", 2020),
        ("2021年统计表（依据2019—2020年方案）", 2021),
        ("2020-2021学年度第一学期", 2020),
        ("2020-2021", 2020),
        ("二零二零年", 2020),
        ("义县教发〔2019〕12号 2020年统计表", 2020),
        ("义县2020年班级表 制表：教育股", 2020),
        ("2020年班级表(打印版)", 2020),
        ("2020班级", 2020),
        ("2020人员", 2020),
    ],
)
def test_a_year_is_found(text: str, year: int) -> None:
    found = find_year(text)
    assert found is not None
    assert found.year == year


@pytest.mark.parametrize(
    "text",
    [
        "义县班级学生数表",
        "填报日期：2020-10-15",
        "填报日期：2020年10月15日",
        "义县教发〔2020〕11号",
        "2020-10-15",
        "2018-2022年",
        "120200",
        "2100000001",
        "1956年",
        "电话0416-2020123",
        "全县共2050人",
        "学生2050人",
        "义县教发[2020]11号",
        "义县教发(2020)11号",
        "制表时间：2020年",
        "=2019+1",
    ],
)
def test_what_is_no_year_of_the_data_is_not_taken_for_one(text: str) -> None:
    assert find_year(text) is None


# --- places ----------------------------------------------------------------------------------

#: From the strongest to the weakest.
PLACES = ["column", "title", "sheet", "file", "folder", "outer folder"]


def dated(sheet: Any, years: dict[str, int]) -> tuple[Any, str]:
    """``sheet`` with the given year in each place, and the path to hand it in by."""
    sheet.above = [[f"义县{years['title']}年班级学生数表" if "title" in years else "班级学生数表"]]
    if "column" in years:
        sheet.insert(0, "年份", [years["column"]] * len(sheet.rows))
    sheet.name = f"班级{years['sheet']}" if "sheet" in years else "班级"
    names = [
        f"{years[place]}年上报" if place in years else "上报"
        for place in ("outer folder", "folder")
    ]
    file = f"{years['file']}年班级.xlsx" if "file" in years else "班级.xlsx"
    return sheet, "/".join(("义县", *names, file))


@pytest.mark.parametrize("place", PLACES)
def test_the_year_is_found_in_each_place(
    place: str, paper: MakePaper, hand_in: HandIn, city: dict[str, pl.DataFrame]
) -> None:
    outcome = hand_in(*dated(paper("class"), {place: 2020}))
    assert outcome.findings == []
    assert outcome.only["year"] == 2020
    assert outcome.values("class").equals(city["class"].head(6))


@pytest.mark.parametrize("place", PLACES[:-1])
def test_a_stronger_place_wins_over_all_weaker_ones_and_says_so(
    place: str, paper: MakePaper, hand_in: HandIn
) -> None:
    weaker = PLACES[PLACES.index(place) + 1 :]
    outcome = hand_in(*dated(paper("class"), {place: 2020, **dict.fromkeys(weaker, 2019)}))
    assert outcome.only["year"] == 2020
    assert outcome.only["accepted"]
    assert outcome.rules == ["CLS-W02"]
    assert "2020" in outcome.warnings[0]["message_zh"]
    assert "2019" in outcome.warnings[0]["message_zh"]


def test_places_that_agree_give_no_warning(paper: MakePaper, hand_in: HandIn) -> None:
    outcome = hand_in(*dated(paper("class"), dict.fromkeys(PLACES, 2020)))
    assert outcome.findings == []


@pytest.mark.parametrize(
    "title", ["义县2020—2021学年班级学生数表", "义县2020/2021学年度班级学生数表"]
)
@pytest.mark.parametrize("folder", ["2020", "2020-2021学年"])
def test_a_school_year_agrees_with_its_first_year(
    title: str, folder: str, paper: MakePaper, hand_in: HandIn
) -> None:
    outcome = hand_in(paper("class", title=title), f"义县/{folder}/班级.xlsx")
    assert outcome.only["year"] == 2020
    assert outcome.findings == []


def test_any_title_row_may_name_the_year(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("class")
    sheet.above = [["附件"], ["义县班级学生数表"], [None, "（2020—2021学年）", None, "单位：人"]]
    assert hand_in(sheet).only["year"] == 2020


def test_signatures_and_dates_below_the_table_name_no_year(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("class")
    sheet.above = [["班级学生数表"], ["填报日期：2021年10月15日"]]
    sheet.below = [["2022年10月15日"]]
    assert hand_in(sheet, "义县/2020/班级.xlsx").only["year"] == 2020


@pytest.mark.parametrize(
    "typed",
    [2020, "2020", "２０２０", "2020年", " 2020 ", "2020—2021学年", "2020年度", "2020.0", "'2020"],
)
def test_a_year_column_is_read_as_people_fill_it_in(
    typed: Any, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("class", title="班级学生数表").insert(6, "年份", [typed] * 6)
    outcome = hand_in(sheet)
    assert outcome.findings == []
    assert outcome.only["year"] == 2020


@pytest.mark.parametrize("path", ["义县/2020年.zip", "义县/2020/报表.zip"])
def test_in_a_zip_the_names_inside_come_before_the_zip_and_its_folders(
    path: str, paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        tidy = paper("class", title="班级学生数表")
        archive.writestr("班级.xlsx", workbook(tidy))
        archive.writestr("2019/班级.xlsx", workbook(tidy))
        archive.writestr("2019/2018年班级.xlsx", workbook(tidy))
    years = [entry["year"] for entry in hand_in(buffer.getvalue(), path).submissions]
    assert years == [2020, 2019, 2018]


# --- no year, several years, bad years -------------------------------------------------------


@pytest.mark.parametrize("name", list(FORMS))
def test_no_year_returns_the_submission_with_what_is_known(
    name: str, paper: MakePaper, hand_in: HandIn
) -> None:
    outcome = hand_in(paper(name, title="报表"))
    only = outcome.only
    assert not only["accepted"]
    assert (only["region_code"], only["form"], only["year"]) == ("210727", name, None)
    assert outcome.error["rule_id"] == "FIL-E02"
    assert only["rows_returned"] == len(paper(name).rows)
    assert outcome.values(name).is_empty()


def test_several_years_in_one_sheet_are_a_submission_each(
    paper: MakePaper, hand_in: HandIn, city: dict[str, pl.DataFrame]
) -> None:
    sheet = paper("class", title="班级学生数表")
    sheet.insert(0, "年份", [2019, 2020, 2019, 2020, 2020, 2018])
    sheet.below = [["填表人：教育股"]]
    outcome = hand_in(sheet)
    assert outcome.findings == []
    loaded = {entry["year"]: entry["rows_loaded"] for entry in outcome.submissions}
    assert loaded == {2018: 1, 2019: 2, 2020: 3}
    assert sum(entry["rows_ignored"] for entry in outcome.submissions) == 3
    rows = outcome.loaded("class").sort("row")
    assert rows["year"].to_list() == [2019, 2020, 2019, 2020, 2020, 2018]
    assert rows["institution_code"].to_list() == city["class"]["institution_code"].to_list()[:6]


def test_the_same_key_in_two_years_is_no_repetition(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("class", 1, title="班级学生数表")
    sheet.rows = [sheet.rows[0], list(sheet.rows[0])]
    outcome = hand_in(sheet.insert(0, "年份", [2019, 2020]))
    assert outcome.findings == []
    assert sorted(entry["year"] for entry in outcome.submissions) == [2019, 2020]


def test_an_error_returns_its_own_year_only(paper: MakePaper, hand_in: HandIn) -> None:
    sheet = paper("class", 4, title="班级学生数表").insert(0, "年份", [2019, 2019, 2020, 2020])
    outcome = hand_in(sheet.put(1, "students", "五十二"))
    accepted = {entry["year"]: entry["accepted"] for entry in outcome.submissions}
    assert accepted == {2019: False, 2020: True}
    assert outcome.error["year"] == 2019


@pytest.mark.parametrize("typed", ["去年", None, "20年", "2020-10-15", "2100000001"])
def test_a_row_whose_year_cannot_be_read_returns_all_it_could_belong_to(
    typed: Any, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("class", 3, title="班级学生数表").insert(0, "年份", [2019, typed, 2020])
    outcome = hand_in(sheet)
    assert {entry["year"]: entry["accepted"] for entry in outcome.submissions} == {
        2019: False,
        2020: False,
    }
    assert {entry["rule_id"] for entry in outcome.findings} == {"CLS-E30"}
    assert {entry["cell"] for entry in outcome.errors} == {sheet.place(1, "年份")}
    assert {entry["value"] for entry in outcome.errors} == {typed}
    assert sum(entry["rows_returned"] for entry in outcome.submissions) == 3


def test_a_blank_year_column_leaves_the_year_to_the_title(
    paper: MakePaper, hand_in: HandIn
) -> None:
    outcome = hand_in(paper("class", 3).insert(0, "年份", [None] * 3))
    assert outcome.only["year"] == 2020
    assert outcome.only["accepted"]


@pytest.mark.parametrize("blank", [None, "-", "—"])
def test_a_row_without_a_year_is_of_the_one_year_that_column_and_title_name(
    blank: Any, paper: MakePaper, hand_in: HandIn
) -> None:
    outcome = hand_in(paper("class", 3).insert(0, "年份", [2020, blank, 2020]))
    assert outcome.findings == []
    assert (outcome.only["year"], outcome.only["rows_loaded"]) == (2020, 3)


@pytest.mark.parametrize("years", [[2019, None, 2019], [2019, None, 2020], [2020, None, "去年"]])
def test_a_row_without_a_year_is_an_error_where_the_title_does_not_settle_it(
    years: list[Any], paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("class", 3).insert(0, "年份", years)
    outcome = hand_in(sheet)
    assert not any(entry["accepted"] for entry in outcome.submissions)
    assert {entry["rule_id"] for entry in outcome.errors} == {"CLS-E30"}
    assert sheet.place(1, "年份") in {entry["cell"] for entry in outcome.errors}


def test_a_year_column_that_says_something_else_is_not_overruled_by_the_title(
    paper: MakePaper, hand_in: HandIn
) -> None:
    outcome = hand_in(paper("class", 3).insert(0, "年份", ["去年"] * 3))
    assert not outcome.only["accepted"]
    assert "去年" in outcome.error["message_zh"]


def test_sheets_of_several_years_are_a_submission_each(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    sheets = []
    for year in (2019, 2020):
        sheet = paper("class", title="班级学生数表")
        sheet.name = f"{year}年"
        sheets.append(sheet)
    outcome = hand_in(workbook(*sheets))
    assert outcome.findings == []
    assert [entry["year"] for entry in outcome.submissions] == [2019, 2020]
