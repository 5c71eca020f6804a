"""What reading a file gives: sheets of text cells, or one plain sentence on why there are none.

Every reader of this package speaks these types, so that the cleaner behind it never learns which
format a file had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, overload

import polars as pl

from transforms.texts import Misfit

from .scales import Scaled

_FIRST_ROWS: Final = 10


class Doubt(NamedTuple):
    """Something odd about a file that could be read all the same.

    `kind` is "missing_sheet" (`what` is its name) or "open_quote" (`what` are the lines).
    """

    kind: str
    what: str


@dataclass(frozen=True)
class Sheet:
    """One sheet as it stands in the file.

    `name` is the sheet's name, "" for csv and tsv. `hidden` holds for hidden and very hidden
    sheets. `cells` has only String columns, named "0", "1", … by absolute column index (0 = A);
    row i is sheet row i + 1, leading blank rows and columns included, trailing ones cut. Null is
    blank: an empty cell, "" or white space only. `merged` lists (row0, col0, row1, col1), zero
    based and inclusive; the text of a merged range stands in its first cell alone. `scaled` are the
    cells whose number format shows another figure than `cells` has. `doubts` is what was
    noticed while reading and whoever sent the file should know.
    """

    name: str
    hidden: bool
    cells: pl.DataFrame
    merged: tuple[tuple[int, int, int, int], ...]
    scaled: tuple[Scaled, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    def top(self, most: int) -> Sequence[tuple[str | None, ...]]:
        """Return the first rows, ``most`` of them at the most, each taken out when it is asked for."""
        return _Top(self.cells, most, self._taken)

    @cached_property
    def _taken(self) -> list[tuple[str | None, ...]]:
        return []


class _Top(Sequence[tuple[str | None, ...]]):
    """The first rows of a frame, taken out a few at a time: few sheets need more to be understood."""

    def __init__(self, cells: pl.DataFrame, most: int, taken: list[tuple[str | None, ...]]) -> None:
        self._cells = cells
        self._height = min(most, cells.height)
        self._rows = taken

    def __len__(self) -> int:
        return self._height

    @overload
    def __getitem__(self, key: int) -> tuple[str | None, ...]: ...
    @overload
    def __getitem__(self, key: slice) -> list[tuple[str | None, ...]]: ...
    def __getitem__(
        self, key: int | slice
    ) -> tuple[str | None, ...] | list[tuple[str | None, ...]]:
        if isinstance(key, int):
            place = range(self._height)[key]
            self._take(place + 1)
            return self._rows[place]
        places = range(self._height)[key]
        if places:
            self._take(max(places[0], places[-1]) + 1)
        return [self._rows[place] for place in places]

    def _take(self, height: int) -> None:
        while (taken := len(self._rows)) < height:
            self._rows += self._cells.slice(taken, max(taken, _FIRST_ROWS)).rows()


@dataclass(frozen=True)
class Limits:
    """How much of this machine one file may take; whatever exceeds a number is refused.

    The defaults leave room for a form of 200,000 rows and keep one reader below about 2 GB. The
    readers here keep all numbers but the last two, which who runs them has to see to.

    - `taken_bytes`: a file in the inbox or another folder; a larger one stays there, unanswered.
    - `file_bytes`: the file itself, and each file inside a zip.
    - `unpacked_bytes`: everything unpacked from one container, counted while unpacking, and the
      text that the cells of one workbook come to.
    - `zip_entries`: files in a zip, parts in a workbook's container.
    - `sheets`: sheets of a workbook.
    - `rows`, `columns`: the last row and column that hold anything; Excel's own maxima.
    - `cells`: rows × columns up to the last that hold anything, over all sheets of a workbook.
    - `merged`: merged ranges of a workbook.
    - `elements`: elements and attributes of XML or HTML, where that is read as a tree.
    - `seconds`: of a processor, for a file or each file inside a zip.
    - `memory_bytes`: of the process that reads it, or writes its return sheet.
    """

    taken_bytes: int = 2 * 2**30
    file_bytes: int = 64 * 2**20
    unpacked_bytes: int = 256 * 2**20
    zip_entries: int = 5_000
    sheets: int = 500
    rows: int = 1_048_576
    columns: int = 16_384
    cells: int = 5_000_000
    merged: int = 100_000
    elements: int = 5_000_000
    seconds: int = 120
    memory_bytes: int = 2 * 2**30

    def __post_init__(self) -> None:
        for name, number in vars(self).items():
            if number < 1:
                raise Misfit(f"{name} 应不小于 1", f"{name} must be at least 1")


DEFAULT_LIMITS: Final = Limits()


_LONGEST_FACT: Final = 120  # characters

#: What is wrong and what to do about it, in Chinese and in English.
_SENTENCES: Final[dict[str, tuple[str, str, str, str]]] = {
    "empty": (
        "文件是空的(0 字节)或没有读取权限",
        "请重新导出并上报。",
        "the file is empty (0 bytes) or must not be read",
        "Export it again and hand it in once more.",
    ),
    "corrupt": (
        "文件已损坏或不完整({what})",
        "请用 Excel 或 WPS 打开原文件, 另存为 .xlsx 后重新上报。",
        "the file is damaged or incomplete ({what})",
        "Open the original in Excel or WPS, save it as .xlsx and hand it in again.",
    ),
    "encrypted": (
        "文件设有打开密码",
        "请取消密码后重新上报。",
        "the file is protected by a password",
        "Remove the password and hand it in again.",
    ),
    "too_large": (
        "文件过大: {what}超过 {limit}",
        "请删去多余的内容或拆分后重新上报。",
        "the file is too large: {what_en} exceed {limit}",
        "Remove what is not needed, or split it, and hand it in again.",
    ),
    "too_costly": (
        "{what}",
        "请删去多余的内容, 用 Excel 或 WPS 另存为 .xlsx 后重新上报。",
        "{what_en}",
        "Remove what is not needed, save it as .xlsx with Excel or WPS and hand it in again.",
    ),
    "too_spread": (
        "{place}内容一直到第 {row} 行、第 {column} 列, 超出可读取的范围",
        "请删去表格以外的内容后重新上报。",
        "{place_en} reaches as far as row {row}, column {column}, beyond what can be read",
        "Delete everything outside the table and hand it in again.",
    ),
    "unsafe_xml": (
        "文件含有不允许的 XML 声明(DTD)",
        "请用 Excel 或 WPS 另存为 .xlsx 后重新上报。",
        "the file contains an XML declaration that is not allowed (DTD)",
        "Save it as .xlsx with Excel or WPS and hand it in again.",
    ),
    "unsafe_zip": (
        "压缩包内的文件名“{entry}”含有不允许的路径",
        "请改名后重新压缩上报。",
        "the name “{entry}” inside the zip has a path that is not allowed",
        "Rename the file, zip it again and hand it in.",
    ),
    "link_in_zip": (
        "压缩包内的“{entry}”是符号链接, 不是文件",
        "请把文件本身放入压缩包后重新上报。",
        "“{entry}” inside the zip is a symbolic link and no file",
        "Put the file itself into the zip and hand it in again.",
    ),
    "nested_zip": (
        "压缩包内还有压缩包“{entry}”",
        "请解压后把表格文件直接放入一个压缩包上报。",
        "the zip holds another zip, “{entry}”",
        "Unpack it and put the workbooks directly into one zip.",
    ),
    "nothing_inside": (
        "压缩包内没有可读取的表格文件",
        "请放入 .xlsx、.xls、.et、.ods 或 .csv 文件后重新上报。",
        "the zip holds no file that can be read",
        "Put .xlsx, .xls, .et, .ods or .csv files into it and hand it in again.",
    ),
    "mixed_encodings": (
        "文件中混有两种文字编码(第 {line} 行与其他行不同), 文字会变成乱码",
        "请用 Excel 或 WPS 打开, 改正乱码后另存为 .xlsx 重新上报。",
        "the file mixes two text encodings (line {line} differs from the others)",
        "Open it in Excel or WPS, mend the garbled text and save it as .xlsx.",
    ),
    "old_excel": (
        "这是 {what} 的旧格式工作簿, 已无法读取",
        "请用 Excel 或 WPS 打开, 另存为 .xlsx 后重新上报。",
        "this is a workbook in the old format of {what}, which cannot be read",
        "Open it in Excel or WPS, save it as .xlsx and hand it in again.",
    ),
    "no_sheets": (
        "文件中没有表格",
        "请填写在工作表中并另存为 .xlsx 后重新上报。",
        "the file holds no table",
        "Fill in a worksheet, save it as .xlsx and hand it in again.",
    ),
    "not_a_workbook": (
        "这不是表格文件, 而是{what}",
        "请上报 .xlsx、.xls、.et、.ods 或 .csv 文件。",
        "this is not a workbook but {what_en}",
        "Hand in an .xlsx, .xls, .et, .ods or .csv file.",
    ),
    "unknown_encoding": (
        "无法识别文件的文字编码",
        "请在 Excel 中另存为 .xlsx 或“CSV UTF-8”后重新上报。",
        "the text encoding of the file is unknown",
        "Save it as .xlsx or “CSV UTF-8” in Excel and hand it in again.",
    ),
}


class Unreadable(Exception):
    """A file, or a file in a zip, that gives no cells.

    `code` is a short slug that stays the same for good. `zh` and `en` say what is wrong, without a
    full stop; `remedy_zh` and `remedy_en` say in a sentence what to do about it.
    """

    def __init__(self, code: str, **facts: object) -> None:
        zh, self.remedy_zh, en, self.remedy_en = _SENTENCES[code]
        self.code = code
        self._facts = facts
        shown = {key: _shown(fact) for key, fact in facts.items()}
        self.zh = zh.format(**shown)
        self.en = en.format(**shown)
        super().__init__(f"{self.en}. {self.remedy_en}")

    def __reduce__(self) -> tuple[object, ...]:
        """Return how it goes from one process to another."""
        return _unreadable, (self.code, self._facts)

    @classmethod
    def too_large(cls, what_zh: str, what_en: str, limit: object) -> Unreadable:
        """Return the refusal of a file in which something exceeds `limit`."""
        return cls("too_large", what=what_zh, what_en=what_en, limit=limit)

    @classmethod
    def file_too_large(cls, limits: Limits) -> Unreadable:
        """Return the refusal of a file, by itself or in a zip, of more than `limits.file_bytes`."""
        return cls.too_large("文件大小", "its bytes", megabytes(limits.file_bytes))


def _unreadable(code: str, facts: dict[str, object]) -> Unreadable:
    return Unreadable(code, **facts)


def _shown(fact: object) -> str:
    """Return a fact, often a name out of the file, without what would break or swamp a sentence."""
    text = "".join(letter if letter.isprintable() else "?" for letter in str(fact))
    return text if len(text) <= _LONGEST_FACT else text[: _LONGEST_FACT - 1] + "…"


def megabytes(count: int) -> str:
    """Return a number of bytes for people: 67108864 -> "64 MB"."""
    return f"{count / 2**20:g} MB"
