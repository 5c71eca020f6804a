"""Asking a Prefect server, without importing Prefect: whether it answers, and when the next night is."""

from __future__ import annotations

import ipaddress
import json
import os
import time
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from flows.service.state import CLIENT_LOGIN


def next_night(api_url: str, login: str | None = None) -> datetime | None:
    """Return when the server will next start a nightly run; None where it has no such plan.

    ``login`` is user:password; without one that of the environment.

    Raises:
        OSError: the server cannot be asked.
    """
    planned = ask(
        api_url,
        "/flow_runs/filter",
        {
            "flows": {"name": {"any_": ["nightly"]}},
            "flow_runs": {
                "state": {"type": {"any_": ["SCHEDULED"]}},
                "expected_start_time": {"after_": datetime.now(UTC).isoformat()},
            },
            "sort": "NEXT_SCHEDULED_START_TIME_ASC",
            "limit": 1,
        },
        login,
    )
    return datetime.fromisoformat(planned[0]["expected_start_time"]) if planned else None


#: What a server answers that is busy, and after how many seconds it is asked again.
_BUSY = (429, 502, 503)
_RETRIES = (0.2, 0.5, 1.0, 2.0, 4.0)


def healthy(api_url: str) -> bool:
    """Return whether a Prefect server answers at ``api_url`` (``http://host:port/api``)."""
    try:
        return bool(ask(api_url, "/health"))
    except (OSError, ValueError):
        return False


def ask(api_url: str, path: str, body: object = None, login: str | None = None) -> Any:
    """Return the answer of a Prefect server, without importing Prefect for it; asked again while it is busy.

    ``login`` is user:password; without one that of the environment.
    """
    from urllib.error import HTTPError
    from urllib.parse import urlsplit
    from urllib.request import ProxyHandler, Request, build_opener

    request = Request(api_url + path, headers={"Content-Type": "application/json"})
    if body is not None:
        request.data = json.dumps(body).encode()
    if secret := login or os.environ.get(CLIENT_LOGIN):
        request.add_header("Authorization", f"Basic {b64encode(secret.encode()).decode()}")
    # An office proxy must not stand between us and a server of our own.
    ours = is_loopback(urlsplit(api_url).hostname or "")
    opener = build_opener(ProxyHandler({} if ours else None))
    for delay in (*_RETRIES, None):
        try:
            with opener.open(request, timeout=5) as answer:
                return json.load(answer)
        except HTTPError as error:
            if error.code not in _BUSY or delay is None:
                raise
            error.close()
            time.sleep(delay)
    raise AssertionError("the last try returns or raises")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
