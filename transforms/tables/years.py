"""Finding the statistical year in titles, sheet names, file names and folders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from transforms.characters import readable

_DASH = r"[-‐-―~～至到/]+"
_RANGE = re.compile(rf"(?<!\d)(20\d{{2}})\s*年?\s*{_DASH}\s*(20\d{{2}}|\d{{2}})(?!\d)\s*年?(学年)?")
_NAMED = re.compile(r"(?<!\d)(20\d{2})\s*(?:学年|年)(?!\s*\d{1,2}\s*月)")
#: A number that counts something (共2050人) is no year.
_BARE = re.compile(
    r"(?<![\d共计约达])(20\d{2})(?!\s*(?:年|[人所个名元班项件份页](?![\u4e00-\u9fff]))|[-./]?\d)"
)
_CHINESE = re.compile(r"[二][〇零○OoＯ][〇零○OoＯ一二三四五六七八九]{2}(?=\s*(?:学年|年))")
_CHINESE_DIGITS = str.maketrans("〇零○OoＯ一二三四五六七八九", "000000123456789")
#: What follows these words is a date of filling in or of validity, not the year of the data.
_NOT_THE_YEAR = re.compile(r"填[报表]日期|填[报表]时间|制表|报出|报送|有效期|打印|批准|文号")
#: The number of a document names the year in which that was issued: 义县教发〔2019〕11号.
_DOCUMENT = re.compile(r"〔[^〕]*〕\s*(?:第?\s*\d+\s*号)?|[\[(]\s*\d{4}\s*[\])]\s*第?\s*\d+\s*号")
_CELL = re.compile(r"['‘’`]?\s*(20\d{2})(?:\.0+)?\s*")
#: Characters of a title, a note or a path that are looked at.
_LONGEST = 2_000


@dataclass(frozen=True)
class YearFound:
    """A year, and the words it was found in."""

    year: int
    words: str
    covers: tuple[int, ...]


def find_year(text: str) -> YearFound | None:
    """Return the statistical year that ``text`` names among its first 2,000 characters, or None.

    ``2020—2021学年`` and ``2020/2021学年度`` name their first year. A range of several years, a
    day (``2020-10-15``) and a month (``2020年9月``) name none: what is not clear is not guessed.
    """
    return _find_year(text[:_LONGEST])


@lru_cache(maxsize=16384)
def _find_year(text: str) -> YearFound | None:
    # Runs of white space are one: the patterns below would try every way to part a long one.
    text = " ".join(readable(text).split())
    if text.lstrip().startswith("="):  # a formula without a result: 2019 of =2019+1 is no year
        return None
    text = _CHINESE.sub(lambda match: match[0].translate(_CHINESE_DIGITS), text)
    text = _DOCUMENT.sub(" ", text)
    if dated := _NOT_THE_YEAR.search(text):
        text = text[: dated.start()]
    ranges = [found for match in _RANGE.finditer(text) if (found := _school_year(match))]
    text = _RANGE.sub(" ", text)
    named = [
        YearFound(int(match[1]), match[0].strip(), (int(match[1]),))
        for pattern in (_NAMED, _BARE)
        if (match := pattern.search(text))
    ]
    # 2020—2021 alone is a school year; beside a year of its own (2020年, 2019—2020年规划) it is not.
    school_years = [year for year in ranges if "学年" in year.words]
    by_strength = [*school_years, *(y for y in named if "年" in y.words), *ranges, *named]
    return next(iter(by_strength), None)


def year_in_cell(text: str) -> int | None:
    """Return the year that a cell of the column 年份 names, or None; 2020.0 is what a table of numbers makes of it."""
    if exact := _CELL.fullmatch(readable(text[:_LONGEST])):
        return int(exact[1])
    found = find_year(text)
    return found.year if found else None


def _school_year(match: re.Match[str]) -> YearFound | None:
    """Return a range of two years, one after the other."""
    first, last = int(match[1]), int(match[2])
    last = last if last > 99 else first // 100 * 100 + last
    return YearFound(first, match[0].strip(), (first, last)) if last == first + 1 else None


def find_year_in_lines(lines: list[str]) -> YearFound | None:
    """Return the first year that any of ``lines`` names; a line with 年 is stronger than a bare number."""
    found = [year for line in lines if (year := find_year(line))]
    named = [year for year in found if "年" in year.words]
    return next(iter(named or found), None)
