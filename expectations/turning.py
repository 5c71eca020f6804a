"""Fragile verdicts: which single institution alone turns a clause.

A verdict that hangs on one school is looked at before it is told. For every clause, each institution is
taken out of its figure in turn, and what is left is held against the threshold by the very condition of the
suite (:mod:`expectations.suites`), as the whole figure is. Only figures that are sums or counts over
institutions' rows can be taken apart so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import duckdb

from expectations.clauses import Clause
from expectations.suites import reached
from transforms.forms import FORMS
from transforms.records import KEPT_TURNING
from warehouse.indicators import kept
from warehouse.indicators.compute import NUMERIC, name_of_institutions, source_name
from warehouse.indicators.definitions import Catalogue, Part
from warehouse.sql import is_of_one_row, literal

_MILLION = 1_000_000

#: Parts of indicators, by indicator_id and then by name.
_Parts: TypeAlias = dict[str, dict[str, Part]]


def take_apart(
    connection: duckdb.DuckDBPyConnection, clauses: Iterable[Clause], catalogue: Catalogue
) -> None:
    """Write the temporary table ``could_turn``: clause_id, region_code, year, institution_code, institution_name, status.

    Without the institution the verdict would be the opposite of ``status``. Which verdict there is, if any, need not
    be known, so that this can go on beside the suites: where it is that status, the institution turns it. Years in
    which nothing has changed since the last run are as they were then (:mod:`warehouse.indicators.kept`).
    """
    given = list(clauses)
    sources = _asked_together(_by_source(given, catalogue))
    stands = _stands(given, catalogue)
    asked = kept.question(
        catalogue, _figures(stands), *(_could_turn(parts, given, catalogue) for parts in sources)
    )
    years = kept.changed(connection, KEPT_TURNING.name, asked, _READ).years
    rows = kept.Changed(years).condition()
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE could_turn AS"
        f" SELECT {KEPT_TURNING.names} FROM {KEPT_TURNING.name} WHERE NOT ({rows})"
    )
    if not years or not sources:
        return
    # A table, so that DuckDB knows that it is the smaller of what is joined.
    connection.execute(f"CREATE OR REPLACE TEMP TABLE figure AS {_figures(stands, rows)}")
    # Source by source: what a query makes of each part of a union stays in memory to its end.
    for parts in sources:
        connection.execute(f"INSERT INTO could_turn {_could_turn(parts, given, catalogue, rows)}")
    connection.execute("DROP TABLE figure")


#: The figures that are taken apart in a year, and what they are made of.
_READ = """
SELECT '' AS region_code, year, sum(hashed) AS total FROM (
    SELECT year, hash(t) AS hashed FROM row_sum t
    UNION ALL SELECT year, hash(t) FROM membership t
    UNION ALL
    SELECT year, hash(clause_id, region_code, numerator, denominator, p, q,
        previous_numerator, previous_denominator)
    FROM judgement WHERE reading = 'as_reported'
) GROUP BY year
"""


def _stands(clauses: Iterable[Clause], catalogue: Catalogue) -> str:
    """Return the expression for whether a figure as reported reaches what its clause asks, NULL where it is not taken apart.

    A suite looks for the rows for which its condition fails: where it cannot be told, it does not fail.
    """
    whens = (
        f"WHEN {literal(clause.clause_id)} THEN"
        f" coalesce({reached(clause, catalogue.by_id[clause.indicator_id])}, true)"
        for clause, _ in _taken_apart(clauses, catalogue)
    )
    return f"CASE clause_id WHEN '' THEN NULL {' '.join(whens)} END"


def _figures(stands: str, rows: str = "true") -> str:
    """Return the query of the figures of those ``rows`` that can be taken apart, with a row for each unit that one is made of."""
    return f"""
    SELECT clause_id, indicator_id, region_code, m.unit, year,
        j.numerator, j.denominator, j.p, j.q, j.stands
    FROM (
        SELECT *, {stands} AS stands FROM judgement WHERE reading = 'as_reported' AND ({rows})
    ) j
    JOIN plan_clause USING (clause_id)
    JOIN membership m USING (indicator_id, region_code, year)
    WHERE stands IS NOT NULL
    """


def _could_turn(
    sources: Mapping[str, _Parts],
    clauses: Iterable[Clause],
    catalogue: Catalogue,
    rows: str = "true",
) -> str:
    """Return the query that gives ``could_turn`` its rows for the indicators of ``sources``."""
    turned = ["WHEN '' THEN false"]
    for clause, _ in _taken_apart(clauses, catalogue):
        indicator = catalogue.by_id[clause.indicator_id]
        left = "denominator > 0 AND " if indicator.bottom is not None else ""
        otherwise = f"({reached(clause, indicator)}) <> stands"
        turned.append(f"WHEN {literal(clause.clause_id)} THEN {left}{otherwise}")
    # One query over all clauses of a source: to plan its joins once for each took most of the time.
    return f"""
    SELECT clause_id, region_code, year, institution_code, institution_name,
        CASE WHEN stands THEN 'met' ELSE 'not_met' END AS status
    FROM (
        SELECT f.* REPLACE (f.numerator - s.n AS numerator, f.denominator - s.d AS denominator),
            s.institution_code, s.institution_name
        FROM ({_contributions(sources, catalogue, rows)}) s
        JOIN figure f USING (indicator_id, unit, year)
    )
    WHERE CASE clause_id {" ".join(turned)} END
    """


def _asked_together(sources: Mapping[str, _Parts]) -> list[dict[str, _Parts]]:
    """Return ``sources`` one by one; those of indicators over more than one source together, and last."""
    counted = Counter(indicator_id for parts in sources.values() for indicator_id in parts)
    apart: list[dict[str, _Parts]] = []
    joint: dict[str, _Parts] = {}
    for source, parts in sources.items():
        if own := {name: of for name, of in parts.items() if counted[name] == 1}:
            apart.append({source: own})
        if others := {name: of for name, of in parts.items() if counted[name] > 1}:
            joint[source] = others
    return [*apart, joint] if joint else apart


def _contributions(sources: Mapping[str, _Parts], catalogue: Catalogue, rows: str) -> str:
    """Return the query of what institutions contribute: indicator_id, unit, year, institution, and ``n`` and ``d`` in millionths."""
    of_each = [_of_source(source, parts, catalogue, rows) for source, parts in sources.items()]
    every = " UNION ALL ".join(f"({one})" for one in of_each)
    if len(of_each) > 1:
        # What one institution has in several forms is taken out together.
        every = f"SELECT * REPLACE (sum(n)::HUGEINT AS n, sum(d)::HUGEINT AS d) FROM ({every}) GROUP BY ALL"
    return f"FROM ({every}) WHERE n <> 0 OR d <> 0"


def _taken_apart(
    clauses: Iterable[Clause], catalogue: Catalogue
) -> Iterator[tuple[Clause, list[tuple[str, Part]]]]:
    """Yield the clauses whose figures can be taken apart, with the parts that institutions have a share in."""
    for clause in clauses:
        indicator = catalogue.by_id[clause.indicator_id]
        if clause.kind not in ("level", "standing", "milestone"):
            continue
        if not _is_of_institutions(indicator.top, catalogue):
            continue
        parts = [("n", indicator.top)]
        if indicator.bottom is not None and _is_of_institutions(indicator.bottom, catalogue):
            parts.append(("d", indicator.bottom))
        elif indicator.bottom is not None and not _is_apart(indicator.bottom, catalogue):
            continue
        yield clause, parts


def _by_source(clauses: Iterable[Clause], catalogue: Catalogue) -> dict[str, _Parts]:
    """Return for each source the parts of indicators that are sums over it, and can be taken apart."""
    sources: dict[str, _Parts] = {}
    for clause, parts in _taken_apart(clauses, catalogue):
        for name, part in parts:
            sources.setdefault(part.source, {}).setdefault(clause.indicator_id, {})[name] = part
    return sources


def _of_source(source: str, wanted: _Parts, catalogue: Catalogue, rows: str) -> str:
    """Return the query for what each institution contributes to the parts that are sums over those ``rows`` of ``source``."""
    any_part = next(part for parts in wanted.values() for part in parts.values())
    called = name_of_institutions(_form_of(any_part, catalogue) or source)
    n, d = (
        ", ".join(
            f"({_MILLION} * {_sum_of(parts, name)}::{NUMERIC})::HUGEINT"
            for parts in wanted.values()
        )
        for name in ("n", "d")
    )
    return f"""
    SELECT unnest([{", ".join(map(literal, wanted))}]) AS indicator_id, unit, year,
        institution_code, institution_name, unnest(n) AS n, unnest(d) AS d
    FROM (
        SELECT region_code AS unit, year, institution_code, {called}, [{n}] AS n, [{d}] AS d
        FROM {source_name(source)} WHERE {rows}
        GROUP BY region_code, year, institution_code, institution_name
    )
    """


def _sum_of(parts: Mapping[str, Part], name: str) -> str:
    return f"coalesce({parts[name].sum}, 0)" if name in parts else "0"


def _form_of(part: Part, catalogue: Catalogue) -> str | None:
    """Return the form whose rows ``part`` is over, each by itself; None where it is over more."""
    if part.years_before or part.sum is None or not is_of_one_row(part.sum):
        return None
    return catalogue.form_behind(part.source)


def _is_of_institutions(part: Part, catalogue: Catalogue) -> bool:
    form = _form_of(part, catalogue)
    return form is not None and "institution_code" in FORMS[form].by_name


def _is_apart(part: Part, catalogue: Catalogue) -> bool:
    """Return whether no institution has a share in ``part``, such as in the residents of an age."""
    form = _form_of(part, catalogue)
    return form is not None and "institution_code" not in FORMS[form].by_name
