"""The grammar of a cell: from what people type to typed values, on whole columns.

:func:`parse` gives, for one column, the typed value and what is wrong with the text, as Polars
expressions; nothing is guessed: text that is not of the column's kind is an error.
"""

from __future__ import annotations

import re
from decimal import Decimal

import polars as pl

from transforms.characters import in_one_form
from transforms.forms.model import NUMBER_TYPE, POLARS_TYPES, Column, Kind

# Texts are compared after NFKC, so that digits are 0 to 9; a class of them costs far less to compile
# than one of the digits of every script.
_NOTHING = r"^(?:[-‐-―－─/／\\]+|无)$"
_NOTHING_YES_NO = r"^[-‐-―－─/／\\]+$"
_COUNT_UNITS = "人|所|个|名|位|班|件|项|处|起|年|岁|园|校|户"
_WHOLE = rf"^(?:[0-9]{{1,3}}(?:,[0-9]{{3}})+|[0-9]{{1,3}}(?: [0-9]{{3}})+|[0-9]+)(?:\.0+)?\s*(?:{_COUNT_UNITS})?$"
_NEGATIVE = r"^[-‐-―−]\s*[0-9][[0-9],]*(?:\.[0-9]+)?\s*\S?$"
_DECIMAL = r"^([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,3}(?: [0-9]{3})+|[0-9]+)?(\.[0-9]+)?\s*"
_TRUE = ["是", "有", "√", "✓", "✔", "y", "yes", "1", "true"]
_FALSE = ["否", "无", "×", "✗", "✘", "n", "no", "0", "false"]
#: 7:5 is no time: nobody knows whether it is five past seven or ten to eight.
_CLOCK = re.compile(
    r"(上午|下午|晚上|晚)?([0-9]{1,2})"
    r"(?:[:∶]([0-9]{2})(?:[:∶]([0-9]{2}))?|[点时](?:([0-9]{1,2})分?(?:([0-9]{1,2})秒)?|整|(半))?)"
    r"(AM|PM)?"
)
#: A time of day alone, on the day that stands for none; a day later it is 24 hours or more.
_EXCEL_CLOCK = re.compile(
    r"(?:1899-12-3[01]|1904-01-01)[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?"
)
_LONGEST_TIME = 60  # characters
_FRACTION = re.compile(r"0?\.[0-9]*[1-9][0-9]*")
#: A real date cell may carry a time of day; a time alone (1899-12-31) is no date.
_DATE = (
    r"^((?:19|20)[0-9]{2})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})[日号]?"
    r"(?:[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)?$"
)
_COMPACT_DATE = r"^((?:19|20)[0-9]{2})((?:0[1-9]|1[0-2]))([0-3][0-9])$"
#: A formula, what became of one, or a date: the class 3-1 that Excel took for the first of March.
_NO_TEXT = (
    r"^(?:#(?:REF|DIV/0|N/A|VALUE|NAME|NUM|NULL|GETTING_DATA)[!?]?|Err:[0-9]+|=.*"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9:.]+)?)$"
)
#: What is left of a text that went through a wrong encoding; what it was is lost.
_LOST = "锟斤拷"
_GARBLED = rf"\x{{fffd}}|{_LOST}|^[? ]*\?[? ]*$"
_MINUS_ZERO = r"^[-‐-―−]\s*(0+(?:\.0+)?)$"
_GRADES = {
    **{f"{word}年级": i for i, word in enumerate("一二三四五六七八九", 1)},
    **{f"{i}年级": i for i in range(1, 13)},
    **{f"初{word}": i for i, word in enumerate("一二三", 7)},
    **{f"高{word}": i for i, word in enumerate("一二三", 10)},
    "十年级": 10,
    "十一年级": 11,
    "十二年级": 12,
}
#: Amounts this large are slips of the keyboard, and would not fit the warehouse's columns.
_MOST = 10**12

#: The steps of :func:`parse` on the way to a value: the text in one form, null where nothing is given,
#: then what is read of it.
_CLEAN, _GIVEN, _READ = pl.col("@clean"), pl.col("@given"), pl.col("@read")
_OUTSIDE, _VALUE = pl.col("outside"), pl.col("value")

_EXPECTED: dict[Kind, tuple[str, str]] = {
    Kind.TEXT: ("文字", "text"),
    Kind.CODE: ("10位数字的标识码", "a code of ten digits"),
    Kind.INT: ("非负整数", "a whole number, 0 or more"),
    Kind.NUMBER: ("非负数", "a number, 0 or more"),
    Kind.BOOL: ("是 或 否", "是 or 否"),
    Kind.TIME: ("时刻, 如 07:50", "a time of day such as 07:50"),
    Kind.DATE: ("日期, 如 2020-09-01", "a date such as 2020-09-01"),
    Kind.GRADE: ("1至12的年级, 如 三年级、初一、高二", "a grade from 1 to 12"),
}


def expected(column: Column) -> tuple[str, str]:
    """Return what should stand in a cell of ``column``, in Chinese and English."""
    if column.kind is Kind.CHOICE:
        words = "、".join(column.choices)
        return f"其中之一: {words}", f"one of {words}"
    if column.kind is Kind.INT and column.high is not None:
        return (
            f"{column.low}至{column.high}的整数",
            f"a whole number {column.low} to {column.high}",
        )
    return _EXPECTED[column.kind]


def as_asked(column: Column) -> pl.Expr:
    """Return the value of texts that are written as the form asks, null for all others.

    Nearly every text is: it is understood here without the patterns of the grammar, which take
    longer to compile than a sheet takes to read. Where this gives a value, :func:`parse` gives the
    same one and finds nothing wrong.
    """
    text = pl.col(column.name)
    match column.kind:
        case Kind.TEXT:
            # The plain expression of a TEXT must give the text itself.
            words = text.str.contains(r"^[0-9A-Za-z]*[\u4e00-\u9fff][0-9A-Za-z\u4e00-\u9fff]*$")
            lost = text.str.contains(_LOST, literal=True)
            return pl.when(words & (text != "无") & ~lost).then(text)
        case Kind.CODE:
            return pl.when((text.str.len_bytes() == 10) & _digits(text).is_not_null()).then(text)
        case Kind.INT | Kind.GRADE:
            number = _digits(text)
            high = _MOST if column.high is None else column.high
            return pl.when(number.is_between(column.low, high)).then(number)
        case Kind.NUMBER:
            simple = text.str.contains(r"^[0-9]{1,12}(?:\.[0-9]{1,6})?$")
            if column.is_money:
                simple &= pl.col(f"{column.name}@power") == 0
            return pl.when(simple).then(text.cast(NUMBER_TYPE, strict=False))
        case Kind.BOOL:
            return pl.when(text == "是").then(True).when(text == "否").then(False)
        case Kind.CHOICE:
            return pl.when(text.is_in(list(column.choices))).then(text)
        case _:
            return pl.lit(None, POLARS_TYPES[column.kind])


def _digits(text: pl.Expr) -> pl.Expr:
    """Return the number of texts that are digits 0 to 9 and nothing else, null for all others."""
    signed = text.str.starts_with("+") | text.str.starts_with("-")
    return pl.when(~signed).then(text.str.to_integer(strict=False, dtype=pl.Int64))


def parse(column: Column, texts: pl.DataFrame) -> pl.DataFrame:
    """Return ``texts`` with what the submitted text of ``column`` is understood as.

    ``texts`` has the column itself as String and, for money columns, ``<name>@power`` (power of
    ten, Int8) and ``<name>@unit`` (String), see :class:`transforms.tables.headers.Table`. Beside them come
    ``value``, the typed value, null where nothing is given or the text is bad; ``unreadable``, true where
    the text is not of the column's kind; ``outside``, where it is, but not allowed; ``rounded``, for
    numbers that need not be whole, where it has more decimals than are kept.
    """
    nothing = _NOTHING_YES_NO if column.kind is Kind.BOOL else _NOTHING
    text = (
        in_one_form(pl.col(column.name))
        .str.normalize("NFKC")
        .str.strip_chars(" \t\r\n\u00a0'‘’`")
        .str.replace(_MINUS_ZERO, "$1")
    )
    blank = _CLEAN.str.contains(nothing) | (_CLEAN == "")
    # Step by step: an expression that others are made of would be computed again for each of them.
    return (
        texts.with_columns(text.alias("@clean"))
        .with_columns(pl.when(~blank).then(_CLEAN).alias("@given"))
        .with_columns(_READERS[column.kind](column).alias("@read"))
        .with_columns(_is_outside(column).fill_null(False).alias("outside"))
        .with_columns(
            pl.when(~_OUTSIDE)
            .then(_READ)
            .cast(POLARS_TYPES[column.kind], strict=False)
            .alias("value")
        )
        .with_columns(
            (_GIVEN.is_not_null() & _VALUE.is_null() & ~_OUTSIDE).alias("unreadable"),
            _is_rounded(column).alias("rounded"),
        )
        .drop("@clean", "@given", "@read")
    )


def _is_outside(column: Column) -> pl.Expr:
    """Return whether what was read is of the column's kind, but not allowed in it; may be null."""
    match column.kind:
        case Kind.INT:
            high = _MOST if column.high is None else column.high
            return _GIVEN.str.contains(_NEGATIVE) | ~_READ.is_between(column.low, high)
        case Kind.NUMBER:
            return _GIVEN.str.contains(_NEGATIVE) | (_READ >= _MOST).fill_null(False)
        case Kind.GRADE:
            return ~_READ.is_between(column.low, column.high or 12)
        case Kind.CHOICE:
            return _GIVEN.is_not_null() & _READ.is_null()
        case _:
            return pl.lit(False)


def _is_rounded(column: Column) -> pl.Expr:
    """Return whether the value differs from the figure that was given.

    Beyond fourteen digits a computer's own sums are inexact (0.1 + 0.2), which nobody typed.
    """
    if column.kind is not Kind.NUMBER:
        return pl.lit(False)
    figure = _figure(_GIVEN).cast(pl.Float64, strict=False)
    if column.is_money:
        figure = figure * pl.lit(10.0).pow(pl.col(f"{column.name}@power"))
    return ((figure - _VALUE.cast(pl.Float64)).abs() > figure * 1e-14).fill_null(False)


def _text(column: Column) -> pl.Expr:
    # Names keep their Chinese punctuation, which NFKC would turn into ASCII; full-width letters
    # and digits become plain ones, and white space beside a Chinese character is dropped.
    plain = (
        in_one_form(pl.col(column.name))
        .str.replace_all(r"[\s\u3000\u00a0]+", " ")
        .str.replace_all(r" ?([^\x00-\x7f]) ?", "$1")
        .str.strip_chars(" '‘’`")
    )
    lost = _GIVEN.str.contains(_NO_TEXT) | _GIVEN.str.contains(_GARBLED)
    return pl.when(_GIVEN.is_not_null() & ~lost).then(plain)


def _code(column: Column) -> pl.Expr:
    # 2100000001.0 is what becomes of a column of numbers with a blank cell; all digits are there.
    digits = _GIVEN.str.replace_all(r"\s", "").str.replace(r"^([0-9]{10})\.0+$", "$1")
    return pl.when(digits.str.contains(r"^[0-9]{10}$")).then(digits)


def _int(column: Column) -> pl.Expr:
    digits = (
        pl.when(_GIVEN.str.contains(_WHOLE))
        .then(_GIVEN)
        .str.replace(r"\.0+\s*[^0-9]*$", "")
        .str.replace_all(r"[^0-9]", "")
    )
    return digits.str.to_integer(strict=False, dtype=pl.Int64)


def _figure(given: pl.Expr) -> pl.Expr:
    return given.str.extract(r"^([[0-9]., ]+)").str.replace_all(r"[, ]", "")


def _number(column: Column) -> pl.Expr:
    units = (
        r"(万元|元)(?:/月|每月)?" if column.is_money else r"(%|人|所|个|名|项|件|次|名|位|元|万元)"
    )
    pattern = _DECIMAL + rf"(?:{units})?$"
    good = _GIVEN.str.contains(pattern) & _GIVEN.str.contains(r"^\.?[0-9]")
    exact = pl.when(good).then(_figure(_GIVEN)).cast(pl.Decimal(38, 12), strict=False)
    if not column.is_money:
        return exact
    own = _GIVEN.str.extract(units, 1)
    good_unit = own.is_null() | (own == pl.col(f"{column.name}@unit"))
    factor = (
        pl.col(f"{column.name}@power")
        .replace_strict(
            {power: str(Decimal(1).scaleb(power)) for power in range(-8, 9)},
            return_dtype=pl.String,
        )
        .cast(pl.Decimal(38, 8))
    )
    return pl.when(good_unit & (exact < _MOST)).then(exact) * factor


def _bool(column: Column) -> pl.Expr:
    words = _GIVEN.str.to_lowercase().str.replace_all(r"\s", "").str.replace(r"^([01])\.0+$", "$1")
    return words.replace_strict(
        {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)},
        default=None,
        return_dtype=pl.Boolean,
    )


def _time(column: Column) -> pl.Expr:
    # Schools keep a handful of times, and a clock has more forms than one pattern can compare fast.
    return _GIVEN.map_batches(_times, return_dtype=pl.Time)


def _times(texts: pl.Series) -> pl.Series:
    seconds = [None if text is None else _seconds(text) for text in texts]
    return (pl.Series(seconds, dtype=pl.Int64) * 1_000_000_000).cast(pl.Time)


def _seconds(text: str) -> int | None:
    """Return the second of the day that ``text`` names, or None."""
    if len(text) > _LONGEST_TIME:  # the patterns below would try many ways to part a long one
        return None
    if found := _EXCEL_CLOCK.fullmatch(text):
        hour, minute, second = (int(figure) for figure in found.groups())
    elif _FRACTION.fullmatch(text):
        hour, minute, second = 0, 0, round(float(text) * 86400)
        return second if second < 86400 else None
    elif found := _CLOCK.fullmatch("".join(text.split()).upper()):
        part, o_clock, with_colon, colon_second, in_words, word_second, half, meridiem = (
            found.groups()
        )
        named = _hour_of_day(part or meridiem, int(o_clock))
        if named is None:
            return None
        hour = named
        minute = int(with_colon or in_words or (30 if half else 0))
        second = int(colon_second or word_second or 0)
    else:
        return None
    inside = hour < 24 and minute < 60 and second < 60
    return hour * 3600 + minute * 60 + second if inside else None


def _hour_of_day(part: str | None, hour: int) -> int | None:
    """Return the hour of 24 that a part of the day and an hour mean; None where they do not fit.

    下午9:00 is 21:00; with the hour already past noon the word only repeats it. 上午12:00 and
    晚上12:00 are noon to some and midnight to others.
    """
    match part:
        case None:
            return hour
        case "上午":
            return hour if hour < 12 else None
        case "AM":
            return hour % 12 if 1 <= hour <= 12 else None
        case "下午" | "PM":
            return hour + 12 if hour < 12 else hour
        case _:  # 晚上
            return hour + 12 if 5 <= hour < 12 else hour if hour >= 17 else None


def _date(column: Column) -> pl.Expr:
    words = _GIVEN.str.replace_all(r"\s*([-/.年月日号])\s*", "$1")
    iso = pl.coalesce(
        _iso_date(words, _DATE),
        _iso_date(words, _COMPACT_DATE),
    )
    return iso.str.to_date("%Y-%m-%d", strict=False)


def _iso_date(words: pl.Expr, pattern: str) -> pl.Expr:
    parts = [words.str.extract(pattern, i) for i in (1, 2, 3)]
    return pl.concat_str(parts[0], parts[1].str.zfill(2), parts[2].str.zfill(2), separator="-")


def _choice(column: Column) -> pl.Expr:
    words = _GIVEN.str.replace_all(r"\s", "")
    return pl.when(words.is_in(list(column.choices))).then(words)


def _grade(column: Column) -> pl.Expr:
    words = _GIVEN.str.replace_all(r"\s", "")
    named = words.replace_strict(_GRADES, default=None, return_dtype=pl.Int64)
    figure = words.str.extract(r"^([0-9]{1,6})(?:\.0+)?$")
    return pl.coalesce(named, figure.str.to_integer(strict=False, dtype=pl.Int64))


#: How a text of each kind is read, null where it cannot be; what is read may still be outside of what
#: the column allows.
_READERS = {
    Kind.TEXT: _text,
    Kind.CODE: _code,
    Kind.INT: _int,
    Kind.NUMBER: _number,
    Kind.BOOL: _bool,
    Kind.TIME: _time,
    Kind.DATE: _date,
    Kind.CHOICE: _choice,
    Kind.GRADE: _grade,
}
