"""An OOXML package: the parts of a workbook, their types, and what points from one to another.

What is handed in is unpacked within bounds; what goes back is packed so that equal parts give
equal bytes.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from itertools import chain, count
from typing import Final
from urllib.parse import unquote
from xml.sax.saxutils import quoteattr
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from lxml import etree

from transforms.formats import column_index
from transforms.formats.packages import local_name

MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES: Final = "http://schemas.openxmlformats.org/package/2006/content-types"
DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

#: A workbook beyond any of these is answered with the list alone. A sheet that is marked is held
#: as a tree, about thirty times the size of its XML.
COPIED_BYTES = 16 * 2**20
COPIED_UNPACKED_BYTES = 64 * 2**20
COPIED_PARTS = 2_000
COPIED_TAGS = COPIED_ATTRIBUTES = 2_000_000
COPIED_AREA = 500_000

#: How XML begins in encodings in which a search for ASCII bytes would see nothing.
_WIDE_XML = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<", b"\0\0", b"\x4c\x6f\xa7\x94")
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']""")
#: Begins with the word so that it is searched for fast.
_REF = re.compile(rb"""ref(?<=\sref)(?<!<dimension\sref)\s*=\s*["']([^"']*)["']""")
_RANGE = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7})(?::\$?([A-Za-z]{1,3})\$?([0-9]{1,7}))?")

_PARSER: Final = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
)

#: The types that go by the ending of a part's name.
_ENDINGS: Final = {
    "rels": "application/vnd.openxmlformats-package.relationships+xml",
    "xml": "application/xml",
    "vml": "application/vnd.openxmlformats-officedocument.vmlDrawing",
}
#: More than this takes longer than it saves: the same text takes a twelfth more at 1 than at 6.
_COMPRESSION: Final = 1


class OutOfBounds(ValueError):
    """A workbook that is not to be copied."""


def unpacked(original: bytes) -> dict[str, bytes]:
    """Return the parts of the workbook by name, once they are known to be harmless.

    A few kilobytes can fill any memory: a zip unpacks without end, entities multiply, a merged
    range stands for millions of cells. The size that a part declares is not relied on.

    Raises OutOfBounds, and what zipfile raises for what is damaged.
    """
    if len(original) > COPIED_BYTES:
        raise OutOfBounds("file")
    left, tags, attributes, area = COPIED_UNPACKED_BYTES, 0, 0, 0
    parts: dict[str, bytes] = {}
    with ZipFile(BytesIO(original)) as source:
        names = set(source.namelist())
        if len(names) > COPIED_PARTS:
            raise OutOfBounds("parts")
        for name in sorted(names):
            with source.open(name) as part:
                data = part.read(left + 1)
            left -= len(data)
            tags += data.count(b"<")
            attributes += data.count(b"=")
            if left < 0 or tags > COPIED_TAGS or attributes > COPIED_ATTRIBUTES:
                raise OutOfBounds("unpacked")
            encoding = _ENCODING.match(data.removeprefix(b"\xef\xbb\xbf"))
            if data.startswith(_WIDE_XML) or (
                encoding and encoding[1].lower() not in (b"utf-8", b"utf8", b"us-ascii")
            ):
                raise OutOfBounds("encoding")
            if b"<!DOCTYPE" in data:
                raise OutOfBounds("entities")
            area += sum(_area(ref.decode("ascii")) for ref in _REF.findall(data))
            if area > COPIED_AREA:
                raise OutOfBounds("ranges")
            parts[name] = data
    return parts


def _area(ref: str) -> int:
    top, left, bottom, right = range_of(ref)
    return (right - left + 1) * (bottom - top + 1)


def range_of(ref: str) -> tuple[int, int, int, int]:
    """Return first row and column, last row and column of ``A1:C3`` or ``A1``, counted from one.

    Raises OutOfBounds for what is no such range, whole columns and rows among it.
    """
    found = _RANGE.fullmatch(ref)
    if found is None:
        raise OutOfBounds(f"a range {ref!r}")
    first, last = found.groups()[:2], found.groups()[2:]
    (left, top), (right, bottom) = (
        (column_index(letters) + 1, int(row))
        for letters, row in (first, last if found[3] else first)
    )
    if right < left or bottom < top:
        raise OutOfBounds(f"a range {ref!r}")
    return top, left, bottom, right


def parsed(xml: bytes) -> etree._Element:
    """Return the root of an XML part, without comments; raises lxml's errors where it is none."""
    return etree.fromstring(xml, _PARSER)


def insert_in_order(parent: etree._Element, child: etree._Element, order: str) -> None:
    """Put ``child`` in its place among the children of ``parent``, by the names in ``order``."""
    names = order.split()
    behind = frozenset(names[names.index(local_name(child)) + 1 :])
    for there in parent:
        if local_name(there) in behind:
            there.addprevious(child)
            return
    parent.append(child)


@dataclass(frozen=True)
class Relationship:
    """A pointer from one part to another, or to something outside; ``target`` as it is written."""

    type: str
    target: str
    external: bool = False

    @property
    def kind(self) -> str:
        """The last word of its type, which is the same in all editions of the format."""
        return self.type.rpartition("/")[2]

    def part_from(self, source: str) -> str:
        """Return the name of the part that it points to from ``source``."""
        target = posixpath.join("/", posixpath.dirname(source), unquote(self.target))
        return posixpath.normpath(target).lstrip("/")


def relations_of(parts: Mapping[str, bytes], part: str) -> dict[str, Relationship]:
    """Return what ``part`` points to, by the id of the relation; "" is the package itself."""
    xml = parts.get(_relations_part(part))
    found: dict[str, Relationship] = {}
    for element in () if xml is None else parsed(xml).iter(f"{{{_PACKAGE}}}Relationship"):
        relation = Relationship(
            type=element.get("Type", ""),
            target=element.get("Target", "").replace("\\", "/"),
            external=element.get("TargetMode") == "External",
        )
        found.setdefault(element.get("Id", ""), relation)
    return found


def _relations_part(part: str) -> str:
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{name}.rels")


class CopiedPackage:
    """The parts of a workbook that is being made; a part is its bytes or its tree."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes | etree._Element] = {}
        self._types: dict[str, str] = {}
        self._relations: dict[str, dict[str, Relationship]] = {}

    def __contains__(self, part: str) -> bool:
        return part in self._contents

    def put(self, part: str, content: bytes | etree._Element, type_: str) -> None:
        """Add or replace a part."""
        self._contents[part] = content
        self._types[part] = type_

    def add(self, pattern: str, content: bytes | etree._Element, type_: str) -> str:
        """Add a part under a name of its own: ``pattern`` without {}, or with a number there."""
        taken = {name.lower() for name in self._contents}
        names = map(pattern.format, chain([""], count(2)))
        part = next(name for name in names if name.lower() not in taken)
        self.put(part, content, type_)
        return part

    def tree(self, part: str) -> etree._Element:
        """Return the tree of an XML part; what is changed in it is changed in the part."""
        content = self._contents[part]
        if isinstance(content, bytes):
            content = self._contents[part] = parsed(content)
        return content

    def relations(self, part: str) -> dict[str, Relationship]:
        """Return what a part points to, by the id of the relation."""
        return self._relations.setdefault(part, {})

    def target(self, part: str, kind: str) -> str | None:
        """Return the first part of a kind that ``part`` points to."""
        found = (r for r in self.relations(part).values() if r.kind == kind and not r.external)
        return next((relation.part_from(part) for relation in found), None)

    def relate(self, part: str, type_: str, target: str) -> str:
        """Point from one part to another; gives the id of the relation."""
        relations = self.relations(part)
        known = next(id_ for id_ in map("rId{}".format, count(1)) if id_ not in relations)
        relations[known] = Relationship(type=type_, target=f"/{target}")
        return known

    def drop_relations(self, part: str, kind: str) -> None:
        """Forget all relations of a kind, and the parts at their ends."""
        relations = self.relations(part)
        for known in [known for known, relation in relations.items() if relation.kind == kind]:
            self.drop_relation(part, known)

    def drop_relation(self, part: str, known: str) -> None:
        """Forget the relation of this id, and the part at its end."""
        target = self.relations(part).pop(known).part_from(part)
        self._contents.pop(target, None)
        self._types.pop(target, None)
        self._relations.pop(target, None)

    def to_bytes(self) -> bytes:
        """Return the package as a zip; equal parts give equal bytes."""
        packed = BytesIO()
        with ZipFile(packed, "w") as archive:
            archive.writestr(
                _entry("[Content_Types].xml"), self._types_xml(), ZIP_DEFLATED, _COMPRESSION
            )
            for part in ("", *sorted(self._contents)):
                relations = self._relations.get(part)
                if relations:
                    name = _relations_part(part)
                    archive.writestr(
                        _entry(name), _relations_xml(relations), ZIP_DEFLATED, _COMPRESSION
                    )
                if part:
                    archive.writestr(_entry(part), self._bytes(part), ZIP_DEFLATED, _COMPRESSION)
        return packed.getvalue()

    def _bytes(self, part: str) -> bytes:
        content = self._contents[part]
        if isinstance(content, bytes):
            return content
        if self._types[part] == _ENDINGS["vml"]:
            # Office writes these without a declaration.
            return etree.tostring(content)
        return etree.tostring(content, encoding="UTF-8", standalone=True)

    def _types_xml(self) -> str:
        """Return the part that says of what type each part is."""
        endings = dict(_ENDINGS)
        named = []
        for part, type_ in sorted(self._types.items()):
            ending = posixpath.splitext(part)[1].removeprefix(".").lower()
            # Pictures go by their ending, as everything that is not XML.
            if ending and endings.setdefault(ending, type_) == type_:
                continue
            named.append(
                f"<Override PartName={quoteattr('/' + part)} ContentType={quoteattr(type_)}/>"
            )
        defaults = [
            f"<Default Extension={quoteattr(ending)} ContentType={quoteattr(type_)}/>"
            for ending, type_ in sorted(endings.items())
        ]
        return f'{DECLARATION}<Types xmlns="{_TYPES}">{"".join((*defaults, *named))}</Types>'


def _relations_xml(relations: Mapping[str, Relationship]) -> str:
    entries = [
        f"<Relationship Id={quoteattr(known)} Type={quoteattr(relation.type)}"
        f" Target={quoteattr(relation.target)}"
        + (' TargetMode="External"/>' if relation.external else "/>")
        for known, relation in relations.items()
    ]
    return f'{DECLARATION}<Relationships xmlns="{_PACKAGE}">{"".join(entries)}</Relationships>'


def _entry(name: str) -> ZipInfo:
    """Return a compressed entry dated 1980, the zip format's zero."""
    entry = ZipInfo(name)
    entry.external_attr = 0o644 << 16
    return entry
