"""Return sheets: what goes back to the units, one workbook for every file with findings."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import groupby, islice
from pathlib import Path, PurePosixPath
from time import monotonic
from typing import Any, Self

import duckdb
import polars as pl

from transforms.answers import REFUSED, WAITING
from transforms.formats import Limits, expected_bytes, open_entry
from transforms.forms import FORMS
from transforms.records import FINDING
from transforms.workbooks.heading import Heading
from warehouse.archive import Archive, ArchiveDamaged
from warehouse.shelf import ArchivePlace
from warehouse.sql import bound, lent, transaction
from warehouse.workers.pool import Breach, Order, Workers
from warehouse.workers.process import OrderPart

#: After so many seconds it is noted which answers were written: a run that is killed writes those of this time again.
_NOTED_EVERY = 20.0
#: Files of no known unit's folder are answered here.
UNKNOWN_UNIT = "unknown"
#: What says that a file was not read; nothing in it can be marked, and it is not opened again.
_UNREAD = ("FIL-E01", "FIL-E07")
#: How an answer is called after the file: by what became of that.
RETURNED, ACCEPTED = ".退回.xlsx", ".已接收-有提示.xlsx"
#: What a name, and a path below the outbox, may take (bytes). File systems allow 255 and 4,096; a
#: name in a zip may be longer, and an answer's name is longer than that of its file.
_LONGEST_NAME, _LONGEST_PATH = 200, 1_000
#: Letters that are not to be seen, or that file systems of other kinds do not take.
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
_TYPES = {
    **FINDING.schema,
    **{"unit": pl.String(), "entry": pl.String(), "number": pl.String(), "reason": pl.String()},
    **{"region_name": pl.String(), "contact": pl.String(), "before": pl.Date()},
}
#: So many forms are named above the list.
_NAMED = 4
#: Whom to ask, where the region list gives no contact of the office.
_OFFICE = "上级教育局数据审核岗"


@dataclass(frozen=True)
class ReturnSheet:
    """One return sheet to be: where below the outbox, what it says, what it is a copy of."""

    target: PurePosixPath
    mark: str
    sha256: str
    name: str
    entry: str | None
    findings: pl.DataFrame
    heading: Heading | None = None

    @property
    def file_name(self) -> str:
        """What the file is called in the sheet."""
        return f"{self.name}/{self.entry}" if self.entry else self.name


def write_returns(
    connection: duckdb.DuckDBPyConnection,
    archive: Archive,
    outbox: Path,
    *,
    limits: Limits,
    workers: Workers,
    today: date,
    on_file: Callable[[], None] = lambda: None,
    kept: Callable[[duckdb.DuckDBPyConnection], AbstractContextManager[None]] = transaction,
) -> list[Path]:
    """Bring the outbox up to date; give the return sheets that were written.

    A file with findings has one answer, ``outbox/<region_code>/<path in the inbox>`` (without a folder
    named by the code) and :func:`ending`, with the findings of all submissions in it; what was
    replaced, at its path or by a later version of the form under another name, is answered no more. A sheet that says the same already is left alone; one whose findings are gone (a warning that no longer holds, or was explained) is taken away.
    What was sent is noted within a ``kept(connection)``.

    Raises WorkersFailed, ArchiveDamaged and OSError.
    """
    sheets = list(_sheets(connection, today))
    known = dict(connection.execute("SELECT target, mark FROM sent").fetchall())
    stale = [
        sheet
        for sheet in sheets
        if known.get(str(sheet.target)) != sheet.mark or not (outbox / sheet.target).exists()
    ]
    gone = set(known) - {str(sheet.target) for sheet in sheets}
    for target in gone:
        _take_away(outbox / target, outbox)
    note = partial(_note_sent, connection, kept)
    note(gone, {})
    written: list[ReturnSheet] = []
    noted, since = 0, monotonic()
    try:
        for sheet in write_sheets(archive, outbox, stale, limits, workers):
            written.append(sheet)
            on_file()
            if monotonic() - since >= _NOTED_EVERY:
                _note_written(note, written[noted:])
                noted, since = len(written), monotonic()
    finally:
        _note_written(note, written[noted:])
    return [outbox / sheet.target for sheet in written]


def _note_written(
    note: Callable[[Collection[str], Mapping[str, str]], None], sheets: Sequence[ReturnSheet]
) -> None:
    marks = {str(sheet.target): sheet.mark for sheet in sheets}
    note(marks, marks)


def _note_sent(
    connection: duckdb.DuckDBPyConnection,
    kept: Callable[[duckdb.DuckDBPyConnection], AbstractContextManager[None]],
    gone: Collection[str],
    sent: Mapping[str, str],
) -> None:
    """Note in one transaction that the answers ``gone`` are no more, and that ``sent`` (target, mark) are there."""
    if not gone and not sent:
        return
    before = pl.DataFrame({"target": list(gone)}, {"target": pl.String})
    now = pl.DataFrame(list(sent.items()), {"target": pl.String, "mark": pl.String}, orient="row")
    with lent(connection, before=before, now=now), kept(connection):
        connection.execute(
            "DELETE FROM sent WHERE target IN (SELECT target FROM before);"
            "INSERT INTO sent SELECT target, mark FROM now"
        )


def write_sheets(
    archive: Archive,
    outbox: Path,
    sheets: Sequence[ReturnSheet],
    limits: Limits,
    workers: Workers,
) -> Iterator[ReturnSheet]:
    """Write ``sheets`` below ``outbox``; gives each when it is there.

    A workbook whose copy would cost more than it may is answered with the list of findings alone.
    """
    originals: dict[str, list[ReturnSheet]] = {}
    for sheet in sheets:
        originals.setdefault(sheet.sha256, []).append(sheet)
    by_target = {sheet.target: sheet for sheet in sheets}
    orders = (
        _Writing(limits=limits, archive=archive.root, outbox=outbox, sheets=tuple(together))
        for together in originals.values()
    )
    for targets in workers.carry_out(orders):
        for target in targets:
            yield by_target[target]


def _take_away(sheet: Path, outbox: Path) -> None:
    """Delete an answer, and the folders that held nothing else."""
    sheet.unlink(missing_ok=True)
    with suppress(OSError):  # which says that a folder is not empty, or not there
        for folder in sheet.parents:
            if folder == outbox or outbox not in folder.parents:
                break
            folder.rmdir()


def _findings_to_answer(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Return all findings that units are to be told of, with their file and what else its answer says."""
    query = bound(
        """
        WITH taken AS (
            SELECT s.submission_id, s.region_code, s.form, s.year,
                min(coalesce(d.taken_at, d.received_at)) AS at
            FROM submission s JOIN delivery d USING (sha256, path)
            WHERE s.region_code IS NOT NULL AND s.form IS NOT NULL AND s.year IS NOT NULL
            GROUP BY ALL
        ), answered AS (
            SELECT t.submission_id FROM taken t JOIN taken n USING (region_code, form, year)
            WHERE n.at > t.at
        )
        SELECT s.sha256, s.folder, s.path, s.entry, s.region_code AS unit, f.submission_id,
            f.region_code, f.form, f.year, f.severity, f.rule_id, f.sheet, f.cell, f."row",
            f.column_name, f.value, f.problem_zh, f.problem_en, f.remedy_zh, f.remedy_en, f.cells,
            f.places, f.institution, f.number,
            CASE WHEN f.refused = r.reason THEN ? ELSE ? END || r.reason AS reason,
            u.region_name, b.before, o.contact
        FROM (SELECT * FROM noted WHERE explained IS NULL) f
        JOIN submission s USING (submission_id)
        LEFT JOIN (
            SELECT region_code, number, arg_max(reason, (received_at, sha256)) AS reason
            FROM reason GROUP BY ALL
        ) r ON (r.region_code, r.number) = (s.region_code, f.number)
        LEFT JOIN region u ON u.region_code = s.region_code
        LEFT JOIN region o ON o.region_code = u.parent_code
        LEFT JOIN (
            SELECT region_code, form, year, submission_id AS holds, received_at::DATE AS before
            FROM in_force
        ) b ON (b.region_code, b.form, b.year) = (s.region_code, s.form, s.year)
            AND b.holds <> s.submission_id
        -- Of several versions of a file at one path the unit is answered on the last one, whatever
        -- time a file that was dated in the future gives itself.
        SEMI JOIN (
            SELECT path, sha256 FROM delivery
            QUALIFY row_number() OVER (
                PARTITION BY path
                ORDER BY coalesce(taken_at, received_at) DESC, sha256 DESC) = 1
        ) d ON d.path = s.path AND d.sha256 = s.sha256
        -- What came later for the same form, under whatever name, is the unit's answer. Who sent a
        -- file that is dated in the future must hear of that until it is put right.
        WHERE f.rule_id = 'FIL-W01' OR s.submission_id NOT IN (FROM answered)
        -- What one unit is answered on a file stands together: of another edition of the region list a
        -- part of it may be another unit's.
        ORDER BY s.path, s.entry, s.region_code, f.severity, f.sheet, f."row", f.cell, f.rule_id, f.problem_zh
        """,
        REFUSED,
        WAITING,
    )
    cursor = connection.execute(query)
    columns = [column[0] for column in cursor.description or ()]
    return pl.DataFrame(cursor.fetchall(), schema=columns, orient="row", schema_overrides=_TYPES)


def _sheets(connection: duckdb.DuckDBPyConnection, today: date) -> Iterator[ReturnSheet]:
    """Yield what each file is to be answered; no two answers have one name."""
    findings = _findings_to_answer(connection)
    # As rows, because of many small frames each takes longer than what it holds.
    files = findings.select("sha256", "path", "entry", "unit").rows()
    said = findings.select(*FINDING.schema, "number", "reason", "before", "contact").rows()
    headed = findings.select(_HEADED).rows()
    taken: set[str] = set()
    for (sha256, path, entry, unit), places in groupby(range(len(files)), files.__getitem__):
        begin, *rest = places
        rows = slice(begin, begin + 1 + len(rest))
        mark = repr((sha256, said[rows]))
        place = PurePosixPath(path)
        inside = PurePosixPath(*place.parts[1:]) if len(place.parts) > 1 else place
        # A unit may use several folders; the one named by its code needs no name of its own.
        below = place.parts[1:] if place.parts[0] == unit else place.parts
        of_file = findings[rows]
        target = _target(
            unit or UNKNOWN_UNIT,
            (*below, *(PurePosixPath(entry).parts if entry else ())),
            ending(of_file),
            hashlib.sha256(repr((path, entry)).encode("utf-8", "surrogateescape")).hexdigest()[:8],
            taken,
        )
        yield ReturnSheet(
            target=target,
            mark=hashlib.sha256(mark.encode("utf-8", "surrogateescape")).hexdigest(),
            sha256=sha256,
            name=str(inside),
            entry=entry or None,
            findings=of_file,
            heading=_heading(headed[rows], today),
        )


#: What a heading is made from.
_HEADED = ("region_name", "contact", "severity", "form", "year", "before")


def _heading(findings: Sequence[tuple[Any, ...]], today: date) -> Heading:
    """Return whose answer it is, and what else stands above the findings of a file, which have :data:`_HEADED`."""
    name, contact, *_ = findings[0]
    known = [
        (year, form, before)
        for *_, form, year, before in findings
        if form is not None and year is not None
    ]
    forms = sorted({(year, form) for year, form, _ in known})
    before = max((before for *_, before in known if before is not None), default=None)
    standing = ""
    if forms and any(severity == "error" for _, _, severity, *_ in findings):
        standing = (
            f"版本: {before}收到的版本继续有效, 直到更正后的版本被接收。"
            if before
            else "版本: 此前没有已接收的版本, 更正之前按未报送统计。"
        )
    return Heading(
        unit=name or "",
        forms=tuple(f"{year}年{FORMS[form].zh}" for year, form in forms[:_NAMED])
        + (("等",) if len(forms) > _NAMED else ()),
        written=today,
        standing=standing,
        until=_until(forms, today),
        ask=f"咨询: {contact or _OFFICE}。",
    )


def _until(forms: Sequence[tuple[int, str]], today: date) -> str:
    """Return by when corrections of ``forms`` (year, name) are due, as a line for the unit."""
    dues = [FORMS[form].deadline.due(year) for year, form in forms]
    if not dues:
        return ""
    due = min(dues)
    if today <= due:
        return f"期限: 请于{due:%Y-%m-%d}前报送更正或原因。"
    return f"期限: 报送截止日{due:%Y-%m-%d}已过, 请尽快报送更正或原因。"


def ending(findings: pl.DataFrame) -> str:
    """Return how the answer to a file ends in its name: with an error among its ``findings`` it went back."""
    return RETURNED if (findings["severity"] == "error").any() else ACCEPTED


def _target(
    unit: str, parts: Sequence[str], ending: str, number: str, taken: set[str]
) -> PurePosixPath:
    """Return where the answer to a file goes, below the outbox: beside no other and too long nowhere.

    ``number`` tells files apart whose names come to the same; ``taken`` is kept up to date.
    """
    *folders, name = map(_plain, parts)
    # A folder called as an answer would stand in its place.
    folders = [f"{part}_" if part.endswith((RETURNED, ACCEPTED)) else part for part in folders]
    if len("/".join((*folders, name)).encode()) > _LONGEST_PATH:
        folders = [number]
    place = PurePosixPath(unit, *folders)
    target = place / f"{name}{ending}"
    # Not every file system tells capitals from small letters.
    if str(target).casefold() in taken:
        target = place / f"{name}~{number}{ending}"
    taken.add(str(target).casefold())
    return target


@dataclass(frozen=True, kw_only=True)
class _Writing(Order[PurePosixPath]):
    """Write the answers to files of the same bytes; a part is one of them, and gives its target.

    ``bare`` are those that are the list alone.
    """

    archive: ArchivePlace
    outbox: Path
    sheets: tuple[ReturnSheet, ...]
    bare: frozenset[int] = frozenset()

    def parts(self) -> Iterator[OrderPart[PurePosixPath]]:
        originals = Archive(self.archive)
        digest = self.sheets[0].sha256
        try:
            readable = originals.size(digest) <= self.limits.file_bytes
            data = originals.read(digest) if readable else b""
        except ArchiveDamaged:  # which the run says of the file; the unit gets the list alone
            data = b""
        for number, sheet in islice(enumerate(self.sheets), self.start, None):
            original = None if number in self.bare else self._original(sheet, data)
            needs = 0 if original is None else expected_bytes(original, self.limits)
            yield OrderPart(
                sheet.target,
                needs,
                partial(self._write, sheet, original),
            )

    def without(
        self, outline: PurePosixPath | None, breach: Breach
    ) -> tuple[list[PurePosixPath], Self | None]:
        if self.start in self.bare:  # it waits for another night
            return [], replace(self, start=self.start + 1)
        return [], replace(self, bare=self.bare | {self.start})

    def _original(self, sheet: ReturnSheet, data: bytes) -> bytes | None:
        """Return the workbook to copy, None where there is none that can be copied."""
        if sheet.findings["rule_id"].is_in(_UNREAD).any():
            return None
        original: bytes | None = data
        if sheet.entry is not None:
            original = open_entry(data, sheet.name, sheet.entry, self.limits)
        return original if original and original.startswith(b"PK\x03\x04") else None

    def _write(self, sheet: ReturnSheet, original: bytes | None) -> PurePosixPath:
        # In a worker, which has it; the run itself never opens a workbook.
        from transforms.workbooks.return_sheets import write_return_sheet

        write_return_sheet(
            self.outbox / sheet.target,
            sheet.findings,
            file_name=sheet.file_name,
            original=original,
            heading=sheet.heading,
        )
        return sheet.target


def _plain(name: str) -> str:
    """Return a name that is safe as one part of a path."""
    cleaned = "".join(
        "_" if char in '/\\:*?"<>|' or unicodedata.category(char) in _UNSEEN else char
        for char in name
    )
    cut = cleaned.encode()[:_LONGEST_NAME].decode("utf-8", "ignore")
    return cut.strip(". ") or "_"
