"""How the files of the made-up city are told from real ones: a line that each of their sheets carries.

What writes them and what reads them take it from here. It stands above the table, where a person
sees it, and it is words in cells, which every format keeps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_MARK = "虚构样例数据，仅供演示"

#: What stands in the first cell of every sheet that is made up.
MADE_UP_LINE = f"{_MARK}。所有数字均为编造，不反映任何真实地区和学校的情况。"

#: The mark however it was spaced or punctuated since.
_MARKED = re.compile(r"\W*".join(character for character in _MARK if character.isalpha()))


def says_made_up(texts: Iterable[str | None]) -> bool:
    """Return whether one of ``texts``, the cells at the top of a sheet, carries the mark."""
    # Parted by a letter, so that no mark is put together out of several cells.
    return _MARKED.search("x".join(text for text in texts if text)) is not None
