"""Putting a staged publication in the place of the one that stands, in one step.

:func:`release` renames the database over ``indicators.duckdb``. Readers see the old file whole or the new
one whole; a run that ends before the rename changes nothing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

DATABASE = "indicators.duckdb"


def release(staging: Path, published: Path, publication_id: str, keep: int) -> None:
    """Put the staged publication in the place of the one that stands.

    The database is renamed over the old one; the history (:func:`keep_standing`) and the folders
    beside it follow.
    """
    file = staging / DATABASE
    with file.open("rb") as written:
        os.fsync(written.fileno())
    file.chmod(0o444)
    # A tool that opened the last publication for writing may have left a log beside it, which every
    # reader would replay into this one. Nobody but root can open a file without a write bit so.
    (published / f"{DATABASE}.wal").unlink(missing_ok=True)
    os.replace(file, published / DATABASE)
    keep_standing(published, publication_id, keep)
    release_folders(staging, published)


def keep_standing(published: Path, publication_id: str, keep: int) -> None:
    """Have the publication that stands in ``history/<publication_id>/`` as well.

    Of all publications the last ``keep`` stay there. A run that was killed before it came to this
    is made up for by the next one; the other way round, history would hold what was never published.
    """
    kept = published / "history" / publication_id
    kept.mkdir(parents=True, exist_ok=True)
    if not (kept / DATABASE).exists():
        partial = published / "history" / f".{DATABASE}.part"
        partial.unlink(missing_ok=True)
        try:
            # The same file under a second name: it is replaced as a whole, never changed.
            os.link(published / DATABASE, partial)
        except OSError:
            shutil.copy(published / DATABASE, partial)
        os.replace(partial, kept / DATABASE)
    for old in sorted(path for path in kept.parent.iterdir() if path.is_dir())[: -keep or None]:
        shutil.rmtree(old, ignore_errors=True)


def release_folders(staging: Path, published: Path) -> None:
    """Put Parquet files, report and Data Docs in their places, each file in one step."""
    for folder in sorted(path for path in staging.iterdir() if path.is_dir()):
        target = published / folder.name
        if target.is_file():  # put there by somebody, and in the way
            target.unlink()
        target.mkdir(exist_ok=True)
        fresh = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
        for name in sorted(fresh):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(folder / name, target / name)
        for path in sorted(target.rglob("*"), reverse=True):
            if path.is_file() and path.relative_to(target) not in fresh:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()
    shutil.rmtree(staging, ignore_errors=True)
