"""Loading what came through the gate into the warehouse, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from transforms.forms import FORMS
from transforms.records import LEDGER, REASON, SUBMISSION, WARNING
from warehouse.archive import Receipt
from warehouse.lake import CATALOG, Fence, Lake, LakeEmpty
from warehouse.ledger.portions import DELIVERIES, REASONS, SUBMISSIONS
from warehouse.ledger.schema import is_outdated, prepare
from warehouse.place import Place, WarehouseLocked, connect
from warehouse.reference import Reference
from warehouse.sql import lent, literal, table_from, transaction


class WarehouseOutdated(WarehouseLocked):
    """An earlier version of this program has filled the warehouse, and nothing was read since."""


#: What the copy of a lake is attached as.
_MIRROR = "mirror"


def _kept_by_submission() -> list[str]:
    """Return the tables whose rows belong to a submission."""
    about = ("submission", "submission_sheet", "submission_layout", "finding")
    return [*about, *(f'submitted."{name}"' for name in FORMS)]


@dataclass(frozen=True)
class Scope:
    """Years, units (codes) and forms; empty units or forms stand for all of them.

    What is not known of a submission (a file that could not be read) excludes it from no scope.
    """

    years: tuple[int, ...]
    regions: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()

    @property
    def condition(self) -> str:
        """The scope as SQL over year, region_code and form."""
        parts = [f"coalesce(year IN ({', '.join(map(str, self.years))}), true)"]
        for column, words in (("region_code", self.regions), ("form", self.forms)):
            if words:
                listed = ", ".join(literal(word) for word in words)
                parts.append(f"coalesce({column} IN ({listed}), true)")
        return " AND ".join(parts)


@dataclass(frozen=True)
class Loaded:
    """What a load changed: submissions new to the ledger, and how many of them were accepted."""

    submissions: int
    accepted: int
    returned: int


@contextmanager
def open_warehouse(
    place: Place, reference: Reference, *, read_only: bool = False, patience: float = 0
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to the warehouse, with its tables prepared.

    What is left of a run that was killed lets go of the file a moment after the run: ``patience`` is
    for how many seconds to wait for that. Who opens a lake and not to read only holds its lock.

    Raises:
        WarehouseLocked: another process writes to it.
        WarehouseOutdated: it is to be read only, and has other columns than this program's.
        LakeFailed: as :func:`warehouse.place.connect`.
    """
    connection = connect(place, read_only=read_only, patience=patience)
    try:
        connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        if not isinstance(place, Lake):
            # The files that it reads beside its own are read once; of a lake all rows are such files.
            connection.execute("SET enable_external_file_cache = false")
        if not read_only:
            prepare(connection, reference)
        elif is_outdated(connection):
            raise WarehouseOutdated(
                f"{place} 是旧版 jzedu 写的；请运行 jzedu nightly，它会重新读取档案",
                f"{place} was filled by an earlier version of jzedu; run jzedu nightly, which reads"
                " the archive again",
            )
        yield connection
    finally:
        connection.close()


@contextmanager
def fenced(connection: duckdb.DuckDBPyConnection, fence: Fence | None = None) -> Iterator[None]:
    """Commit what the block does, all of it or nothing.

    ``fence`` is that of a lake, which more than one machine could write to.

    Raises:
        NoLongerWriter: another writes to the lake.
    """
    with transaction(connection):
        yield
        token = fence.write(connection) if fence is not None else ""
    if fence is not None:
        fence.passed(token)


def copy_warehouse(place: Place, file: Path, reference: Reference) -> None:
    """Write what the warehouse at ``place`` holds into the new warehouse ``file``, as of one moment.

    Of a warehouse of another layout, or an empty lake, nothing is taken: a run over the copy reads the
    archive again, as it would over the warehouse itself.

    Raises:
        LakeFailed: as :func:`warehouse.place.connect`.
    """
    with open_warehouse(file, reference):
        pass
    try:
        connection = connect(place, read_only=True)
    except LakeEmpty:
        return
    try:
        if not is_outdated(connection):
            connection.execute(f"ATTACH {literal(file)} AS copy")
            with transaction(connection):
                _copy(connection, CATALOG, "copy")
            connection.execute("DETACH copy")
    finally:
        connection.close()


def make_mirror(connection: duckdb.DuckDBPyConnection, file: Path, reference: Reference) -> None:
    """Copy the lake of ``connection`` into ``file``: the ledger, and of the forms the rows in force.

    Computing and looking for warnings ask some thousand times, and each time a lake looks into its catalogue and
    reads from its storage: one copy costs less. ``version_in_force`` is up to date.
    """
    connection.execute(f"ATTACH {literal(file)} AS {_MIRROR}")
    use_mirror(connection)
    prepare(connection, reference)
    with transaction(connection):
        _copy(
            connection,
            CATALOG,
            _MIRROR,
            f"SEMI JOIN {_MIRROR}.version_in_force USING (submission_id)",
        )


def use_mirror(connection: duckdb.DuckDBPyConnection) -> None:
    """Have ``connection`` use the copy of its lake (:func:`make_mirror`)."""
    connection.execute(f"USE {_MIRROR}")


def renew_warnings(connection: duckdb.DuckDBPyConnection) -> None:
    """Take the warnings of the lake into the copy of it that ``connection`` uses (:func:`make_mirror`)."""
    name = f"main.{WARNING.name}"
    with transaction(connection):
        connection.execute(
            f"DELETE FROM {_MIRROR}.{name};"
            f"INSERT INTO {_MIRROR}.{name} BY NAME FROM {CATALOG}.{name}"
        )


def use_lake(connection: duckdb.DuckDBPyConnection) -> None:
    """Have ``connection`` use its lake itself (again)."""
    connection.execute(f"USE {CATALOG}")


def _copy(connection: duckdb.DuckDBPyConnection, source: str, to: str, which: str = "") -> None:
    """Copy the ledger, and of the forms the rows that the clause ``which`` takes, from catalogue to catalogue."""
    for record in LEDGER:
        name = f"main.{record.name}"
        connection.execute(f"INSERT INTO {to}.{name} BY NAME FROM {source}.{name}")
    for form in FORMS:
        name = f'submitted."{form}"'
        connection.execute(f"INSERT INTO {to}.{name} BY NAME FROM {source}.{name} {which}")


def known_deliveries(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Receipt]:
    """Return the deliveries that were read before, by hash and path."""
    rows = connection.execute("SELECT received_at, path, sha256, taken_at FROM delivery").fetchall()
    return {receipt.key: receipt for receipt in (Receipt(*row) for row in rows)}


def is_unpublished(connection: duckdb.DuckDBPyConnection, stamp: str) -> bool:
    """Return whether anything was loaded, or any definition changed, since the last publication.

    ``stamp`` stands for the definitions in use: program, plan, reference lists.
    """
    row = connection.execute(
        f"SELECT EXISTS (FROM unpublished) OR NOT EXISTS "
        f"(FROM published_by WHERE stamp = {literal(stamp)})"
    ).fetchone()
    return row is not None and bool(row[0])


def mark_published(
    connection: duckdb.DuckDBPyConnection, stamp: str, files: Mapping[str, int]
) -> None:
    """Note that the publication that stands says all that the warehouse holds, and is these ``files``.

    The caller holds the transaction.
    """
    frame = pl.DataFrame(list(files.items()), {"name": pl.String, "bytes": pl.Int64}, orient="row")
    with lent(connection, incoming=frame):
        connection.execute(
            f"DELETE FROM unpublished; DELETE FROM published_by; DELETE FROM published_file;"
            f"INSERT INTO published_by VALUES ({literal(stamp)});"
            f"INSERT INTO published_file SELECT * FROM incoming"
        )


def published_files(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the files of the publication as it was made (:func:`mark_published`), with their sizes."""
    return dict(connection.execute("SELECT name, bytes FROM published_file").fetchall())


def originals_in(connection: duckdb.DuckDBPyConnection, scope: Scope) -> list[str]:
    """Return the hashes of the files that the submissions of ``scope`` came from."""
    rows = connection.execute(
        f"SELECT DISTINCT sha256 FROM submission WHERE {scope.condition} ORDER BY 1"
    ).fetchall()
    return [str(sha256) for (sha256,) in rows]


def forget(
    connection: duckdb.DuckDBPyConnection, scope: Scope, spared: Collection[str] = ()
) -> list[Receipt]:
    """Take the submissions of ``scope`` out of the warehouse; give the deliveries they came from.

    What came from the files ``spared`` (by hash) stays as it is: it could not be read again.
    The caller reads these again and loads them (:func:`load`) in the same transaction. Of what else
    they hold, only what the warehouse does not know is loaded: a sheet that is now read for another
    year, unit or form is not lost.
    """
    table_from(
        connection,
        "TEMP TABLE spared",
        pl.DataFrame({"sha256": list(spared)}, {"sha256": pl.String}),
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE forgotten AS"
        f" FROM submission ANTI JOIN spared USING (sha256) WHERE {scope.condition}"
    )
    _leave_note(connection, "forgotten")
    rows = connection.execute(
        "SELECT received_at, path, sha256, taken_at FROM delivery"
        " WHERE (sha256, CASE WHEN contains(path, '/') THEN split_part(path, '/', 1) ELSE '' END)"
        " IN (SELECT (sha256, folder) FROM forgotten)"
    ).fetchall()
    for table in _kept_by_submission():
        connection.execute(
            f"DELETE FROM {table} WHERE submission_id IN (SELECT submission_id FROM forgotten)"
        )
    return sorted(Receipt(*row) for row in rows)


def load(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, str]) -> Loaded:
    """Put a portion into the warehouse: the Parquet files of its ``tables`` (:class:`warehouse.ledger.portions.Portion`).

    The caller holds the transaction. The same bytes delivered again are the same submission: what it says
    of itself comes from its earliest delivery, whichever was read first, so that the order of arrival
    never matters.
    """
    files = {table: f"read_parquet({literal(file)})" for table, file in tables.items()}
    deliveries, submissions = files.pop(DELIVERIES), files.pop(SUBMISSIONS)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE fresh AS
        SELECT n.*, k.submission_id IS NULL AS is_new
        FROM {submissions} n
        LEFT JOIN submission k USING (submission_id)
        WHERE k.submission_id IS NULL OR (n.received_at, n.path) < (k.received_at, k.path);
        DELETE FROM delivery WHERE (sha256, path) IN (SELECT (sha256, path) FROM {deliveries});
        INSERT INTO delivery BY NAME FROM {deliveries};
        """
    )
    if reasons := files.pop(REASONS, None):
        _keep_reasons(connection, reasons)
    # Seldom any; and to look for them takes longer the more the warehouse holds.
    if connection.execute("FROM fresh WHERE NOT is_new LIMIT 1").fetchone() is not None:
        for table in _kept_by_submission():
            connection.execute(
                f"DELETE FROM {table} WHERE submission_id IN"
                " (SELECT submission_id FROM fresh WHERE NOT is_new)"
            )
    connection.execute(f"INSERT INTO submission BY NAME SELECT {SUBMISSION.names} FROM fresh")
    for table, rows in files.items():
        connection.execute(
            f"INSERT INTO {table} BY NAME FROM {rows} SEMI JOIN fresh USING (submission_id)"
        )
    _leave_note(connection, "fresh")
    counts = connection.execute(
        "SELECT count(*), count(*) FILTER (accepted), count(*) FILTER (NOT accepted) FROM fresh"
        " WHERE is_new"
    ).fetchone()
    assert counts is not None
    return Loaded(*counts)


def _keep_reasons(connection: duckdb.DuckDBPyConnection, reasons: str) -> None:
    """Keep what units wrote for warnings, each file's anew; ``reasons`` is where SQL finds it."""
    connection.execute(
        "DELETE FROM reason WHERE (sha256, region_code) IN"
        f" (SELECT (sha256, region_code) FROM {reasons});"
        f"INSERT INTO reason SELECT DISTINCT {REASON.names} FROM {reasons}"
    )


def _leave_note(connection: duckdb.DuckDBPyConnection, changed: str) -> None:
    """Have the next night publish, should this run end before it does.

    ``changed`` is a table of submissions; where it is empty, there is nothing to publish.
    """
    connection.execute(
        f"INSERT INTO unpublished SELECT max(received_at) FROM {changed} HAVING count(*) > 0"
    )
