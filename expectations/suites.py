"""What has to hold for each clause, as SQL conditions over exact whole numbers.

Every check is over the table ``judgement`` (:mod:`expectations.verdicts`), whose numerators and
denominators are HUGEINT millionths and whose threshold is p / q: nothing is rounded and nothing divided. Two suites: *reached*
(the threshold, or last year's figure) and *pace* (the straight line to the threshold). A share of
answers with blanks has three rows there, one for each ``reading`` of the blanks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from expectations.clauses import Clause
from expectations.engine import Expectation
from warehouse.indicators.definitions import Indicator
from warehouse.sql import literal

SuiteName = Literal["reached", "pace"]


@dataclass(frozen=True)
class Check:
    """One expectation: of the rows of ``clause_id`` in judgement, those for which ``holds`` fails.

    ``rows`` narrows them to the rows that the check is about.
    """

    suite: SuiteName
    clause_id: str
    rows: str
    holds: str
    description: str

    @property
    def unexpected_rows_query(self) -> str:
        """The query that gives the rows that break the expectation."""
        return (
            f"SELECT region_code, year, reading FROM {{batch}} "
            f"WHERE {self.about} AND NOT ({self.holds})"
        )

    @property
    def about(self) -> str:
        """The condition that a row of judgement meets which the check is about."""
        return f"clause_id = {literal(self.clause_id)} AND ({self.rows})"


def suites_of(checks: Iterable[Check]) -> dict[str, list[Expectation]]:
    """Return the suites that ``checks`` make up, by name; an expectation is called by its clause."""
    suites: dict[str, list[Expectation]] = {"reached": [], "pace": []}
    for check in checks:
        suites[check.suite].append(
            Expectation(check.clause_id, check.unexpected_rows_query, check.description)
        )
    return suites


def checks(clauses: Iterable[Clause], indicators: Mapping[str, Indicator]) -> list[Check]:
    """Return the checks of all ``clauses`` that have a verdict."""
    found: list[Check] = []
    for clause in clauses:
        if clause.kind == "monitor":
            continue
        indicator = indicators[clause.indicator_id]
        wording = f"{clause.clause_id} {clause.statement_zh} / {clause.statement_en}"
        found.append(
            Check("reached", clause.clause_id, "true", reached(clause, indicator), wording)
        )
        if clause.kind == "level":
            found.append(
                Check(
                    "pace",
                    clause.clause_id,
                    f"first_year < year AND year < {clause.due_year} AND NOT interim",
                    _on_pace(clause, indicator),
                    f"{wording} (达标进度 / on the straight line to the threshold)",
                )
            )
    return found


def reached(clause: Clause, indicator: Indicator) -> str:
    """Return the condition that a figure reaches what ``clause`` asks, over the columns of judgement."""
    if clause.kind == "never_falls":
        return (
            f"numerator * previous_denominator {clause.comparator} previous_numerator * denominator"
        )
    return f"{indicator.scale}::HUGEINT * q * numerator {clause.comparator} p * denominator"


def _on_pace(clause: Clause, indicator: Indicator) -> str:
    """At or better than the line from the first reported value to the threshold when it is due.

    value >= first + (threshold - first) * (year - first_year) / (due - first_year), multiplied
    out by both denominators and the years.
    """
    due, scale = clause.due_year, indicator.scale
    return (
        f"{scale}::HUGEINT * q * numerator * first_denominator * ({due} - first_year) "
        f"{clause.comparator} "
        f"{scale}::HUGEINT * q * first_numerator * denominator * ({due} - year) "
        f"+ p * denominator * first_denominator * (year - first_year)"
    )
