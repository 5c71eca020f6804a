"""Valid rows of any form, written in any manner that docs/contract.md, *Cells*, allows, are read back equal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from random import Random
from typing import Any, Literal
from zipfile import ZipFile

import polars as pl
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests.transforms.conftest import HandIn, MakePaper, Writers
from transforms.formats import column_letters
from transforms.forms import FORMS, Column, Form, Kind

WIDE = str.maketrans("0123456789,.%:-", "０１２３４５６７８９，．％：－")
YES_NO = (("是", "否"), ("有", "无"), ("√", "×"), ("Y", "N"), ("1", "0"), (1, 0))
GRADES = {
    **{grade: f"{word}年级" for grade, word in enumerate("一二三四五六七八九", 1)},
    **{grade: f"高{word}" for grade, word in enumerate("一二三", 10)},
}
OLD_GRADES = {grade: f"初{word}" for grade, word in enumerate("一二三", 7)}
#: Forms of the calendar year: no school year fits into their titles.
CALENDAR = ("finance", "salary")

Place = Literal["column", "title", "school year", "sheet", "file", "folder"]
#: Formats that have sheets and merged cells, and encodings of delimited text.
WORKBOOKS = {
    "xlsx": ".xlsx",
    "xls": ".et",
    "ods": ".ods",
    "html": ".xls",
    "spreadsheetml": ".xls",
    "zip": ".zip",
}
TEXTS = ("utf-8", "utf-8-sig", "gb18030", "utf-16")
#: Cells merged downwards say the same of each of their rows if they hold words.
WORDS = (Kind.TEXT, Kind.CODE, Kind.CHOICE, Kind.GRADE)


@dataclass(frozen=True)
class Manner:
    """How one sheet is filled in; what it leaves open, ``draws`` decides cell by cell."""

    form: Form
    first: int
    size: int
    shape: str
    delimiter: str
    year: Place
    unit_above: str | None
    lines_above: int
    two_rows: bool
    index_row: bool
    totals: int
    notes: int
    blanks: int
    margin: int
    gaps: int
    parts: int
    hidden: bool
    cover: bool
    beside: bool
    merged_down: bool
    unknown: tuple[str, ...]
    draws: Random


@st.composite
def manners(draw: st.DrawFn, shapes: Sequence[str] = (*WORKBOOKS, *TEXTS)) -> Manner:
    form = FORMS[draw(st.sampled_from(sorted(FORMS)))]
    shape = draw(st.sampled_from(shapes))
    is_workbook = shape in WORKBOOKS
    places: list[Place] = ["column", "title", "file", "folder"]
    if is_workbook:
        places.append("sheet")
    if form.name not in CALENDAR:
        places.append("school year")
    return Manner(
        form=form,
        first=draw(st.integers(0, 60)),
        size=draw(st.integers(1, 6)),
        shape=shape,
        delimiter=draw(st.sampled_from((",", ";", "\t"))),
        year=draw(st.sampled_from(places)),
        unit_above=draw(st.sampled_from((None, None, "元", "万元", "人"))),
        lines_above=draw(st.integers(0, 4)),
        # Text files have no merged cells.
        two_rows=is_workbook and draw(st.booleans()),
        index_row=draw(st.booleans()),
        totals=draw(st.integers(0, 2)),
        notes=draw(st.integers(0, 2)),
        blanks=draw(st.integers(0, 2)),
        margin=draw(st.integers(0, 2)),
        gaps=draw(st.integers(0, 2)),
        parts=draw(st.integers(1, 3)) if is_workbook and form.name != "finance" else 1,
        hidden=shape not in ("html", *TEXTS) and draw(st.booleans()),
        cover=is_workbook and draw(st.booleans()),
        beside=is_workbook and draw(st.booleans()),
        merged_down=is_workbook and draw(st.booleans()),
        unknown=tuple(draw(st.lists(st.sampled_from(("序号", "备注", "联系部门")), unique=True))),
        draws=draw(st.randoms(use_true_random=False)),
    )


def header(column: Column, manner: Manner) -> tuple[str, int]:
    """A header of ``column``, and the power of ten by which its amounts are larger than kept."""
    draws = manner.draws
    if column.is_money:
        own = draws.choice((column.unit, "元", "万元", None))
        used = own or (manner.unit_above if manner.unit_above in ("元", "万元") else column.unit)
        assert used is not None and column.unit is not None
        power = (4 if column.unit.startswith("万") else 0) - (4 if used.startswith("万") else 0)
        left, right = draws.choice(("()", "（）"))
        return column.header + (f"{left}{own}{right}" if own else ""), power
    name = draws.choice((column.header, *column.aliases))
    decorations = [name, f" {name}", f"{name[:2]} {name[2:]}", f"{name[:2]}\n{name[2:]}"]
    if column.kind is Kind.INT and column.name not in ("age", "founded_year"):
        decorations += [f"{name}(人)", f"{name}（个）"]
    return draws.choice(decorations), 0


def figure(number: int | Decimal, unit: str, draws: Random) -> Any:
    """A number as people type it."""
    whole = number == int(number)
    text = str(int(number)) if whole else f"{number:f}".rstrip("0")
    grouped = f"{int(number):,}" + ("" if whole else "." + text.partition(".")[2])
    plain = int(number) if whole else float(number)
    return draws.choice(
        (
            plain,
            text,
            text.translate(WIDE),
            grouped,
            grouped.translate(WIDE),
            f" {text}",
            f"'{text}",
        )
        + ((f"{text}{unit}", f"{grouped} {unit}") if unit else ())
    )


def typed(column: Column, value: Any, power: int, draws: Random) -> Any:
    """``value`` as somebody types it into a cell."""
    if value is None:
        nothing = (None, None, "-", "—", "/", " ")
        return draws.choice(nothing if column.kind is Kind.BOOL else (*nothing, "无"))
    match column.kind:
        case Kind.TEXT if column.name in ("institution_name", "township"):
            cut = draws.randrange(1, len(value)) if len(value) > 1 else 0
            return draws.choice((value, f"{value[:cut]} {value[cut:]}", f" {value}　"))
        case Kind.CODE:
            return draws.choice(
                (value, int(value), f"'{value}", value.translate(WIDE), f" {value}")
            )
        case Kind.INT if column.name in ("age", "founded_year"):
            return draws.choice((value, str(value), str(value).translate(WIDE)))
        case Kind.INT:
            return figure(value, draws.choice(("人", "所", "个")), draws)
        case Kind.NUMBER:
            unit = "" if not column.is_money else {4: "元", -4: "万元"}.get(power, "")
            return figure(value * Decimal(10) ** power, unit, draws)
        case Kind.BOOL:
            return draws.choice(YES_NO)[0 if value else 1]
        case Kind.GRADE:
            return draws.choice((value, str(value), GRADES[value], OLD_GRADES.get(value, value)))
        case Kind.TIME:
            hour, minute = value.hour, f"{value.minute:02d}"
            plain = f"{hour}:{minute}"
            return draws.choice(
                (
                    *(
                        plain,
                        plain.translate(WIDE),
                        f"{hour}点{minute}分",
                        f"{hour:02d}:{minute}:00",
                    ),
                    *(value, (hour * 60 + value.minute) / 1440),
                )
            )
        case Kind.DATE:
            slashed = f"{value.year}/{value.month}/{value.day}"
            words = f"{value.year}年{value.month}月{value.day}日"
            return draws.choice((value, value.isoformat(), slashed, words, words.translate(WIDE)))
    return draws.choice((value, f" {value}", f"{value} "))


def spread(headers: Sequence[str], top: int, draws: Random) -> tuple[list[list[Any]], list[Any]]:
    """The header over two rows, and its merged cells: what neighbours share stands above them."""
    upper: list[Any] = [None] * len(headers)
    lower: list[Any] = [None] * len(headers)
    merges = []
    place = 0
    while place < len(headers):
        here = headers[place]
        after = headers[place + 1] if place + 1 < len(headers) else ""
        shared = 0
        while shared < min(len(here), len(after)) and here[shared] == after[shared]:
            shared += 1
        if 1 < shared < min(len(here), len(after)) and here[:shared].strip():
            upper[place] = here[:shared]
            lower[place], lower[place + 1] = here[shared:], after[shared:]
            merges.append((top, place, top, place + 1))
            place += 2
            continue
        if after and draws.random() < 0.2:
            upper[place] = draws.choice(("其中", "基本情况", "有关信息"))
            lower[place], lower[place + 1] = here, after
            merges.append((top, place, top, place + 1))
            place += 2
            continue
        upper[place] = here
        merges.append((top, place, top + 1, place))
        place += 1
    return [upper, lower], merges


def fill(manner: Manner, sheet: Any, rows: pl.DataFrame) -> Any:
    """Fill ``sheet`` with ``rows`` in this manner."""
    form, draws = manner.form, manner.draws
    columns: list[Column | str] = [*form.columns, *manner.unknown]
    if manner.year == "column":
        columns.append("年份")
    draws.shuffle(columns)

    sheet.name = "2020年" if manner.year == "sheet" else "报表"
    title = {"title": "2020年", "school year": draws.choice(("2020—2021学年", "2020/2021学年度"))}
    sheet.above = [[f"义县{title.get(manner.year, '')}{form.zh}"]]
    fillers = ([], ["附件2"], [None, "填报单位：义县教育局"], ["请如实填写，不得漏报。"])
    sheet.above += [list(draws.choice(fillers)) for _ in range(manner.lines_above)]
    if manner.unit_above:
        sheet.above.append([None, f"单位：{manner.unit_above}"])

    headers: list[str] = []
    cells: list[list[Any]] = []
    for column in columns:
        if isinstance(column, str):
            headers.append(column)
            contents = {"序号": list(range(1, len(rows) + 1)), "年份": [2020] * len(rows)}
            cells.append(contents.get(column, [None] * len(rows)))
        else:
            text, power = header(column, manner)
            headers.append(text)
            cells.append([typed(column, value, power, draws) for value in rows[column.name]])
    sheet.merges = []
    sheet.header = [headers]
    if manner.two_rows:
        sheet.header, sheet.merges = spread(headers, len(sheet.above), draws)
    if manner.index_row:
        words = ["甲", "乙"][: len(headers) - 1]
        sheet.header.append([*words, *range(1, len(headers) - len(words) + 1)])

    top = len(sheet.above) + len(sheet.header)
    if manner.merged_down and not manner.totals and not manner.blanks:
        for place, column in enumerate(columns):
            if isinstance(column, Column) and column.kind in WORDS:
                sheet.merges += merge_down(cells[place], rows[column.name].to_list(), top, place)
    sheet.rows = [list(row) for row in zip(*cells, strict=True)]
    if form.name != "finance":
        for _ in range(manner.totals):
            total = [draws.choice(("合计", "小计", "总计", "合 计")), *[None] * (len(headers) - 1)]
            sheet.rows.insert(draws.randint(1, len(sheet.rows)), total)
    for _ in range(manner.blanks):
        sheet.rows.insert(draws.randint(0, len(sheet.rows)), [None] * len(headers))
    notes = (
        ["填表人：教育股", "审核人：办公室"],
        ["填报日期：2021年1月5日"],
        ["注：截至九月三十日。"],
    )
    sheet.below = [list(draws.choice(notes)) for _ in range(manner.notes)]
    for _ in range(manner.gaps):
        widen(sheet, draws.randint(1, len(headers)), len(headers))
    for _ in range(manner.margin):
        widen(sheet, 0, len(headers))
    return sheet


def merge_down(
    cells: list[Any], values: list[Any], top: int, place: int
) -> list[tuple[int, int, int, int]]:
    """Merge the cells of a column whose values repeat; what they hold stands in the first."""
    merges = []
    first = 0
    for row in range(1, len(values) + 1):
        if row < len(values) and values[row] == values[first] and values[first] is not None:
            cells[row] = None
        else:
            if row - first > 1:
                merges.append((top + first, place, top + row - 1, place))
            first = row
    return merges


def widen(sheet: Any, place: int, width: int) -> None:
    """Put a blank column before ``place``, unless that would part cells merged across it."""
    if any(left < place <= right for _, left, _, right in sheet.merges):
        return
    for line in (*sheet.header, *sheet.rows):
        line.insert(place, None)
    if place == 0:
        for line in (*sheet.above, *sheet.below):
            line.insert(0, None)
    sheet.merges = [
        (top, left + (left >= place), bottom, right + (right >= place))
        for top, left, bottom, right in sheet.merges
    ]


def write(
    manner: Manner, rows: pl.DataFrame, paper: MakePaper, written: Writers
) -> tuple[bytes, str]:
    """A file that holds ``rows`` in this manner, and its path."""
    form = manner.form
    folder = "2020年" if manner.year == "folder" else "上报"
    stem = f"义县/{folder}/" + ("2020年报表" if manner.year == "file" else "报表")
    if manner.shape not in WORKBOOKS:
        ending = ".tsv" if manner.delimiter == "\t" else ".csv"
        sheet = fill(manner, paper(form.name, 0), rows)
        return sheet.csv(manner.shape, manner.delimiter), stem + ending
    size = -(-rows.height // manner.parts)
    sheets = [fill(manner, paper(form.name, 0), part) for part in rows.iter_slices(size)]
    for number, sheet in enumerate(sheets[1:], 2):
        sheet.name += f" ({number})"
    if manner.cover:
        cover = paper(form.name, 0)
        cover.name, cover.header = "封面", [["教育统计报表"], ["共十一张表", None, "义县教育局"]]
        sheets.insert(0, cover)
    if manner.beside:
        other = paper("population" if form.name != "population" else "class")
        other.name = "另表"
        sheets.append(other)
    if manner.hidden and (manner.cover or manner.beside):
        for sheet in sheets:
            sheet.hidden = sheet.name not in ("封面", "另表")
    return written[manner.shape](sheets), stem + WORKBOOKS[manner.shape]


@given(manner=manners())
@settings(max_examples=60, deadline=None)
def test_what_is_written_in_any_manner_is_read_back_equal(
    manner: Manner,
    city: dict[str, pl.DataFrame],
    paper: MakePaper,
    written: Writers,
    hand_in: HandIn,
) -> None:
    form, all_rows = manner.form, city[manner.form.name]
    first = manner.first % max(1, all_rows.height - manner.size + 1)
    # The amounts of finance add up over all of its rows.
    rows = all_rows if form.name == "finance" else all_rows.slice(first, manner.size)
    content, path = write(manner, rows, paper, written)
    outcome = hand_in(content, path)
    note("; ".join(entry["message_en"] for entry in outcome.findings))
    assert set(outcome.rules) <= ({f"{form.code}-W01"} if manner.unknown else set())
    assert len(outcome.submissions) == 1 + manner.beside
    for submission in outcome.submissions:
        assert submission["accepted"]
        assert submission["year"] == 2020
        assert submission["rows_read"] == submission["rows_loaded"] + submission["rows_ignored"]
    (mine,) = (entry for entry in outcome.submissions if entry["form"] == form.name)
    assert mine["rows_loaded"] == rows.height
    assert outcome.values(form.name).equals(rows)


#: Marks that nobody sees, and blanks of other widths.
UNSEEN = "\u200b\u200c\u200d\u2060\u202a\u202c\u2066\u2069\u00ad\ufe0f\ufeff\u00a0\u3000"


def marked(text: bytes, draws: Random) -> bytes:
    """Text of a sheet or a string table with a mark that nobody sees within one of its words."""
    words = text.decode()
    inside = [i for i, sign in enumerate(words) if "\u4e00" <= sign <= "\u9fff"]
    if not inside:
        return text
    place = draws.choice(inside)
    return (words[:place] + draws.choice(UNSEEN) + words[place:]).encode()


def without_places(sheet: bytes, _: Random) -> bytes:
    """Cells that do not say where they stand, in the rows that have no gap before or between them."""

    def bare(row: re.Match[bytes]) -> bytes:
        letters = [name.decode() for name in re.findall(rb'<c r="([A-Z]+)', row[0])]
        if letters != [column_letters(i) for i in range(len(letters))]:
            return row[0]
        return re.sub(rb'<c r="[A-Z]+[0-9]+"', b"<c", row[0])

    return re.sub(rb"<row .*?</row>", bare, sheet, flags=re.DOTALL)


def in_single_quotes(sheet: bytes, _: Random) -> bytes:
    """Attributes in single quotes."""
    return re.sub(rb'="([^"\'<>]*)"', rb"='\1'", sheet)


def prefixed(sheet: bytes, _: Random) -> bytes:
    """Every element with a prefix."""
    named = sheet.replace(b' xmlns="', b' xmlns:x="', 1)
    return re.sub(rb"<(/?)([A-Za-z])", rb"<\1x:\2", named)


def with_formulas(sheet: bytes, draws: Random) -> bytes:
    """Figures that are formulas, some of which nobody has calculated."""

    def made(cell: re.Match[bytes]) -> bytes:
        ways = (cell[0], b"%s<f>SUM(1)</f>%s" % (cell[1], cell[2]), cell[1] + b"<f>SUM(1)</f>")
        return draws.choice(ways)

    return re.sub(rb'(<c r="[A-Z]+[0-9]+"(?: s="[0-9]+")?>)(<v>[0-9.]+</v>)', made, sheet)


def of_one_cell(sheet: bytes, _: Random) -> bytes:
    """A sheet that says it has one cell."""
    return re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', sheet)


#: Ways in which programs write sheets, that all mean the same or must be told.
HABITS = (marked, without_places, in_single_quotes, prefixed, with_formulas, of_one_cell)


def rewritten(workbook: bytes, draws: Random) -> bytes:
    """A workbook as a number of other programs might have written it."""
    habits = [habit for habit in HABITS if draws.random() < 0.5]
    out = BytesIO()
    with ZipFile(BytesIO(workbook)) as source, ZipFile(out, "w") as target:
        for name in source.namelist():
            part = source.read(name)
            if name.startswith("xl/worksheets/sheet"):
                for habit in habits:
                    if habit is not marked:
                        part = habit(part, draws)
            elif name == "xl/sharedStrings.xml" and marked in habits:
                part = marked(part, draws)
            elif name == "xl/workbook.xml" and with_formulas in habits:
                part = re.sub(rb"<calcPr [^>]*/>", b'<calcPr calcId="1" fullCalcOnLoad="1"/>', part)
            target.writestr(name, part)
    return out.getvalue()


def miswritten(text: str, encoding: str, delimiter: str, draws: Random) -> bytes:
    """Delimited text with a quote that is never closed, a line in another encoding, or an unseen mark."""
    lines = text.split("\r\n")
    line = draws.randrange(len(lines))
    match draws.choice(("quote", "encoding", "mark")):
        case "quote":
            cells = lines[line].split(delimiter)
            place = draws.randrange(len(cells))
            cells[place] = '"' + cells[place]
            lines[line] = delimiter.join(cells)
        case "encoding":
            other = "gb18030" if encoding.startswith("utf") else "utf-8"
            return b"\r\n".join(
                each.encode(other if i == line else encoding) for i, each in enumerate(lines)
            )
        case "mark":
            lines[line] = marked(lines[line].encode(), draws).decode()
    return "\r\n".join(lines).encode(encoding, "ignore")


@given(manner=manners(("xlsx", "utf-8", "gb18030")))
@settings(max_examples=60, deadline=None)
def test_what_other_programs_write_is_read_back_equal_or_goes_back(
    manner: Manner,
    city: dict[str, pl.DataFrame],
    paper: MakePaper,
    written: Writers,
    hand_in: HandIn,
) -> None:
    form, all_rows = manner.form, city[manner.form.name]
    first = manner.first % max(1, all_rows.height - manner.size + 1)
    rows = all_rows if form.name == "finance" else all_rows.slice(first, manner.size)
    content, path = write(manner, rows, paper, written)
    if manner.shape == "xlsx":
        content = rewritten(content, manner.draws)
    else:
        text = content.decode(manner.shape)
        content = miswritten(text, manner.shape, manner.delimiter, manner.draws)
    outcome = hand_in(content, path)
    note("; ".join(entry["message_en"] for entry in outcome.findings))
    mine = [entry for entry in outcome.submissions if entry["form"] == form.name]
    if mine and all(entry["accepted"] for entry in mine):
        assert sum(entry["rows_loaded"] for entry in mine) == rows.height
        assert outcome.values(form.name).equals(rows)
    else:
        assert outcome.errors
