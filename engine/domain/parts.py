"""Long MO: what a part says of itself, which message it belongs to, and the text of them all (R-5.9).

A part names its message by a reference of 8 or 16 bits, which a handset uses again, some for each
message. So a reference is a hint, not a key: `place` looks at what the open messages have already.

    the part is                                         it
    0, beyond its total, or one of none                 stands alone, as it is
    there already, with the same text                   is a duplicate
    there already, with another text                    begins another message (or fills an older one)
    of another total than the open messages             begins another message
    missing in one of the open messages                 goes there; to the newest of several
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

from smpp import alphabet, national, tlv
from smpp.alphabet import Alphabet
from smpp.pdu import ShortMessage

__all__ = [
    "GAP",
    "TIMEOUT_S",
    "Body",
    "Fit",
    "Group",
    "Part",
    "Piece",
    "is_data",
    "place",
    "read",
    "text",
]

TIMEOUT_S: Final = 900.0
"""What has not come so long after the newest part does not come any more: SMSCs send what we did not
answer again within minutes, and a person who reads half a message wants it today."""

GAP: Final = "…"
"""Stands in a text where a part is missing, so that nobody reads two halves as one sentence."""

_UDHI: Final = 0x40
_CONCAT_8, _CONCAT_16 = 0x00, 0x08
_KIND_8, _KIND_16, _KIND_SAR = 1 << 16, 2 << 16, 3 << 16


class Part(NamedTuple):
    """Which part of which message: `reference` holds where it was said, besides its number."""

    reference: int
    number: int
    total: int

    @property
    def possible(self) -> bool:
        """Whether there can be such a part."""
        return 1 <= self.number <= self.total


class Body(NamedTuple):
    """A short message taken apart: `shift` are the header's elements that name national tables."""

    octets: bytes
    part: Part | None
    shift: bytes


class Piece(NamedTuple):
    """A part's text as it came, and how to read it."""

    octets: bytes
    data_coding: int
    default: Alphabet
    shift: bytes


class Group(NamedTuple):
    """A message of which parts wait for the others; `parts` are the octets by number."""

    id: int
    total: int
    parts: Mapping[int, bytes]


class Fit(Enum):
    """Where a part goes that goes into no open message."""

    NEW = "new"
    DUPLICATE = "duplicate"


def read(message: ShortMessage) -> Body:
    """Takes the header off a message; one that claims more than there is is no header."""
    octets = message.octets
    part: Part | None = None
    shift = b""
    if message.esm_class & _UDHI and octets and octets[0] < len(octets):
        header, octets = octets[1 : octets[0] + 1], octets[octets[0] + 1 :]
        part = _concatenation(header)
        if national.read_header(header) != _PLAIN:
            shift = header
    if part is None and tlv.SAR_MSG_REF_NUM in message.tlvs:
        part = _sar(message.tlvs)
    if part is not None and part.total <= 1 and part.possible:
        part = None
    return Body(octets, part, shift)


_PLAIN: Final = national.Shift(None, None)


def _concatenation(header: bytes) -> Part | None:
    """3GPP 23.040 §9.2.3.24.1 and .8; a damaged element says nothing."""
    at = 0
    while at + 2 <= len(header):
        kind, size = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + size]
        at += 2 + size
        if len(value) < size:
            break
        if kind == _CONCAT_8 and size == 3:
            return Part(_KIND_8 | value[0], value[2], value[1])
        if kind == _CONCAT_16 and size == 4:
            return Part(_KIND_16 | value[0] << 8 | value[1], value[3], value[2])
    return None


def _sar(tlvs: Mapping[int, bytes]) -> Part | None:
    """SMPP 3.4 §5.3.2.22–24: all three, or it is no part."""
    total, number = tlvs.get(tlv.SAR_TOTAL_SEGMENTS), tlvs.get(tlv.SAR_SEGMENT_SEQNUM)
    reference = tlvs[tlv.SAR_MSG_REF_NUM]
    if not total or not number or len(reference) > 2:
        return None
    return Part(_KIND_SAR | int.from_bytes(reference, "big"), number[-1], total[-1])


def place(groups: Sequence[Group], part: Part, octets: bytes) -> int | Fit:
    """The open message that a part goes into, of those with its reference, newest first."""
    alike = [group for group in groups if group.total == part.total]
    if any(group.parts.get(part.number) == octets for group in alike):
        return Fit.DUPLICATE
    for group in alike:
        if part.number not in group.parts:
            return group.id
    return Fit.NEW


def is_data(data_coding: int) -> bool:
    """Whether what came is 8-bit data, for a program and not for a reader (R-5.9)."""
    return alphabet.is_data(data_coding)


def text(pieces: Mapping[int, Piece], total: int) -> str:
    """The text of a message from its parts by number; `GAP` where some are missing.

    Parts of one coding are read as one, so that a character that was cut in half is whole again.
    """
    words: list[str] = []
    run: list[Piece] = []
    for number in range(1, total + 1):
        piece = pieces.get(number)
        if run and (piece is None or piece[1:] != run[0][1:]):
            words.append(_decode(run))
            run = []
        if piece is not None:
            run.append(piece)
        elif words[-1:] != [GAP]:
            words.append(GAP)
    if run:
        words.append(_decode(run))
    return "".join(words)


def _decode(run: Sequence[Piece]) -> str:
    octets = b"".join(piece.octets for piece in run)
    _, data_coding, default, shift = run[0]
    if shift and default == "gsm" and alphabet.is_default(data_coding):
        return national.decode(octets, national.read_header(shift)).replace("\0", "\ufffd")
    return alphabet.decode(octets, data_coding, default)
