"""A unit's answers to warnings: the column of an answer in which it says why a figure is right.

An answer (a return sheet) lists its findings on its first sheet. What may be right as it stands has a
number there, and a cell for the reason. The sheet comes back with the unit's next delivery, in the
answered workbook or in another one; it is known by its header and is never read as a form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: The headers of the two columns by which the sheet is known.
NUMBER, REASON = "编号", "情况属实的, 写明原因"
#: What stands in the cell where no reason helps; not a reason itself.
TO_BE_CORRECTED, NOTHING_TO_SAY = "须更正后重新报送", "—"
#: What is put before a reason that was given before and is not decided, or was refused.
WAITING, REFUSED = "【已收到, 待审核】", "【未被采纳】"

#: So many rows from the top are looked through for the header.
HEADER_WITHIN = 12
_LONGEST = 500


@dataclass(frozen=True)
class Reason:
    """Why the finding of this number is right as it stands, as the unit wrote it."""

    number: str
    text: str


def reasons_in(rows: Sequence[tuple[str | None, ...]]) -> tuple[Reason, ...] | None:
    """Return the reasons on a sheet of an answer, None where ``rows`` are no such sheet.

    ``rows`` are the rows of the sheet, from its first; only when the header is there, all are looked at.
    """
    for place in range(min(HEADER_WITHIN, len(rows))):
        headers = rows[place]
        if NUMBER in headers and REASON in headers:
            number, reason = headers.index(NUMBER), headers.index(REASON)
            below = (rows[i] for i in range(place + 1, len(rows)))
            return tuple(_reasons(below, number, reason))
    return None


def _reasons(rows: Iterable[tuple[str | None, ...]], number: int, reason: int) -> Iterable[Reason]:
    for row in rows:
        known, text = row[number], " ".join((row[reason] or "").split())
        if text.startswith(WAITING):
            continue  # it was given before and has not changed
        text = text.removeprefix(REFUSED).strip()
        if known and text and text not in (TO_BE_CORRECTED, NOTHING_TO_SAY):
            yield Reason(known.strip().upper(), text[:_LONGEST])
