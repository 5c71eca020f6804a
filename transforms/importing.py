"""Importing large libraries in less time, and working beside them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: So many objects are made, more than are given up, before the collector looks for garbage among the young ones.
_SELDOM: Final = 20_000


@contextmanager
def no_collecting() -> Iterator[None]:
    """Keep the garbage collector away from the block, and from what it has made, which is there to stay.

    A library of thousands of classes makes hundreds of thousands of objects that are never garbage; the
    collector goes over them again and again while they are made, a third of the time of an import.

    Afterwards it works less often than of itself (:func:`collect_seldom`).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        collect_seldom()
        if was_enabled:
            gc.enable()


def collect_seldom() -> None:
    """Have the garbage collector of this process work less often than of itself.

    Rows, figures and pages are many objects, hardly any of them part of a cycle; to look for those after
    every 700 takes a sixth of the time of reading and of writing pages.
    """
    gc.set_threshold(_SELDOM, *gc.get_threshold()[1:])
