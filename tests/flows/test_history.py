"""Corrections, backfills, dry runs and killed nights: what changed, why, and that nothing is lost."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from expectations.clauses import PLAN
from expectations.engine import Engine
from flows import steps
from flows.dry_run import rehearse
from flows.run import Run, StepFailed
from tests.conftest import ByHand, Home, MakeHome
from tests.flows.run_that_dies import Kind, Victim, run_that_dies
from warehouse.ledger.store import Scope
from warehouse.publication.tables import TABLES
from warehouse.reference import PACKAGED

CLASSES = [
    {
        "stage": "小学",
        "grade": 1,
        "class_name": f"{i}班",
        "students": 40,
        "institution_code": "2121270001",
    }
    for i in range(1, 20)
]
LARGE = {"stage": "小学", "grade": 2, "class_name": "1班", "institution_code": "2121270001"}


def with_large(students: int) -> list[dict[str, object]]:
    return [*CLASSES, {**LARGE, "students": students}]


def every_file(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def backfill(
    home: Home, by_hand: type[ByHand], years: tuple[int, ...], **scope: tuple[str, ...]
) -> Any:
    with Run.open(home.settings) as run:
        run.engine = cast(Engine, by_hand(run.plan, run.catalogue))
        loaded = steps.reload_deliveries(run, Scope(years, **scope), lambda: None)
        return loaded, home.finish(run)[1]


def test_a_correction_is_a_revision_with_its_cause(home: Home) -> None:
    home.sheet(
        "义县",
        "class",
        2020,
        with_large(55),
        received="2020-09-01 00:00:00",
        name="2020年第一次.csv",
    )
    first = home.night().imprint
    home.sheet(
        "义县",
        "class",
        2020,
        with_large(56),
        received="2020-09-02 00:00:00",
        name="2020年第二次.csv",
    )
    second = home.night().imprint
    assert second.publication_id != first.publication_id
    ((cause,),) = home.ask("SELECT submission_id FROM submission WHERE status = 'accepted'")
    rows = home.ask(
        "SELECT publication_id, region_code, year, old_value, new_value, old_status, new_status,"
        " submission_id FROM revision WHERE indicator_id = 'large_class_share' ORDER BY region_code"
    )
    # One class of twenty: 0 % becomes 5 %, which still meets "at most 5".
    assert rows == [
        (second.publication_id, "210700", 2020, 0.0, 5.0, "insufficient", "insufficient", cause),
        (second.publication_id, "210727", 2020, 0.0, 5.0, "met", "met", cause),
    ]
    assert home.ask("SELECT publication_id, previous_id FROM publication ORDER BY 1") == [
        (first.publication_id, None),
        (second.publication_id, first.publication_id),
    ]
    ((changes,),) = home.ask(
        "SELECT changes FROM publication WHERE publication_id = '" + second.publication_id + "'"
    )
    assert changes == len(home.ask("FROM revision"))


def test_a_returned_correction_changes_no_figure(home: Home) -> None:
    home.sheet("义县", "class", 2020, with_large(55), name="2020年第一次.csv")
    home.night()
    bad = with_large(56)
    home.sheet(
        "义县",
        "class",
        2020,
        [*bad, bad[-1]],
        received="2020-10-01 00:00:00",
        name="2020年第二次.csv",
    )
    home.night()
    assert home.ask("SELECT status FROM submission ORDER BY status") == [
        ("accepted",),
        ("returned",),
    ]
    assert home.ask("FROM revision") == []
    assert home.value("large_class_share", "210727", 2020)[0] == 0


def test_a_late_older_file_is_superseded_at_once_and_changes_no_figure(home: Home) -> None:
    home.sheet(
        "义县", "class", 2020, with_large(55), received="2020-09-02 00:00:00", name="2020年新.csv"
    )
    home.night()
    home.sheet(
        "义县", "class", 2020, with_large(70), received="2020-09-01 00:00:00", name="2020年旧.csv"
    )
    home.night()
    assert home.ask("SELECT file_name, status FROM submission ORDER BY file_name") == [
        ("2020年新.csv", "accepted"),
        ("2020年旧.csv", "superseded"),
    ]
    assert home.ask("FROM revision") == []


def test_the_same_bytes_again_make_no_publication(home: Home) -> None:
    home.sheet("义县", "class", 2020, with_large(55), received="2020-09-01 00:00:00")
    assert home.night().imprint is not None
    again = home.sheet(
        "义县", "class", 2020, with_large(55), received="2020-09-05 00:00:00", name="again2020.csv"
    )
    assert again.exists()
    assert home.night().imprint is None
    assert len(home.ask("FROM publication")) == 1


def test_past_publications_stay_whole_and_only_so_many(make_home: MakeHome) -> None:
    home = make_home(keep_publications=2)
    values = []
    for night, students in enumerate((55, 60, 57), start=1):
        home.sheet(
            "义县", "class", 2020, with_large(students), received=f"2020-09-0{night} 00:00:00",
            name=f"2020年第{night}次.csv",
        )  # fmt: skip
        values.append(home.night().imprint.publication_id)
    kept = sorted(path.name for path in (home.settings.published / "history").iterdir())
    assert kept == values[1:]
    past = home.settings.published / "history" / values[1] / "indicators.duckdb"
    with duckdb.connect(str(past), read_only=True) as connection:
        assert connection.execute(
            "SELECT value FROM shortfall WHERE clause_id = '2.10' AND year = 2020"
        ).fetchall() in ([("60",)], [])
        assert connection.execute("SELECT max(publication_id) FROM publication").fetchone() == (
            values[1],
        )


def test_history_holds_every_publication_that_was_and_no_other(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise OSError("killed")

    def kept() -> list[str]:
        return sorted(path.parent.name for path in history.glob("*/indicators.duckdb"))

    def published() -> list[str]:
        return [name for (name,) in home.ask("SELECT publication_id FROM publication ORDER BY 1")]

    history = home.settings.published / "history"
    home.sheet("义县", "class", 2020, with_large(55))
    home.night()
    home.sheet("义县", "class", 2019, with_large(55))
    # Before the publication takes its place: it never was one.
    with monkeypatch.context() as before:
        before.setattr("warehouse.publication.release.os.replace", die)
        with pytest.raises(StepFailed):
            home.night()
    assert kept() == published()
    # After it: it was one, and is still the last when news make the next.
    with monkeypatch.context() as after:
        after.setattr("warehouse.publication.release.keep_standing", die)
        with pytest.raises(StepFailed):
            home.night()
    assert kept() == published()[:1]
    home.sheet("义县", "class", 2018, with_large(55))
    home.night()
    assert kept() == published()
    assert len(kept()) == 3


def test_a_backfill_from_nothing_gives_what_the_nights_gave(
    home: Home, by_hand: type[ByHand]
) -> None:
    for night, students in enumerate((55, 60), start=1):
        home.sheet(
            "义县", "class", 2020, with_large(students), received=f"2020-09-0{night} 00:00:00",
            name=f"2020年第{night}次.csv",
        )  # fmt: skip
        home.sheet("古塔区", "population", 2018 + night, [{"age": 3, "population": 100 + night}])
        home.night()
    before = home.rows()
    (home.root / "warehouse.duckdb").unlink()
    loaded, imprint = backfill(home, by_hand, (2018, 2019, 2020))
    assert loaded.deliveries == 4
    assert imprint is None, "nothing changed, so nothing is published"
    assert home.rows() == before


def test_a_backfill_takes_up_a_changed_rule(home: Home, by_hand: type[ByHand]) -> None:
    home.sheet("义县", "class", 2020, with_large(60))
    home.sheet("义县", "class", 2019, with_large(61))
    home.sheet("古塔区", "class", 2020, with_large(60))
    home.night()
    # A rule of tomorrow: classes of more than 59 are slips.
    home.define_form("class", "students > 150", "students > 59")
    loaded, _ = backfill(home, by_hand, (2020,), regions=("210727",))
    assert (loaded.deliveries, loaded.returned) == (1, 1)
    assert home.ask(
        "SELECT region_code, year, status FROM submission ORDER BY region_code, year"
    ) == [
        ("210702", 2020, "accepted"),
        ("210727", 2019, "accepted"),
        ("210727", 2020, "returned"),
    ]


def test_what_is_now_read_for_a_year_outside_the_backfill_is_not_lost(
    home: Home, by_hand: type[ByHand]
) -> None:
    home.sheet("义县", "class", 2020, with_large(60))
    home.sheet("古塔区", "class", 2019, with_large(60))
    home.night()
    # An older program had taken the sheet of 2020 for one of 2019.
    with duckdb.connect(str(home.settings.warehouse)) as connection:
        for table in ("submission", 'submitted."class"'):
            connection.execute(
                f"UPDATE {table} SET year = 2019, submission_id = 'old' WHERE region_code = '210727'"
            )
    with Run.open(home.settings) as run:
        steps.reload_deliveries(run, Scope((2019,)), lambda: None)
        assert steps.must_publish(run)
    backfill(home, by_hand, (2019,))
    assert home.ask("SELECT region_code, year, status FROM submission ORDER BY 1") == [
        ("210702", 2019, "accepted"),
        ("210727", 2020, "accepted"),
    ]


def test_a_dry_run_lists_the_changes_and_touches_nothing(
    home: Home, by_hand: type[ByHand], tmp_path: Path
) -> None:
    home.sheet("义县", "class", 2020, with_large(60))
    home.night()
    before = every_file(home.root)
    plan = tmp_path / "stricter.yaml"
    text = PLAN.read_text("utf-8")
    head, tail = text.split('clause_id: "2.9"', 1)
    line = next(line for line in tail.splitlines() if line.strip().startswith("threshold:"))
    plan.write_text(head + 'clause_id: "2.9"' + tail.replace(line, "    threshold: 4", 1), "utf-8")
    with rehearse(home.settings, plan) as copy, Run.open(copy) as run:
        run.engine = cast(Engine, by_hand(run.plan, run.catalogue))
        steps.reload_deliveries(run, Scope((2020,)), lambda: None)
        steps.evaluate(run)
        changes = [asdict(change) for change in steps.changes(run)]
    assert [
        (
            c["indicator_id"],
            c["region_code"],
            c["year"],
            c["old_status"],
            c["new_status"],
            c["cause"],
        )
        for c in changes
    ] == [
        ("large_class_share", "210727", 2020, "met", "not_met", None),
    ]
    assert every_file(home.root) == before


def test_the_copy_of_a_dry_run_that_was_killed_is_swept_away_by_the_next(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    killed = tmp_path / "jzedu-rehearsal-killed"
    killed.mkdir()
    (killed / "warehouse.duckdb").write_bytes(b"half")
    with rehearse(home.settings) as one, rehearse(home.settings) as another:
        assert sorted(tmp_path.glob("jzedu-*")) == sorted((one.home, another.home))
    assert not list(tmp_path.glob("jzedu-*"))


def test_a_unit_that_vanishes_stops_the_publication(
    home: Home, by_hand: type[ByHand], monkeypatch: pytest.MonkeyPatch
) -> None:
    home.sheet("义县", "class", 2020, with_large(40))
    home.sheet("古塔区", "population", 2020, [{"age": 3, "population": 100}])
    home.night()
    before = every_file(home.settings.published)
    # The warehouse and one original are gone: the unit would silently disappear.
    (home.root / "warehouse.duckdb").unlink()
    for receipts in (home.root / "archive" / "receipts").iterdir():
        kept = [line for line in receipts.read_text("utf-8").splitlines() if "古塔区" not in line]
        receipts.write_text("".join(line + "\n" for line in kept), "utf-8")
    for file in (home.root / "inbox" / "古塔区").iterdir():
        file.unlink()
    with pytest.raises(StepFailed, match="古塔区 had submissions in force and has none now"):
        home.night()
    now = every_file(home.settings.published)
    assert {name: now.get(name) for name in before} == before
    assert home.ask("SELECT DISTINCT region_code FROM submission ORDER BY 1") == [
        ("210702",),
        ("210727",),
    ]


def handed_in(home: Home) -> None:
    """Two units and two years, a correction, one that is sent back and one that comes late."""
    for year in (2019, 2020):
        home.sheet("义县", "class", year, with_large(50 + year % 10))
        home.sheet("古塔区", "population", year, [{"age": 3, "population": year}])
    for name, students, received in (
        ("更正2020.csv", 70, "2020-09-16 00:00:00"),
        ("退回2020.csv", 151, "2020-09-17 00:00:00"),
        ("迟到2020.csv", 55, "2020-09-14 00:00:00"),
    ):
        home.sheet("义县", "class", 2020, with_large(students), received=received, name=name)


def nights_before(home: Home) -> None:
    """What a killed night starts from: a publication, and news in the inbox."""
    home.sheet("义县", "class", 2019, with_large(70))
    home.night()
    handed_in(home)


def read_wrongly(home: Home) -> None:
    """What a killed backfill starts from: an older program took every class for one of 40."""
    handed_in(home)
    home.load()
    with duckdb.connect(str(home.settings.warehouse)) as connection:
        connection.execute('UPDATE submitted."class" SET students = 40')
    home.night()


def without_warehouse(home: Home) -> None:
    """The same, and the warehouse has to be made again."""
    read_wrongly(home)
    home.settings.warehouse.unlink()


@pytest.mark.parametrize(
    ("kind", "before"),
    [("nightly", nights_before), ("backfill", read_wrongly), ("backfill", without_warehouse)],
)
def test_runs_killed_at_any_moment_lose_nothing(
    make_home: MakeHome, kind: Kind, before: Callable[[Any], None]
) -> None:
    undisturbed, home = make_home(), make_home()
    for each in (undisturbed, home):
        before(each)
    calls, releasing = map(int, run_to_the_end(undisturbed, kind).split())
    assert undisturbed.ask("SELECT count(*) > 0 FROM revision") == [(True,)]
    some = random.Random(len(before.__name__))
    moments = [
        some.sample(range(*span), 2) for span in ((calls // 20, releasing), (releasing, calls))
    ]
    for moment in itertools.chain(*moments):
        died = run_that_dies(home.root, kind, moment)
        assert died.code in (-9, 0), died.stderr
        assert_nothing_half(home)
    run_to_the_end(home, kind)
    assert_as_undisturbed(home, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("group", range(7))
@pytest.mark.parametrize(
    ("kind", "before"), [("nightly", nights_before), ("backfill", without_warehouse)]
)
def test_runs_with_great_expectations_killed_at_any_moment_lose_nothing(
    make_home: MakeHome, kind: Kind, before: Callable[[Any], None], group: int
) -> None:
    """Forty moments in all at which the run is killed, and sixteen at which its child is."""
    undisturbed, home = make_home(), make_home()
    for each in (undisturbed, home):
        before(each)
    calls, _ = map(int, run_to_the_end(undisturbed, kind, "run").split())
    victim: Victim = "run" if group < 5 else "child"
    draw = random.Random(f"{kind} {group}")
    for moment in sorted(draw.sample(range(calls // 20, calls), 4), reverse=True):
        died = run_that_dies(home.root, kind, moment, victim)
        if victim == "run":
            assert died.code in (-9, 0), died.stderr
        elif died.code:  # where the child was needed no more, its end is not missed
            assert "Great Expectations was ended from outside" in died.stderr
            assert "more memory" in died.stderr
        assert_nothing_half(home)
    run_to_the_end(home, kind, "run")
    assert_as_undisturbed(home, undisturbed)


def assert_as_undisturbed(home: Home, undisturbed: Any) -> None:
    """After all kills the home holds what one holds in which nothing was killed."""
    assert_nothing_half(home)
    assert home.rows() == undisturbed.rows()
    # Every change once, under one publication, with the same cause.
    told = (
        "SELECT p.previous_id IS NULL, r.* EXCLUDE (publication_id) FROM revision r"
        " JOIN publication p USING (publication_id) ORDER BY ALL"
    )
    assert home.ask(told) == undisturbed.ask(told)
    published = [name for (name,) in home.ask("SELECT publication_id FROM publication ORDER BY 1")]
    assert len(published) == 2
    history = home.settings.published / "history"
    assert sorted(path.name for path in history.iterdir()) == published
    for table in TABLES:
        file = home.settings.published / "parquet" / f"{table.name}.parquet"
        assert home.ask(f"FROM '{file}' ORDER BY ALL") == home.ask(
            f"FROM {table.name} ORDER BY ALL"
        )
    for folder in ("outbox", "archive"):
        assert every_file(home.root / folder) == every_file(undisturbed.root / folder)
    with Run.open(home.settings) as run:
        assert not steps.must_publish(run) and not steps.unread(run)


def assert_nothing_half(home: Home) -> None:
    """The publication that stands and each that is kept open, and are whole."""
    published = home.settings.published
    for file in (home.publication, *(published / "history").glob("*/indicators.duckdb")):
        with duckdb.connect(str(file), read_only=True) as connection:
            for table in TABLES:
                connection.execute(f"FROM {table.name}").fetchall()
            rows = connection.execute("SELECT publication_id FROM publication").fetchall()
        ids = {name for (name,) in rows}
        assert file.parent == published or file.parent.name in ids
        assert ids <= {name for (name,) in home.ask("SELECT publication_id FROM publication")}


def run_to_the_end(home: Home, kind: Kind, victim: Victim | None = None) -> str:
    """What a run says that is not killed."""
    whole = run_that_dies(home.root, kind, 10**9, victim)
    assert whole.code == 0, whole.stderr
    return whole.stdout


def region_list(home: Home) -> Path:
    """A region list of the home's own, at first like the packaged one."""
    folder = home.root / "reference"
    folder.mkdir()
    for file in PACKAGED.glob("*.csv"):
        (folder / file.name).write_bytes(file.read_bytes())
    return Path(folder / "regions.csv")


def without(file: Path, *words: str) -> None:
    """Take the lines that hold one of ``words`` out of a file."""
    kept = [
        line for line in file.read_text("utf-8").splitlines() if not any(w in line for w in words)
    ]
    file.write_text("".join(f"{line}\n" for line in kept), "utf-8")


def test_a_unit_taken_out_of_the_region_list_stops_the_publication(home: Home) -> None:
    regions = region_list(home)
    for year in (2019, 2020):
        home.sheet("义县", "class", year, with_large(40))
        home.sheet("古塔区", "class", year, with_large(40))
    home.night()
    before = every_file(home.settings.published)
    without(regions, "古塔区")
    with pytest.raises(
        StepFailed,
        match="figures of 锦州市 for 2019 to 2020 would be made without 古塔区",
    ):
        home.night()
    now = every_file(home.settings.published)
    assert {name: now.get(name) for name in before} == before


def test_a_unit_under_another_region_stops_the_publication(home: Home) -> None:
    regions = region_list(home)
    home.sheet("义县", "class", 2020, with_large(40))
    home.sheet("古塔区", "class", 2020, with_large(40))
    home.night()
    text = regions.read_text("utf-8").replace(
        "210702,古塔区,古塔,reporting_unit,210700", "210702,古塔区,古塔,reporting_unit,219900"
    )
    regions.write_text(f"{text}219900,外市,,city,,地级市\n", "utf-8")
    with pytest.raises(StepFailed, match="锦州市 for 2020 would be made without 古塔区"):
        home.night()


def test_a_correction_that_reports_less_is_published(home: Home) -> None:
    """An item that a later version leaves out takes its unit out of a figure, and that is data."""
    begun = [{"item": "县管校聘改革", "status": "进行中"}]
    for unit in ("义县", "古塔区"):
        home.sheet(unit, "milestone", 2020, begun)
    home.night()
    home.sheet(
        "义县", "milestone", 2020, [{"item": "其他", "status": "进行中"}],
        name="更正2020.csv", received="2020-10-01 00:00:00",
    )  # fmt: skip
    assert home.night().imprint is not None
    assert home.value("county_managed_hiring_started_share", "210700", 2020) == (1, 1, 100)
