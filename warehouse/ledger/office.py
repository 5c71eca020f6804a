"""What a unit is told of the office's decisions: sent back by a person, closed years, missing signatures."""

from __future__ import annotations

import duckdb

from transforms.checks.findings import Submission, make_finding
from warehouse.ledger.told import tell

_FACTS = "s.submission_id, s.region_code, s.form, s.year"
#: Sent back by a person: the reason, and in which role.
_SENT_BACK = f"""
SELECT {_FACTS}, r.reason, r.decided_as FROM submission s JOIN ruling r USING (submission_id)
SEMI JOIN (FROM withheld WHERE why = 'returned') USING (submission_id) ORDER BY ALL
"""
#: Came after its year was declared final.
_TOO_LATE = f"""
SELECT {_FACTS}, y.release
FROM submission s SEMI JOIN (FROM withheld WHERE why = 'closed') USING (submission_id)
JOIN year_state y ON y.year = s.year AND y.ended_at IS NULL
WHERE s.received_at > coalesce((
    SELECT max(f.received_at) FROM submission f SEMI JOIN version_in_force USING (submission_id)
    WHERE (f.region_code, f.form, f.year) = (s.region_code, s.form, s.year)
), s.received_at - INTERVAL 1 SECOND)
ORDER BY ALL
"""
_UNSIGNED = f"""
SELECT {_FACTS} FROM submission s SEMI JOIN version_in_force USING (submission_id)
WHERE NOT s.signed ORDER BY ALL
"""


def tell_decisions(connection: duckdb.DuckDBPyConnection, *, sign_off: bool = False) -> int:
    """Add to the table ``warning`` what units are to be told by decisions of the office; give its number.

    ``version_in_force`` is up to date, and the table holds the other warnings already. With ``sign_off`` a
    submission in force that is not signed off is told too.
    """
    findings = [
        make_finding(Submission(*submission), "FIL-E08", wanted=(reason, reason), other=role)
        for *submission, reason, role in connection.execute(_SENT_BACK).fetchall()
    ]
    findings += [
        make_finding(Submission(*submission), "FIL-W03", value=release)
        for *submission, release in connection.execute(_TOO_LATE).fetchall()
    ]
    if sign_off:
        findings += [
            make_finding(Submission(*submission), "FIL-W04")
            for submission in connection.execute(_UNSIGNED).fetchall()
        ]
    return tell(connection, "decision", findings)
