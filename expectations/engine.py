"""Great Expectations behind one small face: run checks inside DuckDB, give rows back.

Importing Great Expectations takes seconds, so that this module is imported late, and in a process
of its own that warms up while others read files (:class:`Engine`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from expectations.suites import Check


class CheckFailed(Exception):
    """A check could not be carried out: neither kept nor broken, the run has to stop."""


Broken = dict[tuple[str, str], list[tuple[str, int]]]


class Engine:
    """A child process with Great Expectations loaded, ready for :meth:`run`.

    The child starts to import at once and beside us; it ends with the ``with`` block, or when
    this process does.
    """

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "expectations.engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "GX_ANALYTICS_ENABLED": "false", "PYTHONIOENCODING": "utf-8"},
        )

    def run(self, database: Path, suites: dict[str, Sequence[Check]]) -> Broken:
        """Run ``suites`` (by name) on the table ``judgement`` of ``database``.

        Gives for every suite and clause the regions and years that break the expectation.

        Raises:
            CheckFailed: a check crashed, met no row, or the child ended.
        """
        order = {
            "database": str(database),
            "suites": {
                name: [
                    {
                        "clause_id": check.clause_id,
                        "query": check.unexpected_rows_query,
                        "description": check.description,
                    }
                    for check in checks
                ]
                for name, checks in suites.items()
            },
        }
        out, err = self._child.communicate(json.dumps(order))
        if self._child.returncode != 0 or not out.strip():
            reason = (err.strip().splitlines() or ["it ended without a word"])[-1]
            raise CheckFailed(f"Great Expectations did not run: {reason}")
        answer: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
        if answer["failed"]:
            raise CheckFailed("; ".join(answer["failed"]))
        broken: Broken = {}
        for suite, clause, rows in answer["broken"]:
            broken[suite, clause] = [(str(region), int(year)) for region, year in rows]
        asked = {(name, check.clause_id) for name, checks in suites.items() for check in checks}
        if set(broken) != asked:
            missing = ", ".join(f"{name} {clause}" for name, clause in sorted(asked - set(broken)))
            raise CheckFailed(f"Great Expectations gave no result for {missing}")
        return broken

    def close(self) -> None:
        """End the child, whatever it is doing."""
        if self._child.poll() is None:
            self._child.kill()
        self._child.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _serve() -> None:
    """What the child does: import, read one order, answer it."""
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.data_context.types.base import ProgressBarsConfig

    order = json.loads(sys.stdin.read())
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_sql(
        "warehouse",
        connection_string=f"duckdb:///{order['database']}",
        # One connection in autocommit, never reset: DuckDB cursors die with their connection.
        kwargs={
            "isolation_level": "AUTOCOMMIT",
            "skip_autocommit_rollback": True,
            "pool_reset_on_return": None,
        },
    )
    batch = source.add_table_asset(
        "judgement", table_name="judgement"
    ).add_batch_definition_whole_table("all")
    failed: list[str] = []
    broken: list[tuple[str, str, list[tuple[str, int]]]] = []
    for name, checks in order["suites"].items():
        if not checks:
            continue
        suite = context.suites.add(
            gx.ExpectationSuite(
                name=name,
                expectations=[
                    gxe.UnexpectedRowsExpectation(
                        unexpected_rows_query=check["query"],
                        description=check["description"],
                        meta={"clause_id": check["clause_id"]},
                    )
                    for check in checks
                ],
            )
        )
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        result = context.validation_definitions.add(definition).run(result_format="COMPLETE")
        for entry in result.results:
            clause = entry.expectation_config.meta["clause_id"]
            if entry.exception_info and entry.exception_info.get("raised_exception"):
                message = entry.exception_info.get("exception_message")
                failed.append(f"the check {name} of clause {clause} crashed: {message}")
                continue
            if any(
                isinstance(v, dict) and v.get("raised_exception")
                for v in (entry.exception_info or {}).values()
            ):
                failed.append(
                    f"the check {name} of clause {clause} crashed: {entry.exception_info}"
                )
                continue
            rows = entry.result["details"]["unexpected_rows"]
            if len(rows) != entry.result["observed_value"]:
                failed.append(f"the check {name} of clause {clause} did not give all its rows")
            broken.append((name, clause, [(row["region_code"], row["year"]) for row in rows]))
    print(json.dumps({"broken": broken, "failed": failed}, default=str))


if __name__ == "__main__":
    _serve()
