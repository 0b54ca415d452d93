"""What a subscriber's text says: a word we know, something near an opt-out, or anything else (R-6.3).

A word is recognised when it is the whole message. What doesn't count: case, Unicode width, blanks,
punctuation, emoji and invisible marks round it; within Arabic also vowel signs, the tatweel and the
hamza on its seat, which people leave out as they like. Other accents count.

    STOP   " stop. "   "ＳＴＯＰ"   "«Stop» 🙏"          the word STOP
    berhenti!   Berhenti                             the word BERHENTI
    إلغاء   الغاء   "‏إلغاء‏"                            one word, where an administrator has added it
    please stop   STOP ALL   S-T-O-P   stopppp       near STOP: flagged, and not answered
    STOP PIZZA   (PIZZA is a keyword)                near STOP, never the keyword
    nonstop   stopover                               neither
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from engine.domain.errors import Refused

__all__ = ["HELP", "OPT_OUT", "RESUME", "check_word", "fold", "near", "opt_out_words"]

OPT_OUT: Final[Mapping[str, bool]] = MappingProxyType(
    dict.fromkeys(("stop", "stopall", "unsubscribe", "optout", "berhenti", "unreg"), True)
    | dict.fromkeys(("tidak", "cancel", "end", "quit"), False)
)
"""Words that opt out, folded; False: off until an application enables it, for it has other
meanings."""

RESUME: Final = frozenset({"start", "unstop", "mulai"})
HELP: Final = frozenset({"help", "info"})

LONGEST: Final = 30
"""Characters of a keyword or opt-out command: more can't be advertised."""

# Signs that Arabic is written with or without: tanwin to the hamza above and below, the small alef,
# the tatweel that stretches a word.
_ARABIC_SIGNS: Final = dict.fromkeys([*range(0x064B, 0x0660), 0x0670, 0x0640])
_STRETCHED: Final = re.compile(r"(.)\1+")


def fold(text: str) -> str:
    """The text as it is compared: without what does not count.

    >>> fold("  ＳＴＯＰ! ")
    'stop'
    """
    if text.isascii():  # nearly all
        folded = text.casefold()
    else:
        # Decomposed, so that a hamza leaves its seat; casefold can undo the composition.
        bare = unicodedata.normalize("NFKD", text).translate(_ARABIC_SIGNS)
        visible = "".join(c for c in bare if unicodedata.category(c) != "Cf")
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    start, end = 0, len(folded)
    while start < end and not _is_letter(folded[start]):
        start += 1
    while start < end and not _is_letter(folded[end - 1]):
        end -= 1
    return folded[start:end]


def near(folded: str, opt_outs: Iterable[str]) -> bool:
    """Whether a text that is none of these words may well mean one, so that a person should look.

    One of its words is one, or it is one that is written with gaps or stretched.

    >>> near("please stop", {"stop"}), near("s t o p", {"stop"}), near("nonstop", {"stop"})
    (True, True, False)
    """
    words = "".join(c if _is_letter(c) else " " for c in folded).split()
    meant = frozenset(opt_outs)
    if not meant.isdisjoint(words) or "".join(words) in meant:
        return True
    stretched = [word for word in words if _STRETCHED.search(word)]
    return any(_STRETCHED.sub(r"\1", word) in _shrunk(meant) for word in stretched)


@lru_cache(maxsize=100)
def _shrunk(words: frozenset[str]) -> frozenset[str]:
    return frozenset(_STRETCHED.sub(r"\1", word) for word in words)


def opt_out_words(own: Mapping[str, bool]) -> frozenset[str]:
    """The words that opt out in an application, of which `own` says what it has changed or added."""
    return frozenset(word for word, enabled in {**OPT_OUT, **own}.items() if enabled)


def check_word(kind: str, text: str) -> str:
    """The word, folded. Raises Refused for what could never be the whole of a message."""
    written = unicodedata.normalize("NFKC", text).strip()
    folded = fold(written)
    if not folded:
        raise Refused(f"{kind} {text[:40]!a}: no letter and no digit is in it; write one word")
    if any(c.isspace() for c in written):
        raise Refused(f'{kind} "{written[:40]}": it has blanks; write one word')
    if strange := next((c for c in folded if not c.isprintable()), None):
        raise Refused(f"{kind} {text[:40]!a}: it holds the control character {strange!a}")
    if len(folded) > LONGEST:
        raise Refused(f'{kind} "{folded[:20]}…": {len(folded)} characters; at most {LONGEST}')
    return folded


def _is_letter(character: str) -> bool:
    """A letter, a digit, or a sign that belongs to the letter before it."""
    return character.isalnum() or unicodedata.category(character)[0] == "M"
