"""The plan as written down in YAML against the plan as announced, and the reader of plan files."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from expectations.clauses import NATIONAL_RULE_2021, Clause, Plan, PlanError, load_plan
from tests.announced import ANNOUNCED, Announced

OURS = {row.clause_id: row.ours for row in ANNOUNCED if row.ours is not None}

CHINESE = re.compile(r"[\u4e00-\u9fff]")


def figures(text: str) -> set[str]:
    """The figures in ``text``: 90%, 2022, 07:50."""
    return set(re.findall(r"\d+(?::\d\d)?%?", text))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan()


@pytest.fixture(scope="module")
def clauses(plan: Plan) -> dict[str, Clause]:
    return {clause.clause_id: clause for clause in plan.clauses}


def test_the_plan_names_its_version_and_title(plan: Plan) -> None:
    assert plan.plan_version == "jinzhou-2019-2025/2"
    assert figures(plan.title_zh) == figures(plan.title_en) == {"2019", "2025"}


def test_the_first_year_published_is_the_plans(plan: Plan) -> None:
    assert plan.begins == 2018
    assert plan.model_copy(update={"first_year": 2016}).begins == 2016
    # Where the file names none, it is the year against which the first clause is measured.
    (first, *_) = plan.clauses
    late = first.model_copy(update={"effective_from": 2021})
    other = plan.model_copy(update={"first_year": None, "clauses": (late,)})
    assert other.begins == 2020
    assert other.with_rules(load_plan(NATIONAL_RULE_2021)).begins == 2020


def test_the_plan_has_its_clauses_in_order(plan: Plan) -> None:
    assert len(ANNOUNCED) == 59
    assert [clause.clause_id for clause in plan.clauses] == [row.clause_id for row in ANNOUNCED]


@pytest.mark.parametrize("row", ANNOUNCED, ids=lambda row: row.clause_id)
def test_a_clause_is_as_announced(clauses: dict[str, Clause], row: Announced) -> None:
    clause = clauses[row.clause_id]
    assert clause.indicator_id == row.indicator_id
    assert clause.section == row.section
    assert clause.kind == row.kind
    assert (clause.comparator, clause.threshold) == (row.comparator, row.threshold)
    assert clause.due_year == row.due_year
    assert (clause.effective_from, clause.effective_to) == (2019, None)
    assert clause.replaces is None


@pytest.mark.parametrize("row", ANNOUNCED, ids=lambda row: row.clause_id)
def test_a_statement_names_the_plans_figures_and_no_others(
    clauses: dict[str, Clause], row: Announced
) -> None:
    # Where the due year is ours, it stands in the basis.
    ours = row.ours.figures.split() if row.ours else []
    due = {str(row.due_year)} - set(ours) if row.due_year else set()
    expected = {*row.figures.split(), *due}
    assert figures(clauses[row.clause_id].statement_zh) == expected
    assert figures(clauses[row.clause_id].statement_en) == expected


def test_what_is_ours_and_nothing_else_is_an_interpretation(plan: Plan) -> None:
    assert {clause.clause_id for clause in plan.clauses if clause.interpretation} == set(OURS)
    for clause in plan.clauses:
        if not clause.interpretation:
            assert (clause.basis_zh, clause.basis_en) == (None, None), clause.clause_id


@pytest.mark.parametrize("clause_id", OURS)
def test_an_interpretation_keeps_the_hedge_and_gives_its_figures(
    clauses: dict[str, Clause], clause_id: str
) -> None:
    hedge_zh, hedge_en, ours = OURS[clause_id]
    clause = clauses[clause_id]
    assert clause.basis_zh is not None
    assert clause.basis_en is not None
    assert hedge_zh in clause.statement_zh
    assert hedge_zh in clause.basis_zh
    assert hedge_en in clause.statement_en.lower()
    assert hedge_en in clause.basis_en.lower()
    assert "本系统" in clause.basis_zh
    assert set(ours.split()) <= figures(clause.basis_zh) & figures(clause.basis_en)


def test_wording_is_whole_sentences_in_its_own_language_and_never_twice(plan: Plan) -> None:
    for clause in (*plan.clauses, *load_plan(NATIONAL_RULE_2021).clauses):
        for chinese in filter(None, (clause.statement_zh, clause.basis_zh)):
            assert chinese.endswith("。"), clause.clause_id
            # A line break inside a Chinese value would be folded into a space.
            assert " " not in chinese, clause.clause_id
        for english in filter(None, (clause.statement_en, clause.basis_en)):
            assert english.endswith("."), clause.clause_id
            assert not CHINESE.search(english), clause.clause_id
    assert len({clause.statement_zh for clause in plan.clauses}) == len(plan.clauses)
    assert len({clause.statement_en for clause in plan.clauses}) == len(plan.clauses)


def test_every_clause_cites_the_announcement(plan: Plan) -> None:
    (source,) = {clause.source for clause in plan.clauses}
    assert "锦州市" in source
    assert "2019-06-12" in source


def test_the_national_rule_is_as_issued() -> None:
    (rule,) = load_plan(NATIONAL_RULE_2021).clauses
    assert (rule.clause_id, rule.indicator_id) == ("N1.2", "lesson_start_national_share")
    assert (rule.section, rule.kind, rule.comparator) == (1, "standing", ">=")
    assert (rule.threshold, rule.due_year) == (Decimal(100), None)
    assert (rule.effective_from, rule.effective_to) == (2021, None)
    assert rule.replaces == "lesson_start_compliance_share"
    assert rule.interpretation
    assert "教基厅函〔2021〕11号" in rule.source
    assert figures(rule.statement_zh) == figures(rule.statement_en) == {"08:20", "08:00"}


def test_with_the_national_rule_clause_1_2_ends_in_2020(
    plan: Plan, clauses: dict[str, Clause]
) -> None:
    national = load_plan(NATIONAL_RULE_2021)
    both = plan.with_rules(national)
    after = {clause.clause_id: clause for clause in both.clauses}
    assert (after["1.2"].effective_from, after["1.2"].effective_to) == (2019, 2020)
    assert after["N1.2"] == national.clauses[0]
    assert set(after) == {*clauses, "N1.2"}
    assert all(after[name] == clauses[name] for name in clauses if name != "1.2")
    assert both.plan_version == "jinzhou-2019-2025/2+national-2021/2"
    # The plan itself is left as it was.
    assert clauses["1.2"].effective_to is None


def test_a_rule_that_replaces_nothing_of_a_plan_stands_beside_it(tmp_path: Path) -> None:
    small = load_plan(written(tmp_path, [clause_record(clause_id="1.2")]))
    both = small.with_rules(load_plan(NATIONAL_RULE_2021))
    # Clause 1.2 of this plan is about something else.
    assert [(c.clause_id, c.effective_to) for c in both.clauses] == [("1.2", None), ("N1.2", None)]


def test_a_rule_replaces_the_clause_about_its_indicator_under_whatever_number(
    tmp_path: Path,
) -> None:
    record = clause_record(clause_id="7.7", indicator_id="lesson_start_compliance_share")
    both = load_plan(written(tmp_path, [record])).with_rules(load_plan(NATIONAL_RULE_2021))
    assert [(c.clause_id, c.effective_to) for c in both.clauses] == [("7.7", 2020), ("N1.2", None)]


def test_a_rule_cannot_begin_before_the_clause_that_it_replaces(tmp_path: Path) -> None:
    record = clause_record(indicator_id="lesson_start_compliance_share", effective_from=2021)
    plan = load_plan(written(tmp_path, [record]))
    with pytest.raises(PlanError, match=re.escape("N1.2 begins before 9.1")):
        plan.with_rules(load_plan(NATIONAL_RULE_2021))


def test_the_floor_of_coverage_is_the_plans_unless_a_clause_sets_its_own(tmp_path: Path) -> None:
    records = [clause_record(), clause_record(clause_id="9.2", coverage_floor=0.5)]
    plan = load_plan(written(tmp_path, records))
    assert [plan.floor_of(clause) for clause in plan.clauses] == [Decimal("0.8"), Decimal("0.5")]


def test_every_section_of_the_plan_has_a_name(plan: Plan) -> None:
    assert [section.section for section in plan.sections] == list(range(7))
    assert {clause.section for clause in plan.clauses} == set(range(7))


# Plan files that are not well formed. Each starts from a good one and breaks one thing.


def clause_record(**changes: object) -> dict[str, object]:
    """A well-formed clause as it stands in a file, with ``changes``; a change to None drops."""
    record: dict[str, object] = {
        "clause_id": "9.1",
        "indicator_id": "some_share",
        "section": 9,
        "kind": "level",
        "comparator": ">=",
        "threshold": 90,
        "due_year": 2022,
        "effective_from": 2019,
        "statement_zh": "到2022年达到90%。",
        "statement_en": "At least 90% by 2022.",
        "source": "a source",
    }
    record.update(changes)
    return {key: value for key, value in record.items() if value is not None}


def written(folder: Path, records: list[Any]) -> Path:
    """A plan file with these clauses."""
    file = folder / "plan.yaml"
    content = {"plan_version": "t/1", "title_zh": "规划", "title_en": "Plan", "clauses": records}
    file.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    return file


def refusal(file: Path) -> str:
    """What the reader says of a plan file that it refuses."""
    with pytest.raises(PlanError) as caught:
        load_plan(file)
    return str(caught.value)


def test_the_record_that_the_cases_below_break_is_good(tmp_path: Path) -> None:
    (clause,) = load_plan(written(tmp_path, [clause_record()])).clauses
    assert clause.threshold == 90


BROKEN: dict[str, tuple[Callable[[], list[Any]], str]] = {
    "level without threshold": (
        lambda: [clause_record(threshold=None)],
        r"clause 9\.1: .*kind level.*threshold",
    ),
    "monitor with threshold": (
        lambda: [clause_record(kind="monitor", comparator=None, due_year=None)],
        r"clause 9\.1: .*kind monitor.*threshold",
    ),
    "never_falls with threshold": (
        lambda: [clause_record(kind="never_falls", due_year=None)],
        r"clause 9\.1: .*kind never_falls.*threshold",
    ),
    "no comparator": (
        lambda: [clause_record(comparator=None)],
        r"clause 9\.1: .*needs a comparator",
    ),
    "milestone without due year": (
        lambda: [clause_record(kind="milestone", due_year=None)],
        r"clause 9\.1: .*kind milestone needs a due_year",
    ),
    "interpretation without English basis": (
        lambda: [clause_record(interpretation=True, basis_zh="依据。")],
        r"clause 9\.1: .*needs its basis, in both languages",
    ),
    "ends before it begins": (
        lambda: [clause_record(effective_to=2018)],
        r"clause 9\.1: .*effective_to lies before effective_from",
    ),
    "same id twice": (
        lambda: [clause_record(), clause_record(statement_en="Another.")],
        r"clause 9\.1: the clause stands there twice",
    ),
    "floor above all units": (
        lambda: [clause_record(coverage_floor=1.2)],
        r"clause 9\.1 coverage_floor: .*less than or equal to 1",
    ),
    "unknown key": (
        lambda: [clause_record(treshold=90)],
        r"clause 9\.1 treshold: .*is threshold meant",
    ),
    "unknown kind": (lambda: [clause_record(kind="goal")], r"clause 9\.1 kind: .*'never_falls'"),
    "unquoted id": (lambda: [clause_record(clause_id=2.1)], r"clause 2\.1 clause_id: .*string"),
    "no clause id": (
        lambda: [clause_record(), clause_record(clause_id=None)],
        r"clause some_share clause_id: is missing; give it",
    ),
    "no clause": (lambda: [], r"the plan has no clause"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plan_is_refused_with_file_clause_and_reason(tmp_path: Path, case: str) -> None:
    records, reason = BROKEN[case]
    file = written(tmp_path, records())
    message = refusal(file)
    assert re.match(rf"{re.escape(str(file))}, line \d+[,:] ", message)
    assert re.search(reason, message)
    assert "\n" not in message


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    message = refusal(
        written(tmp_path, [clause_record(threshold=None), clause_record(clause_id="9.2", color=1)])
    )
    assert "clause 9.1: " in message
    assert "clause 9.2 color: " in message


def test_a_yaml_slip_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("plan_version: t/1\nclauses: [\n", "utf-8")
    message = refusal(file)
    assert message.startswith(f"{file}, line 3, is no YAML: ")


def test_a_missing_plan_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "nowhere.yaml"
    assert refusal(file) == f"{file} cannot be read: No such file or directory"


# Faults of the reader itself, each pinned until it is mended.


@pytest.mark.parametrize("case", ["same id twice", "no clause", "level without threshold"])
def test_a_refusal_is_in_plain_words(tmp_path: Path, case: str) -> None:
    message = refusal(written(tmp_path, BROKEN[case][0]()))
    assert "Value error" not in message
    assert ": :" not in message


def test_a_clause_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    assert "clause 9.1: Input should be a valid" in refusal(written(tmp_path, ["9.1"]))


def test_a_plan_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_bytes("title_zh: 规划".encode("gb18030"))
    assert str(file) in refusal(file)


def test_the_same_key_twice_in_a_clause_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, [clause_record()])
    text = file.read_text("utf-8")
    file.write_text(text.replace("threshold: 90", "threshold: 90\n  threshold: 80"), "utf-8")
    assert "threshold" in refusal(file)
