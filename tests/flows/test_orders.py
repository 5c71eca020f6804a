"""Random orders of arrival: the warehouse holds the same rows after each of them.

One unit and a dozen tiny files in which everything happens that can happen to a version: corrections,
returns, the same bytes again, equal times, several years in a sheet, a zip. In each order the files come
over some nights, a random part a night, and are checked in portions of any size.
"""

from __future__ import annotations

import io
import itertools
import random
import zipfile
from typing import Any

import duckdb
import pytest

from tests.conftest import AsCsv, Home, MakeHome

UNIT = "210727"
#: What the warehouse holds of submissions; `delivery` is the archive's.
TABLES = (
    "delivery",
    "submission",
    "submission_sheet",
    "submission_layout",
    "finding",
    "version",
    "in_force",
    *(f'submitted."{form}"' for form in ("population", "special_group")),
)
Delivery = tuple[str, bytes, str]


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in files.items():
            packed.writestr(zipfile.ZipInfo(f"{name}.csv"), content)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def deliveries(as_csv: AsCsv) -> list[Delivery]:
    def people(*numbers: object) -> bytes:
        return as_csv(
            "population", [{"age": 3 + i, "population": n} for i, n in enumerate(numbers)]
        )

    def group(number: int) -> bytes:
        return as_csv("special_group", [{"dropouts": number}])

    spread = as_csv("population", [{"age": 3, "population": n} for n in (7, 8)], years=[2019, 2021])
    return [
        (f"{UNIT}/2020年一.csv", people(1), "2020-09-01 00:00:00"),
        (f"{UNIT}/2020年二.csv", people(2), "2020-09-02 00:00:00"),
        (f"{UNIT}/2020年三.csv", people("三"), "2020-09-03 00:00:00"),
        # The same bytes: earlier at another path, and of another year by their path.
        (f"{UNIT}/又/2020年二.csv", people(2), "2020-08-01 00:00:00"),
        (f"{UNIT}/2018年.csv", people(2), "2020-09-04 00:00:00"),
        # Equal times: the larger hash holds.
        (f"{UNIT}/2021年甲.csv", people(4), "2021-09-01 00:00:00"),
        (f"{UNIT}/2021年乙.csv", people(5), "2021-09-01 00:00:00"),
        (f"{UNIT}/两年.csv", spread, "2021-08-31 00:00:00"),
        (f"{UNIT}/2020年包.zip", zipped(甲=group(1), 乙=group(2)), "2020-10-01 00:00:00"),
        (f"{UNIT}/2020年特.csv", group(3), "2020-09-30 00:00:00"),
        (f"{UNIT}/无年.csv", people(6), "2020-09-05 00:00:00"),
        (f"{UNIT}/2020年空.csv", b"", "2020-09-06 00:00:00"),
        ("无此单位/2020年.csv", people(1), "2020-09-07 00:00:00"),
    ]


def held(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    with duckdb.connect(str(home.settings.warehouse), read_only=True) as connection:
        return {
            table: connection.execute(f"FROM {table} ORDER BY ALL").fetchall() for table in TABLES
        }


@pytest.fixture(scope="module")
def in_order(make_home: MakeHome, deliveries: list[Delivery]) -> dict[str, list[tuple[Any, ...]]]:
    home = make_home()
    home.load(deliveries)
    found = held(home)
    assert len(found["in_force"]) >= 5
    assert len(found["version"]) > len(found["in_force"])
    assert found["finding"]
    return found


@pytest.mark.parametrize("order", range(30))
def test_any_order_of_arrival_gives_the_same_rows(
    order: int,
    make_home: MakeHome,
    deliveries: list[Delivery],
    in_order: dict[str, list[tuple[Any, ...]]],
) -> None:
    draw = random.Random(order)
    shuffled = draw.sample(deliveries, len(deliveries))
    cuts = sorted(draw.sample(range(1, len(shuffled)), draw.randint(1, 2)))
    places = [0, *cuts, len(shuffled)]
    engine = {"portion": draw.choice((1, 2, 50, 2000))}
    home = make_home(workers=draw.choice((1, 2)), engine=engine)
    home.load(*(shuffled[a:b] for a, b in itertools.pairwise(places)))
    assert held(home) == in_order
