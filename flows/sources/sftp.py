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
    MOST_FOLDERS,
    Delivery,
    Interrupted,
    Listing,
    NotTaken,
    NotYet,
    Offer,
    SourceError,
    decoded,
    moment_of,
    unsafe,
    wanted,
)
from flows.sources.settings import SftpSettings, variable
from transforms.names import shown

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
            listing.refused.append(f"{path!r}: this name is neither UTF-8 nor GB 18030")
            return
        if path.count(b"/") >= MOST_FOLDERS:
            listing.refused.append(f"{shown(folder)}: lies below more than {MOST_FOLDERS} folders")
            return
        try:
            entries = await self._entries(client, place)
        except _CUT_OFF:
            raise
        except asyncssh.SFTPError as error:
            listing.refused.append(f"{shown(folder)}: {error.reason}")
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
            listing.refused.append(f"{path!r}: this name is neither UTF-8 nor GB 18030")
        elif wanted(text) and (reason := unsafe(text)):
            listing.refused.append(f"{shown(text)}: {reason}")
        elif wanted(text):
            fetch = partial(self._deliver, place)
            try:
                changed = _changed(facts)
            except NotTaken as reason:
                listing.refused.append(f"{shown(text)}: {reason}")
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
            raise NotTaken(f"the server does not give it out ({error.reason})") from None
        if _mark(before) != _mark(after):
            raise NotYet("is still being written")
        if len(data) != after.size:
            raise Interrupted(f"{len(data)} of {after.size} bytes arrived")
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
            raise SourceError(
                f"{self._settings.path} on {self._settings.host}: {error.reason}; check path"
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
            raise SourceError(f"known_hosts, {self._known_hosts}: {_reason(error)}") from None

    def _read_key(self) -> list[asyncssh.SSHKey] | None:
        """Return the private key; the password is its passphrase too. None, for no keys, is not []."""
        if self._credentials.key_file is None:
            return None
        file = self._home / self._credentials.key_file
        try:
            return [asyncssh.read_private_key(file, self._credentials.password)]
        except (OSError, ValueError) as error:
            raise SourceError(
                f"the key {file} cannot be used: {_reason(error)}; see"
                f" {variable(self._settings.name, 'key_file')}; its passphrase, if it has one, is"
                f" {variable(self._settings.name, 'password')}"
            ) from None

    @contextmanager
    def _said_plainly(self) -> Iterator[None]:
        """Turn what the library raises into a sentence; what another try may mend, Interrupted."""
        settings = self._settings
        try:
            yield
        except asyncssh.HostKeyNotVerifiable as error:
            raise SourceError(self._host_key_refused(error.reason)) from None
        except asyncssh.KeyExchangeFailed as error:
            raise SourceError(
                f"no agreement with {settings.host} on how to encrypt ({error.reason}); has its key"
                f" become one of another kind than {self._known_hosts} holds?"
            ) from None
        except asyncssh.PermissionDenied:
            given = " or ".join(variable(settings.name, s) for s in ("password", "key_file"))
            raise SourceError(
                f"{settings.host} refused the login of {settings.username}; check {given}"
            ) from None
        except asyncssh.Error as error:
            raise Interrupted(f"{settings.host}: {error.reason}") from None
        except OSError as error:
            where = f"{settings.host}, port {settings.port}"
            raise Interrupted(f"{where} cannot be reached: {_reason(error)}") from None
        except ValueError as error:
            raise SourceError(f"{settings.host}: {error}; check host and username") from None

    def _host_key_refused(self, reason: str) -> str:
        host, port, key = self._settings.host, self._settings.port, self._witness.presented
        if key is None:
            return f"the key of {host} is refused: {reason}"
        special = port if port != _SSH_PORT else None
        place = f"[{host}]:{special}" if special else host
        line = f"{place} {key.export_public_key('openssh').decode().strip()}"
        fingerprint = f"{key.get_fingerprint()} ({key.get_algorithm()})"
        keys, authorities, *_ = self._read_known_hosts().match(host, "", special)
        if keys or authorities:
            return (
                f"{host} shows another key than {self._known_hosts} holds for it: {fingerprint}. Its"
                " key was changed, or somebody stands in between; nothing was sent to it. Ask its"
                f" administrator; if the new key is right, put this in place of the old: {line}"
            )
        return (
            f"the key of {host} is not known: {fingerprint}. Ask its administrator whether this is"
            f" its fingerprint; if so, add this line to {self._known_hosts}: {line}"
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


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(getattr(error, "strerror", None) or error)
