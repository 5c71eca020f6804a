"""The plan's clauses, written out a second time on purpose, from the announcement and not from YAML.

A slip in ``expectations/plan.yaml`` or ``warehouse/indicators/indicators.yaml`` has to meet a table that
was not made from it: this one, the only one that the tests have.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class Ours(NamedTuple):
    """What is an interpretation in a clause.

    ``hedge_zh``, ``hedge_en``: the plan's own hedge, where it has one. ``figures``: the figures of ours,
    which the basis has to name.
    """

    hedge_zh: str
    hedge_en: str
    figures: str


class Announced(NamedTuple):
    """A clause and its indicator.

    ``forms``: those that the indicator needs. ``scale``: None for a count. ``goal``: comparator and
    threshold. ``figures``: what the statement names besides the due year.
    """

    clause_id: str
    indicator_id: str
    name_zh: str
    forms: str
    scale: int | None
    unit: str
    better: str
    scope: str
    kind: str
    goal: str
    due_year: int | None
    figures: str
    ours: Ours | None = None

    @property
    def section(self) -> int:
        return int(self.clause_id.partition(".")[0])

    @property
    def comparator(self) -> str | None:
        return self.goal.partition(" ")[0] or None

    @property
    def threshold(self) -> Decimal | None:
        figure = self.goal.partition(" ")[2]
        return Decimal(figure) if figure else None


ANNOUNCED = [
    Announced("0.1", "provincial_rank", "省内综合排名", "milestone", None, "名", "lower", "city", "level", "<= 5", 2025, "", Ours("第一梯队", "first tier", "5")),
    Announced("1.1", "arrival_compliance_share", "到校时间合规学校占比", "school", 100, "%", "higher", "all", "standing", ">= 100", None, "07:50", Ours("原则上", "in principle", "100%")),
    Announced("1.2", "lesson_start_compliance_share", "上课时间合规学校占比", "school", 100, "%", "higher", "all", "standing", ">= 100", None, "100% 08:00"),
    Announced("1.3", "junior_evening_study_compliance_share", "初中晚自习合规学校占比", "school", 100, "%", "higher", "all", "standing", ">= 100", None, "100% 21:00"),
    Announced("1.4", "after_school_service_share", "课后服务开展率", "school", 100, "%", "higher", "all", "monitor", "", None, ""),
    Announced("1.5", "nonzero_start_cases", "非零起点教学查处件数", "safety", None, "件", "lower", "all", "monitor", "", None, ""),
    Announced("1.6", "paid_tutoring_cases", "违规补课查处件数", "teacher", None, "件", "lower", "all", "monitor", "", None, ""),
    Announced("1.7", "mental_health_teacher_share", "心理健康教师配备率", "school", 100, "%", "higher", "all", "monitor", "", None, ""),
    Announced("1.8", "burden_monitoring_started_share", "学业负担监测机制建立率", "milestone", 100, "%", "higher", "all", "milestone", ">= 100", 2025, "", Ours("", "", "100% 2025")),
    Announced("2.1", "preschool_gross_enrolment_rate", "学前三年毛入园率", "kindergarten population", 100, "%", "higher", "all", "level", ">= 90", 2022, "90%"),
    Announced("2.2", "public_kindergarten_enrolment_share", "公办园在园幼儿占比", "kindergarten", 100, "%", "higher", "all", "level", ">= 50", 2022, "50%"),
    Announced("2.3", "inclusive_kindergarten_enrolment_share", "普惠性幼儿园在园幼儿占比", "kindergarten", 100, "%", "higher", "all", "level", ">= 80", 2022, "80%"),
    Announced("2.4", "township_public_kindergarten_coverage", "乡镇公办园覆盖率", "kindergarten", 100, "%", "higher", "townships", "standing", ">= 100", None, "100%"),
    Announced("2.5", "new_primary_with_kindergarten_share", "新建小学附设幼儿园比例", "kindergarten school", 100, "%", "higher", "all", "standing", ">= 100", None, "", Ours("原则上", "in principle", "100%")),
    Announced("2.6", "unlicensed_kindergartens", "无照幼儿园数", "kindergarten", None, "所", "lower", "all", "standing", "<= 0", None, "", Ours("", "", "0")),
    Announced("2.7", "kindergartens_over_fee_ceiling", "超核定标准收费民办园数", "kindergarten", None, "所", "lower", "all", "standing", "<= 0", None, "", Ours("", "", "0")),
    Announced("2.8", "residential_kindergartens_governed_share", "小区配套园治理完成率", "kindergarten", 100, "%", "higher", "all", "standing", ">= 100", None, "", Ours("", "", "100%")),
    Announced("2.9", "large_class_share", "大班额比例", "class", 100, "%", "lower", "all", "level", "<= 5", 2020, "56", Ours("基本", "basically", "5%")),
    Announced("2.10", "primary_class_within_45_share", "小学班额达标率", "class", 100, "%", "higher", "all", "level", ">= 95", 2020, "45", Ours("基本", "basically", "95%")),
    Announced("2.11", "junior_class_within_50_share", "初中班额达标率", "class", 100, "%", "higher", "all", "level", ">= 95", 2020, "50", Ours("基本", "basically", "95%")),
    Announced("2.12", "oversized_school_share", "大校额学校占比", "school", 100, "%", "lower", "all", "monitor", "", None, ""),
    Announced("2.13", "boarding_conditions_share", "寄宿条件达标率", "school", 100, "%", "higher", "all", "standing", ">= 100", None, "", Ours("", "", "100%")),
    Announced("2.14", "rural_basic_conditions_share", "农村学校基本办学条件达标率", "school", 100, "%", "higher", "all", "standing", ">= 100", None, "", Ours("", "", "100%")),
    Announced("2.15", "senior_secondary_gross_enrolment_rate", "高中阶段毛入学率", "population school", 100, "%", "higher", "city", "level", ">= 100", 2020, "100%", Ours("入学率", "enrolment rate", "100%")),
    Announced("2.16", "vocational_centres_transformed_share", "县级职教中心转型完成率", "vocational", 100, "%", "higher", "townships", "milestone", ">= 100", 2022, "100%"),
    Announced("2.17", "city_vocational_layout_share", "城区职业学校布局调整完成率", "vocational", 100, "%", "higher", "all", "milestone", ">= 100", 2022, "100%"),
    Announced("2.18", "school_enterprise_partnerships", "校企合作项目数", "vocational", None, "项", "higher", "all", "monitor", "", None, ""),
    Announced("2.19", "disabled_children_enrolment_rate", "残疾儿童少年入学率", "special_group", 100, "%", "higher", "all", "never_falls", ">=", None, "", Ours("", "", "")),
    Announced("2.20", "student_aid_coverage", "学生资助覆盖率", "special_group", 100, "%", "higher", "all", "standing", ">= 100", None, "100%"),
    Announced("2.21", "dropouts", "义务教育辍学人数", "special_group", None, "人", "lower", "all", "standing", "<= 0", None, "", Ours("", "", "0")),
    Announced("2.22", "migrant_public_school_share", "随迁子女公办学校就读比例", "special_group", 100, "%", "higher", "all", "monitor", "", None, ""),
    Announced("2.23", "left_behind_cared_share", "留守儿童关爱建档率", "special_group", 100, "%", "higher", "all", "monitor", "", None, ""),
    Announced("2.24", "junior_retention_rate", "初中三年巩固率", "class", 100, "%", "higher", "all", "level", ">= 95", 2020, "", Ours("控辍保学", "at school", "95% 2020")),
    Announced("2.25", "private_vocational_student_share", "民办中职在校生占比", "school", 100, "%", "higher", "all", "monitor", "", None, ""),
    Announced("2.26", "new_compulsory_schools", "新建义务教育学校数", "school", None, "所", "higher", "all", "monitor", "", None, ""),
    Announced("2.27", "new_public_kindergarten_share", "新建公办园县区占比", "kindergarten", 100, "%", "higher", "counties", "milestone", ">= 100", 2025, "", Ours("一批", "a batch", "100% 2025 1")),
    Announced("3.1", "budget_education_expenditure", "一般公共预算教育支出", "finance", None, "万元", "higher", "all", "never_falls", ">=", None, ""),
    Announced("3.2", "budget_expenditure_per_pupil", "生均一般公共预算教育支出", "finance", 10000, "元", "higher", "all", "never_falls", ">=", None, ""),
    Announced("3.3", "responsible_supervisor_share", "责任督学挂牌率", "school", 100, "%", "higher", "all", "standing", ">= 100", None, "", Ours("", "", "100%")),
    Announced("3.4", "admission_violations", "违规招生查处件数", "safety", None, "件", "lower", "all", "standing", "<= 0", None, "", Ours("", "", "0")),
    Announced("3.5", "kindergarten_supervisor_share", "幼儿园责任督学挂牌率", "kindergarten", 100, "%", "higher", "all", "standing", ">= 100", None, "", Ours("", "", "100%")),
    Announced("4.1", "teacher_pay_ratio", "教师与公务员平均工资比", "salary", 1, "倍", "higher", "all", "standing", ">= 1", None, "1"),
    Announced("4.2", "county_managed_hiring_started_share", "县管校聘改革启动率", "milestone", 100, "%", "higher", "all", "milestone", ">= 100", 2019, "100%"),
    Announced("4.3", "teacher_rotation_rate", "教师交流轮岗率", "teacher", 100, "%", "higher", "all", "monitor", "", None, ""),
    Announced("4.4", "outside_training_share", "市外研修培训教师占比", "teacher", 100, "%", "higher", "all", "monitor", "", None, ""),
    Announced("4.5", "dual_qualified_teacher_share", "双师型教师占比", "teacher", 100, "%", "higher", "all", "monitor", "", None, ""),
    Announced("4.6", "misconduct_cases", "师德违规查处件数", "teacher", None, "件", "lower", "all", "monitor", "", None, ""),
    Announced("4.7", "rural_subsidy_coverage", "乡村教师生活补助覆盖率", "salary", 100, "%", "higher", "all", "standing", ">= 100", None, "", Ours("", "", "100%")),
    Announced("4.8", "head_teacher_allowance_coverage", "班主任津贴覆盖率", "salary", 100, "%", "higher", "all", "standing", ">= 100", None, "", Ours("", "", "100%")),
    Announced("4.9", "head_rotation_rate", "校长交流轮岗率", "teacher", 100, "%", "higher", "all", "monitor", "", None, ""),
    Announced("4.10", "backbone_rotation_to_weak_share", "骨干教师交流到农村薄弱学校占比", "teacher", 100, "%", "higher", "all", "monitor", "", None, ""),
    Announced("5.1", "digital_teaching_coverage", "信息化教学应用覆盖率", "school", 100, "%", "higher", "all", "level", ">= 100", 2025, "", Ours("", "", "100% 2025")),
    Announced("5.2", "cloud_platform_share", "教育云平台接入率", "school", 100, "%", "higher", "all", "monitor", "", None, ""),
    Announced("5.3", "industry_matched_programme_share", "专业对接产业比例", "vocational", 100, "%", "higher", "all", "monitor", "", None, ""),
    Announced("5.4", "exchange_projects", "对外教育交流项目数", "milestone", None, "项", "higher", "all", "monitor", "", None, ""),
    Announced("5.5", "paju_exchange_projects", "对韩国坡州市交流项目数", "milestone", None, "项", "higher", "all", "monitor", "", None, ""),
    Announced("6.1", "safety_hazards_fixed_share", "校园安全隐患整改率", "safety", 100, "%", "higher", "all", "standing", ">= 100", None, "", Ours("", "", "100%")),
    Announced("6.2", "bullying_handled_share", "校园欺凌处置率", "safety", 100, "%", "higher", "all", "standing", ">= 100", None, "", Ours("", "", "100%")),
    Announced("6.3", "party_organisation_share", "党组织覆盖率", "school", 100, "%", "higher", "all", "monitor", "", None, ""),
]  # fmt: skip
