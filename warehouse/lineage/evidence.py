"""What a figure rests on: the rows, sheets and cells of the submissions that one publication names.

The sources of the indicators (``current.<form>`` and the catalogue's views) are built anew over the
submissions in force in that publication, and the very expressions that the figure was computed
from are asked of them row by row: an aggregate over a single row is what that row contributes.
Which cells an expression speaks of is read off its parsed SQL, never off a second list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import time
from decimal import Decimal
from functools import cached_property
from typing import Any

import duckdb

from transforms.forms import FORMS, Form, Kind
from warehouse.indicators.compute import NUMERIC, name_of_institutions, source_name
from warehouse.indicators.definitions import Catalogue, Indicator, Part, Share
from warehouse.lineage.model import Cell, PartName, Range, Row, RowList, SheetUsed, SubmissionUsed
from warehouse.reference import Reference
from warehouse.sql import literal, table_from

#: So many rows of a part are listed unless more or fewer are asked for.
ROWS_LISTED = 20
#: Where a row of a source comes from, as far as the source says.
_PLACE = ("region_code", "institution_code", "institution_name", "submission_id", "sheet", "row")


class Evidence:
    """The sources of one indicator for one year, over the submissions of a publication.

    ``connection`` has the publication attached as ``published`` and the warehouse under the name
    ``warehouse``; the database in use is an empty one in memory. ``units`` are those whose
    submissions count. With ``year_before`` the submissions that the same figure of the year before
    rests on are laid beside them.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        warehouse: str,
        reference: Reference,
        catalogue: Catalogue,
        indicator: Indicator,
        year: int,
        units: Sequence[str],
        *,
        year_before: bool = False,
    ) -> None:
        self._connection = connection
        self._warehouse = f'"{warehouse}"'
        self._catalogue = catalogue
        self._indicator = indicator
        self._year = year
        self._years = (year, year - 1) if year_before else (year,)
        self.parts = self._parts_of(year)
        self.forms = forms_needed(catalogue, indicator)
        self._lay(reference, units)

    def _parts_of(self, year: int) -> dict[PartName, Part]:
        """Return the parts of the indicator, over the rows that its figure of ``year`` speaks of."""
        parts: dict[PartName, Part] = {"numerator": _of_year(self._indicator.top, year)}
        if self._indicator.bottom is not None:
            parts["denominator"] = _of_year(self._indicator.bottom, year)
        return parts

    def _lay(self, reference: Reference, units: Sequence[str]) -> None:
        """Make the sources: the forms as the publication has them, and the views over them."""
        table_from(self._connection, "TABLE township", reference.townships)
        needed = {
            pair
            for year in self._years
            for pair in reports_needed(self._catalogue, self._indicator, year)
        }
        pairs = ", ".join(f"({literal(form)}, {year})" for form, year in sorted(needed))
        years = ", ".join(f"({year})" for year in sorted({year for _, year in needed}))
        self._connection.execute(
            f"""
            CREATE TABLE calendar (year INTEGER);
            INSERT INTO calendar VALUES {years};
            CREATE TABLE entering AS
            SELECT s.* FROM published.submission s
            JOIN published.reporting r USING (region_code, form, year)
            WHERE s.status IN ('accepted', 'accepted_with_warnings') AND r.expected = 1
                AND (s.form, s.year) IN ({pairs})
                AND s.region_code IN ({literals(units)});
            CREATE SCHEMA current
            """
        )
        for form in self.forms:
            self._connection.execute(
                f'CREATE VIEW current."{form}" AS FROM {self._warehouse}.submitted."{form}" '
                "SEMI JOIN entering USING (submission_id)"
            )
        for view in self._catalogue.views:
            if set(view.forms) <= set(self.forms):
                # Without one of its forms a view would tell of townships or schools what nobody
                # has reported.
                self._connection.execute(
                    f"CREATE VIEW {view.name} AS SELECT * FROM ({view.sql})"
                    " WHERE (region_code, year) IN (SELECT (region_code, year) FROM entering"
                    f" WHERE form IN ({literals(view.forms)})"
                    f" GROUP BY region_code, year HAVING count(*) = {len(view.forms)})"
                )

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    def lost(self) -> int:
        """Return how many of the submissions the warehouse does not hold any more."""
        ((number,),) = self._rows(
            "SELECT count(*) FROM entering"
            f" ANTI JOIN {self._warehouse}.main.submission USING (submission_id)"
        )
        return int(number)

    def total(self, part: Part) -> Decimal:
        """Return what the rows give for ``part`` by today's definition; 0 where there is no such row."""
        ((value,),) = self._rows(
            f"SELECT coalesce(({part.value})::{NUMERIC}, 0) FROM {source_name(part.source)}"
            f" WHERE {part.rows}"
        )
        return Decimal(value)

    @cached_property
    def used(self) -> dict[str, list[str]]:
        """By form, the columns that the figure rests on, in the form's order."""
        used: dict[str, set[str]] = {form: set() for form in self.forms}
        for part in self.parts.values():
            forms = self._catalogue.forms_of(part.source)
            for column in self._columns_in(part.value, part.rows):
                # A view of two forms has the columns of the first, and what it makes of the second.
                form = next((form for form in forms if column in FORMS[form].by_name), None)
                if form is not None:
                    used[form].add(column)
            for view in self._catalogue.views:
                if view.name == part.source:
                    for form, column in _mentioned(self._parsed(view.sql), forms):
                        used[form].add(column)
        return {
            form: [column for column in FORMS[form].by_name if column in columns]
            for form, columns in used.items()
        }

    def _parsed(self, query: str) -> dict[str, Any]:
        """Return the syntax tree of a SELECT."""
        ((tree,),) = self._rows(f"SELECT json_serialize_sql({literal(query)})")
        node: dict[str, Any] = json.loads(tree)["statements"][0]["node"]
        return node

    def _columns_in(self, *expressions: str) -> list[str]:
        """Return the columns that SQL expressions name, in the order in which they do."""
        return _columns(self._parsed(f"SELECT {', '.join(expressions)}"))

    @cached_property
    def _layout(self) -> dict[tuple[str | None, str | None, str], tuple[str, str | None]]:
        """By submission, sheet and column: its letter, and the unit its amounts were written in."""
        return {
            (submission, sheet, column): (letter, unit)
            for submission, sheet, column, letter, unit in self._rows(
                "SELECT submission_id, sheet, column_name, letter, unit"
                f" FROM {self._warehouse}.main.submission_layout"
                " SEMI JOIN entering USING (submission_id)"
            )
        }

    def _letter(self, submission: str | None, sheet: str | None, column: str) -> str | None:
        return self._layout.get((submission, sheet, column), (None, None))[0]

    @cached_property
    def _file_names(self) -> dict[str, str]:
        return dict(self._rows("SELECT submission_id, file_name FROM entering"))

    def _columns_of(self, source: str) -> dict[str, str]:
        """Return the columns of a source, with their DuckDB types."""
        return {row[0]: row[1] for row in self._rows(f"DESCRIBE {source_name(source)}")}

    def submissions(self, names: Mapping[str, str]) -> tuple[SubmissionUsed, ...]:
        """Return the submissions that entered, with the cells that the figure rests on.

        The cells run from the first to the last row that enters a part; where none does (no public
        kindergarten), over all rows, so that one can see for oneself.
        """
        sheets: dict[str, list[tuple[str, int, int]]] = {}
        for submission_id, sheet, first, last in self._spans():
            sheets.setdefault(submission_id, []).append((sheet, first, last))
        return tuple(
            SubmissionUsed(
                submission_id=submission_id,
                region_code=region_code,
                region_name=names[region_code],
                form=form,
                form_zh=FORMS[form].zh,
                year=year,
                file_name=file_name,
                path=path,
                sha256=sha256,
                received_at=received_at,
                status=status,
                sheets=tuple(
                    SheetUsed(
                        sheet,
                        tuple(
                            self._range(submission_id, sheet, form, column, first, last)
                            for column in self.used[form]
                        ),
                    )
                    for sheet, first, last in sheets.get(submission_id, ())
                ),
            )
            for (
                submission_id,
                region_code,
                form,
                year,
                file_name,
                path,
                sha256,
                received_at,
                status,
            ) in self._rows(
                "SELECT e.submission_id, e.region_code, e.form, e.year, e.file_name, w.path, e.sha256,"
                " e.received_at, e.status FROM entering e"
                f" LEFT JOIN {self._warehouse}.main.submission w USING (submission_id)"
                " ORDER BY e.region_code, e.form, e.year DESC"
            )
        )

    def _spans(self) -> list[tuple[Any, ...]]:
        """Return submission, sheet, first and last row that enters a part; of all rows where none does."""
        causes = self._indicator.causes
        touched = [
            f'SELECT submission_id, sheet, "row" FROM {source_name(part.source)} WHERE {part.rows}'
            for year in self._years
            for part in self._parts_of(year).values()
            if "submission_id" in self._columns_of(part.source)
            # Where a row of the source is no submitted row, it is all of these that decide.
            and (causes is None or causes.each)
        ]
        submitted = [f'SELECT submission_id, sheet, "row" FROM current."{f}"' for f in self.forms]
        return self._rows(
            f"""
            WITH submitted AS ({" UNION ALL ".join(submitted)}),
            touched AS ({" UNION ALL ".join(touched) or "FROM submitted WHERE false"})
            SELECT submission_id, sheet, min("row"), max("row") FROM (
                FROM touched
                UNION ALL
                FROM submitted ANTI JOIN touched USING (submission_id)
            ) GROUP BY submission_id, sheet ORDER BY submission_id, sheet
            """
        )

    def _range(
        self, submission_id: str, sheet: str, form: str, column: str, first: int, last: int
    ) -> Range:
        letter, unit = self._layout.get((submission_id, sheet, column), (None, None))
        defined = FORMS[form].by_name[column]
        cells = f"{letter}{first}" if first == last else f"{letter}{first}:{letter}{last}"
        kept = defined.unit if unit else None
        return Range(column, defined.header, cells if letter else None, unit, kept)

    def row_lists(self, limit: int | None) -> Iterator[RowList]:
        """Yield the rows behind each part; of a share, those behind both in one list.

        At most ``limit`` rows of each. Without a limit :data:`ROWS_LISTED`, and beyond them every
        row that is counted one by one and ought not to be there: each large class, each kindergarten
        without a licence.
        """
        share = self._indicator.share
        if share is not None:
            of_year = f"({share.rows}) AND year = {self._year}"
            yield self._share_rows(share.model_copy(update={"rows": of_year}), limit)
            return
        for name, part in self.parts.items():
            # What a part only counts is shown by the cells it is chosen by.
            added_up = self._columns_in(part.value)
            ((total,),) = self._rows(
                f"SELECT count(*) FROM {source_name(part.source)} WHERE {part.rows}"
            )
            each = total if not added_up and self._indicator.better == "lower" else 0
            rows = self._first_rows(
                part.source,
                part.rows,
                {"contribution": f"({part.value})::{NUMERIC}", "counted": "NULL"},
                "contribution DESC NULLS LAST",
                added_up or self._columns_in(part.rows),
                max(ROWS_LISTED, each) if limit is None else limit,
            )
            yield RowList(name, part.zh, part.en or part.zh, total, None, None, rows)

    def _share_rows(self, share: Share, limit: int | None) -> RowList:
        """Return the rows of a share: what keeps it from its aim first, the worst of that first."""
        higher = self._indicator.better == "higher"
        ((counted, total, unanswered),) = self._rows(
            f"SELECT count(*) FILTER ({share.test}), count({share.test}),"
            f" count(*) FILTER (({share.test}) IS NULL)"
            f" FROM {source_name(share.source)} WHERE {share.rows}"
        )
        order = f"counted {'ASC' if higher else 'DESC'}"
        measure = "NULL"
        (test,) = self._parsed(f"SELECT {share.test}")["select_list"]
        if test["class"] == "COMPARISON":
            measure = " + ".join(f'any_value("{column}")' for column in _columns(test["left"]))
            # "At least" is missed by the smallest, "at most" by the largest.
            at_least = "GREATER" in test["type"]
            order += f", measure {'ASC' if at_least == higher else 'DESC'}"
        rows = self._first_rows(
            share.source,
            f"({share.rows}) AND ({share.test}) IS NOT NULL",
            {
                "contribution": f"any_value(({share.test})::INTEGER)::{NUMERIC}",
                "counted": f"any_value({share.test})",
                "measure": measure,
            },
            order,
            self._columns_in(share.test),
            max(ROWS_LISTED, 0 if higher else counted) if limit is None else limit,
        )
        return RowList(
            "share",
            share.denominator_zh,
            share.denominator_en or share.denominator_zh,
            total,
            counted,
            unanswered,
            rows,
        )

    def _first_rows(
        self,
        source: str,
        condition: str,
        values: Mapping[str, str],
        order: str,
        shown: Sequence[str],
        limit: int,
    ) -> tuple[Row, ...]:
        """Return the first ``limit`` rows of ``source`` that meet ``condition``.

        ``values`` are aggregates over a single row, ``contribution`` and ``counted`` among them, and
        ``order`` speaks of them; ``shown`` are the columns whose cells are named.
        """
        columns = self._columns_of(source)
        form = FORMS[self._catalogue.forms_of(source)[0]]
        cells = [name for name in shown if name in columns and name in form.by_name]
        cells = cells or [name for name in self.used[form.name] if name in columns]
        # What a row is called: the words that a view adds (a township), the key of the form.
        added = [
            name
            for name, kind in columns.items()
            if kind == "VARCHAR" and name not in (*_PLACE, *form.by_name)
        ]
        called = [*added, *(n for n in form.key if n in columns and n != "institution_code")]
        names = [n for n in dict.fromkeys((*_PLACE, *called, *cells)) if n in columns]
        selected = [f"{sql} AS {name}" for name, sql in values.items()]
        selected += [f'any_value("{name}") AS "{name}"' for name in names]
        by_name = ", ".join(f'"{name}"' for name in names)
        found = self._rows(
            f"SELECT * FROM (SELECT {', '.join(selected)} FROM ("
            f"SELECT *, row_number() OVER () AS place_in_source FROM {source_name(source)}"
            f" WHERE {condition}) GROUP BY place_in_source) ORDER BY {order}, {by_name}"
            f" LIMIT {limit}"
        )
        keys = (*values, *names)
        return tuple(
            self._row(dict(zip(keys, row, strict=True)), form, called, cells) for row in found
        )

    def _row(
        self, found: Mapping[str, Any], form: Form, called: Sequence[str], cells: Sequence[str]
    ) -> Row:
        submission, sheet, number = found.get("submission_id"), found.get("sheet"), found.get("row")
        # A number by itself says nothing: 年龄4, 年级7.
        headers = {c.name: c.header for c in form.columns if c.kind in (Kind.INT, Kind.GRADE)}
        words = [
            f"{headers.get(name, '')}{found[name]}" for name in called if found[name] is not None
        ]
        shown = []
        for name in cells if submission is not None else ():
            column = form.by_name[name]
            letter = self._letter(submission, sheet, name)
            place = f"{letter}{number}" if letter else None
            shown.append(Cell(name, column.header, place, as_written(found[name]), column.unit))
        return Row(
            region_code=found["region_code"],
            institution_code=found.get("institution_code"),
            institution_name=found.get("institution_name"),
            label=" ".join(words),
            contribution=found["contribution"],
            counted=found["counted"],
            submission_id=submission,
            file_name=self._file_names.get(submission or ""),
            sheet=sheet,
            row=number,
            cells=tuple(shown),
        )

    def handed_in_twice(self) -> Iterator[tuple[str, str, int, tuple[str, ...]]]:
        """Yield institutions that several units handed in for one year, and that count in each of them.

        Code, name, year and the codes of the units.
        """
        coded = [form for form in self.forms if "institution_code" in FORMS[form].by_name]
        if coded:
            every = " UNION ALL ".join(
                f"SELECT {literal(form)} AS form, institution_code, {name_of_institutions(form)}, region_code, year"
                f' FROM current."{form}"'
                for form in coded
            )
            for code, name, year, units in self._rows(
                "SELECT institution_code, min(institution_name), year,"
                f" list_sort(list(DISTINCT region_code)) FROM ({every})"
                " WHERE institution_code IS NOT NULL GROUP BY form, institution_code, year"
                " HAVING count(DISTINCT region_code) > 1 ORDER BY year, institution_code"
            ):
                yield code, name, year, tuple(units)


def _of_year(part: Part, year: int) -> Part:
    """``part`` over the rows that a figure of ``year`` speaks of."""
    return part.model_copy(update={"rows": f"({part.rows}) AND year = {year - part.years_before}"})


def reports_needed(catalogue: Catalogue, indicator: Indicator, year: int) -> set[tuple[str, int]]:
    """Return the forms, each with its year, that a figure of ``year`` is made of."""
    return {
        (form, year - part.years_before)
        for part in (indicator.top, indicator.bottom)
        if part is not None
        for form in catalogue.forms_of(part.source)
    }


def forms_needed(catalogue: Catalogue, indicator: Indicator) -> tuple[str, ...]:
    """Return the forms that the parts of an indicator are made of."""
    parts = (indicator.top, indicator.bottom)
    return tuple(
        dict.fromkeys(
            form for part in parts if part is not None for form in catalogue.forms_of(part.source)
        )
    )


def _nodes(tree: object, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the nodes of one type in a syntax tree, from left to right."""
    if isinstance(tree, dict):
        if tree.get("type") == kind:
            yield tree
        for branch in tree.values():
            yield from _nodes(branch, kind)
    elif isinstance(tree, list):
        for branch in tree:
            yield from _nodes(branch, kind)


def _columns(tree: object) -> list[str]:
    """Return the columns that a syntax tree names, each once."""
    return list(dict.fromkeys(node["column_names"][-1] for node in _nodes(tree, "COLUMN_REF")))


def _mentioned(tree: object, forms: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the columns of ``forms`` that a query over them names, with their forms."""
    tables = {
        node["alias"] or node["table_name"]: node["table_name"]
        for node in _nodes(tree, "BASE_TABLE")
    }
    for node in _nodes(tree, "COLUMN_REF"):
        *alias, column = node["column_names"]
        for form in forms if not alias else (tables.get(alias[0], ""),):
            if form in forms and column in FORMS[form].by_name:
                yield form, column


def literals(values: Iterable[object]) -> str:
    """``values`` for an ``IN``; NULL, which nothing is in, where there are none."""
    return ", ".join(literal(value) for value in values) or "NULL"


def as_written(value: Any) -> str | None:
    """Return a cleaned value as people write it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, time):
        return value.strftime("%H:%M:%S" if value.second else "%H:%M")
    if isinstance(value, Decimal):
        return f"{value:f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
    return str(value)
