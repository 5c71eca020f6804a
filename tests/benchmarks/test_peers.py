"""The peers of the benchmark compute what jzedu computes: the same indicators, clauses and columns.

What jzedu gains (an indicator, a clause, a column of a form) the peers may lack: they are there to be
timed, and a run of the benchmark says how many figures it has compared.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from expectations.clauses import load_plan
from transforms.forms import FORMS
from warehouse.indicators.definitions import load_catalogue
from warehouse.reference import PACKAGED, load_reference

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
CATALOGUE = load_catalogue()


def seed(name: str) -> list[dict[str, str]]:
    with (PEERS / "dbt" / "seeds" / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def sources(*files: str) -> str:
    return "\n".join(
        file.read_text("utf-8") for pattern in files for file in sorted(PEERS.glob(pattern))
    )


COMPUTED = [line["indicator_id"] for line in seed("indicators")]
JUDGED = [
    clause
    for clause in load_plan().clauses
    if clause.clause_id in {line["clause_id"] for line in seed("clauses")}
]


def test_the_indicators_are_those_of_the_catalogue() -> None:
    listed = [
        (line["indicator_id"], int(line["scale"]), line["is_share"] == "true", line["scope"])
        for line in seed("indicators")
    ]
    assert listed == [
        (i.indicator_id, i.scale, i.bottom is not None, i.scope)
        for i in CATALOGUE.indicators
        if i.indicator_id in COMPUTED
    ]


def test_every_indicator_needs_the_forms_that_it_is_made_of() -> None:
    listed = {
        (line["indicator_id"], line["form"], int(line["years_before"]))
        for line in seed("indicator_forms")
    }
    assert listed == {
        (indicator.indicator_id, form, part.years_before)
        for indicator in CATALOGUE.indicators
        for name, part in indicator.parts.items()
        if name in ("top", "bottom")
        for form in CATALOGUE.forms_of(part.source)
        if indicator.indicator_id in COMPUTED
    }


@pytest.mark.parametrize(
    "files",
    ["dbt/models/figures/*.sql", "city.sql", "pandas_city.py"],
    ids=["dbt", "sql", "pandas"],
)
def test_every_peer_computes_every_indicator(files: str) -> None:
    text = sources(files)
    assert [indicator for indicator in COMPUTED if not named(indicator, text)] == []


def named(indicator: str, text: str) -> bool:
    return re.search(rf"['\"]{indicator}['\"]", text) is not None


def test_the_clauses_are_those_of_the_plan() -> None:
    listed = [
        (
            line["clause_id"],
            line["indicator_id"],
            line["kind"],
            line["comparator"] or None,
            float(line["threshold"]) if line["threshold"] else None,
            int(line["due_year"]) if line["due_year"] else None,
            int(line["effective_from"]),
        )
        for line in seed("clauses")
    ]
    assert listed == [
        (
            clause.clause_id,
            clause.indicator_id,
            clause.kind,
            clause.comparator,
            None if clause.threshold is None else float(clause.threshold),
            clause.due_year,
            clause.effective_from,
        )
        for clause in JUDGED
    ]


def test_every_clause_with_a_verdict_is_a_test_of_dbt() -> None:
    tested = re.findall(r'clause_id: "([\d.]+)"', sources("dbt/models/marts/marts.yml"))
    assert tested == [clause.clause_id for clause in JUDGED if clause.kind != "monitor"]


def test_the_columns_are_those_of_the_forms() -> None:
    with (PEERS / "columns.csv").open(encoding="utf-8", newline="") as lines:
        listed = [tuple(line.values()) for line in csv.DictReader(lines)]
    assert listed == [
        (form.zh, form.name, column.header, column.name)
        for form in FORMS.values()
        for column in form.columns
        if (form.name, column.name) in {(line[1], line[3]) for line in listed}
    ]


def test_what_is_not_expected_is_the_same() -> None:
    reference = load_reference(PACKAGED)
    expected = set(reference.expected.select("region_code", "form").iter_rows())
    assert {(line["region_code"], line["form"]) for line in seed("not_expected")} == {
        (code, form) for code in reference.units["region_code"] for form in FORMS
    } - expected


def test_the_lock_names_no_address() -> None:
    lock = (PEERS / "requirements.lock").read_text("utf-8")
    assert "--hash=sha256:" in lock
    assert not re.search(r"://|^-", lock, re.MULTILINE)
