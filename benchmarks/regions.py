"""A made-up region list of any size: a province of 100 counties, a nation of 2,900.

    python -m benchmarks.regions UNITS FOLDER

writes regions.csv and townships.csv in the shape of `JZEDU_HOME/reference/`. `jzedu sample` then makes
the submissions of these units, and a night judges them by the packaged plan.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

#: Units of a city, and of a province; about what they are in fact.
CITY, PROVINCE = 10, 100
#: What may stand in the codes of provinces, cities and units: two digits each.
_MOST = 80 * PROVINCE

#: Of ten units, what they are; the last two words of a name say it too.
_KINDS = (("市辖区", "区"),) * 2 + (("县级市", "市"),) * 2 + (("县", "县"),) * 6
_TOWNS = 12

Row = tuple[str, str, str, str, str, str]


def regions(units: int) -> Iterator[Row]:
    """Yield so many units, below what is above them.

    Up to ten are a city, up to a hundred a province, more a nation. The rows have the columns of
    regions.csv.

    Raises:
        ValueError: there are fewer than one, or more than codes for them.
    """
    if not 1 <= units <= _MOST:
        raise ValueError(f"from 1 to {_MOST} units, not {units}")
    nation = units > PROVINCE
    if nation:
        yield ("000000", "样例国", "", "nation", "", "国")
    for number in range(units):
        province, city = 11 + number // PROVINCE, 1 + number % PROVINCE // CITY
        above = f"{province}0000" if units > CITY else ""
        if number % PROVINCE == 0 and above:
            name = f"样例{province}省"
            yield (above, name, "", "province", "000000" if nation else "", "省")
        if number % CITY == 0:
            name = f"样例{province}{city:02d}市"
            yield (f"{province}{city:02d}00", name, "", "city", above, "地级市")
        kind, word = _KINDS[number % CITY]
        # Codes of institutions hold the last two digits: in a province they are nearly all different.
        code = f"{province}{city:02d}{number % PROVINCE % 99 + 1:02d}"
        parent = f"{province}{city:02d}00"
        yield (code, f"样例{number + 1:04d}{word}", "", "reporting_unit", parent, kind)


def townships(listed: list[Row]) -> Iterator[tuple[str, ...]]:
    """Yield the townships of the counties among the units, with the columns of townships.csv."""
    for code, name, _, level, _, kind in listed:
        if level == "reporting_unit" and kind != "市辖区":
            for number in range(1, _TOWNS + 1):
                town = f"{name[2:-1]}第{number}{'镇' if number % 3 else '乡'}"
                yield (code, name, f"{code}{number:03d}", town, town[-1], "", "")


def write_regions(folder: Path, units: int) -> None:
    """Write both lists into ``folder``, which is made if it is not there."""
    listed = list(regions(units))
    tables = (
        (
            "regions",
            ("region_code", "region_name", "aliases", "level", "parent_code", "kind"),
            listed,
        ),
        (
            "townships",
            (
                *("county_code", "county_name", "township_code", "township_name"),
                *("kind", "valid_from_year", "valid_to_year"),
            ),
            townships(listed),
        ),
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, columns, rows in tables:
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)


if __name__ == "__main__":
    write_regions(Path(sys.argv[2]), int(sys.argv[1]))
