"""The nightly and the backfill flow: the same steps over different sets of submissions.

Each step is a Prefect task that calls one plain function of :mod:`flows.steps` and gives back
small facts. The flows run the same with a Prefect server and without one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.environment import quiet

quiet()

from prefect import flow, task  # noqa: E402
from prefect.cache_policies import NO_CACHE  # noqa: E402

from flows import steps  # noqa: E402
from flows.after.artifacts import leave_rehearsal  # noqa: E402
from flows.after.hooks import patience, went_well, went_wrong  # noqa: E402
from flows.dry_run import rehearse  # noqa: E402
from flows.language import told  # noqa: E402
from flows.lock import no_writer, only_writer  # noqa: E402
from flows.permissions import keep_private  # noqa: E402
from flows.progress import Steps  # noqa: E402
from flows.run import (  # noqa: E402
    AT_TERMINAL,
    CORRECT_REQUEST,
    OPENED_AHEAD,
    Opened,
    Run,
    StepFailed,
    definitions_of,
    folders_to_try,
    named,
)
from flows.service.tls import share_contexts  # noqa: E402
from flows.settings import Settings, load_settings  # noqa: E402
from flows.sources.model import Pulled  # noqa: E402
from transforms.names import shown as show_name  # noqa: E402
from transforms.texts import Text  # noqa: E402
from transforms.validation import placed  # noqa: E402
from warehouse.ledger.ingest import Ingested  # noqa: E402
from warehouse.ledger.store import Scope  # noqa: E402
from warehouse.publication.reader import open_publication  # noqa: E402
from warehouse.publication.reader.runs import read_handed  # noqa: E402
from warehouse.publication.release import DATABASE  # noqa: E402

share_contexts()

T = TypeVar("T")


@dataclass(frozen=True)
class Night:
    """What a run did; ``publication_id`` is None where nothing had changed."""

    found: int = 0
    new: int = 0
    waiting: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    submissions: int = 0
    accepted: int = 0
    returned: int = 0
    publication_id: str | None = None
    return_sheets: int = 0
    nothing_to_judge: tuple[str, ...] = ()
    smaller: tuple[str, ...] = ()
    leaps: tuple[str, ...] = ()
    lapsed: tuple[str, ...] = ()
    changes: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class _AsTasks(steps.Doing):
    """The steps that a flow shares with tests, as tasks of Prefect that are shown."""

    shown: Steps

    def do(self, name: str, step: Callable[[Run], T], run: Run) -> T:
        with self.shown.step(name):
            return _do(name, lambda: step(run))

    def begin(self, name: str, step: Callable[[Run], T], run: Run) -> Callable[[], T]:
        def timed() -> T:
            with self.shown.beside(name):
                return step(run)

        future = _as_task(name, timed).submit()
        return lambda: cast(T, future.result())


def _do(name: str, step: Callable[[], T]) -> T:
    """Return what ``step`` gives, done as a task of Prefect of this name."""
    made: T = _as_task(name, step)()
    return made


def _as_task(name: str, step: Callable[[], T]) -> Any:
    """Return ``step`` as a task.

    It has no parameters: Prefect looks through those, object by object, for results of other tasks, and
    for a run with its definitions that takes as long as all else that it does for a task.
    """
    return task(name=name, cache_policy=NO_CACHE)(step)


def _load(found: Opened, shown: Steps) -> Ingested:
    """Load, unless that has begun while Prefect was on its way: then wait for it."""
    if found.load is not None:
        return found.load()
    with shown.step("load", len(found.receipts)) as advance:
        return steps.load_deliveries(found.run, found.receipts, advance)


def _reload(run: Run, scope: Scope, shown: Steps) -> Ingested:
    with shown.step("reload") as advance:
        return steps.reload_deliveries(run, scope, advance)


@flow(name="nightly", validate_parameters=False, on_failure=[went_wrong], on_crashed=[went_wrong])
def nightly(accept_shrink: bool = False) -> dict[str, Any]:
    """Publish the indicators of everything handed in so far, in the home of this process.

    Gives the facts of :class:`Night`.

    Args:
        accept_shrink: Publish even where a whole unit or form vanishes.
    """
    asked = _asked(accept_shrink=accept_shrink)
    with _opened() as (found, shown):
        run = found.run
        run.accept_shrink = asked.accept_shrink
        facts = Night(
            found=found.pulled.found,
            new=len(found.receipts),
            waiting=tuple(map(told, found.pulled.waiting)),
        )
        if not found.has_news:
            night = _told(run, shown, facts)
            went_well(run.settings, shown.seconds, pulled=found.pulled)
        else:
            run.warm_up()
            _do("load", lambda: _load(found, shown))
            fresh = {receipt.sha256 for receipt in found.receipts} | steps.unannounced(run)
            night = _to_the_end(run, shown, facts, {"sha256": fresh}, found.pulled)
    return asdict(night)


@contextmanager
def _opened() -> Iterator[tuple[Opened, Steps]]:
    """Yield the run with what a look at it found: the one that was opened ahead, else one of this block."""
    ahead, shown = OPENED_AHEAD.get(), Steps()
    if ahead is not None:
        yield _do("pull", lambda: ahead), shown  # that was done to see whether Prefect is needed
        return
    settings = load_settings()
    with _writing(settings, shown, "jzedu nightly") as run:
        with shown.step("pull"):
            found = _do("pull", lambda: steps.look(run))
        yield found, shown


@flow(name="backfill", validate_parameters=False, on_failure=[went_wrong], on_crashed=[went_wrong])
def backfill(
    years: Sequence[int],
    regions: Sequence[str] | None = None,
    forms: Sequence[str] | None = None,
    dry_run: bool = False,
    plan: str | None = None,
    accept_shrink: bool = False,
) -> dict[str, Any]:
    """Take what the archive of this process's home holds for some years through the whole way again.

    Gives the facts of :class:`Night`.

    Args:
        years: The statistical years to read again.
        regions: Reporting units, by code or name; none for all of them.
        forms: Forms by their names (kindergarten, school, class …); none for all of them.
        dry_run: Only list what would change in which indicator, and change nothing.
        plan: Judge by this plan file of the home instead of the one in use; in a dry run only.
        accept_shrink: Publish even where a whole unit or form vanishes.
    """
    asked = _asked(
        years=years,
        regions=regions or (),
        forms=forms or (),
        dry_run=dry_run,
        plan=plan,
        accept_shrink=accept_shrink,
    )
    settings = load_settings()
    if asked.plan and not asked.dry_run:
        raise StepFailed(
            "open",
            Text("正式运行时写了规划文件", "a plan file was given for a real run"),
            Text("规划文件只用于试运行。", "Give it with a dry run."),
        )
    scope = _scope(settings, asked)
    shown = Steps()
    if asked.dry_run:
        with no_writer(settings.home, shown.say, patience(settings)):
            rehearsal = rehearse(settings, _plan_to_try(settings, asked.plan), folders_to_try())
            with rehearsal as copy, Run.open(copy) as run:
                run.warm_up()
                loaded = _do("reload", lambda: _reload(run, scope, shown))
                steps.evaluate(run, _AsTasks(shown))
                with shown.step("compare"):
                    changes = _do("compare", lambda: steps.changes(run))
        leave_rehearsal(changes)
        return asdict(Night(new=loaded.deliveries, changes=[asdict(c) for c in changes]))
    with _writing(settings, shown, "jzedu backfill") as run:
        run.accept_shrink = asked.accept_shrink
        run.warm_up()
        loaded = _do("reload", lambda: _reload(run, scope, shown))
        read = {"years": scope.years, "regions": scope.regions, "forms": scope.forms}
        night = _to_the_end(run, shown, Night(new=loaded.deliveries), read)
    return asdict(night)


class _Asked(BaseModel):
    """What a run was asked to do. A server hands on whatever somebody wrote into it: all is checked."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    years: tuple[Annotated[int, Field(ge=2000, le=2100)], ...] = ()
    regions: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    dry_run: bool = False
    plan: str | None = None
    accept_shrink: bool = False


def _asked(**parameters: object) -> _Asked:
    try:
        asked = _Asked.model_validate(parameters)
    except ValidationError as error:
        raise StepFailed("open", placed(error.errors()[0]), CORRECT_REQUEST) from None
    if "years" in parameters and not asked.years:
        raise StepFailed("open", Text("没有写年份", "no years were named"), CORRECT_REQUEST)
    return asked


def _plan_to_try(settings: Settings, plan: str | None) -> Path | None:
    """Return the plan file of a dry run: from a terminal any, from a server one that lies in the home."""
    if not plan:
        return None
    if AT_TERMINAL.get():
        return Path(plan)
    home = settings.home.resolve()
    file = (home / plan).resolve()
    if not file.is_relative_to(home):
        raise StepFailed(
            "open",
            Text(
                f"规划文件 {show_name(plan)} 不在 {home} 中",
                f"the plan file {show_name(plan)} does not lie in {home}",
            ),
            Text(
                "请放到那里，或在终端试算：jzedu backfill --dry-run --plan。",
                "Put it there, or try it from a terminal: jzedu backfill --dry-run --plan.",
            ),
        )
    return file


@contextmanager
def _writing(settings: Settings, shown: Steps, doing: str) -> Iterator[Run]:
    """Yield the only run that writes to the home; what it writes is nobody else's to read."""
    keep_private()
    waiting = patience(settings)
    with (
        only_writer(settings.home, shown.say, waiting, doing),
        Run.open(settings, shown.say, waiting) as run,
    ):
        yield run


def _scope(settings: Settings, asked: _Asked) -> Scope:
    """Return what is to be read again; units are named by code, name or alias."""
    with named("open"):
        defined = definitions_of(settings)
    codes = []
    for form in asked.forms:
        if form not in defined.forms:
            known = ", ".join(defined.forms)
            raise StepFailed(
                "open",
                Text(
                    f"没有报表 {show_name(form)}；报表有：{known}",
                    f"no form {show_name(form)}; there are {known}",
                ),
                CORRECT_REQUEST,
            )
    for word in asked.regions:
        code = defined.reference.unit_of(word)
        if code is None:
            raise StepFailed(
                "open",
                Text(f"没有报送单位 {show_name(word)}", f"no reporting unit {show_name(word)}"),
                Text(
                    "请写 regions.csv 中单位的代码或名称。",
                    "Name units of regions.csv, by code or name.",
                ),
            )
        codes.append(code)
    return Scope(asked.years, tuple(codes), asked.forms)


def _told(run: Run, shown: Steps, facts: Night) -> Night:
    """``facts`` with what is damaged in the archive, which is said."""
    damaged = tuple(map(told, run.damaged))
    for sentence in damaged:
        shown.say(sentence)
    return replace(facts, damaged=damaged)


def _to_the_end(
    run: Run,
    shown: Steps,
    facts: Night,
    read: Mapping[str, Collection[Any]],
    pulled: Pulled | None = None,
) -> Night:
    """Go from loaded rows to return sheets and publication, and who hears of it.

    ``facts`` is what is known of the run so far, ``read`` narrows the submissions of the
    publication to those of this run (:func:`warehouse.publication.reader.runs.read_handed`).
    """
    sheets, imprint = steps.finish(run, _AsTasks(shown))
    publication_id = imprint.publication_id if imprint else None
    with open_publication(run.settings.published / DATABASE) as reader:
        handed = read_handed(reader, **read)
    for problem in went_well(
        run.settings,
        shown.seconds,
        handed,
        publication_id,
        sheets,
        pulled,
    ):
        shown.say(told(problem))
    return replace(
        _told(run, shown, facts),
        submissions=run.loaded.submissions,
        accepted=run.loaded.accepted,
        returned=run.loaded.returned,
        publication_id=publication_id,
        return_sheets=len(sheets),
        nothing_to_judge=tuple(check.clause_id for check in run.idle),
        smaller=tuple(map(told, run.comparison.smaller)),
        leaps=tuple(map(told, run.comparison.leaps)),
        lapsed=tuple(told((lapsed.message_zh, lapsed.message_en)) for lapsed in run.lapsed),
    )
