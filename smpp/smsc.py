"""What a simulated SMSC decides: whom it lets in, what it takes, what it owes (R-5.12).

Pure: `simulator` brings octets and time to it. What is owed to a system_id (receipts, replies)
belongs to its account, not to a connection. All randomness comes from one seeded generator.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple

from smpp import codec, receipt_dates, recording, segments, status, subscribers, tlv
from smpp.pdu import Bind, CancelSm, CancelSmResp, QuerySm, QuerySmResp, Submit
from smpp.receipt import STATES, ReceiptState, render

ReceiptForm = Literal["text+tlv", "text", "tlv"]

_RECEIPT: Final = 0x04  # esm_class of a deliver_sm that is a receipt (SMPP 3.4 §5.2.12)
_WANTS_RECEIPT: Final = 0x03  # registered_delivery: 0 none, 1 any outcome, 2 failures (§5.2.17)
_FAILURES_ONLY: Final = 2


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
    tls_certificate: Path | None = None
    """TLS, with the certificate in this file; None: none."""
    tls_key: Path | None = None
    """Its key, where that is in a file of its own."""
    tls_client_ca: Path | None = None
    """Let in only clients with a certificate of this CA."""

    def __post_init__(self) -> None:
        for name in ("error_pct", "throttle_pct"):
            if not 0 <= getattr(self, name) <= 100:
                raise ValueError(f"{name} is {getattr(self, name):g}; it must be 0 to 100")
        for name in ("latency_ms", "receipt_after_ms"):
            if not 0 <= (getattr(self, name) or 0) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name):g}; it must be 0 or more")
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


class Delivery(NamedTuple):
    """A deliver_sm that is owed: its body, and what it is."""

    body: bytes
    is_receipt: bool


class Account:
    """What a system_id is owed, soonest first; shared by all its binds."""

    def __init__(self) -> None:
        self.wakers: set[Callable[[], None]] = set()
        self._order = itertools.count()
        self._owed: list[tuple[float, int, list[Delivery]]] = []

    def owe(self, deliveries: list[Delivery], due_at: float) -> None:
        """Deliver these from `due_at` on."""
        if deliveries:
            heapq.heappush(self._owed, (due_at, next(self._order), deliveries))
            for wake in self.wakers:
                wake()

    def take_due(self, now: float, room: int) -> list[Delivery]:
        """At most `room` of what is due."""
        taken: list[Delivery] = []
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


class Smsc:
    """The one SMSC behind all connections."""

    def __init__(self, options: Options, counters: Counters) -> None:
        self.options = options
        self.counters = counters
        self._rng = random.Random(options.seed)
        # Ids of a second run against the same database should not meet those of the first.
        self._first_id = self._rng.randrange(10**9, 10**12)
        self._accounts: dict[str, Account] = {}
        self._destinations: set[str] = set()
        self._seen: set[int] = set()
        form = options.receipt_form
        self._with_text, self._with_tlv = "text" in form, "tlv" in form
        self._state_tlv = tlv.build(
            tlv.MESSAGE_STATE, bytes((STATES[options.receipt_state].message_state,))
        )

    def admit(self, pdu: Bind) -> int:
        """The status that answers a bind."""
        if self.options.system_id not in (None, pdu.system_id):
            return status.INVALID_SYSTEM_ID
        if self.options.password not in (None, pdu.password):
            return status.INVALID_PASSWORD
        return status.OK

    def account(self, system_id: str) -> Account:
        """What that system_id is owed."""
        return self._accounts.setdefault(system_id, Account())

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

    def receipts(self, taken: Iterable[tuple[Submit, str]], at: datetime) -> list[Delivery]:
        """The receipts that these messages ask for, dated `at`."""
        options = self.options
        if options.receipt_after_ms is None:
            return []
        state = options.receipt_state
        good = state is ReceiptState.DELIVERED
        date = receipt_dates.write(at)
        owed: list[Delivery] = []
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
            owed.append(Delivery(body, is_receipt=True))
        return owed

    def replies(self, submit: Submit) -> tuple[list[Delivery], float] | None:
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
        return [Delivery(body, is_receipt=False) for body in bodies], rule.delay_ms / 1000

    def answer(self, pdu: QuerySm | CancelSm) -> QuerySmResp | CancelSmResp:
        """All messages have their final state at once, so none can be cancelled."""
        if isinstance(pdu, CancelSm):
            return CancelSmResp(status=status.CANCEL_FAILED)
        if not self._is_ours(pdu.message_id):
            return QuerySmResp(status=status.QUERY_FAILED)
        state = STATES[self.options.receipt_state].message_state
        return QuerySmResp(status=status.OK, message_id=pdu.message_id, message_state=state)

    def _is_ours(self, message_id: str) -> bool:
        """Whether `accept` has given this id."""
        return message_id.isdecimal() and 0 <= int(message_id) - self._first_id < (
            self.counters.accepted
        )
