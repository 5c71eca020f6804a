"""From the bytes of one received file to the tables that stand in it."""

from __future__ import annotations

from pathlib import PurePosixPath

from transforms.formats import Limits, Unreadable, is_zip_of_files, open_zip, read_workbook
from transforms.gate import Document
from transforms.headers import Almost, Table, recognise


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

    def document(entry: str | None, content: tuple[Table | Almost, ...] | Unreadable) -> Document:
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
            content=content,
        )

    if isinstance(data, Unreadable):
        return [document(None, data)]
    try:
        if not is_zip_of_files(data, name):
            return [document(None, _tables(data, name, limits))]
        entries = open_zip(data, name, limits)
    except Unreadable as problem:
        return [document(None, problem)]
    documents = []
    for entry in entries:
        try:
            content = (
                entry.data
                if isinstance(entry.data, Unreadable)
                else _tables(entry.data, entry.name, limits)
            )
        except Unreadable as problem:
            content = problem
        documents.append(document(entry.name, content))
    return documents or [document(None, ())]


def _tables(data: bytes, name: str, limits: Limits) -> tuple[Table | Almost, ...]:
    found = (recognise(sheet) for sheet in read_workbook(data, name, limits))
    return tuple(item for item in found if item is not None)
