"""Turns templates into files: the Jinja environment and the assets that every page uses.

Autoescape is on and templates hold no `safe`: markup comes only from `wording.Text`, which escapes
its parts, from `charts`, and from `tojson`, which keeps `<`, `>`, `&` and quotes out of scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from importlib import resources
from pathlib import Path
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from warehouse import wording
from warehouse.figures import BLANK, local_time, show_plain
from warehouse.report import words

ASSETS = ("report.css", "report.js")


def ready() -> None:
    """Compile all templates, for the pages that this process will write."""
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
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=partial(_in_one, language=language) if language else None,
    )
    env.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    env.globals.update(
        w=words.word,
        Text=wording.Text,
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
    return getattr(value, language) if isinstance(value, wording.Text) else value


def write_page(env: Environment, template: str, path: Path, context: Mapping[str, object]) -> None:
    """Render one template into a file."""
    path.write_text(env.get_template(template).render(context), "utf-8")


def write_assets(out: Path) -> None:
    """Put the style sheet and the script beside the pages."""
    for name in ASSETS:
        asset = resources.files("warehouse.report") / "static" / name
        (out / name).write_bytes(asset.read_bytes())
