"""Runs of a service are forked from a process that has imported what they need."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys

from prefect import flow_engine

from flows.service.forking import IMPORTED, forked_runs


def test_within_the_block_prefect_forks_and_afterwards_it_does_as_before() -> None:
    asked = flow_engine.__dict__
    assert asked["multiprocessing"] is multiprocessing
    with forked_runs():
        context = asked["multiprocessing"].get_context("spawn")
        assert context.get_start_method() == "forkserver"
        child = context.Process(target=print)
        child.start()
        child.join()
        assert child.exitcode == 0
    assert asked["multiprocessing"] is multiprocessing


def test_what_is_imported_before_a_fork_starts_no_thread() -> None:
    """One that Python knows of would be lost in the fork, with whatever it holds."""
    script = (
        "import importlib, threading\n"
        f"for name in {IMPORTED!r}: importlib.import_module(name)\n"
        "print(threading.enumerate() == [threading.main_thread()])\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "True\n"
