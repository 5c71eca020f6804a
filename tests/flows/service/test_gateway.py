"""What the server of a service tells of as it answers: the ASGI protocol with an application of our own behind it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from flows.service.gateway import Message, Receive, Scope, Send, TellsOfRuns

RUN = "/api/deployments/5b0c/create_flow_run"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    heard, told = os.pipe()
    os.set_blocking(heard, False)
    yield heard, told
    os.close(heard)
    os.close(told)


def answered(status: int, path: str, told: int) -> list[Message]:
    """Ask for ``path`` and give what comes back."""
    back: list[Message] = []

    async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"told"})

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        back.append(message)

    scope = {"type": "http", "method": "POST", "path": path}
    asyncio.run(TellsOfRuns(application, told)(scope, receive, send))
    return back


@pytest.mark.parametrize(
    ("status", "path", "said"),
    [
        (201, RUN, b"\n"),
        (200, RUN, b""),
        (401, RUN, b""),
        (201, "/api/flow_runs/", b""),
        (201, f"{RUN}/5b0c", b""),
    ],
)
def test_a_run_that_is_created_is_told_and_nothing_else(
    pipe: tuple[int, int], status: int, path: str, said: bytes
) -> None:
    heard, told = pipe
    back = answered(status, path, told)
    assert [message["type"] for message in back] == ["http.response.start", "http.response.body"]
    try:
        assert os.read(heard, 10) == said
    except BlockingIOError:
        assert said == b""


def test_nobody_who_listens_any_more_costs_no_answer() -> None:
    heard, told = os.pipe()
    os.close(heard)
    assert answered(201, RUN, told)[0]["status"] == 201
    os.close(told)
