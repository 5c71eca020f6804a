"""The publication as a star: facts with keys of one column, around dimensions that are told apart by the same.

A BI tool that relates tables by the names of their columns (Power BI does) finds every relation of these views
by itself, and no second way from a fact to a dimension. So a dimension has the names of what it belongs to, and
not its key.
"""

from __future__ import annotations

from transforms.records import Field
from warehouse.publication.reader.queries import CLAUSE_ORDER, YEARS
from warehouse.publication.tables import PublishedTable, table_named

_SECTION_NAMES = (
    Field("section_zh", "VARCHAR", "工作领域名称", "Field of work, in Chinese"),
    Field("section_en", "VARCHAR", "工作领域英文名称", "Field of work, in English"),
)


def _of(table: str, *names: str) -> tuple[Field, ...]:
    """Return columns of a published table, with its types and wording."""
    return table_named(table).pick(*names)


#: The dimensions and facts, in the order in which they are drawn.
STAR: tuple[PublishedTable, ...] = (
    PublishedTable(
        "dim_region",
        "维度-地区: 每行一个地区",
        "Dimension of regions: each row is a region",
        (
            *_of("region", "region_code", "region_name", "region_name_en", "level", "kind"),
            Field("above_name", "VARCHAR", "上级地区名称", "Name of the region above it"),
            Field(
                "above_name_en",
                "VARCHAR",
                "上级地区英文名称",
                "Name in English of the region above it",
            ),
            *_of("region", "valid_from_year", "valid_to_year"),
        ),
        """
SELECT r.region_code, r.region_name, r.region_name_en, r.level, r.kind,
    a.region_name AS above_name, a.region_name_en AS above_name_en, r.valid_from_year, r.valid_to_year
FROM region AS r LEFT JOIN region AS a ON a.region_code = r.parent_code
""",
    ),
    PublishedTable(
        "dim_year",
        "维度-年度: 每行一个年度",
        "Dimension of years: each row is a year",
        (
            *_of("attainment", "year"),
            Field(
                "in_focus",
                "BOOLEAN",
                "是否为报告所述的年度",
                "Whether the report is about this year",
            ),
            Field(
                "state",
                "VARCHAR",
                "数据状态: preliminary, final, revised",
                "preliminary, final or revised",
            ),
            Field(
                "forms_in_force",
                "BIGINT",
                "应报报表中已接收的份数",
                "Expected forms that are in force",
            ),
            Field("expected_forms", "BIGINT", "应报报表份数", "Forms that are expected"),
        ),
        f"""
SELECT y.year, y.in_focus, coalesce(max(s.state) FILTER (WHERE s.ended_at IS NULL), 'preliminary') AS state,
    y.forms_in_force, y.expected_forms
FROM ({YEARS}) AS y LEFT JOIN year_state AS s ON s.year = y.year
GROUP BY y.year, y.in_focus, y.forms_in_force, y.expected_forms
""",
    ),
    PublishedTable(
        "dim_indicator",
        "维度-指标: 每行一个指标",
        "Dimension of indicators: each row is an indicator",
        (
            *_of("indicator", "indicator_id", "name_zh", "name_en", "unit", "better", "section"),
            *_SECTION_NAMES,
        ),
        """
SELECT i.indicator_id, i.name_zh, i.name_en, i.unit, i.better, i.section,
    s.name_zh AS section_zh, s.name_en AS section_en
FROM indicator AS i LEFT JOIN section AS s ON s.section = i.section
""",
    ),
    PublishedTable(
        "dim_clause",
        "维度-条款: 每行一条条款",
        "Dimension of clauses: each row is a clause",
        (
            *_of("clause", "clause_id"),
            Field(
                "plan_order",
                "BIGINT",
                "条款的先后, 用于排序",
                "Place of the clause in the plan, to sort by",
            ),
            *_of("indicator", "name_zh", "name_en", "unit", "better"),
            *_of("clause", "section"),
            *_SECTION_NAMES,
            *_of("clause", "kind"),
            Field("kind_zh", "VARCHAR", "条款类型名称", "Kind of clause, in Chinese"),
            Field("kind_en", "VARCHAR", "条款类型英文名称", "Kind of clause, in English"),
            *_of("clause", "comparator", "threshold", "due_year", "statement_zh", "statement_en"),
            *_of("clause", "interpretation", "basis_zh", "basis_en"),
        ),
        f"""
SELECT c.clause_id, c.plan_order, i.name_zh, i.name_en, i.unit, i.better, c.section,
    s.name_zh AS section_zh, s.name_en AS section_en, c.kind, k.name_zh AS kind_zh, k.name_en AS kind_en,
    c.comparator, c.threshold, c.due_year, c.statement_zh, c.statement_en,
    c.interpretation, c.basis_zh, c.basis_en
FROM ({CLAUSE_ORDER}) AS c
JOIN indicator AS i ON i.indicator_id = c.indicator_id
LEFT JOIN section AS s ON s.section = c.section
LEFT JOIN code_list AS k ON k.column_name = 'clause.kind' AND k.code = c.kind
""",
    ),
    PublishedTable(
        "dim_status",
        "维度-判定: 每行一种判定",
        "Dimension of verdicts: each row is a status",
        (
            *_of("attainment", "status"),
            Field("status_zh", "VARCHAR", "判定的中文名称", "Verdict in Chinese"),
            Field("status_en", "VARCHAR", "判定的英文名称", "Verdict in English"),
            *_of("code_list", "meaning_zh", "meaning_en", "position"),
        ),
        """
SELECT code AS status, name_zh AS status_zh, name_en AS status_en, meaning_zh, meaning_en, position
FROM code_list WHERE column_name = 'attainment.status'
""",
    ),
    PublishedTable(
        "fact_indicator",
        "事实-指标值: 每行一个指标、地区和年度; 汇总前按地区层级筛选",
        "Facts of indicators: each row is an indicator, a region and a year; filter by level before adding up",
        _of(
            "indicator_value",
            *("indicator_id", "region_code", "year", "numerator", "denominator", "value"),
            *("reporting_units", "expected_units", "asked", "answered"),
        ),
        """
SELECT indicator_id, region_code, year, numerator, denominator, value, reporting_units, expected_units,
    asked, answered
FROM indicator_value
""",
    ),
    PublishedTable(
        "fact_verdict",
        "事实-判定: 每行一条条款、地区和年度; 计数前按地区层级筛选",
        "Facts of verdicts: each row is a clause, a region and a year; filter by level before counting",
        (
            *_of("attainment", "clause_id", "indicator_id", "region_code", "year", "status"),
            *_of("attainment", "value", "threshold", "gap", "gap_quantity", "gap_unit"),
            *_of("attainment", "reporting_units", "expected_units", "asked", "answered"),
            *_of("year_on_year", "previous_value", "change", "direction"),
        ),
        """
SELECT a.clause_id, a.indicator_id, a.region_code, a.year, a.status,
    a.value, a.threshold, a.gap, a.gap_quantity, a.gap_unit,
    a.reporting_units, a.expected_units, a.asked, a.answered,
    y.previous_value, y.change, y.direction
FROM attainment AS a
LEFT JOIN year_on_year AS y ON y.clause_id = a.clause_id
    AND y.region_code = a.region_code AND y.year = a.year
""",
    ),
)
