"""What differs between two versions of a submission: cells, rows that are new, rows that are gone.

Rows of the two are the same where the key of the form is; of several with one key (a kindergarten without a
code) the first and the first, the second and the second. Compared is what was read and not how it was written: 52 and
52人 are no difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from typing import Any, Literal

import duckdb

from transforms.forms import Form
from warehouse.sql import literal


@dataclass(frozen=True)
class Difference:
    """A cell whose content is another, or a row that is ``added`` or ``removed``.

    ``sheet``, ``row`` and ``cell`` are those of the later version; of a row that is gone those of the earlier one.
    """

    kind: Literal["changed", "added", "removed"]
    key: str
    column: str | None
    before: str | None
    now: str | None
    sheet: str | None
    row: int | None
    cell: str | None


Key = tuple[Any, ...]


def differences(
    connection: duckdb.DuckDBPyConnection, form: Form, before: str, now: str
) -> list[Difference]:
    """Return what is otherwise in the submission ``now`` than in ``before``, in the order of the sheets."""
    old, new = _rows(connection, form, before), _rows(connection, form, now)
    letters = {
        (str(sheet), str(column)): str(letter)
        for sheet, column, letter in connection.execute(
            "SELECT sheet, column_name, letter FROM submission_layout"
            f" WHERE submission_id = {literal(now)} AND letter IS NOT NULL"
        ).fetchall()
    }
    found: list[Difference] = []
    for key, row in new.items():
        said = _said(key[:-1])
        if key not in old:
            found.append(
                Difference("added", said, None, None, None, row["sheet"], row["row"], None)
            )
            continue
        for column in form.columns:
            was, is_now = old[key][column.name], row[column.name]
            if was != is_now:
                letter = letters.get((row["sheet"], column.name))
                cell = f"{letter}{row['row']}" if letter else None
                place = (row["sheet"], row["row"], cell)
                found.append(
                    Difference("changed", said, column.header, _text(was), _text(is_now), *place)
                )
    found.sort(key=lambda one: (one.sheet or "", one.row or 0))
    gone = [
        Difference("removed", _said(key[:-1]), None, None, None, row["sheet"], row["row"], None)
        for key, row in old.items()
        if key not in new
    ]
    return [*found, *gone]


def _rows(
    connection: duckdb.DuckDBPyConnection, form: Form, submission: str
) -> dict[Key, dict[str, Any]]:
    """Return the rows of a submission by their key, which ends with their number among those of the same."""
    cursor = connection.execute(
        f'SELECT * FROM submitted."{form.name}" WHERE submission_id = {literal(submission)}'
        ' ORDER BY sheet, "row"'
    )
    names = [column[0] for column in cursor.description or ()]
    seen: dict[Key, int] = defaultdict(int)
    rows = {}
    for values in cursor.fetchall():
        row = dict(zip(names, values, strict=True))
        key = tuple(row[name] for name in form.key)
        if key and key[0] is None:  # a name tells more than no code does
            key = (None, row.get("institution_name"))
        seen[key] += 1
        rows[(*key, seen[key])] = row
    return rows


def _said(key: Key) -> str:
    return " ".join(_parts(key))


def _parts(key: Key) -> Iterator[str]:
    for value in key:
        if value is not None:
            yield _text(value) or ""


def _text(value: Any) -> str | None:
    """Return a value that was read as people write it."""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return None if value is None else str(value)
