"""How much memory there is: what the machine has, or what its administrator lets us have of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

#: Where nothing can be found out.
_ASSUMED = 4 * 2**30
_LEAST = 256 * 2**20


def shared_memory(root: Path = Path("/")) -> int:
    """Return the bytes that all workers together may take where no setting says so: half of what there is.

    The other half is for checking, the databases and Great Expectations. What others take at the
    moment has no say, so that the same files are read in every night. ``root`` holds ``proc`` and
    ``sys``.
    """
    return max(min(_bounds(root), default=_ASSUMED) // 2, _LEAST)


def _bounds(root: Path) -> Iterator[int]:
    """Yield the memory of the machine, and the limits of every control group that we are in."""
    with suppress(OSError, ValueError):
        first = (root / "proc/meminfo").read_text("ascii").splitlines()[0]  # MemTotal: … kB
        yield int(first.split()[1]) * 1024
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text("utf-8").splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers == "":
                yield from _limits(root / "sys/fs/cgroup", group, "memory.max")
            elif "memory" in controllers.split(","):
                yield from _limits(root / "sys/fs/cgroup/memory", group, "memory.limit_in_bytes")


def _limits(mount: Path, group: str, file: str) -> Iterator[int]:
    """Yield the limits of a group and of those it is in; in a container its own stands at the mount."""
    place = PurePosixPath(group.strip("/"))
    for folder in (place, *place.parents):
        # "max" stands for no limit, and the group of a container is not named as seen from in it.
        with suppress(OSError, ValueError):
            yield int((mount / folder / file).read_text("ascii"))
