"""The tables of a publication: one definition each, with wording for every table and column.

The DuckDB file, its comments, the Parquet files and the data dictionary are made from
:data:`TABLES`. A table's ``query`` runs in the warehouse, over what :mod:`warehouse.indicators.compute` and
the verdicts left there; tables without one are filled elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from transforms.records import (
    CLAUSE_ID,
    DECISION,
    FINDING,
    FORM,
    KEPT_SHORTFALL,
    KEPT_TURNING,
    REGION_CODE,
    SUBMISSION,
    SUBMISSION_SHEET,
    WARNING,
    YEAR,
    YEAR_STATE,
    Field,
    Record,
)
from warehouse.indicators import year_on_year
from warehouse.publication import outlook
from warehouse.sql import in_china


@dataclass(frozen=True)
class PublishedTable(Record):
    """A published table or view: a record, and the query that its rows come from."""

    query: str | None = None


def _columns(*rows: Field | tuple[str, str, str, str]) -> tuple[Field, ...]:
    return tuple(row if isinstance(row, Field) else Field(*row) for row in rows)


_INDICATOR = ("indicator_id", "VARCHAR", "指标代码", "Indicator")
_SECTION = ("section", "INTEGER", "所属工作领域(0为总体)", "Field of work of the plan, 0 the whole")

_EXPECTED_UNITS = (
    "expected_units",
    "INTEGER",
    "应报送的单位数",
    "Units that are expected to report",
)
_ANSWERS = (
    (
        "asked",
        "BIGINT",
        "应回答的行数(学校、幼儿园等), 非填报占比指标为空",
        "Rows that the question is put to; NULL for what is no share of answers",
    ),
    (
        "answered",
        "BIGINT",
        "其中已回答的行数, 非填报占比指标为空",
        "Rows of these that answer it; NULL for what is no share of answers",
    ),
)

#: How a submission stands: the version in force, one that was replaced, or one sent back, be it by a rule
#: or by a person. What waits for approval, or came for a closed year, is not in force either.
_STATUS = """
CASE WHEN NOT s.accepted OR h.why = 'returned' THEN 'returned'
    WHEN f.submission_id IS NULL THEN 'superseded'
    WHEN coalesce(w.warnings, 0) > 0 THEN 'accepted_with_warnings' ELSE 'accepted' END
"""

#: The last day on which a submission is in time, as a date in China.
_DEADLINE = "make_date(y.year + f.due_years_after, f.due_month, f.due_day) + f.grace_days::INTEGER"

#: The tables and views that name the moment of a publication rather than what it says.
OF_THE_MOMENT = ("publication", "revision", "finding_history", "vintage")

TABLES: tuple[PublishedTable, ...] = (
    PublishedTable(
        "region",
        "地区: 每行一个地区(全市或填报单位)",
        "Regions: each row is the city or a reporting unit",
        _columns(
            REGION_CODE,
            ("region_name", "VARCHAR", "地区名称", "Name of the region"),
            (
                "region_name_en",
                "VARCHAR",
                "地区英文名称, 地区表未给出的为空",
                "Name in English; NULL where the list of regions gives none",
            ),
            (
                "level",
                "VARCHAR",
                "层级: city 市, reporting_unit 填报单位",
                "city or reporting_unit",
            ),
            ("parent_code", "VARCHAR", "上级地区代码", "Region it belongs to"),
            ("kind", "VARCHAR", "类型", "Kind of region"),
            ("valid_from_year", "INTEGER", "起始年份", "First year in which it is there"),
            ("valid_to_year", "INTEGER", "终止年份", "Last year in which it is there"),
            ("successor", "VARCHAR", "并入的地区代码", "Region that it became part of"),
        ),
        "SELECT region_code, region_name, region_name_en, level, parent_code, kind, valid_from_year,"
        " valid_to_year, successor FROM region",
    ),
    PublishedTable(
        "township_crosswalk",
        "乡镇(街道)沿革: 每行一个乡镇在其名称有效的年度, 以及现在属于哪个乡镇",
        "Townships over time: each row is a township in the years of its name, with what it is part of now",
        _columns(
            ("township_code", "VARCHAR", "乡镇代码", "Code of the township"),
            ("township_name", "VARCHAR", "当时的名称", "Name in those years"),
            ("county_code", "VARCHAR", "当时所属的单位", "Unit that it belonged to"),
            ("kind", "VARCHAR", "类型", "Kind of township"),
            ("valid_from_year", "INTEGER", "起始年份", "First year of the name"),
            ("valid_to_year", "INTEGER", "终止年份, 至今有效的为空", "Last year; NULL until today"),
            (
                "now_code",
                "VARCHAR",
                "现属乡镇的代码, 名单未说明的为空",
                "Township that it is part of now; NULL where the list does not say",
            ),
            ("now_name", "VARCHAR", "现属乡镇的名称", "Name of that township"),
            ("now_county_code", "VARCHAR", "现在所属的单位", "Unit that it belongs to now"),
        ),
        "SELECT * FROM township_crosswalk",
    ),
    PublishedTable(
        "section",
        "工作领域: 每行一个领域",
        "Sections: each row is a field of work of the plan",
        _columns(
            _SECTION,
            ("name_zh", "VARCHAR", "名称", "Name in Chinese"),
            ("name_en", "VARCHAR", "英文名称", "Name in English"),
        ),
    ),
    PublishedTable(
        "code_list",
        "代码表: 每行是一个字段中的一个代码, 及其中英文名称",
        "Code list: each row is a code that stands in a published column, in words",
        _columns(
            ("column_name", "VARCHAR", "表名.字段名", "Table and column, as table.column"),
            ("code", "VARCHAR", "代码", "Code"),
            ("position", "INTEGER", "排列次序", "Place among the codes of the column, to sort by"),
            ("name_zh", "VARCHAR", "名称", "Name in Chinese"),
            ("name_en", "VARCHAR", "英文名称", "Name in English"),
            (
                "meaning_zh",
                "VARCHAR",
                "含义, 名称已说明的为空",
                "Meaning in Chinese; NULL where the name says it",
            ),
            (
                "meaning_en",
                "VARCHAR",
                "英文含义, 名称已说明的为空",
                "Meaning in English; NULL where the name says it",
            ),
        ),
    ),
    PublishedTable(
        "indicator",
        "指标: 每行一个指标",
        "Indicators: each row is an indicator",
        _columns(
            _INDICATOR,
            ("name_zh", "VARCHAR", "指标名称", "Name in Chinese"),
            ("name_en", "VARCHAR", "指标英文名称", "Name in English"),
            ("unit", "VARCHAR", "计量单位", "Unit of the value"),
            (
                "scale",
                "INTEGER",
                "倍数: 值 = 倍数×分子/分母",
                "value = scale × numerator / denominator",
            ),
            (
                "better",
                "VARCHAR",
                "方向: higher 越高越好, lower 越低越好",
                "Whether higher or lower is better",
            ),
            _SECTION,
            ("numerator_zh", "VARCHAR", "分子的含义", "Wording of the numerator"),
            (
                "denominator_zh",
                "VARCHAR",
                "分母的含义, 计数指标为空",
                "Wording of the denominator, NULL for counts",
            ),
            ("numerator_en", "VARCHAR", "分子的英文含义", "Wording of the numerator in English"),
            (
                "denominator_en",
                "VARCHAR",
                "分母的英文含义, 计数指标为空",
                "Wording of the denominator in English, NULL for counts",
            ),
            ("formula", "VARCHAR", "计算公式", "Formula as SQL"),
        ),
    ),
    PublishedTable(
        "clause",
        "条款: 每行一条承诺",
        "Clauses: each row is a commitment of the plan",
        _columns(
            CLAUSE_ID,
            _INDICATOR,
            _SECTION,
            (
                "kind",
                "VARCHAR",
                "类型: level, standing, never_falls, milestone, monitor",
                "Kind of clause",
            ),
            (
                "comparator",
                "VARCHAR",
                "比较方式: >= 或 <=",
                "Comparator, NULL where only monitored",
            ),
            (
                "threshold",
                "DECIMAL(18,6)",
                "目标值(按指标单位)",
                "Threshold in the indicator's unit",
            ),
            ("due_year", "INTEGER", "达标年份", "Year by which it is due"),
            ("effective_from", "INTEGER", "生效的第一年", "First year in force"),
            (
                "effective_to",
                "INTEGER",
                "生效的最后一年, 空为一直有效",
                "Last year in force, NULL if open",
            ),
            (
                "scope",
                "VARCHAR",
                "适用范围: all 全部, townships 有乡镇的单位和全市, counties 县(市、区)和全市, city 仅全市",
                "all; townships: units with townships, and the city; counties: counties and"
                " districts, and the city; city: the city alone",
            ),
            (
                "interpretation",
                "BOOLEAN",
                "目标值是否为本系统的解释",
                "Whether the threshold is our interpretation",
            ),
            ("statement_zh", "VARCHAR", "条款表述", "Statement in Chinese"),
            ("statement_en", "VARCHAR", "条款英文表述", "Statement in English"),
            ("source", "VARCHAR", "出处", "Source"),
            ("source_en", "VARCHAR", "出处(英文)", "Source in English"),
            ("basis_zh", "VARCHAR", "解释的依据", "Basis of the interpretation, in Chinese"),
            ("basis_en", "VARCHAR", "解释的依据(英文)", "Basis of the interpretation, in English"),
        ),
    ),
    PublishedTable(
        "indicator_value",
        "指标值: 每行一个指标、地区和年度; 全市的行也在其中, 汇总前按地区层级筛选",
        "Indicator values: each row is an indicator, a region and a year; the city's rows stand among"
        " those of its units: filter by level before adding up",
        _columns(
            _INDICATOR,
            REGION_CODE,
            YEAR,
            (
                "numerator",
                "DECIMAL(38,6)",
                "分子, 精确值; 未报送为空",
                "Numerator, exact; NULL where not reported",
            ),
            (
                "denominator",
                "DECIMAL(38,6)",
                "分母, 精确值; 计数指标和未报送为空",
                "Denominator, exact; NULL for counts and where not reported",
            ),
            ("value", "DOUBLE", "指标值(按指标单位)", "Value in the indicator's unit"),
            (
                "reporting_units",
                "INTEGER",
                "已报齐并计入的单位数",
                "Units that reported and enter the value",
            ),
            _EXPECTED_UNITS,
            *_ANSWERS,
        ),
        "SELECT indicator_id, region_code, year, numerator, denominator, value, reporting_units,"
        " expected_units, asked, answered FROM indicator_value WHERE published",
    ),
    PublishedTable(
        "indicator_value_as_now",
        "现行区划下的指标值: 每行一个指标、一个有单位并入的单位和一个年度, 并入前的年度合并计算",
        "Values as they are now: each row is an indicator, a unit that others were merged into and a"
        " year, with the units merged taken together in the years before",
        _columns(
            _INDICATOR,
            REGION_CODE,
            YEAR,
            ("numerator", "DECIMAL(38,6)", "分子, 精确值", "Numerator, exact"),
            ("denominator", "DECIMAL(38,6)", "分母, 精确值", "Denominator, exact"),
            ("value", "DOUBLE", "指标值(按指标单位)", "Value in the indicator's unit"),
            (
                "reporting_units",
                "INTEGER",
                "已报齐并计入的单位数",
                "Units that reported and enter the value",
            ),
            _EXPECTED_UNITS,
        ),
        "SELECT indicator_id, region_code, year, numerator, denominator, value, reporting_units,"
        " expected_units FROM value_as_now",
    ),
    PublishedTable(
        "attainment",
        "达标情况: 每行一条条款、地区和年度; 全市的行也在其中, 计数前按地区层级筛选",
        "Attainment: each row is a clause, a region and a year; the city's rows stand among those of"
        " its units: filter by level before counting",
        _columns(
            CLAUSE_ID,
            _INDICATOR,
            REGION_CODE,
            YEAR,
            (
                "value",
                "DOUBLE",
                "用于判定的值(只增不减条款为可比口径)",
                "Value judged (never_falls: like for like)",
            ),
            (
                "threshold",
                "DOUBLE",
                "目标值; 只增不减条款为上年可比值",
                "Threshold; for never_falls the year before's value",
            ),
            (
                "status",
                "VARCHAR",
                "判定: met, not_met, on_track, off_track, not_due, insufficient, monitored, no_data,"
                " not_applicable",
                "Verdict; insufficient: those who have not reported or answered could turn it",
            ),
            (
                "gap",
                "DOUBLE",
                "距目标的差距(按指标单位), 达标为0",
                "How far short, in the indicator's unit; 0 where met",
            ),
            (
                "gap_quantity",
                "DECIMAL(38,2)",
                "达标还需的数量",
                "Smallest quantity that would meet the threshold",
            ),
            ("gap_unit", "VARCHAR", "数量的单位", "Unit of gap_quantity"),
            (
                "reporting_units",
                "INTEGER",
                "计入判定的单位数(只增不减条款为两年都有值的单位)",
                "Units that enter the verdict (never_falls: those with a value in both years)",
            ),
            _EXPECTED_UNITS,
            *_ANSWERS,
        ),
    ),
    PublishedTable(
        "year_on_year",
        "比上年: 每行一条条款、地区和年度, 与上年同口径比较; 只有两年都有判定, 或都为监测且八成以上单位"
        "报齐时才有",
        "Year on year: each row is a clause, a region and a year beside the year before, like for"
        " like; only where both years have a verdict, or both are monitored with at least 80 % of"
        " the units",
        _columns(
            CLAUSE_ID,
            _INDICATOR,
            REGION_CODE,
            YEAR,
            ("units", "INTEGER", "两年都计入的单位数", "Units that enter in both years"),
            (
                "numerator",
                "DECIMAL(38,6)",
                "两年都计入的单位的分子",
                "Numerator over the units that enter in both years",
            ),
            (
                "denominator",
                "DECIMAL(38,6)",
                "两年都计入的单位的分母, 计数指标为空",
                "Denominator over the units that enter in both years, NULL for counts",
            ),
            (
                "value",
                "DOUBLE",
                "两年都计入的单位的指标值",
                "Value over the units that enter in both years, in the indicator's unit",
            ),
            (
                "previous_numerator",
                "DECIMAL(38,6)",
                "同口径的上年分子",
                "Numerator of the same units the year before",
            ),
            (
                "previous_denominator",
                "DECIMAL(38,6)",
                "同口径的上年分母, 计数指标为空",
                "Denominator of the same units the year before, NULL for counts",
            ),
            (
                "previous_value",
                "DOUBLE",
                "同口径的上年指标值",
                "Value of the same units the year before",
            ),
            (
                "change",
                "DOUBLE",
                "比上年增减(按指标单位, 百分比为百分点)",
                "Change on the year before in the indicator's unit (percentage points for %)",
            ),
            (
                "direction",
                "VARCHAR",
                "方向: better 好转, worse 变差, same 持平",
                "better, worse or same",
            ),
        ),
        year_on_year.QUERY,
    ),
    PublishedTable(
        "outlook",
        "展望: 每行一条有期限和目标值的条款、地区和有值的年度, 按直线推算",
        "Outlook: each row is a clause with a due year and a threshold, a region and a year with a"
        " value, carried on in straight lines",
        _columns(
            CLAUSE_ID,
            REGION_CODE,
            YEAR,
            (
                "required_value",
                "DOUBLE",
                "当年应达到的值: 首个有值年度到期限目标值的直线; 到期后为目标值, 之前没有更早的值为空",
                "Line from the earliest value to the threshold when due; from then on the threshold;"
                " NULL before it without an earlier value",
            ),
            (
                "pace_per_year",
                "DOUBLE",
                "近年速度: 与往前第三个有值年度(不足则最早)相比的年均变化, 带正负号; 没有更早的值为空",
                "Average change a year since the third last year with a value, or the earliest; signed;"
                " NULL without an earlier value",
            ),
            (
                "projected_due_value",
                "DOUBLE",
                "照此速度到期时的值, 不封顶; 到期后为空",
                "Value when due at this pace, not capped; NULL after the due year",
            ),
            (
                "projected_year_met",
                "INTEGER",
                "照此速度达到目标的第一年, 已达标为当年; 达不到或晚于2100年为空",
                "First year in which this pace reaches the threshold, the year itself where met; NULL"
                " where it does not, or not by 2100",
            ),
            (
                "needed_per_year",
                "DOUBLE",
                "为按期达标每年需要的变化, 带正负号; 到期后为全部差距, 已达标为0",
                "Change a year needed to reach the threshold when due, signed; from the due year on the"
                " whole way; 0 where met",
            ),
        ),
        outlook.QUERY,
    ),
    PublishedTable(
        "places_ahead",
        "学位展望: 每行一个地区、学段和所看年度, 以及该年和其后六年中的一年, 由已报的各年龄人口推算;"
        " 假定人口不迁移, 入学比例、生师比不变, 不预测出生",
        "Places ahead: each row is a region, a stage and a year looked from, and that year or one of the six"
        " after it, from the ages already reported; nobody moves, the share in school and pupils to a teacher"
        " stay as they are, no births are forecast",
        _columns(
            REGION_CODE,
            (
                "stage",
                "VARCHAR",
                "学段: preschool 学前(3至5岁), primary 小学(6至11岁), junior 初中(12至14岁), senior 高中阶段"
                "(15至17岁, 仅上级地区)",
                "preschool (aged 3 to 5), primary (6 to 11), junior (12 to 14), senior (15 to 17, only of regions"
                " above the units)",
            ),
            YEAR,
            ("for_year", "INTEGER", "推算的年度", "Year that is looked at"),
            (
                "population",
                "BIGINT",
                "该年适龄人口; 有年龄未报或尚未出生的为空",
                "Residents of the stage's ages in that year; NULL where an age is not reported or not born yet",
            ),
            (
                "enrolment_rate",
                "DOUBLE",
                "所看年度的在校生与适龄人口之比(%), 保持不变",
                "Pupils per 100 residents of these ages in the year looked from, kept as it is",
            ),
            (
                "pupils",
                "BIGINT",
                "该年预计在校生数, 即需要的学位数",
                "Pupils expected in that year: the places needed",
            ),
            (
                "places",
                "BIGINT",
                "现有班级按标准班额可容纳的学位数; 没有标准班额的学段为空",
                "Places in the classes there are, at the plan's size of a class; NULL where the plan sets none",
            ),
            (
                "classes_needed",
                "BIGINT",
                "该年需要的班数: 按标准班额, 没有的按现有平均班额; 高中阶段为空",
                "Classes needed in that year at the plan's size, at the present one where the plan sets none;"
                " NULL for senior",
            ),
            (
                "classes",
                "BIGINT",
                "所看年度的班数; 高中阶段为空",
                "Classes in the year looked from; NULL for senior",
            ),
            (
                "teachers_needed",
                "BIGINT",
                "该年需要的专任教师数, 生师比不变",
                "Full-time teachers needed in that year at the present number of pupils to a teacher",
            ),
            (
                "teachers",
                "BIGINT",
                "所看年度的专任教师数; 多学段学校按在校生分摊",
                "Full-time teachers in the year looked from; a school of several stages shares them out by its pupils",
            ),
            ("reporting_units", "INTEGER", "已报齐并计入的单位数", "Units that reported and enter"),
            _EXPECTED_UNITS,
        ),
    ),
    PublishedTable(
        "shortfall",
        "未达标明细: 每行一所学校(园)、一个班级或一个乡镇",
        "Shortfall: each row is an institution, class or township behind an unmet clause",
        KEPT_SHORTFALL.columns,
    ),
    PublishedTable(
        "turning_institution",
        "左右判定的机构: 每行一所仅凭自身就使判定翻转的机构",
        "Fragile verdicts: each row is an institution without which a clause's verdict would be the opposite",
        KEPT_TURNING.columns,
    ),
    PublishedTable(
        SUBMISSION.name,
        SUBMISSION.zh,
        SUBMISSION.en,
        (
            *SUBMISSION.pick("submission_id", "region_code", "form", "year"),
            *SUBMISSION.pick("file_name", "sha256", "received_at"),
            Field(
                "status",
                "VARCHAR",
                "状态: accepted, accepted_with_warnings, returned, superseded",
                "Status",
            ),
            *SUBMISSION.pick("rows_read", "rows_loaded", "rows_returned", "rows_ignored"),
            *SUBMISSION.pick("errors", "warnings", "signed"),
            Field(
                "approved",
                "BOOLEAN",
                "是否已审批通过(对这份文件内容)",
                "Whether the office has approved it, for these very bytes",
            ),
        ),
        f"SELECT s.submission_id, s.region_code, s.form, s.year, s.file_name, s.sha256,"
        f" s.received_at, {_STATUS} AS status, s.rows_read, s.rows_loaded, s.rows_returned,"
        f" s.rows_ignored, coalesce(w.errors, 0) AS errors,"
        f" coalesce(w.warnings, 0) AS warnings, s.signed,"
        f" coalesce(r.decision = 'approved', false) AS approved"
        f" FROM submission s LEFT JOIN in_force f USING (submission_id)"
        f" LEFT JOIN withheld h USING (submission_id)"
        f" LEFT JOIN ruling r USING (submission_id)"
        f" LEFT JOIN (SELECT submission_id, count(*) FILTER (severity = 'warning') AS warnings,"
        f" count(*) FILTER (severity = 'error') AS errors FROM noted GROUP BY 1) w"
        f" USING (submission_id)",
    ),
    PublishedTable(
        SUBMISSION_SHEET.name,
        SUBMISSION_SHEET.zh,
        SUBMISSION_SHEET.en,
        SUBMISSION_SHEET.columns,
        "SELECT * FROM submission_sheet",
    ),
    PublishedTable(
        "reporting",
        "报送进度: 每行一个单位、一张报表和一个年度",
        "State of reporting: each row is a unit, a form and a year",
        _columns(
            REGION_CODE,
            FORM,
            YEAR,
            ("expected", "INTEGER", "是否应报送(1/0)", "1 where the form is expected"),
            ("received", "INTEGER", "是否收到(1/0)", "1 where any version was received"),
            ("accepted", "INTEGER", "是否有已接收的版本(1/0)", "1 where a version was accepted"),
            (
                "on_time",
                "INTEGER",
                "首个接收版本是否按时(1/0)",
                "1 where the first accepted version was in time",
            ),
            (
                "last_received_at",
                "TIMESTAMP",
                "最近一次收到时间(UTC)",
                "Last time of receipt (UTC)",
            ),
        ),
        f"""
        SELECT u.region_code, f.form, y.year, (d.form IS NOT NULL)::INTEGER AS expected,
            (count(s.submission_id) > 0)::INTEGER AS received,
            (count(s.submission_id) FILTER (s.stands) > 0)::INTEGER AS accepted,
            coalesce({in_china("min(s.received_at) FILTER (s.stands)")}::DATE
                <= any_value({_DEADLINE}), false)
                ::INTEGER AS on_time,
            max(s.received_at) AS last_received_at
        FROM region u CROSS JOIN form f CROSS JOIN calendar y
        LEFT JOIN due d ON (d.region_code, d.form, d.year) = (u.region_code, f.form, y.year)
        LEFT JOIN (
            SELECT s.*, s.accepted AND h.why IS DISTINCT FROM 'returned' AS stands
            FROM submission s LEFT JOIN withheld h USING (submission_id)
        ) s ON (s.region_code, s.form, s.year) = (u.region_code, f.form, y.year)
        WHERE u.level = 'reporting_unit'
        GROUP BY u.region_code, f.form, y.year, d.form
        """,
    ),
    PublishedTable(
        FINDING.name,
        FINDING.zh,
        FINDING.en,
        (
            *FINDING.pick("submission_id", "region_code", "form", "year", "severity", "rule_id"),
            *FINDING.pick("sheet", "cell", "row", "column_name", "value"),
            Field("message_zh", "VARCHAR", "说明", "Message in Chinese"),
            Field("message_en", "VARCHAR", "英文说明", "Message in English"),
            *WARNING.pick("cells", "institution", "explained"),
            Field(
                "reason_given",
                "VARCHAR",
                "单位说明的原因, 尚待审定(没有为空)",
                "The unit's reason on which the office has not decided yet; NULL where there is none",
            ),
        ),
        """
        SELECT n.*, problem_zh || remedy_zh AS message_zh,
            problem_en || ' ' || remedy_en AS message_en, r.reason AS reason_given
        FROM noted n LEFT JOIN (
            SELECT region_code, number, arg_max(reason, (received_at, sha256)) AS reason
            FROM reason GROUP BY ALL
        ) r ON (r.region_code, r.number) = (n.region_code, n.number)
            AND n.explained IS NULL AND n.refused IS DISTINCT FROM r.reason
        """,
    ),
    PublishedTable(
        "finding_history",
        "问题的始末: 每行一个发现的问题, 从第一次出现的发布到最后一次",
        "Life of findings: each row is a finding, from the first publication it is open in to the last",
        (
            Field(
                "finding_key",
                "VARCHAR",
                "问题的标识, 各次发布相同",
                "What makes it the same finding in every publication",
            ),
            *FINDING.pick("submission_id", "region_code", "form", "year", "severity", "rule_id"),
            *_columns(
                (
                    "first_publication_id",
                    "VARCHAR",
                    "第一次出现的发布",
                    "First publication that it is in",
                ),
                (
                    "last_publication_id",
                    "VARCHAR",
                    "最后一次未了结的发布",
                    "Last publication in which it is open",
                ),
                (
                    "closed_by",
                    "VARCHAR",
                    "了结的方式: corrected 已更正, explained 已说明, superseded 报送已被替代, rule_changed"
                    " 规则变了; 未了结为空",
                    "corrected, explained, superseded or rule_changed; NULL while it is open",
                ),
            ),
        ),
    ),
    PublishedTable(
        "approval",
        "审批: 每行一次对一份报送的决定, 同一份以最后一次为准",
        "Approvals and returns by the office: each row is a decision on a submission; the last one holds",
        DECISION.columns,
        "SELECT * FROM decision",
    ),
    PublishedTable(
        YEAR_STATE.name,
        YEAR_STATE.zh,
        YEAR_STATE.en,
        YEAR_STATE.columns,
        "SELECT y.year, coalesce(s.state, 'preliminary') AS state, s.release, s.decided_at, s.ended_at,"
        " s.reason FROM calendar y LEFT JOIN year_state s USING (year)",
    ),
    PublishedTable(
        "publication",
        "发布记录: 每行一次发布",
        "Publications: each row is a publication, the latest being this one",
        _columns(
            ("publication_id", "VARCHAR", "发布编号", "Publication"),
            ("published_at", "TIMESTAMP", "发布时间(UTC)", "Time of publication (UTC)"),
            ("previous_id", "VARCHAR", "上一次发布", "The publication before"),
            ("code_version", "VARCHAR", "程序版本", "Version of the code"),
            ("plan_version", "VARCHAR", "条款版本", "Version of the plan file"),
            ("submissions", "BIGINT", "在用的报送数", "Submissions in force"),
            (
                "changes",
                "BIGINT",
                "与上一次发布相比变化的指标数",
                "Changes since the publication before",
            ),
            (
                "sample",
                "BOOLEAN",
                "是否含虚构样例数据(由jzedu sample生成); 此前的发布未记录时为空",
                "Whether made-up data of jzedu sample entered; NULL for one made before this was noted",
            ),
            (
                "state",
                "VARCHAR",
                "重点年度数据的状态: preliminary 初步, final 定稿, revised 定稿后修订; 此前未记录的为空",
                "preliminary, final or revised: the figures of the year in focus; NULL where it was not noted",
            ),
        ),
    ),
    PublishedTable(
        "revision",
        "修订: 每行一个在某次发布中变化了的指标、条款、地区和年度",
        "Revisions: each row is an indicator, clause, region and year that changed in a publication",
        _columns(
            ("publication_id", "VARCHAR", "发布编号", "Publication"),
            _INDICATOR,
            REGION_CODE,
            YEAR,
            ("old_value", "DOUBLE", "原值", "Value before"),
            ("new_value", "DOUBLE", "新值", "Value now"),
            ("old_status", "VARCHAR", "原判定", "Status before"),
            ("new_status", "VARCHAR", "新判定", "Status now"),
            (
                "submission_id",
                "VARCHAR",
                "引起变化的报送",
                "Submission that caused it, NULL for a change of plan or code",
            ),
            (
                "clause_id",
                "VARCHAR",
                "判定所属的条款, 没有条款的指标值为空",
                "Clause whose status it is; NULL for a value without a clause",
            ),
        ),
    ),
)


def table_named(name: str) -> PublishedTable:
    """Return the published table of a name.

    Raises:
        StopIteration: there is none.
    """
    return next(table for table in TABLES if table.name == name)
