"""A shelf that is a place in a bucket of S3-compatible storage.

An object comes to its place whole or not at all, and never takes that of another one: it is put on the
condition that there is none. Whatever it is sent as is signed by its hash, so that the storage refuses what
was changed on the way. Reading many goes on side by side, because each has to be waited for.

Rounds of receipts and decisions are kept as copies in the scratch folder, and read again where the storage
says that they are others: a night reads what is new of them. The copies are believed by their hash alone.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, TypeVar

import botocore.session
from botocore import exceptions
from botocore.config import Config

from transforms.names import shown
from transforms.texts import Text
from warehouse.storage import Access, Bucket, StorageFailed, access_to, environment_with

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
_PIECE: Final = 2**20  # bytes
#: Where botocore looks: (in its configuration, in the environment, default, conversion).
NOTHING_OF_THIS_MACHINE: Final = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
#: There is such an object already, or somebody else is putting it.
_TAKEN: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
#: The storage knows no conditions.
_UNCONDITIONAL: Final = frozenset({"NotImplemented", "501"})
_GONE: Final = frozenset({"NoSuchKey", "NotFound", "404"})
#: What an object that was cut off raises while it is read.
_CUT_OFF: Final = (
    exceptions.IncompleteReadError,
    exceptions.ReadTimeoutError,
    exceptions.ResponseStreamingError,
)


class BucketShelf:
    """The objects of a bucket below a prefix; see :class:`warehouse.shelf.Shelf`.

    Every method raises StorageFailed where the storage cannot be reached, or refuses.
    """

    def __init__(self, place: Bucket, *, afresh: bool = False) -> None:
        self._place = place
        self._afresh = afresh
        self._partial = place.scratch / "partial"
        self._copies = place.scratch / "copies"
        self._sizes: dict[str, int] | None = None

    @property
    def _access(self) -> Access:
        return access_to(
            Text(f"{self._kept.zh}在 {self._place}", f"{self._kept.en} is at {self._place}"),
            environment_with(self._place.secrets),
        )

    @property
    def _kept(self) -> Text:
        return self._place.holds

    @property
    def _client(self) -> Any:
        return _client(os.getpid(), self._access)

    def where(self, name: str) -> str:
        """As :meth:`warehouse.shelf.Shelf.where`."""
        return f"{self._place}/{name}"

    def is_there(self) -> bool:
        """Return True: a bucket in which nothing lies can be read as well."""
        with self._said_plainly():
            self._client.list_objects_v2(
                Bucket=self._place.name, Prefix=self._place.prefix, MaxKeys=1
            )
        return True

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
        root = self._place.prefix
        begin = re.match(r"[^*?]*", pattern)
        fits = re.compile(
            "".join({"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)) for char in pattern)
        )
        found = {}
        with self._said_plainly():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._place.name, Prefix=root + (begin[0] if begin else "")
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    name = entry["Key"].removeprefix(root)
                    if fits.fullmatch(name):
                        found[name] = entry
        return dict(sorted(found.items()))

    def size(self, name: str) -> int | None:
        """As :meth:`warehouse.shelf.Shelf.size`."""
        try:
            with self._said_plainly(name):
                answer = self._client.head_object(Bucket=self._place.name, Key=self._key(name))
        except FileNotFoundError:
            return None
        return int(answer["ContentLength"])

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

    def _fetched(self, name: str, take: Callable[[Any], T]) -> T:
        """Return what ``take`` makes of an object; again from its beginning where that was cut off."""
        for tries_left in reversed(range(_TRIES)):
            with self._said_plainly(name):
                answer = self._client.get_object(Bucket=self._place.name, Key=self._key(name))
                try:
                    with closing(answer["Body"]) as body:
                        return take(body)
                except _CUT_OFF:
                    if not tries_left:
                        raise
        raise AssertionError  # the last try gives or raises

    def each(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """As :meth:`warehouse.shelf.Shelf.each`."""
        listed = list(items)
        if len(listed) < 2:
            yield from map(function, listed)
            return
        with ThreadPoolExecutor(_AT_ONCE, "bucket") as side_by_side:
            yield from side_by_side.map(function, listed)

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

    def remove(self, name: str) -> None:
        """As :meth:`warehouse.shelf.Shelf.remove`."""
        with suppress(FileNotFoundError), self._said_plainly(name):
            self._client.delete_object(Bucket=self._place.name, Key=self._key(name))

    def sweep(self) -> None:
        """As :meth:`warehouse.shelf.Shelf.sweep`."""
        shutil.rmtree(self._partial, ignore_errors=True)

    def _put(self, name: str, content: BinaryIO) -> None:
        """Put an object where there is none; what is there and holds the same is left, what is damaged replaced."""
        where = {"Bucket": self._place.name, "Key": self._key(name)}
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

    def _key(self, name: str) -> str:
        return self._place.prefix + name

    def _part(self, name: str) -> Path:
        return self._partial / PurePosixPath(name).name

    @contextmanager
    def _said_plainly(self, name: str = "") -> Iterator[None]:
        """Turn what the library raises into a sentence; an object that is not there into FileNotFoundError."""
        endpoint = self._access.endpoint or "Amazon's S3"
        try:
            yield
        except exceptions.ClientError as error:
            if name and code_of(error) in _GONE:
                raise FileNotFoundError(errno.ENOENT, "is not there", self.where(name)) from None
            raise self._refusal(error, endpoint) from None
        except exceptions.SSLError as error:
            raise StorageFailed(
                f"{self._kept.zh} {self._place} 所在的 {endpoint} 的证书不受信任（{error.kwargs.get('error')}）："
                "如果是自己的证书机构签发的，请用 AWS_CA_BUNDLE 写明该机构的证书",
                f"the certificate of {endpoint}, where {self._kept.en} is ({self._place}), is not trusted"
                f" ({error.kwargs.get('error')}): if your own authority made it, name its certificate in"
                " AWS_CA_BUNDLE",
            ) from None
        except exceptions.BotoCoreError as error:
            # Its own words hold signed addresses.
            raise StorageFailed(
                f"{self._kept.zh} {self._place} 所在的 {endpoint} 连不上或中断了（{type(error).__name__}）：请确认存储在"
                "运行、从这里连得上，AWS_ENDPOINT_URL 写对了。没有丢失任何东西",
                f"{endpoint}, where {self._kept.en} is ({self._place}), cannot be reached or broke off"
                f" ({type(error).__name__}): see that the storage is up and can be reached from here, and"
                " that AWS_ENDPOINT_URL is right. Nothing is lost",
            ) from None

    def _refusal(self, error: exceptions.ClientError, endpoint: str) -> StorageFailed:
        """Return what an error code of the storage means for the archive as a whole."""
        code = code_of(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        said = Text(
            f"{self._kept.zh} {self._place}：{endpoint} 对 {error.operation_name} 的答复是 {shown(code)}",
            f"{self._kept.en}, {self._place}: {endpoint} answers {shown(code)} to {error.operation_name}",
        )
        if code == "NoSuchBucket":
            remedy = Text(
                f"请建立存储桶 {self._place.name}，或把 {self._place.setting.zh} 改为{self._kept.zh}所在之处",
                f"make the bucket {self._place.name}, or set {self._place.setting.en} to where"
                f" {self._kept.en} is",
            )
        elif code == "RequestTimeTooSkewed":
            remedy = Text("请校准本机的时钟", "set this machine's clock right")
        elif status in (401, 403):
            secrets = self._place.secrets
            keys = secrets.origin if secrets is not None else _KEYS
            remedy = Text(
                f"请确认 {keys.zh} 写对了，这个密钥可以在那里列出、读取和写入",
                f"see that what {keys.en} says is right, and that this key may list, read and write there",
            )
        elif status >= 500 or code in ("SlowDown", "RequestTimeout", "TooManyRequests"):
            remedy = Text(
                "请等它恢复正常。没有丢失任何东西", "wait until it is well again. Nothing is lost"
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
