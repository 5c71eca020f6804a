"""Characters that look alike or like nothing, and the one form in which texts are compared.

What is copied from web pages, messages and PDF files brings along marks without width (zero-width
spaces, marks of direction, soft hyphens, variation selectors) and signs that only look like the
character that is meant (the radical ⼩ for 小). Two such texts look the same and are not, so they are brought into one
form before anything is understood or compared.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import polars as pl

#: Marks without width, as the inside of a character class for Python and for Polars.
INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0001-\U000e007f\U000e0100-\U000e01ef"
)
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
#: Components of characters that have no other form by Unicode's own rules, and the characters meant.
_COMPONENTS = dict(
    zip(
        "⺁⺄⺅⺈⺋⺌⺍⺎⺐⺒⺖⺗⺘⺝⺞⺠⺡⺢⺣⺦⺩"
        "⺪⺫⺮⺶⺷⺹⺼⻁⻂⻄⻅⻆⻈⻉⻊⻋⻌⻏⻐⻓⻔"
        "⻖⻘⻙⻚⻛⻜⻝⻠⻢⻣⻤⻥⻦⻧⻨⻩⻬⻮⻰",
        "厂乚亻刀㔾小小兀尢巳忄㣺扌月歺民氵氺灬丬王"
        "疋目竹羊羊耂肉虎衤覀见角讠贝足车辶阝钅长门"
        "阝青韦页风飞食饣马骨鬼鱼鸟卤麦黄齐齿龙",
        strict=True,
    )
)


def _alike() -> dict[str, str]:
    """Return signs that only look like a Chinese character, a Latin letter or a digit, and what they mean.

    Chinese punctuation stays what it is: names are shown as they were written.
    """
    blocks = (
        range(0x2E80, 0x2FE0),  # components and radicals
        range(0xF900, 0xFB00),  # compatibility ideographs
        range(0x2F800, 0x2FA20),
        range(0x3021, 0x302A),  # numerals of Suzhou, and others
        range(0x3038, 0x303B),
        range(0xFF10, 0xFF1A),  # full-width digits and letters
        range(0xFF21, 0xFF3B),
        range(0xFF41, 0xFF5B),
    )
    alike = {}
    for block in blocks:
        for letter in map(chr, block):
            meant = _COMPONENTS.get(letter, unicodedata.normalize("NFKC", letter))
            if meant != letter:
                alike[letter] = meant
    return alike


#: The signs of which each stands for one character that looks the same.
ALIKE = _alike()
#: The blocks that they are in, marks that nobody sees, and accents that stand behind their letter.
_ANY_ODD = (
    f"[{INVISIBLE}\u0300-\u036f\u2e80-\u2fdf\u3021-\u3029\u3038-\u303a\u3099\u309a\uf900-\ufaff"
    "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\U0002f800-\U0002fa1f]"
)
_COMPONENTS_TABLE = str.maketrans(_COMPONENTS)
#: Whatever is not among these may need a second look; most texts are made of them.
_ORDINARY = re.compile(r"[ -~、。一-鿿]*")


@lru_cache(maxsize=65536)
def _readable(text: str) -> str:
    return unicodedata.normalize("NFKC", _INVISIBLE.sub("", text.translate(_COMPONENTS_TABLE)))


def readable(text: str) -> str:
    """``text`` in the form in which texts are compared: NFKC, without marks that nobody sees."""
    if len(text) > 2_000:  # not to be kept in memory
        return _readable.__wrapped__(text)
    return _readable(text)


def visible(text: str) -> str:
    """``text`` with a name in the place of each character that nobody sees or can tell apart.

    So a message never shows two texts that look the same and are not.
    """
    if _ORDINARY.fullmatch(text):
        return text
    return "".join(_named(letter) for letter in text)


def _named(letter: str) -> str:
    category = unicodedata.category(letter)
    unseen = category in ("Cf", "Cc", "Co", "Cn", "Zl", "Zp") or _INVISIBLE.match(letter)
    if unseen or letter in _COMPONENTS or (letter in ALIKE and ord(letter) < 0xFF00):
        return f"[U+{ord(letter):04X}]"
    return " " if category == "Zs" else letter


def in_one_form(text: pl.Expr) -> pl.Expr:
    """Return a column of texts without marks that nobody sees, each sign in the one form that is meant.

    Punctuation and white space stay as they were written.
    """
    return text.map_batches(_in_one_form, return_dtype=pl.String)


def _in_one_form(texts: pl.Series) -> pl.Series:
    # Nearly no column has any of them, and looking is quick.
    if not texts.str.contains(_ANY_ODD).any():
        return texts
    texts = texts.str.replace_all(f"[{INVISIBLE}]", "")
    return texts.str.replace_many(list(ALIKE), list(ALIKE.values())).str.normalize("NFC")
