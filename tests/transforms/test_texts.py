"""What people are told in Chinese and English: places before it, several as one, errors that carry it."""

from __future__ import annotations

import errno
import os
import pickle

import pytest

from transforms.definitions import DefinitionError
from transforms.texts import Misfit, Text, ToldInBoth, joined, said_by_system, same, text_of

WRONG = Text("不对", "is wrong")


def test_a_place_stands_before_it_in_the_manner_of_each_language() -> None:
    assert WRONG.at("a.csv") == ("a.csv：不对", "a.csv: is wrong")
    place = Text("a.csv 第3行", "a.csv, line 3").further("due")
    assert WRONG.at(place) == ("a.csv 第3行，due：不对", "a.csv, line 3, due: is wrong")
    assert WRONG.at("x").within("a.csv") == ("a.csv，x：不对", "a.csv, x: is wrong")


def test_several_are_one_sentence() -> None:
    assert joined([WRONG, same("b")]) == ("不对；b", "is wrong; b")
    assert str(DefinitionError([WRONG, same("b")])) == "is wrong; b"
    assert DefinitionError(WRONG).problems == (WRONG,)


def test_an_error_is_english_for_a_log_and_both_for_people() -> None:
    error = ToldInBoth(*WRONG)
    assert (str(error), error.text, text_of(error)) == ("is wrong", WRONG, WRONG)
    # Workers hand theirs over.
    assert pickle.loads(pickle.dumps(error)).text == WRONG
    assert text_of(ValueError("of a library")) == same("of a library")
    with pytest.raises(ValueError, match="is wrong"):
        raise Misfit(*WRONG)


def test_what_the_system_says_is_chinese_where_it_is_known() -> None:
    gone = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a")
    assert text_of(gone) == ("没有这个文件或文件夹", "No such file or directory")
    assert said_by_system(errno.EACCES) == ("没有权限", "Permission denied")
    assert said_by_system(OSError("odd")) == same("odd")
    assert said_by_system(OSError(errno.ENOENT, "是空的", "a")) == same("是空的")
