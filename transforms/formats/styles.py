"""The cell styles of an OOXML workbook, as far as they change what a number means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from lxml import etree

from .model import Limits, Unreadable
from .packages import drop, local_name, walk_xml
from .scales import BUILT_IN, may_scale
from .serials import DATE_FORMATS, shows_date

_NO_STYLES: Final = b""


@dataclass(frozen=True)
class Styles:
    """By the number of a style: whether it shows a date, and the code of a format that scales."""

    dates: tuple[bool, ...] = ()
    scales: tuple[str | None, ...] = ()

    @classmethod
    def of(cls, codes: Mapping[int, str], used: Sequence[int]) -> Styles:
        """Return the styles of a workbook from the number format of each style, and the codes of formats that are not built in."""
        dates = {number for number in used if _shows_date(number, codes)}
        scaling = {
            number: code
            for number in set(used) - dates
            if may_scale(code := codes.get(number) or BUILT_IN.get(number, ""))
        }
        return cls(
            tuple(number in dates for number in used),
            tuple(scaling.get(number) for number in used),
        )

    @cached_property
    def may_scale(self) -> bool:
        """Whether some style shows other figures than are stored."""
        return any(self.scales)

    def is_date(self, style: int) -> bool:
        """Return whether cells of the style show a date or a time."""
        return 0 <= style < len(self.dates) and self.dates[style]

    def scale_code(self, style: int) -> str | None:
        """Return the number format of the style where that scales what it shows."""
        return self.scales[style] if 0 <= style < len(self.scales) else None


@lru_cache(maxsize=64)
def styles_of(xml: bytes, limits: Limits) -> Styles:
    """Return what the styles part says; most files of a city share a few. Raises Unreadable (corrupt)."""
    if xml == _NO_STYLES:
        return Styles()
    codes: dict[int, str] = {}
    used: list[int] = []
    try:
        for _, element in walk_xml(xml, ("{*}numFmt", "{*}xf"), limits):
            # Those of conditional formats, and of styles that have names, are numbered apart.
            parent = element.getparent()
            within = "" if parent is None else local_name(parent)
            match within, local_name(element):
                case "numFmts", "numFmt":
                    codes[_number(element, -1)] = element.get("formatCode", "")
                case "cellXfs", "xf":
                    used.append(_number(element, 0))
            drop(element)
    except etree.XMLSyntaxError as error:
        raise Unreadable("corrupt", what="styles") from error
    return Styles.of(codes, used)


def _shows_date(number: int, codes: Mapping[int, str]) -> bool:
    return shows_date(codes[number]) if number in codes else number in DATE_FORMATS


def _number(element: etree._Element, otherwise: int) -> int:
    text = element.get("numFmtId", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise
