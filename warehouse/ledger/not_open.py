"""Forms that were handed in before they can be: what they say may not be final.

When a form can be handed in stands in the calendar. One that comes earlier is accepted and counted, as
every other; its unit is told until that day, and no longer.
"""

from __future__ import annotations

from datetime import date

import duckdb

from transforms.checks.findings import Submission, make_finding
from transforms.forms import FORMS
from warehouse.ledger.told import tell


def warn_of_early(connection: duckdb.DuckDBPyConnection, today: date) -> int:
    """Add to the table ``warning`` what is in force and cannot be handed in ``today``; give its number.

    ``version_in_force`` is up to date, and the table holds the other warnings already.
    """
    findings = [
        make_finding(
            Submission(*row), "FIL-W05", value=f"{FORMS[row[2]].deadline.opens_on(row[3]):%Y-%m-%d}"
        )
        for row in connection.execute(
            "SELECT submission_id, region_code, form, year FROM version_in_force ORDER BY ALL"
        ).fetchall()
        if not FORMS[row[2]].deadline.is_open(row[3], today)
    ]
    return tell(connection, "early", findings)
