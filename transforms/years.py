"""Finding the statistical year in titles, sheet names, file names and folders."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_DASH = r"[-‐-―~～至到/]+"
_RANGE = re.compile(rf"(?<!\d)(20\d{{2}})\s*年?\s*{_DASH}\s*(20\d{{2}}|\d{{2}})(?!\d)\s*年?(学年)?")
_NAMED = re.compile(r"(?<!\d)(20\d{2})\s*(?:学年|年)(?!\s*\d{1,2}\s*月)")
_BARE = re.compile(r"(?<!\d)(20\d{2})(?!\s*年|[-./]?\d)")
_CHINESE = re.compile(r"[二][〇零○OoＯ][〇零○OoＯ一二三四五六七八九]{2}(?=\s*(?:学年|年))")
_CHINESE_DIGITS = str.maketrans("〇零○OoＯ一二三四五六七八九", "000000123456789")
#: Lines that carry a date of filling in or of validity, not the year of the data.
_NOT_THE_YEAR = re.compile(r"填[报表]日期|填[报表]时间|制表|报出|报送|有效期|打印|批准|文号|〔")


@dataclass(frozen=True)
class YearFound:
    """A year, and the words it was found in."""

    year: int
    words: str
    covers: tuple[int, ...]


@lru_cache(maxsize=16384)
def find_year(text: str) -> YearFound | None:
    """The statistical year that ``text`` names, or None.

    ``2020—2021学年`` and ``2020/2021学年度`` name their first year. A range of several years, a
    day (``2020-10-15``) and a month (``2020年9月``) name none: what is not clear is not guessed.
    """
    text = unicodedata.normalize("NFKC", text)
    text = _CHINESE.sub(lambda match: match[0].translate(_CHINESE_DIGITS), text)
    if _NOT_THE_YEAR.search(text):
        return None
    for match in _RANGE.finditer(text):
        first, last = int(match[1]), int(match[2])
        last = last if last > 99 else first // 100 * 100 + last
        if last == first + 1:
            return YearFound(first, match[0].strip(), (first, last))
    text = _RANGE.sub(" ", text)
    for pattern in (_NAMED, _BARE):
        if found := pattern.search(text):
            return YearFound(int(found[1]), found[0].strip(), (int(found[1]),))
    return None


def find_year_in_lines(lines: list[str]) -> YearFound | None:
    """The first year that any of ``lines`` names; a line with 年 is stronger than a bare number."""
    found = [year for line in lines if (year := find_year(line))]
    named = [year for year in found if "年" in year.words]
    return next(iter(named or found), None)
