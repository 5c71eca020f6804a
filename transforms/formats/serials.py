"""Numbers, dates and errors as the binary formats store them (xls, xlsb).

A date there is a number with a number format beside it. The texts are those the workbook library
gives for .xlsx, so that all formats agree: a date with its time of day, and a time of day alone on
the day 1899-12-31.
"""

from __future__ import annotations

import re
import struct
from datetime import datetime, timedelta
from typing import Final

from .cells import number_text

# Built-in formats that show dates or times; 27 to 36 and 50 to 58 are those of East Asian Office,
# for which files carry no format code.
DATE_FORMATS: Final = frozenset({*range(14, 23), *range(27, 37), 45, 46, 47, *range(50, 59)})

# What a format code may hold beside its letters: quoted text, an escaped, padded or repeated
# character, and brackets with a colour, a condition or a locale. [h], [mm], [ss] are durations.
_DECORATION: Final = re.compile(r'"[^"]*"?|[\\_*!].|\[(?!(?:h+|m+|s+)\])[^\]]*\]', re.IGNORECASE)
# The letters of days, months, years, hours, minutes and seconds; those of weekdays (aaaa) and eras
# (e, ggge, bbbb), which only East Asian Office has. The e of 0.00E+00 is none of them.
_DATE_LETTERS: Final = re.compile(r"[dmyhs]|aaa|gg|bb|(?<![0#?.])e(?![+-])")
_LONGEST_CODE: Final = 255  # characters, by the limits of Excel
_LAST_SERIAL: Final = 2_958_466  # 9999-12-31 is the day before

_ERROR_TEXTS: Final = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}


def shows_date(code: str) -> bool:
    """Return whether a number format shows a date or a time; its first section decides."""
    plain = _DECORATION.sub("", code[:_LONGEST_CODE].lower()).partition(";")[0]
    return "general" not in plain and _DATE_LETTERS.search(plain) is not None


def serial_text(serial: float, since_1904: bool) -> str:
    """Return the text of a date, a time or a duration that is stored as a number of days.

    A number that no calendar has is given as the number it is. Raises ValueError for NaN.
    """
    days = serial + 1462 if since_1904 else serial
    if not 0 <= days < _LAST_SERIAL:
        return number_text(serial)
    # Day 60 is 1900-02-29, which never was: the days before it count from one day later.
    first = datetime(1899, 12, 31) if days < 60 else datetime(1899, 12, 30)
    moment = first + timedelta(milliseconds=round(days * 86_400_000))
    return moment.isoformat(" ", "milliseconds").removesuffix(".000")


def numeric_text(value: float, is_date: bool, since_1904: bool) -> str:
    """Return the text of a number cell, by whether its format shows a date."""
    return serial_text(value, since_1904) if is_date else number_text(value)


def error_text(code: int) -> str:
    """Return the text of a formula error by its number in binary files."""
    return _ERROR_TEXTS.get(code, "#VALUE!")


def compact_number(bits: int) -> float:
    """Return the number in an RK field: 30 bits of a float or an integer, perhaps times 100."""
    if bits & 2:
        value = float((bits >> 2) - (1 << 30 if bits >> 31 else 0))
    else:
        (value,) = struct.unpack("<d", struct.pack("<Q", (bits & ~3) << 32))
    return value / 100 if bits & 1 else value
