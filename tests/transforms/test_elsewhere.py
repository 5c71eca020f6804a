"""Workbooks written by other programs than ours (`elsewhere/make.py` says how) are read as meant."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.transforms.conftest import HandIn, Outcome

ELSEWHERE = Path(__file__).parent / "elsewhere"

# From libreoffice.*, as typed in make.py: sheet, row, then the columns named.
PRIMARY = [
    ("小学", 6, "2121270001", "实验小学", "小学", 1, "1班", 42),
    ("小学", 7, "2121270001", "实验小学", "小学", 1, "2班", 56),
    ("小学", 10, "2121270002", "城关小学", "小学", 6, "1班", 45),
]
JUNIOR = [
    ("初中", 3, "3121270001", "义县初级中学", "初中", 7, "1班", 50),
    ("初中", 4, "3121270001", "义县初级中学", "初中", 8, "1班", 48),
]
MONEY = {
    "合计": (Decimal("10648.12905"), 8101),
    "学前": (Decimal("1234.56"), 1200),
    "小学": (Decimal("4567.89015"), 3301),
    "初中": (Decimal("2345.6789"), 1800),
    "高中": (Decimal(2000), 1300),
    "中职": (Decimal(500), 500),
}
SCHOOLS = [
    ("2121270001", 1956, False, None, time(7, 50), time(8), time(20, 30), True),
    ("3121270001", 1960, True, 30, time(7, 55), time(8), time(21), False),
]
KINDERGARTENS = [
    ("1121270001", "公办", True, True, Decimal("300.5"), 210, 190),
    (None, "民办", False, False, Decimal(1200), 35, None),
]


def of(name: str, hand_in: HandIn) -> Any:
    return hand_in((ELSEWHERE / name).read_bytes(), f"义县/{name}")


def accepted(outcome: Outcome) -> dict[str, bool]:
    assert {entry["year"] for entry in outcome.submissions} == {2020}
    for entry in outcome.submissions:
        ends = ("rows_loaded", "rows_returned", "rows_ignored")
        assert entry["rows_read"] == sum(entry[end] for end in ends)
    return {entry["form"]: entry["accepted"] for entry in outcome.submissions}


@pytest.mark.parametrize(
    "name", ["libreoffice.xlsx", "libreoffice.xls", "libreoffice.ods", "libreoffice_html.xls"]
)
def test_a_workbook_of_libreoffice_is_read_as_meant(name: str, hand_in: HandIn) -> None:
    outcome = of(name, hand_in)
    good = {"class": True, "finance": True, "school": True, "population": False}
    assert accepted(outcome) == good
    # What is hidden is not written to a web page, whose tables have no names.
    is_page = name.endswith("_html.xls")
    wanted = [("表2", *row[1:]) for row in PRIMARY] if is_page else [*PRIMARY, *JUNIOR]
    rows = outcome.loaded("class").drop("submission_id", "region_code", "year").rows()
    assert rows == wanted
    assert {row[0]: row[1:] for row in outcome.values("finance").rows()} == MONEY
    assert outcome.values("school").select(
        "institution_code", "founded_year", "boarding", "boarders", "arrival_time",
        "class_start_time", "evening_end_time", "after_school_service",
    ).rows() == SCHOOLS  # fmt: skip
    errors = {(entry["rule_id"], entry["cell"]): entry["value"] for entry in outcome.errors}
    assert errors.keys() == {("POP-E03", "B4"), ("POP-E03", "B5")}
    assert errors["POP-E03", "B4"] == "#DIV/0!"
    assert errors["POP-E03", "B5"].startswith("2020-09-01")
    assert outcome.warnings == []  # 备注 is a column that nearly every form has


def test_delimited_text_of_libreoffice_is_read_as_meant(hand_in: HandIn) -> None:
    money = of("libreoffice_gb18030.csv", hand_in)
    assert accepted(money) == {"finance": True}
    assert {row[0]: row[1:] for row in money.values("finance").rows()} == MONEY
    schools = of("libreoffice_utf16.tsv", hand_in)
    assert accepted(schools) == {"school": True}
    assert schools.column("school", "arrival_time") == [time(7, 50), time(7, 55)]
    assert schools.column("school", "evening_end_time") == [time(20, 30), time(21)]


@pytest.mark.parametrize("ending", ["xlsx", "ods", "csv", "xls"])
def test_an_export_of_pandas_is_read_as_meant(ending: str, hand_in: HandIn) -> None:
    outcome = of(f"pandas2020年.{ending}", hand_in)
    assert accepted(outcome) == {"kindergarten": True}
    assert outcome.findings == []
    assert outcome.values("kindergarten").select(
        "institution_code", "ownership", "inclusive", "licensed", "monthly_fee",
        "children_enrolled", "children_aged_3_5",
    ).rows() == KINDERGARTENS  # fmt: skip
