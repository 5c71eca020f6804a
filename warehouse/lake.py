"""The warehouse as a DuckLake: its catalogue in PostgreSQL, its rows as Parquet on storage that is shared.

Several machines reach it, and one of them writes: who does holds an advisory lock on a session of its
own (:class:`Claim`). A lock can be lost without its holder knowing, with the connection or with the
server. So every transaction that writes also writes the one row of a table, the fence
(:class:`Fence`): of two that do so beside each other DuckLake commits one, and who finds the row
changed by another has no right to commit.

Extensions are loaded from the packages of the extra ``lake``; nothing is downloaded. What is needed
only here is imported when it is needed.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb

from transforms.texts import Text, ToldInBoth
from warehouse.sql import literal
from warehouse.storage import PORTIONS, Bucket, Secrets, StorageFailed, access_to, environment_with

#: What the catalogue is attached as. Views keep it in their text, so that it can never be another;
#: ``warehouse.duckdb`` is called so as well.
CATALOG = "warehouse"
#: What DuckLake's address begins with where its catalogue is in PostgreSQL.
SCHEME = "ducklake:postgres:"
#: The folder of :attr:`Lake.portions`, which no schema is called.
_PORTIONS = "portions"
#: The number of the advisory lock, in the database of the catalogue.
_LOCK = (0x6A7A6564, 1)
#: Seconds that the server of the catalogue may take to answer.
_ANSWER = 10
#: So often a commit is tried that another transaction was in the way of.
_TRIES = 100
_NOT_INSTALLED = Text(
    "库是数据湖，而它所需的软件没有安装：请安装 jzedu 的附加组件 lake（docs/scale.md）",
    "the warehouse is a lake, and what that needs is not installed: install the extra lake of jzedu"
    " (docs/scale.md)",
)


class LakeFailed(ToldInBoth):
    """The lake cannot be used; the message says why, and what to do."""


class LakeEmpty(LakeFailed):
    """Nothing was ever written to the lake."""


class NoLongerWriter(LakeFailed):
    """Another run writes to the lake: what this one has not committed is lost."""


@dataclass(frozen=True)
class Lake:
    """A DuckLake.

    ``catalog`` is how libpq finds the database of the catalogue (``dbname=jzedu host=db``); what is
    missing in it, passwords above all, comes from the ``PG…`` variables of the environment. ``data``
    is where the rows are, ``s3://bucket/prefix`` or a folder that all machines see under one path;
    keys, region and endpoint come from the ``AWS_…`` variables. ``scratch`` is a folder of this
    machine for what does not fit into memory. What ``secrets`` hold comes before the environment.
    """

    catalog: str
    data: str
    scratch: Path
    secrets: Secrets | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return self.named.en

    @property
    def named(self) -> Text:
        """How it is called in a sentence."""
        return Text(
            f"数据湖 {self.catalog}（{self.data}）", f"the lake {self.catalog} with {self.data}"
        )

    @property
    def portions(self) -> Path | Bucket:
        """Where workers of a cluster leave what they have read until it is loaded: beside the rows."""
        if not self.data.startswith("s3://"):
            return Path(self.data, _PORTIONS)
        bucket, _, prefix = self.data.removeprefix("s3://").partition("/")
        return Bucket(
            bucket,
            f"{prefix.strip('/')}/{_PORTIONS}/".lstrip("/"),
            self.scratch / ".portions",
            PORTIONS,
            self.secrets,
        )

    def connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        """Return a connection that uses the lake.

        Raises:
            LakeEmpty: it is to be read only, and nothing was ever written to it.
            LakeFailed: it cannot be reached, or what it needs is not installed.
        """
        connection = duckdb.connect()
        try:
            for statement in self.statements(read_only=read_only):
                connection.execute(statement)
        except duckdb.Error as error:
            connection.close()
            raise self._cannot_open(str(error)) from None
        return connection

    def _cannot_open(self, said: str) -> LakeFailed:
        """Return what DuckDB has ``said``, without what it may quote of a statement: a key, perhaps."""
        if "does not exist - and creating" in said:
            return LakeEmpty(
                f"{self.named.zh}是空的；请运行 jzedu nightly，由档案重建",
                f"{self} is empty; run jzedu nightly, which fills it from the archive",
            )
        first = said.strip().splitlines()[0].rstrip(".")
        if self.secrets is not None:
            first = self.secrets.scrub(first)
        if "does not match existing data path" in said:
            return LakeFailed(
                f"{self.named.zh}：{first}。请把 [warehouse] 的 data 改为数据所在之处，或把 catalog 改为"
                "空的数据库",
                f"{self}: {first}. Set data, in [warehouse], to where its rows are, or catalog to an empty"
                " database",
            )
        return LakeFailed(
            f"{self.named.zh}打不开：{first}。{_REMEDY.zh}",
            f"{self} cannot be opened: {first}. {_REMEDY.en}",
        )

    def statements(
        self, *, read_only: bool, environ: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        """Return what a connection to an empty DuckDB executes to use the lake. They hold secrets.

        Raises:
            LakeFailed: what is needed is not installed, or a key is missing.
        """
        password = self.password()
        if environ is None:
            environ = environment_with(self.secrets)
        on_storage = self.data.startswith("s3://")
        extensions = ["ducklake", "postgres_scanner", *(["httpfs"] if on_storage else [])]
        options = f"DATA_PATH {literal(self.data)}{', READ_ONLY' if read_only else ''}"
        return (
            "SET autoinstall_known_extensions = false",
            *(f"LOAD {literal(_extension(name))}" for name in extensions),
            f"SET temp_directory = {literal(self.scratch / 'warehouse.tmp')}",
            f"SET ducklake_max_retry_count = {_TRIES}",
            # Rows are files, be they few: to look for rows of every table in the catalogue takes longer.
            "SET ducklake_default_data_inlining_row_limit = 0",
            *([_secret(self.data, environ)] if on_storage else []),
            *([_database_secret(password)] if password is not None else []),
            f"ATTACH {literal(SCHEME + self.catalog)} AS {CATALOG} ({options})",
            f"USE {CATALOG}",
        )

    def password(self) -> str | None:
        """Return the password of the catalogue's database, where it is to be no other than that of ``secrets``.

        Raises:
            LakeFailed: they cannot be had.
        """
        if self.secrets is None:
            return None
        try:
            return self.secrets.values.get("PGPASSWORD")
        except StorageFailed as error:
            raise LakeFailed(*error.text) from None

    def claim(self) -> Claim:
        """Return a session with the catalogue's server that can hold the right to write.

        Raises:
            LakeFailed: the server does not answer, or what is needed is not installed.
        """
        return Claim(self)


_REMEDY = Text(
    "请确认它的 PostgreSQL 和存储都在运行、从这里连得上，环境变量 PG… 和 AWS_…，或 secret_block 所写的块，都写对了"
    "（docs/scale.md）",
    "See that its PostgreSQL and its storage are up and can be reached from here, and that the PG… and"
    " AWS_… variables of the environment, or the block that secret_block names, are right (docs/scale.md)",
)


def _extension(name: str) -> Path:
    """Return the file of an extension, as its package brings it for this version of DuckDB."""
    spec = find_spec(f"duckdb_extension_{name}")
    if spec is None or spec.origin is None:
        raise LakeFailed(*_NOT_INSTALLED)
    version = f"v{duckdb.__version__}"
    file = Path(spec.origin).parent / "extensions" / version / f"{name}.duckdb_extension"
    if not file.exists():
        raise LakeFailed(
            f"没有为 DuckDB {duckdb.__version__} 安装扩展 {name}：请按同一份 lock 文件安装两者（docs/scale.md）",
            f"the extension {name} is not installed for DuckDB {duckdb.__version__}: install both from"
            " one lock (docs/scale.md)",
        )
    return file


def _secret(data: str, environ: Mapping[str, str]) -> str:
    """Return the statement that tells DuckDB the keys of the storage ``data``."""
    try:
        access = access_to(Text(f"库在 {data}", f"the warehouse is at {data}"), environ)
    except StorageFailed as error:
        raise LakeFailed(*error.text) from None
    options = {
        "KEY_ID": access.key,
        "SECRET": access.secret,
        "REGION": access.region,
        "SCOPE": f"s3://{urlsplit(data).netloc}",
    }
    secure = True
    if access.endpoint:
        parts = urlsplit(access.endpoint)
        secure = parts.scheme == "https"
        options |= {"ENDPOINT": parts.netloc, "URL_STYLE": "path"}
    listed = ", ".join(f"{name} {literal(value)}" for name, value in options.items())
    return f"CREATE OR REPLACE SECRET warehouse (TYPE s3, USE_SSL {str(secure).lower()}, {listed})"


def _database_secret(password: str) -> str:
    """Return the statement that tells DuckDB the password of the catalogue's database."""
    return f"CREATE OR REPLACE SECRET (TYPE postgres, PASSWORD {literal(password)})"


@dataclass(frozen=True)
class Claimant:
    """Who holds the right to write: the process as it calls itself, and since when (UTC)."""

    name: str
    since: datetime

    def __str__(self) -> str:
        return self.named.en

    @property
    def named(self) -> Text:
        """How it is called in a sentence."""
        since = f"{self.since:%Y-%m-%d %H:%M:%S}"
        return Text(f"{self.name}，{since}（世界时）起", f"{self.name}, since {since} UTC")


class Claim:
    """A session with the server of a lake's catalogue, which may hold the advisory lock of its writer.

    The server releases the lock when the session ends, however it ends. A machine that is gone without a
    word is noticed within a minute.
    """

    def __init__(self, lake: Lake) -> None:
        try:
            import psycopg
        except ImportError:
            raise LakeFailed(*_NOT_INSTALLED) from None
        self._lake = lake
        self._lost: type[Exception] = psycopg.OperationalError
        name = f"jzedu, process {os.getpid()} on {socket.gethostname()}"
        password = lake.password()
        try:
            self._session = psycopg.connect(
                lake.catalog,
                autocommit=True,
                connect_timeout=_ANSWER,
                application_name=name[:63],
                password=password,  # None: as the catalogue says, or the environment
            )
            self._session.execute(_LASTING)
        except psycopg.Error as error:
            raise self._failed(error) from None

    def take(self) -> Claimant | None:
        """Take the lock if it is free; give who holds it where it is not.

        Raises:
            LakeFailed: the server does not answer any more.
        """
        while not self._ask("SELECT pg_try_advisory_lock(%s, %s)", *_LOCK)[0][0]:
            for name, since in self._ask(_HOLDER, *_LOCK):
                return Claimant(name, since)
        return None

    def wait(self) -> None:
        """Take the lock once it is free.

        Raises:
            LakeFailed: the server does not answer any more.
        """
        self._ask("SELECT pg_advisory_lock(%s, %s)", *_LOCK)

    def close(self) -> None:
        """End the session, and with it the lock."""
        with suppress(self._lost):
            self._session.close()

    def _ask(self, query: str, *values: int) -> list[Any]:
        try:
            return self._session.execute(query.encode(), values).fetchall()
        except self._lost as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> LakeFailed:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return LakeFailed(
            f"{self._lake.named.zh}的 PostgreSQL 没有应答（{said}）。{_REMEDY.zh}",
            f"{self._lake}: its PostgreSQL does not answer ({said}). {_REMEDY.en}",
        )


#: A session lasts as long as its client, and no longer; older servers lack one of the settings.
_LASTING = """
SELECT set_config(name, value, false) FROM pg_settings JOIN (VALUES
    ('idle_session_timeout', '0'), ('tcp_keepalives_idle', '20'), ('tcp_keepalives_interval', '10'),
    ('tcp_keepalives_count', '3')) AS wanted (name, value) USING (name)
"""
_HOLDER = """
SELECT a.application_name, a.backend_start AT TIME ZONE 'UTC'
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND (l.classid, l.objid) = (%s, %s)
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Fence:
    """The one row that every transaction of a writer writes: a token of the transaction.

    Whoever comes to write reads it while holding the lock, and writes it with the first transaction:
    a night without news changes nothing.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        if not connection.execute(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = current_database()"
            " AND (schema_name, table_name) = ('writing', 'fence')"
        ).fetchall():
            connection.execute(
                "BEGIN; CREATE SCHEMA IF NOT EXISTS writing;"
                "CREATE TABLE writing.fence (token VARCHAR);"
                "INSERT INTO writing.fence VALUES ('nobody'); COMMIT"
            )
        self._last = self._found(connection)

    def write(self, connection: duckdb.DuckDBPyConnection) -> str:
        """Write the row within the open transaction; give the token, for :meth:`passed`.

        Raises:
            NoLongerWriter: another has written since this one did.
        """
        if self._found(connection) != self._last:
            raise NoLongerWriter(*_LOST)
        token = uuid.uuid4().hex
        connection.execute(f"UPDATE writing.fence SET token = {literal(token)}")
        return token

    def passed(self, token: str) -> None:
        """Note that the transaction with this token was committed."""
        self._last = token

    @staticmethod
    def _found(connection: duckdb.DuckDBPyConnection) -> str:
        ((token,),) = connection.execute("SELECT token FROM writing.fence").fetchall()
        return str(token)


_LOST = Text(
    "另一次运行正在写数据湖：本次与它的 PostgreSQL 断了连接，或那个服务停过，锁已失去。已经提交的保留，其余没有写入",
    "another run writes to the lake: this one lost the lock, with the connection to its PostgreSQL or"
    " with that server. What it had committed stays, and nothing else of it",
)


#: Earlier states of a lake are kept so long; what no state needs any more, and what a killed run has left
#: on the storage, goes a day later, when nobody can be writing or reading it still.
STATES_KEPT, FILES_KEPT = timedelta(days=7), timedelta(days=1)


def tend(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Keep a lake small and quick; its rows stay as they are. The caller is its only writer.

    Small files become larger ones; states from before :data:`STATES_KEPT` are given up, and files that none
    needs removed. ``now`` is UTC.

    Raises:
        duckdb.Error: something of it could not be done; what is left is done the next time.
    """
    states, files = (
        f"TIMESTAMPTZ {literal(f'{now - kept:%Y-%m-%d %H:%M:%S}+00')}"
        for kept in (STATES_KEPT, FILES_KEPT)
    )
    for statement in (
        f"ducklake_merge_adjacent_files({literal(CATALOG)})",
        f"ducklake_expire_snapshots({literal(CATALOG)}, older_than => {states})",
        f"ducklake_cleanup_old_files({literal(CATALOG)}, older_than => {files})",
        f"ducklake_delete_orphaned_files({literal(CATALOG)}, older_than => {files})",
    ):
        connection.execute(f"CALL {statement}").fetchall()
