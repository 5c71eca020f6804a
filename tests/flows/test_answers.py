"""A unit's whole round: an answer with a warning, the reason handed in, the office's word, the answer gone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import duckdb
import openpyxl
import pytest
from click.testing import CliRunner

from expectations.engine import Broken, Engine, Expectation
from flows import steps
from flows.run import Run
from flows.terminal.cli import cli
from tests.conftest import Home
from transforms.answers import REASON

UNIT, YEAR = "210702", 2020
CODE = "2121000001"


class PlainSuites:
    """The suite of the warnings in plain DuckDB; that Great Expectations gives the same is tested with the rules."""

    def run(
        self,
        database: Path,
        table: str,
        suites: Mapping[str, Sequence[Expectation]],
        attaching: Sequence[str] = (),
    ) -> dict[str, Broken]:
        """Return the unexpected rows of every expectation."""
        found: dict[str, Broken] = {}
        with duckdb.connect(str(database), read_only=True) as connection:
            for suite, expectations in suites.items():
                found[suite] = {}
                for expectation in expectations:
                    cursor = connection.execute(expectation.query)
                    names = [column[0] for column in cursor.description or ()]
                    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
                    found[suite][expectation.name] = rows
        return found

    def close(self) -> None:
        """Nothing was started."""


@pytest.fixture
def run(home: Home) -> Iterator[Run]:
    """A unit whose class form lacks a pupil."""
    answers = dict.fromkeys(
        (
            *("after_school_service", "supervisor_assigned", "digital_teaching", "cloud_platform"),
            *("mental_health_teacher", "party_organisation"),
        ),
        True,
    )
    school = {
        **answers,
        **{"institution_code": CODE, "institution_name": "一小", "township": "石油街道"},
        **{"stage": "小学", "primary_students": 41, "founded_year": 1990},
        **{"arrival_time": "08:00", "class_start_time": "08:10"},
    }
    home.sheet(UNIT, "school", YEAR, [school])
    row = {"institution_code": CODE, "stage": "小学", "grade": 1, "students": 40}
    home.sheet(UNIT, "class", YEAR, [{**row, "institution_name": "一小"}])
    with Run.open(home.settings) as run:
        run.engine = cast(Engine, PlainSuites())
        yield run


def night(run: Run) -> list[Path]:
    """Pull, load, check and answer; give what stands in the outbox."""
    steps.pull_inbox(run)
    steps.load_deliveries(run, steps.unread(run), lambda: None)
    steps.check_across(run)
    steps.send_returns(run)
    return sorted(run.settings.outbox.rglob("*.xlsx"))


def give_reason(answer: Path, reason: str, out: Path) -> None:
    """Write ``reason`` into the one cell of ``answer`` that asks for it, and hand the workbook in."""
    book = openpyxl.load_workbook(answer)
    sheet = book.worksheets[0]
    (header,) = [cell for row in sheet.iter_rows() for cell in row if cell.value == REASON]
    sheet.cell(header.row + 1, header.column).value = reason
    out.parent.mkdir(parents=True, exist_ok=True)
    book.save(out)


def told(answer: Path) -> str:
    book = openpyxl.load_workbook(answer)
    return "\n".join(str(c.value) for row in book.worksheets[0].iter_rows() for c in row if c.value)


def decide(home: Home, *words: str) -> Sequence[dict[str, object]]:
    """Run ``jzedu reasons``; give what it lists."""
    done = CliRunner().invoke(cli, ["reasons", "--home", str(home.root), "--json", *words])
    assert done.exit_code == 0, done.output
    listed: list[dict[str, object]] = json.loads(done.output)
    return listed


def test_a_reason_comes_back_is_refused_given_again_and_accepted(home: Home, run: Run) -> None:
    (answer,) = night(run)
    assert answer.name == "班级学生数表2020年.csv.已接收-有提示.xlsx"
    above = told(answer)
    for words in ("古塔区 2020年班级学生数表 审核反馈", "咨询: ", "期限: ", "写明原因", "一小"):
        assert words in above
    inbox = home.settings.inbox / UNIT / "回复"

    give_reason(answer, "一名学生9月转出", inbox / "一.xlsx")
    assert night(run) == [answer]
    assert "【已收到, 待审核】一名学生9月转出" in told(answer)
    # The workbook that brought the reason is no form and is not returned.
    assert run.connection.execute("SELECT count(*) FROM submission").fetchone() == (2,)

    with run.closed():
        (open_one,) = decide(home)
        assert (open_one["rule_id"], open_one["reason"]) == ("CLS-W14", "一名学生9月转出")
        assert decide(home, "--refuse", str(open_one["number"])) == []
    assert night(run) == [answer]
    assert "【未被采纳】一名学生9月转出" in told(answer)

    give_reason(answer, "10月并入邻校, 附批文", inbox / "二.xlsx")
    assert night(run) == [answer]
    with run.closed():
        (again,) = decide(home)
        assert (again["reason"], again["refused"]) == ("10月并入邻校, 附批文", False)
        decide(home, "--accept", str(again["number"]).lower(), "--who", "市教育局统计科")
    assert night(run) == []
    assert run.connection.execute("SELECT explained FROM warning").fetchall() == [
        ("10月并入邻校, 附批文 (市教育局统计科)",)
    ]


def test_an_accepted_reason_lapses_with_its_figure(home: Home, run: Run) -> None:
    (answer,) = night(run)
    give_reason(answer, "一名学生9月转出", home.settings.inbox / UNIT / "回复.xlsx")
    night(run)
    with run.closed():
        (given,) = decide(home)
        decide(home, "--accept", str(given["number"]))
    assert night(run) == []
    row = {"institution_code": CODE, "institution_name": "一小", "stage": "小学", "grade": 1}
    home.sheet(UNIT, "class", YEAR, [{**row, "students": 39}], received="2020-09-20 00:00:00")
    assert len(night(run)) == 1
    assert [one.why for one in run.lapsed] == ["changed"]
    with run.closed():
        assert decide(home) == []


def test_a_correction_inside_the_returned_workbook_is_accepted_and_the_answer_goes(
    home: Home, run: Run
) -> None:
    rows = [{"age": 3, "population": "五百人左右"}, {"age": 4, "population": 510}]
    home.book(UNIT, {YEAR: {"population": rows}}, name="人口2020年.xlsx")
    (returned,) = [answer for answer in night(run) if answer.name.endswith(".退回.xlsx")]
    assert returned.name == "人口2020年.xlsx.退回.xlsx"
    assert "此前没有已接收的版本" in told(returned)
    book = openpyxl.load_workbook(returned)
    sheet = book["学龄人口表"]
    (wrong,) = [cell for row in sheet.iter_rows() for cell in row if cell.value == "五百人左右"]
    assert wrong.comment is not None
    wrong.value = 500
    book.save(home.settings.inbox / UNIT / returned.name)
    left = night(run)
    assert [answer.name for answer in left] == ["班级学生数表2020年.csv.已接收-有提示.xlsx"]
    assert run.connection.execute(
        "SELECT age, population FROM standing.population ORDER BY age"
    ).fetchall() == [(3, 500), (4, 510)]
    assert run.connection.execute(
        "SELECT count(*) FROM finding WHERE rule_id LIKE 'FIL%'"
    ).fetchone() == (0,)


def test_a_number_that_nobody_gave_a_reason_for_is_told(home: Home, run: Run) -> None:
    night(run)
    with run.closed():
        done = CliRunner().invoke(
            cli, ["reasons", "--home", str(home.root), "--accept", "DEADBEEF"]
        )
    assert done.exit_code == 2
    assert "DEADBEEF" in done.output
