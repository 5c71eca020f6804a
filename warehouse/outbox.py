"""Return sheets: what goes back to the units, one workbook for every file with findings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path, PurePosixPath

import duckdb
import polars as pl

from transforms.findings import FINDING_SCHEMA
from transforms.formats import Unreadable, open_zip
from transforms.returns import write_return_sheet
from warehouse.archive import Archive
from warehouse.frames import literal

#: Files of folders that belong to no unit are answered here.
UNKNOWN_UNIT = "unknown"
#: Fewer sheets than this are written here; a process of its own takes half a second to start.
IN_PARALLEL = 8
_TYPES = {**FINDING_SCHEMA, "unit": pl.String(), "entry": pl.String()}


@dataclass(frozen=True)
class _Sheet:
    """One return sheet to be: where it goes, what it says, and what it is a copy of."""

    target: Path
    mark: str
    sha256: str
    name: str
    entry: str | None
    findings: pl.DataFrame

    @property
    def file_name(self) -> str:
        return f"{self.name}/{self.entry}" if self.entry else self.name


def write_returns(
    connection: duckdb.DuckDBPyConnection,
    archive: Archive,
    outbox: Path,
    *,
    workers: int = 1,
    on_file: Callable[[], None] = lambda: None,
) -> list[Path]:
    """Bring the outbox up to date; give the return sheets that were written.

    A file with findings has one return sheet, ``outbox/<region_code>/<path in the inbox>.退回.xlsx`` (without a
    folder named by the code),
    with the findings of all submissions in it; a file that was replaced at its path is answered no
    more. A sheet that says the same already is left alone;
    one whose findings are gone (a warning that no longer holds, or was explained) is taken away.
    """
    sheets = list(_sheets(connection, outbox))
    known = dict(connection.execute("SELECT target, mark FROM sent").fetchall())
    stale = [s for s in sheets if known.get(str(s.target)) != s.mark or not s.target.exists()]
    for gone in set(known) - {str(sheet.target) for sheet in sheets}:
        Path(gone).unlink(missing_ok=True)
        connection.execute(f"DELETE FROM sent WHERE target = {literal(gone)}")
    if len(stale) >= IN_PARALLEL and workers > 1:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            done = pool.map(_write, stale, [archive.root] * len(stale), chunksize=4)
            for _ in done:
                on_file()
    else:
        for sheet in stale:
            _write(sheet, archive.root)
            on_file()
    for sheet in stale:
        connection.execute(
            f"DELETE FROM sent WHERE target = {literal(sheet.target)};"
            f"INSERT INTO sent VALUES ({literal(sheet.target)}, {literal(sheet.mark)})"
        )
    return [sheet.target for sheet in stale]


def _sheets(connection: duckdb.DuckDBPyConnection, outbox: Path) -> Iterator[_Sheet]:
    cursor = connection.execute(
        """
        SELECT s.sha256, s.folder, s.path, s.entry, s.region_code AS unit, f.submission_id,
            f.region_code, f.form, f.year, f.severity, f.rule_id, f.sheet, f.cell, f."row",
            f.column_name, f.value, f.message_zh, f.message_en, f.do_zh, f.cells, f.places
        FROM (
            FROM finding
            UNION ALL BY NAME
            SELECT * EXCLUDE (key, figure, explained) FROM warning WHERE explained IS NULL
        ) f
        JOIN submission s USING (submission_id)
        -- Of several versions of a file at one path the unit is answered on the last one.
        SEMI JOIN (
            SELECT path, sha256 FROM delivery
            QUALIFY row_number() OVER (
                PARTITION BY path ORDER BY received_at DESC, sha256 DESC) = 1
        ) d ON d.path = s.path AND d.sha256 = s.sha256
        ORDER BY s.path, s.entry, f.severity, f.sheet, f."row", f.cell, f.rule_id, f.message_zh
        """
    )
    columns = [column[0] for column in cursor.description or ()]
    frame = pl.DataFrame(cursor.fetchall(), schema=columns, orient="row", schema_overrides=_TYPES)
    groups = frame.group_by("sha256", "path", "entry", "unit", maintain_order=True)
    for (sha256, path, entry, unit), findings in groups:
        place = PurePosixPath(str(path))
        inside = PurePosixPath(*place.parts[1:]) if len(place.parts) > 1 else place
        target = outbox / (str(unit) if unit else UNKNOWN_UNIT)
        # A unit may use several folders; the one named by its code needs no name of its own.
        below = place.parts[1:] if place.parts[0] == unit else place.parts
        for part in (*below, *(PurePosixPath(str(entry)).parts if entry else ())):
            target /= _plain(part)
        said = repr((sha256, findings.select(list(FINDING_SCHEMA)).rows()))
        yield _Sheet(
            target=target.with_name(f"{target.name}.退回.xlsx"),
            mark=hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest(),
            sha256=str(sha256),
            name=str(inside),
            entry=str(entry) if entry else None,
            findings=findings,
        )


def _write(sheet: _Sheet, archive: Path) -> None:
    write_return_sheet(
        sheet.target,
        sheet.findings,
        file_name=sheet.file_name,
        original=_original(Archive(archive), sheet),
    )


def _original(archive: Archive, sheet: _Sheet) -> bytes | None:
    data = archive.read(sheet.sha256)
    if sheet.entry is not None:
        try:
            entries = open_zip(data, sheet.name)
        except Unreadable:
            return None
        found = next((entry.data for entry in entries if entry.name == sheet.entry), None)
        data = found if isinstance(found, bytes) else b""
    return data if data.startswith(b"PK\x03\x04") else None


def _plain(name: str) -> str:
    """A name that is safe as one part of a path."""
    cleaned = "".join("_" if char in '/\\:*?"<>|' or ord(char) < 32 else char for char in name)
    return cleaned.strip(". ")[:120] or "_"
