"""Lines of text in a terminal, Chinese included: two columns a character, and no spaces to break at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

#: A word of Latin letters, or one Chinese character, with the brackets before it and the stops behind it: no line
#: begins with a stop.
_PIECE = re.compile(r"[（“《]*(?:[^\s⺀-\uffff]+|[⺀-\uffff])[，。；：、）”》！？]*\s*")


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of ``text``, none wider than ``width`` columns; paragraphs stay apart."""
    from rich.cells import cell_len

    lines: list[str] = []
    for paragraph in text.strip().split("\n\n"):
        line = ""
        for piece in _PIECE.findall(" ".join(paragraph.split())):
            if line and cell_len(line) + cell_len(piece.rstrip()) > width:
                lines.append(line.rstrip())
                line = ""
            line += piece
        lines += [line.rstrip(), ""]
    return lines[:-1]


def say(console: Console, begin: str, text: str, style: str = "") -> None:
    """Print ``begin`` and behind it ``text``, whose further lines stand below its first; no markup."""
    from rich.cells import cell_len

    margin = cell_len(begin)
    lines = wrapped(text, max(console.width - margin, 20))
    for number, line in enumerate(lines):
        before = " " * margin if number else begin
        console.print(f"{before}{line}", style=style, markup=False, highlight=False, soft_wrap=True)
