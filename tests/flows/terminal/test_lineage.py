"""What `jzedu explain` prints: for people, for machines, and of which publication."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from flows.language import Language, speaking
from flows.terminal.lineage import json_of, publication_file, show_explanation
from tests.conftest import Home, MakeHome
from warehouse.indicators.definitions import load_catalogue
from warehouse.lineage.figure import CannotExplain, explain
from warehouse.lineage.model import Explanation
from warehouse.reference import load_reference

YIXIAN, CITY = "210727", "210700"
#: Markup, and a mark that would turn the line round.
HOSTILE = "[red]甲[/red]园\N{RIGHT-TO-LEFT OVERRIDE}=1+1"


@pytest.fixture(scope="module")
def home(make_home: MakeHome) -> Home:
    home = make_home()
    rows: list[dict[str, object]] = [
        {"institution_name": HOSTILE, "children_enrolled": 89, "licensed": False},
        {"institution_name": "二园", "ownership": "公办", "children_enrolled": 90},
    ]
    people = [{"age": age, "population": 67} for age in (3, 4, 5)]
    home.sheet(YIXIAN, "kindergarten", 2020, rows)
    home.sheet(YIXIAN, "population", 2020, people)
    home.night()
    home.sheet(
        YIXIAN,
        "kindergarten",
        2020,
        rows[1:],
        name="更正2020年.csv",
        received="2020-10-01 00:00:00",
    )
    home.night()
    return home


def explained(
    home: Home, indicator: str, region: str = YIXIAN, file: Path | None = None
) -> Explanation:
    return explain(
        file or home.publication,
        home.settings.warehouse,
        load_reference(home.root),
        load_catalogue(),
        indicator,
        region,
        2020,
    )


def printed(explanation: Explanation, language: Language = "zh") -> str:
    out = io.StringIO()
    with speaking(language):
        show_explanation(Console(file=out, width=160, force_terminal=False), explanation)
    return out.getvalue()


def first(home: Home) -> str:
    return str(home.ask("SELECT min_by(publication_id, published_at) FROM publication")[0][0])


def test_a_person_reads_the_figure_its_verdict_and_its_cells(home: Home) -> None:
    text = printed(explained(home, "2.1"))
    for part in (
        "学前三年毛入园率",
        "值：44.8%",
        "= 100 × 90 ÷ 201",
        "判定：未到期    条款 2.1",
        "目标：≥ 90%，期限 2022",
        "更正2020年.csv",
        "L2 在园幼儿数 90",
        "报送 更正2020年.csv",
    ):
        assert part in text
    # 179 of 201 before, 90 after.
    assert "89.1%" in text and "44.8%" in text


def test_who_reads_english_is_told_the_same_in_english(home: Home) -> None:
    text = printed(explained(home, "2.1"), "en")
    for part in (
        "Gross enrolment rate",
        "value: 44.8%",
        "= 100 × 90 ÷ 201",
        "verdict: not due yet    clause 2.1",
        "threshold: ≥ 90%, due 2022",
        "submission 更正2020年.csv",
    ):
        assert part in text
    assert "判定" not in text and "公式" not in text
    assert "verdict" not in printed(explained(home, "2.1"))


def test_what_stands_in_a_file_is_neither_markup_nor_control_character(home: Home) -> None:
    file = publication_file(home.settings.published, first(home))
    explanation = explained(home, "2.6", file=file)
    # What nobody sees was taken out as the file was read; the rest is shown as it stands.
    assert explanation.rows[0].rows[0].institution_name == HOSTILE.replace("\u202e", "")
    assert "[red]甲[/red]园=1+1" in printed(explanation)


def test_versions_are_listed_with_the_time_in_which_they_hold(home: Home) -> None:
    explanation = explained(home, "2.1")
    assert [
        (v.form, v.file_name, str(v.in_force_from), str(v.in_force_until or "-"))
        for v in explanation.versions
    ] == [
        (
            "kindergarten",
            "幼儿园基本情况表2020年.csv",
            "2020-09-15 02:00:00",
            "2020-10-01 00:00:00",
        ),
        ("kindergarten", "更正2020年.csv", "2020-10-01 00:00:00", "-"),
        ("population", "学龄人口表2020年.csv", "2020-09-15 02:00:00", "-"),
    ]
    shown = printed(explanation).partition("各版本")[2].splitlines()
    assert "2020-09-15 02:00" in shown[2] and "2020-10-01 00:00" in shown[2]
    assert "更正2020年.csv" in shown[3] and "在用" in shown[3]
    # The publication before knew one version; the time it was replaced at was still to come.
    past = explained(home, "2.1", file=publication_file(home.settings.published, first(home)))
    assert {v.in_force_until for v in past.versions} == {None}
    assert "各版本" not in printed(past)


def test_a_unit_without_figures_says_why(home: Home) -> None:
    text = printed(explained(home, "2.1", "古塔区"))
    assert "! 没有数据: 缺古塔区的幼儿园基本情况表; 古塔区的学龄人口表" in text
    assert "缺报表：古塔区 2020 幼儿园基本情况表" in text
    city = printed(explained(home, "3.1", CITY))
    assert "不要求报送" in city and "未报齐，未计入" in city


def test_machines_get_the_same_as_json(home: Home) -> None:
    found = json.loads(json_of(explained(home, "2.1")))
    assert (found["numerator"], found["denominator"]) == (90, 201)
    assert found["value"] == pytest.approx(9000 / 201)
    assert found["verdicts"][0]["gap_quantity"] == 91  # 90 % of 201 are 180.9 children
    (children, _) = found["submissions"]
    assert children["received_at"] == "2020-10-01T00:00:00Z"
    assert children["sheets"][0]["ranges"][0]["cells"] == "L2"
    assert found["rows"][0]["rows"][0]["cells"][0] == {
        "column": "children_enrolled",
        "header": "在园幼儿数",
        "cell": "L2",
        "value": "90",
        "unit": None,
    }
    assert found["history"][0]["file_name"] == "更正2020年.csv"


def test_a_publication_is_found_by_its_id_or_how_it_begins(home: Home) -> None:
    published = home.settings.published
    assert publication_file(published, None) == home.publication
    old = publication_file(published, first(home))
    assert explained(home, "2.1", file=old).value == pytest.approx(17900 / 201)
    assert publication_file(published, first(home)[:-1]) == old
    ((latest,),) = home.ask("SELECT max_by(publication_id, published_at) FROM publication")
    assert publication_file(published, latest) == home.publication


def test_a_publication_that_is_not_kept_is_answered_with_those_that_are(
    home: Home, tmp_path: Path
) -> None:
    with pytest.raises(
        CannotExplain, match=f"none of the publications kept:\n(?s:.*){first(home)}"
    ):
        publication_file(home.settings.published, "1999")
    with pytest.raises(CannotExplain, match="begins more than one publications kept"):
        publication_file(home.settings.published, "2")
    with pytest.raises(FileNotFoundError, match="no publication yet; run: jzedu nightly"):
        publication_file(tmp_path, None)
