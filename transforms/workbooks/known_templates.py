"""Templates that begin with what is known of a unit: last year's institutions and figures.

The sheet has the form's own header, so that it comes back readable; beside each figure stands last
year's in grey, in a column that the reader passes over. Totals and checks are live formulas and
colours, and only the cells to fill can be changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.workbook import Workbook
from xlsxwriter.worksheet import Worksheet

from transforms.forms import Column, Form, Kind
from transforms.workbooks.templates import (
    EXAMPLE_SHEET,
    EXPLANATION_ROW,
    FIRST_ROW,
    HEADER_ROW,
    NO_TIME,
    NUMBER_FORMATS,
    Lists,
    drop_down,
    explanation_of,
    header_format,
    on_a4,
    validation_of,
    width_of,
    write_example,
    write_top,
)

GUIDE = Path(__file__).with_name("guide.md")
GUIDE_SHEET = "填报说明"
#: The header of last year's figures; the reader knows and ignores it.
LAST_YEAR = "上年数"

#: Rows left for what is new, in forms whose rows have no end of their own.
_SPARE_ROWS = 30
_RED, _ORANGE, _GREY = "#FFC7CE", "#FCE4D6", "#808080"
#: Figures that add up to nothing, and that stay as they are from year to year.
_LASTING = ("founded_year", "age", "grade")
_COMPULSORY = ("小学", "初中", "九年一贯制学校", "十二年一贯制学校", "完全中学")
_YES = ("是",)


@dataclass(frozen=True)
class Needed:
    """A column that must be filled in where another one holds one of ``values``; in words for people."""

    column: str
    where: str
    values: tuple[str, ...]
    zh: str


#: What is needed in which case, beside what is always required (docs/plan.md, *Blank answers*).
NEEDED: Mapping[str, tuple[Needed, ...]] = {
    "kindergarten": (
        Needed("institution_code", "licensed", _YES, "取得办园许可的必填"),
        Needed("residential_governed", "residential_quarter", _YES, "小区配套园必填"),
        Needed("supervisor_assigned", "licensed", _YES, "取得办园许可的必填"),
    ),
    "school": (
        *(
            Needed(name, "stage", _COMPULSORY, "义务教育阶段学校必填")
            for name in ("arrival_time", "class_start_time", "after_school_service")
        ),
        Needed("boarding_standard", "boarding", _YES, "寄宿制学校必填"),
        Needed(
            "conditions_standard", "urban_rural", ("镇区", "乡村"), "镇区、乡村义务教育学校必填"
        ),
        *(
            Needed(name, "ownership", ("公办", "民办"), "每校必填")
            for name in (
                *("supervisor_assigned", "digital_teaching", "cloud_platform"),
                *("mental_health_teacher", "party_organisation"),
            )
        ),
    ),
    "vocational": (
        Needed("transformed", "kind", ("县级职教中心",), "县级职教中心必填"),
        Needed("layout_adjusted", "kind", ("城区中职学校",), "城区中职学校必填"),
        Needed("integrated", "kind", ("城区中职学校",), "城区中职学校必填"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a unit before it fills in a form.

    ``rows`` are last year's, each a mapping of the form's columns; ``townships`` those of the year;
    ``items`` what the plan asks of the milestone form.
    """

    unit: tuple[str, str]
    year: int
    rows: Sequence[Mapping[str, object]] = ()
    townships: Sequence[str] = ()
    items: Sequence[str] = ()


def write_known_template(out: Path, form: Form, known: Known) -> None:
    """Write the workbook of ``form`` for one unit and year to ``out`` (an .xlsx)."""
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(out), options) as book:
        book.set_properties({"title": form.zh, "created": NO_TIME})
        sheet = book.add_worksheet(form.zh[:31])
        example = book.add_worksheet(EXAMPLE_SHEET)
        guide = book.add_worksheet(GUIDE_SHEET)
        lists = Lists(book)
        write_top(book, sheet, form, lists, [known.unit], [known.year])
        _Table(book, sheet, form, known, lists).write()
        write_example(book, example, form)
        _write_guide(book, guide)


class _Table:
    """The table to fill: rows that are known, spare ones, totals and signatures."""

    def __init__(
        self, book: Workbook, sheet: Worksheet, form: Form, known: Known, lists: Lists
    ) -> None:
        self.book, self.sheet, self.form = book, sheet, form
        self.known, self.lists = known, lists

    @cached_property
    def given(self) -> list[dict[str, object]]:
        """The rows that stand there: what of each lasts from one year to the next."""
        form = self.form
        if not form.key:
            return [{}]
        (key, *more) = form.key
        column = form.by_name[key]
        if not more and column.kind is Kind.INT and column.high is not None:
            return [{key: age} for age in range(column.low, column.high + 1)]
        if not more and column.choices:
            return [{key: choice} for choice in column.choices]
        if form.name == "milestone":
            before = [row["item"] for row in self.known.rows]
            items = dict.fromkeys([*self.known.items, *before])
            return [{"item": item} for item in items]
        return [
            {name: row.get(name) for name, column in form.by_name.items() if self.lasts(column)}
            for row in self.known.rows
        ]

    def lasts(self, column: Column) -> bool:
        """Return whether what stands in a column is mostly the same as last year."""
        if column.name in self.form.key or column.name in _LASTING:
            return True
        return column.kind in (Kind.TEXT, Kind.CODE, Kind.CHOICE) and self.form.name != "milestone"

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of every column, with room for last year's figure behind those that have one."""
        found, place = {}, 0
        for column in self.form.columns:
            found[column.name] = place
            place += 2 if self.has_last_year(column) else 1
        return found

    def has_last_year(self, column: Column) -> bool:
        """Return whether last year's figure stands beside a column."""
        figure = column.kind in (Kind.INT, Kind.NUMBER) and not self.lasts(column)
        return figure and bool(self.known.rows)

    @cached_property
    def before(self) -> dict[tuple[object, ...], Mapping[str, object]]:
        """Last year's rows by their keys."""
        return {tuple(row.get(name) for name in self.form.key): row for row in self.known.rows}

    @cached_property
    def rows(self) -> range:
        """The rows to fill (from 0)."""
        ends = not self.form.key or all(
            self.form.by_name[name].choices or self.form.by_name[name].high is not None
            for name in self.form.key
        )
        spare = 0 if ends and self.form.name != "milestone" else _SPARE_ROWS
        first = FIRST_ROW - 1
        return range(first, first + len(self.given) + spare)

    def write(self) -> None:
        """Write all of it."""
        for column in self.form.columns:
            self._write_column(column)
        below = self.rows.stop
        if self._write_totals(below):
            below += 1
        self._write_signatures(below + 1)
        self._colour()
        sheet = self.sheet
        sheet.set_row(EXPLANATION_ROW - 1, 60)
        sheet.set_row(HEADER_ROW - 1, 36)
        sheet.freeze_panes(HEADER_ROW, min(2, len(self.form.columns)))
        sheet.repeat_rows(HEADER_ROW - 1)
        sheet.protect("", {"format_columns": True, "format_rows": True, "autofilter": True})
        on_a4(sheet)
        sheet.activate()

    def _write_column(self, column: Column) -> None:
        place, last = self.places[column.name], self.rows.stop - 1
        style = {"num_format": NUMBER_FORMATS.get(column.kind, "General"), "locked": False}
        open_cell = self.book.add_format({**style, "border": 1, "border_color": "#BFBFBF"})
        small = self.book.add_format(
            {"font_size": 9, "font_color": "#595959", "text_wrap": True, "valign": "top"}
        )
        self.sheet.set_column(place, place, width_of(column))
        self.sheet.write_string(EXPLANATION_ROW - 1, place, self._explanation(column), small)
        self.sheet.write_string(
            HEADER_ROW - 1, place, column.titled, header_format(self.book, column)
        )
        for row in self.rows:
            number = row - self.rows.start
            value = self.given[number].get(column.name) if number < len(self.given) else None
            _write(self.sheet, row, place, value, open_cell)
        rule = self._rule(column)
        if rule is not None:
            self.sheet.data_validation(self.rows.start, place, last, place, rule)
        if self.has_last_year(column):
            self._write_last_year(column, place + 1)

    def _explanation(self, column: Column) -> str:
        needed = [one for one in NEEDED.get(self.form.name, ()) if one.column == column.name]
        text = explanation_of(column)
        return text.replace("可不填", needed[0].zh, 1) if needed else text

    def _rule(self, column: Column) -> dict[str, Any] | None:
        if column.name == "township" and self.known.townships:
            words = self.lists.source(list(self.known.townships))
            return drop_down(words, "请从当年的乡镇(街道)名单中选择") | {"error_type": "warning"}
        if column.name == "item" and self.known.items:
            words = self.lists.source(list(self.known.items))
            return drop_down(words, "规划的事项请从列表中选择") | {"error_type": "information"}
        return validation_of(column, self.lists)

    def _write_last_year(self, column: Column, place: int) -> None:
        grey = self.book.add_format({"font_color": _GREY, "font_size": 9, "italic": True})
        head = self.book.add_format(
            {"font_color": _GREY, "font_size": 9, "align": "center", "valign": "vcenter"}
        )
        self.sheet.set_column(place, place, 8)
        self.sheet.write_string(HEADER_ROW - 1, place, LAST_YEAR, head)
        for row, given in zip(self.rows, self.given, strict=False):
            key = tuple(given.get(name) for name in self.form.key)
            _write(self.sheet, row, place, self.before.get(key, {}).get(column.name), grey)

    def _figures(self) -> Iterator[Column]:
        for column in self.form.columns:
            if column.kind in (Kind.INT, Kind.NUMBER) and not self.lasts(column):
                yield column

    def _range(self, name: str, first: int | None = None) -> str:
        letter = xl_col_to_name(self.places[name])
        return (
            f"{letter}{(self.rows.start if first is None else first) + 1}:{letter}{self.rows.stop}"
        )

    def _write_totals(self, row: int) -> bool:
        """Write the row 合计 with live sums; give whether there is one."""
        if not self.form.key or self.form.name == "milestone":
            return False
        bold = self.book.add_format({"bold": True, "top": 1, "num_format": "0"})
        for check in self.form.total_checks:
            # The total is a row of the form itself: it is the sum of the rows below it.
            levels = [given[check.label] for given in self.given]
            place = self.rows.start + levels.index(check.total)
            amounts = self._range(check.amount, place + 1)
            money = self.book.add_format({"num_format": "#,##0.00####", "border": 1})
            self.sheet.write_formula(
                place, self.places[check.amount], f"=SUM({amounts})", money, ""
            )
            return False
        self.sheet.write_string(row, 0, "合计", bold)
        for column in self._figures():
            if column.unit is None or column.unit == "万元":
                place = self.places[column.name]
                self.sheet.write_formula(row, place, f"=SUM({self._range(column.name)})", bold, "")
        return True

    def _write_signatures(self, row: int) -> None:
        line = self.book.add_format({"locked": False})
        for place, words in enumerate(("填表人：", "审核人：", "负责人：", "填报日期：")):
            self.sheet.write_string(row, place, words, line)

    def _colour(self) -> None:
        """Colour what is needed and blank, and parts that are larger than their whole."""
        orange = self.book.add_format({"bg_color": _ORANGE})
        red = self.book.add_format({"bg_color": _RED})
        first = self.rows.start + 1
        at = {name: f"${xl_col_to_name(place)}{first}" for name, place in self.places.items()}
        for check in self.form.row_checks:
            columns = [self.form.by_name[name] for name in check.columns]
            if all(column.kind in (Kind.INT, Kind.NUMBER) for column in columns):
                part, *whole = check.columns
                wholes = "+".join(f"N({at[name]})" for name in whole)
                self._when(part, f"AND(ISNUMBER({at[part]}),{at[part]}>{wholes})", red)
        known_by = at[next(c.name for c in self.form.columns if c.kind is not Kind.CODE)]
        for column in self.form.columns:
            if column.required and self.form.key and at[column.name] != known_by:
                blank = f'AND({known_by}<>"",ISBLANK({at[column.name]}))'
                self._when(column.name, blank, orange)
        for one in NEEDED.get(self.form.name, ()):
            cases = ",".join(f'{at[one.where]}="{value}"' for value in one.values)
            self._when(one.column, f"AND(OR({cases}),ISBLANK({at[one.column]}))", orange)

    def _when(self, name: str, formula: str, look: Format) -> None:
        self.sheet.conditional_format(
            self._range(name), {"type": "formula", "criteria": f"={formula}", "format": look}
        )


def _write(sheet: Worksheet, row: int, place: int, value: object, look: Format) -> None:
    match value:
        case None:
            sheet.write_blank(row, place, None, look)
        case bool():
            sheet.write_string(row, place, "是" if value else "否", look)
        case int() | float() | Decimal():
            sheet.write_number(row, place, float(value), look)
        case _:
            sheet.write_string(row, place, str(value), look)


def _write_guide(book: Workbook, sheet: Worksheet) -> None:
    """Write the guide, a line of it in a row."""
    plain = book.add_format({"text_wrap": True, "valign": "top"})
    bold = book.add_format({"bold": True, "font_size": 12})
    sheet.set_column(0, 0, 110)
    for row, line in enumerate(guide_lines()):
        heading = line.startswith("#")
        sheet.write_string(row, 0, line.lstrip("# "), bold if heading else plain)
    on_a4(sheet)


def guide_lines() -> list[str]:
    """Return the guide without the marks of its format, a paragraph or row of a table in each line."""
    lines: list[str] = []
    for line in GUIDE.read_text("utf-8").splitlines():
        text = line.replace("**", "").replace("`", "")
        if text.startswith("| ---"):
            continue
        if text.startswith("|"):
            text = " — ".join(cell.strip() for cell in text.strip("|").split("|"))
        if line.startswith("  ") and lines:
            lines[-1] += text.strip()
        elif text:
            lines.append(text)
    return lines
