"""Put the database, datasets, charts and dashboard of `bundle/` into Superset, in one command.

    python load.py data/published/indicators.duckdb [--user admin]
    python load.py s3://bucket/prefix/indicators.duckdb
    python load.py "ducklake:postgres:dbname=jzedu host=db user=reader"

The publication is a file of this machine, the DuckDB file on S3-compatible storage, or the schema `published` of a
DuckLake; what the latter two need is in jzedu_attached.py. Run it with the Python and the environment of your Superset (SUPERSET_CONFIG_PATH and so on), on the
machine where Superset runs. Run again, it brings everything back to what the bundle says.

The columns of a dataset, their types and their wording are not in the bundle: they are read out of
the publication, whose comments are their one definition. So the bundle follows a plan with other
indicators by itself.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import duckdb
import yaml
from jzedu_attached import ARGUMENT, is_address, open_publication, schema_of

BUNDLE = Path(__file__).with_name("bundle")
#: Between what a comment says in Chinese and in English.
_LANGUAGES = " / "
#: A short name ends where a comment goes on to explain; a few characters in brackets are a unit.
_EXPLAINING = re.compile(r"[:,;：，；]|\([^)]{5,}\)")


def contents(publication: Path | str) -> dict[str, str]:
    """Return the files of an assets import by their names, for the publication at this path or address.

    Raises duckdb.Error where it is no publication, or has not the tables of the bundle.
    """
    files = {}
    with opened(publication) as connection:
        for path in sorted(BUNDLE.rglob("*.yaml")):
            record = yaml.safe_load(path.read_text("utf-8"))
            name = path.relative_to(BUNDLE)
            if name.parts[0] == "databases":
                record |= reached(publication, record["extra"])
            elif name.parts[0] == "datasets":
                record["schema"] = schema_of(str(publication))
                record["columns"] = columns(connection, record)
            files[str(name)] = yaml.safe_dump(record, allow_unicode=True, sort_keys=False)
    files["metadata.yaml"] = "version: 1.0.0\ntype: assets\n"
    return files


def opened(publication: Path | str) -> duckdb.DuckDBPyConnection:
    """Return a connection that reads the publication."""
    if is_address(str(publication)):
        return open_publication(str(publication))
    return duckdb.connect(str(publication), read_only=True)


def reached(publication: Path | str, extra: dict[str, Any]) -> dict[str, Any]:
    """Return what the record of the database says of where the publication is; ``extra`` is for a file."""
    if is_address(str(publication)):
        arguments = {"connect_args": {ARGUMENT: str(publication)}}
        return {
            "sqlalchemy_uri": "duckdb:///:memory:",
            "extra": {**extra, "engine_params": arguments},
        }
    return {"sqlalchemy_uri": f"duckdb:///{Path(publication).resolve()}", "extra": extra}


def columns(
    connection: duckdb.DuckDBPyConnection, dataset: dict[str, Any]
) -> list[dict[str, object]]:
    """Return the columns of a dataset as Superset wants them, worded as the publication words them."""
    comments: dict[str, str] = {}
    for table, column, comment in worded(connection):
        if table == dataset["table_name"]:
            comments[column] = comment or ""
        else:
            comments.setdefault(column, comment or "")
    query = dataset.get("sql") or f"FROM {dataset['table_name']}"
    described = connection.execute(f"DESCRIBE {query}").fetchall()
    return [
        {
            "column_name": column,
            "verbose_name": short(comments.get(column, "")) or column,
            "description": comments.get(column, ""),
            "type": kind,
            "is_dttm": kind.startswith("TIMESTAMP"),
            "is_active": True,
            "groupby": True,
            "filterable": True,
        }
        for column, kind, *_ in described
    ]


def worded(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """Return all columns of tables and views with their comments, by table and column."""
    found = connection.execute(
        "SELECT table_name, column_name, comment FROM duckdb_columns()"
        " WHERE (database_name, schema_name) = (current_database(), current_schema())"
        " AND NOT internal ORDER BY table_name"
    ).fetchall()
    if any(table == "view_column" for table, _, _ in found):
        # A lake, which keeps no comments on the columns of views.
        of_views = connection.execute("SELECT view_name, column_name, comment FROM view_column")
        commented = {(table, column): comment for table, column, comment in of_views.fetchall()}
        found = [(t, c, comment or commented.get((t, c))) for t, c, comment in found]
    return found


def short(comment: str) -> str:
    """Return the Chinese name that a comment begins with."""
    chinese, _, _ = comment.partition(_LANGUAGES)
    return _EXPLAINING.split(chinese)[0].strip()


def main() -> int:
    """Load the bundle; 0 when it is in, 1 when it could not be loaded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "publication",
        help="the published file indicators.duckdb, or its address: s3://…, ducklake:postgres:…",
    )
    parser.add_argument("--user", default="admin", help="the Superset user who will own it all")
    asked = parser.parse_args()
    try:
        files = contents(asked.publication)
    except duckdb.Error as error:
        first = str(error).strip().splitlines()[0]
        print(f"{asked.publication} cannot be used as a publication: {first}", file=sys.stderr)
        return 1
    return load(files, asked.user)


def load(files: dict[str, str], username: str) -> int:
    """Import ``files`` into the Superset of this environment."""
    from superset.app import create_app

    with create_app().app_context():
        # Superset's modules can only be imported within its application.
        from superset import security_manager
        from superset.commands.exceptions import CommandException
        from superset.commands.importers.v1.assets import ImportAssetsCommand
        from superset.utils.core import override_user

        user = security_manager.find_user(username=username)
        if user is None:
            print(f"Superset has no user {username}; name one with --user.", file=sys.stderr)
            return 1
        with override_user(user):
            try:
                ImportAssetsCommand(files).run()
            except CommandException as error:
                print(f"Superset refused the bundle: {error}", file=sys.stderr)
                return 1
    print("Loaded. The dashboard is at /superset/dashboard/jzedu/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
