"""The list of findings, the first sheet of a return sheet.

It is written as text: what stands in it came from strangers, and each of its cells is a text or
a count, never a formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from transforms.formats import column_letters
from transforms.workbooks import findings as bounds
from transforms.workbooks.findings import COLOURS, SEVERITY_ZH, ListedFinding, literal
from transforms.workbooks.package import DECLARATION, MAIN
from transforms.workbooks.styles import StyleSheet

#: Excel takes 65,530 hyperlinks on a sheet; a list this long is cut and says so.
LISTED_FINDINGS = 50_000
#: Excel's own bound is 32,767 in a cell.
CELL_CHARACTERS = 32_000

_HEADER_ROW: Final = 5
#: Header and width (in characters) of the list's columns.
_COLUMNS: Final = (
    ("工作表", 18),
    ("单元格", 10),
    ("现有内容", 24),
    ("问题", 48),
    ("怎么改", 44),
    ("涉及单元格数", 13),
    ("规则编号", 12),
    ("级别", 8),
)
_LETTERS: Final = tuple(map(column_letters, range(len(_COLUMNS))))
#: In points; the second is Excel's own bound.
_LINE_HEIGHT, _MAX_ROW_HEIGHT = 16, 409
_HEADER_COLOUR: Final = "FFD9E1F2"
_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")

#: The rows that stand on each page.
PRINT_TITLES: Final = f"${_HEADER_ROW}:${_HEADER_ROW}"
_HEAD: Final = (
    f'{DECLARATION}<worksheet xmlns="{MAIN}"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>'
    '<sheetViews><sheetView tabSelected="1" workbookViewId="0">'
    f'<pane ySplit="{_HEADER_ROW}" topLeftCell="A{_HEADER_ROW + 1}" activePane="bottomLeft"'
    ' state="frozen"/><selection pane="bottomLeft" activeCell="A{0}" sqref="A{0}"/>'
    "</sheetView></sheetViews>".replace("{0}", str(_HEADER_ROW + 1))
    + '<sheetFormatPr defaultRowHeight="15"/><cols>'
    + "".join(
        f'<col min="{number}" max="{number}" width="{width}" customWidth="1"/>'
        for number, (_, width) in enumerate(_COLUMNS, 1)
    )
    + "</cols>"
)
_A4: Final = 9
_FOOT: Final = (
    '<pageMargins left="0.7" right="0.7" top="0.75" bottom="0.75" header="0.3" footer="0.3"/>'
    f'<pageSetup paperSize="{_A4}" orientation="landscape" fitToWidth="1" fitToHeight="0"/>'
    "</worksheet>"
)


@dataclass(frozen=True)
class _Looks:
    """The looks of the list's cells, by their numbers among the workbook's."""

    title: int
    header: int
    text: int
    #: Of text that looks like a formula: without this mark Excel would make one of it as soon as
    #: somebody edits the cell.
    quoted: int
    link: int
    severity: Mapping[str, int]

    @classmethod
    def among(cls, styles: StyleSheet) -> _Looks:
        """Add the list's looks to those of a workbook."""
        border = styles.border('<color rgb="FFBFBFBF"/>')
        wrapped = '<alignment vertical="top" wrapText="1"/>'
        bold = styles.font("<b/>")
        link = styles.font('<u val="single"/><color rgb="FF0563C1"/>')
        return cls(
            title=styles.look(font=styles.font('<b/><sz val="12"/>')),
            header=styles.look(
                '<alignment horizontal="center" vertical="center" wrapText="1"/>',
                font=bold,
                fill=styles.fill(_HEADER_COLOUR),
                border=border,
            ),
            text=styles.look(wrapped, border=border),
            quoted=styles.look(wrapped, border=border, quotePrefix=1),
            link=styles.look(wrapped, border=border, font=link),
            severity={
                severity: styles.look(wrapped, border=border, fill=styles.fill(colour))
                for severity, colour in COLOURS.items()
            },
        )


def list_sheet(
    findings: Sequence[ListedFinding],
    file_name: str,
    styles: StyleSheet,
    linkable: Mapping[str, bool],
) -> bytes:
    """Return the XML of the list: the verdict and all findings.

    ``linkable`` are the sheets of the workbook, and whether they are shown: places on them are
    links. The looks of the list are added to ``styles``.
    """
    looks = _Looks.among(styles)
    rows = [
        f'<row r="{row}">{_text(f"A{row}", line, looks.title)}</row>'
        for row, line in enumerate(_verdict(findings, file_name, bool(linkable)), 1)
    ]
    headers = (
        _text(f"{letters}{_HEADER_ROW}", header, looks.header)
        for letters, (header, _) in zip(_LETTERS, _COLUMNS, strict=True)
    )
    rows.append(f'<row r="{_HEADER_ROW}">{"".join(headers)}</row>')
    links = []
    listed = findings[:LISTED_FINDINGS]
    for row, finding in enumerate(listed, _HEADER_ROW + 1):
        visible = linkable.get(finding.sheet or "")
        rows.append(_row(row, finding, looks, visible))
        place = _where(finding)[0]
        if visible is not None and place is not None:
            # A quotation mark in a sheet's name is doubled inside the quoted name.
            quoted = (finding.sheet or "").replace("'", "''")
            target = quoteattr(f"'{quoted}'!{place}")
            links.append(f'<hyperlink ref="B{row}" location={target}/>')
    if len(findings) > len(listed):
        row = _HEADER_ROW + len(listed) + 1
        line = f"其余{len(findings) - len(listed)}条没有列出。"
        rows.append(f'<row r="{row}">{_text(f"A{row}", line, 0)}</row>')
    linked = f"<hyperlinks>{''.join(links)}</hyperlinks>" if links else ""
    return f"{_HEAD}<sheetData>{''.join(rows)}</sheetData>{linked}{_FOOT}".encode()


def _verdict(findings: Sequence[ListedFinding], file_name: str, copied: bool) -> tuple[str, ...]:
    errors = sum(finding.severity == "error" for finding in findings)
    counts = f"共{len(findings)}条: 错误{errors}条, 提示{len(findings) - errors}条。"
    colours = (
        "红色单元格为错误, 黄色为提示"
        f"(每条最多标出{bounds.MARKS_PER_FINDING}处, 全表最多{bounds.MARKS_PER_WORKBOOK}处)。"
    )
    return (
        f"文件: {file_name}",
        "结果: 已退回。请改正下列错误后重新报送; 此前已接收的版本继续有效。"
        if errors
        else "结果: 已接收。下列提示请核对, 确有错误的请改正后重新报送。",
        counts + colours if copied else counts,
    )


def _where(finding: ListedFinding) -> tuple[str | None, str]:
    """Return the cell that a finding leads to, and what people call its place."""
    if finding.places:
        return finding.places[0], finding.places[0]
    if finding.row is not None:
        return f"A{finding.row}", f"第{finding.row}行"
    return None, ""


def _row(row: int, finding: ListedFinding, looks: _Looks, visible: bool | None) -> str:
    """Return the row of one finding; ``visible`` is None where its sheet is not in the workbook."""
    place, where = _where(finding)
    shown = finding.value
    if shown is None:
        shown = "(空白)" if finding.places else ""
    texts = (
        (finding.sheet or "") + (" (隐藏的工作表)" if visible is False else ""),
        where,
        shown,
        finding.problem,
        finding.remedy,
        "",
        finding.rule_id,
        SEVERITY_ZH[finding.severity],
    )
    written = [
        _text(f"{letters}{row}", text, looks.quoted if _is_like_formula(text) else looks.text)
        for letters, text in zip(_LETTERS, texts, strict=True)
    ]
    if visible is not None and place is not None:
        written[1] = _text(f"B{row}", where, looks.link)
    written[5] = f'<c r="F{row}" s="{looks.text}"><v>{finding.cells}</v></c>'
    written[7] = _text(f"H{row}", texts[7], looks.severity[finding.severity])
    # Not every program fits the height of wrapped rows by itself when it opens a file.
    lines = max(_lines(text, width) for text, (_, width) in zip(texts, _COLUMNS, strict=True))
    height = min(lines * _LINE_HEIGHT, _MAX_ROW_HEIGHT)
    return f'<row r="{row}" ht="{height}" customHeight="1">{"".join(written)}</row>'


def _lines(text: str, width: int) -> int:
    """Return how many lines ``text`` takes in a column of ``width``, where a Chinese character takes two.

    Lines are not filled to the last place: punctuation does not begin one.
    """
    return sum(
        1 + sum(1 + (not character.isascii()) for character in line) // (width - 2)
        for line in text[:CELL_CHARACTERS].splitlines() or [""]
    )


def _is_like_formula(text: str) -> bool:
    return literal(text).startswith(_FORMULA_START)


def _text(place: str, text: str, look: int) -> str:
    """Return a cell that shows ``text``, whatever it looks like: no formula, error or number."""
    if len(text) > CELL_CHARACTERS:
        text = text[:CELL_CHARACTERS] + "…"
    text = literal(text)
    if not text:
        return f'<c r="{place}" s="{look}"/>'
    # As it stands, a carriage return would be read as a line feed.
    text = escape(text, {"\r": "&#13;"})
    return (
        f'<c r="{place}" s="{look}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    )
