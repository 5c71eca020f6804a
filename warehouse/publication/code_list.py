"""The codes that stand in published columns, in words: the rows of the published table ``code_list``.

A BI tool shows ``not_met`` as 未达标 or *Not met* by joining, and sorts by ``position``. Words are those of
:mod:`warehouse.wording`, which terminal and report show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from transforms.texts import Text
from warehouse import wording

_REGION_LEVELS = {
    "reporting_unit": Text("填报单位", "Reporting unit"),
    "county": Text("县级", "County"),
    "city": Text("全市", "City"),
    "province": Text("全省", "Province"),
    "nation": Text("全国", "Nation"),
}
_BETTER = {
    "higher": Text("越高越好", "Higher is better"),
    "lower": Text("越低越好", "Lower is better"),
}
_CLOSED_BY = {
    "corrected": Text("已更正", "Corrected"),
    "explained": Text("已说明", "Explained"),
    "superseded": Text("报送已被替代", "Its submission was superseded"),
    "rule_changed": Text("规则变了", "The rule changed"),
}
_DECISIONS = {"approved": Text("已审批", "Approved"), "returned": Text("已退回", "Returned")}
#: What codes of a column mean beyond their names.
_MEANINGS = {"attainment.status": wording.STATUS_MEANINGS}


def _lists() -> Iterator[tuple[str, Mapping[str, Text]]]:
    """Yield the columns that hold codes, each as table.column, with the codes in the order in which they are shown."""
    yield "attainment.status", wording.STATUSES
    yield "clause.kind", wording.KINDS
    yield "clause.scope", wording.SCOPES
    yield "finding.severity", wording.SEVERITIES
    yield "finding_history.closed_by", _CLOSED_BY
    yield "approval.decision", _DECISIONS
    yield "indicator.better", _BETTER
    yield "indicator.unit", wording.UNITS
    yield "places_ahead.stage", wording.STAGES
    yield "region.level", _REGION_LEVELS
    yield "reporting.form", wording.FORMS
    yield "submission.status", wording.SUBMISSION_STATUSES
    yield "year_on_year.direction", wording.DIRECTIONS
    yield "year_state.state", wording.FINALITY


def code_list() -> pl.DataFrame:
    """Return column_name, code, position, name_zh, name_en, meaning_zh and meaning_en of every code."""
    rows = [
        (column, code, position, *name, *_MEANINGS.get(column, {}).get(code, (None, None)))
        for column, names in _lists()
        for position, (code, name) in enumerate(names.items(), start=1)
    ]
    words = ("name_zh", "name_en", "meaning_zh", "meaning_en")
    schema = {"column_name": pl.String(), "code": pl.String(), "position": pl.Int64()}
    return pl.DataFrame(rows, {**schema, **dict.fromkeys(words, pl.String())}, orient="row")
