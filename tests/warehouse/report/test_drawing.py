"""Charts and map: what is drawn where, from figures small enough to check by hand."""

from __future__ import annotations

import re

import pytest

from transforms.texts import Text
from warehouse.report.atlas import draw_atlas
from warehouse.report.charts import (
    Goal,
    Point,
    mini_chart,
    nice_ticks,
    shared_domain,
    spark,
    tick_text,
    trend_chart,
)

NAME = Text("名<称>", "name & more")


def square(code: str, west: float, south: float, size: float) -> dict[str, object]:
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "properties": {"adcode": code},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def test_ticks_are_round_and_within_bounds() -> None:
    assert nice_ticks(0, 19, 4) == [0, 5, 10, 15]
    assert nice_ticks(98.9, 100.4, 4) == [99, 99.5, 100]
    assert [tick_text(t, [99, 99.5, 100]) for t in (99, 99.5)] == ["99.0", "99.5"]
    assert tick_text(120000, [100000, 120000]) == "120,000"


def test_a_year_without_a_figure_breaks_the_line() -> None:
    points = [
        Point(2018, 10.0, "10", "monitored"),
        Point(2019, None, "—", "no_data"),
        Point(2020, 20.0, "20", "met"),
        Point(2021, 30.0, "30", "met"),
    ]
    svg = trend_chart(points, NAME, unit="所")
    path = re.search(r'class="line" d="([^"]*)"', svg)
    assert path is not None
    assert re.sub(r"[^ML]", "", path[1]) == "MML"
    assert svg.count("<use") == 3


def test_threshold_and_due_year_are_drawn_and_texts_are_escaped() -> None:
    goal = Goal(50.0, Text("≥ 50%", "≥ 50%"), 2025, Text("期限 2025", "due 2025"))
    points = [Point(2018, 40.0, "<40>", "off_track"), Point(2019, 49.96, "49.96%", "off_track")]
    svg = trend_chart(points, NAME, unit="%", goal=goal)
    assert 'class="goal"' in svg
    assert 'class="due"' in svg
    assert ">2025<" in svg, "the axis reaches the due year"
    assert "&lt;40&gt;" in svg
    assert "名&lt;称&gt;" in svg
    assert "name &amp; more" in svg
    assert "<40>" not in svg


def test_higher_figures_stand_higher() -> None:
    points = [Point(2018, 10.0, "10", "met"), Point(2019, 20.0, "20", "met")]
    heights = [
        float(y)
        for y in re.findall(r'<use [^>]* y="([\d.]+)"', trend_chart(points, NAME, unit="所"))
    ]
    assert heights[0] > heights[1]


@pytest.mark.parametrize("values", [[], [None, None]])
def test_nothing_to_draw_is_an_empty_chart(values: list[float | None]) -> None:
    points = [Point(2018 + i, value, "—", "no_data") for i, value in enumerate(values)]
    assert trend_chart(points, NAME, unit="%") == ""
    assert spark(tuple(values), 50.0) == ""
    assert shared_domain(values, 50.0) is None


def test_one_figure_and_flat_lines_can_be_drawn() -> None:
    assert "nan" not in trend_chart([Point(2022, 0.0, "0", "met")], NAME, unit="件")
    assert "nan" not in spark((5.0, 5.0), 5.0)
    domain = shared_domain([100.0, 100.0], 100.0)
    assert domain is not None
    assert domain[0] < 100 < domain[1]
    assert "nan" not in mini_chart([Point(2022, 100.0, "100", "met")], NAME, domain, 100.0)


def test_labels_lie_inside_and_small_units_get_an_enlargement() -> None:
    atlas = draw_atlas(
        [square("1", 120, 41, 1), square("2", 121, 41, 1), square("3", 121, 42, 0.05)]
    )
    assert atlas is not None
    assert atlas.inset is not None
    assert atlas.frame is not None
    labelled = {area.region_code for area in atlas.whole.areas if area.labelled}
    assert labelled == {"1", "2"}
    assert [area.region_code for area in atlas.inset.areas if area.labelled] == ["3"]
    first = next(area for area in atlas.whole.areas if area.region_code == "1")
    assert 0 < first.x < atlas.whole.width / 2
    assert atlas.whole.height * 0.1 < first.y < atlas.whole.height


def test_a_map_without_small_units_has_no_enlargement_and_none_without_shapes() -> None:
    atlas = draw_atlas([square("1", 120, 41, 1), square("2", 121, 41, 1)])
    assert atlas is not None
    assert atlas.inset is None
    assert draw_atlas([]) is None


def test_a_boundary_that_is_no_polygon_is_refused() -> None:
    feature = {"properties": {"adcode": "1"}, "geometry": {"type": "Point", "coordinates": [1, 2]}}
    with pytest.raises(ValueError, match="Point"):
        draw_atlas([feature])
