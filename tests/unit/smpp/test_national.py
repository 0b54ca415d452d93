"""The tables of languages: what they carry comes back (3GPP 23.038 annex A)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp import alphabet, national
from smpp.national import Language, Shift

SHIFTS = (national.PLAIN, *national.candidates(tuple(Language)))


@pytest.mark.parametrize("shift", SHIFTS)
def test_what_the_tables_carry_comes_back(shift: Shift) -> None:
    carried = [char for char in map(chr, range(0x2100)) if national.encode(char, shift) is not None]
    text = "".join(carried)
    octets = national.encode(text, shift)
    assert octets is not None
    assert national.decode(octets, shift) == text


def test_plain_is_gsm() -> None:
    text = alphabet.BASIC.replace("\x1b", "") + "".join(alphabet.EXTENSION.values())
    assert national.encode(text, national.PLAIN) == alphabet.encode_gsm(text)


@given(st.binary(max_size=50))
def test_whatever_comes_is_read_like_gsm(octets: bytes) -> None:
    """R-5.9: never raises; without tables it is the same reading."""
    assert national.decode(octets, national.PLAIN) == alphabet.decode_gsm(octets)
    for shift in SHIFTS:
        assert len(national.decode(octets, shift)) <= len(octets)


@pytest.mark.parametrize(
    ("text", "shift", "octets"),
    [
        ("ÇĞİŞçğış€", Shift(single=Language.TURKISH), "09 1b47 1b49 1b53 1b63 1b67 1b69 1b73 1b65"),
        ("ÇĞİŞçğış€", Shift(locking=Language.TURKISH), "09 0b 40 1c 60 0c 07 1d 04"),
        (
            "ÁÍÓÚáíóúç",
            Shift(single=Language.SPANISH),
            "1b41 1b49 1b4f 1b55 1b61 1b69 1b6f 1b75 1b09",
        ),
        ("{á", Shift(Language.TURKISH, Language.SPANISH), "1b28 1b61"),
    ],
)
def test_known_octets(text: str, shift: Shift, octets: str) -> None:
    assert national.encode(text, shift) == bytes.fromhex(octets)


def test_a_locking_table_lacks_what_it_replaces() -> None:
    assert national.encode("è", Shift(locking=Language.TURKISH)) is None
    assert national.encode("ì¿", Shift(single=Language.TURKISH)) == b"\x07\x60"


def test_headers() -> None:
    """Each says what it was made from; what we have no table for counts as plain."""
    for shift in SHIFTS:
        assert national.read_header(bytes((0, 3, 9, 2, 1)) + shift.header) == shift
    assert Shift(Language.TURKISH, Language.SPANISH).header.hex() == "240102250101"
    for strange in ("240103", "250102", "2401", "2402", "", "24020101", "ff"):
        assert national.read_header(bytes.fromhex(strange)) == national.PLAIN
