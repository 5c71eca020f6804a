"""How what a worker of a cluster has read comes to the run: over storage that both reach, or over the connection.

On storage each file of a portion has a name of its own, which is used once, and comes to its place whole. A
run takes up only what a worker has named that came to the end of its portion; what another one has left goes
away with the run, or with the next one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Protocol

from transforms.texts import Text, said_by_system
from warehouse.lake import Lake
from warehouse.ledger.portions import Portion, file_name
from warehouse.place import Place
from warehouse.scratch import scratch
from warehouse.shelf import ArchivePlace, Shelf, shelf_at
from warehouse.storage import StorageFailed

_ENDING = ".parquet"


@dataclass(frozen=True)
class Sent:
    """A portion on its way: its tables are on the storage, or here as ``files``, by their tables."""

    portion: Portion
    files: Mapping[str, bytes] = field(default_factory=dict)


class Transfer(Protocol):
    """The way that portions take; goes to the workers as a pickle."""

    def for_workers(self) -> Transfer:
        """Return it as it goes to them: they have keys of their own."""

    def open(self) -> AbstractContextManager[object]:
        """Return a block in which portions come; the caller is the only run that they come to."""

    def reach(self) -> str | Text:
        """Return the mark that this worker has left for the run, or why it can leave none; called on it."""

    def sees(self, mark: str) -> bool:
        """Return whether the run finds what a worker has left in :meth:`reach`."""

    def send(self, portion: Portion) -> Sent:
        """Return a portion, whose files are on this machine, as it goes to the run; called on a worker."""

    def received(self, sent: Sent) -> AbstractContextManager[Portion]:
        """Return a block in which the files of a portion can be loaded."""


def transfer_to(warehouse: Place) -> Transfer:
    """Return how portions come to the run that fills ``warehouse``."""
    if isinstance(warehouse, Lake):
        return OverStorage(warehouse.portions)
    return OverConnection()


@dataclass(frozen=True)
class OverConnection:
    """The files themselves are the answer: for a warehouse that is a file, where nothing need be shared to write."""

    def for_workers(self) -> Transfer:
        """As :meth:`Transfer.for_workers`."""
        return self

    def open(self) -> AbstractContextManager[object]:
        """As :meth:`Transfer.open`."""
        return nullcontext()

    def reach(self) -> str | Text:
        """As :meth:`Transfer.reach`: a worker that answers is reached."""
        return ""

    def sees(self, mark: str) -> bool:
        """As :meth:`Transfer.sees`."""
        return True

    def send(self, portion: Portion) -> Sent:
        """As :meth:`Transfer.send`."""
        files = {table: Path(file).read_bytes() for table, file in portion.tables.items()}
        return Sent(replace(portion, tables={}), files)

    @contextmanager
    def received(self, sent: Sent) -> Iterator[Portion]:
        """As :meth:`Transfer.received`."""
        with scratch("portions") as folder:
            tables = {}
            for table, content in sent.files.items():
                file = folder / (file_name(table) + _ENDING)
                file.write_bytes(content)
                tables[table] = str(file)
            yield replace(sent.portion, tables=tables)


@dataclass(frozen=True)
class OverStorage:
    """The files lie at ``place``, which the run and its workers reach alike, and the answer names them."""

    place: ArchivePlace

    def for_workers(self) -> Transfer:
        """As :meth:`Transfer.for_workers`."""
        place = self.place
        return self if isinstance(place, Path) else OverStorage(place.without_secrets())

    @property
    def _shelf(self) -> Shelf:
        return shelf_at(self.place)

    @contextmanager
    def open(self) -> Iterator[None]:
        """As :meth:`Transfer.open`; what lies there is of runs that have ended.

        Raises:
            StorageFailed: the storage cannot be reached.
            OSError: likewise.
        """
        if isinstance(self.place, Path):
            self.place.mkdir(parents=True, exist_ok=True)
        self._remove(self._shelf.names(f"*{_ENDING}*"))
        try:
            yield
        finally:
            with suppress(StorageFailed, OSError):  # the next run does it
                self._remove(self._shelf.names(f"*{_ENDING}*"))

    def reach(self) -> str | Text:
        """As :meth:`Transfer.reach`."""
        mark = f".reached-{uuid.uuid4().hex}"
        try:
            if isinstance(self.place, Path) and not self.place.parent.is_dir():
                return Text(
                    f"没有 {self.place.parent}：读取结果放在数据湖的数据旁边，每个工作进程须在同一路径下看到它",
                    f"{self.place.parent} is not there: what workers read is left beside the rows of the"
                    " lake, and every worker needs that folder under the same path",
                )
            self._shelf.put(mark, b"")
        except StorageFailed as error:
            return error.text
        except OSError as error:
            return said_by_system(error).at(self.place)
        return mark

    def sees(self, mark: str) -> bool:
        """As :meth:`Transfer.sees`; the mark is gone then."""
        found = self._shelf.size(mark) is not None
        if found:
            self._shelf.remove(mark)
        return found

    def send(self, portion: Portion) -> Sent:
        """As :meth:`Transfer.send`."""
        shelf, once = self._shelf, uuid.uuid4().hex

        def put(table: str) -> tuple[str, str]:
            name = f"{once}.{file_name(table)}{_ENDING}"
            shelf.put(name, Path(portion.tables[table]).read_bytes())
            return table, shelf.where(name)

        return Sent(replace(portion, tables=dict(shelf.each(put, portion.tables))))

    @contextmanager
    def received(self, sent: Sent) -> Iterator[Portion]:
        """As :meth:`Transfer.received`; the files are gone then."""
        try:
            yield sent.portion
        finally:
            with suppress(StorageFailed, OSError):  # they go with the run
                self._remove(PurePosixPath(file).name for file in sent.portion.tables.values())

    def _remove(self, names: Iterable[str]) -> None:
        shelf = self._shelf
        for _ in shelf.each(shelf.remove, names):
            pass
