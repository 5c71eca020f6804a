"""The rows of a form that are in force for a unit and year, for those who fill in the next one."""

from __future__ import annotations

import duckdb

from transforms.forms import Form


def rows_in_force(
    connection: duckdb.DuckDBPyConnection, form: Form, region_code: str, year: int
) -> list[dict[str, object]]:
    """Return the rows of ``form`` in force, by the form's columns, in the order of their sheet."""
    names = ", ".join(f'"{name}"' for name in form.by_name)
    rows = connection.execute(
        f'SELECT {names} FROM submitted."{form.name}" SEMI JOIN in_force USING (submission_id)'
        ' WHERE region_code = ? AND year = ? ORDER BY sheet, "row"',
        [region_code, year],
    ).fetchall()
    return [dict(zip(form.by_name, row, strict=True)) for row in rows]
