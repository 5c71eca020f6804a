"""Regions and townships: the project's own copy, or the one a user put into JZEDU_HOME.

Columns are those of reference/regions.csv and townships.csv. A region list for another city or
province is data: its units hand in the forms of a county-level unit.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

import transforms
from transforms.forms import FORMS

PACKAGED = Path(transforms.__file__).parent / "reference"

#: Where a form is not expected of every unit (docs/contract.md, *Expected forms*), for the city of the plan.
NOT_EXPECTED: dict[str, dict[str, frozenset[str]]] = {
    "210700": {
        "population": frozenset({"210701"}),
        "salary": frozenset({"210701"}),
        "finance": frozenset({"210701"}),
        "vocational": frozenset({"210702", "210703", "210711", "210791", "210792"}),
    }
}
_TOWNSHIP_KINDS = ("镇", "乡", "民族乡")


class ReferenceError(Exception):
    """A region or township list cannot be used; the message says what is wrong in it."""


@dataclass(frozen=True)
class Reference:
    """The regions, their townships and where their boundaries stand."""

    folder: Path
    regions: pl.DataFrame
    townships: pl.DataFrame

    @cached_property
    def units(self) -> pl.DataFrame:
        """The reporting units, in the order of the list."""
        return self.regions.filter(pl.col("level") == "reporting_unit")

    @cached_property
    def unit_by_folder(self) -> dict[str, str]:
        """Region codes by every folder name that stands for them: code, name or alias."""
        names: dict[str, str] = {}
        for code, name, aliases in self.units.select(
            "region_code", "region_name", "aliases"
        ).iter_rows():
            for word in (code, name, *(aliases or "").split("|")):
                if word.strip():
                    other = names.setdefault(folder_key(word), code)
                    if other != code:
                        raise ReferenceError(
                            f"{self.folder / 'regions.csv'}: {word} stands for {other} and {code}"
                        )
        return names

    def unit_of(self, folder: str) -> str | None:
        """Return the region code of an inbox folder, or None for a folder of no known unit."""
        return self.unit_by_folder.get(folder_key(folder))

    def unit_named(self, words: str) -> str | None:
        """Return the region code of the unit that words such as 义县教育局 speak of.

        None where they name no unit, or several.
        """
        key = folder_key(words)
        named = {
            code for name, code in self.unit_by_folder.items() if name in key and not name.isdigit()
        }
        return self.unit_of(words) or (named.pop() if len(named) == 1 else None)

    @cached_property
    def expected(self) -> pl.DataFrame:
        """region_code, form: every form that is expected of a unit."""
        rows = [
            (code, form)
            for code, parent in self.units.select("region_code", "parent_code").iter_rows()
            for form in FORMS
            if code not in NOT_EXPECTED.get(parent, {}).get(form, ())
        ]
        return pl.DataFrame(
            rows, schema={"region_code": pl.String(), "form": pl.String()}, orient="row"
        )

    @cached_property
    def members(self) -> pl.DataFrame:
        """region_code, unit, direct: for every region above the units, the units it is made of.

        ``direct`` where the region is the one directly above the unit.
        """
        parents = dict(self.regions.select("region_code", "parent_code").iter_rows())
        rows = []
        for unit in self.units["region_code"]:
            above, direct = parents.get(unit), True
            while above:
                rows.append((above, unit, direct))
                above, direct = parents.get(above), False
        return pl.DataFrame(
            rows,
            schema={"region_code": pl.String(), "unit": pl.String(), "direct": pl.Boolean()},
            orient="row",
        )

    @cached_property
    def with_townships(self) -> frozenset[str]:
        """The units that have townships (镇, 乡, 民族乡) in any year of the list."""
        kinds = self.townships.filter(pl.col("kind").is_in(_TOWNSHIP_KINDS))
        return frozenset(kinds["county_code"].unique())


def folder_key(name: str) -> str:
    """Return a folder name as it is compared: NFKC, without white space."""
    return "".join(unicodedata.normalize("NFKC", name).split())


def load_reference(home: Path) -> Reference:
    """Return the reference lists: ``home/reference/`` where it has its own, else the packaged ones.

    A region list of one's own comes with its own townships; where these are not given, there are
    none.

    Raises:
        ReferenceError: a list lacks a column, a code stands twice, or a parent is not there.
    """
    own = home / "reference"
    folder = own if (own / "regions.csv").exists() else PACKAGED
    regions = _read(
        folder / "regions.csv",
        ("region_code", "region_name", "aliases", "level", "parent_code", "kind"),
        optional=("contact",),
    )
    columns = (
        "county_code",
        "county_name",
        "township_code",
        "township_name",
        "kind",
        "valid_from_year",
        "valid_to_year",
    )
    file = own / "townships.csv" if (own / "townships.csv").exists() else folder / "townships.csv"
    townships = (
        _read(file, columns)
        if file.exists()
        else pl.DataFrame(schema={name: pl.String() for name in columns})
    ).with_columns(pl.col("valid_from_year", "valid_to_year").cast(pl.Int64))
    codes = regions["region_code"]
    if codes.n_unique() != len(codes):
        raise ReferenceError(f"{folder / 'regions.csv'}: a region_code stands there twice")
    unknown = set(regions["parent_code"].drop_nulls()) - set(codes)
    if unknown:
        raise ReferenceError(
            f"{folder / 'regions.csv'}: parent_code {', '.join(sorted(unknown))} has no row"
        )
    if regions.filter(pl.col("level") == "reporting_unit").is_empty():
        raise ReferenceError(f"{folder / 'regions.csv'}: no row has the level reporting_unit")
    parents = dict(regions.select("region_code", "parent_code").iter_rows())
    for code in parents:
        above, seen = parents[code], {code}
        while above is not None:
            if above in seen:
                raise ReferenceError(
                    f"{folder / 'regions.csv'}: {code} is above itself; correct its parent_code"
                )
            seen.add(above)
            above = parents[above]
    reference = Reference(folder, regions, townships)
    # Whose folder is whose must be clear before the first file is read.
    _ = reference.unit_by_folder
    return reference


def _read(file: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()) -> pl.DataFrame:
    try:
        frame = pl.read_csv(file, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise ReferenceError(f"{file} cannot be read: {str(error).splitlines()[0]}") from None
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ReferenceError(f"{file}: the column {', '.join(missing)} is missing")
    blank = [pl.lit(None, pl.String).alias(name) for name in optional if name not in frame.columns]
    return frame.with_columns(blank).select(*columns, *optional)
