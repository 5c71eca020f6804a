"""Zip containers of workbooks, unpacked within bounds: what a container says of itself is not relied on."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from lxml import etree

from .model import Limits, Unreadable, megabytes

_ZIP_MAGIC = b"PK"
_FIRST_ENTRY = b"PK\x03\x04"
_DIRECTORY_END = b"PK\x05\x06"
_BEFORE_ZIP = 4096  # bytes of something else, such as a mark or the head of a download
_LONGEST_END = 22 + 65_535  # bytes of the end of a zip, with its comment
_SMALL_PART = 8 * 2**20  # bytes
_LONGEST_TAG = 16 * 1024  # bytes
_ENTRY_HEADER = 30  # bytes, the least before an entry's own
_LOCAL = struct.Struct("<4s5H3I2H")
_UNUSUAL_FLAGS = 0x1 | 0x20 | 0x40  # encrypted, patched, encrypted strongly
_DIRECTORY_RECORD = 46  # bytes, the least an entry takes in a zip's directory
#: An XML declaration up to the encoding that it names; looked for among a part's first bytes only.
_ENCODING: Final = re.compile(
    r"""<\?xml[ \t\r\n][^<>]*?encoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z0-9_.:-]+)["'][^<>]*\?>"""
)
_DECLARATION_BYTES: Final = 400
#: How nearly every part begins that programs write: there is nothing to change about its encoding.
_USUAL_DECLARATION: Final = re.compile(
    rb"""<\?xml version=["']1\.0["'] encoding=["'](?:UTF|utf)-8["'](?: standalone=["']yes["'])?\s*\?>"""
)
_ASCII_SUPERSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_XML_MARKS: Final = (
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"\xef\xbb\xbf", "utf-8"),
)
#: The first bytes of a text that begins with "<" or white space, without a mark.
_XML_ZEROS: Final = (
    (re.compile(rb"[<\t\r\n ]\0\0\0"), "utf-32-le"),
    (re.compile(rb"\0\0\0[<\t\r\n ]"), "utf-32-be"),
    (re.compile(rb"[<\t\r\n ]\0"), "utf-16-le"),
    (re.compile(rb"\0[<\t\r\n ]"), "utf-16-be"),
)
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


def zip_start(data: bytes) -> int | None:
    """Return where a zip begins in these bytes: at once, or behind something that got in front of it."""
    if data.startswith(_ZIP_MAGIC):
        return 0
    start = data.find(_FIRST_ENTRY, 0, _BEFORE_ZIP)
    return start if start >= 0 and _DIRECTORY_END in data[-_LONGEST_END:] else None


def open_archive(data: bytes, limits: Limits, name: str) -> zipfile.ZipFile:
    """Return the zip's directory; raises Unreadable (too_large, and corrupt, which tells the name)."""
    # zipfile makes an object of every entry before it can be asked how many there are: look at
    # the size of the directory first. Long names take room, hence the factor.
    end = data.rfind(_DIRECTORY_END)
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
    """Return whether entries share their bytes, which no writer does: so few of them stand for many."""
    in_order = sorted(entries, key=lambda entry: entry.header_offset)
    return any(
        entry.header_offset + _ENTRY_HEADER + entry.compress_size > following.header_offset
        for entry, following in pairwise(in_order)
    )


def unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes | None:
    """Return the bytes of an entry, or None as soon as they are more than `most`.

    The size that the entry declares is not relied on. Raises Unreadable (encrypted, corrupt).
    """
    if entry.flag_bits & 1:
        raise Unreadable("encrypted")
    if (content := _inflated(archive, entry, most)) is not None:
        return content
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


def _inflated(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes | None:
    """Return the bytes of an entry that is packed as nearly all are and as its zip says; else None.

    Setting up zipfile's own stream takes longer than unpacking a small part. What is odd in any way is
    left to that, so that it is read, or refused, as ever.
    """
    if not isinstance(archive.fp, io.BytesIO) or entry.flag_bits & _UNUSUAL_FLAGS:
        return None
    if entry.compress_type not in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        return None
    if entry.file_size > most or not entry.orig_filename.isascii():
        return None
    data = archive.fp.getbuffer()
    try:
        head = _LOCAL.unpack_from(data, entry.header_offset)
    except struct.error:
        return None
    name = entry.header_offset + _LOCAL.size
    start = name + head[-2] + head[-1]
    if head[0] != _FIRST_ENTRY or data[name : name + head[-2]] != entry.orig_filename.encode():
        return None
    packed = data[start : start + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_STORED:
        content = bytes(packed)
    else:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            # One byte more than it says, so that it is seen to be longer.
            content = inflater.decompress(packed, entry.file_size + 1)
        except zlib.error:
            return None
        if not inflater.eof:
            return None
    sound = len(content) == entry.file_size and zlib.crc32(content) == entry.CRC
    return content if sound else None


class Package:
    """The parts of an OOXML or ODS container by name, unpacked when asked for."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._archive = open_archive(data, limits, "zip")
        self._limits = limits
        self._left = limits.unpacked_bytes
        # Names are compared as Office does: without case; some writers use backslashes.
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in self._archive.infolist():
            first = self._entries.setdefault(_key(entry.filename), entry)
            if (first.CRC, first.file_size) != (entry.CRC, entry.file_size):
                # Two parts of one name: which of them holds nobody can say.
                raise Unreadable("corrupt", what=entry.filename)

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._entries

    def read(self, name: str) -> bytes:
        """Return the part's bytes; raises Unreadable (corrupt where there is no such part, too_large)."""
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
        """Return the same for an XML part, in UTF-8 whatever it was written in.

        Raises Unreadable (unsafe_xml, where it has a DTD).
        """
        part = xml_in_utf8(self.read(name), name)
        refuse_dtd(part)
        refuse_long_tags(part)
        return part


def xml_in_utf8(part: bytes, what: str) -> bytes:
    """Return an XML text in UTF-8, without a mark or a declaration that says otherwise.

    The checks on it and the parsers behind them then read the same characters: in UTF-16, with a
    mark or without, or in an encoding that the declaration names, one may see what the other does
    not. Raises Unreadable (corrupt) where it is no text in the encoding it claims.
    """
    if _USUAL_DECLARATION.match(part):
        return part
    mark, encoding = next(
        ((mark, name) for mark, name in _XML_MARKS if part.startswith(mark)), (b"", "")
    )
    part = part.removeprefix(mark)
    encoding = encoding or next((n for zeros, n in _XML_ZEROS if zeros.match(part)), "utf-8")
    if encoding != "utf-8":
        return _without_declaration(_xml_text(part, encoding, what)).encode("utf-8")
    named = _ENCODING.match(part[:_DECLARATION_BYTES].lstrip().decode("latin-1"))
    if named is None or named[1].lower() in _ASCII_SUPERSETS:
        return part
    if named[1].lower().startswith(("utf-16", "utf-32")):  # what one can read says that it is not
        return _without_declaration(_xml_text(part, "utf-8", what)).encode("utf-8")
    return _without_declaration(_xml_text(part, named[1], what)).encode("utf-8")


def _xml_text(part: bytes, encoding: str, what: str) -> str:
    try:
        return part.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise Unreadable("corrupt", what=what) from error


def _without_declaration(text: str) -> str:
    text = text.lstrip("\ufeff \t\r\n")
    if not text.startswith("<?xml"):
        return text
    declaration, end, rest = text.partition("?>")
    return rest if end and len(declaration) < _DECLARATION_BYTES else text


def refuse_dtd(xml: bytes) -> None:
    """Raise Unreadable (unsafe_xml): entities can blow up, and no workbook needs a DTD."""
    # Nearly no part has the mark at all, and one character is looked for many times faster.
    if b"!" in xml and b"<!DOCTYPE" in xml:
        raise Unreadable("unsafe_xml")


def refuse_long_tags(markup: bytes) -> None:
    """Raise Unreadable (too_large): parsers compare all attributes of a tag with each other."""
    start = 0
    while len(markup) - start > _LONGEST_TAG:
        end = markup.rfind(b">", start, start + _LONGEST_TAG)
        if end < 0:  # a long text perhaps, then a tag
            end = markup.find(b">", start + _LONGEST_TAG)
            end = len(markup) if end < 0 else end
            tag = markup.find(b"<", start, end)
            if 0 <= tag < end - _LONGEST_TAG:
                raise Unreadable.too_large("标签长度", "its tags", f"{_LONGEST_TAG} B")
        start = end + 1


def refuse_many_elements(xml: bytes, limits: Limits) -> None:
    """Raise Unreadable (too_large): a tree takes many times the room of its text."""
    if xml.count(b"<") + xml.count(b"=") > limits.elements:
        raise Unreadable.too_large("内容项数", "its elements", limits.elements)


def parse_xml(xml: bytes, what: str) -> etree._Element:
    """Return the root of a part that is small in any sound workbook; raises Unreadable (corrupt)."""
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
    """Yield the elements of these names ("{*}c") as they go by; the caller drops what it has done with.

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
    """Return the element's name without its namespace; "" for comments and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _key(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()
