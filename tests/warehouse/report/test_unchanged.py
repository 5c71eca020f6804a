"""Pages that would say the same are kept from the report before, and nobody could tell: not a byte is another.

Whatever changes in a publication, the report written beside the last one is the one written from scratch.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import duckdb
import pytest

from warehouse.publication.reader import Reader
from warehouse.publication.relations import KEYS
from warehouse.publication.tables import TABLES
from warehouse.report import write_report
from warehouse.report.pages import MARKS

#: What holds the others together; another value there makes another city.
LEFT_ALONE = {
    *{("region", column) for column in ("level", "parent_code", "successor")},
    *{("clause", column) for column in ("indicator_id", "section", "kind")},
    ("publication", "previous_id"),
}


def write(file: Path, out: Path, reference: Path, last: Path | None = None) -> Path:
    with duckdb.connect(str(file), read_only=True) as connection:
        write_report(Reader(connection), out, reference, last=last)
    return out


@pytest.fixture
def copy(publication_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(publication_file, tmp_path / "changed.duckdb"))


def change(file: Path, chance: random.Random, many: int) -> None:
    """Put values into other rows of their columns, wherever that leaves a publication."""
    with duckdb.connect(str(file)) as connection:
        for _ in range(many):
            table = chance.choice(TABLES)
            (rows,) = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone() or (0,)
            free = [
                column.name
                for column in table.columns
                if column.name not in KEYS.get(table.name, ("clause_id", "region_code", "year"))
                and (table.name, column.name) not in LEFT_ALONE
            ]
            if rows and free:
                column = chance.choice(free)
                first, second = chance.randrange(rows), chance.randrange(rows)
                connection.execute(
                    f'UPDATE {table.name} SET "{column}" ='
                    f' (SELECT "{column}" FROM {table.name} WHERE rowid = {first})'
                    f" WHERE rowid = {second}"
                )


def contents(report: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in report.iterdir()}


@pytest.mark.parametrize("seed", range(3))
def test_whatever_changes_the_report_is_the_one_written_from_scratch(
    seed: int, copy: Path, report: Path, reference: Path, tmp_path: Path
) -> None:
    change(copy, random.Random(seed), many=4)
    beside = write(copy, tmp_path / "beside", reference, last=report)
    assert contents(beside) == contents(write(copy, tmp_path / "scratch", reference))


def kept(report: Path, last: Path) -> set[str]:
    """The pages that are the very files of the last report."""
    return {path.name for path in report.iterdir() if path.samefile(last / path.name)}


def test_a_new_publication_of_the_same_figures_writes_two_pages(
    copy: Path, report: Path, reference: Path, tmp_path: Path
) -> None:
    with duckdb.connect(str(copy)) as connection:
        latest = "WHERE publication_id = (SELECT max(publication_id) FROM publication)"
        connection.execute(f"UPDATE publication SET code_version = 'x' {latest}")
    out = write(copy, tmp_path / "out", reference, last=report)
    others = {path.name for path in out.iterdir()} - kept(out, report)
    assert others == {"index.html", "changes.html", MARKS}


def test_what_changes_in_a_unit_is_written_for_it_and_for_its_clause(
    copy: Path, report: Path, reference: Path, tmp_path: Path
) -> None:
    with duckdb.connect(str(copy)) as connection:
        connection.execute(
            "UPDATE attainment SET gap_quantity = gap_quantity + 1"
            " WHERE (clause_id, region_code, year) = ('2.9', '210726', 2022)"
        )
    out = write(copy, tmp_path / "out", reference, last=report)
    pages = {path.name for path in out.glob("*.html")} - kept(out, report)
    assert {"unit-210726.html", "clause-2.9.html"} <= pages
    assert "unit-210702.html" not in pages and "clause-2.8.html" not in pages


@pytest.mark.parametrize("damage", ["page", "marks"])
def test_a_damaged_page_is_written_anew(
    damage: str, report: Path, reference: Path, tmp_path: Path, publication_file: Path
) -> None:
    last = Path(shutil.copytree(report, tmp_path / "last"))
    page = last / "clause-2.9.html"
    page.write_bytes(page.read_bytes().replace(b"2.9", b"2.8"))
    if damage == "marks":
        (last / MARKS).write_text('{"clause-2.9.html": 1}', "utf-8")
    out = write(publication_file, tmp_path / "out", reference, last=last)
    assert contents(out) == contents(report)
    assert not (out / page.name).samefile(page)


def test_a_report_may_be_written_over_itself(
    publication_file: Path, report: Path, reference: Path, tmp_path: Path
) -> None:
    last = Path(shutil.copytree(report, tmp_path / "last"))
    write(publication_file, last, reference, last=last)
    assert contents(last) == contents(report)
