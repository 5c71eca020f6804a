"""Trying indicators out before anything runs: do their expressions run, do their examples give what they say.

Both are done in an empty warehouse in memory, with the tables of the forms in use.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import duckdb

from transforms.forms import FORMS, Form, Kind
from transforms.forms.model import DUCKDB_TYPES
from transforms.texts import Text, same
from warehouse.indicators.compute import compute, source_name
from warehouse.indicators.definitions import Catalogue, Example, Indicator, record_named
from warehouse.ledger.schema import prepare, refresh
from warehouse.reference import Reference
from warehouse.sql import literal

#: The townships of the unit of an example.
TOWNSHIPS = ("甲镇", "乙乡")
_RECEIVED = datetime(2020, 9, 15)


@contextmanager
def empty_warehouse(reference: Reference) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a warehouse in memory with the tables and views of the forms in use, and no row in them."""
    with duckdb.connect(":memory:") as connection:
        # Nothing is to be found in it, only whether a query could be run.
        connection.execute("SET threads = 1; PRAGMA disable_optimizer")
        prepare(connection, reference)
        connection.execute("CREATE TEMP TABLE calendar AS SELECT 2020::INTEGER AS year")
        yield connection


def queries_that_fail(
    connection: duckdb.DuckDBPyConnection, queries: Mapping[str, str]
) -> Iterator[Text]:
    """Yield a sentence on each of ``queries`` that does not run; they are told by their names."""
    for name, query in queries.items():
        if (problem := _problem(connection, [f"SELECT * FROM ({query}) LIMIT 0"])) is not None:
            yield same(problem).at(name)


def expressions_that_fail(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    indicators: Iterable[Indicator],
    views: Collection[str],
) -> Iterator[Text]:
    """Yield a sentence on each of ``views``, and each expression of ``indicators``, that does not run.

    ``connection`` is to an :func:`empty_warehouse`.
    """
    wanted = list(indicators)
    needed = {source for one in wanted for _, source, _ in _expressions(one)}
    broken = set()
    for view in catalogue.views:
        if view.name not in views and view.name not in needed:
            continue
        about = (
            f"SELECT region_code, year FROM ({view.sql}) LIMIT 0",
            f"CREATE TEMP VIEW {view.name} AS {view.sql}",
        )
        if (problem := _problem(connection, about)) is not None:
            broken.add(view.name)
            yield same(problem).at(record_named("view", view.name).further("sql"))
    told = set()
    for indicator in wanted:
        for field, source, query in _expressions(indicator):
            # A share is three queries over one test.
            if source in broken or (indicator.indicator_id, field) in told:
                continue
            if (problem := _problem(connection, [query])) is not None:
                told.add((indicator.indicator_id, field))
                name = record_named("indicator", indicator.indicator_id)
                yield same(problem).at(name.further(field))


def _problem(connection: duckdb.DuckDBPyConnection, queries: Iterable[str]) -> str | None:
    """Return why one of ``queries`` cannot be run, in one sentence; None where all can."""
    try:
        for query in queries:
            connection.execute(query)
    except duckdb.Error as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        told = [line for line in lines if not line.startswith(("LINE", "^"))]
        return " ".join(told).replace("Binder Error: ", "").replace("Catalog Error: ", "")
    return None


def _expressions(indicator: Indicator) -> Iterator[tuple[str, str, str]]:
    """Yield field, source and a query for everything in an indicator that is SQL."""
    names = {"top": "numerator", "bottom": "denominator", "asked": "asked", "divisor": "divide_by"}
    for name, part in indicator.parts.items():
        field = "share" if indicator.share is not None else names[name]
        source = source_name(part.source)
        query = f"SELECT ({part.value})::DECIMAL(38,6) FROM {source} WHERE {part.rows} LIMIT 0"
        yield field, part.source, query
    if indicator.requires is not None:
        source = indicator.top.source
        yield (
            "requires",
            source,
            f"SELECT 1 FROM {source_name(source)} WHERE {indicator.requires} LIMIT 0",
        )
    if (causes := indicator.causes) is not None:
        told = f"{causes.code}, {causes.name}, {causes.detail}, {causes.detail_en}, {causes.value}"
        origin = ', submission_id, sheet, "row"' if causes.each else ""
        query = (
            f"SELECT {told}{origin} FROM {source_name(causes.source)} WHERE {causes.rows} LIMIT 0"
        )
        yield "causes", causes.source, query


def examples_that_fail(catalogue: Catalogue, indicators: Iterable[Indicator]) -> Iterator[Text]:
    """Yield a sentence on each example of ``indicators`` that does not give what it says.

    Each example is a city of its own with one unit, whose rows are all that is there; it has the townships
    甲镇 and 乙乡. What a row does not say and the form asks for is 0, 否, the first choice.
    """
    cases = [(one, n, example) for one in indicators for n, example in enumerate(one.examples, 1)]
    if not cases:
        return
    reference = _reference(catalogue, [indicator for indicator, _, _ in cases])
    with duckdb.connect(":memory:") as connection:
        prepare(connection, reference)
        for number, (indicator, place, example) in enumerate(cases):
            problem = _hand_in(connection, number, example)
            if problem is not None:
                yield problem.at(_example_named(indicator, place))
                return
        first = min(example.year - max(example.earlier, default=0) for _, _, example in cases)
        ids = dict.fromkeys(indicator.indicator_id for indicator, _, _ in cases)
        refresh(connection)
        compute(connection, catalogue, reference, ids, (), first)
        for number, (indicator, place, example) in enumerate(cases):
            found = connection.execute(
                "SELECT numerator, denominator, asked FROM indicator_value WHERE (indicator_id,"
                f" region_code, year) = ({literal(indicator.indicator_id)}, {literal(_city(number))}, {example.year})"
            ).fetchone()
            said = (example.numerator, example.denominator, example.asked)
            if found is None or not all(map(_equal, found, said)):
                gave, meant = _figures(found or ()), _figures(said)
                yield Text(
                    f"算出 {gave.zh}，写的是 {meant.zh}（分子 / 分母 / 应答数）；请改正其一",
                    f"it gives {gave.en}, and says {meant.en} (numerator / denominator / asked); correct"
                    " one of them",
                ).at(_example_named(indicator, place))


def _example_named(indicator: Indicator, place: int) -> Text:
    name = record_named("indicator", indicator.indicator_id)
    return Text(f"{name.zh}，第{place}个例子", f"{name.en}, example {place}")


def _figures(parts: Iterable[object]) -> Text:
    """Return the parts of an example as they are shown beside each other."""
    shown = list(parts)
    return Text(
        " / ".join("无" if one is None else str(one) for one in shown),
        " / ".join("nothing" if one is None else str(one) for one in shown),
    )


def _equal(found: object, said: object) -> bool:
    if found is None or said is None:
        return found is None and said is None
    return float(str(found)) == float(str(said))


def _city(number: int) -> str:
    return f"{1000 + number}00"


def _unit(number: int) -> str:
    return f"{1000 + number}01"


def _reference(catalogue: Catalogue, indicators: Iterable[Indicator]) -> Reference:
    regions: list[tuple[str | None, ...]] = []
    townships: list[tuple[object, ...]] = []
    for number, indicator in enumerate(indicators):
        kinds = indicator.reporters or catalogue.scope_of(indicator).kinds or ("县",)
        city, unit = _city(number), _unit(number)
        regions += [(city, city, "", "city", None, "地级市")]
        regions += [(unit, unit, "", "reporting_unit", city, kinds[0])]
        townships += [
            (unit, unit, f"{unit}{i}", name, name[-1], None, None)
            for i, name in enumerate(TOWNSHIPS)
        ]
    return Reference.of_rows(regions, townships)


def _hand_in(connection: duckdb.DuckDBPyConnection, number: int, example: Example) -> Text | None:
    """Put the rows of an example into the warehouse as accepted; give why that cannot be done."""
    for before, given in {0: example.given, **example.earlier}.items():
        for name, rows in given.items():
            form = FORMS.get(name)
            if form is None:
                return Text(f"没有报表 {name}", f"there is no form {name}")
            submission = f"{number}-{name}-{before}"
            connection.execute(
                "INSERT INTO submission (submission_id, region_code, form, year, sha256, received_at,"
                f" accepted) VALUES ({literal(submission)}, {literal(_unit(number))}, {literal(name)},"
                f" {example.year - before}, {literal(submission)}, {literal(_RECEIVED)}, true)"
            )
            for place, row in enumerate(rows, start=1):
                unknown = sorted(set(row) - set(form.by_name))
                if unknown:
                    return Text(
                        f"报表 {name} 没有 {'、'.join(unknown)} 列",
                        f"the form {name} has no column {', '.join(unknown)}",
                    )
                cells = {**_neutral(form, row, place), **row}
                values = [
                    f"{literal(_text(value))}::{DUCKDB_TYPES[form.by_name[column].kind]}"
                    for column, value in cells.items()
                ]
                names = ", ".join(f'"{column}"' for column in cells)
                query = (
                    f'INSERT INTO submitted."{name}" (submission_id, region_code, year, sheet, "row",'
                    f" {names}) VALUES ({literal(submission)}, {literal(_unit(number))},"
                    f" {example.year - before}, 'example', {place}, {', '.join(values)})"
                )
                if (problem := _problem(connection, [query])) is not None:
                    return same(problem)
    return None


def _text(value: object) -> object:
    """Return a cell as text that DuckDB casts to the type of its column."""
    return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)


def _neutral(form: Form, row: Mapping[str, object], place: int) -> dict[str, object]:
    """Return an answer for every cell that must be given and that an example leaves out."""
    of_kind: dict[Kind, object] = {
        Kind.TEXT: f"名称{place}",
        Kind.CODE: f"21210{place:05d}",
        Kind.INT: 0,
        Kind.NUMBER: 0,
        Kind.BOOL: False,
        Kind.GRADE: 1,
        Kind.TIME: "08:00:00",
        Kind.DATE: "2020-09-01",
    }
    return {
        column.name: column.choices[0] if column.choices else of_kind[column.kind]
        for column in form.columns
        if column.required and column.name not in row
    }
