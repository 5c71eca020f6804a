"""Regions, townships, and of whom which form is expected: the project's own, or those of JZEDU_HOME.

Columns are those of reference/regions.csv, townships.csv and expected.csv. A region list for another city or
province is data: its units hand in the forms of a county-level unit. A region may be there for some years only
and have a successor.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import polars as pl

import transforms
from transforms.definitions import DefinitionError, at_line, csv_rows
from transforms.forms import FORMS
from transforms.forms.calendar import no_such_form
from transforms.texts import Text

PACKAGED = Path(transforms.__file__).parent / "reference"

_TOWNSHIP_KINDS = ("镇", "乡", "民族乡")


_REGIONS = ("region_code", "region_name", "aliases", "level", "parent_code", "kind")
#: What a list may leave out.
_OPTIONAL = ("region_name_en", "valid_from_year", "valid_to_year", "successor", "contact")
_TOWNSHIPS = (
    *("county_code", "county_name", "township_code", "township_name"),
    *("kind", "valid_from_year", "valid_to_year"),
)
#: Which form is expected of whom, in the package and in a home's definitions/.
EXPECTED = "expected.csv"
_EXPECTED = ("form", "kind", "region_code", "expected", "from_year", "to_year")


class ReferenceError(DefinitionError):
    """A region or township list cannot be used; the message says what is wrong in it."""


class ExpectedForm(NamedTuple):
    """A row of expected.csv: whether a form is expected of units of a kind, of one unit, or (neither) of all."""

    form: str
    kind: str | None
    region_code: str | None
    expected: bool
    from_year: int | None
    to_year: int | None


@dataclass(frozen=True)
class Reference:
    """The regions, their townships and where their boundaries stand.

    ``regions`` has also region_name_en, valid_from_year, valid_to_year, successor and contact, NULL where the
    list lacks them.
    ``expectations`` say of whom a form is expected, a later one before an earlier; of what they do not
    speak is expected.
    """

    folder: Path
    regions: pl.DataFrame
    townships: pl.DataFrame
    expectations: tuple[ExpectedForm, ...] = ()

    @classmethod
    def of_rows(
        cls, regions: Sequence[Sequence[object]], townships: Sequence[Sequence[object]]
    ) -> Self:
        """Return lists of rows, with the columns that a regions.csv and a townships.csv must have."""
        listed = pl.DataFrame(regions, schema=dict.fromkeys(_REGIONS, pl.String()), orient="row")
        schema = {name: pl.Int64() if "year" in name else pl.String() for name in _TOWNSHIPS}
        return cls(
            Path(), _with_optional(listed), pl.DataFrame(townships, schema=schema, orient="row")
        )

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
                        both = Text(
                            f"{word} 既指 {other} 又指 {code}；请改正其一",
                            f"{word} stands for {other} and {code}",
                        )
                        raise ReferenceError(both.at(self.folder / "regions.csv"))
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
        """region_code, form, from_year, to_year: in which years a form in use is expected of a unit.

        NULL is open; a unit that is not valid is expected to hand in nothing.
        """
        columns = ("region_code", "kind", "valid_from_year", "valid_to_year")
        by_form: dict[str, list[ExpectedForm]] = {}
        for one in self.expectations:
            by_form.setdefault(one.form, []).append(one)
        rows = [
            (code, form, first, last)
            for code, kind, begins, ends in self.units.select(columns).iter_rows()
            for form in FORMS
            for first, last in _spans(
                [
                    one
                    for one in by_form.get(form, ())
                    if one.kind in (None, kind) and one.region_code in (None, code)
                ],
                begins,
                ends,
            )
        ]
        return pl.DataFrame(
            rows,
            schema={
                "region_code": pl.String(),
                "form": pl.String(),
                "from_year": pl.Int64(),
                "to_year": pl.Int64(),
            },
            orient="row",
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
    def merged(self) -> dict[str, str]:
        """By each unit that was merged, the unit that it is part of now."""
        successor = dict(
            self.units.select("region_code", "successor")
            .filter(pl.col("successor").is_not_null())
            .iter_rows()
        )
        now = {}
        for unit in successor:
            here = unit
            while here in successor:
                here = successor[here]
            now[unit] = here
        return now

    @cached_property
    def township_crosswalk(self) -> pl.DataFrame:
        """township_code, township_name, county_code, kind, valid_from_year, valid_to_year, now_code, now_name, now_county_code.

        Each row is a township in the years of its name, with what it is part of now: by the successor that
        the list gives, else by the later name of its code. NULL where the list does not say.
        """
        told = ("township_code", "township_name", "county_code")
        by_code = _by_code(self.townships)
        rows = []
        for row in self.townships.iter_rows(named=True):
            now: dict[str, Any] | None = row
            while now is not None and (last := now["valid_to_year"]) is not None:
                heir = now.get("successor") or now["township_code"]
                now = _row_after(by_code, heir, last)
            rows.append(
                {
                    **{name: row[name] for name in (*told, "kind")},
                    **{name: row[name] for name in ("valid_from_year", "valid_to_year")},
                    **{f"now_{name.removeprefix('township_')}": now and now[name] for name in told},
                }
            )
        texts = (*told, "kind")
        schema: dict[str, pl.DataType] = {
            **{name: pl.String() for name in texts},
            **{name: pl.Int64() for name in ("valid_from_year", "valid_to_year")},
            **{name: pl.String() for name in ("now_code", "now_name", "now_county_code")},
        }
        return pl.DataFrame(rows, schema, orient="row")

    @cached_property
    def with_townships(self) -> frozenset[str]:
        """The units that have townships (镇, 乡, 民族乡) in any year of the list."""
        kinds = self.townships.filter(pl.col("kind").is_in(_TOWNSHIP_KINDS))
        return frozenset(kinds["county_code"].unique())


def folder_key(name: str) -> str:
    """Return a folder name as it is compared: NFKC, without white space."""
    return "".join(unicodedata.normalize("NFKC", name).split())


def _spans(
    rules: Sequence[ExpectedForm], begins: int | None, ends: int | None
) -> Iterator[tuple[int | None, int | None]]:
    """Yield from which until which year something is expected, of the last rule for each year.

    ``begins`` and ``ends`` are the first and last year of the unit. Where nothing changes in time there is
    one span, or none.
    """
    turns = {year for rule in rules if (year := rule.from_year) is not None}
    turns |= {rule.to_year + 1 for rule in rules if rule.to_year is not None}
    inside = [
        turn
        for turn in sorted(turns)
        if (begins is None or turn > begins) and (ends is None or turn <= ends)
    ]
    starts: list[int | None] = [begins, *inside]
    ending: list[int | None] = [*(turn - 1 for turn in inside), ends]
    for first, last in zip(starts, ending, strict=True):
        is_expected = True
        for rule in rules:
            # A span lies wholly inside or outside of the years of a rule; one of its years tells.
            after = rule.from_year is None or (first is not None and first >= rule.from_year)
            before = rule.to_year is None or (last is not None and last <= rule.to_year)
            if after and before:
                is_expected = rule.expected
        if is_expected:
            yield first, last


def load_reference(home: Path) -> Reference:
    """Return the reference lists: ``home/reference/`` where it has its own, else the packaged ones.

    A region list of one's own comes with its own townships; where these are not given, there are
    none. Of whom a form is expected stands in ``home/definitions/expected.csv``, over the packaged list.

    Raises:
        ReferenceError: a list lacks a column, a code stands twice, or a parent or successor is not there;
            all of it at once.
    """
    own = home / "reference"
    folder = own if (own / "regions.csv").exists() else PACKAGED
    list_file = folder / "regions.csv"
    try:
        regions = _with_optional(_read(list_file, _REGIONS, _OPTIONAL))
    except pl.exceptions.InvalidOperationError:
        years = Text(
            "valid_from_year 和 valid_to_year 应写年份，如 2021，或不写",
            "valid_from_year and valid_to_year are years such as 2021, or empty",
        )
        raise ReferenceError(years.at(list_file)) from None
    file = own / "townships.csv" if (own / "townships.csv").exists() else folder / "townships.csv"
    townships = (
        _read(file, _TOWNSHIPS, ("successor",))
        if file.exists()
        else pl.DataFrame(schema=dict.fromkeys(_TOWNSHIPS, pl.String()))
    ).with_columns(pl.col("valid_from_year", "valid_to_year").cast(pl.Int64))
    problems = [problem.at(list_file) for problem in _problems_of(regions)]
    problems += [problem.at(file) for problem in _problems_of_townships(townships)]
    expectations = [*_expectations(PACKAGED / EXPECTED, None, problems)]
    if (expected := home / "definitions" / EXPECTED).exists():
        expectations += _expectations(expected, regions, problems)
    if problems:
        raise ReferenceError(problems)
    reference = Reference(folder, regions, townships, tuple(expectations))
    # Whose folder is whose must be clear before the first file is read.
    _ = reference.unit_by_folder
    return reference


def _problems_of(regions: pl.DataFrame) -> Iterator[Text]:
    """Yield what is wrong in a region list."""
    codes = regions["region_code"]
    if codes.n_unique() != len(codes):
        yield Text(
            "有的 region_code 出现两次；每个地区须各有代码",
            "a region_code stands there twice; give each region its own",
        )
    for column in ("parent_code", "successor"):
        unknown = set(regions[column].drop_nulls()) - set(codes)
        if unknown:
            yield _no_row(column, *sorted(unknown))
    if regions.filter(pl.col("level") == "reporting_unit").is_empty():
        yield Text(
            "没有一行的 level 是 reporting_unit；请标明哪些是报送单位",
            "no row has the level reporting_unit; mark those that hand in",
        )
    for column, fault in (
        ("parent_code", Text("是它自己的上级", "is above itself")),
        ("successor", Text("是它自己的后继", "succeeds itself")),
    ):
        next_of = dict(regions.select("region_code", column).iter_rows())
        for code in next_of:
            here, seen = next_of[code], {code}
            while here is not None and here not in seen:
                seen.add(here)
                here = next_of.get(here)
            if here == code:
                yield Text(
                    f"{code} {fault.zh}；请改正它的 {column}",
                    f"{code} {fault.en}; correct its {column}",
                )
    lasting = regions.filter(pl.col("successor").is_not_null() & pl.col("valid_to_year").is_null())
    for code in lasting["region_code"]:
        yield _no_end(code)
    for code in regions.filter(pl.col("valid_to_year") < pl.col("valid_from_year"))["region_code"]:
        yield Text(
            f"{code} 的终止年份早于起始年份；请改正 valid_from_year 或 valid_to_year",
            f"{code} ends before it begins; correct valid_from_year or valid_to_year",
        )


def _no_row(column: str, *codes: str) -> Text:
    return Text(
        f"{column} {'、'.join(codes)} 没有对应的行；请补上那一行，或改正代码",
        f"{column} {', '.join(codes)} has no row; add it, or correct the code",
    )


def _no_end(code: str) -> Text:
    return Text(
        f"{code} 有后继而没有终止年份；请写上它的 valid_to_year",
        f"{code} has a successor and no end; give its valid_to_year",
    )


def _problems_of_townships(townships: pl.DataFrame) -> Iterator[Text]:
    """Yield what is wrong in a township list that says what became of its townships."""
    if "successor" not in townships.columns:
        return
    codes = _by_code(townships)
    for row in townships.filter(pl.col("successor").fill_null("") != "").iter_rows(named=True):
        code, successor, last = row["township_code"], row["successor"], row["valid_to_year"]
        if successor not in codes:
            yield _no_row("successor", successor)
        elif successor == code:
            yield Text(
                f"{code} 是它自己的后继；请改正它的 successor",
                f"{code} succeeds itself; correct its successor",
            )
        elif last is None:
            yield _no_end(code)
        elif _row_after(codes, successor, last) is None:
            yield Text(
                f"{code} 到 {last} 年为止，而后继 {successor} 在 {last + 1} 年没有行；请改正其一",
                f"{code} ends with {last}, and its successor {successor} is not there in {last + 1}",
            )


def _by_code(townships: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each township code, in the order of the list."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in townships.iter_rows(named=True):
        rows.setdefault(row["township_code"], []).append(row)
    return rows


def _row_after(
    by_code: Mapping[str, Sequence[dict[str, Any]]], code: str, last: int
) -> dict[str, Any] | None:
    """Return the row that has ``code`` in the year after ``last``."""
    year = last + 1
    for row in by_code.get(code, ()):
        first, end = row["valid_from_year"], row["valid_to_year"]
        if (first is None or first <= year) and (end is None or end >= year):
            return row
    return None


def _with_optional(regions: pl.DataFrame) -> pl.DataFrame:
    """Return a region list with all columns that it may have; what is not given is NULL."""
    lacking = [pl.lit(None, pl.String()).alias(c) for c in _OPTIONAL if c not in regions.columns]
    full = regions.with_columns(lacking).with_columns(
        pl.col(*_REGIONS, *_OPTIONAL).replace("", None)
    )
    years = pl.col("valid_from_year", "valid_to_year")
    return full.select(*_REGIONS, *_OPTIONAL).with_columns(years.cast(pl.Int64))


def _expectations(
    file: Path, regions: pl.DataFrame | None, problems: list[Text]
) -> Iterator[ExpectedForm]:
    """Yield the rows of an expected.csv; what is wrong in a home's goes to ``problems``.

    ``regions`` are those that a home's rows may speak of; the package's speak of its own.
    """
    try:
        rows = list(csv_rows(file, _EXPECTED))
    except DefinitionError as error:
        problems += error.problems
        return
    for line, row in rows:
        where = at_line(file, line).further(row["form"])
        if regions is not None:
            if row["form"] not in FORMS:
                problems.append(no_such_form(FORMS).at(where))
            for column in ("kind", "region_code"):
                if row[column] and row[column] not in regions[column].to_list():
                    unknown = Text(
                        f"regions.csv 中没有一行是 {row[column]}；请改正",
                        f"{row[column]} is in no row of regions.csv; correct it",
                    )
                    problems.append(unknown.at(where.further(column)))
        if row["expected"] not in ("0", "1"):
            problems.append(Text("请写 1 或 0", "write 1 or 0").at(where.further("expected")))
        years = []
        for column in ("from_year", "to_year"):
            if row[column] and not row[column].isdecimal():
                no_year = Text(
                    f"{row[column]!r} 不是年份；请写成 2021",
                    f"{row[column]!r} is no year; write it as 2021",
                )
                problems.append(no_year.at(where.further(column)))
            years.append(int(row[column]) if row[column].isdecimal() else None)
        yield ExpectedForm(
            row["form"],
            row["kind"] or None,
            row["region_code"] or None,
            row["expected"] != "0",
            *years,
        )


def _read(file: Path, columns: tuple[str, ...], further: tuple[str, ...] = ()) -> pl.DataFrame:
    try:
        frame = pl.read_csv(file, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        first = str(error).splitlines()[0]
        raise ReferenceError(
            Text(f"{file} 读不出来：{first}", f"{file} cannot be read: {first}")
        ) from None
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ReferenceError(
            Text(f"缺少 {'、'.join(missing)} 列", f"the column {', '.join(missing)} is missing").at(
                file
            )
        )
    return frame.select(*columns, *(name for name in further if name in frame.columns))
