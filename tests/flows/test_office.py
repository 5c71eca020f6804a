"""The office's decisions, from a file in the archive to the publication: approval, return, sign-off, release.

The population form stands for all: its figure for age 3 tells versions apart.
"""

from __future__ import annotations

import json
import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from openpyxl import load_workbook

from flows.after.reminders import Reminder, note_sent, reminders, unsent
from flows.run import StepFailed, definitions_of
from flows.settings import RemindSettings
from flows.terminal.cli import cli
from flows.terminal.lineage import published_by
from flows.terminal.office import DecisionRefused, declare_final, reopen, rule
from tests.conftest import Home, csv_bytes
from transforms.forms import FORMS
from transforms.tables.signatures import SIGNATURES, signatures_in
from warehouse.archive import ArchiveDamaged
from warehouse.decisions import Decisions
from warehouse.lineage.figure import CannotExplain
from warehouse.publication.official import faults_of
from warehouse.reference import load_reference

UNIT = "210702"
FIRST, SECOND, THIRD = (f"2020-09-0{day} 00:00:00" for day in (1, 2, 3))


def hand_in(home: Home, number: int, received: str, unit: str = UNIT, year: int = 2020) -> None:
    """Hand in ``number`` residents of age 3."""
    name = f"{year}年{number}.csv"
    rows = [{"age": 3, "population": number}]
    home.sheet(unit, "population", year, rows, received=received, name=name)


def decide(home: Home, *, approved: bool = True, reason: str | None = None, **of: Any) -> str:
    what = {"unit": UNIT, "form": "population", "year": 2020, **of}
    return rule(
        home.settings,
        load_reference(home.root),
        what["unit"],
        FORMS[what["form"]],
        what["year"],
        approved=approved,
        reason=reason,
        decided_as="规划科",
    )


def send_back(home: Home, reason: str = "与户籍数不符") -> str:
    return decide(home, approved=False, reason=reason)


def versions(home: Home) -> list[tuple[str, str, bool]]:
    """File, status and approval of every version, the earliest first."""
    return home.ask("SELECT file_name, status, approved FROM submission ORDER BY received_at")


def counted(home: Home) -> int | None:
    """The residents of age 3 that the published figures rest on."""
    ((found,),) = home.ask(
        "SELECT denominator FROM indicator_value WHERE indicator_id = 'preschool_gross_enrolment_rate'"
        f" AND region_code = '{UNIT}' AND year = 2020"
    )
    return None if found is None else int(found)


def with_kindergarten(home: Home) -> Home:
    """``home``, where one kindergarten makes the residents of age 3 a denominator."""
    home.sheet(UNIT, "kindergarten", 2020, [{"children_enrolled": 9}], received=FIRST)
    return home


def test_an_approval_holds_for_these_bytes_and_lapses_with_a_new_version(home: Home) -> None:
    hand_in(home, 100, FIRST)
    home.night()
    assert "approved" in decide(home)
    assert "already" in decide(home)
    home.night()
    assert versions(home) == [("2020年100.csv", "accepted", True)]
    ((region, form, year, decision, reason, role),) = home.ask(
        "SELECT region_code, form, year, decision, reason, decided_as FROM approval"
    )
    assert (region, form, year) == (UNIT, "population", 2020)
    assert (decision, reason, role) == ("approved", None, "规划科")
    hand_in(home, 110, SECOND)
    home.night()
    assert versions(home) == [
        ("2020年100.csv", "superseded", True),
        ("2020年110.csv", "accepted", False),
    ]


def test_what_a_person_returns_goes_back_with_the_reason_and_the_version_before_holds(
    home: Home,
) -> None:
    with_kindergarten(home)
    hand_in(home, 100, FIRST)
    hand_in(home, 110, SECOND)
    home.night()
    assert counted(home) == 110
    send_back(home)
    home.night()
    assert [status for _, status, _ in versions(home) if status != "accepted"] == ["returned"]
    assert counted(home) == 100
    assert home.ask(
        "SELECT rule_id, severity, message_zh FROM finding WHERE severity = 'error'"
    ) == [
        (
            "FIL-E08",
            "error",
            "规划科审核后退回: 与户籍数不符。请按上述意见更正后重新报送; 有疑问请联系审核的部门。",
        )
    ]
    assert [path.name for path in (home.settings.outbox / UNIT).iterdir()] == [
        "2020年110.csv.退回.xlsx"
    ]
    # The correction is in force, and the answer to the file before is gone.
    hand_in(home, 120, THIRD)
    home.night()
    assert counted(home) == 120
    assert not list(home.settings.outbox.rglob("*.退回.xlsx"))


def test_the_only_version_returned_leaves_the_form_missing(home: Home) -> None:
    hand_in(home, 100, FIRST)
    hand_in(home, 50, FIRST, unit="210703")
    home.night()
    send_back(home)
    home.night()
    assert home.ask(
        f"SELECT received, accepted, on_time FROM reporting WHERE region_code = '{UNIT}'"
        " AND form = 'population' AND year = 2020"
    ) == [(1, 0, 0)]
    with pytest.raises(DecisionRefused, match="no accepted"):
        send_back(home)


def test_decisions_survive_the_loss_of_everything_but_the_archive(home: Home) -> None:
    with_kindergarten(home)
    hand_in(home, 100, FIRST)
    hand_in(home, 110, SECOND)
    home.night()
    send_back(home)
    home.night()
    before = home.rows()
    home.settings.warehouse.unlink()
    shutil.rmtree(home.settings.published)
    home.night()
    assert home.rows() == before


def test_only_what_is_approved_counts_where_the_settings_say_so(home: Home) -> None:
    with_kindergarten(home)
    hand_in(home, 100, FIRST)
    home.settings = home.settings.model_copy(update={"approved_only": True})
    home.night()
    assert {status for _, status, _ in versions(home)} == {"superseded"}
    decide(home, form="kindergarten")
    decide(home)
    hand_in(home, 110, SECOND)
    home.night()
    assert counted(home) == 100
    assert ("2020年110.csv", "superseded", False) in versions(home)
    decide(home)
    home.night()
    assert counted(home) == 110


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        ([("填表人：张三", "审核人：李四", "负责人：王五", "填报日期：2020年9月30日")], set()),
        ([("填表人：张三  审核人：李四  单位负责人：王五  2020年9月30日",)], set()),
        (
            [
                ("填表人", "张三", "审核人", "李四"),
                ("单位负责人：", None, "王五", "日期", "2020-09-30 00:00:00"),
            ],
            set(),
        ),
        ([("填表人：", "", "审核人：", "负责人：", "填报日期：  年 月 日")], SIGNATURES),
        ([("填表人（签字）：____ 审核人（签字）：李四",)], SIGNATURES - {"checked"}),
        ([("单位：义县教育局", "2020年"), ("审核评估机制改革", "进行中")], SIGNATURES),
    ],
)
def test_signatures_are_recognised_and_blanks_are_none(
    lines: list[tuple[str | None, ...]], missing: set[str]
) -> None:
    assert SIGNATURES - signatures_in(lines) == missing


def test_whether_it_is_signed_is_kept_and_no_name_anywhere(home: Home) -> None:
    table = csv_bytes("population", [{"age": 3, "population": 100}]).decode()
    foot = "填表人：欧阳锋芒,审核人：司徒雷,负责人：上官云,填报日期：2020年9月30日"
    home.deliver(f"{UNIT}/2020年签.csv", f"{table}\r\n{foot}".encode(), FIRST)
    hand_in(home, 50, FIRST, unit="210703")
    home.settings = home.settings.model_copy(update={"sign_off": True})
    home.night()
    assert home.ask("SELECT file_name, signed, rows_loaded FROM submission ORDER BY 1") == [
        ("2020年50.csv", False, 1),
        ("2020年签.csv", True, 1),
    ]
    assert home.ask("SELECT region_code FROM finding WHERE rule_id = 'FIL-W04'") == [("210703",)]
    everything = json.dumps(home.rows(), default=str, ensure_ascii=False)
    assert "欧阳" not in everything and "司徒" not in everything


def released(home: Home, name: str = "2020-final", *, anyway: bool = False) -> str:
    said = declare_final(home.settings, name, [2020], anyway=anyway, decided_as="教育局")
    home.night()
    return said


def states(home: Home) -> list[tuple[str, str | None]]:
    """The states that 2020 was in, one after the other."""
    return home.ask(
        "SELECT state, release FROM year_state WHERE year = 2020 ORDER BY decided_at NULLS FIRST"
    )


def test_a_year_that_is_final_stays_as_it_is_until_it_is_opened_again(home: Home) -> None:
    with_kindergarten(home)
    hand_in(home, 100, FIRST)
    home.night()
    assert states(home) == [("preliminary", None)]
    assert "2 submissions" in released(home)
    assert states(home) == [("preliminary", None), ("final", "2020-final")]
    assert home.ask("SELECT state FROM publication ORDER BY publication_id DESC LIMIT 1") == [
        ("final",)
    ]
    folder = home.root / "releases" / "2020-final"
    assert (folder / "indicators.duckdb").read_bytes() == home.publication.read_bytes()
    # What comes later is kept, told to the unit, and not in force.
    hand_in(home, 110, SECOND)
    home.night()
    assert counted(home) == 100
    assert home.ask("SELECT rule_id FROM finding WHERE rule_id LIKE 'FIL-%'") == [("FIL-W03",)]
    assert list(home.settings.outbox.rglob("2020年110.csv.已接收-有提示.xlsx"))
    reopen(home.settings, "2020-final", [2020], reason="漏报一所小学", decided_as="教育局")
    home.night()
    assert counted(home) == 110
    assert states(home)[-1] == ("revised", "2020-final")
    assert home.ask("SELECT reason FROM year_state WHERE reason IS NOT NULL") == [("漏报一所小学",)]
    released(home, "2020-revised")
    assert states(home)[-1] == ("revised", "2020-revised")
    # The first release is what it was.
    assert faults_of(home.root, Decisions(home.settings.archive).all()) == []
    assert {path.name for path in folder.parent.iterdir()} == {"2020-final", "2020-revised"}
    # And every figure is known as it was published then.
    assert home.ask(
        "SELECT state, value FROM vintage WHERE indicator_id = 'preschool_gross_enrolment_rate'"
        f" AND clause_id = '2.1' AND region_code = '{UNIT}' AND year = 2020 ORDER BY publication_id"
    ) == [("preliminary", 9.0), ("final", 9.0), ("revised", pytest.approx(900 / 110))]


def test_a_release_that_was_changed_is_told(home: Home) -> None:
    hand_in(home, 100, FIRST)
    home.night()
    released(home)
    file = home.root / "releases" / "2020-final" / "parquet" / "region.parquet"
    file.chmod(0o600)
    file.write_bytes(b"another")
    (fault,) = faults_of(home.root, Decisions(home.settings.archive).all())
    assert "region.parquet" in fault.zh and "region.parquet" in fault.en


def test_a_decision_changed_by_hand_stops_the_run_and_is_named(home: Home) -> None:
    hand_in(home, 100, FIRST)
    home.night()
    decide(home)
    (file,) = (home.settings.archive_folder / "decisions").iterdir()
    file.write_text(file.read_text("utf-8").replace("approved", "returned"), "utf-8")
    with pytest.raises(StepFailed, match=file.name):
        home.night()
    with pytest.raises(ArchiveDamaged, match="restore it"):
        decide(home)


def test_what_cannot_be_decided_is_refused_with_the_way_out(home: Home) -> None:
    with pytest.raises(DecisionRefused, match="no accepted"):
        decide(home)
    with pytest.raises(DecisionRefused, match="nightly"):
        declare_final(home.settings, "a", [2020], anyway=False, decided_as="教育局")
    hand_in(home, 100, FIRST)
    home.deliver("210703/2020年人口.csv", "年龄,人口数\n3,五\n".encode(), FIRST)
    home.night()
    for name, years, words in (
        ("../a", [2020], "no name"),
        ("a", [2031], "nothing is in force for 2031"),
        ("a", [2020], "--anyway"),
    ):
        with pytest.raises(DecisionRefused, match=words):
            declare_final(home.settings, name, years, anyway=False, decided_as="教育局")
    decide(home)
    with pytest.raises(DecisionRefused, match="since the last publication"):
        declare_final(home.settings, "a", [2020], anyway=True, decided_as="教育局")
    home.night()
    assert "without 1" in released(home, "a", anyway=True)
    for name, words in (("a", "already"), ("b", "final already")):
        with pytest.raises(DecisionRefused, match=words):
            declare_final(home.settings, name, [2020], anyway=True, decided_as="教育局")
    with pytest.raises(DecisionRefused, match="--reopen"):
        send_back(home)
    with pytest.raises(DecisionRefused, match="not closed by b"):
        reopen(home.settings, "b", [2020], reason="x", decided_as="教育局")


def test_figures_are_given_as_they_stood_at_the_end_of_a_day(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day, number in ((1, 100), (3, 110)):
        monkeypatch.setattr("flows.steps._now", lambda day=day: datetime(2021, 5, day, 20))
        hand_in(home, number, f"2020-09-0{day} 00:00:00")
        home.night()
    first, second = (
        row[0] for row in home.ask("SELECT publication_id FROM publication ORDER BY 1")
    )
    # Eight in the evening (UTC) is the next day in China.
    assert published_by(home.settings.published, date(2021, 5, 2)) == first
    assert published_by(home.settings.published, date(2021, 5, 3)) == first
    assert published_by(home.settings.published, date(2021, 5, 4)) == second
    with pytest.raises(CannotExplain, match="by 2021-05-01"):
        published_by(home.settings.published, date(2021, 5, 1))


def classes(home: Home, day: int, **students: int) -> None:
    """Hand in classes of one school by name, as a workbook."""
    rows = [
        {
            "institution_code": "2121000001",
            "institution_name": "一小",
            "stage": "小学",
            "grade": 3,
            "class_name": name,
            "students": n,
        }
        for name, n in students.items()
    ]
    received = f"2020-09-0{day} 00:00:00"
    home.book(UNIT, {2020: {"class": rows}}, received=received, name=f"班级{day}.xlsx")


def test_what_changed_since_an_approval_is_listed_and_marked(home: Home, tmp_path: Path) -> None:
    def changes(*arguments: str) -> Result:
        words = ["changes", "--home", str(home.root), UNIT, "class", "2020", *arguments]
        return CliRunner().invoke(cli, words)

    classes(home, 1, 甲班=40, 乙班=41, 丙班=42)
    refused = changes()
    assert refused.exit_code == 1 and "jzedu nightly" in refused.output
    home.night()
    assert "one version only" in changes().output
    decide(home, form="class")
    assert "is the approved one" in changes().output
    classes(home, 2, 乙班=44, 丙班=42, 丁班=30)
    home.night()
    told = json.loads(changes("--json").output)
    assert told["approved"] is True
    found = [
        (one["kind"], one["key"].split()[-1], one["before"], one["now"], one["cell"])
        for one in told["differences"]
    ]
    letter = next(c for c in found if c[0] == "changed")[4][0]
    assert found == [
        ("changed", "乙班", "41", "44", f"{letter}2"),
        ("added", "丁班", None, None, None),
        ("removed", "甲班", None, None, None),
    ]
    outcome = changes("--out", str(tmp_path))
    assert outcome.exit_code == 0, outcome.output
    assert "班级2.xlsx" in outcome.output and "3 differences" in outcome.output
    book = load_workbook(tmp_path / "班级2.xlsx.改动.xlsx")
    cells = [cell for sheet in book.worksheets[1:] for row in sheet for cell in row if cell.comment]
    assert [(cell.coordinate, str(cell.value)) for cell in cells] == [(f"{letter}2", "44")]
    assert "原为41, 现为44" in cells[0].comment.text
    lines = [str(row[0].value) for row in book.worksheets[0].iter_rows(max_row=6)]
    assert any("已批准的版本" in line and "共3处不同" in line for line in lines)
    assert not any("结果" in line for line in lines)


def reminded(home: Home, today: date) -> dict[str, Reminder]:
    found = reminders(home.settings, load_reference(home.root), today)
    return {one.region_code: one for one in found}


def test_each_unit_is_reminded_of_what_it_lacks_and_never_twice_of_the_same(home: Home) -> None:
    hand_in(home, 100, FIRST)
    home.deliver("210703/2020年人口.csv", "年龄,人口数\n3,五\n".encode(), FIRST)
    home.night()
    early, soon, late = date(2020, 9, 30), date(2020, 10, 20), date(2020, 11, 2)
    # Nothing of 2020 is due within a fortnight of 30 September; finance and salary of 2019 are late.
    assert {one.form for one in reminded(home, early)[UNIT].missing if one.year == 2020} == set()
    before = reminded(home, soon)
    lacking = {(one.form, one.stage) for one in before[UNIT].missing if one.year == 2020}
    assert ("population", "due") not in lacking and ("school", "due") in lacking
    assert ("finance", "due") not in lacking
    (back,) = [one for one in before["210703"].missing if one.returned]
    assert (back.form, back.days) == ("population", 11)
    assert "已退回" in back.line and "还有11天" in back.line
    # The city's own unit hands in no population.
    assert all(one.form != "population" for one in before["210701"].missing)
    note_sent(home.settings.archive, list(before.values()))
    assert unsent(home.settings.archive, list(reminded(home, date(2020, 10, 21)).values())) == []
    after = reminded(home, late)
    assert unsent(home.settings.archive, list(after.values())) == list(after.values())
    assert "已逾期2天" in after[UNIT].notice(Path("outbox")).text


def test_a_unit_is_told_that_it_is_late_so_many_days_after(home: Home) -> None:
    home.settings = home.settings.model_copy(update={"remind": RemindSettings(days_after=3)})
    stages = {}
    for day in (31, 32, 33, 34):
        today = date(2020, 10, 1) + timedelta(days=day - 1)
        (school,) = {one for one in reminded(home, today)[UNIT].missing if one.form == "school"}
        stages[day] = school.stage
    assert stages == {31: "due", 32: "due", 33: "due", 34: "late"}


def test_nobody_is_reminded_of_a_form_that_is_not_open(home: Home) -> None:
    home.define("calendar.csv", "form,opens,due,grace_days,year\nschool,10-25,10-31,0,this\n")
    with definitions_of(home.settings).in_use():
        for day, told in ((24, False), (25, True)):
            missing = reminded(home, date(2020, 10, day))[UNIT].missing
            assert any((one.form, one.year) == ("school", 2020) for one in missing) is told
