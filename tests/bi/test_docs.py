"""What docs/bi/ tells people to run, run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Home

PAGES = Path(__file__).parents[2] / "docs" / "bi"


def blocks(page: str, language: str) -> list[str]:
    text = (PAGES / page).read_text("utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} shows no {language}"
    return found


@pytest.fixture
def beside_data(city: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the home is called data, as in the pages."""
    (tmp_path / "data").symlink_to(city.root)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python(beside_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for block in blocks("python.md", "python"):
        exec(block, names)
    shown = capsys.readouterr().out
    assert "not_met" in shown and "county_scorecard" in shown
    assert len(names["trend"]) > len(names["values"]) // 2 > 0  # type: ignore[arg-type]


@pytest.mark.parametrize("page", ["README.md", "model.md"])
def test_sql(beside_data: Path, page: str) -> None:
    for block in blocks(page, "sql"):
        with duckdb.connect() as connection:
            connection.execute("ATTACH 'data/published/indicators.duckdb' AS p (READ_ONLY); USE p")
            assert connection.execute(block).fetchall()


def test_r(beside_data: Path) -> None:
    missing = [program for program in ("Rscript", "duckdb") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not on this machine: {', '.join(missing)}")
    (script,) = blocks("r.md", "r")
    told = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True)
    assert "2019" in told.stdout and "2020" in told.stdout


def test_the_pages_link_to_each_other_and_to_files_that_are_there() -> None:
    for page in PAGES.glob("*.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), (page.name, target)
