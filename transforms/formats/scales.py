"""Number formats that show another figure than the one that is stored.

A format may divide by thousands (``#,##0,``), put a point where there is none (``0!.0,`` shows
12345678 as 1234.6), multiply by a hundred (``0%``) or say 万 behind the figure. Who fills in a form
reads and checks what is shown, so that what is stored may be a figure 10,000 times too large.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

_LONGEST_CODE: Final = 255  # characters, by the limits of Excel
_PLACES: Final = "0#?"
#: Powers of ten by the words that stand behind a figure, the longest first.
_WORDS: Final = (
    ("千万", 7),
    ("百万", 6),
    ("十万", 5),
    ("亿", 8),
    ("万", 4),
    ("千", 3),
    ("百", 2),
    ("K", 3),
    ("M", 6),
)
_COUNTED: Final = ("", "元", "人", "名", "所", "个", "件", "项", "班", "户", "处")
#: Formats that files carry no code for.
BUILT_IN: Final = {9: "0%", 10: "0.00%"}


@dataclass(frozen=True)
class Scale:
    """How a figure is shown: stored × 10^``power``, then a word worth 10^``word``."""

    power: int
    word: int
    code: str


class Scaled(NamedTuple):
    """A cell whose format scales what it shows, by its zero-based row and column."""

    row: int
    column: int
    scale: Scale


@dataclass(frozen=True)
class _Section:
    """A part of a number format: the numbers it is for, and how it shows them."""

    comparator: str
    bound: float
    power: int
    word: int


_HOLDS: Final[dict[str, Callable[[float, float], bool]]] = {
    "": lambda value, bound: True,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "<>": operator.ne,
}


def scale_of(code: str, value: float) -> Scale | None:
    """Return how a number format shows ``value``; None where it shows the figure itself."""
    if value == 0:
        return None
    section = _section_for(_sections(code[:_LONGEST_CODE]), value)
    if section is None or (section.power == 0 and section.word == 0):
        return None
    return Scale(section.power, section.word, code[:_LONGEST_CODE])


def may_scale(code: str) -> bool:
    """Return whether the format scales any number."""
    return any(section.power or section.word for section in _sections(code[:_LONGEST_CODE]))


def _section_for(sections: tuple[_Section, ...], value: float) -> _Section | None:
    if any(section.comparator for section in sections):
        return next((each for each in sections if _HOLDS[each.comparator](value, each.bound)), None)
    if not sections:
        return None
    return sections[1] if value < 0 and len(sections) > 1 else sections[0]


@lru_cache(maxsize=4096)
def _sections(code: str) -> tuple[_Section, ...]:
    """Return the sections of a format that show a number."""
    found: list[_Section] = []
    rest = code
    while rest and len(found) < 3:
        section, rest = _section(rest)
        found.append(section)
    return tuple(found)


def _section(code: str) -> tuple[_Section, str]:
    """Return the first section of a format and the code of those behind it."""
    comparator, bound = "", 0.0
    places = after_point = commas = divided = percents = 0
    pointed = False  # a point that only looks like one
    behind = ""
    at = 0
    while at < len(code):
        letter = code[at]
        at += 1
        literal = ""
        if letter == ";":
            break
        if letter == '"':
            end = code.find('"', at)
            end = len(code) if end < 0 else end
            literal, at = code[at:end], end + 1
        elif letter in "\\!":
            literal, at = code[at : at + 1], at + 1
        elif letter in "_*":
            at += 1
        elif letter == "[":
            end = code.find("]", at)
            end = len(code) if end < 0 else end
            inside, at = code[at:end], end + 1
            comparator, bound = _condition(inside) or (comparator, bound)
        elif letter in _PLACES:
            places += 1
            after_point += pointed
            commas, behind = 0, ""
        elif letter == "," and places:
            commas += 1
        elif letter == ".":  # commas to its left divide too
            divided, commas = divided + commas, 0
        elif letter == "%":
            percents += 1
        elif letter not in "+-() ":
            literal = letter
        if literal == "." and places:
            pointed = True
        behind += literal
    if not places:
        return _Section(comparator, bound, 0, 0), code[at:]
    power = 2 * percents - 3 * (commas + divided) - after_point
    return _Section(comparator, bound, power, _word(behind)), code[at:]


def _condition(inside: str) -> tuple[str, float] | None:
    for comparator in ("<=", ">=", "<>", "<", ">", "="):
        if inside.startswith(comparator):
            try:
                return comparator, float(inside[len(comparator) :])
            except ValueError:
                return None
    return None


def _word(behind: str) -> int:
    behind = "".join(behind.split())
    for word, power in _WORDS:
        if behind.upper().startswith(word) and behind[len(word) :] in _COUNTED:
            return power
    return 0
