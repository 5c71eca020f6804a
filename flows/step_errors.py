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
from transforms.texts import Text, ToldInBoth, said_by_system, same

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

    reason: Text
    remedy: Text


@dataclass(frozen=True)
class _Sign:
    """By what a cause is known, and its way out."""

    numbers: tuple[int, ...]
    remedy: Text
    texts: tuple[str, ...] = ()

    def fits(self, error: BaseException) -> bool:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno in self.numbers
        text = str(error)
        return any(said in text for said in (*self.texts, *map(os.strerror, self.numbers)))


_MEMORY = Text(
    "请在没有别的程序运行时再试。如果还是这样，请调小 workers，或 [limits] 中的 cells 和 unpacked_bytes，"
    "或给机器（服务、容器）更多内存。",
    "Run again with nothing else running. If it happens again, lower workers, or cells and"
    " unpacked_bytes under [limits], or give the machine (its service or container) more memory.",
)
#: The first that fits an error is its cause.
_SIGNS = (
    _Sign(
        (errno.ENOSPC, errno.EDQUOT),
        Text(
            "磁盘满了：请腾出空间（jzedu doctor 列出各处剩余），再运行。没有损坏或丢失任何东西。",
            "The disk is full: make free disk space there (jzedu doctor says how much each place has), then"
            " run again. Nothing is damaged or lost.",
        ),
        # All that Polars says where a Parquet file could not be written to its end.
        ("Invalid thrift: transport error",),
    ),
    _Sign(
        (errno.EROFS,),
        Text(
            "文件系统是只读挂载的，可能是有意，也可能是磁盘出错后系统所为：看 dmesg，改为可写挂载，再运行。",
            "The file system is mounted read-only, by intention or by the system after an error of its disk:"
            " see dmesg, mount it writable, then run again.",
        ),
    ),
    _Sign(
        (errno.EACCES, errno.EPERM),
        Text(
            "运行 jzedu 的用户没有权限：请给它权限（jzedu doctor 列出是哪些文件夹），再运行。",
            "The user that runs jzedu may not do that: give it the permissions (jzedu doctor names the"
            " folders), then run again.",
        ),
    ),
    _Sign((errno.ENOMEM,), _MEMORY, ("Out of Memory Error", "std::bad_alloc")),
    _Sign(
        (errno.EMFILE, errno.ENFILE),
        Text(
            "打开的文件太多：请提高上限（ulimit -n、LimitNOFILE），再运行。",
            "Too many files are open: raise the limit of open files (ulimit -n, LimitNOFILE), then run"
            " again.",
        ),
    ),
    _Sign(
        (errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENOTCONN),
        Text(
            "磁盘或共享盘出错或不在了：看 dmesg，确认已挂载，再运行，并用 jzedu doctor --all 检查全部档案。",
            "The disk or the share gives errors or is gone: see dmesg, see that it is mounted, then run"
            " again, and look through the archive with jzedu doctor --all.",
        ),
    ),
    _Sign(
        (),
        Text(
            "数据湖的 PostgreSQL 或存储没有应答：请确认两者都在运行、从这里连得上（jzedu doctor），再运行。"
            "没有丢失任何东西。",
            "The PostgreSQL or the storage of the warehouse, which is a lake, does not answer: see that both"
            " are up and can be reached from here (jzedu doctor), then run again. Nothing is lost.",
        ),
        ("DuckLake", "Postgres", "HTTP", "s3://"),
    ),
)
_WAREHOUSE = Text(
    "档案是完整的：如果 warehouse.duckdb 损坏，请把它移走，再运行。",
    "The archive is whole: if the warehouse is damaged, move warehouse.duckdb away and run again.",
)
_TAKEN_AWAY = Text(
    "运行需要的一个文件不在，或在运行中被拿走：请再运行。缺的会从档案重新生成。",
    "A file that the run needs is not there, or was taken away during the run: run again. What is missing"
    " is made anew from the archive.",
)
_PLACE = Text(
    "请检查该文件或文件夹、所在磁盘和权限，再运行。",
    "Check the file or folder, its disk and its permissions, then run again.",
)
_DEFINITION = Text(
    "这是定义或程序的错误，不是数据的错误。",
    "This is a fault in a definition or in the program, not in the data.",
)


def cause_of(error: BaseException) -> Cause:
    """Return the cause of an error that is one of :data:`TOLD`, or that such an error is behind."""
    behind = list(_behind(error))
    for one in behind:
        if isinstance(one, MemoryError | duckdb.OutOfMemoryException):
            said = _first_line(one).en or "MemoryError"
            return Cause(Text(f"内存用完了（{said}）", f"memory ran out ({said})"), _MEMORY)
        if isinstance(one, EngineEnded):
            return Cause(one.text, _MEMORY if one.killed else _DEFINITION)
        for sign in _SIGNS:
            if isinstance(one, TOLD) and sign.fits(one):
                return Cause(_first_line(one), sign.remedy)
    first = behind[0]
    if isinstance(first, OSError):
        gone = isinstance(first, FileNotFoundError)
        return Cause(_first_line(first), _TAKEN_AWAY if gone else _PLACE)
    if isinstance(first, CheckFailed):
        return Cause(first.text, _DEFINITION)
    if isinstance(first, duckdb.IOException) and os.strerror(errno.ENOENT) in str(first):
        return Cause(_first_line(first), _TAKEN_AWAY)
    return Cause(_first_line(first), _WAREHOUSE if isinstance(first, duckdb.Error) else _DEFINITION)


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error, and those that it followed from, the latest first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: BaseException) -> Text:
    if isinstance(error, ToldInBoth):
        return error.text
    if isinstance(error, OSError) and error.strerror:
        said = said_by_system(error)
        return said.at(error.filename) if error.filename else said
    return same(next(iter(str(error).strip().splitlines()), ""))
