"""From a published figure back to the cells it came from: the cells must hold what is said of them.

A home of three units over two nights. What explain names (file, sheet, cell) is looked up in the
very files that were handed in, with other readers than the pipeline's.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from tests.conftest import Home, MakeHome
from warehouse.indicators.definitions import Catalogue, Indicator, load_catalogue
from warehouse.lineage.figure import CannotExplain, explain
from warehouse.lineage.model import Explanation, RowList
from warehouse.place import WarehouseLocked
from warehouse.reference import load_reference

CITY, OWN, HEISHAN, YIXIAN, GUTA = "210700", "210701", "210726", "210727", "210702"
RATE = "preschool_gross_enrolment_rate"
CATALOGUE = load_catalogue()

Row = dict[str, object]


def people(*numbers: object) -> list[Row]:
    """A population form from age 2 on."""
    return [{"age": age, "population": number} for age, number in enumerate(numbers, start=2)]


#: Boarding schools with the end of their evening study; one leaves it blank.
EVENINGS: list[Row] = [
    {"institution_name": name, "boarding": True, "junior_students": 1, "evening_end_time": end}
    for name, end in (("甲校", "20:30"), ("乙校", "21:30"), ("丙校", "22:15"), ("丁校", None))
]
ARRIVALS: list[Row] = [
    {"institution_name": name, "stage": "小学", "arrival_time": time, "supervisor_assigned": True}
    for name, time in (("戊校", "7:40"), ("己校", "7点10分"), ("庚校", "7:50"))
]
#: 26 large classes, and four that are not.
SIZES = [*range(40, 44), *range(56, 82)]
CLASSES: list[Row] = [
    {"institution_name": "甲校", "stage": "小学", "grade": 3, "class_name": f"{n}班", "students": n}
    for n in SIZES
]
KINDERGARTENS: list[Row] = [
    {"institution_name": "一园", "ownership": "公办", "children_enrolled": 60},
    {"institution_name": "二园", "children_enrolled": 120, "licensed": False},
    {"institution_name": "三园", "children_enrolled": 0},
]
YIXIAN_2020: dict[str, list[Row]] = {
    "kindergarten": KINDERGARTENS,
    "population": people(999, 50, 70, 80, 999),
    "school": [*EVENINGS, *ARRIVALS],
    "class": CLASSES,
    "salary": [
        {"teacher_pay_total": 800, "teachers": 100, "civil_pay_total": 450, "civil_servants": 50}
    ],
    "special_group": [{"disabled_school_age": 0}],
}
#: Money in yuan, though the form asks for ten thousands.
FINANCE = "学段,一般公共预算教育支出（元）,平均在校生数\n合计,{total},100\n小学,{total},100\n"


@pytest.fixture(scope="module")
def home(make_home: MakeHome) -> Home:
    home = make_home()
    home.book(YIXIAN, {2020: YIXIAN_2020}, name="第一批/报送.xlsx")
    for year, total in ((2019, 10_005_000), (2020, 10_005_001)):
        home.deliver(f"义县/教育经费表{year}年.csv", FINANCE.format(total=total).encode())
    home.sheet(HEISHAN, "kindergarten", 2020, [{"children_enrolled": 200}])
    home.sheet(HEISHAN, "population", 2020, people("很多"), name="2020年人口.csv")
    # Nobody asked the municipal unit for a population or finance, and what it says counts nowhere.
    home.sheet(OWN, "kindergarten", 2020, [{"institution_name": "市园", "children_enrolled": 40}])
    home.sheet(OWN, "population", 2020, people(9, 9, 9))
    home.sheet(OWN, "milestone", 2020, [{"item": "省内综合排名", "quantity": 8}])
    home.sheet(GUTA, "milestone", 2020, [{"item": "县管校聘改革"}])
    home.night()
    # The second night: a correction, and what was missing.
    corrected = [{**KINDERGARTENS[0], "children_enrolled": 90}, *KINDERGARTENS[1:]]
    home.sheet(
        YIXIAN,
        "kindergarten",
        2020,
        corrected,
        name="更正2020年.csv",
        received="2020-10-01 00:00:00",
    )
    home.sheet(
        HEISHAN,
        "population",
        2020,
        people(5, 250),
        name="补报2020年.csv",
        received="2020-10-02 00:00",
    )
    home.night()
    return home


def first(home: Home) -> str:
    """The id of the first publication."""
    return str(home.ask("SELECT min_by(publication_id, published_at) FROM publication")[0][0])


def earlier(home: Home) -> Path:
    """The file of the first publication."""
    return home.settings.published / "history" / first(home) / "indicators.duckdb"


def ask(
    home: Home,
    indicator: str,
    region: str = YIXIAN,
    year: int = 2020,
    *,
    rows: int | None = None,
    published: Path | None = None,
    catalogue: Catalogue = CATALOGUE,
) -> Explanation:
    settings = home.settings
    return explain(
        published or home.publication,
        settings.warehouse,
        load_reference(settings.home),
        catalogue,
        indicator,
        region,
        year,
        rows,
    )


def in_file(home: Home, file_name: str, sheet: str, cell: str) -> str:
    """What stands in a cell of a file in the inbox, read without the pipeline."""
    (file,) = home.settings.inbox.rglob(file_name)
    if file.suffix == ".csv":
        column, row = openpyxl.utils.cell.coordinate_from_string(cell)
        place = openpyxl.utils.column_index_from_string(column) - 1
        return list(csv.reader(io.StringIO(file.read_text("utf-8"))))[row - 1][place]
    value = openpyxl.load_workbook(file)[sheet][cell].value
    return "" if value is None else str(value)


def listed(rows: RowList) -> list[tuple[str | None, str | None, str | None]]:
    """Name, first cell and its value."""
    return [(row.institution_name, row.cells[0].cell, row.cells[0].value) for row in rows.rows]


def test_a_rate_is_taken_apart_into_rows_the_largest_first(home: Home) -> None:
    found = ask(home, RATE)
    assert (found.numerator, found.denominator, found.value) == (210, 200, 105)
    assert found.formula_zh == "100 × 在园幼儿数 ÷ 3至5岁常住人口数"
    top, bottom = found.rows
    assert (top.part, top.total, bottom.part, bottom.total) == ("numerator", 3, "denominator", 3)
    # In the file: 16 columns, children_enrolled is the twelfth; 120 in its third row.
    assert listed(top) == [("二园", "L3", "120"), ("一园", "L2", "90"), ("三园", "L4", "0")]
    assert [(row.label, row.contribution) for row in bottom.rows] == [
        ("年龄5", 80),
        ("年龄4", 70),
        ("年龄3", 50),
    ]
    assert found.verdicts[0].clause_id == "2.1" and found.verdicts[0].status == "met"


def test_the_submissions_are_named_with_their_cells(home: Home) -> None:
    children, people = ask(home, RATE).submissions
    file = home.settings.inbox / YIXIAN / "更正2020年.csv"
    assert children.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (children.file_name, children.path) == ("更正2020年.csv", f"{YIXIAN}/更正2020年.csv")
    assert str(children.received_at) == "2020-10-01 00:00:00"
    (sheet,) = children.sheets
    assert [(r.column, r.cells) for r in sheet.ranges] == [("children_enrolled", "L2:L4")]
    # Of the population only ages 3 to 5, below a header and age 2; the first column is the year.
    (sheet,) = people.sheets
    assert sheet.sheet == "学龄人口表"
    assert [(r.header, r.cells) for r in sheet.ranges] == [
        ("年龄", "B3:B5"),
        ("常住人口数", "C3:C5"),
    ]


def test_every_cell_named_holds_what_is_said_of_it(home: Home) -> None:
    """As text, but for yes and no, times and money, which are written in more than one way."""
    spelt = {"07:40": "7:40", "07:10": "7点10分", "07:50": "7:50"}
    seen = 0
    for indicator in (RATE, "large_class_share", "unlicensed_kindergartens", "teacher_pay_ratio"):
        for rows in ask(home, indicator, rows=1000).rows:
            for row in rows.rows:
                assert row.file_name is not None and row.sheet is not None
                for cell in row.cells:
                    assert cell.cell is not None and cell.value is not None
                    text = in_file(home, row.file_name, row.sheet, cell.cell)
                    assert text == spelt.get(cell.value, cell.value)
                    seen += 1
    # Kindergartens and ages; classes; one without licence; twice two amounts of pay.
    assert seen == (3 + 3) + len(SIZES) + 1 + (2 + 2)


def test_each_large_class_is_listed_with_its_cell_the_largest_first(home: Home) -> None:
    found = ask(home, "2.9")
    (rows,) = found.rows
    assert (rows.part, rows.total, rows.counted, rows.unanswered) == ("share", 30, 26, 0)
    assert len(rows.rows) == 26 and all(row.counted for row in rows.rows)
    worst = rows.rows[0]
    assert (worst.institution_name, worst.label) == ("甲校", "小学 年级3 81班")
    assert [(c.header, c.cell, c.value) for c in worst.cells] == [("班级人数", "G31", "81")]
    (few,) = ask(home, "2.9", rows=2).rows
    assert [row.cells[0].value for row in few.rows] == ["81", "80"] and few.total == 30
    (all_of_them,) = ask(home, "2.9", rows=100).rows
    assert [row.counted for row in all_of_them.rows] == [True] * 26 + [False] * 4


def test_what_is_too_early_or_too_late_comes_first(home: Home) -> None:
    (arrival,) = ask(home, "1.1").rows
    assert [(row.institution_name, row.counted) for row in arrival.rows] == [
        ("己校", False),
        ("戊校", False),
        ("庚校", True),
    ]
    (evening,) = ask(home, "1.3").rows
    assert [(row.institution_name, row.cells[0].value) for row in evening.rows] == [
        ("丙校", "22:15"),
        ("乙校", "21:30"),
        ("甲校", "20:30"),
    ]
    assert (evening.total, evening.counted) == (3, 1)


def test_blank_answers_are_in_neither_part_and_counted_apart(home: Home) -> None:
    (rows,) = ask(home, "3.3").rows
    assert (rows.total, rows.counted, rows.unanswered) == (3, 3, 4)
    assert {row.institution_name for row in rows.rows} == {"戊校", "己校", "庚校"}


def test_a_count_names_each_institution(home: Home) -> None:
    (rows,) = ask(home, "2.6").rows
    assert [(r.institution_name, r.cells[0].cell, r.cells[0].value) for r in rows.rows] == [
        ("二园", "G3", "否")
    ]


def test_townships_stand_in_no_file_but_are_told_one_by_one(home: Home) -> None:
    found = ask(home, "2.4", HEISHAN, rows=1)
    (rows,) = found.rows
    assert (rows.total, rows.counted, len(rows.rows)) == (19, 0, 1)
    assert rows.rows[0].label and rows.rows[0].counted is False
    assert {r.column for r in found.submissions[0].sheets[0].ranges} >= {
        "township",
        "ownership",
        "licensed",
    }


def test_money_says_in_which_unit_it_was_written(home: Home) -> None:
    found = ask(home, "3.1")
    assert found.numerator == Decimal("1000.5001")
    (sheet,) = found.submissions[0].sheets
    money = sheet.ranges[1]
    assert (money.cells, money.submitted_in, money.kept_in) == ("B2", "元", "万元")
    (cell,) = found.rows[0].rows[0].cells
    assert (cell.cell, cell.value, cell.unit) == ("B2", "1000.5001", "万元")


def test_the_city_is_the_sum_of_the_units_that_enter(home: Home) -> None:
    found = ask(home, RATE, CITY)
    units = {unit.region_code: unit for unit in found.contributions}
    entering = [unit for unit in found.contributions if unit.enters]
    assert [unit.region_code for unit in entering] == [OWN, HEISHAN, YIXIAN]
    assert found.numerator == sum(u.numerator or 0 for u in entering) == 40 + 200 + 210
    assert found.denominator == sum(u.denominator or 0 for u in entering) == 250 + 200
    # The population that the municipal unit hands in is not expected of it.
    assert units[OWN].denominator is None and units[OWN].expected
    assert not any(s.region_code == OWN and s.form == "population" for s in found.submissions)
    assert found.rows[0].rows[0].region_code == HEISHAN
    assert {(m.region_code, m.form) for m in found.missing} >= {(GUTA, "kindergarten")}
    assert not any(m.region_code == HEISHAN for m in found.missing)


def test_a_unit_that_does_not_enter_is_shown_but_not_counted(home: Home) -> None:
    """On the first night Heishan has its 200 children, and no population."""
    found = ask(home, RATE, CITY, published=earlier(home))
    (heishan,) = [unit for unit in found.contributions if unit.region_code == HEISHAN]
    assert (heishan.numerator, heishan.denominator, heishan.enters) == (200, None, False)
    assert (found.numerator, found.denominator) == (40 + 180, 200)
    assert {row.region_code for row in found.rows[0].rows} == {OWN, YIXIAN}
    assert {used.region_code for used in found.submissions} == {OWN, YIXIAN}
    assert (HEISHAN, "population") in {(m.region_code, m.form) for m in found.missing}
    # 210701 and Yixian both hand in a kindergarten of one code.
    (twice,) = found.remarks
    assert twice.zh == "一园(1121000001)2020年由市直属、义县同时报送, 在本数值中重复计入2次"


def test_what_is_missing_is_named_with_what_was_sent_back(home: Home) -> None:
    found = ask(home, RATE, HEISHAN, published=earlier(home))
    assert (found.numerator, found.denominator, found.value) == (200, None, None)
    assert found.verdicts[0].status == "no_data"
    (missing,) = found.missing
    assert (missing.form_zh, missing.returned) == ("学龄人口表", ("2020年人口.csv",))
    assert found.remarks[0].zh == "没有数据: 缺黑山县的学龄人口表"
    (finding,) = found.findings
    assert (finding.cell, finding.severity, finding.touches) == ("B2", "error", True)


@pytest.mark.parametrize(
    ("indicator", "region", "status", "reason"),
    [
        (RATE, OWN, "not_applicable", "学龄人口表不要求市直属报送, 已知的部分只计入全市"),
        ("3.1", OWN, "not_applicable", "教育经费表不要求市直属报送"),
        ("2.19", YIXIAN, "not_applicable", "分母为0(义务教育阶段残疾儿童少年数)"),
        ("0.1", CITY, "not_due", ""),
        ("5.4", GUTA, "no_data", "没有填报"),
        ("6.1", YIXIAN, "no_data", "缺义县的安全与规范办学表"),
        ("2.17", GUTA, "not_applicable", "职业教育情况表不要求古塔区报送"),
    ],
)
def test_why_there_is_no_value(
    home: Home, indicator: str, region: str, status: str, reason: str
) -> None:
    found = ask(home, indicator, region)
    assert found.verdicts[0].status == status
    assert reason in "".join(remark.zh for remark in found.remarks)
    assert bool(found.remarks) == bool(reason)


def test_an_indicator_of_the_city_alone_rests_on_its_own_submission(home: Home) -> None:
    found = ask(home, "省内综合排名", "锦州")
    assert (found.region_code, found.value, found.contributions) == (CITY, 8, ())
    (row,) = found.rows[0].rows
    assert (row.region_code, row.label, row.contribution) == (OWN, "省内综合排名", 8)


def test_a_clause_that_never_falls_says_what_it_compared(home: Home) -> None:
    found = ask(home, "3.1", CITY)
    assert found.verdicts[0].threshold == 1000.5
    # One unit of nine says nothing of the city.
    assert found.verdicts[0].status == "insufficient"
    # The threshold rests on the file of the year before.
    assert {(used.form, used.year) for used in found.submissions} == {
        ("finance", 2020),
        ("finance", 2019),
    }
    assert all(used.sheets for used in found.submissions)
    assert any("2019年和2020年都有值的单位: 义县" in remark.zh for remark in found.remarks)
    before = ask(home, "3.1", YIXIAN, 2019)
    assert before.verdicts[0].status == "no_data"
    assert [remark.en for remark in before.remarks] == ["There is no value of 2018 to compare with"]


def test_how_the_figure_changed_from_publication_to_publication(home: Home) -> None:
    found = ask(home, RATE)
    (change,) = found.history
    assert (change.old_value, change.new_value) == (90, 105)
    assert (change.publication_id, found.since) == (found.publication_id, found.publication_id)
    assert (change.cause, change.file_name) == ("submission", "更正2020年.csv")
    untouched = ask(home, "2.9")
    assert untouched.history == () and untouched.since == first(home)


def test_a_past_publication_is_explained_by_its_own_rows(home: Home) -> None:
    found = ask(home, RATE, published=earlier(home))
    assert found.publication_id == first(home)
    assert (found.numerator, found.value, found.history) == (180, 90, ())
    assert [s.file_name for s in found.submissions] == ["报送.xlsx", "报送.xlsx"]
    assert found.submissions[0].path == f"{YIXIAN}/第一批/报送.xlsx"
    # The book has a column for the year in front.
    assert listed(found.rows[0]) == [
        ("二园", "M3", "120"),
        ("一园", "M2", "60"),
        ("三园", "M4", "0"),
    ]
    assert found.remarks == ()


def test_the_rows_add_up_to_every_published_figure(home: Home) -> None:
    """Of the city, so that units are added up as well (one alone has handed in any pay)."""
    indicators = home.ask("SELECT DISTINCT indicator_id FROM indicator_value ORDER BY ALL")
    assert len(indicators) > 40
    for (indicator,) in indicators:
        found = ask(home, indicator, CITY, rows=1000)
        assert not [remark for remark in found.remarks if "definition" in remark.en]
        for rows, figure in zip(found.rows, (found.numerator, found.denominator), strict=False):
            assert figure is None or sum(row.contribution or 0 for row in rows.rows) == figure


def test_a_product_of_totals_says_that_its_rows_do_not_add_up(make_home: MakeHome) -> None:
    home = make_home()
    pay = {"teacher_pay_total": 10, "teachers": 1, "civil_pay_total": 8, "civil_servants": 1}
    for unit in (YIXIAN, GUTA):
        home.sheet(unit, "salary", 2020, [pay])
    home.night()
    city = ask(home, "4.1", CITY)
    # (10 + 10) × (1 + 1), and not 10 × 1 + 10 × 1.
    assert (city.numerator, [r.contribution for r in city.rows[0].rows]) == (40, [10, 10])
    assert [remark.en.split(";")[0] for remark in city.remarks] == [
        "The numerator multiplies the totals over all rows",
        "The denominator multiplies the totals over all rows",
    ]
    assert not ask(home, "4.1", YIXIAN).remarks


def test_a_definition_that_has_changed_is_not_passed_over(home: Home) -> None:
    record = CATALOGUE.by_id[RATE].model_dump()
    record["denominator"]["rows"] = "age BETWEEN 3 AND 6"
    others = (i for i in CATALOGUE.indicators if i.indicator_id != RATE)
    catalogue = Catalogue(
        scopes=CATALOGUE.scopes,
        views=CATALOGUE.views,
        indicators=(Indicator.model_validate(record), *others),
    )
    (remark,) = ask(home, RATE, catalogue=catalogue).remarks
    assert "denominator 1,199; published was 200" in remark.en


@pytest.mark.parametrize(
    ("word", "found"),
    [
        (RATE, RATE),
        ("学前三年毛入园率", RATE),
        ("学前三年", RATE),
        ("毛入园", RATE),
        ("2.1", RATE),
        ("Gross enrolment rate of the three", RATE),
        ("２.１", RATE),
        ("dropouts", "dropouts"),
    ],
)
def test_an_indicator_may_be_named_in_many_ways(home: Home, word: str, found: str) -> None:
    assert ask(home, word).indicator_id == found


@pytest.mark.parametrize("word", ["210727", "义县", " 义 县 ", "义"])
def test_a_region_may_be_named_in_many_ways(home: Home, word: str) -> None:
    assert ask(home, RATE, word).region_code == YIXIAN


@pytest.mark.parametrize(
    ("indicator", "region", "year", "message"),
    [
        (
            "毛入",
            YIXIAN,
            2020,
            r"more than one indicator:\n.*毛入园率 \(2.1\)\n.*毛入学率 \(2.15\)$",
        ),
        ("大班比例", YIXIAN, 2020, r"no indicator '大班比例'; there are:\n.*大班额比例"),
        (RATE, "21070", 2020, r"more than one region:\n  210700 锦州市\n"),
        (RATE, "沈阳市", 2020, r"no region '沈阳市'; there are:(?s:.*)210727 义县"),
        (RATE, YIXIAN, 2017, "no figures for 2017, only for 2018 to 2020"),
        ("2.4", GUTA, 2020, "not published for 古塔区, only for 锦州市、黑山县、义县"),
        ("0.1", YIXIAN, 2020, "only for 锦州市"),
    ],
)
def test_what_is_not_there_or_not_unique_is_answered_with_what_is(
    home: Home, indicator: str, region: str, year: int, message: str
) -> None:
    with pytest.raises(CannotExplain, match=message):
        ask(home, indicator, region, year)


def test_it_is_made_of_what_json_knows_but_for_numbers_and_times(home: Home) -> None:
    kinds = {
        type(value)
        for value in walked(dataclasses.asdict(ask(home, RATE, CITY, published=earlier(home))))
    }
    assert {kind.__name__ for kind in kinds} <= {
        *("str", "int", "float", "bool", "NoneType"),
        *("Decimal", "datetime"),
    }
    assert json.dumps(dataclasses.asdict(ask(home, "2.9")), default=str)


def walked(tree: object) -> Iterator[object]:
    """The leaves of nested dictionaries and sequences."""
    if isinstance(tree, dict):
        for value in tree.values():
            yield from walked(value)
    elif isinstance(tree, tuple | list):
        for value in tree:
            yield from walked(value)
    else:
        yield tree


def test_nothing_is_written(home: Home) -> None:
    def state() -> dict[Path, bytes]:
        files = [path for path in home.root.rglob("*") if path.is_file()]
        return {path: hashlib.sha256(path.read_bytes()).digest() for path in files}

    before = state()
    ask(home, RATE, CITY)
    assert state() == before


def test_while_a_run_writes_it_says_so(home: Home) -> None:
    writer = (
        "import sys, duckdb; held = duckdb.connect(sys.argv[1]); print('open', flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", writer, str(home.settings.warehouse)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"open\n"
        with pytest.raises(WarehouseLocked, match="open in another process"):
            ask(home, RATE)
        process.communicate()
    assert ask(home, RATE).value == 105


def test_a_file_that_is_gone_is_named(home: Home, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such publication") as raised:
        ask(home, RATE, published=tmp_path / "none.duckdb")
    assert raised.value.filename == str(tmp_path / "none.duckdb")
    with pytest.raises(FileNotFoundError, match="makes it again from the archive"):
        explain(
            home.publication,
            tmp_path / "warehouse.duckdb",
            load_reference(home.root),
            CATALOGUE,
            RATE,
            YIXIAN,
            2020,
        )
