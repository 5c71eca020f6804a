"""What of a publication the definitions alone decide: its tables and views with their comments, and the rows that tell of the definitions.

To have DuckDB take up some hundred comments and thirty views takes a fifth of a second, longer than all figures of a
small city. So it is done once for each set of definitions, and every publication begins as a copy of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import polars as pl

from warehouse.cache import made_once
from warehouse.indicators.definitions import Catalogue, Indicator
from warehouse.publication import views
from warehouse.publication.code_list import code_list
from warehouse.publication.tables import TABLES, PublishedTable, table_named
from warehouse.sql import lent, literal

#: Every tool with a DuckDB driver from 1.0 on can open the file.
STORAGE_VERSION = "v1.0.0"


def defined(catalogue: Catalogue, clauses: pl.DataFrame, sections: pl.DataFrame) -> bytes:
    """Return the database file that a publication begins as.

    ``clauses`` and ``sections`` have the columns of the published tables ``clause`` and ``section``; of
    ``catalogue`` the indicators are published that a clause is about.
    """
    wanted = set(clauses["indicator_id"])
    frames = {
        "section": sections,
        "code_list": code_list(),
        "indicator": _indicators([i for i in catalogue.indicators if i.indicator_id in wanted]),
        "clause": clauses,
    }
    # The code as well: what it makes of these may change where they do not.
    code = [Path(file).read_bytes() for file in (__file__, views.__file__)]
    rows = [(name, frame.schema, frame.rows()) for name, frame in frames.items()]
    parts = (duckdb.__version__, code, *definitions(), *views.by_definition(), rows)
    return made_once("publication", parts, lambda: _make(frames))


def _make(frames: Mapping[str, pl.DataFrame]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="jzedu-") as folder, duckdb.connect() as connection:
        file = Path(folder, "defined.duckdb")
        connection.execute(
            f"ATTACH {literal(file)} AS publication (STORAGE_VERSION {literal(STORAGE_VERSION)})"
        )
        # One transaction: a commit for each of some hundred comments would wait for the disk each time.
        connection.execute(f"BEGIN; {'; '.join(definitions())}; COMMIT")
        for name, frame in frames.items():
            names = table_named(name).names
            with lent(connection, incoming=frame):
                # Sorted rows make the same definitions give the same file.
                connection.execute(
                    f"INSERT INTO publication.{name} SELECT {names} FROM incoming ORDER BY ALL"
                )
        views.create_views(connection)
        connection.execute("DETACH publication")
        return file.read_bytes()


def definitions(
    place: str = "publication", tables: Sequence[PublishedTable] = TABLES
) -> Iterator[str]:
    """Yield the statements that create the published tables in ``place`` anew, with their comments."""
    for table in tables:
        yield f"CREATE OR REPLACE TABLE {place}.{table.name} ({table.definition})"
        wording = literal(f"{table.zh} / {table.en}")
        yield f"COMMENT ON TABLE {place}.{table.name} IS {wording}"
        for column in table.columns:
            wording = literal(f"{column.zh} / {column.en}")
            yield f'COMMENT ON COLUMN {place}.{table.name}."{column.name}" IS {wording}'


def _indicators(indicators: Sequence[Indicator]) -> pl.DataFrame:
    published = {column.name for column in table_named("indicator").columns}
    return pl.DataFrame(
        [
            {
                **i.model_dump(include=published),
                "numerator_zh": i.top.zh,
                "denominator_zh": i.bottom.zh if i.bottom is not None else None,
                "numerator_en": i.top.en,
                "denominator_en": i.bottom.en if i.bottom is not None else None,
                "formula": i.formula,
            }
            for i in indicators
        ]
    )
