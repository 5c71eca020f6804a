"""Passwords, keys and tokens of sources: from the environment or a Prefect Secret block.

They are held apart from the settings, shown by no ``repr``, and struck out of every message.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast
from urllib.parse import quote

from flows.sources.model import SourceError
from flows.sources.settings import SECRETS, RemoteSettings, variable
from transforms.texts import Text

#: What a block means that holds a single text.
_ALONE = {"sftp": "password", "http": "token"}


@dataclass(frozen=True)
class Credentials:
    """What a source is opened with; None where nothing was given."""

    password: str | None = field(default=None, repr=False)
    key_file: str | None = field(default=None, repr=False)
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    def scrub(self, text: Text) -> Text:
        """``text`` without any of these, as they are or as they stand in an address."""
        return Text(self._scrubbed(text.zh), self._scrubbed(text.en))

    def _scrubbed(self, text: str) -> str:
        for entry in fields(self):
            secret = getattr(self, entry.name)
            if secret and entry.name != "key_file":
                for form in (secret, quote(secret, safe="")):
                    text = text.replace(form, "…")
        return text


def load_credentials(
    settings: RemoteSettings, environ: Mapping[str, str] = os.environ
) -> Credentials:
    """Return the credentials of a source; a variable of the environment wins over the block.

    Raises:
        SourceError: the block that ``settings`` name cannot be used.
    """
    found = _from_block(settings) if settings.secret_block else {}
    for secret in SECRETS:
        if value := environ.get(variable(settings.name, secret), "").rstrip("\r\n"):
            found[secret] = value
    return Credentials(**found)


def _from_block(settings: RemoteSettings) -> dict[str, str]:
    """Return what the Prefect Secret block holds: a table of the names in SECRETS, or one text."""
    from prefect.blocks.system import Secret

    name = settings.secret_block
    block = Text(f"Prefect 的 Secret 块 {name}", f"the Prefect Secret block {name}")
    try:
        value = cast(Secret[Any], Secret.load(settings.secret_block or "")).get()
    except Exception as error:
        # Prefect has many ways to fail here, and none of them may end the run of other sources.
        # Its own words are left out: nobody can say what they quote.
        raise SourceError(
            f"{block.zh} 读不出来（{type(error).__name__}）；请建立它，或检查 PREFECT_API_URL",
            f"{block.en} cannot be read ({type(error).__name__}); make it, or check PREFECT_API_URL",
        ) from None
    if isinstance(value, dict) and value.keys() <= set(SECRETS):
        return {name: str(secret) for name, secret in value.items()}
    if not isinstance(value, dict | list) and settings.kind in _ALONE:
        return {_ALONE[settings.kind]: str(value)}
    raise SourceError(
        f"{block.zh} 的内容须是一张表，可写：{'、'.join(SECRETS)}",
        f"{block.en} must hold a table of some of: {', '.join(SECRETS)}",
    )
