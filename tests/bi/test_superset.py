"""A real Superset: the bundle goes in by its one command, every chart answers, the page shows it.

Superset lives in an environment of its own, which JZEDU_SUPERSET names; `make superset-test` builds
it and runs this. A minute or two once it is built.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import duckdb
import pytest
import yaml

from tests.bi.conftest import Asked
from tests.conftest import Home
from tests.services import postgres, storage
from warehouse.lake import SCHEME, Lake
from warehouse.publication.revisions import beside
from warehouse.publication.shared import share
from warehouse.publication.uploaded import UploadedPublication
from warehouse.sql import transaction
from warehouse.storage import Bucket

DEPLOY = Path(__file__).parents[2] / "deploy" / "superset"
SUPERSET = os.environ.get("JZEDU_SUPERSET", "")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PASSWORD = "for this test alone"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SUPERSET, reason="make superset-test installs Superset and runs this"),
]


@dataclass(frozen=True)
class Elsewhere:
    """What reaches the publication on storage and in a lake, and its addresses there."""

    environment: dict[str, str]
    addresses: dict[str, str]


@dataclass(frozen=True)
class Served:
    """A Superset that runs, and how to ask it."""

    address: str
    token: str
    home: Path

    def ask(self, path: str, body: object = None) -> dict[str, Any]:
        """The answer of the REST API, which has to be a good one."""
        return call(f"{self.address}{path}", body, self.token)


def call(url: str, body: object = None, token: str = "") -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    sent = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, sent, headers)
    with urllib.request.urlopen(request) as answer:
        return dict(json.load(answer))


@pytest.fixture(scope="module")
def published(city: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A publication that this module may replace."""
    file = tmp_path_factory.mktemp("published") / city.publication.name
    shutil.copyfile(city.publication, file)
    return file


@pytest.fixture(scope="module")
def elsewhere(city: Home) -> Iterator[Elsewhere]:
    """The same publication on storage and in a lake; without addresses where the services cannot be had."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        try:
            catalog, shared = stack.enter_context(postgres()), stack.enter_context(storage())
        except pytest.skip.Exception:
            yield Elsewhere({}, {})
            return
        environment = {**catalog.environment, **shared.environment}
        for name, value in environment.items():
            patch.setenv(name, value)
        place = Bucket("jzedu", "published/", city.root / ".publication")
        session = botocore.session.Session()
        client = session.create_client("s3", endpoint_url=shared.endpoint)
        client.create_bucket(Bucket=place.name)
        ((stands,),) = city.ask("SELECT max(publication_id) FROM publication")
        UploadedPublication(place).put(city.publication, stands, keep=1)
        lake = Lake(f"dbname={catalog.database()}", "s3://jzedu/rows/", city.root)
        with (
            lake.connect(read_only=False) as connection,
            beside(connection, city.publication),
            transaction(connection),
        ):
            share(connection)
        yield Elsewhere(
            environment,
            {"storage": f"{place}/indicators.duckdb", "lake": f"{SCHEME}{lake.catalog}"},
        )


@pytest.fixture(scope="module")
def superset(
    published: Path, elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("superset")
    process = subprocess.Popen(
        ["bash", str(DEPLOY / "serve.sh"), str(published), "0"],
        env={
            **os.environ,
            "SUPERSET_VENV": SUPERSET,
            "SUPERSET_HOME": str(home),
            "SUPERSET_ADMIN_PASSWORD": PASSWORD,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"Listening at: (http://127\.0\.0\.1:\d+)", line):
            break
    else:
        pytest.fail("Superset did not start:\n" + "".join(said))
    drained = threading.Thread(target=process.stderr.read)
    drained.start()
    try:
        login = {"username": "admin", "password": PASSWORD, "provider": "db", "refresh": False}
        token = call(f"{found[1]}/api/v1/security/login", login)["access_token"]
        yield Served(found[1], token, home)
    finally:
        process.terminate()
        process.wait()
        drained.join()
        process.stderr.close()


def listed(superset: Served, kind: str, name: str) -> dict[str, int]:
    """The ids of all charts, datasets … by their names."""
    answer = superset.ask(f"/api/v1/{kind}/?q=(page_size:100)")
    return {record[name]: record["id"] for record in answer["result"]}


def data(superset: Served, asked: Asked, dataset: int) -> list[dict[str, Any]]:
    """The rows of a chart."""
    answer = superset.ask(
        "/api/v1/chart/data",
        {
            "datasource": {"id": dataset, "type": "table"},
            "queries": [
                {
                    "columns": asked.columns,
                    # None, not an empty list: rows as they are, not grouped.
                    "metrics": asked.metrics or None,
                    "filters": asked.filters,
                    "orderby": asked.order,
                    "row_limit": asked.limit,
                }
            ],
            "result_format": "json",
            "result_type": "full",
        },
    )
    return list(answer["result"][0]["data"])


@pytest.fixture(scope="module")
def datasets(superset: Served) -> dict[str, int]:
    """The ids that Superset gave the datasets of the bundle, by their uuids."""
    ids = listed(superset, "dataset", "table_name")
    records = [
        yaml.safe_load(path.read_text("utf-8"))
        for path in (DEPLOY / "bundle" / "datasets").rglob("*.yaml")
    ]
    return {record["uuid"]: ids[record["table_name"]] for record in records}


def test_every_chart_is_there_and_answers(
    superset: Served, charts: list[Asked], datasets: dict[str, int]
) -> None:
    assert set(listed(superset, "chart", "slice_name")) == {asked.name for asked in charts}
    for asked in charts:
        rows = data(superset, asked, datasets[asked.dataset_uuid])
        assert rows, asked.name
        assert set(rows[0]) == {*asked.columns, *asked.metrics}


def test_the_figures_are_those_of_the_publication(
    superset: Served, charts: list[Asked], datasets: dict[str, int], published: Path
) -> None:
    by_name = {asked.name: asked for asked in charts}
    clauses = by_name["全市各条款"]
    rows = data(superset, clauses, datasets[clauses.dataset_uuid])
    with duckdb.connect(str(published), read_only=True) as connection:
        wanted = connection.execute(
            "SELECT clause_id, value, status_zh FROM attainment_latest WHERE level = 'city'"
            " ORDER BY plan_order"
        ).fetchall()
    assert [(row["clause_id"], row["value"], row["status_zh"]) for row in rows] == wanted
    assert len(wanted) >= 50


def load_again(superset: Served, publication: str) -> None:
    """Load the bundle into the Superset that runs, for this publication."""
    told = subprocess.run(
        [f"{SUPERSET}/bin/python", str(DEPLOY / "load.py"), publication],
        env={
            **os.environ,
            "SUPERSET_HOME": str(superset.home),
            "SUPERSET_SECRET_KEY": (superset.home / "secret").read_text().strip(),
            "SUPERSET_CONFIG_PATH": str(DEPLOY / "superset_config.py"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert "/superset/dashboard/jzedu/" in told.stdout


def test_loaded_again_it_is_there_once(superset: Served, published: Path) -> None:
    kinds = {"chart": "slice_name", "dataset": "table_name", "dashboard": "dashboard_title"}
    before = [listed(superset, kind, name) for kind, name in kinds.items()]
    assert [len(records) for records in before] == [11, 5, 1]
    load_again(superset, str(published))
    assert [listed(superset, kind, name) for kind, name in kinds.items()] == before


@pytest.mark.parametrize("where", ["storage", "lake"])
def test_every_chart_says_the_same_from_storage_and_from_a_lake(
    superset: Served,
    elsewhere: Elsewhere,
    charts: list[Asked],
    datasets: dict[str, int],
    published: Path,
    where: str,
) -> None:
    if where not in elsewhere.addresses:
        pytest.skip("there is no S3 server, or no PostgreSQL")

    def figures() -> list[list[dict[str, Any]]]:
        found = [data(superset, asked, datasets[asked.dataset_uuid]) for asked in charts]
        return [sorted(rows, key=str) for rows in found]

    from_the_file = figures()
    load_again(superset, elsewhere.addresses[where])
    (database,) = superset.ask("/api/v1/database/")["result"]
    connection = superset.ask(f"/api/v1/database/{database['id']}/connection")["result"]
    assert connection["sqlalchemy_uri"] == "duckdb:///:memory:"
    assert elsewhere.addresses[where] in connection["extra"]
    assert "test-secret" not in str(connection)
    assert figures() == from_the_file
    load_again(superset, str(published))


def test_the_next_chart_shows_the_next_publication(
    superset: Served, charts: list[Asked], datasets: dict[str, int], published: Path, tmp_path: Path
) -> None:
    trend = next(asked for asked in charts if asked.name == "指标趋势")
    changed = tmp_path / "changed.duckdb"
    shutil.copyfile(published, changed)
    with duckdb.connect(str(changed)) as connection:
        connection.execute("UPDATE indicator_value SET value = 12345 WHERE value IS NOT NULL")
    assert 12345 not in {
        row["figure"] for row in data(superset, trend, datasets[trend.dataset_uuid])
    }
    os.replace(changed, published)
    figures = {row["figure"] for row in data(superset, trend, datasets[trend.dataset_uuid])}
    assert figures <= {12345, None} and 12345 in figures


def test_the_dashboard_shows_every_chart(
    superset: Served, charts: list[Asked], tmp_path: Path
) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1500, "height": 1000}, locale="zh-CN")
        refused: list[str] = []
        reached: set[str] = set()
        page.on("requestfinished", lambda request: reached.add(request.url.split("/")[2]))
        page.on(
            "response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None
        )
        page.goto(f"{superset.address}/login/")
        page.locator("input#username, input[name=username]").fill("admin")
        page.locator("input#password, input[name=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/login" not in url)
        page.goto(f"{superset.address}/superset/dashboard/jzedu/")
        page.set_viewport_size({"width": 1500, "height": 4000})
        page.wait_for_function(
            f"() => document.querySelectorAll('.dashboard-component-chart-holder').length == {len(charts)}"
            " && !document.querySelector('.loading, [data-test=loading-indicator]')",
            timeout=120_000,
        )
        told = page.locator("body").inner_text()
        page.screenshot(path=tmp_path / "dashboard.png")
        assert page.locator("[role=alert], .ant-alert").count() == 0
        browser.close()
    for asked in charts:
        assert asked.name in told
    assert {"达标", "未达标", "锦州市", "义县", "大班额比例"} <= set(re.split(r"[\s()%]+", told))
    assert refused == []
    assert reached == {superset.address.split("/")[2]}, "nothing came from anywhere else"
