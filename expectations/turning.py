"""Fragile verdicts: which single institution alone turns a clause.

A verdict that hangs on one school is looked at before it is told. For every clause that is met or not
met, each institution is taken out of its figure in turn, and what is left is held against the threshold
by the very condition of the suite (:mod:`expectations.suites`). Only figures that are sums or counts over
institutions' rows can be taken apart so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import duckdb

from expectations.clauses import Clause
from expectations.suites import reached
from transforms.forms import FORMS
from warehouse.indicators.compute import NUMERIC, name_of_institutions, source_name
from warehouse.indicators.definitions import Catalogue, Part
from warehouse.sql import literal

_MILLION = 1_000_000
#: A view whose rows are rows of one form, each by itself.
_PLAIN_VIEW = re.compile(r"SELECT \* FROM current\.(\w+)\s+WHERE (?!.*QUALIFY).*", re.DOTALL)


def take_apart(
    connection: duckdb.DuckDBPyConnection, clauses: Iterable[Clause], catalogue: Catalogue
) -> None:
    """Write the temporary table ``share``: what each institution contributes to the figures of ``clauses``.

    indicator_id, unit, year, institution_code, institution_name, and its share in numerator and denominator,
    ``n`` and ``d``, in millionths, where one of them is not 0. It takes no verdict to know.
    """
    apart = {clause.indicator_id: parts for clause, parts in _taken_apart(clauses, catalogue)}
    sources: dict[str, list[tuple[str, str, Part]]] = {}
    for indicator_id, parts in apart.items():
        for name, part in parts:
            sources.setdefault(part.source, []).append((indicator_id, name, part))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE share (indicator_id VARCHAR, unit VARCHAR, year INTEGER,"
        " institution_code VARCHAR, institution_name VARCHAR, n HUGEINT, d HUGEINT)"
    )
    if sources:
        amounts = " UNION ALL ".join(
            _amounts(source, wanted, catalogue) for source, wanted in sources.items()
        )
        connection.execute(f"""
        INSERT INTO share
        SELECT indicator_id, unit, year, institution_code, institution_name,
            coalesce(sum((amount * {_MILLION})::HUGEINT) FILTER (part = 'n'), 0)::HUGEINT,
            coalesce(sum((amount * {_MILLION})::HUGEINT) FILTER (part = 'd'), 0)::HUGEINT
        FROM ({amounts}) WHERE amount <> 0 GROUP BY ALL
        """)


def write_turning(
    connection: duckdb.DuckDBPyConnection, clauses: Iterable[Clause], catalogue: Catalogue
) -> None:
    """Write the temporary table ``turning``: clause_id, region_code, year, institution_code, institution_name, status.

    ``status`` is the verdict as it stands. :func:`take_apart` and :func:`expectations.verdicts.judge` have
    written ``share`` and ``attainment``; ``share`` is given up.
    """
    turned = ["WHEN '' THEN false"]
    decided = {
        name
        for (name,) in connection.execute(
            "SELECT DISTINCT clause_id FROM attainment WHERE status IN ('met', 'not_met')"
        ).fetchall()
    }
    in_question = (clause for clause in clauses if clause.clause_id in decided)
    for clause, _ in _taken_apart(in_question, catalogue):
        indicator = catalogue.by_id[clause.indicator_id]
        left = "denominator > 0 AND " if indicator.bottom is not None else ""
        otherwise = f"({reached(clause, indicator)}) <> (status = 'met')"
        turned.append(f"WHEN {literal(clause.clause_id)} THEN {left}{otherwise}")
    # One query over all clauses: to plan its joins once for each took most of the time.
    connection.execute(f"""
    CREATE OR REPLACE TEMP TABLE turning AS
    SELECT clause_id, region_code, year, institution_code, institution_name, status
    FROM (
        SELECT a.clause_id, j.region_code, j.year, s.institution_code, s.institution_name, a.status,
            j.numerator - s.n AS numerator, j.denominator - s.d AS denominator, j.p, j.q,
            j.previous_numerator, j.previous_denominator
        FROM share s
        JOIN membership m USING (indicator_id, unit, year)
        JOIN attainment a USING (indicator_id, region_code, year)
        JOIN judgement j USING (clause_id, region_code, year)
        WHERE a.status IN ('met', 'not_met') AND j.reading = 'as_reported'
    )
    WHERE CASE clause_id {" ".join(turned)} END;
    DROP TABLE share
    """)


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


def _amounts(source: str, wanted: Sequence[tuple[str, str, Part]], catalogue: Catalogue) -> str:
    """Return the query for what each institution contributes to the parts that are sums over one source."""
    called = name_of_institutions(_form_of(wanted[0][2], catalogue) or source)
    sums = ", ".join(f"({part.sum})::{NUMERIC} AS v{i}" for i, (*_, part) in enumerate(wanted))
    return f"""
    SELECT unnest([{", ".join(literal(name) for name, *_ in wanted)}]) AS indicator_id,
        unnest([{", ".join(literal(part) for _, part, _ in wanted)}]) AS part,
        region_code AS unit, year, institution_code, institution_name,
        unnest([{", ".join(f"v{i}" for i in range(len(wanted)))}]) AS amount
    FROM (
        SELECT region_code, year, institution_code, {called}, {sums}
        FROM {source_name(source)} GROUP BY region_code, year, institution_code, institution_name
    )
    """


def _form_of(part: Part, catalogue: Catalogue) -> str | None:
    """Return the form whose rows ``part`` is over, each by itself; None where it is over more."""
    if part.years_before or part.sum is None:
        return None
    if part.source in FORMS:
        return part.source
    view = next(view for view in catalogue.views if view.name == part.source)
    found = _PLAIN_VIEW.fullmatch(view.sql.strip())
    return found[1] if found else None


def _is_of_institutions(part: Part, catalogue: Catalogue) -> bool:
    form = _form_of(part, catalogue)
    return form is not None and "institution_code" in FORMS[form].by_name


def _is_apart(part: Part, catalogue: Catalogue) -> bool:
    """Return whether no institution has a share in ``part``, such as in the residents of an age."""
    form = _form_of(part, catalogue)
    return form is not None and "institution_code" not in FORMS[form].by_name
