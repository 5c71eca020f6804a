"""A published made-up city, and the bundle for Superset with what its charts ask."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.conftest import Home, MakeHome
from transforms.sample import write_sample
from warehouse.reference import load_reference

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "deploy" / "superset" / "bundle"


@pytest.fixture(scope="session")
def city(make_home: MakeHome) -> Home:
    """Two units and the city's own schools, 2019 to 2021, published."""
    home = make_home()
    reference = load_reference(home.root)
    kept = {"210700", "210701", "210702", "210727"}
    write_sample(
        home.settings.inbox,
        range(2019, 2022),
        reference.regions.filter(reference.regions["region_code"].is_in(kept)),
        reference.townships,
        mess="none",
    )
    home.night()
    return home


@pytest.fixture(scope="session")
def load() -> ModuleType:
    """deploy/superset/load.py."""
    spec = importlib.util.spec_from_file_location("load", BUNDLE.parent / "load.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Asked:
    """What a chart asks of its dataset, in the words of Superset's API for chart data."""

    name: str
    dataset_uuid: str
    columns: list[str]
    metrics: list[str]
    filters: list[dict[str, Any]]
    order: list[tuple[str, bool]]
    limit: int


def _asked(chart: dict[str, Any]) -> Asked:
    params = chart["params"]
    kind = chart["viz_type"]
    assert kind == params["viz_type"]
    order: list[tuple[str, bool]] = []
    if kind == "big_number_total":
        columns, metrics = [], [params["metric"]]
    elif kind == "table":
        columns, metrics = params["all_columns"], []
        order = [tuple(json.loads(pair)) for pair in params["order_by_cols"]]
    elif kind == "pivot_table_v2":
        columns, metrics = params["groupbyRows"] + params["groupbyColumns"], params["metrics"]
    elif kind.startswith("echarts_timeseries"):
        columns, metrics = [params["x_axis"], *params["groupby"]], params["metrics"]
    else:
        raise AssertionError(f"{chart['slice_name']}: what a {kind} asks is not known here")
    filters = [
        {"col": f["subject"], "op": f["operator"], "val": f["comparator"]}
        for f in params["adhoc_filters"]
    ]
    return Asked(
        chart["slice_name"],
        chart["dataset_uuid"],
        columns,
        metrics,
        filters,
        order,
        params.get("row_limit", 50000),
    )


@pytest.fixture(scope="session")
def charts() -> list[Asked]:
    """What every chart of the bundle asks."""
    return [_asked(yaml.safe_load(p.read_text("utf-8"))) for p in sorted(BUNDLE.glob("charts/*"))]
