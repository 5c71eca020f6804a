"""Remarks at cells: comments, and the boxes of Office 2003 in which programs show them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from lxml import etree

from transforms.formats import column_letters
from transforms.workbooks.findings import SEVERITY_ZH, ListedFinding, Place, literal
from transforms.workbooks.package import (
    MAIN,
    RELATIONS,
    CopiedPackage,
    OutOfBounds,
    insert_in_order,
    parsed,
    range_of,
)
from transforms.workbooks.worksheet import ORDER

#: Excel's own bound is about 32,767 in a comment nobody could read.
COMMENT_CHARACTERS = 4_000

#: Who the comments of an answer are by.
AUTHOR: Final = "数据核对"
_COMMENTS_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.comments+xml"
_BOXES_TYPE: Final = "application/vnd.openxmlformats-officedocument.vmlDrawing"
_VML: Final = "urn:schemas-microsoft-com:vml"
_OFFICE: Final = "urn:schemas-microsoft-com:office:office"
_EXCEL: Final = "urn:schemas-microsoft-com:office:excel"
_NAMESPACES: Final = f'xmlns:v="{_VML}" xmlns:o="{_OFFICE}" xmlns:x="{_EXCEL}"'
_BOXES: Final = (
    f'<xml {_NAMESPACES}><o:shapelayout v:ext="edit"><o:idmap v:ext="edit" data="1"/>'
    "</o:shapelayout></xml>"
)
#: What the box of a comment is; shapes refer to it by its id.
_BOX_TYPE: Final = (
    f'<v:shapetype {_NAMESPACES} id="_x0000_t202" coordsize="21600,21600" o:spt="202"'
    ' path="m,l,21600r21600,l21600,xe"><v:stroke joinstyle="miter"/>'
    '<v:path gradientshapeok="t" o:connecttype="rect"/></v:shapetype>'
)
_BOX: Final = (
    '<v:shape id="_x0000_s{number}" type="#_x0000_t202" style="position:absolute;'
    "margin-left:59.25pt;margin-top:1.5pt;width:{width}px;height:{height}px;z-index:1;"
    'visibility:hidden" fillcolor="#ffffe1" o:insetmode="auto"><v:fill color2="#ffffe1"/>'
    '<v:shadow color="black" obscured="t"/><v:path o:connecttype="none"/>'
    '<v:textbox style="mso-direction-alt:auto"><div style="text-align:left"/></v:textbox>'
    '<x:ClientData ObjectType="Note"><x:MoveWithCells/><x:SizeWithCells/>'
    "<x:AutoFill>False</x:AutoFill><x:Row>{row}</x:Row><x:Column>{column}</x:Column>"
    "</x:ClientData></v:shape>"
)
_NUMBER: Final = re.compile(r"_x0000_s([0-9]{1,9})")
#: The size of a box in Excel, in pixels.
_USUAL_BOX: Final = (144, 79)
_SPACE: Final = "{http://www.w3.org/XML/1998/namespace}space"
#: What stands before the way out in a remark.
REMEDY: Final = "怎么改: "
#: How the remark of a finding begins in a comment, and a whole one: not every program keeps who it is by.
_REMARK: Final = re.compile("|".join(f"【{word}】" for word in SEVERITY_ZH.values()))
_WHOLE_REMARK: Final = re.compile(rf"(?:{_REMARK.pattern}).*\s{REMEDY}", re.DOTALL)
#: Whoever answers a comment of a thread is called so in its older form.
_OF_THREAD: Final = "tc="


def is_of_notes(shape: etree._Element) -> bool:
    """Return whether an element of a drawing is the box of a comment, or what boxes need."""
    if shape.tag == f"{{{_VML}}}shape":
        data = shape.find(f"{{{_EXCEL}}}ClientData")
        return data is not None and data.get("ObjectType") == "Note"
    return shape.tag in (f"{{{_OFFICE}}}shapelayout", f"{{{_VML}}}shapetype")


def add_remarks(
    package: CopiedPackage, sheet: str, remarks: Mapping[Place, Sequence[ListedFinding]]
) -> None:
    """Comment cells of a sheet, below what the unit itself had noted there.

    Comments of the unit that have no box (theirs were damaged) get one. Raises ValueError and
    lxml's errors where the comments of the sheet are damaged.
    """
    part = package.target(sheet, "comments")
    if part is None:
        if not remarks:
            return
        blank = f'<comments xmlns="{MAIN}"><authors/><commentList/></comments>'
        part = package.add("xl/comments{}.xml", blank.encode(), _COMMENTS_TYPE)
        package.relate(sheet, f"{RELATIONS}/comments", part)
    comments = _Comments(package.tree(part))
    if any(comments.is_of_thread(place) for place in remarks):
        # Who shows threads does not show what stands in their older form. As comments they stay.
        package.drop_relations(sheet, "threadedComment")
    texts = {place: _text(found, comments.text(place)) for place, found in remarks.items()}
    for place, text in texts.items():
        comments.write(place, text)
    _draw(package, sheet, texts, comments.places())


def take_back_remarks(package: CopiedPackage, sheet: str) -> list[Place]:
    """Take the remarks of an earlier answer out of a sheet; give the cells that had one.

    What the unit itself had noted above them stays. Raises ValueError and lxml's errors where the comments
    of the sheet are damaged.
    """
    part = package.target(sheet, "comments")
    if part is None:
        return []
    comments = _Comments(package.tree(part))
    places = comments.of_answers()
    if not places:
        return []
    own = {place: _noted(comments.text(place) or "") for place in places}
    for place, text in own.items():
        if text:
            comments.write(place, text)
        else:
            comments.remove(place)
    _draw(package, sheet, {place: text for place, text in own.items() if text}, comments.places())
    return places


def _noted(text: str) -> str:
    """Return what stands above the remarks of an answer in a comment."""
    return _REMARK.split(text, maxsplit=1)[0].rstrip("\n")


class _Comments:
    """The comments of a sheet."""

    def __init__(self, root: etree._Element) -> None:
        authors, listed = root.find(f"{{{MAIN}}}authors"), root.find(f"{{{MAIN}}}commentList")
        if authors is None or listed is None:
            raise OutOfBounds("comments without a list")
        self._authors, self._listed = authors, listed
        self._there: dict[Place, etree._Element] = {}
        for comment in listed.iterfind(f"{{{MAIN}}}comment"):
            self._there.setdefault(range_of(comment.get("ref", ""))[:2], comment)
        self._own: str | None = None

    def places(self) -> list[Place]:
        """Return the cells that have a comment."""
        return list(self._there)

    def text(self, place: Place) -> str | None:
        """Return what is noted at a cell, as it is written in the file."""
        comment = self._there.get(place)
        if comment is None:
            return None
        texts = comment.iterfind(f"{{{MAIN}}}text//{{{MAIN}}}t")
        return "".join(text.text or "" for text in texts if not _is_reading_aid(text))

    def is_of_thread(self, place: Place) -> bool:
        """Return whether the comment at a cell is the older form of a thread of comments."""
        comment = self._there.get(place)
        number = "" if comment is None else comment.get("authorId", "")
        known = number.isdecimal() and int(number) < len(self._authors)
        return known and (self._authors[int(number)].text or "").startswith(_OF_THREAD)

    def of_answers(self) -> list[Place]:
        """Return the cells whose comment an answer has written."""
        own = {str(i) for i, author in enumerate(self._authors) if author.text == AUTHOR}
        return [
            place
            for place, comment in self._there.items()
            if comment.get("authorId", "") in own or _WHOLE_REMARK.search(self.text(place) or "")
        ]

    def remove(self, place: Place) -> None:
        """Take the comment at a cell away."""
        self._listed.remove(self._there.pop(place))

    def write(self, place: Place, text: str) -> None:
        """Put a comment at a cell, instead of the one that is there."""
        comment = self._there.get(place)
        if comment is None:
            comment = etree.SubElement(self._listed, f"{{{MAIN}}}comment", ref=_name(place))
            self._there[place] = comment
        comment.set("authorId", self._author())
        for child in list(comment):
            comment.remove(child)
        words = etree.SubElement(
            etree.SubElement(comment, f"{{{MAIN}}}text"), f"{{{MAIN}}}t", {_SPACE: "preserve"}
        )
        words.text = text

    def _author(self) -> str:
        if self._own is None:
            etree.SubElement(self._authors, f"{{{MAIN}}}author").text = AUTHOR
            self._own = str(len(self._authors) - 1)
        return self._own


def _is_reading_aid(text: etree._Element) -> bool:
    """Return whether a text says how others are pronounced."""
    parent = text.getparent()
    return parent is not None and parent.tag == f"{{{MAIN}}}rPh"


def _name(place: Place) -> str:
    row, column = place
    return f"{column_letters(column - 1)}{row}"


def _text(findings: Iterable[ListedFinding], there: str | None) -> str:
    """Return one comment for all findings of a cell, below what stands there."""
    # The same wording twice on a cell (a merged cell stands for many) is said once.
    remarks = dict.fromkeys(
        f"【{SEVERITY_ZH[finding.severity]}】{finding.problem}\n{REMEDY}{finding.remedy}"
        for finding in findings
    )
    own = [there] if there is not None else []
    text = "\n\n".join([*own, *map(literal, remarks)])
    if len(text) > COMMENT_CHARACTERS:
        text = f"{text[:COMMENT_CHARACTERS]}…(其余见第一页)"
    return text


def _draw(
    package: CopiedPackage, sheet: str, texts: Mapping[Place, str], places: Iterable[Place]
) -> None:
    """Give each comment a box: those with a new text one of its size, the others what they have."""
    root = package.tree(_boxes(package, sheet))
    commented = frozenset(places)
    # Boxes of the unit stay; where a cell is commented anew, the new one stands for both texts.
    drawn = set()
    number = 1024
    for shape in root.findall(f"{{{_VML}}}shape"):
        place = _place(shape)
        if place is None or place in texts or place not in commented:
            root.remove(shape)
            continue
        drawn.add(place)
        found = _NUMBER.fullmatch(shape.get("id", ""))
        number = max(number, int(found[1]) if found else 0)
    if all(kind.get("id") != "_x0000_t202" for kind in root.iterfind(f"{{{_VML}}}shapetype")):
        root.append(parsed(_BOX_TYPE.encode()))
    boxes = [
        _box(free, place, texts.get(place))
        for free, place in enumerate(sorted({*texts, *commented} - drawn), number + 1)
    ]
    root.extend(list(parsed(f"<xml {_NAMESPACES}>{''.join(boxes)}</xml>".encode())))


def _box(number: int, place: Place, text: str | None) -> str:
    """Return a box, of the size of its text where that is known."""
    width, height = _USUAL_BOX
    if text is not None:
        lines = sum(1 + len(line) // 24 for line in text.splitlines())
        width, height = 360, min(400, 30 + 18 * lines)
    row, column = place
    return _BOX.format(number=number, width=width, height=height, row=row - 1, column=column - 1)


def _place(shape: etree._Element) -> Place | None:
    """Return the cell that a box belongs to."""
    row, column = (
        (shape.findtext(f"{{{_EXCEL}}}ClientData/{{{_EXCEL}}}{name}") or "").strip()
        for name in ("Row", "Column")
    )
    known = row.isdecimal() and column.isdecimal()
    return (int(row) + 1, int(column) + 1) if known else None


def _boxes(package: CopiedPackage, sheet: str) -> str:
    """Return the part with the boxes of a sheet, which is made where there is none."""
    part = package.target(sheet, "vmlDrawing")
    if part is not None:
        return part
    part = package.add("xl/drawings/vmlDrawing{}.vml", _BOXES.encode(), _BOXES_TYPE)
    known = package.relate(sheet, f"{RELATIONS}/vmlDrawing", part)
    pointer = etree.Element(f"{{{MAIN}}}legacyDrawing", nsmap={"r": RELATIONS})
    pointer.set(f"{{{RELATIONS}}}id", known)
    insert_in_order(package.tree(sheet), pointer, ORDER)
    return part
