"""What a run tells of itself, read from a real publication; in Prefect: see test_server.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.after.artifacts import change_line, handed_line, links, listed
from tests.conftest import Home, MakeHome, Night
from warehouse.publication.reader import open_publication
from warehouse.publication.reader.runs import Handed, read_handed, read_revisions, turned
from warehouse.publication.revisions import Revision


@pytest.fixture(scope="module")
def corrected(make_home: MakeHome) -> tuple[Home, Night]:
    """Two nights: 义县 first reports no dropouts, then three, and a sheet that cannot be right.

    Clause 2.21 wants no dropouts, so that its verdict turns for the unit and for the city.
    """
    home = make_home()
    home.sheet("210727", "special_group", 2020, [{"dropouts": 0}], name="2020年一.csv")
    home.night()
    home.sheet(
        "210727",
        "special_group",
        2020,
        [{"dropouts": 3}],
        name="2020年二.csv",
        received="2020-09-16 02:00:00",
    )
    home.sheet("210727", "population", 2020, [{"age": 40, "population": 1}], name="2020年人口.csv")
    night = home.night()
    return home, night


def handed_of(home: Home, **narrowed: Any) -> list[Handed]:
    with open_publication(home.publication) as reader:
        return read_handed(reader, **narrowed)


def turns_of(home: Home, publication_id: str) -> list[Revision]:
    with open_publication(home.publication) as reader:
        return turned(read_revisions(reader, publication_id))


def test_the_submissions_of_a_run_are_those_of_its_files_the_returned_first(
    corrected: tuple[Home, Night],
) -> None:
    home, night = corrected
    hashes = {receipt.sha256 for receipt in night.read}
    handed = handed_of(home, sha256=hashes)
    assert [(one.file_name, one.status, one.errors) for one in handed] == [
        ("2020年人口.csv", "returned", 1),
        ("2020年二.csv", "accepted", 0),
    ]
    assert {one.unit for one in handed} == {"义县"}
    assert handed_line(handed[0]) == (
        "义县 学龄人口表 2020 (2020年人口.csv): returned, 0 of 2 rows loaded, 1 errors, 0 warnings"
    )
    assert handed_of(home, sha256=set()) == []


def test_a_backfill_is_told_by_its_scope(corrected: tuple[Home, Night]) -> None:
    home, _ = corrected
    everything = handed_of(home)
    assert len(everything) == 3
    chosen = handed_of(home, years=(2020,), regions=("210727",), forms=("special_group",))
    assert sorted((one.file_name, one.status) for one in chosen) == [
        ("2020年一.csv", "superseded"),
        ("2020年二.csv", "accepted"),
    ]
    assert handed_of(home, years=(2019,)) == []
    assert handed_of(home, regions=("210726",)) == []


def test_a_file_of_no_known_form_or_unit_has_a_line_too(home: Home) -> None:
    home.deliver("无此单位/空.csv", b"")
    home.night()
    (one,) = handed_of(home)
    assert (one.unit, one.form, one.year) == (None, None, None)
    assert handed_line(one).startswith("unknown (空.csv): returned, ")


def test_a_record_of_the_log_lists_so_many_and_says_how_many_more_there_are() -> None:
    lines = [f"line {n}" for n in range(500)]
    assert listed(lines).splitlines() == lines
    assert listed([*lines, "one", "two"]).splitlines() == [*lines, "… and 2 more"]


def test_verdicts_that_turned_name_their_cause_the_city_first(
    corrected: tuple[Home, Night],
) -> None:
    home, night = corrected
    turns = turns_of(home, night.imprint.publication_id)
    about = [turn for turn in turns if turn.indicator_id == "dropouts"]
    assert [
        (turn.region_name, turn.year, turn.old_status, turn.new_status, turn.new_value, turn.cause)
        for turn in about
    ] == [
        ("锦州市", 2020, "insufficient", "not_met", 3.0, "2020年二.csv"),
        ("义县", 2020, "met", "not_met", 3.0, "2020年二.csv"),
    ]
    assert change_line(about[1]) == (
        "义县 2020 2.21 † 义务教育辍学人数: 达标 → 未达标 (Met → Not met)"
        f" † {about[1].basis_zh} / {about[1].basis_en}"
    )
    assert about[1].basis_zh and about[1].basis_en


def test_a_value_that_moved_under_the_same_verdict_is_no_turn(home: Home) -> None:
    for day, dropouts in ((15, 3), (16, 4)):
        home.sheet(
            "210727",
            "special_group",
            2020,
            [{"dropouts": dropouts}],
            name=f"2020年{day}.csv",
            received=f"2020-09-{day} 02:00:00",
        )
        night = home.night()
    assert home.ask("SELECT count(*) FROM revision") != [(0,)]
    assert turns_of(home, night.imprint.publication_id) == []


def test_links_lead_to_the_report_and_to_every_return_sheet(tmp_path: Path) -> None:
    sheets = [tmp_path / "outbox" / "210727" / f"{name}.退回.xlsx" for name in ("二 1", "一")]
    text = links(tmp_path / "published", sheets)
    lines = text.splitlines()
    assert "### Return sheets (2)" in lines
    linked = [line for line in lines if line.startswith("- ")]
    assert len(linked) == 4
    for file, line in zip(sorted(sheets), linked[2:], strict=True):
        assert line == f"- [{file.name}]({file.as_uri()}): {file}"
        assert " " not in file.as_uri()
    assert (tmp_path / "published" / "report" / "index.html").as_uri() in text
    assert "no file has findings" in links(tmp_path, [])
