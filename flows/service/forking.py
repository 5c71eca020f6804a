"""Runs of a service are forked from a process that has imported what each of them needs.

Prefect's runner starts a new interpreter for each run, which then imports Prefect and this program for
seconds. A service has the time to do so once, between its runs: Python's own fork server keeps a process
that has, and does nothing else in it. Each run is still a process of its own, with the environment that
Prefect gives it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from typing import Any

#: What a run is forked with.
IMPORTED = ("flows.service.preloaded",)


class _Contexts:
    """What :mod:`prefect.flow_engine` takes for :mod:`multiprocessing`: it asks it for a way to start a process."""

    def __init__(self, context: ForkServerContext) -> None:
        self._context = context

    def get_context(self, _: str) -> ForkServerContext:
        """Return the way to start one by a fork, whichever is asked for."""
        return self._context


@contextmanager
def forked_runs() -> Iterator[None]:
    """Have Prefect fork the flows that it runs in processes of their own, within the block."""
    from prefect import flow_engine

    engine: Any = flow_engine
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    forkserver.ensure_running()
    before = engine.multiprocessing
    engine.multiprocessing = _Contexts(context)
    try:
        yield
    finally:
        engine.multiprocessing = before
