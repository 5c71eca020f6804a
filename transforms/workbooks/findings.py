"""What a return sheet shows of the findings, in its list and at the cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from transforms.formats import column_index
from transforms.records import FINDING

#: How the first sheet of an answer is called: by what became of the file.
RETURNED_SHEET: Final = "退回说明"
ACCEPTED_SHEET: Final = "提示说明"
SEVERITY_ZH: Final = {"error": "错误", "warning": "提示"}
#: The fill of a severity, in a cell and in the list.
COLOURS: Final = {"error": "FFFFC7CE", "warning": "FFFFEB9C"}

#: Marking more cells helps nobody and makes Excel slow; the list gives the full number of cells.
MARKS_PER_FINDING = 500
MARKS_PER_WORKBOOK = 5_000

#: The last row and column (XFD) of a worksheet.
_MAX_ROW, _MAX_COLUMN = 1_048_576, 16_384
_PLACE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
#: ``_x000D_`` is how OOXML itself writes a character; as text its first ``_`` has to be escaped.
_OOXML_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")

#: A row and a column, counted from one.
Place = tuple[int, int]


@dataclass(frozen=True)
class ListedFinding:
    """What the return sheet shows of one finding; ``places`` begins with the finding's own cell."""

    severity: str
    rule_id: str
    sheet: str | None
    places: tuple[str, ...]
    row: int | None
    value: str | None
    problem: str
    remedy: str
    cells: int
    institution: str | None = None
    number: str | None = None
    reason: str | None = None


def in_order(findings: pl.DataFrame) -> list[ListedFinding]:
    """Return the findings, errors first, then by institution and place: the order they came in must not show.

    Beside the columns of :data:`transforms.records.FINDING` there may be ``number``, under which a unit
    may say that a finding is right as it stands, and the ``reason`` that it has given.

    Raises Polars' errors where a column of :data:`transforms.records.FINDING` is missing.
    """
    # Few findings stand in most files: to sort them here takes less than to have Polars do it.
    more = [name for name in ("number", "reason") if name in findings.columns]
    columns = [findings.get_column(name).to_list() for name in (*FINDING.schema, *more)]
    rows = [
        dict(zip((*FINDING.schema, *more), row, strict=True)) for row in zip(*columns, strict=True)
    ]
    rows.sort(key=_rank)
    return [
        ListedFinding(
            severity=row["severity"],
            rule_id=row["rule_id"],
            sheet=row["sheet"],
            places=tuple(filter(_is_place, dict.fromkeys([row["cell"], *(row["places"] or ())]))),
            row=row["row"],
            value=row["value"],
            problem=row["problem_zh"],
            remedy=row["remedy_zh"],
            cells=row["cells"],
            institution=row["institution"],
            number=row.get("number"),
            reason=row.get("reason"),
        )
        for row in rows
    ]


def list_title(findings: Iterable[ListedFinding]) -> str:
    """Return how the list of ``findings`` is called: with an error among them the file went back."""
    returned = any(finding.severity == "error" for finding in findings)
    return RETURNED_SHEET if returned else ACCEPTED_SHEET


def _rank(row: Mapping[str, Any]) -> tuple[Any, ...]:
    cell = row["cell"]
    by = [row["institution"], row["sheet"], row["row"], cell and len(cell), cell]
    by += [row[name] for name in ("rule_id", "problem_zh", "value")]
    # What is not said comes before what is.
    return (row["severity"] != "error", *((value is not None, value) for value in by))


def _is_place(name: str | None) -> bool:
    """Return whether ``name`` is a cell that a worksheet can have (A1 to XFD1048576)."""
    if name is None or not _PLACE.fullmatch(name):
        return False
    row, column = place_of(name)
    return row <= _MAX_ROW and column <= _MAX_COLUMN


def place_of(name: str) -> Place:
    """Return row and column of ``E14``; raises ValueError for what names no cell."""
    found = _PLACE.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no cell")
    return int(found[2]), column_index(found[1]) + 1


def literal(text: str) -> str:
    """``text`` as OOXML shows it unchanged: without characters that XML cannot hold."""
    return _OOXML_ESCAPE.sub("_x005F_", _NOT_XML.sub("", text))
