"""Definitions: what says that some are wrong, which are in use, and the rows of those that are tables.

What is read from YAML is read by :mod:`transforms.yaml_records`, which takes longer to import.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Generic, TypeVar

from transforms.texts import Text, ToldInBoth, joined, said_by_system

V = TypeVar("V")


class DefinitionError(ToldInBoth):
    """Definitions cannot be used; ``problems`` are sentences, each with file, line, field and remedy."""

    def __init__(self, problems: Text | Iterable[Text]) -> None:
        self.problems = (problems,) if isinstance(problems, Text) else tuple(problems)
        super().__init__(*joined(self.problems))


def at_line(place: object, line: int) -> Text:
    """Return a line of a file, or of what stands in it, as it is named in a sentence."""
    return Text(f"{place} 第{line}行", f"{place}, line {line}")


def unreadable(file: Path, error: OSError | UnicodeDecodeError) -> Text:
    """Return why a file of text could not be read, and the way out."""
    if isinstance(error, UnicodeDecodeError):
        return Text(f"{file} 不是 UTF-8：请另存为 UTF-8", f"{file} is not UTF-8: save it as UTF-8")
    said = said_by_system(error)
    return Text(f"{file} 读不出来：{said.zh}", f"{file} cannot be read: {said.en}")


class InUse(Generic[V]):
    """Which definitions are in use: those of the package, but within a block that has others.

    It belongs to what is being done and not to the process, as a ``decimal`` context does: a run enters the
    definitions of its home, and the threads that it starts see them too.
    """

    def __init__(self, packaged: Callable[[], V]) -> None:
        self._packaged = packaged
        self._value: ContextVar[V | None] = ContextVar("definitions_in_use", default=None)

    def get(self) -> V:
        """Return what is in use."""
        value = self._value.get()
        return self._packaged() if value is None else value

    @contextmanager
    def have(self, value: V) -> Iterator[None]:
        """Have ``value`` in use within the block."""
        before = self._value.get()
        self._value.set(value)
        try:
            yield
        finally:
            # No token: a run may be closed in another context than it was opened in.
            self._value.set(before)


def csv_rows(file: Path, columns: Collection[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file with their lines; cells without white space around them.

    Raises:
        DefinitionError: the file cannot be read, or a column of it is missing or unknown.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(unreadable(file, error)) from None
    reader = csv.DictReader(text.splitlines())
    given = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = given
    problems = [
        Text(f"缺少 {name} 列", f"the column {name} is missing")
        for name in columns
        if name not in given
    ]
    problems += [
        Text(
            f"没有 {name} 这一列；有的是：{'、'.join(columns)}",
            f"there is no column {name}; there are {', '.join(columns)}",
        )
        for name in given
        if name not in columns
    ]
    if problems:
        raise DefinitionError(problem.at(at_line(file, 1)) for problem in problems)
    for row in reader:
        if any(row.values()):
            yield reader.line_num, {name: (row[name] or "").strip() for name in columns}
