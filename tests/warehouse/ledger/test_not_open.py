"""A form that comes before it can be handed in (FIL-W05): accepted, and told of until that day."""

from __future__ import annotations

from datetime import date

from flows.run import Run
from tests.conftest import Home
from warehouse.ledger.not_open import warn_of_early
from warehouse.ledger.schema import refresh

UNIT = "210702"


def told(home: Home, today: date) -> list[tuple[str, int, str]]:
    """Return form, year and sentence of every such warning of ``today``."""
    with Run.open(home.settings) as run:
        refresh(run.connection)
        number = warn_of_early(run.connection, today)
        rows = run.connection.execute(
            "SELECT form, year, problem_zh FROM warning WHERE rule_id = 'FIL-W05' ORDER BY ALL"
        ).fetchall()
    assert len(rows) == number
    return [(str(form), int(year), str(problem)) for form, year, problem in rows]


def test_what_comes_too_early_is_told_until_the_day_it_opens(home: Home) -> None:
    home.sheet(UNIT, "population", 2020, [{"age": 3, "population": 100}])
    home.sheet(UNIT, "population", 2019, [{"age": 3, "population": 90}])
    home.sheet(UNIT, "salary", 2020, [{}])
    home.load()
    assert told(home, date(2020, 8, 20)) == [
        ("population", 2020, "这张报表自2020-09-01起报送, 现在报的可能还不是定数。"),
        ("salary", 2020, "这张报表自2021-01-01起报送, 现在报的可能还不是定数。"),
    ]
    assert [form for form, *_ in told(home, date(2020, 9, 1))] == ["salary"]
    assert told(home, date(2021, 1, 1)) == []
