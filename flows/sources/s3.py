"""A bucket of S3-compatible storage as a source.

Only the keys that jzedu is given are used: no profile, no configuration file, no role of the
machine. Without keys the bucket is read as anybody may read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import botocore.session
from botocore import UNSIGNED, exceptions
from botocore.config import Config
from botocore.utils import parse_timestamp

from flows.sources.collect import too_large
from flows.sources.credentials import Credentials
from flows.sources.limits import Clock
from flows.sources.model import (
    Delivery,
    Interrupted,
    Listing,
    NotTaken,
    NotYet,
    Offer,
    SourceError,
    impossible_time,
    incomplete,
    is_misread,
    possible,
    unsafe,
    untrusted,
    wanted,
)
from flows.sources.settings import S3Settings, variable
from transforms.names import shown
from transforms.texts import Text, joined, same
from warehouse.objects import NOTHING_OF_THIS_MACHINE, code_of

#: What the storage answers where another try may help, beside all codes from 500 on.
_PASSING: Final = frozenset({"RequestTimeout", "SlowDown", "Throttling", "TooManyRequests"})
_GONE: Final = frozenset({"NoSuchKey", "404", "PreconditionFailed", "412"})


class S3Source:
    """The objects of a bucket below a prefix.

    Raises:
        SourceError: one of the two keys is missing, or a setting cannot be used.
    """

    def __init__(
        self, settings: S3Settings, credentials: Credentials, home: Path, limit: int
    ) -> None:
        self._settings = settings
        self._limit = limit
        with self._said_plainly():
            self._client = _client(settings, credentials, home)
        self._clock = Clock(settings)

    def files(self) -> Listing:
        """Return all objects below the prefix."""
        self._clock.start_list()
        return self._clock.limited(self._list, one=False)

    def _list(self) -> Listing:
        listing = Listing()
        root = self._settings.root
        with self._said_plainly():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._settings.bucket, Prefix=root
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    self._clock.listed()
                    self._offer(entry["Key"].removeprefix(root), entry, listing)
        return listing

    def probe(self) -> None:
        """Ask for the first object."""
        with self._said_plainly():
            self._client.list_objects_v2(
                Bucket=self._settings.bucket, Prefix=self._settings.root, MaxKeys=1
            )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _offer(self, path: str, entry: dict[str, Any], listing: Listing) -> None:
        if not wanted(path):
            return
        if reason := unsafe(path):
            listing.refuse(path, reason)
            return
        fetch = partial(self._deliver, entry["Key"], entry["ETag"])
        try:
            changed = _changed(entry)
        except NotTaken as impossible:
            listing.refuse(path, impossible.text)
            return
        listing.offers.append(Offer(path, fetch, entry["ETag"], entry["Size"], changed))

    def _deliver(self, key: str, etag: str, _: str) -> Delivery:
        """Return the object in the very version that was listed."""
        return self._clock.limited(partial(self._fetch, key, etag), one=True)

    def _fetch(self, key: str, etag: str) -> Delivery:
        with self._said_plainly():
            try:
                answer = self._client.get_object(
                    Bucket=self._settings.bucket, Key=key, IfMatch=etag
                )
                with answer["Body"] as body:
                    data = body.read(self._limit + 1)
            except exceptions.ClientError as error:
                if code_of(error) in _GONE:
                    raise NotYet(
                        "这期间被改动或移走了", "was changed or removed meanwhile"
                    ) from None
                if code_of(error) == "AccessDenied":
                    raise NotTaken("这对密钥不能读它", "these keys may not read it") from None
                raise
            if len(data) > self._limit:
                raise too_large(self._limit)
            if len(data) != answer["ContentLength"]:
                raise Interrupted(*incomplete(len(data), answer["ContentLength"]))
            return Delivery(data, _changed(answer), answer["ETag"])

    @contextmanager
    def _said_plainly(self) -> Iterator[None]:
        """Turn what the library raises into a sentence; what another try may mend, Interrupted."""
        where = self._settings.endpoint or self._settings.address
        try:
            yield
        except exceptions.SSLError as error:
            raise SourceError(*untrusted(where, error.kwargs.get("error"))) from None
        except (
            exceptions.ConnectionError,
            exceptions.HTTPClientError,
            exceptions.IncompleteReadError,
        ) as error:
            # Its own words hold addresses of objects in memory and signed queries.
            kind = type(error).__name__
            raise Interrupted(
                f"{where} 连不上或中断了（{kind}）",
                f"{where} cannot be reached, or broke off ({kind})",
            ) from None
        except exceptions.ClientError as error:
            raise self._refusal(error) from None
        except KeyError as error:
            raise SourceError(
                f"{where}：它的答复中缺少 {error}", f"{where}: an answer of it lacks {error}"
            ) from None
        except (exceptions.BotoCoreError, ValueError) as error:
            raise SourceError(*same(error).at(where)) from None

    def _refusal(self, error: exceptions.ClientError) -> SourceError:
        """Return what the storage's error code means for the source as a whole."""
        code = code_of(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        address = self._settings.address
        said = Text(f"{address} 答复 {shown(code)}", f"{address} answers {shown(code)}")
        if status >= 500 or code in _PASSING:
            return Interrupted(*said)
        if code == "NoSuchBucket":
            do = Text("请检查 bucket 和 endpoint", "check bucket and endpoint")
        elif code == "RequestTimeTooSkewed":
            do = Text("请校准本机的时钟", "set this machine's clock right")
        elif status in (401, 403):
            one, other = (variable(self._settings.name, k) for k in ("access_key", "secret_key"))
            do = Text(
                f"请检查 {one} 和 {other}，以及它们的权限",
                f"check {one} and {other}, and what they may do",
            )
        else:
            do = Text(
                "请检查 region、addressing 和 endpoint", "check region, addressing and endpoint"
            )
        return SourceError(*joined((said, do)))


def _client(settings: S3Settings, credentials: Credentials, home: Path) -> Any:
    keys = (credentials.access_key, credentials.secret_key)
    if (keys[0] is None) != (keys[1] is None):
        missing = "access_key" if keys[0] is None else "secret_key"
        name = variable(settings.name, missing)
        raise SourceError(f"一对密钥缺了一个：{name}", f"one of the two keys is missing: {name}")
    file = home / settings.ca_file if settings.ca_file else None
    if file is not None and not file.is_file():
        raise SourceError(
            f"ca_file，{file}：没有这个文件", f"ca_file, {file}: there is no such file"
        )
    session = botocore.session.Session(session_vars=NOTHING_OF_THIS_MACHINE)
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=_time)
    return session.create_client(
        "s3",
        region_name=settings.region,
        endpoint_url=settings.endpoint,
        verify=str(file) if file else None,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        aws_session_token=credentials.token if keys[0] else None,
        config=Config(
            signature_version=UNSIGNED if keys[0] is None else None,
            connect_timeout=settings.timeout_seconds,
            read_timeout=settings.timeout_seconds,
            # Tries are counted in one place, see collect.py.
            retries={"total_max_attempts": 1},
            s3={"addressing_style": settings.addressing},
            # Storage other than Amazon's often does not know the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            ignore_configured_endpoint_urls=True,
        ),
    )


def _time(text: str) -> datetime | str:
    """Return a time that the storage tells; what is none stays text, and costs its object and not the list."""
    if is_misread(str(text)):
        return str(text)
    try:
        moment: datetime = parse_timestamp(text)
        moment.utcoffset()  # which may be more than a day
        return moment
    except (ValueError, OverflowError, RuntimeError):
        return str(text)


def _changed(answer: dict[str, Any]) -> datetime | None:
    """Return when the object was changed (UTC, naive), if told. Raises NotTaken where that is impossible."""
    moment: datetime | str | None = answer.get("LastModified")
    if moment is None:
        return None
    if isinstance(moment, str):
        raise impossible_time(same(moment))
    return possible(moment)
