"""Files dated in the future (FIL-W01), and corrections that they shut out (FIL-W02).

The population form stands for all: its figure for age 3 tells the versions apart. The clock of these
homes is today's; everything else is dated before it or far after.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest

from flows import steps
from flows.run import Run
from tests.conftest import Home
from warehouse.ledger.future_dates import warn_of_future
from warehouse.ledger.schema import refresh

UNIT = "210702"
FUTURE = "2038-01-01 00:00:00"


def hand_in(home: Home, number: int, received: str, name: str) -> None:
    home.sheet(
        UNIT, "population", 2020, [{"age": 3, "population": number}], received=received, name=name
    )


def later(days: int = 0) -> str:
    """A time at which a correction may be handed in: now."""
    return str(datetime.now(UTC).replace(tzinfo=None) + timedelta(days=days))


def told(home: Home) -> list[tuple[str, str]]:
    """Load what is there; give rule and file of every such warning."""
    home.load()
    with Run.open(home.settings) as run:
        refresh(run.connection)
        run.connection.execute("DELETE FROM warning")
        number = warn_of_future(run.connection)
        rows = run.connection.execute(
            "SELECT rule_id, file_name FROM warning JOIN submission USING (submission_id) ORDER BY ALL"
        ).fetchall()
        assert number == len(rows)
        return rows


def in_force(home: Home) -> int:
    with Run.open(home.settings) as run:
        ((name,),) = run.connection.execute(
            "SELECT population FROM submitted.population SEMI JOIN in_force USING (submission_id)"
        ).fetchall()
    return int(name)


def test_files_of_the_past_say_nothing(home: Home) -> None:
    hand_in(home, 1, "2020-09-01 00:00:00", "2020年一.csv")
    hand_in(home, 2, "2020-09-02 00:00:00", "2020年二.csv")
    assert told(home) == []


def test_a_file_dated_in_the_future_is_in_force_and_told_of(home: Home) -> None:
    hand_in(home, 1, FUTURE, "2020年一.csv")
    assert told(home) == [("FIL-W01", "2020年一.csv")]
    with Run.open(home.settings) as run:
        ((zh, en, key),) = run.connection.execute(
            "SELECT problem_zh || remedy_zh, problem_en || remedy_en, key FROM warning"
        ).fetchall()
    assert "2038-01-01 08:00" in zh and "2038-01-01 08:00" in en
    assert "校准" in zh and "clock" in en
    assert key == "time"


def test_who_sends_a_correction_is_told_that_it_is_shut_out(home: Home) -> None:
    hand_in(home, 9, "2020-09-01 00:00:00", "2020年原.csv")
    hand_in(home, 1, FUTURE, "2020年一.csv")
    home.load()
    hand_in(home, 2, later(), "2020年二.csv")
    assert told(home) == [("FIL-W01", "2020年一.csv"), ("FIL-W02", "2020年二.csv")]
    assert in_force(home) == 1
    with Run.open(home.settings) as run:
        ((zh,),) = run.connection.execute(
            "SELECT problem_zh || remedy_zh FROM warning WHERE rule_id = 'FIL-W02'"
        ).fetchall()
    assert "2020年一.csv" in zh and "2038-01-01 08:00" in zh
    # And so it is where all is made again from the archive.
    home.settings.warehouse.unlink()
    assert told(home) == [("FIL-W01", "2020年一.csv"), ("FIL-W02", "2020年二.csv")]


def test_a_correction_at_the_same_path_is_answered(home: Home) -> None:
    hand_in(home, 1, FUTURE, "2020年.csv")
    home.load()
    hand_in(home, 2, later(), "2020年.csv")
    assert [rule for rule, _ in told(home)] == ["FIL-W01", "FIL-W02"]
    with Run.open(home.settings) as run:
        (sheet,) = steps.send_returns(run)
    assert sheet.exists()


@pytest.mark.parametrize("how", ["copied", "touched"])
def test_the_same_file_with_a_right_time_ends_it(home: Home, how: str) -> None:
    hand_in(home, 1, FUTURE, "2020年一.csv")
    home.load()
    hand_in(home, 2, later(), "2020年二.csv")
    assert len(told(home)) == 2
    first = home.settings.inbox / UNIT / "2020年一.csv"
    if how == "copied":
        shutil.copyfile(first, first.with_name("2020年一又.csv"))
        home.touch(first.with_name("2020年一又.csv"), "2020-09-01 00:00:00")
    else:
        home.touch(first, "2020-09-01 00:00:00")
    assert told(home) == []
    assert in_force(home) == 2
