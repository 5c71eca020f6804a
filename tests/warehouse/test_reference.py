"""The region and township lists: the project's own, and what may be put in their place."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.conftest import english
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


TOWNSHIPS = "county_code,county_name,township_code,township_name,kind,valid_from_year,valid_to_year,successor\n"


def test_townships_are_followed_to_what_they_are_part_of_now(own: Path) -> None:
    (own / "reference" / "townships.csv").write_text(
        TOWNSHIPS + "210702,古塔区,210702101,甲乡,乡,,2019,\n"
        "210702,古塔区,210702101,甲镇,镇,2020,2021,210703102\n"
        "210703,凌河区,210703102,乙镇,镇,,,\n"
        "210703,凌河区,210703103,丙镇,镇,,2020,\n",
        "utf-8",
    )
    crosswalk = load_reference(own).township_crosswalk
    now = crosswalk.select("township_name", "now_code", "now_name", "now_county_code").rows()
    assert now == [
        ("甲乡", "210703102", "乙镇", "210703"),
        ("甲镇", "210703102", "乙镇", "210703"),
        ("乙镇", "210703102", "乙镇", "210703"),
        ("丙镇", None, None, None),
    ]


def test_every_slip_in_what_became_of_townships_is_told(own: Path) -> None:
    (own / "reference" / "townships.csv").write_text(
        TOWNSHIPS + "210702,古塔区,210702101,甲乡,乡,,2019,210702109\n"
        "210702,古塔区,210702102,乙乡,乡,,2019,210702102\n"
        "210702,古塔区,210702103,丙乡,乡,,,210702104\n"
        "210702,古塔区,210702104,丁乡,乡,2022,,\n"
        "210702,古塔区,210702105,戊乡,乡,,2019,210702104\n",
        "utf-8",
    )
    with pytest.raises(ReferenceError) as error:
        load_reference(own)
    for words in ("210702109 has no row", "succeeds itself", "no end", "is not there in 2020"):
        assert words in str(error.value)


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


def lists(home: Path, regions: str, expected: str = "") -> None:
    """A region list and an expected.csv of the home's own."""
    (home / "reference").mkdir(parents=True, exist_ok=True)
    (home / "definitions").mkdir(exist_ok=True)
    head = "region_code,region_name,level,aliases,parent_code,kind,valid_from_year,valid_to_year,successor\n"
    (home / "reference" / "regions.csv").write_text(head + regions, "utf-8")
    if expected:
        head = "form,kind,region_code,expected,from_year,to_year\n"
        (home / "definitions" / "expected.csv").write_text(head + expected, "utf-8")


UNITS = (
    "99,甲市,city,,,地级市,,,\n"
    "9901,乙县,reporting_unit,,99,县,,2020,9902\n"
    "9902,丙县,reporting_unit,,99,县,2019,,\n"
)


def spans(home: Path, form: str) -> list[tuple[str, int | None, int | None]]:
    expected = load_reference(home).expected.filter(pl.col("form") == form)
    return sorted(expected.select("region_code", "from_year", "to_year").iter_rows())


def test_a_unit_is_expected_while_it_is_there(tmp_path: Path) -> None:
    lists(tmp_path, UNITS)
    assert spans(tmp_path, "class") == [("9901", None, 2020), ("9902", 2019, None)]
    assert load_reference(tmp_path).merged == {"9901": "9902"}


def test_the_last_row_that_fits_says_whether_a_form_is_expected(tmp_path: Path) -> None:
    lists(tmp_path, UNITS, "class,,,0,,\nclass,县,,1,2018,2021\nclass,,9902,0,2020,2020\n")
    assert spans(tmp_path, "class") == [
        ("9901", 2018, 2020),
        ("9902", 2019, 2019),
        ("9902", 2021, 2021),
    ]
    assert spans(tmp_path, "school") == [("9901", None, 2020), ("9902", 2019, None)]


@pytest.mark.parametrize(
    ("regions", "said"),
    [
        (UNITS.replace("2020,9902", "2020,9901"), "9901 succeeds itself; correct its successor"),
        (UNITS.replace("2020,9902", "2020,9999"), "successor 9999 has no row"),
        (UNITS.replace("2020,9902", ",9902"), "9901 has a successor and no end"),
        (UNITS.replace("2019,,", "2019,2018,"), "9902 ends before it begins"),
        (UNITS.replace("2020,9902", "soon,9902"), "are years such as 2021, or empty"),
        (UNITS.replace("9902,丙县", "9901,丙县"), "a region_code stands there twice"),
    ],
)
def test_a_list_that_contradicts_itself_is_refused(tmp_path: Path, regions: str, said: str) -> None:
    lists(tmp_path, regions)
    with pytest.raises(ReferenceError) as caught:
        load_reference(tmp_path)
    assert said in str(caught.value)


def test_a_unit_that_comes_back_to_itself_by_way_of_another_is_refused(tmp_path: Path) -> None:
    lists(
        tmp_path,
        UNITS.replace(
            "9902,丙县,reporting_unit,,99,县,2019,,",
            "9902,丙县,reporting_unit,,99,县,2019,2021,9901",
        ),
    )
    with pytest.raises(ReferenceError, match="9902 succeeds itself"):
        load_reference(tmp_path)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("bus,,,0,,", "line 2, bus: there is no such form"),
        ("class,乡,,0,,", "kind: 乡 is in no row of regions.csv"),
        ("class,,9,0,,", "region_code: 9 is in no row of regions.csv"),
        ("class,,,no,,", "expected: write 1 or 0"),
        ("class,,,1,soon,", "from_year: 'soon' is no year"),
    ],
)
def test_a_wrong_row_of_what_is_expected_is_told(tmp_path: Path, row: str, said: str) -> None:
    lists(tmp_path, UNITS, row + "\n")
    with pytest.raises(ReferenceError) as caught:
        load_reference(tmp_path)
    (problem,) = english(caught.value.problems)
    assert said in problem
