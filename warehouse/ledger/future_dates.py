"""Files dated in the future: what is in force by a clock that was wrong, and whom it shuts out.

Of the versions of a form the one received last is in force, and received is when the file was last
changed at its source. A file from a computer whose clock is ahead is therefore in force until that time
comes, and shuts out every correction until then. That rule holds for it too, so that the archive alone
says what was in force when; but both the unit that sent it and the unit that sends a correction are told.
The same bytes with a time that is right take its place: of one file the earliest time counts.
"""

from __future__ import annotations

import duckdb

from transforms.checks.findings import Finding, Submission, make_finding
from warehouse.ledger.told import tell
from warehouse.sql import in_china

#: In force, and dated later than it was taken.
_DATED = """
SELECT s.submission_id, s.region_code, s.form, s.year, s.received_at, s.file_name, d.taken_at
FROM submission s
SEMI JOIN version_in_force USING (submission_id)
JOIN delivery d ON (d.sha256, d.path, d.received_at) = (s.sha256, s.path, s.received_at)
WHERE d.taken_at IS NOT NULL
"""
#: Accepted, received since about then, and not in force. A night takes what came in over a day: of
#: what came with the dated file nobody knows which was first.
_SHUT_OUT = f"""
SELECT s.submission_id, s.region_code, s.form, s.year, d.received_at, d.file_name
FROM submission s
ANTI JOIN version_in_force USING (submission_id)
JOIN ({_DATED}) d ON (d.region_code, d.form, d.year) = (s.region_code, s.form, s.year)
WHERE s.accepted AND s.received_at > d.taken_at - INTERVAL 1 DAY
"""


def warn_of_future(connection: duckdb.DuckDBPyConnection) -> int:
    """Add to the table ``warning`` what is to be told of files dated in the future; give its number.

    ``version_in_force`` is up to date, and the table holds the other warnings already.
    """
    findings = [
        _finding("FIL-W01", submission, value=dated, other=taken)
        for *submission, dated, taken in connection.execute(
            f"SELECT submission_id, region_code, form, year, {_told('received_at')},"
            f" {_told('taken_at')} FROM ({_DATED}) ORDER BY ALL"
        ).fetchall()
    ] + [
        _finding("FIL-W02", submission, value=dated, other=name)
        for *submission, dated, name in connection.execute(
            f"SELECT submission_id, region_code, form, year, {_told('received_at')}, file_name"
            f" FROM ({_SHUT_OUT}) ORDER BY ALL"
        ).fetchall()
    ]
    return tell(connection, "time", findings)


def _told(column: str) -> str:
    """Return a time as the units tell it: in China, to the minute."""
    return f"strftime({in_china(column)}, '%Y-%m-%d %H:%M')"


def _finding(rule: str, submission: list[object], *, value: str, other: object) -> Finding:
    name, region, form, year = submission
    told = Submission(str(name), str(region), str(form), int(str(year)))
    return make_finding(told, rule, value=value, other=str(other))
