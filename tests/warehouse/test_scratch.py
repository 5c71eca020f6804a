"""Folders for a block: new, gone afterwards, and cleared away where the process that had one was killed."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from warehouse.scratch import scratch

HOLDS = """
import sys
from warehouse.scratch import scratch

with scratch("tests") as folder:
    folder.joinpath("file").write_text("left")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files are, of this process and of those that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    monkeypatch.undo()
    tempfile.tempdir = None


def test_a_folder_lasts_for_the_block_whatever_is_in_it(place: Path) -> None:
    with scratch("tests") as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "below").mkdir()
    assert not list(place.iterdir())
    with pytest.raises(ValueError, match="within"), scratch("tests"):
        raise ValueError("within")
    assert not list(place.iterdir())


def test_what_a_killed_process_has_left_is_cleared_away_and_what_a_living_one_has_is_not(
    place: Path,
) -> None:
    command = [sys.executable, "-c", HOLDS]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().strip())
        try:
            with scratch("tests") as one, scratch("tests") as another:
                assert sorted(place.iterdir()) == sorted((theirs, one, another))
        finally:
            process.kill()
    assert list(place.iterdir()) == [theirs]
    with scratch("others") as other:
        assert sorted(place.iterdir()) == sorted((theirs, other))
    with scratch("tests") as folder:
        assert list(place.iterdir()) == [folder]


@pytest.mark.parametrize("before", [(os, "open"), (fcntl, "flock")])
def test_a_folder_that_is_cleared_away_before_it_is_held_is_not_given(
    place: Path, monkeypatch: pytest.MonkeyPatch, before: tuple[Any, str]
) -> None:
    real, cleared = getattr(*before), []

    def late(*given: Any) -> Any:
        if not cleared and (made := list(place.glob("jzedu-*"))):
            cleared.extend(made)
            made[0].rmdir()
        return real(*given)

    monkeypatch.setattr(*before, late)
    with scratch("tests") as folder:
        assert list(place.iterdir()) == [folder]
        assert len(cleared) == 1
        assert folder not in cleared


def test_where_nothing_can_be_locked_it_fails(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(OSError, match=os.strerror(errno.ENOLCK)), scratch("tests"):
        pytest.fail("it is not held")


def test_what_is_no_folder_of_ours_stays(place: Path) -> None:
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    link = place / "jzedu-tests-link"
    link.symlink_to(elsewhere)
    with scratch("tests"):
        pass
    assert link.is_symlink()
    assert elsewhere.is_dir()
