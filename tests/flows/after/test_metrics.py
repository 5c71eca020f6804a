"""Metrics as a monitoring system reads them, from the file alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows.after.metrics import LastRun, last_success, metrics_file, write_metrics
from tests.conftest import Home, MakeHome

FIRST = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
SECOND = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)


def samples(file: Path) -> dict[str, float]:
    """Every sample of a text file, as ``name`` or ``name{label}``."""
    return {
        sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(file.read_text("utf-8"))
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def published(make_home: MakeHome) -> Home:
    """A home with a publication: two submissions accepted, one of them replaced, one returned."""
    home = make_home()
    home.sheet("210727", "special_group", 2020, [{"dropouts": 0}], name="2020年一.csv")
    home.sheet(
        "210727",
        "special_group",
        2020,
        [{"dropouts": 3}],
        name="2020年二.csv",
        received="2020-09-16 02:00:00",
    )
    home.sheet("210727", "population", 2020, [{"age": 40, "population": 1}])
    home.night()
    return home


def test_a_run_is_told_with_its_steps_and_what_stands_in_the_publication(published: Home) -> None:
    run = LastRun(True, FIRST, {"load": 1.5, "judge": 4.0})
    found = samples(write_metrics(published.settings, run))
    assert found["jzedu_last_run_timestamp_seconds"] == FIRST.timestamp()
    assert found["jzedu_last_run_success"] == 1
    assert found["jzedu_last_success_timestamp_seconds"] == FIRST.timestamp()
    assert found["jzedu_step_duration_seconds{load}"] == 1.5
    assert found["jzedu_step_duration_seconds{judge}"] == 4.0
    ((made,),) = published.ask("SELECT published_at FROM publication")
    stamp = made.replace(tzinfo=UTC).timestamp()
    assert found["jzedu_publication_timestamp_seconds"] == pytest.approx(stamp)
    by_status = {
        status: found[f"jzedu_submissions{{{status}}}"]
        for status in ("accepted", "accepted_with_warnings", "returned", "superseded")
    }
    assert by_status == {
        "accepted": 1,
        "accepted_with_warnings": 0,
        "returned": 1,
        "superseded": 1,
    }
    assert found["jzedu_findings{error}"] == 1


def test_a_failed_run_keeps_the_time_of_the_last_success_and_the_publication(
    published: Home,
) -> None:
    write_metrics(published.settings, LastRun(True, FIRST, {"load": 1.5}))
    found = samples(write_metrics(published.settings, LastRun(False, SECOND)))
    assert found["jzedu_last_run_success"] == 0
    assert found["jzedu_last_run_timestamp_seconds"] == SECOND.timestamp()
    assert found["jzedu_last_success_timestamp_seconds"] == FIRST.timestamp()
    assert found["jzedu_submissions{accepted}"] == 1


def test_without_a_publication_nothing_is_said_of_one(home: Home) -> None:
    found = samples(write_metrics(home.settings, LastRun(False, FIRST)))
    assert found["jzedu_last_run_success"] == 0
    assert "jzedu_last_success_timestamp_seconds" not in found
    assert not [name for name in found if name.startswith(("jzedu_publication", "jzedu_sub"))]


def test_the_file_is_replaced_and_never_rewritten(home: Home) -> None:
    """A scraper that has opened the file reads it to its end."""
    file = write_metrics(home.settings, LastRun(True, FIRST))
    with file.open(encoding="utf-8") as reader:
        write_metrics(home.settings, LastRun(False, SECOND))
        assert "jzedu_last_run_success 1.0" in reader.read()
    assert os.listdir(file.parent) == [file.name]


@pytest.mark.parametrize("text", ["", "jzedu_last_success_timestamp_seconds x\n", "\x00"])
def test_a_spoilt_file_is_not_known_rather_than_an_error(home: Home, text: str) -> None:
    file = metrics_file(home.settings.home)
    file.parent.mkdir(parents=True)
    file.write_text(text, "utf-8")
    assert last_success(home.settings.home) is None
