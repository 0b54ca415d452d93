"""A wire between engine and SMSC that a test can cut, hold and foul.

It listens on a port of its own and joins each connection with one to the SMSC. What passes is told
PDU by PDU to whoever asks, before it goes on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import trio

from smpp import transport
from tests.protocol.wire import Pdu

Passing = Callable[[Pdu], bool]
"""Told of a PDU; False: it does not go on."""


@dataclass(eq=False)
class Wire:
    """All connections through it. Change what it does at any time."""

    to_port: int
    port: int = 0
    refuses: bool = False
    """Close each new connection at once."""
    asked_at: list[float] = field(default_factory=list)
    """When connections came, by trio's clock."""
    from_engine: Passing = lambda pdu: True
    from_smsc: Passing = lambda pdu: True
    foul: list[bytes] = field(default_factory=list)
    """For each new connection the next of these, to the engine, right after the bind's answer."""
    _open: set[trio.SocketStream] = field(default_factory=set)

    async def serve(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Be that wire until cancelled."""
        async with trio.open_nursery() as nursery:
            self.port = await nursery.start(
                partial(transport.serve, self._join, "127.0.0.1", self.port)
            )
            task_status.started(self.port)

    async def cut(self) -> None:
        """Break all connections, in the midst of whatever they carry."""
        for stream in list(self._open):
            await trio.aclose_forcefully(stream)

    async def _join(self, engine: trio.SocketStream) -> None:
        self.asked_at.append(trio.current_time())
        if self.refuses:
            return
        foul = self.foul.pop(0) if self.foul else b""
        try:
            smsc = await transport.connect("127.0.0.1", self.to_port, timeout_s=5)
        except transport.ConnectFailed:
            return
        self._open |= {engine, smsc}
        try:
            async with trio.open_nursery() as nursery:
                for source, sink, passing, rubbish in (
                    (engine, smsc, lambda pdu: self.from_engine(pdu), b""),
                    (smsc, engine, lambda pdu: self.from_smsc(pdu), foul),
                ):
                    nursery.start_soon(_carry, source, sink, passing, rubbish, nursery.cancel_scope)
        finally:
            self._open -= {engine, smsc}
            await trio.aclose_forcefully(engine)
            await trio.aclose_forcefully(smsc)


async def _carry(
    source: trio.SocketStream,
    sink: trio.SocketStream,
    passing: Passing,
    foul: bytes,
    scope: trio.CancelScope,
) -> None:
    rest = b""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while data := await source.receive_some():
            rest += data
            going = b""
            while len(rest) >= 16 and len(rest) >= (size := struct.unpack_from(">I", rest)[0]):
                _, command, status, sequence = struct.unpack_from(">IIII", rest)
                if passing(Pdu(command, status, sequence, rest[16:size])):
                    going += rest[:size]
                rest = rest[size:]
            await sink.send_all(going + foul)
            foul = b""
    scope.cancel()
