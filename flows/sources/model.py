"""What a source offers and delivers, and the ways in which it can fail.

A source lists its files as offers; an offer knows how to fetch itself. Paths are relative to the
source's root and begin with the folder of the reporting unit, as in the inbox; a file that lies
in no such folder is delivered all the same, so that it can be answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import PurePosixPath
from typing import BinaryIO, Final, Protocol

from transforms.formats import READABLE_SUFFIXES
from transforms.names import shown
from transforms.texts import Text, ToldInBoth
from warehouse.archive import Receipt

#: Folders below a unit's folder; deeper ones are a loop or a mistake.
MOST_FOLDERS: Final = 20
#: A time of change is taken between these years. Beyond, it is no time at all: calendars end with
#: year 9999, and in another time zone the last day lies after it.
YEARS: Final = range(2, 9999)
#: A year that readers of dates take for another: below 100 in four digits, or with a sign before it.
_MISREAD_YEAR: Final = re.compile(r"^\s*[-+]\d+-|[A-Za-z]{3}\s+(?:00\d\d|[-+]\d+)\b")
_EPOCH: Final = datetime(1970, 1, 1)
_UNSAFE_PART: Final = re.compile(r"^(?:\.{0,2}|[A-Za-z]:.*)$|[\\\0-\x1f\x7f]", re.DOTALL)

_CHINESE: Final = re.compile(
    r"[\0-\x7f\u00b7\u2010-\u203b\u2160-\u216b\u3000-\u9fff\uff00-\uffef]*"
)


class SourceError(ToldInBoth):
    """A source cannot be used; the text says why and what to do. Trying again is of no use."""


class Interrupted(SourceError):
    """The network or the other side failed on the way; another try may go well."""


class NotTaken(ToldInBoth):
    """One file stays where it is until somebody acts; the text says why. The others go on."""


class NotYet(NotTaken):
    """One file stays where it is for now, and comes by itself in a later run."""


@dataclass(frozen=True)
class Pulled:
    """What a look at the sources gave: files found, new receipts, and what was left, with why.

    ``waiting`` says all that was left. Of that ``failed`` says which source could not be read to its
    end, and ``refused`` what will not come by itself; somebody has to be told of both. ``sources``
    is the state of each.
    """

    found: int
    receipts: tuple[Receipt, ...]
    waiting: tuple[Text, ...]
    failed: tuple[Text, ...] = ()
    refused: tuple[Text, ...] = ()
    sources: tuple[SourceState, ...] = ()


@dataclass(frozen=True)
class SourceState:
    """Whether a source was ``read`` to its end, the files it has, and how many sentences say what was left."""

    name: str
    read: bool
    found: int
    left: int


@dataclass(frozen=True)
class Delivery:
    """A whole file: its bytes, and the time of its last change (UTC, naive) where that is told.

    A large one comes as an open copy of it that nobody else has. ``mark`` as in :class:`Offer`, as
    it was when the bytes were read.
    """

    data: bytes | BinaryIO
    changed: datetime | None
    mark: str


@dataclass(frozen=True)
class Offer:
    """A file that a source has.

    - ``fetch(mark)`` delivers it whole, or gives None where it is still the version that ``mark``
      stands for. It raises NotTaken, Interrupted or SourceError.
    - ``mark``: what differs whenever the content does, such as an ETag; "" where the list of files
      does not tell.
    - ``size`` in bytes, ``changed`` (UTC, naive), ``sha256``: where the list tells them.
    - ``begin()`` has it fetched beside what else is done, where the source can; ``fetch`` then gives what came.
    """

    path: str
    fetch: Callable[[str], Delivery | None]
    mark: str = ""
    size: int | None = None
    changed: datetime | None = None
    sha256: str | None = None
    begin: Callable[[], None] = lambda: None


@dataclass
class Listing:
    """The files that a source has, in a fixed order, and sentences on what it has and is not taken."""

    offers: list[Offer] = field(default_factory=list)
    refused: list[Text] = field(default_factory=list)

    def refuse(self, path: str, reason: Text) -> None:
        """Note why the file or folder at ``path`` is not taken."""
        self.refused.append(reason.at(shown(path)))


class Source(Protocol):
    """A place that files are taken from. Connects when first asked, and again after a failure."""

    def files(self) -> Listing:
        """Return all files it has. Raises SourceError or Interrupted."""

    def probe(self) -> None:
        """Look whether it can be read, quickly. Raises SourceError or Interrupted."""

    def close(self) -> None:
        """Let go of the connection."""


def wanted(path: str) -> bool:
    """Return whether a unit may have handed this in: a file of a readable kind, no lock file and not hidden.

    One that lies beside the folders of the units is wanted too: it goes back with a finding.
    """
    name = path.rpartition("/")[2]
    readable = PurePosixPath(name).suffix.lower() in READABLE_SUFFIXES
    return readable and not name.startswith(("~$", "."))


def unsafe(path: str) -> Text | None:
    """Return why a path from elsewhere is refused, or None where it names a file below its root."""
    if path.startswith("/"):
        return Text(
            "不接收绝对路径；路径应以单位的文件夹开头",
            "an absolute path is not taken; it must begin with the folder of the unit",
        )
    if any(_UNSAFE_PART.search(part) for part in path.split("/")):
        return Text(
            "路径中有空的一段、. 或 ..、盘符、反斜杠或控制字符",
            "its path holds an empty part, . or .., a drive, a backslash or a control character",
        )
    return None


def moment_of(seconds: int, microseconds: int = 0) -> datetime:
    """Return the time so many seconds and microseconds after 1970 began (UTC, naive).

    Raises:
        NotTaken: it lies in no year of the calendar.
    """
    try:
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=microseconds)
    except OverflowError:
        raise impossible_time(
            Text(f"1970 年后 {seconds} 秒", f"{seconds} seconds after 1970")
        ) from None
    return possible(moment)


def possible(moment: datetime) -> datetime:
    """``moment`` in UTC without its zone; one without a zone is UTC.

    Raises:
        NotTaken: it lies in no year that can be worked with.
    """
    if moment.year not in YEARS:
        raise impossible_time(Text(f"{moment.year} 年", f"year {moment.year}"))
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def is_misread(told: str) -> bool:
    """Return whether libraries would read this time as one of another century: 01 Jan 0001 as of 2001."""
    return _MISREAD_YEAR.search(told) is not None


def impossible_time(said: Text) -> NotTaken:
    """Return the refusal of a file that says that it was changed at an impossible time."""
    return NotTaken(
        f"最后修改时间不可能（{shown(said.zh)}），而哪一版生效由它决定；请校准时钟后重新保存",
        f"the time of its last change is impossible ({shown(said.en)}), and which version is in force"
        " goes by it; save the file again with the clock set right",
    )


#: Why a path that could not be decoded is refused.
NO_ENCODING: Final = Text(
    "这个名称既不是 UTF-8 也不是 GB 18030", "this name is neither UTF-8 nor GB 18030"
)
#: Why a file is left that changed while it was read.
BEING_WRITTEN: Final = Text("正在写入", "is still being written")


def untrusted(where: str, reason: object) -> Text:
    """Return why the certificate of a server is not trusted, and the way out."""
    return Text(
        f"{where} 的证书不受信任（{reason}）；如果是自己的证书机构签发的，请在 ca_file 中写明该机构的证书",
        f"the certificate of {where} is not trusted ({reason}); if your own authority made it, name its"
        " certificate in ca_file",
    )


def incomplete(arrived: int, whole: object) -> Text:
    """Return that of a file not all bytes arrived."""
    return Text(f"{whole} 字节只收到 {arrived} 字节", f"{arrived} of {whole} bytes arrived")


def decoded(path: bytes) -> str | None:
    """Return a path as text, each part by itself (:func:`_decoded_part`); None if one is unreadable.

    A share may have names of two systems in one path.
    """
    parts = [_decoded_part(part) for part in path.split(b"/")]
    return None if None in parts else "/".join(part for part in parts if part is not None)


@lru_cache(maxsize=4096)
def _decoded_part(name: bytes) -> str | None:
    """Return a file name as text: UTF-8, or GB 18030 as older Chinese servers write; None if neither.

    Some Chinese names are valid in both (学校 in GB 18030 is ѧУ in UTF-8): Chinese is preferred.
    """
    readings = []
    for encoding in ("utf-8", "gb18030"):
        with suppress(UnicodeDecodeError):
            readings.append(name.decode(encoding))
    chinese = [reading for reading in readings if _CHINESE.fullmatch(reading)]
    return next(iter(chinese + readings), None)
