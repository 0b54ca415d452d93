"""A text cut into the segments that carry it, each one submit_sm (R-2.1, R-2.2, R-5.6).

True at all times: the segments' texts joined are the text; no segment is above 140 octets on air;
no cut parts an escape from its character or a surrogate from its partner. An emoji joined by ZWJ,
a flag, a letter and its accents stay whole where the next segment can hold them.
`count` cuts with the same functions as `split`, so that what is shown is what is sent.
"""

import unicodedata
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from smpp import alphabet

__all__ = ["Count", "Encoding", "Method", "Segment", "TooManySegments", "choose", "count", "split"]


class Encoding(StrEnum):
    """How a text is carried."""

    GSM = "gsm"
    UCS2 = "ucs2"


Method = Literal["udh8", "udh16"]
"""How the segments of one message name each other: a UDH with a reference of 8 or 16 bits."""


class Segment(NamedTuple):
    """What one submit_sm carries. A tuple, since one is made for every message (hot path).

    `octets` is the short_message, its UDH included; `esm_class` has 0x40 when there is a UDH.
    """

    octets: bytes
    esm_class: int
    data_coding: int


class Count(NamedTuple):
    """What a text costs: R-2.1's count.

    `units` are septets or UTF-16 units; `forced_by` are the characters, each once, for which GSM
    had to be left: empty when it wasn't, or when UCS-2 was asked for without need.
    """

    characters: int
    units: int
    segments: int
    encoding: Encoding
    forced_by: tuple[str, ...]


class TooManySegments(Exception):
    """More segments than the UDH can number: 255 (3GPP 23.040 §9.2.3.24.1)."""


class _Header(NamedTuple):
    octets: int
    build: Callable[[int, int, int], bytes]  # reference, total, part → UDH


_DATA_CODING: Final = MappingProxyType({Encoding.GSM: 0x00, Encoding.UCS2: 0x08})
_UDHI: Final = 0x40  # SMPP 3.4 §5.2.12
_ON_AIR: Final = 140  # octets of user data, UDH included; 160 septets
_SINGLE_GSM: Final = _ON_AIR * 8 // 7
_METHODS: Final[Mapping[Method, _Header]] = MappingProxyType(
    {
        "udh8": _Header(
            6, lambda reference, total, part: bytes((5, 0, 3, reference & 0xFF, total, part))
        ),
        "udh16": _Header(
            7,
            lambda reference, total, part: bytes(
                (6, 8, 4, reference >> 8 & 0xFF, reference & 0xFF, total, part)
            ),
        ),
    }
)


def choose(text: str, forced: Encoding | None = None) -> Encoding:
    """Give the encoding `text` goes out in: GSM when that carries all of it, else UCS-2.

    Raises alphabet.NotInAlphabet when GSM is forced and can't. R-2.1.
    """
    if forced is Encoding.UCS2:
        return forced
    missing = () if alphabet.fits_gsm(text) else alphabet.not_in_gsm(text)
    if missing and forced is Encoding.GSM:
        raise alphabet.NotInAlphabet(missing)
    return Encoding.UCS2 if missing else Encoding.GSM


def split(
    text: str, encoding: Encoding | None, *, reference: int, method: Method = "udh8"
) -> list[Segment]:
    """Give the segments of `text` in order; one without a UDH when it fits in one.

    `encoding` None chooses like `choose`, at no further cost. `reference` marks the parts of one
    message; of a larger number its low bits are taken, so a message id will do.
    Raises alphabet.NotInAlphabet when GSM is demanded and can't carry it, TooManySegments.

    >>> split("Halo", None, reference=7)
    [Segment(octets=b'Halo', esm_class=0, data_coding=0)]
    """
    if encoding is not Encoding.UCS2:
        septets = alphabet.encode_gsm_or_none(text)
        if septets is not None:
            if len(septets) <= _SINGLE_GSM:
                return [Segment(septets, 0, 0)]
            return _number(_cut_gsm(septets, method), Encoding.GSM, reference, method)
        if encoding is Encoding.GSM:
            raise alphabet.NotInAlphabet(alphabet.not_in_gsm(text))
    octets = _utf16(text)
    if len(octets) <= _ON_AIR:
        return [Segment(octets, 0, _DATA_CODING[Encoding.UCS2])]
    return _number(_cut_ucs2(text, method), Encoding.UCS2, reference, method)


def count(text: str, encoding: Encoding | None = None, *, method: Method = "udh8") -> Count:
    """Tell what `text` costs in `encoding`; None chooses like `choose`.

    Any number of segments is counted: refusing is the caller's (R-2.2).
    Raises alphabet.NotInAlphabet when GSM is demanded and can't carry it.
    """
    encoding = choose(text, encoding)
    if encoding is Encoding.GSM:
        septets = alphabet.encode_gsm(text)
        segments = 1 if len(septets) <= _SINGLE_GSM else len(_cut_gsm(septets, method))
        return Count(len(text), len(septets), segments, encoding, ())
    octets = _utf16(text)
    segments = 1 if len(octets) <= _ON_AIR else len(_cut_ucs2(text, method))
    return Count(len(text), len(octets) // 2, segments, encoding, alphabet.not_in_gsm(text))


def _number(
    bodies: list[bytes], encoding: Encoding, reference: int, method: Method
) -> list[Segment]:
    """Put the UDH before each body."""
    total = len(bodies)
    if total > 255:
        raise TooManySegments(f"the text takes {total} segments; a message can have 255")
    build, data_coding = _METHODS[method].build, _DATA_CODING[encoding]
    return [
        Segment(build(reference, total, part) + body, _UDHI, data_coding)
        for part, body in enumerate(bodies, 1)
    ]


def _cut_gsm(septets: bytes, method: Method) -> list[bytes]:
    """Cut encoded GSM; an escape at the end of a body goes with what it escapes into the next."""
    room = (_ON_AIR - _METHODS[method].octets) * 8 // 7
    bodies = []
    start = 0
    while start < len(septets):
        end = min(start + room, len(septets))
        if septets[end - 1] == alphabet.ESCAPE:  # never the last octet of all: a pair is whole
            end -= 1
        bodies.append(septets[start:end])
        start = end
    return bodies


def _cut_ucs2(text: str, method: Method) -> list[bytes]:
    """Cut by characters, so that a surrogate pair can't be parted, at places `_glued` allows."""
    room = (_ON_AIR - _METHODS[method].octets) // 2 * 2
    bodies = []
    start = 0
    while start < len(text):
        end = start + room // 2
        while len(octets := _utf16(text[start:end])) > room:  # pairs take two units
            end -= max(1, (len(octets) - room) // 4)
        whole = end
        while whole > start and _glued(text, start, whole):
            whole -= 1
        if start < whole < end:  # else what is glued is larger than a segment, and must be torn
            end = whole
            octets = _utf16(text[start:end])
        bodies.append(octets)
        start = end
    return bodies


def _glued(text: str, start: int, place: int) -> bool:
    """Say whether the characters before and at `place` show as one; `start` is a place of a cut.

    The part of Unicode's grapheme rules (UAX #29) that people type: ZWJ sequences, skin tones,
    variation selectors, keycaps, accents, flags by letter pairs and by tags.
    """
    if place >= len(text):
        return False
    after = text[place]
    if after < "\u0300":
        return False
    if text[place - 1] == _ZWJ or after == _ZWJ or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    if _is_flag_letter(after):
        before = place
        while before > start and _is_flag_letter(text[before - 1]):
            before -= 1
        return (place - before) % 2 == 1
    return (
        unicodedata.category(after) in ("Mn", "Me", "Mc") or "\U000e0020" <= after <= "\U000e007f"
    )


_ZWJ: Final = "\u200d"


def _is_flag_letter(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _utf16(text: str) -> bytes:
    """Give UTF-16-BE; half a surrogate pair, which is no text, goes as `?` like it does everywhere."""
    return text.encode("utf-16-be", "replace")
