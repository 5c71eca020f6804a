"""The city on one page: every figure is the publication's, on one sheet, in one language, without a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from lxml import html

from flows.settings import Settings
from flows.terminal.brief import BriefError, write_brief
from tests.conftest import Home, english
from warehouse.publication.reader import Reader
from warehouse.publication.reader.pages import Publication, read_publication
from warehouse.report import Printing, write_briefs
from warehouse.report import printing as printer
from warehouse.report.brief import LANGUAGES, brief_of

CITY = "210700"
WITH_TARGET = ("met", "not_met", "on_track", "off_track", "not_due", "insufficient", "no_data")
#: A browser without any window, and one that can have one.
KINDS = [
    pytest.param(
        name, marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"no {name} here")
    )
    for name in ("chromium-headless-shell", "chromium")
]


@pytest.fixture(autouse=True)
def browsers(nothing_printed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printer, "NAMES", nothing_printed)


@pytest.fixture
def publication(connection: duckdb.DuckDBPyConnection, reference: Path) -> Publication:
    return read_publication(Reader(connection), reference)


@pytest.fixture
def verdicts(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The city's verdicts of 2022 on clauses with a target, as the tables have them."""
    found = connection.execute(
        "SELECT clause_id, status FROM attainment JOIN clause USING (clause_id)"
        f" WHERE region_code = '{CITY}' AND year = 2022 AND kind <> 'monitor'"
        f" AND status IN {WITH_TARGET}"
    ).fetchall()
    return dict(found)


def text(file: Path) -> str:
    tree = html.fromstring(file.read_text("utf-8"))
    (body,) = tree.xpath("//body")
    return " ".join("".join(body.itertext()).split())


def test_the_sentence_has_the_numbers_of_the_table_and_they_add_up(
    publication: Publication, verdicts: dict[str, str]
) -> None:
    brief = brief_of(publication, 2022)
    by_status = Counter(verdicts.values())
    ahead = by_status["on_track"] + by_status["off_track"] + by_status["not_due"]
    unjudged = by_status["insufficient"] + by_status["no_data"]
    assert (
        brief.counts.total
        == len(verdicts)
        == by_status["met"] + by_status["not_met"] + (ahead + unjudged)
    )
    zh = brief.sentence.zh
    assert zh.startswith(f"2022 年，有目标的 {len(verdicts)} 项条款：达标 {by_status['met']} 项；")
    assert f"未达标 {by_status['not_met']} 项" in zh
    assert f"期限未到 {ahead} 项" in zh
    assert zh.endswith(f"无法判定 {unjudged} 项。")
    assert " 0 项、" not in zh, "what is nothing is not listed"


def test_what_is_not_met_is_every_years_or_past_its_year(
    publication: Publication, connection: duckdb.DuckDBPyConnection
) -> None:
    missed = connection.execute(
        "SELECT kind IN ('standing', 'never_falls'), count(*) FROM attainment"
        " JOIN clause USING (clause_id)"
        f" WHERE region_code = '{CITY}' AND year = 2022 AND status = 'not_met' GROUP BY ALL"
    ).fetchall()
    counts = dict(missed)
    sentence = brief_of(publication, 2022).sentence
    assert f"每年都须做到的 {counts[True]} 项" in sentence.zh
    assert f"{counts[False]} past their due year" in sentence.en


def test_the_fields_are_the_plans_and_hold_every_clause_once(
    publication: Publication,
    verdicts: dict[str, str],
    connection: duckdb.DuckDBPyConnection,
) -> None:
    section_of = dict(connection.execute("SELECT clause_id, section FROM clause").fetchall())
    names = dict(connection.execute("SELECT section, name_zh FROM section").fetchall())
    expected = Counter(names[section_of[clause]] for clause in verdicts)
    fields = brief_of(publication, 2022).fields
    assert {field.name.zh: field.counts.total for field in fields} == expected
    for field in fields:
        parts = field.counts.parts()
        assert sum(part.count for part in parts) == field.counts.total
        assert sum(part.width for part in parts) == pytest.approx(100)


def test_gaps_are_of_what_is_behind_people_and_places_first(
    publication: Publication, connection: duckdb.DuckDBPyConnection
) -> None:
    expected = connection.execute(
        "SELECT clause_id, gap_unit, gap_quantity FROM attainment"
        f" WHERE region_code = '{CITY}' AND year = 2022 AND gap_quantity > 0"
        " AND status IN ('not_met', 'off_track')"
    ).fetchall()
    brief = brief_of(publication, 2022)
    assert brief.gaps_total == len(expected) > 5 == len(brief.gaps)
    people = sorted(
        (quantity for _, unit, quantity in expected if unit in ("人", "个学位")), reverse=True
    )
    assert people, "the city of this test lacks places"
    shown = [gap.amiss.zh for gap in brief.gaps[: len(people)]]
    assert [re.sub(r"[^0-9.]", "", one) for one in shown] == [f"{q.normalize():f}" for q in people]
    dropouts = next(gap for gap in brief.gaps if gap.clause.clause_id == "2.21")
    assert dropouts.amiss.zh.startswith("超出 ") and dropouts.amiss.en.endswith(" too many")


def test_units_are_in_the_order_of_what_they_miss(
    publication: Publication, connection: duckdb.DuckDBPyConnection
) -> None:
    behind = dict(
        connection.execute(
            "SELECT region_code, count(*) FROM attainment JOIN clause USING (clause_id)"
            f" WHERE region_code <> '{CITY}' AND year = 2022 AND kind <> 'monitor'"
            " AND status IN ('not_met', 'off_track') GROUP BY ALL"
        ).fetchall()
    )
    units = brief_of(publication, 2022).units
    assert [unit.behind for unit in units] == sorted(behind.values(), reverse=True)[:5]
    assert all(behind[unit.region.code] == unit.behind <= unit.judged for unit in units)


def test_a_unit_says_how_many_of_its_forms_are_not_in_force(
    publication: Publication, connection: duckdb.DuckDBPyConnection
) -> None:
    missing = dict(
        connection.execute(
            "SELECT region_code, count(*) FILTER (expected = 1 AND accepted = 0) FROM reporting"
            " WHERE year = 2022 GROUP BY ALL"
        ).fetchall()
    )
    units = brief_of(publication, 2022).units
    assert any(unit.forms_missing for unit in units)
    assert all(unit.forms_missing == missing[unit.region.code] for unit in units)


def test_verdicts_that_turned_have_one_in_both_years(
    publication: Publication, connection: duckdb.DuckDBPyConnection
) -> None:
    expected = connection.execute(
        """
        SELECT n.clause_id FROM attainment n JOIN attainment b USING (clause_id, region_code)
        WHERE n.region_code = ? AND n.year = 2022 AND b.year = 2021 AND n.status <> b.status
            AND list_contains($2, n.status) AND list_contains($2, b.status)
        """.replace("?", "$1"),
        [CITY, ["met", "not_met", "on_track", "off_track", "not_due"]],
    ).fetchall()
    brief = brief_of(publication, 2022)
    assert brief.turned_total == len(expected) > 0
    assert {turn.clause.clause_id for turn in brief.turned} <= {clause for (clause,) in expected}
    worse_first = [turn.is_better for turn in brief.turned]
    assert worse_first == sorted(worse_first)


def test_what_the_last_night_turned_is_told(publication: Publication) -> None:
    brief = brief_of(publication, 2022)
    assert not brief.is_first
    told = {turn.clause.clause_id for turn in brief.revised}
    turned = {
        revision.clause_id
        for revision in publication.revisions
        if revision.region_code == CITY
        and revision.year == 2022
        and None not in (revision.old_status, revision.new_status)
        and revision.old_status != revision.new_status
    }
    assert told == turned


def test_what_cannot_be_judged_names_whom_it_depends_on(
    publication: Publication, verdicts: dict[str, str]
) -> None:
    brief = brief_of(publication, 2022)
    assert brief.unjudged_total == sum(s in ("insufficient", "no_data") for s in verdicts.values())
    depends_on = {one.clause.clause_id: one.depends_on.zh for one in brief.unjudged}
    # Seven of ten units have handed in no special group form for 2022.
    assert depends_on["2.20"] == "7 个单位的特殊群体教育保障表未生效"
    # One form came back, and 37 of 38 schools of another county left the time blank.
    assert depends_on["1.1"] == "松山新区的中小学校基本情况表未生效；黑山县有 37 处未填"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_stands_alone(publication: Publication, tmp_path: Path, language: str) -> None:
    made_up = replace(publication, made_up=True)
    files = write_briefs(made_up, tmp_path, office="某市教育局<b>")
    assert [file.name for file in files] == ["brief-2022.zh.html", "brief-2022.en.html"]
    file = tmp_path / f"brief-2022.{language}.html"
    page = html.fromstring(file.read_text("utf-8"))
    assert not page.xpath("//script | //link[@rel='stylesheet'] | //img | //b/b")
    assert not [link for link in page.xpath("//@href | //@src") if link != "data:,"]
    said = text(file)
    assert "某市教育局<b>" in said, "what settings say is text"
    assert ("虚构样例数据" in said, "Made-up data" in said) == (language == "zh", language == "en")
    assert ("未达标" in said, "not met" in said) == (language == "zh", language == "en")


def test_every_year_of_the_publication_can_be_written(
    publication: Publication, tmp_path: Path
) -> None:
    for year in publication.years:
        (file,) = write_briefs(publication, tmp_path, year=year, languages=["zh"])
        assert f"{year} 年" in text(file)


def test_it_says_how_final_the_year_is(publication: Publication, tmp_path: Path) -> None:
    zh, en = write_briefs(publication, tmp_path)
    assert "2022 年：初步数" in text(zh)
    assert "2022: preliminary" in text(en)


@pytest.mark.parametrize("name", KINDS)
def test_it_prints_on_one_sheet_of_a4(
    publication: Publication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(printer, "NAMES", (name,))
    files = write_briefs(publication, tmp_path, office="某市教育局")
    with Printing() as printing:
        printing.begin(files)
        assert printing.finish() == []
    for file in files:
        printed = file.with_suffix(".pdf").read_bytes()
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
        ((width, height),) = re.findall(rb"/MediaBox\s*\[0 0 ([0-9.]+) ([0-9.]+)\]", printed)
        assert (round(float(width)), round(float(height))) == (595, 842)


@pytest.mark.skipif(printer.browser() is None, reason="no browser to print with on this machine")
def test_a_night_prints_it_and_ends_its_browser(home: Home) -> None:
    home.sheet("210727", "population", 2020, [{"age": 3, "population": 52}])
    home.night(report=True)
    printed = sorted((home.settings.published / "brief").glob("*.pdf"))
    assert [file.name for file in printed] == ["brief-2020.en.pdf", "brief-2020.zh.pdf"]
    assert all(file.read_bytes().startswith(b"%PDF-") for file in printed)
    left = [
        process
        for process in Path("/proc").glob("[0-9]*")
        if parent_of(process) == os.getpid() and b"--headless" in command_of(process)
    ]
    assert left == []


def parent_of(process: Path) -> int | None:
    with suppress(OSError):
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    return None


def command_of(process: Path) -> bytes:
    with suppress(OSError):
        return (process / "cmdline").read_bytes()
    return b""


def test_a_page_written_again_leaves_no_pdf_of_the_one_before(
    publication: Publication, tmp_path: Path
) -> None:
    (file,) = write_briefs(publication, tmp_path, languages=["zh"])
    file.with_suffix(".pdf").write_bytes(b"%PDF- of an earlier publication")
    write_briefs(publication, tmp_path, languages=["zh"])
    assert not file.with_suffix(".pdf").exists()


def test_without_a_browser_the_reason_and_the_way_out_are_said(
    publication: Publication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (file,) = write_briefs(publication, tmp_path, languages=["zh"])
    with Printing() as printing:
        printing.begin([file])
        assert english(printing.finish()) == (
            "no browser to print with: install one of chromium-headless-shell, chrome-headless-shell,"
            " chromium",
        )
    assert not file.with_suffix(".pdf").exists()


def test_a_browser_that_fails_costs_the_pdf_and_no_more(
    publication: Publication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "chromium"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nraise SystemExit(3)\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    (file,) = write_briefs(publication, tmp_path, languages=["zh"])
    with Printing() as printing:
        printing.begin([file])
        assert english(printing.finish()) == (
            "brief-2022.zh.html was not printed: the browser ended with 3",
        )
    assert file.exists() and not file.with_suffix(".pdf").exists()


class TestTheCommand:
    def test_it_writes_the_page_of_a_year_again(self, city: Home) -> None:
        written = write_brief(city.settings, 2021, "zh")
        first = written.files[0]
        assert first == city.settings.published / "brief" / "brief-2021.zh.html"
        assert "2021 年" in text(first)
        assert not (first.parent / "brief-2021.en.html").exists()

    def test_a_year_that_is_not_there_is_named_with_those_that_are(self, city: Home) -> None:
        with pytest.raises(BriefError, match="has no year 1999; it has 2018 to 2022"):
            write_brief(city.settings, 1999, None)

    def test_without_a_publication_it_says_what_to_run(self, tmp_path: Path) -> None:
        with pytest.raises(BriefError, match=r"there is no publication in .*run: jzedu nightly"):
            write_brief(Settings(home=tmp_path), None, None)

    def test_a_damaged_publication_is_no_traceback(self, tmp_path: Path) -> None:
        (tmp_path / "published").mkdir()
        (tmp_path / "published" / "indicators.duckdb").write_bytes(b"no database" * 1000)
        said = subprocess.run(
            [sys.executable, "-m", "flows.terminal.cli", "brief", "--home", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert said.returncode == 1
        assert "cannot be read; run: jzedu nightly" in said.stderr
        assert "Traceback" not in said.stderr
