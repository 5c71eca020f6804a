"""Zips of workbooks: the files in them, and a finding for each that is refused."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .model import DEFAULT_LIMITS, Limits, Unreadable, megabytes
from .packages import open_archive, unpack, zip_start

READABLE_SUFFIXES: Final = frozenset(
    {".xlsx", ".xlsm", ".xlsb", ".xls", ".et", ".ods", ".csv", ".tsv", ".zip"}
)

_UNSAFE: Final = re.compile(r"(?:^|/)\.\.(?:/|$)|^/|^[A-Za-z]:|[\0-\x1f\x7f]")
# A container of Office has one of these parts; a zip of files has none of them at its top.
_CONTAINER_PARTS: Final = frozenset({b"[content_types].xml", b"mimetype", b"content.xml"})
_UNICODE_PATH: Final = 0x7075
_NAME_AT: Final = 30  # bytes before the name of a zip's first entry; its length stands there too


@dataclass(frozen=True)
class Entry:
    """One file in a zip: its name with folders, and its bytes or why it gives none."""

    name: str
    data: bytes | Unreadable


def is_zip_of_files(data: bytes, name: str) -> bool:
    """Return whether this is a zip of workbooks, as opposed to a workbook whose container is a zip.

    A zip that cannot be opened goes by the ending of its name. Raises nothing.
    """
    start = zip_start(data)
    if start is None:
        return False
    data = data[start:]
    length = int.from_bytes(data[_NAME_AT - 4 : _NAME_AT - 2], "little")
    if data[_NAME_AT : _NAME_AT + length].lower() in _CONTAINER_PARTS:
        return False  # as nearly every container begins
    try:
        names = {entry.filename for entry in open_archive(data, DEFAULT_LIMITS, name).infolist()}
    except Unreadable:
        return suffix(name) == ".zip"
    parts = {name.replace("\\", "/").lower().encode() for name in names}
    return _CONTAINER_PARTS.isdisjoint(parts)


def open_zip(data: bytes, name: str, limits: Limits = DEFAULT_LIMITS) -> list[Entry]:
    """Return the readable files of a zip, in its order; `name` is the zip's own, for messages.

    Folders, lock files (~$…), what macOS adds and files of other kinds are left out. An entry that
    is refused (by its path, its size, a password, damage, being a zip itself) carries its reason
    and leaves the others readable. Raises Unreadable for the zip as a whole: too_large (the file,
    the number of entries, all entries unpacked), corrupt, nothing_inside.
    """
    if len(data) > limits.file_bytes:
        raise Unreadable.file_too_large(limits)
    archive = open_archive(data[zip_start(data) or 0 :], limits, name)
    left = limits.unpacked_bytes
    entries = []
    for entry_name, info in _wanted(archive):
        try:
            content = _content(archive, info, entry_name, min(left, limits.file_bytes))
        except Unreadable as reason:
            entries.append(Entry(entry_name, reason))
            continue
        if content is not None:
            left -= len(content)
            entries.append(Entry(entry_name, content))
        elif left < limits.file_bytes:
            limit = megabytes(limits.unpacked_bytes)
            raise Unreadable.too_large("解压后的大小", "its unpacked contents", limit)
        else:
            entries.append(Entry(entry_name, Unreadable.file_too_large(limits)))
    if not entries:
        raise Unreadable("nothing_inside")
    return entries


def open_entry(data: bytes, name: str, entry: str, limits: Limits = DEFAULT_LIMITS) -> bytes | None:
    """Return one file of a zip by the name that `open_zip` gives it; None where it gives no bytes."""
    try:
        archive = open_archive(data[zip_start(data) or 0 :], limits, name)
        info = dict(_wanted(archive)).get(entry)
        return None if info is None else _content(archive, info, entry, limits.file_bytes)
    except Unreadable:
        return None


def suffix(name: str) -> str:
    """Return the ending of a file's name in lower case: "a/B.XLSX" -> ".xlsx"."""
    file = re.split(r"[/\\]", name)[-1]
    stem, dot, ending = file.rpartition(".")
    return f".{ending.lower()}" if dot and stem else ""


def _wanted(archive: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """Yield the readable files with their names; a name that occurs again is told from the first."""
    times: dict[str, int] = {}
    for info in archive.infolist():
        name = _name(info)
        if _is_wanted(name):
            times[name] = times.get(name, 0) + 1
            stem, dot, ending = name.rpartition(".")
            yield (name if times[name] == 1 else f"{stem}({times[name]}){dot}{ending}"), info


def _name(info: zipfile.ZipInfo) -> str:
    """Return the name as its writer meant it: many do not say that it is UTF-8, or write GBK."""
    name = info.orig_filename
    if info.flag_bits & 0x800:
        return name.replace("\\", "/")
    raw = name.encode("cp437")
    if (meant := _unicode_name(info.extra, raw)) is not None:
        return meant.replace("\\", "/")
    # Each part by itself: a folder and the file in it may have been named on different systems.
    return "/".join(map(_part, raw.split(b"/")))


def _part(raw: bytes) -> str:
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding).replace("\\", "/")
        except UnicodeDecodeError:
            continue
    return raw.decode("cp437").replace("\\", "/")


def _unicode_name(extra: bytes, raw: bytes) -> str | None:
    """Return the name in the Unicode path field of an entry, where it belongs to the entry's own name."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        field = extra[at + 4 : at + 4 + size]
        if kind == _UNICODE_PATH and len(field) > 5 and field[0] == 1:
            (check,) = struct.unpack_from("<I", field, 1)
            # Some writers leave nothing, or question marks, of a name that they cannot write.
            if check == zlib.crc32(raw) or not raw.strip(b"?_. "):
                try:
                    return field[5:].decode("utf-8")
                except UnicodeDecodeError:
                    return None
        at += 4 + size
    return None


def _is_wanted(name: str) -> bool:
    folders = re.split(r"[/\\]", name)
    return (
        suffix(name) in READABLE_SUFFIXES
        and not folders[-1].startswith(("~$", "._", ".~"))
        and "__MACOSX" not in folders
    )


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, most: int) -> bytes | None:
    if _UNSAFE.search(name):
        raise Unreadable("unsafe_zip", entry=name)
    if stat.S_ISLNK(info.external_attr >> 16):
        raise Unreadable("link_in_zip", entry=name)
    if suffix(name) == ".zip":
        raise Unreadable("nested_zip", entry=name)
    content = unpack(archive, info, most)
    if content is not None and is_zip_of_files(content, name):
        raise Unreadable("nested_zip", entry=name)
    return content
