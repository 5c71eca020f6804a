"""A folder on an SFTP server as a source.

The server's key is checked before anything is sent to it; nothing of the user's own SSH
configuration, keys or agent is used. Links are not followed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import asyncssh

from flows.sources.collect import too_large
from flows.sources.credentials import Credentials
from flows.sources.limits import Clock
from flows.sources.model import (
    BEING_WRITTEN,
    MOST_FOLDERS,
    NO_ENCODING,
    Delivery,
    Interrupted,
    Listing,
    NotTaken,
    NotYet,
    Offer,
    SourceError,
    decoded,
    incomplete,
    moment_of,
    unsafe,
    wanted,
)
from flows.sources.settings import SftpSettings, variable
from transforms.texts import Text, said_by_system, same

_CHUNK: Final = 2**20  # bytes asked for at a time; asyncssh reads them in parallel
_SSH_PORT: Final = 22
#: What the client raises for every request after the connection has gone.
_CUT_OFF: Final = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)
T = TypeVar("T")


class SftpSource:
    """The files below a folder of an SFTP server, over one connection at a time."""

    def __init__(
        self, settings: SftpSettings, credentials: Credentials, home: Path, limit: int
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._home = home
        self._known_hosts = home / settings.known_hosts
        self._limit = limit
        self._clock = Clock(settings)
        self._witness = _Witness()
        self._loop = asyncio.Runner()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None

    def files(self) -> Listing:
        """Return all files below the root."""
        self._clock.start_list()
        return self._run(self._files, one=False)

    def probe(self) -> None:
        """Connect and look into the root."""
        self._run(self._root_entries, one=True)

    def close(self) -> None:
        """Close the connection and its event loop."""
        self._loop.run(self._hang_up())
        self._loop.close()

    async def _files(self, client: asyncssh.SFTPClient) -> Listing:
        listing = Listing()
        for name, facts in await self._root_entries(client):
            await self._look_at(client, _below(self._root, name), name, facts, listing)
        listing.offers.sort(key=lambda offer: offer.path)
        return listing

    async def _walk(
        self, client: asyncssh.SFTPClient, place: bytes, path: bytes, listing: Listing
    ) -> None:
        """List the folder at ``place``; ``path`` is the same below the root."""
        folder = decoded(path)
        if folder is None:
            listing.refused.append(NO_ENCODING.at(repr(path)))
            return
        if path.count(b"/") >= MOST_FOLDERS:
            too_deep = Text(
                f"在 {MOST_FOLDERS} 层以下的文件夹中",
                f"lies below more than {MOST_FOLDERS} folders",
            )
            listing.refuse(folder, too_deep)
            return
        try:
            entries = await self._entries(client, place)
        except _CUT_OFF:
            raise
        except asyncssh.SFTPError as error:
            listing.refuse(folder, same(error.reason))
            return
        for name, facts in entries:
            await self._look_at(client, _below(place, name), _below(path, name), facts, listing)

    async def _look_at(
        self,
        client: asyncssh.SFTPClient,
        place: bytes,
        path: bytes,
        facts: asyncssh.SFTPAttrs,
        listing: Listing,
    ) -> None:
        """Offer a file, go down into a folder, leave links and devices alone."""
        if facts.type == asyncssh.FILEXFER_TYPE_DIRECTORY:
            await self._walk(client, place, path, listing)
        elif facts.type == asyncssh.FILEXFER_TYPE_REGULAR:
            self._offer(place, path, facts, listing)

    def _offer(
        self, place: bytes, path: bytes, facts: asyncssh.SFTPAttrs, listing: Listing
    ) -> None:
        text = decoded(path)
        if text is None:
            listing.refused.append(NO_ENCODING.at(repr(path)))
        elif wanted(text) and (reason := unsafe(text)):
            listing.refuse(text, reason)
        elif wanted(text):
            fetch = partial(self._deliver, place)
            try:
                changed = _changed(facts)
            except NotTaken as impossible:
                listing.refuse(text, impossible.text)
                return
            listing.offers.append(Offer(text, fetch, _mark(facts), facts.size, changed))

    def _deliver(self, place: bytes, _: str) -> Delivery:
        return self._run(partial(self._fetch, place), one=True)

    async def _fetch(self, place: bytes, client: asyncssh.SFTPClient) -> Delivery:
        data = bytearray()
        try:
            async with client.open(place, "rb") as file:
                before = await self._answer(file.stat())
                while chunk := await self._answer(file.read(_CHUNK)):
                    data += cast(bytes, chunk)
                    if len(data) > self._limit:
                        raise too_large(self._limit)
                after = await self._answer(file.stat())
        except _CUT_OFF:
            raise
        except asyncssh.SFTPError as error:
            # Many servers answer so for a file that is open elsewhere.
            raise NotTaken(
                f"服务器不提供这个文件（{error.reason}）",
                f"the server does not give it out ({error.reason})",
            ) from None
        if _mark(before) != _mark(after):
            raise NotYet(*BEING_WRITTEN)
        if len(data) != after.size:
            raise Interrupted(*incomplete(len(data), after.size))
        return Delivery(bytes(data), _changed(after), _mark(after))

    @property
    def _root(self) -> bytes:
        return self._settings.path.encode()

    async def _root_entries(
        self, client: asyncssh.SFTPClient
    ) -> list[tuple[bytes, asyncssh.SFTPAttrs]]:
        try:
            return await self._entries(client, self._root)
        except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPNoSuchFile) as error:
            path, host = self._settings.path, self._settings.host
            raise SourceError(
                f"{host} 上的 {path}：{error.reason}；请检查 path",
                f"{path} on {host}: {error.reason}; check path",
            ) from None

    async def _entries(
        self, client: asyncssh.SFTPClient, folder: bytes
    ) -> list[tuple[bytes, asyncssh.SFTPAttrs]]:
        """Return what stands in a folder, by name; with the type of each entry in its permissions."""
        found = []
        # Entry by entry: a folder that never ends is left before it fills the memory.
        scan = cast(AsyncGenerator[asyncssh.SFTPName, None], client.scandir(folder))
        async with aclosing(scan) as entries:
            while (entry := await self._answer(anext(entries, None))) is not None:
                name = entry.filename
                assert isinstance(name, bytes)  # because the folder was named in bytes
                if name not in (b".", b".."):
                    self._clock.listed()
                    facts = entry.attrs
                    if facts.permissions is None:
                        facts = await self._answer(client.lstat(_below(folder, name)))
                    found.append((name, facts))
        return sorted(found, key=lambda entry: entry[0])

    async def _answer(self, awaited: Awaitable[T]) -> T:
        """Return what one request gives, within the time for one answer."""
        async with asyncio.timeout(self._settings.timeout_seconds):
            return await awaited

    def _run(
        self, work: Callable[[asyncssh.SFTPClient], Coroutine[Any, Any, T]], *, one: bool
    ) -> T:
        """Do ``work`` on the connection, made if there is none; let go of it where it fails.

        ``one``: it is one request, and not a whole list, as far as its time goes.
        """
        allowed = self._clock.allowed(one=one)

        async def connected() -> T:
            if self._client is None:
                self._client = await self._connect()
            return await work(self._client)

        async def in_time() -> T:
            try:
                async with asyncio.timeout(allowed) as whole:
                    return await connected()
            except TimeoutError:
                if whole.expired():
                    await self._hang_up()
                    raise self._clock.too_long() from None
                raise

        with self._said_plainly():
            try:
                return self._loop.run(in_time())
            except (asyncssh.Error, OSError):
                self._loop.run(self._hang_up())
                raise

    async def _connect(self) -> asyncssh.SFTPClient:
        known_hosts = self._read_known_hosts()
        keys = self._read_key()
        self._connection = await asyncssh.connect(
            self._settings.host,
            self._settings.port,
            config=None,
            client_factory=lambda: self._witness,
            # An object and not its text: asyncssh takes an empty text for "the user's own file".
            known_hosts=known_hosts,
            x509_trusted_certs=None,
            username=self._settings.username,
            password=self._credentials.password,
            client_keys=keys,
            agent_path=None,
            gss_auth=False,
            gss_kex=False,
            connect_timeout=self._settings.timeout_seconds,
            login_timeout=self._settings.timeout_seconds,
        )
        return await self._answer(self._connection.start_sftp_client())

    async def _hang_up(self) -> None:
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()

    def _read_known_hosts(self) -> asyncssh.SSHKnownHosts:
        try:
            return asyncssh.import_known_hosts(self._known_hosts.read_text("utf-8"))
        except FileNotFoundError:
            return asyncssh.import_known_hosts("")
        except (OSError, ValueError) as error:
            place = same("known_hosts").further(self._known_hosts)
            raise SourceError(*_reason(error).at(place)) from None

    def _read_key(self) -> list[asyncssh.SSHKey] | None:
        """Return the private key; the password is its passphrase too. None, for no keys, is not []."""
        if self._credentials.key_file is None:
            return None
        file = self._home / self._credentials.key_file
        try:
            return [asyncssh.read_private_key(file, self._credentials.password)]
        except (OSError, ValueError) as error:
            why = _reason(error)
            names = [variable(self._settings.name, s) for s in ("key_file", "password")]
            raise SourceError(
                f"密钥 {file} 不能用：{why.zh}；请看 {names[0]}；它的口令（如有）写在 {names[1]}",
                f"the key {file} cannot be used: {why.en}; see {names[0]}; its passphrase, if it has one,"
                f" is {names[1]}",
            ) from None

    @contextmanager
    def _said_plainly(self) -> Iterator[None]:
        """Turn what the library raises into a sentence; what another try may mend, Interrupted."""
        settings = self._settings
        try:
            yield
        except asyncssh.HostKeyNotVerifiable as error:
            raise SourceError(*self._host_key_refused(error.reason)) from None
        except asyncssh.KeyExchangeFailed as error:
            raise SourceError(
                f"与 {settings.host} 未能商定加密方式（{error.reason}）；它的密钥是不是换了种类，与"
                f" {self._known_hosts} 中的不同？",
                f"no agreement with {settings.host} on how to encrypt ({error.reason}); has its key"
                f" become one of another kind than {self._known_hosts} holds?",
            ) from None
        except asyncssh.PermissionDenied:
            one, other = (variable(settings.name, s) for s in ("password", "key_file"))
            raise SourceError(
                f"{settings.host} 拒绝了 {settings.username} 的登录；请检查 {one} 或 {other}",
                f"{settings.host} refused the login of {settings.username}; check {one} or {other}",
            ) from None
        except asyncssh.Error as error:
            raise Interrupted(*same(error.reason).at(settings.host)) from None
        except OSError as error:
            why = _reason(error)
            raise Interrupted(
                f"{settings.host} 的端口 {settings.port} 连不上：{why.zh}",
                f"{settings.host}, port {settings.port} cannot be reached: {why.en}",
            ) from None
        except ValueError as error:
            raise SourceError(
                f"{settings.host}：{error}；请检查 host 和 username",
                f"{settings.host}: {error}; check host and username",
            ) from None

    def _host_key_refused(self, reason: str) -> Text:
        host, port, key = self._settings.host, self._settings.port, self._witness.presented
        if key is None:
            return Text(
                f"没有接受 {host} 的密钥：{reason}", f"the key of {host} is refused: {reason}"
            )
        special = port if port != _SSH_PORT else None
        place = f"[{host}]:{special}" if special else host
        line = f"{place} {key.export_public_key('openssh').decode().strip()}"
        fingerprint = f"{key.get_fingerprint()} ({key.get_algorithm()})"
        keys, authorities, *_ = self._read_known_hosts().match(host, "", special)
        if keys or authorities:
            return Text(
                f"{host} 出示的密钥与 {self._known_hosts} 中的不同：{fingerprint}。它换了密钥，或有人在中间冒充；"
                f"什么也没有发给它。请问它的管理员；新密钥如果没错，用这一行代替原来的：{line}",
                f"{host} shows another key than {self._known_hosts} holds for it: {fingerprint}. Its"
                " key was changed, or somebody stands in between; nothing was sent to it. Ask its"
                f" administrator; if the new key is right, put this in place of the old: {line}",
            )
        return Text(
            f"不认识 {host} 的密钥：{fingerprint}。请问它的管理员这是不是它的指纹；如果是，请把这一行加进"
            f" {self._known_hosts}：{line}",
            f"the key of {host} is not known: {fingerprint}. Ask its administrator whether this is"
            f" its fingerprint; if so, add this line to {self._known_hosts}: {line}",
        )


class _Witness(asyncssh.SSHClient):
    """Remembers the key of a server that the known hosts do not vouch for, and refuses it."""

    presented: asyncssh.SSHKey | None = None

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        """Judge a key, called by asyncssh with one that stands in no known host's line."""
        self.presented = key
        return False


def _below(folder: bytes, name: bytes) -> bytes:
    return folder.rstrip(b"/") + b"/" + name


def _mark(facts: asyncssh.SFTPAttrs) -> str:
    """Return size and time; "" where the server does not tell the time."""
    return f"{facts.size}:{facts.mtime}" if facts.mtime is not None else ""


def _changed(facts: asyncssh.SFTPAttrs) -> datetime | None:
    if facts.mtime is None:
        return None
    return moment_of(facts.mtime)


def _reason(error: Exception) -> Text:
    if isinstance(error, TimeoutError):
        return Text("没有及时应答", "no answer in time")
    return said_by_system(error) if isinstance(error, OSError) else same(error)
