"""What a message becomes at a carrier: its segments, or why it can't be sent (R-2.2, R-5.6)."""

import pytest

from engine.domain.outbound import Unsendable, compose
from smpp.segments import Profile


def test_the_reference_is_the_messages_own() -> None:
    """Two messages to one number must not be put together on the handset."""
    assert compose(0x101, "a" * 200, "auto", 10)[0].octets[3] == 0x01
    assert compose(0x102, "a" * 200, "auto", 10)[0].octets[3] == 0x02


@pytest.mark.parametrize(
    ("text", "encoding", "profile", "why"),
    [
        ("a" * 460, "auto", Profile(), "4 segments, at most 3 are allowed"),
        ("a" * 460, "auto", Profile(method="payload"), "4 segments, at most 3 are allowed"),
        ("да", "gsm", Profile(), "not in the GSM 03.38 alphabet: 'д'"),
        ("سلام", "auto", Profile(alphabet="ascii", ucs2_coding=None), "not in the ASCII alphabet"),
        ("Halo", "ucs2", Profile(ucs2_coding=None), "the carrier takes none"),
        ("a" * 153 * 256, "auto", Profile(), "256 segments"),
    ],
)
def test_what_can_never_go_out_says_why(
    text: str, encoding: str, profile: Profile, why: str
) -> None:
    """R-2.2: refused, never cut; R-5.6: a carrier may be unable to carry a text."""
    with pytest.raises(Unsendable, match=why):
        compose(1, text, encoding, 3, profile)


def test_a_payload_is_one_pdu() -> None:
    (only,) = compose(1, "a" * 400, "auto", 3, Profile(method="payload"), flash=True)
    assert (only.octets, only.data_coding, len(only.tlvs)) == (b"", 0x10, 404)
