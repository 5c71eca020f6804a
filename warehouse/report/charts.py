"""Charts as SVG text, drawn here so that a page needs no library, no script and no network.

Colours, line styles and type come from the style sheet (classes, never attributes), so that screen,
phone and print can differ. Marks of a status are shapes defined once per page (templates/base.html)
and used by name. What a chart shows also stands in a table on the same page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup, escape

from transforms.texts import Text
from warehouse.figures import show

# How near, in the drawing's units, a line may pass to a mark that has its figure on that side.
LABEL_ROOM = 34
# From this many years on, a narrow screen shows only the first and the last figure.
DENSE = 6
# Where the value axis stands; what is left of it holds its figures.
AXIS = 64
# So many small lines that were drawn are kept in mind.
_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Point:
    """A year's figure: `shown` is its wording, `status` its verdict; a None value is a gap.

    One that is not `firm`, because too little of the year is there, has a mark and no line.
    """

    year: int
    value: float | None
    shown: str
    status: str
    firm: bool = True


@dataclass(frozen=True, slots=True)
class Goal:
    """A threshold that is the same every year, and the year by which it is due, if any."""

    threshold: float
    label: Text
    due_year: int | None
    due_label: Text | None


@dataclass(frozen=True, slots=True)
class Projection:
    """The end of a line from the last figure on: where the present pace leads."""

    year: int
    value: float
    label: Text


@dataclass(frozen=True, slots=True)
class _Frame:
    """Maps years and values to the drawing's units."""

    left: float
    top: float
    right: float
    bottom: float
    years: tuple[int, int]
    values: tuple[float, float]

    def x(self, year: float) -> float:
        first, last = self.years
        share = (year - first) / (last - first) if last > first else 0.5
        return round(self.left + share * (self.right - self.left), 1)

    def y(self, value: float) -> float:
        low, high = self.values
        return round(self.bottom - (value - low) / (high - low) * (self.bottom - self.top), 1)


def trend_chart(
    points: Sequence[Point],
    label: Text,
    *,
    unit: str,
    goal: Goal | None = None,
    projection: Projection | None = None,
) -> Markup:
    """Return the large chart of a clause: figures, threshold line, due year, projection."""
    known = [p for p in points if p.value is not None]
    if not known:
        return Markup("")
    width, height = 720, 300
    years = [p.year for p in points]
    if goal and goal.due_year:
        years.append(goal.due_year)
    if projection:
        years.append(projection.year)
    frame = _Frame(
        AXIS + 30,
        34,
        width - 92,
        height - 34,
        (min(years), max(years)),
        _domain(known, goal, projection, unit),
    )
    crowd = " dense" if max(years) - min(years) >= DENSE else ""
    parts = [_open(f"trend{crowd}", width, height, label), *_axes(frame, years, height)]
    if goal:
        parts += _goal(goal, frame, width)
    if projection:
        parts.append(_projection(projection, known[-1], frame, goal, width))
    parts.append(_line(points, frame))
    parts += _figures(known, frame, goal)
    parts.append("</svg>")
    return Markup("".join(parts))


def _axes(frame: _Frame, years: Sequence[int], height: int) -> Iterator[str]:
    """Yield the lines of the grid with their figures, and the years below."""
    ticks = nice_ticks(*frame.values, 4)
    for tick in ticks:
        y = frame.y(tick)
        yield (
            f'<line class="grid" x1="{AXIS}" x2="{frame.right}" y1="{y}" y2="{y}"/>'
            f'<text class="tick level" x="{AXIS - 10}" y="{y + 4}" text-anchor="end">'
            f"{escape(tick_text(tick, ticks))}</text>"
        )
    for year in range(min(years), max(years) + 1):
        yield (
            f'<text class="tick" x="{frame.x(year)}" y="{height - 10}" text-anchor="middle">'
            f"{year}</text>"
        )


def _goal(goal: Goal, frame: _Frame, width: int) -> Iterator[str]:
    """Yield the line of the threshold and that of the due year."""
    y = frame.y(goal.threshold)
    yield f'<line class="goal" x1="{AXIS}" x2="{width}" y1="{y}" y2="{y}"/>'
    yield _text(goal.label, "goal-text", width - 2, y - 6, "end")
    if goal.due_year and goal.due_label:
        x = frame.x(goal.due_year)
        yield f'<line class="due" x1="{x}" x2="{x}" y1="{frame.top - 8}" y2="{frame.bottom}"/>'
        yield _text(goal.due_label, "due-text", x, frame.top - 16, "middle")


def _projection(
    projection: Projection, last: Point, frame: _Frame, goal: Goal | None, width: int
) -> str:
    """Return the line from the ``last`` figure to where the present pace leads."""
    assert last.value is not None
    x, y = frame.x(projection.year), frame.y(projection.value)
    # The goal's wording stands above its line: keep away from it.
    aside = 22 if goal and y > frame.y(goal.threshold) - 20 else -12
    return (
        f'<line class="projection" x1="{frame.x(last.year)}" y1="{frame.y(last.value)}"'
        f' x2="{x}" y2="{y}"/><circle class="projection" cx="{x}" cy="{y}" r="4"/>'
        + _text(projection.label, "projection-text", width - 2, y + aside, "end")
    )


def _figures(known: Sequence[Point], frame: _Frame, goal: Goal | None) -> Iterator[str]:
    """Yield the mark of each figure, with the figure beside it."""
    for i, point in enumerate(known):
        assert point.value is not None
        x, y = frame.x(point.year), frame.y(point.value)
        # Below the lowest line stand the years.
        below = _label_below(known, i, frame, goal) and y + 25 < frame.bottom
        offset = 25 if below else -14
        between = " between" if 0 < i < len(known) - 1 else ""
        yield (
            f"{_mark(point.status, x, y, 16)}"
            f'<text class="figure{between}" x="{x}" y="{y + offset}" text-anchor="middle">'
            f"{escape(point.shown)}</text>"
        )


def mini_chart(
    points: Sequence[Point], label: Text, domain: tuple[float, float], threshold: float | None
) -> Markup:
    """Return one of a row of small charts that share their value axis (`domain`)."""
    width, height = 200, 76
    frame = _Frame(8, 10, width - 12, height - 20, (points[0].year, points[-1].year), domain)
    parts = [_open("mini", width, height, label)]
    if threshold is not None:
        y = frame.y(threshold)
        parts.append(f'<line class="goal" x1="0" x2="{width}" y1="{y}" y2="{y}"/>')
    parts.append(_line(points, frame))
    known = [p for p in points if p.value is not None]
    for point in known:
        assert point.value is not None
        parts.append(
            f'<circle class="dot" cx="{frame.x(point.year)}" cy="{frame.y(point.value)}" r="2"/>'
        )
    if known and known[-1].value is not None:
        x, y = frame.x(known[-1].year), frame.y(known[-1].value)
        parts.append(_mark(known[-1].status, x, y, 12))
    for year, anchor in ((points[0].year, "start"), (points[-1].year, "end")):
        x = frame.left if anchor == "start" else frame.right
        parts.append(
            f'<text class="tick" x="{x}" y="{height - 4}" text-anchor="{anchor}">{year}</text>'
        )
    parts.append("</svg>")
    return Markup("".join(parts))


# The pages of all years show the same ones.
@lru_cache(_KEPT)
def spark(values: tuple[float | None, ...], threshold: float | None) -> Markup:
    """Return a line the height of a table row, with the threshold behind it."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Markup("")
    width, height = 84, 22
    bounds = [*known, threshold] if threshold is not None else known
    frame = _Frame(3, 3, width - 5, height - 3, (0, len(values) - 1), _spread(bounds))
    parts = [
        f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' aria-hidden="true">'
    ]
    if threshold is not None:
        y = frame.y(threshold)
        parts.append(f'<line class="goal" x1="0" x2="{width}" y1="{y}" y2="{y}"/>')
    points = [Point(i, value, "", "") for i, value in enumerate(values)]
    parts.append(_line(points, frame))
    last = max(i for i, value in enumerate(values) if value is not None)
    parts.append(
        f'<circle class="dot" cx="{frame.x(last)}" cy="{frame.y(known[-1])}" r="2.5"/></svg>'
    )
    return Markup("".join(parts))


def shared_domain(
    values: Sequence[float | None], threshold: float | None
) -> tuple[float, float] | None:
    """Return the value axis that a row of small charts shares, None where there is no value."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return _spread([*known, threshold] if threshold is not None else known)


def nice_ticks(low: float, high: float, about: int) -> list[float]:
    """Return round figures (steps of 1, 2, 2.5 or 5) between the two bounds."""
    rough = (high - low) / about
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [round((first + i) * step, 10) for i in range(count)]


def tick_text(tick: float, ticks: Sequence[float]) -> str:
    """Return a tick's wording with as many decimals as the steps of its axis need."""
    step = abs(ticks[1] - ticks[0]) if len(ticks) > 1 else abs(tick)
    decimals = next((d for d in range(7) if round(step, d) == round(step, 9)), 6)
    return show(tick, decimals)


def _domain(
    known: Sequence[Point], goal: Goal | None, projection: Projection | None, unit: str
) -> tuple[float, float]:
    values = [p.value for p in known if p.value is not None]
    bounds = [*values]
    if goal:
        bounds.append(goal.threshold)
    if projection:
        bounds.append(projection.value)
    low, high = _spread(bounds)
    # A share has no room below 0 and, unless its figures say otherwise, none far above 100.
    if min(bounds) >= 0:
        low = max(low, 0.0)
    if unit == "%" and max(bounds) <= 100:
        high = min(high, 102.0)
    return low, high


def _spread(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if math.isclose(low, high):
        room = abs(low) * 0.1 or 1.0
        return low - room, high + room
    if 0 <= low < 0.35 * high:
        low = 0.0
    room = (high - low) * 0.12
    return (low - room if low else 0.0), high + room


def _label_below(known: Sequence[Point], i: int, frame: _Frame, goal: Goal | None) -> bool:
    """Return whether a figure reads better below its mark: clear of the goal, then of the line."""
    value = known[i].value
    assert value is not None
    if goal:
        ahead = frame.y(goal.threshold) - frame.y(value)
        if -LABEL_ROOM < ahead < LABEL_ROOM:
            return ahead < 0
    near = [p.value for p in known[max(0, i - 1) : i + 2] if p.value is not None]
    return min(near) == value < max(near)


def _line(points: Sequence[Point], frame: _Frame) -> str:
    """Return the path through the figures, broken where a year has none that is firm."""
    commands, pen = [], "M"
    for point in points:
        if point.value is None or not point.firm:
            pen = "M"
            continue
        commands.append(f"{pen}{frame.x(point.year)} {frame.y(point.value)}")
        pen = "L"
    return f'<path class="line" d="{" ".join(commands)}"/>'


def _mark(status: str, x: float, y: float, size: float) -> str:
    half = size / 2
    return (
        f'<use class="s-{escape(status)}" href="#m-{escape(status)}" x="{round(x - half, 1)}"'
        f' y="{round(y - half, 1)}" width="{size}" height="{size}"/>'
    )


def _text(text: Text, css: str, x: float, y: float, anchor: str) -> str:
    place = f'class="{css}" x="{x}" y="{y}" text-anchor="{anchor}"'
    return (
        f'<text {place} lang="zh">{escape(text.zh)}</text>'
        f'<text {place} lang="en">{escape(text.en)}</text>'
    )


def _open(css: str, width: int, height: int, label: Text) -> str:
    return (
        f'<svg class="{css}" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{escape(label.zh)}" data-label-en="{escape(label.en)}">'
    )
