"""The region and township lists: the project's own, and what may be put in their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from warehouse.reference import ReferenceError, load_reference

HEADER = "region_code,region_name,aliases,level,parent_code,kind\n"
LIST = (
    HEADER
    + "330000,浙江省,,province,,省\n"
    + "330100,杭州市,,city,330000,地级市\n"
    + "330102,上城区,上城|Shang Cheng,reporting_unit,330100,市辖区\n"
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A home with a folder for lists of its own."""
    (tmp_path / "reference").mkdir()
    return tmp_path


def test_the_packaged_list_is_jinzhou(tmp_path: Path) -> None:
    reference = load_reference(tmp_path)
    assert reference.units["region_code"].to_list() == [
        "210701", "210702", "210703", "210711", "210726",
        "210727", "210781", "210782", "210791", "210792",
    ]  # fmt: skip
    assert reference.with_townships == {"210726", "210727", "210781", "210782"}
    assert set(reference.members.iter_rows()) == {
        ("210700", unit, True) for unit in reference.units["region_code"]
    }
    assert reference.expected.height == 10 * 11 - 3 - 5


@pytest.mark.parametrize(
    ("folder", "unit"),
    [
        ("210781", "210781"),
        ("凌海市", "210781"),
        ("凌海", "210781"),
        (" 凌 海 市 ", "210781"),
        ("２１０７８１", "210781"),
        ("北宁市", "210782"),
        ("锦州市直", "210701"),
        ("锦州市", None),
        ("210700", None),
        ("", None),
        ("凌", None),
    ],
)
def test_a_folder_is_known_by_code_name_or_alias(
    tmp_path: Path, folder: str, unit: str | None
) -> None:
    assert load_reference(tmp_path).unit_of(folder) == unit


def test_a_list_of_ones_own_takes_its_place(own: Path) -> None:
    (own / "reference" / "regions.csv").write_text(LIST, encoding="utf-8")
    reference = load_reference(own)
    assert reference.unit_of("shangcheng") is None
    assert reference.unit_of("Shang Cheng") == "330102"
    assert reference.unit_of("凌海市") is None
    assert reference.townships.is_empty()
    assert reference.expected.height == 11
    assert set(reference.members.iter_rows()) == {
        ("330000", "330102", False),
        ("330100", "330102", True),
    }


def test_townships_of_ones_own_for_the_packaged_regions(own: Path) -> None:
    (own / "reference" / "townships.csv").write_text(
        "county_code,county_name,township_code,township_name,kind,valid_from_year,valid_to_year\n"
        "210702,古塔区,210702101,新镇,镇,2024,\n",
        encoding="utf-8",
    )
    reference = load_reference(own)
    assert reference.unit_of("凌海市") == "210781"
    assert reference.with_townships == {"210702"}
    assert reference.townships.select("valid_from_year", "valid_to_year").row(0) == (2024, None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("region_code,region_name\n1,a\n", "aliases, level, parent_code, kind is missing"),
        (LIST + "330102,重复,,reporting_unit,330100,市辖区\n", "stands there twice"),
        (LIST + "330199,孤儿,,reporting_unit,339900,市辖区\n", "parent_code 339900 has no row"),
        (HEADER + "330000,浙江省,,province,,省\n", "no row has the level reporting_unit"),
        pytest.param(
            "",
            "regions.csv",
        ),
        pytest.param(
            LIST + "330103,下城区,上城,reporting_unit,330100,市辖区\n",
            "上城",
        ),
        pytest.param(
            LIST + "330110,甲,,reporting_unit,330111,区\n330111,乙,,reporting_unit,330110,区\n",
            "330110",
        ),
    ],
    ids=["columns", "twice", "orphan", "no units", "empty", "alias twice", "circle"],
)
def test_a_list_that_cannot_be_used_says_why(own: Path, content: str, words: str) -> None:
    (own / "reference" / "regions.csv").write_text(content, encoding="utf-8")
    with pytest.raises(ReferenceError, match=words):
        load_reference(own).unit_of("上城")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("义县教育局", "210727"),
        ("锦州市 凌海市教育和体育局", "210781"),
        ("北宁市教委", "210782"),
        ("市教育局直属", "210701"),
        ("古塔区与凌河区", None),
        ("辽宁省教育厅", None),
        ("2107270001", None),
        ("", None),
    ],
)
def test_a_unit_is_known_by_the_words_that_speak_of_it(
    tmp_path: Path, words: str, code: str | None
) -> None:
    assert load_reference(tmp_path).unit_named(words) == code
