"""`jzedu template --unit --year`: what is known of a unit stands in its workbooks."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner

from flows.terminal.cli import cli
from tests.conftest import Home
from transforms.workbooks.known_templates import LAST_YEAR
from transforms.workbooks.templates import FIRST_ROW, HEADER_ROW, UNIT_CELL, YEAR_CELL

UNIT = "210727"
SOFFICE = shutil.which("soffice")


def ask(home: Home, out: Path, *words: str) -> openpyxl.Workbook:
    """Run the command for the population form; give its workbook."""
    command = ["template", "--home", str(home.root), "--out", str(out), *words]
    done = CliRunner().invoke(cli, [*command, "--unit", "义县", "--year", "2021"])
    assert done.exit_code == 0, done.output
    (file,) = out.glob("*.xlsx")
    return openpyxl.load_workbook(file)


def test_last_years_rows_in_force_and_the_townships_of_the_year(home: Home, tmp_path: Path) -> None:
    row = {"institution_code": "1121270001", "institution_name": "一园", "township": "义州街道"}
    for number, children in ((1, 90), (2, 98)):
        rows = [{**row, "children_enrolled": children}]
        received = f"2020-09-0{number} 00:00:00"
        home.sheet(UNIT, "kindergarten", 2020, rows, received=received, name=f"2020年{number}.csv")
    home.load()
    book = ask(home, tmp_path / "out", "--forms", "kindergarten")
    sheet = book.worksheets[0]
    assert (sheet[YEAR_CELL].value, sheet[UNIT_CELL].value) == ("2021年", "义县 210727")
    assert sheet.cell(FIRST_ROW, 1).value == "1121270001"
    headers = [cell.value for cell in sheet[HEADER_ROW]]
    beside = headers.index("在园幼儿数") + 1
    assert headers[beside] == LAST_YEAR
    assert sheet.cell(FIRST_ROW, beside + 1).value == 98
    words = " ".join(str(rule.formula1) for rule in sheet.data_validations.dataValidation)
    options = " ".join(str(c.value) for s in book for row in s.iter_rows() for c in row if c.value)
    assert "义州街道" in words + options


def test_without_a_warehouse_nothing_is_known_of_last_year(home: Home, tmp_path: Path) -> None:
    home.root.joinpath("inbox").mkdir()
    sheet = ask(home, tmp_path / "out", "--forms", "milestone").worksheets[0]
    items = [sheet.cell(FIRST_ROW + n, 1).value for n in range(5)]
    assert "县管校聘改革" in items
    assert "省内综合排名" not in items, "the city alone reports it"


def test_unit_and_year_go_together(home: Home, tmp_path: Path) -> None:
    home.root.joinpath("inbox").mkdir()
    command = ["template", "--home", str(home.root), "--out", str(tmp_path), "--unit", "义县"]
    assert CliRunner().invoke(cli, command).exit_code == 2


@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice (soffice) is not installed")
def test_filled_in_with_libreoffice_and_handed_in_it_is_accepted(
    home: Home, tmp_path: Path
) -> None:
    home.root.joinpath("inbox").mkdir()
    book = ask(home, tmp_path / "out", "--forms", "finance")
    sheet = book.worksheets[0]
    for row in range(FIRST_ROW, FIRST_ROW + 6):
        sheet.cell(row, 3).value = 500 if row == FIRST_ROW else 100
        if row > FIRST_ROW:
            sheet.cell(row, 2).value = 1000.5
    book.save(tmp_path / "教育经费表.xlsx")
    subprocess.run(
        [
            *(str(SOFFICE), f"-env:UserInstallation=file://{tmp_path}/profile", "--headless"),
            *("--convert-to", "xlsx", "--outdir", str(tmp_path / "saved")),
            str(tmp_path / "教育经费表.xlsx"),
        ],
        check=True,
    )
    saved = (tmp_path / "saved" / "教育经费表.xlsx").read_bytes()
    home.deliver(f"{UNIT}/教育经费表.xlsx", saved)
    home.load()
    with home.computed() as connection:
        assert connection.execute("SELECT accepted, warnings FROM submission").fetchall() == [
            (True, 0)
        ]
        total = "SELECT budget_expenditure FROM submitted.finance WHERE stage = '合计'"
        ((amount,),) = connection.execute(total).fetchall()
        assert float(amount) == 5002.5
