"""Official releases: a publication that was declared final, kept beside the ones that follow.

``releases/<name>/`` holds the database, the Parquet files, the report, the page about the city and the edition
for the public of the first publication that says so, and is never pruned. A decision in the archive names every file of it with
its SHA-256 (:class:`warehouse.decisions.Kept`), so that a release can be verified.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from transforms.texts import Text
from warehouse.archive import digest_of
from warehouse.decisions import Decision, Decisions, Kept, Release, now
from warehouse.publication.release import DATABASE

FOLDER = "releases"
#: What a release is made of, of all that is published.
_PARTS = (DATABASE, "parquet", "report", "brief", "public")


def keep_releases(
    home: Path, published: Path, decisions: Decisions, publication_id: str
) -> list[Path]:
    """Keep the publication that stands for every release that was declared and is not kept yet; give their folders.

    A run that is killed on the way leaves the release to the next one.
    """
    decided = decisions.all()
    kept = {one.name for one in decided if isinstance(one, Kept)}
    written = []
    for one in decided:
        if isinstance(one, Release) and one.name not in kept:
            target = home / FOLDER / one.name
            files = _copy(published, target)
            decisions.keep(
                Kept(
                    decision="kept",
                    decided_at=now(),
                    decided_as=one.decided_as,
                    name=one.name,
                    publication_id=publication_id,
                    files=files,
                )
            )
            written.append(target)
    return written


def faults_of(home: Path, decisions: Sequence[Decision]) -> list[Text]:
    """Return a sentence for every kept release that is not what it was."""
    faults = []
    for one in decisions:
        if not isinstance(one, Kept):
            continue
        folder = home / FOLDER / one.name
        bad = [
            name
            for name, digest in sorted(one.files.items())
            if not (folder / name).is_file() or _digest(folder / name) != digest
        ]
        if bad:
            more_zh, more_en = (
                ("", "")
                if len(bad) <= 3
                else (f"等 {len(bad)} 个文件", f" and {len(bad) - 3} more")
            )
            faults.append(
                Text(
                    f"缺少或被改动过：{'、'.join(bad[:3])}{more_zh}",
                    f"missing or changed: {', '.join(bad[:3])}{more_en}",
                ).at(folder)
            )
    return faults


def _copy(published: Path, target: Path) -> dict[str, str]:
    """Copy what is published to ``target``; give the SHA-256 of each file below it."""
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name in _PARTS:
        if (published / name).is_dir():
            shutil.copytree(published / name, part / name)
        elif (published / name).is_file():
            shutil.copy(published / name, part / name)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(part, target)
    return {
        path.relative_to(target).as_posix(): _digest(path)
        for path in sorted(target.rglob("*"))
        if path.is_file()
    }


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return digest_of(opened)
