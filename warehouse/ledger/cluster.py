"""Reading on the machines of a Dask cluster.

Deliveries are cut into portions by their hashes, and each is read and checked by one worker of the cluster, as
it would be here: in processes that can be ended, within the same limits. What comes back are counts, and
where the files are that the warehouse takes up (:mod:`warehouse.ledger.transfer`); this process alone loads
them. A worker that dies costs the portion in its hands, which another reads again.

Every worker needs this very version of jzedu, and the archive under the same path, or the keys to its
bucket. Forms and region lists go with the work: they are those of the run, whatever a worker has. What is
needed only here is imported when it is needed.
"""

from __future__ import annotations

import atexit
import hashlib
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import polars as pl

import transforms
import warehouse
from transforms.formats import Limits
from transforms.forms import FORMS_IN_USE
from transforms.importing import collect_seldom
from transforms.texts import Text
from warehouse.archive import Archive, Receipt
from warehouse.ledger.ingest import LocalReaders
from warehouse.ledger.portions import Portion, portions_of
from warehouse.ledger.transfer import OverConnection, Sent, Transfer
from warehouse.memory import shared_memory
from warehouse.reference import Reference
from warehouse.shelf import ArchivePlace, shelf_at
from warehouse.storage import StorageFailed
from warehouse.workers.pool import ForkServer, Workers, WorkersFailed
from warehouse.workers.process import pickled_forms, portable, unpickled_forms

#: A client of distributed and a result that it waits for; the library has no types of its own.
Client: TypeAlias = Any
Future: TypeAlias = Any

#: Files of a portion where no setting says so.
PORTION: Final = 400
#: Seconds that the scheduler may take to answer, and after which is looked whether workers are left.
_ANSWER, _LOOK = 20, 5
#: Portions that are read ahead of the one that is loaded, for each thread of a worker.
_AHEAD = 2
#: So many times the portions of a task are handed in that the scheduler forgets.
_MOST_TIMES = 3
_NOT_INSTALLED = Text(
    "文件要在 Dask 集群上读取，而所需的软件没有安装：请安装 jzedu 的附加组件 cluster（docs/scale.md）",
    "files are to be read on a Dask cluster, and what that needs is not installed: install the extra"
    " cluster of jzedu (docs/scale.md)",
)


@dataclass(frozen=True)
class ClusterReaders:
    """The workers of the cluster whose scheduler is at ``address`` (``dask://host:port``).

    ``portion`` is how many files one of them reads at a time, None for :data:`PORTION`; ``transfer`` the way
    that portions take from there.
    """

    address: str
    portion: int | None = None
    transfer: Transfer = field(default_factory=OverConnection)

    def read(
        self,
        archive: Archive,
        reference: Reference,
        receipts: Sequence[Receipt],
        limits: Limits,
        on_file: Callable[[], None],
    ) -> Iterator[Portion]:
        """As :meth:`warehouse.ledger.ingest.Readers.read`."""
        if not receipts:
            return
        place = _for_all(archive.root)
        # The client goes first: nobody leaves anything on the storage any more that the run could clear away.
        with self.transfer.open(), self._connected() as client:
            fit = self._fit(client, place)
            forms = pickled_forms(FORMS_IN_USE.get())
            shared = client.scatter(
                _Shared(place, reference, limits, forms, self.transfer.for_workers()),
                broadcast=True,
                workers=list(fit),
            )

            def submit(portion: tuple[Receipt, ...]) -> Future:
                return client.submit(_read, shared, portion, workers=list(fit), pure=False)

            ahead: deque[tuple[tuple[Receipt, ...], Future]] = deque()
            for portion in portions_of(receipts, self.portion or PORTION):
                ahead.append((portion, submit(portion)))
                if len(ahead) > _AHEAD * sum(fit.values()):
                    yield from self._taken(client, *ahead.popleft(), submit, fit, on_file)
            while ahead:
                yield from self._taken(client, *ahead.popleft(), submit, fit, on_file)

    def workers(self, archive: ArchivePlace) -> int:
        """Return how many workers would read from the archive at ``archive``.

        Raises:
            WorkersFailed: there is none, or the scheduler does not answer.
            StorageFailed: the place where they leave what they have read cannot be reached.
        """
        with self._connected() as client:
            return len(self._fit(client, _for_all(archive)))

    def _connected(self) -> Client:
        try:
            import distributed
        except ImportError:
            raise WorkersFailed(*_NOT_INSTALLED) from None
        scheme, _, place = self.address.partition("://")
        try:
            connect: Any = distributed.Client
            return connect(
                f"{'tls' if scheme.endswith('+tls') else 'tcp'}://{place}",
                timeout=_ANSWER,
                set_as_default=False,
            )
        except (OSError, ValueError, TypeError) as error:
            raise WorkersFailed(
                f"调度服务 {self.address} 没有应答（{_first_line(error)}）：请启动它，或删去 settings.toml 的"
                " [engine] 一节，在本机读取",
                f"the scheduler at {self.address} does not answer ({_first_line(error)}): start it, or"
                " take the section [engine] out of settings.toml to read on this machine",
            ) from None

    def _fit(self, client: Client, archive: ArchivePlace) -> Mapping[str, int]:
        """Return the threads of each worker, by its address, that can read what we would read."""
        transfer = self.transfer.for_workers()
        found = client.run(_look, archive, transfer, code_mark(), on_error="return")
        reasons = {worker: self._unfit(look) for worker, look in found.items()}
        fit = {worker for worker, reason in reasons.items() if reason is None}
        if not fit:
            raise WorkersFailed(*self._nobody_fit(reasons))
        return {
            worker: facts["nthreads"]
            for worker, facts in client.scheduler_info(n_workers=-1)["workers"].items()
            if worker in fit
        }

    def _unfit(self, look: Any) -> Text | None:
        """Return why a worker cannot read, by what it has found (:class:`_Look`, or an error); None where it can."""
        mine = code_mark()
        if not isinstance(look, _Look):
            return Text(
                f"那里没有这一版的 jzedu（{_first_line(look)}）",
                f"it has no jzedu of this version ({_first_line(look)})",
            )
        if look.code != mine:
            return Text(
                f"那里的 jzedu、Python 或 Polars 是另一版（{look.code}，这里是 {mine}）",
                f"its jzedu, Python or Polars is another one ({look.code}, here {mine})",
            )
        if isinstance(look.reached, Text):
            return look.reached
        if not self.transfer.sees(look.reached):
            return Text(
                "它放下读取结果的地方，本次运行看不到：每台机器须在同一路径下看到同一个文件夹",
                "what it leaves for the run is not there for the run: every machine needs the same folder"
                " under the same path",
            )
        return None

    def _nobody_fit(self, reasons: Mapping[str, Text | None]) -> Text:
        """Return why no worker can read, by the ``reasons`` of each."""
        for worker, why in sorted(reasons.items()):
            assert why is not None
            return Text(
                f"{self.address} 没有能读取的工作进程；{worker}：{why.zh}",
                f"no worker of {self.address} can read for us; {worker}: {why.en}",
            )
        return Text(
            f"调度服务 {self.address} 没有工作进程：请启动几个（docs/scale.md）",
            f"the scheduler at {self.address} has no workers: start some (docs/scale.md)",
        )

    def _nobody_left(self) -> WorkersFailed:
        return WorkersFailed(
            f"{self.address} 的工作进程，开始运行时有的现在一个也不在了",
            f"no worker of {self.address} is left that was there when the run began",
        )

    def _taken(
        self,
        client: Client,
        receipts: tuple[Receipt, ...],
        future: Future,
        submit: Callable[[tuple[Receipt, ...]], Future],
        fit: Mapping[str, int],
        on_file: Callable[[], None],
    ) -> Iterator[Portion]:
        """Yield the portions that come of a task; wait no longer than there is somebody to carry it out.

        The scheduler may forget a task whose answer was on its way when a worker ended: it is handed in
        once more.
        """
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        again = _MOST_TIMES
        while True:
            try:
                portions: list[Sent] = future.result(timeout=_LOOK)
                break
            except TimeoutError:
                left = client.scheduler_info(n_workers=-1)["workers"].keys() & fit.keys()
                if not left or client.status != "running":
                    raise self._nobody_left() from None
            except FutureCancelledError:
                again -= 1
                if client.status != "running" or not again:
                    raise self._nobody_left() from None
                future = submit(receipts)
            except KilledWorker as error:
                raise WorkersFailed(
                    f"{self.address} 的工作进程读同一批文件时一再中止（{_first_line(error)}）：请看它们的日志和"
                    "内存，或调小 portion",
                    f"workers of {self.address} died of one portion again and again ({_first_line(error)}):"
                    " look at their logs and their memory, or set a smaller portion",
                ) from None
        for sent in portions:
            with self.transfer.received(sent) as portion:
                for _ in range(portion.deliveries + len(portion.lost)):
                    on_file()
                yield portion


@dataclass(frozen=True)
class _Shared:
    """What all portions of a run have in common."""

    archive: ArchivePlace
    reference: Reference
    limits: Limits
    forms: bytes
    transfer: Transfer


@dataclass(frozen=True)
class _Look:
    """What a worker is: the mark of its ``code``; what of it has ``reached`` the run, or why it cannot read."""

    code: str
    reached: str | Text


def _for_all(archive: ArchivePlace) -> ArchivePlace:
    """Return where the archive is for every machine: a dry run sees a folder through a link of its own.

    Keys do not go with it: each machine has its own.
    """
    return archive.resolve() if isinstance(archive, Path) else archive.without_secrets()


def _look(archive: ArchivePlace, transfer: Transfer, code: str) -> _Look:
    """Return what this worker is to a run of ``code`` that reads ``archive``; called on it."""
    if code != code_mark():  # and nothing of it is left anywhere
        return _Look(code_mark(), "")
    try:
        there = shelf_at(archive).is_there()
    except StorageFailed as error:
        return _Look(code_mark(), error.text)
    missing = Text(
        f"没有 {archive}：每个工作进程都须在同一路径下看到档案",
        f"{archive} is not there: every worker needs the archive under the same path",
    )
    return _Look(code_mark(), transfer.reach() if there else missing)


def _read(shared: _Shared, receipts: Sequence[Receipt]) -> list[Sent]:
    """Return what came of some deliveries, as it goes to the run; called on a worker of the cluster."""
    try:
        with FORMS_IN_USE.have(unpickled_forms(shared.forms)):
            readers = LocalReaders(_workers())
            archive, limits = Archive(shared.archive), shared.limits
            read = readers.read(archive, shared.reference, receipts, limits, lambda: None)
            return [shared.transfer.send(portion) for portion in read]
    except Exception as error:
        failed = portable(error).with_traceback(None)
    # A client hears nothing of an error that cannot be pickled with all that it came through, and waits.
    failed.__cause__ = failed.__context__ = None
    raise failed


@cache
def _workers() -> Workers:
    """Return the processes that read for this worker of the cluster, as long as it lives."""
    from distributed import get_worker

    collect_seldom()
    worker = get_worker()
    memory = worker.memory_manager.memory_limit
    fork_server = ForkServer()
    atexit.register(fork_server.close)
    workers = Workers(
        fork_server, worker.state.nthreads, min(memory // 2, shared_memory()) if memory else None
    )
    atexit.register(workers.close)
    return workers


@cache
def code_mark() -> str:
    """Return a mark of the code that reads and checks: what its files hold, and what carries it out."""
    content = hashlib.sha256(f"{sys.version_info[:2]} {pl.__version__}\n".encode())
    for package in (transforms, warehouse):
        root = Path(str(package.__path__[0]))
        for file in sorted(root.rglob("*")):
            if file.suffix in (".py", ".yaml", ".csv"):
                content.update(f"{file.relative_to(root).as_posix()}\n".encode())
                content.update(file.read_bytes())
    return content.hexdigest()[:12]


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
