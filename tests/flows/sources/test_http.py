"""Files of a real web server: index pages, manifests, and everything a server can get wrong."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

import pytest

from flows.sources.pull import probe
from flows.sources.settings import HttpSettings
from tests.flows.sources.conftest import Authority, OpenRelay, Station

CHANGED = datetime(2020, 9, 15, 2, 0)


@dataclass
class Page:
    """What the server answers with; ``missing`` bytes of the body are promised and not sent."""

    body: bytes = b""
    kind: str = "application/octet-stream"
    etag: str | None = None
    changed: datetime | None = CHANGED
    status: int = 200
    location: str | None = None
    missing: int = 0
    said: str | None = None  # in the place of the time
    measured: bool = True


@dataclass
class Site:
    """A web server on loopback: pages by path, and the requests it got (path, status)."""

    port: int = 0
    pages: dict[str, Page | list[Page]] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    #: The header Authorization must be this, if anything.
    authorization: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def index(self, path: str, *links: str) -> None:
        """An index page as nginx makes it."""
        lines = "".join(f'<a href="{link}">{link}</a>   15-Sep-2020 02:00   4\n' for link in links)
        html = f'<html><body><h1>Index of {path}</h1><pre><a href="../">../</a>\n{lines}</pre>'
        self.pages[path] = Page(html.encode(), "text/html")

    def manifest(self, *entries: Any) -> None:
        self.pages["/list.json"] = Page(json.dumps(entries).encode(), "application/json")

    def answer(self, path: str, headers: Any) -> Page:
        page = self.pages.get(path, Page(status=404))
        if isinstance(page, list):
            page = page.pop(0) if len(page) > 1 else page[0]
        if self.authorization and headers.get("Authorization") != self.authorization:
            return Page(status=401)
        stamp = page.changed and format_datetime(page.changed.replace(tzinfo=UTC), usegmt=True)
        known = page.etag and headers.get("If-None-Match") == page.etag
        if known or (not page.etag and stamp and headers.get("If-Modified-Since") == stamp):
            return Page(status=304, etag=page.etag)
        return page


@pytest.fixture
def site(station: Station) -> Iterator[Site]:
    made = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = made.answer(self.path, self.headers)
            made.asked.append((self.path, page.status))
            self.send_response(page.status, HTTPStatus(page.status).phrase)
            if page.measured:
                self.send_header("Content-Length", str(len(page.body) + page.missing))
            if page.said:
                self.send_header("Last-Modified", page.said)
            elif page.changed:
                stamp = format_datetime(page.changed.replace(tzinfo=UTC), usegmt=True)
                self.send_header("Last-Modified", stamp)
            for name, value in (
                ("ETag", page.etag),
                ("Location", page.location),
                ("Content-Type", page.kind),
            ):
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def portal(url: str, **values: Any) -> HttpSettings:
    return HttpSettings.model_validate({"kind": "http", "name": "portal", "url": url, **values})


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_an_index_is_read_with_its_folders(
    station: Station, site: Site, noise: Callable[[int], bytes]
) -> None:
    big = noise(2_000_000)
    site.index("/in/", "210727/", "%E4%B9%89%E5%8E%BF/", "root.csv")
    site.index("/in/210727/", "2020/", "~$lock.xlsx", "a.pdf", ".hidden.csv")
    site.index("/in/210727/2020/", "%E5%AD%A6%E6%A0%A1%201.xlsx")
    site.index("/in/%E4%B9%89%E5%8E%BF/", "b.csv")
    site.pages["/in/root.csv"] = Page(b"no unit, which is for the gate to say")
    site.pages["/in/210727/2020/%E5%AD%A6%E6%A0%A1%201.xlsx"] = Page(big)
    site.pages["/in/%E4%B9%89%E5%8E%BF/b.csv"] = Page(b"b", changed=datetime(2020, 10, 2, 3, 4, 5))
    pulled = station.pull(portal(site.url + "in/"))
    assert station.held() == {
        "210727/2020/学校 1.xlsx": big,
        "义县/b.csv": b"b",
        "root.csv": b"no unit, which is for the gate to say",
    }
    assert station.receipt("义县/b.csv").received_at == datetime(2020, 10, 2, 3, 4, 5)
    assert (pulled.found, pulled.waiting) == (3, ())


def test_an_index_as_apache_makes_it(station: Station, site: Site) -> None:
    site.pages["/in/"] = Page(
        b"""<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN"><html><head>
        <title>Index of /in</title></head><body><table>
        <tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
        <tr><td><a href="/">Parent Directory</a></td></tr>
        <tr><td><a href="210727/"><img src="/icons/folder.gif"></a><a href="210727/">210727/</a>
        <tr><td><a href="http://elsewhere.example/210727/">elsewhere</a></td></tr>
        <tr><td><a href="/in/210781/">absolute</a></td></tr>
        <tr><td><a href="http://[broken">broken</a></td></tr>
        </table></body></html>""",
        "text/html;charset=UTF-8",
    )
    site.index("/in/210727/", "a.csv", "a.csv#again", "a.csv?download=1")
    site.index("/in/210781/", "b.csv")
    site.pages["/in/210727/a.csv"] = Page(b"a")
    site.pages["/in/210781/b.csv"] = Page(b"b")
    assert station.pull(portal(site.url + "in/")).waiting == ()
    assert station.held() == {"210727/a.csv": b"a", "210781/b.csv": b"b"}
    assert len(site.asked) == 5


def test_names_in_gb_18030_are_read(station: Station, site: Site) -> None:
    site.index("/", "%D2%E5%CF%D8/", "%FF/")
    site.index("/%D2%E5%CF%D8/", "%D1%A7%D0%A3.csv")
    site.pages["/%D2%E5%CF%D8/%D1%A7%D0%A3.csv"] = Page(b"x")
    assert station.pull(portal(site.url)).waiting == (
        "portal: b'\\xff/': this name is neither UTF-8 nor GB 18030",
    )
    assert station.held() == {"义县/学校.csv": b"x"}


@pytest.mark.parametrize("etag", ['"v1"', None])
def test_only_what_changed_is_fetched(station: Station, site: Site, etag: str | None) -> None:
    site.index("/", "210727/")
    site.index("/210727/", "a.csv", "b.csv")
    site.pages["/210727/a.csv"] = Page(b"a", etag=etag)
    site.pages["/210727/b.csv"] = Page(b"b", etag=etag)
    station.pull(portal(site.url))
    site.asked.clear()
    assert station.pull(portal(site.url)).receipts == ()
    assert site.asked[2:] == [("/210727/a.csv", 304), ("/210727/b.csv", 304)]
    changed = CHANGED + timedelta(days=1)
    site.pages["/210727/b.csv"] = Page(b"B", etag=etag and '"v2"', changed=changed)
    (receipt,) = station.pull(portal(site.url)).receipts
    assert (receipt.path, receipt.received_at) == ("210727/b.csv", changed)


def test_without_its_memory_all_is_fetched_and_nothing_is_new(station: Station, site: Site) -> None:
    site.index("/", "210727/")
    site.index("/210727/", "a.csv")
    site.pages["/210727/a.csv"] = Page(b"a", etag='"v1"')
    station.pull(portal(site.url))
    (station.home / "sources" / "portal.json").unlink()
    assert station.pull(portal(site.url)).receipts == ()
    assert site.asked[-1] == ("/210727/a.csv", 200)


def test_a_manifest_says_path_address_hash_and_time(station: Station, site: Site) -> None:
    site.manifest(
        {"path": "210727/学校.csv"},
        {"path": "210727/b.csv", "url": "/store/17", "sha256": sha256(b"b").upper()},
        {"path": "210727/c.csv", "modified": "2020-10-02T11:04:05+08:00", "size": 1},
    )
    site.pages["/210727/%E5%AD%A6%E6%A0%A1.csv"] = Page(b"a")
    site.pages["/store/17"] = Page(b"b")
    site.pages["/210727/c.csv"] = Page(b"c")
    assert station.pull(portal(site.url + "list.json")).waiting == ()
    assert station.held() == {"210727/学校.csv": b"a", "210727/b.csv": b"b", "210727/c.csv": b"c"}
    assert station.receipt("210727/b.csv").received_at == CHANGED
    assert station.receipt("210727/c.csv").received_at == datetime(2020, 10, 2, 3, 4, 5)


def test_a_hash_that_is_known_needs_no_request(station: Station, site: Site) -> None:
    site.manifest({"path": "210727/a.csv", "sha256": sha256(b"a")})
    site.pages["/210727/a.csv"] = Page(b"a", changed=None)
    station.pull(portal(site.url + "list.json"))
    site.asked.clear()
    assert station.pull(portal(site.url + "list.json")).receipts == ()
    assert site.asked == [("/list.json", 200)]


def test_other_bytes_than_the_manifest_promises_are_not_taken(station: Station, site: Site) -> None:
    site.manifest({"path": "210727/a.csv", "sha256": sha256(b"a")})
    site.pages["/210727/a.csv"] = Page(b"b")
    (sentence,) = station.pull(portal(site.url + "list.json")).waiting
    assert sentence.startswith(f"portal: 210727/a.csv: its SHA-256 is {sha256(b'b')[:12]}")
    assert station.originals() == []


def test_bad_entries_are_named_and_the_others_taken(station: Station, site: Site) -> None:
    site.manifest(
        {"path": "/etc/a.csv"},
        {"path": "210727/../../a.csv"},
        {"path": "210727\\a.csv/a.csv"},
        {"path": "210727/elsewhere.csv", "url": "http://elsewhere.example/a.csv"},
        {"path": "210727/port.csv", "url": f"http://127.0.0.1:{site.port + 1}/a.csv"},
        {"path": "210727/short.csv", "sha256": "abc"},
        {"path": "210727/broken.csv", "url": "http://[broken/a.csv"},
        {"url": "no path"},
        "no object",
        {"path": "210727/gone.csv"},
        {"path": "210727/good.csv"},
    )
    site.pages["/210727/good.csv"] = Page(b"good")
    pulled = station.pull(portal(site.url + "list.json"))
    assert station.held() == {"210727/good.csv": b"good"}
    assert len(pulled.waiting) == 10
    said = "\n".join(pulled.waiting)
    assert "portal: /etc/a.csv: an absolute path is not taken" in said
    assert "portal: 210727/elsewhere.csv: its address is on another host than the list" in said
    assert "portal: 210727/port.csv: its address is on another host than the list" in said
    assert "portal: 210727/broken.csv: its address is on another host than the list" in said
    assert "portal: entry 6 of the manifest: sha256 String should match" in said
    assert "portal: entry 8 of the manifest: path Field required" in said
    assert "portal: 210727/gone.csv: is refused: the server answers 404 Not Found" in said


def test_a_manifest_made_on_windows_is_read(station: Station, site: Site) -> None:
    body = b'\xef\xbb\xbf[{"path": "210727/a.csv", "modified": "0001-01-01T00:00:00+08:00"}]'
    site.pages["/list.json"] = Page(body, "application/octet-stream")
    site.pages["/210727/a.csv"] = Page(b"a", etag='"\xe9"')
    for _ in range(2):
        assert station.pull(portal(site.url + "list.json")).waiting == ()
    assert station.held() == {"210727/a.csv": b"a"}


@pytest.mark.parametrize("body", [b"[1, 2", b'{"files": []}', b"\xff["])
def test_a_broken_manifest_is_said(station: Station, site: Site, body: bytes) -> None:
    site.pages["/list.json"] = Page(body, "application/json")
    (sentence,) = station.pull(portal(site.url + "list.json")).waiting
    assert "is not a manifest" in sentence


def test_a_page_that_lists_nothing_is_said(station: Station, site: Site) -> None:
    site.pages["/"] = Page(b"<html><form>Please log in</form></html>", "text/html")
    (sentence,) = station.pull(portal(site.url)).waiting
    assert "lists no submission" in sentence


def test_a_body_that_breaks_off_is_fetched_again_and_leaves_nothing_half(
    station: Station, site: Site
) -> None:
    site.manifest({"path": "210727/a.csv"})
    site.pages["/210727/a.csv"] = [Page(b"half", missing=4), Page(b"half and half")]
    left: list[list[str]] = []
    station.meanwhile = lambda: left.append(station.originals())
    assert station.pull(portal(site.url + "list.json")).waiting == ()
    assert (station.slept, left) == ([1.0], [[]])
    assert station.held() == {"210727/a.csv": b"half and half"}


def test_a_file_of_unknown_length_needs_a_promised_hash(station: Station, site: Site) -> None:
    site.manifest({"path": "210727/a.csv"}, {"path": "210727/b.csv", "sha256": sha256(b"b")})
    site.pages["/210727/a.csv"] = Page(b"a", measured=False)
    site.pages["/210727/b.csv"] = Page(b"b", measured=False)
    (sentence,) = station.pull(portal(site.url + "list.json")).waiting
    assert "210727/a.csv: the server does not say how long it is" in sentence
    assert station.held() == {"210727/b.csv": b"b"}


def test_a_server_in_trouble_is_tried_again(station: Station, site: Site) -> None:
    site.manifest({"path": "210727/a.csv"})
    listed = site.pages["/list.json"]
    assert isinstance(listed, Page)
    site.pages["/list.json"] = [Page(status=503), Page(status=429), listed]
    site.pages["/210727/a.csv"] = Page(b"a")
    assert station.pull(portal(site.url + "list.json")).waiting == ()
    assert station.slept == [1.0, 5.0]


def test_a_source_is_given_up_after_three_failures_in_a_row(station: Station, site: Site) -> None:
    names = [f"210727/{number}.csv" for number in range(6)]
    site.manifest(*({"path": name} for name in names))
    for name in names:
        site.pages[f"/{name}"] = Page(status=500)
    site.pages["/210727/1.csv"] = Page(b"1")
    pulled = station.pull(portal(site.url + "list.json"))
    assert [sentence.split(":")[1].strip() for sentence in pulled.waiting[:-1]] == [
        "210727/0.csv",
        "210727/2.csv",
        "210727/3.csv",
        "210727/4.csv",
    ]
    assert "given up after 3 files in a row" in pulled.waiting[-1]
    assert ("/210727/5.csv", 500) not in site.asked
    assert station.held() == {"210727/1.csv": b"1"}


def test_what_is_too_large_is_not_read_to_its_end(station: Station, site: Site) -> None:
    station.limits = type(station.limits)(file_bytes=1000)
    site.manifest({"path": "210727/a.csv"}, {"path": "210727/b.csv"})
    site.pages["/210727/a.csv"] = Page(bytes(1000))
    site.pages["/210727/b.csv"] = Page(bytes(1001), missing=10**12)
    (sentence,) = station.pull(portal(site.url + "list.json")).waiting
    assert sentence.startswith("portal: 210727/b.csv: is larger than")
    assert station.slept == []
    site.pages["/list.json"] = Page(b" " * 1001, "application/json")
    assert "is larger than" in station.pull(portal(site.url + "list.json")).waiting[0]


def test_redirects_stay_on_the_host(station: Station, site: Site) -> None:
    site.manifest(
        {"path": "210727/a.csv"},
        {"path": "210727/b.csv"},
        {"path": "210727/c.csv"},
        {"path": "210727/d.csv"},
    )
    site.pages["/210727/a.csv"] = Page(status=302, location="/store/a")
    site.pages["/store/a"] = Page(b"a")
    site.pages["/210727/b.csv"] = Page(status=302, location="http://elsewhere.example/b?key=7")
    site.pages["/210727/c.csv"] = Page(status=302, location="/210727/c.csv")
    site.pages["/210727/d.csv"] = Page(status=302, location="http://[broken/")
    assert station.pull(portal(site.url + "list.json")).waiting == (
        "portal: 210727/b.csv: sends on to another host (elsewhere.example); if that is right,"
        " give that address in the settings",
        "portal: 210727/c.csv: sends on more than 5 times",
        "portal: 210727/d.csv: sends on to what is no address",
    )
    assert station.held() == {"210727/a.csv": b"a"}


def test_a_file_just_changed_waits_unless_its_hash_is_promised(
    station: Station, site: Site
) -> None:
    just = station.now - timedelta(seconds=5)
    site.manifest({"path": "210727/a.csv"}, {"path": "210727/b.csv", "sha256": sha256(b"b")})
    site.pages["/210727/a.csv"] = Page(b"a", changed=just)
    site.pages["/210727/b.csv"] = Page(b"b", changed=just)
    (sentence,) = station.pull(portal(site.url + "list.json")).waiting
    assert sentence.startswith("portal: 210727/a.csv: changed less than 60 seconds ago")
    assert station.held() == {"210727/b.csv": b"b"}


def test_a_file_without_a_time_is_received_when_it_is_first_seen(
    station: Station, site: Site
) -> None:
    site.manifest({"path": "210727/a.csv"})
    site.pages["/210727/a.csv"] = Page(b"a", changed=None)
    station.pull(portal(site.url + "list.json"))
    first = station.now
    station.now += timedelta(days=1)
    assert station.pull(portal(site.url + "list.json")).receipts == ()
    assert station.receipt("210727/a.csv").received_at == first


def test_credentials_are_sent_over_tls_alone(
    station: Station,
    site: Site,
    relay: OpenRelay,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site.manifest({"path": "210727/a.csv"})
    site.pages["/210727/a.csv"] = Page(b"a")
    monkeypatch.setenv("JZEDU_SOURCE_PORTAL_TOKEN", "a token")
    (sentence,) = station.pull(portal(site.url + "list.json")).waiting
    assert "is not encrypted" in sentence
    assert site.asked == []

    port = relay(site.port, authority.context()).port
    monkeypatch.setenv("JZEDU_SOURCE_PORTAL_TOKEN", "a\x01token")
    safe_url = "https://127.0.0.1:1/"
    assert "letters that no token can" in (probe(portal(safe_url), station.home) or "")
    monkeypatch.setenv("JZEDU_SOURCE_PORTAL_TOKEN", "a token\n")
    safe = {"url": f"https://127.0.0.1:{port}/list.json", "ca_file": str(authority.file)}
    site.authorization = "Bearer a token"
    assert station.pull(portal(**safe)).waiting == ()
    assert station.held() == {"210727/a.csv": b"a"}

    monkeypatch.delenv("JZEDU_SOURCE_PORTAL_TOKEN")
    monkeypatch.setenv("JZEDU_SOURCE_PORTAL_PASSWORD", "a password")
    site.authorization = "Basic " + base64.b64encode(b"jzedu:a password").decode()
    assert probe(portal(**safe, username="jzedu"), station.home) is None
    assert "give username" in (probe(portal(**safe), station.home) or "")

    monkeypatch.setenv("JZEDU_SOURCE_PORTAL_PASSWORD", "wrong battery")
    (sentence,) = station.pull(portal(**safe, username="jzedu")).waiting
    assert "401 Unauthorized; check JZEDU_SOURCE_PORTAL_TOKEN" in sentence
    assert "battery" not in sentence
    assert station.slept == []


def test_certificates_are_checked(
    station: Station, site: Site, relay: OpenRelay, authority: Authority
) -> None:
    site.index("/", "210727/")
    unknown = relay(site.port, authority.context())
    (sentence,) = station.pull(portal(f"https://127.0.0.1:{unknown.port}/")).waiting
    assert "is not trusted" in sentence
    assert "ca_file" in sentence
    expired = relay(site.port, authority.context(not_after=datetime(2020, 1, 1, tzinfo=UTC)))
    settings = portal(f"https://127.0.0.1:{expired.port}/", ca_file=str(authority.file))
    assert "certificate has expired" in (probe(settings, station.home) or "")
    trusted = relay(site.port, authority.context())
    settings = portal(f"https://localhost:{trusted.port}/", ca_file=str(authority.file))
    assert "is not trusted" in (probe(settings, station.home) or "")
    assert (station.slept, site.asked) == ([], [])


def test_probe(station: Station, site: Site, closed_port: int) -> None:
    site.index("/", "210727/")
    assert probe(portal(site.url), station.home) is None
    assert "404" in (probe(portal(site.url + "nowhere"), station.home) or "")
    assert "cannot be reached" in (
        probe(portal(f"http://127.0.0.1:{closed_port}/"), station.home) or ""
    )
    nowhere = portal("https://127.0.0.1/", ca_file="nowhere.pem")
    assert "nowhere.pem" in (probe(nowhere, station.home) or "")


@pytest.mark.parametrize(
    "told",
    [
        "Mon, 01 Jan 99999999999 00:00:00 GMT",
        "Sat, 01 Jan 10000 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:00:00 -0800",
        "Mon, 01 Jan 0001 00:00:00 GMT",
        "Sat, 01 Jan 0000 00:00:00 GMT",
    ],
)
def test_a_file_of_an_impossible_time_is_left_and_the_others_are_taken(
    station: Station, site: Site, told: str
) -> None:
    site.index("/", "210727/")
    site.index("/210727/", "a.csv", "b.csv")
    site.pages["/210727/a.csv"] = Page(b"a", said=told)
    site.pages["/210727/b.csv"] = Page(b"b")
    (sentence,) = station.pull(portal(site.url)).waiting
    assert sentence.startswith("portal: 210727/a.csv: the time of its last change is impossible")
    assert station.held() == {"210727/b.csv": b"b"}


def test_an_impossible_time_in_a_manifest_costs_its_entry(station: Station, site: Site) -> None:
    site.manifest(
        {"path": "210727/a.csv", "modified": "9999-12-31T23:59:59-12:00"},
        {"path": "210727/b.csv", "modified": "2020-09-01T00:00:00Z"},
        {"path": "210727/c.csv", "modified": "10000-01-01T00:00:00Z"},
    )
    for name in ("a", "b", "c"):
        site.pages[f"/210727/{name}.csv"] = Page(name.encode())
    waiting = station.pull(portal(site.url + "list.json")).waiting
    assert len(waiting) == 2
    assert station.held() == {"210727/b.csv": b"b"}


def test_a_time_that_cannot_be_read_is_none(station: Station, site: Site) -> None:
    site.index("/", "a.csv")
    site.pages["/a.csv"] = Page(b"a", said="the day before yesterday")
    assert station.pull(portal(site.url)).waiting == ()
    assert station.receipt("a.csv").received_at == station.now


def test_each_part_of_an_address_is_read_in_its_own_encoding(station: Station, site: Site) -> None:
    site.index("/", "%E4%B9%89%E5%8E%BF/")
    site.index("/%E4%B9%89%E5%8E%BF/", "%D1%A7%D0%A3.csv")
    site.pages["/%E4%B9%89%E5%8E%BF/%D1%A7%D0%A3.csv"] = Page(b"x")
    assert station.pull(portal(site.url)).waiting == ()
    assert station.held() == {"义县/学校.csv": b"x"}


def test_an_original_found_damaged_is_fetched_again(station: Station, site: Site) -> None:
    site.index("/", "a.csv")
    site.pages["/a.csv"] = Page(b"whole", etag='"v1"')
    (receipt,) = station.pull(portal(site.url)).receipts
    (original,) = station.archive.root.rglob(receipt.sha256)
    original.unlink()
    assert station.pull(portal(site.url)).receipts == ()
    assert station.archive.read(receipt.sha256) == b"whole"
