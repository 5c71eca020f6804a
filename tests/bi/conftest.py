"""A published made-up city, and the bundle for Superset with what its charts ask."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
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


def load_module() -> ModuleType:
    """deploy/superset/load.py, with the module beside it that it imports."""
    for name in ("jzedu_attached", "load"):
        spec = importlib.util.spec_from_file_location(name, BUNDLE.parent / f"{name}.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules["load"]


@pytest.fixture(scope="session")
def load() -> ModuleType:
    """deploy/superset/load.py."""
    return load_module()


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


def all_charts() -> list[Asked]:
    """What every chart of the bundle asks."""
    return [_asked(yaml.safe_load(p.read_text("utf-8"))) for p in sorted(BUNDLE.glob("charts/*"))]


@pytest.fixture(scope="session")
def charts() -> list[Asked]:
    """What every chart of the bundle asks."""
    return all_charts()


def records(files: Mapping[str, str], folder: str) -> dict[str, dict[str, Any]]:
    """The records of the bundle's files in one of its folders, by their uuid."""
    found = (yaml.safe_load(text) for name, text in files.items() if name.startswith(f"{folder}/"))
    return {str(record["uuid"]): record for record in found}


def query(asked: Asked, dataset: dict[str, Any], where: str = "") -> str:
    """The SQL of a chart."""
    metrics = {metric["metric_name"]: metric["expression"] for metric in dataset["metrics"]}
    source = (
        f"({dataset['sql']})"
        if "sql" in dataset
        else f"{dataset['schema']}.{dataset['table_name']}"
    )
    columns = [f'"{column}"' for column in asked.columns]
    told = [*columns, *(f'{metrics[m]} AS "{m}"' for m in asked.metrics)]
    tests = [f"\"{f['col']}\" = '{f['val']}'" for f in asked.filters]
    assert all(f["op"] == "==" for f in asked.filters)
    sql = f"SELECT {', '.join(told)} FROM {source} AS virtual_table"
    if tests:
        sql += f" WHERE {' AND '.join(tests)}"
    if asked.metrics and columns:
        sql += f" GROUP BY {', '.join(columns)}"
    if asked.order:
        sql += " ORDER BY " + ", ".join(f'"{c}" {"ASC" if up else "DESC"}' for c, up in asked.order)
    return f"{sql} LIMIT {asked.limit}"
