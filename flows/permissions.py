"""Who may read what a run writes: its user alone, and of what is handed out whom the operator's umask lets.

Archive, warehouse, Prefect's database, logins and locks are nobody else's, whatever the umask. The
publication, return sheets and metrics are made to be read, and get the modes that the umask gives.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: The umask of whoever started the first of a chain of processes, in octal.
_UMASK = "JZEDU_UMASK"
_PRIVATE = 0o077


def keep_private() -> None:
    """Let nobody but its user read what this process and its children make from now on."""
    before = os.umask(_PRIVATE)
    os.environ.setdefault(_UMASK, f"{before:03o}")


def hand_out(place: Path) -> None:
    """Let ``place`` and all below it be read by whom the operator's umask lets.

    What belongs to somebody else stays as it is. Without :func:`keep_private` all is so already.
    """
    if _UMASK not in os.environ:
        return
    shut = int(os.environ[_UMASK], 8)
    for path in _all_of(place):
        with suppress(FileNotFoundError, PermissionError):
            facts = path.lstat()
            if stat.S_ISLNK(facts.st_mode):
                continue
            # To read, and never to write: what is published is not changed in place. Nor less than it
            # is: the operator may have opened it further.
            mode = (0o555 if stat.S_ISDIR(facts.st_mode) else 0o444) & ~shut
            if (opened := stat.S_IMODE(facts.st_mode) | mode) != stat.S_IMODE(facts.st_mode):
                path.chmod(opened)


def make_open(folder: Path) -> None:
    """Make ``folder`` with the mode that the operator's umask gives: others put files into it."""
    folder.mkdir()
    if _UMASK in os.environ:
        folder.chmod(0o777 & ~int(os.environ[_UMASK], 8))


def _all_of(place: Path) -> Iterator[Path]:
    yield place
    for folder, folders, files in os.walk(place):
        yield from (Path(folder, name) for name in (*folders, *files))


def make_home(home: Path) -> None:
    """Make the folder ``home``, where it is not there, for its user alone."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        home.mkdir(mode=0o700)


def private_folder(folder: Path) -> Path:
    """``folder``, made if need be, which none but its user can enter."""
    make_home(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    shut(folder)
    return folder


def shut(place: Path) -> None:
    """Take ``place`` from all but its user, where it is there and ours to shut."""
    with suppress(FileNotFoundError, PermissionError):
        mode = stat.S_IMODE(place.stat().st_mode)
        if mode & _PRIVATE:
            place.chmod(mode & ~_PRIVATE)
