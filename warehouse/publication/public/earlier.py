"""What editions for the public have hidden so far: somebody may have kept any of them.

``archive/editions/<sha256>.csv`` holds what an edition hid that none before it did, a line for each numerator or
denominator; it is named by the hash of what it says, written once and never changed, as decisions are. So what
was hidden stays hidden when everything but the archive is lost.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Hashable

from transforms.texts import Text
from warehouse.archive import ArchiveDamaged, keep_named, read_named
from warehouse.shelf import ArchivePlace, Shelf, shelf_at

FOLDER = "editions"
_HEADER = ("indicator_id", "region_code", "year", "part")

#: The indicator, region and year of a figure, and which part of it.
HiddenPart = tuple[str, str, int, str]


class EarlierEditions:
    """What the editions of an archive have hidden."""

    def __init__(self, archive: ArchivePlace, *, afresh: bool = False) -> None:
        self._shelf = shelf_at(archive, afresh=afresh)

    def hidden(self) -> set[HiddenPart]:
        """Return all that any edition has hidden.

        Raises:
            ArchiveDamaged: a file is not what was written. Without it an edition could show what it hid.
        """
        marks = self._shelf.marks(f"{FOLDER}/*.csv")
        lists = self._shelf.each(lambda item: _read(self._shelf, *item), marks.items())
        return {one for listed in lists for one in listed}

    def keep(self, hidden: Collection[HiddenPart]) -> None:
        """Keep what an edition hides, before anybody sees it.

        Raises:
            ArchiveDamaged: what is kept already was changed.
        """
        if new := sorted(set(hidden) - self.hidden()):
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows((_HEADER, *new))
            keep_named(self._shelf, FOLDER, text.getvalue().encode(), ".csv")


def _read(shelf: Shelf, name: str, mark: Hashable) -> list[HiddenPart]:
    remedy = Text(
        "没有它就不出公开版；请从备份恢复",
        "no edition for the public is made without it; restore it from the backup",
    )
    file = shelf.where(name)
    data = read_named(shelf, name, mark, remedy)
    header, *rows = csv.reader(io.StringIO(data.decode()))
    if tuple(header) != _HEADER:
        raise ArchiveDamaged(
            f"{file} 不是本版认识的隐去清单；可能是更新版的 jzedu 写的：请用那一版",
            f"{file} is no list of what was hidden that this version knows; it may be of a later version of"
            " jzedu: use that one",
        )
    return [(indicator, region, int(year), part) for indicator, region, year, part in rows]
