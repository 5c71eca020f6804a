"""Great Expectations behind one small face: run suites inside DuckDB, give rows back.

Importing Great Expectations takes seconds. It therefore lives in a child process that imports it
while others read files, and answers orders one line at a time (:class:`Engine`); nothing else in
the project imports it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

from transforms.importing import no_collecting
from transforms.texts import Text, ToldInBoth, joined, same
from warehouse.priority import of_what_can_wait
from warehouse.workers.warm import ForkedChild, Warm, end_with_the_run, forked_with_pipes

#: A process that has Great Expectations imported, for the runs of a service.
WARM_ENGINE = Warm(
    "JZEDU_WARM_ENGINE",
    "expectations.engine.import_library",
    "expectations.engine.answer_orders",
    {"GX_ANALYTICS_ENABLED": "false", "PYTHONIOENCODING": "utf-8"},
)
#: Seconds that one order may take, the import of Great Expectations included.
PATIENCE = 1800


class EngineStopped(ToldInBoth):
    """The child did not answer in time, and was ended."""


class CheckFailed(ToldInBoth):
    """A check could not be carried out: neither kept nor broken, the run has to stop."""


class EngineEnded(CheckFailed):
    """The process of Great Expectations ended before it had answered.

    ``killed``: something from outside ended it, which is no fault of a definition.
    """

    def __init__(self, when: Text, code: int, last_words: str) -> None:
        self.killed = code < 0
        if self.killed:
            sent = f"{-code}, {_signal(-code)}"
            how = Text(
                f"{when.zh}就被外部结束（信号 {sent}），多半是内存不够、被系统结束",
                f"was ended from outside {when.en} (signal {sent}), most likely by the system because"
                " memory ran short",
            )
        else:
            how = Text(
                f"{when.zh}就结束了（代码 {code}{f'：{last_words}' if last_words else ''}）",
                f"ended {when.en} (code {code}{f': {last_words}' if last_words else ''})",
            )
        super().__init__(f"Great Expectations {how.zh}", f"Great Expectations {how.en}")


#: When the process ended.
_UNASKED = Text("还没有收到要求", "before it was asked")
UNANSWERED = Text("没有给出结果", "without an answer")


@dataclass(frozen=True)
class Expectation:
    """That ``query`` over ``{batch}`` gives no row; ``description`` says so in words."""

    name: str
    query: str
    description: str


#: So much of what a child says before it ends is looked at (bytes).
_LAST_WORDS = 4096

#: For every expectation of a suite the rows that break it.
Broken = dict[str, list[dict[str, Any]]]


class Engine:
    """A child process with Great Expectations loaded, ready for :meth:`run`.

    The child starts to import at once and beside us, or is forked from one that has imported
    (:mod:`warehouse.workers.warm`); it ends with the ``with`` block, or when
    this process does. One order may take ``patience`` seconds in all, whatever holds it up. Several threads may have
    it run suites: one order follows another.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._turn = threading.Lock()
        with ExitStack() as stack:
            self._said = stack.enter_context(tempfile.TemporaryFile())
            self._opened = stack.pop_all()
        self._child: ForkedChild | subprocess.Popen[str] = forked_with_pipes(
            WARM_ENGINE, self._said
        ) or subprocess.Popen(
            [sys.executable, "-m", "expectations.engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            encoding="utf-8",
            env={**os.environ, **WARM_ENGINE.environment},
        )
        self._opened.callback(self._end)

    def run(
        self,
        database: Path,
        table: str,
        suites: Mapping[str, Sequence[Expectation]],
    ) -> dict[str, Broken]:
        """Run ``suites`` (by name) with ``table`` of ``database`` as ``{batch}``.

        No other connection may have the file open meanwhile.

        Raises:
            CheckFailed: an expectation crashed or gave no whole answer, or the child ended.
            EngineStopped: it took too long.
        """
        order = {
            "database": str(database),
            "table": table,
            "suites": {
                name: [asdict(expectation) for expectation in expectations]
                for name, expectations in suites.items()
                if expectations
            },
        }
        with self._turn:
            answer = self._within(lambda: self._answer(order))
        if answer["failed"]:
            raise CheckFailed(*_all_of(answer["failed"]))
        broken: dict[str, Broken] = {name: {} for name in suites}
        for suite, name, rows in answer["broken"]:
            broken[suite][name] = rows
        for suite, expectations in suites.items():
            missing = {expectation.name for expectation in expectations} - set(broken[suite])
            if missing:
                raise CheckFailed(
                    f"Great Expectations 没有给出 {suite} 中这些的结果：{'、'.join(sorted(missing))}",
                    f"Great Expectations gave no result for {suite}: {', '.join(sorted(missing))}",
                )
        return broken

    def begin_docs(self, folder: Path) -> Callable[[], None]:
        """Have the Data Docs of everything this engine has run written into ``folder``, the last that it does.

        What is given waits until they are there, and ends the child: it takes 200 MB.

        Raises:
            CheckFailed: they could not be written, or the child ended.
            EngineStopped: it took too long.
        """
        self._say({"docs": str(folder)})

        def written() -> None:
            if failed := self._within(self._line)["failed"]:
                why = _all_of(failed)
                raise CheckFailed(
                    f"Data Docs 写不出来：{why.zh}", f"the Data Docs could not be written: {why.en}"
                )
            self.close()

        return written

    def _within(self, answered: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what ``answered`` gives within the time that an order may take."""
        # A child that stands still takes nothing from its pipe and puts nothing into it.
        overdue = threading.Event()

        def end() -> None:
            overdue.set()
            self._child.kill()

        watch = threading.Timer(self.patience, end)
        watch.daemon = True
        watch.start()
        try:
            return answered()
        except CheckFailed:
            if overdue.is_set():
                raise EngineStopped(
                    f"Great Expectations 在 {self.patience:g} 秒内没有给出结果，已被结束",
                    f"Great Expectations gave no answer within {self.patience:g} seconds and was ended",
                ) from None
            raise
        finally:
            watch.cancel()

    def _answer(self, order: dict[str, Any]) -> dict[str, Any]:
        self._say(order)
        return self._line()

    def _say(self, order: dict[str, Any]) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(order) + "\n")
            self._child.stdin.flush()
        except OSError:
            raise self._ended(_UNASKED) from None

    def _line(self) -> dict[str, Any]:
        """Return the next line that the child says."""
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line.endswith("\n"):
            raise self._ended(UNANSWERED)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ended(self, when: Text) -> EngineEnded:
        code = self._child.wait()
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - _LAST_WORDS))
        words = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return EngineEnded(when, code, words[-1] if words else "")

    def close(self) -> None:
        """End the child, whatever it is doing; once it has ended nothing is done."""
        self._opened.close()

    def _end(self) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._child.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _all_of(failed: Sequence[Sequence[str]]) -> Text:
    """Return what the child says, which comes as pairs of wordings."""
    return joined(Text(*pair) for pair in failed)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def import_library() -> None:
    """Import Great Expectations, as far as it is used here."""
    _leave_out()
    with no_collecting():
        import duckdb_sqlalchemy  # noqa: F401 - which it imports with its first database
        import great_expectations  # noqa: F401


def answer_orders() -> None:
    """Answer one order a line until there are no more."""
    threading.Thread(target=end_with_the_run, daemon=True).start()
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    import_library()
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    expectation = _expectation()
    later = of_what_can_wait()

    def say(make: Callable[[], dict[str, Any]]) -> None:
        try:
            answer = make()
        except Exception as error:  # whatever it is, the run must hear of it and stop
            answer = {"broken": [], "failed": [same(f"{type(error).__name__}: {error}")]}
        print(json.dumps(answer, default=str), file=answers, flush=True)

    for number, line in enumerate(sys.stdin):
        order, source = json.loads(line), f"source_{number}"
        if "docs" in order:
            # The run waits for them last: they give way to all else that it does.
            os.setpriority(os.PRIO_PROCESS, 0, later)
            say(lambda: _write_docs(context, order["docs"]))  # noqa: B023 - called at once
        else:
            say(lambda: _carry_out(context, expectation, source, order))  # noqa: B023


class _LeftOut(ModuleType):
    """A module of which nothing is used; should anything be, that is an error and says so."""

    def __getattr__(self, name: str) -> object:
        raise AttributeError(f"{self.__name__}.{name} is left out of the process of the suites")


def _leave_out() -> None:
    """Spare the process what Great Expectations imports for expectations and stores that are not used here.

    Distributions, charts and clouds are a third of its import.
    """
    if "great_expectations" in sys.modules:
        return
    for name in ("scipy", "scipy.stats", "altair"):
        sys.modules[name] = _LeftOut(name)
    setattr(sys.modules["scipy"], "stats", sys.modules["scipy.stats"])  # noqa: B010 - a module's part
    for name in ("boto3", "botocore"):
        # So it looks as if they were not installed, which Great Expectations is ready for.
        sys.modules[name] = None  # type: ignore[assignment]


def _expectation() -> type[Any]:
    """Return the expectation that every rule is.

    It is Great Expectations' own, which asks each query twice, for its rows and for their number; here
    the rows say how many they are.
    """
    from great_expectations.expectations.core.unexpected_rows_expectation import (
        UnexpectedRowsExpectation,
    )

    class ExpectNoRows(UnexpectedRowsExpectation):
        """That a query gives no row."""

        metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.table",)

        def _validate(self, metrics: dict[str, Any], *_: object, **__: object) -> dict[str, Any]:
            packed = metrics["unexpected_rows_query.table"]
            number = packed[0]["number"] if packed else 0
            found = {"observed_value": number, "details": {"unexpected_rows": packed}}
            return {"success": number == 0, "result": found}

    return ExpectNoRows


def _carry_out(
    context: Any, expectation_type: type[Any], source_name: str, order: dict[str, Any]
) -> dict[str, Any]:
    import great_expectations as gx

    source = context.data_sources.add_sql(
        source_name,
        connection_string=f"duckdb:///{order['database']}",
        # One connection in autocommit, never reset: DuckDB cursors die with their connection.
        kwargs={
            "isolation_level": "AUTOCOMMIT",
            "skip_autocommit_rollback": True,
            "pool_reset_on_return": None,
        },
    )
    asset = source.add_table_asset(order["table"], table_name=order["table"])
    batch = asset.add_batch_definition_whole_table("all")
    failed: list[Text] = []
    broken: list[tuple[str, str, list[dict[str, Any]]]] = []
    for suite_name, expectations in order["suites"].items():
        suite = gx.ExpectationSuite(
            name=suite_name,
            expectations=[
                expectation_type(
                    unexpected_rows_query=_PACKED.format(query=expectation["query"]),
                    description=expectation["description"],
                    meta={"name": expectation["name"]},
                )
                for expectation in expectations
            ],
        )
        definition = gx.ValidationDefinition(
            name=suite_name, data=batch, suite=context.suites.add(suite)
        )
        result = context.validation_definitions.add(definition).run(result_format="COMPLETE")
        for entry in result.results:
            name = entry.expectation_config.meta["name"]
            if crash := _crash(entry.exception_info):
                failed.append(
                    Text(
                        f"检查 {suite_name} {name} 中断：{crash}",
                        f"the check {suite_name} {name} crashed: {crash}",
                    )
                )
                continue
            packed = entry.result["details"]["unexpected_rows"]
            rows = json.loads(packed[0]["rows"]) if packed else []
            if len(rows) != (packed[0]["number"] if packed else 0):
                failed.append(
                    Text(
                        f"检查 {suite_name} {name} 没有给出全部的行",
                        f"the check {suite_name} {name} did not give all its rows",
                    )
                )
            broken.append((suite_name, name, rows))
    # The file belongs to the caller again: each of them keeps a connection of its own.
    source.get_execution_engine().close()
    source.get_engine().dispose()
    return {"broken": broken, "failed": failed}


#: Great Expectations hands over 200 unexpected rows at most; one row that holds all of them is
#: never cut.
_PACKED = """
SELECT to_json(list(broken))::VARCHAR AS rows, count(*) AS number FROM ({query}) AS broken
HAVING count(*) > 0
"""


def _crash(info: dict[str, Any] | None) -> str | None:
    """Return the message of an exception that Great Expectations caught, wherever it tucked it away."""
    if not info:
        return None
    if info.get("raised_exception"):
        return str(info.get("exception_message"))
    for value in info.values():
        if isinstance(value, dict) and value.get("raised_exception"):
            return str(value.get("exception_message"))
    return None


def _write_docs(context: Any, folder: str) -> dict[str, Any]:
    from great_expectations.render.view import view
    from jinja2 import Environment

    from warehouse.cache import compiled_templates

    # Of itself it compiles its templates for each run anew, most of the time that the pages take.
    pages: Any = view
    pages.Environment = partial(Environment, bytecode_cache=compiled_templates("data-docs"))
    context.add_data_docs_site(
        site_name="published",
        site_config={
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": folder,
            },
        },
    )
    context.build_data_docs(site_names=["published"])
    return {"failed": []}


if __name__ == "__main__":
    answer_orders()
