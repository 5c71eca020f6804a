"""Return sheets: which files are answered, and where the answer lies."""

from __future__ import annotations

import io
import shutil
import zipfile
from datetime import date
from pathlib import Path

import openpyxl
import pytest

from flows import steps
from flows.run import Run
from tests.conftest import AsBook, AsCsv, Home, MakeHome, Night
from transforms.formats import Limits
from warehouse.outbox import _sheets

GUTA, LINGHE = "210702", "210703"
GOOD = [{"age": 3, "population": 5}]
BAD = [{"age": 3, "population": "五百"}]


def words(file: Path) -> str:
    """All text of a workbook's first sheet, and of the comments in the others."""
    book = openpyxl.load_workbook(file)
    first, *others = book.worksheets
    found = [str(cell.value) for row in first.iter_rows() for cell in row if cell.value]
    for sheet in others:
        found += [cell.comment.text for row in sheet.iter_rows() for cell in row if cell.comment]
    return "\n".join(found)


@pytest.fixture(scope="module")
def answered(make_home: MakeHome, as_csv: AsCsv, as_book: AsBook) -> tuple[Home, Night]:
    home = make_home()
    home.deliver(f"{GUTA}/好2020年.csv", as_csv("population", GOOD))
    home.deliver("古塔区/深/坏2020年.csv", as_csv("population", BAD))
    warned = as_csv("population", GOOD).replace("常住人口数".encode(), "常住人口数,血型".encode())
    home.deliver(f"{LINGHE}/提醒2020年.csv", warned)
    # Two forms in one workbook, one of them wrong in two years.
    good: dict[str, object] = {"special_group": [{}]}
    bad: dict[str, object] = {"population": BAD}
    home.deliver(f"{LINGHE}/两表.xlsx", as_book({2019: bad, 2020: {**good, **bad}}))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("人口/2019年.csv", as_csv("population", GOOD))
        archive.writestr("人口/2020年.csv", as_csv("population", BAD))
    home.deliver(f"{LINGHE}/全.zip", buffer.getvalue())
    home.deliver("沈阳市/2020年.csv", as_csv("population", GOOD))
    home.deliver("无处2020年.csv", as_csv("population", GOOD))
    home.deliver(f"{GUTA}/空.xlsx", b"")
    return home, home.night()


def answer(home: Home, region: str, file: str) -> Path:
    """The one return sheet below the region's outbox for this file."""
    (found,) = (
        path
        for path in (home.settings.outbox / region).rglob("*.xlsx")
        if path.as_posix().endswith((f"/{file}.退回.xlsx", f"/{file}.已接收-有提示.xlsx"))
    )
    return found


def test_a_file_with_findings_is_answered_under_its_unit(answered: tuple[Home, Night]) -> None:
    home, night = answered
    expected = {
        answer(home, GUTA, "深/坏2020年.csv"),
        answer(home, GUTA, "空.xlsx"),
        answer(home, LINGHE, "提醒2020年.csv"),
        answer(home, LINGHE, "两表.xlsx"),
        answer(home, LINGHE, "全.zip/人口/2020年.csv"),
        answer(home, "unknown", "沈阳市/2020年.csv"),
        answer(home, "unknown", "无处2020年.csv"),
    }
    assert {path for path in home.settings.outbox.rglob("*") if path.is_file()} == expected
    assert set(night.returned) == expected


def test_its_name_says_what_became_of_the_file(answered: tuple[Home, Night]) -> None:
    names = {path.name for path in answered[1].returned}
    assert "提醒2020年.csv.已接收-有提示.xlsx" in names
    assert {name for name in names if not name.endswith(".退回.xlsx")} == {
        "提醒2020年.csv.已接收-有提示.xlsx"
    }


def test_an_answer_changes_its_name_with_the_file(home: Home, as_csv: AsCsv) -> None:
    warned = as_csv("population", GOOD).replace("常住人口数".encode(), "常住人口数,血型".encode())
    days = iter(("2020-09-01", "2020-09-02", "2020-09-03"))
    home.deliver(f"{GUTA}/人口2020年.csv", as_csv("population", BAD), next(days))
    home.night()
    (returned,) = home.settings.outbox.rglob("*.xlsx")
    assert returned.name == "人口2020年.csv.退回.xlsx"
    home.deliver(f"{GUTA}/人口2020年.csv", warned, next(days))
    home.night()
    (accepted,) = home.settings.outbox.rglob("*.xlsx")
    assert accepted.name == "人口2020年.csv.已接收-有提示.xlsx"
    home.deliver(f"{GUTA}/人口2020年.csv", as_csv("population", GOOD), next(days))
    home.night()
    assert list(home.settings.outbox.rglob("*.xlsx")) == []


def test_the_answer_says_what_is_wrong(answered: tuple[Home, Night]) -> None:
    for region, file, said in (
        (GUTA, "深/坏2020年.csv", ("五百", "常住人口数")),
        (LINGHE, "提醒2020年.csv", ("血型",)),
        (LINGHE, "全.zip/人口/2020年.csv", ("五百",)),
        ("unknown", "沈阳市/2020年.csv", ("沈阳市",)),
        ("unknown", "无处2020年.csv", ("不在任何填报单位的文件夹中",)),
    ):
        for word in said:
            assert word in words(answer(answered[0], region, file)), file


def test_a_workbook_comes_back_marked(answered: tuple[Home, Night]) -> None:
    book = openpyxl.load_workbook(answer(answered[0], LINGHE, "两表.xlsx"))
    assert book.sheetnames[1:] == ["学龄人口表", "特殊群体教育保障表"]
    # 年份 stands in A, so that the population is in C: 2019 in row 2 and 2020 in row 3.
    sheet = book["学龄人口表"]
    assert [cell.coordinate for row in sheet.iter_rows() for cell in row if cell.comment] == [
        "C2",
        "C3",
    ]


def test_only_what_is_not_there_is_written_again(answered: tuple[Home, Night]) -> None:
    home, _ = answered
    gone = answer(home, GUTA, "空.xlsx")
    gone.unlink()
    with Run.open(home.settings) as run:
        assert steps.send_returns(run) == [gone]
        assert steps.send_returns(run) == []


def test_a_file_that_was_put_right_is_answered_no_more(home: Home, as_csv: AsCsv) -> None:
    home.deliver(f"{GUTA}/深/2020年.csv", as_csv("population", BAD), "2020-09-01 00:00:00")
    (sheet,) = home.night().returned
    assert sheet.exists()
    home.deliver(f"{GUTA}/深/2020年.csv", as_csv("population", GOOD), "2020-09-02 00:00:00")
    assert home.night().returned == []
    assert list(home.settings.outbox.iterdir()) == []


def test_a_correction_under_another_name_takes_the_answer_away(home: Home, as_csv: AsCsv) -> None:
    home.deliver(f"{GUTA}/人口2020年.csv", as_csv("population", BAD), "2020-09-01 00:00:00")
    home.deliver(f"{LINGHE}/人口2020年.csv", as_csv("population", BAD), "2020-09-01 00:00:00")
    assert len(home.night().returned) == 2
    name = f"{GUTA}/更正/常住人口2020年（新）.csv"
    home.deliver(name, as_csv("population", GOOD), "2020-09-02 00:00:00")
    assert home.night().returned == []
    (left,) = home.settings.outbox.rglob("*.xlsx")
    assert left.is_relative_to(home.settings.outbox / LINGHE)


def test_a_correction_that_is_wrong_again_is_answered_in_the_place_of_the_first(
    home: Home, as_csv: AsCsv
) -> None:
    home.deliver(f"{GUTA}/人口2020年.csv", as_csv("population", BAD), "2020-09-01 00:00:00")
    home.night()
    worse = as_csv("population", [*BAD, {"age": 40, "population": 1}])
    home.deliver(f"{GUTA}/人口2020年更正.csv", worse, "2020-09-02 00:00:00")
    home.night()
    (left,) = home.settings.outbox.rglob("*.xlsx")
    assert left.name == "人口2020年更正.csv.退回.xlsx"


def test_an_entry_of_a_zip_cannot_climb_out(home: Home, as_csv: AsCsv) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../../2020年.csv", as_csv("population", BAD))
    home.deliver(f"{GUTA}/全.zip", buffer.getvalue())
    (written,) = home.night().returned
    assert written.resolve().is_relative_to((home.settings.outbox / GUTA).resolve())


def test_the_answer_is_to_the_latest_version(home: Home, as_csv: AsCsv) -> None:
    warned = as_csv("population", GOOD).replace("常住人口数".encode(), "常住人口数,血型".encode())
    home.deliver(f"{GUTA}/2020年.csv", warned, "2020-09-01 00:00:00")
    home.load()
    home.deliver(f"{GUTA}/2020年.csv", as_csv("population", BAD), "2020-09-02 00:00:00")
    home.night()
    assert "五百" in words(answer(home, GUTA, "2020年.csv"))


def test_two_folders_of_one_unit_are_answered_both(home: Home, as_csv: AsCsv) -> None:
    home.deliver(f"{GUTA}/2020年.csv", as_csv("population", BAD))
    home.deliver("古塔区/2020年.csv", as_csv("special_group", [{"dropouts": "七个"}]))
    home.night()
    said = "".join(words(file) for file in (home.settings.outbox / GUTA).rglob("*.xlsx"))
    assert "五百" in said
    assert "七个" in said


def test_a_file_that_is_of_two_units_by_two_region_lists_is_answered_to_each_once(
    home: Home, as_book: AsBook
) -> None:
    bad: dict[str, object] = {"population": BAD}
    home.deliver(f"{LINGHE}/三年.xlsx", as_book({2019: bad, 2020: bad, 2021: bad}))
    home.night()
    with Run.open(home.settings) as run:
        run.connection.execute(f"UPDATE submission SET region_code = '{GUTA}' WHERE year = 2020")
        sheets = list(_sheets(run.connection, date(2021, 10, 1)))
    assert {(sheet.target.parts[0], sheet.findings["year"].unique().len()) for sheet in sheets} == {
        (GUTA, 1),
        (LINGHE, 2),
    }
    assert len({sheet.target for sheet in sheets}) == len(sheets) == 2


def test_long_names_deep_folders_and_names_alike_are_all_answered(
    home: Home, as_csv: AsCsv
) -> None:
    names = (
        "长" * 83 + ".csv",
        "/".join("长" * 80 for _ in range(10)) + "/2020年.csv",
        "同?.csv",
        "同*.csv",
        "a.csv",
        "a.csv.退回.xlsx/2020年.csv",
        "b.csv",
        "b.csv.已接收-有提示.xlsx/2020年.csv",
    )
    for number, name in enumerate(names):
        bad = [{"age": 3, "population": f"第{number}"}]
        home.deliver(f"{GUTA}/{name}", as_csv("population", bad, [2020]))
    home.deliver(f"古塔区/{GUTA}.csv", as_csv("population", [{"age": 3, "population": "又一"}]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("深/" * 2000 + "长" * 300 + "2020年.csv", as_csv("population", BAD))
    home.deliver(f"{GUTA}/全.zip", buffer.getvalue())
    written = home.night().returned
    assert len(set(written)) == len(names) + 2
    said = "".join(words(file) for file in written)
    assert all(f"第{number}" in said for number in range(len(names)))
    with Run.open(home.settings) as run:
        assert steps.send_returns(run) == []


def test_a_home_that_was_moved_leaves_its_old_place_alone(
    home: Home, as_csv: AsCsv, tmp_path: Path, make_home: MakeHome
) -> None:
    home.deliver(f"{GUTA}/2020年.csv", as_csv("population", BAD))
    (old,) = home.night().returned
    moved = make_home()
    shutil.copytree(home.root, moved.root, dirs_exist_ok=True)
    with Run.open(moved.settings) as run:
        assert steps.send_returns(run) == []
    assert old.exists()


def test_a_file_over_a_limit_is_answered_with_the_list_and_not_opened_again(
    make_home: MakeHome, as_book: AsBook
) -> None:
    home = make_home(limits=Limits(cells=3))
    home.deliver(f"{GUTA}/表.xlsx", as_book({2020: {"population": BAD}}))
    (sheet,) = home.night().returned
    assert openpyxl.load_workbook(sheet).sheetnames == ["退回说明"]
    assert "FIL-E01" in words(sheet)


def test_a_file_that_costs_too_much_goes_back_and_the_night_goes_on(
    make_home: MakeHome, as_csv: AsCsv
) -> None:
    home = make_home(limits=Limits(memory_bytes=160 * 2**20))
    names = "urn:oasis:names:tc:opendocument:xmlns"
    bomb = (
        f"<office:document-content xmlns:office='{names}:office:1.0'"
        f" xmlns:table='{names}:table:1.0' xmlns:text='{names}:text:1.0'><office:body>"
        "<office:spreadsheet><table:table><table:table-row table:number-rows-repeated='99999'>"
        "<table:table-cell table:number-columns-repeated='50'><text:p>x</text:p>"
        "</table:table-cell></table:table-row></table:table></office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("content.xml", bomb)
    home.deliver(f"{GUTA}/炸2020年.ods", buffer.getvalue())
    home.deliver(f"{GUTA}/人口2020年.csv", as_csv("population", GOOD))
    home.deliver(f"{LINGHE}/人口2020年.csv", as_csv("population", GOOD))
    (sheet,) = home.night().returned
    assert sheet == home.settings.outbox / GUTA / "炸2020年.ods.退回.xlsx"
    assert "FIL-E07" in words(sheet) and "160 MB" in words(sheet)
    assert home.ask("SELECT region_code, form, status FROM submission ORDER BY ALL") == [
        (GUTA, "population", "accepted"),
        (GUTA, None, "returned"),
        (LINGHE, "population", "accepted"),
    ]
