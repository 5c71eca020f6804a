"""The publication in the DuckDB that old drivers have: 1.0 and what came after it.

Each version is installed from its package into an environment of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Home
from warehouse.publication.tables import TABLES
from warehouse.publication.views import VIEWS

#: Reads everything, every way; run by the old one, so it knows nothing of ours.
SCRIPT = """
import duckdb, json, sys
file, names = sys.argv[1], sys.argv[2:]
with duckdb.connect(file, read_only=True) as direct:
    rows = {n: [[str(c) for c in r] for r in direct.execute(f'FROM {n} ORDER BY ALL').fetchall()]
            for n in names}
    words = direct.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns()"
        " WHERE schema_name = 'main' AND NOT internal ORDER BY ALL").fetchall()
with duckdb.connect() as other:
    other.execute(f"ATTACH '{file}' AS p (READ_ONLY); USE p")
    attached = [other.execute(f'SELECT count(*) FROM {n}').fetchone()[0] for n in names]
print(json.dumps([duckdb.__version__, rows, words, attached]))
"""
NAMES = [table.name for table in (*TABLES, *VIEWS)] + ["county_scorecard"]


def ask(python: str, file: Path) -> tuple[str, object, object, list[int]]:
    told = subprocess.run(
        [python, "-c", SCRIPT, str(file), *NAMES], capture_output=True, text=True, check=True
    )
    version, rows, words, attached = json.loads(told.stdout)
    return version, rows, words, attached


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.0.0", "1.1.3", "1.2.2", "1.3.2", "1.4.4"])
def test_an_old_duckdb_reads_all_tables_views_and_comments(
    city: Home, tmp_path: Path, version: str
) -> None:
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", f"duckdb=={version}"],
        check=True,
    )
    used, rows, words, attached = ask(python, city.publication)
    assert used == version
    _, own_rows, own_words, own_attached = ask(sys.executable, city.publication)
    assert rows == own_rows
    assert words == own_words
    assert attached == own_attached
