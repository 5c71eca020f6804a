"""The views of a publication: the joins and pivots that people would otherwise write again.

A view is stored in the published file as text that every reader's DuckDB parses and binds anew.
So it speaks of the file's own tables alone, without a catalogue (the file may be opened under any
name) and in SQL that DuckDB 1.0 understands. Wording of a column that a table has too is taken from
:mod:`warehouse.publication.tables`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb

from transforms.records import Field
from warehouse.coverage import sentence
from warehouse.publication.reader.queries import CLAUSE_ORDER, VINTAGE, YEARS, standings
from warehouse.publication.star import STAR
from warehouse.publication.tables import PublishedTable, table_named
from warehouse.sql import literal
from warehouse.wording import STATUS_MEANINGS, STATUSES

_PLAN_ORDER = Field(
    "plan_order",
    "BIGINT",
    "顺序: 条款的先后, 用于排序(2.10排在2.9之后)",
    "Place of the clause in the plan, to sort by (2.10 comes after 2.9)",
)


#: What a clause's field of work is called; NULL where the plan names none.
_SECTION_NAMES = (
    Field("section_zh", "VARCHAR", "工作领域名称", "Field of work, in Chinese"),
    Field("section_en", "VARCHAR", "工作领域英文名称", "Field of work, in English"),
)


def _of(table: str, *names: str) -> tuple[Field, ...]:
    """Return columns of a published table, with its types and wording."""
    return table_named(table).pick(*names)


_COVERAGE_ZH, _COVERAGE_EN = sentence("a")
_COVERAGE = (
    Field(
        "coverage_zh",
        "VARCHAR",
        "报送和填报的缺口, 一句话; 全部报齐并填报为空",
        "What is missing behind the verdict, in a Chinese sentence; NULL where all is there",
    ),
    Field(
        "coverage_en",
        "VARCHAR",
        "报送和填报的缺口, 一句英文; 全部报齐并填报为空",
        "What is missing behind the verdict, in a sentence; NULL where all is there",
    ),
)

#: Of a region above the units: how they stand, NULL for a unit.
_UNITS = (
    Field(
        "units_judged",
        "BIGINT",
        "下属单位中有判定的单位数, 单位本身为空",
        "Units below the region that have a verdict, NULL for a unit",
    ),
    Field(
        "units_met",
        "BIGINT",
        "下属单位中达标的单位数, 单位本身为空",
        "Units below the region that meet the clause, NULL for a unit",
    ),
    Field(
        "against_most_units",
        "BOOLEAN",
        "该地区的判定是否与多数下属单位相反(达标而多数单位未达标, 或相反)",
        "Whether the region meets what most of its units miss, or the reverse",
    ),
)


def _count(name: str, zh: str, en: str) -> Field:
    return Field(name, "BIGINT", f"单位数: {zh}", f"Units: {en}")


_COUNTS = ",\n    ".join(
    f"count(*) FILTER (WHERE r.level = 'reporting_unit' AND a.status = {literal(status)}) AS {status}"
    for status in STATUSES
)

_STATUS_ZH, _STATUS_EN = (
    f"CASE a.status {' '.join(f'WHEN {literal(s)} THEN {literal(t)}' for s, t in words)} END"
    for words in (
        [(status, text.zh) for status, text in STATUSES.items()],
        [(status, text.en) for status, text in STATUSES.items()],
    )
)

#: The views whose columns are the same in every publication.
VIEWS: tuple[PublishedTable, ...] = (
    PublishedTable(
        "year_coverage",
        "各年度的报送情况: 每行一个年度; 报告所述年度是半数以上应报报表已接收的最近一年",
        "Coverage of the years: each row is a year; the one in focus is the latest for which at"
        " least half of the expected forms are in force",
        (
            *_of("attainment", "year"),
            Field(
                "forms_in_force",
                "BIGINT",
                "应报报表中已接收的份数",
                "Expected forms that are in force",
            ),
            Field("expected_forms", "BIGINT", "应报报表份数", "Forms that are expected"),
            Field(
                "in_focus",
                "BOOLEAN",
                "是否为报告、终端和最近年度视图所述的年度",
                "Whether this is the year that report, terminal and attainment_latest are about",
            ),
        ),
        YEARS,
    ),
    PublishedTable(
        "vintage",
        "历次发布的数: 每行一个指标(及条款)、地区和年度自某次发布起的数和判定",
        "Figures as they were published: each row is an indicator (and clause), region and year as it"
        " stood from a publication on",
        (
            *_of("indicator", "indicator_id"),
            Field(
                "clause_id",
                "VARCHAR",
                "条款编号, 没有条款的指标为空",
                "Clause; NULL for an indicator without one",
            ),
            *_of("region", "region_code"),
            *_of("indicator_value", "year"),
            *_of("publication", "publication_id", "published_at"),
            Field(
                "state",
                "VARCHAR",
                "当时的状态: preliminary 初步, final 定稿, revised 定稿后修订",
                "preliminary, final or revised: what the year was then",
            ),
            *_of("indicator_value", "value"),
            *_of("attainment", "status"),
        ),
        VINTAGE,
    ),
    PublishedTable(
        "attainment_latest",
        "最近年度达标情况: 每行一条条款和一个地区; 最近年度指半数以上应报报表已接收的最近一年",
        "Latest attainment: each row is a clause and a region in the latest year for which at least"
        " half of the expected forms are in force",
        (
            *_of("clause", "clause_id"),
            _PLAN_ORDER,
            *_of("clause", "section"),
            *_SECTION_NAMES,
            *_of("clause", "kind", "statement_zh", "statement_en"),
            *_of("indicator", "indicator_id", "name_zh", "name_en", "unit"),
            *_of("clause", "comparator", "due_year", "interpretation", "basis_zh", "basis_en"),
            *_of("region", "region_code", "region_name", "region_name_en", "level"),
            *_of("attainment", "year", "value", "threshold", "status"),
            Field("status_zh", "VARCHAR", "判定的中文名称", "Verdict in Chinese"),
            Field("status_en", "VARCHAR", "判定的英文名称", "Verdict in English"),
            *_of("attainment", "gap", "gap_quantity", "gap_unit"),
            *_of("attainment", "reporting_units", "expected_units", "asked", "answered"),
            *_COVERAGE,
            *_UNITS,
            *_of("year_on_year", "previous_value", "change", "direction"),
        ),
        f"""
SELECT c.clause_id, c.plan_order, c.section, s.name_zh AS section_zh, s.name_en AS section_en,
    c.kind, c.statement_zh, c.statement_en,
    i.indicator_id, i.name_zh, i.name_en, i.unit,
    c.comparator, c.due_year, c.interpretation, c.basis_zh, c.basis_en,
    r.region_code, r.region_name, r.region_name_en, r.level,
    a.year, a.value, a.threshold, a.status, {_STATUS_ZH} AS status_zh,
    {_STATUS_EN} AS status_en, a.gap, a.gap_quantity, a.gap_unit,
    a.reporting_units, a.expected_units, a.asked, a.answered,
    {_COVERAGE_ZH} AS coverage_zh, {_COVERAGE_EN} AS coverage_en,
    u.units_judged, u.units_met, coalesce(u.against_most_units, false) AS against_most_units,
    y.previous_value, y.change, y.direction
FROM attainment AS a
JOIN ({YEARS}) AS years ON years.year = a.year AND years.in_focus
JOIN ({CLAUSE_ORDER}) AS c ON c.clause_id = a.clause_id
JOIN indicator AS i ON i.indicator_id = a.indicator_id
JOIN region AS r ON r.region_code = a.region_code
LEFT JOIN section AS s ON s.section = c.section
LEFT JOIN ({standings()}) AS u ON u.clause_id = a.clause_id
    AND u.region_code = a.region_code AND u.year = a.year
LEFT JOIN year_on_year AS y ON y.clause_id = a.clause_id
    AND y.region_code = a.region_code AND y.year = a.year
""",
    ),
    PublishedTable(
        "plan_progress",
        "进展: 每行一条条款和一个年度, 各判定的单位数(不含全市)",
        "Progress of the plan: each row is a clause and a year, with the number of units (the city"
        " left out) by verdict",
        (
            *_of("clause", "clause_id"),
            _PLAN_ORDER,
            *_of("clause", "section"),
            *_SECTION_NAMES,
            *_of("clause", "kind", "statement_zh", "statement_en"),
            *_of("indicator", "indicator_id", "name_zh", "name_en", "unit"),
            *_of("clause", "comparator", "threshold", "due_year"),
            *_of("clause", "interpretation", "basis_zh", "basis_en"),
            *_of("attainment", "year"),
            *(
                _count(
                    status,
                    f"{text.zh}({STATUS_MEANINGS[status].zh})",
                    f"{text.en.lower()} ({STATUS_MEANINGS[status].en})",
                )
                for status, text in STATUSES.items()
            ),
            _count("units", "适用范围内的单位总数", "all in the clause's scope"),
        ),
        f"""
SELECT c.clause_id, c.plan_order, c.section, s.name_zh AS section_zh, s.name_en AS section_en,
    c.kind, c.statement_zh, c.statement_en,
    i.indicator_id, i.name_zh, i.name_en, i.unit,
    c.comparator, c.threshold, c.due_year, c.interpretation, c.basis_zh, c.basis_en,
    a.year,
    {_COUNTS},
    count(*) FILTER (WHERE r.level = 'reporting_unit') AS units
FROM attainment AS a
JOIN ({CLAUSE_ORDER}) AS c ON c.clause_id = a.clause_id
JOIN indicator AS i ON i.indicator_id = a.indicator_id
JOIN region AS r ON r.region_code = a.region_code
LEFT JOIN section AS s ON s.section = c.section
GROUP BY ALL
""",
    ),
    PublishedTable(
        "trend",
        "趋势: 每行一个指标、地区和年度; 与上年相比的变化只在可比时给出, 且只含两年都计入的单位",
        "Trend: each row is an indicator, a region and a year; the change on the year before only"
        " where the two can be compared, and over the units that enter in both",
        (
            *_of("indicator", "indicator_id", "name_zh", "name_en", "unit", "better", "section"),
            *_of("region", "region_code", "region_name", "region_name_en", "level"),
            *_of("indicator_value", "year", "numerator", "denominator", "value"),
            *_of("year_on_year", "previous_value", "change", "direction"),
        ),
        """
SELECT i.indicator_id, i.name_zh, i.name_en, i.unit, i.better, i.section,
    r.region_code, r.region_name, r.region_name_en, r.level,
    v.year, v.numerator, v.denominator, v.value,
    y.previous_value, y.change, y.direction
FROM indicator_value AS v
JOIN indicator AS i ON i.indicator_id = v.indicator_id
JOIN region AS r ON r.region_code = v.region_code
LEFT JOIN (
    SELECT DISTINCT indicator_id, region_code, year, previous_value, change, direction
    FROM year_on_year
) AS y ON y.indicator_id = v.indicator_id AND y.region_code = v.region_code AND y.year = v.year
""",
    ),
    PublishedTable(
        "trend_as_now",
        "现行区划下的趋势: 每行一个指标、地区和年度; 已并入的单位不再列出, 并入前的年度与接收单位合并计算",
        "Trend by the regions of today: each row is an indicator, a region and a year; units that were"
        " merged are not listed, and their earlier years are taken together with those of the unit"
        " that they are part of now",
        (
            *_of("indicator", "indicator_id", "name_zh", "name_en", "unit", "better", "section"),
            *_of("region", "region_code", "region_name", "region_name_en", "level"),
            *_of("indicator_value", "year", "numerator", "denominator", "value"),
        ),
        """
WITH as_now AS (
    SELECT indicator_id, region_code, year, numerator, denominator, value
    FROM indicator_value_as_now
    UNION ALL
    SELECT indicator_id, region_code, year, numerator, denominator, value
    FROM indicator_value AS v
    WHERE NOT EXISTS (
        SELECT 1 FROM indicator_value_as_now AS n
        WHERE n.indicator_id = v.indicator_id AND n.region_code = v.region_code AND n.year = v.year
    )
)
SELECT i.indicator_id, i.name_zh, i.name_en, i.unit, i.better, i.section,
    r.region_code, r.region_name, r.region_name_en, r.level, v.year, v.numerator, v.denominator, v.value
FROM as_now AS v
JOIN indicator AS i ON i.indicator_id = v.indicator_id
JOIN region AS r ON r.region_code = v.region_code
WHERE r.successor IS NULL
""",
    ),
    *STAR,
)


def county_scorecard(indicators: Sequence[tuple[str, str, str, str]]) -> PublishedTable:
    """Return the view with a column for each of ``indicators``: id, Chinese name, English name, unit.

    A column is called as its indicator and holds the value in the indicator's unit.
    """
    values = "".join(
        f",\n    max(v.value) FILTER (WHERE v.indicator_id = {literal(identifier)})"
        f" AS {_name(identifier)}"
        for identifier, *_ in indicators
    )
    return PublishedTable(
        "county_scorecard",
        "地区记分卡: 每行一个地区和年度, 每个指标一列",
        "Scorecard: each row is a region and a year, with a column for every indicator",
        (
            *_of("region", "region_code", "region_name", "region_name_en", "level", "kind"),
            *_of("indicator_value", "year"),
            *(
                Field(identifier, "DOUBLE", f"{zh}({unit})", f"{en} ({unit})")
                for identifier, zh, en, unit in indicators
            ),
        ),
        f"""
SELECT r.region_code, r.region_name, r.region_name_en, r.level, r.kind, v.year{values}
FROM indicator_value AS v
JOIN region AS r ON r.region_code = v.region_code
GROUP BY r.region_code, r.region_name, r.region_name_en, r.level, r.kind, v.year
""",
    )


def views_of(connection: duckdb.DuckDBPyConnection) -> tuple[PublishedTable, ...]:
    """Return every view of the publication that ``connection`` uses; its indicators in plan order."""
    indicators = connection.execute(
        f"SELECT i.indicator_id, i.name_zh, i.name_en, i.unit FROM indicator AS i"
        f" LEFT JOIN ({CLAUSE_ORDER}) AS c USING (indicator_id)"
        " GROUP BY ALL ORDER BY min(c.plan_order), i.indicator_id"
    ).fetchall()
    return (county_scorecard(indicators), *VIEWS)


def by_definition() -> tuple[object, ...]:
    """Return all that decides the views but for the rows of the publication that they are made for."""
    return (county_scorecard([("", "", "", "")]), CLAUSE_ORDER, *VIEWS)


def create_views(connection: duckdb.DuckDBPyConnection, catalog: str = "publication") -> None:
    """Create every view in the attached ``catalog``, with its comments.

    The tables must be there and filled, and no transaction may be open: the views are made through
    a connection of their own, so that temporary tables of the same names, which the pipeline has,
    do not get in between.
    """
    with connection.cursor() as own:
        own.execute(f"USE {_name(catalog)}")
        statements = [
            statement
            for view in views_of(own)
            for statement in (*view_statements(view), *_column_comments(view))
        ]
        # One transaction: each commit of its own would wait for the disk.
        own.execute(f"BEGIN; {'; '.join(statements)}; COMMIT")


def view_statements(view: PublishedTable) -> Iterator[str]:
    """Yield the statements that create a view in the schema that is in use, with its comment."""
    yield f"CREATE OR REPLACE VIEW {view.name} AS {view.query}"
    yield f"COMMENT ON VIEW {view.name} IS {literal(f'{view.zh} / {view.en}')}"


def _column_comments(view: PublishedTable) -> Iterator[str]:
    for column in view.columns:
        wording = literal(f"{column.zh} / {column.en}")
        yield f"COMMENT ON COLUMN {view.name}.{_name(column.name)} IS {wording}"


def _name(text: str) -> str:
    """``text`` as a quoted SQL name."""
    return '"' + text.replace('"', '""') + '"'
