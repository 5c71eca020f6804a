"""How one sheet is filled in: every liberty that docs/contract.md, *Sheets*, allows, and the tidy way.

A :class:`Style` without arguments is a sheet as the blank template has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from transforms.forms import Form, packaged_forms

Title = Literal["year", "school_year", "school_year_slash", "no_year"]
Digits = Literal["plain", "text", "fullwidth", "thousands", "with_unit"]
Times = Literal["cell", "plain", "wide", "words", "seconds", "fraction"]
Dates = Literal["cell", "iso", "slashes", "words"]
Money = Literal["wan", "yuan_header", "yuan_above"]
Grades = Literal["number", "new", "old"]
Codes = Literal["text", "number", "apostrophe"]

#: Forms of the calendar year; no school year fits into their title.
CALENDAR_FORMS = frozenset(
    form.name for form in packaged_forms().values() if form.deadline.years_after
)

_YES_NO = (("是", "否"), ("有", "无"), ("√", "×"), ("Y", "N"), (1, 0), ("1", "0"))


@dataclass(frozen=True, kw_only=True)
class Style:
    """The manner of one sheet.

    ``year_column`` adds 年份, ``numbered`` 序号 and ``remarks`` 备注, the last two of which no form
    knows. ``blank`` stands for nothing given. ``subtotals`` puts 小计 among the rows, ``index_row``
    甲 乙 1 2 below the header; ``split_header`` spreads the header over two rows.
    """

    title: Title = "year"
    year_column: bool = False
    numbered: bool = False
    remarks: bool = False
    aliases: bool = False
    shuffled: bool = False
    split_header: bool = False
    index_row: bool = False
    subtotals: bool = False
    digits: Digits = "plain"
    yes_no: tuple[str | int, str | int] = ("是", "否")
    times: Times = "cell"
    dates: Dates = "cell"
    money: Money = "wan"
    grades: Grades = "number"
    codes: Codes = "text"
    blank: str | None = None
    spaced: bool = False


TIDY = Style()


def draw_style(form: Form, draws: Random) -> Style:
    """Return the manner in which somebody fills in ``form``; about half of each liberty is taken."""
    titles: list[Title] = ["year", "year", "no_year"]
    if form.name not in CALENDAR_FORMS:
        titles += ["school_year", "school_year_slash"]
    digits: list[Digits] = ["plain", "plain", "text", "fullwidth", "thousands", "with_unit"]
    times: list[Times] = ["cell", "plain", "wide", "words", "seconds", "fraction"]
    dates: list[Dates] = ["cell", "iso", "slashes", "words"]
    money: list[Money] = ["wan", "yuan_header", "yuan_above"]
    grades: list[Grades] = ["number", "new", "old"]
    codes: list[Codes] = ["text", "text", "number", "apostrophe"]
    title = draws.choice(titles)
    split = bool(form.key or form.row_checks) and draws.random() < 0.2
    return Style(
        title=title,
        year_column=title == "no_year" and draws.random() < 0.3,
        numbered=draws.random() < 0.3,
        remarks=draws.random() < 0.3,
        aliases=draws.random() < 0.4,
        shuffled=not split and draws.random() < 0.3,
        split_header=split,
        index_row=bool(form.key) and draws.random() < 0.2,
        subtotals=draws.random() < 0.25,
        digits=draws.choice(digits),
        yes_no=draws.choice(_YES_NO),
        times=draws.choice(times),
        dates=draws.choice(dates),
        money=draws.choice(money),
        grades=draws.choice(grades),
        codes=draws.choice(codes),
        blank=draws.choice((None, None, "-", "—", "/", "无")),
        spaced=draws.random() < 0.25,
    )
