"""Which version of a form is in force, what becomes of the others, and that order does not matter.

The population form stands for all: its figure for age 3 tells the versions apart.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import random
import shutil
import zipfile
from typing import Any

import duckdb
import pytest

from flows import steps
from flows.run import Run
from tests.conftest import AsBook, AsCsv, Home, MakeHome
from transforms.made_up import MADE_UP_LINE
from warehouse.ledger.store import WarehouseOutdated, open_warehouse
from warehouse.publication.tables import OF_THE_MOMENT
from warehouse.reference import load_reference

GUTA, LINGHE, TAIHE, HEISHAN = "210702", "210703", "210711", "210726"
RATE = "preschool_gross_enrolment_rate"


def people(number: object) -> list[dict[str, object]]:
    """A population form that says ``number`` for age 3."""
    return [{"age": 3, "population": number}]


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def in_force(home: Home, unit: str, year: int = 2020) -> object:
    """The number that counts."""
    return home.value(RATE, unit, year)[1]


def statuses(home: Home, unit: str) -> list[tuple[Any, ...]]:
    """File names and statuses, by time of receipt."""
    return home.ask(
        "SELECT file_name, status FROM submission WHERE region_code = ? "
        "ORDER BY received_at, file_name",
        unit,
    )


@pytest.fixture(scope="module")
def versions(make_home: MakeHome, as_csv: AsCsv) -> Home:
    """Two nights; each unit shows one way in which versions follow each other."""
    home = make_home()

    def hand_in(unit: str, name: str, number: object, received: str) -> None:
        home.sheet(unit, "population", 2020, people(number), name=name, received=received)

    # A later version, then one that is returned.
    hand_in(GUTA, "2020年一.csv", 10, "2020-09-01 08:00:00")
    hand_in(GUTA, "2020年二.csv", 20, "2020-09-02 08:00:00")
    hand_in(GUTA, "2020年三.csv", "三十", "2020-09-03 08:00:00")
    # The same time to the microsecond: the larger hash wins, whatever its name.
    for name, number in (("2020年甲.csv", 11), ("2020年乙.csv", 22), ("2020年丙.csv", 33)):
        hand_in(LINGHE, name, number, "2020-09-01 08:00:00.123456")
    # Later only by a microsecond, and with an earlier name.
    hand_in(TAIHE, "2020年乙.csv", 1, "2020-09-01 08:00:00.000001")
    hand_in(TAIHE, "2020年甲.csv", 2, "2020-09-01 08:00:00.000002")
    hand_in(HEISHAN, "2020年二.csv", 20, "2020-09-02 08:00:00")
    home.load()
    # The second night brings an older version, and the same bytes again much later.
    hand_in(HEISHAN, "2020年一.csv", 10, "2020-09-01 08:00:00")
    hand_in(GUTA, "又一次/2020年一.csv", 10, "2020-09-20 08:00:00")
    hand_in(GUTA, "2020年二.csv", 20, "2020-09-21 08:00:00")
    home.night()
    return home


def test_the_version_received_last_is_in_force(versions: Home) -> None:
    assert in_force(versions, TAIHE) == 2
    assert statuses(versions, TAIHE) == [
        ("2020年乙.csv", "superseded"),
        ("2020年甲.csv", "accepted"),
    ]


def test_every_version_holds_from_its_receipt_to_that_of_the_next(home: Home) -> None:
    for name, received in (
        ("乙2020.csv", "2020-09-02 00:00:00"),
        ("丙2020.csv", "2020-09-03 00:00:00"),
        # Came last, and was there first.
        ("甲2020.csv", "2020-09-01 00:00:00"),
    ):
        home.sheet(GUTA, "population", 2020, people(ord(name[0])), name=name, received=received)
        home.night()
    with duckdb.connect(str(home.settings.warehouse), read_only=True) as connection:
        rows = connection.execute(
            "SELECT file_name, in_force_from::DATE::VARCHAR, in_force_until::DATE::VARCHAR"
            " FROM version JOIN submission USING (submission_id) ORDER BY in_force_from"
        ).fetchall()
    assert rows == [
        ("甲2020.csv", "2020-09-01", "2020-09-02"),
        ("乙2020.csv", "2020-09-02", "2020-09-03"),
        ("丙2020.csv", "2020-09-03", None),
    ]


def test_a_returned_version_leaves_the_one_before_in_force(versions: Home) -> None:
    assert in_force(versions, GUTA) == 20
    assert statuses(versions, GUTA) == [
        ("2020年一.csv", "superseded"),
        ("2020年二.csv", "accepted"),
        ("2020年三.csv", "returned"),
    ]


def test_on_equal_times_the_larger_hash_wins(versions: Home, as_csv: AsCsv) -> None:
    largest = max((11, 22, 33), key=lambda number: sha(as_csv("population", people(number))))
    assert in_force(versions, LINGHE) == largest
    found = versions.ask(
        "SELECT sha256, status FROM submission WHERE region_code = ? ORDER BY 1 DESC", LINGHE
    )
    assert [status for _, status in found] == ["accepted", "superseded", "superseded"]


def test_an_older_version_is_superseded_at_once(versions: Home) -> None:
    assert in_force(versions, HEISHAN) == 20
    assert statuses(versions, HEISHAN) == [
        ("2020年一.csv", "superseded"),
        ("2020年二.csv", "accepted"),
    ]


def test_the_same_bytes_again_keep_their_first_time(versions: Home, as_csv: AsCsv) -> None:
    times = versions.ask(
        "SELECT sha256, received_at::VARCHAR FROM submission WHERE region_code = ?", GUTA
    )
    assert dict(times) == {
        sha(as_csv("population", people(10))): "2020-09-01 08:00:00",
        sha(as_csv("population", people(20))): "2020-09-02 08:00:00",
        sha(as_csv("population", people("三十"))): "2020-09-03 08:00:00",
    }


def test_every_version_keeps_its_row_accounting(versions: Home) -> None:
    assert versions.ask(
        "SELECT status, rows_read, rows_loaded, rows_returned, rows_ignored FROM submission "
        "WHERE region_code = ? ORDER BY received_at",
        GUTA,
    ) == [("superseded", 2, 1, 0, 1), ("accepted", 2, 1, 0, 1), ("returned", 2, 0, 1, 1)]
    assert versions.ask(
        "SELECT count(*) FROM submission WHERE rows_read <> rows_loaded + rows_returned"
        " + rows_ignored"
    ) == [(0,)]


def test_the_same_bytes_of_two_units_are_a_submission_each(home: Home, as_csv: AsCsv) -> None:
    content = as_csv("population", people(7))
    for unit in (GUTA, LINGHE):
        home.deliver(f"{unit}/2020年.csv", content)
    home.night()
    assert home.ask("SELECT region_code, sha256, status FROM submission ORDER BY 1") == [
        (GUTA, sha(content), "accepted"),
        (LINGHE, sha(content), "accepted"),
    ]
    assert (in_force(home, GUTA), in_force(home, LINGHE)) == (7, 7)


@pytest.mark.parametrize("nights", [1, 2])
def test_the_same_bytes_for_two_years_are_a_submission_each(
    home: Home, as_csv: AsCsv, nights: int
) -> None:
    content = as_csv("population", people(7))
    for year in (2019, 2020):
        home.deliver(f"{GUTA}/{year}年/人口.csv", content)
        if nights == 2:
            home.load()
    home.night()
    assert home.ask("SELECT year, status FROM submission ORDER BY 1") == [
        (2019, "accepted"),
        (2020, "accepted"),
    ]
    assert (in_force(home, GUTA, 2019), in_force(home, GUTA, 2020)) == (7, 7)


@pytest.mark.parametrize("nights", [1, 2])
def test_the_same_bytes_at_two_paths_are_one_submission(
    home: Home, as_csv: AsCsv, nights: int
) -> None:
    content = as_csv("population", people(7))
    home.deliver(f"{GUTA}/后/2020年.csv", content, "2020-09-02 08:00:00")
    if nights == 2:
        home.load()
    home.deliver(f"{GUTA}/先/2020年人口.csv", content, "2020-09-01 08:00:00")
    home.night()
    # What it says of itself comes from the earlier delivery, whichever was read first.
    assert home.ask("SELECT file_name, received_at::VARCHAR, status FROM submission") == [
        ("2020年人口.csv", "2020-09-01 08:00:00", "accepted")
    ]
    assert in_force(home, GUTA) == 7


def test_a_unit_is_known_by_code_name_and_alias(home: Home, as_csv: AsCsv) -> None:
    for folder, number in ((GUTA, 1), ("凌河", 2), ("太和区", 3), ("经开区", 4), ("黑 山 县", 5)):
        home.deliver(f"{folder}/深/更深/2020年.csv", as_csv("population", people(number)))
    home.deliver("沈阳市/2020年.csv", as_csv("population", people(6)))
    home.night()
    found = home.ask(
        "SELECT region_code, denominator FROM indicator_value WHERE indicator_id = ? "
        "AND year = 2020 AND denominator IS NOT NULL AND region_code <> '210700' ORDER BY 1",
        RATE,
    )
    assert found == [(GUTA, 1), (LINGHE, 2), (TAIHE, 3), (HEISHAN, 5), ("210792", 4)]
    assert home.ask("SELECT form, year, status FROM submission WHERE region_code IS NULL") == [
        ("population", 2020, "returned")
    ]
    assert home.ask("SELECT rule_id, value FROM finding") == [("FIL-E03", "沈阳市")]


def test_a_file_beside_the_folders_of_the_units_is_returned(home: Home, as_csv: AsCsv) -> None:
    home.deliver("2020年.csv", as_csv("population", people(1)))
    home.sheet(LINGHE, "population", 2020, people(2))
    home.night()
    assert home.ask(
        "SELECT region_code, form, year, file_name, rows_read, rows_returned FROM submission "
        "WHERE status = 'returned'"
    ) == [(None, "population", 2020, "2020年.csv", 2, 1)]
    assert home.ask("SELECT region_code, rule_id, value FROM finding") == [(None, "FIL-E06", None)]
    assert in_force(home, LINGHE, 2020) == 2


def test_files_of_a_zip_have_its_hash_and_its_time(home: Home, as_csv: AsCsv) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("表/人口2019年.csv", as_csv("population", people(19)))
        archive.writestr("表/人口2020年.csv", as_csv("population", people(20)))
    home.deliver(f"{GUTA}/全部.zip", buffer.getvalue(), "2020-09-01 08:00:00")
    home.night()
    assert home.ask(
        "SELECT file_name, year, sha256, received_at::VARCHAR FROM submission ORDER BY year"
    ) == [
        (f"全部.zip/表/人口{year}年.csv", year, sha(buffer.getvalue()), "2020-09-01 08:00:00")
        for year in (2019, 2020)
    ]
    assert (in_force(home, GUTA, 2019), in_force(home, GUTA, 2020)) == (19, 20)


def test_what_cannot_be_opened_is_a_returned_submission(home: Home) -> None:
    home.deliver(f"{GUTA}/空2020年.xlsx", b"")
    home.deliver(f"{GUTA}/坏2020年.xlsx", b"PK\x03\x04 and nothing else")
    home.sheet(LINGHE, "population", 2020, people(1))
    home.night()
    assert home.ask(
        "SELECT region_code, form, year, file_name, status, rows_read FROM submission "
        "WHERE status = 'returned' ORDER BY file_name"
    ) == [
        (GUTA, None, None, "坏2020年.xlsx", "returned", 0),
        (GUTA, None, None, "空2020年.xlsx", "returned", 0),
    ]
    assert home.ask("SELECT DISTINCT rule_id, severity FROM finding") == [("FIL-E01", "error")]


def test_a_file_too_large_to_be_read_is_archived_and_returned(
    make_home: MakeHome, as_csv: AsCsv
) -> None:
    home = make_home(limits={"file_bytes": 1000})
    home.deliver(f"{GUTA}/2020年.csv", as_csv("population", people(1)) + b"\n" * 1000)
    home.sheet(LINGHE, "population", 2020, people(2))
    home.night()
    ((sha256, message),) = home.ask(
        "SELECT sha256, message_zh FROM submission JOIN finding USING (submission_id)"
    )
    assert (home.settings.archive / sha256[:2] / sha256).stat().st_size > 1000
    assert "文件过大" in message
    assert in_force(home, LINGHE, 2020) == 2


def deliveries(as_csv: AsCsv, as_book: AsBook) -> list[tuple[str, bytes, str]]:
    """Deliveries in which almost everything depends on which of them counts."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("人口2020年.csv", as_csv("population", people(31)))
        archive.writestr("人口2020年补.csv", as_csv("population", people(32)))
    same = as_csv("population", people(7))
    two_years = as_book(
        {
            year: {
                "special_group": [{"disabled_school_age": 9, "disabled_enrolled": 9 - year % 3}],
                "kindergarten": [
                    {"ownership": "公办", "children_enrolled": year - 2000, "township": "芳山镇"},
                    {"ownership": "民办", "licensed": False, "institution_code": None},
                ],
                "class": [{"stage": "小学", "students": 60}, {"stage": "初中", "students": 40}],
            }
            for year in (2019, 2020)
        }
    )
    corrected = as_book(
        {2020: {"special_group": [{"disabled_school_age": 9, "disabled_enrolled": 9}]}}
    )
    wrong = as_csv("class", [{"stage": "小学", "students": 151}, {"stage": "大学", "students": 30}])
    return [
        (f"{GUTA}/a/2020年.csv", same, "2020-09-03 08:00:00"),
        (f"{GUTA}/b/2020年.csv", same, "2020-09-01 08:00:00"),
        (f"{LINGHE}/b/2020年.csv", same, "2020-09-01 08:00:00"),
        (f"{GUTA}/2020年人口.csv", as_csv("population", people(8)), "2020-09-02 08:00:00"),
        (f"{LINGHE}/2020年甲.csv", as_csv("population", people(9)), "2020-09-01 08:00:00"),
        (f"{LINGHE}/2020年乙.csv", as_csv("population", people(10)), "2020-09-01 08:00:00"),
        (f"{TAIHE}/全.zip", zipped.getvalue(), "2020-09-01 08:00:00"),
        (f"{TAIHE}/2019年/人口.csv", same, "2020-09-01 08:00:00"),
        (f"{TAIHE}/2018年/人口.csv", same, "2020-09-02 08:00:00"),
        (f"{HEISHAN}/两年.xlsx", two_years, "2020-10-01 08:00:00"),
        (f"{HEISHAN}/更正.xlsx", corrected, "2020-10-02 08:00:00"),
        (f"{HEISHAN}/班级2020年.csv", wrong, "2020-10-03 08:00:00"),
        ("沈阳市/2020年.csv", same, "2020-09-01 08:00:00"),
        (f"{GUTA}/空.xlsx", b"", "2020-09-01 08:00:00"),
    ]


def published_rows(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """Every published row that does not speak of the run."""
    with duckdb.connect(str(home.publication), read_only=True) as connection:
        tables = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
        return {
            name: connection.execute(f'FROM "{name}" ORDER BY ALL').fetchall()
            for name in tables
            if name not in OF_THE_MOMENT
        }


def test_the_order_of_arrival_does_not_matter(
    make_home: MakeHome, as_csv: AsCsv, as_book: AsBook
) -> None:
    given = deliveries(as_csv, as_book)
    orders = [[given], [[one] for one in reversed(given)]]
    shuffled = random.Random(1).sample(given, len(given))
    orders.append([shuffled[:4], shuffled[4:9], shuffled[9:]])
    outcomes = []
    for nights, workers in zip(orders, itertools.cycle((1, 4)), strict=False):
        home = make_home(workers=workers)
        home.load(*nights)
        home.night()
        outcomes.append(published_rows(home))
    first = outcomes[0]
    assert first["shortfall"]
    assert first["finding"]
    assert {row[7] for row in first["submission"]} == {"accepted", "returned", "superseded"}
    for other in outcomes[1:]:
        assert other == first


def test_everything_can_be_rebuilt_from_the_archive(
    home: Home, as_csv: AsCsv, as_book: AsBook
) -> None:
    home.load(deliveries(as_csv, as_book))
    home.night()
    before = published_rows(home)
    shutil.rmtree(home.settings.published)
    home.settings.warehouse.unlink()
    # Not even the inbox is needed.
    shutil.rmtree(home.settings.inbox)
    night = home.night()
    assert night.pulled.found == 0
    assert len(night.read) == len(deliveries(as_csv, as_book))
    assert published_rows(home) == before


def test_a_second_night_reads_nothing_twice(home: Home, as_csv: AsCsv) -> None:
    home.deliver(f"{GUTA}/2020年.csv", as_csv("population", people(7)))
    with Run.open(home.settings) as run:
        assert len(steps.pull_inbox(run).receipts) == 1
        receipts = steps.unread(run)
        assert steps.load_deliveries(run, receipts, lambda: None).submissions == 1
    with Run.open(home.settings) as run:
        pulled = steps.pull_inbox(run)
        assert (pulled.found, pulled.receipts) == (1, ())
        assert steps.unread(run) == []
        # Read again on purpose, as a backfill does: nothing is new.
        loaded = steps.load_deliveries(run, receipts, lambda: None)
        assert (loaded.deliveries, loaded.submissions) == (1, 0)


def test_what_is_made_up_makes_the_publication_so_and_survives_a_rebuild(
    home: Home, as_csv: AsCsv
) -> None:
    def sample() -> list[tuple[Any, ...]]:
        return home.ask("SELECT sample FROM publication ORDER BY published_at")

    ages: list[dict[str, object]] = [{"age": 3, "population": 100}]
    home.sheet("义县", "population", 2020, ages)
    home.night()
    assert sample() == [(False,)]
    made_up = f"{MADE_UP_LINE}\n".encode() + as_csv("population", ages)
    home.deliver("黑山县/学龄人口表2020年.csv", made_up)
    home.night()
    assert sample() == [(False,), (True,)]
    for year, again in ((2021, home.settings.published), (2022, home.settings.warehouse)):
        shutil.rmtree(again) if again.is_dir() else again.unlink()
        home.sheet("义县", "population", year, ages)
        home.night()
        assert sample()[-1] == (True,)
    # Where a real one has taken its place, nothing made up is in force any more.
    home.deliver(
        "黑山县/学龄人口表2020年（更正）.csv", as_csv("population", ages), "2020-10-01 02:00:00"
    )
    home.night()
    assert sample()[-1] == (False,)


def test_a_made_up_file_that_is_returned_makes_nothing_so(home: Home, as_csv: AsCsv) -> None:
    home.sheet("义县", "population", 2020, [{"age": 3, "population": 100}])
    wrong = as_csv("population", [{"age": 3, "population": "不详"}])
    home.deliver("黑山县/学龄人口表2020年.csv", f"{MADE_UP_LINE}\n".encode() + wrong)
    home.night()
    assert home.ask("SELECT sample FROM publication") == [(False,)]
    assert home.ask("SELECT count(*) FROM submission WHERE status = 'returned'") == [(1,)]


def test_a_warehouse_of_another_version_is_not_read_but_filled_again(home: Home) -> None:
    home.sheet("义县", "population", 2020, [{"age": 3, "population": 100}])
    home.night()
    file = home.settings.warehouse
    with duckdb.connect(str(file)) as connection:
        connection.execute("ALTER TABLE submission DROP COLUMN sample; DROP TABLE layout")
    reference = load_reference(home.root)
    with (
        pytest.raises(WarehouseOutdated, match="run jzedu nightly"),
        open_warehouse(file, reference, read_only=True),
    ):
        pass
    assert home.night().loaded.accepted == 1
    with open_warehouse(file, reference, read_only=True) as connection:
        assert connection.execute("SELECT sample FROM submission").fetchall() == [(False,)]
