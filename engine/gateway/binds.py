"""A bind: one session to a carrier, kept for ever (R-5.2).

It connects, binds, reads, and begins again when that ends: after 1 s doubling to 60 s when the
carrier can't be reached or drops us, after 30 s when it unbound, after 1 min doubling to 15 min when
it refused us, with an alert. One bind's trouble is its own: each is a task.

What it reads it hands on in lists: answers and receipts to the next turn, MO to `engine.inbound`.
A window slot belongs to the bind (`free`), to a turn that may fill it, to a segment on the wire, or
to an answer that waits to be settled (`returning`). The slots are those of one session: with each new
one (`generation`) the books begin anew.
"""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import trio

from config.settings import BindMode
from engine import clock, log
from engine.arrived import Arrived
from engine.domain.pace import Bucket, Pace
from engine.domain.policy import BindStep, BindWatch, after_fall, after_refusal, held
from engine.gateway.plans import Plan, tls_of
from engine.gateway.turn import NEVER_LEFT, Answer, Partial, Received, Token
from engine.metrics import Metrics
from smpp import events, receipt, transport
from smpp import session as smpp_session
from smpp import status as smpp_status
from smpp.pdu import VERSION_34, Mode, ShortMessage
from smpp.pdu import Bind as BindPdu
from smpp.pdu import name as pdu_name
from smpp.session import Session
from smpp.status import Policy
from smpp.timers import Timing

MODES = {
    BindMode.TRANSCEIVER: Mode.TRANSCEIVER,
    BindMode.TRANSMITTER: Mode.TRANSMITTER,
    BindMode.RECEIVER: Mode.RECEIVER,
}

# Receipts that wait for a turn, per bind. Beyond it the bind stops reading, so that TCP slows the
# SMSC down instead of our memory growing.
RECEIPTS_WAITING = 5_000


class BindState(StrEnum):
    """Where a bind stands."""

    CONNECTING = "connecting"
    BOUND = "bound"
    WAITING = "waiting"
    REFUSED = "refused"
    STOPPED = "stopped"


class Owner(Protocol):
    """What a bind needs of the gateway."""

    async def session_opened(self, bind: "Bind") -> int: ...
    def session_closed(self, session_id: int, reason: str) -> None: ...
    async def arrived(self, arrived: Arrived) -> None: ...
    def something_to_do(self) -> None: ...
    def refused_often(self, bind: "Bind", status: str) -> None: ...


@dataclass(slots=True, eq=False)
class Bind:
    """One of a carrier's sessions, and its window."""

    number: int
    name: str
    plan: Plan
    mode: BindMode
    pace: Pace
    """The carrier's: all its binds share it, and it outlives them."""
    bucket: Bucket
    state: BindState = BindState.CONNECTING
    last_error: str | None = None
    session: Session | None = None
    session_id: int = 0
    free: int = 0
    returning: int = 0
    generation: int = 0
    doubtful: bool = False
    partial: Partial | None = None
    lent: bool = False
    """A turn goes on with `partial`, which is its own until it has ended."""
    turns: int = 0
    """How many turns in flight have slots of it, and may write to it."""
    given_up: list[tuple[int, int]] = field(default_factory=list)
    """Messages (id, attempt) of which a part never went out, because their session fell."""
    answers: list[Answer] = field(default_factory=list)
    receipts: list[tuple[Received, Session, tuple[int, int]]] = field(default_factory=list)
    room: trio.Event = field(default_factory=trio.Event)
    watch: BindWatch = field(default_factory=BindWatch)
    tlvs: bool = True
    """False once the SMSC has refused optional parameters, or speaks 3.3."""
    retiring: bool = False
    """Nothing more goes out over it: it is about to unbind."""
    again: trio.Event = field(default_factory=trio.Event)
    """Set: bind again at once, however long the wait was to be."""
    since: datetime = field(default_factory=clock.utc_now)
    latency_s: float | None = None
    throttles: int = 0
    """Answers that said that we are too fast, since the engine has started."""
    sent_at: float = -math.inf
    """When messages last went out over it, by trio's clock; before all time while none has."""
    up_at: float = math.inf
    """When the session was bound, by trio's clock; later than ever while there was none."""
    answered: bool = False
    """Whether a submit_sm was answered over the session."""
    leaving: str | None = None
    """Why it unbinds and does not come back; None: it will."""
    trace: smpp_session.Trace | None = None
    """Who watches its PDUs (`engine.tracing`); nearly always nobody."""
    told: set[str] = field(default_factory=set)
    """Troubles of this session that the log has: once is enough, metrics count them all."""

    @property
    def sends(self) -> bool:
        """Whether messages may go out over it now."""
        return self.up and not self.doubtful and not self.lent and not self.retiring

    @property
    def up(self) -> bool:
        """Whether there is a session that messages go out over."""
        return self.session is not None and self.mode is not BindMode.RECEIVER

    @property
    def idle(self) -> bool:
        """Whether nothing is on the wire or about to be, and no outcome of it unsettled."""
        on_wire = self.session.connection.outstanding if self.session else 0
        return not (on_wire or self.answers or self.returning or self.turns or self.partial)

    def next_at(self, now: float) -> float:
        """When its pace, and its carrier's, lets something go out; `now` when they do."""
        return max(self.pace.next_at(now), self.bucket.next_at(now))

    def pay(self, n: int, now: float) -> None:
        """So many PDUs go out; less than nothing: they did not, after all."""
        if n:
            self.pace.sent(n, now)
            self.bucket.sent(n)

    def enter(self, state: BindState) -> None:
        """Stands elsewhere from now on."""
        if state is not self.state:
            self.since = clock.utc_now()
        self.state = state

    def trouble(
        self, event: str, reason: str, metrics: Metrics, n: int = 1, **more: object
    ) -> None:
        """Something is wrong that the session survives; `reason` is one of few words."""
        carrier = self.plan.name
        metrics.carriers.trouble(carrier, self.name, reason, n)
        if reason not in self.told:
            self.told.add(reason)
            log.warning(event, carrier=carrier, bind=self.name, reason=reason, **more)

    def unknown(self, tokens: Iterable[Token]) -> None:
        """No answer will come for these (R-8.2)."""
        carrier_id = self.plan.id
        self.answers += [Answer(token, carrier_id, None, None) for token in tokens]

    def never_left(self, tokens: Iterable[Token]) -> None:
        """These were not written, for certain: they are queued again at once."""
        carrier_id = self.plan.id
        self.answers += [Answer(token, carrier_id, NEVER_LEFT, None) for token in tokens]

    def give_up(self, partial: Partial | None) -> None:
        """The session is gone on which the rest of a message should have followed."""
        if partial is not None:
            self.given_up.append((partial.message_id, partial.attempt))


async def keep(bind: Bind, owner: Owner, metrics: Metrics, chance: random.Random) -> None:
    """Keeps a bind bound until cancelled, or until it has unbound and is `leaving`."""
    failures = refusals = 0
    alerted = False
    while True:
        bind.enter(BindState.CONNECTING)
        carrier, timers = bind.plan.carrier, bind.plan.carrier.timers
        bind.up_at, bind.answered = math.inf, False
        status: int | None = None
        peer_unbound = False
        try:
            peer_unbound = await _live(bind, owner, metrics)
            reason = bind.last_error or "closed"
            kind = "unbound by the peer" if peer_unbound else "closed"
        except smpp_session.BindFailed as error:
            reason, status = str(error), error.status
            kind = "no answer" if status is None else f"refused: {smpp_status.info(status).name}"
        except transport.ConnectFailed as error:
            reason, kind = str(error), error.trouble
        except transport.TlsFault as error:
            reason, kind = str(error), "tls"
        except smpp_session.SessionClosed as error:
            reason, kind = str(error), "closed"
        bind.last_error = reason
        if bind.leaving is not None:
            bind.enter(BindState.STOPPED)
            log.info("bind.closed", carrier=carrier.name, bind=bind.name, reason=bind.leaving)
            return
        if status is not None:
            refusals, failures = refusals + 1, 0
            refusal = after_refusal(
                status,
                refusals,
                first_s=timers.refused_min_s,
                longest_s=timers.refused_max_s,
                chance=chance.random(),
            )
            delay = refusal.delay_s
            if refusal.alert and not alerted:  # once for all refusals in a row
                metrics.carriers.alert(carrier.name, "bind refused")
            alerted = alerted or refusal.alert
        else:
            if bind.up_at < math.inf:
                alerted = False
            good = held(trio.current_time() - bind.up_at, answered=bind.answered)
            refusals, failures = 0, 1 if good else failures + 1
            delay = after_fall(
                failures,
                first_s=timers.reconnect_min_s,
                longest_s=timers.reconnect_max_s,
                least_s=timers.after_unbind_s if peer_unbound else 0.0,
                chance=chance.random(),
            )
        bind.enter(BindState.WAITING if status is None else BindState.REFUSED)
        if not bind.again.is_set():
            metrics.carriers.trouble(carrier.name, bind.name, kind)
            log.warning(
                "bind.down" if status is None else "bind.refused",
                carrier=carrier.name,
                bind=bind.name,
                reason=reason,
                again_in_s=round(delay, 1),
            )
        with trio.move_on_after(delay):
            await bind.again.wait()
        bind.again = trio.Event()


async def _live(bind: Bind, owner: Owner, metrics: Metrics) -> bool:
    """One session from connect to close; True when the peer unbound."""
    carrier, timers = bind.plan.carrier, bind.plan.carrier.timers
    # Files are read at each connection: a renewed certificate needs no restart.
    tls = None if carrier.tls is None else transport.tls_client(tls_of(carrier.tls))
    stream = await transport.connect(
        carrier.host, carrier.port, timeout_s=timers.connect_timeout_s, tls=tls
    )
    pdu = BindPdu(
        mode=MODES[bind.mode],
        system_id=carrier.system_id,
        password=carrier.password.reveal(),
        system_type=carrier.system_type,
        interface_version=carrier.version.number,
    )
    timing = Timing(
        enquire_after_s=timers.enquire_after_s,
        enquire_timeout_s=timers.enquire_timeout_s,
        enquire_misses=timers.enquire_misses,
        response_timeout_s=timers.response_timeout_s,
        response_timeouts=timers.response_timeouts,
        bind_timeout_s=timers.bind_timeout_s,
        unbind_timeout_s=timers.unbind_timeout_s,
        write_timeout_s=timers.write_timeout_s,
    )
    peer_unbound = False
    async with smpp_session.open_session(
        stream, bind=pdu, timing=timing, trace=bind.trace
    ) as session:
        bind.session_id = await owner.session_opened(bind)
        bind.session = session
        bind.up_at = trio.current_time()
        session.trace = bind.trace
        bind.enter(BindState.BOUND)
        bind.last_error = None
        bind.free = carrier.window
        bind.returning = 0
        bind.generation += 1
        bind.doubtful = bind.retiring = False
        bind.watch = BindWatch()
        bind.told.clear()
        bind.tlvs = session.peer.version >= VERSION_34  # older ones take none (§4.1.2)
        log.info("bind.up", carrier=carrier.name, bind=bind.name, peer=session.peer.system_id)
        owner.something_to_do()
        try:
            async for batch in session.batches():
                peer_unbound |= await _take(bind, session, batch, owner, metrics)
        finally:
            _fallen(bind, session, owner)
    return peer_unbound


def _fallen(bind: Bind, session: Session, owner: Owner) -> None:
    """The books of a session that is over: what is unanswered has an unknown outcome (R-8.2)."""
    bind.session = None
    bind.free = bind.returning = 0
    bind.generation += 1
    bind.give_up(bind.partial)
    bind.partial = None
    bind.unknown(session.abandon())
    bind.receipts = [waiting for waiting in bind.receipts if waiting[1] is not session]
    owner.session_closed(bind.session_id, bind.last_error or "closed")
    owner.something_to_do()


async def _take(
    bind: Bind, session: Session, batch: list[events.Event], owner: Owner, metrics: Metrics
) -> bool:
    """Hands on what one read brought; True when the peer unbound."""
    peer_unbound = False
    for event in batch:
        match event:
            case events.SubmitResponses(items, late, congestion):
                carrier_id = bind.plan.id
                bind.returning += len(items) - len(late)
                answers = [
                    Answer(token, carrier_id, status, smsc_id)
                    for token, status, smsc_id, _ in items
                ]
                bind.answers += _landed_before(answers, late) if late else answers
                bind.latency_s = items[-1][3]
                bind.answered = True
                if congestion is not None:
                    bind.pace.congestion(congestion, trio.current_time())
                metrics.carriers.answered(bind.plan.name, len(items), items[-1][3])
                nameless = [item for item in items if item[2] is None and not item[1]]
                if nameless:
                    bind.trouble("bind.no_id", "accepted without an id", metrics, len(nameless))
                step = _learn(bind, items, owner, metrics)
                if step is BindStep.REBIND:
                    bind.trouble("bind.rebinds", "the SMSC asks for another session", metrics)
                    await session.unbind()
            case events.Deliveries(items):
                await _deliver(bind, session, items, owner)
            case events.SubmitTimeouts(tokens):
                bind.doubtful = True
                bind.trouble("bind.silent", "no answer in time", metrics, len(tokens))
                bind.returning += len(tokens)
                bind.unknown(tokens)
            case events.Alive():
                bind.doubtful = False
            case events.PeerUnbind():
                peer_unbound = True
            case events.Damaged(reason):
                bind.trouble("bind.damaged", "damaged PDU", metrics, what=reason)
            case events.UnknownResponse(command, sequence):
                bind.trouble(
                    "bind.unknown_answer",
                    "an answer to nothing that was asked",
                    metrics,
                    command=pdu_name(command),
                    sequence=sequence,
                )
            case events.Closed(reason):
                bind.last_error = reason
            case _:
                pass
    owner.something_to_do()
    while len(bind.receipts) > RECEIPTS_WAITING:
        bind.room = trio.Event()
        await bind.room.wait()
    return peer_unbound


def _learn(
    bind: Bind, items: Sequence[events.Answered], owner: Owner, metrics: Metrics
) -> BindStep | None:
    """What answers say about pace and bind (R-5.4, R-5.7); the step that is to be taken."""
    now = trio.current_time()
    refused = [item[1] for item in items if item[1]]
    accepted = len(items) - len(refused)
    if accepted:
        bind.pace.accepted(accepted, now)
    if not refused:
        bind.watch.accepted()
        return None
    step: BindStep | None = None
    for _, number, _, _ in items:  # in their order: what is taken in between ends a row
        if not number:
            bind.watch.accepted()
            continue
        row = bind.plan.policies.info(number)
        match row.policy:
            case Policy.THROTTLE:
                bind.throttles += 1
                bind.pace.throttled(1, now)
                metrics.carriers.throttled(bind.plan.name, "throttled")
            case Policy.QUEUE_FULL:
                bind.throttles += 1
                bind.pace.queue_full(1, now)
                metrics.carriers.throttled(bind.plan.name, "queue full")
            case _:
                bind.pace.accepted(1, now)
        match bind.watch.note(row.policy):
            case BindStep.PAUSE:
                owner.refused_often(bind, row.name)
            case BindStep.NO_TLVS:
                bind.tlvs = False
                bind.trouble("bind.no_tlvs", row.name, metrics)
            case BindStep.REBIND:
                step = BindStep.REBIND
            case None:
                pass
    return step


def _landed_before(answers: list[Answer], late: Sequence[Token]) -> list[Answer]:
    """Late answers to segments that have been settled as unknown: no turn waits for them."""
    known = set(late)
    return [
        answer._replace(token=answer.token._replace(turn=0)) if answer.token in known else answer
        for answer in answers
    ]


async def _deliver(
    bind: Bind, session: Session, items: Sequence[ShortMessage], owner: Owner
) -> None:
    """Tells receipts from MO (wire.md, rule 1)."""
    messages: list[ShortMessage] = []
    for item in items:
        read = receipt.parse(item.octets, item.tlvs, item.esm_class, item.data_coding)
        if read is None:
            messages.append(item)
        else:
            received = Received(bind.plan.id, item.source, read, item.destination)
            bind.receipts.append((received, session, (item.command, item.sequence)))
    if messages:
        await owner.arrived(
            Arrived(
                carrier_id=bind.plan.id,
                alphabet=bind.plan.carrier.alphabet.value,
                country=bind.plan.carrier.default_country,
                session=session,
                session_id=bind.session_id,
                messages=messages,
            )
        )
