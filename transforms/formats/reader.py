"""Which format a file has, told by its content, and the way to the reader of that format."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from . import biff, delimited, html, spreadsheetml
from .encodings import decode, decode_markup
from .model import DEFAULT_LIMITS, Limits, Sheet, Unreadable
from .ole import OLE_MAGIC, CompoundFile
from .packages import Package, refuse_dtd, refuse_long_tags, zip_start
from .protected import open_package
from .zips import suffix

# First bytes of what people send by mistake, and what it is called.
_OTHER_KINDS: Final = (
    (b"%PDF", "PDF 文件", "a PDF"),
    (b"\x89PNG", "图片", "a picture"),
    (b"\xff\xd8\xff", "图片", "a picture"),
    (b"GIF8", "图片", "a picture"),
    (b"Rar!", "RAR 压缩包", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "7z 压缩包", "a 7z archive"),
    (b"\x1f\x8b", "gzip 压缩包", "a gzip archive"),
    (b"{\\rtf", "RTF 文档", "an RTF document"),
    (b"MIME-Version:", "单个文件网页", "a single-file web page"),
)
_BEFORE: Final = 1024  # bytes that may stand before a compound file
_HEAD: Final = 64 * 1024  # bytes or characters
_BEFORE_MARKUP: Final = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"  # marks, UTF-16 zeros, white space
_HTML: Final = re.compile(r"<\s*(?:!doctype\s+html|html|table)\b", re.IGNORECASE)
_XML_DECLARATION: Final = re.compile(r"<\?xml[^>]*\?>")


def read_workbook(
    data: bytes,
    name: str,
    limits: Limits = DEFAULT_LIMITS,
    is_header: Callable[[str], bool] = lambda text: False,
) -> list[Sheet]:
    """Return the sheets of a file, hidden ones included, chart and macro sheets left out.

    `name` is the file's own; its ending decides nothing but a tie between delimiters. `is_header`
    tells the headers that are known, by which delimiters are told. Raises Unreadable and nothing
    else.
    """
    try:
        return _read(data, name, limits, is_header)
    except Unreadable:
        raise
    except BaseException as error:
        # One file of thousands must not stop the others, whatever is wrong with it. A panic in a
        # Rust library arrives beside Exception, as a class that cannot be imported.
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise Unreadable("corrupt", what="workbook") from error
        raise


def _read(data: bytes, name: str, limits: Limits, is_header: Callable[[str], bool]) -> list[Sheet]:
    if not data:
        raise Unreadable("empty")
    if len(data) > limits.file_bytes:
        raise Unreadable.file_too_large(limits)
    for magic, what, what_en in _OTHER_KINDS:
        if data.startswith(magic):
            raise Unreadable("not_a_workbook", what=what, what_en=what_en)
    if (start := zip_start(data)) is not None:
        return _read_package(Package(data[start:], limits), limits)
    if (start := data[:_BEFORE].find(OLE_MAGIC)) >= 0:
        return _read_compound(CompoundFile(data[start:]), limits)
    if (excel := biff.version(data)) is not None:
        if excel == biff.READ:  # without the container that they come in
            return biff.read(data, limits)
        raise Unreadable("old_excel", what=excel)
    if data[:_HEAD].lstrip(_BEFORE_MARKUP).startswith(b"<"):
        text = decode_markup(data).strip()
        head = text[:_HEAD]
        if spreadsheetml.NAMESPACE in head and not re.search(r"<html\b", head, re.IGNORECASE):
            declaration = _XML_DECLARATION.match(text)
            xml = text[declaration.end() if declaration else 0 :].strip().encode("utf-8")
            refuse_dtd(xml)
            refuse_long_tags(xml)
            return spreadsheetml.read(xml, limits)
        if _HTML.search(text):
            return html.read(text, limits)
        if head.startswith("<?xml"):
            raise Unreadable("not_a_workbook", what="XML 文件", what_en="an XML file")
    return delimited.read(decode(data), limits, suffix(name) == ".tsv", is_header)


def _read_package(package: Package, limits: Limits) -> list[Sheet]:
    # Their libraries take a third of a second to import, in processes that never open a workbook too.
    from . import ods, ooxml, xlsb

    if "[Content_Types].xml" in package:
        main = ooxml.main_part(package)
        if main.lower().endswith(".bin"):
            return xlsb.read(package, main, limits)
        return ooxml.read(package, main, limits)
    if "content.xml" in package:
        return ods.read(package, limits)
    raise Unreadable("not_a_workbook", what="压缩包", what_en="a zip of other files")


def _read_compound(container: CompoundFile, limits: Limits) -> list[Sheet]:
    if "EncryptedPackage" in container:
        return _read_package(Package(open_package(container), limits), limits)
    for stream in biff.STREAM_NAMES:
        if stream in container:
            return biff.read(container.stream(stream), limits)
    if "WordDocument" in container:
        raise Unreadable("not_a_workbook", what="Word 文档", what_en="a Word document")
    if "PowerPoint Document" in container:
        raise Unreadable("not_a_workbook", what="演示文稿", what_en="a presentation")
    raise Unreadable("not_a_workbook", what="其他文件", what_en="some other file")
