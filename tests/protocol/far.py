"""The far end of a session's stream, which says what a test wants and hears what comes."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import trio
import trio.testing

from smpp import tlv
from smpp.events import Event
from smpp.pdu import RESPONSE, Bind, Command, Mode
from smpp.session import Session, open_session
from smpp.timers import Timing
from tests.protocol.wire import Pdu, pdu

C = Command
BIND: Final = Bind(mode=Mode.TRANSCEIVER, system_id="siaran", password="secret")
ACCEPTED: Final = pdu(
    C.BIND_TRANSCEIVER_RESP, 0, 1, b"smsc\0" + tlv.build(tlv.SC_INTERFACE_VERSION, b"\x34")
)

DAY: Final = 24 * 3600.0
"""With a clock that jumps, whoever has waited so long waits for ever."""

Stapled = trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]


@dataclass
class Far:
    """One end of a stream, PDU by PDU."""

    stream: trio.abc.Stream
    _rest: bytes = b""

    async def say(self, *octets: bytes) -> None:
        """Write all of it at once."""
        await self.stream.send_all(b"".join(octets))

    async def hear(self) -> Pdu | None:
        """The next PDU; None: the stream has ended."""
        while len(self._rest) < 16 or len(self._rest) < struct.unpack(">I", self._rest[:4])[0]:
            data = await self.stream.receive_some()
            if not data:
                assert not self._rest, "it ended in the midst of a PDU"
                return None
            self._rest += data
        size, command, status, sequence = struct.unpack_from(">IIII", self._rest)
        found = Pdu(command, status, sequence, self._rest[16:size])
        self._rest = self._rest[size:]
        return found

    async def hear_all(self) -> list[Pdu]:
        """All PDUs until the stream ends."""
        found = []
        while (one := await self.hear()) is not None:
            found.append(one)
        return found

    async def be_an_smsc(self, heard: list[Pdu]) -> None:
        """Answer everything with good news, until the stream ends."""
        bodies = {C.SUBMIT_SM: b"7\0", C.QUERY_SM: b"7\0\0\2\0", C.DELIVER_SM: b"\0"}
        while (one := await self.hear()) is not None:
            heard.append(one)
            if not one.command & RESPONSE:
                body = bodies.get(C(one.command), b"")
                with contextlib.suppress(trio.BrokenResourceError):  # it did not wait for that
                    await self.say(pdu(one.command | RESPONSE, 0, one.sequence, body))


def streams() -> tuple[Stapled, Far]:
    """A stream in memory, without bounds, and its far end."""
    near, far = trio.testing.memory_stream_pair()
    return near, Far(far)


def takes(near: Stapled, when: Callable[[], Awaitable[Any]]) -> None:
    """Let the far end take what is written only when `when` is done; it is called at each write."""
    deliver = near.send_stream.send_all_hook
    assert deliver is not None

    async def hook() -> None:
        await when()
        await deliver()

    near.send_stream.send_all_hook = hook


@asynccontextmanager
async def bound_esme(
    timing: Timing | None = None,
) -> AsyncIterator[tuple[Session, Far, Stapled]]:
    """A bound session, the far end, which has heard the bind, and the stream between them."""
    near, far = streams()
    await far.say(ACCEPTED)
    with trio.fail_after(DAY):
        async with open_session(near, bind=BIND, timing=timing or Timing()) as session:
            bind = await far.hear()
            assert bind is not None
            assert bind.command == C.BIND_TRANSCEIVER
            yield session, far, near


async def read_into(events: list[Event], session: Session) -> None:
    """Be the owner who reads, until the session ends."""
    async for batch in session.batches():
        events += batch
