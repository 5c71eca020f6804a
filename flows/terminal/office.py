"""`jzedu approve`, `return`, `release`: the office's decisions, written into the archive.

A decision takes effect with the next run, which is told by it that something has changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flows.language import Words, told
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

_WORDS = Words(
    of=("{unit}{year}年{form}", "{unit} {form} {year}"),
    is_final=(
        "{year} 年已定稿（{name}）：请先重新开放"
        "（jzedu release {name} --years {year} --reopen --reason …）",
        "{year} is final ({name}): open it again first"
        " (jzedu release {name} --years {year} --reopen --reason …)",
    ),
    nothing_accepted=(
        "没有已接收的{what}可以决定；jzedu status 列出报来的内容",
        "there is no accepted {what} to decide on; jzedu status lists what has come",
    ),
    version=(
        "{what}（{file}，{time} 收到，世界时）",
        "{what} ({file}, received {time} UTC)",
    ),
    approved_already=(
        "{version}已于 {time}（世界时）批准",
        "{version} was approved already, at {time} UTC",
    ),
    approved=(
        "{version}：已批准，从下次运行（jzedu nightly）起生效",
        "{version}: approved, from the next run on (jzedu nightly)",
    ),
    returned=(
        "{version}：已退回，从下次运行（jzedu nightly）起生效",
        "{version}: returned, from the next run on (jzedu nightly)",
    ),
    nothing_published=(
        "还没有发布，无从定稿；请运行：jzedu nightly",
        "there is no publication to release; run: jzedu nightly",
    ),
    nothing_in_force=(
        "{year} 年没有在用的报送，不能定稿",
        "nothing is in force for {year}, so that it cannot be final",
    ),
    not_in_figures=(
        "上次发布之后又作了 {count} 项决定，还没有计入数字；请先运行 jzedu nightly",
        "{count} decisions were made since the last publication and are not in its figures;"
        " run jzedu nightly first",
    ),
    form=("{unit}{year}年{form}", "{unit} {form} {year}"),
    and_then=("；", "; "),
    more=("，等", " and {count} more"),
    not_corrected=(
        "{count} 张报表退回后还没有改正（{some}{more}）；要不等它们就定稿，请加 --anyway",
        "returned and not corrected yet: {count} ({some}{more}); add --anyway to release"
        " without them",
    ),
    without=("，不含 {count} 张退回的报表", ", without {count} forms that were returned"),
    listed=("、", ", "),
    final=(
        "{name}：{years} 年的数字已定稿，取自 {count} 份报送{without}",
        "{name}: the figures of {years} are final, from {count} submissions{without}",
    ),
    no_name=(
        "{name} 不能作定稿的名称：只用字母、数字和 -、_、.",
        "{name} is no name for a release: use letters, digits, -, _ and . alone",
    ),
    taken=(
        "已有名为 {name} 的定稿；请换一个名称",
        "there is a release {name} already; choose another name",
    ),
    final_already=(
        "{year} 年已定稿（{name}）；要更正请重新开放"
        "（jzedu release {name} --years {year} --reopen --reason …）",
        "{year} is final already ({name}); to correct it open it again"
        " (jzedu release {name} --years {year} --reopen --reason …)",
    ),
    closed_by=(
        "{year} 年不是由 {name} 定稿的，而是由 {other}",
        "{year} is not closed by {name}: it is closed by {other}",
    ),
    not_closed=(
        "{year} 年没有定稿，不需要由 {name} 重新开放",
        "{year} is not closed by {name}: it is not closed at all",
    ),
    open_again=(
        "{years} 年：已重新开放；此后报来的从下次运行（jzedu nightly）起生效",
        "{years}: open again; what came since comes into force with the next run (jzedu nightly)",
    ),
)

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
    said = described(name, form, year)
    closed = closed_years(before).get(year)
    if closed is not None and not approved:
        raise DecisionRefused(_WORDS("is_final", year=year, name=closed.name))
    rulings = standing_rulings(before)
    sent_back = {one for one, ruling in rulings.items() if ruling.decision == "returned"}
    version = _last_accepted(settings, reference, unit, form.name, year, sent_back)
    if version is None:
        raise DecisionRefused(_WORDS("nothing_accepted", what=said))
    this = _WORDS(
        "version", what=said, file=shown(version.file_name), time=_minute(version.received_at)
    )
    ruled = rulings.get(version.submission_id)
    if approved and ruled is not None and ruled.decision == "approved":
        return _WORDS("approved_already", version=this, time=_minute(ruled.decided_at))
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
    return _WORDS("approved" if approved else "returned", version=this)


def described(unit: str, form: Form, year: int) -> str:
    """Return a unit's form of a year in words."""
    return _WORDS("of", unit=unit, form=told((form.zh, form.en)), year=year)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


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
        raise DecisionRefused(_WORDS("nothing_published"))
    with open_publication(database) as reader:
        found = in_force_of(reader, years)
        returned = returned_of(reader, years)
        issue = reader.issue
    empty = [year for year in years if year not in found]
    if empty or issue is None:
        raise DecisionRefused(_WORDS("nothing_in_force", year=(empty or list(years))[0]))
    undone = [one for one in before if not isinstance(one, Kept) and _is_after(one, issue)]
    if undone:
        raise DecisionRefused(_WORDS("not_in_figures", count=len(undone)))
    submissions = tuple(name for year in years for name in found[year])
    if returned and not anyway:
        some = _WORDS("and_then").join(
            _WORDS("form", unit=unit, form=form, year=year)
            for unit, form, year in returned[:_NAMED]
        )
        left = len(returned) - _NAMED
        more = _WORDS("more", count=left) if left > 0 else ""
        raise DecisionRefused(_WORDS("not_corrected", count=len(returned), some=some, more=more))
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
    without = _WORDS("without", count=len(returned)) if returned else ""
    listed = _WORDS("listed").join(map(str, years))
    return _WORDS("final", name=name, years=listed, count=len(submissions), without=without)


def _refuse_taken(name: str, years: Sequence[int], before: Sequence[Decision]) -> None:
    """Raise DecisionRefused where the name of a release, or one of its years, cannot be had."""
    if not _NAME.fullmatch(name):
        raise DecisionRefused(_WORDS("no_name", name=shown(name)))
    if any(isinstance(one, Release) and one.name == name for one in before):
        raise DecisionRefused(_WORDS("taken", name=name))
    closed = closed_years(before)
    if again := sorted(set(years) & set(closed)):
        first = again[0]
        raise DecisionRefused(_WORDS("final_already", year=first, name=closed[first].name))


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
            other = closed[year].name if year in closed else ""
            said = "closed_by" if other else "not_closed"
            raise DecisionRefused(_WORDS(said, year=year, name=shown(name), other=other))
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
    return _WORDS("open_again", years=_WORDS("listed").join(map(str, years)))
