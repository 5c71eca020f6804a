"""Runs of a service are forked from a process that has imported what they need."""

from __future__ import annotations

import multiprocessing
import ssl
import subprocess
import sys
from typing import Any

import pytest
from prefect import flow_engine
from prefect.client import orchestration
from prefect.client.orchestration import SyncPrefectClient

from flows.service.forking import IMPORTED, forked_runs
from flows.service.tls import share_contexts


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


def test_clients_of_prefect_share_the_context_of_one_list_of_authorities() -> None:
    share_contexts()
    clients, authorities = vars(orchestration)["ssl"], vars(orchestration)["certifi"].where()
    shared = clients.create_default_context(cafile=authorities)
    assert clients.create_default_context(cafile=authorities) is shared
    assert shared.verify_mode is ssl.CERT_REQUIRED
    assert shared.check_hostname
    # Prefect changes one that is to verify nothing, after it was made.
    assert clients.create_default_context() is not clients.create_default_context()
    with pytest.raises(FileNotFoundError):
        clients.create_default_context(cafile="/nowhere")
    made: list[Any] = [SyncPrefectClient("http://127.0.0.1:1/api") for _ in range(2)]
    assert len({id(client._client._transport._pool._ssl_context) for client in made}) == 1
