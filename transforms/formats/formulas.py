"""The text of a formula in an .xls, where it is stored in the order in which it is calculated.

Only what people use in tables: references, figures, arithmetic and a few functions. It is quoted in a
message, never calculated; a formula with anything else in it is named as one, without its text.
"""

from __future__ import annotations

import struct
from typing import Final

from .cells import column_letters

#: What stands for a formula whose text is not known.
SOME_FORMULA: Final = "=(公式)"

_BINARY: Final = dict(
    enumerate(("+", "-", "*", "/", "^", "&", "<", "<=", "=", ">=", ">", "<>"), start=3)
)
_FUNCTIONS: Final = {
    0: "COUNT",
    1: "IF",
    4: "SUM",
    5: "AVERAGE",
    6: "MIN",
    7: "MAX",
    36: "AND",
    37: "OR",
    101: "HLOOKUP",
    102: "VLOOKUP",
    169: "COUNTA",
    228: "SUMPRODUCT",
}
_FIXED: Final = {
    24: ("ABS", 1),
    25: ("INT", 1),
    27: ("ROUND", 2),
    212: ("ROUNDUP", 2),
    213: ("ROUNDDOWN", 2),
    345: ("SUMIF", 2),
    346: ("COUNTIF", 2),
}


def formula_text(record: bytes, biff8: bool) -> str:
    """Return the formula of the tokens that ``record`` holds behind their number of bytes; raises nothing."""
    try:
        (size,) = struct.unpack_from("<H", record)
        return f"={_text(record[2 : 2 + size], biff8)}"
    except (struct.error, IndexError, KeyError, ValueError):
        return SOME_FORMULA


def _text(tokens: bytes, biff8: bool) -> str:
    stack: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        kind = token if token < 0x20 else 0x20 | token & 0x1F
        if kind in _BINARY:
            right, left = stack.pop(), stack.pop()
            stack.append(f"{left}{_BINARY[kind]}{right}")
        elif kind in (0x12, 0x13):
            stack.append(("+" if kind == 0x12 else "-") + stack.pop())
        elif kind == 0x14:
            stack.append(stack.pop() + "%")
        elif kind == 0x15:
            stack.append(f"({stack.pop()})")
        elif kind == 0x16:
            stack.append("")
        elif kind == 0x19:  # of an attribute only SUM says anything
            if tokens[at] & 0x10:
                stack.append(f"SUM({stack.pop()})")
            elif tokens[at] & 0x04:
                raise KeyError("CHOOSE")
            at += 3
        elif kind == 0x1E:
            stack.append(str(struct.unpack_from("<H", tokens, at)[0]))
            at += 2
        elif kind == 0x1F:
            stack.append(f"{struct.unpack_from('<d', tokens, at)[0]:.15g}")
            at += 8
        elif kind == 0x21:
            name, count = _FIXED[struct.unpack_from("<H", tokens, at)[0]]
            stack.append(_call(name, count, stack))
            at += 2
        elif kind == 0x22:
            count, function = struct.unpack_from("<BH", tokens, at)
            stack.append(_call(_FUNCTIONS[function & 0x7FFF], count & 0x7F, stack))
            at += 3
        elif kind == 0x24:
            row, column = struct.unpack_from("<HH" if biff8 else "<HB", tokens, at)
            stack.append(_cell(row, column, biff8))
            at += 4 if biff8 else 3
        elif kind == 0x25:
            first, last, left, right = struct.unpack_from("<4H" if biff8 else "<HHBB", tokens, at)
            stack.append(f"{_cell(first, left, biff8)}:{_cell(last, right, biff8)}")
            at += 8 if biff8 else 6
        else:
            raise KeyError(token)
    (text,) = stack or [""]
    if not text:
        raise KeyError("nothing")
    return text


def _call(name: str, count: int, stack: list[str]) -> str:
    if count > len(stack):
        raise IndexError(name)
    given = [stack.pop() for _ in range(count)]
    return f"{name}({','.join(reversed(given))})"


def _cell(row: int, column: int, biff8: bool) -> str:
    # Whether a reference is absolute stands in the upper bits: of the column, before that of the row.
    return f"{column_letters(column & 0xFF)}{(row if biff8 else row & 0x3FFF) + 1}"
