"""Small real homes for tests: files that units hand in, the steps of a night, what was published.

A test writes the rows it is about; :func:`complete` gives every other cell that a form asks for
an answer that changes nothing. Files are real, with the time of receipt as their modification
time, and go through the real steps. Great Expectations takes seconds to start, so that only the
tests about it use it; everywhere else :class:`ByHand` takes its place, with exact fractions.
"""

from __future__ import annotations

import csv
import io
import json
import operator
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, cast

import duckdb
import pytest
import xlsxwriter

from expectations.clauses import Clause, Plan
from expectations.definitions import Definitions
from expectations.engine import Broken, Engine, Expectation
from flows import steps
from flows.language import speak
from flows.run import FORK_SERVER_AHEAD, Run, definitions_of
from flows.settings import Settings, load_settings
from flows.sources.model import Pulled
from transforms.forms import FORMS, Form, Kind
from transforms.forms import PACKAGED as PACKAGED_FORMS
from transforms.texts import Text
from warehouse.archive import Receipt
from warehouse.indicators.definitions import Catalogue
from warehouse.ledger.ingest import Ingested
from warehouse.publication.filling import Imprint
from warehouse.publication.release import DATABASE
from warehouse.publication.tables import OF_THE_MOMENT, TABLES
from warehouse.report import printing
from warehouse.workers.pool import ForkServer

Row = Mapping[str, object]

#: Well before any deadline of 2020, in UTC.
RECEIVED = "2020-09-15 02:00:00"
_EPOCH = datetime(1970, 1, 1)


def english(texts: Iterable[Text]) -> tuple[str, ...]:
    """What people are told, in English; that it is told in Chinese too is seen to."""
    told = tuple(texts)
    # What a library says has no more Chinese about it than the colon behind its place.
    assert [text for text in told if not re.search("[一-鿿：]", text.zh)] == []
    assert [text for text in told if "Text(" in text.zh + text.en] == []
    return tuple(text.en for text in told)


def complete(form: Form, row: Row, number: int) -> dict[str, object]:
    """``row`` with an answer for every other column that must be given; ``number`` is its place.

    Numbers become 0, questions 否, codes and names differ from row to row; a kindergarten is
    private unless the row says otherwise, and inclusive where it is public.
    """
    neutral: dict[Kind, object] = {
        Kind.TEXT: f"名称{number}",
        Kind.CODE: f"21210{number:05d}",
        Kind.INT: 0,
        Kind.NUMBER: 0,
        Kind.BOOL: False,
        Kind.GRADE: 1,
    }
    filled: dict[str, object] = {
        column.name: column.choices[0] if column.kind == Kind.CHOICE else neutral[column.kind]
        for column in form.columns
        if column.required
    }
    if form.name == "kindergarten":
        filled["institution_code"] = f"11210{number:05d}"
        filled["ownership"] = "民办"
        filled["licensed"] = True
        filled["inclusive"] = row.get("ownership") == "公办"
    unknown = set(row) - {column.name for column in form.columns}
    assert not unknown, f"{form.name} has no column {unknown}"
    return {**filled, **row}


def cell(value: object) -> str:
    """A value as a clerk types it; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    return str(value)


def grid(form: Form, rows: Sequence[Row], years: Sequence[int] | None = None) -> list[list[str]]:
    """A sheet of ``form``: its header and the completed ``rows``, with a column 年份 for ``years``."""
    lines = [[column.titled for column in form.columns]]
    for number, row in enumerate(rows, start=1):
        filled = complete(form, row, number)
        lines.append([cell(filled.get(column.name)) for column in form.columns])
    if years is not None:
        lines = [["年份", *lines[0]]] + [
            [str(year), *line] for year, line in zip(years, lines[1:], strict=True)
        ]
    return lines


def csv_bytes(form: str, rows: Sequence[Row], years: Sequence[int] | None = None) -> bytes:
    """A CSV file of one form."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(grid(FORMS[form], rows, years))
    return buffer.getvalue().encode()


def book_bytes(years: Mapping[int, Mapping[str, Sequence[Row]]]) -> bytes:
    """A workbook of several forms, a sheet for each, for the years that the column 年份 names."""
    by_form: dict[str, list[tuple[int, Row]]] = {}
    for year, forms in years.items():
        for form, rows in forms.items():
            by_form.setdefault(form, []).extend((year, row) for row in rows)
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        for form, dated in by_form.items():
            sheet = book.add_worksheet(FORMS[form].zh)
            numbers = numbered([year for year, _ in dated])
            lines = [["年份", *(column.titled for column in FORMS[form].columns)]]
            for (year, row), number in zip(dated, numbers, strict=True):
                filled = complete(FORMS[form], row, number)
                lines.append([str(year), *(cell(filled.get(c.name)) for c in FORMS[form].columns)])
            for place, line in enumerate(lines):
                for column, text in enumerate(line):
                    if text:
                        sheet.write_string(place, column, text)
    return buffer.getvalue()


def numbered(groups: Iterable[object]) -> list[int]:
    """The place of each item within its group, from 1."""
    seen: dict[object, int] = {}
    places = []
    for group in groups:
        seen[group] = seen.get(group, 0) + 1
        places.append(seen[group])
    return places


def own_threshold(clause: Clause, region: str, year: int) -> tuple[Fraction, bool]:
    """What a clause asks of a region in a year, and whether that is an interim value of that year."""
    for place in (region, None):
        for when in (year, None):
            for target in clause.targets:
                if (target.region_code, target.year) == (place, when):
                    return Fraction(target.threshold), when is not None
    return Fraction(clause.threshold or 0), False


class ByHand:
    """What the suites have to find, worked out with exact fractions and without their SQL."""

    def begin_docs(self, folder: Path) -> Callable[[], None]:
        """There are none."""
        return lambda: None

    def __init__(self, plan: Plan, catalogue: Catalogue) -> None:
        self._clauses = {clause.clause_id: clause for clause in plan.clauses}
        self._scales = {i.indicator_id: i.scale for i in catalogue.indicators}

    def run(
        self,
        database: Path,
        table: str,
        suites: Mapping[str, Sequence[Expectation]],
    ) -> dict[str, Broken]:
        """The regions and years that miss their threshold (``reached``) or their line (``pace``)."""
        broken: dict[str, Broken] = {
            suite: {expectation.name: [] for expectation in expectations}
            for suite, expectations in suites.items()
        }
        with duckdb.connect(str(database), read_only=True) as connection:
            found = connection.execute(
                "SELECT clause_id, region_code, year, reading, numerator, denominator, "
                "previous_numerator, previous_denominator, first_year, first_numerator, "
                f"first_denominator FROM {table}"
            ).fetchall()
        for clause_id, region, year, reading, n, d, n0, d0, first_year, n1, d1 in found:
            clause = self._clauses[clause_id]
            scale = self._scales[clause.indicator_id]
            value = scale * Fraction(n, d)
            own, interim = own_threshold(clause, region, year)
            threshold = scale * Fraction(n0, d0) if clause.kind == "never_falls" else own
            better = operator.le if clause.comparator == "<=" else operator.ge
            row = {"region_code": region, "year": year, "reading": reading}
            if not better(value, threshold):
                broken["reached"][clause_id].append(row)
            due = clause.due_year if clause.kind == "level" and not interim else None
            if due is not None and first_year < year < due:
                start = scale * Fraction(n1, d1)
                way = Fraction(year - first_year, due - first_year)
                if not better(value, start + (threshold - start) * way):
                    broken["pace"][clause_id].append(row)
        return broken

    def close(self) -> None:
        """Nothing was started."""


class InDuckDB:
    """The suites asked of DuckDB itself, without Great Expectations; ``anew`` are the rules that were asked again."""

    def __init__(self) -> None:
        self.anew: set[str] = set()

    def run(
        self,
        database: Path,
        table: str,
        suites: Mapping[str, Sequence[Expectation]],
    ) -> dict[str, Broken]:
        with duckdb.connect(str(database), read_only=True) as connection:
            self.anew = {
                rule
                for ones in suites.values()
                for one in ones
                for rule in re.findall(r"'([A-Z]+-W\d\d)' AS rule_id", one.query)
            }
            return {
                name: {one.name: self._rows(connection, one.query) for one in ones}
                for name, ones in suites.items()
            }

    def close(self) -> None:
        """Nothing was started."""

    @staticmethod
    def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
        (packed,) = connection.execute(
            f"SELECT to_json(list(broken))::VARCHAR FROM ({query}) AS broken"
        ).fetchall()[0]
        return cast(list[dict[str, Any]], json.loads(packed or "[]"))


@contextmanager
def without_pages() -> Iterator[None]:
    """Leave out the pages of the report: they take longer than all the rest of a night."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.steps.write_pages", lambda *_: None)
        yield


@dataclass(frozen=True)
class Night:
    """What one night did; ``imprint`` is None where it published nothing new."""

    pulled: Pulled
    read: list[Receipt]
    loaded: Ingested
    imprint: Imprint | None
    returned: list[Path]


class _ButForWarnings(steps.Doing):
    """All steps but the one that takes Great Expectations."""

    def do(self, name: str, step: Callable[[Run], Any], run: Run) -> Any:
        return steps.check_decisions(run) if name == "check" else step(run)


def rows_of_publication(
    connection: duckdb.DuckDBPyConnection, catalog: str = ""
) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a publication but of the tables that name publications; ``catalog`` is what it is attached as."""
    return {
        table.name: connection.execute(
            f"FROM {catalog and f'{catalog}.'}{table.name} ORDER BY ALL"
        ).fetchall()
        for table in TABLES
        if table.name not in OF_THE_MOMENT
    }


class Home:
    """One JZEDU_HOME: what units hand in, the nights run over it, what is published."""

    def __init__(self, root: Path, **settings: object) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.settings = Settings.model_validate({"home": root, "workers": 2, **settings})

    @classmethod
    def of_folder(cls, root: Path) -> Home:
        """The home in ``root``, with the settings that stand there."""
        home = cls(root)
        home.settings = load_settings(root).model_copy(update={"workers": 2})
        return home

    @contextmanager
    def defined(self) -> Iterator[Definitions]:
        """The definitions of the home, in use within the block."""
        definitions = definitions_of(self.settings)
        with definitions.in_use():
            yield definitions

    def deliver(self, path: str, content: bytes, received: str = RECEIVED) -> Path:
        """Put a file into the inbox, last modified at ``received`` (UTC)."""
        file = self.settings.inbox / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self.touch(file, received)
        return file

    @staticmethod
    def touch(file: Path, received: str) -> None:
        """Set the modification time of ``file``, in UTC and to the microsecond."""
        stamp = (datetime.fromisoformat(received) - _EPOCH) // timedelta(microseconds=1) * 1000
        os.utime(file, ns=(stamp, stamp))

    def sheet(
        self,
        unit: str,
        form: str,
        year: int,
        rows: Sequence[Row],
        *,
        received: str = RECEIVED,
        name: str | None = None,
    ) -> Path:
        """Hand in one form of one unit for one year, as a CSV file."""
        path = f"{unit}/{name or f'{FORMS[form].zh}{year}年.csv'}"
        return self.deliver(path, csv_bytes(form, rows), received)

    def book(
        self,
        unit: str,
        years: Mapping[int, Mapping[str, Sequence[Row]]],
        *,
        received: str = RECEIVED,
        name: str = "报送.xlsx",
    ) -> Path:
        """Hand in several forms and years of one unit, as one workbook."""
        return self.deliver(f"{unit}/{name}", book_bytes(years), received)

    def define(self, path: str, text: str) -> Path:
        """A definition of its own, below ``definitions/``."""
        file = self.root / "definitions" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    def define_form(self, name: str, old: str, new: str) -> None:
        """A packaged form anew, with ``new`` instead of ``old`` in its record."""
        text = (PACKAGED_FORMS / f"{name}.yaml").read_text("utf-8")
        assert old in text
        self.define(f"forms/{name}.yaml", text.replace(old, new))

    def regions(
        self,
        rows: Iterable[tuple[str, str, str, str]],
        townships: Iterable[tuple[str, str, str, int | None, int | None]] = (),
    ) -> None:
        """A region list of its own.

        ``rows``: code, level, parent code, kind. ``townships``: unit, name, kind, first and last
        year.
        """
        folder = self.root / "reference"
        folder.mkdir(exist_ok=True)
        with (folder / "regions.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow(["region_code", "region_name", "aliases", "level", "parent_code", "kind"])
            out.writerows([code, f"区{code}", "", *rest] for code, *rest in rows)
        with (folder / "townships.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow(
                [
                    "county_code",
                    "county_name",
                    "township_code",
                    "township_name",
                    "kind",
                    "valid_from_year",
                    "valid_to_year",
                ]
            )
            out.writerows(
                [unit, f"区{unit}", f"{unit}{number:03d}", name, kind, first, last]
                for number, (unit, name, kind, first, last) in enumerate(townships, start=101)
            )

    @contextmanager
    def computed(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The warehouse after pulling, loading and computing; nothing is judged or published."""
        with Run.open(self.settings) as run:
            steps.pull_inbox(run)
            steps.load_deliveries(run, steps.unread(run), lambda: None)
            steps.check_decisions(run)
            steps.compute_indicators(run)
            yield run.connection

    def load(self, *portions: Iterable[tuple[str, bytes, str]]) -> None:
        """Pull and load, and leave it at that; ``portions`` are delivered one after the other."""
        with Run.open(self.settings) as run:
            for portion in portions or ((),):
                for path, content, received in portion:
                    self.deliver(path, content, received)
                steps.pull_inbox(run)
                steps.load_deliveries(run, steps.unread(run), lambda: None)

    def night(self, engine: Callable[[], Engine] | None = None, *, report: bool = False) -> Night:
        """Every step of a night; judged by hand unless another engine is given.

        Pages are written only on request: they take longer than all the rest together.
        """
        with ExitStack() as stack:
            if not report:
                stack.enter_context(without_pages())
            run = stack.enter_context(Run.open(self.settings))
            made = engine() if engine is not None else ByHand(run.plan, run.catalogue)
            run.engine = cast(Engine, made)
            pulled = steps.pull_inbox(run)
            read = steps.unread(run)
            loaded = steps.load_deliveries(run, read, lambda: None)
            sheets, imprint = self.finish(run)
            return Night(pulled, read, loaded, imprint, sheets)

    @staticmethod
    def finish(run: Run) -> tuple[list[Path], Imprint | None]:
        """What a night does once all is loaded, but for the warnings, which take Great Expectations."""
        return steps.finish(run, _ButForWarnings())

    @property
    def publication(self) -> Path:
        """The published DuckDB file."""
        return self.settings.published / DATABASE

    def ask(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows out of the publication."""
        with duckdb.connect(str(self.publication), read_only=True) as connection:
            return connection.execute(query, list(parameters)).fetchall()

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every published row of every table, but for those that name publications."""
        with duckdb.connect(str(self.publication), read_only=True) as connection:
            return rows_of_publication(connection)

    def status(self, clause: str, region: str, year: int) -> str:
        """The published verdict."""
        ((status,),) = self.ask(
            "SELECT status FROM attainment WHERE (clause_id, region_code, year) = (?, ?, ?)",
            clause,
            region,
            year,
        )
        return str(status)

    def value(self, indicator: str, region: str, year: int) -> tuple[Any, ...]:
        """The published numerator, denominator and value."""
        (found,) = self.ask(
            "SELECT numerator, denominator, value FROM indicator_value "
            "WHERE (indicator_id, region_code, year) = (?, ?, ?)",
            indicator,
            region,
            year,
        )
        return found


#: What takes long, the longest first; all else is short.
LONG = (
    "tests/test_contributing.py",
    "tests/flows/service",
    "tests/warehouse/publication/test_readers.py",
    "tests/flows",
    "tests/warehouse",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no worker is alone with it in the end."""
    items.sort(
        key=lambda item: next(
            (place for place, begin in enumerate(LONG) if item.nodeid.startswith(begin)), len(LONG)
        )
    )


class MakeHome(Protocol):
    """A further home; keyword arguments are settings."""

    def __call__(self, **settings: object) -> Home: ...


class AsCsv(Protocol):
    """:func:`csv_bytes`."""

    def __call__(
        self, form: str, rows: Sequence[Row], years: Sequence[int] | None = None
    ) -> bytes: ...


class AsBook(Protocol):
    """:func:`book_bytes`."""

    def __call__(self, years: Mapping[int, Mapping[str, Sequence[Row]]]) -> bytes: ...


@contextmanager
def one_thread_for_duckdb() -> Iterator[None]:
    """Have DuckDB use one thread in this process: a second one costs a few rows a third more time."""
    connect = duckdb.connect

    def with_one_thread(
        database: str = ":memory:",
        read_only: bool = False,
        config: Mapping[str, Any] | None = None,
    ) -> duckdb.DuckDBPyConnection:
        return connect(database, read_only=read_only, config={"threads": 1, **(config or {})})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duckdb, "connect", with_one_thread)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread_for_duckdb_here() -> Iterator[None]:
    """Have all tests of this process use one thread."""
    with one_thread_for_duckdb():
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_printed() -> Iterator[tuple[str, ...]]:
    """Let no night start a browser; gives the names of those that print, for tests about that."""
    names = printing.NAMES
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(printing, "NAMES", ())
        yield names


@pytest.fixture(scope="session", autouse=True)
def one_fork_server() -> Iterator[ForkServer]:
    """One fork_server of workers for all runs in this process: it takes a second to import."""
    with ForkServer() as fork_server:
        FORK_SERVER_AHEAD.set(fork_server)
        yield fork_server


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin each test in the language of the locale and at no terminal's width, whatever ran before in this process."""
    monkeypatch.delenv("COLUMNS", raising=False)
    speak(None)
    yield
    speak(None)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home of Jinzhou's ten units."""
    return Home(tmp_path / "home")


@pytest.fixture(scope="session")
def make_home(tmp_path_factory: pytest.TempPathFactory) -> MakeHome:
    """Further homes, for fixtures that many tests share; keyword arguments are settings."""

    def make(**settings: object) -> Home:
        return Home(tmp_path_factory.mktemp("home") / "home", **settings)

    return make


@pytest.fixture(scope="session")
def as_csv() -> AsCsv:
    """:func:`csv_bytes`."""
    return csv_bytes


@pytest.fixture(scope="session")
def as_book() -> AsBook:
    """:func:`book_bytes`."""
    return book_bytes


@pytest.fixture(scope="session")
def by_hand() -> type[ByHand]:
    """:class:`ByHand`."""
    return ByHand


@pytest.fixture(scope="session")
def utc() -> Callable[[str], datetime]:
    """A time as the pipeline keeps it: UTC, without a zone."""
    return lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC).replace(tzinfo=None)
