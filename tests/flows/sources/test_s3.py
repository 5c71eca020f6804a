"""S3-compatible storage against a real HTTP server that speaks its interface (moto)."""

from __future__ import annotations

import contextlib
import threading
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Protocol

import botocore.session
import pytest
from moto.server import ThreadedMotoServer

from flows.sources.pull import probe
from flows.sources.settings import S3Settings
from tests.flows.sources.conftest import Authority, OpenRelay, Station


class Storage:
    """A server with a bucket ``submissions``."""

    def __init__(self, server: ThreadedMotoServer) -> None:
        self.port = server.get_host_and_port()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._client = botocore.session.Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.endpoint,
            aws_access_key_id="owner",
            aws_secret_access_key="owner",
        )

    def empty(self) -> None:
        """Begin anew: the bucket is empty, and open to all."""
        self._post("moto-api/reset")
        self._post("moto-api/reset-auth", b"inf")
        self._client.create_bucket(Bucket="submissions")

    def put(self, key: str, content: bytes) -> datetime:
        """Put an object; the time the storage gives it."""
        self._client.put_object(Bucket="submissions", Key=key, Body=content)
        answer = self._client.head_object(Bucket="submissions", Key=key)
        changed: datetime = answer["LastModified"]
        return changed.astimezone(UTC).replace(tzinfo=None)

    def remove(self, key: str) -> None:
        self._client.delete_object(Bucket="submissions", Key=key)

    def close_to_strangers(self) -> None:
        """From now on every request must be signed with keys that the storage knows."""
        self._post("moto-api/reset-auth", b"0")

    def _post(self, path: str, body: bytes = b"") -> None:
        headers = {"Content-Type": "text/plain"}
        request = urllib.request.Request(f"{self.endpoint}/{path}", body, headers)
        urllib.request.urlopen(request).close()

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Storage]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    with contextlib.closing(Storage(server)) as storage:
        yield storage
    server.stop()


@pytest.fixture
def storage(running: Storage) -> Storage:
    running.empty()
    return running


class Bucket(Protocol):
    """Settings for the bucket."""

    def __call__(self, **values: object) -> S3Settings: ...


@pytest.fixture
def bucket(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Settings for the bucket, with keys in the environment."""
    monkeypatch.setenv("JZEDU_SOURCE_CLOUD_ACCESS_KEY", "reader")
    monkeypatch.setenv("JZEDU_SOURCE_CLOUD_SECRET_KEY", "a secret key")

    def make(**values: object) -> S3Settings:
        return S3Settings.model_validate(
            {
                "kind": "s3",
                "name": "cloud",
                "bucket": "submissions",
                "endpoint": storage.endpoint,
                **values,
            }
        )

    return make


def test_objects_arrive_whole_with_path_and_time_of_receipt(
    station: Station, storage: Storage, bucket: Bucket, noise: Callable[[int], bytes]
) -> None:
    big = noise(3_000_000)
    changed = storage.put("in/210727/2020/学校 1.xlsx", big)
    storage.put("in/义县/班级.csv", b"a,b\n")
    storage.put("in2/210727/other.csv", b"not below the prefix")
    storage.put("in/", b"")
    storage.put("in/root.csv", b"no unit, which is for the gate to say")
    storage.put("in/210727/~$lock.xlsx", b"lock")
    storage.put("in/210727/a.pdf", b"pdf")
    pulled = station.pull(bucket(prefix="in"))
    assert station.held() == {
        "210727/2020/学校 1.xlsx": big,
        "义县/班级.csv": b"a,b\n",
        "root.csv": b"no unit, which is for the gate to say",
    }
    assert station.receipt("210727/2020/学校 1.xlsx").received_at == changed
    assert (pulled.found, len(pulled.receipts), pulled.waiting) == (3, 3, ())


def test_only_what_changed_is_fetched(
    station: Station,
    storage: Storage,
    bucket: Bucket,
    noise: Callable[[int], bytes],
    relay: OpenRelay,
) -> None:
    storage.put("210727/a.csv", noise(500_000))
    storage.put("210727/b.csv", b"b")
    between = relay(storage.port)
    settings = bucket(endpoint=f"http://127.0.0.1:{between.port}")
    station.pull(settings)
    assert between.received > 500_000
    between.received = 0
    assert station.pull(settings).receipts == ()
    storage.put("210727/b.csv", b"B")
    (receipt,) = station.pull(settings).receipts
    assert receipt.path == "210727/b.csv"
    assert between.received < 100_000


def test_a_list_of_several_pages_is_read_to_its_end(
    station: Station, storage: Storage, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    for number in range(5):
        storage.put(f"210727/{number}.csv", b"%d" % number)
    assert station.pull(bucket()).found == 5


def test_a_transfer_that_is_cut_off_starts_again_and_leaves_nothing_half(
    station: Station,
    storage: Storage,
    bucket: Bucket,
    noise: Callable[[int], bytes],
    relay: OpenRelay,
) -> None:
    whole = noise(1_000_000)
    storage.put("210727/a.csv", whole)
    between = relay(storage.port)
    between.cut = [500_000]
    left: list[list[str]] = []
    station.meanwhile = lambda: left.append(station.originals())
    pulled = station.pull(bucket(endpoint=f"http://127.0.0.1:{between.port}"))
    assert (station.slept, left) == ([1.0], [[]])
    assert station.held() == {"210727/a.csv": whole}
    assert pulled.waiting == ()


def test_keys_with_unsafe_paths_are_refused(
    station: Station, storage: Storage, bucket: Bucket
) -> None:
    for key in ("/etc/a.csv", "210727//a.csv", "210727/../b/a.csv", "C:/x/a.csv", "210727/a.csv"):
        storage.put(key, b"x")
    pulled = station.pull(bucket())
    assert set(station.held()) == {"210727/a.csv"}
    assert len(pulled.waiting) == 4


def test_an_object_over_the_limit_is_left_there(
    station: Station, storage: Storage, bucket: Bucket
) -> None:
    station.limits = type(station.limits)(file_bytes=10)
    storage.put("210727/a.csv", b"0123456789")
    storage.put("210727/b.csv", b"0123456789a")
    (sentence,) = station.pull(bucket()).waiting
    assert sentence.startswith("cloud: 210727/b.csv: is larger than")
    assert set(station.held()) == {"210727/a.csv"}


def test_an_object_replaced_after_the_list_was_read_waits_for_the_next_run(
    station: Station, storage: Storage, bucket: Bucket
) -> None:
    storage.put("210727/a.csv", b"a")
    storage.put("210727/b.csv", b"old")
    storage.put("210727/c.csv", b"gone")

    def meanwhile() -> None:
        storage.put("210727/b.csv", b"new")
        storage.remove("210727/c.csv")

    once = iter([meanwhile])
    pulled = station.pull(bucket(), on_file=lambda: next(once, lambda: None)())
    assert pulled.waiting == (
        "cloud: 210727/b.csv: was changed or removed meanwhile",
        "cloud: 210727/c.csv: was changed or removed meanwhile",
    )
    station.pull(bucket())
    assert station.held() == {"210727/a.csv": b"a", "210727/b.csv": b"new"}


def test_refused_keys_are_said_once_and_never_shown(
    station: Station, storage: Storage, bucket: Bucket
) -> None:
    storage.close_to_strangers()
    (sentence,) = station.pull(bucket()).waiting
    assert "InvalidAccessKeyId" in sentence
    assert "JZEDU_SOURCE_CLOUD_ACCESS_KEY and JZEDU_SOURCE_CLOUD_SECRET_KEY" in sentence
    assert "reader" not in sentence
    assert "a secret" not in sentence
    assert station.slept == []


def test_one_key_without_the_other_is_said(
    station: Station, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JZEDU_SOURCE_CLOUD_SECRET_KEY")
    assert station.pull(bucket()).waiting == (
        "cloud: one of the two keys is missing: JZEDU_SOURCE_CLOUD_SECRET_KEY",
    )


def test_no_keys_but_those_given_are_used(
    station: Station,
    storage: Storage,
    bucket: Bucket,
    relay: OpenRelay,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage.put("210727/a.csv", b"a")
    folder = Path.home() / ".aws"
    folder.mkdir()
    profile = "[{}]\naws_access_key_id = PROFILEKEY\naws_secret_access_key = s\nregion = moon\n"
    (folder / "credentials").write_text(profile.format("default") + profile.format("work"))
    (folder / "config").write_text("[default]\nendpoint_url = http://127.0.0.1:1\n")
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "MACHINEKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "MACHINETOKEN")
    between = relay(storage.port)
    settings = bucket(endpoint=f"http://127.0.0.1:{between.port}")
    assert probe(settings, station.home) is None
    assert b"Credential=reader/" in between.sent
    between.sent = b""
    monkeypatch.delenv("JZEDU_SOURCE_CLOUD_ACCESS_KEY")
    monkeypatch.delenv("JZEDU_SOURCE_CLOUD_SECRET_KEY")
    assert probe(settings, station.home) is None
    assert b"GET /submissions" in between.sent
    assert b"uthorization" not in between.sent
    assert b"MACHINE" not in between.sent
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    assert probe(settings, station.home) is None


def test_a_certificate_nobody_vouches_for_is_refused(
    station: Station, storage: Storage, bucket: Bucket, relay: OpenRelay, authority: Authority
) -> None:
    storage.put("210727/a.csv", b"a")
    between = relay(storage.port, authority.context())
    endpoint = f"https://127.0.0.1:{between.port}"
    (sentence,) = station.pull(bucket(endpoint=endpoint)).waiting
    assert "is not trusted" in sentence
    assert "ca_file" in sentence
    assert (station.slept, between.sent) == ([], b"")
    settings = bucket(endpoint=endpoint, ca_file=str(authority.file))
    assert station.pull(settings).waiting == ()
    assert station.held() == {"210727/a.csv": b"a"}
    sentence = probe(bucket(endpoint=endpoint, ca_file="nowhere.pem"), station.home) or ""
    assert "nowhere.pem" in sentence


def test_probe(station: Station, bucket: Bucket, closed_port: int) -> None:
    assert probe(bucket(), station.home) is None
    assert "NoSuchBucket; check bucket" in (probe(bucket(bucket="other"), station.home) or "")
    nobody = bucket(endpoint=f"http://127.0.0.1:{closed_port}")
    assert "cannot be reached" in (probe(nobody, station.home) or "")
    assert "check bucket" not in (probe(nobody, station.home) or "")


def test_storage_that_is_down_is_tried_again_and_then_said(
    station: Station, bucket: Bucket, closed_port: int
) -> None:
    (sentence,) = station.pull(bucket(endpoint=f"http://127.0.0.1:{closed_port}")).waiting
    assert "cannot be reached" in sentence
    assert station.slept == [1.0, 5.0, 20.0]


class Told:
    """A storage that tells of its objects whatever times it is given, in its list and with the object."""

    def __init__(self) -> None:
        #: By key: what the list tells, and what stands above the object; None where nothing does.
        self.times: dict[str, tuple[str | None, str | None]] = {}
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                key = self.path.partition("?")[0].removeprefix("/submissions").strip("/")
                listed = "".join(told.entry(name) for name in told.times).encode()
                whole = b"<ListBucketResult>%s</ListBucketResult>" % listed
                self.send_response(200)
                if key:
                    whole = key.encode()
                    self.send_header("ETag", f'"{key}"')
                    if (time := told.times[key][1]) is not None:
                        self.send_header("Last-Modified", time)
                self.send_header("Content-Length", str(len(whole)))
                self.end_headers()
                self.wfile.write(whole)

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def entry(self, key: str) -> str:
        time = self.times[key][0]
        changed = "" if time is None else f"<LastModified>{time}</LastModified>"
        size = f"<ETag>&quot;{key}&quot;</ETag><Size>{len(key)}</Size>"
        return f"<Contents><Key>{key}</Key>{changed}{size}</Contents>"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def told() -> Iterator[Told]:
    with contextlib.closing(Told()) as running:
        yield running


GOOD = ("2020-09-01T02:00:00.000Z", "Tue, 01 Sep 2020 02:00:00 GMT")


@pytest.mark.parametrize(
    ("listed", "headed"),
    [
        ("10000-01-01T00:00:00.000Z", "Sat, 01 Jan 10000 00:00:00 GMT"),
        ("9999-12-31T23:00:00-08:00", "Fri, 31 Dec 9999 23:00:00 -0800"),
        ("99999999999-01-01T00:00:00Z", "Mon, 01 Jan 99999999999 00:00:00 GMT"),
        ("0001-01-01T00:00:00+08:00", "Mon, 01 Jan 0001 00:00:00 +0800"),
        ("0000-01-01T00:00:00.000Z", "Sat, 01 Jan 0000 00:00:00 GMT"),
        ("-2020-09-01T02:00:00.000Z", "-2020-09-01T02:00:00Z"),
        ("-62135596801", "-62135596801"),
        ("253402300800", "253402300800"),
        ("1e300", "nan"),
        ("2020-09-01T02:00:00+99:00", "Tue, 01 Sep 2020 02:00:00 +9900"),
        ("yesterday", "yesterday"),
    ],
)
def test_an_object_of_an_impossible_time_is_left_and_the_others_are_taken(
    station: Any, told: Told, bucket: Any, put_file: Any, listed: str, headed: str
) -> None:
    """Whether the list tells that time, or only the object itself."""
    put_file(station.inbox / "210727/inbox.csv", b"inbox")
    told.times = {
        "210727/a.csv": (listed, GOOD[1]),
        "210727/b.csv": (GOOD[0], headed),
        "210727/c.csv": GOOD,
    }
    pulled = station.pull(bucket(endpoint=told.endpoint))
    assert station.held() == {"210727/c.csv": b"210727/c.csv", "210727/inbox.csv": b"inbox"}
    assert station.receipt("210727/c.csv").received_at == datetime(2020, 9, 1, 2)
    assert (pulled.failed, len(pulled.refused)) == ((), 2)
    for name, sentence in zip("ab", pulled.refused, strict=True):
        assert sentence.startswith(
            f"cloud: 210727/{name}.csv: the time of its last change is impossible"
        )


def test_a_time_before_1970_is_a_time(station: Any, told: Told, bucket: Any) -> None:
    told.times = {"210727/a.csv": ("1969-12-31T23:59:59Z", "Wed, 31 Dec 1969 23:59:59 GMT")}
    assert station.pull(bucket(endpoint=told.endpoint)).waiting == ()
    assert station.receipt("210727/a.csv").received_at == datetime(1969, 12, 31, 23, 59, 59)


def test_an_object_without_a_time_is_received_when_it_is_first_seen(
    station: Any, told: Told, bucket: Any
) -> None:
    told.times = {"210727/a.csv": (None, None), "210727/b.csv": GOOD}
    assert station.pull(bucket(endpoint=told.endpoint)).waiting == ()
    assert station.receipt("210727/a.csv").received_at == station.now
    assert station.receipt("210727/b.csv").received_at == datetime(2020, 9, 1, 2)


def test_an_answer_that_lacks_what_every_storage_tells_costs_the_source_and_not_the_night(
    station: Any, told: Told, bucket: Any, put_file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file(station.inbox / "210727/inbox.csv", b"inbox")
    told.times = {"210727/a.csv": GOOD}
    monkeypatch.setattr(told, "entry", lambda key: f"<Contents><Key>{key}</Key></Contents>")
    (sentence,) = station.pull(bucket(endpoint=told.endpoint)).failed
    assert sentence == f"cloud: {told.endpoint}: an answer of it lacks 'ETag'"
    assert station.held() == {"210727/inbox.csv": b"inbox"}
