"""The time that one file of a source, and a whole round over the source, may take; and what it may list.

A time-out for each answer does not suffice: a body that comes byte by byte, or an index whose folders
never end, always answers in time and holds up the night for all other units.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar, cast

from flows.sources.model import NotTaken, SourceError
from flows.sources.settings import RemoteSettings

T = TypeVar("T")


class Clock:
    """Runs from the first request of a round over one source to its last."""

    def __init__(self, settings: RemoteSettings) -> None:
        self._settings = settings
        self._ends: float | None = None
        self._listed = 0

    def allowed(self, *, one: bool) -> float:
        """Return the seconds left for ``one`` request, or for all there still are.

        Raises:
            SourceError: the time of the round is over.
        """
        if self._ends is None:
            self._ends = time.monotonic() + self._settings.total_seconds
        left = self._ends - time.monotonic()
        if left <= 0:
            raise self._over()
        return min(self._settings.file_seconds, left) if one else left

    def limited(self, work: Callable[[], T], *, one: bool) -> T:
        """Return what ``work`` gives, if it comes to its end in time; else as :meth:`too_long`.

        What is given up may go on for a while beside what follows; nobody waits for it.
        """
        allowed = self.allowed(one=one)
        outcome: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

        def carry() -> None:
            try:
                outcome.put((work(), None))
            except BaseException as error:
                outcome.put((None, error))

        # A thread that does not hold up the end of the process, unlike those of a pool.
        threading.Thread(target=carry, daemon=True).start()
        try:
            result, error = outcome.get(timeout=allowed)
        except Empty:
            raise self.too_long() from None
        if error is not None:
            raise error
        return cast(T, result)

    def too_long(self) -> NotTaken | SourceError:
        """Return why a request was given up: it alone took too long, or the round did."""
        if self._ends is not None and time.monotonic() >= self._ends:
            return self._over()
        seconds = self._settings.file_seconds
        return NotTaken(
            f"{seconds:g} 秒内没有取完，已放弃；需要更长时间的，请调大这个来源的 file_seconds",
            f"did not arrive whole within {seconds:g} seconds and was given up; if"
            " it needs longer, raise file_seconds of this source",
        )

    def listed(self) -> None:
        """Count an entry of the list of files.

        Raises:
            SourceError: there are more than the settings allow.
        """
        self._listed += 1
        if self._listed > self._settings.most_entries:
            most = self._settings.most_entries
            raise SourceError(
                f"列出的文件和文件夹超过 {most} 个；是不是绕成了圈？如果不是，请调大这个来源的 most_entries",
                f"it lists more than {most} files and folders; is it a loop?"
                " If not, raise most_entries of this source",
            )

    def start_list(self) -> None:
        """Begin a list of files anew."""
        self._listed = 0

    def _over(self) -> SourceError:
        seconds = self._settings.total_seconds
        return SourceError(
            f"过了 {seconds:g} 秒，这次不再取；下次运行接着取。需要更长时间的，请调大这个来源的 total_seconds",
            f"given up after {seconds:g} seconds; the next run goes on from here."
            " If it needs longer, raise total_seconds of this source",
        )
