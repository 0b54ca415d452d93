"""Two connections that talk to each other in memory, and PDUs as octets."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from smpp.codec import SubmitTemplate
from smpp.events import Event
from smpp.pdu import Address, Bind, Mode
from smpp.protocol import Connection
from smpp.states import Role
from smpp.timers import Timing


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


MakePair = Callable[..., Pair]


@pytest.fixture(scope="session")
def bound() -> MakePair:
    """Make a bound pair; the events of the bind itself are forgotten."""

    def make(mode: Mode = Mode.TRANSCEIVER, timing: Timing | None = None) -> Pair:
        timing = timing or Timing()
        pair = Pair(
            Connection(Role.ESME, timing=timing, now=0.0),
            Connection(Role.SMSC, timing=timing, now=0.0),
        )
        pair.esme.bind(Bind(mode=mode, system_id="siaran", password="secret"), now=0.0)
        pair.pump()
        pair.smsc.answer_bind(0, "smsc", now=0.0)
        pair.pump()
        pair.esme_events.clear()
        pair.smsc_events.clear()
        return pair

    return make


@pytest.fixture(scope="session")
def body() -> bytes:
    """A submit_sm or deliver_sm body: "Halo" from 3774 to 64211234567."""
    return SubmitTemplate(Address(0, 1, "3774"), 1, 1).body("64211234567", 0, 0, b"Halo")


@pytest.fixture(scope="session")
def pdu() -> Callable[..., bytes]:
    """Any PDU as octets: command, status, sequence, body."""

    def make(command: int, status: int = 0, sequence: int = 1, body: bytes = b"") -> bytes:
        return struct.pack(">IIII", 16 + len(body), command, status, sequence) + body

    return make
