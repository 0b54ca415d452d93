"""Text ↔ octets in the alphabets of SMPP: GSM 03.38, Latin-1, UCS-2 and what else data_coding names.

Outwards we are strict: a character that GSM lacks is named, never replaced (R-2.1). Inwards we
are lenient: whatever a carrier sends becomes text that can be shown and stored (R-5.9).

GSM octets are unpacked, one septet in an octet, as carriers want them in short_message. 0x00 is
`@`, so a short_message is never a C string.
"""

import codecs
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

__all__ = [
    "BASIC",
    "ESCAPE",
    "EXTENSION",
    "Alphabet",
    "NotInAlphabet",
    "decode",
    "decode_gsm",
    "encode_gsm",
    "encode_gsm_or_none",
    "fits_gsm",
    "is_data",
    "is_default",
    "not_in_gsm",
]

Alphabet = Literal["gsm", "latin1", "ascii"]

ESCAPE: Final = 0x1B

# 3GPP 23.038 §6.2.1, in the order of the codes. The place of the escape holds U+001B, which is
# taken out below: as a character it can't be sent.
BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# 3GPP 23.038 §6.2.1.1: what follows the escape.
EXTENSION: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x0A: "\f",
        0x14: "^",
        0x28: "{",
        0x29: "}",
        0x2F: "\\",
        0x3C: "[",
        0x3D: "~",
        0x3E: "]",
        0x40: "|",
        0x65: "€",
    }
)

_TO_GSM: Final[Mapping[int, bytes]] = MappingProxyType(
    {ord(char): bytes((code,)) for code, char in enumerate(BASIC) if code != ESCAPE}
    | {ord(char): bytes((ESCAPE, code)) for code, char in EXTENSION.items()}
)
# The fast way out: Latin-1 octet → GSM octet, 0x80 where there is no single one, so that
# `bytes.isascii` says in one pass whether all could be carried. It takes 0.2 µs for 160
# characters, where a charmap codec or str.translate takes 3 µs.
_LATIN1_TO_GSM: Final = bytes(
    gsm[0] if (gsm := _TO_GSM.get(code, b"")) and len(gsm) == 1 else 0x80 for code in range(256)
)
# And in: above 0x7F GSM has no meaning; carriers that send such octets mean Latin-1. 0x80–0x9F
# would be control characters there, and say nothing in either.
_FROM_GSM: Final = BASIC + "\ufffd" * 0x20 + bytes(range(0xA0, 0x100)).decode("latin-1")
_ESCAPED: Final = re.compile(rb"\x1b(.?)", re.DOTALL)


class NotInAlphabet(Exception):
    """Characters that an alphabet can't carry; `characters` holds each once, as they appear."""

    def __init__(self, characters: tuple[str, ...], alphabet: str = "GSM 03.38") -> None:
        named = ", ".join(f"{char!r} (U+{ord(char):04X})" for char in characters)
        super().__init__(f"not in the {alphabet} alphabet: {named}")
        self.characters = characters


def encode_gsm(text: str) -> bytes:
    """Give the unpacked GSM 03.38 octets of `text`, those of the extension table as 0x1B x.

    Raises NotInAlphabet naming every character that has no octets. R-2.1.
    """
    octets = encode_gsm_or_none(text)
    if octets is None:
        raise NotInAlphabet(not_in_gsm(text))
    return octets


def encode_gsm_or_none(text: str) -> bytes | None:
    """Give what `encode_gsm` gives, or None where it would raise: for who asks before choosing."""
    try:
        octets = text.encode("latin-1").translate(_LATIN1_TO_GSM)
    except UnicodeEncodeError:  # € or Greek, or nothing that GSM has
        octets = b"\x80"
    if octets.isascii():
        return octets
    try:
        return b"".join([_TO_GSM[ord(char)] for char in text])
    except KeyError:
        return None


def decode_gsm(octets: bytes) -> str:
    """Read unpacked GSM 03.38 octets; never raises.

    An escape that is followed by nothing, or by another escape, reads as a blank; one before a code
    that the extension table lacks reads as that code in the basic table (3GPP 23.038 §6.2.1.1: the
    letters of national tables are placed so that this is legible). Octets above 0x9F read as
    Latin-1, 0x80–0x9F as U+FFFD.
    """
    if ESCAPE in octets:
        parts = _ESCAPED.split(octets)  # text, escaped code, text, escaped code, …, text
        return "".join(
            _escaped(part) if place % 2 else _basic(part) for place, part in enumerate(parts)
        )
    return _basic(octets)


def _basic(octets: bytes) -> str:
    return codecs.charmap_decode(octets, "strict", _FROM_GSM)[0]


def _escaped(code: bytes) -> str:
    if code in (b"", b"\x1b"):
        return " "
    return EXTENSION.get(code[0]) or _basic(code)


def fits_gsm(text: str) -> bool:
    """Say whether GSM 03.38 with its extension table carries all of `text`."""
    return encode_gsm_or_none(text) is not None


def not_in_gsm(text: str) -> tuple[str, ...]:
    """Give the characters that push `text` out of GSM 03.38, each once, in order of appearance."""
    return tuple(char for char in dict.fromkeys(text) if ord(char) not in _TO_GSM)


_UCS2: Final = "utf-16-be"  # SMPP says UCS-2; phones send surrogate pairs all the same
_BINARY: Final = "latin-1"  # shows each octet as one character

# 8-bit data: SMPP 3.4 §5.2.19, 3GPP 23.038 §4.
_DATA: Final = frozenset(
    {0x02, 0x04}
    | {code for code in range(0x10, 0x40) if code & 0x0C == 0x04}
    | {code for code in range(0xF0, 0x100) if code & 0x04}
)

# data_coding → codec; what is missing here is the SMSC's default alphabet (SMPP 3.4 §5.2.19, and
# 3GPP 23.038 §4 for 0x10 and above, of which flash, 0x10 and 0x18, is the one that is seen).
_CODECS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x01: "latin-1",  # IA5/ASCII: octets above 0x7F come all the same, and are Latin-1
        0x03: "latin-1",
        0x05: "shift_jis",
        0x06: "iso8859_5",
        0x07: "iso8859_8",
        0x08: _UCS2,
        0x0A: "iso2022_jp",
        0x0E: "euc_kr",
    }
    | {code: _UCS2 for code in range(0x10, 0x40) if code & 0x0C == 0x08}
    | dict.fromkeys(range(0xE0, 0xF0), _UCS2)
    | dict.fromkeys(_DATA, _BINARY)
)


def is_default(data_coding: int) -> bool:
    """Say whether a data_coding stands for the SMSC's default alphabet."""
    return data_coding not in _CODECS


def is_data(data_coding: int) -> bool:
    """Say whether a data_coding stands for 8-bit data, which is no text."""
    return data_coding in _DATA


def decode(octets: bytes, data_coding: int, default: Alphabet = "gsm") -> str:
    """Read a short_message (without its UDH) as text; never raises. R-5.9.

    `default` is the carrier's default alphabet (R-5.6), which data_coding 0 and the codes without a
    meaning stand for. What can't be read becomes U+FFFD: half a UCS-2 character at the end, a
    surrogate without its partner. NUL octets at the end are dropped where they aren't GSM's `@`,
    and one inside becomes U+FFFD, since PostgreSQL holds no NUL in a text.
    """
    codec = _CODECS.get(data_coding)
    if codec is None:
        if default == "gsm":
            return decode_gsm(octets)
        codec = "latin-1"
    text = octets.decode(codec, "replace")
    if "\0" in text or text.endswith("\ufffd"):
        # An odd NUL behind UCS-2 is the junk of a PDU, not half a character.
        if codec == _UCS2 and len(octets) % 2 and octets.endswith(b"\0"):
            text = text.removesuffix("\ufffd")
        text = text.rstrip("\0").replace("\0", "\ufffd")
    return text
