"""A run: what its steps share, and how a step that fails is told.

:class:`Run` holds settings, definitions, the open warehouse and the processes that a run starts;
:mod:`flows.steps` are the steps over it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from shutil import copyfile, rmtree
from tempfile import TemporaryDirectory
from typing import Self

import duckdb

from expectations.acknowledged import AcknowledgementError, Lapsed
from expectations.clauses import Plan
from expectations.definitions import Definitions, load_definitions
from expectations.engine import Engine, EngineStopped
from expectations.suites import Check
from flows.interrupts import is_interrupt
from flows.lock import Patience, only_writer_of
from flows.permissions import make_home, make_open, private_folder, shut
from flows.progress import STEPS
from flows.settings import THREADS, Settings
from flows.sources.model import Pulled
from flows.step_errors import TOLD, cause_of
from transforms.definitions import DefinitionError
from transforms.names import SENTENCE, shown
from transforms.texts import Text, ToldInBoth, text_of
from warehouse.archive import RECEIPTS, Archive, ArchiveDamaged, Receipt
from warehouse.decisions import FOLDER as DECISIONS
from warehouse.indicators.definitions import Catalogue
from warehouse.lake import Fence, Lake, LakeFailed, tend
from warehouse.ledger.cluster import ClusterReaders
from warehouse.ledger.ingest import Ingested, LocalReaders, Readers
from warehouse.ledger.store import (
    fenced,
    make_mirror,
    open_warehouse,
    renew_warnings,
    use_lake,
    use_mirror,
)
from warehouse.ledger.transfer import transfer_to
from warehouse.place import WarehouseLocked, bound_memory, give_back, second_connection
from warehouse.publication.compare import Comparison
from warehouse.publication.release import DATABASE
from warehouse.reference import Reference
from warehouse.shelf import shelf_at
from warehouse.storage import Bucket, StorageFailed
from warehouse.workers.pool import ForkServer, Workers, WorkersFailed

_log = logging.getLogger(__name__)

CORRECT_FILE = Text("请改正该文件，再运行。", "Correct that file and run again.")
CORRECT_REQUEST = Text("请改正所写的内容，再运行。", "Correct what was asked for and run again.")
RUN_AGAIN = Text("请再运行。", "Run again.")
THEN = Text("然后再运行。", "Then run again.")

#: An engine that is warming up while Prefect starts, see :mod:`flows.terminal.runner`.
STARTED_AHEAD: ContextVar[Engine | None] = ContextVar("started_ahead", default=None)
#: Whether somebody at a terminal started the run, who may name files anywhere, see :mod:`flows.terminal.runner`.
AT_TERMINAL: ContextVar[bool] = ContextVar("at_terminal", default=False)
#: Folders that a dry run uses instead of the home's definitions/ and reference/. Definitions hold SQL, which is
#: run: somebody at a terminal may name them, a server may not, and so they are no parameter of a flow.
TO_TRY: ContextVar[Mapping[str, Path] | None] = ContextVar("to_try", default=None)
#: A fork server of workers that was started ahead likewise.
FORK_SERVER_AHEAD: ContextVar[ForkServer | None] = ContextVar("fork_server_ahead", default=None)
#: For so many seconds a run waits for what a killed one has left to let go of the warehouse.
_PATIENCE = 10
#: How the folder of a lake's copy begins, in the home, and that of a copy for the engine.
_MIRROR, _COPY = ".mirror-", ".checking-"


class StepFailed(ToldInBoth):
    """A step of a run failed; nothing was published, where ``published`` does not say otherwise."""

    #: Whether the publication in the home is that of this run all the same.
    published = False

    def __init__(self, step: str, reason: Text, remedy: Text) -> None:
        # It may quote names out of the world, and goes into logs, records and messages.
        zh, en = (shown(" ".join(said.split()), SENTENCE) for said in reason)
        step_zh, step_en = STEPS.get(step, Text(step, step))
        super().__init__(
            f"“{step_zh}”这一步失败：{zh}。{remedy.zh}",
            f"the step “{step_en}” failed: {en}. {remedy.en}",
        )
        self.step = step
        self.reason = en
        self.remedy = remedy


class NotUploaded(StepFailed):
    """All was published in the home, and could not be put where the settings say as well."""

    published = True


class TakenAway(ToldInBoth, FileNotFoundError):
    """A file that the run has made is not there any more."""


@contextmanager
def named(step: str) -> Iterator[None]:
    """Raise StepFailed with the step's name and a remedy where the block fails; KeyboardInterrupt where it is stopped."""
    try:
        yield
    except StepFailed:
        raise
    except (DefinitionError, AcknowledgementError) as error:
        raise StepFailed(step, error.text, CORRECT_FILE) from error
    except (ArchiveDamaged, LakeFailed, StorageFailed, WarehouseLocked, WorkersFailed) as error:
        raise StepFailed(step, error.text, THEN) from error
    except EngineStopped as error:
        raise StepFailed(
            step,
            error.text,
            Text(
                "请看机器是否负荷过重，或调大设置 suite_seconds，再运行。",
                "Look whether the machine is overloaded, or raise the setting suite_seconds; then run again.",
            ),
        ) from error
    except TOLD as error:
        cause = cause_of(error)
        raise StepFailed(step, cause.reason, cause.remedy) from error
    except RuntimeError as error:
        if is_interrupt(error):
            raise KeyboardInterrupt from error
        raise


@dataclass
class Run:
    """What the steps of one run share: settings, definitions, the open warehouse.

    The engine of the suites is started as soon as there is anything to judge, so that it is warm
    when it is needed; the workers, that open what was handed in, as soon as there is anything to
    read. ``damaged`` are sentences on what is damaged in the archive.
    """

    settings: Settings
    definitions: Definitions
    archive: Archive
    connection: duckdb.DuckDBPyConnection
    opened: ExitStack
    engine: Engine | None = None
    hired: Workers | None = None
    loaded: Ingested = field(default_factory=lambda: Ingested(0, 0, 0, 0))
    asked: list[Check] = field(default_factory=list)
    idle: list[Check] = field(default_factory=list)
    staged: Path | None = None
    accept_shrink: bool = False
    before_release: Callable[[], object] = lambda: None
    lapsed: tuple[Lapsed, ...] = ()
    damaged: list[Text] = field(default_factory=list)
    comparison: Comparison = field(default_factory=Comparison)
    fence: Fence | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _mirror: Path | None = None
    _bound: int | None = None

    @property
    def reference(self) -> Reference:
        """Regions and townships."""
        return self.definitions.reference

    @property
    def catalogue(self) -> Catalogue:
        """The indicators."""
        return self.definitions.catalogue

    @property
    def plan(self) -> Plan:
        """The clauses, with those of the national rule sets that are switched on."""
        return self.definitions.plan

    def tell_damage(self, damage: Text | ArchiveDamaged) -> None:
        """Note a sentence on something damaged, once."""
        said = text_of(damage) if isinstance(damage, ArchiveDamaged) else damage
        if not any(told.en.startswith(said.en) for told in self.damaged):
            self.damaged.append(said)

    def warm_up(self) -> None:
        """Start the engine, once; or take the one that was started ahead."""
        if self.engine is None:
            self.engine = STARTED_AHEAD.get() or Engine(self.settings.suite_seconds)

    @property
    def workers(self) -> Workers:
        """Who opens what was handed in; started when they are first needed."""
        if self.hired is None:
            # Not by fork_server(): a task may begin this in a context that has ended when the run does.
            forked_from = FORK_SERVER_AHEAD.get() or self.opened.enter_context(ForkServer())
            hired = Workers(forked_from, self.settings.workers, self.settings.memory)
            self.hired = self.opened.enter_context(hired)
        return self.hired

    @property
    def readers(self) -> Readers:
        """Who reads and checks what was handed in."""
        engine = self.settings.engine
        if engine.readers == THREADS:
            return LocalReaders(self.workers, engine.portion)
        return ClusterReaders(engine.readers, engine.portion, transfer_to(self.settings.place))

    @contextmanager
    def writing(self, connection: duckdb.DuckDBPyConnection | None = None) -> Iterator[None]:
        """Commit what the block writes into the warehouse: all of it or nothing, and as its only writer.

        ``connection`` is a further one to the run's warehouse. In a lake one transaction of a run follows
        another, also where steps go on beside each other.

        Raises:
            NoLongerWriter: another run writes to the lake.
        """
        used = connection or self.connection
        with nullcontext() if self.fence is None else self._turn:
            if self.fence is not None:
                use_lake(used)
            with fenced(used, self.fence):
                yield

    def compute_apart(self) -> None:
        """Have what follows compute from a copy of the lake, where the warehouse is one, and within its bound of memory.

        It is made once, as soon as it is known what is in force: all that reads the rows reads it.
        """
        if isinstance(self.settings.place, Lake):
            if self._mirror is None:
                folder = self.opened.enter_context(self._folder(_MIRROR))
                self._mirror = folder / "mirror.duckdb"
                make_mirror(self.connection, self._mirror, self.reference)
            use_mirror(self.connection)
        self._bound = bound_memory(self.connection)

    def give_back(self) -> None:
        """Have DuckDB give back the memory that it has freed since :meth:`compute_apart`."""
        if self._bound is not None:
            give_back(self.connection, self._bound)

    def another_connection(self) -> duckdb.DuckDBPyConnection:
        """Return a further connection to the warehouse itself, for another thread."""
        another = second_connection(self.connection)
        if isinstance(self.settings.place, Lake):
            use_lake(another)
        return another

    def take_over_warnings(self) -> None:
        """Have what is computed from know the warnings too: a copy of a lake was made beside the check."""
        if isinstance(self.settings.place, Lake):
            renew_warnings(self.connection)

    def tend(self, now: datetime) -> None:
        """Keep the warehouse small and quick, where it is a lake; ``now`` is UTC.

        What cannot be done is logged, and done by the next night: all is published by then.
        """
        if self.fence is None:
            return
        with self._turn:
            use_lake(self.connection)
            try:
                tend(self.connection, now)
            except duckdb.Error as error:
                _log.warning("the lake could not be tended: %s", cause_of(error).reason.en)

    @contextmanager
    def for_the_engine(self) -> Iterator[Path]:
        """Yield a copy of what is computed from, as it is now: another process opens it to read.

        One process has the file itself open, and goes on to use it.
        """
        file = self._mirror or self.settings.warehouse
        still_there(file)
        with self._folder(_COPY) as folder:
            self.connection.execute("CHECKPOINT")
            copy = folder / file.name
            copyfile(file, copy)
            yield copy

    @contextmanager
    def _folder(self, prefix: str) -> Iterator[Path]:
        """Yield a new folder in the home; those of its kind that a killed run has left are removed."""
        for left in self.settings.home.glob(f"{prefix}*"):
            rmtree(left, ignore_errors=True)
        with TemporaryDirectory(prefix=prefix, dir=self.settings.home) as folder:
            yield Path(folder)

    @classmethod
    @contextmanager
    def open(
        cls,
        settings: Settings,
        on_wait: Callable[[str], None] = lambda _: None,
        patience: Patience | None = None,
    ) -> Iterator[Self]:
        """Yield a run over ``settings.home``; closes the warehouse and the engine at the end.

        Of a warehouse that is a lake it is the only writer, on whatever machine; it waits for another, with
        ``on_wait`` and ``patience`` as :func:`flows.lock.only_writer`.
        """
        with named("open"):
            definitions = definitions_of(settings)
            _prepare(settings)
            archive = Archive(settings.archive)
        with definitions.in_use(), ExitStack() as stack:
            with named("open"):
                place, fence = settings.place, None
                if isinstance(place, Lake):
                    stack.enter_context(only_writer_of(place, on_wait, patience))
                opened = open_warehouse(place, definitions.reference, patience=_PATIENCE)
                connection = stack.enter_context(opened)
                if isinstance(place, Lake):
                    fence = Fence(connection)
                shut(settings.warehouse)
            run = cls(settings, definitions, archive, connection, stack)
            run.fence = fence
            try:
                yield run
            finally:
                if run.engine is not None:
                    run.engine.close()


def _prepare(settings: Settings) -> None:
    """Make what a first run needs, and shut what is nobody else's to read.

    An inbox that is gone after a run was there is no empty one: it is not mounted, perhaps. Making
    it would hide that; so it is left to be told as a source that cannot be read.
    """
    make_home(settings.home)
    ran = settings.warehouse.exists() or (settings.published / DATABASE).exists()
    if not ran and not settings.inbox.exists():
        make_open(settings.inbox)
    archive = settings.archive
    if isinstance(archive, Bucket):
        private_folder(archive.scratch)
        _left_behind(settings)
    else:
        private_folder(archive)
    if settings.upload_place is not None:
        # Without a key all else would be done first, and in vain.
        settings.upload_place.access()
    for place in (settings.warehouse, settings.home / "sources", settings.home / "prefect"):
        shut(place)


def _left_behind(settings: Settings) -> None:
    """Check that a bucket holds what the folder does that was the archive before it.

    Raises:
        StorageFailed: receipts or decisions of the folder are not there; without a decision what was sent
            back would count.
    """
    folder = settings.archive_folder
    if not folder.is_dir():
        return
    before, now = shelf_at(folder), shelf_at(settings.archive)
    for pattern in (f"{RECEIPTS}/*.jsonl", f"{DECISIONS}/*.json"):
        names = before.names(pattern)
        if names and (missing := set(names) - set(now.names(pattern))):
            raise StorageFailed(
                f"原来的档案 {folder} 中有 {len(missing)} 个文件不在 {settings.archive} 中（{min(missing)}）："
                "请把那个文件夹全部复制过去（docs/scale.md），或把它移走",
                f"{len(missing)} files of {folder}, which was the archive, are not in {settings.archive}"
                f" ({min(missing)}): copy all of that folder there (docs/scale.md), or move it away",
            )


@contextmanager
def fork_server() -> Iterator[ForkServer]:
    """Yield the fork server that was started ahead, else one for this block and all runs in it."""
    ahead = FORK_SERVER_AHEAD.get()
    if ahead is not None:
        yield ahead
        return
    with ForkServer() as started:
        before = FORK_SERVER_AHEAD.set(started)
        try:
            yield started
        finally:
            FORK_SERVER_AHEAD.reset(before)


def still_there(file: Path) -> None:
    """Check that a database we made is there; to open one that is gone would make an empty one.

    Raises:
        TakenAway: somebody has taken it away.
    """
    if not file.exists():
        raise TakenAway(f"{file}：运行中被拿走了", f"{file}: was taken away during the run")


def definitions_of(settings: Settings) -> Definitions:
    """Return the definitions that ``settings`` ask for: forms, indicators, plan, warnings, lists.

    Raises:
        DefinitionError: something is wrong in them; all of it is told.
    """
    return load_definitions(settings.home, settings.plan, settings.catalogues)


def folders_to_try() -> Mapping[str, Path]:
    """Return :data:`TO_TRY`, for flows: their code is pickled, which no context variable can be."""
    return TO_TRY.get() or {}


@dataclass(frozen=True)
class Opened:
    """A run with its lock held, and what a first look found: what was pulled, what there is to do.

    ``receipts`` are the deliveries to be read; ``has_news`` where there are any, or the publication has
    to be made anew; ``seconds`` is how long the look took. ``load`` gives what is loaded of them, where
    that has begun ahead.
    """

    run: Run
    pulled: Pulled
    receipts: list[Receipt]
    has_news: bool
    seconds: float
    load: Callable[[], Ingested] | None = None


#: A run that was opened to see whether there is anything to do, see :mod:`flows.terminal.runner`.
OPENED_AHEAD: ContextVar[Opened | None] = ContextVar("opened_ahead", default=None)
