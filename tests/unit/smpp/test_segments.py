"""A text in segments: nothing lost, nothing cut in half, none too large (R-2.1, R-2.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp import alphabet, national, segments, tlv
from smpp.segments import Encoding, Language, Profile, Segment

FAMILY = "👨‍👩‍👧‍👦"  # 7 characters, 11 units
gsm_text = st.text(st.sampled_from("aZ é@€{}[]~^\\|\n"), max_size=900)
any_text = st.lists(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from(["a", "€", "👍", "\u200d", "\ufe0f", "🏽", "🇳", "🇿", "\u0301", FAMILY]),
    ),
    max_size=250,
).map("".join)
national_text = st.text(st.sampled_from("aZ €{çğışŞĞİáíóúÁÍÓÚñ\n"), max_size=500)
texts = st.one_of(gsm_text, any_text, national_text)
profiles = st.builds(
    Profile,
    alphabet=st.sampled_from(["gsm", "latin1", "ascii"]),
    method=st.sampled_from(["udh8", "udh16", "sar"]),
    languages=st.sampled_from([(), tuple(Language), (Language.SPANISH,), (Language.TURKISH,)]),
)


def header(segment: Segment) -> bytes:
    octets = segment.octets
    return octets[1 : octets[0] + 1] if segment.esm_class & 0x40 else b""


def body(segment: Segment) -> bytes:
    octets = segment.octets
    return octets[octets[0] + 1 :] if segment.esm_class & 0x40 else octets


def text_of(segment: Segment, profile: Profile = segments.PLAIN) -> str:
    """Read strictly: a pair that was cut would raise."""
    if segment.data_coding == 8:
        return body(segment).decode("utf-16-be")
    if profile.alphabet != "gsm":
        return body(segment).decode({"latin1": "latin-1", "ascii": "ascii"}[profile.alphabet])
    assert not body(segment).endswith(b"\x1b")
    return national.decode(body(segment), national.read_header(header(segment)))


def size_on_air(segment: Segment, profile: Profile = segments.PLAIN) -> int:
    """Octets of user data; 7 bits are packed on air, after a UDH that is filled up to a septet.

    A SAR segment gets its header of 6 octets from the SMSC; ASCII becomes GSM there.
    """
    head = len(segment.octets) - len(body(segment)) + (6 if segment.tlvs else 0)
    data = body(segment)
    if segment.data_coding == 8 or profile.alphabet == "latin1":
        return head + len(data)
    if profile.alphabet == "ascii":
        data = alphabet.encode_gsm(
            "".join(c if alphabet.fits_gsm(c) else "?" for c in data.decode())
        )
    septets = -(-head * 8 // 7) + len(data)
    return -(-septets * 7 // 8)


@given(texts, profiles, st.sampled_from([None, Encoding.UCS2]))
def test_the_segments_are_the_text(text: str, profile: Profile, forced: Encoding | None) -> None:
    """R-5.6: in each alphabet, by each method, with and without shift tables."""
    parts = segments.split(text, forced, reference=0x1234, profile=profile)
    assert "".join(text_of(part, profile) for part in parts) == text
    assert all(size_on_air(part, profile) <= 140 for part in parts)
    assert len(parts) == 1 or all(body(part) for part in parts)


@given(texts, profiles)
def test_the_count_is_what_is_sent(text: str, profile: Profile) -> None:
    """R-2.1: characters, encoding, segments, and what pushed it to UCS-2."""
    parts = segments.split(text, None, reference=1, profile=profile)
    counted = segments.count(text, profile=profile)
    assert counted.segments == len(parts)
    assert counted.characters == len(text)
    assert counted.encoding is segments.choose(text, profile=profile)
    if profile.alphabet != "ascii":
        assert counted.units == sum(len(body(part)) for part in parts) // (
            2 if counted.encoding is Encoding.UCS2 else 1
        )
    if profile == segments.PLAIN:
        assert counted.forced_by == alphabet.not_in_gsm(text)
    if counted.encoding is Encoding.UCS2:
        assert counted.forced_by


@given(texts, st.sampled_from([None, Encoding.UCS2]))
def test_one_payload_holds_the_whole_text(text: str, forced: Encoding | None) -> None:
    """R-5.6: one PDU without short_message; it counts as what the SMSC makes of it."""
    profile = Profile(method="payload")
    (only,) = segments.split(text, forced, reference=1, profile=profile)
    plain = segments.split(text, forced, reference=1)
    assert segments.count(text, forced, profile=profile).segments == len(plain)
    if len(plain) == 1:
        assert only == plain[0]
    else:
        assert (only.octets, only.esm_class) == (b"", 0)
        payload = tlv.parse(only.tlvs)[tlv.MESSAGE_PAYLOAD]
        assert payload == b"".join(map(body, plain))


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("", [0]),
        ("a" * 160, [160]),
        ("a" * 161, [153, 8]),
        ("a" * 306, [153, 153]),
        ("a" * 159 + "€", [152 + 1, 8]),
        ("a" * 152 + "€" + "a" * 10, [152, 12]),  # the pair goes whole into the next
        ("я" * 70, [140]),
        ("я" * 71, [134, 8]),
        ("я" * 66 + "👍" + "я" * 5, [132, 14]),
    ],
)
def test_the_limits(text: str, sizes: list[int]) -> None:
    """R-2.1: 160/153 GSM, 70/67 UCS-2."""
    parts = segments.split(text, None, reference=1)
    assert [len(body(part)) for part in parts] == sizes


@pytest.mark.parametrize(
    "whole", [FAMILY, "🇳🇿", "👍🏽", "❤️", "1️⃣", "e\u0301", "🏴\U000e0067\U000e0062\U000e007f"]
)
def test_what_shows_as_one_is_not_torn(whole: str) -> None:
    """Wherever it stands in the text, one segment holds all of it."""
    for before in range(40, 70):
        parts = segments.split("я" * before + whole + "я" * 40, None, reference=1)
        assert sum(whole in text_of(part) for part in parts) == 1


def test_flags_in_a_row_are_parted_between_flags() -> None:
    parts = segments.split("я" + "🇳🇿" * 40, None, reference=1)
    assert all(text_of(part).count("🇳") == text_of(part).count("🇿") for part in parts)


def test_what_no_segment_can_hold_is_torn() -> None:
    endless = "\u200d".join("👩" * 60)
    parts = segments.split(endless, None, reference=1)
    assert "".join(map(text_of, parts)) == endless


def test_parts_name_each_other() -> None:
    """05 00 03 ref total part; 06 08 04 ref ref total part; the reference's low bits."""
    eight = segments.split("a" * 200, None, reference=0x12345)
    assert [part.octets[:6].hex() for part in eight] == ["050003450201", "050003450202"]
    sixteen = segments.split("a" * 200, None, reference=0x12345, profile=Profile(method="udh16"))
    assert [part.octets[:7].hex() for part in sixteen] == ["06080423450201", "06080423450202"]
    assert {part.esm_class for part in eight + sixteen} == {0x40}


def test_sar_parameters_name_each_other() -> None:
    """SMPP 3.4 §5.3.2.22: reference, total and number; the text is cut as for the 8-bit UDH."""
    parts = segments.split("a" * 200, None, reference=0x12345, profile=Profile(method="sar"))
    assert [len(part.octets) for part in parts] == [153, 47]
    assert [part.tlvs.hex(" ", 1) for part in parts] == [
        "02 0c 00 02 00 45 02 0e 00 01 02 02 0f 00 01 01",
        "02 0c 00 02 00 45 02 0e 00 01 02 02 0f 00 01 02",
    ]
    assert {part.esm_class for part in parts} == {0}


@pytest.mark.parametrize(
    ("text", "profile", "sizes", "data_coding"),
    [
        ("é" * 140, Profile(alphabet="latin1"), [140], 0),
        ("é" * 141, Profile(alphabet="latin1"), [134, 7], 0),
        ("é" * 141, Profile(alphabet="latin1", method="udh16"), [133, 8], 0),
        ("é€", Profile(alphabet="latin1"), [4], 8),
        ("", Profile(alphabet="latin1"), [0], 0),
        ("a" * 160, Profile(alphabet="ascii"), [160], 0),
        ("a" * 161, Profile(alphabet="ascii"), [153, 8], 0),
        ("{" * 81, Profile(alphabet="ascii"), [76, 5], 0),  # two septets each, once it is GSM
        ("`" * 160, Profile(alphabet="ascii"), [160], 0),
        ("é", Profile(alphabet="ascii"), [2], 8),
        ("я", Profile(ucs2_coding=0x18), [2], 0x18),
    ],
)
def test_the_alphabets_of_carriers(
    text: str, profile: Profile, sizes: list[int], data_coding: int
) -> None:
    """R-5.6: 160/153/152 where it becomes GSM, 140/134/133 for Latin-1."""
    parts = segments.split(text, None, reference=1, profile=profile)
    assert [len(body(part)) for part in parts] == sizes
    assert {part.data_coding for part in parts} == {data_coding}


@pytest.mark.parametrize(
    ("text", "languages", "headers", "segments_"),
    [
        ("şu", (Language.TURKISH,), "240101", 1),
        ("ş" * 77, (Language.TURKISH,), "240101", 1),  # 154 of 155 septets
        ("ş" * 78, (Language.TURKISH,), "250101", 1),  # 156 of them, but 78 when locked
        ("ş" * 154 + "€", (Language.TURKISH,), "250101", 1),  # the euro is in the locking one
        ("ışığı" * 40, (Language.TURKISH,), "250101", 2),
        ("está", (Language.SPANISH,), "240102", 1),
        ("está" * 59, (Language.SPANISH,), "240102", 2),
        ("şá" * 60, (Language.TURKISH, Language.SPANISH), "240102250101", 2),
    ],
)
def test_shift_tables_keep_a_text_in_seven_bits(
    text: str, languages: tuple[Language, ...], headers: str, segments_: int
) -> None:
    """R-5.6: those that cost the fewest segments, named in each header after the concatenation."""
    parts = segments.split(text, None, reference=1, profile=Profile(languages=languages))
    assert len(parts) == segments_
    assert {part.data_coding for part in parts} == {0}
    assert all(header(part).hex().endswith(headers) for part in parts)
    assert all(size_on_air(part) <= 140 for part in parts)
    assert len(parts) <= len(segments.split(text, None, reference=1))


def test_shift_tables_are_used_only_where_they_may_and_help() -> None:
    every = Profile(languages=tuple(Language))
    assert segments.split("şu", None, reference=1)[0].data_coding == 8
    assert segments.split("Halo", None, reference=1, profile=every)[0].esm_class == 0
    assert segments.split("да şu", None, reference=1, profile=every)[0].data_coding == 8
    assert segments.split("şu", Encoding.UCS2, reference=1, profile=every)[0].data_coding == 8
    # One header can't be merged with the one that an SMSC makes of SAR or of a payload.
    sar = Profile(method="sar", languages=tuple(Language))
    assert segments.split("şu", None, reference=1, profile=sar)[0].esm_class == 0x40
    assert segments.split("ş" * 200, None, reference=1, profile=sar)[0].data_coding == 8


def test_flash() -> None:
    """0x10 and 0x18, in one segment or several, by every method."""
    for profile in (Profile(), Profile(alphabet="latin1"), Profile(method="sar")):
        for text, coding in (("a", 0x10), ("a" * 400, 0x10), ("я", 0x18), ("я" * 99, 0x18)):
            parts = segments.split(text, None, reference=1, profile=profile, flash=True)
            assert {part.data_coding for part in parts} == {coding}


def test_a_carrier_that_cannot_carry_a_text_says_what() -> None:
    """ASCII and Arabic, where the carrier takes no UCS-2."""
    profile = Profile(alphabet="ascii", ucs2_coding=None)
    with pytest.raises(alphabet.NotInAlphabet, match="not in the ASCII alphabet: 'س'"):
        segments.split("سلام", None, reference=1, profile=profile)
    with pytest.raises(alphabet.NotInAlphabet, match="not in the Latin-1 alphabet: '€'"):
        segments.split("é€", Encoding.GSM, reference=1, profile=Profile(alphabet="latin1"))
    with pytest.raises(segments.NoUcs2):
        segments.count("Halo", Encoding.UCS2, profile=profile)


def test_without_optional_parameters_long_texts_go_by_header() -> None:
    """SMPP 3.3 peers, and binds that refused a TLV (C0 to C4)."""
    assert Profile(method="sar").without_tlvs() == Profile(method="udh8")
    assert Profile(method="payload").without_tlvs() == Profile(method="udh8")
    assert Profile(method="udh16").without_tlvs() == Profile(method="udh16")


def test_forced_encodings() -> None:
    """R-2.1: can be forced; a forced GSM with characters it can't carry is refused."""
    assert segments.split("Halo", Encoding.UCS2, reference=1)[0].data_coding == 8
    assert segments.count("Halo", Encoding.UCS2).forced_by == ()
    for ask in (
        lambda: segments.choose("да", Encoding.GSM),
        lambda: segments.count("да", Encoding.GSM),
        lambda: segments.split("да", Encoding.GSM, reference=1),
    ):
        with pytest.raises(alphabet.NotInAlphabet) as refused:
            ask()
        assert refused.value.characters == ("д", "а")


def test_more_than_can_be_numbered_is_refused_never_cut() -> None:
    """R-2.2; the count still tells how many there would be."""
    text = "a" * 153 * 256
    assert segments.count(text).segments == 256
    with pytest.raises(segments.TooManySegments, match="256 segments"):
        segments.split(text, None, reference=1)


def test_half_a_surrogate_pair_is_no_text_and_no_crash() -> None:
    assert segments.split("да\ud83d", None, reference=1) == [
        Segment("да?".encode("utf-16-be"), 0, 8)
    ]
