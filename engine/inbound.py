"""MO: commit, then answer. No other order exists here (R-5.10, R-8.3).

Reads of all binds come through one bounded channel; what has gathered is one transaction, then one
write a session. With the database away the answer is ESME_RX_T_APPN: the SMSC sends again.
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import trio

from engine.arrived import Arrived
from engine.domain import numbers, parts
from engine.domain.errors import Unreachable
from engine.domain.inbound import Decision, Reply, Standing, decide
from engine.domain.parts import Piece
from engine.metrics import Metrics
from engine.store import inbox, moment, nodes, subscribers
from engine.store.db import CommitUnknown, Database, Tx
from engine.store.inbox import Mo, Placed, Seen, Taken
from engine.store.subscribers import Asked
from smpp import tlv
from smpp.pdu import ShortMessage
from smpp.session import Session, SessionClosed
from smpp.status import OK, TEMPORARY

# MO that become one transaction: a dozen statements for all of them, some ten index probes for each.
BATCH = 500

# Long MO that are not whole are looked at this often.
OVERDUE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How many MO of a batch meant what, what was done about them, and which responses they get."""

    meanings: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    responses: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Inbound:
    """The task that stores MO and answers them."""

    db: Database
    metrics: Metrics
    channel: trio.MemoryReceiveChannel[Arrived]
    take_closed: Callable[[], list[tuple[int, str]]]
    remember_closed: Callable[[int, str], None]
    answering: Callable[[], None]
    """Says that auto-responses wait to be sent."""
    _answered: list[Seen] = field(default_factory=list)

    async def run(self) -> None:
        """Works until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._give_up_waiting)
            await self._take()

    async def _give_up_waiting(self) -> None:
        """Stores long MO as far as they came, once the rest does not come any more (R-5.9)."""
        while True:
            with contextlib.suppress(Unreachable, CommitUnknown):
                while (late := await self.db.transact(_overdue))[0]:
                    self.metrics.subscribers.inbound("incomplete", late[0])
                    self._done(late[1])
            await trio.sleep(OVERDUE_S)

    async def _next(self) -> Arrived | None:
        """What comes next; meanwhile it is noted which answers have been written."""
        try:
            return self.channel.receive_nowait()
        except trio.WouldBlock:
            answered, self._answered = self._answered, []
            if answered:
                try:
                    await self.db.transact(inbox.mark_answered, answered)
                except (Unreachable, CommitUnknown):
                    self._answered = answered
        except trio.EndOfChannel:
            return None
        try:
            return await self.channel.receive()
        except trio.EndOfChannel:
            return None

    async def _take(self) -> None:
        while (first := await self._next()) is not None:
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
            taken, done = await self.db.transact(store, mos, closed, answered)
        except (Unreachable, CommitUnknown):
            # Stored after all, it is a redelivery when it comes again: we never answered.
            for session_id, reason in closed:
                self.remember_closed(session_id, reason)
            await self._answer(batch, TEMPORARY)
            return
        self._answered = taken.seen
        for effect, n in (
            ("stored", len(taken.new)),
            ("redelivered", taken.redelivered),
            ("part", taken.waiting),
            ("duplicate part", taken.duplicates),
        ):
            self.metrics.subscribers.inbound(effect, n)
        self._done(done)
        await self._answer(batch, OK)

    def _done(self, done: Done) -> None:
        """What has been decided is committed."""
        self.metrics.subscribers.decided(done.meanings, done.effects, done.responses)
        if done.responses:
            self.answering()

    async def _answer(self, batch: list[Arrived], status: int) -> None:
        answers: dict[Session, list[tuple[int, int, int]]] = {}
        for arrived in batch:
            answers.setdefault(arrived.session, []).extend(
                (message.command, message.sequence, status) for message in arrived.messages
            )
        for session, triples in answers.items():
            with contextlib.suppress(SessionClosed):  # it comes again on the next one
                await session.respond(triples)


def _overdue(tx: Tx) -> tuple[int, Done]:
    """How many were stored as far as they came, and what was decided about them."""
    now = moment.now(tx)
    late = inbox.overdue(tx, now)
    return len(late), decide_about(tx, late, now)


def store(
    tx: Tx, mos: Sequence[Mo], closed: Sequence[tuple[int, str]], answered: Sequence[Seen]
) -> tuple[Taken, Done]:
    """Stores a batch, decides about it and does it; what became of it, and what was decided."""
    now = moment.now(tx)
    nodes.close_sessions(tx, closed, now)
    inbox.mark_answered(tx, answered)
    taken = inbox.take(tx, mos, now)
    return taken, decide_about(tx, taken.new, now)


def decide_about(tx: Tx, new: Sequence[Placed], now: datetime) -> Done:
    """Decides about new MO, does it, and writes them to the inbox (R-6)."""
    done = Done()
    if not new:
        return done
    decided = list(decisions(subscribers.asked(tx, new, now)))
    inbox.write(tx, new, subscribers.apply(tx, decided, now), now)
    for _, decision in decided:
        done.meanings[decision.meaning.value] += 1
        for effect in decision.effects:
            if isinstance(effect, Reply):
                done.responses[effect.kind.value] += 1
            else:
                done.effects[effect.name] += 1
    return done


def decisions(batch: Iterable[Asked]) -> Iterable[tuple[Asked, Decision]]:
    """What is decided about each MO: a number's second one in a batch knows of its first."""
    standings: dict[tuple[int | None, str], Standing] = {}
    for one in batch:
        key = (one.application_id, one.mobile)
        context = one.context
        if (standing := standings.get(key)) is not None:
            context = replace(context, standing=standing)
        decision = decide(one.mo, context)
        if decision.effects or standing is not None:
            standings[key] = context.standing.after(decision.effects)
        yield one, decision


def read(arrived: Arrived, message: ShortMessage) -> Mo:
    """An MO as it is stored."""
    octets, part, shift = parts.read(message)
    return Mo(
        carrier_id=arrived.carrier_id,
        session_id=arrived.session_id,
        mobile=numbers.from_network(message.source, message.source_ton, arrived.country),
        destination=message.destination.removeprefix("+"),
        piece=Piece(octets, message.data_coding, arrived.alphabet, shift),
        digest=digest(message),
        part=part,
    )


def digest(message: ShortMessage) -> bytes:
    """What two MO have in common when one may be the other's redelivery (R-5.10)."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in (
        message.source.encode("latin-1"),
        message.destination.encode("latin-1"),
        bytes((message.data_coding, message.esm_class & 0x40)),
        message.octets,
        *(message.tlvs.get(tag, b"") for tag in SAR),
    ):
        hashed.update(len(part).to_bytes(4, "big"))
        hashed.update(part)
    return hashed.digest()


# What says which part of a message it is, where that stands outside of the text.
SAR = (tlv.SAR_MSG_REF_NUM, tlv.SAR_TOTAL_SEGMENTS, tlv.SAR_SEGMENT_SEQNUM)
