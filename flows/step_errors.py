"""What made a step fail, whichever library told of it, and the way out.

A full disk comes as an OSError, as three kinds of errors of DuckDB, as one of Polars, and as the text
that Great Expectations sends over; all are the same to whoever has to mend it. So the cause is looked
for in the error, in its text and in the errors behind it, and an error that only followed from
another one never hides it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import polars as pl

from expectations.engine import CheckFailed, EngineEnded

#: What :func:`cause_of` can tell the cause of.
TOLD = (
    OSError,
    MemoryError,
    duckdb.Error,
    pl.exceptions.PolarsError,
    CheckFailed,
)


@dataclass(frozen=True)
class Cause:
    """What happened, with its place where that is known, and what to do about it."""

    reason: str
    remedy: str


@dataclass(frozen=True)
class _Sign:
    """By what a cause is known, and its way out."""

    numbers: tuple[int, ...]
    remedy: str
    texts: tuple[str, ...] = ()

    def fits(self, error: BaseException) -> bool:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno in self.numbers
        text = str(error)
        return any(said in text for said in (*self.texts, *map(os.strerror, self.numbers)))


_MEMORY = (
    "Run again with nothing else running. If it happens again, lower workers, or cells and"
    " unpacked_bytes under [limits], or give the machine (its service or container) more memory."
)
#: The first that fits an error is its cause.
_SIGNS = (
    _Sign(
        (errno.ENOSPC, errno.EDQUOT),
        "The disk is full: make free disk space there (jzedu doctor says how much each place has), then"
        " run again. Nothing is damaged or lost.",
        # All that Polars says where a Parquet file could not be written to its end.
        ("Invalid thrift: transport error",),
    ),
    _Sign(
        (errno.EROFS,),
        "The file system is mounted read-only, by intention or by the system after an error of its disk:"
        " see dmesg, mount it writable, then run again.",
    ),
    _Sign(
        (errno.EACCES, errno.EPERM),
        "The user that runs jzedu may not do that: give it the permissions (jzedu doctor names the"
        " folders), then run again.",
    ),
    _Sign((errno.ENOMEM,), _MEMORY, ("Out of Memory Error", "std::bad_alloc")),
    _Sign(
        (errno.EMFILE, errno.ENFILE),
        "Too many files are open: raise the limit of open files (ulimit -n, LimitNOFILE), then run"
        " again.",
    ),
    _Sign(
        (errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENOTCONN),
        "The disk or the share gives errors or is gone: see dmesg, see that it is mounted, then run"
        " again, and look through the archive with jzedu doctor --all.",
    ),
    _Sign(
        (),
        "The PostgreSQL or the storage of the warehouse, which is a lake, does not answer: see that both"
        " are up and can be reached from here (jzedu doctor), then run again. Nothing is lost.",
        ("DuckLake", "Postgres", "HTTP", "s3://"),
    ),
)
_WAREHOUSE = (
    "The archive is whole: if the warehouse is damaged, move warehouse.duckdb away and run again."
)
_TAKEN_AWAY = (
    "A file that the run needs is not there, or was taken away during the run: run again. What is missing"
    " is made anew from the archive."
)
_DEFINITION = "This is a fault in a definition or in the program, not in the data."


def cause_of(error: BaseException) -> Cause:
    """Return the cause of an error that is one of :data:`TOLD`, or that such an error is behind."""
    behind = list(_behind(error))
    for one in behind:
        if isinstance(one, MemoryError | duckdb.OutOfMemoryException):
            return Cause(f"memory ran out ({_first_line(one) or 'MemoryError'})", _MEMORY)
        if isinstance(one, EngineEnded):
            return Cause(str(one), _MEMORY if one.killed else _DEFINITION)
        for sign in _SIGNS:
            if isinstance(one, TOLD) and sign.fits(one):
                return Cause(_first_line(one), sign.remedy)
    first = behind[0]
    if isinstance(first, OSError):
        gone = isinstance(first, FileNotFoundError)
        remedy = "Check the file or folder, its disk and its permissions, then run again."
        return Cause(_first_line(first), _TAKEN_AWAY if gone else remedy)
    if isinstance(first, CheckFailed):
        return Cause(str(first), _DEFINITION)
    if isinstance(first, duckdb.IOException) and os.strerror(errno.ENOENT) in str(first):
        return Cause(_first_line(first), _TAKEN_AWAY)
    return Cause(_first_line(first), _WAREHOUSE if isinstance(first, duckdb.Error) else _DEFINITION)


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error, and those that it followed from, the latest first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return next(iter(str(error).strip().splitlines()), "")
