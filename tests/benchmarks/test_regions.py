"""Made-up region lists are region lists, and `jzedu sample` makes files for them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from benchmarks.regions import write_regions
from flows.terminal.cli import cli
from transforms.forms import FORMS
from warehouse.reference import load_reference


@pytest.mark.parametrize(("units", "above"), [(1, 1), (10, 1), (100, 11), (2900, 320)])
def test_a_list_of_any_size_is_one_that_can_be_used(tmp_path: Path, units: int, above: int) -> None:
    write_regions(tmp_path / "reference", units)
    reference = load_reference(tmp_path)
    assert reference.units.height == units
    assert reference.regions.height == units + above
    assert set(reference.members["unit"]) == set(reference.units["region_code"])
    counties = reference.units.filter(pl.col("kind") != "市辖区")["region_code"]
    assert reference.with_townships == set(counties)


def test_too_many_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="units"):
        write_regions(tmp_path, 10_000)


def test_files_are_made_for_the_units_of_the_home(tmp_path: Path) -> None:
    write_regions(tmp_path / "reference", 2)
    inbox = tmp_path / "inbox"
    asked = ["sample", "--home", str(tmp_path), "--out", str(inbox), "--years", "2020"]
    assert CliRunner().invoke(cli, asked).exit_code == 0
    reference = load_reference(tmp_path)
    folders = {reference.unit_of(folder.name) for folder in inbox.iterdir()}
    assert folders == set(reference.units["region_code"])
    assert sum(1 for _ in inbox.rglob("*.xlsx")) == 2 * len(FORMS)
