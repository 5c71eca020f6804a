"""Reminders: what a unit has not handed in, or has to correct, before and after it is due.

One message a unit, with all that concerns it. What was sent is kept in ``archive/reminders``, an empty file
named by the hash of the unit and its lines: the same is never sent twice, whatever else is lost.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from flows.after.notify import Notice, send
from flows.run import definitions_of
from flows.settings import Settings
from transforms.forms import FORMS
from transforms.names import shown
from transforms.texts import Text
from warehouse.outbox import RETURNED
from warehouse.publication.reader import open_publication
from warehouse.publication.reader.office import handed_in
from warehouse.publication.release import DATABASE
from warehouse.reference import Reference
from warehouse.shelf import ArchivePlace, shelf_at

FOLDER = "reminders"
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
#: For so many days after it was due the unit is told of it.
_LATE_FOR = 365


@dataclass(frozen=True, order=True)
class FormDue:
    """That a form of a unit is missing, or was returned; ``days`` until the last day in time, below 0 when it is over.

    It is told as late from ``late_after`` days behind that day on.
    """

    year: int
    form: str
    last_day: date
    days: int
    returned: bool
    late_after: int = 1

    @property
    def stage(self) -> str:
        """What the unit is told of: that it is due, late, or to be corrected."""
        if self.returned:
            return "returned"
        return "late" if -self.days >= self.late_after else "due"

    @property
    def line(self) -> str:
        """The sentence for the unit."""
        form = f"{self.year}年{FORMS[self.form].zh}"
        what = "已退回, 尚未更正" if self.returned else "尚未报送"
        when = f"应于{self.last_day:%Y-%m-%d}前报送"
        left = f"还有{self.days}天" if self.days >= 0 else f"已逾期{-self.days}天"
        return f"{form}: {what}, {when}, {left}"


@dataclass(frozen=True)
class Reminder:
    """What one unit is told."""

    region_code: str
    region_name: str
    contact: str
    missing: tuple[FormDue, ...]

    @property
    def mark(self) -> str:
        """What makes it the same message: the unit, and what it lacks at which stage; not the day."""
        said = [self.region_code, *(f"{one.year} {one.form} {one.stage}" for one in self.missing)]
        return hashlib.sha256("\n".join(said).encode()).hexdigest()

    def notice(self, outbox: Path) -> Notice:
        """Return it as a message."""
        whom = f"{self.region_name}({self.contact})" if self.contact else self.region_name
        lines = "\n".join(f"- {one.line}" for one in self.missing)
        returned = any(one.returned for one in self.missing)
        answers = sorted((outbox / self.region_code).rglob(f"*{RETURNED}")) if returned else []
        sheets = ""
        if returned:
            named = "".join(f"\n- {shown(file.name)}" for file in answers)
            sheets = f"\n\n退回的原因见随附的退回表（也在 {outbox / self.region_code} 中）：{named}"
        return Notice(
            "reminder",
            f"jzedu: 请{self.region_name}报送 {len(self.missing)} 张报表 / "
            f"{len(self.missing)} forms are due from {self.region_name}",
            f"致{whom}:\n\n{lines}{sheets}",
            to=self.address,
            files=tuple(answers),
        )

    @property
    def address(self) -> str:
        """The e-mail address in the contact, empty where it names none."""
        found = _ADDRESS.search(self.contact)
        return found[0] if found else ""


def reminders(settings: Settings, reference: Reference, today: date) -> list[Reminder]:
    """Return what units lack of the forms that are due within ``days_before`` days, or were in the last year.

    A year goes by the calendar of its forms and needs no submission of anybody to be there.
    """
    states = _states(settings.published / DATABASE)
    by_unit: dict[str, list[FormDue]] = {}
    for unit, form, first, last in reference.expected.iter_rows():
        for year in range(today.year - 2, today.year + 1):
            if year < (first or year) or year > (last or year):
                continue
            if not FORMS[form].deadline.is_open(year, today):
                continue  # nobody can hand it in yet
            day = FORMS[form].deadline.last_day(year)
            days = (day - today).days
            accepted, returned = states.get((unit, form, year), (False, False))
            if not accepted and -_LATE_FOR <= days <= settings.remind.days_before:
                due = FormDue(year, form, day, days, returned, settings.remind.days_after)
                by_unit.setdefault(unit, []).append(due)
    units = reference.units.select("region_code", "region_name", "contact").iter_rows()
    return [
        Reminder(code, name, contact or "", tuple(sorted(by_unit[code])))
        for code, name, contact in units
        if code in by_unit
    ]


def remind(settings: Settings, today: date) -> tuple[list[Reminder], list[Text]]:
    """Send every unit its reminder, and the office a digest; give those that went out, and what went wrong.

    A message that could not be delivered is sent by the next night.

    Raises:
        DefinitionError: the home's definitions cannot be used.
        OSError, StorageFailed: what was sent cannot be noted.
    """
    asked = settings.notify.model_copy(update={"on": ("reminder",)})
    sent, problems = [], list[Text]()
    definitions = definitions_of(settings)
    with definitions.in_use():
        found = reminders(settings, definitions.reference, today)
        for one in unsent(settings.archive, found):
            failed = send(asked, [one.notice(settings.outbox)])
            problems += failed
            if not failed:
                note_sent(settings.archive, [one])
                sent.append(one)
    if sent:
        problems += send(asked, [digest(sent)])
    return sent, problems


def unsent(archive: ArchivePlace, found: Sequence[Reminder]) -> list[Reminder]:
    """Return those that nobody was sent yet."""
    sent = set(shelf_at(archive).names(f"{FOLDER}/*"))
    return [one for one in found if f"{FOLDER}/{one.mark}" not in sent]


def note_sent(archive: ArchivePlace, sent: Sequence[Reminder]) -> None:
    """Keep that they were sent."""
    shelf = shelf_at(archive)
    for one in sent:
        shelf.touch(f"{FOLDER}/{one.mark}")


def digest(found: Sequence[Reminder]) -> Notice:
    """Return what the office is told: who was reminded of how much."""
    late = sum(one.days < 0 for reminder in found for one in reminder.missing)
    lines = "\n".join(f"- {one.region_name}: {len(one.missing)}" for one in found)
    total = sum(len(one.missing) for one in found)
    return Notice(
        "reminder",
        f"jzedu: 已提醒 {len(found)} 个单位 / {len(found)} units were reminded",
        f"{total} 张报表尚未报送或更正, 其中 {late} 张已逾期 /"
        f" {total} forms are missing or to be corrected, {late} of them late:\n{lines}",
    )


def _states(database: Path) -> dict[tuple[str, str, int], tuple[bool, bool]]:
    if not database.exists():
        return {}
    with open_publication(database) as reader:
        return handed_in(reader)
