"""`jzedu definitions`, and what every command says of definitions that are wrong."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from flows.terminal.cli import cli
from tests.conftest import Home
from transforms.definitions import DefinitionError

INDICATOR = """
indicators:
  - indicator_id: hazards
    section: 6
    name_zh: 隐患数
    name_en: Hazards
    unit: 处
    better: lower
    numerator: {source: safety, value: sum(hazards_found), zh: 隐患数}
    gap: {unit: 处}
    examples:
      - given: {safety: [{hazards_found: 2}, {hazards_found: 3}]}
        numerator: "5"
"""


def run(home: Home, *arguments: str) -> Result:
    home.settings.inbox.mkdir(exist_ok=True)
    return CliRunner().invoke(cli, ["definitions", *arguments, "--home", str(home.root)])


def test_sound_definitions_are_said_to_be_sound(home: Home) -> None:
    home.define("indicators.yaml", INDICATOR)
    result = run(home, "check")
    assert result.exit_code == 0, result.output
    assert "11 forms" in result.output and "59 clauses of jinzhou-2019-2025/2" in result.output


def test_an_example_that_comes_out_otherwise_fails_the_check(home: Home) -> None:
    file = home.define("indicators.yaml", INDICATOR.replace('"5"', '"6"'))
    result = run(home, "check")
    assert result.exit_code == 1
    assert f"{file}, indicator hazards, example 1: it gives 5.000000" in result.output


def test_what_is_wrong_is_raised_with_every_problem(home: Home) -> None:
    home.define("indicators.yaml", INDICATOR.replace("source: safety", "source: bus"))
    home.define("plan.yml", "")
    result = run(home, "list")
    assert isinstance(result.exception, DefinitionError)
    assert len(result.exception.problems) == 2


def test_the_list_says_where_each_record_comes_from(home: Home) -> None:
    home.define("indicators.yaml", INDICATOR)
    home.define_form("class", "班级学生数表", "班级情况表")
    lines = run(home, "list").output.splitlines()
    (own,) = (line for line in lines if "hazards " in line and "indicator" in line)
    (anew,) = (line for line in lines if "│ class " in line)
    (packaged,) = (line for line in lines if "│ school " in line)
    assert "packaged" not in own and "packaged" not in anew and "packaged" in packaged


def test_a_record_is_shown_as_it_stands_in_its_file(home: Home) -> None:
    file = home.define("indicators.yaml", INDICATOR)
    shown = run(home, "show", "hazards").output
    assert f"# indicator hazards, {file}:3" in shown
    assert "numerator: {source: safety, value: sum(hazards_found), zh: 隐患数}" in shown
    assert "examples" in shown


def test_what_nobody_defined_is_told(home: Home) -> None:
    result = run(home, "show", "nothing")
    assert result.exit_code == 2
    assert "jzedu definitions list names all" in result.output


@pytest.mark.parametrize("command", ["status", "explain 2.1 义县 2020", "template --out x"])
def test_other_commands_tell_it_before_they_do_anything(home: Home, command: str) -> None:
    home.define("plan.yaml", "clauses: [")
    home.settings.inbox.mkdir()
    result = CliRunner().invoke(cli, [*command.split(), "--home", str(home.root)])
    assert isinstance(result.exception, DefinitionError)
    assert "plan.yaml, line 2, is no YAML" in str(result.exception)
