"""`jzedu approve`, `return`, `release`: the office's decisions, written into the archive.

A decision takes effect with the next run, which is told by it that something has changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flows.permissions import keep_private
from flows.settings import Settings
from transforms.forms import Form
from transforms.names import shown
from warehouse.decisions import (
    Decision,
    Decisions,
    Kept,
    Release,
    Reopening,
    Ruling,
    closed_years,
    now,
    standing_rulings,
)
from warehouse.ledger.store import open_warehouse
from warehouse.place import is_there
from warehouse.publication.reader import Issue, open_publication
from warehouse.publication.reader.office import in_force_of, returned_of
from warehouse.publication.release import DATABASE
from warehouse.reference import Reference
from warehouse.sql import literal

_NAME = re.compile(r"[\w][\w.-]{0,79}")
#: So many forms that were returned are named.
_NAMED = 5


class DecisionRefused(Exception):
    """It cannot be decided like that; the message says why, and the way out."""


@dataclass(frozen=True)
class _Version:
    submission_id: str
    file_name: str
    received_at: datetime


def rule(
    settings: Settings,
    reference: Reference,
    unit: str,
    form: Form,
    year: int,
    *,
    approved: bool,
    reason: str | None,
    decided_as: str,
) -> str:
    """Approve the last accepted version of a form, or return it; give a sentence on what was decided.

    Raises:
        DecisionRefused: nothing accepted is there, or its year is final.
        ArchiveDamaged: an earlier decision was changed.
        WarehouseLocked: a run writes to the warehouse.
    """
    keep_private()
    decisions = Decisions(settings.archive)
    before = decisions.all()
    (name,) = reference.units.filter(region_code=unit)["region_name"]
    said = f"{name} {form.zh} {year}"
    closed = closed_years(before).get(year)
    if closed is not None and not approved:
        raise DecisionRefused(
            f"{year} is final ({closed.name}): open it again first"
            f" (jzedu release {closed.name} --years {year} --reopen --reason …)"
        )
    rulings = standing_rulings(before)
    sent_back = {one for one, ruling in rulings.items() if ruling.decision == "returned"}
    version = _last_accepted(settings, reference, unit, form.name, year, sent_back)
    if version is None:
        raise DecisionRefused(
            f"there is no accepted {said} to decide on; jzedu status lists what has come"
        )
    told = f"{said} ({shown(version.file_name)}, received {version.received_at:%Y-%m-%d %H:%M} UTC)"
    ruled = rulings.get(version.submission_id)
    if approved and ruled is not None and ruled.decision == "approved":
        return f"{told} was approved already, at {ruled.decided_at:%Y-%m-%d %H:%M} UTC"
    decisions.keep(
        Ruling(
            decision="approved" if approved else "returned",
            decided_at=now(),
            decided_as=decided_as,
            region_code=unit,
            form=form.name,
            year=year,
            submission_id=version.submission_id,
            reason=reason,
        )
    )
    return f"{told}: {'approved' if approved else 'returned'}, from the next run on (jzedu nightly)"


def _last_accepted(
    settings: Settings,
    reference: Reference,
    unit: str,
    form: str,
    year: int,
    sent_back: set[str],
) -> _Version | None:
    if not is_there(settings.place):
        return None
    with open_warehouse(settings.place, reference, read_only=True) as connection:
        rows = connection.execute(
            "SELECT submission_id, file_name, received_at FROM submission WHERE accepted"
            f" AND (region_code, form, year) = ({literal(unit)}, {literal(form)}, {year})"
            " ORDER BY received_at DESC, sha256 DESC, entry DESC NULLS LAST, submission_id DESC"
        ).fetchall()
    return next((_Version(*row) for row in rows if row[0] not in sent_back), None)


def declare_final(
    settings: Settings, name: str, years: Sequence[int], *, anyway: bool, decided_as: str
) -> str:
    """Declare the figures of ``years`` final, as they are published; give a sentence on it.

    Raises:
        DecisionRefused: the name or a year cannot be used, decisions are not published yet, or forms were returned
            and ``anyway`` is not set.
        ArchiveDamaged: an earlier decision was changed.
    """
    keep_private()
    decisions = Decisions(settings.archive)
    before = decisions.all()
    _refuse_taken(name, years, before)
    database = settings.published / DATABASE
    if not database.exists():
        raise DecisionRefused("there is no publication to release; run: jzedu nightly")
    with open_publication(database) as reader:
        found = in_force_of(reader, years)
        returned = returned_of(reader, years)
        issue = reader.issue
    empty = [year for year in years if year not in found]
    if empty or issue is None:
        raise DecisionRefused(
            f"nothing is in force for {(empty or list(years))[0]}, so that it cannot be final"
        )
    undone = [one for one in before if not isinstance(one, Kept) and _is_after(one, issue)]
    if undone:
        raise DecisionRefused(
            f"{len(undone)} decisions were made since the last publication and are not in its figures;"
            " run jzedu nightly first"
        )
    submissions = tuple(name for year in years for name in found[year])
    if returned and not anyway:
        some = "; ".join(f"{unit} {form} {year}" for unit, form, year in returned[:_NAMED])
        more = f" and {len(returned) - _NAMED} more" if len(returned) > _NAMED else ""
        raise DecisionRefused(
            f"returned and not corrected yet: {len(returned)} ({some}{more}); add --anyway to"
            " release without them"
        )
    decisions.keep(
        Release(
            decision="released",
            decided_at=now(),
            decided_as=decided_as,
            name=name,
            years=tuple(years),
            publication_id=issue.publication_id,
            submissions=submissions,
            anyway=bool(returned),
        )
    )
    without = f", without {len(returned)} forms that were returned" if returned else ""
    listed = ", ".join(map(str, years))
    return (
        f"{name}: the figures of {listed} are final, from {len(submissions)} submissions{without}"
    )


def _refuse_taken(name: str, years: Sequence[int], before: Sequence[Decision]) -> None:
    """Raise DecisionRefused where the name of a release, or one of its years, cannot be had."""
    if not _NAME.fullmatch(name):
        raise DecisionRefused(
            f"{shown(name)} is no name for a release: use letters, digits, -, _ and . alone"
        )
    if any(isinstance(one, Release) and one.name == name for one in before):
        raise DecisionRefused(f"there is a release {name} already; choose another name")
    closed = closed_years(before)
    if again := sorted(set(years) & set(closed)):
        first = again[0]
        raise DecisionRefused(
            f"{first} is final already ({closed[first].name}); to correct it open it again"
            f" (jzedu release {closed[first].name} --years {first} --reopen --reason …)"
        )


def _is_after(decision: Decision, issue: Issue) -> bool:
    return issue.published_at is not None and decision.decided_at > issue.published_at


def reopen(
    settings: Settings, name: str, years: Sequence[int], *, reason: str, decided_as: str
) -> str:
    """Open ``years`` of the release ``name`` again; give a sentence on it.

    Raises:
        DecisionRefused: a year is not closed by this release.
        ArchiveDamaged: an earlier decision was changed.
    """
    keep_private()
    decisions = Decisions(settings.archive)
    closed = closed_years(decisions.all())
    for year in years:
        if year not in closed or closed[year].name != name:
            by = f"by {closed[year].name}" if year in closed else "at all"
            raise DecisionRefused(f"{year} is not closed by {shown(name)}: it is not closed {by}")
    decisions.keep(
        Reopening(
            decision="reopened",
            decided_at=now(),
            decided_as=decided_as,
            name=name,
            years=tuple(years),
            reason=reason,
        )
    )
    listed = ", ".join(map(str, years))
    return (
        f"{listed}: open again; what came since comes into force with the next run (jzedu nightly)"
    )
