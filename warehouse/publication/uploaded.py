"""The publication in a bucket, for readers on other machines: the DuckDB file, and its tables as Parquet by year.

Below the place lie, of each publication, ``<publication_id>/<table>/year=2022/data_0.parquet``
(:mod:`warehouse.publication.by_year`), ``<publication_id>/indicators.duckdb`` and ``<publication_id>/publication.json``,
which tells its tables, columns, files, rows and hashes; and of the one that stands ``indicators.duckdb`` and
``current.json``, which is its ``publication.json``.

Names below an id are put once and never change. The two that do change are put last, each in one step, when all
that they speak of is there: so a reader finds a whole publication under either, and ``current.json`` says that
nothing is left to be put. An upload that was killed is gone on with; what is there already is left.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final, NamedTuple

import duckdb
from botocore import exceptions
from pydantic import BaseModel, ConfigDict, ValidationError

from warehouse.objects import Objects
from warehouse.publication.by_year import write_by_year, years_of
from warehouse.publication.release import DATABASE
from warehouse.publication.standing import time_of
from warehouse.publication.tables import TABLES
from warehouse.sql import literal
from warehouse.storage import PROBE, Bucket, StorageFailed

_log = logging.getLogger(__name__)

CURRENT = "current.json"
RECORD = "publication.json"
#: A larger file is put in parts of so many bytes, of which one is in memory at a time.
_PART: Final = 32 * 2**20
#: An earlier publication is removed so long after the next one came at the earliest: it may be in use.
_IN_USE: Final = timedelta(days=1)


class _Record(BaseModel):
    """A part of what the objects tell of themselves; a later version may tell more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class UploadedFile(_Record):
    """An object below the place, as it was put."""

    name: str
    bytes: int
    sha256: str


class UploadedTableFile(UploadedFile):
    """A Parquet file of a table."""

    rows: int


class UploadedColumn(_Record):
    """A column with its DuckDB type, and what it says."""

    name: str
    type: str
    zh: str
    en: str


class UploadedTable(_Record):
    """A table, the column by which its files are apart, and the files."""

    name: str
    zh: str
    en: str
    rows: int
    partitioned_by: tuple[str, ...]
    columns: tuple[UploadedColumn, ...]
    files: tuple[UploadedTableFile, ...]


class Uploaded(_Record):
    """A publication that is there; times are UTC."""

    publication_id: str
    published_at: datetime
    code_version: str | None
    plan_version: str | None
    sample: bool
    database: UploadedFile
    tables: tuple[UploadedTable, ...]

    @property
    def files(self) -> Iterator[UploadedFile]:
        """Every object below the publication's id but its record."""
        yield self.database
        for table in self.tables:
            yield from table.files


class _Digests(NamedTuple):
    """Of a file: its SHA-256, and the ETag that most storage gives an object that was put as here."""

    sha256: str
    etag: str


class UploadedPublication(Objects):
    """The publication at a place in a bucket; one home alone writes to a place.

    Every method raises StorageFailed where the storage cannot be reached, or refuses.
    """

    def __init__(self, place: Bucket) -> None:
        super().__init__(place)

    def current(self) -> Uploaded | None:
        """Return the publication that stands there; None where there is none, or its record cannot be read."""
        with suppress(FileNotFoundError, ValidationError):
            return Uploaded.model_validate_json(self._fetched(CURRENT, lambda body: body.read()))
        return None

    def holds(self, publication_id: str) -> bool:
        """Return whether this publication stands there, with all of its files by name and size."""
        found = self.current()
        if found is None or found.publication_id != publication_id:
            return False
        there = {name: entry["Size"] for name, entry in self._below(f"{publication_id}/")}
        return all(there.get(file.name) == file.bytes for file in found.files) and (
            self.size(DATABASE) == found.database.bytes
        )

    def put(self, publication: Path, publication_id: str, keep: int) -> None:
        """Have the publication of this id, whose DuckDB file is ``publication``, stand there.

        Of all publications the last ``keep`` stay (:func:`outdated`).
        """
        if self.holds(publication_id):
            return
        with self._scratch() as folder:
            record, digests = _describe(publication, publication_id, folder)
            there = {name: entry.get("ETag") for name, entry in self._below(f"{publication_id}/")}
            files = {file.name: folder / file.name for file in record.files}
            files[record.database.name] = publication
            lacking = [name for name in files if there.get(name) != digests[name].etag]
            self._put_files({name: files[name] for name in lacking})
        told = record.model_dump_json(indent=1).encode()
        self._put_small(f"{publication_id}/{RECORD}", told)
        standing = self._head(DATABASE) or {}
        if standing.get("ETag") != digests[record.database.name].etag:
            self._put_file(DATABASE, publication)
        self._put_small(CURRENT, told)
        self._tidy(publication_id, keep)

    def probe(self) -> None:
        """Write an object that holds nothing."""
        self._put_small(PROBE, b"")

    def remove_probe(self) -> None:
        """Remove that object."""
        self.remove(PROBE)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """Yield an empty folder of this machine; what a killed run has left of it is removed."""
        shutil.rmtree(self._place.scratch, ignore_errors=True)
        self._place.scratch.mkdir(parents=True, mode=0o700)
        try:
            with TemporaryDirectory(dir=self._place.scratch) as folder:
                yield Path(folder)
        finally:
            shutil.rmtree(self._place.scratch, ignore_errors=True)

    def _put_files(self, files: Mapping[str, Path]) -> None:
        """Put files side by side, but for large ones: of those one part is in memory at a time."""
        large = [name for name, file in files.items() if file.stat().st_size > _PART]
        small = [name for name in files if name not in large]
        for _ in self.each(lambda name: self._put_file(name, files[name]), small):
            pass
        for name in large:
            self._put_file(name, files[name])

    def _put_small(self, name: str, content: bytes) -> None:
        with self._said_plainly():
            # What changes under its name must not be kept by what lies between it and its readers.
            self._client.put_object(**self._at(name), Body=content, CacheControl="no-cache")

    def _put_file(self, name: str, file: Path) -> None:
        with file.open("rb") as content, self._said_plainly():
            cache = {"CacheControl": "no-cache"} if name == DATABASE else {}
            if file.stat().st_size <= _PART:
                self._client.put_object(**self._at(name), **cache, Body=content)
            else:
                self._put_in_parts(name, content, cache)

    def _put_in_parts(self, name: str, content: BinaryIO, options: dict[str, str]) -> None:
        """Put a large file, of which the storage makes an object when all parts are there."""
        client, where = self._client, self._at(name)
        where_to = {
            **where,
            "UploadId": client.create_multipart_upload(**where, **options)["UploadId"],
        }
        try:
            parts: list[dict[str, Any]] = []
            while piece := content.read(_PART):
                number = len(parts) + 1
                answer = client.upload_part(**where_to, PartNumber=number, Body=piece)
                parts.append({"ETag": answer["ETag"], "PartNumber": number})
            client.complete_multipart_upload(**where_to, MultipartUpload={"Parts": parts})
        except BaseException:
            with suppress(exceptions.BotoCoreError, exceptions.ClientError):
                client.abort_multipart_upload(**where_to)
            raise

    def _tidy(self, current: str, keep: int) -> None:
        """Remove publications that are outdated, and parts that a killed run has left.

        What cannot be removed is logged, and removed after the next publication: all is there by then.
        """
        try:
            for publication_id in outdated(self._ids(), current, keep):
                # First what says that it is whole.
                self.remove(f"{publication_id}/{RECORD}")
                for _ in self.each(
                    self.remove, [name for name, _ in self._below(f"{publication_id}/")]
                ):
                    pass
            self._give_up_parts()
        except StorageFailed as error:
            _log.warning("earlier publications could not be removed: %s", error)

    def _ids(self) -> list[str]:
        """Return the ids of the publications that are there, whole or not."""
        root = self._place.prefix
        with self._said_plainly():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._place.name, Prefix=root, Delimiter="/"
            )
            folders = [
                folder["Prefix"].removeprefix(root).rstrip("/")
                for page in pages
                for folder in page.get("CommonPrefixes", ())
            ]
        return [name for name in folders if time_of(name) is not None]

    def _give_up_parts(self) -> None:
        """Have the storage forget the parts of objects that were never made."""
        root = self._place.prefix
        with self._said_plainly():
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._place.name, Prefix=root
            )
            for upload in [upload for page in pages for upload in page.get("Uploads", ())]:
                name = upload["Key"].removeprefix(root)
                if name == DATABASE or time_of(name.partition("/")[0]) is not None:
                    self._client.abort_multipart_upload(
                        **self._at(name), UploadId=upload["UploadId"]
                    )


def outdated(ids: Collection[str], current: str, keep: int) -> list[str]:
    """Return which publications of ``ids`` are to be removed, where ``current`` stands.

    The last ``keep`` stay, and any whose next one came less than a day before the one that stands: a reader who
    began with it may still be reading. Ids are times, and only grow.
    """
    ordered = sorted({*ids, current})
    now = time_of(current)
    assert now is not None
    old = ordered[: -keep or None]
    return [
        one
        for one, following in pairwise(ordered)
        if one in old
        and one != current
        and (came := time_of(following)) is not None
        and now - came >= _IN_USE
    ]


def _describe(
    publication: Path, publication_id: str, folder: Path
) -> tuple[Uploaded, dict[str, _Digests]]:
    """Write the Parquet files of a publication below ``folder``; give its record, and the digests of all files."""
    written = write_by_year(publication, folder / publication_id)
    digests: dict[str, _Digests] = {}

    def told(name: str, file: Path) -> dict[str, Any]:
        digests[name] = _digests(file)
        return {"name": name, "bytes": file.stat().st_size, "sha256": digests[name].sha256}

    tables = []
    for table in TABLES:
        files = tuple(
            UploadedTableFile(
                **told(f"{publication_id}/{name}", folder / publication_id / name), rows=rows
            )
            for name, rows in written[table.name].items()
        )
        tables.append(
            UploadedTable(
                name=table.name,
                zh=table.zh,
                en=table.en,
                rows=sum(file.rows for file in files),
                partitioned_by=years_of(table),
                columns=tuple(
                    UploadedColumn(name=c.name, type=c.type, zh=c.zh, en=c.en)
                    for c in table.columns
                ),
                files=files,
            )
        )
    return (
        Uploaded(
            **_issue(publication, publication_id),
            database=UploadedFile(**told(f"{publication_id}/{DATABASE}", publication)),
            tables=tuple(tables),
        ),
        digests,
    )


def _issue(publication: Path, publication_id: str) -> dict[str, Any]:
    """Return what a publication says of itself."""
    names = ("publication_id", "published_at", "code_version", "plan_version", "sample")
    with duckdb.connect(str(publication), read_only=True) as connection:
        (row,) = connection.execute(
            f"SELECT {', '.join(names)} FROM publication"
            f" WHERE publication_id = {literal(publication_id)}"
        ).fetchall()
    issue = dict(zip(names, row, strict=True))
    return {**issue, "published_at": issue["published_at"].replace(tzinfo=UTC)}


def _digests(file: Path) -> _Digests:
    """Return the digests of a file, which is read once."""
    whole = hashlib.sha256()
    parts = []
    with file.open("rb") as content:
        while piece := content.read(_PART):
            whole.update(piece)
            parts.append(hashlib.md5(piece, usedforsecurity=False))
    if len(parts) > 1:
        joined = hashlib.md5(b"".join(part.digest() for part in parts), usedforsecurity=False)
        return _Digests(whole.hexdigest(), f'"{joined.hexdigest()}-{len(parts)}"')
    single = parts[0] if parts else hashlib.md5(usedforsecurity=False)
    return _Digests(whole.hexdigest(), f'"{single.hexdigest()}"')
