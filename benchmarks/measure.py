"""Wall seconds, processor seconds and peak memory of a command, with all that it starts.

    python benchmarks/measure.py OUT.json COMMAND …

runs the command and writes what it took. A process of its own, because it makes itself the one to
whom orphans go: a server that a run leaves to end by itself is waited for and counted as well.
:func:`measure` is how the benchmarks call it; :class:`Tree` looks at a tree that goes on running.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
#: So many seconds from one look at the memory to the next; each costs milliseconds of a processor.
_EVERY = 0.2
#: A peak may be missed by so much.
_GROWN = 1.02
_PAGE = os.sysconf("SC_PAGE_SIZE")
#: So many seconds what a command has left running may take to end by itself.
_GRACE = 30


@dataclass(frozen=True)
class Measured:
    """What a command took; ``memory`` is the peak over the whole tree, in bytes."""

    wall: float
    cpu: float
    memory: int
    code: int
    output: str = ""


class Tree:
    """The descendants of a process, as /proc shows them; ``itself`` with the process."""

    def __init__(self, root: int, *, itself: bool = False) -> None:
        self._root, self._itself = root, itself
        self.peak = 0
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Tree:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        most = 0
        while not self._over.wait(_EVERY):
            processes = self.processes()
            # The exact figure is dear, and what is measured waits for it; it is asked for where the one
            # that counts what is shared for each process has grown by enough to tell.
            resident = sum(map(_resident, processes))
            if resident > most * _GROWN:
                most = resident
                self.peak = max(self.peak, sum(map(_memory, processes)))

    def processes(self) -> list[int]:
        """Return those that live now."""
        below: dict[int, list[int]] = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and (fields := _stat(int(entry))):
                below.setdefault(int(fields[1]), []).append(int(entry))
        found, look = [self._root] if self._itself else [], [self._root]
        while look:
            children = below.get(look.pop(), [])
            found += children
            look += children
        return found

    def cpu(self) -> float:
        """Return the processor seconds of those that live, and of what they have seen to its end."""
        ticks = sum(
            sum(map(int, fields[11:15]))
            for process in self.processes()
            if (fields := _stat(process))
        )
        return ticks / os.sysconf("SC_CLK_TCK")


def _stat(process: int) -> list[str]:
    """Return the fields of /proc/…/stat behind the name, which may hold anything."""
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return []


def _resident(process: int) -> int:
    """Return the memory of a process, what it shares with others included."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _memory(process: int) -> int:
    """Return a process's share of memory: what several of them share is divided between them."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def measure(
    command: Sequence[str | Path],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Measured:
    """Run a command and return what it took; its output is kept, for who wants to know why it failed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "measured.json"
        said = Path(folder) / "output"
        with said.open("wb") as output:
            child = subprocess.Popen(
                [sys.executable, __file__, str(out), *map(str, command)],
                env=None if env is None else dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                child.wait()
            except BaseException:
                # Interrupted: what was started ends too, before its folders are taken away.
                child.terminate()
                child.wait()
                raise
        text = said.read_text("utf-8", errors="replace")
        if not out.exists():
            raise RuntimeError(f"{command} could not be measured:\n{text}")
        return Measured(**{**json.loads(out.read_text("utf-8")), "output": text})


def _run(out: Path, command: list[str]) -> int:
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, _end_all)
    cpu = 0.0
    with Tree(os.getpid()) as tree:
        started = time.perf_counter()
        child = os.posix_spawnp(command[0], command, os.environ)
        _, status, usage = os.wait4(child, 0)
        wall = time.perf_counter() - started
        cpu += usage.ru_utime + usage.ru_stime
        give_up = time.monotonic() + _GRACE
        with suppress(ChildProcessError):
            while True:
                ended, _, usage = os.wait4(-1, os.WNOHANG)
                if ended:
                    cpu += usage.ru_utime + usage.ru_stime
                elif time.monotonic() > give_up:
                    _kill(tree)
                else:
                    time.sleep(0.02)
    measured = Measured(wall, cpu, tree.peak, os.waitstatus_to_exitcode(status))
    facts = asdict(measured)
    del facts["output"]
    out.write_text(json.dumps(facts), "utf-8")
    return measured.code


def _kill(tree: Tree) -> None:
    for process in tree.processes():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _end_all(*_: object) -> None:
    _kill(Tree(os.getpid()))
    os._exit(1)


if __name__ == "__main__":
    sys.exit(_run(Path(sys.argv[1]), sys.argv[2:]))
