"""What follows a run: log lines and artifacts in Prefect, metrics, notifications.

A run has done its work when this begins. What goes wrong here is said, and fails nothing.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from flows.after.artifacts import handed_line, leave, listed
from flows.after.metrics import LastRun, write_metrics
from flows.after.notify import failed, has_channels, of_run, of_sources, send, waiting
from flows.after.reminders import remind
from flows.lock import Patience
from flows.run import CORRECT_REQUEST, StepFailed
from flows.settings import NotifySettings, Settings, SettingsError, load_settings
from flows.sources.model import Pulled
from flows.step_errors import cause_of
from transforms.china import CHINA
from transforms.definitions import DefinitionError
from transforms.names import SENTENCE, shown
from transforms.texts import Text, ToldInBoth, said_by_system, same
from warehouse.publication.reader import open_publication
from warehouse.publication.reader.runs import Handed, read_revisions, turned
from warehouse.publication.release import DATABASE
from warehouse.publication.revisions import Revision
from warehouse.storage import StorageFailed

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun, State


def went_well(
    settings: Settings,
    seconds: Mapping[str, float],
    handed: Sequence[Handed] = (),
    publication_id: str | None = None,
    sheets: Sequence[Path] = (),
    pulled: Pulled | None = None,
) -> list[Text]:
    """Tell of a run that did what it should; called in its flow. Gives what went wrong in telling.

    ``seconds`` is the time of each step, ``handed`` what was read, ``publication_id`` the new
    publication or None, ``sheets`` the return sheets written, ``pulled`` what a look at the sources
    gave, where the run had one.
    """
    from httpx import HTTPError
    from prefect.exceptions import PrefectException
    from prefect.logging import get_run_logger

    log = get_run_logger()
    # One record each: Prefect's server takes a millisecond for one, which the end of a run waits for.
    if pulled and pulled.waiting:
        left = [f"left for now: {shown(sentence.en, SENTENCE)}" for sentence in pulled.waiting]
        log.warning("%s", listed(left))
    if handed:
        log.info("%s", listed([handed_line(one) for one in handed]))
    turns: list[Revision] = []
    if publication_id:
        with open_publication(settings.published / DATABASE) as reader:
            turns = turned(read_revisions(reader, publication_id))
    sources = pulled.sources if pulled else ()
    problems = _measure(settings, LastRun(True, datetime.now(UTC), seconds, sources))
    problems += tell_of_sources(settings, pulled) if pulled else []
    if handed or publication_id:
        try:
            leave(settings.published, handed, turns, sheets)
        except (HTTPError, PrefectException) as error:
            kind = type(error).__name__
            problems.append(
                Text(
                    f"这次运行的表没有记录下来（{kind}）",
                    f"the run's tables could not be recorded ({kind})",
                )
            )
    report = settings.published / "report" / "index.html"
    problems += send(settings.notify, of_run(handed, turns, settings.outbox, report))
    problems += _remind(settings)
    for problem in problems:
        log.warning(problem.en)
    return problems


def _remind(settings: Settings) -> list[Text]:
    """Remind the units of what they lack, where that was asked for; gives what went wrong."""
    if "reminder" not in settings.notify.on or not has_channels(settings.notify):
        return []
    try:
        return remind(settings, datetime.now(CHINA).date())[1]
    except (DefinitionError, OSError, StorageFailed, duckdb.Error) as error:
        why = cause_of(error).reason
        return [Text(f"没有能提醒各单位：{why.zh}", f"the units could not be reminded: {why.en}")]


def quiet_night(settings: Settings, pulled: Pulled) -> list[Text]:
    """Tell of a night without news, without Prefect. Gives what went wrong in telling."""
    run = LastRun(True, datetime.now(UTC), sources=pulled.sources)
    return _measure(settings, run) + tell_of_sources(settings, pulled) + _remind(settings)


def patience(settings: Settings) -> Patience:
    """Return how long a run waits for another before somebody is told, and how."""

    def tell(sentence: str) -> None:
        send(settings.notify, [waiting(sentence)])

    return Patience(settings.waiting_minutes * 60, tell)


def tell_of_sources(settings: Settings, pulled: Pulled) -> list[Text]:
    """Notify of sources that failed and files that were refused; of each once, until it is gone.

    ``JZEDU_HOME/sources/.told.json`` remembers what somebody has been told.
    """
    file = settings.home / "sources" / ".told.json"
    try:
        told = set(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        told = set()
    # Known by the English wording, whatever the Chinese one was when somebody was told.
    now = {shown(one.en, SENTENCE): one for one in (*pulled.failed, *pulled.refused)}
    fresh = [sentence for known, sentence in now.items() if known not in told]
    problems = send(settings.notify, [of_sources(fresh)]) if fresh else []
    if not problems and set(now) != told:
        try:
            file.parent.mkdir(mode=0o700, exist_ok=True)
            file.write_text(json.dumps(list(now), ensure_ascii=True), "ascii")
        except OSError as error:
            problems.append(said_by_system(error).at(file))
    return problems


def went_wrong(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tell that a run failed or crashed: a hook for ``on_failure`` and ``on_crashed``."""
    from prefect.logging.loggers import flow_run_logger

    if state.is_crashed() and flow_run.deployment_id is None:
        return  # stopped by hand at a terminal, where somebody knows
    refusal = _refused(flow, flow_run) if state.is_crashed() else None
    if flow_run.parameters.get("dry_run"):
        return  # a rehearsal touches nothing, and whoever asked for it waits for the answer
    error = refusal or (state.result(raise_on_failure=False) if state.is_failed() else None)
    published = getattr(error, "published", False) is True
    notices = [failed(flow.name, _reason(error, state.message), published=published)]
    try:
        settings = load_settings()
    except SettingsError:
        # The environment may still say whom to tell that the settings cannot be read.
        problems = send(NotifySettings(), notices)
    else:
        problems = _measure(settings, LastRun(False, datetime.now(UTC)))
        problems += send(settings.notify, notices)
    for problem in problems:
        flow_run_logger(flow_run, flow).warning(problem.en)


def _reason(error: object, message: str | None) -> Text:
    """Return why a run failed: by its ``error``, else by the ``message`` of its state."""
    if isinstance(error, ToldInBoth):
        return error.text
    if isinstance(error, Exception) or message:
        return same(error if isinstance(error, Exception) else message)
    return Text("原因不明", "no reason is known")


def _refused(flow: Flow[..., Any], flow_run: FlowRun) -> StepFailed | None:
    """Record, and give, why a run came to nothing that was given what its flow does not know.

    Prefect ends such a run before the flow begins, and says no more of it than that its process ended.
    The form of a deployment offers nothing of the kind; what somebody wrote into the server may.
    """
    from prefect.client.orchestration import get_client
    from prefect.states import Failed

    known = inspect.signature(flow.fn).parameters
    unknown = [name for name in flow_run.parameters if name not in known]
    if not unknown:
        return None
    reason = Text(
        f"{flow.name} 不接受这些，只接受 {'、'.join(known)}",
        f"{flow.name} is given no such thing, only {', '.join(known)}",
    ).at(", ".join(unknown))
    refusal = StepFailed("open", reason, CORRECT_REQUEST)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(flow_run.id, Failed(message=str(refusal)), force=True)
    return refusal


def _measure(settings: Settings, run: LastRun) -> list[Text]:
    try:
        write_metrics(settings, run)
    except (OSError, duckdb.Error) as error:
        why = cause_of(error).reason
        return [Text(f"监控指标写不出来：{why.zh}", f"the metrics could not be written: {why.en}")]
    return []
