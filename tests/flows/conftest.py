"""What tests of real Prefect servers share."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def prefect_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database of Prefect with its tables and nothing in them, made once for all workers.

    To make one costs as much as ten nights. The tests in service/ let Prefect do it all the same.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    home = shared / "prefect_tables"
    with (shared / "prefect_tables.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            made = home.with_suffix(".part")
            shutil.rmtree(made, ignore_errors=True)
            kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "JZEDU_"))}
            subprocess.run(
                [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"],
                env={**kept, "PREFECT_HOME": str(made)},
                stdout=subprocess.DEVNULL,
                check=True,
            )
            made.rename(home)
    return home / "prefect.db"


@pytest.fixture(scope="session")
def prefect_home(
    prefect_tables: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Path]:
    """Return what makes a new PREFECT_HOME whose database has its tables."""

    def make() -> Path:
        home = tmp_path_factory.mktemp("prefect")
        shutil.copyfile(prefect_tables, home / "prefect.db")
        return home

    return make
