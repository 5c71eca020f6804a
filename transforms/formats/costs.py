"""What reading a file will take of the memory, told before it is read.

The figures were measured with the readers of this package, on files of all shapes; they are a
guess on the safe side and no limit. What a container says of itself is believed here: who reads it
keeps to the limits, and who runs the reader looks at what it takes.
"""

from __future__ import annotations

import re
from typing import Final
from zipfile import ZipInfo

from .model import Limits, Unreadable
from .packages import Package, open_archive, zip_start

#: Bytes of memory for a byte of a workbook unpacked, of markup, and of anything else.
_PACKED, _MARKUP, _OTHER = 8, 32, 16
#: Bytes for a cell that stands in a file once, with a number of times beside it.
_REPEATED_CELL = 90
_CONTENT: Final = "content.xml"
_REPEATED_ROWS: Final = re.compile(rb"""rows-repeated\s?=\s?["']([0-9]{1,9})["']""")
# Blank runs to the edge of the sheet are usual and take no room: their element is closed at once.
_REPEATED_COLUMNS: Final = re.compile(
    rb"""columns-repeated\s?=\s?["']([0-9]{1,9})["'][^<>]{0,400}(?<!/)>"""
)


def expected_bytes(data: bytes, limits: Limits) -> int:
    """Return bytes of memory that :func:`transforms.formats.read_workbook` is expected to take for a file."""
    start = zip_start(data)
    if start is None:
        return len(data) * (_MARKUP if data[:256].lstrip().startswith(b"<") else _OTHER)
    data = data[start:] if start else data
    try:
        entries = open_archive(data, limits, "zip").infolist()
        unpacked = sum(entry.file_size for entry in entries)
        cells = _repeated_cells(data, limits) if any(map(_is_content, entries)) else 0
    except Unreadable:
        return 0  # nor will it be read
    return min(unpacked, limits.unpacked_bytes) * _PACKED + cells * _REPEATED_CELL


def _is_content(entry: ZipInfo) -> bool:
    """Return whether an entry may be the part of an .ods in which its cells are, by its name."""
    return entry.filename.lower().endswith(_CONTENT)


def _repeated_cells(data: bytes, limits: Limits) -> int:
    """Return the cells of an .ods that stand in it once for many, as far as they would be read."""
    package = Package(data, limits)
    if _CONTENT not in package:
        return 0
    cells = 0
    for row in package.read(_CONTENT).split(b"table-row"):
        if b"-repeated" not in row or b"<text:p" not in row:
            continue
        found = _REPEATED_ROWS.search(row)
        columns = sum(int(number) for number in _REPEATED_COLUMNS.findall(row))
        cells += (int(found[1]) if found else 1) * max(columns, 1)
    return min(cells, limits.cells)
