"""From the bytes of one received file to the tables that stand in it."""

from __future__ import annotations

from itertools import chain
from pathlib import PurePosixPath

from transforms.formats import Limits, Unreadable, is_zip_of_files, open_zip, read_workbook
from transforms.gate import Document
from transforms.headers import Almost, Table, recognise
from transforms.made_up import says_made_up

#: So many rows from the top are looked through for the mark of made-up data, which is the first.
_MARKED_WITHIN = 10

#: What was found in one file, or why nothing was, and whether it says that it is made up.
_Found = tuple[tuple[Table | Almost, ...] | Unreadable, bool]


def read_file(
    data: bytes | Unreadable,
    path: str,
    *,
    sha256: str,
    region_code: str | None,
    limits: Limits | None = None,
) -> list[Document]:
    """The documents in one file: itself, or each file in a zip.

    ``data`` is what the file holds, or why nobody looks into it. ``path`` is the path below the
    inbox, ``<unit folder>/…/<file>``; a file beside the unit folders has none. Nothing is raised
    for a file that cannot be read: the document then says why.
    """
    limits = limits or Limits()
    *outer, name = PurePosixPath(path).parts
    folder = outer[0] if outer else ""
    folders = tuple(reversed(outer))

    def document(entry: str | None, found: _Found) -> Document:
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
            content=found[0],
            made_up=found[1],
        )

    if isinstance(data, Unreadable):
        return [document(None, (data, False))]
    try:
        if not is_zip_of_files(data, name):
            return [document(None, _tables(data, name, limits))]
        entries = open_zip(data, name, limits)
    except Unreadable as problem:
        return [document(None, (problem, False))]
    documents = []
    for entry in entries:
        try:
            found: _Found = (
                (entry.data, False)
                if isinstance(entry.data, Unreadable)
                else _tables(entry.data, entry.name, limits)
            )
        except Unreadable as problem:
            found = (problem, False)
        documents.append(document(entry.name, found))
    return documents or [document(None, ((), False))]


def _tables(data: bytes, name: str, limits: Limits) -> _Found:
    found = []
    made_up = False
    for sheet in read_workbook(data, name, limits):
        found.append(recognise(sheet))
        top = sheet.cells.head(_MARKED_WITHIN).rows()
        made_up = made_up or says_made_up(chain.from_iterable(top))
    return tuple(item for item in found if item is not None), made_up
