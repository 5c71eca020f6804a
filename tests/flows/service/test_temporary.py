"""The Prefect server that a run starts for itself: who may ask it, when it ends, when it is not needed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.service.state import API
from flows.service.temporary import is_named

STARTED = """
import json, os, sys, urllib.request
from urllib.error import HTTPError
from flows.environment import quiet
quiet()
from flows.service.temporary import TemporaryServer
server = TemporaryServer()
server.wait()
url = os.environ["PREFECT_API_URL"]
def asked(**headers):
    request = urllib.request.Request(url + "/flows/filter", b"{}", headers)
    try:
        return urllib.request.urlopen(request).status
    except HTTPError as refused:
        return refused.code
import base64
login = "Basic " + base64.b64encode(os.environ["PREFECT_API_AUTH_STRING"].encode()).decode()
known = {"Content-Type": "application/json", "Authorization": login}
print(json.dumps({
    "ours": asked(**known),
    "stranger": asked(**{"Content-Type": "application/json"}),
    "page": asked(**known, Origin="http://elsewhere.example"),
    "name": asked(**known, Host="elsewhere.example"),
    "process": server._child.pid,
}), flush=True)
"""


def started(home: Path, then: str, **more: str) -> subprocess.Popen[str]:
    """A process with a temporary server that says what it was answered, then does ``then``."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "JZEDU_"))}
    return subprocess.Popen(
        [sys.executable, "-c", STARTED + then],
        env={**kept, "PREFECT_HOME": str(home), **more},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def gone(process: int) -> bool:
    """Wait until a process that is not our child has ended."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        import select

        return bool(select.select([descriptor], [], [], 60)[0])
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("how", ["ends", "killed"])
def test_it_obeys_its_run_alone_and_ends_with_it(
    prefect_home: Callable[[], Path], how: str
) -> None:
    with started(prefect_home(), "sys.stdin.read()") as run:
        assert run.stdin is not None and run.stdout is not None
        said = json.loads(run.stdout.readline())
        assert (said["ours"], said["stranger"], said["page"], said["name"]) == (200, 401, 403, 403)
        if how == "killed":
            run.send_signal(signal.SIGKILL)
        else:
            run.stdin.close()
        run.wait()
    assert gone(said["process"])


def test_one_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").mkdir()
    run = started(tmp_path, "")
    _, told = run.communicate()
    assert run.returncode == 1
    assert "TemporaryServerFailed: it ended with code 3" in told


@pytest.mark.parametrize(
    ("profiles", "named"),
    [
        ('active = "office"\n[profiles.office]\nPREFECT_API_URL = "http://a/api"\n', True),
        ('active = "own"\n[profiles.own]\n[profiles.office]\nPREFECT_API_URL = "http://a"', False),
        ('active = "none"\n[profiles]\n', False),
        ("active = [", False),
        ("", False),
    ],
)
def test_a_server_in_the_profile_in_use_is_the_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profiles: str, named: bool
) -> None:
    for name in (API, "PREFECT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    assert not is_named()
    (tmp_path / "profiles.toml").write_text(profiles)
    assert is_named() == named
    monkeypatch.setenv(API, "http://127.0.0.1:4200/api")
    assert is_named()
