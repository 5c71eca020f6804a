"""The section [warehouse]: whole, or an error that says what to write; secrets are none of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows.settings import SettingsError, load_settings
from warehouse.lake import Lake, LakeFailed

CATALOG = 'catalog = "ducklake:postgres:dbname=jzedu host=db"\n'
DATA = 'data = "s3://jzedu/warehouse"\n'


def test_without_it_the_warehouse_is_the_file(tmp_path: Path) -> None:
    assert load_settings(tmp_path).place == tmp_path / "warehouse.duckdb"


def test_with_it_the_warehouse_is_a_lake(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("[warehouse]\n" + CATALOG + DATA)
    place = load_settings(tmp_path).place
    assert place == Lake("dbname=jzedu host=db", "s3://jzedu/warehouse/", tmp_path)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (CATALOG, "warehouse.data: Field required"),
        (DATA, "warehouse.catalog: Field required"),
        (CATALOG + DATA + 'schema = "a"', "warehouse.schema: Extra inputs are not permitted"),
        ('catalog = "postgres:dbname=a"\n' + DATA, "the catalogue is in PostgreSQL"),
        ('catalog = "ducklake:postgres: "\n' + DATA, "the catalogue is in PostgreSQL"),
        ('catalog = "ducklake:postgres:password=hush"\n' + DATA, "set PGPASSWORD"),
        (CATALOG + 'data = "lake"', "the whole path of a folder"),
        (CATALOG + 'data = "gs://jzedu"', "write s3://bucket/prefix"),
        (CATALOG + 'data = "s3:///warehouse"', "write s3://bucket/prefix"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_it(
    tmp_path: Path, section: str, said: str
) -> None:
    (tmp_path / "settings.toml").write_text("[warehouse]\n" + section)
    with pytest.raises(SettingsError) as told:
        load_settings(tmp_path)
    assert said in str(told.value)
    assert "hush" not in str(told.value)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"AWS_ACCESS_KEY_ID": "a"}, "AWS_SECRET_ACCESS_KEY is not set"),
        ({"AWS_SECRET_ACCESS_KEY": "hush"}, "AWS_ACCESS_KEY_ID is not set"),
        (
            {
                "AWS_ACCESS_KEY_ID": "a",
                "AWS_SECRET_ACCESS_KEY": "hush",
                "AWS_ENDPOINT_URL": "storage:9000",
            },
            "AWS_ENDPOINT_URL is no address",
        ),
    ],
)
def test_a_key_that_is_missing_is_named(tmp_path: Path, environ: dict[str, str], said: str) -> None:
    pytest.importorskip("duckdb_extension_httpfs", reason="the extra lake is not installed")
    lake = Lake("dbname=jzedu", "s3://jzedu/warehouse/", tmp_path)
    with pytest.raises(LakeFailed, match=said) as told:
        lake.statements(read_only=True, environ=environ)
    assert "hush" not in str(told.value)


def test_the_file_needs_nothing_of_a_lake(tmp_path: Path) -> None:
    """The default imports no driver of PostgreSQL, no extension, and nothing that speaks with a bucket."""
    code = (
        "import sys; from pathlib import Path; from flows.run import Run;"
        " from flows.settings import Settings\n"
        "with Run.open(Settings(home=Path(sys.argv[1]))): pass\n"
        "print([n for n in sys.modules if n.startswith(('psycopg', 'duckdb_extension', 'botocore', 'warehouse.bucket', 'warehouse.objects', 'warehouse.publication.uploaded'))])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "home")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
