"""What the office has decided: on a submission, and on years that are final.

``archive/decisions/<sha256>.json`` holds one decision, named by the hash of what it says, written once
and never changed, like the receipts beside it: so that all that follows from decisions can be made anew
from the archive alone. What was decided later holds; nothing is taken back but by a further decision.

An approval and a return hold for the bytes that were looked at: they name a submission, whose id is made of
them. A release names every submission that its years are made of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal

import duckdb
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from transforms.records import DECISION, FINAL, YEAR_STATE, Record
from transforms.texts import Text
from warehouse.archive import ArchiveDamaged, keep_named, read_named
from warehouse.shelf import ArchivePlace, Shelf, shelf_at
from warehouse.sql import lent

FOLDER = "decisions"


class _Decision(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    decided_at: datetime
    decided_as: str


class Ruling(_Decision):
    """That a submission is approved, or goes back to its unit for a ``reason``."""

    decision: Literal["approved", "returned"]
    region_code: str
    form: str
    year: int
    submission_id: str
    reason: str | None = None


class Release(_Decision):
    """That the figures of ``years`` are final: they are made of ``submissions``.

    ``publication_id`` is the publication that it was decided by. ``anyway``: forms were returned at the time.
    """

    decision: Literal["released"]
    name: str
    years: tuple[int, ...]
    publication_id: str
    submissions: tuple[str, ...]
    anyway: bool = False


class Kept(_Decision):
    """That the release ``name`` is kept: the publication, and the SHA-256 of each file of it."""

    decision: Literal["kept"]
    name: str
    publication_id: str
    files: dict[str, str]


class Reopening(_Decision):
    """That ``years``, which were final, are open again, for a ``reason``."""

    decision: Literal["reopened"]
    name: str
    years: tuple[int, ...]
    reason: str


Decision = Ruling | Release | Kept | Reopening
_ONE: TypeAdapter[Decision] = TypeAdapter(Annotated[Decision, Field(discriminator="decision")])


class Decisions:
    """The decisions in the archive at ``archive``; ``afresh``, and what is raised, as of :class:`~warehouse.archive.Archive`."""

    def __init__(self, archive: ArchivePlace, *, afresh: bool = False) -> None:
        self._shelf = shelf_at(archive, afresh=afresh)

    def keep(self, decision: Decision) -> str:
        """Write a decision; give its file, as people are told of it. The same one twice is kept once."""
        data = decision.model_dump_json(exclude_none=True).encode() + b"\n"
        return keep_named(self._shelf, FOLDER, data, ".json")

    def all(self) -> list[Decision]:
        """Return all decisions, the earliest first.

        Raises:
            ArchiveDamaged: a file is not what was written. Nothing is decided by the others alone: without
                a return, what was sent back would count.
        """
        marks = self._shelf.marks(f"{FOLDER}/*.json")
        found = self._shelf.each(lambda item: _read(self._shelf, *item), marks.items())
        return sorted(found, key=lambda one: (one.decided_at, one.model_dump_json()))

    @property
    def mark(self) -> str:
        """What tells one state of the decisions from another: empty where there are none."""
        names = [PurePosixPath(name).name for name in self._shelf.names(f"{FOLDER}/*.json")]
        return hashlib.sha256("".join(names).encode()).hexdigest()[:8] if names else ""


def _read(shelf: Shelf, name: str, mark: Hashable) -> Decision:
    remedy = Text(
        "没有它什么也不能决定；请从备份恢复",
        "nothing is decided without it; restore it from the backup",
    )
    file = shelf.where(name)
    data = read_named(shelf, name, mark, remedy)
    try:
        return _ONE.validate_json(data)
    except ValidationError as error:
        raise ArchiveDamaged(
            f"{file} 不是本版认识的决定（{error.error_count()} 处不对）；可能是更新版的 jzedu 写的：请用那一版",
            f"{file} is no decision that this version knows ({error.error_count()} faults);"
            " it may be of a later version of jzedu: use that one",
        ) from None


def now() -> datetime:
    """Return the time, UTC and naive."""
    return datetime.now(UTC).replace(tzinfo=None)


def standing_rulings(decisions: Iterable[Decision]) -> dict[str, Ruling]:
    """Return the last ruling on each submission, by its id."""
    return {one.submission_id: one for one in decisions if isinstance(one, Ruling)}


def closed_years(decisions: Iterable[Decision]) -> dict[int, Release]:
    """Return the years that are final, each with the release that says so."""
    closed: dict[int, Release] = {}
    for one in decisions:
        if isinstance(one, Release):
            closed.update(dict.fromkeys(one.years, one))
        elif isinstance(one, Reopening):
            for year in one.years:
                closed.pop(year, None)
    return closed


def keep_decisions(
    connection: duckdb.DuckDBPyConnection, decisions: Sequence[Decision], begins: int
) -> None:
    """Put the decisions into the ledger: ``decision``, ``final_submission`` and ``year_state``, each anew.

    ``begins`` is the first year of the plan. The caller holds the transaction, and refreshes what is in
    force by them (:func:`warehouse.ledger.schema.refresh`).
    """
    rulings = [
        (
            *(one.region_code, one.form, one.year, one.submission_id),
            *(one.decision, one.reason, one.decided_at, one.decided_as),
        )
        for one in decisions
        if isinstance(one, Ruling)
    ]
    closed = closed_years(decisions)
    final = [(year, name) for year, release in closed.items() for name in release.submissions]
    ((last,),) = connection.execute("SELECT max(year) FROM submission").fetchall()
    years = {year for one in decisions if isinstance(one, Release) for year in one.years}
    years.update(range(begins, (last or begins - 1) + 1))
    states = [row for year in sorted(years) for row in _states_of(year, decisions)]
    for record, rows in (
        (DECISION, rulings),
        (FINAL, final),
        (YEAR_STATE, states),
    ):
        _replace(connection, record, rows)


def _states_of(year: int, decisions: Iterable[Decision]) -> list[tuple[object, ...]]:
    """Return the states that a year was in, one after the other, as rows of ``year_state``."""
    turns: list[tuple[str, str | None, datetime | None, str | None]] = [
        ("preliminary", None, None, None)
    ]
    for one in decisions:
        if isinstance(one, Release) and year in one.years:
            state = "final" if len(turns) == 1 else "revised"
            turns.append((state, one.name, one.decided_at, None))
        elif isinstance(one, Reopening) and year in one.years:
            turns.append(("revised", one.name, one.decided_at, one.reason))
    ends = [decided_at for _, _, decided_at, _ in turns[1:]] + [None]
    return [
        (year, state, name, decided_at, end, reason)
        for (state, name, decided_at, reason), end in zip(turns, ends, strict=True)
    ]


def _replace(
    connection: duckdb.DuckDBPyConnection, record: Record, rows: Sequence[tuple[object, ...]]
) -> None:
    connection.execute(f"DELETE FROM {record.name}")
    if rows:
        frame = pl.DataFrame(rows, schema=record.schema, orient="row")
        with lent(connection, incoming=frame):
            connection.execute(f"INSERT INTO {record.name} SELECT DISTINCT * FROM incoming")
