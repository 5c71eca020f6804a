"""From bytes to cells: whatever a reporting unit hands in, as sheets of text.

    read_workbook(data, name)   the sheets of one file
    is_zip_of_files(data, name) whether it is a zip of such files instead
    open_zip(data, name)        the files in that zip
    open_entry(data, name, one) one of them
    expected_bytes(data)        the memory that reading one will take
    column_letters(index)       the letters by which people know a column
    column_index(letters)       the column that they know by these letters

The content decides what a file is, never its ending. What cannot be read raises Unreadable with a
sentence for the people who sent it; memory stays within Limits, whatever the file claims.
"""

from __future__ import annotations

from .cells import column_index, column_letters
from .costs import expected_bytes
from .model import Doubt, Limits, Sheet, Unreadable
from .reader import read_workbook
from .zips import READABLE_SUFFIXES, Entry, is_zip_of_files, open_entry, open_zip

__all__ = [
    "READABLE_SUFFIXES",
    "Doubt",
    "Entry",
    "Limits",
    "Sheet",
    "Unreadable",
    "column_index",
    "column_letters",
    "expected_bytes",
    "is_zip_of_files",
    "open_entry",
    "open_zip",
    "read_workbook",
]
