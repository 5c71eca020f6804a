"""How long reading takes beside what fastexcel alone takes: `make bench-reading`.

Forty tidy workbooks of 1,200 rows for each of three forms: once loaded by fastexcel as text and no
more, once read, recognised, cleaned and checked, on one thread and on as many as there are
processors. The rounds take turns, so that what else the machine does falls on all of them; each
figure is that of the fastest round.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import fastexcel
import xlsxwriter

from transforms.forms import FORMS, Column, Form, Kind
from transforms.reading import read_file
from transforms.submissions import Document, examine

FILES, ROWS, ROUNDS = 40, 1200, 9


def cell(column: Column, form: Form, number: int, row: int) -> object:
    """Return what a careful clerk would write into the column."""
    match column.kind:
        case Kind.CODE:
            return f"2121{number:02d}{row if form.key == ('institution_code',) else row // 12:04d}"
        case Kind.TEXT:
            return (
                f"第{row // 12}{column.header}" if form.key[-1] != column.name else f"{row % 12}班"
            )
        case Kind.CHOICE:
            return column.choices[0]
        case Kind.BOOL:
            return "否" if column.name == "licensed" else "是"
        case Kind.GRADE:
            return row % 6 + 1
        case Kind.TIME:
            return "07:50"
        case Kind.DATE:
            return date(2020, 9, 1).isoformat()
        case _:
            return 30 + row % 20 if column.name == "students" else 100


def workbook(form: Form, number: int) -> bytes:
    """Return a tidy form; each file is another unit's, so that no two hold the same bytes."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    sheet = book.add_worksheet(form.zh)
    sheet.write(0, 0, f"2020年{form.zh}")
    sheet.write_row(1, 0, [column.titled for column in form.columns])
    for row in range(ROWS):
        sheet.write_row(2 + row, 0, [cell(column, form, number, row) for column in form.columns])
    book.close()
    return out.getvalue()


def read(file: tuple[int, bytes, str]) -> list[Document]:
    """Return the documents of one file: its number, its bytes and their hash."""
    number, data, sha256 = file
    return read_file(
        data, f"unit{number}/2020/form.xlsx", sha256=sha256, region_code=f"{number:06d}"
    )


def fastest(*ways: Callable[[], object]) -> list[float]:
    """Return seconds of each way's fastest round."""
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS):
        for way, taken in zip(ways, times, strict=True):
            started = time.perf_counter()
            way()
            taken.append(time.perf_counter() - started)
    return [min(taken) for taken in times]


def measure(form: Form, workers: int) -> list[float]:
    """Return milliseconds a file: fastexcel alone, all of our work, the same on several threads."""
    books = [workbook(form, number) for number in range(FILES)]
    # The archive knows the hash of what it keeps.
    files = [(i, book, hashlib.sha256(book).hexdigest()) for i, book in enumerate(books)]

    def load() -> None:
        for data in books:
            fastexcel.read_excel(data).load_sheet(0, header_row=None, dtypes="string").to_arrow()

    def check(documents: list[list[Document]]) -> None:
        examined = examine([document for found in documents for document in found])
        assert examined.rows[form.name].height == FILES * ROWS, examined.findings["message_en"][:3]

    def one() -> None:
        check([read(file) for file in files])

    def several() -> None:
        with ThreadPoolExecutor(workers) as pool:
            check(list(pool.map(read, files)))

    return [1000 * seconds / FILES for seconds in fastest(load, one, several)]


def main() -> None:
    workers = os.cpu_count() or 1
    print(f"{FILES} workbooks of {ROWS} rows, milliseconds a file")
    print(
        "form            columns   fastexcel alone   all of ours   times   on", workers, "threads"
    )
    for name in ("class", "kindergarten", "school"):
        form = FORMS[name]
        alone, ours, together = measure(form, workers)
        print(
            f"{name:15} {len(form.columns):7} {alone:17.1f} {ours:13.1f} {ours / alone:7.2f}"
            f" {together:12.1f}"
        )


if __name__ == "__main__":
    main()
