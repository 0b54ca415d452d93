"""Parts of long MO: what they say of themselves, where they go, and the text of them all (R-5.9)."""

from __future__ import annotations

import pytest

from engine.domain import parts
from engine.domain.parts import GAP, Fit, Group, Part, Piece
from smpp import national, segments
from smpp.national import Language
from smpp.pdu import ShortMessage
from smpp.segments import Profile, Segment

KIND_8, KIND_16, SAR = 1 << 16, 2 << 16, 3 << 16


def message(
    octets: bytes, esm_class: int = 0, tlvs: dict[int, bytes] | None = None, coding: int = 0
) -> ShortMessage:
    return ShortMessage(
        5, 1, "", 1, 1, "6421", 0, 1, "3774", esm_class, 0, 0, 0, coding, octets, tlvs or {}
    )


def sar(reference: bytes, total: bytes, number: bytes) -> dict[int, bytes]:
    return {0x020C: reference, 0x020E: total, 0x020F: number}


@pytest.mark.parametrize(
    ("octets", "esm_class", "tlvs", "part", "body"),
    [
        (b"Halo", 0, None, None, b"Halo"),
        (b"\5\0\3\7\3\2Halo", 0x40, None, Part(KIND_8 | 7, 2, 3), b"Halo"),
        (b"\6\x08\4\1\2\3\2Halo", 0x40, None, Part(KIND_16 | 0x102, 2, 3), b"Halo"),
        (b"Halo", 0, sar(b"\1\2", b"\3", b"\2"), Part(SAR | 0x102, 2, 3), b"Halo"),
        (b"\5\0\3\7\3\0Halo", 0x40, None, Part(KIND_8 | 7, 0, 3), b"Halo"),
        (b"\5\0\3\7\3\5Halo", 0x40, None, Part(KIND_8 | 7, 5, 3), b"Halo"),
        (b"\5\0\3\7\1\1Halo", 0x40, None, None, b"Halo"),  # one of one
        (b"\x7fHalo", 0x40, None, None, b"\x7fHalo"),  # a header longer than the message
        (b"\4Halo", 0x40, None, None, b""),  # nothing but a header
        (b"\5\0\3\7\3Halo", 0x40, None, Part(KIND_8 | 7, 0x48, 3), b"alo"),  # one octet short
        (b"\3\0\3\7Halo", 0x40, None, None, b"Halo"),  # an element longer than the header
        (b"\4\x70\2ab\x05", 0x40, None, None, b"\5"),  # of another kind
        (b"\7\x24\1\1\0\3\7\3", 0x40, None, None, b""),  # ends too early
        (b"Halo", 0, {0x020C: b"\1\2"}, None, b"Halo"),  # TLVs that say half of it
        (b"Halo", 0, sar(b"\1\2\3", b"\3", b"\2"), None, b"Halo"),
        (b"Halo", 0, sar(b"", b"", b""), None, b"Halo"),
        (b"", 0x40, None, None, b""),
    ],
)
def test_what_a_part_says_of_itself(
    octets: bytes, esm_class: int, tlvs: dict[int, bytes] | None, part: Part | None, body: bytes
) -> None:
    """R-5.9: 8 bits, 16 bits, SAR, and damage, which loses no text."""
    found = parts.read(message(octets, esm_class, tlvs))
    assert (found.part, found.octets) == (part, body)


@pytest.mark.parametrize(
    ("groups", "part", "text", "where"),
    [
        ([], Part(7, 1, 3), b"A", Fit.NEW),
        ([Group(1, 3, {1: b"A"})], Part(7, 3, 3), b"C", 1),
        ([Group(1, 3, {1: b"A"})], Part(7, 1, 3), b"A", Fit.DUPLICATE),
        ([Group(1, 3, {1: b"A"})], Part(7, 1, 3), b"X", Fit.NEW),
        ([Group(1, 3, {1: b"A"})], Part(7, 2, 4), b"B", Fit.NEW),
        ([Group(2, 3, {1: b"X"}), Group(1, 3, {1: b"A"})], Part(7, 2, 3), b"Y", 2),
        ([Group(2, 3, {2: b"Y"}), Group(1, 3, {1: b"A"})], Part(7, 2, 3), b"B", 1),
        ([Group(2, 3, {1: b"X"}), Group(1, 3, {1: b"A"})], Part(7, 1, 3), b"A", Fit.DUPLICATE),
    ],
)
def test_where_a_part_goes(groups: list[Group], part: Part, text: bytes, where: int | Fit) -> None:
    """R-5.9: a reference is a hint; handsets use it again."""
    assert parts.place(groups, part, text) == where


def test_parts_of_one_coding_are_read_as_one() -> None:
    """A surrogate pair, or an escape and what it escapes, that a carrier has cut in two."""
    octets = "halo 😀!".encode("utf-16-be")
    cut = {1: Piece(octets[:12], 8, "gsm", b""), 2: Piece(octets[12:], 8, "gsm", b"")}
    assert parts.text(cut, 2) == "halo 😀!"
    cut = {1: Piece(b"5 \x1b", 0, "gsm", b""), 2: Piece(b"\x65", 0, "gsm", b"")}
    assert parts.text(cut, 2) == "5 €"


def test_parts_of_several_codings_are_read_each_in_its_own() -> None:
    pieces = {1: Piece(b"\x00 ", 0, "gsm", b""), 2: Piece("ж".encode("utf-16-be"), 8, "gsm", b"")}
    assert parts.text(pieces, 2) == "@ ж"


def test_what_is_missing_leaves_a_gap() -> None:
    """R-5.9: as far as it came; nobody reads two halves as one sentence."""
    pieces = {2: Piece(b"two", 0, "gsm", b""), 5: Piece(b"five", 0, "gsm", b"")}
    assert parts.text(pieces, 6) == f"{GAP}two{GAP}five{GAP}"


@pytest.mark.parametrize("method", ["udh8", "udh16", "sar", "payload"])
@pytest.mark.parametrize("text", ["x" * 500, "Дом " * 100, "çok güzel ığ " * 30, "😀👩‍👩‍👧" * 40])
def test_what_we_cut_is_put_together_again(method: str, text: str) -> None:
    """R-5.9: also where a national table is named in each part's header."""
    profile = Profile(
        alphabet="gsm",
        ucs2_coding=8,
        method=method,  # type: ignore[arg-type]
        languages=(Language.TURKISH,),
    )
    pieces: dict[int, Piece] = {}
    total = 1
    for one in segments.split(text, None, reference=300, profile=profile):
        found = parts.read(_received(one))
        if found.part is not None:
            total = found.part.total
        number = found.part.number if found.part else 1
        pieces[number] = Piece(found.octets, one.data_coding, "gsm", found.shift)
    assert parts.text(pieces, total) == text
    assert total > 1 or method == "payload"


def _received(segment: Segment) -> ShortMessage:
    tlvs: dict[int, bytes] = {}
    rest = segment.tlvs
    while rest:
        tag, size = int.from_bytes(rest[:2], "big"), int.from_bytes(rest[2:4], "big")
        tlvs[tag], rest = rest[4 : 4 + size], rest[4 + size :]
    return message(segment.octets, segment.esm_class, tlvs, segment.data_coding)


def test_a_national_table_is_read_only_where_the_default_alphabet_is_gsm() -> None:
    shift = national.Shift(Language.TURKISH, None).header
    piece = Piece(b"\x07", 0, "gsm", shift)
    assert parts.text({1: piece}, 1) == "ı"
    assert parts.text({1: piece._replace(default="latin1")}, 1) == "\x07"
