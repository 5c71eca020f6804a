"""How a name out of the world is shown to people: file names, and whatever else somebody else chose.

A name may hold line breaks, terminal sequences, letters that turn the direction of a line, or what a
page takes for markup. Wherever people read one (logs, tables, messages, the terminal) it goes
through :func:`shown`, and through :func:`in_markdown` where Markdown is read.
"""

from __future__ import annotations

import unicodedata
from typing import Final

#: Characters of a name that are shown.
LONGEST: Final = 200
#: Characters of a sentence that may quote names.
SENTENCE: Final = 2000
#: Without these there is no link, picture, code or tag; others only change how letters look.
_MARKUP: Final = frozenset("\\`*[]<>!|~&$")


def shown(name: str, longest: int = LONGEST) -> str:
    """``name`` on one line, as text: what cannot be printed becomes ?, what is too long is cut."""
    plain = "".join(letter if _plain(letter) else "?" for letter in name)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def _plain(letter: str) -> bool:
    # Python calls no space printable but that of ASCII; Chinese names hold wide ones.
    return letter.isprintable() or unicodedata.category(letter) == "Zs"


def in_markdown(name: str) -> str:
    """:func:`shown` for a place where Markdown or HTML is read: as text, whatever it holds."""
    return "".join(f"&#{ord(letter)};" if letter in _MARKUP else letter for letter in shown(name))
