"""What is kept from run to run in the user's folder: taken where it is whole, made anew wherever not."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from warehouse.cache import compiled_templates, made_once


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


class Maker:
    """Makes something, and counts how often."""

    def __init__(self, content: bytes = b"made") -> None:
        self.content, self.times = content, 0

    def __call__(self) -> bytes:
        self.times += 1
        return self.content


def files(place: Path, kind: str) -> list[Path]:
    return sorted(place.glob(f"*/jzedu-{kind}-*"))


def test_what_is_made_of_the_same_parts_is_made_once(place: Path) -> None:
    make = Maker()
    for parts in ((1, "a"), (1, "a")):
        assert made_once("tests", parts, make) == b"made"
    assert make.times == 1
    other = Maker(b"another")
    assert made_once("tests", (1, "b"), other) == b"another"
    assert made_once("tests", ("1", "a"), other) == b"another"
    assert made_once("others", (1, "a"), other) == b"another"
    assert other.times == 3
    (file, *_) = files(place, "tests")
    assert file.parent.stat().st_mode & 0o077 == 0
    assert not [left for left in file.parent.iterdir() if left.suffix]


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 40])
def test_what_is_not_whole_is_made_anew(place: Path, damage: bytes) -> None:
    make = Maker()
    made_once("tests", (), make)
    (file,) = files(place, "tests")
    file.write_bytes(damage)
    assert made_once("tests", (), make) == b"made"
    assert make.times == 2
    assert made_once("tests", (), make) == b"made"
    assert make.times == 2


def test_of_a_kind_those_used_last_are_kept(place: Path) -> None:
    for number in range(8):
        made_once("tests", (number,), Maker())
        for age, file in enumerate(sorted(files(place, "tests"), key=os.path.getmtime)):
            os.utime(file, (1000 + age, 1000 + age))
    made_once("tests", (0,), Maker(b"taken, not made"))
    made_once("tests", (8,), Maker())
    assert len(files(place, "tests")) == 8
    make = Maker()
    made_once("tests", (0,), make)
    assert make.times == 0
    made_once("tests", (1,), make)
    assert make.times == 1


def test_without_a_folder_of_this_users_own_all_is_made_each_time(place: Path) -> None:
    (place / f"_jinja2-cache-{os.getuid()}").write_text("a file where the folder should be")
    make = Maker()
    for _ in range(2):
        assert made_once("tests", (), make) == b"made"
    assert make.times == 2
    assert compiled_templates("tests") is None
