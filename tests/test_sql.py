"""Values come into SQL text through warehouse/sql.py alone, which quotes them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
SQL = re.compile(r"\b(SELECT|FROM|WHERE|ATTACH|COPY|INSERT|CREATE|COMMENT ON|UPDATE|DELETE)\b")
#: Where a value stands in an f-string.
VALUE = "\0"


def quoted_by_hand(source: str) -> list[int]:
    """The lines of f-strings of SQL in which a value stands between quotes."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                str(v.value) if isinstance(v, ast.Constant) else VALUE for v in node.values
            )
            if SQL.search(text) and f"'{VALUE}'" in text:
                lines.append(node.lineno)
    return lines


def test_no_value_is_quoted_by_hand() -> None:
    found = {
        f"{file.relative_to(ROOT)}:{line}"
        for floor in ("warehouse", "expectations", "flows")
        for file in (ROOT / floor).rglob("*.py")
        for line in quoted_by_hand(file.read_text("utf-8"))
    }
    assert found == set()


def test_what_is_quoted_by_hand_is_found() -> None:
    assert quoted_by_hand("f\"SELECT 1 WHERE code = '{code}'\"") == [1]
    assert quoted_by_hand('f"SELECT 1 WHERE code = {literal(code)}"') == []
