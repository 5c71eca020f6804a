"""From the bytes of one received file to the tables that stand in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import PurePosixPath

from transforms.answers import Reason, reasons_in
from transforms.formats import Limits, Unreadable, is_zip_of_files, open_zip, read_workbook
from transforms.made_up import says_made_up
from transforms.submissions import Document
from transforms.tables.headers import recognise
from transforms.tables.model import Almost, Table
from transforms.tables.words import is_known_header

#: So many rows from the top are looked through for the mark of made-up data, which is the first.
_MARKED_WITHIN = 10


@dataclass(frozen=True)
class Found:
    """A file that was found and is not read yet: the received one itself, or one in a zip.

    ``outline`` is its document without what it holds; ``data`` is that, or why nobody looks into it.
    """

    outline: Document
    data: bytes | Unreadable

    def read(self, limits: Limits) -> Document:
        """Return the document, read as far as it can be."""
        if isinstance(self.data, Unreadable):
            return self.refused(self.data)
        name = self.outline.entry or self.outline.file_name
        try:
            content, made_up, reasons = _tables(self.data, name, limits)
        except Unreadable as problem:
            return self.refused(problem)
        return replace(self.outline, content=content, made_up=made_up, reasons=reasons)

    def refused(self, problem: Unreadable) -> Document:
        """Return the document of which nothing is known but why it was not read."""
        return replace(self.outline, content=problem)


def find_files(
    data: bytes | Unreadable,
    path: str,
    *,
    sha256: str,
    region_code: str | None,
    limits: Limits,
) -> Iterator[Found]:
    """Yield the files in one received file: itself, or each file in a zip, in its order.

    ``data`` is what the file holds, or why nobody looks into it. ``path`` is the path below the
    inbox, ``<unit folder>/…/<file>``; a file beside the unit folders has none. Nothing is raised
    for a file that cannot be read: the document then says why.
    """
    *outer, name = PurePosixPath(path).parts
    folder = outer[0] if outer else ""
    folders = tuple(reversed(outer))

    def outline(entry: str | None) -> Document:
        parts = PurePosixPath(entry).parts if entry else ()
        names = (*reversed(parts), name)
        stems = tuple(PurePosixPath(part).stem if i == 0 else part for i, part in enumerate(names))
        if parts:
            stems = (*stems[:-1], PurePosixPath(name).stem)
        return Document(
            sha256=sha256,
            folder=folder,
            region_code=region_code,
            file_name=f"{name}/{entry}" if entry else name,
            entry=entry,
            texts=(*stems, *folders),
            content=(),
        )

    if isinstance(data, Unreadable):
        yield Found(outline(None), data)
        return
    try:
        if not is_zip_of_files(data, name):
            yield Found(outline(None), data)
            return
        entries = open_zip(data, name, limits)
    except Unreadable as problem:
        yield Found(outline(None), problem)
        return
    for entry in entries:
        yield Found(outline(entry.name), entry.data)


def read_file(
    data: bytes | Unreadable,
    path: str,
    *,
    sha256: str,
    region_code: str | None,
    limits: Limits | None = None,
) -> list[Document]:
    """Return the documents of all files in one received file (:func:`find_files`), read here and now."""
    limits = limits or Limits()
    found = find_files(data, path, sha256=sha256, region_code=region_code, limits=limits)
    return [file.read(limits) for file in found]


def _tables(
    data: bytes, name: str, limits: Limits
) -> tuple[tuple[Table | Almost, ...], bool, tuple[Reason, ...] | None]:
    """Return what was found in one file, whether it says that it is made up, and a unit's reasons."""
    found = []
    made_up = False
    reasons: tuple[Reason, ...] | None = None
    for sheet in read_workbook(data, name, limits, is_known_header):
        made_up = made_up or says_made_up(chain.from_iterable(sheet.top(_MARKED_WITHIN)))
        given = reasons_in(sheet.top(sheet.cells.height))
        if given is None:
            found.append(recognise(sheet))
        else:
            reasons = (*(reasons or ()), *given)
    return tuple(item for item in found if item is not None), made_up, reasons
