"""Sheets to the bytes of a file; the same sheets always give the same bytes.

Every sheet that is written here, whatever the format, says in its first row that it is made up.
"""

from __future__ import annotations

import csv
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time
from io import BytesIO, StringIO

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from transforms.made_up import MADE_UP_LINE
from transforms.sample.sheet import Cell, SampleSheet
from transforms.texts import Misfit

# xlsxwriter writes the time of day into a workbook unless told another.
_CREATED = datetime(2018, 1, 1)

_MOST_ROWS = 1_048_576

# 1 January 2018 as MS-DOS writes it: years since 1980, month and day in 7, 4 and 5 bits.
_DOS_DATE = (38 << 9) | (1 << 5) | 1


def workbook_bytes(sheets: Sequence[SampleSheet]) -> bytes:
    """Return an .xlsx workbook of ``sheets``, in their order.

    Raises ValueError for more rows than a sheet can hold; xlsxwriter would leave them out.
    """
    sheets = [_marked(sheet) for sheet in sheets]
    if max(len(sheet.rows) for sheet in sheets) > _MOST_ROWS:
        raise Misfit(
            f"一张 .xlsx 工作表最多 {_MOST_ROWS:,} 行：请把 --scale 写小一些",
            f"a sheet of .xlsx holds {_MOST_ROWS:,} rows: choose a smaller scale",
        )
    out = BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    book.set_properties(
        {"created": _CREATED, "author": "", "title": sheets[0].name, "comments": MADE_UP_LINE}
    )
    formats = {
        "text": book.add_format({"num_format": "@"}),
        "time": book.add_format({"num_format": "hh:mm"}),
        "date": book.add_format({"num_format": "yyyy-mm-dd"}),
        "merged": book.add_format({"bold": True, "align": "center"}),
    }
    for sheet in sheets:
        page = book.add_worksheet(sheet.name)
        page.set_header(f"&C{MADE_UP_LINE}")
        for number, row in enumerate(sheet.rows):
            _write_row(page, number, row, formats)
        for top, left, bottom, right in sheet.merges:
            if (top, left) != (bottom, right):
                head = sheet.rows[top][left]
                page.merge_range(top, left, bottom, right, head, formats["merged"])
        if sheet.hidden:
            page.hide()
    # A workbook cannot open on a hidden sheet.
    next(
        page for page, sheet in zip(book.worksheets(), sheets, strict=True) if not sheet.hidden
    ).activate()
    book.close()
    return out.getvalue()


def delimited_bytes(sheet: SampleSheet, *, encoding: str, delimiter: str = ",") -> bytes:
    """``sheet`` as .csv or .tsv text."""
    out = StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    for row in _marked(sheet).rows:
        writer.writerow([_as_text(cell) for cell in row])
    return out.getvalue().encode(encoding)


def zip_bytes(entries: Sequence[tuple[str, bytes]]) -> bytes:
    """Return a .zip as Chinese Windows makes it: names in GBK without saying so.

    Written by hand because :mod:`zipfile` knows no other encoding for a Chinese name than UTF-8.
    """
    out = BytesIO()
    directory = BytesIO()
    for name, data in entries:
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = packer.compress(data) + packer.flush()
        raw_name = name.encode("gbk")
        # Version needed, flags, method, time, date, CRC, packed and full size, lengths of names.
        shared = struct.pack(
            "<HHHHHIIIHH",
            *(20, 0, 8, 0, _DOS_DATE),
            *(zlib.crc32(data), len(packed), len(data), len(raw_name), 0),
        )
        # Made by, shared, comment length, disk, attributes (inner, outer), where the entry starts.
        directory.write(b"PK\x01\x02" + struct.pack("<H", 20) + shared)
        directory.write(struct.pack("<HHHII", 0, 0, 0, 0, out.tell()) + raw_name)
        out.write(b"PK\x03\x04" + shared + raw_name + packed)
    start, size, count = out.tell(), directory.tell(), len(entries)
    out.write(directory.getvalue())
    out.write(b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, size, start, 0))
    return out.getvalue()


def _marked(sheet: SampleSheet) -> SampleSheet:
    """``sheet`` one row lower, below the line that says that it is made up."""
    merges = [(top + 1, left, bottom + 1, right) for top, left, bottom, right in sheet.merges]
    return replace(sheet, rows=[[MADE_UP_LINE], *sheet.rows], merges=merges)


def _as_text(cell: Cell) -> str:
    if isinstance(cell, time):
        return cell.isoformat("minutes")
    return "" if cell is None else str(cell)


def _write_row(
    page: Worksheet, number: int, row: Sequence[Cell], formats: dict[str, Format]
) -> None:
    for column, cell in enumerate(row):
        # Strings by far outnumber the rest, and long digits must stay text.
        if isinstance(cell, str):
            page.write_string(number, column, cell, formats["text"])
        elif isinstance(cell, int | float):
            page.write_number(number, column, cell)
        elif isinstance(cell, time):
            page.write_number(
                number, column, (60 * cell.hour + cell.minute) / 1440, formats["time"]
            )
        elif isinstance(cell, date):
            page.write_datetime(number, column, datetime.combine(cell, time()), formats["date"])
