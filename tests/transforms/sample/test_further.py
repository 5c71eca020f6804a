"""The made-up city hands in what a home has defined, as its record says."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from transforms.forms import FORMS, FORMS_IN_USE, PACKAGED, read_forms
from transforms.sample.city import make_city
from warehouse.reference import load_reference

LIBRARY = """
form: library
code: LIB
zh: 图书表
en: Libraries
each_row_is_a: school
row_zh: 一所学校
key: [institution_code]
columns:
  - {name: institution_code, header: 学校标识码, type: code, required: true, en: Code}
  - {name: institution_name, header: 学校名称, type: text, required: true, en: Name}
  - {name: books, header: 图书册数, type: int, required: true, en: Books}
  - {name: lent, header: 其中借出册数, type: int, en: Books lent}
  - {name: kind, header: 类别, type: choice, required: true, choices: [甲, 乙], en: Kind}
  - {name: opened, header: 开放日期, type: date, en: Opened}
parts_of_whole:
  - {number: E10, part: lent, whole: books, reason_zh: 因, reason_en: because}
errors:
  - number: E11
    wrong: books = 7
    columns: [books]
    zh: 错
    en: wrong
    remedy_zh: 改
    remedy_en: correct
    reason_zh: 因
    reason_en: because
    example: 例
"""


def test_a_form_and_a_column_of_a_home_are_filled_in_and_break_no_rule(tmp_path: Path) -> None:
    (tmp_path / "forms").mkdir()
    (tmp_path / "forms" / "library.yaml").write_text(LIBRARY, "utf-8")
    school = (PACKAGED / "school.yaml").read_text("utf-8")
    column = (
        "  - {name: canteens, header: 食堂数, type: int, required: true, high: 3, en: Canteens}\n"
    )
    school = school.replace("\ncolumns:\n", f"\ncolumns:\n{column}", 1)
    (tmp_path / "forms" / "school.yaml").write_text(school, "utf-8")
    reference = load_reference(tmp_path / "nowhere")
    regions = reference.regions.filter(pl.col("region_code").is_in(["210700", "210727"]))
    packaged = make_city((2020,), regions, reference.townships)
    with FORMS_IN_USE.have(read_forms(tmp_path)):
        city = make_city((2020,), regions, reference.townships)
        for form in ("library", "school"):
            frame = city[form, "210727", 2020]
            assert frame.schema == FORMS[form].schema
            assert frame.height > 10
            assert all(frame.filter(check.bad).is_empty() for check in FORMS[form].row_checks)
            required = [column.name for column in FORMS[form].required]
            assert frame.select(required).null_count().sum_horizontal().item() == 0
    key = "school", "210727", 2020
    assert city[key].drop("canteens").equals(packaged[key])
    assert city[key]["canteens"].is_between(0, 3).all()
