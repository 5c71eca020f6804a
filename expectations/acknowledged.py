"""Explanations: the reviewed answers to warnings, from ``JZEDU_HOME/explanations.yaml``.

Some of what looks wrong is right: a county did merge its schools, a township is older than the
list. The education office then registers why, and the warning is shown as explained. An
acknowledgement holds for one finding of one unit, form and year, for as long as its figure stands and
its date has not passed; whatever has lapsed is reported, so that the file never fills with answers
to nothing. Errors cannot be explained.

The file is YAML and not CSV: a reason is a sentence that is reviewed line by line, and a
spreadsheet would turn codes into numbers and save the file in another encoding. Every value is
taken as the text that stands there. A record::

    - unit: 210727             # code of the reporting unit
      form: class
      year: 2020
      rule: CLS-W14
      key: "2121000001 小学"    # key and figure as the warning's message gives them
      figure: "540/550"
      reason: 一个班10月并入邻校, 两表填报时点不同
      who: 义县教育局计财科     # an office or a role, no person's name
      until: 2021-08-31        # the last day on which it holds

A record with ``refused: true`` says that the office does not accept this reason; the answer to the unit
then says so. :mod:`expectations.reasons` writes records for what units hand in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import duckdb
import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from expectations.warnings import load_warnings
from transforms.checks.rules import RULES
from transforms.definitions import at_line, unreadable
from transforms.forms import FORMS
from transforms.texts import Misfit, ToldInBoth
from transforms.validation import all_said
from warehouse.sql import literal, table_from

FILE = "explanations.yaml"


class AcknowledgementError(ToldInBoth):
    """The file of explanations cannot be used; the message names the record and the way out."""


_Given = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Acknowledgement(BaseModel):
    """Why one warning is right as it stands.

    ``figure`` is left out where the warning gives none. ``line`` is where the record begins in
    the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int
    unit: _Given
    form: _Given
    year: int
    rule: _Given
    key: _Given
    figure: _Given | None = None
    reason: _Given
    who: _Given
    until: date
    refused: bool = False

    @model_validator(mode="after")
    def _of_a_warning(self) -> Self:
        form = _form_of(self.rule)
        if form is None:
            known = RULES.get(self.rule)
            if known is not None and known.severity == "error":
                raise Misfit(
                    f"{self.rule} 是错误，错误不能用说明了结：报送须改正",
                    f"{self.rule} is an error, and errors cannot be explained: the submission "
                    "has to be corrected",
                )
            raise Misfit(
                f"{self.rule} 不是可以说明的提示；docs/rules.md 列出了全部提示",
                f"{self.rule} is no warning that can be explained; docs/rules.md lists them",
            )
        if self.form != form:
            raise Misfit(
                f"{self.rule} 是报表 {form} 的，不是 {self.form} 的：请写 form: {form}",
                f"{self.rule} is about the form {form}, not {self.form}: write form: {form}",
            )
        return self


def _form_of(rule: str) -> str | None:
    """Return the form whose warning ``rule`` is, of the suites or of reading; None where it is none."""
    if (warning := load_warnings().get(rule)) is not None:
        return warning.form.name
    known = RULES.get(rule)
    if known is None or known.severity != "warning":
        return None
    return next((form.name for form in FORMS.values() if form.code == known.code), None)


@dataclass(frozen=True)
class Lapsed:
    """An acknowledgement that no longer holds, and why, in words for the office that keeps the file."""

    acknowledgement: Acknowledgement
    why: Literal["over", "changed", "unmatched"]
    message_zh: str
    message_en: str


def load_acknowledgements(file: Path) -> tuple[Acknowledgement, ...]:
    """Return the explanations in ``file``; none where there is no such file.

    Raises:
        AcknowledgementError: the file cannot be read, a record is not well formed, or two of them
            answer the same warning.
    """
    try:
        content = yaml.load(file.read_text("utf-8-sig"), _TextLoader)
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise AcknowledgementError(*unreadable(file, error)) from None
    except yaml.YAMLError as error:
        raise AcknowledgementError(
            f"{file} 的 YAML 格式有误：{error}", f"{file} is no YAML: {error}"
        ) from None
    if content in (None, ""):
        return ()
    if not isinstance(content, list):
        raise AcknowledgementError(
            f"{file} 须是一列记录：每条以“- unit:”开头",
            f"{file} must be a list: begin every acknowledgement with “- unit:”",
        )
    found: dict[tuple[object, ...], Acknowledgement] = {}
    for number, record in enumerate(content, start=1):
        if not isinstance(record, dict):
            raise AcknowledgementError(
                f"{file} 第{number}条不是说明：请写 unit、form、year、rule、key、reason、who 和 until",
                f"{file}, record {number} is no acknowledgement: give unit, form, year, rule, key, "
                "reason, who and until",
            )
        try:
            acknowledgement = Acknowledgement.model_validate(record)
        except ValidationError as error:
            raise AcknowledgementError(*all_said(error).at(at_line(file, record["line"]))) from None
        twin = found.setdefault(_about(acknowledgement), acknowledgement)
        if twin is not acknowledgement and twin.refused:
            # What was refused may be answered anew, with another reason.
            found[_about(acknowledgement)] = acknowledgement
        elif twin is not acknowledgement:
            raise AcknowledgementError(
                f"{file} 第{acknowledgement.line}行：同一条提示在第{twin.line}行已有说明；请留一条",
                f"{file}, line {acknowledgement.line}: the same warning is explained in line "
                f"{twin.line}; keep one of them",
            )
    return tuple(found.values())


def _about(acknowledgement: Acknowledgement) -> tuple[object, ...]:
    return (
        acknowledgement.unit,
        acknowledgement.form,
        acknowledgement.year,
        acknowledgement.rule,
        acknowledgement.key,
    )


def mark_acknowledged(
    connection: duckdb.DuckDBPyConnection, acknowledgements: Sequence[Acknowledgement], today: date
) -> list[Lapsed]:
    """Set ``explained`` in the table ``warning``; give the explanations that have lapsed.

    A warning is explained by its reason and who gave it. :func:`expectations.warnings.write_warnings`
    must have written the table.
    """
    connection.execute("UPDATE warning SET explained = NULL, refused = NULL")
    if not acknowledgements:
        return []
    frame = pl.DataFrame(
        [
            {
                "number": number,
                "region_code": acknowledgement.unit,
                "year": acknowledgement.year,
                "rule_id": acknowledgement.rule,
                "key": acknowledgement.key,
                "figure": acknowledgement.figure,
                "given": f"{acknowledgement.reason} ({acknowledgement.who})",
                "refused": acknowledgement.reason if acknowledgement.refused else None,
                "until": acknowledgement.until,
            }
            for number, acknowledgement in enumerate(acknowledgements)
        ],
        schema_overrides={"figure": pl.String(), "refused": pl.String()},
    )
    table_from(connection, "TEMP TABLE acknowledgement", frame)
    connection.execute(_ANSWERED)
    connection.execute(
        f"""
        UPDATE warning SET refused = a.refused,
            explained = CASE WHEN a.refused IS NULL THEN a.given END
        FROM answered a
        WHERE (warning.submission_id, warning.rule_id, warning.key)
            = (a.submission_id, a.rule_id, a.key)
            AND a.same_figure AND a.until >= DATE {literal(today)}
        """
    )
    state = {
        number: (matched, same, figure)
        for number, matched, same, figure in connection.execute(
            "SELECT number, submission_id IS NOT NULL, same_figure, now FROM answered"
        ).fetchall()
    }
    lapsed = (_lapse(one, *state[number], today) for number, one in enumerate(acknowledgements))
    return [one for one in lapsed if one is not None]


#: Every acknowledgement with the warning that it speaks of, where there is one.
_ANSWERED = """
CREATE OR REPLACE TEMP TABLE answered AS
SELECT e.*, w.submission_id, w.figure AS now, w.figure IS NOT DISTINCT FROM e.figure AS same_figure
FROM acknowledgement e
LEFT JOIN warning w
    ON (w.region_code, w.year, w.rule_id, w.key) = (e.region_code, e.year, e.rule_id, e.key)
"""


def _lapse(
    acknowledgement: Acknowledgement, matched: bool, same: bool, figure: str | None, today: date
) -> Lapsed | None:
    """Return why ``explanation`` does not hold, or None where it does."""
    where = (
        f"{FILE}, line {acknowledgement.line} ({acknowledgement.unit} {acknowledgement.year} "
        f"{acknowledgement.rule} {acknowledgement.key})"
    )
    if today > acknowledgement.until:
        return Lapsed(
            acknowledgement,
            "over",
            f"{where}: 有效期至{acknowledgement.until}, 已过。请删去; 仍属实的, 请复核后改写until。",
            f"{where}: it held until {acknowledgement.until}. Take it out, or review it and write a "
            "new date.",
        )
    if not matched:
        return Lapsed(
            acknowledgement,
            "unmatched",
            f"{where}: 没有与之对应的警告。请删去, 或按警告更正unit(单位代码)、year和key。",
            f"{where}: there is no such warning (any more). Take it out, or correct unit (a "
            "region code), year and key as the warning gives them.",
        )
    if not same:
        now_zh, now_en = (f"“{figure}”", f'"{figure}"') if figure else ("空", "none")
        return Lapsed(
            acknowledgement,
            "changed",
            f"{where}: 数据已由“{acknowledgement.figure or ''}”变为{now_zh}。请重新核实; 仍属实的, "
            "请改写figure。",
            f'{where}: the figure is no longer "{acknowledgement.figure or ""}" but {now_en}. Find '
            "out whether the reason still holds, then write the new figure, or take it out.",
        )
    return None


class _TextLoader(yaml.CBaseLoader):
    """YAML in which every value is the text that stands there, and a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of ``node``, with the ``line`` on which it begins."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"“{key}” stands twice", node.start_mark
                )
        return {**super().construct_mapping(node, deep), "line": node.start_mark.line + 1}
