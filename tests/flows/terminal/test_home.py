"""The folder of --home: a mistyped one is an error, a new one is made where that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flows.terminal.cli import cli


def run(*arguments: object, home: Path | None = None) -> Result:
    env = {"JZEDU_HOME": str(home) if home else None}
    return CliRunner().invoke(cli, [str(one) for one in arguments], env=env)


@pytest.mark.parametrize(
    "command",
    [
        ("nightly",),
        ("serve",),
        ("backfill", "--years", "2020"),
        ("status",),
        ("doctor",),
        ("report",),
        ("explain", "2.1", "义县", "2020"),
    ],
)
def test_a_mistyped_home_is_bad_usage_and_makes_nothing(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    mistyped = tmp_path / "jzdeu"
    result = run(*command, "--home", mistyped)
    assert result.exit_code == 2
    assert f"{mistyped} is not there: is it mistyped" in result.output
    assert ("--init" in result.output) == (command[0] in ("nightly", "serve"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_other_things_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    result = run("nightly", "--home", tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path} holds nothing of jzedu" in result.output
    assert [one.name for one in tmp_path.iterdir()] == ["letters"]


@pytest.mark.parametrize(
    "own", ["inbox", "archive", "published", "outbox", "definitions", "reference", "releases"]
)
def test_one_of_its_own_folders_makes_a_home(tmp_path: Path, own: str) -> None:
    (tmp_path / own).mkdir()
    result = run("status", "--home", tmp_path)
    assert result.exit_code == 1
    assert "there is no publication" in result.output


def test_the_home_that_the_environment_names_need_not_be_there(tmp_path: Path) -> None:
    new = tmp_path / "new"
    result = run("status", "--home", new, home=new)
    assert (result.exit_code, "there is no publication" in result.output) == (1, True)


def test_samples_need_no_home_and_make_one(tmp_path: Path) -> None:
    options = ("--years", "2020", "--regions", "义县")
    result = run(
        "sample", "--init", "--home", tmp_path / "a", "--out", tmp_path / "a/inbox", *options
    )
    assert result.exit_code == 0, result.output
    assert run("status", "--home", tmp_path / "a").exit_code == 1
