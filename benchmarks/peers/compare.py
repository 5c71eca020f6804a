"""Whether the peers say the same as a publication of jzedu, value for value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

#: The peers, and how their figures are read.
FIGURES = "SELECT indicator_id, region_code, year, numerator, denominator, value FROM "
VERDICTS = "SELECT clause_id, region_code, year, status FROM "


@dataclass(frozen=True)
class Agreement:
    """So many of ``all`` rows are the same; ``first`` is one that is not."""

    same: int
    all: int
    first: str = ""

    def __str__(self) -> str:
        return f"{self.same}/{self.all}"


def figures_agree(publication: Path, theirs: Path) -> Agreement:
    """Compare numerators, denominators and values; ``theirs`` is a .duckdb or a .csv file."""
    with duckdb.connect() as db:
        db.execute(f"ATTACH '{publication}' AS ours (READ_ONLY)")
        if theirs.suffix == ".csv":
            source = f"read_csv('{theirs}', types = {{'region_code': 'VARCHAR'}})"
        else:
            db.execute(f"ATTACH '{theirs}' AS theirs (READ_ONLY)")
            source = "theirs.indicator_value"
        # An indicator that no clause of the plan speaks of is computed by the peers alone.
        db.execute(
            f"CREATE TEMP VIEW a AS {FIGURES} ours.indicator_value;"
            f"CREATE TEMP VIEW b AS {FIGURES} {source} "
            "SEMI JOIN (FROM ours.indicator_value) o USING (indicator_id)"
        )
        # Sums of binary fractions differ in their last digits from those of decimal ones.
        equal = " AND ".join(
            f"(a.{name} IS NOT DISTINCT FROM b.{name} "
            f"OR abs(a.{name} - b.{name}) <= 1e-9 * abs(a.{name}))"
            for name in ("numerator", "denominator", "value")
        )
        return _agreement(db, "indicator_id", equal)


def verdicts_agree(publication: Path, theirs: Path) -> Agreement:
    """Compare the status of every clause, region and year with that of a .duckdb file."""
    with duckdb.connect() as db:
        db.execute(f"ATTACH '{publication}' AS ours (READ_ONLY)")
        db.execute(f"ATTACH '{theirs}' AS theirs (READ_ONLY)")
        db.execute(
            f"CREATE TEMP VIEW a AS {VERDICTS} ours.attainment;"
            f"CREATE TEMP VIEW b AS {VERDICTS} theirs.attainment"
        )
        return _agreement(db, "clause_id", "a.status IS NOT DISTINCT FROM b.status")


def _agreement(db: duckdb.DuckDBPyConnection, of: str, equal: str) -> Agreement:
    """Compare the views ``a`` and ``b``; a row that only one of them has is not the same."""
    rows = db.execute(
        f"SELECT coalesce(({equal}) AND a.year IS NOT NULL AND b.year IS NOT NULL, false), a, b "
        f"FROM a FULL JOIN b ON (a.{of}, a.region_code, a.year) = (b.{of}, b.region_code, b.year)"
    ).fetchall()
    wrong = [f"{ours} and {theirs}" for same, ours, theirs in rows if not same]
    return Agreement(len(rows) - len(wrong), len(rows), next(iter(sorted(wrong)), ""))
