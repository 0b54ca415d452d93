"""An SMSC to develop, demonstrate and measure against, on the same protocol core (R-5.12).

It takes submit_sm, answers, sends receipts and what subscribers write back, and can be told to be
slow, to refuse, to throttle and to drop connections. What it owes a system_id (receipts and
replies) belongs to the account, not to the connection: what was not answered when a connection
fell is sent again on the account's next bind. All randomness comes from one seeded generator.

    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve, Options(port=0, receipt_after_ms=5))
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple, TextIO

import trio

from smpp import codec, receipt_dates, recording, segments, status, subscribers, tlv, transport
from smpp.events import (
    Answered,
    BindRequested,
    DeliverResponses,
    DeliverTimeouts,
    Event,
    Requested,
    Submits,
)
from smpp.pdu import Bind, CancelSmResp, QuerySm, QuerySmResp, Submit
from smpp.protocol import Connection
from smpp.receipt import STATES, ReceiptState, render
from smpp.session import Session, SessionClosed
from smpp.states import Role, State
from smpp.timers import Timing

ReceiptForm = Literal["text+tlv", "text", "tlv"]

_RECEIPT: Final = 0x04  # esm_class of a deliver_sm that is a receipt (SMPP 3.4 §5.2.12)
_WANTS_RECEIPT: Final = 0x03  # registered_delivery: 0 none, 1 any outcome, 2 failures (§5.2.17)
_FAILURES_ONLY: Final = 2
_RECEIVING: Final = frozenset({State.BOUND_RX, State.BOUND_TRX})
_AGAIN_S: Final = 1.0
"""Pause before a delivery that was refused for the moment (ESME_RX_T_APPN) is tried again."""
_AGAIN: Final = frozenset({status.TEMPORARY, status.QUEUE_FULL, status.THROTTLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the SMSC is like. Percentages are of the submit_sm received."""

    host: str = "127.0.0.1"
    port: int = 2775
    system_id: str | None = None
    """Who may bind; None: anybody."""
    password: str | None = field(default=None, repr=False)
    latency_ms: float = 0.0
    """From submit_sm to its response."""
    receipt_after_ms: float | None = 0.0
    """From response to receipt; None: no receipts."""
    receipt_state: ReceiptState = ReceiptState.DELIVERED
    receipt_form: ReceiptForm = "text+tlv"
    error_pct: float = 0.0
    error_status: int = status.SYSTEM_ERROR
    throttle_pct: float = 0.0
    drop_every: int | None = None
    """Cut the connection at each so many submit_sm: taken, but their responses are lost."""
    window: int | None = None
    """More submit_sm without response on one bind than this are throttled."""
    deliver_window: int = 500
    """So many deliver_sm without response at most, on one bind."""
    record: Path | None = None
    """A JSONL file to which each submit_sm is added; see `recording`."""
    replies: tuple[subscribers.Rule, ...] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("error_pct", "throttle_pct"):
            if not 0 <= getattr(self, name) <= 100:
                raise ValueError(f"{name} is {getattr(self, name):g}; it must be 0 to 100")
        if self.latency_ms < 0 or (self.receipt_after_ms or 0) < 0:
            raise ValueError("a delay can't be negative")
        for name in ("drop_every", "window", "deliver_window"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")


@dataclass(slots=True)
class Counters:
    """What the SMSC has seen and done; read them at any time."""

    binds: int = 0
    binds_refused: int = 0
    submits: int = 0
    accepted: int = 0
    refused: int = 0
    throttled: int = 0
    unique_destinations: int = 0
    repeats: int = 0
    """Accepted submit_sm whose destination and text had been accepted before."""
    drops: int = 0
    receipts_sent: int = 0
    receipts_acked: int = 0
    replies_sent: int = 0
    replies_acked: int = 0
    deliveries_refused: int = 0

    def snapshot(self) -> dict[str, int]:
        """All of them by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


async def serve(
    options: Options,
    *,
    counters: Counters | None = None,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Be that SMSC until cancelled; the started value is the bound port. `counters` are kept up.

    Raises `OSError` when the port can't be had or the record can't be written.
    """
    with ExitStack() as stack:
        record = None
        if options.record is not None:
            record = stack.enter_context(options.record.open("a", encoding="utf-8"))
        smsc = _Smsc(options, Counters() if counters is None else counters, record)
        await transport.serve(smsc.talk, options.host, options.port, task_status=task_status)


class _Delivery(NamedTuple):
    """A deliver_sm that is owed: its body, and what it is."""

    body: bytes
    is_receipt: bool


class _Account:
    """What a system_id is owed, soonest first; shared by all its binds."""

    def __init__(self) -> None:
        self.links: set[_Link] = set()
        self._order = itertools.count()
        self._owed: list[tuple[float, int, list[_Delivery]]] = []

    def owe(self, deliveries: list[_Delivery], due_at: float) -> None:
        """Deliver these from `due_at` on."""
        if deliveries:
            heapq.heappush(self._owed, (due_at, next(self._order), deliveries))
            for link in self.links:
                link.wake()

    def take_due(self, now: float, room: int) -> list[_Delivery]:
        """At most `room` of what is due."""
        taken: list[_Delivery] = []
        while self._owed and self._owed[0][0] <= now and len(taken) < room:
            due_at, order, deliveries = heapq.heappop(self._owed)
            fits = room - len(taken)
            taken += deliveries[:fits]
            if len(deliveries) > fits:
                heapq.heappush(self._owed, (due_at, order, deliveries[fits:]))
        return taken

    def next_due(self) -> float | None:
        """When the next one is due."""
        return self._owed[0][0] if self._owed else None


class _Smsc:
    """The one SMSC behind all connections."""

    def __init__(self, options: Options, counters: Counters, record: TextIO | None) -> None:
        self.options = options
        self.counters = counters
        self._record = record
        self._rng = random.Random(options.seed)
        # Ids of a second run against the same database should not meet those of the first.
        self._first_id = self._rng.randrange(10**9, 10**12)
        self._accounts: dict[str, _Account] = {}
        self._destinations: set[str] = set()
        self._seen: set[int] = set()
        form = options.receipt_form
        self._with_text, self._with_tlv = "text" in form, "tlv" in form
        self._state_tlv = tlv.build(
            tlv.MESSAGE_STATE, bytes((STATES[options.receipt_state].message_state,))
        )

    async def talk(self, stream: trio.abc.Stream) -> None:
        """One connection, from accept to close."""
        now = trio.current_time()
        session = Session(stream, Connection(Role.SMSC, timing=Timing(), now=now))
        link: _Link | None = None
        try:
            async with trio.open_nursery() as nursery:
                async for batch in session:
                    for event in batch:
                        if isinstance(event, BindRequested):
                            link = await self._bind(session, event.pdu)
                            if link is not None:
                                nursery.start_soon(link.push)
                        elif link is not None:
                            await link.take(event)
                nursery.cancel_scope.cancel()
        except* SessionClosed:
            pass  # it fell while we wrote: what is owed is owed again below
        finally:
            if link is not None:
                link.leave()
            await session.aclose()

    async def _bind(self, session: Session, pdu: Bind) -> "_Link | None":
        refusal = self._judge(pdu)
        await session.answer_bind(refusal, "siaran-smsc")
        if refusal:
            self.counters.binds_refused += 1
            return None
        self.counters.binds += 1
        return _Link(self, session, pdu.system_id, self._account(pdu.system_id))

    def _judge(self, pdu: Bind) -> int:
        if self.options.system_id not in (None, pdu.system_id):
            return status.INVALID_SYSTEM_ID
        if self.options.password not in (None, pdu.password):
            return status.INVALID_PASSWORD
        return status.OK

    def _account(self, system_id: str) -> _Account:
        return self._accounts.setdefault(system_id, _Account())

    def verdict(self, unanswered: int) -> int:
        """The status for one more submit_sm when so many have no response yet."""
        options, chance = self.options, 0.0
        if options.window is not None and unanswered >= options.window:
            return status.THROTTLED
        if options.error_pct or options.throttle_pct:
            chance = self._rng.random() * 100
            if chance < options.throttle_pct:
                return status.THROTTLED
            if chance < options.throttle_pct + options.error_pct:
                return options.error_status
        return status.OK

    def accept(self, submit: Submit) -> str:
        """Take a message; its id."""
        counters = self.counters
        message_id = str(self._first_id + counters.accepted)
        counters.accepted += 1
        self._destinations.add(submit.destination)
        counters.unique_destinations = len(self._destinations)
        key = hash((submit.destination, submit.octets))
        if key in self._seen:
            counters.repeats += 1
        self._seen.add(key)
        return message_id

    def is_ours(self, message_id: str) -> bool:
        """Whether `accept` has given this id."""
        return message_id.isdecimal() and 0 <= int(message_id) - self._first_id < (
            self.counters.accepted
        )

    def receipts(self, taken: Iterable[tuple[Submit, str]]) -> list[_Delivery]:
        """The receipts that these messages ask for."""
        options = self.options
        if options.receipt_after_ms is None:
            return []
        state = options.receipt_state
        good = state is ReceiptState.DELIVERED
        date = receipt_dates.write(datetime.now(UTC))
        owed: list[_Delivery] = []
        for submit, message_id in taken:
            wanted = submit.registered_delivery & _WANTS_RECEIPT
            if not wanted or (wanted == _FAILURES_ONLY and good):
                continue
            text = tlvs = b""
            if self._with_text:
                err = "000" if good else "001"
                text = render(message_id, state, submit_date=date, done_date=date, err=err)
            if self._with_tlv:
                value = message_id.encode("ascii") + b"\0"
                tlvs = tlv.build(tlv.RECEIPTED_MESSAGE_ID, value) + self._state_tlv
            body = codec.deliver_back(submit, esm_class=_RECEIPT, short_message=text, tlvs=tlvs)
            owed.append(_Delivery(body, is_receipt=True))
        return owed

    def replies(self, submit: Submit) -> tuple[list[_Delivery], float] | None:
        """What the subscriber writes back, and after how many seconds."""
        text, _ = recording.read(submit)
        rule = subscribers.choose(self.options.replies, text, self._rng)
        if rule is None:
            return None
        cut = segments.split(rule.text, None, reference=self._rng.randrange(256))
        bodies = [
            codec.deliver_back(
                submit,
                esm_class=segment.esm_class,
                data_coding=segment.data_coding,
                short_message=segment.octets,
            )
            for segment in cut
        ]
        return [_Delivery(body, is_receipt=False) for body in bodies], rule.delay_ms / 1000

    def record(self, lines: list[tuple[Submit, str | None]], system_id: str) -> None:
        """Write down what came, before it is answered."""
        if self._record is not None:
            at = datetime.now(UTC)
            self._record.writelines(
                recording.line(submit, bind=system_id, message_id=message_id, at=at)
                for submit, message_id in lines
            )
            self._record.flush()


class _Link:
    """One bound connection of an account."""

    def __init__(self, smsc: _Smsc, session: Session, system_id: str, account: _Account) -> None:
        self._smsc = smsc
        self._session = session
        self._system_id = system_id
        self._account = account
        self._responses: deque[tuple[float, list[tuple[int, int, int, str]]]] = deque()
        self._unanswered = 0
        self._wake = trio.Event()
        account.links.add(self)

    def wake(self) -> None:
        """Something new is due some time."""
        self._wake.set()

    def leave(self) -> None:
        """The connection is gone: what it had not answered is owed again."""
        self._account.links.discard(self)
        self._account.owe(self._session.abandon(), trio.current_time())

    async def take(self, event: Event) -> None:
        """What the ESME said."""
        match event:
            case Submits(items=items):
                await self._submitted(items)
            case DeliverResponses(items=items):
                self._acked(items)
            case DeliverTimeouts(tokens=tokens):
                self._account.owe(tokens, trio.current_time())
            case Requested(sequence=sequence, pdu=pdu):
                self._session.connection.answer(sequence, self._answer(pdu.message_id, pdu))
            case _:
                pass

    async def push(self) -> None:
        """Write responses and deliveries when they are due; ends with the connection."""
        while True:
            now = trio.current_time()
            octets = self._due(now)
            if octets:
                await self._session.write(octets)
                continue
            deadline = self._next_due()
            with trio.CancelScope(deadline=deadline):
                await self._wake.wait()
            self._wake = trio.Event()

    async def _submitted(self, items: list[Submit]) -> None:
        smsc, options, counters = self._smsc, self._smsc.options, self._smsc.counters
        now = trio.current_time()
        answers: list[tuple[int, int, int, str]] = []
        taken: list[tuple[Submit, str]] = []
        lines: list[tuple[Submit, str | None]] = []
        drop = False
        for submit in items:
            counters.submits += 1
            verdict = smsc.verdict(self._unanswered + len(answers))
            message_id = "" if verdict else smsc.accept(submit)
            if verdict == status.THROTTLED:
                counters.throttled += 1
            elif verdict:
                counters.refused += 1
            else:
                taken.append((submit, message_id))
            answers.append((submit.command, submit.sequence, verdict, message_id))
            lines.append((submit, message_id or None))
            drop = options.drop_every is not None and counters.submits % options.drop_every == 0
            if drop:
                break
        smsc.record(lines, self._system_id)
        answer_at = now + options.latency_ms / 1000
        self._account.owe(smsc.receipts(taken), answer_at + (options.receipt_after_ms or 0) / 1000)
        if options.replies:
            for submit, _ in taken:
                if (reply := smsc.replies(submit)) is not None:
                    self._account.owe(reply[0], answer_at + reply[1])
        if drop:
            counters.drops += 1
            await self._session.aclose()
            return
        self._unanswered += len(answers)
        self._responses.append((answer_at, answers))
        self.wake()

    def _acked(self, items: list[Answered]) -> None:
        counters = self._smsc.counters
        again: list[_Delivery] = []
        for delivery, answer, _, _ in items:
            if answer in _AGAIN:
                again.append(delivery)
            elif answer:
                counters.deliveries_refused += 1
            elif delivery.is_receipt:
                counters.receipts_acked += 1
            else:
                counters.replies_acked += 1
        self._account.owe(again, trio.current_time() + _AGAIN_S)
        self.wake()  # there is room in the window

    def _due(self, now: float) -> bytes:
        """The octets of all that is due: responses first, then deliveries, in one write."""
        connection = self._session.connection
        octets: list[bytes] = []
        while self._responses and self._responses[0][0] <= now:
            _, answers = self._responses.popleft()
            self._unanswered -= len(answers)
            octets.append(connection.answer_submits(answers))
        room = self._room()
        if room:
            deliveries = self._account.take_due(now, room)
            if deliveries:
                octets.append(connection.submit([(d, d.body) for d in deliveries], now))
                receipts = sum(delivery.is_receipt for delivery in deliveries)
                self._smsc.counters.receipts_sent += receipts
                self._smsc.counters.replies_sent += len(deliveries) - receipts
        return b"".join(octets)

    def _room(self) -> int:
        connection = self._session.connection
        if connection.state not in _RECEIVING:
            return 0
        return self._smsc.options.deliver_window - connection.outstanding

    def _next_due(self) -> float:
        due = [self._responses[0][0]] if self._responses else []
        owed = self._account.next_due()
        if owed is not None and self._room():
            due.append(owed)
        return min(due, default=trio.current_time() + 3600)

    def _answer(self, message_id: str, pdu: object) -> QuerySmResp | CancelSmResp:
        """All messages of ours have their final state at once, so none can be cancelled."""
        if not isinstance(pdu, QuerySm):
            return CancelSmResp(status=status.CANCEL_FAILED)
        if not self._smsc.is_ours(message_id):
            return QuerySmResp(status=status.QUERY_FAILED)
        state = STATES[self._smsc.options.receipt_state].message_state
        return QuerySmResp(status=status.OK, message_id=message_id, message_state=state)
