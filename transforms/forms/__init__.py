"""The forms in use: :data:`FORMS` is what everything else reads.

A form is a YAML record (:mod:`transforms.forms.records`); eleven come with the package, a home may have more,
or some of them anew: :data:`FORMS_IN_USE` says which (:class:`transforms.definitions.InUse`). The readers of
files, processes of their own, are handed them with their orders.

Order is the order in which forms are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from transforms.definitions import DefinitionError, InUse
from transforms.forms.calendar import CALENDAR, read_calendar
from transforms.forms.model import Column, Form, Kind, RowCheck, Rule, TotalCheck
from transforms.texts import Text, same

K = TypeVar("K")
V = TypeVar("V")

#: Where the records of the package stand.
PACKAGED = Path(__file__).parent


class FormSet(Mapping[str, Form]):
    """Forms by their names, in the order in which they are shown; two sets are equal when they are one."""

    def __init__(self, forms: Iterable[Form]) -> None:
        self._forms = {form.name: form for form in sorted(forms, key=lambda f: (f.order, f.name))}

    def __getitem__(self, name: str) -> Form:
        return self._forms[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._forms)

    def __len__(self) -> int:
        return len(self._forms)

    __hash__ = object.__hash__
    __eq__ = object.__eq__


@cache
def packaged_forms() -> FormSet:
    """Return the forms that come with the package."""
    # Not at the top: what opens files is handed its forms, and starts sooner without what reads them.
    from transforms.forms.records import read_form

    forms = [read_form(file, of_package=True) for file in sorted(PACKAGED.glob("*.yaml"))]
    calendar = read_calendar(PACKAGED / CALENDAR, {form.name for form in forms})
    return FormSet(replace(form, deadline=calendar[form.name]) for form in forms)


def read_forms(folder: Path) -> FormSet:
    """Return the packaged forms with those of a home over them, and when they are due.

    ``folder`` is the home's ``definitions/``: it may hold ``forms/<form>.yaml`` and ``calendar.csv``.

    Raises:
        DefinitionError: a record is wrong, two forms have one name or one code, or the calendar speaks
            of a form that is not there; all of it at once.
    """
    files = sorted((folder / "forms").glob("*.yaml"))
    calendar_file = folder / CALENDAR
    if not files and not calendar_file.exists():
        return packaged_forms()
    from transforms.forms.records import read_form

    problems: list[Text] = []
    own: dict[str, tuple[Path, Form]] = {}
    for file in files:
        try:
            form = read_form(file)
        except DefinitionError as error:
            problems += error.problems
            continue
        if form.name != file.stem:
            problems.append(
                Text(
                    f"里面是报表 {form.name}；请把文件改名为 {form.name}.yaml",
                    f"it holds the form {form.name}; call the file {form.name}.yaml",
                ).at(file)
            )
        own[form.name] = file, form
    forms = {**packaged_forms(), **{name: form for name, (_, form) in own.items()}}
    for attribute in ("code", "zh"):
        first: dict[str, str] = {}
        for form in forms.values():
            word = getattr(form, attribute)
            other = first.setdefault(word, form.name)
            if other != form.name:
                mine = form.name if form.name in own else other
                theirs = other if mine == form.name else form.name
                problems.append(
                    Text(
                        f"{word} 已是报表 {theirs} 的；请换一个",
                        f"{word} is that of the form {theirs} too; choose another",
                    ).at(same(own[mine][0]).further(attribute))
                )
    # What is packaged anew keeps the dates of the packaged calendar, as long as the home's has none.
    dates = {name: form.deadline for name, form in packaged_forms().items()}
    if calendar_file.exists():
        try:
            dates |= read_calendar(calendar_file, {*forms, *(file.stem for file in files)})
        except DefinitionError as error:
            problems += error.problems
    if problems:
        raise DefinitionError(problems)
    return FormSet(
        replace(form, deadline=dates.get(name, form.deadline)) for name, form in forms.items()
    )


#: Which forms are in use.
FORMS_IN_USE: InUse[FormSet] = InUse(packaged_forms)


class OfForms(Mapping[K, V], Generic[K, V]):
    """A mapping that is made from the forms in use, once for each set of forms."""

    def __init__(self, make: Callable[[FormSet], Mapping[K, V]]) -> None:
        self._make = lru_cache(maxsize=8)(make)

    @property
    def _made(self) -> Mapping[K, V]:
        return self._make(FORMS_IN_USE.get())

    def __getitem__(self, key: K) -> V:
        return self._made[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


#: The forms in use, by their names.
FORMS: Mapping[str, Form] = OfForms(lambda forms: forms)

__all__ = [
    "FORMS",
    "FORMS_IN_USE",
    "Column",
    "Form",
    "FormSet",
    "Kind",
    "OfForms",
    "RowCheck",
    "Rule",
    "TotalCheck",
    "packaged_forms",
    "read_forms",
]
