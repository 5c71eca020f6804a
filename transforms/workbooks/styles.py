"""The styles of a workbook: looks that are added to those it has."""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from typing import Final

from lxml import etree

from transforms.workbooks.package import (
    MAIN,
    RELATIONS,
    CopiedPackage,
    OutOfBounds,
    insert_in_order,
    parsed,
)

_STYLES_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"
_ORDER: Final = (
    "numFmts fonts fills borders cellStyleXfs cellXfs cellStyles dxfs tableStyles colors extLst"
)
#: What the first entries of a section are; Excel takes the first two fills for these, always.
_FIRST: Final = {
    "fonts": ('<font><sz val="11"/><name val="宋体"/></font>',),
    "fills": (
        '<fill><patternFill patternType="none"/></fill>',
        '<fill><patternFill patternType="gray125"/></fill>',
    ),
    "borders": ("<border><left/><right/><top/><bottom/><diagonal/></border>",),
    "cellStyleXfs": ('<xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>',),
    "cellStyles": ('<cellStyle name="Normal" xfId="0" builtinId="0"/>',),
    "cellXfs": ('<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>',),
}
#: Excel's own bound on the looks of cells.
_MOST_LOOKS: Final = 64_000


class StyleSheet:
    """The styles of a package, to which looks are added; a look is known by its number."""

    def __init__(self, package: CopiedPackage, book: str) -> None:
        part = package.target(book, "styles")
        if part is None:
            blank = f'<styleSheet xmlns="{MAIN}"/>'.encode()
            part = package.add("xl/styles{}.xml", blank, _STYLES_TYPE)
            package.relate(book, f"{RELATIONS}/styles", part)
        self._root = package.tree(part)
        for section in _FIRST:
            self._section(section)
        self._fills: dict[str, int] = {}
        self._filled: dict[tuple[int, str], int] = {}

    def filled(self, style: int, colour: str) -> int:
        """Return a look with its cell filled; raises OutOfBounds where there is none of the number."""
        known = self._filled.get((style, colour))
        if known is None:
            looks = self._section("cellXfs")
            if not 0 <= style < len(looks):
                raise OutOfBounds(f"a style {style} of {len(looks)}")
            look = deepcopy(looks[style])
            look.attrib.update({"fillId": str(self.fill(colour)), "applyFill": "1"})
            known = self._filled[style, colour] = self._append("cellXfs", look)
        return known

    def unfilled(self, style: int, colours: Collection[str]) -> int:
        """Return a look without its fill where that is one of ``colours`` (ARGB), else the look itself."""
        looks, fills = self._section("cellXfs"), self._section("fills")
        if not 0 <= style < len(looks):
            raise OutOfBounds(f"a style {style} of {len(looks)}")
        known = looks[style].get("fillId", "0")
        fill = fills[int(known)] if known.isdecimal() and int(known) < len(fills) else None
        shown = None if fill is None else fill.find(f"{{{MAIN}}}patternFill/{{{MAIN}}}fgColor")
        if shown is None or shown.get("rgb") not in colours:
            return style
        if (style, "") not in self._filled:
            look = deepcopy(looks[style])
            look.set("fillId", "0")
            self._filled[style, ""] = self._append("cellXfs", look)
        return self._filled[style, ""]

    def fill(self, colour: str) -> int:
        """Return the number of a fill with one colour (ARGB)."""
        if colour not in self._fills:
            self._fills[colour] = self._append(
                "fills",
                _element(
                    '<fill><patternFill patternType="solid">'
                    f'<fgColor rgb="{colour}"/><bgColor rgb="{colour}"/></patternFill></fill>'
                ),
            )
        return self._fills[colour]

    def font(self, changes: str) -> int:
        """Return the number of the workbook's first font with other elements (XML) in it."""
        font = deepcopy(self._section("fonts")[0])
        for number, element in enumerate(_element(f"<font>{changes}</font>")):
            for there in font.findall(str(element.tag)):
                font.remove(there)
            font.insert(number, element)
        return self._append("fonts", font)

    def border(self, side: str) -> int:
        """Return the number of a border with the same side (XML) all around."""
        sides = "".join(
            f'<{name} style="thin">{side}</{name}>' for name in ("left", "right", "top", "bottom")
        )
        return self._append("borders", _element(f"<border>{sides}<diagonal/></border>"))

    def look(
        self, alignment: str = "", *, font: int = 0, fill: int = 0, border: int = 0, **more: int
    ) -> int:
        """Return the number of a look of its own; ``alignment`` is an element (XML)."""
        attributes = {
            "numFmtId": 0,
            "fontId": font,
            "fillId": fill,
            "borderId": border,
            "xfId": 0,
            **more,
            "applyFont": 1,
            "applyFill": 1,
            "applyBorder": 1,
            "applyAlignment": 1,
        }
        written = " ".join(f'{name}="{value}"' for name, value in attributes.items())
        return self._append("cellXfs", _element(f"<xf {written}>{alignment}</xf>"))

    def _section(self, name: str) -> etree._Element:
        section = self._root.find(f"{{{MAIN}}}{name}")
        if section is None:
            section = etree.Element(f"{{{MAIN}}}{name}")
            insert_in_order(self._root, section, _ORDER)
        for first in _FIRST[name][len(section) :]:
            section.append(_element(first))
        return section

    def _append(self, name: str, element: etree._Element) -> int:
        section = self._section(name)
        if len(section) >= _MOST_LOOKS:
            raise OutOfBounds("looks of cells")
        section.append(element)
        section.set("count", str(len(section)))
        return len(section) - 1


def _element(xml: str) -> etree._Element:
    name = xml[1 : min(xml.index(end) for end in " >" if end in xml)]
    return parsed(f'<{name} xmlns="{MAIN}"{xml[1 + len(name) :]}'.encode())
