"""The list of findings, the first sheet of a return sheet.

It is written as text: what stands in it came from strangers, and each of its cells is a text or
a count, never a formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from transforms.answers import NOTHING_TO_SAY, NUMBER, REASON, TO_BE_CORRECTED
from transforms.formats import column_letters
from transforms.workbooks import findings as bounds
from transforms.workbooks.findings import COLOURS, SEVERITY_ZH, ListedFinding, literal
from transforms.workbooks.heading import Heading
from transforms.workbooks.package import DECLARATION, MAIN
from transforms.workbooks.styles import StyleSheet

#: Excel takes 65,530 hyperlinks on a sheet; a list this long is cut and says so.
LISTED_FINDINGS = 50_000
#: Excel's own bound is 32,767 in a cell.
CELL_CHARACTERS = 32_000

#: The header stands below the lines above the list and a blank one.
_BLANK_LINES: Final = 2
#: Header and width (in characters) of the list's columns.
_COLUMNS: Final = (
    ("工作表", 18),
    ("单元格", 10),
    ("现有内容", 20),
    ("问题", 44),
    ("怎么改", 44),
    ("涉及单元格数", 9),
    ("规则编号", 11),
    ("级别", 8),
    ("机构", 20),
    (REASON, 34),
    (NUMBER, 11),
)
_LETTERS: Final = tuple(map(column_letters, range(len(_COLUMNS))))
#: In points; the second is Excel's own bound.
_LINE_HEIGHT, _MAX_ROW_HEIGHT = 16, 409
_HEADER_COLOUR: Final = "FFD9E1F2"
_ANSWER_COLOUR: Final = "FFE2EFDA"
_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")

_HEAD: Final = (
    f'{DECLARATION}<worksheet xmlns="{MAIN}"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>'
    '<sheetViews><sheetView tabSelected="1" workbookViewId="0">'
    '<pane ySplit="{header}" topLeftCell="A{first}" activePane="bottomLeft"'
    ' state="frozen"/><selection pane="bottomLeft" activeCell="A{first}" sqref="A{first}"/>'
    "</sheetView></sheetViews>"
    '<sheetFormatPr defaultRowHeight="15"/><cols>'
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
    #: Of the cells that the unit fills in.
    answer: int
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
            answer=styles.look(wrapped, border=border, fill=styles.fill(_ANSWER_COLOUR)),
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
    heading: Heading | None = None,
) -> tuple[bytes, str]:
    """Return the XML of the list, the verdict and all findings, and the rows that stand on each page.

    ``heading`` says whose answer it is. ``linkable`` are the sheets of the workbook, and whether they are shown: places on them are
    links. The looks of the list are added to ``styles``.
    """
    looks = _Looks.among(styles)
    lines = _verdict(findings, file_name, bool(linkable))
    if heading is not None:
        lines = heading.around(lines, any(finding.number for finding in findings))
    header_row = len(lines) + _BLANK_LINES
    rows = [
        f'<row r="{row}">{_text(f"A{row}", line, looks.title)}</row>'
        for row, line in enumerate(lines, 1)
    ]
    headers = (
        _text(f"{letters}{header_row}", header, looks.header)
        for letters, (header, _) in zip(_LETTERS, _COLUMNS, strict=True)
    )
    rows.append(f'<row r="{header_row}">{"".join(headers)}</row>')
    links = []
    listed = findings[:LISTED_FINDINGS]
    for row, finding in enumerate(listed, header_row + 1):
        visible = linkable.get(finding.sheet or "")
        rows.append(_row(row, finding, looks, visible))
        place = _where(finding)[0]
        if visible is not None and place is not None:
            # A quotation mark in a sheet's name is doubled inside the quoted name.
            quoted = (finding.sheet or "").replace("'", "''")
            target = quoteattr(f"'{quoted}'!{place}")
            links.append(f'<hyperlink ref="B{row}" location={target}/>')
    if len(findings) > len(listed):
        row = header_row + len(listed) + 1
        line = f"其余{len(findings) - len(listed)}条没有列出。"
        rows.append(f'<row r="{row}">{_text(f"A{row}", line, 0)}</row>')
    linked = f"<hyperlinks>{''.join(links)}</hyperlinks>" if links else ""
    head = _HEAD.replace("{header}", str(header_row)).replace("{first}", str(header_row + 1))
    sheet = f"{head}<sheetData>{''.join(rows)}</sheetData>{linked}{_FOOT}"
    return sheet.encode(), f"${header_row}:${header_row}"


def _verdict(findings: Sequence[ListedFinding], file_name: str, copied: bool) -> tuple[str, ...]:
    errors = sum(finding.severity == "error" for finding in findings)
    counts = f"共{len(findings)}条: 错误{errors}条, 提示{len(findings) - errors}条。"
    colours = (
        "红色单元格为错误, 黄色为提示"
        f"(每条最多标出{bounds.MARKS_PER_FINDING}处, 全表最多{bounds.MARKS_PER_WORKBOOK}处)。"
    )
    return (
        f"文件: {file_name}",
        "结果: 已退回。请改正下列错误后重新报送。"
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
        finding.institution or "",
        _answer(finding),
        finding.number or "",
    )
    written = [
        _text(f"{letters}{row}", text, looks.quoted if _is_like_formula(text) else looks.text)
        for letters, text in zip(_LETTERS, texts, strict=True)
    ]
    if visible is not None and place is not None:
        written[1] = _text(f"B{row}", where, looks.link)
    written[5] = f'<c r="F{row}" s="{looks.text}"><v>{finding.cells}</v></c>'
    if finding.number:
        written[9] = _text(f"J{row}", texts[9], looks.answer)
    written[7] = _text(f"H{row}", texts[7], looks.severity[finding.severity])
    # Not every program fits the height of wrapped rows by itself when it opens a file.
    lines = max(_lines(text, width) for text, (_, width) in zip(texts, _COLUMNS, strict=True))
    height = min(lines * _LINE_HEIGHT, _MAX_ROW_HEIGHT)
    return f'<row r="{row}" ht="{height}" customHeight="1">{"".join(written)}</row>'


def _answer(finding: ListedFinding) -> str:
    """Return what stands where the unit may say that a finding is right as it stands."""
    if finding.severity == "error":
        return TO_BE_CORRECTED
    return (finding.reason or "") if finding.number else NOTHING_TO_SAY


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
