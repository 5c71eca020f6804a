"""Compound files (OLE): the container of .xls and .et, and of encrypted workbooks.

Only what is needed to fetch a stream by name. Sector chains may run in circles in a hostile file;
each is followed for no more sectors than the file has.
"""

from __future__ import annotations

import struct
from typing import Final

from .model import Unreadable

OLE_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_FREE: Final = 0xFFFFFFFA  # this and above: no sector
_HEADER_FAT: Final = 109  # FAT sectors listed in the header
_ENTRY: Final = 128
_SMALL: Final = 64  # bytes of a sector of the mini stream
_STREAM: Final = 2
_ROOT: Final = 5


class CompoundFile:
    """The streams of a compound file by name; raises Unreadable (corrupt) where it is damaged."""

    def __init__(self, data: bytes) -> None:
        try:
            self._load(data)
        except (struct.error, IndexError, ValueError) as error:
            raise Unreadable("corrupt", what="OLE") from error

    def _load(self, data: bytes) -> None:
        shift = struct.unpack_from("<H", data, 30)[0]
        if shift not in (9, 12):
            raise ValueError(f"sectors of 2^{shift} bytes")
        self._data = data
        self._size = 1 << shift
        self._sectors = len(data) // self._size + 1
        directory, _, self._cutoff, small_fat = struct.unpack_from("<4I", data, 48)
        more, _ = struct.unpack_from("<2I", data, 68)

        fat_sectors = list(struct.unpack_from(f"<{_HEADER_FAT}I", data, 76))
        for _ in range(self._sectors):
            if more >= _FREE:
                break
            *listed, more = self._numbers(self._sector(more))
            fat_sectors += listed
        self._fat: list[int] = []
        for sector in fat_sectors[: self._sectors]:
            if sector < _FREE:
                self._fat += self._numbers(self._sector(sector))

        self._small_fat = self._numbers(self._chain(small_fat)) if small_fat < _FREE else []
        self._small = b""
        self._streams: dict[str, tuple[int, int]] = {}
        entries = self._chain(directory)
        for at in range(0, len(entries) - _ENTRY + 1, _ENTRY):
            length, kind = struct.unpack_from("<HB", entries, at + 64)
            start, size = struct.unpack_from("<2I", entries, at + 116)
            if kind == _ROOT and start < _FREE:
                self._small = self._chain(start)[:size]
            elif kind == _STREAM:
                name = entries[at : at + max(min(length, 64) - 2, 0)].decode("utf-16-le", "replace")
                self._streams.setdefault(name.lower(), (start, size))

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._streams

    def stream(self, name: str) -> bytes:
        """Return the bytes of a stream, whatever the case of its name."""
        try:
            start, size = self._streams[name.lower()]
            content = self._small_chain(start) if size < self._cutoff else self._chain(start)
        except (struct.error, KeyError, IndexError, ValueError) as error:
            raise Unreadable("corrupt", what=name) from error
        return content[:size]

    def _sector(self, sector: int) -> bytes:
        start = (sector + 1) * self._size
        if start >= len(self._data):
            raise ValueError(f"no sector {sector}")
        return self._data[start : start + self._size]

    def _numbers(self, content: bytes) -> list[int]:
        return list(struct.unpack_from(f"<{len(content) // 4}I", content))

    def _chain(self, sector: int) -> bytes:
        pieces: list[bytes] = []
        while sector < _FREE:
            pieces.append(self._sector(sector))
            if len(pieces) > self._sectors:
                raise ValueError("sectors in a circle")
            sector = self._fat[sector]
        return b"".join(pieces)

    def _small_chain(self, sector: int) -> bytes:
        pieces: list[bytes] = []
        while sector < _FREE:
            pieces.append(self._small[sector * _SMALL : (sector + 1) * _SMALL])
            if len(pieces) > len(self._small_fat):
                raise ValueError("sectors in a circle")
            sector = self._small_fat[sector]
        return b"".join(pieces)
