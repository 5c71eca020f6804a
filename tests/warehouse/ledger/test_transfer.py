"""Portions on their way to the run: whole, taken up once, and nothing of them left behind."""

from __future__ import annotations

import pickle
from datetime import datetime
from pathlib import Path

import pytest

from transforms.texts import Text
from warehouse.archive import Receipt
from warehouse.lake import Lake
from warehouse.ledger.portions import Portion, by_hash, portions_of
from warehouse.ledger.transfer import OverConnection, OverStorage, Transfer, transfer_to
from warehouse.storage import Bucket


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that run and workers share, which is not there yet."""
    return tmp_path / "rows" / "portions"


@pytest.fixture
def portion(tmp_path: Path) -> Portion:
    """One of two tables, as a worker has it on its own machine."""
    tables = {}
    for table in ("submission", 'submitted."school"'):
        tables[table] = str(tmp_path / table.strip('"'))
        Path(tables[table]).write_text(table)
    return Portion(3, tables, (Text("缺", "gone"),))


@pytest.mark.parametrize("on_storage", [False, True])
def test_what_a_worker_sends_is_what_the_run_loads(
    place: Path, portion: Portion, on_storage: bool
) -> None:
    transfer: Transfer = OverStorage(place) if on_storage else OverConnection()
    with transfer.open():
        there = pickle.loads(pickle.dumps(transfer))
        sent = pickle.loads(pickle.dumps(there.send(portion)))
        assert bool(sent.files) is not on_storage
        with transfer.received(sent) as received:
            assert (received.deliveries, received.lost) == (3, portion.lost)
            assert {k: Path(v).read_text() for k, v in received.tables.items()} == {
                table: table for table in portion.tables
            }
            assert set(received.tables.values()).isdisjoint(portion.tables.values())
        assert not any(Path(file).exists() for file in received.tables.values())


def test_what_was_left_on_the_storage_goes_with_the_next_run(place: Path, portion: Portion) -> None:
    place.mkdir(parents=True)
    for name in ("dead.submission.parquet", ".dead.finding.parquet.part"):
        (place / name).write_bytes(b"half")
    with OverStorage(place).open():
        assert list(place.iterdir()) == []
        OverStorage(place).send(portion)  # nobody takes it any more
    assert list(place.iterdir()) == []


def test_a_worker_that_does_not_see_what_the_run_sees_is_found_out(
    place: Path, tmp_path: Path
) -> None:
    there = OverStorage(place)
    why = there.reach()
    assert isinstance(why, Text) and "is not there: what workers read is left" in why.en
    with there.open():
        assert not OverStorage(tmp_path).sees(str(there.reach()))
        assert there.sees(mark := str(there.reach()))
        assert not there.sees(mark), "it is gone"
    in_the_way = tmp_path / "rows" / "file"
    in_the_way.write_text("")
    assert isinstance(OverStorage(in_the_way).reach(), Text)


def test_portions_lie_beside_the_rows_of_a_lake(tmp_path: Path) -> None:
    assert transfer_to(tmp_path / "warehouse.duckdb") == OverConnection()
    lake = transfer_to(Lake("", "/mnt/lake/", tmp_path))
    assert lake == OverStorage(Path("/mnt/lake/portions"))
    for data, prefix in (("s3://jzedu/", "portions/"), ("s3://jzedu/辽/w/", "辽/w/portions/")):
        found = Lake("", data, tmp_path).portions
        assert isinstance(found, Bucket)
        assert (found.name, found.prefix) == ("jzedu", prefix)
        assert str(found) == f"{data}portions"


def test_the_same_bytes_are_in_one_portion() -> None:
    """Whatever they are called, whenever they came, and however small a portion is."""
    receipts = [
        Receipt(datetime(2020, 9, day), f"210727/{day}.csv", str(day % 4) * 64)
        for day in range(1, 12)
    ]
    for most in (1, 2, 50):
        portions = list(portions_of(by_hash(receipts), most))
        assert sorted(one for portion in portions for one in portion) == sorted(receipts)
        hashes = [{receipt.sha256 for receipt in portion} for portion in portions]
        assert sum(map(len, hashes)) == 4
        assert all(list(portion) == sorted(portion, key=lambda r: r.sha256) for portion in portions)
    assert list(portions_of([], 1)) == []
