"""A clause in a region and a year as a page shows it: every figure in words, with its sort key.

One place turns exact figures into wording, so that a value reads the same in every table, on the
map and in the charts.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from transforms.texts import Text
from warehouse import wording
from warehouse.figures import (
    BLANK,
    Number,
    exact,
    show_apart,
    show_change,
    show_pair,
    show_plain,
    show_value,
)
from warehouse.publication.reader.pages import (
    Judgement,
    Publication,
    PublishedClause,
    Region,
)
from warehouse.publication.revisions import Revision
from warehouse.report.charts import Point, spark
from warehouse.report.words import word
from warehouse.wording import COMPARATORS, DIRECTIONS, FINALITY, STATUSES, figure, unit_word

_STATUS_RANK = {status: i for i, status in enumerate(STATUSES)}
DASH = Text(BLANK, BLANK)


@dataclass(frozen=True, slots=True)
class Move:
    """A difference in words; `tone` is better, worse or even (also said in the words)."""

    text: Text
    tone: str
    sort: float | None


@dataclass(frozen=True, slots=True)
class ClauseRow:
    """What the tables show of a clause in a region and a year."""

    clause: PublishedClause
    region: Region
    cell: Judgement
    rank: int
    overdue: bool
    value: Text
    target: Text
    due: Text
    late: Text | None
    gap: Text
    closes: Text
    against: Text | None
    turning: Text | None
    since_last_year: Move
    since_last_publication: Move
    spark: Markup


def clause_row(publication: Publication, clause: PublishedClause, cell: Judgement) -> ClauseRow:
    """Return the row of one verdict; figures that cannot be told are a dash."""
    region = publication.region_by_code[cell.region_code]
    overdue = publication.overdue(clause, cell)
    return ClauseRow(
        clause=clause,
        region=region,
        cell=cell,
        rank=-1 if overdue else _STATUS_RANK[cell.status],
        overdue=overdue,
        value=value_text(clause, cell),
        target=target_text(clause, cell),
        due=due_text(clause, cell.year),
        late=_late_text(clause, cell) if overdue else None,
        gap=gap_text(clause, cell),
        closes=closes_text(cell),
        against=against_text(publication, cell),
        turning=turning_text(publication, cell),
        since_last_year=_since_last_year(publication, clause, cell),
        since_last_publication=_since_last_publication(publication, clause, cell),
        spark=_spark(publication, clause, region),
    )


def shown_pair(clause: PublishedClause, cell: Judgement) -> tuple[str, str]:
    """Return value and threshold as bare figures, on their true sides of each other."""
    return show_pair(
        cell.exact_value, cell.exact_threshold, clause.unit, measured=clause.kind == "never_falls"
    )


def bare_value(clause: PublishedClause, cell: Judgement) -> str:
    """Return the figure for places too narrow for a unit of measure; only % stays with it."""
    return value_text(clause, cell).zh if clause.unit == "%" else shown_pair(clause, cell)[0]


def value_text(clause: PublishedClause, cell: Judgement | None) -> Text:
    """Return the figure with its unit of measure."""
    if cell is None or cell.value is None:
        return DASH
    return figure(shown_pair(clause, cell)[0], clause.unit)


def target_text(clause: PublishedClause, cell: Judgement | None = None) -> Text:
    """Return the target: a comparison, last year's figure, or that there is none."""
    if clause.kind == "monitor":
        return word("no_target")
    sign = COMPARATORS.get(clause.comparator or "", clause.comparator or "")
    if clause.kind == "never_falls":
        if cell is None or cell.threshold is None:
            return Text(
                f"{sign} {word('last_year_figure').zh}", f"{sign} {word('last_year_figure').en}"
            )
        shown = shown_pair(clause, cell)[1]
    else:
        threshold = cell.threshold if cell and cell.threshold is not None else clause.threshold
        shown = show_plain(threshold)
    # In a narrow column the unit may go to a second line, but the sign stays with its figure.
    nbsp = "\N{NO-BREAK SPACE}"
    zh, en = (text.replace(nbsp, " ") for text in figure(shown, clause.unit))
    return Text(f"{sign}{nbsp}{zh}", f"{sign}{nbsp}{en}")


def due_text(clause: PublishedClause, year: int) -> Text:
    """Return when a clause is due, seen from ``year``: every year, in a year to come, or one that is over."""
    if clause.kind in ("standing", "never_falls"):
        return word("every_year")
    if clause.due_year is None:
        return DASH
    key = (
        "was_due" if clause.due_year < year else "due_now" if clause.due_year == year else "due_in"
    )
    return word(key, due=clause.due_year)


def _late_text(clause: PublishedClause, cell: Judgement) -> Text:
    """Return for how long a clause that is not met has been due."""
    years = cell.year - (clause.due_year or cell.year)
    if not years:
        return word("past_due")
    return word("past_due_year" if years == 1 else "past_due_years", years=years)


def finality_text(publication: Publication, year: int) -> Text | None:
    """Return whether a year's figures are preliminary, final or revised; None where nothing says so."""
    told = publication.finality.get(year)
    return FINALITY.get(told.state) if told else None


def gap_text(clause: PublishedClause, cell: Judgement | None) -> Text:
    """Return how far the value is from the threshold, a dash where there is no gap."""
    if cell is None or not cell.gap:
        return DASH
    shown, measure = show_value(cell.gap, clause.unit), _points(clause)
    return Text(f"{shown} {measure.zh}", f"{shown} {measure.en}")


def closes_text(cell: Judgement | None) -> Text:
    """Return the number of places, classes, schools or 万元 that would close the gap."""
    if cell is None or not cell.gap_quantity:
        return DASH
    return figure(show_plain(cell.gap_quantity), cell.gap_unit)


def against_text(publication: Publication, cell: Judgement) -> Text | None:
    """Return that most units are not as their region is, None where they are or it has none."""
    standing = publication.standings.get((cell.clause_id, cell.region_code, cell.year))
    if standing is None or not standing.against_most_units:
        return None
    return wording.against_text(cell.status, standing.units_judged, standing.units_met)


def turning_text(publication: Publication, cell: Judgement) -> Text | None:
    """Return that single institutions turn the verdict, None where none does."""
    found = publication.turning.get((cell.clause_id, cell.region_code, cell.year))
    if found is None:
        return None
    return wording.turning_text(cell.status, found.institutions, found.names)


def target_is_fixed(clause: PublishedClause) -> bool:
    """Return whether the clause has one threshold for every region and year."""
    return clause.threshold is not None and clause.kind not in ("monitor", "never_falls")


def points_of(publication: Publication, clause: PublishedClause, region: Region) -> list[Point]:
    """Return a region's figures over all published years."""
    points = []
    for year in publication.years:
        cell = publication.cell(clause, region, year)
        if cell is None:
            points.append(Point(year, None, BLANK, "not_applicable"))
        else:
            points.append(Point(year, cell.value, bare_value(clause, cell), cell.status, cell.firm))
    return points


def level_text(clause: PublishedClause, value: float | None) -> Text:
    """Return a figure that is held against the clause's threshold, such as a projected one."""
    if value is None:
        return DASH
    return figure(show_value(value, clause.unit, clause.threshold), clause.unit)


def step_text(clause: PublishedClause, step: float | None) -> Text:
    """Return a change per year, signed."""
    if step is None:
        return DASH
    shown, measure = show_change(step, clause.unit), _points(clause)
    return Text(f"{shown} {measure.zh}", f"{shown} {measure.en}")


def revised_values(
    clause: PublishedClause, revision: Revision, cell: Judgement | None
) -> tuple[Text, Text]:
    """Return the values before and after a revision, told apart, and from the threshold."""
    shown = show_apart(
        [revision.old_value, revision.new_value], clause.unit, [cell.threshold if cell else None]
    )
    old, new = (DASH if text == BLANK else figure(text, clause.unit) for text in shown)
    return old, new


def difference(clause: PublishedClause, old: Number | None, new: Number | None) -> Move:
    """Return the way from an old figure to a new one, and whether it is for the better."""
    if old is None or new is None:
        return Move(DASH, "even", None)
    change = exact(new) - exact(old)
    if not change:
        return Move(DIRECTIONS["same"], "even", 0.0)
    good = (change > 0) == (clause.better == "higher")
    tone = "better" if good else "worse"
    said, measure = DIRECTIONS[tone], _points(clause)
    shown = show_change(change, clause.unit)
    return Move(
        Text(f"{said.zh} {shown} {measure.zh}", f"{said.en} {shown} {measure.en}"),
        tone,
        float(change),
    )


def _points(clause: PublishedClause) -> Text:
    """Return the unit of a difference: percentage points for shares."""
    return Text("个百分点", "points") if clause.unit == "%" else unit_word(clause.unit)


def _since_last_year(publication: Publication, clause: PublishedClause, cell: Judgement) -> Move:
    told = publication.year_on_year.get((clause.clause_id, cell.region_code, cell.year))
    return difference(clause, told.before, told.now) if told else Move(DASH, "even", None)


def _since_last_publication(
    publication: Publication, clause: PublishedClause, cell: Judgement
) -> Move:
    revision = publication.revised.get((clause.clause_id, cell.region_code, cell.year))
    if revision is None:
        return Move(DASH, "even", None)
    if revision.old_value is None and revision.new_value is not None:
        return Move(word("newly"), "even", None)
    if revision.old_value is not None and revision.new_value is None:
        return Move(word("withdrawn"), "even", None)
    return difference(clause, revision.old_value, revision.new_value)


def _spark(publication: Publication, clause: PublishedClause, region: Region) -> Markup:
    cells = (publication.cell(clause, region, year) for year in publication.years)
    threshold = clause.threshold if target_is_fixed(clause) else None
    return spark(tuple(cell.value if cell and cell.firm else None for cell in cells), threshold)
