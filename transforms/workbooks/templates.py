"""Blank workbooks to fill in, one for each form, made from the form's definition.

A template must come back readable: its header is the form's own, and everything beside the table
is worded so that the reader cannot take it for data, for a header or for a year. The example
therefore stands on a sheet of its own, one line for each column, and not as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from transforms.forms import Column, Form, Kind

EXAMPLE_SHEET = "填写示例"
OPTIONS_SHEET = "选项"

#: The layout of the sheet to fill is the same for every form (rows as Excel counts them).
YEAR_CELL = "B2"
UNIT_CELL = "D2"
EXPLANATION_ROW = 4
HEADER_ROW = 5
FIRST_ROW = 6

#: Validation reaches this many rows down where a form has no end of its own.
OPEN_ROWS = 5_000
#: So many of them are drawn with borders; a whole sheet of boxes would be heavy to open.
DRAWN_ROWS = 200

#: Written into the file instead of the time of writing: the same form gives the same bytes.
NO_TIME = datetime(1980, 1, 1)
#: What Excel takes as a list inside a validation; a longer one has to stand in cells.
_INLINE_LIST = 255
#: What Excel takes as title of a hint.
_HINT_TITLE = 32
#: The fewest cells over the table: the line with year and unit needs four.
_LEAST_WIDTH = 4

_REQUIRED_COLOUR, _OPTIONAL_COLOUR = "#F8CBAD", "#DDEBF7"
_CHOOSE_YEAR, _CHOOSE_UNIT = "请选择年份", "请选择单位"

NUMBER_FORMATS = {
    # Text keeps the leading zeros and all digits of a code, and a class called 1-2 is no date.
    Kind.TEXT: "@",
    Kind.CODE: "@",
    Kind.INT: "0",
    Kind.NUMBER: "#,##0.00####",
    Kind.TIME: "hh:mm",
    Kind.DATE: "yyyy-mm-dd",
}

#: The spellings of a grade that say the stage too; 7 and 初一 may be typed as well.
_GRADES = (*(f"{n}年级" for n in "一二三四五六七八九"), "高一", "高二", "高三")

#: What stands as an example where the column's record gives none.
_EXAMPLE_OF_KIND = {
    Kind.TEXT: "示例",
    Kind.CODE: "2121000001",
    Kind.INT: "12",
    Kind.NUMBER: "1234.56",
    Kind.BOOL: "是",
    Kind.TIME: "07:50",
    Kind.DATE: "2020-09-01",
    Kind.GRADE: "三年级",
}


def write_template(
    out: Path, form: Form, *, regions: Sequence[tuple[str, str]], years: Sequence[int]
) -> None:
    """Write the blank workbook of ``form`` to ``out`` (an .xlsx).

    ``regions`` are the (code, name) of the units and ``years`` the years to choose from, in the
    order shown. A year that stands alone is filled in; among several none is, since a forgotten
    wrong year would replace good data while a missing one is only asked for again.

    Raises ValueError where there is no year or no unit to choose from.
    """
    if not years or not regions:
        raise ValueError(f"template of {form.name}: at least one year and one unit are needed")
    # In memory, and never as anything but what is asked for: no text becomes formula or link.
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(out), options) as book:
        book.set_properties({"title": form.zh, "created": NO_TIME})
        sheet = book.add_worksheet(form.zh[:31])
        example = book.add_worksheet(EXAMPLE_SHEET)
        lists = Lists(book)
        write_top(book, sheet, form, lists, regions, years)
        _write_table(book, sheet, form, lists)
        write_example(book, example, form)


class Lists:
    """Where drop-downs take their words from: the validation itself, or a hidden sheet."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._sheet: Worksheet | None = None
        self._used = 0

    def source(self, words: Sequence[str]) -> list[str] | str:
        """``words`` as xlsxwriter wants them: as they are, or as the range they were put in."""
        # A comma would split a word, and a first = would make the list a formula.
        inline = len(",".join(words)) <= _INLINE_LIST and not words[0].startswith("=")
        if inline and not any("," in word or '"' in word for word in words):
            return list(words)
        if self._sheet is None:
            self._sheet = self._book.add_worksheet(OPTIONS_SHEET)
            self._sheet.hide()
        column = self._used
        self._used += 1
        for row, word in enumerate(words):
            self._sheet.write_string(row, column, word)
        letter = xl_col_to_name(column, col_abs=True)
        return f"={OPTIONS_SHEET}!{letter}$1:{letter}${len(words)}"


def write_top(
    book: Workbook,
    sheet: Worksheet,
    form: Form,
    lists: Lists,
    regions: Sequence[tuple[str, str]],
    years: Sequence[int],
) -> None:
    """Write title, year and unit to choose, and how to fill the table: rows 1 to 3."""
    label = book.add_format({"bold": True, "align": "right", "valign": "vcenter"})
    choose = book.add_format(
        {"bold": True, "bg_color": "#FFF2CC", "border": 1, "align": "center", "valign": "vcenter"}
    )
    title = book.add_format({"bold": True, "font_size": 16, "align": "center", "valign": "vcenter"})
    plain = book.add_format({"text_wrap": True, "valign": "vcenter"})
    last = max(len(form.columns), _LEAST_WIDTH) - 1
    sheet.merge_range(0, 0, 0, last, "")
    sheet.write_string(0, 0, form.zh, title)
    sheet.set_row(0, 30)

    # Not 年份 alone: that is what the reader calls a column of years.
    sheet.write_string("A2", "填报年份", label)
    names = [f"{year}年" for year in years]
    sheet.write_string(YEAR_CELL, names[0] if len(names) == 1 else _CHOOSE_YEAR, choose)
    sheet.data_validation(YEAR_CELL, drop_down(lists.source(names), _CHOOSE_YEAR))
    sheet.write_string("C2", "填报单位", label)
    units = [f"{name} {code}" for code, name in regions]
    sheet.write_string(UNIT_CELL, units[0] if len(units) == 1 else _CHOOSE_UNIT, choose)
    sheet.data_validation(UNIT_CELL, drop_down(lists.source(units), _CHOOSE_UNIT))
    sheet.set_row(1, 24)

    money = {column.unit for column in form.columns if column.is_money}
    guidance_end = last - 1 if money == {"万元"} else last
    if money == {"万元"}:
        sheet.write_string(2, last, "单位：万元", label)
    sheet.merge_range(2, 0, 2, guidance_end, "")
    sheet.write_string(
        2,
        0,
        f"每行填写: {form.row_zh}。橙色表头必填, 蓝色表头可以不填; 数量为零请填0, 空白不等于零。"
        f"请不要改动表头。填法见“{EXAMPLE_SHEET}”。{_when(form)}",
        plain,
    )
    sheet.set_row(2, 48)


#: Years seen from the statistical one.
_YEARS = {-1: "上年", 0: "当年", 1: "次年"}


def _when(form: Form) -> str:
    """Return when the form can be handed in and is due, without a year: the one chosen stands alone above the table."""
    year = 2001
    opens, due = form.deadline.opens_on(year), form.deadline.due(year)
    begins, ends = (
        day and f"{_YEARS[day.year - year]}{day.month}月{day.day}日" for day in (opens, due)
    )
    return f"{f'{begins}起报送, ' if begins else ''}{ends}截止。"


def _write_table(book: Workbook, sheet: Worksheet, form: Form, lists: Lists) -> None:
    """Write explanations, header and blank rows; what may be typed in each column is validated."""
    small = book.add_format(
        {"font_size": 9, "font_color": "#595959", "text_wrap": True, "valign": "top"}
    )
    rows = _row_limit(form)
    last_row = FIRST_ROW - 2 + rows
    drawn = min(rows, DRAWN_ROWS)
    for place, column in enumerate(form.columns):
        style = {"num_format": NUMBER_FORMATS.get(column.kind, "General")}
        boxed = book.add_format({**style, "border": 1, "border_color": "#BFBFBF"})
        sheet.set_column(place, place, width_of(column), book.add_format(style))
        sheet.write_string(EXPLANATION_ROW - 1, place, explanation_of(column), small)
        sheet.write_string(HEADER_ROW - 1, place, column.titled, header_format(book, column))
        for row in range(FIRST_ROW - 1, FIRST_ROW - 1 + drawn):
            sheet.write_blank(row, place, None, boxed)
        rule = validation_of(column, lists)
        if rule is not None:
            sheet.data_validation(FIRST_ROW - 1, place, last_row, place, rule)
    for place in range(len(form.columns), _LEAST_WIDTH):
        sheet.set_column(place, place, 16)
    lines = max(2 + 2 * len(explanation_of(c)) // width_of(c) for c in form.columns)
    sheet.set_row(EXPLANATION_ROW - 1, 12 * lines)
    sheet.set_row(HEADER_ROW - 1, 36)
    sheet.freeze_panes(HEADER_ROW, 0)
    sheet.repeat_rows(HEADER_ROW - 1)
    on_a4(sheet)
    sheet.activate()


def on_a4(sheet: Worksheet) -> None:
    """Print landscape on A4, all columns on one page."""
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)


def _row_limit(form: Form) -> int:
    """Return how many rows a submission can have: one, one for each value of its key, or no end."""
    if not form.key:
        return 1
    if len(form.key) == 1:
        key = form.by_name[form.key[0]]
        if key.choices:
            return len(key.choices)
        if key.kind is Kind.INT and key.high is not None:
            return key.high - key.low + 1
    return OPEN_ROWS


def header_format(book: Workbook, column: Column) -> Format:
    """Return the look of a header cell; its colour, never its text, says whether it is required."""
    return book.add_format(
        {
            "bold": True,
            "border": 1,
            "text_wrap": True,
            "align": "center",
            "valign": "vcenter",
            "bg_color": _REQUIRED_COLOUR if column.required else _OPTIONAL_COLOUR,
        }
    )


def width_of(column: Column) -> int:
    """Return a width in characters; a Chinese character takes two."""
    if column.kind is Kind.TEXT:
        return 26
    return min(max(2 * len(column.titled) + 2, 13), 24)


def _hint(column: Column) -> str:
    """Return what may stand in the column, in the words of the form's definition."""
    if column.choices:
        return f"从列表中选择: {'、'.join(column.choices)}"
    return column.note_zh


def explanation_of(column: Column) -> str:
    """Return the line over the header. It shows no day: above a table a year is the table's year."""
    hint = "日期: 年-月-日" if column.kind is Kind.DATE else _hint(column)
    need = "必填" if column.required else "可不填"
    return f"{need}; {hint}" if hint else need


def validation_of(column: Column, lists: Lists) -> dict[str, Any] | None:
    """Return the data validation of a column as xlsxwriter takes it; None where any text will do."""
    hint = _hint(column)
    rule: dict[str, Any]
    match column.kind:
        case Kind.CHOICE:
            rule = drop_down(lists.source(column.choices), hint)
        case Kind.BOOL:
            rule = drop_down(lists.source(("是", "否")), hint)
        case Kind.GRADE:
            rule = drop_down(lists.source(_GRADES), hint) | {"error_type": "warning"}
        case Kind.INT if column.high is not None:
            rule = {
                "validate": "integer",
                "criteria": "between",
                "minimum": column.low,
                "maximum": column.high,
            }
        case Kind.INT:
            rule = {"validate": "integer", "criteria": ">=", "value": column.low}
        case Kind.NUMBER:
            rule = {"validate": "decimal", "criteria": ">=", "value": 0}
        case Kind.TIME:
            rule = {
                "validate": "time",
                "criteria": "between",
                "minimum": time(0, 0),
                "maximum": time(23, 59, 59),
            }
        case Kind.DATE:
            rule = {"validate": "date", "criteria": ">=", "value": date(1950, 1, 1)}
        case Kind.CODE:
            rule = {"validate": "length", "criteria": "==", "value": 10}
        case Kind.TEXT:
            return None
    return {
        "input_title": column.header[:_HINT_TITLE],
        "input_message": hint,
        "error_title": "填写有误",
        "error_message": hint,
        **rule,
    }


def drop_down(source: list[str] | str, message: str) -> dict[str, Any]:
    """Return a drop-down of the words in ``source`` (:meth:`Lists.source`)."""
    return {"validate": "list", "source": source, "error_message": message}


def write_example(book: Workbook, sheet: Worksheet, form: Form) -> None:
    """Write one line for each column: its name, an example, what may stand there.

    Beside its letter (``A列 年龄``) a column's name is no header to the reader.
    """
    head = book.add_format({"bold": True, "bg_color": "#D9E1F2", "border": 1})
    cell = book.add_format({"border": 1, "text_wrap": True, "valign": "top"})
    text = book.add_format({"border": 1, "num_format": "@", "valign": "top"})
    for place, (word, width) in enumerate((("列名", 36), ("示例", 24), ("说明", 60))):
        sheet.write_string(0, place, word, head)
        sheet.set_column(place, place, width)
    for row, column in enumerate(form.columns, 1):
        letter = xl_col_to_name(row - 1)
        sheet.write_string(row, 0, f"{letter}列 {column.titled}", cell)
        sheet.write_string(row, 1, _example(column), text)
        need = "必填" if column.required else "可不填"
        hint = _hint(column)
        sheet.write_string(row, 2, f"{need}; {hint}" if hint else need, cell)
    sheet.freeze_panes(1, 0)
    on_a4(sheet)


def _example(column: Column) -> str:
    """Return what could stand in the column; all examples of a form together make a row without error."""
    if column.example is not None:
        return column.example
    return column.choices[0] if column.choices else _EXAMPLE_OF_KIND[column.kind]
