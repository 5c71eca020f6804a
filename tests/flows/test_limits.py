"""The limits on what one file may take are settings, and every one of them is explained."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from flows.settings import SettingsError, load_settings
from transforms.formats import Limits

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def test_every_limit_stands_on_the_page_with_its_default() -> None:
    limits = PAGE.read_text("utf-8").partition("## Limits")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| \S", limits, re.MULTILINE)
    assert {name: int(number) for name, number in rows} == asdict(Limits())


def test_every_limit_is_a_setting(tmp_path: Path) -> None:
    wanted = {name: place for place, name in enumerate(asdict(Limits()), start=7)}
    lines = ["[limits]", *(f"{name} = {number}" for name, number in wanted.items())]
    (tmp_path / "settings.toml").write_text("\n".join(lines), "utf-8")
    assert asdict(load_settings(tmp_path).limits) == wanted


@pytest.mark.parametrize("line", ["cells = 0", "rows = -1", 'sheets = "many"', "cell = 5"])
def test_a_limit_that_cannot_be_one_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "settings.toml").write_text(f"[limits]\n{line}\n", "utf-8")
    with pytest.raises(SettingsError, match="limits"):
        load_settings(tmp_path)
