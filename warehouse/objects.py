"""The objects of a bucket of S3-compatible storage, below a prefix: how they are asked for, and told of.

What an archive (:mod:`warehouse.bucket`) and a publication (:mod:`warehouse.publication.uploaded`) have in
common there. No key is found but those that the place names: no profile, no configuration file of this machine.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from typing import Any, Final, TypeVar

import botocore.session
from botocore import exceptions
from botocore.config import Config

from transforms.names import shown
from transforms.texts import Text
from warehouse.storage import Access, Bucket, StorageFailed

T = TypeVar("T")
R = TypeVar("R")

#: What holds the keys where nothing else does.
_KEYS: Final = Text(
    "AWS_ACCESS_KEY_ID 和 AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY"
)
#: So many requests at the same time.
_AT_ONCE: Final = 16
#: A request is tried so many times where another try may help.
_TRIES: Final = 3
#: Where botocore looks: (in its configuration, in the environment, default, conversion).
NOTHING_OF_THIS_MACHINE: Final = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
_GONE: Final = frozenset({"NoSuchKey", "NotFound", "404"})
#: What an object that was cut off raises while it is read.
_CUT_OFF: Final = (
    exceptions.IncompleteReadError,
    exceptions.ReadTimeoutError,
    exceptions.ResponseStreamingError,
)


class Objects:
    """The objects of a bucket below a prefix.

    Every method raises StorageFailed where the storage cannot be reached, or refuses.
    """

    def __init__(self, place: Bucket) -> None:
        self._place = place
        self._contents = place.contents

    @property
    def _client(self) -> Any:
        return _client(os.getpid(), self._place.access())

    def where(self, name: str) -> str:
        """Return the place of an object as people are told of it."""
        return f"{self._place}/{name}"

    def is_there(self) -> bool:
        """Return True: a bucket in which nothing lies can be read as well."""
        with self._said_plainly():
            self._client.list_objects_v2(
                Bucket=self._place.name, Prefix=self._place.prefix, MaxKeys=1
            )
        return True

    def _below(self, beginning: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what the storage lists of the objects whose names begin so, page by page, by their names."""
        root = self._place.prefix
        with self._said_plainly():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._place.name, Prefix=root + beginning
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(root), entry

    def size(self, name: str) -> int | None:
        """Return how many bytes an object has, None where there is none."""
        head = self._head(name)
        return None if head is None else int(head["ContentLength"])

    def _head(self, name: str) -> dict[str, Any] | None:
        """Return what the storage says of an object, None where there is none."""
        try:
            with self._said_plainly(name):
                head: dict[str, Any] = self._client.head_object(**self._at(name))
        except FileNotFoundError:
            return None
        return head

    def _fetched(self, name: str, take: Callable[[Any], T]) -> T:
        """Return what ``take`` makes of an object; again from its beginning where that was cut off."""
        for tries_left in reversed(range(_TRIES)):
            with self._said_plainly(name):
                answer = self._client.get_object(**self._at(name))
                try:
                    with closing(answer["Body"]) as body:
                        return take(body)
                except _CUT_OFF:
                    if not tries_left:
                        raise
        raise AssertionError  # the last try gives or raises

    def each(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield what ``function``, which asks the storage, gives for each item, in their order."""
        listed = list(items)
        if len(listed) < 2:
            yield from map(function, listed)
            return
        with ThreadPoolExecutor(_AT_ONCE, "bucket") as side_by_side:
            yield from side_by_side.map(function, listed)

    def remove(self, name: str) -> None:
        """Have no such object there."""
        with suppress(FileNotFoundError), self._said_plainly(name):
            self._client.delete_object(**self._at(name))

    def _at(self, name: str) -> dict[str, str]:
        """Return where an object is, as a request says it."""
        return {"Bucket": self._place.name, "Key": self._place.prefix + name}

    @contextmanager
    def _said_plainly(self, name: str = "") -> Iterator[None]:
        """Turn what the library raises into a sentence; an object that is not there into FileNotFoundError."""
        endpoint = self._place.access().endpoint or "Amazon's S3"
        zh, en = self._contents.thing
        try:
            yield
        except exceptions.ClientError as error:
            if name and code_of(error) in _GONE:
                raise FileNotFoundError(errno.ENOENT, "is not there", self.where(name)) from None
            raise self._refusal(error, endpoint) from None
        except exceptions.SSLError as error:
            raise StorageFailed(
                f"{zh} {self._place} 所在的 {endpoint} 的证书不受信任（{error.kwargs.get('error')}）："
                "如果是自己的证书机构签发的，请用 AWS_CA_BUNDLE 写明该机构的证书",
                f"the certificate of {endpoint}, where {en} {self._place} is, is not trusted"
                f" ({error.kwargs.get('error')}): if your own authority made it, name its certificate in"
                " AWS_CA_BUNDLE",
            ) from None
        except exceptions.BotoCoreError as error:
            # Its own words hold signed addresses.
            raise StorageFailed(
                f"{zh} {self._place} 所在的 {endpoint} 连不上或中断了（{type(error).__name__}）：请确认存储在"
                f"运行、从这里连得上，AWS_ENDPOINT_URL 写对了。{self._contents.unharmed.zh}",
                f"{endpoint}, where {en} {self._place} is, cannot be reached or broke off"
                f" ({type(error).__name__}): see that the storage is up and can be reached from here, and"
                f" that AWS_ENDPOINT_URL is right. {self._contents.unharmed.en}",
            ) from None

    def _refusal(self, error: exceptions.ClientError, endpoint: str) -> StorageFailed:
        """Return what an error code of the storage means for the place as a whole."""
        (zh, en), setting = self._contents.thing, self._contents.setting
        code = code_of(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        said = Text(
            f"{zh} {self._place}：{endpoint} 对 {error.operation_name} 的答复是 {shown(code)}",
            f"{en} {self._place}: {endpoint} answers {shown(code)} to {error.operation_name}",
        )
        if code == "NoSuchBucket":
            remedy = Text(
                f"请建立存储桶 {self._place.name}，或把 {setting.zh} 改为{zh}所在之处",
                f"make the bucket {self._place.name}, or set {setting.en} to where {en} is",
            )
        elif code == "RequestTimeTooSkewed":
            remedy = Text("请校准本机的时钟", "set this machine's clock right")
        elif status in (401, 403):
            secrets = self._place.secrets
            keys = secrets.origin if secrets is not None else _KEYS
            remedy = Text(
                f"请确认 {keys.zh} 写对了，这个密钥可以在那里{self._contents.rights.zh}",
                f"see that what {keys.en} says is right, and that this key may"
                f" {self._contents.rights.en} there",
            )
        elif status >= 500 or code in ("SlowDown", "RequestTimeout", "TooManyRequests"):
            unharmed = self._contents.unharmed
            remedy = Text(
                f"请等它恢复正常。{unharmed.zh}", f"wait until it is well again. {unharmed.en}"
            )
        else:
            remedy = Text(
                "请确认 AWS_ENDPOINT_URL 和 AWS_REGION 写对了",
                "see that AWS_ENDPOINT_URL and AWS_REGION are right",
            )
        return StorageFailed(*remedy.at(said))


@lru_cache(maxsize=4)
def _client(process: int, access: Access) -> Any:
    """Return the client of a process, which can be used by all its threads; one is made for each ``process``."""
    session = botocore.session.Session(session_vars=NOTHING_OF_THIS_MACHINE)
    return session.create_client(
        "s3",
        region_name=access.region,
        endpoint_url=access.endpoint,
        aws_access_key_id=access.key,
        aws_secret_access_key=access.secret,
        config=Config(
            connect_timeout=10,
            read_timeout=60,
            retries={"mode": "standard", "total_max_attempts": _TRIES},
            max_pool_connections=_AT_ONCE,
            s3={
                # As DuckDB asks for the rows of a lake.
                "addressing_style": "path" if access.endpoint else "auto",
                "payload_signing_enabled": True,
            },
            # Storage other than Amazon's often does not know the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            ignore_configured_endpoint_urls=True,
        ),
    )


def code_of(error: exceptions.ClientError) -> str:
    """Return the code that the storage has answered."""
    return str(error.response.get("Error", {}).get("Code", ""))
