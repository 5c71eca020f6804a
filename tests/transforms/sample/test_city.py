"""The made-up city keeps every rule of docs/contract.md, *Errors*, checked on its frames without our own rules."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from transforms.forms import FORMS
from transforms.sample import make_city

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "transforms" / "reference"
YEARS = range(2018, 2023)

City = dict[tuple[str, str, int], pl.DataFrame]

PREFIXES = {
    "小学": "2121",
    "初中": "3121",
    "九年一贯制学校": "3121",
    "十二年一贯制学校": "3421",
    "完全中学": "3421",
    "普通高中": "3421",
    "中等职业学校": "3621",
}
PARTS = {
    "kindergarten": [("children_aged_3_5", "children_enrolled")],
    "teacher": [
        ("rotated", "eligible_rotation"),
        ("trained_outside", "full_time_teachers"),
        ("dual_qualified", "professional_teachers"),
        ("heads_rotated", "heads_eligible"),
        ("backbone_rotated_weak", "backbone_rotated"),
    ],
    "special_group": [
        ("disabled_enrolled", "disabled_school_age"),
        ("migrant_in_public", "migrant_children"),
        ("left_behind_cared", "left_behind"),
        ("aid_received", "aid_eligible"),
    ],
    "salary": [("subsidy_paid", "subsidy_due"), ("allowance_paid", "head_teachers")],
    "safety": [("hazards_fixed", "hazards_found"), ("bullying_handled", "bullying_reported")],
    "vocational": [("programmes_matched", "programmes")],
}


def read_reference(name: str) -> pl.DataFrame:
    years = {"valid_from_year": pl.Int64, "valid_to_year": pl.Int64}
    frame = pl.read_csv(REFERENCE / name, infer_schema=False)
    return frame.cast({column: years[column] for column in frame.columns if column in years})


@pytest.fixture(scope="module")
def regions() -> pl.DataFrame:
    return read_reference("regions.csv")


@pytest.fixture(scope="module")
def townships() -> pl.DataFrame:
    return read_reference("townships.csv")


@pytest.fixture(scope="module")
def city(regions: pl.DataFrame, townships: pl.DataFrame) -> City:
    return make_city(YEARS, regions, townships)


def of_form(city: City, form: str) -> Iterator[tuple[str, int, pl.DataFrame]]:
    for (name, region, year), frame in city.items():
        if name == form:
            yield region, year, frame


def whole(city: City, form: str) -> pl.DataFrame:
    """All rows of a form with region_code and year."""
    return pl.concat(
        frame.with_columns(region_code=pl.lit(region), year=pl.lit(year))
        for region, year, frame in of_form(city, form)
    )


def test_the_expected_forms_are_there_and_no_others(city: City) -> None:
    counties = {"210726", "210727", "210781", "210782"}
    with_vocational = counties | {"210701"}
    for year in YEARS:
        for form in FORMS:
            units = {region for name, region, y in city if name == form and y == year}
            if form == "vocational":
                assert units == with_vocational
            elif form in ("population", "salary", "finance"):
                assert len(units) == 9 and "210701" not in units
            else:
                assert len(units) == 10


def test_schemas_and_required_values(city: City) -> None:
    for (form, _, _), frame in city.items():
        assert frame.schema == FORMS[form].schema
        assert frame.height > 0
        for column in FORMS[form].required:
            assert frame[column.name].null_count() == 0, (form, column.name)
        for column in FORMS[form].columns:
            if column.choices:
                assert set(frame[column.name]) <= set(column.choices)


def test_size_of_the_city(city: City) -> None:
    for year in YEARS:
        count = {
            form: sum(frame.height for _, y, frame in of_form(city, form) if y == year)
            for form in FORMS
        }
        assert 890 <= count["kindergarten"] <= 960
        assert 550 <= count["school"] <= 600
        assert 8_500 <= count["class"] <= 11_000
    assert 60_000 <= sum(frame.height for frame in city.values()) <= 75_000


@pytest.mark.parametrize(
    ("form", "key"),
    [
        ("kindergarten", ["institution_code"]),
        ("school", ["institution_code"]),
        ("teacher", ["institution_code"]),
        ("vocational", ["institution_code"]),
        ("safety", ["institution_code"]),
        ("class", ["institution_code", "stage", "grade", "class_name"]),
        ("population", ["age"]),
        ("finance", ["stage"]),
        ("milestone", ["item"]),
    ],
)
def test_keys_are_unique(city: City, form: str, key: list[str]) -> None:
    rows = whole(city, form).drop_nulls(key)
    assert not rows.select("region_code", "year", *key).is_duplicated().any()


def test_names_are_unique_in_a_unit_and_stay_with_their_code(city: City) -> None:
    rows = pl.concat(
        whole(city, form).select("region_code", "year", "institution_code", "institution_name")
        for form in ("kindergarten", "school")
    )
    names = ["region_code", "year", "institution_name"]
    assert not rows.select(names).is_duplicated().any()
    named = rows.drop_nulls().group_by("institution_code").agg(pl.all().n_unique())
    assert named["institution_name"].max() == 1
    assert named["region_code"].max() == 1


def test_one_row_forms_have_one_row(city: City) -> None:
    for form in ("salary", "special_group"):
        assert all(frame.height == 1 for _, _, frame in of_form(city, form))


@pytest.mark.parametrize("form", list(PARTS))
def test_parts_are_no_larger_than_their_wholes(city: City, form: str) -> None:
    rows = whole(city, form)
    for part, of in PARTS[form]:
        assert (rows[part] <= rows[of]).all(), (part, of)


def test_school_rows(city: City) -> None:
    rows = whole(city, "school")
    pupils = pl.sum_horizontal(
        "primary_students", "junior_students", "senior_students", "vocational_students"
    )
    assert rows.filter(pl.col("boarders") > pupils).is_empty()
    assert rows.filter(pupils == 0).is_empty()
    assert rows.filter(pl.col("founded_year") > pl.col("year")).is_empty()
    assert rows.filter(~pl.col("boarding") & pl.col("boarders").is_not_null()).is_empty()


def test_kindergarten_rows(city: City) -> None:
    rows = whole(city, "kindergarten")
    assert (rows["children_enrolled"] > 0).all()
    assert rows.filter((pl.col("ownership") == "公办") & ~pl.col("inclusive")).is_empty()
    assert rows.filter(pl.col("licensed") & pl.col("institution_code").is_null()).is_empty()
    assert rows["institution_code"].null_count() > 0
    assert rows.filter(pl.col("founded_year") > pl.col("year")).is_empty()


def test_attached_kindergartens_belong_to_a_primary_of_the_unit(city: City) -> None:
    schools = whole(city, "school").select("region_code", "year", "institution_code")
    attached = whole(city, "kindergarten").drop_nulls("attached_primary_code")
    assert attached.height > 0
    keys = ["region_code", "year", "attached_primary_code"]
    lost = attached.join(
        schools, left_on=keys, right_on=["region_code", "year", "institution_code"], how="anti"
    )
    assert lost.is_empty()


def test_codes_tell_type_and_province(city: City) -> None:
    kindergartens = whole(city, "kindergarten")["institution_code"].drop_nulls()
    assert kindergartens.str.contains(r"^1121\d{6}$").all()
    schools = whole(city, "school")
    assert schools["institution_code"].str.contains(r"^\d{10}$").all()
    for kind, prefix in PREFIXES.items():
        codes = schools.filter(pl.col("stage") == kind)["institution_code"]
        assert codes.len() > 0
        assert codes.str.starts_with(prefix).all()


def test_rows_of_other_forms_belong_to_known_institutions(city: City) -> None:
    keys = ["region_code", "year", "institution_code"]
    known = pl.concat(
        whole(city, form).select(keys) for form in ("school", "vocational", "kindergarten")
    )
    for form in ("class", "teacher", "safety"):
        assert whole(city, form).join(known, on=keys, how="anti").is_empty(), form


def test_classes_add_up_to_the_pupils_of_their_stage(city: City) -> None:
    classes = whole(city, "class")
    assert classes["students"].is_between(1, 150).all()
    sums = classes.group_by("region_code", "year", "institution_code", "stage").agg(
        pl.col("students").sum()
    )
    pupils = (
        whole(city, "school")
        .unpivot(
            ["primary_students", "junior_students", "senior_students"],
            index=["region_code", "year", "institution_code"],
            value_name="pupils",
        )
        .with_columns(
            stage=pl.col("variable").replace_strict(
                {"primary_students": "小学", "junior_students": "初中", "senior_students": "高中"}
            )
        )
        .filter(pl.col("pupils") > 0)
    )
    keys = ["region_code", "year", "institution_code", "stage"]
    both = pupils.join(sums, on=keys, how="full", coalesce=True)
    assert both.filter(pl.col("pupils").ne_missing(pl.col("students"))).is_empty()


def test_finance_adds_up_exactly(city: City) -> None:
    for _, _, frame in of_form(city, "finance"):
        total = frame.filter(pl.col("stage") == "合计")
        levels = frame.filter(pl.col("stage") != "合计")
        assert total.height == 1
        assert levels["budget_expenditure"].sum() == total["budget_expenditure"][0]
        assert levels["students_average"].sum() == total["students_average"][0]


def test_average_pay_is_no_unit_slip(city: City) -> None:
    rows = whole(city, "salary")
    for total, heads in (("teacher_pay_total", "teachers"), ("civil_pay_total", "civil_servants")):
        average = rows[total].cast(pl.Float64) * 10_000 / rows[heads]
        assert average.is_between(20_000, 400_000).all()


def test_townships_stand_in_the_list_of_the_year(city: City, townships: pl.DataFrame) -> None:
    listed = townships.filter(pl.col("kind") != "其他")
    for form in ("kindergarten", "school"):
        for region, year, frame in of_form(city, form):
            valid = listed.filter(
                (pl.col("county_code") == region)
                & (pl.col("valid_from_year").fill_null(0) <= year)
                & (pl.col("valid_to_year").fill_null(9999) >= year)
            )
            if region not in ("210701", "210791", "210792"):
                assert valid.height > 0
                assert set(frame["township"]) <= set(valid["township_name"]), (region, year)


def jumps(before: pl.DataFrame, after: pl.DataFrame) -> list[str]:
    """Numeric columns whose totals are more than 30 % apart, where both years give any."""
    found = []
    for name, dtype in before.schema.items():
        if dtype.is_numeric() and not (before[name].is_null().all() or after[name].is_null().all()):
            old = float(before[name].cast(pl.Float64).sum())
            new = float(after[name].cast(pl.Float64).sum())
            if abs(new - old) > 0.3 * abs(old):
                found.append(f"{name}: {old} to {new}")
    return found


@pytest.mark.parametrize("seed", [1, 2, 20190612])
def test_no_total_jumps_and_nothing_is_copied(
    regions: pl.DataFrame, townships: pl.DataFrame, seed: int
) -> None:
    city = make_city(range(2016, 2026), regions, townships, seed=seed)
    for (form, region, year), frame in city.items():
        before = city.get((form, region, year - 1))
        if before is not None:
            assert jumps(before, frame) == [], (form, region, year)
            assert not before.equals(frame), (form, region, year)


def gross_rates(city: City, stage: str) -> pl.DataFrame:
    """Gross enrolment by region_code and year, with the city's as 210700."""
    keys = ["region_code", "year"]
    if stage == "preschool":
        ages = (3, 5)
        pupils = whole(city, "kindergarten").select(*keys, pupils="children_enrolled")
    else:
        ages = (15, 17)
        pupils = whole(city, "school").select(
            *keys, pupils=pl.col("senior_students") + pl.col("vocational_students")
        )
    people = whole(city, "population").filter(pl.col("age").is_between(*ages))
    both = (
        pupils.group_by(keys)
        .agg(pl.col("pupils").sum())
        .join(people.group_by(keys).agg(pl.col("population").sum()), on=keys, how="left")
    )
    total = both.group_by("year").agg(pl.col("pupils", "population").sum())
    return pl.concat(
        [both, total.select(pl.lit("210700").alias("region_code"), pl.all())], how="diagonal"
    ).with_columns(rate=pl.col("pupils") / pl.col("population"))


def test_gross_enrolment_is_plausible(city: City) -> None:
    preschool, senior = gross_rates(city, "preschool"), gross_rates(city, "senior")
    for rates in (preschool, senior):
        assert rates["rate"].max() < 1.3
    whole_city = pl.col("region_code") == "210700"
    by_year = dict(preschool.filter(whole_city).select("year", "rate").iter_rows())
    assert 0.77 <= by_year[2018] <= 0.83
    assert 0.89 <= by_year[2022] <= 0.95
    by_year = dict(senior.filter(whole_city).select("year", "rate").iter_rows())
    assert 0.95 <= by_year[2018] <= 0.99
    assert 0.99 <= by_year[2022] <= 1.04


def test_large_classes_grow_fewer(city: City) -> None:
    classes = whole(city, "class").filter(pl.col("stage") != "高中")
    large = dict(classes.group_by("year").agg((pl.col("students") >= 56).mean()).iter_rows())
    assert large[2018] > 0.05 > large[2022] > 0


def test_units_differ(city: City) -> None:
    schools = whole(city, "school").filter(pl.col("year") == 2022)
    early = schools.group_by("region_code").agg((pl.col("arrival_time") < pl.time(7, 50)).sum())
    assert (early["arrival_time"] == 0).any() and (early["arrival_time"] > 0).any()
    pay = whole(city, "salary").with_columns(
        ahead=pl.col("teacher_pay_total") * pl.col("civil_servants")
        >= pl.col("civil_pay_total") * pl.col("teachers")
    )
    for year, some_ahead in ((2018, False), (2022, True)):
        assert pay.filter(pl.col("year") == year)["ahead"].any() is some_ahead
    assert not pay.filter(pl.col("year") == 2022)["ahead"].all()
    spending = (
        whole(city, "finance")
        .filter(pl.col("stage") == "合计")
        .sort("region_code", "year")
        .with_columns(change=pl.col("budget_expenditure").diff().over("region_code"))
    )
    assert (spending["change"] < 0).sum() in range(1, 9)
    assert (spending["change"].drop_nulls() > 0).mean() > 0.7


def test_the_items_of_the_plan_are_reported(city: City) -> None:
    rows = whole(city, "milestone")
    hiring = rows.filter(pl.col("item").is_in(["县管校聘改革", "局管校聘改革"]))
    assert hiring.height == 10 * len(YEARS)
    assert hiring["item"].n_unique() == 2
    assert hiring.group_by("region_code").agg(pl.col("item").n_unique())["item"].max() == 1
    burden = rows.filter(pl.col("item") == "学业负担监测机制")
    assert burden.height == 10 * len(YEARS)
    for reform in (hiring, burden):
        assert set(reform["status"]) == {"未启动", "进行中", "已完成"}
    paju = rows.filter(pl.col("item") == "坡州市交流项目")
    assert 1 < paju["region_code"].n_unique() < 10
    assert paju["quantity"].null_count() == 0
    assert rows.filter(pl.col("item") == "对外交流项目")["quantity"].null_count() == 0
    ranks = rows.filter(pl.col("item") == "省内综合排名")
    assert set(ranks["region_code"]) == {"210701"} and ranks.height == len(YEARS)


def test_a_unit_does_not_depend_on_what_else_was_asked_for(
    city: City, regions: pl.DataFrame, townships: pl.DataFrame
) -> None:
    alone = make_city([2021], regions.filter(pl.col("region_code") == "210727"), townships)
    assert len(alone) == 11
    for key, frame in alone.items():
        assert frame.equals(city[key]), key


def test_another_process_makes_the_same_city(regions: pl.DataFrame) -> None:
    program = """
import sys
import polars as pl
from transforms.sample import make_city
regions = pl.read_csv("transforms/reference/regions.csv", infer_schema=False)
towns = pl.read_csv("transforms/reference/townships.csv", infer_schema=False)
towns = towns.cast({"valid_from_year": pl.Int64, "valid_to_year": pl.Int64})
city = make_city([2020], regions.filter(pl.col("region_code").is_in(["210703", "210782"])), towns)
sys.stdout.write("".join(frame.write_csv() for frame in city.values()))
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": salt},
            check=True,
            capture_output=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 100_000


def test_seeds_differ(city: City, regions: pl.DataFrame, townships: pl.DataFrame) -> None:
    other = make_city([2020], regions.head(3), townships, seed=2)
    key = ("school", "210702", 2020)
    assert not other[key].equals(city[key])


def test_scale_multiplies_institutions(
    city: City, regions: pl.DataFrame, townships: pl.DataFrame
) -> None:
    unit = regions.filter(pl.col("region_code") == "210781")
    large = make_city([2020, 2021], unit, townships, scale=10)
    for form in ("kindergarten", "school", "class"):
        ratio = large[form, "210781", 2020].height / city[form, "210781", 2020].height
        assert 8.5 < ratio < 11.5, form
    for form in FORMS:
        before, after = large[form, "210781", 2020], large[form, "210781", 2021]
        assert jumps(before, after) == []
    codes = large["kindergarten", "210781", 2020]["institution_code"].drop_nulls()
    assert not codes.is_duplicated().any()


def test_another_region_list(townships: pl.DataFrame) -> None:
    regions = pl.DataFrame(
        {
            "region_code": ["370100", "370102", "370124", "370181"],
            "region_name": ["甲市", "乙区", "丙县", "丁市"],
            "aliases": [None, None, None, None],
            "level": ["city", "reporting_unit", "reporting_unit", "reporting_unit"],
            "parent_code": [None, "370100", "370100", "370100"],
            "kind": ["地级市", "市辖区", "县", "县级市"],
        }
    )
    city = make_city([2020, 2021], regions, townships)
    assert {(form, region) for form, region, _ in city} == {
        (form, region) for form in FORMS for region in ("370102", "370124", "370181")
    }
    codes = city["school", "370124", 2020]["institution_code"]
    assert codes.str.slice(2, 2).unique().to_list() == ["37"]
    rates = gross_rates(city, "senior")["rate"]
    assert rates.max() < 1.3


def test_the_ninth_grade_is_what_stayed_of_the_seventh(city: City) -> None:
    pupils = (
        whole(city, "class")
        .filter(pl.col("stage") == "初中")
        .group_by("region_code", "year", "grade")
        .agg(pl.col("students").sum())
    )
    began = pupils.filter(pl.col("grade") == 7).with_columns(pl.col("year") + 2)
    came = pupils.filter(pl.col("grade") == 9)
    both = came.join(began, on=["region_code", "year"], suffix="_before")
    assert both.height == 10 * (len(YEARS) - 2)
    stayed = both["students"] / both["students_before"]
    assert stayed.is_between(0.925, 0.995).all()
    # The clause asks for 95 %: some units have it and some do not.
    assert (stayed < 0.95).any() and (stayed >= 0.95).any()


def test_schools_and_public_kindergartens_open_after_2019(city: City) -> None:
    last = max(YEARS)
    for form in ("school", "kindergarten"):
        rows = whole(city, form).filter(pl.col("year") == last)
        new = rows.filter(pl.col("founded_year").is_between(2019, last))
        public = new.filter(pl.col("ownership") == "公办")
        assert 0 < public["region_code"].n_unique() < 10, form
        assert new.height < 0.1 * rows.height


def test_some_vocational_pupils_go_to_private_schools(city: City) -> None:
    rows = whole(city, "school").filter(pl.col("vocational_students") > 0)
    private = rows.filter(pl.col("ownership") == "民办")
    share = private["vocational_students"].sum() / rows["vocational_students"].sum()
    assert 0.02 < share < 0.4


def test_a_few_questions_stay_without_an_answer(city: City) -> None:
    asked = {
        "school": [
            "supervisor_assigned",
            "digital_teaching",
            "cloud_platform",
            "party_organisation",
        ],
        "kindergarten": ["supervisor_assigned"],
    }
    for form, columns in asked.items():
        rows = whole(city, form)
        for column in columns:
            assert 0 < rows[column].null_count() < 0.1 * rows.height, column
        blank = rows.group_by("region_code", "year").agg(pl.col(columns).is_null().mean())
        # Most leave nothing out, and now and then somebody nearly all of it.
        shares = blank.select(pl.concat_list(columns).explode()).to_series()
        assert (shares == 0).mean() > 0.5
        assert form == "kindergarten" or (shares > 0.25).any()
    compulsory = whole(city, "school").filter(
        pl.col("stage").is_in(["小学", "初中", "九年一贯制学校", "十二年一贯制学校", "完全中学"])
    )
    assert 0 < compulsory["arrival_time"].null_count() < 0.1 * compulsory.height
