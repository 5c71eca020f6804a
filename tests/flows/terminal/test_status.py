"""`jzedu status` and the scorecard in the terminal: which years there are, and what is made up."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import datetime

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from flows.terminal.cli import cli
from flows.terminal.findings import show_findings
from flows.terminal.scorecard import show_scorecard
from flows.terminal.status import show_status
from tests.conftest import AsCsv, Home
from transforms.forms import FORMS
from transforms.made_up import MADE_UP_LINE

AGES: list[dict[str, object]] = [{"age": 3, "population": 100}]


def status(home: Home, *arguments: str) -> Result:
    """Run `jzedu status` over a home."""
    return CliRunner().invoke(cli, ["status", "--home", str(home.root), *arguments])


@pytest.fixture
def small(home: Home) -> Home:
    """One unit that hands in one form: half of what the list expects of it counts for a year."""
    home.regions([("990000", "city", "", "市"), ("990001", "reporting_unit", "990000", "县")])
    every = {
        "population": AGES,
        "salary": [{}],
        "special_group": [{}],
        "milestone": [{"status": "未启动"}],
        "safety": [{}],
        "teacher": [{}],
    }
    home.book("990001", {2020: every})
    return home


def test_a_year_that_is_not_there_is_answered_with_those_that_are(small: Home) -> None:
    small.night()
    for arguments in (["--year", "1999"], ["--year", "1999", "--json"]):
        outcome = status(small, *arguments)
        assert outcome.exit_code == 2
        assert "nothing has come for 1999" in outcome.output
        assert "2018, 2019, 2020" in outcome.output
    assert status(small, "--year", "2019").exit_code == 0


def test_json_of_one_year_is_of_that_year(small: Home) -> None:
    small.night()
    told = json.loads(status(small, "--year", "2020", "--json").output)
    assert {row["year"] for row in told["reporting"]} == {2020}
    assert told["sample"] is False


def test_what_cannot_be_handed_in_yet_is_not_missing(small: Home) -> None:
    small.night()
    out = io.StringIO()
    for now, state in ((datetime(2020, 8, 31), "not_open"), (datetime(2020, 9, 1), "missing")):
        told = io.StringIO()
        show_status(Console(file=told), small.publication, 2020, True, now)
        states = {row["form"]: row["state"] for row in json.loads(told.getvalue())["reporting"]}
        assert (states["school"], states["population"]) == (state, "accepted")
    show_status(Console(file=out, width=140), small.publication, 2020, False, datetime(2020, 8, 31))
    assert f"2020: {FORMS['school'].en} opens on 2020-09-01" in out.getvalue()
    assert "not handed in" not in out.getvalue()


def test_a_returned_form_of_a_new_year_is_seen(small: Home) -> None:
    small.deliver("990001/学龄人口表2021年.csv", "年龄,常住人口数\n3,不详\n".encode())
    small.night()
    told = json.loads(status(small, "--json").output)["reporting"]
    states = {row["form"]: row["state"] for row in told if row["year"] == 2021}
    assert states["population"] == "returned"
    assert states["class"] == "missing"
    people = status(small).output
    assert "2021: 0 of 11 forms are in force" in people
    assert "the year in focus stays 2020" in people
    assert "1 returned" in people
    assert "2020: not handed in" in people
    assert status(small, "--year", "2021").exit_code == 0


def test_it_speaks_chinese_to_who_asks_and_where_the_locale_does(
    small: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.deliver("990001/学龄人口表2021年.csv", "年龄,常住人口数\n3,不详\n".encode())
    small.night()
    asked = status(small, "--lang", "zh").output
    assert "2021 年：应报 11 份，生效 0 份，不到一半；仍以 2020 年为主。" in asked
    assert "已退回 1 份" in asked
    assert "2020 年未报" in asked
    assert "最近一次发布" in asked and "Last publication" not in asked
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert status(small).output == asked
    assert "the year in focus stays 2020" in status(small, "--lang", "en").output


def test_only_returned_forms_are_seen_too(home: Home) -> None:
    home.deliver("义县/学龄人口表2021年.csv", "年龄,常住人口数\n3,不详\n".encode())
    home.night()
    told = json.loads(status(home, "--json").output)["reporting"]
    assert [(row["form"], row["year"], row["state"]) for row in told] == [
        ("population", 2021, "returned")
    ]
    assert status(home).exit_code == 0


def test_the_terminal_says_what_is_made_up(small: Home, as_csv: AsCsv) -> None:
    small.night()
    assert "made-up" not in status(small).output + scorecard(small)
    made_up = f"{MADE_UP_LINE}\n".encode() + as_csv("special_group", [{}])
    small.deliver("990001/特殊群体2020年.csv", made_up, "2020-09-16 02:00:00")
    small.night()
    assert "made-up data" in status(small).output
    assert "虚构样例数据" in status(small, "--lang", "zh").output
    assert "made-up data" in scorecard(small)
    assert json.loads(status(small, "--json").output)["sample"] is True


def scorecard(home: Home) -> str:
    out = io.StringIO()
    show_scorecard(Console(file=out, width=140), home.publication)
    return out.getvalue()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set the time (UTC) by which nights publish."""
    return lambda now: monkeypatch.setattr("flows.steps._now", lambda: now)


def test_what_is_missing_says_how_late_it_is(small: Home) -> None:
    small.night()
    # One day before population and the others of autumn were due; finance is not open then, and due in spring.
    told = {}
    for now in (datetime(2020, 10, 30, 15), datetime(2021, 1, 9, 15)):
        out = io.StringIO()
        show_status(Console(file=out, width=300), small.publication, 2020, False, now)
        lines = out.getvalue().splitlines()
        (told[now.year],) = [line for line in lines if line.strip().startswith("区990001:")]
    assert "1 days left" in told[2020] and FORMS["finance"].en not in told[2020]
    assert told[2021].index("70 days late") < told[2021].index(
        f"{FORMS['finance'].en} (81 days left)"
    )
    reporting = json.loads(status(small, "--year", "2020", "--json").output)["reporting"]
    days = {row["form"]: row["days_left"] for row in reporting}
    assert days["population"] is None and days["class"] < -365


def test_findings_are_followed_until_they_are_answered(
    home: Home, clock: Callable[[datetime], None]
) -> None:
    home.regions(
        [
            ("990000", "city", "", "市"),
            *((u, "reporting_unit", "990000", "县") for u in ("990001", "990002")),
        ]
    )
    for unit in ("990001", "990002"):
        home.sheet(unit, "salary", 2020, [{}])
        home.deliver(f"{unit}/2020年坏.csv", "年龄,常住人口数\n3,不详\n".encode())
    clock(datetime(2021, 1, 1))
    home.night()
    (home.settings.inbox / "990002" / "2020年坏.csv").unlink()
    home.sheet("990002", "population", 2020, AGES, received="2021-01-09 00:00:00")
    clock(datetime(2021, 1, 11))
    home.night()
    out = io.StringIO()
    show_findings(
        Console(file=out, width=200), home.publication, 30, datetime(2021, 2, 20), as_json=True
    )
    told = json.loads(out.getvalue())
    assert {one["region_name"] for one in told["open"]} == {"区990001"}
    assert {one["days"] for one in told["open"]} == {50}
    units = {one["region_name"]: one for one in told["units"]}
    assert list(units) == ["区990002", "区990001"]
    assert units["区990002"]["median_days"] == 10 and units["区990001"]["answered"] == 0
    assert [one["open"] for one in told["publications"]] == [
        units["区990001"]["open"] * 2,
        units["区990001"]["open"],
    ]
    # The first publication opens all of them; what was answered is closed by the second.
    assert [(one["opened"], one["closed"]) for one in told["publications"]] == [
        (units["区990001"]["open"] * 2, 0),
        (0, units["区990001"]["open"]),
    ]
    assert {one["for_office"] for one in told["open"]} == {0}
    assert {one["since"] for one in told["open"]} == {"2021-01-01T00:00:00Z"}
    out = io.StringIO()
    show_findings(Console(file=out, width=200), home.publication, 60, datetime(2021, 2, 20))
    assert out.getvalue().startswith("0 findings open for more than 60 days")
    assert "jzedu status --findings" in status(home).output
    assert "10.0" in status(home, "--findings", "--open-for", "0").output
    assert status(home, "--open-for", "3").exit_code == 2
