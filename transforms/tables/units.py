"""The units of measure that a sheet names: beside, below and above its headers, and in number formats."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from decimal import Decimal
from functools import lru_cache

import polars as pl

from transforms.characters import readable
from transforms.formats import Sheet
from transforms.forms import Column, Form, Kind
from transforms.tables.merged import FIGURES
from transforms.tables.model import HeaderIssue, cell_name
from transforms.tables.words import BRACKETED, OPENING, normalise

#: Characters of a line above a table that are looked at.
LONGEST_LINE = 2_000
_MONEY_UNIT = re.compile(r"(?:人民币)?((亿|千万|百万|十万|万|千|百)?元)(?:/.*|每.*)?")
#: 单位：万元 above a table; 填报单位 and the like name an office, not a unit of measure. What the
#: units are stands behind the label or, where that is alone in its cell, in the next one.
_UNIT_LABEL = re.compile(
    r"(?:(?<![\u4e00-\u9fff])|(?<=金额)|(?<=货币)|(?<=计量)|(?<=经费)|(?<=资金))单\s*位(?:为|是)?"
)
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


def in_brackets(part: str | None) -> str | None:
    """Return a unit under a header as it would stand beside it: 元 becomes (元)."""
    bracketed = part is not None and part[:1] in "([【〔"
    return f"({part})" if part and not bracketed and _UNIT_ALONE.fullmatch(part) else part


def is_unit_row(row: tuple[str | None, ...]) -> bool:
    """Return whether the row below a header only names the units of its columns: (人) (万元)."""
    words = [normalise(cell) for cell in row if cell is not None]
    return bool(words) and all(_UNIT_ALONE.fullmatch(word) for word in words)


def units_of(
    form: Form,
    columns: Mapping[str, int],
    texts: Sequence[str | None],
    header_row: int,
    lines: Sequence[Sequence[str]],
    below: Sequence[tuple[str | None, ...]],
) -> tuple[dict[str, int], dict[str, str], list[HeaderIssue]]:
    """Return what unit the figures of each money column are in, and what is wrong with units.

    ``texts`` are the headers by place, ``lines`` the rows above the table (and headers that are no
    column's), ``below`` the rows between the header and the data; units may stand in all of them.

    Returns:
        For every money column the power of ten between the submitted unit and the form's own; for
        every money column the submitted unit; and an issue E09 for each column of another unit.
    """
    said = [word for line in lines for word in _words_of_units(line)]
    money = {found[1] for word in said if (found := _MONEY_UNIT.fullmatch(word))}
    scaled = next((w for w in said if w in _MAGNITUDES or _SCALED_COUNT.fullmatch(w)), None)
    powers: dict[str, int] = {}
    units: dict[str, str] = {}
    issues: list[HeaderIssue] = []
    in_scaled: list[tuple[str, str]] = []
    for name, place in columns.items():
        column = form.by_name[name]
        brackets = _brackets(texts[place], tuple(line[place] for line in below))
        written = _written_unit(column, brackets)
        problem: str | None = None
        if column.is_money:
            stated, problem = _money_unit(column, written, money)
            if stated is not None:
                powers[name] = power_of(stated) - power_of(column.unit or "")
                units[name] = stated
        elif column.kind in FIGURES and written:
            problem = written
        elif column.kind is Kind.INT and column.high is None and not brackets and scaled:
            in_scaled.append((name, cell_name(header_row, place)))
        if problem is not None:
            issues.append(_other_unit(name, (cell_name(header_row, place),), problem, column.unit))
    if in_scaled:  # 单位：万人 above the table holds for all its counts
        cells = tuple(cell for _, cell in in_scaled)
        issues.append(_other_unit(in_scaled[0][0], cells, scaled or "", None))
    return powers, units, issues


def power_of(unit: str) -> int:
    """Return the power of ten of a unit of money: 4 for 万元; 0 for what is none."""
    found = _MONEY_UNIT.fullmatch(unit)
    return _POWERS[found[2]] if found else 0


@lru_cache(maxsize=4096)
def _brackets(header: str | None, below: tuple[str | None, ...]) -> tuple[str, ...]:
    """Return what stands in brackets in a header, and under it where that is nothing but a unit."""
    under = [in_brackets(normalise(cell or "")) or "" for cell in below]
    said = "".join((header or "", *under))
    if OPENING.isdisjoint(said):
        return ()
    return tuple("".join(groups).removeprefix("单位") for groups in BRACKETED.findall(said))


def _written_unit(column: Column, brackets: Sequence[str]) -> str:
    """Return the unit that a header names beside its column; "" where it names none."""
    if not brackets:
        return ""
    written = next((text for text in brackets if _is_unit(text)), "")
    if stated := [part for part in _AND_REMARKS.split(written) if _MONEY_UNIT.fullmatch(part)]:
        written = "、".join(dict.fromkeys(stated))  # (必填,元) says no more than (元)
    return written + "元" if written in _MAGNITUDES and column.is_money else written


def _money_unit(column: Column, written: str, above: Set[str]) -> tuple[str | None, str | None]:
    """Return the unit of a money column, or what stands there instead of one.

    ``written`` is what its header says, ``above`` the units of money that the rows above the table
    say; they hold where the header says nothing.
    """
    if written:
        found = _MONEY_UNIT.fullmatch(written)
        return (found[1], None) if found and _period_fits(column, written) else (None, written)
    if len(above) > 1:
        return None, "/".join(sorted(above))
    found = _MONEY_UNIT.fullmatch(next(iter(above), column.unit or ""))
    assert found is not None
    return found[1], None


def _other_unit(name: str, cells: tuple[str, ...], said: str, unit: str | None) -> HeaderIssue:
    """Return the issue of columns whose figures are in another unit than ``unit`` (none: counts)."""
    return HeaderIssue(
        "E09",
        name,
        cells,
        value=said,
        expected=unit or "个数",
        expected_en=unit or "plain numbers",
    )


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
        plain = readable(cell[:LONGEST_LINE])
        label = _UNIT_LABEL.search(plain)
        if label is None:
            continue
        rest = plain[label.end() :]
        if not _WORDS.search(rest) and i + 1 < len(line):
            rest = readable(line[i + 1][:LONGEST_LINE])
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


def as_shown(
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
        if column is None or column.kind not in FIGURES or not 0 <= row - first_body < body.height:
            continue
        stated = power_of(units.get(column.name, "")) if column.is_money else 0
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
