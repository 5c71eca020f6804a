"""The mark of made-up files: found where it was spaced or moved, and nowhere else."""

from __future__ import annotations

import pytest

from tests.transforms.conftest import HandIn, MakeBook, MakePaper
from transforms.made_up import MADE_UP_LINE, says_made_up

SPACED = MADE_UP_LINE.replace("样例", " 样 例\u3000").replace("，", ", ")


@pytest.mark.parametrize("text", [MADE_UP_LINE, SPACED, f"附件1 {MADE_UP_LINE}"])
def test_the_mark_is_found_however_it_is_spaced(text: str) -> None:
    assert says_made_up([None, "义县2020年学龄人口表", text])


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [None, ""],
        ["义县2020年中小学校基本情况表", "填报单位：义县教育局"],
        ["本表不得填报虚构数据", "样例数据见附件"],
        ["虚构样例数据", "仅供演示"],
        ["2020年教育统计填报样例, 仅供演示"],
    ],
)
def test_what_real_files_say_is_no_mark(texts: list[str | None]) -> None:
    assert not says_made_up(texts)


@pytest.mark.parametrize(
    "path", ["义县/报表.xlsx", "义县/报表.xls", "义县/报表.ods", "义县/报表.csv", "义县/报表.zip"]
)
def test_a_submission_carries_the_mark_of_its_file(
    path: str, paper: MakePaper, hand_in: HandIn
) -> None:
    sheet = paper("population")
    real = hand_in(sheet, path)
    assert real.only["accepted"] and not real.only["sample"]
    for above in ([[MADE_UP_LINE], *sheet.above], [*sheet.above, ["备用行"], [MADE_UP_LINE]]):
        sheet.above = above
        made_up = hand_in(sheet, path)
        assert made_up.only["accepted"] and made_up.only["sample"]
        assert made_up.findings == []


def test_a_marked_cover_marks_the_whole_workbook(
    paper: MakePaper, workbook: MakeBook, hand_in: HandIn
) -> None:
    cover = paper("population")
    cover.header, cover.rows, cover.above, cover.name = [], [], [[MADE_UP_LINE]], "封面"
    outcome = hand_in(workbook(cover, paper("safety")), "义县/报表.xlsx")
    assert outcome.only["form"] == "safety"
    assert outcome.only["sample"]
