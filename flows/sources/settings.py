"""What an administrator writes into settings.toml about a source, one model for each kind.

    [[sources]]
    kind = "sftp"
    name = "counties"
    host = "files.example"
    username = "jzedu"
    path = "/submissions"

Below a source's root the first folders are the reporting units, as in the inbox; a file beside
them is taken and goes back. Relative paths of this machine are relative to JZEDU_HOME. Passwords,
keys and tokens have no place here: see :mod:`flows.sources.credentials`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from transforms.texts import Misfit

#: What is secret about a source, or leads to it; the ends of the environment variables' names.
SECRETS: Final = ("password", "key_file", "access_key", "secret_key", "token")
INBOX: Final = "inbox"

_NAME = StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


def variable(source: str, secret: str) -> str:
    """Return the environment variable that holds ``secret`` of the source of this name."""
    return f"JZEDU_SOURCE_{source}_{secret}".upper()


class _Source(BaseModel):
    """What all sources have: a name, which is also how messages and variables call them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, _NAME]

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, values: object) -> object:
        if isinstance(values, Mapping):
            for key in values:
                if str(key).lower() in SECRETS:
                    place = variable(str(values.get("name", "<name>")), str(key))
                    raise Misfit(
                        f"{key} 不应写在这个文件里；请写进环境变量 {place}，或写明 Prefect 的 Secret 块："
                        "secret_block",
                        f"{key} does not belong in this file; put it into the environment "
                        f"variable {place}, or name a Prefect Secret block: secret_block",
                    )
        return values


class FolderSettings(_Source):
    """Another folder of this machine, such as a mounted share.

    ``timeout_seconds`` is how long it may be silent before it counts as a mount that hangs.
    """

    kind: Literal["folder"]
    path: Path
    timeout_seconds: float = Field(default=60, gt=0, le=3600)

    @property
    def address(self) -> str:
        """Where it is, for people and to tell one place from another."""
        return str(self.path)


class _Remote(_Source):
    """A source on another machine; ``secret_block`` names a Prefect Secret block.

    ``timeout_seconds`` is how long one answer may be silent, ``file_seconds`` how long one file or
    page may take in all, ``total_seconds`` a whole round. It lists ``most_entries`` files and folders
    at most.
    """

    secret_block: Text | None = None
    timeout_seconds: float = Field(default=30, gt=0, le=3600)
    file_seconds: float = Field(default=900, gt=0, le=86400)
    total_seconds: float = Field(default=7200, gt=0, le=86400)
    most_entries: int = Field(default=200_000, ge=1)


class SftpSettings(_Remote):
    """A folder on an SFTP server.

    The server's key must stand in ``known_hosts``, a file as OpenSSH writes it. A file changed
    within the last ``settle_seconds`` is taken for still being uploaded.
    """

    kind: Literal["sftp"]
    host: Text
    port: int = Field(default=22, ge=1, le=65535)
    username: Text
    path: Text = "."
    known_hosts: Path = Path("known_hosts")
    settle_seconds: int = Field(default=60, ge=0)

    @property
    def address(self) -> str:
        """Where it is, for people and to tell one place from another."""
        return f"sftp://{self.username}@{self.host}:{self.port}/{self.path.lstrip('/')}"


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misfit(
            "请写完整的地址，以 https://（或 http://）开头",
            "write a whole address, beginning with https:// (or http://)",
        )
    if "@" in parts.netloc:
        raise Misfit(
            "地址中不写用户和口令；请写 username，口令写进环境变量",
            "no user and no password in an address; give username, and the password in the environment",
        )
    return text


WebAddress = Annotated[Text, AfterValidator(_web_address)]


class S3Settings(_Remote):
    """A bucket of S3-compatible storage: the objects below ``prefix``.

    ``endpoint`` is left out for Amazon itself. ``addressing``: the bucket in the path
    (``path``; MinIO, Ceph) or in the host name (``virtual``; Aliyun OSS, Tencent COS). ``ca_file``
    holds the certificates of the authorities to trust instead of the usual ones.
    """

    kind: Literal["s3"]
    bucket: Text
    prefix: str = ""
    endpoint: WebAddress | None = None
    region: Text = "us-east-1"
    addressing: Literal["path", "virtual"] = "path"
    ca_file: Path | None = None

    @property
    def root(self) -> str:
        """What the keys of all objects begin with: "", or a prefix that ends in a slash."""
        trimmed = self.prefix.strip("/")
        return f"{trimmed}/" if trimmed else ""

    @property
    def address(self) -> str:
        """Where it is, for people and to tell one place from another."""
        return f"s3://{self.bucket}/{self.root} at {self.endpoint or self.region}"


class HttpSettings(_Remote):
    """Files of a web server: those of a manifest (JSON), or of the index pages below an address.

    ``username`` goes with a password; a token needs none. ``ca_file`` as in :class:`S3Settings`,
    ``settle_seconds`` as in :class:`SftpSettings`.
    """

    kind: Literal["http"]
    url: WebAddress
    username: Text | None = None
    ca_file: Path | None = None
    settle_seconds: int = Field(default=60, ge=0)

    @property
    def address(self) -> str:
        """Where it is, for people and to tell one place from another; without the query."""
        return urlsplit(self.url)._replace(query="", fragment="").geturl()


SourceSettings = Annotated[
    FolderSettings | SftpSettings | S3Settings | HttpSettings, Field(discriminator="kind")
]
RemoteSettings = SftpSettings | S3Settings | HttpSettings


def _names_differ(sources: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
    names = [source.name for source in sources]
    for name in names:
        if name == INBOX:
            raise Misfit(
                f"{name} 是收件夹自己的名称；请给来源换个名称",
                f"{name} is the name of the inbox itself; call the source otherwise",
            )
        if names.count(name) > 1:
            raise Misfit(
                f"有两个来源都叫 {name}；请各用各的名称",
                f"two sources are called {name}; give each a name of its own",
            )
    return sources


#: The field ``sources`` of the settings.
Sources = Annotated[tuple[SourceSettings, ...], AfterValidator(_names_differ)]
