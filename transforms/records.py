"""The records that are kept of submissions: every table of the ledger once, with types and wording.

The tables of the warehouse, the frames that fill them, the published tables with their comments and
the report's data dictionary are made from these definitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

_POLARS_TYPES: dict[str, pl.DataType] = {
    "VARCHAR": pl.String(),
    "VARCHAR[]": pl.List(pl.String()),
    "INTEGER": pl.Int32(),
    "BIGINT": pl.Int64(),
    "BOOLEAN": pl.Boolean(),
    "TIMESTAMP": pl.Datetime("us"),
    "DECIMAL(38,6)": pl.Decimal(38, 6),
}


@dataclass(frozen=True)
class Field:
    """A column of a table: its DuckDB type and what it says, in both languages."""

    name: str
    type: str
    zh: str
    en: str


@dataclass(frozen=True)
class Record:
    """A table: what each of its rows is, and its columns."""

    name: str
    zh: str
    en: str
    columns: tuple[Field, ...]

    @cached_property
    def schema(self) -> dict[str, pl.DataType]:
        """The Polars types of the columns, in the order of the table."""
        return {column.name: _POLARS_TYPES[column.type] for column in self.columns}

    @property
    def definition(self) -> str:
        """The columns with their DuckDB types, quoted, for a statement."""
        return ", ".join(f'"{column.name}" {column.type}' for column in self.columns)

    @property
    def names(self) -> str:
        """The names of the columns, quoted, for a statement."""
        return ", ".join(f'"{column.name}"' for column in self.columns)

    def pick(self, *names: str) -> tuple[Field, ...]:
        """Return the columns of these names, in the order of the names.

        Raises:
            KeyError: the record has no column of a name.
        """
        by_name = {column.name: column for column in self.columns}
        return tuple(by_name[name] for name in names)


SUBMISSION_ID = Field("submission_id", "VARCHAR", "报送编号", "Submission")
REGION_CODE = Field("region_code", "VARCHAR", "地区代码", "Region code")
FORM = Field("form", "VARCHAR", "报表", "Form")
YEAR = Field("year", "INTEGER", "统计年度", "Statistical year")
_SHEET = Field("sheet", "VARCHAR", "工作表", "Sheet")
_SHA256 = Field("sha256", "VARCHAR", "文件内容的SHA-256", "SHA-256 of the file")
_RECEIVED_AT = Field("received_at", "TIMESTAMP", "收到时间(UTC)", "Time of receipt (UTC)")
_PATH = Field(
    "path", "VARCHAR", "在收件箱中的路径", "Path below the inbox, its unit's folder first"
)

DELIVERY = Record(
    "delivery",
    "投递: 每行一个文件在一个路径的一次投递",
    "Deliveries: each row is a file at a path, as it was handed in",
    (
        _SHA256,
        _PATH,
        _RECEIVED_AT,
        Field(
            "taken_at",
            "TIMESTAMP",
            "取走时间(UTC), 仅早于收到时间时填写",
            "When it was taken (UTC), only where that was before its time of receipt",
        ),
    ),
)

SUBMISSION = Record(
    "submission",
    "报送: 每行一个文件中一个单位一个年度的一张报表",
    "Submissions: each row is one form of one unit for one year out of one file",
    (
        SUBMISSION_ID,
        REGION_CODE,
        Field("folder", "VARCHAR", "所在的单位文件夹", "Unit's folder that the file lay in"),
        FORM,
        YEAR,
        _PATH,
        Field("entry", "VARCHAR", "压缩包内的名称", "Name in the zip, NULL outside of one"),
        Field("file_name", "VARCHAR", "文件名", "File name; zip/entry for a file in a zip"),
        _SHA256,
        _RECEIVED_AT,
        Field("accepted", "BOOLEAN", "是否接收", "Whether it was accepted"),
        Field("sample", "BOOLEAN", "是否虚构", "Whether it is made up"),
        Field(
            "signed",
            "BOOLEAN",
            "是否签署(填表人、审核人、负责人和日期齐全)",
            "Whether it names who filled it in, who checked it, who answers for it, and the day",
        ),
        Field(
            "rows_read",
            "BIGINT",
            "读到的行数 = 入库+退回+忽略",
            "Rows read = loaded + returned + ignored",
        ),
        Field("rows_loaded", "BIGINT", "入库行数", "Rows loaded"),
        Field("rows_returned", "BIGINT", "退回行数", "Rows returned"),
        Field(
            "rows_ignored",
            "BIGINT",
            "忽略行数(标题、合计、空行、注释)",
            "Rows ignored (titles, totals, blanks, notes)",
        ),
        Field("errors", "BIGINT", "错误数", "Number of errors"),
        Field("warnings", "BIGINT", "警告数", "Number of warnings"),
    ),
)

SUBMISSION_SHEET = Record(
    "submission_sheet",
    "工作表行数核对: 每行一次报送中的一张工作表",
    "Row accounting: each row is a sheet of a submission",
    (
        SUBMISSION_ID,
        _SHEET,
        Field("rows_read", "BIGINT", "读到的行数", "Rows read"),
        Field("rows_loaded", "BIGINT", "入库行数", "Rows loaded"),
        Field("rows_returned", "BIGINT", "退回行数", "Rows returned"),
        Field(
            "titles",
            "BIGINT",
            "忽略: 标题、表头和栏号行",
            "Ignored: titles, headers and index rows",
        ),
        Field("totals", "BIGINT", "忽略: 合计行", "Ignored: totals"),
        Field("notes", "BIGINT", "忽略: 注释和签名行", "Ignored: notes and signatures"),
        Field("blanks", "BIGINT", "忽略: 空行", "Ignored: blank rows"),
    ),
)

SUBMISSION_LAYOUT = Record(
    "submission_layout",
    "工作表各列的位置: 每行一次报送中一张工作表的一列",
    "Layout: each row is a column of a sheet of a submission",
    (
        SUBMISSION_ID,
        _SHEET,
        Field("column_name", "VARCHAR", "列", "Column"),
        Field("letter", "VARCHAR", "列号", "Letter of the column on the sheet"),
        Field("unit", "VARCHAR", "填报的计量单位", "Unit that the submitted amounts are in"),
    ),
)

FINDING = Record(
    "finding",
    "发现的问题: 每行一个原因",
    "Findings: each row is one cause",
    (
        SUBMISSION_ID,
        REGION_CODE,
        FORM,
        YEAR,
        Field(
            "severity",
            "VARCHAR",
            "级别: error 错误(退回), warning 警告",
            "error (returns the submission) or warning",
        ),
        Field("rule_id", "VARCHAR", "规则编号", "Rule"),
        _SHEET,
        Field("cell", "VARCHAR", "单元格", "Cell"),
        Field("row", "BIGINT", "行号", "Row of the sheet"),
        Field("column_name", "VARCHAR", "列", "Column"),
        Field("value", "VARCHAR", "单元格中的内容", "What stands there"),
        Field("problem_zh", "VARCHAR", "问题", "What is wrong, in Chinese"),
        Field("problem_en", "VARCHAR", "问题(英文)", "What is wrong, in English"),
        Field("remedy_zh", "VARCHAR", "怎么改", "What to do about it, in Chinese"),
        Field("remedy_en", "VARCHAR", "怎么改(英文)", "What to do about it, in English"),
        Field("cells", "BIGINT", "这个原因涉及的单元格数", "Cells that this one cause touches"),
        Field("places", "VARCHAR[]", "这些单元格", "These cells, at most a thousand of them"),
        Field(
            "institution",
            "VARCHAR",
            "所涉机构(仅涉及一所时)",
            "The institution it is about, where it is about one",
        ),
    ),
)

WARNING = Record(
    "warning",
    "跨表、跨年度的警告: 每行一个原因",
    "Warnings across forms and years: each row is one cause",
    (
        *FINDING.columns,
        Field("key", "VARCHAR", "警告所指的对象", "What the warning is about"),
        Field("figure", "VARCHAR", "不得改变的数", "The figure that an acknowledgement rests on"),
        Field(
            "explained",
            "VARCHAR",
            "对警告的说明(未说明为空)",
            "Why a warning is right as it stands; NULL where nobody explained it",
        ),
        Field(
            "number",
            "VARCHAR",
            "警告的编号(不能说明的为空)",
            "By which a unit's reason speaks of it; NULL where no reason helps",
        ),
        Field(
            "refused",
            "VARCHAR",
            "未被采纳的原因",
            "The unit's reason that the office has refused; NULL where there is none",
        ),
    ),
)

KEPT_ANSWER = Record(
    "kept_answer",
    "各条警告规则上次的结果",
    "What the rules of the warnings found last time",
    (
        Field("rule_id", "VARCHAR", "规则编号", "Rule"),
        Field(
            "mark",
            "VARCHAR",
            "规则及其所读数据的摘要",
            "Digest of the rule and of the rows it reads",
        ),
        Field("place", "BIGINT", "结果的第几行", "Which row of what it found"),
        Field(
            "findings",
            "VARCHAR",
            "结果(JSON, 没有结果为空)",
            "What it found, as JSON; NULL where it found nothing",
        ),
    ),
)

CLAUSE_ID = Field("clause_id", "VARCHAR", "条款编号", "Clause")
#: An institution that is named beside a clause.
_NAMED_OF_CLAUSE = (
    CLAUSE_ID,
    REGION_CODE,
    YEAR,
    Field("institution_code", "VARCHAR", "机构标识码", "Institution code"),
    Field("institution_name", "VARCHAR", "机构名称", "Institution name"),
)

KEPT_MARK = Record(
    "kept_mark",
    "保留的计算结果所依据的数据: 每行一张表、一个单位和一个年度",
    "What the kept results were made of: each row is a table, a unit and a year",
    (
        Field("of_table", "VARCHAR", "保留结果的表", "Table of what is kept"),
        REGION_CODE,
        YEAR,
        Field(
            "mark",
            "VARCHAR",
            "算法及所读各行的摘要",
            "Digest of the question and of the rows it read",
        ),
    ),
)

KEPT_PART = Record(
    "kept_part",
    "上次算出的指标分量: 每行一个指标的一个分量、一个单位和一个年度",
    "Parts of indicators as they were last added up: each row is a part, a unit and a year",
    (
        Field("indicator_id", "VARCHAR", "指标", "Indicator"),
        Field("part", "VARCHAR", "分量", "top, bottom, asked or divisor"),
        Field("unit", "VARCHAR", "单位代码", "Reporting unit"),
        YEAR,
        Field("value", "DECIMAL(38,6)", "值", "Value"),
    ),
)

KEPT_SHORTFALL = Record(
    "kept_shortfall",
    "上次列出的未达标明细: 每行一所学校(园)或一个班级",
    "Shortfalls as they were last listed: each row is an institution or class behind an unmet clause",
    (
        *_NAMED_OF_CLAUSE,
        Field("detail_zh", "VARCHAR", "未达标的具体情况", "What falls short"),
        Field("detail_en", "VARCHAR", "未达标的具体情况(英文)", "What falls short, in English"),
        Field("value", "VARCHAR", "该对象的值", "The value of this institution or class"),
        SUBMISSION_ID,
        Field("sheet", "VARCHAR", "工作表", "Sheet"),
        Field("row", "BIGINT", "行号", "Row of the sheet"),
    ),
)

KEPT_TURNING = Record(
    "kept_turning",
    "上次找出的、没有它判定就会翻转的机构(不论现有判定如何): 每行一所",
    "Institutions without which a verdict of that status would be the opposite, whichever there is, as they were last"
    " found: each row is one",
    (
        *_NAMED_OF_CLAUSE,
        Field("status", "VARCHAR", "现有判定: met, not_met", "The verdict as it stands"),
    ),
)

REASON = Record(
    "reason",
    "单位说明的原因: 每行一条",
    "Reasons that units gave for warnings: each row is one",
    (
        _SHA256,
        REGION_CODE,
        _RECEIVED_AT,
        Field("number", "VARCHAR", "警告的编号", "Number of the warning"),
        Field("reason", "VARCHAR", "原因", "Why it is right as it stands"),
    ),
)

VERSION_IN_FORCE = Record(
    "version_in_force",
    "在用的版本: 每行一次报送",
    "Versions in force: each row is a submission",
    (
        SUBMISSION_ID,
        REGION_CODE,
        FORM,
        YEAR,
        Field("expected", "BOOLEAN", "是否应报送", "Whether it is expected of its unit"),
    ),
)

SENT = Record(
    "sent",
    "已发出的退回单: 每行一个",
    "Return sheets in the outbox: each row is one",
    (
        Field("target", "VARCHAR", "在发件箱中的路径", "Path below the outbox"),
        Field("mark", "VARCHAR", "内容的哈希值", "Hash of what it says"),
    ),
)

DECISION = Record(
    "decision",
    "审批决定: 每行一次对一份报送的决定",
    "Decisions of the office: each row is one, on a submission",
    (
        REGION_CODE,
        FORM,
        YEAR,
        SUBMISSION_ID,
        Field(
            "decision", "VARCHAR", "决定: approved 审批通过, returned 退回", "approved or returned"
        ),
        Field("reason", "VARCHAR", "理由", "Why"),
        Field("decided_at", "TIMESTAMP", "决定时间(UTC)", "Time of the decision (UTC)"),
        Field(
            "decided_as",
            "VARCHAR",
            "以何职责决定(岗位或部门, 不记姓名)",
            "In which role or office; never a name",
        ),
    ),
)

FINAL = Record(
    "final_submission",
    "已定稿的报送: 每行一个定稿年度的一份报送",
    "What was released as final: each row is a submission of a year that is closed",
    (YEAR, SUBMISSION_ID),
)

YEAR_STATE = Record(
    "year_state",
    "各年度数据的状态: 每行一个年度的一种状态, 截止时间为空的是当前状态",
    "How final the figures are: each row is a year in a state; the one without an end is the current one",
    (
        YEAR,
        Field(
            "state",
            "VARCHAR",
            "状态: preliminary 初步, final 定稿, revised 定稿后修订",
            "preliminary, final or revised (after it was final)",
        ),
        Field("release", "VARCHAR", "定稿的名称", "Name of the last release of the year"),
        Field(
            "decided_at",
            "TIMESTAMP",
            "定稿或重开的时间(UTC), 最初的状态为空",
            "Since when, by which decision (UTC); NULL for the first state",
        ),
        Field(
            "ended_at", "TIMESTAMP", "截止时间(UTC)", "Until when (UTC); NULL for the current state"
        ),
        Field("reason", "VARCHAR", "重开的理由", "Why it was opened again"),
    ),
)

WITHHELD = Record(
    "withheld",
    "已接收但不生效的报送: 每行一份",
    "What was accepted and is not in force by a decision: each row is a submission",
    (
        SUBMISSION_ID,
        Field(
            "why",
            "VARCHAR",
            "原因: returned 被退回, closed 年度已定稿, waiting 待审批",
            "returned by a person, closed (the year is final) or waiting (for approval)",
        ),
    ),
)

UNPUBLISHED = Record(
    "unpublished",
    "尚未发布的变化: 每行一次",
    "What was loaded and not yet published: each row is a load",
    (Field("since", "TIMESTAMP", "最近的收到时间(UTC)", "Last time of receipt in it (UTC)"),),
)

PUBLISHED_BY = Record(
    "published_by",
    "发布所用的定义",
    "The definitions that the publication was made with",
    (Field("stamp", "VARCHAR", "定义的哈希值", "Hash of program, plan and reference lists"),),
)

PUBLISHED_FILE = Record(
    "published_file",
    "已发布的文件: 每行一个",
    "Files of the publication: each row is one",
    (
        Field("name", "VARCHAR", "路径", "Path below the folder of publications"),
        Field("bytes", "BIGINT", "字节数", "Size in bytes"),
    ),
)

#: All tables of the ledger but for those of the forms, in the order in which they are created.
LEDGER = (
    DELIVERY,
    SUBMISSION,
    SUBMISSION_SHEET,
    SUBMISSION_LAYOUT,
    FINDING,
    WARNING,
    KEPT_ANSWER,
    KEPT_MARK,
    KEPT_PART,
    KEPT_SHORTFALL,
    KEPT_TURNING,
    REASON,
    DECISION,
    FINAL,
    YEAR_STATE,
    WITHHELD,
    SENT,
    UNPUBLISHED,
    PUBLISHED_BY,
    PUBLISHED_FILE,
    VERSION_IN_FORCE,
)
