"""What a name may be: of a list, a batch, an address to forward to. Foreign text, checked once."""

from __future__ import annotations

import re
import unicodedata

from engine.domain.errors import Refused

LONGEST = 100
"""Characters of a name: it stands in tables, in subjects of mails and on command lines."""

LONGEST_EMAIL = 254  # RFC 5321 §4.5.3.1.3: a path has 256 octets, two of them are < and >

_WORD = re.compile(r"[^\W\d_]+")
_ALIKE = ("LATIN", "CYRILLIC", "GREEK")
"""Scripts with letters that look the same: a word that mixes them can't be typed again."""


def tidy(name: str) -> str:
    """A name as it is compared: without blanks round it, accents composed (é is one character)."""
    return unicodedata.normalize("NFC", name.strip())


def check_name(kind: str, name: str) -> str:
    """The name as it is kept. Raises Refused, naming `kind` and what is wrong."""
    text = tidy(name)
    if not text:
        raise Refused(f"{kind}: the name is empty; give it 1 to {LONGEST} characters")
    if strange := next((c for c in text if not c.isprintable()), None):
        raise Refused(f"{kind} {text!a}: the name holds the control character {strange!a}")
    if len(text) > LONGEST:
        raise Refused(
            f'{kind} "{text[:20]}…": the name has {len(text)} characters; at most {LONGEST}'
        )
    if not text.isascii() and (mixed := _mixed(text)):
        raise Refused(f'{kind} "{text}": the name holds {mixed}; nobody could type it again')
    return text


def check_email(email: str) -> str:
    """The address without the blanks round it. Raises Refused when mail could not go there."""
    text = email.strip()
    local, _, domain = text.rpartition("@")
    plain = text.isprintable() and not any(c in text for c in ' ,;:<>()[]\\"')
    if not (local and domain and plain and "@" not in local and len(text) <= LONGEST_EMAIL):
        raise Refused(f"e-mail address {text[:LONGEST]!a}: write one address, like me@example.net")
    return text


def email_or_none(email: str) -> str | None:
    """The address, or None for an empty text, which takes one away."""
    return check_email(email) if email.strip() else None


def _mixed(text: str) -> str | None:
    """The word of letters that look alike and are of different scripts, in words; None is well."""
    for word in _WORD.findall(text):
        scripts = {
            script
            for letter in word
            if (script := unicodedata.name(letter, "").partition(" ")[0]) in _ALIKE
        }
        if len(scripts) > 1:
            which = " and ".join(sorted(one.capitalize() for one in scripts))
            return f'{which} letters in one word ("{word}")'
    return None
