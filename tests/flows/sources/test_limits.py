"""Servers that answer without end, each answer in time: the round goes on without them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from flows.sources.settings import FolderSettings, HttpSettings, S3Settings
from tests.flows.sources.conftest import Station

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
Answer = Callable[[str, Callable[[bytes], None], Callable[[], bool]], None]


def answered(path: str, send: Callable[[bytes], None], more: Callable[[], bool]) -> None:
    """An index of two files, one whole, of the other a byte now and then, or headers without end."""
    if path == "/":
        body = b"".join(f'<a href="{name}">{name}</a>'.encode() for name in ("210727/",))
        send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    elif path.endswith("/"):
        names = ("a.csv", "b.csv", "c.csv")
        body = b"".join(f'<a href="{name}">{name}</a>'.encode() for name in names)
        send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    elif path.endswith("a.csv"):
        send(HEAD + b"Content-Length: 1000000\r\n\r\n")
        while more():
            send(b"x")
    elif path.endswith("b.csv"):
        send(HEAD)
        while more():
            send(b"X-More: 1\r\n")
    else:
        send(HEAD + b"Content-Length: 5\r\n\r\nwhole")


def endless(path: str, send: Callable[[bytes], None], more: Callable[[], bool]) -> None:
    """An index whose every folder holds two more."""
    body = b'<a href="1/">1/</a> <a href="2/">2/</a>'
    send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def dripping(path: str, send: Callable[[bytes], None], more: Callable[[], bool]) -> None:
    """A list of objects that comes a byte at a time."""
    send(HEAD + b"Content-Length: 1000000\r\n\r\n")
    while more():
        send(b" ")


@pytest.fixture
def server() -> Iterator[Callable[[Answer], str]]:
    """Makes servers that answer so; gives their addresses."""
    over = threading.Event()
    threads: list[threading.Thread] = []
    listening: list[socket.socket] = []

    def serve(answer: Answer) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listening.append(listener)

        def speak(client: socket.socket) -> None:
            with client:
                try:
                    path = client.makefile("rb").readline().split()[1].decode()
                    answer(path, client.sendall, lambda: not over.wait(0.02))
                except (OSError, IndexError):
                    pass  # the client has gone

        def listen() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=speak, args=(client,)))
                threads[-1].start()

        threads.append(threading.Thread(target=listen))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield serve
    over.set()
    for listener in listening:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in list(threads):
        thread.join()


def portal(url: str, **values: object) -> HttpSettings:
    return HttpSettings.model_validate({"kind": "http", "name": "portal", "url": url, **values})


def test_a_file_that_comes_byte_by_byte_is_left_and_the_next_is_taken(
    station: Station, server: Callable[[Answer], str]
) -> None:
    pulled = station.pull(portal(server(answered), file_seconds=0.5, settle_seconds=0))
    assert station.held() == {"210727/c.csv": b"whole"}
    sentence = (
        "did not arrive whole within 0.5 seconds and was given up; if it needs longer, raise"
        " file_seconds of this source"
    )
    assert pulled.refused == tuple(f"portal: 210727/{n}.csv: {sentence}" for n in "ab")
    assert pulled.failed == ()


def test_a_round_has_a_time_of_its_own(station: Station, server: Callable[[Answer], str]) -> None:
    other = station.home / "share"
    (other / "210727").mkdir(parents=True)
    (other / "210727" / "班级.csv").write_bytes(b"other")
    share = FolderSettings(kind="folder", name="share", path=other)
    pulled = station.pull(portal(server(answered), total_seconds=1), share)
    assert station.held() == {"210727/班级.csv": b"other"}
    assert pulled.failed == (
        "portal: given up after 1 seconds; the next run goes on from here. If it needs longer, raise"
        " total_seconds of this source",
    )
    assert {one.name: one.read for one in pulled.sources} == {
        "inbox": True,
        "portal": False,
        "share": True,
    }


def test_an_index_of_endless_folders_is_given_up(
    station: Station, server: Callable[[Answer], str]
) -> None:
    address = server(endless)
    (sentence,) = station.pull(portal(address, most_entries=50)).failed
    assert sentence.startswith("portal: it lists more than 50 files and folders; is it a loop?")
    (sentence,) = station.pull(portal(address, total_seconds=0.5)).failed
    assert sentence.startswith("portal: given up after 0.5 seconds")


def test_a_list_of_objects_that_comes_byte_by_byte_is_given_up(
    station: Station, server: Callable[[Answer], str]
) -> None:
    values = {"kind": "s3", "name": "cloud", "bucket": "submissions", "total_seconds": 0.5}
    cloud = S3Settings.model_validate({**values, "endpoint": server(dripping)})
    (sentence,) = station.pull(cloud).failed
    assert sentence.startswith("cloud: given up after 0.5 seconds")
