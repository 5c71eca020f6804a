"""`jzedu export`: a workbook of the level above, filled from the publication.

A cell names a figure: ``{{ indicator region year }}``, the indicator by id, name or clause, the region by code
or name, the year left out for that of the export or given relative to it (-1), and behind them, where it is
not the value, one of the words of :data:`_COLUMNS`. ``{{ publication }}`` and the like are what the
publication says of itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flows.language import Words, told
from transforms.names import shown
from transforms.workbooks.filled import Answer, Filled, NoTemplate, fill
from warehouse.archive import digest_of
from warehouse.publication.reader import Reader, open_publication
from warehouse.publication.reader.office import (
    figure_of,
    finality,
    indicator_named,
    region_named,
)
from warehouse.publication.release import DATABASE
from warehouse.reference import Reference

#: What may be asked for beside the value: the words, and the column.
_COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(("value", "值"), "value"),
    **dict.fromkeys(("numerator", "分子"), "numerator"),
    **dict.fromkeys(("denominator", "分母"), "denominator"),
    **dict.fromkeys(("status", "判定"), "status"),
    **dict.fromkeys(("gap", "差距"), "gap"),
}
#: How final the figures of a year are, in words.
_STATES = {"preliminary": "初步数", "final": "定稿", "revised": "定稿后修订数"}
_WORDS = Words(
    write=("请写 {{{{ 指标 地区 年份 }}}}", "write {{{{ indicator region year }}}}"),
    no_indicator=("没有叫 {name} 的指标或条款", "no indicator or clause is called {name}"),
    no_region=("没有叫 {name} 的地区", "no region is called {name}"),
    no_figure=("{year} 年没有这个数字", "there is no such figure of {year}"),
    nothing_published=(
        "还没有发布；请运行：jzedu nightly",
        "there is no publication yet; run: jzedu nightly",
    ),
    nameless=(
        "这次发布没有说明自己是什么；请运行：jzedu nightly",
        "the publication says nothing of itself; run: jzedu nightly",
    ),
    names_none=(
        "{template} 没有写明要哪个数字：请在单元格中写 {{{{ 指标 地区 年份 }}}}",
        "{template} names no figure: write {{{{ indicator region year }}}} into its cells",
    ),
    left=("{cell}：{words} 照原样留着：{why}", "{cell}: {words} is left as it is: {why}"),
)
_YEAR = re.compile(r"(?:19|20)[0-9]{2}|-[0-9]{1,2}")


class ExportFailed(Exception):
    """The template cannot be filled; the message says why."""


@dataclass
class _Figures:
    """Gives what the references of a template stand for; ``problems`` says why one stands for nothing."""

    reader: Reader
    reference: Reference
    year: int
    facts: Mapping[str, Answer]
    problems: dict[str, str] = field(default_factory=dict)

    def answer(self, words: str) -> Answer | None:
        """Return the figure, or None, with the reason in ``problems``."""
        if words in self.facts:
            return self.facts[words]
        parts, column, year = words.split(), "value", self.year
        if len(parts) > 2 and parts[-1] in _COLUMNS:
            column = _COLUMNS[parts.pop()]
        if len(parts) > 2 and _YEAR.fullmatch(parts[-1]):
            said = parts.pop()
            year = self.year + int(said) if said.startswith("-") else int(said)
        if len(parts) != 2:
            self.problems[words] = _WORDS("write")
            return None
        indicator = indicator_named(self.reader, parts[0])
        region = region_named(self.reader, parts[1]) or self.reference.unit_of(parts[1])
        if indicator is None:
            self.problems[words] = _WORDS("no_indicator", name=shown(parts[0]))
        elif region is None:
            self.problems[words] = _WORDS("no_region", name=shown(parts[1]))
        else:
            found = figure_of(self.reader, column, *indicator, region, year)
            if found is not None:
                return found
            self.problems[words] = _WORDS("no_figure", year=year)
        return None


def write_export(
    published: Path, reference: Reference, template: Path, year: int, out: Path
) -> tuple[Filled, list[str]]:
    """Fill ``template`` with figures of ``year`` and write it to ``out``; give what was filled, and what was not.

    Raises:
        ExportFailed: there is no publication, or the template is no workbook.
        OSError: ``out`` cannot be written.
    """
    database = published / DATABASE
    if not database.exists():
        raise ExportFailed(_WORDS("nothing_published"))
    with database.open("rb") as file:
        digest = digest_of(file)
    with open_publication(database) as reader:
        issue, state = reader.issue, finality(reader).get(year)
        if issue is None or issue.published_at is None:
            raise ExportFailed(_WORDS("nameless"))
        said = _STATES[state.state if state else "preliminary"]
        facts: dict[str, Answer] = {
            "publication": issue.publication_id,
            "published_at": f"{issue.published_at:%Y-%m-%d %H:%M}",
            "sha256": digest,
            "year": year,
            "state": said,
            "release": (state.release if state else None) or "",
        }
        figures = _Figures(reader, reference, year, facts)
        made_up = "虚构样例数据, 仅供演示。" if reader.is_made_up else ""
        foot = (
            f"{made_up}数据来源: jzedu 发布 {issue.publication_id}, {year}年数据为{said},"
            f" SHA-256 {digest}"
        )
        try:
            filled = fill(template.read_bytes(), figures.answer, foot)
        except NoTemplate as error:
            raise ExportFailed(told(error.text.at(template))) from None
    if not filled.references:
        raise ExportFailed(_WORDS("names_none", template=template))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(filled.data)
    return filled, [
        _WORDS("left", cell=cell, words=f"{{{{ {shown(words)} }}}}", why=figures.problems[words])
        for cell, words in filled.open
    ]
