"""A text in segments: nothing lost, nothing cut in half, none too large (R-2.1, R-2.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp import alphabet, segments
from smpp.segments import Encoding, Method, Segment

FAMILY = "👨‍👩‍👧‍👦"  # 7 characters, 11 units
gsm_text = st.text(st.sampled_from("aZ é@€{}[]~^\\|\n"), max_size=900)
any_text = st.lists(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from(["a", "€", "👍", "\u200d", "\ufe0f", "🏽", "🇳", "🇿", "\u0301", FAMILY]),
    ),
    max_size=250,
).map("".join)
methods = st.sampled_from(["udh8", "udh16"])


def body(segment: Segment) -> bytes:
    octets = segment.octets
    return octets[octets[0] + 1 :] if segment.esm_class & 0x40 else octets


def text_of(segment: Segment) -> str:
    """Read strictly: a pair that was cut would raise."""
    if segment.data_coding == 8:
        return body(segment).decode("utf-16-be")
    assert not body(segment).endswith(b"\x1b")
    return alphabet.decode(body(segment), segment.data_coding)


def size_on_air(segment: Segment) -> int:
    """Octets of user data; GSM is packed on air, after a UDH that is filled up to a septet."""
    octets = segment.octets
    if segment.data_coding == 8:
        return len(octets)
    header = octets[0] + 1 if segment.esm_class & 0x40 else 0
    septets = -(-header * 8 // 7) + len(octets) - header
    return -(-septets * 7 // 8)


@given(st.one_of(gsm_text, any_text), methods, st.sampled_from([None, Encoding.UCS2]))
def test_the_segments_are_the_text(text: str, method: Method, forced: Encoding | None) -> None:
    parts = segments.split(text, forced, reference=0x1234, method=method)
    assert "".join(map(text_of, parts)) == text
    assert all(size_on_air(part) <= 140 for part in parts)
    assert len(parts) == 1 or all(body(part) for part in parts)


@given(st.one_of(gsm_text, any_text), methods)
def test_the_count_is_what_is_sent(text: str, method: Method) -> None:
    """R-2.1: characters, encoding, segments, and what pushed it to UCS-2."""
    parts = segments.split(text, None, reference=1, method=method)
    counted = segments.count(text, method=method)
    assert counted.segments == len(parts)
    assert counted.characters == len(text)
    assert counted.units == sum(len(body(part)) for part in parts) // (
        2 if counted.encoding is Encoding.UCS2 else 1
    )
    assert counted.encoding is segments.choose(text)
    assert counted.forced_by == alphabet.not_in_gsm(text)


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
    sixteen = segments.split("a" * 200, None, reference=0x12345, method="udh16")
    assert [part.octets[:7].hex() for part in sixteen] == ["06080423450201", "06080423450202"]
    assert {part.esm_class for part in eight + sixteen} == {0x40}


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
