"""What people are told, in Chinese and English: a pair of wordings, and the errors that carry one.

Whoever raises such an error writes both wordings, and whoever shows it chooses by the reader; an error that is
put into another sentence goes there as a pair. Logs, records and whatever machines read have the English one.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from markupsafe import Markup, escape


class Text(NamedTuple):
    """One piece of text in both languages; either may hold untrusted characters."""

    zh: str
    en: str

    def at(self, place: object) -> Text:
        """Return it with the ``place`` that it is about before it: a file, a source, a field."""
        before = place if isinstance(place, Text) else same(place)
        return Text(f"{before.zh}：{self.zh}", f"{before.en}: {self.en}")

    def further(self, place: object) -> Text:
        """Return this place with a further one in it: of a line a field."""
        return Text(f"{self.zh}，{place}", f"{self.en}, {place}")

    def within(self, place: object) -> Text:
        """Return it, which begins with a place, with the larger one before it: of a record its file."""
        return Text(f"{place}，{self.zh}", f"{place}, {self.en}")

    def __html__(self) -> str:
        """Return both wordings, escaped, each marked with its language."""
        return _in_both(self.zh, self.en)


@lru_cache(maxsize=20_000)
def _in_both(zh: str, en: str) -> Markup:
    if zh == en:
        return escape(zh)
    return Markup('<span lang="zh">{}</span><span lang="en">{}</span>').format(zh, en)


def same(words: object) -> Text:
    """Return ``words`` as they are in both languages: a name, or what a library says."""
    return Text(str(words), str(words))


def joined(texts: Iterable[Text]) -> Text:
    """Return several texts as one sentence."""
    listed = tuple(texts)
    return Text("；".join(text.zh for text in listed), "; ".join(text.en for text in listed))


class ToldInBoth(Exception):
    """What a person has to be told of something that cannot be done, in both languages; English for a log."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(zh, en)
        self.text = Text(zh, en)

    def __str__(self) -> str:
        """Return the English wording."""
        return self.text.en


class Misfit(ToldInBoth, ValueError):
    """A value that a record cannot have: what validators raise, see :mod:`transforms.validation`."""


def text_of(error: BaseException) -> Text:
    """Return what an error says: both wordings where it has them, else its own words."""
    if isinstance(error, ToldInBoth):
        return error.text
    return said_by_system(error) if isinstance(error, OSError) else same(error)


#: What the system says most often.
_SYSTEM = {
    errno.EACCES: "没有权限",
    errno.EADDRINUSE: "地址已被占用",
    errno.EADDRNOTAVAIL: "本机没有这个地址",
    errno.ECONNREFUSED: "对方拒绝连接",
    errno.ECONNRESET: "对方断开了连接",
    errno.EEXIST: "已有同名的文件或文件夹",
    errno.EHOSTUNREACH: "没有通往该主机的路由",
    errno.EIO: "读写出错",
    errno.EISDIR: "是文件夹，不是文件",
    errno.ELOOP: "符号链接绕成了圈",
    errno.EMFILE: "打开的文件太多",
    errno.ENETUNREACH: "网络不通",
    errno.ENOENT: "没有这个文件或文件夹",
    errno.ENOMEM: "内存不足",
    errno.ENOSPC: "磁盘已满",
    errno.ENOTCONN: "连接已断开",
    errno.ENOTDIR: "不是文件夹",
    errno.EPERM: "不允许这样做",
    errno.EROFS: "文件系统只读",
    errno.ESTALE: "共享盘上的文件已失效",
    errno.ETIMEDOUT: "等待超时",
}


def said_by_system(error: OSError | int) -> Text:
    """Return what the system says of an error of its own, or of the number of one; without its place."""
    if isinstance(error, int):
        error = OSError(error, os.strerror(error))
    english, number = str(error.strerror or error), error.errno or 0
    # Whoever raises one of these may have said it better.
    is_own = english == os.strerror(number)
    return Text(_SYSTEM.get(number, english) if is_own else english, english)
