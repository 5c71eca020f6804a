"""What reading takes beside what fastexcel alone takes, in time of the processor: `make bench-reading`.

Tidy workbooks of 50, 135 and 1,200 rows for each of three forms, 30 small ones or 5 long ones of each,
no two of them the same. Measured are, in turns, so that what else the machine does falls on all:

    alone     fastexcel loads the sheet as text, and no more
    reading   from the bytes of a file to the tables of the forms that stand in it
              (transforms.reading.read_file): unpacked within the limits, looked through for what the
              library gets wrong, loaded, its header recognised, its body cut out
    all       the same, then all files of a form together cleaned and checked
              (transforms.submissions.examine)

Each figure is milliseconds of processor a file, of whatever thread, in the fastest round; `make` keeps
Polars to one thread, as it is kept where the pipeline reads.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Sequence
from datetime import date

import fastexcel
import xlsxwriter

from transforms.forms import FORMS, Column, Form, Kind
from transforms.reading import read_file
from transforms.submissions import Document, examine

FORMS_READ = ("class", "kindergarten", "school")
#: Rows of a workbook, and how many workbooks there are.
SIZES = ((50, 30), (135, 30), (1200, 5))
ROUNDS = 9

#: The number of a file, its bytes and their hash, which the archive knows of what it keeps.
File = tuple[int, bytes, str]


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


def workbook(form: Form, number: int, rows: int) -> bytes:
    """Return a tidy form; each file is another unit's, so that no two hold the same bytes."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    sheet = book.add_worksheet(form.zh)
    sheet.write(0, 0, f"2020年{form.zh}")
    sheet.write_row(1, 0, [column.titled for column in form.columns])
    for row in range(rows):
        sheet.write_row(2 + row, 0, [cell(column, form, number, row) for column in form.columns])
    book.close()
    return out.getvalue()


def read(files: Sequence[File]) -> list[Document]:
    """Return the documents of the files."""
    return [
        document
        for number, data, sha256 in files
        for document in read_file(
            data, f"unit{number}/2020/form.xlsx", sha256=sha256, region_code=f"{number:06d}"
        )
    ]


def load(files: Sequence[File]) -> None:
    """Let fastexcel load the sheet of each file, and no more."""
    for _, data, _ in files:
        fastexcel.read_excel(data).load_sheet(0, header_row=None, dtypes="string").to_arrow()


def measure(form: Form, rows: int, count: int) -> tuple[float, float, float]:
    """Return milliseconds a file: fastexcel alone, reading, and reading with all that follows."""
    books = [workbook(form, number, rows) for number in range(count)]
    files = [(i, book, hashlib.sha256(book).hexdigest()) for i, book in enumerate(books)]
    times = []
    for _ in range(ROUNDS):
        marks = [time.process_time()]
        load(files)
        marks.append(time.process_time())
        documents = read(files)
        marks.append(time.process_time())
        examined = examine(documents)
        marks.append(time.process_time())
        assert examined.rows[form.name].height == count * rows, examined.findings["message_en"][:3]
        times.append((marks[1] - marks[0], marks[2] - marks[1], marks[3] - marks[1]))
    alone, reading, everything = (1000 * min(way) / count for way in zip(*times, strict=True))
    return alone, reading, everything


def main() -> None:
    print(f"milliseconds of processor a file, the fastest of {ROUNDS} rounds")
    print("form          columns   rows   fastexcel alone   reading   times     all   times")
    for rows, count in SIZES:
        for name in FORMS_READ:
            form = FORMS[name]
            alone, reading, everything = measure(form, rows, count)
            print(
                f"{name:13} {len(form.columns):7} {rows:6} {alone:17.2f} {reading:9.2f}"
                f" {reading / alone:7.2f} {everything:7.2f} {everything / alone:7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
