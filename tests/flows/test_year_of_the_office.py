"""A year in the life of the office, with a clock that moves: from the first form to a revised release.

A city of two units that hand in two forms. Its twelve publications say twelve different things; then all that
the archive does not hold is lost, and one night brings the last of them back.
"""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.after.reminders import note_sent, reminders, unsent
from flows.terminal.office import declare_final, reopen, rule
from tests.conftest import Home
from transforms.forms import FORMS
from warehouse.decisions import Decisions
from warehouse.publication.official import faults_of

JIA, YI = "990001", "990002"
FORM = {"population": "学龄人口表", "kindergarten": "幼儿园基本情况表"}


class Office:
    """The home, and what happens in it on a day."""

    def __init__(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self._patch = home, monkeypatch
        self.today = datetime(2020, 9, 1)
        home.regions(
            [
                ("990000", "city", "", "市"),
                *((unit, "reporting_unit", "990000", "县") for unit in (JIA, YI)),
            ]
        )
        others = [form for form in FORMS if form not in FORM]
        home.define(
            "expected.csv",
            "form,kind,region_code,expected,from_year,to_year\n"
            + "".join(f"{form},县,,0,,\n" for form in others),
        )

    def on(self, day: str) -> None:
        """It is nine in the evening of ``day`` (UTC)."""
        self.today = datetime.fromisoformat(f"{day} 21:00")
        for clock in (
            "flows.steps._now",
            "flows.terminal.office.now",
            "warehouse.publication.official.now",
        ):
            self._patch.setattr(clock, lambda: self.today)

    def hand_in(self, unit: str, form: str, number: object) -> None:
        """Hand in so many children, in kindergarten or of age 3."""
        name = f"{FORM[form]}{number}-2020年.csv"
        rows: list[dict[str, object]] = [
            {"children_enrolled": number}
            if form == "kindergarten"
            else {"age": 3, "population": number}
        ]
        self.home.sheet(unit, form, 2020, rows, received=str(self.today), name=name)

    def rule(self, unit: str, form: str, reason: str | None = None) -> None:
        """Approve the last version, or return it for a ``reason``."""
        with self.home.defined() as defined:
            rule(
                *(self.home.settings, defined.reference, unit, FORMS[form], 2020),
                approved=reason is None,
                reason=reason,
                decided_as="规划科",
            )

    def remind(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Whom a night reminds of what of 2020, and at which stage it is."""
        with self.home.defined() as defined:
            found = reminders(self.home.settings, defined.reference, self.today.date())
            sent = unsent(self.home.settings.archive, found)
        note_sent(self.home.settings.archive, sent)
        return [
            (one.region_code, [(due.form, due.stage) for due in one.missing if due.year == 2020])
            for one in sent
        ]

    def publish(self) -> None:
        """Run the night; it publishes something new."""
        assert self.home.night().imprint is not None, self.today


@pytest.mark.slow
def test_a_year_of_the_office(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office(home, monkeypatch)
    settings = home.settings
    # Opened: one unit is quick.
    office.on("2020-09-05")
    office.hand_in(JIA, "kindergarten", 80)
    office.publish()
    # Due in eleven days: each is reminded of what it lacks, and once.
    office.on("2020-10-20")
    assert office.remind() == [
        (JIA, [("population", "due")]),
        (YI, [("kindergarten", "due"), ("population", "due")]),
    ]
    assert office.remind() == []
    office.hand_in(JIA, "population", 100)
    office.hand_in(YI, "population", "五十")
    office.publish()
    # Late: one form is missing still, and one went back.
    office.on("2020-11-05")
    assert office.remind() == [(YI, [("kindergarten", "late"), ("population", "returned")])]
    office.hand_in(YI, "kindergarten", 45)
    office.publish()
    office.on("2020-11-06")
    office.hand_in(YI, "population", 50)
    office.publish()
    assert office.remind() == []
    # A person looks at it, and sends one back.
    office.on("2020-11-10")
    office.rule(JIA, "population", "与户籍数不符")
    office.publish()
    assert list((settings.outbox / JIA).glob("*.退回.xlsx"))
    office.on("2020-11-12")
    office.hand_in(JIA, "population", 90)
    office.publish()
    assert not list((settings.outbox / JIA).glob("*.退回.xlsx"))
    office.on("2020-11-15")
    for unit in (JIA, YI):
        for form in FORM:
            office.rule(unit, form)
    office.publish()
    # Final; what comes now is kept and waits.
    office.on("2020-12-01")
    declare_final(settings, "2020-final", [2020], anyway=False, decided_as="教育局")
    office.publish()
    office.on("2020-12-10")
    office.hand_in(JIA, "kindergarten", 81)
    office.publish()
    office.on("2020-12-20")
    reopen(settings, "2020-final", [2020], reason="漏报一所幼儿园", decided_as="教育局")
    office.publish()
    office.on("2020-12-28")
    office.rule(JIA, "kindergarten")
    office.publish()
    office.on("2021-01-05")
    declare_final(settings, "2020-revised", [2020], anyway=False, decided_as="教育局")
    office.publish()

    assert [said_by(file) for file in history(home)] == TWELVE
    assert home.ask(
        "SELECT form, accepted, on_time FROM reporting WHERE expected = 1 AND year = 2020"
        f" AND region_code = '{YI}' ORDER BY 1"
    ) == [("kindergarten", 1, 0), ("population", 1, 0)]
    # Every figure is known as it stood: preliminary, final, revised.
    assert home.ask(
        "SELECT state, value FROM vintage WHERE clause_id = '2.1' AND year = 2020"
        f" AND region_code = '{JIA}' AND value IS NOT NULL ORDER BY publication_id"
    ) == [
        ("preliminary", 80.0),
        ("preliminary", pytest.approx(800 / 9)),
        ("final", pytest.approx(800 / 9)),
        ("revised", 90.0),
    ]

    before, told = home.rows(), answers(settings.outbox)
    settings.warehouse.unlink()
    for folder in (settings.published, settings.outbox):
        shutil.rmtree(folder)
    office.on("2021-01-06")
    office.publish()
    assert home.rows() == before
    assert answers(settings.outbox) == told
    assert faults_of(home.root, Decisions(settings.archive).all()) == []
    # Nobody is reminded again of what is long done.
    assert office.remind() == []


def history(home: Home) -> list[Path]:
    """The publications, the earliest first."""
    return sorted((home.settings.published / "history").glob("*/indicators.duckdb"))


def answers(outbox: Path) -> set[str]:
    return {path.relative_to(outbox).as_posix() for path in outbox.rglob("*.xlsx")}


def said_by(file: Path) -> tuple[Any, ...]:
    """What a publication says of the city and its units: enrolment rates, state, returned, approved, late versions."""
    with duckdb.connect(str(file), read_only=True) as publication:

        def one(query: str) -> Any:
            ((found,),) = publication.execute(query).fetchall()
            return found

        rates = publication.execute(
            "SELECT round(value) FROM indicator_value WHERE year = 2020"
            " AND indicator_id = 'preschool_gross_enrolment_rate' ORDER BY region_code"
        ).fetchall()
        return (
            [None if rate is None else int(rate) for (rate,) in rates],
            one("SELECT state FROM year_state WHERE year = 2020 AND ended_at IS NULL"),
            one("SELECT count(*) FROM submission WHERE status = 'returned'"),
            one("SELECT count(*) FROM submission WHERE approved"),
            one("SELECT count(*) FROM finding WHERE rule_id = 'FIL-W03'"),
        )


#: The rates of the city and its two units (%), the state of 2020, and how many submissions are returned, are approved,
#: came too late.
TWELVE = [
    ([None, None, None], "preliminary", 0, 0, 0),
    ([80, 80, None], "preliminary", 1, 0, 0),
    ([80, 80, None], "preliminary", 1, 0, 0),
    ([83, 80, 90], "preliminary", 1, 0, 0),
    ([90, None, 90], "preliminary", 2, 0, 0),
    ([89, 89, 90], "preliminary", 2, 0, 0),
    ([89, 89, 90], "preliminary", 2, 4, 0),
    ([89, 89, 90], "final", 2, 4, 0),
    ([89, 89, 90], "final", 2, 4, 1),
    ([90, 90, 90], "revised", 2, 4, 0),
    ([90, 90, 90], "revised", 2, 5, 0),
    ([90, 90, 90], "revised", 2, 5, 0),
]
