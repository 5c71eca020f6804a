"""All figures by hand-written SQL: `python sql_city.py INBOX REFERENCE DATABASE`.

The least that gives the same figures: load.py, then city.sql in the same DuckDB connection.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
from load import load

HERE = Path(__file__).parent
SEEDS = HERE / "dbt" / "seeds"


def main() -> None:
    inbox, reference, database = map(Path, sys.argv[1:4])
    with duckdb.connect(str(database), config={"threads": 2}) as connection:
        load(inbox, reference, connection)
        connection.execute("CREATE SCHEMA seed")
        for file in sorted(SEEDS.glob("*.csv")):
            # 2.10 is no number, and no code of a region is one.
            text = {"clauses": "clause_id", "not_expected": "region_code"}.get(file.stem)
            types = f", types = {{'{text}': 'VARCHAR'}}" if text else ""
            connection.execute(
                f"CREATE TABLE seed.{file.stem} AS SELECT * FROM read_csv('{file}'{types})"
            )
        connection.execute((HERE / "city.sql").read_text("utf-8"))


if __name__ == "__main__":
    main()
