"""What stands above the list of findings: whose answer it is, until when, and whom to ask.

A module of its own, because who orders an answer need not import what writes workbooks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from transforms.answers import REASON


@dataclass(frozen=True, kw_only=True)
class Heading:
    """Whose answer it is, for when it is, and whom to ask; a line each.

    ``forms`` are years with the names of the forms. ``standing`` says whether an earlier version counts
    meanwhile, ``until`` by when to act, ``ask`` who knows more. ``verdict`` is said in the place of what the
    findings come to, where they are something else than what is wrong.
    """

    unit: str
    forms: tuple[str, ...]
    written: date
    standing: str
    until: str
    ask: str
    verdict: tuple[str, ...] = ()

    def around(self, verdict: Sequence[str], may_answer: bool) -> tuple[str, ...]:
        """Return the lines above the list, ``verdict`` among them."""
        how = (
            f"提示情况属实的: 在绿色的“{REASON}”一栏写明原因, 把本工作簿放回原来的文件夹即可, 不必改动数据。"
            if may_answer and not self.verdict
            else ""
        )
        lines = (
            f"{self.unit} {'、'.join(self.forms)} {'改动' if self.verdict else '审核反馈'} ({self.written:%Y-%m-%d})".replace(
                "  ", " "
            ),
            *(self.verdict or verdict),
            self.standing,
            self.until,
            self.ask,
            how,
        )
        return tuple(line for line in lines if line)
