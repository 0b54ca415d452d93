"""PDUs as octets, and connections brought to any state, with nothing between them but memory."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from smpp import codec, events
from smpp.codec import SubmitTemplate
from smpp.events import Event
from smpp.pdu import Address, Bind, Mode
from smpp.protocol import Connection
from smpp.states import Role, State
from smpp.timers import Timing

HALO: Final = SubmitTemplate(Address(0, 1, "3774"), 1, 1).body("64211234567", 0, 0, b"Halo")
"""The body of a submit_sm or deliver_sm: "Halo" from 3774 to 64211234567."""

TIMED: Final = SubmitTemplate(
    Address(0, 1, "3774"), 1, 1, schedule="261103091000000+", validity_period="000001000000000R"
).body("64211234567", 0, 0, b"Halo")
"""The same with a schedule and a validity period, which hardly anybody sends."""

DATA: Final = b"\0\1\x013774\0\1\x0164211234567\0\0\1\0"
"""The body of a data_sm between the same two."""

MODES: Final = {
    State.BOUND_TX: Mode.TRANSMITTER,
    State.BOUND_RX: Mode.RECEIVER,
    State.BOUND_TRX: Mode.TRANSCEIVER,
}


class Pdu(NamedTuple):
    """One PDU, taken apart."""

    command: int
    status: int
    sequence: int
    body: bytes = b""


def pdu(command: int, status: int = 0, sequence: int = 1, body: bytes = b"") -> bytes:
    """Any PDU as octets."""
    return struct.pack(">IIII", 16 + len(body), command, status, sequence) + body


def pdus(octets: bytes) -> list[Pdu]:
    """Octets as PDUs; there must be no part of one left over."""
    found = []
    while octets:
        size, command, status, sequence = struct.unpack_from(">IIII", octets)
        assert 16 <= size <= len(octets), "that is no whole PDU"
        found.append(Pdu(command, status, sequence, octets[16:size]))
        octets = octets[size:]
    return found


def bind_body(system_id: str = "siaran", password: str = "secret") -> bytes:
    """The body of any of the three binds."""
    return codec.encode(
        Bind(mode=Mode.TRANSCEIVER, system_id=system_id, password=password), sequence=1
    )[16:]


@dataclass(slots=True)
class Pair:
    """An ESME and an SMSC, and what each was told."""

    esme: Connection
    smsc: Connection
    esme_events: list[Event] = field(default_factory=list)
    smsc_events: list[Event] = field(default_factory=list)

    def pump(self, now: float = 0.0) -> None:
        """Carry what both have to say to the other, until there is nothing more."""
        while True:
            up, down = self.esme.data_to_send(), self.smsc.data_to_send()
            if not up and not down:
                return
            if up:
                self.smsc_events += self.smsc.receive_data(up, now)
            if down:
                self.esme_events += self.esme.receive_data(down, now)


def bound(mode: Mode = Mode.TRANSCEIVER, timing: Timing | None = None, now: float = 0.0) -> Pair:
    """A bound pair; the events of the bind itself are forgotten."""
    timing = timing or Timing()
    pair = Pair(
        Connection(Role.ESME, timing=timing, now=now), Connection(Role.SMSC, timing=timing, now=now)
    )
    pair.esme.bind(Bind(mode=mode, system_id="siaran", password="secret"), now)
    pair.pump(now)
    pair.smsc.answer_bind(0, "smsc", now)
    pair.pump(now)
    pair.esme_events.clear()
    pair.smsc_events.clear()
    return pair


def connection(role: Role, state: State) -> Connection:
    """A connection in that state, at time 0, with nothing left to send."""
    if state in MODES:
        pair = bound(MODES[state])
        return pair.esme if role is Role.ESME else pair.smsc
    if state is State.UNBINDING:
        found = connection(role, State.BOUND_TRX)
        found.unbind(now=0.0)
    else:
        found = Connection(role, now=0.0)
    if state is State.BINDING and role is Role.ESME:
        found.bind(Bind(mode=Mode.TRANSCEIVER, system_id="siaran"), now=0.0)
    elif state is State.BINDING:
        found.receive_data(pdu(Mode.TRANSCEIVER, body=bind_body()), now=0.0)
    elif state is State.CLOSED:
        found.lost("the test said so")
    found.data_to_send()
    assert found.state is state
    return found


_ANSWERS: Final = (events.SubmitResponses, events.DeliverResponses)
_MESSAGES: Final = (events.Deliveries, events.Submits)


class Told(NamedTuple):
    """Events without what depends on how the octets were cut into reads."""

    answers: list[Any]
    late: list[Any]
    messages: list[Any]
    others: list[Event]


def told(found: Iterable[Event]) -> Told:
    """What events say, whichever reads brought them: lists joined, the rest in its order."""
    sums = Told([], [], [], [])
    for event in found:
        if isinstance(event, _ANSWERS):
            sums.answers.extend(event.items)
            sums.late.extend(event.late)
        elif isinstance(event, _MESSAGES):
            sums.messages.extend(event.items)
        else:
            sums.others.append(event)
    return sums
