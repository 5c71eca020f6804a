"""SFTP against a real server: what is taken, what is refused, and what a cut connection leaves."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import datetime, timedelta
from functools import partialmethod
from pathlib import Path
from typing import Any, Protocol

import asyncssh
import pytest

from flows.sources.pull import probe
from flows.sources.settings import SftpSettings
from tests.flows.sources.conftest import OpenRelay, PutFile, Station

PASSWORD = "correct horse"


class SftpServer:
    """An SFTP server over a folder, with one user; ``opened`` are the files it was asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.opened: list[str] = []
        self.forbidden: set[bytes] = set()
        #: The name of a file of which each request gets one byte, and not at once.
        self.drip = b""
        self.endless = False
        #: Times of change, by the names of files: in the list, and of the file that is open.
        self.listed: dict[bytes, int] = {}
        self.opened_as: dict[bytes, int] = {}
        #: Called before each piece of a file is read.
        self.on_read: Callable[[], object] = lambda: None
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._listen()

    def _listen(self) -> None:
        served = self

        class Login(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                return True

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == ("jzedu", PASSWORD)

        class Files(asyncssh.SFTPServer):
            def __init__(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
                super().__init__(channel, chroot=str(served.root).encode())

            async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
                if os.path.basename(path) in served.forbidden:
                    raise asyncssh.SFTPPermissionDenied("Permission denied")
                async for entry in super().scandir(path):
                    assert isinstance(entry.filename, bytes)
                    entry.attrs.mtime = served.listed.get(entry.filename, entry.attrs.mtime)
                    yield entry
                number = 0
                while served.endless:
                    name = f"{(number := number + 1)}.csv".encode()
                    yield asyncssh.SFTPName(name, attrs=asyncssh.SFTPAttrs(permissions=0o100644))

            def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
                served.opened.append(path.decode("utf-8", "replace").lstrip("/"))
                if os.path.basename(path) in served.forbidden:
                    raise asyncssh.SFTPPermissionDenied("Permission denied")
                return super().open(path, pflags, attrs)

            def fstat(self, file_obj: Any) -> asyncssh.SFTPAttrs:
                found = super().fstat(file_obj)
                assert isinstance(found, os.stat_result)
                facts = asyncssh.SFTPAttrs.from_local(found)
                name = os.path.basename(os.fsencode(file_obj.name))
                facts.mtime = served.opened_as.get(name, facts.mtime)
                return facts

            async def read(self, file_obj: Any, offset: int, size: int) -> bytes:
                served.on_read()
                if served.drip and file_obj.name.endswith(served.drip):
                    await asyncio.sleep(0.01)
                    size = 1
                data = super().read(file_obj, offset, size)
                assert isinstance(data, bytes)
                return data

        async def listen() -> asyncssh.SSHAcceptor:
            authorized = self.user_key.export_public_key("openssh").decode()
            return await asyncssh.listen(
                "127.0.0.1",
                0,
                server_factory=Login,
                server_host_keys=[self.host_key],
                authorized_client_keys=asyncssh.import_authorized_keys(authorized),
                sftp_factory=Files,
                sftp_version=6,  # where the client knows it
                gss_host=None,
            )

        self._server = self._do(listen())
        self.port = self._server.get_port()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def known(self, port: int | None = None) -> str:
        """The line of a known_hosts file that vouches for this server."""
        return f"[127.0.0.1]:{port or self.port} {self.host_key.export_public_key().decode()}"

    def close(self) -> None:
        async def stop() -> None:
            self._server.close()
            await self._server.wait_closed()

        self._do(stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SftpServer]:
    root = tmp_path / "served"
    root.mkdir()
    made = SftpServer(root)
    yield made
    made.close()


class Counties(Protocol):
    """Settings for the server."""

    def __call__(self, **values: object) -> SftpSettings: ...


@pytest.fixture
def counties(server: SftpServer, station: Station, monkeypatch: pytest.MonkeyPatch) -> Counties:
    """Settings for the server, whose key is known, with the password in the environment."""
    (station.home / "known_hosts").write_text(server.known())
    monkeypatch.setenv("JZEDU_SOURCE_COUNTIES_PASSWORD", PASSWORD)

    def make(**values: object) -> SftpSettings:
        return SftpSettings.model_validate(
            {
                "kind": "sftp",
                "name": "counties",
                "host": "127.0.0.1",
                "port": server.port,
                "username": "jzedu",
                "path": "/",
                **values,
            }
        )

    return make


def test_files_arrive_whole_with_path_and_time_of_receipt(
    station: Station,
    server: SftpServer,
    counties: Counties,
    put_file: PutFile,
    noise: Callable[[int], bytes],
) -> None:
    big = noise(3_000_000)
    put_file(server.root / "210727/2020/学校.xlsx", big, datetime(2020, 10, 2, 3, 4, 5))
    put_file(server.root / "义县/班级.csv", b"a,b\n")
    looked = []
    pulled = station.pull(counties(), on_file=lambda: looked.append(1))
    assert station.held() == {"210727/2020/学校.xlsx": big, "义县/班级.csv": b"a,b\n"}
    assert station.receipt("210727/2020/学校.xlsx").received_at == datetime(2020, 10, 2, 3, 4, 5)
    assert (pulled.found, len(pulled.receipts), pulled.waiting) == (2, 2, ())
    assert len(looked) == 2


def test_only_what_changed_is_fetched(
    station: Station, server: SftpServer, counties: Counties, put_file: PutFile
) -> None:
    put_file(server.root / "210727/a.csv", b"a")
    put_file(server.root / "210727/b.csv", b"b")
    station.pull(counties())
    server.opened.clear()
    assert station.pull(counties()).receipts == ()
    assert server.opened == []
    put_file(server.root / "210727/b.csv", b"B", datetime(2020, 11, 1))
    (receipt,) = station.pull(counties()).receipts
    assert receipt.path == "210727/b.csv"
    assert server.opened == ["210727/b.csv"]


def test_without_its_memory_all_is_fetched_and_nothing_is_new(
    station: Station, server: SftpServer, counties: Counties, put_file: PutFile
) -> None:
    put_file(server.root / "210727/a.csv", b"a")
    station.pull(counties())
    memory = station.home / "sources" / "counties.json"
    for spoil in (memory.unlink, lambda: memory.write_text("{half")):
        spoil()
        server.opened.clear()
        assert station.pull(counties()).receipts == ()
        assert server.opened == ["210727/a.csv"]


def test_the_archive_and_not_the_memory_says_what_is_known(
    station: Station, server: SftpServer, counties: Counties, put_file: PutFile
) -> None:
    put_file(server.root / "210727/a.csv", b"a")
    station.pull(counties())
    for file in (station.archive.root / "receipts").iterdir():
        file.unlink()
    (receipt,) = station.pull(counties()).receipts
    assert receipt.path == "210727/a.csv"


def test_a_transfer_that_is_cut_off_starts_again_and_leaves_nothing_half(
    station: Station,
    server: SftpServer,
    counties: Counties,
    put_file: PutFile,
    noise: Callable[[int], bytes],
    relay: OpenRelay,
) -> None:
    whole = noise(2_000_000)
    put_file(server.root / "210727/a.csv", whole)
    between = relay(server.port)
    (station.home / "known_hosts").write_text(server.known(between.port))
    between.cut = [1_000_000]
    left: list[list[str]] = []
    station.meanwhile = lambda: left.append(station.originals())
    pulled = station.pull(counties(port=between.port))
    assert (station.slept, left) == ([1.0], [[]])
    assert between.received >= 2_000_000
    assert station.held() == {"210727/a.csv": whole}
    assert pulled.waiting == ()


def test_a_line_that_is_always_cut_costs_its_file_and_not_the_run(
    station: Station,
    server: SftpServer,
    counties: Counties,
    put_file: PutFile,
    noise: Callable[[int], bytes],
    relay: OpenRelay,
) -> None:
    put_file(server.root / "210727/a.csv", noise(2_000_000))
    between = relay(server.port)
    (station.home / "known_hosts").write_text(server.known(between.port))
    between.cut = [1_000_000] * 4
    put_file(station.inbox / "210727/b.csv", b"b")
    (sentence,) = station.pull(counties(port=between.port)).waiting
    assert sentence.startswith("counties: 210727/a.csv: 127.0.0.1")
    assert station.slept == [1.0, 5.0, 20.0]
    assert station.held() == {"210727/b.csv": b"b"}
    station.pull(counties(port=between.port))
    assert set(station.held()) == {"210727/a.csv", "210727/b.csv"}


def test_an_unknown_server_is_refused_with_its_fingerprint_and_the_line_to_add(
    station: Station, server: SftpServer, counties: Counties, put_file: PutFile
) -> None:
    put_file(server.root / "210727/a.csv", b"a")
    known_hosts = station.home / "known_hosts"
    known_hosts.unlink()
    (sentence,) = station.pull(counties()).waiting
    assert server.host_key.get_fingerprint() in sentence
    assert str(known_hosts) in sentence
    assert station.slept == []
    assert station.held() == {}
    known_hosts.write_text(sentence.rpartition(f"{known_hosts}: ")[2] + "\n")
    assert station.pull(counties()).waiting == ()
    assert station.held() == {"210727/a.csv": b"a"}


def test_a_known_server_with_another_key_is_refused(
    station: Station, server: SftpServer, counties: Counties
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    (station.home / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {other}")
    (sentence,) = station.pull(counties()).waiting
    assert "shows another key than" in sentence
    assert server.host_key.get_fingerprint() in sentence
    assert station.slept == []


def test_a_known_server_with_a_key_of_another_kind_is_refused(
    station: Station, server: SftpServer, counties: Counties
) -> None:
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()
    (station.home / "known_hosts").write_text(f"[127.0.0.1]:{server.port} {other}")
    (sentence,) = station.pull(counties()).waiting
    # Either side may hang up first: where the server does, it is tried again before this is known.
    assert "another kind" in sentence


def test_what_the_user_trusts_elsewhere_does_not_count(
    station: Station, server: SftpServer, counties: Counties, monkeypatch: pytest.MonkeyPatch
) -> None:
    (station.home / "known_hosts").write_text("# nobody\n")
    own = Path(os.environ["HOME"], ".ssh")
    own.mkdir()
    (own / "known_hosts").write_text(server.known())
    (own / "config").write_text("Host *\n  ProxyCommand false\n")
    assert "is not known" in (probe(counties(), station.home) or "")
    (station.home / "known_hosts").write_text(server.known())
    server.user_key.write_private_key(own / "id_ed25519")
    monkeypatch.delenv("JZEDU_SOURCE_COUNTIES_PASSWORD")
    assert "refused the login" in (probe(counties(), station.home) or "")


def test_a_key_opens_the_server_with_its_passphrase(
    station: Station, server: SftpServer, counties: Counties, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.user_key.write_private_key(station.home / "plain")
    server.user_key.write_private_key(station.home / "locked", passphrase="a phrase", rounds=50)
    monkeypatch.delenv("JZEDU_SOURCE_COUNTIES_PASSWORD")
    monkeypatch.setenv("JZEDU_SOURCE_COUNTIES_KEY_FILE", "plain")
    assert probe(counties(), station.home) is None
    monkeypatch.setenv("JZEDU_SOURCE_COUNTIES_KEY_FILE", str(station.home / "locked"))
    sentence = probe(counties(), station.home) or ""
    assert "JZEDU_SOURCE_COUNTIES_KEY_FILE" in sentence
    assert "JZEDU_SOURCE_COUNTIES_PASSWORD" in sentence
    monkeypatch.setenv("JZEDU_SOURCE_COUNTIES_PASSWORD", "a phrase")
    assert probe(counties(), station.home) is None
    monkeypatch.setenv("JZEDU_SOURCE_COUNTIES_KEY_FILE", "nowhere")
    assert "No such file" in (probe(counties(), station.home) or "")


def test_a_refused_login_is_said_once_and_never_with_the_password(
    station: Station, server: SftpServer, counties: Counties, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JZEDU_SOURCE_COUNTIES_PASSWORD", "wrong battery")
    (sentence,) = station.pull(counties()).waiting
    assert "refused the login of jzedu; check JZEDU_SOURCE_COUNTIES_PASSWORD" in sentence
    assert "battery" not in sentence
    assert station.slept == []


def test_secrets_are_struck_out_of_whatever_is_said(station: Station, counties: Counties) -> None:
    settings = counties(path=f"/{PASSWORD}")
    (sentence,) = station.pull(settings).waiting
    assert sentence.startswith("counties: /… on 127.0.0.1: ")
    assert (probe(settings, station.home) or "").startswith("/… on 127.0.0.1: ")


def test_links_pipes_lock_files_and_other_kinds_are_never_opened(
    station: Station, server: SftpServer, counties: Counties, put_file: PutFile
) -> None:
    good = put_file(server.root / "210727/a.csv", b"a")
    put_file(server.root / "a.csv", b"no unit, which is for the gate to say")
    (server.root / "link.csv").symlink_to(good)
    put_file(server.root / "210727/~$a.xlsx", b"lock")
    put_file(server.root / "210727/.hidden.csv", b"hidden")
    put_file(server.root / "210727/a.pdf", b"pdf")
    (server.root / "210727/link.csv").symlink_to(good)
    (server.root / "210727/again").symlink_to(server.root / "210727")
    (server.root / "unit").symlink_to(server.root / "210727")
    os.mkfifo(server.root / "210727/pipe.csv")
    pulled = station.pull(counties())
    assert (pulled.found, pulled.waiting) == (2, ())
    assert server.opened == ["210727/a.csv", "a.csv"]


def test_names_in_gb_18030_are_read_and_bad_ones_are_named(
    station: Station, server: SftpServer, counties: Counties, put_file: PutFile
) -> None:
    folder = os.fsencode(server.root) + b"/210727"
    os.mkdir(folder)
    for name in ("学校.csv".encode("gb18030"), b"\xff\xff.csv", b"back\\slash.csv"):
        with open(folder + b"/" + name, "wb") as file:
            file.write(b"x")
        os.utime(folder + b"/" + name, (1_600_000_000, 1_600_000_000))
    pulled = station.pull(counties())
    assert set(station.held()) == {"210727/学校.csv"}
    assert sorted(pulled.waiting) == [
        "counties: 210727/back\\slash.csv: its path holds an empty part, . or .., a drive, a"
        " backslash or a control character",
        "counties: b'210727/\\xff\\xff.csv': this name is neither UTF-8 nor GB 18030",
    ]


def test_each_part_of_a_path_is_read_in_its_own_encoding(
    station: Station, server: SftpServer, counties: Counties
) -> None:
    folder = os.fsencode(server.root) + "/义县".encode()
    os.mkdir(folder)
    with open(folder + b"/" + "学校.csv".encode("gb18030"), "wb") as file:
        file.write(b"x")
    os.utime(folder + b"/" + "学校.csv".encode("gb18030"), (1_600_000_000, 1_600_000_000))
    station.pull(counties())
    assert set(station.held()) == {"义县/学校.csv"}


def test_a_file_still_being_uploaded_waits(
    station: Station, server: SftpServer, counties: Counties, put_file: PutFile
) -> None:
    put_file(server.root / "210727/a.csv", b"half", station.now - timedelta(seconds=59))
    (sentence,) = station.pull(counties()).waiting
    assert sentence.startswith("counties: 210727/a.csv: changed less than 60 seconds ago")
    assert (server.opened, station.held()) == ([], {})
    station.now += timedelta(seconds=1)
    station.pull(counties())
    assert station.held() == {"210727/a.csv": b"half"}


def test_a_file_that_grows_while_it_is_read_waits(
    station: Station, server: SftpServer, counties: Counties, put_file: PutFile
) -> None:
    file = put_file(server.root / "210727/a.csv", b"half")
    server.on_read = lambda: file.write_bytes(b"more than half")
    assert station.pull(counties()).waiting == ("counties: 210727/a.csv: is still being written",)
    assert station.held() == {}


def test_a_file_over_the_limit_is_left_there(
    station: Station, server: SftpServer, counties: Counties, put_file: PutFile
) -> None:
    station.limits = type(station.limits)(file_bytes=2**20)
    put_file(server.root / "210727/a.csv", bytes(2**20))
    file = put_file(server.root / "210727/b.csv", bytes(2**20 + 1))
    (sentence,) = station.pull(counties()).waiting
    assert sentence.startswith("counties: 210727/b.csv: is larger than 1 MB")
    assert server.opened == ["210727/a.csv"]
    # It may also have grown since it was listed.
    put_file(file, bytes(10))
    server.on_read = lambda: file.write_bytes(bytes(2**21))
    (sentence,) = station.pull(counties()).waiting
    assert sentence.startswith("counties: 210727/b.csv: is larger than 1 MB")


def test_what_may_not_be_read_is_named_and_the_rest_is_taken(
    station: Station, server: SftpServer, counties: Counties, put_file: PutFile
) -> None:
    put_file(server.root / "210726/a.csv", b"a")
    put_file(server.root / "210727/b.csv", b"b")
    put_file(server.root / "210781/c.csv", b"c")
    server.forbidden = {b"210726", b"b.csv"}
    assert station.pull(counties()).waiting == (
        "counties: 210726: Permission denied",
        "counties: 210727/b.csv: the server does not give it out (Permission denied)",
    )
    assert set(station.held()) == {"210781/c.csv"}
    assert station.slept == []


def test_a_server_that_is_down_is_tried_again_and_then_said(
    station: Station, counties: Counties, closed_port: int
) -> None:
    (sentence,) = station.pull(counties(port=closed_port)).waiting
    assert f"counties: 127.0.0.1, port {closed_port} cannot be reached" in sentence
    assert station.slept == [1.0, 5.0, 20.0]


def test_probe(station: Station, server: SftpServer, counties: Counties, closed_port: int) -> None:
    assert probe(counties(), station.home) is None
    assert "cannot be reached" in (probe(counties(port=closed_port), station.home) or "")
    assert "check path" in (probe(counties(path="/nowhere"), station.home) or "")
    assert "check host" in (probe(counties(host="a..b"), station.home) or "")
    (station.home / "known_hosts").write_bytes(b"\xff\xfe")
    assert "known_hosts" in (probe(counties(), station.home) or "")


def test_a_file_that_comes_byte_by_byte_is_left_and_the_next_is_taken(
    station: Station, server: SftpServer, counties: Counties, put_file: PutFile
) -> None:
    put_file(server.root / "210727" / "a.csv", b"x" * 100_000)
    put_file(server.root / "210727" / "b.csv", b"whole")
    server.drip = b"a.csv"
    pulled = station.pull(counties(file_seconds=1))
    assert station.held() == {"210727/b.csv": b"whole"}
    (sentence,) = pulled.refused
    assert sentence.startswith("counties: 210727/a.csv: did not arrive whole within 1 seconds")


def test_a_folder_without_end_is_given_up(
    station: Station, server: SftpServer, counties: Counties
) -> None:
    server.endless = True
    (sentence,) = station.pull(counties(most_entries=500)).failed
    assert sentence.startswith("counties: it lists more than 500 files and folders")


@pytest.mark.parametrize("seconds", [253_402_300_800, 2**63, 2**64 - 1, 2**64 - 62_135_596_801])
def test_a_file_of_an_impossible_time_is_left_and_the_others_are_taken(
    station: Any,
    server: SftpServer,
    counties: Any,
    put_file: Any,
    monkeypatch: pytest.MonkeyPatch,
    seconds: int,
) -> None:
    """Year 10000 and beyond, -1 and before year 1, as a server tells them that speaks SFTP 6.

    Version 3, which we ask for, knows no such times; but a server may answer with another version.
    """
    start = partialmethod(asyncssh.SSHClientConnection.start_sftp_client, sftp_version=6)
    monkeypatch.setattr(asyncssh.SSHClientConnection, "start_sftp_client", start)
    put_file(station.inbox / "210727/inbox.csv", b"inbox")
    for name in "abc":
        put_file(server.root / f"210727/{name}.csv", name.encode())
    server.listed[b"a.csv"] = server.opened_as[b"b.csv"] = seconds
    pulled = station.pull(counties())
    assert station.held() == {"210727/c.csv": b"c", "210727/inbox.csv": b"inbox"}
    assert (pulled.failed, len(pulled.refused)) == ((), 2)
    for name, sentence in zip("ab", pulled.refused, strict=True):
        assert sentence.startswith(
            f"counties: 210727/{name}.csv: the time of its last change is impossible"
        )


def test_the_first_and_the_last_time_of_version_3_are_taken(
    station: Any, server: SftpServer, counties: Any, put_file: Any
) -> None:
    """The last one, which is -1 where the server keeps such a time, is dated in the future."""
    put_file(server.root / "210727/a.csv", b"a")
    put_file(server.root / "210727/b.csv", b"b")
    server.listed = server.opened_as = {b"a.csv": 0, b"b.csv": 2**32 - 1}
    assert station.pull(counties()).waiting == ()
    first, last = (station.receipt(f"210727/{name}.csv") for name in "ab")
    assert (first.received_at, first.taken_at) == (datetime(1970, 1, 1), None)
    assert (last.received_at, last.taken_at) == (datetime(2106, 2, 7, 6, 28, 15), station.now)
