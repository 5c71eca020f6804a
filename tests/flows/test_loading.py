"""Loading that begins before Prefect is there: its result, its failures, and how it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from flows import loading as ahead
from flows import steps
from flows.loading import Loading
from flows.progress import Steps
from flows.run import Run, StepFailed
from tests.conftest import AsCsv, Home
from transforms.texts import Text
from warehouse.archive import Receipt
from warehouse.ledger.ingest import Ingested


@pytest.fixture
def shown() -> Steps:
    return Steps(Console(file=StringIO()))


def test_what_is_new_is_loaded_by_the_time_it_is_asked_for(
    tmp_path: Path, as_csv: AsCsv, shown: Steps
) -> None:
    home = Home(tmp_path)
    home.deliver("义县/2020/人口.csv", as_csv("population", [{"age": 3, "population": 100}]))
    with Run.open(home.settings) as run:
        receipts = steps.look(run).receipts
        with Loading(run, receipts, shown) as loading:
            loaded = loading.result()
        assert (loaded.deliveries, loaded.submissions) == (1, 1)
        assert run.loaded == loaded and list(shown.seconds) == ["load"]
        assert steps.unread(run) == []


def test_what_stops_it_is_told_to_whoever_waits(
    tmp_path: Path, shown: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Ingested:
        raise StepFailed(
            "load", Text("磁盘满了", "the disk is full"), Text("请腾出空间。", "Make room.")
        )

    monkeypatch.setattr(ahead.steps, "load_deliveries", fail)
    with (
        Run.open(Home(tmp_path).settings) as run,
        Loading(run, [], shown) as loading,
        pytest.raises(StepFailed, match="the disk is full"),
    ):
        loading.result()


def interrupted(loading: Loading, begun: threading.Event) -> None:
    with loading:
        begun.wait()
        raise KeyboardInterrupt


def test_a_run_that_ends_stops_it_after_the_file_in_hand(
    tmp_path: Path, shown: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended, read = threading.Event(), threading.Event(), []

    def load(run: Run, receipts: list[Receipt], on_file: Callable[[], None]) -> Ingested:
        for number in range(1000):
            read.append(number)
            if number == 3:
                begun.set()
                ended.wait()
            on_file()
        return Ingested(1000, 0, 0, 0)

    monkeypatch.setattr(ahead.steps, "load_deliveries", load)
    with Run.open(Home(tmp_path).settings) as run:
        loading = Loading(run, [], shown)
        stopped = loading._stopped.set
        monkeypatch.setattr(loading._stopped, "set", lambda: (stopped(), ended.set()))
        with pytest.raises(KeyboardInterrupt):
            interrupted(loading, begun)
    assert read == [0, 1, 2, 3]
