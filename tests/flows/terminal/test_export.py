"""`jzedu export`: workbooks of the level above, made with openpyxl, filled from a real publication."""

from __future__ import annotations

import hashlib
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner, Result
from openpyxl.styles import Font

from flows.terminal.cli import cli
from tests.conftest import Home, MakeHome

UNIT, NAME = "210702", "古塔区"


@pytest.fixture(scope="module")
def home(make_home: MakeHome) -> Home:
    """One unit: 90 of 100 children in kindergarten in 2020, 80 of 100 the year before."""
    home = make_home()
    for year, children in ((2019, 80), (2020, 90)):
        home.sheet(UNIT, "kindergarten", year, [{"children_enrolled": children}])
        home.sheet(UNIT, "population", year, [{"age": 3, "population": 100}])
    home.night()
    return home


def template(file: Path, cells: dict[str, str]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for place, text in cells.items():
        sheet[place] = text
    sheet["A1"].font = Font(bold=True)
    sheet["B2"].number_format = "0.00"
    sheet.merge_cells("A1:C1")
    book.save(file)
    return file


def export(home: Home, file: Path, out: Path, year: int = 2020) -> Result:
    words = ["--template", str(file), "--year", str(year), "--out", str(out)]
    return CliRunner().invoke(cli, ["export", "--home", str(home.root), *words])


def test_cells_are_filled_with_published_figures_and_all_else_stays(
    home: Home, tmp_path: Path
) -> None:
    file = template(
        tmp_path / "t.xlsx",
        {
            "A1": "{{ year }}年{{ state }}",
            "B2": f"{{{{ 2.1 {NAME} }}}}",
            "B3": f"{{{{preschool_gross_enrolment_rate {UNIT} -1}}}}",
            "B4": "=B2-B3",
            "B5": f"{{{{ 学前三年毛入园率 {NAME} 2019 分子 }}}}",
            "B6": f"{{{{ 2.1 {NAME} status }}}}",
            "B7": "编号{{ publication }}",
        },
    )
    done = export(home, file, tmp_path / "out.xlsx")
    assert done.exit_code == 0, done.output
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    assert sheet is not None
    ((publication, status),) = home.ask(
        "SELECT publication_id, status FROM publication, attainment WHERE clause_id = '2.1'"
        f" AND region_code = '{UNIT}' AND year = 2020"
    )
    assert sheet["A1"].value == "2020年初步数" and sheet["A1"].font.b
    assert [sheet[f"B{row}"].value for row in range(2, 8)] == [
        *(90, 80, "=B2-B3", 80, status, f"编号{publication}"),
    ]
    assert sheet["B2"].number_format == "0.00"
    assert [str(area) for area in sheet.merged_cells.ranges] == ["A1:C1"]
    # Which publication it is stands below, with the hash of its file.
    digest = hashlib.sha256(home.publication.read_bytes()).hexdigest()
    foot = str(sheet["A9"].value)
    assert publication in foot and digest in foot and "初步数" in foot


def test_what_cannot_be_filled_stays_and_is_named_with_its_cell(home: Home, tmp_path: Path) -> None:
    cells = {
        "A2": "{{ 9.9 古塔区 }}",
        "A3": "{{ 2.1 北京 }}",
        "A4": "{{ 2.1 古塔区 1999 }}",
        "A5": "{{ 2.1 }}",
        "A6": "{{ 2.1 古塔区 }}",
    }
    done = export(home, template(tmp_path / "t.xlsx", cells), tmp_path / "out.xlsx")
    assert done.exit_code == 1
    for place, why in (
        ("A2", "no indicator or clause is called 9.9"),
        ("A3", "no region is called 北京"),
        ("A4", "there is no such figure of 1999"),
        ("A5", "write {{ indicator region year }}"),
    ):
        (line,) = [line for line in done.output.splitlines() if f" Sheet!{place}: " in line]
        assert why in line
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    assert sheet is not None
    assert [sheet[f"A{row}"].value for row in range(2, 7)] == [*list(cells.values())[:4], 90]


def test_the_example_of_a_table_of_the_level_above_is_filled(home: Home, tmp_path: Path) -> None:
    """Every reference of the example names a figure that there is, or could be of this year."""
    file = next((Path(__file__).parents[3] / "examples" / "export").glob("*.xlsx"))
    done = export(home, file, tmp_path / "out.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    assert sheet is not None
    assert str(sheet["A1"].value).startswith("2020年教育事业发展情况表(初步数)")
    assert [sheet[place].value for place in ("A5", "B5", "C5")] == [NAME, 90, 80]
    assert sheet["B5"].number_format == "0.0" and str(sheet["B15"].value) == "=B12-C12"
    assert "A1:K1" in {str(area) for area in sheet.merged_cells.ranges}
    # One unit alone has handed in: what it lacks is not there, and nothing is misspelt.
    left = [line for line in done.output.splitlines() if "is left as it is" in line]
    assert left and all("there is no such figure of" in line for line in left)


@pytest.mark.parametrize(
    ("content", "words"), [(b"no workbook", "cannot be read"), (None, "names no figure")]
)
def test_what_is_no_template_is_a_sentence(
    home: Home, tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "t.xlsx"
    if content is None:
        template(file, {"A2": "合计"})
    else:
        file.write_bytes(content)
    done = export(home, file, tmp_path / "out.xlsx")
    assert done.exit_code == 1 and words in done.output and "Traceback" not in done.output
    assert not (tmp_path / "out.xlsx").exists()


def test_the_template_itself_is_never_written_over(home: Home, tmp_path: Path) -> None:
    file = template(tmp_path / "t.xlsx", {"A2": "{{ 2.1 古塔区 }}"})
    before = file.read_bytes()
    assert export(home, file, file).exit_code == 2
    assert file.read_bytes() == before


def test_without_a_publication_there_is_nothing_to_fill_in(
    make_home: MakeHome, tmp_path: Path
) -> None:
    home = make_home()
    home.sheet(UNIT, "population", 2020, [{"age": 3, "population": 100}])
    file = template(tmp_path / "t.xlsx", {"A2": "{{ 2.1 古塔区 }}"})
    done = export(home, file, tmp_path / "out.xlsx")
    assert done.exit_code == 1 and "jzedu nightly" in done.output
