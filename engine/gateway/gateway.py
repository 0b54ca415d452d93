"""The turns of a node: what all its binds have gathered goes in, what they must write comes out.

At most two turns are in flight: while one commits, the next collects and begins. A turn starts as
soon as there is something to do: an answer, a receipt, or a free slot while the queue has work.

What happens at each failure:

* The database can't be reached: the turn's answers are put back, its receipts are answered with
  ESME_RX_T_APPN so that the SMSC sends them again, its slots are free again, nothing was written.
* The connection was lost in COMMIT: the turn's row is asked for (`nodes.turn_committed`) until there
  is an answer; then it is as if the COMMIT had said so.
* Another process took the node's epoch (`Fenced`): the engine stops at once.
* The process was stopped between COMMIT and write for so long that one may have: nothing is written,
  the binds are dropped. Whose the epoch is by now, the next transaction tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from config.settings import BindMode
from engine import clock, log
from engine.arrived import Arrived
from engine.domain.errors import Unreachable
from engine.gateway import turn
from engine.gateway.binds import Bind
from engine.gateway.turn import Answer, Done, Partial, Received, Slots, Work
from engine.lease import Lease
from engine.metrics import Metrics
from engine.store import nodes
from engine.store.db import CommitUnknown, Database, Tx
from smpp.session import Session, SessionClosed
from smpp.status import OK, TEMPORARY

TURNS_IN_FLIGHT = 2

# With free slots and nothing known to do, the queue is looked at this often; who puts something
# into it in this process wakes us at once.
POLL_S = 0.2

# A database that is away is asked again this often.
AWAY_S = 0.5


@dataclass(slots=True)
class _Collected:
    """What a turn took from the binds, to be put back if it fails."""

    work: Work
    taken: list[tuple[Bind, int, int, list[Answer]]]
    receipts: list[tuple[Received, Session, tuple[int, int]]]

    @property
    def generations(self) -> dict[int, int]:
        """By bind, the session that it had then."""
        return {bind.number: generation for bind, generation, _, _ in self.taken}


@dataclass(slots=True, eq=False)
class Gateway:
    """All binds of a node, and the turns over them."""

    db: Database
    metrics: Metrics
    node_id: int
    epoch: int
    lease: Lease
    binds: list[Bind]
    mo: trio.MemorySendChannel[Arrived]
    most_segments: int
    draining: bool = False
    away: bool = False
    _number: int = 0
    _more: bool = True
    _wake: trio.Event = field(default_factory=trio.Event)
    _ended: trio.Event = field(default_factory=trio.Event)
    _slots: trio.Semaphore = field(default_factory=lambda: trio.Semaphore(TURNS_IN_FLIGHT))
    _open_turns: dict[int, int] = field(default_factory=dict)
    _settled_turns: list[int] = field(default_factory=list)
    _given_up: list[tuple[int, int]] = field(default_factory=list)
    _closed_sessions: list[tuple[int, str]] = field(default_factory=list)

    # ---- what binds want (engine.gateway.binds.Owner)

    async def session_opened(self, bind: Bind) -> int:
        """Notes a session in the database; waits while that is away."""
        while True:
            try:
                return await self.db.transact(
                    nodes.open_session,
                    self.node_id,
                    self.epoch,
                    bind.carrier_id,
                    bind.name,
                    sends=bind.mode is not BindMode.RECEIVER,
                )
            except (Unreachable, CommitUnknown):
                await trio.sleep(AWAY_S)

    def session_closed(self, session_id: int, reason: str) -> None:
        """Remembers that a session has fallen; `take_closed` hands it to who writes it down."""
        self._closed_sessions.append((session_id, reason))

    def take_closed(self) -> list[tuple[int, str]]:
        """The sessions that have fallen since the last call."""
        closed, self._closed_sessions = self._closed_sessions, []
        return closed

    def closed(self) -> list[tuple[int, str]]:
        """The sessions that have fallen and, as far as is known here, are not noted as such."""
        return list(self._closed_sessions)

    def noted(self, closed: Sequence[tuple[int, str]]) -> None:
        """These are."""
        self._closed_sessions = [one for one in self._closed_sessions if one not in closed]

    async def arrived(self, arrived: Arrived) -> None:
        """Hands on MO. The channel is bounded: when it is full, this bind stops reading."""
        await self.mo.send(arrived)

    def something_to_do(self) -> None:
        """Wakes the turns."""
        self._wake.set()

    def look(self) -> None:
        """The queue has something new (or may have)."""
        self._more = True
        self._wake.set()

    # ---- turns

    async def run(self) -> None:
        """Takes turns until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                await self._something_to_do()
                await self._slots.acquire()
                collected = self._collect()
                if collected is None:
                    self._slots.release()
                    continue
                nursery.start_soon(self._turn, collected)

    async def drained(self) -> None:
        """Waits until nothing is on the wire and no outcome unsettled."""
        while (
            self._open_turns
            or self._slots.value < TURNS_IN_FLIGHT
            or self._has_work()
            or any(bind.partial for bind in self.binds)
        ):
            self._ended = trio.Event()
            await self._ended.wait()

    async def _something_to_do(self) -> None:
        while not self._has_work():
            self._wake = trio.Event()
            if self._has_work():
                return
            with trio.move_on_after(POLL_S) as timeout:
                await self._wake.wait()
            if timeout.cancelled_caught:
                self._more = True

    def _has_work(self) -> bool:
        return (
            bool(self._given_up)
            or any(bind.answers or bind.receipts or bind.given_up for bind in self.binds)
            or self._may_launch()
        )

    def _may_launch(self) -> bool:
        return self._more and any(self._takes(bind) for bind in self.binds)

    def _takes(self, bind: Bind) -> bool:
        """Whether something can go out over it: while draining only the rest of what has begun."""
        return bind.sends and bind.free > 0 and (bind.partial is not None or not self.draining)

    def _collect(self) -> _Collected | None:
        """Takes what the binds have gathered, and their slots, for one turn."""
        answers: list[Answer] = []
        receipts: list[tuple[Received, Session, tuple[int, int]]] = []
        slots: list[Slots] = []
        taken: list[tuple[Bind, int, int, list[Answer]]] = []
        given_up, self._given_up = self._given_up, []
        for bind in self.binds:
            free = bind.free + bind.returning
            taken.append((bind, bind.generation, free, bind.answers))
            answers += bind.answers
            receipts += bind.receipts
            given_up += bind.given_up
            bind.answers, bind.receipts, bind.given_up = [], [], []
            bind.free = bind.returning = 0
            bind.room.set()
            if bind.sends:
                carrier = bind.carrier
                slots.append(
                    Slots(
                        bind.number,
                        bind.carrier_id,
                        carrier.window,
                        free,
                        carrier.dest_ton,
                        carrier.dest_npi,
                        bind.partial,
                    )
                )
        launch = not self.draining and any(one.free > 0 for one in slots)
        goes_on = any(one.free > 0 and one.partial is not None for one in slots)
        if not (answers or receipts or given_up or ((launch or goes_on) and self._more)):
            for bind, _, free, _ in taken:
                bind.free = free
            return None
        for one in slots:
            if one.partial is not None:
                bind = self.binds[one.bind]
                bind.partial, bind.lent = None, True
        self._number += 1
        self._more = False
        settled, self._settled_turns = self._settled_turns, []
        work = Work(
            node_id=self.node_id,
            epoch=self.epoch,
            number=self._number,
            answers=answers,
            received=[received for received, _, _ in receipts],
            slots=slots,
            settled_turns=settled,
            given_up=given_up,
            most_segments=self.most_segments,
            launch=launch,
        )
        return _Collected(work, taken, receipts)

    async def _turn(self, collected: _Collected) -> None:
        began = trio.current_time()
        try:
            done = await self._commit(collected.work)
            if done is None:
                await self._put_back(collected)
                return
            self._book(collected, done)
            self.metrics.turn(
                trio.current_time() - began,
                done.launched,
                done.outcomes.items(),
                done.receipts.items(),
            )
            await self._write(collected, done)
        finally:
            self._slots.release()
            self._wake.set()
            self._ended.set()

    async def _commit(self, work: Work) -> Done | None:
        """Runs the turn; None when it is certain that nothing of it was written."""
        done: list[Done] = []

        def fn(tx: Tx) -> None:
            done[:] = [turn.run(tx, work)]

        try:
            await self.db.transact(fn)
        except Unreachable as error:
            self._gone(str(error))
            await trio.sleep(AWAY_S)
            return None
        except CommitUnknown as error:
            self._gone(str(error))
            if not await self._committed(work):
                self._settled_turns.append(work.number)  # its place was taken by who asked
                return None
        self._back()
        return done[0]

    async def _committed(self, work: Work) -> bool:
        """Finds out whether a turn whose COMMIT was cut off has committed."""
        while True:
            try:
                return await self.db.transact(
                    nodes.turn_committed, self.node_id, self.epoch, work.number
                )
            except (Unreachable, CommitUnknown):
                await trio.sleep(AWAY_S)

    def _gone(self, reason: str) -> None:
        if not self.away:
            log.error("database.away", reason=reason)
        self.away = True

    def _back(self) -> None:
        if self.away:
            log.info("database.back")
        self.away = False

    async def _put_back(self, collected: _Collected) -> None:
        """Nothing was written: the answers wait for the next turn, the slots are free."""
        for bind, generation, free, answers in collected.taken:
            bind.answers = answers + bind.answers
            if bind.generation == generation:
                bind.free += free  # also those of the answers, which the next turn takes along
        for one in collected.work.slots:
            self._return(one, one.partial, collected)
        self._given_up += collected.work.given_up
        self._settled_turns += collected.work.settled_turns
        self._more = True
        for session, pairs in _by_session(collected.receipts).items():
            await self._send(session, (), [(*pair, TEMPORARY) for pair in pairs])

    def _book(self, collected: _Collected, done: Done) -> None:
        """Keeps the books of windows and of turns whose messages are on the wire."""
        launched: dict[int, int] = {}
        for one in done.slots:
            launched[one.bind] = len(one.batch)
        for bind, generation, free, answers in collected.taken:
            for answer in answers:
                self._landed(answer.token.turn)
            if bind.generation == generation:
                bind.free += free - launched.get(bind.number, 0)
        for before, one in zip(collected.work.slots, done.slots, strict=True):
            self._return(before, one.partial, collected)
        self._given_up += done.given_up
        number = collected.work.number
        if done.launched:
            self._open_turns[number] = done.launched
        elif done.recorded:
            self._settled_turns.append(number)
        # A slot that became free while a turn had the rest of a message is for that.
        goes_on = any(bind.partial is not None and bind.free > 0 for bind in self.binds)
        self._more = self._more or done.more or goes_on

    def _return(self, before: Slots, partial: Partial | None, collected: _Collected) -> None:
        """Gives back what is left of a message larger than the window, to the session that has it.

        A turn that neither was lent one nor began one knows nothing of what another one began.
        """
        bind = self.binds[before.bind]
        if before.partial is not None:
            bind.lent = False
        if partial is None:
            return
        if bind.generation == collected.generations[bind.number]:
            bind.partial = partial
        else:
            bind.give_up(partial)

    def _landed(self, number: int) -> None:
        left = self._open_turns.get(number)
        if left is None:
            return
        if left == 1:
            del self._open_turns[number]
            self._settled_turns.append(number)
        else:
            self._open_turns[number] = left - 1

    async def _write(self, collected: _Collected, done: Done) -> None:
        """After the commit: one write a bind with its submit_sm and its deliver_sm_resp."""
        if not self.lease.holds(clock.boottime()):
            await self._drop_binds()
        replies = _by_session(collected.receipts)
        generations = collected.generations
        for one in done.slots:
            bind = self.binds[one.bind]
            if not one.batch:
                continue
            session = bind.session
            if session is None or bind.generation != generations[one.bind]:
                # It fell while the turn committed: these were marked and never left. Their
                # outcome is settled as unknown, which is more careful than need be.
                bind.unknown(token for token, _ in one.batch)
                continue
            answers = [(*pair, OK) for pair in replies.pop(session, ())]
            if not await self._send(session, one.batch, answers):
                bind.unknown(token for token, _ in one.batch)
        for session, pairs in replies.items():
            await self._send(session, (), [(*pair, OK) for pair in pairs])
        for carrier_id in done.rebind:
            for bind in self.binds:
                if bind.carrier_id == carrier_id and bind.session is not None:
                    await bind.session.unbind()

    async def _drop_binds(self) -> None:
        """Nothing leaves any more: what this turn has launched may be another node's by now."""
        log.error("node.late", reason="the lease was not renewed in time; all binds are dropped")
        for bind in self.binds:
            if bind.session is not None:
                await bind.session.aclose()

    async def _send(
        self,
        session: Session,
        submits: Sequence[tuple[turn.Token, bytes]],
        answers: Sequence[tuple[int, int, int]],
    ) -> bool:
        """False: nothing was written, and the session does not know of these submits."""
        try:
            await session.send(submits=submits, answers=answers)
        except SessionClosed:
            return False
        return True


def _by_session(
    receipts: Sequence[tuple[Received, Session, tuple[int, int]]],
) -> dict[Session, list[tuple[int, int]]]:
    pairs: dict[Session, list[tuple[int, int]]] = {}
    for _, session, pair in receipts:
        pairs.setdefault(session, []).append(pair)
    return pairs
