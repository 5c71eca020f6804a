"""Which publication stands, whether it is whole, and what the next one is called.

The one that stands is the one in its place, as long as it can be read; a clock has no say in it. Ids
only grow, also after a clock was years ahead, so that what is sorted by them is in the order in which
it was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import duckdb

from warehouse.publication.release import DATABASE

#: The folders beside the database that belong to a publication.
FOLDERS = ("parquet", "report", "data_docs", "public")
_ID = "%Y%m%dT%H%M%S%fZ"
#: What a publication of any version has.
_CORE = {"publication", "submission", "indicator_value", "attainment"}
_IS_ID = re.compile(r"[0-9]{8}T[0-9]{12}Z")


def standing(published: Path) -> Path | None:
    """Return the file of the publication that stands, None for none.

    Where the file in its place is damaged or gone, it is the last whole one of the history.
    """
    history = sorted((published / "history").glob(f"*/{DATABASE}"), reverse=True)
    return next((file for file in (published / DATABASE, *history) if is_whole(file)), None)


def is_whole(file: Path) -> bool:
    """Return whether a publication can be read, every block of it. One that has not changed is read once."""
    if not file.is_file() or not (found := file.stat()).st_size:
        return False
    try:
        return _can_be_read(file, found.st_ino, found.st_size, found.st_ctime_ns)
    except duckdb.Error:
        return False


# What could not be read is not kept: it may have been the disk for a moment.
@lru_cache(maxsize=8)
def _can_be_read(file: Path, *_state: int) -> bool:
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'"
        ).fetchall()
        names = {str(name) for (name,) in found}
        for name in names:
            # Every value is read; what was changed on the disk does not fit its checksum.
            connection.execute(f'SELECT max(hash(t)) FROM "{name}" t').fetchall()
    return names >= _CORE


def files_of(published: Path) -> dict[str, int]:
    """Return the files of the publication that stands, below ``published``, with their sizes in bytes."""
    files = {}
    for place in (published / DATABASE, *(published / folder for folder in FOLDERS)):
        for path in (place, *place.rglob("*")):
            with suppress(FileNotFoundError):
                if path.is_file():
                    files[path.relative_to(published).as_posix()] = path.stat().st_size
    return files


def is_complete(published: Path, files: Mapping[str, int]) -> bool:
    """Return whether all ``files`` (:func:`files_of`, when it was published) are there as they were."""
    try:
        return bool(files) and all(
            (published / name).stat().st_size == size for name, size in files.items()
        )
    except OSError:
        return False


def next_id(now: datetime, published: Path, earlier: Iterable[str]) -> str:
    """Return the id of a publication made ``now`` (UTC): its time, or the least that comes after all others.

    ``earlier`` are ids that were given before; so are the names in the history.
    """
    history = (path.name for path in (published / "history").glob("*"))
    times = [time for name in (*earlier, *history) if (time := time_of(name)) is not None]
    if times and (greatest := max(times)) >= now:
        with suppress(OverflowError):
            now = greatest + timedelta(microseconds=1)
    return now.strftime(_ID)


def time_of(publication_id: str) -> datetime | None:
    """Return the time (UTC) that an id says, None for what is none."""
    if not _IS_ID.fullmatch(publication_id):
        return None
    try:
        return datetime.strptime(publication_id, _ID)
    except ValueError:
        return None
