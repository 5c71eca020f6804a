"""Records in YAML files: reading them, and saying where one is wrong.

Every mistake is a sentence that names the file, the line, the record and its field, and what to do; all
mistakes of a file are told at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from transforms.definitions import DefinitionError, at_line, unreadable
from transforms.texts import Text, same
from transforms.validation import said as said_by_pydantic

T = TypeVar("T", bound=BaseModel)

#: Where something stands in a file: keys and places, from the top of the file on.
Place = tuple[int | str, ...]


@runtime_checkable
class HasProblems(Protocol):
    """A record that knows more of what can be wrong in it than the types of its fields say."""

    def problems(self) -> Iterator[tuple[Place, Text]]:
        """Yield what is wrong, with its place in the record."""
        ...


def read_definitions(file: Path, model: type[T], *, of_package: bool = False) -> T:
    """Return the record in ``file``, a YAML file of the shape of ``model``.

    What comes with the package (``of_package``) is held against itself by the tests, not by every run.

    Raises:
        DefinitionError: the file cannot be read, is no YAML or not of that shape.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(unreadable(file, error)) from None
    try:
        content = yaml.load(text, _OnceOnlyLoader)
    except yaml.YAMLError as error:
        raise DefinitionError(no_yaml(file, error)) from None
    try:
        record = model.model_validate(content)
    except ValidationError as error:
        found = [(problem["loc"], _said(problem, model)) for problem in error.errors()]
        raise DefinitionError(_placed(file, text, content, found)) from None
    if not of_package and isinstance(record, HasProblems) and (found := list(record.problems())):
        raise DefinitionError(_placed(file, text, content, found))
    return record


def no_yaml(file: Path, error: yaml.YAMLError) -> Text:
    """Return where a file is no YAML, and why."""
    if isinstance(error, StandsTwice):
        why = Text(
            f"“{error.key}”写了两次；请删去一处",
            f'the key "{error.key}" stands twice; take one out',
        )
    elif isinstance(error, yaml.MarkedYAMLError):
        why = Text(f"YAML 格式有误（{error.problem}）", f"{error.problem}")
    else:
        return Text(f"{file} 的 YAML 格式有误：{error}", f"{file} is no YAML: {error}")
    mark = error.problem_mark or error.context_mark
    place = same(file) if mark is None else at_line(file, mark.line + 1)
    return Text(f"{place.zh}：{why.zh}", f"{place.en}, is no YAML: {why.en}")


class StandsTwice(yaml.constructor.ConstructorError):
    """A key of a record stands there twice."""

    def __init__(self, key: object, mark: yaml.Mark) -> None:
        super().__init__(None, None, f'the key "{key}" stands twice; take one out', mark)
        self.key = key


class _OnceOnlyLoader(yaml.CSafeLoader):
    """YAML in which a key may stand once: of two thresholds none is silently dropped."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of ``node``, as the base class makes it."""
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise StandsTwice(name, key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def _said(problem: ErrorDetails, model: type[BaseModel]) -> Text:
    """Return what is wrong in a field, with the way out."""
    field = str(problem["loc"][-1]) if problem["loc"] else ""
    match problem["type"]:
        case "missing":
            return Text("没有写；请写上", "is missing; give it")
        case "extra_forbidden":
            known = _fields_beside(model, problem["loc"])
            near = difflib.get_close_matches(field, known, 1)
            if near:
                return Text(
                    f"没有这个字段；是不是 {near[0]}？",
                    f"there is no such field; is {near[0]} meant?",
                )
            return Text("没有这个字段；请删去", "there is no such field; take it out")
    return said_by_pydantic(problem)


def _fields_beside(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """Return the fields that a record may have where an unknown one stands."""
    here: Any = model
    for part in loc[:-1]:
        if isinstance(part, int) or here is None:
            continue
        field = here.model_fields.get(part) if hasattr(here, "model_fields") else None
        here = None if field is None else _model_in(field.annotation)
    return list(here.model_fields) if here is not None else []


def _model_in(annotation: Any) -> Any:
    """Return the model that an annotation such as ``tuple[Model, ...] | None`` speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (found := _model_in(inner)) is not None:
            return found
    return None


def _placed(
    file: Path, text: str, content: object, found: Iterable[tuple[Place, Text]]
) -> Iterator[Text]:
    """Yield the sentences on what was found wrong in a file, with the lines they are about."""
    tree = yaml.compose(text, yaml.CSafeLoader)
    for place, said in found:
        line, named = at_line(file, _line_of(tree, place)), " ".join(_names(content, place))
        yield said.at(line.further(named) if named else line)


def _line_of(node: yaml.Node | None, place: Place) -> int:
    """Return the line of the innermost thing on the way to ``place`` that is there."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in place:
        found = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    found, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = node.value[part] if part < len(node.value) else None
            line = line if found is None else found.start_mark.line + 1
        if found is None:
            break
        node = found
    return line


#: By what the records of lists are known.
_IDS = (
    "clause_id",
    "indicator_id",
    "name",
    "number",
    "parameter",
    "scope",
    "section",
    "region_code",
)


def _names(content: object, place: Place) -> Iterator[str]:
    """Yield the words for a place: of a list, the record by its id where it has one."""
    here: Any = content
    for part, after in zip_longest(place, place[1:]):
        if isinstance(part, int) and isinstance(here, list):
            here = here[part] if part < len(here) else None
            known = (
                next((here[key] for key in _IDS if key in here), None)
                if isinstance(here, dict)
                else here
            )
            yield str(known) if isinstance(known, str | int | float) else f"number {part + 1}"
        else:
            # Of clauses 2.1 the clause 2.1.
            yield str(part).removesuffix("s") if isinstance(after, int) else str(part)
            here = here.get(part) if isinstance(here, dict) else None
