"""The one door through which a publication is read: by terminal, report, notifications and metrics.

door.py        opening it; years, the record of publications, rows by column name
queries.py     what several readers and the published views ask in the same words
scorecard.py   clauses of the regions above the units, in the year in focus
reporting.py   who handed in what
runs.py        what a run put into it: submissions, verdicts that turned
office.py      what decisions rest on, how final a year is, single figures
pages.py       everything that the report shows
"""

from __future__ import annotations

from warehouse.publication.reader.door import (
    Issue,
    Reader,
    YearState,
    in_focus,
    open_publication,
)

__all__ = ["Issue", "Reader", "YearState", "in_focus", "open_publication"]
