"""Telling people of a run: that it failed, sent submissions back, or turned verdicts.

Off until somebody sets it up: where to comes from the environment, ``JZEDU_NOTIFY_URLS`` (apprise
URLs, with white space between them: a webhook, e-mail, a chat), or from notification blocks of
Prefect that ``settings.toml`` names. Both may hold secrets, so that neither is ever shown. A
notification that cannot be delivered is reported, and fails no run.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from flows.artifacts import Handed, Turn

URLS = "JZEDU_NOTIFY_URLS"
Occasion = Literal["failure", "returned", "verdict"]
#: A message names so many cases; the rest is in the publication.
_MOST = 20


class NotifySettings(BaseModel):
    """``[notify]`` in settings.toml.

    ``on`` are the occasions to tell of; ``blocks`` are notification blocks of the Prefect server,
    as ``type/name`` (``slack-webhook/office``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: tuple[Occasion, ...] = ("failure", "returned", "verdict")
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notice:
    """A message for people: what happened, and what to do next."""

    occasion: Occasion
    title: str
    text: str


def failed(flow: str, reason: str) -> Notice:
    """That a run of ``flow`` failed; ``reason`` is the sentence it ended with."""
    return Notice(
        "failure",
        f"jzedu: the {flow} run failed",
        f"{reason}\n\n"
        "Nothing was published; the last publication stands, and nothing handed in is lost.\n"
        "What to do: follow the sentence above; `jzedu doctor` shows what else is amiss. Then run "
        "`jzedu nightly`, or leave it to the next night, which takes in everything unread.",
    )


def of_run(handed: Sequence[Handed], turns: Sequence[Turn], outbox: str) -> Iterator[Notice]:
    """The notices on a run that went well: on submissions returned, and on verdicts that turned."""
    returned = [one for one in handed if one.status == "returned"]
    if returned:
        yield Notice(
            "returned",
            f"jzedu: {_count(len(returned), 'submission')} returned",
            f"{_list(one.line() for one in returned)}\n\n"
            f"What to do: send each unit its return sheet from {outbox}; it marks every cell to be "
            "corrected. A corrected file goes into the same inbox. What was accepted before stays "
            "in force until then.",
        )
    if turns:
        yield Notice(
            "verdict",
            f"jzedu: {_count(len(turns), 'verdict')} changed",
            f"{_list(one.line() for one in turns)}\n\n"
            "What to do: look at the report; `jzedu explain INDICATOR REGION YEAR` leads from a "
            "figure to the cells behind it.",
        )


def send(settings: NotifySettings, notices: Iterator[Notice] | Sequence[Notice]) -> list[str]:
    """Deliver the ``notices`` that ``settings`` ask for; give a sentence for each that failed.

    The sentences name the kind of service and never the address, which may hold a password.
    """
    urls = os.environ.get(URLS, "").split()
    if not urls and not settings.blocks:
        return []
    wanted = [notice for notice in notices if notice.occasion in settings.on]
    if not wanted:
        return []
    services, problems = _services(urls)
    blocks, missing = _blocks(settings.blocks)
    problems += missing
    for notice in wanted:
        for name, service in {**services, **blocks}.items():
            try:
                delivered = service(notice)
            except Exception as error:
                # Services are other people's code and may quote the address: only the type is said.
                problems.append(
                    f"{name}: “{notice.title}” was not delivered ({type(error).__name__})"
                )
                continue
            if not delivered:
                problems.append(
                    f"{name}: “{notice.title}” was not delivered; check that the service can be "
                    f"reached from here and that its address in {URLS} is right"
                )
    return problems


class _Service(Protocol):
    def __call__(self, notice: Notice) -> bool: ...


def _services(urls: Sequence[str]) -> tuple[dict[str, _Service], list[str]]:
    """For each address a way to deliver there, by a name that tells no secret; and what is wrong."""
    if not urls:
        return {}, []
    from apprise import Apprise, NotifyFormat

    # Apprise logs addresses when something fails.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    services: dict[str, _Service] = {}
    problems = []
    for number, url in enumerate(urls, start=1):
        target = Apprise()
        if not target.add(url):
            problems.append(f"entry {number} of {URLS} is no address that apprise knows")
            continue

        def deliver(notice: Notice, target: Apprise = target) -> bool:
            return bool(
                target.notify(notice.text, title=notice.title, body_format=NotifyFormat.TEXT)
            )

        services[f"entry {number} of {URLS} ({target[0].service_name})"] = deliver
    return services, problems


def _blocks(names: Sequence[str]) -> tuple[dict[str, _Service], list[str]]:
    """For each notification block a way to deliver through it; and what cannot be loaded."""
    if not names:
        return {}, []
    from prefect.blocks.core import Block

    services: dict[str, _Service] = {}
    problems = []
    for name in names:
        try:
            block: Any = Block.load(name)
        except Exception as error:
            # A server away, a type not installed, no such block: the way out is the same.
            problems.append(
                f"the notification block {name} cannot be loaded ({type(error).__name__}); create "
                "it in the Prefect UI under Blocks, or take it out of settings.toml"
            )
            continue

        def deliver(notice: Notice, block: Any = block) -> bool:
            block.notify(notice.text, subject=notice.title)
            return True

        services[f"block {name}"] = deliver
    return services, problems


def _list(lines: Iterator[str]) -> str:
    every = [f"- {line}" for line in lines]
    more = len(every) - _MOST
    return "\n".join(every[:_MOST]) + (f"\n- … and {more} more" if more > 0 else "")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
