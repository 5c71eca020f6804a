"""Return sheets: what a county clerk opens to see which cells are wrong and what to do.

A return sheet is the workbook that was handed in, with every offending cell filled and commented
and a first sheet that lists all findings; where the workbook cannot be copied (another format,
damaged, too large), it is that list alone. The file comes from strangers and goes back to people
who will open it, hence two rules: nothing is parsed but what was unpacked within bounds, and
no text of a submission is ever written as a formula.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from transforms.workbooks.book import WorkbookPart
from transforms.workbooks.copying import copied
from transforms.workbooks.finding_list import list_sheet
from transforms.workbooks.findings import ListedFinding, in_order, list_title
from transforms.workbooks.handed_back import is_handed_back, take_back
from transforms.workbooks.heading import Heading
from transforms.workbooks.marks import mark
from transforms.workbooks.package import unpacked
from transforms.workbooks.styles import StyleSheet

_log = logging.getLogger(__name__)


def write_return_sheet(
    out: Path,
    findings: pl.DataFrame,
    *,
    file_name: str,
    original: bytes | None,
    heading: Heading | None = None,
) -> None:
    """Write the return sheet of one submitted file to ``out`` (an .xlsx), whole or not at all.

    ``heading`` says whose answer it is. ``findings`` has the columns of
    :data:`transforms.records.FINDING` (and those of :func:`~transforms.workbooks.findings.in_order`); with an error among them the file was
    returned, without one it was accepted. ``original`` is the submitted .xlsx or .xlsm; with None,
    or where it is damaged or beyond the bounds of a copy, the list of findings stands alone. Macros
    are not copied; formulas are computed anew on opening.

    Raises OSError where ``out`` cannot be written, and Polars' errors where a column is missing.
    """
    listed = in_order(findings)
    content = None if original is None else _annotated_copy(original, listed, file_name, heading)
    if content is None:
        content = _answered(WorkbookPart.blank(), listed, file_name, heading)
    _replace(out, content)


def _annotated_copy(
    original: bytes, findings: Sequence[ListedFinding], file_name: str, heading: Heading | None
) -> bytes | None:
    """Return the submitted workbook with marks and list, or None where it cannot be copied."""
    # Damage takes forms without number, and each raises another exception somewhere on the way:
    # whatever it is, the clerk still gets the list.
    try:
        parts = unpacked(original)
        book = WorkbookPart(copied(parts))
        if is_handed_back(parts):
            take_back(book)
        return _answered(book, findings, file_name, heading) if book.worksheets() else None
    except Exception as error:
        _log.info("%s cannot be copied, the list stands alone: %r", file_name, error)
        return None


def _answered(
    book: WorkbookPart,
    findings: Sequence[ListedFinding],
    file_name: str,
    heading: Heading | None,
) -> bytes:
    """Return the workbook with its cells marked and the list as its first sheet."""
    styles = StyleSheet(book.package, book.part)
    mark(book, styles, findings)
    linkable = {sheet.title: sheet.visible for sheet in book.worksheets()}
    listed, print_titles = list_sheet(findings, file_name, styles, linkable, heading)
    book.put_first(book.free_title(list_title(findings)), listed, print_titles)
    book.compute_on_opening()
    return book.package.to_bytes()


def _replace(out: Path, content: bytes) -> None:
    """Put ``content`` at ``out`` in one step, so that nobody opens half a file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    # Always the same name: what a killed run leaves of it, the next one writes over.
    part = out.with_name(f".{hashlib.sha256(out.name.encode()).hexdigest()[:16]}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
