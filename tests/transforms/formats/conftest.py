"""Small real files of every format, made anew by each test."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping

import polars as pl
import pytest
import xlsxwriter

from transforms.formats import Sheet

Grid = dict[tuple[int, int], str]
Filled = Callable[[Sheet], Grid]
MakeXlsx = Callable[[Mapping[str, Mapping[tuple[int, int], object]]], bytes]
MakeZip = Callable[[Mapping[str, bytes]], bytes]
WithPart = Callable[[bytes, str, Callable[[bytes], bytes]], bytes]


@pytest.fixture(scope="session")
def filled() -> Filled:
    """The cells of a sheet that hold text, by zero-based (row, column)."""

    def filled(sheet: Sheet) -> Grid:
        assert all(dtype == pl.String for dtype in sheet.cells.dtypes)
        assert sheet.cells.columns == [str(index) for index in range(sheet.cells.width)]
        return {
            (row, int(column)): text
            for column in sheet.cells.columns
            for row, text in enumerate(sheet.cells[column])
            if text is not None
        }

    return filled


@pytest.fixture(scope="session")
def xlsx() -> MakeXlsx:
    """A workbook of the given cells by sheet."""

    def xlsx(sheets: Mapping[str, Mapping[tuple[int, int], object]]) -> bytes:
        buffer = io.BytesIO()
        book = xlsxwriter.Workbook(buffer, {"in_memory": True})
        for name, cells in sheets.items():
            sheet = book.add_worksheet(name)
            for (row, column), value in cells.items():
                if isinstance(value, str):
                    sheet.write_string(row, column, value)
                else:
                    sheet.write(row, column, value)
        book.close()
        return buffer.getvalue()

    return xlsx


@pytest.fixture(scope="session")
def zipped() -> MakeZip:
    """A zip of the given entries."""

    def zipped(entries: Mapping[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        return buffer.getvalue()

    return zipped


@pytest.fixture(scope="session")
def with_part(zipped: MakeZip) -> WithPart:
    """A container with some of its parts replaced; `change` gets the bytes that were there."""

    def with_part(container: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
        with zipfile.ZipFile(io.BytesIO(container)) as archive:
            parts = {entry: archive.read(entry) for entry in archive.namelist()}
        parts[name] = change(parts[name])
        return zipped(parts)

    return with_part
