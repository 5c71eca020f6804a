"""The city on one page: what the plan promised and where it stands, for whoever has a minute.

Every figure is one of the publication's, read as the report's pages read them. The page stands alone
in one file for each language, on one sheet of A4, and once more as PDF where a browser is there to
print it (:mod:`warehouse.report.printing`). The front of the report shows the same facts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Literal

from markupsafe import Markup

from transforms.texts import Text
from warehouse.figures import local_time
from warehouse.publication.reader.pages import (
    Judgement,
    Publication,
    PublishedClause,
    Region,
    Reporting,
)
from warehouse.report import pages
from warehouse.report.rows import (
    closes_text,
    due_text,
    finality_text,
    target_text,
    value_text,
)
from warehouse.report.words import form_word, word
from warehouse.wording import STATUSES, VERDICTS

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

#: So many of each list are on the page; how many there are is said.
_LISTED = 5
#: A unit's line names so many of what it lacks.
_LACKS = 3
#: What gaps are counted in that are people, or places for them; these come first.
PEOPLE = ("人", "个学位")
#: What gaps are counted in that are no things: a place among others, money. These come last.
_NO_THINGS = ("名", "万元")
#: The groups that a clause with a target is in, in the order of a bar.
_GROUPS: dict[str, tuple[str, ...]] = {
    "met": ("met",),
    "ahead": ("on_track", "off_track", "not_due"),
    "not_met": ("not_met",),
    "unjudged": ("insufficient", "no_data"),
}
_GROUP_WORDS = {
    "met": "brief_met",
    "ahead": "brief_ahead",
    "not_met": "brief_not_met",
    "unjudged": "brief_unjudged",
}
_GROUP_OF = {status: group for group, statuses in _GROUPS.items() for status in statuses}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many clauses with a target stand how; ``total`` is all of them together."""

    total: int
    met: int
    ahead: int
    not_met: int
    unjudged: int

    def parts(self) -> list[BarPart]:
        """Return the groups that are not empty, in the order of a bar."""
        parts, before = [], 0
        for group in _GROUPS:
            if count := getattr(self, group):
                start, width = 100 * before / self.total, 100 * count / self.total
                parts.append(BarPart(group, word(_GROUP_WORDS[group]), count, start, width))
                before += count
        return parts


@dataclass(frozen=True, slots=True)
class BarPart:
    """A group of a bar with its name and number; ``start`` and ``width`` are percent of the bar."""

    group: str
    name: Text
    count: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class FieldOfWork:
    """A field of work of the plan, and how its clauses with a target stand."""

    name: Text
    counts: Counts


@dataclass(frozen=True, slots=True)
class ClauseGap:
    """A clause that is not reached: its figure, its target, and how much is too little or too much."""

    clause: PublishedClause
    value: Text
    target: Text
    due: Text
    amiss: Text


@dataclass(frozen=True, slots=True)
class UnitBehind:
    """A unit with how many of its verdicts are not met or off track, and what it lacks most."""

    region: Region
    behind: int
    judged: int
    lacks: list[Text]
    forms_missing: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A clause whose verdict has turned."""

    clause: PublishedClause
    old: Text
    new: Text
    is_better: bool


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A clause without a verdict, and whom or what that depends on."""

    clause: PublishedClause
    depends_on: Text


@dataclass(frozen=True, slots=True)
class Brief:
    """All that stands on the page about one year."""

    year: int
    sentence: Text
    counts: Counts
    fields: list[FieldOfWork]
    gaps: list[ClauseGap]
    gaps_total: int
    units: list[UnitBehind]
    turned: list[Turn]
    turned_total: int
    revised: list[Turn]
    revised_total: int
    revised_below: int
    is_first: bool
    unjudged: list[Unjudged]
    unjudged_total: int
    late_note: Text | None
    interpreted: int
    finality: Text | None


def brief_of(publication: Publication, year: int) -> Brief:
    """Return what the page says of the city in ``year``, which is one of the publication's."""
    city = publication.city
    pairs = with_target(publication, city, year)
    gaps = clause_gaps(pairs)
    units = _units_behind(publication, year)
    turned = turned_verdicts(publication, city, pairs, year)
    revised, below = _revised(publication, year)
    unjudged = [pair for pair in pairs if _GROUP_OF[pair[1].status] == "unjudged"]
    issue = publication.issue
    late = next((s for s in publication.year_states if s.year == year > publication.focus), None)
    return Brief(
        year=year,
        sentence=_sentence(pairs, year),
        counts=counts_of(cell for _, cell in pairs),
        fields=_fields(publication, pairs),
        gaps=gaps[:_LISTED],
        gaps_total=len(gaps),
        units=units[:_LISTED],
        turned=turned[:_LISTED],
        turned_total=len(turned),
        revised=revised[:_LISTED],
        revised_total=len(revised),
        revised_below=below,
        is_first=issue is None or issue.previous_id is None,
        unjudged=[
            Unjudged(clause, depends_on_text(publication, clause, cell))
            for clause, cell in unjudged[:_LISTED]
        ],
        unjudged_total=len(unjudged),
        late_note=word(
            "late_note",
            year=year,
            came=late.forms_in_force,
            due=late.expected_forms,
            focus=publication.focus,
        )
        if late
        else None,
        interpreted=sum(clause.interpretation for clause, _ in pairs),
        finality=finality_text(publication, year),
    )


def write_briefs(
    publication: Publication,
    out: Path,
    *,
    year: int | None = None,
    languages: Sequence[Language] = LANGUAGES,
    office: str = "",
) -> list[Path]:
    """Write brief-<year>.zh.html and .en.html into the folder ``out``; give their files.

    The year is the one in focus unless another is given. ``office`` is who issues the page.
    """
    out.mkdir(parents=True, exist_ok=True)
    brief = brief_of(publication, publication.focus if year is None else year)
    style = resources.files("warehouse.report") / "static" / "brief.css"
    issue = publication.issue
    context = {
        "brief": brief,
        "city": publication.city.name,
        "office": office,
        "made_up": publication.made_up,
        "style": Markup(style.read_text("utf-8")),  # our own, and no end tag in it
        "published": local_time(issue.published_at) if issue else "",
        "publication_id": issue.publication_id if issue else "",
        "received_until": local_time(publication.received_until),
    }
    written = []
    for language in languages:
        file = out / f"brief-{brief.year}.{language}.html"
        part = file.with_name(f".{file.name}.part")
        env = pages.environment(language)
        pages.write_page(env, "brief.html", part, {**context, "language": language})
        file.with_suffix(".pdf").unlink(missing_ok=True)  # of what stood there before
        part.replace(file)
        written.append(file)
    return written


def with_target(
    publication: Publication, region: Region, year: int
) -> list[tuple[PublishedClause, Judgement]]:
    """Return a region's clauses that have a target which holds in the year, in the plan's order."""
    return [
        (clause, cell)
        for clause in publication.clauses
        if (cell := publication.cell(clause, region, year)) is not None
        and clause.kind != "monitor"
        and cell.status in _GROUP_OF
    ]


def counts_of(cells: Iterable[Judgement]) -> Counts:
    """Return how many of the verdicts are in each group."""
    counted = Counter(_GROUP_OF[cell.status] for cell in cells)
    return Counts(total=counted.total(), **{group: counted[group] for group in _GROUPS})


def _sentence(pairs: Sequence[tuple[PublishedClause, Judgement]], year: int) -> Text:
    """Return the sentence that says how the clauses with a target stand; its numbers add up."""
    counts = counts_of(cell for _, cell in pairs)
    by_status = Counter(cell.status for _, cell in pairs)
    missed = [clause for clause, cell in pairs if cell.status == "not_met"]
    every_year = sum(clause.kind in ("standing", "never_falls") for clause in missed)
    return word(
        "brief_sentence",
        year=year,
        total=counts.total,
        met=counts.met,
        not_met=counts.not_met,
        missed=_in_brackets(
            {"brief_every_year": every_year, "brief_past_due": len(missed) - every_year}
        ),
        ahead=counts.ahead,
        way=_in_brackets(
            {
                "brief_on_track": by_status["on_track"],
                "brief_off_track": by_status["off_track"],
                "brief_not_due": by_status["not_due"],
            }
        ),
        unjudged=counts.unjudged,
    )


def _in_brackets(counts: Mapping[str, int]) -> Text:
    """Return what a number is made of, by its words, in brackets; nothing where it is nothing."""
    parts = [word(key, count=count) for key, count in counts.items() if count]
    if not parts:
        return Text("", "")
    zh, en = "、".join(part.zh for part in parts), ", ".join(part.en for part in parts)
    return Text(f"（{zh}）", f" ({en})")


def _fields(
    publication: Publication, pairs: Sequence[tuple[PublishedClause, Judgement]]
) -> list[FieldOfWork]:
    """Return the plan's fields of work that have a clause with a target."""
    fields = []
    for section in publication.sections:
        cells = [cell for clause, cell in pairs if clause.section == section.section]
        if cells:
            fields.append(FieldOfWork(section.name, counts_of(cells)))
    return fields


def people_first(pair: tuple[PublishedClause, Judgement]) -> tuple[int, Decimal, int]:
    """Order gaps: people and places, other things, what is no thing; the larger number first."""
    clause, cell = pair
    rank = 0 if cell.gap_unit in PEOPLE else 2 if cell.gap_unit in _NO_THINGS else 1
    return rank, -(cell.gap_quantity or Decimal(0)), clause.plan_order


def widest_gaps(
    pairs: Iterable[tuple[PublishedClause, Judgement]],
) -> list[tuple[PublishedClause, Judgement]]:
    """Return the clauses that are behind and have a gap, what is widest for people first."""
    behind = [p for p in pairs if p[1].status in ("not_met", "off_track") and p[1].gap_quantity]
    return sorted(behind, key=people_first)


def clause_gaps(pairs: Sequence[tuple[PublishedClause, Judgement]]) -> list[ClauseGap]:
    """Return what clauses that are behind lack, what is widest for people first."""
    return [
        ClauseGap(
            clause,
            value_text(clause, cell),
            target_text(clause, cell),
            due_text(clause, cell.year),
            amiss_text(clause, cell),
        )
        for clause, cell in widest_gaps(pairs)
    ]


def amiss_text(clause: PublishedClause, cell: Judgement) -> Text:
    """Return how much is missing, or too much where the target is a most."""
    too_much = clause.comparator == "<="
    return word("brief_too_much" if too_much else "brief_short", closes=closes_text(cell))


def _units_behind(publication: Publication, year: int) -> list[UnitBehind]:
    """Return the units that miss anything, those with the most clauses behind first."""
    found = []
    for unit in publication.units:
        pairs = with_target(publication, unit, year)
        judged = [pair for pair in pairs if pair[1].status in VERDICTS]
        behind = sum(cell.status in ("not_met", "off_track") for _, cell in judged)
        missing = sum(
            row.expected and not row.accepted
            for form in publication.forms
            if (row := publication.reported.get((unit.code, form, year)))
        )
        if behind or missing:
            lacks = [
                word("brief_lack", clause=clause.name, amiss=amiss_text(clause, cell))
                for clause, cell in widest_gaps(judged)[:_LACKS]
            ]
            found.append(UnitBehind(unit, behind, len(judged), lacks, missing))
    return sorted(found, key=lambda one: (-one.behind, -one.forms_missing, one.region.code))


def turned_verdicts(
    publication: Publication,
    region: Region,
    pairs: Sequence[tuple[PublishedClause, Judgement]],
    year: int,
) -> list[Turn]:
    """Return the region's clauses whose verdict is another than the year before; both years have one."""
    turns = []
    for clause, cell in pairs:
        before = publication.cell(clause, region, year - 1)
        if (
            before is not None
            and {before.status, cell.status} <= set(VERDICTS)
            and before.status != cell.status
        ):
            turns.append(_turn(clause, before.status, cell.status))
    return sorted(turns, key=lambda turn: (turn.is_better, turn.clause.plan_order))


def _revised(publication: Publication, year: int) -> tuple[list[Turn], int]:
    """Return the city's verdicts of the year that this publication turned, and how many of units."""
    clauses = {clause.clause_id: clause for clause in publication.clauses}
    turns, below = [], 0
    for revision in publication.revisions:
        clause = clauses.get(revision.clause_id or "")
        old, new = revision.old_status, revision.new_status
        if clause is None or revision.year != year or old is None or new is None or old == new:
            continue
        if revision.region_code == publication.city.code:
            turns.append(_turn(clause, old, new))
        else:
            below += 1
    return sorted(turns, key=lambda turn: (turn.is_better, turn.clause.plan_order)), below


#: Verdicts from the worst to the best; what turns to a later one is better.
_FROM_WORST = ("not_met", "off_track", "not_due", "on_track", "met")


def _turn(clause: PublishedClause, old: str, new: str) -> Turn:
    known = old in _FROM_WORST and new in _FROM_WORST
    better = known and _FROM_WORST.index(new) > _FROM_WORST.index(old)
    return Turn(clause, STATUSES[old], STATUSES[new], better)


def depends_on_text(publication: Publication, clause: PublishedClause, cell: Judgement) -> Text:
    """Return whom a verdict waits for: forms that are not in force, answers left blank."""
    missing = publication.missing_forms(clause, cell.year)
    parts = [_missing(publication, form, missing) for form in _forms(missing)]
    blank = [
        unit.name
        for unit in publication.units
        if (own := publication.cell(clause, unit, cell.year)) is not None
        and (own.answered or 0) < (own.asked or 0)
    ]
    if blank:
        count = (cell.asked or 0) - (cell.answered or 0)
        parts.append(word("brief_blank", count=count, units=_listed(blank)))
    return _joined(parts) if parts else cell.coverage or word("brief_other_year")


def _forms(missing: Sequence[Reporting]) -> list[str]:
    return list(dict.fromkeys(row.form for row in missing))


def _missing(publication: Publication, form: str, missing: Sequence[Reporting]) -> Text:
    names = [
        publication.region_by_code[row.region_code].name for row in missing if row.form == form
    ]
    return word("brief_missing_form", form=form_word(form), units=_listed(names))


def _listed(names: Sequence[Text]) -> Text:
    """Return names in a row, or how many there are where they are too many to read."""
    if len(names) > _LISTED:
        return word("brief_units", count=len(names))
    return Text("、".join(name.zh for name in names), ", ".join(name.en for name in names))


def _joined(parts: Sequence[Text]) -> Text:
    return Text("；".join(part.zh for part in parts), "; ".join(part.en for part in parts))
