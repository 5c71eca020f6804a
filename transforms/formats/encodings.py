"""From bytes to text, without guessing.

An encoding taken wrongly would put wrong names into the warehouse, so every step here is strict,
and what fits no encoding in use is refused. A detector by statistics is of no help: on short
Chinese tables it mistakes GB18030 for Big5 or Korean.
"""

from __future__ import annotations

import re
from typing import Final

from .model import Unreadable

_CONTROLS: Final = re.compile("[\0-\x08\x0e-\x19\x1b-\x1f]")
_STRUCTURE: Final = re.compile("[\t\r\n,;<]")
_ZEROS_OF_UTF16: Final = 100  # one byte in so many is a zero, at the least
_ZEROS_IN_NUMBER: Final = re.compile(rb"(?<=[0-9])\0+(?=[0-9])")
# Three Chinese characters in UTF-8, or two alone in a field: chance makes none of them in GB18030.
_UTF8_HAN: Final = rb"(?:[\xe4-\xe9][\x80-\xbf]{2})"
_UTF8_AMONG_OTHERS: Final = re.compile(
    _UTF8_HAN + rb"{3,}|(?<![\x80-\xff])" + _UTF8_HAN + rb"{2}(?![\x80-\xff])"
)
_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_DECLARED: Final = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""")
# Files declared as GB2312 hold characters of its successors.
_SUCCESSORS: Final = {"gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030"}


def decode(data: bytes) -> str:
    """Return text in UTF-8, UTF-16 or GB18030, without the byte order mark.

    UTF-8 comes before GB18030, for hardly any GB18030 text is valid in it. Raises Unreadable
    (unknown_encoding, mixed_encodings), also where control characters show that this is no text.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode(data[len(mark) :], (encoding,))
    zeros = data.count(b"\0")
    if zeros > 1 and zeros * _ZEROS_OF_UTF16 >= len(data):
        return _decode_unmarked(data)
    if zeros:  # what a program left behind; among digits it may stand for one that is lost
        data = _ZEROS_IN_NUMBER.sub(b"?", data).replace(b"\0", b"")
    try:
        return _decode(data, ("utf-8",))
    except Unreadable:
        refuse_mixture(data)
        return _decode(data, ("gb18030",))


def refuse_mixture(data: bytes) -> None:
    """Raise Unreadable (mixed_encodings) if text that is not in UTF-8 holds some that is.

    What was pasted from another file often is; read as GB18030 it would become other characters.
    """
    for found in _UTF8_AMONG_OTHERS.finditer(data):
        try:
            found[0].decode("utf-8").encode("gb2312")  # in no more than usual characters
        except UnicodeError:
            continue
        raise Unreadable("mixed_encodings", line=data.count(b"\n", 0, found.start()) + 1)


def decode_markup(data: bytes) -> str:
    """Return the same for HTML and XML: the encoding they declare goes first, where it fits."""
    declared = _DECLARED.search(data[:4096])
    if declared and not data.startswith(tuple(mark for mark, _ in _MARKS)):
        encoding = declared[1].decode("ascii").lower()
        try:
            if _SUCCESSORS.get(encoding) == "gb18030":
                refuse_mixture(data)
            return _decode(data, (_SUCCESSORS.get(encoding, encoding),))
        except (Unreadable, LookupError):  # declared wrongly, or unheard of
            pass
    return decode(data)


def _decode_unmarked(data: bytes) -> str:
    """UTF-16 without a mark: the order of bytes in which it is text with lines or fields.

    In the other order a comma or a line break is a letter of a script that no table here is in.
    """
    texts = []
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = _decode(data, (encoding,))
        except Unreadable:
            continue
        if _STRUCTURE.search(text):
            texts.append(text)
    if len(texts) != 1:
        raise Unreadable("unknown_encoding")
    return texts[0]


def _decode(data: bytes, encodings: tuple[str, ...]) -> str:
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _CONTROLS.search(text):
            return text
    raise Unreadable("unknown_encoding")
