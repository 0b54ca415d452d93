"""A carrier's wishes reach the wire: what a template is given, a reader finds (R-5.6)."""

import pytest

from smpp import period, segments, tlv
from smpp.pdu import Address, Command, ShortMessage
from smpp.segments import Profile, Segment
from smpp.traffic import SubmitTemplate, parse_short_message


def sent(template: SubmitTemplate, segment: Segment) -> ShortMessage:
    octets, esm_class, data_coding, tlvs = segment
    body = template.body("+64211234567", esm_class, data_coding, octets, tlvs)
    return parse_short_message(Command.SUBMIT_SM, 7, body, 0, len(body))


def test_a_profile_of_everything() -> None:
    template = SubmitTemplate(
        Address(5, 0, "Siaran"),
        1,
        1,
        service_type="WAP",
        priority=2,
        validity_period=period.relative(3600),
        registered_delivery=3,
        tlvs=tlv.build(0x1401, b"abc\0"),
    )
    parts = segments.split("a" * 161, None, reference=5, profile=Profile(method="sar"))
    for number, part in enumerate(parts, 1):
        submit = sent(template, part)
        assert (submit.service_type, submit.priority, submit.registered_delivery) == ("WAP", 2, 3)
        assert submit.destination == "+64211234567"
        assert submit.short_message == part.octets
        assert submit.tlvs[tlv.SAR_SEGMENT_SEQNUM] == bytes((number,))
        assert submit.tlvs[0x1401] == b"abc\0"


def test_a_payload_has_no_short_message() -> None:
    (part,) = segments.split("a" * 400, None, reference=5, profile=Profile(method="payload"))
    submit = sent(SubmitTemplate(Address(0, 1, "3774"), 1, 1), part)
    assert submit.short_message == b""
    assert submit.octets == b"a" * 400


@pytest.mark.parametrize(
    ("field", "value"),
    [("service_type", "SIXLET"), ("validity_period", "0" * 17), ("priority", 256)],
)
def test_what_smpp_cannot_carry_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        SubmitTemplate(Address(0, 1, "3774"), 1, 1, **{field: value})  # type: ignore[arg-type]
