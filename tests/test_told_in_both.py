"""What people are told of what goes wrong, they are told in Chinese and in English, wherever it comes from."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_CHINESE = re.compile("[一-鿿]")
_WORD = re.compile("[a-z]{3,}")
#: What is put into a piece of text that is no f-string.
_PUT_IN = re.compile(r"\{\w+\}")
#: How a reader comes from one language to the other.
_OTHER_LANGUAGE = ("English", "中文")

#: Errors that are told to nobody as they are.
_INSIDE = {
    "Unreadable": "a finding on a file, which has its wording in both languages",
    "OutOfBounds": "a ValueError of a workbook that its reader turns into such a finding",
}
#: Errors of the terminal, which are made in the language of the reader: each is one sentence of a catalogue.
_OF_THE_TERMINAL = {"UnknownNumber", "ExportFailed", "DecisionRefused", "BriefError", "NoSuchYear"}


@cache
def trees() -> list[tuple[str, ast.Module]]:
    """Every module of the four floors, by its place."""
    return [
        (str(file.relative_to(ROOT)), ast.parse(file.read_text("utf-8")))
        for floor in ("transforms", "warehouse", "expectations", "flows")
        for file in sorted((ROOT / floor).rglob("*.py"))
    ]


@cache
def classes() -> dict[str, set[str]]:
    """The names of the bases of every class."""
    return {
        node.name: {name_of(base) for base in node.bases} - {node.name}
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def name_of(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def comes_from(name: str, ancestor: str) -> bool:
    return name == ancestor or any(comes_from(base, ancestor) for base in classes().get(name, ()))


def is_error(name: str) -> bool:
    built_in = getattr(builtins, name, None)
    if isinstance(built_in, type) and issubclass(built_in, BaseException):
        return True
    return any(is_error(base) for base in classes().get(name, ()))


def told() -> set[str]:
    """The errors that carry both wordings."""
    return {name for name in classes() if comes_from(name, "ToldInBoth")}


def calls(names: set[str]) -> Iterator[tuple[str, ast.Call]]:
    """Every call of one of these names, with its place."""
    for file, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node.func) in names:
                yield f"{file}:{node.lineno}", node


def literal(node: ast.expr) -> str | None:
    """What of a piece of text stands there, without what is put in; None where it is made elsewhere."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    return None


def test_an_error_that_a_person_can_meet_is_told_in_both_languages() -> None:
    errors = {name for name in classes() if is_error(name) and not name.startswith("_")}
    assert {"SettingsError", "StepFailed", "PlanError"} <= told() & errors
    assert sorted(errors - told() - set(_INSIDE) - _OF_THE_TERMINAL) == []
    assert sorted((set(_INSIDE) | _OF_THE_TERMINAL) - errors) == []


def test_an_error_of_the_terminal_is_a_sentence_of_a_catalogue() -> None:
    found = list(calls(_OF_THE_TERMINAL))
    assert {name_of(call.func) for _, call in found} == _OF_THE_TERMINAL
    for place, call in found:
        (said,) = call.args
        assert isinstance(said, ast.Call) and name_of(said.func) in ("_WORDS", "told"), place


@pytest.mark.parametrize("kind", ["errors", "texts"])
def test_the_first_wording_is_chinese_and_the_second_is_not(kind: str) -> None:
    seen = 0
    for place, call in calls(told() if kind == "errors" else {"Text"}):
        wordings = [literal(one) for one in call.args]
        if len(wordings) != 2 or None in wordings or len(set(wordings)) == 1:
            continue
        zh, en = map(str, wordings)
        if (zh, en) == _OTHER_LANGUAGE:
            continue
        seen += 1
        if _WORD.search(_PUT_IN.sub("", en)):
            assert _CHINESE.search(zh), place
        assert not _CHINESE.search(en), place
    assert seen > 100


def test_an_error_put_into_another_sentence_goes_there_in_both_languages() -> None:
    """Neither ``str`` nor an f-string takes it: both know its English wording alone."""
    for file, tree in trees():
        for handler in ast.walk(tree):
            if not isinstance(handler, ast.ExceptHandler) or handler.type is None:
                continue
            caught = {name_of(node) for node in ast.walk(handler.type)}
            if not caught & told():
                continue
            for node in ast.walk(handler):
                put_in = isinstance(node, ast.FormattedValue) and node.value
                made = isinstance(node, ast.Call) and name_of(node.func) == "str" and node.args[0]
                for value in (put_in, made):
                    named = isinstance(value, ast.Name) and value.id == handler.name
                    assert not named, f"{file}:{node.lineno}"
