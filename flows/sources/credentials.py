"""Passwords, keys and tokens of sources: from the environment or a Prefect Secret block.

They are held apart from the settings, shown by no ``repr``, and struck out of every message.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from urllib.parse import quote

from flows.blocks import BlockFailed, table_in, value_of
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
    name = settings.secret_block or ""
    try:
        return table_in(value_of(name), name, SECRETS, _ALONE.get(settings.kind))
    except BlockFailed as error:
        raise SourceError(*error.text) from None
