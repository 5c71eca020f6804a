"""One TLS context for all clients that Prefect makes in a process.

Each of its clients reads the list of certificate authorities anew, which takes 20 ms, also where the server is asked
without TLS; a run makes half a dozen of them.
"""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Any


class _SharedContexts:
    """What Prefect's clients take for :mod:`ssl`: the context for a list of authorities is made once."""

    def __init__(self) -> None:
        self._of_list = lru_cache(maxsize=4)(lambda file: ssl.create_default_context(cafile=file))

    def __getattr__(self, name: str) -> Any:
        return getattr(ssl, name)

    def create_default_context(self, **asked: Any) -> ssl.SSLContext:
        """Return the context of that list; a new one where Prefect asks for another kind, which it then changes."""
        if asked.keys() == {"cafile"}:
            return self._of_list(asked["cafile"])
        return ssl.create_default_context(**asked)


_SHARED = _SharedContexts()


def share_contexts() -> None:
    """Have Prefect's clients share their contexts from now on."""
    from prefect.client import orchestration

    clients: Any = orchestration
    clients.ssl = _SHARED


def make_context() -> None:
    """Make the context that clients will share, by a client that asks nothing of anybody."""
    from prefect.client.orchestration import SyncPrefectClient

    SyncPrefectClient("http://127.0.0.1/api")
