"""Where a PDU ends: split, glued, or not to be known (R-5.1; `wire.md`, Framing)."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpp import framing, status
from smpp.events import Closed, Damaged, Deliveries, Event, SubmitResponses
from smpp.framing import HEADER_SIZE, PDU_MAX
from smpp.pdu import Command
from smpp.protocol import Connection
from smpp.states import Role, State
from tests.protocol import foreign
from tests.protocol.wire import HALO, Pdu, Told, connection, pdu, pdus, told

C = Command
STATES = [state for state in State if state is not State.CLOSED]


def ready(role: Role, state: State) -> Connection:
    """A connection that has all it can have outstanding: fresh, timed out, and a question."""
    there = connection(role, state)
    if (role, state) in ((Role.ESME, State.BOUND_TRX), (Role.SMSC, State.BOUND_RX)):
        there.submit([("late", HALO)], -60.0)
        there.tick(0.0)
        there.submit([("a", HALO), ("b", HALO)], 0.0)
        there.data_to_send()
    return there


def fed(there: Connection, reads: list[bytes]) -> tuple[Told, list[Pdu], State]:
    """What comes of these reads: what it tells, what it answers, and where it stands."""
    events: list[Event] = []
    answers = b""
    for octets in filter(None, reads):
        events += there.receive_data(octets, 1.0)
        answers += there.data_to_send()
    return told(events), pdus(answers), there.state


@given(
    role=st.sampled_from(Role),
    state=st.sampled_from(STATES),
    octets=foreign.streams,
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_the_same_octets_give_the_same_events(
    role: Role, state: State, octets: bytes, cuts: list[int]
) -> None:
    """R-5.1: whole, cut anywhere, and one by one."""
    places = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]
    cut = [octets[a:b] for a, b in itertools.pairwise(places)]
    single = [octets[at : at + 1] for at in range(len(octets))]
    whole = fed(ready(role, state), [octets])
    assert fed(ready(role, state), cut) == whole
    assert fed(ready(role, state), single) == whole


@given(octets=foreign.streams)
def test_split_takes_all_or_leaves_it(octets: bytes) -> None:
    """R-5.1: frames lie one behind the other, and are whole."""
    frames, used, fault = framing.split(octets)
    at = 0
    for command, code, sequence, start, stop in frames:
        assert start == at + HEADER_SIZE
        header = struct.pack(">IIII", stop - at, command, code, sequence)
        assert octets[at:start] == header
        at = stop
    assert used == at
    rest = octets[used:]
    if fault is None and len(rest) >= 4:
        (length,) = struct.unpack_from(">I", rest)
        assert HEADER_SIZE <= length <= PDU_MAX
        assert len(rest) < length


def test_glued_pdus_are_one_batch() -> None:
    """R-5.1: all of a read is handed on at once."""
    there = ready(Role.ESME, State.BOUND_TRX)
    numbers = sorted(there._outstanding.waiting)
    octets = b"".join(pdu(C.SUBMIT_SM_RESP, 0, number, b"7\0") for number in numbers)
    [answered, deliveries] = there.receive_data(octets + pdu(C.DELIVER_SM, body=HALO) * 300, 1.0)
    assert isinstance(answered, SubmitResponses)
    assert isinstance(deliveries, Deliveries)
    assert (len(answered.items), len(deliveries.items)) == (2, 300)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("length", [0, 1, 4, 15, PDU_MAX + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_false_length_is_nacked_and_ends_the_session(
    role: Role, state: State, length: int
) -> None:
    """R-5.1: generic_nack ESME_RINVCMDLEN, at the first 4 octets; what stands before it is good."""
    there = connection(role, state)
    length_octets = struct.pack(">I", length)
    assert there.receive_data(pdu(C.ENQUIRE_LINK, 0, 9) + length_octets[:3], 1.0) == []
    [damaged, closed] = there.receive_data(length_octets[3:], 1.0)
    assert isinstance(damaged, Damaged)
    assert f"command_length {length}" in damaged.reason
    assert closed == Closed(damaged.reason, clean=False)
    assert pdus(there.data_to_send()) == [
        Pdu(C.ENQUIRE_LINK_RESP, 0, 9),
        Pdu(C.GENERIC_NACK, status.INVALID_COMMAND_LENGTH, 0),
    ]
    assert there.receive_data(pdu(C.ENQUIRE_LINK), 2.0) == []
    assert there.data_to_send() == b""


def test_the_largest_pdu_is_read_in_pieces() -> None:
    """R-5.1: 64 KiB, as a message_payload may have it; one octet more is too much."""
    payload = b"x" * (PDU_MAX - 16 - len(HALO) - 4)
    body = HALO + struct.pack(">HH", 0x0424, len(payload)) + payload
    octets = pdu(C.DELIVER_SM, body=body)
    assert len(octets) == PDU_MAX
    there = connection(Role.ESME, State.BOUND_RX)
    for at in range(0, PDU_MAX - 1, 1400):
        assert there.receive_data(octets[at : min(at + 1400, PDU_MAX - 1)], 1.0) == []
    [deliveries] = there.receive_data(octets[-1:], 1.0)
    assert isinstance(deliveries, Deliveries)
    assert deliveries.items[0].tlvs == {0x0424: payload}


@given(octets=st.binary(min_size=4, max_size=2000), role=st.sampled_from(Role))
def test_noise_ends_the_session_or_is_refused(octets: bytes, role: Role) -> None:
    """R-5.1: TLS, HTTP or line noise on the port."""
    there = connection(role, State.OPEN)
    there.receive_data(octets, 1.0)
    (length,) = struct.unpack_from(">I", octets)
    if not HEADER_SIZE <= length <= PDU_MAX:
        assert there.closed
        assert pdus(there.data_to_send()) == [Pdu(C.GENERIC_NACK, status.INVALID_COMMAND_LENGTH, 0)]


@pytest.mark.parametrize(
    "noise", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"quit\r\n"]
)
def test_other_protocols_are_told_so_at_once(noise: bytes) -> None:
    there = connection(Role.SMSC, State.OPEN)
    assert [type(event) for event in there.receive_data(noise, 1.0)] == [Damaged, Closed]
