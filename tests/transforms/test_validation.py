"""What pydantic finds wrong, in Chinese and in its own words."""

from __future__ import annotations

import re
import string
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticKnownError
from pydantic_core._pydantic_core import list_all_errors

from transforms.texts import Misfit, Text
from transforms.validation import _CHINESE, all_said


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="a", max_length=3)
    number: int = Field(default=1, ge=1)
    kind: Literal["one", "two"] = "one"

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name == "x":
            raise Misfit("不能叫 x", "x is no name")
        return name


def wrong(**values: Any) -> Text:
    with pytest.raises(ValidationError) as caught:
        Record(**values)
    return all_said(caught.value)


def test_it_is_told_with_its_place_and_all_at_once() -> None:
    said = wrong(name="abcd", number=0, kind="three", more=1)
    assert said.zh == (
        "name：最多 3 个字符；number：应不小于 1；kind：可以写的是：'one'、'two'；more：没有这个字段；请删去或改正"
    )
    assert said.en == (
        "name: String should have at most 3 characters; number: Input should be greater than or equal to 1;"
        " kind: Input should be 'one' or 'two'; more: Extra inputs are not permitted"
    )


def test_a_validator_says_it_in_its_own_words() -> None:
    assert wrong(name="x") == Text("name：不能叫 x", "name: x is no name")


def test_every_wording_is_of_an_error_that_pydantic_has_and_takes_what_that_tells() -> None:
    known = {one["type"]: one for one in list_all_errors()}
    assert set(_CHINESE) - set(known) == {"path_type"}  # which is not of its core
    for kind, words in _CHINESE.items():
        assert re.search("[一-鿿]", words)
        if kind not in known:
            continue
        context = known[kind].get("example_context") or {}
        taken = {name for _, name, _, _ in string.Formatter().parse(words) if name}
        assert taken <= set(context), kind
        assert str(PydanticKnownError(kind, context or None))
