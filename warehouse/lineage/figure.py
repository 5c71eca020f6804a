"""Where does this number come from? From a published figure to its submissions, sheets and cells.

A publication says what its figures are and which submissions were in force when it was made; the
warehouse keeps the rows of every accepted version (:mod:`warehouse.lineage.evidence`). :func:`explain` puts
the two together, so that a past publication, handed in as its file, is explained by its own rows.
Nothing is written.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from transforms.forms import FORMS
from transforms.texts import Text, ToldInBoth
from warehouse import coverage, wording
from warehouse.figures import show_plain
from warehouse.indicators.definitions import Catalogue, Indicator
from warehouse.ledger.store import open_warehouse
from warehouse.lineage.evidence import Evidence, forms_needed, literals, reports_needed
from warehouse.lineage.model import (
    Contribution,
    Explanation,
    FindingShown,
    Missing,
    PastChange,
    Remark,
    RowList,
    Verdict,
    Version,
)
from warehouse.place import Place
from warehouse.publication.reader.queries import clause_order, standings, turning
from warehouse.reference import Reference, folder_key
from warehouse.sql import literal


class CannotExplain(ToldInBoth):
    """What was asked for is not there, or not unique; the message says what is."""


def explain(
    published: Path,
    warehouse: Place,
    reference: Reference,
    catalogue: Catalogue,
    indicator: str,
    region: str,
    year: int,
    rows: int | None = None,
) -> Explanation:
    """Explain one figure of the publication in the file ``published``.

    ``indicator`` is an id, a Chinese or English name or a clause; ``region`` a code, name or alias;
    the beginning or a part of one is enough where it is unique. Of each part ``rows`` rows are
    listed; without that number, 20 and every single one that ought not to be there
    (:meth:`warehouse.lineage.evidence.Evidence.row_lists`).

    Raises:
        CannotExplain: the indicator or region is unknown or ambiguous; there is no such figure for
            that region and year.
        FileNotFoundError: one of the two files is not there.
        WarehouseLocked: a run is writing to the warehouse, which is a file.
        LakeFailed: the warehouse is a lake that cannot be reached.
    """
    _must_be_there(published, "there is no such publication")
    if isinstance(warehouse, Path):
        _must_be_there(
            warehouse,
            "the rows behind the figures stand there, and it is gone; the next night makes it again"
            " from the archive",
        )
    with open_warehouse(warehouse, reference, read_only=True) as connection:
        ((catalog,),) = connection.execute("SELECT current_database()").fetchall()
        connection.execute(
            f"ATTACH {literal(published)} AS published (READ_ONLY);"
            "ATTACH ':memory:' AS explaining (READ_WRITE); USE explaining"
        )
        figure = _figure(connection, reference, catalogue, indicator, region, year)
        told = _Publication(connection, catalogue, figure)
        evidence = Evidence(
            connection,
            catalog,
            reference,
            catalogue,
            figure.indicator,
            year,
            told.entering(),
            # What must not fall is held against the year before.
            year_before=any(verdict.kind == "never_falls" for verdict in told.verdicts()),
        )
        return _explanation(told, evidence, rows)


def _must_be_there(file: Path, otherwise: str) -> None:
    if not file.exists():
        raise FileNotFoundError(errno.ENOENT, otherwise, str(file))


@dataclass(frozen=True)
class _Figure:
    """Which figure is to be explained, and its row in ``indicator_value``.

    ``names`` are those of all regions. ``units`` are the units in the indicator's scope that the
    region is made of; of a unit, itself.
    """

    indicator: Indicator
    region_code: str
    names: Mapping[str, str]
    units: tuple[str, ...]
    year: int
    numerator: Decimal | None
    denominator: Decimal | None
    value: float | None
    reporting_units: int
    expected_units: int

    @property
    def region_name(self) -> str:
        """What the region is called."""
        return self.names[self.region_code]

    @property
    def is_unit(self) -> bool:
        """Whether the region hands in for itself."""
        return self.units == (self.region_code,)


def _figure(
    connection: duckdb.DuckDBPyConnection,
    reference: Reference,
    catalogue: Catalogue,
    indicator: str,
    region: str,
    year: int,
) -> _Figure:
    meant = _indicator(connection, catalogue, indicator)
    regions = connection.execute(
        "SELECT region_code, region_name, parent_code, level, kind FROM published.region"
        " ORDER BY region_code"
    ).fetchall()
    names = {code: name for code, name, *_ in regions}
    region_code = _region(reference, names, region)
    found = connection.execute(
        "SELECT region_code, year, numerator, denominator, value, reporting_units, expected_units"
        f" FROM published.indicator_value WHERE indicator_id = {literal(meant.indicator_id)}"
    ).fetchall()
    in_scope = {row[0] for row in found}
    if region_code not in in_scope:
        scope = "、".join(name for code, name in names.items() if code in in_scope)
        raise CannotExplain(
            f"没有公布{names[region_code]}的{meant.name_zh}，只公布了{scope}的",
            f"{meant.name_zh} is not published for {names[region_code]}, only for {scope}",
        )
    figures = {row[1]: row[2:] for row in found if row[0] == region_code}
    if year not in figures:
        raise CannotExplain(
            f"没有 {year} 年的数字，只有 {min(figures)} 至 {max(figures)} 年的",
            f"there are no figures for {year}, only for {min(figures)} to {max(figures)}",
        )
    parents = {code: parent for code, _, parent, *_ in regions}
    of_units = catalogue.scope_of(meant).units
    units = tuple(
        code
        for code, _, _, level, kind in regions
        if level == "reporting_unit"
        and region_code in _lineage(code, parents)
        and (code in in_scope or not of_units)
        and (meant.reporters is None or kind in meant.reporters)
    )
    return _Figure(meant, region_code, names, units, year, *figures[year])


def _indicator(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, word: str) -> Indicator:
    """Return the published indicator that ``word`` names, itself or by one of its clauses."""
    known = connection.execute(
        f"""
        SELECT i.indicator_id, i.name_zh, i.name_en,
            coalesce(string_agg(c.clause_id, ' ' ORDER BY c.plan_order), '')
        FROM published.indicator i
        LEFT JOIN ({clause_order("published.")}) c USING (indicator_id)
        GROUP BY ALL
        ORDER BY any_value(i.section), min(c.plan_order), i.indicator_id
        """
    ).fetchall()
    indicator_id = _find(
        Text("指标", "indicator"),
        word,
        {name: (name, zh, en, *clauses.split()) for name, zh, en, clauses in known},
        {name: f"{name} {zh} ({clauses})" for name, zh, _, clauses in known},
    )
    if indicator_id not in catalogue.by_id:
        raise CannotExplain(
            f"这次发布的指标 {indicator_id} 已不再有定义，无法再说明它的明细",
            f"the indicator {indicator_id} of this publication is no longer defined, "
            "so that its rows cannot be told any more",
        )
    return catalogue.by_id[indicator_id]


def _region(reference: Reference, names: Mapping[str, str], word: str) -> str:
    """Return the code of the region that ``word`` names, by code, name or alias."""
    aliases = {
        code: (words or "").split("|")
        for code, words in reference.regions.select("region_code", "aliases").iter_rows()
    }
    return _find(
        Text("地区", "region"),
        word,
        {code: (code, name, *aliases.get(code, ())) for code, name in names.items()},
        {code: f"{code} {name}" for code, name in names.items()},
    )


def _lineage(code: str | None, parents: Mapping[str, str | None]) -> Iterator[str]:
    """Yield a region and all above it."""
    while code:
        yield code
        code = parents.get(code)


def _find(
    what: Text, word: str, names: Mapping[str, Sequence[str]], shown: Mapping[str, str]
) -> str:
    """Return the key whose names ``word`` is, or begins, or is part of; the first of these that fits one."""
    wanted = folder_key(word).lower()
    folded = {key: [folder_key(name).lower() for name in each] for key, each in names.items()}
    tests: tuple[Callable[[str], bool], ...] = (
        lambda name: name == wanted,
        lambda name: name.startswith(wanted),
        lambda name: wanted in name,
    )
    for fits in tests:
        found = [key for key, each in folded.items() if any(fits(name) for name in each)]
        if len(found) == 1:
            return found[0]
        if found:
            listed = _listed(shown[key] for key in found)
            raise CannotExplain(
                f"{word!r} 可能是不止一个{what.zh}：{listed}",
                f"{word!r} may be more than one {what.en}:{listed}",
            )
    near = difflib.get_close_matches(wanted, [n for each in folded.values() for n in each], n=8)
    keys = [key for key, each in folded.items() if set(near) & set(each)] or list(shown)
    listed = _listed(shown[key] for key in keys)
    raise CannotExplain(
        f"没有{what.zh} {word!r}；有的是：{listed}",
        f"there is no {what.en} {word!r}; there are:{listed}",
    )


def _listed(lines: Iterable[str]) -> str:
    return "".join(f"\n  {line}" for line in lines)


class _Publication:
    """What the publication says of the figure.

    ``needed`` are the forms that it is made of, each with its year.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, figure: _Figure
    ) -> None:
        self._connection = connection
        self._forms = forms_needed(catalogue, figure.indicator)
        self.needed = sorted(reports_needed(catalogue, figure.indicator, figure.year))
        self.figure = figure

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    def _key(self, table: str) -> str:
        """Return the figure as a condition on a table."""
        return (
            f"{table}.indicator_id = {literal(self.figure.indicator.indicator_id)}"
            f" AND {table}.region_code = {literal(self.figure.region_code)}"
            f" AND {table}.year = {self.figure.year}"
        )

    def imprints(self) -> list[tuple[Any, ...]]:
        """publication_id and published_at of the publications up to this one, the earliest first."""
        return self._rows(
            "SELECT publication_id, published_at FROM published.publication ORDER BY publication_id"
        )

    def contributions(self) -> tuple[Contribution, ...]:
        """Return the units in scope; of an indicator of the city alone no unit has a figure of its own."""
        return tuple(
            Contribution(code, self.figure.names[code], *row)
            for code, *row in self._rows(
                "SELECT region_code, numerator, denominator, value, expected_units > 0,"
                " reporting_units > 0 FROM published.indicator_value"
                f" WHERE indicator_id = {literal(self.figure.indicator.indicator_id)}"
                f" AND year = {self.figure.year} AND region_code IN ({literals(self.figure.units)})"
                " ORDER BY region_code"
            )
        )

    def entering(self) -> tuple[str, ...]:
        """Return the units whose submissions count: those that enter, and a unit for itself."""
        if self.figure.is_unit:
            return self.figure.units
        units = self.contributions()
        if units:
            return tuple(unit.region_code for unit in units if unit.enters)
        silent = {missing.region_code for missing in self.missing()}
        return tuple(unit for unit in self.figure.units if unit not in silent)

    def verdicts(self) -> tuple[Verdict, ...]:
        """Return what the clauses of the indicator say of the figure."""
        # A publication of an earlier version does not know how much was asked and answered.
        counted = self._has("attainment", "answered")
        source_en = "c.source_en" if self._has("clause", "source_en") else "NULL"
        zh, en = coverage.sentence("a")
        told = f"a.asked, a.answered, {zh}, {en}" if counted else "NULL, NULL, NULL, NULL"
        rows = self._rows(
            "SELECT c.clause_id, c.statement_zh, c.statement_en, c.kind, c.comparator,"
            " a.threshold, c.due_year, c.interpretation, c.basis_zh, c.basis_en, c.source,"
            f" {source_en},"
            f" a.status, a.value, a.gap, a.gap_quantity, a.gap_unit, {told},"
            " u.against_most_units, u.units_judged, u.units_met, t.institutions, t.names"
            " FROM published.attainment a JOIN published.clause c USING (clause_id)"
            f" LEFT JOIN ({standings('published.')}) u ON u.clause_id = a.clause_id"
            " AND u.region_code = a.region_code AND u.year = a.year"
            f" LEFT JOIN ({self._turning()}) t ON t.clause_id = a.clause_id"
            " AND t.region_code = a.region_code AND t.year = a.year"
            f" WHERE {self._key('a')} ORDER BY c.clause_id"
        )
        return tuple(_verdict(*row) for row in rows)

    def _has(self, table: str, column: str) -> bool:
        """Return whether the publication, which may be of an earlier version, has that column."""
        return bool(
            self._rows(
                "SELECT 1 FROM duckdb_columns() WHERE database_name = 'published'"
                f" AND (table_name, column_name) = ({literal(table)}, {literal(column)})"
            )
        )

    def _turning(self) -> str:
        """Return the query for how many institutions turn a verdict, and the first few of them."""
        # A publication of an earlier version does not know.
        known = self._rows(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = 'published'"
            " AND table_name = 'turning_institution'"
        )
        if not known:
            return (
                "SELECT NULL AS clause_id, NULL AS region_code, NULL AS year,"
                " NULL AS institutions, NULL AS names"
            )
        return turning("published.")

    def versions(self) -> tuple[Version, ...]:
        """Return the accepted versions of the forms that entered, as far as the publication knows them.

        Each holds from its time of receipt to that of the next (:mod:`warehouse.ledger.schema`).
        """
        return tuple(
            Version(code, self.figure.names[code], form, FORMS[form].zh, *row)
            for code, form, *row in self._rows(
                """
                SELECT region_code, form, year, submission_id, file_name, sha256,
                    received_at AS in_force_from,
                    lead(received_at) OVER (
                        PARTITION BY region_code, form, year
                        ORDER BY received_at, sha256, status <> 'superseded', submission_id
                    ) AS in_force_until
                FROM published.submission
                SEMI JOIN entering USING (region_code, form, year)
                WHERE status <> 'returned'
                ORDER BY region_code, form, year DESC, in_force_until NULLS LAST, in_force_from
                """
            )
        )

    def missing(self) -> tuple[Missing, ...]:
        """Return the forms that are expected of the units and not in force."""
        pairs = ", ".join(f"({literal(form)}, {year})" for form, year in self.needed)
        return tuple(
            Missing(code, self.figure.names[code], form, FORMS[form].zh, year, tuple(files or ()))
            for code, form, year, files in self._rows(
                # A year before the first one published has no row of its own in reporting.
                "SELECT e.region_code, e.form, p.year, list_sort(list(DISTINCT s.file_name)"
                " FILTER (s.status = 'returned'))"
                f" FROM (VALUES {pairs}) p(form, year)"
                " JOIN published.reporting e ON e.form = p.form AND e.expected = 1"
                f" AND e.year = {self.figure.year} AND e.region_code IN ({literals(self.figure.units)})"
                " LEFT JOIN published.reporting r ON (r.region_code, r.form, r.year)"
                " = (e.region_code, p.form, p.year)"
                " LEFT JOIN published.submission s ON (s.region_code, s.form, s.year)"
                " = (e.region_code, p.form, p.year)"
                " WHERE coalesce(r.accepted, 0) = 0"
                " GROUP BY e.region_code, e.form, p.year ORDER BY e.region_code, e.form, p.year"
            )
        )

    def why_no_value(self, missing: Sequence[Missing]) -> Iterator[Remark]:
        """Yield why there is no value: the same grounds, in the same order, as those of the verdicts."""
        figure = self.figure
        if figure.value is not None:
            return
        expected = {
            form
            for (form,) in self._rows(
                f"SELECT DISTINCT form FROM published.reporting WHERE expected = 1"
                f" AND year = {figure.year} AND region_code IN ({literals(figure.units)})"
            )
        }
        idle = [FORMS[form].zh for form in self._forms if form not in expected]
        if figure.expected_units == 0:
            yield Remark(
                f"不适用: {'、'.join(idle)}不要求{figure.region_name}报送",
                f"Not applicable: {'、'.join(idle)} is not expected of {figure.region_name}",
            )
        elif figure.reporting_units == 0 and missing:
            zh, en = (
                "; ".join(words)
                for words in zip(*(_missed(m, figure.year) for m in missing), strict=True)
            )
            yield Remark(f"没有数据: 缺{zh}", f"No data: not in force are {en}")
        elif figure.reporting_units == 0:
            yield Remark(
                f"没有数据: 已接收的报表中没有填报“{figure.indicator.top.zh}”所需的事项或数量",
                "No data: the forms in force do not hold the item, or leave its quantity blank "
                f"({figure.indicator.requires})",
            )
        elif idle:
            yield Remark(
                f"不适用: {'、'.join(idle)}不要求{figure.region_name}报送, 已知的部分只计入全市",
                f"Not applicable: {'、'.join(idle)} is not expected of {figure.region_name}; "
                "what is known counts in the city's figure only",
            )
        elif figure.denominator == 0:
            assert figure.indicator.bottom is not None
            yield Remark(
                f"不适用: 分母为0({figure.indicator.bottom.zh})",
                f"Not applicable: the denominator is zero ({figure.indicator.bottom.zh})",
            )

    def like_for_like(self, verdicts: Sequence[Verdict]) -> Iterator[Remark]:
        """Yield what a clause that never falls was judged on."""
        figure = self.figure
        if figure.value is None or not any(v.kind == "never_falls" for v in verdicts):
            return
        both = [
            figure.names[code]
            for (code,) in self._rows(
                "SELECT n.region_code FROM published.indicator_value n"
                " JOIN published.indicator_value b ON b.indicator_id = n.indicator_id"
                " AND b.region_code = n.region_code AND b.year = n.year - 1"
                f" WHERE n.indicator_id = {literal(figure.indicator.indicator_id)}"
                f" AND n.year = {figure.year} AND n.region_code IN ({literals(figure.units)})"
                " AND n.value IS NOT NULL AND b.value IS NOT NULL ORDER BY n.region_code"
            )
        ]
        before = figure.year - 1
        if not both:
            yield Remark(
                f"没有{before}年的值, 无法比较", f"There is no value of {before} to compare with"
            )
        elif not figure.is_unit:
            yield Remark(
                f"判定按可比口径, 只含{before}年和{figure.year}年都有值的单位: {'、'.join(both)}",
                f"Judged like for like, over the units with a value in {before} and {figure.year}: "
                f"{'、'.join(both)}",
            )

    def history(self) -> tuple[PastChange, ...]:
        """Return every publication that changed the figure, the earliest first."""
        return tuple(
            PastChange(*row)
            for row in self._rows(
                f"""
                SELECT DISTINCT r.publication_id, p.published_at, r.old_value, r.new_value,
                    r.old_status, r.new_status, r.submission_id, s.file_name,
                    CASE WHEN r.submission_id IS NOT NULL THEN 'submission'
                        WHEN p.plan_version <> b.plan_version THEN 'plan'
                        WHEN p.code_version <> b.code_version THEN 'code' END
                FROM published.revision r
                JOIN published.publication p USING (publication_id)
                LEFT JOIN published.publication b ON b.publication_id = p.previous_id
                LEFT JOIN published.submission s ON s.submission_id = r.submission_id
                WHERE {self._key("r")}
                ORDER BY r.publication_id, r.new_status
                """
            )
        )

    def findings(
        self, used: Mapping[str, Sequence[str]], missing: Sequence[Missing]
    ) -> tuple[FindingShown, ...]:
        """Return the findings on what entered, and on what was returned in the place of what is missing."""
        pairs = [(form, column) for form, each in used.items() for column in each]
        touched = ", ".join(f"({literal(form)}, {literal(column)})" for form, column in pairs)
        touches = f"coalesce((f.form, f.column_name) IN ({touched}), false)" if pairs else "false"
        gone = ", ".join(
            f"({literal(m.region_code)}, {literal(m.form)}, {m.year})" for m in missing
        )
        instead = f"(f.region_code, f.form, f.year) IN ({gone})" if missing else "false"
        columns = self._rows(
            "SELECT column_name FROM duckdb_columns() WHERE database_name = 'published'"
            " AND table_name = 'finding'"
        )
        explained = "f.explained" if ("explained",) in columns else "NULL"
        return tuple(
            FindingShown(*row)
            for row in self._rows(
                f"""
                SELECT f.submission_id, s.file_name, f.region_code, f.form, f.severity, f.rule_id,
                    f.sheet, f.cell, f.column_name, f.message_zh, f.message_en, f.cells,
                    {touches} AS touches, {explained}
                FROM published.finding f
                LEFT JOIN published.submission s USING (submission_id)
                WHERE f.submission_id IN (SELECT submission_id FROM entering)
                    OR s.status = 'returned' AND {instead}
                ORDER BY touches DESC, f.severity, f.region_code, f.form, f.rule_id, f.sheet,
                    f."row", f.cell, f.message_zh
                """
            )
        )


def _verdict(*row: Any) -> Verdict:
    *told, covered_zh, covered_en, against, judged, met, institutions, names = row
    told += [
        Remark(covered_zh, covered_en) if covered_zh else None,
        Remark(*wording.against_text(told[12], judged, met)) if against else None,
        Remark(*wording.turning_text(told[12], institutions, names)) if institutions else None,
    ]
    return Verdict(*told)


def _explanation(told: _Publication, evidence: Evidence, limit: int | None) -> Explanation:
    figure, indicator = told.figure, told.figure.indicator
    imprints, history = told.imprints(), told.history()
    verdicts, missing = told.verdicts(), told.missing()
    rows = tuple(evidence.row_lists(limit))
    top = Text(indicator.top.zh, indicator.top.en or indicator.top.zh)
    bottom = (
        Text(indicator.bottom.zh, indicator.bottom.en or indicator.bottom.zh)
        if indicator.bottom is not None
        else None
    )
    scale = f"{indicator.scale} × " if indicator.scale != 1 else ""
    return Explanation(
        publication_id=imprints[-1][0],
        published_at=imprints[-1][1],
        indicator_id=indicator.indicator_id,
        name_zh=indicator.name_zh,
        name_en=indicator.name_en,
        unit=indicator.unit,
        scale=indicator.scale,
        better=indicator.better,
        region_code=figure.region_code,
        region_name=figure.region_name,
        year=figure.year,
        formula_zh=f"{scale}{top.zh}" + (f" ÷ {bottom.zh}" if bottom else ""),
        formula_en=f"{scale}{top.en}" + (f" ÷ {bottom.en}" if bottom else ""),
        formula_sql=indicator.formula,
        numerator_zh=top.zh,
        numerator_en=top.en,
        denominator_zh=bottom.zh if bottom else None,
        denominator_en=bottom.en if bottom else None,
        numerator=figure.numerator,
        denominator=figure.denominator,
        value=figure.value,
        reporting_units=figure.reporting_units,
        expected_units=figure.expected_units,
        verdicts=verdicts,
        remarks=(
            *told.why_no_value(missing),
            *told.like_for_like(verdicts),
            *_doubts(figure, evidence),
            *_products(evidence, rows),
            *_handed_in_twice(figure, evidence),
        ),
        contributions=() if figure.is_unit else told.contributions(),
        missing=missing,
        submissions=evidence.submissions(figure.names),
        versions=told.versions(),
        rows=rows,
        findings=told.findings(evidence.used, missing),
        since=history[-1].publication_id if history else imprints[0][0],
        history=history,
    )


def _products(evidence: Evidence, lists: Sequence[RowList]) -> Iterator[Remark]:
    """Yield which parts are no sum of the rows that are all listed: products of totals."""
    for listed in lists:
        part = evidence.parts.get(listed.part)
        if part is None or len(listed.rows) < listed.total:
            continue
        if sum(row.contribution or 0 for row in listed.rows) != evidence.total(part):
            yield Remark(
                f"“{listed.zh}”由各行合计数相乘得出, 不是各行之积的和",
                f"The {listed.part} multiplies the totals over all rows; it is no sum of what each "
                "row gives",
            )


def _missed(missing: Missing, year: int) -> tuple[str, str]:
    """Return what is missing for a figure of ``year``, in both languages."""
    other = missing.year != year
    return (
        f"{missing.region_name}{f'{missing.year}年' if other else ''}的{missing.form_zh}",
        f"{missing.form_zh} of {missing.region_name}{f' for {missing.year}' if other else ''}",
    )


def _handed_in_twice(figure: _Figure, evidence: Evidence) -> Iterator[Remark]:
    """Yield which institutions count more than once in a region's figure."""
    if figure.is_unit:
        return
    for code, name, year, units in evidence.handed_in_twice():
        by = "、".join(figure.names[unit] for unit in units)
        yield Remark(
            f"{name}({code}){year}年由{by}同时报送, 在本数值中重复计入{len(units)}次",
            f"{name} ({code}) was handed in for {year} by {by}, and counts {len(units)} times here",
        )


def _doubts(figure: _Figure, evidence: Evidence) -> Iterator[Remark]:
    """Yield whether the rows still give the published figure."""
    if lost := evidence.lost():
        yield Remark(
            f"{lost}份报送已不在数据仓库中, 明细不全",
            f"{lost} submissions are no longer in the warehouse; the rows are incomplete",
        )
        return
    published = {"numerator": figure.numerator, "denominator": figure.denominator}
    for name, part in evidence.parts.items():
        was, today = published[name], evidence.total(part)
        if was is not None and was != today:
            yield Remark(
                f"按现行定义和程序由这些行得出的“{part.zh}”为{show_plain(today)}, 发布的是{show_plain(was)}",
                f"By today's definition and program these rows give the {name} {show_plain(today)}; "
                f"published was {show_plain(was)}",
            )
