"""What stands in settings.toml about sources, and what must not; where credentials come from."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from flows.sources.credentials import Credentials, load_credentials
from flows.sources.model import decoded, unsafe, wanted
from flows.sources.settings import SftpSettings, Sources, variable
from transforms.texts import Text

SFTP = {"kind": "sftp", "name": "files", "host": "files.example", "username": "jzedu"}
S3 = {"kind": "s3", "name": "cloud", "bucket": "submissions"}
HTTP = {"kind": "http", "name": "portal", "url": "https://portal.example/in/"}


def parsed(*sources: object) -> tuple[Any, ...]:
    return TypeAdapter(Sources).validate_python(sources)


def problems(*sources: object) -> str:
    with pytest.raises(ValidationError) as caught:
        parsed(*sources)
    return "; ".join(f"{error['loc']}: {error['msg']}" for error in caught.value.errors())


def test_sources_as_they_stand_in_the_file() -> None:
    text = """
        [[sources]]
        kind = "sftp"
        name = "counties"
        host = "files.example"
        username = "jzedu"
        path = "/submissions"

        [[sources]]
        kind = "s3"
        name = "cloud"
        endpoint = "https://s3.example"
        bucket = "education"
        prefix = "/submissions/"

        [[sources]]
        kind = "http"
        name = "portal"
        url = "https://portal.example/list.json?format=json"

        [[sources]]
        kind = "folder"
        name = "share"
        path = "share"
    """
    sftp, s3, http, folder = parsed(*tomllib.loads(text)["sources"])
    assert sftp.address == "sftp://jzedu@files.example:22/submissions"
    assert s3.address == "s3://education/submissions/ at https://s3.example"
    assert http.address == "https://portal.example/list.json"
    assert folder.address == "share"


@pytest.mark.parametrize("secret", ["password", "token", "secret_key", "access_key", "key_file"])
def test_a_secret_in_the_file_is_refused_and_not_repeated(secret: str) -> None:
    sentence = problems({**SFTP, secret: "correct horse"})
    assert f"JZEDU_SOURCE_FILES_{secret.upper()}" in sentence
    assert "correct horse" not in sentence


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({**SFTP, "prot": 22}, "Extra inputs"),
        ({**SFTP, "kind": "ftp"}, "'folder', 'sftp', 's3', 'http'"),
        ({**SFTP, "name": "Two words"}, "name"),
        ({**SFTP, "name": "inbox"}, "inbox is the name of the inbox itself"),
        ({**SFTP, "port": 0}, "port"),
        ({**SFTP, "host": " "}, "host"),
        ({"kind": "sftp", "name": "files"}, "host"),
        ({**S3, "endpoint": "s3.example"}, "beginning with https://"),
        ({**HTTP, "url": "ftp://portal.example/"}, "beginning with https://"),
        ({**HTTP, "url": "https://me:correcthorse@portal.example/"}, "no user and no password"),
    ],
)
def test_what_cannot_be_used_is_said(source: dict[str, object], said: str) -> None:
    sentence = problems(source)
    assert said in sentence
    assert "correcthorse" not in sentence


def test_every_source_has_a_name_of_its_own() -> None:
    assert "two sources are called files" in problems(SFTP, {**S3, "name": "files"})


def test_credentials_come_from_the_environment_by_the_name_of_the_source() -> None:
    settings = SftpSettings.model_validate(SFTP)
    found = load_credentials(
        settings, {"JZEDU_SOURCE_FILES_PASSWORD": "one", "JZEDU_SOURCE_OTHER_TOKEN": "two"}
    )
    assert found == Credentials(password="one")
    assert variable("files", "key_file") == "JZEDU_SOURCE_FILES_KEY_FILE"


def test_credentials_are_never_shown() -> None:
    secrets = Credentials("p/w d", "key", "ak", "sk", "tk")
    assert repr(secrets) == "Credentials()"
    told = "https://x/?a=p%2Fw%20d&b=p/w d with ak, sk, tk and the file key"
    zh, text = secrets.scrub(Text(f"见 {told}", told))
    assert zh == f"见 {text}"
    assert text == "https://x/?a=…&b=… with …, … , … and the file key".replace(" , ", ", ")


@pytest.mark.parametrize(
    "path",
    ["/210727/a.csv", "210727/../a.csv", "../a.csv", "210727//a.csv", "210727/./a.csv",
     "C:/a/a.csv", "210727/a\\b.csv", "210727/a\n.csv", "210727/a\0.csv"],
)  # fmt: skip
def test_paths_out_of_their_folder_are_unsafe(path: str) -> None:
    assert unsafe(path)


def test_ordinary_paths_are_safe_and_wanted() -> None:
    for path in ("210727/a.csv", "义县/2020 年/学校..表.xlsx", "210727/...x/a.ZIP", "a.csv"):
        assert unsafe(path) is None
        assert wanted(path)
    for path in ("210727/a.pdf", "~$a.csv", "210727/~$a.xlsx", "210727/.a.csv", "210727/csv"):
        assert not wanted(path)


@pytest.mark.parametrize("name", ["学校", "义县", "2020年（上报）.xlsx", "a.csv", "凌海市—教师"])
def test_chinese_names_are_read_in_both_encodings(name: str) -> None:
    assert decoded(name.encode()) == name
    assert decoded(name.encode("gb18030")) == name


def test_credentials_from_a_prefect_secret_block(prefect_home: Callable[[], Path]) -> None:
    """A real block in a real (temporary) Prefect database, in a process of its own.

    Of a place named in the settings too, for which another process asks the server.
    """
    script = """
import os
from pathlib import Path
from prefect.blocks.system import Secret
from prefect.server.api.server import SubprocessASGIServer
from flows.places import secrets_in
from flows.sources.credentials import load_credentials
from flows.sources.model import SourceError
from flows.sources.settings import HttpSettings, S3Settings, SftpSettings

Secret(value="one text").save("text")
Secret(value={"access_key": "A", "secret_key": "S"}).save("table")
Secret(value={"pass": "word"}).save("other")
sftp = dict(kind="sftp", name="files", host="h", username="u")
s3 = dict(kind="s3", name="cloud", bucket="b")
http = dict(kind="http", name="portal", url="https://h/")
print(load_credentials(SftpSettings(**sftp, secret_block="text")).password)
print(load_credentials(HttpSettings(**http, secret_block="text")).token)
found = load_credentials(S3Settings(**s3, secret_block="table"))
print(found.access_key, found.secret_key)
won = {"JZEDU_SOURCE_FILES_PASSWORD": "from the environment"}
print(load_credentials(SftpSettings(**sftp, secret_block="text"), won).password)
for block in ("other", "nowhere"):
    try:
        load_credentials(S3Settings(**s3, secret_block=block))
    except SourceError as error:
        print(error)
os.environ["PREFECT_API_URL"] = SubprocessASGIServer().api_url
print(sorted(secrets_in("table", Path("no home")).values.items()))
"""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "JZEDU_"))}
    said = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **kept,
            "PREFECT_HOME": str(prefect_home()),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    lines = said.stdout.splitlines()
    assert lines[:4] == ["one text", "one text", "A S", "from the environment"]
    assert lines[4].startswith("the Prefect Secret block other must hold a table of some of: passw")
    assert lines[5].startswith("the Prefect Secret block nowhere cannot be read (ValueError)")
    assert "word" not in lines[4].replace("password", "")
    assert lines[6] == "[('AWS_ACCESS_KEY_ID', 'A'), ('AWS_SECRET_ACCESS_KEY', 'S')]"
