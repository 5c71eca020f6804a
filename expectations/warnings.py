"""The warnings across forms and years: read from YAML, run as one suite, kept as rows.

An error looks at its own submission alone. What shows only when submissions are held against each
other, or against last year's, is a warning: it lets the submission in and is computed anew each
night over everything in force, so that the order of arrival never matters. Every rule of
``warnings.yaml`` and form is one expectation; :func:`write_warnings` turns what breaks it into
the table ``warning``, one row for each cause.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Annotated, Literal, Self

import duckdb
import polars as pl
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from expectations.engine import Broken, Expectation
from transforms.checks.findings import MARKED_CELLS, Finding, Submission, is_one_cause, told
from transforms.checks.rules import RULES
from transforms.definitions import DefinitionError, InUse
from transforms.forms import FORMS, FORMS_IN_USE, Form, FormSet, Kind, Rule
from transforms.records import WARNING
from transforms.yaml_records import read_definitions
from warehouse.sql import table_from

WARNINGS = Path(__file__).with_name("warnings.yaml")

#: The suite's name in Data Docs, and the table that Great Expectations takes for its batch.
SUITE, TABLE = "warnings", "version_in_force"

#: The key of a finding that stands for a whole column.
WHOLE = "all"

#: Whole numbers that add up to nothing.
_NO_TOTALS = ("founded_year", "age")

_PLACEHOLDERS = ("form", "column", "value", "other", "key", "cells")


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
    example: str
    query: str

    @model_validator(mode="after")
    def _sound(self) -> Self:
        unknown = set(() if self.forms == "all" else self.forms) - set(FORMS)
        if unknown:
            raise ValueError(
                f"there is no form {', '.join(sorted(unknown))}; there are {', '.join(FORMS)}"
            )
        if "{" in self.query:
            raise ValueError("a query must not hold braces; write it without")
        try:
            for wording in (self.zh, self.en):
                wording.format(**dict.fromkeys(_PLACEHOLDERS, ""))
        except (KeyError, IndexError) as error:
            raise ValueError(f"there is nothing to fill in for {error} in the wording") from None
        return self


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: dict[str, str] = {}
    rules: tuple[_Record, ...]


@dataclass(frozen=True)
class WarningRule:
    """One warning of one form: its wording, and the query for what is concerned.

    ``query`` gives one row for each row of a sheet that breaks the rule; its columns are
    explained at the top of ``warnings.yaml``.
    """

    rule: Rule
    form: Form
    query: str


@lru_cache(maxsize=8)
def _packaged(forms: FormSet) -> Mapping[str, WarningRule]:
    """Return the warnings of the package for ``forms``, which are in use, by their ids."""
    content = read_definitions(WARNINGS, _File, of_package=True)
    return _by_id(content, content.parts)


def read_warnings(own: Path) -> Mapping[str, WarningRule]:
    """Return the warnings of the package, and those of the file ``own`` of a home, by their ids.

    A rule of the home's with the number and a form of a packaged one takes its place.

    Raises:
        DefinitionError: a record is not well formed, an id is used twice, or a query names something that
            is not there to be filled in.
    """
    packaged = _packaged(FORMS_IN_USE.get())
    if not own.exists():
        return packaged
    content = read_definitions(own, _File)
    parts = read_definitions(WARNINGS, _File, of_package=True).parts
    try:
        further = _by_id(content, {**parts, **content.parts})
    except KeyError as error:
        raise DefinitionError(
            f"{own}: a query names ${error.args[0]}, which is not there"
        ) from None
    except ValueError as error:
        raise DefinitionError(f"{own}: {error}") from None
    return {**packaged, **further}


#: Which warnings are in use.
WARNINGS_IN_USE: InUse[Mapping[str, WarningRule]] = InUse(lambda: _packaged(FORMS_IN_USE.get()))


def further_warnings(warnings: Mapping[str, WarningRule]) -> dict[str, WarningRule]:
    """Return those of ``warnings`` that are not just as the package has them."""
    packaged = _packaged(FORMS_IN_USE.get())
    return {name: one for name, one in warnings.items() if one is not packaged.get(name)}


def load_warnings() -> Mapping[str, WarningRule]:
    """Return the warnings in use by their ids, in the order of their files."""
    return WARNINGS_IN_USE.get()


def _by_id(content: _File, parts: Mapping[str, str]) -> dict[str, WarningRule]:
    """Return the warnings of a file by their ids."""
    found: dict[str, WarningRule] = {}
    for record in content.rules:
        forms = {name: {} for name in FORMS} if record.forms == "all" else record.forms
        for name, own in forms.items():
            form = FORMS[name]
            rule = Rule(
                code=form.code,
                severity="warning",
                **record.model_dump(exclude={"forms", "query"}),
            )
            if rule.id in found or rule.id in RULES:
                raise ValueError(f"rule id {rule.id} is used twice")
            query = Template(record.query).substitute({**parts, **_facts(form), **own})
            found[rule.id] = WarningRule(rule, form, query)
    return found


def _facts(form: Form) -> dict[str, str]:
    """Return what a query may take from the form's definition."""
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
    }


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


#: One finding for everything in a submission that has the same key. Cells are named on the sheet
#: of the first of them. Great Expectations hands over 200 rows at most: the findings of a unit
#: come as one row, and where there are more units than that, several units share one.
_CAUSES = Template(
    f"""
WITH hit AS (
$query
), on_sheet AS (
    SELECT submission_id, key, columns, sheet,
        list("row" ORDER BY "row")[1:{MARKED_CELLS}] AS rows, min(value) AS value,
        min(other) AS other, min(figure) AS figure, count(*) AS hits, sum(cells) AS cells
    FROM hit GROUP BY submission_id, key, columns, sheet
), cause AS (
    SELECT submission_id, key, columns, min(sheet) AS sheet, arg_min(rows, sheet) AS rows,
        min(value) AS value, min(other) AS other, min(figure) AS figure,
        sum(hits)::BIGINT AS hits, sum(cells)::BIGINT AS cells
    FROM on_sheet GROUP BY submission_id, key, columns
), numbered AS (
    SELECT region_code, dense_rank() OVER (ORDER BY region_code) % 200 AS place, cause
    FROM cause JOIN version_in_force USING (submission_id)
)
SELECT list(DISTINCT region_code ORDER BY region_code) AS units,
    list(cause ORDER BY cause.submission_id, cause.key) AS findings
FROM numbered GROUP BY place ORDER BY place
"""
)


def warning_rules() -> list[Rule]:
    """Return the wording of every warning, in the order of the file."""
    return [warning.rule for warning in load_warnings().values()]


def expectations() -> list[Expectation]:
    """Return the suite: for :meth:`expectations.engine.Engine.run` with :data:`TABLE` as its table."""
    return [
        Expectation(
            name,
            unexpected_rows(warning),
            f"{name} 未发现 / none found: {_in_general(warning.rule)}",
        )
        for name, warning in load_warnings().items()
    ]


def unexpected_rows(warning: WarningRule) -> str:
    """Return the query that gives, for each unit that has any, the list of findings of ``warning``."""
    return _CAUSES.substitute(query=warning.query)


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
        _Cause(rule_id, **finding)
        for rule_id, units in broken.items()
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
    rows = [
        _row(cause, origins[cause.submission_id], letters) for cause in _together(causes, origins)
    ]
    frame = pl.DataFrame(rows, schema=WARNING.schema, orient="row").sort(
        "region_code", "form", "year", "rule_id", "key", "submission_id"
    )
    table_from(connection, "TABLE warning", frame)
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


def _row(
    cause: _Cause, origin: _Origin, letters: Mapping[tuple[str, str, str], str]
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
    }
    zh, en = rule.zh.format(**words), rule.en.format(**words)
    if cause.alike > 1:
        zh = f"同一列有{cause.alike}处不符, 很可能出于同一原因, 例如: {zh}"
        en = f"{cause.alike} findings in the column, most likely with one cause; one of them: {en}"
    # What an explanation must repeat; JSON's quotes are YAML's too.
    named = {"key": cause.key} | ({} if cause.figure is None else {"figure": cause.figure})
    copied = ", ".join(f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in named.items())
    remedy_zh = f"{rule.remedy_zh}情况属实的, 请说明原因, 由教育局登记({copied})。"
    remedy_en = (
        f"{rule.remedy_en} Where it is right as it stands, give the reason to register ({copied})."
    )
    finding = Finding(
        submission=Submission(cause.submission_id, origin.region_code, origin.form, origin.year),
        rule=rule,
        **told(zh, en, form, cause.sheet, places[0] if places else None),
        remedy_zh=remedy_zh,
        remedy_en=remedy_en,
        sheet=cause.sheet,
        places=tuple(places),
        row=cause.rows[0],
        column_name=column.name,
        value=cause.value,
        cells=cause.cells,
    )
    return {**finding.record(), "key": cause.key, "figure": cause.figure, "explained": None}
