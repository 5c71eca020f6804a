"""Real servers on loopback, a relay that cuts connections, and a home that pulls from them.

No test waits: time and sleep are handed in, and whoever sleeps is written down.
"""

from __future__ import annotations

import hashlib
import os
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest
import trustme

from flows.sources.model import SourceState
from flows.sources.pull import pull_all
from flows.sources.settings import SourceSettings
from tests.conftest import english
from transforms.formats import Limits
from warehouse.archive import Archive, Receipt

#: The time at all homes; files are older than that unless a test says otherwise.
NOW = datetime(2021, 3, 1, 18, 0)
#: When a file was handed in, where nothing else is said (UTC).
RECEIVED = datetime(2020, 9, 15, 2, 0)


@dataclass(frozen=True)
class Told:
    """What a round over the sources gave, with its sentences in English."""

    found: int
    receipts: tuple[Receipt, ...]
    waiting: tuple[str, ...]
    failed: tuple[str, ...]
    refused: tuple[str, ...]
    sources: tuple[SourceState, ...]


@dataclass
class Station:
    """A home with its inbox and archive, and what happened while it pulled."""

    home: Path
    now: datetime = NOW
    limits: Limits = field(default_factory=Limits)
    slept: list[float] = field(default_factory=list)
    #: Called in the place of every sleep.
    meanwhile: Callable[[], None] = lambda: None

    @property
    def inbox(self) -> Path:
        return self.home / "inbox"

    @property
    def archive(self) -> Archive:
        return Archive(self.home / "archive")

    def pull(self, *sources: SourceSettings, on_file: Callable[[], None] = lambda: None) -> Told:
        pulled = pull_all(
            sources,
            self.inbox,
            self.archive,
            self.limits,
            self.home,
            on_file,
            now=lambda: self.now,
            sleep=self._sleep,
        )
        sentences = map(english, (pulled.waiting, pulled.failed, pulled.refused))
        return Told(pulled.found, pulled.receipts, *sentences, pulled.sources)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.meanwhile()

    def held(self) -> dict[str, bytes]:
        """What the archive holds, by the path of the receipt; every original has one."""
        receipts = list(self.archive.receipts())
        assert {r.sha256 for r in receipts} == set(self.originals())
        return {r.path: self.archive.read(r.sha256) for r in receipts}

    def originals(self) -> list[str]:
        """The names of all files of the archive but for its receipts."""
        root = self.archive.root
        files = (f for f in root.rglob("*") if f.is_file()) if root.exists() else ()
        return sorted(f.name for f in files if f.parent.name != "receipts")

    def receipt(self, path: str) -> Receipt:
        (found,) = [r for r in self.archive.receipts() if r.path == path]
        return found


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Station:
    """A home without any file or credentials, and a user without any configuration."""
    for name in list(os.environ):
        if name.startswith(("JZEDU_", "AWS_", "SSH_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    user = tmp_path / "user"
    user.mkdir()
    monkeypatch.setenv("HOME", str(user))
    # Files of a test are as new as they can be, and nobody writes them again by chance.
    monkeypatch.setattr("flows.sources.folder.RESOLUTION", -1)
    home = tmp_path / "home"
    (home / "inbox").mkdir(parents=True)
    return Station(home)


def put(file: Path, content: bytes, changed: datetime = RECEIVED) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    stamp = (changed.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )
    os.utime(file, ns=(stamp * 1000, stamp * 1000))
    return file


class PutFile(Protocol):
    """Write a file, last changed at a given time (UTC)."""

    def __call__(self, file: Path, content: bytes, changed: datetime = RECEIVED) -> Path: ...


@pytest.fixture
def put_file() -> PutFile:
    """Write a file, last changed at a given time (UTC)."""
    return put


@pytest.fixture
def noise() -> Callable[[int], bytes]:
    """So many bytes that no one can compress, always the same."""

    def make(size: int) -> bytes:
        blocks = (hashlib.sha256(str(n).encode()).digest() for n in range(size // 32 + 1))
        return b"".join(blocks)[:size]

    return make


class Relay:
    """A port that passes on to another one, and cuts connections on demand.

    ``cut`` holds numbers of bytes: the first connection over which so many would come from the
    server is cut there, and the number is used up. With a TLS context, the relay speaks TLS to
    its clients.
    """

    def __init__(self, target: tuple[str, int], tls: ssl.SSLContext | None = None) -> None:
        self.cut: list[int] = []
        self.sent = b""  # by clients
        self.received = 0  # bytes, by clients
        relay = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                client = self.request
                with ExitStack() as stack:
                    if tls is not None:
                        try:
                            client = stack.enter_context(tls.wrap_socket(client, server_side=True))
                        except OSError:
                            return
                    server = stack.enter_context(socket.create_connection(target))
                    relay._pass(client, server)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while True:
                pending = isinstance(client, ssl.SSLSocket) and client.pending()
                ready = [client] if pending else select.select([client, server], [], [])[0]
                if client in ready:
                    data = client.recv(65536)
                    if not data:
                        return
                    self.sent += data
                    server.sendall(data)
                if server in ready:
                    data = server.recv(65536)
                    if self.cut and passed + len(data) >= self.cut[0]:
                        client.sendall(data[: self.cut.pop(0) - passed])
                        return
                    if not data:
                        return
                    passed += len(data)
                    self.received += len(data)
                    client.sendall(data)
        except OSError:
            return

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class OpenRelay(Protocol):
    """A relay to a port of this machine."""

    def __call__(self, port: int, tls: ssl.SSLContext | None = None) -> Relay: ...


@pytest.fixture
def relay() -> Iterator[OpenRelay]:
    """Relays to ports of this machine."""
    with ExitStack() as stack:

        def make(port: int, tls: ssl.SSLContext | None = None) -> Relay:
            made = Relay(("127.0.0.1", port), tls)
            stack.callback(made.close)
            return made

        yield make


@dataclass(frozen=True)
class Authority:
    """A certificate authority nobody knows; ``file`` is its certificate."""

    ca: trustme.CA
    file: Path

    def context(self, not_after: datetime | None = None) -> ssl.SSLContext:
        """A server with a certificate for 127.0.0.1."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("127.0.0.1", not_after=not_after).configure_cert(context)
        return context


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    ca = trustme.CA()
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    return Authority(ca, file)


@pytest.fixture
def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
