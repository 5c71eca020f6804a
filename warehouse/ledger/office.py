"""What a unit is told of the office's decisions: sent back by a person, closed years, missing signatures."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import polars as pl

from transforms.checks.findings import Submission, make_finding
from transforms.records import WARNING
from warehouse.sql import lent, literal

#: What these warnings are about.
_KEY = "decision"
_FACTS = "s.submission_id, s.region_code, s.form, s.year"
#: Sent back by a person, with the reason of the last decision.
_SENT_BACK = f"""
SELECT {_FACTS}, arg_max(d.reason, d.decided_at), arg_max(d.decided_as, d.decided_at)
FROM submission s SEMI JOIN (FROM withheld WHERE why = 'returned') USING (submission_id)
JOIN decision d USING (submission_id) WHERE d.decision = 'returned' GROUP BY ALL ORDER BY ALL
"""
#: Came after its year was declared final.
_TOO_LATE = f"""
SELECT {_FACTS}, y.release, NULL
FROM submission s SEMI JOIN (FROM withheld WHERE why = 'closed') USING (submission_id)
JOIN year_state y ON y.year = s.year AND y.ended_at IS NULL
WHERE s.received_at > coalesce((
    SELECT max(f.received_at) FROM submission f SEMI JOIN version_in_force USING (submission_id)
    WHERE (f.region_code, f.form, f.year) = (s.region_code, s.form, s.year)
), s.received_at - INTERVAL 1 SECOND)
ORDER BY ALL
"""
_UNSIGNED = f"""
SELECT {_FACTS}, NULL, NULL FROM submission s SEMI JOIN version_in_force USING (submission_id)
WHERE NOT s.signed ORDER BY ALL
"""


def tell_decisions(connection: duckdb.DuckDBPyConnection, *, sign_off: bool = False) -> int:
    """Add to the table ``warning`` what units are to be told by decisions of the office; give its number.

    ``version_in_force`` is up to date, and the table holds the other warnings already: what was told before is told anew. With ``sign_off``
    a submission in force that is not signed off is told too.
    """
    connection.execute(f"DELETE FROM warning WHERE key = {literal(_KEY)}")
    rows = list(_rows(connection, "FIL-E08", _SENT_BACK))
    rows += _rows(connection, "FIL-W03", _TOO_LATE)
    if sign_off:
        rows += _rows(connection, "FIL-W04", _UNSIGNED)
    if rows:
        with lent(connection, incoming=pl.DataFrame(rows, schema=WARNING.schema, orient="row")):
            connection.execute("INSERT INTO warning BY NAME FROM incoming")
    return len(rows)


def _rows(
    connection: duckdb.DuckDBPyConnection, rule: str, query: str
) -> Iterator[dict[str, object]]:
    for name, region, form, year, value, other in connection.execute(query).fetchall():
        told = Submission(name, region, form, year)
        yield {
            **make_finding(
                told, rule, value=value, other=other, wanted=(value or "", value or "")
            ).record(),
            "key": _KEY,
            "figure": None,
            "explained": None,
            "number": None,
            "refused": None,
        }
