"""What the plan asks of the forms: questions that a clause rests on, and items of the milestone form.

Both are read out of the indicators, so that a new indicator brings its questions and items with it. The
warnings (``warnings.yaml``) hold the forms against them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from expectations.clauses import Plan
from transforms.forms import Form
from warehouse.indicators.definitions import Catalogue, Indicator, Part
from warehouse.sql import literal

#: How a part speaks of an item: by one name, or by several of which one is enough.
_ITEMS = re.compile(r"\bitem (?:= ('[^']*')|IN \(([^)]*)\))")

#: A table of nothing, where a form or plan asks nothing.
_NO_ROWS = (
    'SELECT NULL::VARCHAR AS submission_id, NULL::VARCHAR AS sheet, NULL::BIGINT AS "row", '
    "NULL::VARCHAR AS column_name, NULL::BIGINT AS asked, NULL::BOOLEAN AS blank WHERE false"
)


@dataclass(frozen=True, order=True)
class AskedItem:
    """An item of the milestone form that an indicator looks for, under any of ``names``.

    ``reporters`` are the kinds of units that report it, none for all; ``judged`` tells whether a
    verdict rests on it.
    """

    names: tuple[str, ...]
    reporters: tuple[str, ...]
    judged: bool


def unanswered_rows(form: Form, plan: Plan, catalogue: Catalogue) -> str:
    """Return the query for every row of ``form`` that is asked a question of the plan.

    Its columns: submission_id, sheet, row, column_name (the question), asked (how many rows of the
    submission are asked it), blank (whether this one leaves it open). Questions are those of the
    indicators that are shares of answers (docs/plan.md, *Blank answers*).
    """
    asked: dict[tuple[str, str], dict[str, str]] = {}
    known: set[str] = set()
    for indicator in _of_the_plan(plan, catalogue):
        share = indicator.share
        if (
            share is None
            or not share.of_answers
            or form.name not in catalogue.forms_of(share.source)
        ):
            continue
        for column in form.columns:
            if column.name not in known and re.search(rf"\b{column.name}\b", share.test):
                known.add(column.name)
                blank = f'"{column.name}" IS NULL AND ({share.test}) IS NULL'
                asked.setdefault((share.source, share.rows), {})[column.name] = blank
    # Questions to the same rows are asked of them together.
    queries = (
        f'SELECT submission_id, sheet, "row", count(*) OVER (PARTITION BY submission_id) AS asked, '
        f"unnest({_list(blanks)}) AS column_name, unnest([{', '.join(blanks.values())}]) AS blank "
        f"FROM ({_source(source, catalogue)}) WHERE ({rows}) AND sheet IS NOT NULL"
        for (source, rows), blanks in asked.items()
    )
    return " UNION ALL BY NAME ".join(queries) or _NO_ROWS


def asked_items(plan: Plan, catalogue: Catalogue) -> tuple[AskedItem, ...]:
    """Return the items of the milestone form that the clauses of ``plan`` look for."""
    judged = {clause.indicator_id for clause in plan.clauses if clause.kind != "monitor"}
    found = set()
    for indicator in _of_the_plan(plan, catalogue):
        for part in indicator.parts.values():
            for names in _items(part, catalogue):
                found.add(
                    AskedItem(names, indicator.reporters or (), indicator.indicator_id in judged)
                )
    return tuple(sorted(found))


def items_table(items: Iterable[AskedItem]) -> str:
    """Return the query for ``items``, with the columns names (list), reporters (list) and judged."""
    rows = ", ".join(
        f"({_list(item.names)}, {_list(item.reporters)}, {str(item.judged).lower()})"
        for item in items
    )
    nothing = "([]::VARCHAR[], []::VARCHAR[], false)"
    return (
        f"SELECT * FROM (VALUES {rows or nothing}) AS asked(names, reporters, judged) "
        "WHERE len(names) > 0"
    )


def _of_the_plan(plan: Plan, catalogue: Catalogue) -> Iterator[Indicator]:
    """Yield the indicators that a clause of ``plan`` is about, each once."""
    for name in dict.fromkeys(clause.indicator_id for clause in plan.clauses):
        yield catalogue.by_id[name]


def _source(name: str, catalogue: Catalogue) -> str:
    view = next((view for view in catalogue.views if view.name == name), None)
    return f'SELECT * FROM current."{name}"' if view is None else view.sql


def _items(part: Part, catalogue: Catalogue) -> Iterator[tuple[str, ...]]:
    """Yield the names of each item that ``part`` speaks of, in its rows or in the view it is over."""
    if "milestone" in catalogue.forms_of(part.source):
        for one, several in _ITEMS.findall(f"{part.rows} {_source(part.source, catalogue)}"):
            yield tuple(re.findall(r"'([^']*)'", one or several))


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(literal, texts))}]::VARCHAR[]"
