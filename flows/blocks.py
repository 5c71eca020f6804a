"""Prefect Secret blocks: where secrets of sources and places may be kept instead of the environment.

Prefect reads where its server is when it is imported, which for a run must not be before its own server is
there. Whoever needs a block earlier, or has no other use for Prefect, has a process of its own ask for it:
``python -m flows.blocks``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from transforms.texts import Text, ToldInBoth

#: Seconds that a process may take that asks for a block: without a server it starts one.
_PATIENCE = 300
#: Seconds in which a server of this machine comes up that a run has just started.
_STARTS_WITHIN, _INTERVAL = 30, 0.1


class BlockFailed(ToldInBoth):
    """A block cannot be used; the message says why, and never what is in it."""


def named(block: str) -> Text:
    """Return what a block is called in a sentence."""
    return Text(f"Prefect 的 Secret 块 {block}", f"the Prefect Secret block {block}")


def value_of(block: str) -> Any:
    """Return what the Prefect Secret block holds; imports Prefect.

    Raises:
        BlockFailed: it cannot be read.
    """
    from prefect.blocks.system import Secret

    try:
        return cast(Secret[Any], Secret.load(block)).get()
    except Exception as error:
        # Prefect has many ways to fail here, and none of them may end the run of other sources.
        # Its own words are left out: nobody can say what they quote.
        raise _unreadable(block, type(error).__name__) from None


def value_from_elsewhere(block: str, home: Path) -> Any:
    """Return what the block holds, of the service of ``home`` where that is up; Prefect is not imported here.

    Raises:
        BlockFailed: it cannot be read.
    """
    try:
        asked = subprocess.run(
            [sys.executable, "-P", "-m", "flows.blocks"],
            input=json.dumps({"block": block, "home": str(home)}),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            timeout=_PATIENCE,
            check=False,
        )
        answer = json.loads(asked.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise _unreadable(block, type(error).__name__) from None
    if "failed" in answer:
        raise BlockFailed(*answer["failed"])
    return answer["value"]


def table_in(
    value: object, block: str, names: Collection[str], alone: str | None
) -> dict[str, str]:
    """Return the ``value`` of a block: a table of some of ``names``, or one text, which is then ``alone``.

    Raises:
        BlockFailed: it is something else.
    """
    if isinstance(value, dict) and value.keys() <= set(names):
        return {name: str(secret) for name, secret in value.items()}
    if not isinstance(value, dict | list) and alone is not None:
        return {alone: str(value)}
    raise BlockFailed(
        f"{named(block).zh} 的内容须是一张表，可写：{'、'.join(names)}",
        f"{named(block).en} must hold a table of some of: {', '.join(names)}",
    )


def _unreadable(block: str, why: str) -> BlockFailed:
    return BlockFailed(
        f"{named(block).zh} 读不出来（{why}）；请建立它，或检查 PREFECT_API_URL",
        f"{named(block).en} cannot be read ({why}); make it, or check PREFECT_API_URL",
    )


def _use_server_of(home: Path) -> None:
    """Have Prefect ask the service of ``home``, or the server that a run has started, once that is up."""
    from flows.service.client import healthy, is_loopback
    from flows.service.state import API, log_in, running

    serving = running(home)
    if serving is not None and healthy(serving.api):
        log_in(home)
    api = os.environ.get(API, "")
    until = time.monotonic() + _STARTS_WITHIN
    while is_loopback(urlsplit(api).hostname or "") and not healthy(api):
        if time.monotonic() > until:
            return
        time.sleep(_INTERVAL)


def main() -> None:
    """Answer the one question on standard input, as JSON on standard output."""
    from flows.environment import quiet

    asked = json.load(sys.stdin)
    quiet()
    # Whatever Prefect has to say goes elsewhere.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        _use_server_of(Path(asked["home"]))
        try:
            answer = {"value": value_of(asked["block"])}
        except BlockFailed as failed:
            answer = {"failed": list(failed.text)}
        json.dump(answer, answers, default=str)


if __name__ == "__main__":
    main()
