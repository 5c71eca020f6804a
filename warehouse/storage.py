"""Storage that speaks the interface of S3: where a bucket is, and the keys to it.

Addresses of buckets stand in the settings; endpoint, region and keys come from the environment alone.
Nothing of it is imported here: :mod:`warehouse.bucket` and DuckDB are who ask the storage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from transforms.texts import Text, ToldInBoth


class StorageFailed(ToldInBoth):
    """The storage cannot be used; the message says why, and what to do."""


@dataclass(frozen=True)
class Bucket:
    """A place in a bucket: all that is kept there is called ``prefix``, "" or ending in a slash, and its name.

    ``scratch`` is a folder of this machine for what is on its way, and copies of what was read. People are told
    of it as what it ``holds``, and of the ``setting`` that names it.
    """

    name: str
    prefix: str
    scratch: Path
    holds: Text = Text("档案", "the archive")
    setting: Text = Text("[archive] 的 place", "place, in [archive],")

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
                f"没有设置 {name}，而{thing.zh}：请设置",
                f"{name} is not set, and {thing.en}: set it",
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
