"""What was seen at a source, so that only what changed is fetched.

``JZEDU_HOME/sources/<name>.json`` is a cache: the archive's receipts decide what is known, and
without the file everything is fetched once more and found to be known.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

#: Files after which the memory is written, or a tenth of what it holds.
_OFTEN = 200


class Seen(BaseModel):
    """The version of a file that was fetched: its mark at the source, its size, its hash."""

    model_config = ConfigDict(frozen=True)

    mark: str
    size: int
    sha256: str


class _File(BaseModel):
    address: str
    files: dict[str, Seen]


@dataclass
class Memory:
    """What was seen at one source, by path; without a file it forgets at the end of the run."""

    file: Path | None = None
    address: str = ""
    seen: dict[str, Seen] = field(default_factory=dict)
    unsaved: int = 0

    @classmethod
    def of(cls, home: Path, name: str, address: str) -> Self:
        """Return what is remembered of the source ``name``; nothing if it was elsewhere then."""
        file = home / "sources" / f"{name}.json"
        try:
            stored = _File.model_validate(json.loads(file.read_bytes()))
        except (OSError, ValueError, ValidationError):
            return cls(file, address)
        return cls(file, address, stored.files if stored.address == address else {})

    def keep(self, path: str, seen: Seen) -> None:
        """Remember a version; it is written with :meth:`save`, or before where there is much to be written."""
        self.seen[path] = seen
        self.unsaved += 1
        # To write all of it for every few files would take longer than to fetch them.
        if self.unsaved >= max(_OFTEN, len(self.seen) // 10):
            self.save()

    def save(self) -> None:
        """Write the file in one step."""
        self.unsaved = 0
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        partial = self.file.with_name(f".{self.file.name}.{os.getpid()}.part")
        stored = _File(address=self.address, files=dict(sorted(self.seen.items())))
        try:
            # ASCII, because a file name need not be valid Unicode.
            partial.write_text(json.dumps(stored.model_dump()), encoding="ascii")
            partial.replace(self.file)
        finally:
            partial.unlink(missing_ok=True)
