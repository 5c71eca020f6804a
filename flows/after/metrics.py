"""Metrics of the last run for a monitoring system: ``JZEDU_HOME/metrics/jzedu.prom``.

A Prometheus text file, replaced in one step after every run that may publish, the failed ones too;
node_exporter's textfile collector picks it up. What a run does not know of itself, such as what
stands in the publication, is read from there. docs/operations.md names every metric and the alerts
worth having.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from flows.permissions import hand_out
from flows.settings import Settings
from flows.sources.model import SourceState
from warehouse.publication.reader import open_publication
from warehouse.publication.release import DATABASE
from warehouse.wording import SEVERITIES, SUBMISSION_STATUSES

LAST_SUCCESS = "jzedu_last_success_timestamp_seconds"
SOURCE_READ = "jzedu_source_read"
SOURCE_FILES = "jzedu_source_files"
SOURCE_LEFT = "jzedu_source_left"


@dataclass(frozen=True)
class LastRun:
    """What the metrics say of a run; ``ended`` has a zone, ``seconds`` is the time of each step.

    ``sources`` is empty for a run that looked at none: what was known of them stands.
    """

    succeeded: bool
    ended: datetime
    seconds: Mapping[str, float] = field(default_factory=dict)
    sources: Sequence[SourceState] = ()


def metrics_file(home: Path) -> Path:
    """Return where the metrics of an installation stand."""
    return home / "metrics" / "jzedu.prom"


def write_metrics(settings: Settings, run: LastRun) -> Path:
    """Replace the metrics of ``settings.home`` by those after ``run``; give the file.

    Raises:
        OSError: it cannot be written.
    """
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()

    def gauge(name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=registry)

    ended = run.ended.timestamp()
    gauge("jzedu_build_info", "1, with the version of the program", "version").labels(
        version("jzedu")
    ).set(1)
    gauge("jzedu_last_run_timestamp_seconds", "When the last run ended").set(ended)
    gauge("jzedu_last_run_success", "1 where the last run did what it should, else 0").set(
        run.succeeded
    )
    succeeded = ended if run.succeeded else last_success(settings.home)
    if succeeded is not None:
        gauge(LAST_SUCCESS, "When a run last did what it should").set(succeeded)
    took = gauge("jzedu_step_duration_seconds", "Duration of each step of the last run", "step")
    for step, seconds in run.seconds.items():
        took.labels(step).set(seconds)

    seen = gauge(SOURCE_READ, "1 where the source could be read to its end, else 0", "source")
    files = gauge(SOURCE_FILES, "Files that the source has", "source")
    left = gauge(SOURCE_LEFT, "Sentences on what was left at the source", "source")
    for source in run.sources or last_sources(settings.home):
        seen.labels(source.name).set(source.read)
        files.labels(source.name).set(source.found)
        left.labels(source.name).set(source.left)

    published = settings.published / DATABASE
    if published.exists():
        with open_publication(published) as reader:
            submissions = _whole(reader.counts("submission", "status"), SUBMISSION_STATUSES)
            findings = _whole(reader.counts("finding", "severity"), SEVERITIES)
            last = reader.issue
        by_status = gauge("jzedu_submissions", "Submissions in the publication", "status")
        for status, number in submissions.items():
            by_status.labels(status).set(number)
        by_severity = gauge("jzedu_findings", "Findings in the publication", "severity")
        for severity, number in findings.items():
            by_severity.labels(severity).set(number)
        if last is not None and last.published_at is not None:
            gauge("jzedu_publication_timestamp_seconds", "When the publication was made").set(
                last.published_at.replace(tzinfo=UTC).timestamp()
            )

    return _put(metrics_file(settings.home), generate_latest(registry))


def _put(file: Path, content: bytes) -> Path:
    """Put ``content`` at ``file`` in one step, open by then to whoever may read it; give the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(content)
    hand_out(file.parent)
    part.replace(file)
    return file


def last_success(home: Path) -> float | None:
    """Return when a run last did what it should, in seconds since 1970; None where that is not known."""
    return next((value for _, value in _last(home, LAST_SUCCESS)), None)


def last_sources(home: Path) -> list[SourceState]:
    """Return what the last run that looked at the sources found of each; empty where that is not known."""
    read = {labels["source"]: bool(value) for labels, value in _last(home, SOURCE_READ)}
    files = {labels["source"]: int(value) for labels, value in _last(home, SOURCE_FILES)}
    left = {labels["source"]: int(value) for labels, value in _last(home, SOURCE_LEFT)}
    return [SourceState(n, read[n], files.get(n, 0), left.get(n, 0)) for n in read]


def _last(home: Path, metric: str) -> list[tuple[dict[str, str], float]]:
    """Return the samples of ``metric`` that the last run left, with their labels."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        text = metrics_file(home).read_text("utf-8")
        return [
            (sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            if family.name == metric
            for sample in family.samples
        ]
    except (OSError, ValueError):
        return []  # before the first run, or somebody else's file: not known


def _whole(counts: Mapping[str, int], known: Iterable[str]) -> dict[str, int]:
    """Return counts with 0 for each ``known`` value without one, so that no series vanishes."""
    return {**dict.fromkeys(known, 0), **counts}
