"""Names out of the world, shown to people: always one line of plain text."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console
from rich.markup import escape

from transforms.names import LONGEST, in_markdown, shown


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("210727/2020年班级 (修改).xlsx", "210727/2020年班级 (修改).xlsx"),
        ("义县\u3000班级.xlsx", "义县\u3000班级.xlsx"),
        ("a\nERROR b\r\n.csv", "a?ERROR b??.csv"),
        ("\x1b[2J\x1b]0;title\x07.csv", "?[2J?]0;title?.csv"),
        ("\u202excslx.exe", "?xcslx.exe"),
        ("a\u2066b\u2069\u200f\u061c.csv", "a?b???.csv"),
        ("a\u2028b\u2029c\x85.csv", "a?b?c?.csv"),
        ("\udcb0\udce0.csv", "??.csv"),
        ("[/][red]", "[/][red]"),
    ],
)
def test_what_steers_or_misleads_is_shown_as_a_question_mark(name: str, seen: str) -> None:
    assert shown(name) == seen


def test_a_long_name_is_cut() -> None:
    assert shown("很" * 5000) == "很" * (LONGEST - 1) + "…"


@given(st.text(st.characters()))
@example("\\")
@example("a\\\\")
def test_any_name_is_one_line_that_a_terminal_prints_as_it_is(name: str) -> None:
    line = shown(name)
    assert len(line.splitlines()) <= 1
    line.encode("utf-8")
    out = io.StringIO()
    Console(file=out, width=10_000).print(escape(line), highlight=False)
    # rich doubles a single backslash at the end, lest it take away the meaning of a tag that follows.
    doubled = line.endswith("\\") and not line.endswith("\\\\")
    assert out.getvalue() == line + "\\" * doubled + "\n"


@pytest.mark.parametrize(
    "name",
    [
        "[click](http://evil.example).csv",
        "![x](http://evil.example/pixel.png).csv",
        "<img src=x onerror=alert(1)>.csv",
        "`code`|cell|**bold**.csv",
        "&#60;b&#62;.csv",
    ],
)
def test_in_markdown_a_name_makes_no_link_picture_code_cell_or_tag(name: str) -> None:
    written = in_markdown(name)
    assert not set(written.replace("&#", "")) & set("[]<>!`|*&")


def test_an_ordinary_name_is_the_same_in_markdown() -> None:
    assert in_markdown("2020年_义县 (2).xlsx") == "2020年_义县 (2).xlsx"
