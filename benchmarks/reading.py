"""How long reading takes beside what fastexcel alone takes: `make bench-reading`.

Forty tidy workbooks of 1,200 classes each: once loaded by fastexcel as text and no more, once read,
recognised, cleaned and checked. Each figure is the best of five rounds, on one thread.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable

import fastexcel
import xlsxwriter

from transforms.forms import FORMS
from transforms.gate import examine
from transforms.reading import read_file

FILES, ROWS, ROUNDS = 40, 1200, 5


def workbook(number: int) -> bytes:
    """A tidy class form; each file is another unit's, so that no two hold the same bytes."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out)
    sheet = book.add_worksheet("班级学生数表")
    sheet.write(0, 0, "2020年班级学生数表")
    sheet.write_row(1, 0, [column.titled for column in FORMS["class"].columns])
    for i in range(ROWS):
        code = f"2121{number:02d}{i // 12:04d}"
        row = [code, f"第{i // 12}小学", "小学", i % 6 + 1, f"{i % 12}班", 30 + i % 20]
        sheet.write_row(2 + i, 0, row)
    book.close()
    return out.getvalue()


def best(work: Callable[[], object]) -> float:
    """Seconds of the fastest round."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    files = [workbook(number) for number in range(FILES)]

    def load() -> None:
        for data in files:
            fastexcel.read_excel(data).load_sheet(0, header_row=None, dtypes="string").to_arrow()

    def read() -> None:
        documents = [
            document
            for number, data in enumerate(files)
            for document in read_file(
                data,
                f"unit{number}/2020/class.xlsx",
                sha256=hashlib.sha256(data).hexdigest(),
                region_code=f"{number:06d}",
            )
        ]
        rows = examine(documents).rows["class"]
        assert rows.height == FILES * ROWS

    alone, whole = best(load), best(read)
    print(f"{FILES} workbooks of {ROWS} rows, milliseconds a file")
    print(f"  fastexcel alone                     {1000 * alone / FILES:6.1f}")
    print(f"  read, recognised, cleaned, checked  {1000 * whole / FILES:6.1f}")
    print(f"  that is {whole / alone:.2f} times")


if __name__ == "__main__":
    main()
