"""The words of headers: the one form in which they are compared, and those that are known.

Headers are compared after NFKC, without white space and without what stands in brackets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from transforms.characters import readable
from transforms.forms import Form, OfForms

#: Characters of a header that are looked at.
_LONGEST_HEADER = 500
BRACKETED = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|【([^【】]*)】|〔([^〔〕]*)〕")

#: The brackets that open, without which there is nothing in brackets.
OPENING = frozenset("([【〔")


def normalise(header: str) -> str:
    """Return ``header`` as headers are compared: NFKC, no white space, no colon, no star around it."""
    return _normalised(header[:_LONGEST_HEADER])


@lru_cache(maxsize=65536)
def _normalised(header: str) -> str:
    text = "".join(readable(header).split())
    return text.replace(":", "").strip("*※★☆▲")


@lru_cache(maxsize=65536)
def bare(header: str) -> str:
    """Return a normalised header without what stands in brackets."""
    return BRACKETED.sub("", header)


def _lookup(forms: Mapping[str, Form]) -> dict[str, tuple[tuple[str, str], ...]]:
    known: dict[str, list[tuple[str, str]]] = {}
    for form in forms.values():
        for column in form.columns:
            for header in (column.header, *column.aliases):
                for key in {normalise(header), bare(normalise(header))}:
                    entry = known.setdefault(key, [])
                    if (form.name, column.name) not in entry:
                        entry.append((form.name, column.name))
    return {key: tuple(entry) for key, entry in known.items()}


KNOWN_HEADERS = OfForms(_lookup)


#: What nearly every form has beside its own columns: known, ignored and not spoken of.
_BESIDE = frozenset(
    (
        *("序号", "编号", "备注", "说明", "联系人", "联系电话", "电话", "填表人", "审核人", "日期"),
        # Templates show last year's figure in a column of this name.
        "上年数",
    )
)


def stands_beside(text: str) -> bool:
    """Return whether a normalised header is of a column that forms have for their own use."""
    return bare(text) in _BESIDE


def is_known_header(text: str) -> bool:
    """Return whether some form has a column of that header."""
    return bool(known(normalise(text)))


def known(text: str) -> tuple[tuple[str, str], ...]:
    """Return form and column of every known header that a normalised ``text`` is."""
    return KNOWN_HEADERS.get(text) or KNOWN_HEADERS.get(bare(text)) or ()
