"""What may come over the wire, as strategies: good PDUs, damaged ones, and noise."""

from __future__ import annotations

import struct
from typing import Final

from hypothesis import strategies as st

from smpp.pdu import Command
from tests.protocol.wire import DATA, HALO, TIMED, bind_body, pdu

C = Command

BODIES: Final[dict[int, bytes]] = {
    C.BIND_TRANSCEIVER: bind_body(),
    C.BIND_TRANSCEIVER_RESP: b"smsc\0\x02\x10\0\1\x34",
    C.SUBMIT_SM: HALO,
    C.SUBMIT_SM_RESP: b"00305419896\0\x04\x28\0\1\x50",
    C.DELIVER_SM: HALO,
    C.DELIVER_SM_RESP: b"\0",
    C.DATA_SM: DATA + b"\x04\x24\0\4long\x04\x27\0\1\2",
    C.QUERY_SM: b"7\0\0\x013774\0",
    C.QUERY_SM_RESP: b"7\0\0\2\0",
    C.CANCEL_SM: b"\x007\0\0\x013774\0\1\x0164211234567\0",
    C.OUTBIND: b"smsc\0secret\0",
    C.ALERT_NOTIFICATION: b"\1\x0164211234567\0\0\x013774\0",
}
"""Good bodies, where a command has one."""

commands = st.one_of(st.sampled_from(list(C)), st.integers(0, 0xFFFFFFFF)).map(int)
# Small numbers are those of what we have outstanding.
sequences = st.one_of(st.integers(0, 8), st.sampled_from([0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]))
statuses = st.one_of(st.just(0), st.sampled_from([0x04, 0x58, 0x64, 0x400, 0xFFFFFFFF]))


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """A body with octets changed, a piece cut out or put in."""
    at = draw(st.integers(0, len(body)))
    to = draw(st.integers(at, len(body)))
    return body[:at] + draw(st.binary(max_size=12)) + body[to:]


@st.composite
def framed(draw: st.DrawFn) -> bytes:
    """One PDU whose command_length is right; the rest may be anything."""
    command = draw(commands)
    good = BODIES.get(command, b"")
    if good is HALO:
        good = draw(st.sampled_from([HALO, TIMED]))
    body = draw(st.one_of(st.just(good), damaged(good), st.binary(max_size=64)))
    return pdu(command, draw(statuses), draw(sequences), body)


lengths = st.one_of(st.integers(0, 15), st.integers(64 * 1024 + 1, 0xFFFFFFFF))
"""What command_length can't be."""


@st.composite
def unframed(draw: st.DrawFn) -> bytes:
    """Octets after which nobody knows where a PDU begins."""
    return struct.pack(">I", draw(lengths)) + draw(st.binary(max_size=40))


whole = st.lists(framed(), max_size=8).map(b"".join)
"""A stream of PDUs, good and bad."""

streams = st.builds(
    lambda good, end: good + end,
    whole,
    st.one_of(st.just(b""), unframed(), framed().map(lambda octets: octets[:-1]), st.binary()),
)
"""A stream that may end in anything."""
