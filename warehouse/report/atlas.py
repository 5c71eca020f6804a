"""The map: boundaries from a GeoJSON file as SVG shapes, with a label inside each.

Equirectangular at the map's own latitude, which is right to a few metres over a city. Units too
small for a label on the whole map (the urban districts) get an enlargement of their own. Verdicts
are not drawn here: a shape carries its region code, and page and script give it class and figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, inf, radians
from typing import Any

Ring = list[tuple[float, float]]

WIDTH = 640.0
# A share of the map's area below which a label has no room.
SMALL = 0.012
_GRID = 15


@dataclass(frozen=True, slots=True)
class Area:
    """A region on a map: its outline as an SVG path, the place of its label, whether it has one."""

    region_code: str
    path: str
    x: float
    y: float
    labelled: bool


@dataclass(frozen=True, slots=True)
class MapSheet:
    """A drawing of areas, `width` by `height`."""

    width: float
    height: float
    areas: list[Area]


@dataclass(frozen=True, slots=True)
class Atlas:
    """The whole map, and the enlargement with its frame on the whole map, where one is needed."""

    whole: MapSheet
    inset: MapSheet | None
    frame: tuple[float, float, float, float] | None


def draw_atlas(features: Sequence[dict[str, Any]]) -> Atlas | None:
    """Return the map of GeoJSON features (`properties.adcode` is the region code).

    None where there are none. Raises ValueError for a geometry that is not a polygon.
    """
    shapes = {str(f["properties"]["adcode"]): list(_rings(f["geometry"])) for f in features}
    if not shapes:
        return None
    points = [point for rings in shapes.values() for ring in rings for point in ring]
    latitude = (min(y for _, y in points) + max(y for _, y in points)) / 2
    squeeze = cos(radians(latitude))
    flat = {
        code: [[(x * squeeze, -y) for x, y in ring] for ring in rings]
        for code, rings in shapes.items()
    }
    box = _bounds(ring for rings in flat.values() for ring in rings)
    total = (box[2] - box[0]) * (box[3] - box[1])
    small = [code for code, rings in flat.items() if sum(map(_area, rings)) < SMALL * total]
    whole = _sheet(flat, box, WIDTH, [code for code in flat if code not in small])
    if not small or len(small) == len(flat):
        return Atlas(_sheet(flat, box, WIDTH, list(flat)), None, None)
    near = _widened(_bounds(ring for code in small for ring in flat[code]), 0.12)
    scale = WIDTH / (box[2] - box[0])
    frame = (
        round((near[0] - box[0]) * scale, 1),
        round((near[1] - box[1]) * scale, 1),
        round((near[2] - near[0]) * scale, 1),
        round((near[3] - near[1]) * scale, 1),
    )
    return Atlas(whole, _sheet(flat, near, WIDTH / 2, small), frame)


def _rings(geometry: dict[str, Any]) -> Iterator[Ring]:
    if geometry["type"] not in ("Polygon", "MultiPolygon"):
        raise ValueError(
            f"a boundary is a {geometry['type']}; it must be a Polygon or MultiPolygon"
        )
    polygons = geometry["coordinates"]
    for polygon in [polygons] if geometry["type"] == "Polygon" else polygons:
        for ring in polygon:
            yield [(float(point[0]), float(point[1])) for point in ring]


def _sheet(
    shapes: dict[str, list[Ring]],
    box: tuple[float, float, float, float],
    width: float,
    labelled: Sequence[str],
) -> MapSheet:
    scale = width / (box[2] - box[0])
    areas = []
    for code, rings in shapes.items():
        drawn = [[((x - box[0]) * scale, (y - box[1]) * scale) for x, y in ring] for ring in rings]
        x, y = _inside(drawn) if code in labelled else (0.0, 0.0)
        areas.append(Area(code, _path(drawn), round(x, 1), round(y, 1), code in labelled))
    return MapSheet(width, round((box[3] - box[1]) * scale, 1), areas)


def _path(rings: Sequence[Ring]) -> str:
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in ring[:-1]) + "Z" for ring in rings)


def _inside(rings: Sequence[Ring]) -> tuple[float, float]:
    """Return the grid point inside the largest ring that lies farthest from every edge."""
    ring = max(rings, key=_area)
    left, top, right, bottom = _bounds([ring])
    best, place = -1.0, ((left + right) / 2, (top + bottom) / 2)
    for i in range(1, _GRID):
        for j in range(1, _GRID):
            x = left + (right - left) * i / _GRID
            y = top + (bottom - top) * j / _GRID
            if _contains(ring, x, y) and (room := _room(ring, x, y, best)) > best:
                best, place = room, (x, y)
    return place


def _room(ring: Ring, x: float, y: float, least: float) -> float:
    """Return the square of the way from a point to the nearest corner of ``ring``, or any that is no more than ``least``."""
    room = inf
    for corner_x, corner_y in ring:
        # A label is wider than high: room to the sides counts for less.
        way = ((corner_x - x) * 0.7) ** 2 + (corner_y - y) ** 2
        if way < room:
            room = way
            if room <= least:
                break
    return room


def _contains(ring: Ring, x: float, y: float) -> bool:
    inside = False
    for (x1, y1), (x2, y2) in pairwise(ring):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def _area(ring: Ring) -> float:
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(ring)) / 2)


def _bounds(rings: Iterable[Ring]) -> tuple[float, float, float, float]:
    points = [point for ring in rings for point in ring]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def _widened(
    box: tuple[float, float, float, float], share: float
) -> tuple[float, float, float, float]:
    dx, dy = (box[2] - box[0]) * share, (box[3] - box[1]) * share
    return box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy
