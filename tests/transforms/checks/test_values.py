"""Cells as people type them: what is understood, what counts as nothing, what is an error."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.conftest import HandIn, HandInAll, MakePaper
from transforms.checks.values import as_asked, parse
from transforms.forms import FORMS, Kind

#: A column of each kind that need not be given, and one that must be.
COUNT = ("kindergarten", "children_aged_3_5")
MUST_COUNT = ("kindergarten", "classes")
FEE = ("kindergarten", "monthly_fee")
PAY = ("salary", "teacher_pay_total")
QUANTITY = ("milestone", "quantity")
YES_NO = ("kindergarten", "residential_governed")
MUST_YES_NO = ("school", "boarding")
CLOCK = ("school", "arrival_time")
DAY = ("milestone", "date")
CODE = ("kindergarten", "attached_primary_code")
GRADE = ("class", "grade")
NAME = ("class", "institution_name")
CLASS_NAME = ("class", "class_name")
DOCUMENT = ("milestone", "document")
STATUS = ("milestone", "status")
YEAR_OF_FOUNDATION = ("school", "founded_year")
SHAPES = ("xlsx", "csv")

GRADES = {
    **{f"{word}年级": grade for grade, word in enumerate("一二三四五六七八九", 1)},
    **{f"初{word}": grade for grade, word in enumerate("一二三", 7)},
    **{f"高{word}": grade for grade, word in enumerate("一二三", 10)},
}

UNDERSTOOD: list[tuple[tuple[str, str], Any, Any]] = [
    *((COUNT, typed, 7) for typed in (7, 7.0, "7", "７", " 7 ", "'7", "\u30007", "7人", "7 人")),
    *((COUNT, typed, 0) for typed in (0, "0", "０", "0人")),
    *(
        (MUST_COUNT, typed, 1234)
        for typed in ("1,234", "1，234", "１，２３４", "1,234个", "1234所")
    ),
    *((MUST_COUNT, typed, 1234567) for typed in ("1,234,567", "１２３４５６７", 1234567)),
    (YEAR_OF_FOUNDATION, "1956", 1956),
    *((FEE, typed, Decimal("1234.5")) for typed in (1234.5, "1234.5", "1,234.50", "１２３４．５")),
    *((FEE, typed, Decimal(800)) for typed in (800, "800元", "８００元", " 800 元", "'800")),
    (FEE, 0, Decimal(0)),
    *((PAY, typed, Decimal("1234567.89")) for typed in ("1,234,567.89", "1234567.89万元")),
    (PAY, 0.1, Decimal("0.1")),
    *((QUANTITY, typed, Decimal("12.5")) for typed in (12.5, "12.5", "12.5%", "１２．５％")),
    *((YES_NO, typed, True) for typed in ("是", "有", "√", "Y", "1", 1, "Ｙ", "１", " 是 ", "'是")),
    *((YES_NO, typed, False) for typed in ("否", "无", "×", "N", "0", 0, "Ｎ", "０", "否 ")),
    *((MUST_YES_NO, typed, False) for typed in ("否", "无", "×", "N", "0", 0)),
    *(
        (CLOCK, typed, time(7, 50))
        for typed in (
            *("7:50", "7：50", "7点50分", "07:50:00", "07:50", "７：５０", " 7:50 ", "'7:50"),
            *(time(7, 50), 470 / 1440, "0.326388889", "0.32638888888888888"),
            *("7时50分", "上午7:50", "7∶50", "7:50 AM", "07:50:00 am"),
        )
    ),
    (CLOCK, "0:00", time(0)),
    (CLOCK, time(0), time(0)),
    (CLOCK, "12:00:00 AM", time(0)),
    *((CLOCK, typed, time(21, 0)) for typed in ("晚上9:00", "下午9点", "9:00 PM", "晚上21:00")),
    *((CLOCK, typed, time(12, 30)) for typed in ("下午12:30", "12:30 PM")),
    (CLOCK, "23:59", time(23, 59)),
    (CLOCK, "7:50:30", time(7, 50, 30)),
    *(
        (DAY, typed, date(2020, 9, 1))
        for typed in (
            *("2020-09-01", "2020-9-1", "2020/9/1", "2020/09/01", "2020年9月1日"),
            *("２０２０年９月１日", "2020年 9月 1日", " 2020-09-01 ", "'2020-09-01"),
            *(date(2020, 9, 1), datetime(2020, 9, 1, 10, 30), "2020年9月1号"),
        )
    ),
    (DAY, "2020年2月29日", date(2020, 2, 29)),
    *(
        (CODE, typed, "2100000001")
        for typed in (
            *(2100000001, "2100000001", "'2100000001", "２１００００００01", " 2100000001 "),
            *("2100000001.0", "21 0000 0001", "\u200b2100000001\ufeff"),
        )
    ),
    *((GRADE, typed, grade) for typed, grade in GRADES.items()),
    *((GRADE, typed, typed) for typed in range(1, 13)),
    *((GRADE, typed, 7) for typed in ("7", "７", " 七年级 ", "初 一")),
    *(
        (NAME, typed, "第三实验小学")
        for typed in ("第三实验小学", " 第三实验小学 ", "第三 实验　小学", "'第三实验小学")
    ),
    *((CLASS_NAME, typed, "9班") for typed in ("9班", "９班", "9 班", " 9班")),
    *((STATUS, typed, "进行中") for typed in ("进行中", " 进行中　", "进 行 中")),
]

NOTHING = ("", " ", "-", "—", "/", "无", "－", "——", "\u3000", None)
OPTIONAL = (COUNT, FEE, QUANTITY, YES_NO, CLOCK, DAY, CODE, DOCUMENT)

NOT_UNDERSTOOD: list[tuple[tuple[str, str], Any]] = [
    *(
        (MUST_COUNT, typed)
        for typed in (
            *("五十二人", "52%", "５２％", "52.5", 52.5, "约50", "50多", "50+2", "1,23", "12,34"),
            *(
                "5万",
                "1e3",
                "-3",
                -3,
                "－3",
                "是",
                "2020-09-01",
                "#REF!",
                "??",
                "99999999999999999999",
            ),
        )
    ),
    *((FEE, typed) for typed in ("八百", "800元/年", "800%", "1.2.3", "1,23.5", -800, "800-900")),
    (FEE, "9999999999999"),  # more than the warehouse's columns hold
    # The header says 万元: an amount that says 元 is neither 100 万元 nor a guess.
    *((PAY, typed) for typed in ("100元", "一百", "100人", "-100", "1e400")),
    *((QUANTITY, typed) for typed in ("若干", "第3名", "-1")),
    *((YES_NO, typed) for typed in ("是的", "已完成", "2", 2, "部分", "是/否", "?", "-1")),
    *(
        (CLOCK, typed)
        for typed in (
            *("25:10", "24:00", "7:60", "7:50:75", "早上", "七点五十", "750", "7:5O", "7:50-8:00"),
            *(1.5, "-7:50", "7:5", "0.0", "上午15:00", "晚上12:00", "晚上3:00", "上午12:30"),
        )
    ),
    *(
        (DAY, typed)
        for typed in (
            "2020-13-01",
            "2020-02-30",
            "2021年2月29日",
            "九月一日",
            "2020年9月",
            *("9/1/2020", "1899-12-31 00:00:00"),
        )
    ),
    *(
        (CODE, typed)
        for typed in (
            "2.1E+09",
            "2.1e9",
            "210000000",
            "21000000011",
            "21000000O1",
            *("标识码", "210000000.0", "2100000001%"),
            2.1e10,
        )
    ),
    *((CODE, typed) for typed in (-2100000001, "2100000001.5", "＃2100000001")),
    *(
        (GRADE, typed)
        for typed in ("0", "13", 0, 13, "大班", "十三年级", "初四", "高四", "1.5", "-1")
    ),
    *((CLASS_NAME, typed) for typed in ("2020-03-01 00:00:00", "2020-03-01")),
    *((NAME, typed) for typed in ("#NAME?", "Err:502", "=A1&B1")),
    *((MUST_COUNT, typed) for typed in ("=1+1", "Err:508")),
    *((STATUS, typed) for typed in ("完成", "进行", "已完成50%", "1")),
    *((("class", "stage"), typed) for typed in ("大学", "合计班", "小")),
    *((("population", "age"), typed) for typed in ("19", 19, "-1", "三岁", "3.5")),
]


def shape_of(column: tuple[str, str], typed: Any) -> str:
    return f"{column[0]}-{column[1]}-{typed!r}"


UNDERSTOOD_CASES = [(*case, shape) for case in UNDERSTOOD for shape in SHAPES]


def write_one(paper: MakePaper, column: tuple[str, str], typed: Any) -> Any:
    """A valid submission with ``typed`` in its last row."""
    form, name = column
    sheet = paper(form, 2)
    last = len(sheet.rows) - 1
    if name == "children_aged_3_5":
        sheet.put(last, "children_enrolled", 5000)
    return sheet.put(last, name, typed)


@pytest.fixture(scope="module")
def understood(paper: MakePaper, hand_in_all: HandInAll) -> Any:
    return hand_in_all(
        {
            number: (write_one(paper, column, typed), f"义县/表.{shape}")
            for number, (column, typed, _, shape) in enumerate(UNDERSTOOD_CASES)
        }
    )


@pytest.mark.parametrize(
    "number",
    range(len(UNDERSTOOD_CASES)),
    ids=[f"{shape_of(c, t)}-{s}" for c, t, _, s in UNDERSTOOD_CASES],
)
def test_a_cell_is_understood_as_it_is_meant(number: int, understood: Any) -> None:
    (form, name), _, meant, _ = UNDERSTOOD_CASES[number]
    outcome = understood[number]
    assert outcome.findings == []
    assert outcome.column(form, name)[-1] == meant


def test_a_date_may_be_written_with_spaces(paper: MakePaper, hand_in: HandIn) -> None:
    outcome = hand_in(paper("milestone", 1).put(0, "date", "2020 年 9 月 1 日"))
    assert outcome.column("milestone", "date") == [date(2020, 9, 1)]


def test_every_minute_of_the_day_survives_as_a_fraction(paper: MakePaper, hand_in: HandIn) -> None:
    """A school that starts at 08:00 must not be read as starting a second earlier."""
    minutes = range(1, 1440)  # a bare 0 is no time of day
    sheet = paper("school", 1)
    sheet.rows = [list(sheet.rows[0]) for _ in minutes]
    sheet.fill("institution_code", [str(2121000000 + minute) for minute in minutes])
    sheet.fill("class_start_time", [minute / 1440 for minute in minutes])
    outcome = hand_in(sheet)
    expected = [time(minute // 60, minute % 60) for minute in minutes]
    assert outcome.column("school", "class_start_time") == expected


@pytest.mark.parametrize("typed", [timedelta(hours=25, minutes=10), timedelta(hours=24)])
def test_a_time_cell_of_a_day_or_more_is_no_time_of_day(
    typed: timedelta, paper: MakePaper, hand_in: HandIn
) -> None:
    """25:10 typed into Excel is a number above 1, which is 01:10 of a day that nobody meant."""
    sheet = paper("school", 1).put(0, "arrival_time", typed)
    error = hand_in(sheet).error
    assert (error["rule_id"], error["cell"]) == ("SCH-E03", sheet.place(0, "arrival_time"))


@pytest.mark.parametrize("typed", ["123.1234567", 1000 / 3, "0.0000001"])
def test_decimals_beyond_those_kept_are_not_dropped_unseen(
    typed: Any, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("salary", 1).put(0, "teacher_pay_total", typed)
    outcome = hand_in(sheet)
    assert outcome.only["accepted"]
    assert outcome.rules == ["SAL-W03"]
    assert outcome.warnings[0]["cell"] == sheet.place(0, "teacher_pay_total")
    kept = outcome.column("salary", "teacher_pay_total")[0]
    assert abs(kept - Decimal(str(typed))) < Decimal("0.000001")


@pytest.mark.parametrize("typed", ["1234.5600000000002", 0.1 + 0.2, 2345.678 * 3])
def test_what_a_computer_adds_to_a_sum_is_no_decimal_of_it(
    typed: Any, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("salary", 1).put(0, "teacher_pay_total", typed)
    assert hand_in(sheet, "义县/表.csv").findings == []


# --- nothing given ---------------------------------------------------------------------------

NOTHING_CASES = [
    (column, typed, shape)
    for column in OPTIONAL
    for typed in NOTHING
    for shape in SHAPES
    if not (typed == "无" and column == YES_NO)  # there 无 is a no
]
MISSING_CASES = [
    (column, typed)
    for column in (MUST_COUNT, PAY, MUST_YES_NO, GRADE, NAME, STATUS, ("school", "township"))
    for typed in NOTHING
    if not (typed == "无" and column == MUST_YES_NO)
]


@pytest.fixture(scope="module")
def nothing(paper: MakePaper, hand_in_all: HandInAll) -> Any:
    return hand_in_all(
        {
            number: (write_one(paper, column, typed), f"义县/表.{shape}")
            for number, (column, typed, shape) in enumerate(NOTHING_CASES)
        }
    )


@pytest.mark.parametrize(
    "number",
    range(len(NOTHING_CASES)),
    ids=[f"{shape_of(c, t)}-{s}" for c, t, s in NOTHING_CASES],
)
def test_nothing_given_is_null_and_not_zero(number: int, nothing: Any) -> None:
    (form, name), _, _ = NOTHING_CASES[number]
    outcome = nothing[number]
    assert outcome.findings == []
    assert outcome.column(form, name)[-1] is None


@pytest.fixture(scope="module")
def missing(paper: MakePaper, hand_in_all: HandInAll) -> Any:
    papers = [write_one(paper, column, typed) for column, typed in MISSING_CASES]
    return list(zip(papers, hand_in_all(dict(enumerate(papers))).values(), strict=True))


@pytest.mark.parametrize(
    "number", range(len(MISSING_CASES)), ids=[shape_of(*case) for case in MISSING_CASES]
)
def test_nothing_where_a_value_must_be_given_is_an_error_at_its_cell(
    number: int, missing: Any
) -> None:
    (form, name), _ = MISSING_CASES[number]
    sheet, outcome = missing[number]
    error = outcome.error
    assert error["rule_id"] == f"{FORMS[form].code}-E02"
    assert (error["sheet"], error["cell"]) == (
        FORMS[form].zh,
        sheet.place(len(sheet.rows) - 1, name),
    )
    assert error["column_name"] == name
    assert error["cells"] == 1
    assert outcome.values(form).is_empty()


# --- errors ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def refused(paper: MakePaper, hand_in_all: HandInAll) -> Any:
    papers = [write_one(paper, column, typed) for column, typed in NOT_UNDERSTOOD]
    return list(zip(papers, hand_in_all(dict(enumerate(papers))).values(), strict=True))


@pytest.mark.parametrize(
    "number", range(len(NOT_UNDERSTOOD)), ids=[shape_of(*case) for case in NOT_UNDERSTOOD]
)
def test_what_is_not_understood_is_an_error_that_names_sheet_cell_and_content(
    number: int, refused: Any
) -> None:
    (form, name), typed = NOT_UNDERSTOOD[number]
    sheet, outcome = refused[number]
    last = len(sheet.rows) - 1
    error = outcome.error
    assert not outcome.only["accepted"]
    assert outcome.values(form).is_empty()
    assert error["rule_id"] in (f"{FORMS[form].code}-E03", f"{FORMS[form].code}-E04")
    assert (error["sheet"], error["cell"]) == (FORMS[form].zh, sheet.place(last, name))
    assert (error["row"], error["column_name"], error["cells"]) == (sheet.line(last), name, 1)
    if isinstance(typed, str):
        assert error["value"] == typed
        assert typed in error["message_zh"]
        assert typed in error["message_en"]
    else:
        assert Decimal(error["value"]) == Decimal(str(typed))
    # Its form, sheet and cell stand beside the message, wherever people read it.
    assert FORMS[form].by_name[name].header in error["message_zh"]
    assert FORMS[form].zh not in error["message_zh"]


def test_a_code_that_lost_digits_in_excel_is_never_completed(
    paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("school", 3)
    codes = [sheet.at(row, "institution_code") for row in range(3)]
    sheet.fill("institution_code", [codes[0], "2.1E+09", codes[2]])
    outcome = hand_in(sheet, "义县/学校.csv")
    assert outcome.error["rule_id"] == "SCH-E03"
    assert outcome.error["cell"] == sheet.place(1, "institution_code")
    assert outcome.error["value"] == "2.1E+09"


def test_a_yes_no_column_knows_no_other_words(paper: MakePaper, hand_in: HandIn) -> None:
    """Every yes/no column of every form, at once: each names its own cell."""
    for form in FORMS.values():
        columns = [column.name for column in form.columns if column.kind is Kind.BOOL]
        if not columns:
            continue
        sheet = paper(form.name, 2)
        for column in columns:
            sheet.put(1, column, "待定")
        outcome = hand_in(sheet)
        assert sorted(entry["cell"] for entry in outcome.errors) == sorted(
            sheet.place(1, column) for column in columns
        )


SIMPLE = st.sampled_from(
    [
        "是",
        "否",
        "无",
        "是 ",
        "有",
        "小学",
        "初中",
        " 初中",
        "高中",
        "公办",
        "进行中",
        "三年级",
        "-",
        "",
    ]
)
NUMERIC = st.from_regex(r"[+-]?[0-9０-９]{0,20}[.,]?[0-9]{0,3}[人% ]?", fullmatch=True)


#: The columns of each kind, one of those that differ in nothing but their names.
DIFFERENT = {
    kind: {
        (column.choices, column.low, column.high, column.unit): column
        for form in FORMS.values()
        for column in form.columns
        if column.kind is kind
    }.values()
    for kind in Kind
}


@pytest.mark.parametrize("kind", list(Kind))
@given(texts=st.lists(SIMPLE | NUMERIC | st.text(max_size=12), min_size=60, max_size=100))
@settings(max_examples=8, deadline=None)
def test_the_short_way_says_what_the_grammar_says(kind: Kind, texts: list[str]) -> None:
    for column in DIFFERENT[kind]:
        frame = pl.DataFrame(
            {column.name: texts, f"{column.name}@power": 0, f"{column.name}@unit": column.unit},
            schema_overrides={f"{column.name}@unit": pl.String},
        )
        both = parse(column, frame.with_columns(short=as_asked(column)))
        both = both.filter(pl.col("short").is_not_null())
        assert both["short"].equals(both["value"])
        assert not (both["unreadable"] | both["outside"] | both["rounded"]).any()


def test_most_texts_go_the_short_way() -> None:
    columns = FORMS["class"].by_name
    tidy = {"institution_code": "2121270001", "stage": "小学", "grade": "3", "students": "45"}
    for name, text in tidy.items():
        assert pl.DataFrame({name: [text]}).select(as_asked(columns[name])).item() is not None
