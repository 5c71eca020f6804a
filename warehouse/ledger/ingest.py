"""From archived deliveries to rows in the warehouse: read in parallel, check in sets, load.

Files are read by workers (:mod:`warehouse.workers.pool`). Deliveries are taken in portions, so that
memory depends on the portion and not on how much there is; the caller says whether each of them is
kept by itself or all belong to one transaction. A portion is the same whoever has read it, this machine
or another (:mod:`warehouse.ledger.portions`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from threading import Event
from time import monotonic
from typing import Final, Protocol, Self, TypeVar

import duckdb

from transforms.formats import Limits, Unreadable, expected_bytes
from transforms.reading import Found, find_files
from transforms.submissions import Document, examine
from transforms.tables.model import Table
from transforms.texts import Text
from warehouse.archive import Archive, ArchiveDamaged, Receipt
from warehouse.ledger.portions import Portion, by_hash, is_full, write_portion
from warehouse.ledger.store import Loaded, known_deliveries, load
from warehouse.place import bound_memory
from warehouse.reference import Reference
from warehouse.scratch import scratch
from warehouse.shelf import ArchivePlace
from warehouse.workers.pool import Breach, Order, Workers
from warehouse.workers.process import OrderPart

T = TypeVar("T")
R = TypeVar("R")

#: Files checked and loaded together, and the bytes that their cells may come to; there are two portions at a time.
PORTION, PORTION_BYTES = 1000, 64 * 2**20
#: Originals of fewer bytes are small (most forms have a tenth of it).
_SMALL: Final = 128 * 2**10
#: So many files of a zip are given up one by one; then the rest of it is given up unread.
_GIVEN_UP: Final = 3


@dataclass(frozen=True)
class Ingested:
    """What a run took in: deliveries read, submissions new to the ledger, and their outcome.

    ``lost`` are sentences on originals that are damaged or gone: they were not read.
    """

    deliveries: int
    submissions: int
    accepted: int
    returned: int
    lost: tuple[Text, ...] = ()


def pending(
    connection: duckdb.DuckDBPyConnection,
    archive: Archive,
    on_damage: Callable[[ArchiveDamaged], object],
) -> list[Receipt]:
    """Return the receipts that the warehouse has not read yet, the earliest first.

    ``on_damage`` as in :meth:`warehouse.archive.Archive.receipts`.
    """
    known = known_deliveries(connection)
    return [
        receipt
        for receipt in archive.receipts(on_damage)
        if receipt.key not in known or receipt.received_at < known[receipt.key].received_at
    ]


class _Ended(Exception):
    """Nobody asks for what is being read any more."""


class Readers(Protocol):
    """Who reads and checks deliveries: processes of this machine, or a cluster."""

    def read(
        self,
        archive: Archive,
        reference: Reference,
        receipts: Sequence[Receipt],
        limits: Limits,
        on_file: Callable[[], None],
    ) -> Iterator[Portion]:
        """Yield what comes of ``receipts``, in portions and in their order; ``on_file`` is called for every file read.

        They are in the order of :func:`warehouse.ledger.portions.by_hash`. The files of a portion are there
        until the next one is asked for.

        Raises:
            WorkersFailed: there is nobody to read.
        """


@dataclass(frozen=True)
class LocalReaders:
    """The workers of this machine; ``portion`` is how many files are checked together, None for the usual number."""

    workers: Workers
    portion: int | None = None

    def read(
        self,
        archive: Archive,
        reference: Reference,
        receipts: Sequence[Receipt],
        limits: Limits,
        on_file: Callable[[], None],
    ) -> Generator[Portion, None, None]:
        """As :meth:`Readers.read`; a portion is checked while the next one is read, and both while it is loaded."""
        ended = Event()

        def on_read() -> None:
            if ended.is_set():
                raise _Ended
            on_file()

        found = read_deliveries(archive, reference, receipts, limits, self.workers)
        read = _portions(zip(receipts, found, strict=True), on_read, self.portion or PORTION)
        with scratch("portions") as folder, ExitStack() as stack:
            portions = overlapped(partial(_examined, reference, folder), read)
            stack.enter_context(closing(portions))
            stack.callback(ended.set)  # before it is waited for
            for portion in portions:
                yield portion
                for file in portion.tables.values():
                    Path(file).unlink()
        if len(receipts) > PORTION:  # after fewer they are hardly larger than new ones
            self.workers.rest()


def ingest(
    connection: duckdb.DuckDBPyConnection,
    archive: Archive,
    reference: Reference,
    receipts: Sequence[Receipt],
    *,
    limits: Limits,
    readers: Readers,
    on_file: Callable[[], None],
    kept: Callable[[], AbstractContextManager[None]],
    together: float = 0,
) -> Ingested:
    """Read ``receipts`` from the archive and load what they hold.

    ``on_file`` is called after every file read. Portions are loaded within a ``kept()``: each in one of its own, or
    those of so many seconds ``together``, where each is a state that is kept for days. Where an
    original is damaged, its deliveries stay unread and the others are loaded.

    Raises:
        WorkersFailed: there is nobody to read.
    """
    lost: list[Text] = []
    read = 0
    loaded = Loaded(0, 0, 0)
    with closing(_Keeping(kept, together)) as keeping:
        for portion in readers.read(archive, reference, by_hash(receipts), limits, on_file):
            lost += portion.lost
            read += portion.deliveries
            with keeping.one():
                outcome = load(connection, portion.tables)
            bound_memory(connection)
            loaded = Loaded(
                loaded.submissions + outcome.submissions,
                loaded.accepted + outcome.accepted,
                loaded.returned + outcome.returned,
            )
    return Ingested(
        read,
        loaded.submissions,
        loaded.accepted,
        loaded.returned,
        tuple(dict.fromkeys(lost)),
    )


class _Keeping:
    """What is loaded, portion by portion; those of so many seconds are kept ``together``.

    What is whole is kept, whatever ends the run between two portions; what fails in one takes with it those that
    were to be kept together with it.
    """

    def __init__(self, kept: Callable[[], AbstractContextManager[None]], together: float) -> None:
        self._kept, self._together = kept, together
        self._open = ExitStack()
        self._until: float | None = None

    @contextmanager
    def one(self) -> Iterator[None]:
        """Load one portion within the block."""
        if self._until is None:
            self._open.enter_context(self._kept())
            self._until = monotonic() + self._together
        try:
            yield
        except BaseException:
            self._until = None
            self._open.__exit__(*sys.exc_info())
            raise
        if monotonic() >= self._until:
            self.close()

    def close(self) -> None:
        """Keep what is loaded."""
        self._until = None
        self._open.close()


def overlapped(function: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
    """Yield what ``function`` gives for each item, in their order.

    It works on one while the next is fetched, and both go on while whoever asks is busy with the one before:
    no more than two items are there at a time.
    """
    source, within = iter(items), copy_context()
    with ThreadPoolExecutor(1, "reading") as reading, ThreadPoolExecutor(1, "checks") as checks:

        def fetched() -> Future[T | None]:
            return reading.submit(within.run, lambda: next(source, None))

        before: Future[R] | None = None
        following = fetched()
        while (item := following.result()) is not None:
            done = [] if before is None else [before.result()]
            before = checks.submit(copy_context().run, function, item)
            del item  # it is large, and there are two at a time as it is
            following = fetched()
            yield from done
        if before is not None:
            yield before.result()


def _examined(
    reference: Reference, folder: Path, taken: Sequence[tuple[Receipt, list[Document] | Lost]]
) -> Portion:
    """Return some deliveries, checked; the files of their tables are in a folder of their own in ``folder``."""
    lost = tuple(found.reason for _, found in taken if isinstance(found, Lost))
    read = [(receipt, found) for receipt, found in taken if not isinstance(found, Lost)]
    documents = [document for _, found in read for document in found]
    examined = examine(documents, reference.unit_named)
    return Portion(len(read), write_portion(Path(mkdtemp(dir=folder)), read, examined), lost)


@dataclass(frozen=True)
class Lost:
    """A delivery that cannot be read, because its original is damaged: ``reason`` says how."""

    reason: Text


def read_deliveries(
    archive: Archive,
    reference: Reference,
    receipts: Sequence[Receipt],
    limits: Limits,
    workers: Workers,
) -> Iterator[list[Document] | Lost]:
    """Yield the documents of each delivery, or that it is lost, in their order.

    Raises:
        WorkersFailed: there is nobody to read.
    """
    orders = (
        _Reading(
            limits=limits,
            archive=archive.root,
            receipt=receipt,
            region_code=reference.unit_of(receipt.folder),
            is_small=(archive.glance(receipt.sha256) or _SMALL) < _SMALL,
        )
        for receipt in receipts
    )
    for found in workers.carry_out(orders, len(receipts)):
        lost = next((one for one in found if isinstance(one, Lost)), None)
        yield lost or [one for one in found if isinstance(one, Document)]


def _portions(
    read: Iterable[tuple[Receipt, list[Document] | Lost]], on_file: Callable[[], None], most: int
) -> Iterator[list[tuple[Receipt, list[Document] | Lost]]]:
    """Yield deliveries in portions of some ``most``; those of the same bytes stay together, as far as memory goes."""
    portion: list[tuple[Receipt, list[Document] | Lost]] = []
    size = 0
    for receipt, found in read:
        if portion and (
            size >= PORTION_BYTES or is_full(len(portion), most, portion[-1][0], receipt)
        ):
            yield portion
            portion, size = [], 0
        portion.append((receipt, found))
        size += 0 if isinstance(found, Lost) else sum(_size(document) for document in found)
        on_file()
    if portion:
        yield portion


def _size(document: Document) -> int:
    """Return the bytes that the cells of a document take."""
    if isinstance(document.content, Unreadable):
        return 0
    tables = (item for item in document.content if isinstance(item, Table))
    return sum(int(table.body.estimated_size()) for table in tables)


@dataclass(frozen=True, kw_only=True)
class _Reading(Order[Document | Lost]):
    """Read one delivery; a part is a file of it, because a zip may hold many.

    ``given_up`` is how many of them were.
    """

    archive: ArchivePlace
    receipt: Receipt
    region_code: str | None
    given_up: int = 0

    def parts(self) -> Iterator[OrderPart[Document | Lost]]:
        try:
            content = self._content()
        except ArchiveDamaged as damage:
            lost = Lost(damage.text)
            yield OrderPart(lost, 0, lambda: lost)
            return
        for found in islice(self._find(content), self.start, None):
            if self.given_up >= _GIVEN_UP:
                found = replace(found, data=_REST.problem)
            needs = (
                0 if isinstance(found.data, Unreadable) else expected_bytes(found.data, self.limits)
            )
            yield OrderPart(found.outline, needs, partial(found.read, self.limits))

    def without(
        self, outline: Document | Lost | None, breach: Breach
    ) -> tuple[list[Document | Lost], Self | None]:
        if isinstance(outline, Lost):
            return [outline], None
        if outline is None:
            return [one.refused(breach.problem) for one in self._find(breach.problem)], None
        given_up = replace(outline, content=breach.problem)
        return [given_up], replace(self, start=self.start + 1, given_up=self.given_up + 1)

    def _content(self) -> bytes | Unreadable:
        originals = Archive(self.archive)
        # What is too large to be read is not read to find that out.
        if originals.size(self.receipt.sha256) > self.limits.file_bytes:
            return Unreadable.file_too_large(self.limits)
        return originals.read(self.receipt.sha256)

    def _find(self, content: bytes | Unreadable) -> Iterator[Found]:
        return find_files(
            content,
            self.receipt.path,
            sha256=self.receipt.sha256,
            region_code=self.region_code,
            limits=self.limits,
        )


_REST: Final = Breach(
    f"同一压缩包中已有 {_GIVEN_UP} 个文件未能读完",
    f"{_GIVEN_UP} files of the same zip were given up before it",
)
