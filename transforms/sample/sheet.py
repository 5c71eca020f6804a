"""One form on one sheet: cells as a reporting unit would fill them in, before any file format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from os.path import commonprefix
from random import Random

import polars as pl

from transforms.forms import Column, Form, Kind
from transforms.sample.style import TIDY, Style

#: What a cell can hold.
Cell = str | int | float | time | date | None

Merge = tuple[int, int, int, int]

#: Forms below whose rows a total is written.
_TOTALLED = frozenset({"kindergarten", "school", "class", "population", "teacher", "safety"})

_NOT_SUMMED = frozenset({"founded_year", "grade", "age"})

#: Columns that count people or institutions, and so may carry 人 after the number.
_PEOPLE = ("学生", "幼儿数", "人数", "教师数", "人口数", "子女数", "班额")

_SUBTOTAL_EVERY = 150

_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
_GRADES_NEW = dict(zip(range(1, 10), "一二三四五六七八九", strict=True))
_GRADES_OLD = {7: "初一", 8: "初二", 9: "初三", 10: "高一", 11: "高二", 12: "高三"}


@dataclass
class SampleSheet:
    """Cells by row; ``merges`` are first row, first column, last row, last column (from 0)."""

    name: str
    rows: list[list[Cell]] = field(default_factory=list)
    merges: list[Merge] = field(default_factory=list)
    hidden: bool = False


def fill_in(
    form: Form,
    frame: pl.DataFrame,
    unit: str,
    year: int,
    filled_in: date,
    *,
    style: Style = TIDY,
    draws: Random | None = None,
    without: str | None = None,
    spoilt: str | None = None,
) -> SampleSheet:
    """``frame`` on a sheet in ``style``.

    Title, unit of money where the form has 万元, header, rows, a total where the form has one, and
    the office that filled it in on ``filled_in``. ``draws`` decides what a style leaves to chance;
    ``without`` names a column that is left out, ``spoilt`` one whose first cell is no value.
    """
    draws = draws or Random(0)
    columns = [column for column in form.columns if column.name != without]
    if style.shuffled:
        rest = columns[1:]
        draws.shuffle(rest)
        columns = [columns[0], *rest]
    cells = [_column_cells(column, frame, style) for column in columns]
    if spoilt is not None:
        cells[[column.name for column in columns].index(spoilt)][0] = "待核实"
    headers = [_header(column, style, draws) for column in columns]
    sums = [_sum(column, frame) for column in columns]
    if style.year_column:
        cells.insert(0, [year] * frame.height)
        headers.insert(0, "年份")
        sums.insert(0, None)
    if style.numbered:
        cells.insert(0, list(range(1, frame.height + 1)))
        headers.insert(0, "序号")
        sums.insert(0, None)
    if style.remarks:
        cells.append([None] * frame.height)
        headers.append("备注")
        sums.append(None)
    sheet = SampleSheet(form.zh, [[_title(form, unit, year, style)]], [(0, 0, 0, len(headers) - 1)])
    if any(column.unit == "万元" for column in columns) and style.money != "yuan_header":
        sheet.rows.append(["单位：元" if style.money == "yuan_above" else "单位：万元"])
    _add_header(sheet, headers, style)
    if style.index_row:
        words = ["甲", "乙"] if len(headers) > 4 else ["甲"]
        sheet.rows.append([*words, *range(1, len(headers) - len(words) + 1)])
    body: list[list[Cell]] = [list(row) for row in zip(*cells, strict=True)]
    if form.name in _TOTALLED:
        if style.subtotals:
            body = _with_subtotals(body, len(headers))
        body.append(["合计", *sums[1:]])
    sheet.rows.extend(body)
    sheet.rows.append(["填表人：教育股", "审核人：办公室", f"填报日期：{filled_in.isoformat()}"])
    return sheet


def _title(form: Form, unit: str, year: int, style: Style) -> str:
    when = {
        "year": f"{year}年",
        "school_year": f"{year}—{year + 1}学年",
        "school_year_slash": f"{year}/{year + 1}学年度",
        "no_year": "",
    }[style.title]
    return f"{unit}{when}{form.zh}"


def _header(column: Column, style: Style, draws: Random) -> str:
    name = column.header
    if style.aliases and column.aliases:
        name = draws.choice((name, *column.aliases))
    unit = column.unit
    if unit == "万元" and style.money != "wan":
        unit = "元" if style.money == "yuan_header" else None
    return f"{name}({unit})" if unit else name


def _add_header(sheet: SampleSheet, headers: Sequence[str], style: Style) -> None:
    """Write the header in one row, or in two: what neighbours share stands above them, merged."""
    if not style.split_header:
        sheet.rows.append(list(headers))
        return
    upper: list[Cell] = list(headers)
    lower: list[Cell] = [None] * len(headers)
    top = len(sheet.rows)
    column = 0
    while column < len(headers):
        pair = headers[column : column + 2]
        shared = commonprefix(pair)
        if len(pair) == 2 and len(shared) > 1 and shared not in pair:
            upper[column : column + 2] = [shared, None]
            lower[column : column + 2] = [header.removeprefix(shared) for header in pair]
            sheet.merges.append((top, column, top, column + 1))
            column += 2
        else:
            sheet.merges.append((top, column, top + 1, column))
            column += 1
    sheet.rows += [upper, lower]


def _with_subtotals(body: Sequence[list[Cell]], width: int) -> list[list[Cell]]:
    """小计 after every so many rows; only its label, as many leave it."""
    rows: list[list[Cell]] = []
    for number, row in enumerate(body, 1):
        rows.append(row)
        if number % _SUBTOTAL_EVERY == 0:
            rows.append(["小计", *[None] * (width - 1)])
    return rows


def _sum(column: Column, frame: pl.DataFrame) -> Cell:
    if column.kind is not Kind.INT or column.name in _NOT_SUMMED:
        return None
    return int(frame[column.name].sum())


def _column_cells(column: Column, frame: pl.DataFrame, style: Style) -> list[Cell]:
    values = frame[column.name]
    if column.kind is Kind.BOOL:
        # Here 无 would be a no, so nothing given stays nothing.
        blank = None if style.blank == "无" else style.blank
        words: dict[bool | None, Cell] = {True: style.yes_no[0], False: style.yes_no[1]}
        return [words.get(value, blank) for value in values.to_list()]
    write = _writer(column, style)
    return [style.blank if value is None else write(value) for value in values.to_list()]


def _writer(column: Column, style: Style) -> Callable[[object], Cell]:
    """Return how a value of ``column`` is typed in ``style``."""
    match column.kind:
        case Kind.INT:
            return _number_writer(column, style)
        case Kind.NUMBER:
            factor = 10_000 if column.unit == "万元" and style.money != "wan" else 1
            return lambda value: _plain(_decimal(value) * factor)
        case Kind.GRADE:
            return lambda value: _grade(_int(value), style)
        case Kind.TIME:
            return lambda value: _time(value, style)
        case Kind.DATE:
            return lambda value: _date(value, style)
        case Kind.CODE if style.codes == "number":
            return lambda value: int(str(value))
        case Kind.CODE if style.codes == "apostrophe":
            return lambda value: f"'{value}"
        case Kind.TEXT if style.spaced and column.name in ("institution_name", "township"):
            return lambda value: _spaced(str(value))
        case _:
            return str


def _number_writer(column: Column, style: Style) -> Callable[[object], Cell]:
    if column.name in ("age", "founded_year"):
        return _int
    match style.digits:
        case "text":
            return str
        case "fullwidth":
            return lambda value: str(value).translate(_WIDE)
        case "thousands":
            return lambda value: f"{_int(value):,}"
        case "with_unit" if any(word in column.header for word in _PEOPLE):
            return lambda value: f"{value}人"
        case _:
            return _int


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _decimal(value: object) -> Decimal:
    assert isinstance(value, Decimal)
    return value


def _plain(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _grade(grade: int, style: Style) -> Cell:
    if style.grades == "old" and grade in _GRADES_OLD:
        return _GRADES_OLD[grade]
    if style.grades != "number" and grade in _GRADES_NEW:
        return f"{_GRADES_NEW[grade]}年级"
    return grade if style.grades == "number" else _GRADES_OLD[grade]


def _time(value: object, style: Style) -> Cell:
    assert isinstance(value, time)
    match style.times:
        case "plain":
            return f"{value.hour}:{value.minute:02d}"
        case "wide":
            return f"{value.hour}：{value.minute:02d}"
        case "words":
            return f"{value.hour}点{value.minute:02d}分"
        case "seconds":
            return value.isoformat()
        case "fraction":
            return (value.hour * 60 + value.minute) / 1440
        case "cell":
            return value


def _date(value: object, style: Style) -> Cell:
    assert isinstance(value, date)
    match style.dates:
        case "iso":
            return value.isoformat()
        case "slashes":
            return f"{value.year}/{value.month}/{value.day}"
        case "words":
            return f"{value.year}年{value.month}月{value.day}日"
        case "cell":
            return value


def _spaced(name: str) -> str:
    """Return a short name stretched with a space, a long one with a space behind it."""
    return f"{name[0]} {name[1:]}" if len(name) < 7 else f"{name} "
