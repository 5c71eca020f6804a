"""The YAML record of a form: its fields, what can be wrong in it, and the form it makes.

The eleven records of the package stand beside this module; a home may have more in
``definitions/forms/``, or one of the eleven anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from transforms.forms.model import Column, Deadline, Form, Kind, RowCheck, Rule, TotalCheck
from transforms.texts import Text
from transforms.yaml_records import Place, read_definitions

#: Of the names of forms and columns: they are names of tables and columns in SQL too.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
#: E01 to E09 belong to reading (:mod:`transforms.checks.rules`).
Number = Annotated[str, StringConstraints(pattern=r"^E[1-9][0-9]$")]
Words = Annotated[str, StringConstraints(min_length=1)]

#: The columns that every table of a form has before its own.
_TAKEN = frozenset({"submission_id", "region_code", "year", "sheet", "row"})
#: What a rule may speak of.
_PLACEHOLDERS = ("form", "column", "value", "other", "expected", "expected_en")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnRecord(_Record):
    """A column: ``header`` and ``aliases`` are what stands above it, ``type`` how its cells are read.

    ``unit`` is the one that values are kept in; ``low`` and ``high`` bound whole numbers; ``example``
    stands on the example sheet of the template.
    """

    name: Name
    header: Words
    aliases: tuple[Words, ...] = ()
    type: Kind
    required: bool = False
    unit: Words | None = None
    choices: tuple[Words, ...] = ()
    low: int = 0
    high: int | None = None
    en: Words
    example: str | None = None


class RuleRecord(_Record):
    """The wording of an error: what is wrong, what to do, why it matters, and a case of it."""

    number: Number
    zh: Words
    en: Words
    remedy_zh: Words
    remedy_en: Words
    reason_zh: Words
    reason_en: Words
    example: Words

    def rule(self) -> Rule:
        """Return it as a rule of no form yet."""
        return Rule(severity="error", **self.model_dump(include=set(RuleRecord.model_fields)))


class ErrorRecord(RuleRecord):
    """An error that a row shows by itself: ``wrong`` is SQL over the columns, true where it is broken.

    ``columns`` are the cells that the finding marks, the first of them being its place.
    """

    wrong: Words
    columns: Annotated[tuple[Name, ...], Field(min_length=1)]


class PartRecord(_Record):
    """A ``part`` that cannot be larger than its ``whole``."""

    number: Number
    part: Name
    whole: Name
    reason_zh: Words
    reason_en: Words


class TotalRecord(RuleRecord):
    """A row, called ``total`` in the column ``label``, whose ``amount`` is the sum of all others'.

    It must be there (``absent`` is the error where it is not); ``tolerance`` is in the column's unit.
    """

    label: Name
    total: Words
    amount: Name
    tolerance: Decimal
    absent: RuleRecord


class DeadlineRecord(_Record):
    """The last day on which the form is in time, so many years after the statistical one."""

    month: Annotated[int, Field(ge=1, le=12)]
    day: Annotated[int, Field(ge=1, le=31)]
    years_after: Annotated[int, Field(ge=0, le=3)] = 0


class FormRecord(_Record):
    """A form. ``code`` begins the ids of its rules; ``key`` tells its rows apart, [] where one belongs.

    ``order`` is its place where forms are listed. A ``deadline`` stands here for a form that is in no
    calendar (:mod:`transforms.forms.calendar`).
    """

    form: Name
    code: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,5}$")]
    order: int = 100
    zh: Words
    en: Words
    each_row_is_a: Words
    row_zh: Words
    key: tuple[Name, ...]
    totals_are_data: bool = False
    deadline: DeadlineRecord | None = None
    columns: Annotated[tuple[ColumnRecord, ...], Field(min_length=1)]
    parts_of_whole: tuple[PartRecord, ...] = ()
    errors: tuple[ErrorRecord, ...] = ()
    totals: tuple[TotalRecord, ...] = ()

    def problems(self) -> Iterator[tuple[Place, Text]]:
        """Yield what contradicts itself in the record."""
        if self.code == "FIL":
            yield (
                ("code",),
                Text(
                    "FIL 是整个文件的问题所用的代码；请换一个",
                    "FIL is the code of what concerns whole files; choose another",
                ),
            )
        yield from self._problems_of_columns()
        names = {column.name for column in self.columns}
        for where, place in self._mentions():
            if where not in names:
                yield (
                    place,
                    Text(
                        f"没有 {where} 这一列；有的是：{'、'.join(sorted(names))}",
                        f"there is no column {where}; name one of {', '.join(sorted(names))}",
                    ),
                )
        for place, sql in (
            (("errors", i, "wrong"), error.wrong) for i, error in enumerate(self.errors)
        ):
            if (problem := self._problem_of_sql(sql)) is not None:
                yield place, problem
        numbers = Counter(
            [
                *(part.number for part in self.parts_of_whole),
                *(error.number for error in self.errors),
                *(total.number for total in self.totals),
                *(total.absent.number for total in self.totals),
            ]
        )
        for number, times in numbers.items():
            if times > 1:
                yield (
                    (),
                    Text(
                        f"编号 {number} 用了 {times} 次；每条规则须各有编号",
                        f"the number {number} stands {times} times; give each rule its own",
                    ),
                )
        for kind, rules in (("errors", self.errors), ("totals", self.totals)):
            for i, rule in enumerate(rules):
                for field in ("zh", "en"):
                    if (problem := _problem_of_wording(getattr(rule, field))) is not None:
                        yield (kind, i, field), problem

    def _problems_of_columns(self) -> Iterator[tuple[Place, Text]]:
        names: set[str] = set()
        headers: dict[str, str] = {}
        for i, column in enumerate(self.columns):
            place: Place = ("columns", i)
            if column.name in _TAKEN:
                yield (
                    (*place, "name"),
                    Text(
                        "每张表都有叫这个名称的列；请换一个",
                        "every table has a column of that name; choose another",
                    ),
                )
            if column.name in names:
                twice = Text("这个名称用了两次；请换一个", "the name stands twice; choose another")
                yield (*place, "name"), twice
            names.add(column.name)
            for header in (column.header, *column.aliases):
                other = headers.setdefault(header, column.name)
                if other != column.name:
                    yield (
                        (*place, "header"),
                        Text(
                            f"表头 {header} 也是 {other} 的；每列须各有表头",
                            f"the header {header} is that of {other} too; one column each",
                        ),
                    )
            if (column.type == Kind.CHOICE) != bool(column.choices):
                yield (
                    (*place, "choices"),
                    Text(
                        "类型 choice 须写 choices，别的类型不写",
                        "choices belong to the type choice, and to no other",
                    ),
                )
            if column.high is not None and column.high < column.low:
                below = Text("小于 low；请改正其一", "it lies below low; correct one of them")
                yield (*place, "high"), below
            if column.unit is not None and column.type not in (Kind.NUMBER, Kind.INT):
                yield (
                    (*place, "unit"),
                    Text(
                        "只有数字才有单位；请删去，或改正类型",
                        "only numbers have a unit; take it out, or correct the type",
                    ),
                )

    def _mentions(self) -> Iterator[tuple[str, Place]]:
        """Yield every name of a column that the record mentions, with its place."""
        for i, name in enumerate(self.key):
            yield name, ("key", i)
        for i, part in enumerate(self.parts_of_whole):
            yield part.part, ("parts_of_whole", i, "part")
            yield part.whole, ("parts_of_whole", i, "whole")
        for i, error in enumerate(self.errors):
            for j, name in enumerate(error.columns):
                yield name, ("errors", i, "columns", j)
        for i, total in enumerate(self.totals):
            yield total.label, ("totals", i, "label")
            yield total.amount, ("totals", i, "amount")

    def _problem_of_sql(self, sql: str) -> Text | None:
        """Return why ``sql`` is no condition over the columns; None where it is one."""
        schema = self.to_form_columns_schema()
        try:
            expression = pl.sql_expr(sql)
            unknown = sorted(set(expression.meta.root_names()) - set(schema))
            if unknown:
                known = sorted(schema)
                return Text(
                    f"“{sql}”中的 {'、'.join(unknown)} 不是列名；有的是：{'、'.join(known)}",
                    f"there is no column {', '.join(unknown)} in “{sql}”; there are {', '.join(known)}",
                )
            dtype = pl.DataFrame(schema=schema).select(expression).dtypes[0]
        except (pl.exceptions.PolarsError, ValueError) as error:
            first = str(error).splitlines()[0]
            return Text(
                f"“{sql}”不是由各列组成的 SQL 表达式：{first}",
                f"“{sql}” is no SQL expression over the columns: {first}",
            )
        if dtype != pl.Boolean:
            return Text(
                f"“{sql}”得出的是 {dtype}，应得出真或假：请写成比较",
                f"“{sql}” gives {dtype}, and must be true or false: compare it with something",
            )
        return None

    def to_form_columns_schema(self) -> dict[str, pl.DataType]:
        """Return the Polars types of the columns by their names."""
        return {column.name: _column(column).polars_type for column in self.columns}

    def to_form(self) -> Form:
        """Return the form that the record describes."""
        columns = {column.name: _column(column) for column in self.columns}
        checks = [
            *(
                RowCheck(rule=error.rule(), columns=error.columns, bad=pl.sql_expr(error.wrong))
                for error in self.errors
            ),
            *(
                _part_of_whole(one, columns[one.part], columns[one.whole])
                for one in self.parts_of_whole
            ),
        ]
        return Form(
            name=self.form,
            code=self.code,
            zh=self.zh,
            en=self.en,
            each_row_is_a=self.each_row_is_a,
            row_zh=self.row_zh,
            columns=tuple(columns.values()),
            key=self.key,
            row_checks=tuple(sorted(checks, key=lambda check: check.rule.number)),
            total_checks=tuple(
                TotalCheck(
                    rule=total.rule(),
                    absent=total.absent.rule(),
                    label=total.label,
                    total=total.total,
                    amount=total.amount,
                    tolerance=str(total.tolerance),
                )
                for total in self.totals
            ),
            totals_are_data=self.totals_are_data,
            deadline=Form.deadline
            if self.deadline is None
            else Deadline(**self.deadline.model_dump()),
            order=self.order,
        )


def read_form(file: Path, *, of_package: bool = False) -> Form:
    """Return the form that the YAML file ``file`` describes.

    Trying the rules of one starts threads, which the process that forks readers of files must not have.

    Raises:
        DefinitionError: the record is not whole, or contradicts itself.
    """
    return read_definitions(file, FormRecord, of_package=of_package).to_form()


def _column(record: ColumnRecord) -> Column:
    return Column(
        name=record.name,
        header=record.header,
        aliases=record.aliases,
        kind=record.type,
        required=record.required,
        unit=record.unit,
        choices=record.choices,
        low=record.low,
        high=record.high,
        en=record.en,
        example=record.example,
        note_zh=_note(record),
    )


def _note(record: ColumnRecord) -> str:
    """Return what a clerk is told of the cells of a column."""
    number = "非负整数" if record.high is None else f"{record.low}至{record.high}的整数"
    return {
        Kind.TEXT: "",
        Kind.CODE: "10位数字",
        Kind.INT: number,
        Kind.NUMBER: "非负数" if record.unit is None else f"非负数, 单位: {record.unit}",
        Kind.BOOL: "是 或 否",
        Kind.TIME: "时刻, 如 07:50",
        Kind.DATE: "日期, 如 2020-09-01",
        Kind.CHOICE: "从中选择: " + "、".join(record.choices),
        Kind.GRADE: "1至12, 或一年级、初一、高一等",
    }[record.type]


def _part_of_whole(record: PartRecord, part: Column, whole: Column) -> RowCheck:
    """Return the error that a part is larger than its whole."""
    return RowCheck(
        rule=Rule(
            number=record.number,
            severity="error",
            zh=f"“{part.header}”({{value}})大于“{whole.header}”({{other}})",
            en=f"{part.name} ({{value}}) is larger than {whole.name} ({{other}})",
            remedy_zh="请核对这两个数, 部分不能大于总数。",
            remedy_en="Check both figures: a part cannot exceed its whole.",
            reason_zh=record.reason_zh,
            reason_en=record.reason_en,
            example=f"{part.header} 12, {whole.header} 10",
        ),
        columns=(part.name, whole.name),
        bad=pl.col(part.name) > pl.col(whole.name),
    )


def _problem_of_wording(words: str) -> Text | None:
    try:
        words.format(**dict.fromkeys(_PLACEHOLDERS, ""))
    except (KeyError, IndexError, ValueError) as error:
        known = [f"{{{name}}}" for name in _PLACEHOLDERS]
        return Text(
            f"{error} 处没有内容可填；可用的是：{'、'.join(known)}",
            f"there is nothing to fill in for {error}; there are {', '.join(known)}",
        )
    return None
