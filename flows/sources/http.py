"""Files of a web server as a source: those of a manifest, or of the index pages below an address.

A manifest is JSON, a list of {"path", "url", "sha256", "modified"}: only the path must be given,
and the address is the path below the manifest's folder where it is not. An index is what Apache,
nginx and others show for a folder. Redirects stay on the same host; certificates are checked.
"""

from __future__ import annotations

import codecs
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime, parsedate_tz
from functools import partial
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit

import httpx
import lxml.html
from lxml.etree import LxmlError
from pydantic import BaseModel, StringConstraints, TypeAdapter, ValidationError

from flows.sources.collect import too_large
from flows.sources.credentials import Credentials
from flows.sources.limits import Clock
from flows.sources.model import (
    MOST_FOLDERS,
    NO_ENCODING,
    YEARS,
    Delivery,
    Interrupted,
    Listing,
    NotTaken,
    Offer,
    SourceError,
    decoded,
    impossible_time,
    is_misread,
    possible,
    unsafe,
    untrusted,
    wanted,
)
from flows.sources.settings import HttpSettings, variable
from transforms.names import shown
from transforms.texts import Text, said_by_system, same
from transforms.validation import said as said_by_pydantic

_MOST_REDIRECTS: Final = 5
#: Answers below 500 after which another try may help: time-out, too early, too many requests.
_PASSING: Final = frozenset({408, 425, 429})


class ManifestEntry(BaseModel):
    """A file in a manifest; a time without a zone is UTC, and what else stands there is ignored."""

    path: Annotated[str, StringConstraints(min_length=1)]
    url: str | None = None
    sha256: Annotated[str, StringConstraints(pattern="^[0-9A-Fa-f]{64}$", to_lower=True)] | None = (
        None
    )
    modified: datetime | None = None


@dataclass(frozen=True)
class _Answer:
    """What the server answered, read to its end; ``address`` is that after redirects."""

    status: int
    headers: httpx.Headers
    body: bytes
    address: str

    @property
    def measured(self) -> bool:
        """Whether a body that broke off would have been noticed."""
        return "content-length" in self.headers or "transfer-encoding" in self.headers


class HttpSource:
    """The files that a web server lists.

    Raises:
        SourceError: a password would go over a connection that is not encrypted, or ``ca_file``
            cannot be read.
    """

    def __init__(
        self, settings: HttpSettings, credentials: Credentials, home: Path, limit: int
    ) -> None:
        self._settings = settings
        self._limit = limit
        self._client = _client(settings, credentials, home)
        self._clock = Clock(settings)

    def files(self) -> Listing:
        """Return the files of the manifest, or of all index pages."""
        self._clock.start_list()
        answer = self._first_page()
        listing = Listing()
        if _is_json(answer):
            self._read_manifest(answer, listing)
        else:
            self._read_index(answer, b"", listing)
        if not listing.offers and not listing.refused:
            listing.refused.append(
                Text(
                    f"{self._settings.address} 没有列出任何报送；它是清单，或各单位文件夹上一级的目录页吗？",
                    f"{self._settings.address} lists no submission; is it the manifest, or the index"
                    " page above the folders of the units?",
                )
            )
        listing.offers.sort(key=lambda offer: offer.path)
        return listing

    def probe(self) -> None:
        """Ask for the manifest or the first index page."""
        self._first_page()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _read_manifest(self, answer: _Answer, listing: Listing) -> None:
        try:
            entries = TypeAdapter(list[object]).validate_json(_without_mark(answer.body))
        except ValidationError:
            raise SourceError(
                f"{self._settings.address} 不是清单：请写成 JSON 列表，每项为"
                ' {"path": "<单位>/<文件>", "sha256": "…"}',
                f"{self._settings.address} is not a manifest: write a JSON list of"
                ' {"path": "<unit>/<file>", "sha256": "…"}',
            ) from None
        for number, raw in enumerate(entries, start=1):
            self._clock.listed()
            try:
                entry = ManifestEntry.model_validate(raw)
            except ValidationError as error:
                problem = error.errors()[0]
                place, said = map(str, problem["loc"]), said_by_pydantic(problem)
                words = " ".join([*place, ""])
                listing.refused.append(
                    Text(
                        f"清单第{number}项：{words}{said.zh}",
                        f"entry {number} of the manifest: {words}{said.en}",
                    )
                )
                continue
            address = _resolved(answer.address, entry.url or quote(entry.path))
            self._offer(entry.path, address, listing, entry.sha256, entry.modified)

    def _read_index(self, answer: _Answer, folder: bytes, listing: Listing) -> None:
        """Offer what an index page links to right below itself; go down into its folders."""
        for name, address in _links(answer):
            self._clock.listed()
            path = folder + name
            text = decoded(path)
            if text is None:
                listing.refused.append(NO_ENCODING.at(repr(path)))
            elif not name.endswith(b"/"):
                self._offer(text, address, listing)
            elif path.count(b"/") > MOST_FOLDERS or unsafe(text.rstrip("/")):
                listing.refuse(text, Text("不进入这个文件夹", "this folder is not entered"))
            else:
                try:
                    self._read_index(self._page(address), path, listing)
                except NotTaken as reason:
                    listing.refuse(text, reason.text)

    def _offer(
        self,
        path: str,
        address: str,
        listing: Listing,
        sha256: str | None = None,
        modified: datetime | None = None,
    ) -> None:
        if not wanted(path):
            return
        reason = unsafe(path)
        if not reason and not _stays(self._settings.url, address):
            reason = Text(
                "它的地址与清单不在同一台主机上", "its address is on another host than the list"
            )
        if reason:
            listing.refuse(path, reason)
            return
        try:
            # The first day of the calendar is what Windows programs write where they know no time.
            told = modified is not None and modified.year > 1
            changed = possible(modified) if modified and told else None
        except NotTaken as impossible:
            listing.refuse(path, impossible.text)
            return
        fetch = partial(self._deliver, address, sha256 is not None, changed)
        listing.offers.append(Offer(path, fetch, changed=changed, sha256=sha256))

    def _first_page(self) -> _Answer:
        try:
            return self._page(self._settings.url)
        except NotTaken as reason:
            address = self._settings.address
            raise SourceError(
                f"{address}：{reason.text.zh}", f"{address} {reason.text.en}"
            ) from None

    def _page(self, address: str) -> _Answer:
        answer = self._get(address, {})
        if answer.status != httpx.codes.OK:
            raise NotTaken(*self._refusal(answer.status))
        return answer

    def _deliver(
        self, address: str, promised: bool, modified: datetime | None, mark: str
    ) -> Delivery | None:
        """Fetch a file unless it is still what ``mark`` stands for (:func:`_mark`).

        ``promised``: its hash is known and will be checked.
        """
        kind, _, value = mark.partition(":")
        header = {"etag": "If-None-Match", "modified": "If-Modified-Since"}.get(kind)
        answer = self._get(address, {header: value} if header else {})
        if answer.status == httpx.codes.NOT_MODIFIED and header:
            return None
        if answer.status != httpx.codes.OK:
            raise NotTaken(*self._refusal(answer.status))
        if not promised and not answer.measured:
            raise NotTaken(
                "服务器没有说它有多长，无从知道是否完整；请在清单中写明 sha256",
                "the server does not say how long it is, so that nobody can tell whether it is"
                " whole; give its sha256 in a manifest",
            )
        return Delivery(answer.body, modified or _last_modified(answer.headers), _mark(answer))

    def _get(self, address: str, headers: dict[str, str]) -> _Answer:
        """Ask for ``address`` and read the answer, at most ``limit`` bytes of it.

        Raises:
            Interrupted: network, time-out, a body that breaks off, or a server in trouble.
            SourceError: a certificate that is not trusted; the time of the round is over.
            NotTaken: a redirect to elsewhere, an answer too long or too slow.
        """
        return self._clock.limited(partial(self._ask, address, headers), one=True)

    def _ask(self, address: str, headers: dict[str, str]) -> _Answer:
        for _ in range(_MOST_REDIRECTS):
            with self._said_plainly(), self._client.stream("GET", address, headers=headers) as got:
                if got.has_redirect_location:
                    target = _resolved(address, got.headers["location"])
                    if not target:
                        raise NotTaken("被转到不是地址的地方", "sends on to what is no address")
                    if not _stays(address, target):
                        other = shown(urlsplit(target).netloc)
                        raise NotTaken(
                            f"被转到另一台主机（{other}）；如果没错，请把那个地址写进设置",
                            f"sends on to another host ({other}); if that"
                            " is right, give that address in the settings",
                        )
                    address = target
                    continue
                if got.is_server_error or got.status_code in _PASSING:
                    answer = f"{got.status_code} {got.reason_phrase}"
                    raise Interrupted(f"服务器答复 {answer}", f"the server answers {answer}")
                return _Answer(got.status_code, got.headers, self._body(got), address)
        raise NotTaken(
            f"转了 {_MOST_REDIRECTS} 次以上", f"sends on more than {_MOST_REDIRECTS} times"
        )

    def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > self._limit:
                raise too_large(self._limit)
        return bytes(body)

    def _refusal(self, status: int) -> Text:
        answer = f"{status} {httpx.codes.get_reason_phrase(status)}"
        said = Text(f"取不到：服务器答复 {answer}", f"is refused: the server answers {answer}")
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            token, password = (variable(self._settings.name, s) for s in ("token", "password"))
            return Text(
                f"{said.zh}；请检查 {token}，或 username 和 {password}",
                f"{said.en}; check {token}, or username and {password}",
            )
        return said

    @contextmanager
    def _said_plainly(self) -> Iterator[None]:
        """Turn what the library raises into a sentence; what another try may mend, Interrupted."""
        host = urlsplit(self._settings.url).netloc
        try:
            yield
        except httpx.RequestError as error:
            if certificate := _certificate_problem(error):
                raise SourceError(*untrusted(host, certificate)) from None
            reason = str(error) or type(error).__name__
            raise Interrupted(
                f"{host} 连不上或中断了：{reason}",
                f"{host} cannot be reached, or broke off: {reason}",
            ) from None
        except httpx.InvalidURL:
            raise NotTaken("它的地址不成地址", "its address is not one") from None


def _client(settings: HttpSettings, credentials: Credentials, home: Path) -> httpx.Client:
    headers = {"Accept-Encoding": "identity", "User-Agent": "jzedu"}
    auth = None
    if credentials.token or credentials.password:
        if urlsplit(settings.url).scheme != "https":
            raise SourceError(
                f"{settings.address} 没有加密，却设置了口令或令牌：什么也没有发送。请用 https://，或取消它",
                f"{settings.address} is not encrypted, and a password or token for it is set:"
                " nothing was sent. Use https://, or unset it",
            )
        if credentials.token:
            if not (credentials.token.isascii() and credentials.token.isprintable()):
                name = variable(settings.name, "token")
                raise SourceError(
                    f"{name} 中有令牌不能用的字符", f"{name} holds letters that no token can"
                )
            headers["Authorization"] = f"Bearer {credentials.token}"
        elif settings.username:
            auth = httpx.BasicAuth(settings.username, credentials.password or "")
        else:
            raise SourceError(
                "有口令而没有用户名；请在设置中写 username",
                "there is a password and no username; give username in the settings",
            )
    trusted: ssl.SSLContext | bool = True
    if settings.ca_file:
        file = home / settings.ca_file
        try:
            trusted = ssl.create_default_context(cafile=str(file))
        except OSError as error:
            raise SourceError(*said_by_system(error).at(same("ca_file").further(file))) from None
    return httpx.Client(
        headers=headers, auth=auth, verify=trusted, timeout=settings.timeout_seconds
    )


def _links(answer: _Answer) -> list[tuple[bytes, str]]:
    """Return the names that an index page links to right below itself, folders with a slash at the end."""
    try:
        page = lxml.html.document_fromstring(answer.body)
    except (LxmlError, ValueError):
        return []
    here = urlsplit(answer.address)
    folder = unquote_to_bytes(here.path[: here.path.rfind("/") + 1])
    found = {}
    for link in page.iterfind(".//a[@href]"):
        there = urlsplit(_resolved(answer.address, link.get("href", "")))
        path = unquote_to_bytes(there.path)
        name = path.removeprefix(folder)
        below = path.startswith(folder) and name and b"/" not in name.removesuffix(b"/")
        # A link with a query sorts the page differently.
        if below and not there.query and there[:2] == here[:2]:
            found[name] = there._replace(fragment="").geturl()
    return sorted(found.items())


def _resolved(here: str, link: str) -> str:
    """Return the address that a link on the page ``here`` leads to; "" where it is none."""
    try:
        address = urljoin(here, link)
        urlsplit(address).port  # noqa: B018 - raises where it is no number
    except ValueError:
        return ""
    return address


def _stays(here: str, there: str) -> bool:
    """Return whether ``there`` is on the same host and port as ``here``, or the same over TLS."""
    old, new = urlsplit(here), urlsplit(there)
    ports = (old.port, new.port)
    if old.hostname != new.hostname:
        return False
    return (old.scheme == new.scheme and ports[0] == ports[1]) or (
        (old.scheme, new.scheme) == ("http", "https") and ports in ((None, None), (80, 443))
    )


def _is_json(answer: _Answer) -> bool:
    start = _without_mark(answer.body).lstrip()[:1]
    return "json" in answer.headers.get("content-type", "") or start in (b"[", b"{")


def _without_mark(body: bytes) -> bytes:
    """``body`` without the mark that Windows programs put before UTF-8."""
    return body.removeprefix(codecs.BOM_UTF8)


def _mark(answer: _Answer) -> str:
    """Return what to ask with whether a file is still the same: ``etag:…``, ``modified:…`` or ""."""
    for kind, header in (("etag", "etag"), ("modified", "last-modified")):
        value = answer.headers.get(header, "")
        if value and value.isascii():
            return f"{kind}:{value}"
    return ""


def _last_modified(headers: httpx.Headers) -> datetime | None:
    """Return when a file was changed (UTC, naive), None where nothing is told that could be read.

    Raises:
        NotTaken: it is told, and impossible.
    """
    told = headers.get("last-modified", "")
    parsed = parsedate_tz(told)
    if is_misread(told) or (parsed is not None and parsed[0] not in YEARS):
        raise impossible_time(same(told))
    try:
        return possible(parsedate_to_datetime(told))
    except (ValueError, OverflowError):
        return None


def _certificate_problem(error: BaseException) -> str | None:
    """Return what is wrong with the server's certificate, if that is behind ``error``."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        cause = cause.__cause__ or cause.__context__
    return None
