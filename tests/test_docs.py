"""The pages of docs/ say what the program does, and whoever cites them names a heading that is there.

A citation is the page and, in italics, the heading: docs/contract.md, *Cells*.
"""

from __future__ import annotations

import re
import shlex
from fractions import Fraction
from pathlib import Path
from typing import get_args

import click
import pytest

from expectations.clauses import NATIONAL_RULE_2021, Clause, load_plan
from expectations.warnings import load_warnings
from flows.settings import Settings
from flows.sources.settings import SourceSettings
from flows.terminal.cli import cli
from transforms.forms import FORMS, Form, Kind
from warehouse.indicators.definitions import load_catalogue
from warehouse.publication.tables import TABLES
from warehouse.publication.views import VIEWS

ROOT = Path(__file__).parents[1]
CONTRACT, PLAN = (ROOT / "docs" / name for name in ("contract.md", "plan.md"))
FLOORS = ("transforms", "warehouse", "expectations", "flows")
CODE = [
    file
    for folder in (*FLOORS, "tests")
    for pattern in ("*.py", "*.yaml")
    for file in sorted((ROOT / folder).rglob(pattern))
]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

_CITED = re.compile(r"docs/([\w/]+\.md), \*([^*]+)\*")
#: One of the two pages named without its folder, or a paragraph by its number.
_ASTRAY = re.compile(r"(?<![/\w`])(?:contract|plan)\.md\b|\bcontract,? (?:§|section)|§ ?\d")
_HEADING = re.compile(r"^#{2,} (.+)$", re.MULTILINE)

CATALOGUE = load_catalogue()
CLAUSES = {c.clause_id: c for c in (*load_plan().clauses, *load_plan(NATIONAL_RULE_2021).clauses)}


def headings(page: Path) -> set[str]:
    return set(_HEADING.findall(page.read_text("utf-8")))


def section(page: Path, heading: str) -> str:
    """What stands below ``heading``, up to the next one of its level or above."""
    text = page.read_text("utf-8")
    found = re.search(
        rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,2}} |\Z)", text, re.DOTALL | re.MULTILINE
    )
    assert found, f"{page.name} has no heading {heading}"
    body = found[2]
    return body if found[1] == "##" else re.split(r"^#+ ", body, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the tables in ``text``, without heads and lines."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads = {i - 1 for i, line in enumerate(lines) if set(line) <= set("|- ")}
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for i, line in enumerate(lines)
        if i not in heads and not set(line) <= set("|- ")
    ]


def named(text: str) -> list[str]:
    """What stands as code in the first cells of the tables in ``text``."""
    return [name for row in rows(text) for name in re.findall(r"`([^`]+)`", row[0])]


# --- citations and links ---------------------------------------------------------------------


def test_every_citation_names_a_heading_that_is_there() -> None:
    cited = {
        (page, " ".join(heading.split()))
        for file in CODE
        for page, heading in _CITED.findall(_unfolded(file))
    }
    for page, heading in sorted(cited):
        assert heading in headings(ROOT / "docs" / page), (page, heading)


def test_no_page_is_cited_in_another_way() -> None:
    for file in CODE:
        if file != Path(__file__):
            found = _ASTRAY.search(file.read_text("utf-8"))
            assert found is None, (file.relative_to(ROOT), found)


def _unfolded(file: Path) -> str:
    """The text of a file, in which a citation may go on in the next line of a comment."""
    return re.sub(r"\s*\n\s*(?:#:? ?)?", " ", file.read_text("utf-8"))


@pytest.mark.parametrize("page", [CONTRACT, PLAN], ids=lambda page: page.name)
def test_a_heading_stands_once(page: Path) -> None:
    found = _HEADING.findall(page.read_text("utf-8"))
    assert sorted(found) == sorted(set(found))


def test_links_lead_to_files_and_headings_that_are_there() -> None:
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
        for target, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]*))?\)", text):
            file = page.parent / target if target else page
            assert file.exists(), (page.name, target)
            if anchor:
                there = {_anchor(heading) for heading in headings(file)}
                assert anchor in there, (page.name, target, anchor)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


# --- the contract ----------------------------------------------------------------------------


def test_the_contract_has_every_command_and_no_other() -> None:
    told = [name.removeprefix("jzedu ") for name in named(section(CONTRACT, "Commands"))]
    assert sorted(told) == sorted(cli.commands)


def test_the_contract_has_every_setting_and_no_other() -> None:
    names = {field.validation_alias or name for name, field in Settings.model_fields.items()}
    assert set(named(section(CONTRACT, "Settings"))) == names - {"home"}


def test_the_contract_has_every_kind_of_source() -> None:
    kinds = [
        model.model_fields["kind"].annotation for model in get_args(get_args(SourceSettings)[0])
    ]
    assert set(named(section(CONTRACT, "Sources"))) == {get_args(kind)[0] for kind in kinds}


def test_the_contract_has_every_warning_across_forms_and_no_other() -> None:
    told = {row[0] for row in rows(section(CONTRACT, "Warnings"))}
    assert told == {name.partition("-")[2] for name in load_warnings()}


def test_the_contract_has_every_form_in_its_place() -> None:
    told = re.findall(r"^### (.+)$", section(CONTRACT, "Forms"), re.MULTILINE)
    assert told == list(FORMS)


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.name)
def test_the_contract_has_a_form_as_it_is(form: Form) -> None:
    text = section(CONTRACT, form.name)
    assert text.lstrip().startswith(f"{form.zh}, `{form.code}`. ")
    key = re.search(r"its key is (.+)\.", text)
    assert tuple(re.findall(r"`(\w+)`", key[1]) if key else ()) == form.key
    assert rows(text) == [
        [f"`{c.name}`", c.header, ", ".join(c.aliases), _type(form, c.name)] for c in form.columns
    ]


def _type(form: Form, name: str) -> str:
    column = form.by_name[name]
    words = f"{{{', '.join(column.choices)}}}" if column.kind is Kind.CHOICE else str(column.kind)
    words += f", {column.unit}" if column.unit else ""
    words += f", {column.low} to {column.high}" if column.high is not None else ""
    return words + (" !" if column.required else "")


def test_the_contract_has_every_published_table_as_it_is() -> None:
    told = {row[0]: row[2] for row in rows(section(CONTRACT, "Tables"))}
    assert told == {
        f"`{table.name}`": ", ".join(f"`{column.name}`" for column in table.columns)
        for table in TABLES
    }
    assert named(section(CONTRACT, "Views")) == ["year_coverage", "county_scorecard"] + [
        view.name for view in VIEWS if view.name != "year_coverage"
    ]


def test_the_contract_has_every_status_of_a_submission() -> None:
    comment = next(
        c for t in TABLES if t.name == "submission" for c in t.columns if c.name == "status"
    )
    told = named(section(CONTRACT, "Submissions"))
    assert sorted(told) == sorted(re.findall(r"[a-z_]+", comment.zh))


# --- the plan --------------------------------------------------------------------------------


def test_the_plan_has_every_clause_once() -> None:
    assert sorted(_told()) == sorted(CLAUSES)


@pytest.mark.parametrize("clause", CLAUSES.values(), ids=lambda clause: clause.clause_id)
def test_the_plan_has_a_clause_as_it_is(clause: Clause) -> None:
    assert clause.clause_id in _told(), f"docs/plan.md, *Clauses*: the line of {clause.clause_id}"
    indicator = CATALOGUE.by_id[clause.indicator_id]
    threshold = ""
    if clause.threshold is not None:
        sign = {">=": "≥", "<=": "≤"}[str(clause.comparator)]
        threshold = f"{sign} {float(clause.threshold):g}"
    row = _told()[clause.clause_id]
    parts = row.pop(3)
    assert row == [
        f"{clause.clause_id} †" if clause.interpretation else clause.clause_id,
        f"`{clause.indicator_id}`",
        indicator.name_zh,
        indicator.unit,
        indicator.better,
        clause.kind,
        threshold,
        str(clause.due_year or ""),
    ]
    assert ("*A*" in parts) == (indicator.asked is not None)
    assert (" / " in parts) == (indicator.bottom is not None)
    scope = re.search(r"; scope (\w+)", parts)
    assert (scope[1] if scope else "all") == indicator.scope
    assert indicator.scale == {"%": 100, "元": 10_000}.get(indicator.unit, 1)


def _told() -> dict[str, list[str]]:
    """The lines of the clauses, by their ids."""
    return {row[0].removesuffix(" †"): row for row in rows(section(PLAN, "Clauses"))}


def test_the_plan_has_every_status() -> None:
    comment = next(
        c for t in TABLES if t.name == "attainment" for c in t.columns if c.name == "status"
    )
    assert set(named(section(PLAN, "Verdicts"))) == set(re.findall(r"[a-z_]+", comment.zh))


def test_the_plan_has_the_floor_of_coverage() -> None:
    floor = Fraction(load_plan().coverage_floor)
    assert f"fewer than {int(floor * 100)} % of the units" in section(PLAN, "Silent units")


def test_the_plan_has_every_scope() -> None:
    told = {row[0] for row in rows(section(PLAN, "Words"))}
    assert {scope.scope for scope in CATALOGUE.scopes} <= told


def test_the_plan_says_whose_shortfall_is_named() -> None:
    told = {
        clause
        for row in rows(section(PLAN, "Shortfall"))
        for clause in re.findall(r"N?\d\.\d+", row[0])
    }
    assert told == {
        c.clause_id
        for c in CLAUSES.values()
        if c.kind != "monitor" and CATALOGUE.by_id[c.indicator_id].causes is not None
    }


def test_the_architecture_has_every_room_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    floors = re.findall(r"^### Floor \d, `(\w+)/`.*?\n(.*?)(?=^###|^\| where)", text, re.M | re.S)
    assert [name for name, _ in floors] == ["flows", "expectations", "warehouse", "transforms"]
    for name, table in floors:
        rooms = re.findall(r"`([\w.]+/?)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M)))
        here = {
            f"{path.name}/" if path.is_dir() else path.name
            for path in (ROOT / name).iterdir()
            if path.name not in ("__init__.py", "__pycache__")
        }
        assert set(rooms) == here
    for path in re.findall(r"`((?:flows|expectations|warehouse|transforms)/[\w./]+)`", text):
        assert (ROOT / path).exists(), path


# --- the README in Chinese -------------------------------------------------------------------


def test_the_chinese_readme_has_every_command_setting_and_table() -> None:
    page = ROOT / "README.zh.md"
    commands = set(re.findall(r"`jzedu (\w+)", section(page, "命令")))
    assert commands == set(cli.commands)
    names = {field.validation_alias or name for name, field in Settings.model_fields.items()}
    assert {name.strip("[]") for name in named(section(page, "设置"))} == {
        str(name) for name in names - {"home"}
    }
    told = named(section(page, "读取发布库"))
    assert {table.name for table in TABLES} <= set(told)


# --- the operations guide in Chinese ---------------------------------------------------------

GUIDE, OPERATIONS = ROOT / "docs" / "运维手册.md", ROOT / "docs" / "operations.md"
#: A command in the text or in a block of its own, to its end.
_CALLED = re.compile(r"(?:^|`)(?:\.venv/bin/)?jzedu ([^`\n]+)", re.MULTILINE)


def _calls(page: Path) -> list[list[str]]:
    return [shlex.split(call) for call in _CALLED.findall(page.read_text("utf-8"))]


def _command(words: list[str]) -> click.Command:
    """The command that the words call; those of a group with the group's own."""
    command: click.Command = cli
    for word in words:
        if not isinstance(command, click.Group) or word not in command.commands:
            break
        command = command.commands[word]
    return command


@pytest.mark.parametrize("page", [GUIDE, OPERATIONS], ids=lambda page: page.stem)
def test_every_command_of_a_guide_is_one_with_options_that_it_has(page: Path) -> None:
    calls = _calls(page)
    assert len(calls) > 20
    for words in calls:
        if words[0] == "--lang":
            assert words[1] in ("zh", "en")
            words = words[2:]
        if words == ["命令", "…"]:
            continue
        command = _command(words)
        assert command is not cli, words
        known = {name for param in command.params for name in param.opts}
        told = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert told <= known, words


def test_the_guide_in_chinese_has_the_chapters_limits_and_metrics_of_the_other() -> None:
    def chapters(page: Path) -> list[str]:
        return re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE)

    assert len(chapters(GUIDE)) == len(chapters(OPERATIONS))
    for chinese, english in (("限额", "Limits"), ("监控指标", "Metrics")):
        assert chapters(GUIDE).index(chinese) == chapters(OPERATIONS).index(english)
        assert rows(section(GUIDE, chinese)) and named(section(GUIDE, chinese)) == named(
            section(OPERATIONS, english)
        )
    defaults = [
        {row[0]: row[1] for row in rows(section(page, name))}
        for page, name in (
            (GUIDE, "限额"),
            (OPERATIONS, "Limits"),
        )
    ]
    assert defaults[0] == defaults[1]


def test_what_the_guide_in_chinese_quotes_is_what_the_program_says() -> None:
    said = "".join(
        file.read_text("utf-8") for folder in FLOORS for file in (ROOT / folder).rglob("*.py")
    )
    said += (ROOT / "flows" / "terminal" / "help.zh.yaml").read_text("utf-8")
    first = [row[0] for row in rows(section(GUIDE, "出了问题怎么办"))]
    for quoted in re.findall(r"“([^”]+)”", " ".join(first)):
        for part in quoted.replace("进程 N", "……").split("……"):
            assert part.strip("（）() …") in said, quoted
