"""The pages as files: all there, standing alone, true to the rows, safe whatever a name holds."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from lxml import html

from tests.announced import ANNOUNCED
from tests.warehouse.report.conftest import UNITS
from warehouse.indicators.definitions import load_catalogue
from warehouse.publication.reader import Reader
from warehouse.publication.reader import pages as reader_pages
from warehouse.publication.reader.pages import forms_of, place_name, slug
from warehouse.report import words, write_report
from warehouse.wording import STATUSES

MAX_BYTES = 10_000_000
#: So much may have to come before anything of the report is seen.
FIRST_PAGE_BYTES = 300_000
#: The clauses of a publication that a test changes: pages of all take seconds.
FEW = ("2.2", "2.9", "2.10", "5.1")


def page(report: Path, name: str) -> html.HtmlElement:
    return html.fromstring((report / name).read_text("utf-8"))


def zh(element: html.HtmlElement) -> str:
    """Return the Chinese text of an element."""
    parts = element.xpath(
        ".//text()[not(ancestor::*[@lang='en']) and not(ancestor::script) and not(ancestor::style)]"
    )
    return re.sub(r"\s+", " ", "".join(parts)).strip()


def rows(tree: html.HtmlElement, table: str) -> list[list[str]]:
    return [
        [zh(cell) for cell in row.xpath("./th | ./td")]
        for row in tree.xpath(f"//*[@id='{table}']//tbody/tr[not(@class='field')]")
    ]


def all_pages(report: Path) -> Iterator[tuple[str, html.HtmlElement]]:
    for path in sorted(report.glob("*.html")):
        yield path.name, page(report, path.name)


@pytest.fixture
def changed(publication_file: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a writable copy of the publication with a few clauses, for a test to change."""
    copy = tmp_path / "copy.duckdb"
    shutil.copy(publication_file, copy)
    with duckdb.connect(str(copy)) as connection:
        for table in ("clause", "attainment", "shortfall", "outlook", "year_on_year", "revision"):
            connection.execute(f"DELETE FROM {table} WHERE clause_id NOT IN {FEW}")
        yield connection


def test_every_status_occurs_in_the_made_up_publication(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    told = connection.execute("SELECT DISTINCT status FROM attainment").fetchall()
    assert {status for (status,) in told} == set(STATUSES)


def test_a_page_for_every_unit_clause_and_year(
    report: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    names = {path.name for path in report.glob("*.html")}
    units = connection.execute("SELECT region_code FROM region WHERE level <> 'city'").fetchall()
    clauses = connection.execute("SELECT clause_id FROM clause").fetchall()
    expected = {"index.html", "map.html", "matrix.html", "reporting.html", "changes.html"}
    expected |= {"dictionary.html", *(f"city-{year}.html" for year in range(2018, 2022))}
    expected |= {f"unit-{code}.html" for (code,) in units}
    expected |= {f"clause-{clause}.html" for (clause,) in clauses}
    assert names == expected
    assert len(clauses) == 59


def test_the_folder_is_small(report: Path) -> None:
    assert sum(path.stat().st_size for path in report.iterdir()) < MAX_BYTES


def test_the_first_page_is_light_with_all_that_it_needs(report: Path) -> None:
    needed = ("index.html", "report.css", "report.js")
    assert sum((report / name).stat().st_size for name in needed) < FIRST_PAGE_BYTES


def test_every_link_leads_into_the_folder(report: Path) -> None:
    anchors = {name: set(tree.xpath("//@id")) for name, tree in all_pages(report)}
    for name, tree in all_pages(report):
        for link in tree.xpath("//@href | //@src"):
            if link == "data:,":
                continue
            target, _, anchor = link.partition("#")
            assert not re.match(r"[a-z]+:|//|/", target), f"{name}: {link}"
            assert (report / (target or name)).is_file(), f"{name}: {link}"
            if anchor and target.endswith((".html", "")):
                assert anchor in anchors[target or name], f"{name}: {link}"


def test_style_and_script_call_nothing(report: Path) -> None:
    assert not re.search(r"url\(|@import|https?:", (report / "report.css").read_text("utf-8"))
    script = (report / "report.js").read_text("utf-8")
    assert not re.search(r"https?:|fetch\(|XMLHttpRequest|innerHTML|eval\(|import\(", script)


def test_a_policy_in_every_page_forbids_inline_script_and_network(report: Path) -> None:
    for name, tree in all_pages(report):
        (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
        assert "default-src 'none'" in policy, name
        assert "unsafe-inline" not in policy, name
        assert not tree.xpath("//@style"), name
        inline = tree.xpath("//script[not(@src)]/@type")
        assert set(inline) <= {"application/json"}, name


def test_no_markup_from_a_submission_becomes_markup(report: Path) -> None:
    for name, tree in all_pages(report):
        assert not tree.xpath("//img | //b | //iframe | //@onerror | //@onclick"), name
        assert {s.get("src") for s in tree.xpath("//script[@src]")} == {"report.js"}, name
    names = [row[1] for row in rows(page(report, "clause-2.9.html"), "shortfalls")]
    assert "<script>alert('x')</script>小学" in names
    assert "</script><img src=x onerror=alert(1)>" in names


def test_ids_are_unique_and_the_language_is_set(report: Path) -> None:
    for name, tree in all_pages(report):
        ids = tree.xpath("//@id")
        assert len(ids) == len(set(ids)), name
        assert tree.get("lang") == "zh-CN", name
        assert tree.findtext(".//title"), name
        assert len(tree.xpath("//h1")) == 1, name


def test_both_languages_stand_side_by_side(report: Path) -> None:
    for name, tree in all_pages(report):
        chinese = len(tree.xpath("//main//*[@lang='zh']"))
        assert chinese == len(tree.xpath("//main//*[@lang='en']")) > 0, name


def test_the_front_page_has_every_clause_in_its_field_of_work(
    report: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    names = dict(connection.execute("SELECT section, name_zh FROM section").fetchall())
    expected = connection.execute("SELECT section, clause_id FROM clause").fetchall()
    tree, told, field = page(report, "index.html"), [], ""
    for row in tree.xpath("//*[@id='clauses']//tbody/tr"):
        if row.get("class") == "field":
            field = zh(row.find_class("field-name")[0])
        else:
            told.append((field, row.xpath(".//span[@class='id']/text()")[0]))
    assert sorted(told) == sorted((names[section], clause) for section, clause in expected)
    assert list(dict.fromkeys(field for field, _ in told)) == [names[n] for n in sorted(names)]


def test_within_a_field_people_come_first_and_what_is_met_is_folded(
    report: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    overdue = connection.execute(
        "SELECT clause_id FROM attainment a JOIN clause c USING (clause_id) WHERE a.year = 2022"
        " AND region_code = '210700' AND status = 'not_met' AND kind IN ('level', 'milestone')"
        " AND due_year <= 2022"
    ).fetchall()
    assert len(overdue) >= 2
    tree = page(report, "index.html")
    late = {
        row.xpath(".//span[@class='id']/text()")[0]
        for row in tree.xpath("//*[@id='clauses']//tr[.//*[@class='overdue']]")
    }
    assert late == {clause for (clause,) in overdue}
    folded = {
        row.get("data-status")
        for row in tree.xpath("//*[@id='clauses']//tbody[@id]/tr[@data-status]")
    }
    assert folded <= {"met", "monitored", "not_applicable"} != set()
    (second,) = tree.xpath(
        "//*[@id='clauses']//tbody[.//*[@class='field-name'][contains(., '公平')]]"
    )
    gaps = [zh(row[5]) for row in second.xpath("./tr[@data-status='not_met']")]
    people = [bool(re.search("人|学位", gap)) for gap in gaps]
    assert people == sorted(people, reverse=True) and people[0]
    statuses = second.xpath("./tr/@data-status")
    assert statuses.index("insufficient") > statuses.index("not_met")


def test_a_figure_just_short_of_its_target_does_not_look_like_it(report: Path) -> None:
    for name in (
        "index.html",
        "clause-2.2.html",
        "matrix.html",
        "changes.html",
        "unit-210726.html",
    ):
        text = zh(page(report, name).find(".//main"))
        assert "49.96%" in text, name
    row = next(r for r in rows(page(report, "index.html"), "clauses") if "公办园在园" in r[0])
    assert row[2].startswith("49.96%")
    assert row[3] == "≥ 50%"
    assert row[7] == "变差 \N{MINUS SIGN}0.2 个百分点", "the revision since the last publication"
    changes = rows(page(report, "changes.html"), "changes")
    change = next(r for r in changes if r[1] == "锦州市" and r[2].startswith("2.2 "))
    assert change[3:5] == ["50.20%", "49.96%"]


def test_an_interpretation_is_marked_wherever_its_clause_is_named(report: Path) -> None:
    for name in ("index.html", "matrix.html", "unit-210726.html"):
        cells = page(report, name).xpath("//th[@scope='row'][.//a[@href='clause-2.9.html']]")
        assert [cell for cell in cells if "†" in zh(cell)] == cells != [], name
    text = zh(page(report, "clause-2.9.html").find(".//main"))
    assert ("依据：" in text and "“基本消除”" in text) or "基本" in text
    assert "†" not in zh(page(report, "clause-2.2.html").find(".//main"))


def test_the_matrix_tells_each_verdict_in_shape_and_words(
    report: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    tree = page(report, "matrix.html")
    told = {
        (cell.get("data-c"), cell.get("data-r")): (
            cell.xpath(".//use/@href")[0].removeprefix("#m-"),
            zh(cell.find_class("word")[0]),
        )
        for cell in tree.xpath("//td[@data-c and not(contains(@class, 'void'))]")
    }
    expected = {
        (clause, region): (status, STATUSES[status].zh)
        for clause, region, status in connection.execute(
            "SELECT clause_id, region_code, status FROM attainment WHERE year = 2022"
        ).fetchall()
    }
    assert told == expected


def test_a_clause_page_shows_parts_trend_and_who_is_short(report: Path) -> None:
    tree = page(report, "clause-2.9.html")
    assert len(tree.xpath("//svg[contains(@class, 'trend')]//line[@class='goal']")) == 1
    assert len(tree.xpath("//svg[contains(@class, 'trend')]//line[@class='due']")) == 1
    assert len(tree.xpath("//svg[@class='mini']")) == 10
    units = {row[0]: row for row in rows(tree, "units")}
    assert len(units) == 10
    assert all(re.fullmatch(r"[\d,]+", row[3] + row[4]) for row in units.values())
    shortfalls = rows(tree, "shortfalls")
    sizes = [int(row[4]) for row in shortfalls]
    assert sizes == sorted(sizes, reverse=True)
    assert re.fullmatch(r"班级学生数表 第 \d+ 行", shortfalls[0][5])
    assert shortfalls[0][6].endswith("报送.xlsx")


def test_missing_and_returned_reports_are_named_beside_the_figures_they_touch(report: Path) -> None:
    touched = zh(page(report, "clause-2.2.html").find(".//main"))
    assert "滨海新区 幼儿园基本情况表 未报" in touched
    assert "10个单位中9个报齐" in touched
    assert "幼儿园基本情况表 未报" not in zh(page(report, "clause-2.9.html").find(".//main"))
    assert "松山新区 中小学校基本情况表 已退回" in zh(
        page(report, "clause-5.1.html").find(".//main")
    )


def test_the_whole_list_of_a_clause_is_a_harmless_csv(
    report: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    text = (report / "shortfall-2.9-2022.csv").read_bytes().decode("utf-8")
    count = connection.execute(
        "SELECT count(*) FROM shortfall WHERE clause_id = '2.9' AND year = 2022"
    ).fetchone()
    assert count is not None
    assert len(text.splitlines()) > count[0] > 0
    assert not re.search(r'(^|,)"?[=+@＝-]', text, re.MULTILINE)
    assert "'=HYPERLINK" in text


def test_long_lists_are_cut_and_say_so(
    changed: duckdb.DuckDBPyConnection, reference: Path, tmp_path: Path
) -> None:
    changed.execute(
        "INSERT INTO shortfall SELECT '2.9', '210726', 2022, NULL, 'n' || i, 'd', 'd', 60, NULL, NULL,"
        " NULL FROM range(1000) t(i)"
    )
    total = changed.execute(
        "SELECT count(*) FROM shortfall WHERE clause_id = '2.9' AND year = 2022"
    ).fetchone()
    assert total is not None
    write_report(Reader(changed), tmp_path / "out", reference)
    tree = page(tmp_path / "out", "clause-2.9.html")
    assert len(rows(tree, "shortfalls")) == 400
    assert f"列出 400 条，共 {total[0]} 条。" in zh(tree)
    csv = (tmp_path / "out" / "shortfall-2.9-2022.csv").read_text("utf-8")
    assert csv.count("210726") >= 1000


def test_the_state_of_reporting(report: Path) -> None:
    tree = page(report, "reporting.html")
    shown = tree.xpath("//*[@id='grid']//tbody/tr[not(@hidden)]")
    assert len(shown) == 10
    assert {zh(row.xpath("./td")[0]) for row in shown} == {"2022"}
    submissions = rows(tree, "submissions")
    bad = next(row for row in submissions if row[-1] == "<img src=x>.xlsx")
    assert bad[:4] == ["未识别的单位", "未识别的报表", "—", "已退回"]
    assert any(row[3] == "已被新版替代" for row in submissions)
    for row in submissions:
        read, loaded, returned, ignored = (int(n) for n in row[7:11])
        assert read == loaded + returned + ignored


def test_findings_show_what_stands_in_the_cell_and_whether_it_is_explained(report: Path) -> None:
    found = rows(page(report, "unit-210791.html"), "findings-table")
    assert any("“五十二人<b>”无法识别" in row[2] for row in found)
    explained = rows(page(report, "unit-210702.html"), "findings-table")
    assert any("已说明：新校区投用 <i>已核实</i>" in row[2] for row in explained)


def test_only_the_latest_publication_counts_as_the_last_change(report: Path) -> None:
    changes = rows(page(report, "changes.html"), "changes")
    assert [row[1] for row in changes] == ["锦州市"] * 2 + ["黑山县"] * 2, "the city first"
    assert {row[2].split()[0] for row in changes} == {"2.2", "2.3"}
    assert not any("辍学" in row[2] for row in changes)


def test_it_can_do_without_what_later_versions_add(
    changed: duckdb.DuckDBPyConnection, report: Path, reference: Path, tmp_path: Path
) -> None:
    assert "照目前速度" in zh(page(report, "clause-5.1.html"))
    changed.execute("ALTER TABLE finding DROP COLUMN explained")
    changed.execute("DROP TABLE outlook")
    write_report(Reader(changed), tmp_path / "out", reference)
    text = zh(page(tmp_path / "out", "clause-5.1.html"))
    assert "照目前速度" not in text
    assert "已说明：" not in text


def test_every_page_of_a_made_up_city_says_so_in_both_languages(
    changed: duckdb.DuckDBPyConnection, report: Path, reference: Path, tmp_path: Path
) -> None:
    # The publication before was of a made-up city, and this one is not.
    assert not any(tree.find_class("made-up") for _, tree in all_pages(report))
    changed.execute(
        "UPDATE publication SET sample = true WHERE publication_id = (SELECT max(publication_id) FROM publication)"
    )
    write_report(Reader(changed), tmp_path / "out", reference)
    pages = dict(all_pages(tmp_path / "out"))
    assert {"index.html", "unit-210726.html", "clause-2.9.html", "dictionary.html"} <= set(pages)
    for name, tree in pages.items():
        (band,) = tree.find_class("made-up")
        assert [part.get("lang") for part in band] == ["zh", "en"], name
        assert "虚构样例数据" in band.text_content() and "Made-up data" in band.text_content()
        # The head of the printed table, which stands on every sheet, must be a child of the body.
        assert band.getparent().tag == "body", name


def test_a_publication_from_before_the_mark_was_noted_is_shown(
    changed: duckdb.DuckDBPyConnection, reference: Path, tmp_path: Path
) -> None:
    changed.execute("ALTER TABLE publication DROP COLUMN sample")
    write_report(Reader(changed), tmp_path / "out", reference)
    assert not page(tmp_path / "out", "index.html").find_class("made-up")


def test_without_boundaries_all_units_are_tiles(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    write_report(Reader(connection), tmp_path / "out", tmp_path)
    tree = page(tmp_path / "out", "map.html")
    assert len(tree.find_class("tile")) == 10
    assert not tree.find_class("area")


def test_the_map_has_shapes_tiles_and_its_attribution(report: Path) -> None:
    tree = page(report, "map.html")
    assert len(tree.xpath("//svg[@class='whole']//path[@data-r]")) == 7
    assert {t.get("data-r") for t in tree.find_class("tile")} == {"210701", "210791", "210792"}
    assert "© OpenStreetMap contributors, ODbL 1.0" in zh(tree)
    inset = tree.xpath("//svg[@class='inset']//g[contains(@class, 'label')]/@data-r")
    assert set(inset) == {"210702", "210703"}


def test_a_first_publication_has_nothing_to_compare_with(
    changed: duckdb.DuckDBPyConnection, reference: Path, tmp_path: Path
) -> None:
    changed.execute("DELETE FROM publication WHERE previous_id IS NOT NULL")
    changed.execute("DELETE FROM revision")
    write_report(Reader(changed), tmp_path / "out", reference)
    assert "这是第一次发布" in zh(page(tmp_path / "out", "changes.html"))


def test_an_empty_publication_says_so_on_one_page(
    changed: duckdb.DuckDBPyConnection, reference: Path, tmp_path: Path
) -> None:
    changed.execute("DELETE FROM attainment")
    write_report(Reader(changed), tmp_path / "out", reference)
    assert [file.name for file in (tmp_path / "out").glob("*.html")] == ["index.html"]
    assert "尚无数据" in (tmp_path / "out" / "index.html").read_text("utf-8")


def test_the_same_publication_gives_the_same_pages(
    connection: duckdb.DuckDBPyConnection, report: Path, reference: Path, tmp_path: Path
) -> None:
    write_report(Reader(connection), tmp_path / "out", reference)
    for path in report.iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes(), path.name


def test_too_little_to_judge_by_has_its_word_mark_and_sentence_everywhere(report: Path) -> None:
    unit = next(r for r in rows(page(report, "unit-210726.html"), "clauses") if r[0][:3] == "1.1")
    assert unit[1] == "不足以判定38所学校中37所未填报; 不足以判定"
    city = next(r for r in rows(page(report, "index.html"), "clauses") if r[0][:4] == "2.20")
    assert city[1].startswith("不足以判定10个单位中3个报齐; 不足以判定")
    english = page(report, "clause-1.1.html").xpath("//*[@lang='en']/text()")
    assert "37 of 38 schools left it blank; too little to judge by" in english
    for name in ("index.html", "matrix.html", "map.html"):
        tree = page(report, name)
        assert tree.xpath("//dl[@class='legend']//use[@href='#m-insufficient']"), name
        assert tree.xpath("//symbol[@id='m-insufficient']"), name
    (cell,) = page(report, "matrix.html").xpath("//td[@data-c='1.1'][@data-r='210726']")
    assert zh(cell).endswith("不足以判定1/38")
    assert page(report, "index.html").xpath(
        "//ul[@class='tally']//button[@data-status='insufficient']"
    )


def test_a_city_that_stands_against_most_of_its_units_says_so(
    report: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    """The row of 2.2 for 2022: the city is just short of 50 %."""
    judged, met = connection.execute(
        "SELECT count(*) FILTER (status NOT IN ('monitored', 'no_data', 'not_applicable')),"
        " count(*) FILTER (status = 'met') FROM attainment"
        " WHERE clause_id = '2.2' AND year = 2022 AND region_code <> '210700'"
    ).fetchone() or (0, 0)
    assert 2 * met > judged
    row = next(r for r in rows(page(report, "index.html"), "clauses") if r[0].startswith("2.2 "))
    assert f"但{judged}个有判定的单位中{met}个达标" in row[1]


def test_what_is_ours_stands_with_its_basis_on_every_page_that_shows_the_clause(
    report: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    bases = dict(
        connection.execute("SELECT clause_id, basis_zh FROM clause WHERE interpretation").fetchall()
    )
    assert set(bases) == {row.clause_id for row in ANNOUNCED if row.ours}
    for name in ("index.html", "matrix.html", "unit-210726.html", "city-2020.html"):
        tree = page(report, name)
        marked = {
            cell.xpath(".//span[@class='id']/text()")[0]
            for cell in tree.xpath("//tbody//*[self::th or self::td][.//span[@class='dagger']]")
        }
        assert {"2.9"} <= marked
        for clause in marked:
            (basis,) = tree.xpath(f"//*[@id='basis-{clause}']")
            assert bases[clause] in zh(basis), (name, clause)


def test_a_change_is_shown_like_for_like_or_not_at_all(
    changed: duckdb.DuckDBPyConnection, reference: Path, tmp_path: Path
) -> None:
    changed.execute(
        "UPDATE year_on_year SET previous_numerator = 12, previous_denominator = 100,"
        " previous_value = 12, numerator = 7, denominator = 100, value = 7"
        " WHERE (clause_id, region_code, year) = ('2.9', '210700', 2022)"
    )
    changed.execute("DELETE FROM year_on_year WHERE clause_id = '2.10'")
    write_report(Reader(changed), tmp_path / "out", reference)
    told = {r[0].split()[0]: r[6] for r in rows(page(tmp_path / "out", "index.html"), "clauses")}
    assert told["2.9"] == "好转 \N{MINUS SIGN}5.0 个百分点"
    assert told["2.10"] == "—"


def test_a_later_year_can_be_chosen_and_says_how_little_of_it_is_there(
    changed: duckdb.DuckDBPyConnection, reference: Path, tmp_path: Path
) -> None:
    changed.execute("UPDATE reporting SET accepted = 0 WHERE year = 2022 AND form <> 'class'")
    ((due, came),) = changed.execute(
        "SELECT sum(expected), sum(accepted) FILTER (expected = 1) FROM reporting WHERE year = 2022"
    ).fetchall()
    write_report(Reader(changed), tmp_path / "out", reference)
    assert "2021 年全市一览" in zh(page(tmp_path / "out", "index.html"))
    note = f"2022 年应报 {due} 份报表，只有 {came} 份生效"
    for name in ("index.html", "city-2022.html", "unit-210726.html", "clause-2.9.html"):
        assert note in zh(page(tmp_path / "out", name)), name
    assert note not in zh(page(tmp_path / "out", "city-2020.html"))
    (hidden,) = page(tmp_path / "out", "matrix.html").xpath("//p[@data-note-of='2022']")
    assert note in zh(hidden)
    assert "hidden" in hidden.attrib


def as_a_province(changed: duckdb.DuckDBPyConnection) -> None:
    """Put a province above the city, whose only one it is."""
    changed.execute(
        "INSERT INTO region BY NAME SELECT '210000' AS region_code, '辽宁省' AS region_name,"
        " 'province' AS level, '省' AS kind;"
        "UPDATE region SET parent_code = '210000' WHERE region_code = '210700';"
        "INSERT INTO attainment SELECT * REPLACE ('210000' AS region_code) FROM attainment"
        " WHERE region_code = '210700'"
    )


def test_a_province_has_pages_for_its_cities_and_counts_units_alone(
    changed: duckdb.DuckDBPyConnection, reference: Path, tmp_path: Path
) -> None:
    as_a_province(changed)
    write_report(Reader(changed), tmp_path / "out", reference)
    front = page(tmp_path / "out", "index.html")
    assert zh(front.xpath("//*[@class='name']")[0]).startswith("辽宁省")
    assert [row[0] for row in rows(front, "regions")] == ["锦州市"]
    assert not front.xpath("//*[@id='units']"), "a page lists what is directly below"
    city = page(tmp_path / "out", "unit-210700.html")
    assert len(rows(city, "clauses")) == len(FEW)
    assert len(rows(city, "units")) == 10
    matrix = page(tmp_path / "out", "matrix.html")
    assert [zh(cell) for cell in matrix.xpath("//*[@id='matrix']//thead//th")[2:4]] == [
        "辽宁省",
        "锦州市",
    ]
    below = page(tmp_path / "out", "matrix-210700.html")
    assert len(below.xpath("//*[@id='matrix']//thead//th")) == 2 + 1 + 10
    front = page(tmp_path / "out", "reporting.html")
    assert [row[0] for row in rows(front, "regions")] == ["锦州市"]
    assert not front.xpath("//*[@id='by-unit']")
    below = page(tmp_path / "out", "reporting-210700.html")
    assert {row[1] for row in rows(below, "by-unit")} == {"2022"}, "years are at the top"
    assert len(rows(below, "by-unit")) == 10
    assert len(rows(page(tmp_path / "out", "clause-2.9.html"), "units")) == 1
    test_every_link_leads_into_the_folder(tmp_path / "out")


def test_the_forms_behind_a_formula() -> None:
    forms = ["school", "class", "population"]
    catalogue = load_catalogue()
    two = "[sum(class_start) FROM school WHERE x] / [sum(population) FROM population]"
    assert forms_of(two, catalogue, forms) == {"school", "population"}
    assert forms_of("count(*) FROM compulsory_class", catalogue, forms) == {"class"}, "a view"
    assert forms_of("count(*) FROM nowhere", catalogue, forms) == set(forms), "all may matter"


def test_place_names_in_english() -> None:
    assert place_name("Gŭtă Qū") == "Guta District"
    assert place_name("Yì Xiàn") == "Yi County"
    assert place_name("Bĕizhèn Shì") == "Beizhen City"


def test_codes_make_safe_and_distinct_file_names() -> None:
    assert slug("2.10") == "2.10"
    assert slug("../a b") == ".._2fa_20b"
    assert slug("a_b") != slug("a b")


def test_every_word_is_used() -> None:
    package = Path(words.__file__).parent
    sources = [*package.parent.rglob("*.py"), *package.glob("templates/*.html")]
    body = "".join(path.read_text("utf-8") for path in sources if path.name != "words.py")
    named = set(re.findall(r"""["']([a-z_]+)["']""", body)) | {"form_unknown"}
    named |= {f"nav_{name.stem}" for name in package.glob("templates/*.html")}
    assert set(words.WORDS) - named == set()


def test_a_unit_begins_with_what_it_has_to_do(
    report: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    """黑山县 in 2022: its widest gap in people, the form that it has not handed in, what turned."""
    gaps, lacking, turned = page(report, "unit-210726.html").xpath("//ol[@class='duties']/li")
    widest = connection.execute(
        "SELECT clause_id, gap_quantity FROM attainment WHERE region_code = '210726' AND year = 2022"
        " AND status IN ('not_met', 'off_track') AND gap_unit IN ('人', '个学位')"
        " ORDER BY gap_quantity DESC LIMIT 1"
    ).fetchone()
    assert widest is not None
    first = zh(gaps.xpath(".//li")[0])
    assert first.startswith(widest[0]) and f" {int(widest[1]):,} " in first
    assert zh(lacking).count("未报") == 1 and "特殊群体教育保障表" in zh(lacking)
    # The form was due on 31 October 2022; so many days have gone by when the publication is made.
    assert re.search(r"迟 \d+ 天", zh(lacking))
    before = dict(
        connection.execute(
            "SELECT clause_id, status FROM attainment WHERE region_code = '210726' AND year = 2021"
        ).fetchall()
    )
    for item in turned.xpath("./ul/li"):
        clause = zh(item).split()[0]
        assert STATUSES[before[clause]].zh in zh(item)


def test_a_clause_page_begins_with_its_finding(report: Path) -> None:
    def told(clause: str) -> str:
        (found,) = page(report, f"clause-{clause}.html").find_class("headline")
        return zh(found)

    assert told("2.2").startswith("锦州市未达标：49.96%，目标 ≥ 50%（2022 年到期），差 ")
    assert "个有判定的单位中" in told("2.2")
    assert told("2.15").endswith("只对全市判定，不评县区。")
    assert "不设目标值" in told("4.3")
    assert "不足以判定" in told("2.20")


def test_what_is_over_is_not_foretold(report: Path) -> None:
    # 2.9 was due in 2020, 5.1 is due in 2025.
    assert "照目前速度" not in zh(page(report, "clause-2.9.html"))
    assert "照目前速度" in zh(page(report, "clause-5.1.html"))


def test_a_change_says_what_stands_behind_it(
    report: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    before, now, units = connection.execute(
        "SELECT previous_numerator::BIGINT, numerator::BIGINT, units FROM year_on_year"
        " WHERE (clause_id, region_code, year) = ('2.9', '210700', 2022)"
    ).fetchone() or (0, 0, 0)
    text = zh(page(report, "clause-2.9.html").find_class("facts")[0])
    assert f"分子 {before} → {now}" in text
    assert f"按两年都计入的 {units} 个单位" in text


def test_units_are_ranked_among_their_like(report: Path) -> None:
    ranks = {row[0]: row for row in rows(page(report, "clause-2.9.html"), "units")}
    assert any("4 个中第 4" in cell for cell in ranks["黑山县"]), "all its classes are large"
    assert not any("个中第" in cell for cell in ranks["市直属"]), "there is no other of its kind"


def test_counts_have_a_scale_each_and_shares_one(report: Path) -> None:
    assert "各图的纵轴各不相同" in zh(page(report, "clause-3.1.html"))
    assert "各图的纵轴相同" in zh(page(report, "clause-2.9.html"))


def test_a_chart_says_of_what_and_whence_it_is(report: Path) -> None:
    (figure,) = page(report, "clause-2.9.html").xpath("//figure[@data-image='2.9']")
    title, source = (zh(caption) for caption in figure.xpath("./figcaption"))
    assert title == "大班额比例（%），锦州市，2018—2022 年"
    assert source.startswith("来源：各单位报送；锦州市教育目标监测报告，页面标识 ")


def test_the_state_of_reporting_by_unit(
    report: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    told = {(row[0], row[1]): row for row in rows(page(report, "reporting.html"), "by-unit")}
    assert len(told) == 50
    expected = connection.execute(
        "SELECT sum(expected), sum(accepted) FROM reporting"
        " WHERE region_code = '210726' AND year = 2022 AND expected = 1"
    ).fetchone() or (0, 0)
    assert told["黑山县", "2022"][2] == f"{expected[1]}/{expected[0]}"
    assert told["黑山县", "2022"][5] == "1", "the form of special groups"
    # The forms of autumn came on 15 October 2022, years after those of 2018 were due.
    assert told["黑山县", "2018"][3] != "0"
    assert told["黑山县", "2018"][4].endswith(" 天")
    open_ones = connection.execute(
        "SELECT count(*) FILTER (severity = 'error'), count(*) FILTER (severity = 'warning')"
        " FROM finding_history WHERE closed_by IS NULL AND region_code = '210791' AND year = 2022"
    ).fetchone() or (0, 0)
    assert told["松山新区", "2022"][6:8] == [str(count) for count in open_ones]


def test_every_page_says_how_final_the_year_is(
    changed: duckdb.DuckDBPyConnection, report: Path, reference: Path, tmp_path: Path
) -> None:
    assert "2022 年：初步数" in zh(page(report, "clause-2.9.html").find(".//header"))
    changed.execute("UPDATE year_state SET state = 'final' WHERE year = 2022")
    write_report(Reader(changed), tmp_path / "out", reference)
    for name, tree in all_pages(tmp_path / "out"):
        assert "2022 年：定稿" in zh(tree.find(".//header")), name


def test_what_is_only_watched_is_graded_and_the_legend_has_the_figures(report: Path) -> None:
    tree = page(report, "matrix.html")
    cells = tree.xpath("//td[@data-c='4.3' and contains(@class, 's-monitored')]")
    assert {cell.get("class").split()[-1] for cell in cells if cell.get("data-r") != "210700"} == {
        "grade-2"
    }, "all units rotate two of ten"
    assert not any(
        "grade" in cell.get("class")
        for cell in tree.xpath("//td[@data-c='2.9']")
        if "monitored" not in cell.get("class")
    )


def test_english_pages_have_no_chinese_names_of_places_sources_or_details(report: Path) -> None:
    def english(element: html.HtmlElement) -> str:
        return "".join(
            element.xpath(
                ".//text()[not(ancestor::*[@lang='zh']) and not(ancestor::script)"
                # A formula speaks of values as they stand in the forms.
                " and not(ancestor::*[@class='code'])]"
            )
        )

    chinese = re.compile(r"[\u4e00-\u9fff]")
    for name, tree in all_pages(report):
        for place in tree.xpath("//footer | //header | //h1 | //dl[@class='definition']"):
            text = english(place).replace("中文", "")
            assert not chinese.search(text), (name, text)
        for row in tree.xpath("//*[@id='shortfalls']//tbody/tr"):
            column = 3 if name.startswith("clause") else 2
            cells = [english(cell) for cell in row.xpath("./th | ./td")]
            # The value of a missing township is its name.
            detail = cells[column].replace(cells[column + 1], "")
            assert not chinese.search(detail), (name, detail)


def test_how_findings_go_on_is_told_with_numbers(
    changed: duckdb.DuckDBPyConnection, reference: Path, tmp_path: Path
) -> None:
    """The first publication was 40 days ago; a reason waits for the office, and one finding is answered."""
    changed.execute(
        "UPDATE publication SET published_at = published_at - INTERVAL 40 DAY WHERE previous_id IS NULL;"
        "UPDATE finding SET reason_given = '新校区投用', explained = NULL WHERE region_code = '210702'"
    )
    ((key, first),) = changed.execute(
        "SELECT finding_key, first_publication_id FROM finding_history"
        " WHERE region_code <> '210702' AND first_publication_id ="
        " (SELECT min(publication_id) FROM publication) ORDER BY ALL LIMIT 1"
    ).fetchall()
    changed.execute(
        "UPDATE finding_history SET closed_by = 'corrected', last_publication_id = ? WHERE finding_key = ?",
        [first, key],
    )
    open_then = changed.execute(
        "SELECT count(h.finding_key) FROM publication p LEFT JOIN finding_history h"
        " ON p.publication_id BETWEEN h.first_publication_id AND h.last_publication_id"
        " GROUP BY p.publication_id ORDER BY p.publication_id DESC"
    ).fetchall()
    ((old,),) = changed.execute(
        "SELECT count(*) FROM finding_history WHERE closed_by IS NULL AND first_publication_id = ?",
        [first],
    ).fetchall()
    write_report(Reader(changed), tmp_path / "report", reference)
    tree = page(tmp_path / "report", "reporting.html")
    told = [[int(number) for number in row[1:]] for row in rows(tree, "then")]
    assert [row[0] for row in told] == [number for (number,) in open_then]
    # What is open is what was open before, with what is new and without what is closed.
    for later, earlier in pairwise(told):
        assert later[0] == earlier[0] + later[1] - later[2]
    assert sum(row[2] for row in told) == 1
    listed = rows(tree, "old")
    assert sum(int(row[4]) for row in listed) == old > 0
    assert {row[6] for row in listed} == {"40"}
    waits = {row[0]: row[7] for row in listed if row[0] == "古塔区" or "错误" in row[3]}
    assert waits.pop("古塔区") == "审核部门：决定"
    assert set(waits.values()) == {"单位：更正后重报"}
    for table in ("by-rule", "answering"):
        assert sum(int(row[2]) for row in rows(tree, table)) <= old
        assert sum(int(row[4]) for row in rows(tree, table)) <= 1
    assert sum(int(row[4]) for row in rows(tree, "by-rule")) == 1
    own = page(tmp_path / "report", "unit-210702.html")
    assert {row[-1] for row in rows(own, "ageing")} == {"审核部门：决定"}


def test_of_a_nation_units_are_told_on_the_page_of_the_region_above(
    changed: duckdb.DuckDBPyConnection,
    reference: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten units are a nation here; a real one has thousands."""
    monkeypatch.setattr(reader_pages, "MOST_UNITS", 9)
    as_a_province(changed)
    out = tmp_path / "out"
    write_report(Reader(changed), out, reference)
    assert {path.name for path in out.glob("unit-*")} == {"unit-210700.html"}
    assert not list(out.glob("*.csv"))
    city = page(out, "unit-210700.html")
    told = city.xpath("//section[contains(@class, 'told')]")
    assert [section.get("id") for section in told] == [f"region-{unit}" for unit in UNITS]
    assert "县" in zh(told[4].find(".//h3"))
    assert len(told[0].xpath("./ol/li")) == 2, (
        "of the year before nothing is read, and nothing said"
    )
    # What is met stands in the matrix alone.
    assert not city.xpath("//*[@id='clauses']//tr[@data-status='met']")
    matrix = page(out, "matrix-210700.html")
    assert len(matrix.xpath("//*[@id='matrix']//tbody/tr")) == len(FEW)
    assert zh(matrix.xpath("//tr[@id='row-2.9']/td[2]")[0])
    assert not matrix.xpath("//script[@id='figures'] | //select")
    test_every_link_leads_into_the_folder(out)
