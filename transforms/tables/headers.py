"""Recognising a form on a sheet by its header row, and cutting the table out.

The header row is the only mark of a form; names of files and sheets do not count. Headers are
compared after NFKC, without white space and without a bracketed unit. A header over several rows
is read downwards, joined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property, lru_cache
from itertools import pairwise

import polars as pl

from transforms.characters import readable
from transforms.formats import Sheet, column_letters
from transforms.forms import FORMS, Column, Form, Kind
from transforms.tables.years import YearFound, find_year, find_year_in_lines

#: Titles and fillers above a header; a form whose header stands lower is not found.
HEADER_SEARCH_ROWS = 60
#: A header may be spread over this many rows.
HEADER_DEPTH = 3
#: The column that any form may have beside its own.
YEAR = Column(name="year", header="年份", kind=Kind.INT, en="Year of the data")
#: Stands between the texts of a row that are joined; no cell holds it.
APART = "\x1f"

#: Characters of a header, and of a line above a table, that are looked at.
_LONGEST_HEADER = 500
_LONGEST_LINE = 2_000
_BRACKETED = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|【([^【】]*)】|〔([^〔〕]*)〕")
_MONEY_UNIT = re.compile(r"(?:人民币)?((亿|千万|百万|十万|万|千|百)?元)(?:/.*|每.*)?")
#: 单位：万元 above a table; 填报单位 and the like name an office, not a unit of measure. What the
#: units are stands behind the label or, where that is alone in its cell, in the next one.
_UNIT_LABEL = re.compile(
    r"(?:(?<![\u4e00-\u9fff])|(?<=金额)|(?<=货币)|(?<=计量)|(?<=经费)|(?<=资金))单\s*位(?:为|是)?"
)
#: 填报单位：义县教育局, the office in the same cell or in the next one.
_OFFICE = re.compile(r"(?:填报|填表|报送|上报|编报)单位(?:名称)?(?:\([^()]*\))?\s*:?(.*)")
_WORDS = re.compile(r"[\u4e00-\u9fffA-Za-z]+")
_AND_REMARKS = re.compile(r"[,、;]")
_AND = re.compile(r"[和及与或]")
_MAGNITUDES = frozenset({"百", "千", "万", "十万", "百万", "千万", "亿"})
_POWERS = {None: 0, "百": 2, "千": 3, "万": 4, "十万": 5, "百万": 6, "千万": 7, "亿": 8}
_COUNTED = "人|所|名|个|件|项|班|处|园|户"
_SCALED_COUNT = re.compile(rf"(亿|万|千|百)(?:{_COUNTED})|[%‰]")
_FOREIGN_MONEY = re.compile(r"[¥$€£]|RMB|CNY|USD")
#: A cell under a header that says nothing but the unit: (元), 万元, 人.
_UNIT_ALONE = re.compile(
    rf"[(\[【〔]?(?:单位)?(?:(?:人民币)?[百千万十亿]*元(?:/.*|每.*)?|[百千万亿]?(?:{_COUNTED})|岁|%)[)\]】〕]?"
)
_MONTHLY = re.compile(r"月")
_OTHER_PERIOD = re.compile(r"年|学期|学年|季|天|日|周")
_INDEX_WORDS = frozenset("甲乙丙丁戊己庚辛壬癸ABCDEFGH")
_NOT_COUNTED = frozenset(("栏次", "栏号", "-", "—"))
#: The number of a column; one that is made of others says so: 4=5+6.
_INDEX_NUMBER = re.compile(r"([0-9]+)(?:=[0-9+\-*/()]+)?")
#: Words over a group of columns that add nothing to the headers below them.
_NEUTRAL_GROUP = re.compile(
    r"^(?!.*(?:公办|民办|城区|镇区|乡村|城市|农村|男|女|小学|初中|高中|中职))"
    r"(?:其中|.*(?:情况|信息|指标|项目|内容|数据|资料|条件|时间))$"
)


def normalise(header: str) -> str:
    """``header`` as headers are compared: NFKC, no white space, no colon, no star around it."""
    return _normalised(header[:_LONGEST_HEADER])


@lru_cache(maxsize=65536)
def _normalised(header: str) -> str:
    text = "".join(readable(header).split())
    return text.replace(":", "").strip("*※★☆▲")


@lru_cache(maxsize=65536)
def bare(header: str) -> str:
    """Return a normalised header without what stands in brackets."""
    return _BRACKETED.sub("", header)


def _lookup() -> dict[str, tuple[tuple[str, str], ...]]:
    known: dict[str, list[tuple[str, str]]] = {}
    for form in FORMS.values():
        for column in form.columns:
            for header in (column.header, *column.aliases):
                for key in {normalise(header), bare(normalise(header))}:
                    entry = known.setdefault(key, [])
                    if (form.name, column.name) not in entry:
                        entry.append((form.name, column.name))
    return {key: tuple(entry) for key, entry in known.items()}


KNOWN_HEADERS = _lookup()


@dataclass(frozen=True)
class HeaderIssue:
    """Something wrong with the header itself, or with how the sheet is written.

    ``rule`` is a number such as ``E01``; ``row`` that of its cells where it is not the header's.
    """

    rule: str
    column: str | None = None
    cells: tuple[str, ...] = ()
    row: int | None = None
    value: str | None = None
    other: str | None = None
    expected: str | None = None
    expected_en: str | None = None


@dataclass(frozen=True)
class Table:
    """One form found on one sheet.

    ``body`` has the submitted text of every known column under its name, and beside them ``row``
    (the row of the sheet, from 1), ``year_text`` (the column 年份, null where there is none),
    ``other`` (the text of all unknown columns, joined) and ``repeated`` (a header printed again).
    ``shift`` gives, for money columns, the power of ten that brings the text to the form's unit;
    ``unit`` the unit that the submitted amounts are in. ``office`` is who filled in the sheet, as the
    rows above the table say, and the cell in which it stands. ``merged_figures`` are column, first and
    last row of every figure that stands in a cell merged over several rows.
    """

    form: Form
    sheet: str
    body: pl.DataFrame
    columns: dict[str, int]
    header_row: int
    rows_above: int
    rows_read: int
    year_column: int | None
    shift: dict[str, int]
    unit: dict[str, str]
    title_year: YearFound | None
    sheet_year: YearFound | None
    issues: tuple[HeaderIssue, ...] = ()
    merged_figures: tuple[tuple[str, int, int], ...] = ()
    office: tuple[str, str] | None = None


@dataclass(frozen=True)
class Almost:
    """A sheet that shares a few headers with a form, too few to be read as it."""

    form: Form
    sheet: str
    missing: tuple[str, ...]


@dataclass
class _Match:
    form: Form
    row: int
    depth: int
    texts: list[str | None]
    #: The lowest text of a header below a group that adds nothing to it.
    lowest: list[str | None]
    columns: dict[str, list[int]] = field(default_factory=dict)

    @cached_property
    def year_columns(self) -> list[int]:
        """The columns 年份."""
        return [
            place
            for place, texts in enumerate(zip(self.texts, self.lowest, strict=True))
            if any(text and bare(text) == YEAR.header for text in texts)
        ]

    @property
    def is_plain(self) -> bool:
        """Whether all that must be there is, and nothing else."""
        named = sum(len(places) for places in self.columns.values()) + len(self.year_columns)
        return named == sum(text is not None for text in self.texts) and all(
            column.name in self.columns for column in self.form.required
        )

    @property
    def score(self) -> tuple[int, bool, float, int, int]:
        known = len(self.columns)
        share = known / len(self.form.columns)
        return (known, bool(self.year_columns), share, -self.depth, -self.row)


def recognise(sheet: Sheet) -> Table | Almost | None:
    """Return the form that stands on ``sheet``; None for a sheet that is no form at all."""
    cells = sheet.cells
    if cells.is_empty():
        return None
    top = cells.head(HEADER_SEARCH_ROWS + HEADER_DEPTH).rows()
    match = _best_match(top, sheet.merged)
    if match is None:
        return None
    found = sum(column.name in match.columns for column in match.form.required)
    needed = len(match.form.required)
    shared = len(match.columns)
    # One header alone (事项, 年龄) is that of many a list that is no form.
    beside = len(match.form.columns) > 3 or sum(text is not None for text in match.texts) > 3
    if shared < 2 and beside:
        return None
    if 2 * found < needed:
        if shared < 2:
            return None
        missing = tuple(c.header for c in match.form.required if c.name not in match.columns)
        return Almost(match.form, sheet.name, missing)
    return _cut(sheet, match, top)


def cell_name(row: int, column: int) -> str:
    """``E14`` for row 14 (from 1) and column 4 (from 0)."""
    return f"{column_letters(column)}{row}"


def is_known_header(text: str) -> bool:
    """Return whether some form has a column of that header."""
    return bool(_known(normalise(text)))


def _known(text: str) -> tuple[tuple[str, str], ...]:
    return KNOWN_HEADERS.get(text) or KNOWN_HEADERS.get(bare(text)) or ()


def _best_match(
    top: Sequence[tuple[str | None, ...]], merged: Sequence[tuple[int, int, int, int]]
) -> _Match | None:
    best: _Match | None = None
    rows: list[list[str | None]] = []
    for row in range(min(HEADER_SEARCH_ROWS, len(top))):
        rows += [
            [None if cell is None else normalise(cell) for cell in line]
            for line in top[len(rows) : row + HEADER_DEPTH]
        ]
        if not any(text is not None for text in rows[row]):
            continue
        for depth in range(1, min(HEADER_DEPTH, len(top) - row) + 1):
            if depth > 1 and not any(text and _known(text) for text in _hints(rows, row, depth)):
                continue
            texts, groups = _joined(rows, merged, row, depth)
            for match in _matches(texts, groups, row, depth):
                if best is None or match.score > best.score:
                    best = match
            # Nothing is left for the rows below to say.
            if best is not None and (best.row, best.depth) == (row, depth) and best.is_plain:
                break
        # A header that is complete ends the search, once every row of it was tried as its first:
        # a line above the header may otherwise be taken for its upper part.
        if (
            best is not None
            and row >= best.row + best.depth - 1
            and all(column.name in best.columns for column in best.form.required)
        ):
            break
    return best


def _hints(rows: list[list[str | None]], row: int, depth: int) -> list[str | None]:
    """Return the texts by which a header over ``depth`` rows gives itself away."""
    return [text for line in rows[row : row + depth] for text in line]


def _joined(
    rows: list[list[str | None]],
    merged: Sequence[tuple[int, int, int, int]],
    row: int,
    depth: int,
) -> tuple[list[str | None], list[str | None]]:
    """Return the header texts of ``depth`` rows joined downwards, and the lowest text where that differs.

    A group header stands above its columns either merged over them, or in the first of them with
    blank cells beside it.
    """
    width = len(rows[row])
    if depth == 1:
        return list(rows[row]), [None] * width
    lines = [list(line) for line in rows[row : row + depth]]
    for row0, col0, row1, col1 in merged:
        if row <= row0 < row + depth and col1 > col0 and row1 < row + depth:
            for column in range(col0 + 1, min(col1, width - 1) + 1):
                # A header merged over its own columns and rows is one header, not a group.
                if any(line[column] is not None for line in lines[row1 - row + 1 :]):
                    lines[row0 - row][column] = lines[row0 - row][col0]
    for upper, lower in pairwise(lines):
        for column in range(1, width):
            if upper[column] is None and lower[column] is not None and upper[column - 1]:
                above = upper[column - 1]
                if lines[-1][column - 1] is not None:
                    upper[column] = above
    texts: list[str | None] = []
    groups: list[str | None] = []
    for column in range(width):
        parts = [line[column] for line in lines if line[column] is not None]
        if not _known("".join(part for part in parts if part)):
            # What ends in a word that is a unit as well (小区配套 over 园) was a header already.
            parts[1:] = [_in_brackets(part) for part in parts[1:]]
        texts.append("".join(part for part in parts if part) or None)
        lowest = parts[-1] if len(parts) > 1 else None
        # 人数 over 班级人数 says nothing that the header below it does not say.
        neutral = all(
            part in (lowest or "") or _NEUTRAL_GROUP.match(part) for part in parts[:-1] if part
        )
        groups.append(lowest if neutral else None)
    return texts, groups


def _in_brackets(part: str | None) -> str | None:
    """Return a unit under a header as it would stand beside it: 元 becomes (元)."""
    bracketed = part is not None and part[:1] in "([【〔"
    return f"({part})" if part and not bracketed and _UNIT_ALONE.fullmatch(part) else part


def _matches(
    texts: list[str | None], groups: list[str | None], row: int, depth: int
) -> list[_Match]:
    by_form: dict[str, _Match] = {}
    for column, (text, lowest) in enumerate(zip(texts, groups, strict=True)):
        if text is None:
            continue
        for form_name, name in _known(text) or (_known(lowest) if lowest else ()):
            match = by_form.setdefault(
                form_name, _Match(FORMS[form_name], row, depth, texts, groups)
            )
            match.columns.setdefault(name, []).append(column)
    return list(by_form.values())


def _cut(sheet: Sheet, match: _Match, top: Sequence[tuple[str | None, ...]]) -> Table:
    form, cells = match.form, sheet.cells
    first_body = _end_of_header(sheet, match, top)
    titles = [cell for line in top[: match.row] for cell in line if cell is not None]
    lines = [[cell for cell in line if cell is not None] for line in top[: match.row]]
    issues: list[HeaderIssue] = []
    columns = {name: places[0] for name, places in match.columns.items()}
    year_columns = match.year_columns
    for name, places in (*match.columns.items(), (YEAR.name, year_columns)):
        if len(places) > 1:
            names = tuple(cell_name(match.row + match.depth, place) for place in places)
            issues.append(
                HeaderIssue("E07", name, names, value=str(len(names)), other="、".join(names))
            )
    for column in form.required:
        if column.name not in columns:
            issues.append(HeaderIssue("E01", column.name))
    known = {place for places in match.columns.values() for place in places}
    unknown = [
        (place, text)
        for place, text in enumerate(match.texts)
        if text is not None and place not in known and place not in year_columns
    ]
    if unknown:
        issues.append(
            HeaderIssue(
                "W01",
                cells=tuple(cell_name(match.row + match.depth, place) for place, _ in unknown),
                value="、".join(_original(top, match, place) for place, _ in unknown),
            )
        )
    lines += [[_original(top, match, place)] for place, _ in unknown]
    below = top[match.row + match.depth : first_body]
    shift, unit, unit_issues = _units(form, columns, match, lines, below)
    issues.extend(unit_issues)
    issues += [HeaderIssue(_DOUBTS[doubt.kind], value=doubt.what) for doubt in sheet.doubts]
    body = _body(sheet, match, top, columns, year_columns, first_body)
    body, scaled = _as_shown(sheet, form, columns, unit, body, first_body)
    issues += scaled
    return Table(
        form=form,
        sheet=sheet.name,
        body=body,
        columns=columns,
        header_row=match.row + match.depth,
        rows_above=first_body,
        rows_read=cells.height,
        year_column=year_columns[0] if year_columns else None,
        shift=shift,
        unit=unit,
        title_year=find_year_in_lines(titles),
        sheet_year=find_year(sheet.name),
        issues=tuple(issues),
        merged_figures=_merged_figures(sheet, form, columns, first_body),
        office=_office(top[: match.row]),
    )


def _office(above: Sequence[tuple[str | None, ...]]) -> tuple[str, str] | None:
    """Return who filled in the sheet, and the cell that says so."""
    for row, line in enumerate(above, 1):
        cells = [(place, cell) for place, cell in enumerate(line) if cell is not None]
        for i, (place, cell) in enumerate(cells):
            if found := _OFFICE.match(readable(cell[:_LONGEST_LINE]).strip()):
                if words := found[1].strip():
                    return words, cell_name(row, place)
                if i + 1 < len(cells):
                    return cells[i + 1][1].strip(), cell_name(row, cells[i + 1][0])
    return None


def _end_of_header(sheet: Sheet, match: _Match, top: Sequence[tuple[str | None, ...]]) -> int:
    """Return the first row below the header, its merged cells and the index row under it."""
    last = match.row + match.depth - 1
    places = {place for found in match.columns.values() for place in found}
    for row0, col0, row1, _ in sheet.merged:
        if match.row <= row0 <= last and col0 in places and row1 < match.row + HEADER_DEPTH:
            last = max(last, row1)
    while last + 1 < len(top) and _is_unit_row(top[last + 1]):
        last += 1
    below = next(
        (row for row in range(last + 1, len(top)) if any(cell is not None for cell in top[row])),
        None,
    )
    return below + 1 if below is not None and _is_index_row(top[below]) else last + 1


def _original(top: Sequence[tuple[str | None, ...]], match: _Match, place: int) -> str:
    lines = top[match.row : match.row + match.depth]
    words = [" ".join(line[place].split()) for line in lines if (line[place] or "").strip()]  # type: ignore[union-attr]
    return " ".join(words) or str(match.texts[place])


def _body(
    sheet: Sheet,
    match: _Match,
    top: Sequence[tuple[str | None, ...]],
    columns: dict[str, int],
    year_columns: list[int],
    first_body: int,
) -> pl.DataFrame:
    cells = sheet.cells.slice(first_body)
    used = {*columns.values(), *year_columns}
    others = [str(i) for i in range(cells.width) if i not in used]
    blank = pl.Series([None], dtype=pl.String).new_from_index(0, cells.height)
    body = pl.DataFrame(
        [
            *(cells[str(place)].alias(name) for name, place in columns.items()),
            (cells[str(year_columns[0])] if year_columns else blank).alias("year_text"),
            _joined_texts(cells.select(others)).alias("other") if others else blank.alias("other"),
            pl.int_range(
                first_body + 1, first_body + cells.height + 1, dtype=pl.Int64, eager=True
            ).alias("row"),
            _printed_again(sheet, match, top[:first_body], columns).alias("repeated"),
        ]
    )
    merged_down = dict(columns) | ({"year_text": year_columns[0]} if year_columns else {})
    return _fill_merged(body, sheet.merged, match.form, merged_down, first_body)


def _joined_texts(cells: pl.DataFrame) -> pl.Series:
    """Return the texts of each row, joined; null where there is none."""
    joined = pl.concat_str(pl.all(), separator=APART, ignore_nulls=True)
    return cells.select(joined.replace("", None)).to_series()


def _printed_again(
    sheet: Sheet,
    match: _Match,
    above: Sequence[tuple[str | None, ...]],
    columns: dict[str, int],
) -> pl.Series:
    """Return which rows below ``above`` only print a row of it again, as each printed page does.

    The header is known by its first columns, other rows by all their cells.
    """
    cells = sheet.cells
    heads = [cells[str(place)] for place in list(columns.values())[:3]]
    heads = [column for column in heads if column[match.row] is not None]
    again = {
        row
        for row in (_below(heads[0] == heads[0][match.row], len(above)) if heads else ())
        if all(column[row] == column[match.row] for column in heads)
    }
    for line in set(above):
        place = next((i for i, cell in enumerate(line) if cell is not None), None)
        if place is not None:
            below = _below(cells[str(place)] == line[place], len(above))
            again |= {row for row in below if cells.row(row) == line}
    repeated = pl.Series([False]).new_from_index(0, cells.height)
    return (repeated.scatter(sorted(again), True) if again else repeated).slice(len(above))


def _below(marks: pl.Series, row: int) -> list[int]:
    """Return the rows from ``row`` on that are marked; nearly always none, which is quick to see."""
    if marks.sum() == marks.head(row).sum():
        return []
    return [place for place in marks.arg_true() if place >= row]


#: Cells merged downwards say the same of each of their rows, unless they hold a figure.
_FIGURES = (Kind.INT, Kind.NUMBER)


def _fill_merged(
    body: pl.DataFrame,
    merged: Sequence[tuple[int, int, int, int]],
    form: Form,
    columns: dict[str, int],
    first_body: int,
) -> pl.DataFrame:
    """Return the text of a cell merged downwards to each of its rows.

    A merged figure is not carried down: it is one figure for several rows, and which part of it
    belongs to which row is not known (see :func:`_merged_figures`).
    """
    filled: dict[str, list[str | None]] = {}
    for name, row0, row1 in _merged_down(merged, columns, first_body):
        column = form.by_name.get(name)
        top = row0 - first_body
        if (column is not None and column.kind in _FIGURES) or top >= body.height:
            continue
        if name not in filled:
            filled[name] = body[name].to_list()
        texts = filled[name]
        texts[top : row1 - first_body + 1] = [texts[top]] * (
            min(row1 - first_body + 1, body.height) - top
        )
    return body.with_columns(
        pl.Series(name, texts, dtype=pl.String) for name, texts in filled.items()
    )


#: The rules that name what was noticed while reading (:class:`transforms.formats.Doubt`).
_DOUBTS = {"missing_sheet": "W06", "open_quote": "W07"}


def _as_shown(
    sheet: Sheet,
    form: Form,
    columns: dict[str, int],
    units: dict[str, str],
    body: pl.DataFrame,
    first_body: int,
) -> tuple[pl.DataFrame, list[HeaderIssue]]:
    """Return the body with figures as they are shown where header and number format agree; and warnings.

    Under (万元) a format that shows yuan as ten thousands of them was meant to: the figure is taken
    as it is shown. Where they do not agree it is taken as it is stored. Both are told.
    """
    names = {place: name for name, place in columns.items()}
    causes: dict[tuple[str, int, bool, str], list[int]] = {}
    for row, place, scale in sheet.scaled:
        name = names.get(place)
        column = form.by_name.get(name or "")
        if column is None or column.kind not in _FIGURES or not 0 <= row - first_body < body.height:
            continue
        found = _MONEY_UNIT.fullmatch(units.get(column.name, "")) if column.is_money else None
        stated = _POWERS[found[2]] if found else 0
        factor = scale.power + (scale.word - stated if scale.word else 0)
        if factor == 0:
            continue
        agreed = factor == -stated or (
            column.kind is Kind.NUMBER and not column.is_money and (factor, scale.word) == (2, 0)
        )
        causes.setdefault((column.name, factor, agreed, scale.code), []).append(row)
    issues = []
    for (name, factor, agreed, code), rows in causes.items():
        if agreed:
            texts = body[name].to_list()
            for row in rows:
                texts[row - first_body] = _moved(texts[row - first_body], factor)
            body = body.with_columns(pl.Series(name, texts, dtype=pl.String))
        times = f"1/{10**-factor}" if factor < 0 else f"{10**factor}"
        issues.append(
            HeaderIssue(
                "W05",
                name,
                tuple(cell_name(row + 1, columns[name]) for row in rows),
                row=rows[0] + 1,
                value=times,
                other=code,
                expected="显示的数" if agreed else "存储的数",
                expected_en="as shown" if agreed else "as stored",
            )
        )
    return body, issues


def _moved(text: str | None, power: int) -> str | None:
    """Return the figure times a power of ten, in plain decimals; other text as it is."""
    try:
        return None if text is None else f"{Decimal(text).scaleb(power).normalize():f}"
    except ArithmeticError:
        return text


def _merged_figures(
    sheet: Sheet, form: Form, columns: dict[str, int], first_body: int
) -> tuple[tuple[str, int, int], ...]:
    """Return column, first and last row (from 1) of the figures that are merged over several rows."""
    figures = {n: place for n, place in columns.items() if form.by_name[n].kind in _FIGURES}
    return tuple(
        (name, row0 + 1, row1 + 1)
        for name, row0, row1 in _merged_down(sheet.merged, figures, first_body)
        if row0 < sheet.cells.height and sheet.cells.item(row0, figures[name]) is not None
    )


def _merged_down(
    merged: Sequence[tuple[int, int, int, int]], columns: dict[str, int], first_body: int
) -> Iterator[tuple[str, int, int]]:
    """Yield column, first and last row (from 0) of the cells merged over several rows of the data.

    A cell may be as wide as the header over it, no wider.
    """
    if not merged:
        return
    names = {place: name for name, place in columns.items()}
    wide = {(col0, col1) for _, col0, row1, col1 in merged if row1 < first_body}
    for row0, col0, row1, col1 in merged:
        fits = col0 == col1 or (col0, col1) in wide
        if row0 >= first_body and row1 > row0 and col0 in names and fits:
            yield names[col0], row0, row1


def _is_unit_row(row: tuple[str | None, ...]) -> bool:
    """Return whether the row below a header only names the units of its columns: (人) (万元)."""
    words = [normalise(cell) for cell in row if cell is not None]
    return bool(words) and all(_UNIT_ALONE.fullmatch(word) for word in words)


def _is_index_row(row: tuple[str | None, ...]) -> bool:
    """Return whether the row below a header only numbers the columns: 甲 乙 1 2 3."""
    words = [normalise(cell).strip("()") for cell in row if cell is not None]
    letters = [word for word in words if word in _INDEX_WORDS]
    numbers = [
        _INDEX_NUMBER.fullmatch(word)
        for word in words
        if word not in _INDEX_WORDS and word not in _NOT_COUNTED
    ]
    if not words or not all(numbers):
        return False
    counted = [int(number[1]) for number in numbers if number]
    if counted != list(range(1, len(counted) + 1)):
        return False
    return bool(letters) or len(counted) >= 3


def _units(
    form: Form,
    columns: dict[str, int],
    match: _Match,
    titles: Sequence[Sequence[str]],
    below: Sequence[tuple[str | None, ...]],
) -> tuple[dict[str, int], dict[str, str], list[HeaderIssue]]:
    """Return for every money column the power of ten between the submitted unit and the form's own.

    ``below`` are the rows between the header and the data, in which units may stand.
    """
    words = [word for line in titles for word in _words_of_units(line)]
    above = {found[1] for word in words if (found := _MONEY_UNIT.fullmatch(word))}
    shift: dict[str, int] = {}
    unit: dict[str, str] = {}
    issues: list[HeaderIssue] = []
    scaled = next((w for w in words if w in _MAGNITUDES or _SCALED_COUNT.fullmatch(w)), None)
    in_scaled: list[tuple[str, str]] = []
    for name, place in columns.items():
        column = form.by_name[name]
        under = [_in_brackets(normalise(line[place] or "")) or "" for line in below]
        brackets = [
            "".join(groups).removeprefix("单位")
            for groups in _BRACKETED.findall("".join((match.texts[place] or "", *under)))
        ]
        written = next((text for text in brackets if _is_unit(text)), "")
        if stated := [part for part in _AND_REMARKS.split(written) if _MONEY_UNIT.fullmatch(part)]:
            written = "、".join(dict.fromkeys(stated))  # (必填,元) says no more than (元)
        if written in _MAGNITUDES and column.is_money:
            written += "元"
        problem = None
        if not column.is_money:
            if column.kind in (Kind.INT, Kind.NUMBER) and written:
                problem = written
            elif column.kind is Kind.INT and column.high is None and not brackets and scaled:
                in_scaled.append((name, cell_name(match.row + match.depth, place)))
        else:
            base = _MONEY_UNIT.fullmatch(column.unit or "")
            found = _MONEY_UNIT.fullmatch(written)
            if not written and len(above) == 1:
                found = _MONEY_UNIT.fullmatch(next(iter(above)))
            if not written and len(above) > 1:
                problem = "/".join(sorted(above))
            elif written and (found is None or not _period_fits(column, written)):
                problem = written
            else:
                found = found or base
                assert found is not None and base is not None
                shift[name] = _POWERS[found[2]] - _POWERS[base[2]]
                unit[name] = found[1]
        if problem is not None:
            issues.append(
                HeaderIssue(
                    "E09",
                    name,
                    (cell_name(match.row + match.depth, place),),
                    value=problem,
                    expected=column.unit or "个数",
                    expected_en=column.unit or "plain numbers",
                )
            )
    if in_scaled:  # 单位：万人 above the table holds for all its counts
        cells = tuple(cell for _, cell in in_scaled)
        issues.append(
            HeaderIssue(
                "E09",
                in_scaled[0][0],
                cells,
                value=scaled,
                expected="个数",
                expected_en="plain numbers",
            )
        )
    return shift, unit, issues


def _is_unit(bracketed: str) -> bool:
    """Return whether what stands in brackets in a header changes what its figures mean."""
    return (
        "元" in bracketed
        or bracketed in _MAGNITUDES
        or bool(_SCALED_COUNT.search(bracketed) or _FOREIGN_MONEY.search(bracketed))
    )


def _words_of_units(line: Sequence[str]) -> list[str]:
    """Return the words that a row above a table gives as units: 元 and 人 of 单位：元、人."""
    for i, cell in enumerate(line):
        plain = readable(cell[:_LONGEST_LINE])
        label = _UNIT_LABEL.search(plain)
        if label is None:
            continue
        rest = plain[label.end() :]
        if not _WORDS.search(rest) and i + 1 < len(line):
            rest = readable(line[i + 1][:_LONGEST_LINE])
        # White space may part two words, or the characters of one: 万 元.
        spaced = [word for text in (rest, "".join(rest.split())) for word in _WORDS.findall(text)]
        words = [part for word in spaced for part in _AND.split(word)]
        if words:
            return words
    return []


def _period_fits(column: Column, written: str) -> bool:
    if "月" in (column.unit or ""):
        return bool(_MONTHLY.search(written)) or not _OTHER_PERIOD.search(written)
    return not _MONTHLY.search(written)
