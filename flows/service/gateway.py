"""The Prefect server as `jzedu serve` lets it be reached: under its own names alone.

A page that a browser has open elsewhere can send requests to this machine. Prefect asks for a login
(:mod:`flows.service.state`); before that, what is addressed to another name, or comes from a page of
another address, is refused here. Who asks for a run is heard at once.

Run as a process of its own: ``python -m flows.service.gateway HOST PORT DESCRIPTOR [NAME …]``.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from transforms.importing import no_collecting

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_REFUSED = (
    b"This server answers under its own names, and to its own pages, only; "
    b"further names stand in settings.toml under [serve].\n"
)
_CREATED = 201
Scope = Mapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]


class OwnNames:
    """An ASGI application that passes on to ``inner`` what is meant for one of ``names``."""

    def __init__(self, inner: Application, names: Iterable[str]) -> None:
        self._inner = inner
        self._names = {name.lower() for name in (*_LOOPBACK, *names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a web socket; what is foreign is refused before anything reads it."""
        if scope["type"] not in ("http", "websocket") or self._ours(scope):
            await self._inner(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": _REFUSED})

    def _ours(self, scope: Scope) -> bool:
        hosts = _values(scope, b"host")
        origins = _values(scope, b"origin")
        if len(hosts) != 1 or len(origins) > 1:
            return False
        # The address that the connection came in at is no name that somebody else could give us.
        here = (scope.get("server") or ("",))[0]
        if _name(f"//{hosts[0]}") not in {*self._names, here}:
            return False
        return not origins or urlsplit(origins[0]).netloc.lower() == hosts[0].lower()


class TellsOfRuns:
    """An ASGI application that writes to ``descriptor`` once ``inner`` has answered that it has created a run."""

    def __init__(self, inner: Application, descriptor: int) -> None:
        self._inner = inner
        self._descriptor = descriptor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request, and what is answered."""

        async def answer(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.start" and message["status"] == _CREATED:
                with suppress(OSError):  # the runner looks by itself too, a moment later
                    os.write(self._descriptor, b"\n")

        asks = scope["type"] == "http" and scope["path"].endswith("/create_flow_run")
        await self._inner(scope, receive, answer if asks else send)


def _values(scope: Scope, header: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == header]


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def main() -> None:
    """Run the server until it is told to end."""
    host, port, descriptor, *names = sys.argv[1:]
    from flows.environment import quiet

    quiet()
    with no_collecting():
        import uvicorn
        from prefect.server.api.server import create_app

    if host not in ("0.0.0.0", "::", ""):
        names.append(host)
    server = TellsOfRuns(create_app(final=True), int(descriptor))
    application = OwnNames(server, [*names, socket.gethostname()])
    uvicorn.run(application, host=host, port=int(port), log_level="warning")


if __name__ == "__main__":
    main()
