"""What a person at the terminal sees of a run: the step, how far it is, how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from flows.language import told
from flows.profile import PROFILE
from transforms.names import SENTENCE, shown
from transforms.texts import Text

#: The steps of a run by the names they have in logs and metrics.
STEPS = {
    "pull": Text("接收", "pull"),
    "open": Text("打开", "open"),
    "read": Text("读取", "read"),
    "load": Text("入库", "load"),
    "reload": Text("重新入库", "reload"),
    "check": Text("审核", "check"),
    "return": Text("退回", "return"),
    "compute": Text("计算", "compute"),
    "judge": Text("评判", "judge"),
    "publish": Text("发布", "publish"),
    "compare": Text("比较", "compare"),
    "sample": Text("生成样例", "sample"),
}


def _name(step: str) -> str:
    """Return the name of a step for the reader; what is no step of a run stands for itself."""
    return told(STEPS.get(step, (step, step)))


@dataclass
class Steps:
    """The steps of one run: shown while they run, and their times afterwards."""

    console: Console = field(default_factory=lambda: Console(stderr=True))
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, title: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        """Show ``title`` while the block runs; the block calls what it gets after each item."""
        started = time.perf_counter()
        if not self.console.is_terminal:
            yield lambda: None
            self.done(title, time.perf_counter() - started, total)
            return
        columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24)]
        if total is not None:
            columns.append(MofNCompleteColumn())
        columns.append(TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task(_name(title), total=total)
            yield lambda: bar.advance(task)
        self.done(title, time.perf_counter() - started, total)

    @contextmanager
    def beside(self, title: str) -> Iterator[None]:
        """Say at its end how long the block took, which runs in a thread beside the step that is shown."""
        started = time.perf_counter()
        yield
        self.done(title, time.perf_counter() - started)

    def done(self, title: str, taken: float, total: int | None = None) -> None:
        """Say that a step is done, and how many seconds it took."""
        self.seconds[title] = self.seconds.get(title, 0.0) + taken
        if (profile := PROFILE.get()) is not None:
            profile.step(_name(title), taken)
        counted = f", {total}" if total is not None else ""
        self.console.print(f"  [green]✓[/] {_name(title)}{counted} [dim]{taken:.1f} s[/]")

    def say(self, text: str) -> None:
        """Write a line of its own."""
        self.console.print(shown(text, SENTENCE), highlight=False, markup=False, soft_wrap=True)
