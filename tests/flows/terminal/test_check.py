"""`jzedu check`: a dry run over files, with a warehouse and on a machine that has none."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
from click.testing import CliRunner
from rich.console import Console

from flows.language import speaking
from flows.run import Run
from flows.terminal.check import check_files, show_checked
from flows.terminal.cli import cli
from tests.conftest import AsCsv, Home

GOOD = [{"age": 3, "population": 500}, {"age": 4, "population": 510}]
BAD = [{"age": 3, "population": "五百"}, {"age": 4, "population": 510}]


def check(files: list[Path], home: Path, out: Path) -> tuple[bool, str]:
    console = Console(record=True, width=200)
    with speaking("zh"):
        checked = check_files(files, home, None, out, console.print)
        for one in checked:
            show_checked(console, one)
    return all(one.is_accepted for one in checked), console.export_text()


def test_a_bad_file_is_shown_marked_and_refused_without_any_warehouse(
    tmp_path: Path, as_csv: AsCsv
) -> None:
    folder = tmp_path / "古塔区"
    folder.mkdir()
    good, bad = folder / "好2020年.csv", folder / "坏2020年.csv"
    good.write_bytes(as_csv("population", GOOD))
    bad.write_bytes(as_csv("population", BAD))
    accepted, said = check([good], tmp_path / "home", tmp_path / "out")
    assert accepted
    assert "将被接收: 错误0条, 提示0条" in said
    assert "学龄人口表 2020: 读到3行, 其中数据2行, 忽略1行" in said
    accepted, said = check([good, bad], tmp_path / "home", tmp_path / "out")
    assert not accepted
    assert "POP-E03" in said
    assert "五百" in said
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["坏2020年.csv.退回.xlsx"]
    sheet = openpyxl.load_workbook(tmp_path / "out" / "坏2020年.csv.退回.xlsx").worksheets[0]
    words = [str(cell.value) for row in sheet.iter_rows() for cell in row if cell.value]
    assert any("五百" in word for word in words)
    assert not (tmp_path / "home").exists(), "nothing is kept"


def test_with_a_warehouse_the_other_forms_and_years_are_looked_at(
    home: Home, tmp_path: Path, as_csv: AsCsv
) -> None:
    home.sheet("古塔区", "population", 2019, [{"age": 3, "population": 100}])
    home.load()
    before = {
        path: path.read_bytes()
        for path in home.root.rglob("*")
        if path.is_file() and path.suffix != ".duckdb"
    }
    folder = tmp_path / "古塔区"
    folder.mkdir()
    file = folder / "2020年.csv"
    file.write_bytes(as_csv("population", [{"age": 3, "population": 200}]))
    accepted, said = check([file], home.root, tmp_path / "out")
    assert accepted, "a warning lets it in"
    assert "将被接收: 错误0条, 提示1条" in said
    with Run.open(home.settings) as run:
        assert run.connection.execute("SELECT count(*) FROM submission").fetchone() == (1,)
    assert {path: path.read_bytes() for path in before} == before


def test_it_speaks_the_language_that_is_asked_for(tmp_path: Path, as_csv: AsCsv) -> None:
    file = tmp_path / "古塔区" / "坏2020年.csv"
    file.parent.mkdir()
    file.write_bytes(as_csv("population", BAD))
    said = {}
    for language in ("zh", "en"):
        words = ["check", "--out", str(tmp_path), "--lang", language, str(file)]
        said[language] = CliRunner().invoke(cli, words).output
    assert "将被退回" in said["zh"]
    assert "无法识别" in said["zh"]
    assert "would be returned" not in said["zh"]
    assert "would be returned: 1 errors" in said["en"]
    assert "cannot be read" in said["en"]


def test_for_machines_the_findings_are_those_of_the_publication(
    tmp_path: Path, as_csv: AsCsv
) -> None:
    folder = tmp_path / "古塔区"
    folder.mkdir()
    good, bad = folder / "好2020年.csv", folder / "坏2020年.csv"
    good.write_bytes(as_csv("population", GOOD))
    bad.write_bytes(as_csv("population", BAD))
    words = ["check", str(good), str(bad), "--json", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(cli, words, env={"JZEDU_HOME": str(tmp_path / "home")})
    assert done.exit_code == 1
    one, two = json.loads(done.stdout)
    assert (one["accepted"], one["findings"], one["return_sheet"]) == (True, [], None)
    (submission,) = one["submissions"]
    assert (submission["form"], submission["year"], submission["rows_loaded"]) == (
        "population",
        2020,
        2,
    )
    (finding,) = two["findings"]
    assert (two["accepted"], finding["rule_id"], finding["cell"], finding["value"]) == (
        False,
        "POP-E03",
        "B2",
        "五百",
    )
    assert Path(two["return_sheet"]).exists()
