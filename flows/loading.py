"""Loading that begins before Prefect is there.

Prefect takes seconds to import, and its temporary server to start. What is new is in the archive by
then, so it is read meanwhile; the flow's step "load" waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextvars import copy_context
from typing import Self

from flows import steps
from flows.progress import Steps
from flows.run import Run
from warehouse.archive import Receipt
from warehouse.ledger.ingest import Ingested


class _Stopped(Exception):
    """The run ends: what is left is not loaded."""


class Loading:
    """A thread that loads ``receipts`` into the warehouse of ``run``, which nobody else uses meanwhile.

    It starts with the ``with`` block and has ended when the block has; a portion that was loaded
    stays loaded.
    """

    def __init__(self, run: Run, receipts: Sequence[Receipt], shown: Steps) -> None:
        self._run, self._receipts, self._shown = run, list(receipts), shown
        self._stopped = threading.Event()
        self._loaded: Future[Ingested] = Future()
        self._thread = threading.Thread(target=copy_context().run, args=(self._load,))

    def result(self) -> Ingested:
        """Return what was loaded, once it is.

        Raises:
            StepFailed: as :func:`flows.steps.load_deliveries`.
        """
        return self._loaded.result()

    def _load(self) -> None:
        try:
            with self._shown.step("load", len(self._receipts)) as advance:

                def on_file() -> None:
                    if self._stopped.is_set():
                        raise _Stopped
                    advance()

                self._loaded.set_result(steps.load_deliveries(self._run, self._receipts, on_file))
        except BaseException as error:  # whoever waits for the result is told of it
            self._loaded.set_exception(error)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
