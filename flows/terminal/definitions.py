"""`jzedu definitions`: are they whole, where does each come from, what does one say.

``check`` does what every run does before anything else, and runs the examples of the indicators as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from expectations.clauses import CATALOGUES, PLAN
from expectations.definitions import FOLDER, INDICATORS_FILE, PLAN_FILE, WARNINGS_FILE, Definitions
from expectations.warnings import WARNINGS
from flows.language import Words
from flows.settings import Settings
from transforms.forms import PACKAGED as PACKAGED_FORMS
from transforms.texts import Text
from warehouse.indicators.definitions import INDICATORS, read_catalogue
from warehouse.indicators.trying import examples_that_fail

#: The lists in a file of definitions, and by which of its fields a record in them is known.
_LISTS = {
    "clauses": ("clause", "clause_id"),
    "sections": ("section", "section"),
    "parameters": ("parameter", "parameter"),
    "scopes": ("scope", "scope"),
    "views": ("view", "name"),
    "indicators": ("indicator", "indicator_id"),
    "rules": ("warning", "number"),
}


_WORDS = Words(
    kind=("类别", "kind"),
    id=("编号", "id"),
    place=("出处", "from"),
    packaged=("随附", "packaged"),
    anew=("（覆盖随附的）", " (anew)"),
    form=("报表", "form"),
    clause=("条款", "clause"),
    section=("领域", "section"),
    parameter=("参数", "parameter"),
    scope=("范围", "scope"),
    view=("视图", "view"),
    indicator=("指标", "indicator"),
    warning=("提示规则", "warning"),
)


@dataclass(frozen=True)
class DefinedRecord:
    """One record: what it is, its id, the file it comes from, whether it replaces a packaged one; its text."""

    kind: str
    name: str
    file: Path
    line: int
    replaces: bool
    text: str


def failing_examples(settings: Settings, definitions: Definitions) -> list[Text]:
    """Return a sentence on each example of the home's own indicators that does not give what it says.

    Those of the package speak of the package's parameters, and are run by its tests.
    """
    file = settings.home / FOLDER / INDICATORS_FILE
    if not file.exists():
        return []
    own = [definitions.catalogue.by_id[i.indicator_id] for i in read_catalogue(file).indicators]
    with definitions.in_use():
        return [said.within(file) for said in examples_that_fail(definitions.catalogue, own)]


def defined_records(settings: Settings) -> list[DefinedRecord]:
    """Return every record in use in the home, with the file that it comes from.

    The definitions must have been checked: what cannot be read is not told again here.
    """
    found: dict[tuple[str, str], DefinedRecord] = {}
    for file in _files(settings):
        own = file.is_relative_to(settings.home)
        for kind, name, line, text in _records(file):
            key = (kind, name)
            found[key] = DefinedRecord(kind, name, file, line, own and key in found, text)
    return list(found.values())


def _files(settings: Settings) -> Iterator[Path]:
    """Yield the files that are in use, those of the package before those over them."""
    home = settings.home / FOLDER
    yield from sorted(PACKAGED_FORMS.glob("*.yaml"))
    yield from sorted((home / "forms").glob("*.yaml"))
    yield INDICATORS
    yield home / INDICATORS_FILE
    yield WARNINGS
    yield home / WARNINGS_FILE
    plan = settings.plan or home / PLAN_FILE
    # A plan stands for itself, but for one that extends the packaged one.
    if not plan.exists() or yaml.safe_load(plan.read_text("utf-8")).get("extends"):
        yield PLAN
    yield plan
    for name in settings.catalogues:
        yield CATALOGUES / f"{name}.yaml"


def _records(file: Path) -> Iterator[tuple[str, str, int, str]]:
    """Yield kind, id, line and text of each record in a file; of none where it is not there."""
    if not file.exists():
        return
    text = file.read_text("utf-8")
    lines = text.splitlines()
    root = yaml.compose(text, yaml.CSafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return
    for key, value in root.value:
        if key.value == "form":
            yield "form", value.value, 1, text
        if key.value not in _LISTS or not isinstance(value, yaml.SequenceNode):
            continue
        kind, known_by = _LISTS[key.value]
        for node in value.value:
            name = next((v.value for k, v in node.value if k.value == known_by), "")
            first, last = node.start_mark.line, node.end_mark.line
            body = lines[first : max(first + 1, last)]
            while body and not body[-1].strip():
                body.pop()
            yield kind, name, first + 1, "\n".join(body)


def show_list(console: Console, settings: Settings) -> None:
    """Print every record with where it comes from; a home's own are marked."""
    table = Table(header_style="bold")
    for header in ("kind", "id", "place"):
        table.add_column(_WORDS(header), overflow="fold")
    for one in defined_records(settings):
        own = one.file.is_relative_to(settings.home)
        where = f"{one.file}:{one.line}" if own else _WORDS("packaged")
        anew = _WORDS("anew") if one.replaces else ""
        table.add_row(_WORDS(one.kind), escape(one.name), f"{where}{anew}")
    console.print(table)


def show_record(console: Console, settings: Settings, name: str) -> bool:
    """Print the records of that id as they stand in their files; False where there is none."""
    found = [one for one in defined_records(settings) if one.name == name]
    for one in found:
        console.print(
            f"# {_WORDS(one.kind)} {one.name}, {one.file}:{one.line}", markup=False, highlight=False
        )
        console.print(one.text, markup=False, highlight=False, soft_wrap=True)
    return bool(found)
