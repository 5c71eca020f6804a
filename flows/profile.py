"""Where the time of a run goes: its steps and its processes on one axis of time.

``jzedu nightly --profile`` shows it. The processes are those below this one in ``/proc``, looked at ten
times a second: what a process does between its last look and its end is not seen.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flows.language import Words, told

#: The profile of the run that this process makes, where one is wanted.
PROFILE: ContextVar[Profile | None] = ContextVar("profile", default=None)

_INTERVAL = 0.1  # seconds
_WIDTH = 48  # characters of the axis of time
_HEIGHTS = " ▁▂▃▄▅▆▇█"
#: What a process is, by a word of its command line; the first that fits.
_KINDS = (
    ("expectations.engine", "Great Expectations"),
    ("warehouse.workers.process", "workers"),
    ("flows.sources.reader", "reader of folders"),
    ("flows.service.temporary", "Prefect's server"),
)
_SELF = "jzedu"
_OTHERS = "others"
#: The same for who reads Chinese; what is not here is a name.
_KINDS_ZH = {
    "workers": "读取进程",
    "reader of folders": "查看文件夹的进程",
    "Prefect's server": "Prefect 服务",
    _OTHERS: "其他",
}
_WORDS = Words(
    used_by=("占用处理器的", "used by"),
    together=("合计", "together"),
    whole=(
        "{whole:.1f} 秒，{cores} 个处理器用了 {total:.1f} 秒（{busy:.0%} 在忙），内存最多 {peak:.0f} MiB",
        "{whole:.1f} s, {total:.1f} s of {cores} processors ({busy:.0%} busy),"
        " {peak:.0f} MiB of memory at most",
    ),
)


@dataclass(frozen=True)
class _Look:
    """Seconds of a processor that a process had used at one time, and the memory it had (bytes)."""

    parent: int
    cpu: float
    memory: int


@dataclass
class Profile:
    """What is known of a run's time; seconds are counted from the start of this process."""

    steps: list[tuple[str, float, float]] = field(default_factory=list)
    used: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(_zeros))
    peak: int = 0
    _began: float = 0.0
    _last: dict[int, float] = field(default_factory=dict)
    _kinds: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began = time.monotonic() - _age_of_this_process()

    @property
    def seconds(self) -> float:
        """How long this process has run."""
        return time.monotonic() - self._began

    def step(self, title: str, taken: float) -> None:
        """Note that a step has just ended that took so many seconds."""
        now = self.seconds
        self.steps.append((title, now - taken, now))

    def look(self) -> None:
        """Add what every process of the run has used since the last look."""
        now = int(self.seconds / _INTERVAL)
        looks = _looks()
        ours = _below(os.getpid(), looks)
        self.peak = max(self.peak, sum(looks[pid].memory for pid in ours))
        for pid in ours:
            if pid not in self._kinds:
                self._kinds[pid] = _SELF if pid == os.getpid() else _kind(pid)
            spent = looks[pid].cpu - self._last.get(pid, 0.0)
            self._last[pid] = looks[pid].cpu
            self.used[self._kinds[pid]][now] += spent

    def show(self, console: Console) -> None:
        """Print the steps and the processes, one line each, on one axis of time."""
        whole = max(self.seconds, _INTERVAL)
        table = Table(box=None, pad_edge=False, header_style="")
        table.add_column("", no_wrap=True)
        table.add_column("s", justify="right", no_wrap=True)
        table.add_column(f"0 … {whole:.1f} s", no_wrap=True, min_width=_WIDTH, max_width=_WIDTH)
        for title, start, end in self.steps:
            first = min(int(start / whole * _WIDTH), _WIDTH - 1)
            length = max(1, min(round(end / whole * _WIDTH), _WIDTH) - first)
            table.add_row(title, f"{end - start:.2f}", " " * first + "━" * length)
        table.add_section()
        table.add_row(f"[dim]{_WORDS('used_by')}[/]", "", "")
        everybody: dict[int, float] = _zeros()
        for kind, used in sorted(self.used.items(), key=lambda one: -sum(one[1].values())):
            for moment, spent in used.items():
                everybody[moment] += spent
            name = told((_KINDS_ZH.get(kind, kind), kind))
            table.add_row(name, f"{sum(used.values()):.2f}", _curve(used, whole, 1))
        cores = os.cpu_count() or 1
        total = sum(everybody.values())
        table.add_row(_WORDS("together"), f"{total:.2f}", _curve(everybody, whole, cores))
        console.print(table)
        console.print(
            _WORDS(
                "whole",
                whole=whole,
                total=total,
                cores=cores,
                busy=total / whole / cores,
                peak=self.peak / 2**20,
            ),
            highlight=False,
        )


@contextmanager
def profiled(console: Console) -> Iterator[None]:
    """Look at the run in the block, and show at its end where its time went."""
    profile, ended = Profile(), threading.Event()

    def watch() -> None:
        while not ended.wait(_INTERVAL):
            profile.look()

    watcher = threading.Thread(target=watch, daemon=True)
    token = PROFILE.set(profile)
    profile.look()
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        PROFILE.reset(token)
        profile.look()
        profile.show(console)


def _zeros() -> dict[int, float]:
    return defaultdict(float)


def _curve(used: Mapping[int, float], whole: float, cores: int) -> str:
    """Return one character for each part of the time: how much of ``cores`` processors was used in it."""
    part = whole / _WIDTH
    spent = [0.0] * _WIDTH
    for moment, seconds in used.items():
        spent[min(int(moment * _INTERVAL / part), _WIDTH - 1)] += seconds
    top = len(_HEIGHTS) - 1
    return "".join(
        _HEIGHTS[min(top, round(seconds / part / cores * top))] for seconds in spent
    ).rstrip()


def _looks() -> dict[int, _Look]:
    """Return all processes that can be seen, by number; none where there is no /proc."""
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):  # it may have ended meanwhile
            # The name of the program, in brackets, may hold anything.
            fields = (place / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            cpu = (int(fields[11]) + int(fields[12])) / ticks
            found[int(place.name)] = _Look(int(fields[1]), cpu, int(fields[21]) * page)
    return found


def _below(pid: int, looks: Mapping[int, _Look]) -> list[int]:
    """Return the process ``pid`` and all that were started from it."""
    children = defaultdict(list)
    for child, look in looks.items():
        children[look.parent].append(child)
    found, ahead = [], [pid]
    while ahead:
        one = ahead.pop()
        if one in looks:
            found.append(one)
        ahead.extend(children[one])
    return found


def _kind(pid: int) -> str:
    with suppress(OSError):
        command = (Path("/proc") / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace")
        for word, kind in _KINDS:
            if word in command:
                return kind
    return _OTHERS


def _age_of_this_process() -> float:
    """Return the seconds since this process was started; 0 where that cannot be known."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text("utf-8").split()[0])
        return max(0.0, uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK"))
    return 0.0
