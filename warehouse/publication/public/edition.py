"""Writing the edition for the public: the tables of a publication, with what is hidden left blank.

It has every table and view of the publication, so that whatever reads the one reads the other. What names files,
findings and decisions is empty; what is computed from a hidden count is NULL, or has no row. ``hidden_count``
says which counts they are: a NULL that is not named there was never reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import duckdb
import polars as pl

from transforms.records import REGION_CODE, YEAR, Field
from transforms.texts import Text
from warehouse.indicators.definitions import Catalogue
from warehouse.publication.defined import STORAGE_VERSION, definitions
from warehouse.publication.public.counts import MOST, Figure, PeopleCounts, read_counts
from warehouse.publication.public.earlier import EarlierEditions, HiddenPart
from warehouse.publication.public.hiding import counts_to_hide, few
from warehouse.publication.release import DATABASE
from warehouse.publication.tables import TABLES, PublishedTable, table_named
from warehouse.publication.views import create_views
from warehouse.sql import lent, literal

#: The folder of the edition, in ``published/``.
FOLDER = "public"

HIDDEN = PublishedTable(
    "hidden_count",
    "隐去的人数: 每行是一个指标、地区和年度中隐去的分子或分母",
    "Hidden counts: each row is the numerator or the denominator of an indicator, a region and a year"
    " that is hidden because few people could be known by it",
    (
        *table_named("indicator_value").pick("indicator_id"),
        REGION_CODE,
        YEAR,
        Field("part", "VARCHAR", "numerator 分子, denominator 分母", "numerator or denominator"),
    ),
)

#: What is empty: above all what speaks of single files, of what is wrong in them, and of who decided what on them.
_INTERNAL = (
    "submission",
    "submission_sheet",
    "finding",
    "finding_history",
    "approval",
    "turning_institution",
    # Sums of people that no indicator has: whether they give a hidden count away is not looked into.
    "places_ahead",
)


def write_public(
    source: Path, folder: Path, catalogue: Catalogue, earlier: EarlierEditions
) -> None:
    """Write the edition of the publication in ``source`` into ``folder``: the database and its Parquet files.

    What ``earlier`` editions hid stays hidden, and what this one hides is kept there.

    Raises:
        ArchiveDamaged: what earlier editions hid is not known.
    """
    folder.mkdir(parents=True)
    file = folder / DATABASE
    with duckdb.connect() as connection:
        connection.execute(
            f"ATTACH {literal(source)} AS publication (READ_ONLY);"
            f"ATTACH {literal(file)} AS edition (STORAGE_VERSION {literal(STORAGE_VERSION)})"
        )
        counts = read_counts(connection, catalogue, "publication")
        hidden = _Hidden(counts, earlier.hidden())
        earlier.keep(hidden.parts)
        tables = (*TABLES, HIDDEN)
        connection.execute(f"BEGIN; {'; '.join(definitions('edition', tables))}; COMMIT")
        with lent(connection, **hidden.frames()):
            for table in TABLES:
                query = _QUERIES.get(table.name, f"FROM publication.{table.name}")
                if table.name not in _INTERNAL:
                    # By their names: a column that a query forgets is an error, and not a blank.
                    connection.execute(
                        f"INSERT INTO edition.{table.name}"
                        f" SELECT {table.names} FROM ({query}) ORDER BY ALL"
                    )
            connection.execute("INSERT INTO edition.hidden_count FROM hidden_part ORDER BY ALL")
        create_views(connection, "edition")
        parquet = folder / "parquet"
        parquet.mkdir()
        for table in tables:
            target = literal(parquet / f"{table.name}.parquet")
            connection.execute(f"COPY edition.{table.name} TO {target}")
        connection.execute("DETACH edition")


def faults_of(file: Path, catalogue: Catalogue) -> list[Text]:
    """Return, for each indicator in which the edition in ``file`` counts few people, what it shows."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {literal(file)} AS edition (READ_ONLY)")
        counts = read_counts(connection, catalogue, "edition")
        shown = few(counts)
    figures = Counter(
        figure.indicator for figure in counts.figures if shown.intersection(figure.counts)
    )
    return [
        Text(
            f"{name} 中 1 至 {MOST} 人的人数（{number} 处）",
            f"counts of 1 to {MOST} people in {name} ({number})",
        )
        for name, number in figures.items()
    ]


Place = tuple[str, str, int]


class _Hidden:
    """What is hidden, as the places in the published tables."""

    def __init__(self, counts: PeopleCounts, before: Collection[HiddenPart]) -> None:
        self._counts = counts
        kept = [
            count
            for figure in counts.figures
            for part, count in (("numerator", figure.top), ("denominator", figure.bottom))
            if count and (figure.indicator, figure.region, figure.year, part) in before
        ]
        self._hidden = counts_to_hide(counts, kept)
        self._places: dict[Place, Figure] = {
            (figure.indicator, figure.region, figure.year): figure
            for figure in counts.figures
            if self._hidden.intersection(figure.counts)
        }

    @property
    def parts(self) -> list[HiddenPart]:
        """The numerators and denominators that are hidden."""
        return [
            (*place, part)
            for place, figure in self._places.items()
            for part, count in (("numerator", figure.top), ("denominator", figure.bottom))
            if count in self._hidden
        ]

    def frames(self) -> dict[str, pl.DataFrame]:
        """Return the tables that the queries of this module speak of."""
        place = {"indicator_id": pl.String(), "region_code": pl.String(), "year": pl.Int64()}
        units = sorted(self._above_hidden())
        people = [(name,) for name in sorted(self._counts.scales)]
        return {
            "hidden_part": pl.DataFrame(self.parts, {**place, "part": pl.String()}, orient="row"),
            "hidden_place": pl.DataFrame(list(self._places), place, orient="row"),
            "hidden_below": pl.DataFrame(units, place, orient="row"),
            "of_people": pl.DataFrame(people, {"indicator_id": pl.String()}, orient="row"),
        }

    def _above_hidden(self) -> Iterable[Place]:
        """Return where something is hidden in the region or in a unit of it."""
        found = set(self._places)
        for indicator, region, year in self._places:
            found |= {(indicator, above, year) for above in self._counts.above.get(region, ())}
        return found


def _is_at(alias: str, table: str = "hidden_place", year: str = "") -> str:
    """Return the SQL condition that the place of a row is in a table of places."""
    return (
        f"EXISTS (FROM {table} p WHERE (p.indicator_id, p.region_code, p.year)"
        f" = ({alias}.indicator_id, {alias}.region_code, {alias}.year{year}))"
    )


def _same(left: str, right: str) -> str:
    """Return the SQL condition that two doubles are one figure, or both NULL."""
    return f"coalesce(abs({left} - {right}) <= 1e-12 * abs({left}), {left} IS NULL AND {right} IS NULL)"


#: A clause that never falls is judged over the units of both years: where these are not all, the figures
#: are sums of other units than the published ones, and what is hidden could be found by taking one from the other.
_OTHER_UNITS = f"""
(c.kind = 'never_falls' AND ({_is_at("a", "hidden_below")} OR {_is_at("a", "hidden_below", " - 1")})
    AND NOT ({_same("a.value", "v.value")} AND {_same("a.threshold", "b.value")}))
"""
_LAST_YEAR = f"(c.kind = 'never_falls' AND {_is_at('a', year=' - 1')})"

_QUERIES: Mapping[str, str] = {
    "indicator_value": """
        SELECT v.* REPLACE (
            CASE WHEN n.part IS NULL THEN v.numerator END AS numerator,
            CASE WHEN d.part IS NULL THEN v.denominator END AS denominator,
            CASE WHEN n.part IS NULL AND d.part IS NULL THEN v.value END AS value
        )
        FROM publication.indicator_value v
        LEFT JOIN hidden_part n ON n.part = 'numerator'
            AND (n.indicator_id, n.region_code, n.year) = (v.indicator_id, v.region_code, v.year)
        LEFT JOIN hidden_part d ON d.part = 'denominator'
            AND (d.indicator_id, d.region_code, d.year) = (v.indicator_id, v.region_code, v.year)
        """,
    # Units that were merged, taken together: a sum of its own.
    "indicator_value_as_now": """
        WITH RECURSIVE later AS (
            SELECT region_code, region_code AS now, successor FROM publication.region
            UNION ALL
            SELECT l.region_code, r.region_code, r.successor
            FROM later l JOIN publication.region r ON r.region_code = l.successor
        ), shut AS (
            SELECT DISTINCT p.indicator_id, l.now AS region_code, p.year
            FROM hidden_place p JOIN later l USING (region_code)
        )
        SELECT v.* REPLACE (
            CASE WHEN s.year IS NULL THEN v.numerator END AS numerator,
            CASE WHEN s.year IS NULL THEN v.denominator END AS denominator,
            CASE WHEN s.year IS NULL THEN v.value END AS value
        )
        FROM publication.indicator_value_as_now v
        LEFT JOIN shut s USING (indicator_id, region_code, year)
        """,
    "attainment": f"""
        SELECT a.* EXCLUDE (shut, other, last) REPLACE (
            CASE WHEN NOT shut AND NOT other THEN value END AS value,
            CASE WHEN NOT last AND NOT other THEN threshold END AS threshold,
            CASE WHEN NOT shut AND NOT other AND NOT last THEN gap END AS gap,
            CASE WHEN NOT shut AND NOT other AND NOT last THEN gap_quantity END AS gap_quantity,
            CASE WHEN NOT shut AND NOT other AND NOT last THEN gap_unit END AS gap_unit
        )
        FROM (
            SELECT a.*, {_is_at("a")} AS shut, {_OTHER_UNITS} AS other, {_LAST_YEAR} AS last
            FROM publication.attainment a
            JOIN publication.clause c USING (clause_id)
            LEFT JOIN publication.indicator_value v ON (v.indicator_id, v.region_code, v.year)
                = (a.indicator_id, a.region_code, a.year)
            LEFT JOIN publication.indicator_value b ON (b.indicator_id, b.region_code, b.year)
                = (a.indicator_id, a.region_code, a.year - 1)
        ) a
        """,
    "year_on_year": f"""
        SELECT y.* FROM publication.year_on_year y
        JOIN publication.indicator_value v ON (v.indicator_id, v.region_code, v.year)
            = (y.indicator_id, y.region_code, y.year)
        JOIN publication.indicator_value b ON (b.indicator_id, b.region_code, b.year)
            = (y.indicator_id, y.region_code, y.year - 1)
        WHERE NOT {_is_at("y")} AND NOT {_is_at("y", year=" - 1")}
            AND ((y.numerator, y.previous_numerator) = (v.numerator, b.numerator)
                AND y.denominator IS NOT DISTINCT FROM v.denominator
                AND y.previous_denominator IS NOT DISTINCT FROM b.denominator
                OR NOT {_is_at("y", "hidden_below")} AND NOT {_is_at("y", "hidden_below", " - 1")})
        """,
    # The lines begin in earlier years.
    "outlook": """
        SELECT o.* FROM publication.outlook o JOIN publication.clause c USING (clause_id)
        WHERE NOT EXISTS (FROM hidden_place p
            WHERE p.indicator_id = c.indicator_id AND p.region_code = o.region_code AND p.year <= o.year)
        """,
    # Behind a clause on people the details are counts of them. Where a group is small nobody of it is named, whatever else would name them: the same school may
    # stand behind another clause.
    "shortfall": f"""
        WITH grouped AS (
            SELECT *, count(*) OVER (PARTITION BY clause_id, region_code, year) <= {MOST}
                OR coalesce(TRY_CAST(value AS DOUBLE) BETWEEN 1 AND {MOST}, false)
                OR clause_id IN (
                    SELECT clause_id FROM publication.clause JOIN of_people USING (indicator_id)
                ) AS small
            FROM publication.shortfall
        ), told AS (
            -- A township is no institution, and nobody's small group.
            SELECT *, institution_name IS NOT NULL AND bool_or(small)
                OVER (PARTITION BY region_code, year, institution_code, institution_name) AS unnamed
            FROM grouped
        )
        SELECT clause_id, region_code, year,
            CASE WHEN NOT unnamed THEN institution_code END AS institution_code,
            CASE WHEN NOT unnamed THEN institution_name END AS institution_name,
            CASE WHEN NOT unnamed THEN detail_zh END AS detail_zh,
            CASE WHEN NOT unnamed THEN detail_en END AS detail_en,
            CASE WHEN NOT unnamed THEN value END AS value,
            NULL AS submission_id, NULL AS sheet, NULL AS "row"
        FROM told
        """,
    # What a figure was before would show by how much a sum moved when one hidden count did.
    "revision": """
        SELECT * EXCLUDE (of_people) REPLACE (
            CASE WHEN NOT of_people THEN old_value END AS old_value,
            CASE WHEN NOT of_people THEN new_value END AS new_value,
            NULL AS submission_id
        )
        FROM (
            SELECT r.*, EXISTS (FROM of_people p WHERE p.indicator_id = r.indicator_id) AS of_people
            FROM publication.revision r
        )
        WHERE NOT of_people OR old_status IS DISTINCT FROM new_status
        """,
}
