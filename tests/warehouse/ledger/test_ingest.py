"""Loading portion by portion: what is done side by side, and what of it is kept when a run ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import Any

import pytest

from flows import steps
from flows.run import Run
from tests.conftest import Home
from warehouse import place
from warehouse.ledger import ingest as module
from warehouse.ledger.ingest import LocalReaders, ingest, overlapped
from warehouse.ledger.portions import Portion, by_hash
from warehouse.workers.pool import Workers, WorkersFailed

UNITS = ("210702", "210703", "210711")
#: The third portion fails.
THIRD = 2


@dataclass(frozen=True)
class Failing:
    """Readers of one file at a time, who are gone before the third."""

    readers: LocalReaders

    def read(self, *asked: Any) -> Iterator[Portion]:
        for number, portion in enumerate(self.readers.read(*asked)):
            if number == THIRD:
                raise WorkersFailed("没有人读", "there is nobody to read")
            yield portion


def cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the third portion be what the warehouse does not take."""
    real, loaded = module.load, []

    def load(*given: Any) -> Any:
        loaded.append(given)
        if len(loaded) > THIRD:
            raise ValueError("cannot be loaded")
        return real(*given)

    monkeypatch.setattr(module, "load", load)


def loaded_of_three(home: Home, together: float, fails: Callable[[LocalReaders], Any]) -> int:
    """Load the files of three units, of which the third fails; give how many are kept."""
    for number, unit in enumerate(UNITS):  # the same bytes would be one portion
        home.sheet(unit, "population", 2020, [{"age": 3, "population": number}])
    with Run.open(home.settings) as run:
        steps.pull_inbox(run)
        with pytest.raises((WorkersFailed, ValueError)):
            ingest(
                run.connection,
                run.archive,
                run.reference,
                steps.unread(run),
                limits=run.settings.limits,
                readers=fails(LocalReaders(run.workers, portion=1)),
                on_file=lambda: None,
                kept=run.writing,
                together=together,
            )
        ((number,),) = run.connection.execute("SELECT count(*) FROM submission").fetchall()
        return int(number)


@pytest.mark.parametrize("together", [0, 3600])
def test_what_is_loaded_stays_where_reading_fails(home: Home, together: float) -> None:
    assert loaded_of_three(home, together, Failing) == THIRD


@pytest.mark.parametrize(("together", "kept"), [(0, THIRD), (3600, 0)])
def test_what_cannot_be_loaded_takes_with_it_what_is_kept_together_with_it(
    home: Home, together: float, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cannot_be_loaded(monkeypatch)
    assert loaded_of_three(home, together, lambda readers: readers) == kept


def test_one_item_is_worked_on_and_the_next_fetched_while_somebody_has_the_one_before() -> None:
    fetched = [Event() for _ in range(5)]
    worked_on = [Event() for _ in fetched]

    def items() -> Iterator[int]:
        for number, event in enumerate(fetched):
            event.set()
            yield number

    def work(number: int) -> int:
        following = fetched[min(number + 1, len(fetched) - 1)]
        # One after the other, the first would wait for ever.
        assert following.wait(60)
        worked_on[number].set()
        return number * 10

    done = overlapped(work, items())
    assert next(done) == 0
    # Nobody asks for them yet.
    assert worked_on[1].wait(60) and fetched[2].wait(60)
    assert [event.is_set() for event in fetched] == [True, True, True, False, False]
    assert list(done) == [10, 20, 30, 40]


def test_who_asks_for_no_more_need_not_wait_until_the_next_portion_is_read(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, unit in enumerate((*UNITS, "210726", "210727", "210781")):
        home.sheet(unit, "population", 2020, [{"age": 3, "population": number}])
    reached, ended, taken = Event(), Event(), []
    monkeypatch.setattr(module, "Event", lambda: ended)

    def on_file() -> None:
        taken.append(1)
        if len(taken) == 5:  # the first one of the third portion
            reached.set()
            ended.wait(60)

    with Run.open(home.settings) as run:
        steps.pull_inbox(run)
        receipts = by_hash(steps.unread(run))
        readers = LocalReaders(run.workers, portion=2)
        portions = readers.read(run.archive, run.reference, receipts, run.settings.limits, on_file)
        with closing(portions):
            assert next(portions).deliveries == 2
            assert reached.wait(60)
    assert len(taken) == 5 < len(receipts)


def test_what_fails_in_one_item_is_raised_in_its_turn() -> None:
    done = overlapped(lambda number: 6 // number, [3, 2, 0, 1])
    assert [next(done), next(done)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(done)


def test_what_is_loaded_has_a_say_in_how_much_memory_the_run_may_take(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(place, "_MEMORY_OF_A_ROW", 2**30)
    monkeypatch.setattr(place, "shared_memory", lambda: 2**40)
    home.sheet("210702", "population", 2020, [{"age": 3, "population": 1}])
    with Run.open(home.settings) as run:
        assert memory_limit(run) == "320.0 MiB"
        steps.load_deliveries(run, steps.look(run).receipts, lambda: None)
        assert memory_limit(run).endswith("GiB")


@pytest.mark.parametrize(("few", "rests"), [(2, 1), (3, 0)])
def test_workers_that_have_read_many_files_are_given_up(
    home: Home, few: int, rests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rested: list[Workers] = []
    monkeypatch.setattr(module, "PORTION", few)
    monkeypatch.setattr(Workers, "rest", lambda workers: rested.append(workers))
    for number, unit in enumerate(UNITS):
        home.sheet(unit, "population", 2020, [{"age": 3, "population": number}])
    with Run.open(home.settings) as run:
        assert steps.load_deliveries(run, steps.look(run).receipts, lambda: None).accepted == 3
    assert len(rested) == rests


def memory_limit(run: Run) -> str:
    ((limit,),) = run.connection.execute(
        "SELECT value FROM duckdb_settings() WHERE name = 'memory_limit'"
    ).fetchall()
    return str(limit)
