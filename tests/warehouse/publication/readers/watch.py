"""A reader of the publication, in a process of its own, who looks until standard input ends.

    watch.py FILE fresh|held

`fresh` opens the file for every look, as a BI tool without a pool does. `held` keeps one connection
open all the time, and looks alternately through it and through a further one. Prints `ready` after
the first look, and at the end one line of JSON: looks, the publications seen in their order (runs
of the same one once), the last one seen by a new connection after all others were closed, faults.

Needs nothing but duckdb, so that an old one can run it.
"""

from __future__ import annotations

import json
import select
import sys

import duckdb


def opened(file: str) -> duckdb.DuckDBPyConnection:
    """The publication, read-only; one thread, so that many readers fit on a small machine."""
    return duckdb.connect(file, read_only=True, config={"threads": 1})


def look(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of the publication, from several statements that must agree.

    press.py writes that number into every table; a mixture of two publications would disagree.
    """
    told = [
        int(row[0])
        for row in connection.execute("SELECT publication_id FROM publication").fetchall()
    ]
    for query in (
        "SELECT min(reporting_units), max(reporting_units) FROM indicator_value",
        "SELECT min(gap), max(gap) FROM attainment",
        "SELECT count(*), count(*) FROM finding",
        "SELECT min(gap), max(reporting_units) FROM attainment_latest",
    ):
        told += [int(cell) for cell in connection.execute(query).fetchall()[0]]
    if len(set(told)) != 1:
        raise ValueError(f"a mixture of publications: {told}")
    return told[0]


def watch(file: str, mode: str) -> dict[str, object]:
    """Look until standard input ends, and once more after that."""
    looks, seen, faults = 0, [], []
    held = opened(file) if mode == "held" else None
    while True:
        try:
            if held is not None and looks % 2:
                number = look(held)
            else:
                with opened(file) as connection:
                    number = look(connection)
            if seen[-1:] != [number]:
                seen.append(number)
        except (duckdb.Error, ValueError) as error:
            faults.append(str(error))
        looks += 1
        if looks == 1:
            print("ready", flush=True)
        if select.select([sys.stdin], [], [], 0)[0]:
            break
    if held is not None:
        held.close()
    with opened(file) as connection:
        last = look(connection)
    return {"looks": looks, "seen": seen, "last": last, "faults": faults}


if __name__ == "__main__":
    print(json.dumps(watch(*sys.argv[1:])))
