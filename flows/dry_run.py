"""A home to try things in: a copy of the warehouse beside the real archive and publication.

What a dry run does, it does there; the copy is gone afterwards, and nothing of the real home was
written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from expectations.definitions import FOLDER
from flows.run import named
from flows.settings import Settings
from warehouse.lake import Lake
from warehouse.ledger.store import copy_warehouse
from warehouse.publication.release import DATABASE
from warehouse.reference import load_reference
from warehouse.scratch import scratch


@contextmanager
def rehearse(
    settings: Settings, plan: Path | None = None, instead: Mapping[str, Path] = MappingProxyType({})
) -> Iterator[Settings]:
    """Yield the settings of a temporary home that sees the archive and the publication of ``settings``.

    ``plan`` is the plan file to judge by there, ``instead`` has folders in the place of the home's
    ``definitions/`` and ``reference/``. The caller keeps runs from writing to the real
    home, so that the copies are whole. The warehouse there is a file, whatever it is a copy of.

    Raises:
        StepFailed: the warehouse is a lake that cannot be reached.
    """
    with scratch("rehearsal") as home:
        if isinstance(settings.place, Lake):
            with named("open"):
                reference = load_reference(settings.home)
                copy_warehouse(settings.place, home / settings.warehouse.name, reference)
        elif settings.warehouse.exists():
            shutil.copyfile(settings.warehouse, home / settings.warehouse.name)
            journal = settings.warehouse.with_name(settings.warehouse.name + ".wal")
            if journal.exists():
                shutil.copyfile(journal, home / journal.name)
        if isinstance(settings.archive, Path):  # a bucket is the same from everywhere
            (home / "archive").symlink_to(settings.archive)
        for name in (FOLDER, "reference"):
            place = instead.get(name, settings.home / name)
            if place.exists():
                (home / name).symlink_to(place.absolute())
        (home / "published").mkdir()
        if (settings.published / DATABASE).exists():
            (home / "published" / DATABASE).symlink_to(settings.published / DATABASE)
        tried = {"home": home, "lake": None, "uploads": None, "plan": plan or settings.plan}
        yield settings.model_copy(update=tried)
