"""CONTRIBUTING.md is right: each of its recipes is followed to the letter, in a copy of the checkout.

A recipe is a section with blocks. The line above a block names its file and what is done with it;
a block of ``sh`` is run. Nothing is done here that the page does not say.
"""

from __future__ import annotations

import compileall
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: What the commands of the recipes need of the checkout.
NEEDED = ("docs", "expectations", "flows", "tests", "transforms", "warehouse")
_BLOCK = re.compile(
    r"^(?:`(?P<file>[^`\n]+)`, (?P<how>new|at the end|after|instead of)"
    r"(?: (?P<mark>``?)(?P<line>[^\n]+?)(?P=mark))?:\n\n)?"
    r"```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


#: The commands use none of the plugins that all tests together need; to import them takes a third of their time.
_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
_HEADING = re.compile(r"^#{2,3} (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A block: ``text`` for a ``file``, or commands where ``file`` is None.

    ``how`` and ``line`` say where the text goes, in the words of the page.
    """

    file: str | None
    how: str | None
    line: str
    text: str

    def apply(self, copy: Path) -> None:
        """Write the block into its file below ``copy``."""
        assert self.file is not None
        file = copy / self.file
        if self.how == "new":
            assert not file.exists(), f"{self.file} is there already"
            file.write_text(self.text, "utf-8")
            return
        assert file.is_file(), f"{self.file} is not there"
        lines = file.read_text("utf-8").splitlines(keepends=True)
        if self.how == "at the end":
            place = len(lines)
        else:
            found = [i for i, line in enumerate(lines) if line.lstrip().startswith(self.line)]
            assert len(found) == 1, f"{self.file}: {len(found)} lines begin with {self.line}"
            place = found[0] + 1
        kept = place - 1 if self.how == "instead of" else place
        file.write_text("".join([*lines[:kept], self.text, *lines[place:]]), "utf-8")

    def run(self, copy: Path) -> list[str]:
        """Run the commands in ``copy``, and give what those that fail say."""
        assert self.file is None
        failed = []
        for command in self.text.splitlines():
            done = subprocess.run(
                _here(shlex.split(command)),
                cwd=copy,
                env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": str(copy)},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                failed.append(f"$ {command}\n{done.stdout}{done.stderr}")
        return failed


def _here(command: list[str]) -> list[str]:
    """``command`` with this interpreter in place of that of .venv."""
    if command[0] == "make":
        # The environment is there; whether it is older than the copy does not matter.
        made = f"VENV={sys.prefix}"
        return [*command, made, "--old-file", f"{sys.prefix}/.runtime"]
    assert command[0] == ".venv/bin/python", command
    return [sys.executable, *command[1:]]


def recipes() -> dict[str, list[Step]]:
    """Return the recipes of the page by their headings."""
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    # What begins like a heading inside a block is none.
    starts = [block.span() for block in _BLOCK.finditer(page)]
    headings = [
        heading
        for heading in _HEADING.finditer(page)
        if not any(start < heading.start() < end for start, end in starts)
    ]
    found: dict[str, list[Step]] = {}
    for block in _BLOCK.finditer(page):
        if block["file"] or block["language"] == "sh":
            name = [h[1] for h in headings if h.start() < block.start()][-1]
            line = (block["line"] or "").strip()
            found.setdefault(name, []).append(
                Step(block["file"], block["how"], line, block["text"])
            )
    return found


RECIPES = recipes()
Outcomes = dict[str, Future[list[str]]]
#: Every edit of every recipe: what is left out to see that it is missed.
EDITS = [
    pytest.param(heading, step, id=f"{heading}: {step.file}, {step.how} {step.line}".strip())
    for heading, steps in RECIPES.items()
    for step in steps
    if step.file is not None
]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the recipes need of the checkout, as it is here and now."""
    copy = tmp_path_factory.mktemp("checkout") / "jzedu"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    for name in listed:
        if name and (name.startswith(NEEDED) or "/" not in name) and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    # Once, and not by each command of each recipe: what a recipe changes is compiled anew all the same.
    compileall.compile_dir(copy, quiet=2)
    return copy


def followed(heading: str, checkout: Path, folder: Path, without: Step | None = None) -> list[str]:
    """Follow a recipe in a copy of its own, and give what its commands say where they fail."""
    copy = folder / "jzedu"
    shutil.copytree(checkout, copy)
    failed = []
    for step in RECIPES[heading]:
        if step.file is None:
            failed += step.run(copy)
        elif step != without:
            step.apply(copy)
    return failed


def test_there_is_a_recipe_for_each_kind_of_thing() -> None:
    assert list(RECIPES) == [
        "Add an indicator",
        "Add a clause",
        "Add a form",
        "Add an error",
        "Add a warning",
        "Add a source",
        "Add a published table",
    ]
    for heading, steps in RECIPES.items():
        assert steps[-1].file is None, f"{heading} says nothing of how to see that it is done"


@pytest.fixture(scope="module")
def outcomes(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """All recipes, followed on all processors at once."""
    folder = tmp_path_factory.mktemp("followed")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            heading: pool.submit(followed, heading, checkout, folder / str(number))
            for number, heading in enumerate(RECIPES)
        }


@pytest.mark.parametrize("heading", RECIPES)
def test_who_follows_a_recipe_is_told_that_it_is_done(heading: str, outcomes: Outcomes) -> None:
    assert "\n".join(outcomes[heading].result()) == ""


@pytest.mark.slow
@pytest.mark.parametrize(("heading", "step"), EDITS)
def test_a_file_that_is_forgotten_is_missed(
    heading: str, step: Step, checkout: Path, tmp_path: Path
) -> None:
    assert followed(heading, checkout, tmp_path, without=step)
