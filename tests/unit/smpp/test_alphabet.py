"""Text and octets, both ways (R-2.1, R-5.9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp import alphabet

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = "^{}\\[~]|€\f"
gsm_text = st.text(st.sampled_from(BASIC + EXTENDED))


@given(gsm_text)
def test_what_gsm_carries_comes_back(text: str) -> None:
    assert alphabet.decode_gsm(alphabet.encode_gsm(text)) == text


def test_the_alphabet_is_all_of_it() -> None:
    """127 characters of one septet (the 128th is the escape), ten of two."""
    assert len(alphabet.encode_gsm(BASIC)) == len(set(BASIC)) == 127
    assert len(alphabet.encode_gsm(EXTENDED)) == 2 * len(set(EXTENDED)) == 20


@given(st.text())
def test_whether_it_fits_is_said_alike_everywhere(text: str) -> None:
    """R-2.1: a forced GSM is refused naming each character that it can't carry."""
    foreign = tuple(dict.fromkeys(c for c in text if c not in BASIC + EXTENDED))
    assert alphabet.not_in_gsm(text) == foreign
    assert alphabet.fits_gsm(text) is not bool(foreign)
    assert (alphabet.encode_gsm_or_none(text) is None) is bool(foreign)
    if foreign:
        with pytest.raises(alphabet.NotInAlphabet) as refused:
            alphabet.encode_gsm(text)
        assert refused.value.characters == foreign


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("@", b"\x00"),
        ("Ç", b"\x09"),
        ("{ € @ é", b"\x1b\x28\x20\x1b\x65\x20\x00\x20\x05"),
        ("Δ§", b"\x10\x5f"),
        ("a€", b"a\x1be"),
    ],
)
def test_known_octets(text: str, octets: bytes) -> None:
    assert alphabet.encode_gsm(text) == octets
    assert alphabet.decode_gsm(octets) == text


def test_a_refusal_names_each_character_once() -> None:
    """R-2.1: `ç` and the backtick look like GSM, and aren't."""
    with pytest.raises(
        alphabet.NotInAlphabet, match=r"'ç' \(U\+00E7\), '`' \(U\+0060\)"
    ) as refused:
        alphabet.encode_gsm("ça va `ça`")
    assert refused.value.characters == ("ç", "`")


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"end\x1b", "end "),
        (b"\x1b\x1b", " "),
        (b"\x1b\x41", "A"),  # no such extension: the basic character, as 3GPP 23.038 has it
        (b"caf\xe9", "café"),  # a Latin-1 octet in what should be GSM
        (b"\x85", "\ufffd"),
        (b"\x1b\xe9", "é"),
    ],
)
def test_octets_that_gsm_does_not_define(octets: bytes, text: str) -> None:
    assert alphabet.decode_gsm(octets) == text


@pytest.mark.parametrize(
    ("octets", "data_coding", "default", "text"),
    [
        (b"\x00{", 0, "gsm", "@ä"),
        (b"{ @ \xe9", 0, "latin1", "{ @ é"),
        (b"plain", 0, "ascii", "plain"),
        (b"{ @ \xe9", 3, "gsm", "{ @ é"),
        (b"{", 1, "gsm", "{"),
        (b"\xe9", 4, "gsm", "é"),
        ("Привет 👍".encode("utf-16-be"), 8, "gsm", "Привет 👍"),
        ("flash".encode("utf-16-be"), 0x18, "gsm", "flash"),
        (b"\x00", 0x10, "gsm", "@"),
        (b"\x00", 0xF1, "gsm", "@"),
        ("да".encode("iso8859_5"), 6, "gsm", "да"),
        (b"\x00a\x00b\x00", 8, "gsm", "ab"),  # one NUL too many
        (b"\x00a\x04", 8, "gsm", "a\ufffd"),  # half a character
        (b"\xd8\x3d\x00a", 8, "gsm", "\ufffda"),  # half a surrogate pair
        (b"a\x00b\x00", 3, "gsm", "a\ufffdb"),
    ],
)
def test_data_coding_says_how_to_read(
    octets: bytes, data_coding: int, default: alphabet.Alphabet, text: str
) -> None:
    """R-5.9: GSM, Latin-1, UCS-2, 8-bit; R-5.6: the carrier's default alphabet."""
    assert alphabet.decode(octets, data_coding, default) == text


def test_data_is_no_text() -> None:
    """R-5.9: 8-bit data, as SMPP 3.4 §5.2.19 and 3GPP 23.038 §4 say it."""
    assert all(map(alphabet.is_data, (2, 4, 0x14, 0x15, 0x34, 0xF4, 0xF5, 0xFF)))
    assert not any(map(alphabet.is_data, (0, 1, 3, 8, 0x10, 0x11, 0x18, 0x44, 0xE4, 0xF0, 0xF1)))


@given(st.binary(), st.integers(0, 255), st.sampled_from(["gsm", "latin1", "ascii"]))
def test_whatever_comes_becomes_text_that_can_be_stored(
    octets: bytes, data_coding: int, default: alphabet.Alphabet
) -> None:
    """R-8.3: an MO that couldn't be stored couldn't be answered, and would come for ever."""
    text = alphabet.decode(octets, data_coding, default)
    text.encode("utf-8")  # no half surrogate
    assert "\0" not in text
