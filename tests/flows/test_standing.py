"""The publication that stands: damaged it is published anew, and no clock chooses another one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from flows import steps
from flows.run import Run
from flows.terminal.lineage import publication_file
from tests.conftest import Home, MakeHome
from warehouse.publication.reader import open_publication
from warehouse.publication.reader.pages import read_publication
from warehouse.publication.standing import is_whole, next_id, standing
from warehouse.reference import load_reference

UNIT = "210702"


def people(home: Home, number: int, day: int) -> None:
    home.sheet(
        UNIT,
        "population",
        2020,
        [{"age": 3, "population": number}],
        received=f"2020-09-{day:02} 00:00:00",
        name=f"2020年{day}.csv",
    )


@pytest.fixture(scope="module")
def after_two_nights(make_home: MakeHome) -> Home:
    home = make_home()
    for day in (1, 2):
        people(home, day, day)
        home.night(report=day == 2)
    return home


@pytest.fixture
def spoilt(after_two_nights: Home, home: Home) -> Home:
    """A copy, to be spoilt; history and publication are the same files, as they are made."""
    shutil.copytree(after_two_nights.root, home.root, dirs_exist_ok=True)
    return home


def empty(home: Home) -> None:
    rewrite(home.publication, b"")


def cut(home: Home) -> None:
    rewrite(home.publication, home.publication.read_bytes()[:-4096])


def gone(home: Home) -> None:
    home.publication.unlink()


def rewrite(file: Path, content: bytes) -> None:
    file.unlink()
    file.write_bytes(content)


@pytest.mark.parametrize("harm", [empty, cut, gone])
def test_a_damaged_publication_is_published_anew(
    after_two_nights: Home, spoilt: Home, harm: Callable[[Home], None]
) -> None:
    harm(spoilt)
    with Run.open(spoilt.settings) as run:
        assert steps.must_publish(run)
    before = [name for (name,) in after_two_nights.ask("SELECT publication_id FROM publication")]
    imprint = spoilt.night().imprint
    assert imprint is not None
    assert spoilt.rows() == after_two_nights.rows()
    # It goes on from the one that the history has kept.
    assert spoilt.ask("SELECT publication_id, previous_id FROM publication ORDER BY 1") == [
        (before[0], None),
        (before[1], before[0]),
        (imprint.publication_id, before[1]),
    ]
    with Run.open(spoilt.settings) as run:
        assert not steps.must_publish(run)


def test_without_a_history_it_begins_anew_and_ids_grow(spoilt: Home) -> None:
    empty(spoilt)
    history = spoilt.settings.published / "history"
    for file in history.glob("*/indicators.duckdb"):
        file.unlink()
    imprint = spoilt.night().imprint
    assert imprint is not None
    assert spoilt.ask("SELECT publication_id, previous_id FROM publication") == [
        (imprint.publication_id, None)
    ]
    assert imprint.publication_id == max(path.name for path in history.iterdir())


def test_a_rotten_block_is_found_before_it_is_compared_with(spoilt: Home) -> None:
    data = bytearray(spoilt.publication.read_bytes())
    # Of every block but the headers one byte, so that one of those in use is hit.
    for place in range(12288 + 100, len(data), 262144):
        data[place] ^= 0xFF
    rewrite(spoilt.publication, bytes(data))
    assert not is_whole(spoilt.publication)
    assert standing(spoilt.settings.published) != spoilt.publication
    people(spoilt, 3, 3)
    assert spoilt.night().imprint is not None
    assert is_whole(spoilt.publication)


def test_what_could_not_be_read_for_a_moment_is_whole_afterwards(spoilt: Home) -> None:
    with duckdb.connect(str(spoilt.publication)):  # nobody reads beside one who may write
        assert not is_whole(spoilt.publication)
    assert is_whole(spoilt.publication)


@pytest.mark.parametrize("part", ["report", "parquet/region.parquet"])
def test_what_is_missing_beside_it_comes_back(spoilt: Home, part: str) -> None:
    place = spoilt.settings.published / part
    files = [place, *place.rglob("*")]
    if place.is_dir():
        shutil.rmtree(place)
        place.write_text("in the way")
    else:
        place.write_bytes(place.read_bytes()[:10])
    with Run.open(spoilt.settings) as run:
        assert steps.must_publish(run)
    (before,) = spoilt.ask("SELECT count(*) FROM publication")
    spoilt.night(report=True)
    assert all(file.exists() for file in files)
    assert [(before)] == spoilt.ask("SELECT count(*) FROM publication")
    with Run.open(spoilt.settings) as run:
        assert not steps.must_publish(run)


def test_a_clock_that_leaps_and_comes_back_chooses_no_publication(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [
        datetime(2026, 1, 1),
        datetime(2038, 1, 19),
        datetime(2026, 1, 3),
        datetime(2026, 1, 4),
    ]
    ids = []
    for day, time in enumerate(times, start=1):
        monkeypatch.setattr(steps, "_now", lambda time=time: time)
        people(home, day, day)
        imprint = home.night().imprint
        assert imprint is not None
        assert imprint.published_at == time
        ids.append(imprint.publication_id)
    assert ids == sorted(ids)
    assert home.ask("SELECT publication_id, previous_id FROM publication ORDER BY 1") == [
        *zip(ids, [None, *ids], strict=False)
    ]
    history = home.settings.published / "history"
    assert sorted(path.name for path in history.iterdir()) == ids
    # And every reader takes the last one for the last one.
    assert publication_file(home.settings.published, ids[-1]) == home.publication
    with open_publication(home.publication) as reader:
        assert reader.issue is not None and reader.issue.published_at == times[-1]
        report = read_publication(reader, load_reference(home.root).folder)
        assert report.issues[0].publication_id == ids[-1]
    # Of the history the oldest go first, whatever they are called.
    few = home.settings.model_copy(update={"keep_publications": 2})
    people(home, 9, 9)
    type(home)(home.root, **few.model_dump(exclude={"home"}, by_alias=True)).night()
    assert len(list(history.iterdir())) == 2
    assert ids[-1] in {path.name for path in history.iterdir()}


def test_ids_of_one_moment_differ(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1)
    first = next_id(now, tmp_path, [])
    second = next_id(now, tmp_path, [first])
    assert second == next_id(now + timedelta(microseconds=1), tmp_path, [])
    os.makedirs(tmp_path / "history" / second)
    assert next_id(now, tmp_path, []) > second
    assert next_id(now, tmp_path, ["notes", "99999999T999999999999Z"]) == next_id(now, tmp_path, [])
