"""Tables that leave the report for a spreadsheet: CSV text in which no cell can be a formula.

Names come from submissions, and a school called `=HYPERLINK(…)` would be run by the program that
opens the file. The page's own copy function (static/report.js) keeps the same rule.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

# Full-width signs count: Excel in an East Asian setting reads them as the ASCII ones.
_STARTS_FORMULA = re.compile(r"\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]")
_NUMBER = re.compile(r"[+-]?\d[\d,]*(\.\d+)?%?")


def harmless(cell: object) -> str:
    """Return a cell's text with an apostrophe before what a spreadsheet would compute.

    White space of any kind (line breaks, tabs, U+2028) becomes a space. Numbers, negative ones
    too, stay as they are.
    """
    text = "" if cell is None else re.sub(r"\s+", " ", str(cell)).strip()
    if _STARTS_FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return CSV (RFC 4180) with a byte order mark, without which Excel misreads Chinese."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return "\ufeff" + buffer.getvalue()
