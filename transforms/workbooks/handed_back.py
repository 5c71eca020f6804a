"""An answer that is handed in again: what it added is taken out before the workbook is answered anew.

A unit may correct the returned workbook itself. Its list of findings and the marks at cells speak of
the version before; beside new ones they would have a clerk correct what is right by now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from lxml import etree

from transforms.answers import HEADER_WITHIN, NUMBER, REASON
from transforms.workbooks.book import WorkbookPart
from transforms.workbooks.comments import AUTHOR, REMEDY, take_back_remarks
from transforms.workbooks.findings import COLOURS
from transforms.workbooks.package import MAIN
from transforms.workbooks.styles import StyleSheet
from transforms.workbooks.worksheet import cells

_TEXT, _ALOUD = f"{{{MAIN}}}t", f"{{{MAIN}}}rPh"


def is_handed_back(parts: Mapping[str, bytes]) -> bool:
    """Return whether the parts of a workbook hold something that an answer has written.

    It may have been opened and saved by any program: some write Chinese as references to characters.
    """
    return any(mark in part for part in parts.values() for mark in _MARKS)


def _written(text: str) -> Iterator[bytes]:
    """Yield the ways in which XML writes a text: as it is, and with references to characters."""
    yield text.encode()
    for form in ("&#{};", "&#x{:x};", "&#x{:X};"):
        yield "".join(c if c.isascii() else form.format(ord(c)) for c in text).encode()


_MARKS = tuple(form for text in (REASON, AUTHOR, REMEDY) for form in _written(text))


def take_back(book: WorkbookPart) -> None:
    """Take lists of findings, remarks and their colours out of a workbook.

    Raises ValueError and lxml's errors where the workbook is damaged.
    """
    package = book.package
    part = package.target(book.part, "sharedStrings")
    shared = [] if part is None else [_said(entry) for entry in package.tree(part)]
    styles = StyleSheet(package, book.part)
    for sheet in book.worksheets():
        tree = package.tree(sheet.part)
        if _is_list(tree, shared):
            book.drop(sheet)
            continue
        places = take_back_remarks(package, sheet.part)
        for cell in cells(tree, places).values() if places else ():
            look = int(cell.get("s", "0"))
            cell.set("s", str(styles.unfilled(look, COLOURS.values())))


def _is_list(sheet: etree._Element, shared: list[str]) -> bool:
    """Return whether a sheet is the list of an answer, by its header as the reader knows it."""
    rows = sheet.iterfind(f"{{{MAIN}}}sheetData/{{{MAIN}}}row")
    return any({NUMBER, REASON} <= set(_texts(row, shared)) for row in islice(rows, HEADER_WITHIN))


def _texts(row: etree._Element, shared: list[str]) -> Iterator[str]:
    for cell in row.iterfind(f"{{{MAIN}}}c"):
        if cell.get("t") == "s":
            number = cell.findtext(f"{{{MAIN}}}v") or ""
            if number.isdecimal() and int(number) < len(shared):
                yield shared[int(number)]
        elif (inline := cell.find(f"{{{MAIN}}}is")) is not None:
            yield _said(inline)


def _said(entry: etree._Element) -> str:
    """Return the text of a cell or a shared string, without how it is pronounced."""
    parents = ((text, text.getparent()) for text in entry.iter(_TEXT))
    return "".join(
        text.text or "" for text, above in parents if above is None or above.tag != _ALOUD
    )
