"""Telling people of a run: that it failed or waits, sent submissions back, turned verdicts, lacks a source.

Off until somebody sets it up: where to comes from the environment, ``JZEDU_NOTIFY_URLS`` (apprise
URLs, with white space between them: a webhook, e-mail, a chat), or from notification blocks of
Prefect that ``settings.toml`` names. Both may hold secrets, so that neither is ever shown. A
notification that cannot be delivered is reported, and fails no run.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flows.after.artifacts import change_line, handed_line
from flows.settings import NotifySettings, Occasion
from transforms.names import SENTENCE, shown
from transforms.texts import Text
from warehouse.publication.reader.runs import Handed
from warehouse.publication.revisions import Revision

URLS = "JZEDU_NOTIFY_URLS"
#: A message names so many cases; the rest is in the publication.
_MOST = 20


@dataclass(frozen=True)
class Notice:
    """A message for people: what happened, and what to do next.

    With ``to``, an e-mail address, mail goes there and not to whom the channel names; other channels, which
    have no recipients to choose from, get it as they get all. ``files`` go with that mail alone: they are its recipient's.
    """

    occasion: Occasion
    title: str
    text: str
    to: str = ""
    files: tuple[Path, ...] = ()


def failed(flow: str, reason: Text, *, published: bool = False) -> Notice:
    """Return the notice that a run of ``flow`` failed; ``reason`` is the sentence it ended with.

    ``published``: the home has its publication all the same, which is not everywhere it has to be.
    """
    zh, en = _STANDS[published]
    return Notice(
        "failure",
        f"jzedu: {flow} 运行失败 / the {flow} run failed",
        f"{_in_both(reason)}\n\n"
        "怎么办：按上面一句处理；jzedu doctor 会指出其他问题。然后运行 jzedu nightly，或等下一夜自动补上。"
        f"{zh}，报送的文件没有丢失。\n\n"
        "What to do: follow the sentence above; `jzedu doctor` shows what else is amiss. Then run "
        "`jzedu nightly`, or leave it to the next night, which takes in everything unread. "
        f"{en}, and no file handed in is lost.",
    )


#: What stands after a run that failed, by whether it was published in the home.
_STANDS = {
    False: Text(
        "本次没有发布，上一次发布仍然有效",
        "Nothing was published; the last publication stands",
    ),
    True: Text(
        "本机已经发布，存储桶里仍是上一次的",
        "It is published in the home; the bucket has the publication before it",
    ),
}


def of_run(
    handed: Sequence[Handed], turns: Sequence[Revision], outbox: Path, report: Path
) -> Iterator[Notice]:
    """Yield the notices on a run that went well: on submissions returned, and on verdicts that turned."""
    returned = [handed_line(one) for one in handed if one.status == "returned"]
    if returned:
        yield Notice(
            "returned",
            f"jzedu: {len(returned)} 份报送已退回 / {_count(len(returned), 'submission')} returned",
            f"{_list(returned)}\n\n"
            f"怎么办：把 {outbox} 中的退回表发给各单位，表中标出了每个要改的单元格；改好的文件照原样再报一次。"
            "在那之前，此前已接收的版本继续有效。\n\n"
            f"What to do: send each unit its return sheet from {outbox}; it marks every cell to be "
            "corrected, and the corrected file is handed in like the first. What was accepted "
            "before stays in force until then.",
        )
    if turns:
        yield Notice(
            "verdict",
            f"jzedu: {len(turns)} 项判定变化 / {_count(len(turns), 'verdict')} changed",
            f"{_list([change_line(one) for one in turns])}\n\n"
            f"怎么办：查看报告 {report}；jzedu explain 指标 地区 年度 可以从数字追到原始单元格。\n\n"
            f"What to do: look at the report, {report}; `jzedu explain INDICATOR REGION YEAR` leads "
            "from a figure to the cells behind it.",
        )


def of_sources(sentences: Sequence[Text]) -> Notice:
    """Return the notice that sources cannot be read or files are refused, each in a sentence with its way out."""
    return Notice(
        "source",
        f"jzedu: {len(sentences)} 处来源或文件未能收取 / "
        f"{_count(len(sentences), 'source or file')} could not be taken in",
        f"{_list([_in_both(sentence, '  ') for sentence in sentences])}\n\n"
        "怎么办：每条都说明了原因和办法；其余来源照常处理。问题解决后下一夜自动收取，同一条不会再次通知。\n\n"
        "What to do: each line says why, and the way out. All other sources were taken in. Once it is "
        "put right the next night takes in what is missing; the same line is not sent again.",
    )


def waiting(sentence: str) -> Notice:
    """Return the notice that a run has been waiting for another for long; ``sentence`` says for which."""
    return Notice(
        "waiting",
        "jzedu: 运行在等待另一个运行 / a run is waiting for another",
        f"{sentence}\n\n"
        "怎么办：若那个进程仍在工作，无需处理；若它已卡住，结束该进程，等待中的运行会自动继续。\n\n"
        "What to do: nothing while that process is at work. If it hangs, end it: what waits goes on by "
        "itself, and nothing is lost.",
    )


def send(settings: NotifySettings, notices: Iterable[Notice]) -> list[Text]:
    """Deliver the ``notices`` that ``settings`` ask for; give a sentence for each that failed.

    The sentences name the kind of service and never the address, which may hold a password.
    """
    urls = os.environ.get(URLS, "").split()
    if not urls and not settings.blocks:
        return []
    wanted = [notice for notice in notices if notice.occasion in settings.on]
    if not wanted:
        return []
    with _unlogged("apprise", "urllib3"):
        return _deliver(wanted, urls, settings.blocks)


def has_channels(settings: NotifySettings) -> bool:
    """Return whether there is anywhere to deliver to."""
    return bool(os.environ.get(URLS, "").split() or settings.blocks)


def _deliver(notices: Sequence[Notice], urls: Sequence[str], names: Sequence[str]) -> list[Text]:
    services, problems = _services(urls)
    blocks, missing = _blocks(names)
    problems += missing
    for notice in notices:
        for name, service in {**services, **blocks}.items():
            try:
                delivered = service(notice)
            except Exception as error:
                # Services are other people's code and may quote the address: only the type is said.
                delivered, why = False, type(error).__name__
            else:
                why = ""
            if not delivered:
                problems.append(
                    Text(
                        f"“{notice.title}”没有送到{f'（{why}）' if why else ''}；请检查从这里连得上该服务，地址也写对了",
                        f"“{notice.title}” was not delivered{f' ({why})' if why else ''}; check that the"
                        " service can be reached from here, and its address",
                    ).at(name)
                )
    return problems


@contextmanager
def _unlogged(*names: str) -> Iterator[None]:
    """Keep libraries that log the addresses they talk to from logging while the block runs."""
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


class _Service(Protocol):
    def __call__(self, notice: Notice) -> bool: ...


def _services(urls: Sequence[str]) -> tuple[dict[Text, _Service], list[Text]]:
    """Return for each address a way to deliver there, by a name that tells no secret; and what is wrong."""
    if not urls:
        return {}, []
    from apprise import Apprise, NotifyFormat

    services: dict[Text, _Service] = {}
    problems = []
    for number, url in enumerate(urls, start=1):
        target = Apprise()
        entry = Text(f"{URLS} 的第{number}个地址", f"entry {number} of {URLS}")
        if not target.add(url):
            problems.append(
                Text(f"{entry.zh} apprise 不认识", f"{entry.en} is no address that apprise knows")
            )
            continue

        def deliver(notice: Notice, url: str = url, target: Apprise = target) -> bool:
            files: list[str] = []
            if notice.to and (there := _addressed(url, notice.to)) != url:
                target = Apprise()
                target.add(there)
                files = [str(file) for file in notice.files]
            return bool(
                target.notify(
                    notice.text,
                    title=notice.title,
                    body_format=NotifyFormat.TEXT,
                    attach=files or None,
                )
            )

        kind = target[0].service_name
        services[Text(f"{entry.zh}（{kind}）", f"{entry.en} ({kind})")] = deliver
    return services, problems


def _addressed(url: str, to: str) -> str:
    """Return the address of a mail channel with ``to`` as its only recipient; another channel as it is."""
    parts = urlsplit(url)
    if parts.scheme not in ("mailto", "mailtos"):
        return url
    kept = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name.lower() not in ("to", "cc", "bcc")
    ]
    return urlunsplit(parts._replace(path="", query=urlencode([*kept, ("to", to)])))


def _blocks(names: Sequence[str]) -> tuple[dict[Text, _Service], list[Text]]:
    """Return for each notification block a way to deliver through it; and what cannot be loaded."""
    if not names:
        return {}, []
    from prefect.blocks.core import Block

    services: dict[Text, _Service] = {}
    problems = []
    for name in names:
        try:
            block: Any = Block.load(name)
        except Exception as error:
            # A server away, a type not installed, no such block: the way out is the same.
            problems.append(
                Text(
                    f"通知块 {name} 载入不了（{type(error).__name__}）；请在 Prefect 页面的 Blocks 中建立它，"
                    "或从 settings.toml 中删去",
                    f"the notification block {name} cannot be loaded ({type(error).__name__}); create "
                    "it in the Prefect UI under Blocks, or take it out of settings.toml",
                )
            )
            continue

        def deliver(notice: Notice, block: Any = block) -> bool:
            block.notify(notice.text, subject=notice.title)
            return True

        services[Text(f"通知块 {name}", f"block {name}")] = deliver
    return services, problems


def _in_both(text: Text, indent: str = "") -> str:
    """Return both wordings, each on a line, ``indent`` before the second; one where they are the same."""
    zh, en = (shown(said, SENTENCE) for said in text)
    return zh if zh == en else f"{zh}\n{indent}{en}"


def _list(lines: Sequence[str]) -> str:
    more = [f"… + {len(lines) - _MOST}"] if len(lines) > _MOST else []
    return "\n".join(f"- {line}" for line in (*lines[:_MOST], *more))


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
