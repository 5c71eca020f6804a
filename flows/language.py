"""The language of who reads: Chinese or English, decided here for everything that is said to a person.

What was asked for on the command line (``--lang``) wins; else the locale decides. It is kept in a context variable
and not handed through, because much of what is said is said far from the command line: by a lock that is waited
for, by an error that ends the command after its context is closed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from transforms.texts import text_of

Language = Literal["zh", "en"]

#: What was asked for; None where the locale decides.
_ASKED: ContextVar[Language | None] = ContextVar("language", default=None)


def language() -> Language:
    """Return the language of the reader."""
    return _ASKED.get() or language_of(_locale(), "en")


def asked() -> Language | None:
    """Return the language that was asked for; None where the locale decides."""
    return _ASKED.get()


def speak(wanted: Language | None) -> None:
    """Speak the language that is ``wanted`` from here on; None: that of the locale."""
    _ASKED.set(wanted)


def speak_by_locale(silent: Language) -> None:
    """Speak, where nobody has asked for a language, that of the locale, and ``silent`` where it says none."""
    if _ASKED.get() is None:
        _ASKED.set(language_of(_locale(), silent))


@contextmanager
def speaking(wanted: Language) -> Iterator[None]:
    """Speak ``wanted`` within the block."""
    before = _ASKED.set(wanted)
    try:
        yield
    finally:
        _ASKED.reset(before)


def language_of(locale: str | None, silent: Language) -> Language:
    """Return the language for people of ``locale`` (as in ``LANG``); ``silent`` where it names no language."""
    if not locale or locale.split(".")[0] in ("C", "POSIX"):
        return silent
    return "zh" if locale.lower().startswith("zh") else "en"


def _locale() -> str | None:
    """Return the locale that the terminal asks for messages in, None where it asks for none."""
    asked = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next(filter(None, asked), None)


def told(text: tuple[str, str]) -> str:
    """Return of a pair of wordings, Chinese and English, the one for the reader."""
    return text[0] if language() == "zh" else text[1]


def said_by(error: BaseException) -> str:
    """Return what an error says, for the reader where it says it in both languages."""
    return told(text_of(error))


class Words:
    """What a module says, by name, in Chinese and in English: ``WORDS("late", days=3)``."""

    def __init__(self, **texts: tuple[str, str]) -> None:
        self._texts = texts

    def __call__(self, _name: str, /, **values: object) -> str:
        """Return the wording of that name for the reader, with ``values`` put in."""
        return told(self._texts[_name]).format(**values)

    def pair(self, name: str) -> tuple[str, str]:
        """Return both wordings of that name, as they were written."""
        return self._texts[name]
