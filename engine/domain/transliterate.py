"""Characters of word processors replaced by those of GSM 03.38, so that a text stays in 7 bits.

One curly quote pushes a message to UCS-2 and doubles its price. Where a person asks for it
(`--transliterate`, R-2.1), quotes, dashes, ellipses, blanks and the like become the plain ones, and
letters lose the accent that GSM lacks (`Māori` → `Maori`). What GSM has stays as it is.
"""

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from smpp import alphabet

__all__ = ["transliterate"]


def transliterate(text: str) -> str:
    """Give `text` in GSM's characters; `text` itself where even so some are left that GSM lacks.

    All or nothing: in UCS-2 every character costs the same, so nothing would be won by half.

    >>> transliterate("“Don’t” – it’s 5 €…")
    '"Don\\'t" - it\\'s 5 €...'
    >>> transliterate("“Да”")
    '“Да”'
    """
    if alphabet.fits_gsm(text):
        return text
    plain = unicodedata.normalize("NFC", text).translate(_REPLACED)
    for char in alphabet.not_in_gsm(plain):
        base = _without_accents(char)
        if base is None:
            return text
        plain = plain.replace(char, base)
    return plain


def _without_accents(char: str) -> str | None:
    """The letters of a compatible form without its accents, None where GSM lacks them, too."""
    base = "".join(
        part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part)
    ).translate(_REPLACED)
    return base if alphabet.fits_gsm(base) else None


_AS: Final[Mapping[str, str]] = MappingProxyType(
    {
        '"': "“”„‟«»″‶〝〞＂",
        "'": "‘’‚‛′‵`´ʹʻʼˈ＇",
        "-": "‐‑‒–—―−﹘﹣－⁃",
        "<": "‹〈",
        ">": "›〉",
        "...": "…",
        "*": "•●∙",
        "/": "⁄∕÷",
        "x": "×✕✖",
        "~": "∼〜",
        "|": "¦",
        ":": "∶",
        "->": "→",
        "<-": "←",
        "(c)": "©",
        "(R)": "®",
        "TM": "™",
        "No.": "№",
        "+/-": "±",
        "<=": "≤",
        ">=": "≥",
        "!=": "≠",
        "ss": "ẞ",
        "OE": "Œ",
        "oe": "œ",
        "D": "ÐĐ",
        "d": "ðđ",
        "L": "Ł",
        "l": "ł",
        "i": "ı",
        "Th": "Þ",
        "th": "þ",
        "H": "Ħ",
        "h": "ħ",
        "c": "¢",
        "u": "µμ",
        # Blanks of every width; the line ends of Unicode.
        " ": "\t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
        "\n": "\u0085\u2028\u2029\v",
        # What can't be seen: soft hyphen, zero-width characters, marks of direction and of order.
        "": "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2066\u2067\u2068\u2069\ufe0e\ufe0f\ufeff",
    }
)
_REPLACED: Final = {ord(char): plain for plain, chars in _AS.items() for char in chars}
