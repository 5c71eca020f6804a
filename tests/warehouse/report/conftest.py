"""The report of a small real city: ten units, five years, three nights of the real steps.

What the tests look for is in the files that are handed in: a figure just short of its target, a unit
that is silent, a form that came back, schools and units that leave blanks, corrections of two nights.
The report must stand more than the gate lets through, too: names that are markup or formulas are
written into a copy of the publication.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Home, MakeHome, Row, csv_bytes
from warehouse.publication.reader import Reader
from warehouse.report import write_report

YEARS = range(2018, 2023)
OWN, HEISHAN, SONGSHAN, BINHAI = "210701", "210726", "210791", "210792"
COUNTIES = ("210726", "210727", "210781", "210782")
UNITS = (OWN, "210702", "210703", "210711", *COUNTIES, SONGSHAN, BINHAI)
SCHOOLS = range(1, 11)
#: The schools of 黑山县 in 2022; one of them says when its pupils arrive.
SILENT_SCHOOLS = 38
NASTY_NAMES = [
    "<script>alert('x')</script>小学",
    "</script><img src=x onerror=alert(1)>",
    '=HYPERLINK("http://evil.example/","点我")',
    "@SUM(A1:A9)",
    "-2+3+cmd|' /C calc'!A0",
    "＝1+1学校",
    "\"引号\"与'撇号'&实验\u2028学校",
    "锦州市第一小学",
]

# What no gate lets through, and what other programs may have written into a publication.
HOSTILE = """
UPDATE finding SET explained = '新校区投用 <i>已核实</i>' WHERE region_code = '210702';
UPDATE publication SET sample = true WHERE previous_id IS NULL;
COMMENT ON COLUMN region.region_code IS '六位代码 <b>主键</b> / six-digit code';
COMMENT ON VIEW attainment_latest IS '最近一年的评判 / verdicts of the latest year';
UPDATE shortfall SET institution_name = $1[row % 8 + 1]
WHERE (clause_id, region_code) = ('2.9', '210726');
"""


def code(number: int) -> str:
    return f"21210{number:05d}"


def kindergartens(unit: str, year: int, public: int | None = None) -> list[Row]:
    """4,996 of 10,000 children of 2022 are in public ones: 60 of 100 in each unit, fewer in one."""
    whole, theirs = (9200, 4516) if unit == HEISHAN else (100, 60)
    theirs = theirs if public is None else public
    theirs -= (2022 - year) * whole // 20
    return [
        {"ownership": "公办", "children_enrolled": theirs},
        {"ownership": "民办", "children_enrolled": whole - theirs},
    ]


def schools(unit: str, year: int) -> list[Row]:
    """From two in ten on, digital teaching comes to one more school a year or to one in three years."""
    many = range(1, SILENT_SCHOOLS + 1) if (unit, year) == (HEISHAN, 2022) else SCHOOLS
    digital = 2 + (year - 2018) * (3 if int(unit) % 2 else 1) // 2
    return [
        {
            "institution_code": code(number),
            "primary_students": "五十二人<b>" if (unit, year) == (SONGSHAN, 2022) else 40,
            "digital_teaching": number <= digital,
            "arrival_time": "7:50" if many is SCHOOLS or number == 1 else None,
        }
        for number in many
    ]


def classes(unit: str, year: int) -> list[Row]:
    """A dozen; the later the year, the fewer of them are large."""
    large = 12 if unit == HEISHAN else max(0, 2020 - year + int(unit) % 3)
    return [
        {
            "institution_code": code(number % len(SCHOOLS) + 1),
            "stage": "小学",
            "class_name": f"{number}班",
            "students": 56 + number if number < large else 40,
        }
        for number in range(12)
    ]


def forms(unit: str, year: int) -> dict[str, list[Row]]:
    """What a unit hands in for a year."""
    given: dict[str, list[Row]] = {
        "kindergarten": kindergartens(unit, year, 4540 if unit == HEISHAN else None),
        "school": schools(unit, year),
        "class": classes(unit, year),
        "teacher": [{"full_time_teachers": 10, "eligible_rotation": 10, "rotated": 2}],
        "special_group": [{"dropouts": 1, "aid_eligible": 10, "aid_received": 10}],
        "safety": [{"hazards_found": 4, "hazards_fixed": 4}],
        "milestone": [{"item": "省内综合排名", "status": "进行中", "quantity": 2027 - year}],
    }
    if unit != OWN:
        money = {"budget_expenditure": 1000 + year + int(unit) % 7, "students_average": 500}
        pay = {"teacher_pay_total": 80, "teachers": 10, "civil_pay_total": 78, "civil_servants": 10}
        given["population"] = [{"age": age, "population": 4 * age} for age in range(3, 18)]
        given["finance"] = [{"stage": stage, **money} for stage in ("合计", "小学")]
        given["salary"] = [pay]
    if unit in (OWN, *COUNTIES):
        given["vocational"] = [{"kind": "县级职教中心", "transformed": year > 2020}]
    if (unit, year) == (BINHAI, 2022):
        del given["kindergarten"]
    if year == 2022 and unit not in UNITS[:3]:
        del given["special_group"]
    return given


def correct(home: Home, form: str, year: int, rows: list[Row]) -> None:
    home.sheet(
        HEISHAN, form, year, rows, name=f"更正{year}年{form}.csv", received="2022-12-01 00:00"
    )


@pytest.fixture(scope="session")
def city(make_home: MakeHome) -> Home:
    """The city after its three nights; without pages."""
    home = make_home()
    for unit in UNITS:
        home.book(unit, {year: forms(unit, year) for year in YEARS}, received="2022-10-15 02:00")
    header, *lines = csv_bytes("population", forms("210702", 2022)["population"]).splitlines()
    lines = [header + ",校长室电话".encode(), *(line + b"," for line in lines)]
    home.deliver("210702/人口2022年.csv", b"\n".join(lines), "2022-11-01 02:00")
    home.deliver("无此单位/<img src=x>.xlsx", b"no workbook")
    home.night()
    correct(home, "special_group", 2019, [{"dropouts": 2, "aid_eligible": 10, "aid_received": 10}])
    home.night()
    correct(home, "kindergarten", 2022, kindergartens(HEISHAN, 2022))
    home.night()
    return home


@pytest.fixture(scope="session")
def publication_file(city: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The publication with what no gate lets through."""
    path = tmp_path_factory.mktemp("publication") / "indicators.duckdb"
    shutil.copyfile(city.publication, path)
    with duckdb.connect(str(path)) as connection:
        *statements, names = HOSTILE.strip().removesuffix(";").split(";\n")
        for statement in statements:
            connection.execute(statement)
        connection.execute(names, [NASTY_NAMES])
    return path


@pytest.fixture
def connection(publication_file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a read-only connection to the publication, which no code may write to."""
    with duckdb.connect(str(publication_file), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a reference folder with boundaries of seven units; two are too small for a label."""
    folder = tmp_path_factory.mktemp("reference")
    (folder / "counties.geojson").write_text(boundaries(), "utf-8")
    return folder


@pytest.fixture(scope="session")
def report(
    publication_file: Path, reference: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the folder of the report."""
    out = tmp_path_factory.mktemp("published") / "report"
    with duckdb.connect(str(publication_file), read_only=True) as connection:
        write_report(Reader(connection), out, reference)
    return out


def boundaries() -> str:
    """Return a GeoJSON text: five large rectangles in a row, two small ones above them."""
    names = {
        "210702": ("Gŭtă Qū", (121.0, 41.55, 121.05, 41.6)),
        "210703": ("Línghé Qū", (121.06, 41.55, 121.11, 41.6)),
        "210711": ("Tàihé Qū", (121.0, 41.0, 121.3, 41.5)),
        "210726": ("Hēishān Xiàn", (121.3, 41.0, 121.6, 41.5)),
        "210727": ("Yì Xiàn", (121.6, 41.0, 121.9, 41.5)),
        "210781": ("Línghăi Shì", (121.9, 41.0, 122.2, 41.5)),
        "210782": ("Bĕizhèn Shì", (122.2, 41.0, 122.5, 41.5)),
    }
    features = [
        {
            "type": "Feature",
            "properties": {"adcode": code, "name": code, "pinyin": pinyin},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[w, s], [e, s], [e, n], [w, n], [w, s]]],
            },
        }
        for code, (pinyin, (w, s, e, n)) in names.items()
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
