"""`jzedu reasons`: what units wrote for warnings, and the office's word on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from expectations.acknowledged import FILE
from expectations.reasons import GivenReason, decide, given_reasons
from flows.language import Words, told
from flows.settings import Settings
from transforms.names import SENTENCE, shown
from warehouse.ledger.store import open_warehouse
from warehouse.place import is_there
from warehouse.reference import load_reference

#: So long an accepted reason holds, unless somebody says otherwise.
HOLDS_FOR = timedelta(days=365)


_WORDS = Words(
    unknown=(
        "没有单位用编号 {numbers} 写过理由；jzedu reasons 列出全部",
        "no unit has given a reason under {numbers}; jzedu reasons lists them",
    ),
    nothing=("没有待审核的理由", "no reasons to decide on"),
    listed=("、", ", "),
    number=("编号", "number"),
    unit=("单位", "unit"),
    year=("年度", "year"),
    rule=("规则", "rule"),
    problem=("提示", "warning"),
    reason=("单位写的理由", "the unit's reason"),
    refused=("未采纳", "refused"),
)
_HEADERS = ("number", "unit", "year", "rule", "problem", "reason")


class UnknownNumber(Exception):
    """No unit has given a reason under this number; the message says so."""


def open_reasons(settings: Settings) -> list[GivenReason]:
    """Return the reasons that are to be decided, or were refused and stand.

    Raises:
        WarehouseLocked: a run writes to the warehouse.
        WarehouseOutdated: it is another version's.
    """
    if not is_there(settings.place):
        return []
    reference = load_reference(settings.home)
    with open_warehouse(settings.place, reference, read_only=True) as connection:
        return given_reasons(connection)


def settle_reasons(
    settings: Settings,
    given: Sequence[GivenReason],
    numbers: Sequence[str],
    *,
    accepted: bool,
    who: str,
    until: date,
) -> list[GivenReason]:
    """Accept or refuse the reasons of ``numbers``; give them.

    Raises:
        UnknownNumber: one of them is not among ``given``.
        AcknowledgementError: ``explanations.yaml`` cannot be used.
    """
    by_number = {one.number: one for one in given}
    unknown = [number for number in numbers if number.upper() not in by_number]
    if unknown:
        raise UnknownNumber(_WORDS("unknown", numbers=_WORDS("listed").join(unknown)))
    chosen = [by_number[number.upper()] for number in numbers]
    decide(settings.home / FILE, chosen, accepted=accepted, who=who, until=until)
    return chosen


def show_reasons(console: Console, given: Sequence[GivenReason]) -> None:
    """Print the reasons, for the office."""
    if not given:
        console.print(_WORDS("nothing"))
        return
    table = Table(header_style="bold")
    for header in _HEADERS:
        table.add_column(_WORDS(header), overflow="fold")
    table.add_column()
    for one in given:
        table.add_row(
            one.number,
            one.region_code,
            str(one.year),
            one.rule_id,
            escape(shown(told((one.problem, one.problem_en)), SENTENCE)),
            escape(shown(one.reason, SENTENCE)),
            _WORDS("refused") if one.refused else "",
        )
    console.print(table)


def as_records(given: Sequence[GivenReason]) -> list[dict[str, Any]]:
    """Return the reasons for machines."""
    return [asdict(one) for one in given]
