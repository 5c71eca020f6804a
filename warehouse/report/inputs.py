"""What a page is made from, told apart without reading it: digests of the published rows of a clause or a region.

To put a page together costs more than to write it. So what it is made from is summed up inside the database; a page of
which that is as it was in the last report is not put together at all (:class:`warehouse.report.pages.Pages`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from warehouse.publication.reader import Reader

#: What is published of a clause in a region. A shortfall is shown with the name of its file; of revisions only the latest
#: publication's are.
_PLACED = {
    "attainment": "attainment",
    "indicator_value": "(SELECT c.clause_id, v.* FROM indicator_value v JOIN clause c USING (indicator_id))",
    "year_on_year": "year_on_year",
    "outlook": "outlook",
    "turning_institution": "turning_institution",
    "shortfall": "(SELECT f.*, s.file_name FROM shortfall f LEFT JOIN submission s USING (submission_id))",
    "revision": "(SELECT * EXCLUDE (publication_id, submission_id) FROM revision"
    " WHERE publication_id = (SELECT max(publication_id) FROM publication))",
}
#: What pages of all clauses and regions are made from.
_COMMON = ("region", "clause", "indicator", "section")

Sums = tuple[tuple[object, ...], ...]


class Inputs:
    """The digests of one publication."""

    def __init__(self, reader: Reader) -> None:
        self._clauses: dict[str, list[tuple[object, ...]]] = defaultdict(list)
        self._regions: dict[str, list[tuple[object, ...]]] = defaultdict(list)
        there = {name for (name,) in reader.tuples(_TABLES)}
        # A hash is a function of this version of the database.
        self._common: Sums = (
            tuple(reader.tuples("SELECT version()")[0]),
            *(
                (name, *reader.tuples(f"SELECT count(*), sum(hash(t)) FROM {name} t")[0])
                for name in _COMMON
                if name in there
            ),
        )
        for name, rows in _PLACED.items():
            for key, sums in (("clause_id", self._clauses), ("region_code", self._regions)):
                if name in there:
                    for of, *told in reader.tuples(_SUMS.format(key=key, rows=rows)):
                        sums[of].append((name, *told))

    def of_clause(self, clause_id: str) -> Sums:
        """Return what changes with anything published of a clause."""
        return (*self._common, *self._clauses[clause_id])

    def of_regions(self, codes: Iterable[str]) -> Sums:
        """Return what changes with anything published of clauses in these regions."""
        return (*self._common, *((code, *told) for code in codes for told in self._regions[code]))


_TABLES = "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = 'main'"
_SUMS = """
SELECT {key}, count(*), sum(hash(t)) FROM {rows} t WHERE clause_id IS NOT NULL GROUP BY {key}
"""
