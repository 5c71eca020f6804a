"""What `make bench-gate` plants: forty errors, each in a place of its own, and nothing else."""

from __future__ import annotations

import pytest

from benchmarks.gate import ERRORS, City, Planted, Warned, seeded, tell
from transforms.sample import make_city
from warehouse.reference import PACKAGED, load_reference


@pytest.fixture(scope="module")
def sound() -> City:
    """Two years of the made-up city."""
    reference = load_reference(PACKAGED)
    return make_city(range(2021, 2023), reference.regions, reference.townships)


def test_forty_errors_are_planted_in_the_newest_year_alone(sound: City) -> None:
    before = dict(sound)
    city, planted = seeded(sound, 1)
    assert len(planted) == len(ERRORS) == 40
    assert sound == before, "the sound city stays as it is"
    changed = {key for key in sound if not city[key].equals(sound[key])}
    assert {year for _, _, year in changed} == {2022}
    assert {unit for _, unit, _ in changed} <= {unit for one in planted for unit in one.units}
    assert all(city[key].schema == sound[key].schema for key in changed)


def test_an_error_is_found_once_and_what_is_said_beyond_that_is_false() -> None:
    planted = [Planted("甲", ("210702",), "2121000001", ("W21",))]
    right = Warned("210702", "SCH-W21", "2121000001", "2121000001 400 -> 40")
    again = Warned("210702", "TCH-W21", "2121000001", "2121000001 40 -> 400")
    stray = Warned("210703", "SCH-W21", "2121000001", "2121000001 400 -> 40")
    other = Warned("210702", "SCH-W16", "primary_students", "primary_students 2121000001")
    assert tell(planted, [right]) == (1, 0)
    assert tell(planted, [right, again, stray, other]) == (1, 3)
    assert tell(planted, [stray]) == (0, 1)
