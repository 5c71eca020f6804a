"""The definitions of a run: what the package brings, with what the home has over it.

A home may have ``definitions/plan.yaml``, ``indicators.yaml``, ``warnings.yaml``, ``forms/<form>.yaml``,
``calendar.csv`` and ``expected.csv``, and the region lists of ``reference/``. They are read once, before anything
runs; what is wrong is told all at once. :meth:`Definitions.in_use` has them used by all that is done within it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from expectations.clauses import PLAN, Plan, catalogues, load_plan
from expectations.warnings import (
    WARNINGS_IN_USE,
    WarningRule,
    further_warnings,
    read_warnings,
    unexpected_rows,
)
from transforms.definitions import DefinitionError
from transforms.forms import FORMS_IN_USE, FormSet, packaged_forms, read_forms
from transforms.texts import Text
from warehouse.indicators.definitions import (
    CATALOGUE_IN_USE,
    Catalogue,
    load_catalogue,
    packaged_catalogue,
    read_catalogue,
)
from warehouse.ledger.schema import refresh
from warehouse.publication import places_ahead
from warehouse.reference import Reference, load_reference

T = TypeVar("T")

#: Where a home has its own.
FOLDER = "definitions"
PLAN_FILE, INDICATORS_FILE, WARNINGS_FILE = "plan.yaml", "indicators.yaml", "warnings.yaml"


@dataclass(frozen=True)
class Definitions:
    """What is defined in one home. ``mark`` changes with every file of ``definitions/``, empty without any."""

    forms: FormSet
    catalogue: Catalogue
    plan: Plan
    warnings: Mapping[str, WarningRule]
    reference: Reference
    mark: str

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Have them used by all that is done within the block."""
        with ExitStack() as stack:
            stack.enter_context(FORMS_IN_USE.have(self.forms))
            stack.enter_context(CATALOGUE_IN_USE.have(self.catalogue))
            stack.enter_context(WARNINGS_IN_USE.have(self.warnings))
            yield


def read_packaged() -> None:
    """Read what the package brings, but for its lists; it is kept, and the homes of this process share it.

    No frame is made, no database opened and no thread started: it may be done before a fork.
    """
    with FORMS_IN_USE.have(packaged_forms()):
        read_warnings(None, load_plan(), load_catalogue())


def load_definitions(
    home: Path, plan: Path | None = None, national: Sequence[str] = ()
) -> Definitions:
    """Return the definitions of ``home``.

    ``plan`` is another plan file than that of the home or the package, ``national`` names the rule sets of
    the package that are added to it.

    Raises:
        DefinitionError: something is wrong in them; all of it is told, each in a sentence.
    """
    folder, problems = home / FOLDER, _Problems()
    problems += _unknown_files(folder)
    forms = problems.of(lambda: read_forms(folder)) or packaged_forms()
    with FORMS_IN_USE.have(forms):
        reference = problems.of(lambda: load_reference(home))
        catalogue = problems.of(lambda: _catalogue(folder / INDICATORS_FILE, forms))
        chosen = problems.of(lambda: plan_of(home, plan, national))
        if catalogue is not None and chosen is not None and reference is not None:
            regions = set(reference.regions["region_code"])
            problems += _unwired(chosen, plan or _plan_file(home), catalogue, regions)
        # Where plan or indicators are not sound, warnings are held against those of the package.
        sound = not problems.told and chosen is not None and catalogue is not None
        asked_by = chosen if sound and chosen else load_plan()
        asked_of = catalogue if sound and catalogue else load_catalogue()
        warnings = problems.of(lambda: read_warnings(folder / WARNINGS_FILE, asked_by, asked_of))
        if catalogue and chosen and reference and not problems.told:
            if own_forms := _own_forms(forms):
                # What the package measures in columns that a form has no more concerns nobody here.
                catalogue = _needed(catalogue, chosen, folder / INDICATORS_FILE, forms)
            problems += _tried(folder, own_forms, catalogue, warnings or {}, reference)
    if problems.told:
        raise DefinitionError(problems.told)
    assert reference and catalogue and warnings and chosen
    return Definitions(forms, catalogue, chosen, warnings, reference, _mark(folder))


def plan_of(home: Path, plan: Path | None = None, national: Sequence[str] = ()) -> Plan:
    """Return the plan in use in ``home``: ``plan``, else the home's, else the packaged one, with ``national``.

    Raises:
        PlanError: a plan file is not well formed, or two clauses contradict each other.
        DefinitionError: there is no such catalogue.
    """
    known = catalogues()
    for name in national:
        if name not in known:
            raise DefinitionError(
                Text(
                    f"settings.toml，catalogues：没有规则集 {name}；有的是：{'、'.join(known)}",
                    f"settings.toml, catalogues: there is no catalogue {name}; there are"
                    f" {', '.join(known)}",
                )
            )
    chosen = load_plan(plan or _plan_file(home))
    if chosen.extends is not None:
        chosen = chosen.over(load_plan(PLAN))
    for name in national:
        chosen = chosen.with_rules(load_plan(known[name]))
    return chosen


def _plan_file(home: Path) -> Path:
    own = home / FOLDER / PLAN_FILE
    return own if own.exists() else PLAN


class _Problems:
    """What was found wrong so far."""

    def __init__(self) -> None:
        self.told: list[Text] = []

    def __iadd__(self, problems: Collection[Text] | Iterator[Text]) -> _Problems:
        self.told += problems
        return self

    def of(self, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except DefinitionError as error:
            self.told += error.problems
            return None


def _unknown_files(folder: Path) -> Iterator[Text]:
    """Yield a sentence on each file that nothing reads: a mistyped name must not be an order unheard."""
    known = {PLAN_FILE, INDICATORS_FILE, WARNINGS_FILE, "calendar.csv", "expected.csv"}
    if not folder.is_dir():
        return
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        of_form = file.parent == folder / "forms" and file.suffix == ".yaml"
        if file.is_file() and name not in known and not of_form and not file.name.startswith("."):
            yield Text(
                f"没有程序读这个名称的文件；可以有的是：{'、'.join(sorted(known))}、forms/<报表>.yaml",
                f"nothing reads a file of that name; there are {', '.join(sorted(known))}"
                " and forms/<form>.yaml",
            ).at(file)


def _catalogue(file: Path, forms: FormSet) -> Catalogue:
    """Return the indicators of the package with those of ``file`` over them, ready to be computed."""
    if not file.exists() and forms is packaged_forms():
        return load_catalogue()
    own = read_catalogue(file) if file.exists() else Catalogue()
    merged = own.over(packaged_catalogue())
    if problems := [problem.within(file) for problem in merged.unwired(forms)]:
        raise DefinitionError(problems)
    return merged.filled()


def _unwired(
    plan: Plan, file: Path, catalogue: Catalogue, regions: Collection[str]
) -> Iterator[Text]:
    """Yield a sentence on each clause that speaks of what is not there."""
    for clause in plan.clauses:
        clause_id = clause.clause_id
        where = Text(f"{file}，条款 {clause_id}", f"{file}, clause {clause_id}")
        indicator = catalogue.by_id.get(clause.indicator_id)
        if indicator is None:
            yield Text(
                f"没有定义指标 {clause.indicator_id}；请加到 {INDICATORS_FILE} 中",
                f"the indicator {clause.indicator_id} is not defined; add it to {INDICATORS_FILE}",
            ).at(where)
        elif clause.comparator is not None:
            meant = {"higher": ">=", "lower": "<="}[indicator.better]
            if clause.comparator != meant:
                better = {"higher": "越高越好", "lower": "越低越好"}[indicator.better]
                yield Text(
                    f"{clause.comparator} 与指标 {clause.indicator_id}（{better}）相矛盾；请写 {meant}",
                    f"{clause.comparator} contradicts the indicator {clause.indicator_id}, of which"
                    f" {indicator.better} is better; write {meant}",
                ).at(where.further("comparator"))
        for target in clause.targets:
            if target.region_code is not None and target.region_code not in regions:
                yield Text(
                    f"regions.csv 中没有地区 {target.region_code}",
                    f"there is no region {target.region_code} in regions.csv",
                ).at(where.further("targets"))


def _own_forms(forms: FormSet) -> set[str]:
    """Return the forms that the package does not know with these columns."""
    known = packaged_forms()
    return {
        name
        for name, form in forms.items()
        if name not in known or form.columns != known[name].columns
    }


def _needed(catalogue: Catalogue, plan: Plan, file: Path, forms: FormSet) -> Catalogue:
    """Return the indicators of ``plan`` and those of the home's ``file``, with the views that they need.

    The views of the outlook on places stay where ``forms`` have the columns that they speak of.
    """
    own = read_catalogue(file) if file.exists() else Catalogue()
    wanted = {clause.indicator_id for clause in plan.clauses}
    wanted |= {indicator.indicator_id for indicator in own.indicators}
    gone = {
        column
        for name, form in packaged_forms().items()
        for column in form.by_name.keys() - forms[name].by_name.keys()
    }
    ahead = {
        view.name
        for view in catalogue.views
        if view.name in places_ahead.VIEWS and not gone.intersection(re.findall(r"\w+", view.sql))
    }
    return catalogue.only(wanted, {*ahead, *(view.name for view in own.views)})


def _tried(
    folder: Path,
    own_forms: Collection[str],
    catalogue: Catalogue,
    warnings: Mapping[str, WarningRule],
    reference: Reference,
) -> Iterator[Text]:
    """Yield a sentence on each expression that does not run, of those that are not just as the package has them."""
    packaged = load_catalogue()
    known_views = {view.name: view for view in packaged.views}
    own_views = {
        view.name
        for view in catalogue.views
        if view != known_views.get(view.name) or set(own_forms).intersection(view.forms)
    }
    changed = [
        one
        for one in catalogue.indicators
        if one != packaged.by_id.get(one.indicator_id)
        or any(
            part.source in own_views or part.source in own_forms
            for part in (*one.parts.values(), one.causes)
            if part is not None
        )
    ]
    # A warning holds forms against each other: where one that the package knows is another, any may fail.
    known_anew = set(own_forms) & packaged_forms().keys()
    further = {
        name: warning
        for name, warning in warnings.items()
        if known_anew or warning.form.name in own_forms
    } | further_warnings(warnings)
    if not changed and not own_views and not further:
        return
    # Only here: a home without definitions of its own needs no database for them.
    from warehouse.indicators.trying import (
        empty_warehouse,
        expressions_that_fail,
        queries_that_fail,
    )

    with empty_warehouse(reference) as connection:
        for problem in expressions_that_fail(connection, catalogue, changed, own_views):
            yield problem.within(folder / INDICATORS_FILE)
        refresh(connection)
        queries = {name: unexpected_rows([warning]) for name, warning in further.items()}
        for problem in queries_that_fail(connection, queries):
            yield Text(
                f"规则 {problem.zh}；请在那里重写这条规则，或给报表加上那一列",
                f"rule {problem.en}; give that rule anew there, or the form the column",
            ).within(folder / WARNINGS_FILE)


def _mark(folder: Path) -> str:
    """Return a mark of all files below ``folder``; empty where there are none."""
    files = sorted(file for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else []
    if not files:
        return ""
    content = hashlib.sha256()
    for file in files:
        content.update(f"{file.relative_to(folder).as_posix()}\n".encode())
        content.update(file.read_bytes())
    return content.hexdigest()[:8]
