"""GSM 03.38 with the tables of a language in place of its own (3GPP 23.038 annex A).

A *single* shift table replaces the extension table: its characters take two septets. A *locking*
one replaces the basic table: one septet each. Which of them a message uses stands in its user data
header (3GPP 23.040 §9.2.3.24.15, §9.2.3.24.16), which takes room; so what costs least is chosen.
With them a Turkish or Spanish text stays in 7 bits, where UCS-2 would more than double its price.
"""

import codecs
import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from smpp.alphabet import BASIC, ESCAPE, EXTENSION

__all__ = ["PLAIN", "Language", "Shift", "candidates", "decode", "encode", "read_header"]


class Language(IntEnum):
    """National language identifier (3GPP 23.038 §6.2.1.2.4)."""

    TURKISH = 1
    SPANISH = 2


class Shift(NamedTuple):
    """The tables that a text is encoded with; None stands for GSM 03.38's own."""

    locking: Language | None = None
    single: Language | None = None

    @property
    def header(self) -> bytes:
        """The elements of the user data header that announce them."""
        octets = b""
        if self.single is not None:
            octets += bytes((_SINGLE_SHIFT, 1, self.single))
        if self.locking is not None:
            octets += bytes((_LOCKING_SHIFT, 1, self.locking))
        return octets


PLAIN: Final = Shift()
"""GSM 03.38 as it is."""

_SINGLE_SHIFT: Final = 0x24
_LOCKING_SHIFT: Final = 0x25

# §A.2.1, §A.2.2: what they have beside the characters of the plain extension table.
_SINGLE: Final[Mapping[Language, Mapping[int, str]]] = MappingProxyType(
    {
        Language.TURKISH: MappingProxyType(
            {0x47: "Ğ", 0x49: "İ", 0x53: "Ş", 0x63: "ç", 0x67: "ğ", 0x69: "ı", 0x73: "ş"}
        ),
        Language.SPANISH: MappingProxyType(
            {
                0x09: "ç",
                0x41: "Á",
                0x49: "Í",
                0x4F: "Ó",
                0x55: "Ú",
                0x61: "á",
                0x69: "í",
                0x6F: "ó",
                0x75: "ú",
            }
        ),
    }
)
# §A.3.1: where it differs from the plain basic table. Spanish has none (§A.3.2).
_LOCKING: Final[Mapping[Language, Mapping[int, str]]] = MappingProxyType(
    {
        Language.TURKISH: MappingProxyType(
            {
                0x04: "€",
                0x07: "ı",
                0x0B: "Ğ",
                0x0C: "ğ",
                0x1C: "Ş",
                0x1D: "ş",
                0x40: "İ",
                0x60: "ç",
            }
        )
    }
)


def candidates(languages: Iterable[Language]) -> tuple[Shift, ...]:
    """All ways to use the tables of these languages, the ones with the smaller header first."""
    single = tuple(languages)
    locking = tuple(language for language in single if language in _LOCKING)
    return (
        *(Shift(single=language) for language in single),
        *(Shift(locking=language) for language in locking),
        *(Shift(locking=one, single=other) for one in locking for other in single),
    )


def encode(text: str, shift: Shift) -> bytes | None:
    """The unpacked septets of `text` with these tables, or None where they lack a character.

    >>> encode("şu", Shift(single=Language.TURKISH))
    b'\\x1bsu'
    """
    table = _ENCODE.get(shift)
    if table is None:
        table = _ENCODE[shift] = _table(shift)
    try:
        return b"".join([table[char] for char in text])
    except KeyError:
        return None


def decode(octets: bytes, shift: Shift) -> str:
    """Read unpacked septets with these tables; never raises. See `alphabet.decode_gsm`."""
    basic, extension = _basic(shift), _extension(shift)
    parts = _ESCAPED.split(octets)  # text, escaped code, text, escaped code, …, text
    return "".join(
        _escaped(part, basic, extension) if place % 2 else _read(part, basic)
        for place, part in enumerate(parts)
    )


def read_header(header: bytes) -> Shift:
    """What a user data header (without its length) says of tables; those we lack count as plain."""
    locking = single = None
    at = 0
    while at + 3 <= len(header):
        kind, size, value = header[at], header[at + 1], header[at + 2]
        if size == 1 and value in _SINGLE and kind == _SINGLE_SHIFT:
            single = Language(value)
        elif size == 1 and value in _LOCKING and kind == _LOCKING_SHIFT:
            locking = Language(value)
        at += 2 + size
    return Shift(locking, single)


_ESCAPED: Final = re.compile(rb"\x1b(.?)", re.DOTALL)
_ENCODE: Final[dict[Shift, Mapping[str, bytes]]] = {}
"""Made when first asked for: two languages make five."""


def _read(octets: bytes, basic: str) -> str:
    return codecs.charmap_decode(octets, "strict", basic)[0]


def _escaped(code: bytes, basic: str, extension: Mapping[int, str]) -> str:
    if code in (b"", b"\x1b"):
        return " "
    return extension.get(code[0]) or _read(code, basic)


def _basic(shift: Shift) -> str:
    """The characters of the codes; above 0x7F as `alphabet.decode_gsm` reads them."""
    characters = list(BASIC)
    if shift.locking is not None:
        for code, char in _LOCKING[shift.locking].items():
            characters[code] = char
    above = "\ufffd" * 0x20 + bytes(range(0xA0, 0x100)).decode("latin-1")
    return "".join(characters) + above


def _extension(shift: Shift) -> dict[int, str]:
    return dict(EXTENSION) | dict(_SINGLE[shift.single] if shift.single is not None else {})


def _table(shift: Shift) -> Mapping[str, bytes]:
    """Character → septets; what both tables have takes the one septet."""
    escaped = {char: bytes((ESCAPE, code)) for code, char in _extension(shift).items()}
    basic = {
        char: bytes((code,)) for code, char in enumerate(_basic(shift)[:0x80]) if code != ESCAPE
    }
    return MappingProxyType(escaped | basic)
