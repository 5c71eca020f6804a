"""Fragile verdicts: which single institution alone turns a clause.

A verdict that hangs on one school is looked at before it is told. For every clause that is met or not
met, each institution is taken out of its figure in turn, and what is left is held against the threshold
by the very condition of the suite (:mod:`expectations.suites`). Only figures that are sums or counts over
institutions' rows can be taken apart so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import duckdb

from expectations.clauses import Clause
from expectations.suites import reached
from transforms.forms import FORMS
from warehouse.indicators.compute import NUMERIC, name_of_institutions, source_name
from warehouse.indicators.definitions import Catalogue, Indicator, Part
from warehouse.sql import literal

_MILLION = 1_000_000
#: A view whose rows are rows of one form, each by itself.
_PLAIN_VIEW = re.compile(r"SELECT \* FROM current\.(\w+)\s+WHERE (?!.*QUALIFY).*", re.DOTALL)

_NOTHING = """
SELECT NULL::VARCHAR AS clause_id, NULL::VARCHAR AS region_code, NULL::INTEGER AS year,
    NULL::VARCHAR AS institution_code, NULL::VARCHAR AS institution_name, NULL::VARCHAR AS status
WHERE false
"""


def write_turning(
    connection: duckdb.DuckDBPyConnection, clauses: Iterable[Clause], catalogue: Catalogue
) -> None:
    """Write the temporary table ``turning``: clause_id, region_code, year, institution_code, institution_name, status.

    ``status`` is the verdict as it stands. :func:`expectations.verdicts.judge` must have written
    ``publication.attainment``, and ``publication.judgement`` must still be there.
    """
    queries = list(_queries(clauses, catalogue)) or [_NOTHING]
    connection.execute(f"CREATE OR REPLACE TEMP TABLE turning AS {' UNION ALL '.join(queries)}")


def _queries(clauses: Iterable[Clause], catalogue: Catalogue) -> Iterator[str]:
    for clause in clauses:
        indicator = catalogue.by_id[clause.indicator_id]
        if clause.kind not in ("level", "standing", "milestone"):
            continue
        if not _is_of_institutions(indicator.top, catalogue):
            continue
        parts = [_share("n", indicator.top, catalogue)]
        if indicator.bottom is not None and _is_of_institutions(indicator.bottom, catalogue):
            parts.append(_share("d", indicator.bottom, catalogue))
        elif indicator.bottom is not None and not _is_apart(indicator.bottom, catalogue):
            continue
        yield _query(clause, indicator, parts)


def _query(clause: Clause, indicator: Indicator, parts: Iterable[str]) -> str:
    """Return the query for the institutions that turn ``clause``, each row being one."""
    shares = " UNION ALL ".join(parts)
    left = "denominator > 0 AND " if indicator.bottom is not None else ""
    return f"""
    SELECT {literal(clause.clause_id)} AS clause_id, region_code, year, institution_code,
        institution_name, status
    FROM (
        SELECT j.region_code, j.year, s.institution_code, s.institution_name, a.status,
            j.numerator - s.n AS numerator, j.denominator - s.d AS denominator, j.p, j.q
        FROM (
            SELECT unit, year, institution_code, institution_name, sum(n)::HUGEINT AS n,
                sum(d)::HUGEINT AS d
            FROM ({shares}) GROUP BY ALL
        ) s
        JOIN membership m ON m.indicator_id = {literal(clause.indicator_id)}
            AND (m.unit, m.year) = (s.unit, s.year)
        JOIN publication.attainment a ON a.clause_id = {literal(clause.clause_id)}
            AND (a.region_code, a.year) = (m.region_code, m.year) AND a.status IN ('met', 'not_met')
        JOIN publication.judgement j ON j.reading = 'as_reported'
            AND (j.clause_id, j.region_code, j.year) = (a.clause_id, a.region_code, a.year)
    )
    WHERE {left}({reached(clause, indicator)}) <> (status = 'met')
    """


def _share(name: str, part: Part, catalogue: Catalogue) -> str:
    """Return what each institution contributes to a part, in millionths."""
    amount = f"(coalesce({part.value}, 0)::{NUMERIC} * {_MILLION})::HUGEINT"
    n, d = (amount, "0") if name == "n" else ("0", amount)
    called = name_of_institutions(_form_of(part, catalogue) or part.source)
    return (
        f"SELECT region_code AS unit, year, institution_code, {called}, {n} AS n, {d} AS d "
        f"FROM {source_name(part.source)} WHERE {part.rows} "
        "GROUP BY region_code, year, institution_code, institution_name"
    )


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
