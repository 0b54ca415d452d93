"""What a name may be: of a list, a batch, an address to forward to. Foreign text, checked once."""

from __future__ import annotations

from engine.domain.errors import Refused

LONGEST = 100
"""Characters of a name: it stands in tables, in subjects of mails and on command lines."""

LONGEST_EMAIL = 254  # RFC 5321 §4.5.3.1.3: a path has 256 octets, two of them are < and >


def check_name(kind: str, name: str) -> str:
    """The name without the blanks round it. Raises Refused, naming `kind` and what is wrong."""
    text = name.strip()
    if not text:
        raise Refused(f"{kind}: the name is empty; give it 1 to {LONGEST} characters")
    if strange := next((c for c in text if not c.isprintable()), None):
        raise Refused(f"{kind} {text!a}: the name holds the control character {strange!a}")
    if len(text) > LONGEST:
        raise Refused(
            f'{kind} "{text[:20]}…": the name has {len(text)} characters; at most {LONGEST}'
        )
    return text


def check_email(email: str) -> str:
    """The address without the blanks round it. Raises Refused when mail could not go there."""
    text = email.strip()
    local, _, domain = text.rpartition("@")
    plain = text.isprintable() and not any(c in text for c in ' ,;<>"')
    if not (local and domain and plain and "@" not in local and len(text) <= LONGEST_EMAIL):
        raise Refused(f"e-mail address {text[:LONGEST]!a}: write one address, like me@example.net")
    return text
