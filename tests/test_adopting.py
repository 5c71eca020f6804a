"""docs/adopting.md is right, and examples/qinghe is a whole city: another plan without a line of code."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from flows.terminal.cli import cli
from tests.conftest import Home
from transforms.sample import write_sample
from warehouse.reference import load_reference

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "adopting.md"
EXAMPLE = ROOT / "examples" / "qinghe"
#: Of the city that the package is made for, and its plan; a year is one by itself, not a part of a number.
FOREIGN = re.compile(r"锦州|Jinzhou|规划|(?<![0-9.])2018(?![0-9])")
_BLOCK = re.compile(
    r"(?:^`(?P<file>[^`\n]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)


def follow(folder: Path) -> list[str]:
    """Do what the page says, in ``folder``; gives what each command printed."""
    said = []
    for block in _BLOCK.finditer(PAGE.read_text("utf-8")):
        if block["file"]:
            (folder / "qinghe" / block["file"]).write_text(block["text"], "utf-8")
            continue
        assert block["language"] == "sh", "a block is a file of the home, or commands"
        for line in block["text"].splitlines():
            command = shlex.split(line)
            if command[0] == ".venv/bin/jzedu":
                command = [sys.executable, "-m", "flows.terminal.cli", *command[1:]]
            done = subprocess.run(
                command,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), "JZEDU_HOME": ""},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            said.append(done.stdout)
    return said


def foreign_words(pages: Path) -> list[str]:
    """Words of another city in the texts of a report; its ids and times of publication aside."""
    found = []
    for page in sorted(pages.rglob("*.html")):
        text = re.sub(
            r"<script.*?</script>|<style.*?</style>", "", page.read_text("utf-8"), flags=re.S
        )
        found += [
            f"{page.name}: {text[max(0, m.start() - 30) : m.end() + 20]}"
            for m in FOREIGN.finditer(text)
        ]
    return found


def test_the_page_leads_from_an_empty_folder_to_the_report(tmp_path: Path) -> None:
    said = follow(tmp_path)
    home = tmp_path / "qinghe"
    assert (home / "templates" / "图书表.xlsx").exists()
    with duckdb.connect(str(home / "published" / "indicators.duckdb"), read_only=True) as published:
        judged = published.execute(
            "SELECT DISTINCT clause_id FROM attainment WHERE status <> 'no_data' ORDER BY ALL"
        ).fetchall()
        (years,) = published.execute(
            "SELECT list(DISTINCT year ORDER BY year) FROM attainment"
        ).fetchall()
    assert judged == [("1.1",), ("2.1",), ("P1",), ("P2",), ("P3",), ("P4",)]
    assert years == ([2022, 2023],)
    (dry_run,) = [text for text in said if "nothing was changed" in text]
    assert "2.1" in dry_run and "not met → met" in " ".join(dry_run.split())
    assert foreign_words(home / "published" / "report") == []


@pytest.fixture(scope="module")
def qinghe(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The complete example after a night, from made-up submissions."""
    root = tmp_path_factory.mktemp("qinghe") / "home"
    shutil.copytree(EXAMPLE, root)
    home = Home.of_folder(root)
    with home.defined() as defined:
        reference = load_reference(root)
        write_sample(
            home.settings.inbox,
            (2021, 2022, 2023),
            reference.regions,
            reference.townships,
            expected=defined.reference.expected,
        )
    home.night(report=True)
    return home


def test_the_example_is_another_city_through_and_through(qinghe: Home) -> None:
    assert qinghe.ask("SELECT count(*) FROM submission WHERE status = 'returned'") == [(0,)]
    assert qinghe.ask("SELECT DISTINCT form FROM reporting WHERE expected = 1 ORDER BY 1") == [
        ("kindergarten",),
        ("library",),
        ("population",),
        ("school",),
    ]
    assert foreign_words(qinghe.settings.published / "report") == []
    assert "qinghe-2022-2026/1+county-preschool-2020/1" in str(
        qinghe.ask("SELECT plan_version FROM publication")
    )


def test_a_unit_is_expected_and_counted_while_it_is_there(qinghe: Home) -> None:
    asked = qinghe.ask(
        "SELECT year, sum(expected) FROM reporting WHERE region_code = '990122' GROUP BY 1 ORDER BY 1"
    )
    assert asked == [(2021, 3), (2022, 4), (2023, 0)]
    assert qinghe.ask(
        "SELECT year, reporting_units, expected_units FROM indicator_value"
        " WHERE (indicator_id, region_code) = ('books_per_pupil', '990120') AND year > 2021 ORDER BY 1"
    ) == [(2022, 2, 2), (2023, 1, 1)]


def test_targets_are_those_of_the_region_and_of_the_year(qinghe: Home) -> None:
    assert qinghe.ask(
        "SELECT region_code, year, threshold FROM attainment WHERE clause_id = 'Q1.1'"
        " AND region_code IN ('990100', '990112') AND year > 2021 ORDER BY ALL"
    ) == [("990100", 2022, 99), ("990100", 2023, 90), ("990112", 2022, 95), ("990112", 2023, 95)]
    # An interim value judges its year as a due one does.
    assert qinghe.status("Q1.1", "990100", 2023) in ("met", "not_met")


def test_what_the_city_has_to_reach_together_is_judged_there_alone(qinghe: Home) -> None:
    assert qinghe.ask(
        "SELECT region_code, threshold, status FROM attainment WHERE clause_id = 'Q1.2' AND year = 2023"
        " AND region_code IN ('990100', '990110', '990111', '990112') ORDER BY 1"
    ) == [
        ("990100", 600, "met"),
        ("990110", None, "monitored"),
        ("990111", 100, "met"),
        ("990112", None, "monitored"),
    ]


def test_a_parameter_changes_with_its_year(qinghe: Home) -> None:
    ((formula, name),) = qinghe.ask(
        "SELECT formula, name_zh FROM indicator WHERE indicator_id = 'schools_with_books_share'"
    )
    assert "CASE WHEN year >= 2024 THEN 20 ELSE 15 END" in formula
    assert name == "生均图书达到15（2024年起20）册的学校占比"


def test_the_report_switches_between_figures_as_they_were_and_as_they_are_now(
    qinghe: Home,
) -> None:
    pages = qinghe.settings.published / "report"
    page = (pages / "unit-990121.html").read_text("utf-8")
    section = page[
        page.index('id="over-time"') : page.index("</section>", page.index('id="over-time"'))
    ]
    assert "小河区已并入本单位" in section
    ((was, now),) = qinghe.ask(
        "SELECT v.value::INTEGER, n.value::INTEGER FROM indicator_value v"
        " JOIN indicator_value_as_now n USING (indicator_id, region_code, year)"
        " WHERE (indicator_id, region_code, year) = ('institutions_reported', '990121', 2022)"
    )
    (line,) = [row for row in section.split("<tr>") if "报送的学校和幼儿园数" in row]
    assert was < now
    assert re.search(rf'"then">.*?\b{was}\b.*?"now">.*?\b{now}\b', line)
    assert 'id="over-time"' not in (pages / "unit-990111.html").read_text("utf-8")


def test_merged_units_are_seen_as_they_were_and_as_they_are_now(qinghe: Home) -> None:
    as_they_were = qinghe.ask(
        "SELECT year, sum(numerator), sum(denominator) FROM indicator_value"
        " WHERE indicator_id = 'books_per_pupil' AND region_code IN ('990121', '990122')"
        " AND year > 2021 GROUP BY 1 ORDER BY 1"
    )
    as_now = qinghe.ask(
        "SELECT year, numerator, denominator FROM indicator_value_as_now"
        " WHERE (indicator_id, region_code) = ('books_per_pupil', '990121') AND year > 2021 ORDER BY 1"
    )
    assert as_now == as_they_were
    assert qinghe.ask("SELECT DISTINCT region_code FROM indicator_value_as_now") == [("990121",)]
    assert (
        qinghe.ask(
            "SELECT n.* FROM indicator_value_as_now n ANTI JOIN indicator_value"
            " USING (indicator_id, region_code, year)"
        )
        == []
    )
    assert qinghe.ask(
        "SELECT DISTINCT region_code FROM trend_as_now WHERE level = 'reporting_unit' ORDER BY 1"
    ) == [("990111",), ("990112",), ("990121",)]
    assert (
        qinghe.ask(
            "SELECT year, numerator, denominator FROM trend_as_now WHERE year > 2021"
            " AND (indicator_id, region_code) = ('books_per_pupil', '990121') ORDER BY 1"
        )
        == as_now
    )
    assert qinghe.ask(
        "SELECT township_code, now_code, now_county_code FROM township_crosswalk"
        " WHERE county_code = '990122'"
    ) == [("990122101", "990121102", "990121")]
    # What is no sum is not added up: the variation over the schools of both.
    ((west, together),) = qinghe.ask(
        "SELECT v.value, n.value FROM indicator_value v JOIN indicator_value_as_now n"
        " USING (indicator_id, year) WHERE indicator_id = 'sports_area_variation' AND year = 2022"
        " AND (v.region_code, n.region_code) = ('990120', '990121')"
    )
    assert west == pytest.approx(together)


def test_a_large_school_weighs_more_in_the_weighted_variation(qinghe: Home) -> None:
    with qinghe.computed() as connection:
        rows = connection.execute(
            "SELECT pupils, sports_area FROM current.library"
            " WHERE (region_code, year) = ('990112', 2022) AND pupils > 0"
        ).fetchall()
    pupils = sum(number for number, _ in rows)
    mean = sum(float(area) for _, area in rows) / pupils
    spread = sum(number * (float(area) / number - mean) ** 2 for number, area in rows) / pupils
    ((value,),) = qinghe.ask(
        "SELECT value FROM indicator_value WHERE year = 2022"
        " AND (indicator_id, region_code) = ('weighted_sports_area_variation', '990112')"
    )
    assert value == pytest.approx(spread**0.5 / mean, rel=1e-4)


def test_every_definition_of_the_example_is_sound_and_its_examples_come_out(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "home")
    done = CliRunner().invoke(cli, ["definitions", "check", "--home", str(tmp_path / "home")])
    assert done.exit_code == 0, done.output
