"""The pages in a real browser: nothing leaves the folder, nothing goes wrong, and things work."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from warehouse.publication.reader import open_publication
from warehouse.publication.reader.pages import read_publication
from warehouse.report import write_briefs

playwright = pytest.importorskip(
    "playwright.sync_api", reason="the package playwright drives the browser and is not installed"
)

# Without a window it does all of this as well, and sooner.
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser"))),
    None,
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine (Debian: apt-get install chromium)"
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


#: Opens a page of the report.
Visit = Callable[[str], "playwright.Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context(browser: playwright.Browser) -> Iterator[playwright.BrowserContext]:
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture(scope="module")
def briefs(publication_file: Path, report: Path, reference: Path) -> None:
    """The city on one page, beside the report."""
    with open_publication(publication_file) as reader:
        write_briefs(read_publication(reader, reference), report.with_name("brief"))


@pytest.fixture
def visit(
    context: playwright.BrowserContext, report: Path
) -> Iterator[Callable[[str], playwright.Page]]:
    """Return a function that opens a page of the report; what went wrong fails the test."""
    page = context.new_page()
    page.set_viewport_size({"width": 1400, "height": 900})
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))

    def watch(request: playwright.Request) -> None:
        inside = request.url.startswith((report.parent.as_uri(), "data:,", "blob:"))
        if not inside:
            wrong.append(f"left the folder: {request.url}")

    page.on("request", watch)

    def open_page(name: str) -> playwright.Page:
        page.goto(f"{report.as_uri()}/{name}")
        return page

    yield open_page
    # The next test remembers nothing.
    page.evaluate("localStorage.clear()")
    page.close()
    assert wrong == []


def column(page: playwright.Page, table: str, number: int) -> list[str]:
    cells = page.locator(f"#{table} tbody tr:not(.field):visible > :nth-child({number})")
    return [" ".join(text.split()) for text in cells.all_inner_texts()]


def test_pages_open_without_a_fault(visit: Visit, report: Path) -> None:
    # A third of them: those of one template differ in their figures alone.
    for path in sorted(report.glob("*.html"))[::3]:
        page = visit(path.name)
        assert page.locator("h1").inner_text().strip(), path.name
        assert page.evaluate("getComputedStyle(document.body).marginTop") == "0px", path.name


def test_the_language_switch_is_kept_and_carried_along(visit: Visit) -> None:
    page = visit("index.html")
    assert "2022 年全市一览" in page.locator("h1").inner_text()
    page.locator("[data-language]").click()
    assert page.locator("h1").inner_text() == "The city at a glance, 2022"
    assert "lang=en" in page.url
    assert page.title().startswith("The city at a glance")
    page.locator("nav[data-nav] a", has_text="Map").click()
    assert page.locator("h1").inner_text() == "Map of the units"
    # The script says it once the page is there.
    page.locator("select option", has_text="0.1 Rank among the cities of the province").wait_for(
        state="attached"
    )
    assert page.locator(".whole .name:visible", has_text="Heishan County").count() == 1
    assert visit("matrix.html").locator("h1").inner_text() == "Clauses by unit", "remembered"
    visit("matrix.html?lang=zh")
    assert page.locator("h1").inner_text() == "条款与单位对照表"


def test_tables_sort_by_figures_clauses_and_words(visit: Visit) -> None:
    page = visit("index.html")
    in_fields = column(page, "clauses", 1)
    page.locator("#clauses thead button", has_text="条款").click()
    ids = [text.split()[0] for text in column(page, "clauses", 1)]
    assert ids == sorted(ids, key=lambda text: [int(part) for part in text.split(".")])
    assert len(ids) == 59, "in one list, nothing is folded"
    page.locator("#clauses thead button", has_text="状态").click()
    assert [text.split()[0] for text in column(page, "clauses", 1)] != ids
    page.locator("#clauses [data-by-field]").click()
    assert column(page, "clauses", 1) == in_fields

    page = visit("clause-2.9.html")
    head = page.locator("#shortfalls thead button", has_text="数值")
    head.click()
    rising = [int(text) for text in column(page, "shortfalls", 5)]
    assert rising == sorted(rising)
    assert page.locator("#shortfalls [aria-sort]").get_attribute("aria-sort") == "ascending"
    head.click()
    assert [int(text) for text in column(page, "shortfalls", 5)] == rising[::-1]


def test_shares_sort_as_figures_and_blanks_stay_last(visit: Visit) -> None:
    page = visit("clause-2.2.html")
    head = page.locator("#units thead button", has_text="数值")
    for falling in (False, True):
        head.click()
        told = column(page, "units", 3)
        assert told[-1] == "—"
        figures = [float(text.rstrip("%")) for text in told[:-1]]
        assert figures == sorted(figures, reverse=falling)


def test_counts_filter_the_clauses_by_status(visit: Visit) -> None:
    page = visit("index.html")
    button = page.locator('.tally button[data-status="not_met"]')
    count = int(button.locator(".count").inner_text())
    before = len(column(page, "clauses", 1))
    button.click()
    assert len(column(page, "clauses", 1)) == count < 59
    button.click()
    assert len(column(page, "clauses", 1)) == before
    met = page.locator('.tally button[data-status="met"]')
    met.click()
    assert len(column(page, "clauses", 1)) == int(met.locator(".count").inner_text()), "folded"


def test_what_is_folded_opens_and_a_search_finds_it(visit: Visit) -> None:
    page = visit("index.html")
    fold = page.locator("#clauses [data-fold]").first
    assert fold.get_attribute("aria-expanded") == "false"
    before = len(column(page, "clauses", 1))
    fold.click()
    assert fold.get_attribute("aria-expanded") == "true"
    assert len(column(page, "clauses", 1)) > before
    fold.click()
    assert len(column(page, "clauses", 1)) == before
    page.locator("#clauses [data-search]").fill("心理健康")
    assert [text[:3] for text in column(page, "clauses", 1)] == ["1.7"]
    assert page.locator("#clauses tr.field:visible").count() == 1
    page.locator("#clauses [data-search]").fill("")
    assert len(column(page, "clauses", 1)) == before


def test_the_reporting_years_can_be_chosen(visit: Visit) -> None:
    page = visit("reporting.html")
    page.locator('[data-rows-of="grid"]').select_option("2019")
    assert set(column(page, "grid", 2)) == {"2019"}
    page.locator('[data-rows-of="submissions"]').select_option("")
    assert {"2018", "2022", "—"} <= set(column(page, "submissions", 3))


def test_the_map_shows_the_chosen_clause_and_year(visit: Visit) -> None:
    page = visit("map.html")
    assert "2.2" in page.locator(".map-title").inner_text()
    page.locator('[data-choose="clause"]').select_option("2.9")
    page.locator('[data-choose="year"]').select_option("2019")
    title = page.locator(".map-title").inner_text().replace("\N{NO-BREAK SPACE}", " ")
    assert all(part in title for part in ("2.9", "大班额比例", "解释", "≤ 5%", "2019"))
    told = dict(zip(column(page, "map-units", 1), column(page, "map-units", 2), strict=True))
    assert page.locator('.label[data-r="210726"] .figure').text_content() == told["黑山县"]
    assert page.locator('.tile[data-r="210792"] .figure').inner_text() == told["滨海新区"]
    assert told["黑山县"] in visit("clause-2.9.html").content() or told["黑山县"] == "—"

    page = visit("matrix.html")
    page.locator('[data-choose="year"]').select_option("2019")
    cell = page.locator('td[data-c="2.9"][data-r="210726"]')
    assert cell.locator(".figure").inner_text() == told["黑山县"]
    status = re.search(r"s-(\w+)", cell.get_attribute("class") or "")
    assert status is not None
    assert cell.locator("use").get_attribute("href") == f"#m-{status[1]}"
    assert page.locator("output[data-year]").first.text_content() == "2019"


def test_the_map_and_the_matrix_say_the_same_of_every_year(visit: Visit) -> None:
    page = visit("map.html")
    page.locator('[data-choose="clause"]').select_option("2.9")
    on_map = {}
    for year in ("2018", "2020", "2022"):
        page.locator('[data-choose="year"]').select_option(year)
        on_map[year] = column(page, "map-units", 3)
    page = visit("matrix.html")
    for year, told in on_map.items():
        page.locator('[data-choose="year"]').select_option(year)
        words = page.locator('td[data-c="2.9"] .word').all_inner_texts()
        assert words[1:] == told


def test_a_copied_table_is_what_is_seen_and_harmless(visit: Visit) -> None:
    page = visit("clause-2.9.html")
    page.locator("#shortfalls [data-copy]").click()
    page.locator("#shortfalls .done").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    lines = [line.split("\t") for line in text.splitlines()]
    assert len(lines) == len(column(page, "shortfalls", 1)) + 1
    assert {len(line) for line in lines} == {7}
    names = {line[1] for line in lines}
    assert '\'=HYPERLINK("http://evil.example/","点我")' in names
    assert {"'@SUM(A1:A9)", "'＝1+1学校", "'-2+3+cmd|' /C calc'!A0"} <= names
    assert "Unit" not in text, "only the language that shows"
    assert not any(re.match(r"[=+@＝]", cell) for line in lines for cell in line)


def test_a_saved_table_is_csv_that_spreadsheets_read(visit: Visit, tmp_path: Path) -> None:
    page = visit("index.html?lang=en")
    page.locator('.tally button[data-status="not_met"]').click()
    with page.expect_download() as download:
        page.locator("#clauses [data-csv]").click()
    download.value.save_as(tmp_path / "clauses.csv")
    text = (tmp_path / "clauses.csv").read_text("utf-8")
    assert text.startswith("\ufeffClause,Status,Value")
    assert "Children in public kindergartens" in text
    assert len(text.splitlines()) == len(column(page, "clauses", 1)) + 1


def test_it_prints_on_a4(visit: Visit) -> None:
    for name in ("index.html", "clause-2.9.html"):
        page = visit(name)
        page.emulate_media(media="print")
        assert not page.locator("nav[data-nav]").is_visible()
        assert page.locator("h1").is_visible()
        sizes = set(
            re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", page.pdf(prefer_css_page_size=True))
        )
        assert {tuple(sorted(round(float(n)) for n in size)) for size in sizes} == {(595, 842)}


def test_the_map_keeps_its_choice_in_the_address(visit: Visit) -> None:
    page = visit("map.html")
    page.locator('[data-choose="clause"]').select_option("4.3")
    page.locator('[data-choose="year"]').select_option("2021")
    assert "clause=4.3" in page.url and "year=2021" in page.url
    page.reload()
    assert page.locator("[data-clause-id]").inner_text() == "4.3"
    assert page.locator("output[data-year]").inner_text() == "2021"
    assert page.locator("[data-grades] li").count() == 1, "the units are alike"
    city = page.locator('.city-figure[data-r="210700"]')
    assert city.locator(".figure").inner_text() in visit("clause-4.3.html").content()


def test_a_clause_leads_to_the_map_and_the_matrix(visit: Visit) -> None:
    page = visit("clause-2.9.html")
    page.locator(".onward a").first.click()
    # The script says it once the page is there.
    page.locator("[data-clause-id]", has_text="2.9").wait_for()
    page = visit("clause-2.9.html")
    page.locator(".onward a").last.click()
    assert page.locator("tr:target").get_attribute("id") == "row-2.9"


def test_a_chart_is_saved_as_an_image(visit: Visit, tmp_path: Path) -> None:
    page = visit("clause-2.9.html")
    with page.expect_download() as download:
        page.locator("[data-save-image]").click()
    download.value.save_as(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_on_a_phone_a_clause_takes_four_screens_and_rows_are_cards(visit: Visit) -> None:
    page = visit("index.html")
    page.set_viewport_size({"width": 390, "height": 844})
    for name in ("clause-2.2.html", "clause-2.15.html", "clause-5.1.html"):
        page = visit(name)
        assert page.evaluate("document.documentElement.scrollHeight") <= 4 * 844, name
    page = visit("unit-210726.html")
    first = page.locator("#clauses tbody tr[data-status] td").first
    assert first.evaluate("cell => getComputedStyle(cell, '::before').content") == '"状态"'
    box = page.locator("#clauses .scroll").evaluate("box => box.scrollWidth - box.clientWidth")
    assert box <= 0, "nothing to scroll sideways"


#: The contrast of every text that shows with what is behind it, by WCAG 2.2; those that are too low.
CONTRAST = """() => {
  const parse = (css) => (css.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(e).backgroundColor);
      if (r !== undefined && a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const low = new Set();
  for (const element of document.querySelectorAll("body *:not(svg *)")) {
    if (![...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(element);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const [a, b] = [light(parse(style.color)), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) low.add(`${element.tagName}.${element.className}: ${ratio.toFixed(2)}`);
  }
  return [...low];
}"""

#: Tables without a caption, heads without a scope, fields, buttons and links without a name.
NAMELESS = """() => [
  ...[...document.querySelectorAll("main table:not(.fields)")].filter((t) => !t.caption),
  ...document.querySelectorAll("main th:not([scope])"),
  ...[...document.querySelectorAll("input, select")].filter((e) => !e.labels.length && !e.ariaLabel),
  ...[...document.querySelectorAll("button, a[href]")].filter((e) =>
    e.checkVisibility() && !e.innerText?.trim() && !e.textContent.trim() && !e.ariaLabel),
  ...document.querySelectorAll("svg[role=img]:not([aria-label])"),
].map((e) => e.outerHTML.slice(0, 120))"""


#: A page of each kind; the page about the city is a file for each language.
KINDS = {
    "city": "index.html",
    "map": "map.html",
    "matrix": "matrix.html",
    "reporting": "reporting.html",
    "changes": "changes.html",
    "dictionary": "dictionary.html",
    "unit": "unit-210726.html",
    "clause": "clause-2.9.html",
    "clause-of-counts": "clause-3.1.html",
    "brief": "../brief/brief-2022.{language}.html",
}
WIDTHS = (1280, 768, 390)
#: A picture shows so much of a long page, in pixels.
TALLEST = 4000


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the pages are kept: below build/ where a machine tests, which keeps that as an artefact."""
    if not os.environ.get("CI"):
        return tmp_path_factory.mktemp("pictures")
    folder = Path(__file__).parents[3] / "build" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_fits_every_screen_and_can_be_read(
    kind: str, language: str, visit: Visit, briefs: None, pictures: Path
) -> None:
    page = visit(f"{KINDS[kind].format(language=language)}?lang={language}")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        wide, tall = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        # The page about the city is a sheet of paper, and stays one on a phone.
        assert wide <= width or kind == "brief"
        shown = {"x": 0, "y": 0, "width": width, "height": min(tall, TALLEST)}
        page.screenshot(
            path=pictures / f"{kind}-{language}-{width}.png", full_page=True, clip=shown
        )
    page.set_viewport_size({"width": WIDTHS[0], "height": 800})
    assert page.evaluate(CONTRAST) == []
    assert kind == "brief" or page.evaluate(NAMELESS) == []


@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_no_violation(kind: str, visit: Visit, briefs: None) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe-core")
    levels = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    page = visit(f"{KINDS[kind].format(language='en')}?lang=en")
    # Fetching style sheets once more is what the policy of the pages forbids.
    options = {"runOnly": levels, "resultTypes": ["violations"], "preload": False}
    found = axe.Axe().run(page, options=options)
    told = [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in found.response["violations"]
    ]
    assert told == []


def test_a_page_can_be_used_by_keyboard(visit: Visit) -> None:
    page = visit("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    fold = page.locator("#clauses [data-fold]").first
    fold.focus()
    assert fold.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert fold.get_attribute("aria-expanded") == "true"
