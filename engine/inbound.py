"""MO: commit, then answer. No other order exists here (R-5.10, R-8.3).

Reads of all binds come through one bounded channel; what has gathered is one transaction, then one
write a session. With the database away the answer is ESME_RX_T_APPN: the SMSC sends again.
"""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from engine import clock
from engine.arrived import Arrived
from engine.domain import numbers
from engine.domain.errors import Unreachable
from engine.metrics import Metrics
from engine.store import inbox, nodes
from engine.store.db import CommitUnknown, Database, Tx
from engine.store.inbox import Mo
from smpp import alphabet
from smpp.pdu import ShortMessage
from smpp.session import Session, SessionClosed
from smpp.status import OK, TEMPORARY

# MO that become one transaction. Each costs some ten index probes; 200 commit within 100 ms.
BATCH = 200


@dataclass(slots=True)
class Inbound:
    """The task that stores MO and answers them."""

    db: Database
    metrics: Metrics
    channel: trio.MemoryReceiveChannel[Arrived]
    take_closed: Callable[[], list[tuple[int, str]]]
    remember_closed: Callable[[int, str], None]
    _answered: list[int] = field(default_factory=list)

    async def run(self) -> None:
        """Works until cancelled."""
        async for first in self.channel:
            batch = [first]
            size = len(first.messages)
            while size < BATCH:
                try:
                    more = self.channel.receive_nowait()
                except trio.WouldBlock:
                    break
                batch.append(more)
                size += len(more.messages)
            await self._store(batch)

    async def _store(self, batch: list[Arrived]) -> None:
        mos = [read(arrived, message) for arrived in batch for message in arrived.messages]
        closed, answered = self.take_closed(), self._answered
        try:
            ids = await self.db.transact(_store, mos, closed, answered)
        except (Unreachable, CommitUnknown):
            # Stored after all, it is a redelivery when it comes again: we never answered.
            for session_id, reason in closed:
                self.remember_closed(session_id, reason)
            await self._answer(batch, TEMPORARY)
            return
        stored = [inbox_id for inbox_id in ids if inbox_id is not None]
        self._answered = stored
        self.metrics.inbound("stored", len(stored))
        self.metrics.inbound("redelivered", len(ids) - len(stored))
        await self._answer(batch, OK)

    async def _answer(self, batch: list[Arrived], status: int) -> None:
        answers: dict[Session, list[tuple[int, int, int]]] = {}
        for arrived in batch:
            answers.setdefault(arrived.session, []).extend(
                (message.command, message.sequence, status) for message in arrived.messages
            )
        for session, triples in answers.items():
            with contextlib.suppress(SessionClosed):  # it comes again on the next one
                await session.respond(triples)


def _store(
    tx: Tx, mos: list[Mo], closed: list[tuple[int, str]], answered: list[int]
) -> list[int | None]:
    now = clock.utc_now()
    nodes.close_sessions(tx, closed, now)
    inbox.mark_answered(tx, answered)
    return inbox.store(tx, mos, now)


def read(arrived: Arrived, message: ShortMessage) -> Mo:
    """An MO as it is stored."""
    octets = message.octets
    body = octets
    if message.esm_class & 0x40 and octets:
        body = octets[octets[0] + 1 :]
    return Mo(
        carrier_id=arrived.carrier_id,
        session_id=arrived.session_id,
        mobile=_international(message.source),
        destination=message.destination.removeprefix("+"),
        content=alphabet.decode(body, message.data_coding, arrived.alphabet),
        data_coding=message.data_coding,
        digest=digest(message),
    )


def _international(address: str) -> str:
    """A subscriber's number with its plus; what is no number (a name, a short code) as it came."""
    digits = address.removeprefix("+")
    if digits.isdecimal() and len(digits) >= numbers.MIN_DIGITS:
        return f"+{digits}"
    return address


def digest(message: ShortMessage) -> bytes:
    """What two MO have in common when one may be the other's redelivery (R-5.10)."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in (
        message.source.encode("latin-1"),
        message.destination.encode("latin-1"),
        bytes((message.data_coding, message.esm_class & 0x40)),
        message.octets,
    ):
        hashed.update(len(part).to_bytes(4, "big"))
        hashed.update(part)
    return hashed.digest()
