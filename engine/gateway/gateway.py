"""The turns of a node: what all its binds have gathered goes in, what they must write comes out.

At most two turns are in flight: while one commits, the next collects and begins. A turn starts as
soon as there is something to do: an answer, a receipt, or a free slot while the queue has work.

What happens at each failure:

* The database can't be reached: the turn's answers are put back, its receipts are answered with
  ESME_RX_T_APPN so that the SMSC sends them again, its slots are free again, nothing was written.
* The connection was lost in COMMIT: the turn's row is asked for (`nodes.turn_committed`) until there
  is an answer; then it is as if the COMMIT had said so.
* The node's epoch is over (`Fenced`): nothing was written, as if the database were away. Who keeps
  the lease finds out whether it was taken over, and takes another epoch, or ends the engine.
* The process was stopped between COMMIT and write, or the database was away before it, for so long
  that one may have: the database is asked, and when it can't tell, nothing is written and the binds
  are dropped.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import trio

from config.settings import BindMode
from engine import clock, log
from engine.arrived import Arrived
from engine.domain.errors import Unreachable
from engine.domain.outage import Outage
from engine.domain.policy import BIND_STREAK, CampaignWatch
from engine.gateway import turn
from engine.gateway.binds import Bind
from engine.gateway.plans import Network
from engine.gateway.turn import Answer, Done, Partial, Received, Slots, Work
from engine.lease import NodeLease
from engine.metrics import Metrics
from engine.store import control, dispatching, nodes
from engine.store.db import CommitUnknown, Database, Tx
from smpp.session import Session, SessionClosed
from smpp.status import OK, TEMPORARY

TURNS_IN_FLIGHT = 2

# With free slots and nothing known to do, the queue is looked at this often; who puts something
# into it in this process wakes us at once.
POLL_S = 0.2

# So many receipts are worth a turn of their own beside one that is in flight.
MANY_RECEIPTS = 200

# A database that is away is asked again this often.
AWAY_S = 0.5

# The age of some receipts is looked at this often, for the metrics.
AGED_S = 1.0

# Whether one says nothing is looked at this often.
WATCH_S = 1.0


@dataclass(slots=True)
class _Taken:
    """What a turn took from a bind: `free` slots of the session `generation`, of which its pace
    let the turn have `paced`, and answers."""

    bind: Bind
    generation: int
    free: int
    paced: int
    answers: list[Answer]


@dataclass(slots=True)
class _Collected:
    """What a turn took from the binds, to be put back if it fails."""

    work: Work
    taken: dict[int, _Taken]
    leftover: list[Answer]
    receipts: list[tuple[Received, Session, tuple[int, int]]]


@dataclass(slots=True, eq=False)
class Gateway:
    """All binds of a node, and the turns over them."""

    db: Database
    metrics: Metrics
    lease: NodeLease
    network: Network
    mo: trio.MemorySendChannel[Arrived]
    most_segments: int
    opened: Callable[[], None] = lambda: None
    """Told that a session is noted."""
    binds: dict[int, Bind] = field(default_factory=dict)
    paused: Mapping[int, str] = field(default_factory=dict)
    """Carriers that nothing is launched to, and why."""
    draining: bool = False
    """The engine ends: nothing new is launched."""
    resting: bool = False
    """Somebody has drained the node: the same, until that is taken back."""
    _outage: Outage = field(default_factory=Outage)
    _number: int = 0
    _aged_at: float = -math.inf
    _more: bool = True
    _wake: trio.Event = field(default_factory=trio.Event)
    _ended: trio.Event = field(default_factory=trio.Event)
    _slots: trio.Semaphore = field(default_factory=lambda: trio.Semaphore(TURNS_IN_FLIGHT))
    _open_turns: dict[int, int] = field(default_factory=dict)
    _settled_turns: list[int] = field(default_factory=list)
    _given_up: list[tuple[int, int]] = field(default_factory=list)
    _leftover: list[Answer] = field(default_factory=list)
    """Of binds that are no more."""
    _watch: CampaignWatch = field(default_factory=CampaignWatch)
    _alerted: set[tuple[int, str]] = field(default_factory=set)
    """Statuses of carriers that a person was told of, and that have not ended since."""
    _pausing: dict[int, str] = field(default_factory=dict)
    """Carriers that the engine pauses by itself and has not written down yet."""
    _nursery: trio.Nursery | None = None
    _closed_sessions: list[tuple[int, str]] = field(default_factory=list)

    @property
    def away(self) -> bool:
        """Whether the database can't be reached, or refuses what must be written."""
        return self._outage.away

    # ---- what binds want (engine.gateway.binds.Owner)

    async def session_opened(self, bind: Bind) -> int:
        """Notes a session in the database; waits while that is away."""
        while True:
            try:
                session_id = await self.db.transact(
                    nodes.open_session,
                    self.lease.node_id,
                    self.lease.epoch,
                    bind.plan.id,
                    bind.name,
                    sends=bind.mode is not BindMode.RECEIVER,
                )
                self.opened()
                return session_id
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

    def refused_often(self, bind: Bind, status: str) -> None:
        """Many refusals in a row that mean a fault of the configuration: the carrier is paused.

        All of it, since its binds share what is wrong; a person resumes it.
        """
        if bind.plan.id in self.paused:
            return  # answers to what was on the wire by then
        log.error("carrier.paused", carrier=bind.plan.name, bind=bind.name, reason=status)
        self.metrics.carriers.alert(bind.plan.name, status)
        reason = f"{BIND_STREAK} times {status} in a row on {bind.name}"
        self.paused = {**self.paused, bind.plan.id: reason}
        self._pausing[bind.plan.id] = reason
        self._nursery_of_run().start_soon(self._pause, bind.plan.id, reason)

    def pause(self, paused: Mapping[int, str]) -> None:
        """These carriers are paused, and those that we are about to pause, and no others."""
        paused = {**paused, **self._pausing}
        if paused.keys() != self.paused.keys():
            self._more = True
            self._wake.set()
        self.paused = paused

    async def _pause(self, carrier_id: int, reason: str) -> None:
        await self._write_down(control.pause_by_engine, carrier_id, reason)
        del self._pausing[carrier_id]

    async def _write_down(
        self, fn: Callable[[Tx, int, str, datetime], None], number: int, reason: str
    ) -> None:
        """A decision of the engine's own, in the database as soon as that answers."""
        while True:
            try:
                await self.db.transact(fn, number, reason, clock.utc_now())
                return
            except (Unreachable, CommitUnknown):
                await trio.sleep(AWAY_S)

    def _nursery_of_run(self) -> trio.Nursery:
        assert self._nursery is not None, "nothing is answered before the turns run"
        return self._nursery

    # ---- binds that come and go

    def add(self, bind: Bind) -> None:
        """Turns serve one more bind."""
        self.binds[bind.number] = bind

    def remove(self, bind: Bind) -> None:
        """A bind whose task has ended goes; what it had gathered is settled all the same."""
        self.binds.pop(bind.number, None)
        self._leftover += bind.answers
        self._given_up += bind.given_up
        bind.answers, bind.given_up = [], []
        self._wake.set()

    async def settled(self, bind: Bind) -> None:
        """Waits until nothing of a bind is on the wire and no outcome unsettled."""
        while not bind.idle:
            self._wake.set()
            await self._ended.wait()

    # ---- turns

    async def run(self) -> None:
        """Takes turns until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._watch_for_silence)
            while True:
                await self._something_to_do()
                await self._slots.acquire()
                collected = self._collect()
                if collected is None:
                    self._slots.release()
                    continue
                nursery.start_soon(self._turn, collected)

    @property
    def _at_rest(self) -> bool:
        return self.draining or self.resting

    def rest(self, resting: bool) -> None:
        """Whether the node is to launch nothing; its binds stay, and what comes in is taken."""
        if self.resting is not resting:
            self.resting = resting
            log.warning("node.drained") if resting else log.info("node.goes_on")
            self.look()
            self._ended.set()
            self._ended = trio.Event()

    async def rested(self) -> bool:
        """Waits until nothing is on the wire; False when it is to launch again before that."""
        while self.resting and self._busy:
            await self._ended.wait()
        return self.resting

    async def _watch_for_silence(self) -> None:
        """Says so when a turn waits for a database that neither answers nor is gone."""
        while True:
            await trio.sleep(WATCH_S)
            if self._outage.silent(trio.current_time()):
                reason = f"{self.db.describe()} has not answered for some seconds"
                log.error("database.away", reason=reason)

    async def drained(self) -> None:
        """Waits until nothing is on the wire and no outcome unsettled."""
        while self._busy:
            await self._ended.wait()

    @property
    def _busy(self) -> bool:
        return (
            bool(self._open_turns)
            or self._slots.value < TURNS_IN_FLIGHT
            or self._has_work()
            or any(bind.partial for bind in self.binds.values())
        )

    async def _something_to_do(self) -> None:
        while not self._has_work():
            self._wake = trio.Event()
            if self._has_work():
                return
            with trio.move_on_after(self._patience_s()) as timeout:
                await self._wake.wait()
            if timeout.cancelled_caught:
                self._more = True

    def _has_work(self) -> bool:
        return (
            bool(self._given_up or self._leftover)
            or any(bind.answers or bind.given_up for bind in self.binds.values())
            or self._worth_a_turn(sum(len(bind.receipts) for bind in self.binds.values()))
            or self._may_launch()
        )

    def _worth_a_turn(self, receipts: int) -> bool:
        """Whether receipts alone begin a turn: while one is in flight, a few wait for the next."""
        return receipts > 0 and (self._slots.value == TURNS_IN_FLIGHT or receipts >= MANY_RECEIPTS)

    def _may_launch(self) -> bool:
        now = trio.current_time()
        return self._more and any(
            self._takes(bind) and bind.next_at(now) <= now for bind in self.binds.values()
        )

    def _patience_s(self) -> float:
        """How long to wait for a word: until a pace lets something go out, if something is there."""
        now = trio.current_time()
        waits = [POLL_S]
        if self._more:
            waits += [bind.next_at(now) - now for bind in self.binds.values() if self._takes(bind)]
        return min(waits)

    def _takes(self, bind: Bind) -> bool:
        """Whether something can go out over it: while draining only the rest of what has begun."""
        return (
            bind.sends
            and bind.free > 0
            and (bind.partial is not None or not self._at_rest)
            and bind.plan.id not in self.paused
        )

    def _collect(self) -> _Collected | None:
        """Takes what the binds have gathered, and their slots, for one turn."""
        now = trio.current_time()
        leftover, self._leftover = self._leftover, []
        answers = list(leftover)
        receipts: list[tuple[Received, Session, tuple[int, int]]] = []
        given_up, self._given_up = self._given_up, []
        slots: list[Slots] = []
        taken: dict[int, _Taken] = {}
        allowed: dict[int, int] = {}
        for bind in self._in_turn():
            free = bind.free + bind.returning
            paced = 0
            answers += bind.answers
            receipts += bind.receipts
            given_up += bind.given_up
            if bind.sends and bind.plan.id not in self.paused:
                carrier_id = bind.plan.id
                left = allowed.get(carrier_id)
                if left is None:
                    left = bind.pace.allow(now)
                paced = min(free, left, bind.bucket.allow(now))
                allowed[carrier_id] = left - paced
                slots.append(
                    Slots(
                        bind.number,
                        bind.plan,
                        bind.plan.carrier.window,
                        free,
                        paced,
                        bind.tlvs,
                        bind.partial,
                    )
                )
            taken[bind.number] = _Taken(bind, bind.generation, free, paced, bind.answers)
            bind.answers, bind.receipts, bind.given_up = [], [], []
            bind.free = bind.returning = 0
            bind.room.set()
        launch = not self._at_rest and any(one.room > 0 for one in slots)
        goes_on = any(one.room > 0 and one.partial is not None for one in slots)
        if not (answers or receipts or given_up or ((launch or goes_on) and self._more)):
            for one in taken.values():
                one.bind.free = one.free
            return None
        for part in slots:
            bind = self.binds[part.bind]
            bind.turns += 1
            bind.pay(part.paced, now)
            if part.partial is not None:
                bind.partial, bind.lent = None, True
        self._number += 1
        if launch:  # else it is none of this turn's business: what is there stays known
            self._more = False
        settled, self._settled_turns = self._settled_turns, []
        work = Work(
            node_id=self.lease.node_id,
            epoch=self.lease.epoch,
            number=self._number,
            answers=answers,
            received=[received for received, _, _ in receipts],
            slots=slots,
            settled_turns=settled,
            given_up=given_up,
            network=self.network,
            up=self.up(),
            most_segments=self.most_segments,
            launch=launch,
            aged=bool(receipts) and now >= self._aged_at + AGED_S,
        )
        if work.aged:
            self._aged_at = now
        return _Collected(work, taken, leftover, receipts)

    def limited(self) -> dict[int, str]:
        """The carriers that have a rate, by number."""
        return {plan.id: name for name, plan in self.network.plans.items() if plan.carrier.rate}

    def up(self) -> frozenset[str]:
        """The carriers that messages can go out over, now or as soon as there is room."""
        return frozenset(
            bind.plan.name
            for bind in self.binds.values()
            if bind.up and not bind.retiring and bind.plan.id not in self.paused
        )

    def _in_turn(self) -> list[Bind]:
        """All binds, each time another one first: what a pace leaves goes round."""
        binds = list(self.binds.values())
        first = self._number % len(binds) if binds else 0
        return binds[first:] + binds[:first]

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
                done.ages,
            )
            await self._write(collected, done)
        finally:
            for part in collected.work.slots:
                collected.taken[part.bind].bind.turns -= 1
            self._slots.release()
            self._wake.set()
            self._ended.set()
            self._ended = trio.Event()

    async def _commit(self, work: Work) -> Done | None:
        """Runs the turn; None when it is certain that nothing of it was written."""
        done: list[Done] = []

        def fn(tx: Tx) -> None:
            done[:] = [turn.run(tx, work)]

        self._outage.begun(work.number, trio.current_time())
        try:
            await self.db.transact(fn)
        except nodes.Fenced:
            self.lease.doubt()
            await trio.sleep(AWAY_S)
            return None
        except Unreachable as error:
            self._gone(work, str(error))
            await trio.sleep(AWAY_S)
            return None
        except CommitUnknown as error:
            self._gone(work, str(error))
            if not await self._committed(work):
                self._settled_turns.append(work.number)  # its place was taken by who asked
                return None
            if self._outage.answered(work.number):
                log.info("database.back")
            return done[0]
        if self._outage.committed(work.number, trio.current_time(), wrote=done[0].recorded):
            log.info("database.back")
        return done[0]

    async def _committed(self, work: Work) -> bool:
        """Finds out whether a turn whose COMMIT was cut off has committed."""
        while True:
            try:
                return await self.db.transact(
                    nodes.turn_committed, work.node_id, work.epoch, work.number
                )
            except (Unreachable, CommitUnknown):
                await trio.sleep(AWAY_S)

    def _gone(self, work: Work, reason: str) -> None:
        writes = bool(work.answers or work.received or work.given_up)
        if self._outage.failed(work.number, trio.current_time(), writes=writes):
            log.error("database.away", reason=reason)

    async def _put_back(self, collected: _Collected) -> None:
        """Nothing was written: the answers wait for the next turn, the slots are free."""
        now = trio.current_time()
        self._outage.put_back(collected.work.number, self._number)
        for one in collected.taken.values():
            bind = one.bind
            bind.pay(-one.paced, now)
            bind.answers = one.answers + bind.answers
            if bind.generation == one.generation:
                bind.free += one.free  # also those of the answers, which the next turn takes along
            if bind.number not in self.binds:
                self.remove(bind)
        self._leftover += collected.leftover
        for part in collected.work.slots:
            self._return(part, part.partial, collected)
        self._given_up += collected.work.given_up
        self._settled_turns += collected.work.settled_turns
        self._more = True
        for session, pairs in _by_session(collected.receipts).items():
            await self._send(session, (), [(*pair, TEMPORARY) for pair in pairs])

    def _book(self, collected: _Collected, done: Done) -> None:
        """Keeps the books of windows and of turns whose messages are on the wire."""
        now = trio.current_time()
        launched = {part.bind: len(part.batch) for part in done.slots}
        for answer in collected.work.answers:
            self._landed(answer.token.turn)
        for number, one in collected.taken.items():
            bind, n = one.bind, launched.get(number, 0)
            bind.pay(n - one.paced, now)
            if bind.generation == one.generation:
                bind.free += one.free - n
        for before, after in zip(collected.work.slots, done.slots, strict=True):
            self._return(before, after.partial, collected)
        self._given_up += done.given_up
        number = collected.work.number
        if done.launched:
            self._open_turns[number] = done.launched
        elif done.recorded:
            self._settled_turns.append(number)
        # A slot that became free while a turn had the rest of a message is for that.
        goes_on = any(bind.partial is not None and bind.free > 0 for bind in self.binds.values())
        self._more = self._more or done.more or goes_on
        self._judge(done)

    def _judge(self, done: Done) -> None:
        """What the answers say about carriers and campaigns, beyond their messages (R-5.7)."""
        for carrier_id, status in done.alerts.keys() - self._alerted:
            plan = self.network.by_id(carrier_id)
            if plan is not None:
                self.metrics.carriers.alert(plan.name, status)
        # A turn in which a carrier took something, and none was refused like that, ends the row.
        over = {one for one in self._alerted if done.outcomes[one[0], "ESME_ROK"]}
        self._alerted = (self._alerted - over) | done.alerts.keys()
        for (number, reason), n in done.unsendable.items():
            if (bind := self.binds.get(number)) is not None:
                bind.trouble("message.unsendable", reason, self.metrics, n)
        for campaign_id in done.taken:
            self._watch.accepted(campaign_id)
        for campaign_id, policy in done.refused:
            # What was taken in the same turn may have come in between.
            if campaign_id not in done.taken and self._watch.note(campaign_id, policy):
                reason = "the SMSC refused its sender many times in a row"
                log.error("campaign.paused", campaign=campaign_id, reason=reason)
                self._nursery_of_run().start_soon(
                    self._write_down, dispatching.pause_by_engine, campaign_id, reason
                )

    def _return(self, before: Slots, partial: Partial | None, collected: _Collected) -> None:
        """Gives back what is left of a message larger than the window, to the session that has it.

        A turn that neither was lent one nor began one knows nothing of what another one began.
        """
        one = collected.taken[before.bind]
        bind = one.bind
        if before.partial is not None:
            bind.lent = False
        if partial is None:
            return
        if bind.generation == one.generation:
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
        if not await self._still_ours(collected.work):
            log.error(
                "node.late", reason="the lease can't be renewed in time; all binds are dropped"
            )
            await self.drop_binds()
        replies = _by_session(collected.receipts)
        for part in done.slots:
            one = collected.taken[part.bind]
            bind = one.bind
            if not part.batch:
                continue
            session = bind.session
            if session is None or bind.generation != one.generation:
                # It fell while the turn committed: these were marked and never left.
                bind.never_left(token for token, _ in part.batch)
                continue
            answers = [(*pair, OK) for pair in replies.pop(session, ())]
            if await self._send(session, part.batch, answers):
                bind.sent_at = trio.current_time()
            else:
                bind.never_left(token for token, _ in part.batch)
        for session, pairs in replies.items():
            await self._send(session, (), [(*pair, OK) for pair in pairs])

    async def _still_ours(self, work: Work) -> bool:
        """Whether nobody can have taken over what a turn has launched."""
        lease = self.lease
        return work.epoch == lease.epoch and (
            lease.holds(clock.boottime()) or await self._renewed()
        )

    async def _renewed(self) -> bool:
        """Whether the node still is ours, and will be while we write."""
        lease, asked_at = self.lease, clock.boottime()
        try:
            await self.db.transact(nodes.renew, lease.node_id, lease.epoch, lease.lease_s)
        except nodes.Fenced:
            lease.doubt()
            return False
        except (Unreachable, CommitUnknown):
            return False
        self.lease.renewed(asked_at)
        return self.lease.holds(clock.boottime())

    async def drop_binds(self) -> None:
        """Nothing leaves any more: what has been launched here may be another node's by now."""
        for bind in self.binds.values():
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
