"""The nightly flow: pull, load, compute, judge, publish, return; each step a Prefect task.

A task calls one plain function of :mod:`flows.steps` and gives back small facts. The flow runs
the same with a Prefect server and without one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from flows.quiet import quiet

quiet()

from prefect import flow, task  # noqa: E402
from prefect.cache_policies import NO_CACHE  # noqa: E402

from flows import steps  # noqa: E402
from flows.lock import only_writer  # noqa: E402
from flows.progress import Steps  # noqa: E402
from flows.settings import load_settings  # noqa: E402
from flows.sources.folder import Pulled  # noqa: E402
from warehouse.archive import Receipt  # noqa: E402
from warehouse.ingest import Ingested  # noqa: E402
from warehouse.publish import Imprint  # noqa: E402


@dataclass(frozen=True)
class Night:
    """What a night did; ``publication_id`` is None where there was nothing new to publish."""

    found: int
    new: int
    waiting: tuple[str, ...]
    submissions: int
    accepted: int
    returned: int
    publication_id: str | None
    return_sheets: int
    nothing_to_judge: tuple[str, ...]


@task(name="pull", cache_policy=NO_CACHE)
def _pull(run: steps.Run) -> Pulled:
    return steps.pull_inbox(run)


@task(name="load", cache_policy=NO_CACHE)
def _load(run: steps.Run, receipts: list[Receipt], shown: Steps) -> Ingested:
    with shown.step("load", len(receipts)) as advance:
        return steps.load_deliveries(run, receipts, advance)


@task(name="compute", cache_policy=NO_CACHE)
def _compute(run: steps.Run) -> int:
    return steps.compute_indicators(run)


@task(name="judge", cache_policy=NO_CACHE)
def _judge(run: steps.Run) -> int:
    return steps.judge_clauses(run)


@task(name="publish", cache_policy=NO_CACHE)
def _publish(run: steps.Run) -> Imprint:
    return steps.publish(run)


@task(name="return", cache_policy=NO_CACHE)
def _return(run: steps.Run) -> list[str]:
    return [str(path) for path in steps.send_returns(run)]


@flow(name="nightly", validate_parameters=False)
def nightly(home: str | None = None) -> dict[str, object]:
    """Publish the indicators of everything handed in so far.

    ``home`` is the folder that holds inbox, archive, warehouse and publication; without it
    JZEDU_HOME or ./data. Gives the facts of :class:`Night`.
    """
    settings = load_settings(Path(home) if home else None)
    shown = Steps()
    with only_writer(settings.home, shown.say), steps.Run.open(settings) as run:
        with shown.step("pull"):
            pulled = _pull(run)
        receipts = steps.unread(run)
        loaded, imprint, sheets = Ingested(0, 0, 0, 0), None, []
        if receipts or steps.must_publish(run):
            run.warm_up()
            loaded = _load(run, receipts, shown)
            with shown.step("compute"):
                _compute(run)
            with shown.step("judge"):
                _judge(run)
            with shown.step("publish"):
                imprint = _publish(run)
            with shown.step("return"):
                sheets = _return(run)
        night = Night(
            found=pulled.found,
            new=len(receipts),
            waiting=pulled.waiting,
            submissions=loaded.submissions,
            accepted=loaded.accepted,
            returned=loaded.returned,
            publication_id=imprint.publication_id if imprint else None,
            return_sheets=len(sheets),
            nothing_to_judge=tuple(check.clause_id for check in run.idle),
        )
    return asdict(night)
