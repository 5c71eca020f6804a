"""A unit's whole round: an answer with a warning, the reason handed in, the office's word, the answer gone."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import openpyxl
import pytest
from click.testing import CliRunner

from expectations.engine import Engine
from flows import steps
from flows.run import Run
from flows.terminal.cli import cli
from tests.conftest import Home, InDuckDB
from transforms.answers import NUMBER, REASON
from transforms.formats import column_letters
from transforms.forms import FORMS
from transforms.workbooks.findings import ACCEPTED_SHEET, RETURNED_SHEET
from transforms.workbooks.templates import FIRST_ROW, HEADER_ROW
from warehouse.ledger.store import open_warehouse

UNIT, YEAR = "210702", 2020
CODE = "2121000001"
SOFFICE = shutil.which("soffice")


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
        run.engine = cast(Engine, InDuckDB())
        yield run


def night(run: Run) -> list[Path]:
    """Pull, load, check and answer; give what stands in the outbox."""
    steps.pull_inbox(run)
    steps.load_deliveries(run, steps.unread(run), lambda: None)
    steps.check_across(run)
    steps.send_returns(run)
    return sorted(run.settings.outbox.rglob("*.xlsx"))


@contextmanager
def let_go(run: Run) -> Iterator[None]:
    """Have no connection of ``run`` to its warehouse in the block, so that a command can open it."""
    run.connection.close()
    yield
    opened = open_warehouse(run.settings.warehouse, run.reference)
    run.connection = run.opened.enter_context(opened)


def give_reason(answer: Path, reason: str, out: Path) -> None:
    """Write ``reason`` into the one cell of ``answer`` that asks for it, and hand the workbook in."""
    book = openpyxl.load_workbook(answer)
    sheet = book.worksheets[0]
    (header,) = [cell for row in sheet.iter_rows() for cell in row if cell.value == REASON]
    sheet.cell(header.row + 1, header.column).value = reason
    out.parent.mkdir(parents=True, exist_ok=True)
    book.save(out)


def handed_in(answer: Path, cells: Mapping[str, object], form: str, out: Path) -> None:
    """Write ``cells`` into the form's sheet of ``answer``, and hand the workbook in."""
    book = openpyxl.load_workbook(answer)
    for place, value in cells.items():
        book[FORMS[form].zh][place].value = value
    book.save(out)


def in_libreoffice(answer: Path, folder: Path) -> Path:
    """Open ``answer`` in LibreOffice and save it; give the copy, or ``answer`` where there is none."""
    if SOFFICE is None:
        return answer
    folder.mkdir()
    subprocess.run(
        [
            *(SOFFICE, f"-env:UserInstallation=file://{folder}/profile", "--headless"),
            *("--convert-to", "xlsx", "--outdir", str(folder), str(answer)),
        ],
        check=True,
        capture_output=True,
    )
    return folder / answer.name


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

    with let_go(run):
        (open_one,) = decide(home)
        assert (open_one["rule_id"], open_one["reason"]) == ("CLS-W14", "一名学生9月转出")
        assert decide(home, "--refuse", str(open_one["number"])) == []
    assert night(run) == [answer]
    assert "【未被采纳】一名学生9月转出" in told(answer)

    give_reason(answer, "10月并入邻校, 附批文", inbox / "二.xlsx")
    assert night(run) == [answer]
    with let_go(run):
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
    with let_go(run):
        (given,) = decide(home)
        decide(home, "--accept", str(given["number"]))
    assert night(run) == []
    row = {"institution_code": CODE, "institution_name": "一小", "stage": "小学", "grade": 1}
    home.sheet(UNIT, "class", YEAR, [{**row, "students": 39}], received="2020-09-20 00:00:00")
    assert len(night(run)) == 1
    assert [one.why for one in run.lapsed] == ["changed"]
    with let_go(run):
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
    with let_go(run):
        done = CliRunner().invoke(
            cli, ["reasons", "--home", str(home.root), "--accept", "DEADBEEF"]
        )
    assert done.exit_code == 2
    assert "DEADBEEF" in done.output


#: Ten mistakes in the twelve rows of the template: the row, the column and what a clerk writes there.
MISTAKES: tuple[tuple[int, str, object], ...] = (
    (0, "students", "四十来人"),
    (1, "students", None),
    (2, "students", 0),
    (3, "students", 400),
    (4, "students", -40),
    (5, "institution_code", "212100001"),
    (6, "stage", "大学"),
    (7, "grade", 13),
    (8, "class_name", None),
    (9, "students", "40.5"),
)
PUPILS = 40


def marked(answer: Path, form: str) -> set[str]:
    """Return the cells of a form's sheet that have a remark."""
    sheet = openpyxl.load_workbook(answer)[FORMS[form].zh]
    return {cell.coordinate for row in sheet.iter_rows() for cell in row if cell.comment}


def reasons_given(answer: Path, reasons: Mapping[str, str], out: Path) -> None:
    """Write the reason of each rule beside its finding, and hand the workbook in."""
    book = openpyxl.load_workbook(answer)
    rows = list(book.worksheets[0].iter_rows())
    header = next(row for row in rows if {NUMBER, REASON} <= {cell.value for cell in row})
    rule, reason = ([cell.value for cell in header].index(name) for name in ("规则编号", REASON))
    for row in rows[header[0].row :]:
        row[reason].value = reasons[row[rule].value]
    book.save(out)


def test_the_clerks_whole_round(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Template, ten mistakes, check, handed in, answer, corrected, reasons given, accepted, answer gone."""
    monkeypatch.setattr(Run, "warm_up", lambda run: setattr(run, "engine", InDuckDB()))
    classes = [(grade, number) for grade in range(1, 7) for number in (1, 2)]
    yes = (
        *("after_school_service", "supervisor_assigned", "digital_teaching", "cloud_platform"),
        *("mental_health_teacher", "party_organisation"),
    )
    school = {"institution_code": CODE, "institution_name": "一小", "stage": "小学"}
    times = {"township": "石油街道", "arrival_time": "08:00", "class_start_time": "08:10"}
    known = {**dict.fromkeys(yes, True), **times, "founded_year": 1990}
    for year, boarders in ((YEAR - 1, 5), (YEAR, 6)):
        pupils = {"primary_students": PUPILS * len(classes), "boarding": True}
        more = {"boarders": boarders, "boarding_standard": True, "conditions_standard": True}
        home.sheet(UNIT, "school", year, [{**school, **known, **pupils, **more}])
    last_year = [
        {**school, "grade": grade, "class_name": f"{number}班", "students": PUPILS}
        for grade, number in classes
    ]
    home.sheet(UNIT, "class", YEAR - 1, last_year)
    ask = ["--home", str(home.root)]
    inbox = home.settings.inbox / UNIT
    with Run.open(home.settings) as run:
        run.engine = cast(Engine, InDuckDB())
        assert night(run) == []

        with let_go(run):
            template = ["template", *ask, "--unit", "古塔区", "--year", str(YEAR)]
            done = CliRunner().invoke(
                cli, [*template, "--forms", "class", "--out", str(tmp_path / "template")]
            )
            assert done.exit_code == 0, done.output
        (blank,) = (tmp_path / "template").glob("*.xlsx")
        sheet = openpyxl.load_workbook(blank).worksheets[0]
        headers = [cell.value for cell in sheet[HEADER_ROW]]
        at = {
            column.name: column_letters(headers.index(column.titled))
            for column in FORMS["class"].columns
        }
        right = {f"{at['students']}{FIRST_ROW + row}": PUPILS for row in range(len(classes))}
        wrong = {f"{at[name]}{FIRST_ROW + row}": value for row, name, value in MISTAKES}
        was = {place: right.get(place, sheet[place].value) for place in wrong}
        # A column of the clerk's own, which reading warns of.
        own = {f"{column_letters(len(headers))}{HEADER_ROW}": "校车数"}
        form = tmp_path / "班级学生数表.xlsx"
        handed_in(blank, {**right, **own, **wrong}, "class", form)

        with let_go(run):
            command = ["check", *ask, str(form), "--unit", "古塔区", "--json"]
            done = CliRunner().invoke(cli, [*command, "--out", str(tmp_path / "checked")])
        assert done.exit_code == 1, done.output
        (checked,) = json.loads(done.output)
        assert {one["cell"] for one in checked["findings"] if one["severity"] == "error"} == set(
            wrong
        )

        shutil.copy(form, inbox / form.name)
        (returned,) = night(run)
        assert returned.name == "班级学生数表.xlsx.退回.xlsx"
        assert openpyxl.load_workbook(returned).sheetnames[0] == RETURNED_SHEET
        assert set(wrong) <= marked(returned, "class")

        # Nine are put right in the returned workbook itself; the tenth is overlooked.
        left = next(iter(wrong))
        mended = {place: value for place, value in was.items() if place != left}
        handed_in(in_libreoffice(returned, tmp_path / "one"), mended, "class", inbox / "改.xlsx")
        (returned,) = night(run)
        book = openpyxl.load_workbook(returned)
        assert (book.sheetnames[0], ACCEPTED_SHEET in book.sheetnames) == (RETURNED_SHEET, False)
        assert sum(name.startswith(RETURNED_SHEET) for name in book.sheetnames) == 1
        assert marked(returned, "class") == {left, *own}
        colours = {place: book[FORMS["class"].zh][place].fill.fgColor.rgb for place in wrong}
        assert {place for place, colour in colours.items() if colour == "FFFFC7CE"} == {left}
        assert "【错误】" in book[FORMS["class"].zh][left].comment.text

        # Put right as well; one class has a pupil less than the school form says.
        rest = {left: PUPILS - 1}
        handed_in(in_libreoffice(returned, tmp_path / "two"), rest, "class", inbox / "再改.xlsx")
        (warned,) = night(run)
        assert warned.name == "再改.xlsx.已接收-有提示.xlsx"
        assert openpyxl.load_workbook(warned).sheetnames[:2] == [ACCEPTED_SHEET, FORMS["class"].zh]

        why = {"CLS-W14": "一名学生9月转出", "CLS-W01": "本单位自用"}
        reasons_given(in_libreoffice(warned, tmp_path / "three"), why, inbox / "回复.xlsx")
        assert "【已收到, 待审核】本单位自用" in told(*night(run))
        with let_go(run):
            listed = decide(home)
            assert {one["rule_id"]: one["reason"] for one in listed} == why
            numbers = [word for one in listed for word in ("--accept", str(one["number"]))]
            decide(home, *numbers, "--who", "市教育局统计科")
        assert night(run) == []
        assert run.connection.execute(
            "SELECT count(*) FROM noted SEMI JOIN in_force USING (submission_id)"
            " WHERE explained IS NULL"
        ).fetchone() == (0,)


def test_a_reason_for_what_reading_warns_of_counts_once_the_form_is_right(
    home: Home, run: Run
) -> None:
    row = {"age": 3, "population": "五百人左右"}
    book = home.book(UNIT, {YEAR: {"population": [row]}}, name="人口2020年.xlsx")
    sheet = openpyxl.load_workbook(book)
    sheet.worksheets[0]["D1"].value = "备查数"
    sheet.save(book)
    (returned,) = [answer for answer in night(run) if answer.name.endswith(".退回.xlsx")]
    answer = openpyxl.load_workbook(returned)
    (wrong,) = [
        c for line in answer["学龄人口表"].iter_rows() for c in line if c.value == row["population"]
    ]
    wrong.value = 500
    answer.save(returned)
    reasons = {"POP-W01": "本单位自用", "POP-E03": ""}
    reasons_given(returned, reasons, home.settings.inbox / UNIT / "更正.xlsx")
    night(run)
    with let_go(run):
        (given,) = decide(home)
        assert (given["rule_id"], given["reason"]) == ("POP-W01", "本单位自用")
