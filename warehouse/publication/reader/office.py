"""What the office's decisions rest on: what is in force and what was returned, how final it is, single figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from warehouse.publication.reader.door import Reader
from warehouse.sql import in_china, literal


def published_by(reader: Reader, day: date) -> str | None:
    """Return the publication that stood at the end of ``day`` in China; None where there was none yet."""
    ((found,),) = reader.tuples(
        "SELECT max_by(publication_id, published_at) FROM publication"
        f" WHERE {in_china('published_at')}::DATE <= ?::DATE",
        day,
    )
    return None if found is None else str(found)


def in_force_of(reader: Reader, years: Sequence[int]) -> dict[int, list[str]]:
    """Return the submissions in force of each of ``years``; a year without one is left out."""
    found: dict[int, list[str]] = {}
    for year, name in reader.tuples(
        "SELECT year, submission_id FROM submission"
        " WHERE status IN ('accepted', 'accepted_with_warnings') ORDER BY ALL"
    ):
        if year in years:
            found.setdefault(int(year), []).append(str(name))
    return found


def returned_of(reader: Reader, years: Sequence[int]) -> list[tuple[str, str, int]]:
    """Return region name, form and year of what is expected and came back last."""
    return [
        (str(region), str(form), int(year))
        for region, form, year in reader.tuples(
            "SELECT DISTINCT r.region_name, s.form, s.year FROM submission s"
            " JOIN region r USING (region_code) JOIN reporting p"
            " ON (p.region_code, p.form, p.year) = (s.region_code, s.form, s.year)"
            " WHERE s.status = 'returned' AND s.received_at = p.last_received_at AND p.expected = 1"
            " ORDER BY ALL"
        )
        if year in years
    ]


@dataclass(frozen=True, slots=True)
class Finality:
    """How final the figures of a year are: preliminary, final or revised; by which release."""

    year: int
    state: str
    release: str | None


def finality(reader: Reader) -> dict[int, Finality]:
    """Return how final each year is; a publication of before this was noted says nothing."""
    if not reader.has_column("year_state", "ended_at"):
        return {}
    rows = reader.rows(
        Finality, "SELECT year, state, release FROM year_state WHERE ended_at IS NULL"
    )
    return {row.year: row for row in rows}


def handed_in(reader: Reader) -> dict[tuple[str, str, int], tuple[bool, bool]]:
    """Return of every unit, form and year whether something is accepted, and whether something came."""
    return {
        (unit, form, year): (bool(accepted), bool(received))
        for unit, form, year, accepted, received in reader.tuples(
            "SELECT region_code, form, year, accepted, received FROM reporting"
        )
    }


def indicator_named(reader: Reader, word: str) -> tuple[str, str | None] | None:
    """Return the indicator that an id, a name or a clause stands for, and the clause where it is one."""
    found = reader.tuples(
        "SELECT indicator_id, NULL AS clause_id FROM indicator"
        " WHERE ? IN (indicator_id, name_zh, name_en)"
        " UNION SELECT indicator_id, clause_id FROM clause WHERE clause_id = ?",
        word,
        word,
    )
    return (str(found[0][0]), found[0][1]) if len(found) == 1 else None


def region_named(reader: Reader, word: str) -> str | None:
    """Return the code of the region of a code or name."""
    found = reader.tuples(
        "SELECT region_code FROM region WHERE ? IN (region_code, region_name)", word
    )
    return str(found[0][0]) if len(found) == 1 else None


def figure_of(
    reader: Reader, column: str, indicator: str, clause: str | None, region: str, year: int
) -> float | str | None:
    """Return one published figure: value, numerator, denominator, or of a clause status or gap.

    None where there is none, or where several clauses rest on the indicator and none is named.
    """
    table, where = "indicator_value", ""
    if column in ("status", "gap"):
        table, where = "attainment", f"AND clause_id = {literal(clause)}" if clause else ""
    found = reader.tuples(
        f"SELECT {column} FROM {table} WHERE (indicator_id, region_code, year) = (?, ?, ?) {where}",
        indicator,
        region,
        year,
    )
    if len(found) != 1 or found[0][0] is None:
        return None
    value = found[0][0]
    return value if isinstance(value, int | float | str) else float(value)
