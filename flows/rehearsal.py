"""A home to try things in: a copy of the warehouse beside the real archive and publication.

What a dry run does, it does there; the copy is gone afterwards, and nothing of the real home was
written.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.settings import Settings
from warehouse.publish import DATABASE


@contextmanager
def rehearse(settings: Settings, plan: Path | None = None) -> Iterator[Settings]:
    """Settings of a temporary home that sees the archive and the publication of ``settings``.

    ``plan`` is the plan file to judge by there. The caller holds the lock of the real home, so
    that the copies are whole.
    """
    place = hashlib.sha256(str(settings.home.resolve()).encode()).hexdigest()[:12]
    prefix = f"jzedu-{place}-"
    # What a dry run that was killed has left: nobody else rehearses this home now.
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        home = Path(folder)
        if settings.warehouse.exists():
            shutil.copyfile(settings.warehouse, home / settings.warehouse.name)
            journal = settings.warehouse.with_name(settings.warehouse.name + ".wal")
            if journal.exists():
                shutil.copyfile(journal, home / journal.name)
        (home / "archive").symlink_to(settings.archive)
        if (settings.home / "reference").exists():
            (home / "reference").symlink_to(settings.home / "reference")
        (home / "published").mkdir()
        if (settings.published / DATABASE).exists():
            (home / "published" / DATABASE).symlink_to(settings.published / DATABASE)
        yield settings.model_copy(update={"home": home, "plan": plan or settings.plan})
