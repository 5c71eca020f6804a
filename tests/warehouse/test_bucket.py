"""An archive in a bucket: nothing half, nothing overwritten, all of it compared with its hash.

Against a real HTTP server that speaks the interface of S3 (moto); whole nights with another server are in
``tests/flows/test_archive_in_bucket.py``.
"""

from __future__ import annotations

import contextlib
import hashlib
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from moto.server import ThreadedMotoServer

from tests.flows.sources.conftest import Relay
from warehouse.archive import Archive, ArchiveDamaged, Receipt
from warehouse.bucket import BucketShelf
from warehouse.storage import Bucket, StorageFailed

NOON = datetime(2020, 9, 1, 12)


class Storage:
    """The server, and the bucket as somebody else sees it."""

    def __init__(self, server: ThreadedMotoServer) -> None:
        self.port = server.get_host_and_port()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.client = botocore.session.Session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="other",
            aws_secret_access_key="other",
        )

    def ask(self, path: str, body: bytes = b"") -> None:
        headers = {"Content-Type": "text/plain"}
        request = urllib.request.Request(f"{self.endpoint}/moto-api/{path}", body, headers)
        urllib.request.urlopen(request).close()

    def held(self) -> dict[str, bytes]:
        """All objects below the prefix, by their names."""
        listed = self.client.list_objects_v2(Bucket="jzedu", Prefix="辽宁/archive/")
        return {
            entry["Key"].removeprefix("辽宁/archive/"): self.get(entry["Key"])
            for entry in listed.get("Contents", ())
        }

    def get(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket="jzedu", Key=key)["Body"].read())

    def put(self, name: str, content: bytes) -> None:
        """By hand, whatever is there."""
        self.client.put_object(Bucket="jzedu", Key=f"辽宁/archive/{name}", Body=content)


@pytest.fixture(scope="module")
def running() -> Iterator[Storage]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    storage = Storage(server)
    with contextlib.closing(storage.client):
        yield storage
    server.stop()


@pytest.fixture
def storage(running: Storage, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """An empty bucket, to which the environment has the way and the keys."""
    running.ask("reset")
    running.ask("reset-auth", b"inf")
    running.client.create_bucket(Bucket="jzedu")
    monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "writer")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.delenv("AWS_REGION", raising=False)
    return running


@pytest.fixture
def place(storage: Storage, tmp_path: Path) -> Bucket:
    return Bucket("jzedu", "辽宁/archive/", tmp_path / "scratch")


def signed(place: Bucket, *contents: bytes) -> list[Receipt]:
    """Have these files archived, in one round."""
    archive = Archive(place)
    receipts = [
        Receipt(NOON, f"义县/{content.decode()}.csv", archive.keep(content, later=True))
        for content in contents
    ]
    archive.sign(receipts)
    return receipts


def test_a_bucket_has_the_layout_and_the_bytes_of_a_folder(
    storage: Storage, place: Bucket, tmp_path: Path
) -> None:
    folder = Archive(tmp_path / "archive")
    receipts = signed(place, b"one", b"two")
    for content in (b"one", b"two"):
        folder.keep(content)
    folder.sign(receipts)
    assert Archive(place).glance(receipts[0].sha256) is None  # there it would cost a question each
    assert storage.held() == {
        file.relative_to(folder.root).as_posix(): file.read_bytes()
        for file in folder.root.rglob("*")
        if file.is_file()
    }
    assert list(Archive(place).receipts()) == list(folder.receipts()) == receipts
    assert Archive(place).originals() == folder.originals()
    for receipt in receipts:
        assert Archive(place).read(receipt.sha256) == folder.read(receipt.sha256)
        assert Archive(place).size(receipt.sha256) == 3


def test_receipts_come_after_their_originals(storage: Storage, place: Bucket) -> None:
    archive = Archive(place)
    digest = archive.keep(b"one", later=True)
    assert storage.held() == {}
    archive.settle()
    assert storage.held() == {f"{digest[:2]}/{digest}": b"one"}
    assert list(Archive(place).receipts()) == []


def without_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage that knows no conditions refuses them."""

    class Simple(BucketShelf):
        @property
        def _client(self) -> Any:
            client = super()._client
            client.meta.events.register("before-call.s3.PutObject", _refused, unique_id="refused")
            return client

    monkeypatch.setattr("warehouse.bucket.BucketShelf", Simple)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "simple")  # a client of its own


def _refused(params: dict[str, Any], **_: object) -> tuple[AWSResponse, dict[str, Any]] | None:
    if "If-None-Match" not in params["headers"]:
        return None
    parsed = {
        "Error": {"Code": "NotImplemented"},
        "ResponseMetadata": {"HTTPStatusCode": 501, "HTTPHeaders": {}},
    }
    return AWSResponse("", 501, {}, None), parsed


@pytest.mark.parametrize("conditions", [True, False])
def test_what_another_has_put_meanwhile_is_left(
    storage: Storage, place: Bucket, monkeypatch: pytest.MonkeyPatch, conditions: bool
) -> None:
    if not conditions:
        without_conditions(monkeypatch)
    digest = hashlib.sha256(b"one").hexdigest()
    where = {"Bucket": "jzedu", "Key": f"辽宁/archive/{digest[:2]}/{digest}"}
    archive = Archive(place)
    assert not archive.holds(digest)
    storage.client.put_object(**where, Body=b"one", Metadata={"by": "another"})
    assert archive.keep(b"one") == digest
    assert archive.holds(digest, 3)
    assert storage.client.head_object(**where)["Metadata"] == {"by": "another"}


@pytest.mark.parametrize("conditions", [True, False])
def test_what_is_damaged_is_found_noted_and_written_anew(
    storage: Storage, place: Bucket, monkeypatch: pytest.MonkeyPatch, conditions: bool
) -> None:
    if not conditions:
        without_conditions(monkeypatch)
    digest = Archive(place).keep(b"one")
    name = f"{digest[:2]}/{digest}"
    storage.put(name, b"two")
    archive = Archive(place)
    assert list(archive.damage([digest])) == [digest]
    assert not archive.holds(digest)
    with pytest.raises(ArchiveDamaged, match=f"s3://jzedu/辽宁/archive/{name} was changed"):
        archive.read(digest)
    archive.note([digest])
    assert Archive(place).noted() == {digest}
    assert archive.keep(b"one") == digest
    assert archive.holds(digest)
    assert storage.held()[name] == b"one"
    assert archive.damage([digest]) == {}
    archive.note([digest])
    assert Archive(place).noted() == set()


def test_what_is_not_there_is_told(place: Bucket) -> None:
    nothing = hashlib.sha256(b"nothing").hexdigest()
    archive = Archive(place)
    assert not archive.holds(nothing)
    for look in (archive.read, archive.size, archive.verify):
        with pytest.raises(ArchiveDamaged, match="is missing from the archive"):
            look(nothing)


def test_lists_of_several_pages_are_read_to_their_end(
    place: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    receipts = [signed(place, b"%d" % number)[0] for number in range(5)]
    assert sorted(Archive(place).receipts()) == sorted(receipts)
    assert Archive(place).originals() == {receipt.sha256 for receipt in receipts}


def test_a_round_is_read_once_and_again_when_it_was_changed(
    storage: Storage, place: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = signed(place, b"one")
    read: list[str] = []
    fetched = BucketShelf._fetched
    monkeypatch.setattr(BucketShelf, "_fetched", lambda *a: (read.append(a[1]), fetched(*a))[1])
    assert list(Archive(place).receipts()) == first
    second = signed(place, b"two")
    read.clear()
    assert sorted(Archive(place).receipts()) == sorted([*first, *second])
    assert len(read) == 1, "what the night before has read is not read again"
    assert len(list(Archive(place, afresh=True).receipts())) == 2
    assert len(read) == 3
    (file, *_) = sorted(name for name in storage.held() if name.startswith("receipts/"))
    storage.put(file, b"{}\n")
    told: list[ArchiveDamaged] = []
    assert len(list(Archive(place).receipts(told.append))) == 1
    assert f"s3://jzedu/辽宁/archive/{file}, line 1, is no receipt" in str(told[0])


def test_a_copy_that_was_changed_is_not_believed(place: Bucket) -> None:
    receipts = signed(place, b"one")
    assert list(Archive(place).receipts()) == receipts
    (copy,) = (place.scratch / "copies").iterdir()
    copy.write_bytes(b"{}\n")
    assert list(Archive(place).receipts()) == receipts


def test_an_original_that_is_cut_off_is_read_again(
    storage: Storage, place: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(256)) * 2000
    digest = Archive(place).keep(content)
    with contextlib.closing(Relay(("127.0.0.1", storage.port))) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{between.port}")
        between.cut = [100_000, 200_000]
        assert Archive(place).read(digest) == content
        assert between.cut == []
        between.cut = [300_000]
        assert Archive(place).damage([digest]) == {}
        assert between.cut == []


def no_bucket(storage: Storage, _: pytest.MonkeyPatch) -> None:
    storage.client.delete_bucket(Bucket="jzedu")


def no_key(_: Storage, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("AWS_SECRET_ACCESS_KEY")


def refused(storage: Storage, _: pytest.MonkeyPatch) -> None:
    storage.ask("reset-auth", b"0")


def away(_: Storage, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (no_bucket, "answers NoSuchBucket to ListObjectsV2: make the bucket jzedu, or set place"),
        (no_key, "AWS_SECRET_ACCESS_KEY is not set, and the archive is at s3://jzedu/辽宁/archive"),
        (refused, "this key may list, read and write there"),
        (
            away,
            "http://127.0.0.1:1, where the archive s3://jzedu/辽宁/archive is, cannot be reached",
        ),
    ],
)
def test_storage_that_cannot_be_used_is_a_sentence_and_no_damage(
    storage: Storage,
    place: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[Storage, pytest.MonkeyPatch], None],
    said: str,
) -> None:
    digest = hashlib.sha256(b"one").hexdigest()
    harm(storage, monkeypatch)
    archive = Archive(place)
    for ask in (archive.receipts, archive.originals, lambda: archive.holds(digest)):
        with pytest.raises(StorageFailed) as told:
            list(ask() or ())
        assert said in str(told.value)
        assert "hush" not in str(told.value)
    if harm is not no_bucket:  # which an answer to one object does not tell apart
        with pytest.raises(StorageFailed):
            archive.damage([digest])
