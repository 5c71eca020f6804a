"""`jzedu nightly --profile`: steps and processes of a run on one axis of time."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO

import pytest
from rich.console import Console

from flows import profile as module
from flows.profile import PROFILE, Profile, profiled
from flows.progress import Steps


def shown(profile: Profile) -> str:
    out = StringIO()
    profile.show(Console(file=out, width=100))
    return out.getvalue()


def test_steps_stand_where_they_were_in_time() -> None:
    profile = Profile()
    profile.steps = [
        ("pull", 0.0, profile.seconds / 2),
        ("load", profile.seconds / 2, 2 * profile.seconds),
    ]
    lines = {line.split()[0]: line for line in shown(profile).splitlines() if line.strip()}
    assert lines["pull"].index("━") < lines["load"].index("━")


def test_what_a_process_used_is_counted_under_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(
        [
            {os.getpid(): module._Look(1, 1.0, 10), 7: module._Look(os.getpid(), 0.5, 20)},
            {
                os.getpid(): module._Look(1, 1.5, 10),
                7: module._Look(os.getpid(), 2.5, 30),
                8: module._Look(7, 0.25, 5),
                9: module._Look(1, 99.0, 99),
            },
        ]
    )
    kinds = {7: "workers", 8: "workers"}
    monkeypatch.setattr(module, "_looks", lambda: next(looks))
    monkeypatch.setattr(module, "_kind", kinds.__getitem__)
    profile = Profile()
    profile.look()
    profile.look()
    used = {kind: sum(spent.values()) for kind, spent in profile.used.items()}
    assert used == {"jzedu": 1.5, "workers": 2.75}
    assert profile.peak == 45


def test_children_are_found_and_told_by_their_command() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()", "expectations.engine"],
        stdin=subprocess.PIPE,
    ) as child:
        assert child.pid in module._below(os.getpid(), module._looks())
        assert module._kind(child.pid) == "Great Expectations"
        assert child.stdin is not None
        child.stdin.close()


def test_a_run_is_shown_at_its_end_whatever_ends_it() -> None:
    out = StringIO()
    console = Console(file=out, width=100)

    def run() -> None:
        with profiled(console):
            with Steps(console).step("load"):
                pass
            raise ValueError("ended")

    with pytest.raises(ValueError, match="ended"):
        run()
    assert PROFILE.get() is None
    assert "load" in out.getvalue() and "busy" in out.getvalue()
