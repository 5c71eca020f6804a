"""Secrets and endpoints of the places that settings name: of warehouse, archive and publication.

They stand in the environment, or in a Prefect Secret block that the section of the place names,
``secret_block``. What the block says is then what counts: the variables of the environment are the same for
all places, and may be there for another one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from flows.blocks import BlockFailed, named, table_in, value_from_elsewhere
from transforms.texts import Text
from warehouse.storage import Secrets, StorageFailed

#: What a block may say of storage, and of a database; with the variable of the environment that says the same.
STORAGE: Final[Mapping[str, str]] = {
    "access_key": "AWS_ACCESS_KEY_ID",
    "secret_key": "AWS_SECRET_ACCESS_KEY",
    "endpoint": "AWS_ENDPOINT_URL",
    "region": "AWS_REGION",
}
DATABASE: Final[Mapping[str, str]] = {"password": "PGPASSWORD"}
_PAIR = ("access_key", "secret_key")


def secrets_in(block: str, home: Path, *, database: bool = False) -> Secrets:
    """Return the secrets of a place that are in ``block``; it is asked for when they are needed, once a process.

    ``home`` is that of the service that may know it. ``database``: the place has one as well, whose password a
    single text is.
    """
    return _secrets_in(os.getpid(), block, home, database)


@lru_cache(maxsize=32)
def _secrets_in(process: int, block: str, home: Path, database: bool) -> Secrets:
    """Return those of one ``process``: what was forked from a service asks anew."""
    variables = {**(DATABASE if database else {}), **STORAGE}

    def load() -> dict[str, str]:
        try:
            value = value_from_elsewhere(block, home)
            found = table_in(value, block, list(variables), "password" if database else None)
        except BlockFailed as error:
            raise StorageFailed(*error.text) from None
        _check(found, named(block))
        return {variables[name]: text for name, text in found.items()}

    return Secrets(load, named(block))


def _check(found: Mapping[str, str], block: Text) -> None:
    """Refuse a table in which something is missing.

    Raises:
        StorageFailed: it names what.
    """
    empty = [name for name, text in found.items() if not text.strip()]
    missing = [name for name in _PAIR if name not in found]
    if not found:
        raise StorageFailed(f"{block.zh} 是空的", f"{block.en} is empty")
    if empty:
        raise StorageFailed(
            f"{block.zh} 中的 {empty[0]} 是空的：请填写，或删去它",
            f"{empty[0]} in {block.en} is empty: fill it in, or take it out",
        )
    endpoint = found.get("endpoint", "https://")
    if not endpoint.startswith(("http://", "https://")):
        raise StorageFailed(
            f"{block.zh} 中的 endpoint 不是以 https:// 开头的地址：{endpoint}",
            f"endpoint in {block.en} is no address that begins with https://: {endpoint}",
        )
    if len(missing) == 1:
        raise StorageFailed(
            f"{block.zh} 中没有 {missing[0]}：{' 和 '.join(_PAIR)} 要么都写，要么都不写",
            f"{missing[0]} is missing in {block.en}: give both of {' and '.join(_PAIR)}, or neither",
        )
