"""The scorecard at the terminal: of which region, of which year, and what stands beside a verdict."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from flows.language import Language, speaking
from flows.terminal.scorecard import show_scorecard
from tests.conftest import Home, MakeHome

REGIONS = [
    ("1", "province", "", "省"),
    ("11", "city", "1", "地级市"),
    ("12", "city", "1", "地级市"),
    *((f"{city}{n}", "reporting_unit", city, "县") for city in ("11", "12") for n in "123"),
]
UNITS = [code for code, level, *_ in REGIONS if level == "reporting_unit"]
#: More than half of the forms, each with one row that is in order.
FORMS = ("kindergarten", "population", "teacher", "special_group", "safety", "milestone")


@pytest.fixture(scope="module")
def home(make_home: MakeHome) -> Home:
    """A province of two cities with three units each.

    2020 is there, of 2021 one form, of 2022 one that was returned.
    """
    home = make_home()
    home.regions(REGIONS)
    for unit in UNITS:
        sizes = [60, *[40] * (30 if unit.startswith("11") else 10)]
        schools: list[dict[str, object]] = [{"arrival_time": "07:50"} for _ in range(4)]
        if unit == "111":
            schools = [{"arrival_time": "07:50"}, {}, {}, {}]
        years = {
            year: {
                **{form: [{}] for form in FORMS},
                "class": [{"class_name": str(n), "students": s} for n, s in enumerate(sizes)],
                "school": schools,
            }
            for year in (2019, 2020)
        }
        home.book(unit, years)  # type: ignore[arg-type]
    home.sheet("111", "kindergarten", 2021, [{}])
    home.sheet("112", "class", 2022, [{"students": 0}])
    home.night()
    return home


def printed(home: Home, language: Language = "zh", width: int = 160) -> str:
    out = io.StringIO()
    with speaking(language):
        show_scorecard(Console(file=out, width=width, force_terminal=False), home.publication)
    return out.getvalue()


def row(text: str, clause: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"│ {clause} "))
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_the_scorecard_is_of_the_region_at_the_top_and_of_no_other(home: Home) -> None:
    text = printed(home)
    assert "区1 2020" in text
    assert len([line for line in text.splitlines() if line.startswith("│ 2.9 ")]) == 1
    # 6 of 6 + 3 × 30 + 3 × 10 classes; three units of six have 1 of 31, three 1 of 11.
    assert row(text, "2.9")[2:4] == ["4.8%", "≤ 5"]
    # The cities are named, each with its own verdicts.
    below = text.partition("各地区 2020")[2]
    assert "区11" in below and "区12" in below


def test_every_verdict_has_its_coverage_and_what_is_not_whole_is_said(home: Home) -> None:
    text = printed(home)
    # The three schools that gave no time could turn the verdict.
    arrival = row(text, "1.1")
    assert arrival[5] == "◐ 不足以判定"
    assert arrival[8] == "6/6 · 21/24"
    assert "1.1  24所学校中3所未填报; 不足以判定\n" in text
    english = printed(home, "en")
    assert row(english, "1.1")[5].startswith("◐ too little")
    assert "1.1  3 of 24 schools left it blank; too little to judge by\n" in english


def test_what_is_ours_is_marked_with_its_basis(home: Home) -> None:
    text = printed(home)
    assert row(text, "2.9")[0] == "2.9 †"
    ((basis,),) = home.ask("SELECT basis_zh FROM clause WHERE clause_id = '2.9'")
    assert basis in text.replace("\n", "")
    assert row(text, "2.2")[0] == "2.2"


def test_the_year_in_focus_is_not_the_newest_and_that_is_said(home: Home) -> None:
    text = printed(home)
    assert "2021 年：应报 66 份，生效 1 份" in text


def test_a_change_has_a_word_for_its_direction(home: Home) -> None:
    assert row(printed(home), "2.9")[6] == "持平"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_in_a_narrow_terminal_nothing_is_cut(home: Home, language: Language) -> None:
    text = printed(home, language, width=80)
    assert max(cell_len(line) for line in text.splitlines() if line[:1] in "┃│") <= 80
    assert "…  " not in text
    # Figures stand whole; the answers below the units.
    lines = [line.strip("│").split("│") for line in text.splitlines() if line.startswith("│")]
    (begin,) = (i for i, cells in enumerate(lines) if cells[0].strip() == "1.1 †")
    assert [lines[begin + i][8].strip() for i in (0, 1)] == ["6/6", "21/24"]
    name = "".join(cells[1].strip() for cells in lines[begin : begin + 12])
    assert name.startswith("到校时间合规学校占比" if language == "zh" else "Schools")
