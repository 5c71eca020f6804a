"""Return sheets: what goes back to the units, one workbook for every file with findings."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import duckdb
import polars as pl

from transforms.findings import FINDING_SCHEMA
from transforms.formats import Unreadable, open_zip
from transforms.returns import write_return_sheet
from warehouse.archive import Archive

#: Submissions of folders that belong to no unit are answered here.
UNKNOWN_UNIT = "unknown"
_TYPES = {**FINDING_SCHEMA, "unit": pl.String(), "entry": pl.String()}


def write_returns(
    connection: duckdb.DuckDBPyConnection,
    archive: Archive,
    outbox: Path,
    submission_ids: Iterable[str] | None = None,
) -> list[Path]:
    """Write the return sheets of files that have findings; give what was written.

    ``submission_ids`` narrows them to the files of these submissions. A file keeps one return
    sheet, ``outbox/<region_code>/<path in the inbox>.退回.xlsx``; it holds the findings of all
    submissions in the file.
    """
    cursor = connection.execute(
        """
        SELECT s.sha256, s.folder, s.path, s.entry, s.region_code AS unit, f.submission_id,
            f.region_code, f.form, f.year, f.severity, f.rule_id, f.sheet, f.cell, f."row",
            f.column_name, f.value, f.message_zh, f.message_en, f.do_zh, f.cells, f.places
        FROM finding f JOIN submission s USING (submission_id)
        ORDER BY s.path, s.entry, f.severity, f.sheet, f."row", f.cell, f.rule_id
        """
    )
    columns = [column[0] for column in cursor.description or ()]
    frame = pl.DataFrame(cursor.fetchall(), schema=columns, orient="row", schema_overrides=_TYPES)
    if submission_ids is not None:
        wanted = frame.filter(frame["submission_id"].is_in(list(submission_ids)))
        keys = wanted.select("sha256", "path", "entry").unique()
        frame = frame.join(keys, on=["sha256", "path", "entry"], how="semi", nulls_equal=True)
    written = []
    groups = frame.group_by("sha256", "path", "entry", "unit", maintain_order=True)
    for (sha256, path, entry, unit), findings in groups:
        inside = PurePosixPath(*PurePosixPath(str(path)).parts[1:])
        target = outbox / (str(unit) if unit else f"{UNKNOWN_UNIT}/{_plain(findings['folder'][0])}")
        for part in (*inside.parts, *(PurePosixPath(str(entry)).parts if entry else ())):
            target /= _plain(part)
        target = target.with_name(f"{target.name}.退回.xlsx")
        write_return_sheet(
            target,
            findings,
            file_name=f"{inside}/{entry}" if entry else str(inside),
            original=_original(archive, str(sha256), inside.name, str(entry) if entry else None),
        )
        written.append(target)
    return written


def clear(outbox: Path) -> None:
    """Take all return sheets away, before all of them are written anew."""
    shutil.rmtree(outbox, ignore_errors=True)


def _original(archive: Archive, sha256: str, name: str, entry: str | None) -> bytes | None:
    data = archive.read(sha256)
    if entry is not None:
        try:
            found = next((e.data for e in open_zip(data, name) if e.name == entry), None)
        except Unreadable:
            return None
        data = found if isinstance(found, bytes) else b""
    return data if data.startswith(b"PK\x03\x04") else None


def _plain(name: str) -> str:
    """A name that is safe as one part of a path."""
    cleaned = "".join("_" if char in '/\\:*?"<>|' or ord(char) < 32 else char for char in name)
    return cleaned.strip(". ")[:120] or "_"
