"""A carrier says how busy it is, and is heard (R-5.4; SMPP 5.0 §4.8.4.18)."""

import pytest

from smpp import tlv
from smpp.events import Deliveries, SubmitResponses
from smpp.pdu import Command
from tests.protocol.wire import HALO, bound, pdu

C = Command


def state(value: bytes) -> bytes:
    return tlv.build(tlv.CONGESTION_STATE, value)


@pytest.mark.parametrize(
    ("bodies", "told"),
    [
        ([b"17\0"], None),
        ([b"17\0" + state(b"\x50")], 80),
        ([b"17\0" + state(b"\x50"), b"18\0" + state(b"\x5a")], 90),
        ([b"17\0" + state(b"\x50"), b"18\0"], 80),
        ([b"\0" + state(b"\x64")], 100),
        ([state(b"\x64")], 100),  # an error without an id, not even its NUL
        ([b"17\0" + tlv.build(0x1401, b"x") + state(b"\x00")], 0),
        ([b"17\0" + state(b"\x65")], None),  # reserved
        ([b"17\0" + state(b"\x50")[:4]], None),  # cut off
    ],
)
def test_the_last_response_of_a_read_that_says_it_counts(
    bodies: list[bytes], told: int | None
) -> None:
    pair = bound()
    pair.esme.submit([(token, HALO) for token in range(len(bodies))], now=1.0)
    octets = b"".join(pdu(C.SUBMIT_SM_RESP, 0, 2 + n, body) for n, body in enumerate(bodies))
    [answered] = pair.esme.receive_data(octets, now=2.0)
    assert isinstance(answered, SubmitResponses)
    assert len(answered.items) == len(bodies)
    assert answered.congestion == told


def test_it_is_told_with_the_responses_whatever_comes_after_them() -> None:
    pair = bound()
    pair.esme.submit([(0, HALO), (1, HALO)], now=1.0)
    octets = (
        pdu(C.SUBMIT_SM_RESP, 0, 2, b"17\0" + state(b"\x50"))
        + pdu(C.UNBIND_RESP, 0, 99)
        + pdu(C.DELIVER_SM, 0, 1, HALO)
    )
    answered, _, deliveries = pair.esme.receive_data(octets, now=2.0)
    assert isinstance(answered, SubmitResponses)
    assert isinstance(deliveries, Deliveries)
    assert answered.congestion == 80


def test_a_text_that_looks_like_it_is_none() -> None:
    """It is searched for in all of a read, and counts only in a response."""
    pair = bound()
    pair.esme.submit([(0, HALO)], now=1.0)
    octets = pdu(C.DELIVER_SM, 0, 9, HALO[:-5] + b"\x05" + state(b"\x64"))
    events = pair.esme.receive_data(octets + pdu(C.SUBMIT_SM_RESP, 0, 2, b"17\0"), now=1.0)
    assert [event.congestion for event in events if isinstance(event, SubmitResponses)] == [None]
