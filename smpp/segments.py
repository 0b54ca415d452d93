"""A text cut into the segments that carry it, each one submit_sm (R-2.1, R-2.2, R-5.6).

True at all times: the segments' texts joined are the text; no segment is above 140 octets on air;
no cut parts an escape from its character or a surrogate from its partner. An emoji joined by ZWJ,
a flag, a letter and its accents stay whole where the next segment can hold them.
`count` cuts with the same functions as `split`, so that what is shown is what is sent.

How a carrier wants a text is its `Profile`; a text of one segment in plain GSM, which nearly all
are, takes the short way through `split` whatever the profile says of long ones.
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from smpp import alphabet, national, tlv
from smpp.alphabet import Alphabet
from smpp.national import Language

__all__ = [
    "PLAIN",
    "Count",
    "Encoding",
    "Language",
    "Method",
    "NoUcs2",
    "Profile",
    "Segment",
    "TooManySegments",
    "choose",
    "count",
    "split",
]


class Encoding(StrEnum):
    """How a text is carried; GSM stands for the carrier's default alphabet, whichever it is."""

    GSM = "gsm"
    UCS2 = "ucs2"


Method = Literal["udh8", "udh16", "sar", "payload"]
"""How the segments of one message name each other: a user data header with a reference of 8 or 16
bits, SAR parameters, or not at all: one message_payload, which the SMSC cuts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How a carrier wants texts (R-5.6).

    `alphabet` is what data_coding 0 means there, `ucs2_coding` the data_coding of UCS-2 (None: it
    takes none), `languages` those whose shift tables it lets through.
    """

    alphabet: Alphabet = "gsm"
    ucs2_coding: int | None = 0x08
    method: Method = "udh8"
    languages: tuple[Language, ...] = ()

    def without_tlvs(self) -> "Profile":
        """The same for a bind that takes no optional parameters (SMPP 3.3; C0–C4 refusals)."""
        return replace(self, method="udh8") if self.method in ("sar", "payload") else self


PLAIN: Final = Profile()


class Segment(NamedTuple):
    """What one submit_sm carries. A tuple, since one is made for every message (hot path).

    `octets` is the short_message, its UDH included; `esm_class` has 0x40 when there is a UDH;
    `tlvs` are octets for the end of the PDU: SAR, or a message_payload (then `octets` is empty).
    """

    octets: bytes
    esm_class: int
    data_coding: int
    tlvs: bytes = b""


class Count(NamedTuple):
    """What a text costs: R-2.1's count.

    `units` are septets, octets of Latin-1 or UTF-16 units; `forced_by` are the characters, each
    once, for which the default alphabet had to be left: empty when it wasn't, or when UCS-2 was
    asked for without need.
    """

    characters: int
    units: int
    segments: int
    encoding: Encoding
    forced_by: tuple[str, ...]


class TooManySegments(Exception):
    """More segments than the UDH can number: 255 (3GPP 23.040 §9.2.3.24.1)."""


class NoUcs2(Exception):
    """UCS-2 was asked for, and the carrier takes none."""


_UDHI: Final = 0x40  # SMPP 3.4 §5.2.12
_ON_AIR: Final = 140  # octets of user data, UDH included; 160 septets
_SINGLE_GSM: Final = _ON_AIR * 8 // 7
_MOST: Final = 255
_FLASH: Final = 0x10  # 3GPP 23.038 §4: class 0, to be shown at once and not kept
_FLASH_UCS2: Final = 0x18
_NAMES: Final[Mapping[Alphabet, str]] = MappingProxyType(
    {"gsm": "GSM 03.38", "latin1": "Latin-1", "ascii": "ASCII"}
)

# The concatenation element in each segment's header. A SAR or payload message has none from us, but
# gets one on its way to the handset, so that room is kept for it. (For SAR the one of 8 bits: see
# `_sar`.)
_ELEMENTS: Final[Mapping[Method, int]] = MappingProxyType(
    {"udh8": 5, "udh16": 6, "sar": 5, "payload": 5}
)

_new: Final = tuple.__new__  # half the time of Segment(…)


def choose(text: str, forced: Encoding | None = None, *, profile: Profile = PLAIN) -> Encoding:
    """Give the encoding `text` goes out in: the default alphabet when that carries it, else UCS-2.

    Raises what `split` does. R-2.1.
    """
    return _cut(text, forced, profile).encoding


def split(
    text: str,
    encoding: Encoding | None,
    *,
    reference: int,
    profile: Profile = PLAIN,
    flash: bool = False,
) -> list[Segment]:
    """Give the segments of `text` in order; one without concatenation when it fits in one.

    `encoding` None chooses like `choose`, at no further cost. `reference` marks the parts of one
    message; of a larger number its low bits are taken, so a message id will do. `flash` has it
    shown at once and not kept (class 0).
    Raises alphabet.NotInAlphabet when the default alphabet is demanded, or the carrier has no
    other, and can't carry it; NoUcs2; TooManySegments.

    >>> split("Halo", None, reference=7)
    [Segment(octets=b'Halo', esm_class=0, data_coding=0, tlvs=b'')]
    """
    if encoding is not Encoding.UCS2 and profile.alphabet == "gsm":
        septets = alphabet.encode_gsm_or_none(text)
        if septets is None:
            cut = _cut_otherwise(text, encoding, profile)
        elif len(septets) <= _SINGLE_GSM:
            return [_new(Segment, (septets, 0, _FLASH if flash else 0, b""))]
        else:
            cut = _cut_septets(septets, profile)
    else:
        cut = _cut(text, encoding, profile)
    if cut.encoding is Encoding.UCS2:
        assert profile.ucs2_coding is not None  # else _cut has raised
        data_coding = _FLASH_UCS2 if flash else profile.ucs2_coding
    else:
        data_coding = _FLASH if flash else 0
    return _number(cut, data_coding, reference, profile.method)


def count(text: str, encoding: Encoding | None = None, *, profile: Profile = PLAIN) -> Count:
    """Tell what `text` costs in `encoding`; None chooses like `choose`.

    Any number of segments is counted: refusing is the caller's (R-2.2). Of a message_payload the
    segments are counted into which the SMSC has to cut it.
    Raises what `split` does but TooManySegments.
    """
    cut = _cut(text, encoding, profile)
    forced_by = () if cut.encoding is Encoding.GSM else _not_in(text, profile.alphabet)
    return Count(len(text), cut.units, len(cut.bodies), cut.encoding, forced_by)


class _Cut(NamedTuple):
    """A text in pieces: their octets without header, and the elements that each header needs."""

    encoding: Encoding
    units: int
    bodies: list[bytes]
    elements: bytes = b""


def _cut(text: str, encoding: Encoding | None, profile: Profile) -> _Cut:
    """Encode and cut as the profile says, whichever way is the first that carries the text."""
    if encoding is not Encoding.UCS2:
        cut = _CUTTERS[profile.alphabet](text, profile)
        if cut is not None:
            return cut
    return _cut_otherwise(text, encoding, profile)


def _cut_otherwise(text: str, encoding: Encoding | None, profile: Profile) -> _Cut:
    """Cut what the default alphabet doesn't carry, or isn't to carry."""
    if encoding is not Encoding.UCS2:
        if profile.languages and profile.alphabet == "gsm":
            cut = _cut_shifted(text, profile)
            if cut is not None:
                return cut
        if encoding is Encoding.GSM or profile.ucs2_coding is None:
            missing = _not_in(text, profile.alphabet)
            raise alphabet.NotInAlphabet(missing, _NAMES[profile.alphabet])
    elif profile.ucs2_coding is None:
        raise NoUcs2("UCS-2 is demanded, and the carrier takes none")
    octets = _utf16(text)
    bodies = [octets]
    if len(octets) > _ON_AIR:
        bodies = _cut_ucs2(text, _room(profile.method) // 2 * 2)
    return _Cut(Encoding.UCS2, len(octets) // 2, bodies)


def _cut_plain(text: str, profile: Profile) -> _Cut | None:
    septets = alphabet.encode_gsm_or_none(text)
    return None if septets is None else _cut_septets(septets, profile)


def _cut_septets(septets: bytes, profile: Profile) -> _Cut:
    bodies = [septets]
    if len(septets) > _SINGLE_GSM:
        bodies = _cut_gsm(septets, _room(profile.method) * 8 // 7)
    return _Cut(Encoding.GSM, len(septets), bodies)


def _cut_shifted(text: str, profile: Profile) -> _Cut | None:
    """Keep a text in 7 bits with a language's tables: those that take the fewest segments.

    Of equal ones it is a single shift table: a handset that lacks it shows `s` for `ş`, and one that
    lacks a locking table shows `æ`. A SAR or payload message of several segments doesn't: its SMSC would have to merge our header
    with the one it makes.
    """
    best: _Cut | None = None
    for shift in national.candidates(profile.languages):
        septets = national.encode(text, shift)
        if septets is None:
            continue
        elements = shift.header
        bodies = [septets]
        if len(septets) > (_ON_AIR - 1 - len(elements)) * 8 // 7:
            if profile.method not in _HEADERS:
                continue
            bodies = _cut_gsm(septets, _room(profile.method, len(elements)) * 8 // 7)
        if best is None or len(bodies) < len(best.bodies):
            best = _Cut(Encoding.GSM, len(septets), bodies, elements)
    return best


def _cut_latin1(text: str, profile: Profile) -> _Cut | None:
    """Latin-1 is counted in octets: nobody knows whether the SMSC packs it."""
    try:
        octets = text.encode("latin-1")
    except UnicodeEncodeError:
        return None
    room = len(octets) if len(octets) <= _ON_AIR else _room(profile.method)
    bodies = [octets[start : start + room] for start in range(0, len(octets), room or 1)]
    return _Cut(Encoding.GSM, len(octets), bodies or [b""])


def _cut_ascii(text: str, profile: Profile) -> _Cut | None:
    """ASCII goes on as GSM, so it is cut where its GSM would be; what GSM lacks counts as one."""
    if not text.isascii():
        return None
    shape = _cut_plain(text.translate(_LIKE_GSM), profile)
    assert shape is not None
    bodies, start = [], 0
    for body in shape.bodies:
        end = start + len(body) - body.count(alphabet.ESCAPE)
        bodies.append(text[start:end].encode("ascii"))
        start = end
    return _Cut(Encoding.GSM, shape.units, bodies)


_CUTTERS: Final[Mapping[Alphabet, Callable[[str, Profile], _Cut | None]]] = MappingProxyType(
    {"gsm": _cut_plain, "latin1": _cut_latin1, "ascii": _cut_ascii}
)
_LIKE_GSM: Final = dict.fromkeys(map(ord, alphabet.not_in_gsm(bytes(range(128)).decode())), "?")


def _room(method: Method, more: int = 0) -> int:
    """The octets that one of several segments can hold, with so many octets of other elements."""
    return _ON_AIR - 1 - _ELEMENTS[method] - more


def _not_in(text: str, name: Alphabet) -> tuple[str, ...]:
    """The characters that an alphabet can't carry, each once, in order of appearance."""
    if name == "gsm":
        return alphabet.not_in_gsm(text)
    last = "\x7f" if name == "ascii" else "\xff"
    return tuple(char for char in dict.fromkeys(text) if char > last)


# ---- numbered ---------------------------------------------------------------------------------


def _number(cut: _Cut, data_coding: int, reference: int, method: Method) -> list[Segment]:
    """Say in each segment which one it is."""
    total = len(cut.bodies)
    if total > _MOST:
        raise TooManySegments(f"the text takes {total} segments; a message can have {_MOST}")
    if total == 1:
        return [_alone(cut.bodies[0], cut.elements, data_coding)]
    if method == "payload":
        octets = b"".join(cut.bodies)
        return [Segment(b"", 0, data_coding, tlv.build(tlv.MESSAGE_PAYLOAD, octets))]
    if method == "sar":
        return [
            Segment(body, 0, data_coding, _sar(reference, total, part))
            for part, body in enumerate(cut.bodies, 1)
        ]
    element, more = _HEADERS[method], cut.elements
    length = bytes((_ELEMENTS[method] + len(more),))
    return [
        _new(
            Segment,
            (length + element(reference, total, part) + more + body, _UDHI, data_coding, b""),
        )
        for part, body in enumerate(cut.bodies, 1)
    ]


def _alone(body: bytes, elements: bytes, data_coding: int) -> Segment:
    if not elements:
        return Segment(body, 0, data_coding)
    return Segment(bytes((len(elements),)) + elements + body, _UDHI, data_coding)


def _udh8(reference: int, total: int, part: int) -> bytes:
    return bytes((0, 3, reference & 0xFF, total, part))


def _udh16(reference: int, total: int, part: int) -> bytes:
    return bytes((8, 4, reference >> 8 & 0xFF, reference & 0xFF, total, part))


_HEADERS: Final[Mapping[Method, Callable[[int, int, int], bytes]]] = MappingProxyType(
    {"udh8": _udh8, "udh16": _udh16}
)


def _sar(reference: int, total: int, part: int) -> bytes:
    """SMPP 3.4 §5.3.2.22–24. The reference has 8 bits of its 16, so that the SMSC can make the
    short header of it, for which the segments leave room.
    """
    return (
        tlv.build(tlv.SAR_MSG_REF_NUM, bytes((0, reference & 0xFF)))
        + tlv.build(tlv.SAR_TOTAL_SEGMENTS, bytes((total,)))
        + tlv.build(tlv.SAR_SEGMENT_SEQNUM, bytes((part,)))
    )


# ---- cut --------------------------------------------------------------------------------------


def _cut_gsm(septets: bytes, room: int) -> list[bytes]:
    """Cut encoded GSM; an escape at the end of a body goes with what it escapes into the next."""
    bodies = []
    start = 0
    while start < len(septets):
        end = min(start + room, len(septets))
        if septets[end - 1] == alphabet.ESCAPE:  # never the last octet of all: a pair is whole
            end -= 1
        bodies.append(septets[start:end])
        start = end
    return bodies


def _cut_ucs2(text: str, room: int) -> list[bytes]:
    """Cut by characters, so that a surrogate pair can't be parted, at places `_glued` allows."""
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
