"""Whether a sheet is signed off: who filled it in, who checked it, who answers for it, and on what day.

Only whether each of them is named is kept. The names themselves are personal data, which nothing here
needs: they are recognised and thrown away.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Final

FILLED_IN, CHECKED, ANSWERABLE, DATED = "filled_in", "checked", "answerable", "dated"
#: What a sheet that is signed off names.
SIGNATURES: Final = frozenset((FILLED_IN, CHECKED, ANSWERABLE, DATED))

_WORDS = {
    FILLED_IN: "填表人员?|填报人员?|制表人|经办人",
    CHECKED: "审核人员?|复核人",
    ANSWERABLE: "(?:单位|部门|统计|主管)?负责人|(?:主管|分管)?(?:领导|局长|校长|园长)",
    DATED: "(?:填报|填表|制表|报出|报送|上报|审核)?(?:日期|时间)",
}
_SIGNED = r"(?:\(?(?:签字|签名|签章|盖章)\)?)*"
#: A label stands at the beginning of a cell or after a gap, with a colon or nothing but a gap behind it.
_LABEL = re.compile(
    r"(?:^|(?<=[\s,;。、_)]))(?:"
    + "|".join(f"(?P<{name}>{words})" for name, words in _WORDS.items())
    + rf"){_SIGNED}\s*(?:[:]|(?=\s|_|$))"
)
_NAME = re.compile(r"[\u3400-\u9fffA-Za-z]")
_NOT_A_NAME = re.compile(r"签字|签名|签章|盖章|公章|姓名|无")
#: Without one of these characters side by side no label is there: most rows of a table have none.
_HINT = re.compile("表人|报人|经办|审核|复核|负责|领导|局长|校长|园长|日期|时间")
_DAY = re.compile(r"(?:19|20)[0-9]{2}\s*[年./-]\s*[0-9]{1,2}\s*[月./-]\s*[0-9]{1,2}|20[0-9]{6}")


def signatures_in(lines: Iterable[Sequence[str | None]]) -> frozenset[str]:
    """Return which of :data:`SIGNATURES` the rows ``lines`` of a sheet name."""
    found: set[str] = set()
    rows = [[cell for cell in line if cell is not None] for line in lines]
    hinted = _is_hinted(cell for row in rows if len(row) > 1 for cell in row)
    for given in rows:
        if len(given) > 1 and not (hinted and _is_hinted(given)):
            continue
        cells = [unicodedata.normalize("NFKC", cell).strip() for cell in given]
        labelled = False
        for i, cell in enumerate(cells):
            labels = list(_LABEL.finditer(cell))
            labelled = labelled or bool(labels)
            for label, after in zip_longest(labels, labels[1:]):
                said = cell[label.end() : after.start() if after else None].strip(" _")
                if not said and after is None and i + 1 < len(cells):
                    said = "" if _LABEL.match(cells[i + 1]) else cells[i + 1]
                kind = str(label.lastgroup)
                if _DAY.search(said) if kind == DATED else _is_name(said):
                    found.add(kind)
        # A day without a label, beside the signatures or alone in its row.
        alone = len(cells) == 1 and _DAY.match(cells[0])
        if alone or (labelled and any(_DAY.search(cell) for cell in cells)):
            found.add(DATED)
    return frozenset(found)


def _is_hinted(cells: Iterable[str]) -> bool:
    return _HINT.search(unicodedata.normalize("NFKC", "\n".join(cells))) is not None


def _is_name(said: str) -> bool:
    return len(_NAME.findall(_NOT_A_NAME.sub("", said))) >= 2
