"""Nothing is defined and not wired in: forms, indicators, clauses, checks, templates, tables.

``PLAN_TABLE`` is the plan's table, written out here a second time on purpose (its kinds, thresholds
and years are in test_clauses.py): a slip in a record has to meet a table that was not made from it.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from expectations.clauses import NATIONAL_RULE_2021, Clause, load_plan
from transforms.checks.rules import RULES
from transforms.formats import Unreadable
from transforms.forms import FORMS
from transforms.reading import read_file
from transforms.tables.model import Table
from transforms.workbooks.templates import write_template
from warehouse.indicators.compute import source_name
from warehouse.indicators.definitions import load_catalogue
from warehouse.ledger.store import open_warehouse
from warehouse.reference import load_reference

#: clause, indicator, name, forms, scale (None for a count), unit, better, scope.
PLAN_TABLE: list[tuple[str, str, str, str, int | None, str, str, str]] = [
    ("0.1", "provincial_rank", "省内综合排名", "milestone", None, "名", "lower", "city"),
    ("1.1", "arrival_compliance_share", "到校时间合规学校占比", "school", 100, "%", "higher", "all"),
    ("1.2", "lesson_start_compliance_share", "上课时间合规学校占比", "school", 100, "%", "higher", "all"),
    ("1.3", "junior_evening_study_compliance_share", "初中晚自习合规学校占比", "school", 100, "%", "higher", "all"),
    ("1.4", "after_school_service_share", "课后服务开展率", "school", 100, "%", "higher", "all"),
    ("1.5", "nonzero_start_cases", "非零起点教学查处件数", "safety", None, "件", "lower", "all"),
    ("1.6", "paid_tutoring_cases", "违规补课查处件数", "teacher", None, "件", "lower", "all"),
    ("1.7", "mental_health_teacher_share", "心理健康教师配备率", "school", 100, "%", "higher", "all"),
    ("1.8", "burden_monitoring_started_share", "学业负担监测机制建立率", "milestone", 100, "%", "higher", "all"),
    ("2.1", "preschool_gross_enrolment_rate", "学前三年毛入园率", "kindergarten population", 100, "%", "higher", "all"),
    ("2.2", "public_kindergarten_enrolment_share", "公办园在园幼儿占比", "kindergarten", 100, "%", "higher", "all"),
    ("2.3", "inclusive_kindergarten_enrolment_share", "普惠性幼儿园在园幼儿占比", "kindergarten", 100, "%", "higher", "all"),
    ("2.4", "township_public_kindergarten_coverage", "乡镇公办园覆盖率", "kindergarten", 100, "%", "higher", "townships"),
    ("2.5", "new_primary_with_kindergarten_share", "新建小学附设幼儿园比例", "kindergarten school", 100, "%", "higher", "all"),
    ("2.6", "unlicensed_kindergartens", "无照幼儿园数", "kindergarten", None, "所", "lower", "all"),
    ("2.7", "kindergartens_over_fee_ceiling", "超核定标准收费民办园数", "kindergarten", None, "所", "lower", "all"),
    ("2.8", "residential_kindergartens_governed_share", "小区配套园治理完成率", "kindergarten", 100, "%", "higher", "all"),
    ("2.9", "large_class_share", "大班额比例", "class", 100, "%", "lower", "all"),
    ("2.10", "primary_class_within_45_share", "小学班额达标率", "class", 100, "%", "higher", "all"),
    ("2.11", "junior_class_within_50_share", "初中班额达标率", "class", 100, "%", "higher", "all"),
    ("2.12", "oversized_school_share", "大校额学校占比", "school", 100, "%", "lower", "all"),
    ("2.13", "boarding_conditions_share", "寄宿条件达标率", "school", 100, "%", "higher", "all"),
    ("2.14", "rural_basic_conditions_share", "农村学校基本办学条件达标率", "school", 100, "%", "higher", "all"),
    ("2.15", "senior_secondary_gross_enrolment_rate", "高中阶段毛入学率", "population school", 100, "%", "higher", "city"),
    ("2.16", "vocational_centres_transformed_share", "县级职教中心转型完成率", "vocational", 100, "%", "higher", "townships"),
    ("2.17", "city_vocational_layout_share", "城区职业学校布局调整完成率", "vocational", 100, "%", "higher", "all"),
    ("2.18", "school_enterprise_partnerships", "校企合作项目数", "vocational", None, "项", "higher", "all"),
    ("2.19", "disabled_children_enrolment_rate", "残疾儿童少年入学率", "special_group", 100, "%", "higher", "all"),
    ("2.20", "student_aid_coverage", "学生资助覆盖率", "special_group", 100, "%", "higher", "all"),
    ("2.21", "dropouts", "义务教育辍学人数", "special_group", None, "人", "lower", "all"),
    ("2.22", "migrant_public_school_share", "随迁子女公办学校就读比例", "special_group", 100, "%", "higher", "all"),
    ("2.23", "left_behind_cared_share", "留守儿童关爱建档率", "special_group", 100, "%", "higher", "all"),
    ("2.24", "junior_retention_rate", "初中三年巩固率", "class", 100, "%", "higher", "all"),
    ("2.25", "private_vocational_student_share", "民办中职在校生占比", "school", 100, "%", "higher", "all"),
    ("2.26", "new_compulsory_schools", "新建义务教育学校数", "school", None, "所", "higher", "all"),
    ("2.27", "new_public_kindergarten_share", "新建公办园县区占比", "kindergarten", 100, "%", "higher", "counties"),
    ("3.1", "budget_education_expenditure", "一般公共预算教育支出", "finance", None, "万元", "higher", "all"),
    ("3.2", "budget_expenditure_per_pupil", "生均一般公共预算教育支出", "finance", 10000, "元", "higher", "all"),
    ("3.3", "responsible_supervisor_share", "责任督学挂牌率", "school", 100, "%", "higher", "all"),
    ("3.4", "admission_violations", "违规招生查处件数", "safety", None, "件", "lower", "all"),
    ("3.5", "kindergarten_supervisor_share", "幼儿园责任督学挂牌率", "kindergarten", 100, "%", "higher", "all"),
    ("4.1", "teacher_pay_ratio", "教师与公务员平均工资比", "salary", 1, "倍", "higher", "all"),
    ("4.2", "county_managed_hiring_started_share", "县管校聘改革启动率", "milestone", 100, "%", "higher", "all"),
    ("4.3", "teacher_rotation_rate", "教师交流轮岗率", "teacher", 100, "%", "higher", "all"),
    ("4.4", "outside_training_share", "市外研修培训教师占比", "teacher", 100, "%", "higher", "all"),
    ("4.5", "dual_qualified_teacher_share", "双师型教师占比", "teacher", 100, "%", "higher", "all"),
    ("4.6", "misconduct_cases", "师德违规查处件数", "teacher", None, "件", "lower", "all"),
    ("4.7", "rural_subsidy_coverage", "乡村教师生活补助覆盖率", "salary", 100, "%", "higher", "all"),
    ("4.8", "head_teacher_allowance_coverage", "班主任津贴覆盖率", "salary", 100, "%", "higher", "all"),
    ("4.9", "head_rotation_rate", "校长交流轮岗率", "teacher", 100, "%", "higher", "all"),
    ("4.10", "backbone_rotation_to_weak_share", "骨干教师交流到农村薄弱学校占比", "teacher", 100, "%", "higher", "all"),
    ("5.1", "digital_teaching_coverage", "信息化教学应用覆盖率", "school", 100, "%", "higher", "all"),
    ("5.2", "cloud_platform_share", "教育云平台接入率", "school", 100, "%", "higher", "all"),
    ("5.3", "industry_matched_programme_share", "专业对接产业比例", "vocational", 100, "%", "higher", "all"),
    ("5.4", "exchange_projects", "对外教育交流项目数", "milestone", None, "项", "higher", "all"),
    ("5.5", "paju_exchange_projects", "对韩国坡州市交流项目数", "milestone", None, "项", "higher", "all"),
    ("6.1", "safety_hazards_fixed_share", "校园安全隐患整改率", "safety", 100, "%", "higher", "all"),
    ("6.2", "bullying_handled_share", "校园欺凌处置率", "safety", 100, "%", "higher", "all"),
    ("6.3", "party_organisation_share", "党组织覆盖率", "school", 100, "%", "higher", "all"),
]  # fmt: skip

PLAN, NATIONAL, CATALOGUE = load_plan(), load_plan(NATIONAL_RULE_2021), load_catalogue()
EVERY_CLAUSE = (*PLAN.clauses, *NATIONAL.clauses)
FORM_NAMES = [
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
]


def forms_read(indicator_id: str) -> set[str]:
    indicator = CATALOGUE.by_id[indicator_id]
    parts = [part for part in (indicator.top, indicator.bottom) if part is not None]
    return {form for part in parts for form in CATALOGUE.forms_of(part.source)}


def test_the_plan_has_its_indicators() -> None:
    assert len(PLAN_TABLE) == 59
    assert [(clause.clause_id, clause.indicator_id) for clause in PLAN.clauses] == [
        row[:2] for row in PLAN_TABLE
    ]


@pytest.mark.parametrize("row", PLAN_TABLE, ids=[row[0] for row in PLAN_TABLE])
def test_an_indicator_is_what_the_plan_says(
    row: tuple[str, str, str, str, int | None, str, str, str],
) -> None:
    _, indicator_id, name, forms, scale, unit, better, scope = row
    indicator = CATALOGUE.by_id[indicator_id]
    assert indicator.name_zh == name
    assert indicator.name_en
    assert forms_read(indicator_id) == set(forms.split())
    assert (indicator.bottom is None, indicator.scale) == (scale is None, scale or 1)
    assert (indicator.unit, indicator.better, indicator.scope) == (unit, better, scope)
    assert indicator.section == int(row[0].partition(".")[0])


def test_every_clause_has_its_indicator_and_every_indicator_a_clause() -> None:
    assert {clause.indicator_id for clause in EVERY_CLAUSE} == set(CATALOGUE.by_id)


@pytest.mark.parametrize("clause", EVERY_CLAUSE, ids=lambda clause: clause.clause_id)
def test_a_clause_agrees_with_its_indicator(clause: Clause) -> None:
    indicator = CATALOGUE.by_id[clause.indicator_id]
    assert clause.section == indicator.section
    if clause.comparator is not None:
        assert clause.comparator == {"higher": ">=", "lower": "<="}[indicator.better]
    if indicator.unit == "%" and clause.threshold is not None:
        assert 0 <= clause.threshold <= 100


def test_every_view_is_used_and_made_of_forms() -> None:
    sources = {
        part.source
        for indicator in CATALOGUE.indicators
        for part in (indicator.top, indicator.bottom, indicator.causes)
        if part is not None
    }
    assert {view.name for view in CATALOGUE.views} <= sources
    for view in CATALOGUE.views:
        assert set(view.forms) <= set(FORMS)


def test_the_eleven_forms_are_all_read_by_some_indicator() -> None:
    assert list(FORMS) == FORM_NAMES
    assert set().union(*map(forms_read, CATALOGUE.by_id)) == set(FORMS)


@pytest.mark.parametrize("name", FORM_NAMES)
def test_a_form_is_wired_in_everywhere(name: str, tmp_path: Path) -> None:
    reference = load_reference(tmp_path)
    with open_warehouse(tmp_path / "warehouse.duckdb", reference) as connection:
        stored = connection.execute(f'DESCRIBE submitted."{name}"').fetchall()
        counted = connection.execute(f'DESCRIBE current."{name}"').fetchall()
    about = ["submission_id", "region_code", "year", "sheet", "row"]
    assert [row[0] for row in stored] == [*about, *FORMS[name].schema]
    assert [row[0] for row in counted] == [row[0] for row in stored]
    assert name in set(reference.expected["form"])
    assert [rule for rule in RULES if rule.startswith(f"{FORMS[name].code}-E")]


def test_the_types_of_the_tables_are_those_of_the_forms(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "warehouse.duckdb", load_reference(tmp_path)) as connection:
        types = dict(
            connection.execute(
                "SELECT table_name || '.' || column_name, data_type FROM duckdb_columns() "
                "WHERE schema_name = 'submitted'"
            ).fetchall()
        )
    assert types["class.students"] == "BIGINT"
    assert types["finance.budget_expenditure"] == "DECIMAL(18,6)"
    assert types["school.arrival_time"] == "TIME"
    assert types["school.boarding"] == "BOOLEAN"
    assert types["milestone.date"] == "DATE"
    assert types["kindergarten.institution_code"] == "VARCHAR"


def test_the_sql_of_every_indicator_runs(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "warehouse.duckdb", load_reference(tmp_path)) as connection:
        connection.execute("CREATE TEMP TABLE calendar AS SELECT 2020::INTEGER AS year")
        for view in CATALOGUE.views:
            connection.execute(f"CREATE TEMP VIEW {view.name} AS {view.sql}")
        for indicator in CATALOGUE.indicators:
            for part in indicator.parts.values():
                found = connection.execute(
                    f"SELECT {part.value} FROM {source_name(part.source)} WHERE {part.rows}"
                )
                assert len(found.fetchall()) == 1, indicator.indicator_id
            if indicator.causes is not None:
                causes = indicator.causes
                connection.execute(
                    f"SELECT {causes.code}, {causes.name}, {causes.detail}, {causes.value} "
                    f"FROM {source_name(causes.source)} WHERE {causes.rows}"
                )


@pytest.mark.parametrize("name", FORM_NAMES)
def test_the_blank_template_of_a_form_is_known_as_that_form(name: str, tmp_path: Path) -> None:
    blank = tmp_path / "blank.xlsx"
    write_template(blank, FORMS[name], regions=[("210702", "古塔区")], years=[2020])
    (document,) = read_file(
        blank.read_bytes(), "210702/blank.xlsx", sha256="0", region_code="210702"
    )
    assert not isinstance(document.content, Unreadable)
    tables = [item for item in document.content if isinstance(item, Table)]
    assert tables[0].form.name == name
    assert set(tables[0].columns) == set(FORMS[name].schema)
    assert tables[0].issues == ()


def test_the_warehouse_keeps_what_is_in_it(tmp_path: Path) -> None:
    reference, file = load_reference(tmp_path), tmp_path / "warehouse.duckdb"
    with open_warehouse(file, reference) as connection:
        connection.execute(
            "INSERT INTO delivery (sha256, path, received_at) VALUES ('a', 'b', TIMESTAMP '2020-01-01')"
        )
    with open_warehouse(file, reference) as connection:
        assert connection.execute("SELECT path FROM delivery").fetchall() == [("b",)]
    with open_warehouse(file, reference, read_only=True) as connection:
        assert connection.execute("SELECT path FROM delivery").fetchall() == [("b",)]
        with pytest.raises(duckdb.InvalidInputException):
            connection.execute("DELETE FROM delivery")
