"""Settings: where things stand and how much may be used.

``JZEDU_HOME/settings.toml`` holds them, environment variables ``JZEDU_<NAME>`` win over it. The
file is optional; every setting has a default that works.
"""

from __future__ import annotations

import os
import re
import tomllib
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from expectations.engine import PATIENCE
from flows.environment import home_of
from flows.sources.settings import Sources
from flows.sources.settings import Text as BlockName
from transforms.definitions import unreadable
from transforms.formats import Limits
from transforms.texts import Misfit, ToldInBoth
from transforms.validation import all_said
from warehouse.lake import SCHEME, Lake
from warehouse.place import Place
from warehouse.shelf import ArchivePlace
from warehouse.storage import ARCHIVE, PUBLICATION, Bucket, Contents, Secrets

#: Files are read on this machine.
THREADS = "threads"
_SCHEDULER = re.compile(r"dask(?:\+tls)?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}")
#: What the environment does not set: where the settings are, and their sections.
_SECTIONS = (
    *("home", "limits", "sources", "notify", "serve", "remind", "engine"),
    *("lake", "bucket", "uploads"),
)
#: A bucket, by the rules of its name, and what is in front of all names in it.
_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[^/?#\s]+)*)/?")
#: What query engines read as something else in the name of a file: patterns, ``name=value`` of a partition, and
#: whatever is not ASCII.
_READ_OTHERWISE = re.compile(r"[*\[\]{}=]|[^\x21-\x7e]")


class SettingsError(ToldInBoth):
    """A setting cannot be used; the text names it and says what to do."""


Occasion = Literal["failure", "returned", "verdict", "source", "waiting", "reminder"]
#: What is told unless somebody chooses; reminders go to units and are asked for.
OCCASIONS: tuple[Occasion, ...] = ("failure", "returned", "verdict", "source", "waiting")


class RemindSettings(BaseModel):
    """How many days before its last day, and after it, a unit is told of a form (:mod:`flows.after.reminders`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days_before: int = Field(default=14, ge=0, le=365)
    days_after: int = Field(default=1, ge=1, le=365)


class ServeSettings(BaseModel):
    """Under which further ``names`` the server of `jzedu serve` may be asked: those of a proxy before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: tuple[str, ...] = ()


class NotifySettings(BaseModel):
    """Whom to tell of what (:mod:`flows.after.notify`).

    ``on``: a failed run, returned submissions, changed verdicts, a source that fails or a file that
    is refused, a run that waits long for another; ``reminder`` where it is named, what units lack. ``blocks`` names notification blocks of Prefect;
    addresses may also stand in the environment, JZEDU_NOTIFY_URLS.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    on: tuple[Occasion, ...] = OCCASIONS
    blocks: tuple[str, ...] = ()


def _listed(value: object) -> object:
    """Return names that are given in one text, as in the environment, as a list."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


class LakeSettings(BaseModel):
    """A warehouse that is a DuckLake: where its ``catalog`` is, and its ``data`` (:class:`warehouse.lake.Lake`).

    Secrets and endpoints come from the environment, or from the Prefect Secret block ``secret_block``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    catalog: str
    data: str
    secret_block: BlockName | None = None

    @field_validator("catalog")
    @classmethod
    def _in_postgres(cls, catalog: str) -> str:
        if not catalog.startswith(SCHEME) or not catalog.removeprefix(SCHEME).strip():
            raise Misfit(
                f"请写成 “{SCHEME}dbname=… host=…”：目录在 PostgreSQL 中",
                f'write "{SCHEME}dbname=… host=…": the catalogue is in PostgreSQL',
            )
        if "password" in catalog.lower():
            raise Misfit(
                "口令不写在设置里；请设置 PGPASSWORD 或 PGPASSFILE，或写明 Prefect 的 Secret 块：secret_block",
                "no password in the settings; set PGPASSWORD or PGPASSFILE, or name a Prefect Secret block:"
                " secret_block",
            )
        return catalog

    @field_validator("data")
    @classmethod
    def _for_all(cls, data: str) -> str:
        if data.startswith("s3://"):
            if not urlsplit(data).netloc:
                raise Misfit("请写成 s3://存储桶/前缀", "write s3://bucket/prefix")
        elif "://" in data or not Path(data).is_absolute():
            raise Misfit(
                "请写成 s3://存储桶/前缀，或每台机器都看得到的文件夹的完整路径",
                "write s3://bucket/prefix, or the whole path of a folder that every machine sees there",
            )
        return data.rstrip("/") + "/"


class _InBucket(BaseModel):
    """A ``place`` in a bucket (:class:`warehouse.storage.Bucket`).

    Keys and endpoints come from the environment, or from the Prefect Secret block ``secret_block``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    #: Where that is which lies there, without the section.
    without: ClassVar[tuple[str, str]]

    place: str
    secret_block: BlockName | None = None

    @field_validator("place")
    @classmethod
    def _in_bucket(cls, place: str) -> str:
        if not _BUCKET.fullmatch(place):
            zh, en = cls.without
            raise Misfit(
                f"请写成 s3://存储桶/前缀，或删去这一节：{zh}",
                f"write s3://bucket/prefix, or take the section out: {en}",
            )
        return place.rstrip("/") + "/"


class ArchiveSettings(_InBucket):
    """An archive that is not the folder of the home."""

    without = (
        "档案就在本处的 archive/ 文件夹",
        "the archive is then the folder archive/ of the home",
    )


class PublicationSettings(_InBucket):
    """Where the publication is put beside the home."""

    without = (
        "发布只在本处的 published/ 文件夹",
        "the publication is then in the folder published/ of the home alone",
    )

    @field_validator("place")
    @classmethod
    def _read_as_written(cls, place: str) -> str:
        if wrong := _READ_OTHERWISE.search(place):
            raise Misfit(
                f"前缀中不能有 {wrong[0]}：有的软件会把它读成别的",
                f"no {wrong[0]} in the prefix: some of those who read there take it for something else",
            )
        return place


class EngineSettings(BaseModel):
    """Who reads and checks files: ``readers`` is ``threads`` of this machine, or the address of a Dask scheduler.

    ``portion`` files are checked together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    readers: str = THREADS
    portion: int | None = Field(default=None, ge=1, le=100_000)

    @field_validator("readers")
    @classmethod
    def _known(cls, readers: str) -> str:
        if readers != THREADS and not _SCHEDULER.fullmatch(readers):
            raise Misfit(
                f"请写 “{THREADS}”，或 “dask://scheduler:8786”（用 TLS 时写 dask+tls://）",
                f'write "{THREADS}", or "dask://scheduler:8786" (dask+tls:// with TLS)',
            )
        return readers


class Settings(BaseModel):
    """All settings of one installation.

    ``workers`` files are read at the same time, in processes that take ``memory`` bytes together
    (None: half of what there is); Great Expectations answers within ``suite_seconds``. ``limits`` bound what a single submitted file may
    unpack to (:class:`transforms.formats.Limits`). ``keep_publications`` earlier publications stay in
    ``published/history/``. ``waiting_minutes`` is how long a run waits for another before somebody
    is told. ``plan`` is another plan file than that of ``definitions/`` or of the package;
    ``catalogues`` names the national rule sets of the package that are added to it. ``office`` is who issues the page about
    the city. With ``approved_only`` what nobody has approved does not count; with ``sign_off`` a submission
    that is not signed is warned of. With ``public_edition`` there is one for the public beside each publication.
    ``sources`` are the places beside the inbox that submissions come from
    (:mod:`flows.sources`). ``lake`` is the section ``[warehouse]``: a warehouse that is not the file; ``bucket`` the section ``[archive]``:
    an archive that is not the folder; ``uploads`` the section ``[publication]``: where the publication is put beside the home.
    ``engine`` says who reads files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    home: Path
    workers: int = Field(default=min(8, os.cpu_count() or 1), ge=1)
    memory: int | None = Field(default=None, ge=256 * 2**20)
    suite_seconds: int = Field(default=PATIENCE, ge=1)
    keep_publications: int = Field(default=30, ge=1)
    waiting_minutes: float = Field(default=60, gt=0, le=7 * 24 * 60)
    plan: Path | None = None
    catalogues: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    office: str = Field(default="", max_length=60)
    approved_only: bool = False
    sign_off: bool = False
    public_edition: bool = False
    limits: Limits = Limits()
    sources: Sources = ()
    notify: NotifySettings = NotifySettings()
    serve: ServeSettings = ServeSettings()
    remind: RemindSettings = RemindSettings()
    engine: EngineSettings = EngineSettings()
    lake: LakeSettings | None = Field(default=None, alias="warehouse")
    bucket: ArchiveSettings | None = Field(default=None, alias="archive")
    uploads: PublicationSettings | None = Field(default=None, alias="publication")

    _blocks_of: Path = PrivateAttr()

    def model_post_init(self, _: object) -> None:
        """Keep whose service knows the blocks: a dry run has a home of its own."""
        self._blocks_of = self.home

    @model_validator(mode="after")
    def _apart(self) -> Self:
        """Refuse places that lie in each other: the upkeep of a lake removes what the lake does not know."""
        places = [
            ("warehouse", "data", self.lake.data if self.lake else None),
            ("archive", "place", self.bucket.place if self.bucket else None),
            ("publication", "place", self.uploads.place if self.uploads else None),
        ]
        for (one, its, data), (other, whose, place) in combinations(places, 2):
            if data is None or place is None:
                continue
            if data.startswith(place) or place.startswith(data):
                raise Misfit(
                    f"[{one}] 的 {its}（{data}）与 [{other}] 的 {whose}（{place}）一个在另一个里面：请各用各的前缀",
                    f"{its} of [{one}], {data}, and {whose} of [{other}], {place}, lie one in the other:"
                    " give each a prefix of its own",
                )
        return self

    @property
    def inbox(self) -> Path:
        """What the reporting units hand in."""
        return self.home / "inbox"

    @property
    def archive(self) -> ArchivePlace:
        """Every original ever received: a folder, or a place in a bucket."""
        if self.bucket is None:
            return self.archive_folder
        secrets = self._secrets(self.bucket.secret_block)
        return _bucket(self.bucket.place, self.home / ".archive", ARCHIVE, secrets)

    @property
    def archive_folder(self) -> Path:
        """Where the archive is unless it is in a bucket."""
        return self.home / "archive"

    @property
    def warehouse(self) -> Path:
        """The working warehouse, where it is a file."""
        return self.home / "warehouse.duckdb"

    @property
    def place(self) -> Place:
        """The working warehouse: a file, or a lake."""
        if self.lake is None:
            return self.warehouse
        secrets = self._secrets(self.lake.secret_block, database=True)
        return Lake(self.lake.catalog.removeprefix(SCHEME), self.lake.data, self.home, secrets)

    def _secrets(self, block: str | None, *, database: bool = False) -> Secrets | None:
        """Return the secrets of a place whose section names ``block`` (:mod:`flows.places`); None where it names none."""
        if block is None:
            return None
        from flows.places import secrets_in

        return secrets_in(block, self._blocks_of, database=database)

    @property
    def published(self) -> Path:
        """The publication."""
        return self.home / "published"

    @property
    def upload_place(self) -> Bucket | None:
        """Where the publication is put beside that: a place in a bucket, or None for nowhere."""
        if self.uploads is None:
            return None
        secrets = self._secrets(self.uploads.secret_block)
        return _bucket(self.uploads.place, self.home / ".publication", PUBLICATION, secrets)

    @property
    def outbox(self) -> Path:
        """Return sheets for the units."""
        return self.home / "outbox"


def _bucket(place: str, scratch: Path, contents: Contents, secrets: Secrets | None) -> Bucket:
    """Return the place of a setting, which is an address of a bucket."""
    found = _BUCKET.fullmatch(place)
    assert found is not None
    return Bucket(found[1], f"{found[2]}/".lstrip("/"), scratch, contents, secrets)


def load_settings(home: Path | None = None) -> Settings:
    """Return the settings of ``home``, else of ``JZEDU_HOME``, else of ``./data``.

    Raises:
        SettingsError: a file or value that cannot be used.
    """
    place = home_of(home)
    file = place / "settings.toml"
    values: dict[str, Any] = {}
    if file.exists():
        try:
            values = tomllib.loads(file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                unreadable(file, error).zh, f"{file} cannot be read: {error}"
            ) from None
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(
                f"{file} 不合 TOML 的写法：{error}", f"{file} cannot be read: {error}"
            ) from None
    for name in Settings.model_fields:
        if name not in _SECTIONS and (text := os.environ.get(f"JZEDU_{name.upper()}")):
            values[name] = text
    try:
        return Settings(home=place, **{k: v for k, v in values.items() if k != "home"})
    except ValidationError as error:
        raise SettingsError(*all_said(error).at(file)) from None
