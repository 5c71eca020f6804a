"""The warnings across forms and years: read from YAML, run as one suite, kept as rows.

An error looks at its own submission alone. What shows only when submissions are held against each
other, or against last year's, is a warning: it lets the submission in and is computed anew each
night over everything in force, so that the order of arrival never matters. Every rule of
``warnings.yaml`` is one expectation, of forms with many rows several; :func:`write_warnings` turns what
breaks it into the table ``warning``, one row for each cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Annotated, Literal, Self, TypeAlias

import duckdb
import polars as pl
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from expectations.clauses import Plan, load_plan
from expectations.engine import Broken, Expectation
from expectations.questions import asked_items, items_table, unanswered_rows
from transforms.checks.findings import (
    MARKED_CELLS,
    Finding,
    Submission,
    is_one_cause,
    or_reason,
    told,
)
from transforms.checks.rules import RULES
from transforms.definitions import DefinitionError, InUse
from transforms.forms import FORMS, FORMS_IN_USE, Form, FormSet, Kind, Rule
from transforms.forms.model import rule_id
from transforms.records import WARNING
from transforms.texts import Misfit, Text, text_of
from transforms.yaml_records import read_definitions
from warehouse.indicators.definitions import Catalogue, load_catalogue
from warehouse.ledger.schema import WARNING_NUMBER
from warehouse.sql import lent, literal, table_from

WARNINGS = Path(__file__).with_name("warnings.yaml")

#: The suite's name in Data Docs, and the table that Great Expectations takes for its batch.
SUITE, TABLE = "warnings", "version_in_force"

#: The key of a finding that stands for a whole column.
WHOLE = "all"

#: Whole numbers that add up to nothing.
_NO_TOTALS = ("founded_year", "age")

#: What a message may fill in. ``name`` is the institution that the first row is about, ``names`` the first
#: few of all rows, ``columns`` all columns concerned; what is missing is the key, or nothing.
_PLACEHOLDERS = ("form", "column", "columns", "value", "other", "key", "cells", "name", "names")

#: So many institutions are named in a message, and so many of the columns.
_NAMED = 5

#: So many rows the forms have whose rules are asked in one query, unless it is those of one form: DuckDB keeps the
#: memory of all parts of a query until it has ended.
ROWS_TOGETHER = 100_000


#: The number of a rule, of the same form or of the one that is named.
_NUMBER = r"^([A-Z]+-)?W[1-9][0-9]$"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    number: Annotated[str, StringConstraints(pattern=r"^W[1-9][0-9]$")]
    forms: Literal["all"] | dict[str, dict[str, str]]
    zh: str
    en: str
    remedy_zh: str
    remedy_en: str
    reason_zh: str
    reason_en: str
    accepted_zh: str = ""
    accepted_en: str = ""
    example: str
    gives_way_to: tuple[Annotated[str, StringConstraints(pattern=_NUMBER)], ...] = ()
    query: str

    @model_validator(mode="after")
    def _sound(self) -> Self:
        unknown = set(() if self.forms == "all" else self.forms) - set(FORMS)
        if unknown:
            raise Misfit(
                f"没有报表 {'、'.join(sorted(unknown))}；有的是：{'、'.join(FORMS)}",
                f"there is no form {', '.join(sorted(unknown))}; there are {', '.join(FORMS)}",
            )
        if "{" in self.query:
            raise Misfit(
                "query 中不能有花括号；请换一种写法",
                "a query must not hold braces; write it without",
            )
        try:
            for wording in (self.zh, self.en):
                wording.format(**dict.fromkeys(_PLACEHOLDERS, ""))
        except (KeyError, IndexError) as error:
            raise Misfit(
                f"文字中的 {error} 处没有内容可填",
                f"there is nothing to fill in for {error} in the wording",
            ) from None
        return self


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: dict[str, str] = {}
    rules: tuple[_Record, ...]


@dataclass(frozen=True)
class WarningRule:
    """One warning of one form: its wording, and the query for what is concerned.

    ``query`` gives one row for each row of a sheet that breaks the rule; its columns are
    explained at the top of ``warnings.yaml``. ``gives_way_to`` are the ids of rules beside whose
    findings this one is silent, because they have the same cause.
    """

    rule: Rule
    form: Form
    query: str
    gives_way_to: frozenset[str] = frozenset()


@cache
def _content() -> _File:
    """Return the file of the package."""
    return read_definitions(WARNINGS, _File, of_package=True)


@lru_cache(maxsize=8)
def _packaged(forms: FormSet) -> Mapping[str, WarningRule]:
    """Return the warnings of the package for the packaged plan and ``forms``, which are in use."""
    content = _content()
    return _by_id(content, content.parts, load_plan(), load_catalogue())


def read_warnings(own: Path | None, plan: Plan, catalogue: Catalogue) -> Mapping[str, WarningRule]:
    """Return the warnings of the package, and those of the file ``own`` of a home, by their ids.

    A rule of the home's with the number and a form of a packaged one takes its place.

    Questions and items that they ask for are those of ``plan`` and its indicators in ``catalogue``.

    Raises:
        DefinitionError: a record is not well formed, an id is used twice, or a query names something that
            is not there to be filled in.
    """
    content = _content()
    if (plan, catalogue) == (load_plan(), load_catalogue()):
        packaged = _packaged(FORMS_IN_USE.get())
    else:
        packaged = _by_id(content, content.parts, plan, catalogue)
    if own is None or not own.exists():
        return packaged
    further = read_definitions(own, _File)
    try:
        found = _by_id(further, {**content.parts, **further.parts}, plan, catalogue)
        _check_giving_way({**packaged, **found})
    except KeyError as error:
        name = error.args[0]
        missing = Text(
            f"query 中写了 ${name}，而没有这一项", f"a query names ${name}, which is not there"
        )
        raise DefinitionError(missing.at(own)) from None
    except ValueError as error:
        raise DefinitionError(text_of(error).at(own)) from None
    return {**packaged, **found}


#: Which warnings are in use.
WARNINGS_IN_USE: InUse[Mapping[str, WarningRule]] = InUse(lambda: _packaged(FORMS_IN_USE.get()))


def further_warnings(warnings: Mapping[str, WarningRule]) -> dict[str, WarningRule]:
    """Return those of ``warnings`` that do not ask just what the package has them ask."""
    packaged = _packaged(FORMS_IN_USE.get())
    return {
        name: one
        for name, one in warnings.items()
        if name not in packaged or one.query != packaged[name].query
    }


def load_warnings() -> Mapping[str, WarningRule]:
    """Return the warnings in use by their ids, in the order of their files."""
    return WARNINGS_IN_USE.get()


def _by_id(
    content: _File, parts: Mapping[str, str], plan: Plan, catalogue: Catalogue
) -> dict[str, WarningRule]:
    """Return the warnings of a file by their ids; ``parts`` are pieces of SQL that queries take up."""
    asked = {"items": items_table(asked_items(plan, catalogue))}
    of_forms: dict[str, dict[str, str]] = {}
    found: dict[str, WarningRule] = {}
    for record in content.rules:
        forms = {name: {} for name in FORMS} if record.forms == "all" else record.forms
        for name, own in forms.items():
            form = FORMS[name]
            rule = Rule(
                code=form.code,
                severity="warning",
                **record.model_dump(exclude={"forms", "query", "gives_way_to"}),
            )
            if rule.id in found or rule.id in RULES:
                raise Misfit(f"规则编号 {rule.id} 用了两次", f"rule id {rule.id} is used twice")
            if name not in of_forms:
                facts = {**asked, **_facts(form, plan, catalogue)}
                taken = {k: Template(text).safe_substitute(facts) for k, text in parts.items()}
                of_forms[name] = {**taken, **facts}
            facts = of_forms[name]
            given = {part: Template(text).substitute(facts) for part, text in own.items()}
            query = Template(record.query).substitute({**facts, **given})
            others = (
                number if "-" in number else rule_id(form.code, number)
                for number in record.gives_way_to
            )
            found[rule.id] = WarningRule(rule, form, query, frozenset(others) - {rule.id})
    return found


def _check_giving_way(warnings: Mapping[str, WarningRule]) -> None:
    """Raise Misfit where a rule gives way to a number that no rule has."""
    numbers = {name.partition("-")[2] for name in warnings}
    others = {other for warning in warnings.values() for other in warning.gives_way_to}
    if stray := {other for other in others if other.partition("-")[2] not in numbers}:
        raise Misfit(
            f"gives_way_to 所写的规则 {'、'.join(sorted(stray))} 不存在",
            f"there is no rule {', '.join(sorted(stray))} to give way to",
        )


def _facts(form: Form, plan: Plan, catalogue: Catalogue) -> dict[str, str]:
    """Return what a query may take from the form's definition, and what the plan asks of the form."""
    totals = [
        column.name
        for column in form.columns
        if column.kind in (Kind.INT, Kind.NUMBER) and column.name not in _NO_TOTALS
    ]
    # Where a row is itself the sum of the others, it alone is the unit's total.
    only = [f"\"{check.label}\" = '{check.total}'" for check in form.total_checks]
    return {
        "form": form.name,
        "first": form.columns[0].name,
        "columns": _listed(form.by_name),
        "totals": _listed(totals),
        "total_rows": " AND ".join(only) or "true",
        "unanswered": unanswered_rows(form, plan, catalogue),
    }


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


#: A finding as a suite gives it, as a type of DuckDB.
_CAUSE = (
    "STRUCT(rule_id VARCHAR, submission_id VARCHAR, key VARCHAR, columns VARCHAR[], sheet VARCHAR,"
    ' "rows" BIGINT[], value VARCHAR, other VARCHAR, figure VARCHAR, hits BIGINT, cells BIGINT)'
)

#: One finding for everything in a submission that has the same key. Cells are named on the sheet of the first of them.
_CAUSES = Template(
    f"""
SELECT rule_id, submission_id, key, columns, min(sheet) AS sheet, arg_min(rows, sheet) AS rows,
    min(value) AS value, min(other) AS other, min(figure) AS figure,
    sum(hits)::BIGINT AS hits, sum(cells)::BIGINT AS cells
FROM (
    SELECT rule_id, submission_id, key, columns, sheet,
        list("row" ORDER BY "row")[1:{MARKED_CELLS}] AS rows, min(value) AS value,
        min(other) AS other, min(figure) AS figure, count(*) AS hits, sum(cells) AS cells
    FROM (
$query
    ) GROUP BY rule_id, submission_id, key, columns, sheet
) GROUP BY rule_id, submission_id, key, columns
"""
)

#: What rules found when they were last asked (:mod:`expectations.unchanged`).
_KEPT = Template(
    f"""
SELECT unnest(findings::JSON::{_CAUSE}[], max_depth := 2)
FROM kept_answer WHERE rule_id IN ($rules)
"""
)

#: Great Expectations hands over 200 rows at most: the findings of a unit come as one row, and where there are more
#: units than that, several units share one.
_PACKED = Template(
    """
WITH cause AS (
$causes
), numbered AS (
    SELECT region_code, dense_rank() OVER (ORDER BY region_code) % 200 AS place, cause
    FROM cause JOIN version_in_force USING (submission_id)
)
SELECT list(DISTINCT region_code ORDER BY region_code) AS units,
    list(cause ORDER BY cause.rule_id, cause.submission_id, cause.key) AS findings
FROM numbered GROUP BY place ORDER BY place
"""
)


#: Of rules that are kept and found nothing.
_NOTHING = "SELECT NULL::VARCHAR[] AS units, NULL::VARCHAR AS findings WHERE false"


def warning_rules() -> list[Rule]:
    """Return the wording of every warning, in the order of the file."""
    return [warning.rule for warning in load_warnings().values()]


#: Rules that are not asked, by their ids: whether they found anything last time.
Kept: TypeAlias = Mapping[str, bool]
_NONE_KEPT: Kept = MappingProxyType({})


def expectations(
    asked: Mapping[str, Sequence[WarningRule]], kept: Kept = _NONE_KEPT
) -> list[Expectation]:
    """Return the suite: for :meth:`expectations.engine.Engine.run` with :data:`TABLE` as its table.

    ``asked`` are the rules that are one expectation, by its name (:func:`asked_together`). Of those that are
    ``kept`` the suite is given what they found last time.
    """
    return [
        Expectation(
            name,
            unexpected_rows(rules, kept),
            f"{name} 未发现 / none found: {_in_general(rules[0].rule)}",
        )
        for name, rules in asked.items()
    ]


def asked_together(rows: Mapping[str, int]) -> dict[str, list[WarningRule]]:
    """Return which rules are one expectation, by its name; ``rows`` says how many rows a form has.

    A rule is one expectation for all its forms, because what an expectation costs beside its query would
    otherwise be most of the check. Where they have more than :data:`ROWS_TOGETHER` rows it is several, which
    are called by the number and the codes of their forms.
    """
    found: dict[str, list[WarningRule]] = {}
    for number, rules in by_number().items():
        groups: list[list[WarningRule]] = []
        room = 0
        for rule in rules:
            size = rows.get(rule.form.name, 0)
            if not groups or size > room:
                groups.append([])
                room = ROWS_TOGETHER
            groups[-1].append(rule)
            room -= size
        for group in groups:
            of = "" if len(groups) == 1 else " " + " ".join(rule.form.code for rule in group)
            found[number + of] = group
    return found


def by_number() -> dict[str, list[WarningRule]]:
    """Return the rules of each number, one for every form that it is of."""
    found: dict[str, list[WarningRule]] = {}
    for warning in load_warnings().values():
        found.setdefault(warning.rule.number, []).append(warning)
    return found


def unexpected_rows(warnings: Iterable[WarningRule], kept: Kept = _NONE_KEPT) -> str:
    """Return the query that gives, for each unit that has any, the list of findings of ``warnings``.

    Those that are ``kept`` are not asked: what they found last time is taken.
    """
    given = list(warnings)
    queries = [
        f"SELECT {literal(warning.rule.id)} AS rule_id, * FROM (\n{warning.query}\n)"
        for warning in given
        if warning.rule.id not in kept
    ]
    found = [literal(warning.rule.id) for warning in given if kept.get(warning.rule.id)]
    parts = []
    if queries:
        parts.append(_CAUSES.substitute(query="\nUNION ALL BY NAME\n".join(queries)))
    if found:
        parts.append(_KEPT.substitute(rules=", ".join(found)))
    return _PACKED.substitute(causes="UNION ALL".join(parts)) if parts else _NOTHING


def _in_general(rule: Rule) -> str:
    blanks = dict.fromkeys(_PLACEHOLDERS, "…")
    return f"{rule.zh.format(**blanks)} / {rule.en.format(**blanks)}"


@dataclass(frozen=True)
class _Origin:
    """What the ledger says of a submission."""

    region_code: str
    form: str
    year: int
    rows: int


@dataclass(frozen=True)
class _Cause:
    """One finding as the suite gives it."""

    rule_id: str
    submission_id: str
    key: str
    columns: Sequence[str]
    sheet: str
    rows: Sequence[int]
    value: str | None
    other: str | None
    figure: str | None
    hits: int
    cells: int
    #: How many findings this one stands for, where they are taken together.
    alike: int = 1


def write_warnings(connection: duckdb.DuckDBPyConnection, broken: Broken) -> int:
    """Write the table ``warning`` (:data:`transforms.records.WARNING`) anew; give the number of its rows.

    ``broken`` is what the suite of :func:`expectations` gave. What breaks a rule in one column with
    one cause (:func:`~transforms.checks.findings.is_one_cause`) is one row, whose key is :data:`WHOLE`.
    """
    causes = [
        _Cause(**finding)
        for units in broken.values()
        for unit in units
        for finding in unit["findings"]
    ]
    raised = pl.DataFrame(
        {"submission_id": list(dict.fromkeys(cause.submission_id for cause in causes))},
        schema={"submission_id": pl.String()},
    )
    table_from(connection, "TEMP TABLE raised", raised)
    origins = {
        name: _Origin(*rest)
        for name, *rest in connection.execute(
            "SELECT submission_id, region_code, form, year, rows_loaded FROM submission "
            "SEMI JOIN raised USING (submission_id)"
        ).fetchall()
    }
    letters = {
        (submission, sheet, column): letter
        for submission, sheet, column, letter in connection.execute(
            "SELECT submission_id, sheet, column_name, letter FROM submission_layout "
            "SEMI JOIN raised USING (submission_id)"
        ).fetchall()
    }
    told_of = list(_of_their_own(list(_together(causes, origins)), origins))
    names = _names(connection, told_of, origins)
    rows = [
        _row(cause, origins[cause.submission_id], letters, named)
        for cause, named in zip(told_of, names, strict=True)
    ]
    frame = pl.DataFrame(rows, schema=WARNING.schema, orient="row").sort(
        "region_code", "form", "year", "rule_id", "key", "submission_id"
    )
    table_from(connection, "TABLE warning", frame)
    connection.execute(f"UPDATE warning SET number = {WARNING_NUMBER}")
    return frame.height


def _together(causes: Iterable[_Cause], origins: Mapping[str, _Origin]) -> Iterator[_Cause]:
    """Yield the causes, with those that are one for a whole column taken together."""
    groups: dict[tuple[str, str, str], list[_Cause]] = {}
    for cause in causes:
        groups.setdefault((cause.submission_id, cause.rule_id, cause.columns[0]), []).append(cause)
    for group in groups.values():
        hits = sum(cause.hits for cause in group)
        if not is_one_cause(len(group), hits, origins[group[0].submission_id].rows):
            yield from group
            continue
        first = min(group, key=lambda cause: (cause.sheet, cause.rows[0]))
        rows = sorted({row for c in group if c.sheet == first.sheet for row in c.rows})
        yield _Cause(
            rule_id=first.rule_id,
            submission_id=first.submission_id,
            key=WHOLE,
            columns=first.columns,
            sheet=first.sheet,
            rows=rows,
            value=first.value,
            other=first.other,
            figure=None,
            hits=hits,
            cells=sum(cause.cells for cause in group),
            alike=len(group),
        )


def _of_their_own(causes: Sequence[_Cause], origins: Mapping[str, _Origin]) -> Iterator[_Cause]:
    """Yield the causes but for those that another finding accounts for.

    A rule gives way (:attr:`WarningRule.gives_way_to`) to a finding of the same unit and year that is
    about the same institution or a whole form, or, in the same submission, about the same column or
    rows.
    """
    about = {thing for cause in causes for thing in _about(cause, origins[cause.submission_id])}
    for cause in causes:
        origin = origins[cause.submission_id]
        place = (origin.region_code, origin.year)
        accounted = any(
            (other, *place, cause.key.partition(" ")[0]) in about
            or (other, *place, WHOLE) in about
            or any((other, cause.submission_id, column) in about for column in cause.columns)
            or all((other, cause.submission_id, cause.sheet, row) in about for row in cause.rows)
            for other in load_warnings()[cause.rule_id].gives_way_to
        )
        if not accounted:
            yield cause


def _about(cause: _Cause, origin: _Origin) -> Iterator[tuple[object, ...]]:
    """Yield what a finding is about, in all the ways in which another may be about the same."""
    place = (cause.rule_id, origin.region_code, origin.year)
    yield (*place, cause.key.partition(" ")[0])
    for column in cause.columns:
        yield (cause.rule_id, cause.submission_id, column)
    for row in cause.rows:
        yield (cause.rule_id, cause.submission_id, cause.sheet, row)


def _names(
    connection: duckdb.DuckDBPyConnection, causes: Sequence[_Cause], origins: Mapping[str, _Origin]
) -> list[list[str]]:
    """Return for each cause the first few institutions that its rows name, in the order of the rows."""
    found: list[list[str]] = [[] for _ in causes]
    by_form: dict[str, list[tuple[int, str, str, int]]] = {}
    for number, cause in enumerate(causes):
        form = origins[cause.submission_id].form
        if "institution_name" in FORMS[form].by_name:
            by_form.setdefault(form, []).extend(
                (number, cause.submission_id, cause.sheet, row) for row in cause.rows
            )
    for form, rows in by_form.items():
        types = {
            "number": pl.Int64,
            "submission_id": pl.String,
            "sheet": pl.String,
            "row": pl.Int64,
        }
        with lent(connection, wanted=pl.DataFrame(rows, types, orient="row")):
            for number, names in connection.execute(
                f"SELECT number, list(DISTINCT institution_name ORDER BY institution_name)"
                f' FROM wanted JOIN standing."{form}" USING (submission_id, sheet, "row")'
                " WHERE institution_name IS NOT NULL GROUP BY number"
            ).fetchall():
                found[number] = names
    return found


def _row(
    cause: _Cause,
    origin: _Origin,
    letters: Mapping[tuple[str, str, str], str],
    names: Sequence[str],
) -> dict[str, object]:
    """Return one row of the table ``warning``."""
    warning = load_warnings()[cause.rule_id]
    rule, form = warning.rule, warning.form
    known = (letters.get((cause.submission_id, cause.sheet, name)) for name in cause.columns)
    columns = [letter for letter in known if letter is not None]
    places = [f"{letter}{row}" for row in cause.rows for letter in columns][:MARKED_CELLS]
    column = form.by_name[cause.columns[0]]
    words = {
        "form": form.zh,
        "column": column.titled,
        "value": cause.value,
        "other": cause.other,
        "key": cause.key,
        "cells": cause.cells,
        "columns": "、".join(form.by_name[name].header for name in cause.columns[:_NAMED])
        + ("等" if len(cause.columns) > _NAMED else ""),
        "name": names[0] if names else cause.key,
        "names": "、".join(names[:_NAMED]) + ("等" if len(names) > _NAMED else ""),
    }
    zh, en = rule.zh.format(**words), rule.en.format(**words)
    if cause.alike > 1:
        zh = f"同一列有{cause.alike}处不符, 很可能出于同一原因, 例如: {zh}"
        en = f"{cause.alike} findings in the column, most likely with one cause; one of them: {en}"
    remedy_zh, remedy_en = or_reason(rule)
    finding = Finding(
        submission=Submission(cause.submission_id, origin.region_code, origin.form, origin.year),
        rule=rule,
        **told(zh, en),
        remedy_zh=remedy_zh,
        remedy_en=remedy_en,
        sheet=cause.sheet,
        places=tuple(places),
        row=cause.rows[0],
        column_name=column.name,
        value=cause.value,
        cells=cause.cells,
        institution=names[0] if len(names) == 1 else None,
    )
    return {
        **finding.record(),
        "key": cause.key,
        "figure": cause.figure,
        "explained": None,
        "number": None,
        "refused": None,
    }
