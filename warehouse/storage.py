"""Storage that speaks the interface of S3: where a bucket is, and the keys to it.

Addresses of buckets stand in the settings; endpoint, region and keys come from the environment, or from
whoever opens the place (:class:`Secrets`). Nothing of it is imported here: :mod:`warehouse.objects` and DuckDB
are who ask the storage.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from transforms.texts import Text, ToldInBoth

#: What an object is called that holds nothing: it is put to see whether the keys to a place may write there.
PROBE = ".probe"


class StorageFailed(ToldInBoth):
    """The storage cannot be used; the message says why, and what to do."""


class Secrets:
    """What a place is reached with that the environment does not say: values by the variables that would hold them.

    ``load`` gives them when they are first needed, or raises StorageFailed. ``origin`` says where they come from. They are
    shown by nothing, and go to another process of this machine as they are.
    """

    def __init__(self, load: Callable[[], Mapping[str, str]], origin: Text) -> None:
        self._load, self.origin = load, origin
        self._values: dict[str, str] | None = None
        self._turn = threading.Lock()

    @property
    def values(self) -> Mapping[str, str]:
        """The values by their variables.

        Raises:
            StorageFailed: they cannot be had.
        """
        with self._turn:
            if self._values is None:
                self._values = dict(self._load())
            return self._values

    def scrub(self, text: str) -> str:
        """Return ``text`` without any of the values that were asked for."""
        for variable, value in (self._values or {}).items():
            if variable not in _TOLD:
                text = text.replace(value, "…")
        return text

    def __repr__(self) -> str:
        return f"Secrets({self.origin.en})"

    def __reduce__(self) -> tuple[object, ...]:
        return _held, (dict(self.values), self.origin)


#: What is no secret, and is told where it is wrong.
_TOLD = ("AWS_ENDPOINT_URL", "AWS_REGION")


def _held(values: Mapping[str, str], origin: Text) -> Secrets:
    return Secrets(lambda: values, origin)


def environment_with(secrets: Secrets | None) -> Mapping[str, str]:
    """Return the environment, and over it what ``secrets`` say.

    Raises:
        StorageFailed: they cannot be had.
    """
    return os.environ if secrets is None else {**os.environ, **secrets.values}


@dataclass(frozen=True)
class Contents:
    """What lies at a place in a bucket, as people are told of it.

    ``thing`` is its noun, ``setting`` what names the place, ``rights`` what the key to it has to
    be allowed there, ``unharmed`` what a person need not fear where the storage fails.
    """

    thing: Text
    setting: Text
    rights: Text
    unharmed: Text


ARCHIVE = Contents(
    Text("档案", "the archive"),
    Text("[archive] 的 place", "place, in [archive],"),
    Text("列出、读取和写入", "list, read and write"),
    Text("没有丢失任何东西", "Nothing is lost"),
)
PUBLICATION = Contents(
    Text("发布", "the publication"),
    Text("[publication] 的 place", "place, in [publication],"),
    Text("列出、读取、写入和删除", "list, read, write and delete"),
    Text(
        "本机的发布是完整的，下一次运行会补送",
        "The publication in the home is whole, and the next run puts it there",
    ),
)
PORTIONS = Contents(
    Text("读取结果", "what workers have read"),
    Text("[warehouse] 的 data", "data, in [warehouse],"),
    Text("列出、读取、写入和删除", "list, read, write and delete"),
    Text("没有丢失任何东西", "Nothing is lost"),
)


@dataclass(frozen=True)
class Bucket:
    """A place in a bucket: all that is kept there is called ``prefix``, "" or ending in a slash, and its name.

    ``scratch`` is a folder of this machine for what is on its way, and copies of what was read. ``contents`` is how
    people are told of it. Without ``secrets`` the environment says how it is reached.
    """

    name: str
    prefix: str
    scratch: Path
    contents: Contents = field(default=ARCHIVE, repr=False, compare=False)
    secrets: Secrets | None = field(default=None, repr=False, compare=False)

    def access(self) -> Access:
        """Return how it is reached.

        Raises:
            StorageFailed: as :func:`access_to`, or the secrets cannot be had.
        """
        zh, en = self.contents.thing
        here = Text(f"{zh}在 {self}", f"{en} is at {self}")
        return access_to(here, environment_with(self.secrets))

    def without_secrets(self) -> Self:
        """Return it as it goes to another machine, which has keys of its own."""
        return replace(self, secrets=None)

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".rstrip("/")


@dataclass(frozen=True)
class Access:
    """How storage is reached, and by which keys; without ``endpoint`` it is Amazon's own."""

    key: str
    secret: str = field(repr=False)
    region: str
    endpoint: str | None


def access_to(thing: Text, environ: Mapping[str, str]) -> Access:
    """Return how the storage is reached, by what ``environ`` says; ``thing`` says what is there, in a sentence.

    Raises:
        StorageFailed: a key is missing, or the endpoint is no address.
    """
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    for name in names:
        if not environ.get(name):
            raise StorageFailed(
                f"没有设置 {name}，而{thing.zh}：请设置，或写明 Prefect 的 Secret 块：secret_block",
                f"{name} is not set, and {thing.en}: set it, or name a Prefect Secret block: secret_block",
            )
    endpoint = environ.get("AWS_ENDPOINT_URL") or None
    if endpoint is not None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise StorageFailed(
                f"AWS_ENDPOINT_URL 不是以 https:// 开头的地址：{endpoint}",
                f"AWS_ENDPOINT_URL is no address that begins with https://: {endpoint}",
            )
    key, secret = (environ[name] for name in names)
    return Access(key, secret, environ.get("AWS_REGION") or "us-east-1", endpoint)
