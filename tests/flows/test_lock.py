"""The lock on a home: who waits is told for whom, and somebody else is told when it takes long."""

from __future__ import annotations

import os
import queue
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.lock import Patience, holder, no_writer, only_writer

HOLDS = """
import sys
from pathlib import Path
from flows.lock import no_writer, only_writer
lock = only_writer if sys.argv[2] == "write" else no_writer
more = {"doing": "jzedu nightly"} if sys.argv[2] == "write" else {}
with lock(Path(sys.argv[1]), print, **more):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(home: Path, how: str = "write") -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of ``home`` until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(home), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            if not process.stdin.closed:
                process.stdin.close()


def test_who_waits_is_told_which_process_does_what_since_when(tmp_path: Path) -> None:
    said: list[str] = []
    with held(tmp_path) as other:
        assert other.stdin

        def wait(sentence: str) -> None:
            said.append(sentence)
            other.stdin.close()  # type: ignore[union-attr]

        with only_writer(tmp_path, wait):
            pass
    ((sentence,)) = said
    start = f"another run (process {other.pid}, “jzedu nightly”, since "
    assert sentence.startswith(start)
    assert sentence.endswith(f") is writing to {tmp_path}; waiting for it to end")
    since = datetime.strptime(sentence[len(start) :][:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert timedelta(0) <= datetime.now(UTC) - since < timedelta(hours=1)


def test_readers_are_named_too(tmp_path: Path) -> None:
    with only_writer(tmp_path, pytest.fail):
        pass
    with held(tmp_path, "read") as reader:
        said: list[str] = []

        def wait(sentence: str) -> None:
            said.append(sentence)
            reader.stdin.close()  # type: ignore[union-attr]

        with only_writer(tmp_path, wait):
            pass
    assert said[0].startswith(f"somebody (process {reader.pid}, “")
    assert said[0].endswith(f" is reading {tmp_path}; waiting for it to end")


def test_the_one_before_is_not_taken_for_the_one_that_holds_it(tmp_path: Path) -> None:
    with only_writer(tmp_path, pytest.fail, doing="long ago"):
        assert holder(tmp_path) is not None
    assert holder(tmp_path) is None
    with held(tmp_path, "write") as other:
        (tmp_path / ".lock").write_text(
            '{"process": 1, "command": "long ago", "since": "2020-01-01"}'
        )
        found = holder(tmp_path)
    assert found is not None
    assert found.process == other.pid
    assert found.command != "long ago"


def test_after_its_patience_somebody_is_told_once_and_it_goes_on_waiting(tmp_path: Path) -> None:
    told: queue.Queue[str] = queue.Queue()
    done = threading.Event()
    with held(tmp_path) as other:

        def work() -> None:
            with only_writer(tmp_path, lambda _: None, Patience(0.01, told.put)):
                done.set()

        waiting = threading.Thread(target=work)
        waiting.start()
        sentence = told.get(timeout=60)
        assert not done.is_set()
    waiting.join(60)
    assert done.is_set() and told.empty()
    assert f"process {other.pid}" in sentence and "end it" in sentence


def test_without_a_wait_nobody_is_told(tmp_path: Path) -> None:
    patience = Patience(0.0, pytest.fail)
    with only_writer(tmp_path, pytest.fail, patience):
        pass
    with no_writer(tmp_path, pytest.fail, patience):
        pass


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_home_and_lock_are_for_their_user_alone_whatever_the_umask(
    tmp_path: Path, mask: int
) -> None:
    before = os.umask(mask)
    try:
        with only_writer(tmp_path / "home", pytest.fail):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "home" / ".lock").stat().st_mode) == 0o600


def test_a_lock_that_others_could_read_is_shut(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / ".lock").chmod(0o644)
    with only_writer(tmp_path, pytest.fail):
        pass
    assert stat.S_IMODE((tmp_path / ".lock").stat().st_mode) == 0o600
