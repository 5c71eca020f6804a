"""A shelf that is a place in a bucket of S3-compatible storage.

An object comes to its place whole or not at all, and never takes that of another one: it is put on the
condition that there is none. Whatever it is sent as is signed by its hash, so that the storage refuses what
was changed on the way. Reading many goes on side by side, because each has to be waited for.

Rounds of receipts and decisions are kept as copies in the scratch folder, and read again where the storage
says that they are others: a night reads what is new of them. The copies are believed by their hash alone.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from botocore import exceptions

from warehouse.objects import Objects, code_of
from warehouse.storage import Bucket

_PIECE: Final = 2**20  # bytes
#: There is such an object already, or somebody else is putting it.
_TAKEN: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
#: The storage knows no conditions.
_UNCONDITIONAL: Final = frozenset({"NotImplemented", "501"})


class BucketShelf(Objects):
    """The objects of a bucket below a prefix; see :class:`warehouse.shelf.Shelf`.

    Every method raises StorageFailed where the storage cannot be reached, or refuses.
    """

    def __init__(self, place: Bucket, *, afresh: bool = False) -> None:
        super().__init__(place)
        self._afresh = afresh
        self._partial = place.scratch / "partial"
        self._copies = place.scratch / "copies"
        self._sizes: dict[str, int] | None = None

    def names(self, pattern: str) -> list[str]:
        """As :meth:`warehouse.shelf.Shelf.names`."""
        return list(self._listed(pattern))

    def marks(self, pattern: str) -> Mapping[str, Hashable]:
        """As :meth:`warehouse.shelf.Shelf.marks`."""
        return {
            name: (entry["ETag"], entry["Size"]) for name, entry in self._listed(pattern).items()
        }

    def _listed(self, pattern: str) -> dict[str, dict[str, Any]]:
        """Return what the storage lists of the objects that fit, page by page; of others it is not asked."""
        begin = re.match(r"[^*?]*", pattern)
        fits = re.compile(
            "".join({"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)) for char in pattern)
        )
        below = self._below(begin[0] if begin else "")
        found = {name: entry for name, entry in below if fits.fullmatch(name)}
        return dict(sorted(found.items()))

    def glance(self, name: str) -> int | None:
        """Return how large an original is, out of one list of all of them."""
        if self._sizes is None:
            self._sizes = {found: entry["Size"] for found, entry in self._listed("??/*").items()}
        return self._sizes.get(name)

    def read(self, name: str, mark: Hashable = None) -> bytes:
        """As :meth:`warehouse.shelf.Shelf.read`."""
        if mark is None or self._afresh:
            return self._fetched(name, _all_of)
        copy = self._copies / hashlib.sha256(f"{self._place}/{name} {mark}".encode()).hexdigest()
        with suppress(OSError):
            if _is_named(data := copy.read_bytes(), name):
                return data
        data = self._fetched(name, _all_of)
        if _is_named(data, name):
            with suppress(OSError):  # without a copy it is read again
                self._copies.mkdir(parents=True, exist_ok=True)
                part = copy.with_name(f"{copy.name}.{os.getpid()}.part")
                part.write_bytes(data)
                part.replace(copy)
        return data

    def digest(self, name: str) -> str:
        """As :meth:`warehouse.shelf.Shelf.digest`."""
        return self._fetched(name, _digest_of)

    def lay(self, name: str, content: BinaryIO) -> None:
        """Keep a file in the scratch folder until it is sent."""
        self._partial.mkdir(parents=True, exist_ok=True)
        with self._part(name).open("wb") as part:
            shutil.copyfileobj(content, part, _PIECE)

    def settle(self, names: Sequence[str]) -> None:
        """As :meth:`warehouse.shelf.Shelf.settle`."""
        try:
            for _ in self.each(self._send, names):
                pass
        finally:
            for name in names:
                self._part(name).unlink(missing_ok=True)

    def _send(self, name: str) -> None:
        with self._part(name).open("rb") as part:
            self._put(name, part)

    def put(self, name: str, content: bytes) -> None:
        """As :meth:`warehouse.shelf.Shelf.put`."""
        self._put(name, BytesIO(content))

    def touch(self, name: str) -> None:
        """As :meth:`warehouse.shelf.Shelf.touch`."""
        self.put(name, b"")

    def sweep(self) -> None:
        """As :meth:`warehouse.shelf.Shelf.sweep`."""
        shutil.rmtree(self._partial, ignore_errors=True)

    def _put(self, name: str, content: BinaryIO) -> None:
        """Put an object where there is none; what is there and holds the same is left, what is damaged replaced."""
        where = self._at(name)
        with self._said_plainly(name):
            try:
                self._client.put_object(**where, Body=content, IfNoneMatch="*")
            except exceptions.ClientError as error:
                if code_of(error) not in _TAKEN | _UNCONDITIONAL:
                    raise
                if not self._holds(name, content):
                    content.seek(0)
                    self._client.put_object(**where, Body=content)
        if self._sizes is not None:
            self._sizes[name] = content.seek(0, os.SEEK_END)

    def _holds(self, name: str, content: BinaryIO) -> bool:
        """Return whether the object is there, and holds just this."""
        content.seek(0)
        try:
            return self.digest(name) == _digest_of(content)
        except FileNotFoundError:
            return False

    def _part(self, name: str) -> Path:
        return self._partial / PurePosixPath(name).name


def _all_of(body: Any) -> bytes:
    data: bytes = body.read()
    return data


def _digest_of(body: Any) -> str:
    digest = hashlib.sha256()
    while piece := body.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _is_named(data: bytes, name: str) -> bool:
    """Return whether ``name`` is that of this content."""
    return hashlib.sha256(data).hexdigest() == PurePosixPath(name).stem
