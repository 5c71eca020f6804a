"""How the command line explains itself: in Chinese to who reads Chinese, click's own words included.

The English texts stand with the commands and options in :mod:`flows.terminal.cli`; the Chinese ones in
``help.zh.yaml``, and so do click's own. click asks ``gettext`` for its words each time it says one.
"""

from __future__ import annotations

import copy
import gettext
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import click

from flows.interrupts import is_interrupt
from flows.language import Language, asked, language, speak, speak_by_locale
from flows.terminal.wrapping import wrapped

CATALOGUE = Path(__file__).with_name("help.zh.yaml")


@lru_cache(maxsize=1)
def chinese() -> Mapping[str, Any]:
    """Return the catalogue: ``commands`` and ``options`` by name, ``placeholders``, and click's ``words``."""
    import yaml

    loaded: Mapping[str, Any] = yaml.load(CATALOGUE.read_text("utf-8"), yaml.CSafeLoader)
    return loaded


class _ClickWords(gettext.NullTranslations):
    """Click's own words in Chinese, which has no plural."""

    def gettext(self, message: str) -> str:
        return str(chinese()["words"].get(message, message))

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        found = chinese()["words"].get(msgid1)
        return found or (msgid1 if n == 1 else msgid2)


def install_click_words() -> None:
    """Have gettext find click's words in the catalogue, where the reader's language is Chinese.

    Files of gettext are found by the locale alone, and an option may ask for another language; so the one
    function that looks for them is asked to look here first.
    """
    found, words = gettext.translation, _ClickWords()

    def translation(domain: str, *arguments: Any, **options: Any) -> gettext.NullTranslations:
        if domain == "messages" and language() == "zh":
            return words
        translations: gettext.NullTranslations = found(domain, *arguments, **options)
        return translations

    gettext.translation = translation  # type: ignore[assignment]


class _Formatter(click.HelpFormatter):
    """Lays Chinese out, whose characters are two columns wide and have no spaces between them."""

    def write_text(self, text: str) -> None:
        if language() != "zh":
            super().write_text(text)
            return
        indent = " " * self.current_indent
        for line in wrapped(text, self.width - self.current_indent):
            self.write(f"{indent}{line}\n" if line else "\n")

    def write_heading(self, heading: str) -> None:
        if language() != "zh":
            super().write_heading(heading)
            return
        self.write(f"{' ' * self.current_indent}{heading}：\n")

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        if language() != "zh":
            super().write_dl(rows, col_max, col_spacing)
            return
        from rich.cells import cell_len

        listed = list(rows)
        first = min(max(cell_len(term) for term, _ in listed), col_max) + col_spacing
        margin = " " * (first + self.current_indent)
        for term, text in listed:
            self.write(" " * self.current_indent + term)
            lines = wrapped(text, max(self.width - len(margin), 10))
            room = first - cell_len(term)
            self.write(" " * room if room >= col_spacing else f"\n{margin}")
            self.write(f"\n{margin}".join(lines) + "\n")


class Context(click.Context):
    """A context whose help is laid out for Chinese as well."""

    formatter_class = _Formatter


class Command(click.Command):
    """A command that explains itself in the reader's language.

    ``path`` is how it is called below ``jzedu``; ``silent``, where it is not English, the language that it speaks
    where neither an option nor the locale asks for one.
    """

    context_class = Context
    path = ""

    def __init__(self, *arguments: Any, silent: Language | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.silent = silent
        self._chinese: dict[click.Parameter, click.Parameter] = {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Settle the language before anything of the command can be said."""
        if self.silent is not None:
            speak_by_locale(self.silent)
        return super().parse_args(ctx, args)

    @property
    def _text(self) -> str:
        """What it does: in Chinese, if the catalogue has it."""
        if language() == "zh" and (entry := chinese()["commands"].get(self.path)):
            return str(entry["help"])
        return inspect.cleandoc(self.help or "")

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return its parameters, with their help and placeholders in the reader's language."""
        params = super().get_params(ctx)
        if language() != "zh":
            return params
        return [self._chinese.setdefault(one, self._in_chinese(one, ctx)) for one in params]

    def _in_chinese(self, param: click.Parameter, ctx: click.Context) -> click.Parameter:
        if param in self._chinese:
            return self._chinese[param]
        named: Mapping[str, str] = chinese()["placeholders"]
        one = copy.copy(param)
        if isinstance(one, click.Option):
            one.help = help_of(self.path, one) or one.help
            if one.is_flag or one.count:
                return one
        metavar = one.make_metavar(ctx).removesuffix("...")
        if metavar in named:
            one.metavar = named[metavar]
        return one

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return what the line of usage says after the command."""
        pieces = super().collect_usage_pieces(ctx)
        if language() != "zh":
            return pieces
        named: Mapping[str, str] = chinese()["placeholders"]
        return [named.get(piece, piece) for piece in pieces]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what it does."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(self._text)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return its first sentence, whole, for the list of commands."""
        return re.split(r"\.$|\.\s|。", self._text.partition("\n\n")[0])[0]


class Group(Command, click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command, which then knows how it is called."""
        super().add_command(cmd, name)
        if isinstance(cmd, Command):
            cmd.path = f"{self.path} {name or cmd.name}".strip()

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for; Ctrl-C is one, whatever a library has made of it."""
        try:
            return super().invoke(ctx)
        except RuntimeError as error:
            if is_interrupt(error):
                raise KeyboardInterrupt from error
            raise

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the command line; nobody has asked for a language yet."""
        before = asked()
        speak(None)
        try:
            return super().main(*arguments, **options)
        except SystemExit:
            # Any other error is yet to be told, in the language that was asked for.
            speak(before)
            raise


def help_of(path: str, option: click.Option) -> str | None:
    """Return the Chinese text of an option of the command ``path``: its own, else the one all commands share."""
    name = longest(option.opts)
    own: Mapping[str, Any] = chinese()["commands"].get(path, {}).get("options", {})
    text = own.get(name) or chinese()["options"].get(name)
    return str(text) if text else None


def longest(names: Sequence[str]) -> str:
    """Return the name by which an option is known: ``--help`` of ``-h`` and ``--help``."""
    return max(names, key=len)
