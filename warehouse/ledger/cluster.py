"""Reading on the machines of a Dask cluster.

Deliveries are cut into portions, and each is read and checked by one worker of the cluster, as it would
be here: in processes that can be ended, within the same limits. What comes back is what the warehouse
takes up; this process alone writes it. A worker that dies costs the portion in its hands, which another
reads again.

Every worker needs this very version of jzedu, and the archive under the same path, or the keys to its
bucket. What is needed only here is imported when it is needed.
"""

from __future__ import annotations

import atexit
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import transforms
import warehouse
from transforms.formats import Limits
from transforms.forms import FORMS_IN_USE
from transforms.texts import Text
from warehouse.archive import Archive, Receipt
from warehouse.ledger.ingest import LocalReaders, Portion
from warehouse.reference import Reference
from warehouse.shelf import ArchivePlace, shelf_at
from warehouse.storage import StorageFailed
from warehouse.workers.memory import shared_memory
from warehouse.workers.pool import ForkServer, Workers, WorkersFailed
from warehouse.workers.process import pickled_forms, unpickled_forms

#: A client of distributed and a result that it waits for; the library has no types of its own.
Client: TypeAlias = Any
Future: TypeAlias = Any

#: Files of a portion where no setting says so.
PORTION: Final = 200
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

    ``portion`` is how many files one of them reads at a time, None for :data:`PORTION`.
    """

    address: str
    portion: int | None = None

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
        size = self.portion or PORTION
        place = _for_all(archive.root)
        with self._connected() as client:
            fit = self._fit(client, place)
            shared = client.scatter(
                _Shared(place, reference, limits, pickled_forms(FORMS_IN_USE.get())),
                broadcast=True,
                workers=list(fit),
            )

            def submit(portion: tuple[Receipt, ...]) -> Future:
                return client.submit(_read, shared, portion, workers=list(fit), pure=False)

            ahead: deque[tuple[tuple[Receipt, ...], Future]] = deque()
            for start in range(0, len(receipts), size):
                portion = tuple(receipts[start : start + size])
                ahead.append((portion, submit(portion)))
                if len(ahead) > _AHEAD * sum(fit.values()):
                    yield from self._taken(client, *ahead.popleft(), submit, fit, on_file)
            while ahead:
                yield from self._taken(client, *ahead.popleft(), submit, fit, on_file)

    def workers(self, archive: ArchivePlace) -> int:
        """Return how many workers would read from the archive at ``archive``.

        Raises:
            WorkersFailed: there is none, or the scheduler does not answer.
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
        found = client.run(_look, archive, on_error="return")
        mine = (code_mark(), None)
        fit = {worker for worker, look in found.items() if look == mine}
        if not fit:
            raise WorkersFailed(*self._unfit(found, code_mark()))
        return {
            worker: facts["nthreads"]
            for worker, facts in client.scheduler_info(n_workers=-1)["workers"].items()
            if worker in fit
        }

    def _unfit(self, found: Mapping[str, Any], mine: str) -> Text:
        """Return why no worker can read; ``mine`` is the mark of the code of this machine."""
        if not found:
            return Text(
                f"调度服务 {self.address} 没有工作进程：请启动几个（docs/scale.md）",
                f"the scheduler at {self.address} has no workers: start some (docs/scale.md)",
            )
        worker, look = sorted(found.items())[0]
        if not isinstance(look, tuple):
            why = Text(
                f"那里没有这一版的 jzedu（{_first_line(look)}）",
                f"it has no jzedu of this version ({_first_line(look)})",
            )
        elif look[0] != mine:
            why = Text(
                f"那里的 jzedu 是另一版（{look[0]}，这里是 {mine}）",
                f"its jzedu is another one ({look[0]}, here {mine})",
            )
        else:
            why = look[1]
        return Text(
            f"{self.address} 没有能读取的工作进程；{worker}：{why.zh}",
            f"no worker of {self.address} can read for us; {worker}: {why.en}",
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
                portions: list[Portion] = future.result(timeout=_LOOK)
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
        for portion in portions:
            for _ in range(len(portion.receipts) + len(portion.lost)):
                on_file()
            yield portion


@dataclass(frozen=True)
class _Shared:
    """What all portions of a run have in common."""

    archive: ArchivePlace
    reference: Reference
    limits: Limits
    forms: bytes


def _for_all(archive: ArchivePlace) -> ArchivePlace:
    """Return where the archive is for every machine: a dry run sees a folder through a link of its own."""
    return archive.resolve() if isinstance(archive, Path) else archive


def _look(archive: ArchivePlace) -> tuple[str, Text | None]:
    """Return the mark of the code that this worker has, and why it cannot read the archive, else None; called on it."""
    try:
        there = shelf_at(archive).is_there()
    except StorageFailed as error:
        return code_mark(), error.text
    missing = Text(
        f"没有 {archive}：每个工作进程都须在同一路径下看到档案",
        f"{archive} is not there: every worker needs the archive under the same path",
    )
    return code_mark(), None if there else missing


def _read(shared: _Shared, receipts: Sequence[Receipt]) -> list[Portion]:
    """Return some deliveries, read and checked; called on a worker of the cluster."""
    with FORMS_IN_USE.have(unpickled_forms(shared.forms)):
        readers = LocalReaders(_workers())
        archive = Archive(shared.archive)
        return list(readers.read(archive, shared.reference, receipts, shared.limits, lambda: None))


@cache
def _workers() -> Workers:
    """Return the processes that read for this worker of the cluster, as long as it lives."""
    from distributed import get_worker

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
    """Return a mark of the code that reads and checks: its version, and what its files hold."""
    content = hashlib.sha256()
    for package in (transforms, warehouse):
        root = Path(str(package.__path__[0]))
        for file in sorted(root.rglob("*")):
            if file.suffix in (".py", ".yaml", ".csv"):
                content.update(f"{file.relative_to(root).as_posix()}\n".encode())
                content.update(file.read_bytes())
    return content.hexdigest()[:12]


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
