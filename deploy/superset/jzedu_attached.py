"""A publication that is no file of this machine, for Superset: attached read-only by each connection.

It is the DuckDB file on S3-compatible storage, `s3://bucket/prefix/indicators.duckdb`, or the schema `published` of
a DuckLake, `ducklake:postgres:dbname=… host=…`. Where this module can be imported, superset_config.py has the line

    from jzedu_attached import DB_CONNECTION_MUTATOR

Keys and passwords come from the environment of Superset (AWS_…, PG…): Superset's own database, which it can
export, holds the address alone. Nothing is downloaded: extensions of DuckDB come from their packages
(duckdb-extension-…), or from an `INSTALL` that somebody has made before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb

#: What the publication is attached as.
CATALOG = "jzedu"
#: Among the arguments of a connection, the one that names the publication.
ARGUMENT = "jzedu_publication"
_STORAGE, _LAKE = "s3://", "ducklake:"


def is_address(publication: str) -> bool:
    """Return whether this is an address, and no path of a file."""
    return publication.startswith((_STORAGE, _LAKE))


def schema_of(publication: str) -> str:
    """Return the schema in which the tables of a publication are."""
    return "published" if publication.startswith(_LAKE) else "main"


def open_publication(address: str) -> duckdb.DuckDBPyConnection:
    """Return a connection that uses the publication at ``address``, and can only read it.

    Raises:
        duckdb.Error: it cannot be reached, or an extension is not installed.
    """
    connection = duckdb.connect()
    try:
        for statement in statements(address, os.environ):
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def statements(address: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what an empty DuckDB executes to use the publication at ``address``. One of them holds a key."""
    yield "SET autoinstall_known_extensions = false; SET autoload_known_extensions = false"
    lake = ("ducklake", "postgres_scanner") if address.startswith(_LAKE) else ()
    for name in ("httpfs", *lake):
        yield f"LOAD {_extension(name)}"
    if environ.get("AWS_ACCESS_KEY_ID"):
        yield _secret(environ)
    yield f"ATTACH {_literal(address)} AS {CATALOG} (READ_ONLY)"
    yield f"USE {CATALOG}.{schema_of(address)}"


def _extension(name: str) -> str:
    """Return an extension as LOAD takes it: the file of its package, else its name."""
    spec = find_spec(f"duckdb_extension_{name}")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}"
        if (file := folder / f"{name}.duckdb_extension").exists():
            return _literal(str(file))
    return name


def _secret(environ: Mapping[str, str]) -> str:
    """Return the statement that tells DuckDB the key to the storage."""
    options = {
        "KEY_ID": environ["AWS_ACCESS_KEY_ID"],
        "SECRET": environ.get("AWS_SECRET_ACCESS_KEY", ""),
        "REGION": environ.get("AWS_REGION") or "us-east-1",
    }
    secure = "true"
    if endpoint := environ.get("AWS_ENDPOINT_URL"):
        parts = urlsplit(endpoint)
        secure = str(parts.scheme == "https").lower()
        options |= {"ENDPOINT": parts.netloc, "URL_STYLE": "path"}
    listed = ", ".join(f"{name} {_literal(value)}" for name, value in options.items())
    return f"CREATE SECRET publication (TYPE s3, USE_SSL {secure}, {listed})"


def _literal(text: str) -> str:
    """Return ``text`` as SQL."""
    return "'" + text.replace("'", "''") + "'"


def DB_CONNECTION_MUTATOR(
    uri: Any,
    params: dict[str, Any],
    username: str | None,
    security_manager: object,
    source: object,
) -> tuple[Any, dict[str, Any]]:
    """Have a database whose arguments name a publication open it; every other one stays as it is."""
    address = params.get("connect_args", {}).get(ARGUMENT)
    if address is None:
        return uri, params
    wrapper = import_module(uri.get_dialect().__module__).ConnectionWrapper
    rest = {name: value for name, value in params.items() if name != "connect_args"}
    return uri, {**rest, "creator": partial(_opened, wrapper, str(address))}


def _opened(wrapper: Any, address: str) -> Any:
    """Return a connection as the dialect wants it."""
    return wrapper(open_publication(address))
