"""Zip containers of workbooks, unpacked within bounds and packed anew.

The library that reads workbooks trusts what a container says of itself. So nothing but the parts
that were unpacked and checked here is handed on to it, in a container written here.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from lxml import etree

from .model import Limits, Unreadable, megabytes

ZIP_MAGIC = b"PK"
_SMALL_PART = 8 * 2**20  # bytes
_ENTRY_HEADER = 30  # bytes, the least before an entry's own
_DIRECTORY_RECORD = 46  # bytes, the least an entry takes in a zip's directory
# What zipfile and the decompressors below it raise on damaged input.
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    struct.error,
    MemoryError,
    NotImplementedError,
)


def open_archive(data: bytes, limits: Limits, name: str) -> zipfile.ZipFile:
    """The zip's directory; raises Unreadable (too_large, and corrupt, which tells the name)."""
    # zipfile makes an object of every entry before it can be asked how many there are: look at
    # the size of the directory first. Long names take room, hence the factor.
    end = data.rfind(b"PK\x05\x06")
    if end >= 0 and len(data) >= end + 16:
        (size,) = struct.unpack_from("<I", data, end + 12)
        if size // _DIRECTORY_RECORD > 20 * limits.zip_entries:
            raise Unreadable.too_large("所含文件数", "the files inside", limits.zip_entries)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except ZIP_ERRORS as error:
        raise Unreadable("corrupt", what=name) from error
    if len(archive.infolist()) > limits.zip_entries:
        raise Unreadable.too_large("所含文件数", "the files inside", limits.zip_entries)
    if _overlap(archive.infolist()):
        raise Unreadable("corrupt", what=name)
    return archive


def _overlap(entries: Sequence[zipfile.ZipInfo]) -> bool:
    """Whether entries share their bytes, which no writer does: so few of them stand for many."""
    in_order = sorted(entries, key=lambda entry: entry.header_offset)
    return any(
        entry.header_offset + _ENTRY_HEADER + entry.compress_size > following.header_offset
        for entry, following in pairwise(in_order)
    )


def unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes | None:
    """The bytes of an entry, or None as soon as they are more than `most`.

    The size that the entry declares is not relied on. Raises Unreadable (encrypted, corrupt).
    """
    if entry.flag_bits & 1:
        raise Unreadable("encrypted")
    chunk = min(entry.file_size, most) + 1
    pieces: list[bytes] = []
    size = 0
    try:
        with archive.open(entry) as stream:
            while piece := stream.read(chunk):
                size += len(piece)
                if size > most:
                    return None
                pieces.append(piece)
    except ZIP_ERRORS as error:
        raise Unreadable("corrupt", what=entry.filename) from error
    return b"".join(pieces)


class Package:
    """The parts of an OOXML or ODS container by name, unpacked when asked for."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._archive = open_archive(data, limits, "zip")
        self._limits = limits
        self._left = limits.unpacked_bytes
        # Names are compared as Office does: without case; some writers use backslashes.
        self._entries = {_key(entry.filename): entry for entry in self._archive.infolist()}

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._entries

    def read(self, name: str) -> bytes:
        """The part's bytes; raises Unreadable (corrupt where there is no such part, too_large)."""
        entry = self._entries.get(_key(name))
        if entry is None:
            raise Unreadable("corrupt", what=name)
        part = unpack(self._archive, entry, self._left)
        if part is None:
            limit = megabytes(self._limits.unpacked_bytes)
            raise Unreadable.too_large("解压后的大小", "its unpacked contents", limit)
        self._left -= len(part)
        return part

    def read_xml(self, name: str) -> bytes:
        """The same for an XML part in UTF-8; raises Unreadable (unsafe_xml) if it has a DTD."""
        part = self.read(name)
        refuse_dtd(part)
        if part[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise Unreadable("corrupt", what=name)
        return part


def repack(parts: Mapping[str, bytes]) -> bytes:
    """An uncompressed zip of the parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part)  # needs no clock
    return buffer.getvalue()


def refuse_dtd(xml: bytes) -> None:
    """Raises Unreadable (unsafe_xml): entities can blow up, and no workbook needs a DTD."""
    if b"<!DOCTYPE" in xml:
        raise Unreadable("unsafe_xml")


def refuse_many_elements(xml: bytes, limits: Limits) -> None:
    """Raises Unreadable (too_large): a tree takes many times the room of its text."""
    if xml.count(b"<") + xml.count(b"=") > limits.elements:
        raise Unreadable.too_large("内容项数", "its elements", limits.elements)


def parse_xml(xml: bytes, what: str) -> etree._Element:
    """The root of a part that is small in any sound workbook; raises Unreadable (corrupt)."""
    if len(xml) > _SMALL_PART:
        raise Unreadable("corrupt", what=what)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        return etree.fromstring(xml, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable("corrupt", what=what) from error


def walk_xml(
    xml: bytes, names: Sequence[str], limits: Limits, events: Sequence[str] = ("end",)
) -> Iterator[tuple[str, etree._Element]]:
    """The elements of these names ("{*}c") as they go by; the caller drops what it has done with.

    Raises Unreadable (too_large), and etree.XMLSyntaxError on the way.
    """
    refuse_many_elements(xml, limits)
    walk: Iterator[tuple[str, etree._Element]] = etree.iterparse(
        io.BytesIO(xml),
        events=events,
        tag=names,
        resolve_entities=False,
        no_network=True,
        huge_tree=False,
    )
    return walk


def drop(element: etree._Element) -> None:
    """Frees an element that went by, and what stands before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def local_name(element: etree._Element) -> str:
    """The element's name without its namespace; "" for comments and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _key(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()
