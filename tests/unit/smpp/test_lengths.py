"""Every length in each alphabet and method, and what people type on every boundary (R-2.1, R-5.6).

SIARAN_LENGTHS=all takes each length from 0 to 1,600 (`make fuzz`); else those around the limits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from engine.domain import parts
from engine.domain.parts import Piece
from smpp import segments, tlv
from smpp.pdu import ShortMessage
from smpp.segments import Profile, Segment

MOST = 1_600
LIMITS = (0, 1, 66, 67, 70, 133, 134, 140, 152, 153, 160, 201, 268, 304, 306, 459, 1_530, MOST)
LENGTHS = (
    range(MOST + 1)
    if os.environ.get("SIARAN_LENGTHS") == "all"
    else sorted({n + more for n in LIMITS for more in (-1, 0, 1) if 0 <= n + more <= MOST})
)
FILLS = {"gsm": "a", "pairs": "{", "latin1": "ê", "ucs2": "ж", "emoji": "😀"}
PROFILES = [
    Profile(alphabet=name, method=method)
    for name in ("gsm", "latin1", "ascii")
    for method in ("udh8", "udh16", "sar", "payload")
]
TYPED = {
    "emoji": "😀",
    "zwj": "👩‍👩‍👧",
    "combining": "e\u0301\u0323",
    "arabic": "مَرْحَبًا",
    "thai": "น้ำที่",
    "gsm pair": "€",
}


def again(text: str, profile: Profile) -> str:
    """What a handset reads of the segments, by the rules that we read MO with."""
    pieces: dict[int, Piece] = {}
    total = 1
    for one in segments.split(text, None, reference=0x1234, profile=profile):
        body = parts.read(_message(one))
        number = 1
        if body.part is not None:
            assert body.part.possible
            number, total = body.part.number, body.part.total
        assert number not in pieces
        default = "latin1" if profile.alphabet == "ascii" else profile.alphabet
        pieces[number] = Piece(body.octets, one.data_coding, default, body.shift)
        assert profile.method == "payload" or len(one.octets) <= 254
    assert sorted(pieces) == list(range(1, total + 1))
    return parts.text(pieces, total)


def _message(one: Segment) -> ShortMessage:
    tlvs = tlv.parse(one.tlvs, 0, len(one.tlvs)) if one.tlvs else tlv.NONE
    return ShortMessage(
        5, 1, "", 1, 1, "6421", 0, 1, "3774", one.esm_class, 0, 0, 0, one.data_coding, one.octets,
        tlvs,
    )  # fmt: skip


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: f"{one.alphabet} {one.method}")
@pytest.mark.parametrize("fill", FILLS)
def test_every_length_comes_back(profile: Profile, fill: str) -> None:
    for length in LENGTHS:
        text = FILLS[fill] * length
        assert again(text, profile) == text, length


def boundaries() -> Iterator[int]:
    """Lengths of what stands before, so that a boundary falls on each place of what is typed."""
    for limit in (66, 67, 70, 133, 134, 152, 153, 160):
        yield from range(limit - 8, limit + 2)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda one: f"{one.alphabet} {one.method}")
@pytest.mark.parametrize("typed", TYPED)
def test_what_people_type_survives_on_every_boundary(profile: Profile, typed: str) -> None:
    for before in boundaries():
        text = "a" * before + TYPED[typed] + "b" * 80
        assert again(text, profile) == text, before
