"""The rule handbook is current and whole, and every rule has a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from expectations.acknowledged import load_acknowledgements
from expectations.handbook import rules_markdown
from expectations.warnings import load_warnings, warning_rules
from transforms.checks.rules import RULES
from transforms.forms import FORMS, Rule

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "rules.md"
EVERY_RULE = [*RULES.values(), *warning_rules()]


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == rules_markdown(warning_rules()), "run make docs"


def test_every_rule_is_on_the_page_once_and_no_other() -> None:
    headings = re.findall(r"^### (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    listed = [name for heading in headings for name in heading.split()]
    assert sorted(listed) == sorted(rule.id for rule in EVERY_RULE)
    assert {rule.id for rule in warning_rules()} == set(load_warnings())


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.id)
def test_every_rule_says_all_that_people_need(rule: Rule) -> None:
    assert rule.severity == ("error" if "-E" in rule.id else "warning")
    for words in (rule.zh, rule.remedy_zh, rule.reason_zh, rule.example):
        assert re.search(r"[\u4e00-\u9fff{]|\d", words), rule.id
    for words in (rule.en, rule.remedy_en, rule.reason_en):
        assert words.strip(), rule.id


@pytest.mark.parametrize("rule", warning_rules(), ids=lambda rule: rule.id)
def test_every_warning_across_forms_says_what_usually_explains_it(rule: Rule) -> None:
    assert re.search(r"[\u4e00-\u9fff]", rule.accepted_zh)
    assert rule.accepted_en
    assert rule.accepted_zh in PAGE.read_text("utf-8")


def test_every_rule_of_reading_is_named_in_a_test() -> None:
    """By its id; one that every form has by its number."""
    folder = ROOT / "tests" / "transforms"
    text = "\n".join(file.read_text("utf-8") for file in sorted(folder.rglob("*.py")))
    unnamed = []
    for name in RULES:
        number = name.partition("-")[2]
        shared = all(f"{form.code}-{number}" in RULES for form in FORMS.values())
        if not re.search(rf'"{number}"|-{number}\b' if shared else rf"\b{name}\b", text):
            unnamed.append(name)
    assert unnamed == []


def test_the_example_of_an_explanation_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    file = tmp_path / "explanations.yaml"
    file.write_text(example, "utf-8")
    (explanation,) = load_acknowledgements(file)
    assert explanation.rule == "CLS-W14"
