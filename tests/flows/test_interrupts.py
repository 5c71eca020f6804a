"""Ctrl-C at the terminal: heard whatever the main thread waits for, and never told as a failure."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click
import pytest
from click.testing import CliRunner

from flows.interrupts import heard_at_once
from flows.run import named
from flows.terminal.help import Group

#: The main thread waits for what never happens, after Polars has computed; says when it is about to, and that it was
#: told of Ctrl-C.
WAITS = """
import signal, threading
from flows.interrupts import heard_at_once

signal.signal(signal.SIGINT, signal.default_int_handler)
import polars
polars.LazyFrame({"a": [1]}).select(polars.col("a") + 1).collect()
never = threading.Lock()
never.acquire()
try:
    with heard_at_once():
        print("waits", flush=True)
        never.acquire()
except KeyboardInterrupt:
    print("heard", flush=True)
"""


def is_asleep(process: subprocess.Popen[str]) -> bool:
    """Return whether the main thread of a process waits for something."""
    facts = Path(f"/proc/{process.pid}/task/{process.pid}/stat").read_text("ascii")
    return facts.rpartition(")")[2].split()[0] == "S"


def test_ctrl_c_is_heard_by_a_main_thread_that_waits_after_polars_has_computed() -> None:
    command = [sys.executable, "-c", WAITS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        while not is_asleep(process):
            pass
        process.send_signal(signal.SIGINT)
        try:
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert said == "heard\n"


def test_afterwards_signals_are_as_they_were() -> None:
    nudge, told = signal.getsignal(signal.SIGURG), signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(told)
    with pytest.raises(KeyboardInterrupt), heard_at_once():
        raise KeyboardInterrupt
    assert signal.getsignal(signal.SIGURG) == nudge
    assert signal.set_wakeup_fd(told) == told


#: A query that does not end, begun again where Ctrl-C came before it; says whether the error is known.
ASKS = """
import signal
import duckdb
from flows.interrupts import is_interrupt

signal.signal(signal.SIGINT, signal.default_int_handler)
while True:
    try:
        print("asks", flush=True)
        duckdb.sql("SELECT count(*) FROM range(1000000000) a, range(1000000000) b").fetchall()
    except KeyboardInterrupt:
        continue
    except RuntimeError as error:
        print(is_interrupt(error), is_interrupt(RuntimeError(str(error))), flush=True)
        break
"""


def test_duckdb_makes_another_error_of_it_that_is_known() -> None:
    command = [sys.executable, "-c", ASKS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asks\n"
        try:
            for _ in range(60):
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    said, _ = process.communicate(timeout=1)
                    break
        finally:
            process.kill()
    assert said.splitlines()[-1] == "True False"


def interrupted_query() -> NoReturn:
    """Fail as DuckDB does where Ctrl-C comes in a query."""
    raise RuntimeError("Query interrupted") from KeyboardInterrupt()


def test_a_step_that_is_stopped_in_a_query_has_not_failed() -> None:
    with pytest.raises(KeyboardInterrupt), named("compute"):
        interrupted_query()
    with pytest.raises(RuntimeError, match="another"), named("compute"):
        raise RuntimeError("another")


def test_a_command_that_is_stopped_in_a_query_says_so_and_nothing_else() -> None:
    @click.group(cls=Group)
    def commands() -> None:
        """Commands to try."""

    @commands.command()
    def stopped() -> None:
        """Be stopped."""
        interrupted_query()

    @commands.command()
    def failing() -> None:
        """Fail."""
        raise RuntimeError("another")

    said = CliRunner().invoke(commands, ["stopped"])
    assert (said.exit_code, said.stdout) == (1, "")
    assert "Traceback" not in said.stderr
    assert isinstance(said.exception, SystemExit)
    assert str(CliRunner().invoke(commands, ["failing"]).exception) == "another"
