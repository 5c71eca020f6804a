"""``jzedu report --zip``: the report and the city on one page in one file, to be sent and opened anywhere."""

from __future__ import annotations

import zipfile
from pathlib import Path

#: What of a publication is packed, under its own name.
_FOLDERS = ("report", "brief")
#: Zip files know no time before 1980; one moment for all makes the same report the same file.
_MOMENT = (1980, 1, 1, 0, 0, 0)


def pack_report(published: Path, target: Path) -> None:
    """Write the report and the brief of the publication in ``published`` into the zip file ``target``.

    All links in it are relative: unpacked anywhere, ``report/index.html`` opens without a network.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in _files(published):
                entry = zipfile.ZipInfo(file.relative_to(published).as_posix(), _MOMENT)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                packed.writestr(entry, file.read_bytes())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _files(published: Path) -> list[Path]:
    """Return the files to pack, without what is only half written."""
    return sorted(
        file
        for folder in _FOLDERS
        for file in (published / folder).rglob("*")
        if file.is_file() and not file.name.startswith(".")
    )
