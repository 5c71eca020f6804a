"""The YAML record of a form: what it makes, and what is said of each mistake in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tests.conftest import english
from transforms.checks.rules import RULES
from transforms.definitions import DefinitionError
from transforms.forms import FORMS, FORMS_IN_USE, PACKAGED, packaged_forms, read_forms
from transforms.forms.records import FormRecord, read_form
from transforms.tables.words import known

ERROR = {
    "zh": "错",
    "en": "wrong",
    "remedy_zh": "改",
    "remedy_en": "correct",
    "reason_zh": "因",
    "reason_en": "because",
    "example": "例",
}


def record(**changes: Any) -> dict[str, Any]:
    """A small form as it stands in a file, with ``changes``."""
    form: dict[str, Any] = {
        "form": "canteen",
        "code": "CAN",
        "zh": "学校食堂情况表",
        "en": "School canteens",
        "each_row_is_a": "canteen",
        "row_zh": "一个食堂",
        "key": ["institution_code"],
        "columns": [
            {
                "name": "institution_code",
                "header": "学校标识码",
                "type": "code",
                "required": True,
                "en": "Code",
            },
            {"name": "meals", "header": "供餐人数", "type": "int", "required": True, "en": "Meals"},
            {"name": "paid", "header": "其中付费人数", "type": "int", "en": "Paid"},
        ],
        "errors": [{"number": "E10", "wrong": "meals = 0", "columns": ["meals"], **ERROR}],
        "parts_of_whole": [
            {
                "number": "E11",
                "part": "paid",
                "whole": "meals",
                "reason_zh": "因",
                "reason_en": "because",
            }
        ],
    }
    return {**form, **changes}


def written(folder: Path, content: object, name: str = "canteen") -> Path:
    """A file of a home's definitions/forms/."""
    file = folder / "forms" / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")
    return file


def refusal(folder: Path) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as caught:
        read_forms(folder)
    return english(caught.value.problems)


def test_a_record_makes_a_form(tmp_path: Path) -> None:
    form = read_form(written(tmp_path, record()))
    assert [check.rule.number for check in form.row_checks] == ["E10", "E11"]
    rows = pl.DataFrame(
        {"institution_code": ["a"] * 3, "meals": [0, 5, 5], "paid": [0, 6, 5]}, form.schema
    )
    broken = [rows.select(check.bad).to_series().to_list() for check in form.row_checks]
    assert broken == [[True, False, False], [False, True, False]]


@pytest.mark.parametrize("name", FORMS)
def test_the_packaged_records_hold_against_themselves(name: str) -> None:
    assert read_form(PACKAGED / f"{name}.yaml").name == name


def column(**changes: Any) -> dict[str, Any]:
    columns = record()["columns"]
    return record(
        columns=[*columns, {"name": "x", "header": "甲", "type": "int", "en": "X", **changes}]
    )


def wrong(sql: str) -> dict[str, Any]:
    return record(errors=[{"number": "E10", "wrong": sql, "columns": ["meals"], **ERROR}])


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown column in an expression": (wrong("meels = 0"), "error E10 wrong: there is no column meels in"),
    "no condition": (wrong("meals + 1"), "gives Int64, and must be true or false"),
    "no SQL": (wrong("meals = = 0"), "is no SQL expression over the columns"),
    "unknown column marked": (
        record(errors=[{"number": "E10", "wrong": "meals = 0", "columns": ["meal"], **ERROR}]),
        "there is no column meal; name one of",
    ),
    "unknown column in the key": (record(key=["code"]), "key code: there is no column code"),
    "a number twice": (
        record(parts_of_whole=[{**record()["parts_of_whole"][0], "number": "E10"}]),
        "the number E10 stands 2 times",
    ),
    "a name twice": (column(name="meals"), "the name stands twice"),
    "a header twice": (column(header="供餐人数"), "the header 供餐人数 is that of meals too"),
    "a name that every table has": (column(name="year"), "every table has a column of that name"),
    "choices of a number": (column(choices=["a"]), "choices belong to the type choice"),
    "no choices": (column(type="choice"), "choices belong to the type choice"),
    "a unit of a text": (column(type="text", unit="元"), "only numbers have a unit"),
    "bounds the wrong way round": (column(low=3, high=2), "it lies below low"),
    "unknown type": (column(type="integer"), "type: Input should be"),
    "mistyped field": (record(colums=[]), "colums: there is no such field; is columns meant?"),
    "missing field": ({k: v for k, v in record().items() if k != "zh"}, "zh: is missing; give it"),
    "a placeholder that is not filled": (
        record(errors=[{"number": "E10", "wrong": "meals = 0", "columns": ["meals"], **ERROR, "zh": "{valeu}"}]),
        "there is nothing to fill in for 'valeu'",
    ),
    "the code of whole files": (record(code="FIL"), "FIL is the code of what concerns whole files"),
    "a code of another form": (record(code="SCH"), "code: SCH is that of the form school too"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_file(tmp_path: Path, mistake: str) -> None:
    content, said = MISTAKES[mistake]
    file = written(tmp_path, content)
    (problem,) = refusal(tmp_path)
    assert problem.startswith(str(file)) and said in problem


def test_a_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, wrong("meels = 0"))
    line = next(
        n for n, text in enumerate(file.read_text("utf-8").splitlines(), 1) if "meels" in text
    )
    (problem,) = refusal(tmp_path)
    assert problem.startswith(f"{file}, line {line}, error E10 wrong: ")


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    written(tmp_path, {**wrong("meels = 0"), "key": ["code"]})
    written(tmp_path, record(form="pool", code="POL", zh="游泳池表", key=["nothing"]), "pool")
    (tmp_path / "calendar.csv").write_text(
        "form,opens,due,grace_days,year\nbus,,31-10,,this\n", "utf-8"
    )
    problems = refusal(tmp_path)
    assert len(problems) == 5
    assert [one for one in problems if "there is no such form" in one and "bus" in one]


def test_the_same_key_twice_is_no_record(tmp_path: Path) -> None:
    file = written(tmp_path, record())
    file.write_text(file.read_text("utf-8") + "zh: 另一张表\n", "utf-8")
    (problem,) = refusal(tmp_path)
    assert 'the key "zh" stands twice' in problem


def test_a_form_of_a_home_is_in_use_there_and_nowhere_else(tmp_path: Path) -> None:
    written(tmp_path, record())
    forms = read_forms(tmp_path)
    assert "canteen" not in FORMS and not known("供餐人数")
    with FORMS_IN_USE.have(forms):
        assert known("供餐人数") == (("canteen", "meals"),)
        assert RULES["CAN-E10"].zh == "错"
    assert "canteen" not in FORMS and "CAN-E10" not in RULES and not known("供餐人数")


def test_a_packaged_form_anew_takes_its_place_and_keeps_its_dates(tmp_path: Path) -> None:
    text = (PACKAGED / "finance.yaml").read_text("utf-8").replace("教育经费表", "教育经费决算表")
    (tmp_path / "forms").mkdir()
    (tmp_path / "forms" / "finance.yaml").write_text(text, "utf-8")
    forms = read_forms(tmp_path)
    assert list(forms) == list(packaged_forms())
    assert forms["finance"].zh == "教育经费决算表"
    assert forms["finance"].deadline == packaged_forms()["finance"].deadline


def test_the_calendar_of_a_home_stands_over_the_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "calendar.csv").write_text(
        "form,opens,due,grace_days,year\nclass,09-15,11-15,3,next\n", "utf-8"
    )
    forms = read_forms(tmp_path)
    due = forms["class"].deadline
    assert (due.years_after, due.month, due.day, due.grace_days, due.opens) == (
        1,
        11,
        15,
        3,
        (9, 15),
    )
    assert forms["school"].deadline == packaged_forms()["school"].deadline


def test_every_rule_of_the_package_keeps_its_id() -> None:
    # The errors that single forms have, as they were when forms became records.
    own = {rule for rule in RULES if rule.split("-")[1] >= "E10" and not rule.split("-")[1] >= "E3"}
    listed = {
        "KG": 3, "SCH": 1, "CLS": 1, "FIN": 2, "SAL": 2, "TCH": 5, "SPG": 4, "VOC": 1, "SAF": 2,
    }  # fmt: skip
    expected = {f"{code}-E{10 + n}" for code, count in listed.items() for n in range(count)}
    assert expected <= own
    assert FormRecord.model_fields.keys() >= {"form", "code", "columns", "errors"}
