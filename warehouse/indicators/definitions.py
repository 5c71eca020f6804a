"""The indicators: read from YAML, one record each, and what SQL follows from a record.

An indicator is two parts, a numerator and (unless it is a count) a denominator. A part is one SQL
aggregate over one source: a form as it is in force (in the year itself or an earlier one), or a
named view. The author never writes a
division, a region or a year: the same aggregate is evaluated for every unit, for the city and for
the units that can be compared between two years.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import time
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from transforms.definitions import InUse
from transforms.forms import FormSet
from transforms.texts import Misfit, Text
from transforms.yaml_records import Place, read_definitions
from warehouse.sql import is_of_one_row, literal

INDICATORS = Path(__file__).with_name("indicators.yaml")

#: One sum or one count of rows, which may be of some rows only.
_SUM = re.compile(
    r"(?P<total>sum\((?! *DISTINCT\b)(?P<column>.*?)\)|count\(\*\))(?: FILTER \((?P<test>.*)\))?",
    re.DOTALL | re.IGNORECASE,
)
_QUOTED = re.compile(r"'[^']*'")
#: A view of some rows of one form.
_SOME_ROWS = re.compile(
    r'SELECT \* FROM current\."?(?P<form>\w+)"?\s+WHERE (?P<test>.*)', re.DOTALL
)
#: Units of people: 人, a place for a child, 名教师; 名 alone is a rank.
_PEOPLE = re.compile("人|个学位|名.+")

#: The aggregates of an indicator: numerator, denominator, rows asked, what a gap is divided by.
PartName = Literal["top", "bottom", "asked", "divisor"]


def _is_closed(expression: str) -> bool:
    """Return whether every bracket in an SQL expression is closed in it, and none before it is opened."""
    depth = 0
    for character in _QUOTED.sub("", expression):
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0


#: The name of a view, an indicator, a parameter.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]

_R = TypeVar("_R", bound="_Record")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ParameterValue(_Record):
    """What a parameter is from ``from_year`` on (without it from ever on), and on whose word."""

    value: str
    from_year: int | None = None
    source: str


class Parameter(_Record):
    """A figure that indicators speak of by its name: ``$large_class`` in SQL and in wording.

    What changes over the years is looked up by the ``year`` of the row.
    """

    parameter: Name
    type: Literal["number", "time", "text"] = "number"
    zh: str
    en: str
    values: Annotated[tuple[ParameterValue, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        years = [value.from_year for value in self.values]
        if years[0] is not None or None in years[1:]:
            raise Misfit(
                "第一个值不写 from_year，其余的都写",
                "the first value is without from_year, the others have one",
            )
        later = [year for year in years if year is not None]
        if later != sorted(set(later)):
            raise Misfit(
                "各个值须按年份先后排列，每个年份一次",
                "the values stand in the order of their years, each year once",
            )
        for value in self.values:
            self._literal(value.value)
        return self

    def _literal(self, value: str) -> str:
        try:
            match self.type:
                case "number":
                    number = Decimal(value)
                    if not number.is_finite():
                        raise ValueError
                    return str(number)
                case "time":
                    return f"TIME {literal(time.fromisoformat(value).isoformat())}"
        except (ArithmeticError, ValueError):
            kind = {"number": "数字", "time": "时刻"}.get(self.type, self.type)
            raise Misfit(
                f"{value!r} 不是{kind}；请写成 45，时刻写成 07:50",
                f"{value!r} is no {self.type}; write 45 or, as a time, 07:50",
            ) from None
        return literal(value)

    @property
    def sql(self) -> str:
        """The figure of the row's year, as SQL."""
        first, *later = (self._literal(value.value) for value in self.values)
        if not later:
            return first
        whens = [
            f"WHEN year >= {value.from_year} THEN {sql}"
            for value, sql in zip(reversed(self.values[1:]), reversed(later), strict=True)
        ]
        return f"(CASE {' '.join(whens)} ELSE {first} END)"

    def words(self, language: Literal["zh", "en"]) -> str:
        """Return the figure as it is read, with what it becomes in later years."""
        first, *later = self.values
        after = {
            "zh": "".join(f"，{value.from_year}年起{value.value}" for value in later),
            "en": "".join(f", {value.value} from {value.from_year}" for value in later),
        }[language]
        return f"{first.value}{f'（{after[1:]}）' if after and language == 'zh' else ''}" + (
            f" ({after[2:]})" if after and language == "en" else ""
        )


class View(_Record):
    """A source that is more than one form: ``sql`` gives region_code, year and its columns.

    The sources of ``sql`` are the forms in force (``current.<form>``) and the reference tables.
    ``forms`` are the forms without which it says nothing.
    """

    name: Name
    forms: Annotated[tuple[str, ...], Field(min_length=1)]
    sql: str


class ClauseScope(_Record):
    """For which regions an indicator is published, and which units it is made of.

    ``kinds`` are kinds of the region list, None for all; ``townships`` leaves the units that have
    townships. A region above the units always has a row, the units only where ``units`` holds.
    """

    scope: str
    kinds: tuple[str, ...] | None = None
    townships: bool = False
    units: bool = True


class Part(_Record):
    """One aggregate: ``value`` over the rows of ``source`` for which ``rows`` holds.

    They are rows of the year itself, or of the year so many ``years_before``.
    """

    source: str
    value: str
    rows: str = "true"
    years_before: NonNegativeInt = 0
    zh: str
    en: str | None = None

    @cached_property
    def sum(self) -> str | None:
        """The aggregate over rows not yet chosen, if a region's is the sum of its units'; else None.

        Such are a single sum and a single count of rows, not what is made of several.
        """
        found = _SUM.fullmatch(self.value)
        if found is None or not all(_is_closed(inner or "") for inner in found.groups()):
            return None
        total, test = found["total"], found["test"]
        rows = f"({self.rows}) AND ({test})" if test else self.rows
        return f"{total} FILTER ({rows})"


class Share(_Record):
    """The usual indicator: of the ``rows`` of ``source`` that answer ``test``, those that pass.

    A row whose ``test`` is unknown, because a cell is blank, is in neither part. ``of_answers``
    marks a share of answers: all ``rows`` are asked, and a verdict stands only where those who left
    the cell blank could not turn it.
    """

    source: str
    rows: str = "true"
    test: str
    of_answers: bool = False
    numerator_zh: str
    denominator_zh: str
    numerator_en: str | None = None
    denominator_en: str | None = None


class Causes(_Record):
    """The institutions or classes behind an unmet clause: rows of ``source`` with ``rows``.

    ``code``, ``name``, ``detail`` (in Chinese), ``detail_en`` and ``value`` (text) are SQL expressions;
    ``each`` is false where a row is no submitted row and therefore has no file, sheet and row of its own.
    """

    source: str
    rows: str
    code: str = "institution_code"
    name: str = "institution_name"
    detail: str
    detail_en: str = "NULL"
    value: str = "NULL"
    each: bool = True


class Gap(_Record):
    """In what the way to the threshold is counted.

    The gap in the numerator is divided by ``divide_by`` (an aggregate over the numerator's
    source) and rounded up to a multiple of ``quantum``.
    """

    unit: str
    quantum: Literal["1", "0.01"] = "1"
    divide_by: str | None = None


class Example(_Record):
    """A case worked by hand: rows of forms of one unit and year, and the parts they must give.

    They are rows of ``year``; ``earlier`` holds those of so many years before. ``asked`` is given for a share
    of answers.
    """

    year: int = 2020
    given: dict[str, list[dict[str, object]]]
    earlier: dict[PositiveInt, dict[str, list[dict[str, object]]]] = {}
    numerator: str | None
    denominator: str | None = None
    asked: int | None = None


class Indicator(_Record):
    """One indicator, as docs/plan.md, *Clauses*, and its users know it.

    ``scale`` × numerator / denominator is its value, in ``unit``; a count has no denominator.
    ``requires`` is a row that must be there for the form to count as reported (an item of the
    milestone form). ``scope`` names one of the catalogue's scopes. Where only units of some kinds
    report for a region (the city's own schools its rank), these are ``reporters``, and the figure
    is one of the region directly above them, because such figures do not add up. ``people`` says which
    parts count people, where the unit of the gap does not say it (:attr:`people_parts`).
    """

    indicator_id: Name
    section: int
    name_zh: str
    name_en: str
    unit: str
    scale: int = 1
    better: Literal["higher", "lower"]
    scope: str = "all"
    reporters: tuple[str, ...] | None = None
    numerator: Part | None = None
    denominator: Part | None = None
    share: Share | None = None
    requires: str | None = None
    gap: Gap
    people: Literal["both", "numerator", "denominator", "none"] | None = None
    causes: Causes | None = None
    examples: tuple[Example, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.share is None) == (self.numerator is None):
            raise Misfit(
                f"{self.indicator_id}：share 和 numerator 须写其一",
                f"{self.indicator_id}: give either a share or a numerator",
            )
        if self.share is not None and self.denominator is not None:
            raise Misfit(
                f"{self.indicator_id}：share 已有分母，不再写 denominator",
                f"{self.indicator_id}: a share has its denominator already",
            )
        if self.denominator is None and self.share is None and self.scale != 1:
            raise Misfit(
                f"{self.indicator_id}：计数没有 scale", f"{self.indicator_id}: a count has no scale"
            )
        return self

    @cached_property
    def top(self) -> Part:
        """The numerator."""
        if self.share is None:
            assert self.numerator is not None
            return self.numerator
        return Part(
            source=self.share.source,
            value=f"count(*) FILTER ({self.share.test})",
            rows=self.share.rows,
            zh=self.share.numerator_zh,
            en=self.share.numerator_en,
        )

    @cached_property
    def bottom(self) -> Part | None:
        """The denominator, None for a count."""
        if self.share is None:
            return self.denominator
        return Part(
            source=self.share.source,
            value=f"count(*) FILTER (({self.share.test}) IS NOT NULL)",
            rows=self.share.rows,
            zh=self.share.denominator_zh,
            en=self.share.denominator_en,
        )

    @property
    def people_parts(self) -> tuple[PartName, ...]:
        """The parts that count people, of whom a few could be known from their number.

        Where nothing is said, both do if the gap is counted in people, and none otherwise.
        """
        told = self.people
        if told is None:
            told = "both" if _PEOPLE.fullmatch(self.gap.unit) else "none"
        parts: dict[str, tuple[PartName, ...]] = {
            "both": ("top", "bottom"),
            "numerator": ("top",),
            "denominator": ("bottom",),
            "none": (),
        }
        return tuple(part for part in parts[told] if part == "top" or self.bottom is not None)

    @cached_property
    def asked(self) -> Part | None:
        """How many rows a share of answers is asked of, None for what is none."""
        if self.share is None or not self.share.of_answers:
            return None
        return Part(
            source=self.share.source,
            value="count(*)",
            rows=self.share.rows,
            zh=self.share.denominator_zh,
            en=self.share.denominator_en,
        )

    @cached_property
    def divisor(self) -> Part | None:
        """What the way to the threshold is divided by, None where it is not."""
        if self.gap.divide_by is None:
            return None
        return self.top.model_copy(update={"value": self.gap.divide_by})

    @cached_property
    def parts(self) -> dict[PartName, Part]:
        """All aggregates of the indicator, by name."""
        parts: dict[PartName, Part | None] = {
            "top": self.top,
            "bottom": self.bottom,
            "asked": self.asked,
            "divisor": self.divisor,
        }
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def formula(self) -> str:
        """The formula in one line, for people who read SQL."""

        def spell(part: Part) -> str:
            where = "" if part.rows == "true" else f" WHERE {part.rows}"
            earlier = f" ({part.years_before} YEARS BEFORE)" if part.years_before else ""
            return f"{part.value} FROM {part.source}{earlier}{where}"

        if self.bottom is None:
            return spell(self.top)
        head = "" if self.scale == 1 else f"{self.scale} × "
        return f"{head}[{spell(self.top)}] / [{spell(self.bottom)}]"


class Catalogue(_Record):
    """All indicators, their scopes, the views they are computed from and the figures they speak of."""

    parameters: tuple[Parameter, ...] = ()
    scopes: tuple[ClauseScope, ...] = ()
    views: tuple[View, ...] = ()
    indicators: tuple[Indicator, ...] = ()

    def problems(self) -> Iterator[tuple[Place, Text]]:
        """Yield what stands twice."""
        for field, key in _KEYS.items():
            seen = set()
            for i, record in enumerate(getattr(self, field)):
                name = getattr(record, key)
                if name in seen:
                    yield (
                        (field, i),
                        Text(
                            f"{key} {name} 用了两次；请给其中一个改名",
                            f"{key} {name} stands twice; give one of them another name",
                        ),
                    )
                seen.add(name)

    def over(self, packaged: Catalogue) -> Catalogue:
        """Return this catalogue laid over ``packaged``: its records instead of those of the same id."""
        merged = {}
        for field, key in _KEYS.items():
            records = (*getattr(packaged, field), *getattr(self, field))
            merged[field] = tuple({getattr(record, key): record for record in records}.values())
        return Catalogue(**merged)

    def unwired(self, forms: FormSet) -> Iterator[Text]:
        """Yield a sentence on each record that speaks of what is not there; ``forms`` are those in use."""
        known = {*forms, *(view.name for view in self.views)}
        scopes = {scope.scope for scope in self.scopes}
        parameters = {parameter.parameter for parameter in self.parameters}
        for view in self.views:
            if view.name in forms:
                taken = Text("已有报表叫这个名称；请换一个", "a form has that name; choose another")
                yield taken.at(record_named("view", view.name))
            for form in view.forms:
                if form not in forms:
                    yield Text(
                        f"没有报表 {form}；有的是：{'、'.join(forms)}",
                        f"there is no form {form}; there are {', '.join(forms)}",
                    ).at(record_named("view", view.name))
        for indicator in self.indicators:
            name = record_named("indicator", indicator.indicator_id)
            if indicator.scope not in scopes:
                yield Text(
                    f"没有范围 {indicator.scope}；有的是：{'、'.join(sorted(scopes))}",
                    f"there is no scope {indicator.scope}; there are {', '.join(sorted(scopes))}",
                ).at(name)
            for part in (indicator.top, indicator.bottom, indicator.causes):
                if part is not None and part.source not in known:
                    yield Text(
                        f"没有来源 {part.source}；请写一张报表或一个视图",
                        f"there is no source {part.source}; name a form or a view",
                    ).at(name)
        for kind, records in (("view", self.views), ("indicator", self.indicators)):
            for record in records:
                named = set(_NAMED.findall(str(record.model_dump())))
                for missing in sorted(named - parameters):
                    yield Text(
                        f"没有参数 ${missing}；请加到 parameters 中",
                        f"there is no parameter ${missing}; add it to parameters",
                    ).at(record_named(kind, getattr(record, _KEYS[f"{kind}s"])))

    def filled(self) -> Catalogue:
        """Return the catalogue with the figures of its parameters in the place of their names."""
        figures = {parameter.parameter: parameter for parameter in self.parameters}
        return Catalogue(
            parameters=self.parameters,
            scopes=self.scopes,
            views=tuple(_filled(view, figures) for view in self.views),
            indicators=tuple(_filled(one, figures) for one in self.indicators),
        )

    def only(self, indicator_ids: Collection[str], views: Collection[str]) -> Catalogue:
        """Return the catalogue with these indicators, and with ``views`` and those that they need."""
        kept = tuple(one for one in self.indicators if one.indicator_id in indicator_ids)
        needed = {*views, *(part.source for one in kept for part in one.parts.values())}
        needed |= {one.causes.source for one in kept if one.causes is not None}
        by_name = {view.name: view for view in self.views}
        waiting = [name for name in needed if name in by_name]
        while waiting:
            words = set(re.findall(r"\w+", by_name[waiting.pop()].sql)) & by_name.keys()
            waiting += words - needed
            needed |= words
        return Catalogue(
            parameters=self.parameters,
            scopes=self.scopes,
            views=tuple(view for view in self.views if view.name in needed),
            indicators=kept,
        )

    @cached_property
    def by_id(self) -> dict[str, Indicator]:
        """The indicators by their ids."""
        return {indicator.indicator_id: indicator for indicator in self.indicators}

    def scope_of(self, indicator: Indicator) -> ClauseScope:
        """Return the scope of an indicator."""
        return next(scope for scope in self.scopes if scope.scope == indicator.scope)

    def forms_of(self, source: str) -> tuple[str, ...]:
        """Return the forms that a source is made of."""
        return next((view.forms for view in self.views if view.name == source), (source,))

    def form_behind(self, source: str) -> str | None:
        """Return the form whose rows are those of a source, each by itself; None where it is made of more."""
        view = next((view for view in self.views if view.name == source), None)
        if view is None:
            return source
        found = _SOME_ROWS.fullmatch(view.sql.strip())
        return found["form"] if found and is_of_one_row(found["test"]) else None


#: The records of a catalogue, and by what each is known.
_KEYS = {
    "parameters": "parameter",
    "scopes": "scope",
    "views": "name",
    "indicators": "indicator_id",
}
_NAMED = re.compile(r"\$([a-z][a-z0-9_]*)")
_KINDS_ZH = {"view": "视图", "indicator": "指标"}
#: The fields that are read by people; all others are SQL.
_WORDS_ZH = frozenset({"name_zh", "zh", "numerator_zh", "denominator_zh"})
_WORDS_EN = frozenset({"name_en", "en", "numerator_en", "denominator_en"})


def record_named(kind: str, name: str) -> Text:
    """Return how a record is called in a sentence."""
    return Text(f"{_KINDS_ZH[kind]} {name}", f"{kind} {name}")


def _filled(record: _R, figures: Mapping[str, Parameter]) -> _R:
    """Return ``record`` with figures in the place of the names of parameters."""

    def fill(text: str, figure: Callable[[Parameter], str]) -> str:
        return _NAMED.sub(
            lambda name: figure(figures[name[1]]) if name[1] in figures else name[0], text
        )

    def walk(value: Any, field: str) -> Any:
        if isinstance(value, _Record):
            return _filled(value, figures)
        if isinstance(value, str) and "$" in value:
            if field in _WORDS_ZH:
                return fill(value, lambda figure: figure.words("zh"))
            if field in _WORDS_EN:
                return fill(value, lambda figure: figure.words("en"))
            return fill(value, lambda figure: figure.sql)
        return value

    changed = {
        name: made
        for name in type(record).model_fields
        if (made := walk(value := getattr(record, name), name)) is not value
    }
    # Not a copy: that would keep what was derived from the fields before.
    fields = {name: getattr(record, name) for name in type(record).model_fields}
    return type(record).model_construct(**{**fields, **changed}) if changed else record


def read_catalogue(file: Path, *, of_package: bool = False) -> Catalogue:
    """Return the records in ``file``, as they stand there.

    Raises:
        DefinitionError: a record is not well formed, or stands there twice.
    """
    return read_definitions(file, Catalogue, of_package=of_package)


@cache
def packaged_catalogue() -> Catalogue:
    """Return the records that come with the package, as they stand there."""
    return read_catalogue(INDICATORS, of_package=True)


@cache
def load_catalogue() -> Catalogue:
    """Return the indicators of the package, ready to be computed."""
    return packaged_catalogue().filled()


#: Which indicators are in use.
CATALOGUE_IN_USE: InUse[Catalogue] = InUse(load_catalogue)
