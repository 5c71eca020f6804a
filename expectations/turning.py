"""Fragile verdicts: which single institution alone turns a clause.

A verdict that hangs on one school is looked at before it is told. For every clause that is met or not
met, each institution is taken out of its figure in turn, and what is left is held against the threshold
by the very condition of the suite (:mod:`expectations.suites`). Only figures that are sums or counts over
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
) -> frozenset[int]:
    """Write the temporary table ``share``: what each institution contributes to the figures of ``clauses``.

    source, unit, year, institution_code, institution_name, and its shares in the numerators and denominators of all
    indicators over that source, the lists ``n`` and ``d``, in millionths. It takes no verdict to know. The years in it
    are given: those in which anything has changed since the last run (:mod:`warehouse.indicators.kept`).
    """
    given = list(clauses)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE share (source VARCHAR, unit VARCHAR, year INTEGER,"
        " institution_code VARCHAR, institution_name VARCHAR, n HUGEINT[], d HUGEINT[])"
    )
    asked = [
        _shares(source, parts, catalogue) for source, parts in _by_source(given, catalogue).items()
    ]
    question = kept.question(catalogue, *asked, _turning(given, catalogue))
    years = kept.changed(connection, "share", question, _READ_BY_SHARES).years
    _fill_shares(connection, given, catalogue, years)
    return years


def _fill_shares(
    connection: duckdb.DuckDBPyConnection,
    clauses: Iterable[Clause],
    catalogue: Catalogue,
    years: frozenset[int],
) -> None:
    """Put what institutions contribute in some years into ``share``, where they are not there yet."""
    if not years:
        return
    rows = kept.Changed(years).condition()
    for source, wanted in _by_source(clauses, catalogue).items():
        connection.execute(f"INSERT INTO share {_shares(source, wanted, catalogue, rows)}")


def write_turning(
    connection: duckdb.DuckDBPyConnection,
    clauses: Iterable[Clause],
    catalogue: Catalogue,
    taken_apart: frozenset[int],
) -> None:
    """Write the temporary table ``turning``: clause_id, region_code, year, institution_code, institution_name, status.

    ``status`` is the verdict as it stands. :func:`take_apart`, which has ``taken_apart`` these years, and
    :func:`expectations.verdicts.judge` have written ``share`` and ``attainment``; ``share`` is given up.
    """
    given = list(clauses)
    found = _turning(given, catalogue)
    asked = kept.question(catalogue, _JUDGED_UNITS, found)
    years = kept.changed(connection, KEPT_TURNING.name, asked, _VERDICTS).years
    _fill_shares(connection, given, catalogue, years - taken_apart)
    # A table, so that DuckDB knows that it is the smaller of what is joined.
    connection.execute(f"CREATE OR REPLACE TEMP TABLE judged_unit AS {_JUDGED_UNITS}")
    connection.execute(f"""
    CREATE OR REPLACE TEMP TABLE turning AS
    SELECT {KEPT_TURNING.names} FROM {KEPT_TURNING.name}
    WHERE NOT ({kept.Changed(years | taken_apart).condition()})
    UNION ALL
    FROM ({found});
    DROP TABLE share;
    DROP TABLE judged_unit
    """)


#: The verdicts that may be turned, with a row for each unit that the figure is made of.
_JUDGED_UNITS = """
SELECT clause_id, indicator_id, region_code, m.unit, year, a.status,
    j.numerator, j.denominator, j.p, j.q, j.previous_numerator, j.previous_denominator
FROM attainment a
JOIN judgement j USING (clause_id, region_code, year)
JOIN membership m USING (indicator_id, region_code, year)
WHERE a.status IN ('met', 'not_met') AND j.reading = 'as_reported'
"""

#: The verdicts of a year, of all regions.
_VERDICTS = """
SELECT '' AS region_code, year, sum(hash(clause_id, region_code, status)) AS total
FROM attainment GROUP BY year
"""

#: What the shares of a year are made of and joined to, but for the verdicts.
_READ_BY_SHARES = """
SELECT '' AS region_code, year, sum(hashed) AS total FROM (
    SELECT year, hash(t) AS hashed FROM row_sum t
    UNION ALL SELECT year, hash(t) FROM membership t
    UNION ALL
    SELECT year, hash(clause_id, region_code, numerator, denominator, p, q,
        previous_numerator, previous_denominator)
    FROM judgement WHERE reading = 'as_reported'
) GROUP BY year
"""


def _turning(clauses: Iterable[Clause], catalogue: Catalogue) -> str:
    """Return the query of the institutions in ``share`` without which a verdict would be the opposite."""
    given, turned = list(clauses), ["WHEN '' THEN false"]
    for clause, _ in _taken_apart(given, catalogue):
        indicator = catalogue.by_id[clause.indicator_id]
        left = "denominator > 0 AND " if indicator.bottom is not None else ""
        otherwise = f"({reached(clause, indicator)}) <> (status = 'met')"
        turned.append(f"WHEN {literal(clause.clause_id)} THEN {left}{otherwise}")
    # One query over all clauses: to plan its joins once for each took most of the time.
    return f"""
    SELECT clause_id, region_code, year, institution_code, institution_name, status
    FROM (
        SELECT v.* REPLACE (v.numerator - s.n AS numerator, v.denominator - s.d AS denominator),
            s.institution_code, s.institution_name
        FROM ({_one_by_one(_by_source(given, catalogue))}) s
        JOIN judged_unit v USING (indicator_id, unit, year)
    )
    WHERE CASE clause_id {" ".join(turned)} END
    """


def _one_by_one(sources: Mapping[str, _Parts]) -> str:
    """Return the query that gives ``share`` with a row for each indicator, where an institution has a share in it."""
    names = " ".join(
        f"WHEN {literal(source)} THEN [{', '.join(map(literal, wanted))}]"
        for source, wanted in sources.items()
    )
    every = f"""
    SELECT unnest(CASE source WHEN '' THEN []::VARCHAR[] {names} END) AS indicator_id, unit, year,
        institution_code, institution_name, unnest(n) AS n, unnest(d) AS d
    FROM share
    """
    counted = Counter(indicator_id for wanted in sources.values() for indicator_id in wanted)
    if over_two := [indicator_id for indicator_id, sources in counted.items() if sources > 1]:
        listed = ", ".join(map(literal, over_two))
        every = f"""
        FROM ({every}) WHERE indicator_id NOT IN ({listed})
        UNION ALL
        SELECT * REPLACE (sum(n)::HUGEINT AS n, sum(d)::HUGEINT AS d)
        FROM ({every}) WHERE indicator_id IN ({listed}) GROUP BY ALL
        """
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


def _shares(source: str, wanted: _Parts, catalogue: Catalogue, rows: str = "true") -> str:
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
    SELECT {literal(source)}, region_code, year, institution_code, {called}, [{n}], [{d}]
    FROM {source_name(source)} WHERE {rows}
    GROUP BY region_code, year, institution_code, institution_name
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
