"""Recognising a form on a sheet by its header row, and cutting the table out.

The header row is the only mark of a form; names of files and sheets do not count. Headers are
compared after NFKC, without white space and without a bracketed unit. A header over several rows
is read downwards, joined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import polars as pl

from transforms.characters import readable
from transforms.formats import Sheet
from transforms.forms import FORMS_IN_USE, Form, FormSet
from transforms.tables.merged import fill_merged, merged_figures_of
from transforms.tables.model import APART, YEAR, Almost, HeaderIssue, Table, cell_name
from transforms.tables.signatures import signatures_in
from transforms.tables.units import LONGEST_LINE, as_shown, in_brackets, is_unit_row, units_of
from transforms.tables.words import bare, known, normalise, stands_beside
from transforms.tables.years import find_year, find_year_in_lines

Texts: TypeAlias = tuple[str | None, ...]

#: Titles and fillers above a header; a form whose header stands lower is not found.
HEADER_SEARCH_ROWS = 60
#: A header may be spread over this many rows.
HEADER_DEPTH = 3
#: Signatures stand in so many rows at the end of a sheet.
_FOOT_ROWS = 12
#: Wider headers, which are nobody's, are not kept in memory.
_USUAL_WIDTH = 100
#: 填报单位：义县教育局, the office in the same cell or in the next one.
_OFFICE = re.compile(r"(?:填报|填表|报送|上报|编报)单位(?:名称)?(?:\([^()]*\))?\s*:?(.*)")
_INDEX_WORDS = frozenset("甲乙丙丁戊己庚辛壬癸ABCDEFGH")
_NOT_COUNTED = frozenset(("栏次", "栏号", "-", "—"))
#: The number of a column; one that is made of others says so: 4=5+6.
_INDEX_NUMBER = re.compile(r"([0-9]+)(?:=[0-9+\-*/()]+)?")
#: Words over a group of columns that add nothing to the headers below them.
_NEUTRAL_GROUP = re.compile(
    r"^(?!.*(?:公办|民办|城区|镇区|乡村|城市|农村|男|女|小学|初中|高中|中职))"
    r"(?:其中|.*(?:情况|信息|指标|项目|内容|数据|资料|条件|时间))$"
)


_BLANK = pl.Series([None], dtype=pl.String)
_FALSE = pl.Series([False])


@dataclass(frozen=True)
class _Header:
    """The columns of one form that the texts of a header name.

    ``lowest`` has the lowest text of a header below a group that adds nothing to it; ``columns`` the
    places of each column, for some stand there twice.
    """

    form: Form
    texts: Texts
    lowest: Texts
    columns: Mapping[str, Sequence[int]]

    @cached_property
    def year_columns(self) -> list[int]:
        """The columns 年份."""
        return [
            place
            for place, texts in enumerate(zip(self.texts, self.lowest, strict=True))
            if any(text and bare(text) == YEAR.header for text in texts)
        ]

    @cached_property
    def is_complete(self) -> bool:
        """Whether all that must be there is."""
        return all(column.name in self.columns for column in self.form.required)

    @cached_property
    def is_plain(self) -> bool:
        """Whether all that must be there is, and nothing else."""
        named = sum(len(places) for places in self.columns.values()) + len(self.year_columns)
        return self.is_complete and named == sum(text is not None for text in self.texts)

    @cached_property
    def score(self) -> tuple[int, bool, float]:
        """How much of the form is there."""
        known = len(self.columns)
        return known, bool(self.year_columns), known / len(self.form.columns)


class _Match(NamedTuple):
    """A header on a sheet: the row of its first line, and over how many it goes."""

    header: _Header
    row: int
    depth: int

    @property
    def score(self) -> tuple[tuple[int, bool, float], int, int]:
        """Return by what the better one of two is told."""
        return self.header.score, -self.depth, -self.row


def recognise(sheet: Sheet) -> Table | Almost | None:
    """Return the form that stands on ``sheet``; None for a sheet that is no form at all."""
    cells = sheet.cells
    if cells.is_empty():
        return None
    top = sheet.top(HEADER_SEARCH_ROWS + HEADER_DEPTH)
    match = _best_match(top, sheet.merged)
    if match is None:
        return None
    form, columns = match.header.form, match.header.columns
    found = sum(column.name in columns for column in form.required)
    needed = len(form.required)
    shared = len(columns)
    # One header alone (事项, 年龄) is that of many a list that is no form.
    beside = len(form.columns) > 3 or sum(text is not None for text in match.header.texts) > 3
    if shared < 2 and beside:
        return None
    if 2 * found < needed:
        if shared < 2:
            return None
        missing = tuple(c.header for c in form.required if c.name not in columns)
        return Almost(form, sheet.name, missing)
    return _cut(sheet, match, top)


def _best_match(top: Sequence[Texts], merged: Sequence[tuple[int, int, int, int]]) -> _Match | None:
    best: _Match | None = None
    rows: list[list[str | None]] = []
    alone: dict[int, list[_Match]] = {}

    def matches_alone(row: int) -> list[_Match]:
        """Return the forms that a row is the whole header of."""
        if row not in alone:
            alone[row] = _matches(*_joined(rows, merged, row, 1), row, 1)
        return alone[row]

    for row in range(min(HEADER_SEARCH_ROWS, len(top))):
        rows += [
            [None if cell is None else normalise(cell) for cell in line]
            for line in top[len(rows) : row + HEADER_DEPTH]
        ]
        if not any(text is not None for text in rows[row]):
            continue
        for depth in range(1, min(HEADER_DEPTH, len(top) - row) + 1):
            if depth > 1 and not any(text and known(text) for text in _hints(rows, row, depth)):
                continue
            if depth > 1 and _says_all(rows[row : row + depth], matches_alone(row + depth - 1)):
                break
            for match in (
                matches_alone(row)
                if depth == 1
                else _matches(*_joined(rows, merged, row, depth), row, depth)
            ):
                if best is None or match.score > best.score:
                    best = match
            # Nothing is left for the rows below to say.
            if best is not None and best[1:] == (row, depth) and best.header.is_plain:
                break
        # A header that is complete ends the search, once every row of it was tried as its first:
        # a line above the header may otherwise be taken for its upper part.
        if best is not None and row >= best.row + best.depth - 1 and best.header.is_complete:
            break
    return best


def _says_all(lines: Sequence[Sequence[str | None]], alone: Sequence[_Match]) -> bool:
    """Return whether the last of some rows is a whole header by itself, to which the others add nothing.

    ``alone`` are the matches of that row. A line above has nothing to add that stands over texts of it.
    """
    *above, last = lines
    return any(match.header.is_plain for match in alone) and not any(
        text is not None and below is None
        for line in above
        for text, below in zip(line, last, strict=True)
    )


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
        if not known("".join(part for part in parts if part)):
            # What ends in a word that is a unit as well (小区配套 over 园) was a header already.
            parts[1:] = [in_brackets(part) for part in parts[1:]]
        texts.append("".join(part for part in parts if part) or None)
        lowest = parts[-1] if len(parts) > 1 else None
        # 人数 over 班级人数 says nothing that the header below it does not say.
        neutral = all(
            part in (lowest or "") or _NEUTRAL_GROUP.match(part) for part in parts[:-1] if part
        )
        groups.append(lowest if neutral else None)
    return texts, groups


def _matches(
    texts: Sequence[str | None], groups: Sequence[str | None], row: int, depth: int
) -> list[_Match]:
    # Most tables of a city have the headers of others: what they name is found out once.
    find = _headers if len(texts) <= _USUAL_WIDTH else _headers.__wrapped__
    return [
        _Match(header, row, depth)
        for header in find(FORMS_IN_USE.get(), tuple(texts), tuple(groups))
    ]


@lru_cache(maxsize=256)
def _headers(forms: FormSet, texts: Texts, groups: Texts) -> tuple[_Header, ...]:
    """Return those of ``forms``, which are in use, that a header names a column of."""
    by_form: dict[str, dict[str, list[int]]] = {}
    for column, (text, lowest) in enumerate(zip(texts, groups, strict=True)):
        if text is None:
            continue
        for form_name, name in known(text) or (known(lowest) if lowest else ()):
            by_form.setdefault(form_name, {}).setdefault(name, []).append(column)
    return tuple(_Header(forms[name], texts, groups, found) for name, found in by_form.items())


def _cut(sheet: Sheet, match: _Match, top: Sequence[Texts]) -> Table:
    header, cells = match.header, sheet.cells
    form = header.form
    first_body = _end_of_header(sheet, match, top)
    titles = [cell for line in top[: match.row] for cell in line if cell is not None]
    lines = [[cell for cell in line if cell is not None] for line in top[: match.row]]
    issues = list(_named_twice(match))
    columns = {name: places[0] for name, places in header.columns.items()}
    year_columns = header.year_columns
    for column in form.required:
        if column.name not in columns:
            issues.append(HeaderIssue("E01", column.name))
    known = {place for places in header.columns.values() for place in places}
    unknown = [
        (place, text)
        for place, text in enumerate(header.texts)
        if text is not None and place not in known and place not in year_columns
    ]
    unexpected = [place for place, text in unknown if not stands_beside(text)]
    if unexpected:
        issues.append(
            HeaderIssue(
                "W01",
                cells=tuple(cell_name(match.row + match.depth, place) for place in unexpected),
                value="、".join(_original(top, match, place) for place in unexpected),
            )
        )
    lines += [[_original(top, match, place)] for place, _ in unknown]
    below = top[match.row + match.depth : first_body]
    powers, unit, unit_issues = units_of(
        form, columns, header.texts, match.row + match.depth, lines, below
    )
    issues.extend(unit_issues)
    issues += [HeaderIssue(_DOUBTS[doubt.kind], value=doubt.what) for doubt in sheet.doubts]
    body = _body(sheet, match, top, columns, year_columns, first_body)
    body, scaled = as_shown(sheet, form, columns, unit, body, first_body)
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
        powers=powers,
        unit=unit,
        title_year=find_year_in_lines(titles),
        sheet_year=find_year(sheet.name),
        issues=tuple(issues),
        merged_figures=merged_figures_of(sheet, form, columns, first_body),
        office=_office(top[: match.row]),
        signatures=signatures_in([*top[: match.row], *_foot(sheet, first_body)]),
    )


def _named_twice(match: _Match) -> Iterator[HeaderIssue]:
    """Yield what the header names in several columns."""
    header = match.header
    for name, places in (*header.columns.items(), (YEAR.name, header.year_columns)):
        if len(places) > 1:
            names = tuple(cell_name(match.row + match.depth, place) for place in places)
            yield HeaderIssue("E07", name, names, value=str(len(names)), other="、".join(names))


def _foot(sheet: Sheet, first_body: int) -> list[Texts]:
    """Return the last rows of a sheet below its header, where it is signed."""
    return sheet.cells.tail(min(_FOOT_ROWS, sheet.cells.height - first_body)).rows()


def _office(above: Sequence[Texts]) -> tuple[str, str] | None:
    """Return who filled in the sheet, and the cell that says so."""
    for row, line in enumerate(above, 1):
        cells = [(place, cell) for place, cell in enumerate(line) if cell is not None]
        for i, (place, cell) in enumerate(cells):
            if found := _OFFICE.match(readable(cell[:LONGEST_LINE]).strip()):
                if words := found[1].strip():
                    return words, cell_name(row, place)
                if i + 1 < len(cells):
                    return cells[i + 1][1].strip(), cell_name(row, cells[i + 1][0])
    return None


def _end_of_header(sheet: Sheet, match: _Match, top: Sequence[Texts]) -> int:
    """Return the first row below the header, its merged cells and the index row under it."""
    last = match.row + match.depth - 1
    places = {place for found in match.header.columns.values() for place in found}
    for row0, col0, row1, _ in sheet.merged:
        if match.row <= row0 <= last and col0 in places and row1 < match.row + HEADER_DEPTH:
            last = max(last, row1)
    while last + 1 < len(top) and is_unit_row(top[last + 1]):
        last += 1
    below = next(
        (row for row in range(last + 1, len(top)) if any(cell is not None for cell in top[row])),
        None,
    )
    return below + 1 if below is not None and _is_index_row(top[below]) else last + 1


def _original(top: Sequence[Texts], match: _Match, place: int) -> str:
    lines = top[match.row : match.row + match.depth]
    words = [" ".join(line[place].split()) for line in lines if (line[place] or "").strip()]  # type: ignore[union-attr]
    return " ".join(words) or str(match.header.texts[place])


def _body(
    sheet: Sheet,
    match: _Match,
    top: Sequence[Texts],
    columns: dict[str, int],
    year_columns: list[int],
    first_body: int,
) -> pl.DataFrame:
    cells = sheet.cells.slice(first_body)
    used = {*columns.values(), *year_columns}
    others = [str(i) for i in range(cells.width) if i not in used]
    blank = _BLANK.new_from_index(0, cells.height)
    year = cells.get_column(str(year_columns[0])) if year_columns else blank
    body = pl.DataFrame(
        [
            *(cells.get_column(str(place)).alias(name) for name, place in columns.items()),
            year.alias("year_text"),
            _joined_texts(cells.select(others)).alias("other") if others else blank.alias("other"),
            _row_numbers(first_body + cells.height).slice(first_body).alias("row"),
            _printed_again(sheet, match, top[:first_body], columns).alias("repeated"),
        ]
    )
    merged_down = dict(columns) | ({"year_text": year_columns[0]} if year_columns else {})
    return fill_merged(body, sheet.merged, match.header.form, merged_down, first_body)


def _row_numbers(height: int) -> pl.Series:
    """Return the numbers of the first rows of a sheet, from 1."""
    return _USUAL_ROWS.head(height) if height <= len(_USUAL_ROWS) else _numbered(height)


def _numbered(height: int) -> pl.Series:
    return pl.int_range(1, height + 1, dtype=pl.Int64, eager=True)


#: To make a slice of numbers takes a fraction of making them, which counts for small sheets.
_USUAL_ROWS = _numbered(4096)


def _joined_texts(cells: pl.DataFrame) -> pl.Series:
    """Return the texts of each row, joined; null where there is none."""
    joined = pl.concat_str(pl.all(), separator=APART, ignore_nulls=True)
    return cells.select(joined.replace("", None)).to_series()


def _printed_again(
    sheet: Sheet,
    match: _Match,
    above: Sequence[Texts],
    columns: dict[str, int],
) -> pl.Series:
    """Return which rows below ``above`` only print a row of it again, as each printed page does.

    The header is known by its first columns, other rows by all their cells.
    """
    cells = sheet.cells
    first = len(above)
    columns_of: dict[int, list[str | None]] = {}

    def below(place: int, text: str | None) -> list[int]:
        """Return the rows below in which a column has the text: nearly always none."""
        if place not in columns_of:
            columns_of[place] = cells.get_column(str(place)).slice(first).to_list()
        column = columns_of[place]
        return [row for row, cell in enumerate(column) if cell == text] if text in column else []

    heads = [place for place in list(columns.values())[:3] if above[match.row][place] is not None]
    again = {
        row
        for row in (below(heads[0], above[match.row][heads[0]]) if heads else ())
        if all(
            cells.get_column(str(place))[first + row] == above[match.row][place] for place in heads
        )
    }
    for line in set(above):
        place = next((i for i, cell in enumerate(line) if cell is not None), None)
        if place is not None:
            again |= {row for row in below(place, line[place]) if cells.row(first + row) == line}
    repeated = _FALSE.new_from_index(0, cells.height - first)
    return repeated.scatter(sorted(again), True) if again else repeated


#: The rules that name what was noticed while reading (:class:`transforms.formats.Doubt`).
_DOUBTS = {"missing_sheet": "W06", "open_quote": "W07"}


def _is_index_row(row: Texts) -> bool:
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
