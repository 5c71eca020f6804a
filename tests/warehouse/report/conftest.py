"""A made-up publication of the real ten units, and the report written from it.

Figures are drawn from a fixed seed; the city is the sum of its units and verdicts follow the plan's
rules closely enough that every status occurs and no page contradicts itself. plan.csv lists the
clauses. Names hold what a hostile or careless submission might.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from warehouse.publication.reader import Reader
from warehouse.publication.tables import TABLES
from warehouse.report import write_report

HERE = Path(__file__).parent
YEARS = range(2018, 2023)
CITY = "210700"
UNITS = {
    "210701": ("市直属", "市直"),
    "210702": ("古塔区", "市辖区"),
    "210703": ("凌河区", "市辖区"),
    "210711": ("太和区", "市辖区"),
    "210726": ("黑山县", "县"),
    "210727": ("义县", "县"),
    "210781": ("凌海市", "县级市"),
    "210782": ("北镇市", "县级市"),
    "210791": ("松山新区", "功能区"),
    "210792": ("滨海新区", "功能区"),
}
VOCATIONAL = {"210726", "210727", "210781", "210782", "210701"}
COUNTIES = {"210726", "210727", "210781", "210782"}
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
FORMS = (
    "kindergarten",
    "school",
    "class",
    "population",
    "finance",
    "salary",
    "teacher",
    "special_group",
    "vocational",
    "safety",
    "milestone",
)
# The county that hands in no kindergartens in the last year, and one whose form came back.
SILENT = ("210792", "kindergarten", 2022)
RETURNED = ("210791", "school", 2022)

# What a later version adds to the published tables; the report shows it where it is there.
ADDITIONS = """
CREATE TABLE outlook (clause_id VARCHAR, region_code VARCHAR, year INTEGER, required_value DOUBLE,
  pace_per_year DOUBLE, projected_due_value DOUBLE, projected_year_met INTEGER,
  needed_per_year DOUBLE);
CREATE VIEW attainment_latest AS SELECT * FROM attainment WHERE year = 2022;
COMMENT ON COLUMN region.region_code IS '六位代码 <b>主键</b> / six-digit code';
COMMENT ON VIEW attainment_latest IS '最近一年的评判 / verdicts of the latest year';
"""


# A city whose units are not the same as the year before is not compared in this fixture.
LIKE_FOR_LIKE = """
INSERT INTO year_on_year BY NAME
SELECT a.clause_id, a.indicator_id, a.region_code, a.year, v.reporting_units AS units,
  v.numerator, v.denominator, v.value, b.numerator AS previous_numerator,
  b.denominator AS previous_denominator, b.value AS previous_value
FROM attainment a
JOIN indicator_value v USING (indicator_id, region_code, year)
JOIN attainment p ON p.clause_id = a.clause_id AND p.region_code = a.region_code AND p.year = a.year - 1
JOIN indicator_value b ON b.indicator_id = v.indicator_id AND b.region_code = v.region_code
  AND b.year = v.year - 1
WHERE v.value IS NOT NULL AND b.value IS NOT NULL AND v.reporting_units = b.reporting_units
  AND (a.status = 'monitored') = (p.status = 'monitored')
"""


# Schools answer the questions on arrival; in one unit and the city most of them are silent.
COVERAGE = """
UPDATE attainment SET reporting_units = v.reporting_units, expected_units = v.expected_units
FROM indicator_value v WHERE v.indicator_id = attainment.indicator_id
  AND v.region_code = attainment.region_code AND v.year = attainment.year;
UPDATE attainment SET asked = 38, answered = 38, gap_unit = '所学校'
WHERE clause_id = '1.1' AND region_code <> '210700';
UPDATE attainment SET answered = 1, status = 'insufficient'
WHERE clause_id = '1.1' AND region_code = '210726' AND year = 2022;
UPDATE attainment SET reporting_units = 3, status = 'insufficient'
WHERE clause_id = '2.13' AND region_code = '210700' AND year = 2022;
"""


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the published tables as the pipeline defines them, and what may come beside them."""
    for table in TABLES:
        columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
        connection.execute(f'CREATE TABLE "{table.name}" ({columns})')
    connection.execute("DROP TABLE IF EXISTS outlook")
    if not any(c.name == "explained" for t in TABLES if t.name == "finding" for c in t.columns):
        connection.execute("ALTER TABLE finding ADD COLUMN explained VARCHAR")
    connection.execute(ADDITIONS)


@dataclass(frozen=True)
class PlanClause:
    """A line of plan.csv."""

    clause_id: str
    indicator_id: str
    name_zh: str
    unit: str
    scale: float | None
    better: str
    kind: str
    comparator: str | None
    threshold: float | None
    due_year: int | None
    interpretation: bool
    forms: list[str]

    def units(self) -> list[str]:
        """Return the units in scope."""
        if self.clause_id == "0.1":
            return []
        return sorted(COUNTIES) if self.clause_id in ("2.4", "2.16") else list(UNITS)


def read_plan() -> list[PlanClause]:
    """Return the clauses of plan.csv."""
    with (HERE / "plan.csv").open(encoding="utf-8", newline="") as file:
        return [
            PlanClause(
                row["clause_id"],
                row["indicator_id"],
                row["name_zh"],
                row["unit"],
                float(row["scale"]) if row["scale"] else None,
                row["better"],
                row["kind"],
                row["comparator"] or None,
                float(row["threshold"]) if row["threshold"] else None,
                int(row["due_year"]) if row["due_year"] else None,
                row["interpretation"] == "yes",
                row["forms"].split(),
            )
            for row in csv.DictReader(file)
        ]


def expected(unit: str, form: str) -> bool:
    """Return whether a unit has to hand in a form (docs/contract.md, *Expected forms*)."""
    if form in ("population", "salary", "finance"):
        return unit != "210701"
    return form != "vocational" or unit in VOCATIONAL


def in_force(unit: str, form: str, year: int) -> bool:
    """Return whether the made-up unit's form of a year is in force."""
    return expected(unit, form) and (unit, form, year) not in (SILENT, RETURNED)


def parts(clause: PlanClause, unit: str, year: int, draw: random.Random) -> tuple[float, float]:
    """Return a made-up numerator and denominator."""
    size = 400 + int(unit) % 7 * 90
    if clause.scale is None:
        base = (
            60_000 + size * 70 + (year - 2018) * 2500
            if clause.unit == "万元"
            else draw.randint(0, 3)
        )
        return float(base + (draw.randint(-3000, 3000) if clause.unit == "万元" else 0)), 1.0
    if clause.unit == "元":
        return size * (1.1 + 0.06 * (year - 2018)) + draw.randint(-30, 30), float(size)
    if clause.unit == "倍":
        return size * (0.94 + 0.02 * (year - 2018) + draw.uniform(-0.03, 0.03)), float(size)
    if clause.clause_id == "1.3" and unit in ("210702", "210703"):
        return 0.0, 0.0
    if clause.better == "lower":
        share = max(0.0, 0.17 - 0.025 * (year - 2018) + draw.uniform(-0.03, 0.02))
    else:
        start = {"2.2": 0.36, "2.3": 0.7, "2.1": 0.8}.get(clause.clause_id, draw.uniform(0.8, 1.0))
        share = min(1.0, start + 0.035 * (year - 2018) + draw.uniform(-0.02, 0.03))
    if draw.random() < 0.35 and clause.better == "higher" and clause.kind == "standing":
        share = 1.0
    return float(round(size * share)), float(size)


def judge(
    clause: PlanClause, year: int, value: float | None, before: float | None, earlier: float | None
) -> tuple[float | None, str]:
    """Return threshold and status (docs/plan.md, *Verdicts*) of a value that is there."""
    assert value is not None
    if clause.kind == "monitor":
        return None, "monitored"
    if clause.kind == "never_falls":
        return before, "no_data" if before is None else ("met" if value >= before else "not_met")
    assert clause.threshold is not None
    up = clause.comparator == ">="
    reached = value >= clause.threshold if up else value <= clause.threshold
    if clause.kind == "standing":
        if year == 2018:
            return clause.threshold, "monitored"
        return clause.threshold, "met" if reached else "not_met"
    if reached:
        return clause.threshold, "met"
    assert clause.due_year is not None
    if year >= clause.due_year:
        return clause.threshold, "not_met"
    if clause.kind == "milestone" or earlier is None or year == 2018:
        return clause.threshold, "not_due"
    line = earlier + (clause.threshold - earlier) * (year - 2018) / (clause.due_year - 2018)
    ahead = value >= line if up else value <= line
    return clause.threshold, "on_track" if ahead else "off_track"


def fill(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill the tables that `create` made."""
    draw = random.Random(7)
    plan = read_plan()
    connection.execute("INSERT INTO region VALUES (?, '锦州市', 'city', NULL, '地级市')", [CITY])
    connection.executemany(
        "INSERT INTO region VALUES (?, ?, 'reporting_unit', '210700', ?)",
        [(code, name, kind) for code, (name, kind) in UNITS.items()],
    )
    connection.executemany(
        "INSERT INTO indicator VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                c.indicator_id,
                c.name_zh,
                c.indicator_id.replace("_", " ").capitalize(),
                c.unit,
                c.scale,
                c.better,
                c.clause_id[0],
                f"{c.name_zh}的分子",
                f"{c.name_zh}的分母" if c.scale else None,
                " / ".join(f"sum(x) FROM {form}" for form in c.forms),
            )
            for c in plan
        ],
    )
    connection.executemany(
        "INSERT INTO clause (clause_id, indicator_id, section, kind, comparator, threshold,"
        " due_year, effective_from, scope, interpretation, basis_zh, basis_en, statement_zh,"
        " statement_en, source) VALUES (?,?,?,?,?,?,?,2018,'all',?,?,?,?,?,?)",
        [
            (
                c.clause_id,
                c.indicator_id,
                c.clause_id[0],
                c.kind,
                c.comparator,
                c.threshold,
                c.due_year,
                c.interpretation,
                "规划原文为“基本”，数值依国家标准" if c.interpretation else None,
                "the national measure" if c.interpretation else None,
                f"规划要求：{c.name_zh}达到目标。",
                f"The plan asks for: {c.indicator_id.replace('_', ' ')}.",
                "锦州市教育发展规划 2019–2025",
            )
            for c in plan
        ],
    )
    _fill_figures(connection, plan, draw)
    connection.execute(LIKE_FOR_LIKE)
    _fill_reports(connection, draw)
    _fill_shortfalls(connection, draw)
    _fill_history(connection)


def _fill_figures(
    connection: duckdb.DuckDBPyConnection, plan: list[PlanClause], draw: random.Random
) -> None:
    values, verdicts, outlooks = [], [], []
    for clause in plan:
        history: dict[str, dict[int, float]] = {}
        for year in YEARS:
            told: dict[str, tuple[float, float]] = {}
            for unit in clause.units():
                if all(in_force(unit, form, year) for form in clause.forms):
                    told[unit] = parts(clause, unit, year, draw)
            wanted = [u for u in clause.units() if any(expected(u, f) for f in clause.forms)]
            rows: list[tuple[str, tuple[float, float] | None, int, int]] = [
                (u, told.get(u), int(u in told), int(u in wanted)) for u in clause.units()
            ]
            if clause.clause_id == "0.1":
                total: tuple[float, float] | None = (float(9 - (year - 2018)), 1.0)
            else:
                whole = sum(d for _, d in told.values()) if clause.scale else float(bool(told))
                total = (sum(n for n, _ in told.values()), whole)
            if clause.clause_id == "2.2" and year == 2022:
                total = (4996.0, 10000.0)
            rows.append((CITY, total, len(told) or 1, len(wanted) or 1))
            for region, pair, came, due in rows:
                numerator, denominator = pair or (None, None)
                value = None
                if numerator is not None and denominator:
                    value = (clause.scale or 1) * numerator / denominator
                values.append(
                    (
                        clause.indicator_id,
                        region,
                        year,
                        numerator,
                        denominator if clause.scale else None,
                        value,
                        came,
                        due,
                    )
                )
                past = history.setdefault(region, {})
                threshold, gap, quantity = clause.threshold, None, None
                if value is None:
                    absent = region in UNITS and not any(expected(region, f) for f in clause.forms)
                    status = "not_applicable" if pair or absent else "no_data"
                else:
                    earlier = past[min(past)] if past else None
                    threshold, status = judge(clause, year, value, past.get(year - 1), earlier)
                    past[year] = value
                    if threshold is not None:
                        short = (
                            threshold - value if clause.comparator == ">=" else value - threshold
                        )
                        gap = max(0.0, short)
                        assert denominator is not None
                        quantity = round(gap * denominator / (clause.scale or 1) + 0.49)
                unit = {
                    "%": "个班" if clause.forms == ["class"] else "个学位",
                    "倍": "万元",
                    "元": "万元",
                }.get(clause.unit, clause.unit)
                verdicts.append(
                    (
                        clause.clause_id,
                        clause.indicator_id,
                        region,
                        year,
                        value,
                        threshold,
                        status,
                        gap,
                        quantity,
                        unit if quantity is not None else None,
                    )
                )
        if clause.kind == "level" and clause.due_year:
            assert clause.threshold is not None
            figures = history[CITY]
            pace = (figures[2022] - figures[2018]) / 4
            ahead = figures[2022] + pace * (clause.due_year - 2022)
            outlooks.append(
                (clause.clause_id, CITY, 2022, 97.123, pace, ahead, 2026, clause.threshold - ahead)
            )
    connection.executemany(
        "INSERT INTO indicator_value (indicator_id, region_code, year, numerator, denominator,"
        " value, reporting_units, expected_units) VALUES (?,?,?,?,?,?,?,?)",
        values,
    )
    connection.executemany(
        "INSERT INTO attainment (clause_id, indicator_id, region_code, year, value, threshold,"
        " status, gap, gap_quantity, gap_unit) VALUES (?,?,?,?,?,?,?,?,?,?)",
        verdicts,
    )
    connection.execute(COVERAGE)
    connection.executemany("INSERT INTO outlook VALUES (?,?,?,?,?,?,?,?)", outlooks)


def _fill_reports(connection: duckdb.DuckDBPyConnection, draw: random.Random) -> None:
    submissions, reporting, findings = [], [], []
    for year in YEARS:
        for unit, (name, _) in UNITS.items():
            for form in FORMS:
                key = (unit, form, year)
                due = expected(unit, form)
                received = due and key != SILENT
                accepted = in_force(*key)
                late = draw.random() < 0.1
                when = datetime(year, 10, 14, 1, 30) + timedelta(days=30 if late else 0)
                reporting.append(
                    (
                        unit,
                        form,
                        year,
                        int(due),
                        int(received),
                        int(accepted),
                        int(accepted and not late),
                        when if received else None,
                    )
                )
                if not received:
                    continue
                warned = draw.random() < 0.15
                status = "returned"
                if accepted:
                    status = "accepted_with_warnings" if warned else "accepted"
                rows = draw.randint(1, 400)
                sid = f"{unit}-{form}-{year}"
                submissions.append(
                    (
                        sid,
                        unit,
                        form,
                        year,
                        f"{name}/{year}年{form}.xlsx",
                        f"{len(submissions):064x}",
                        when,
                        status,
                        rows + 4,
                        rows if accepted else 0,
                        0 if accepted else rows,
                        4,
                        0 if accepted else 2,
                        int(warned),
                    )
                )
                if status == "accepted":
                    continue
                severity = "error" if status == "returned" else "warning"
                findings.append(
                    (
                        sid,
                        unit,
                        form,
                        year,
                        severity,
                        "E_not_a_number" if severity == "error" else "W_far_from_last_year",
                        "小学",
                        "E14",
                        14,
                        "students",
                        draw.choice(NASTY_NAMES),
                        f"{form} 表“小学”E14 单元格：“五十二人<b>”不是数字，请填 52。",
                        f'{form} sheet "小学", cell E14: "五十二人<b>" is not a number; write 52.',
                        1,
                        "新校区投用 <i>已核实</i>" if severity == "warning" and warned else None,
                    )
                )
    # A newer version replaced this one, and one file could not be opened at all.
    submissions.append(
        (
            "old",
            "210726",
            "school",
            2022,
            "旧版.xls",
            "f" * 64,
            datetime(2022, 9, 1),
            "superseded",
            120,
            116,
            0,
            4,
            0,
            0,
        )
    )
    submissions.append(
        (
            "bad",
            None,
            None,
            None,
            "<img src=x>.xlsx",
            "e" * 64,
            datetime(2022, 9, 2),
            "returned",
            0,
            0,
            0,
            0,
            1,
            0,
        )
    )
    findings.append(
        ("bad", None, None, None, "error", "E_unreadable")
        + (None,) * 5
        + ("文件打不开，请重新保存。", "The file cannot be opened; save it again.", 0, None)
    )
    connection.executemany(f"INSERT INTO submission VALUES ({','.join('?' * 14)})", submissions)
    connection.executemany("INSERT INTO reporting VALUES (?,?,?,?,?,?,?,?)", reporting)
    connection.executemany(f"INSERT INTO finding VALUES ({','.join('?' * 15)})", findings)


def _fill_shortfalls(connection: duckdb.DuckDBPyConnection, draw: random.Random) -> None:
    rows = []
    unmet = connection.execute(
        "SELECT clause_id, region_code FROM attainment WHERE year = 2022 AND status = 'not_met'"
        " AND region_code <> ? AND clause_id IN ('1.1', '1.2', '2.9', '2.10', '2.11', '2.13')"
        " ORDER BY ALL",
        [CITY],
    ).fetchall()
    for clause, unit in unmet:
        for i in range(110 if clause == "2.10" else 9):
            size = draw.randint(51, 78)
            told = (
                ("07:40", "到校时间 07:40")
                if clause.startswith("1.")
                else (str(size), f"{size} 人的班")
            )
            form = "school" if clause.startswith("1.") else "class"
            name = NASTY_NAMES[i] if i < len(NASTY_NAMES) else f"{UNITS[unit][0]}第{i}小学"
            rows.append(
                (
                    clause,
                    unit,
                    2022,
                    f"21210{unit[3:]}{i:02d}",
                    name,
                    told[1],
                    told[0],
                    f"{unit}-{form}-2022",
                    "小学",
                    i + 5,
                )
            )
    connection.executemany("INSERT INTO shortfall VALUES (?,?,?,?,?,?,?,?,?,?)", rows)


def _fill_history(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "INSERT INTO publication VALUES"
        " ('p-0001', '2022-11-01 18:00', NULL, '0.1.0', 'abc123', 480, 0, true),"
        " ('p-0002', '2022-11-02 18:00', 'p-0001', '0.1.0', 'abc123', 481, 3, false)"
    )
    connection.execute(
        "INSERT INTO revision VALUES"
        " ('p-0001', 'dropouts', '210726', 2019, 1, 2, 'not_met', 'not_met', NULL, '2.21'),"
        " ('p-0002', 'public_kindergarten_enrolment_share', '210700', 2022, 50.2, 49.96, 'met',"
        "  'not_met', '210726-kindergarten-2022', '2.2'),"
        " ('p-0002', 'large_class_share', '210726', 2022, NULL, 7.25, 'no_data', 'not_met',"
        "  '210726-class-2022', '2.9'),"
        " ('p-0002', 'large_class_share', '210727', 2021, 6.04, 6.01, 'not_met', 'not_met', 'bad', '2.9')"
    )


@pytest.fixture(scope="session")
def publication_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a filled publication as a DuckDB file."""
    path = tmp_path_factory.mktemp("publication") / "indicators.duckdb"
    with duckdb.connect(str(path)) as connection:
        create(connection)
        fill(connection)
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
            "properties": {"adcode": code, "name": UNITS[code][0], "pinyin": pinyin},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[w, s], [e, s], [e, n], [w, n], [w, s]]],
            },
        }
        for code, (pinyin, (w, s, e, n)) in names.items()
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
