"""Turns templates into files: the Jinja environment, the assets that every page uses, and what of the last report stays.

Autoescape is on and templates hold no `safe`: markup comes only from `Text`, which escapes
its parts, from `charts`, and from `tojson`, which keeps `<`, `>`, `&` and quotes out of scripts.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache, partial
from importlib import resources
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

import warehouse
from transforms.texts import Text
from warehouse import wording
from warehouse.cache import compiled_templates
from warehouse.figures import BLANK, local_time, show_plain
from warehouse.report import words
from warehouse.wording import FORMS

ASSETS = ("report.css", "report.js")
#: The marks of the pages of a report, in its folder; a name that is not packed and sent.
MARKS = ".marks.json"
#: So much of a mark stands on its page.
_SHOWN = 8


def ready() -> None:
    """Have all templates compiled, for the pages that this process will write."""
    for env in (environment(), environment("zh"), environment("en")):
        for name in env.list_templates(extensions=["html"]):
            env.get_template(name)


@lru_cache
def environment(language: Literal["zh", "en"] | None = None) -> Environment:
    """Return the template environment; a name that a template misspells is an error.

    A text is shown in both languages, each marked as such, or in the ``language`` given alone.
    """
    env = Environment(
        loader=PackageLoader("warehouse.report"),
        bytecode_cache=compiled_templates(language or "both"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=partial(_in_one, language=language) if language else None,
    )
    env.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    env.globals.update(
        w=words.word,
        Text=Text,
        STATUSES=wording.STATUSES,
        STATUS_MEANINGS=wording.STATUS_MEANINGS,
        KINDS=wording.KINDS,
        SCOPES=wording.SCOPES,
        REPORTING=wording.REPORTING,
        SUBMISSION_STATUSES=wording.SUBMISSION_STATUSES,
        SEVERITIES=wording.SEVERITIES,
        form_word=words.form_word,
        BASIS_MISSING=wording.BASIS_MISSING,
        unit_word=wording.unit_word,
        figure=wording.figure,
        local_time=local_time,
        plain=show_plain,
        BLANK=BLANK,
    )
    return env


def _in_one(value: object, language: Literal["zh", "en"]) -> object:
    return getattr(value, language) if isinstance(value, Text) else value


def write_page(env: Environment, template: str, path: Path, context: Mapping[str, object]) -> None:
    """Render one template into a file."""
    path.write_text(env.get_template(template).render(context), "utf-8")


class Pages:
    """The files of a report on their way into a folder; those that would be the same are taken from the report before.

    The mark of a page is a digest of all that it is made from, the program and the names of forms included. Where the
    report in ``last`` has a page of the same mark, and the page is as it was written, nothing is rendered: the file gets a
    second name, so that what copies the folder elsewhere finds it unchanged. The mark stands on the page.
    """

    def __init__(
        self,
        env: Environment,
        out: Path,
        last: Path | None = None,
        site: Mapping[str, object] | None = None,
    ) -> None:
        """Begin in ``out``; ``last`` is the folder of the report before, ``site`` what every page is given."""
        self._env, self._out, self._last, self._site = env, out, last, site
        self._known = _read_marks(last)
        self._marks: dict[str, tuple[str, str]] = {}
        self._program = digest((_program(), [(name, *text) for name, text in FORMS.items()]))
        self._frame = digest(site)

    def page(self, template: str, name: str, context: Mapping[str, object]) -> None:
        """Write a page, of which only the context says what it is made from."""
        self.page_from(template, name, context, lambda: context)

    def page_from(
        self,
        template: str,
        name: str,
        inputs: object,
        context: Callable[[], Mapping[str, object]],
    ) -> None:
        """Write a page that is made from ``inputs`` and from what every page is given.

        ``context`` is asked for where the page is rendered; it is also given ``site`` and the page's ``mark``.
        """
        mark = digest((self._program, template, self._frame, inputs))

        def render() -> bytes:
            shown = {"site": self._site, **context(), "mark": mark[:_SHOWN]}
            return self._env.get_template(template).render(shown).encode()

        self._put(name, mark, render)

    def summed(self, inputs: object) -> str:
        """Return a digest of inputs that many pages have in common, to be given in their place."""
        return digest(inputs)

    def file(self, name: str, inputs: object, content: Callable[[], bytes]) -> None:
        """Write another file, made from ``inputs`` alone."""
        self._put(name, digest((self._program, inputs)), content)

    def finish(self) -> None:
        """Note the marks, for the report after this one."""
        text = json.dumps(self._marks, sort_keys=True, indent=0)
        (self._out / MARKS).write_text(text, "utf-8")

    def _put(self, name: str, mark: str, content: Callable[[], bytes]) -> None:
        path = self._out / name
        known, written = self._known.get(name, ("", ""))
        if self._last is None or known != mark or not _took(self._last / name, written, path):
            made = content()
            path.unlink(missing_ok=True)  # it may be the file of another report too
            path.write_bytes(made)
            written = hashlib.sha256(made).hexdigest()
        self._marks[name] = (mark, written)


def _took(old: Path, written: str, path: Path) -> bool:
    """Return whether ``old`` is still as it was ``written`` (SHA-256) and stands at ``path`` too."""
    try:
        if hashlib.sha256(old.read_bytes()).hexdigest() != written:
            return False
        if not path.exists() or not path.samefile(old):
            path.unlink(missing_ok=True)
            try:
                os.link(old, path)
            except OSError:  # a file system without links
                shutil.copy2(old, path)
    except OSError:
        return False
    return True


def _read_marks(last: Path | None) -> dict[str, tuple[str, str]]:
    """Return mark and SHA-256 of each page of the report in ``last``; none where they cannot be read."""
    try:
        found = json.loads((last / MARKS).read_text("utf-8")) if last else {}
        return {str(name): (str(mark), str(written)) for name, (mark, written) in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


@lru_cache
def _program() -> str:
    """Return a mark of everything in this package's floor that pages are made by."""
    content = hashlib.sha256()
    for file in sorted(Path(warehouse.__file__).parent.rglob("*")):
        if file.suffix in (".py", ".html", ".css", ".js"):
            content.update(file.read_bytes())
    return content.hexdigest()


def digest(value: object) -> str:
    """Return a digest of plain data and records: the same for the same content, whoever shares what with whom."""
    buffer = io.BytesIO()
    _Canonical(buffer).dump(value)
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


class _Reducers(dict[type, Callable[[Any], Any]]):
    """How an object is written, by its type, which is looked at once; what is not here the pickler writes as it does."""

    def __missing__(self, kind: type) -> Callable[[Any], Any]:
        if is_dataclass(kind):
            names = [field.name for field in fields(kind)]
            # Of one name alone attrgetter gives the value itself.
            get: Callable[[Any], Any] = attrgetter(*names) if names else lambda one: ()
            self[kind] = lambda one: (list, ([kind.__qualname__, get(one)],))
        elif issubclass(kind, tuple):
            self[kind] = lambda one: (list, (list(one),))
        elif issubclass(kind, str):
            self[kind] = lambda one: (str, (str.__str__(one),))
        else:
            raise KeyError(kind)
        return self[kind]


_REDUCERS = _Reducers()


class _Canonical(pickle.Pickler):
    """Writes content and nothing of identity: what stands twice is written twice; of a set the order is its own."""

    dispatch_table = _REDUCERS

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, 5)
        self.fast = True  # without the memo, whose places depend on which objects are the same


def write_assets(pages: Pages) -> None:
    """Put the style sheet and the script beside the pages."""
    for name in ASSETS:
        asset = resources.files("warehouse.report") / "static" / name
        pages.file(name, (), asset.read_bytes)
